//! Every rule of section 4.1 broken in turn, and all at once.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn read(body: &Value) -> Result<Heartbeat, Vec<Fault>> {
    heartbeat(body.to_string().as_bytes())
}

fn pointers(body: &Value) -> Vec<String> {
    read(body).expect_err("faults").into_iter().map(|fault| fault.pointer).collect()
}

/// A full heartbeat with one more member.
fn full(name: &str, value: Value) -> Value {
    let mut body = json!({ "agent_id": "a", "capabilities": [] });
    body[name] = value;
    body
}

#[test]
fn each_broken_rule_is_pointed_at() {
    let capability = |value: Value| full("capabilities", json!([{ "name": "ok" }, value]));
    let dependency = |value: Value| full("dependencies", json!([value]));
    let cases = [
        (json!({}), "/agent_id"),
        (json!({ "agent_id": "" }), "/agent_id"),
        (json!({ "agent_id": "x".repeat(129) }), "/agent_id"),
        (json!({ "agent_id": 7 }), "/agent_id"),
        (json!({ "agent_id": null }), "/agent_id"),
        (full("agent_type", json!("-")), "/agent_type"),
        (full("agent_type", json!("x".repeat(65))), "/agent_type"),
        (full("status", json!("expired")), "/status"),
        (full("status", json!(true)), "/status"),
        (full("endpoint", json!("relative/path")), "/endpoint"),
        (full("endpoint", json!("http://")), "/endpoint"),
        (full("endpoint", json!("http://h/a b")), "/endpoint"),
        (full("endpoint", json!(format!("http://h/{}", "x".repeat(2_040)))), "/endpoint"),
        (full("capabilities", json!({})), "/capabilities"),
        (full("capabilities", json!(null)), "/capabilities"),
        (capability(json!("c")), "/capabilities/1"),
        (capability(json!({})), "/capabilities/1/name"),
        (capability(json!({ "name": "/x" })), "/capabilities/1/name"),
        (capability(json!({ "name": "x", "version": "1.2" })), "/capabilities/1/version"),
        (capability(json!({ "name": "x", "version": 1 })), "/capabilities/1/version"),
        (capability(json!({ "name": "x", "tags": "t" })), "/capabilities/1/tags"),
        (capability(json!({ "name": "x", "tags": ["t", 1] })), "/capabilities/1/tags/1"),
        (capability(json!({ "name": "x", "tags": vec!["t"; 33] })), "/capabilities/1/tags"),
        (capability(json!({ "name": "x", "description": "d".repeat(1_025) })), "/capabilities/1/description"),
        (capability(json!({ "name": "ok", "version": "0.0.0" })), "/capabilities/1"),
        (full("dependencies", json!("c")), "/dependencies"),
        (dependency(json!({})), "/dependencies/0/capability"),
        (dependency(json!({ "capability": "c", "version": ">>1" })), "/dependencies/0/version"),
        (dependency(json!({ "capability": "c", "tags": [null] })), "/dependencies/0/tags/0"),
        (full("labels", json!([])), "/labels"),
        (full("labels", json!({ "a b": "v" })), "/labels/a b"),
        (full("labels", json!({ "a/b~": "v" })), "/labels/a~1b~0"),
        (full("labels", json!({ "k": 1 })), "/labels/k"),
        (full("labels", json!({ "k": "v".repeat(257) })), "/labels/k"),
        (full("metadata", json!([])), "/metadata"),
        (full("metadata", json!({ "k": "v".repeat(8 * 1024) })), "/metadata"),
        (full("incarnation", json!(-1)), "/incarnation"),
        (full("sequence", json!(1.5)), "/sequence"),
        (full("sequence", json!("1")), "/sequence"),
        (full("wiring_revision", json!(null)), "/wiring_revision"),
    ];
    for (body, pointer) in cases {
        assert_eq!(pointers(&body), [pointer], "{body}");
    }
}

#[test]
fn too_many_of_something_is_one_fault() {
    let capabilities: Vec<Value> = (0..257).map(|number| json!({ "name": format!("c{number}") })).collect();
    assert_eq!(pointers(&full("capabilities", json!(capabilities))), ["/capabilities"]);
    assert!(read(&full("capabilities", json!(capabilities[..256]))).is_ok());
    let dependencies = vec![json!({ "capability": "c" }); 257];
    assert_eq!(pointers(&full("dependencies", json!(dependencies))), ["/dependencies"]);
    let labels: BTreeMap<String, &str> = (0..65).map(|number| (format!("k{number}"), "v")).collect();
    assert_eq!(pointers(&full("labels", json!(labels))), ["/labels"]);
}

#[test]
fn all_faults_are_named_at_once() {
    let body = json!({
        "agent_id": "-", "status": "gone", "endpoint": "no uri", "sequence": -1,
        "capabilities": [{ "name": "c", "version": "x" }, { "version": "1.0.0", "tags": [1] }],
        "dependencies": [{ "capability": "" }], "labels": { "k": 1 }, "metadata": 3,
    });
    assert_eq!(
        pointers(&body),
        [
            "/agent_id",
            "/status",
            "/endpoint",
            "/capabilities/0/version",
            "/capabilities/1/name",
            "/capabilities/1/tags/0",
            "/dependencies/0/capability",
            "/labels/k",
            "/metadata",
            "/sequence",
        ]
    );
}

#[test]
fn a_lean_heartbeat_has_no_document() {
    let body = json!({
        "agent_id": "a", "agent_type": "t", "endpoint": "http://h/", "dependencies": [], "labels": {}, "metadata": {},
        "status": "degraded", "incarnation": 1, "sequence": 2, "wiring_revision": 3,
    });
    assert_eq!(pointers(&body), ["/agent_type", "/endpoint", "/dependencies", "/labels", "/metadata"]);
}

#[test]
fn unknown_fields_are_ignored_and_defaults_apply() {
    let body = json!({ "agent_id": "a", "capabilities": [{ "name": "c", "new": 1 }], "later": { "x": [] } });
    let document = read(&body).expect("valid").document.expect("full");
    assert_eq!(document.agent_type.as_str(), "default");
    assert_eq!(document.capabilities[0].version, Version::new(0, 0, 0));
    let lean = read(&json!({ "agent_id": "a", "sequence": u64::MAX })).expect("valid");
    assert_eq!((lean.document, lean.sequence), (None, Some(u64::MAX)));
}

#[test]
fn endpoints_are_any_absolute_uris() {
    for uri in
        ["http://10.0.0.3:9000/mcp", "https://[::1]/", "urn:agent:7", "stdio:x", "HTTP://h", "tcp://h:1"]
    {
        assert!(read(&full("endpoint", json!(uri))).is_ok(), "{uri}");
    }
    for text in
        ["", "/x", "h:p q", "http:///x", "http:x", "://h", "1http://h", "http://h/\u{e4}", "http://h/%zz"]
    {
        assert_eq!(pointers(&full("endpoint", json!(text))), ["/endpoint"], "{text}");
    }
}

#[test]
fn bytes_that_are_no_json_object_are_one_fault() {
    let bodies: [&[u8]; 9] = [
        b"",
        b"null",
        b"[]",
        b"\"x\"",
        b"{\"agent_id\":\"a\"",
        b"{\"agent_id\":\"a\"} x",
        b"\xff\xfe",
        b"\0",
        b"{'a':1}",
    ];
    for body in bodies {
        let faults = heartbeat(body).expect_err("faults");
        assert_eq!((faults.len(), faults[0].pointer.as_str()), (1, ""), "{body:?}");
    }
}

#[test]
fn text_that_cannot_be_read_back_is_refused() {
    let lone = br#"{"agent_id":"a","capabilities":[],"labels":{"k":"\ud800"},"metadata":{"k":"\udfff"}}"#;
    let pointers: Vec<String> =
        heartbeat(lone).expect_err("faults").into_iter().map(|fault| fault.pointer).collect();
    assert_eq!(pointers, ["/labels/k", "/metadata"]);
    let huge = br#"{"agent_id":"a","capabilities":[],"metadata":{"k":1e999}}"#;
    assert!(heartbeat(huge).is_err());
    let deep = format!(
        r#"{{"agent_id":"a","capabilities":[],"metadata":{{"k":{}1{}}}}}"#,
        "[".repeat(4_000),
        "]".repeat(4_000)
    );
    assert!(heartbeat(deep.as_bytes()).is_err());
    let deep_and_unknown =
        format!(r#"{{"agent_id":"a","later":{}1{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert!(heartbeat(deep_and_unknown.as_bytes()).is_ok(), "nobody looks at unknown fields");
}

#[test]
fn metadata_is_kept_byte_for_byte() {
    let body =
        br#"{"agent_id":"a","capabilities":[],"metadata":{ "n": 1.10, "big": 12345678901234567890123 }}"#;
    let document = heartbeat(body).expect("valid").document.expect("full");
    assert_eq!(
        document.metadata.expect("metadata").as_json(),
        r#"{ "n": 1.10, "big": 12345678901234567890123 }"#
    );
}

/// JSON of some member of a heartbeat: right, wrong, and odd.
fn some_value() -> impl Strategy<Value = String> {
    let texts = prop::sample::select(vec![
        r#""agent-1""#,
        r#""""#,
        r#""healthy""#,
        r#""degraded""#,
        r#""-x""#,
        r#""1.2.3""#,
        r#""^1, <2""#,
        r#""a\u0062""#,
        r#""http://h:1/p""#,
        r#""http://""#,
        r#""\ud800""#,
        "null",
        "true",
        "7",
        "-0",
        "1.5",
        "1e3",
        "18446744073709551616",
        "[]",
        "{}",
        r#"["x","x"]"#,
        r#"[""]"#,
        r#"{"k":"v","k":"w"}"#,
        r#"{"k":1}"#,
        r#"{"a\u0062":"v"}"#,
        r#"[["c"]]"#,
        r#"[{"name":"c"}]"#,
        r#"[{"name":"c"},{"name":"c"}]"#,
        r#"[{"name":"c","version":"1.0.0","tags":["t"],"description":"d"}]"#,
        r#"[{"name":"c","name":"d"}]"#,
        r#"[{"name":"c","tags":null}]"#,
        r#"[{"capability":"c","version":">=1, <2"}]"#,
        r#"[{"capability":"c","version":"x"}]"#,
        r#" { "deep" : [ 1 , { } ] } "#,
        r#"{"n":1e999}"#,
        "01",
        "",
    ]);
    texts.prop_map(str::to_owned)
}

fn some_body() -> impl Strategy<Value = String> {
    let names = prop::sample::select(vec![
        "agent_id",
        "agent_id",
        "agent_id",
        "status",
        "incarnation",
        "sequence",
        "wiring_revision",
        "capabilities",
        "capabilities",
        "agent_type",
        "endpoint",
        "dependencies",
        "labels",
        "metadata",
        "later",
        "agent\\u005fid",
    ]);
    let members = prop::collection::vec((names, some_value()), 0..8);
    let edges = prop::sample::select(vec![
        ("{", "}"),
        ("{", "}"),
        ("{", "}"),
        (" \n{", "} "),
        ("[", "]"),
        ("{", "} x"),
    ]);
    (members, edges, any::<bool>()).prop_map(|(members, (open, close), has_id)| {
        let first = has_id.then(|| r#""agent_id":"a""#.to_owned());
        let rest = members.into_iter().map(|(name, value)| format!("\"{name}\":{value}"));
        format!("{open}{}{close}", first.into_iter().chain(rest).collect::<Vec<_>>().join(","))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    /// The short way finds what the long way finds, or leaves it to it.
    #[test]
    fn the_short_way_and_the_long_way_agree(body in some_body()) {
        if let Some(plain) = plain::heartbeat(body.as_bytes()) {
            prop_assert_eq!(Ok(plain), by_field(body.as_bytes()));
        }
    }
}

#[test]
fn what_is_plain_goes_the_short_way() {
    let lean = br#"{"agent_id":"a","status":"healthy","incarnation":1,"sequence":2,"wiring_revision":3,"later":[1]}"#;
    let full =
        br#" {"agent_id":"a","agent_type":"t","endpoint":"http://h/","labels":{"k":"v"},"metadata":{"m":1},
        "capabilities":[{"name":"c","version":"1.0.0","tags":["t"],"description":"d"}],
        "dependencies":[{"capability":"c","version":"^1","tags":["t"]}]}"#;
    for body in [lean.as_slice(), full.as_slice()] {
        let plain = plain::heartbeat(body);
        assert!(plain.is_some());
        assert_eq!(plain.ok_or(vec![]), by_field(body));
    }
    // Bytes that are no UTF-8 hide in what nobody looks at.
    assert!(plain::heartbeat(b"{\"agent_id\":\"a\",\"later\":\"\xff\"}").is_none());
}
