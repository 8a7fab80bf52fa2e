//! `just bench`: every speed goal beside a yardstick that is measured in the same run, by turns. README.md has the table.
//!
//! - `cli`: the command line
//! - `lines`: what is measured, a module for each setup
//! - `bench`: what every measurement needs
//! - `rounds`: ours, the yardstick, ours, ...
//! - `figures`, `row`, `table`: what the rounds come to, and how it is shown; pure
//! - `record`: what a run leaves behind
//! - `client`, `requests`: closed loops of calls, and the calls
//! - `server`: servers as processes of their own, on the server's core
//! - `yardsticks`: the bench's own servers
//! - `machine`, `clock`: cores, CPU time, memory, time
//! - `trouble`: why something could not be done
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its output is how it answers")]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts and microseconds, all far below 2^53"
)]

mod bench;
mod cli;
mod client;
mod clock;
mod figures;
mod lines;
mod machine;
mod record;
mod requests;
mod rounds;
mod row;
mod server;
mod table;
mod trouble;
mod yardsticks;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser as _;
use tokio::task::LocalSet;

use bench::Bench;
use cli::{Arguments, Mode};
use machine::Cores;
use record::Record;
use row::Row;
use trouble::Trouble;

/// A quick run's rounds.
const QUICK_ROUNDS: usize = 3;

/// As the program's own: a goal is missed by far, the run says nothing, usage.
const BELOW_HALF: u8 = 1;
const TROUBLE: u8 = 1;
const NOT_JUDGED: u8 = 3;
const USAGE: u8 = 4;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let code = if error.use_stderr() { USAGE } else { 0 };
            // A closed pipe is no fault of the command line.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let wanted = match arguments.wanted() {
        Ok(wanted) => wanted,
        Err(words) => {
            eprintln!("bench: {words}");
            return ExitCode::from(USAGE);
        }
    };
    if arguments.list {
        lines::all().for_each(|line| println!("{:<22}{}", line.id, line.what));
        return ExitCode::SUCCESS;
    }
    let ran = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Trouble::from);
    let ran = ran.and_then(|runtime| match arguments.mode {
        Some(Mode::Yardstick(yardstick)) => runtime.block_on(yardsticks::serve(yardstick)).map(|()| 0),
        None => LocalSet::new().block_on(&runtime, run(&arguments, wanted)),
    });
    match ran {
        Ok(code) => ExitCode::from(code),
        Err(trouble) => {
            eprintln!("bench: {trouble}");
            ExitCode::from(TROUBLE)
        }
    }
}

async fn run(arguments: &Arguments, wanted: Vec<&'static str>) -> Result<u8, Trouble> {
    let started_at = humantime::format_rfc3339_seconds(clock::wall_clock()).to_string();
    let bench = prepared(arguments, wanted)?;
    let folder = match &arguments.out {
        Some(folder) => folder.clone(),
        None => Path::new("reports/bench").join(started_at.replace(':', "")),
    };
    let mut record = Record::new(started_at, &bench.wallflower, bench.rounds)?;
    println!("{}", table::headings());
    for group in lines::GROUPS {
        if !group.lines().iter().any(|line| bench.wants(line)) {
            continue;
        }
        for row in group.measure(&bench).await {
            println!("{}", table::line(&row));
            record.rows.push(row);
        }
        record.write(&folder)?;
    }
    println!("\nraw data   {}", folder.join("bench.json").display());
    if arguments.readme {
        record.write_readme(Path::new("README.md"))?;
    }
    Ok(if arguments.quick { quick_code(&record.rows) } else { 0 })
}

fn prepared(arguments: &Arguments, wanted: Vec<&'static str>) -> Result<Bench, Trouble> {
    let own = std::env::current_exe()?;
    let beside = |own: &Path| own.parent().map(|folder| folder.join("wallflower"));
    let wallflower = arguments.wallflower.clone().or_else(|| beside(&own)).unwrap_or_default();
    let wallflower: PathBuf = std::fs::canonicalize(&wallflower).map_err(|error| {
        let path = wallflower.display();
        format!("there is no {path} ({error}); `cargo build --release` makes it, `--wallflower FILE` names another")
    })?;
    let of_program = wallflower.parent().map(Path::to_path_buf).unwrap_or_default();
    let scratch = arguments.scratch.clone().unwrap_or(of_program);
    if machine::is_in_memory(&scratch) {
        return Err(format!(
            "{} is in memory, where nothing is durable; `--scratch` names a folder on a disk",
            scratch.display()
        )
        .into());
    }
    let folder = tempfile::Builder::new().prefix("bench-").tempdir_in(&scratch);
    Ok(Bench {
        wallflower,
        own,
        cores: Cores::claim()?,
        rounds: if arguments.quick { QUICK_ROUNDS } else { usize::from(arguments.rounds) },
        churn: arguments.churn,
        build: arguments.build,
        wanted,
        scratch: folder.map_err(|error| format!("cannot make a folder in {}: {error}", scratch.display()))?,
    })
}

/// Half of a goal is what a machine of any kind reaches, unless something is broken.
fn quick_code(rows: &[Row]) -> u8 {
    if rows.iter().any(|row| row.ratio.is_none()) {
        eprintln!("bench: not everything could be measured");
        return TROUBLE;
    }
    if rows.iter().all(|row| row.noisy) {
        println!("not judged: others took more than a quarter of a core in every round");
        return NOT_JUDGED;
    }
    match rows.iter().filter(|row| !row.noisy).any(Row::is_below_half) {
        true => BELOW_HALF,
        false => 0,
    }
}
