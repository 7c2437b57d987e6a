//! What passes for a right piece of a tree or a right block, and that nothing else does.

use crate::{BLOCK, build, content, nothing, plain_tree, sizes, tree_of, verified};
use cjp2p_node::content::tree::{Refused, Tree};
use sha2::{Digest, Sha256};

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
