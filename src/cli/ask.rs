//! Asking the node that runs on a data directory, over its control socket.

use super::options::Arguments;
use super::run::data_path;
use super::{Failure, say};
use cjp2p_node::control::{ANSWER_MAX_BYTES, parse_answer, request_line};
use cjp2p_node::data_dir::control_socket;
use cjp2p_node::request::{Answer, peer_address};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long the node may take for an answer, or for stopping; saving takes at most 5 s of it.
const PATIENCE: Duration = Duration::from_secs(15);

/// Asks the running node what `command` would on its console, and prints the answer.
pub(super) fn ask(arguments: &Arguments, command: &str) -> Result<(), Failure> {
    let (answer, _) = converse(arguments, command)?;
    match answer {
        Answer::Refused(why) => Err(Failure::Impossible(why)),
        answer if arguments.json => say(&answer.to_json()),
        answer => say(&answer.to_string()),
    }
}

/// Lets the running node make contact with the node at `address`.
pub(super) fn add(arguments: &Arguments, address: &str) -> Result<(), Failure> {
    let address = peer_address(address).map_err(Failure::Mistake)?;
    ask(arguments, &format!("/add {address}"))
}

/// Stops the running node and waits until it has saved.
pub(super) fn stop(arguments: &Arguments) -> Result<(), Failure> {
    let (_, mut reader) = converse(arguments, "/quit")?;
    // The node hangs up last of all.
    let mut rest = Vec::new();
    reader
        .read_to_end(&mut rest)
        .map_err(|error| Failure::Impossible(format!("the node has not stopped yet: {error}")))?;
    say("stopped")
}

type Reader = BufReader<io::Take<UnixStream>>;

/// One request and its answer. The connection is still open then.
fn converse(arguments: &Arguments, command: &str) -> Result<(Answer, Reader), Failure> {
    let path = data_path(arguments)?;
    let failed = |error: io::Error| Failure::Impossible(no_answer(&path, &error));
    let mut stream = UnixStream::connect(control_socket(&path)).map_err(failed)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(failed)?;
    stream.write_all(request_line(command).as_bytes()).map_err(failed)?;
    let mut reader = BufReader::new(stream.take(ANSWER_MAX_BYTES));
    let mut line = String::new();
    reader.read_line(&mut line).map_err(failed)?;
    let answer = parse_answer(&line);
    answer.map(|answer| (answer, reader)).ok_or_else(|| {
        Failure::Impossible(format!("the node on {} gave no answer; perhaps it is busy or stopping", path.display()))
    })
}

fn no_answer(path: &Path, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            format!("no node is running on {} (see --data-dir)", path.display())
        }
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            format!("the node on {} does not answer", path.display())
        }
        _ => format!("cannot speak with the node on {}: {error}", path.display()),
    }
}
