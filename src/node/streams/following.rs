//! Streams that are followed: who is asked for them, and when.

use super::{READER_PATIENCE, STREAMS_MAX};
use crate::content::Store;
use crate::node::provoked::Kind;
use crate::node::sender::Sender;
use crate::node::{CommandError, Node};
use crate::stream::follow::{Follow, From, KNOCK_PAUSE, Question};
use crate::stream::{BLOCK_BYTES, StreamId};
use crate::time::Time;
use crate::wire::encode::Writer;
use crate::wire::messages::{PleaseSendContent, PleaseSendHoldings, StreamHoldings};
use crate::wire::{DATAGRAM_SEND_MAX_BYTES, Message};
use std::net::SocketAddr;
use std::time::Duration;

/// How soon further peers are asked whether they have a stream.
const SPREAD_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause when there is a source; it doubles up to this. The questions of the first round, or the answers,
/// may have been lost, and with them the best sources.
const SPREAD_SETTLED: Duration = Duration::from_secs(10);

/// How soon the owner is asked again in between: of ten questions one is lost, or its answer, where a twentieth of all
/// datagrams is, and who hears nothing else of the stream hears it only through others for so long.
const OWNER_PAUSE: Duration = Duration::from_millis(250);

/// How many are asked each time.
const SPREAD: usize = 8;

/// With so many sources nobody else is asked: if one goes, there are others.
const SOURCES_ENOUGH: usize = 3;

/// Questions that are put into one datagram.
const QUESTIONS_PER_DATAGRAM: usize = 4;

/// A stream that is followed, or was.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) follow: Follow,
    /// By when somebody has to read it; `None` if nobody reads it any more.
    pub(super) reader: Option<Time>,
    /// How many read it, as far as they have said: whoever is killed says nothing.
    pub(super) readers: usize,
    pub(super) asked: Time,
    /// Whether its owner is looked for.
    pub(super) seeks_owner: bool,
    /// When further peers are to be asked, and the pause after that.
    pub(super) spread: (Time, Duration),
    /// When the owner is to be asked once more, if it is no source by then.
    pub(super) owner_again: Option<Time>,
}

/// Whether it is answered with what somebody has.
fn is_about_holdings(question: &Question) -> bool {
    question.length == 0 || question.length > BLOCK_BYTES
}

impl<S: Store> Node<S> {
    pub(super) fn follow_stream(
        &mut self,
        now: Time,
        id: StreamId,
        from: From,
        patience: Duration,
    ) -> Result<(), CommandError> {
        if let Some(own) = self.streams.own(id.name()).filter(|own| *own.log.log().id() == id) {
            // What we make ourselves we need not follow to read.
            own.patience = own.patience.max(patience);
            own.asked = Some(now);
            return Ok(());
        }
        if let Some(followed) = self.streams.followed(&id)
            && !followed.follow.has_failed()
            && (from == From::End || followed.follow.from() == From::Start)
        {
            followed.reader = Some(now + READER_PATIENCE);
            followed.readers += 1;
            followed.follow.be_patient(patience);
            return Ok(());
        }
        // Who follows from its end goes on where it is when what lies before has come.
        let readers = self.streams.followed(&id).map_or(0, |followed| followed.readers) + 1;
        self.streams.followed.retain(|followed| *followed.follow.id() != id);
        if self.streams.followed.len() >= STREAMS_MAX {
            self.end_reading(now);
            // What nobody has read or asked for the longest goes, and only then what all have just left.
            let unread = self.streams.followed.iter_mut().filter(|followed| followed.readers == 0);
            let unread = unread.min_by_key(|followed| (followed.reader, followed.asked)).ok_or(CommandError::Full)?;
            unread.reader = None;
            let gone = unread.follow.id().clone();
            self.seek_owners(now);
            self.streams.followed.retain(|followed| *followed.follow.id() != gone);
        }
        let follow = Follow::new(now, id, from, patience);
        self.streams.followed.push(Followed {
            follow,
            reader: Some(now + READER_PATIENCE),
            readers,
            asked: now,
            seeks_owner: false,
            spread: (now, SPREAD_PAUSE),
            owner_again: None,
        });
        self.tend_streams(now);
        Ok(())
    }

    /// Asks further peers whether they have what is followed: who is known to be the owner, those who were said to have
    /// it, and any that were heard lately.
    pub(super) fn spread_streams(&mut self, now: Time) {
        for place in 0..self.streams.followed.len() {
            let Some(followed) = self.streams.followed.get_mut(place) else { return };
            if followed.reader.is_none() || followed.follow.is_over() {
                continue;
            }
            if followed.spread.0 > now {
                let is_due = followed.owner_again.take_if(|due| *due <= now).is_some();
                let id = followed.follow.id().clone();
                let owner = self.homes.find(&id.key()).map(|(home, _)| home).filter(|_| is_due);
                owner.into_iter().for_each(|owner| self.knock_for_stream(now, &id, owner, Duration::ZERO));
                continue;
            }
            followed.owner_again = Some(now + OWNER_PAUSE);
            let is_lonely = followed.follow.sources() == 0;
            let pause = if is_lonely { SPREAD_PAUSE } else { followed.spread.1 };
            followed.spread = (now + pause, (pause * 2).min(SPREAD_SETTLED));
            let is_short = followed.follow.sources() < SOURCES_ENOUGH;
            let id = followed.follow.id().clone();
            let owner = self.homes.find(&id.key()).map(|(home, _)| home);
            let named: Vec<SocketAddr> = self.finds.hints(&id.key()).collect();
            let sample = self.peers.sample(4 * SPREAD, &mut self.rng).filter(|peer| peer.is_fresh(now));
            let sample: Vec<SocketAddr> = sample.map(|peer| peer.address).take(SPREAD).collect();
            let holders: Vec<SocketAddr> = self.rumours.holders(id.as_str()).collect();
            // The owner is asked in any case: followers who lost the one they hear may else wait for one another.
            let others = named.into_iter().chain(holders).chain(sample).filter(|_| is_short);
            for address in owner.into_iter().chain(others) {
                self.knock_for_stream(now, &id, address, KNOCK_PAUSE);
            }
        }
    }

    /// Asks a verified peer that somebody named whether it has a stream that is followed.
    pub(in crate::node) fn follow_hint(&mut self, now: Time, id: &StreamId, address: SocketAddr) {
        let followed = self.streams.followed(id);
        let may_knock =
            followed.is_some_and(|it| it.reader.is_some() && it.follow.may_knock(now, address, KNOCK_PAUSE));
        if may_knock && self.provoked.may_provoke(now, Kind::Hint, address) {
            self.knock_for_stream(now, id, address, KNOCK_PAUSE);
        }
    }

    /// Asks a verified peer whether it has a stream that is followed, if the last time was this long ago.
    pub(in crate::node) fn knock_for_stream(&mut self, now: Time, id: &StreamId, address: SocketAddr, pause: Duration) {
        if self.peers.get(address).is_none() {
            return;
        }
        let Some(followed) = self.streams.followed(id) else { return };
        if followed.reader.is_none() || !followed.follow.knock(now, address, pause) {
            return;
        }
        let offset = followed.follow.knock_offset();
        let mut writer = Writer::default();
        let text = || id.as_str().into();
        writer.push(&Message::PleaseSendHoldings(PleaseSendHoldings { id: text() }), DATAGRAM_SEND_MAX_BYTES);
        if let Some(offset) = offset {
            let length = BLOCK_BYTES;
            let question = PleaseSendContent { id: text(), offset, length };
            writer.push(&Message::PleaseSendContent(question), DATAGRAM_SEND_MAX_BYTES);
        }
        self.finish_note(address, &mut writer, true);
    }

    /// Somebody has been verified: perhaps they have what is looked for.
    pub(in crate::node) fn knock_for_streams(&mut self, now: Time, address: SocketAddr) {
        let is_short = |followed: &&Followed| followed.follow.sources() < SOURCES_ENOUGH;
        let ids = self.streams.followed.iter().filter(is_short).map(|followed| followed.follow.id().clone());
        let ids: Vec<StreamId> = ids.collect();
        for id in ids {
            self.knock_for_stream(now, &id, address, KNOCK_PAUSE);
        }
        if self.streams.followed.iter().any(|followed| followed.seeks_owner) {
            self.finds.hurry(now);
            self.tend_finds(now);
        }
    }

    /// Nobody reads what should have been read by now.
    pub(super) fn end_reading(&mut self, now: Time) {
        for followed in &mut self.streams.followed {
            if followed.reader.is_some_and(|by| by <= now) {
                (followed.reader, followed.readers, followed.asked) = (None, 0, now);
            }
        }
        self.seek_owners(now);
    }

    /// While nobody has been found who has a stream its owner is looked for, as for a private message.
    fn seek_owners(&mut self, now: Time) {
        for place in 0..self.streams.followed.len() {
            let Some(followed) = self.streams.followed.get_mut(place) else { return };
            let (follow, key) = (&followed.follow, followed.follow.id().key());
            let seeks = followed.reader.is_some() && !follow.is_over() && follow.sources() == 0;
            let sought = std::mem::replace(&mut followed.seeks_owner, seeks);
            if seeks {
                self.find(now, key);
            } else if sought && !self.streams.seeks(&key) && !self.private.awaits(&key) {
                self.finds.end(&key);
            }
        }
    }

    /// Asks what there is to ask.
    pub(super) fn drive_streams(&mut self, now: Time) {
        let mut questions = std::mem::take(&mut self.streams.questions);
        for place in 0..self.streams.followed.len() {
            let Some(followed) = self.streams.followed.get_mut(place).filter(|it| it.reader.is_some()) else {
                continue;
            };
            followed.follow.ask(now, &mut questions);
            let id = followed.follow.id().clone();
            let mut rest = &questions[..];
            while let Some(first) = rest.first() {
                let count = rest.iter().take(QUESTIONS_PER_DATAGRAM).take_while(|other| other.to == first.to).count();
                let (these, others) = rest.split_at(count);
                let mut writer = Writer::default();
                for Question { offset, length, .. } in these.iter().copied() {
                    let text = id.as_str().into();
                    let question = match length {
                        0 => Message::PleaseSendHoldings(PleaseSendHoldings { id: text }),
                        _ => Message::PleaseSendContent(PleaseSendContent { id: text, offset, length }),
                    };
                    writer.push(&question, DATAGRAM_SEND_MAX_BYTES);
                }
                // What it says about what it has is believed with our token only.
                self.finish_note(first.to, &mut writer, is_about_holdings(first));
                rest = others;
            }
            questions.clear();
        }
        self.streams.questions = questions;
    }

    /// Somebody says which part of a stream they have. Who knows this word returns our token with it.
    pub(in crate::node) fn take_stream_holdings(&mut self, now: Time, sender: &Sender, holdings: &StreamHoldings<'_>) {
        if !sender.is_proven() {
            return;
        }
        let followed = self.streams.followed.iter_mut().find(|followed| followed.follow.id().as_str() == &*holdings.id);
        if let Some(followed) = followed {
            let age = Duration::from_millis(holdings.age);
            followed.follow.take_holdings(now, sender.address, (holdings.from, holdings.to), age);
            self.drive_streams(now);
        }
    }
}
