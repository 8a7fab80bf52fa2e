//! The end of what a child process prints: bounded, however much it says.

use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

/// How much is kept.
const TAIL_BYTES: usize = 16 * 1024;

/// The end of a child's output, shared between whoever reads it and whoever tells of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tail(Arc<Mutex<Vec<u8>>>);

impl Tail {
    /// Appends, and drops from the front what is beyond the bound.
    pub(crate) fn keep(&self, bytes: &[u8]) {
        let mut tail = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tail.extend_from_slice(bytes);
        let excess = tail.len().saturating_sub(TAIL_BYTES);
        tail.drain(..excess);
    }

    /// Keeps all that comes, to the stream's end.
    pub(crate) fn drain(&self, mut stream: impl Read) {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            self.keep(buffer.get(..length).unwrap_or_default());
        }
    }

    /// What was kept so far.
    pub(crate) fn text(&self) -> String {
        let tail = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&tail).trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_keeps_the_end_and_no_more_than_its_bound() {
        let tail = Tail::default();
        for _ in 0..10 {
            tail.keep(&[b'a'; 4096]);
        }
        tail.drain(&b"end"[..]);
        let text = tail.text();
        assert_eq!(text.len(), TAIL_BYTES);
        assert!(text.ends_with("aend"));
    }
}
