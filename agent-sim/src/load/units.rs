//! Measured values in the words of their limits.

use scenarios::model::Limit;

/// The unit that a limit is written in; its value is shown in it too.
#[derive(Debug, Clone, Copy)]
pub(super) enum Unit {
    Microseconds,
    Milliseconds,
    Seconds,
}

impl Unit {
    pub(super) fn of(limit: Limit) -> Self {
        let text = limit.to_string();
        match text {
            text if text.ends_with("us") => Self::Microseconds,
            text if text.ends_with("ms") => Self::Milliseconds,
            _ => Self::Seconds,
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "an hour is far shorter than 2^53 us")]
pub(super) fn duration_text(us: u64, unit: Unit) -> String {
    match unit {
        Unit::Microseconds => format!("{us}us"),
        Unit::Milliseconds => format!("{}ms", short(us as f64 / 1_000.0)),
        Unit::Seconds => format!("{}s", short(us as f64 / 1_000_000.0)),
    }
}

/// At most three decimals, none that says nothing.
pub(super) fn short(number: f64) -> String {
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
