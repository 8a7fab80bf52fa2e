//! What the machine has for a run: limits, cores, memory, and how busy others keep it.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::resource::{Resource, getrlimit};
use procfs::Current;

/// What the machine has. What cannot be read is `None`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Host {
    /// Descriptors that this process may have open, and how far it may raise that.
    pub descriptors: Option<(u64, u64)>,
    /// The first and the last local port that the kernel gives out.
    pub ports: Option<(u16, u16)>,
    /// Cores that this process may run on.
    pub cores: Option<u64>,
    /// The least quota of the control groups that it is in, cores.
    pub quota_cores: Option<f64>,
    /// Memory that can be had without swapping, bytes.
    pub available_bytes: Option<u64>,
    /// Runnable processes, the mean of the last minute.
    pub load: Option<f64>,
    /// Share of the last 10 s in which somebody who could run stood without a core.
    pub cpu_pressure: Option<f64>,
    /// Share of the last 10 s in which somebody waited for memory.
    pub memory_pressure: Option<f64>,
}

impl Host {
    /// Looks at the machine.
    pub fn look() -> Self {
        Self {
            descriptors: getrlimit(Resource::RLIMIT_NOFILE).ok(),
            ports: fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
                .ok()
                .and_then(|text| port_range(&text)),
            cores: std::thread::available_parallelism().ok().map(|cores| cores.get() as u64),
            quota_cores: quota_cores(),
            available_bytes: procfs::Meminfo::current().ok().and_then(|memory| memory.mem_available),
            load: procfs::LoadAverage::current().ok().map(|load| f64::from(load.one)),
            cpu_pressure: procfs::CpuPressure::current().ok().map(|cpu| f64::from(cpu.some.avg10) / 100.0),
            memory_pressure: procfs::MemoryPressure::current()
                .ok()
                .map(|memory| f64::from(memory.some.avg10) / 100.0),
        }
    }

    /// Connections that one source address can have to one registry.
    pub fn ports_per_address(&self) -> Option<u32> {
        self.ports.map(|(first, last)| u32::from(last).saturating_sub(u32::from(first)) + 1)
    }

    /// Cores that can be used at one time.
    #[allow(clippy::cast_precision_loss, reason = "no machine has 2^53 cores")]
    pub fn usable_cores(&self) -> Option<f64> {
        let cores = self.cores? as f64;
        Some(self.quota_cores.map_or(cores, |quota| quota.min(cores)))
    }
}

fn port_range(text: &str) -> Option<(u16, u16)> {
    let mut words = text.split_whitespace().map(str::parse);
    Some((words.next()?.ok()?, words.next()?.ok()?))
}

/// The least quota on the way from the group of this process to the root, of both versions of control groups.
fn quota_cores() -> Option<f64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let quotas = groups.lines().flat_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let controllers = fields.next().unwrap_or_default();
        let path = fields.next().unwrap_or_default().trim_start_matches('/');
        let roots: &[&str] = match controllers {
            "" => &["/sys/fs/cgroup", "/sys/fs/cgroup/unified"],
            _ if controllers.split(',').any(|name| name == "cpu") => {
                &["/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"]
            }
            _ => &[],
        };
        roots.iter().flat_map(|root| quotas_up(Path::new(root), path)).collect::<Vec<_>>()
    });
    quotas.reduce(f64::min)
}

fn quotas_up(root: &Path, path: &str) -> Vec<f64> {
    let bottom: PathBuf = root.join(path);
    let folders = bottom.ancestors().take_while(|folder| folder.starts_with(root));
    folders.filter_map(quota_of).collect()
}

/// The quota that a group states itself, cores.
fn quota_of(folder: &Path) -> Option<f64> {
    let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
    match read("cpu.max") {
        Some(text) => quota(&text),
        None => quota(&format!("{} {}", read("cpu.cfs_quota_us")?.trim(), read("cpu.cfs_period_us")?.trim())),
    }
}

/// Reads `200000 100000`; `max` and -1 mean that there is none.
fn quota(text: &str) -> Option<f64> {
    let mut words = text.split_whitespace().map(str::parse::<f64>);
    let (quota, period) = (words.next()?.ok()?, words.next()?.ok()?);
    (quota > 0.0 && period > 0.0).then(|| quota / period)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_read_in_both_ways_of_writing_none() {
        assert_eq!(quota("150000 100000\n"), Some(1.5));
        assert_eq!((quota("max 100000\n"), quota("-1 100000"), quota("")), (None, None, None));
    }

    #[test]
    fn a_quota_is_that_of_the_group_or_of_one_above() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("a/b")).unwrap();
        std::fs::write(root.path().join("cpu.max"), "400000 100000").unwrap();
        std::fs::write(root.path().join("a/b/cpu.max"), "max 100000").unwrap();
        assert_eq!(quotas_up(root.path(), "a/b"), [4.0]);
        std::fs::write(root.path().join("a/cpu.max"), "200000 100000").unwrap();
        assert_eq!(quotas_up(root.path(), "a/b"), [2.0, 4.0]);
    }

    #[test]
    fn ports_are_the_first_and_the_last() {
        assert_eq!(port_range("32768\t60999\n"), Some((32_768, 60_999)));
        assert_eq!(port_range("none"), None);
    }

    #[test]
    fn this_machine_has_something() {
        let host = Host::look();
        let (soft, hard) = host.descriptors.expect("a limit of descriptors");
        assert!(soft > 0 && soft <= hard, "{host:?}");
        assert!(host.usable_cores().is_some_and(|cores| cores > 0.0), "{host:?}");
        assert!(host.available_bytes.is_some() && host.load.is_some(), "{host:?}");
    }
}
