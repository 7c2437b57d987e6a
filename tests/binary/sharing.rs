//! `share`: files into the store, with and without a running node.

use crate::fetching::{bytes, ids};
use crate::harness::{Node, binary, eventually, finish, run, scratch};
use cjp2p_node::content::SHARED_FILES_MAX;
use std::fs;
use std::os::unix::fs::symlink;

#[test]
fn folders_are_shared_whole_but_for_what_is_hidden_or_a_link() {
    let scratch = scratch();
    let (data, folder) = (scratch.path().join("data"), scratch.path().join("folder"));
    fs::create_dir_all(folder.join("sub")).unwrap();
    for (name, content) in [("a", "one"), ("sub/b", "two"), (".hidden", "three"), ("sub/it's", "four")] {
        fs::write(folder.join(name), content).unwrap();
    }
    symlink("a", folder.join("link")).unwrap();
    let (data, folder) = (data.to_str().unwrap(), folder.to_str().unwrap());
    let said = run(&["share", folder, "--json", "--data-dir", data]);
    said.success();
    let lines = said.json();
    let names: Vec<_> = lines.iter().map(|line| line["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["a", "b", "it's"]);
    assert_eq!([&lines[0]["sha256"], &lines[0]["blake3"]], ids(b"one").each_ref());
    assert_eq!(lines[2]["command"], format!("cjp2p-node get {} -o 'it'\\''s'", ids(b"four")[1]));
    assert_eq!(said.stderr.lines().count(), 2, "{said:?}");
    assert!(said.stderr.contains(".hidden: it is hidden") && said.stderr.contains("link: it is a link"));
    let quiet = run(&["share", folder, "--json", "-q", "--data-dir", data]);
    assert_eq!((quiet.success(), quiet.stderr.as_str()), (said.stdout.trim_end(), ""));
    let listed = run(&["share", "--list", "--json", "--data-dir", data]).json();
    let list: Vec<_> = listed.iter().map(|line| line["name"].as_str().unwrap()).collect();
    assert_eq!(list, names);
    run(&["share", "--remove", &ids(b"one")[1], "--data-dir", data]).success();
    assert_eq!(run(&["share", "--list", "--json", "--data-dir", data]).json().len(), 2);
    assert!(run(&["share", "--remove", &ids(b"one")[0], "--data-dir", data]).complaint().contains("not in the store"));
}

#[test]
fn a_running_node_is_told_at_once_and_hashes_nothing_again() {
    let scratch = scratch();
    let path = scratch.path().join("file");
    let content = bytes(1 << 20);
    fs::write(&path, &content).unwrap();
    let node = Node::start_with(&scratch.path().join("data"), &[], |command| {
        command.arg("-v");
    });
    let id = &ids(&content)[0];
    assert!(node.ask(["share", path.to_str().unwrap()]).success().contains(&**id));
    let shared = || node.ask(["status"]).success().contains("1 shared");
    eventually("the shared file", || shared().then_some(()));
    // What its owner does to the file afterwards is of no concern.
    fs::write(&path, "other").unwrap();
    assert!(node.ask(["share", "--remove", id]).success().contains(&**id));
    eventually("the end of it", || (!shared()).then_some(()));
    assert!(!node.terminate().stderr.contains("hashing"));
}

#[test]
fn what_cannot_be_shared_is_named_and_the_rest_is_shared() {
    let scratch = scratch();
    let file = scratch.path().join("file");
    fs::write(&file, "x").unwrap();
    let mut command = binary();
    command.arg("share").arg(scratch.path().join("missing")).args(["", "/dev/null"]).arg(&file);
    let said = finish(command.arg("--data-dir").arg(scratch.path().join("data")).spawn().unwrap());
    assert_eq!(said.status.code(), Some(1));
    assert!(said.stdout.contains(&ids(b"x")[0]) && said.stderr.contains("missing: No such file"), "{said:?}");
    assert!(said.stdout.starts_with("file (1 byte)\n"), "{said:?}");
    assert!(said.stderr.contains("/dev/null: it is neither a file nor a folder"));
    assert!(said.stderr.contains("cannot share '': the name is empty"), "{said:?}");
    let quiet = run(&["share", "/dev/null", "-qqq", "--data-dir", scratch.path().join("data").to_str().unwrap()]);
    assert!(quiet.complaint().contains("/dev/null: it is neither"), "an error is said however quiet it is: {quiet:?}");
    let empty = scratch.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let said = run(&["share", empty.to_str().unwrap(), "--data-dir", scratch.path().join("data").to_str().unwrap()]);
    assert!(said.complaint().contains("there is nothing to share"), "{said:?}");
    let said = run(&["share", "--remove", "x", "--data-dir", scratch.path().join("data").to_str().unwrap()]);
    assert!(said.complaint().contains("'x' is not an id") && said.status.code() == Some(2), "{said:?}");
    for wrong in [&["share"][..], &["share", "--list", "x"], &["share", "--list", "--remove", "x"]] {
        assert_eq!(run(wrong).status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn beyond_the_most_that_a_node_shares_nothing_more_is_looked_at_and_one_sentence_says_so() {
    let scratch = scratch();
    let (data, many) = (scratch.path().join("data"), scratch.path().join("many"));
    fs::create_dir(&many).unwrap();
    for n in 0..SHARED_FILES_MAX + 3 {
        fs::write(many.join(format!("{n:05}")), []).unwrap();
    }
    // Sharing so many takes long; that it is begun is enough.
    fs::create_dir(&data).unwrap();
    fs::write(data.join("store"), "no folder").unwrap();
    let mut command = binary();
    command.arg("share").args([&many, &scratch.path().join("missing")]).arg("--data-dir").arg(&data);
    let said = finish(command.spawn().unwrap());
    assert_eq!(said.status.code(), Some(1));
    let (first, rest) = said.stderr.split_once('\n').unwrap();
    let why = format!(
        "cjp2p-node: cannot share {}: {SHARED_FILES_MAX} files are the most that a node shares; the search ends here",
        many.join(SHARED_FILES_MAX.to_string()).display()
    );
    assert_eq!(first, why);
    assert!(rest.starts_with("cjp2p-node: cannot write to the data directory") && rest.lines().count() == 1, "{rest}");
}

#[test]
fn a_data_directory_that_cannot_be_used_is_named_once_and_not_each_file() {
    let scratch = scratch();
    let files = ["one", "other"].map(|name| scratch.path().join(name).to_str().unwrap().to_owned());
    files.iter().for_each(|file| fs::write(file, "x").unwrap());
    let data = scratch.path().join("data");
    for (obstacle, part) in
        [("data/store", "cannot write to the data directory"), ("data", "cannot use the data directory")]
    {
        let _ = fs::remove_dir_all(&data);
        let obstacle = scratch.path().join(obstacle);
        fs::create_dir_all(obstacle.parent().unwrap()).unwrap();
        fs::write(obstacle, "no folder").unwrap();
        let said = run(&["share", &files[0], &files[1], "--data-dir", data.to_str().unwrap()]);
        assert!(said.complaint().contains(&format!("{part} {}: not a directory", data.display())), "{said:?}");
    }
}

#[test]
fn listing_and_removing_make_no_data_directory() {
    let (scratch, id) = (scratch(), "1".repeat(64));
    let data = scratch.path().join("data");
    let name = data.to_str().unwrap();
    for list in [&["ls"][..], &["share", "--list"]] {
        // Who reads the output reads nothing; a person is told why.
        for (options, hint) in [(&[][..], "cjp2p-node: nothing is shared\n"), (&["-q"], ""), (&["--json"], "")] {
            let said = run(&[list, options, &["--data-dir", name]].concat());
            assert_eq!((said.success(), said.stderr.as_str()), ("", hint), "{list:?} {options:?}");
        }
    }
    run(&["share", "--remove", &id, "--data-dir", name]).complaint();
    run(&["share", "--data-dir", name]).complaint();
    assert!(!data.exists());
}

#[test]
fn a_store_that_cannot_be_read_is_named() {
    let (scratch, id) = (scratch(), "1".repeat(64));
    let data = scratch.path().to_str().unwrap();
    fs::write(scratch.path().join("store"), "no folder").unwrap();
    for command in [&["ls"][..], &["share", "--list"], &["share", "--remove", &id]] {
        let said = run(&[command, &["--data-dir", data]].concat());
        assert!(
            said.complaint().starts_with(&format!("cjp2p-node: cannot read the data directory {data}: ")),
            "{said:?}"
        );
    }
}
