//! The secret key stays where it is: whatever a user shares, publishes or puts into the public folder, nobody is served
//! it.

use crate::fetching::ids;
use crate::harness::{Node, eventually, run, scratch};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The names of what is shared.
fn listed(data: &Path) -> Vec<String> {
    let lines = run(&["ls", "--json", "--data-dir", text(data)]).json();
    lines.iter().map(|line| line["name"].as_str().unwrap_or("-").to_owned()).collect()
}

#[test]
fn walking_leaves_out_the_data_directory_and_says_so() {
    let scratch = scratch();
    let house = scratch.path().join("house");
    let data = house.join("data");
    fs::create_dir(&house).unwrap();
    fs::write(house.join("a"), "a").unwrap();
    symlink(&data, scratch.path().join("link")).unwrap();
    run(&["id", "--data-dir", text(&data)]).success();
    for name in [&data, &scratch.path().join("link"), &house.join("../house/data")] {
        let said = run(&["share", text(&house), "--json", "--data-dir", text(name)]);
        said.success();
        assert_eq!(said.json().iter().map(|line| line["name"].clone()).collect::<Vec<_>>(), ["a"]);
        assert!(said.stderr.contains(&format!("left out {}: it is in the data directory", data.display())), "{said:?}");
        assert_eq!(said.stderr.lines().count(), 1, "{said:?}");
    }
    assert_eq!(listed(&data), ["a"]);
}

#[test]
fn of_the_data_directory_only_the_public_folder_is_shared_or_published() {
    let scratch = scratch();
    let data = scratch.path().join("data");
    fs::create_dir_all(data.join("public/sub")).unwrap();
    run(&["id", "--data-dir", text(&data)]).success();
    for name in ["people.json", "public/good"] {
        fs::write(data.join(name), name).unwrap();
    }
    let link = scratch.path().join("link");
    symlink(data.join("key"), &link).unwrap();
    let (inside, around) = (data.join("people.json"), data.join("public/../key"));
    for wrong in [&data.join("key"), &inside, &around, &link, &data] {
        let said = run(&["share", text(wrong), "--data-dir", text(&data)]);
        let why = format!("cannot share {}: it is in the data directory", wrong.display());
        assert!(said.complaint().contains(&why), "{said:?}");
        if *wrong != data {
            let said = run(&["publish", text(wrong), "--as", "x", "--data-dir", text(&data)]);
            let why = format!("cannot publish {}: it is in the data directory", wrong.display());
            assert!(said.complaint().contains(&why), "{said:?}");
        }
    }
    assert_eq!(listed(&data), [""; 0]);
    run(&["share", text(&data.join("public")), "--data-dir", text(&data)]).success();
    run(&["publish", text(&data.join("public/good")), "--data-dir", text(&data)]).success();
    assert_eq!(listed(&data), ["good"]);
}

#[test]
fn a_copy_of_the_key_is_refused_wherever_it_lies() {
    let scratch = scratch();
    let data = scratch.path().join("data");
    run(&["id", "--data-dir", text(&data)]).success();
    let key = fs::read_to_string(data.join("key")).unwrap();
    let folder = scratch.path().join("folder");
    fs::create_dir(&folder).unwrap();
    fs::hard_link(data.join("key"), folder.join("linked")).unwrap();
    for (name, copy) in [("copy", &*key), ("cut", key.trim_end()), ("edited", &key.replace('\n', "\r\n"))] {
        fs::write(folder.join(name), copy).unwrap();
    }
    fs::write(folder.join("other"), &key[1..]).unwrap();
    let said = run(&["share", text(&folder), "--json", "--data-dir", text(&data)]);
    assert_eq!(said.status.code(), Some(1));
    assert_eq!(said.json().iter().map(|line| line["name"].clone()).collect::<Vec<_>>(), ["other"], "{said:?}");
    for name in ["copy", "cut", "edited", "linked"] {
        let (path, why) = (folder.join(name), "it is the secret key of this node");
        assert!(said.stderr.contains(&format!("cannot share {}: {why}", path.display())), "{said:?}");
        let said = run(&["publish", text(&path), "--data-dir", text(&data)]);
        assert!(said.complaint().contains(&format!("cannot publish {}: {why}", path.display())), "{said:?}");
    }
    assert_eq!(said.stderr.lines().count(), 4, "{said:?}");
    assert_eq!(listed(&data), ["other"]);
    assert_eq!(fs::read_dir(data.join("store")).unwrap().count(), 2, "no copy of it is left behind");
}

#[test]
fn a_copy_of_the_key_in_the_public_folder_or_the_store_is_not_served_and_the_log_says_so_once() {
    let scratch = scratch();
    let data = scratch.path().join("data");
    run(&["id", "--data-dir", text(&data)]).success();
    let key = fs::read(data.join("key")).unwrap();
    let id = &ids(&key)[0];
    let stored = data.join("store").join(id);
    fs::create_dir_all(data.join("public")).unwrap();
    fs::create_dir_all(data.join("store")).unwrap();
    // One was there before this was looked after, and its hashes are old enough to be remembered.
    fs::write(&stored, &key).unwrap();
    fs::write(data.join("public/early"), &key).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(2_100));
    for is_first in [true, false] {
        let node = Node::start(&data, &[]);
        if is_first {
            // A file that is written again is another one, of which it is said again.
            fs::write(data.join("public/late"), &key).unwrap();
        }
        let marker = data.join(if is_first { "public/one" } else { "public/two" });
        fs::write(&marker, "x").unwrap();
        let count = if is_first { "1 shared" } else { "2 shared" };
        let wait = || node.ask(["status"]).success().contains(count).then_some(());
        eventually("the file that came with it", wait);
        let list = serde_json::to_string(&node.send("[{\"PleaseListContent\":{}}]")).unwrap();
        assert!(list.contains(&ids(b"x")[0]) && !list.contains(&**id), "{list}");
        let log = node.terminate().stderr;
        for name in ["early", "late", &*format!("store/{id}")] {
            let why = format!("cannot share {name}: it is the secret key of this node");
            assert_eq!(log.matches(&why).count(), 1, "{log}");
            assert!(!log.contains(&format!(" sharing {name}")), "{log}");
        }
        assert!(!fs::read_to_string(data.join("hashes.json")).unwrap_or_default().contains("early"));
    }
    assert!(listed(&data).iter().all(|name| !["early", "late"].contains(&&**name)));
}
