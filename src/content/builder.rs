//! Everything that is to be known of a content, from reading it once: both its ids, and its tree.
//!
//! The nodes of every level of the tree are written as they come, so the whole tree is never in memory: a few pages for
//! each level, whatever the length. Where they go is the caller's business, and nothing is read back. The length has to
//! be known beforehand, as the place of every node depends on it; a content of another length has no ids.

use super::tree::{Hash, Shape, TREE_BLOCK_BYTES, header, leaf, merge, merge_root};
use sha2::{Digest, Sha256};
use std::mem;

/// How many bytes of nodes of one level are gathered before they are written: a page.
const GATHER_BYTES: usize = 4_096;

/// Both names of a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ids {
    /// SHA-256.
    pub sha256: Hash,
    /// BLAKE3, the root of the tree.
    pub blake3: Hash,
}

/// A content being read.
pub struct Builder {
    shape: Shape,
    sha256: Sha256,
    /// The beginning of a block, the rest of which is still to come.
    begun: Vec<u8>,
    /// How many bytes have come.
    taken: u64,
    /// Number of the next block.
    block: u64,
    levels: Vec<Level>,
    root: Hash,
}

/// A level of the tree, some of which is there.
struct Level {
    /// Where the gathered nodes go.
    at: u64,
    gathered: Vec<u8>,
    /// A node that waits for its partner.
    left: Option<Hash>,
}

impl Builder {
    /// Begins a content of `size` bytes; `None` if that is more than
    /// [`CONTENT_MAX_BYTES`](super::tree::CONTENT_MAX_BYTES).
    pub fn new(size: u64) -> Option<Builder> {
        let shape = Shape::new(size)?;
        let level = |level| Level { at: shape.level(level).start, gathered: Vec::new(), left: None };
        Some(Builder {
            shape,
            sha256: Sha256::new(),
            begun: Vec::new(),
            taken: 0,
            block: 0,
            levels: (0..shape.levels()).map(level).collect(),
            root: blake3::hash(&[]).into(),
        })
    }

    /// Takes the next bytes. `write` writes bytes of the tree to an offset.
    ///
    /// # Errors
    /// What `write` says; the builder is of no use afterwards.
    pub fn update<E>(
        &mut self,
        mut bytes: &[u8],
        write: &mut impl FnMut(u64, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.taken = self.taken.saturating_add(bytes.len() as u64);
        if self.taken > self.shape.size() {
            return Ok(());
        }
        self.sha256.update(bytes);
        let block_bytes = TREE_BLOCK_BYTES as usize;
        if !self.begun.is_empty() {
            let (rest, others) = bytes.split_at(bytes.len().min(block_bytes - self.begun.len()));
            self.begun.extend_from_slice(rest);
            bytes = others;
            if self.begun.len() < block_bytes {
                return Ok(());
            }
            let block = mem::take(&mut self.begun);
            self.add_block(&block, write)?;
        }
        let mut blocks = bytes.chunks_exact(block_bytes);
        blocks.by_ref().try_for_each(|block| self.add_block(block, write))?;
        self.begun.extend_from_slice(blocks.remainder());
        Ok(())
    }

    /// The ids, after the last bytes have been taken and the whole tree has been written; `None` if the content was not
    /// as long as it was said to be. The builder is of no use afterwards.
    ///
    /// # Errors
    /// What `write` says.
    pub fn finish<E>(&mut self, write: &mut impl FnMut(u64, &[u8]) -> Result<(), E>) -> Result<Option<Ids>, E> {
        if self.taken != self.shape.size() {
            return Ok(None);
        }
        let last = mem::take(&mut self.begun);
        if !last.is_empty() {
            self.add_block(&last, write)?;
        }
        for level in 0..self.levels.len() {
            // A last node without a partner stands in the level above once more.
            if let Some(alone) = self.levels[level].left.take()
                && level + 1 < self.levels.len()
            {
                self.add_node(level + 1, alone, write)?;
            }
            self.levels[level].write(write)?;
        }
        write(0, &header(&self.root))?;
        Ok(Some(Ids { sha256: self.sha256.finalize_reset().into(), blake3: self.root }))
    }

    fn add_block<E>(&mut self, block: &[u8], write: &mut impl FnMut(u64, &[u8]) -> Result<(), E>) -> Result<(), E> {
        if self.shape.blocks() == 1 {
            self.root = blake3::hash(block).into();
        }
        let number = self.block;
        self.block += 1;
        leaf(number, block).map_or(Ok(()), |leaf| self.add_node(0, leaf, write))
    }

    /// Adds a node to a level, and with every second one its parent to the level above, and so on up.
    fn add_node<E>(
        &mut self,
        level: usize,
        mut node: Hash,
        write: &mut impl FnMut(u64, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let top = self.levels.len().saturating_sub(1);
        for (number, level) in self.levels.iter_mut().enumerate().skip(level) {
            level.gathered.extend_from_slice(&node);
            if level.gathered.len() >= GATHER_BYTES {
                level.write(write)?;
            }
            let Some(left) = level.left.take() else {
                level.left = Some(node);
                return Ok(());
            };
            if number == top {
                self.root = merge_root(&left, &node);
            } else {
                node = merge(&left, &node);
            }
        }
        Ok(())
    }
}

impl Level {
    fn write<E>(&mut self, write: &mut impl FnMut(u64, &[u8]) -> Result<(), E>) -> Result<(), E> {
        if !self.gathered.is_empty() {
            write(self.at, &self.gathered)?;
            self.at += self.gathered.len() as u64;
            self.gathered.clear();
        }
        Ok(())
    }
}
