//! `intervals.csv`, read back by the same crate that spreadsheets' authors use.

use crate::sample;

fn read(report: &reports::result::RunReport) -> (csv::StringRecord, Vec<csv::StringRecord>) {
    let mut written = Vec::new();
    reports::intervals::write(report, &mut written).unwrap();
    let mut reader = csv::Reader::from_reader(written.as_slice());
    let header = reader.headers().unwrap().clone();
    (header, reader.records().collect::<Result<_, _>>().unwrap())
}

#[test]
fn each_second_is_a_row_and_says_what_the_report_says() {
    let report = sample::passed();
    let (header, rows) = read(&report);
    assert_eq!(rows.len(), report.intervals.len());
    let column = |name: &str| header.iter().position(|it| it == name).unwrap_or_else(|| panic!("{name}"));
    for (row, second) in rows.iter().zip(&report.intervals) {
        assert_eq!(row[column("second")], second.second.to_string());
        assert_eq!(row[column("response_p99_us")], second.response_us.p99.to_string());
        assert_eq!(row[column("registry_pss_bytes")], second.target_pss_bytes.to_string());
        assert_eq!(row[column("list_response_p99_us")], second.response_p99_us["list"].to_string());
        let timeouts = second.errors_by_kind.get("timeout").copied().unwrap_or_default();
        assert_eq!(row[column("errors_timeout")], timeouts.to_string());
    }
    assert!(rows.iter().any(|row| &row[column("errors_timeout")] != "0"));
}

#[test]
fn a_run_without_seconds_has_a_header_and_kinds_have_a_bound() {
    let (header, rows) = read(&sample::conformance());
    assert_eq!((header.len(), rows.len()), (24, 0));
    let mut report = sample::passed();
    report.intervals[0].errors_by_kind = (0..500).map(|kind| (format!("{kind},\"x\""), 1)).collect();
    let (header, rows) = read(&report);
    assert!(header.len() < 24 + 5 + 51, "{}", header.len());
    assert_eq!(rows.len(), 40);
}
