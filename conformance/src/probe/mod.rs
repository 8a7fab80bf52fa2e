//! Probes: short scripted conversations with a registry over its own wire, for what only raw requests can show.
//!
//! - `races`: RACE-3 to RACE-7.
//! - `input`: INPUT-1 and INPUT-3.
//! - `bytes`: INPUT-2.
//! - `raw`: bytes over a connection of their own.
//! - `mcp`: PASSIVE-5 and MCP-1 to MCP-4.
//! - `views`: VIEW-1 and VIEW-4 to VIEW-11, but for what the agents of other stages show already.
//! - `tokens`: GUARD-2, of a registry that the stage of that name starts for it.
//!
//! A probe asks and records; it judges nothing. Every exchange goes into the history under the requirement's id, a
//! case (one conversation) and a step (what the exchange is in it). The judge of the same requirement reads the steps
//! (`judge/probe`). What must be seen at one revision is asked between two looks at the revision, and again as a new
//! case as long as somebody else changed it meanwhile.
//!
//! A new probe: a function here, a row in [`PROBES`], a judge in `judge/probe`, a check in the catalogue, a fault in
//! `examples/tampering_registry` and its row in `tests/all/tampered.rs`.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use agent_sim::client::{SendError, Wire};
use agent_sim::dialect::{WireRequest, escaped};
use proptest::strategy::Strategy;
use reports::history::{Answer, Body, Exchange, ExchangeOutcome, KEPT_BODY_BYTES, Line, Policy};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::catalogue::Check;
use crate::generate::{self, Purpose};
use crate::live::recorder::Recorder;

mod bytes;
mod input;
mod mcp;
mod races;
mod raw;
pub(crate) mod tokens;
mod views;

type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Whether others may change the registry meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Company {
    /// It looks at its own agents only: it runs beside the others of this kind.
    Others,
    /// It looks at its own agents only, but changes them all the time: it runs beside the others of this kind, behind
    /// those that need a registry which stays as it is for the length of two questions.
    Changing,
    /// It is about the registry as a whole, or about instants: it runs by itself, behind the others.
    Alone,
}

/// The probe of a requirement.
pub(crate) struct Probe {
    pub(crate) check: Check,
    pub(crate) company: Company,
    pub(crate) run: fn(Prober) -> Running,
}

/// All probes.
pub(crate) const PROBES: &[Probe] = &[
    Probe { check: Check::Race3, company: Company::Changing, run: |prober| Box::pin(races::race_3(prober)) },
    Probe { check: Check::Race4, company: Company::Changing, run: |prober| Box::pin(races::race_4(prober)) },
    Probe { check: Check::Race5, company: Company::Changing, run: |prober| Box::pin(races::race_5(prober)) },
    Probe { check: Check::Race6, company: Company::Changing, run: |prober| Box::pin(races::race_6(prober)) },
    Probe { check: Check::Race7, company: Company::Changing, run: |prober| Box::pin(races::race_7(prober)) },
    Probe {
        check: Check::Input1,
        company: Company::Changing,
        run: |prober| Box::pin(input::input_1(prober)),
    },
    Probe { check: Check::Input2, company: Company::Alone, run: |prober| Box::pin(bytes::input_2(prober)) },
    Probe {
        check: Check::Input3,
        company: Company::Changing,
        run: |prober| Box::pin(input::input_3(prober)),
    },
    Probe { check: Check::View1, company: Company::Alone, run: |prober| Box::pin(views::view_1(prober)) },
    Probe { check: Check::View4, company: Company::Others, run: |prober| Box::pin(views::view_4(prober)) },
    Probe { check: Check::View6, company: Company::Others, run: |prober| Box::pin(views::view_6(prober)) },
    Probe { check: Check::View7, company: Company::Others, run: |prober| Box::pin(views::view_7(prober)) },
    Probe { check: Check::View8, company: Company::Alone, run: |prober| Box::pin(views::view_8(prober)) },
    Probe { check: Check::View9, company: Company::Others, run: |prober| Box::pin(views::view_9(prober)) },
    Probe { check: Check::View10, company: Company::Others, run: |prober| Box::pin(views::view_10(prober)) },
    Probe { check: Check::View11, company: Company::Others, run: |prober| Box::pin(views::view_11(prober)) },
    Probe { check: Check::Passive5, company: Company::Others, run: |prober| Box::pin(mcp::bait(prober)) },
    Probe { check: Check::Mcp1, company: Company::Others, run: |prober| Box::pin(mcp::mcp_1(prober)) },
    Probe { check: Check::Mcp2, company: Company::Alone, run: |prober| Box::pin(mcp::mcp_2(prober)) },
    Probe { check: Check::Mcp3, company: Company::Others, run: |prober| Box::pin(mcp::bait(prober)) },
    Probe { check: Check::Mcp4, company: Company::Alone, run: |prober| Box::pin(mcp::mcp_4(prober)) },
];

/// What a note about the registry's memory begins with; bytes follow.
pub(crate) const PSS_NOTE: &str = "pss_bytes=";

/// How often something is asked again because the registry changed between two questions.
const TRIES: usize = 40;

/// What a probe speaks and writes with.
#[derive(Debug, Clone)]
pub(crate) struct Prober {
    pub(crate) requirement: &'static str,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) wire: Wire,
    /// Where the wire goes.
    pub(crate) url: String,
    pub(crate) policies: Arc<BTreeMap<String, Policy>>,
    pub(crate) bound_ms: u64,
    pub(crate) seed: u64,
    /// An address with a listener behind it that nobody may ever call.
    pub(crate) endpoint: SocketAddr,
    /// The registry's host and port.
    pub(crate) address: String,
    /// The registry's process, if the harness started it.
    pub(crate) process: Option<i32>,
}

impl Prober {
    /// Sends a request as it is and records what came of it.
    pub(crate) async fn exchange(&self, case: &str, step: &str, request: WireRequest) -> Exchange {
        self.exchange_noting(case, step, request, None).await
    }

    /// The same, with something to say beside.
    pub(crate) async fn exchange_noting(
        &self,
        case: &str,
        step: &str,
        request: WireRequest,
        note: Option<String>,
    ) -> Exchange {
        let clock = self.recorder.clock;
        let sent_us = clock.now_us();
        let result = if self.recorder.stopped() {
            let cause = "the run was ended".to_owned();
            Err(SendError::NotSent { url: request.path.clone(), cause })
        } else {
            self.wire.send_whole(&request).await
        };
        let outcome = match result {
            Ok(answer) => ExchangeOutcome::Answered(Answer {
                status: answer.status,
                headers: answer.headers,
                body: body(&answer.body),
            }),
            Err(error) => ExchangeOutcome::Failed { outcome: error.outcome(), cause: error.to_string() },
        };
        self.keep(case, step, (request, sent_us), outcome, note)
    }

    /// Records what came, just now, of a request that was sent then.
    pub(crate) fn keep(
        &self,
        case: &str,
        step: &str,
        (request, sent_us): (WireRequest, u64),
        outcome: ExchangeOutcome,
        note: Option<String>,
    ) -> Exchange {
        let exchange = Exchange {
            requirement: self.requirement.to_owned(),
            case: case.to_owned(),
            step: step.to_owned(),
            sent_us,
            done_us: self.recorder.clock.now_us(),
            method: request.method.to_owned(),
            target: request.path,
            request_headers: request
                .headers
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            request_body: (!request.body.is_empty()).then(|| body(&request.body)),
            outcome,
            note,
        };
        self.recorder.write(&Line::Exchange(Box::new(exchange.clone())));
        exchange
    }

    pub(crate) async fn get(&self, case: &str, step: &str, path: &str) -> Exchange {
        self.exchange(case, step, WireRequest::bare("GET", path)).await
    }

    pub(crate) async fn get_unless(&self, case: &str, step: &str, path: &str, tag: &str) -> Exchange {
        let mut request = WireRequest::bare("GET", path);
        request.headers.push(("if-none-match", tag.to_owned()));
        self.exchange(case, step, request).await
    }

    pub(crate) async fn beat(&self, case: &str, step: &str, heartbeat: &Value) -> Exchange {
        self.exchange(case, step, WireRequest::json("/heartbeat", heartbeat)).await
    }

    pub(crate) async fn leave(&self, case: &str, step: &str, agent_id: &str) -> Exchange {
        self.exchange(case, step, WireRequest::bare("DELETE", format!("/agents/{}", escaped(agent_id)))).await
    }

    /// Ids of different requirements, cases and names never meet, nor those of two runs: a standing registry remembers
    /// the epochs of a run before.
    pub(crate) fn id(&self, case: &str, name: &str) -> String {
        format!("probe-{}-{}-{case}-{name}", self.requirement.to_ascii_lowercase(), self.run())
    }

    fn run(&self) -> String {
        format!("{:x}", self.recorder.clock.origin_ns())
    }

    /// The value of the label `suite.case` of all agents of a case.
    pub(crate) fn own(&self, case: &str) -> String {
        format!("{}-{case}-{}", self.requirement.to_ascii_lowercase(), self.run())
    }

    /// The filter for the agents of a case.
    pub(crate) fn own_filter(&self, case: &str) -> String {
        format!("label={}", escaped(&format!("suite.case={}", self.own(case))))
    }

    /// A whole heartbeat of the type whose timers are the furthest away.
    pub(crate) fn document(&self, case: &str, name: &str) -> Value {
        let agent_id = self.id(case, name);
        serde_json::json!({
            "agent_id": agent_id,
            "agent_type": self.calm().0,
            "endpoint": format!("http://{}/{agent_id}", self.endpoint),
            "capabilities": [],
            "labels": { "suite.case": self.own(case) },
        })
    }

    /// The type with the longest time until D.
    pub(crate) fn calm(&self) -> (&str, Policy) {
        self.type_by(|policy| u64::MAX - policy.degraded_after_ms.unwrap_or(policy.expires_after_ms))
    }

    /// The type whose last timer is the nearest.
    pub(crate) fn brisk(&self) -> (&str, Policy) {
        self.type_by(|policy| policy.evict_after_ms.unwrap_or(policy.expires_after_ms))
    }

    fn type_by(&self, rank: impl Fn(&Policy) -> u64) -> (&str, Policy) {
        let known = self.policies.iter().min_by_key(|(_, policy)| rank(policy));
        let (name, policy) = known.map(|(name, policy)| (name.as_str(), *policy)).unzip();
        let none = Policy {
            heartbeat_interval_ms: 0,
            degraded_after_ms: None,
            expires_after_ms: 0,
            evict_after_ms: None,
        };
        (name.unwrap_or("default"), policy.unwrap_or(none))
    }

    /// A value from the seed, another for each requirement.
    pub(crate) fn draw<S: Strategy>(&self, strategy: &S) -> Option<S::Value> {
        let digest = Sha256::digest(self.requirement);
        let mix = digest.iter().take(8).fold(0_u64, |mix, byte| mix << 8 | u64::from(*byte));
        generate::draw(self.seed ^ mix, Purpose::Probes, strategy)
    }

    /// The cases to ask in, one after the other, until what was seen in one was of one revision.
    pub(crate) fn tries(&self, case: &str) -> Vec<String> {
        (1..=TRIES).map(|number| format!("{case}.{number}")).collect()
    }
}

/// What an answer holds, if it is JSON.
pub(crate) fn json(exchange: &Exchange) -> Value {
    exchange.text().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// The revision that an answer names.
pub(crate) fn revision(exchange: &Exchange) -> Option<u64> {
    json(exchange)["revision"].as_u64()
}

/// Whether anything was sent at all, and nothing is uncertain.
pub(crate) fn accepted(exchange: &Exchange) -> bool {
    matches!(exchange.status(), Some(200..=299))
}

fn body(bytes: &[u8]) -> Body {
    let kept = &bytes[..bytes.len().min(KEPT_BODY_BYTES)];
    let cut = kept.len() < bytes.len();
    Body {
        text: String::from_utf8_lossy(kept).into_owned(),
        length: bytes.len() as u64,
        sha256: cut.then(|| Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()),
    }
}
