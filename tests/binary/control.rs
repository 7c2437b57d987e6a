//! Commands to the running node, over its socket.

use crate::fetching::{alone, ended};
use crate::harness::{Node, eventually, run, scratch};
use rustix::process::Signal;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::UdpSocket;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

fn connect(data_dir: &Path) -> UnixStream {
    let stream = UnixStream::connect(data_dir.join("control.sock")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// What a node says to these bytes.
pub(crate) fn converse(data_dir: &Path, request: &[u8]) -> String {
    let mut stream = connect(data_dir);
    stream.write_all(request).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line
}

#[test]
fn status_and_peers_are_shown_to_people_and_to_scripts() {
    let (first, second) = (scratch(), scratch());
    let known = Node::start(first.path(), &[]);
    let node = Node::start(second.path(), &[]);
    let added = node.ask(["add", &known.address.to_string()]);
    assert_eq!(added.success(), format!("{} is a peer now", known.address));
    let again = node.ask(["add", &known.address.to_string()]);
    assert!(again.success().contains("is a peer already"), "{again:?}");
    assert!(node.ask(["status"]).success().contains("1 verified"));
    assert!(node.ask(["peers"]).success().contains(&known.address.to_string()));
    let status = node.ask(["status", "--json"]).json().remove(0);
    assert_eq!(status["udp"], node.address.to_string());
    assert_eq!(status["peers"], 1);
    assert!(status["counters"]["datagrams_sent"].as_u64().unwrap() > 0);
}

#[test]
fn who_is_added_by_name_is_found_and_who_does_not_answer_is_told() {
    let (first, second, third) = (scratch(), scratch(), scratch());
    let known = Node::start(first.path(), &[]);
    let node = Node::start(second.path(), &[]);
    let added = node.ask(["add", &format!("localhost:{}", known.address.port())]);
    assert_eq!(added.success(), format!("{} is a peer now", known.address));
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let said = node.ask(["add", &address, "--wait", "0.5"]);
    assert_eq!(said.status.code(), Some(1));
    assert!(said.complaint().contains(&format!("no answer from {address} within 0.5 s")), "{said:?}");
    let told = Node::start_with(third.path(), &[], |command| {
        command.arg("--peer").arg(format!("localhost:{}", known.address.port()));
    });
    told.wait_for_peer(known.address);
}

#[test]
fn what_cannot_be_added_is_refused_in_one_line() {
    let directory = scratch();
    let node = Node::start(directory.path(), &[]);
    for address in ["127.0.0.1:9", "no..body", "255.255.255.255:24254", ""] {
        assert!(!node.ask(["add", address]).complaint().is_empty(), "{address}");
    }
}

#[test]
fn a_node_that_is_told_to_add_itself_says_so() {
    let directory = scratch();
    let node = Node::start(directory.path(), &[]);
    let said = node.ask(["add", &node.address.to_string()]);
    assert!(said.complaint().ends_with(&format!("{}: that is this node", node.address)), "{said:?}");
    assert_eq!(node.ask(["status", "--json"]).json()[0]["counters"]["datagrams_sent"], 0);
}

#[test]
fn every_counter_in_the_status_is_explained_by_its_help() {
    let directory = scratch();
    let node = Node::start(directory.path(), &[]);
    assert!(!node.send("[{\"PleaseSendPeers\":{}}]").is_empty());
    let help = run(&["help", "status"]);
    assert!(help.success().lines().all(|line| line.len() <= 100 || line.contains("--data-dir")), "{help:?}");
    let status = node.ask(["status", "--json"]).json().remove(0);
    let names: Vec<String> =
        status["counters"].as_object().unwrap().keys().map(|name| name.replace('_', " ")).collect();
    assert!(names.len() > 15);
    for name in names {
        assert!(help.success().contains(&format!("\n  {name}\n      ")), "{name}: {help:?}");
    }
    assert!(node.ask(["status"]).success().contains("cjp2p-node help status"));
}

#[test]
fn stop_returns_when_everything_is_saved() {
    let directory = scratch();
    let mut node = Node::start(directory.path(), &[]);
    assert_eq!(node.ask(["stop"]).success(), "stopped");
    assert!(directory.path().join("peers.json").exists());
    assert!(!directory.path().join("node.json").exists());
    eventually("the end of the process", || node.child().try_wait().unwrap());
    assert!(node.finish().status.success());
}

#[test]
fn who_stops_a_node_that_cannot_save_its_peers_is_told() {
    let (first, second) = (scratch(), scratch());
    let known = Node::start(first.path(), &[]);
    fs::create_dir(second.path().join("peers.json.tmp")).unwrap();
    let node = Node::start(second.path(), &[known.address]);
    node.wait_for_peer(known.address);
    let said = node.ask(["stop"]);
    assert_eq!(said.complaint(), "cjp2p-node: stopped, but could not save the peers");
    assert!(!node.finish().status.success());
}

#[test]
fn nonsense_on_the_socket_gets_one_line_and_harms_nobody() {
    let directory = scratch();
    let node = Node::start(directory.path(), &[]);
    let endless = vec![b'x'; 100_000];
    for request in [&b"\n"[..], b"/peers\n", b"{\"command\":7}\n", b"{\"command\":\"/nonsense\"}\n", b"\xff\n"] {
        let answer = converse(directory.path(), request);
        assert!(answer.starts_with("{\"refused\":true,") && answer.ends_with('\n'), "{answer}");
    }
    // A line without end is cut off; whether the answer still arrives is the system's affair.
    let mut stream = connect(directory.path());
    let _ = stream.write_all(&endless);
    drop(stream);
    node.ask(["status"]).success();
}

#[test]
fn silent_guests_are_cut_off_and_do_not_lock_others_out() {
    let directory = scratch();
    let node = Node::start(directory.path(), &[]);
    let mut guests: Vec<UnixStream> = (0..30).map(|_| connect(directory.path())).collect();
    // Whoever comes takes the place of the one that has been silent for longest.
    for _ in 0..3 {
        node.ask(["status"]).success();
    }
    for guest in &mut guests {
        assert_eq!(guest.read(&mut [0; 10]).unwrap(), 0);
    }
}

#[test]
fn many_who_ask_at_once_are_all_answered() {
    let directory = scratch();
    let mut node = Node::start(directory.path(), &[]);
    // They wait together until the node looks.
    node.signal(Signal::STOP);
    let mut guests: Vec<UnixStream> = (0..50).map(|_| connect(directory.path())).collect();
    for guest in &mut guests {
        guest.write_all(b"{\"command\":\"/peers\"}\n").unwrap();
    }
    node.signal(Signal::CONT);
    for mut guest in guests {
        let mut answer = String::new();
        guest.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with('\n'), "{answer}");
    }
}

#[test]
fn a_node_that_is_stopped_is_named_soon_and_goes_on_as_if_nothing_had_been() {
    let directory = scratch();
    let mut node = Node::start(directory.path(), &[]);
    node.signal(Signal::STOP);
    let pid = node.child().id();
    // So many that the node's queue of guests is full, after which connecting waits too.
    let crowd: Vec<_> = (0..5_000).map_while(|_| connect_now(directory.path())).collect();
    for crowd in [crowd, Vec::new()] {
        let start = Instant::now();
        let said = node.ask(["status"]);
        assert!(start.elapsed() < Duration::from_secs(8), "{said:?}");
        let complaint = said.complaint();
        for part in [format!("(process {pid}) does not answer; is it stopped?"), directory.path().display().to_string()]
        {
            assert!(complaint.contains(&part), "{complaint}");
        }
        drop(crowd);
        node.signal(Signal::CONT);
        node.ask(["status"]).success();
        node.signal(Signal::STOP);
    }
}

#[test]
fn what_a_stopped_node_was_asked_by_somebody_who_has_gone_is_not_done() {
    let directory = scratch();
    let mut node = Node::start(directory.path(), &[]);
    node.signal(Signal::STOP);
    assert!(node.ask(["stop"]).complaint().contains("is it stopped?"));
    node.signal(Signal::CONT);
    // Whoever asks later is answered later.
    for _ in 0..3 {
        node.ask(["status"]).success();
    }
    assert_eq!(node.child().try_wait().unwrap(), None);
}

#[test]
fn who_has_nothing_more_to_say_but_listens_is_answered() {
    let directory = scratch();
    let _node = Node::start(directory.path(), &[]);
    let mut stream = connect(directory.path());
    stream.write_all(b"{\"command\":\"/peers\"}\n").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "{\"refused\":false,\"text\":\"no verified peers yet\",\"json\":[]}\n");
}

/// A connection, if it takes no waiting.
fn connect_now(data_dir: &Path) -> Option<socket2::Socket> {
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket.connect(&socket2::SockAddr::unix(data_dir.join("control.sock")).unwrap()).ok().map(|()| socket)
}

#[test]
fn a_socket_left_by_a_kill_is_replaced() {
    let directory = scratch();
    Node::start(directory.path(), &[]).kill();
    let left = directory.path().join("control.sock");
    assert!(fs::symlink_metadata(left).unwrap().file_type().is_socket());
    Node::start(directory.path(), &[]).ask(["status"]).success();
}

#[test]
fn a_path_too_long_for_a_socket_is_a_warning() {
    let directory = scratch();
    let long = directory.path().join("x".repeat(120));
    let mut node = Node::start(&long, &[]);
    let pid = node.child().id();
    assert!(!node.send("[{\"PleaseSendPeers\":{}}]").is_empty());
    let said = node.terminate();
    assert!(said.status.success() && said.stderr.contains("control.sock"), "{said:?}");
    assert!(said.stdout.contains(&format!("\nstop  kill {pid}\n")), "{said:?}");
}

#[test]
fn a_get_that_can_never_ask_the_node_says_so_at_once() {
    let directory = scratch();
    let (long, id) = (directory.path().join("x".repeat(120)), "1".repeat(64));
    let start = Instant::now();
    let said = ended(alone(&long, None, &[&id]));
    assert!(said.complaint().contains("too long for the socket"), "{said:?}");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert!(!long.exists(), "it made a data directory that is of no use to it");
}
