//! The one table of commands and options: it drives parsing, the check of what goes with what, and the help. What an
//! entry can do is in `spec`.

use super::Arguments;
use super::values::{bind, count, path, peer, place, port, rate, size, text_of, timeout, wait};
use std::ffi::OsStr;

/// What can be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Command {
    /// Run the node; what is done if no command is named.
    #[default]
    Run,
    Get,
    Stream,
    Follow,
    Share,
    Publish,
    Published,
    Ls,
    Send,
    Ping,
    Id,
    Status,
    Peers,
    Chat,
    Add,
    Msg,
    Sent,
    Stop,
    Help,
}

use Command::{
    Add, Chat, Follow, Get, Help, Id, Ls, Msg, Peers, Ping, Publish, Published, Run, Send, Sent, Share, Status, Stop,
    Stream,
};

pub(super) struct CommandSpec {
    pub(super) command: Command,
    pub(super) name: &'static str,
    pub(super) arguments: &'static [&'static str],
    pub(super) help: &'static str,
}

pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec { command: Run, name: "", arguments: &[], help: "run a node until Ctrl-C" },
    CommandSpec {
        command: Get,
        name: "get",
        arguments: &["WHAT"],
        help: "fetch a content by ID or KEY/NAME, and check it",
    },
    CommandSpec {
        command: Stream,
        name: "stream",
        arguments: &["NAME"],
        help: "sign what comes in, live, for whoever follows",
    },
    CommandSpec { command: Follow, name: "follow", arguments: &["KEY/NAME"], help: "print a stream while it grows" },
    CommandSpec {
        command: Share,
        name: "share",
        arguments: &["[PATH...]"],
        help: "share files, and those in folders; say their ids",
    },
    CommandSpec {
        command: Publish,
        name: "publish",
        arguments: &["[FILE]"],
        help: "share a file under a name that can be updated; say its KEY/NAME",
    },
    CommandSpec {
        command: Published,
        name: "published",
        arguments: &[],
        help: "list the names that are published and kept up to date",
    },
    CommandSpec { command: Ls, name: "ls", arguments: &[], help: "list what is shared here, or by --peers" },
    CommandSpec {
        command: Send,
        name: "send",
        arguments: &["ADDR", "JSON"],
        help: "send an array of messages and print the answers",
    },
    CommandSpec { command: Ping, name: "ping", arguments: &["ADDR"], help: "measure round trips to a node" },
    CommandSpec { command: Id, name: "id", arguments: &[], help: "say by which key this node is known" },
    CommandSpec { command: Status, name: "status", arguments: &[], help: "say how the running node is doing" },
    CommandSpec { command: Peers, name: "peers", arguments: &[], help: "list the verified peers of the running node" },
    CommandSpec {
        command: Chat,
        name: "chat",
        arguments: &["[WHOM]"],
        help: "talk beside the running node, to everybody or to one",
    },
    CommandSpec {
        command: Add,
        name: "add",
        arguments: &["ADDR"],
        help: "let the running node make contact with a node",
    },
    CommandSpec {
        command: Msg,
        name: "msg",
        arguments: &["KEY", "TEXT"],
        help: "write to somebody in private; wait until it was seen",
    },
    CommandSpec {
        command: Sent,
        name: "sent",
        arguments: &[],
        help: "list private messages since the node started; what became of them",
    },
    CommandSpec { command: Stop, name: "stop", arguments: &[], help: "let the running node save and stop" },
    CommandSpec {
        command: Help,
        name: "help",
        arguments: &["[COMMAND]"],
        help: "say what a command does, like --help",
    },
];

/// How an option is written down in [`Arguments`].
pub(super) enum Set {
    Flag(fn(&mut Arguments)),
    Value(&'static str, fn(&mut Arguments, &OsStr) -> Result<(), String>),
}

pub(super) struct OptionSpec {
    pub(super) long: &'static str,
    pub(super) short: Option<&'static str>,
    pub(super) set: Set,
    pub(super) is_repeatable: bool,
    pub(super) commands: &'static [Command],
    pub(super) help: &'static str,
}

const ALL: &[Command] = &[
    Run, Get, Stream, Follow, Share, Publish, Published, Ls, Send, Ping, Id, Status, Peers, Chat, Add, Msg, Sent, Stop,
    Help,
];
const WITH_JSON: &[Command] = &[Get, Share, Publish, Published, Ls, Send, Ping, Id, Status, Peers, Msg, Sent];
const WITH_SOCKET: &[Command] = &[Run, Get, Stream, Follow, Send, Ping];
const WITH_NODE: &[Command] = &[Run, Get, Stream, Follow];
const WITH_DATA: &[Command] =
    &[Run, Get, Stream, Follow, Share, Publish, Published, Ls, Id, Status, Peers, Chat, Add, Msg, Sent, Stop];

pub(super) const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        long: "--port",
        short: None,
        set: Set::Value("PORT", |to, text| port(text).map(|port| to.port = Some(port))),
        is_repeatable: false,
        commands: WITH_SOCKET,
        help: "the UDP port: from 1024 on, or 0 for any (default: node 24254, else 0)",
    },
    OptionSpec {
        long: "--bind",
        short: None,
        set: Set::Value("IP", |to, text| bind(text).map(|ip| to.bind = Some(ip))),
        is_repeatable: false,
        commands: WITH_SOCKET,
        help: "the local IP address, IPv4 or IPv6 (default: all of them)",
    },
    OptionSpec {
        long: "--peer",
        short: None,
        set: Set::Value("ADDR", |to, text| peer(text).map(|peer| to.peers.push(peer))),
        is_repeatable: true,
        commands: WITH_NODE,
        help: "a node to make contact with; may be repeated",
    },
    OptionSpec {
        long: "--no-bootstrap",
        short: None,
        set: Set::Flag(|to| to.no_bootstrap = true),
        is_repeatable: false,
        commands: WITH_NODE,
        help: "do not contact the well-known nodes",
    },
    OptionSpec {
        long: "--no-lan",
        short: None,
        set: Set::Flag(|to| to.no_lan = true),
        is_repeatable: false,
        commands: WITH_NODE,
        help: "do not look for neighbours on the local network",
    },
    OptionSpec {
        long: "--data-dir",
        short: None,
        set: Set::Value("DIR", |to, text| path(text).map(|path| to.data_dir = Some(path))),
        is_repeatable: false,
        commands: WITH_DATA,
        help: "where the node keeps its data",
    },
    OptionSpec {
        long: "--store-limit",
        short: None,
        set: Set::Value("SIZE", |to, text| size(text).map(|size| to.store_limit = Some(size))),
        is_repeatable: false,
        commands: &[Run],
        help: "how much of what was fetched is kept, like 500M or 20G (default: all)",
    },
    OptionSpec {
        long: "--upload-limit",
        short: None,
        set: Set::Value("RATE", |to, text| rate(text).map(|rate| to.upload_limit = Some(rate))),
        is_repeatable: false,
        commands: WITH_NODE,
        help: "how much content is sent, in bytes a second, like 500k or 2M (default: all)",
    },
    OptionSpec {
        long: "--download-limit",
        short: None,
        set: Set::Value("RATE", |to, text| rate(text).map(|rate| to.download_limit = Some(rate))),
        is_repeatable: false,
        commands: &[Run, Get],
        help: "how much content is asked for, in bytes a second, like 500k (default: all)",
    },
    OptionSpec {
        long: "--output",
        short: Some("-o"),
        set: Set::Value("PATH", |to, text| path(text).map(|path| to.output = Some(path))),
        is_repeatable: false,
        commands: &[Get],
        help: "the file to write, - for standard output (default: the id or the name)",
    },
    OptionSpec {
        long: "--force",
        short: Some("-f"),
        set: Set::Flag(|to| to.force = true),
        is_repeatable: false,
        commands: &[Get],
        help: "replace the file if there is one",
    },
    OptionSpec {
        long: "--timeout",
        short: None,
        set: Set::Value("SECONDS", |to, text| timeout(text).map(|timeout| to.timeout = Some(timeout))),
        is_repeatable: false,
        commands: &[Get, Follow],
        help: "give up after so long without progress (default: 20)",
    },
    OptionSpec {
        long: "--from",
        short: None,
        set: Set::Value("PLACE", |to, text| place(text).map(|is_end| to.is_from_end = is_end)),
        is_repeatable: false,
        commands: &[Follow],
        help: "where to begin, start or end (default: start)",
    },
    OptionSpec {
        long: "--list",
        short: None,
        set: Set::Flag(|to| to.list = true),
        is_repeatable: false,
        commands: &[Share],
        help: "list what is shared",
    },
    OptionSpec {
        long: "--peers",
        short: None,
        set: Set::Flag(|to| to.of_peers = true),
        is_repeatable: false,
        commands: &[Ls],
        help: "list what the peers of the running node share and recommend",
    },
    OptionSpec {
        long: "--remove",
        short: None,
        set: Set::Value("WHAT", |to, text| text_of(text).map(|what| to.remove = Some(what))),
        is_repeatable: false,
        commands: &[Share, Publish, Published],
        help: "unshare ID, unpublish NAME, or unfollow KEY/NAME",
    },
    OptionSpec {
        long: "--as",
        short: None,
        set: Set::Value("NAME", |to, text| text_of(text).map(|name| to.name = Some(name))),
        is_repeatable: false,
        commands: &[Publish],
        help: "the name to publish under (default: that of the file)",
    },
    OptionSpec {
        long: "--wait",
        short: None,
        set: Set::Value("SECONDS", |to, text| wait(text).map(|wait| to.wait = Some(wait))),
        is_repeatable: false,
        commands: &[Send, Add, Msg, Ls],
        help: "how long to wait (default: 2, add 5, msg 120, ls 1)",
    },
    OptionSpec {
        long: "--count",
        short: None,
        set: Set::Value("N", |to, text| count(text).map(|count| to.count = Some(count))),
        is_repeatable: false,
        commands: &[Ping],
        help: "how many probes to send (default: until Ctrl-C)",
    },
    OptionSpec {
        long: "--qr",
        short: None,
        set: Set::Flag(|to| to.qr = true),
        is_repeatable: false,
        commands: &[Id],
        help: "draw it as a QR code",
    },
    OptionSpec {
        long: "--json",
        short: None,
        set: Set::Flag(|to| to.json = true),
        is_repeatable: false,
        commands: WITH_JSON,
        help: "print JSON, for scripts",
    },
    OptionSpec {
        long: "--verbose",
        short: Some("-v"),
        set: Set::Flag(|to| to.verbosity += 1),
        is_repeatable: true,
        commands: &[Run],
        help: "let the node log more; -vv also what was dropped, and why",
    },
    OptionSpec {
        long: "--quiet",
        short: Some("-q"),
        set: Set::Flag(|to| to.verbosity -= 1),
        is_repeatable: true,
        commands: &[Run, Get, Stream, Follow, Share, Publish, Ls],
        help: "show no progress and no hints, log less; -qq only errors, -qqq no log",
    },
    OptionSpec {
        long: "--help",
        short: Some("-h"),
        set: Set::Flag(|to| to.help = true),
        is_repeatable: true,
        commands: ALL,
        help: "this text; after a command, what goes with it",
    },
    OptionSpec {
        long: "--version",
        short: Some("-V"),
        set: Set::Flag(|to| to.version = true),
        is_repeatable: true,
        commands: ALL,
        help: "the version",
    },
];
