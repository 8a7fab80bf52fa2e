//! The requests of one call, or of one page of it: mostly one, for some kinds of registry several.

use reports::history::Outcome;

use super::kept::Keeping;
use super::{Client, End};
use crate::dialect::{Call, Dialect, Reading, WireAnswer, WireRequest};

/// Most requests of one call.
pub(crate) const MAX_STEPS: usize = 8;

impl Client {
    pub(super) async fn page(
        &self,
        dialect: &dyn Dialect,
        call: &Call,
        request: &WireRequest,
        kept: &mut Keeping,
    ) -> End {
        let result = self.wire.send_within(request, self.wire.timeout() + call.held_for()).await;
        let e_us = self.clock.now_us();
        kept.keep(&self.wire, request, &result);
        match result.map(WireAnswer::from) {
            Ok(answer) => match dialect.follow_up(call, std::slice::from_ref(&answer)) {
                None => End { reading: dialect.read(call, &answer), http: Some(answer.status), e_us },
                Some(next) => self.followed_up(dialect, call, (answer, next), kept).await,
            },
            Err(error) => {
                End { reading: Reading::of(error.outcome()).noting(error.to_string()), http: None, e_us }
            }
        }
    }

    /// The rest of a call whose first request was answered.
    async fn followed_up(
        &self,
        dialect: &dyn Dialect,
        call: &Call,
        (first, next): (WireAnswer, WireRequest),
        kept: &mut Keeping,
    ) -> End {
        let mut answers = vec![first];
        let mut request = next;
        loop {
            let result = self.wire.send_whole(&request).await;
            let e_us = self.clock.now_us();
            kept.keep(&self.wire, &request, &result);
            let answer = match result.map(WireAnswer::from) {
                Ok(answer) => answer,
                Err(error) => {
                    // What was answered before may have acted already.
                    let outcome = match error.outcome() {
                        Outcome::NotSent => Outcome::Failed,
                        outcome => outcome,
                    };
                    return End { reading: Reading::of(outcome).noting(error.to_string()), http: None, e_us };
                }
            };
            answers.push(answer);
            match dialect.follow_up(call, &answers).filter(|_| answers.len() < MAX_STEPS) {
                Some(next) => request = next,
                None => {
                    let nothing = || Reading::of(Outcome::Failed);
                    let reading = answers.last().map_or_else(nothing, |last| dialect.read(call, last));
                    return End { reading, http: answers.last().map(|last| last.status), e_us };
                }
            }
        }
    }
}
