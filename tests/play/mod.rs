//! A bench with one node on it: feed it datagrams, look at what it says. No loss, no network, time by hand.
// Every test binary that includes this module uses its own part of it.
#![allow(dead_code)]

pub mod keys;
pub mod village;

use cjp2p_node::Time;
use cjp2p_node::content::MemoryStore;
use cjp2p_node::node::{Command, Config, Destination, Event, Node, Transmit};
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;

pub struct Play {
    pub node: Node<MemoryStore>,
    pub now: Time,
}

impl Play {
    /// A node that knows nobody and calls nobody.
    pub fn new() -> Play {
        Play::with(Config { version: "cjp2p-node test".to_owned(), ..Config::default() })
    }

    pub fn with(config: Config) -> Play {
        let now = Time::from_micros(1_000_000);
        Play { node: Node::new(config, [42; 32], now, MemoryStore::default()), now }
    }

    pub fn wait(&mut self, span: Duration) -> &mut Play {
        self.now = self.now + span;
        self
    }

    /// What the node sends when `from` says `text`.
    pub fn hear(&mut self, from: &str, text: &str) -> Vec<(SocketAddr, String)> {
        self.hear_bytes(address(from), text.as_bytes())
    }

    pub fn hear_bytes(&mut self, from: SocketAddr, bytes: &[u8]) -> Vec<(SocketAddr, String)> {
        self.node.handle_datagram(self.now, from, bytes);
        self.sent()
    }

    /// The one datagram that the node answers `from` with; empty if there is none. That a neighbour is shown the node's
    /// key is no answer.
    pub fn answer(&mut self, from: &str, text: &str) -> String {
        let mut sent = self.hear(from, text);
        sent.retain(|(to, _)| *to == address(from));
        if sent.len() > 1 {
            sent.retain(|(_, payload)| !shows_key(payload));
        }
        assert!(sent.len() <= 1, "one answer expected: {sent:?}");
        sent.pop().map(|(_, payload)| payload).unwrap_or_default()
    }

    /// What the node wants to send to addresses.
    pub fn sent(&mut self) -> Vec<(SocketAddr, String)> {
        std::iter::from_fn(|| self.node.poll_transmit())
            .filter_map(|transmit| match transmit.to {
                Destination::Address(to) => Some((to, String::from_utf8(transmit.payload).unwrap())),
                Destination::Lan => None,
            })
            .collect()
    }

    pub fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.node.poll_event()).collect()
    }

    /// Runs timeouts for `span`, and returns what was sent meanwhile.
    pub fn run(&mut self, span: Duration) -> Vec<(SocketAddr, String)> {
        let end = self.now + span;
        let mut sent = Vec::new();
        while let Some(due) = self.node.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.node.handle_timeout(self.now);
            assert!(self.node.poll_timeout().unwrap() > self.now, "the next deadline lies in the future");
            sent.extend(self.sent());
        }
        self.now = end;
        sent
    }

    /// The next datagram for an address that the node sends within `span`; time stops there, or at its end.
    pub fn next_within(&mut self, span: Duration) -> Option<Transmit> {
        let end = self.now + span;
        loop {
            if let Some(transmit) = self.node.poll_transmit() {
                return Some(transmit);
            }
            let Some(due) = self.node.poll_timeout().filter(|due| *due <= end) else {
                self.now = end;
                return None;
            };
            self.now = self.now.max(due);
            self.node.handle_timeout(self.now);
        }
    }

    /// The token that the node hands out to `from`.
    pub fn token(&mut self, from: &str) -> String {
        let answer = self.answer(from, r#"[{"PleaseSendPeers":{}}]"#);
        field(&answer, "PleaseAlwaysReturnThisMessage").unwrap()["cookie"].as_str().unwrap().to_owned()
    }

    /// Makes `from` a verified peer; the greetings that follow are thrown away.
    pub fn verify(&mut self, from: &str) -> String {
        let token = self.token(from);
        self.hear(from, &format!(r#"[{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#));
        self.events();
        token
    }

    /// What the node answers when `from` says `elements` with our token.
    pub fn answer_verified(&mut self, from: &str, elements: &str) -> String {
        let token = self.verify(from);
        self.answer(from, &format!(r#"[{elements},{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#))
    }
}

pub fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// The payload of the first message called `name` in a datagram.
pub fn field(datagram: &str, name: &str) -> Option<Value> {
    let elements: Vec<Value> = serde_json::from_str(datagram).ok()?;
    elements.iter().find_map(|element| element.get(name)).cloned()
}

/// Bytes that repeat in no block.
pub fn content(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 31 + (i >> 8) * 7 + 3) as u8).collect()
}

/// A node that shares `notes.txt` with `length` bytes; and the id of that content.
pub fn sharing(length: usize) -> (Play, String) {
    let mut play = Play::new();
    let file = play.node.store_mut().insert("notes.txt", content(length));
    let id = file.id();
    play.node.handle_command(play.now, Command::Share(file)).unwrap();
    (play, id)
}

/// Whether a datagram shows the node's own key to a neighbour.
pub fn shows_key(payload: &str) -> bool {
    payload.contains(r#"{"SignedMessage":"#) && payload.contains(r#"{\"MyPublicKey\":"#)
}
