//! `publish`, and `get KEY/NAME`: names that stay while their contents change, whoever is away.

use crate::control::converse;
use crate::fetching::{bytes, ids};
use crate::harness::{Node, binary, eventually, finish, run, scratch};
use cjp2p_node::data_dir::{Standing, TitleRecord, load_or_make_key, parse_titles, render_titles};
use cjp2p_node::titles::Version;
use serde_json::Value;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Instant;

/// A file with this content.
fn file(folder: &Path, name: &str, content: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, content).unwrap();
    path
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Publishes a file beside a node; says its title and the number.
fn publish(node: &Node, path: &Path, name: &str) -> (String, u64) {
    let said = node.ask(["publish", text(path), "--as", name, "--json"]);
    said.success();
    let line = said.json().remove(0);
    (format!("{}/{name}", line["key"].as_str().unwrap()), line["seq"].as_u64().unwrap())
}

/// What a node says of a title.
fn line(node: &Node, title: &str) -> Option<Value> {
    let said = node.ask(["published", "--json"]);
    said.success();
    let lines = said.json();
    let is_meant =
        |line: &&Value| format!("{}/{}", line["key"].as_str().unwrap(), line["name"].as_str().unwrap()) == title;
    lines.iter().find(is_meant).cloned()
}

/// `get` without a node, by way of these peers.
fn get_alone(data: &Path, title: &str, output: &Path, peer: SocketAddr) -> crate::harness::Said {
    let peer = peer.to_string();
    let options = ["--no-bootstrap", "--no-lan", "--port", "0", "--bind", "127.0.0.1", "--peer", &peer];
    run(&[&["get", title, "-o", text(output), "--data-dir", text(data)], &options[..]].concat())
}

#[test]
fn a_republished_name_is_had_in_its_newest_version_from_a_third_node_while_the_publisher_is_away() {
    let scratch = scratch();
    let folder = scratch.path();
    let [one, two] = [bytes(100_000), bytes(150_000)];
    let a = Node::start(&folder.join("a"), &[]);
    let (title, first) = publish(&a, &file(folder, "one", &one), "site/page.html");
    let c = Node::start(&folder.join("c"), &[a.address]);
    c.wait_for_peer(a.address);
    let page = folder.join("page.html");
    let said = c.ask(["get", &title, "-o", text(&page), "--json"]);
    said.success();
    let got = said.json().remove(0);
    assert_eq!((got["seq"].as_u64(), got["name"].as_str()), (Some(first), Some("site/page.html")));
    assert!(fs::read(&page).unwrap() == one);

    // It is published anew: the one that has fetched it is told, and has it soon, without being asked.
    let (same, second) = publish(&a, &file(folder, "two", &two), "site/page.html");
    assert!(same == title && second > first);
    let newest = &ids(&two)[0];
    eventually("the newer version in the store of the one that has fetched it", || {
        let is_known =
            line(&c, &title).is_some_and(|line| line["sha256"] == **newest && line["standing"] == "followed");
        (is_known && folder.join("c/store").join(newest).exists()).then_some(())
    });

    // The publisher goes away, and somebody comes who knows only the other.
    assert!(a.terminate().status.success());
    let b = folder.join("b.html");
    let said = get_alone(&folder.join("b"), &title, &b, c.address);
    assert!(said.success().contains(&second.to_string()), "{said:?}");
    assert!(fs::read(&b).unwrap() == two);
    // A node that stays does as well, and what it knows survives a restart.
    let d = Node::start(&folder.join("d"), &[c.address]);
    d.wait_for_peer(c.address);
    d.ask(["get", &title, "-o", text(&folder.join("d.html"))]).success();
    assert!(fs::read(folder.join("d.html")).unwrap() == two);
    c.kill();
    assert!(d.terminate().status.success());
    let d = Node::start(&folder.join("d"), &[]);
    assert_eq!(line(&d, &title).unwrap()["seq"], second);
    let e = folder.join("e.html");
    assert!(get_alone(&folder.join("e"), &title, &e, d.address).status.success());
    assert!(fs::read(&e).unwrap() == two);
    // Until the user lets go of it.
    let mistaken = d.ask(["published", "--remove", "notes"]);
    assert_eq!(mistaken.status.code(), Some(2));
    assert!(mistaken.complaint().contains("'notes' is no KEY/NAME; a name of your own is ended by"), "{mistaken:?}");
    assert!(d.ask(["published", "--remove", &title]).success().contains("no longer kept up to date"));
    assert_eq!(line(&d, &title), None);
}

#[test]
fn what_is_published_without_a_node_is_told_by_the_next_and_the_same_content_is_the_same_version() {
    let scratch = scratch();
    let (folder, data) = (scratch.path(), scratch.path().join("data"));
    let path = file(folder, "it's.txt", b"hello");
    let said = run(&["publish", text(&path), "--data-dir", text(&data)]);
    let first = said.success().to_owned();
    let title = first.lines().next().unwrap().to_owned();
    assert!(title.ends_with("/it's.txt") && first.contains(&ids(b"hello")[0]), "{first}");
    assert!(first.contains(r"get '") && first.contains(r"it'\''s.txt'"), "{first}");
    let again = run(&["publish", text(&path), "--data-dir", text(&data)]);
    assert_eq!(again.success().replace(", as before", ""), first);
    assert!(run(&["ls", "--data-dir", text(&data)]).success().ends_with(&format!("  published as {title}")));
    // What is written down is listed without a node as with one.
    let alone = || {
        let said = run(&["published", "--json", "--data-dir", text(&data)]);
        said.success();
        said.json()
    };
    let written = alone();
    assert!(run(&["published", "--data-dir", text(&data)]).success().ends_with(&title));
    let node = Node::start(&data, &[]);
    assert_eq!(line(&node, &title).unwrap()["standing"], "published");
    assert_eq!(node.ask(["published", "--json"]).json(), written);
    let output = folder.join("out");
    get_alone(&folder.join("reader"), &title, &output, node.address).success();
    assert_eq!(fs::read(&output).unwrap(), b"hello");
    // It is told who asks in the words of the wild, until it is withdrawn.
    let (key, name) = title.split_once('/').unwrap();
    let question = format!(r#"[{{"GetLatest":{{"ed25519":"0x{key}","name":"{name}"}}}}]"#);
    let tells = || node.send(&question).iter().any(|message| message.get("SignedMessage").is_some());
    assert!(tells());
    let said = node.ask(["publish", "--remove", "it's.txt"]);
    assert!(said.success().contains("no longer published"), "{said:?}");
    eventually("silence about it", || (!tells()).then_some(()));
    for again in ["it's.txt", &title, &title.replace(key, "bob")] {
        assert!(node.ask(["publish", "--remove", again]).complaint().contains("is not published"), "{again}");
    }
    let said = get_alone(&folder.join("late"), &title, &folder.join("late.txt"), node.address);
    assert!(said.complaint().contains("nobody in reach knows"), "{said:?}");
    // What was taken away is not listed any more, by a node or without one; its number goes on all the same.
    assert_eq!(node.ask(["published", "--json"]).json(), [Value::Null; 0]);
    assert!(node.terminate().status.success());
    assert_eq!(alone(), [Value::Null; 0]);
    let said =
        run(&["publish", text(&file(folder, "other", b"other")), "--as", name, "--json", "--data-dir", text(&data)]);
    assert!(said.json()[0]["seq"].as_u64() > written[0]["seq"].as_u64(), "{said:?}");
    assert_eq!(run(&["published", "--json", "--data-dir", text(&folder.join("late"))]).json(), [Value::Null; 0]);
}

#[test]
fn what_is_published_is_ended_by_what_was_printed_and_listed_in_the_same_order_with_and_without_a_node() {
    let scratch = scratch();
    let (folder, data) = (scratch.path(), scratch.path().join("data"));
    let path = file(folder, "page", b"x");
    let titles = ["c", "a/b", "b"].map(|name| {
        let said = run(&["publish", text(&path), "--as", name, "--data-dir", text(&data)]);
        said.success().lines().next().unwrap().to_owned()
    });
    let list = || run(&["published", "--data-dir", text(&data)]).success().to_owned();
    let alone = list();
    let listed: Vec<_> = alone.lines().map(|line| line.rsplit(' ').next().unwrap()).collect();
    assert_eq!(listed, [&titles[1], &titles[2], &titles[0]]);
    let node = Node::start(&data, &[]);
    assert_eq!(list(), alone);
    drop(node);
    for (n, title) in titles.iter().enumerate() {
        let title = if n == 0 { format!("0x{}", title.to_uppercase().replace("/C", "/c")) } else { title.clone() };
        let said = run(&["publish", "--remove", &title, "--data-dir", text(&data)]);
        assert!(said.success().contains("no longer published"), "{said:?}");
    }
}

#[test]
fn who_removes_a_content_is_told_which_names_still_stand_for_it() {
    let scratch = scratch();
    let (folder, data) = (scratch.path(), scratch.path().join("data"));
    let publish = |content: &[u8]| {
        let said = run(&["publish", text(&file(folder, "page", content)), "--as", "it's", "--data-dir", text(&data)]);
        said.success().lines().next().unwrap().to_owned()
    };
    let title = publish(b"one");
    publish(b"two");
    let remove = |content: &[u8]| run(&["share", "--remove", &ids(content)[0], "--data-dir", text(&data)]);
    let [old, new] = [remove(b"one"), remove(b"two")];
    assert!(old.success().contains("no longer shared") && old.stderr.is_empty(), "{old:?}");
    assert!(new.success().contains("no longer shared"), "{new:?}");
    let told = format!("cjp2p-node: {title} still stands for it; 'cjp2p-node publish --remove NAME' ends that\n");
    assert_eq!(new.stderr, told);
    // Once the name is taken away nothing is left to say.
    publish(b"two");
    let said = run(&["publish", "--remove", "it's", "--data-dir", text(&data)]);
    // What it advises is about this data directory.
    let advised = format!("\n  cjp2p-node share --remove {} --data-dir {}", ids(b"two")[0], text(&data));
    assert!(said.success().ends_with(&advised), "{said:?}");
    assert!(remove(b"two").stderr.is_empty());
}

#[test]
fn a_version_that_nobody_confirms_is_said_to_be_the_newest_that_is_known_here() {
    let scratch = scratch();
    let (folder, out) = (scratch.path(), scratch.path().join("out"));
    let publisher = Node::start(&folder.join("a"), &[]);
    let (title, _) = publish(&publisher, &file(folder, "page", b"hello"), "page");
    let reader = Node::start(&folder.join("b"), &[publisher.address]);
    reader.wait_for_peer(publisher.address);
    let get = |more: &[&str]| {
        let said = reader.ask([&["get", &title, "-f", "-o", text(&out)], more].concat());
        assert!(said.success().contains("out (5 bytes in "), "{said:?}");
        said.stderr
    };
    assert_eq!(get(&[]), "", "whoever publishes it confirms it");
    publisher.kill();
    let why = "nobody in reach has confirmed that; it is the newest version that is known here";
    assert_eq!(get(&[]), format!("cjp2p-node: {title}: {why}\n"));
    assert!(reader.ask(["published"]).success().ends_with(why));
    assert_eq!(get(&["-q"]), "");
    // The node says it too, behind what it is about.
    let said = reader.terminate();
    let lines: Vec<&str> =
        said.stdout.lines().filter(|line| line.ends_with(why) || line.contains(" is now ")).collect();
    assert_eq!(lines.iter().map(|line| line.ends_with(why)).collect::<Vec<_>>(), [false, false, true, false, true]);
}

#[test]
fn a_damaged_list_of_what_is_published_is_left_as_it_is_and_everybody_says_what_to_do() {
    let scratch = scratch();
    let data = scratch.path().join("data");
    let path = file(scratch.path(), "page", b"hello");
    run(&["publish", text(&path), "--data-dir", text(&data)]).success();
    let list = data.join("published.json");
    fs::write(&list, "{\"names\":[").unwrap();
    let advice = "put a copy in its place, or move it away";
    for command in [&["publish", text(&path)][..], &["published"]] {
        let said = run(&[command, &["--data-dir", text(&data)]].concat());
        assert!(said.complaint().contains(advice) && said.complaint().contains(text(&list)), "{said:?}");
    }
    let node = Node::start(&data, &[]);
    for options in [&["published"][..], &["published", "--json"]] {
        let said = node.ask(options);
        assert!(said.complaint().contains(advice) && said.complaint().contains(text(&list)), "{said:?}");
    }
    let said = node.terminate();
    assert!(said.stderr.contains(advice) && said.stderr.contains(text(&list)), "{said:?}");
    assert_eq!(fs::read(&list).unwrap(), b"{\"names\":[");
}

#[test]
fn a_copy_of_the_data_directory_goes_on_above_what_others_have_seen() {
    let scratch = scratch();
    let (folder, data) = (scratch.path(), scratch.path().join("data"));
    let entropy = || Ok([9; 32]);
    let identity = load_or_make_key(&data, entropy).unwrap();
    // Published by a clock that was far ahead, so that the time of day is of no help.
    let far = 9_000_000_000;
    let version = Version::sign(&identity, "page", [7; 32], far).unwrap();
    let title = version.title.clone();
    let record = TitleRecord { title: title.clone(), standing: Standing::Published, version: Some(version) };
    let copy = render_titles(&[record]);
    fs::write(data.join("published.json"), &copy).unwrap();
    let title = title.to_string();
    let node = Node::start(&data, &[]);
    let (_, seq) = publish(&node, &file(folder, "one", b"one"), "page");
    assert_eq!(seq, far + 1);
    let other = Node::start(&folder.join("other"), &[node.address]);
    other.wait_for_peer(node.address);
    other.ask(["get", &title, "-o", text(&folder.join("out"))]).success();
    // The disk breaks, and the copy takes its place.
    node.kill();
    fs::write(data.join("published.json"), &copy).unwrap();
    let node = Node::start(&data, &[other.address]);
    let outdone = eventually("what others know of ours", || {
        let records = parse_titles(&fs::read(data.join("followed.json")).ok()?).unwrap();
        records.into_iter().find(|record| record.standing == Standing::Outdone)
    });
    assert_eq!(outdone.version.unwrap().seq, far + 1);
    let (_, seq) = publish(&node, &file(folder, "two", b"two"), "page");
    assert_eq!(seq, far + 2);
    assert!(node.terminate().stderr.contains("published elsewhere"));
}

#[test]
fn a_publisher_that_is_killed_at_any_moment_uses_no_number_twice_and_leaves_the_file_whole() {
    let scratch = scratch();
    let (folder, data) = (scratch.path(), scratch.path().join("data"));
    let files = [b"one", b"two"].map(|content| file(folder, std::str::from_utf8(content).unwrap(), content));
    let published = || {
        let records = parse_titles(&fs::read(data.join("published.json")).ok()?).expect("a whole file");
        records[0].version.as_ref().map(|version| (version.seq, version.sha256))
    };
    let publish = |n: usize| {
        let mut command = binary();
        command.args(["publish", text(&files[n % 2]), "--as", "x", "--data-dir", text(&data)]);
        command.spawn().unwrap()
    };
    let start = Instant::now();
    finish(publish(1)).success();
    let whole = start.elapsed();
    let mut last = published();
    let mut changes = 0;
    for turn in 0..40 {
        let mut child = publish(turn / 4);
        sleep(whole * (turn as u32 * 7 % 40) / 20);
        // Some are let go on, however busy the machine is.
        if turn % 4 > 0 {
            let _ = child.kill();
        }
        child.wait().unwrap();
        let now = published();
        if now != last {
            assert!(now.map(|(seq, _)| seq) > last.map(|(seq, _)| seq), "{turn}: {last:?} and then {now:?}");
            changes += 1;
        }
        last = now;
    }
    println!("{changes} of 40 got as far as the file");
    assert!(changes >= 5);
    run(&["publish", text(&files[0]), "--as", "y", "--data-dir", text(&data)]).success();
}

#[test]
fn what_the_address_book_says_stands_for_a_key_wherever_a_file_has_a_name() {
    let scratch = scratch();
    let (folder, data) = (scratch.path(), scratch.path().join("reader"));
    let publisher = Node::start(&folder.join("a"), &[]);
    let (title, seq) = publish(&publisher, &file(folder, "page", b"hello"), "page");
    let key = title.split('/').next().unwrap();
    let reader = Node::start(&data, &[publisher.address]);
    reader.wait_for_peer(publisher.address);
    let tell = |command: &str| converse(&data, format!("{{\"command\":\"{command}\"}}\n").as_bytes());
    assert!(tell(&format!("/name {key} Alice")).contains("is called Alice now"));
    // In letters of either case, and by the beginning of the key; what is fetched has the whole of it.
    for (n, who) in ["alice", "ALICE", &key[..8], &format!("{}…", &key[..16])].iter().enumerate() {
        let output = folder.join(n.to_string());
        let said = reader.ask(["get", &format!("{who}/page"), "-o", text(&output), "--json"]);
        said.success();
        let got = said.json().remove(0);
        assert_eq!((got["key"].as_str(), got["seq"].as_u64()), (Some(key), Some(seq)), "{who}: {got}");
        assert_eq!(fs::read(&output).unwrap(), b"hello");
    }
    assert!(tell("/get alice/page").contains("looking for Alice/page"));
    assert!(tell("/published alice/page").contains(key));
    assert_eq!(line(&reader, &title).unwrap()["standing"], "followed");
    assert!(
        reader.ask(["published", "--remove", "alice/page"]).success().contains("no longer kept up to date: Alice/page")
    );
    assert_eq!(line(&reader, &title), None);
    for (wrong, part) in [
        ("bob/page", "nobody is called 'bob'"),
        ("0123456789abcdef/page", "no key that is known here begins with 0123456789abcdef"),
        ("abc/page", "nobody is called 'abc', and it is too short for a key"),
    ] {
        for command in [&["get", wrong][..], &["published", "--remove", wrong]] {
            let said = reader.ask(command);
            assert!(said.complaint().contains(part), "{said:?}");
        }
        for command in ["get", "unget", "published", "seek 5"] {
            assert!(tell(&format!("/{command} {wrong}")).contains(part), "{command}");
        }
    }
    // Without a node, too.
    assert!(reader.terminate().status.success());
    let output = folder.join("alone");
    get_alone(&data, "alice/page", &output, publisher.address).success();
    assert_eq!(fs::read(&output).unwrap(), b"hello");
}

#[test]
fn nothing_is_fetched_and_the_reason_is_said() {
    let scratch = scratch();
    let folder = scratch.path();
    let node = Node::start(&folder.join("a"), &[]);
    let key = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
    let title = format!("{key}/page");
    let get = |words: &[&str]| node.ask([&["get"], words].concat());
    let output = folder.join("out");
    let said = get(&[&title, "-o", text(&output), "--timeout", "1"]);
    assert!(said.complaint().contains("nobody answers, so nobody could be asked for"), "{said:?}");
    for (wrong, part) in [
        (format!("{key}/.profile"), "name one with -o"),
        (format!("{key}/.."), "name one with -o"),
        ("alice".to_owned(), "if that is somebody, say which file: alice/NAME"),
    ] {
        let said = get(&[&wrong]);
        assert!(said.complaint().contains(part) && said.status.code() == Some(2), "{said:?}");
    }
    // A version is known, and nobody has its content.
    let other = Node::start(&folder.join("b"), &[node.address]);
    other.wait_for_peer(node.address);
    let (title, seq) = publish(&node, &file(folder, "page", b"gone"), "page");
    node.ask(["share", "--remove", &ids(b"gone")[0]]).success();
    let said = other.ask(["get", &title, "-o", text(&output), "--timeout", "2"]);
    let why = format!("is at version {seq}, but nobody in reach has {}", ids(b"gone")[0]);
    assert!(said.complaint().contains(&why), "{said:?}");
    assert!(!output.exists());
    for wrong in [&["publish"][..], &["publish", "x", "--remove", "y"], &["publish", "--remove", "y", "--as", "z"]] {
        assert_eq!(run(wrong).status.code(), Some(2), "{wrong:?}");
    }
    for (name, part) in [("../x", "choose one with --as"), ("a//b", "--as"), ("", "--as")] {
        let said = node.ask(["publish", text(&folder.join("page")), "--as", name]);
        assert!(said.complaint().contains(part) && said.status.code() == Some(2), "{said:?}");
    }
    for named in [text(folder), "."] {
        let said = node.ask(["publish", named]);
        assert!(said.complaint().contains(&format!("cannot publish {named}: it is a folder")), "{said:?}");
    }
    assert!(node.ask(["publish", "/dev/null"]).complaint().contains("it is no file"));
}
