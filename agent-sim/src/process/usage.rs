//! What processes use, from procfs: the registry's, and the harness's own.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Mutex, PoisonError};

use nix::sys::resource::{Resource, getrlimit};
use procfs::Current;
use procfs::process::Process;
use reports::result::{Environment, ProcessCost};

/// What the harness itself uses.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct OwnUsage {
    /// User and system time since it began, seconds.
    pub cpu_seconds: f64,
    /// Proportional set size, bytes.
    pub pss_bytes: u64,
    /// Open descriptors.
    pub fds: u64,
    /// Threads.
    pub threads: u64,
    /// How long its threads, [`CONTROL_THREAD`] left out, have stood runnable without a core, all together, seconds.
    /// Never falls. Waits of up to [`WAKE_UP_NS`] are left out: so long an idle core of a virtual machine takes to wake,
    /// and a thread that wakes a thousand times a second would look starved on a host that does nothing else. What an
    /// ended thread waited after it was last looked at is lost.
    pub run_queue_wait_seconds: f64,
}

/// The name of the thread that measures the host's own floor; it is no part of the generator.
pub const CONTROL_THREAD: &str = "floor";

/// What waking up may cost a thread without counting as starvation, nanoseconds a time.
pub const WAKE_UP_NS: u64 = 100_000;

/// What the harness itself uses now. What cannot be read is 0.
pub fn own_usage() -> OwnUsage {
    OwnUsage { pss_bytes: own_pss_bytes(), ..own_usage_but_memory() }
}

/// The proportional set size of the harness itself, bytes; 0 when it cannot be read.
pub(crate) fn own_pss_bytes() -> u64 {
    Process::myself().map(|process| pss(&process)).unwrap_or_default()
}

/// [`own_usage`] without its memory, which alone takes long to read.
pub(crate) fn own_usage_but_memory() -> OwnUsage {
    static WAITS: Mutex<Waits> = Mutex::new(Waits { live: BTreeMap::new(), starved_ns: 0 });
    let Ok(process) = Process::myself() else { return OwnUsage::default() };
    let live = thread_waits(&process);
    let run_queue_wait_ns = WAITS.lock().unwrap_or_else(PoisonError::into_inner).observe(live);
    let ProcessCost { cpu_seconds, pss_bytes, fds, threads } = but_memory(&process);
    OwnUsage { cpu_seconds, pss_bytes, fds, threads, run_queue_wait_seconds: run_queue_wait_ns as f64 / 1e9 }
}

/// The soft limit of the harness's own open descriptors; 0 if it cannot be read.
pub fn own_fd_limit() -> u64 {
    getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft)
}

/// Where the harness runs. What cannot be read is empty or 0.
pub fn environment() -> Environment {
    let kernel = |name: &str| fs::read_to_string(format!("/proc/sys/kernel/{name}")).unwrap_or_default();
    let processor = procfs::CpuInfo::current().ok().and_then(|info| info.model_name(0).map(str::to_owned));
    Environment {
        kernel: format!("{} {}", kernel("ostype").trim(), kernel("osrelease").trim()).trim().to_owned(),
        processor: processor.unwrap_or_default(),
        cores: std::thread::available_parallelism().map_or(0, |cores| cores.get() as u64),
        memory_bytes: procfs::Meminfo::current().map_or(0, |memory| memory.mem_total),
        fd_limit: own_fd_limit(),
    }
}

/// What the process uses now, without its memory; what cannot be read is 0.
pub(super) fn but_memory_of(pid: i32) -> ProcessCost {
    Process::new(pid).map(|process| but_memory(&process)).unwrap_or_default()
}

/// The proportional set size of a process, bytes; 0 when it cannot be read.
pub fn pss_bytes(pid: i32) -> u64 {
    Process::new(pid).map(|process| pss(&process)).unwrap_or_default()
}

/// User and system time of the process itself so far, seconds, also of one that has ended and was not waited for;
/// `None` when there is no such process.
pub(super) fn cpu_seconds(pid: i32) -> Option<f64> {
    Process::new(pid).and_then(|process| process.stat()).ok().map(|stat| seconds(&stat))
}

/// Whether the process has ended and nobody has waited for it yet, or is gone altogether.
pub(super) fn has_ended(pid: i32) -> bool {
    let state = Process::new(pid).and_then(|process| process.stat()).map(|stat| stat.state);
    state.map_or(true, |state| matches!(state, 'Z' | 'X'))
}

/// Whether all threads of the process are stopped by a signal.
pub(super) fn is_stopped(pid: i32) -> bool {
    let Ok(tasks) = Process::new(pid).and_then(|process| process.tasks()) else { return false };
    // A thread that ended meanwhile runs no longer either.
    tasks.flatten().filter_map(|task| task.stat().ok()).all(|stat| matches!(stat.state, 'T' | 't'))
}

/// The kernel looks at every page for it: some 15 ms for the registry of 100,000 agents.
fn pss(process: &Process) -> u64 {
    let rollup = process.smaps_rollup().ok();
    let map = rollup.as_ref().and_then(|rollup| rollup.memory_map_rollup.0.first());
    map.and_then(|map| map.extension.map.get("Pss").copied()).unwrap_or_default()
}

fn but_memory(process: &Process) -> ProcessCost {
    let stat = process.stat().ok();
    ProcessCost {
        cpu_seconds: stat.as_ref().map_or(0.0, seconds),
        pss_bytes: 0,
        fds: process.fd_count().unwrap_or_default() as u64,
        threads: stat.map_or(0, |stat| u64::try_from(stat.num_threads).unwrap_or_default()),
    }
}

fn seconds(stat: &procfs::process::Stat) -> f64 {
    (stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64
}

fn thread_waits(process: &Process) -> BTreeMap<i32, Waited> {
    let Ok(tasks) = process.tasks() else { return BTreeMap::new() };
    let counts = |task: &procfs::process::Task| task.stat().is_ok_and(|stat| stat.comm != CONTROL_THREAD);
    let waited = |task: procfs::process::Task| {
        let schedstat = task.schedstat().ok()?;
        Some((task.tid, Waited { run_delay_ns: schedstat.run_delay, turns: schedstat.pcount }))
    };
    tasks.flatten().filter(counts).filter_map(waited).collect()
}

/// What the kernel tells of a thread: how long it stood runnable without a core, and how often it got one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Waited {
    run_delay_ns: u64,
    turns: u64,
}

/// How long threads were starved: summed up look by look, so that calm seconds do not make up for starved ones.
#[derive(Debug)]
struct Waits {
    live: BTreeMap<i32, Waited>,
    starved_ns: u64,
}

impl Waits {
    /// The sum so far, after a look at the live threads.
    fn observe(&mut self, live: BTreeMap<i32, Waited>) -> u64 {
        for (tid, now) in &live {
            // A figure that has fallen is that of a new thread with an old number.
            let last = self.live.get(tid).filter(|last| last.turns <= now.turns).copied().unwrap_or_default();
            let turns = now.turns - last.turns;
            let waited_ns = now.run_delay_ns.saturating_sub(last.run_delay_ns);
            self.starved_ns += waited_ns.saturating_sub(turns * WAKE_UP_NS);
        }
        self.live = live;
        self.starved_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_beyond_waking_up_counts_and_calm_does_not_make_up_for_starvation() {
        let mut waits = Waits { live: BTreeMap::new(), starved_ns: 0 };
        let seen =
            |tid, run_delay_us: u64, turns| (tid, Waited { run_delay_ns: run_delay_us * 1_000, turns });
        let looks = [
            (vec![seen(1, 100, 1), seen(2, 150, 1)], 50, "two threads, the second 50 us late"),
            (vec![seen(1, 1_200, 2)], 1_050, "the first 1 ms late, the second ended"),
            (vec![seen(1, 1_300, 100)], 1_050, "a hundred quick turns"),
            (vec![seen(1, 400, 1)], 1_350, "its number was given to a new thread, 300 us late"),
        ];
        for (live, sum_us, why) in looks {
            assert_eq!(waits.observe(live.into_iter().collect()), sum_us * 1_000, "{why}");
        }
    }

    #[test]
    fn this_process_uses_something_and_runs_somewhere() {
        let usage = own_usage();
        assert!(usage.pss_bytes > 0 && usage.fds > 0 && usage.threads > 0, "{usage:?}");
        assert!(own_usage().run_queue_wait_seconds >= usage.run_queue_wait_seconds);
        let environment = environment();
        assert!(environment.kernel.starts_with("Linux ") && environment.cores > 0, "{environment:?}");
        assert!(environment.memory_bytes > 0 && environment.fd_limit > 0, "{environment:?}");
    }
}
