//! TIME-8: the wall clock that the registry sees is stepped by an hour either way. The machine's own clock is not touched:
//! the process is started with a small library before the C library's clock, built here by the machine's C compiler.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Stdio;

use agent_sim::dialect::Call;
use reports::history::{Hardship, Line};

use super::super::RunError;
use super::super::readers;
use super::Stages;
use crate::catalogue::Check;
use crate::generate;

const SOURCE: &str = include_str!("clock_shim.c");

/// Offsets from the true time, one after the other: a step forward, back, back once more, forward.
const OFFSETS_SECONDS: [i64; 4] = [3_600, 0, -3_600, 0];

/// Agents side by side.
const AGENTS: usize = 48;

impl Stages {
    /// Starts it again with a clock of the harness's, lets agents live their stories, steps the clock meanwhile.
    pub(super) async fn clock(&mut self) -> Result<(), RunError> {
        let built = match tempfile::tempdir() {
            Ok(folder) => build(folder.path()).await.map(|clock| (folder, clock)),
            Err(error) => Err(format!("there is no folder for the clock's library: {error}")),
        };
        let (folder, clock) = match built {
            Ok(built) => built,
            Err(reason) => {
                self.leave_out(Check::Time8, reason);
                return Ok(());
            }
        };
        self.preload(Some(folder.path()));
        self.kill().await;
        self.start_again().await?;
        if looks(&clock) == 0 {
            // It may look at the time only when it is asked something.
            self.recorder
                .call_now(&Call::List { filter: readers::every_status(), if_none_match: None })
                .await;
        }
        if looks(&clock) == 0 {
            let reason =
                "the registry does not ask the C library for the time, so no other clock can be shown to it";
            self.leave_out(Check::Time8, reason);
        } else {
            self.step_under_load(&clock).await;
        }
        self.preload(None);
        self.kill().await;
        self.start_again().await
    }

    fn preload(&mut self, folder: Option<&Path>) {
        if let Some(process) = &mut self.target.process {
            let path = |name: &str| folder.map(|folder| folder.join(name).display().to_string());
            process.set_variable("LD_PRELOAD", path("clock.so"));
            process.set_variable("WALLFLOWER_CLOCK", path("clock"));
        }
    }

    async fn step_under_load(&mut self, clock: &File) {
        let abilities = self.target.dialect.abilities();
        let stories = generate::stories(self.seed, AGENTS, &abilities);
        self.say("its wall clock stepped by an hour either way".to_owned());
        let policy = self.policy("default");
        let last_ms = policy.evict_after_ms.unwrap_or(policy.expires_after_ms);
        let acting_us = policy.expires_after_ms * 2_500;
        let from_us = self.recorder.clock.now_us() + 100_000;
        let act_until_us = from_us + acting_us;
        let end_us = act_until_us + last_ms * 1000 + self.target.transition_bound_ms * 1000 + 300_000;
        let lists = readers::readers(self.pace.list_period_us, false, &[]);
        let mut running = readers::start(&self.recorder, lists, from_us, end_us);
        for story in stories {
            let actor = self.actor("stepped", "default");
            let start_us = from_us + story.start_permille * acting_us / 10_000;
            running.spawn(actor.live(story, start_us, act_until_us, end_us));
        }
        // The last step but one falls before the silence, which is then lived on a clock that is an hour behind.
        let before = looks(clock);
        for (number, offset_seconds) in OFFSETS_SECONDS.into_iter().enumerate() {
            let due_us =
                if number == 3 { end_us - 100_000 } else { from_us + (number as u64 + 1) * acting_us / 4 };
            if !self.recorder.sleep_until(due_us).await {
                break;
            }
            let s_us = self.recorder.clock.now_us();
            if clock.write_all_at(&offset_seconds.to_ne_bytes(), 0).is_err() {
                break;
            }
            let e_us = self.recorder.clock.now_us();
            self.recorder.write(&Line::Hardship(Hardship::ClockStepped { offset_seconds, s_us, e_us }));
        }
        while running.join_next().await.is_some() {}
        if looks(clock) == before {
            self.leave_out(Check::Time8, "the registry never looked at the wall clock while it was stepped");
        }
    }
}

/// How often the process has looked at the wall clock.
fn looks(clock: &File) -> i64 {
    let mut count = [0; 8];
    clock.read_exact_at(&mut count, 8).map_or(0, |()| i64::from_ne_bytes(count))
}

/// The library and the file that it reads the offset from, or why there are none.
async fn build(folder: &Path) -> Result<File, String> {
    let trouble = |error: std::io::Error| format!("the clock's library cannot be made: {error}");
    let source = folder.join("clock.c");
    std::fs::write(&source, SOURCE).map_err(trouble)?;
    let compiler = tokio::process::Command::new("cc")
        .args(["-shared", "-fPIC", "-O2", "-o"])
        .arg(folder.join("clock.so"))
        .arg(&source)
        .arg("-ldl")
        .stdin(Stdio::null())
        .output()
        .await
        .map_err(|error| format!("there is no C compiler (cc) to build another clock with: {error}"))?;
    if !compiler.status.success() {
        let words = String::from_utf8_lossy(&compiler.stderr).into_owned();
        return Err(format!("the C compiler could not build another clock: {}", words.trim()));
    }
    let clock = File::options().create(true).truncate(true).read(true).write(true).open(folder.join("clock"));
    let clock = clock.map_err(trouble)?;
    clock.write_all_at(&[0; 16], 0).map_err(trouble)?;
    Ok(clock)
}
