//! Puts together a loop that has not begun.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use scenarios::model::Scenario;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::agents::Agents;
use super::driver::{Driver, Trouble};
use super::ledger::Ledger;
use super::network::Network;
use super::network::http::Common;
use super::observer::Observer;
use super::sampler::{self, Costs, Watched};
use super::{Outline, Progress, parts_of};
use crate::client::Client;
use crate::clock::Clock;
use crate::dialect::Dialect;
use crate::history_writer::HistoryWriter;
use crate::plan::share::Share;
use crate::plan::{Plan, micros};
use crate::validity::lag_limit_us;

/// What a loop is made of.
pub(super) struct Parts<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) plan: &'a Arc<Plan>,
    pub(super) clock: Clock,
    pub(super) client: &'a Client,
    pub(super) dialect: &'a Arc<dyn Dialect>,
    /// For the words of errors.
    pub(super) url: &'a str,
    /// Whose calls it makes.
    pub(super) share: Share,
    /// Behind the addresses that agents declare.
    pub(super) tripwire_port: u16,
    /// All lead to the registry.
    pub(super) routes: Vec<SocketAddr>,
    /// By agent; empty where all have the first.
    pub(super) route_of: Vec<u8>,
    pub(super) ledger: Ledger,
    pub(super) history: HistoryWriter,
    pub(super) progress: watch::Sender<Progress>,
    pub(super) watched: &'a Watched,
    /// Most calls in flight over shared connections at one time.
    pub(super) limit: u32,
    pub(super) runtime: Handle,
}

/// The loop of these parts, without tripwire, faults or other processes.
pub(super) fn assemble(parts: Parts<'_>) -> std::io::Result<Driver> {
    let Parts { scenario, plan, clock, client, dialect, .. } = parts;
    let (authority, base_path) = parts_of(client.url());
    let common = Common::new(authority, base_path, client.authorization());
    let network = Network::new(common, parts.routes, scenario.source_addresses)?;
    // Nobody sends lines before the faults begin.
    let (_, extra) = std::sync::mpsc::channel();
    Ok(Driver {
        clock,
        begin_us: 0,
        plan: Arc::clone(plan),
        dialect: Arc::clone(dialect),
        mcp: dialect.over_mcp().unwrap_or_else(|| Arc::clone(dialect)),
        url: parts.url.to_owned(),
        observer: Observer::new(client.clone(), clock, parts.runtime, network.waker()),
        network,
        route_of: parts.route_of,
        faults: Default::default(),
        extra,
        tripwire: None,
        agents: Agents::new(Arc::clone(plan), parts.share, parts.tripwire_port, dialect.as_ref())
            .retrying(|plan, agent, at_us| plan.retries(agent, at_us)),
        ledger: parts.ledger,
        gang: None,
        costs: Costs::new(sampler::sample(parts.watched, 0), plan.phases().len()),
        unfilled: VecDeque::new(),
        history: parts.history,
        progress: parts.progress,
        outline: Arc::new(Outline::of(&scenario.name, plan)),
        limit: usize::try_from(parts.limit).unwrap_or(usize::MAX).max(1),
        timeout_us: micros(scenario.call_timeout),
        lag_limit_us: lag_limit_us(plan.shortest_period_us().unwrap_or(u64::MAX)),
        traced_by: None,
        trouble: Trouble::default(),
        held_back: VecDeque::new(),
        is_cut: false,
    })
}
