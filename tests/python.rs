//! The programs in the documentation, run as they stand there: whoever copies them gets what was promised.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::disallowed_methods)] // real processes live in real time

use cjp2p_node::Time;
use cjp2p_node::content::MemoryStore;
use cjp2p_node::node::{Config, Destination, Node};
use serde_json::Value;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// Long enough for a slow machine; nothing waits for it unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(20);

/// A child process that does not outlive the test.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

fn python(code: &str, arguments: &[String]) -> Program {
    let child = Command::new("python3").arg("-c").arg(code).args(arguments).spawn();
    Program(child.expect("this test needs python3"))
}

/// The first Python program in a page.
fn program(page: &str) -> &str {
    let (_, rest) = page.split_once("```python\n").expect("a fenced block of Python");
    rest.split_once("```").unwrap().0
}

/// A node on a socket of the loopback interface.
struct Host {
    node: Node<MemoryStore>,
    udp: UdpSocket,
    start: Instant,
    received: usize,
}

impl Host {
    fn new() -> Host {
        let node = Node::new(Config::default(), [7; 32], Time::default(), MemoryStore::default());
        Host { node, udp: socket(), start: Instant::now(), received: 0 }
    }

    /// Takes what arrives within `span`, and does what is due.
    fn run(&mut self, span: Duration) {
        let end = Instant::now() + span;
        self.udp.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
        let mut buffer = [0; 65_535];
        while Instant::now() < end {
            let arrived = self.udp.recv_from(&mut buffer);
            let now = Time::default() + self.start.elapsed();
            if let Ok((length, from)) = arrived {
                self.received += 1;
                self.node.handle_datagram(now, from, &buffer[..length]);
            }
            if self.node.poll_timeout().is_some_and(|due| due <= now) {
                self.node.handle_timeout(now);
            }
            while self.node.poll_event().is_some() {}
            while let Some(transmit) = self.node.poll_transmit() {
                let Destination::Address(to) = transmit.to else { continue };
                self.udp.send_to(&transmit.payload, to).unwrap();
            }
        }
    }
}

fn socket() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").unwrap()
}

/// Sends a datagram, and returns the answer's text and elements.
fn ask(udp: &UdpSocket, to: SocketAddr, text: &str) -> (String, Value) {
    udp.set_read_timeout(Some(PATIENCE)).unwrap();
    udp.send_to(text.as_bytes(), to).unwrap();
    let mut buffer = [0; 65_535];
    let (length, from) = udp.recv_from(&mut buffer).unwrap();
    assert_eq!(from, to);
    let answer = String::from_utf8(buffer[..length].to_vec()).unwrap();
    let elements = serde_json::from_str(&answer).unwrap();
    (answer, elements)
}

#[test]
fn the_node_in_protocol_md_makes_friends_with_ours_and_keeps_the_rules() {
    let mut host = Host::new();
    let arguments = ["0".to_owned(), host.udp.local_addr().unwrap().to_string()];
    let _friend = python(program(include_str!("../protocol.md")), &arguments);
    let start = Instant::now();
    while host.node.peer_count() == 0 && start.elapsed() < PATIENCE {
        host.run(Duration::from_millis(50));
    }
    let friend = host.node.peers(Time::default(), 1).first().expect("it is verified").address;
    host.run(Duration::from_secs(1));
    assert!(host.received <= 10, "{} datagrams: it does not stop talking", host.received);

    let you = socket();
    for odd in ["", "[]", "{}", "7", "[[],{},{\"a\":1,\"b\":2}]", "\u{feff}[]", &"[".repeat(60_000)] {
        you.send_to(odd.as_bytes(), friend).unwrap();
    }
    for number in ["NaN", "-Infinity", "1e999", &"9".repeat(5_000)] {
        you.send_to(format!(r#"[{{"PleaseReturnThisMessage":{number}}}]"#).as_bytes(), friend).unwrap();
    }
    let question = r#"[{"PleaseSendPeers":{}},7,{"PleaseReturnThisMessage":{"cookie":"x"}}]"#;
    let (answer, elements) = ask(&you, friend, question);
    assert!(answer.len() + 28 <= 2 * (question.len() + 28), "{answer}");
    let token = elements.as_array().unwrap().last().unwrap()["PleaseAlwaysReturnThisMessage"].to_string();
    let (answer, _) = ask(&you, friend, &format!(r#"[{{"AlwaysReturned":{token}}},{{"PleaseSendPeers":{{}}}}]"#));
    let expected = format!(r#"{{"Peers": {{"peers": ["{}"]}}}}"#, host.udp.local_addr().unwrap());
    assert!(answer.contains(&expected), "it has verified our node and passes it on: {answer}");
}
