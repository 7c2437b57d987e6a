//! From what was typed to [`Arguments`], by way of the one [`table`] of commands and options.
//!
//! An option means the same wherever it is allowed, and may stand anywhere. Nothing that is typed is ignored: what is
//! not in the table is a mistake, and the sentence about it names it.

mod help;
mod spec;
mod table;
mod values;

pub(crate) use help::help;
pub(crate) use table::Command;

use super::Failure;
use help::NAMED_MAX;
use std::ffi::{OsStr, OsString};
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;
use table::{COMMANDS, CommandSpec, OPTIONS, Set};
use values::shown;

/// What the command line says.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    pub(crate) command: Command,
    /// What the command is to be done with.
    pub(crate) words: Vec<String>,
    pub(crate) port: Option<u16>,
    pub(crate) bind: Option<IpAddr>,
    /// Addresses, or names of hosts that are still to be looked up.
    pub(crate) peers: Vec<String>,
    pub(crate) no_bootstrap: bool,
    pub(crate) no_lan: bool,
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) wait: Option<Duration>,
    pub(crate) count: Option<u64>,
    pub(crate) json: bool,
    /// Whether a key is drawn for a phone.
    pub(crate) qr: bool,
    /// Where a fetched content goes.
    pub(crate) output: Option<PathBuf>,
    pub(crate) force: bool,
    /// How long a content may take without progress.
    pub(crate) timeout: Option<Duration>,
    /// Whether a stream is followed from its end on.
    pub(crate) is_from_end: bool,
    pub(crate) list: bool,
    /// Whether what peers have is meant.
    pub(crate) of_peers: bool,
    /// How many bytes of fetched contents a node keeps.
    pub(crate) store_limit: Option<u64>,
    /// Bytes a second.
    pub(crate) upload_limit: Option<u64>,
    /// Bytes a second.
    pub(crate) download_limit: Option<u64>,
    /// The id or the name of what is to be shared, published or kept up to date no longer.
    pub(crate) remove: Option<String>,
    /// The name that a file is published under.
    pub(crate) name: Option<String>,
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

    fn read(mut typed: Vec<OsString>) -> Result<Arguments, String> {
        // What comes after two dashes is no option, whatever it begins with.
        let end = typed.iter().position(|word| word == "--").unwrap_or(typed.len());
        let plain: Vec<OsString> = typed.split_off(end).into_iter().skip(1).collect();
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
        let mut command = arguments.take_words(rest.finish(), plain)?;
        if arguments.command == Command::Help && !arguments.version {
            command.check(&arguments.words)?;
            // What is left is the command that is asked about.
            command = arguments.take_words(Vec::new(), Vec::new())?;
            arguments.help = true;
        }
        if arguments.help || arguments.version {
            return Ok(arguments);
        }
        if let Some(spec) = used.iter().find(|spec| !spec.commands.contains(&arguments.command)) {
            let others = match spec.commands.len() {
                0..=NAMED_MAX => format!(", but with {}", spec.commands()),
                _ => format!("; see cjp2p-node help {}", command.name),
            };
            return Err(format!("{} does not go with {}{}", spec.long, command.title(), others.trim_end()));
        }
        command.check(&arguments.words)?;
        Ok(arguments)
    }

    /// Takes what is left when the options are gone, and then what is `plain`: a command, and what it is to be done
    /// with.
    fn take_words(&mut self, rest: Vec<OsString>, plain: Vec<OsString>) -> Result<&'static CommandSpec, String> {
        self.command = Command::default();
        let count = rest.len();
        for (place, word) in rest.into_iter().chain(plain).enumerate() {
            let text = word.to_str().ok_or_else(|| format!("'{}' is not valid UTF-8", shown(&word)))?;
            if place < count && text.starts_with('-') && text.len() > 1 {
                return Err(format!("there is no option '{}' (see cjp2p-node --help)", shown(&word)));
            }
            self.words.push(text.to_owned());
        }
        if self.words.is_empty() {
            return COMMANDS.first().ok_or_else(String::new);
        }
        let name = self.words.remove(0);
        let spec = COMMANDS.iter().find(|spec| spec.name == name && !name.is_empty());
        let spec =
            spec.ok_or_else(|| format!("there is no command '{}' (see cjp2p-node --help)", shown(name.as_ref())))?;
        self.command = spec.command;
        Ok(spec)
    }
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

#[cfg(test)]
mod tests {
    use super::help::with_commands;
    use super::table::Command::{Get, Ping, Run};
    use super::table::OptionSpec;
    use super::*;

    fn read(line: &str) -> Result<Arguments, String> {
        Arguments::read(line.split_whitespace().map(OsString::from).collect())
    }

    #[test]
    fn options_may_stand_anywhere_and_in_both_spellings() {
        for line in [
            "--port 7000 ping 192.0.2.1 --count=3",
            "ping --count 3 192.0.2.1 --port=7000",
            "--count 3 --port 7000 ping 192.0.2.1",
        ] {
            let arguments = read(line).unwrap();
            assert_eq!((arguments.command, arguments.port, arguments.count), (Ping, Some(7_000), Some(3)), "{line}");
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
    fn every_port_from_which_others_listen_can_be_chosen() {
        for port in [0, 1_024, u16::MAX] {
            assert_eq!(read(&format!("--port {port}")).unwrap().port, Some(port));
        }
    }

    #[test]
    fn several_peers_are_taken_with_or_without_port() {
        let arguments = read("--peer 192.0.2.1 --peer=[2001:db8::1]:7000 --peer example.org").unwrap();
        assert_eq!(arguments.peers, ["192.0.2.1", "[2001:db8::1]:7000", "example.org"]);
    }

    #[test]
    fn what_comes_after_two_dashes_is_no_option() {
        let arguments = read("msg --wait 3 alice -- --json").unwrap();
        assert_eq!(arguments.words, ["alice", "--json"]);
        assert!(!arguments.json);
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
            ("--port 1", "from 1024 on, or 0"),
            ("--port 7000 --port 7001", "2 times"),
            ("--bind 192.0.2.1:7", "--bind 192.0.2.1 --port 7"),
            ("--bind [::1]:7", "--bind ::1 --port 7"),
            ("--bind localhost", "'localhost'"),
            ("--peer no..body", "'no..body'"),
            ("--no-lan --no-lan", "--no-lan"),
            ("--no-lan ping 192.0.2.1", "--no-lan"),
            ("--count 1", "--count"),
            ("--wait 1", "--wait"),
            ("--json", "--json"),
            ("status -v", "--verbose does not go with the command status, but with running a node"),
            ("status --wait 1", "but with ls, send, add and msg"),
            ("ping", "ADDR"),
            ("ping a b", "'b'"),
            ("ping a --data-dir b", "--data-dir does not go with the command ping; see cjp2p-node help ping"),
            ("--json", "--json does not go with running a node; see cjp2p-node help"),
            ("ping a --count 0", "--count"),
            ("--store-limit 5X", "'5X'"),
            ("--upload-limit 0", "'0'"),
            ("--upload-limit 999", "1k"),
            ("--upload-limit 5kk", "'5kk'"),
            ("--upload-limit 99999999999G", "'99999999999G'"),
            ("ping a --upload-limit 5M", "--upload-limit"),
            ("--download-limit 999", "1k"),
            ("--download-limit fast", "'fast'"),
            ("share a --download-limit 5M", "--download-limit"),
            ("get a --timeout 0", "1 to"),
            ("get", "WHAT"),
            ("send a", "JSON"),
            ("send a b --wait nan", "'nan'"),
            ("send a b --wait -1", "'-1'"),
            ("send a b --wait 0", "more than 0"),
            ("send a b --wait 1e300", "'1e300'"),
            ("status now", "'now'"),
            ("help nonsense", "'nonsense'"),
            ("help ping now", "'now'"),
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
        // The path of the data directory is as long as it is.
        assert!(text.lines().all(|line| line.len() <= 100 || line.contains("--data-dir the data is in")), "{text}");
        let starts = |spec: &OptionSpec| {
            help(Get)
                .lines()
                .find(|line| line.contains(&spec.usage()))
                .and_then(|line| line.find(&with_commands(spec, Get)))
        };
        let of_get = OPTIONS.iter().filter(|spec| spec.commands.contains(&Get));
        let columns: std::collections::BTreeSet<_> = of_get.map(starts).collect();
        assert!(columns.len() == 1 && !columns.contains(&None), "{columns:?}");
        for (line, command) in [("help", Run), ("help ping", Ping), ("ping --help", Ping), ("help help", Command::Help)]
        {
            let arguments = read(line).unwrap();
            assert!(arguments.help && arguments.command == command, "{line}");
        }
        assert!(!help(Ping).contains("--peer") && help(Ping).contains("--count"));
        assert!(!help(Ping).contains("--verbose") && !help(Ping).contains("--data-dir"));
    }
}
