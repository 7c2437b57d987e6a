//! One download: what is there, from whom it comes, and whom not to ask any more.
//!
//! Nothing is believed but the id. A source's word on the size only decides how the content is cut; blocks of a BLAKE3
//! content are kept only when they have been checked. Of a SHA-256 content nothing can be checked before all of it is
//! there: who delivered what is written down, for the [`jury`](super::jury).

use super::asking::{BLOCK_COMMON, BLOCK_UNFRAGMENTED};
use super::assembly::{ASSEMBLIES_MAX, Assemblies};
use super::path::ASKS_MAX;
use super::pieces::{Has, Pieces};
use super::source::{Source, Standing};
use super::trial::Trial;
use crate::content::tree::{TREE_BLOCK_BYTES, Tree};
use crate::content::{ContentId, FRAGMENTS_MAX, Part, Ranges};
use crate::sizes::Size;
use crate::sorted::SortedMap;
use crate::time::Time;
use rand::{Rng, RngExt};
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

/// How many sources one download has at most; those that have left make room. Each costs a few kilobytes.
pub const SOURCES_MAX: usize = 32;

/// How many parts a block comes in, if it comes in parts.
const PARTS_PER_BLOCK: usize = (BLOCK_COMMON / BLOCK_UNFRAGMENTED) as usize;

/// A download.
#[derive(Debug)]
pub(super) struct Download {
    pub(super) id: ContentId,
    /// How long it is, if those are right whose word was taken, with all that follows from it.
    pub(super) tree: Option<Tree>,
    /// What is there, of the content and of the tree.
    pub(super) held: [Ranges; 2],
    pub(super) pieces: Option<Pieces>,
    pub(super) sources: SortedMap<SocketAddr, Source>,
    pub(super) assemblies: Assemblies,
    /// True while all is there, and somebody else checks it and makes it last.
    pub(super) is_settling: bool,
    /// Whether something changed that may concern every source.
    pub(super) has_news: bool,
    /// Whether a source waits until more blocks can be put together.
    pub(super) is_crowded: bool,
    /// How often something that was held has been thrown away.
    pub(super) revision: u32,
    /// When something was kept last.
    pub(super) progressed: Time,
    /// How long nothing may be kept before it is given up.
    pub(super) patience: Duration,
    /// Whose word counts, for contents that can only be checked as a whole.
    pub(super) trial: Trial,
    /// How much it has asked for, in the reckoning of the limit.
    pub(super) had: u64,
    /// Whether all was there once, and was not what the id says.
    pub(super) was_wrong: bool,
    /// Whether some source said another size than the one in which we believe.
    pub(super) is_disputed: bool,
    /// How often another size was tried because nothing came.
    pub(super) doubts: u8,
}

impl Download {
    pub(super) fn new(now: Time, id: ContentId, patience: Duration) -> Download {
        Download {
            id,
            tree: None,
            held: Default::default(),
            pieces: None,
            sources: SortedMap::new(),
            assemblies: Assemblies::default(),
            is_settling: false,
            has_news: false,
            is_crowded: false,
            revision: 0,
            progressed: now,
            patience,
            trial: Trial::default(),
            had: 0,
            was_wrong: false,
            is_disputed: false,
            doubts: 0,
        }
    }

    /// How full the tables are.
    pub(super) fn sizes(&self) -> impl Iterator<Item = Size> {
        let asks = self.sources.values().map(|source| source.asks.len()).max().unwrap_or(0);
        let fragments = self.held.iter().map(Ranges::fragments).max().unwrap_or(0);
        [
            Size::new("sources of a download", self.sources.len(), SOURCES_MAX),
            Size::new("answers expected from a source", asks, ASKS_MAX),
            Size::new("fragments of a content", fragments, FRAGMENTS_MAX),
            Size::new("blocks under assembly", self.assemblies.len(), ASSEMBLIES_MAX),
        ]
        .into_iter()
    }

    /// Whether every block can be checked alone.
    pub(super) fn is_checkable(&self) -> bool {
        matches!(self.id, ContentId::Blake3(_))
    }

    /// How long the content is, as far as is known.
    pub(super) fn size(&self) -> Option<u64> {
        self.tree.map(|tree| tree.shape().size())
    }

    /// How long a part is, as far as is known. A content of a single block, or none, needs no tree.
    pub(super) fn part_bytes(&self, part: Part) -> Option<u64> {
        let shape = self.tree?.shape();
        Some(match part {
            Part::Content => shape.size(),
            Part::Tree if self.is_checkable() && shape.blocks() > 1 => shape.tree_bytes(),
            Part::Tree => 0,
        })
    }

    /// Adds somebody who might have the content. Says no if it is known, or if there are enough.
    pub(super) fn add_source(&mut self, now: Time, address: SocketAddr, rng: &mut impl Rng) -> bool {
        if self.sources.contains_key(&address) {
            return false;
        }
        if self.sources.len() >= SOURCES_MAX {
            let left = self.sources.iter().find(|(_, source)| source.is_left()).map(|(address, _)| *address);
            let Some(left) = left else { return false };
            self.sources.remove(&left).into_iter().for_each(|left| self.trial.forget(left.number));
        }
        let is_free = |number: &u32| self.sources.values().all(|source| source.number != *number);
        let Some(number) = (0..SOURCES_MAX as u32).find(is_free) else { return false };
        let run = rng.random_range(1..u32::MAX - 1);
        self.sources.insert(address, Source::new(now, number, run));
        true
    }

    /// Nobody delivers anything any more.
    pub(super) fn restart(&mut self) {
        self.has_news = true;
        self.assemblies = Assemblies::default();
        self.sources.values_mut().for_each(|source| _ = source.release());
    }

    /// The blocks in which a range of a part lies: what can be checked together.
    pub(super) fn whole_blocks(&self, part: Part, range: Range<u64>) -> Range<u64> {
        let Some(shape) = self.tree.map(|tree| tree.shape()) else { return range };
        match part {
            Part::Tree => {
                let last = shape.piece(range.end.saturating_sub(1)).map_or(range.end, |last| last.end);
                shape.piece(range.start).map_or(range.start, |first| first.start)..last
            }
            Part::Content => {
                let block = TREE_BLOCK_BYTES;
                let end = range.end.div_ceil(block).saturating_mul(block).min(shape.size());
                range.start / block * block..end
            }
        }
    }

    /// These bytes of a part are there, and checked as far as they can be.
    pub(super) fn keep(&mut self, now: Time, part: Part, range: Range<u64>, from: SocketAddr) {
        let before = self.held[part as usize].count();
        // Too scattered to be written down means not to be kept; it will be asked for again.
        let _ = self.held[part as usize].insert(range.clone());
        let gained = self.held[part as usize].count() - before;
        if gained == 0 {
            return;
        }
        self.progressed = now;
        // What the tree proves can be asked for from now on.
        self.has_news |= part == Part::Tree;
        self.assemblies.drop_blocks(part, range.clone());
        for source in self.sources.values_mut() {
            let _ = source.assigned[part as usize].remove(range.clone());
        }
        if let Some(source) = self.sources.get_mut(&from) {
            source.has_delivered(gained);
            if part == Part::Content {
                self.trial.note(range, source.number);
            }
        }
    }

    /// Whether further blocks may be asked for in parts: each that was asked for has to find a place to be put
    /// together.
    pub(super) fn has_room_for_parts(&self) -> bool {
        let asked: usize = self.sources.values().map(|source| source.asks.len()).sum();
        self.assemblies.len() + asked / PARTS_PER_BLOCK < ASSEMBLIES_MAX
    }

    /// Whether every source is to be looked at; it is from now on not.
    pub(super) fn takes_news(&mut self) -> bool {
        let has_room_again = self.is_crowded && self.has_room_for_parts();
        self.is_crowded &= !has_room_again;
        std::mem::take(&mut self.has_news) || has_room_again
    }

    /// Whether nothing is missing.
    pub(super) fn is_complete(&self) -> bool {
        let is_whole =
            |part: Part| self.part_bytes(part).is_some_and(|bytes| self.held[part as usize].covers(0..bytes));
        !self.trial.is_out() && is_whole(Part::Content) && is_whole(Part::Tree)
    }

    /// A source is left behind: it is asked for nothing more, and what it was to deliver is free again.
    pub(super) fn leave(&mut self, now: Time, address: SocketAddr) {
        let Some(source) = self.sources.get_mut(&address) else { return };
        source.standing = Standing::Left;
        let has = std::mem::take(&mut source.has);
        if let Some(pieces) = &mut self.pieces {
            pieces.recount(&has[Part::Content as usize], &Has::Unknown);
        }
        self.unburden(address);
        self.reconsider_size(now);
    }

    /// What a source was to deliver is free again: all that is not there and that nobody else delivers.
    pub(super) fn unburden(&mut self, address: SocketAddr) {
        let Some(source) = self.sources.get_mut(&address) else { return };
        self.has_news = true;
        let [content, _] = source.release();
        self.assemblies.forget(address);
        let mut free = content.without(&self.held[Part::Content as usize]);
        for other in self.sources.values() {
            free = free.without(&other.assigned[Part::Content as usize]);
        }
        if let Some(pieces) = &mut self.pieces {
            free.iter().for_each(|range| pieces.give_back(range));
        }
    }

    /// A source said which pieces of a part it has.
    pub(super) fn told(&mut self, now: Time, address: SocketAddr, part: Part, has: Has) {
        let Some(source) = self.sources.get_mut(&address).filter(|source| !source.is_left()) else { return };
        if let Some(pieces) = self.pieces.as_mut().filter(|_| part == Part::Content) {
            pieces.recount(&source.has[part as usize], &has);
        }
        source.told(now, part, has);
    }
}
