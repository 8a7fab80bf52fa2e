//! Starts registries and speaks HTTP/1.1 to them over plain sockets, since no HTTP client may be in the tree.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use registry::config::{Overrides, Settings};
use registry::server::{self, ServeError};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::openapi;

/// Far beyond what any call takes; a test that reaches it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(55);

/// A registry in this process.
pub(crate) struct Registry {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), ServeError>>,
}

impl Registry {
    /// Starts on the database in `folder`, with `policies` as `TYPE=H,D,X,Q`.
    pub(crate) async fn start(folder: &Path, policies: &[&str]) -> Self {
        Self::start_with(folder, |overrides| {
            overrides.policies = policies.iter().map(|&text| text.to_owned()).collect();
        })
        .await
    }

    pub(crate) async fn start_with(folder: &Path, set: impl FnOnce(&mut Overrides)) -> Self {
        let mut overrides = Overrides {
            database: Some(format!("sqlite://{}", database(folder).display())),
            // A seal would hold the whole test process, its clients included.
            seal: Some("off".into()),
            ..Overrides::default()
        };
        set(&mut overrides);
        Self::serve(Settings::load(None, &overrides).unwrap()).await
    }

    /// Starts with other limits than the shipped ones, which take minutes to reach.
    pub(crate) async fn start_limited(folder: &Path, set: impl FnOnce(&mut Settings)) -> Self {
        let overrides = Overrides {
            database: Some(database(folder).display().to_string()),
            seal: Some("off".into()),
            ..Overrides::default()
        };
        let mut settings = Settings::load(None, &overrides).unwrap();
        set(&mut settings);
        Self::serve(settings).await
    }

    async fn serve(settings: Settings) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(server::serve(settings, listener, async {
            let _ = stopped.await;
        }));
        Self { address, stop, task }
    }

    /// Stops gracefully.
    pub(crate) async fn stop(self) -> Result<(), ServeError> {
        self.stop.send(()).unwrap();
        tokio::time::timeout(PATIENCE, self.task).await.unwrap().unwrap()
    }

    pub(crate) async fn beat(&self, body: Value) -> Answer {
        self.call("POST", "/heartbeat", &[("content-type", "application/json")], body.to_string().as_bytes())
            .await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &[], b"").await
    }

    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: registry\r\nconnection: close\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        let bytes = [request.as_bytes(), body].concat();
        let answer = Answer::parse(&self.send(&bytes).await);
        openapi::check(method, path, &answer);
        answer
    }

    /// Sends bytes, says that no more come, and reads until the registry closes.
    pub(crate) async fn send_all(&self, bytes: &[u8]) -> Vec<u8> {
        let exchange = async {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            let _ = stream.write_all(bytes).await;
            let _ = stream.shutdown().await;
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            answer
        };
        tokio::time::timeout(PATIENCE, exchange).await.expect("an end within the patience of the tests")
    }

    /// Sends bytes and reads until the registry closes.
    pub(crate) async fn send(&self, bytes: &[u8]) -> Vec<u8> {
        let exchange = async {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            // The registry may have answered and closed before all is sent.
            let _ = stream.write_all(bytes).await;
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            answer
        };
        tokio::time::timeout(PATIENCE, exchange).await.expect("an answer within the patience of the tests")
    }
}

/// Asks again until it holds. Judges nothing about speed: only what never comes fails.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("it never came that {what}"));
}

pub(crate) fn database(folder: &Path) -> PathBuf {
    folder.join("registry.db")
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no HTTP answer: {text:?}"));
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap().parse().unwrap();
        let header = |line: &str| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        };
        let headers: BTreeMap<_, _> = lines.map(header).collect();
        assert_ne!(
            headers.get("transfer-encoding").map(String::as_str),
            Some("chunked"),
            "answers have a length"
        );
        Self { status, headers, body: body.to_owned() }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// Asserts that it is a problem document of this status and kind, and gives it.
    pub(crate) fn problem(&self, status: u16, kind: &str) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let problem = self.json();
        assert!(problem["type"].as_str().unwrap().ends_with(kind), "{problem}");
        assert_eq!(problem["status"], json!(status));
        assert!(problem["title"].is_string() && problem["detail"].is_string(), "{problem}");
        problem
    }

    pub(crate) fn pointers(&self) -> Vec<String> {
        let problem = self.json();
        let errors = problem["errors"].as_array().unwrap();
        assert!(errors.iter().all(|error| error["detail"].as_str().is_some_and(|text| !text.is_empty())));
        errors.iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect()
    }
}

/// A full heartbeat with nothing in it.
pub(crate) fn full(agent_id: &str) -> Value {
    json!({ "agent_id": agent_id, "capabilities": [] })
}

pub(crate) fn lean(agent_id: &str) -> Value {
    json!({ "agent_id": agent_id })
}

/// The ids that a list shows.
pub(crate) fn ids(list: &Value) -> Vec<String> {
    list["agents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|agent| agent["agent_id"].as_str().unwrap().to_owned())
        .collect()
}
