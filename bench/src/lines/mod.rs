//! The lines of the table, by the setup that they share.
//!
//! - `calls`, `scale`: what a call costs, beside bare hyper, and with 100,000 agents beside 100
//! - `lists`: a list, beside nginx and the same bytes as a file
//! - `registrations`, `mcp`, `peers`: durable registrations, MCP, other registries
//! - `expiry`, `memory`, `start`: what 100,000 agents do to the registry
//! - `generator`, `together`: the load generator, and both on two cores
//! - `build`: the program itself

mod build;
mod calls;
mod expiry;
mod generator;
mod lists;
mod loadtest;
mod mcp;
mod memory;
mod peers;
mod registrations;
mod scale;
mod start;
mod together;

use crate::bench::Bench;
use crate::row::{Line, Row};
use crate::trouble::Trouble;

/// Lines that are measured together.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Group {
    Calls,
    Scale,
    Lists,
    Registrations,
    Mcp,
    Expiry,
    Memory,
    Start,
    Peers,
    Generator,
    Together,
    Build,
}

/// All of them, in the table's order.
pub(crate) const GROUPS: [Group; 12] = [
    Group::Calls,
    Group::Scale,
    Group::Lists,
    Group::Registrations,
    Group::Mcp,
    Group::Expiry,
    Group::Memory,
    Group::Start,
    Group::Peers,
    Group::Generator,
    Group::Together,
    Group::Build,
];

impl Group {
    pub(crate) fn lines(self) -> &'static [Line] {
        match self {
            Self::Calls => &calls::LINES,
            Self::Scale => &scale::LINES,
            Self::Lists => &lists::LINES,
            Self::Registrations => &registrations::LINES,
            Self::Mcp => &mcp::LINES,
            Self::Expiry => &expiry::LINES,
            Self::Memory => &memory::LINES,
            Self::Start => &start::LINES,
            Self::Peers => &peers::LINES,
            Self::Generator => &generator::LINES,
            Self::Together => &together::LINES,
            Self::Build => &build::LINES,
        }
    }

    /// A row for every line that was asked for; what could not be measured says why.
    pub(crate) async fn measure(self, bench: &Bench) -> Vec<Row> {
        let mut rows = Vec::new();
        let trouble = self.measure_into(bench, &mut rows).await.err();
        let reason = trouble.map_or_else(|| "it gave no figure".to_owned(), |trouble| trouble.to_string());
        let wanted = self.lines().iter().filter(|line| bench.wants(line));
        wanted
            .map(|line| {
                let place = rows.iter().position(|row| row.line.id == line.id);
                place
                    .map_or_else(|| Row::not_measured(*line, reason.clone()), |place| rows.swap_remove(place))
            })
            .collect()
    }

    async fn measure_into(self, bench: &Bench, rows: &mut Vec<Row>) -> Result<(), Trouble> {
        match self {
            Self::Calls => calls::measure(bench, rows).await,
            Self::Scale => scale::measure(bench, rows).await,
            Self::Lists => lists::measure(bench, rows).await,
            Self::Registrations => registrations::measure(bench, rows).await,
            Self::Mcp => mcp::measure(bench, rows).await,
            Self::Expiry => expiry::measure(bench, rows).await,
            Self::Memory => memory::measure(bench, rows).await,
            Self::Start => start::measure(bench, rows).await,
            Self::Peers => peers::measure(bench, rows).await,
            Self::Generator => generator::measure(bench, rows).await,
            Self::Together => together::measure(bench, rows).await,
            Self::Build => build::measure(bench, rows).await,
        }
    }
}

/// All lines, in the table's order.
pub(crate) fn all() -> impl Iterator<Item = &'static Line> {
    GROUPS.iter().flat_map(|group| group.lines())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn no_two_lines_have_one_name() {
        let ids: BTreeSet<&str> = super::all().map(|line| line.id).collect();
        assert_eq!(ids.len(), super::all().count());
        assert!(ids.len() >= 30, "{ids:?}");
    }
}
