//! TLS and tokens of the built program, with foreign clients: `openssl` makes certificates, `curl` calls.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::operations::eventually;
use crate::program::{Served, code, run, text, wallflower};

const PAGE: &str = include_str!("../../docs/operating.md");

/// The commands of the section, in order.
fn documented() -> Vec<&'static str> {
    let (_, section) = PAGE.split_once("## TLS and tokens").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    section.lines().filter_map(|line| line.strip_prefix("$ ")).collect()
}

/// Runs a line of the page in a folder, where `wallflower` is the program under test. Gives what it printed.
fn shell(folder: &Path, line: &str) -> String {
    let programs = Path::new(crate::program::path()).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let output =
        Command::new("sh").args(["-c", line]).current_dir(folder).env("PATH", path).output().unwrap();
    assert!(output.status.success(), "{line}: {}", text(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Makes what the page's commands make, and starts the registry that they start.
fn served(folder: &Path) -> Served {
    for line in documented().into_iter().take_while(|line| !line.starts_with("wallflower serve")) {
        shell(folder, line);
    }
    let line = documented().into_iter().find(|line| line.starts_with("wallflower serve")).unwrap();
    let mut command = wallflower();
    let words = line.split(' ').skip(1).map(|word| word.replace("127.0.0.1:8443", "127.0.0.1:0"));
    command.current_dir(folder).args(words).args(["--database", "sqlite://registry.db", "--seal", "require"]);
    command.arg("--access-log").env("RUST_LOG", "debug");
    Served::of(command, folder)
}

/// Status and body of a request with the token of this file, if any.
fn ask(folder: &Path, served: &Served, token: Option<&str>, arguments: &str) -> (String, String) {
    let token = token.map(|file| format!("-H \"authorization: Bearer $(cat {file})\"")).unwrap_or_default();
    let line = format!(
        "curl -sS --cacert certificate.pem -w '\\n%{{http_code}}' {token} {}",
        arguments.replace("URL", &served.url)
    );
    let told = shell(folder, &line);
    let (body, status) = told.rsplit_once('\n').unwrap();
    (status.to_owned(), body.to_owned())
}

fn log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("serve.log")).unwrap()
}

#[test]
fn the_commands_of_the_operators_page_protect_a_sealed_registry_and_no_token_is_ever_logged() {
    let folder = tempfile::tempdir().unwrap();
    let served = served(folder.path());
    assert!(served.url.starts_with("https://127.0.0.1:"), "{}", served.url);
    let later = documented().into_iter().skip_while(|line| !line.starts_with("wallflower serve")).skip(1);
    let later: Vec<_> = later.collect();
    assert!(later.len() >= 2, "{later:?}");
    for line in later {
        let line = line.replace("https://127.0.0.1:8443", &served.url);
        let told: Value = serde_json::from_str(&shell(folder.path(), &line)).unwrap();
        assert!(told["result"] == "registered" || told["agents"][0]["agent_id"] == "team-a-1", "{told}");
    }
    let health = ask(folder.path(), &served, Some("ops.token"), "URL/health");
    assert!(health.1.contains("enforced by the kernel"), "{health:?}");
    assert_eq!(ask(folder.path(), &served, None, "URL/agents").0, "401");
    assert_eq!(ask(folder.path(), &served, None, "URL/livez").0, "200");
    assert_eq!(ask(folder.path(), &served, Some("team-a.token"), "-X DELETE URL/agents/team-b-1").0, "403");
    assert_eq!(ask(folder.path(), &served, None, "-H 'authorization: Bearer wf_wrong' URL/agents").0, "401");
    eventually("the last request is logged", || log(folder.path()).matches("status=401").count() >= 2);
    let log = log(folder.path());
    for file in ["team-a.token", "ops.token"] {
        let token = std::fs::read_to_string(folder.path().join(file)).unwrap();
        assert!(!log.contains(token.trim()) && !log.contains(&token.trim()[3..]), "{log}");
    }
    assert!(!log.contains("wf_"), "{log}");
}

#[test]
fn sighup_or_time_brings_another_certificate_sighup_other_tokens_and_bad_files_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let served = served(folder.path());
    let make = documented()[0];
    assert!(make.starts_with("openssl req"), "{make}");
    // The client trusts the new certificate alone, so an answer shows which one is served.
    let trusts = |file: &str| {
        let line = format!("curl -sS -o answer --cacert {file} {}/livez; echo $?", served.url);
        shell(folder.path(), &line).trim() == "0"
    };
    std::fs::copy(at("certificate.pem"), at("first.pem")).unwrap();
    shell(folder.path(), make);
    std::fs::copy(at("certificate.pem"), at("second.pem")).unwrap();
    served.signal("HUP");
    eventually("the second certificate is served", || trusts("second.pem"));
    assert!(!trusts("first.pem"));
    shell(folder.path(), make);
    eventually("the third certificate is served without a signal", || trusts("certificate.pem"));
    std::fs::copy(at("certificate.pem"), at("third.pem")).unwrap();
    std::fs::write(at("certificate.pem"), "torn").unwrap();
    eventually("the torn certificate is told of", || {
        log(folder.path()).contains("the certificate stays as it was")
    });
    assert!(trusts("third.pem"));
    std::fs::copy(at("third.pem"), at("certificate.pem")).unwrap();

    let status = |token: &str| ask(folder.path(), &served, Some(token), "URL/agents").0;
    assert_eq!(status("ops.token"), "200");
    let tokens = std::fs::read_to_string(at("tokens.toml")).unwrap();
    shell(folder.path(), "wallflower token new --name new --scope read >new.token 2>tokens.toml");
    assert_eq!(status("new.token"), "401", "not before the signal");
    served.signal("HUP");
    eventually("the new token is known", || status("new.token") == "200");
    assert_eq!(status("ops.token"), "401");
    std::fs::write(at("tokens.toml"), "[[tokens]]\nname = 3\n").unwrap();
    served.signal("HUP");
    eventually("the bad file is told of", || log(folder.path()).contains("the tokens stay as they were"));
    assert!(log(folder.path()).contains("tokens.toml:2:8: tokens.name is of the kind integer"));
    assert_eq!(status("new.token"), "200");
    std::fs::write(at("tokens.toml"), tokens).unwrap();
}

#[test]
fn the_client_for_people_sends_its_token_and_bad_files_are_told_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    shell(folder.path(), "wallflower token new --name ops --scope admin >ops.token 2>tokens.toml");
    let served = Served::start(folder.path(), &["--tokens", &at("tokens.toml")]);
    let denied = run(&["agents", "--url", &served.url]);
    assert_eq!(code(&denied), 1, "{}", text(&denied));
    assert!(text(&denied).contains("401") && text(&denied).contains("send a token"), "{}", text(&denied));
    let listed = run(&["agents", "--url", &served.url, "--token-file", &at("ops.token")]);
    assert_eq!(code(&listed), 0, "{}", text(&listed));
    let token = std::fs::read_to_string(at("ops.token")).unwrap();
    let listed =
        wallflower().args(["agents", "--url", &served.url]).env("WALLFLOWER_TOKEN", token.trim()).output();
    assert_eq!(code(&listed.unwrap()), 0);
    let missing = run(&["agents", "--url", &served.url, "--token-file", &at("none")]);
    assert_eq!(code(&missing), 4, "{}", text(&missing));

    let file = folder.path().join("wallflower.toml");
    std::fs::write(&file, format!("tokens = \"{}\"\n", at("nowhere.toml"))).unwrap();
    for arguments in
        [["config", "check", &at("wallflower.toml")], ["serve", "--config", &at("wallflower.toml")]]
    {
        let output = run(&arguments);
        assert_eq!(code(&output), 4, "{}", text(&output));
        assert!(text(&output).contains("nowhere.toml cannot be read"), "{}", text(&output));
    }
    let open = run(&["serve", "--listen", "0.0.0.0:0", "--tokens", &at("tokens.toml")]);
    assert_eq!(code(&open), 4, "TLS is missing: {}", text(&open));
}
