//! Fuzz body: whatever is sent as a tree or a block, and whatever size is claimed, only the truth passes.
//!
//! The first part believes a size that may be anything, and looks at the arithmetic alone. The second has a content and
//! its tree, and a sender that mixes them with lies; the lies must not be believed, and nobody may be convinced of a
//! wrong size.

use super::input::Input;
use super::truth::Truth;
use cjp2p_node::content::Ranges;
use cjp2p_node::content::tree::{CONTENT_MAX_BYTES, Tree};
use std::ops::Range;

/// The longest content of the second part: its tree has six levels.
const CONTENT_BYTES: u64 = 20 * 4_096;

/// Reads `bytes` as claims, trees and blocks, and checks what passes.
pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    match input.take(1) {
        kind if kind < 128 => check_arithmetic(&mut input),
        _ => check_truth(&mut input),
    }
}

fn check_arithmetic(input: &mut Input<'_>) {
    let claim = input.take(8);
    let tree = Tree::new([7; 32], claim);
    assert_eq!(tree.is_some(), claim <= CONTENT_MAX_BYTES);
    let Some(tree) = tree else { return };
    let shape = tree.shape();
    let length = shape.tree_bytes();
    let mut have = Ranges::default();
    while !input.is_empty() {
        let (kind, at) = (input.take(1), input.take(8));
        match kind % 4 {
            0 => {
                let piece = shape.piece(at);
                assert_eq!(piece.is_some(), at < length);
                if let Some(piece) = piece {
                    assert!(piece.contains(&at) && piece.end <= length && piece.end - piece.start <= 4_096);
                    have.insert(piece).unwrap();
                }
            }
            1 => {
                let mut end = 0;
                for piece in shape.path(at) {
                    assert!(end <= piece.start && piece.end <= length, "from the top down");
                    end = piece.end;
                    have.insert(piece).unwrap();
                }
            }
            2 => {
                if let Some(piece) = shape.next_checkable(&have, at) {
                    assert!(piece.end <= length && have.first_gap(piece.start.max(at)..piece.end).is_some());
                    have.insert(piece).unwrap();
                }
            }
            _ => {
                let bytes = vec![kind as u8; (input.take(2) % 5_000) as usize];
                if let Ok(passed) = tree.check_nodes(at, &bytes, |_, nodes| nodes.len() <= bytes.len() + 32) {
                    assert!(at <= passed.start && passed.end <= at + bytes.len() as u64);
                }
                assert!(tree.check_block(at, &bytes, |_, _| true).is_err(), "nothing has that hash");
            }
        }
    }
}

/// What is there in truth, and what has been accepted.
struct Fetch {
    content: Vec<u8>,
    truth: Vec<u8>,
    tree: Tree,
    have: Ranges,
    /// What was accepted, at its place.
    bytes: Vec<u8>,
}

impl Fetch {
    fn new(size: u64, claim: u64) -> Fetch {
        let Truth { content, tree: truth, blake3, .. } = Truth::new(size);
        let tree = Tree::new(blake3, claim).unwrap();
        let bytes = vec![0; tree.shape().tree_bytes() as usize];
        Fetch { content, truth, tree, have: Ranges::default(), bytes }
    }

    /// Whether the claim is true.
    fn is_true(&self) -> bool {
        self.tree.shape().size() == self.content.len() as u64
    }

    /// A run of the tree arrives, with a lie in it or not.
    fn hear_nodes(&mut self, range: Range<u64>, lie: Option<(usize, u8)>) {
        let run = told(&self.truth, range.clone(), lie);
        let (have, bytes) = (&self.have, &self.bytes);
        let passed = self.tree.check_nodes(range.start, &run, |at, nodes| {
            let place = at as usize..at as usize + nodes.len();
            let is_there = have.covers(at..place.end as u64);
            if is_there {
                nodes.copy_from_slice(&bytes[place]);
            }
            is_there
        });
        let Ok(passed) = passed else { return };
        assert!(range.start <= passed.start && passed.end <= range.end);
        let part = &run[(passed.start - range.start) as usize..(passed.end - range.start) as usize];
        let place = passed.start as usize..passed.end as usize;
        if self.is_true() {
            assert_eq!(part, &self.truth[place.clone()], "a lie was believed");
        }
        self.bytes[place].copy_from_slice(part);
        self.have.insert(passed).unwrap();
    }

    /// A block arrives.
    fn hear_block(&mut self, block: u64, lie: Option<(usize, u8)>) {
        let shape = self.tree.shape();
        let Some(place) = shape.block(block) else { return };
        let bytes = told(&self.content, place.clone(), lie);
        let passed = self.tree.check_block(block, &bytes, |at, node| {
            node.copy_from_slice(&self.bytes[at as usize..at as usize + 32]);
            self.have.covers(at..at + 32)
        });
        if passed.is_ok() {
            assert!(self.is_true() || block + 1 < shape.blocks(), "a wrong size was believed");
            let truth = self.content.get(place.start as usize..place.end as usize);
            assert_eq!(truth, Some(&bytes[..]), "a lie was believed");
        }
    }
}

/// A part of what is true, zeroes past its end, and a lie in it or not.
fn told(truth: &[u8], range: Range<u64>, lie: Option<(usize, u8)>) -> Vec<u8> {
    let mut bytes: Vec<u8> = range.map(|at| *truth.get(at as usize).unwrap_or(&0)).collect();
    if let Some((at, change)) = lie
        && !bytes.is_empty()
    {
        let at = at % bytes.len();
        bytes[at] ^= change;
    }
    bytes
}

fn check_truth(input: &mut Input<'_>) {
    let size = input.take(3) % (CONTENT_BYTES + 1);
    let claim = if input.take(1) < 128 { size } else { input.take(3) % (2 * CONTENT_BYTES) };
    let mut fetch = Fetch::new(size, claim);
    while !input.is_empty() {
        let (kind, at, length) = (input.take(1), input.take(2), input.take(2));
        let lie = (kind >= 128).then(|| (input.take(2) as usize, input.take(1) as u8));
        match kind % 4 {
            0 => fetch.hear_block(at % 42, lie),
            1 => {
                if let Some(piece) = fetch.tree.shape().next_checkable(&fetch.have, at % 4_096) {
                    fetch.hear_nodes(piece, lie);
                }
            }
            2 => fetch.hear_nodes(at..at + length % 8_192, lie),
            _ => fetch.hear_nodes(at % 64 * 32..at % 64 * 32 + length % 64 * 32, lie),
        }
    }
}
