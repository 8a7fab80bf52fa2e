//! The terminal, taken for the view and given back on every way out.

use std::io::{self, BufWriter, Stderr};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};

use super::Snapshot;
use super::view::draw;

/// Whether the terminal is taken. There is one terminal, and a panic or a second signal has nothing else to know it by.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal while it shows the view; given back when dropped.
#[derive(Debug)]
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<BufWriter<Stderr>>>,
}

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// When it has no such mode; it is as it was then.
    pub(super) fn enter() -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            // The words of a panic would be lost with the other screen.
            std::panic::set_hook(Box::new(move |panic| {
                leave();
                before(panic);
            }));
        });
        enable_raw_mode()?;
        IS_TAKEN.store(true, Ordering::SeqCst);
        let taken = execute!(io::stderr(), EnterAlternateScreen, Hide);
        let terminal =
            taken.and_then(|()| Terminal::new(CrosstermBackend::new(BufWriter::new(io::stderr()))));
        match terminal {
            Ok(terminal) => Ok(Self { terminal }),
            Err(error) => {
                leave();
                Err(error)
            }
        }
    }

    /// Draws what has changed.
    ///
    /// # Errors
    /// When the terminal takes nothing.
    pub(super) fn draw(&mut self, snapshot: &Snapshot) -> io::Result<()> {
        if IS_TAKEN.load(Ordering::SeqCst) {
            self.terminal.draw(|frame| draw(frame, snapshot))?;
        }
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

/// Gives the terminal back, if it is taken.
pub(crate) fn leave() {
    if IS_TAKEN.swap(false, Ordering::SeqCst) {
        // Nothing can be done where it does not take even that.
        let _ = disable_raw_mode();
        let _ = execute!(io::stderr(), LeaveAlternateScreen, Show);
    }
}
