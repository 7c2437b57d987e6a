//! Blocks that arrive in parts: a block can be checked only when all of it is there, and only if all of it comes from
//! one source is it clear who is to blame.

use crate::content::Part;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::Range;

/// Blocks under assembly, at most: 8 MiB, which is 80 MB a second over a path of 100 ms.
pub(super) const ASSEMBLIES_MAX: usize = 2_048;

/// Which block, and from whom.
type Key = (Part, u64, SocketAddr);

/// A block under assembly.
#[derive(Debug)]
struct Assembly {
    key: Key,
    bytes: Vec<u8>,
    /// How many bytes are there. Each part is expected once and so counted once.
    filled: usize,
}

/// The blocks under assembly of one download, in the order of their keys. Blocks are asked for and come in about that
/// order, so most are added at the end and taken out at the front, which moves next to nothing.
#[derive(Debug, Default)]
pub(super) struct Assemblies(VecDeque<Assembly>);

impl Assemblies {
    /// How many blocks are under assembly.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether further blocks may be begun.
    pub(super) fn has_room(&self) -> bool {
        self.0.len() < ASSEMBLIES_MAX
    }

    /// Where a block is, or would be.
    fn place(&self, key: &Key) -> Result<usize, usize> {
        self.0.binary_search_by(|assembly| assembly.key.cmp(key))
    }

    /// Whether a block from this source is under assembly.
    pub(super) fn holds(&self, part: Part, block: u64, from: SocketAddr) -> bool {
        self.place(&(part, block, from)).is_ok()
    }

    /// Adds a part that begins `at` bytes into the block at `block`, which is `length` long. The whole block, once it
    /// is there.
    pub(super) fn add(
        &mut self,
        from: SocketAddr,
        (part, block, length): (Part, u64, usize),
        at: usize,
        bytes: &[u8],
    ) -> Option<Vec<u8>> {
        let key = (part, block, from);
        let place = match self.place(&key) {
            Ok(place) => place,
            Err(_) if !self.has_room() => return None,
            Err(place) => {
                self.0.insert(place, Assembly { key, bytes: vec![0; length], filled: 0 });
                place
            }
        };
        let assembly = self.0.get_mut(place)?;
        assembly.bytes.get_mut(at..at + bytes.len())?.copy_from_slice(bytes);
        assembly.filled += bytes.len();
        if assembly.filled < length {
            return None;
        }
        self.0.remove(place).map(|assembly| assembly.bytes)
    }

    /// Drops blocks that are there now.
    pub(super) fn drop_blocks(&mut self, part: Part, range: Range<u64>) {
        let [first, end] = [range.start, range.end]
            .map(|block| self.0.partition_point(|assembly| (assembly.key.0, assembly.key.1) < (part, block)));
        self.0.drain(first..end.max(first));
    }

    /// Drops everything of a source.
    pub(super) fn forget(&mut self, from: SocketAddr) {
        self.0.retain(|assembly| assembly.key.2 != from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_given_out_when_its_last_part_comes_whatever_the_order() {
        let mut assemblies = Assemblies::default();
        let from = SocketAddr::from(([192, 0, 2, 1], 24_254));
        let block = (Part::Content, 4_096, 10);
        assert_eq!(assemblies.add(from, block, 8, b"89"), None);
        assert_eq!(assemblies.add(from, block, 0, b"0123"), None);
        assert_eq!(assemblies.add(from, block, 4, b"4567"), Some(b"0123456789".to_vec()));
        assert!(assemblies.0.is_empty());
    }

    #[test]
    fn assemblies_are_bounded_and_two_sources_never_mix() {
        let mut assemblies = Assemblies::default();
        let [one, other] = [1, 2].map(|n| SocketAddr::from(([192, 0, 2, n], 24_254)));
        for n in 0..2 * ASSEMBLIES_MAX as u64 {
            assert_eq!(assemblies.add(one, (Part::Tree, n * 4_096, 4), 0, b"ab"), None);
        }
        assert_eq!(assemblies.0.len(), ASSEMBLIES_MAX);
        assemblies.drop_blocks(Part::Tree, 4_096..8_192);
        assert_eq!(assemblies.add(other, (Part::Tree, 0, 4), 2, b"cd"), None);
        assemblies.forget(one);
        assert_eq!(assemblies.0.len(), 1);
    }
}
