//! One line on a terminal that says how far long work is. In a pipe there is none.

use super::probe::now;
use cjp2p_node::request::decimal;
use rustix::termios::tcgetwinsize;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// The least time between two drawings: five a second are all that an eye follows.
const PAUSE: Duration = Duration::from_millis(200);

/// How wide a terminal is that does not say.
const COLUMNS: usize = 80;

/// The line.
pub(super) struct Bar {
    is_drawn: bool,
    drawn: Option<Instant>,
}

impl Bar {
    /// A line that is not drawn yet, and will be on standard error if that is a terminal and the user has not asked for
    /// silence.
    pub(super) fn new(verbosity: i32) -> Bar {
        Bar { is_drawn: verbosity >= 0 && io::stderr().is_terminal(), drawn: None }
    }

    /// Draws these parts, as many as fit, unless that was done a moment ago.
    pub(super) fn draw(&mut self, parts: impl FnOnce() -> Vec<String>) {
        if !self.is_drawn || self.drawn.is_some_and(|drawn| now().saturating_duration_since(drawn) < PAUSE) {
            return;
        }
        self.drawn = Some(now());
        let columns = tcgetwinsize(io::stderr()).map_or(COLUMNS, |size| usize::from(size.ws_col));
        let columns = if columns == 0 { COLUMNS } else { columns };
        self.write(&format!("\r{}\x1b[K", fitting(&parts(), columns)));
    }

    /// Takes the line away.
    pub(super) fn clear(&mut self) {
        if self.drawn.take().is_some() {
            self.write("\r\x1b[K");
        }
    }

    /// Whether somebody looks is their business.
    fn write(&self, text: &str) {
        let mut stderr = io::stderr();
        let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.clear();
    }
}

/// As many of the parts as fit into so many columns, of which the last stays free: a terminal may begin a new line
/// there.
fn fitting(parts: &[String], columns: usize) -> String {
    let mut line = String::new();
    for part in parts {
        let length = line.chars().count() + part.chars().count() + 2 * usize::from(!line.is_empty());
        if length >= columns {
            break;
        }
        if !line.is_empty() {
            line.push_str("  ");
        }
        line.push_str(part);
    }
    line
}

/// How far, how much of how much, how fast, and for how long still.
pub(super) fn parts(done: u64, total: Option<u64>, rate: u64) -> Vec<String> {
    let megabytes = |bytes: u64| decimal(bytes as f64 / 1e6, 1);
    let speed = format!("{} MB/s", megabytes(rate));
    let Some(total) = total.filter(|total| *total > 0) else { return vec![format!("{} MB", megabytes(done)), speed] };
    let percent = format!("{:3}%", (done as f64 / total as f64 * 100.0).min(100.0) as u64);
    let mut parts = vec![percent, format!("{} of {} MB", megabytes(done), megabytes(total)), speed];
    if let Some(seconds) = total.saturating_sub(done).checked_div(rate) {
        parts.push(format!("{} left", time_left(seconds)));
    }
    parts
}

fn time_left(seconds: u64) -> String {
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{:02}", seconds % 60)
    } else {
        format!("{minutes}:{:02}", seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_terminal_gets_the_first_parts_and_never_a_second_line() {
        let parts = parts(107_400_000, Some(256_000_000), 53_100_000);
        assert_eq!(fitting(&parts, 80), " 41%  107.4 of 256.0 MB  53.1 MB/s  0:02 left");
        assert_eq!(fitting(&parts, 30), " 41%  107.4 of 256.0 MB");
        for columns in 0..80 {
            assert!(fitting(&parts, columns).chars().count() < columns.max(1));
        }
    }

    #[test]
    fn odd_numbers_do_no_harm() {
        assert_eq!(parts(0, None, 0), ["0.0 MB", "0.0 MB/s"]);
        assert_eq!(parts(5, Some(0), 7), ["0.0 MB", "0.0 MB/s"]);
        assert_eq!(parts(9, Some(5), u64::MAX)[0], "100%");
        assert_eq!(parts(0, Some(u64::MAX), 0).len(), 3);
        assert_eq!([59, 3_600, 36_061].map(time_left), ["0:59", "1:00:00", "10:01:01"]);
    }
}
