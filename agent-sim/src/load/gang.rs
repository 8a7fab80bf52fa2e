//! The processes over which the agents of a run are spread, as the process that started them sees them.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use scenarios::model::{Connections, Scenario};

use super::merge::{Merge, Message};
use super::shard::Assignment;
use super::teller::{messages_of, read_frame, write_frame};
use crate::plan::share::Share;
use crate::tail::Tail;

/// The sub-command by which the program becomes a worker.
pub const WORKER_COMMAND: &str = "loadtest-worker";

/// Most workers, as the scenario language has it.
const MOST_WORKERS: u64 = 64;

/// Frames heard that may wait to be taken up.
const QUEUE_FRAMES: usize = 64;

/// How long a worker may take to lay its plan, for each of them in turn.
const READY_TIME: Duration = Duration::from_secs(120);

/// A worker that tells nothing for so long has broken down, microseconds: it turns every 20 ms.
const LONGEST_SILENCE_US: u64 = 10_000_000;

/// How long a process whose output has ended may take to end itself, in steps of a millisecond.
const END_STEPS: u32 = 1_000;

/// Most of a worker's last words that a reason tells, characters.
const LAST_WORDS: usize = 600;

/// Over how many processes the agents are spread where each may open so many descriptors (0: nobody knows): as many as
/// the scenario says, or as many as the own connections of this share of the agents need. A tenth of the descriptors is for
/// all else.
pub fn workers_of(scenario: &Scenario, share: Share, descriptors: u64) -> u32 {
    let agents: u64 = scenario.fleets.iter().map(|fleet| u64::from(share.count(fleet.agents))).sum();
    let own = scenario.fleets.iter().filter(|fleet| fleet.connections == Connections::Own);
    let own: u64 = own.map(|fleet| u64::from(share.count(fleet.agents))).sum();
    let each = descriptors - descriptors / 10;
    let needed = match (scenario.workers, each) {
        (0, 0) => 1,
        (0, each) => own.div_ceil(each),
        (stated, _) => u64::from(stated),
    };
    u32::try_from(needed.min(agents).clamp(1, MOST_WORKERS)).unwrap_or(1)
}

/// Why workers cannot be had, or what became of one.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct WorkerError(pub(super) String);

/// Workers while they live; killed when dropped.
#[derive(Debug)]
pub(super) struct Gang {
    workers: Vec<Worker>,
    heard: Receiver<(usize, Heard)>,
    is_broken: bool,
}

#[derive(Debug)]
struct Worker {
    child: Child,
    /// Closed, it tells the worker to end.
    stdin: Option<ChildStdin>,
    /// What it says to people. It must not reach the terminal by itself, which may show the live view.
    said: Tail,
    listener: Option<JoinHandle<()>>,
}

#[derive(Debug)]
enum Heard {
    Messages(Vec<Message>),
    /// The end of its words, and why they ended if not in order.
    End(Option<String>),
}

impl Gang {
    /// Starts a worker for each assignment, and waits until all are ready to begin. What the workers tell is kept as it
    /// was told in the files of `kept`, one for each, where there are some.
    ///
    /// # Errors
    /// When one does not get ready.
    pub(super) fn start(
        program: &Path,
        assignments: &[Assignment],
        kept: Vec<File>,
    ) -> Result<Self, WorkerError> {
        let (sender, heard) = sync_channel(QUEUE_FRAMES);
        let mut gang = Self { workers: Vec::new(), heard, is_broken: false };
        let mut kept = kept.into_iter();
        for (number, assignment) in assignments.iter().enumerate() {
            let worker = Worker::start(program, assignment, number, (sender.clone(), kept.next()));
            gang.workers
                .push(worker.map_err(|error| {
                    WorkerError(format!("{}: {error}", place(number, assignments.len())))
                })?);
        }
        for _ in 0..assignments.len() {
            gang.await_ready()?;
        }
        Ok(gang)
    }

    fn await_ready(&mut self) -> Result<(), WorkerError> {
        match self.heard.recv_timeout(READY_TIME) {
            Ok((_, Heard::Messages(_))) => Ok(()),
            Ok((number, Heard::End(cause))) => Err(WorkerError(self.death(number, cause))),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Err(WorkerError(format!(
                "a worker did not get ready within {} s; spread the agents over fewer (`workers`)",
                READY_TIME.as_secs()
            ))),
        }
    }

    /// Tells all when the plan begins, on the run's clock.
    pub(super) fn begin(&mut self, begin_us: u64) {
        for worker in &mut self.workers {
            if let Some(stdin) = &mut worker.stdin {
                // One that is gone is heard of by its silence.
                drop(writeln!(stdin, "{begin_us}").and_then(|()| stdin.flush()));
            }
        }
    }

    /// Tells all to end; they tell their last before.
    pub(super) fn stop(&mut self) {
        self.workers.iter_mut().for_each(|worker| worker.stdin = None);
    }

    /// Takes what was told; answers what broke down. `now_us` counts since the run began.
    pub(super) fn hear(&mut self, merge: &mut Merge, now_us: u64) -> Option<String> {
        let mut broken = None;
        while let Ok((number, heard)) = self.heard.try_recv() {
            match heard {
                Heard::Messages(messages) => {
                    messages.into_iter().for_each(|message| merge.told(number, message));
                }
                Heard::End(cause) => {
                    if !merge.is_done(number) {
                        let death = self.death(number, cause);
                        broken.get_or_insert(death);
                    }
                    merge.ended(number);
                }
            }
        }
        if broken.is_none()
            && !self.is_broken
            && let Some(number) = merge.silent_since(now_us.saturating_sub(LONGEST_SILENCE_US))
        {
            let said = self.workers.get(number).map(|worker| words(&worker.said)).unwrap_or_default();
            broken = Some(format!("{} told nothing for 10 s{said}", self.name(number)));
        }
        self.is_broken |= broken.is_some();
        broken
    }

    fn name(&self, number: usize) -> String {
        let pid = self.workers.get(number).map_or(0, |worker| worker.child.id());
        format!("{} (process {pid})", place(number, self.workers.len()))
    }

    /// How a worker ended that should not have.
    fn death(&mut self, number: usize, cause: Option<String>) -> String {
        let name = self.name(number);
        let (status, said) = self.workers.get_mut(number).map(Worker::end).unwrap_or_default();
        let how = match (status, cause) {
            (Some(status), _) => status,
            (None, Some(cause)) => cause,
            (None, None) => "it closed its output".to_owned(),
        };
        format!("{name} ended before its time ({how}){said}")
    }
}

impl Drop for Gang {
    fn drop(&mut self) {
        self.stop();
        for worker in &mut self.workers {
            drop(worker.child.kill());
            drop(worker.child.wait());
        }
    }
}

impl Worker {
    fn start(
        program: &Path,
        assignment: &Assignment,
        number: usize,
        (sender, kept): (SyncSender<(usize, Heard)>, Option<File>),
    ) -> std::io::Result<Self> {
        let mut command = Command::new(program);
        // A process group of its own: ctrl-c reaches the starting process alone, which then ends the workers in order.
        command.arg(WORKER_COMMAND).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).process_group(0).spawn()?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        // Held from here on, so that it is killed where the rest fails.
        let mut worker = Self { child, stdin, said: Tail::default(), listener: None };
        let listen = move || {
            let Some(stdout) = stdout else { return };
            let mut stdout = BufReader::new(stdout);
            let mut kept = kept.map(BufWriter::new);
            loop {
                let heard = hear(&mut stdout, &mut kept);
                let is_end = matches!(heard, Heard::End(_));
                if sender.send((number, heard)).is_err() || is_end {
                    return;
                }
            }
        };
        let said = worker.said.clone();
        let overhear = move || stderr.into_iter().for_each(|stderr| said.drain(stderr));
        let thread = |what: &str| std::thread::Builder::new().name(format!("{what}-{}", number + 1));
        let told = thread("worker").spawn(listen).and_then(|_| {
            worker.listener = Some(thread("overhear").spawn(overhear)?);
            worker.tell(assignment)
        });
        if let Err(error) = told {
            drop(worker.child.kill());
            drop(worker.child.wait());
            return Err(error);
        }
        Ok(worker)
    }

    fn tell(&mut self, assignment: &Assignment) -> std::io::Result<()> {
        let Some(stdin) = &mut self.stdin else { return Ok(()) };
        let mut line = serde_json::to_vec(assignment)?;
        line.push(b'\n');
        stdin.write_all(&line)?;
        stdin.flush()
    }

    /// How it ended, `None` where it has not, and what it said last.
    fn end(&mut self) -> (Option<String>, String) {
        let mut status = None;
        let is_heard = |listener: &JoinHandle<()>| listener.is_finished();
        for _ in 0..END_STEPS {
            status = status.or_else(|| self.child.try_wait().ok().flatten());
            if status.is_some() && self.listener.as_ref().is_none_or(is_heard) {
                break;
            }
            std::thread::park_timeout(Duration::from_millis(1));
        }
        (status.map(|status| status.to_string()), words(&self.said))
    }
}

/// The end of what a worker said, as a sentence goes on with it.
fn words(said: &Tail) -> String {
    let said = said.text();
    let begin = said.char_indices().rev().nth(LAST_WORDS - 1).map_or(0, |(begin, _)| begin);
    match said.get(begin..).unwrap_or_default() {
        "" => "; it said nothing".to_owned(),
        end if begin > 0 => format!("; its last words: …{end}"),
        all => format!("; its last words: {all}"),
    }
}

/// The next that a worker tells, after it was kept.
fn hear(from: &mut impl Read, kept: &mut Option<BufWriter<File>>) -> Heard {
    let unreadable = |error: std::io::Error| Heard::End(Some(format!("its words cannot be read: {error}")));
    let keep = |out: &mut BufWriter<File>, frame: &[u8]| write_frame(out, frame).and_then(|()| out.flush());
    match read_frame(from) {
        Ok(Some(frame)) => match kept.as_mut().map_or(Ok(()), |out| keep(out, &frame)) {
            Ok(()) => messages_of(&frame).map_or_else(unreadable, Heard::Messages),
            Err(error) => Heard::End(Some(format!("its words cannot be kept: {error}"))),
        },
        Ok(None) => Heard::End(None),
        Err(error) => unreadable(error),
    }
}

fn place(number: usize, workers: usize) -> String {
    format!("worker {} of {workers}", number + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of so many agents with connections of their own, and 5,000 that share theirs.
    fn scenario(own: u32, workers: u32) -> Scenario {
        let text = format!(
            "name = \"t\"\nworkers = {workers}\ntarget.kind = \"reference\"\n\
             [target.policies.default]\nheartbeat_interval = \"1s\"\ndegraded_after = \"3s\"\nexpires_after = \"4s\"\nevict_after = \"9s\"\n\
             [[fleets]]\nname = \"own\"\nagents = {own}\nconnections = \"own\"\n\
             [[fleets]]\nname = \"shared\"\nagents = 5000\n\
             [[phases]]\nname = \"ramp\"\nkind = \"ramp\"\nduration = \"2s\"\n"
        );
        scenarios::parse("t.toml", &text, &[]).expect("a scenario")
    }

    #[test]
    fn there_are_as_many_workers_as_own_connections_need_or_as_many_as_the_scenario_says() {
        let rows = [
            ((18_000, 0, 20_000), 1),
            ((18_001, 0, 20_000), 2),
            ((50_000, 0, 20_000), 3),
            ((50_000, 1, 20_000), 1),
            ((10, 3, 20_000), 3),
            ((50_000, 0, 0), 1),
            ((50_000, 0, 20), 64),
        ];
        for ((own, workers, descriptors), expected) in rows {
            assert_eq!(
                workers_of(&scenario(own, workers), Share::WHOLE, descriptors),
                expected,
                "{own} {workers} {descriptors}"
            );
        }
        let half = Share::of(1, 2).expect("a half");
        assert_eq!(workers_of(&scenario(50_000, 0), half, 20_000), 2, "of 25,000 connections");
    }

    /// For one worker.
    fn assignment() -> Assignment {
        let header = reports::history::RunHeader {
            format: reports::history::FORMAT,
            name: "t".to_owned(),
            seed: 1,
            started_at: String::new(),
            dialect: "wallflower".to_owned(),
            abilities: reports::history::Abilities::ALL,
            policies: std::collections::BTreeMap::new(),
            transition_bound_ms: 50,
            claims: Vec::new(),
        };
        Assignment {
            scenario: String::new(),
            seed: 1,
            share: Share::WHOLE,
            origin_ns: 0,
            url: String::new(),
            is_authorized: false,
            routes: Vec::new(),
            route_of: Vec::new(),
            dialect: String::new(),
            policies: std::collections::BTreeMap::new(),
            tripwire_port: 1,
            history: "/nowhere".into(),
            header,
            traceparent: false,
        }
    }

    #[test]
    fn a_program_that_is_no_worker_is_named_with_how_it_ended_and_what_it_said() {
        let error = |program: &str| {
            Gang::start(Path::new(program), &[assignment()], Vec::new()).expect_err("no worker").to_string()
        };
        assert!(error("/no/such/program").starts_with("worker 1 of 1: "));
        // One that ends may do so before it has been told what it shall do.
        assert!(error("/bin/false").starts_with("worker 1 of 1"));
        // `ls` knows no file of the worker's name, and says so.
        let said = error("/bin/ls");
        assert!(said.contains("worker 1 of 1"), "{said}");
        assert!(!said.contains("(process") || said.contains(WORKER_COMMAND), "{said}");
    }

    #[test]
    fn of_last_words_the_end_is_told() {
        let tail = Tail::default();
        assert_eq!(words(&tail), "; it said nothing");
        tail.keep(b"out of memory\n");
        assert_eq!(words(&tail), "; its last words: out of memory");
        tail.keep("é".repeat(LAST_WORDS).as_bytes());
        assert_eq!(words(&tail), format!("; its last words: …{}", "é".repeat(LAST_WORDS)));
    }
}
