//! A canary at the resolver's port: it hears which names are asked for, and says that there are none.

use std::io::IoSlice;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::libc;
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrIn, sendmsg, setsockopt, sockopt::Ipv4PacketInfo};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::tripwire::{Datagram, receive};

/// Where resolvers listen.
const PORT: u16 = 53;

/// Most questions that are kept.
const MOST_QUESTIONS: usize = 200;

/// The head of a question.
const HEAD: usize = 12;

/// What it heard.
#[derive(Debug, Default)]
pub(super) struct Heard {
    questions: Mutex<Vec<String>>,
    /// Datagrams that came.
    pub(super) datagrams: AtomicU64,
    /// Answers that were sent.
    pub(super) answers: AtomicU64,
}

impl Heard {
    /// The names, in order.
    pub(super) fn questions(&self) -> Vec<String> {
        self.questions.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Listens at every address until the process ends.
///
/// # Errors
/// When the port cannot be had.
pub(super) async fn open() -> std::io::Result<Arc<Heard>> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
    setsockopt(&socket, Ipv4PacketInfo, &true)?;
    let heard = Arc::new(Heard::default());
    tokio::spawn(listen(socket, Arc::clone(&heard)));
    Ok(heard)
}

async fn listen(socket: UdpSocket, heard: Arc<Heard>) {
    loop {
        let Ok(datagram) = socket.async_io(Interest::READABLE, || receive(&socket)).await else {
            // An earlier answer's refusal, say: the socket itself stays good.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        heard.datagrams.fetch_add(1, Ordering::SeqCst);
        let Some((name, answer)) = read(&datagram.bytes) else { continue };
        {
            let mut questions = heard.questions.lock().unwrap_or_else(PoisonError::into_inner);
            if questions.len() < MOST_QUESTIONS {
                questions.push(name);
            }
        }
        // Counted first: what is subtracted must never be less than what the kernel has counted.
        heard.answers.fetch_add(1, Ordering::SeqCst);
        if reply(&socket, &datagram, &answer).is_err() {
            heard.answers.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// From the address that was asked, or else nobody takes it.
fn reply(socket: &UdpSocket, asked: &Datagram, answer: &[u8]) -> nix::Result<usize> {
    let from = libc::in_pktinfo {
        ipi_ifindex: 0,
        ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(asked.to.octets()) },
        ipi_addr: libc::in_addr { s_addr: 0 },
    };
    let SocketAddr::V4(to) = asked.from else { return Ok(0) };
    let to = SockaddrIn::from(to);
    let control = [ControlMessage::Ipv4PacketInfo(&from)];
    sendmsg(socket.as_raw_fd(), &[IoSlice::new(answer)], &control, MsgFlags::MSG_DONTWAIT, Some(&to))
}

/// The name in a question, and the answer that there is no such name; `None` for what is no question.
fn read(bytes: &[u8]) -> Option<(String, Vec<u8>)> {
    let mut labels = Vec::new();
    let mut at = HEAD;
    loop {
        let length = usize::from(*bytes.get(at)?);
        let label = bytes.get(at + 1..at + 1 + length)?;
        at += 1 + length;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(label).to_lowercase());
    }
    let question = bytes.get(HEAD..at + 4)?;
    // The number of the question; an answer, to be asked for more, without error but that the name is not there.
    let mut answer = bytes.get(..2)?.to_vec();
    answer.extend([0x81, 0x83, 0, 1, 0, 0, 0, 0, 0, 0]);
    answer.extend(question);
    Some((labels.join("."), answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_read_and_what_is_cut_off_is_none() {
        let mut question = vec![7, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        question.extend(b"\x04Bait\x04test\x00\x00\x01\x00\x01");
        let (name, answer) = read(&question).unwrap();
        assert_eq!(name, "bait.test");
        assert_eq!(answer.get(..4), Some(&[7, 9, 0x81, 0x83][..]));
        assert_eq!(answer.get(HEAD..), question.get(HEAD..));
        for length in 0..question.len() {
            assert!(read(&question[..length]).is_none(), "{length}");
        }
    }
}
