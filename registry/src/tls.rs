//! TLS on the listener: the certificate, which may be replaced while the registry runs, and the handshake.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::task::{Context, Poll};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig, version};
use tokio_rustls::server::TlsStream;

use crate::config::TlsFiles;

/// How long a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{setting}: {} cannot be read: {source}", .path.display())]
    Unreadable {
        /// Which one was to be read.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file holds something else.
    #[error("{setting}: {} {detail}; allowed: {allowed}", .path.display())]
    Invalid {
        /// Which one was read.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
        /// What it should hold.
        allowed: &'static str,
    },
    /// The two do not belong together, or cannot be used.
    #[error(
        "tls_certificate {} and tls_key {} cannot be used together: {detail}; the first certificate of the file has \
         to be the server's own, of this key", .certificate.display(), .key.display()
    )]
    Mismatch {
        /// The certificates.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
        /// What is wrong.
        detail: String,
    },
}

const CERTIFICATES: &str = "certificates in PEM (-----BEGIN CERTIFICATE-----), the server's own first";
const KEY: &str = "one private key in PEM (-----BEGIN PRIVATE KEY-----), without a passphrase";

/// The certificate in force, and the files that it comes from.
pub(crate) struct Certificate {
    files: TlsFiles,
    current: RwLock<Arc<ServerConfig>>,
    /// Of what the files held, or of why they could not be read, when they were last looked at.
    last_seen: Mutex<[u8; 32]>,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Certificate").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Certificate {
    pub(crate) fn open(files: TlsFiles) -> Result<Self, TlsError> {
        let read = Read::of(&files)?;
        let current = RwLock::new(Arc::new(read.configured(&files)?));
        Ok(Self { current, last_seen: Mutex::new(read.digest()), files })
    }

    /// Looks at the files, and takes what is new in them for the connections to come. What is wrong changes nothing,
    /// and is told once, or whenever somebody asks.
    pub(crate) fn look(&self, is_asked: bool) {
        let read = Read::of(&self.files);
        let seen = match &read {
            Ok(read) => read.digest(),
            Err(error) => Sha256::digest(error.to_string().as_bytes()).into(),
        };
        let mut last_seen = self.last_seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen == *last_seen && !is_asked {
            return;
        }
        *last_seen = seen;
        match read.and_then(|read| read.configured(&self.files)) {
            Ok(config) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
                tracing::info!("the certificate of the files holds for new connections");
            }
            Err(error) => tracing::error!(%error, "the certificate stays as it was"),
        }
    }

    fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What the two files hold.
struct Read {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Read {
    fn of(files: &TlsFiles) -> Result<Self, TlsError> {
        let read = |setting, path: &Path| {
            std::fs::read(path).map_err(|source| TlsError::Unreadable {
                setting,
                path: path.to_owned(),
                source,
            })
        };
        Ok(Self {
            certificate: read("tls_certificate", &files.certificate)?,
            key: read("tls_key", &files.key)?,
        })
    }

    fn digest(&self) -> [u8; 32] {
        let parts = [Sha256::digest(&self.certificate), Sha256::digest(&self.key)];
        Sha256::digest(parts.concat()).into()
    }

    fn configured(&self, files: &TlsFiles) -> Result<ServerConfig, TlsError> {
        let invalid = |detail: String| TlsError::Invalid {
            setting: "tls_certificate",
            path: files.certificate.clone(),
            detail,
            allowed: CERTIFICATES,
        };
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&self.certificate)
            .collect::<Result<_, pem::Error>>()
            .map_err(|error| invalid(format!("is not readable as PEM ({error})")))?;
        if chain.is_empty() {
            return Err(invalid("holds no certificate".to_owned()));
        }
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|error| TlsError::Invalid {
            setting: "tls_key",
            path: files.key.clone(),
            // What the reader says may repeat what it read.
            detail: match error {
                pem::Error::NoItemsFound => "holds no private key".to_owned(),
                _ => "is not readable as PEM".to_owned(),
            },
            allowed: KEY,
        })?;
        let mismatch = |error: rustls::Error| TlsError::Mismatch {
            certificate: files.certificate.clone(),
            key: files.key.clone(),
            detail: error.to_string(),
        };
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .map_err(mismatch)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(mismatch)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

/// A connection, with TLS or without.
pub(crate) enum Stream<S> {
    Plain(S),
    Tls(Box<TlsStream<S>>),
}

/// Makes the handshake, if there is a certificate. It is bounded in time, and to be awaited beside others.
pub(crate) async fn greet<S>(certificate: Option<&Certificate>, stream: S) -> io::Result<Stream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Some(certificate) = certificate else { return Ok(Stream::Plain(stream)) };
    let handshake = TlsAcceptor::from(certificate.current()).accept(stream);
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await {
        Ok(stream) => Ok(Stream::Tls(Box::new(stream?))),
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the TLS handshake took too long")),
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Stream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(context, parts),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(context, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }
}
