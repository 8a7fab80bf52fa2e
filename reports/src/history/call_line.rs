//! Calls written as lines, without serde's detours: a load test writes tens of thousands a second from the thread that makes
//! its calls. The bytes are those that serde writes of [`Line::Call`](super::Line::Call), which a test holds.

use serde::Serialize;

use super::{CALL_LINE, CallRecord, Seen, Sent};

impl CallRecord {
    /// Appends its line with the line feed.
    pub fn append_line(&self, out: &mut Vec<u8>) {
        let Self { agent, op, planned_us, s_us, e_us, outcome, http, sent, seen, note } = self;
        let mut members = Members { out, is_first: true };
        members.out.extend_from_slice(CALL_LINE);
        if let Some(agent) = agent {
            members.text("agent", agent);
        }
        members.text("op", op.name());
        members.numbers([("planned_us", *planned_us), ("s_us", Some(*s_us)), ("e_us", Some(*e_us))]);
        members.text("outcome", outcome.name());
        members.numbers([("http", http.map(u64::from))]);
        if let Some(sent) = sent {
            members.sent(sent);
        }
        if let Some(seen) = seen {
            members.seen(seen);
        }
        if let Some(note) = note {
            members.text("note", note);
        }
        members.out.extend_from_slice(b"}\n");
    }
}

/// The members of an object while they are written.
struct Members<'a> {
    out: &'a mut Vec<u8>,
    is_first: bool,
}

impl Members<'_> {
    fn name(&mut self, name: &str) {
        if !std::mem::take(&mut self.is_first) {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
            self.out.push(b'"');
            self.out.extend_from_slice(text.as_bytes());
            self.out.push(b'"');
        } else {
            self.by_serde(text);
        }
    }

    fn numbers<const N: usize>(&mut self, numbers: [(&str, Option<u64>); N]) {
        for (name, number) in numbers {
            if let Some(number) = number {
                self.name(name);
                self.out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
            }
        }
    }

    /// What a lean heartbeat declares is written here, anything more by serde.
    fn sent(&mut self, sent: &Sent) {
        self.name("sent");
        let Sent { incarnation, sequence, .. } = *sent;
        if *sent == (Sent { incarnation, sequence, ..Sent::default() }) {
            self.object([("incarnation", incarnation), ("sequence", sequence)]);
        } else {
            self.by_serde(sent);
        }
    }

    /// What a heartbeat's answer tells is written here, anything more by serde.
    fn seen(&mut self, seen: &Seen) {
        self.name("seen");
        let Seen { revision, epoch, .. } = *seen;
        if *seen == (Seen { revision, epoch, ..Seen::default() }) {
            self.object([("revision", revision), ("epoch", epoch)]);
        } else {
            self.by_serde(seen);
        }
    }

    fn object(&mut self, numbers: [(&str, Option<u64>); 2]) {
        self.out.push(b'{');
        Members { out: &mut *self.out, is_first: true }.numbers(numbers);
        self.out.push(b'}');
    }

    fn by_serde(&mut self, value: &(impl Serialize + ?Sized)) {
        // A vector takes whatever is written, and a call has nothing that JSON cannot say.
        let _ = serde_json::to_writer(&mut *self.out, value);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{AgentSeen, Filter, Line, Operation, Outcome, Reported, Status};
    use super::*;

    fn every_outcome() -> Vec<Outcome> {
        use Outcome::*;
        vec![
            Registered,
            Renewed,
            Updated,
            Stale,
            Left,
            Shown,
            Unchanged,
            Unknown,
            Conflict,
            Refused,
            Unavailable,
            TimedOut,
            Failed,
            NotSent,
            CutOff,
        ]
    }

    fn every_text() -> Vec<Option<String>> {
        let texts =
            ["worker-000001", "", "a \"b\" \\ /", "\u{0}\u{7}\n\r\t\u{1f}\u{7f}", "\u{e4}\u{1f980}\u{2028}"];
        texts.map(|text| Some(text.to_owned())).into_iter().chain([None]).collect()
    }

    fn every_sent() -> Vec<Option<Sent>> {
        let lean = Sent { incarnation: Some(1), sequence: Some(u64::MAX), ..Sent::default() };
        vec![
            None,
            Some(Sent::default()),
            Some(Sent { incarnation: None, ..lean.clone() }),
            Some(lean.clone()),
            Some(Sent { status: Some(Reported::Degraded), ..lean.clone() }),
            Some(Sent {
                agent_type: Some("\"".to_owned()),
                capabilities: Some(vec![]),
                document: Some(0),
                ..lean
            }),
            Some(Sent {
                filter: Some(Filter::default()),
                if_none_match: Some("\"7\"".to_owned()),
                ..Sent::default()
            }),
            Some(Sent { since: Some(0), ..Sent::default() }),
        ]
    }

    fn every_seen() -> Vec<Option<Seen>> {
        let lean = Seen { revision: Some(17), epoch: Some(1), ..Seen::default() };
        let agent = AgentSeen { id: "a".to_owned(), status: Status::Expired, epoch: None, document: Some(9) };
        vec![
            None,
            Some(Seen::default()),
            Some(Seen { epoch: None, ..lean.clone() }),
            Some(Seen { agents: Some(vec![agent]), removed: vec!["b".to_owned()], ..lean.clone() }),
            Some(Seen { full: true, ..lean.clone() }),
            Some(Seen { events: Some(vec![1, 2]), retry_after: Some("1".to_owned()), ..Seen::default() }),
            Some(Seen { etag: Some("\"17\"".to_owned()), ..Seen::default() }),
            Some(lean),
        ]
    }

    #[test]
    fn a_line_has_the_bytes_that_serde_writes_of_it() {
        let (texts, sents, seens, outcomes) = (every_text(), every_sent(), every_seen(), every_outcome());
        let at = |length: usize, number: usize| number % length;
        let mut out = Vec::new();
        for number in 0..sents.len() * seens.len() * texts.len() * outcomes.len() {
            let call = CallRecord {
                agent: texts[at(texts.len(), number)].clone(),
                op: Operation::ALL[at(Operation::ALL.len(), number)],
                planned_us: Some(number as u64 * 10_007).filter(|_| number % 3 > 0),
                s_us: u64::MAX - number as u64,
                e_us: number as u64,
                outcome: outcomes[at(outcomes.len(), number / 7)],
                http: Some(u16::MAX).filter(|_| number % 2 > 0),
                sent: sents[at(sents.len(), number / texts.len())].clone(),
                seen: seens[at(seens.len(), number / texts.len() / sents.len())].clone(),
                note: texts[at(texts.len(), number / 5)].clone(),
            };
            out.clear();
            call.append_line(&mut out);
            let mut expected = serde_json::to_vec(&Line::Call(call)).expect("a line");
            expected.push(b'\n');
            assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(&expected));
        }
    }

    #[test]
    fn operations_and_outcomes_have_the_names_that_serde_gives_them() {
        for (place, op) in Operation::ALL.into_iter().enumerate() {
            assert_eq!(op as usize, place, "{op:?}");
            assert_eq!(serde_json::to_value(op).expect("a name"), op.name());
        }
        for outcome in every_outcome() {
            assert_eq!(serde_json::to_value(outcome).expect("a name"), outcome.name());
        }
    }
}
