//! The registry under test: started, or reached where it runs already, with the policies that it is held to.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reports::history::Policy;
use scenarios::model::{self, TargetKind};

use crate::client::{Client, SendError};
use crate::clock::Clock;
use crate::dialect::{self, Dialect, DialectError, WireRequest, wallflower};
use crate::process::{LaunchError, RegistryProcess, command_launch, reference_launch};

/// A registry that answers.
#[derive(Debug)]
pub struct Target {
    /// Speaks to it.
    pub client: Client,
    /// Its process, where the harness started it.
    pub process: Option<RegistryProcess>,
    /// Timeouts by agent type; `default` is always there.
    pub policies: BTreeMap<String, Policy>,
    /// W: how late it may be in showing a timer's effect, in milliseconds.
    pub transition_bound_ms: u64,
    /// How it is spoken to.
    pub dialect: Arc<dyn Dialect>,
    /// Where it is reached.
    pub url: String,
}

/// Why there is no registry to test.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// There is no such dialect.
    #[error(transparent)]
    Dialect(#[from] DialectError),
    /// This kind of registry cannot keep the timeouts.
    #[error("the dialect {dialect} cannot hold a registry to these policies: {reason}")]
    Policies {
        /// Its name.
        dialect: String,
        /// What cannot be kept, and what to write instead.
        reason: String,
    },
    /// It could not be started.
    #[error("the registry did not start: {0}")]
    Launch(#[from] LaunchError),
    /// The URL cannot be one of a registry.
    #[error("`{url}` is not a registry's address: {cause}")]
    Url {
        /// As given.
        url: String,
        /// Why not.
        cause: String,
    },
    /// Nobody answers at its URL.
    #[error("no registry answers at {url} ({cause}); is it running, and is the address right?")]
    Unreachable {
        /// Where it was looked for.
        url: String,
        /// What came instead.
        cause: String,
    },
    /// It does not tell its policies.
    #[error(
        "{url} does not tell its policies ({cause}); write them into the scenario, or give them with --policies"
    )]
    NoPolicies {
        /// Where it was asked.
        url: String,
        /// What came instead.
        cause: String,
    },
}

/// Where the token for a registry that runs already is taken from.
const TOKEN_VARIABLE: &str = "WALLFLOWER_TOKEN";

impl Target {
    /// Starts the registry, or connects to it, and learns its policies from itself where `target` gives none.
    /// `reference_program` is this program, which `serve`s the reference registry; `timeout` is for each call.
    ///
    /// # Errors
    /// When it cannot be started, does not answer or does not tell its policies.
    pub async fn open(
        target: &model::Target,
        reference_program: &Path,
        clock: Clock,
        timeout: Duration,
    ) -> Result<Self, TargetError> {
        let dialect = dialect::open(&target.dialect)?;
        let dialect = told(dialect, &policies_in_ms(&target.policies))?;
        let process = match &target.kind {
            TargetKind::Reference => Some(reference_launch(reference_program.to_owned(), &target.policies)),
            TargetKind::Command(command) => Some(command_launch(command)),
            TargetKind::Url(_) => None,
        };
        let process = match process {
            Some(spec) => Some(RegistryProcess::start(spec, clock).await?),
            None => None,
        };
        let url = match (&process, &target.kind) {
            (Some(process), _) => process.url(),
            (None, TargetKind::Url(url)) => url.trim_end_matches('/').to_owned(),
            (None, _) => String::new(),
        };
        let refused = |error| TargetError::Url { url: url.clone(), cause: cause_of(error) };
        // No token for a registry that is started here: it is another's.
        let client = client_of(&url, &dialect, clock, timeout, process.is_none()).map_err(refused)?;
        let (policies, transition_bound_ms) = if target.policies.is_empty() {
            published_policies(&client, dialect.as_ref(), &url).await?
        } else {
            reach(&client, &url).await?;
            (policies_in_ms(&target.policies), whole_ms(target.transition_bound))
        };
        Ok(Self { client, process, policies, transition_bound_ms, dialect, url })
    }
}

/// A client of the registry at `url`, with the token of the environment if there is one and it `may_authorize`. From the
/// environment, since command lines are seen by everybody on the machine and stand in the report.
pub(crate) fn client_of(
    url: &str,
    dialect: &Arc<dyn Dialect>,
    clock: Clock,
    timeout: Duration,
    may_authorize: bool,
) -> Result<Client, SendError> {
    let client = Client::new(url, Arc::clone(dialect), clock, timeout)?;
    match std::env::var(TOKEN_VARIABLE) {
        Ok(token) if may_authorize => client.with_token(token.trim()),
        _ => Ok(client),
    }
}

/// The dialect, told the timeouts if it needs them. What a registry tells of itself it need not be told.
pub(crate) fn told(
    dialect: Arc<dyn Dialect>,
    policies: &BTreeMap<String, Policy>,
) -> Result<Arc<dyn Dialect>, TargetError> {
    match dialect.with_policies(policies) {
        Ok(told) => Ok(told.unwrap_or(dialect)),
        Err(reason) => Err(TargetError::Policies { dialect: dialect.name().to_owned(), reason }),
    }
}

/// Any answer at all shows that somebody is there.
async fn reach(client: &Client, url: &str) -> Result<(), TargetError> {
    let answer = client.send(&WireRequest::bare("GET", "/health")).await;
    answer.map(drop).map_err(|error| unreachable(url, error))
}

async fn published_policies(
    client: &Client,
    dialect: &dyn Dialect,
    url: &str,
) -> Result<(BTreeMap<String, Policy>, u64), TargetError> {
    let none = |cause: String| TargetError::NoPolicies { url: url.to_owned(), cause };
    let path = dialect
        .policies_path()
        .ok_or_else(|| none(format!("the dialect {} has no way to ask for them", dialect.name())))?;
    let answer =
        client.send(&WireRequest::bare("GET", path)).await.map_err(|error| unreachable(url, error))?;
    if answer.status != 200 {
        return Err(none(format!("GET {path} answers {}", answer.status)));
    }
    wallflower::read_policies(&answer.body).map_err(|error| none(format!("GET {path}: {error}")))
}

fn unreachable(url: &str, error: SendError) -> TargetError {
    let cause = match error {
        SendError::TimedOut { timeout_ms, .. } => format!("no answer within {timeout_ms} ms"),
        other => cause_of(other),
    };
    TargetError::Unreachable { url: url.to_owned(), cause }
}

fn cause_of(error: SendError) -> String {
    match error {
        SendError::NotSent { cause, .. } | SendError::Failed { cause, .. } => cause,
        SendError::TimedOut { .. } => error.to_string(),
    }
}

/// Policies of a scenario or a file as histories carry them.
pub fn policies_in_ms(policies: &BTreeMap<String, model::Policy>) -> BTreeMap<String, Policy> {
    let in_ms = |policy: &model::Policy| Policy {
        heartbeat_interval_ms: whole_ms(policy.heartbeat_interval),
        degraded_after_ms: policy.degraded_after.map(whole_ms),
        expires_after_ms: whole_ms(policy.expires_after),
        evict_after_ms: policy.evict_after.map(whole_ms),
    };
    policies.iter().map(|(agent_type, policy)| (agent_type.clone(), in_ms(policy))).collect()
}

fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
