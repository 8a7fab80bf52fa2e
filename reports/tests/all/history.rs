//! Histories are written and read line by line.

use std::collections::BTreeMap;
use std::io::BufReader;

use reports::history::{
    Abilities, CallRecord, FORMAT, HistoryError, HistoryReader, Line, MAX_LINE_BYTES, Operation, Outcome,
    RunEnd, RunHeader, write_line,
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
