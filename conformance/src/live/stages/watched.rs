//! PASSIVE-2 to 4: a second registry, under the kernel's eye where that can be had, is given every reason to call.
//!
//! - `room`: in a network namespace of its own, where the kernel counts what goes out.
//! - `routes`: every route of its OpenAPI document, or of the contract.
//! - `baits`: agents that declare what looks as if it wanted to be called.
//!
//! It is a process of its own, started by the same command, so that nothing slows down a judged call. Where there can be
//! no namespace strace logs its calls, and where that cannot be either the registry at hand is provoked, and only the
//! listeners tell.

use std::time::Duration;

use agent_sim::client::Wire;
use agent_sim::dialect::{Call, WireAnswer, WireRequest};
use agent_sim::process::{LaunchSpec, RegistryProcess, can_watch, read_log, watched};
use baits::{Bait, Forms};
use reports::history::{Line, Watch};
use room::Eye;

use super::Stages;
use super::provoke::no_answer;

mod baits;
mod room;
mod routes;

/// So many agents come; each form of endpoint is there several times.
const AGENTS: u32 = 24;

/// Every third says goodbye; the others vanish and expire in one wave.
const LEAVING: u32 = 3;

/// A call that hangs, a long-poll perhaps, is given up after this.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);

/// Expiry is waited for at most so long; where leases are longer it is not provoked.
const LONGEST_LEASE_MS: u64 = 45_000;

/// A registry may call a little later, from a queue of its own.
const AFTERMATH_MS: u64 = 1_000;

/// Where the provocations go.
struct Field {
    wire: Wire,
    url: String,
    room: Option<Eye>,
}

impl Stages {
    /// Provokes, and writes what the kernel saw.
    pub(super) async fn watched(&mut self) {
        let no_room = match self.start_in_room().await {
            Ok(process) => {
                self.say("provoking a registry in a network namespace of its own".to_owned());
                let unclear = self.provoke_in_room(process).await;
                if !self.explain && !unclear {
                    return;
                }
                None
            }
            Err(reason) => Some(reason),
        };
        if self.goes_on() {
            self.provoke_under_log(no_room).await;
        }
    }

    /// By strace's log; where that cannot be had either, the listeners alone tell. After a room, `no_room` is `None`,
    /// and the log is there to explain.
    async fn provoke_under_log(&mut self, no_room: Option<String>) {
        self.say("provoking a registry under strace".to_owned());
        let explains = no_room.is_none();
        let mut watch = Watch { s_us: self.recorder.clock.now_us(), no_room, ..Watch::default() };
        let folder = match tempfile::tempdir() {
            Ok(folder) => folder,
            Err(error) => return self.invalid.push(format!("cannot make a temporary folder: {error}")),
        };
        let log = folder.path().join("calls");
        let process = match self.start_watched(&log).await {
            Ok(process) => Some(process),
            Err(reason) if explains => return self.say(format!("nobody tells who called: {reason}")),
            Err(reason) => {
                watch.unavailable = Some(reason);
                None
            }
        };
        let url = process.as_ref().map_or_else(|| self.target.url.clone(), RegistryProcess::url);
        let wire = match Wire::new(&url, CALL_TIMEOUT) {
            Ok(wire) => wire,
            Err(error) => return self.invalid.push(error.to_string()),
        };
        if let Some(process) = &process {
            watch.configured = configured(process);
        }
        let quiet_lines = read(&log).lines().count();
        watch.s_us = self.recorder.clock.now_us();
        self.bait(&Field { wire, url, room: None }, &mut watch).await;
        watch.e_us = self.recorder.clock.now_us();
        if let Some(process) = process {
            self.end_watched(process).await;
            read_log(&read(&log), quiet_lines, &mut watch);
        }
        self.recorder.write(&Line::Watch(Box::new(watch)));
    }

    /// Stops it; one that has ended by itself has failed.
    async fn end_watched(&mut self, mut process: RegistryProcess) {
        if process.check().is_some() {
            let last = process.last_output();
            self.failed.push(format!("the registry ended while it was provoked; its last output: {last}"));
        }
        process.stop().await;
    }

    /// How the registry at hand was started; or why it cannot be watched.
    fn own_spec(&self) -> Result<&LaunchSpec, String> {
        let process = self.target.process.as_ref();
        process.map(RegistryProcess::spec).ok_or_else(|| {
            "the registry is only reached, not started here, so its kernel cannot be asked".to_owned()
        })
    }

    /// The same command in a folder and on a port of its own; or why not, in words.
    async fn start_watched(&self, log: &std::path::Path) -> Result<RegistryProcess, String> {
        let spec = self.own_spec()?;
        can_watch().await?;
        let started = RegistryProcess::start(watched(spec, log), self.recorder.clock).await;
        started.map_err(|error| format!("under strace the registry does not start: {error}"))
    }

    async fn bait(&self, field: &Field, watch: &mut Watch) {
        let (agent_type, lease_ms) = self.briefest();
        let mut baits = Vec::new();
        for _ in 0..AGENTS {
            let number = self.next_number();
            let id = format!("bait-{number:06}");
            let endpoint = match &field.room {
                Some(eye) => eye.endpoint(number, &id),
                None => self.tripwire.assign(number, &id),
            };
            baits.push(Bait::new(id, &agent_type, endpoint, number, self.seed));
        }
        watch.names = baits.iter().map(|bait| bait.name.clone()).collect();
        for bait in &baits {
            let Some(request) = self.target.dialect.request(&Call::Register(bait.document.clone())) else {
                return;
            };
            for form in Forms::of(bait, &request) {
                self.provoke_at(field, bait.id(), form).await;
            }
            let renew = Call::Renew {
                agent_id: bait.id().to_owned(),
                status: None,
                order: None,
                wiring_revision: None,
            };
            self.provoke_call(field, bait.id(), &renew).await;
        }
        // The routes are called while the others' leases run out.
        let silent_since_us = self.recorder.clock.now_us();
        if let Some(first) = baits.first() {
            let mut answers: Vec<WireAnswer> = Vec::new();
            while answers.len() < routes::MOST && !self.recorder.stopped() {
                let Some(request) = self.target.dialect.provoke(&first.document, &answers) else { break };
                answers.push(self.provoke_at(field, first.id(), request).await);
            }
            let openapi = field.wire.send(&WireRequest::bare("GET", "/openapi.json")).await;
            let document = openapi.ok().filter(|answer| answer.status == 200);
            let contract = self.target.dialect.abilities().contract;
            let body = self.target.dialect.request(&Call::Register(first.document.clone()));
            let body = body.map(|request| request.body).unwrap_or_default();
            let asked = routes::filled_in(self.routes.iter().cloned(), first.id(), &body);
            let known = routes::all(document.as_ref(), contract, first.id(), &body);
            for request in asked.into_iter().chain(known) {
                self.provoke_at(field, first.id(), request).await;
            }
        }
        for bait in baits.iter().filter(|bait| bait.number % LEAVING == 0) {
            self.provoke_call(field, bait.id(), &Call::Leave { agent_id: bait.id().to_owned() }).await;
        }
        let now_us = self.recorder.clock.now_us();
        let until_us = if lease_ms <= LONGEST_LEASE_MS {
            watch.expired = baits.iter().filter(|bait| bait.number % LEAVING != 0).count() as u64;
            silent_since_us + (lease_ms + self.target.transition_bound_ms) * 1000
        } else {
            now_us
        };
        self.recorder.sleep_until(until_us.max(now_us) + AFTERMATH_MS * 1000).await;
        // Some learn of an expiry only when they look.
        for bait in &baits {
            self.provoke_call(field, bait.id(), &Call::Read { agent_id: bait.id().to_owned() }).await;
        }
    }

    /// The type whose lease is the shortest, and that lease.
    fn briefest(&self) -> (String, u64) {
        let policies = self.target.policies.iter();
        let briefest = policies.min_by_key(|(_, policy)| policy.expires_after_ms);
        briefest.map_or(("default".to_owned(), u64::MAX), |(name, policy)| {
            (name.clone(), policy.expires_after_ms)
        })
    }

    async fn provoke_call(&self, field: &Field, agent_id: &str, call: &Call) {
        if let Some(request) = self.target.dialect.request(call) {
            self.provoke_at(field, agent_id, request).await;
        }
    }

    async fn provoke_at(&self, field: &Field, agent_id: &str, request: WireRequest) -> WireAnswer {
        if self.recorder.stopped() {
            return no_answer();
        }
        let note = format!("{} {}{}", request.method, field.url, request.path);
        let answer = self.provoked(agent_id, note.clone(), field.wire.send(&request)).await;
        if let Some(eye) = &field.room {
            eye.glance(self.recorder.clock.now_us(), &note).await;
        }
        answer
    }
}

/// Arguments and environment of its command. Its own address is one that it was told of.
fn configured(process: &RegistryProcess) -> Vec<String> {
    let spec = process.spec();
    let port = process.url().rsplit(':').next().unwrap_or_default().to_owned();
    let told = spec.arguments.iter().chain(spec.environment.values());
    told.map(|text| text.replace("{port}", &port)).collect()
}

/// What strace has written so far; nothing where it did not run.
fn read(log: &std::path::Path) -> String {
    std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}
