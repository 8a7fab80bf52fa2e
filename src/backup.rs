//! `wallflower backup`: a copy of the reference registry's database, while it runs or not.

use std::io::Write as _;

use registry::config::{Overrides, Settings};

use crate::cli::Backup;
use crate::run::{self, Failure, TROUBLE, USAGE};

pub(crate) fn backup(arguments: &Backup) -> Result<u8, Failure> {
    let overrides = Overrides { database: arguments.database.clone(), ..Overrides::default() };
    let settings = Settings::load(arguments.config.as_deref(), &overrides)
        .map_err(|error| Failure::new(USAGE, error))?;
    let made = run::block_on(registry::backup::run(&settings.database, &arguments.file))?
        .map_err(|error| Failure::new(TROUBLE, error))?;
    let mut out = std::io::stdout().lock();
    // Whoever closed the pipe has the file all the same.
    let _ = writeln!(
        out,
        "{} agents of {} are in {} ({} bytes)",
        made.agents,
        settings.database.display(),
        arguments.file.display(),
        made.bytes
    );
    Ok(0)
}
