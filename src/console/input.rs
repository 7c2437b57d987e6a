//! What is typed, read by a thread that may wait for ever so that the event loop need not.
//!
//! A pipe is read line by line. At a terminal a line can be edited, see [`Screen`]. A node in the background leaves the
//! typing, and the terminal's settings, to whoever is in the foreground, instead of being stopped by the system for
//! reaching for them. Lines are bounded; the end of the input is just the end of the input.

use super::editor::Key;
use super::screen::{Screen, is_in_foreground};
use std::io::{self, Stdin};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Signal, kill_current_process_group};

/// The longest line in bytes: a text that fills a datagram of the recommended size, and the command before it.
pub const LINE_MAX_BYTES: usize = 6_000;

/// How often a node in the background, with something typed into its terminal, asks whether it is its turn.
const TURN_PAUSE: Duration = Duration::from_secs(1);

/// A stop takes effect when any of our threads has seen the signal; until then this one must not touch the terminal.
const STOP_PAUSE: Duration = Duration::from_millis(50);

/// What the thread has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A line, without its end.
    Text(String),
    /// A line longer than any that could mean something; left out.
    TooLong,
    /// There will be no more.
    End,
}

/// Starts the thread. Lines go to `deliver`, which may wait and says [`ControlFlow::Break`] when nobody listens any
/// more. With a screen they can be edited there.
///
/// # Errors
/// If the system cannot start a thread.
pub fn start_input(
    screen: Option<Arc<Screen>>,
    deliver: impl FnMut(Line) -> ControlFlow<()> + Send + 'static,
) -> io::Result<()> {
    let run = move || match screen {
        Some(screen) => run_on(&screen, deliver),
        None => run(deliver),
    };
    thread::Builder::new().name("input".to_owned()).spawn(run).map(drop)
}

/// Takes keys and lets the line be edited.
fn run_on(screen: &Screen, mut deliver: impl FnMut(Line) -> ControlFlow<()>) {
    let stdin = io::stdin();
    let mut buffer = [0; 4_096];
    'reading: loop {
        wait_for_turn();
        screen.show();
        let count = match read(&stdin, &mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(count) => count,
        };
        for byte in &buffer[..count] {
            let line = match screen.feed(*byte) {
                Key::Edit => continue,
                Key::Line(text) => Line::Text(text),
                Key::TooLong => Line::TooLong,
                Key::End => break 'reading,
                Key::Suspend => {
                    screen.rest();
                    suspend();
                    screen.show();
                    continue;
                }
            };
            if deliver(line).is_break() {
                return;
            }
        }
    }
    screen.rest();
    // The last word; that nobody heard it changes nothing.
    let _ = deliver(Line::End);
}

/// Stops the program until somebody lets it go on, as the key would have done by itself.
fn suspend() {
    // Should it fail, we go on.
    let _ = kill_current_process_group(Signal::TSTP);
    #[expect(clippy::disallowed_methods, reason = "this thread does nothing but wait for the terminal")]
    thread::sleep(STOP_PAUSE);
    wait_for_turn();
}

/// Waits until we are in the foreground of our terminal.
fn wait_for_turn() {
    while !is_in_foreground() {
        #[expect(clippy::disallowed_methods, reason = "this thread does nothing but wait for the terminal")]
        thread::sleep(TURN_PAUSE);
    }
}

fn run(mut deliver: impl FnMut(Line) -> ControlFlow<()>) {
    let stdin = io::stdin();
    let mut lines = Lines::default();
    let mut buffer = [0; 4_096];
    loop {
        match read(&stdin, &mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(count) => {
                if lines.push(&buffer[..count], &mut deliver).is_break() {
                    return;
                }
            }
        }
    }
    if lines.finish(&mut deliver).is_continue() {
        // The last word; that nobody heard it changes nothing.
        let _ = deliver(Line::End);
    }
}

/// Waits for something to read, and reads it.
fn read(stdin: &Stdin, buffer: &mut [u8]) -> rustix::io::Result<usize> {
    loop {
        match wait(stdin).and_then(|()| rustix::io::read(stdin, &mut *buffer)) {
            Err(Errno::INTR | Errno::AGAIN) => {}
            other => return other,
        }
    }
}

/// Waits until there is something to read and it is our turn to read it.
fn wait(stdin: &Stdin) -> rustix::io::Result<()> {
    poll(&mut [PollFd::new(stdin, PollFlags::IN)], None)?;
    wait_for_turn();
    Ok(())
}

/// Puts bytes together to lines.
#[derive(Default)]
struct Lines {
    begun: Vec<u8>,
    is_too_long: bool,
}

impl Lines {
    fn push(&mut self, bytes: &[u8], deliver: &mut impl FnMut(Line) -> ControlFlow<()>) -> ControlFlow<()> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (content, is_end) = piece.strip_suffix(b"\n").map_or((piece, false), |content| (content, true));
            self.is_too_long |= self.begun.len() + content.len() > LINE_MAX_BYTES;
            if self.is_too_long {
                self.begun.clear();
            } else {
                self.begun.extend_from_slice(content);
            }
            if is_end {
                deliver(self.take())?;
            }
        }
        ControlFlow::Continue(())
    }

    /// A last line need not have an end.
    fn finish(&mut self, deliver: &mut impl FnMut(Line) -> ControlFlow<()>) -> ControlFlow<()> {
        if self.begun.is_empty() && !self.is_too_long { ControlFlow::Continue(()) } else { deliver(self.take()) }
    }

    fn take(&mut self) -> Line {
        let begun = std::mem::take(&mut self.begun);
        if std::mem::take(&mut self.is_too_long) {
            return Line::TooLong;
        }
        Line::Text(String::from_utf8_lossy(&begun).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&[u8]]) -> Vec<Line> {
        let mut found = Vec::new();
        let mut deliver = |line| {
            found.push(line);
            ControlFlow::Continue(())
        };
        let mut lines = Lines::default();
        for chunk in chunks {
            assert!(lines.push(chunk, &mut deliver).is_continue());
            assert!(lines.begun.len() <= LINE_MAX_BYTES);
        }
        assert!(lines.finish(&mut deliver).is_continue());
        found
    }

    fn text(text: &str) -> Line {
        Line::Text(text.to_owned())
    }

    #[test]
    fn lines_are_put_together_however_they_come() {
        assert_eq!(lines(&[b"one\ntwo\n"]), [text("one"), text("two")]);
        assert_eq!(lines(&[b"o", b"ne", b"\n", b"\ntw", b"o"]), [text("one"), text(""), text("two")]);
        assert_eq!(lines(&[]), []);
        assert_eq!(lines(&[b"\xff\n"]), [text("\u{fffd}")]);
    }

    #[test]
    fn a_line_that_is_too_long_is_left_out_and_the_next_one_is_read() {
        let long = [b'x'; LINE_MAX_BYTES];
        assert_eq!(lines(&[&long, b"\nnext\n"]).len(), 2);
        assert_eq!(lines(&[&long, b"x", &long, b"x\nnext\n"]), [Line::TooLong, text("next")]);
        assert_eq!(lines(&[&long, b"x"]), [Line::TooLong]);
    }

    #[test]
    fn nobody_listening_ends_it() {
        let mut deliver = |_| ControlFlow::Break(());
        assert!(Lines::default().push(b"one\ntwo\n", &mut deliver).is_break());
    }
}
