//! A few nodes that talk to one another.

use super::address;
use cjp2p_node::Time;
use cjp2p_node::content::MemoryStore;
use cjp2p_node::identity::Identity;
use cjp2p_node::node::{Config, Destination, Event, Node, Transmit};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

/// Nodes that hear one another 20 ms later, and lose nothing.
pub struct Village {
    pub now: Time,
    /// Each node with the address that it has at present.
    pub nodes: Vec<(Node<MemoryStore>, SocketAddr)>,
    pub on_the_way: Vec<(Time, SocketAddr, SocketAddr, Vec<u8>)>,
    /// The signed envelopes that were sent, by sender.
    pub signed: Vec<usize>,
    /// Whether nobody tells anybody of others but the first, except who asks for a key.
    pub is_discreet: bool,
    /// Whether what arrives and what happens is written down, and the sizes of tables are looked at.
    pub records: bool,
    /// What has arrived, when, from whom, and where.
    pub arrived: Vec<(Time, SocketAddr, SocketAddr, String)>,
    /// What happened, when, and to which node.
    pub events: Vec<(Time, usize, Event)>,
    /// Who was heard by whom.
    pub heard: BTreeSet<(SocketAddr, SocketAddr)>,
    /// Somebody between two of them.
    pub relay: Option<Relay>,
    /// How many datagrams it has carried.
    pub relayed: usize,
    /// How many of a thousand datagrams are lost, and the state of the chance that decides.
    loss: (u64, u64),
}

/// Somebody who carries what `one` sends to `left` to `two`, as if it came from `right`, and the other way round.
#[derive(Clone, Copy)]
pub struct Relay {
    pub left: SocketAddr,
    pub right: SocketAddr,
    pub one: SocketAddr,
    pub two: SocketAddr,
}

impl Village {
    /// Nodes that make contact with the first.
    pub fn new(addresses: &[&str]) -> Village {
        Village::seeded(addresses, 0)
    }

    /// The same, by other chances.
    pub fn seeded(addresses: &[&str], seed: u8) -> Village {
        let now = Time::from_micros(1_000_000);
        let first = address(addresses[0]);
        let node = |(n, text): (usize, &&str)| {
            let contacts = if n == 0 { Vec::new() } else { vec![first] };
            let config =
                Config { contacts, identity: Some(Identity::from_seed(&[n as u8 + 50; 32])), ..Config::default() };
            (Node::new(config, [n as u8 + 10 * seed; 32], now, MemoryStore::default()), address(text))
        };
        let nodes = addresses.iter().enumerate().map(node).collect();
        Village {
            now,
            nodes,
            on_the_way: Vec::new(),
            signed: vec![0; addresses.len()],
            is_discreet: false,
            records: false,
            arrived: Vec::new(),
            events: Vec::new(),
            heard: BTreeSet::new(),
            relay: None,
            relayed: 0,
            loss: (0, 0),
        }
    }

    pub fn run(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            self.send();
            let arrival = self.on_the_way.iter().map(|(at, ..)| *at).min();
            let timer = self.nodes.iter().filter_map(|(node, _)| node.poll_timeout()).min();
            let Some(next) = arrival.into_iter().chain(timer).min().filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            let (due, later): (Vec<_>, Vec<_>) = self.on_the_way.drain(..).partition(|(at, ..)| *at <= self.now);
            self.on_the_way = later;
            for (_, from, to, payload) in due {
                if self.is_lost() {
                    continue;
                }
                let carried = self.relay.and_then(|relay| match to {
                    to if to == relay.left => Some((relay.right, relay.two)),
                    to if to == relay.right => Some((relay.left, relay.one)),
                    _ => None,
                });
                if let Some((from, to)) = carried {
                    self.relayed += 1;
                    self.on_the_way.push((self.now + Duration::from_millis(20), from, to, payload));
                    continue;
                }
                self.heard.insert((from, to));
                if let Some((node, _)) = self.nodes.iter_mut().find(|(_, here)| *here == to) {
                    node.handle_datagram(self.now, from, &payload);
                    if self.records {
                        assert!(node.sizes().all(|size| size.len <= size.max));
                        self.arrived.push((self.now, from, to, String::from_utf8(payload).unwrap()));
                    }
                }
            }
            for (node, _) in &mut self.nodes {
                if node.poll_timeout().is_some_and(|due| due <= self.now) {
                    node.handle_timeout(self.now);
                    assert!(node.poll_timeout().unwrap() > self.now);
                }
            }
        }
        self.now = end;
    }

    /// From now on so many of a thousand datagrams are lost.
    pub fn lose(&mut self, of_a_thousand: u64, seed: u64) {
        self.loss = (of_a_thousand, seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    }

    fn is_lost(&mut self) -> bool {
        // xorshift64 (Marsaglia 2003).
        let (loss, state) = &mut self.loss;
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        *state % 1_000 < *loss
    }

    fn send(&mut self) {
        let others: Vec<String> = self.nodes.iter().skip(1).map(|(_, address)| address.to_string()).collect();
        for (n, (node, from)) in self.nodes.iter_mut().enumerate() {
            while let Some(Transmit { to, payload }) = node.poll_transmit() {
                let Destination::Address(to) = to else { continue };
                let text = String::from_utf8_lossy(&payload);
                self.signed[n] += usize::from(text.contains("SignedMessage"));
                if self.is_discreet && text.contains("\"Peers\"") && others.iter().any(|other| text.contains(other)) {
                    continue;
                }
                self.on_the_way.push((self.now + Duration::from_millis(20), *from, to, payload));
            }
            while let Some(event) = node.poll_event() {
                if self.records {
                    self.events.push((self.now, n, event));
                }
            }
        }
    }

    /// Where one node says to a third party that another is.
    pub fn says(&mut self, node: usize, of: usize) -> Option<SocketAddr> {
        let key = self.nodes[of].0.public_key();
        self.nodes[node].0.home(&key)
    }
}
