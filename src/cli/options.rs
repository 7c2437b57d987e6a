//! The one table of commands and options: it drives parsing, the check of what goes with what, and the help.
//!
//! An option means the same wherever it is allowed, and may stand anywhere. Nothing that is typed is ignored: what is
//! not in the table is a mistake, and the sentence about it names it.

use super::Failure;
use cjp2p_node::request::peer_address;
use cjp2p_node::terminal::printable;
use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

/// How much of a mistake is shown, in characters.
const MISTAKE_SHOWN_CHARS: usize = 60;

/// The longest `--wait`, in seconds: a day, far from where arithmetic with times becomes interesting.
const WAIT_MAX_SECONDS: f64 = 86_400.0;

/// What can be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Command {
    /// Run the node; what is done if no command is named.
    #[default]
    Run,
    Send,
    Ping,
    Status,
    Peers,
    Add,
    Stop,
}

use Command::{Add, Peers, Ping, Run, Send, Status, Stop};

struct CommandSpec {
    command: Command,
    name: &'static str,
    arguments: &'static [&'static str],
    help: &'static str,
}

const COMMANDS: &[CommandSpec] = &[
    CommandSpec { command: Run, name: "", arguments: &[], help: "run a node" },
    CommandSpec {
        command: Send,
        name: "send",
        arguments: &["ADDR", "JSON"],
        help: "send an array of messages and print the answers",
    },
    CommandSpec { command: Ping, name: "ping", arguments: &["ADDR"], help: "measure round trips to a node" },
    CommandSpec { command: Status, name: "status", arguments: &[], help: "how the running node is doing" },
    CommandSpec { command: Peers, name: "peers", arguments: &[], help: "whom the running node knows" },
    CommandSpec {
        command: Add,
        name: "add",
        arguments: &["ADDR"],
        help: "let the running node make contact with an address",
    },
    CommandSpec { command: Stop, name: "stop", arguments: &[], help: "let the running node save and stop" },
];

/// How an option is written down in [`Arguments`].
enum Set {
    Flag(fn(&mut Arguments)),
    Value(&'static str, fn(&mut Arguments, &OsStr) -> Result<(), String>),
}

struct OptionSpec {
    long: &'static str,
    short: Option<&'static str>,
    set: Set,
    is_repeatable: bool,
    commands: &'static [Command],
    help: &'static str,
}

const ALL: &[Command] = &[Run, Send, Ping, Status, Peers, Add, Stop];
const WITH_SOCKET: &[Command] = &[Run, Send, Ping];
const WITH_DATA: &[Command] = &[Run, Status, Peers, Add, Stop];
const WITH_JSON: &[Command] = &[Send, Ping, Status, Peers];

const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        long: "--port",
        short: None,
        set: Set::Value("PORT", |to, text| parse(text, "a port number").map(|port| to.port = Some(port))),
        is_repeatable: false,
        commands: WITH_SOCKET,
        help: "the local UDP port; 0 takes a free one (node: 24254, otherwise: 0)",
    },
    OptionSpec {
        long: "--bind",
        short: None,
        set: Set::Value("IP", |to, text| bind(text).map(|ip| to.bind = Some(ip))),
        is_repeatable: false,
        commands: WITH_SOCKET,
        help: "the local IP address (all of them, IPv6 and IPv4)",
    },
    OptionSpec {
        long: "--peer",
        short: None,
        set: Set::Value("ADDR", |to, text| peer_address(&shown(text)).map(|peer| to.peers.push(peer))),
        is_repeatable: true,
        commands: &[Run],
        help: "a node to make contact with; may be repeated",
    },
    OptionSpec {
        long: "--no-bootstrap",
        short: None,
        set: Set::Flag(|to| to.no_bootstrap = true),
        is_repeatable: false,
        commands: &[Run],
        help: "do not contact the well-known nodes",
    },
    OptionSpec {
        long: "--no-lan",
        short: None,
        set: Set::Flag(|to| to.no_lan = true),
        is_repeatable: false,
        commands: &[Run],
        help: "do not look for neighbours on the local network",
    },
    OptionSpec {
        long: "--data-dir",
        short: None,
        set: Set::Value("DIR", |to, text| data_dir(text).map(|path| to.data_dir = Some(path))),
        is_repeatable: false,
        commands: WITH_DATA,
        help: "where the node keeps its data (by the platform's convention)",
    },
    OptionSpec {
        long: "--wait",
        short: None,
        set: Set::Value("SECONDS", |to, text| wait(text).map(|wait| to.wait = Some(wait))),
        is_repeatable: false,
        commands: &[Send],
        help: "how long to wait for answers (2)",
    },
    OptionSpec {
        long: "--count",
        short: None,
        set: Set::Value("N", |to, text| count(text).map(|count| to.count = Some(count))),
        is_repeatable: false,
        commands: &[Ping],
        help: "how many probes to send (until Ctrl-C)",
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
        commands: ALL,
        help: "log more; -vv logs most",
    },
    OptionSpec {
        long: "--quiet",
        short: Some("-q"),
        set: Set::Flag(|to| to.verbosity -= 1),
        is_repeatable: true,
        commands: ALL,
        help: "log and say less; -qq only errors, -qqq nothing",
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

/// What the command line says.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    pub(crate) command: Command,
    /// What the command is to be done with.
    pub(crate) words: Vec<String>,
    pub(crate) port: Option<u16>,
    pub(crate) bind: Option<IpAddr>,
    pub(crate) peers: Vec<SocketAddr>,
    pub(crate) no_bootstrap: bool,
    pub(crate) no_lan: bool,
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) wait: Option<Duration>,
    pub(crate) count: Option<u64>,
    pub(crate) json: bool,
    /// How many `-v` there are, minus how many `-q`.
    pub(crate) verbosity: i32,
    pub(crate) help: bool,
    pub(crate) version: bool,
}

impl Arguments {
    /// What the user typed.
    pub(crate) fn from_command_line() -> Result<Arguments, Failure> {
        Arguments::read(std::env::args_os().skip(1).collect()).map_err(Failure::Mistake)
    }

    fn read(typed: Vec<OsString>) -> Result<Arguments, String> {
        let mut rest = pico_args::Arguments::from_vec(typed.into_iter().flat_map(split).collect());
        let mut arguments = Arguments::default();
        let mut used = Vec::new();
        // Values first, so that none of them is taken for a flag.
        let (values, flags): (Vec<_>, Vec<_>) = OPTIONS.iter().partition(|spec| matches!(spec.set, Set::Value(..)));
        for spec in values.into_iter().chain(flags) {
            let times = spec.read(&mut rest, &mut arguments)?;
            if times > 1 && !spec.is_repeatable {
                return Err(format!("{} is given {times} times; once is enough", spec.long));
            }
            used.extend((times > 0).then_some(spec));
        }
        let command = arguments.take_words(rest.finish())?;
        if arguments.help || arguments.version {
            return Ok(arguments);
        }
        if let Some(spec) = used.iter().find(|spec| !spec.commands.contains(&arguments.command)) {
            return Err(format!("{} does not go with {}", spec.long, command.title()));
        }
        command.check(&arguments.words)?;
        Ok(arguments)
    }

    /// Takes what is left when the options are gone: a command and what it is to be done with.
    fn take_words(&mut self, rest: Vec<OsString>) -> Result<&'static CommandSpec, String> {
        for word in rest {
            let text = word.to_str().ok_or_else(|| format!("'{}' is not valid UTF-8", shown(&word)))?;
            if text.starts_with('-') && text.len() > 1 {
                return Err(format!("there is no option '{}' (see cjp2p-node --help)", shown(&word)));
            }
            self.words.push(text.to_owned());
        }
        if self.words.is_empty() {
            return COMMANDS.first().ok_or_else(String::new);
        }
        let name = self.words.remove(0);
        let spec = COMMANDS.iter().find(|spec| spec.name == name && !name.is_empty());
        let spec = spec.ok_or_else(|| {
            format!("there is no command '{}' (see cjp2p-node --help)", printable(&name, MISTAKE_SHOWN_CHARS))
        })?;
        self.command = spec.command;
        Ok(spec)
    }
}

impl CommandSpec {
    fn title(&self) -> String {
        if self.name.is_empty() { "running a node".to_owned() } else { format!("the command {}", self.name) }
    }

    fn usage(&self) -> String {
        let words: Vec<&str> = ["cjp2p-node", self.name].into_iter().chain(self.arguments.iter().copied()).collect();
        words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    }

    fn check(&self, words: &[String]) -> Result<(), String> {
        if let Some(missing) = self.arguments.get(words.len()) {
            return Err(format!("{missing} is missing: {}", self.usage()));
        }
        match words.get(self.arguments.len()) {
            Some(extra) => Err(format!("'{}' is too much: {}", printable(extra, MISTAKE_SHOWN_CHARS), self.usage())),
            None => Ok(()),
        }
    }
}

impl OptionSpec {
    /// Takes this option out of `rest` as often as it is there, and says how often that was.
    fn read(&self, rest: &mut pico_args::Arguments, to: &mut Arguments) -> Result<usize, String> {
        let mut times = 0;
        match self.set {
            Set::Flag(set) => {
                while rest.contains(self.long) || self.short.is_some_and(|short| rest.contains(short)) {
                    set(to);
                    times += 1;
                }
            }
            Set::Value(name, set) => {
                let take = |rest: &mut pico_args::Arguments| {
                    rest.opt_value_from_os_str(self.long, |value| Ok::<_, String>(value.to_owned()))
                };
                while let Some(value) =
                    take(rest).map_err(|_| format!("{} needs a value: {} {name}", self.long, self.long))?
                {
                    set(to, &value).map_err(|why| format!("{}: {why}", self.long))?;
                    times += 1;
                }
            }
        }
        Ok(times)
    }

    fn usage(&self) -> String {
        let short = self.short.map_or_else(String::new, |short| format!("{short}, "));
        match self.set {
            Set::Flag(_) => format!("{short}{}", self.long),
            Set::Value(name, _) => format!("{short}{} {name}", self.long),
        }
    }
}

/// What `--help` says, in general or about one command.
pub(crate) fn help(command: Command) -> String {
    let mut text = String::new();
    if command == Run {
        text.push_str("A node for LCDP, the Lowest Common Denominator Protocol.\n\n");
        for spec in COMMANDS {
            push(&mut text, &spec.usage(), 28, spec.help);
        }
    } else {
        for spec in COMMANDS.iter().filter(|spec| spec.command == command) {
            push(&mut text, &spec.usage(), 28, spec.help);
        }
    }
    text.push_str("\nOptions:\n");
    for spec in OPTIONS.iter().filter(|spec| command == Run || spec.commands.contains(&command)) {
        push(&mut text, &spec.usage(), 16, &with_commands(spec, command));
    }
    if command == Run {
        text.push_str(
            "\nAn ADDR is like 192.0.2.1:24254 or [2001:db8::1]:24254; without a port it means port 24254.\n",
        );
        text.push_str("RUST_LOG sets the log level too, for instance RUST_LOG=debug.\n");
    }
    text
}

/// The help for an option; in the general list, with the commands that it goes with.
fn with_commands(spec: &OptionSpec, command: Command) -> String {
    if command != Run || spec.commands.contains(&Run) {
        return spec.help.to_owned();
    }
    let names = COMMANDS.iter().filter(|known| spec.commands.contains(&known.command)).map(|known| known.name);
    format!("{}: {}", names.collect::<Vec<_>>().join(", "), spec.help)
}

fn push(text: &mut String, usage: &str, width: usize, help: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "  {usage:width$}  {help}");
}

/// `--port=7` is `--port 7`. Anything else stays whole, in whatever encoding it is.
fn split(word: OsString) -> Vec<OsString> {
    let takes_value =
        |name: &[u8]| OPTIONS.iter().any(|spec| matches!(spec.set, Set::Value(..)) && spec.long.as_bytes() == name);
    let bytes = word.as_bytes();
    match bytes.iter().position(|byte| *byte == b'=') {
        Some(equals) if takes_value(&bytes[..equals]) => {
            [&bytes[..equals], &bytes[equals + 1..]].map(|part| OsStr::from_bytes(part).to_owned()).into()
        }
        _ => vec![word],
    }
}

/// A value that may be shown to the user.
fn shown(text: &OsStr) -> String {
    printable(&text.to_string_lossy(), MISTAKE_SHOWN_CHARS)
}

fn parse<T: std::str::FromStr>(text: &OsStr, what: &str) -> Result<T, String> {
    text.to_str().and_then(|text| text.parse().ok()).ok_or_else(|| format!("'{}' is not {what}", shown(text)))
}

fn bind(text: &OsStr) -> Result<IpAddr, String> {
    if let Ok(address) = parse::<SocketAddr>(text, "") {
        return Err(format!("'{address}' has a port; say --bind {} --port {}", address.ip(), address.port()));
    }
    parse(text, "an IP address like 192.0.2.1 or 2001:db8::1")
}

fn data_dir(text: &OsStr) -> Result<PathBuf, String> {
    if text.is_empty() { Err("the name is empty".to_owned()) } else { Ok(PathBuf::from(text)) }
}

fn wait(text: &OsStr) -> Result<Duration, String> {
    let seconds: f64 = parse(text, "a number of seconds")?;
    if !(seconds > 0.0 && seconds <= WAIT_MAX_SECONDS) {
        return Err(format!("'{}' is not between 0 and {WAIT_MAX_SECONDS} seconds", shown(text)));
    }
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn count(text: &OsStr) -> Result<u64, String> {
    match parse(text, "a number")? {
        0 => Err("at least one probe must be sent".to_owned()),
        count => Ok(count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Arguments, String> {
        Arguments::read(line.split_whitespace().map(OsString::from).collect())
    }

    #[test]
    fn options_may_stand_anywhere_and_in_both_spellings() {
        for line in [
            "--port 7 ping 192.0.2.1 --count=3",
            "ping --count 3 192.0.2.1 --port=7",
            "--count 3 --port 7 ping 192.0.2.1",
        ] {
            let arguments = read(line).unwrap();
            assert_eq!((arguments.command, arguments.port, arguments.count), (Ping, Some(7), Some(3)), "{line}");
            assert_eq!(arguments.words, ["192.0.2.1"]);
        }
    }

    #[test]
    fn verbosity_adds_up() {
        for (line, verbosity) in [("", 0), ("-v", 1), ("-vv", 2), ("-v --verbose -q", 1), ("-qqq", -3)] {
            assert_eq!(read(line).unwrap().verbosity, verbosity, "{line}");
        }
    }

    #[test]
    fn several_peers_are_taken_with_or_without_port() {
        let arguments = read("--peer 192.0.2.1 --peer=[2001:db8::1]:7000").unwrap();
        assert_eq!(arguments.peers, ["192.0.2.1:24254".parse().unwrap(), "[2001:db8::1]:7000".parse().unwrap()]);
    }

    #[test]
    fn every_mistake_is_one_line_that_names_it() {
        for (line, part) in [
            ("--nonsense", "'--nonsense'"),
            ("-x", "'-x'"),
            ("nonsense", "'nonsense'"),
            ("--port", "--port"),
            ("--port 65536", "'65536'"),
            ("--port -1", "'-1'"),
            ("--port 1 --port 2", "--port"),
            ("--bind 192.0.2.1:7", "--bind 192.0.2.1 --port 7"),
            ("--bind [::1]:7", "--bind ::1 --port 7"),
            ("--bind localhost", "'localhost'"),
            ("--peer nobody", "'nobody'"),
            ("--no-lan --no-lan", "--no-lan"),
            ("--no-lan ping 192.0.2.1", "--no-lan"),
            ("--count 1", "--count"),
            ("--wait 1", "--wait"),
            ("--json", "--json"),
            ("ping", "ADDR"),
            ("ping a b", "'b'"),
            ("ping a --count 0", "--count"),
            ("send a", "JSON"),
            ("send a b --wait nan", "'nan'"),
            ("send a b --wait -1", "'-1'"),
            ("send a b --wait 1e300", "'1e300'"),
            ("status now", "'now'"),
            ("add", "ADDR"),
            ("\u{1b}[2J", "[2J"),
        ] {
            let why = read(line).unwrap_err();
            assert!(why.contains(part) && !why.contains(['\n', '\u{1b}']), "{line}: {why}");
        }
    }

    #[test]
    fn help_names_everything_in_the_table() {
        let text = help(Run);
        assert!(COMMANDS.iter().all(|spec| text.contains(&spec.usage())));
        assert!(OPTIONS.iter().all(|spec| text.contains(&spec.usage())));
        assert!(text.lines().all(|line| line.len() <= 100));
        assert!(!help(Ping).contains("--peer") && help(Ping).contains("--count"));
    }
}
