//! Connections that ask for the whole list and read the answer slowly.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reports::history::Filter;
use scenarios::model::FaultKind;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::task::JoinSet;

use super::{FaultEnd, Pace, Tools};
use crate::clock::Clock;
use crate::dialect::{Call, Dialect};
use crate::plan::faults::PlannedFault;

/// What the kernel may keep for a reader: little, so that it is the registry who has to wait.
const RECEIVE_BUFFER_BYTES: u32 = 4_096;

/// A reader reads so many times a second.
const READS_PER_SECOND: u32 = 10;

/// Most bytes read at once.
const MOST_BYTES: u32 = 64 * 1024;

/// How long a reader waits before it asks again, whether the answer was over or the registry had had enough of it.
const PAUSE: Duration = Duration::from_millis(200);

/// Where and how the whole list is asked for.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    address: SocketAddr,
    request: Arc<[u8]>,
}

impl Reading {
    /// The question for the list as this kind of registry understands it; `None` where it has none. `url` is the
    /// registry's: its authority, and the path before all others.
    pub(super) fn new(
        address: SocketAddr,
        url: (&str, &str),
        authorization: Option<&[u8]>,
        dialect: &dyn Dialect,
    ) -> Option<Self> {
        let asked = dialect.request(&Call::List { filter: Filter::default(), if_none_match: None })?;
        let (authority, base_path) = url;
        let (method, path) = (asked.method, &asked.path);
        let mut request =
            format!("{method} {base_path}{path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n");
        for (name, value) in &asked.headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if !asked.body.is_empty() {
            request.push_str(&format!("content-length: {}\r\n", asked.body.len()));
        }
        let mut request = request.into_bytes();
        if let Some(authorization) = authorization {
            request.extend([b"authorization: ", authorization, b"\r\n"].concat());
        }
        request.extend(b"\r\n");
        request.extend(asked.body);
        Some(Self { address, request: request.into() })
    }
}

/// Opens the connections, and closes them when the fault is over.
pub(super) async fn read(fault: PlannedFault, tools: Tools, mut pace: Pace) -> FaultEnd {
    let FaultKind::SlowReaders { connections, bytes_per_second, .. } = fault.kind else {
        return FaultEnd::default();
    };
    let Some(reading) = tools.reading else {
        return FaultEnd::invalid(format!("fault `{}` found no list to read in this dialect", fault.name));
    };
    for (from_us, to_us) in fault.instants {
        if !pace.until(from_us).await {
            break;
        }
        let mut readers = JoinSet::new();
        for _ in 0..tools.share.count(connections) {
            readers.spawn(read_on(reading.clone(), bytes_per_second, pace.clock));
        }
        pace.until(to_us).await;
        readers.shutdown().await;
    }
    FaultEnd::default()
}

/// Asks again and again.
async fn read_on(reading: Reading, bytes_per_second: u32, clock: Clock) {
    loop {
        // The registry may be away, or may have had enough of a reader like this: both are its answer to the fault.
        let _ = read_once(&reading, bytes_per_second, clock).await;
        tokio::time::sleep(PAUSE).await;
    }
}

async fn read_once(reading: &Reading, bytes_per_second: u32, clock: Clock) -> std::io::Result<()> {
    let socket = if reading.address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
    let mut stream = socket.connect(reading.address).await?;
    stream.write_all(&reading.request).await?;
    let rate = bytes_per_second.max(1);
    let most = (rate / READS_PER_SECOND).clamp(1, MOST_BYTES);
    let mut buffer = vec![0; usize::try_from(most).unwrap_or(1)];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        let takes_us = (count as u64 * 1_000_000).div_ceil(u64::from(rate));
        clock.sleep_until_us(clock.now_us() + takes_us).await;
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;
    use crate::dialect::by_name;

    #[tokio::test]
    async fn an_answer_is_read_no_faster_than_at_its_rate() {
        const BYTES: usize = 20_000;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.push(byte[0]);
            }
            stream.write_all(&[b'x'; BYTES]).unwrap();
            String::from_utf8(request).unwrap()
        });
        let dialect = by_name("wallflower").unwrap();
        let url = ("localhost:1", "/base");
        let reading = Reading::new(address, url, Some(b"Bearer secret"), dialect.as_ref()).unwrap();
        let clock = Clock::start();
        read_once(&reading, 50_000, clock).await.unwrap();
        assert!(clock.now_us() >= 400_000, "{BYTES} bytes after {} us", clock.now_us());
        let request = server.join().unwrap();
        assert!(request.starts_with("GET /base/agents"), "{request}");
        assert!(request.contains("\r\nauthorization: Bearer secret\r\n"), "{request}");
    }
}
