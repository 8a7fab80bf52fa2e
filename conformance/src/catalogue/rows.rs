//! The rows, with ids and texts as `REQUIREMENTS.md` of the product has them.

use super::{Check, Level, Need, Profile, Requirement};

/// All requirements, those not checked yet among them.
pub const REQUIREMENTS: &[Requirement] = &[
    checked(
        "PASSIVE-1",
        Profile::Core,
        Check::Passive1,
        Need::Nothing,
        1,
        "No connection ever reaches an endpoint that an agent declared: every simulated agent has an address of its own with a listener behind it (TCP and UDP), and none is touched during the whole run, the faults included.",
    ),
    unchecked(
        "PASSIVE-2",
        Profile::Core,
        "The registry process opens no outbound connection and sends no datagram, to anybody but its configured store. Evidence from the kernel, where the harness starts the registry.",
    ),
    unchecked(
        "PASSIVE-3",
        Profile::Core,
        "An agent's declared host names are never resolved (a DNS listener of the harness hears nothing).",
    ),
    unchecked(
        "PASSIVE-4",
        Profile::Core,
        "PASSIVE-1 to 3 hold while the registry is provoked: agents vanish, are deregistered, expire in waves, declare endpoints that look like callbacks, webhooks or health URLs; every route of its OpenAPI document is called.",
    ),
    unchecked(
        "PASSIVE-5",
        Profile::Mcp,
        "Nothing is sent that no request asked for: no server-to-client request or notification, no event stream, no push capability declared.",
    ),
    checked(
        "TIME-1",
        Profile::Core,
        Check::Time1,
        Need::Degraded,
        20,
        "Not degraded early: a view with e < s(h) + D shows the status that heartbeat h reported. Tolerance 0.",
    ),
    checked(
        "TIME-2",
        Profile::Core,
        Check::Time2,
        Need::Nothing,
        20,
        "Not expired early: a view with e < s(h) + X lists the agent. Tolerance 0.",
    ),
    checked(
        "TIME-3",
        Profile::Core,
        Check::Time3,
        Need::Degraded,
        20,
        "Degraded in time: with no accepted heartbeat after h, a view with s > e(h) + D + W + d does not show healthy.",
    ),
    checked(
        "TIME-4",
        Profile::Core,
        Check::Time4,
        Need::Nothing,
        20,
        "Expired in time: likewise at X, out of the default list; and at Q gone altogether. Holds with 10,000 deadlines in the same instant.",
    ),
    checked(
        "TIME-5",
        Profile::Core,
        Check::Time5,
        Need::Nothing,
        20,
        "Order: without a heartbeat the statuses seen are a run of healthy, degraded, expired, gone, never backwards.",
    ),
    checked(
        "TIME-6",
        Profile::Core,
        Check::Time6,
        Need::PoliciesByType,
        2,
        "Each type by its own policy: types with different timeouts in one run, each held to its own. Random policies are generated, not only the defaults.",
    ),
    checked(
        "TIME-7",
        Profile::Core,
        Check::Time7,
        Need::Nothing,
        20,
        "Steady heartbeats at any interval below D (jitter included, as close to D as the slack lets be proven) never show anything but healthy.",
    ),
    checked(
        "TIME-8",
        Profile::Core,
        Check::Time8,
        Need::Nothing,
        20,
        "The wall clock does not matter: stepped by an hour either way, TIME-1 to 5 still hold.",
    ),
    checked(
        "TIME-9",
        Profile::Core,
        Check::Time9,
        Need::Nothing,
        10,
        "A paused registry (stopped for X + 1 s, then continued) expires no agent that beats within X of the resume.",
    ),
    unchecked(
        "RACE-1",
        Profile::Core,
        "Heartbeats sent at deadline +/- 5 ms, thousands of them: the answer and all later views agree on one outcome. Renewed: no expiry of that epoch. Gone: expired first, then a new epoch. Never both, never neither.",
    ),
    checked(
        "RACE-2",
        Profile::Core,
        Check::Race2,
        Need::Nothing,
        5,
        "With k accepted heartbeats in flight at once, the lease runs from the latest s(h); no accepted heartbeat shortens it.",
    ),
    unchecked(
        "RACE-3",
        Profile::Contract,
        "The same (incarnation, sequence) sent k times leaves the same state as once.",
    ),
    unchecked(
        "RACE-4",
        Profile::Contract,
        "A lower sequence arriving late replaces nothing; a lower incarnation gets 409.",
    ),
    unchecked(
        "RACE-5",
        Profile::Contract,
        "Two processes with one id: every view equals one document as sent, never a mix; the higher incarnation wins.",
    ),
    unchecked(
        "RACE-6",
        Profile::Contract,
        "After expiry: lean gets 410 and changes nothing; full gives epoch + 1 and every later view shows it.",
    ),
    unchecked(
        "RACE-7",
        Profile::Contract,
        "Deregistration is final: no later heartbeat of that incarnation brings the agent back.",
    ),
    checked(
        "DURABLE-1",
        Profile::Durable,
        Check::Durable1,
        Need::Durable,
        20,
        "SIGKILL at a random instant under load: every acknowledged registration, update and deregistration is there after the restart; unacknowledged ones are there whole or not at all.",
    ),
    checked(
        "DURABLE-2",
        Profile::Durable,
        Check::Durable2,
        Need::LeaseAfterRestart,
        20,
        "No agent that lived at the kill is shown expired before s(start) + X, however long the downtime.",
    ),
    checked(
        "DURABLE-3",
        Profile::Durable,
        Check::Durable3,
        Need::Durable,
        5,
        "No immortality: an agent silent through k restarts is expired by its last heartbeat + X + downtime + k * X + W + d.",
    ),
    checked(
        "DURABLE-4",
        Profile::Durable,
        Check::Durable4,
        Need::Durable,
        5,
        "Revision and event numbers never fall across restarts, and an expired agent does not come back by itself.",
    ),
    checked(
        "DURABLE-5",
        Profile::Durable,
        Check::Durable5,
        Need::Durable,
        5,
        "Store trouble (full disk, locked or failing database): 503 with Retry-After, never 410 or 404; afterwards nothing acknowledged is lost and nobody had to register again.",
    ),
    checked(
        "DURABLE-6",
        Profile::Durable,
        Check::Durable6,
        Need::Durable,
        2,
        "A torn or foreign database file is refused at start with a clear message, and left untouched.",
    ),
    unchecked(
        "VIEW-1",
        Profile::Contract,
        "At one revision, list, single read, capability view, delta, gauges and MCP tools tell the same of every agent.",
    ),
    checked(
        "VIEW-2",
        Profile::Contract,
        Check::View2,
        Need::Nothing,
        20,
        "Read your write: a view begun after an acknowledged change shows it.",
    ),
    checked(
        "VIEW-3",
        Profile::Contract,
        Check::View3,
        Need::ConditionalLists,
        20,
        "304 only if an unconditional answer would have been the same body.",
    ),
    unchecked(
        "VIEW-4",
        Profile::Contract,
        "After any visible change, a timer's included, the old ETag gets no 304.",
    ),
    checked(
        "VIEW-5",
        Profile::Contract,
        Check::View5,
        Need::Versions,
        20,
        "Renewals, any number, change neither ETag nor revision.",
    ),
    unchecked(
        "VIEW-6",
        Profile::Contract,
        "list(a) with delta(a to b) applied is list(b), for every filter; what leaves the filter is in removed; too old is 410, never a gap.",
    ),
    unchecked(
        "VIEW-7",
        Profile::Contract,
        "The pages of one cursor chain are one revision: nothing twice, nothing missing, under churn.",
    ),
    unchecked(
        "VIEW-8",
        Profile::Contract,
        "A long-poll returns within wait_ms + 1/16 + d, wakes within W + d of a change, misses none that fell between two calls, and no renewal wakes it.",
    ),
    unchecked(
        "VIEW-9",
        Profile::Contract,
        "Filters: list(f) is the filtered list(all) at the same revision; SemVer as SemVer 2.0 says, pre-releases included; labels as written.",
    ),
    unchecked(
        "VIEW-10",
        Profile::Contract,
        "Wiring: each dependency gets exactly the live providers that match, in the contract's order, never the asker, never an expired one.",
    ),
    unchecked(
        "VIEW-11",
        Profile::Contract,
        "Events: in order, each transition once, equal to what the views showed.",
    ),
    unchecked(
        "INPUT-1",
        Profile::Contract,
        "Every rule of section 4.1 broken in turn gets 400 (413, 415) with a pointer to each fault, and nothing changes.",
    ),
    unchecked(
        "INPUT-2",
        Profile::Contract,
        "Any bytes at all (generated: truncated JSON, deep nesting, huge numbers, NUL, lone surrogates, 1e6 header bytes, slow bodies) get a 4xx or a closed connection: no 5xx, no crash, bounded memory.",
    ),
    unchecked(
        "INPUT-3",
        Profile::Contract,
        "Unknown query parameters get 400; unknown body fields are ignored.",
    ),
    unchecked(
        "GUARD-1",
        Profile::Contract,
        "With list traffic at five times capacity no heartbeat is refused, and their p99 keeps to the published bound.",
    ),
    unchecked(
        "GUARD-2",
        Profile::Contract,
        "Wrong token 401, someone else's agent 403, nothing changed either way.",
    ),
    unchecked(
        "GUARD-3",
        Profile::Contract,
        "A million ids registered and gone: memory returns to within 1.2 of before.",
    ),
    unchecked(
        "MCP-1",
        Profile::Mcp,
        "The six tools exist with schemas; their structured results validate against them, and the text block says the same.",
    ),
    unchecked("MCP-2", Profile::Mcp, "Tool and HTTP answers agree at one revision."),
    unchecked(
        "MCP-3",
        Profile::Mcp,
        "The rules PULL-001 to PULL-015 of findings/mcp-and-passivity.md (the profile pull-only/1), tested with a client that BAITS: it declares every client capability, sends a progress token and a log level on every call, asks for GET, for subscriptions/listen, for resources/subscribe, and shows that nothing ever comes.",
    ),
    unchecked(
        "MCP-4",
        Profile::Mcp,
        "The rules MCP-101 to MCP-116 of the same page (what revision 2026-07-28 demands of such a server), Origin and Host each alone included.",
    ),
];

const fn checked(
    id: &'static str,
    profile: Profile,
    check: Check,
    need: Need,
    enough: u64,
    text: &'static str,
) -> Requirement {
    Requirement { id, level: Level::Must, profile, text, check: Some(check), need, enough }
}

const fn unchecked(id: &'static str, profile: Profile, text: &'static str) -> Requirement {
    Requirement { id, level: Level::Must, profile, text, check: None, need: Need::Nothing, enough: 0 }
}
