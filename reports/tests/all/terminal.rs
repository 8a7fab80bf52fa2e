//! What a terminal shows.

use reports::result::RunReport;

use crate::sample;

fn shown(report: &RunReport, coloured: bool) -> String {
    let mut bytes = Vec::new();
    reports::terminal::write(report, coloured, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_run_that_passed_is_told_in_few_lines() {
    let expected = "\
PASS  quickstart: All 4 thresholds held, and 3 requirements held wherever the evidence decides.
load test, seed 1, 41.2 s, 1,000 agents (1,000 at peak)

thresholds
  ok       ramp         register.response.p99      11.2ms (limit 500ms)
  ok       hold         heartbeat.response.p99     9.87ms (limit 250ms)
  ok       hold         heartbeat.errors           0% (limit 0%)
  ok       recover      all.errors                 0.05% (limit 0.1%)

requirements: 3 pass, 1 not applicable
  not applicable DURABLE-1   the load test restarts no registry (0 of 12 decided)

faults             kind             from      for first success live again registrations/s wrong expiries
crash              crash          17.0 s    0.5 s       12.0 ms       0 us           1,300              0
gone               kill           35.0 s    1.0 s        480 ms      never           1,300              0

calls            count  errors  misses       p50       p99      p999       max service99     lag99
list            12,345       2       0   1.20 ms   10.8 ms   24.0 ms   44.4 ms   8.64 ms   1.20 ms
probe           41,000       8       0    480 us   4.32 ms   9.60 ms   17.8 ms   3.46 ms    477 us
register         1,300       0       0   2.10 ms   18.9 ms   42.0 ms   77.7 ms   15.1 ms   2.10 ms

registry   12.3 s CPU, 41.2 MB, 523 descriptors, 5,679 calls per CPU second
generator  14.2 s CPU, 61.0 MB, lag p99 1.08 ms, waited for a core 1.23 % of the time
";
    let shown = shown(&sample::passed(), false);
    assert_eq!(shown, expected, "\n{shown}");
}

#[test]
fn a_run_that_failed_shows_why_first_and_how_to_repeat_it() {
    let expected = "\
FAIL  quickstart: TIME-2 is broken: workers-000017 was left out 812 ms before it may expire; and 1 more reason.
      heartbeat.response.p99 in hold was 412ms, the limit is 250ms
load test, seed 1, 41.2 s, 1,000 agents (1,000 at peak)

thresholds
  ok       ramp         register.response.p99      11.2ms (limit 500ms)
  BROKEN   hold         heartbeat.response.p99     412ms (limit 250ms), first at 9.0 s
";
    let shown = shown(&sample::failed(), false);
    assert!(shown.starts_with(expected), "\n{shown}");
    let requirement = "
  FAIL           TIME-2      workers-000017 was left out 812 ms before it may expire (190,021 of 190,033 decided)
    MUST: Not expired early: a view with e < s(h) + X lists the agent.
    |    12000.000 ms  renew renewed, answered at 12002.312 ms
    |    13100.000 ms  list shows healthy, document 1, answered at 13104.000 ms
    |    14502.000 ms  list shows degraded, document 1, answered at 14507.250 ms
    |    16188.000 ms  list shows expired or gone, answered at 16191.900 ms  <== WRONG
    |    17000.000 ms  | X is reached at the earliest
    again: wallflower conformance --only TIME-2 --seed 1
  UNDECIDED      TIME-3      no view fell late enough (0 of 12 decided)
";
    assert!(shown.contains(requirement), "\n{shown}");
    assert!(
        shown.ends_with("again      wallflower loadtest scenarios/quickstart.toml --seed 1\n"),
        "\n{shown}"
    );
}

#[test]
fn colour_comes_only_if_told_and_changes_no_word() {
    let report = sample::failed();
    let coloured = shown(&report, true);
    assert!(coloured.starts_with("\x1b[1;31mFAIL\x1b[0m"), "{coloured:?}");
    let mut bare = coloured;
    for code in ["\x1b[1;31m", "\x1b[1;32m", "\x1b[1;33m", "\x1b[0m"] {
        bare = bare.replace(code, "");
    }
    assert_eq!(bare, shown(&report, false));
}

#[test]
fn sections_without_content_are_left_out() {
    let shown = shown(&sample::conformance(), false);
    for word in ["thresholds", "calls   ", "generator", "agents"] {
        assert!(!shown.contains(word), "{word:?} in\n{shown}");
    }
    assert!(shown.contains("3 of 4 requirements held, none was broken."), "{shown}");
}
