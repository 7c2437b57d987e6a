//! `stream`: what comes in at the standard input, signed and sent to whoever follows, while it comes.
//!
//! A running node does it, or one of our own. Nobody is waited for: it is live, and what nobody follows is gone when
//! there is no more room for it.

use super::ask::order;
use super::get::Helper;
use super::options::Arguments;
use super::probe::now;
use super::run::data_path;
use super::{Failure, tell};
use cjp2p_node::data_dir::use_name;
use cjp2p_node::identity::PublicKey;
use cjp2p_node::request::{NodeStatus, STREAM_BYTES_MAX, StreamAnswer, StreamRequest};
use cjp2p_node::stream::StreamId;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// How much is taken in a second, in bytes: four times what a follower is asked to keep up with. A file that comes in
/// would otherwise have passed before anybody could follow; a signature for every block costs a fortieth of a core.
const RATE_MAX: u64 = 4_000_000;

/// How soon a signal is noticed while nothing comes in.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// How long a node of our own goes on after the end, if nobody asks: those who have not got all ask again within two
/// seconds.
const LINGER: Duration = Duration::from_secs(10);

/// The pause between two looks at whether anybody asks.
const LINGER_PAUSE: Duration = Duration::from_millis(200);

/// Makes a stream of what comes in.
pub(super) fn stream(arguments: &Arguments, name: &str) -> Result<(), Failure> {
    let is_interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, is_interrupted.clone()).map_err(Failure::impossible)?;
    }
    let helper = Helper::find(arguments)?;
    if !helper.is_own() {
        helper.pass_on_options();
    }
    let is_own = helper.is_own();
    let ended = publish(arguments, name, &is_interrupted);
    if let Ok(length) = ended {
        if !is_own {
            note(arguments, &format!("the stream has ended after {length} bytes; the node goes on passing it on"));
        } else if !is_interrupted.load(Ordering::Relaxed) {
            let seconds = LINGER.as_secs();
            note(
                arguments,
                &format!("the stream has ended after {length} bytes; passing it on until nobody asks for {seconds} s"),
            );
            linger(arguments, name, &is_interrupted);
        }
    }
    helper.dismiss();
    ended.map(drop)
}

/// Says something to whom it may interest.
fn note(arguments: &Arguments, sentence: &str) {
    if arguments.verbosity >= 0 {
        tell(sentence);
    }
}

/// Begins a stream, fills it, and ends it. Returns how long it is.
fn publish(arguments: &Arguments, name: &str, is_interrupted: &AtomicBool) -> Result<u64, Failure> {
    let status: Option<NodeStatus> = order(arguments, "/status")?.read();
    let key = status.and_then(|status| PublicKey::parse(&status.public_key).ok());
    let key = key.ok_or_else(|| Failure::Impossible("the node does not say its key".to_owned()))?;
    let id = StreamId::own(key, name).map_err(|why| Failure::Mistake(why.to_string()))?;
    let path = data_path(arguments)?;
    let is_new = use_name(&path, &id)
        .map_err(|error| Failure::Impossible(format!("cannot write to {}: {error}", path.display())))?;
    if !is_new {
        return Err(Failure::Impossible(format!(
            "there has been a stream {name}, and what was signed cannot be signed anew; choose another name, like {name}/2"
        )));
    }
    ask(arguments, &StreamRequest::Begin(name.to_owned()))?;
    // The name of the stream is no message for people: scripts read it.
    let _ = writeln!(io::stderr(), "{id}");
    let filled = fill(arguments, name, is_interrupted);
    let ended = ask(arguments, &StreamRequest::End(name.to_owned()));
    match (filled, ended) {
        // A signal ends a node of our own too, and it has ended its streams then.
        (Ok(length), _) if is_interrupted.load(Ordering::Relaxed) => Ok(length),
        (Err(_), _) if is_interrupted.load(Ordering::Relaxed) => Ok(0),
        (filled, ended) => filled.and(ended),
    }
}

/// Appends what comes in, until there is no more or a signal comes.
fn fill(arguments: &Arguments, name: &str, is_interrupted: &AtomicBool) -> Result<u64, Failure> {
    let (mut buffer, mut length, start) = (vec![0; STREAM_BYTES_MAX], 0, now());
    let stdin = io::stdin();
    while !is_interrupted.load(Ordering::Relaxed) {
        match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&LOOK)) {
            Ok(0) | Err(Errno::INTR) => continue,
            _ => {}
        }
        let count = match stdin.lock().read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Failure::Impossible(format!("cannot read the standard input: {error}"))),
        };
        length = ask(arguments, &StreamRequest::append(name, length, &buffer[..count]))?;
        let due = Duration::from_secs_f64(length as f64 / RATE_MAX as f64);
        pause(due.saturating_sub(now().saturating_duration_since(start)));
    }
    Ok(length)
}

/// Passes the end on until nobody asks any more.
fn linger(arguments: &Arguments, name: &str, is_interrupted: &AtomicBool) {
    let (start, info) = (now(), StreamRequest::Info(name.to_owned()).command());
    while !is_interrupted.load(Ordering::Relaxed) {
        let Ok(Some(StreamAnswer::Own(_, asked_ago))) = order(arguments, &info).map(|reply| reply.read()) else {
            return;
        };
        let asked_ago = asked_ago.map(Duration::from_millis);
        let since = now().saturating_duration_since(start);
        if asked_ago.map_or(since, |ago| ago.min(since)) >= LINGER {
            return;
        }
        pause(LINGER_PAUSE);
    }
}

/// Asks the node; how long the stream is then.
fn ask(arguments: &Arguments, request: &StreamRequest) -> Result<u64, Failure> {
    match order(arguments, &request.command())?.read() {
        Some(StreamAnswer::Own(length, _)) => Ok(length),
        _ => Err(Failure::Impossible("the node gave another answer than was asked for".to_owned())),
    }
}

fn pause(span: Duration) {
    #[expect(clippy::disallowed_methods, reason = "this thread has nothing else to do")]
    thread::sleep(span);
}
