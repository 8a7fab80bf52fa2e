//! A real child process, started and ended in every way.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use agent_sim::client::{SendError, Wire};
use agent_sim::clock::Clock;
use agent_sim::dialect::WireRequest;
use agent_sim::process::{LaunchError, LaunchSpec, Ready, RegistryProcess};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reports::history::ProcessChange;

/// Generous, since it only bounds what should never happen.
const LONG: Duration = Duration::from_secs(30);

fn little_server() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let program = tests.parent().unwrap().with_file_name("examples").join("little_server");
    assert!(
        program.exists(),
        "{} is missing: build the examples too (plain `cargo test`)",
        program.display()
    );
    program
}

fn spec(more: &[&str]) -> LaunchSpec {
    let mut arguments = vec!["--listen".to_owned(), "127.0.0.1:{port}".to_owned()];
    arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
    LaunchSpec {
        program: little_server(),
        arguments,
        environment: BTreeMap::new(),
        files: BTreeMap::from([("settings.txt".to_owned(), "{dir} {port}".to_owned())]),
        ready: Ready::ListeningLine,
        ready_timeout: LONG,
        door: None,
    }
}

/// Who answers at the URL.
async fn ask(url: &str, timeout: Duration) -> Result<String, SendError> {
    let answer = Wire::new(url, timeout).unwrap().send(&WireRequest::bare("GET", "/")).await?;
    Ok(String::from_utf8(answer.body).unwrap())
}

fn runs(pid: i32) -> bool {
    procfs::process::Process::new(pid).and_then(|process| process.stat()).is_ok_and(|stat| stat.state != 'Z')
}

/// Waits for an end that is sure to come; the kernel needs a moment for a signal.
async fn wait_for_the_end_of(pid: i32) {
    let ended = tokio::time::timeout(LONG, async {
        while runs(pid) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(ended.await.is_ok(), "process {pid} still runs");
}

#[tokio::test]
async fn a_restart_after_a_kill_keeps_port_and_folder_and_adds_up_the_cpu() {
    let clock = Clock::start();
    let mut process = RegistryProcess::start(spec(&["--burn", "5"]), clock).await.unwrap();
    let (url, pid, folder) = (process.url(), process.pid(), process.folder().to_owned());
    assert_eq!(ask(&url, LONG).await.unwrap(), pid.to_string());
    let settings = std::fs::read_to_string(folder.join("settings.txt")).unwrap();
    assert_eq!(settings, format!("{} {}", folder.display(), url.rsplit(':').next().unwrap()));
    std::fs::write(folder.join("registry.db"), "kept").unwrap();
    let started = process.started();
    assert!(started.event == ProcessChange::Started && started.s_us < started.e_us, "{started:?}");
    let first_cost = process.cost();
    assert!(first_cost.pss_bytes > 0 && first_cost.fds > 0 && first_cost.threads > 0, "{first_cost:?}");

    let killed = process.kill().await;
    assert!(killed.event == ProcessChange::Killed && killed.s_us >= started.e_us, "{killed:?}");
    assert!(!process.is_running() && !runs(pid));
    assert!(matches!(ask(&url, LONG).await, Err(SendError::NotSent { .. })));
    let down = process.cost();
    assert!(down.pss_bytes == 0 && down.cpu_seconds >= first_cost.cpu_seconds, "{down:?}");
    assert_eq!(process.check(), None, "the harness itself caused this end");
    assert_eq!(process.kill().await, killed, "a dead process is not killed again");

    let restarted = process.restart().await.unwrap();
    assert!(restarted.event == ProcessChange::Started && restarted.s_us >= killed.e_us, "{restarted:?}");
    assert_eq!(process.url(), url);
    assert_ne!(process.pid(), pid);
    assert_eq!(ask(&url, LONG).await.unwrap(), process.pid().to_string());
    assert_eq!(std::fs::read_to_string(folder.join("registry.db")).unwrap(), "kept");
    let five_ticks = 5.0 / procfs::ticks_per_second() as f64;
    assert!(down.cpu_seconds >= five_ticks, "{down:?}");
    assert!(process.cost().cpu_seconds >= down.cpu_seconds + five_ticks, "both lives count");

    let pid = process.pid();
    process.stop().await;
    assert!(!runs(pid) && !folder.exists());
}

#[tokio::test]
async fn an_end_that_the_harness_did_not_cause_is_told_once() {
    let clock = Clock::start();
    let mut process = RegistryProcess::start(spec(&[]), clock).await.unwrap();
    assert_eq!(process.check(), None);
    let before_us = clock.now_us();
    kill(Pid::from_raw(process.pid()), Signal::SIGKILL).unwrap();
    wait_for_the_end_of(process.pid()).await;
    let died = process.check().unwrap();
    assert_eq!(died.event, ProcessChange::Died);
    assert!(died.s_us <= before_us && before_us <= died.e_us, "{died:?}");
    assert_eq!(process.check(), None);
    assert_eq!(process.kill().await, died);
    process.restart().await.unwrap();
    assert!(ask(&process.url(), LONG).await.is_ok());
}

#[tokio::test]
async fn a_paused_process_answers_nothing_until_it_goes_on() {
    let mut process = RegistryProcess::start(spec(&[]), Clock::start()).await.unwrap();
    let paused = process.pause().await.unwrap();
    let silent = ask(&process.url(), Duration::from_millis(100)).await;
    assert!(matches!(silent, Err(SendError::TimedOut { timeout_ms: 100, .. })), "{silent:?}");
    let resumed = process.resume().await.unwrap();
    assert_eq!((paused.event, resumed.event), (ProcessChange::Paused, ProcessChange::Continued));
    assert!(paused.s_us <= paused.e_us && paused.e_us < resumed.s_us && resumed.s_us <= resumed.e_us);
    assert_eq!(ask(&process.url(), LONG).await.unwrap(), process.pid().to_string());
    process.pause().await.unwrap();
    let pid = process.pid();
    process.stop().await;
    assert!(!runs(pid), "a paused process is stopped too");
}

#[tokio::test]
async fn a_child_that_prints_much_is_not_held_up() {
    let process = RegistryProcess::start(spec(&["--print", "1000000"]), Clock::start()).await.unwrap();
    let output = process.last_output();
    assert!(output.len() <= 16 * 1024 && output.contains("line "), "{}", output.len());
    process.stop().await;
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let missing = LaunchSpec { program: "/nowhere/registry".into(), ..spec(&[]) };
    let error = RegistryProcess::start(missing, Clock::start()).await.unwrap_err();
    assert!(
        matches!(&error, LaunchError::Spawn { program, .. } if program == Path::new("/nowhere/registry"))
    );
    assert!(error.to_string().contains("/nowhere/registry"), "{error}");
}

#[tokio::test]
async fn an_end_before_it_is_ready_is_told_with_the_last_words() {
    let error =
        RegistryProcess::start(spec(&["--fail", "no such database"]), Clock::start()).await.unwrap_err();
    let told = matches!(&error, LaunchError::Ended { output, status, .. }
        if output == "no such database" && status == "exit status: 7");
    assert!(told, "{error:?}");
}

#[tokio::test]
async fn one_that_never_gets_ready_is_given_up_and_killed() {
    let wrapped = LaunchSpec {
        program: "/bin/sh".into(),
        arguments: vec!["-c".to_owned(), "echo pid $$; exec sleep 1000".to_owned()],
        ready_timeout: Duration::from_millis(500),
        ..spec(&[])
    };
    let error = RegistryProcess::start(wrapped, Clock::start()).await.unwrap_err();
    let LaunchError::NotReady { output, .. } = &error else { panic!("{error:?}") };
    // A host too slow to start a shell in that time gives no number; what was started is gone all the same.
    if let Some(pid) = output.strip_prefix("pid ") {
        assert!(!runs(pid.parse().unwrap()));
    }
}

#[tokio::test]
async fn a_port_that_turns_out_to_be_in_use_is_exchanged_for_another() {
    let busy = spec(&["--busy-once", "{dir}/was-busy"]);
    let process = RegistryProcess::start(busy, Clock::start()).await.unwrap();
    assert!(process.folder().join("was-busy").exists());
    assert!(ask(&process.url(), LONG).await.is_ok());
}

#[tokio::test]
async fn what_a_wrapper_started_ends_with_it() {
    let path_ready = LaunchSpec {
        program: "/bin/sh".into(),
        arguments: vec!["-c".to_owned(), "\"$SERVER\" --listen 127.0.0.1:{port} --mute & wait".to_owned()],
        environment: BTreeMap::from([("SERVER".to_owned(), little_server().display().to_string())]),
        ready: Ready::Path("/health".to_owned()),
        ..spec(&[])
    };
    for how in ["stop", "kill", "drop"] {
        let mut process = RegistryProcess::start(path_ready.clone(), Clock::start()).await.unwrap();
        let (server, wrapper) = (ask(&process.url(), LONG).await.unwrap().parse().unwrap(), process.pid());
        assert_ne!(server, wrapper);
        match how {
            "stop" => process.stop().await,
            "kill" => {
                process.kill().await;
            }
            _ => drop(process),
        }
        wait_for_the_end_of(wrapper).await;
        wait_for_the_end_of(server).await;
    }
}

#[tokio::test]
async fn one_that_will_not_stop_is_killed() {
    let stubborn = LaunchSpec {
        program: "/bin/sh".into(),
        arguments: vec![
            "-c".to_owned(),
            "trap '' TERM; exec \"$SERVER\" --listen 127.0.0.1:{port}".to_owned(),
        ],
        environment: BTreeMap::from([("SERVER".to_owned(), little_server().display().to_string())]),
        ..spec(&[])
    };
    let process = RegistryProcess::start(stubborn, Clock::start()).await.unwrap();
    let pid = process.pid();
    process.stop().await;
    assert!(!runs(pid));
}
