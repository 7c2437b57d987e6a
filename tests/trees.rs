//! The BLAKE3 tree of a content: it is that of the other implementations, and nothing wrong passes for right.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};
use cjp2p_node::content::tree::{CONTENT_MAX_BYTES, Hash, Refused, Shape, Tree, header, leaf};
use cjp2p_node::content::{Builder, Ids, Ranges};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::ops::Range;

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

#[test]
fn the_trees_of_the_reference_are_made_and_accepted() {
    let recorded: Value = serde_json::from_str(include_str!("data/trees.json")).unwrap();
    let trees = recorded["trees"].as_array().unwrap();
    assert_eq!(trees.len(), 9);
    for recorded in trees {
        let size = recorded["size"].as_u64().unwrap();
        let content = content(size as usize);
        let (ids, bytes) = build(&content, 1_000);
        assert_eq!(hex(&ids.sha256), recorded["sha256"], "{size}");
        assert_eq!(hex(&ids.blake3), recorded["blake3"], "{size}");
        assert_eq!(bytes.len() as u64, recorded["tree_length"], "{size}");
        assert_eq!(hex(&Sha256::digest(&bytes)), recorded["tree_sha256"], "{size}");
        if let Some(tree) = recorded.get("tree_hex") {
            assert_eq!(hex(&bytes), *tree, "{size}");
        }
        let tree = Tree::new(ids.blake3, size).unwrap();
        let provable = if size > 4_096 { bytes.len() as u64 } else { 64 };
        assert_eq!(tree.check_nodes(0, &bytes, nothing), Ok(0..provable), "{size}");
        for (n, block) in content.chunks(BLOCK).enumerate() {
            assert_eq!(tree.check_block(n as u64, block, verified(&bytes, u64::MAX)), Ok(()), "{size} {n}");
        }
    }
}

#[test]
fn every_small_tree_is_built_whole_however_the_content_comes_and_every_block_passes() {
    for size in sizes() {
        let content = content(size);
        let (_, plain) = plain_tree(leaves(&content));
        for part in [1_000, BLOCK, 3 * BLOCK + 1, usize::MAX] {
            let (ids, bytes) = build(&content, part);
            assert_eq!(ids.sha256, <Hash>::from(Sha256::digest(&content)), "{size} {part}");
            assert_eq!(ids.blake3, *blake3::hash(&content).as_bytes(), "{size} {part}");
            assert_eq!((&bytes[..64], &bytes[64..]), (&header(&ids.blake3)[..], &plain[64..]), "{size} {part}");
        }
        let tree = Tree::new(*blake3::hash(&content).as_bytes(), size as u64).unwrap();
        assert_eq!((tree.shape().size(), tree.shape().tree_bytes()), (size as u64, plain.len() as u64));
        let blocks: Vec<&[u8]> = if size == 0 { vec![&[]] } else { content.chunks(BLOCK).collect() };
        for (n, block) in blocks.iter().enumerate() {
            assert_eq!(tree.shape().block(n as u64).map(|place| place.end - place.start), Some(block.len() as u64));
            assert_eq!(tree.check_block(n as u64, block, verified(&plain, u64::MAX)), Ok(()), "{size} {n}");
            if blocks.len() > 1 {
                assert_eq!(tree.check_block(n as u64, block, nothing), Err(Refused::TooEarly));
                assert_eq!(leaf(n as u64, block).unwrap(), leaves(&content)[n]);
            }
        }
        assert_eq!(tree.check_block(blocks.len() as u64, &[], nothing), Err(Refused::Misplaced));
    }
}

#[test]
fn a_content_of_another_length_than_it_was_said_to_have_has_no_ids() {
    for (said, real) in [(0, 1), (1, 0), (4_096, 4_097), (4_097, 4_096), (10_000, 5_000), (5_000, 10_000)] {
        let mut write = |_: u64, _: &[u8]| Ok::<(), ()>(());
        let mut builder = Builder::new(said).unwrap();
        builder.update(&content(real), &mut write).unwrap();
        assert_eq!(builder.finish(&mut write), Ok(None), "{said} {real}");
    }
    let mut fail = |_: u64, _: &[u8]| Err("full");
    let mut builder = Builder::new(0).unwrap();
    assert_eq!(builder.finish(&mut fail), Err("full"));
}

#[test]
fn every_flipped_byte_of_a_tree_is_caught() {
    for blocks in 2..=20 {
        let (tree, bytes) = tree_of(blocks);
        for at in 0..bytes.len() {
            let mut wrong = bytes.clone();
            wrong[at] ^= 1 << (at % 8);
            assert_eq!(tree.check_nodes(0, &wrong, nothing), Err(Refused::Wrong), "{blocks} {at}");
        }
    }
}

#[test]
fn every_flipped_byte_of_a_block_is_caught() {
    for size in [BLOCK, 2 * BLOCK + 100] {
        let content = content(size);
        let (ids, bytes) = build(&content, usize::MAX);
        let tree = Tree::new(ids.blake3, size as u64).unwrap();
        for (n, block) in content.chunks(BLOCK).enumerate() {
            let mut wrong = block.to_vec();
            for at in 0..block.len() {
                wrong[at] ^= 1 << (at % 8);
                let refused = tree.check_block(n as u64, &wrong, verified(&bytes, u64::MAX));
                assert_eq!(refused, Err(Refused::Wrong), "{size} {n} {at}");
                wrong[at] = block[at];
            }
            for length in [0, 1, block.len() - 1, block.len() + 1] {
                wrong.resize(length, 0);
                let refused = tree.check_block(n as u64, &wrong, verified(&bytes, u64::MAX));
                assert_eq!(refused, Err(Refused::Misplaced), "{size} {n} {length}");
            }
        }
    }
}

#[test]
fn blocks_in_a_row_pass_as_each_of_them_alone_does() {
    for size in sizes().filter(|size| *size > 0) {
        let content = content(size);
        let (ids, bytes) = build(&content, usize::MAX);
        let tree = Tree::new(ids.blake3, size as u64).unwrap();
        let count = size.div_ceil(BLOCK);
        for (first, end) in (0..count).flat_map(|first| (first + 1..=count).map(move |end| (first, end))) {
            let run = &content[first * BLOCK..(end * BLOCK).min(size)];
            let place = format!("{size} {first}..{end}");
            let check = |run: &[u8]| tree.check_blocks(first as u64, run, verified(&bytes, u64::MAX));
            assert_eq!(check(run), Ok(()), "{place}");
            if count > 1 {
                assert_eq!(tree.check_blocks(first as u64, run, nothing), Err(Refused::TooEarly), "{place}");
            }
            for at in [0, run.len() / 2, run.len() - 1] {
                let mut wrong = run.to_vec();
                wrong[at] ^= 1;
                assert_eq!(check(&wrong), Err(Refused::Wrong), "{place} {at}");
            }
            // Nothing but whole blocks.
            assert!((run.len() - 1).is_multiple_of(BLOCK) || check(&run[..run.len() - 1]).is_err(), "{place}");
            assert!(check(&[run, &[0]].concat()).is_err(), "{place}");
        }
        assert_eq!(tree.check_blocks(count as u64, &[7], nothing), Err(Refused::Misplaced));
        assert_eq!(tree.check_blocks(u64::MAX, &content, nothing), Err(Refused::Misplaced));
    }
}

#[test]
fn a_right_block_in_a_wrong_place_is_caught() {
    let content = vec![7; 4 * BLOCK];
    let (ids, bytes) = build(&content, usize::MAX);
    let tree = Tree::new(ids.blake3, content.len() as u64).unwrap();
    let leaf_of_the_first = |_: u64, buffer: &mut [u8]| verified(&bytes, u64::MAX)(128, buffer);
    assert_eq!(tree.check_block(0, &content[..BLOCK], leaf_of_the_first), Ok(()));
    assert_eq!(tree.check_block(1, &content[..BLOCK], leaf_of_the_first), Err(Refused::Wrong));
}

#[test]
fn whatever_part_of_a_tree_passes_follows_from_the_root() {
    for blocks in 2..=9 {
        let (tree, truth) = tree_of(blocks);
        let length = truth.len();
        // The truth, every node with a flipped bit, and trees in themselves without fault over one forged leaf.
        let flipped = (64..length).step_by(32).map(|at| {
            let mut bytes = truth.clone();
            bytes[at] ^= 1;
            bytes
        });
        let forged = (0..blocks).map(|forged| {
            let leaf = |n: u64| Sha256::digest((n + u64::from(n == forged) * 100).to_le_bytes()).into();
            plain_tree((0..blocks).map(leaf).collect()).1
        });
        for bytes in [truth.clone()].into_iter().chain(flipped).chain(forged) {
            for start in (0..length).step_by(16) {
                for end in (start + 16..=length).step_by(16) {
                    let checked = tree.check_nodes(start as u64, &bytes[start..end], verified(&truth, start as u64));
                    let Ok(passed) = checked else { continue };
                    let passed = passed.start as usize..passed.end as usize;
                    assert!(start <= passed.start && passed.end <= end);
                    assert_eq!(bytes[passed.clone()], truth[passed.clone()], "{blocks} {start}..{end}");
                }
            }
        }
    }
}

#[test]
fn whole_pairs_pass_as_soon_as_what_is_above_them_is_there() {
    let (tree, truth) = tree_of(5);
    // Levels of 2, 3 and 5 nodes.
    for (run, above, passed) in [
        (0..384, 0, Ok(0..384)),
        (0..70, 0, Ok(0..64)),
        (3..20, 0, Ok(3..20)),
        (64..128, 64, Ok(64..128)),
        (128..224, 128, Ok(128..224)),
        (128..223, 128, Ok(128..192)),
        (130..224, 128, Ok(192..224)),
        (128..224, 127, Err(Refused::TooEarly)),
        (224..384, 224, Ok(224..384)),
        (224..384, 200, Err(Refused::TooEarly)),
        (224..288, 160, Ok(224..288)),
        (192..384, 192, Ok(192..384)),
        // The node at 160 came without the one that would prove it, so nothing follows from it.
        (160..384, 160, Err(Refused::TooEarly)),
        (384..385, 384, Err(Refused::Misplaced)),
        (0..0, 0, Err(Refused::Misplaced)),
    ] {
        let bytes = truth.iter().chain(&[0]).skip(run.start).take(run.len()).copied().collect::<Vec<u8>>();
        let checked = tree.check_nodes(run.start as u64, &bytes, verified(&truth, above));
        assert_eq!(checked, passed, "{run:?}");
    }
    assert_eq!(tree.check_nodes(u64::MAX, &[0; 2], nothing), Err(Refused::Misplaced));
}

/// Fetches pieces of a tree as they are named, and checks that each passes as a whole at once.
fn fetch(tree: &Tree, truth: &[u8], have: &mut Ranges, pieces: impl IntoIterator<Item = Range<u64>>) {
    for piece in pieces {
        let bytes = &truth[piece.start as usize..piece.end as usize];
        let above = |at: u64, buffer: &mut [u8]| {
            have.covers(at..at + buffer.len() as u64) && verified(truth, u64::MAX)(at, buffer)
        };
        assert_eq!(tree.check_nodes(piece.start, bytes, above), Ok(piece.clone()));
        assert!(!have.covers(piece.clone()) && piece.end - piece.start <= 4_096);
        have.insert(piece).unwrap();
    }
}

#[test]
fn fetching_what_can_be_checked_next_gets_the_whole_tree() {
    for blocks in (2..=40).chain([63, 64, 65, 127, 128, 129, 257, 4_095, 4_096, 4_097, 8_193, 20_000]) {
        let (tree, truth) = tree_of(blocks);
        let mut have = Ranges::default();
        let mut pieces = 0;
        while let Some(piece) = tree.shape().next_checkable(&have, 0) {
            fetch(&tree, &truth, &mut have, [piece]);
            pieces += 1;
        }
        assert!(have.covers(0..truth.len() as u64) && have.count() == truth.len() as u64, "{blocks}");
        assert!(pieces <= truth.len() / 4_096 + tree.shape().levels() as usize, "{blocks}: {pieces} pieces");
    }
}

#[test]
fn what_was_asked_for_already_is_skipped_and_what_cannot_be_checked_yet_is_not_named() {
    let (tree, truth) = tree_of(20_000);
    let shape = tree.shape();
    let mut have = Ranges::default();
    let head = shape.head();
    assert_eq!(shape.next_checkable(&have, 0), Some(head.clone()));
    assert_eq!(shape.next_checkable(&have, head.end), None);
    fetch(&tree, &truth, &mut have, [head]);
    // All that follows from the head can be under way at once, each once.
    let mut asked = Ranges::default();
    let mut from = 0;
    while let Some(piece) = shape.next_checkable(&have, from) {
        assert!(asked.first_gap(piece.clone()) == Some(piece.clone()) && piece.end > from);
        from = piece.end;
        asked.insert(piece).unwrap();
    }
    assert_eq!(asked.count(), 79 * 32, "the level below the head");
    fetch(&tree, &truth, &mut have, asked.iter());
    // The left edge alone makes everything on the left provable, and nothing on the right.
    fetch(&tree, &truth, &mut have, shape.path(0).skip(2));
    let piece = shape.next_checkable(&have, 0).unwrap();
    fetch(&tree, &truth, &mut have, [piece]);
}

#[test]
fn the_path_of_any_block_proves_it_with_a_handful_of_pieces() {
    for blocks in [2, 3, 20, 64, 65, 129, 20_000] {
        let (tree, truth) = tree_of(blocks);
        for block in [0, blocks / 2, blocks - 2, blocks - 1] {
            let mut have = Ranges::default();
            fetch(&tree, &truth, &mut have, tree.shape().path(block));
            assert!(have.covers(tree.shape().node(0, block).unwrap()), "{blocks} {block}");
            assert!(have.count() < 10 * 4_096);
        }
        assert_eq!(tree.shape().path(blocks).count(), 0);
    }
}

#[test]
fn the_right_edge_and_the_last_block_prove_the_size() {
    for size in sizes() {
        let content = content(size);
        let (ids, bytes) = build(&content, usize::MAX);
        for claim in sizes().filter(|claim| *claim != size) {
            let tree = Tree::new(ids.blake3, claim as u64).unwrap();
            let last = tree.shape().blocks().saturating_sub(1);
            let place = tree.shape().block(last).unwrap();
            // A liar sends what there is, and zeroes past the end.
            let block: Vec<u8> = (place.start..place.end).map(|at| *content.get(at as usize).unwrap_or(&0)).collect();
            let mut edge = vec![0; tree.shape().tree_bytes() as usize];
            let nodes = edge.len().min(bytes.len());
            edge[..nodes].copy_from_slice(&bytes[..nodes]);
            let is_edge_right = tree.shape().blocks() < 2 || tree.check_nodes(0, &edge, nothing).is_ok();
            let is_block_right = tree.check_block(last, &block, verified(&edge, u64::MAX)).is_ok();
            assert!(!(is_edge_right && is_block_right), "{size} passes for {claim}");
        }
    }
}

#[test]
fn upper_levels_of_the_true_tree_pass_for_a_shorter_content_but_its_last_block_does_not() {
    let content = content(8 * BLOCK);
    let (ids, bytes) = build(&content, usize::MAX);
    let half = Tree::new(ids.blake3, 4 * BLOCK as u64).unwrap();
    let edge = &bytes[..half.shape().tree_bytes() as usize];
    assert_eq!(half.check_nodes(0, edge, nothing), Ok(0..edge.len() as u64));
    for block in content.chunks(BLOCK) {
        assert_eq!(half.check_block(3, block, verified(edge, u64::MAX)), Err(Refused::Wrong));
    }
}

#[test]
fn no_claimed_size_overflows_or_takes_long() {
    assert_eq!(Shape::new(CONTENT_MAX_BYTES + 1), None);
    assert_eq!(Shape::new(u64::MAX), None);
    for size in [CONTENT_MAX_BYTES, CONTENT_MAX_BYTES - 1, CONTENT_MAX_BYTES / 2 + 1, 1 << 43, (1 << 32) + 1] {
        let shape = Shape::new(size).unwrap();
        assert!(shape.levels() <= 41 && shape.tree_bytes() <= 1 << 47);
        let last = shape.blocks() - 1;
        assert_eq!(shape.block(last).unwrap().end, size);
        assert_eq!(shape.node(0, last).unwrap().end, shape.tree_bytes());
        for wrong in [last + 1, u64::MAX] {
            assert_eq!((shape.block(wrong), shape.node(0, wrong)), (None, None));
        }
        assert!((42..=u32::MAX).step_by(100_000_000).all(|level| shape.nodes(level) == 0));
        assert!(shape.path(last).count() <= 41);
        for at in [0, 64, 5_000, shape.tree_bytes() - 1] {
            assert!(shape.piece(at).unwrap().contains(&at));
        }
        assert_eq!((shape.piece(shape.tree_bytes()), shape.piece(u64::MAX)), (None, None));
        let mut have = Ranges::default();
        have.insert(shape.head()).unwrap();
        assert!(shape.next_checkable(&have, 0).unwrap().start >= shape.head().end);
        assert_eq!(shape.next_checkable(&have, u64::MAX), None);
        let tree = Tree::new([0; 32], size).unwrap();
        assert_eq!(tree.check_nodes(shape.tree_bytes() - 64, &[7; 64], |_, _| true), Err(Refused::Wrong));
        let bytes = vec![7; (size - shape.block(last).unwrap().start) as usize];
        assert_eq!(tree.check_block(last, &bytes, |_, _| true), Err(Refused::Wrong));
        assert_eq!(tree.check_block(u64::MAX, &[], |_, _| true), Err(Refused::Misplaced));
    }
    assert_eq!((leaf(u64::MAX, &[0]), leaf(0, &[]), leaf(0, &[0; 4_097])), (None, None, None));
}
