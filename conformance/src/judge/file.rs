//! Lines of a saved history.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use reports::history::Line;

use super::JudgeError;

/// The lines of a file; each may be malformed.
pub(super) fn lines(
    path: &Path,
) -> Result<impl Iterator<Item = Result<Line, JudgeError>> + use<>, JudgeError> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(|source| JudgeError::Read { path: name.clone(), source })?;
    let mut reader = BufReader::new(file);
    let mut text = Vec::new();
    let mut number = 0;
    Ok(std::iter::from_fn(move || {
        text.clear();
        number += 1;
        match reader.read_until(b'\n', &mut text) {
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_slice(&text).map_err(|error| JudgeError::Malformed {
                path: name.clone(),
                line: number,
                reason: error.to_string(),
            })),
            Err(source) => Some(Err(JudgeError::Read { path: name.clone(), source })),
        }
    }))
}
