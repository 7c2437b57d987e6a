//! What the node says to a request, and its form for scripts: JSON. The form for people is in `text`.
//!
//! Whoever renders an answer needs no node, so that a second process can print what the first one knows.

use super::{StreamAnswer, TitleLine};
use crate::sorted::SortedMap;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;

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
        /// The data directory.
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
    /// What the user calls keys, and which are ignored.
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
    /// Where that goes, in a few words, for a prompt.
    pub whither: String,
    /// Whether it is a group in which nothing was said lately, and perhaps a name that was typed wrong.
    pub is_doubtful: bool,
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

/// What the user calls a key, or that it is ignored, or both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PersonLine {
    /// The name; empty if it has none.
    pub name: String,
    /// The key, in hex.
    pub key: String,
    /// Whether the user ignores whoever holds it.
    pub is_ignored: bool,
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
    /// Its text, safe for a terminal.
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
    /// Its name in the public folder; of one of the store, the folder `store` and its name there.
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
