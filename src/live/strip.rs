//! The first lines: which run, where in it, and its phases on their axis.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use reports::words::one_line;

use super::Snapshot;

/// Narrower than this, the phase alone is named.
const WIDTH_OF_BOTH_NAMES: u16 = 44;

/// A phase with fewer cells has no room for a name.
const LEAST_NAME_CELLS: u16 = 4;

/// The names of scenario and phase, and the time.
pub(super) fn title(snapshot: &Snapshot, area: Rect, buffer: &mut Buffer) {
    let now = &snapshot.progress;
    let time = format!("{} of {}", clock(now.elapsed_ms), clock(now.total_ms));
    let time_width = u16::try_from(time.len()).unwrap_or(u16::MAX);
    let name_width = area.width.saturating_sub(time_width + 1);
    let phase = format!("{}, {} of {}", one_line(&now.phase), now.phase_index + 1, now.phases);
    let bold = Style::new().bold();
    let mut x = area.x;
    if area.width >= WIDTH_OF_BOTH_NAMES {
        let name = one_line(&now.outline.name);
        // Half is left for the phase.
        (x, _) = buffer.set_stringn(x, area.y, &name, usize::from(name_width / 2), bold);
        (x, _) = buffer.set_stringn(x, area.y, "  ", 2, Style::new());
    }
    let left = name_width.saturating_sub(x - area.x);
    buffer.set_stringn(x, area.y, &phase, usize::from(left), Style::new());
    if time_width <= area.width {
        buffer.set_string(area.right() - time_width, area.y, &time, bold);
    }
}

/// The names of the phases, each above its part of the bar.
pub(super) fn names(snapshot: &Snapshot, area: Rect, buffer: &mut Buffer) {
    let now = &snapshot.progress;
    let phases = &now.outline.phases;
    for (index, phase) in phases.iter().enumerate() {
        let from = cell(phase.start_ms, now.total_ms, area.width);
        let until = cell(phase.end_ms, now.total_ms, area.width);
        let room = until.saturating_sub(from);
        if room >= LEAST_NAME_CELLS {
            let style = if index == now.phase_index { Style::new().bold() } else { Style::new().dim() };
            // A cell stays free before the next name.
            buffer.set_stringn(area.x + from, area.y, one_line(&phase.name), usize::from(room - 1), style);
        }
    }
}

/// The run from left to right: what is over is full, and a line stands where a phase begins.
pub(super) fn bar(snapshot: &Snapshot, area: Rect, buffer: &mut Buffer) {
    let now = &snapshot.progress;
    let over = cell(now.elapsed_ms, now.total_ms, area.width);
    let done = if snapshot.is_coloured { Style::new().fg(Color::Cyan) } else { Style::new() };
    for x in 0..area.width {
        let (glyph, style) = if x < over { ("█", done) } else { ("░", Style::new().dim()) };
        buffer.set_stringn(area.x + x, area.y, glyph, 1, style);
    }
    for phase in now.outline.phases.iter().skip(1) {
        let x = cell(phase.start_ms, now.total_ms, area.width);
        if x < area.width {
            buffer.set_stringn(area.x + x, area.y, "│", 1, Style::new());
        }
    }
}

/// The cell of an instant; the width itself for the end.
fn cell(ms: u64, total_ms: u64, width: u16) -> u16 {
    let cell = u128::from(ms.min(total_ms)) * u128::from(width) / u128::from(total_ms.max(1));
    u16::try_from(cell).unwrap_or(width).min(width)
}

/// `0:07`, `1:02:03`.
pub(super) fn clock(ms: u64) -> String {
    let seconds = ms / 1_000;
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}
