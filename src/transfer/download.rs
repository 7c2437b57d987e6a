//! One download: what is there, who is to deliver what, and whom not to ask any more.
//!
//! Nothing is believed but the id. A source's word on the size only decides how the content is cut; blocks of a BLAKE3
//! content are kept only when they have been checked. Of a SHA-256 content nothing can be checked before all of it is
//! there: who delivered what is written down, for the [`jury`](super::jury).

use super::asking::{BLOCK_COMMON, BLOCK_UNFRAGMENTED};
use super::assembly::{ASSEMBLIES_MAX, Assemblies};
use super::path::ASKS_MAX;
use super::pieces::{Has, Pieces, piece_bytes};
use super::source::{Asked, Source, Span, Standing};
use super::trial::{Stage, Trial};
use crate::content::tree::{TREE_BLOCK_BYTES, Tree};
use crate::content::{ContentId, FRAGMENTS_MAX, Part, Ranges};
use crate::sizes::Size;
use crate::time::Time;
use rand::{Rng, RngExt};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

/// How many sources one download has at most; those that have left make room. Each costs a few kilobytes.
pub const SOURCES_MAX: usize = 32;

/// How many pieces of a tree are looked at to find one that nobody delivers yet: as many as are on their way at once on
/// a fast path.
const TREE_LOOKS_MAX: usize = 64;

/// How long nothing may come, while sources disagree on the size, before another size is tried: longer than a burst of
/// losses, and so short that several fit in the patience of a user.
const DOUBT_AFTER: Duration = Duration::from_secs(4);

/// How often another size is tried for that reason: as often as there can be sizes, twice.
const DOUBTS_MAX: u8 = 2 * SOURCES_MAX as u8;

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
    pub(super) sources: BTreeMap<SocketAddr, Source>,
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
    is_disputed: bool,
    /// How often another size was tried because nothing came.
    doubts: u8,
    sources_ever: u32,
}

impl Download {
    pub(super) fn new(now: Time, id: ContentId, patience: Duration) -> Download {
        Download {
            id,
            tree: None,
            held: Default::default(),
            pieces: None,
            sources: BTreeMap::new(),
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
            sources_ever: 0,
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
            self.sources.remove(&left);
        }
        let run = rng.random_range(1..u32::MAX - 1);
        self.sources.insert(address, Source::new(now, self.sources_ever % u32::BITS, run));
        self.sources_ever = self.sources_ever.wrapping_add(1);
        true
    }

    /// A source says how large the content is. Says whether it had not said so before, and it is its own word.
    pub(super) fn take_claim(&mut self, now: Time, address: SocketAddr, size: u64) -> bool {
        let is_possible = self.tree_of(size).is_some_and(|tree| size > 0 || self.is_of_nothing(&tree));
        let is_first = self.size().is_none();
        let Some(source) = self.sources.get_mut(&address).filter(|source| !source.is_left()) else { return false };
        if !is_possible {
            // Unless the source itself has said so, it may be somebody else's word.
            if source.is_vouched {
                self.exclude(now, address);
            }
            return false;
        }
        self.is_disputed = true;
        let contradicts = source.claim.replace(size).is_some_and(|before| before != size);
        let is_new = matches!(source.standing, Standing::Knocking { .. });
        if is_new {
            source.standing = Standing::Active;
        }
        let is_welcome = is_new && source.is_vouched;
        if is_first {
            self.doubt_last_block(size);
            self.adopt(now, size);
        } else if contradicts && (source.delivered_wrong() || !matches!(self.trial.stage, Stage::Everybody)) {
            // While one source after the other is believed, there is no time for those who do not know what to say.
            self.exclude(now, address);
        } else if contradicts || self.is_checkable() || self.held[Part::Content as usize].is_empty() {
            // It may have been misled itself; but nobody else may believe in the old size, or nobody any more. What
            // cannot be checked and is there is not thrown away for the first who says otherwise.
            self.reconsider_size(now);
        }
        is_welcome
    }

    /// What was said in the name of a source, that it has the content and how long that is, was not its own word.
    pub(super) fn disown(&mut self, now: Time, address: SocketAddr) {
        self.exclude(now, address);
        self.sources.get_mut(&address).into_iter().for_each(|source| source.was_misquoted(now));
    }

    /// What is known of the tree of this content if it has this size; `None` if no content can have it.
    fn tree_of(&self, size: u64) -> Option<Tree> {
        let (ContentId::Sha256(root) | ContentId::Blake3(root)) = self.id;
        Tree::new(root, size)
    }

    /// Whether the content is empty: there will be no block that could be checked.
    fn is_of_nothing(&self, tree: &Tree) -> bool {
        match self.id {
            ContentId::Sha256(hash) => Sha256::digest(b"").as_slice() == hash,
            ContentId::Blake3(_) => tree.check_block(0, b"", |_, _| false).is_ok(),
        }
    }

    /// Plans for a content of this size. What is held already is kept.
    pub(super) fn adopt(&mut self, now: Time, size: u64) {
        let Some(tree) = self.tree_of(size) else { return };
        self.has_news = true;
        self.tree = Some(tree);
        self.pieces = Some(Pieces::new(size, &self.held[0], !self.is_checkable()));
        self.trial.begin(now, size);
        self.progressed = now;
    }

    /// The size in which nobody believes any more is given up for that of somebody else.
    pub(super) fn reconsider_size(&mut self, now: Time) {
        let claims = |size: Option<u64>| self.sources.values().any(|source| source.is_active() && source.claim == size);
        if self.size().is_some() && !claims(self.size()) {
            self.try_size_after(now, 0);
        }
    }

    /// When another size is to be tried, because nothing comes and somebody says that there is one.
    pub(super) fn doubts_at(&self) -> Option<Time> {
        let may_doubt = self.is_disputed && self.size().is_some() && self.doubts < DOUBTS_MAX;
        may_doubt.then(|| self.progressed + DOUBT_AFTER.min(self.patience / 2))
    }

    /// Nothing comes from those who agree on the size: perhaps others are right.
    pub(super) fn doubt_size(&mut self, now: Time) {
        let Some(size) = self.size().filter(|_| self.doubts_at().is_some_and(|due| due <= now)) else { return };
        self.is_disputed = self.sources.values().any(|source| source.is_active() && source.claim != Some(size));
        if self.is_disputed {
            self.doubts += 1;
            self.try_size_after(now, size.saturating_add(1));
        }
    }

    /// A checked block says nothing about where the content ends: the last one has to be checked anew, as such.
    fn doubt_last_block(&mut self, size: u64) {
        let last = size.saturating_sub(1) / TREE_BLOCK_BYTES * TREE_BLOCK_BYTES;
        if self.is_checkable() && self.held[Part::Content as usize].overlaps(last..u64::MAX) {
            self.revision = self.revision.wrapping_add(1);
            // Taking away the end makes no further fragments.
            let _ = self.held[Part::Content as usize].remove(last..u64::MAX);
        }
    }

    /// Plans for the smallest size from `least` on that somebody claims, or for the smallest of all. Blocks that were
    /// checked stay: their place is part of their hash.
    fn try_size_after(&mut self, now: Time, least: u64) {
        let claims = || self.sources.values().filter(|source| source.is_active()).filter_map(|source| source.claim);
        let Some(other) = claims().filter(|size| *size >= least).min().or_else(|| claims().min()) else { return };
        self.revision = self.revision.wrapping_add(1);
        self.held[Part::Tree as usize] = Ranges::default();
        if !self.is_checkable() {
            self.held[Part::Content as usize] = Ranges::default();
        }
        self.doubt_last_block(self.size().map_or(other, |size| size.min(other)));
        self.restart();
        self.adopt(now, other);
    }

    /// Nobody delivers anything any more.
    pub(super) fn restart(&mut self) {
        self.has_news = true;
        self.assemblies = Assemblies::default();
        self.sources.values_mut().for_each(|source| _ = source.release());
    }

    /// Whether a source can be given work.
    pub(super) fn is_useful(&self, address: SocketAddr) -> bool {
        let means_the_same = |source: &Source| source.is_active() && source.claim == self.size();
        self.sources.get(&address).is_some_and(means_the_same) && self.trial.admits(address)
    }

    /// Gives a source something to deliver, if need be what others were asked for before `overdue`; each answer is to
    /// carry `step` bytes. Says whether there was anything.
    pub(super) fn refill(
        &mut self,
        address: SocketAddr,
        overdue: Time,
        (step, is_fast): (u32, bool),
        rng: &mut impl Rng,
    ) -> bool {
        let span = self.next_of_tree(address, step, rng).or_else(|| self.next_of_content(address, is_fast, rng));
        let Some(span) = span.or_else(|| self.stolen(address, overdue)) else { return false };
        if let Some(source) = self.sources.get_mut(&address) {
            source.assign(span);
        }
        true
    }

    /// A piece of the tree that can be checked as soon as it is there and that nobody delivers yet, and as many after
    /// it as fit one answer. Where to begin to look is left to chance, so that fetchers of one source soon have
    /// something to give one another.
    fn next_of_tree(&self, address: SocketAddr, step: u32, rng: &mut impl Rng) -> Option<Span> {
        let bytes = self.part_bytes(Part::Tree).filter(|bytes| *bytes > 0)?;
        let (shape, held) = (self.tree?.shape(), &self.held[Part::Tree as usize]);
        if held.covers(0..bytes) {
            return None;
        }
        let has = &self.sources.get(&address)?.has[Part::Tree as usize];
        let is_free = |range: &Range<u64>| {
            let is_taken = |source: &Source| source.assigned[Part::Tree as usize].overlaps(range.clone());
            has.may_have(range.start / piece_bytes(bytes)) && !self.sources.values().any(is_taken)
        };
        let mut from = rng.random_range(0..bytes);
        let mut has_turned = false;
        for _ in 0..TREE_LOOKS_MAX {
            match shape.next_checkable(held, from) {
                Some(mut range) if is_free(&range) => {
                    let most = range.start + u64::from(step);
                    // Only whole pieces may follow one another, or what is asked for would be cut elsewhere.
                    while shape.piece(range.start).is_some_and(|first| first.start == range.start)
                        && let Some(next) = shape.piece(range.end).filter(|next| next.start == range.end)
                        && shape.next_checkable(held, next.start) == Some(next.clone())
                        && next.end <= most
                        && is_free(&next)
                    {
                        range.end = next.end;
                    }
                    return Some(Span { part: Part::Tree, range });
                }
                Some(range) => from = range.end,
                None if has_turned => return None,
                None => (from, has_turned) = (0, true),
            }
        }
        None
    }

    /// Some of the content that can be checked as soon as it is there and that nobody delivers yet.
    fn next_of_content(&mut self, address: SocketAddr, is_fast: bool, rng: &mut impl Rng) -> Option<Span> {
        let (is_checkable, shape) = (self.is_checkable(), self.tree?.shape());
        let has = &self.sources.get(&address)?.has[Part::Content as usize];
        let tree_held = &self.held[Part::Tree as usize];
        let is_ready = |range: &Range<u64>| {
            !is_checkable || shape.leaves_of(range.clone()).is_none_or(|leaves| tree_held.covers(leaves))
        };
        let range = self.pieces.as_mut()?.take(has, is_ready, is_fast, rng)?;
        Some(Span { part: Part::Content, range })
    }

    /// Towards the end everything is expected from somebody: a source with nothing to do takes over what another has
    /// not been asked for, or asks once more for what another was asked for long ago; whoever is first wins.
    fn stolen(&mut self, address: SocketAddr, overdue: Time) -> Option<Span> {
        let expected = |source: &Source| source.assigned.iter().map(Ranges::count).sum::<u64>();
        let others = self.sources.iter().filter(|(other, source)| **other != address && source.is_active());
        let mut others: Vec<_> = others.map(|(other, source)| (expected(source), *other)).collect();
        others.retain(|(expected, _)| *expected > 0);
        others.sort_unstable_by(|one, other| other.cmp(one));
        others.into_iter().find_map(|(_, victim)| self.stolen_from(victim, address, overdue))
    }

    /// The same from one of the others.
    fn stolen_from(&mut self, victim: SocketAddr, thief: SocketAddr, overdue: Time) -> Option<Span> {
        let rest = self.sources.get(&victim)?.queue.back().filter(|span| self.suits(thief, span)).cloned();
        // What a source has begun to deliver it also finishes: blocks from two hands are put together by nobody.
        let is_begun = |span: &Span| {
            let whole = self.whole_blocks(span.part, span.range.clone());
            whole.end != span.range.end || span.part == Part::Tree && whole.start != span.range.start
        };
        if let Some(span) = rest.filter(|span| !is_begun(span))
            && let Some(ceded) = self.sources.get_mut(&victim)?.cede_half(span)
        {
            return Some(ceded);
        }
        let late = self.sources.get(&victim)?.asks.iter().filter(|(_, ask)| ask.asked < overdue);
        let mut spans = late.map(|((part, start), Asked { length, .. })| {
            let range = *start..start.saturating_add(u64::from(*length));
            Span { part: *part, range: self.whole_blocks(*part, range) }
        });
        spans.find(|span| self.suits(thief, span))
    }

    /// Whether a source may have a span and does not deliver it already.
    fn suits(&self, address: SocketAddr, span: &Span) -> bool {
        let piece = piece_bytes(self.part_bytes(span.part).unwrap_or(1));
        let may_deliver = |source: &Source| {
            let is_new = !source.assigned[span.part as usize].overlaps(span.range.clone());
            is_new && source.has[span.part as usize].may_have(span.range.start / piece)
        };
        self.sources.get(&address).is_some_and(may_deliver)
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
