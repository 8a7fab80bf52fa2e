//! The requirements as data: what a pull-based registry must prove, and which check decides it.
//!
//! Each has a check, and a test holds that each has a registry that fails it.

use std::fmt;
use std::str::FromStr;

use reports::history::Abilities;

mod reach;
mod rows;

pub use reach::beyond_a_url;
pub use rows::REQUIREMENTS;

/// Which registries a requirement is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Profile {
    /// Any liveness registry, through a dialect.
    Core,
    /// The whole of the contract.
    Contract,
    /// Registries that the harness starts and kills itself.
    Durable,
    /// The MCP interface.
    Mcp,
}

impl Profile {
    /// The word on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Contract => "contract",
            Self::Durable => "durable",
            Self::Mcp => "mcp",
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// How binding a requirement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Breaking it fails the run.
    Must,
}

impl Level {
    /// The word in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Must => "MUST",
        }
    }
}

/// A check that exists; each decides the requirement of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "each variant is the id of a requirement, whose text stands in its row")]
pub enum Check {
    Passive1,
    Passive2,
    Passive3,
    Passive4,
    Passive5,
    Time1,
    Time2,
    Time3,
    Time4,
    Time5,
    Time6,
    Time7,
    Time8,
    Time9,
    Race1,
    Race2,
    Race3,
    Race4,
    Race5,
    Race6,
    Race7,
    View1,
    View2,
    View3,
    View4,
    View5,
    View6,
    View7,
    View8,
    View9,
    View10,
    View11,
    Input1,
    Input2,
    Input3,
    Guard1,
    Guard2,
    Guard3,
    Durable1,
    Durable2,
    Durable3,
    Durable4,
    Durable5,
    Durable6,
    Mcp1,
    Mcp2,
    Mcp3,
    Mcp4,
}

/// What a registry must be able to do for a requirement to apply to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing beyond registering, renewing and listing.
    Nothing,
    /// A degraded state.
    Degraded,
    /// Timeouts by agent type.
    PoliciesByType,
    /// Lists with an ETag.
    ConditionalLists,
    /// Lists with an ETag, or answers with a revision.
    Versions,
    /// Registrations that survive SIGKILL.
    Durable,
    /// A full lease after a restart.
    LeaseAfterRestart,
    /// The whole contract, word for word.
    Contract,
}

impl Need {
    /// What a registry of these abilities lacks, in words; `None` when it has what is needed.
    pub fn lacking(self, abilities: &Abilities) -> Option<&'static str> {
        let (has, what) = match self {
            Self::Nothing => (true, ""),
            Self::Degraded => (abilities.degraded, "it knows no degraded state"),
            Self::PoliciesByType => (abilities.policies_by_type, "it has one policy for all agent types"),
            Self::ConditionalLists => (abilities.conditional_lists, "its lists carry no entity tag"),
            Self::Versions => (
                abilities.conditional_lists || abilities.revisions,
                "its lists carry neither an entity tag nor a revision",
            ),
            Self::Durable => (abilities.durable, "its registrations do not survive SIGKILL"),
            Self::Contract => (abilities.contract, "it does not speak the contract's own words"),
            Self::LeaseAfterRestart => {
                (abilities.lease_after_restart, "it promises no full lease after a restart")
            }
        };
        (!has).then_some(what)
    }
}

/// One requirement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requirement {
    /// `TIME-2`.
    pub id: &'static str,
    /// How binding it is.
    pub level: Level,
    /// Whom it is for.
    pub profile: Profile,
    /// What must hold.
    pub text: &'static str,
    /// What decides it.
    pub check: Check,
    /// What it depends on.
    pub need: Need,
    /// The least number of decisive samples for a pass; fewer is undecided.
    pub enough: u64,
}

const fn must(
    id: &'static str,
    profile: Profile,
    check: Check,
    need: Need,
    enough: u64,
    text: &'static str,
) -> Requirement {
    Requirement { id, level: Level::Must, profile, text, check, need, enough }
}

/// The row of a check.
pub fn row(check: Check) -> Option<&'static Requirement> {
    REQUIREMENTS.iter().find(|requirement| requirement.check == check)
}

/// Why a selection selects nothing that can be checked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// No such profile.
    #[error("unknown profile `{found}`; known are core, contract, durable, mcp and all")]
    UnknownProfile {
        /// What was given.
        found: String,
    },
    /// No such requirement.
    #[error("unknown requirement `{found}`; `--list` shows all of them")]
    UnknownRequirement {
        /// What was given.
        found: String,
    },
    /// None of the requirements that were named is of the profile.
    #[error("none of these requirements is of profile `{profile}`; `--list` shows the profile of each")]
    Nothing {
        /// Its name.
        profile: String,
    },
}

/// Which requirements a run is to decide.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only those of this profile; `None`: of all.
    pub profile: Option<Profile>,
    /// Only these; empty: no further limit.
    pub only: Vec<Check>,
}

impl Selection {
    /// Reads the words of a command line: a profile (`all` among them) and ids of requirements.
    ///
    /// # Errors
    /// When a word is unknown, or nothing is selected.
    pub fn parse(profile: Option<&str>, only: &[String]) -> Result<Self, SelectionError> {
        let profile = match profile {
            None | Some("all") => None,
            Some(name) => Some(name.parse::<Profile>()?),
        };
        let mut checks = Vec::new();
        for id in only {
            let wanted = id.to_ascii_uppercase();
            let row = REQUIREMENTS
                .iter()
                .find(|row| row.id == wanted)
                .ok_or_else(|| SelectionError::UnknownRequirement { found: id.clone() })?;
            checks.push(row.check);
        }
        let selection = Self { profile, only: checks };
        let some = selection.rows().next().is_some();
        if some {
            Ok(selection)
        } else {
            let profile = profile.map_or("all", Profile::name).to_owned();
            Err(SelectionError::Nothing { profile })
        }
    }

    /// The rows that are selected, in the catalogue's order.
    pub fn rows(&self) -> impl Iterator<Item = &'static Requirement> + '_ {
        REQUIREMENTS.iter().filter(|row| self.wants_row(row))
    }

    /// Whether this check is selected.
    pub fn wants(&self, check: Check) -> bool {
        row(check).is_some_and(|row| self.wants_row(row))
    }

    fn wants_row(&self, row: &Requirement) -> bool {
        // The contract profile is the whole contract, of which core is a part.
        let in_profile = match self.profile {
            None => true,
            Some(Profile::Contract) => matches!(row.profile, Profile::Core | Profile::Contract),
            Some(profile) => row.profile == profile,
        };
        in_profile && (self.only.is_empty() || self.only.contains(&row.check))
    }
}

impl FromStr for Profile {
    type Err = SelectionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Core, Self::Contract, Self::Durable, Self::Mcp]
            .into_iter()
            .find(|profile| profile.name() == text)
            .ok_or_else(|| SelectionError::UnknownProfile { found: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_is_listed_once() {
        let mut ids: Vec<_> = REQUIREMENTS.iter().map(|row| row.id).collect();
        ids.sort_unstable();
        let count = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), count);
        assert_eq!(count, 48);
    }

    #[test]
    fn the_contract_profile_holds_core_but_not_durable() {
        let selection = Selection::parse(Some("contract"), &[]).unwrap();
        assert!(selection.wants(Check::Time2) && selection.wants(Check::View3));
        assert!(!selection.wants(Check::Durable1));
    }

    #[test]
    fn a_requirement_of_another_profile_selects_nothing_and_is_an_error() {
        let error = Selection::parse(Some("mcp"), &["TIME-1".to_owned()]).unwrap_err();
        assert!(error.to_string().contains("none of these requirements is of profile `mcp`"), "{error}");
    }

    #[test]
    fn a_requirement_that_there_is_not_cannot_be_selected() {
        let error = Selection::parse(None, &["TIME-99".to_owned()]).unwrap_err();
        assert_eq!(error, SelectionError::UnknownRequirement { found: "TIME-99".to_owned() });
    }
}
