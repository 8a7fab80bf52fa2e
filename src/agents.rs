//! `wallflower agents`: who is registered, as a table or as JSON, asked for over HTTP as anybody would.

use std::io::{ErrorKind, Write};
use std::time::Duration;

use agent_sim::client::Wire;
use agent_sim::dialect::{WireRequest, escaped};
use serde_json::Value;

use crate::cli::{Agents, AskedRegistry};
use crate::run::{self, Failure, TROUBLE, USAGE};

/// How long one page may take.
const TIMEOUT: Duration = Duration::from_secs(30);
const PAGE_ENTRIES: usize = 1_000;
/// The most capabilities of an agent that the table names.
const CAPABILITIES: usize = 3;
const COLUMNS: [&str; 5] = ["AGENT", "TYPE", "STATUS", "ENDPOINT", "CAPABILITIES"];

pub(crate) fn agents(arguments: &Agents) -> Result<u8, Failure> {
    let wire = wire(&arguments.registry)?;
    let most = arguments.limit.unwrap_or(usize::MAX);
    let entries = run::block_on(all(&wire, &query(arguments), most))??;
    let mut out = std::io::stdout().lock();
    let printed = if arguments.json {
        entries.iter().try_for_each(|entry| writeln!(out, "{entry}"))
    } else {
        table(&entries, &mut out)
    };
    match printed {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::new(TROUBLE, error)),
        _ => Ok(0),
    }
}

/// A file wins over the environment. Never a flag: command lines are seen by everybody on the machine.
fn token(asked: &AskedRegistry) -> Result<Option<String>, Failure> {
    let Some(file) = &asked.token_file else { return Ok(std::env::var("WALLFLOWER_TOKEN").ok()) };
    std::fs::read_to_string(file).map(Some).map_err(|error| {
        Failure::new(USAGE, format!("--token-file: {} cannot be read: {error}", file.display()))
    })
}

fn query(arguments: &Agents) -> String {
    let one = |name: &'static str, value: &Option<String>| {
        value.iter().map(|value| (name, value.clone())).collect()
    };
    let many =
        |name: &'static str, values: &[String]| values.iter().map(|value| (name, value.clone())).collect();
    let parameters: [Vec<(&str, String)>; 7] = [
        one("type", &arguments.agent_type),
        many("status", &arguments.status),
        one("capability", &arguments.capability),
        many("label", &arguments.label),
        one("version", &arguments.requirement),
        many("tag", &arguments.tag),
        one("q", &arguments.q),
    ];
    parameters.concat().iter().map(|(name, value)| format!("&{name}={}", escaped(value))).collect()
}

/// A registry to be asked.
pub(crate) fn wire(asked: &AskedRegistry) -> Result<Wire, Failure> {
    let wire = Wire::new(&asked.url, TIMEOUT).map_err(|error| Failure::new(USAGE, error))?;
    match token(asked)? {
        Some(token) => wire.with_token(token.trim()).map_err(|error| Failure::new(USAGE, error)),
        None => Ok(wire),
    }
}

/// Why there is no answer to go by.
pub(crate) struct Unanswered {
    pub(crate) failure: Failure,
    /// Whether it may be otherwise in a while: the registry is away or busy.
    pub(crate) may_pass: bool,
}

impl Unanswered {
    pub(crate) fn into_failure(self) -> Failure {
        self.failure
    }
}

/// The JSON that a path answers.
pub(crate) async fn get(wire: &Wire, path: &str) -> Result<Value, Unanswered> {
    let trouble = |text: String, may_pass| Unanswered { failure: Failure::new(TROUBLE, text), may_pass };
    let request = WireRequest { method: "GET", path: path.to_owned(), headers: Vec::new(), body: Vec::new() };
    let answer = wire.send(&request).await.map_err(|error| trouble(error.to_string(), true))?;
    let document: Value = serde_json::from_slice(&answer.body)
        .map_err(|error| trouble(format!("the answer is not JSON: {error}"), false))?;
    if answer.status == 200 {
        return Ok(document);
    }
    let may_pass = answer.status == 429 || answer.status >= 500;
    Err(Unanswered { failure: refused(answer.status, &document), may_pass })
}

/// All pages of one list, or as many as hold `most`.
async fn all(wire: &Wire, query: &str, most: usize) -> Result<Vec<Value>, Failure> {
    let mut entries = Vec::new();
    let mut cursor = String::new();
    loop {
        let limit = most.min(PAGE_ENTRIES);
        let path = format!("/agents?limit={limit}{query}{cursor}");
        let mut page = get(wire, &path).await.map_err(Unanswered::into_failure)?;
        match page["agents"].take() {
            Value::Array(more) => entries.extend(more),
            _ => {
                return Err(Failure::new(
                    TROUBLE,
                    "the answer has no list of agents: is it a Wallflower registry?",
                ));
            }
        }
        match page["next_cursor"].as_str() {
            Some(next) if entries.len() < most => cursor = format!("&cursor={}", escaped(next)),
            _ => {
                entries.truncate(most);
                return Ok(entries);
            }
        }
    }
}

/// A filter that the registry does not take is the user's to mend.
fn refused(status: u16, problem: &Value) -> Failure {
    let mut text = format!("the registry answered {status}");
    if let Some(detail) = problem["detail"].as_str() {
        text.push_str(&format!(": {}", printable(detail)));
    }
    for error in problem["errors"].as_array().into_iter().flatten() {
        let word = |member: &str| printable(error[member].as_str().unwrap_or_default());
        text.push_str(&format!("\n  {}: {}", word("pointer"), word("detail")));
    }
    Failure::new(if status == 400 { USAGE } else { TROUBLE }, text)
}

fn table(entries: &[Value], out: &mut impl Write) -> std::io::Result<()> {
    let rows: Vec<[String; 5]> = entries.iter().map(row).collect();
    let mut widths = COLUMNS.map(str::len);
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in std::iter::once(&COLUMNS.map(str::to_owned)).chain(&rows) {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

fn row(entry: &Value) -> [String; 5] {
    let text = |member: &str| printable(entry[member].as_str().unwrap_or("-"));
    let offered = entry["capabilities"].as_array().map_or(&[][..], Vec::as_slice);
    let word = |capability: &Value, member: &str| printable(capability[member].as_str().unwrap_or_default());
    let mut capabilities: Vec<String> = offered
        .iter()
        .take(CAPABILITIES)
        .map(|capability| format!("{} {}", word(capability, "name"), word(capability, "version")))
        .collect();
    if offered.len() > CAPABILITIES {
        capabilities.push(format!("and {} more", offered.len() - CAPABILITIES));
    }
    let missed = if entry["reason"] == "missed_heartbeat" { " (silent)" } else { "" };
    let status = format!("{}{missed}", text("status"));
    [text("agent_id"), text("agent_type"), status, text("endpoint"), capabilities.join(", ")]
}

/// Agents declare these texts: none of them may steer the terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_has_one_line_an_agent_and_lets_no_agent_steer_the_terminal() {
        let capabilities = json!([{ "name": "a", "version": "1.0.0" }, { "name": "b", "version": "1.0.0" },
            { "name": "c", "version": "1.0.0" }, { "name": "d", "version": "1.0.0" }]);
        let entries = [
            json!({ "agent_id": "planner-1", "agent_type": "default", "status": "degraded",
                "reason": "missed_heartbeat", "endpoint": "http://h/\u{1b}[2J", "capabilities": capabilities }),
            json!({ "agent_id": "b", "agent_type": "t", "status": "healthy", "reason": "reported",
                "endpoint": null, "capabilities": [] }),
        ];
        let mut out = Vec::new();
        table(&entries, &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "AGENT      TYPE     STATUS             ENDPOINT       CAPABILITIES\n\
             planner-1  default  degraded (silent)  http://h/\u{fffd}[2J  a 1.0.0, b 1.0.0, c 1.0.0, and 1 more\n\
             b          t        healthy            -\n"
        );
    }
}
