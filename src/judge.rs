//! `wallflower judge`: a saved history judged again, perhaps by other timeouts.

use std::io::Write as _;

use conformance::judge::{Ask, judge_file};
use reports::result::{AgentCounts, Kind, RunReport};
use reports::verdict::{Findings, decide};

use crate::cli::Judge;
use crate::conformance::proof::{self, Spoken};
use crate::run::{self, Failure, USAGE};

pub(crate) fn judge(arguments: &Judge) -> Result<u8, Failure> {
    let mut ask = Ask { rerun: run::own_command(), ..Ask::default() };
    if let Some(path) = &arguments.policies {
        let (policies, bound) =
            scenarios::load_policies(path).map_err(|error| Failure::diagnostic(USAGE, error))?;
        ask.policies = Some(agent_sim::target::policies_in_ms(&policies));
        ask.transition_bound_ms = u64::try_from(bound.as_millis()).ok();
    }
    let mut judgement = judge_file(&arguments.history, &ask).map_err(|error| Failure::new(USAGE, error))?;
    let dialect = agent_sim::dialect::by_name(&judgement.dialect);
    // Where the registry was is not in a history; what was kept beside it names the host.
    let spoken = Spoken { dialect: dialect.as_deref(), url: "" };
    proof::fill(&mut judgement.requirements, &arguments.history, spoken);
    let decision = decide(&Findings {
        requirements: &judgement.requirements,
        claimed: &judgement.claims,
        ..Findings::default()
    });
    let report = RunReport {
        verdict: decision.verdict,
        reasons: decision.reasons,
        scenario: arguments.history.display().to_string(),
        description: "A saved history, judged again.".into(),
        seed: judgement.seed,
        agents: AgentCounts { planned: judgement.agents, peak: judgement.agents },
        requirements: judgement.requirements,
        freshness: judgement.freshness,
        ..run::blank_report(Kind::Judge)
    };
    let mut out = std::io::stdout().lock();
    let _ = reports::terminal::write(&report, run::looks(), &mut out).and_then(|()| out.flush());
    Ok(decision.exit_code)
}
