//! The fuzz targets, kept from rotting: their bodies are compiled here and run over the committed corpora.
//!
//! Looking for new inputs is the business of `scripts/fuzz`, not of a test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../fuzz/src/lib.rs"]
mod bodies;

use std::path::{Path, PathBuf};

/// What a committed corpus may hold, so that it stays a seed and does not become an archive.
const FILES_MAX: usize = 200;
const BYTES_MAX: usize = 300 * 1_024;

fn fuzz_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// The files of a corpus, sorted.
fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let directory = fuzz_directory().join("corpus").join(target);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

/// Runs a body over its corpus; an input that fails is named before the reason.
fn replay(target: &str, run: fn(&[u8])) {
    let inputs = corpus(target);
    assert!(!inputs.is_empty());
    for (path, bytes) in inputs {
        let outcome = std::panic::catch_unwind(|| run(&bytes));
        assert!(outcome.is_ok(), "{} breaks a promise", path.display());
    }
}

#[test]
fn reading_holds_over_the_corpus_of_decode() {
    replay("decode", bodies::decode::run);
}

#[test]
fn the_node_keeps_its_promises_over_the_corpus_of_node() {
    replay("node", bodies::node::run);
}

#[test]
fn only_the_truth_passes_over_the_corpus_of_tree() {
    replay("tree", bodies::tree::run);
}

#[test]
fn our_files_are_understood_or_refused_over_the_corpus_of_files() {
    replay("files", bodies::files::run);
}

#[test]
fn nothing_but_the_truth_is_held_over_the_corpus_of_transfer() {
    replay("transfer", bodies::transfer::run);
}

#[test]
fn what_comes_out_is_what_was_put_in_over_the_corpus_of_envelopes() {
    replay("envelopes", bodies::envelopes::run);
}

#[test]
fn the_corpora_are_small() {
    for target in ["decode", "node", "tree", "files", "transfer", "envelopes"] {
        let inputs = corpus(target);
        let bytes: usize = inputs.iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(inputs.len() <= FILES_MAX && bytes <= BYTES_MAX, "{target}: {} files, {bytes} bytes", inputs.len());
    }
}

#[test]
fn the_dictionary_is_made_from_the_table_of_messages() {
    let path = fuzz_directory().join("wire.dict");
    let made = bodies::dictionary::text();
    if std::env::var_os("WRITE_DICTIONARY").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    assert_eq!(committed, made, "out of date: run WRITE_DICTIONARY=1 cargo test --test fuzzing");
}
