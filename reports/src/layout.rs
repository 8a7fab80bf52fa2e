//! Text on a terminal of any width: folded between words, tables parted between columns. Nothing is cut.

use std::io::{self, Write};

/// Narrower terminals get lines of this length all the same.
const LEAST_WIDTH: usize = 20;

/// What is not parted from the figure before it.
const UNITS: [&str; 9] = ["%", "pt", "us", "ms", "s", "B", "kB", "MB", "GB"];

/// How text is to look.
#[derive(Debug, Clone, Copy, Default)]
pub struct Looks {
    /// Whether there are colours; without them the words say the same.
    pub coloured: bool,
    /// The terminal's columns; where there is no terminal, lines are as long as they need to be.
    pub width: Option<usize>,
}

impl Looks {
    /// A word, made this wide, in the colour of its meaning.
    pub(crate) fn word(self, word: &str, width: usize) -> String {
        let padded = format!("{word:<width$}");
        let code = match word {
            "PASS" | "ok" | "pass" | "better" => "32",
            "FAIL" | "BROKEN" | "WORSE" => "31",
            "INVALID" | "UNDECIDED" | "NO DATA" | "WARN" | "xfail" | "unknown" => "33",
            _ => return padded,
        };
        if self.coloured { format!("\x1b[1;{code}m{padded}\x1b[0m") } else { padded }
    }

    /// Whether lines of so many cells need no folding.
    pub(crate) fn fits(self, cells: usize) -> bool {
        cells <= self.columns()
    }

    fn columns(self) -> usize {
        self.width.map_or(usize::MAX, |width| width.max(LEAST_WIDTH))
    }

    /// A head of so many cells and text after it; what does not fit goes on below the text, between words. A word that is
    /// longer than a line stays whole, as it may be there to be copied; the terminal itself goes on with it.
    ///
    /// # Errors
    /// What `out` says.
    pub(crate) fn fold(
        self,
        (head, cells): (&str, usize),
        text: &str,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        if self.fits(cells + cells_of(text)) {
            return writeln!(out, "{head}{text}");
        }
        let columns = self.columns();
        // Below a long head there would be too little room.
        let indent = if cells > columns / 2 || cells == 0 { 4 } else { cells };
        let (mut line, mut used, mut is_begun) = (head.to_owned(), cells, false);
        for word in words(text) {
            let gap = usize::from(is_begun);
            if used + gap + cells_of(&word) > columns && used > indent {
                writeln!(out, "{}", line.trim_end())?;
                line = format!("{:indent$}{word}", "");
                used = indent + cells_of(&word);
            } else {
                line.push_str(&format!("{:gap$}{word}", ""));
                used += gap + cells_of(&word);
            }
            is_begun = true;
        }
        writeln!(out, "{line}")
    }
}

/// The words of a text, each figure with its unit.
fn words(text: &str) -> Vec<String> {
    let is_unit = |word: &str| UNITS.contains(&word.trim_end_matches([',', ';', ')', '.']));
    let mut words: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match words.last_mut() {
            Some(last) if is_unit(word) && last.ends_with(|c: char| c.is_ascii_digit()) => {
                last.push(' ');
                last.push_str(word);
            }
            _ => words.push(word.to_owned()),
        }
    }
    words
}

/// A table whose rows have a name and figures.
#[derive(Debug)]
pub(crate) struct Table<'t> {
    /// Above the names, and how wide they are at least where there is room.
    pub(crate) names: (&'t str, usize),
    /// Above each figure, the same.
    pub(crate) figures: &'t [(&'t str, usize)],
    /// Each with its name and as many figures as there are columns.
    pub(crate) rows: Vec<(String, Vec<String>)>,
}

impl Table<'_> {
    /// Writes it; in several parts, one below the other, where the terminal is narrow.
    ///
    /// # Errors
    /// What `out` says.
    pub(crate) fn write(&self, looks: Looks, out: &mut dyn Write) -> io::Result<()> {
        let columns = looks.columns();
        let (mut names, mut widths) = self.widths(true);
        if names + widths.iter().map(|width| width + 1).sum::<usize>() > columns {
            (names, widths) = self.widths(false);
        }
        // Names that leave no room for figures stand above them.
        let is_above = names > columns / 2;
        let names = if is_above { 1 } else { names };
        let mut from = 0;
        while from < widths.len() {
            let mut used = names;
            let fitting = widths.iter().skip(from).take_while(|width| {
                used += *width + 1;
                used <= columns
            });
            let to = from + fitting.count().max(1);
            let line = |name: &str, figures: &mut dyn Iterator<Item = &str>, out: &mut dyn Write| {
                if is_above {
                    writeln!(out, "{name}")?;
                }
                write!(out, "{:<names$}", if is_above { "" } else { name })?;
                let widths = widths.iter().skip(from).take(to - from);
                for (figure, width) in figures.skip(from).zip(widths) {
                    write!(out, " {figure:>width$}")?;
                }
                writeln!(out)
            };
            line(self.names.0, &mut self.figures.iter().map(|(heading, _)| *heading), out)?;
            for (name, figures) in &self.rows {
                line(name, &mut figures.iter().map(String::as_str), out)?;
            }
            from = to;
        }
        Ok(())
    }

    /// Of the names and of each column of figures.
    fn widths(&self, is_roomy: bool) -> (usize, Vec<usize>) {
        let widest = |(heading, least): (&str, usize), cells: &mut dyn Iterator<Item = &String>| {
            let least = if is_roomy { least } else { 0 };
            cells.map(|cell| cells_of(cell)).fold(least.max(cells_of(heading)), usize::max)
        };
        let figures = self.figures.iter().enumerate().map(|(at, column)| {
            widest(*column, &mut self.rows.iter().filter_map(|(_, figures)| figures.get(at)))
        });
        (widest(self.names, &mut self.rows.iter().map(|(name, _)| name)), figures.collect())
    }
}

/// How many cells a text takes; wide letters are counted as one.
pub(crate) fn cells_of(text: &str) -> usize {
    text.chars().count()
}
