//! What lists have in common: pages and deltas, tags, waiting, and gluing serialised entries together.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use registry_core::Registry;
use registry_core::candidates::{Candidates, Found};
use registry_core::changes::Delta;
use registry_core::listing::{Cursor, CursorFault, Page, PageRequest, View};
use registry_core::time::{Moment, Revision};

use super::conditional;
use super::encoding::{self, Coding, Text};
use super::lanes::Turn;
use super::polls::{self, Again, Made, Question};
use super::problem::Problem;
use super::query::Parameters;
use super::waiting::{LONGEST_WAIT_MS, Wait};
use crate::shared::Shared;

/// The most entries of a page.
pub(crate) const LARGEST_LIMIT: usize = 10_000;
/// Those of a page whose length nobody chose.
pub(crate) const DEFAULT_LIMIT: usize = 1_000;
/// A delta over so many changes costs little more than a 304.
const FEW_CHANGES: usize = 100;
/// How many changes are looked at before others get the registry's lock.
const CHANGES_AT_ONCE: usize = 500;
/// How many agents are looked at for a list, and their entries written down, before others get the registry's lock.
const AGENTS_AT_ONCE: usize = 500;
/// Twice what a list of a million agents takes, or a delta over a million changes.
const MOST_STEPS: usize = 4_000;

/// Which part of a list is asked for, and how.
#[derive(Debug)]
struct ListRequest {
    part: Part,
    wait: Option<Duration>,
    accepted: Vec<Coding>,
}

#[derive(Debug)]
enum Part {
    Page(PageRequest),
    Since { store_id: String, since: Revision },
}

fn list_request(parameters: &mut Parameters, headers: &HeaderMap) -> ListRequest {
    let limit = limit(parameters);
    let cursor = parameters.parsed("cursor", |text| {
        Cursor::parse(text).ok_or_else(|| "it is no cursor of this registry".to_owned())
    });
    let since = parameters.parsed("since", |text| {
        text.parse().map(Revision).map_err(|_| "allowed is the revision of a list or delta".to_owned())
    });
    let store_id = parameters.one("store_id");
    let wait_ms = parameters.parsed("wait_ms", |text| match text.parse() {
        Ok(wait_ms) if wait_ms <= LONGEST_WAIT_MS => Ok(wait_ms),
        _ => Err(format!("allowed is 0 to {LONGEST_WAIT_MS}")),
    });
    if since.is_some() {
        if store_id.is_none() {
            parameters.fault("store_id", "is missing: a revision means nothing without its store");
        }
        for (name, is_given) in [("limit", limit.is_some()), ("cursor", cursor.is_some())] {
            if is_given {
                parameters.fault(name, "does not go with `since`: a delta is always whole");
            }
        }
    } else if store_id.is_some() {
        parameters.fault("store_id", "goes with `since` only");
    }
    if cursor.is_some() && wait_ms.is_some() {
        parameters.fault("wait_ms", "does not go with `cursor`: what a cursor points into never changes");
    }
    let part = match (since, store_id) {
        (Some(since), Some(store_id)) => Part::Since { store_id, since },
        _ => Part::Page(PageRequest { limit: limit.unwrap_or(DEFAULT_LIMIT), cursor }),
    };
    ListRequest { part, wait: wait_ms.map(Duration::from_millis), accepted: encoding::accepted(headers) }
}

pub(super) fn limit(parameters: &mut Parameters) -> Option<usize> {
    parameters.parsed("limit", |text| match text.parse() {
        Ok(limit) if (1..=LARGEST_LIMIT).contains(&limit) => Ok(limit),
        _ => Err(format!("allowed is 1 to {LARGEST_LIMIT}")),
    })
}

/// `GET` of a list, answered as it was last where nothing has changed since. `view` reads what is asked for.
pub(super) async fn list(
    shared: &Shared,
    uri: &Uri,
    headers: &HeaderMap,
    member: &'static str,
    view: impl FnOnce(&mut Parameters) -> View,
) -> Result<Response, Problem> {
    let question = Question::of(uri, headers);
    if let Some(question) = &question
        && let Some(answer) = polls::known(shared, question, headers).await
    {
        return Ok(answer);
    }
    let mut parameters = Parameters::of(uri);
    let request = list_request(&mut parameters, headers);
    let view = view(&mut parameters);
    parameters.finish()?;
    let made = answer(shared, headers, &view, &request, member).await?;
    Ok(polls::keep(shared, question, made))
}

/// Answers with a page or a delta, or with 304 when the asker has the page; waits as asked before it tells nothing new,
/// and for the store before it tells what is new. `member` names the entries. What the asker has already, and what
/// changed little, is told without a turn among those who ask for lists.
async fn answer(
    shared: &Shared,
    headers: &HeaderMap,
    view: &View,
    request: &ListRequest,
    member: &'static str,
) -> Result<Made, Problem> {
    let mut wait = Wait::new(shared, request.wait);
    let route = route_of(view);
    match &request.part {
        Part::Page(asked) => loop {
            let known = shared
                .with_all_due(|core, moment| find_known(core, moment, headers, view, asked, request))
                .await?;
            if let Some((tag, tags, revision)) = known {
                if wait.change_after(revision).await? {
                    continue;
                }
                shared.shown(revision).await;
                let answer = encoding::varied(conditional::not_modified(&tag));
                return Ok(Made { answer, again: Some(Again { revision, tags, text: None }) });
            }
            let turn = shared.lanes.turn(route).await?;
            let (tag, page) = find_page(shared, view, asked).await?;
            let revision = page.revision;
            let made = page_answer(shared, request, &tag, page, (route, member)).await?;
            // The answer is made: whoever waits for the store takes no turn from others.
            drop(turn);
            shared.shown(revision).await;
            return Ok(made);
        },
        Part::Since { store_id, since } => {
            let mut seen = None;
            loop {
                let is_much = shared.with_all_due(|core, _| core.changes_since(*since) > FEW_CHANGES).await;
                let mut turn = if is_much { Some(shared.lanes.turn(route).await?) } else { None };
                let delta = find_delta(shared, view, (store_id, *since), seen, &mut turn).await?;
                let revision = delta.revision;
                if delta.is_empty() {
                    drop(turn);
                    if wait.change_after(revision).await? {
                        seen = Some(revision);
                        continue;
                    }
                }
                let (coding, text) = delta_text(shared, request, view, (store_id, *since), delta).await?;
                shared.shown(revision).await;
                let answer = encoding::written(coding, text.clone());
                let again = Some(Again { revision, tags: Vec::new(), text: Some((coding, text)) });
                return Ok(Made { answer, again });
            }
        }
    }
}

fn route_of(view: &View) -> &'static str {
    match view {
        View::Agents(_) => "/agents",
        View::Capabilities(_) => "/capabilities",
    }
}

/// Of a page that the asker has: its tag, all tags that it may have for this asker, and its revision.
fn find_known(
    core: &mut Registry,
    moment: Moment,
    headers: &HeaderMap,
    view: &View,
    page: &PageRequest,
    request: &ListRequest,
) -> Result<Option<(String, Vec<String>, Revision)>, CursorFault> {
    let tags = variants(request, &core.tag(moment, view, page)?);
    let known = tags.iter().find(|tag| conditional::is_known(headers, tag)).cloned();
    Ok(known.map(|known| (known, tags, core.revision())))
}

/// The tags of a page, one for each way in which this asker may have it.
fn variants(request: &ListRequest, tag: &str) -> Vec<String> {
    let codings = request.accepted.iter().filter(|coding| **coding != Coding::Identity);
    codings.chain([&Coding::Identity]).map(|coding| coding.tag(tag)).collect()
}

/// A page and its tag. A long list is gathered in steps, so that heartbeats come in between.
async fn find_page(shared: &Shared, view: &View, page: &PageRequest) -> Result<(String, Page), Problem> {
    let mut candidates: Option<Candidates> = None;
    // Whatever changes meanwhile is gathered, too. Should that never end, the rest is gathered at one go.
    let mut steps_left = MOST_STEPS;
    loop {
        let most = if steps_left == 0 { usize::MAX } else { AGENTS_AT_ONCE };
        let step = shared.with_all_due(|core, moment| -> Result<_, CursorFault> {
            let begun = match candidates.take() {
                // Somebody else may have made the same list meanwhile.
                Some(_) if core.is_kept(moment, view, page) => None,
                Some(begun) => Some(begun),
                None => core.candidates(moment, view, page),
            };
            let Some(mut begun) = begun else {
                let tag = core.tag(moment, view, page)?;
                return Ok(Step::Ready(tag, core.list(moment, view, page)?));
            };
            let is_whole = core.gather_candidates(moment, &mut begun, most);
            Ok(if is_whole { Step::Whole(begun) } else { Step::More(begun) })
        });
        match step.await? {
            Step::Ready(tag, page) => return Ok((tag, page)),
            Step::More(begun) => candidates = Some(begun),
            Step::Whole(begun) => {
                let found = if begun.is_search() { search(shared, begun).await? } else { begun.search() };
                return Ok(shared.with_core(|core, _| core.list_found(found, page)));
            }
        }
        steps_left = steps_left.saturating_sub(1);
        tokio::task::yield_now().await;
    }
}

enum Step {
    Ready(String, Page),
    More(Candidates),
    Whole(Candidates),
}

/// One search at a time, in a thread of its own: the others are for heartbeats.
async fn search(shared: &Shared, candidates: Candidates) -> Result<Found, Problem> {
    // The semaphore is never closed.
    let _permit = shared.searches.acquire().await.ok();
    encoding::apart(|| candidates.search()).await
}

async fn page_answer(
    shared: &Shared,
    request: &ListRequest,
    tag: &str,
    page: Page,
    (route, member): (&'static str, &'static str),
) -> Result<Made, Problem> {
    let bytes = bytes_of(page.entries());
    let store_id = Arc::clone(&shared.store_id);
    // Where a cursor leads to is kept for a while only.
    let (revision, goes_on) = (page.revision, page.next_cursor.is_some());
    let write = move || page_text(&page, &store_id, member);
    let text = Text { key: tag, bytes, route, write };
    let (coding, text) = encoding::write(shared, &request.accepted, text).await?;
    let answer = conditional::tagged(encoding::written(coding, text.clone()), &coding.tag(tag));
    let again = Again { revision, tags: variants(request, tag), text: Some((coding, text)) };
    Ok(Made { answer, again: (!goes_on).then_some(again) })
}

/// `seen` is a revision at which there was no difference yet. What takes more than a step takes a turn.
async fn find_delta<'a>(
    shared: &'a Shared,
    view: &View,
    (store_id, since): (&str, Revision),
    seen: Option<Revision>,
    turn: &mut Option<Turn<'a>>,
) -> Result<Delta, Problem> {
    let begun = shared.with_all_due(|core, moment| {
        if seen.is_some_and(|seen| !core.concerns(view, seen)) {
            return Ok(Err(Delta { revision: core.revision(), changed: Vec::new(), removed: Vec::new() }));
        }
        core.begin_delta(moment, view, store_id, since).map(Ok)
    });
    let mut gathering = match begun.await? {
        Ok(begun) => begun,
        Err(nothing) => return Ok(nothing),
    };
    // Whatever changes meanwhile is gathered, too. Should that never end, the rest is gathered at one go.
    let mut steps_left = MOST_STEPS;
    loop {
        let most = if steps_left == 0 { usize::MAX } else { CHANGES_AT_ONCE };
        if shared.with_all_due(|core, moment| core.gather(moment, &mut gathering, most)).await? {
            break;
        }
        if turn.is_none() {
            *turn = Some(shared.lanes.turn(route_of(view)).await?);
        }
        steps_left = steps_left.saturating_sub(1);
        tokio::task::yield_now().await;
    }
    if gathering.agents() > FEW_CHANGES {
        encoding::apart(|| gathering.compare()).await
    } else {
        Ok(gathering.compare())
    }
}

async fn delta_text(
    shared: &Shared,
    request: &ListRequest,
    view: &View,
    (store_id, since): (&str, Revision),
    delta: Delta,
) -> Result<(Coding, Bytes), Problem> {
    let key = format!("{store_id} {} {} {view:?}", since.0, delta.revision.0);
    let bytes = bytes_of(&delta.changed) + bytes_of(&delta.removed);
    let store_id = store_id.to_owned();
    let write = move || write_delta(&store_id, since, &delta);
    let text = Text { key: &key, bytes, route: route_of(view), write };
    encoding::write(shared, &request.accepted, text).await
}

fn bytes_of(texts: &[Arc<str>]) -> usize {
    texts.iter().map(|text| text.len() + 1).sum()
}

fn page_text(page: &Page, store_id: &str, member: &str) -> String {
    let next_cursor = page.next_cursor.as_ref().map_or("null".to_owned(), |cursor| format!("\"{cursor}\""));
    let revision = page.revision.0;
    let head = format!(
        "{{\"store_id\":\"{store_id}\",\"revision\":{revision},\"next_cursor\":{next_cursor},\"{member}\":["
    );
    let mut text = String::with_capacity(head.len() + bytes_of(page.entries()) + 2);
    text.push_str(&head);
    push_list(&mut text, page.entries(), "");
    text.push_str("]}");
    text
}

/// Neither ids nor names of capabilities hold anything that JSON must escape.
fn write_delta(store_id: &str, since: Revision, delta: &Delta) -> String {
    let (since, revision) = (since.0, delta.revision.0);
    let mut text =
        format!("{{\"store_id\":\"{store_id}\",\"since\":{since},\"revision\":{revision},\"changed\":[");
    push_list(&mut text, &delta.changed, "");
    text.push_str("],\"removed\":[");
    push_list(&mut text, &delta.removed, "\"");
    text.push_str("]}");
    text
}

fn push_list(text: &mut String, entries: &[Arc<str>], quote: &str) {
    for (position, entry) in entries.iter().enumerate() {
        if position > 0 {
            text.push(',');
        }
        text.push_str(quote);
        text.push_str(entry);
        text.push_str(quote);
    }
}
