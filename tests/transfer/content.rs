//! A content that is shared or fetched, with all that is true of it.

use crate::rng::Rng;
use cjp2p_node::content::{Builder, Part};
use std::rc::Rc;

/// A content with its ids and its tree.
pub struct Content {
    pub bytes: Vec<u8>,
    pub tree: Vec<u8>,
    pub sha256: [u8; 32],
    pub blake3: [u8; 32],
}

impl Content {
    /// `size` bytes that no two blocks of are alike.
    pub fn new(size: usize) -> Rc<Content> {
        let mut rng = Rng::new(size as u64 + 1);
        let mut bytes = Vec::with_capacity(size + 8);
        while bytes.len() < size {
            bytes.extend_from_slice(&rng.below(u64::MAX).to_le_bytes());
        }
        bytes.truncate(size);
        let mut tree: Vec<u8> = Vec::new();
        let mut write = |at: u64, nodes: &[u8]| {
            let at = at as usize;
            tree.resize(tree.len().max(at + nodes.len()), 0);
            tree[at..at + nodes.len()].copy_from_slice(nodes);
            Ok::<(), ()>(())
        };
        let mut builder = Builder::new(size as u64).unwrap();
        builder.update(&bytes, &mut write).unwrap();
        let ids = builder.finish(&mut write).unwrap().unwrap();
        Rc::new(Content { bytes, tree, sha256: ids.sha256, blake3: ids.blake3 })
    }

    pub fn part(&self, part: Part) -> &[u8] {
        if part == Part::Tree { &self.tree } else { &self.bytes }
    }
}
