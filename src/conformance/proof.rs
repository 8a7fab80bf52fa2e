//! The call that proved a requirement broken: as it went over the wire where that was kept, else rebuilt from the history.

use std::path::Path;

use agent_sim::dialect::{Call, Dialect, WireRequest};
use reports::history::{
    Body, CallRecord, ExchangeOutcome, KeptCall, KeptEnd, KeptRequest, Operation, find_calls, find_kept,
    kept_beside,
};
use reports::result::{Proof, RequirementReport};

/// Longest text that is rebuilt from a history.
const SHOWN: usize = 600;

/// What the HTTP library or curl sets by itself.
const SET_BY_ITSELF: [&str; 3] = ["accept", "content-length", "host"];

/// How the registry was spoken to, for what was not kept.
#[derive(Clone, Copy)]
pub(crate) struct Spoken<'s> {
    /// `None`: a file described it that is not at hand.
    pub(crate) dialect: Option<&'s dyn Dialect>,
    /// Its address; empty where it is not known.
    pub(crate) url: &'s str,
}

/// Fills in requests, answers and commands. What is not in the history stays empty.
pub(crate) fn fill(rows: &mut [RequirementReport], history: &Path, spoken: Spoken<'_>) {
    let mut proofs: Vec<&mut Proof> = rows.iter_mut().filter_map(|row| row.proof.as_mut()).collect();
    if proofs.is_empty() {
        return;
    }
    let spans: Vec<(u64, u64)> = proofs.iter().map(|proof| (proof.s_us, proof.e_us)).collect();
    let Ok(calls) = find_calls(history, &spans) else { return };
    let (kept, end) = match find_kept(&kept_beside(history), &calls) {
        Ok((kept, end)) => (kept, Kept::WithEnd(end)),
        Err(_) => (vec![None; calls.len()], Kept::Nothing),
    };
    for proof in &mut proofs {
        let proves = |(call, _): &(&CallRecord, &Option<KeptCall>)| {
            let span = (call.s_us, call.e_us) == (proof.s_us, proof.e_us);
            span && (call.agent.is_none() || call.agent == proof.agent)
        };
        let Some((call, kept)) = calls.iter().zip(&kept).find(proves) else { continue };
        proof.read = read_as(call, proof.agent.as_deref());
        match kept.as_ref().filter(|kept| !kept.requests.is_empty()) {
            Some(kept) => tell(proof, kept),
            None => rebuild(proof, call, spoken, &end),
        }
    }
}

/// Takes away what was kept beside a history, which nobody needs where no call proved anything wrong.
pub(crate) fn discard_kept(history: &Path) {
    let _ = std::fs::remove_file(kept_beside(history));
}

/// What there is beside a history.
enum Kept {
    Nothing,
    WithEnd(Option<KeptEnd>),
}

fn tell(proof: &mut Proof, kept: &KeptCall) {
    let all = |part: fn(&KeptRequest) -> String| {
        let mut texts: Vec<String> = kept.requests.iter().map(part).collect();
        if kept.more_requests > 0 {
            texts.push(format!("({} more were not kept)", kept.more_requests));
        }
        texts.join("\n\n")
    };
    proof.request = all(request_text);
    proof.answer = all(answer_text);
    proof.rebuilt = String::new();
    proof.curl = kept.requests.first().map(curl_of).unwrap_or_default();
}

fn request_text(request: &KeptRequest) -> String {
    let line = format!("{} {} HTTP/1.1", request.method, request.target);
    message(line, &request.headers, request.body.as_ref())
}

fn answer_text(request: &KeptRequest) -> String {
    match &request.outcome {
        ExchangeOutcome::Answered(answer) => {
            message(format!("{} {}", request.version, answer.status), &answer.headers, Some(&answer.body))
        }
        ExchangeOutcome::Failed { cause, .. } => format!("no answer: {cause}"),
    }
}

fn message(first: String, headers: &[(String, String)], body: Option<&Body>) -> String {
    let mut text = first;
    for (name, value) in headers {
        text.push_str(&format!("\n{name}: {value}"));
    }
    if let Some(body) = body.filter(|body| body.length > 0) {
        text.push_str("\n\n");
        text.push_str(&body.text);
        if body.is_cut_in_call() {
            text.push_str(&format!("... (the beginning of {} bytes)", body.length));
        }
    }
    text
}

/// The command that sends a kept request once more.
fn curl_of(request: &KeptRequest) -> String {
    let header = |wanted: &str| request.headers.iter().find(|(name, _)| name == wanted);
    let host = header("host").map(|(_, host)| host.as_str()).unwrap_or_default();
    let own = request.headers.iter().filter(|(name, _)| !SET_BY_ITSELF.contains(&name.as_str()));
    let headers: Vec<(&str, &str)> = own
        .map(|(name, value)| match name.as_str() {
            "authorization" => ("authorization", "Bearer $WALLFLOWER_TOKEN"),
            name => (name, value.as_str()),
        })
        .collect();
    let body = request.body.as_ref().filter(|body| !body.is_cut_in_call()).map(|body| body.text.as_str());
    let url = format!("http://{host}{}", request.target);
    curl(&request.method, &headers, body.unwrap_or_default(), &url)
}

/// What can be said without what was kept, and why it has to be.
fn rebuild(proof: &mut Proof, call: &CallRecord, spoken: Spoken<'_>, kept: &Kept) {
    let request = call_of(call).zip(spoken.dialect).and_then(|(call, dialect)| dialect.request(&call));
    if let Some(request) = request {
        let headers: Vec<(&str, &str)> =
            request.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let body = String::from_utf8_lossy(&request.body);
        if !spoken.url.is_empty() {
            let url = format!("{}{}", spoken.url, request.path);
            proof.curl = curl(request.method, &headers, &body, &url);
        }
        proof.request = rebuilt_text(&request, &shortened(&body));
    } else {
        proof.request = call.note.clone().unwrap_or_else(|| call.op.name().to_owned());
    }
    proof.answer.clone_from(&proof.read);
    proof.rebuilt = match kept {
        Kept::Nothing => "nothing was kept beside this history".to_owned(),
        Kept::WithEnd(None) => "what was kept beside this history is cut off".to_owned(),
        Kept::WithEnd(Some(end)) if end.beyond_bound > 0 => {
            format!("the file beside this history was full; {} calls are not in it", end.beyond_bound)
        }
        Kept::WithEnd(Some(end)) => {
            format!("{} calls came faster than what went over the wire could be kept", end.lost)
        }
    };
}

fn rebuilt_text(request: &WireRequest, body: &str) -> String {
    let headers = request.headers.iter().map(|(name, value)| format!("\n{name}: {value}"));
    let body = if body.is_empty() { String::new() } else { format!("\n\n{body}") };
    format!("{} {}{}{body}", request.method, request.path, headers.collect::<String>())
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

/// What the harness read of an answer; of a list, what it says of the agent.
fn read_as(record: &CallRecord, agent: Option<&str>) -> String {
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

fn curl(method: &str, headers: &[(&str, &str)], body: &str, url: &str) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    // With -X HEAD it would wait for a body.
    let mut words = match method {
        "HEAD" => vec!["curl -I".to_owned()],
        method => vec![format!("curl -i -X {method}")],
    };
    for (name, value) in headers {
        let header = format!("{name}: {value}");
        // The shell fills in the token.
        let is_filled_in = *name == "authorization";
        words.push(format!("-H {}", if is_filled_in { format!("\"{header}\"") } else { quoted(&header) }));
    }
    if !body.is_empty() {
        words.push(format!("--data-binary {}", quoted(body)));
    }
    words.push(quoted(url));
    words.join(" ")
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}... ({} bytes)", text.get(..end).unwrap_or_default(), text.len()),
        None => text.to_owned(),
    }
}
