//! GUARD-2: a registry with tokens. Where the harness starts it, it makes the tokens too; where it is only reached,
//! they are given in the environment.

use std::hash::{BuildHasher as _, RandomState};

use agent_sim::client::{SendError, Wire};
use agent_sim::dialect::WireRequest;
use agent_sim::process::LaunchSpec;
use scenarios::model::TargetKind;
use sha2::{Digest as _, Sha256};

use super::super::probes::TIMEOUT;
use super::Stages;
use crate::catalogue::Check;
use crate::probe::tokens::{Bearer, Bearers, guard_2};

/// Where the tokens for a registry that runs already are taken from, beside that of an administrator in
/// `WALLFLOWER_TOKEN`, which every call to it carries: an agent's, what its ids begin with, an agent's of another
/// prefix, and a reader's.
const GIVEN: [&str; 4] = [
    "WALLFLOWER_TOKEN_AGENT",
    "WALLFLOWER_TOKEN_AGENT_PREFIX",
    "WALLFLOWER_TOKEN_OTHER_AGENT",
    "WALLFLOWER_TOKEN_READ",
];

/// The variable by which a command's registry is told of its file of tokens.
const FILE_VARIABLE: &str = "WALLFLOWER_TOKENS";

/// What the ids of the agent's token begin with, and of the other's.
const PREFIXES: [&str; 2] = ["guard-own-", "guard-other-"];

/// Tokens of one run; nothing shows them.
struct Secrets {
    admin: String,
    own: String,
    other: String,
    read: String,
}

impl Secrets {
    fn new() -> Self {
        Self { admin: secret(), own: secret(), other: secret(), read: secret() }
    }

    /// The file of tokens as the registry reads it.
    fn file(&self) -> String {
        let entry = |name: &str, secret: &str, scope: &str, prefix: Option<&str>| {
            let prefix = prefix.map(|prefix| format!("agent_prefix = \"{prefix}\"\n")).unwrap_or_default();
            let digest = hex(&Sha256::digest(secret));
            format!("[[tokens]]\nname = \"{name}\"\nsha256 = \"{digest}\"\nscopes = [\"{scope}\"]\n{prefix}")
        };
        [
            entry("admin", &self.admin, "admin", None),
            entry("own", &self.own, "agent", Some(PREFIXES[0])),
            entry("other", &self.other, "agent", Some(PREFIXES[1])),
            entry("read", &self.read, "read", None),
        ]
        .concat()
    }
}

impl Stages {
    pub(super) async fn tokens(&mut self) {
        self.say("asking with tokens, right and wrong".to_owned());
        match self.likeness.kind {
            TargetKind::Url(_) => self.given_tokens().await,
            _ => self.own_tokens().await,
        }
    }

    async fn own_tokens(&mut self) {
        let secrets = Secrets::new();
        let reference = self.likeness.kind == TargetKind::Reference;
        let policies = self.target.policies.clone();
        let change = |spec: &mut LaunchSpec| {
            spec.files.insert("tokens.toml".to_owned(), secrets.file());
            if reference {
                spec.arguments.extend(["--tokens".to_owned(), "{dir}/tokens.toml".to_owned()]);
            } else {
                spec.environment.insert(FILE_VARIABLE.to_owned(), "{dir}/tokens.toml".to_owned());
            }
        };
        let Some(process) = self.another(&policies, change).await else { return };
        let url = process.url();
        let wires = (|| {
            let with = |secret: &str| Wire::new(&url, TIMEOUT)?.with_token(secret);
            Ok(Bearers {
                admin: with(&secrets.admin)?,
                own: with(&secrets.own)?,
                others: others(&url, with(&secrets.other)?, with(&secrets.read)?)?,
                prefix: PREFIXES[0].to_owned(),
            })
        })();
        if reference || asks_for_a_token(&url).await {
            self.ask_with(wires).await;
        } else {
            let told = format!(
                "this command's registry does not take the file of tokens that {FILE_VARIABLE} names, so it is open to all"
            );
            self.leave_out(Check::Guard2, told);
        }
        process.stop().await;
    }

    async fn given_tokens(&mut self) {
        let given = GIVEN.map(|name| std::env::var(name).unwrap_or_default().trim().to_owned());
        if given.iter().any(String::is_empty) || !asks_for_a_token(&self.target.url).await {
            let told = format!(
                "a registry that is only reached is asked for tokens when it has some and they are given: an administrator's in \
                 WALLFLOWER_TOKEN, and {}",
                GIVEN.join(", ")
            );
            return self.leave_out(Check::Guard2, told);
        }
        let [own, prefix, other, read] = given;
        let url = self.target.url.clone();
        let with = |secret: &str| Wire::new(&url, TIMEOUT)?.with_token(secret);
        let wires = (|| {
            Ok(Bearers {
                admin: self.target.client.wire(TIMEOUT),
                own: with(&own)?,
                others: others(&url, with(&other)?, with(&read)?)?,
                prefix,
            })
        })();
        self.ask_with(wires).await;
    }

    async fn ask_with(&mut self, bearers: Result<Bearers, SendError>) {
        match bearers {
            Ok(bearers) => {
                let policies = self.target.policies.clone();
                let prober = self.prober(Check::Guard2, bearers.admin.clone(), policies.into(), None);
                guard_2(prober, bearers).await;
            }
            Err(error) => self.invalid.push(error.to_string()),
        }
    }
}

fn others(url: &str, other: Wire, read: Wire) -> Result<Vec<Bearer>, SendError> {
    let wrong = Wire::new(url, TIMEOUT)?.with_token(&secret())?;
    Ok(vec![
        Bearer { who: "none", wire: Wire::new(url, TIMEOUT)? },
        Bearer { who: "wrong", wire: wrong },
        Bearer { who: "other", wire: other },
        Bearer { who: "read", wire: read },
    ])
}

/// Whether it has tokens at all.
async fn asks_for_a_token(url: &str) -> bool {
    let Ok(wire) = Wire::new(url, TIMEOUT) else { return false };
    wire.send(&WireRequest::bare("GET", "/agents")).await.is_ok_and(|answer| answer.status == 401)
}

/// Nobody else on this machine can guess it: the keys of the standard library's hash maps come from the system.
fn secret() -> String {
    let chance: Vec<String> = (0..4).map(|part| RandomState::new().hash_one(part).to_string()).collect();
    format!("wf_{}", hex(&Sha256::digest(chance.join(" "))))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
