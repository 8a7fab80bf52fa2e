//! One connection: opened without waiting, written and read as far as its socket goes at the moment.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::AsRawFd as _;

use mio::net::TcpStream;
use nix::errno::Errno;
use nix::sys::socket::sockopt::{IpBindAddressNoPort, TcpNoDelay};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, SockaddrStorage, bind, connect, setsockopt, socket,
};

use super::http::Reader;

/// A connection and the call that is under way on it.
#[derive(Debug)]
pub(super) struct Connection<F> {
    pub(super) stream: TcpStream,
    pub(super) route: u8,
    /// The agent whose own it is.
    pub(super) owner: Option<u32>,
    pub(super) state: State,
    /// Whether it is closed once nothing is under way on it.
    pub(super) is_over: bool,
    pub(super) under_way: Option<UnderWay<F>>,
    /// The how-manieth of all calls is the last on it: so a time-out knows whether it is still meant.
    pub(super) number: u64,
    pub(super) reader: Reader,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Connecting,
    Open,
}

/// A call on a connection.
#[derive(Debug)]
pub(super) struct UnderWay<F> {
    pub(super) flight: F,
    pub(super) is_head: bool,
    pub(super) has_sent: bool,
    /// What could not be written yet; empty once all is.
    pub(super) unwritten: Vec<u8>,
}

/// How far a step on a socket went.
#[derive(Debug)]
pub(super) enum Step {
    /// So many bytes.
    Moved(usize),
    /// Not now.
    Later,
    /// The other side has ended the connection.
    Ended,
    /// The system's words.
    Broken(std::io::Error),
}

/// Begins to connect, from `source` if one is given.
pub(super) fn open(to: SocketAddr, source: Option<Ipv4Addr>) -> std::io::Result<TcpStream> {
    let family = if to.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket(family, SockType::Stream, flags, None)?;
    setsockopt(&socket, TcpNoDelay, &true)?;
    if let Some(source) = source {
        // The port is chosen with the destination, so that each source address has all of them to itself.
        setsockopt(&socket, IpBindAddressNoPort, &true)?;
        bind(socket.as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(source, 0)))?;
    }
    match connect(socket.as_raw_fd(), &SockaddrStorage::from(to)) {
        Ok(()) | Err(Errno::EINPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(TcpStream::from_std(std::net::TcpStream::from(socket)))
}

impl<F> Connection<F> {
    pub(super) fn new(stream: TcpStream, route: u8, owner: Option<u32>) -> Self {
        Self {
            stream,
            route,
            owner,
            state: State::Connecting,
            is_over: false,
            under_way: None,
            number: 0,
            reader: Reader::default(),
        }
    }

    /// Whether it has come to be: `Moved` if so, `Later` if it is not known yet.
    pub(super) fn connected(&mut self) -> Step {
        if self.state == State::Open {
            return Step::Moved(0);
        }
        match self.stream.take_error() {
            Ok(None) => {}
            Ok(Some(error)) | Err(error) => return Step::Broken(error),
        }
        match self.stream.peer_addr() {
            Ok(_) => {
                self.state = State::Open;
                Step::Moved(0)
            }
            Err(error) if error.kind() == ErrorKind::NotConnected => Step::Later,
            Err(error) => Step::Broken(error),
        }
    }

    /// Writes as much of the bytes as goes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Step {
        loop {
            match self.stream.write(bytes) {
                Ok(written) => return Step::Moved(written),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Step::Later,
                Err(error) => return Step::Broken(error),
            }
        }
    }

    /// Writes what is left of the call under way.
    pub(super) fn write_on(&mut self) -> Step {
        // Nearly always all went at once.
        let is_written = |under_way: &UnderWay<F>| under_way.unwritten.is_empty();
        if self.under_way.as_ref().is_none_or(is_written) {
            return Step::Later;
        }
        let Some(mut under_way) = self.under_way.take() else { return Step::Later };
        let mut step = Step::Later;
        while !under_way.unwritten.is_empty() {
            step = self.write(&under_way.unwritten);
            let Step::Moved(written) = step else { break };
            under_way.has_sent |= written > 0;
            under_way.unwritten.drain(..written);
        }
        if under_way.unwritten.is_empty() {
            under_way.unwritten = Vec::new();
        }
        self.under_way = Some(under_way);
        step
    }

    /// Reads once.
    pub(super) fn read(&mut self, into: &mut [u8]) -> Step {
        loop {
            match self.stream.read(into) {
                Ok(0) => return Step::Ended,
                Ok(length) => return Step::Moved(length),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Step::Later,
                Err(error) => return Step::Broken(error),
            }
        }
    }
}
