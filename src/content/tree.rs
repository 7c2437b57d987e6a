//! The BLAKE3 tree of a content, in the form that is exchanged as `blake3_tree_v2/<root>`: with it every block of
//! 4,096 bytes can be checked alone, whoever it came from.
//!
//! BLAKE3 (section 2.1 of its paper) hashes chunks of 1 KiB and merges the hashes in pairs up to one root. The tree
//! holds what lies between: 64 bytes of header, then level after level from the top down, each from left to right, the
//! last one with one node for each block. A last node without a partner stands in the level above once more, unchanged.
//! The header says nothing that the root, which is the id, does not say, and the root of a content of a single block is
//! its plain hash, so there the tree proves nothing.
//!
//! The tree itself is checked from the top down: a pair of nodes is right if merged it gives the node above. So nothing
//! in it is believed that does not follow from the root. The size of a content, from which the form of its tree
//! follows, is a claim until the last block has been checked: its hash knows where it stands and how long it is.
//! Whoever wants to know early asks for the right edge of the tree and the last block first.
//!
//! Nothing here keeps a tree: that of a large file lies on a disk, and the nodes needed are asked for.

mod shape;

pub use shape::{CONTENT_MAX_BYTES, HEADER_BYTES, NODE_BYTES, Shape, TREE_BLOCK_BYTES};

use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};
use shape::PAIR_BYTES;
use std::ops::Range;

/// What a tree begins with; zeroes and the root follow.
const MAGIC: [u8; 4] = *b"B3T\x02";

/// A hash, or a node of the tree (a BLAKE3 chaining value).
pub type Hash = [u8; 32];

/// Why bytes were not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no such place in the tree, or no such block of that length in the content.
    Misplaced,
    /// The nodes that would prove them are not there yet.
    TooEarly,
    /// They contradict what has been verified.
    Wrong,
}

/// The tree node of one block: the BLAKE3 chaining value of its bytes at its place. `None` if a block cannot have this
/// number or length (1 to 4,096 bytes).
pub fn leaf(block: u64, bytes: &[u8]) -> Option<Hash> {
    let offset = block.checked_mul(TREE_BLOCK_BYTES)?;
    let is_block = !bytes.is_empty() && bytes.len() as u64 <= TREE_BLOCK_BYTES;
    is_block.then(|| blake3::Hasher::new().set_input_offset(offset).update(bytes).finalize_non_root())
}

/// The node above two, below the root.
pub(super) fn merge(left: &Hash, right: &Hash) -> Hash {
    merge_subtrees_non_root(left, right, Mode::Hash)
}

/// The root above two nodes.
pub(super) fn merge_root(left: &Hash, right: &Hash) -> Hash {
    merge_subtrees_root(left, right, Mode::Hash).into()
}

/// The header of the tree with this root.
pub fn header(root: &Hash) -> [u8; HEADER_BYTES as usize] {
    let mut header = [0; HEADER_BYTES as usize];
    header[..MAGIC.len()].copy_from_slice(&MAGIC);
    header[HEADER_BYTES as usize - root.len()..].copy_from_slice(root);
    header
}

/// What is known beforehand about a tree: its root, and its form if the content is as long as somebody claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tree {
    root: Hash,
    shape: Shape,
}

impl Tree {
    /// The tree with this root over a content of `size` bytes; `None` if that is more than [`CONTENT_MAX_BYTES`].
    pub fn new(root: Hash, size: u64) -> Option<Tree> {
        Some(Tree { root, shape: Shape::new(size)? })
    }

    /// The BLAKE3 hash of the content.
    pub fn root(&self) -> &Hash {
        &self.root
    }

    /// The form of the tree.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Checks a run of bytes of the tree that begins at `offset`, and returns the range of them that is verified: all
    /// but half a pair at either end, and but the leaf of a single block. `above` fills a buffer with verified bytes of
    /// the tree from an offset on, or returns false if it has not got them all.
    ///
    /// # Errors
    /// [`Refused::Wrong`] if any of it is wrong, whatever the rest; then the sender lied, or the root or size is not
    /// that of this content. [`Refused::TooEarly`] if `above` lacks the nodes above the run.
    pub fn check_nodes(
        &self,
        offset: u64,
        bytes: &[u8],
        mut above: impl FnMut(u64, &mut [u8]) -> bool,
    ) -> Result<Range<u64>, Refused> {
        let end = offset.checked_add(bytes.len() as u64).ok_or(Refused::Misplaced)?;
        if bytes.is_empty() || end > self.shape.tree_bytes() {
            return Err(Refused::Misplaced);
        }
        let run = Run { offset, bytes };
        let mut verified = self.check_header(&run)?;
        for height in (0..self.shape.levels()).rev() {
            let level = self.shape.level(height);
            let Some(pairs) = self.shape.pairs_within(height, offset..end) else { continue };
            match self.shape.parents(height, pairs.clone()) {
                Some(parents) => {
                    let parents = run.read(parents, &verified, &mut above).ok_or(Refused::TooEarly)?;
                    check_pairs(run.part(pairs.clone()), &parents)?;
                }
                None if level.end - level.start == PAIR_BYTES => self.check_top(run.part(pairs.clone()))?,
                None => continue,
            }
            verified = if verified.is_empty() { pairs } else { verified.start..pairs.end };
        }
        Ok(verified)
    }

    /// Checks as much of the header as is in the run; every byte of it is known.
    fn check_header(&self, run: &Run<'_>) -> Result<Range<u64>, Refused> {
        let range = run.offset..(run.offset + run.bytes.len() as u64).min(HEADER_BYTES);
        if range.is_empty() {
            return Ok(run.offset..run.offset);
        }
        let known = header(&self.root);
        let is_right = run.part(range.clone()) == &known[range.start as usize..range.end as usize];
        if is_right { Ok(range) } else { Err(Refused::Wrong) }
    }

    /// Checks the two nodes under the root.
    fn check_top(&self, pair: &[u8]) -> Result<(), Refused> {
        let (nodes, _) = pair.as_chunks();
        match nodes {
            [left, right] if merge_root(left, right) == self.root => Ok(()),
            _ => Err(Refused::Wrong),
        }
    }

    /// Checks the block of this number against its leaf, which `leaf_at` fills a buffer with, given its offset in the
    /// tree; it returns false if the leaf is not verified yet. A single block is checked against the root, without a
    /// leaf; so is the empty content, which has a block 0 of no bytes.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn check_block(
        &self,
        block: u64,
        bytes: &[u8],
        leaf_at: impl FnOnce(u64, &mut [u8]) -> bool,
    ) -> Result<(), Refused> {
        let place = self.shape.block(block).ok_or(Refused::Misplaced)?;
        if bytes.len() as u64 != place.end - place.start {
            return Err(Refused::Misplaced);
        }
        if self.shape.blocks() <= 1 {
            return if blake3::hash(bytes) == self.root { Ok(()) } else { Err(Refused::Wrong) };
        }
        let at = self.shape.node(0, block).ok_or(Refused::Misplaced)?;
        let mut expected = Hash::default();
        if !leaf_at(at.start, &mut expected) {
            return Err(Refused::TooEarly);
        }
        if leaf(block, bytes) == Some(expected) { Ok(()) } else { Err(Refused::Wrong) }
    }

    /// Checks blocks in a row, the first of which has this number, against the highest nodes that stand for them alone:
    /// many blocks under one node are hashed together, which is twice as fast as one by one. `node_at` fills a buffer
    /// with a node, given its offset in the tree; it returns false if that node is not verified yet.
    ///
    /// # Errors
    /// [`Refused`]; which block is wrong is not said.
    pub fn check_blocks(
        &self,
        first: u64,
        bytes: &[u8],
        mut node_at: impl FnMut(u64, &mut [u8]) -> bool,
    ) -> Result<(), Refused> {
        if self.shape.blocks() <= 1 {
            return self.check_block(first, bytes, node_at);
        }
        let (mut block, mut rest) = (first, bytes);
        while !rest.is_empty() {
            let left = (rest.len() as u64).div_ceil(TREE_BLOCK_BYTES);
            let height = left.ilog2().min(block.trailing_zeros()).min(self.shape.levels() - 1);
            let place = self.shape.node(height, block >> height).ok_or(Refused::Misplaced)?;
            let end = self.shape.block(block + (1 << height) - 1).ok_or(Refused::Misplaced)?.end;
            let length = usize::try_from(end - block * TREE_BLOCK_BYTES).map_err(|_| Refused::Misplaced)?;
            let (blocks, others) = rest.split_at_checked(length).ok_or(Refused::Misplaced)?;
            let mut expected = Hash::default();
            if !node_at(place.start, &mut expected) {
                return Err(Refused::TooEarly);
            }
            let offset = block * TREE_BLOCK_BYTES;
            if blake3::Hasher::new().set_input_offset(offset).update(blocks).finalize_non_root() != expected {
                return Err(Refused::Wrong);
            }
            (block, rest) = (block + (1 << height), others);
        }
        Ok(())
    }
}

/// Checks pairs of nodes, the last of which may be a node alone, against the nodes above them.
fn check_pairs(pairs: &[u8], parents: &[u8]) -> Result<(), Refused> {
    let (parents, _) = parents.as_chunks::<{ NODE_BYTES as usize }>();
    for (pair, parent) in pairs.chunks(PAIR_BYTES as usize).zip(parents) {
        let (nodes, _) = pair.as_chunks();
        let is_right = match nodes {
            [left, right] => merge(left, right) == *parent,
            [alone] => alone == parent,
            _ => false,
        };
        if !is_right {
            return Err(Refused::Wrong);
        }
    }
    Ok(())
}

/// Bytes of a tree that are being checked.
struct Run<'a> {
    offset: u64,
    bytes: &'a [u8],
}

impl Run<'_> {
    /// A range that lies within the run; empty if it does not.
    fn part(&self, range: Range<u64>) -> &[u8] {
        let place = |at: u64| usize::try_from(at.checked_sub(self.offset)?).ok();
        let part = place(range.start).zip(place(range.end)).and_then(|(start, end)| self.bytes.get(start..end));
        part.unwrap_or_default()
    }

    /// A range that ends where `verified`, a part of the run, does, or before: what lies in that, and the rest from
    /// `above`. What else is in the run proves nothing.
    fn read(
        &self,
        range: Range<u64>,
        verified: &Range<u64>,
        above: &mut impl FnMut(u64, &mut [u8]) -> bool,
    ) -> Option<Vec<u8>> {
        let border = if verified.is_empty() { range.end } else { verified.start.clamp(range.start, range.end) };
        let mut bytes = vec![0; usize::try_from(border - range.start).ok()?];
        if !bytes.is_empty() && !above(range.start, &mut bytes) {
            return None;
        }
        bytes.extend_from_slice(self.part(border..range.end));
        Some(bytes)
    }
}
