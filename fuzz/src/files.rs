//! Fuzz body: whatever is in a file of ours, it is understood as what it says or not at all.
//!
//! The first byte chooses the file: what is written down about a content that is being fetched, the note about one that
//! is in the store, the index of hashes, the peers; what is there of a content that is being fetched, and the tree of
//! one that is shared; or the node's key.

use super::damage::{check_parts, check_tree};
use super::input::Input;
use cjp2p_node::content::{FRAGMENTS_MAX, Note};
use cjp2p_node::data_dir::{parse_hashes, parse_key, parse_peers, render_hashes, render_key, render_peers};
use cjp2p_node::worker::Journal;

/// Reads `bytes` as a file. What is understood survives being written and read again.
pub fn run(bytes: &[u8]) {
    let Some((kind, text)) = bytes.split_first() else { return };
    match kind % 7 {
        0 => {
            let Some(journal) = Journal::parse(text) else { return };
            assert!(journal.content.fragments() <= FRAGMENTS_MAX);
            let size = journal.size.unwrap_or(0);
            assert!(journal.content.iter().all(|range| range.start < range.end && range.end <= size));
            assert_eq!(Journal::parse(journal.render().as_bytes()), Some(journal));
        }
        1 => {
            let Some(note) = Note::parse(text) else { return };
            let again = Note::parse(note.render().as_bytes()).expect("our own text");
            assert_eq!((again.stamp, again.ids), (note.stamp, note.ids));
            // A name may be cut, and the cut one stays.
            assert!(note.name.unwrap_or_default().starts_with(&again.name.clone().unwrap_or_default()));
            assert_eq!(Note::parse(again.render().as_bytes()), Some(again));
        }
        2 => {
            let Some(files) = parse_hashes(text) else { return };
            assert_eq!(parse_hashes(render_hashes(files.clone()).as_bytes()), Some(files));
        }
        3 => {
            let Some(peers) = parse_peers(text) else { return };
            assert_eq!(parse_peers(render_peers(&peers).as_bytes()), Some(peers));
        }
        4 => check_parts(&mut Input::new(text)),
        5 => check_tree(&mut Input::new(text)),
        _ => {
            let Some(seed) = parse_key(text) else { return };
            assert_eq!(parse_key(render_key(&seed).as_bytes()), Some(seed));
        }
    }
}
