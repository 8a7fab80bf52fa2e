//! What the kernel says of a process: the lines `Seccomp` and `NoNewPrivs` of `/proc/PID/status`.

use std::io;

use procfs::ProcError;
use procfs::process::{Process, Status};

/// The value of `Seccomp` for a filter.
const FILTER_MODE: u32 = 2;

/// The kernel's word on one process or thread. A container runtime may have set a filter of its own, so this supports a
/// seal and does not prove it; [`super::Seal`] does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealStatus {
    /// A seccomp filter is in force.
    pub filtered: bool,
    /// It can gain no rights by running a program.
    pub no_new_privileges: bool,
}

impl SealStatus {
    /// Both are set.
    pub fn is_sealed(self) -> bool {
        self.filtered && self.no_new_privileges
    }

    fn read(status: &Status) -> Self {
        Self {
            filtered: status.seccomp == Some(FILTER_MODE),
            no_new_privileges: status.nonewprivs == Some(1),
        }
    }
}

/// The main thread of this process.
///
/// # Errors
/// `/proc` cannot be read.
pub fn self_status() -> io::Result<SealStatus> {
    Process::myself()
        .and_then(|process| process.status())
        .map(|status| SealStatus::read(&status))
        .map_err(as_io)
}

/// The main thread of another process.
///
/// # Errors
/// There is no such process, or `/proc` cannot be read.
pub fn status_of(pid: i32) -> io::Result<SealStatus> {
    Process::new(pid)
        .and_then(|process| process.status())
        .map(|status| SealStatus::read(&status))
        .map_err(as_io)
}

/// Every thread of a process, with its id. A thread that ends meanwhile is left out.
///
/// # Errors
/// There is no such process, or `/proc` cannot be read.
pub fn threads_of(pid: i32) -> io::Result<Vec<(i32, SealStatus)>> {
    let tasks = Process::new(pid).and_then(|process| process.tasks()).map_err(as_io)?;
    let mut threads = Vec::new();
    for task in tasks {
        match task.and_then(|task| task.status()) {
            Ok(status) => threads.push((status.pid, SealStatus::read(&status))),
            Err(error) if has_ended(&error) => {}
            Err(error) => return Err(as_io(error)),
        }
    }
    Ok(threads)
}

/// A thread's files vanish with it: it is not found, or, when its file was open already, there is no such process.
fn has_ended(error: &ProcError) -> bool {
    const NO_SUCH_PROCESS: i32 = nix::libc::ESRCH;
    match error {
        ProcError::NotFound(_) => true,
        ProcError::Io(error, _) => error.raw_os_error() == Some(NO_SUCH_PROCESS),
        _ => false,
    }
}

fn as_io(error: ProcError) -> io::Error {
    match error {
        ProcError::NotFound(_) => io::Error::new(io::ErrorKind::NotFound, error.to_string()),
        ProcError::PermissionDenied(_) => io::Error::new(io::ErrorKind::PermissionDenied, error.to_string()),
        other => io::Error::other(other.to_string()),
    }
}
