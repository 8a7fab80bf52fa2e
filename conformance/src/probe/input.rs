//! The probes of what a registry must refuse: INPUT-1 and INPUT-3.

use agent_sim::dialect::{WireRequest, escaped};
use proptest::sample::select;
use proptest::strategy::Strategy;
use serde_json::{Map, Value, json};
use tokio::task::JoinSet;

use crate::probe::{Prober, accepted};

/// Bodies with several faults at once.
const MIXED: usize = 12;

/// The largest body, in bytes.
const BODY_BYTES: usize = 256 * 1024;

/// Values to put where a pointer says, faults and what is just allowed alike; `Null` takes the field away.
type Row = (&'static str, Vec<Value>);

/// Steps `beat` and `look` in turn, a case for each field.
pub(super) async fn input_1(prober: Prober) {
    let mut running = JoinSet::new();
    for (number, (pointer, values)) in rows(&prober).into_iter().enumerate() {
        let prober = prober.clone();
        running.spawn(async move { one_field(&prober, &number.to_string(), pointer, values).await });
    }
    let own = prober.clone();
    running.spawn(async move { several_fields(&own).await });
    let own = prober.clone();
    running.spawn(async move { lean_ones(&own).await });
    running.spawn(async move { whole_bodies(&prober).await });
    while running.join_next().await.is_some() {}
}

async fn one_field(prober: &Prober, case: &str, pointer: &str, values: Vec<Value>) {
    let right = document(prober, case);
    beat(prober, case, &right).await;
    for value in values {
        let mut heartbeat = right.clone();
        put(&mut heartbeat, pointer, value);
        mark(prober, case, &mut heartbeat);
        beat(prober, case, &heartbeat).await;
    }
    let other = (pointer == "/agent_id").then(|| prober.id(case, &"i".repeat(128)));
    for id in [Some(prober.id(case, "0")), other].into_iter().flatten() {
        prober.leave(case, "tidy up", &id.chars().take(128).collect::<String>()).await;
    }
}

/// Several faults in one body, drawn from the seed.
async fn several_fields(prober: &Prober) {
    let case = "mixed";
    let right = document(prober, case);
    beat(prober, case, &right).await;
    let rows = rows(prober);
    let one = (0..rows.len(), 0_usize..64);
    let drawn = prober.draw(&proptest::collection::vec(proptest::collection::vec(one, 2..=5), MIXED));
    for patches in drawn.unwrap_or_default() {
        let mut heartbeat = right.clone();
        for (row, value) in patches {
            // Another right id would be another agent.
            if row == 0 {
                put(&mut heartbeat, "/agent_id", json!("-mixed"));
                continue;
            }
            let (pointer, values) = &rows[row];
            put(&mut heartbeat, pointer, values[value % values.len()].clone());
        }
        mark(prober, case, &mut heartbeat);
        beat(prober, case, &heartbeat).await;
    }
    prober.leave(case, "tidy up", &prober.id(case, "0")).await;
}

/// A lean heartbeat with a field of the document.
async fn lean_ones(prober: &Prober) {
    let case = "lean";
    let right = document(prober, case);
    beat(prober, case, &right).await;
    let fields = ["agent_type", "endpoint", "dependencies", "labels", "metadata"];
    for field in fields {
        beat(prober, case, &json!({ "agent_id": right["agent_id"], field: right[field] })).await;
    }
    let mut all = right.clone();
    all.as_object_mut().map(|members| members.remove("capabilities"));
    beat(prober, case, &all).await;
    beat(prober, case, &json!({ "agent_id": right["agent_id"], "status": "degraded" })).await;
    beat(prober, case, &json!({ "agent_id": right["agent_id"], "status": "offline" })).await;
    prober.leave(case, "tidy up", &prober.id(case, "0")).await;
}

/// Bodies that are no JSON object, too large, or said to be something else.
async fn whole_bodies(prober: &Prober) {
    let case = "whole";
    let right = document(prober, case);
    beat(prober, case, &right).await;
    let text = right.to_string();
    let json = "application/json";
    let mut bodies: Vec<(Option<&str>, String)> =
        ["", "{", "[]", "null", "\"text\"", "7", "{\"agent_id\": }", "{} {}", "{'agent_id': 'a'}"]
            .into_iter()
            .map(|text| (Some(json), text.to_owned()))
            .collect();
    let padded = |length: usize| format!("{text}{}", " ".repeat(length.saturating_sub(text.len())));
    for length in [BODY_BYTES - 1, BODY_BYTES, BODY_BYTES + 1, BODY_BYTES + 100_000] {
        bodies.push((Some(json), padded(length)));
    }
    for kind in [None, Some("text/plain"), Some("application/xml"), Some("application/jsonp"), Some("json")] {
        bodies.push((kind, text.clone()));
    }
    bodies.push((Some("application/json; charset=utf-8"), text.clone()));
    bodies.push((Some("Application/JSON"), text));
    for (kind, text) in bodies {
        let headers = kind.map(|kind| ("content-type", kind.to_owned())).into_iter().collect();
        let path = "/heartbeat".to_owned();
        let request = WireRequest { method: "POST", path, headers, body: text.into_bytes() };
        prober.exchange(case, "beat", request).await;
        look(prober, case).await;
    }
    prober.leave(case, "tidy up", &prober.id(case, "0")).await;
}

async fn beat(prober: &Prober, case: &str, heartbeat: &Value) {
    prober.beat(case, "beat", heartbeat).await;
    look(prober, case).await;
}

async fn look(prober: &Prober, case: &str) {
    let every = "status=healthy&status=degraded&status=expired";
    prober.get(case, "look", &format!("/agents?{every}&{}", prober.own_filter(case))).await;
}

/// A document that says something in every field.
fn document(prober: &Prober, case: &str) -> Value {
    let mut document = prober.document(case, "0");
    document["status"] = json!("healthy");
    document["capabilities"] = json!([
        { "name": "input.first", "version": "1.2.3", "tags": ["a"], "description": "one" },
        { "name": "input.second" },
    ]);
    document["dependencies"] = json!([{ "capability": "suite.nobody", "version": "^1.2.0", "tags": ["b"] }]);
    document["labels"]["k"] = json!("v");
    document["metadata"] = json!({ "m": 1 });
    document
}

/// Sets what the pointer names, in whatever is there of the path; `Null` removes it.
fn put(body: &mut Value, pointer: &str, value: Value) {
    let Some((parent, name)) = pointer.rsplit_once('/') else { return };
    let name = name.replace("~1", "/").replace("~0", "~");
    match body.pointer_mut(parent) {
        Some(Value::Object(members)) if value.is_null() => drop(members.remove(&name)),
        Some(Value::Object(members)) => drop(members.insert(name, value)),
        Some(Value::Array(items)) => {
            if let Some(item) = name.parse::<usize>().ok().and_then(|number| items.get_mut(number)) {
                *item = value;
            }
        }
        _ => {}
    }
}

/// Gives labels that were replaced the one that the case is looked for by.
fn mark(prober: &Prober, case: &str, heartbeat: &mut Value) {
    if let Some(labels) = heartbeat["labels"].as_object_mut() {
        labels.insert("suite.case".to_owned(), json!(prober.own(case)));
    }
}

/// Every rule of section 4.1, broken, and kept by as little as can be.
fn rows(prober: &Prober) -> Vec<Row> {
    let text = |character: &str, count: usize| Value::from(character.repeat(count));
    let wrong_names = |most: usize| {
        let mut wrong =
            vec![json!(7), json!(""), json!("-a"), json!(".a"), json!("a b"), json!("ä"), json!("a\u{0}")];
        wrong.extend([text("n", most + 1), text("n", most), text("n", most - 1)]);
        wrong
    };
    let with = |mut values: Vec<Value>, more: Vec<Value>| {
        values.extend(more);
        values
    };
    let many = |count: usize, item: fn(usize) -> Value| (0..count).map(item).collect::<Value>();
    let tags = |count: usize| many(count, |number| json!(format!("t{number}")));
    let wrong_numbers = || vec![json!(-1), json!(1.5), json!("1"), json!(1e30), json!(true), json!([])];
    // The first row is the case `0`.
    let own_id = |length: usize| {
        let id = prober.id("0", &"i".repeat(128));
        json!(id.chars().take(length).collect::<String>())
    };
    let endpoint = |length: usize| {
        let start = format!("http://{}/", prober.endpoint);
        json!(format!("{start}{}", "e".repeat(length.saturating_sub(start.len()))))
    };
    // The label of the case comes to these.
    let labels = |count: usize| -> Value {
        Value::Object((1..count).map(|number| (format!("k{number}"), json!("v"))).collect::<Map<_, _>>())
    };
    let capability = |number: usize| json!({ "name": format!("input.c{number}") });
    let dependency = |number: usize| json!({ "capability": format!("input.d{number}") });
    let versions = || vec![json!("1"), json!("1.2"), json!("v1.2.3"), json!("01.2.3"), json!(""), json!(3)];
    let wrong_tags = || vec![json!("x"), json!([3]), tags(33), tags(32), tags(31)];
    vec![
        (
            "/agent_id",
            vec![
                Value::Null,
                json!(7),
                json!(""),
                json!("-a"),
                json!("a/b"),
                json!("a b"),
                own_id(129),
                own_id(128),
            ],
        ),
        ("/agent_type", with(wrong_names(64), vec![json!("a/b")])),
        ("/status", vec![json!("ok"), json!("HEALTHY"), json!("expired"), json!(1), json!(["healthy"])]),
        (
            "/endpoint",
            vec![
                json!(7),
                json!(""),
                json!("host:port path"),
                json!("/relative"),
                json!("//host/x"),
                json!("http://"),
                json!("http://a b/"),
                endpoint(2_049),
                endpoint(2_048),
                endpoint(2_047),
            ],
        ),
        (
            "/capabilities",
            vec![json!(7), json!({}), json!("x"), many(257, capability), many(256, capability), json!([])],
        ),
        ("/capabilities/0", vec![json!("x"), json!([]), json!({}), json!({ "name": "input.second" })]),
        ("/capabilities/0/name", with(wrong_names(128), vec![Value::Null, json!("a/b")])),
        ("/capabilities/0/version", with(versions(), vec![json!("1.2.3-alpha.1+build")])),
        ("/capabilities/0/tags", wrong_tags()),
        (
            "/capabilities/0/description",
            vec![json!(5), text("d", 1_025), text("ä", 513), text("ä", 512), text("d", 1_023)],
        ),
        ("/dependencies", vec![json!(7), json!({}), many(257, dependency), many(256, dependency)]),
        ("/dependencies/0", vec![json!("x"), json!(3)]),
        ("/dependencies/0/capability", with(wrong_names(128), vec![Value::Null, json!("a/b")])),
        (
            "/dependencies/0/version",
            vec![json!("abc"), json!("1..2"), json!(3), json!("*"), json!("<2"), json!(">=1.2, <2")],
        ),
        ("/dependencies/0/tags", wrong_tags()),
        ("/incarnation", wrong_numbers()),
        ("/sequence", wrong_numbers()),
        ("/wiring_revision", with(wrong_numbers(), vec![json!(0)])),
        ("/labels", vec![json!([]), json!("x"), labels(65), labels(64), labels(63)]),
        ("/labels/k", vec![json!(7), text("v", 257), text("v", 256), text("ä", 129)]),
        ("/labels/-k", vec![json!("v")]),
        ("/labels/a b", vec![json!("v")]),
        ("/labels/a~1b", vec![json!("v")]),
        (
            "/metadata",
            vec![
                json!([]),
                json!("x"),
                json!(5),
                json!({ "m": "x".repeat(8_185) }),
                json!({ "m": "x".repeat(8_184) }),
            ],
        ),
    ]
}

/// Each route plain and with parameters that it does not know, and heartbeats with fields that nobody knows.
pub(super) async fn input_3(prober: Prober) {
    let typos = ["statuss", "Limit", "status[]", "capabilty", "label_", "wait", "x"];
    let made = select(typos.to_vec()).prop_flat_map(|typo| (proptest::strategy::Just(typo), "[a-z]{0,6}"));
    let drawn = prober.draw(&proptest::collection::vec(made, 32)).unwrap_or_default();
    let names: Vec<String> = drawn.into_iter().map(|(typo, end)| format!("{typo}{end}_")).collect();
    let agent = escaped(&prober.id("routes", "0"));
    let register = document(&prober, "routes");
    prober.beat("routes", "register", &register).await;
    let routes = [
        ("GET", "/agents".to_owned(), "limit=5"),
        ("GET", "/capabilities".to_owned(), "limit=5"),
        ("GET", "/events".to_owned(), "limit=5"),
        ("GET", format!("/agents/{agent}"), ""),
        ("GET", format!("/agents/{agent}/health"), ""),
        ("HEAD", format!("/heartbeat/{agent}"), "wiring_revision=0"),
        ("GET", "/policies".to_owned(), ""),
        ("GET", "/health".to_owned(), ""),
        ("GET", "/livez".to_owned(), ""),
        ("GET", "/readyz".to_owned(), ""),
        ("GET", "/metrics".to_owned(), ""),
        ("GET", "/openapi.json".to_owned(), ""),
    ];
    for (number, (method, path, known)) in routes.into_iter().enumerate() {
        let case = format!("{}-{method}", path.trim_start_matches('/').replace('/', "."));
        prober.exchange(&case, "plain", WireRequest::bare(method, path.clone())).await;
        for name in names.iter().skip(number % 8).step_by(12) {
            prober.exchange(&case, "query", WireRequest::bare(method, format!("{path}?{name}=1"))).await;
            if !known.is_empty() {
                let path = format!("{path}?{known}&{}=1", escaped(name));
                prober.exchange(&case, "query", WireRequest::bare(method, path)).await;
            }
        }
    }
    // These two would change something.
    for name in names.iter().take(3) {
        let mut heartbeat = WireRequest::json(format!("/heartbeat?{name}=1"), &register);
        heartbeat.body =
            json!({ "agent_id": register["agent_id"], "status": "degraded" }).to_string().into_bytes();
        prober.exchange("routes", "query", heartbeat).await;
        prober
            .exchange("routes", "query", WireRequest::bare("DELETE", format!("/agents/{agent}?{name}=1")))
            .await;
    }
    prober.get("routes", "look", &format!("/agents/{agent}")).await;
    prober.leave("routes", "tidy up", &prober.id("routes", "0")).await;
    unknown_fields(&prober, &names).await;
}

async fn unknown_fields(prober: &Prober, names: &[String]) {
    for (number, name) in names.iter().take(6).enumerate() {
        let case = format!("fields-{number}");
        let surplus = format!("x_{name}");
        let mut heartbeat = document(prober, &case);
        heartbeat[&surplus] = json!({ "any": [1, "thing", null] });
        heartbeat["capabilities"][0][&surplus] = json!(number);
        heartbeat["dependencies"][0][&surplus] = json!("text");
        let lean = json!({ "agent_id": heartbeat["agent_id"], surplus: true });
        if accepted(&prober.beat(&case, "beat", &heartbeat).await) {
            prober.beat(&case, "beat", &lean).await;
        }
        prober.get(&case, "look", &format!("/agents/{}", escaped(&prober.id(&case, "0")))).await;
        prober.leave(&case, "tidy up", &prober.id(&case, "0")).await;
    }
}
