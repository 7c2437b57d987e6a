//! Typed lines, on a pipe.

use crate::harness::{Node, eventually, scratch};
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

fn start(data_dir: &Path, peers: &[std::net::SocketAddr]) -> Node {
    Node::start_with(data_dir, peers, |command| {
        command.stdin(Stdio::piped());
    })
}

fn type_line(node: &mut Node, line: &str) {
    writeln!(node.child().stdin.as_mut().unwrap(), "{line}").unwrap();
}

#[test]
fn commands_typed_into_a_pipe_are_carried_out() {
    let directory = scratch();
    let mut node = start(directory.path(), &[]);
    for line in
        ["/help", "/peers", "/status", "/files", "/nonsense", "", &"x".repeat(10_000), "/msg 127.0.0.1:9999 hello"]
    {
        type_line(&mut node, line);
    }
    type_line(&mut node, "hello?");
    type_line(&mut node, "/quit");
    let said = node.finish();
    for part in [
        "/ignore IP",
        "no verified peers yet",
        "listens on",
        "nothing is shared; put files into /",
        "/public",
        "6000 bytes are the limit",
        "no command /nonsense",
        "too long",
        "127.0.0.1:9999 is not a verified peer",
        "no verified peer is in reach",
        "stopping",
    ] {
        assert!(said.success().contains(part), "{part}: {said:?}");
    }
}

#[test]
fn two_people_talk_and_nothing_of_it_reaches_the_terminal_raw() {
    let (first, second) = (scratch(), scratch());
    let mut alice = start(first.path(), &[]);
    let mut bob = start(second.path(), &[alice.address]);
    bob.wait_for_peer(alice.address);
    alice.wait_for_peer(bob.address);
    let (to_alice, to_bob) = (alice.address, bob.address);
    let bobs_key = bob.ask(["status", "--json"]).json().remove(0)["public_key"].as_str().unwrap().to_owned();
    type_line(&mut bob, &format!("/msg {to_alice} hello \u{1b}[2J alice"));
    type_line(&mut bob, "hello everybody");
    type_line(&mut bob, &format!("/ping {to_alice}"));
    eventually("a counted message", || {
        let status = alice.ask(["status", "--json"]).json().remove(0);
        (status["counters"]["datagrams_received"].as_u64()? >= 6).then_some(())
    });
    type_line(&mut alice, &format!("/ignore {}", to_bob.ip()));
    std::thread::sleep(std::time::Duration::from_millis(300));
    let heard = alice.terminate();
    let said = bob.terminate();
    assert!(heard.success().contains(&format!("{to_bob}> hello \u{fffd}[2J alice")), "{heard:?}");
    let line = format!("[main] {}…> hello everybody", &bobs_key[..16]);
    assert!(heard.success().contains(&line), "{heard:?}");
    assert!(said.success().contains(&format!("{to_alice} answered after")), "{said:?}");
}

#[test]
fn a_line_that_was_sent_was_heard_however_fast_it_was_typed() {
    let (first, second) = (scratch(), scratch());
    let mut alice = start(first.path(), &[]);
    let bob = start(second.path(), &[alice.address]);
    bob.wait_for_peer(alice.address);
    alice.wait_for_peer(bob.address);
    (0..12).for_each(|n| type_line(&mut alice, &format!("line {n}")));
    type_line(&mut alice, "/quit");
    let said = alice.finish();
    let sent = said.success().matches("said to 1 neighbour").count();
    assert!((4..12).contains(&sent), "{said:?}");
    assert_eq!(said.stdout.matches("not sent: four lines at once, then one a second").count(), 12 - sent, "{said:?}");
    std::thread::sleep(std::time::Duration::from_millis(300));
    let heard = bob.terminate();
    assert_eq!(heard.success().matches("> line ").count(), sent, "{heard:?}");
}

#[test]
fn who_was_added_is_reported_as_a_peer_or_as_silent() {
    let (first, second) = (scratch(), scratch());
    let other = Node::start(second.path(), &[]);
    let mut node = start(first.path(), &[]);
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap();
    type_line(&mut node, &format!("/add {silent}"));
    type_line(&mut node, &format!("/add {}", other.address));
    node.wait_for_peer(other.address);
    type_line(&mut node, &format!("/add {}", other.address));
    std::thread::sleep(std::time::Duration::from_secs(48));
    type_line(&mut node, "/quit");
    let said = node.finish();
    for line in [
        format!("trying {silent}"),
        format!("trying {}", other.address),
        format!("{} is a peer now", other.address),
        format!("{} is a peer already", other.address),
        format!("no answer yet from {silent}; still trying"),
        format!("no answer from {silent}; it will be tried again now and then"),
    ] {
        assert_eq!(said.success().lines().filter(|said| **said == line).count(), 1, "{line}: {said:?}");
    }
}

#[test]
fn output_that_nobody_reads_makes_nobody_wait() {
    let directory = scratch();
    let mut node = start(directory.path(), &[]);
    // The pipe holds 64 KB, and so many answers are ten times as long.
    for _ in 0..1_000 {
        type_line(&mut node, "/help");
    }
    node.ask(["status"]).success();
    assert!(!node.send("[{\"PleaseSendPeers\":{}}]").is_empty());
    node.signal(rustix::process::Signal::TERM);
    let ended = eventually("the end, with the output still unread", || node.child().try_wait().unwrap());
    assert!(ended.success());
}

#[test]
fn what_is_not_there_is_not_thrown_away() {
    let directory = scratch();
    let mut node = start(directory.path(), &[]);
    let [nothing, something] = ["ab", "cd"].map(|digits| digits.repeat(32));
    std::fs::create_dir_all(directory.path().join("parts")).unwrap();
    let part = directory.path().join(format!("parts/sha256-{something}.part"));
    std::fs::write(&part, "x").unwrap();
    for id in [&nothing, &something] {
        type_line(&mut node, &format!("/drop {id}"));
    }
    type_line(&mut node, "/quit");
    let said = node.finish();
    assert!(said.success().contains(&format!("nothing is there of {nothing}")), "{said:?}");
    assert!(said.stdout.contains(&format!("what was there of {something} is forgotten")) && !part.exists(), "{said:?}");
}
