//! `stream` and `follow`: what one process reads, another prints, while it comes.
//!
//! A signature takes tens of milliseconds in a program that is not optimised, so there is little to sign.

use crate::control::converse;
use crate::fetching::{bytes, ended, names};
use crate::harness::{Node, binary, eventually, finish, scratch};
use cjp2p_node::node::STREAMS_MAX;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// `stream` or `follow`, alone or beside a node.
fn command(what: &str, data: &Path, peer: Option<SocketAddr>, arguments: &[&str]) -> Command {
    let mut command = binary();
    command.arg(what).args(arguments).arg("--data-dir").arg(data);
    command.args(["--no-bootstrap", "--no-lan", "--bind", "127.0.0.1", "--port", "0"]);
    command.args(peer.iter().flat_map(|peer| ["--peer".to_owned(), peer.to_string()]));
    command
}

/// Starts a stream, and waits until it says what it is called.
fn begin(mut command: Command) -> (Child, String) {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains('/') || line.starts_with("cjp2p-node:") {
        line.clear();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "it has ended");
    }
    // Who writes there must not be kept waiting.
    std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
    (child, line.trim().to_owned())
}

#[test]
fn what_goes_into_a_stream_comes_out_where_it_is_followed_while_it_grows() {
    let data = scratch();
    let node = Node::start(&data.path().join("node"), &[]);
    let (mut stream, id) = begin(command("stream", &data.path().join("node"), None, &["some/thing"]));
    let mut input = stream.stdin.take().unwrap();
    input.write_all(b"first\n").unwrap();
    let follow = command("follow", &data.path().join("other"), Some(node.address), &[&id]).spawn();
    let mut follow = follow.unwrap();
    let mut output = BufReader::new(follow.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "first\n", "it is here before the stream has ended");
    let content = bytes(300_000);
    let copy = content.clone();
    let writer = std::thread::spawn(move || input.write_all(&copy).unwrap());
    let mut printed = Vec::new();
    output.read_to_end(&mut printed).unwrap();
    writer.join().unwrap();
    assert!(printed == content, "{} of {} bytes", printed.len(), content.len());
    assert!(finish(stream).status.success());
    let followed = finish(follow);
    assert!(followed.status.success(), "{followed:?}");
    // A latecomer, after the end: with 0x in front, by the name that it gave to the key, and by some of its digits.
    let key = id.split('/').next().unwrap();
    let reader = data.path().join("late");
    fs::create_dir(&reader).unwrap();
    fs::write(reader.join("people.json"), format!(r#"{{"people":[{{"name":"Alice","key":"{key}"}}]}}"#)).unwrap();
    for whose in [&format!("0x{key}"), "alice", &key[..8]] {
        let id = format!("{whose}/some/thing");
        let mut late = command("follow", &reader, Some(node.address), &[&id, "--from", "end"]);
        // What it prints is no text.
        late.stdout(Stdio::null());
        let late = ended(late);
        assert!(late.status.success(), "{}", late.stderr);
        assert!(late.stderr.contains("beginning at byte 299008"), "{}", late.stderr);
    }
    let again = ended(command("stream", &data.path().join("node"), None, &["some/thing"]));
    assert!(!again.status.success() && again.stderr.contains("choose another name, like some/thing/2"), "{again:?}");
    assert_eq!(names(&data.path().join("node/streams")).len(), 1);
}

#[test]
fn a_stream_without_a_node_beside_it_is_followed_and_ends_with_a_signal() {
    let data = scratch();
    let (mut stream, id) = begin(command("stream", &data.path().join("owner"), None, &["x"]));
    let mut input = stream.stdin.take().unwrap();
    let file = data.path().join("owner/node.json");
    let address = eventually("the owner's address", || {
        let file: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).ok()?).ok()?;
        file["udp"].as_str()?.parse::<SocketAddr>().ok()
    });
    let out = File::create(data.path().join("out")).unwrap();
    let follow = command("follow", &data.path().join("reader"), Some(address), &[&id]).stdout(out).spawn().unwrap();
    let content = bytes(100_000);
    input.write_all(&content).unwrap();
    eventually("all of it", || (std::fs::read(data.path().join("out")).unwrap() == content).then_some(()));
    kill_process(Pid::from_child(&stream), Signal::INT).unwrap();
    let followed = finish(follow);
    assert!(followed.status.success(), "it has ended in order: {followed:?}");
    drop(input);
    assert!(finish(stream).status.success());
}

#[test]
fn who_follows_what_nobody_has_is_told_so_and_who_stops_reading_is_left_in_peace() {
    let data = scratch();
    let node = Node::start(&data.path().join("node"), &[]);
    let key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    let id = format!("{key}/nothing");
    let reader = data.path().join("reader");
    let missing = ended(command("follow", &reader, Some(node.address), &[&id, "--timeout", "1"]));
    assert_eq!(missing.complaint(), format!("cjp2p-node: nobody in reach has {id}"));
    for (wrong, why) in [
        ("nothing", "KEY/NAME"),
        (key, "KEY/NAME"),
        ("/x", "KEY/NAME"),
        ("bob/x", "nobody is called 'bob'"),
        ("0123456789/x", "no key that is known here begins with 0123456789"),
    ] {
        let said = ended(command("follow", &reader, None, &[wrong]));
        assert!(said.complaint().contains(why), "{said:?}");
    }
    let (mut stream, id) = begin(command("stream", &data.path().join("node"), None, &["y"]));
    let mut input = stream.stdin.take().unwrap();
    let mut follow = command("follow", &reader, Some(node.address), &[&id]).spawn().unwrap();
    input.write_all(b"one\n").unwrap();
    let mut first = [0; 4];
    let mut output = follow.stdout.take().unwrap();
    output.read_exact(&mut first).unwrap();
    drop(output);
    input.write_all(b"two\n").unwrap();
    let broken = finish(follow);
    assert!(!broken.status.success() && broken.stderr.is_empty(), "{broken:?}");
    drop(input);
    assert!(finish(stream).status.success());
}

#[test]
fn a_killed_stream_has_not_ended_for_those_who_follow_it() {
    let data = scratch();
    let node = Node::start(&data.path().join("node"), &[]);
    // One beside a node that goes on, and one with a node of its own.
    for (owner, peer) in [("node", Some(node.address)), ("alone", None)] {
        let (mut stream, id) = begin(command("stream", &data.path().join(owner), None, &["x"]));
        let mut input = stream.stdin.take().unwrap();
        let file = data.path().join(owner).join("node.json");
        let file: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let peer = peer.unwrap_or_else(|| file["udp"].as_str().unwrap().parse().unwrap());
        let reader = data.path().join(format!("reader of {owner}"));
        let mut follow = command("follow", &reader, Some(peer), &[&id, "--timeout", "3"]).spawn().unwrap();
        input.write_all(b"one\n").unwrap();
        let mut first = [0; 4];
        follow.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
        stream.kill().unwrap();
        stream.wait().unwrap();
        let said = finish(follow);
        let complaint = "nothing was heard of its owner for 3 s; the stream has not ended, after 4 bytes";
        assert_eq!(said.complaint(), format!("cjp2p-node: {complaint}"), "{owner}");
    }
}

#[test]
fn a_node_that_stalls_for_longer_than_commands_wait_ends_neither_end_of_a_stream() {
    let data = scratch();
    let mut node = Node::start(&data.path().join("node"), &[]);
    let (mut stream, id) = begin(command("stream", &data.path().join("node"), None, &["x"]));
    let mut input = stream.stdin.take().unwrap();
    let mut follow = command("follow", &data.path().join("node"), None, &[&id]).spawn().unwrap();
    let content = bytes(100_000);
    let (first, rest) = content.split_at(1_000);
    input.write_all(first).unwrap();
    let mut output = follow.stdout.take().unwrap();
    let mut printed = vec![0; first.len()];
    output.read_exact(&mut printed).unwrap();
    node.signal(Signal::STOP);
    // More than one request, of which the first goes into a socket that nobody reads.
    let rest = rest.to_vec();
    let writer = std::thread::spawn(move || input.write_all(&rest).unwrap());
    std::thread::sleep(std::time::Duration::from_millis(4_500));
    node.signal(Signal::CONT);
    output.read_to_end(&mut printed).unwrap();
    writer.join().unwrap();
    assert!(printed == content, "{} of {} bytes", printed.len(), content.len());
    for said in [finish(stream), finish(follow)] {
        assert!(said.status.success(), "{said:?}");
    }
}

#[test]
fn a_name_is_used_up_by_what_comes_in_and_by_nothing_else() {
    let data = scratch();
    let _node = Node::start(&data.path().join("beside"), &[]);
    for owner in ["beside", "alone"] {
        let home = data.path().join(owner);
        let used = || names(&home.join("streams")).len();
        let empty = ended(command("stream", &home, None, &["x"]));
        let hint = "cjp2p-node: nothing came in, so there has been no stream and its name is still free\n";
        assert!(empty.status.success() && empty.stderr.ends_with(hint), "{owner}: {empty:?}");
        for signal in [Signal::KILL, Signal::INT] {
            let (mut stream, _) = begin(command("stream", &home, None, &["x"]));
            kill_process(Pid::from_child(&stream), signal).unwrap();
            stream.wait().unwrap();
            assert_eq!(used(), 0, "{owner}");
        }
        let (mut stream, _) = begin(command("stream", &home, None, &["x"]));
        stream.stdin.as_mut().unwrap().write_all(b"one\n").unwrap();
        eventually("a used name", || (used() == 1).then_some(()));
        stream.kill().unwrap();
        stream.wait().unwrap();
        let again = ended(command("stream", &home, None, &["x"]));
        assert!(
            !again.status.success() && again.stderr.contains("choose another name, like x/2"),
            "{owner}: {again:?}"
        );
    }
}

#[test]
fn who_follows_a_stream_for_which_nothing_comes_is_told_its_end() {
    let data = scratch();
    let home = data.path().join("node");
    let node = Node::start(&home, &[]);
    // The one beside the same node, and the one elsewhere.
    for (name, reader) in [("x", &home), ("y", &data.path().join("reader"))] {
        let (mut stream, id) = begin(command("stream", &home, None, &[name]));
        let follow = command("follow", reader, Some(node.address), &[&id]).spawn().unwrap();
        let info = format!("{{\"command\":\"/stream {{\\\"info\\\":\\\"{name}\\\"}}\"}}\n");
        eventually("somebody who asks for it", || (!converse(&home, info.as_bytes()).contains("null")).then_some(()));
        drop(stream.stdin.take());
        assert!(finish(stream).status.success());
        let followed = finish(follow);
        assert!(followed.status.success() && followed.stdout.is_empty(), "{name}: {followed:?}");
    }
    assert_eq!(names(&home.join("streams")).len(), 2);
}

#[test]
fn a_stream_is_not_called_what_no_file_could_be_called() {
    let data = scratch();
    for name in ["../x", "a//b", "/a"] {
        let said = ended(command("stream", &data.path().join("owner"), None, &[name]));
        let complaint = "the parts of a stream's name between slashes have to be names of files, like a/b";
        assert_eq!(said.complaint(), format!("cjp2p-node: {complaint}"));
    }
    assert!(names(&data.path().join("owner/streams")).is_empty());
}

#[test]
fn who_follows_from_the_start_gets_all_though_another_follows_from_the_end_beside_the_same_node() {
    let data = scratch();
    let node = Node::start(&data.path().join("node"), &[]);
    let (mut stream, id) = begin(command("stream", &data.path().join("node"), None, &["x"]));
    let mut input = stream.stdin.take().unwrap();
    let old = bytes(20_000);
    input.write_all(&old).unwrap();
    let reader = Node::start(&data.path().join("reader"), &[node.address]);
    reader.wait_for_peer(node.address);
    let follow =
        |from: &str| command("follow", &data.path().join("reader"), None, &[&id, "--from", from]).spawn().unwrap();
    let mut late = follow("end");
    let mut printed = late.stdout.take().unwrap();
    let mut first = [0; 1];
    printed.read_exact(&mut first).unwrap();
    let mut all = follow("start");
    let mut whole = vec![0; old.len()];
    all.stdout.as_mut().unwrap().read_exact(&mut whole).unwrap();
    assert!(whole == old);
    input.write_all(b"new").unwrap();
    drop(input);
    let (mut rest, mut end) = (Vec::new(), Vec::new());
    printed.read_to_end(&mut rest).unwrap();
    all.stdout.take().unwrap().read_to_end(&mut end).unwrap();
    let late_bytes = [&first[..], &rest].concat();
    assert!(end == b"new" && late_bytes.len() < old.len() && late_bytes.ends_with(b"new"), "{}", late_bytes.len());
    assert!(finish(late).status.success() && finish(all).status.success() && finish(stream).status.success());
}

#[test]
fn each_of_two_who_follow_beside_one_node_is_as_patient_as_it_was_told_to_be() {
    let data = scratch();
    let _node = Node::start(&data.path().join("node"), &[]);
    let key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    let follow = |seconds: &str| {
        command("follow", &data.path().join("node"), None, &[&format!("{key}/x"), "--timeout", seconds])
            .spawn()
            .unwrap()
    };
    let (begun, mut patient) = (Instant::now(), follow("60"));
    let missing = finish(follow("2"));
    let complaint = format!("cjp2p-node: nobody in reach has {key}/x");
    assert!(!missing.status.success() && missing.stderr.contains(&complaint), "{missing:?}");
    assert!((2..20).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    std::thread::sleep(Duration::from_secs(2));
    assert!(patient.try_wait().unwrap().is_none(), "it goes on");
    patient.kill().unwrap();
    patient.wait().unwrap();
}

#[test]
fn who_has_read_a_stream_to_its_end_leaves_room_for_the_next() {
    let data = scratch();
    let owner = Node::start(&data.path().join("owner"), &[]);
    let _node = Node::start(&data.path().join("node"), &[owner.address]);
    let follow = |id: &str| ended(command("follow", &data.path().join("node"), None, &[id, "--timeout", "9"]));
    let mut last = String::new();
    for n in 0..STREAMS_MAX {
        let (mut stream, id) = begin(command("stream", &data.path().join("owner"), None, &[&format!("x{n}")]));
        stream.stdin.take().unwrap().write_all(b"all\n").unwrap();
        let said = follow(&id);
        assert!(said.status.success(), "{said:?}");
        assert!(finish(stream).status.success());
        last = id.replace(&format!("/x{n}"), "/nothing");
    }
    let missing = follow(&last);
    assert!(missing.stderr.ends_with(&format!("nobody in reach has {last}\n")), "{missing:?}");
}
