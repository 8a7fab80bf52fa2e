//! Runs a schedule: asks the registry through its router, writes the history that a live run would have written, and holds
//! every answer against the model at once.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use agent_sim::dialect::wallflower::Wallflower;
use agent_sim::dialect::{self, Dialect as _, Document, Reading, WireAnswer};
use registry::virtual_time::{Disk, World};
use reports::history::{
    Abilities, AgentSeen, Exchange, FORMAT, Filter, Hardship, Line, Outcome, Policy, ProcessChange,
    ProcessEvent, RunEnd, RunHeader, Status,
};

use crate::fault::Fault;
use crate::model::{Model, Shown};
use crate::schedule::{AGENTS, Act, Call, Schedule, Step, TYPES, VIEWS, Wait};
use crate::wire::{exchange, record, request};

/// When a run begins on the wall clock.
const WALL_MS: u64 = 1_700_000_000_000;
const MS: u64 = 1_000;

/// A run of one schedule.
pub(crate) struct Driver {
    fault: Fault,
    policies: BTreeMap<String, [u64; 4]>,
    /// None only while it is killed.
    world: Option<World>,
    now_us: u64,
    /// How far the registry's clock is ahead of the run's, which only a fault moves.
    ahead_us: u64,
    wall_ms: u64,
    models: Vec<Model>,
    documents: [u64; AGENTS],
    last_beats: [Option<u64>; AGENTS],
    registered_last: Option<usize>,
    lists: [Option<Shelved>; VIEWS],
    highest_revision: u64,
    conversations: usize,
    pub(crate) history: Vec<Line>,
}

/// A list as it was last seen.
struct Shelved {
    tag: Option<String>,
    revision: u64,
    store_id: String,
    exchange: Exchange,
    before_restart: bool,
}

impl Driver {
    /// Runs all of it. The history is whole also where a step fails.
    pub(crate) async fn run(schedule: &Schedule, fault: Fault) -> (Vec<Line>, Result<(), String>) {
        let mut driver = match Self::start(schedule, fault) {
            Ok(driver) => driver,
            Err(error) => return (Vec::new(), Err(error)),
        };
        let mut outcome = Ok(());
        for (number, step) in schedule.steps.iter().enumerate() {
            outcome = driver.step(step).await.map_err(|error| format!("step {number}: {error}"));
            if outcome.is_err() {
                break;
            }
        }
        let end = RunEnd { at_us: driver.now_us + 1, slack_us: 0, lost_lines: 0, tripwire: true };
        driver.history.push(Line::End(end));
        if let Some(world) = driver.world {
            world.kill().await;
        }
        (driver.history, outcome)
    }

    fn start(schedule: &Schedule, fault: Fault) -> Result<Self, String> {
        let policies: BTreeMap<String, [u64; 4]> =
            TYPES.iter().zip(schedule.policies).map(|(name, policy)| ((*name).to_owned(), policy)).collect();
        let published = policies.iter().map(|(name, [h, d, x, q])| {
            let policy = Policy {
                heartbeat_interval_ms: *h,
                degraded_after_ms: Some(*d),
                expires_after_ms: *x,
                evict_after_ms: Some(*q),
            };
            (name.clone(), policy)
        });
        let header = RunHeader {
            format: FORMAT,
            name: "virtual time".to_owned(),
            seed: 0,
            started_at: "2023-11-14T22:13:20Z".to_owned(),
            dialect: Wallflower.name().to_owned(),
            abilities: Abilities::ALL,
            policies: published.collect(),
            transition_bound_ms: 0,
            claims: Vec::new(),
        };
        let model = |agent: usize| {
            let [_, timeouts @ ..] = schedule.policies[agent % TYPES.len()];
            Model::new(timeouts.map(|ms| ms * MS))
        };
        let now_us = 10 * MS;
        let world = World::start(Disk::default(), &fault.policies(policies.clone()), now_us, WALL_MS);
        let started = ProcessEvent { event: ProcessChange::Started, s_us: 0, e_us: 1 };
        Ok(Self {
            fault,
            world: Some(world.map_err(|error| error.to_string())?),
            policies,
            now_us,
            ahead_us: 0,
            wall_ms: WALL_MS,
            models: (0..AGENTS).map(model).collect(),
            documents: [1; AGENTS],
            last_beats: [None; AGENTS],
            registered_last: None,
            lists: std::array::from_fn(|_| None),
            highest_revision: 0,
            conversations: 0,
            history: vec![Line::Run(header), Line::Process(started)],
        })
    }

    async fn step(&mut self, step: &Step) -> Result<(), String> {
        let until_us = match step.wait {
            Wait::None => self.now_us,
            Wait::Us(us) => self.now_us + us,
            Wait::Until { agent, deadline, us } => {
                let timeout_us = self.policies[TYPES[agent % TYPES.len()]][deadline] * MS;
                // The registry acts a microsecond after a call's first byte.
                let due = |beat_us: u64| (beat_us + timeout_us).saturating_add_signed(us).saturating_sub(1);
                self.last_beats[agent].map_or(self.now_us, due).max(self.now_us)
            }
        };
        self.wait_until(until_us, step.timers)?;
        match &step.act {
            Act::Nothing => Ok(()),
            Act::Call(call) => self.call(call).await,
            Act::Read(agent) => self.read(*agent).await,
            Act::List(view) => self.list(*view, None).await,
            Act::Known(view) => {
                let tag = self.lists[*view].as_ref().and_then(|list| list.tag.clone());
                self.list(*view, tag).await
            }
            Act::Delta(view) => self.delta(*view).await,
            Act::Kill { during, down_ms } => self.kill(during.as_ref(), *down_ms).await,
            Act::Pause { ms } => self.pause(*ms),
            Act::StepWall { seconds } => self.step_wall(*seconds),
        }
    }

    fn world(&self) -> Result<&World, String> {
        self.world.as_ref().ok_or_else(|| "the registry is not running".to_owned())
    }

    fn wait_until(&mut self, until_us: u64, timers: bool) -> Result<(), String> {
        self.world()?.wait_until(until_us + self.ahead_us, timers);
        self.now_us = until_us;
        Ok(())
    }

    fn wire(&self, call: &Call) -> dialect::Call {
        let agent_id = id(call.agent());
        match call {
            Call::Full { agent, status, incarnation, sequence, .. } => dialect::Call::Register(Document {
                agent_id,
                agent_type: TYPES[agent % TYPES.len()].to_owned(),
                status: *status,
                endpoint: SocketAddr::from((Ipv4Addr::LOCALHOST, 9)),
                capabilities: vec![(format!("does-{}", self.documents[*agent] % 2), "1.0.0".to_owned())],
                dependencies: Vec::new(),
                labels: Vec::new(),
                document: self.documents[*agent],
                incarnation: *incarnation,
                sequence: *sequence,
            }),
            Call::Lean { status, order, .. } => {
                dialect::Call::Renew { agent_id, status: *status, order: *order, wiring_revision: None }
            }
            Call::Probe { .. } => dialect::Call::Probe { agent_id, wiring_revision: None },
            Call::Leave { .. } => dialect::Call::Leave { agent_id },
        }
    }

    fn next_call(&mut self, call: &Call) -> (dialect::Call, u64) {
        if let Call::Full { agent, another: true, .. } = call {
            self.documents[*agent] += 1;
        }
        (self.wire(call), self.documents[call.agent()])
    }

    async fn call(&mut self, call: &Call) -> Result<(), String> {
        let (wire, document) = self.next_call(call);
        let (reading, at_us, _) = self.ask(&wire).await?;
        let agent = call.agent();
        let epoch = reading.seen.and_then(|seen| seen.epoch);
        if reading.outcome.renews() {
            self.last_beats[agent] = Some(at_us);
        }
        if reading.outcome == Outcome::Registered {
            self.registered_last = Some(agent);
        }
        let told = (reading.outcome, epoch);
        self.models[agent]
            .called(at_us, call, document, told)
            .map_err(|error| format!("{}: {error}", id(agent)))
    }

    async fn read(&mut self, agent: usize) -> Result<(), String> {
        let (reading, at_us, _) = self.ask(&dialect::Call::Read { agent_id: id(agent) }).await?;
        let agents = reading.seen.and_then(|seen| seen.agents).unwrap_or_default();
        let shown = agents.first().and_then(shown);
        self.models[agent].shown(at_us, shown).map_err(|error| format!("{}: {error}", id(agent)))
    }

    async fn list(&mut self, view: usize, if_none_match: Option<String>) -> Result<(), String> {
        let call = dialect::Call::List { filter: filter(view), if_none_match };
        let (reading, at_us, exchange) = self.ask(&call).await?;
        let Some(seen) = reading.seen.filter(|_| reading.outcome == Outcome::Shown) else { return Ok(()) };
        let (revision, store_id) = (seen.revision.unwrap_or_default(), reading.store_id.unwrap_or_default());
        self.lists[view] =
            Some(Shelved { tag: seen.etag, revision, store_id, exchange, before_restart: false });
        let agents = seen.agents.unwrap_or_default();
        for (agent, model) in self.models.iter_mut().enumerate() {
            let listed = agents.iter().find(|seen| seen.id == id(agent)).and_then(shown);
            match view {
                0 => model.listed(at_us, listed),
                1 => model.shown(at_us, listed),
                // Whom a filter leaves out may be anything.
                _ if listed.is_some() => model.shown(at_us, listed),
                _ => Ok(()),
            }
            .map_err(|error| format!("{}: {error}", id(agent)))?;
        }
        Ok(())
    }

    /// What changed since a list was last seen, and the list as it is now: a conversation of VIEW-6.
    async fn delta(&mut self, view: usize) -> Result<(), String> {
        let Some(before) = &self.lists[view] else { return self.list(view, None).await };
        let (first, since, store_id, old) =
            (before.exchange.clone(), before.revision, before.store_id.clone(), before.before_restart);
        let call = dialect::Call::Changes { filter: filter(view), since, store_id, wait: None };
        let (reading, _, delta) = self.ask(&call).await?;
        // What was before a restart may be too old to be told.
        if !(old && reading.outcome == Outcome::Unknown) {
            self.list(view, None).await?;
            let after = self.lists[view].as_ref().map(|list| list.exchange.clone());
            self.conversations += 1;
            let steps = [("before", Some(first)), ("delta", Some(delta)), ("after", after)];
            for (step, exchange) in steps.into_iter().filter_map(|(step, exchange)| Some((step, exchange?))) {
                let case = format!("delta {}", self.conversations);
                let exchange = Exchange { step: step.to_owned(), case, ..exchange };
                self.history.push(Line::Exchange(Box::new(exchange)));
            }
        }
        Ok(())
    }

    async fn kill(&mut self, during: Option<&(Call, bool)>, down_ms: u64) -> Result<(), String> {
        // What is due by now was the timers' to make.
        self.wait_until(self.now_us + 1, true)?;
        let killed_us = self.now_us;
        let Some(world) = self.world.take() else { return Err("it was killed twice".to_owned()) };
        let mut disk = match during {
            None => world.kill().await,
            Some((call, reaches_disk)) => {
                let (wire, document) = self.next_call(call);
                let asked = request(&wire)?;
                self.models[call.agent()].cut_off(killed_us, call, document);
                let cut_off = record(&wire, (killed_us, killed_us + 1), Reading::of(Outcome::Failed), None);
                self.history.push(Line::Call(cut_off));
                world.kill_during(&self.fault.asked(asked), *reaches_disk).await
            }
        };
        self.fault.killed(&mut disk, self.registered_last.map(id).as_deref());
        let started_us = killed_us + 10 + down_ms * MS;
        self.process(ProcessChange::Killed, killed_us + 1, killed_us + 2);
        self.process(ProcessChange::Started, started_us - 1, started_us + 1);
        let policies = self.fault.policies(self.policies.clone());
        let world = World::start(disk, &policies, started_us + self.ahead_us, self.wall_ms);
        self.world = Some(world.map_err(|error| error.to_string())?);
        self.models.iter_mut().for_each(|model| model.restarted(killed_us, started_us));
        self.last_beats.iter_mut().flatten().for_each(|beat_us| *beat_us = started_us);
        self.lists.iter_mut().flatten().for_each(|list| list.before_restart = true);
        self.wait_until(started_us + 2, false)
    }

    fn pause(&mut self, ms: u64) -> Result<(), String> {
        // Until the pause the timers ran.
        self.wait_until(self.now_us + 1, true)?;
        let (from_us, until_us) = (self.now_us, self.now_us + ms * MS);
        if self.fault == Fault::PausesCount {
            self.wait_until(until_us, false)?;
        } else {
            self.world()?.pause_until(until_us + self.ahead_us);
            self.now_us = until_us;
        }
        self.process(ProcessChange::Paused, from_us, from_us + 1);
        self.process(ProcessChange::Continued, until_us - 1, until_us);
        self.models.iter_mut().for_each(|model| model.resumed(until_us));
        Ok(())
    }

    fn step_wall(&mut self, seconds: i64) -> Result<(), String> {
        let now_us = self.now_us;
        let stepped = Hardship::ClockStepped { offset_seconds: seconds, s_us: now_us, e_us: now_us + 1 };
        self.history.push(Line::Hardship(stepped));
        self.wall_ms = WALL_MS.saturating_add_signed(seconds * 1_000);
        self.world()?.set_wall(self.wall_ms);
        if self.fault == Fault::TheWallClockCounts {
            self.ahead_us += seconds.unsigned_abs() * MS * MS;
        }
        self.wait_until(now_us + 2, false)
    }

    fn process(&mut self, event: ProcessChange, s_us: u64, e_us: u64) {
        self.history.push(Line::Process(ProcessEvent { event, s_us, e_us }));
    }

    /// One call: sent a microsecond before the registry acts, answered one after.
    async fn ask(&mut self, call: &dialect::Call) -> Result<(Reading, u64, Exchange), String> {
        let sent_us = self.now_us;
        self.wait_until(sent_us + 1, false)?;
        let asked = request(call)?;
        let answered = self.world()?.ask(&self.fault.asked(asked.clone())).await;
        let answered = self.fault.answered(&asked, answered);
        self.wait_until(sent_us + 2, false)?;
        let span = (sent_us, sent_us + 2);
        let header = |name: &str| {
            answered.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
        };
        let answer = WireAnswer {
            status: answered.status,
            etag: header("etag"),
            retry_after: header("retry-after"),
            body: answered.body.clone(),
        };
        let reading = Wallflower.read(call, &answer);
        self.history.push(Line::Call(record(call, span, reading.clone(), Some(answered.status))));
        if reading.outcome == Outcome::Failed || reading.outcome == Outcome::Unavailable {
            return Err(format!("{call:?} was answered {}: {:?}", answered.status, reading.note));
        }
        if let Some(revision) = reading.seen.as_ref().and_then(|seen| seen.revision) {
            if revision < self.highest_revision {
                return Err(format!("revision {revision} was shown after {}", self.highest_revision));
            }
            self.highest_revision = revision;
        }
        Ok((reading, sent_us + 1, exchange(&asked, &answered, span)))
    }
}

fn id(agent: usize) -> String {
    format!("agent-{agent}")
}

fn shown(seen: &AgentSeen) -> Shown {
    Some((seen.status, seen.epoch?, seen.document?))
}

fn filter(view: usize) -> Filter {
    match view {
        0 => Filter::default(),
        1 => Filter { status: vec![Status::Healthy, Status::Degraded, Status::Expired], ..Filter::default() },
        2 => Filter { capability: Some("does-0".to_owned()), ..Filter::default() },
        3 => Filter { agent_type: Some(TYPES[1].to_owned()), ..Filter::default() },
        _ => Filter { status: vec![Status::Degraded], ..Filter::default() },
    }
}
