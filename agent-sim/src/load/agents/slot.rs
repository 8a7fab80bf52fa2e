//! One call at a time.

/// The place for an agent's one unanswered heartbeat, or poll.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Slot {
    #[default]
    Free,
    /// A call is due or under way; so many due ones found it there.
    Taken { misses: u32 },
}

impl Slot {
    /// Takes the place, or counts a miss.
    pub(super) fn take(&mut self) -> bool {
        match self {
            Self::Free => {
                *self = Self::Taken { misses: 0 };
                true
            }
            Self::Taken { misses } => {
                *misses += 1;
                false
            }
        }
    }

    /// Frees the place and tells how many misses the call caused.
    pub(super) fn free(&mut self) -> u32 {
        match std::mem::take(self) {
            Self::Free => 0,
            Self::Taken { misses } => misses,
        }
    }
}
