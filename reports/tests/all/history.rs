//! Histories are written and read line by line.

use std::collections::BTreeMap;
use std::io::BufReader;

use reports::history::{
    Abilities, AgentRef, AgentSeen, CallRecord, CallRef, FORMAT, Filter, HistoryError, HistoryReader, Line,
    LineRef, MAX_LINE_BYTES, Operation, Outcome, Reported, RunEnd, RunHeader, Seen, SeenRef, Sent, Status,
    Text, write_line,
};

fn header(format: u32) -> Line {
    Line::Run(RunHeader {
        format,
        name: "small".into(),
        seed: 1,
        started_at: "2026-01-02T03:04:05Z".into(),
        dialect: "wallflower".into(),
        abilities: Abilities::ALL,
        policies: BTreeMap::new(),
        transition_bound_ms: 50,
        claims: Vec::new(),
    })
}

fn call(number: u64) -> Line {
    Line::Call(CallRecord {
        agent: Some(format!("a-{number}\n\"")),
        op: Operation::Renew,
        planned_us: None,
        s_us: number,
        e_us: number + 1,
        outcome: Outcome::Renewed,
        http: Some(200),
        sent: None,
        seen: None,
        note: None,
    })
}

fn written(lines: &[Line]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in lines {
        write_line(&mut bytes, line).unwrap();
    }
    bytes
}

fn read(bytes: &[u8]) -> Vec<Result<Line, HistoryError>> {
    // A tiny buffer, so that lines are put together from many reads.
    HistoryReader::new(BufReader::with_capacity(7, bytes)).collect()
}

#[test]
fn lines_come_back_as_they_were_written_one_per_line() {
    let end = Line::End(RunEnd { at_us: 9, slack_us: 2, lost_lines: 0, tripwire: true });
    let lines = [header(FORMAT), call(1), call(2), end];
    let bytes = written(&lines);
    assert_eq!(bytes.iter().filter(|&&byte| byte == b'\n').count(), lines.len());
    let back: Vec<Line> = read(&bytes).into_iter().map(Result::unwrap).collect();
    assert_eq!(back, lines);
}

#[test]
fn a_bad_line_is_named_by_its_number_and_nothing_follows() {
    let mut bytes = written(&[header(FORMAT), call(1)]);
    bytes.extend_from_slice(b"{\"line\":\"call\"}\n");
    bytes.extend_from_slice(&written(&[call(2)]));
    let read = read(&bytes);
    assert_eq!(read.len(), 3);
    assert!(matches!(read[2], Err(HistoryError::Malformed { line: 3, .. })), "{:?}", read[2]);
    assert!(read[2].as_ref().unwrap_err().to_string().starts_with("line 3 of the history"));
}

#[test]
fn a_line_that_was_cut_off_is_an_error_and_not_an_end() {
    let bytes = written(&[header(FORMAT), call(1)]);
    let read = read(&bytes[..bytes.len() - 5]);
    assert!(matches!(read[1], Err(HistoryError::Malformed { line: 2, .. })), "{:?}", read[1]);
}

#[test]
fn what_is_no_history_of_this_format_is_refused_at_once() {
    for bytes in [b"".to_vec(), b"hello\n".to_vec(), written(&[call(1)]), vec![0; 100]] {
        assert!(matches!(read(&bytes)[..], [Err(HistoryError::NoHeader)]));
    }
    let read = read(&written(&[header(FORMAT + 1)]));
    assert!(matches!(read[..], [Err(HistoryError::Format { found })] if found == FORMAT + 1));
}

#[test]
fn a_line_without_end_is_refused_before_it_fills_the_memory() {
    struct Endless(u64);
    impl std::io::Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            buffer.fill(b' ');
            self.0 += buffer.len() as u64;
            assert!(self.0 < MAX_LINE_BYTES + (1 << 20), "read on beyond the bound");
            Ok(buffer.len())
        }
    }
    let first = written(&[header(FORMAT)]);
    let source = std::io::Read::chain(&first[..], Endless(0));
    let read: Vec<_> = HistoryReader::new(BufReader::with_capacity(1 << 16, source)).collect();
    assert!(matches!(read[..], [Ok(_), Err(HistoryError::TooLong { line: 2 })]));
}

/// A call with every member.
fn full_call() -> CallRecord {
    let text = |text: &str| Some(text.to_owned());
    CallRecord {
        agent: text("a-1\n\"\u{e4}"),
        op: Operation::Watch,
        planned_us: Some(1),
        s_us: 2,
        e_us: 3,
        outcome: Outcome::Shown,
        http: Some(200),
        sent: Some(Sent {
            agent_type: text("brisk"),
            status: Some(Reported::Degraded),
            capabilities: Some(vec!["geo".to_owned(), "q\"uote".to_owned()]),
            document: Some(4),
            incarnation: Some(5),
            sequence: Some(6),
            filter: Some(Filter {
                capability: text("geo"),
                agent_type: text("brisk"),
                status: vec![Status::Healthy, Status::Expired],
                label: Some(("zone".to_owned(), "eu".to_owned())),
            }),
            if_none_match: text("tag\\1"),
            since: Some(7),
        }),
        seen: Some(Seen {
            revision: Some(8),
            epoch: Some(9),
            etag: text("tag\\2"),
            agents: Some(vec![AgentSeen {
                id: "b\t".to_owned(),
                status: Status::Degraded,
                epoch: Some(10),
                document: Some(11),
            }]),
            removed: vec!["c".to_owned(), "d\n".to_owned()],
            full: true,
            events: Some(vec![12, 13]),
            retry_after: text("14"),
        }),
        note: text("GET /agents"),
    }
}

#[test]
fn a_call_read_without_a_copy_has_all_that_was_written() {
    let call = full_call();
    let bytes = written(&[Line::Call(call.clone())]);
    let LineRef::Call(read) = LineRef::parse(&bytes).unwrap() else { panic!("not the line of a call") };
    let CallRef { agent, op, s_us, e_us, outcome, http, sent, seen, note } = read.clone();
    let copied = |text: Option<Text<'_>>| text.map(|text| text.0.into_owned());
    let seen = seen.map(|seen| {
        let SeenRef { revision, epoch, etag, agents, removed, full, events, retry_after } = seen;
        let agent = |AgentRef { id, status, epoch, document }: AgentRef<'_>| AgentSeen {
            id: id.into_owned(),
            status,
            epoch,
            document,
        };
        Seen {
            revision,
            epoch,
            etag: copied(etag),
            agents: agents.map(|agents| agents.into_iter().map(agent).collect()),
            removed: removed.into_iter().map(|id| id.0.into_owned()).collect(),
            full,
            events,
            retry_after: copied(retry_after),
        }
    });
    let (agent, note) = (copied(agent), copied(note));
    // When it was planned is all that is left out.
    let planned_us = call.planned_us;
    let back = CallRecord { agent, op, planned_us, s_us, e_us, outcome, http, sent, seen, note };
    assert_eq!(back, call);
    assert_eq!(read, CallRef::from(&call));
    // Every member stands in the line, or this would compare less than all.
    let line: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    let members = |value: &serde_json::Value| value.as_object().unwrap().len();
    let counts = [members(&line), members(&line["sent"]), members(&line["seen"])];
    assert_eq!(counts, [11, 9, 8]);
}
