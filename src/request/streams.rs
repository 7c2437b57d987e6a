//! What the commands `stream` and `follow` ask of the node that does it for them: `/stream` and one object of JSON.
//!
//! Every request stands for itself, so that nothing is left behind by a process that was killed: who appends says at
//! which place, who reads says what it has. Who no longer reads follows no longer.

use super::{Request, mistake};
use base64_simd::STANDARD;
use serde::{Deserialize, Serialize};

/// How many bytes are appended with one request at most; as base64 they fit it.
pub const STREAM_BYTES_MAX: usize = 45_000;

/// How many bytes are read with one request at most.
pub const STREAM_READ_MAX_BYTES: usize = 256 * 1_024;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamRequest {
    /// Begin a stream with this name, which was never used before.
    Begin(String),
    /// How the stream with this name is doing.
    Info(String),
    /// Append bytes, in base64, to the stream with this name, if it is so long now.
    Append(String, u64, String),
    /// It has ended.
    End(String),
    /// Follow `KEY/NAME`, from its end if it says so, until nobody who has it was heard for so many seconds. KEY may be
    /// whatever the user calls a key; the answer says it in full.
    Follow(String, bool, u64),
    /// Bytes of `KEY/NAME` from this place on.
    Read(String, u64),
    /// Whoever asks follows it no longer; others may read on.
    Unfollow(String),
}

impl StreamRequest {
    /// The command that says it.
    pub fn command(&self) -> String {
        format!("/stream {}", serde_json::to_string(self).unwrap_or_default())
    }

    /// Bytes to be appended.
    pub fn append(name: &str, length: u64, bytes: &[u8]) -> StreamRequest {
        StreamRequest::Append(name.to_owned(), length, STANDARD.encode_to_string(bytes))
    }
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamAnswer {
    /// How a stream of our own is doing: its length, and milliseconds since somebody asked for it, if anybody did.
    Own(u64, Option<u64>),
    /// Bytes that begin here, in base64, how it is going, and for how many milliseconds nothing was heard of the owner.
    Chunk(u64, String, StreamState, u64),
}

/// How it is going with a stream that is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamState {
    /// Nobody has been found who has it.
    Seeking,
    /// More may come.
    Following,
    /// It has ended, and all of it is there.
    Ended,
    /// Nobody had it.
    NotFound,
    /// Those who had it are silent.
    Stalled,
}

/// What `/stream` asks for.
pub(super) fn parse(rest: &str) -> Result<Request, String> {
    let asked = serde_json::from_str(rest);
    asked.map(Request::Stream).map_err(|_| format!("'{}' is nothing that can be asked about streams", mistake(rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_is_understood_whatever_is_in_a_name() {
        let name = "  a/b  {}\\ ü".to_owned();
        for asked in [
            StreamRequest::Begin(name.clone()),
            StreamRequest::append(&name, u64::MAX, &[0xff; 1_000]),
            StreamRequest::End(name.clone()),
            StreamRequest::Follow(name.clone(), true, 7),
            StreamRequest::Read(name.clone(), 0),
            StreamRequest::Unfollow(name),
        ] {
            assert_eq!(super::super::parse(&asked.command()), Ok(Some(Request::Stream(asked))));
        }
        assert!(parse("{}").is_err_and(|why| !why.contains('\n')));
    }

    #[test]
    fn what_is_appended_at_once_fits_a_request() {
        let command = StreamRequest::append(&"x".repeat(60), u64::MAX, &[7; STREAM_BYTES_MAX]).command();
        assert!(crate::control::request_line(&command).len() <= crate::control::REQUEST_MAX_BYTES);
    }
}
