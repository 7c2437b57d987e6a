//! What the user typed on the command line, and what becomes of it: an exit code and, for a mistake, one sentence.
//!
//! - [`options`] is the one table of commands and options,
//! - [`run`] starts the node,
//! - [`ask`] speaks with the node that is running,
//! - [`chat`] talks beside it,
//! - [`id`] says by which key the node is known,
//! - [`publish`] gives files names, and [`named`] is about what is fetched by name,
//! - [`get`] and [`share`] move contents between files and the store, with a progress [`bar`],
//! - [`msg`] writes to people through the running node,
//! - [`stream`] and [`follow`] make a live stream of what comes in, and print one,
//! - [`send`] and [`ping`] speak with any node, by a [`probe`] socket of their own,
//! - [`address`] looks up the names of hosts.
//!
//! Nothing here knows how a node works.

mod address;
mod ask;
mod bar;
mod chat;
mod follow;
mod get;
mod goal;
mod id;
mod live;
mod msg;
mod named;
mod options;
mod ping;
mod probe;
mod publish;
mod run;
mod send;
mod share;
mod stream;
mod target;

use cjp2p_node::request::is_title;
use cjp2p_node::terminal::printable;
use cjp2p_node::titles::NAME_MAX_BYTES;
use options::{Arguments, Command};
use std::io::{self, Write};
use std::process::ExitCode;

/// The exit code for something that was typed wrong, as the shell's own commands have it.
const EXIT_MISTAKE: u8 = 2;

/// Why a command ended without success.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The user typed something wrong; a sentence.
    Mistake(String),
    /// It could not be done; a sentence.
    Impossible(String),
    /// It has been said already, or nobody is there to be told.
    Silent,
}

impl Failure {
    pub(crate) fn impossible(reason: impl ToString) -> Failure {
        Failure::Impossible(reason.to_string())
    }
}

/// What to know when a content was not fetched as far as to its file.
const KEPT: &str = "what came is kept, and the same command goes on from there";

/// Does what the command line says.
pub(crate) fn main() -> ExitCode {
    let (code, sentence) = match Arguments::from_command_line().and_then(|arguments| dispatch(&arguments)) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Silent) => return ExitCode::FAILURE,
        Err(Failure::Mistake(sentence)) => (ExitCode::from(EXIT_MISTAKE), sentence),
        Err(Failure::Impossible(sentence)) => (ExitCode::FAILURE, sentence),
    };
    // If not even this can be written, the exit code says it.
    tell(&sentence);
    code
}

fn dispatch(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.help {
        return say(options::help(arguments.command).trim_end());
    }
    if arguments.version {
        return say(concat!("cjp2p-node ", env!("CARGO_PKG_VERSION")));
    }
    let argument = |index: usize| arguments.words.get(index).map_or("", String::as_str);
    match arguments.command {
        // It has been turned into --help.
        Command::Help => say(options::help(Command::Run).trim_end()),
        Command::Run => run::run(arguments),
        Command::Status => ask::ask(arguments, "/status"),
        Command::Peers => ask::list(arguments, "/peers"),
        Command::Chat => chat::chat(arguments, argument(0)),
        Command::Add => ask::add(arguments, argument(0)),
        Command::Msg => msg::msg(arguments, argument(0), argument(1)),
        Command::Sent => ask::list(arguments, "/sent"),
        Command::Stop => ask::stop(arguments),
        Command::Get => get::get(arguments, argument(0)),
        Command::Share => share::share(arguments),
        Command::Publish => publish::publish(arguments),
        Command::Published => published(arguments),
        Command::Stream => stream::stream(arguments, argument(0)),
        Command::Follow => follow::follow(arguments, argument(0)),
        Command::Id => id::id(arguments),
        Command::Ls if arguments.of_peers => ask::list_peers(arguments),
        Command::Ls if arguments.wait.is_some() => {
            Err(Failure::Mistake("--wait goes with --peers; what is shared here is known at once".to_owned()))
        }
        Command::Ls => share::list(arguments),
        Command::Send => send::send(arguments, argument(0), argument(1)),
        Command::Ping => ping::ping(arguments, argument(0)),
    }
}

/// Lists the names that are published and kept up to date, or lets the running node keep one up to date no longer.
fn published(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.remove {
        Some(title) if is_title(title) => ask::ask(arguments, &format!("/unget {title}")),
        Some(text) => Err(Failure::Mistake(format!(
            "'{}' is no KEY/NAME; a name of your own is ended by 'cjp2p-node publish --remove NAME'",
            printable(text, NAME_MAX_BYTES)
        ))),
        None => publish::list(arguments),
    }
}

/// Says something beside the results. That nobody reads it is no reason to stop.
fn tell(sentence: &str) {
    let _ = writeln!(io::stderr(), "cjp2p-node: {sentence}");
}

/// Says what may interest, unless the user has asked for silence.
fn hint(arguments: &Arguments, sentence: &str) {
    if arguments.verbosity >= 0 {
        tell(sentence);
    }
}

/// Prints a line. That nobody reads it any more ends the command without a word, as in any pipe.
fn say(line: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).map_err(unwritten)
}

/// Why nothing more is printed: whoever has read enough has gone, and anything else is told.
fn unwritten(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::Silent,
        _ => Failure::Impossible(format!("cannot write to the standard output: {error}")),
    }
}
