//! The machine: which cores there are, what took their time, what a process used, what it all ran on.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use serde::Serialize;

use crate::clock;
use crate::figures::Sample;
use crate::trouble::Trouble;

/// `/proc/stat` counts in hundredths of a second on every Linux that this runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// One core for the server, one for the client.
#[derive(Debug, Clone)]
pub(crate) struct Cores {
    pub(crate) server: usize,
    pub(crate) client: usize,
    /// All that this process might use before it was pinned, as `taskset -c` takes them.
    pub(crate) all: String,
}

impl Cores {
    /// Finds two cores and pins this process, which is the client, to the second.
    pub(crate) fn claim() -> Result<Self, Trouble> {
        let status = read("/proc/self/status")?;
        let list =
            status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap_or_default();
        let cores = core_list(list).ok_or_else(|| format!("/proc/self/status has the cores {list:?}"))?;
        let [server, client, ..] = cores.as_slice() else {
            return Err(format!(
                "two cores are needed, one for the server and one for the client, but this process may use {} ({}); \
                 run it where `nproc` says 2 or more",
                cores.len(),
                list.trim()
            )
            .into());
        };
        let found = Command::new("taskset").arg("--version").output();
        if !found.is_ok_and(|output| output.status.success()) {
            return Err(
                "`taskset` is needed to pin servers to a core, and is not on the PATH; install util-linux"
                    .into(),
            );
        }
        let mut own = CpuSet::new();
        own.set(*client).and_then(|()| sched_setaffinity(Pid::from_raw(0), &own)).map_err(|error| {
            format!("cannot pin this process to core {client}: {error}; run it where the cores are its own to choose")
        })?;
        Ok(Self { server: *server, client: *client, all: list.trim().to_owned() })
    }

    /// Both, as `taskset -c` takes them.
    pub(crate) fn both(&self) -> String {
        format!("{},{}", self.server, self.client)
    }
}

/// Reads `0-2,5`; `None` where it is no such list.
fn core_list(text: &str) -> Option<Vec<usize>> {
    let mut cores = BTreeSet::new();
    for part in text.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        cores.extend(first..=last.min(first + 4096));
    }
    Some(cores.into_iter().collect())
}

/// The CPU time of all threads of a process, seconds. What ended threads had used is not in it; no server here ends any
/// while it is measured.
pub(crate) fn cpu_seconds(process: u32) -> Result<f64, Trouble> {
    let folder = format!("/proc/{process}/task");
    let threads =
        fs::read_dir(&folder).map_err(|error| format!("the server has ended: {folder}: {error}"))?;
    let mut sum_ns = 0;
    for thread in threads.flatten() {
        // A thread may have ended since it was listed.
        let Ok(text) = fs::read_to_string(thread.path().join("schedstat")) else { continue };
        sum_ns += text.split(' ').next().and_then(|field| field.parse::<u64>().ok()).ok_or("schedstat")?;
    }
    Ok(sum_ns as f64 / 1e9)
}

/// Resident and proportional set size of a process, bytes.
pub(crate) fn memory_bytes(process: u32) -> Result<(f64, f64), Trouble> {
    let text = read(&format!("/proc/{process}/smaps_rollup"))?;
    let field = |name: &str| -> Option<f64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().trim_end_matches(" kB").parse::<f64>().ok().map(|kib| kib * 1024.0)
    };
    field("Rss:").zip(field("Pss:")).ok_or_else(|| "smaps_rollup has no Rss and Pss".into())
}

/// A process and all that it started, itself first.
pub(crate) fn family(process: u32) -> Vec<u32> {
    let mut found = vec![process];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        next += 1;
        for thread in fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten() {
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            found.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
    }
    found
}

/// What `/proc/stat` says all cores together have done, seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
struct CoreTime {
    busy: f64,
    stolen: f64,
}

fn core_time(stat: &str) -> Option<CoreTime> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let fields: Vec<f64> = line.split_whitespace().filter_map(|field| field.parse().ok()).collect();
    let [user, nice, system, _idle, _wait, irq, soft_irq, stolen, ..] = fields.as_slice() else {
        return None;
    };
    Some(CoreTime {
        busy: (user + nice + system + irq + soft_irq) / TICKS_PER_SECOND,
        stolen: stolen / TICKS_PER_SECOND,
    })
}

/// What was used between two instants, by the server, by this process and by all others.
#[derive(Debug)]
pub(crate) struct Meter {
    server: u32,
    began: Instant,
    server_seconds: f64,
    own_seconds: f64,
    cores: CoreTime,
}

/// What a [`Meter`] read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) server_cpu_seconds: f64,
    pub(crate) wall_seconds: f64,
    own_cores: f64,
    foreign_cores: f64,
    steal_cores: f64,
}

impl Meter {
    pub(crate) fn begin(server: u32) -> Result<Self, Trouble> {
        Ok(Self {
            server,
            began: clock::now(),
            server_seconds: cpu_seconds(server)?,
            own_seconds: cpu_seconds(std::process::id())?,
            cores: core_time(&read("/proc/stat")?).ok_or("/proc/stat cannot be read")?,
        })
    }

    /// Before the server is there: all that it uses counts.
    pub(crate) fn before() -> Result<Self, Trouble> {
        Ok(Self { server_seconds: 0.0, ..Self::begin(std::process::id())? })
    }

    /// The server that [`Meter::before`] was for.
    pub(crate) fn of(self, server: u32) -> Self {
        Self { server, ..self }
    }

    pub(crate) fn end(self) -> Result<Reading, Trouble> {
        let wall = clock::now().duration_since(self.began).as_secs_f64();
        let server = cpu_seconds(self.server)? - self.server_seconds;
        let own = cpu_seconds(std::process::id())? - self.own_seconds;
        let now = core_time(&read("/proc/stat")?).ok_or("/proc/stat cannot be read")?;
        Ok(Reading {
            server_cpu_seconds: server,
            wall_seconds: wall,
            own_cores: own / wall,
            foreign_cores: ((now.busy - self.cores.busy - server - own) / wall).max(0.0),
            steal_cores: ((now.stolen - self.cores.stolen) / wall).max(0.0),
        })
    }
}

impl Reading {
    /// A figure of the same time.
    pub(crate) fn sample(self, value: f64) -> Sample {
        Sample {
            value,
            wall_seconds: self.wall_seconds,
            foreign_cores: self.foreign_cores,
            steal_cores: self.steal_cores,
            client_cores: self.own_cores,
            server_cores: self.server_cpu_seconds / self.wall_seconds,
        }
    }

    /// The CPU time of each of so many calls, microseconds.
    pub(crate) fn us_a_call(self, calls: usize) -> Sample {
        self.sample(self.server_cpu_seconds * 1e6 / calls as f64)
    }
}

/// What it ran on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_bytes: u64,
    pub(crate) kernel: String,
}

impl Machine {
    pub(crate) fn look() -> Result<Self, Trouble> {
        let processors = read("/proc/cpuinfo")?;
        let field = |text: &str, name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':').map(str::to_owned))
        };
        let memory = field(&read("/proc/meminfo")?, "MemTotal").unwrap_or_default();
        let kib = memory.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default();
        Ok(Self {
            processor: field(&processors, "model name").unwrap_or_default().trim().to_owned(),
            cores: processors.lines().filter(|line| line.starts_with("processor")).count(),
            memory_bytes: kib * 1024,
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
        })
    }
}

/// Whether a folder is in memory, where syncing costs nothing.
pub(crate) fn is_in_memory(folder: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    fs::canonicalize(folder).is_ok_and(|folder| file_system(&mounts, &folder) == Some("tmpfs"))
}

/// The kind of file system that a folder lies on, by the longest mount point above it.
fn file_system<'a>(mounts: &'a str, folder: &Path) -> Option<&'a str> {
    let fields = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        fields.next().zip(fields.next())
    });
    fields
        .filter(|(point, _)| folder.starts_with(point))
        .max_by_key(|(point, _)| point.len())
        .map(|(_, kind)| kind)
}

fn read(path: &str) -> Result<String, Trouble> {
    fs::read_to_string(path).map_err(|error| format!("cannot read {path}: {error}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_listed_as_the_kernel_lists_them() {
        assert_eq!(core_list("\t0-2,5\n"), Some(vec![0, 1, 2, 5]));
        assert_eq!(core_list("3"), Some(vec![3]));
        assert_eq!(core_list("1,0"), Some(vec![0, 1]));
        assert_eq!(core_list(""), None);
        assert_eq!(core_list("a-b"), None);
    }

    #[test]
    fn idle_and_waiting_cores_are_not_busy_and_guests_are_not_counted_twice() {
        let stat = "cpu  100 200 300 999 999 10 20 50 70 80\ncpu0 1 2 3\n";
        assert_eq!(core_time(stat), Some(CoreTime { busy: 6.3, stolen: 0.5 }));
        assert_eq!(core_time("cpu 1 2"), None);
    }

    #[test]
    fn the_nearest_mount_says_what_a_folder_lies_on() {
        let mounts = "/dev/vda / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n";
        assert_eq!(file_system(mounts, Path::new("/tmp/x")), Some("tmpfs"));
        assert_eq!(file_system(mounts, Path::new("/tmpx")), Some("ext4"));
    }

    #[test]
    fn this_process_uses_time_and_memory() {
        let own = std::process::id();
        let (resident, proportional) = memory_bytes(own).unwrap();
        assert!(resident > 100_000.0 && proportional <= resident, "{resident} {proportional}");
        assert!(cpu_seconds(own).unwrap() > 0.0);
        assert_eq!(family(own).first(), Some(&own));
    }
}
