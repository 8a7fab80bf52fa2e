//! The program from outside: the real binary, real registries, real files.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a failed test is the way to say so"
)]

mod backup;
mod client;
mod compare;
mod conformance;
mod discovery;
mod doctor;
mod errors;
mod examples;
mod faults;
mod files;
mod foreign;
mod harness_token;
mod kills;
mod live;
mod loadtest;
mod loadtest_metrics;
mod machine;
mod not_judged;
mod operations;
mod peers;
mod program;
mod protected;
mod readme;
mod real_peers;
mod replay;
mod scenario;
mod seen;
mod serve;
mod shards;
mod starved;
mod store_trouble;
mod tidy;
mod workers;
mod wrong_expiry;
