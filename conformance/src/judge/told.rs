//! Answers that tell what changed in a list since an earlier one. Whom such an answer does not name may be anything; who
//! is named is seen as it is named, or is in the list no longer, at some instant between the call's start and its end.

use reports::history::{Seen, Status};

use super::evidence::Span;

/// An agent that such an answer names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    pub(crate) span: Span,
    /// Index into [`super::evidence::Evidence::filters`].
    pub(crate) filter: u32,
    /// Its status and document now; `None`: it is in the list no longer.
    pub(crate) now: Option<(Status, Option<u64>)>,
}

/// All whom an answer names, with their ids.
pub(super) fn of(span: Span, filter: u32, seen: Seen) -> impl Iterator<Item = (String, Told)> {
    let shown = seen.agents.unwrap_or_default().into_iter();
    let shown = shown.map(|shown| (shown.id, Some((shown.status, shown.document))));
    let removed = seen.removed.into_iter().map(|id| (id, None));
    shown.chain(removed).map(move |(id, now)| (id, Told { span, filter, now }))
}
