//! What a schedule is, and how one is drawn. Schedules are plain data: one that failed is kept as JSON and read again
//! whatever the strategies become.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use reports::history::Reported;
use serde::{Deserialize, Serialize};

/// The agents of a schedule; the even ones are of the first type.
pub(crate) const AGENTS: usize = 4;
/// Their types.
pub(crate) const TYPES: [&str; 2] = ["default", "brisk"];
/// How many lists [`Act::List`] knows.
pub(crate) const VIEWS: usize = 5;
/// The most steps of one schedule.
const STEPS: usize = 40;

/// H, D, X and Q of each type in milliseconds, and what happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Schedule {
    pub(crate) policies: [[u64; 4]; 2],
    pub(crate) steps: Vec<Step>,
}

/// A wait and an act.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) wait: Wait,
    /// While time passes, transitions are made when they are due; otherwise they are left to whoever asks next.
    pub(crate) timers: bool,
    pub(crate) act: Act,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Wait {
    None,
    Us(u64),
    /// Until so many microseconds from the deadline (0: H, 1: D, 2: X, 3: Q) of an agent's last heartbeat.
    Until {
        agent: usize,
        deadline: usize,
        us: i64,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Act {
    Nothing,
    Call(Call),
    Read(usize),
    List(usize),
    /// With the tag that this list last had.
    Known(usize),
    /// What changed since this list was last seen.
    Delta(usize),
    /// SIGKILL, perhaps with a call under way whose change reaches the disk or does not; then a start.
    Kill {
        during: Option<(Call, bool)>,
        down_ms: u64,
    },
    Pause {
        ms: u64,
    },
    StepWall {
        seconds: i64,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Call {
    Full {
        agent: usize,
        another: bool,
        status: Option<Reported>,
        incarnation: Option<u64>,
        sequence: Option<u64>,
    },
    Lean {
        agent: usize,
        status: Option<Reported>,
        order: Option<(u64, u64)>,
    },
    Probe {
        agent: usize,
    },
    Leave {
        agent: usize,
    },
}

impl Call {
    pub(crate) fn agent(&self) -> usize {
        match self {
            Self::Full { agent, .. }
            | Self::Lean { agent, .. }
            | Self::Probe { agent }
            | Self::Leave { agent } => *agent,
        }
    }
}

pub(crate) fn schedule() -> impl Strategy<Value = Schedule> {
    let policy = (10_u64..=40, 1_u64..=60, 1_u64..=120, 1_u64..=400)
        .prop_map(|(h, d, x, q)| [h, h + d, h + d + x, h + d + x + q]);
    let policies = (policy.clone(), policy).prop_map(|(default, brisk)| [default, brisk]);
    (policies, vec(step(), 1..STEPS)).prop_map(|(policies, steps)| Schedule { policies, steps })
}

fn step() -> impl Strategy<Value = Step> {
    (wait(), any::<bool>(), act()).prop_map(|(wait, timers, act)| Step { wait, timers, act })
}

fn wait() -> impl Strategy<Value = Wait> {
    // Just before, at and after, where the mistakes are.
    let us = prop_oneof![3 => -3_i64..=3, 2 => prop::sample::select(vec![-999, -400, 400, 999]), 1 => -5_000_i64..=5_000];
    let until =
        (agent(), 0..4_usize, us).prop_map(|(agent, deadline, us)| Wait::Until { agent, deadline, us });
    prop_oneof![4 => Just(Wait::None), 5 => until, 1 => (0_u64..300_000).prop_map(Wait::Us)]
}

fn agent() -> impl Strategy<Value = usize> {
    // Most of what matters happens between calls of one agent.
    prop_oneof![3 => Just(0), 2 => Just(1), 1 => 2..AGENTS]
}

fn act() -> impl Strategy<Value = Act> {
    let view = || prop_oneof![2 => Just(0), 1 => 1..VIEWS];
    let during = option::weighted(0.6, (call(), any::<bool>()));
    prop_oneof![
        1 => Just(Act::Nothing),
        12 => call().prop_map(Act::Call),
        7 => agent().prop_map(Act::Read),
        4 => view().prop_map(Act::List),
        2 => view().prop_map(Act::Known),
        3 => view().prop_map(Act::Delta),
        1 => (during, 0_u64..200).prop_map(|(during, down_ms)| Act::Kill { during, down_ms }),
        1 => (500_u64..1_500).prop_map(|ms| Act::Pause { ms }),
        1 => (-3_600_i64..=3_600).prop_map(|seconds| Act::StepWall { seconds }),
    ]
}

fn call() -> impl Strategy<Value = Call> {
    let status = || prop_oneof![3 => Just(None), 1 => Just(Some(Reported::Healthy)), 1 => Just(Some(Reported::Degraded))];
    let incarnation = || option::weighted(0.3, 0_u64..4);
    let sequence = || option::weighted(0.3, 0_u64..6);
    let order = option::weighted(0.2, (0_u64..4, 0_u64..6));
    prop_oneof![
        5 => (agent(), any::<bool>(), status(), incarnation(), sequence()).prop_map(
            |(agent, another, status, incarnation, sequence)| Call::Full { agent, another, status, incarnation, sequence }
        ),
        4 => (agent(), status(), order).prop_map(|(agent, status, order)| Call::Lean { agent, status, order }),
        2 => agent().prop_map(|agent| Call::Probe { agent }),
        1 => agent().prop_map(|agent| Call::Leave { agent }),
    ]
}
