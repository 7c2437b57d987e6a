//! Following a stream that somebody else owns: what is missing, whom to ask for it, and what to wait for.
//!
//! There are two kinds of questions. The **tail question** asks one source for what comes next, as far as a megabyte
//! ahead: it sends that as it comes, so nothing is behind by more than the way. Everything else is **repair**, asked
//! for block by block at the pace that each path carries: what was lost, what was there before we came, and what we
//! missed while the path was slower than the stream. While much is to be repaired nothing new is asked for.
//!
//! What a source says that it has is a hint, by which it is asked and nobody else. Nothing is skipped before a block
//! behind the gap is here with its owner's signature.
//!
//! It knows no datagrams and no peers, starts nothing by itself, and refuses blocks that it has no use for before their
//! signature costs anything.

mod asking;
mod source;

pub use source::{Question, SOURCES_MAX};

use super::block::{Block, Claim};
use super::log::{Kept, Log};
use super::{BLOCK_BYTES, LENGTH_MAX, StreamId, index};
use crate::sizes::Size;
use crate::sorted::SortedMap;
use crate::time::Time;
use asking::Tail;
use source::Source;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// How far ahead of the reader anything is asked for, in bytes: who reads slowly is not flooded, and four seconds at 1
/// MB/s can be on their way.
pub const AHEAD_MAX_BYTES: u64 = 4 << 20;

/// How long a block may be overtaken by later ones before it counts as lost, at first. It grows by a quarter whenever
/// one comes after all.
const REORDERING_FIRST: Duration = Duration::from_millis(20);

/// It grows up to this: more costs more than asking in vain.
const REORDERING_MAX: Duration = Duration::from_millis(100);

/// Overtaken blocks that are noted one by one; with more, the newest note stands for all.
const NOTICED_MAX: usize = 256;

/// How long nobody may have what is needed next before it is given up.
const STUCK: Duration = Duration::from_millis(500);

/// Addresses that were asked whether they have it, and may answer.
pub const KNOCKED_MAX: usize = 64;

/// How long an answer is waited for of an address that was asked.
const KNOCK_PATIENCE: Duration = Duration::from_secs(2);

/// How soon it is asked again: the question may have been lost, or have come before there was anything to say.
pub const KNOCK_PAUSE: Duration = Duration::from_millis(900);

/// Where to begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum From {
    /// With the first byte that anybody still has.
    #[default]
    Start,
    /// With the block that grows.
    End,
}

/// How it is going.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nobody has been found who has it.
    Seeking,
    /// Somebody has it; more may come.
    Following,
    /// The stream has ended, and all of it is here.
    Ended,
    /// Nobody had it within the user's patience.
    NotFound,
    /// Those who had it have been silent for longer than the user's patience.
    Stalled,
}

/// What a reader gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Where the bytes begin. What is between that and the wanted place cannot be had any more.
    pub offset: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// How it is going; it has not ended while there are bytes to read.
    pub state: State,
    /// For how long nothing was heard of the owner, or since somebody here began to follow, if nothing ever was.
    /// Several may read with a patience of their own.
    pub silent: Duration,
}

/// Whom a block was asked of.
#[derive(Clone, Copy, Debug)]
struct Asked {
    of: SocketAddr,
    /// Whether it counts as lost. Then somebody else is asked, if there is anybody: two who lack the same block may
    /// each take the other for one who has it, because what they say is where they end.
    is_lost: bool,
}

/// One stream that is followed.
#[derive(Debug)]
pub struct Follow {
    log: Log,
    from: From,
    /// Whether it is known where to begin.
    is_placed: bool,
    /// What the reader has taken ends here.
    read: u64,
    /// The first block that is not there for good.
    front: u64,
    sources: Vec<Source>,
    /// The blocks that were asked for one by one, until they come.
    asked: SortedMap<u64, Asked>,
    reordering: Duration,
    /// Blocks before this one are lost if they are not there.
    overtaken: u64,
    /// When further ones will be.
    noticed: VecDeque<(Time, u64)>,
    tail: Tail,
    stuck_since: Option<Time>,
    /// A block behind what cannot be had, where to go on once it is here; and when it was asked for.
    leap: Option<(u64, Time)>,
    /// Who was asked, when first, and when last.
    knocked: Vec<(SocketAddr, Time, Time)>,
    /// When somebody was heard last who has it.
    heard: Option<Time>,
    since: Time,
    patience: Duration,
    failed: Option<State>,
    turn: usize,
    /// How many blocks are missing of those that somebody has.
    missing: u64,
    lost: Vec<u64>,
}

impl Follow {
    /// Begins to follow a stream. It is given up when nobody who has it has been heard for `patience`.
    pub fn new(now: Time, id: StreamId, from: From, patience: Duration) -> Follow {
        Follow {
            log: Log::new(id, 0),
            from,
            is_placed: false,
            read: 0,
            front: 0,
            sources: Vec::new(),
            asked: SortedMap::new(),
            overtaken: 0,
            reordering: REORDERING_FIRST,
            noticed: VecDeque::new(),
            tail: Tail::new(now),
            stuck_since: None,
            leap: None,
            knocked: Vec::new(),
            heard: None,
            since: now,
            patience,
            failed: None,
            turn: 0,
            missing: 0,
            lost: Vec::new(),
        }
    }

    /// What is there of it.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Where it was begun.
    pub fn from(&self) -> From {
        self.from
    }

    /// Somebody else follows it too, and may be more patient.
    pub fn be_patient(&mut self, patience: Duration) {
        self.patience = self.patience.max(patience);
    }

    /// Which stream.
    pub fn id(&self) -> &StreamId {
        self.log.id()
    }

    /// Whether nothing more will be asked for.
    pub fn is_over(&self) -> bool {
        self.failed.is_some() || self.log.eof().is_some_and(|eof| self.front > index(eof))
    }

    /// Whether it was given up.
    pub fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// When somebody was heard last who has it.
    pub fn heard(&self) -> Option<Time> {
        self.heard
    }

    /// How many sources there are.
    pub fn sources(&self) -> usize {
        self.sources.len()
    }

    /// Whether somebody may be asked now whether they have it.
    pub fn may_knock(&self, now: Time, address: SocketAddr, pause: Duration) -> bool {
        let waiting = || self.knocked.iter().filter(|(_, since, _)| now.since(*since) < KNOCK_PATIENCE);
        let before = waiting().find(|(knocked, ..)| *knocked == address);
        let has_room = before.map_or_else(|| waiting().count() < KNOCKED_MAX, |it| now.since(it.2) >= pause);
        has_room && !self.is_over() && !self.is_source(address) && self.sources.len() < SOURCES_MAX
    }

    /// Whether somebody is to be asked whether they have it; notes that they are.
    pub fn knock(&mut self, now: Time, address: SocketAddr, pause: Duration) -> bool {
        self.knocked.retain(|(_, since, _)| now.since(*since) < KNOCK_PATIENCE);
        if !self.may_knock(now, address, pause) {
            return false;
        }
        match self.knocked.iter_mut().find(|(knocked, ..)| *knocked == address) {
            Some((_, _, last)) => *last = now,
            None => self.knocked.push((address, now, now)),
        }
        true
    }

    /// What to ask somebody who may have it: for the block that is needed next, unless it is not known which.
    pub fn knock_offset(&self) -> Option<u64> {
        (self.is_placed || self.from == From::Start).then_some(self.front * BLOCK_BYTES)
    }

    /// Whether anything that comes from this address can be of use.
    pub fn expects(&self, address: SocketAddr) -> bool {
        self.is_source(address) || self.knocked.iter().any(|(knocked, ..)| *knocked == address)
    }

    fn is_source(&self, address: SocketAddr) -> bool {
        self.sources.iter().any(|source| source.address == address)
    }

    /// Somebody was asked, and has it. `None` if nobody asked them, or there are enough.
    fn source(&mut self, now: Time, address: SocketAddr) -> Option<&mut Source> {
        if !self.is_source(address) {
            let knocked = self.knocked.iter().position(|(knocked, ..)| *knocked == address)?;
            if self.sources.len() >= SOURCES_MAX {
                return None;
            }
            let (_, first, last) = self.knocked.swap_remove(knocked);
            self.sources.push(Source::new(now, address, now.since(last), first != last));
        }
        self.sources.iter_mut().find(|source| source.address == address)
    }

    /// Somebody says itself that others have it. Unless it has sent something, it has nothing, whoever said so.
    pub fn disown(&mut self, address: SocketAddr) {
        if !self.sources.iter().any(|source| source.address == address && source.has_sent) {
            self.drop_source(address);
        }
    }

    /// Nothing more comes from this address.
    fn drop_source(&mut self, address: SocketAddr) {
        self.sources.retain(|source| source.address != address);
        self.asked.retain(|_, asked| asked.of != address);
    }

    /// A source says what it has, in bytes, and how long ago the owner was heard.
    pub fn take_holdings(&mut self, now: Time, address: SocketAddr, (first, end): (u64, u64), age: Duration) {
        let is_sound = first <= end && end <= LENGTH_MAX;
        let Some(source) = self.source(now, address).filter(|_| is_sound) else { return };
        source.first = first;
        source.end = source.end.max(end);
        source.age = age;
        source.has_said(now);
        // Followers who have lost the owner must not take one another for a sign of life.
        let heard = Time::default() + now.since(Time::default() + age);
        self.heard = Some(self.heard.map_or(heard.max(self.since), |before| before.max(heard)));
        self.tail.answered(address);
        if self.fresher(now).is_some() {
            self.tail.hurry();
        }
        if !self.is_placed && self.from == From::End && self.leap.is_none() {
            self.leap = Some((index(end.saturating_sub(1)), Time::default()));
        }
    }

    /// Something has come from a source that was of no use; it is there.
    pub fn heard_from(&mut self, address: SocketAddr) {
        self.tail.answered(address);
    }

    /// Whether a block is worth the price of looking at its signature.
    pub fn wants(&self, claim: &Claim) -> bool {
        if self.leap.is_some_and(|(leap, _)| leap == claim.index) {
            return true;
        }
        let (end, is_last) = claim.end();
        let held = self.log.block(claim.index).map(|held| claim.index * BLOCK_BYTES + held.bytes().len() as u64);
        let is_near = claim.index >= self.front && claim.index <= index(self.read + AHEAD_MAX_BYTES);
        (self.is_placed || self.from == From::Start)
            && is_near
            && !self.log.is_complete(claim.index)
            && (is_last || held.is_none_or(|held| end > held))
    }

    /// A block has come that its owner has signed.
    pub fn take_block(&mut self, now: Time, address: SocketAddr, at: u64, block: Block) -> Kept {
        if self.leap.is_some_and(|(leap, _)| leap == at) {
            self.go_on_at(at);
        }
        let (before, length) = (self.log.end(), block.bytes().len());
        let kept = self.log.insert(at, block, index(self.read));
        let is_news = matches!(kept, Kept::New | Kept::Longer);
        let end = at * BLOCK_BYTES + length as u64;
        let mut was_late = false;
        if let Some(source) = self.source(now, address) {
            was_late = source.arrived(now, at);
            if is_news {
                source.has_sent = true;
                source.end = source.end.max(end);
            }
        }
        if was_late {
            self.reordering = (self.reordering * 5 / 4).min(REORDERING_MAX);
        }
        if !is_news {
            return kept;
        }
        (self.heard, self.is_placed, self.stuck_since) = (Some(now), true, None);
        let asked = self.asked.get(&at).copied();
        if self.log.is_complete(at) || asked.is_some_and(|asked| asked.of == address) {
            self.asked.remove(&at);
        }
        if self.log.end() > before {
            self.tail.advanced(now, asked.is_none());
            if at > self.overtaken && at > self.front {
                self.note_gap(now, at);
            }
        }
        self.tail.answered(address);
        while self.log.is_complete(self.front) {
            self.front += 1;
        }
        kept
    }

    /// What is missing before a block is lost if it does not come soon.
    fn note_gap(&mut self, now: Time, before: u64) {
        let is_full = self.noticed.len() >= NOTICED_MAX;
        match self.noticed.back_mut() {
            Some((_, newest)) if *newest >= before => {}
            Some((_, newest)) if is_full => *newest = before,
            _ => self.noticed.push_back((now + self.reordering, before)),
        }
    }

    /// What is before this block cannot be had; or it is where the user wants to begin.
    fn go_on_at(&mut self, block: u64) {
        self.log.skip_to(block);
        self.read = self.read.max(block * BLOCK_BYTES);
        self.front = self.front.max(block);
        self.leap = None;
        let front = self.front;
        self.asked.retain(|at, _| *at >= front);
    }

    /// Bytes for a reader who has all before `offset`.
    pub fn read(&mut self, now: Time, offset: u64, most: usize) -> Chunk {
        // Nobody can have read what has not come. There may be several readers; the first one is waited for by nobody.
        self.read = self.read.max(offset.min(self.log.end()));
        let offset = offset.max(self.log.first() * BLOCK_BYTES);
        let bytes = self.log.read(offset, most);
        let is_all = self.log.eof() == Some(offset) && bytes.is_empty();
        let state = match self.failed {
            _ if is_all && self.is_over() => State::Ended,
            Some(failed) if bytes.is_empty() => failed,
            _ if self.heard.is_none() => State::Seeking,
            _ => State::Following,
        };
        Chunk { offset, bytes, state, silent: now.since(self.heard.unwrap_or(self.since)) }
    }

    /// How full the tables are.
    pub fn sizes(&self) -> [Size; 6] {
        let questions = self.sources.iter().map(Source::remembered).sum();
        [
            Size::new("questions for blocks of a stream", questions, SOURCES_MAX * source::REMEMBERED_MAX),
            Size::new("blocks of a stream", self.log.places(), super::log::PLACES_MAX),
            Size::new("sources of a stream", self.sources.len(), SOURCES_MAX),
            Size::new("blocks of a stream that were asked for", self.asked.len(), asking::ASKED_MAX),
            Size::new("gaps in a stream", self.noticed.len(), NOTICED_MAX),
            Size::new("possible sources of a stream", self.knocked.len(), KNOCKED_MAX),
        ]
    }
}
