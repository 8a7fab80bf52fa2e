//! The load: how agents speak, when they call, what is measured.
//!
//! - [`clock`]: the run's monotonic clock, the one place that reads time.
//! - [`dialect`]: how an agent speaks to a kind of registry; a pure mapping in a small file each.
//! - [`client`]: sends a dialect's call and makes the history's record of it.
//! - [`tripwire`]: an address with a listener for every agent, which nobody must ever call.
//! - [`process`]: the registry under test as a child process.
//! - [`room`]: a network namespace in which the registry is alone, so that the kernel counts what it alone sends.
//! - [`system_clock`]: the machine's own wall clock, set wrong on purpose and right again.
//! - [`target`]: the registry under test, started or reached, with the policies that it is held to.
//! - [`proxy`]: a bad network between agents and the registry.
//! - [`plan`]: who does what at which instant, from the seed alone; pure.
//! - [`load`]: follows the plan against a registry, and measures.
//! - [`measure`]: durations and counts of calls, merged exactly.
//! - [`latency_log`]: what was measured in each second, in a format that public tools read.
//! - [`validity`]: whether the harness kept its plan, so that a run says anything at all; pure.
//! - [`null_responder`]: a server that does nothing but answer.
//! - [`ceiling`]: what the harness's own client reaches on this machine.
//! - [`doctor`]: whether this machine is fit for load tests; pure.
//! - `tail`: the end of what a child process prints.
//! - [`history_writer`]: writes the history without ever holding up a call.

pub mod ceiling;
pub mod client;
pub mod clock;
pub mod dialect;
pub mod doctor;
pub mod history_writer;
pub mod latency_log;
pub mod load;
pub mod measure;
pub mod null_responder;
pub mod plan;
pub mod process;
pub mod proxy;
pub mod room;
pub mod system_clock;
mod tail;
pub mod target;
pub mod tripwire;
pub mod validity;
