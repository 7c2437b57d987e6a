//! A terminal at which a person types while others talk: the line that is being typed stays below what is printed.
//!
//! Two threads share it, the one that reads and the one that prints. While a line can be edited the terminal hands us
//! each key at once and echoes nothing; Ctrl-C stays a signal. Whatever way the node ends, [`Screen::close`] gives the
//! terminal back as it was found, and waits for neither thread.
//!
//! The line editors that exist as crates wait inside a call that cannot be ended from outside: an orderly stop would
//! have to leave that call, and the terminal in its mode, and would lose the last lines. So this is our own, with the
//! few keys that a line of chat needs; see the editor.

use super::editor::{Editor, Key, View};
use rustix::process::getpgrp;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr,
};
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use unicode_width::UnicodeWidthStr;

/// What stands before the line that is being typed, behind where it goes, if that is to be said and there is room.
const PROMPT: &str = "> ";

/// How wide a terminal is that does not say.
const COLUMNS: usize = 80;

/// The terminal.
pub struct Screen {
    /// Never held while something is printed, so that the terminal can be given back at any time.
    mode: Mutex<Mode>,
    line: Mutex<Line>,
    /// Whether lines that no longer fit are wrapped anew when the terminal becomes narrower.
    wraps: bool,
    /// Whether a text that is said stays where it was typed; if not, it is shown when it comes back.
    keeps_texts: bool,
    /// What stands before the line on a terminal that is wide enough.
    prompt: String,
}

enum Mode {
    /// Nothing has been changed.
    Resting,
    /// A line can be edited; and how the terminal was found.
    Editing(Termios),
    /// Nothing will be changed any more.
    Closed,
}

#[derive(Default)]
struct Line {
    editor: Editor,
    /// The line is on the terminal, and the cursor in it.
    drawn: Option<Drawn>,
}

/// A line on the terminal, with the prompt before it.
#[derive(Clone, Copy, Debug)]
struct Drawn {
    /// How many columns it takes.
    width: usize,
    /// In which of them the cursor is.
    cursor: usize,
}

impl Drawn {
    /// What takes the line away again and leaves the cursor where it began. A terminal that has become narrower since
    /// has wrapped it, unless it does not do that and has cut it off.
    fn erasing(self, columns: usize, is_wrapped: bool) -> String {
        if !is_wrapped || self.width <= columns {
            return "\r\u{1b}[K".to_owned();
        }
        // A cursor that has just filled a row waits at its end.
        let row = if self.cursor == self.width { self.cursor - 1 } else { self.cursor } / columns;
        let up = if row > 0 { format!("\u{1b}[{row}A") } else { String::new() };
        format!("{up}\r\u{1b}[J")
    }
}

impl Screen {
    /// The terminal, if there is one at both ends and it can move its cursor.
    pub(super) fn open(keeps_texts: bool, whither: &str) -> Option<Screen> {
        let is_able = std::env::var("TERM").is_ok_and(|name| !name.is_empty() && name != "dumb");
        if !is_able || !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            return None;
        }
        let name = std::env::var("TERM").unwrap_or_default();
        // Of those in use, xterm does not; what runs inside of it has another name.
        let wraps = std::env::var_os("XTERM_VERSION").is_none() || !name.starts_with("xterm");
        let prompt = format!("{whither}{PROMPT}");
        Some(Screen { mode: Mutex::new(Mode::Resting), line: Mutex::default(), wraps, keeps_texts, prompt })
    }

    /// Lets a line be edited, and shows it. Only the foreground may do this.
    pub(super) fn show(&self) {
        self.begin_editing();
        let mut line = lock(&self.line);
        self.draw_line(&mut line);
    }

    /// Takes a key. A line that is complete stays on the terminal, if texts do or it is a command.
    pub(super) fn feed(&self, byte: u8) -> Key {
        let mut line = lock(&self.line);
        if matches!(byte, b'\r' | b'\n') && self.is_editing() {
            let (erasing, whole) = (self.erasing(&mut line), line.editor.whole());
            // The whole of it, on as many rows as it takes.
            let stays = self.keeps_texts || (whole.starts_with('/') && !whole.starts_with("//"));
            put(&if stays { format!("{erasing}{}{whole}\r\n", self.prompt(columns()).0) } else { erasing });
        }
        line.editor.feed(byte)
    }

    /// Leaves the line and lets the terminal be as it was found, until the next [`Screen::show`].
    pub(super) fn rest(&self) {
        let mut line = lock(&self.line);
        self.leave_line(&mut line);
        self.end_editing(Mode::Resting);
    }

    /// Prints with the line out of the way.
    pub(super) fn aside(&self, print: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        let mut line = lock(&self.line);
        if line.drawn.is_some() {
            put(&self.erasing(&mut line));
        }
        let outcome = print();
        self.draw_line(&mut line);
        outcome
    }

    /// Gives the terminal back, for good.
    pub(super) fn close(&self) {
        self.end_editing(Mode::Closed);
    }

    fn draw_line(&self, line: &mut Line) {
        if !self.is_editing() {
            return;
        }
        let (prompt, room) = self.prompt(columns());
        let View { before, after, cursor, width } = line.editor.view(columns().saturating_sub(room));
        // The terminal knows best where the cursor is: it may take fewer columns for an emoji than we think.
        let [save, restore] = if after.is_empty() { ["", ""] } else { ["\u{1b}7", "\u{1b}8"] };
        put(&format!("{}{prompt}{before}{save}{after}{restore}", self.erasing(line)));
        line.drawn = Some(Drawn { width: room + width, cursor: room + cursor });
    }

    /// What stands before the line, and how many columns it takes: half of them at most, or it is the short one.
    fn prompt(&self, columns: usize) -> (&str, usize) {
        let width = self.prompt.width();
        if width * 2 > columns { (PROMPT, PROMPT.len()) } else { (&self.prompt, width) }
    }

    /// What takes the line away, if it is there.
    fn erasing(&self, line: &mut Line) -> String {
        let drawn = line.drawn.take().unwrap_or(Drawn { width: 0, cursor: 0 });
        drawn.erasing(columns(), self.wraps)
    }

    /// What is typed stays; what comes next begins below it.
    fn leave_line(&self, line: &mut Line) {
        if line.drawn.take().is_some() {
            put("\r\n");
        }
    }

    fn is_editing(&self) -> bool {
        matches!(*lock(&self.mode), Mode::Editing(_)) && is_in_foreground()
    }

    /// Changes the settings, or changes them again: a shell that let us stop and go on may have undone it.
    fn begin_editing(&self) {
        let mut mode = lock(&self.mode);
        if !is_in_foreground() {
            return;
        }
        let found = match &*mode {
            Mode::Resting => tcgetattr(io::stdin()).ok(),
            Mode::Editing(found) => Some(found.clone()),
            Mode::Closed => None,
        };
        if let Some(found) = found {
            set(&editing(&found));
            *mode = Mode::Editing(found);
        }
    }

    fn end_editing(&self, next: Mode) {
        let mut mode = lock(&self.mode);
        match std::mem::replace(&mut *mode, next) {
            Mode::Editing(found) if is_in_foreground() => set(&found),
            Mode::Closed => *mode = Mode::Closed,
            _ => {}
        }
    }
}

/// How wide the terminal is.
fn columns() -> usize {
    let columns = tcgetwinsize(io::stdout()).map_or(0, |size| usize::from(size.ws_col));
    if columns == 0 { COLUMNS } else { columns }
}

/// At once: waiting for what is still to be printed could take for ever on a stopped terminal. A terminal that refuses
/// is gone.
fn set(settings: &Termios) {
    let _ = tcsetattr(io::stdin(), OptionalActions::Now, settings);
}

/// The settings with which a line can be edited: each key at once, no echo, and Ctrl-Z as a key, because the terminal
/// has to be given back before we stop. Ctrl-C and Ctrl-\ stay signals, Ctrl-S and Ctrl-Q stop and start the output.
fn editing(found: &Termios) -> Termios {
    let mut settings = found.clone();
    settings.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::IEXTEN;
    settings.special_codes[SpecialCodeIndex::VMIN] = 1;
    settings.special_codes[SpecialCodeIndex::VTIME] = 0;
    settings.special_codes[SpecialCodeIndex::VSUSP] = 0;
    settings
}

/// Whether what is typed into our terminal is for us. What is no terminal is.
pub(super) fn is_in_foreground() -> bool {
    !io::stdin().is_terminal() || tcgetpgrp(io::stdin()).map_or(true, |foreground| foreground == getpgrp())
}

/// A terminal that cannot be written to is gone, and the line with it.
fn put(text: &str) {
    let mut stdout = io::stdout();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// A thread that panics ends the program, so nothing is ever left half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_has_half_of_the_terminal_at_least() {
        let screen = Screen {
            mode: Mutex::new(Mode::Resting),
            line: Mutex::default(),
            wraps: true,
            keeps_texts: false,
            prompt: "\u{540d}\u{540d} (private)> ".to_owned(),
        };
        for (columns, shown) in [(80, (&*screen.prompt, 16)), (32, (&screen.prompt, 16)), (31, (PROMPT, 2))] {
            assert_eq!(screen.prompt(columns), shown, "{columns}");
        }
    }

    #[test]
    fn a_line_is_taken_away_with_all_the_rows_that_a_narrower_terminal_makes_of_it() {
        let erasing = |width, cursor, columns| Drawn { width, cursor }.erasing(columns, true);
        for (width, cursor, columns, expected) in [
            (78, 78, 80, "\r\u{1b}[K"),
            (40, 40, 40, "\r\u{1b}[K"),
            (78, 78, 40, "\u{1b}[1A\r\u{1b}[J"),
            (78, 10, 40, "\r\u{1b}[J"),
            (78, 40, 40, "\u{1b}[1A\r\u{1b}[J"),
            (78, 78, 10, "\u{1b}[7A\r\u{1b}[J"),
            (80, 80, 40, "\u{1b}[1A\r\u{1b}[J"),
            (2, 2, 1, "\u{1b}[1A\r\u{1b}[J"),
        ] {
            assert_eq!(erasing(width, cursor, columns), expected, "{width} {cursor} {columns}");
        }
        assert_eq!(Drawn { width: 78, cursor: 78 }.erasing(40, false), "\r\u{1b}[K");
    }
}
