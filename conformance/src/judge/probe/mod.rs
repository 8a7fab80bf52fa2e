//! Judges what probes recorded: one pure function for each requirement, from its exchanges to what they prove.
//!
//! - `mcp`: the MCP interface.
//! - `model`: answers read by the contract's text: entries, filters, SemVer.
//! - `races`: RACE-3 to RACE-7.
//! - `input`: INPUT-1 and INPUT-3.
//! - `bytes`: INPUT-2.
//! - `rules`: what section 4.1 says is wrong with a body.
//! - `filters`: VIEW-9 and VIEW-6.
//! - `pages`: VIEW-7.
//! - `tags`: VIEW-4.
//! - `wiring`: VIEW-10.
//! - `waiting`: VIEW-8.
//! - `events`: VIEW-11.
//! - `agreement`: VIEW-1.
//! - `tokens`: GUARD-2.
//!
//! The exchanges of one case come in the order in which they were answered.

use std::collections::BTreeMap;

use reports::history::{Exchange, ExchangeOutcome};

use super::evidence::{Evidence, Span};
use super::late_allowance_us;
use super::tally::{Case, Tallies, milliseconds};
use crate::catalogue::{Check, row};

mod agreement;
mod bytes;
mod events;
mod filters;
mod input;
mod mcp;
mod model;
mod pages;
mod races;
mod rules;
mod tags;
mod tokens;
mod waiting;
mod wiring;

/// The most lines that a conversation has.
const LINES: usize = 40;

/// The most characters of a body in a conversation.
const SHOWN: usize = 600;

/// What is known beside the exchanges.
pub(crate) struct Known<'a> {
    pub(crate) policies: &'a BTreeMap<String, reports::history::Policy>,
    /// W + d.
    pub(crate) late_us: u64,
    /// What reached declared endpoints.
    pub(crate) touches: &'a [reports::history::Touch],
    /// A listener stood behind each of them until the end.
    pub(crate) tripwire: bool,
}

impl Known<'_> {
    /// The policy of a type; one that has none has the default's.
    pub(crate) fn policy(&self, agent_type: &str) -> Option<reports::history::Policy> {
        self.policies.get(agent_type).or_else(|| self.policies.get("default")).copied()
    }
}

/// One conversation.
pub(crate) type Talk<'a> = [&'a Exchange];

/// What a judge found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// What was looked at.
    samples: u64,
    /// What of it decided something.
    decided: u64,
    breaches: Vec<Breach>,
    /// Why the samples cannot decide, if so.
    undecided: Option<String>,
    /// What a pass is to say beside.
    remark: Option<String>,
}

/// Something that an exchange proves wrong.
#[derive(Debug)]
struct Breach {
    exchange: Exchange,
    by_us: u64,
    sentence: String,
}

impl Findings {
    /// Something that could not be decided.
    pub(crate) fn sample(&mut self) {
        self.samples += 1;
    }

    /// A sample that decides: `Err` says in a sentence what is wrong.
    pub(crate) fn decide(&mut self, exchange: &Exchange, result: Result<(), String>) {
        self.samples += 1;
        self.decided += 1;
        if let Err(sentence) = result {
            self.breach(exchange, 0, sentence);
        }
    }

    /// A sample that proves something too late, by so much.
    pub(crate) fn late(&mut self, exchange: &Exchange, by_us: u64, sentence: String) {
        self.samples += 1;
        self.decided += 1;
        self.breach(exchange, by_us, sentence);
    }

    fn breach(&mut self, exchange: &Exchange, by_us: u64, sentence: String) {
        self.breaches.push(Breach { exchange: exchange.clone(), by_us, sentence });
    }
}

type Judge = fn(&Talk<'_>, &Known<'_>, &mut Findings);

/// A judge sees one conversation after the other.
const JUDGES: &[(Check, Judge)] = &[
    (Check::Race3, races::race_3),
    (Check::Race4, races::race_4),
    (Check::Race5, races::race_5),
    (Check::Race6, races::race_6),
    (Check::Race7, races::race_7),
    (Check::Input1, input::input_1),
    (Check::Input2, bytes::input_2),
    (Check::Input3, input::input_3),
    (Check::View1, agreement::view_1),
    (Check::View4, tags::view_4),
    (Check::View6, filters::view_6),
    (Check::View7, pages::view_7),
    (Check::View8, waiting::view_8),
    (Check::View9, filters::view_9),
    (Check::View10, wiring::view_10),
    (Check::View11, events::view_11),
    (Check::Passive5, mcp::passive_5),
    (Check::Mcp1, mcp::mcp_1),
    (Check::Mcp2, mcp::mcp_2),
    (Check::Mcp3, mcp::mcp_3),
    (Check::Mcp4, mcp::mcp_4),
    (Check::Guard2, tokens::guard_2),
];

/// Judges all conversations.
pub(super) fn check(evidence: &Evidence, tallies: &mut Tallies) {
    let known = Known {
        policies: &evidence.header.policies,
        late_us: late_allowance_us(evidence),
        touches: &evidence.touches,
        tripwire: evidence.end.as_ref().is_some_and(|end| end.tripwire),
    };
    for (check, judge) in JUDGES {
        let Some(id) = row(*check).map(|row| row.id) else { continue };
        let mut findings = Findings::default();
        for talk in conversations(evidence, id).values() {
            judge(talk, &known, &mut findings);
        }
        settle(findings, evidence, tallies, *check);
    }
}

fn settle(findings: Findings, evidence: &Evidence, tallies: &mut Tallies, check: Check) {
    let tally = tallies.of(check);
    tally.samples += findings.samples;
    tally.decided += findings.decided;
    tally.hindrance = findings.undecided;
    tally.remark = findings.remark;
    for breach in findings.breaches {
        let span = Span { s: breach.exchange.sent_us, e: breach.exchange.done_us };
        let before = tally.worst.as_ref().map(|worst| worst.by_us);
        if before.is_none_or(|before| breach.by_us > before) {
            tally.conversation = conversation(evidence, &breach.exchange);
        }
        tally.break_with(Case {
            agent: None,
            view: span,
            wrong: span,
            by_us: breach.by_us,
            sentence: breach.sentence,
        });
    }
}

fn conversations<'a>(evidence: &'a Evidence, id: &str) -> BTreeMap<&'a str, Vec<&'a Exchange>> {
    let mut talks: BTreeMap<&str, Vec<&Exchange>> = BTreeMap::new();
    for exchange in evidence.exchanges.iter().filter(|exchange| exchange.requirement == id) {
        talks.entry(exchange.case.as_str()).or_default().push(exchange);
    }
    talks
}

/// The conversation up to what proved the case, with that exchange in full and the command that sends it again.
pub(super) fn conversation(evidence: &Evidence, wrong: &Exchange) -> Vec<String> {
    let all: Vec<&Exchange> = evidence
        .exchanges
        .iter()
        .filter(|exchange| exchange.requirement == wrong.requirement && exchange.case == wrong.case)
        .filter(|exchange| exchange.sent_us <= wrong.done_us)
        .collect();
    let mut lines: Vec<String> = all
        .iter()
        .skip(all.len().saturating_sub(LINES))
        .map(|exchange| {
            let mark = if *exchange == wrong { "  <== WRONG" } else { "" };
            format!(
                "{:>12} ms  {}: {} {} {}, answered at {} ms{mark}",
                milliseconds(exchange.sent_us),
                exchange.step,
                exchange.method,
                exchange.target,
                outcome(exchange),
                milliseconds(exchange.done_us)
            )
        })
        .collect();
    if let Some(body) = &wrong.request_body {
        lines.push(format!("sent: {}", shortened(&body.text)));
    }
    if let Some(answer) = wrong.answer() {
        let headers: Vec<String> =
            answer.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        lines.push(format!("answer: {} | {}", answer.status, headers.join(" | ")));
        lines.push(format!("body: {}", shortened(&answer.body.text)));
    }
    if wrong.method == Exchange::RAW {
        return lines;
    }
    lines.push(format!("again, with the registry's address in REGISTRY: {}", curl(wrong)));
    lines
}

fn outcome(exchange: &Exchange) -> String {
    match &exchange.outcome {
        ExchangeOutcome::Answered(answer) => answer.status.to_string(),
        ExchangeOutcome::Failed { cause, .. } => cause.clone(),
    }
}

fn curl(exchange: &Exchange) -> String {
    let mut words = vec![format!("curl -i -X {}", exchange.method)];
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    for (name, value) in &exchange.request_headers {
        words.push(format!("-H {}", quoted(&format!("{name}: {value}"))));
    }
    if let Some(body) = &exchange.request_body {
        words.push(format!("--data-binary {}", quoted(&body.text)));
    }
    words.push(format!("\"$REGISTRY\"{}", quoted(&exchange.target)));
    words.join(" ")
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}... ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}
