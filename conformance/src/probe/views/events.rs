//! VIEW-11: one life by heartbeats, one by timers, each with what single reads showed of it.

use serde_json::{Value, json};

use crate::probe::{Prober, json as body};

/// Lives of each kind.
const LIVES: usize = 3;

/// Timers that would take longer are not waited for, in milliseconds.
const LONGEST_WAIT_MS: u64 = 30_000;

/// How often a life by timers is looked at.
const LOOK_US: u64 = 40_000;

/// Steps `beat`, `leave` and `read` while the agent lives; `events` of it in the end, page by page.
pub(in crate::probe) async fn view_11(prober: Prober) {
    let mut lives = tokio::task::JoinSet::new();
    for number in 0..LIVES {
        let by_heartbeats = prober.clone();
        lives.spawn(async move { heartbeats(&by_heartbeats, &format!("beats-{number}")).await });
        let by_timers = prober.clone();
        lives.spawn(async move { timers(&by_timers, &format!("timers-{number}")).await });
    }
    while lives.join_next().await.is_some() {}
}

async fn heartbeats(prober: &Prober, case: &str) {
    let document = prober.document(case, "0");
    let changed = |status: &str, version: u64| {
        let mut document = document.clone();
        document["status"] = json!(status);
        document["metadata"] = json!({ "version": version });
        document
    };
    let life = [
        changed("healthy", 1),
        changed("healthy", 1),
        changed("healthy", 2),
        changed("degraded", 2),
        changed("degraded", 3),
        changed("healthy", 3),
    ];
    for _ in 0..2 {
        for beat in &life {
            prober.beat(case, "beat", beat).await;
            read(prober, case).await;
        }
        prober.leave(case, "leave", &prober.id(case, "0")).await;
        read(prober, case).await;
    }
    events(prober, case).await;
}

async fn timers(prober: &Prober, case: &str) {
    let (agent_type, policy) = prober.brisk();
    let mut document = prober.document(case, "0");
    document["agent_type"] = json!(agent_type);
    let degraded_ms = policy.degraded_after_ms.unwrap_or(policy.expires_after_ms);
    prober.beat(case, "beat", &document).await;
    let middle_ms = degraded_ms.midpoint(policy.expires_after_ms);
    let mut done_us = watch(prober, case, middle_ms * 1000).await;
    // Degraded by now, it recovers; or it has expired, and a new epoch begins.
    prober.beat(case, "beat", &document).await;
    let last_ms = policy.evict_after_ms.unwrap_or(policy.expires_after_ms).min(LONGEST_WAIT_MS);
    done_us = done_us.max(watch(prober, case, (last_ms + prober.bound_ms) * 1000).await);
    prober.recorder.sleep_until(done_us + prober.bound_ms * 1000 + prober.recorder.slack_us() + 50_000).await;
    events(prober, case).await;
}

/// Reads the agent again and again for so long; gives the end.
async fn watch(prober: &Prober, case: &str, for_us: u64) -> u64 {
    let end_us = prober.recorder.clock.now_us() + for_us;
    loop {
        let done_us = read(prober, case).await;
        if done_us >= end_us || !prober.recorder.sleep_until(done_us + LOOK_US).await {
            return done_us;
        }
    }
}

async fn read(prober: &Prober, case: &str) -> u64 {
    prober.get(case, "read", &format!("/agents/{}", prober.id(case, "0"))).await.done_us
}

/// All events of the agent, four at a time.
async fn events(prober: &Prober, case: &str) {
    let mut after = 0;
    for _ in 0..20 {
        let path = format!("/events?agent_id={}&limit=4&after={after}", prober.id(case, "0"));
        let page: Value = body(&prober.get(case, "events", &path).await);
        let last = page["events"]
            .as_array()
            .and_then(|events| events.last())
            .and_then(|event| event["number"].as_u64());
        match last {
            Some(number) if number > after => after = number,
            _ => return,
        }
    }
}
