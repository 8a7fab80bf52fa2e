//! What stands in each part of the view. Lines are never wrapped, and no figure is cut: what does not fit is left out.

use agent_sim::load::{ErrorKind, Second};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style, Stylize as _};
use ratatui::text::Line;
use ratatui::widgets::{Sparkline, Widget as _};
use reports::result::{FaultReport, Percentiles};
use reports::words::{bytes, count, fault_name, micros, one_line, since_start};

use super::Snapshot;

/// The width of the first word of a line.
const LABEL_WIDTH: usize = 11;

/// The width of a percentile.
const FIGURE_WIDTH: usize = 9;

/// A percentile: its name, its rank, and where it comes from.
type Figure = (&'static str, usize, fn(&Percentiles) -> u64);

/// What a percentile's column is called, how important it is (0 first), and where its figure comes from.
const FIGURES: [Figure; 4] = [
    ("p50", 1, |all| all.p50),
    ("p90", 3, |all| all.p90),
    ("p99", 0, |all| all.p99),
    ("max", 2, |all| all.max),
];

/// A part of the view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Panel {
    /// Calls, generator, agents, registry.
    Numbers,
    /// Percentiles of the last ten seconds.
    Response,
    /// What is sure of the verdict.
    SoFar,
    /// Errors by kind.
    Errors,
    /// What goes wrong on purpose.
    Faults,
    /// Calls by second.
    Sent,
    /// The 99 % response by second.
    Slowest,
}

impl Panel {
    /// The heavier, the later it is left out.
    pub(super) fn weight(&self) -> u8 {
        match self {
            Self::Numbers => 6,
            Self::Response => 5,
            Self::SoFar => 4,
            Self::Errors => 3,
            Self::Faults => 2,
            Self::Sent | Self::Slowest => 1,
        }
    }

    /// With fewer lines it is not worth showing.
    pub(super) fn least(&self) -> u16 {
        match self {
            Self::Numbers => 4,
            Self::Response => 3,
            Self::SoFar => 1,
            Self::Errors | Self::Faults => 2,
            Self::Sent | Self::Slowest => 3,
        }
    }

    /// Whether it gets no line before all else has what it wants.
    pub(super) fn is_chart(&self) -> bool {
        matches!(self, Self::Sent | Self::Slowest)
    }

    /// With more lines it has nothing more to show; with none it has nothing at all.
    pub(super) fn wanted(&self, snapshot: &Snapshot) -> u16 {
        let now = &snapshot.progress;
        let lines = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
        match self {
            Self::Numbers | Self::Response => 4,
            Self::SoFar => 1,
            Self::Errors => lines(now.error_kinds.len() + usize::from(now.more_error_kinds > 0)).max(1),
            Self::Faults => lines(now.faults.len()),
            Self::Sent | Self::Slowest => 8,
        }
    }

    /// Whether a title may stand above it.
    pub(super) fn has_title(&self) -> bool {
        *self != Self::SoFar
    }

    /// The title above so many cells.
    pub(super) fn title(&self, snapshot: &Snapshot, width: u16) -> String {
        let now = &snapshot.progress;
        let seconds = shown(&now.seconds, width);
        match self {
            Self::Numbers => " now ".to_owned(),
            Self::Response => " response, last 10 s ".to_owned(),
            Self::SoFar => String::new(),
            Self::Errors => format!(" errors: {} ", count(now.errors)),
            Self::Faults => format!(" faults: {} ", now.faults.len()),
            Self::Sent => {
                let most = seconds.iter().map(|second| second.sent).max().unwrap_or_default();
                format!(" calls sent by second, at most {} ", count(most))
            }
            Self::Slowest => {
                let most = seconds.iter().map(|second| second.p99_us).max().unwrap_or_default();
                format!(" response p99 by second, at most {} ", micros(most))
            }
        }
    }

    /// Draws it without its title.
    pub(super) fn draw(&self, snapshot: &Snapshot, area: Rect, buffer: &mut Buffer) {
        let lines = match self {
            Self::Numbers => numbers(snapshot, area.width),
            Self::Response => response(snapshot, area.width),
            Self::SoFar => vec![so_far(snapshot, area.width)],
            Self::Errors => errors(snapshot, area),
            Self::Faults => faults(snapshot, area),
            Self::Sent => return chart(snapshot, |second| second.sent, area, buffer),
            Self::Slowest => return chart(snapshot, |second| second.p99_us, area, buffer),
        };
        for (line, y) in lines.into_iter().zip(area.top()..area.bottom()) {
            line.render(Rect { y, height: 1, ..area }, buffer);
        }
    }
}

/// The last line.
pub(super) fn foot(snapshot: &Snapshot, width: u16) -> &'static str {
    match (snapshot.is_ending, width >= 60) {
        (false, true) => "q or ctrl-c ends the run early; it is reported all the same",
        (false, false) => "q ends early",
        (true, true) => "ending: waits for the calls under way (ctrl-c again gives up)",
        (true, false) => "ending",
    }
}

fn numbers(snapshot: &Snapshot, width: u16) -> Vec<Line<'static>> {
    let now = &snapshot.progress;
    let cores = |cores: f64| format!("{cores:.2} cores");
    let calls = [
        format!("{}/s sent", count(now.achieved_per_second)),
        format!("{}/s planned", count(now.offered_per_second)),
        format!("{} in flight", count(now.figures.in_flight)),
    ];
    let generator = [
        format!("lag p99 {}", micros(now.lag_p99_us)),
        cores(now.generator_cores),
        format!("{} misses", count(now.misses)),
    ];
    let agents = [
        format!("{} registered", count(now.agents)),
        format!("{} by plan", count(now.agents_planned)),
        format!("{} in all", count(now.outline.agents)),
    ];
    let registry = if now.target_pss_bytes == 0 {
        vec!["not seen".to_owned()]
    } else {
        vec![cores(now.target_cores), bytes(now.target_pss_bytes)]
    };
    vec![
        fitted("calls", &calls, width),
        fitted("generator", &generator, width),
        fitted("agents", &agents, width),
        fitted("registry", &registry, width),
    ]
}

fn response(snapshot: &Snapshot, width: u16) -> Vec<Line<'static>> {
    let now = &snapshot.progress;
    let room = usize::from(width).saturating_sub(LABEL_WIDTH - 1) / FIGURE_WIDTH;
    let shown = || FIGURES.iter().filter(|(_, rank, _)| *rank < room);
    let row = |label: &str, cells: Vec<String>| {
        let cells: String = cells.iter().map(|cell| format!("{cell:>FIGURE_WIDTH$}")).collect();
        Line::from(format!("{label:<width$}{cells}", width = LABEL_WIDTH - 1))
    };
    let figures = |label: &str, all: Option<&Percentiles>| {
        let cell =
            |(_, _, of): &(_, _, fn(&Percentiles) -> u64)| all.map_or("-".to_owned(), |all| micros(of(all)));
        row(label, shown().map(cell).collect())
    };
    let all = (now.heartbeat_us.is_some() || now.discovery_us.is_some() || now.response_us.max > 0)
        .then_some(&now.response_us);
    vec![
        row("last 10 s", shown().map(|(name, ..)| (*name).to_owned()).collect()).dim(),
        figures("heartbeat", now.heartbeat_us.as_ref()),
        figures("discovery", now.discovery_us.as_ref()),
        figures("all", all),
    ]
}

/// Nothing but what no later second can change; of several ways to say it the longest that fits.
fn so_far(snapshot: &Snapshot, width: u16) -> Line<'static> {
    let broken = &snapshot.progress.broken;
    let Some(first) = broken.first() else {
        let ways = [
            "no threshold is surely broken yet; the verdict comes at the end",
            "no threshold is surely broken yet",
            "none broken yet",
        ];
        return longest(&ways.map(str::to_owned), width).dim();
    };
    let [phase, metric, limit] = [&first.phase, &first.metric, &first.limit].map(|text| one_line(text));
    let at = since_start(first.at_ms);
    let many = count(broken.len() as u64);
    let (broken, which) = match broken.len() {
        1 => ("1 threshold is broken".to_owned(), ""),
        _ => (format!("{many} thresholds are broken"), ", the first"),
    };
    let ways = [
        format!("{broken}{which}: {phase} {metric} (limit {limit}), at {at}"),
        format!("{many} broken: {phase} {metric} (limit {limit}), at {at}"),
        format!("{many} broken: {phase} {metric}, at {at}"),
        format!("{many} broken: {phase} {metric}"),
        format!("{many} broken: {metric}"),
        broken,
        format!("{many} broken"),
    ];
    longest(&ways, width).style(alarm(snapshot, Color::Red))
}

/// The first that fits, or the last.
fn longest(ways: &[String], width: u16) -> Line<'static> {
    let fits = |way: &String| Line::from(way.as_str()).width() <= usize::from(width);
    let fitting = ways.iter().find(|way| fits(way)).or_else(|| ways.last());
    Line::from(fitting.cloned().unwrap_or_default())
}

fn errors(snapshot: &Snapshot, area: Rect) -> Vec<Line<'static>> {
    let now = &snapshot.progress;
    if now.error_kinds.is_empty() {
        return vec![Line::from("no errors").dim()];
    }
    let room = usize::from(area.height);
    let kinds = now.error_kinds.len() + now.more_error_kinds;
    // The last line says how much is left out.
    let shown = if kinds > room { room.saturating_sub(1) } else { kinds }.min(now.error_kinds.len());
    let row = |error: &ErrorKind| {
        let text = format!("{:>10}  {} {}", count(error.count), error.operation, one_line(&error.kind));
        Line::styled(text, alarm(snapshot, Color::Red))
    };
    let mut lines: Vec<Line<'_>> = now.error_kinds.iter().take(shown).map(row).collect();
    if shown < kinds {
        lines.push(Line::from(format!("{:>10}  more kinds of errors", count((kinds - shown) as u64))));
    }
    lines
}

fn faults(snapshot: &Snapshot, area: Rect) -> Vec<Line<'static>> {
    let now_ms = snapshot.progress.elapsed_ms;
    let is_now = |fault: &FaultReport| (fault.start_ms..fault.end_ms).contains(&now_ms);
    let is_over = |fault: &FaultReport| !is_now(fault) && fault.end_ms <= now_ms;
    let mut sorted: Vec<&FaultReport> = snapshot.progress.faults.iter().collect();
    // Those that strike, those to come, those that are over, the latest of these first.
    sorted.sort_by_key(|fault| match (is_now(fault), is_over(fault)) {
        (true, _) => (0, fault.start_ms),
        (false, false) => (1, fault.start_ms),
        (false, true) => (2, u64::MAX - fault.end_ms),
    });
    let row = |fault: &FaultReport| {
        let name = fault_name(fault);
        let live = fault.live_ms.map_or("99 % not yet live again".to_owned(), |ms| {
            format!("99 % live again after {}", micros(ms.saturating_mul(1_000)))
        });
        let until = |ms: u64| format!("{} s", ms.saturating_sub(now_ms).div_ceil(1_000));
        match (is_now(fault), is_over(fault)) {
            (true, _) => {
                let more = [format!("for {} more", until(fault.end_ms))];
                named("now", &name, &more, area.width).style(alarm(snapshot, Color::Yellow))
            }
            (false, false) => named(&format!("in {}", until(fault.start_ms)), &name, &[], area.width),
            (false, true) => named("over", &name, &[live], area.width).dim(),
        }
    };
    let room = usize::from(area.height);
    let shown = if sorted.len() > room { room.saturating_sub(1) } else { room };
    let mut lines: Vec<Line<'_>> = sorted.iter().take(shown).map(|fault| row(fault)).collect();
    if shown < sorted.len() {
        lines.push(Line::from(format!(
            "{:<LABEL_WIDTH$}{} more",
            "and",
            count((sorted.len() - shown) as u64)
        )));
    }
    lines
}

/// As many of the last seconds as there are cells.
fn shown(seconds: &[Second], width: u16) -> &[Second] {
    seconds.get(seconds.len().saturating_sub(usize::from(width))..).unwrap_or_default()
}

fn chart(snapshot: &Snapshot, of: fn(&Second) -> u64, area: Rect, buffer: &mut Buffer) {
    let data: Vec<u64> = shown(&snapshot.progress.seconds, area.width).iter().map(of).collect();
    Sparkline::default().data(data).render(area, buffer);
}

/// Bold, and in this colour where there are colours.
fn alarm(snapshot: &Snapshot, color: Color) -> Style {
    if snapshot.is_coloured { Style::new().fg(color).bold() } else { Style::new().bold() }
}

/// A label, as much of a name as fits, and after it as many of the pieces as fit, each whole.
fn named(label: &str, name: &str, pieces: &[String], width: u16) -> Line<'static> {
    fitted(&format!("{label:<LABEL_WIDTH$}{name}  "), pieces, width)
}

/// A label and as many of the pieces as fit, each whole.
fn fitted(label: &str, pieces: &[String], width: u16) -> Line<'static> {
    let width = usize::from(width);
    let first = pieces.first().map_or(0, |piece| Line::from(piece.as_str()).width());
    // Where the column of labels would push the first piece out, one space parts them.
    let mut text =
        if LABEL_WIDTH + first <= width { format!("{label:<LABEL_WIDTH$}") } else { format!("{label} ") };
    for (index, piece) in pieces.iter().enumerate() {
        let gap = if index == 0 { "" } else { "   " };
        if Line::from(format!("{text}{gap}{piece}")).width() > width {
            break;
        }
        text.push_str(gap);
        text.push_str(piece);
    }
    Line::from(text)
}
