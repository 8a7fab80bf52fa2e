//! What can be decided of a registry that is only reached, by its URL.

use super::{Check, Profile, Requirement};

/// Why it is left out where only a URL is given; `None` where a URL is enough.
pub fn beyond_a_url(row: &Requirement) -> Option<&'static str> {
    match row.check {
        Check::Passive2 | Check::Passive3 => {
            Some("the kernel is asked about a process that the harness started")
        }
        Check::Time8 => Some("the clock of a process can be stepped only where the harness started it"),
        Check::Time9 => Some("a process can be stopped only where the harness started it"),
        Check::Guard1 => Some(
            "others may use the registry, and five times its capacity would hurt them; --only GUARD-1 asks for it",
        ),
        Check::Guard2 => {
            Some("without tokens nobody can be refused; docs/conformance.md says how they are given")
        }
        Check::Guard3 => Some("memory is read of a process that the harness started"),
        _ if row.profile == Profile::Durable => {
            Some("only a registry that the harness started is killed, and its store touched")
        }
        _ => None,
    }
}
