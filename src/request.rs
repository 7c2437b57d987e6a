//! What a user asks of the running node: one parser and one table for the console and the control socket.
//!
//! Every limit on what may be asked is here; carrying it out is the event loop's part. This module touches no node.
//!
//! A process that waits for a content, as `get` does, puts its number at the end: `/get ID SECONDS PID` when it begins,
//! `/unget ID PID` when it gives up, and `/drop ID PID` when it has it. So one of several never stops the others, and
//! the last one leaves nothing behind. The commands `stream` and `follow` say what they want in JSON: see `streams`.

mod answer;
mod reply;
mod streams;
mod titles;
mod topic;

pub use answer::{
    Answer, FetchLine, FetchState, FileLine, KeptFile, ListedLine, Listening, MessageLine, MessageState, PeerLine,
    PersonLine, Status,
};
pub use reply::{NodeStatus, PeerHeard, Reply};
pub use streams::{STREAM_BYTES_MAX, STREAM_READ_MAX_BYTES, StreamAnswer, StreamRequest, StreamState};
pub use titles::{TitleLine, TypedTitle, is_title, typed_title};
pub use topic::{MAIN_GROUP, Topic, group_name};

use crate::content::ContentId;
use crate::terminal::printable;
use crate::wire::PORT;
use std::cmp::Ordering;
use std::fmt::Write;
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

/// The longest part of a host's name between dots (RFC 1035, section 2.3.4).
const LABEL_MAX_BYTES: usize = 63;

/// The longest name of a host: 255 bytes in the form that travels, two of which are no text (RFC 1035, section 2.3.4).
const NAME_MAX_BYTES: usize = 253;

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
    /// Show no more lines to groups of an author: as in `Name`, whose key it is.
    IgnoreAuthor(String),
    /// Show them again.
    HeedAuthor(String),
    /// Save and stop.
    Quit,
}

/// The command by which a program hears what is said.
pub const LISTEN: &str = "/listen";

/// A command that can be typed.
struct Spec {
    name: &'static str,
    arguments: &'static str,
    help: &'static str,
    parse: fn(&str) -> Result<Request, String>,
}

impl Spec {
    /// What to ask the user who left out the only argument.
    fn question(&self) -> Option<String> {
        let (what, example) = match self.arguments {
            "ADDR" => ("which address", format!("192.0.2.1:{PORT}")),
            "IP/KEY" => ("which IP address or whose key", "192.0.2.1".to_owned()),
            "KEY" => ("whose", "alice".to_owned()),
            "ID" => ("which content", "ID: 64 hex digits (SHA-256), or blake3/ and 64 hex digits".to_owned()),
            "WHAT" => ("which content", "ID, or KEY/NAME, or alice/NAME".to_owned()),
            _ => return None,
        };
        Some(format!("{what}, like {} {example}", self.name))
    }
}

/// All that people type, in the order of `/help`.
const SPECS: &[Spec] = &[
    Spec { name: "/peers", arguments: "", help: "who is there", parse: |rest| none(rest, Request::Peers) },
    Spec {
        name: "/add",
        arguments: "ADDR",
        help: "make contact with an address",
        parse: |rest| typed_address(rest).map(Request::Add),
    },
    Spec { name: "/say", arguments: "GROUP TEXT", help: "say something in a group", parse: say },
    Spec {
        name: "/msg",
        arguments: "KEY TEXT",
        help: "say something in private, or to an ADDR in the open",
        parse: message,
    },
    Spec {
        name: "/sent",
        arguments: "",
        help: "what was written in private, and what became of it",
        parse: |rest| none(rest, Request::Sent),
    },
    Spec { name: "/name", arguments: "KEY NAME", help: "call a key so; alone, list the names", parse: name },
    Spec {
        name: "/unname",
        arguments: "KEY",
        help: "take the name of a key away",
        parse: |rest| key(rest).map(Request::UnnamePerson),
    },
    Spec {
        name: "/ping",
        arguments: "ADDR",
        help: "measure the round trip to a peer",
        parse: |rest| typed_address(rest).map(Request::Ping),
    },
    Spec {
        name: "/ignore",
        arguments: "IP/KEY",
        help: "show nothing more from an IP address (of IPv6, its /64), or of an author in groups",
        parse: |rest| host_or_author(rest, Request::Ignore, Request::IgnoreAuthor),
    },
    Spec {
        name: "/heed",
        arguments: "IP/KEY",
        help: "show it again",
        parse: |rest| host_or_author(rest, Request::Heed, Request::HeedAuthor),
    },
    Spec { name: "/files", arguments: "", help: "what is shared", parse: |rest| none(rest, Request::Files) },
    Spec {
        name: "/listed",
        arguments: "",
        help: "what others share and recommend; they are asked anew",
        parse: |rest| none(rest, Request::Listed),
    },
    Spec {
        name: "/get",
        arguments: "WHAT",
        help: "fetch a content by its ID, or KEY/NAME, which is kept up to date",
        parse: get,
    },
    Spec {
        name: "/unget",
        arguments: "WHAT",
        help: "stop fetching it, or keeping it up to date; what is there stays",
        parse: |rest| match is_title(rest) {
            true => typed_title(rest).map(Request::Unfollow),
            false => id_and_waiter(rest).map(|(id, waiter)| Request::Unget { id, waiter }),
        },
    },
    Spec {
        name: "/seek",
        arguments: "S KEY/NAME",
        help: "the same as /get, looking for it for S seconds",
        parse: seek,
    },
    Spec {
        name: "/published",
        arguments: "",
        help: "which names are published and kept up to date",
        parse: |rest| {
            if rest.is_empty() {
                Ok(Request::Titles(None))
            } else {
                typed_title(rest).map(|it| Request::Titles(Some(it)))
            }
        },
    },
    Spec {
        name: "/drop",
        arguments: "ID",
        help: "throw away what is there of it, if it is not being fetched",
        parse: |rest| id_and_waiter(rest).map(|(id, waiter)| Request::Drop { id, waiter }),
    },
    Spec {
        name: "/fetching",
        arguments: "",
        help: "what is being fetched, and what became of it",
        parse: |rest| none(rest, Request::Fetching),
    },
    Spec { name: "/look", arguments: "", help: "look for new files at once", parse: |rest| none(rest, Request::Look) },
    Spec { name: "/status", arguments: "", help: "how the node is doing", parse: |rest| none(rest, Request::Status) },
    Spec { name: "/help", arguments: "", help: "this list", parse: |rest| none(rest, Request::Help) },
    Spec { name: "/quit", arguments: "", help: "save and stop", parse: |rest| none(rest, Request::Quit) },
];

/// What `chat`, `stream` and `follow` say, and nobody types.
const FOR_PROGRAMS: &[Spec] = &[
    Spec {
        name: LISTEN,
        arguments: "[WHOM]",
        help: "what is said, lately and from now on",
        parse: |rest| Ok(Request::Listen(rest.to_owned())),
    },
    Spec { name: "/stream", arguments: "JSON", help: "what is to be done about a stream", parse: streams::parse },
];

/// What `/help` says.
pub fn help() -> String {
    let mut text = String::new();
    for spec in SPECS {
        let usage = format!("{} {}", spec.name, spec.arguments);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {usage:16}  {}", spec.help);
    }
    text.push_str("  anything else     is said to everybody in the group main; //x is said as /x\nTimes are in UTC.");
    text
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

fn none(rest: &str, request: Request) -> Result<Request, String> {
    if rest.is_empty() { Ok(request) } else { Err(format!("takes nothing, so what is '{}'?", mistake(rest))) }
}

/// What was typed wrong, fit to be shown.
fn mistake(text: &str) -> String {
    printable(text, MISTAKE_SHOWN_CHARS)
}

/// An id, and perhaps after how many seconds to give up, and the process that waits.
fn get(rest: &str) -> Result<Request, String> {
    if is_title(rest) {
        return typed_title(rest).map(|title| Request::Seek { title, patience: GET_PATIENCE });
    }
    let mut words = rest.split_whitespace();
    let id = content_id(words.next().unwrap_or_default())?;
    let patience = match words.next() {
        None => GET_PATIENCE,
        Some(seconds) => patience(seconds)?,
    };
    Ok(Request::Get { id, patience, waiter: waiter(words)? })
}

/// After how many seconds to give up.
fn patience(seconds: &str) -> Result<Duration, String> {
    let number = seconds.parse().ok().filter(|seconds| (1..=GET_PATIENCE_MAX_SECONDS).contains(seconds));
    number.map(Duration::from_secs).ok_or_else(|| {
        let seconds = mistake(seconds);
        format!("'{seconds}' is no number of seconds from 1 to {GET_PATIENCE_MAX_SECONDS} after which to give up")
    })
}

/// After how many seconds to give up, and a name, which may have spaces.
fn seek(rest: &str) -> Result<Request, String> {
    let (seconds, name) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    Ok(Request::Seek { patience: patience(seconds)?, title: typed_title(name.trim_start())? })
}

/// An id, and perhaps the process that waits.
fn id_and_waiter(rest: &str) -> Result<(ContentId, Option<u32>), String> {
    let mut words = rest.split_whitespace();
    let id = content_id(words.next().unwrap_or_default())?;
    Ok((id, waiter(words)?))
}

/// The number of a process, and nothing behind it.
fn waiter<'a>(mut words: impl Iterator<Item = &'a str>) -> Result<Option<u32>, String> {
    let waiter = words.next().map(|word| word.parse().map_err(|_| word)).transpose();
    match (waiter, words.next()) {
        (Ok(waiter), None) => Ok(waiter),
        (Err(word), _) | (Ok(_), Some(word)) => Err(format!("what is '{}'?", mistake(word))),
    }
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

fn message(rest: &str) -> Result<Request, String> {
    let (to, text) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let text = text.trim();
    if text.is_empty() {
        return Err(format!("say what to whom, like /msg alice hello, or /msg 192.0.2.1:{PORT} hello"));
    }
    let text = text.to_owned();
    match peer_address(to) {
        Ok(address) => Ok(Request::Message(address, text)),
        // Neither a key nor a name has a colon in it, nor only digits and dots, unless it is a key.
        Err(why) if to.contains([':', '[']) || to.contains('.') && to.bytes().all(is_of_ip) => Err(why),
        Err(_) => Ok(Request::Write { to: to.to_owned(), text }),
    }
}

/// Whether an IPv4 address may have this.
fn is_of_ip(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'.'
}

/// A key and what to call it; neither to see all names.
fn name(rest: &str) -> Result<Request, String> {
    let mut words = rest.split_whitespace();
    match (words.next(), words.next(), words.next()) {
        (None, ..) => Ok(Request::People),
        (Some(key), Some(name), None) => Ok(Request::NamePerson { key: key.to_owned(), name: name.to_owned() }),
        (Some(_), None, _) => Err("call whom what, like /name KEY alice".to_owned()),
        (Some(_), Some(_), Some(word)) => Err(format!("a name is one word, so what is '{}'?", mistake(word))),
    }
}

/// One word that stands for a key; whose it is, the address book knows.
fn key(rest: &str) -> Result<String, String> {
    match rest.split_once(char::is_whitespace) {
        None => Ok(rest.to_owned()),
        Some((_, more)) => Err(format!("takes one key, so what is '{}'?", mistake(more))),
    }
}

fn say(rest: &str) -> Result<Request, String> {
    let (group, text) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let text = text.trim();
    if text.is_empty() {
        return Err(format!("say what in which group, like /say {MAIN_GROUP} hello"));
    }
    Ok(Request::Say { group: group_name(group)?, text: text.to_owned() })
}

/// An address that was typed into the running node, which looks up no names: it would have to wait for them.
fn typed_address(text: &str) -> Result<SocketAddr, String> {
    peer_address(text).map_err(|why| match host_name(text) {
        Some(_) => format!("{why}; names of hosts are understood by 'cjp2p-node add', and not here"),
        None => why,
    })
}

/// The address of a peer: `ip:port`, `[ipv6]:port`, or an IP address alone, with the conventional port.
///
/// # Errors
/// One sentence for the user.
pub fn peer_address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let ip = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    ip.parse()
        .map(|ip: IpAddr| SocketAddr::new(ip, PORT))
        .map_err(|_| format!("'{}' is not an address like 192.0.2.1:{PORT} or [2001:db8::1]:{PORT}", mistake(text)))
}

/// The name of a host and its port, in `name` or `name:port`; nothing, if it is no name (RFC 1123, section 2.1): labels
/// of letters, digits and hyphens, of which the last is no number.
pub fn host_name(text: &str) -> Option<(&str, u16)> {
    let (name, port) = match text.split_once(':') {
        Some((name, port)) => (name, port.parse().ok()?),
        None => (text, PORT),
    };
    let is_label = |label: &str| {
        (1..=LABEL_MAX_BYTES).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    let is_name = name.len() <= NAME_MAX_BYTES
        && name.split('.').all(is_label)
        && name.rsplit('.').next().is_some_and(|last| !is_number(last));
    is_name.then_some((name, port))
}

/// An IP address, or one word that stands for a key.
fn host_or_author(rest: &str, host: fn(IpAddr) -> Request, author: fn(String) -> Request) -> Result<Request, String> {
    // Names have no dots and no colons, and keys neither.
    if rest.contains(['.', ':']) { ip_address(rest).map(host) } else { key(rest).map(author) }
}

fn ip_address(text: &str) -> Result<IpAddr, String> {
    let alone = || text.parse().ok();
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    alone().or_else(with_port).ok_or_else(|| format!("'{}' is not an IP address like 192.0.2.1", mistake(text)))
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

    #[test]
    fn the_port_of_an_address_may_be_left_out() {
        assert_eq!(peer_address("192.0.2.1"), Ok(address("192.0.2.1:24254")));
        assert_eq!(peer_address("2001:db8::1"), Ok(address("[2001:db8::1]:24254")));
        assert_eq!(peer_address("[2001:db8::1]"), Ok(address("[2001:db8::1]:24254")));
        assert_eq!(peer_address("[2001:db8::1]:5"), Ok(address("[2001:db8::1]:5")));
        for wrong in ["", "1.2.3.4:", "1.2.3.4:65536", "1.2.3", "[::1", ":1"] {
            assert!(peer_address(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_of_hosts_are_told_from_addresses_and_from_nonsense() {
        for (text, found) in [
            ("localhost", Some(("localhost", PORT))),
            ("node-1.example.org:7000", Some(("node-1.example.org", 7_000))),
            ("3com.example", Some(("3com.example", PORT))),
        ] {
            assert_eq!(host_name(text), found, "{text}");
        }
        let (label, name) = ("x".repeat(64), "x.".repeat(126) + "xx");
        for wrong in
            ["", ".", "a..b", "1.2.3", "1.2.3.4:5", "7", "a b", "a:b", "a:", "a:65536", "::1", "ü", &label, &name]
        {
            assert_eq!(host_name(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn help_names_every_command_for_people_and_none_for_programs() {
        assert!(SPECS.iter().all(|spec| help().contains(spec.name)));
        for spec in FOR_PROGRAMS {
            assert!(!help().contains(spec.name));
            assert!(!parse(spec.name).is_err_and(|why| why.contains("there is no command")), "{}", spec.help);
        }
    }
}
