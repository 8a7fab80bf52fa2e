//! The suite, tested both ways.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests end with a panic, and a failing one shows what it saw"
)]

mod broken;
mod guarded;
mod histories;
mod kept;
#[path = "../../../tests/all/not_judged.rs"]
mod not_judged;
mod room;
mod shrunk;
mod stub;
mod tampered;

/// So many live runs bear each other: they mostly wait.
const SIDE_BY_SIDE: u32 = 5;

static MACHINE: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(SIDE_BY_SIDE as usize);

/// Load makes live runs undecided: whoever holds one that bears no other takes this first.
async fn alone() -> tokio::sync::SemaphorePermit<'static> {
    MACHINE.acquire_many(SIDE_BY_SIDE).await.unwrap()
}

/// The same for one that bears a few others.
async fn beside() -> tokio::sync::SemaphorePermit<'static> {
    MACHINE.acquire().await.unwrap()
}
