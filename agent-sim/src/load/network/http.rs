//! HTTP/1.1 as bytes: a request written into a buffer, an answer read out of what comes, in whatever pieces. No
//! socket here.

use crate::client::MAX_BODY_BYTES;
use crate::dialect::{WireAnswer, WireRequest};

/// Longest head of an answer.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// Most headers of an answer.
const MAX_HEADERS: usize = 64;

/// Longest line that begins a chunk, its extensions included.
const MAX_CHUNK_LINE_BYTES: usize = 4 * 1024;

/// What every request to one registry has in common.
#[derive(Debug, Clone)]
pub(crate) struct Common {
    /// What stands before each path.
    base_path: String,
    /// Host, and what else goes along with each request.
    headers: Vec<u8>,
}

impl Common {
    /// `authority` is host and port; `authorization` goes along as it is.
    pub(crate) fn new(authority: &str, base_path: &str, authorization: Option<&[u8]>) -> Self {
        let mut headers = format!(" HTTP/1.1\r\nhost: {authority}\r\n").into_bytes();
        if let Some(authorization) = authorization {
            headers.extend_from_slice(b"authorization: ");
            headers.extend_from_slice(authorization);
            headers.extend_from_slice(b"\r\n");
        }
        Self { base_path: base_path.to_owned(), headers }
    }

    /// Appends a request. `extra` are further header lines, each with its end.
    pub(crate) fn write(&self, request: &WireRequest, extra: &[u8], out: &mut Vec<u8>) {
        for part in [request.method, " ", &self.base_path, &request.path] {
            out.extend_from_slice(part.as_bytes());
        }
        out.extend_from_slice(&self.headers);
        for (name, value) in &request.headers {
            for part in [name, ": ", value, "\r\n"] {
                out.extend_from_slice(part.as_bytes());
            }
        }
        out.extend_from_slice(extra);
        if !request.body.is_empty() || matches!(request.method, "POST" | "PUT" | "PATCH") {
            out.extend_from_slice(b"content-length: ");
            out.extend_from_slice(itoa::Buffer::new().format(request.body.len()).as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&request.body);
    }
}

/// How far an answer has come.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// More is to come.
    Partial,
    /// All of it is here.
    Done {
        /// What was answered.
        answer: WireAnswer,
        /// Whether the connection takes another request.
        reusable: bool,
    },
    /// It is no answer, or too long.
    Broken(String),
}

/// Reads one answer after the other. It holds memory only while an answer is there in part.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// What came and is not part of the body yet.
    pending: Vec<u8>,
    body: Vec<u8>,
    head: Option<Head>,
}

/// The head of an answer, as far as it matters here.
#[derive(Debug)]
struct Head {
    status: u16,
    etag: Option<String>,
    retry_after: Option<String>,
    left: Left,
    keeps_alive: bool,
}

/// What is still to come of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// So many bytes.
    Bytes(usize),
    /// Whatever comes until the connection ends.
    UntilEnd,
    /// Chunks, the next of which begins with its length.
    ChunkLine,
    /// So many bytes of a chunk, with the line end behind them.
    Chunk(usize),
    /// Lines until an empty one.
    Trailers,
    /// Nothing.
    Nothing,
}

impl Reader {
    /// Whether nothing of an answer has come yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.head.is_none() && self.pending.is_empty()
    }

    /// Takes what came. `is_head` says that the request was a HEAD, whose answer has no body. `spare` is a buffer that
    /// nobody needs; the answer's body may take it.
    pub(crate) fn feed(&mut self, bytes: &[u8], is_head: bool, spare: &mut Vec<u8>) -> Progress {
        match self.take(bytes, is_head, spare) {
            Ok(progress) => progress,
            Err(cause) => Progress::Broken(cause),
        }
    }

    /// The connection has ended: what that makes of the answer.
    pub(crate) fn end(&mut self) -> Progress {
        if self.head.as_ref().is_some_and(|head| head.left == Left::UntilEnd) {
            return self.done(false);
        }
        let how_far = if self.is_empty() { "before an answer came" } else { "in the midst of an answer" };
        Progress::Broken(format!("the connection was closed {how_far}"))
    }

    fn take(&mut self, bytes: &[u8], is_head: bool, spare: &mut Vec<u8>) -> Result<Progress, String> {
        let mut rest = bytes;
        let joined;
        if !self.pending.is_empty() {
            self.pending.extend_from_slice(bytes);
            joined = std::mem::take(&mut self.pending);
            rest = &joined;
        }
        while self.head.is_none() {
            let Some((head, length)) = parse_head(rest, is_head)? else {
                if rest.len() > MAX_HEAD_BYTES {
                    return Err(format!("the head of the answer is longer than {MAX_HEAD_BYTES} bytes"));
                }
                self.pending = rest.to_vec();
                return Ok(Progress::Partial);
            };
            rest = rest.get(length..).unwrap_or_default();
            // An answer of the kind 1xx is followed by the one that counts.
            if head.status >= 200 {
                std::mem::swap(&mut self.body, spare);
                self.body.clear();
                self.head = Some(head);
            }
        }
        let rest = self.take_body(rest)?;
        let is_done = self.head.as_ref().is_some_and(|head| head.left == Left::Nothing);
        if is_done {
            // Bytes behind the answer belong to no request.
            return Ok(self.done(rest.is_empty()));
        }
        self.pending = rest.to_vec();
        Ok(Progress::Partial)
    }

    /// Moves what belongs to the body there; what cannot be understood yet is left.
    fn take_body<'a>(&mut self, mut rest: &'a [u8]) -> Result<&'a [u8], String> {
        let Some(head) = &mut self.head else { return Ok(rest) };
        loop {
            let step = match head.left {
                Left::Nothing => return Ok(rest),
                Left::Bytes(0) => {
                    head.left = Left::Nothing;
                    continue;
                }
                Left::Bytes(left) => {
                    let step = left.min(rest.len());
                    head.left = Left::Bytes(left - step);
                    step
                }
                Left::UntilEnd => rest.len(),
                Left::ChunkLine => match chunk_line(rest)? {
                    None => return Ok(rest),
                    Some((line, length)) => {
                        rest = rest.get(line..).unwrap_or_default();
                        head.left = if length == 0 { Left::Trailers } else { Left::Chunk(length) };
                        continue;
                    }
                },
                Left::Chunk(0) => match rest {
                    [b'\r', b'\n', after @ ..] => {
                        rest = after;
                        head.left = Left::ChunkLine;
                        continue;
                    }
                    [] | [b'\r'] => return Ok(rest),
                    _ => return Err("a chunk of the answer is longer than it says".to_owned()),
                },
                Left::Chunk(left) => {
                    let step = left.min(rest.len());
                    head.left = Left::Chunk(left - step);
                    step
                }
                Left::Trailers => match line_end(rest) {
                    None if rest.len() > MAX_HEAD_BYTES => {
                        return Err(format!("the answer's trailers are longer than {MAX_HEAD_BYTES} bytes"));
                    }
                    None => return Ok(rest),
                    Some(end) => {
                        if end == 2 {
                            head.left = Left::Nothing;
                        }
                        rest = rest.get(end..).unwrap_or_default();
                        continue;
                    }
                },
            };
            if step == 0 {
                return Ok(rest);
            }
            if self.body.len() + step > MAX_BODY_BYTES {
                return Err(format!("the answer is longer than {MAX_BODY_BYTES} bytes"));
            }
            let (taken, after) = rest.split_at_checked(step).unwrap_or((rest, &[]));
            self.body.extend_from_slice(taken);
            rest = after;
        }
    }

    fn done(&mut self, reusable: bool) -> Progress {
        self.pending = Vec::new();
        let body = std::mem::take(&mut self.body);
        match self.head.take() {
            Some(Head { status, etag, retry_after, keeps_alive, .. }) => Progress::Done {
                answer: WireAnswer { status, etag, retry_after, body },
                reusable: reusable && keeps_alive,
            },
            None => Progress::Partial,
        }
    }
}

/// The head of the answer with its length in bytes; `None` while it is not all there.
fn parse_head(bytes: &[u8], is_head: bool) -> Result<Option<(Head, usize)>, String> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(format!("the answer is no HTTP: {error}")),
    };
    let status = response.code.unwrap_or_default();
    let mut head = Head {
        status,
        etag: None,
        retry_after: None,
        left: Left::UntilEnd,
        keeps_alive: response.version == Some(1),
    };
    let mut length_told = None;
    let mut is_chunked = false;
    for header in response.headers.iter() {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        let text = || std::str::from_utf8(header.value).ok().map(|value| value.trim());
        if is("content-length") {
            let told = text().and_then(|value| value.parse::<usize>().ok());
            if told.is_none() || (length_told.is_some() && length_told != told) {
                return Err("the answer's Content-Length is no length".to_owned());
            }
            length_told = told;
        } else if is("transfer-encoding") {
            is_chunked |= has_word(header.value, "chunked");
        } else if is("connection") {
            head.keeps_alive = (head.keeps_alive || has_word(header.value, "keep-alive"))
                && !has_word(header.value, "close");
        } else if is("etag") {
            head.etag = text().map(str::to_owned);
        } else if is("retry-after") {
            head.retry_after = text().map(str::to_owned);
        }
    }
    let has_no_body = is_head || status < 200 || matches!(status, 204 | 304);
    head.left = match length_told {
        _ if has_no_body => Left::Nothing,
        _ if is_chunked => Left::ChunkLine,
        Some(told) if told > MAX_BODY_BYTES => {
            return Err(format!("the answer is longer than {MAX_BODY_BYTES} bytes"));
        }
        Some(told) => Left::Bytes(told),
        None => Left::UntilEnd,
    };
    Ok(Some((head, length)))
}

fn has_word(value: &[u8], word: &str) -> bool {
    value.split(|byte| *byte == b',').any(|part| part.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
}

/// The length of the line that begins a chunk, and the chunk's own.
fn chunk_line(bytes: &[u8]) -> Result<Option<(usize, usize)>, String> {
    match httparse::parse_chunk_size(bytes) {
        Ok(httparse::Status::Complete((line, length))) => {
            let length = usize::try_from(length).ok().filter(|length| *length <= MAX_BODY_BYTES);
            length.map_or_else(
                || Err(format!("the answer is longer than {MAX_BODY_BYTES} bytes")),
                |length| Ok(Some((line, length))),
            )
        }
        Ok(httparse::Status::Partial) if bytes.len() <= MAX_CHUNK_LINE_BYTES => Ok(None),
        Ok(httparse::Status::Partial) | Err(_) => {
            Err("a chunk of the answer does not tell its length".to_owned())
        }
    }
}

/// The length of the first line with its end.
fn line_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(2).position(|window| window == b"\r\n").map(|at| at + 2)
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
