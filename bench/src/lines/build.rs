//! The release build: how large, and how long from nothing.

use std::process::Stdio;

use tokio::process::Command;

use crate::bench::Bench;
use crate::clock;
use crate::figures::Round;
use crate::row::{Goal, Line, Row};
use crate::trouble::Trouble;

pub(super) const LINES: [Line; 2] = [
    Line { id: "binary", what: "size of the release binary", unit: "MB", goal: Goal::at_most(25.0) },
    Line { id: "build", what: "a release build from nothing", unit: "min", goal: Goal::at_most(6.0) },
];

pub(super) async fn measure(bench: &Bench, rows: &mut Vec<Row>) -> Result<(), Trouble> {
    let bytes = std::fs::metadata(&bench.wallflower)
        .map_err(|error| format!("cannot look at {}: {error}", bench.wallflower.display()))?
        .len();
    rows.push(Row::measured(LINES[0], vec![Round::absolute(bytes as f64 / 1e6)]));
    if bench.wants(&LINES[1]) {
        rows.push(match bench.build {
            true => built(bench).await?,
            false => Row::not_measured(LINES[1], "`--build` does it"),
        });
    }
    Ok(())
}

/// On all cores, unlike everything else here.
async fn built(bench: &Bench) -> Result<Row, Trouble> {
    let target = bench.folder("build")?;
    let began = clock::now();
    let mut cargo = Command::new("taskset");
    cargo.args([
        "-c",
        &bench.cores.all,
        "cargo",
        "build",
        "--release",
        "--locked",
        "--quiet",
        "-p",
        "wallflower",
    ]);
    cargo.env("CARGO_TARGET_DIR", &target).stdin(Stdio::null()).kill_on_drop(true);
    let status = cargo.status().await.map_err(|error| format!("cannot start cargo: {error}"))?;
    let minutes = clock::now().duration_since(began).as_secs_f64() / 60.0;
    std::fs::remove_dir_all(&target)?;
    match status.success() {
        true => Ok(Row::measured(LINES[1], vec![Round::absolute(minutes)])),
        false => Err(format!("the build failed ({status})").into()),
    }
}
