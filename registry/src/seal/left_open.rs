//! What is open already by which a message could leave. A filter cannot take such a thing back, so it is looked for.
//!
//! Allowed are, and nothing else:
//! - TCP and Unix listeners;
//! - Unix sockets on descriptors 0 to 2, where the log of a service goes (also copied to other numbers): they end on
//!   this machine, and with `sendmsg` and `recvmsg` refused no descriptor travels by them;
//! - a pair of unnamed Unix sockets that this process made for itself, as the async runtime does for signals.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::ErrorKind;
use std::net::SocketAddr;

use nix::libc;
use nix::sys::socket::{UnixAddr, getpeername};
use procfs::net::TcpState;
use procfs::process::{FDTarget, Process};
use procfs::{ProcError, ProcResult};

/// How often a finding must repeat itself: the kernel's tables are no snapshot, and a list read while other sockets of
/// the machine close can miss an entry.
const LOOKS: usize = 3;

/// One sentence for each thing that should not be open; an error says why nothing can be said.
pub(super) fn find() -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    for _ in 0..LOOKS {
        found = look().map_err(|error| error.to_string())?;
        if found.is_empty() {
            break;
        }
    }
    Ok(found)
}

fn look() -> ProcResult<Vec<String>> {
    let process = Process::myself()?;
    let mut sockets = Vec::new();
    let mut found = Vec::new();
    for entry in process.fd()? {
        match entry {
            Ok(entry) => match entry.target {
                FDTarget::Socket(inode) => sockets.push((entry.fd, inode)),
                FDTarget::AnonInode(name) if name.contains("io_uring") => {
                    found.push(format!("descriptor {}: an io_uring", entry.fd));
                }
                _ => {}
            },
            // It was closed meanwhile.
            Err(ProcError::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    let known = known_sockets()?;
    let standard: HashSet<u64> =
        sockets.iter().filter(|(descriptor, _)| *descriptor <= 2).map(|(_, inode)| *inode).collect();
    for (descriptor, inode) in sockets {
        let doubt = match known.get(&inode) {
            None => {
                Some("a socket that is not bound, or of a kind that /proc/self/net does not list".to_owned())
            }
            Some(Known::Internet { doubt }) => doubt.clone(),
            Some(Known::Unix(_)) if standard.contains(&inode) => None,
            Some(Known::Unix(socket)) => doubt_of_unix(socket, descriptor),
        };
        found.extend(doubt.map(|doubt| format!("descriptor {descriptor}: {doubt}")));
    }
    Ok(found)
}

/// A socket that the kernel lists.
enum Known {
    /// TCP or UDP; `doubt` is `None` for a listener.
    Internet {
        doubt: Option<String>,
    },
    Unix(UnixSocket),
}

fn known_sockets() -> ProcResult<HashMap<u64, Known>> {
    let mut known = HashMap::new();
    for entry in or_none(procfs::net::tcp())?.into_iter().chain(or_none(procfs::net::tcp6())?) {
        let between = between(entry.local_address, entry.remote_address);
        let doubt = (entry.state != TcpState::Listen).then(|| format!("a TCP socket, {between}"));
        known.insert(entry.inode, Known::Internet { doubt });
    }
    for entry in or_none(procfs::net::udp())?.into_iter().chain(or_none(procfs::net::udp6())?) {
        let between = between(entry.local_address, entry.remote_address);
        known.insert(entry.inode, Known::Internet { doubt: Some(format!("a UDP socket, {between}")) });
    }
    let unix = match fs::read("/proc/self/net/unix") {
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        other => other?,
    };
    let unix = unix_sockets(&String::from_utf8_lossy(&unix));
    known.extend(unix.into_iter().map(|(inode, socket)| (inode, Known::Unix(socket))));
    Ok(known)
}

/// A kernel without a protocol has no table for it.
fn or_none<T>(table: ProcResult<Vec<T>>) -> ProcResult<Vec<T>> {
    match table {
        Err(ProcError::NotFound(_)) => Ok(Vec::new()),
        other => other,
    }
}

fn between(local: SocketAddr, remote: SocketAddr) -> String {
    if remote.port() == 0 { format!("{local}, not connected") } else { format!("{local} to {remote}") }
}

/// A line of `/proc/self/net/unix`.
#[derive(Debug, PartialEq)]
struct UnixSocket {
    listens: bool,
    /// As bound: a path, or `@` and an abstract name.
    name: Option<String>,
}

/// Reads `Num RefCount Protocol Flags Type St Inode Path`, a line for each socket. Names are any bytes that any process
/// of the machine chose, a line break too, so what does not read as a line is passed over.
fn unix_sockets(text: &str) -> HashMap<u64, UnixSocket> {
    /// The kernel's `__SO_ACCEPTCON`.
    const LISTENS: u32 = 0x1_0000;
    let socket = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let flags = u32::from_str_radix(fields.nth(3)?, 16).ok()?;
        let inode = fields.nth(2)?.parse().ok()?;
        let name = fields.next().map(str::to_owned);
        Some((inode, UnixSocket { listens: flags & LISTENS != 0, name }))
    };
    text.lines().filter_map(socket).collect()
}

fn doubt_of_unix(socket: &UnixSocket, descriptor: i32) -> Option<String> {
    if socket.listens {
        return None;
    }
    if let Some(name) = &socket.name {
        return Some(format!("a Unix socket, {name}"));
    }
    match peer_name(descriptor) {
        Some(name) => Some(format!("a Unix socket to {name}")),
        None if !is_made_here(descriptor) => Some("a Unix socket that was inherited".to_owned()),
        // Only a pair has no name at either end.
        None => None,
    }
}

/// The name of the server at the other end; `None` for the unnamed other end of a pair.
fn peer_name(descriptor: i32) -> Option<String> {
    match getpeername::<UnixAddr>(descriptor) {
        Err(error) => Some(format!("an unknown end ({error})")),
        Ok(address) => match (address.path(), address.as_abstract()) {
            (Some(path), _) => Some(path.display().to_string()),
            (_, Some(name)) => Some(format!("@{}", String::from_utf8_lossy(name))),
            (None, None) => None,
        },
    }
}

/// Whether a descriptor came into being in this program: what is inherited has survived `execve`, so it is not marked
/// to be closed by it, and Rust marks all that it opens. Where that cannot be read the answer is no.
fn is_made_here(descriptor: i32) -> bool {
    let Ok(text) = fs::read_to_string(format!("/proc/self/fdinfo/{descriptor}")) else { return false };
    text.lines()
        .find_map(|line| line.strip_prefix("flags:"))
        .and_then(|octal| i32::from_str_radix(octal.trim(), 8).ok())
        .is_some_and(|flags| flags & libc::O_CLOEXEC != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unix_sockets_are_read_past_names_that_break_lines() {
        let text = "Num       RefCount Protocol Flags    Type St Inode Path\n\
                    0000000000000000: 00000002 00000000 00010000 0001 01 17 /run/server.sock\n\
                    0000000000000000: 00000003 00000000 00000000 0001 03 18\n\
                    0000000000000000: 00000002 00000000 00010000 0001 01 19 @odd\u{fffd}\nname @ of two lines\n\
                    0000000000000000: 00000002 00000000 00000000 0002 01 20 @last\n";
        let sockets = unix_sockets(text);
        let expected = [
            (17, true, Some("/run/server.sock")),
            (18, false, None),
            (19, true, Some("@odd\u{fffd}")),
            (20, false, Some("@last")),
        ];
        assert_eq!(sockets.len(), expected.len());
        for (inode, listens, name) in expected {
            assert_eq!(sockets[&inode], UnixSocket { listens, name: name.map(str::to_owned) }, "{inode}");
        }
    }
}
