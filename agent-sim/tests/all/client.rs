//! How calls end, against small real servers that misbehave.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use agent_sim::client::{Answered, Client, SendError};
use agent_sim::clock::Clock;
use agent_sim::dialect::{self, Call, Document, WireRequest};
use reports::history::{ExchangeOutcome, Filter, KeptRequest, Outcome};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Generous, since it only bounds what should never happen.
const LONG: Duration = Duration::from_secs(30);

/// What a small server does with a request.
enum Answer {
    /// These bytes, and keeps the connection.
    Bytes(Vec<u8>),
    /// These bytes, and hangs up.
    Last(Vec<u8>),
    /// A head that promises more than is read, and as much of it as is taken.
    Endless,
    /// Nothing at all, and keeps the connection.
    Silence,
}

/// A server that answers the request with this number by its first line; gives its address.
async fn serve(answer: impl Fn(usize, &str) -> Answer + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (answer, number) = (Arc::new(answer), Arc::new(AtomicUsize::new(0)));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (answer, number) = (Arc::clone(&answer), Arc::clone(&number));
            tokio::spawn(async move {
                answer_all(stream, |line| answer(number.fetch_add(1, Ordering::SeqCst), line)).await
            });
        }
    });
    url
}

/// Answers the requests of a connection; none of them has a body.
async fn answer_all(mut stream: TcpStream, answer: impl Fn(&str) -> Answer) {
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        read.extend_from_slice(&buffer[..length]);
        while let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let head = String::from_utf8(read.drain(..end + 4).collect()).unwrap();
            match answer(head.lines().next().unwrap()) {
                Answer::Bytes(bytes) => stream.write_all(&bytes).await.unwrap(),
                Answer::Last(bytes) => return stream.write_all(&bytes).await.unwrap(),
                Answer::Endless => return endless(&mut stream).await,
                Answer::Silence => {}
            }
        }
    }
}

async fn endless(stream: &mut TcpStream) {
    let megabyte = vec![b' '; 1 << 20];
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n").await.unwrap();
    while stream.write_all(&megabyte).await.is_ok() {}
}

fn answer(status: u16, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn client(url: &str, timeout: Duration) -> Client {
    Client::new(url, dialect::by_name("wallflower").unwrap(), Clock::start(), timeout).unwrap()
}

fn list() -> Call {
    Call::List { filter: Filter::default(), if_none_match: None }
}

async fn call_list(url: &str, timeout: Duration) -> Answered {
    client(url, timeout).call(&list(), Some(7)).await
}

#[tokio::test]
async fn a_refused_connection_sent_nothing() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let record = call_list(&url, LONG).await.record;
    assert_eq!((record.outcome, record.http, record.seen), (Outcome::NotSent, None, None));
    let note = record.note.unwrap();
    assert!(note.contains("Connection refused") && note.contains(&url), "{note}");
    assert_eq!(record.planned_us, Some(7));
}

#[tokio::test]
async fn no_answer_in_time_is_a_time_out_that_took_the_whole_time() {
    let url = serve(|_, _| Answer::Silence).await;
    let record = call_list(&url, Duration::from_millis(50)).await.record;
    assert_eq!((record.outcome, record.http), (Outcome::TimedOut, None));
    assert!(record.e_us - record.s_us >= 50_000, "{record:?}");
}

#[tokio::test]
async fn an_answer_that_stops_in_the_middle_and_then_nothing_is_a_time_out_too() {
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"agents\"";
    let url = serve(|_, _| Answer::Bytes(half.to_vec())).await;
    assert_eq!(call_list(&url, Duration::from_millis(50)).await.record.outcome, Outcome::TimedOut);
}

#[tokio::test]
async fn a_broken_connection_is_a_failure() {
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"agents\"";
    for (bytes, why) in [
        ("", "no answer"),
        (half, "half an answer"),
        ("HTTP/1.1 200", "half a head"),
        ("?!\r\n\r\n", "no HTTP"),
    ] {
        let url = serve(|_, _| Answer::Last(bytes.as_bytes().to_vec())).await;
        let record = call_list(&url, LONG).await.record;
        assert_eq!(record.outcome, Outcome::Failed, "{why}: {record:?}");
        assert!(record.note.is_some(), "{why}");
    }
}

#[tokio::test]
async fn an_answer_without_end_is_given_up() {
    let url = serve(|_, _| Answer::Endless).await;
    let record = call_list(&url, LONG).await.record;
    assert_eq!(record.outcome, Outcome::Failed);
    assert!(record.note.unwrap().contains("longer than"));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    let url = serve(move |_, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        Answer::Bytes(answer(307, "location: /elsewhere\r\n", ""))
    })
    .await;
    let record = call_list(&url, LONG).await.record;
    assert_eq!((record.outcome, record.http), (Outcome::Refused, Some(307)));
    assert_eq!(requests.load(Ordering::SeqCst), 1);
}

fn page(revision: u64, ids: &[&str], next: Option<&str>) -> Answer {
    let agents: Vec<_> =
        ids.iter().map(|id| serde_json::json!({ "agent_id": id, "status": "healthy", "epoch": 1 })).collect();
    let body = serde_json::json!({ "revision": revision, "next_cursor": next, "agents": agents });
    Answer::Bytes(answer(200, &format!("etag: \"r{revision}\"\r\n"), &body.to_string()))
}

#[tokio::test]
async fn a_list_of_several_pages_is_one_record() {
    let url = serve(|number, line| match number {
        0 => {
            assert_eq!(line, "GET /agents?limit=10000 HTTP/1.1");
            page(5, &["a", "b"], Some("1/2"))
        }
        1 => {
            assert_eq!(line, "GET /agents?limit=10000&cursor=1%2F2 HTTP/1.1");
            page(5, &["c"], Some("3"))
        }
        _ => page(5, &["d"], None),
    })
    .await;
    let record = call_list(&url, LONG).await.record;
    assert_eq!((record.outcome, record.http, record.note), (Outcome::Shown, Some(200), None));
    let seen = record.seen.unwrap();
    assert_eq!((seen.revision, seen.etag.as_deref()), (Some(5), Some("\"r5\"")));
    let ids: Vec<String> = seen.agents.unwrap().into_iter().map(|agent| agent.id).collect();
    assert_eq!(ids, ["a", "b", "c", "d"]);
}

#[tokio::test]
async fn pages_of_different_revisions_are_of_none() {
    let url = serve(|number, _| match number {
        0 => page(5, &["a"], Some("1")),
        1 => page(6, &["b"], Some("2")),
        _ => page(5, &["c"], None),
    })
    .await;
    let record = call_list(&url, LONG).await.record;
    assert_eq!(record.outcome, Outcome::Shown);
    assert_eq!(record.seen.unwrap().revision, None);
    assert_eq!(record.note.as_deref(), Some("the pages show revisions Some(5) and Some(6)"));
}

#[tokio::test]
async fn a_list_whose_last_page_fails_shows_nothing() {
    let url = serve(|number, _| match number {
        0 => page(5, &["a"], Some("1")),
        _ => Answer::Bytes(answer(410, "", "{\"title\": \"too old\"}")),
    })
    .await;
    let record = call_list(&url, LONG).await.record;
    assert_eq!((record.outcome, record.http, record.seen), (Outcome::Refused, Some(410), None));
    assert_eq!(record.note.as_deref(), Some("page 2: 410: too old"));
}

#[tokio::test]
async fn a_list_that_never_ends_is_given_up() {
    let url = serve(|_, _| page(5, &["a"], Some("again"))).await;
    let record = call_list(&url, LONG).await.record;
    assert_eq!((record.outcome, record.seen), (Outcome::Failed, None));
}

#[tokio::test]
async fn a_provoked_route_stands_in_the_note() {
    let url = serve(|_, _| Answer::Bytes(answer(404, "", ""))).await;
    let request = WireRequest::bare("GET", "/proxy/127.64.0.1:9/mcp");
    let call = Call::Provoke { request, agent_id: "a".to_owned() };
    let record = client(&url, LONG).call(&call, None).await.record;
    assert_eq!((record.outcome, record.http), (Outcome::Shown, Some(404)));
    assert_eq!(record.note.as_deref(), Some("GET /proxy/127.64.0.1:9/mcp"));
}

#[tokio::test]
async fn a_call_that_the_dialect_lacks_is_not_sent() {
    let mesh = dialect::by_name("mcp-mesh").unwrap();
    let client = Client::new("http://127.0.0.1:9", mesh, Clock::start(), LONG).unwrap();
    let record = client.call(&Call::Read { agent_id: "a".to_owned() }, None).await.record;
    assert_eq!(record.outcome, Outcome::NotSent);
    assert_eq!(record.note.as_deref(), Some("the dialect mcp-mesh has no such call as this read"));
}

#[test]
fn a_url_that_cannot_be_a_registrys_is_refused_with_a_remedy() {
    for (url, words) in [
        ("https://127.0.0.1:1", "plain http only"),
        ("127.0.0.1:8000", "http"),
        ("http://", "http://127.0.0.1:8000"),
        ("http://127.0.0.1:1/?a=b", "host and port"),
    ] {
        let made = Client::new(url, dialect::by_name("wallflower").unwrap(), Clock::start(), LONG);
        let Err(SendError::NotSent { cause, .. }) = made else { panic!("{url} was taken") };
        assert!(cause.contains(words), "{url}: {cause}");
    }
}

#[tokio::test]
async fn a_call_of_several_requests_is_one_record_and_fails_whole() {
    let register = || {
        Call::Register(dialect::Document {
            agent_id: "a-1".to_owned(),
            agent_type: "default".to_owned(),
            status: None,
            endpoint: "127.64.0.5:9000".parse().unwrap(),
            capabilities: Vec::new(),
            dependencies: Vec::new(),
            labels: Vec::new(),
            document: 1,
            incarnation: None,
            sequence: None,
        })
    };
    let granted = answer(200, "", r#"{"header":{"revision":"1"},"ID":"7","TTL":"60"}"#);
    let put = answer(200, "", r#"{"header":{"revision":"2"}}"#);
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_vec();
    let dead = answer(200, "", r#"{"result":{"ID":"7"}}"#);
    let there = answer(412, "", r#"{"error":"etcdserver: lease already exists"}"#);
    // What grant, keepalive and put are answered, how the call ends, and in how many requests.
    let rows = [
        (granted.clone(), dead.clone(), Answer::Bytes(put), Outcome::Registered, 2),
        (granted, dead.clone(), Answer::Last(half), Outcome::Failed, 2),
        // A lease that is there and dead by turns: it ends all the same.
        (there, dead, Answer::Silence, Outcome::Failed, 8),
    ];
    for (grant, keepalive, put, outcome, requests) in rows {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let url = serve(move |_, line| {
            counted.fetch_add(1, Ordering::SeqCst);
            // The body of the request before stands in front of this one's first line.
            match (line.contains("POST /v3/lease/grant"), line.contains("POST /v3/lease/keepalive"), &put) {
                (true, ..) => Answer::Bytes(grant.clone()),
                (_, true, _) => Answer::Bytes(keepalive.clone()),
                (.., Answer::Bytes(bytes)) => Answer::Bytes(bytes.clone()),
                (.., Answer::Last(bytes)) => Answer::Last(bytes.clone()),
                _ => Answer::Silence,
            }
        })
        .await;
        let client = Client::new(&url, dialect::by_name("etcd").unwrap(), Clock::start(), LONG).unwrap();
        let record = client.call(&register(), Some(7)).await.record;
        assert_eq!((record.outcome, count.load(Ordering::SeqCst)), (outcome, requests), "{record:?}");
        assert_eq!((record.agent.as_deref(), record.planned_us), (Some("a-1"), Some(7)));
    }
}

/// A server that answers each request with the very bytes of it as the body, and hangs up.
async fn mirror() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (mut read, mut buffer) = (Vec::new(), [0; 4096]);
            while !is_whole(&read) {
                let length = stream.read(&mut buffer).await.unwrap();
                read.extend_from_slice(&buffer[..length]);
            }
            let head = format!("HTTP/1.1 203 X\r\nX-Mirror: a\r\ncontent-length: {}\r\n\r\n", read.len());
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(&read).await.unwrap();
        }
    });
    url
}

fn is_whole(read: &[u8]) -> bool {
    let text = String::from_utf8_lossy(read);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.is_none_or(|length| body.len() == length.parse::<usize>().unwrap())
}

fn answered(kept: &KeptRequest) -> &reports::history::Answer {
    match &kept.outcome {
        ExchangeOutcome::Answered(answer) => answer,
        failed => panic!("{failed:?}"),
    }
}

#[tokio::test]
async fn what_is_kept_of_a_call_is_what_went_over_the_wire() {
    let url = mirror().await;
    let document = Document {
        agent_id: "a-1".to_owned(),
        agent_type: "default".to_owned(),
        status: None,
        endpoint: "127.0.0.1:9".parse().unwrap(),
        capabilities: Vec::new(),
        dependencies: Vec::new(),
        labels: Vec::new(),
        document: 1,
        incarnation: None,
        sequence: None,
    };
    let conditional = Call::List { filter: Filter::default(), if_none_match: Some("\"tag\"".to_owned()) };
    let leave = Call::Leave { agent_id: "a-1".to_owned() };
    for call in [Call::Register(document), conditional, leave, list()] {
        let (told, kept) = client(&format!("{url}/below"), LONG).call_kept(&call, None).await;
        assert!(kept.is_of(&told.record), "{kept:?}");
        let [kept] = &kept.requests[..] else { panic!("{kept:?}") };
        let answer = answered(kept);
        // What the mirror saw is what is told, line by line.
        let mut sent = format!("{} {} HTTP/1.1\r\n", kept.method, kept.target);
        kept.headers.iter().for_each(|(name, value)| sent.push_str(&format!("{name}: {value}\r\n")));
        sent.push_str("\r\n");
        sent.push_str(kept.body.as_ref().map(|body| body.text.as_str()).unwrap_or_default());
        assert_eq!(sent, answer.body.text);
        assert_eq!((answer.status, kept.version.as_str()), (203, "HTTP/1.1"));
        assert_eq!(answer.headers[0], ("x-mirror".to_owned(), "a".to_owned()));
    }
}

#[tokio::test]
async fn a_token_is_not_kept_even_where_it_is_echoed_or_cut_in_two() {
    let url = mirror().await;
    let secret = "wf_0123456789abcdef";
    for padding in [0, 3900, 3950, 4000, 4050] {
        let call = Call::Read { agent_id: "a".repeat(padding + 1) };
        let client = client(&url, LONG).with_token(secret).unwrap();
        let (_, kept) = client.call_kept(&call, None).await;
        let answer = answered(&kept.requests[0]);
        assert_eq!(answer.body.length > 4096, answer.body.is_cut_in_call());
        assert!(answer.body.text.len() <= 4200, "{}", answer.body.text.len());
        let written = serde_json::to_string(&kept).unwrap();
        assert!(!written.contains("wf_") && !written.contains("0123456"), "{written}");
        assert!(
            kept.requests[0]
                .headers
                .iter()
                .any(|(name, value)| { (name.as_str(), value.as_str()) == ("authorization", "(not kept)") })
        );
    }
}

#[tokio::test]
async fn a_call_that_was_not_answered_says_so() {
    let url = serve(|_, _| Answer::Last(Vec::new())).await;
    let (told, kept) = client(&url, LONG).call_kept(&list(), None).await;
    let ExchangeOutcome::Failed { outcome, cause } = &kept.requests[0].outcome else { panic!("{kept:?}") };
    assert_eq!((told.record.outcome, *outcome), (Outcome::Failed, Outcome::Failed));
    assert!(cause.contains(&url), "{cause}");
}
