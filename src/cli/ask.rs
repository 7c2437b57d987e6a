//! Asking the node that runs on a data directory, over its control socket.

use super::address::resolve;
use super::live::unexpected;
use super::options::Arguments;
use super::probe::now;
use super::run::data_path;
use super::{Failure, say};
use cjp2p_node::control::{ANSWER_MAX_BYTES, parse_answer, request_line};
use cjp2p_node::data_dir::{control_socket, said_pid};
use cjp2p_node::request::{PeerHeard, Reply, decimal};
use serde_json::value::RawValue;
use socket2::{Domain, SockAddr, Socket, Type};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long the node may take to let us in, to listen, and to answer. It does so between two batches of datagrams, in
/// milliseconds; a node that does not is stopped, or its machine is stuck.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long the node may take for stopping; saving takes at most 5 s of it.
pub(super) const STOP_PATIENCE: Duration = Duration::from_secs(15);

/// How long `add` waits for the outcome, unless the user says otherwise: three tries of the node.
const ADD_WAIT: Duration = Duration::from_secs(5);

/// How long `ls --peers` waits for answers, unless the user says otherwise: a round trip around the world, and once
/// more for those who have to be asked twice.
const LIST_WAIT: Duration = Duration::from_secs(1);

/// The pause between two looks at what has become of it; no person sees the difference.
const ADD_PAUSE: Duration = Duration::from_millis(200);

/// Asks the running node what `command` would on its console, and prints the answer.
pub(super) fn ask(arguments: &Arguments, command: &str) -> Result<(), Failure> {
    let reply = order(arguments, command)?;
    say(if arguments.json { reply.json() } else { reply.text() })
}

/// The same if the answer is a list.
pub(super) fn list(arguments: &Arguments, command: &str) -> Result<(), Failure> {
    let reply = order(arguments, command)?;
    show(arguments, reply.text(), reply.json())
}

/// Prints a list in the form that the user wants; in JSON each entry on a line of its own.
pub(super) fn show(arguments: &Arguments, text: &str, json: &str) -> Result<(), Failure> {
    if !arguments.json {
        return say(text);
    }
    let entries: Vec<&RawValue> = serde_json::from_str(json).map_err(|_| unexpected())?;
    entries.iter().try_for_each(|entry| say(entry.get()))
}

/// Has something done by the running node; a failure if it refuses.
pub(super) fn order(arguments: &Arguments, command: &str) -> Result<Reply, Failure> {
    match converse(arguments, command)?.0 {
        reply if reply.is_refused() => Err(Failure::impossible(reply.text())),
        reply => Ok(reply),
    }
}

/// Lists what the peers of the running node share and recommend, when they have had time to answer.
pub(super) fn list_peers(arguments: &Arguments) -> Result<(), Failure> {
    converse(arguments, "/listed")?;
    #[expect(clippy::disallowed_methods, reason = "this process has nothing else to do")]
    std::thread::sleep(arguments.wait.unwrap_or(LIST_WAIT));
    list(arguments, "/listed")
}

/// Lets the running node make contact with the node at `address`, and waits for the outcome. Of a name with several
/// addresses one that answers is enough.
pub(super) fn add(arguments: &Arguments, address: &str) -> Result<(), Failure> {
    let addresses = resolve(address)?;
    let wait = arguments.wait.unwrap_or(ADD_WAIT);
    if let Some(peer) = find_peer(arguments, &addresses)? {
        let heard_ago_s = peer.heard_ago_s.round() as u64;
        return say(&format!("{} is a peer already, heard {heard_ago_s} s ago", peer.address));
    }
    let mut refused = None;
    let mut tried = Vec::new();
    for address in addresses {
        match converse(arguments, &format!("/add {address}"))?.0 {
            reply if reply.is_refused() => refused = Some(reply.text().to_owned()),
            _ => tried.push(address),
        }
    }
    if let (Some(why), true) = (refused, tried.is_empty()) {
        return Err(Failure::Impossible(why));
    }
    let deadline = now() + wait;
    loop {
        if let Some(peer) = find_peer(arguments, &tried)? {
            return say(&format!("{} is a peer now", peer.address));
        }
        if now() >= deadline {
            let names: Vec<String> = tried.iter().map(ToString::to_string).collect();
            let (names, seconds) = (names.join(" and "), seconds(wait));
            return Err(Failure::Impossible(format!(
                "no answer from {names} within {seconds} s; the node will try again now and then"
            )));
        }
        #[expect(clippy::disallowed_methods, reason = "this process has nothing else to do")]
        std::thread::sleep(ADD_PAUSE.min(deadline.saturating_duration_since(now())));
    }
}

/// A span in seconds, with as many digits behind the point as it needs, or without any.
pub(super) fn seconds(span: Duration) -> String {
    let seconds = decimal(span.as_secs_f64(), 9);
    seconds.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The one of these addresses that is a verified peer of the running node.
fn find_peer(arguments: &Arguments, addresses: &[SocketAddr]) -> Result<Option<PeerHeard>, Failure> {
    let peers: Vec<PeerHeard> = order(arguments, "/peers")?.read().ok_or_else(unexpected)?;
    Ok(peers.into_iter().find(|peer| addresses.contains(&peer.address)))
}

/// Stops the running node and waits until it has saved.
pub(super) fn stop(arguments: &Arguments) -> Result<(), Failure> {
    let (_, mut reader) = converse(arguments, "/quit")?;
    // The node hangs up last of all.
    reader.get_ref().get_ref().set_read_timeout(Some(STOP_PATIENCE)).map_err(Failure::impossible)?;
    let mut last = String::new();
    reader
        .read_to_string(&mut last)
        .map_err(|error| Failure::Impossible(format!("the node has not stopped yet: {error}")))?;
    // It speaks again only if not everything was saved.
    parse_answer(&last).map_or_else(|| say("stopped"), |reply| Err(Failure::impossible(reply.text())))
}

/// The end of a conversation that is still open.
pub(super) type Reader = BufReader<io::Take<UnixStream>>;

/// One request and its answer; `None` if no node is running.
pub(super) fn try_converse(arguments: &Arguments, command: &str) -> Result<Option<Reply>, Failure> {
    let socket = control_socket(&data_path(arguments)?);
    match connect(&socket) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => Ok(None),
        _ => converse(arguments, command).map(|(answer, _)| Some(answer)),
    }
}

/// Whether asking again is of no use: the socket is not for us, or its path too long for any.
pub(super) fn is_out_of_reach(arguments: &Arguments) -> bool {
    let Ok(Err(error)) = data_path(arguments).map(|path| connect(&control_socket(&path))) else { return false };
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput)
}

/// One request and its answer. The connection is still open then.
pub(super) fn converse(arguments: &Arguments, command: &str) -> Result<(Reply, Reader), Failure> {
    let path = data_path(arguments)?;
    let failed = |error: io::Error| Failure::Impossible(no_answer(&path, &error));
    let mut stream = connect(&control_socket(&path)).map_err(failed)?;
    stream.write_all(request_line(command).as_bytes()).map_err(failed)?;
    let mut reader = BufReader::new(stream.take(ANSWER_MAX_BYTES));
    let mut line = String::new();
    reader.read_line(&mut line).map_err(failed)?;
    let answer = parse_answer(&line);
    answer.map(|answer| (answer, reader)).ok_or_else(|| {
        Failure::Impossible(format!("the node on {} gave no answer; perhaps it is busy or stopping", path.display()))
    })
}

/// Connects without waiting for longer than [`PATIENCE`], now or later.
fn connect(socket: &Path) -> io::Result<UnixStream> {
    let stream = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    // This holds for connecting too, which waits if many others do already.
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.connect(&SockAddr::unix(socket)?)?;
    Ok(OwnedFd::from(stream).into())
}

fn no_answer(path: &Path, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            format!("no node is running on {} (see --data-dir)", path.display())
        }
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            let process = said_pid(path).map_or(String::new(), |pid| format!(" (process {pid})"));
            format!(
                "the node on {}{process} does not answer; is it stopped? What it was asked is withdrawn",
                path.display()
            )
        }
        io::ErrorKind::InvalidInput => {
            format!("the path of the data directory is too long for the socket in it: {}", path.display())
        }
        _ => format!("cannot speak with the node on {}: {error}", path.display()),
    }
}
