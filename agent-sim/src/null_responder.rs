//! A server that does nothing but answer: what a client reaches against it is the client's own ceiling.

use std::net::{Ipv4Addr, SocketAddr};
use std::thread::JoinHandle;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::clock::thread_cpu_seconds;

/// Every answer, as long as a short one of a registry: 150 bytes, with a body that reads as a renewal's.
const ANSWER: &[u8; 150] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 79\r\n\r\n\
    {\"outcome\":\"renewed\",\"status\":\"healthy\",\"wiring_revision\":1,\"pad\":\"0000000000\"}";

/// Longest head of a request that is looked at; a client with a longer one is hung up on.
const LONGEST_REQUEST: usize = 64 * 1024;

/// A running responder, with a thread and a runtime of its own. It ends when dropped.
#[derive(Debug)]
pub struct NullResponder {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<f64>>,
}

impl NullResponder {
    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When there is no port, no descriptor or no thread for it.
    pub fn start() -> std::io::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("null responder".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener) => {}
                    _ = stopped => {}
                }
            });
            thread_cpu_seconds()
        })?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it and tells the CPU time that it took, seconds.
    pub fn stop(mut self) -> f64 {
        self.end()
    }

    fn end(&mut self) -> f64 {
        drop(self.stop.take());
        self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }
}

impl Drop for NullResponder {
    fn drop(&mut self) {
        self.end();
    }
}

async fn serve(listener: std::net::TcpListener) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(answer(stream))),
            // No descriptor is left, or the client is gone already: others go on.
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

async fn answer(mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut pending = Vec::with_capacity(4096);
    while let Ok(1..) = stream.read_buf(&mut pending).await {
        while let Some(length) = request_length(&pending) {
            pending.drain(..length);
            if stream.write_all(ANSWER).await.is_err() {
                return;
            }
        }
        if pending.len() > LONGEST_REQUEST {
            return;
        }
    }
}

/// The length of the first request in the bytes, its body included; `None` while it is not all there.
fn request_length(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let lines = bytes.get(..head)?.split(|byte| *byte == b'\n');
    let length_of = |line: &[u8]| {
        let line = std::str::from_utf8(line).ok()?;
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    };
    let whole = head.checked_add(lines.filter_map(length_of).next().unwrap_or(0))?;
    (bytes.len() >= whole).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_says_its_own_length() {
        let text = std::str::from_utf8(ANSWER).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("content-length: {}", body.len())), "{text}");
    }

    #[test]
    fn a_request_is_whole_with_its_body_and_not_before() {
        let request = b"POST /heartbeat HTTP/1.1\r\nContent-Length: 5\r\nhost: x\r\n\r\nhello";
        assert_eq!(request_length(&request[..request.len() - 1]), None);
        assert_eq!(request_length(request), Some(request.len()));
        assert_eq!(request_length(b"GET / HTTP/1.1\r\n\r\nGET"), Some(18));
        assert_eq!(request_length(b"GET / HTTP/1.1\r\n"), None);
    }
}
