//! Does the faults that no agent can do: to the registry's process, to the network, with slow readers. What agents do
//! wrong stands in the plan.
//!
//! - [`process`]: kills and pauses.
//! - [`readers`]: connections that read slowly.
//!
//! A process that is down on purpose is taken out of what the sampler watches, so nobody takes it for dead.

mod process;
mod readers;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};

use reports::history::Line;
use scenarios::model::FaultKind;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::process::Hands;
use self::readers::Reading;
use super::sampler::Watched;
use crate::clock::Clock;
use crate::plan::Plan;
use crate::plan::faults::PlannedFault;
use crate::plan::share::Share;
use crate::proxy::{Proxy, ProxyHandle};
use crate::target::Target;

/// What faults are done with, beside the registry's process.
#[derive(Debug, Clone)]
pub(super) struct Tools {
    /// Instant 0 of the plan on the run's clock.
    begin_us: u64,
    /// The part of what is done that is done here.
    share: Share,
    /// Where the list is read; `None` where a registry has none.
    reading: Option<Reading>,
    /// For the history.
    lines: Sender<Line>,
}

impl Tools {
    /// For faults of this registry, and the receiver of what they write into the history.
    pub(super) fn new(
        target: &Target,
        address: SocketAddr,
        begin_us: u64,
        share: Share,
    ) -> (Self, Receiver<Line>) {
        let url = super::parts_of(target.client.url());
        let reading = Reading::new(address, url, target.client.authorization(), target.dialect.as_ref());
        let (lines, written) = std::sync::mpsc::channel();
        (Self { begin_us, share, reading, lines }, written)
    }
}

/// What came of the faults, in sentences.
#[derive(Debug, Default)]
pub(super) struct FaultEnd {
    /// What the registry did not get over.
    pub(super) failed: Vec<String>,
    /// What the harness could not do.
    pub(super) invalid: Vec<String>,
}

impl FaultEnd {
    fn failed(sentence: String) -> Self {
        Self { failed: vec![sentence], ..Self::default() }
    }

    fn invalid(sentence: String) -> Self {
        Self { invalid: vec![sentence], ..Self::default() }
    }
}

/// The faults of a run while it goes on, each a task of its own. Dropped, it leaves everything as it is, but for a
/// registry that is down, which stays so.
#[derive(Debug)]
pub(super) struct FaultRunner {
    quit: Quit,
    tasks: JoinSet<FaultEnd>,
}

/// Tells the faults to end, and tells whether one of them must end the run. Copies are of the same runner.
#[derive(Debug, Clone, Default)]
pub(super) struct Quit {
    told: watch::Sender<bool>,
    registry_is_lost: Arc<AtomicBool>,
}

impl Quit {
    /// Ends what is under way: the network heals, a paused registry goes on, one that is down stays down.
    pub(super) fn tell(&self) {
        self.told.send_replace(true);
    }

    /// Whether the registry did not come back, so that there is nothing left to load.
    pub(super) fn registry_is_lost(&self) -> bool {
        self.registry_is_lost.load(Ordering::Acquire)
    }
}

impl FaultRunner {
    /// Starts waiting for the instants of all faults, on the present runtime. Faults of agents are not its own.
    pub(super) fn start(
        faults: &[PlannedFault],
        tools: &Tools,
        networks: &BadNetworks,
        watched: &Watched,
        clock: Clock,
    ) -> Self {
        let (quit, mut tasks) = (Quit::default(), JoinSet::new());
        for (index, fault) in faults.iter().enumerate() {
            let pace = Pace {
                clock,
                begin_us: tools.begin_us,
                told: quit.told.subscribe(),
                registry_is_lost: Arc::clone(&quit.registry_is_lost),
            };
            let (fault, tools) = (fault.clone(), tools.clone());
            let hands = Hands { watched: Arc::clone(watched), lines: tools.lines.clone() };
            match fault.kind {
                FaultKind::Kill { .. } => drop(tasks.spawn(process::kill(fault, hands, pace))),
                FaultKind::Pause { .. } => drop(tasks.spawn(process::pause(fault, hands, pace))),
                FaultKind::Partition { .. } => drop(tasks.spawn(partition(fault, networks.of(index), pace))),
                FaultKind::SlowReaders { .. } => drop(tasks.spawn(readers::read(fault, tools, pace))),
                FaultKind::Crash { .. }
                | FaultKind::Leave { .. }
                | FaultKind::Churn { .. }
                | FaultKind::Deploy { .. }
                | FaultKind::Herd { .. }
                | FaultKind::RetryStorm { .. } => {}
            }
        }
        Self { quit, tasks }
    }

    /// For the loop that makes the calls.
    pub(super) fn quit(&self) -> Quit {
        self.quit.clone()
    }

    /// Ends what is under way, waits for it, and tells what came of all.
    pub(super) async fn stop(mut self) -> FaultEnd {
        self.quit.tell();
        let mut all = FaultEnd::default();
        while let Some(end) = self.tasks.join_next().await {
            let end =
                end.unwrap_or_else(|_| FaultEnd::invalid("a fault of the harness broke down".to_owned()));
            all.failed.extend(end.failed);
            all.invalid.extend(end.invalid);
        }
        all
    }
}

/// When a fault acts.
#[derive(Debug)]
struct Pace {
    clock: Clock,
    begin_us: u64,
    told: watch::Receiver<bool>,
    registry_is_lost: Arc<AtomicBool>,
}

impl Pace {
    /// Waits for an instant of the plan, never less; false when told to end instead.
    async fn until(&mut self, instant_us: u64) -> bool {
        let clock = self.clock;
        let at_us = self.begin_us.saturating_add(instant_us);
        tokio::select! {
            biased;
            () = self.quit() => false,
            () = clock.sleep_until_us(at_us) => true,
        }
    }

    /// Waits for so long from now; false when told to end instead.
    async fn wait(&mut self, us: u64) -> bool {
        let now_us = self.clock.now_us().saturating_sub(self.begin_us);
        self.until(now_us.saturating_add(us)).await
    }

    /// Waits until told to end.
    async fn quit(&mut self) {
        // An error means that nobody is left to tell.
        let _ = self.told.wait_for(|told| *told).await;
    }

    /// There is nothing left to load.
    fn lose_registry(&self) {
        self.registry_is_lost.store(true, Ordering::Release);
    }
}

/// The networks of those whom partitions will cut off: one for all who are in the same partitions, so that each
/// partition strikes its own share.
#[derive(Debug, Default)]
pub(super) struct BadNetworks {
    networks: Vec<(Vec<usize>, Proxy)>,
    route_of: Vec<u8>,
}

impl BadNetworks {
    /// Starts those that the plan needs, before this registry.
    pub(super) fn start(plan: &Plan, registry: SocketAddr, clock: Clock) -> std::io::Result<Self> {
        let is_partition = |fault: &PlannedFault| matches!(fault.kind, FaultKind::Partition { .. });
        let partitions: Vec<usize> = (0..)
            .zip(plan.faults())
            .filter(|(_, fault)| is_partition(fault))
            .map(|(index, _)| index)
            .collect();
        let mut all = Self::default();
        if partitions.is_empty() {
            return Ok(all);
        }
        for agent in 0..plan.agents() {
            let struck: Vec<usize> =
                partitions.iter().copied().filter(|index| plan.strikes(*index, agent)).collect();
            let route = all.route(struck, registry, clock)?;
            all.route_of.push(route);
        }
        Ok(all)
    }

    /// The route of those who are in these partitions: 0 is the registry itself.
    fn route(&mut self, struck: Vec<usize>, registry: SocketAddr, clock: Clock) -> std::io::Result<u8> {
        if struck.is_empty() {
            return Ok(0);
        }
        let known = self.networks.iter().position(|(partitions, _)| *partitions == struck);
        let place = match known {
            Some(place) => place,
            None => {
                self.networks.push((struck, Proxy::start(registry, clock)?));
                self.networks.len() - 1
            }
        };
        u8::try_from(place + 1).map_err(|_| std::io::Error::other("more than 255 sets of partitions"))
    }

    /// The addresses of the routes after the registry's own, in their order.
    pub(super) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.networks.iter().map(|(_, proxy)| proxy.handle().address())
    }

    /// The route of each agent; empty where all have the registry's own.
    pub(super) fn route_of(&self) -> Vec<u8> {
        self.route_of.clone()
    }

    /// The switches of those who are in a partition.
    fn of(&self, partition: usize) -> Vec<ProxyHandle> {
        let is_struck = |(partitions, _): &&(Vec<usize>, Proxy)| partitions.contains(&partition);
        self.networks.iter().filter(is_struck).map(|(_, proxy)| proxy.handle()).collect()
    }
}

async fn partition(fault: PlannedFault, networks: Vec<ProxyHandle>, mut pace: Pace) -> FaultEnd {
    let FaultKind::Partition { network, .. } = fault.kind else { return FaultEnd::default() };
    for (from_us, to_us) in fault.instants {
        if !pace.until(from_us).await {
            break;
        }
        networks.iter().for_each(|handle| handle.switch(Some(network)));
        pace.until(to_us).await;
        networks.iter().for_each(|handle| handle.switch(None));
    }
    FaultEnd::default()
}
