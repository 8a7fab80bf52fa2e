//! What the kernel counted of a registry in a network namespace of its own. There is nobody else in it but the relay and
//! the canaries, whose own calls are known: what is left is the registry's.

use reports::history::{Counts, Outward, Room, Watch};

use super::super::evidence::{Evidence, Span};
use super::super::tally::{Case, Tally, milliseconds};

/// The most questions for names that a timeline shows.
const SHOWN: usize = 20;

/// Whether the counters speak for the registry; if not, the tally says why.
fn is_evidence(room: &Room, tally: &mut Tally) -> bool {
    if room.end.relay_accepted == 0 {
        tally.absent = Some(
            "the process that serves does not live in the network namespace of the command that starts it, so the \
             kernel's counters of that are not about it"
                .to_owned(),
        );
    } else if !room.canaries_work {
        tally.hindrance = Some("the canaries in its network namespace did not answer to the end".to_owned());
    } else {
        return true;
    }
    false
}

/// Calls may have gone to a store of its own, which the counters cannot tell from others; then strace's log has to, and
/// without it nothing is decided.
fn is_unclear(evidence: &Evidence, watch: &Watch, room: &Room) -> Option<Option<String>> {
    if room.end.outward().total() == 0 || !room.may_have_a_store(&watch.configured) {
        return None;
    }
    let logged = evidence.watches.iter().any(|other| other.room.is_none() && other.accepted > 0);
    Some((!logged).then(|| {
        format!(
            "{}; its command names an address that may be its store's, and there is no log of strace to tell the two \
             apart",
            sentence(&room.end)
        )
    }))
}

pub(super) fn check_calls(evidence: &Evidence, watch: &Watch, room: &Room, tally: &mut Tally) {
    if !is_evidence(room, tally) {
        return;
    }
    tally.samples += room.end.relay_accepted;
    tally.decided += room.end.relay_accepted;
    match is_unclear(evidence, watch, room) {
        Some(hindrance) => tally.hindrance = hindrance,
        None if room.end.outward().total() > 0 => breach(watch, room, &room.end, tally),
        None => {}
    }
    tally.remark = Some(sentence(&room.end));
}

pub(super) fn check_names(watch: &Watch, room: &Room, tally: &mut Tally) {
    if !is_evidence(room, tally) {
        return;
    }
    tally.samples = watch.names.len() as u64;
    tally.decided = tally.samples;
    let declared = |question: &&String| {
        watch.names.iter().any(|name| question.to_lowercase().starts_with(&name.to_lowercase()))
    };
    let asked: Vec<&String> = room.questions.iter().filter(declared).collect();
    if let Some(name) = asked.first() {
        let told = format!("The registry asked a resolver about the declared name {name}");
        tally.conversation = asked.iter().take(SHOWN).map(|name| format!("asked for {name}")).collect();
        tally.break_with(case(watch, format!("{told}: {} such questions were heard.", asked.len())));
    } else if let Some(folder) = room.unhidden.first() {
        let told = format!("a service with a socket in {folder} could look up names for it unseen");
        tally.hindrance = Some(told);
    } else if !room.end.all_was_heard() {
        let told =
            format!("what it sent was not all heard, so a question may be in it: {}", sentence(&room.end));
        tally.hindrance = Some(told);
    }
    tally.remark = Some(format!(
        "{} host names were declared; in its network namespace, where a canary listens at the resolver's port of every \
         address, nobody asked for one of them",
        watch.names.len()
    ));
}

/// What went out since the provocations began. Gives what is to be said of it.
pub(super) fn check_provoked(evidence: &Evidence, watch: &Watch, room: &Room, tally: &mut Tally) {
    let (quiet, end) = (room.quiet.outward().total(), room.end.outward().total());
    if end <= quiet || !is_evidence(room, tally) {
        return;
    }
    match is_unclear(evidence, watch, room) {
        Some(hindrance) => tally.hindrance = hindrance.or(tally.hindrance.take()),
        None => breach(watch, room, &since(&room.quiet, &room.end), tally),
    }
}

/// What was counted between two looks.
fn since(before: &Counts, end: &Counts) -> Counts {
    Counts {
        opened: end.opened - before.opened.min(end.opened),
        accepted: end.accepted - before.accepted.min(end.accepted),
        datagrams: end.datagrams - before.datagrams.min(end.datagrams),
        unrouted: end.unrouted - before.unrouted.min(end.unrouted),
        echoes: end.echoes - before.echoes.min(end.echoes),
        relay_opened: end.relay_opened - before.relay_opened.min(end.relay_opened),
        relay_accepted: end.relay_accepted - before.relay_accepted.min(end.relay_accepted),
        canary_accepted: end.canary_accepted - before.canary_accepted.min(end.canary_accepted),
        canary_datagrams: end.canary_datagrams - before.canary_datagrams.min(end.canary_datagrams),
        canary_answers: end.canary_answers - before.canary_answers.min(end.canary_answers),
    }
}

fn breach(watch: &Watch, room: &Room, counts: &Counts, tally: &mut Tally) {
    let first = room
        .grown
        .first()
        .map(|grown| format!("; first seen at {} ms, after {}", milliseconds(grown.at_us), grown.after));
    let sentence = format!(
        "{}{}. What is called from where is told with --explain.",
        sentence(counts),
        first.unwrap_or_default()
    );
    if tally.conversation.is_empty() {
        tally.conversation = room
            .grown
            .iter()
            .map(|grown| {
                format!("{} ms: more had gone out, after {}", milliseconds(grown.at_us), grown.after)
            })
            .collect();
    }
    tally.break_with(case(watch, sentence));
}

fn case(watch: &Watch, sentence: String) -> Case {
    let span = Span { s: watch.s_us, e: watch.e_us };
    Case { agent: None, view: span, wrong: span, by_us: 0, sentence }
}

/// What the kernel counted, and whose it was.
fn sentence(counts: &Counts) -> String {
    let Outward { connections, to_itself, datagrams, unrouted, echoes } = counts.outward();
    let relay = match counts.opened.saturating_sub(counts.relay_opened) {
        0 => format!("all {} the harness's relay", counts.opened),
        _ => format!("{} the harness's relay", counts.relay_opened),
    };
    let itself =
        if to_itself == 0 { String::new() } else { format!(", {to_itself} the registry's to itself") };
    let heard = match connections {
        0 => String::new(),
        _ => format!(" ({} of them heard by a canary)", counts.canary_accepted.min(connections)),
    };
    format!(
        "In a network namespace of its own the registry opened {connections} connections{heard}: the kernel counted {}, \
         {relay}{itself}; it sent {datagrams} datagrams and {echoes} pings, and {unrouted} packets had nowhere to go",
        counts.opened
    )
}
