//! The BLAKE3 tree of a content: it is that of the other implementations, and nothing wrong passes for right.
//!
//! - `building`: what is made of a content,
//! - `checking`: what passes for a part of it,
//! - `fetching`: in which order parts of the tree can be checked, and what they prove.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};
use cjp2p_node::content::tree::{Hash, Tree, header};
use cjp2p_node::content::{Builder, Ids};
use sha2::{Digest, Sha256};

mod building;
mod checking;
mod fetching;

const BLOCK: usize = 4_096;

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 31 + (i >> 8) * 7 + 3) as u8).collect()
}

/// Sizes around every number of blocks up to 20.
fn sizes() -> impl Iterator<Item = usize> {
    (0..=20).flat_map(|blocks| [blocks * BLOCK + 1, blocks * BLOCK, (blocks * BLOCK).saturating_sub(1)])
}

/// The tree over these leaves, made level by level in the plainest way.
fn plain_tree(leaves: Vec<Hash>) -> (Hash, Vec<u8>) {
    let mut levels = vec![leaves];
    while levels[levels.len() - 1].len() > 2 {
        let above = levels[levels.len() - 1].chunks(2).map(|pair| match pair {
            [left, right] => merge_subtrees_non_root(left, right, Mode::Hash),
            alone => alone[0],
        });
        levels.push(above.collect());
    }
    let root = match levels[levels.len() - 1][..] {
        [left, right] => merge_subtrees_root(&left, &right, Mode::Hash).into(),
        _ => Hash::default(),
    };
    let nodes = levels.into_iter().rev().flatten().flatten();
    (root, header(&root).into_iter().chain(nodes).collect())
}

fn leaves(content: &[u8]) -> Vec<Hash> {
    let leaf = |(n, block): (usize, &[u8])| {
        blake3::Hasher::new().set_input_offset((n * BLOCK) as u64).update(block).finalize_non_root()
    };
    content.chunks(BLOCK).enumerate().map(leaf).collect()
}

/// A tree over leaves that stand for no content; its blocks cannot be checked, but all else can.
fn tree_of(blocks: u64) -> (Tree, Vec<u8>) {
    let (root, bytes) = plain_tree((0..blocks).map(|n| Sha256::digest(n.to_le_bytes()).into()).collect());
    (Tree::new(root, blocks * 4_096).unwrap(), bytes)
}

/// What a builder makes of a content that comes in parts of `part` bytes.
fn build(content: &[u8], part: usize) -> (Ids, Vec<u8>) {
    let mut bytes = Vec::new();
    let mut write = |at: u64, nodes: &[u8]| {
        let (start, end) = (at as usize, at as usize + nodes.len());
        bytes.resize(bytes.len().max(end), 0);
        bytes[start..end].copy_from_slice(nodes);
        Ok::<(), ()>(())
    };
    let mut builder = Builder::new(content.len() as u64).unwrap();
    for part in content.chunks(part) {
        builder.update(part, &mut write).unwrap();
    }
    let ids = builder.finish(&mut write).unwrap().unwrap();
    (ids, bytes)
}

/// Fills a buffer from these bytes of a tree; they are verified up to `limit`.
fn verified(bytes: &[u8], limit: u64) -> impl FnMut(u64, &mut [u8]) -> bool + '_ {
    move |at, buffer| {
        let (start, end) = (at as usize, at as usize + buffer.len());
        let is_there = end as u64 <= limit;
        if is_there {
            buffer.copy_from_slice(&bytes[start..end]);
        }
        is_there
    }
}

fn nothing(_: u64, _: &mut [u8]) -> bool {
    false
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
