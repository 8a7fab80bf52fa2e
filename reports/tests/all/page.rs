//! `report.html`.

use reports::result::{Interval, Proof, RequirementVerdict, RunReport, ThresholdReport};

use crate::sample;

const MAX_PAGE_BYTES: usize = 600_000;

pub(crate) fn page(report: &RunReport) -> String {
    let mut bytes = Vec::new();
    reports::html::write(report, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn the_page_loads_nothing_from_anywhere() {
    let page = page(&sample::failed());
    let lower = page.to_lowercase();
    for word in [
        " src=",
        " href=\"h",
        " href=\"/",
        "srcset",
        "url(",
        "@import",
        "<link",
        "<img",
        "<iframe",
        "fetch(",
        "xmlhttprequest",
    ] {
        assert!(!lower.contains(word), "{word:?} is in the page");
    }
    assert!(page.contains("default-src 'none'"), "and a browser is told not to");
}

#[test]
fn the_page_stays_small_whatever_the_run_was() {
    assert!(page(&sample::passed()).len() < 150_000, "{}", page(&sample::passed()).len());
    let enormous = page(&sample::enormous());
    assert!(enormous.len() < MAX_PAGE_BYTES, "{}", enormous.len());
    assert!(enormous.contains("Each pair of points stands for 288 seconds"), "and says so");
}

#[test]
fn eight_hours_in_thirty_phases_with_a_hundred_kinds_of_errors_fold() {
    let page = page(&sample::long());
    assert!(page.len() < 300_000, "{}", page.len());
    assert!(page.contains("Each pair of points stands for 96 seconds"));
    assert_eq!(page.matches("class=\"phase\"").count(), 30);
    assert!(page.contains("<code>81 other kinds</code>"), "timeout and a hundred statuses, 20 of them told");
}

#[test]
fn parts_come_in_the_order_in_which_they_matter() {
    let page = page(&sample::failed());
    let parts = [
        "<h1>FAIL</h1>",
        "id=\"thresholds\"",
        "id=\"requirements\"",
        "class=\"card bad\"",
        "id=\"time\"",
        "id=\"percentile-plot\"",
        "id=\"faults\"",
        "id=\"phases\"",
        "id=\"cost\"",
        "id=\"environment\"",
        "id=\"chart-data\"",
    ];
    let places: Vec<usize> =
        parts.iter().map(|part| page.find(part).unwrap_or_else(|| panic!("no {part}"))).collect();
    assert!(places.is_sorted(), "{places:?}");
}

#[test]
fn the_tables_alone_tell_everything() {
    let page = page(&sample::failed());
    for word in [
        "TIME-2 is broken: workers-000017",
        "412ms",
        "first breach",
        "16188.000 ms  list shows expired or gone",
        "wallflower conformance --only TIME-2 --seed 1",
        "4.32 ms",
        "5,679",
        "<td class=\"n\">480 ms</td><td class=\"n\">never</td>",
        "9f86d081884c7d659a2f",
        "name = &#34;quickstart&#34;",
        "wallflower loadtest scenarios/quickstart.toml",
    ] {
        assert!(page.to_lowercase().contains(&word.to_lowercase()), "no {word:?}");
    }
}

#[test]
fn the_fault_beside_what_broke_is_named_if_it_came_in_the_same_phase() {
    for (at_ms, said) in [
        (17_000, "at 17.0 s, during crash (crash)</span>"),
        (17_500, "at 17.5 s, during crash (crash)</span>"),
        (19_600, "at 19.6 s, 2.1 s after crash (crash)</span>"),
        (32_000, "at 32.0 s</span>"),
    ] {
        let mut report = sample::failed();
        report.thresholds[1].first_breach_ms = Some(at_ms);
        assert!(page(&report).contains(said), "{said}");
    }
}

#[test]
fn broken_thresholds_come_first_whatever_is_left_out() {
    let mut report = sample::passed();
    let broken =
        ThresholdReport { ok: false, metric: "the.broken.one".into(), ..report.thresholds[0].clone() };
    report.thresholds = vec![report.thresholds[0].clone(); 300];
    report.thresholds.push(broken);
    let page = page(&report);
    let table = page.split("id=\"thresholds\"").nth(1).unwrap();
    assert!(table.find("the.broken.one").unwrap() < table.find("register.response.p99").unwrap());
}

#[test]
fn phases_too_short_for_their_names_have_none_in_the_strip() {
    let long = page(&sample::long());
    assert!(long.contains("title=\"hour-0-0\"></span>"));
    assert!(page(&sample::passed()).contains("title=\"ramp\">ramp</span>"));
}

#[test]
fn a_second_that_began_when_all_was_over_is_no_fall_in_the_charts() {
    let mut report = sample::passed();
    let seconds = |report: &RunReport| {
        let page = page(report);
        let json = page.split("id=\"chart-data\">").nth(1).unwrap().split("</script>").next().unwrap();
        let data: serde_json::Value = serde_json::from_str(json).unwrap();
        data["second"].as_array().unwrap().len()
    };
    report.duration_ms = 40_000;
    report.intervals.push(Interval { second: 40, ..Interval::default() });
    assert_eq!(seconds(&report), 40);
    report.intervals[40].errors = 1;
    assert_eq!(seconds(&report), 41);
}

#[test]
fn parts_without_content_are_left_out() {
    let page = page(&sample::conformance());
    for part in [
        "id=\"thresholds\"",
        "id=\"time\"",
        "id=\"calls\"",
        "id=\"faults\"",
        "id=\"phases\"",
        "id=\"cost\"",
        "<script",
        "card",
    ] {
        let body = page.split("<body>").nth(1).unwrap();
        assert!(!body.contains(part), "{part}");
    }
    assert!(page.contains("id=\"requirements\""));
}

#[test]
fn the_charts_numbers_are_json_that_a_script_can_read() {
    let page = page(&sample::passed());
    let json = page.split("id=\"chart-data\">").nth(1).unwrap().split("</script>").next().unwrap();
    let data: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(data["second"].as_array().unwrap().len(), 40);
    assert_eq!(data["phases"][1]["from"], 5.0);
    let nines = data["curves"][0]["nines"].as_array().unwrap();
    assert_eq!(nines[2].as_f64(), Some(0.301), "the median");
    // The worst of 12,345 calls stands at one half in 12,345.
    assert_eq!(nines.last().unwrap().as_f64(), Some(4.3925));
    let millis = data["curves"][0]["millis"].as_array().unwrap();
    assert_eq!(millis.last().unwrap().as_f64(), Some(10.8));
}

#[test]
fn a_failure_shows_its_call_as_it_went_over_the_wire_and_says_where_it_is_rebuilt() {
    let mut report = sample::failed();
    let broken = report.requirements.iter_mut().find(|row| row.verdict == RequirementVerdict::Fail).unwrap();
    let proof = Proof {
        request: "GET /agents/a HTTP/1.1\nhost: 127.0.0.1:9".into(),
        answer: "HTTP/1.1 200\nx-mark: <b>\u{202e}\n\n{\"agent_id\":\"a\"}".into(),
        read: "200, shown".into(),
        curl: "curl -i -X GET 'http://127.0.0.1:9/agents/a'".into(),
        ..Proof::default()
    };
    broken.proof = Some(proof.clone());
    let kept = page(&report);
    // The tags of what a registry said are text, and its lines are lines.
    assert!(kept.contains("HTTP/1.1 200\nx-mark: &#60;b&#62;\u{fffd}\n\n{"), "the answer is not in the page");
    assert!(
        kept.contains("GET /agents/a HTTP/1.1\nhost: 127.0.0.1:9</pre>"),
        "the request is not in the page"
    );
    assert!(kept.contains("Read as: 200, shown") && !kept.contains("is rebuilt from"));
    let broken = report.requirements.iter_mut().find(|row| row.proof.is_some()).unwrap();
    broken.proof = Some(Proof { rebuilt: "nothing was kept".into(), ..proof });
    let rebuilt = page(&report);
    assert!(rebuilt.contains("The call that proves it, rebuilt"), "the page does not say so");
    assert!(rebuilt.contains("is rebuilt from the history, since nothing was kept."), "nor why");
}
