//! `wallflower events`: what happened in a running registry, and what happens, asked for again and again.

use std::io::{ErrorKind, Write as _};
use std::time::Duration;

use agent_sim::client::Wire;
use serde_json::Value;

use crate::agents::{Unanswered, get, printable, wire};
use crate::cli::Events;
use crate::run::{self, Failure, TROUBLE};

/// How often a follower asks. Agents beat in seconds, and nobody reads faster.
const INTERVAL: Duration = Duration::from_secs(1);
/// The longest pause while the registry cannot be reached; it doubles up to here.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
const PAGE_EVENTS: usize = 1_000;

pub(crate) fn events(arguments: &Events) -> Result<u8, Failure> {
    let wire = wire(&arguments.registry)?;
    run::block_on(async {
        let telling = async {
            if arguments.follow { follow(&wire, arguments).await } else { tell(&wire, arguments).await }
        };
        tokio::select! {
            told = telling => told.map(|()| 0),
            () = run::end_signal() => Ok(0),
        }
    })?
}

/// Everything that there is.
async fn tell(wire: &Wire, arguments: &Events) -> Result<(), Failure> {
    let mut teller = Teller::new(arguments);
    while teller.next(wire).await.map_err(Unanswered::into_failure)? {}
    Ok(())
}

async fn follow(wire: &Wire, arguments: &Events) -> Result<(), Failure> {
    let mut teller = Teller::new(arguments);
    let mut pause = INTERVAL;
    loop {
        match teller.next(wire).await {
            Ok(true) => continue,
            Ok(false) => pause = INTERVAL,
            Err(Unanswered { failure, may_pass: true }) => {
                failure.print();
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            Err(unanswered) => return Err(unanswered.into_failure()),
        }
        if teller.is_unread {
            return Ok(());
        }
        tokio::time::sleep(pause).await;
    }
}

/// Prints events in order, each once.
struct Teller<'a> {
    arguments: &'a Events,
    after: u64,
    has_asked: bool,
    /// Whoever read has closed the pipe.
    is_unread: bool,
}

impl<'a> Teller<'a> {
    fn new(arguments: &'a Events) -> Self {
        Self { arguments, after: arguments.after.unwrap_or(0), has_asked: false, is_unread: false }
    }

    /// Prints the next page; true when there are more. The choice among events is made here: were it made by the
    /// registry, nobody could tell events that were missed from those that were not asked for.
    async fn next(&mut self, wire: &Wire) -> Result<bool, Unanswered> {
        let page = get(wire, &format!("/events?limit={PAGE_EVENTS}&after={}", self.after)).await?;
        let none = Vec::new();
        let events = page["events"].as_array().unwrap_or(&none);
        let expects = self.has_asked || self.arguments.after.is_some();
        if expects && page["oldest"].as_u64().is_some_and(|oldest| oldest > self.after + 1) {
            let text = format!(
                "note: events after {} are kept no longer; it goes on with {}",
                self.after, page["oldest"]
            );
            let _ = writeln!(std::io::stderr().lock(), "{text}");
        }
        self.has_asked = true;
        let chosen = events.iter().filter(|event| self.is_wanted(event));
        if let Err(error) = self.print(chosen) {
            if error.kind() != ErrorKind::BrokenPipe {
                return Err(Unanswered { failure: Failure::new(TROUBLE, error), may_pass: false });
            }
            self.is_unread = true;
            return Ok(false);
        }
        if let Some(last) = events.last().and_then(|event| event["number"].as_u64()) {
            self.after = last;
        }
        Ok(events.len() == PAGE_EVENTS)
    }

    fn is_wanted(&self, event: &Value) -> bool {
        let Events { agent, kind, .. } = self.arguments;
        agent.as_ref().is_none_or(|agent| event["agent_id"] == agent.as_str())
            && (kind.is_empty() || kind.iter().any(|kind| event["kind"] == kind.as_str()))
    }

    fn print<'e>(&self, events: impl Iterator<Item = &'e Value>) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        for event in events {
            if self.arguments.json {
                writeln!(out, "{event}")?;
            } else {
                writeln!(out, "{}", line(event))?;
            }
        }
        out.flush()
    }
}

/// Columns of fixed width, since nobody knows what comes next.
fn line(event: &Value) -> String {
    let text = |member: &str| printable(event[member].as_str().unwrap_or("-"));
    let statuses = format!("{} -> {}", text("from"), text("to"));
    let (at, kind, agent_id, reason) = (text("at"), text("kind"), text("agent_id"), text("reason"));
    format!("{:>8}  {at:<24}  {kind:<12}  {statuses:<20}  {reason:<16}  {agent_id}", event["number"])
}
