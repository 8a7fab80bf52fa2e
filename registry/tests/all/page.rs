//! The page for people: what it may load, and that it cannot be made to show markup.

use std::collections::BTreeSet;

use tempfile::tempdir;

use crate::support::Registry;

#[tokio::test]
async fn the_page_loads_its_own_two_files_and_may_load_nothing_else() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    let page = registry.get("/").await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    for path in ["/", "/page.css", "/page.js"] {
        let answer = registry.get(path).await;
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none';"), "{path}: {policy}");
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        let tag = answer.header("etag").to_owned();
        let again = registry.call("GET", path, &[("if-none-match", &tag)], b"").await;
        assert_eq!((again.status, again.body.as_str()), (304, ""), "{path}");
        assert_eq!(registry.get(&format!("{path}?x=1")).await.pointers(), ["/x"], "{path}");
    }
    // The policy forbids inline scripts and styles, so one would silently not work.
    assert_eq!(page.body.matches("<script").count(), page.body.matches("<script src=").count());
    for inline in ["<style", " style=", " onclick=", " onload=", "://"] {
        assert!(!page.body.contains(inline), "the page has {inline:?}");
    }
    let named = |before: &str| -> BTreeSet<String> {
        let parts = page.body.split(before).skip(1);
        parts.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
    };
    let links: BTreeSet<_> = named("href=\"").into_iter().chain(named("src=\"")).collect();
    assert!(links.len() >= 9, "{links:?}");
    for link in links.iter().filter(|link| !link.starts_with("data:") && !link.starts_with('#')) {
        assert_eq!(registry.get(&format!("/{link}")).await.status, 200, "{link}");
    }
    registry.stop().await.unwrap();
}

/// Agents choose their words; they may never become markup.
#[tokio::test]
async fn the_script_shows_text_only_and_finds_every_place_that_it_fills() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    let (page, script) = (registry.get("/").await.body, registry.get("/page.js").await.body);
    for sink in ["innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "Function("] {
        assert!(!script.contains(sink), "the script uses {sink}");
    }
    // A link leads to a place in the page itself, and attributes are those of pictures, in one place.
    assert_eq!(script.matches(".href").count(), 1);
    assert!(script.contains("made.href = `#agent=${encodeURIComponent(id)}`"));
    assert_eq!(script.matches("setAttribute").count(), 1);
    let places: Vec<_> = script.split("at(\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(places.len() >= 5, "{places:?}");
    for place in places.into_iter().chain(["healthy", "degraded", "expired"]) {
        assert_eq!(page.matches(&format!("id=\"{place}\"")).count(), 1, "{place}");
    }
    registry.stop().await.unwrap();
}
