//! Prints docs/report.schema.json:
//! `cargo run -p reports --features schema --example report_schema > docs/report.schema.json`

#![allow(clippy::print_stdout, reason = "a program for people")]

fn main() {
    println!("{:#}", reports::schema::report_schema());
}
