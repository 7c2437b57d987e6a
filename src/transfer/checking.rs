//! What becomes of bytes that were asked for and came: put together, checked as far as they can be, and kept if right.
//!
//! Of a BLAKE3 content each block is checked against the id before it is written; of a SHA-256 content, which only the
//! whole can be checked of, it is written down who delivered what. It refuses to keep what is there already from
//! somebody else.

use super::NotKept;
use super::download::Download;
use super::source::Span;
use super::trial::Stage;
use crate::content::tree::TREE_BLOCK_BYTES;
use crate::content::{Part, Store};
use crate::time::Time;
use std::net::SocketAddr;
use std::ops::Range;

impl Download {
    /// Keeps what arrived, if it is right.
    pub(super) fn accept(
        &mut self,
        now: Time,
        from: SocketAddr,
        (part, offset): (Part, u64),
        bytes: &[u8],
        store: &mut impl Store,
    ) -> Result<(), NotKept> {
        if let Stage::Jury(jury) = &mut self.trial.stage {
            jury.hear(from, offset, *blake3::hash(bytes).as_bytes());
            self.progressed = now;
            self.end_jury(now);
            return Ok(());
        }
        let range = offset..offset + bytes.len() as u64;
        if !self.is_checkable() {
            // What is there may have been read already, and another source may say otherwise.
            for gap in self.held[part as usize].gaps(range).iter() {
                let (start, end) = ((gap.start - offset) as usize, (gap.end - offset) as usize);
                store.write_part(&self.id, part, gap.start, &bytes[start..end]).map_err(NotKept::NotWritten)?;
                self.keep(now, part, gap, from);
            }
            return Ok(());
        }
        if self.whole_blocks(part, range.clone()) == range {
            return self.check(now, from, (part, offset), bytes, store);
        }
        let (mut outcome, mut rest, mut start) = (Ok(()), bytes, offset);
        // Its ends may lie within two blocks, if how much one answer is to carry has changed meanwhile.
        while !rest.is_empty() {
            let block = self.whole_blocks(part, start..start + 1);
            let length = rest.len().min(block.end.saturating_sub(start).max(1) as usize);
            let (these, others) = rest.split_at(length);
            outcome = outcome.and(self.assemble(now, from, (part, block, start), these, store));
            (rest, start) = (others, start + length as u64);
        }
        outcome
    }

    /// Puts a part of a block to the others, and keeps the block if it is whole and right.
    fn assemble(
        &mut self,
        now: Time,
        from: SocketAddr,
        (part, block, start): (Part, Range<u64>, u64),
        bytes: &[u8],
        store: &mut impl Store,
    ) -> Result<(), NotKept> {
        let (length, at) = ((block.end - block.start) as usize, (start - block.start) as usize);
        match self.assemblies.add(from, (part, block.start, length), at, bytes) {
            Some(whole) => self.check(now, from, (part, block.start), &whole, store),
            None if !self.assemblies.holds(part, block.start, from) => {
                // There was no place for it after all: it has to come again.
                let range = start..start + bytes.len() as u64;
                let source = self.sources.get_mut(&from);
                source.into_iter().for_each(|source| source.queue.push_back(Span { part, range: range.clone() }));
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Checks whole blocks, or a piece of the tree, and keeps what is right.
    fn check(
        &mut self,
        now: Time,
        from: SocketAddr,
        (part, offset): (Part, u64),
        bytes: &[u8],
        store: &mut impl Store,
    ) -> Result<(), NotKept> {
        let mut outcome = Ok(());
        let whole = offset..offset + bytes.len() as u64;
        if !self.held[part as usize].overlaps(whole.clone()) && self.are_right(part, offset, bytes, store) {
            store.write_part(&self.id, part, offset, bytes).map_err(NotKept::NotWritten)?;
            self.keep(now, part, whole, from);
            return Ok(());
        }
        for (start, block) in self.cut(part, offset, bytes) {
            let range = start..start + block.len() as u64;
            if self.held[part as usize].covers(range.clone()) {
                continue;
            }
            match self.are_right(part, start, block, store) {
                true => {
                    store.write_part(&self.id, part, start, block).map_err(NotKept::NotWritten)?;
                    self.keep(now, part, range, from);
                }
                false => outcome = Err(NotKept::Wrong),
            }
        }
        if outcome.is_err() {
            self.blame(now, from, part, self.whole_blocks(part, offset..offset + bytes.len() as u64));
        }
        outcome
    }

    /// The units in which bytes of a part are checked.
    fn cut<'a>(&self, part: Part, offset: u64, bytes: &'a [u8]) -> impl Iterator<Item = (u64, &'a [u8])> + use<'a> {
        let unit = if part == Part::Tree { bytes.len() } else { TREE_BLOCK_BYTES as usize };
        bytes.chunks(unit.max(1)).enumerate().map(move |(n, block)| (offset + (n * unit) as u64, block))
    }

    /// Whether whole blocks, or a piece of the tree, are what the id says, all of them.
    fn are_right(&self, part: Part, offset: u64, bytes: &[u8], store: &mut impl Store) -> bool {
        let Some(tree) = self.tree else { return false };
        let read = |at: u64, buffer: &mut [u8]| {
            let range = at..at + buffer.len() as u64;
            self.held[Part::Tree as usize].covers(range) && store.read_part(&self.id, Part::Tree, at, buffer).is_ok()
        };
        match part {
            Part::Tree => {
                let whole = offset..offset + bytes.len() as u64;
                tree.check_nodes(offset, bytes, read).is_ok_and(|verified| verified == whole)
            }
            Part::Content => tree.check_blocks(offset / TREE_BLOCK_BYTES, bytes, read).is_ok(),
        }
    }

    /// A source delivered something wrong.
    fn blame(&mut self, now: Time, from: SocketAddr, part: Part, range: Range<u64>) {
        let Some(source) = self.sources.get_mut(&from) else { return };
        if source.delivered_wrong() {
            self.leave(now, from);
        } else {
            // Perhaps a bit flipped on the way: the same again, and then it is enough.
            source.queue.push_back(Span { part, range });
        }
    }
}
