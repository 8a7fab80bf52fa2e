//! One direction of one connection: what is read gets an instant before which it is not written.

use std::collections::VecDeque;
use std::io::{Error, ErrorKind};

use scenarios::model::BadNetwork;
use tokio::io::AsyncWriteExt as _;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;

use super::{Network, has_closed};
use crate::clock::Clock;

/// Most bytes read at once.
const READ_BYTES: usize = 16 * 1024;

/// Most bytes on their way through a network that delays: so much fits into it.
const DELAYED_BYTES: usize = 256 * 1024;

/// Most pieces on their way, however small.
const DELAYED_PIECES: usize = 1_024;

/// A trickle flows so many times a second.
const DROPS_PER_SECOND: usize = 20;

/// One direction.
#[derive(Debug)]
pub(super) struct Pipe<'a> {
    from: ReadHalf<'a>,
    to: WriteHalf<'a>,
    clock: Clock,
    network: watch::Receiver<Network>,
    /// Whether the reading side is a caller, who may give up.
    of_a_caller: bool,
    /// On its way, in order.
    pieces: VecDeque<Piece>,
    /// Bytes in `pieces`.
    held: usize,
    /// The sender has said that nothing more comes.
    ended: bool,
    /// When the last bytes were written.
    written_us: u64,
}

/// Bytes on their way; none at all is the end.
#[derive(Debug)]
struct Piece {
    bytes: Vec<u8>,
    /// How many of them are written.
    done: usize,
    arrived_us: u64,
    /// Not written before.
    due_us: u64,
}

impl Piece {
    fn rest(&self) -> &[u8] {
        self.bytes.get(self.done..).unwrap_or_default()
    }
}

impl<'a> Pipe<'a> {
    pub(super) fn new(
        from: ReadHalf<'a>,
        to: WriteHalf<'a>,
        clock: Clock,
        network: watch::Receiver<Network>,
    ) -> Self {
        let pieces = VecDeque::new();
        Self { from, to, clock, network, of_a_caller: false, pieces, held: 0, ended: false, written_us: 0 }
    }

    /// The direction in which calls go.
    pub(super) fn of_a_caller(self) -> Self {
        Self { of_a_caller: true, ..self }
    }

    /// Passes on until the sender's end has been passed on; an error ends the whole connection.
    pub(super) async fn run(mut self) -> std::io::Result<()> {
        loop {
            let network = *self.network.borrow_and_update();
            if network.is_cut() {
                self.outlast_the_cut().await?;
                continue;
            }
            let next = self.pieces.front().map(|piece| next_write(piece, network, self.written_us));
            let has_room = self.held < room(network) && self.pieces.len() < DELAYED_PIECES;
            let may_read = !self.ended && (self.pieces.is_empty() || has_room);
            tokio::select! {
                // First, so that nothing gets through that was sent after the switch.
                biased;
                changed = self.network.changed() => changed.map_err(Error::other)?,
                written = write(&mut self.to, self.pieces.front(), next, self.clock) => {
                    let written = written?;
                    if self.wrote(written) {
                        return self.to.shutdown().await;
                    }
                }
                readable = self.from.readable(), if may_read => {
                    readable?;
                    self.read(network)?;
                }
            }
        }
    }

    /// Waits until something gets through again.
    async fn outlast_the_cut(&mut self) -> std::io::Result<()> {
        self.network.wait_for(|network| !network.is_cut()).await.map_err(Error::other)?;
        if self.of_a_caller && has_closed(self.from.as_ref()).await {
            return Err(Error::new(ErrorKind::ConnectionAborted, "the caller has given up"));
        }
        Ok(())
    }

    fn read(&mut self, network: Network) -> std::io::Result<()> {
        let mut buffer = [0; READ_BYTES];
        let count = match self.from.try_read(&mut buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        self.ended = count == 0;
        self.held += count;
        let arrived_us = self.clock.now_us();
        // What comes later is never earlier at the other end.
        let after_us = self.pieces.back().map_or(0, |piece| piece.due_us);
        let due_us = (arrived_us + delay_us(network)).max(after_us);
        let bytes = buffer.get(..count).unwrap_or_default().to_vec();
        self.pieces.push_back(Piece { bytes, done: 0, arrived_us, due_us });
        Ok(())
    }

    /// Notes what was written; tells whether it was the end.
    fn wrote(&mut self, count: usize) -> bool {
        self.written_us = self.clock.now_us();
        self.held = self.held.saturating_sub(count);
        let Some(piece) = self.pieces.front_mut() else { return false };
        piece.done += count;
        if !piece.rest().is_empty() {
            return false;
        }
        self.pieces.pop_front().is_some_and(|piece| piece.bytes.is_empty())
    }
}

/// When how many bytes of a piece may be written.
fn next_write(piece: &Piece, network: Network, written_us: u64) -> (u64, usize) {
    let rest = piece.rest().len();
    let Some(BadNetwork::Trickle { bytes_per_second }) = network.bad else { return (piece.due_us, rest) };
    let rate = usize::try_from(bytes_per_second.max(1)).unwrap_or(usize::MAX);
    let count = rest.min((rate / DROPS_PER_SECOND).max(1));
    // The time that the drop takes is over before it is seen, so that no stretch sees more than its share.
    let from_us = written_us.max(piece.arrived_us).max(network.since_us);
    let takes_us = (count as u64 * 1_000_000).div_ceil(rate as u64);
    (piece.due_us.max(from_us + takes_us), count)
}

fn delay_us(network: Network) -> u64 {
    match network.bad {
        Some(BadNetwork::Delay { by }) => crate::plan::micros(by),
        _ => 0,
    }
}

/// How many bytes may be on their way before nothing more is read.
fn room(network: Network) -> usize {
    match network.bad {
        Some(BadNetwork::Delay { .. }) => DELAYED_BYTES,
        _ => 0,
    }
}

/// Writes some of a piece when it may be; can be given up at any time without a loss. Never ends without a piece.
async fn write(
    to: &mut WriteHalf<'_>,
    piece: Option<&Piece>,
    next: Option<(u64, usize)>,
    clock: Clock,
) -> std::io::Result<usize> {
    let (Some(piece), Some((at_us, count))) = (piece, next) else { return std::future::pending().await };
    if at_us > clock.now_us() {
        clock.sleep_until_us(at_us).await;
    }
    match piece.rest().get(..count) {
        Some(bytes) if !bytes.is_empty() => match to.write(bytes).await? {
            0 => Err(ErrorKind::WriteZero.into()),
            count => Ok(count),
        },
        _ => Ok(0),
    }
}
