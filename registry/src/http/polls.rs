//! What is asked again and again, as it was answered last: at one revision the same question has the same answer, so it
//! is found by its text. What that gains shows in `just bench --only not-modified,delta,list`.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::Response;
use registry_core::time::Revision;

use super::conditional;
use super::encoding::{self, Coding};
use crate::shared::Shared;

/// The longest question that is kept, in bytes.
const QUESTION_BYTES: usize = 1_024;
/// The most questions that are kept.
const QUESTIONS: usize = 256;
/// Of the memory for answers, one in so many is for those that are kept.
const MEMORY_SHARE: usize = 8;
/// What cannot be kept: such a question waits, or its answer depends on more than the revision; and any name may be written
/// with `%`.
const OTHERWISE: [&str; 3] = ["wait_ms=", "cursor=", "%"];

/// A question: path, query, and what the asker accepts.
#[derive(Debug)]
pub(super) struct Question(String);

impl Question {
    /// `None` for what is asked anew each time.
    pub(super) fn of(uri: &Uri, headers: &HeaderMap) -> Option<Self> {
        let asked = uri.path_and_query()?.as_str();
        let mut accepted = headers.get_all(header::ACCEPT_ENCODING).iter();
        let first = accepted.next().map_or(Some(""), |field| field.to_str().ok())?;
        let is_plain = !OTHERWISE.iter().any(|part| asked.contains(part));
        let is_kept = is_plain && accepted.next().is_none() && asked.len() + first.len() <= QUESTION_BYTES;
        is_kept.then(|| Self([asked, first].join(" ")))
    }
}

/// An answer, and what is to be known of it to give it again.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) answer: Response,
    /// `None` when it may not be given again.
    pub(super) again: Option<Again>,
}

/// What is given to whoever asks the same at the same revision.
#[derive(Debug)]
pub(super) struct Again {
    pub(super) revision: Revision,
    /// Those by which askers name what they have; none of a delta.
    pub(super) tags: Vec<String>,
    /// How it was written, and its text; `None` while nobody has asked who did not have it.
    pub(super) text: Option<Written>,
}

/// How a text was written, and the text.
type Written = (Coding, Bytes);

/// The answers of one revision.
#[derive(Debug, Default)]
pub(crate) struct Polls {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    revision: Revision,
    bytes: usize,
    answers: HashMap<String, (Vec<String>, Option<Written>)>,
}

/// The answer to a question that has been answered since the last change.
pub(super) async fn known(shared: &Shared, question: &Question, headers: &HeaderMap) -> Option<Response> {
    let revision = shared.with_all_due(|core, _| core.revision()).await;
    let kept = shared.polls.kept.lock().unwrap_or_else(PoisonError::into_inner);
    let (tags, text) = kept.answers.get(&question.0).filter(|_| kept.revision == revision)?;
    if headers.contains_key(header::IF_NONE_MATCH)
        && let Some(tag) = tags.iter().find(|tag| conditional::is_known(headers, tag))
    {
        return Some(encoding::varied(conditional::not_modified(tag)));
    }
    let (coding, text) = text.clone()?;
    let tag = tags.iter().find(|tag| coding.is_of(tag)).cloned();
    drop(kept);
    let answer = encoding::written(coding, text);
    Some(match tag {
        Some(tag) => conditional::tagged(answer, &tag),
        None => answer,
    })
}

/// Keeps the answer to be given again.
pub(super) fn keep(shared: &Shared, question: Option<Question>, made: Made) -> Response {
    let Made { answer, again } = made;
    if let (Some(Question(question)), Some(again)) = (question, again)
        && matches!(answer.status(), StatusCode::OK | StatusCode::NOT_MODIFIED)
    {
        let mut kept = shared.polls.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.put(question, again, shared.limits.answer_bytes / MEMORY_SHARE);
    }
    answer
}

impl Kept {
    fn put(&mut self, question: String, again: Again, most_bytes: usize) {
        if again.revision > self.revision {
            *self = Self { revision: again.revision, ..Self::default() };
        }
        let bytes = again.text.as_ref().map_or(0, |(_, text)| text.len());
        let is_new = !self.answers.contains_key(&question);
        let has_room = !is_new || self.answers.len() < QUESTIONS;
        if again.revision < self.revision || !has_room || self.bytes.saturating_add(bytes) > most_bytes {
            return;
        }
        let held = self.answers.entry(question).or_insert_with(|| (again.tags, None));
        if let (None, Some(text)) = (&held.1, again.text) {
            held.1 = Some(text);
            self.bytes += bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(revision: u64, bytes: usize) -> Again {
        let text = Some((Coding::Identity, Bytes::from(vec![0; bytes])));
        Again { revision: Revision(revision), tags: vec!["\"t\"".to_owned()], text }
    }

    #[test]
    fn what_is_kept_is_of_one_revision_and_bounded_in_number_and_bytes() {
        let mut kept = Kept::default();
        for number in 0..2 * QUESTIONS {
            kept.put(number.to_string(), again(1, 1), usize::MAX);
        }
        assert_eq!((kept.answers.len(), kept.bytes), (QUESTIONS, QUESTIONS));
        kept.put("later".to_owned(), again(2, 60), 100);
        assert_eq!((kept.answers.len(), kept.bytes), (1, 60), "the earlier revision is forgotten");
        kept.put("too much".to_owned(), again(2, 60), 100);
        kept.put("too late".to_owned(), again(1, 1), 100);
        assert_eq!((kept.answers.len(), kept.bytes), (1, 60));
        kept.put("later".to_owned(), again(2, 30), 100);
        assert_eq!(kept.bytes, 60, "the same question is counted once");
    }

    #[test]
    fn questions_that_wait_or_go_on_are_asked_anew() {
        let of = |uri: &str| Question::of(&uri.parse().unwrap(), &HeaderMap::new());
        assert!(of("/agents?since=3&store_id=s").is_some());
        assert_ne!(of("/agents?limit=1").unwrap().0, of("/agents?limit=2").unwrap().0);
        for uri in ["/agents?wait_ms=1", "/agents?cursor=1-1-1", "/agents?wait%5Fms=1"] {
            assert!(of(uri).is_none(), "{uri}");
        }
        assert!(of(&format!("/agents?q={}", "x".repeat(QUESTION_BYTES))).is_none());
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, "gzip".parse().unwrap());
        let coded = Question::of(&"/agents".parse().unwrap(), &headers).unwrap();
        assert_ne!(coded.0, of("/agents").unwrap().0);
        headers.append(header::ACCEPT_ENCODING, "zstd".parse().unwrap());
        assert!(Question::of(&"/agents".parse().unwrap(), &headers).is_none());
    }
}
