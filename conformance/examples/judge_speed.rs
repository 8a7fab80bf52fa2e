//! Writes a long history of a steady fleet and judges it: lines a second, and the most memory that the process took.
//!
//! `cargo run --release -p conformance --example judge_speed -- 10000000 [agents]`. A line in a thousand is a list of
//! up to a hundred agents by their capability, half of them 304s; one agent in twenty dies and comes back now and then;
//! all else are lean renewals.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program for measurements: it prints, and may end with a panic"
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use conformance::judge::{Ask, judge_file};
use reports::history::{
    Abilities, AgentSeen, CallRecord, FORMAT, Filter, Line, Operation, Outcome, Policy, RunEnd, RunHeader,
    Seen, Sent, Status, write_line,
};
use reports::result::RequirementVerdict;

/// Agents declare one of so many capabilities for each hundred of them.
const SHOWN: u64 = 100;

/// A heartbeat every 5 s.
const PERIOD_US: u64 = 5_000_000;

/// Every so many lines there is a list.
const LIST_EVERY: u64 = 1_000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default| arguments.next().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (lines, agents) = (number(1_000_000), number(100_000));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.jsonl");
    write(&path, lines, agents);
    let bytes = std::fs::metadata(&path).unwrap().len();
    let before = cpu_seconds();
    let judgement = judge_file(&path, &Ask::default()).unwrap();
    let seconds = cpu_seconds() - before;
    #[allow(clippy::cast_precision_loss, reason = "far fewer than 2^53 lines")]
    let rate = lines as f64 / seconds;
    println!("{lines} lines ({} MiB) of {agents} agents", bytes >> 20);
    println!("{seconds:.1} s of processor time, {rate:.0} lines a second of it");
    println!("{} KiB at the most, {} things kept at the most", high_water_kib(), judgement.kept_peak);
    let failed = judgement.requirements.iter().filter(|row| row.verdict == RequirementVerdict::Fail);
    for row in failed {
        println!("FAIL {}: {}", row.id, row.detail);
    }
    for row in judgement.requirements.iter().filter(|row| row.samples > 0) {
        println!("{} {:?}: {} of {} decided", row.id, row.verdict, row.decided, row.samples);
    }
    for figure in judgement.freshness {
        println!("{}: {} times, {:?}", figure.name, figure.count, figure.lateness_us);
    }
}

/// User and system time of this process: a busy machine does not change it much.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    ticks / 100.0
}

fn high_water_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn write(path: &Path, lines: u64, agents: u64) {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path).unwrap());
    write_line(&mut file, &header()).unwrap();
    let step = PERIOD_US / agents.min(PERIOD_US);
    let mut fleet = Fleet::default();
    for line in 0..lines {
        let now = 1_000 + line * step;
        let call = fleet.call(line, now, agents);
        write_line(&mut file, &Line::Call(call)).unwrap();
    }
    let end = RunEnd { at_us: lines * step, slack_us: 5_000, lost_lines: 0, tripwire: true };
    write_line(&mut file, &Line::End(end)).unwrap();
    file.flush().unwrap();
}

#[derive(Default)]
struct Fleet {
    /// What the last list of each capability said, and by which tag.
    tags: BTreeMap<u64, (u64, Vec<u64>)>,
    /// When each agent's last heartbeat ended; 0: none yet.
    beats: Vec<u64>,
    epoch: u64,
}

impl Fleet {
    fn call(&mut self, line: u64, now: u64, agents: u64) -> CallRecord {
        self.beats.resize(usize::try_from(agents).unwrap(), 0);
        if line % LIST_EVERY == LIST_EVERY - 1 && line > agents {
            return self.list(line / LIST_EVERY, now, agents);
        }
        let agent = line % agents;
        let round = line / agents;
        // One in twenty is silent for eight of forty rounds, longer than Q.
        let silent = agent.is_multiple_of(20) && (round + agent / 20) % 40 >= 24 && round > 1;
        let agent = if silent { (agent + 1) % agents } else { agent };
        let place = usize::try_from(agent).unwrap();
        let gone = self.beats[place] == 0 || self.beats[place] + 20_000_000 <= now;
        self.beats[place] = now + 200;
        let mut call = blank(Operation::Renew, now, Outcome::Renewed);
        call.agent = Some(name(agent));
        if gone {
            self.epoch += 1;
            (call.op, call.outcome) = (Operation::Register, Outcome::Registered);
            call.sent = Some(Sent {
                agent_type: Some("default".to_owned()),
                capabilities: Some(vec![capability(agent)]),
                document: Some(1),
                ..Sent::default()
            });
        }
        call
    }

    fn list(&mut self, turn: u64, now: u64, agents: u64) -> CallRecord {
        let wanted = turn % agents.div_ceil(SHOWN);
        let members = wanted * SHOWN..((wanted + 1) * SHOWN).min(agents);
        let state = |agent: &u64| {
            let silent = now.saturating_sub(self.beats[usize::try_from(*agent).unwrap()]);
            u64::from(silent >= 10_000_000) + u64::from(silent >= 20_000_000)
        };
        let states: Vec<u64> = members.clone().map(|agent| state(&agent)).collect();
        let (tag, old) = self.tags.entry(wanted).or_default();
        let filter = Filter { capability: Some(capability(members.start)), ..Filter::default() };
        let mut call = blank(Operation::List, now, Outcome::Unchanged);
        let mut sent = Sent { filter: Some(filter), ..Sent::default() };
        if *old == states {
            sent.if_none_match = Some(format!("r{wanted}-{tag}"));
        } else {
            *tag += 1;
            call.outcome = Outcome::Shown;
            let shown = members.zip(&states).filter(|(_, state)| **state < 2);
            let agents = shown.map(|(agent, state)| AgentSeen {
                id: name(agent),
                status: if *state == 0 { Status::Healthy } else { Status::Degraded },
                epoch: None,
                document: Some(1),
            });
            call.seen = Some(Seen {
                etag: Some(format!("r{wanted}-{tag}")),
                agents: Some(agents.collect()),
                ..Seen::default()
            });
            *old = states;
        }
        call.sent = Some(sent);
        call
    }
}

fn blank(op: Operation, now: u64, outcome: Outcome) -> CallRecord {
    CallRecord {
        agent: None,
        op,
        planned_us: Some(now),
        s_us: now,
        e_us: now + 200,
        outcome,
        http: Some(200),
        sent: None,
        seen: None,
        note: None,
    }
}

fn name(agent: u64) -> String {
    format!("worker-{agent}")
}

fn capability(agent: u64) -> String {
    format!("skill-{}", agent / SHOWN)
}

fn header() -> Line {
    let policy = Policy {
        heartbeat_interval_ms: 5_000,
        degraded_after_ms: Some(10_000),
        expires_after_ms: 20_000,
        evict_after_ms: Some(60_000),
    };
    Line::Run(RunHeader {
        format: FORMAT,
        name: "judge-speed".to_owned(),
        seed: 1,
        started_at: "2026-01-02T03:04:05Z".to_owned(),
        dialect: "wallflower".to_owned(),
        abilities: Abilities::ALL,
        policies: BTreeMap::from([("default".to_owned(), policy)]),
        transition_bound_ms: 50,
        claims: Vec::new(),
    })
}
