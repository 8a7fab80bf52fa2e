//! Who runs beside whom. Most tests wait for most of their time, so that there are more of them at a time than cores
//! (`.cargo/config.toml`); but what runs beside a load test makes it lie.

use std::cell::RefCell;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// How a test bears others. Only those of one kind run at a time, and of each kind so many.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// It runs the program, and no slowness of the machine changes what it says.
    Any = 6,
    /// It must be a valid run that something is judged by.
    Measured = 2,
    Alone = 1,
}

/// Whose turn it is, and how many of them run.
static TURN: Mutex<(Kind, usize)> = Mutex::new((Kind::Any, 0));
static ENDED: Condvar = Condvar::new();

thread_local! {
    /// What the test of this thread has taken, to its end.
    static TAKEN: RefCell<Option<Place>> = const { RefCell::new(None) };
}

/// Given back when dropped.
struct Place(Kind);

impl Place {
    fn take(kind: Kind) -> Self {
        let is_full = |turn: &mut (Kind, usize)| turn.1 > 0 && (turn.0 != kind || turn.1 >= kind as usize);
        let mut turn = ENDED.wait_while(lock(), is_full).unwrap_or_else(PoisonError::into_inner);
        *turn = (kind, turn.1 + 1);
        Self(kind)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock().1 -= 1;
        ENDED.notify_all();
    }
}

fn lock() -> MutexGuard<'static, (Kind, usize)> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn take(kind: Kind) {
    // A thread that runs several tests, as with `--test-threads=1`, gives back what the one before had.
    if TAKEN.with_borrow(|taken| taken.as_ref().is_none_or(|place| place.0 != kind)) {
        TAKEN.set(None);
        TAKEN.set(Some(Place::take(kind)));
    }
}

/// To the end of this test no other runs the program.
pub(crate) fn alone() {
    take(Kind::Alone);
}

/// To the end of this test few others run the program, each of which says this. For who is judged by a valid run.
pub(crate) fn measured() {
    take(Kind::Measured);
}

/// To the end of this test those that run the program are few. Whoever names the program says this, and so whoever said
/// more before keeps that.
pub(crate) fn beside() {
    if TAKEN.with_borrow(Option::is_none) {
        take(Kind::Any);
    }
}
