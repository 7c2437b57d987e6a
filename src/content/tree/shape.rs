//! The form of a tree: which node lies where, what proves it, and in which order to ask for it.
//!
//! Everything follows from the size of the content. It is arithmetic on numbers that a stranger may have claimed, so
//! the largest size is limited, and then nothing can overflow.

use crate::content::Ranges;
use std::ops::Range;

/// How much of a content one leaf stands for.
pub const TREE_BLOCK_BYTES: u64 = 4_096;

/// The bytes of a tree before its nodes: magic, zeroes and root.
pub const HEADER_BYTES: u64 = 64;

/// The bytes of a node.
pub const NODE_BYTES: u64 = 32;

/// Two nodes, which prove one another's place under a third.
pub(super) const PAIR_BYTES: u64 = 2 * NODE_BYTES;

/// The longest content: 8 PiB. Sizes and offsets are JSON numbers, which are exact in every language up to 2^53 only
/// (RFC 8259, section 6). Its tree has 41 levels and 2^47 bytes.
pub const CONTENT_MAX_BYTES: u64 = 1 << 53;

/// How much of a tree is asked for at once: one block of the wild, 128 nodes, the parents of which are 64 neighbours.
const PIECE_BYTES: u64 = 4_096;

/// The form of the tree of a content. Levels are counted from the bottom: level 0 holds the leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    size: u64,
    /// Where the leaves begin in the tree: everybody asks for them, and summing up the levels above takes its time.
    leaves: u64,
}

impl Shape {
    /// The form for a content of `size` bytes; `None` if that is more than [`CONTENT_MAX_BYTES`].
    pub fn new(size: u64) -> Option<Shape> {
        let shape = (size <= CONTENT_MAX_BYTES).then_some(Shape { size, leaves: 0 })?;
        Some(Shape { leaves: shape.start(0), ..shape })
    }

    /// Size of the content in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// How many blocks the content has; the empty one has none.
    pub fn blocks(&self) -> u64 {
        self.size.div_ceil(TREE_BLOCK_BYTES)
    }

    /// How long the tree is, in bytes.
    pub fn tree_bytes(&self) -> u64 {
        if self.blocks() == 0 { HEADER_BYTES } else { self.level(0).end }
    }

    /// How many levels of nodes there are: with a single block only its leaf, otherwise those from two nodes down.
    pub fn levels(&self) -> u32 {
        match self.blocks() {
            few @ (0 | 1) => few as u32,
            blocks => u64::BITS - (blocks - 1).leading_zeros(),
        }
    }

    /// How many nodes a level has; none, if there is no such level.
    pub fn nodes(&self, level: u32) -> u64 {
        // Half as many as in the level below, rounded up, by a shift: a division takes ten times as long.
        if level < self.levels() { ((self.blocks() - 1) >> level) + 1 } else { 0 }
    }

    /// Where a level lies in the tree.
    pub fn level(&self, level: u32) -> Range<u64> {
        let start = if level == 0 { self.leaves } else { self.start(level) };
        start..start + self.nodes(level) * NODE_BYTES
    }

    /// Where a level begins: after all those above it.
    fn start(&self, level: u32) -> u64 {
        let before: u64 = (level.saturating_add(1)..self.levels()).map(|above| self.nodes(above)).sum();
        HEADER_BYTES + before * NODE_BYTES
    }

    /// Where the node `index` of a level lies in the tree.
    pub fn node(&self, level: u32, index: u64) -> Option<Range<u64>> {
        let start = self.level(level).start;
        (index < self.nodes(level)).then(|| start + index * NODE_BYTES..start + (index + 1) * NODE_BYTES)
    }

    /// Where a block lies in the content. The empty content has a block 0, which is empty.
    pub fn block(&self, block: u64) -> Option<Range<u64>> {
        if block >= self.blocks().max(1) {
            return None;
        }
        let start = block * TREE_BLOCK_BYTES;
        Some(start..self.size.min(start + TREE_BLOCK_BYTES))
    }

    /// Where the leaves lie against which this range of the content is checked. `None` if the content has one block or
    /// none, or if the range is no part of it.
    pub fn leaves_of(&self, range: Range<u64>) -> Option<Range<u64>> {
        if self.size <= TREE_BLOCK_BYTES || range.is_empty() || range.end > self.size {
            return None;
        }
        let leaf = |block: u64| self.leaves + block * NODE_BYTES;
        Some(leaf(range.start / TREE_BLOCK_BYTES)..leaf((range.end - 1) / TREE_BLOCK_BYTES + 1))
    }

    /// The level in which a byte of the tree lies; `None` for the header and for what is past the end.
    fn level_at(&self, at: u64) -> Option<u32> {
        (0..self.levels()).find(|level| self.level(*level).contains(&at))
    }

    /// The part of a level that lies within `range`, in whole pairs; a last node without a partner counts as one.
    pub(super) fn pairs_within(&self, level: u32, range: Range<u64>) -> Option<Range<u64>> {
        let level = self.level(level);
        let start = range.start.max(level.start) - level.start;
        let end = range.end.clamp(level.start, level.end) - level.start;
        let is_whole = end == level.end - level.start;
        let start = start.next_multiple_of(PAIR_BYTES);
        let end = if is_whole { end } else { end - end % PAIR_BYTES };
        (start < end).then(|| level.start + start..level.start + end)
    }

    /// The range around these bytes of the tree in which every pair is whole that they are part of.
    pub(crate) fn around(&self, range: Range<u64>) -> Range<u64> {
        let start = (range.start - range.start % NODE_BYTES).saturating_sub(NODE_BYTES);
        let end = range.end.checked_next_multiple_of(NODE_BYTES).map_or(u64::MAX, |end| end.saturating_add(NODE_BYTES));
        start..end.min(self.tree_bytes()).max(start)
    }

    /// Where the nodes lie that prove these pairs of a level; `None` if only the root is above them.
    pub(super) fn parents(&self, level: u32, pairs: Range<u64>) -> Option<Range<u64>> {
        let (this, above) = (self.level(level).start, self.level(level + 1));
        let at = |place: u64| above.start + (place - this).div_ceil(PAIR_BYTES) * NODE_BYTES;
        (!above.is_empty()).then(|| at(pairs.start)..at(pairs.end))
    }

    /// The nodes that have no partner and are at least in part within `range`, each with the one that it is a copy of
    /// and that has one.
    pub(crate) fn copies_within(&self, range: Range<u64>) -> impl Iterator<Item = (Range<u64>, Range<u64>)> + use<> {
        let shape = *self;
        let is_alone = move |level: u32| !shape.nodes(level).is_multiple_of(2);
        let last = move |level: u32| shape.node(level, shape.nodes(level).checked_sub(1)?);
        (0..shape.levels()).filter(move |level| is_alone(*level)).filter_map(move |level| {
            let copy = last(level).filter(|copy| copy.start < range.end && range.start < copy.end)?;
            let original = (level..shape.levels()).find(|above| !is_alone(*above)).and_then(last)?;
            Some((copy, original))
        })
    }

    /// The part of a level that verified nodes of the level above can prove.
    fn children(&self, level: u32, verified: Range<u64>) -> Range<u64> {
        let (this, above) = (self.level(level), self.level(level + 1).start);
        let start = (verified.start - above).div_ceil(NODE_BYTES);
        let end = (verified.end - above) / NODE_BYTES;
        this.start + start * PAIR_BYTES..this.end.min(this.start + end * PAIR_BYTES)
    }

    /// The piece to ask for first: the header, and those levels from the top on that end within one block. It can be
    /// checked at once.
    pub fn head(&self) -> Range<u64> {
        let levels = (0..self.levels()).rev().map(|level| self.level(level).end);
        0..levels.take_while(|end| *end <= PIECE_BYTES).last().unwrap_or(HEADER_BYTES)
    }

    /// The piece in which a byte of the tree lies. The tree consists of the [head](Self::head) and of pieces of at most
    /// 4,096 bytes, none of which spans two levels or parts a pair; the parents of one all lie in one other.
    pub fn piece(&self, at: u64) -> Option<Range<u64>> {
        let head = self.head();
        if head.contains(&at) {
            return Some(head);
        }
        let level = self.level(self.level_at(at)?);
        let start = at - (at - level.start) % PIECE_BYTES;
        Some(start..level.end.min(start + PIECE_BYTES))
    }

    /// The pieces that prove a block, in the order in which they can be checked. Those of the last block are the right
    /// edge of the tree. A single block needs none.
    pub fn path(&self, block: u64) -> impl Iterator<Item = Range<u64>> + use<> {
        let shape = *self;
        let head = shape.head();
        let levels = if shape.blocks() > 1 && block < shape.blocks() { shape.levels() } else { 0 };
        let below = (0..levels).rev().filter_map(move |level| shape.node(level, block >> level));
        let pieces = below.filter(move |node| node.start >= head.end).filter_map(move |node| shape.piece(node.start));
        (levels > 0).then(|| shape.head()).into_iter().chain(pieces)
    }

    /// The first piece, or part of one, that is not all in `verified`, lacks something at `from` or later, and can be
    /// checked as soon as it is there. It costs a step for each level and fragment, not for each piece.
    pub fn next_checkable(&self, verified: &Ranges, from: u64) -> Option<Range<u64>> {
        let head = self.head();
        if self.blocks() <= 1 {
            return None;
        }
        if verified.first_gap(from..head.end).is_some() {
            return Some(head);
        }
        let below = (0..self.levels()).rev().filter(|level| self.level(*level).end > head.end);
        below.filter(|level| self.level(*level).end > from).find_map(|level| {
            let parents = verified.within(self.level(level + 1)).map(|parents| self.children(level, parents));
            parents.into_iter().find_map(|provable| {
                let gap = verified.first_gap(provable.start.max(from)..provable.end)?;
                let piece = self.piece(gap.start)?;
                Some(piece.start.max(provable.start)..piece.end.min(provable.end))
            })
        })
    }
}
