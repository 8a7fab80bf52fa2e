//! Which registry is asked, and for what: from the command line, or from a target file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use conformance::catalogue::{Need, Profile, REQUIREMENTS, Selection};
use reports::conformance::Expectation;
use reports::history::Abilities;
use reports::result::{RequirementReport, RequirementVerdict};
use scenarios::model::{Target, TargetKind};
use scenarios::registry_file::{self, Known, Lack, RegistryFile};

use crate::cli::Conformance;
use crate::run::{self, Failure, USAGE};

/// The dialect of a registry of which nothing else is said.
const DEFAULT_DIALECT: &str = "wallflower";

/// A registry, what is known of it, and what reruns one requirement on it.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// As its target file has it.
    pub(crate) registry: RegistryFile,
    /// Failures that are known.
    pub(crate) expected: Vec<Expectation>,
    /// The words of a command line, but for `--only` and `--seed`.
    pub(crate) words: Vec<String>,
    /// strace is to tell who calls.
    pub(crate) explain: bool,
    /// The machine's own clock is to be stepped.
    pub(crate) step_system_clock: bool,
}

impl Asked {
    /// Of the command line.
    pub(super) fn of(arguments: &Conformance) -> Result<Self, Failure> {
        let file = arguments.target.as_deref().filter(|target| scenarios::is_described(target));
        let mut asked = match file {
            Some(path) => Self::of_file(Path::new(path))?,
            None => Self::of_flags(arguments)?,
        };
        if file.is_some() {
            for (flag, is_there, key) in [
                ("--dialect", arguments.dialect.is_some(), "dialect"),
                ("--policies", arguments.policies.is_some(), "[policies.default]"),
            ] {
                if is_there {
                    let told =
                        format!("{flag} has no meaning beside a target file; write `{key}` into the file");
                    return Err(Failure::new(USAGE, told));
                }
            }
        }
        asked.explain = arguments.explain;
        if arguments.step_system_clock {
            if matches!(asked.registry.target.kind, TargetKind::Url(_)) {
                let told = "--step-system-clock has no meaning for a registry that is only reached: TIME-8 needs one that \
                            the harness starts; give a target file with a `command`, or leave it out";
                return Err(Failure::new(USAGE, told));
            }
            asked.step_system_clock = true;
            asked.words.push("--step-system-clock".to_owned());
        }
        if let Some(path) = &arguments.expected {
            asked.expected = expected(path)?;
            asked.words.extend(["--expected".to_owned(), path.display().to_string()]);
        }
        Ok(asked)
    }

    /// Of a target file.
    pub(crate) fn of_file(path: &Path) -> Result<Self, Failure> {
        let ids: Vec<&str> = REQUIREMENTS.iter().map(|row| row.id).collect();
        let known = Known { abilities: &Abilities::NAMES, requirements: &ids };
        let mut registry =
            registry_file::load(path, known).map_err(|error| Failure::diagnostic(USAGE, error))?;
        if matches!(registry.target.kind, TargetKind::Command(_)) && !registry.keeps_data {
            let why = "the target file does not say `keeps_data = true`".to_owned();
            for what in ["durable", "lease_after_restart"] {
                if !registry.lacks.iter().any(|lack| lack.what == what) {
                    registry.lacks.push(Lack { what: what.to_owned(), why: why.clone() });
                }
            }
        }
        let expected = registry.expected.as_deref().map(expected).transpose()?.unwrap_or_default();
        let words = vec!["--target".to_owned(), path.display().to_string()];
        Ok(Self { registry, expected, words, explain: false, step_system_clock: false })
    }

    fn of_flags(arguments: &Conformance) -> Result<Self, Failure> {
        let dialect = arguments.dialect.as_deref().unwrap_or(DEFAULT_DIALECT);
        run::dialect(dialect)?;
        let (policies, transition_bound) = match &arguments.policies {
            Some(path) => {
                scenarios::load_policies(path).map_err(|error| Failure::diagnostic(USAGE, error))?
            }
            None => (BTreeMap::new(), Duration::from_millis(50)),
        };
        let mut words = Vec::new();
        let (kind, name) = match &arguments.target {
            Some(url) => {
                words.extend(["--target", url, "--dialect", dialect].map(str::to_owned));
                (TargetKind::Url(url.clone()), url.clone())
            }
            None if dialect == DEFAULT_DIALECT => {
                (TargetKind::Reference, "wallflower, the reference".to_owned())
            }
            None => {
                let told = format!(
                    "dialect `{dialect}` needs --target: a URL, or a TOML file that says how the registry is \
                     started (docs/conformance.md)"
                );
                return Err(Failure::new(USAGE, told));
            }
        };
        if let Some(path) = &arguments.policies {
            words.extend(["--policies".to_owned(), path.display().to_string()]);
        }
        let registry = RegistryFile {
            name,
            target: Target { kind, dialect: dialect.to_owned(), policies, transition_bound },
            lacks: Vec::new(),
            provoke: Vec::new(),
            keeps_data: false,
            store: None,
            expected: None,
            version_command: None,
        };
        Ok(Self { registry, expected: Vec::new(), words, explain: false, step_system_clock: false })
    }

    /// The command that reruns one requirement.
    pub(super) fn rerun(&self) -> String {
        let words = std::iter::once("conformance".to_owned()).chain(self.words.iter().cloned());
        format!("{} --only {{id}} --seed {{seed}}", run::command_line(words))
    }

    /// The abilities, by name, that it lacks although its dialect has them.
    pub(super) fn lacking_abilities(&self) -> Vec<String> {
        let lacks = self.registry.lacks.iter().map(|lack| lack.what.clone());
        lacks.filter(|what| Abilities::NAMES.contains(&what.as_str())).collect()
    }

    /// What is to be run, and the requirements that the registry is not asked for, each with the reason.
    pub(super) fn split(
        &self,
        selection: &Selection,
    ) -> Result<(Selection, Vec<RequirementReport>), Failure> {
        let mut selection = selection.clone();
        let is_url = matches!(self.registry.target.kind, TargetKind::Url(_));
        if is_url && selection.profile.is_none() && selection.only.is_empty() {
            selection.profile = Some(Profile::Contract);
        }
        let dialect = run::dialect(&self.registry.target.dialect)?;
        let lacking = self.lacking_abilities();
        let has = lacking.iter().fold(dialect.abilities(), |has, name| has.without(name));
        let why = |what: &str| {
            self.registry.lacks.iter().find(|lack| lack.what == what).map(|lack| lack.why.as_str())
        };
        let mut asked = Vec::new();
        let mut not_asked = Vec::new();
        for row in selection.rows() {
            let reason = why(row.id).map(str::to_owned).or_else(|| {
                let words = row.need.lacking(&has)?;
                let by_file = lacking.iter().find(|name| decides(row.need, &dialect.abilities(), name));
                let more = by_file.and_then(|name| why(name)).map(|why| format!(" ({why})"));
                Some(format!("{words}{}", more.unwrap_or_default()))
            });
            match reason {
                None => asked.push(row.check),
                Some(reason) => not_asked.push(RequirementReport {
                    id: row.id.to_owned(),
                    level: row.level.name().to_owned(),
                    text: row.text.to_owned(),
                    verdict: RequirementVerdict::NotApplicable,
                    decided: 0,
                    samples: 0,
                    broken: 0,
                    detail: format!("this registry is not asked: {reason}"),
                    timeline: Vec::new(),
                    rerun: String::new(),
                    proof: None,
                }),
            }
        }
        if asked.is_empty() {
            let reasons: Vec<String> =
                not_asked.iter().map(|row| format!("{}: {}", row.id, row.detail)).collect();
            let told = format!("nothing is left to ask of this registry; {}", reasons.join("; "));
            return Err(Failure::new(USAGE, told));
        }
        if !not_asked.is_empty() {
            selection = Selection { profile: selection.profile, only: asked };
        }
        Ok((selection, not_asked))
    }
}

/// Whether it is for want of this ability that a requirement does not apply.
fn decides(need: Need, abilities: &Abilities, name: &str) -> bool {
    need.lacking(abilities).is_none() && need.lacking(&abilities.clone().without(name)).is_some()
}

fn expected(path: &Path) -> Result<Vec<Expectation>, Failure> {
    let ids: Vec<&str> = REQUIREMENTS.iter().map(|row| row.id).collect();
    let read = scenarios::expected::load(path, &ids).map_err(|error| Failure::diagnostic(USAGE, error))?;
    let read = read.into_iter();
    Ok(read.map(|it| Expectation { requirement: it.requirement, why: it.why, issue: it.issue }).collect())
}

/// The paths that target files come under, from the program's root folder.
pub(crate) fn shipped() -> Vec<PathBuf> {
    ["mcp-mesh", "etcd", "r-nacos"]
        .map(|name| PathBuf::from(format!("conformance/targets/{name}.toml")))
        .to_vec()
}
