//! TIME-8: the wall clock that the registry sees is stepped by an hour either way. The machine's own clock is not touched,
//! unless that was asked for: the process is started with a small library before the C library's clock, built here by the
//! machine's C compiler.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use agent_sim::dialect::Call;
use agent_sim::system_clock::{KeeperProgram, SystemClock};
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

/// So much later than planned the next step may come; then the machine's clock is set right without it.
const OVERRUN: Duration = Duration::from_secs(10);

/// What shows the registry another time.
enum Shown<'c> {
    /// A library in its process, which reads the offset from this file.
    ByLibrary(&'c File),
    /// The machine's own clock.
    ByMachine(&'c mut SystemClock),
}

impl Shown<'_> {
    /// Whether it is so far from the true time now. Of the machine's clock for this long at the most.
    async fn set(&mut self, offset_seconds: i64, at_most: Duration) -> bool {
        match self {
            Self::ByLibrary(clock) => clock.write_all_at(&offset_seconds.to_ne_bytes(), 0).is_ok(),
            Self::ByMachine(clock) => clock.set(offset_seconds, at_most).await.is_ok(),
        }
    }
}

impl Stages {
    /// Starts it again, lets agents live their stories, steps the clock that it sees meanwhile.
    pub(super) async fn clock(&mut self) -> Result<(), RunError> {
        match self.system_clock.clone() {
            Some(keeper) => self.step_the_machine(&keeper).await,
            None => self.step_by_library().await,
        }
    }

    async fn step_the_machine(&mut self, keeper: &KeeperProgram) -> Result<(), RunError> {
        self.kill().await;
        self.start_again().await?;
        match SystemClock::take(keeper).await {
            Ok(mut clock) => {
                self.step_under_load(Shown::ByMachine(&mut clock)).await;
                if let Err(error) = clock.give_back().await {
                    self.invalid.push(format!(
                        "the machine's clock is wrong and could not be set right ({error}): set it by hand"
                    ));
                }
            }
            Err(reason) => self.leave_out(Check::Time8, reason),
        }
        self.kill().await;
        self.start_again().await
    }

    async fn step_by_library(&mut self) -> Result<(), RunError> {
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
            let reason = "the registry does not ask the C library for the time, so no other clock can be shown to it; \
                          --step-system-clock steps the machine's own";
            self.leave_out(Check::Time8, reason);
        } else {
            let before = looks(&clock);
            self.step_under_load(Shown::ByLibrary(&clock)).await;
            if looks(&clock) == before {
                let reason = "the registry never looked at the wall clock while it was stepped";
                self.leave_out(Check::Time8, reason);
            }
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

    async fn step_under_load(&mut self, mut shown: Shown<'_>) {
        let abilities = self.target.dialect.abilities();
        let stories = generate::stories(self.seed, AGENTS, &abilities);
        let whose = match shown {
            Shown::ByLibrary(_) => "its wall clock",
            Shown::ByMachine(_) => "this machine's wall clock",
        };
        self.say(format!("{whose} stepped by an hour either way"));
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
        let quarter_us = acting_us / 4;
        let last_us = end_us - 100_000;
        let dues_us = [from_us + quarter_us, from_us + 2 * quarter_us, from_us + 3 * quarter_us, last_us];
        for (number, offset_seconds) in OFFSETS_SECONDS.into_iter().enumerate() {
            if !self.recorder.sleep_until(dues_us[number]).await {
                break;
            }
            let s_us = self.recorder.clock.now_us();
            let next_us = dues_us.get(number + 1).copied().unwrap_or(last_us);
            let at_most = Duration::from_micros(next_us.saturating_sub(s_us)) + OVERRUN;
            if !shown.set(offset_seconds, at_most).await {
                break;
            }
            let e_us = self.recorder.clock.now_us();
            self.recorder.write(&Line::Hardship(Hardship::ClockStepped { offset_seconds, s_us, e_us }));
        }
        // Of a run that is ended early too, before anybody is waited for.
        let _ = shown.set(0, OVERRUN).await;
        while running.join_next().await.is_some() {}
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
