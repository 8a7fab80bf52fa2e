//! `wallflower config check`: what a file sets, or all that is wrong with it.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use registry::config::{Overrides, Settings};

use crate::cli::Config;
use crate::run::{Failure, USAGE};

pub(crate) fn config(arguments: &Config) -> Result<u8, Failure> {
    let Config::Check { file } = arguments;
    let settings =
        Settings::load(Some(file), &Overrides::default()).map_err(|error| Failure::new(USAGE, error))?;
    registry::protection::check(&settings).map_err(|error| Failure::new(USAGE, error))?;
    // A closed pipe is no fault of the file.
    let _ = show(file, &settings);
    Ok(0)
}

fn show(file: &Path, settings: &Settings) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{} is valid", file.display())?;
    writeln!(out, "listen      {}", settings.listen)?;
    writeln!(out, "database    {}", settings.database.display())?;
    if let Some(tls) = &settings.tls {
        writeln!(out, "tls         {} with {}", tls.certificate.display(), tls.key.display())?;
    }
    if let Some(tokens) = &settings.tokens {
        writeln!(out, "tokens      {}", tokens.display())?;
    }
    writeln!(out, "seal        {}", settings.seal)?;
    writeln!(out, "max_agents  {}", settings.max_agents)?;
    for (agent_type, policy) in settings.policies.all() {
        let time = |ms| humantime::format_duration(Duration::from_millis(ms));
        writeln!(
            out,
            "policy      {agent_type}: heartbeat {}, degraded {}, expires {}, evict {}",
            time(policy.heartbeat_interval_ms()),
            time(policy.degraded_after_ms()),
            time(policy.expires_after_ms()),
            time(policy.evict_after_ms())
        )?;
    }
    Ok(())
}
