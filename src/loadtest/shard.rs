//! A load test that is a part of one: what it needs, and what it may not have.

use std::io::Write as _;
use std::time::Duration;

use agent_sim::clock::wall_clock;
use agent_sim::load::Part;
use scenarios::model::{Scenario, TargetKind};

use super::How;
use crate::cli::Loadtest;
use crate::progress::{self, Way};
use crate::run::{Failure, USAGE};

/// A plan begins at most so long after all shards are told.
const MOST_AHEAD: Duration = Duration::from_secs(3_600);

/// Which part of a run the command line asks for; `None`: a whole one.
///
/// # Errors
/// Why there can be no such part.
pub(super) fn part(arguments: &Loadtest, scenario: &Scenario) -> Result<Option<Part>, Failure> {
    let Some(shard) = arguments.part.shard else { return Ok(None) };
    let refused = |why: String| Err(Failure::new(USAGE, why));
    if !matches!(scenario.target.kind, TargetKind::Url(_)) {
        return refused(format!(
            "`{}` starts a registry of its own, which other shards would not reach: start one, and name it to all shards \
             with --target URL",
            scenario.name
        ));
    }
    if let Some(fault) = scenario.faults.iter().find(|fault| fault.kind.needs_process()) {
        return refused(format!(
            "the fault `{}` strikes the registry's process, which no shard owns: leave out faults of kind `{}`",
            fault.name,
            fault.kind.name()
        ));
    }
    let agents: u64 = scenario.fleets.iter().map(|fleet| u64::from(fleet.agents)).sum();
    if u64::from(shard.of) > agents {
        return refused(format!("{} shards are too many for {agents} agents: each needs one", shard.of));
    }
    if let Some(start) = arguments.part.start_at {
        let given = humantime::format_rfc3339(start);
        match start.duration_since(wall_clock()) {
            Ok(ahead) if ahead <= MOST_AHEAD => announce(arguments, shard.number, shard.of, ahead)?,
            Ok(ahead) => {
                let minutes = ahead.as_secs() / 60;
                return refused(format!(
                    "--start-at {given} is {minutes} minutes ahead by this machine's clock: at most 60 are allowed"
                ));
            }
            Err(past) => {
                let seconds = past.duration().as_secs_f64();
                return refused(format!(
                    "--start-at {given} is {seconds:.1} s ago by this machine's clock: name an instant to come, the same \
                     for all shards"
                ));
            }
        }
    }
    Ok(Part::new(shard.number, shard.of, arguments.part.start_at))
}

/// Says how long it is until the plan begins, where anything is shown.
fn announce(arguments: &Loadtest, number: u32, of: u32, ahead: Duration) -> Result<(), Failure> {
    if progress::way(How::of(arguments).show)? != Way::Silent {
        let seconds = ahead.as_secs_f64();
        let _ = writeln!(std::io::stderr().lock(), "shard {number} of {of} begins in {seconds:.1} s");
    }
    Ok(())
}
