//! TLS and tokens: what stands between the registry and those who reach its address.

use std::sync::Arc;
use std::time::Duration;

use crate::auth::{Tokens, TokensError, TokensFile};
use crate::config::Settings;
use crate::shared::Shared;
use crate::tls::{Certificate, TlsError};

/// How often the certificate's files are looked at: a renewal needs no signal.
const LOOK_PERIOD: Duration = Duration::from_secs(5);

/// Why the registry cannot be protected as it was told to be.
#[derive(Debug, thiserror::Error)]
pub enum ProtectionError {
    /// The certificate or its key.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The file of tokens.
    #[error(transparent)]
    Tokens(#[from] TokensError),
}

/// Reads the files that the settings name, to find what is wrong with them before a start does.
///
/// # Errors
/// When the server would not start with them.
pub fn check(settings: &Settings) -> Result<(), ProtectionError> {
    Protection::load(settings).map(drop)
}

/// What is in force.
#[derive(Debug, Default)]
pub(crate) struct Protection {
    certificate: Option<Certificate>,
    tokens: Option<TokensFile>,
}

impl Protection {
    pub(crate) fn load(settings: &Settings) -> Result<Self, ProtectionError> {
        Ok(Self {
            certificate: settings.tls.clone().map(Certificate::open).transpose()?,
            tokens: settings.tokens.as_deref().map(TokensFile::open).transpose()?,
        })
    }

    /// `None` when the listener speaks plain HTTP.
    pub(crate) fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref()
    }

    /// `None` when the registry is open.
    pub(crate) fn tokens(&self) -> Option<Arc<Tokens>> {
        self.tokens.as_ref().map(TokensFile::current)
    }

    fn reload(&self) {
        if let Some(tokens) = &self.tokens {
            tokens.reload();
        }
        if let Some(certificate) = &self.certificate {
            certificate.look(true);
        }
    }
}

/// Reads the files anew whenever `asked` changes, and looks from time to time whether the certificate is another. Ends
/// when it is dropped.
pub(crate) async fn keep_current(shared: Arc<Shared>, mut asked: tokio::sync::watch::Receiver<()>) {
    let mut can_be_asked = true;
    loop {
        let is_asked = tokio::select! {
            changed = asked.changed(), if can_be_asked => {
                can_be_asked = changed.is_ok();
                can_be_asked
            }
            () = tokio::time::sleep(LOOK_PERIOD), if shared.protection.certificate.is_some() => false,
            else => return,
        };
        let shared = Arc::clone(&shared);
        // Files may be on a slow disk, and a key takes some work.
        let looked = tokio::task::spawn_blocking(move || match (is_asked, &shared.protection.certificate) {
            (true, _) => shared.protection.reload(),
            (false, Some(certificate)) => certificate.look(false),
            (false, None) => {}
        });
        if let Err(error) = looked.await {
            tracing::error!(%error, "certificate and tokens could not be looked at");
        }
    }
}
