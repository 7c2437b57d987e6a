//! Starting, stopping, being killed, and what is left on the disk.

use crate::harness::{Node, eventually, finish, scratch};
use cjp2p_node::data_dir::{DataDir, control_socket, parse_peers};
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

fn saved(data_dir: &Path) -> Option<Vec<SocketAddr>> {
    let bytes = fs::read(data_dir.join("peers.json")).ok()?;
    Some(parse_peers(&bytes).expect("a peers file that is whole"))
}

#[test]
fn node_json_names_the_process_and_an_address_and_goes_away_with_it() {
    let directory = scratch();
    let mut node = Node::start(directory.path(), &[]);
    let path = directory.path().join("node.json");
    let file: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(file, serde_json::json!({"pid": node.child().id(), "udp": node.address.to_string()}));
    assert!(node.address.ip().is_loopback() && node.address.port() != 0);
    assert!(node.terminate().status.success());
    assert!(!path.exists());
    assert!(!directory.path().join("control.sock").exists());
}

#[test]
fn a_start_that_fails_leaves_no_word_of_a_node_that_was_killed() {
    let directory = scratch();
    Node::start(directory.path(), &[]).kill();
    let path = directory.path().join("node.json");
    assert!(path.exists());
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut command = crate::harness::binary();
    command.args(["--no-bootstrap", "--no-lan", "--bind", "127.0.0.1", "--port", &port, "--data-dir"]);
    let said = finish(command.arg(directory.path()).spawn().unwrap());
    assert!(said.complaint().contains("already in use"), "{said:?}");
    assert!(!path.exists());
}

#[test]
fn every_signal_to_stop_ends_it_in_order() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let directory = scratch();
        let mut node = Node::start(directory.path(), &[]);
        node.signal(signal);
        let said = node.finish();
        assert_eq!(said.status.code(), Some(0), "{said:?}");
        assert!(said.stdout.ends_with("\nstopped; 0 peers remembered\n"), "{said:?}");
        assert_eq!(saved(directory.path()), Some(vec![]));
        assert!(!directory.path().join("node.json").exists());
    }
}

#[test]
fn who_wants_no_words_gets_none_at_the_end_either() {
    let directory = scratch();
    let node = Node::start_with(directory.path(), &[], |command| _ = command.arg("-q"));
    let said = node.terminate();
    assert_eq!((said.success(), said.stderr.as_str()), ("", ""));
}

#[test]
fn the_log_is_our_own_unless_rust_log_asks_for_others() {
    for (options, filters, has_others) in [(&["-vv"][..], None, false), (&[], Some("trace"), true)] {
        let (first, second) = (scratch(), scratch());
        let other = Node::start(second.path(), &[]);
        let node = Node::start_with(first.path(), &[other.address], |command| {
            command.args(options).envs(filters.map(|filters| ("RUST_LOG", filters)));
        });
        node.wait_for_peer(other.address);
        let said = node.terminate();
        assert!(said.stderr.contains("verified 127.0.0.1"), "{said:?}");
        assert_eq!(said.stderr.contains("registering event source"), has_others, "{said:?}");
    }
}

#[test]
fn why_a_datagram_was_dropped_is_in_the_finest_log_alone() {
    for (options, count) in [("-v", 0), ("-vv", 1)] {
        let directory = scratch();
        let node = Node::start_with(directory.path(), &[], |command| _ = command.arg(options));
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let from = socket.local_addr().unwrap();
        socket.send_to(b"hello", node.address).unwrap();
        socket.send_to(b"[{\"PleaseSendPeers\":{}}]", node.address).unwrap();
        eventually("two datagrams", || {
            let status = node.ask(["status", "--json"]).json().remove(0);
            (status["counters"]["datagrams_received"] == 2).then_some(())
        });
        let said = node.terminate();
        assert_eq!(said.stderr.matches(&format!("5 bytes from {from}: dropped, no JSON array")).count(), count);
        assert_eq!(said.stderr.matches(&from.to_string()).count(), count, "{said:?}");
    }
}

#[test]
fn when_stop_has_said_so_the_port_and_the_directory_are_free() {
    let directory = scratch();
    for _ in 0..20 {
        let node = Node::start(directory.path(), &[]);
        // As the command does it, but without the time that a process takes to end.
        let mut control = UnixStream::connect(control_socket(directory.path())).unwrap();
        control.write_all(b"{\"command\":\"/quit\"}\n").unwrap();
        control.read_to_end(&mut Vec::new()).unwrap();
        DataDir::open(directory.path()).expect("a data directory that nobody uses");
        UdpSocket::bind(node.address).expect("a port that nobody uses");
        assert!(node.finish().status.success());
    }
}

#[test]
fn a_hangup_that_is_ignored_at_the_start_stays_ignored() {
    let directory = scratch();
    let script = "trap '' HUP; exec \"$0\" \"$@\" --no-bootstrap --no-lan --port 0 --bind 127.0.0.1";
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", script, env!("CARGO_BIN_EXE_cjp2p-node"), "--data-dir"]).arg(directory.path());
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut node = Node::start_with(directory.path(), &[], |command| *command = shell);
    node.signal(Signal::HUP);
    // An answer to a command that was given after the signal shows that the node went on.
    for _ in 0..3 {
        node.ask(["status"]).success();
    }
    assert!(node.terminate().status.success());
}

#[test]
fn the_welcome_says_where_it_listens_where_its_data_is_and_how_to_poke_it() {
    let directory = scratch();
    let node = Node::start(directory.path(), &[]);
    let address = node.address;
    let said = node.terminate();
    let poke = format!("cjp2p-node send {address} '[{{\"PleaseSendPeers\":{{}}}}]'");
    for part in [address.to_string(), directory.path().display().to_string(), poke] {
        assert!(said.success().contains(&part), "{part}: {said:?}");
    }
    assert!(said.stdout.lines().count() <= 5, "{said:?}");
}

#[test]
fn it_listens_on_ipv4_whatever_else_by_default() {
    let directory = scratch();
    let node = Node::start_with(directory.path(), &[], |command| {
        // The later of two equal options is refused, so the command is written anew.
        *command = crate::harness::binary();
        command.args(["--no-bootstrap", "--no-lan", "--port", "0", "--data-dir"]).arg(directory.path());
    });
    assert_eq!(node.address.ip().to_string(), "127.0.0.1");
    assert!(!node.send("[{\"PleaseSendPeers\":{}}]").is_empty());
}

#[test]
fn closed_input_and_output_leave_it_running_at_rest() {
    let directory = scratch();
    let mut node = Node::start_with(directory.path(), &[], |command| {
        command.stdin(Stdio::piped());
    });
    let child = node.child();
    drop(child.stdin.take());
    drop(child.stdout.take());
    drop(child.stderr.take());
    thread::sleep(Duration::from_millis(500));
    for _ in 0..3 {
        node.ask(["status"]).success();
    }
    let ticks = cpu_ticks(node.child().id());
    thread::sleep(Duration::from_secs(2));
    let spent = cpu_ticks(node.child().id()) - ticks;
    assert!(spent < 50, "a node at rest spun for {spent} of 200 ticks");
    assert!(node.terminate().status.success());
}

/// Processor time of a process, in hundredths of a second.
fn cpu_ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn a_process_without_any_descriptors_runs_too() {
    let directory = scratch();
    let script = "exec \"$0\" --no-bootstrap --no-lan --port 0 --bind 127.0.0.1 --data-dir \"$1\" <&- >&- 2>&-";
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", script, env!("CARGO_BIN_EXE_cjp2p-node")]).arg(directory.path());
    let node = Node::start_with(directory.path(), &[], |command| *command = shell);
    node.ask(["status"]).success();
    assert!(node.terminate().status.success());
}

#[test]
fn a_restart_keeps_the_peers() {
    let (first, second) = (scratch(), scratch());
    let known = Node::start(first.path(), &[]);
    let node = Node::start(second.path(), &[known.address]);
    node.wait_for_peer(known.address);
    assert!(node.terminate().status.success());
    assert_eq!(saved(second.path()), Some(vec![known.address]));
    // Nobody tells it about the other one this time.
    let node = Node::start(second.path(), &[]);
    node.wait_for_peer(known.address);
}

#[test]
fn peers_that_could_not_be_saved_are_not_called_remembered() {
    let (first, second) = (scratch(), scratch());
    let known = Node::start(first.path(), &[]);
    // What stands in the way of writing the file is also in the way of the superuser.
    let obstacle = second.path().join("peers.json.tmp");
    fs::create_dir(&obstacle).unwrap();
    let node = Node::start(second.path(), &[known.address]);
    node.wait_for_peer(known.address);
    let said = node.terminate();
    assert!(said.status.code() == Some(1) && !said.stdout.contains("stopped"), "{said:?}");
    assert!(said.stderr.ends_with("\ncjp2p-node: stopped, but could not save the peers\n"), "{said:?}");
    assert!(said.stderr.contains("cannot save the peers to"), "{said:?}");
    assert_eq!(saved(second.path()), None);
}

#[test]
fn what_could_not_be_saved_in_the_end_is_named_and_what_is_there_stays_whole() {
    let directory = scratch();
    let data = directory.path();
    let people = || fs::read_to_string(data.join("people.json")).unwrap();
    let call = |name: &str| {
        let key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        let command = format!("{{\"command\":\"/name {key} {name}\"}}\n");
        assert!(crate::control::converse(data, command.as_bytes()).contains("is called"));
    };
    let node = Node::start(data, &[]);
    call("alice");
    assert!(node.terminate().status.success());
    let whole = people();
    assert!(whole.contains("alice"), "{whole}");
    for file in ["peers", "people"] {
        fs::create_dir(data.join(format!("{file}.json.tmp"))).unwrap();
    }
    let node = Node::start(data, &[]);
    call("bob");
    let said = node.terminate();
    assert_eq!(said.status.code(), Some(1));
    let lines: Vec<&str> = said.stderr.lines().rev().take(3).collect();
    assert_eq!(lines[0], "cjp2p-node: stopped, but could not save the peers, the names of people");
    // Each is said once more in the end, whatever was said before.
    assert!(lines[1].contains("cannot save the names of people to ") && lines[2].contains("cannot save the peers to "));
    assert_eq!(people(), whole);
}

#[test]
fn a_peer_may_be_named_by_its_host() {
    let (first, second) = (scratch(), scratch());
    let known = Node::start(first.path(), &[]);
    let name = format!("localhost:{}", known.address.port());
    let node = Node::start_with(second.path(), &[], |command| _ = command.args(["--peer", &name]));
    node.wait_for_peer(known.address);
}

#[test]
fn peers_are_saved_soon_after_the_first_one() {
    let (first, second) = (scratch(), scratch());
    let known = Node::start(first.path(), &[]);
    let node = Node::start(second.path(), &[known.address]);
    eventually("a saved peer", || saved(second.path()).filter(|peers| peers.contains(&known.address)));
    node.kill();
    let node = Node::start(second.path(), &[]);
    node.wait_for_peer(known.address);
}

#[test]
fn a_named_peer_that_does_not_answer_is_mentioned_once_and_so_is_a_node_that_is_its_own_peer() {
    let (first, second) = (scratch(), scratch());
    let known = Node::start(first.path(), &[]);
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap();
    // A port that is free; who takes it in the moment until the node does spoils nothing but this run.
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let own = SocketAddr::from(([127, 0, 0, 1], port));
    let node = Node::start_with(second.path(), &[], |command| {
        *command = crate::harness::binary();
        command.args(["--no-bootstrap", "--no-lan", "--bind", "127.0.0.1", "--data-dir"]).arg(second.path());
        command.args(["--port", &port.to_string(), "--peer", &own.to_string()]);
        command.args(["--peer", &silent.to_string(), "--peer", &known.address.to_string()]);
    });
    node.wait_for_peer(known.address);
    thread::sleep(Duration::from_secs(16));
    let said = node.terminate();
    for line in [format!("no answer from --peer {silent}; tried"), format!("--peer {own}: that is this node")] {
        assert_eq!(said.stderr.matches(&line).count(), 1, "{line}: {said:?}");
    }
    assert_eq!(said.stderr.matches("no answer").count(), 1, "{said:?}");
}

#[test]
fn a_kill_at_any_moment_leaves_a_usable_data_directory() {
    const ROUNDS: u64 = 12;
    let first = scratch();
    let known = Node::start(first.path(), &[]);
    let known = known.address;
    thread::scope(|scope| {
        for lane in 0..3 {
            scope.spawn(move || {
                let directory = scratch();
                fs::create_dir(directory.path().join("public")).unwrap();
                fs::write(directory.path().join("public/large"), vec![7; 8 << 20]).unwrap();
                for round in 0..ROUNDS {
                    // Moments all over the first two seconds, in which everything is written for the first time.
                    let moment = (round * 3 + lane) * 977 % 2_200;
                    let mut child = crate::harness::binary()
                        .args(["--no-bootstrap", "--no-lan", "--port", "0", "--bind", "127.0.0.1", "--data-dir"])
                        .arg(directory.path())
                        .args(["--peer", &known.to_string()])
                        .spawn()
                        .unwrap();
                    thread::sleep(Duration::from_millis(moment));
                    child.kill().unwrap();
                    let said = finish(child);
                    assert!(!said.stderr.contains("damaged"), "{said:?}");
                    saved(directory.path());
                }
                let node = Node::start(directory.path(), &[known]);
                node.wait_for_peer(known);
                assert!(node.terminate().status.success());
            });
        }
    });
}

#[test]
fn stopping_does_not_wait_for_the_hash_of_a_huge_file() {
    let directory = scratch();
    fs::create_dir(directory.path().join("public")).unwrap();
    fs::File::create(directory.path().join("public/huge")).unwrap().set_len(1 << 42).unwrap();
    let node = Node::start(directory.path(), &[]);
    node.ask(["status"]).success();
    assert!(node.terminate().status.success());
    assert_eq!(saved(directory.path()), Some(vec![]));
}

#[test]
fn a_damaged_peers_file_is_set_aside_with_a_warning() {
    let directory = scratch();
    fs::write(directory.path().join("peers.json"), "{\"peers\":[\"127.0").unwrap();
    let node = Node::start(directory.path(), &[]);
    let said = node.terminate();
    assert!(said.status.success() && said.stderr.contains("peers.json.damaged"), "{said:?}");
    assert_eq!(fs::read(directory.path().join("peers.json.damaged")).unwrap(), b"{\"peers\":[\"127.0");
    assert_eq!(saved(directory.path()), Some(vec![]));
}

#[test]
fn a_new_data_directory_is_nobody_elses_to_read() {
    let directory = scratch();
    let place = directory.path().join("new/place");
    let node = Node::start(&place, &[]);
    for (path, mode) in [("", 0o700), ("public", 0o700), ("control.sock", 0o600), ("node.json", 0o600)] {
        assert_eq!(fs::metadata(place.join(path)).unwrap().permissions().mode() & 0o777, mode, "{path}");
    }
    assert!(node.terminate().status.success());
    assert_eq!(fs::metadata(place.join("peers.json")).unwrap().permissions().mode() & 0o777, 0o600);
}
