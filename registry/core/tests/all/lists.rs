//! Filters, pages of one revision, entity tags.

use std::collections::BTreeSet;

use registry_core::agent::Status;
use registry_core::listing::{
    AgentFilter, CapabilityFilter, Cursor, CursorFault, LabelTest, PageRequest, View,
};
use serde_json::{Value, json};

use crate::support::{MS, World, full, lean, with};

fn page(limit: usize, cursor: Option<&str>) -> PageRequest {
    PageRequest { limit, cursor: cursor.map(|text| Cursor::parse(text).unwrap()) }
}

fn everything() -> View {
    View::Agents(AgentFilter::default())
}

fn world_of(count: usize) -> World {
    let mut world = World::new();
    for number in 0..count {
        world.beat(&full(&format!("a{number:03}"))).unwrap();
    }
    world
}

#[test]
fn filters_must_all_hold() {
    let mut world = World::new();
    world.beat(&with(full("x"), json!({ "labels": { "zone": "eu", "gpu": "1" } }))).unwrap();
    world.beat(&with(full("y"), json!({ "labels": { "zone": "us" }, "agent_type": "slow" }))).unwrap();
    world.beat(&with(full("z"), json!({ "capabilities": [{ "name": "c" }] }))).unwrap();
    let labelled = |texts: &[&str]| AgentFilter {
        labels: texts.iter().map(|text| LabelTest::parse(text).unwrap()).collect(),
        ..AgentFilter::default()
    };
    assert_eq!(world.ids(AgentFilter::default()), ["x", "y", "z"]);
    assert_eq!(world.ids(labelled(&["zone=eu"])), ["x"]);
    assert_eq!(world.ids(labelled(&["zone!=eu"])), ["y", "z"]);
    assert_eq!(world.ids(labelled(&["zone"])), ["x", "y"]);
    assert_eq!(world.ids(labelled(&["!zone"])), ["z"]);
    assert_eq!(world.ids(labelled(&["zone", "!gpu"])), ["y"]);
    let of_type =
        |agent_type: &str| AgentFilter { agent_type: Some(agent_type.into()), ..AgentFilter::default() };
    assert_eq!(world.ids(of_type("slow")), ["y"]);
    assert_eq!(world.ids(of_type("none")), Vec::<String>::new());
    let with_capability = AgentFilter { capability: Some("c".into()), ..AgentFilter::default() };
    assert_eq!(world.ids(with_capability.clone()), ["z"]);
    assert_eq!(
        world.ids(AgentFilter { agent_type: Some("slow".into()), ..with_capability.clone() }),
        Vec::<String>::new()
    );

    world.wait_us(250 * MS);
    assert_eq!(world.ids(AgentFilter::default()), ["y"], "the expired are not in default lists");
    let expired = AgentFilter { statuses: BTreeSet::from([Status::Expired]), ..AgentFilter::default() };
    assert_eq!(world.ids(expired.clone()), ["x", "z"]);
    assert_eq!(world.ids(AgentFilter { capability: Some("c".into()), ..expired }), ["z"]);
    assert_eq!(world.ids(with_capability), Vec::<String>::new());
}

#[test]
fn label_tests_are_read_as_written() {
    let parse = |text| LabelTest::parse(text);
    assert_eq!(parse("k=v=w"), Some(LabelTest::Is("k".into(), "v=w".into())));
    assert_eq!(parse("k=a!=b"), Some(LabelTest::Is("k".into(), "a!=b".into())));
    assert_eq!(parse("k!=v"), Some(LabelTest::IsNot("k".into(), "v".into())));
    assert_eq!(parse("k="), Some(LabelTest::Is("k".into(), String::new())));
    for bad in ["", "=v", "!", "!=v", "!k=v", "a b", "a b=c"] {
        assert_eq!(parse(bad), None, "{bad:?}");
    }
}

#[test]
fn pages_of_one_chain_are_one_revision_under_churn() {
    let mut world = world_of(10);
    let first = world.core.list(world.moment(), &everything(), &page(4, None)).unwrap();
    let mut seen: Vec<String> = first.entries().iter().map(ToString::to_string).collect();
    let mut cursor = first.next_cursor.clone();
    let mut churn = 0;
    while let Some(text) = cursor {
        world.leave(&format!("a{churn:03}"));
        world.leave(&format!("a{:03}", 9 - churn));
        world.beat(&full(&format!("a{churn:03}x"))).unwrap();
        churn += 1;
        let next = world.core.list(world.moment(), &everything(), &page(4, Some(&text))).unwrap();
        assert_eq!(next.revision, first.revision);
        seen.extend(next.entries().iter().map(ToString::to_string));
        cursor = next.next_cursor;
    }
    let ids: Vec<String> = seen
        .iter()
        .map(|entry| serde_json::from_str::<Value>(entry).unwrap()["agent_id"].as_str().unwrap().to_owned())
        .collect();
    let expected: Vec<String> = (0..10).map(|number| format!("a{number:03}")).collect();
    assert_eq!(ids, expected);
    assert_eq!(churn, 2);
}

#[test]
fn a_cursor_grows_too_old_and_belongs_to_its_question() {
    let mut world = world_of(3);
    let text = world.core.list(world.moment(), &everything(), &page(1, None)).unwrap().next_cursor.unwrap();
    let other = View::Agents(AgentFilter { capability: Some("c".into()), ..AgentFilter::default() });
    let request = page(1, Some(&text));
    assert_eq!(world.core.list(world.moment(), &other, &request).unwrap_err(), CursorFault::OtherQuestion);
    world.wait_us(59_999 * MS);
    assert!(world.core.list(world.moment(), &everything(), &request).is_ok());
    world.wait_us(MS);
    assert_eq!(world.core.list(world.moment(), &everything(), &request).unwrap_err(), CursorFault::TooOld);
    assert_eq!(world.core.tag(world.moment(), &everything(), &request).unwrap_err(), CursorFault::TooOld);
    for bad in ["", "x", "1-2", "1-zz-3", "1-2-3-4", "-1-2-3"] {
        assert_eq!(Cursor::parse(bad), None, "{bad:?}");
    }
}

#[test]
fn lists_that_fit_one_page_push_no_cursor_out() {
    let mut world = world_of(3);
    let text = world.core.list(world.moment(), &everything(), &page(1, None)).unwrap().next_cursor.unwrap();
    for number in 0..200 {
        world.beat(&full(&format!("b{number}"))).unwrap();
        world.core.list(world.moment(), &everything(), &page(1_000, None)).unwrap();
    }
    assert!(world.core.list(world.moment(), &everything(), &page(1, Some(&text))).is_ok());
}

#[test]
fn the_tag_changes_with_visible_changes_and_with_nothing_else() {
    let mut world = world_of(2);
    let tag = |world: &mut World| world.core.tag(world.moment(), &everything(), &page(10, None)).unwrap();
    let mut last = tag(&mut world);
    world.wait_us(50 * MS);
    world.beat(&lean("a000")).unwrap();
    assert_eq!(tag(&mut world), last, "a renewal is no visible change");
    world.wait_us(50 * MS);
    assert_ne!(tag(&mut world), last, "a001 is degraded now");
    last = tag(&mut world);
    world.beat(&lean("a001")).unwrap();
    assert_ne!(tag(&mut world), last, "a001 recovered");
    last = tag(&mut world);
    let smaller = world.core.tag(world.moment(), &everything(), &page(9, None)).unwrap();
    assert_ne!(smaller, last, "another page size, another body");
    assert!(last.starts_with('"') && last.ends_with('"') && !last.contains(','));
}

#[test]
fn capabilities_show_their_live_providers() {
    let mut world = World::new();
    let offers = json!({ "endpoint": "http://h/", "capabilities": [
        { "name": "c", "version": "1.10.0", "tags": ["t"] }, { "name": "c", "version": "1.9.0" }, { "name": "d" } ] });
    world.beat(&with(full("a"), offers)).unwrap();
    world.beat(&with(full("needs"), json!({ "dependencies": [{ "capability": "only-needed" }] }))).unwrap();
    let mut list = |name: Option<&str>| -> Vec<Value> {
        let view = View::Capabilities(CapabilityFilter { name: name.map(Into::into), ..Default::default() });
        let page = world.core.list(world.moment(), &view, &page(10, None)).unwrap();
        page.entries().iter().map(|entry| serde_json::from_str(entry).unwrap()).collect()
    };
    assert_eq!(list(None).len(), 2);
    assert_eq!(
        list(Some("c")),
        [json!({ "name": "c", "versions": ["1.9.0", "1.10.0"], "providers": [
            { "agent_id": "a", "endpoint": "http://h/", "version": "1.10.0", "tags": ["t"], "status": "healthy" },
            { "agent_id": "a", "endpoint": "http://h/", "version": "1.9.0", "tags": [], "status": "healthy" },
        ] })]
    );
    assert!(list(Some("none")).is_empty());
}
