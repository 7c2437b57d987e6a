//! `stream`: what comes in at the standard input, signed and sent to whoever follows, while it comes.
//!
//! A running node does it, or one of our own. Nobody is waited for: it is live, and what nobody follows is gone when
//! there is no more room for it.

use super::ask::order;
use super::live::{Live, pause};
use super::options::Arguments;
use super::probe::now;
use super::run::own_path;
use super::{Failure, hint};
use cjp2p_node::data_dir::{is_used_name, use_name};
use cjp2p_node::identity::PublicKey;
use cjp2p_node::request::{NodeStatus, STREAM_BYTES_MAX, StreamAnswer, StreamRequest, counted};
use cjp2p_node::stream::StreamId;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::io::{self, Read, Write};
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

/// How often the node is told that we are still there while nothing comes in; of a stream of which it hears nothing for
/// longer it says so to those who follow.
const STILL_HERE: Duration = Duration::from_secs(2);

/// Makes a stream of what comes in.
pub(super) fn stream(arguments: &Arguments, name: &str) -> Result<(), Failure> {
    let live = Live::begin(arguments)?;
    let ended = publish(&live, name);
    if let Ok(None) = ended {
        hint(arguments, "nothing came in, so there has been no stream and its name is still free");
    } else if let Ok(Some(length)) = ended {
        let length = counted(length, "byte");
        if !live.helper.is_own() {
            hint(arguments, &format!("the stream has ended after {length}; the node goes on passing it on"));
        } else if !live.is_interrupted() {
            let seconds = LINGER.as_secs();
            hint(
                arguments,
                &format!("the stream has ended after {length}; passing it on until nobody asks for {seconds} s"),
            );
            linger(&live, name);
        }
    }
    live.helper.dismiss();
    ended.map(drop)
}

/// Begins a stream, fills it, and ends it. Returns how long it is, if anything of it was signed.
fn publish(live: &Live<'_>, name: &str) -> Result<Option<u64>, Failure> {
    let arguments = live.arguments;
    let status: Option<NodeStatus> = order(arguments, "/status")?.read();
    let key = status.and_then(|status| PublicKey::parse(&status.public_key).ok());
    let key = key.ok_or_else(|| Failure::Impossible("the node does not say its key".to_owned()))?;
    let id = StreamId::own(key, name).map_err(|why| Failure::Mistake(why.to_string()))?;
    let path = own_path(arguments)?;
    let used = || {
        Failure::Impossible(format!(
            "there has been a stream {name}, and what was signed cannot be signed anew; choose another name, like {name}/2"
        ))
    };
    if is_used_name(&path, &id) {
        return Err(used());
    }
    live.length(&StreamRequest::Begin(name.to_owned()))?;
    // The name of the stream is no message for people: scripts read it.
    let _ = writeln!(io::stderr(), "{id}");
    let mut is_ours = false;
    let mut use_it = || {
        is_ours = is_ours
            || use_name(&path, &id)
                .map_err(|error| Failure::Impossible(format!("cannot write to {}: {error}", path.display())))?;
        if is_ours { Ok(()) } else { Err(used()) }
    };
    let mut filled = fill(live, name, &mut use_it);
    // Who waits for a stream for which nothing came is told its end; of any other nobody has heard.
    if matches!(filled, Ok(0)) && is_awaited(live, name) {
        filled = use_it().map(|()| 0);
    }
    let ended = is_ours.then(|| live.length(&StreamRequest::End(name.to_owned())));
    match (filled, ended) {
        // A signal ends a node of our own too, and it has ended its streams then.
        (filled, Some(_)) if live.is_interrupted() => Ok(Some(filled.unwrap_or(0))),
        (_, None) if live.is_interrupted() => Ok(None),
        (filled, None) => filled.map(|_| None),
        (filled, Some(ended)) => filled.and(ended).map(Some),
    }
}

/// Whether somebody has asked for a stream of ours.
fn is_awaited(live: &Live<'_>, name: &str) -> bool {
    let info = live.ask(&StreamRequest::Info(name.to_owned()));
    matches!(info.map(|reply| reply.read()), Ok(Some(StreamAnswer::Own(_, Some(_)))))
}

/// Appends what comes in, once the name is used for it, until there is no more or a signal comes.
fn fill(live: &Live<'_>, name: &str, use_name: &mut impl FnMut() -> Result<(), Failure>) -> Result<u64, Failure> {
    let (mut buffer, mut length, start) = (vec![0; STREAM_BYTES_MAX], 0, now());
    let (stdin, mut said) = (io::stdin(), start);
    while !live.is_interrupted() {
        match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&LOOK)) {
            Ok(0) | Err(Errno::INTR) => {
                if now().saturating_duration_since(said) >= STILL_HERE {
                    length = live.length(&StreamRequest::append(name, length, &[]))?;
                    said = now();
                }
                continue;
            }
            _ => {}
        }
        let count = match stdin.lock().read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Failure::Impossible(format!("cannot read the standard input: {error}"))),
        };
        use_name()?;
        length = live.length(&StreamRequest::append(name, length, &buffer[..count]))?;
        said = now();
        let due = Duration::from_secs_f64(length as f64 / RATE_MAX as f64);
        pause(due.saturating_sub(now().saturating_duration_since(start)));
    }
    Ok(length)
}

/// Passes the end on until nobody asks any more.
fn linger(live: &Live<'_>, name: &str) {
    let (start, info) = (now(), StreamRequest::Info(name.to_owned()));
    while !live.is_interrupted() {
        let Ok(Some(StreamAnswer::Own(_, asked_ago))) = live.ask(&info).map(|reply| reply.read()) else { return };
        let since = now().saturating_duration_since(start);
        if asked_ago.map_or(since, |ago| Duration::from_millis(ago).min(since)) >= LINGER {
            return;
        }
        pause(LINGER_PAUSE);
    }
}
