//! Streams of our own: begun, fed, signed and ended.
//!
//! Only who feeds a stream can end it. One that is fed no longer because the process that did was killed is not ended
//! by us: its end would say that all of it is there. It goes on to be passed on, and whoever asks is told how long ago
//! it was fed, so that followers can give up.

use super::STREAMS_MAX;
use crate::content::Store;
use crate::node::{CommandError, Node};
use crate::stream::follow::{Chunk, State};
use crate::stream::log::OwnLog;
use crate::stream::{BLOCK_BYTES, StreamId};
use crate::time::Time;
use std::time::Duration;

/// How much is appended by one command: four blocks for each of those who wait fit the queue of datagrams.
pub const APPEND_MAX_BYTES: usize = 16_384;

/// How soon the block that grows is signed again. All of it travels each time, so twenty times a second costs at most
/// 120 kB/s for each follower; nobody sees the difference.
pub(super) const SIGN_PAUSE: Duration = Duration::from_millis(50);

/// Who feeds a stream says something every two seconds, if only that there is nothing new. After this time without a
/// word it counts as gone. A stop of the whole machine, or of the node, is over before anybody is told.
pub const FED_PATIENCE: Duration = Duration::from_secs(10);

/// A stream of our own.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) log: OwnLog,
    /// When its last block was signed.
    pub(super) signed: Time,
    /// When somebody asked for it last.
    pub(super) asked: Option<Time>,
    /// When who feeds it was heard last.
    fed: Time,
    /// How long who reads it here waits for that.
    pub(super) patience: Duration,
}

/// How a stream of our own is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamInfo {
    /// How long it is, in bytes.
    pub length: u64,
    /// Whether it has ended.
    pub is_ended: bool,
    /// How long ago somebody asked for it, if anybody did.
    pub asked_ago: Option<Duration>,
}

impl Own {
    /// When it was heard last of who feeds it, for those who ask; now, as long as there is no reason to doubt it.
    pub(super) fn heard(&self, now: Time) -> Time {
        let is_sound = self.log.log().eof().is_some() || now.since(self.fed) < FED_PATIENCE;
        if is_sound { now } else { self.fed }
    }

    /// Whether nothing more will come.
    fn is_done(&self, now: Time) -> bool {
        self.log.log().eof().is_some() || self.heard(now) < now
    }

    /// Bytes for a reader on this node who has all before `offset`.
    pub(super) fn read(&self, now: Time, offset: u64, most: usize) -> Chunk {
        let log = self.log.log();
        let offset = offset.max(log.first() * BLOCK_BYTES);
        let bytes = log.read(offset, most);
        let state = match log.eof() {
            _ if !bytes.is_empty() => State::Following,
            Some(_) => State::Ended,
            None if self.is_done(now) && now.since(self.fed) >= self.patience => State::Stalled,
            None => State::Following,
        };
        Chunk { offset, bytes, state, silent: now.since(self.heard(now)) }
    }
}

impl<S: Store> Node<S> {
    pub(super) fn begin_stream(&mut self, now: Time, name: &str) -> Result<(), CommandError> {
        let id = StreamId::own(self.identity.public(), name).map_err(CommandError::BadStreamName)?;
        if let Some(own) = self.streams.own(name) {
            if own.log.length() > 0 || own.log.log().eof().is_some() {
                return Err(CommandError::StreamExists);
            }
            // The same command once more, because the answer was lost, or because nothing came the last time. Nothing
            // has been signed.
            own.fed = now;
            return Ok(());
        }
        if self.streams.own.len() >= STREAMS_MAX {
            // The oldest that has ended, or is fed no longer, makes room.
            let done = self.streams.own.iter().position(|own| own.is_done(now));
            self.streams.own.remove(done.ok_or(CommandError::Full)?);
        }
        let (log, patience) = (OwnLog::new(id), FED_PATIENCE);
        self.streams.own.push(Own { log, signed: now, asked: None, fed: now, patience });
        Ok(())
    }

    /// Appends bytes to a stream; none to say that there is nothing new.
    pub(super) fn append_to_stream(&mut self, now: Time, name: &str, bytes: &[u8]) -> Result<(), CommandError> {
        if bytes.len() > APPEND_MAX_BYTES {
            return Err(CommandError::TooMuch);
        }
        let own = self.streams.own(name).ok_or(CommandError::NoStream)?;
        if !own.log.append(&self.identity, bytes) {
            return Err(CommandError::NoStream);
        }
        own.fed = now;
        let id = own.log.log().id().clone();
        self.sign_stream(now, name);
        self.push_stream(now, &id);
        Ok(())
    }

    /// Signs what was appended, if that is due.
    pub(super) fn sign_stream(&mut self, now: Time, name: &str) {
        let Some(own) = self.streams.own.iter_mut().find(|own| own.log.log().id().name() == name) else { return };
        if own.log.is_unsigned() && now.since(own.signed) >= SIGN_PAUSE {
            own.log.sign(&self.identity, false);
            own.signed = now;
        }
    }

    pub(super) fn end_stream(&mut self, now: Time, name: &str) -> Result<(), CommandError> {
        let own = self.streams.own.iter_mut().find(|own| own.log.log().id().name() == name);
        let own = own.ok_or(CommandError::NoStream)?;
        if own.log.log().eof().is_some() {
            return Ok(());
        }
        own.log.sign(&self.identity, true);
        let id = own.log.log().id().clone();
        self.push_stream(now, &id);
        Ok(())
    }

    /// What of these bytes, which are to lie from `offset` on, is still to be appended to a stream of our own: who got
    /// no answer asks once more. `None` if there is no such stream, or something else lies there.
    pub fn unappended<'a>(&self, name: &str, offset: u64, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let own = self.streams.own.iter().find(|own| own.log.log().id().name() == name)?;
        own.log.unappended(offset, bytes)
    }

    /// The names of the streams of our own that have not ended.
    pub fn growing_streams(&self) -> Vec<String> {
        let logs = self.streams.own.iter().map(|own| own.log.log());
        logs.filter(|log| log.eof().is_none()).map(|log| log.id().name().to_owned()).collect()
    }

    /// How a stream of our own is doing, if there is one of this name.
    pub fn stream_info(&self, now: Time, name: &str) -> Option<StreamInfo> {
        let own = self.streams.own.iter().find(|own| own.log.log().id().name() == name)?;
        Some(StreamInfo {
            length: own.log.length(),
            is_ended: own.log.log().eof().is_some(),
            asked_ago: own.asked.map(|asked| now.since(asked)),
        })
    }
}
