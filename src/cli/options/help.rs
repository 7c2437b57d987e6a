//! What `--help` says, made from the table.

use super::table::{COMMANDS, Command, OPTIONS, OptionSpec};
use cjp2p_node::counters::Counters;
use cjp2p_node::data_dir::default_path;
use cjp2p_node::event_loop;
use cjp2p_node::terminal::printable;
use std::fmt::Write;

/// How wide the explanation of a counter is; with its margin it fits the usual 80 columns.
const MEANING_COLUMNS: usize = 72;

/// Options that go with more commands than this do not name them in the general help, where each has one line.
pub(super) const NAMED_MAX: usize = 8;

/// What silence is where no log is kept.
const QUIET: &str = "show no progress and no hints, but every error";

/// What an option does with one command, where it does something else with another.
const PARTICULAR: &[(&str, Command, &str)] = &[
    ("--remove", Command::Share, "share the content with this ID no longer"),
    ("--remove", Command::Publish, "publish this NAME of yours, or KEY/NAME, no longer"),
    ("--remove", Command::Published, "keep this KEY/NAME up to date no longer"),
    ("--quiet", Command::Get, QUIET),
    ("--quiet", Command::Stream, QUIET),
    ("--quiet", Command::Follow, QUIET),
    ("--quiet", Command::Share, QUIET),
    ("--quiet", Command::Publish, QUIET),
    ("--quiet", Command::Ls, QUIET),
    ("--wait", Command::Send, "how long to wait for answers (default: 2)"),
    ("--wait", Command::Add, "how long to wait for an answer (default: 5)"),
    ("--wait", Command::Msg, "how long to wait until it was seen (default: 120)"),
    ("--wait", Command::Ls, "with --peers: for how long answers are gathered (default: 1)"),
];

/// What `--help` says, in general or about one command.
pub(crate) fn help(command: Command) -> String {
    let is_general = command == Command::Run;
    let mut text = String::new();
    if is_general {
        text.push_str("A node for LCDP, the Lowest Common Denominator Protocol.\n\n");
    }
    text.push_str("Usage:\n");
    for spec in COMMANDS.iter().filter(|spec| is_general || spec.command == command) {
        push(&mut text, &spec.usage(), 28, spec.help);
    }
    text.push_str("\nOptions:\n");
    let options = || OPTIONS.iter().filter(|spec| is_general || spec.commands.contains(&command));
    let width = options().map(|spec| spec.usage().len()).max().unwrap_or(0);
    for spec in options() {
        push(&mut text, &spec.usage(), width, &with_commands(spec, command));
    }
    text.push('\n');
    text.push_str(&remarks(command));
    text
}
/// What else there is to know.
fn remarks(command: Command) -> String {
    let mut text = String::new();
    if COMMANDS.iter().any(|spec| spec.arguments.contains(&"ADDR") && spec.command == command)
        || command == Command::Run
    {
        text.push_str(
            "An ADDR is like 192.0.2.1, [2001:db8::1]:24254 or example.org; the port is 24254 if none is named.\n",
        );
    }
    if matches!(command, Command::Msg | Command::Get | Command::Published) {
        text.push_str(
            "A KEY is 64 hex digits, enough of those of a key that the node knows, or a name given with /name.\n",
        );
    }
    if command == Command::Get {
        text.push_str(
            "An ID is 64 hex digits (SHA-256), or blake3/ and 64 hex digits.\n\
            A node that runs on the data directory fetches it, keeps it and shares it. Without one only the file is\n\
            kept, or what came of it until the command was interrupted, which goes on from there. A fresh data\n\
            directory also gets a key, the peers that were met, a lock, and an empty folder public.\n",
        );
    }
    if command == Command::Stream {
        text.push_str(
            "It prints the KEY/NAME by which others follow. Ctrl-C ends the stream as the end of the input does.\n\
            If it is killed the stream has not ended, and whoever follows gives up after a while.\n",
        );
    }
    if command == Command::Follow {
        text.push_str(
            "A KEY is a name that you gave, or digits of what 'id' prints where the stream is made, which says KEY/NAME itself.\n\
            With --from end it begins with the block that grows: a few kilobytes of it are older.\n",
        );
    }
    if command == Command::Published {
        text.push_str("Without a running node it lists what is written down; --remove needs one.\n");
    }
    if command == Command::Chat {
        text.push_str(
            "WHOM is a key, an address, or a group (#GROUP if its name looks like something else); without it you hear\n\
            everything and speak to the group main. Ctrl-D leaves, and the node goes on.\n",
        );
    }
    if command == Command::Send {
        text.push_str("Example: cjp2p-node send 127.0.0.1 '[{\"PleaseSendPeers\":{}}]'\n");
    }
    if command == Command::Status {
        text.push_str(&meanings());
    }
    let has_data = OPTIONS.iter().any(|spec| spec.long == "--data-dir" && spec.commands.contains(&command));
    if let (true, Some(path)) = (has_data, default_path()) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "Without --data-dir the data is in {}", printable(&path.to_string_lossy(), usize::MAX));
    }
    if command == Command::Run {
        text.push_str("RUST_LOG sets the log level too, for instance RUST_LOG=debug; with -v or -q it is ignored.\n");
    }
    text
}

/// What the counters in the status mean.
fn meanings() -> String {
    let mut text = "Counted since the start of the node; what is 0 is left out, except with --json:\n".to_owned();
    for (name, meaning) in Counters::MEANINGS.iter().chain(&event_loop::COUNTERS) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {}", name.replace('_', " "));
        let mut column = 0;
        for word in meaning.split_whitespace() {
            let fits = column > 0 && column + 1 + word.len() <= MEANING_COLUMNS;
            let before = match (column, fits) {
                (0, _) => "      ",
                (_, true) => " ",
                (_, false) => "\n      ",
            };
            column = if fits { column + 1 } else { 0 } + word.len();
            text.push_str(before);
            text.push_str(word);
        }
        text.push('\n');
    }
    text.push('\n');
    text
}

/// The help for an option; in the general list, with the commands that it goes with.
pub(super) fn with_commands(spec: &OptionSpec, command: Command) -> String {
    let is_meant = |(long, with, _): &&(&str, Command, &str)| *long == spec.long && *with == command;
    if let Some((.., help)) = PARTICULAR.iter().find(is_meant) {
        return (*help).to_owned();
    }
    if command != Command::Run || spec.commands.contains(&Command::Run) {
        return spec.help.to_owned();
    }
    let names = COMMANDS.iter().filter(|known| spec.commands.contains(&known.command)).map(|known| known.name);
    let names = names.collect::<Vec<_>>();
    let names = if names.len() > NAMED_MAX { "most commands".to_owned() } else { names.join(", ") };
    format!("{names}: {}", spec.help)
}

fn push(text: &mut String, usage: &str, width: usize, help: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "  {usage:width$}  {help}");
}
