//! `wallflower doctor`: what this machine has for load tests, and what to do where it is not enough.

use std::io::Write as _;
use std::time::Duration;

use agent_sim::ceiling;
use agent_sim::doctor::{Examination, Finding, findings};
use agent_sim::load::timer_floor;
use agent_sim::process::Host;
use serde_json::{Value, json};

use crate::cli::Doctor;
use crate::run::{Failure, TROUBLE};

/// How long each of the two measurements takes.
const LENGTH: Duration = Duration::from_secs(2);

pub(crate) fn doctor(arguments: &Doctor) -> Result<u8, Failure> {
    // Before anything is measured, since measuring is load.
    let host = Host::look();
    let timer_us = timer_floor(LENGTH).percentiles();
    let ceiling = ceiling::measure(LENGTH).map_err(|error| {
        Failure::new(TROUBLE, format!("cannot measure the harness's own ceiling: {error}"))
    })?;
    let examination = Examination { host, timer_us, ceiling, debug_build: cfg!(debug_assertions) };
    let findings = findings(&examination);
    let mut out = std::io::stdout().lock();
    let printed = if arguments.json {
        writeln!(out, "{:#}", as_json(&examination, &findings))
    } else {
        findings.iter().try_for_each(|finding| show(finding, &mut out))
    };
    // A closed pipe is no fault of the machine.
    drop(printed);
    Ok(0)
}

fn show(finding: &Finding, out: &mut impl std::io::Write) -> std::io::Result<()> {
    let verdict = finding.verdict.map_or("unknown", |verdict| verdict.name());
    writeln!(out, "{verdict:<10}  {:<15}  {}", finding.subject, finding.found)?;
    writeln!(out, "{:<29}rule: {}", "", finding.rule)?;
    match &finding.remedy {
        Some(remedy) => writeln!(out, "{:<29}do: {remedy}", ""),
        None => Ok(()),
    }
}

fn as_json(examination: &Examination, findings: &[Finding]) -> Value {
    let Examination { host, timer_us, ceiling, debug_build } = examination;
    let findings: Vec<Value> = findings
        .iter()
        .map(|finding| {
            json!({
                "subject": finding.subject,
                "verdict": finding.verdict.map(|verdict| verdict.name()),
                "found": finding.found,
                "rule": finding.rule,
                "remedy": finding.remedy,
            })
        })
        .collect();
    json!({
        "findings": findings,
        "debug_build": debug_build,
        "host": {
            "descriptors": host.descriptors.map(|(soft, hard)| json!({ "soft": soft, "hard": hard })),
            "ports": host.ports.map(|(first, last)| json!({ "first": first, "last": last })),
            "cores": host.cores,
            "quota_cores": host.quota_cores,
            "available_bytes": host.available_bytes,
            "load": host.load,
            "cpu_pressure": host.cpu_pressure,
            "memory_pressure": host.memory_pressure,
        },
        "timer_floor_us": timer_us,
        "ceiling": {
            "calls": ceiling.calls,
            "seconds": ceiling.seconds,
            "calls_per_second": ceiling.calls_per_second(),
            "calls_per_cpu_second": ceiling.calls_per_cpu_second(),
            "client_cpu_seconds": ceiling.client_cpu_seconds,
            "responder_cpu_seconds": ceiling.responder_cpu_seconds,
            "service_us": ceiling.service_us,
        },
    })
}
