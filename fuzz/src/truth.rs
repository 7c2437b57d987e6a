//! What the bodies that fetch compare with: a content with its ids and its tree.

use cjp2p_node::content::Builder;

/// A content and its tree.
pub struct Truth {
    pub sha256: [u8; 32],
    pub blake3: [u8; 32],
    pub content: Vec<u8>,
    pub tree: Vec<u8>,
}

impl Truth {
    /// Of `size` bytes that repeat in no block.
    pub fn new(size: u64) -> Truth {
        let content: Vec<u8> = (0..size).map(|n| (n * 31 + (n >> 8) * 7 + 3) as u8).collect();
        let mut tree = Vec::new();
        let mut write = |at: u64, nodes: &[u8]| {
            let range = at as usize..at as usize + nodes.len();
            tree.resize(tree.len().max(range.end), 0);
            tree[range].copy_from_slice(nodes);
            Ok::<(), ()>(())
        };
        let mut builder = Builder::new(size).unwrap();
        builder.update(&content, &mut write).unwrap();
        let ids = builder.finish(&mut write).unwrap().unwrap();
        Truth { sha256: ids.sha256, blake3: ids.blake3, content, tree }
    }
}
