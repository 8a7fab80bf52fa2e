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

/// The height of each row: first what each needs at least, the most important first, then what they want.
fn heights(rows: &[Row], room: u16, title: u16, snapshot: &Snapshot) -> Vec<u16> {
    let of = |row: Row, lines: fn(&Panel, &Snapshot) -> u16| {
        row.iter().map(|panel| lines(panel, snapshot) + if panel.has_title() { title } else { 0 }).max()
    };
    let least = |row: Row| of(row, |panel, snapshot| panel.least().min(panel.wanted(snapshot))).unwrap_or(0);
    let wanted = |row: Row| of(row, Panel::wanted).unwrap_or(0);
    let mut by_weight: Vec<usize> = (0..rows.len()).collect();
    let weight = |index: &usize| rows.get(*index).and_then(|row| row.iter().map(Panel::weight).max());
    by_weight.sort_by_key(|index| std::cmp::Reverse(weight(index)));
    let mut heights = vec![0_u16; rows.len()];
    let mut left = room;
    let mut grants: Vec<(usize, u16)> = Vec::new();
    for index in by_weight.iter().copied() {
        let Some(row) = rows.get(index) else { continue };
        // The first is cut where it must be, the others are whole or not there.
        let height = if grants.is_empty() { least(row).min(left) } else { least(row) };
        if height > left {
            break;
        }
        left -= height;
        grants.push((index, height));
    }
    for (index, height) in grants {
        let more = rows.get(index).map_or(0, |row| wanted(row).saturating_sub(height)).min(left);
        left -= more;
        if let Some(slot) = heights.get_mut(index) {
            *slot = height + more;
        }
    }
    heights
}
