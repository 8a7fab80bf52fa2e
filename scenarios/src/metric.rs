//! Metrics and limits of thresholds, as files write them.

use crate::error::Fault;
use crate::model::{Figure, Limit, Metric, Percentile, RecoveryFigure, Which};
use crate::section::{Value, described};
use crate::values::{self, UNITS, short_duration, suggestion};

const OPERATIONS: [&str; 9] =
    ["heartbeat", "register", "renew", "probe", "leave", "list", "read", "capabilities", "all"];
const DURATIONS: [(&str, Which); 3] =
    [("response", Which::Response), ("service", Which::Service), ("lag", Which::Lag)];
const PERCENTILES: [(&str, Percentile); 5] = [
    ("p50", Percentile::P50),
    ("p90", Percentile::P90),
    ("p99", Percentile::P99),
    ("p999", Percentile::P999),
    ("max", Percentile::Max),
];

/// What freshness is measured of.
const FRESHNESS: [&str; 5] = [
    "registered_to_visible",
    "crashed_to_degraded",
    "crashed_to_expired",
    "crashed_to_gone",
    "change_to_seen",
];
const RECOVERY: [(&str, RecoveryFigure); 3] = [
    ("first_success", RecoveryFigure::FirstSuccess),
    ("live", RecoveryFigure::Live),
    ("peak_registrations", RecoveryFigure::PeakRegistrations),
];

/// The reason and the remedy.
type Refusal = (String, String);

/// Reads `renew.response.p99`, `list.errors` or `recovery.live`; else says what is wrong and what to write instead.
pub(crate) fn parse_metric(text: &str) -> Result<Metric, Refusal> {
    let mut words = text.split('.');
    let first = words.next().unwrap_or_default();
    let mut next = || words.next().unwrap_or_default();
    let metric = match first {
        "freshness" => {
            let what = *known(next(), &FRESHNESS, "freshness", "freshness is measured of", |name| *name)?;
            Metric {
                operation: "freshness",
                figure: Figure::Freshness { what, percentile: percentile(next())? },
            }
        }
        "recovery" => {
            let figure = known(next(), &RECOVERY, "figure of a recovery", "figures", |entry| entry.0)?.1;
            Metric { operation: "recovery", figure: Figure::Recovery(figure) }
        }
        "registry" => {
            known(next(), &["memory_slope"], "figure of the registry", "figures", |name| *name)?;
            Metric { operation: "registry", figure: Figure::MemorySlope }
        }
        "arrivals" => {
            known(next(), &["peak_over_mean"], "figure of arrivals", "figures", |name| *name)?;
            Metric { operation: "arrivals", figure: Figure::PeakOverMean }
        }
        word => {
            let operation = *known(word, &OPERATIONS, "operation", "operations", |name| *name).map_err(
                |(reason, remedy)| {
                    (reason, format!("{remedy}; and `freshness`, `recovery`, `registry`, `arrivals`"))
                },
            )?;
            Metric { operation, figure: figure_of_calls(next(), next)? }
        }
    };
    match words.next() {
        None => Ok(metric),
        Some(more) => Err((
            format!("nothing may follow, but `{more}` does"),
            "such as `heartbeat.response.p99`, `list.errors`, `all.misses`".to_owned(),
        )),
    }
}

fn figure_of_calls<'t>(word: &str, mut next: impl FnMut() -> &'t str) -> Result<Figure, Refusal> {
    match word {
        "errors" => Ok(Figure::Errors),
        "misses" => Ok(Figure::Misses),
        _ => {
            let figures = ["response", "service", "lag", "errors", "misses"];
            let which = DURATIONS.iter().find(|(name, _)| *name == word).ok_or_else(|| {
                (format!("no figure of a call is called `{word}`"), suggestion(word, &figures, "figures"))
            })?;
            Ok(Figure::Duration { which: which.1, percentile: percentile(next())? })
        }
    }
}

fn percentile(word: &str) -> Result<Percentile, Refusal> {
    known(word, &PERCENTILES, "percentile", "percentiles", |entry| entry.0).map(|known| known.1)
}

/// The entry of this name; else that nothing `what` is called so, and what there is.
fn known<'k, T>(
    word: &str,
    entries: &'k [T],
    what: &str,
    called: &str,
    name: impl Fn(&T) -> &'static str,
) -> Result<&'k T, Refusal> {
    entries.iter().find(|entry| name(entry) == word).ok_or_else(|| {
        let names: Vec<&str> = entries.iter().map(&name).collect();
        (format!("no {what} is called `{word}`"), suggestion(word, &names, called))
    })
}

impl std::fmt::Display for Metric {
    /// As scenario files write it.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let named = |name: Option<&'static str>| name.unwrap_or_default();
        match self.figure {
            Figure::Errors => write!(formatter, "{}.errors", self.operation),
            Figure::Misses => write!(formatter, "{}.misses", self.operation),
            Figure::Duration { which, percentile } => {
                let which = named(DURATIONS.iter().find(|known| known.1 == which).map(|known| known.0));
                let percentile =
                    named(PERCENTILES.iter().find(|known| known.1 == percentile).map(|known| known.0));
                write!(formatter, "{}.{which}.{percentile}", self.operation)
            }
            Figure::Freshness { what, percentile } => {
                let percentile =
                    named(PERCENTILES.iter().find(|known| known.1 == percentile).map(|known| known.0));
                write!(formatter, "freshness.{what}.{percentile}")
            }
            Figure::Recovery(figure) => {
                let figure = named(RECOVERY.iter().find(|known| known.1 == figure).map(|known| known.0));
                write!(formatter, "recovery.{figure}")
            }
            Figure::MemorySlope => formatter.write_str("registry.memory_slope"),
            Figure::PeakOverMean => formatter.write_str("arrivals.peak_over_mean"),
        }
    }
}

impl std::fmt::Display for Limit {
    /// As scenario files write it.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Duration(duration) => formatter.write_str(&short_duration(*duration)),
            // Rounded to what a reader can mean, since 0.001 * 100 is not quite 0.1.
            Self::Share(share) => write!(formatter, "{}%", (share * 1e8).round() / 1e6),
            Self::Number(number) => write!(formatter, "{number}"),
            Self::BytesPerMinute(bytes) => {
                write!(formatter, "{}MiB/min", (bytes / 1_048_576.0 * 1e3).round() / 1e3)
            }
        }
    }
}

/// Reads the limit of a metric: a duration, or a share such as `"0.1%"`.
pub(crate) fn limit(key: &str, value: &Value<'_>, metric: Option<Metric>) -> Result<Limit, Fault> {
    match metric.map(|metric| metric.figure) {
        Some(
            Figure::Duration { .. }
            | Figure::Freshness { .. }
            | Figure::Recovery(RecoveryFigure::FirstSuccess | RecoveryFigure::Live),
        ) => {
            // A per cent sign after a duration metric is a mix-up worth its own words.
            if let Some(text) = value.get_ref().as_str().filter(|text| text.ends_with('%')) {
                return Err(Fault::at(
                    value.span(),
                    format!("`{key}` is \"{text}\", but the metric is a duration"),
                    "a duration is expected here",
                )
                .help(UNITS));
            }
            values::positive_duration(key, value).map(Limit::Duration)
        }
        Some(Figure::Errors | Figure::Misses) => percentage(key, value).map(Limit::Share),
        Some(Figure::Recovery(RecoveryFigure::PeakRegistrations) | Figure::PeakOverMean) => {
            number(key, value).map(Limit::Number)
        }
        Some(Figure::MemorySlope) => growth(key, value).map(Limit::BytesPerMinute),
        // The metric is unknown, so the limit cannot be judged; the metric's fault is enough.
        None => Ok(Limit::Share(0.0)),
    }
}

fn percentage(key: &str, value: &Value<'_>) -> Result<f64, Fault> {
    let number = value.get_ref().as_str().and_then(|text| text.strip_suffix('%')).map(str::trim);
    match number.and_then(|number| number.parse::<f64>().ok()) {
        Some(number) if (0.0..=100.0).contains(&number) => Ok(number / 100.0),
        _ => Err(Fault::at(
            value.span(),
            format!("`{key}` is {}, not a share of the calls", described(value.get_ref())),
            "a share is expected here",
        )
        .help("write it in per cent, from \"0%\" to \"100%\", such as \"0.1%\"")),
    }
}

fn number(key: &str, value: &Value<'_>) -> Result<f64, Fault> {
    values::share(key, value, f64::MAX).map_err(|_| {
        Fault::at(
            value.span(),
            format!("`{key}` is {}, not a number from 0 on", described(value.get_ref())),
            "a number is expected here",
        )
        .help("write it as a number, such as 3 or 1.5")
    })
}

/// Growth in MiB a minute.
fn growth(key: &str, value: &Value<'_>) -> Result<f64, Fault> {
    let number = value.get_ref().as_str().and_then(|text| text.strip_suffix("MiB/min")).map(str::trim);
    match number.and_then(|number| number.parse::<f64>().ok()) {
        Some(number) if number.is_finite() && number >= 0.0 => Ok(number * 1_048_576.0),
        _ => Err(Fault::at(
            value.span(),
            format!("`{key}` is {}, not a growth of memory", described(value.get_ref())),
            "a growth is expected here",
        )
        .help("write it in MiB a minute, such as \"1MiB/min\" or \"0.5MiB/min\"")),
    }
}
