//! The registry in a network namespace of its own: what the kernel counts there beyond the harness's own calls is its
//! own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use agent_sim::process::RegistryProcess;
use agent_sim::room::{Told, can_have, glance, in_room, look};
use agent_sim::tripwire::endpoint;
use reports::history::{Grown, Line, Room, Watch};

use super::{CALL_TIMEOUT, Field, Stages, configured};

/// Most provocations that are named as those behind which more had gone out.
const MOST_GROWN: usize = 20;

/// What is seen of a room while the registry in it is provoked.
pub(super) struct Eye {
    folder: PathBuf,
    canary_port: u16,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// What had gone out when it was last looked.
    total: u64,
    grown: Vec<Grown>,
    /// Whose the endpoints are.
    agents: BTreeMap<String, String>,
}

impl Eye {
    fn new(folder: &Path, quiet: &Told) -> Self {
        let seen = Seen { total: quiet.counts.outward().total(), ..Seen::default() };
        Self { folder: folder.to_owned(), canary_port: quiet.canary_port, seen: Mutex::new(seen) }
    }

    /// An address for this agent, with the room's canary behind it.
    pub(super) fn endpoint(&self, number: u32, agent_id: &str) -> SocketAddr {
        let address = endpoint(number, self.canary_port);
        self.seen().agents.insert(address.to_string(), agent_id.to_owned());
        address
    }

    /// Notes whether more has gone out than before. What a glance misses the next one sees, and the last look counts.
    pub(super) async fn glance(&self, at_us: u64, after: &str) {
        let Ok(told) = glance(&self.folder).await else { return };
        let total = told.counts.outward().total();
        let mut seen = self.seen();
        if total > seen.total && seen.grown.len() < MOST_GROWN {
            seen.grown.push(Grown { at_us, after: after.to_owned() });
        }
        seen.total = seen.total.max(total);
    }

    /// A panic elsewhere takes nothing away from what was seen.
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stages {
    /// The same command in a room; or why there is none.
    pub(super) async fn start_in_room(&self) -> Result<RegistryProcess, String> {
        let spec = self.own_spec()?;
        let room = self.room.as_ref().ok_or("the harness was not given a way into a network namespace")?;
        can_have(room).await?;
        let started =
            RegistryProcess::start(in_room(spec, room, self.recorder.clock), self.recorder.clock).await;
        started.map_err(|error| {
            format!("in a network namespace of its own the registry does not start: {error}")
        })
    }

    /// Provokes it and writes what was counted. Gives whether that leaves open who was called: its command may name a
    /// store, which nobody in the room is.
    pub(super) async fn provoke_in_room(&mut self, process: RegistryProcess) -> bool {
        let mut watch = Watch { s_us: self.recorder.clock.now_us(), ..Watch::default() };
        watch.configured = configured(&process);
        let ended = self.counted(&process, &mut watch).await;
        watch.e_us = self.recorder.clock.now_us();
        self.end_watched(process).await;
        match ended {
            Ok(room) => {
                let unclear = room.end.outward().total() > 0 && room.may_have_a_store(&watch.configured);
                watch.room = Some(room);
                self.recorder.write(&Line::Watch(Box::new(watch)));
                unclear
            }
            Err(reason) => {
                self.invalid
                    .push(format!("what went out of the registry's namespace is not known: {reason}"));
                false
            }
        }
    }

    async fn counted(&mut self, process: &RegistryProcess, watch: &mut Watch) -> Result<Room, String> {
        let wire = process.wire(CALL_TIMEOUT).map_err(|error| error.to_string())?;
        let words = |error: std::io::Error| error.to_string();
        let quiet = look(process.folder()).await.map_err(words)?;
        watch.s_us = self.recorder.clock.now_us();
        let field = Field { wire, url: process.url(), room: Some(Eye::new(process.folder(), &quiet)) };
        self.bait(&field, watch).await;
        let end = look(process.folder()).await.map_err(words)?;
        let seen = field.room.as_ref().map(|eye| std::mem::take(&mut *eye.seen())).unwrap_or_default();
        for mut touch in quiet.touches.into_iter().chain(end.touches) {
            touch.agent = seen.agents.get(&touch.address).cloned();
            self.recorder.write(&Line::Touch(touch));
        }
        Ok(Room {
            quiet: quiet.counts,
            end: end.counts,
            questions: end.questions,
            grown: seen.grown,
            unhidden: end.unhidden,
            canaries_work: quiet.canaries_work && end.canaries_work,
            port: process.url().rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or_default(),
        })
    }
}
