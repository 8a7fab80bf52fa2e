//! The call that proved a requirement broken: looked up in the history, as it went over the wire.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use agent_sim::dialect::{Call, Dialect, WireRequest};
use reports::history::{CallRecord, HistoryReader, Line, Operation};
use reports::result::{Proof, RequirementReport};

/// Longest text that is shown.
const SHOWN: usize = 600;

/// Fills in requests, answers and commands. What is not in the history stays empty.
pub(super) fn fill(rows: &mut [RequirementReport], history: &Path, dialect: &dyn Dialect, url: &str) {
    let mut proofs: Vec<&mut Proof> = rows.iter_mut().filter_map(|row| row.proof.as_mut()).collect();
    if proofs.is_empty() {
        return;
    }
    let Ok(file) = File::open(history) else { return };
    for line in HistoryReader::new(BufReader::with_capacity(1 << 16, file)) {
        let Ok(Line::Call(record)) = line else { continue };
        let proves = |proof: &Proof| {
            let span = (record.s_us, record.e_us) == (proof.s_us, proof.e_us);
            span && (record.agent.is_none() || record.agent == proof.agent)
        };
        for proof in proofs.iter_mut().filter(|proof| proves(proof)) {
            tell(proof, &record, dialect, url);
        }
    }
}

fn tell(proof: &mut Proof, record: &CallRecord, dialect: &dyn Dialect, url: &str) {
    if let Some(request) = call_of(record).and_then(|call| dialect.request(&call)) {
        proof.curl = curl(&request, url);
        let headers = request.headers.iter().map(|(name, value)| format!(" | {name}: {value}"));
        let body = String::from_utf8_lossy(&request.body);
        let body = if body.is_empty() { String::new() } else { format!(" | {}", shortened(&body)) };
        proof.request = format!("{} {}{}{body}", request.method, request.path, headers.collect::<String>());
    } else {
        proof.request = record.note.clone().unwrap_or_else(|| record.op.name().to_owned());
    }
    proof.answer = answer(record, proof.agent.as_deref());
}

/// The call of a record, where the record has all of it.
fn call_of(record: &CallRecord) -> Option<Call> {
    let agent_id = record.agent.clone().unwrap_or_default();
    let sent = record.sent.clone().unwrap_or_default();
    match record.op {
        Operation::Read => Some(Call::Read { agent_id }),
        Operation::Events => Some(Call::Events { agent_id }),
        Operation::Leave => Some(Call::Leave { agent_id }),
        Operation::Probe => Some(Call::Probe { agent_id, wiring_revision: None }),
        Operation::Renew => Some(Call::Renew {
            agent_id,
            status: sent.status,
            order: sent.incarnation.zip(sent.sequence),
            wiring_revision: None,
        }),
        Operation::List if sent.since.is_none() => {
            Some(Call::List { filter: sent.filter.unwrap_or_default(), if_none_match: sent.if_none_match })
        }
        _ => None,
    }
}

/// What the history keeps of an answer; of a list, what it says of the agent.
fn answer(record: &CallRecord, agent: Option<&str>) -> String {
    let status = record.http.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
    let outcome = serde_json::to_value(record.outcome).ok();
    let mut text = format!("{status}, {}", outcome.as_ref().and_then(|it| it.as_str()).unwrap_or("ended"));
    let Some(seen) = &record.seen else { return text };
    for (name, value) in [
        ("revision", seen.revision.map(|revision| revision.to_string())),
        ("epoch", seen.epoch.map(|epoch| epoch.to_string())),
        ("etag", seen.etag.clone()),
    ] {
        if let Some(value) = value {
            text.push_str(&format!(", {name} {value}"));
        }
    }
    if let Some(agents) = &seen.agents {
        let own = agents.iter().find(|seen| Some(seen.id.as_str()) == agent);
        let own = own.and_then(|seen| serde_json::to_string(seen).ok());
        let own = own.unwrap_or_else(|| format!("{} is not among them", agent.unwrap_or("the agent")));
        text.push_str(&format!(", {} agents: {own}", agents.len()));
    }
    shortened(&text)
}

fn curl(request: &WireRequest, url: &str) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    // With -X HEAD it would wait for a body.
    let mut words = match request.method {
        "HEAD" => vec!["curl -I".to_owned()],
        method => vec![format!("curl -i -X {method}")],
    };
    words.extend(
        request.headers.iter().map(|(name, value)| format!("-H {}", quoted(&format!("{name}: {value}")))),
    );
    if !request.body.is_empty() {
        words.push(format!("--data-binary {}", quoted(&String::from_utf8_lossy(&request.body))));
    }
    words.push(quoted(&format!("{url}{}", request.path)));
    words.join(" ")
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}... ({} bytes)", text.get(..end).unwrap_or_default(), text.len()),
        None => text.to_owned(),
    }
}
