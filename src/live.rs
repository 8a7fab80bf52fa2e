//! The live view of a load test on a terminal. It draws what the run tells once a second and works nothing out itself.
//!
//! - [`screen`]: the terminal, taken and given back.
//! - [`view`]: which part of the view goes where, and which are left out where there is no room.
//! - [`panels`]: what stands in each.
//! - [`strip`]: the phases on their axis.

mod panels;
mod screen;
mod strip;
#[cfg(test)]
pub(crate) mod tests;
mod view;

use std::io;
use std::time::Duration;

use agent_sim::load::Progress;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::runtime::Handle;
use tokio::sync::watch;

use screen::Screen;
pub(crate) use screen::leave;

/// How soon a key, a new size or the end of the run is noticed.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What is drawn.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    /// How the run goes.
    pub(crate) progress: Progress,
    /// Whether it has been told to end.
    pub(crate) is_ending: bool,
    /// Whether there are colours; without them the words say the same.
    pub(crate) is_coloured: bool,
}

/// Shows a run until its sender is gone. `q` and ctrl-c set `end`; a second ctrl-c ends the program. Blocks, and belongs
/// into a thread of a runtime's pool.
///
/// # Errors
/// When there is no terminal for it. Nothing was shown then.
pub(crate) fn show(mut progress: watch::Receiver<Progress>, end: &watch::Sender<bool>) -> io::Result<()> {
    // Until the plan begins there is nothing to see, and what goes wrong is told in lines.
    if Handle::current().block_on(progress.changed()).is_err() {
        return Ok(());
    }
    let is_coloured = crate::run::is_colour_welcome();
    let mut screen = Screen::enter()?;
    let mut snapshot = Snapshot { is_coloured, ..Snapshot::default() };
    snapshot.progress = progress.borrow_and_update().clone();
    let mut is_stale = true;
    loop {
        if is_stale {
            is_stale = false;
            // A terminal that went away is no fault of the run.
            let _ = screen.draw(&snapshot);
        }
        match event::poll(LOOK_EVERY)
            .and_then(|is_there| if is_there { event::read().map(Some) } else { Ok(None) })
        {
            Ok(Some(Event::Key(key))) => {
                is_stale |= pressed(key, &snapshot, end);
            }
            Ok(Some(Event::Resize(..))) => is_stale = true,
            Ok(_) => {}
            // No keys any more. The run goes on, and signals still end it.
            Err(_) => drop(Handle::current().block_on(progress.changed())),
        }
        is_stale |= *end.borrow() != snapshot.is_ending;
        snapshot.is_ending = *end.borrow();
        match progress.has_changed() {
            Ok(true) => {
                snapshot.progress = progress.borrow_and_update().clone();
                is_stale = true;
            }
            Ok(false) => {}
            Err(_) => return Ok(()),
        }
    }
}

/// Does what a key is for; tells whether it was for anything.
fn pressed(key: KeyEvent, snapshot: &Snapshot, end: &watch::Sender<bool>) -> bool {
    let is_ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        _ if key.kind == KeyEventKind::Release => false,
        KeyCode::Char('c') if is_ctrl && snapshot.is_ending => crate::run::give_up(),
        KeyCode::Char('c') if is_ctrl => !end.send_replace(true),
        KeyCode::Char('q' | 'Q') if !is_ctrl => !end.send_replace(true),
        _ => false,
    }
}
