//! What is left of a content and its tree after any damage: whatever is on the disk, only the truth is found there.
//!
//! The files lie in a folder of their own for each input; `TMPDIR=/dev/shm` makes that quick.

use super::input::Input;
use super::truth::Truth;
use cjp2p_node::Time;
use cjp2p_node::content::{ContentId, DirectoryStore, Part, SharedFile, Stamp, Store, part_path};
use cjp2p_node::transfer::{Held, Transfers};
use cjp2p_node::worker::find_held;
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// The longest content: a tree of six levels.
const CONTENT_BYTES: u64 = 70_000;

/// How often a file is damaged at most.
const DAMAGES_MAX: usize = 16;

/// Damages a file as the input has it, and writes it; or leaves it out.
fn write_damaged(path: &Path, mut bytes: Vec<u8>, input: &mut Input<'_>) -> Vec<u8> {
    let damages = input.take(1) as usize;
    if damages == 255 {
        return Vec::new();
    }
    for _ in 0..damages % DAMAGES_MAX {
        let (kind, at, value) = (input.take(1), input.take(3) as usize % (bytes.len() + 1), input.take(1) as u8);
        match kind % 4 {
            0 => bytes.truncate(at),
            1 => bytes.resize(bytes.len() + usize::from(value), value),
            2 => bytes[at..].iter_mut().take(4_096).for_each(|byte| *byte = 0),
            _ => bytes[at..].iter_mut().take(1).for_each(|byte| *byte ^= value),
        }
    }
    fs::write(path, &bytes).unwrap();
    bytes
}

/// Looks for what is there of a content that was being fetched, and goes on from there.
pub fn check_parts(input: &mut Input<'_>) {
    let folder = tempfile::tempdir().unwrap();
    let truth = Truth::new(input.take(3) % (CONTENT_BYTES + 1));
    let size = truth.content.len() as u64;
    let is_blake3 = input.take(1).is_multiple_of(2);
    let id = if is_blake3 { ContentId::Blake3(truth.blake3) } else { ContentId::Sha256(truth.sha256) };
    let path = part_path(folder.path(), &id, Part::Content);
    let content = write_damaged(&path, truth.content.clone(), input);
    let tree = write_damaged(&part_path(folder.path(), &id, Part::Tree), truth.tree.clone(), input);
    let journal = match input.take(1) % 4 {
        0 => format!("{{\"size\":{size},\"have\":[[0,{size}]]}}\n"),
        1 => format!("{{\"size\":{},\"have\":[[{},{}]]}}\n", input.take(8), input.take(2), input.take(3)),
        2 => format!("{{\"size\":{size}}}\n"),
        _ => String::new(),
    };
    // What is left of the input is what somebody was writing.
    fs::write(path.with_extension("json"), [journal.as_bytes(), input.rest()].concat()).unwrap();
    let held = find_held(folder.path(), id);
    for range in held.content.iter() {
        let (start, end) = (range.start as usize, range.end as usize);
        assert!(start < end && end <= content.len() && held.size.is_none_or(|size| range.end <= size));
        assert!(!is_blake3 || content.get(start..end) == truth.content.get(start..end), "damage was believed");
    }
    for range in held.tree.iter().filter(|_| held.size == Some(size)) {
        let range = range.start as usize..range.end as usize;
        assert!(range.end <= tree.len() && tree.get(range.clone()) == truth.tree.get(range), "damage was believed");
    }
    go_on(id, held);
}

fn go_on(id: ContentId, held: Held) {
    let (mut now, mut rng, mut questions) = (Time::from_micros(1_000_000), StdRng::from_seed([7; 32]), Vec::new());
    let mut transfers = Transfers::default();
    assert!(transfers.start(now, id, held, Duration::from_secs(20)));
    transfers.offer_source(now, &id, SocketAddr::from(([198, 51, 100, 1], 24_254)), &mut rng);
    for _ in 0..8 {
        transfers.ask(now, &mut rng, &mut questions);
        while transfers.poll_outcome().is_some() {}
        assert!(transfers.due().is_none_or(|due| due > now), "a deadline stands still");
        now = now + Duration::from_secs(1);
        transfers.handle_timeout(now);
    }
}

/// Reads a tree that was kept.
pub fn check_tree(input: &mut Input<'_>) {
    let folder = tempfile::tempdir().unwrap();
    let truth = Truth::new(4_097 + input.take(3) % (CONTENT_BYTES - 4_096));
    let name = ContentId::Blake3(truth.blake3).to_string().split_off("blake3/".len());
    write_damaged(&folder.path().join(name), truth.tree.clone(), input);
    let [public, parts] = ["public", "parts"].map(|name| folder.path().join(name));
    let mut store = DirectoryStore::new(public, folder.path().to_owned(), parts);
    let stamp = Stamp { size: truth.content.len() as u64, ..Stamp::default() };
    let file = SharedFile { name: "x".to_owned(), stamp, sha256: truth.sha256, blake3: truth.blake3 };
    while !input.rest().is_empty() {
        let (start, length) = (input.take(2), input.take(2) % 5_000 + 1);
        let mut buffer = vec![0; length as usize];
        if store.read(&file, Part::Tree, start, &mut buffer).is_ok() {
            assert_eq!(
                truth.tree.get(start as usize..(start + length) as usize),
                Some(&*buffer),
                "damage was believed"
            );
        }
    }
}
