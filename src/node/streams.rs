//! Signed streams: our own, those that are followed, and answering for both.
//!
//! Only the user begins or follows one. Who returned our token may ask for what is not there yet, and is sent it when
//! it comes; everybody else is answered within the budget for strangers, in which no block fits. Blocks that we asked
//! for are opened here, once, and cost nothing of what may be spent on other envelopes; forged ones have a limit.

mod blocks;
mod following;
mod forgers;
mod own;
mod serving;

pub use own::{APPEND_MAX_BYTES, FED_PATIENCE, StreamInfo};

use super::{CommandError, Node, StreamCommand};
use crate::content::Store;
use crate::identity::PublicKey;
use crate::sizes::Size;
use crate::stream::StreamId;
use crate::stream::follow::{Chunk, Question};
use crate::stream::log::Log;
use crate::stream::waiting::Waiting;
use crate::time::Time;
use following::Followed;
use forgers::Forgers;
use own::{Own, SIGN_PAUSE};
use std::net::SocketAddr;
use std::time::Duration;

/// How many streams of our own there are at a time, and how many that are followed. With 32 MiB each they take 256 MiB
/// at most.
pub const STREAMS_MAX: usize = 4;

/// Who follows has to read now and then, or is gone.
const READER_PATIENCE: Duration = Duration::from_secs(30);

/// Who says that it is gone may not have been the only one: whoever else follows reads within so long, as it does every
/// 20 ms, and what the node does for it goes on. For one who is slower it begins again with the next read.
const LAST_CALL: Duration = Duration::from_secs(2);

/// What nobody here reads any more is passed on for so long after somebody asked for it.
const PASSED_ON: Duration = Duration::from_secs(60);

/// All streams.
#[derive(Debug, Default)]
pub(super) struct Streams {
    own: Vec<Own>,
    followed: Vec<Followed>,
    waiting: Waiting,
    forgers: Forgers,
    questions: Vec<Question>,
}

impl Streams {
    fn own(&mut self, name: &str) -> Option<&mut Own> {
        self.own.iter_mut().find(|own| own.log.log().id().name() == name)
    }

    fn followed(&mut self, id: &StreamId) -> Option<&mut Followed> {
        self.followed.iter_mut().find(|followed| followed.follow.id() == id)
    }

    /// What there is of a stream.
    fn log(&self, id: &str) -> Option<&Log> {
        let own = self.own.iter().map(|own| own.log.log());
        own.chain(self.followed.iter().map(|followed| followed.follow.log())).find(|log| log.id().as_str() == id)
    }

    /// The stream of this id, if it is followed and somebody was asked for it at this address.
    pub(super) fn asks_for(&self, id: &str, address: SocketAddr) -> Option<StreamId> {
        let followed = self.followed.iter().find(|followed| followed.follow.id().as_str() == id)?;
        followed.follow.expects(address).then(|| followed.follow.id().clone())
    }

    /// Somebody says for itself that others have a stream. Who has sent something of it may say so too.
    pub(super) fn disown(&mut self, id: &StreamId, address: SocketAddr) {
        self.followed(id).into_iter().for_each(|followed| followed.follow.disown(address));
    }

    /// Whether the owner of a stream is looked for that has this key.
    pub(super) fn seeks(&self, key: &PublicKey) -> bool {
        self.followed.iter().any(|followed| followed.seeks_owner && followed.follow.id().key() == *key)
    }

    /// Whether nothing is due soon.
    pub(super) fn is_idle(&self) -> bool {
        self.own.is_empty() && self.followed.is_empty()
    }

    pub(super) fn due(&self) -> Option<Time> {
        let own = self.own.iter().filter(|own| own.log.is_unsigned()).map(|own| own.signed + SIGN_PAUSE);
        let followed = self.followed.iter().map(|followed| match followed.reader {
            None => followed.asked + PASSED_ON,
            Some(until) => {
                let spread = (!followed.follow.is_over()).then_some(followed.spread.0);
                let again = followed.owner_again.filter(|_| spread.is_some());
                [spread, again, followed.follow.due()].into_iter().flatten().fold(until, Time::min)
            }
        });
        own.chain(followed).min()
    }

    /// How full the tables are.
    pub(super) fn sizes(&self) -> Vec<Size> {
        let Streams { own, followed, waiting, forgers, questions } = self;
        let mut sizes = vec![
            Size::new("streams of our own", own.len(), STREAMS_MAX),
            Size::new("streams that are followed", followed.len(), STREAMS_MAX),
            Size::new("questions about streams to put", questions.len(), 0),
            waiting.size(),
            forgers.size(),
        ];
        for own in own {
            let log = own.log.log();
            sizes.push(Size::new("blocks of a stream of our own", log.places(), crate::stream::log::PLACES_MAX));
            sizes.push(Size::new("bytes of a growing block", own.log.growing(), crate::stream::BLOCK_BYTES as usize));
        }
        sizes.extend(followed.iter().flat_map(|followed| followed.follow.sizes()));
        sizes
    }
}

impl<S: Store> Node<S> {
    pub(super) fn command_stream(&mut self, now: Time, command: StreamCommand) -> Result<(), CommandError> {
        match command {
            StreamCommand::Begin(name) => self.begin_stream(now, &name),
            StreamCommand::Append(name, bytes) => self.append_to_stream(now, &name, &bytes),
            StreamCommand::End(name) => self.end_stream(now, &name),
            StreamCommand::Follow { id, from, patience } => self.follow_stream(now, id, from, patience),
            StreamCommand::Unfollow(id) => {
                let followed = self.streams.followed(&id).ok_or(CommandError::NotFollowing)?;
                let until = followed.reader.as_mut().ok_or(CommandError::NotFollowing)?;
                *until = (now + LAST_CALL).min(*until);
                followed.readers = followed.readers.saturating_sub(1);
                Ok(())
            }
        }
    }

    /// Bytes of a stream that is followed, or of our own, for a reader who has all before `offset`.
    pub fn read_stream(&mut self, now: Time, id: &StreamId, offset: u64, most: usize) -> Option<Chunk> {
        if let Some(own) = self.streams.own.iter().find(|own| own.log.log().id() == id) {
            return Some(own.read(now, offset, most));
        }
        let followed = self.streams.followed(id)?;
        followed.reader = Some(now + READER_PATIENCE);
        followed.readers = followed.readers.max(1);
        Some(followed.follow.read(now, offset, most))
    }

    /// Does what is due.
    pub(super) fn tend_streams(&mut self, now: Time) {
        if self.streams.is_idle() {
            return;
        }
        for place in 0..self.streams.own.len() {
            let Some(own) = self.streams.own.get(place) else { break };
            if own.log.is_unsigned() && now.since(own.signed) >= SIGN_PAUSE {
                let id = own.log.log().id().clone();
                self.sign_stream(now, id.name());
                self.push_stream(now, &id);
            }
        }
        self.end_reading(now);
        let is_kept = |followed: &Followed| followed.reader.is_some() || now.since(followed.asked) < PASSED_ON;
        self.streams.followed.retain(is_kept);
        self.spread_streams(now);
        self.drive_streams(now);
    }
}
