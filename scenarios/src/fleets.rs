//! `[[fleets]]`: the agents.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::error::{Fault, Faults};
use crate::manner;
use crate::model::{Fleet, Policy, Target};
use crate::section::{Section, Value};
use crate::values;

pub(crate) const FLEET_KEYS: [&str; 15] = [
    "name",
    "agents",
    "type",
    "heartbeat",
    "poll",
    "jitter",
    "capability_pool",
    "capabilities_per_agent",
    "dependencies_per_agent",
    "popularity",
    "zipf_exponent",
    "connections",
    "protocol",
    "discovery",
    "wait",
];

/// Most agents of a scenario: what a registry holds by default (CONTRACT.md 4.1).
const MAX_AGENTS: u32 = 1_000_000;
/// Ids are `<fleet>-<number>` and have at most 63 characters, so that every dialect can carry them.
const MAX_FLEET_NAME: usize = 63 - "-1000000".len();
/// Most capabilities of one agent, and most dependencies (CONTRACT.md 4.1).
const MAX_PER_AGENT: u32 = 256;
/// Most capabilities that a fleet can share.
const MAX_POOL: u32 = 100_000;

/// The policies by agent type, empty if the registry is to be asked for them; `None` if the target has faults, so that
/// nothing can be said of types.
type Policies<'p> = Option<&'p BTreeMap<String, Policy>>;

/// Reads all fleets; `target` is `None` if it has faults.
pub(crate) fn read_fleets(root: &Section<'_>, target: Option<&Target>, faults: &mut Faults) -> Vec<Fleet> {
    let sections = root.tables("fleets", faults);
    if root.value("fleets").is_none_or(|value| value.get_ref().as_array().is_some_and(|a| a.is_empty())) {
        faults.push(
            Fault::anywhere("the scenario has no fleet")
                .help("add `[[fleets]]` with a `name` and how many `agents`"),
        );
    }
    let mut names = BTreeMap::new();
    let mut agents = 0_u64;
    let mut fleets = Vec::new();
    for mut section in sections {
        let fleet = read_fleet(&mut section, target, faults);
        if let Some(value) = section.value("name") {
            refuse_twin("fleet", value, &mut names, faults);
        }
        if let (Some(fleet), Some(value)) = (&fleet, section.value("agents")) {
            agents += u64::from(fleet.agents);
            if agents > u64::from(MAX_AGENTS) && agents - u64::from(fleet.agents) <= u64::from(MAX_AGENTS) {
                faults.push(
                    Fault::at(
                        value.span(),
                        format!("with this fleet the scenario has {agents} agents"),
                        "too many in all",
                    )
                    .help(format!("at most {MAX_AGENTS} agents over all fleets")),
                );
            }
        }
        fleets.extend(fleet);
    }
    fleets
}

/// Reports a name that stood before, with both places.
pub(crate) fn refuse_twin(
    what: &str,
    value: &Value<'_>,
    names: &mut BTreeMap<String, Range<usize>>,
    faults: &mut Faults,
) {
    let Some(name) = value.get_ref().as_str() else { return };
    match names.get(name) {
        Some(first) => faults.push(
            Fault::at(value.span(), format!("two of kind {what} are called `{name}`"), "the second")
                .and_at(first.clone(), "the first")
                .help("give each a name of its own"),
        ),
        None => {
            names.insert(name.to_owned(), value.span());
        }
    }
}

fn read_fleet(section: &mut Section<'_>, target: Option<&Target>, faults: &mut Faults) -> Option<Fleet> {
    let policies = target.map(|target| &target.policies);
    section.refuse_unknown_keys(&FLEET_KEYS, faults);
    let name = section.required(
        "name",
        "name = \"workers\"",
        |key, value| values::name(key, value, MAX_FLEET_NAME),
        faults,
    );
    let agents = section.required("agents", "agents = 100", read_agents, faults);
    let agent_type =
        section.or("type", "default".to_owned(), |key, value| read_type(key, value, policies), faults);
    let policy = policies.zip(agent_type.as_ref()).and_then(|(policies, name)| policies.get(name));
    let heartbeat = match (section.value("heartbeat"), policy) {
        (None, Some(policy)) => Some(policy.heartbeat_interval),
        // The fault of the target or of the type is enough.
        (None, None) if policies.is_none_or(|policies| !policies.is_empty()) => None,
        _ => section.required("heartbeat", "heartbeat = \"1s\"", values::positive_duration, faults),
    };
    let poll = section.optional("poll", values::positive_duration, faults);
    let jitter = section.or("jitter", 0.0, |key, value| values::share(key, value, 0.5), faults);
    let pool = section.or("capability_pool", 0, |key, value| values::small(key, value, 0..=MAX_POOL), faults);
    let of_pool = |key: &str, default: u32, faults: &mut Faults| {
        let most = MAX_PER_AGENT.min(pool.unwrap_or(MAX_POOL));
        section.or(key, default.min(most), |key, value| read_of_pool(key, value, most), faults)
    };
    let capabilities_per_agent = of_pool("capabilities_per_agent", 1, faults);
    let dependencies_per_agent = of_pool("dependencies_per_agent", 0, faults);
    let popularity = manner::read_popularity(section, faults);
    let connections = manner::read_connections(section, faults);
    let dialect = target.map(|target| target.dialect.as_str());
    let protocol = manner::read_protocol(section, dialect, faults);
    let discovery = manner::read_discovery(section, dialect, faults);
    Some(Fleet {
        name: name?,
        agents: agents?,
        agent_type: agent_type?,
        heartbeat: heartbeat?,
        poll,
        jitter: jitter?,
        capability_pool: pool?,
        capabilities_per_agent: capabilities_per_agent?,
        dependencies_per_agent: dependencies_per_agent?,
        popularity: popularity?,
        connections: connections?,
        protocol: protocol?,
        discovery: discovery?,
    })
}

fn read_agents(key: &str, value: &Value<'_>) -> Result<u32, Fault> {
    if values::whole(key, value, 0..=0).is_ok() {
        return Err(Fault::at(value.span(), "the fleet is empty", "no agents")
            .help("give it at least one agent, or remove the fleet"));
    }
    values::small(key, value, 1..=MAX_AGENTS)
}

fn read_type(key: &str, value: &Value<'_>, policies: Policies<'_>) -> Result<String, Fault> {
    let agent_type = values::text(key, value)?;
    if !values::is_agent_type(&agent_type) {
        return Err(Fault::at(value.span(), format!("`{agent_type}` is no agent type"), "not allowed")
            .help("1 to 64 of A-Z a-z 0-9 . _ : -, the first a letter or digit"));
    }
    // A registry gives an unknown type the policy `default`, so a mistyped one would test nothing and tell nobody.
    if let Some(policies) = policies
        && !policies.is_empty()
        && !policies.contains_key(&agent_type)
    {
        let known: Vec<&str> = policies.keys().map(String::as_str).collect();
        return Err(Fault::at(
            value.span(),
            format!("no policy is for the type `{agent_type}`"),
            "no policy",
        )
        .help(format!(
            "{}; or add `[target.policies.{agent_type}]`",
            values::suggestion(&agent_type, &known, "types with a policy")
        )));
    }
    Ok(agent_type)
}

/// How many capabilities of the fleet's pool.
fn read_of_pool(key: &str, value: &Value<'_>, most: u32) -> Result<u32, Fault> {
    values::small(key, value, 0..=most).map_err(|fault| {
        fault.help(format!(
            "a whole number from 0 to {most}: the fleet's `capability_pool`, and at most {MAX_PER_AGENT}"
        ))
    })
}
