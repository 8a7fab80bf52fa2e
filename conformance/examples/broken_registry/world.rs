//! The registry's state and rules, faults among them.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use crate::journal::Journal;
use crate::outward;

/// How long the fault `forgets-acknowledged` keeps lines, and `stale-view-cache` a document.
pub(crate) const LATE: Duration = Duration::from_millis(200);

/// Longer than this nobody lets the registry wait but who stops it.
const PAUSE: Duration = Duration::from_millis(1_500);

/// How long behind its deadline the fault `renews-the-expired` still renews a lease that views show as expired.
const GRACE: Duration = Duration::from_millis(60);

#[derive(Clone, Copy)]
pub(crate) struct Policy {
    pub(crate) interval: Duration,
    degraded: Duration,
    expires: Duration,
    evict: Duration,
}

#[derive(Clone)]
pub(crate) struct Agent {
    pub(crate) body: Value,
    pub(crate) reported: String,
    pub(crate) agent_type: String,
    pub(crate) epoch: u64,
    pub(crate) revision: u64,
    renewed: Instant,
    renewed_wall: SystemTime,
    /// It was degraded by silence when a pause gave it a new lease.
    held_degraded: bool,
    /// What a view showed last, so that a transition takes a revision.
    shown: String,
    renewals: u32,
    pub(crate) beating: u32,
    pub(crate) old_body: Option<(Value, Instant)>,
    /// It had expired before the last start.
    revived: bool,
}

pub(crate) struct World {
    pub(crate) fault: String,
    policies: BTreeMap<String, Policy>,
    pub(crate) agents: BTreeMap<String, Agent>,
    epochs: BTreeMap<String, u64>,
    pub(crate) revision: u64,
    pub(crate) tags: HashSet<String>,
    journal: Journal,
    /// A change that was to be written at once could not be.
    refused: bool,
    buffered: Vec<(String, Instant)>,
    registrations: u32,
    data: PathBuf,
    settled: Instant,
    event: u64,
    /// The numbers of the events by agent.
    pub(crate) events: BTreeMap<String, Vec<u64>>,
}

pub(crate) fn policy_name(text: &str) -> String {
    text.split('=').next().unwrap_or_default().to_owned()
}

pub(crate) fn policy(text: &str) -> Policy {
    let figures = text.split('=').nth(1).unwrap_or_default();
    let ms: Vec<Duration> =
        figures.split(',').map(|ms| Duration::from_millis(ms.parse().expect("milliseconds"))).collect();
    let [interval, degraded, expires, evict] = ms.try_into().expect("four figures");
    Policy { interval, degraded, expires, evict }
}

impl World {
    pub(crate) fn load(data: &PathBuf, fault: String, policies: BTreeMap<String, Policy>) -> Self {
        let (journal, lines) = Journal::open(data, fault != "takes-any-store");
        let boots = lines.iter().filter(|line| line["boot"].is_boolean()).count() as u64 + 1;
        let base = if fault == "numbers-start-again" { 0 } else { boots * 1_000_000_000 };
        let mut world = Self {
            fault,
            policies,
            agents: BTreeMap::new(),
            epochs: BTreeMap::new(),
            revision: base,
            tags: HashSet::new(),
            journal,
            refused: false,
            buffered: Vec::new(),
            registrations: 0,
            data: data.clone(),
            settled: Instant::now(),
            event: base,
            events: BTreeMap::new(),
        };
        for line in lines {
            world.replay(&line);
        }
        world.put_timed(&json!({ "boot": true }));
        world
    }

    fn replay(&mut self, line: &Value) {
        let Some(id) = line["id"].as_str().map(str::to_owned) else { return };
        let body = &line["body"];
        if body.is_null() {
            self.agents.remove(&id);
            return;
        }
        let agent_type = word(body, "agent_type", "default");
        let policy = self.policy(&agent_type);
        let expired = line["expired"].as_bool() == Some(true);
        let revived = line["revived"].as_bool() == Some(true);
        let silence = match line["expired"].as_bool() {
            Some(true) if self.fault == "immortal" => Duration::ZERO,
            // Once, and not for long: a registry that forgets the last expiries only.
            Some(true) if self.fault == "forgets-expiries" && !revived => policy.expires * 55 / 100,
            Some(true) => policy.expires,
            _ if self.fault == "no-lease-after-restart" => policy.expires,
            _ => Duration::ZERO,
        };
        let epoch = line["epoch"].as_u64().unwrap_or(1);
        let now = Instant::now();
        self.epochs.insert(id.clone(), epoch);
        let agent = Agent {
            reported: word(line, "reported", "healthy"),
            body: body.clone(),
            agent_type,
            epoch,
            revision: self.revision,
            renewed: now.checked_sub(silence).unwrap_or(now),
            renewed_wall: SystemTime::now() - silence,
            held_degraded: false,
            shown: "healthy".to_owned(),
            renewals: 0,
            beating: 0,
            old_body: None,
            revived: expired,
        };
        self.agents.insert(id, agent);
    }

    pub(crate) fn policy(&self, agent_type: &str) -> Policy {
        let known = if self.fault == "one-policy-for-all" && agent_type == "brisk" {
            None
        } else {
            self.policies.get(agent_type)
        };
        *known.or_else(|| self.policies.get("default")).expect("a default policy")
    }

    /// `healthy`, `degraded`, `expired` or `gone`.
    pub(crate) fn status(&self, agent: &Agent, now: Instant) -> String {
        let policy = self.policy(&agent.agent_type);
        let by_wall = SystemTime::now().duration_since(agent.renewed_wall).unwrap_or_default();
        let silence = if self.fault == "leases-on-wall-clock" { by_wall } else { now - agent.renewed };
        let fault = self.fault.as_str();
        let degraded = match fault {
            "degrades-early" => policy.degraded * 8 / 10,
            "never-degrades" => policy.expires,
            "flaps-under-steady-beats" if agent.renewals >= 5 => policy.degraded * 3 / 10,
            _ => policy.degraded,
        };
        let expires = match fault {
            "expires-early" => policy.expires * 85 / 100,
            "expires-late" => policy.expires + (policy.evict - policy.expires) * 9 / 10,
            _ => policy.expires,
        };
        let backwards = fault == "status-goes-backwards" && silence >= (degraded + expires) / 2;
        let word = match silence {
            _ if silence >= policy.evict => "gone",
            _ if silence >= expires => "expired",
            _ if backwards => "healthy",
            _ if silence >= degraded || agent.held_degraded => "degraded",
            _ => agent.reported.as_str(),
        };
        word.to_owned()
    }

    /// Timers' transitions take a revision each.
    pub(crate) fn settle(&mut self, now: Instant) {
        let gap = now.saturating_duration_since(self.settled);
        self.settled = self.settled.max(now);
        if gap >= PAUSE && self.fault != "pause-is-silence" {
            self.resume(now);
        }
        let changed: Vec<(String, String)> = self
            .agents
            .iter()
            .map(|(id, agent)| (id.clone(), self.status(agent, now), &agent.shown))
            .filter(|(_, status, shown)| status != *shown)
            .map(|(id, status, _)| (id, status))
            .collect();
        for (id, status) in changed {
            self.revision += 1;
            if status == "gone" {
                self.agents.remove(&id);
                self.put_timed(&json!({ "id": id, "body": null }));
                continue;
            }
            let revision = self.revision;
            if let Some(agent) = self.agents.get_mut(&id) {
                agent.shown.clone_from(&status);
                agent.revision = revision;
            }
            if status == "expired"
                && let Some(line) = self.line(&id)
            {
                self.put_timed(&line);
            }
        }
    }

    /// The process stood still: that was nobody's silence.
    fn resume(&mut self, now: Instant) {
        for agent in self.agents.values_mut().filter(|agent| agent.shown != "expired") {
            agent.held_degraded = agent.shown == "degraded" && agent.reported == "healthy";
            agent.renewed = now;
            agent.renewed_wall = SystemTime::now();
        }
    }

    /// Somebody else has the data file locked.
    pub(crate) fn is_held(&self) -> bool {
        File::open(&self.data).is_ok_and(|file| file.try_lock_shared().is_err())
    }

    fn line(&self, id: &str) -> Option<Value> {
        let agent = self.agents.get(id)?;
        Some(json!({
            "id": id, "body": agent.body, "reported": agent.reported, "epoch": agent.epoch,
            "expired": agent.shown == "expired", "revived": agent.revived,
        }))
    }

    /// What a caller waits for.
    pub(crate) fn put(&mut self, line: &Value) {
        let text = format!("{line}\n");
        if self.fault == "forgets-acknowledged" {
            self.buffered.push((text, Instant::now()));
        } else if !self.journal.write(&text) && self.fault != "acknowledges-on-a-full-disk" {
            self.refused = true;
        }
    }

    /// What a timer did: it is written as soon as it can be.
    fn put_timed(&mut self, line: &Value) {
        self.journal.write_some_time(format!("{line}\n"));
    }

    pub(crate) fn flush(&mut self, now: Instant) {
        let due = self.buffered.iter().take_while(|(_, at)| now - *at >= LATE).count();
        for (text, _) in self.buffered.drain(..due) {
            self.journal.write_some_time(text);
        }
        self.journal.catch_up();
    }

    /// What a change of this agent may have to be undone to.
    pub(crate) fn before(&self, id: &str) -> Option<Agent> {
        self.agents.get(id).cloned()
    }

    /// Whether the last change could not be written; it is then undone.
    pub(crate) fn undoes(&mut self, id: &str, before: Option<Agent>) -> bool {
        let refused = std::mem::take(&mut self.refused);
        if refused {
            if let Some(agent) = before {
                self.epochs.insert(id.to_owned(), agent.epoch);
                self.agents.insert(id.to_owned(), agent);
            } else if let Some(agent) = self.agents.remove(id) {
                self.epochs.insert(id.to_owned(), agent.epoch - 1);
            }
        }
        refused
    }

    pub(crate) fn entry(&self, id: &str, agent: &Agent, body: &Value, now: Instant) -> Value {
        json!({
            "agent_id": id, "agent_type": agent.agent_type, "status": self.status(agent, now),
            "epoch": agent.epoch, "endpoint": body["endpoint"], "capabilities": body["capabilities"],
            "labels": body["labels"],
        })
    }

    /// The agent lives: known, and neither expired nor gone.
    pub(crate) fn lives(&self, id: &str, now: Instant) -> bool {
        let grace = if self.fault == "renews-the-expired" { GRACE } else { Duration::ZERO };
        let now = now.checked_sub(grace).unwrap_or(now);
        self.agents.get(id).is_some_and(|agent| {
            let status = self.status(agent, now);
            status == "healthy" || status == "degraded"
        })
    }

    pub(crate) fn register(&mut self, id: &str, body: Value, now: Instant) -> &'static str {
        outward::use_what_is_declared(&self.fault, &body);
        let reported = word(&body, "status", "healthy");
        if self.lives(id, now) {
            let late = self.fault == "stale-view-cache";
            if let Some(agent) = self.agents.get_mut(id) {
                let same = agent.body == body && agent.reported == reported;
                if late && !same {
                    agent.old_body = Some((agent.body.clone(), now));
                }
                agent.body = body;
                agent.reported = reported;
                if same {
                    return "renewed";
                }
            }
            self.change(id);
            return "updated";
        }
        let epoch = self.epochs.entry(id.to_owned()).or_default();
        *epoch += 1;
        let agent = Agent {
            agent_type: word(&body, "agent_type", "default"),
            shown: reported.clone(),
            body,
            reported,
            epoch: *epoch,
            revision: 0,
            renewed: now,
            renewed_wall: SystemTime::now(),
            held_degraded: false,
            revived: false,
            renewals: 0,
            beating: 0,
            old_body: None,
        };
        self.agents.insert(id.to_owned(), agent);
        self.event += 1;
        self.events.entry(id.to_owned()).or_default().push(self.event);
        self.change(id);
        self.call_agent(id);
        "registered"
    }

    pub(crate) fn change(&mut self, id: &str) {
        self.revision += 1;
        let revision = self.revision;
        if let Some(agent) = self.agents.get_mut(id) {
            agent.revision = revision;
        }
        if let Some(line) = self.line(id) {
            self.put(&line);
        }
    }

    fn call_agent(&mut self, id: &str) {
        self.registrations += 1;
        if self.fault != "calls-agent" || !self.registrations.is_multiple_of(7) {
            return;
        }
        let endpoint = self.agents.get(id).and_then(|agent| agent.body["endpoint"].as_str());
        let address = endpoint.and_then(|url| url.strip_prefix("http://")?.split('/').next());
        if let Some(address) = address.map(str::to_owned) {
            tokio::spawn(async move { tokio::net::TcpStream::connect(address).await.map(drop) });
        }
    }

    /// The lease runs from now, unless this is the fault of races.
    pub(crate) fn renew(&mut self, id: &str, raced: bool) {
        if self.fault == "renewals-bump-revision" {
            self.revision += 1;
        }
        if let Some(agent) = self.agents.get_mut(id) {
            agent.renewals += 1;
            agent.held_degraded = false;
            if !raced {
                agent.renewed = Instant::now();
                agent.renewed_wall = SystemTime::now();
            }
        }
    }
}

pub(crate) fn word(body: &Value, name: &str, default: &str) -> String {
    body[name].as_str().unwrap_or(default).to_owned()
}
