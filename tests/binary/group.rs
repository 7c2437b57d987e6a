//! Group chat among real processes: lines are passed on by who is between.

use crate::harness::{Node, eventually, scratch};
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

/// A node with a pipe for typed lines, on an address.
fn start(data_dir: &Path, bind: &str, peers: &[SocketAddr]) -> Node {
    let output = fs::File::create(data_dir.join("said")).unwrap();
    Node::start_at(bind, data_dir, peers, |command: &mut Command| {
        command.stdin(Stdio::piped()).stdout(output);
    })
}

fn type_line(node: &mut Node, line: &str) {
    writeln!(node.child().stdin.as_mut().unwrap(), "{line}").unwrap();
}

/// What a node has printed.
fn said(data_dir: &Path) -> String {
    fs::read_to_string(data_dir.join("said")).unwrap()
}

fn key(node: &Node) -> String {
    node.ask(["status", "--json"]).json().remove(0)["public_key"].as_str().unwrap().to_owned()
}

#[test]
fn a_line_reaches_who_does_not_know_its_author_once_and_with_the_right_key() {
    let (first, second, third) = (scratch(), scratch(), scratch());
    // Who is between is in both worlds; the others have no way to one another.
    let between = start(second.path(), "::", &[]);
    let port = between.address.port();
    let mut alice = start(first.path(), "127.0.0.1", &[SocketAddr::from(([127, 0, 0, 1], port))]);
    let mut carol = start(third.path(), "::1", &[format!("[::1]:{port}").parse().unwrap()]);
    alice.wait_for_peer(SocketAddr::from(([127, 0, 0, 1], port)));
    carol.wait_for_peer(format!("[::1]:{port}").parse().unwrap());
    between.wait_for_peer(alice.address);
    between.wait_for_peer(carol.address);
    type_line(&mut alice, "hello carol");
    let shown = format!("[main] {}…> hello carol", &key(&alice)[..16]);
    eventually("the line at the far end", || said(third.path()).contains(&shown).then_some(()));
    type_line(&mut carol, "hello alice");
    let answer = format!("[main] {}…> hello alice", &key(&carol)[..16]);
    eventually("the answer", || said(first.path()).contains(&answer).then_some(()));
    assert!(!carol.peers().contains(&alice.address) && !alice.peers().contains(&carol.address));
    assert!(said(first.path()).contains("said to 1 neighbour"), "{}", said(first.path()));
    // Ignored, by the beginning of the key that was shown.
    type_line(&mut carol, &format!("/ignore {}", &key(&alice)[..16]));
    eventually("that it is ignored", || said(third.path()).contains("ignoring ").then_some(()));
    type_line(&mut alice, "are you there?");
    eventually("the line in between", || said(second.path()).contains("are you there?").then_some(()));
    // Who was not there hears of it.
    let fourth = scratch();
    let late = start(fourth.path(), "127.0.0.1", &[SocketAddr::from(([127, 0, 0, 1], port))]);
    eventually("what was said before", || {
        let said = said(fourth.path());
        (said.contains("> hello carol") && said.contains("> hello alice")).then_some(())
    });
    for (path, text) in [(&third, "hello carol"), (&first, "hello alice"), (&fourth, "hello carol")] {
        assert_eq!(said(path.path()).matches(&format!("> {text}")).count(), 1, "{}", said(path.path()));
    }
    assert!(!said(third.path()).contains("are you there?"));
    drop((between, late));
}

#[test]
fn the_time_of_the_latest_line_is_kept_across_a_kill() {
    let (first, second) = (scratch(), scratch());
    let bob = start(second.path(), "127.0.0.1", &[]);
    let mut alice = start(first.path(), "127.0.0.1", &[bob.address]);
    alice.wait_for_peer(bob.address);
    type_line(&mut alice, "hello");
    let file = first.path().join("group.json");
    let read = || fs::read_to_string(&file).ok().filter(|text| text.starts_with(r#"{"said_until":1"#));
    let text = eventually("the time that is kept", read);
    alice.kill();
    let alice = start(first.path(), "127.0.0.1", &[bob.address]);
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
    drop(alice);
}

#[test]
fn what_was_shown_before_an_orderly_stop_is_not_shown_again_by_the_next_run() {
    let (first, second) = (scratch(), scratch());
    let mut alice = start(first.path(), "127.0.0.1", &[]);
    let bob = start(second.path(), "127.0.0.1", &[alice.address]);
    bob.wait_for_peer(alice.address);
    alice.wait_for_peer(bob.address);
    type_line(&mut alice, "before");
    eventually("the line", || said(second.path()).contains("> before").then_some(()));
    assert!(bob.terminate().status.success());
    let kept = fs::read_to_string(second.path().join("group.json")).unwrap();
    assert!(kept.contains(&format!("\"{} 1 0 1", key(&alice))), "{kept}");
    let bob = start(second.path(), "127.0.0.1", &[alice.address]);
    bob.wait_for_peer(alice.address);
    type_line(&mut alice, "after");
    eventually("the next line", || said(second.path()).contains("> after").then_some(()));
    assert!(!said(second.path()).contains("> before"), "{}", said(second.path()));
}
