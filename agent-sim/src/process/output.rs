//! What a child process prints: drained for as long as it runs, so that it never blocks on a full pipe; the end kept.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Child;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::tail::Tail;

/// Longest line that is looked at.
const LINE_BYTES: usize = 4 * 1024;

/// What the line begins with that says "ready".
const READY_PREFIX: &[u8] = b"listening on http://";

/// How long an ended child's last output is waited for. A child of its own may hold the pipe open for longer.
const LAST_OUTPUT_TIME: Duration = Duration::from_millis(500);

/// The output of one child, both streams together.
#[derive(Debug)]
pub(super) struct Output {
    tail: Tail,
    listening: watch::Receiver<bool>,
    readers: Vec<JoinHandle<()>>,
}

impl Output {
    /// Takes both streams of the child and drains them.
    pub(super) fn of(child: &mut Child) -> Self {
        let tail = Tail::default();
        let (listening_sender, listening) = watch::channel(false);
        let mut readers = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            readers.push(tokio::spawn(drain(stdout, tail.clone(), Some(listening_sender))));
        }
        if let Some(stderr) = child.stderr.take() {
            readers.push(tokio::spawn(drain(stderr, tail.clone(), None)));
        }
        Self { tail, listening, readers }
    }

    /// Returns once a line on standard output began with `listening on http://`; never, if none does.
    pub(super) async fn listening(&self) {
        if self.listening.clone().wait_for(|seen| *seen).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// The end of what was printed so far.
    pub(super) fn text(&self) -> String {
        self.tail.text()
    }

    /// The end of what was printed by a child that has ended.
    pub(super) async fn last_text(&mut self) -> String {
        let all = async {
            for reader in &mut self.readers {
                // A reader ends with its stream; it has nothing to say about how.
                let _ = reader.await;
            }
        };
        let _ = tokio::time::timeout(LAST_OUTPUT_TIME, all).await;
        self.readers.clear();
        self.text()
    }
}

async fn drain(mut stream: impl AsyncRead + Unpin, tail: Tail, mut listening: Option<watch::Sender<bool>>) {
    let mut buffer = [0; 4096];
    let mut line = Vec::new();
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        let bytes = &buffer[..length];
        tail.keep(bytes);
        if let Some(sender) = &listening
            && has_ready_line(&mut line, bytes)
        {
            sender.send_replace(true);
            listening = None;
        }
    }
}

/// Whether a whole line that says "ready" ends in `bytes`; `line` holds the beginning of the current one.
fn has_ready_line(line: &mut Vec<u8>, bytes: &[u8]) -> bool {
    for byte in bytes {
        if *byte == b'\n' {
            if line.starts_with(READY_PREFIX) {
                return true;
            }
            line.clear();
        } else if line.len() < LINE_BYTES {
            line.push(*byte);
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_line_is_found_across_chunks_and_only_when_it_is_whole() {
        let mut line = Vec::new();
        assert!(!has_ready_line(&mut line, b"starting\nlisten"));
        assert!(!has_ready_line(&mut line, b"ing on http://127.0.0.1:1"));
        assert!(has_ready_line(&mut line, b"0\nmore"));
        assert!(!has_ready_line(&mut Vec::new(), b"not listening on http://127.0.0.1:1\n"));
    }
}
