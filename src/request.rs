//! What a user asks of the running node: one parser and one table for the console and the control socket.
//!
//! Every limit on what may be asked is here; carrying it out is the event loop's part. This module touches no node.
//!
//! A process that waits for a content, as `get` does, puts its number at the end: `/get ID SECONDS PID` when it begins,
//! `/unget ID PID` when it gives up, and `/drop ID PID` when it has it. So one of several never stops the others, and
//! the last one leaves nothing behind. The commands `stream` and `follow` say what they want in JSON: see `streams`.

mod address;
mod answer;
mod arguments;
mod reply;
mod specs;
mod streams;
mod text;
mod titles;
mod topic;

pub use address::{host_name, peer_address};
pub use answer::{
    Answer, FetchLine, FetchState, FileLine, KeptFile, ListedLine, Listening, MessageLine, MessageState, PeerLine,
    PersonLine, Status,
};
pub use reply::{NodeStatus, PeerHeard, Reply};
pub use specs::{LISTEN, help};
pub use streams::{STREAM_BYTES_MAX, STREAM_READ_MAX_BYTES, StreamAnswer, StreamRequest, StreamState};
pub use text::{counted, decimal};
pub use titles::{TitleLine, TypedTitle, is_title, typed_title};
pub use topic::{MAIN_GROUP, Topic, group_name};

use crate::address_book::NAME_MAX_CHARS;
use crate::content::ContentId;
use crate::terminal::printable;
use specs::{FOR_PROGRAMS, SPECS};
use std::cmp::Ordering;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How long nothing may arrive before a content is given up, unless the user says otherwise.
pub const GET_PATIENCE: Duration = Duration::from_secs(20);

/// The longest that a user may say, in seconds: a week.
pub const GET_PATIENCE_MAX_SECONDS: u64 = 604_800;

/// Hex digits of an id, whichever it is.
const ID_DIGITS: usize = 64;

/// How much of a mistake is shown, in characters.
const MISTAKE_SHOWN_CHARS: usize = 60;

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// What can be typed.
    Help,
    /// The verified peers.
    Peers,
    /// The shared files.
    Files,
    /// What others share, have seen and recommend.
    Listed,
    /// Fetch a content.
    Get {
        /// Which.
        id: ContentId,
        /// It is given up when nothing arrives for so long.
        patience: Duration,
        /// The process that waits for it, if it is not for the user of the node.
        waiter: Option<u32>,
    },
    /// Look for the newest version of a file with a name, and fetch it; a node that stays keeps it up to date.
    Seek {
        /// Which.
        title: TypedTitle,
        /// For how long to wait for a first answer.
        patience: Duration,
    },
    /// Keep it up to date no longer.
    Unfollow(TypedTitle),
    /// What is known of files with names: of all that the user has to do with, or of one.
    Titles(Option<TypedTitle>),
    /// Stop fetching it.
    Unget {
        /// Which.
        id: ContentId,
        /// The process that waits no longer: others may. `None` to stop it for all.
        waiter: Option<u32>,
    },
    /// Forget what is there of a content that is not being fetched.
    Drop {
        /// Which.
        id: ContentId,
        /// The process that has waited for it and has it: others may wait still.
        waiter: Option<u32>,
    },
    /// How that is going.
    Fetching,
    /// Look for new files at once.
    Look,
    /// How the node is doing.
    Status,
    /// Make contact with an address.
    Add(SocketAddr),
    /// A line of text to one peer.
    Message(SocketAddr, String),
    /// A line of text to the holder of a key, in private.
    Write {
        /// The key: all its digits, enough of them, or its name.
        to: String,
        /// The line.
        text: String,
    },
    /// What became of such lines.
    Sent,
    /// What the user calls keys.
    People,
    /// Call a key so.
    NamePerson {
        /// The key: all its digits, enough of them, or the name that it has.
        key: String,
        /// The name.
        name: String,
    },
    /// Take away the name of a key.
    UnnamePerson(String),
    /// Measure a round trip.
    Ping(SocketAddr),
    /// Show nothing more from an IP address.
    Ignore(IpAddr),
    /// Show it again.
    Heed(IpAddr),
    /// A line of text to everybody in a group.
    Say {
        /// Which, by its name.
        group: String,
        /// The line.
        text: String,
    },
    /// Hear what is said about this from now on, and what was lately.
    Listen(String),
    /// Something about signed streams.
    Stream(StreamRequest),
    /// Show no more lines of an author, to groups or in private: as in `Name`, whose key it is.
    IgnoreAuthor(String),
    /// Show them again.
    HeedAuthor(String),
    /// Save and stop.
    Quit,
}

/// What a typed line asks for; nothing, if it is blank.
///
/// # Errors
/// One sentence for the user.
pub fn parse(line: &str) -> Result<Option<Request>, String> {
    let line = line.trim();
    if line.is_empty() {
        return Ok(None);
    }
    // A second slash takes the meaning from the first.
    let is_said = !line.starts_with('/') || line.starts_with("//");
    if is_said {
        let text = line.strip_prefix("//").map_or(line.to_owned(), |rest| format!("/{rest}"));
        return Ok(Some(Request::Say { group: MAIN_GROUP.to_owned(), text }));
    }
    let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    match SPECS.iter().chain(FOR_PROGRAMS).find(|spec| spec.name == name) {
        Some(spec) => {
            let missing = if rest.trim().is_empty() { spec.question() } else { None };
            let request = missing.map_or_else(|| (spec.parse)(rest.trim()), Err);
            request.map(Some).map_err(|why| format!("{name}: {why}"))
        }
        None => Err(format!("there is no command {}; /help lists them", mistake(name))),
    }
}

/// The same where `KEY/NAME` would do as well.
///
/// # Errors
/// One sentence for the user.
pub fn wanted_id(text: &str) -> Result<ContentId, String> {
    content_id(text).map_err(|why| match text.len() {
        1..=NAME_MAX_CHARS => format!("{why}; if that is somebody, say which file: {}/NAME", mistake(text)),
        _ => why,
    })
}

/// What was typed wrong, fit to be shown.
fn mistake(text: &str) -> String {
    printable(text, MISTAKE_SHOWN_CHARS)
}

/// The id of a content, as a person may write it.
///
/// # Errors
/// One sentence for the user.
pub fn content_id(text: &str) -> Result<ContentId, String> {
    ContentId::from_user(text).ok_or_else(|| {
        let digits = text.rsplit('/').next().unwrap_or(text);
        let count = digits.len();
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        match (is_hex, count.cmp(&ID_DIGITS)) {
            (true, Ordering::Greater) => format!("{count} hex digits are too many, {ID_DIGITS} make an id"),
            (true, Ordering::Less) if count >= ID_DIGITS / 2 => {
                format!("{count} hex digits are too few, {ID_DIGITS} make an id")
            }
            _ => format!("'{}' is not an id: 64 hex digits (SHA-256), or blake3/ and 64 hex digits", mistake(text)),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn every_command_is_understood() {
        let peer = address("192.0.2.1:7000");
        let said = |text: &str| Request::Say { group: MAIN_GROUP.to_owned(), text: text.to_owned() };
        let (id, patience) = (ContentId::Sha256([0xab; 32]), Duration::from_secs(7));
        for (line, request) in [
            ("/help", Request::Help),
            (" /peers ", Request::Peers),
            ("/files", Request::Files),
            ("/status", Request::Status),
            ("/fetching", Request::Fetching),
            ("/look", Request::Look),
            (&format!("/get {}", "AB".repeat(32)), Request::Get { id, patience: GET_PATIENCE, waiter: None }),
            (&format!("/get {}  7 ", "ab".repeat(32)), Request::Get { id, patience, waiter: None }),
            (&format!("/get {} 7 99", "ab".repeat(32)), Request::Get { id, patience, waiter: Some(99) }),
            (&format!("/drop {}", "ab".repeat(32)), Request::Drop { id, waiter: None }),
            (&format!("/drop {} 99", "ab".repeat(32)), Request::Drop { id, waiter: Some(99) }),
            (
                &format!("/unget blake3/{}", "ab".repeat(32)),
                Request::Unget { id: ContentId::Blake3([0xab; 32]), waiter: None },
            ),
            ("/quit", Request::Quit),
            ("/add 192.0.2.1:7000", Request::Add(peer)),
            ("/ping\t192.0.2.1:7000", Request::Ping(peer)),
            ("/msg 192.0.2.1:7000  hello  there ", Request::Message(peer, "hello  there".to_owned())),
            ("/msg alice  hello  there ", Request::Write { to: "alice".to_owned(), text: "hello  there".to_owned() }),
            ("/sent", Request::Sent),
            ("/name", Request::People),
            ("/name 0xab alice", Request::NamePerson { key: "0xab".to_owned(), name: "alice".to_owned() }),
            ("/unname alice", Request::UnnamePerson("alice".to_owned())),
            ("/ignore 192.0.2.1", Request::Ignore(peer.ip())),
            ("/heed 192.0.2.1:7000", Request::Heed(peer.ip())),
            ("hello /there", said("hello /there")),
            ("//help is a command", said("/help is a command")),
            ("///", said("//")),
            ("/say main  hello ", said("hello")),
            ("/listen", Request::Listen(String::new())),
            ("/listen  #main ", Request::Listen("#main".to_owned())),
        ] {
            assert_eq!(parse(line), Ok(Some(request)), "{line}");
        }
        assert_eq!(parse(" \t"), Ok(None));
    }

    #[test]
    fn a_mistake_is_one_line_that_names_it() {
        for (line, part) in [
            ("/nonsense", "/nonsense"),
            ("/peers now", "'now'"),
            ("/add", "which address, like /add 192.0.2.1:24254"),
            ("/ping ", "which address, like /ping 192.0.2.1:24254"),
            ("/ignore", "which IP address or whose key, like /ignore 192.0.2.1"),
            ("/heed", "which IP address or whose key, like /heed 192.0.2.1"),
            ("/get", "which content, like /get ID"),
            ("/unget", "which content, like /unget ID"),
            ("/add example.org", "'example.org'"),
            ("/add example.org:7", "'cjp2p-node add'"),
            ("/msg", "/msg 192.0.2.1:24254 hello"),
            ("/msg 192.0.2.1", "say what to whom"),
            ("/say main", "say what in which group, like /say main hello"),
            ("/say # hello", "'#' is no name of a group"),
            ("/msg 192.0.2 hello", "'192.0.2'"),
            ("/msg ::1: hello", "'::1:'"),
            ("/name alice", "/name KEY alice"),
            ("/name alice bob carol", "'carol'"),
            ("/unname", "whose, like /unname alice"),
            ("/unname alice bob", "'bob'"),
            ("/sent now", "'now'"),
            ("/get notes.txt", "'notes.txt'"),
            ("/get alice", "if that is somebody, say which file: alice/NAME"),
            (&format!("/get {}c", "ab".repeat(32)), "65 hex digits are too many, 64 make an id"),
            (&format!("/get {}", "ab".repeat(31)), "62 hex digits are too few, 64 make an id"),
            (&format!("/get blake3/{}", "ab".repeat(31)), "62 hex digits are too few, 64 make an id"),
            (&format!("/get {} 0", "ab".repeat(32)), "'0' is no number of seconds from 1 to 604800"),
            (&format!("/get {} soon", "ab".repeat(32)), "'soon'"),
            (&format!("/get {} 7 away", "ab".repeat(32)), "'away'"),
            (&format!("/get {} 7 99 away", "ab".repeat(32)), "'away'"),
            (&format!("/drop {} away", "ab".repeat(32)), "'away'"),
            ("/ignore 1.2.3", "'1.2.3'"),
            ("/ignore all of them", "'of them'"),
            ("/", "/help"),
        ] {
            let why = parse(line).unwrap_err();
            assert!(why.contains(part) && !why.contains('\n'), "{line}: {why}");
        }
    }

    #[test]
    fn hosts_and_authors_are_told_apart_and_either_can_be_ignored() {
        let ip = "2001:db8::1".parse().unwrap();
        assert_eq!(parse("/ignore 2001:db8::1"), Ok(Some(Request::Ignore(ip))));
        assert_eq!(parse("/heed 2001:db8::1"), Ok(Some(Request::Heed(ip))));
        let key = "ab".repeat(32);
        assert_eq!(parse(&format!("/ignore {key}")), Ok(Some(Request::IgnoreAuthor(key))));
        assert_eq!(parse("/heed alice"), Ok(Some(Request::HeedAuthor("alice".to_owned()))));
    }
}
