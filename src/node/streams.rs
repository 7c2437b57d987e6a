//! Signed streams: our own, those that are followed, and answering for both.
//!
//! Only the user begins or follows one. Who returned our token may ask for what is not there yet, and is sent it when
//! it comes; everybody else is answered within the budget for strangers, in which no block fits. Blocks that we asked
//! for are opened here, once, and cost nothing of what may be spent on other envelopes; forged ones have a limit.

mod serving;

use super::dispatch::Sender;
use super::{CommandError, Node, StreamCommand};
use crate::content::Store;
use crate::identity::opening::ENVELOPES_MAX;
use crate::peers::address::{makes_sense_to, network, plain};
use crate::peers::heard::Source;
use crate::rate::{Limiter, Rate};
use crate::sizes::{Size, no_table};
use crate::stream::StreamId;
use crate::stream::block::Block;
use crate::stream::follow::{Chunk, Follow, From, Question, State};
use crate::stream::log::{Kept, Log, OwnLog};
use crate::stream::waiting::Waiting;
use crate::time::Time;
use crate::wire::encode::Writer;
use crate::wire::messages::{MaybeTheyHaveSome, PleaseSendContent, PleaseSendHoldings, StreamHoldings};
use crate::wire::{DATAGRAM_SEND_MAX_BYTES, Message};
use std::net::SocketAddr;
use std::time::Duration;

/// How many streams of our own there are at a time, and how many that are followed. With 32 MiB each they take 256 MiB
/// at most.
pub const STREAMS_MAX: usize = 4;

/// How much is appended by one command: four blocks for each of those who wait fit the queue of datagrams.
pub const APPEND_MAX_BYTES: usize = 16_384;

/// How soon the block that grows is signed again. All of it travels each time, so twenty times a second costs at most
/// 120 kB/s for each follower; nobody sees the difference.
const SIGN_PAUSE: Duration = Duration::from_millis(50);

/// How many blocks are opened that turn out to be forged: as much time as strangers get, a twentieth of a core. To
/// spend it, an attacker has to know whom we ask for which block; while it lasts, real ones may be missed, and are
/// asked for again.
const FORGED_RATE: Rate = Rate { burst: 25, interval: Duration::from_micros(2_500) };

/// Who follows has to read now and then, or is gone.
const READER_PATIENCE: Duration = Duration::from_secs(30);

/// What nobody here reads any more is passed on for so long after somebody asked for it.
const PASSED_ON: Duration = Duration::from_secs(60);

/// How soon further peers are asked whether they have a stream.
const SPREAD_PAUSE: Duration = Duration::from_secs(1);

/// How soon when there is a source.
const SPREAD_SETTLED: Duration = Duration::from_secs(10);

/// How many are asked each time.
const SPREAD: usize = 8;

/// With so many sources nobody else is asked: if one goes, there are others.
const SOURCES_ENOUGH: usize = 3;

/// Questions that are put into one datagram.
const QUESTIONS_PER_DATAGRAM: usize = 4;

/// A stream of our own.
#[derive(Debug)]
struct Own {
    log: OwnLog,
    /// When its last block was signed.
    signed: Time,
    /// When somebody asked for it last.
    asked: Option<Time>,
}

/// A stream that is followed, or was.
#[derive(Debug)]
struct Followed {
    follow: Follow,
    /// When it was read last; `None` if nobody reads it any more.
    reader: Option<Time>,
    asked: Time,
    /// When further peers are to be asked.
    spread: Time,
}

/// All streams.
#[derive(Debug, Default)]
pub(super) struct Streams {
    own: Vec<Own>,
    followed: Vec<Followed>,
    waiting: Waiting,
    forged: Limiter,
    questions: Vec<Question>,
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

/// Whether it is answered with what somebody has.
fn is_about_holdings(question: &Question) -> bool {
    question.length == 0 || question.length > crate::stream::BLOCK_BYTES
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

    /// Whether nothing is due soon.
    pub(super) fn is_idle(&self) -> bool {
        self.own.is_empty() && self.followed.is_empty()
    }

    pub(super) fn due(&self) -> Option<Time> {
        let own = self.own.iter().filter(|own| own.log.is_unsigned()).map(|own| own.signed + SIGN_PAUSE);
        let followed = self.followed.iter().map(|followed| match followed.reader {
            None => followed.asked + PASSED_ON,
            Some(reader) => {
                let spread = (!followed.follow.is_over()).then_some(followed.spread);
                let soonest = [Some(reader + READER_PATIENCE), spread, followed.follow.due()];
                soonest.into_iter().flatten().fold(reader + READER_PATIENCE, Time::min)
            }
        });
        own.chain(followed).min()
    }

    /// How full the tables are.
    pub(super) fn sizes(&self) -> Vec<Size> {
        let Streams { own, followed, waiting, forged, questions } = self;
        no_table(forged);
        let mut sizes = vec![
            Size::new("streams of our own", own.len(), STREAMS_MAX),
            Size::new("streams that are followed", followed.len(), STREAMS_MAX),
            Size::new("questions about streams to put", questions.len(), 0),
            waiting.size(),
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
                let followed = self.streams.followed(&id).filter(|followed| followed.reader.is_some());
                let followed = followed.ok_or(CommandError::NotFollowing)?;
                (followed.reader, followed.asked) = (None, now);
                Ok(())
            }
        }
    }

    fn begin_stream(&mut self, now: Time, name: &str) -> Result<(), CommandError> {
        let id = StreamId::own(self.identity.public(), name).map_err(CommandError::BadStreamName)?;
        if self.streams.own(name).is_some() {
            return Err(CommandError::StreamExists);
        }
        if self.streams.own.len() >= STREAMS_MAX {
            // The oldest that has ended makes room.
            let ended = self.streams.own.iter().position(|own| own.log.log().eof().is_some());
            self.streams.own.remove(ended.ok_or(CommandError::Full)?);
        }
        self.streams.own.push(Own { log: OwnLog::new(id), signed: now, asked: None });
        Ok(())
    }

    fn append_to_stream(&mut self, now: Time, name: &str, bytes: &[u8]) -> Result<(), CommandError> {
        if bytes.len() > APPEND_MAX_BYTES {
            return Err(CommandError::TooMuch);
        }
        let own = self.streams.own(name).ok_or(CommandError::NoStream)?;
        if !own.log.append(&self.identity, bytes) {
            return Err(CommandError::NoStream);
        }
        let id = own.log.log().id().clone();
        self.sign_stream(now, name);
        self.push_stream(now, &id);
        Ok(())
    }

    /// Signs what was appended, if that is due.
    fn sign_stream(&mut self, now: Time, name: &str) {
        let Some(own) = self.streams.own.iter_mut().find(|own| own.log.log().id().name() == name) else { return };
        if own.log.is_unsigned() && now.since(own.signed) >= SIGN_PAUSE {
            own.log.sign(&self.identity, false);
            own.signed = now;
        }
    }

    fn end_stream(&mut self, now: Time, name: &str) -> Result<(), CommandError> {
        let own = self.streams.own.iter_mut().find(|own| own.log.log().id().name() == name);
        let own = own.filter(|own| own.log.log().eof().is_none()).ok_or(CommandError::NoStream)?;
        own.log.sign(&self.identity, true);
        let id = own.log.log().id().clone();
        self.push_stream(now, &id);
        Ok(())
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

    fn follow_stream(&mut self, now: Time, id: StreamId, from: From, patience: Duration) -> Result<(), CommandError> {
        if let Some(followed) = self.streams.followed(&id)
            && !followed.follow.has_failed()
        {
            followed.reader = Some(now);
            return Ok(());
        }
        self.streams.followed.retain(|followed| *followed.follow.id() != id);
        if self.streams.followed.len() >= STREAMS_MAX {
            let unread = self.streams.followed.iter().position(|followed| followed.reader.is_none());
            self.streams.followed.remove(unread.ok_or(CommandError::Full)?);
        }
        let follow = Follow::new(now, id, from, patience);
        self.streams.followed.push(Followed { follow, reader: Some(now), asked: now, spread: now });
        self.tend_streams(now);
        Ok(())
    }

    /// Bytes of a stream that is followed, or of our own, for a reader who has all before `offset`.
    pub fn read_stream(&mut self, now: Time, id: &StreamId, offset: u64, most: usize) -> Option<Chunk> {
        if let Some(own) = self.streams.own.iter().find(|own| own.log.log().id() == id) {
            let log = own.log.log();
            let offset = offset.max(log.first() * crate::stream::BLOCK_BYTES);
            let bytes = log.read(offset, most);
            let is_over = bytes.is_empty() && log.eof().is_some();
            return Some(Chunk { offset, bytes, state: if is_over { State::Ended } else { State::Following } });
        }
        let followed = self.streams.followed(id)?;
        followed.reader = Some(now);
        Some(followed.follow.read(offset, most))
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
        for followed in &mut self.streams.followed {
            if followed.reader.is_some_and(|reader| now.since(reader) >= READER_PATIENCE) {
                (followed.reader, followed.asked) = (None, now);
            }
        }
        let is_kept = |followed: &Followed| followed.reader.is_some() || now.since(followed.asked) < PASSED_ON;
        self.streams.followed.retain(is_kept);
        self.spread_streams(now);
        self.drive_streams(now);
    }

    /// Asks further peers whether they have what is followed: who is known to be the owner, those who were said to have
    /// it, and any that were heard lately.
    fn spread_streams(&mut self, now: Time) {
        for place in 0..self.streams.followed.len() {
            let Some(followed) = self.streams.followed.get_mut(place) else { return };
            if followed.reader.is_none() || followed.follow.is_over() || followed.spread > now {
                continue;
            }
            let is_lonely = followed.follow.sources() == 0;
            followed.spread = now + if is_lonely { SPREAD_PAUSE } else { SPREAD_SETTLED };
            if followed.follow.sources() >= SOURCES_ENOUGH {
                continue;
            }
            let id = followed.follow.id().clone();
            let owner = self.homes.find(&id.key()).map(|(home, _)| home);
            let sample = self.peers.sample(4 * SPREAD, &mut self.rng).filter(|peer| peer.is_fresh(now));
            let sample: Vec<SocketAddr> = sample.map(|peer| peer.address).take(SPREAD).collect();
            let holders: Vec<SocketAddr> = self.rumours.holders(id.as_str()).collect();
            for address in owner.into_iter().chain(holders).chain(sample) {
                self.knock_for_stream(now, &id, address);
            }
        }
    }

    /// Asks a verified peer whether it has a stream that is followed.
    fn knock_for_stream(&mut self, now: Time, id: &StreamId, address: SocketAddr) {
        if self.peers.get(address).is_none() {
            return;
        }
        let Some(followed) = self.streams.followed(id) else { return };
        if followed.reader.is_none() || !followed.follow.knock(now, address) {
            return;
        }
        let offset = followed.follow.knock_offset();
        let mut writer = Writer::default();
        let text = || id.as_str().into();
        writer.push(&Message::PleaseSendHoldings(PleaseSendHoldings { id: text() }), DATAGRAM_SEND_MAX_BYTES);
        if let Some(offset) = offset {
            let length = crate::stream::BLOCK_BYTES;
            let question = PleaseSendContent { id: text(), offset, length };
            writer.push(&Message::PleaseSendContent(question), DATAGRAM_SEND_MAX_BYTES);
        }
        self.finish_note(address, &mut writer, true);
    }

    /// Somebody has been verified: perhaps they have what is looked for.
    pub(super) fn knock_for_streams(&mut self, now: Time, address: SocketAddr) {
        let is_short = |followed: &&Followed| followed.follow.sources() < SOURCES_ENOUGH;
        let ids = self.streams.followed.iter().filter(is_short).map(|followed| followed.follow.id().clone());
        let ids: Vec<StreamId> = ids.collect();
        for id in ids {
            self.knock_for_stream(now, &id, address);
        }
    }

    /// Asks what there is to ask.
    fn drive_streams(&mut self, now: Time) {
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

    /// Takes the blocks in a datagram that belong to what is followed. True if there are any, of use or not: then
    /// nothing else in it is opened.
    pub(super) fn take_stream_blocks(&mut self, now: Time, from: SocketAddr, messages: &[Message<'_>]) -> bool {
        if self.streams.followed.is_empty() {
            return false;
        }
        let mut is_block = false;
        let mut grown: Vec<StreamId> = Vec::new();
        for message in messages.iter().take(ENVELOPES_MAX) {
            let Message::SignedMessage(signed) = message else { continue };
            for followed in self.streams.followed.iter_mut().filter(|followed| followed.follow.expects(from)) {
                let Some(claim) = Block::claim(followed.follow.id(), signed) else { continue };
                is_block = true;
                if followed.reader.is_none() || !followed.follow.wants(&claim) {
                    followed.follow.heard_from(from);
                    self.counters.stream_blocks_useless += 1;
                    continue;
                }
                let index = claim.index;
                let block = self.streams.forged.is_within(now, FORGED_RATE).then(|| claim.check(signed));
                let Some(Ok(block)) = block else {
                    self.streams.forged.allow(now, FORGED_RATE);
                    self.counters.stream_blocks_forged += 1;
                    continue;
                };
                match followed.follow.take_block(now, from, index, block) {
                    Kept::New | Kept::Longer => grown.push(followed.follow.id().clone()),
                    Kept::Conflict => self.counters.stream_blocks_conflicting += 1,
                    Kept::Known | Kept::Outside => self.counters.stream_blocks_useless += 1,
                }
            }
        }
        for id in grown {
            self.push_stream(now, &id);
        }
        if is_block {
            self.drive_streams(now);
        }
        is_block
    }

    /// Somebody says which part of a stream they have. Who knows this word returns our token with it.
    pub(super) fn take_stream_holdings(&mut self, now: Time, sender: &Sender, holdings: &StreamHoldings<'_>) {
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

    /// Somebody names others that might have a stream.
    pub(super) fn take_stream_maybe(&mut self, now: Time, sender: &Sender, maybe: &MaybeTheyHaveSome<'_>) {
        let followed = self.streams.followed.iter_mut().find(|followed| followed.follow.id().as_str() == &*maybe.id);
        let Some(followed) = followed.filter(|followed| followed.follow.expects(sender.address)) else { return };
        if sender.is_verified() {
            followed.follow.disown(sender.address);
        }
        let id = followed.follow.id().clone();
        // Anybody can speak in the name of somebody we asked.
        let source = if sender.is_proven() { Source::Peer(network(sender.address.ip())) } else { Source::Hearsay };
        for name in maybe.peers.0.iter().take(SPREAD) {
            let address = name.parse().ok().map(plain);
            let Some(address) = address.filter(|address| makes_sense_to(*address, sender.address)) else {
                self.counters.addresses_ignored += 1;
                continue;
            };
            if self.peers.get(address).is_some() {
                self.knock_for_stream(now, &id, address);
            } else if self.heard.insert(now, address, source) {
                // Once it is verified it is asked, as everybody is who is new.
                self.contact(now, address);
            }
        }
    }
}
