//! SIGKILL at random instants under registration load, hundreds of times on one database: nothing acknowledged is lost,
//! and what was not acknowledged is there whole or not at all.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::program::Served;
use crate::serve::ask;

const ROUNDS: usize = 200;
const WRITERS: usize = 3;
/// Few, so that a start reads little; each is registered, changed and deregistered over and over.
const AGENTS_PER_WRITER: usize = 6;
/// The longest that a registry lives after it said where it listens, in microseconds.
const LONGEST_LIFE_US: u64 = 60_000;
const SEED: u64 = 0x5eed_dead;

/// The number that an agent declared last; `None` when it is deregistered or was never there.
type Declared = Option<u64>;

/// What is known of an agent: the last acknowledged state, and the one that was under way at the kill.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    acknowledged: Declared,
    under_way: Option<Declared>,
}

/// Xorshift: enough to spread kills, and the same with the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// One call; `None` when the registry was gone before it had answered.
pub(crate) fn call(url: &str, head: &str, body: &str) -> Option<(u16, String)> {
    let mut socket = TcpStream::connect(url.strip_prefix("http://").unwrap()).ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    let request = format!(
        "{head} HTTP/1.1\r\nHost: r\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let length: usize = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned))
        .map_or(0, |length| length.parse().unwrap());
    (body.len() == length).then(|| (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned()))
}

/// Changes agents until the registry is gone. Gives how many changes were acknowledged and the highest revision told.
fn write(url: &str, known: &mut BTreeMap<String, Known>, chance: &mut Chance) -> (u64, u64) {
    let (mut acknowledged, mut revision) = (0, 0);
    loop {
        let index = usize::try_from(chance.below(known.len() as u64)).unwrap();
        let (agent_id, state) = known.iter_mut().nth(index).unwrap();
        let next = (state.acknowledged.is_none() || chance.below(4) > 0).then(|| chance.below(1 << 40));
        state.under_way = Some(next);
        let answer = match next {
            Some(number) => {
                let body = json!({ "agent_id": agent_id, "labels": { "n": number.to_string() },
                    "metadata": { "n": number }, "capabilities": [{ "name": format!("c{number}") }] });
                call(url, "POST /heartbeat", &body.to_string())
            }
            None => call(url, &format!("DELETE /agents/{agent_id}"), ""),
        };
        let Some((status, body)) = answer else { return (acknowledged, revision) };
        assert_eq!(status, if next.is_some() { 200 } else { 204 }, "{agent_id}: {body}");
        if next.is_some() {
            let told: Value = serde_json::from_str(&body).unwrap();
            revision = revision.max(told["revision"].as_u64().unwrap());
        }
        *state = Known { acknowledged: next, under_way: None };
        acknowledged += 1;
    }
}

/// The number that each agent shows. One that shows parts of two documents fails.
fn shown(url: &str) -> (BTreeMap<String, u64>, u64) {
    let (status, body) = ask(url, "GET /agents?limit=10000", "");
    assert!(status.contains("200"), "{status}");
    let list: Value = serde_json::from_str(&body).unwrap();
    let entries = list["agents"].as_array().unwrap().iter().map(|entry| {
        let number = entry["metadata"]["n"].as_u64().unwrap();
        assert_eq!(entry["labels"]["n"], number.to_string(), "a mix: {entry}");
        assert_eq!(entry["capabilities"][0]["name"], format!("c{number}"), "a mix: {entry}");
        (entry["agent_id"].as_str().unwrap().to_owned(), number)
    });
    (entries.collect(), list["revision"].as_u64().unwrap())
}

fn check(known: &mut BTreeMap<String, Known>, shown: &BTreeMap<String, u64>, round: usize) {
    for (agent_id, state) in known {
        let found = shown.get(agent_id).copied();
        assert!(
            found == state.acknowledged || Some(found) == state.under_way,
            "round {round} of seed {SEED:#x}: {agent_id} shows {found:?} and was {state:?}"
        );
        *state = Known { acknowledged: found, under_way: None };
    }
}

#[test]
fn killed_hundreds_of_times_it_loses_nothing_that_it_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut chance = Chance(SEED);
    let name = |writer: usize, agent: usize| (format!("w{writer}-{agent}"), Known::default());
    let mut writers: Vec<BTreeMap<String, Known>> = (0..WRITERS)
        .map(|writer| (0..AGENTS_PER_WRITER).map(|agent| name(writer, agent)).collect())
        .collect();
    let (mut changes, mut revision_told, mut rounds_with_changes) = (0, 0, 0);
    for round in 0..ROUNDS {
        let mut served = Served::start(folder.path(), &[]);
        let (there, revision) = shown(&served.url);
        assert!(revision >= revision_told, "round {round}: revision {revision} after {revision_told}");
        revision_told = revision;
        for known in &mut writers {
            check(known, &there, round);
        }
        let life = Duration::from_micros(chance.below(LONGEST_LIFE_US));
        let mut chances: Vec<_> = (0..WRITERS).map(|_| Chance(chance.below(u64::MAX - 1) + 1)).collect();
        let url = served.url.clone();
        let counts: Vec<(u64, u64)> = std::thread::scope(|scope| {
            let threads: Vec<_> = writers
                .iter_mut()
                .zip(&mut chances)
                .map(|(known, chance)| scope.spawn(|| write(&url, known, chance)))
                .collect();
            std::thread::sleep(life);
            served.child.kill().unwrap();
            served.child.wait().unwrap();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let acknowledged: u64 = counts.iter().map(|(acknowledged, _)| acknowledged).sum();
        changes += acknowledged;
        rounds_with_changes += usize::from(acknowledged > 0);
        revision_told = counts.iter().fold(revision_told, |told, (_, revision)| told.max(*revision));
    }
    // Kills that nothing went before show nothing.
    assert!(
        rounds_with_changes > ROUNDS / 4 && changes > ROUNDS as u64,
        "too little was acknowledged to lose: {changes} changes, in {rounds_with_changes} of {ROUNDS} rounds"
    );
}
