//! A small server for the tests of `agent_sim::process`: it answers every request with 200 and its process id.
//!
//! Arguments, all optional but the first: `--listen ADDRESS`, `--print BYTES` (before it is ready), `--busy-once FILE`
//! (claims at its first start that the port is in use), `--burn TICKS` (uses so much CPU before it is ready), `--mute` (never says that it is ready), `--fail WORDS` (says
//! them and ends).

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its output is what is tested")]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let value = |name: &str| {
        let place = arguments.iter().position(|argument| argument == name)?;
        arguments.get(place + 1).cloned()
    };
    if let Some(words) = value("--fail") {
        eprintln!("{words}");
        return ExitCode::from(7);
    }
    if let Some(file) = value("--busy-once")
        && !Path::new(&file).exists()
    {
        eprintln!("{:?}: Address already in use", std::fs::write(file, ""));
        return ExitCode::FAILURE;
    }
    let bytes = value("--print").and_then(|bytes| bytes.parse().ok()).unwrap_or(0);
    for line in 0..bytes / 32 {
        println!("line {line:>25}");
        eprintln!("oops {line:>25}");
    }
    let ticks = value("--burn").and_then(|ticks| ticks.parse().ok()).unwrap_or(0);
    while cpu_ticks().is_some_and(|used| used < ticks) {}
    let listener = match value("--listen").map(TcpListener::bind) {
        Some(Ok(listener)) => listener,
        other => {
            eprintln!("cannot listen: {other:?}");
            return ExitCode::FAILURE;
        }
    };
    if !arguments.iter().any(|argument| argument == "--mute")
        && let Ok(address) = listener.local_addr()
    {
        println!("listening on http://{address}");
    }
    for stream in listener.incoming().flatten() {
        std::thread::spawn(move || answer_all(&stream));
    }
    ExitCode::SUCCESS
}

/// User and system time of this process in clock ticks.
fn cpu_ticks() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The program's name, in parentheses, may hold spaces; utime and stime are the 12th and 13th field after it.
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
}

/// Answers each request (without a body) on the connection.
fn answer_all(mut stream: &TcpStream) {
    let body = std::process::id().to_string();
    let mut lines = BufReader::new(stream).lines();
    while let Some(Ok(line)) = lines.next() {
        if line.is_empty() {
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }
}
