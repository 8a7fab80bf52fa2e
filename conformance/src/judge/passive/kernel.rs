//! PASSIVE-2 to 4: what the kernel and the listeners saw of a registry that was provoked, by the counters of a network
//! namespace (`room`) or by strace's log of its system calls.

use reports::history::{OutwardCall, OutwardKind, Watch};

use super::super::evidence::{Evidence, Span};
use super::super::tally::{Case, Tallies, Tally};
use super::room;
use crate::catalogue::Check;

/// The most calls that a timeline shows.
const SHOWN: usize = 20;

/// Judges every watch in the history; one without leaves all three undecided.
pub(super) fn check(evidence: &Evidence, tallies: &mut Tallies) {
    for watch in &evidence.watches {
        match &watch.room {
            Some(room) => {
                room::check_calls(evidence, watch, room, tallies.of(Check::Passive2));
                room::check_names(watch, room, tallies.of(Check::Passive3));
            }
            // Behind a room a log that saw nothing takes nothing away from what was counted.
            None if watch.accepted == 0 && evidence.watches.iter().any(|other| other.room.is_some()) => {}
            None => {
                check_calls(watch, tallies.of(Check::Passive2));
                check_names(watch, tallies.of(Check::Passive3));
            }
        }
        check_provoked(evidence, watch, tallies.of(Check::Passive4));
    }
}

fn check_calls(watch: &Watch, tally: &mut Tally) {
    if !seen_by_kernel(watch, tally) {
        return;
    }
    let stores = watch.calls.iter().filter(|call| is_store(watch, call)).count();
    for call in watch.calls.iter().filter(|call| is_breach(watch, call)) {
        breach(watch, call, tally);
    }
    blind_spot(watch, tally, &[OutwardKind::Unseen]);
    let store =
        if stores == 0 { String::new() } else { format!(", {stores} calls to its configured store aside") };
    let why = watch.no_room.as_ref().map(|reason| format!(" (not the kernel's counters, because {reason})"));
    let before = tally.remark.take().map(|remark| format!("{remark}. ")).unwrap_or_default();
    tally.remark = Some(format!(
        "{before}strace showed every system call of a second process of it, and of its children, that connects or sends, \
         from its start to its end: none went out{store}, while it accepted {} connections and was provoked{}",
        watch.accepted,
        why.unwrap_or_default()
    ));
}

fn check_names(watch: &Watch, tally: &mut Tally) {
    if !seen_by_kernel(watch, tally) {
        return;
    }
    tally.samples = watch.names.len() as u64;
    tally.decided = tally.samples;
    for call in watch.calls.iter().filter(|call| call.name.is_some() && !is_store(watch, call)) {
        breach(watch, call, tally);
    }
    blind_spot(watch, tally, &[OutwardKind::Unseen, OutwardKind::NameService]);
    let before = tally.remark.take().map(|remark| format!("{remark}. ")).unwrap_or_default();
    tally.remark = Some(format!(
        "{before}{} host names were declared; strace showed all that a second process of it sent to anybody but its callers, \
         and none of them was in it",
        watch.names.len()
    ));
}

fn check_provoked(evidence: &Evidence, watch: &Watch, tally: &mut Tally) {
    let within = |span: &Span| span.s >= watch.s_us && span.e <= watch.e_us;
    let provocations = evidence.provocations.iter().filter(|provocation| within(&provocation.span)).count();
    tally.samples += provocations as u64;
    if evidence.end.as_ref().is_some_and(|end| end.tripwire) {
        tally.decided += provocations as u64;
    } else {
        tally.hindrance = Some("no listener stood behind every declared endpoint until the end".to_owned());
    }
    for touch in evidence.touches.iter().filter(|touch| touch.at_us >= watch.s_us) {
        let whose = touch.agent.as_deref().unwrap_or("no agent");
        let at = Span { s: touch.at_us, e: touch.at_us };
        let sentence = format!("The endpoint {} of {whose} was called from {}.", touch.address, touch.from);
        tally.break_with(Case { agent: touch.agent.clone(), view: at, wrong: at, by_us: 0, sentence });
    }
    if let Some(room) = &watch.room {
        room::check_provoked(evidence, watch, room, tally);
    }
    let provoked = watch.calls.iter().filter(|call| call.provoked);
    for call in provoked.filter(|call| is_breach(watch, call)) {
        breach(watch, call, tally);
    }
    let expired = match watch.expired {
        0 => "leases were too long to wait for their end".to_owned(),
        expired => format!("{expired} agents expired in a wave"),
    };
    let kernel = match &watch.unavailable {
        Some(reason) => {
            format!(
                "only canaries were possible: no call was observed at the declared endpoints, and the kernel could not be \
                 asked, because {}",
                both(watch.no_room.as_deref(), reason)
            )
        }
        None if watch.room.is_some() => {
            "neither the canaries nor the kernel's counters of its own network namespace saw a call"
                .to_owned()
        }
        None => "neither the listeners nor the kernel saw a call".to_owned(),
    };
    tally.remark = Some(format!("{kernel}; {expired}"));
}

/// Why there was no namespace, and why no log either; one reason may hold for both.
fn both(no_room: Option<&str>, no_log: &str) -> String {
    match no_room {
        Some(no_room) if no_room != no_log => format!("{no_room}; {no_log}"),
        _ => no_log.to_owned(),
    }
}

/// Whether the kernel could be asked, and about the right process.
fn seen_by_kernel(watch: &Watch, tally: &mut Tally) -> bool {
    if let Some(reason) = &watch.unavailable {
        tally.absent =
            Some(format!("only canaries were possible, because {}", both(watch.no_room.as_deref(), reason)));
        return false;
    }
    if watch.accepted == 0 {
        tally.absent = Some(
            "the process that serves is no child of the command that starts it, so the kernel's log of the command is \
             not about it"
                .to_owned(),
        );
        return false;
    }
    tally.samples += watch.accepted;
    tally.decided += watch.accepted;
    true
}

/// A turn to somebody who is not its store. What is written over a connection is the connection's fault.
fn is_breach(watch: &Watch, call: &OutwardCall) -> bool {
    matches!(call.kind, OutwardKind::Connect | OutwardKind::Send) && !is_store(watch, call)
}

/// Whether the address stands in its command or environment as it was called.
fn is_store(watch: &Watch, call: &OutwardCall) -> bool {
    let Some((host, port)) = call.to.rsplit_once(':') else { return false };
    let local = ["127.0.0.1", "[::1]"].contains(&host);
    let written = [call.to.clone(), format!("localhost:{port}")];
    let known = if local { &written[..] } else { &written[..1] };
    watch.configured.iter().any(|word| known.iter().any(|address| stands_in(word, address)))
}

/// Whether the address stands in the word, and not as the beginning of a longer number.
fn stands_in(word: &str, address: &str) -> bool {
    word.match_indices(address).any(|(at, _)| {
        let before = word[..at].chars().next_back();
        let after = word[at + address.len()..].chars().next();
        !before.is_some_and(|letter| letter.is_ascii_alphanumeric() || letter == '.')
            && !after.is_some_and(|letter| letter.is_ascii_digit())
    })
}

/// What the log cannot see leaves a requirement undecided.
fn blind_spot(watch: &Watch, tally: &mut Tally, kinds: &[OutwardKind]) {
    // Before the provocations nobody knew a declared name that could be asked for.
    let matters = |call: &&OutwardCall| call.provoked || call.kind == OutwardKind::Unseen;
    let blind = watch.calls.iter().filter(matters).find(|call| kinds.contains(&call.kind));
    if let Some(call) = blind {
        tally.hindrance = Some(format!("what it did by {} is not seen: {}", call.to, call.text));
    } else if watch.omitted > 0 {
        tally.hindrance = Some(format!("{} further calls were not kept", watch.omitted));
    }
}

fn breach(watch: &Watch, call: &OutwardCall, tally: &mut Tally) {
    let span = Span { s: watch.s_us, e: watch.e_us };
    let when = if call.provoked { "while it was provoked" } else { "before anybody had told it anything" };
    let what = match (&call.name, call.kind) {
        (Some(name), _) => format!("asked {} about the declared name {name}", call.to),
        (None, OutwardKind::Send) => format!("sent to {}", call.to),
        (None, _) => format!("connected to {}", call.to),
    };
    // Who called is worth more than that somebody did, which a room's counters may have told before.
    tally.conversation = watch.calls.iter().take(SHOWN).map(|call| call.text.clone()).collect();
    tally.break_with(Case {
        agent: None,
        view: span,
        wrong: span,
        by_us: 0,
        sentence: format!("The registry process {what} {when}: {}", call.text),
    });
}
