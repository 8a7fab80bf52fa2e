//! What a registry says of its version.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::Duration;

/// So often, a tenth of a second apart, it is looked whether it has said it.
const LOOKS: u32 = 50;

/// Most bytes that are read of it.
const MOST: u64 = 4096;

/// The first line that the command prints; `None` where it prints none, or not within five seconds.
pub(super) fn ask(command: &[String]) -> Option<String> {
    let (program, arguments) = command.split_first()?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    for _ in 0..LOOKS {
        if !matches!(child.try_wait(), Ok(None)) {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    // It may hang; what it has printed by now is enough.
    let _ = child.kill();
    let _ = child.wait();
    let mut text = Vec::new();
    child.stdout.take()?.take(MOST).read_to_end(&mut text).ok()?;
    let text = String::from_utf8_lossy(&text).into_owned();
    text.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
}
