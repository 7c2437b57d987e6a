//! The blocks of one stream, as many as there is room for: its owner's, or what a follower has.
//!
//! A block is replaced only by a longer one that begins with the same bytes, or by the same with the end of the stream
//! in it. The owner has signed two different streams if there are two others, and the first to come is kept. When there
//! is no room the oldest block goes.

use super::block::Block;
use super::{BLOCK_BYTES, LENGTH_MAX, StreamId, index};
use crate::identity::Identity;
use std::collections::VecDeque;

/// What is kept of a stream, in bytes: 32 MiB. That is half a minute at 1 MB/s, half an hour of sound at 128 kbit/s,
/// and all that anybody ever typed. The latecomer who wants more needs a file, which the owner can share.
pub const KEPT_MAX_BYTES: usize = 32 << 20;

/// Places for blocks; each takes memory even while it is empty. As many as there can be full blocks, and some more.
pub const PLACES_MAX: usize = KEPT_MAX_BYTES / BLOCK_BYTES as usize;

/// What became of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It was not there.
    New,
    /// It is longer than the one that was there, or says that the stream ends.
    Longer,
    /// It is no news.
    Known,
    /// It is too far from the others, before or behind them.
    Outside,
    /// It is signed, and says something else than another that is signed too.
    Conflict,
}

/// The blocks of one stream.
#[derive(Debug)]
pub struct Log {
    id: StreamId,
    /// Which block the first place is for.
    first: u64,
    places: VecDeque<Option<Block>>,
    weight: usize,
    /// Where the last byte ends that is there.
    end: u64,
    /// Where the stream ends, if it has ended.
    eof: Option<u64>,
}

impl Log {
    /// Nothing of a stream, which is expected from block `first` on.
    pub fn new(id: StreamId, first: u64) -> Log {
        Log { id, first, places: VecDeque::new(), weight: 0, end: first * BLOCK_BYTES, eof: None }
    }

    /// Which stream.
    pub fn id(&self) -> &StreamId {
        &self.id
    }

    /// The first block that there is room for.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Where the last byte ends that is there; some before it may be missing.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Where the stream ends, once that is known.
    pub fn eof(&self) -> Option<u64> {
        self.eof
    }

    /// Places in use, for the sizes.
    pub fn places(&self) -> usize {
        self.places.len()
    }

    /// A block, if it is there.
    pub fn block(&self, index: u64) -> Option<&Block> {
        self.places.get(usize::try_from(index.checked_sub(self.first)?).ok()?)?.as_ref()
    }

    /// Whether a block is there and will never change.
    pub fn is_complete(&self, index: u64) -> bool {
        self.block(index).is_some_and(Block::is_complete)
    }

    /// Keeps a block that its owner has signed. What is before block `needed` may go to make room.
    pub fn insert(&mut self, at: u64, block: Block, needed: u64) -> Kept {
        let (start, end) = (at * BLOCK_BYTES, at * BLOCK_BYTES + block.bytes.len() as u64);
        let Some(place) = at.checked_sub(self.first) else { return Kept::Outside };
        let contradicts = match self.eof {
            Some(eof) => end > eof || block.is_last && end != eof,
            None => block.is_last && end < self.end,
        };
        if contradicts {
            return Kept::Conflict;
        }
        if place >= PLACES_MAX as u64 && !self.make_room(at, needed) {
            return Kept::Outside;
        }
        let place = (at - self.first) as usize;
        while self.places.len() <= place {
            self.places.push_back(None);
        }
        let Some(kept) = self.places.get_mut(place) else { return Kept::Outside };
        let outcome = match kept {
            None => Kept::New,
            Some(old) => {
                let common = old.bytes.len().min(block.bytes.len());
                if old.bytes[..common] != block.bytes[..common] || old.is_last && end > start + common as u64 {
                    return Kept::Conflict;
                }
                let is_news = block.bytes.len() > old.bytes.len() || block.is_last && !old.is_last;
                if !is_news {
                    return Kept::Known;
                }
                Kept::Longer
            }
        };
        self.weight += block.weight();
        self.weight -= kept.as_ref().map_or(0, Block::weight);
        self.end = self.end.max(end);
        self.eof = self.eof.or(block.is_last.then_some(end));
        *kept = Some(block);
        while self.weight > KEPT_MAX_BYTES && self.first < needed {
            self.forget_first();
        }
        outcome
    }

    /// Gives up places before block `needed`, so that there is one for block `at`. Says whether there is.
    fn make_room(&mut self, at: u64, needed: u64) -> bool {
        let first = at - (PLACES_MAX as u64 - 1);
        if first > needed {
            return false;
        }
        while self.first < first {
            self.forget_first();
        }
        true
    }

    fn forget_first(&mut self) {
        let gone = self.places.pop_front().flatten();
        self.weight -= gone.map_or(0, |block| block.weight());
        self.first += 1;
    }

    /// Begins anew at another block, because what is before it cannot be had. What is there behind it stays.
    pub fn skip_to(&mut self, index: u64) {
        while self.first < index && !self.places.is_empty() {
            self.forget_first();
        }
        self.first = self.first.max(index);
        self.end = self.end.max(self.first * BLOCK_BYTES);
    }

    /// The first block from `from` on that is there; `None` if there is none.
    pub fn next_held(&self, from: u64) -> Option<u64> {
        let skipped = usize::try_from(from.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let found = self.places.iter().skip(skipped).position(Option::is_some)?;
        Some(self.first + (skipped + found) as u64)
    }

    /// The bytes from `offset` on that lie there without a gap, at most `most`.
    pub fn read(&self, mut offset: u64, most: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while let Some(block) = self.block(index(offset)) {
            let inner = (offset % BLOCK_BYTES) as usize;
            let Some(rest) = block.bytes.get(inner..).filter(|rest| !rest.is_empty()) else { break };
            let rest = &rest[..rest.len().min(most - bytes.len())];
            bytes.extend_from_slice(rest);
            offset += rest.len() as u64;
            if bytes.len() >= most || !block.is_complete() {
                break;
            }
        }
        bytes
    }
}

/// A stream of our own: a log, and what was appended to its last block and is not signed yet.
#[derive(Debug)]
pub struct OwnLog {
    log: Log,
    /// The whole last block, signed or not.
    growing: Vec<u8>,
    /// How much of it has been signed.
    signed: usize,
}

impl OwnLog {
    /// A new stream, whose first block is empty.
    pub fn new(id: StreamId) -> OwnLog {
        OwnLog { log: Log::new(id, 0), growing: Vec::new(), signed: 0 }
    }

    /// What is signed.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// How much has been appended, signed or not.
    pub fn length(&self) -> u64 {
        self.place() * BLOCK_BYTES + self.growing.len() as u64
    }

    /// Whether something is not signed yet.
    pub fn is_unsigned(&self) -> bool {
        self.growing.len() > self.signed
    }

    /// Bytes in the last block, for the sizes.
    pub fn growing(&self) -> usize {
        self.growing.len()
    }

    /// What of these bytes, which are to lie from `offset` on, is not there yet. `None` if something else is, or if
    /// there would be a gap.
    pub fn unappended<'a>(&self, offset: u64, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let there = usize::try_from(self.length().checked_sub(offset)?).ok()?;
        let (old, new) = bytes.split_at_checked(there)?;
        let growing = self.place() * BLOCK_BYTES;
        let mut held = self.log.read(offset, there.min(usize::try_from(growing.saturating_sub(offset)).ok()?));
        let inner = usize::try_from(offset.saturating_sub(growing)).ok()?;
        held.extend_from_slice(self.growing.get(inner..).unwrap_or_default());
        (held == old).then_some(new)
    }

    /// Appends bytes and signs every block that is full. False if the stream has ended or would be too long.
    pub fn append(&mut self, identity: &Identity, mut bytes: &[u8]) -> bool {
        if self.log.eof.is_some() || self.length() + bytes.len() as u64 >= LENGTH_MAX {
            return false;
        }
        while !bytes.is_empty() {
            let room = BLOCK_BYTES as usize - self.growing.len();
            let (these, rest) = bytes.split_at(bytes.len().min(room));
            self.growing.extend_from_slice(these);
            bytes = rest;
            if self.growing.len() as u64 == BLOCK_BYTES {
                self.sign(identity, false);
            }
        }
        true
    }

    /// Signs what has been appended to the last block; with `is_last` the stream ends with it.
    pub fn sign(&mut self, identity: &Identity, is_last: bool) {
        let place = self.place();
        let Some(block) = Block::sign(identity, &self.log.id, place, &self.growing, is_last) else { return };
        self.signed = self.growing.len();
        let is_full = block.bytes.len() as u64 == BLOCK_BYTES;
        self.log.insert(place, block, place);
        if is_full && !is_last {
            self.growing.clear();
            self.signed = 0;
        }
    }

    /// Which block grows: the one behind those that are full.
    fn place(&self) -> u64 {
        let last = index(self.log.end);
        // It was full, and the end of it is the beginning of the next one.
        last.max(self.log.first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner() -> Identity {
        Identity::from_seed(&[7; 32])
    }

    fn id() -> StreamId {
        StreamId::new(owner().public(), "x").unwrap()
    }

    fn block(index: u64, bytes: &[u8], is_last: bool) -> Block {
        Block::sign(&owner(), &id(), index, bytes, is_last).unwrap()
    }

    #[test]
    fn a_growing_block_is_replaced_by_a_longer_one_and_by_nothing_else() {
        let mut log = Log::new(id(), 0);
        assert_eq!(log.insert(0, block(0, b"abc", false), 0), Kept::New);
        assert_eq!(log.insert(0, block(0, b"ab", false), 0), Kept::Known);
        assert_eq!(log.insert(0, block(0, b"abc", false), 0), Kept::Known);
        assert_eq!(log.insert(0, block(0, b"axcd", false), 0), Kept::Conflict);
        assert_eq!(log.insert(0, block(0, b"abcd", false), 0), Kept::Longer);
        assert_eq!(log.insert(0, block(0, b"abc", true), 0), Kept::Conflict, "it went on");
        assert_eq!(log.insert(0, block(0, b"abcd", true), 0), Kept::Longer);
        assert_eq!(log.insert(0, block(0, b"abcde", false), 0), Kept::Conflict, "it has ended");
        assert_eq!(log.insert(1, block(1, b"x", false), 0), Kept::Conflict, "it has ended");
        assert_eq!((log.eof(), log.read(1, 10)), (Some(4), b"bcd".to_vec()));
    }

    #[test]
    fn what_is_too_old_or_too_far_is_not_kept() {
        let mut log = Log::new(id(), 10);
        assert_eq!(log.insert(9, block(9, b"a", false), 10), Kept::Outside);
        assert_eq!(log.insert(10 + PLACES_MAX as u64, block(9, b"a", false), 10), Kept::Outside);
        assert_eq!(log.insert(9 + PLACES_MAX as u64, block(9, b"a", false), 10), Kept::New);
        assert_eq!(log.insert(10 + PLACES_MAX as u64, block(9, b"a", false), 11), Kept::New);
        assert_eq!((log.first(), log.places()), (11, PLACES_MAX));
    }

    #[test]
    fn an_owner_keeps_what_there_is_room_for_and_no_more() {
        let (identity, mut own) = (owner(), OwnLog::new(id()));
        let chunk = [5; 40_960];
        let mut length = 0;
        while own.log().first() == 0 {
            assert!(own.append(&identity, &chunk));
            length += chunk.len() as u64;
            assert!(own.log().weight <= KEPT_MAX_BYTES && length < 2 * KEPT_MAX_BYTES as u64);
        }
        assert!(length > KEPT_MAX_BYTES as u64 * 9 / 10, "{length}");
        assert_eq!(own.length(), length);
    }

    #[test]
    fn what_is_appended_in_any_pieces_is_what_is_read_and_it_ends() {
        let bytes: Vec<u8> = (0..10_000_u32).map(|n| (n * 31 % 251) as u8).collect();
        for size in [1_usize, 4_095, 4_096, 4_097, 10_000] {
            let (identity, mut own) = (owner(), OwnLog::new(id()));
            for (n, piece) in bytes.chunks(size).enumerate() {
                assert!(own.append(&identity, piece));
                if n % 100 == 0 {
                    own.sign(&identity, false);
                }
            }
            own.sign(&identity, true);
            assert_eq!((own.log().eof(), own.log().read(0, usize::MAX)), (Some(10_000), bytes.clone()), "{size}");
            assert!(!own.append(&identity, b"more"));
        }
        let (identity, mut own) = (owner(), OwnLog::new(id()));
        own.append(&identity, &bytes[..5_000]);
        own.sign(&identity, false);
        own.append(&identity, &bytes[5_000..6_000]);
        for offset in [0, 4_000, 4_096, 4_097, 4_999, 5_000, 5_500, 5_999, 6_000] {
            assert_eq!(own.unappended(offset as u64, &bytes[offset..7_000]), Some(&bytes[6_000..7_000]), "{offset}");
            if offset < 6_000 {
                let mut others = bytes[offset..7_000].to_vec();
                others[0] ^= 1;
                assert_eq!(own.unappended(offset as u64, &others), None, "something else lies at {offset}");
                assert_eq!(own.unappended(offset as u64, &bytes[offset..5_999]), None, "there is more than that");
            }
        }
        assert_eq!(own.unappended(6_001, b"x"), None, "there would be a gap");
        assert_eq!(own.unappended(6_000, b""), Some(&[][..]));
        for length in [0, 4_096, 8_192] {
            let (identity, mut own) = (owner(), OwnLog::new(id()));
            own.append(&identity, &vec![1; length]);
            own.sign(&identity, true);
            let last = own.log().block(index(length as u64)).unwrap();
            assert_eq!((last.bytes().len(), last.is_last(), own.log().eof()), (0, true, Some(length as u64)));
        }
    }
}
