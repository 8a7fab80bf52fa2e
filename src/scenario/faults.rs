//! The faults of a plan with their instants, before anything starts.

use std::io::Write;

use agent_sim::plan::faults::PlannedFault;
use serde_json::{Value, json};

/// The most instants that a line shows.
const SHOWN: usize = 5;

/// A line for each fault.
pub(super) fn show(faults: &[PlannedFault], out: &mut impl Write) -> std::io::Result<()> {
    for (number, fault) in faults.iter().enumerate() {
        let heading = if number == 0 { "faults" } else { "" };
        let instants: Vec<String> = fault
            .instants
            .iter()
            .take(SHOWN)
            .map(|(from_us, to_us)| format!("{} to {}", super::seconds(*from_us), super::seconds(*to_us)))
            .collect();
        let more = match fault.instants.len().saturating_sub(SHOWN) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        writeln!(out, "{heading:<12} {}, {}: {}{more}", fault.name, fault.kind.name(), instants.join(", "))?;
    }
    Ok(())
}

pub(super) fn as_json(faults: &[PlannedFault]) -> Vec<Value> {
    let stroke =
        |(from_us, to_us): &(u64, u64)| json!({ "from_ms": from_us / 1_000, "to_ms": to_us / 1_000 });
    faults
        .iter()
        .map(|fault| {
            json!({
                "name": fault.name,
                "kind": fault.kind.name(),
                "from_ms": fault.start_us / 1_000,
                "to_ms": fault.end_us / 1_000,
                "instants": fault.instants.iter().map(stroke).collect::<Vec<_>>(),
            })
        })
        .collect()
}
