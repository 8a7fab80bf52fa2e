//! TLS on the listener, with a client of the same library; the program's tests use foreign ones.

use std::path::Path;
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use registry::config::{Overrides, Settings};
use registry::server::{self, ServeError};
use tempfile::tempdir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};

use crate::support::{Answer, PATIENCE, Registry};

/// Writes a certificate for `localhost` and its key, and gives what trusts it.
fn certificate(folder: &Path) -> RootCertStore {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("certificate.pem"), cert.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), signing_key.serialize_pem()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    roots
}

fn set(folder: &Path, overrides: &mut Overrides) {
    overrides.tls_certificate = Some(folder.join("certificate.pem").display().to_string());
    overrides.tls_key = Some(folder.join("key.pem").display().to_string());
}

fn connector(
    roots: &RootCertStore,
    versions: &[&'static SupportedProtocolVersion],
    alpn: &[&str],
) -> TlsConnector {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots.clone())
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

async fn ask(registry: &Registry, connector: &TlsConnector) -> std::io::Result<Answer> {
    let exchange = async {
        let socket = TcpStream::connect(registry.address).await?;
        let mut stream = connector.connect(ServerName::try_from("localhost").unwrap(), socket).await?;
        stream.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(Answer::parse(&answer))
    };
    tokio::time::timeout(PATIENCE, exchange).await.expect("an answer within the patience of the tests")
}

#[tokio::test]
async fn it_speaks_tls_1_2_and_1_3_and_http_1_1_only_and_a_silent_handshake_holds_up_nobody() {
    let folder = tempdir().unwrap();
    let roots = certificate(folder.path());
    let registry = Registry::start_with(folder.path(), |overrides| set(folder.path(), overrides)).await;
    let silent: Vec<TcpStream> =
        futures(8, async || TcpStream::connect(registry.address).await.unwrap()).await;
    for version in [&version::TLS12, &version::TLS13] {
        for alpn in [&[][..], &["http/1.1"], &["h2", "http/1.1"]] {
            let answer = ask(&registry, &connector(&roots, &[version], alpn)).await.unwrap();
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    }
    assert!(ask(&registry, &connector(&roots, &[&version::TLS13], &["h2"])).await.is_err(), "no HTTP/2 here");
    assert!(ask(&registry, &connector(&RootCertStore::empty(), &[&version::TLS13], &[])).await.is_err());
    let plain = registry.send(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
    assert!(!plain.starts_with(b"HTTP/"), "{:?}", String::from_utf8_lossy(&plain));
    // Those that never say anything are closed in the end, and until then they hold up no stop either.
    let mut silent = silent.into_iter();
    let mut first = silent.next().unwrap();
    let mut nothing = Vec::new();
    tokio::time::timeout(PATIENCE * 2, first.read_to_end(&mut nothing))
        .await
        .expect("closed by itself")
        .unwrap();
    let still_open = TcpStream::connect(registry.address).await.unwrap();
    registry.stop().await.unwrap();
    drop(still_open);
}

async fn futures<T>(count: usize, mut make: impl AsyncFnMut() -> T) -> Vec<T> {
    let mut made = Vec::new();
    for _ in 0..count {
        made.push(make().await);
    }
    made
}

/// Why the server does not start with these files.
async fn refused(folder: &Path) -> String {
    let mut overrides = Overrides {
        database: Some(format!("sqlite://{}", folder.join("registry.db").display())),
        listen: Some("127.0.0.1:0".into()),
        seal: Some("off".into()),
        ..Overrides::default()
    };
    set(folder, &mut overrides);
    let settings = Settings::load(None, &overrides).unwrap();
    let error =
        server::run(settings, |_| panic!("it must not serve"), std::future::pending()).await.unwrap_err();
    assert!(matches!(error, ServeError::Protection(_)), "{error}");
    assert!(!folder.join("registry.db").exists(), "nothing was opened");
    error.to_string()
}

#[tokio::test]
async fn files_that_are_missing_bad_or_of_another_key_refuse_the_start_and_no_key_is_repeated() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let told = refused(folder.path()).await;
    assert!(
        told.starts_with("tls_certificate: ") && told.contains("certificate.pem cannot be read"),
        "{told}"
    );
    certificate(folder.path());
    let key = std::fs::read_to_string(at("key.pem")).unwrap();
    let chain = std::fs::read_to_string(at("certificate.pem")).unwrap();

    certificate(folder.path());
    std::fs::write(at("key.pem"), &key).unwrap();
    let told = refused(folder.path()).await;
    assert!(told.contains("cannot be used together") && told.contains("of this key"), "{told}");

    std::fs::write(at("certificate.pem"), "nothing of the kind\n").unwrap();
    let told = refused(folder.path()).await;
    assert!(told.contains("holds no certificate; allowed: certificates in PEM"), "{told}");

    std::fs::write(at("certificate.pem"), &chain).unwrap();
    std::fs::write(at("key.pem"), &chain).unwrap();
    let told = refused(folder.path()).await;
    assert!(told.starts_with("tls_key: ") && told.contains("holds no private key; allowed: one"), "{told}");

    let torn = &key[..key.len() / 2];
    std::fs::write(at("key.pem"), torn).unwrap();
    let told = refused(folder.path()).await;
    assert!(told.starts_with("tls_key: ") && told.contains("allowed: one private key"), "{told}");
    let secret = key.lines().nth(1).unwrap();
    assert!(!told.contains(&secret[..16]), "{told}");
}
