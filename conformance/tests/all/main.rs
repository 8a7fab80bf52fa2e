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
#[path = "../../../tests/all/not_judged.rs"]
mod not_judged;
mod room;
mod stub;
mod tampered;

/// Load makes live runs undecided: whoever holds one takes this first.
async fn alone() -> tokio::sync::MutexGuard<'static, ()> {
    static MACHINE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    MACHINE.lock().await
}
