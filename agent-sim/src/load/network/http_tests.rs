//! Answers whole and in every pair of pieces, and what is none.

use super::*;

fn done(status: u16, body: &str, reusable: bool) -> Progress {
    let answer = WireAnswer { status, etag: None, retry_after: None, body: body.as_bytes().to_vec() };
    Progress::Done { answer, reusable }
}

/// Feeds the parts, then the end of the connection if nothing else ended it.
fn read(parts: &[&[u8]], is_head: bool) -> Progress {
    let mut reader = Reader::default();
    for part in parts {
        match reader.feed(part, is_head, &mut Vec::new()) {
            Progress::Partial => {}
            ended => return ended,
        }
    }
    reader.end()
}

#[test]
fn an_answer_reads_the_same_in_whatever_pieces_it_comes() {
    let table: [(&str, bool, Progress); 11] = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, done(200, "hello", true)),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n3;x=1\r\nhel\r\n2\r\nlo\r\n0\r\nx: y\r\n\r\n",
            false,
            done(200, "hello", true),
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: Close\r\n\r\nhi",
            false,
            done(200, "hi", false),
        ),
        ("HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi", false, done(200, "hi", false)),
        (
            "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nhi",
            false,
            done(200, "hi", true),
        ),
        ("HTTP/1.1 200 OK\r\n\r\nuntil the end", false, done(200, "until the end", false)),
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", true, done(200, "", true)),
        ("HTTP/1.1 204 No Content\r\n\r\n", false, done(204, "", true)),
        ("HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", false, done(304, "", true)),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
            false,
            done(200, "hi", true),
        ),
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", false, done(200, "", true)),
    ];
    for (text, is_head, expected) in table {
        let bytes = text.as_bytes();
        assert_eq!(read(&[bytes], is_head), expected, "{text}");
        for at in 1..bytes.len() {
            assert_eq!(read(&[&bytes[..at], &bytes[at..]], is_head), expected, "{text} cut at {at}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(read(&single, is_head), expected, "{text} byte by byte");
    }
}

#[test]
fn the_headers_that_matter_are_kept() {
    let text = "HTTP/1.1 503 No\r\nETag: \"a\"\r\nRetry-After: 2\r\ncontent-length: 0\r\n\r\n";
    let Progress::Done { answer, .. } = read(&[text.as_bytes()], false) else { panic!("not done") };
    assert_eq!((answer.etag.as_deref(), answer.retry_after.as_deref()), (Some("\"a\""), Some("2")));
}

#[test]
fn what_is_no_answer_says_why() {
    let long = format!("HTTP/1.1 200 OK\r\nx: {}", "a".repeat(MAX_HEAD_BYTES));
    let too_long = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", MAX_BODY_BYTES + 1);
    let table: [(&str, &str); 9] = [
        ("", "before an answer came"),
        ("HTTP/1.1 200 OK\r\ncontent-le", "in the midst"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell", "in the midst"),
        ("SSH-2.0-x\r\n\r\n", "no HTTP"),
        ("HTTP/1.1 200 OK\r\ncontent-length: five\r\n\r\n", "no length"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", "does not tell its length"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhello\r\n", "longer than it says"),
        (&long, "head of the answer is longer"),
        (&too_long, "the answer is longer"),
    ];
    for (text, expected) in table {
        match read(&[text.as_bytes()], false) {
            Progress::Broken(cause) => assert!(cause.contains(expected), "{expected}: {cause}"),
            other => panic!("{expected}: {other:?}"),
        }
    }
}

#[test]
fn bytes_behind_an_answer_end_the_connection_and_the_next_answer_begins_afresh() {
    let mut reader = Reader::default();
    let text = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";
    assert_eq!(reader.feed(text, false, &mut Vec::new()), done(200, "hi", true));
    assert!(reader.is_empty());
    let more = [text.as_slice(), b"HTTP"].concat();
    assert_eq!(reader.feed(&more, false, &mut Vec::new()), done(200, "hi", false));
}

#[test]
fn a_request_carries_host_token_path_and_the_length_of_its_body() {
    let common = Common::new("[::1]:80", "/base", Some(b"Bearer x"));
    let mut out = Vec::new();
    common.write(&WireRequest::json("/heartbeat", &serde_json::json!({"a": 1})), b"x: y\r\n", &mut out);
    let expected = "POST /base/heartbeat HTTP/1.1\r\nhost: [::1]:80\r\nauthorization: Bearer x\r\n\
        content-type: application/json\r\nx: y\r\ncontent-length: 7\r\n\r\n{\"a\":1}";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
    let mut out = Vec::new();
    Common::new("h", "", None).write(&WireRequest::bare("HEAD", "/x"), b"", &mut out);
    assert_eq!(out, b"HEAD /x HTTP/1.1\r\nhost: h\r\n\r\n");
}
