//! What the kernel told of a registry process.

use serde::{Deserialize, Serialize};

use super::room::Room;

/// A registry process of the harness while it was provoked, as the kernel saw it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// Provocations began after this instant.
    pub s_us: u64,
    /// They and what could follow of them had ended by this one.
    pub e_us: u64,
    /// Why the kernel could not be asked; then the provocations alone are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unavailable: Option<String>,
    /// What was counted in a network namespace of its own; without it the kernel's log of its calls is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<Room>,
    /// Why there was no such namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_room: Option<String>,
    /// Connections that the process was seen to accept: the proof that it is the one which serves.
    pub accepted: u64,
    /// What it did towards others, in order.
    pub calls: Vec<OutwardCall>,
    /// Further ones that are not kept.
    pub omitted: u64,
    /// Host names that agents declared.
    pub names: Vec<String>,
    /// Arguments and environment of its command, where the address of its store stands.
    pub configured: Vec<String>,
    /// Agents whose leases ran out meanwhile.
    pub expired: u64,
}

/// A system call by which a process turns to somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutwardCall {
    /// What it is.
    pub kind: OutwardKind,
    /// To whom: address and port, or a path.
    pub to: String,
    /// It came after the provocations had begun.
    pub provoked: bool,
    /// The declared host name that was sent, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// As the kernel was heard, shortened.
    pub text: String,
}

/// Kinds of outward calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutwardKind {
    /// `connect` to an address of IP.
    Connect,
    /// A datagram, or the first bytes of a connection, to an address of IP.
    Send,
    /// Bytes over a connection that the process had opened.
    Write,
    /// `connect` to a local service that looks up names; what it was asked is not seen.
    NameService,
    /// A means by which it could act unseen: a raw socket, or a ring of io_uring.
    Unseen,
}
