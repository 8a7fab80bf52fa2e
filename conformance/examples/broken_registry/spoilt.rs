//! A file that is torn, or another program's.

use std::path::Path;

use serde_json::Value;

/// Ends the program when a line of the file is none of ours; the last one may be cut off, but is text all the same.
pub(crate) fn refuse(data: &Path) {
    let bytes = std::fs::read(data).unwrap_or_default();
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let (lines, rest) = bytes.split_at(whole);
    let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let is_ours = lines.map(serde_json::from_slice::<Value>).all(|line| line.is_ok()) && rest.is_ascii();
    assert!(is_ours, "{} is torn or not ours; it was left untouched", data.display());
}
