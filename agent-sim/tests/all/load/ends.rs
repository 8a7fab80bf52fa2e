//! Runs that end before their time, or never begin.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use agent_sim::load::{LoadError, LoadOptions, Progress};
use reports::history::{Line, ProcessChange};
use scenarios::model::{TargetCommand, TargetKind};
use tokio::sync::watch;

use super::server::{Server, Trouble};
use super::{hold, ms, run_with};
use crate::plan::fleet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_process_that_dies_ends_the_run_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let pid_file = folder.path().join("pid");
    let server =
        std::env::current_exe().unwrap().parent().unwrap().with_file_name("examples").join("little_server");
    let script =
        format!("echo $$ > {}; exec {} --listen 127.0.0.1:{{port}}", pid_file.display(), server.display());
    let mut scenario = hold(fleet("web", 2), Duration::from_secs(600));
    scenario.target.kind = TargetKind::Command(TargetCommand {
        command: ["/bin/sh", "-c", &script].map(str::to_owned).to_vec(),
        environment: BTreeMap::new(),
        ready_path: "/health".to_owned(),
        ready_timeout: Duration::from_secs(30),
    });
    let (_interrupt, interrupted) = watch::channel(false);
    let (progress, mut shown) = watch::channel(Progress::default());
    let killer = tokio::spawn(async move {
        shown.changed().await.unwrap();
        let pid = std::fs::read_to_string(pid_file).unwrap().trim().parse().unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).unwrap();
    });
    let run = run_with(&scenario, interrupted, progress).await;
    killer.await.unwrap();
    let [failure] = run.outcome.failed.as_slice() else { panic!("{:?}", run.outcome.failed) };
    assert!(failure.starts_with("the registry process ended by itself (noticed "), "{failure}");
    assert!(!run.outcome.interrupted && run.outcome.duration_ms < 600_000);
    let events: Vec<_> = run
        .lines
        .iter()
        .filter_map(|line| if let Line::Process(event) = line { Some(event.event) } else { None })
        .collect();
    assert_eq!(events, [ProcessChange::Started, ProcessChange::Died]);
    assert!(run.outcome.target.pss_bytes > 0 && run.outcome.target.fds > 0, "{:?}", run.outcome.target);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_prevents_a_run_says_what_where_and_what_to_do() {
    let server = Server::start(Trouble::default()).await;
    let mut scenario = hold(fleet("web", 2), ms(300));
    scenario.target.kind = TargetKind::Url(server.url.clone());
    let options = || LoadOptions {
        seed: 1,
        reference_program: PathBuf::from("/nowhere/wallflower"),
        traceparent: false,
        part: None,
        history: PathBuf::from("/proc/no/such/history.jsonl"),
        interrupt: watch::Sender::new(false).subscribe(),
        progress: watch::Sender::default(),
    };
    let error = agent_sim::load::run(&scenario, options()).await.unwrap_err();
    assert!(matches!(error, LoadError::History { .. }));
    assert!(
        error.to_string().contains("/proc/no/such/history.jsonl") && error.to_string().contains("choose"),
        "{error}"
    );
    scenario.target.kind = TargetKind::Reference;
    let error = agent_sim::load::run(&scenario, options()).await.unwrap_err();
    assert!(
        matches!(error, LoadError::Target(_)) && error.to_string().contains("/nowhere/wallflower"),
        "{error}"
    );
}
