//! A room: a network namespace in which a registry is alone, and what stands in it beside the registry.
//!
//! - `enter`: makes the namespaces; every address of IP is the room's own loopback.
//! - `inside`: the process in the room: it starts the registry, relays calls to it and hears what it sends out.
//! - `resolver`: a canary that hears which names are asked for.
//! - `counters`: what the kernel counted.
//! - `outside`: the harness's side: whether there can be a room, what to start, what was counted.
//! - `disk`: no room, but a namespace of mounts in which the registry's folder is a small disk; `filled`: the harness's
//!   side of it.
//!
//! Sockets of UNIX are files, and no namespace of the network closes them: by two in the registry's folder the harness
//! reaches the room, `door` for calls to the registry, `window` to ask what was counted.

use reports::history::{Counts, Touch};
use serde::{Deserialize, Serialize};

mod counters;
mod disk;
mod enter;
mod filled;
mod inside;
mod outside;
mod resolver;

pub use filled::{SmallDisk, can_have_disk, disk_size, on_small_disk};
pub use inside::run;
pub use outside::{RoomProgram, can_have, glance, in_room, look};

/// Calls to the registry go through this socket in its folder.
pub(crate) const DOOR: &str = "door";

/// The word before the others by which a small disk is asked for instead of a room.
const DISK_WORD: &str = "disk";

/// What was counted is told through this one.
const WINDOW: &str = "window";

/// What the room is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Ask {
    /// The counts as they are.
    Glance,
    /// Everything, once all that came has been read.
    Look,
}

/// What a room tells.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Since just before the registry was started.
    pub counts: Counts,
    /// The port of the canary behind every address.
    pub canary_port: u16,
    /// What the canaries heard; not at a glance.
    pub touches: Vec<Touch>,
    /// Names that were asked for; not at a glance.
    pub questions: Vec<String>,
    /// Folders of local services that could not be hidden.
    pub unhidden: Vec<String>,
    /// The canaries heard a call of the room's own; not at a glance.
    pub canaries_work: bool,
}
