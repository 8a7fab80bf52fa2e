//! Named rules inside one requirement, and messages as they are read.

use std::collections::BTreeSet;

use reports::history::Exchange;
use serde_json::Value;

use super::super::model::body;
use super::super::{Findings, Talk};

/// What became of the rules of one conversation.
pub(super) struct Rules<'a> {
    findings: &'a mut Findings,
    /// The rules that count.
    all: &'static [&'static str],
    decided: BTreeSet<&'static str>,
    unkept: Vec<String>,
}

impl<'a> Rules<'a> {
    pub(super) fn new(findings: &'a mut Findings, all: &'static [&'static str]) -> Self {
        Self { findings, all, decided: BTreeSet::new(), unkept: Vec::new() }
    }

    /// A rule that binds. An exchange without an answer decides nothing.
    pub(super) fn hold(
        &mut self,
        rule: &'static str,
        exchange: &Exchange,
        holds: bool,
        told: impl FnOnce() -> String,
    ) {
        if !self.all.contains(&rule) {
            return;
        }
        if exchange.answer().is_none() {
            return self.findings.sample();
        }
        self.decided.insert(rule);
        let result = if holds { Ok(()) } else { Err(format!("{rule} broken: {}.", told())) };
        self.findings.decide(exchange, result);
    }

    /// A rule that only recommends: a pass says that it is not kept.
    pub(super) fn should(
        &mut self,
        rule: &'static str,
        exchange: &Exchange,
        holds: bool,
        told: impl FnOnce() -> String,
    ) {
        if !self.all.contains(&rule) || exchange.answer().is_none() {
            return;
        }
        self.decided.insert(rule);
        self.findings.decide(exchange, Ok(()));
        if !holds && self.unkept.len() < 3 {
            self.unkept.push(format!("{rule} (recommended) is not kept: {}", told()));
        }
    }

    /// A rule that no exchange decided leaves the requirement undecided.
    pub(super) fn finish(self) {
        let undecided: Vec<&str> =
            self.all.iter().filter(|rule| !self.decided.contains(*rule)).copied().collect();
        if !undecided.is_empty() {
            let why = format!("no answer came that decides {}", undecided.join(", "));
            self.findings.undecided = Some(why);
        }
        let kept = format!("{} rules, {} to {}", self.all.len(), self.all[0], self.all[self.all.len() - 1]);
        let words: Vec<String> = std::iter::once(kept).chain(self.unkept).collect();
        self.findings.remark = Some(words.join("; "));
    }
}

/// All JSON-RPC messages of an answer: its body, or the events of its stream.
pub(super) fn messages(exchange: &Exchange) -> Vec<Value> {
    let whole = body(exchange);
    if !whole.is_null() {
        return vec![whole];
    }
    let text = exchange.text().unwrap_or_default();
    let events = text.lines().filter_map(|line| line.strip_prefix("data:"));
    events.filter_map(|data| serde_json::from_str(data.trim()).ok()).collect()
}

/// What a request of JSON-RPC was answered.
pub(super) fn result(exchange: &Exchange) -> Value {
    let answers = messages(exchange);
    answers
        .into_iter()
        .find(|message| message.get("result").is_some())
        .map_or(Value::Null, |mut message| message["result"].take())
}

/// The HTTP status and the code of the JSON-RPC error, 0 when there is none.
pub(super) fn error(exchange: &Exchange) -> (u16, i64) {
    let code = messages(exchange).iter().find_map(|message| message["error"]["code"].as_i64());
    (exchange.status().unwrap_or_default(), code.unwrap_or_default())
}

/// What was sent.
pub(super) fn sent(exchange: &Exchange) -> Value {
    let sent = exchange.request_body.as_ref().and_then(|body| serde_json::from_str(&body.text).ok());
    sent.unwrap_or_default()
}

/// The exchanges with the MCP endpoint that are about messages.
pub(super) fn posts<'a>(talk: &Talk<'a>) -> impl Iterator<Item = &'a Exchange> {
    talk.iter().copied().filter(|exchange| exchange.target == "/mcp" && exchange.method == "POST")
}

pub(super) fn is_legacy(exchange: &Exchange) -> bool {
    exchange.step.starts_with("legacy ")
}

/// In words for a sentence.
pub(super) fn answered(exchange: &Exchange) -> String {
    let (status, code) = error(exchange);
    let error = if code == 0 { String::new() } else { format!(" with the error {code}") };
    format!("`{}` was answered {status}{error}", exchange.step)
}
