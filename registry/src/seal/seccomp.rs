//! The filter: which system calls a sealed registry may no longer make. The rest are let through, since a list of all
//! that SQLite, the C library and the runtime need would break with each of their releases.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, UdpSocket};

use nix::libc;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, sock_filter,
};

use super::{SealError, status};

/// Refused whatever the arguments, each group with the way out that it closes.
const REFUSED: &[&[libc::c_long]] = &[
    // A socket, but by accepting: the listeners are bound already.
    &[libc::SYS_socket, libc::SYS_socketpair, libc::SYS_bind, libc::SYS_listen, libc::SYS_connect],
    // A message with an address or with Fast Open. A filter sees no further than the pointer to it, so no `sendmsg` is
    // let through at all; the standard library and the runtime write to connections with `send` and `writev`.
    &[libc::SYS_sendmsg, libc::SYS_sendmmsg],
    // A socket that another process hands over.
    &[libc::SYS_recvmsg, libc::SYS_recvmmsg, libc::SYS_pidfd_getfd],
    // A ring, which makes any call without the filter being asked.
    &[libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register],
    // Another program, or another process made to act.
    &[libc::SYS_execve, libc::SYS_execveat],
    &[libc::SYS_ptrace, libc::SYS_process_vm_readv, libc::SYS_process_vm_writev],
    // The kernel made to act: its key service starts a program that resolves names, a mount may be of a network file
    // system, a module or a program in the kernel may do anything.
    &[libc::SYS_request_key, libc::SYS_mount, libc::SYS_fsopen, libc::SYS_bpf],
    &[libc::SYS_init_module, libc::SYS_finit_module],
];

/// The highest system call that was known when this list was made (Linux 6.18; from 424 on the numbers are the same on
/// every architecture). What newer ones do is unknown, so they do not exist here: libraries fall back on `ENOSYS`.
/// That also shuts the x32 numbers of x86_64, which are the same calls a second time from 0x4000_0000 on.
const LAST_KNOWN_CALL: u32 = 469;

/// Puts the filter on every thread of this process.
pub(super) fn apply_to_all_threads() -> Result<(), SealError> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH).map_err(|_| SealError::Unsupported)?;
    let program = program(architecture).map_err(|error| SealError::Refused(error.to_string()))?;
    seccompiler::apply_filter_all_threads(&program).map_err(|error| SealError::Refused(error.to_string()))
}

/// Evidence instead of belief: every thread shows a filter, and a call that it must refuse is refused.
pub(super) fn try_it() -> Result<(), SealError> {
    let unseen = |error: std::io::Error| SealError::Unseen(error.to_string());
    let this_process =
        i32::try_from(std::process::id()).map_err(|error| SealError::Unseen(error.to_string()))?;
    let threads = status::threads_of(this_process).map_err(unseen)?;
    if let Some((thread, _)) = threads.iter().find(|(_, status)| !status.is_sealed()) {
        return Err(SealError::NotInForce(format!("thread {thread} has no filter")));
    }
    match UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)) {
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => Ok(()),
        Err(error) => Err(SealError::NotInForce(format!("a trial socket failed otherwise: {error}"))),
        Ok(_) => Err(SealError::NotInForce("a trial socket could be made".to_owned())),
    }
}

/// The whole program. A call of a foreign architecture (32-bit on x86_64) kills the process: only an attack makes one.
fn program(architecture: TargetArch) -> Result<BpfProgram, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        REFUSED.iter().flat_map(|group| group.iter()).map(|&call| (call, Vec::new())).collect();
    rules.insert(libc::SYS_sendto, addressed_sendto()?);
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(libc::EPERM.unsigned_abs()),
        architecture,
    )?;
    let mut program = refuse_unknown_calls();
    program.extend(BpfProgram::try_from(filter)?);
    Ok(program)
}

/// `sendto` is also what `send` becomes. It is refused with an address (argument 4), and with Fast Open (argument 3),
/// which connects.
fn addressed_sendto() -> Result<Vec<SeccompRule>, BackendError> {
    let fast_open = u64::from(libc::MSG_FASTOPEN.unsigned_abs());
    let address = SeccompCondition::new(4, SeccompCmpArgLen::Qword, SeccompCmpOp::Ne, 0)?;
    let flag =
        SeccompCondition::new(3, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(fast_open), fast_open)?;
    Ok(vec![SeccompRule::new(vec![address])?, SeccompRule::new(vec![flag])?])
}

/// Comes first, since seccompiler compares for equality only: load the call's number (offset 0 of the kernel's
/// `seccomp_data`), and answer `ENOSYS` above the last known one. Jumps count from themselves, so the rest is unmoved.
fn refuse_unknown_calls() -> BpfProgram {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const JUMP_IF_GREATER: u16 = (libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let no_such_call = u32::from(SeccompAction::Errno(libc::ENOSYS.unsigned_abs()));
    vec![
        sock_filter { code: LOAD, jt: 0, jf: 0, k: 0 },
        sock_filter { code: JUMP_IF_GREATER, jt: 0, jf: 1, k: LAST_KNOWN_CALL },
        sock_filter { code: RETURN, jt: 0, jf: 0, k: no_such_call },
    ]
}

#[cfg(test)]
#[path = "seccomp_tests.rs"]
mod tests;
