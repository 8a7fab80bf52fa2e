//! One agent living its story.

use std::net::SocketAddr;
use std::sync::Arc;

use agent_sim::dialect::{Call, Document};
use reports::history::{CallRecord, Outcome, Policy, Reported};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::recorder::Recorder;
use crate::generate::{Act, RACER_PERCENT, Role, Story};

/// Views are asked for so long before a deadline, and so long after the allowance behind it.
const MARGIN_US: u64 = 12_000;

/// An agent of the harness.
#[derive(Debug, Clone)]
pub(super) struct Actor {
    recorder: Arc<Recorder>,
    document: Document,
    policy: Policy,
    bound_us: u64,
    reads: bool,
}

impl Actor {
    pub(super) fn new(
        recorder: &Arc<Recorder>,
        id: String,
        agent_type: &str,
        endpoint: SocketAddr,
        policy: Policy,
    ) -> Self {
        let document = Document {
            agent_id: id,
            agent_type: agent_type.to_owned(),
            status: None,
            endpoint,
            capabilities: vec![("suite.shared".to_owned(), "1.0.0".to_owned())],
            dependencies: Vec::new(),
            labels: Vec::new(),
            document: 1,
            incarnation: None,
            sequence: None,
        };
        Self { recorder: Arc::clone(recorder), document, policy, bound_us: 0, reads: false }
    }

    /// Reads itself around its deadlines; `bound_us` is W.
    pub(super) fn reading(mut self, reads: bool, bound_us: u64) -> Self {
        self.reads = reads;
        self.bound_us = bound_us;
        self
    }

    pub(super) fn id(&self) -> &str {
        &self.document.agent_id
    }

    pub(super) fn document(&self) -> &Document {
        &self.document
    }

    fn expires_us(&self) -> u64 {
        self.policy.expires_after_ms.saturating_mul(1000)
    }

    fn degraded_us(&self) -> u64 {
        self.policy.degraded_after_ms.map_or(self.expires_us(), |ms| ms.saturating_mul(1000))
    }

    /// Lives the story: acts until `act_until_us`, watches itself until `end_us`.
    pub(super) async fn live(mut self, story: Story, start_us: u64, act_until_us: u64, end_us: u64) {
        let registered = self.register_at(start_us).await;
        let mut last_us = registered.map_or(start_us, |record| record.s_us);
        match story.role {
            Role::Steady { percent } => {
                let gap_us = self.degraded_us() * percent / 100;
                last_us = self.repeat(Act::Renew, gap_us, start_us, end_us).await.unwrap_or(last_us);
            }
            Role::Racer { together } => {
                let gap_us = self.degraded_us() * RACER_PERCENT / 100;
                let acts = self.repeat(Act::Race(together), gap_us, start_us, act_until_us).await;
                last_us = acts.unwrap_or(last_us);
            }
            Role::Script(steps) => {
                let mut due_us = start_us;
                for step in steps {
                    due_us += step.gap.us(self.degraded_us(), self.expires_us());
                    if due_us > act_until_us {
                        break;
                    }
                    self.watch(last_us, due_us).await;
                    let Some(at) = self.act(step.act, due_us).await else { return };
                    last_us = at;
                }
            }
        }
        self.watch(last_us, end_us).await;
    }

    /// Does the same at even gaps until the end; gives the last instant.
    pub(super) async fn repeat(&mut self, act: Act, gap_us: u64, from_us: u64, end_us: u64) -> Option<u64> {
        let mut last_us = None;
        let mut due_us = from_us + gap_us;
        while due_us < end_us {
            last_us = Some(self.act(act, due_us).await?);
            due_us += gap_us;
        }
        last_us
    }

    /// Registers with the present document.
    pub(super) async fn register_at(&mut self, due_us: u64) -> Option<CallRecord> {
        let record = self.recorder.call_at(due_us, &Call::Register(self.document.clone())).await?;
        self.read_back().await;
        Some(record)
    }

    /// One act at its instant; gives when the registry may have heard of it at the latest start.
    pub(super) async fn act(&mut self, act: Act, due_us: u64) -> Option<u64> {
        let agent_id = self.document.agent_id.clone();
        let call = match act {
            Act::Renew => self.renewal(None),
            Act::Probe => Call::Probe { agent_id, wiring_revision: None },
            Act::Report(status) => self.renewal(Some(status)),
            Act::Repeat => Call::Register(self.document.clone()),
            Act::Declare => Call::Register(self.next_document()),
            Act::Race(together) => return self.race(together, due_us).await,
            Act::Leave => Call::Leave { agent_id },
        };
        let record = self.recorder.call_at(due_us, &call).await?;
        if matches!(act, Act::Declare | Act::Report(_) | Act::Leave) {
            self.read_back().await;
        }
        match (act, record.outcome) {
            // It leaves for good or comes back with another document, as a new process would.
            (Act::Leave, Outcome::Left) => {
                let document = self.next_document();
                let back_us = due_us + self.degraded_us() / 6;
                let back = self.recorder.call_at(back_us, &Call::Register(document)).await?;
                Some(back.s_us)
            }
            (_, Outcome::Unknown) => self.come_back().await,
            _ => Some(record.s_us),
        }
    }

    /// One act while the store may be in trouble: what comes of it is the caller's to see, but who is told that nobody
    /// knows it registers again.
    pub(super) async fn troubled(&mut self, act: Act, due_us: u64) -> Option<CallRecord> {
        let call = match act {
            Act::Declare => Call::Register(self.next_document()),
            _ => self.renewal(None),
        };
        let record = self.recorder.call_at(due_us, &call).await?;
        if record.outcome == Outcome::Unknown {
            self.come_back().await?;
        }
        Some(record)
    }

    /// With labels that take room in a store.
    pub(super) fn wordy(mut self) -> Self {
        let label = |number: u32| (format!("suite.words-{number}"), "word ".repeat(40));
        self.document.labels = (0..8).map(label).collect();
        self
    }

    /// Waits for an instant; `false` when it was told to stop before.
    pub(super) async fn wait_unless(&self, due_us: u64, stopped: &mut watch::Receiver<bool>) -> bool {
        tokio::select! {
            biased;
            _ = stopped.wait_for(|stopped| *stopped) => false,
            slept = self.recorder.sleep_until(due_us) => slept,
        }
    }

    /// Deregisters and never comes back.
    pub(super) async fn leave_for_good(&self, due_us: u64) {
        let agent_id = self.document.agent_id.clone();
        self.recorder.call_at(due_us, &Call::Leave { agent_id }).await;
    }

    fn renewal(&self, status: Option<Reported>) -> Call {
        let agent_id = self.document.agent_id.clone();
        Call::Renew { agent_id, status, order: None, wiring_revision: None }
    }

    fn next_document(&mut self) -> Document {
        self.document.document += 1;
        self.document.clone()
    }

    /// An agent that is told that nobody knows it registers again.
    async fn come_back(&mut self) -> Option<u64> {
        let back = self.recorder.call_now(&Call::Register(self.document.clone())).await?;
        Some(back.s_us)
    }

    /// Several renewals in the same instant.
    async fn race(&mut self, together: u32, due_us: u64) -> Option<u64> {
        let mut running = JoinSet::new();
        for _ in 0..together {
            let (recorder, call) = (Arc::clone(&self.recorder), self.renewal(None));
            running.spawn(async move { recorder.call_at(due_us, &call).await });
        }
        let mut last_us = None;
        let mut unknown = false;
        while let Some(record) = running.join_next().await {
            let record = record.ok().flatten()?;
            unknown |= record.outcome == Outcome::Unknown;
            last_us = last_us.max(Some(record.s_us));
        }
        if unknown { self.come_back().await } else { last_us }
    }

    /// Reads its own write.
    async fn read_back(&self) {
        if self.reads {
            self.recorder.call_now(&Call::Read { agent_id: self.document.agent_id.clone() }).await;
        }
    }

    /// Reads itself just before and well behind each deadline of the silence since `last_us` that falls before
    /// `until_us`.
    async fn watch(&self, last_us: u64, until_us: u64) {
        if !self.reads {
            return;
        }
        let call = Call::Read { agent_id: self.document.agent_id.clone() };
        let evicted_us = self.policy.evict_after_ms.map(|ms| ms.saturating_mul(1000));
        let deadlines = [Some(self.degraded_us()), Some(self.expires_us()), evicted_us];
        for deadline_us in deadlines.into_iter().flatten() {
            let before_us = last_us + deadline_us - MARGIN_US.min(deadline_us);
            let after_us = last_us + deadline_us + self.bound_us + 2 * MARGIN_US;
            for due_us in [before_us, after_us] {
                // An act that is due comes first.
                if due_us + MARGIN_US >= until_us || due_us < self.recorder.clock.now_us() {
                    continue;
                }
                if self.recorder.call_at(due_us, &call).await.is_none() {
                    return;
                }
            }
        }
    }
}
