//! Which part of the view goes where. Where there is no room the least important are left out whole.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Stylize as _;
use ratatui::text::Line;
use ratatui::widgets::{Block, Borders, Widget as _};

use super::Snapshot;
use super::panels::{self, Panel};
use super::strip;

/// From this width on, panels stand side by side.
const WIDTH_OF_TWO: u16 = 100;

/// From this height on, panels have titles.
const HEIGHT_OF_TITLES: u16 = 20;

/// From this height on, phases have names and the last line says what can be done.
const HEIGHT_OF_NAMES: u16 = 10;

/// Draws a run. Any size will do.
pub(super) fn draw(frame: &mut Frame<'_>, snapshot: &Snapshot) {
    let area = frame.area();
    if area.is_empty() {
        return;
    }
    let buffer = frame.buffer_mut();
    let mut left = area;
    strip::title(snapshot, take_top(&mut left, 1), buffer);
    if area.height >= HEIGHT_OF_NAMES {
        strip::names(snapshot, take_top(&mut left, 1), buffer);
        let foot = Rect { y: left.bottom() - 1, height: 1, ..left };
        left.height -= 1;
        Line::from(panels::foot(snapshot, area.width)).dim().render(foot, buffer);
    }
    if left.height > 0 {
        strip::bar(snapshot, take_top(&mut left, 1), buffer);
    }
    let has_titles = area.height >= HEIGHT_OF_TITLES;
    let rows = rows(area.width, snapshot);
    let heights = heights(&rows, left.height, u16::from(has_titles), snapshot);
    for (row, height) in rows.iter().zip(heights) {
        let mut across = take_top(&mut left, height);
        let columns = u16::try_from(row.len()).unwrap_or(1).max(1);
        let width = across.width.saturating_sub(2 * (columns - 1)) / columns;
        for panel in *row {
            let mut area = Rect { width: width.min(across.width), ..across };
            // Two cells between panels.
            let used = (width + 2).min(across.width);
            across = Rect { x: across.x + used, width: across.width - used, ..across };
            if has_titles && area.height > 0 && panel.has_title() {
                let rule = Block::new().borders(Borders::TOP).title(panel.title(snapshot, area.width));
                rule.render(take_top(&mut area, 1), buffer);
            }
            panel.draw(snapshot, area, buffer);
        }
    }
}

fn take_top(left: &mut Rect, height: u16) -> Rect {
    let height = height.min(left.height);
    let top = Rect { height, ..*left };
    *left = Rect { y: left.y + height, height: left.height - height, ..*left };
    top
}

type Row = &'static [Panel];

/// All rows from top to bottom.
fn rows(width: u16, snapshot: &Snapshot) -> Vec<Row> {
    let wide: [Row; 4] = [
        &[Panel::Numbers, Panel::Response],
        &[Panel::SoFar],
        &[Panel::Sent, Panel::Slowest],
        &[Panel::Faults, Panel::Errors],
    ];
    let narrow: [Row; 7] = [
        &[Panel::Numbers],
        &[Panel::Response],
        &[Panel::SoFar],
        &[Panel::Errors],
        &[Panel::Faults],
        &[Panel::Sent],
        &[Panel::Slowest],
    ];
    let rows: Vec<Row> = if width >= WIDTH_OF_TWO { wide.to_vec() } else { narrow.to_vec() };
    rows.into_iter().filter(|row| row.iter().any(|panel| panel.wanted(snapshot) > 0)).collect()
}

/// The height of each row. First what each needs at least, the most important first; then a line at a time to those that
/// want more, so that one long list leaves room for another; charts last.
fn heights(rows: &[Row], room: u16, title: u16, snapshot: &Snapshot) -> Vec<u16> {
    let of = |row: Row, lines: fn(&Panel, &Snapshot) -> u16| {
        row.iter().map(|panel| lines(panel, snapshot) + if panel.has_title() { title } else { 0 }).max()
    };
    let least = |row: Row| of(row, |panel, snapshot| panel.least().min(panel.wanted(snapshot))).unwrap_or(0);
    let wanted = |row: Row| of(row, Panel::wanted).unwrap_or(0);
    let mut by_weight: Vec<(Row, u16)> = rows.iter().map(|row| (*row, 0)).collect();
    by_weight.sort_by_key(|(row, _)| std::cmp::Reverse(row.iter().map(Panel::weight).max()));
    let charts_from = by_weight.partition_point(|(row, _)| !row.iter().all(Panel::is_chart));
    let (first, charts) = by_weight.split_at_mut(charts_from);
    let mut left = room;
    for (part, is_first) in [(first, true), (charts, false)] {
        for (index, (row, height)) in part.iter_mut().enumerate() {
            // The very first is cut where it must be, the others are whole or not there.
            let needed = if is_first && index == 0 { least(row).min(left) } else { least(row) };
            if needed > left {
                break;
            }
            (*height, left) = (needed, left - needed);
        }
        let mut wants_more = true;
        while std::mem::take(&mut wants_more) {
            for (row, height) in part.iter_mut().filter(|(_, height)| *height > 0) {
                if left > 0 && *height < wanted(row) {
                    (*height, left, wants_more) = (*height + 1, left - 1, true);
                }
            }
        }
    }
    let height_of =
        |row: &Row| by_weight.iter().find(|(known, _)| known == row).map_or(0, |(_, height)| *height);
    rows.iter().map(height_of).collect()
}
