//! INPUT-2: any bytes at all.

use std::time::Duration;

use agent_sim::dialect::WireRequest;
use agent_sim::process;
use proptest::collection::vec;
use serde_json::json;
use tokio::task::JoinSet;

use crate::probe::raw::{End, Raw, send};
use crate::probe::{PSS_NOTE, Prober};

/// Bodies and requests of each drawn kind.
const DRAWN: usize = 16;

/// Connections side by side.
const SIDE_BY_SIDE: usize = 8;

/// Steps `memory` (before and behind all), `bytes` (never to be taken), `any` (they may mean something), `alive`
/// behind each; a case for each kind.
pub(super) async fn input_2(prober: Prober) {
    memory(&prober).await;
    for (case, step, all) in kinds(&prober) {
        for some in all.chunks(SIDE_BY_SIDE) {
            let mut running = JoinSet::new();
            for raw in some {
                let (prober, raw) = (prober.clone(), raw.clone());
                running.spawn(async move { send(&prober, case, step, raw).await });
            }
            while running.join_next().await.is_some() {}
            if prober.recorder.stopped() {
                return;
            }
        }
        let document = prober.document(case, "alive");
        prober.beat(case, "alive", &document).await;
        prober.leave(case, "alive", &prober.id(case, "alive")).await;
    }
    // What was meaningful may have registered.
    prober.leave("meaningful", "tidy up", &prober.id("bytes", "0")).await;
    memory(&prober).await;
}

/// What the process holds, where it is the harness's own.
async fn memory(prober: &Prober) {
    let note = prober.process.map(|pid| format!("{PSS_NOTE}{}", process::pss_bytes(pid)));
    prober.exchange_noting("memory", "memory", WireRequest::bare("GET", "/livez"), note).await;
}

type Kind = (&'static str, &'static str, Vec<Raw>);

fn kinds(prober: &Prober) -> Vec<Kind> {
    let right = prober.document("bytes", "0").to_string();
    vec![
        ("truncated", "bytes", truncated(prober, &right)),
        ("nested", "bytes", nested()),
        ("characters", "bytes", characters(&right)),
        ("numbers", "bytes", numbers(&right)),
        ("bodies", "bytes", drawn_bodies(prober)),
        ("requests", "bytes", drawn_requests(prober)),
        ("framing", "bytes", framing(&right)),
        ("headers", "bytes", headers()),
        ("large", "bytes", large()),
        ("slow", "bytes", slow(&right)),
        ("abandoned", "left", abandoned(&right)),
        ("meaningful", "any", meaningful(&right)),
    ]
}

fn truncated(prober: &Prober, right: &str) -> Vec<Raw> {
    let cuts = prober.draw(&vec(1..right.len(), DRAWN)).unwrap_or_default();
    let cut = |end: usize| Raw::heartbeat(format!("a heartbeat cut at byte {end}"), &right.as_bytes()[..end]);
    cuts.into_iter().map(cut).collect()
}

fn nested() -> Vec<Raw> {
    let deep = 100_000;
    let objects = format!("{}1{}", "{\"a\":".repeat(deep / 3), "}".repeat(deep / 3));
    vec![
        Raw::heartbeat("arrays in arrays without end", "[".repeat(deep).as_bytes()),
        Raw::heartbeat("arrays in arrays", format!("{}{}", "[".repeat(deep), "]".repeat(deep)).as_bytes()),
        Raw::heartbeat("objects in objects", objects.as_bytes()),
        Raw::heartbeat(
            "capabilities in capabilities",
            format!("{{\"agent_id\":\"probe-deep\",\"capabilities\":{}", "[".repeat(deep)).as_bytes(),
        ),
    ]
}

/// Text that is none, in a field where it matters.
fn characters(right: &str) -> Vec<Raw> {
    let field = "\"agent_id\":\"";
    let with = |what: &str, bytes: &[u8]| {
        let (before, after) = right.split_once(field).unwrap_or((right, ""));
        let body = [before.as_bytes(), field.as_bytes(), bytes, after.as_bytes()].concat();
        Raw::heartbeat(what, &body)
    };
    vec![
        with("a NUL byte", b"\0"),
        with("an escaped NUL", b"\\u0000"),
        with("a lone high surrogate", b"\\ud800"),
        with("a lone low surrogate", b"\\udc00"),
        with("surrogates the wrong way round", b"\\udc00\\ud800"),
        with("a byte that is no UTF-8", b"\xff"),
        with("an overlong slash", b"\xc0\xaf"),
        with("a line feed", b"\n"),
        with("an escape that is none", b"\\x41"),
        Raw::heartbeat("a byte order mark", &[b"\xef\xbb\xbf", right.as_bytes()].concat()),
        Raw::heartbeat("UTF-16", &right.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()),
        Raw::heartbeat("nothing but NUL", &[0; 4_096]),
    ]
}

fn numbers(right: &str) -> Vec<Raw> {
    let digits = "9".repeat(4_000);
    let huge =
        ["1e999", "-1e999", "1E+99999999", "18446744073709551616", "-1", "0x10", "01", "+1", "NaN", "1."];
    let texts = huge.into_iter().map(str::to_owned).chain([digits.clone(), format!("0.{digits}")]);
    let numbered = |text: String| {
        let body = right.replacen('{', &format!("{{\"incarnation\":{text},"), 1);
        Raw::heartbeat(
            format!("the incarnation {}", text.chars().take(24).collect::<String>()),
            body.as_bytes(),
        )
    };
    texts.map(numbered).collect()
}

/// Bytes that no JSON object begins with.
fn drawn_bodies(prober: &Prober) -> Vec<Raw> {
    let bytes = vec(vec(proptest::num::u8::ANY, 0..2_000), DRAWN);
    let drawn = prober.draw(&bytes).unwrap_or_default();
    let body = |bytes: Vec<u8>| Raw::heartbeat("a drawn body", &[b"]".as_slice(), bytes.as_slice()].concat());
    drawn.into_iter().map(body).collect()
}

fn drawn_requests(prober: &Prober) -> Vec<Raw> {
    let bytes = vec((vec(proptest::num::u8::ANY, 1..2_000), 0_usize..4), DRAWN);
    let drawn = prober.draw(&bytes).unwrap_or_default();
    let starts: [&[u8]; 4] =
        [b"\x01", b"GET /agents HTTP/9.9\r\n", b"POST /heartbeat HTTP/1.1\r\n\x00:", b"\x16\x03\x01\x02\x00"];
    let request = |(bytes, start): (Vec<u8>, usize)| {
        Raw::whole("a drawn request", [starts[start], bytes.as_slice(), b"\r\n\r\n"].concat()).closing()
    };
    drawn.into_iter().map(request).collect()
}

/// Bodies whose length is told wrongly.
fn framing(right: &str) -> Vec<Raw> {
    let told = |what: &str, headers: &str, body: &str| {
        let head = "POST /heartbeat HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nconnection: close";
        Raw::whole(what, format!("{head}\r\n{headers}\r\n\r\n{body}")).closing()
    };
    let length = right.len();
    vec![
        told("a length below zero", "content-length: -1", right),
        told("a length that is none", "content-length: many", right),
        told("two lengths", &format!("content-length: {length}\r\ncontent-length: {}", length + 1), right),
        told("a length of an exabyte", "content-length: 1000000000000000000", right),
        told("a length beyond every number", "content-length: 99999999999999999999999999", right),
        told("more than is sent", &format!("content-length: {}", length + 100), right),
        told("chunks without a size", "transfer-encoding: chunked", "hello\r\n"),
        told("a chunk of an exabyte", "transfer-encoding: chunked", "de0b6b3a7640000\r\nx"),
        told(
            "chunks that end early",
            "transfer-encoding: chunked",
            &format!("{length:x}\r\n{}", &right[..9]),
        ),
        told("an unknown coding", "transfer-encoding: rot13", right),
        told(
            "a length and chunks",
            &format!("content-length: {length}\r\ntransfer-encoding: chunked"),
            "zz\r\n",
        ),
    ]
}

fn headers() -> Vec<Raw> {
    let request = |what: &str, path: &str, headers: &str| {
        Raw::whole(
            what,
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{headers}connection: close\r\n\r\n"),
        )
    };
    let many: String = (0..20_000).map(|number| format!("x-surplus-{number}: {:032}\r\n", number)).collect();
    vec![
        request(
            "one header of a million bytes",
            "/livez",
            &format!("x-surplus: {}\r\n", "h".repeat(1_000_000)),
        ),
        request("twenty thousand headers", "/livez", &many),
        request("a path of a million bytes", &format!("/agents/{}", "p".repeat(1_000_000)), ""),
        request("a query of a million bytes", &format!("/agents?q={}", "q".repeat(1_000_000)), ""),
        request("a header name of a million bytes", "/livez", &format!("{}: 1\r\n", "n".repeat(1_000_000))),
        request("a header without a colon", "/livez", "surplus\r\n"),
        request("a NUL in a header", "/livez", "x-surplus: a\0b\r\n"),
    ]
}

/// Far more than a body may have.
fn large() -> Vec<Raw> {
    let piece = vec![b' '; 1024 * 1024];
    let sized = |megabytes: usize| {
        let head = format!(
            "POST /heartbeat HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n",
            megabytes * piece.len()
        );
        let body = std::iter::repeat_n(piece.clone(), megabytes);
        let pieces = std::iter::once(head.into_bytes()).chain(body).collect();
        Raw {
            what: format!("a body of {megabytes} MiB of spaces"),
            pieces,
            pause: Duration::ZERO,
            end: End::Waits,
        }
    };
    vec![sized(1), sized(2), sized(6), sized(12), sized(12), sized(12), sized(12)]
}

/// Byte by byte, and wrong at the end.
fn slow(right: &str) -> Vec<Raw> {
    let wrong = format!("{}]", &right[..right.len() - 1]);
    let request = Raw::heartbeat("a heartbeat in small pieces", wrong.as_bytes()).pieces.concat();
    let pieces = |size: usize, pause_ms: u64| Raw {
        what: format!("a heartbeat in pieces of {size} bytes"),
        pieces: request.chunks(size).map(<[u8]>::to_vec).collect(),
        pause: Duration::from_millis(pause_ms),
        end: End::Waits,
    };
    vec![pieces(1, 1), pieces(7, 10), pieces(40, 100)]
}

/// Half a request, and nobody there any more.
fn abandoned(right: &str) -> Vec<Raw> {
    let request = Raw::heartbeat("", right.as_bytes()).pieces.concat();
    let left = |end: usize| Raw {
        end: End::Leaves,
        ..Raw::whole(format!("a connection left behind {end} bytes"), &request[..end])
    };
    let ends = [0, 1, 20, 60, request.len() - right.len(), request.len() - 1];
    ends.into_iter().map(left).collect()
}

/// What may mean something to a registry, but must not break it.
fn meaningful(right: &str) -> Vec<Raw> {
    let get = |path: &str| {
        Raw::whole(
            format!("GET {path}"),
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"),
        )
    };
    let nested = json!({ "deep": 1 }).to_string().replacen('1', &"[".repeat(60), 1);
    let surplus = right.replacen('{', &format!("{{\"x_surplus\":{nested}{}}},", "]".repeat(60)), 1);
    let numbers = right.replacen('{', &format!("{{\"x_surplus\":{},", "7".repeat(3_000)), 1);
    vec![
        get("/agents/%ff%fe"),
        get("/agents/%00"),
        get("/agents/%"),
        get("/agents?label=%00%ff"),
        get("/agents?limit=99999999999999999999"),
        get("/agents?cursor=%00"),
        get("/agents?since=18446744073709551616"),
        get("/agents?q=%f0%9f%a6%80%00"),
        get("/agents?version=%3E%3D99999999999999999999.0.0"),
        get("/capabilities?prefix=%ff"),
        get("/events?after=-1"),
        get("/agents/../../etc/passwd"),
        get("*"),
        Raw::heartbeat("unknown fields, nested", surplus.as_bytes()),
        Raw::heartbeat("an unknown number of 3,000 digits", numbers.as_bytes()),
        Raw::whole(
            "an unknown method",
            "BREW /heartbeat HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        ),
    ]
}
