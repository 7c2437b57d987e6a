//! Many nodes on a network in memory, with losses and delays, and who of them are in reach of one another.

use cjp2p_node::Time;
use cjp2p_node::content::MemoryStore;
use cjp2p_node::node::{Command, Config, Destination, Event, GroupMemory, Node};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::net::SocketAddr;
use std::time::Duration;

/// SplitMix64: the same numbers everywhere and forever.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// What is on its way.
type Flight = (u64, u64, usize, SocketAddr, Vec<u8>);

/// A line that somebody was shown.
#[derive(Clone, Debug)]
pub struct Shown {
    pub time: Time,
    pub key: Option<String>,
    pub text: String,
}

pub struct World {
    pub rng: Rng,
    pub now: Time,
    pub nodes: Vec<Node<MemoryStore>>,
    /// Those that are switched off hear nothing and say nothing.
    pub is_on: Vec<bool>,
    /// Who is in reach of whom.
    pub reach: Vec<BTreeSet<usize>>,
    /// Islands that are cut off from one another.
    pub island: Vec<usize>,
    /// Lost datagrams, in thousandths.
    pub loss: u64,
    pub shown: Vec<Vec<Shown>>,
    /// Datagrams sent because of group chat, and all.
    pub chat_datagrams: u64,
    pub datagrams: u64,
    pub words: BTreeMap<&'static str, u64>,
    flights: BinaryHeap<Reverse<Flight>>,
    wakes: BinaryHeap<Reverse<(u64, usize)>>,
    wake_at: Vec<u64>,
    sequence: u64,
    numbers: BTreeMap<SocketAddr, usize>,
    /// Somebody who is no node, and what was sent to it.
    pub strangers: BTreeMap<SocketAddr, Vec<String>>,
}

/// The address of a node, each in a network of its own.
pub fn address(node: usize) -> SocketAddr {
    SocketAddr::from(([20 + (node / 250) as u8, (node % 250) as u8, 7, 7], 24_254))
}

const OURS: [&str; 4] = ["SignedGroupChat", "HaveGroupChats", "PleaseSendGroupChats", "EncryptedMessages"];

/// Words that nodes send without group chat too: what carries one of them would have been sent anyway.
const ORDINARY: [&str; 4] = ["PleaseReturnThisMessage", "\"ReturnedMessage", "PleaseSendPeers", "\"Peers\""];

/// 8 neighbours each: four rings through all nodes, each in an order of its own.
pub fn eight_regular(count: usize, rng: &mut Rng) -> Vec<BTreeSet<usize>> {
    let mut reach = vec![BTreeSet::new(); count];
    for _ in 0..4 {
        let mut order: Vec<usize> = (0..count).collect();
        for place in (1..count).rev() {
            order.swap(place, rng.below(place as u64 + 1) as usize);
        }
        for (place, one) in order.iter().enumerate() {
            let other = order[(place + 1) % count];
            reach[*one].insert(other);
            reach[other].insert(*one);
        }
    }
    reach
}

impl World {
    /// Nodes that know those who are in reach, after they have had two minutes to meet.
    pub fn new(seed: u64, reach: Vec<BTreeSet<usize>>) -> World {
        let mut world = World {
            rng: Rng(seed),
            now: Time::from_micros(1_000_000),
            nodes: Vec::new(),
            is_on: vec![true; reach.len()],
            island: vec![0; reach.len()],
            loss: 0,
            shown: vec![Vec::new(); reach.len()],
            chat_datagrams: 0,
            datagrams: 0,
            words: BTreeMap::new(),
            flights: BinaryHeap::new(),
            wakes: BinaryHeap::new(),
            wake_at: vec![u64::MAX; reach.len()],
            sequence: 0,
            numbers: (0..reach.len()).map(|node| (address(node), node)).collect(),
            strangers: BTreeMap::new(),
            reach,
        };
        for node in 0..world.reach.len() {
            let node = world.node(node, 0);
            world.nodes.push(node);
        }
        (0..world.nodes.len()).for_each(|node| world.drain(node));
        world.run(Duration::from_secs(120));
        world
    }

    fn node(&mut self, number: usize, said_until: u64) -> Node<MemoryStore> {
        let mut seed = [0; 32];
        seed.chunks_mut(8).for_each(|part| part.copy_from_slice(&self.rng.next().to_le_bytes()));
        let contacts = self.reach[number].iter().map(|other| address(*other)).collect();
        let group = GroupMemory { said_until, ..GroupMemory::default() };
        let config = Config { contacts, group, version: "test".to_owned(), ..Config::default() };
        Node::new(config, seed, self.now, MemoryStore::default())
    }

    pub fn key(&self, node: usize) -> String {
        self.nodes[node].public_key().to_string()
    }

    pub fn command(&mut self, node: usize, command: Command) {
        self.nodes[node].handle_command(self.now, command).unwrap();
        self.drain(node);
    }

    pub fn say(&mut self, node: usize, text: &str, unix_ms: u64) {
        self.command(node, Command::GroupChat { group: "main".to_owned(), text: text.to_owned(), unix_ms });
    }

    /// Hands a datagram to a node, as if it came from an address.
    pub fn inject(&mut self, node: usize, from: SocketAddr, text: &str) {
        self.nodes[node].handle_datagram(self.now, from, text.as_bytes());
        self.drain(node);
    }

    pub fn forget_counts(&mut self) {
        (self.chat_datagrams, self.datagrams) = (0, 0);
        self.words.clear();
    }

    /// How often a text was shown to a node.
    pub fn times(&self, node: usize, text: &str) -> usize {
        self.shown[node].iter().filter(|shown| shown.text == text).count()
    }

    /// Sends what a node has to send, and takes its events.
    fn drain(&mut self, node: usize) {
        while let Some(transmit) = self.nodes[node].poll_transmit() {
            if let Destination::Address(to) = transmit.to {
                self.post(node, to, transmit.payload);
            }
        }
        while let Some(event) = self.nodes[node].poll_event() {
            if let Event::GroupChat { key, text, .. } = event {
                let shown = Shown { time: self.now, key: key.map(|key| key.to_string()), text };
                self.shown[node].push(shown);
            }
        }
        let due = self.nodes[node].poll_timeout().map_or(u64::MAX, Time::as_micros);
        if due < self.wake_at[node] || self.wake_at[node] <= self.now.as_micros() {
            self.wake_at[node] = due;
            self.wakes.push(Reverse((due, node)));
        }
    }

    fn post(&mut self, from: usize, to: SocketAddr, payload: Vec<u8>) {
        if let Some(said) = self.strangers.get_mut(&to) {
            said.push(String::from_utf8(payload).unwrap());
            return;
        }
        let Some(to) = self.numbers.get(&to).copied() else { return };
        if !self.reach[from].contains(&to) || self.island[from] != self.island[to] {
            return;
        }
        self.count(std::str::from_utf8(&payload).unwrap());
        if self.rng.below(1_000) < self.loss {
            return;
        }
        // From 5 to 200 ms, the same for each pair, and up to 2 ms of jitter.
        let pair = Rng((from.min(to) * 100_003 + from.max(to)) as u64).below(195_000);
        let at = self.now.as_micros() + 5_000 + pair + self.rng.below(2_000);
        self.sequence += 1;
        self.flights.push(Reverse((at, self.sequence, to, address(from), payload)));
    }

    fn count(&mut self, text: &str) {
        self.datagrams += 1;
        if ORDINARY.iter().any(|word| text.contains(word)) {
            return;
        }
        let mut is_chat = false;
        for word in OURS {
            if text.contains(word) {
                *self.words.entry(word).or_default() += 1;
                is_chat = true;
            }
        }
        self.chat_datagrams += u64::from(is_chat);
    }

    pub fn run(&mut self, span: Duration) {
        let end = (self.now + span).as_micros();
        loop {
            let flight = self.flights.peek().map_or(u64::MAX, |Reverse(flight)| flight.0);
            let wake = self.wakes.peek().map_or(u64::MAX, |Reverse(wake)| wake.0);
            let next = flight.min(wake);
            if next > end {
                break;
            }
            self.now = Time::from_micros(next.max(self.now.as_micros()));
            if flight <= wake {
                let Some(Reverse((_, _, to, from, payload))) = self.flights.pop() else { break };
                if self.is_on[to] {
                    self.nodes[to].handle_datagram(self.now, from, &payload);
                    self.drain(to);
                }
            } else {
                let Some(Reverse((at, node))) = self.wakes.pop() else { break };
                if self.wake_at[node] == at && self.is_on[node] {
                    self.wake_at[node] = u64::MAX;
                    self.nodes[node].handle_timeout(self.now);
                    self.drain(node);
                }
            }
        }
        self.now = Time::from_micros(end);
    }

    /// Switches a node off, or on again.
    pub fn switch(&mut self, node: usize, is_on: bool) {
        self.is_on[node] = is_on;
        self.wake_at[node] = u64::MAX;
        if is_on {
            self.drain(node);
        }
    }

    /// A new process with a new key.
    pub fn reborn(&mut self, node: usize) -> Node<MemoryStore> {
        self.node(node, 0)
    }

    /// A node was put into the place of another.
    pub fn restarted(&mut self, node: usize) {
        self.wake_at[node] = u64::MAX;
        self.drain(node);
    }
}
