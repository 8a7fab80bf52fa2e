//! The client: closed loops of calls over kept connections, each answer checked. It does as little as it can, so that
//! the server's core is the full one.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use memchr::memmem;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::clock;
use crate::trouble::Trouble;
use crate::yardsticks::{FIXED_BYTES, is_fixed};

/// Beyond it a call has failed. Long, since the whole machine may be stopped for a while.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);
/// The most impatient server here hangs up after five seconds without a call; after this connections are opened anew.
const IDLE: Duration = Duration::from_secs(3);
/// How much of a wrong answer is told.
const TOLD_BYTES: usize = 400;

/// Writes the request with this number.
type Writes = Box<dyn Fn(usize, &mut Vec<u8>)>;
/// Whether the call with this number was answered as it should.
type Checks = Box<dyn Fn(usize, &Answer<'_>) -> bool>;

/// A kind of call.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) request: Writes,
    pub(crate) check: Checks,
}

impl Kind {
    pub(crate) fn new(
        name: &'static str,
        request: impl Fn(usize, &mut Vec<u8>) + 'static,
        check: impl Fn(usize, &Answer<'_>) -> bool + 'static,
    ) -> Rc<Self> {
        Rc::new(Self { name, request: Box::new(request), check: Box::new(check) })
    }
}

/// One answer, whole.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) head: &'a [u8],
    pub(crate) body: &'a [u8],
}

impl Answer<'_> {
    /// Whether it has this status and these words in its body.
    pub(crate) fn says(&self, status: u16, words: &str) -> bool {
        self.status == status && memmem::find(self.body, words.as_bytes()).is_some()
    }

    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        header(self.head, name).map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// The whole number behind `"name":` in the body.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        let at = memmem::find(self.body, name.as_bytes())? + name.len();
        let digits = self.body.get(at..)?;
        let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
        std::str::from_utf8(digits.get(..length)?).ok()?.parse().ok()
    }

    pub(crate) fn words(&self) -> String {
        let told = self.body.get(..TOLD_BYTES).unwrap_or(self.body);
        format!("{} {}", self.status, String::from_utf8_lossy(told))
    }
}

/// What a closed loop came to.
#[derive(Debug)]
pub(crate) struct Driven {
    pub(crate) seconds: f64,
    /// Of each call, microseconds, in no order.
    pub(crate) latencies_us: Vec<u64>,
}

/// Connections to one server.
#[derive(Debug)]
pub(crate) struct Pool {
    address: SocketAddr,
    size: usize,
    connections: Vec<Connection>,
    last_used: Instant,
    /// It is the yardstick that always says the same, and so many bytes.
    bare_bytes: Option<usize>,
}

impl Pool {
    pub(crate) fn new(address: SocketAddr, size: usize) -> Self {
        Self { address, size, connections: Vec::new(), last_used: clock::now(), bare_bytes: None }
    }

    pub(crate) fn to_bare(address: SocketAddr, size: usize) -> Self {
        Self::to_bare_of(FIXED_BYTES, address, size)
    }

    pub(crate) fn to_bare_of(bytes: usize, address: SocketAddr, size: usize) -> Self {
        Self { bare_bytes: Some(bytes), ..Self::new(address, size) }
    }

    /// Opens what is not open.
    pub(crate) async fn open(&mut self) -> Result<(), Trouble> {
        if clock::now().duration_since(self.last_used) > IDLE {
            self.connections.clear();
        }
        while self.connections.len() < self.size {
            self.connections.push(Connection::open(self.address).await?);
        }
        self.last_used = clock::now();
        Ok(())
    }

    /// Makes `calls` calls from number `first` on, over all connections, each as soon as its last is answered.
    pub(crate) async fn drive(
        &mut self,
        kind: &Rc<Kind>,
        first: usize,
        calls: usize,
    ) -> Result<Driven, Trouble> {
        self.open().await?;
        let began = clock::now();
        let _awake = Awake::begin();
        let mut tasks = Vec::new();
        for (own, mut connection) in self.connections.drain(..).enumerate() {
            let (kind, step, bare_bytes) = (Rc::clone(kind), self.size, self.bare_bytes);
            tasks.push(tokio::task::spawn_local(async move {
                let mut latencies_us = Vec::with_capacity(calls / step + 1);
                let mut request = Vec::with_capacity(1024);
                for number in (first + own..first + calls).step_by(step) {
                    request.clear();
                    (kind.request)(number, &mut request);
                    let sent = clock::now();
                    let answer =
                        connection.ask(&request).await.map_err(|error| format!("{}: {error}", kind.name))?;
                    latencies_us.push(clock::now().duration_since(sent).as_micros() as u64);
                    let is_right = match bare_bytes {
                        Some(bytes) => is_bare(&request, &answer, bytes),
                        None => (kind.check)(number, &answer),
                    };
                    if !is_right {
                        let asked = String::from_utf8_lossy(&request);
                        let asked = asked.lines().next().unwrap_or_default().to_owned();
                        return Err(format!("{}: {asked} was answered {}", kind.name, answer.words()).into());
                    }
                }
                Ok::<_, Trouble>((connection, latencies_us))
            }));
        }
        let mut all_us = Vec::with_capacity(calls);
        let mut kept = Vec::with_capacity(self.size);
        for task in tasks {
            let (connection, latencies_us) = task.await??;
            kept.push(connection);
            all_us.extend(latencies_us);
        }
        self.connections = kept;
        self.last_used = clock::now();
        Ok(Driven { seconds: clock::now().duration_since(began).as_secs_f64(), latencies_us: all_us })
    }
}

/// While it lives the client does not sleep. A server that answers a sleeping client pays for waking it, some ten
/// microseconds a call on virtual machines, and the more often the slower it is itself: that is no cost of its own.
struct Awake(tokio::task::JoinHandle<()>);

impl Awake {
    fn begin() -> Self {
        Self(tokio::task::spawn_local(async {
            loop {
                tokio::task::yield_now().await;
            }
        }))
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What the yardstick that always says the same says.
fn is_bare(request: &[u8], answer: &Answer<'_>, bytes: usize) -> bool {
    answer.status == 200 && (is_fixed(answer.body, bytes) || request.starts_with(b"HEAD "))
}

/// One kept connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self, Trouble> {
        let stream = TcpStream::connect(address)
            .await
            .map_err(|error| format!("cannot connect to {address}: {error}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, read: Vec::with_capacity(4096) })
    }

    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<Answer<'_>, Trouble> {
        let exchanged = tokio::time::timeout(ANSWER_TIMEOUT, self.exchange(request)).await;
        let (end, status) = exchanged.map_err(|_| "no answer within two minutes")??;
        let (head, body) = self.read.split_at_checked(end).unwrap_or((&self.read, &[]));
        Ok(Answer { status, head, body })
    }

    /// The length of the head, and the status.
    async fn exchange(&mut self, request: &[u8]) -> Result<(usize, u16), Trouble> {
        self.read.clear();
        self.stream.write_all(request).await?;
        let is_head = request.starts_with(b"HEAD ");
        let mut frame: Option<Frame> = None;
        loop {
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Err("the server closed the connection instead of answering".into());
            }
            if frame.is_none() {
                frame = Frame::find(&self.read, is_head)?;
                if let Some(Frame { body: Body::Length(length), .. }) = &frame {
                    // A list is megabytes: room for all of it at once.
                    self.read.reserve(*length);
                }
            }
            if let Some(frame) = frame.as_ref().filter(|frame| frame.is_whole(&self.read)) {
                return Ok((frame.head, frame.status));
            }
        }
    }
}

/// How an answer is laid out.
#[derive(Debug, PartialEq, Eq)]
struct Frame {
    head: usize,
    status: u16,
    body: Body,
}

#[derive(Debug, PartialEq, Eq)]
enum Body {
    Length(usize),
    Chunked,
}

impl Frame {
    /// `None` while the head is not all there.
    fn find(read: &[u8], is_head: bool) -> Result<Option<Self>, Trouble> {
        let Some(end) = memmem::find(read, b"\r\n\r\n") else { return Ok(None) };
        let head = read.get(..end + 4).unwrap_or_default();
        let number = |bytes: &[u8]| std::str::from_utf8(bytes).ok().and_then(|text| text.trim().parse().ok());
        let status = head.get(9..12).and_then(number).ok_or("an answer without a status")?;
        let status = u16::try_from(status).map_err(|_| "an answer without a status")?;
        let body = if is_head || status == 204 || status == 304 {
            Body::Length(0)
        } else if let Some(length) = header(head, "content-length") {
            Body::Length(number(length).ok_or("an answer with a content-length that is no number")?)
        } else if header(head, "transfer-encoding")
            .is_some_and(|coding| coding.eq_ignore_ascii_case(b"chunked"))
        {
            Body::Chunked
        } else {
            return Err("an answer that does not say where it ends".into());
        };
        Ok(Some(Self { head: end + 4, status, body }))
    }

    /// Chunks are not taken apart: nothing here sends trailers, and no body holds the last chunk's bytes.
    fn is_whole(&self, read: &[u8]) -> bool {
        match self.body {
            Body::Length(length) => read.len() >= self.head + length,
            Body::Chunked => read
                .get(self.head..)
                .is_some_and(|body| body == b"0\r\n\r\n" || body.ends_with(b"\r\n0\r\n\r\n")),
        }
    }
}

fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a [u8]> {
    head.split(|byte| *byte == b'\n').skip(1).find_map(|line| {
        let (own, value) = line.split_at_checked(name.len())?;
        let value = value.strip_prefix(b":").filter(|_| own.eq_ignore_ascii_case(name.as_bytes()))?;
        Some(value.trim_ascii())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_length_is_there() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
        assert_eq!(Frame::find(b"HTTP/1.1 200 OK\r\n", false).unwrap(), None);
        let frame = Frame::find(answer, false).unwrap().unwrap();
        assert!(frame.is_whole(answer) && !frame.is_whole(&answer[..answer.len() - 1]));
        let frame = Frame::find(answer, true).unwrap().unwrap();
        assert_eq!((frame.status, frame.body), (200, Body::Length(0)));
    }

    #[test]
    fn chunks_end_with_an_empty_one() {
        let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
        let frame = Frame::find(answer, false).unwrap().unwrap();
        assert!(frame.is_whole(answer) && !frame.is_whole(&answer[..answer.len() - 5]));
    }

    #[test]
    fn what_does_not_end_is_refused() {
        assert!(Frame::find(b"HTTP/1.1 200 OK\r\n\r\n", false).is_err());
        assert!(Frame::find(b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", false).is_err());
        assert!(Frame::find(b"x\r\n\r\n", false).is_err());
    }

    #[test]
    fn an_answer_tells_headers_and_numbers() {
        let answer = Answer {
            status: 200,
            head: b"HTTP/1.1 200 OK\r\nETag: \"a\"\r\n\r\n",
            body: b"{\"revision\":17}",
        };
        assert_eq!(answer.header("etag").as_deref(), Some("\"a\""));
        assert_eq!(answer.number("\"revision\":"), Some(17));
        assert_eq!(answer.number("\"other\":"), None);
        assert!(answer.says(200, "17") && !answer.says(200, "18") && !answer.says(202, "17"));
    }
}
