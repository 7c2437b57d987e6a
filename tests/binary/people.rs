//! People who write to one another by key, and call one another by name.

use crate::control::converse;
use crate::fetching::{alone, names};
use crate::harness::{Node, binary, eventually, finish, run, scratch};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

fn start(data_dir: &Path, peers: &[SocketAddr]) -> Node {
    Node::start_with(data_dir, peers, |command| {
        command.stdin(Stdio::piped());
    })
}

fn type_line(node: &mut Node, line: &str) {
    writeln!(node.child().stdin.as_mut().unwrap(), "{line}").unwrap();
}

fn key_of(data_dir: &Path) -> String {
    run(&["id", "--data-dir", data_dir.to_str().unwrap()]).success().to_owned()
}

#[test]
fn a_line_typed_for_a_key_that_a_third_node_knows_is_shown_there_and_seen_here() {
    let [first, second, third] = [scratch(), scratch(), scratch()];
    let (alice_key, bob_key) = (key_of(first.path()), key_of(second.path()));
    let middle = Node::start(third.path(), &[]);
    let bob = start(second.path(), &[middle.address]);
    bob.wait_for_peer(middle.address);
    eventually("the third node knows who bob is", || {
        let peers = middle.ask(["peers", "--json"]).json();
        peers.iter().any(|peer| peer["key"] == bob_key.as_str()).then_some(())
    });
    let mut alice = start(first.path(), &[middle.address]);
    type_line(&mut alice, &format!("/name 0x{bob_key} bob"));
    type_line(&mut alice, "/msg bob hello \u{1b}[2J bob");
    type_line(&mut alice, "/msg bob are you there?");
    eventually("both lines seen", || {
        let status = alice.ask(["status", "--json"]).json().remove(0);
        (status["counters"]["private_delivered"] == 2).then_some(())
    });
    // A command waits until it was seen, by name or by the beginning of a key that is known by now.
    assert_eq!(alice.ask(["msg", "BOB", "and now?"]).success(), "bob has seen it");
    let line = bob.ask(["msg", &alice_key[..12], "yes", "--json"]).json().remove(0);
    assert_eq!((&line["state"], &line["key"]), (&"delivered".into(), &alice_key.as_str().into()), "{line}");
    let peers = alice.ask(["peers", "--json"]).json();
    let peer = peers.iter().find(|peer| peer["name"] == "bob").unwrap();
    assert_eq!((&peer["key"], &peer["address"]), (&bob_key.as_str().into(), &bob.address.to_string().into()));
    assert!(alice.ask(["peers"]).success().lines().any(|line| line.ends_with("   bob")));
    let rows: Vec<String> = alice.ask(["sent"]).success().lines().map(str::to_owned).collect();
    let said = ["hello \u{fffd}[2J bob", "are you there?", "and now?"];
    for (row, text) in rows.iter().zip(said) {
        // The day and the time, in UTC.
        let (time, rest) = row.split_at("2026-11-22 12:34:56".len());
        assert!(time.starts_with("20") && time.matches(['-', ':']).count() == 4, "{row}");
        assert_eq!(rest, format!("  to bob, seen: {text}"));
    }
    assert_eq!(rows.len(), said.len(), "{rows:?}");
    let line = alice.ask(["sent", "--json"]).json().remove(2);
    assert_eq!((&line["text"], &line["state"]), (&"and now?".into(), &"delivered".into()), "{line}");
    type_line(&mut alice, "/sent");
    type_line(&mut alice, "/quit");
    let said = alice.finish();
    let heard = bob.terminate();
    for part in [
        format!("{bob_key} is called bob now"),
        "bob has seen: hello \u{fffd}[2J bob".to_owned(),
        "bob has seen: are you there?".to_owned(),
        "bob (private)> yes".to_owned(),
        format!("{}\n", rows.join("\n")),
    ] {
        assert!(said.success().contains(&part), "{part}: {said:?}");
    }
    let shown = format!("{}… (private)> ", &alice_key[..16]);
    let texts: Vec<&str> = heard.success().lines().filter_map(|line| Some(line.split_once(&shown)?.1)).collect();
    assert_eq!(texts, ["hello \u{fffd}[2J bob", "are you there?", "and now?"], "{heard:?}");
}

#[test]
fn what_is_said_while_only_a_get_is_there_is_shown_by_the_node_that_comes_after_it() {
    let [first, second] = [scratch(), scratch()];
    let (bob, id) = (key_of(second.path()), "ab".repeat(32));
    let alice = start(first.path(), &[]);
    let getting = alone(second.path(), Some(alice.address), &[&id, "--timeout", "600"]).spawn().unwrap();
    eventually("the key of who fetches", || alice.ask(["peers", "--json"]).stdout.contains(&bob).then_some(()));
    for group_or_key in ["/say main for all", &format!("/msg {bob} for you")] {
        assert!(converse(first.path(), command(group_or_key).as_bytes()).contains("\"refused\":false"));
    }
    let unseen = alice.ask(["msg", &bob, "and more", "--wait", "4"]);
    assert!(unseen.complaint().contains("not seen by"), "{unseen:?}");
    // Whoever would wait there for what others say would wait for ever.
    let chat = finish(binary().args(["chat", "--data-dir"]).arg(second.path()).spawn().unwrap());
    assert!(chat.complaint().contains("hears nobody"), "{chat:?}");
    kill_process(Pid::from_child(&getting), Signal::INT).unwrap();
    assert_eq!(finish(getting).status.code(), Some(1));
    let mut left = names(second.path());
    left.sort();
    assert_eq!(left, ["key", "lock", "peers.json", "public"]);
    let node = start(second.path(), &[alice.address]);
    eventually("that both are seen", || {
        let status = alice.ask(["status", "--json"]).json().remove(0);
        (status["counters"]["private_delivered"] == 2).then_some(())
    });
    let heard = node.terminate();
    for text in ["[main]", "> for all", "(private)> for you", "(private)> and more"] {
        assert_eq!(heard.success().matches(text).count(), 1, "{text}: {heard:?}");
    }
}

fn command(line: &str) -> String {
    format!("{}\n", serde_json::json!({ "command": line }))
}

#[test]
fn what_is_said_is_on_the_standard_output_alone_and_that_of_the_service_goes_nowhere() {
    let unit = include_str!("../../contrib/cjp2p-node.service");
    assert!(unit.lines().any(|line| line == "StandardOutput=null"), "what it prints is kept by the journal");
    let [first, second] = [scratch(), scratch()];
    let bob_key = key_of(second.path());
    let loudly = |data: &Path, peers: &[SocketAddr]| {
        Node::start_with(data, peers, |command| {
            command.arg("-vv");
        })
    };
    let bob = loudly(second.path(), &[]);
    let alice = loudly(first.path(), &[bob.address]);
    alice.wait_for_peer(bob.address);
    eventually("bob is known", || {
        let said = alice.ask(["msg", &bob_key, "between us"]);
        said.status.success().then_some(())
    });
    let said = [alice.terminate(), bob.terminate()];
    assert!(said[1].stdout.contains("(private)> between us"), "{said:?}");
    assert!(said.iter().all(|said| !said.stderr.contains("between us") && !said.stderr.is_empty()), "{said:?}");
}

#[test]
fn what_nobody_has_seen_is_said_in_one_sentence() {
    let directory = scratch();
    let node = Node::start(directory.path(), &[]);
    let nobody = key_of(scratch().path());
    let said = node.ask(["msg", &nobody, "hello?", "--wait", "0.5"]);
    let expected = format!("cjp2p-node: not seen by {}… within 0.5 s; the node goes on trying", &nobody[..16]);
    assert_eq!(said.complaint(), expected);
    for empty in ["", "  "] {
        let said = node.ask(["msg", &nobody, empty]);
        assert_eq!(said.complaint(), "cjp2p-node: there is nothing to say: TEXT is empty");
        assert_eq!(said.status.code(), Some(2));
    }
    for (to, part) in [
        ("nobody", "nobody is called 'nobody'"),
        (&nobody[..12], "no key that is known here begins with"),
        (&key_of(directory.path()), "that is the key of this node"),
        ("two words", "neither a key nor a name"),
        ("127.0.0.1:9", "is not a verified peer"),
    ] {
        let said = node.ask(["msg", to, "hello"]);
        assert!(said.complaint().contains(part), "{to}: {said:?}");
    }
    let said = node.terminate();
    assert!(said.stderr.contains("a private message was not delivered and is lost"), "{said:?}");
}

#[test]
fn of_a_long_message_the_list_shows_the_beginning_and_scripts_are_told_all() {
    let directory = scratch();
    let node = Node::start(directory.path(), &[]);
    let nobody = key_of(scratch().path());
    let long = "x".repeat(200);
    assert!(!node.ask(["msg", &nobody, &long, "--wait", "0.2"]).status.success());
    let sent = node.ask(["sent"]);
    let waits = format!("  to {}…, on its way, others are asked for the address: ", &nobody[..16]);
    let rows: Vec<&str> =
        sent.success().lines().filter_map(|row| row.split_once(&waits)).map(|(_, text)| text).collect();
    assert_eq!(rows, [format!("{}…", "x".repeat(60))]);
    assert_eq!(node.ask(["sent", "--json"]).json().remove(0)["text"], long);
}

#[test]
fn who_is_ignored_stays_ignored_after_a_restart_and_is_listed_until_heeded() {
    let [first, second] = [scratch(), scratch()];
    let (alice_key, bob_key) = (key_of(first.path()), key_of(second.path()));
    let mut bob = start(second.path(), &[]);
    type_line(&mut bob, &format!("/ignore {alice_key}"));
    type_line(&mut bob, "/quit");
    assert!(bob.finish().success().contains(&format!("ignoring {}…", &alice_key[..16])));
    let mut bob = start(second.path(), &[]);
    let alice = Node::start(first.path(), &[bob.address]);
    alice.wait_for_peer(bob.address);
    let said = alice.ask(["msg", &bob_key, "hello", "--wait", "2"]);
    assert!(said.complaint().contains("not seen by"), "{said:?}");
    type_line(&mut bob, "/name");
    type_line(&mut bob, &format!("/heed {}", &alice_key[..8]));
    type_line(&mut bob, "/name");
    assert!(alice.ask(["msg", &bob_key, "and now?"]).success().contains("has seen it"));
    type_line(&mut bob, "/quit");
    let said = bob.finish();
    let listed = format!("{alice_key}  (ignored)\nno longer ignoring {}…\nnobody has a name yet", &alice_key[..16]);
    assert!(said.success().contains(&listed), "{said:?}");
    let people = fs::read_to_string(second.path().join("people.json")).unwrap();
    assert!(!people.contains(&alice_key), "{people}");
}

#[test]
fn names_outlive_the_node_and_a_damaged_file_is_set_aside() {
    let directory = scratch();
    let keys: Vec<String> = (0..2).map(|_| key_of(scratch().path())).collect();
    let mut node = start(directory.path(), &[]);
    type_line(&mut node, &format!("/name {} alice", keys[0]));
    type_line(&mut node, &format!("/name {} bob", keys[1]));
    type_line(&mut node, &format!("/name {} ALICE", keys[1]));
    type_line(&mut node, "/ignore bob");
    type_line(&mut node, "/heed bob");
    type_line(&mut node, "/unname bob");
    type_line(&mut node, &format!("/ignore {}", keys[1]));
    type_line(&mut node, "/quit");
    let said = node.finish();
    assert!(said.success().contains("alice is what"), "{said:?}");
    let ignored = format!(
        "ignoring bob\nno longer ignoring bob\n{} is called bob no longer\nignoring {}…",
        keys[1],
        &keys[1][..16]
    );
    assert!(said.success().contains(&ignored), "{said:?}");
    let mut node = start(directory.path(), &[]);
    type_line(&mut node, "/name");
    type_line(&mut node, "/quit");
    assert!(node.finish().success().contains(&format!("{}  alice", keys[0])));
    fs::write(directory.path().join("people.json"), "{").unwrap();
    let mut node = start(directory.path(), &[]);
    type_line(&mut node, "/name");
    type_line(&mut node, "/quit");
    assert!(node.finish().success().contains("nobody has a name yet"));
    assert_eq!(fs::read(directory.path().join("people.json.damaged")).unwrap(), b"{");
}
