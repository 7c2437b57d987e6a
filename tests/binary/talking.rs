//! Poking a node from a shell, and the commands `send` and `ping`.

use crate::harness::{Node, binary, eventually, finish, poke, run, scratch};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::net::UdpSocket;
use std::thread;
use std::time::Duration;

#[test]
fn a_poke_earns_an_address_and_a_token_in_102_bytes() {
    let (first, second) = (scratch(), scratch());
    let known = Node::start(first.path(), &[]);
    let node = Node::start(second.path(), &[known.address]);
    node.wait_for_peer(known.address);
    let answer = poke(node.address, b"[{\"PleaseSendPeers\":{}}]");
    assert!(answer.len() <= 102, "{} bytes", answer.len());
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    let find = |name: &str| answer.as_array().unwrap().iter().find_map(|message| message.get(name)).unwrap();
    assert_eq!(find("Peers")["peers"], serde_json::json!([known.address.to_string()]));
    assert_eq!(find("PleaseAlwaysReturnThisMessage")["cookie"].as_str().unwrap().len(), 8);
}

/// Segmentation offload makes many datagrams of one call, and receive offload hands them over as one.
#[cfg(target_os = "linux")]
#[test]
fn of_datagrams_that_arrive_together_each_is_heard_once_however_many_they_are() {
    use nix::sys::socket::{setsockopt, sockopt::UdpGsoSegment};
    let directory = scratch();
    let node = Node::start(directory.path(), &[]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    // More than one turn takes; the last piece of each call is shorter, and another kind of message.
    let (whole, last) = (r#"[{"PleaseSendPeers":{}}]"#, r#"[{"Unheard":{}}]"#);
    let (calls, pieces) = (5, 40);
    let together = [whole.repeat(pieces - 1).as_str(), last].concat();
    if setsockopt(&socket, UdpGsoSegment, &(whole.len() as i32)).is_err() {
        return;
    }
    for _ in 0..calls {
        assert_eq!(socket.send_to(together.as_bytes(), node.address).unwrap(), together.len());
    }
    let count = |counters: &Value, name: &str| counters[name].as_u64().unwrap() as usize;
    let counters = eventually("all of them", || {
        let counters = node.ask(["status", "--json"]).json().remove(0)["counters"].take();
        (count(&counters, "datagrams_received") >= calls * pieces).then_some(counters)
    });
    assert_eq!(count(&counters, "datagrams_received"), calls * pieces);
    assert_eq!(count(&counters, "bytes_received"), calls * together.len());
    assert_eq!(count(&counters, "messages_unknown"), calls);
    let broken = ["datagrams_refused", "elements_malformed"].map(|name| count(&counters, name));
    assert_eq!((broken, count(&counters, "receive_errors")), ([0, 0], 0));
}

#[test]
fn garbage_is_survived_and_counted() {
    let directory = scratch();
    let node = Node::start(directory.path(), &[]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let nested = [b"[".repeat(30_000), b"]".repeat(30_000)].concat();
    for datagram in [&b""[..], b"\xff", b"{}", b"[", b"[1,{},null]", &nested, &[b' '; 65_507]] {
        socket.send_to(datagram, node.address).unwrap();
    }
    poke(node.address, b"[{\"PleaseSendPeers\":{}}]");
    let status = node.ask(["status", "--json"]).json().remove(0);
    assert!(status["counters"]["datagrams_refused"].as_u64().unwrap() >= 5, "{status}");
}

#[test]
fn send_prints_answers_and_returns_the_token() {
    let directory = scratch();
    let node = Node::start(directory.path(), &[]);
    let address = node.address.to_string();
    let said = run(&["send", &address, "[{\"PleaseListSupportedMessages\":{}}]", "--wait", "0.5"]);
    // Only who has returned a token is told so much.
    assert!(said.success().contains("SupportedMessages\":{\"schema\""), "{said:?}");
    assert!(said.success().lines().all(|line| line.starts_with(&address)), "{said:?}");
    let said = run(&["send", &address, "[{\"PleaseSendPeers\":{}}]", "--json", "--wait", "0.5"]);
    let lines = said.json();
    assert!(lines.len() >= 2 && lines.iter().all(|line| line["from"] == address.as_str()), "{said:?}");
    assert!(lines.iter().all(|line| line["ms"].is_f64() && line["messages"].is_array()), "{said:?}");
}

#[test]
fn send_says_so_when_nobody_answers() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let said = run(&["send", &address, "[{\"A\":{}}]", "--wait", "0.2"]);
    assert_eq!(said.status.code(), Some(1));
    assert!(said.complaint().contains(&address));
    let mut buffer = [0; 100];
    let (length, _) = silent.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"[{\"A\":{}}]");
}

#[test]
fn what_a_hostile_node_answers_cannot_reach_the_terminal() {
    let hostile = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = hostile.local_addr().unwrap().to_string();
    let answers = thread::spawn(move || {
        let (_, from) = hostile.recv_from(&mut [0; 100]).unwrap();
        for answer in [&b"\x1b[2J\n\x07"[..], b"[{\"A\":\"\xe2\x80\xae\"}]", b"\xff\xfe", b""] {
            hostile.send_to(answer, from).unwrap();
        }
    });
    let said = run(&["send", &address, "[]", "--wait", "0.5"]);
    answers.join().unwrap();
    assert_eq!(said.success().lines().count(), 4, "{said:?}");
    assert!(!said.stdout.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{said:?}");
}

#[test]
fn the_token_comes_back_as_the_very_value_that_was_asked_for() {
    let strict = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = strict.local_addr().unwrap().to_string();
    let heard = thread::spawn(move || {
        let mut buffer = [0; 500];
        let (_, from) = strict.recv_from(&mut buffer).unwrap();
        strict.send_to(br#"[{"PleaseAlwaysReturnThisMessage":[1.0, {"a" : "\u0041"}]}]"#, from).unwrap();
        let (length, _) = strict.recv_from(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    });
    run(&["send", &address, "[{\"A\": 1.50}]", "--wait", "0.5"]).success();
    assert_eq!(heard.join().unwrap(), r#"[{"A": 1.50},{"AlwaysReturned":[1.0, {"a" : "\u0041"}]}]"#);
}

#[test]
fn ping_measures_and_sums_up() {
    let directory = scratch();
    let node = Node::start(directory.path(), &[]);
    let address = node.address.to_string();
    let said = run(&["ping", &address, "--count", "2"]);
    assert!(said.success().contains("seq=1 time=") && said.success().contains("seq=2 time="), "{said:?}");
    assert!(said.success().contains("2 sent, 2 received, 0% lost"), "{said:?}");
    let lines = run(&["ping", &address, "--count", "1", "--json"]).json();
    assert_eq!((&lines[0]["from"], &lines[0]["seq"]), (&Value::from(address), &Value::from(1)));
    assert_eq!((&lines[1]["sent"], &lines[1]["received"]), (&Value::from(1), &Value::from(1)));
    // Measuring is not joining.
    assert_eq!(node.peers(), []);
}

#[test]
fn ping_fails_when_nobody_answers_and_believes_no_stranger() {
    let wrong = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = wrong.local_addr().unwrap().to_string();
    let impostor = thread::spawn(move || {
        let mut buffer = [0; 500];
        let (length, from) = wrong.recv_from(&mut buffer).unwrap();
        // The right cookie from the wrong address, and the wrong cookie from the right one.
        let echo = String::from_utf8(buffer[..length].to_vec()).unwrap().replace("PleaseReturnThis", "Returned");
        UdpSocket::bind("127.0.0.1:0").unwrap().send_to(echo.as_bytes(), from).unwrap();
        wrong.send_to(br#"[{"ReturnedMessage":{"cookie":"0000000000000000"}},{"ReturnedMessage":-1}]"#, from).unwrap();
    });
    let said = run(&["ping", &address, "--count", "1"]);
    impostor.join().unwrap();
    assert_eq!(said.status.code(), Some(1));
    assert!(said.stdout.contains("1 sent, 0 received, 100% lost"), "{said:?}");
}

#[test]
fn ping_returns_the_token_of_a_node_that_wants_to_see_it() {
    let strict = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = strict.local_addr().unwrap().to_string();
    let node = thread::spawn(move || {
        let mut buffer = [0; 500];
        let (_, from) = strict.recv_from(&mut buffer).unwrap();
        strict.send_to(br#"[{"PleaseAlwaysReturnThisMessage":["x"]}]"#, from).unwrap();
        let (length, _) = strict.recv_from(&mut buffer).unwrap();
        let heard = String::from_utf8(buffer[..length].to_vec()).unwrap();
        strict.send_to(heard.replace("PleaseReturnThis", "Returned").as_bytes(), from).unwrap();
        heard
    });
    let said = run(&["ping", &address, "--count", "2"]);
    assert!(node.join().unwrap().starts_with(r#"[{"AlwaysReturned":["x"]},{"PleaseReturn"#));
    assert!(said.success().contains("2 sent, 1 received, 50% lost"), "{said:?}");
}

#[test]
fn ping_ends_with_a_summary_when_interrupted() {
    let directory = scratch();
    let node = Node::start(directory.path(), &[]);
    let child = binary().args(["ping", &node.address.to_string()]).spawn().unwrap();
    thread::sleep(Duration::from_millis(1_500));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let said = finish(child);
    assert!(said.success().contains("0% lost") && said.success().contains("min/avg/max/mdev"), "{said:?}");
}
