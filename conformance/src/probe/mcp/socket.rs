//! One connection of HTTP/1.1 that keeps what came, event streams that do not end and bytes that nobody asked for
//! included: what a client of a library would hide.

use std::time::Duration;

use agent_sim::dialect::WireRequest;
use reports::history::Outcome;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long an answer that ends by itself may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The most that is read of one answer.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// An answer, as far as it came.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// It did not end within the time that was listened.
    pub(super) open: bool,
}

/// How an exchange failed.
#[derive(Debug)]
pub(super) struct Silence {
    pub(super) outcome: Outcome,
    pub(super) cause: String,
}

/// A connection that is used for one request after the other.
pub(super) struct Socket {
    stream: TcpStream,
    host: String,
    /// What came behind the last answer.
    rest: Vec<u8>,
}

impl Socket {
    /// To the registry at `url` (`http://127.0.0.1:8000`).
    pub(super) async fn open(url: &str) -> Result<Self, Silence> {
        let host = url.trim_start_matches("http://").split('/').next().unwrap_or_default().to_owned();
        let address = if host.rsplit(']').next().unwrap_or_default().contains(':') {
            host.clone()
        } else {
            format!("{host}:80")
        };
        let unsent = |cause: String| Silence { outcome: Outcome::NotSent, cause };
        match tokio::time::timeout(PATIENCE, TcpStream::connect(&address)).await {
            Ok(Ok(stream)) => Ok(Self { stream, host, rest: Vec::new() }),
            Ok(Err(error)) => Err(unsent(format!("could not connect to {address}: {error}"))),
            Err(_) => Err(unsent(format!("could not connect to {address} within {PATIENCE:?}"))),
        }
    }

    /// Sends the request, with a host unless it has one, and reads the answer: to its end, or an event stream for as
    /// long as `listen`.
    pub(super) async fn ask(&mut self, request: &WireRequest, listen: Duration) -> Result<Heard, Silence> {
        let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.path);
        if !request.headers.iter().any(|(name, _)| *name == "host") {
            head.push_str(&format!("host: {}\r\n", self.host));
        }
        for (name, value) in &request.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("content-length: {}\r\n\r\n", request.body.len()));
        let bytes = [head.as_bytes(), &request.body].concat();
        let broken = |cause: String| Silence { outcome: Outcome::Failed, cause };
        self.stream.write_all(&bytes).await.map_err(|error| broken(format!("cannot send: {error}")))?;
        let mut bytes = std::mem::take(&mut self.rest);
        let head = async {
            loop {
                if let Some(end) = find(&bytes, b"\r\n\r\n") {
                    return Ok(end);
                }
                if !more(&mut self.stream, &mut bytes).await {
                    return Err(broken("the connection ended before an answer's head".to_owned()));
                }
            }
        };
        let end = match tokio::time::timeout(PATIENCE, head).await {
            Ok(end) => end?,
            Err(_) => {
                let cause = format!("no answer's head within {PATIENCE:?}");
                return Err(Silence { outcome: Outcome::TimedOut, cause });
            }
        };
        let body = bytes.split_off(end + 4);
        let mut heard = head_of(&String::from_utf8_lossy(&bytes));
        self.read_body(&mut heard, body, listen).await;
        Ok(heard)
    }

    async fn read_body(&mut self, heard: &mut Heard, mut bytes: Vec<u8>, listen: Duration) {
        let header =
            |name: &str| heard.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value);
        let endless = header("content-type").is_some_and(|value| value.contains("event-stream"));
        let chunked = header("transfer-encoding").is_some_and(|value| value.contains("chunked"));
        let length = header("content-length").and_then(|value| value.parse::<usize>().ok());
        let bare = matches!(heard.status, 100..=199 | 204 | 304);
        let whole = |bytes: &[u8]| match (bare, chunked, length) {
            (true, ..) => Some(0),
            (_, true, _) => unchunked(bytes).1,
            (_, _, Some(length)) => (bytes.len() >= length).then_some(length),
            _ => None,
        };
        let reading = async {
            while whole(&bytes).is_none() && bytes.len() < MOST_BYTES {
                if !more(&mut self.stream, &mut bytes).await {
                    return;
                }
            }
        };
        let patience = if endless { listen } else { PATIENCE };
        heard.open = tokio::time::timeout(patience, reading).await.is_err();
        if let Some(end) = whole(&bytes) {
            self.rest = bytes.split_off(end);
        }
        heard.body = if chunked { unchunked(&bytes).0 } else { bytes };
    }

    /// What has come without having been asked for; `None` when the connection was closed.
    pub(super) fn unasked(&mut self) -> Option<Vec<u8>> {
        let mut bytes = std::mem::take(&mut self.rest);
        let mut buffer = [0; 4096];
        loop {
            match self.stream.try_read(&mut buffer) {
                Ok(0) => return (!bytes.is_empty()).then_some(bytes),
                Ok(length) => bytes.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Some(bytes),
                Err(_) => return None,
            }
        }
    }
}

/// Whether anything more came.
async fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> bool {
    matches!(stream.read_buf(bytes).await, Ok(1..))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn head_of(text: &str) -> Heard {
    let mut lines = text.lines();
    let status = lines.next().and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0);
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Heard { status, headers, ..Heard::default() }
}

/// What the chunks so far hold, and where the last one ends if it is there.
fn unchunked(bytes: &[u8]) -> (Vec<u8>, Option<usize>) {
    let mut body = Vec::new();
    let mut at = 0;
    while let Some(line) = find(&bytes[at..], b"\r\n") {
        let size = String::from_utf8_lossy(&bytes[at..at + line]);
        let Ok(size) = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16) else {
            break;
        };
        let from = at + line + 2;
        let Some(chunk) = bytes.get(from..from.saturating_add(size).saturating_add(2)) else { break };
        body.extend_from_slice(&chunk[..size]);
        at = from + size + 2;
        if size == 0 {
            return (body, Some(at));
        }
    }
    (body, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_put_together_and_the_end_is_known_only_when_it_is_there() {
        let whole = b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\nnext";
        assert_eq!(unchunked(whole), (b"abcde".to_vec(), Some(whole.len() - 4)));
        assert_eq!(unchunked(&whole[..13]), (b"abc".to_vec(), None));
        assert_eq!(unchunked(b"zz\r\n"), (Vec::new(), None));
    }

    #[test]
    fn a_head_is_a_status_and_headers_in_lower_case() {
        let heard = head_of("HTTP/1.1 405 Method Not Allowed\r\nAllow: POST\r\nX:  a:b \r\n\r\n");
        assert_eq!(heard.status, 405);
        assert_eq!(
            heard.headers,
            [("allow".to_owned(), "POST".to_owned()), ("x".to_owned(), "a:b".to_owned())]
        );
    }
}
