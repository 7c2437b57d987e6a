//! Workers over scratch directories, and what they report.
#![cfg(test)]

use super::*;
use crate::content::{Ids, Note, SharedFile, StoreFolder, stamp};
use crate::data_dir::{render_group, render_hashes, render_peers};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

/// A worker over a scratch directory, and what it reports.
fn start(scratch: &Path) -> (Worker, mpsc::Receiver<Command>) {
    let (sender, receiver) = mpsc::sync_channel(1);
    let report = move |command| match sender.send(command) {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    };
    (Worker::start(&DataDir::open(scratch).unwrap(), None, report).unwrap(), receiver)
}

fn next(receiver: &mpsc::Receiver<Command>) -> Command {
    receiver.recv_timeout(Duration::from_secs(30)).unwrap()
}

fn shared(command: Command) -> SharedFile {
    match command {
        Command::Share(file) => file,
        other => panic!("expected a shared file, got {other:?}"),
    }
}

#[test]
fn files_are_shared_when_found_unshared_when_gone_and_shared_again_when_changed() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("public/abc");
    fs::create_dir_all(scratch.path().join("public")).unwrap();
    fs::write(&file, "abc").unwrap();
    let (worker, reports) = start(scratch.path());
    let first = shared(next(&reports));
    assert_eq!((first.name.as_str(), first.stamp.size, &first.sha256[..4]), ("abc", 3, &[0xba, 0x78, 0x16, 0xbf][..]));
    fs::write(&file, "abcd").unwrap();
    assert!(matches!(next(&reports), Command::Unshare(name) if name == "abc"));
    let second = shared(next(&reports));
    assert_eq!(second.stamp.size, 4);
    worker.look_again("abc".to_owned());
    assert_eq!(shared(next(&reports)), second);
    fs::remove_file(&file).unwrap();
    assert!(matches!(next(&reports), Command::Unshare(name) if name == "abc"));
    assert_eq!(worker.stop(None), Ended::Saved);
}

#[test]
fn a_content_that_a_killed_process_left_without_its_note_is_found_and_not_fetched_again() {
    let content = vec![7; 3 << 20];
    let (sha256, blake3) = (Sha256::digest(&content).into(), blake3::hash(&content).into());
    for id in [ContentId::Sha256(sha256), ContentId::Blake3(blake3)] {
        let scratch = tempfile::tempdir().unwrap();
        let store = StoreFolder::beside(&scratch.path().join("public"));
        fs::create_dir(scratch.path().join("store")).unwrap();
        fs::write(store.path_of(&sha256), &content).unwrap();
        let (worker, reports) = start(scratch.path());
        worker.prepare(id, Duration::ZERO);
        assert_eq!(shared(next(&reports)).blake3, blake3);
        assert!(matches!(next(&reports), Command::Fetch { id: found, .. } if found == id));
        worker.stop(None);
    }
}

/// Puts a file of zeros into the store, which costs no room however long it is, and a note in which it is in
/// another state, as after it was moved here from another disk, with this BLAKE3.
fn store_zeros(scratch: &Path, name: [u8; 32], size: u64, noted: Option<[u8; 32]>) {
    let store = StoreFolder::beside(&scratch.join("public"));
    fs::create_dir_all(scratch.join("store")).unwrap();
    fs::File::create(store.path_of(&name)).unwrap().set_len(size).unwrap();
    if let Some(blake3) = noted {
        let ids = Ids { sha256: name, blake3 };
        store.write_note(&Note { name: None, stamp: Default::default(), ids }).unwrap();
    }
}

#[test]
fn a_content_is_not_held_up_by_files_of_the_store_that_are_others_or_too_long_to_be_read_first() {
    let (other, sought) = ([1; 32], [2; 32]);
    for (size, noted, id) in [
        (256 << 20, Some(other), ContentId::Blake3(sought)),
        (64 << 30, None, ContentId::Blake3(sought)),
        (256 << 20, None, ContentId::Sha256(sought)),
    ] {
        let scratch = tempfile::tempdir().unwrap();
        store_zeros(scratch.path(), other, size, noted);
        let (worker, reports) = start(scratch.path());
        worker.prepare(id, Duration::ZERO);
        assert!(matches!(next(&reports), Command::Fetch { id: found, .. } if found == id));
        worker.stop(None);
    }
}

#[test]
fn a_content_that_may_be_in_the_store_is_read_before_the_others_and_holds_up_nothing_else() {
    let zeros = vec![0; 9 << 20];
    let (sha256, blake3) = (Sha256::digest(&zeros).into(), blake3::hash(&zeros).into());
    // What nobody has written down about a file could be any BLAKE3.
    for (noted, id, another) in [
        (None, ContentId::Sha256(sha256), ContentId::Sha256([0xff; 32])),
        (None, ContentId::Blake3(blake3), ContentId::Sha256([0xff; 32])),
        (Some(blake3), ContentId::Blake3(blake3), ContentId::Blake3([0xff; 32])),
    ] {
        let scratch = tempfile::tempdir().unwrap();
        // These are shorter, and would come first.
        for length in [6 << 20, 7 << 20, 8 << 20] {
            store_zeros(scratch.path(), Sha256::digest(&zeros[..length]).into(), length as u64, Some([7; 32]));
        }
        store_zeros(scratch.path(), sha256, zeros.len() as u64, noted);
        let (worker, reports) = start(scratch.path());
        worker.prepare(id, Duration::ZERO);
        worker.prepare(another, Duration::ZERO);
        assert!(matches!(next(&reports), Command::Fetch { id: found, .. } if found == another));
        assert_eq!(shared(next(&reports)).sha256, sha256);
        assert!(matches!(next(&reports), Command::Fetch { id: found, .. } if found == id));
        worker.stop(None);
    }
}

/// The hash that is remembered of files whose real one nobody has taken: it shows who reads a file.
const REMEMBERED: [u8; 32] = [7; 32];

/// Lets an earlier run have remembered this file, as it is now.
fn remember(scratch: &Path, name: &str) {
    let stamp = stamp(&fs::metadata(scratch.join("public").join(name)).unwrap());
    let file = SharedFile { name: name.to_owned(), stamp, sha256: REMEMBERED, blake3: REMEMBERED };
    fs::write(scratch.join("hashes.json"), render_hashes([file])).unwrap();
}

#[test]
fn a_restart_reads_only_those_files_that_look_different_or_were_young() {
    let scratch = tempfile::tempdir().unwrap();
    let public = scratch.path().join("public");
    fs::create_dir(&public).unwrap();
    fs::write(public.join("old"), "once").unwrap();
    remember(scratch.path(), "old");
    fs::write(public.join("young"), "more").unwrap();
    let (worker, reports) = start(scratch.path());
    let (old, young) = (shared(next(&reports)), shared(next(&reports)));
    assert_eq!((old.name.as_str(), old.sha256), ("old", REMEMBERED));
    assert_ne!(young.sha256, REMEMBERED);
    assert_eq!(worker.stop(None), Ended::Saved);
    let text = fs::read_to_string(scratch.path().join("hashes.json")).unwrap();
    assert!(text.contains("\"old\"") && !text.contains("\"young\""), "{text}");
    fs::write(public.join("old"), "longer").unwrap();
    let (worker, reports) = start(scratch.path());
    let hashes = [(); 2].map(|()| shared(next(&reports)).sha256);
    assert!(!hashes.contains(&REMEMBERED));
    assert_eq!(worker.stop(None), Ended::Saved);
}

#[test]
fn a_file_rewritten_in_place_and_dated_back_is_read_again_after_a_restart() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("public/a");
    fs::create_dir(scratch.path().join("public")).unwrap();
    fs::write(&file, "once").unwrap();
    let before = fs::metadata(&file).unwrap();
    remember(scratch.path(), "a");
    // The clock of the file system may have to tick first.
    while fs::metadata(&file).unwrap().ctime_nsec() == before.ctime_nsec() {
        fs::write(&file, "more").unwrap();
        fs::File::options().write(true).open(&file).unwrap().set_modified(before.modified().unwrap()).unwrap();
    }
    let after = fs::metadata(&file).unwrap();
    assert_eq!((after.len(), after.modified().unwrap()), (before.len(), before.modified().unwrap()));
    let (worker, reports) = start(scratch.path());
    assert_ne!(shared(next(&reports)).sha256, REMEMBERED);
    assert_eq!(worker.stop(None), Ended::Saved);
}

#[test]
fn a_file_that_the_node_found_changed_is_read_again_whatever_was_remembered() {
    let scratch = tempfile::tempdir().unwrap();
    fs::create_dir(scratch.path().join("public")).unwrap();
    fs::write(scratch.path().join("public/a"), "once").unwrap();
    remember(scratch.path(), "a");
    let (worker, reports) = start(scratch.path());
    let first = shared(next(&reports));
    assert_eq!(first.sha256, REMEMBERED);
    worker.look_again("a".to_owned());
    let second = shared(next(&reports));
    assert_eq!(second.stamp, first.stamp);
    assert_ne!(second.sha256, REMEMBERED);
    assert_eq!(worker.stop(None), Ended::Saved);
}

/// The names of the trees that are there.
fn trees(scratch: &Path) -> Vec<String> {
    let entries = fs::read_dir(scratch.join("trees")).into_iter().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

#[test]
fn a_tree_is_there_while_a_file_needs_it_whatever_the_file_is_called() {
    let scratch = tempfile::tempdir().unwrap();
    let public = scratch.path().join("public");
    fs::create_dir(&public).unwrap();
    fs::create_dir(scratch.path().join("trees")).unwrap();
    // What a run that was killed has left.
    fs::write(scratch.path().join("trees").join("ab".repeat(32)), "x").unwrap();
    fs::write(scratch.path().join("trees/0.tmp"), "x").unwrap();
    for name in ["a", "b"] {
        fs::write(public.join(name), vec![7; 10_000]).unwrap();
    }
    fs::write(public.join("small"), "x").unwrap();
    let (worker, reports) = start(scratch.path());
    let files = [(); 3].map(|()| shared(next(&reports)));
    let tree = blake3::hash(&[7; 10_000]).to_string();
    assert_eq!(crate::content::hex(&files[2].blake3), tree);
    for name in ["a", "b"] {
        fs::remove_file(public.join(name)).unwrap();
        assert!(matches!(next(&reports), Command::Unshare(gone) if gone == name));
        // The first look is over, so what nobody needed is gone.
        assert_eq!(trees(scratch.path()), if name == "a" { vec![tree.clone()] } else { vec![] });
    }
    assert_eq!(worker.stop(None), Ended::Saved);
}

#[test]
fn a_tree_that_is_missing_or_damaged_is_made_again() {
    let scratch = tempfile::tempdir().unwrap();
    fs::create_dir_all(scratch.path().join("public")).unwrap();
    fs::create_dir_all(scratch.path().join("trees")).unwrap();
    let path = scratch.path().join("public/a");
    fs::write(&path, vec![7; 10_000]).unwrap();
    let blake3 = blake3::hash(&[7; 10_000]);
    let tree = scratch.path().join("trees").join(blake3.to_string());
    let remembered = SharedFile {
        name: "a".to_owned(),
        stamp: stamp(&fs::metadata(&path).unwrap()),
        sha256: REMEMBERED,
        blake3: blake3.into(),
    };
    let mut good = Vec::new();
    for length in [None, Some(223), Some(224)] {
        length.into_iter().for_each(|length| fs::write(&tree, vec![0; length]).unwrap());
        fs::write(scratch.path().join("hashes.json"), render_hashes([remembered.clone()])).unwrap();
        let (worker, reports) = start(scratch.path());
        let is_believed = shared(next(&reports)).sha256 == REMEMBERED;
        assert_eq!(is_believed, length == Some(224), "{length:?}: what is remembered is of no use without the tree");
        if is_believed {
            // The content of a tree is looked at when it is served; then the node asks for another look.
            worker.look_again("a".to_owned());
            assert_ne!(shared(next(&reports)).sha256, REMEMBERED);
        }
        let made = fs::read(&tree).unwrap();
        assert!(made.len() == 224 && made.starts_with(b"B3T\x02") && (good.is_empty() || good == made));
        good = made;
        assert_eq!(worker.stop(None), Ended::Saved);
    }
}

#[test]
fn a_damaged_tree_of_a_content_of_the_store_is_made_again() {
    let scratch = tempfile::tempdir().unwrap();
    let store = StoreFolder::beside(&scratch.path().join("public"));
    let mut new = store.create().unwrap();
    new.file.write_all(&[7; 10_000]).unwrap();
    let blake3 = blake3::hash(&[7; 10_000]);
    let ids = Ids { sha256: Sha256::digest([7; 10_000]).into(), blake3: blake3.into() };
    let kept = new.keep(&store, ids, Some("mine".to_owned())).unwrap();
    fs::create_dir(scratch.path().join("trees")).unwrap();
    let tree = scratch.path().join("trees").join(blake3.to_string());
    fs::write(&tree, vec![0; 224]).unwrap();
    let (worker, reports) = start(scratch.path());
    assert_eq!(shared(next(&reports)), kept);
    assert_eq!(fs::read(&tree).unwrap(), [0; 224], "what is known is not read again");
    // Its content is looked at when it is served; then the node asks for another look.
    worker.look_again(kept.name.clone());
    assert_eq!(shared(next(&reports)), kept);
    assert!(fs::read(&tree).unwrap().starts_with(b"B3T\x02"));
    assert_eq!(store.note(&kept.sha256).unwrap().name.as_deref(), Some("mine"));
    assert_eq!(worker.stop(None), Ended::Saved);
}

#[test]
fn peers_are_saved_while_a_huge_file_is_hashed_and_stopping_does_not_wait_for_it() {
    let scratch = tempfile::tempdir().unwrap();
    fs::create_dir_all(scratch.path().join("public")).unwrap();
    fs::File::create(scratch.path().join("public/huge")).unwrap().set_len(1 << 40).unwrap();
    let (worker, _reports) = start(scratch.path());
    worker.save_peers(vec!["192.0.2.1:24254".parse().unwrap()]);
    while !scratch.path().join("peers.json").exists() {
        thread::yield_now();
    }
    assert_eq!(worker.stop(Some(Vec::new())), Ended::Saved);
    assert_eq!(fs::read_to_string(scratch.path().join("peers.json")).unwrap(), render_peers(&[]));
}

#[test]
fn what_is_remembered_of_group_chat_is_said_to_be_saved_when_it_is_and_not_before() {
    let scratch = tempfile::tempdir().unwrap();
    let (file, obstacle) = (scratch.path().join("group.json"), scratch.path().join("group.json.tmp"));
    let memory = |said_until| GroupMemory { said_until, ..GroupMemory::default() };
    let (worker, reports) = start(scratch.path());
    worker.save_group(memory(7));
    assert!(matches!(next(&reports), Command::GroupSaved(7)));
    assert_eq!(fs::read_to_string(&file).unwrap(), render_group(&memory(7)));
    fs::create_dir(&obstacle).unwrap();
    worker.save_group(memory(8));
    assert_eq!(worker.stop(None), Ended::Unsaved(vec!["times of lines to groups"]));
    assert!(reports.try_recv().is_err(), "it was not saved");
    assert_eq!(fs::read_to_string(&file).unwrap(), render_group(&memory(7)));
}

#[test]
fn small_files_and_those_that_need_no_hashing_do_not_wait_for_large_ones() {
    let scratch = tempfile::tempdir().unwrap();
    let public = scratch.path().join("public");
    fs::create_dir(&public).unwrap();
    fs::write(public.join("remembered"), "x".repeat(1_000)).unwrap();
    remember(scratch.path(), "remembered");
    fs::File::create(public.join("huge")).unwrap().set_len(1 << 40).unwrap();
    fs::write(public.join("small"), "x").unwrap();
    let (worker, reports) = start(scratch.path());
    assert_eq!([(); 2].map(|()| shared(next(&reports)).name), ["remembered", "small"]);
    assert_eq!(worker.stop(None), Ended::Saved);
}

#[test]
fn what_comes_and_goes_while_a_huge_file_is_hashed_is_noticed() {
    let scratch = tempfile::tempdir().unwrap();
    let public = scratch.path().join("public");
    fs::create_dir(&public).unwrap();
    fs::File::create(public.join("huge")).unwrap().set_len(1 << 40).unwrap();
    fs::write(public.join("first"), "x").unwrap();
    let (worker, reports) = start(scratch.path());
    assert_eq!(shared(next(&reports)).name, "first");
    fs::write(public.join("second"), "x").unwrap();
    assert_eq!(shared(next(&reports)).name, "second");
    fs::remove_file(public.join("first")).unwrap();
    assert!(matches!(next(&reports), Command::Unshare(name) if name == "first"));
    assert_eq!(worker.stop(None), Ended::Saved);
}

#[test]
fn a_huge_file_that_is_gone_is_no_longer_hashed() {
    let scratch = tempfile::tempdir().unwrap();
    let public = scratch.path().join("public");
    fs::create_dir(&public).unwrap();
    let huge = public.join("huge");
    fs::File::create(&huge).unwrap().set_len(1 << 40).unwrap();
    let (worker, reports) = start(scratch.path());
    let is_open = || {
        let mut files = fs::read_dir("/proc/self/fd").unwrap();
        let is_huge = |path: PathBuf| path.to_string_lossy().starts_with(&*huge.to_string_lossy());
        files.any(|entry| fs::read_link(entry.unwrap().path()).is_ok_and(is_huge))
    };
    while !is_open() {
        thread::yield_now();
    }
    fs::remove_file(&huge).unwrap();
    fs::write(public.join("small"), "x").unwrap();
    assert_eq!(shared(next(&reports)).name, "small");
    assert!(!is_open());
    assert_eq!(worker.stop(None), Ended::Saved);
}

#[test]
fn a_worker_that_broke_down_has_not_saved() {
    let scratch = tempfile::tempdir().unwrap();
    fs::create_dir_all(scratch.path().join("public")).unwrap();
    fs::write(scratch.path().join("public/a"), "a").unwrap();
    let (sender, called) = mpsc::sync_channel(1);
    let worker = Worker::start(&DataDir::open(scratch.path()).unwrap(), None, move |_| {
        sender.send(()).unwrap();
        panic!("as a bug would");
    });
    called.recv_timeout(Duration::from_secs(30)).unwrap();
    assert!(matches!(worker.unwrap().stop(Some(Vec::new())), Ended::Unsaved(_)));
}

#[test]
fn a_worker_that_cannot_save_says_so_and_one_that_could_not_before_tries_again_at_the_end() {
    let scratch = tempfile::tempdir().unwrap();
    let obstacle = scratch.path().join("peers.json.tmp");
    fs::create_dir(&obstacle).unwrap();
    let (worker, _reports) = start(scratch.path());
    assert_eq!(worker.stop(Some(Vec::new())), Ended::Unsaved(vec!["peers"]));
    let (worker, _reports) = start(scratch.path());
    worker.save_peers(Vec::new());
    // The order has been taken when the next one is seen to be missing.
    while worker.inbox.lock().save.is_some() {
        thread::yield_now();
    }
    fs::remove_dir(&obstacle).unwrap();
    assert_eq!(worker.stop(None), Ended::Saved);
    assert!(scratch.path().join("peers.json").exists());
}

#[test]
fn a_worker_that_waits_for_its_listener_still_stops_and_saves() {
    let scratch = tempfile::tempdir().unwrap();
    fs::create_dir_all(scratch.path().join("public")).unwrap();
    for n in 0..10 {
        fs::write(scratch.path().join(format!("public/{n}")), [n]).unwrap();
    }
    let (worker, reports) = start(scratch.path());
    let _first = next(&reports);
    // It need not be asked again for what it has been told before.
    worker.save_peers(Vec::new());
    drop(reports);
    assert_eq!(worker.stop(None), Ended::Saved);
    assert_eq!(fs::read_to_string(scratch.path().join("peers.json")).unwrap(), render_peers(&[]));
}
