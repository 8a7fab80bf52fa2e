//! PASSIVE-1 under provocation: every route that might make a registry call somebody.

use std::time::Duration;

use agent_sim::client::SendError;
use agent_sim::dialect::{WireAnswer, WireRequest};
use reports::history::{CallRecord, Line, Operation, Outcome};

use super::Stages;

/// So many agents are provoked for.
const AGENTS: u32 = 3;

/// A dialect has fewer routes than this; a faulty one must not go on for ever.
const MOST_ROUTES: usize = 200;

/// A registry may call a little later, from a queue of its own.
const AFTERMATH: Duration = Duration::from_millis(600);

impl Stages {
    /// Calls the routes for a few fresh agents, then waits a little.
    pub(super) async fn provoke(&mut self) {
        self.say("provoking calls to agents".to_owned());
        for _ in 0..AGENTS {
            let mut actor = self.actor("provoked", "default");
            let now_us = self.recorder.clock.now_us();
            if actor.register_at(now_us).await.is_none() {
                return;
            }
            let mut answers: Vec<WireAnswer> = Vec::new();
            while answers.len() < MOST_ROUTES && !self.recorder.stopped() {
                let Some(request) = self.target.dialect.provoke(actor.document(), &answers) else { break };
                answers.push(self.provoke_once(actor.id(), request).await);
            }
        }
        let until_us =
            self.recorder.clock.now_us() + u64::try_from(AFTERMATH.as_micros()).unwrap_or_default();
        self.recorder.sleep_until(until_us).await;
    }

    async fn provoke_once(&self, agent_id: &str, request: WireRequest) -> WireAnswer {
        let route = format!("{} {}", request.method, request.path);
        self.provoked(agent_id, route, self.target.client.send(&request)).await
    }

    /// Sends a provocation and records it. `note` says which it was.
    pub(super) async fn provoked(
        &self,
        agent_id: &str,
        note: String,
        sending: impl Future<Output = Result<WireAnswer, SendError>>,
    ) -> WireAnswer {
        let s_us = self.recorder.clock.now_us();
        let answer = sending.await;
        let record = CallRecord {
            agent: Some(agent_id.to_owned()),
            op: Operation::Provoke,
            planned_us: None,
            s_us,
            e_us: self.recorder.clock.now_us(),
            outcome: if answer.is_ok() { Outcome::Shown } else { Outcome::Failed },
            http: answer.as_ref().ok().map(|answer| answer.status),
            sent: None,
            seen: None,
            note: Some(note),
        };
        self.recorder.write(&Line::Call(record));
        // A later request may look at this answer: one that never came is an error like any other.
        answer.unwrap_or_else(|_| no_answer())
    }
}

/// What stands for an answer that never came.
pub(super) fn no_answer() -> WireAnswer {
    WireAnswer { status: 599, etag: None, retry_after: None, body: Vec::new() }
}
