//! What the node says to a request, as people read it.
//!
//! Addresses and numbers are ours; names of files, and what others say, are made safe for a terminal here.

use super::{
    Answer, FetchLine, FetchState, FileLine, ListedLine, Listening, MessageLine, MessageState, PeerLine, PersonLine,
    Status, StreamAnswer,
};
use crate::terminal::printable;
use std::fmt;

/// How much of a file's name is shown, in characters.
const NAME_SHOWN_CHARS: usize = 100;

/// How much of a text is shown in a list, in characters: what tells it from others, and leaves room beside it.
const TEXT_SHOWN_CHARS: usize = 60;

/// So many things of a kind: `1 byte`, `2 bytes`.
pub fn counted(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// A number that is not negative, with so many digits behind the point, at least one. What the standard library writes
/// floating-point numbers with would add sixteen kilobytes to the program, so nothing is to print one without this.
pub fn decimal(number: f64, digits: usize) -> String {
    let scale = (0..digits).fold(1, |scale, _| scale * 10_u64);
    let scaled = (number * scale as f64).round() as u64;
    format!("{}.{:0digits$}", scaled / scale, scaled % scale)
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done(text) | Self::Refused(text) | Self::Line(text) => f.write_str(text),
            Self::Listening(Listening { about, .. }) => write!(f, "listening to {about}"),
            Self::Status(status) => status.fmt(f),
            Self::Peers(peers) if peers.is_empty() => f.write_str("no verified peers yet"),
            Self::Peers(peers) => write_lines(f, peers),
            Self::Fetching(fetches) if fetches.is_empty() => f.write_str("nothing is being fetched"),
            Self::Fetching(fetches) => write_lines(f, fetches),
            Self::Files { folder, files } => {
                let folder = printable(folder, usize::MAX);
                if files.is_empty() {
                    return write!(f, "nothing is shared; put files into {folder}/public");
                }
                writeln!(f, "in {folder}:")?;
                write_lines(f, files)
            }
            Self::Listed(lines) if lines.is_empty() => f.write_str("nobody has said what there is yet"),
            Self::Listed(lines) => write_lines(f, lines),
            Self::People(lines) if lines.is_empty() => f.write_str("nobody has a name yet; /name KEY alice gives one"),
            Self::People(lines) => write_lines(f, lines),
            Self::Titles(lines) if lines.is_empty() => f.write_str("no names are published or kept up to date"),
            Self::Titles(lines) => write_lines(f, lines),
            Self::Message(line) => line.fmt(f),
            Self::Messages(lines) if lines.is_empty() => f.write_str("nothing has been written in private"),
            Self::Messages(lines) => write_lines(f, &lines.iter().map(MessageRow).collect::<Vec<_>>()),
            Self::Stream(StreamAnswer::Own(length, _)) => f.write_str(&counted(*length, "byte")),
            Self::Stream(StreamAnswer::Chunk(offset, ..)) => write!(f, "bytes from {offset} on"),
        }
    }
}

fn write_lines<T: fmt::Display>(f: &mut fmt::Formatter<'_>, lines: &[T]) -> fmt::Result {
    for (n, line) in lines.iter().enumerate() {
        write!(f, "{}{line}", if n == 0 { "" } else { "\n" })?;
    }
    Ok(())
}

impl fmt::Display for PeerLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An address ignores the width, its text does not.
        write!(f, "{:24} ", self.address.to_string())?;
        match self.round_trip_ms {
            Some(ms) => write!(f, "{:>9} ms", decimal(ms, 3))?,
            None => write!(f, "{:>9} ms", "-")?,
        }
        let heard_ago_s = self.heard_ago_s.round() as u64;
        write!(f, "   heard {heard_ago_s} s ago{}", if self.is_neighbour { "   neighbour" } else { "" })?;
        self.shown.as_ref().map_or(Ok(()), |shown| write!(f, "   {}", printable(shown, NAME_SHOWN_CHARS)))
    }
}

impl fmt::Display for FetchLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  ", self.id)?;
        match &self.state {
            FetchState::Preparing => f.write_str("looking at what is there"),
            FetchState::Fetching => {
                let size = self.size.map_or_else(|| "? bytes".to_owned(), |size| counted(size, "byte"));
                write!(f, "{} of {size}, {}/s from {}", self.held, counted(self.rate, "byte"), self.sources)
            }
            FetchState::Checking => f.write_str("checking all of it"),
            FetchState::Done(file) => write!(f, "is in {}", printable(&file.path.to_string_lossy(), usize::MAX)),
            FetchState::Failed(why) => f.write_str(why),
        }
    }
}

impl fmt::Display for PersonLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let space = if self.name.is_empty() || !self.is_ignored { "" } else { " " };
        write!(f, "{}  {}{space}{}", self.key, self.name, if self.is_ignored { "(ignored)" } else { "" })
    }
}

impl fmt::Display for MessageLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = printable(&self.shown, NAME_SHOWN_CHARS);
        match &self.state {
            MessageState::Waiting => write!(f, "on its way to {shown}"),
            MessageState::Searching => write!(f, "on its way to {shown}, whose address others are asked for"),
            MessageState::Delivered => write!(f, "{shown} has seen it"),
            MessageState::Failed(why) => f.write_str(why),
        }
    }
}

/// A line of the list of what was written.
struct MessageRow<'a>(&'a MessageLine);

impl fmt::Display for MessageRow<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MessageLine { said, shown, text, state, .. } = self.0;
        let (shown, text) = (printable(shown, NAME_SHOWN_CHARS), printable(text, TEXT_SHOWN_CHARS));
        match state {
            MessageState::Waiting => write!(f, "{said}  to {shown}, on its way: {text}"),
            MessageState::Searching => {
                write!(f, "{said}  to {shown}, on its way, others are asked for the address: {text}")
            }
            MessageState::Delivered => write!(f, "{said}  to {shown}, seen: {text}"),
            MessageState::Failed(why) => write!(f, "{said}  {}: {text}", printable(why, usize::MAX)),
        }
    }
}

impl fmt::Display for ListedLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (id, says) = (printable(&self.id, NAME_SHOWN_CHARS), printable(&self.says, NAME_SHOWN_CHARS));
        write!(f, "{id:64}  {:>12}  {says} {}", self.size, self.from)
    }
}

impl fmt::Display for FileLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Of a file of the store the name says where it is; no other has a slash in it.
        let folder = if self.name.contains('/') { "" } else { "public/" };
        write!(f, "{}  {:>12}  {folder}{}", self.sha256, self.size, printable(&self.name, NAME_SHOWN_CHARS))
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "cjp2p-node {}, process {}", self.version, self.pid)?;
        writeln!(f, "key          {}", self.public_key)?;
        writeln!(f, "listens on   UDP {}", self.udp)?;
        writeln!(f, "data         {}", printable(&self.data_dir, usize::MAX))?;
        writeln!(f, "running for  {}", duration(self.uptime_s))?;
        writeln!(f, "peers        {} verified, {} of them neighbours", self.peers, self.neighbours)?;
        write!(f, "files        {} shared", self.files)?;
        if self.counters.values().any(|count| *count > 0) {
            f.write_str("\nsince the start, as 'cjp2p-node help status' explains:")?;
        }
        for (name, count) in self.counters.iter().filter(|(_, count)| **count > 0) {
            write!(f, "\n{:>12} {}", count, name.replace('_', " "))?;
        }
        Ok(())
    }
}

/// A span of time as a person would say it.
fn duration(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_cannot_reach_the_terminal() {
        let nasty = "\u{1b}[2J\nx".to_owned();
        let file = FileLine { name: nasty.clone(), size: 7, sha256: "00".to_owned() };
        for files in [vec![file], Vec::new()] {
            let lines = files.len() + 1;
            let text = Answer::Files { folder: nasty.clone(), files }.to_string();
            assert!(!text.contains('\u{1b}') && text.lines().count() == lines, "{text:?}");
        }
        let from = "203.0.113.5:24254".parse().unwrap();
        let listed = ListedLine { id: nasty.clone(), size: 7, says: nasty, from, heard_ago_s: 0.0 };
        assert!(!Answer::Listed(vec![listed]).to_string().contains(['\u{1b}', '\n']));
    }

    #[test]
    fn of_a_shared_file_it_is_said_where_it_is() {
        let [public, stored] =
            ["a.txt", "store/00"].map(|name| FileLine { name: name.to_owned(), size: 7, sha256: "00".to_owned() });
        let text = Answer::Files { folder: "/data".to_owned(), files: vec![public, stored] }.to_string();
        assert_eq!(text, "in /data:\n00             7  public/a.txt\n00             7  store/00");
    }

    #[test]
    fn one_is_no_plural() {
        assert_eq!([0, 1, 2].map(|number| counted(number, "byte")), ["0 bytes", "1 byte", "2 bytes"]);
    }

    #[test]
    fn a_number_has_as_many_digits_behind_the_point_as_are_wanted() {
        for (number, digits, text) in [
            (0.0, 1, "0.0"),
            (0.04, 1, "0.0"),
            (0.06, 1, "0.1"),
            (1.996, 2, "2.00"),
            (12.0346, 3, "12.035"),
            (0.000_000_001, 9, "0.000000001"),
            (86_400.0, 9, "86400.000000000"),
            (1.5e13, 3, "15000000000000.000"),
        ] {
            assert_eq!(decimal(number, digits), text, "{number}");
        }
        for odd in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(!decimal(odd, 3).is_empty(), "{odd}");
        }
    }

    #[test]
    fn spans_of_time_are_readable() {
        assert_eq!([7, 61, 3_700, 90_000].map(duration), ["7 s", "1 min 1 s", "1 h 1 min", "1 d 1 h"]);
    }
}
