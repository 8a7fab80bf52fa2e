//! Bytes over a TCP connection of their own, whether they are HTTP or not.

use std::time::Duration;

use reports::history::{Answer, Body, Exchange, ExchangeOutcome, Line, Outcome};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::probe::Prober;

/// How long an answer, or the end of the connection, is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// The most of what was sent that a history keeps.
const KEPT_BYTES: usize = 2_048;

/// What is longer is not hashed: that would hold up the harness, whose lag is measured.
const HASHED_BYTES: usize = 64 * 1024;

/// The most of an answer that is read.
const MOST_ANSWER_BYTES: usize = 256 * 1024;

/// What comes behind the last piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The answer to a whole request is waited for.
    Waits,
    /// The registry is told that nothing more comes, since it may wait for more.
    Closes,
    /// Nobody is there any more.
    Leaves,
}

/// What goes over the wire, piece by piece.
#[derive(Debug, Clone)]
pub(super) struct Raw {
    /// In words.
    pub(super) what: String,
    pub(super) pieces: Vec<Vec<u8>>,
    /// So long between two pieces.
    pub(super) pause: Duration,
    pub(super) end: End,
}

impl Raw {
    pub(super) fn whole(what: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { what: what.into(), pieces: vec![bytes.into()], pause: Duration::ZERO, end: End::Waits }
    }

    pub(super) fn closing(self) -> Self {
        Self { end: End::Closes, ..self }
    }

    /// A heartbeat with these bytes as its body, said to be JSON.
    pub(super) fn heartbeat(what: impl Into<String>, body: &[u8]) -> Self {
        let mut bytes = format!(
            "POST /heartbeat HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n",
            body.len()
        )
        .into_bytes();
        bytes.extend_from_slice(body);
        Self::whole(what, bytes)
    }
}

/// Sends, waits for an answer or the end of the connection, records.
pub(super) async fn send(prober: &Prober, case: &str, step: &str, raw: Raw) -> Exchange {
    let clock = prober.recorder.clock;
    let sent_us = clock.now_us();
    let ended = tokio::time::timeout(PATIENCE, converse(&prober.address, &raw)).await;
    let failed = |outcome: Outcome, cause: String| ExchangeOutcome::Failed { outcome, cause };
    let outcome = match ended {
        Err(_) => failed(Outcome::TimedOut, format!("neither an answer nor an end within {PATIENCE:?}")),
        Ok(Err(error)) => failed(Outcome::NotSent, format!("could not connect: {error}")),
        Ok(Ok(bytes)) => match answer(&bytes) {
            Some(answer) => ExchangeOutcome::Answered(answer),
            None => failed(Outcome::Failed, "the connection was closed without an answer".to_owned()),
        },
    };
    let bytes = raw.pieces.concat();
    let kept = &bytes[..bytes.len().min(KEPT_BYTES)];
    let exchange = Exchange {
        requirement: prober.requirement.to_owned(),
        case: case.to_owned(),
        step: step.to_owned(),
        sent_us,
        done_us: clock.now_us(),
        method: Exchange::RAW.to_owned(),
        target: raw.what,
        request_headers: Vec::new(),
        // What is larger says in words what it is.
        request_body: (bytes.len() <= HASHED_BYTES).then(|| Body {
            text: String::from_utf8_lossy(kept).into_owned(),
            length: bytes.len() as u64,
            sha256: (kept.len() < bytes.len())
                .then(|| Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect()),
        }),
        outcome,
        note: None,
    };
    prober.recorder.write(&Line::Exchange(Box::new(exchange.clone())));
    exchange
}

/// Writes and reads at the same time: a registry may answer, or hang up, before it has heard everything.
async fn converse(address: &str, raw: &Raw) -> std::io::Result<Vec<u8>> {
    let (mut from, mut to) = TcpStream::connect(address).await?.into_split();
    let write = async {
        for (number, piece) in raw.pieces.iter().enumerate() {
            if number > 0 {
                tokio::time::sleep(raw.pause).await;
            }
            // It hung up: what it has said is read all the same.
            if to.write_all(piece).await.is_err() {
                return;
            }
        }
        if raw.end == End::Closes {
            // One that hung up needs not be told.
            let _ = to.shutdown().await;
        }
    };
    let mut bytes = Vec::new();
    if raw.end == End::Leaves {
        write.await;
        return Ok(bytes);
    }
    let read = async {
        let mut chunk = [0; 8_192];
        while let Ok(count @ 1..) = from.read(&mut chunk).await {
            bytes.extend_from_slice(&chunk[..count]);
            if bytes.len() > MOST_ANSWER_BYTES || answer(&bytes).is_some_and(|answer| is_whole(&answer)) {
                break;
            }
        }
    };
    // What has been answered needs not be told the rest.
    let told = async {
        write.await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = read => {}
        () = told => {}
    }
    Ok(bytes)
}

fn is_whole(answer: &Answer) -> bool {
    let length = answer.headers.iter().find(|(name, _)| name == "content-length");
    length.and_then(|(_, value)| value.parse::<u64>().ok()).is_some_and(|length| answer.body.length >= length)
}

/// Reads a final answer of HTTP/1; `None` when there is none.
fn answer(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let status: u16 = lines.next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let body = &bytes[end + 4..];
    if status == 100 {
        return answer(body);
    }
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let text = String::from_utf8_lossy(body).into_owned();
    Some(Answer { status, headers, body: Body { text, length: body.len() as u64, sha256: None } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_behind_an_interim_one_and_is_whole_by_its_length() {
        let bytes = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno";
        let read = answer(bytes).unwrap();
        assert_eq!((read.status, read.body.text.as_str(), is_whole(&read)), (400, "no", true));
        assert!(!is_whole(&answer(&bytes[..bytes.len() - 1]).unwrap()));
        assert_eq!(answer(b"HTTP/1.1 400 Bad"), None);
        assert_eq!(answer(b"garbage\r\n\r\n"), None);
    }
}
