//! Which piece of a tree can be checked next, what proves a block or the size, and what a claimed size may cost.

use crate::{BLOCK, build, content, nothing, sizes, tree_of, verified};
use cjp2p_node::content::Ranges;
use cjp2p_node::content::tree::{CONTENT_MAX_BYTES, Refused, Shape, Tree, leaf};
use std::ops::Range;

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
