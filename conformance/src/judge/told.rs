//! Answers that tell what changed in a list since an earlier one. Whom such an answer does not name may be anything; who
//! is named is seen as it is named, or is in the list no longer, at some instant between the call's start and its end.

use reports::history::{CallRef, Status};

use super::evidence::Span;

/// What such an answer said of an agent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    pub(crate) span: Span,
    /// Index into [`super::evidence::Evidence::filters`].
    pub(crate) filter: u32,
    /// Who asked: a hash of its id, 0 for the harness.
    pub(crate) poller: u64,
    /// Its status and document now; `None`: it is in the list no longer.
    pub(crate) now: Option<(Status, Option<u64>)>,
}

/// Whether a call was answered with changes, or asked for them and was not answered with a whole list instead.
pub(super) fn tells_changes(call: &CallRef<'_>) -> bool {
    let asked = call.sent.as_ref().is_some_and(|sent| sent.since.is_some());
    asked && !call.seen.as_ref().is_some_and(|seen| seen.full)
}
