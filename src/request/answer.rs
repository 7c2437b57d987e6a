//! What the node says to a request: for people as text, for scripts as JSON.
//!
//! Whoever renders an answer needs no node, so that a second process can print what the first one knows. Addresses and
//! numbers are ours; names of files are made safe for a terminal here.

use super::{StreamAnswer, TitleLine};
use crate::sorted::SortedMap;
use crate::terminal::printable;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// How much of a file's name is shown, in characters.
const NAME_SHOWN_CHARS: usize = 100;

/// The answer to a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Carried out, or on its way; a sentence.
    Done(String),
    /// Not carried out, and nothing changed; a sentence.
    Refused(String),
    /// How the node is doing.
    Status(Box<Status>),
    /// The verified peers.
    Peers(Vec<PeerLine>),
    /// What is being fetched, and what became of it.
    Fetching(Vec<FetchLine>),
    /// The shared files.
    Files {
        /// The folder they are in.
        folder: String,
        /// The files.
        files: Vec<FileLine>,
    },
    /// What others share, have seen and recommend, the latest first.
    Listed(Vec<ListedLine>),
    /// Files with names.
    Titles(Vec<TitleLine>),
    /// From now on follows what is said, each as [`Answer::Line`].
    Listening(Listening),
    /// A line that was said, safe for a terminal.
    Line(String),
    /// What the user calls keys.
    People(Vec<PersonLine>),
    /// A private message is on its way.
    Message(MessageLine),
    /// What the user wrote to keys, and what became of it.
    Messages(Vec<MessageLine>),
    /// About a signed stream.
    Stream(StreamAnswer),
}

/// What somebody listens to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listening {
    /// What it is about, for people.
    pub about: String,
    /// What has to stand before a text that is said there, see [`Topic::command`](super::Topic::command).
    pub command: String,
}

/// How the node is doing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// The version of the program.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Whether it ends with the `get` whose node it is.
    pub is_passing: bool,
    /// The key by which others know it, in hex.
    pub public_key: String,
    /// Where it listens.
    pub udp: SocketAddr,
    /// Where its data is.
    pub data_dir: String,
    /// Seconds since it started.
    pub uptime_s: u64,
    /// How many peers are verified.
    pub peers: usize,
    /// How many of them are neighbours, whose path is kept open.
    pub neighbours: usize,
    /// How many files are shared.
    pub files: usize,
    /// Everything that is counted.
    pub counters: SortedMap<String, u64>,
}

/// A verified peer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PeerLine {
    /// Its address.
    pub address: SocketAddr,
    /// The smoothed round-trip time in milliseconds, once measured.
    pub round_trip_ms: Option<f64>,
    /// Seconds since it was last heard.
    pub heard_ago_s: f64,
    /// Whether the path to it is kept open.
    pub is_neighbour: bool,
    /// The key of whoever lives there, in hex, as far as that was proven.
    pub key: Option<String>,
    /// What the user calls that key.
    pub name: Option<String>,
    /// One of the two as a person is shown it.
    pub shown: Option<String>,
}

/// What a peer said about a content.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ListedLine {
    /// The id, as it came.
    pub id: String,
    /// The size in bytes, if the peer is right.
    pub size: u64,
    /// What it said: `shares`, `saw` or `recommends`.
    pub says: String,
    /// The peer.
    pub from: SocketAddr,
    /// Seconds since it said so last.
    pub heard_ago_s: f64,
}

/// What the user calls a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PersonLine {
    /// The name.
    pub name: String,
    /// The key, in hex.
    pub key: String,
}

/// What the user wrote to the holder of a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MessageLine {
    /// Its number, as long as the node runs.
    pub number: u64,
    /// The key, in hex.
    pub key: String,
    /// What the user calls it.
    pub name: Option<String>,
    /// One of the two as a person is shown it.
    pub shown: String,
    /// The beginning of its text, safe for a terminal.
    pub text: String,
    /// What became of it.
    pub state: MessageState,
    /// When it was written, `YYYY-MM-DD HH:MM:SS` in UTC.
    pub said: String,
    /// Seconds since then.
    pub said_ago_s: f64,
}

/// What became of a private message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageState {
    /// It is sent again until it has arrived.
    Waiting,
    /// The same, and where to was not known at first.
    Searching,
    /// The recipient's node has opened it.
    Delivered,
    /// It was given up; a sentence.
    Failed(String),
}

/// A content that the user wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchLine {
    /// Its id, as on the wire.
    pub id: String,
    /// What is going on.
    pub state: FetchState,
    /// Its size in bytes, once known.
    pub size: Option<u64>,
    /// How many bytes of it are there.
    pub held: u64,
    /// Bytes a second that arrive at present.
    pub rate: u64,
    /// How many sources are delivering.
    pub sources: usize,
    /// How many processes wait for it.
    pub waiting: usize,
}

/// How far a content is that the user wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FetchState {
    /// We look at what is there of it.
    Preparing,
    /// It is being fetched.
    Fetching,
    /// All of it is there, and is being checked and made to last.
    Checking,
    /// It is here.
    Done(KeptFile),
    /// It did not come; a sentence.
    Failed(String),
}

/// Where a content lies that was fetched, and the state in which its file was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptFile {
    /// The file.
    pub path: PathBuf,
    /// Whether nobody else needs it: whoever wanted it may move it away.
    pub is_loose: bool,
    /// The SHA-256 of its content, in hex; `None` if nobody needed it.
    pub sha256: Option<String>,
    /// The id by its BLAKE3, or `None`.
    pub blake3: Option<String>,
    /// Its size in bytes.
    pub size: u64,
    /// See [`Stamp`](crate::content::Stamp).
    pub modified_ns: i128,
    /// The same.
    pub changed_ns: i128,
    /// The same.
    pub inode: u64,
}

/// A shared file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileLine {
    /// Its name in the public folder.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// The SHA-256 of its content, in hex.
    pub sha256: String,
}

impl Answer {
    /// The answer as one line of JSON, without saying which kind it is.
    pub fn to_json(&self) -> String {
        let json = match self {
            Self::Done(text) => serde_json::to_string(&SortedMap::from_iter([("done", text)])),
            Self::Refused(text) => serde_json::to_string(&SortedMap::from_iter([("refused", text)])),
            Self::Status(status) => serde_json::to_string(status),
            Self::Peers(peers) => serde_json::to_string(peers),
            Self::Fetching(fetches) => serde_json::to_string(fetches),
            Self::Files { files, .. } => serde_json::to_string(files),
            Self::Listed(lines) => serde_json::to_string(lines),
            Self::Titles(lines) => serde_json::to_string(lines),
            Self::Listening(listening) => serde_json::to_string(listening),
            Self::Line(text) => serde_json::to_string(&SortedMap::from_iter([("line", text)])),
            Self::People(lines) => serde_json::to_string(lines),
            Self::Message(line) => serde_json::to_string(line),
            Self::Messages(lines) => serde_json::to_string(lines),
            Self::Stream(answer) => serde_json::to_string(answer),
        };
        // Strings, numbers and maps with string keys always have a JSON form.
        json.unwrap_or_default()
    }
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
            Self::Files { folder, files } if files.is_empty() => {
                write!(f, "nothing is shared; put files into {}", printable(folder, usize::MAX))
            }
            Self::Files { files, .. } => write_lines(f, files),
            Self::Listed(lines) if lines.is_empty() => f.write_str("nobody has said what there is yet"),
            Self::Listed(lines) => write_lines(f, lines),
            Self::People(lines) if lines.is_empty() => f.write_str("nobody has a name yet; /name KEY alice gives one"),
            Self::People(lines) => write_lines(f, lines),
            Self::Titles(lines) if lines.is_empty() => f.write_str("no names are published or kept up to date"),
            Self::Titles(lines) => write_lines(f, lines),
            Self::Message(line) => line.fmt(f),
            Self::Messages(lines) if lines.is_empty() => f.write_str("nothing has been written in private"),
            Self::Messages(lines) => write_lines(f, &lines.iter().map(MessageRow).collect::<Vec<_>>()),
            Self::Stream(StreamAnswer::Own(length, _)) => write!(f, "{length} bytes"),
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
            Some(ms) => write!(f, "{ms:9.3} ms")?,
            None => write!(f, "{:>9} ms", "-")?,
        }
        write!(f, "   heard {:.0} s ago{}", self.heard_ago_s, if self.is_neighbour { "   neighbour" } else { "" })?;
        self.shown.as_ref().map_or(Ok(()), |shown| write!(f, "   {}", printable(shown, NAME_SHOWN_CHARS)))
    }
}

impl fmt::Display for FetchLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  ", self.id)?;
        match &self.state {
            FetchState::Preparing => f.write_str("looking at what is there"),
            FetchState::Fetching => {
                let size = self.size.map_or_else(|| "?".to_owned(), |size| size.to_string());
                write!(f, "{} of {size} bytes, {} bytes/s from {}", self.held, self.rate, self.sources)
            }
            FetchState::Checking => f.write_str("checking all of it"),
            FetchState::Done(file) => write!(f, "is in {}", printable(&file.path.to_string_lossy(), usize::MAX)),
            FetchState::Failed(why) => f.write_str(why),
        }
    }
}

impl fmt::Display for PersonLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}", self.key, self.name)
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
        let [said, shown, text] = [said, shown, text].map(|it| printable(it, NAME_SHOWN_CHARS));
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
        write!(f, "{}  {:>12}  {}", self.sha256, self.size, printable(&self.name, NAME_SHOWN_CHARS))
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
            assert!(!Answer::Files { folder: nasty.clone(), files }.to_string().contains(['\u{1b}', '\n']));
        }
        let from = "203.0.113.5:24254".parse().unwrap();
        let listed = ListedLine { id: nasty.clone(), size: 7, says: nasty, from, heard_ago_s: 0.0 };
        assert!(!Answer::Listed(vec![listed]).to_string().contains(['\u{1b}', '\n']));
    }

    #[test]
    fn spans_of_time_are_readable() {
        assert_eq!([7, 61, 3_700, 90_000].map(duration), ["7 s", "1 min 1 s", "1 h 1 min", "1 d 1 h"]);
    }
}
