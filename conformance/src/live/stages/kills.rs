//! DURABLE-1 and DURABLE-2: SIGKILL under load, at random instants and at chosen ones, once with pages torn behind it, then
//! a look at everybody.

use std::sync::Arc;

use agent_sim::dialect::Call;
use reports::history::{Filter, Line, Reported};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::super::RunError;
use super::super::actor::Actor;
use super::super::readers::{self, Reader, every_status};
use super::moments::Moment;
use super::{Stages, torn};
use crate::generate::{Act, kill_instants};

/// So many kills at random instants, each behind a load of its own, with a long look at everybody.
const ROUNDS: usize = 2;

/// One kill at each of these, with a short look: what is proven of leases is proven by the others.
const CHOSEN: [Moment; 3] = [Moment::Asked, Moment::Written, Moment::Answered];

/// Agents that only renew, and agents that change all the time.
const STEADY: u32 = 16;
const CHANGING: u32 = 24;

impl Stages {
    /// Loads, kills, starts again, looks; several times.
    pub(super) async fn kills(&mut self) -> Result<(), RunError> {
        let instants = kill_instants(self.seed, ROUNDS + CHOSEN.len(), self.pace.load_us);
        let moments = std::iter::repeat_n(Moment::Any, ROUNDS).chain(CHOSEN);
        let rounds = ROUNDS + CHOSEN.len();
        for (round, (instant_us, moment)) in instants.into_iter().zip(moments).enumerate() {
            let words = moment.words();
            self.say(format!("killing it under load {words}, round {} of {rounds}", round + 1));
            let actors = self.load_and_kill(instant_us, moment).await?;
            if moment == Moment::Any {
                self.look_behind(&actors).await;
            } else {
                self.look_briefly(&actors).await;
                self.part(actors).await;
            }
            if !self.goes_on() {
                break;
            }
        }
        Ok(())
    }

    async fn load_and_kill(&mut self, instant_us: u64, moment: Moment) -> Result<Vec<Actor>, RunError> {
        let (stop, stopped) = watch::channel(false);
        let from_us = self.recorder.clock.now_us() + 50_000;
        let mut running = JoinSet::new();
        for number in 0..STEADY + CHANGING {
            let actor = self.actor("killed", "default").reading(false, 0);
            let steady = number < STEADY;
            let gap_us = if steady {
                self.policy("default").heartbeat_interval_ms * 1000
            } else {
                self.pace.churn_period_us
            };
            // Those that change come one after the other up to the kill, so that it falls into registrations too.
            let spread_us = if steady { gap_us } else { self.pace.churn_period_us + instant_us };
            let start_us = from_us + u64::from(number) * spread_us / u64::from(STEADY + CHANGING);
            running.spawn(churn(actor, number, start_us, gap_us, stopped.clone()));
        }
        self.recorder.sleep_until(from_us + self.pace.churn_period_us + instant_us).await;
        self.await_moment(moment).await;
        self.kill().await;
        if moment == Moment::Written
            && let Ok(store) = self.store()
        {
            let torn = torn::tear(&store).map_err(|source| RunError::Store { path: store, source })?;
            torn.into_iter().for_each(|torn| self.recorder.write(&Line::Hardship(torn)));
        }
        stop.send_replace(true);
        // Calls in flight end with the process; only then is it started again, so that none of them can reach the new
        // one.
        let actors = running.join_all().await;
        let down_until_us = self.recorder.clock.now_us() + instant_us / 2;
        self.recorder.sleep_until(down_until_us).await;
        self.start_again().await?;
        Ok(actors)
    }

    pub(super) async fn kill(&mut self) {
        self.cost.look(self.target.process.as_ref());
        if let Some(process) = &mut self.target.process {
            let event = process.kill().await;
            self.recorder.write(&Line::Process(event));
        }
    }

    pub(super) async fn start_again(&mut self) -> Result<(), RunError> {
        if let Some(process) = &mut self.target.process {
            let event = process.restart().await.map_err(RunError::Restart)?;
            self.recorder.write(&Line::Process(event));
        }
        Ok(())
    }

    /// Looks at once, and then until nobody who stays silent may be there any more.
    async fn look_behind(&self, actors: &[Actor]) {
        let from_us = self.recorder.clock.now_us();
        self.recorder.call_now(&Call::List { filter: every_status(), if_none_match: None }).await;
        let lease_us = self.policy("default").expires_after_ms * 1000;
        let until_us = from_us + lease_us + self.target.transition_bound_ms * 1000 + 100_000;
        let reader = |filter: Filter, periods: u64| Reader {
            filter,
            period_us: self.pace.list_period_us * periods,
            conditional: false,
        };
        let lists = vec![reader(Filter::default(), 1), reader(every_status(), 2)];
        let mut running = readers::start(&self.recorder, lists, from_us, until_us);
        if self.target.dialect.abilities().single_read {
            for actor in actors {
                let recorder = Arc::clone(&self.recorder);
                let call = Call::Read { agent_id: actor.id().to_owned() };
                running.spawn(async move {
                    recorder.call_now(&call).await;
                });
            }
        }
        while running.join_next().await.is_some() {}
    }
}

/// Renews or changes until told to stop. Every fifth of those that change leaves for good after a while. A call under
/// way is never dropped: the history has to tell of it.
async fn churn(
    mut actor: Actor,
    number: u32,
    start_us: u64,
    gap_us: u64,
    mut stopped: watch::Receiver<bool>,
) -> Actor {
    let acts = [Act::Declare, Act::Report(Reported::Degraded), Act::Leave, Act::Declare];
    let mut due_us = start_us;
    for turn in 0_usize.. {
        if !actor.wait_unless(due_us, &mut stopped).await {
            break;
        }
        let done = match (turn, number) {
            (0, _) => actor.register_at(due_us).await.map(|record| record.s_us),
            (_, ..STEADY) => actor.act(Act::Renew, due_us).await,
            (4, _) if number.is_multiple_of(5) => {
                actor.leave_for_good(due_us).await;
                None
            }
            _ => actor.act(acts[(turn + number as usize) % acts.len()], due_us).await,
        };
        if done.is_none() {
            break;
        }
        due_us += gap_us;
    }
    actor
}
