//! The trace that a call belongs to, by W3C Trace Context: worked out from what the history tells of the call, so that a
//! span in the registry's traces and a line of the history find each other without a further column.

use reports::history::Operation;
use sha2::{Digest as _, Sha256};

/// The header line of a call: `traceparent: 00-<trace>-<parent>-01`, with its end. Trace and parent are the first 16
/// bytes and the next 8 of the SHA-256 of `<seed> <agent> <operation> <planned_us>`, as the history writes them.
pub(super) fn header(seed: u64, agent: &str, operation: Operation, planned_us: u64) -> String {
    let hash = Sha256::digest(format!("{seed} {agent} {} {planned_us}", operation.name()));
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let part = |from, to| hash.get(from..to).map(hex).unwrap_or_default();
    format!("traceparent: 00-{}-{}-01\r\n", part(0, 16), part(16, 24))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_the_trace_that_its_line_of_the_history_gives() {
        let header = header(7, "web-000001", Operation::Renew, 1_250_000);
        // echo -n '7 web-000001 renew 1250000' | sha256sum
        assert_eq!(header, EXPECTED);
    }

    const EXPECTED: &str = "traceparent: 00-0ab1845209a3e6d2eafa22d29b35f4fc-be0bb714fbed09b8-01\r\n";
}
