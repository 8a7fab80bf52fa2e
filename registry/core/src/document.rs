//! What an agent declares, as types that cannot be wrong. [`crate::intake`] makes them from bytes.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use compact_str::CompactString;
use semver::{Version, VersionReq};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $longest:expr, $slash:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(CompactString);

        impl $name {
            /// The most characters that it may have.
            pub const LONGEST: usize = $longest;

            /// Refuses, with a reason, what does not have the form.
            pub fn parse(text: &str) -> Result<Self, String> {
                check_name(text, $longest, $slash)?;
                Ok(Self(text.into()))
            }

            /// As text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

name_type!(
    /// Who an agent is: 1 to 128 of `A-Z a-z 0-9 . _ : -`, beginning with a letter or digit.
    AgentId, 128, false
);
name_type!(
    /// What kind of agent it is: as an id, at most 64 characters.
    AgentType, 64, false
);
name_type!(
    /// What an agent can do: as an id, with `/` allowed.
    CapabilityName, 128, true
);
name_type!(
    /// The key of a label: as an id.
    LabelKey, 128, false
);

impl Default for AgentType {
    fn default() -> Self {
        Self("default".into())
    }
}

fn check_name(text: &str, longest: usize, slash: bool) -> Result<(), String> {
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte) || (slash && byte == b'/');
    let Some(first) = text.bytes().next() else { return Err("must not be empty".into()) };
    if text.len() > longest {
        return Err(format!("has {} bytes, at most {longest} are allowed", text.len()));
    }
    if !first.is_ascii_alphanumeric() {
        return Err("must begin with a letter or digit (A-Z a-z 0-9)".into());
    }
    match text.chars().find(|character| !u8::try_from(*character).is_ok_and(allowed)) {
        None => Ok(()),
        Some(character) => {
            let slash = if slash { " /" } else { "" };
            Err(format!("contains {character:?}; allowed are A-Z a-z 0-9 . _ : -{slash}"))
        }
    }
}

/// What an agent says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
pub enum Reported {
    /// All is well.
    Healthy,
    /// It works, but not well.
    Degraded,
}

/// A capability that an agent offers.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Capability {
    /// What it can do.
    pub name: CapabilityName,
    /// In which version.
    pub version: Version,
    /// In the order in which they were declared.
    pub tags: Vec<String>,
    /// For people and language models.
    pub description: Option<String>,
}

/// A SemVer requirement together with the text that declared it, which views show again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Requirement {
    text: Arc<str>,
    parsed: VersionReq,
}

impl Requirement {
    /// Cargo's dialect, see section 4.9.
    pub fn parse(text: &str) -> Result<Self, semver::Error> {
        Ok(Self { text: text.into(), parsed: VersionReq::parse(text)? })
    }

    /// Matches every version that is no pre-release.
    pub fn any() -> Self {
        Self { text: "*".into(), parsed: VersionReq::STAR }
    }

    /// As it was declared.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a version satisfies it.
    pub fn matches(&self, version: &Version) -> bool {
        self.parsed.matches(version)
    }
}

impl Serialize for Requirement {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// A capability that an agent needs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Dependency {
    /// What it needs.
    pub capability: CapabilityName,
    /// In which versions.
    pub version: Requirement,
    /// All of them must be among the tags of the capability.
    pub tags: Vec<String>,
}

impl Dependency {
    /// Whether a capability is what it needs.
    pub fn is_met_by(&self, capability: &Capability) -> bool {
        self.capability == capability.name && self.is_met_in(&capability.version, &capability.tags)
    }

    /// Whether the capability that it names, in this version and with these tags, is what it needs.
    pub(crate) fn is_met_in(&self, version: &Version, tags: &[String]) -> bool {
        self.tags.iter().all(|tag| tags.contains(tag)) && self.version.matches(version)
    }
}

/// An opaque JSON object, kept as it came. Two are equal when they say the same, however they are written.
#[derive(Debug, Clone)]
pub struct Metadata(Box<RawValue>);

impl Metadata {
    /// `raw` must be an object; [`crate::intake`] checks it.
    pub(crate) fn new(raw: Box<RawValue>) -> Self {
        Self(raw)
    }

    /// From text that was checked before, such as the store's.
    pub fn from_json(text: String) -> Result<Self, serde_json::Error> {
        RawValue::from_string(text).map(Self)
    }

    /// As it was declared.
    pub fn as_json(&self) -> &str {
        self.0.get()
    }

    /// As it was declared, to be put into larger JSON.
    pub fn as_raw(&self) -> &RawValue {
        &self.0
    }
}

impl PartialEq for Metadata {
    fn eq(&self, other: &Self) -> bool {
        let parse = |text| serde_json::from_str::<serde_json::Value>(text).ok();
        self.as_json() == other.as_json() || parse(self.as_json()) == parse(other.as_json())
    }
}

/// What a full heartbeat declares.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Document {
    /// Chooses the policy.
    pub agent_type: AgentType,
    /// Where other agents reach it. Kept and handed out, never dialled.
    pub endpoint: Option<Arc<str>>,
    /// What it offers, in the declared order.
    pub capabilities: Arc<[Capability]>,
    /// What it needs, in the declared order.
    pub dependencies: Arc<[Dependency]>,
    /// Sorted by key.
    pub labels: Arc<BTreeMap<LabelKey, String>>,
    /// Opaque; `None` shows as `{}`.
    pub metadata: Option<Metadata>,
}

impl Document {
    /// How much memory it takes, about.
    pub(crate) fn bytes(&self) -> usize {
        const OVERHEAD: usize = 64;
        let tags = |tags: &[String]| tags.iter().map(|tag| tag.len() + OVERHEAD).sum::<usize>();
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let offers = self.capabilities.iter().map(|offer| {
            offer.name.as_str().len() + tags(&offer.tags) + text(&offer.description) + 2 * OVERHEAD
        });
        let needs = self.dependencies.iter().map(|needed| {
            needed.capability.as_str().len()
                + tags(&needed.tags)
                + needed.version.as_str().len()
                + 4 * OVERHEAD
        });
        let labels = self.labels.iter().map(|(key, value)| key.as_str().len() + value.len() + OVERHEAD);
        let metadata = self.metadata.as_ref().map_or(0, |metadata| metadata.as_json().len());
        let endpoint = self.endpoint.as_ref().map_or(0, |endpoint| endpoint.len());
        4 * OVERHEAD + endpoint + metadata + offers.chain(needs).chain(labels).sum::<usize>()
    }

    /// Whether it says the same as another one: no metadata and `{}` are the same.
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        let bare = |metadata: &Option<Metadata>| metadata.as_ref().is_none_or(|m| m.as_json() == "{}");
        self.agent_type == other.agent_type
            && self.endpoint == other.endpoint
            && self.capabilities == other.capabilities
            && self.dependencies == other.dependencies
            && self.labels == other.labels
            && (self.metadata == other.metadata || (bare(&self.metadata) && bare(&other.metadata)))
    }
}

/// A heartbeat that keeps every rule of section 4.1.
#[derive(Debug, Clone, PartialEq)]
pub struct Heartbeat {
    /// Who beats.
    pub agent_id: AgentId,
    /// What it says of itself, if anything.
    pub status: Option<Reported>,
    /// The whole document when it is full, `None` when it is lean.
    pub document: Option<Document>,
    /// One per process start, increasing.
    pub incarnation: Option<u64>,
    /// Increasing inside an incarnation.
    pub sequence: Option<u64>,
    /// The last wiring revision that the agent has seen.
    pub wiring_revision: Option<u64>,
}

/// Whether a full heartbeat declares dependencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HasDependencies(pub bool);

impl Heartbeat {
    /// `None` when it is lean.
    pub fn full(&self) -> Option<HasDependencies> {
        self.document.as_ref().map(|document| HasDependencies(!document.dependencies.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_their_form() {
        assert!(AgentId::parse("a").is_ok());
        assert!(AgentId::parse("9:a.b_c-D").is_ok());
        assert!(AgentId::parse(&"x".repeat(128)).is_ok());
        for bad in ["", "-a", ".a", "a b", "a/b", "ä", "a\0", &"x".repeat(129)] {
            assert!(AgentId::parse(bad).is_err(), "{bad:?}");
        }
        assert!(AgentType::parse(&"x".repeat(64)).is_ok());
        assert!(AgentType::parse(&"x".repeat(65)).is_err());
        assert!(CapabilityName::parse("geo/lookup").is_ok());
        assert!(CapabilityName::parse("/lookup").is_err());
    }

    #[test]
    fn metadata_is_compared_by_meaning() {
        let parse = |text: &str| Metadata::from_json(text.into()).expect("JSON");
        assert_eq!(parse(r#"{"a":1,"b":2}"#), parse(r#"{ "b": 2, "a": 1 }"#));
        assert_ne!(parse(r#"{"a":1}"#), parse(r#"{"a":2}"#));
    }
}
