//! Whether this machine is fit for load tests: what was found, the rule, the verdict and the remedy; pure.

use reports::result::Percentiles;

use crate::ceiling::Ceiling;
use crate::process::Host;

/// How much there is of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plenty {
    /// Enough for the largest shipped scenarios.
    Ok,
    /// Enough for small ones.
    Tight,
    /// Runs are likely to end INVALID.
    TooLittle,
}

impl Plenty {
    /// The words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Tight => "tight",
            Self::TooLittle => "too little",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What.
    pub subject: &'static str,
    /// How it is; `None` where it could not be read.
    pub verdict: Option<Plenty>,
    /// What was found.
    pub found: String,
    /// What the verdict goes by.
    pub rule: &'static str,
    /// What to do, where it is not ok.
    pub remedy: Option<String>,
}

/// All that was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Examination {
    /// The machine, looked at before anything was measured.
    pub host: Host,
    /// How late bare sleeps of a millisecond woke, microseconds.
    pub timer_us: Percentiles,
    /// What the client reached.
    pub ceiling: Ceiling,
    /// Whether the program was built without optimisation.
    pub debug_build: bool,
}

/// More is better: at least `ok` is ok, at least `tight` is tight.
fn at_least(value: f64, ok: f64, tight: f64) -> Plenty {
    match value {
        _ if value >= ok => Plenty::Ok,
        _ if value >= tight => Plenty::Tight,
        _ => Plenty::TooLittle,
    }
}

/// Less is better.
fn at_most(value: f64, ok: f64, tight: f64) -> Plenty {
    at_least(-value, -ok, -tight)
}

/// Everything that matters to a run, in the order in which one would mend it.
pub fn findings(examination: &Examination) -> Vec<Finding> {
    let Examination { host, timer_us, ceiling, debug_build } = examination;
    vec![
        descriptors(host),
        ports(host),
        cores(host),
        idle(host),
        cpu_pressure(host),
        memory(host),
        memory_pressure(host),
        timer(timer_us),
        own_ceiling(ceiling, *debug_build),
    ]
}

fn finding(
    subject: &'static str,
    rule: &'static str,
    measured: Option<(Plenty, String)>,
    remedy: impl FnOnce() -> String,
) -> Finding {
    match measured {
        Some((verdict, found)) => {
            let remedy = (verdict != Plenty::Ok).then(remedy);
            Finding { subject, verdict: Some(verdict), found, rule, remedy }
        }
        None => {
            Finding { subject, verdict: None, found: "cannot be read here".to_owned(), rule, remedy: None }
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "limits of descriptors are far below 2^53")]
fn descriptors(host: &Host) -> Finding {
    finding(
        "descriptors",
        "12,000 for 10,000 agents with connections of their own; 1,024 for shared connections",
        host.descriptors.map(|(soft, hard)| {
            (at_least(soft as f64, 12_000.0, 1_024.0), format!("{soft}, can be raised to {hard}"))
        }),
        || {
            match host.descriptors {
            Some((soft, hard)) if hard > soft => format!("`ulimit -n {hard}` in the shell that starts the run"),
            _ => "raise the hard limit: `LimitNOFILE=` of the service, `--ulimit nofile=` of the container, or \
                  /etc/security/limits.conf"
                .to_owned(),
        }
        },
    )
}

fn ports(host: &Host) -> Finding {
    finding(
        "local ports",
        "20,000 connections from one source address to one registry; 1,024 for shared connections",
        host.ports.zip(host.ports_per_address()).map(|((first, last), count)| {
            (
                at_least(f64::from(count), 20_000.0, 1_024.0),
                format!("{first} to {last}: {count} connections from each source address to one registry"),
            )
        }),
        || {
            "`sysctl net.ipv4.ip_local_port_range=\"1024 65535\"`, or agents on several source addresses \
             (127.0.0.2 and so on)"
                .to_owned()
        },
    )
}

fn cores(host: &Host) -> Finding {
    finding(
        "cores",
        "4: registry and harness with two each; 2: one each",
        host.usable_cores().map(|usable| {
            let quota = host.quota_cores.map_or_else(
                || "no quota".to_owned(),
                |quota| format!("the control group's quota is {quota:.2}"),
            );
            (at_least(usable, 4.0, 2.0), format!("{}, {quota}", host.cores.unwrap_or_default()))
        }),
        || {
            "a larger machine or quota, or a registry on another machine (`--target URL`); below 2 keep to a few \
             hundred calls a second"
                .to_owned()
        },
    )
}

fn idle(host: &Host) -> Finding {
    finding(
        "idle cores",
        "half of the cores idle; one idle",
        host.usable_cores().zip(host.load).map(|(usable, load)| {
            let idle = (usable - load).max(0.0);
            (at_least(idle, usable / 2.0, 1.0), format!("{idle:.1} (load {load:.2})"))
        }),
        || "end what else runs here (`top` names it), or wait: load is the mean of a minute".to_owned(),
    )
}

fn cpu_pressure(host: &Host) -> Finding {
    finding(
        "CPU pressure",
        "at most 5 % of the time (as much as a valid run may wait itself); 20 %",
        host.cpu_pressure.map(|share| (at_most(share, 0.05, 0.2), percent(share))),
        || "end what else runs on this host, other containers included".to_owned(),
    )
}

#[allow(clippy::cast_precision_loss, reason = "no machine has 2^53 bytes")]
fn memory(host: &Host) -> Finding {
    const MEBIBYTE: f64 = 1024.0 * 1024.0;
    finding(
        "memory",
        "1 GiB for 100,000 agents and their registry; 256 MiB",
        host.available_bytes.map(|bytes| {
            let bytes = bytes as f64;
            (
                at_least(bytes, 1024.0 * MEBIBYTE, 256.0 * MEBIBYTE),
                format!("{:.0} MiB to be had", bytes / MEBIBYTE),
            )
        }),
        || "end what holds memory (`ps --sort -rss`), or run fewer agents".to_owned(),
    )
}

fn memory_pressure(host: &Host) -> Finding {
    finding(
        "memory pressure",
        "at most 1 % of the time; 10 %",
        host.memory_pressure.map(|share| (at_most(share, 0.01, 0.1), percent(share))),
        || "the machine swaps or reclaims: end what holds memory".to_owned(),
    )
}

#[allow(clippy::cast_precision_loss, reason = "lateness is far below 2^53 us")]
fn timer(late: &Percentiles) -> Finding {
    let ms = |us: u64| us as f64 / 1_000.0;
    finding(
        "timer floor",
        "99 % of bare 1 ms sleeps at most 1 ms late; at most 10 ms (as late as a valid run may send)",
        Some((
            at_most(ms(late.p99), 1.0, 10.0),
            format!(
                "1 ms sleeps woke late by {:.2} ms (p50), {:.2} (p99), {:.2} (p99.9), {:.2} (max)",
                ms(late.p50),
                ms(late.p99),
                ms(late.p999),
                ms(late.max)
            ),
        )),
        || "a busy or a virtual machine wakes late: end what else runs, or measure on bare metal".to_owned(),
    )
}

fn own_ceiling(ceiling: &Ceiling, debug_build: bool) -> Finding {
    let per_cpu = ceiling.calls_per_cpu_second().map_or_else(
        || "too little CPU to be told".to_owned(),
        |calls| format!("{calls:.0} for each second of its CPU"),
    );
    let build = if debug_build { " (debug build)" } else { "" };
    finding(
        "own ceiling",
        "20,000 calls/s against a responder that does nothing; 4,000 (the quickstart asks for 1,700)",
        Some((
            at_least(ceiling.calls_per_second(), 20_000.0, 4_000.0),
            format!("{:.0} calls/s on one thread, {per_cpu}{build}", ceiling.calls_per_second()),
        )),
        || match debug_build {
            true => "build with --release".to_owned(),
            false => "keep a run below half of this rate, and the machine idle besides".to_owned(),
        },
    )
}

fn percent(share: f64) -> String {
    format!("{:.1} % of the last 10 s", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit() -> Examination {
        Examination {
            host: Host {
                descriptors: Some((12_000, 12_000)),
                ports: Some((32_768, 60_999)),
                cores: Some(8),
                quota_cores: Some(4.0),
                available_bytes: Some(1 << 30),
                load: Some(2.0),
                cpu_pressure: Some(0.05),
                memory_pressure: Some(0.01),
            },
            timer_us: Percentiles { p50: 60, p90: 80, p99: 1_000, p999: 5_000, max: 20_000 },
            ceiling: Ceiling {
                calls: 40_000,
                seconds: 2.0,
                client_cpu_seconds: 1.6,
                responder_cpu_seconds: 0.5,
                service_us: Percentiles::default(),
            },
            debug_build: false,
        }
    }

    fn verdict(examination: &Examination, subject: &str) -> Option<Plenty> {
        let findings = findings(examination);
        let finding = findings.iter().find(|finding| finding.subject == subject).expect("a finding");
        assert_eq!(
            finding.remedy.is_some(),
            finding.verdict.is_some_and(|verdict| verdict != Plenty::Ok),
            "{finding:?}"
        );
        finding.verdict
    }

    #[test]
    fn a_machine_exactly_at_every_limit_is_fit() {
        for finding in findings(&fit()) {
            assert_eq!((finding.verdict, &finding.remedy), (Some(Plenty::Ok), &None), "{finding:?}");
        }
    }

    #[test]
    fn each_limit_missed_by_a_little_is_tight_and_far_below_is_too_little() {
        let host = |change: fn(&mut Host)| {
            let mut examination = fit();
            change(&mut examination.host);
            examination
        };
        let timer = |p99| Examination { timer_us: Percentiles { p99, ..fit().timer_us }, ..fit() };
        let calls = |calls| Examination { ceiling: Ceiling { calls, ..fit().ceiling }, ..fit() };
        let table: [(&str, Examination, Examination); 9] = [
            (
                "descriptors",
                host(|host| host.descriptors = Some((11_999, 20_000))),
                host(|host| host.descriptors = Some((1_023, 1_023))),
            ),
            (
                "local ports",
                host(|host| host.ports = Some((40_002, 60_000))),
                host(|host| host.ports = Some((60_000, 61_022))),
            ),
            ("cores", host(|host| host.quota_cores = Some(3.9)), host(|host| host.cores = Some(1))),
            ("idle cores", host(|host| host.load = Some(2.1)), host(|host| host.load = Some(3.1))),
            (
                "CPU pressure",
                host(|host| host.cpu_pressure = Some(0.051)),
                host(|host| host.cpu_pressure = Some(0.21)),
            ),
            (
                "memory",
                host(|host| host.available_bytes = Some((1 << 30) - 1)),
                host(|host| host.available_bytes = Some(1 << 20)),
            ),
            (
                "memory pressure",
                host(|host| host.memory_pressure = Some(0.02)),
                host(|host| host.memory_pressure = Some(0.2)),
            ),
            ("timer floor", timer(1_001), timer(10_001)),
            ("own ceiling", calls(39_999), calls(7_999)),
        ];
        assert_eq!(table.len(), findings(&fit()).len());
        for (subject, tight, too_little) in table {
            assert_eq!(verdict(&tight, subject), Some(Plenty::Tight), "{subject}");
            assert_eq!(verdict(&too_little, subject), Some(Plenty::TooLittle), "{subject}");
        }
    }

    #[test]
    fn what_cannot_be_read_has_no_verdict() {
        let examination = Examination { host: Host::default(), ..fit() };
        for subject in ["descriptors", "local ports", "cores", "idle cores", "CPU pressure", "memory"] {
            assert_eq!(verdict(&examination, subject), None, "{subject}");
        }
    }

    #[test]
    fn a_debug_build_is_told_to_be_one() {
        let slow = Ceiling { calls: 100, ..fit().ceiling };
        let examination = Examination { debug_build: true, ceiling: slow, ..fit() };
        let found = findings(&examination).pop().expect("the ceiling");
        assert!(found.found.contains("debug build"), "{found:?}");
        assert_eq!(found.remedy.as_deref(), Some("build with --release"));
    }
}
