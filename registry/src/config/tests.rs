//! Where settings come from, and what is said of wrong ones.

use std::path::PathBuf;

use tempfile::TempDir;

use super::*;

fn file(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("wallflower.toml");
    std::fs::write(&path, text).expect("a file");
    (folder, path)
}

fn load(text: &str, overrides: &Overrides) -> Result<Settings, String> {
    let (folder, path) = file(text);
    let loaded = Settings::load(Some(&path), overrides);
    loaded.map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
}

fn error(text: &str) -> String {
    load(text, &Overrides::default()).expect_err("an error")
}

#[test]
fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
    let defaults = Settings::load(None, &Overrides::default()).expect("defaults");
    assert_eq!(defaults.listen.to_string(), "127.0.0.1:8000");
    assert_eq!(defaults.database, PathBuf::from("registry.db"));
    assert_eq!(defaults.max_agents, 1_000_000);

    let text = "listen = \"127.0.0.1:9000\"\nmax_agents = 1_000\nlog_format = \"json\"\n\
        [policies.default]\nevict_after = \"2m\"\n[policies.gpu-worker]\nheartbeat_interval = \"250ms\"\n";
    let overrides = Overrides {
        max_agents: Some("7".into()),
        policies: vec!["quick=10ms,20ms,30ms,40ms".into()],
        ..Overrides::default()
    };
    let settings = load(text, &overrides).expect("valid");
    assert_eq!(settings.listen.to_string(), "127.0.0.1:9000");
    assert_eq!((settings.max_agents, settings.log_format), (7, LogFormat::Json));
    let of = |name| *settings.policies.of(&AgentType::parse(name).expect("a name"));
    assert_eq!(of("default").evict_after_ms(), 120_000);
    assert_eq!((of("gpu-worker").heartbeat_interval_ms(), of("gpu-worker").evict_after_ms()), (250, 120_000));
    assert_eq!(of("quick").expires_after_ms(), 30);
}

#[test]
fn a_mistyped_key_is_shown_with_its_place_and_the_nearest_known_one() {
    assert_eq!(
        error("\n  listne = \"127.0.0.1:1\"\n"),
        "wallflower.toml:2:3: listne is no known key; did you mean listen?; allowed: listen, database, log_format, \
         access_log, max_agents, allowed_hosts, max_connections, insecure, seal, tls_certificate, tls_key, tokens, \
         policies"
    );
    let nested = error("[policies.default]\nexpire_after = \"1s\"\n");
    assert!(
        nested.starts_with(
            "wallflower.toml:2:1: policies.default.expire_after is no known key; did you mean expires_after?"
        ),
        "{nested}"
    );
    let nothing_near = error("zzz = 1\n");
    assert!(nothing_near.contains("zzz is no known key; allowed:"), "{nothing_near}");
}

#[test]
fn a_policy_out_of_order_or_bounds_names_the_timeout_and_the_rule() {
    assert_eq!(
        error("[policies.gpu]\nheartbeat_interval = \"5s\"\ndegraded_after = \"3s\"\n"),
        "wallflower.toml:3:18: policies.gpu.degraded_after is 3s, which is not more than heartbeat_interval (5s); \
         allowed: heartbeat_interval < degraded_after < expires_after < evict_after"
    );
    let inherited = error("[policies.gpu]\nexpires_after = \"2m\"\n");
    assert!(
        inherited.starts_with("wallflower.toml:1:11: policies.gpu.evict_after is 1m, which"),
        "{inherited}"
    );
    let short = error("[policies.default]\nheartbeat_interval = \"9ms\"\n");
    assert!(short.contains("heartbeat_interval is 9ms; allowed: 10ms to 30days"), "{short}");
    let unit = error("[policies.default]\nheartbeat_interval = 5\n");
    assert!(
        unit.contains("2:22: policies.default.heartbeat_interval is \"5\"; allowed: a duration"),
        "{unit}"
    );
    assert!(error("[policies.default]\nheartbeat_interval = \"10500us\"\n").contains("whole milliseconds"));
    assert!(error("[policies]\ndefault = 3\n").contains("policies.default is of the kind integer"));
    assert!(error("[policies.\"a b\"]\n").contains("policies.\"a b\" contains ' '"));
}

#[test]
fn all_problems_are_told_at_once_and_flags_are_named() {
    let overrides = Overrides {
        listen: Some("nowhere".into()),
        database: Some("postgres://x".into()),
        log_format: Some("xml".into()),
        max_agents: Some("0".into()),
        insecure: Some("maybe".into()),
        seal: Some("tight".into()),
        access_log: Some("loud".into()),
        policies: vec!["x=1s".into()],
        ..Overrides::default()
    };
    let told = load("", &overrides).expect_err("an error");
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(lines.len(), 8, "{told}");
    assert!(
        lines[0]
            .starts_with("--listen (or WALLFLOWER_LISTEN): listen is \"nowhere\"; allowed: an IP address")
    );
    assert!(
        lines[2]
            .starts_with("--log-format (or WALLFLOWER_LOG_FORMAT): log_format is \"xml\"; allowed: \"text\"")
    );
}

#[test]
fn an_address_that_others_can_reach_needs_to_be_called_insecure() {
    let overrides = |insecure: Option<&str>| Overrides {
        listen: Some("0.0.0.0:8000".into()),
        insecure: insecure.map(Into::into),
        ..Overrides::default()
    };
    let told = load("", &overrides(None)).expect_err("an error");
    assert!(told.contains("0.0.0.0:8000, which others can reach") && told.contains("--insecure"), "{told}");
    assert!(load("", &overrides(Some("true"))).is_ok());
    let tls = "tls_certificate = \"c.pem\"\ntls_key = \"k.pem\"\n";
    let tokens = "tokens = \"t.toml\"\n";
    assert!(load(&format!("{tls}{tokens}"), &overrides(None)).is_ok(), "both protect it");
    for half in [tls, tokens] {
        assert!(load(half, &overrides(None)).expect_err("an error").contains("do not both protect it"));
    }
    assert!(load("listen = \"[::1]:0\"", &Overrides::default()).is_ok());
    assert!(load("listen = \"localhost:80\"", &Overrides::default()).is_ok());
}

#[test]
fn a_file_that_is_no_toml_or_not_there_says_so() {
    assert!(error("listen = \n").starts_with("wallflower.toml:1:10: "), "{}", error("listen = \n"));
    let missing = Settings::load(Some(std::path::Path::new("/nonexistent.toml")), &Overrides::default());
    assert!(matches!(missing, Err(ConfigError::Unreadable { .. })));
    for database in ["sqlite://", "sqlite::memory:", "mysql://x"] {
        assert!(error(&format!("database = \"{database}\"")).contains("sqlite://PATH"));
    }
}

#[test]
fn a_certificate_goes_with_a_key() {
    assert_eq!(
        error("tls_certificate = \"c.pem\"\n"),
        "wallflower.toml:1:19: tls_certificate is set without tls_key; allowed: both or neither"
    );
    let key = Overrides { tls_key: Some("k.pem".into()), ..Overrides::default() };
    assert_eq!(
        load("", &key).expect_err("an error"),
        "--tls-key (or WALLFLOWER_TLS_KEY): tls_key is set without tls_certificate; allowed: both or neither"
    );
    assert!(error("tls_certificate = \"\"\ntls_key = \"k.pem\"\n").contains("allowed: the path of a file"));
    assert!(error("tokens = \"\"\n").contains("allowed: the path of a file"));
}
