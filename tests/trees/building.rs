//! Trees that are built: the same as those of the reference, whole however the content comes.

use crate::{BLOCK, build, content, hex, leaves, nothing, plain_tree, sizes, verified};
use cjp2p_node::content::Builder;
use cjp2p_node::content::tree::{Hash, Refused, Tree, header, leaf};
use serde_json::Value;
use sha2::{Digest, Sha256};

#[test]
fn the_trees_of_the_reference_are_made_and_accepted() {
    let recorded: Value = serde_json::from_str(include_str!("../data/trees.json")).unwrap();
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
