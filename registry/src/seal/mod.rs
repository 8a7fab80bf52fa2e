//! Turns "the registry calls nobody" into "it cannot": the process seals itself, and the kernel holds it to that.
//!
//! - `seccomp`: the proof. A filter on all threads refuses every system call by which a message could leave.
//! - `landlock`: a second layer for TCP, on its own way through the kernel.
//! - `left_open`: what was open before, since a filter takes nothing back.
//! - `status`: what the kernel says of a process, for the gauge and for tests.
//!
//! A sealed process accepts, reads and writes on the connections that its listeners accept, and works with files and
//! threads as before; it gets a socket in no other way. Connecting, making a socket, sending to an address, any form of
//! `sendmsg`, receiving a descriptor, `io_uring`, running a program and entering another process fail with `EPERM`.
//!
//! What the seal does not say: a process that was started before is not sealed, and one with the rights of root can
//! still write to devices and to the kernel's own files. Run the registry as an ordinary user.

#[cfg(target_os = "linux")]
mod landlock;
#[cfg(target_os = "linux")]
mod left_open;
#[cfg(target_os = "linux")]
mod seccomp;
#[cfg(target_os = "linux")]
pub mod status;

use std::fmt;
use std::str::FromStr;

use tracing::warn;

/// How much the operator asks of the seal: `off`, `try` or `require`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SealMode {
    /// The process is not sealed.
    Off,
    /// Sealed as far as the machine allows; what it does not allow is a warning.
    #[default]
    Try,
    /// Sealed by seccomp, with nothing left open, or [`seal`] fails. Landlock is not demanded: where a kernel lacks it,
    /// the filter alone already refuses all that it would.
    Require,
}

impl fmt::Display for SealMode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Off => "off",
            Self::Try => "try",
            Self::Require => "require",
        })
    }
}

/// A word that is no seal mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no seal mode; it is one of off, try, require")]
pub struct UnknownSealMode(pub String);

impl FromStr for SealMode {
    type Err = UnknownSealMode;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "off" => Ok(Self::Off),
            "try" => Ok(Self::Try),
            "require" => Ok(Self::Require),
            other => Err(UnknownSealMode(other.to_owned())),
        }
    }
}

/// What [`seal`] reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// The filter holds on every thread, and a trial call was refused.
    pub seccomp: bool,
    /// The second layer, where the kernel has it.
    pub landlock: Option<Landlock>,
    /// What the filter cannot take back, one sentence each; always empty after `require`.
    pub doubts: Vec<String>,
    /// Why there is no filter; `None` when there is one.
    pub reason: Option<String>,
}

/// The second layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Landlock {
    /// The revision of Landlock's interface that was used, 4 or more.
    pub abi: i32,
    /// Whether it holds on all threads (from ABI 8 on), or on the one that called [`seal`] and those it starts.
    pub all_threads: bool,
}

impl Seal {
    /// True when the kernel refuses every call that could leave, with nothing in doubt: the value of the gauge.
    pub fn is_whole(&self) -> bool {
        self.seccomp && self.doubts.is_empty()
    }

    /// One line for `/health` and the log, true to the letter.
    pub fn describe(&self) -> String {
        if let Some(reason) = &self.reason {
            return format!("by construction only: {reason}");
        }
        let layers = match self.landlock {
            None => "seccomp",
            Some(Landlock { all_threads: true, .. }) => "seccomp, Landlock",
            Some(Landlock { all_threads: false, .. }) => "seccomp on all threads, Landlock on one",
        };
        if self.doubts.is_empty() {
            format!("enforced by the kernel ({layers})")
        } else {
            format!(
                "enforced by the kernel ({layers}), except for what was open before: {}",
                some_of(&self.doubts)
            )
        }
    }

    fn none(reason: impl Into<String>) -> Self {
        Self { seccomp: false, landlock: None, doubts: Vec::new(), reason: Some(reason.into()) }
    }
}

/// Why a process was not sealed, or not wholly.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The machine has no such thing.
    #[error("sealing needs Linux on x86_64, aarch64 or riscv64")]
    Unsupported,
    /// A socket that is not a listener, or a ring, one sentence each. Found before sealing, nothing was changed.
    #[error("open already, and a message could leave by it: {}", some_of(.0))]
    LeftOpen(Vec<String>),
    /// What is open could not be read from `/proc`.
    #[error("the open descriptors could not be read from /proc: {0}")]
    Unseen(String),
    /// The kernel, or a policy of the container, did not take the filter.
    #[error("the kernel did not take the seccomp filter: {0}")]
    Refused(String),
    /// The kernel took the filter, and yet a call went through or a thread is without it.
    #[error("the seccomp filter was taken but does not hold: {0}")]
    NotInForce(String),
}

/// Seals this process for the rest of its life. Call it once: after the listeners are bound and the store is open, and
/// before the first connection is accepted. Threads that run already are sealed with the rest, and later ones inherit.
/// Signal handlers must be installed before (the async runtime needs a socket pair for them; building it with all
/// drivers makes that pair).
///
/// # Errors
/// Only in `require`: see [`SealError`]. The process must then stop, since it may be sealed in part. In `try` the same
/// is a warning in the log and in [`Seal::describe`].
pub fn seal(mode: SealMode) -> Result<Seal, SealError> {
    match mode {
        SealMode::Off => Ok(Seal::none("sealing is off")),
        SealMode::Try => {
            let sealed = enforce(mode).unwrap_or_else(|error| Seal::none(format!("not sealed, {error}")));
            if !sealed.is_whole() {
                warn!(passivity = sealed.describe(), "the process is not wholly sealed");
            }
            Ok(sealed)
        }
        SealMode::Require => enforce(mode),
    }
}

#[cfg(target_os = "linux")]
fn enforce(mode: SealMode) -> Result<Seal, SealError> {
    if mode == SealMode::Require {
        doubts(mode)?;
    }
    // The second layer first, while its own effect can still be told from the filter's.
    let landlock = landlock::restrict();
    seccomp::apply_to_all_threads()?;
    seccomp::try_it()?;
    // Again, for what another thread may have opened between the first look and the filter. From here on nothing can be.
    let doubts = doubts(mode)?;
    Ok(Seal { seccomp: true, landlock, doubts, reason: None })
}

#[cfg(not(target_os = "linux"))]
fn enforce(_mode: SealMode) -> Result<Seal, SealError> {
    Err(SealError::Unsupported)
}

/// What is open that should not be: an error in `require`, a list of sentences in `try`.
#[cfg(target_os = "linux")]
fn doubts(mode: SealMode) -> Result<Vec<String>, SealError> {
    match (left_open::find(), mode) {
        (Ok(found), _) if found.is_empty() => Ok(found),
        (Ok(found), SealMode::Require) => Err(SealError::LeftOpen(found)),
        (Ok(found), _) => Ok(found),
        (Err(error), SealMode::Require) => Err(SealError::Unseen(error)),
        (Err(error), _) => Ok(vec![format!("unknown, since /proc could not be read ({error})")]),
    }
}

/// The first few of a list that may be long.
fn some_of(sentences: &[String]) -> String {
    const SHOWN: usize = 4;
    let mut text = sentences.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join("; ");
    if sentences.len() > SHOWN {
        text.push_str(&format!("; and {} more", sentences.len() - SHOWN));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_read_as_it_is_written() {
        for mode in [SealMode::Off, SealMode::Try, SealMode::Require] {
            assert_eq!(mode.to_string().parse(), Ok(mode));
        }
        let error = "on".parse::<SealMode>().unwrap_err();
        assert_eq!(error.to_string(), "`on` is no seal mode; it is one of off, try, require");
    }

    #[test]
    fn a_layer_on_one_thread_is_not_called_one_on_all() {
        let landlock = Some(Landlock { abi: 7, all_threads: false });
        let sealed = Seal { seccomp: true, landlock, doubts: Vec::new(), reason: None };
        assert_eq!(sealed.describe(), "enforced by the kernel (seccomp on all threads, Landlock on one)");
    }

    #[test]
    fn the_description_claims_no_more_than_was_reached() {
        let seccomp_alone = Seal { seccomp: true, landlock: None, doubts: Vec::new(), reason: None };
        assert_eq!(seccomp_alone.describe(), "enforced by the kernel (seccomp)");
        let both = Seal { landlock: Some(Landlock { abi: 8, all_threads: true }), ..seccomp_alone.clone() };
        assert_eq!(both.describe(), "enforced by the kernel (seccomp, Landlock)");
        let doubted = Seal { doubts: (1..=6).map(|n| format!("socket {n}")).collect(), ..seccomp_alone };
        assert!(!doubted.is_whole());
        assert_eq!(
            doubted.describe(),
            "enforced by the kernel (seccomp), except for what was open before: \
             socket 1; socket 2; socket 3; socket 4; and 2 more"
        );
        assert_eq!(seal(SealMode::Off).unwrap().describe(), "by construction only: sealing is off");
    }
}
