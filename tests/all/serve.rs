//! `wallflower serve` from outside.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::program::{Served, code, run, text, wallflower};

/// One request by hand, one answer: (status line, body).
pub(crate) fn ask(url: &str, request_line: &str, body: &str) -> (String, String) {
    let (head, body) = ask_whole(url, request_line, body);
    (head.lines().next().unwrap().to_owned(), body)
}

/// As [`ask`], with the whole head of the answer.
pub(crate) fn ask_whole(url: &str, request_line: &str, body: &str) -> (String, String) {
    let mut socket = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    write!(
        socket,
        "{request_line} HTTP/1.1\r\nHost: registry\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

#[test]
fn it_prints_its_address_first_serves_and_stops_on_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    let mut served = Served::start(folder.path(), &[]);
    let (status, body) = ask(&served.url, "POST /heartbeat", r#"{"agent_id":"planner-1","capabilities":[]}"#);
    assert!(status.contains("200"), "{status} {body}");
    assert!(body.contains(r#""result":"registered""#), "{body}");
    served.signal("TERM");
    assert_eq!(served.child.wait().unwrap().code(), Some(0));
}

#[test]
fn what_it_acknowledged_outlives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = Served::start(folder.path(), &[]);
    let (status, _) = ask(&first.url, "POST /heartbeat", r#"{"agent_id":"planner-1","capabilities":[]}"#);
    assert!(status.contains("200"), "{status}");
    first.signal("KILL");
    first.child.wait().unwrap();
    let second = Served::start(folder.path(), &[]);
    let (status, body) = ask(&second.url, "GET /agents/planner-1", "");
    assert!(status.contains("200") && body.contains(r#""epoch":1"#), "{status} {body}");
}

#[test]
fn a_bad_setting_refuses_to_start_and_says_which_what_and_what_is_allowed() {
    for (flag, value, words) in [
        ("--listen", "nowhere", &["listen", "nowhere"][..]),
        ("--log-format", "xml", &["log_format", "xml", "json"]),
        ("--max-agents", "many", &["max_agents", "many"]),
        ("--database", "mysql://x", &["database", "mysql://x", "sqlite"]),
        ("--policy", "default=5s,4s,3s,2s", &["default", "5s", "4s"]),
    ] {
        let output = run(&["serve", flag, value]);
        assert_eq!(code(&output), 4, "{flag} {value}: {}", text(&output));
        for word in words {
            assert!(text(&output).contains(word), "{flag} {value}: no {word} in {}", text(&output));
        }
    }
    let output = wallflower().arg("serve").env("WALLFLOWER_LISTEN", "elsewhere").output().unwrap();
    assert_eq!(code(&output), 4);
    assert!(text(&output).contains("WALLFLOWER_LISTEN"), "{}", text(&output));
}

#[test]
fn an_open_address_needs_the_word_insecure() {
    let output = run(&["serve", "--listen", "0.0.0.0:0"]);
    assert_eq!(code(&output), 4, "{}", text(&output));
    assert!(text(&output).contains("--insecure"), "{}", text(&output));
}
