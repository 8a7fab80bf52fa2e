//! What a test says when the machine was too slow to judge. A timing test is decided by the contract's bounds; where the
//! harness itself could not keep its plan there is no verdict, neither a pass nor a failure, and `.ci/run` lists it.

use std::io::Write as _;
use std::path::Path;

/// Writes down that nothing was judged here, and why.
pub(crate) fn not_judged(what: &str, why: &str) {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("not-judged");
    let line = format!("{what}: {}\n", why.replace('\n', " "));
    eprint!("NOT JUDGED {line}");
    let mut file = std::fs::File::options().create(true).append(true).open(file).unwrap();
    file.write_all(line.as_bytes()).unwrap();
}
