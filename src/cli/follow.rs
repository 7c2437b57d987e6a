//! `follow`: a stream of somebody else, to the standard output while it grows.
//!
//! A running node follows it, or one of our own. What is printed is in order and signed by the owner; what could not be
//! had is said, and the exit code tells that something is missing.

use super::live::{Live, pause, unexpected};
use super::options::Arguments;
use super::probe::now;
use super::{Failure, hint, tell, unwritten};
use base64_simd::STANDARD;
use cjp2p_node::request::{GET_PATIENCE, StreamAnswer, StreamRequest, StreamState, counted};
use cjp2p_node::terminal::printable;
use std::io::{self, Write};
use std::time::Duration;

/// The pause between two looks at what has come; hardly anybody hears the difference.
const PAUSE: Duration = Duration::from_millis(20);

/// What has been printed.
struct Printed {
    /// Where it ends.
    place: u64,
    /// Bytes.
    bytes: u64,
    /// Whether anything was left out in the middle.
    has_gaps: bool,
}

/// Prints a stream until it ends.
pub(super) fn follow(arguments: &Arguments, text: &str) -> Result<(), Failure> {
    if text.split_once('/').is_none_or(|(whose, name)| whose.is_empty() || name.is_empty()) {
        return Err(Failure::Mistake(format!(
            "'{}' is no stream, which is called by KEY/NAME",
            printable(text, usize::MAX)
        )));
    }
    let live = Live::begin(arguments)?;
    let patience = arguments.timeout.unwrap_or(GET_PATIENCE).as_secs();
    // The node knows whom the user calls by which name, and says which stream that is.
    let began = live.ask(&StreamRequest::Follow(text.to_owned(), arguments.is_from_end, patience));
    let printed = began.and_then(|reply| {
        let printed = print(&live, reply.text(), patience);
        if !live.helper.is_own() {
            // Others may follow it too; they read on, and the node with them.
            let _ = live.helper.order(&StreamRequest::Unfollow(reply.text().to_owned()).command());
        }
        printed
    });
    live.helper.dismiss();
    printed
}

fn print(live: &Live<'_>, id: &str, patience: u64) -> Result<(), Failure> {
    let arguments = live.arguments;
    let mut printed = Printed { place: 0, bytes: 0, has_gaps: false };
    let (begun, own) = (now(), Duration::from_secs(patience));
    let mut stdout = io::stdout().lock();
    loop {
        if live.is_interrupted() {
            return Err(Failure::Impossible(format!("interrupted after {}", counted(printed.bytes, "byte"))));
        }
        let reply = match live.ask(&StreamRequest::Read(id.to_owned(), printed.place)) {
            // A signal may have stopped the node too.
            Err(_) if live.is_interrupted() => continue,
            reply => reply?,
        };
        let Some(StreamAnswer::Chunk(offset, bytes, state, silent)) = reply.read() else {
            return Err(unexpected());
        };
        let bytes = STANDARD.decode_to_vec(bytes).map_err(Failure::impossible)?;
        printed.skip_to(offset, arguments);
        if bytes.is_empty() {
            // Others may follow it beside the same node, and be more patient.
            let is_silent = now().saturating_duration_since(begun) >= own && Duration::from_millis(silent) >= own;
            let state = match state {
                StreamState::Seeking if is_silent => StreamState::NotFound,
                StreamState::Following if is_silent => StreamState::Stalled,
                state => state,
            };
            match ended(state, &printed, id, patience) {
                Some(ended) => return ended,
                None => pause(PAUSE),
            }
            continue;
        }
        printed.place += bytes.len() as u64;
        printed.bytes += bytes.len() as u64;
        stdout.write_all(&bytes).and_then(|()| stdout.flush()).map_err(unwritten)?;
    }
}

impl Printed {
    /// What lies before `offset` and has not been printed cannot be had.
    fn skip_to(&mut self, offset: u64, arguments: &Arguments) {
        if offset <= self.place {
            return;
        }
        if self.bytes > 0 {
            tell(&format!("bytes {} to {offset} could not be had from anybody and are missing", self.place));
            self.has_gaps = true;
        } else {
            hint(arguments, &format!("beginning at byte {offset}"));
        }
        self.place = offset;
    }
}

/// How it ended, if it did.
fn ended(state: StreamState, printed: &Printed, id: &str, patience: u64) -> Option<Result<(), Failure>> {
    let why = match state {
        StreamState::Seeking | StreamState::Following => return None,
        StreamState::Ended if printed.has_gaps => "the stream has ended, and some of it is missing".to_owned(),
        StreamState::Ended => return Some(Ok(())),
        StreamState::NotFound => format!("nobody in reach has {}", printable(id, usize::MAX)),
        StreamState::Stalled => {
            format!(
                "nothing was heard of its owner for {patience} s; the stream has not ended, after {}",
                counted(printed.place, "byte")
            )
        }
    };
    Some(Err(Failure::Impossible(why)))
}
