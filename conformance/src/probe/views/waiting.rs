//! VIEW-8: long-polls that nothing ends, that a change ends, and that come behind a change.

use serde_json::{Value, json};

use crate::probe::{Prober, json as body};

/// A wait that only the time ends, in milliseconds.
const SHORT_MS: u64 = 400;

/// A wait that a change must end, in milliseconds: far longer than any lag that can still be judged.
const LONG_MS: u64 = 12_000;

/// Conversations of each kind.
const ROUNDS: usize = 2;

/// So long after the poll was sent the others act, so that it most likely waits already; it is right either way.
const PAUSE_US: u64 = 120_000;

/// Steps `before`, `poll`, and beside it `renewal`s or a `change` with an ordinary list, `witness`, behind it.
pub(in crate::probe) async fn view_8(prober: Prober) {
    for round in 0..ROUNDS {
        for by_tag in [false, true] {
            let kind = if by_tag { "tag" } else { "since" };
            quiet(&prober, &format!("quiet-{kind}-{round}"), by_tag).await;
            woken(&prober, &format!("woken-{kind}-{round}"), by_tag, false).await;
            woken(&prober, &format!("between-{kind}-{round}"), by_tag, true).await;
        }
    }
}

/// A view with one agent in it, and how to wait for its next change.
struct Looked {
    document: Value,
    path: String,
    tag: Option<String>,
}

async fn look(prober: &Prober, case: &str, by_tag: bool, wait_ms: u64) -> Option<Looked> {
    let document = prober.document(case, "0");
    prober.beat(case, "register", &document).await;
    let path = format!("/agents?{}", prober.own_filter(case));
    let before = prober.get(case, "before", &path).await;
    let told = body(&before);
    let (since, store) = (told["revision"].as_u64()?, told["store_id"].as_str()?);
    let tag = if by_tag { Some(before.header("etag")?.to_owned()) } else { None };
    let path = if by_tag {
        format!("{path}&wait_ms={wait_ms}")
    } else {
        format!("{path}&since={since}&store_id={store}&wait_ms={wait_ms}")
    };
    Some(Looked { document, path, tag })
}

async fn poll(prober: &Prober, case: &str, looked: &Looked) {
    match &looked.tag {
        Some(tag) => prober.get_unless(case, "poll", &looked.path, tag).await,
        None => prober.get(case, "poll", &looked.path).await,
    };
}

async fn quiet(prober: &Prober, case: &str, by_tag: bool) {
    let Some(looked) = look(prober, case, by_tag, SHORT_MS).await else { return };
    let renewals = async {
        for _ in 0..2 {
            let us = prober.recorder.clock.now_us() + PAUSE_US;
            prober.recorder.sleep_until(us).await;
            prober.beat(case, "renewal", &looked.document).await;
        }
    };
    tokio::join!(poll(prober, case, &looked), renewals);
    end(prober, case).await;
}

async fn woken(prober: &Prober, case: &str, by_tag: bool, change_first: bool) {
    let Some(mut looked) = look(prober, case, by_tag, LONG_MS).await else { return };
    looked.document["metadata"] = json!({ "changed": true });
    let change = async {
        if !change_first {
            let us = prober.recorder.clock.now_us() + PAUSE_US;
            prober.recorder.sleep_until(us).await;
        }
        prober.beat(case, "change", &looked.document).await;
        let witness = format!("/agents?{}", prober.own_filter(case));
        prober.get(case, "witness", &witness).await;
    };
    if change_first {
        change.await;
        poll(prober, case, &looked).await;
    } else {
        tokio::join!(poll(prober, case, &looked), change);
    }
    end(prober, case).await;
}

async fn end(prober: &Prober, case: &str) {
    prober.leave(case, "tidy up", &prober.id(case, "0")).await;
}
