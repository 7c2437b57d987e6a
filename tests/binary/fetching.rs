//! `get`: what one node shares becomes a file of another, whole or not at all.

use crate::harness::{Node, Said, binary, eventually, finish, run, scratch};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Bytes that differ from place to place.
pub(crate) fn bytes(size: usize) -> Vec<u8> {
    (0..size as u64)
        .flat_map(|n| (n / 8).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes().into_iter().nth(n as usize % 8))
        .collect()
}

/// The two ids of a content.
pub(crate) fn ids(content: &[u8]) -> [String; 2] {
    let sha256 = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
    [sha256, format!("blake3/{}", blake3::hash(content))]
}

/// A node that shares this content.
pub(crate) fn seed(data: &Path, content: &[u8]) -> Node {
    let path = data.join("content");
    fs::write(&path, content).unwrap();
    let node = Node::start(&data.join("seed"), &[]);
    node.ask(["share", path.to_str().unwrap()]).success();
    let id = &ids(content)[0];
    eventually("the shared content", || node.ask(["status"]).success().contains("1 shared").then_some(()));
    assert!(node.ask(["share", "--list"]).success().contains(id.as_str()));
    node
}

/// A `get` without a node beside it.
pub(crate) fn alone(data: &Path, peer: Option<SocketAddr>, arguments: &[&str]) -> Command {
    let mut command = binary();
    command.arg("get").args(arguments).arg("--data-dir").arg(data);
    command.args(["--no-bootstrap", "--no-lan", "--bind", "127.0.0.1"]);
    command
        .args(peer.iter().flat_map(|peer| ["--peer".to_owned(), peer.to_string()]))
        .current_dir(data.parent().unwrap());
    command
}

pub(crate) fn ended(mut command: Command) -> Said {
    finish(command.spawn().unwrap())
}

pub(crate) fn counter(node: &Node, name: &str) -> u64 {
    node.ask(["status", "--json"]).json()[0]["counters"][name].as_u64().unwrap()
}

/// The files in a folder.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_content_is_fetched_by_either_id_alone_and_beside_a_running_node() {
    let (scratch, content) = (scratch(), bytes(300_001));
    let seed = seed(scratch.path(), &content);
    for (number, id) in ids(&content).iter().enumerate() {
        let data = scratch.path().join(format!("alone{number}"));
        let out = scratch.path().join(format!("out{number}"));
        let said = ended(alone(&data, Some(seed.address), &[id, "-o", out.to_str().unwrap(), "--json"]));
        said.success();
        assert_eq!(said.after_new_key(), "", "in a pipe there is no progress bar");
        let json = &said.json()[0];
        assert_eq!(json["id"], **id);
        // The other id is nobody's business.
        let known = [&json["sha256"], &json["blake3"]].map(Value::as_str);
        let own = ids(&content);
        let expected: Vec<_> = (0..2).map(|other| (other == number).then_some(&*own[other])).collect();
        assert_eq!(known, *expected);
        assert_eq!((json["size"].as_u64(), json["path"].as_str()), (Some(300_001), out.to_str()));
        assert!(fs::read(&out).unwrap() == content);
        // It is a file like any other, and the only one.
        fs::write(scratch.path().join("any"), "").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&out), mode(&scratch.path().join("any")));
        for folder in ["store", "parts", "trees"] {
            assert_eq!(names(&data.join(folder)), [""; 0], "{folder}");
        }

        let data = scratch.path().join(format!("beside{number}"));
        let node = Node::start(&data, &[seed.address]);
        node.wait_for_peer(seed.address);
        let out = scratch.path().join(format!("beside-out{number}"));
        let said = node.ask(["get", id, "--output", out.to_str().unwrap()]);
        assert!(said.success().contains("300001 bytes"), "{said:?}");
        assert!(fs::read(&out).unwrap() == content);
        // It shares what it has fetched, now and after a restart, without reading it again.
        let sha256 = &ids(&content)[0];
        assert_eq!(fs::metadata(data.join("store").join(sha256)).unwrap().permissions().mode() & 0o777, 0o400);
        drop(node.terminate());
        let node = Node::start_with(&data, &[], |command| {
            command.arg("-v");
        });
        eventually("the fetched content", || node.ask(["status"]).success().contains("1 shared").then_some(()));
        let said = node.terminate();
        assert!(!said.stderr.contains("hashing"), "{said:?}");
    }
}

#[test]
fn what_is_here_already_is_copied_at_once_and_the_empty_content_is_one_too() {
    let scratch = scratch();
    for size in [0, 1, 4_096, 4_097] {
        let content = bytes(size);
        let place = scratch.path().join(size.to_string());
        fs::create_dir(&place).unwrap();
        let seed = seed(&place, &content);
        let node = Node::start(&place.join("other"), &[seed.address]);
        node.wait_for_peer(seed.address);
        for (number, id) in ids(&content).iter().enumerate() {
            let out = place.join(format!("out{number}"));
            node.ask(["get", id, "-o", out.to_str().unwrap()]).success();
            assert!(fs::read(&out).unwrap() == content, "{size}");
            let out = place.join(format!("alone{number}"));
            ended(alone(&place.join("alone"), Some(seed.address), &[id, "-o", out.to_str().unwrap()])).success();
            assert!(fs::read(&out).unwrap() == content, "{size}");
        }
        // Nobody is there to fetch it from.
        node.terminate();
        seed.terminate();
        ended(alone(&place.join("other"), None, &[&ids(&content)[0]])).success();
        assert!(fs::read(place.join(&ids(&content)[0])).unwrap() == content);
    }
}

#[test]
fn what_cannot_be_done_is_one_sentence_and_leaves_nothing() {
    let scratch = scratch();
    let data = scratch.path().join("data");
    let (here, id) = (scratch.path().to_str().unwrap(), "ab".repeat(32));
    fs::write(scratch.path().join("there"), "old").unwrap();
    let there = format!("{here}/there");
    let missing = format!("{here}/missing/out");
    let elsewhere = self::scratch();
    let seed = seed(elsewhere.path(), b"something else");
    let peer = seed.address.to_string();
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let silent = nobody.local_addr().unwrap().to_string();
    for (arguments, part, code) in [
        (vec!["notes.txt"], "'notes.txt' is not an id", 2),
        (vec![&id[1..]], "63 hex digits are too few", 2),
        (vec![&*id, "-o", &there], "exists already; --force replaces it", 1),
        (vec![&*id, "-o", here], "is a folder; name a file in it", 1),
        (vec![&*id, "-o", &missing], "cannot write", 1),
        (vec![&*id, "--timeout", "1"], "nobody answers, so nobody could be asked for", 1),
        (vec![&*id, "--timeout", "1", "--peer", &silent], "nobody answers, so nobody could be asked for", 1),
        (vec![&*id, "--timeout", "2", "--peer", &peer], "nobody in reach has", 1),
    ] {
        let said = ended(alone(&data, None, &arguments));
        assert!(said.complaint().contains(part), "{said:?}");
        assert_eq!(said.status.code(), Some(code), "{said:?}");
        let mut names = names(scratch.path());
        names.retain(|name| name != "data");
        assert_eq!((names, fs::read_to_string(&there).unwrap()), (vec!["there".to_owned()], "old".to_owned()));
    }
}

#[test]
fn force_replaces_what_is_there() {
    let (scratch, content) = (scratch(), bytes(10_000));
    let seed = seed(scratch.path(), &content);
    let out = scratch.path().join("out");
    fs::write(&out, "old").unwrap();
    let id = &ids(&content)[1];
    ended(alone(&scratch.path().join("data"), Some(seed.address), &[id, "--force", "-o", out.to_str().unwrap()]))
        .success();
    assert!(fs::read(&out).unwrap() == content);
}

/// Waits until so much of a content has come.
fn wait_for_part(data: &Path, bytes: u64) {
    eventually("some of the content", || {
        let parts = fs::read_dir(data.join("parts")).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
        let part = parts.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "part"))?;
        (fs::metadata(part).ok()?.blocks() * 512 >= bytes).then_some(())
    });
}

const LARGE: usize = 24 << 20;

/// Fetches, is ended in the middle by `end`, and goes on from there.
fn resumed(end: impl Fn(&mut Child)) {
    let content = bytes(LARGE);
    for id in ids(&content) {
        let scratch = scratch();
        let seed = seed(scratch.path(), &content);
        let (data, out) = (scratch.path().join("data"), scratch.path().join("out"));
        let arguments = [&*id, "-o", out.to_str().unwrap()];
        let mut child = alone(&data, Some(seed.address), &arguments).spawn().unwrap();
        wait_for_part(&data, LARGE as u64 / 3);
        end(&mut child);
        assert!(names(scratch.path()).iter().all(|name| !name.starts_with('.')), "nothing is left behind");
        assert!(!out.exists(), "{:?}", child.wait_with_output());
        drop(child.wait_with_output().unwrap());
        ended(alone(&data, Some(seed.address), &arguments)).success();
        assert!(fs::read(&out).unwrap() == content);
        // As base64 with all that belongs to it the content is 1.38 times as long; its tree adds a 64th.
        let sent = counter(&seed, "bytes_sent") as f64 / LARGE as f64;
        assert!(sent < 1.55, "{id}: the seed sent {sent:.2} times the content");
    }
}

#[test]
fn a_get_that_is_killed_goes_on_from_there() {
    resumed(|child| child.kill().unwrap());
}

#[test]
fn a_get_that_is_interrupted_says_so_and_goes_on_from_there() {
    resumed(|child| {
        kill_process(Pid::from_child(child), Signal::INT).unwrap();
        eventually("the end", || child.try_wait().unwrap()).success().then(|| panic!("it was not done"));
    });
}

#[test]
fn an_interrupted_get_stops_the_running_node_from_fetching() {
    let (scratch, content) = (scratch(), bytes(LARGE));
    let seed = seed(scratch.path(), &content);
    let data = scratch.path().join("data");
    let node = Node::start(&data, &[seed.address]);
    node.wait_for_peer(seed.address);
    let out = scratch.path().join("out");
    let get = ["get", &ids(&content)[1], "-o", out.to_str().unwrap()];
    let child = binary().args(get).arg("--data-dir").arg(&data).spawn().unwrap();
    wait_for_part(&data, LARGE as u64 / 4);
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert!(finish(child).complaint().contains("interrupted"));
    let sent = counter(&seed, "bytes_sent");
    std::thread::sleep(std::time::Duration::from_millis(500));
    let more = counter(&seed, "bytes_sent") - sent;
    assert!(more < LARGE as u64 / 8, "{more} bytes were sent afterwards");
    node.ask(get).success();
    assert!(fs::read(&out).unwrap() == content);
}

#[test]
fn a_get_whose_data_directory_is_taken_away_ends() {
    let scratch = scratch();
    let data = scratch.path().join("data");
    let get = alone(&data, None, &[&"ab".repeat(32), "--timeout", "600"]).spawn().unwrap();
    eventually("a node", || data.join("node.json").exists().then_some(()));
    // It may be writing there just now.
    eventually("the end of the directory", || {
        let _ = fs::remove_dir_all(&data);
        (!data.exists()).then_some(())
    });
    assert!(finish(get).complaint().contains("no node is running on"));
}

#[test]
fn damage_in_the_store_is_noticed_and_fetched_again() {
    let (scratch, content) = (scratch(), bytes(100_000));
    let seed = seed(scratch.path(), &content);
    let (data, out) = (scratch.path().join("data"), scratch.path().join("out"));
    let id = &ids(&content)[1];
    let arguments = ["get", &**id, "--force", "-o", out.to_str().unwrap()];
    let fetch = || {
        let node = Node::start(&data, &[seed.address]);
        node.wait_for_peer(seed.address);
        node.ask(arguments).success();
        node.terminate();
    };
    fetch();
    let stored = data.join("store").join(&ids(&content)[0]);
    fs::set_permissions(&stored, fs::Permissions::from_mode(0o600)).unwrap();
    let mut damaged = content.clone();
    damaged[5_000] ^= 1;
    fs::write(&stored, &damaged).unwrap();
    fetch();
    assert!(fs::read(&out).unwrap() == content);
    let value: Value = serde_json::from_slice(&fs::read(stored.with_extension("json")).unwrap()).unwrap();
    assert_eq!(value["size"], 100_000);
}

#[test]
fn a_limit_on_the_store_lets_go_what_nobody_asked_for_longest() {
    let scratch = scratch();
    let contents = [1, 2].map(|n| [bytes(100_000), vec![n]].concat());
    let seed = seed(scratch.path(), &contents[0]);
    fs::write(scratch.path().join("second"), &contents[1]).unwrap();
    seed.ask(["share", scratch.path().join("second").to_str().unwrap()]).success();
    let data = scratch.path().join("data");
    let node = Node::start_with(&data, &[seed.address], |command| {
        command.args(["--store-limit", "150K"]);
    });
    node.wait_for_peer(seed.address);
    for (number, content) in contents.iter().enumerate() {
        let out = scratch.path().join(format!("out{number}"));
        node.ask(["get", &ids(content)[1], "-o", out.to_str().unwrap()]).success();
        assert!(fs::read(out).unwrap() == *content);
        assert!(data.join("store").join(&ids(content)[0]).exists());
    }
    assert!(!data.join("store").join(&ids(&contents[0])[0]).exists());
    eventually("the end of the first", || node.ask(["status"]).success().contains("1 shared").then_some(()));
}

#[test]
fn a_full_disk_and_a_place_that_cannot_be_written_are_named_and_what_came_is_of_use() {
    let (scratch, content) = (scratch(), bytes(LARGE));
    let seed = seed(scratch.path(), &content);
    let (data, out) = (scratch.path().join("data"), scratch.path().join("out"));
    let id = &ids(&content)[0];
    let get = || alone(&data, Some(seed.address), &[id, "-o", out.to_str().unwrap()]);
    // No file may be longer than 8 MiB; the system then says what it says of a full disk.
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 16384; exec \"$@\"", "sh"]).arg(get().get_program());
    limited.args(get().get_args()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    assert!(ended(limited).complaint().contains("the disk is full"));
    assert!(!out.exists());
    let sent = counter(&seed, "bytes_sent");
    ended(get()).success();
    assert!(fs::read(&out).unwrap() == content);
    let sent = (counter(&seed, "bytes_sent") - sent) as f64 / LARGE as f64;
    assert!(sent < 1.1, "the seed sent {sent:.2} times the content again");
    fs::remove_dir_all(&data).unwrap();
    fs::create_dir(&data).unwrap();
    fs::write(data.join("parts"), "no folder").unwrap();
    let said = ended(alone(&data, Some(seed.address), &[id, "--force", "-o", out.to_str().unwrap()]));
    assert!(said.complaint().contains("cannot write to the data directory"), "{said:?}");
}

/// What `get` shows at a terminal.
fn at_a_terminal(get: &Command) -> String {
    let mut command = Command::new("python3");
    command.args(["-c", "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)"]).arg(get.get_program());
    command.args(get.get_args()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    ended(command).success().to_owned()
}

#[test]
fn at_a_terminal_one_line_says_how_far_it_is_unless_that_is_not_wanted() {
    let (scratch, content) = (scratch(), bytes(1_500_000));
    let seed = seed(scratch.path(), &content);
    let (data, out) = (scratch.path().join("data"), scratch.path().join("out"));
    let id = &ids(&content)[0];
    // Of a new key something is said before.
    run(&["id", "--data-dir", data.to_str().unwrap()]).success();
    // It takes longer than the pause between two lines.
    let slowly = [id, "--download-limit", "500k", "-o", out.to_str().unwrap()];
    let shown = at_a_terminal(&alone(&data, Some(seed.address), &slowly));
    assert!(shown.contains(" of 1.5 MB  ") && shown.contains(" MB/s  ") && shown.contains("1 source"), "{shown:?}");
    assert!(shown.ends_with("s)") && shown.lines().count() == 1, "{shown:?}");
    assert!(fs::read(&out).unwrap() == content);
    let shown = at_a_terminal(&alone(&data, Some(seed.address), &[&slowly[..], &["-q", "--force"]].concat()));
    assert!(shown.starts_with(out.to_str().unwrap()) && shown.ends_with("s)"), "{shown:?}");
}
