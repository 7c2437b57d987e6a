//! The public folder, as others see it.

use crate::harness::{Node, eventually, scratch};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::thread;
use std::time::Duration;

fn id(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The ids that a node says it shares.
fn shared(node: &Node) -> BTreeSet<String> {
    let messages = node.send("[{\"PleaseListContent\":{}}]");
    let lists = messages.iter().filter_map(|message| message["ContentList"]["results"].as_array());
    lists.flatten().map(|entry| entry[0].as_str().unwrap().to_owned()).collect()
}

/// The content that a node gives for an id.
fn content(node: &Node, id: &str) -> Option<String> {
    let request = serde_json::json!([{"PleaseSendContent": {"id": id, "offset": 0, "length": 4096}}]);
    let messages: Vec<Value> = node.send(&request.to_string());
    messages.iter().filter_map(|message| message["Content"]["base64"].as_str()).next_back().map(str::to_owned)
}

fn public(data_dir: &Path) -> std::path::PathBuf {
    let public = data_dir.join("public");
    fs::create_dir_all(&public).unwrap();
    public
}

#[test]
fn files_present_at_the_start_and_added_later_are_served_until_they_are_gone() {
    let directory = scratch();
    let public = public(directory.path());
    fs::write(public.join("first.txt"), "first\n").unwrap();
    let node = Node::start(directory.path(), &[]);
    let (first, second, third) = (id(b"first\n"), id(b"second\n"), id(b"third\n"));
    eventually("the first file", || shared(&node).contains(&first).then_some(()));
    assert_eq!(content(&node, &first).as_deref(), Some("Zmlyc3QK"));
    assert_eq!(content(&node, "first.txt").as_deref(), Some("Zmlyc3QK"));
    fs::write(public.join("second.txt"), "second\n").unwrap();
    eventually("the second file", || shared(&node).contains(&second).then_some(()));
    assert_eq!(content(&node, &second).as_deref(), Some("c2Vjb25kCg=="));
    fs::write(public.join("first.txt"), "third\n").unwrap();
    eventually("the changed file", || shared(&node).contains(&third).then_some(()));
    assert!(!shared(&node).contains(&first));
    assert_eq!(content(&node, &first), None);
    fs::remove_file(public.join("second.txt")).unwrap();
    eventually("the end of the second file", || (!shared(&node).contains(&second)).then_some(()));
    assert_eq!(content(&node, &second), None);
}

#[test]
fn nothing_but_visible_files_in_the_folder_is_ever_served() {
    let directory = scratch();
    let public = public(directory.path());
    let secret = directory.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    symlink(&secret, public.join("link")).unwrap();
    symlink("/dev/zero", public.join("zero")).unwrap();
    fs::write(public.join(".hidden"), "hidden").unwrap();
    fs::create_dir(public.join("sub")).unwrap();
    fs::write(public.join("sub/inner"), "inner").unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, public.join("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    fs::write(public.join("good"), "good").unwrap();
    let node = Node::start(directory.path(), &[]);
    eventually("the good file", || (!shared(&node).is_empty()).then_some(()));
    assert_eq!(shared(&node), BTreeSet::from([id(b"good")]));
    let long = "x".repeat(300);
    for name in ["link", "zero", ".hidden", "sub", "sub/inner", "pipe", "../secret", "good/x", "", ".", "..", &long] {
        assert_eq!(content(&node, name), None, "{name}");
    }
    assert!(content(&node, &id(b"secret")).is_none());
    assert_eq!(content(&node, "good").as_deref(), Some("Z29vZA=="));
}

#[test]
fn a_file_that_becomes_a_link_is_no_longer_served() {
    let directory = scratch();
    let public = public(directory.path());
    let secret = directory.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    fs::write(public.join("file"), "public").unwrap();
    let node = Node::start(directory.path(), &[]);
    eventually("the file", || (!shared(&node).is_empty()).then_some(()));
    fs::remove_file(public.join("file")).unwrap();
    symlink(&secret, public.join("file")).unwrap();
    assert_eq!(content(&node, "file"), None);
    assert_eq!(content(&node, &id(b"public")), None);
}

#[test]
fn a_restart_serves_a_file_without_hashing_it_again() {
    let directory = scratch();
    let public = public(directory.path());
    fs::write(public.join("large"), vec![7; 8 << 20]).unwrap();
    // A file that changed a moment ago may change again without showing it, and is not remembered.
    thread::sleep(Duration::from_millis(2_100));
    let ids = BTreeSet::from([id(&vec![7; 8 << 20])]);
    let mut hashings = Vec::new();
    for _ in 0..3 {
        let node = Node::start_with(directory.path(), &[], |command| {
            command.arg("-v");
        });
        eventually("the large file", || (shared(&node) == ids).then_some(()));
        hashings.push(node.terminate().stderr.matches("hashing large").count());
    }
    assert_eq!(hashings, [1, 0, 0]);
}

#[test]
fn a_damaged_index_of_hashes_is_set_aside_with_a_warning() {
    let directory = scratch();
    let public = public(directory.path());
    fs::write(public.join("file"), "public").unwrap();
    fs::write(directory.path().join("hashes.json"), "{\"files\":[{\"name\":\"file\"").unwrap();
    let node = Node::start(directory.path(), &[]);
    eventually("the file", || (shared(&node) == BTreeSet::from([id(b"public")])).then_some(()));
    let said = node.terminate();
    assert!(said.status.success() && said.stderr.contains("hashes.json.damaged"), "{said:?}");
    assert_eq!(fs::read(directory.path().join("hashes.json.damaged")).unwrap(), b"{\"files\":[{\"name\":\"file\"");
}

#[test]
fn a_damaged_tree_is_made_again_and_never_given_away() {
    let directory = scratch();
    let bytes = vec![7; 10_000];
    fs::write(public(directory.path()).join("file"), &bytes).unwrap();
    let node = Node::start(directory.path(), &[]);
    let root = blake3::hash(&bytes);
    let id = format!("blake3_tree_v2/{root}");
    let given = eventually("the tree", || content(&node, &id));
    let good = base64_simd::STANDARD.decode_to_vec(&given).unwrap();
    assert_eq!((good.len(), &good[32..64]), (224, &root.as_bytes()[..]));
    assert!(content(&node, &format!("blake3/{root}")).is_some());
    let path = directory.path().join("trees").join(root.to_string());
    assert_eq!(fs::read(&path).unwrap(), good);
    for at in [40, 70, 130, 200] {
        let mut damaged = good.clone();
        damaged[at] ^= 1;
        fs::write(&path, damaged).unwrap();
        // A stranger's short answer may end before the damage, and an order to look again that was given twice may have
        // mended the tree by now; but nothing that is given is ever wrong.
        let asked = || base64_simd::STANDARD.decode_to_vec(content(&node, &id).unwrap_or_default()).unwrap();
        eventually("the tree again", || {
            let some = asked();
            assert!(good.starts_with(&some), "{at}: {some:?}");
            (some == good && fs::read(&path).unwrap() == good).then_some(())
        });
    }
}
