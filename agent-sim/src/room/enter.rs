//! Makes the namespaces of a room and furnishes them: no program and no rights of root are needed.

use std::fs::{metadata, write};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};

/// Where local services that may look up names have their sockets: a namespace of the network does not close them.
const SERVICES: [&str; 5] =
    ["/run/nscd", "/run/systemd/resolve", "/run/avahi-daemon", "/run/dbus", "/var/lib/sss/pipes"];

/// The loopback is the first device of every namespace.
const LOOPBACK: u32 = 1;

/// Leaves the machine's network for one of this process's own, in which every address of IP is its own loopback. To be
/// called while it has one thread. Gives the folders that could not be hidden.
///
/// # Errors
/// What is not allowed here, in words.
pub(super) fn enter() -> Result<Vec<String>, String> {
    leave(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS, "network")?;
    let netlink =
        socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)
            .map_err(|error| format!("no socket to set up the network with: {error}"))?;
    ask(&netlink, &loopback_up()).map_err(|error| format!("the loopback cannot be started: {error}"))?;
    ask(&netlink, &all_is_local(libc::AF_INET))
        .map_err(|error| format!("addresses cannot be led to the loopback: {error}"))?;
    // A machine without IPv6 has nowhere to go by it: such calls are counted as having no route.
    let _ = ask(&netlink, &all_is_local(libc::AF_INET6));
    Ok(SERVICES.iter().filter(|folder| !is_hidden(folder)).map(|folder| (*folder).to_owned()).collect())
}

/// Leaves the machine's namespaces of these kinds, and that of users, for ones of this process's own. To be called while
/// it has one thread.
///
/// # Errors
/// What is not allowed here; `kind` names it.
pub(super) fn leave(kinds: CloneFlags, kind: &str) -> Result<(), String> {
    let own = metadata("/proc/self").map_err(|error| format!("/proc cannot be read: {error}"))?;
    unshare(kinds | CloneFlags::CLONE_NEWUSER).map_err(|error| {
        format!("the kernel refuses a process its own user and {kind} namespaces ({error}); user namespaces may be switched off")
    })?;
    // Whom the registry runs as stays the same; as anybody but root it keeps none of the powers over the namespace.
    let maps = [
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("{0} {0} 1", own.uid())),
        ("gid_map", format!("{0} {0} 1", own.gid())),
    ];
    for (file, content) in maps {
        write(format!("/proc/self/{file}"), content)
            .map_err(|error| format!("/proc/self/{file} cannot be written: {error}"))?;
    }
    Ok(())
}

/// Puts an empty folder over it.
fn is_hidden(folder: &str) -> bool {
    !Path::new(folder).is_dir()
        || mount(Some("none"), folder, Some("tmpfs"), MsFlags::empty(), None::<&str>).is_ok()
}

/// `ip link set lo up`
fn loopback_up() -> Vec<u8> {
    let up = u32::try_from(libc::IFF_UP).unwrap_or_default();
    let mut body = vec![0; 4];
    for word in [LOOPBACK, up, up] {
        body.extend(word.to_ne_bytes());
    }
    message(libc::RTM_NEWLINK, 0, &body)
}

/// `ip route add local default dev lo`: whoever is called, this machine answers.
fn all_is_local(family: i32) -> Vec<u8> {
    let family = u8::try_from(family).unwrap_or_default();
    let route = [libc::RT_TABLE_LOCAL, libc::RTPROT_STATIC, libc::RT_SCOPE_HOST, libc::RTN_LOCAL];
    let mut body = [&[family, 0, 0, 0][..], &route].concat();
    body.extend(0_u32.to_ne_bytes());
    body.extend(8_u16.to_ne_bytes());
    body.extend(libc::RTA_OIF.to_ne_bytes());
    body.extend(LOOPBACK.to_ne_bytes());
    message(libc::RTM_NEWROUTE, libc::NLM_F_CREATE, &body)
}

/// With the head of netlink, which asks for an answer.
fn message(kind: u16, flags: i32, body: &[u8]) -> Vec<u8> {
    const HEAD: usize = 16;
    let flags = u16::try_from(libc::NLM_F_REQUEST | libc::NLM_F_ACK | flags).unwrap_or_default();
    let mut bytes = u32::try_from(HEAD + body.len()).unwrap_or_default().to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend(body);
    bytes
}

/// Sends it and waits for the kernel's answer, an error number behind the head.
fn ask(netlink: &OwnedFd, message: &[u8]) -> std::io::Result<()> {
    send(netlink.as_raw_fd(), message, MsgFlags::empty())?;
    let mut answer = [0; 512];
    let length = recv(netlink.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    let number = answer.get(16..20).filter(|_| length >= 20).and_then(|bytes| bytes.try_into().ok());
    match number.map(i32::from_ne_bytes) {
        Some(0) => Ok(()),
        Some(error) => Err(std::io::Error::from_raw_os_error(-error)),
        None => Err(std::io::Error::other("the kernel's answer is too short")),
    }
}
