//! Whole nodes on one virtual clock, with links that delay, reorder and lose, and readers that note how late they are.

use cjp2p_node::Time;
use cjp2p_node::content::MemoryStore;
use cjp2p_node::identity::{Identity, PublicKey};
use cjp2p_node::node::{APPEND_MAX_BYTES, Command, Config, Destination, Node, StreamCommand};
use cjp2p_node::stream::StreamId;
use cjp2p_node::stream::follow::{From, State};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::SocketAddr;
use std::time::Duration;

pub const NAME: &str = "radio/evening";

/// One that reads a stream and compares.
pub struct Reader {
    pub node: usize,
    pub id: StreamId,
    /// Where the next byte lies.
    pub place: u64,
    pub bytes: u64,
    /// Bytes that were not to be had, in pieces.
    pub missing: Vec<(u64, u64)>,
    pub worst: Duration,
    /// Which byte that was.
    pub worst_at: u64,
    pub state: State,
}

/// When something arrives, its number, from whom, at whom, and what it is.
type Arrival = (Time, u64, usize, usize, Vec<u8>);

/// The nodes and what is on its way between them.
pub struct Village {
    pub now: Time,
    pub nodes: Vec<Option<Node<MemoryStore>>>,
    pub loss_percent: u64,
    pub delay_ms: (u64, u64),
    /// Looks at every datagram, and may take it away.
    pub filter: fn(usize, usize, &[u8]) -> bool,
    pub sent: BTreeMap<usize, (u64, u64)>,
    pub readers: Vec<Reader>,
    /// Whether who feeds the stream says now and then that nothing is new, as the command does.
    pub is_fed: bool,
    /// When each byte of the stream was appended: its end, then.
    appended: Vec<(u64, Time)>,
    on_its_way: BinaryHeap<Reverse<Arrival>>,
    counter: u64,
    /// What is lost, and what takes how long, comes from this.
    pub chance: u64,
}

pub fn address(node: usize) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, node as u8 + 1], 24_254))
}

pub fn identity(node: usize) -> Identity {
    Identity::from_seed(&[node as u8 + 1; 32])
}

pub fn stream_of(key: PublicKey) -> StreamId {
    StreamId::new(key, NAME).unwrap()
}

fn is_growing(node: &Node<MemoryStore>) -> bool {
    node.growing_streams().iter().any(|name| name == NAME)
}

/// What the owner says at each place.
pub fn byte(place: u64) -> u8 {
    (place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

impl Village {
    /// Nodes of which each knows those that `knows` says, after they have got to know each other.
    pub fn new(count: usize, knows: impl Fn(usize) -> Vec<usize>) -> Village {
        let mut village = Village {
            now: Time::from_micros(1_000_000),
            nodes: Vec::new(),
            loss_percent: 0,
            delay_ms: (20, 40),
            filter: |_, _, _| true,
            sent: BTreeMap::new(),
            readers: Vec::new(),
            is_fed: true,
            appended: Vec::new(),
            on_its_way: BinaryHeap::new(),
            counter: 0,
            chance: 1,
        };
        for node in 0..count {
            village.nodes.push(Some(village.node(node, knows(node))));
        }
        village.run(Duration::from_secs(5));
        village
    }

    pub fn node(&self, node: usize, knows: Vec<usize>) -> Node<MemoryStore> {
        let contacts = knows.into_iter().map(address).collect();
        let config = Config { identity: Some(identity(node)), contacts, ..Config::default() };
        Node::new(config, [node as u8 + 100; 32], self.now, MemoryStore::default())
    }

    fn draw(&mut self) -> u64 {
        // SplitMix64.
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.chance;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn at(&mut self, node: usize) -> &mut Node<MemoryStore> {
        self.nodes[node].as_mut().expect("it runs")
    }

    pub fn command(&mut self, node: usize, command: StreamCommand) {
        let now = self.now;
        self.at(node).handle_command(now, Command::Stream(command)).expect("it is possible");
        self.drain(node);
    }

    pub fn begin(&mut self, owner: usize) {
        self.command(owner, StreamCommand::Begin(NAME.to_owned()));
    }

    pub fn length(&self) -> u64 {
        self.appended.last().map_or(0, |(end, _)| *end)
    }

    pub fn append(&mut self, owner: usize, count: u64) {
        let length = self.length();
        let bytes: Vec<u8> = (length..length + count).map(byte).collect();
        self.appended.push((length + count, self.now));
        for bytes in bytes.chunks(APPEND_MAX_BYTES) {
            self.command(owner, StreamCommand::Append(NAME.to_owned(), bytes.to_vec()));
        }
    }

    pub fn end(&mut self, owner: usize) {
        self.command(owner, StreamCommand::End(NAME.to_owned()));
    }

    pub fn follow(&mut self, node: usize, id: StreamId, from: From) {
        let patience = Duration::from_secs(20);
        self.command(node, StreamCommand::Follow { id: id.clone(), from, patience });
        let (place, bytes, missing) = (0, 0, Vec::new());
        self.readers.push(Reader {
            node,
            id,
            place,
            bytes,
            missing,
            worst: Duration::ZERO,
            worst_at: 0,
            state: State::Seeking,
        });
    }

    /// Lets something arrive that nobody sent.
    pub fn inject(&mut self, from: SocketAddr, to: usize, bytes: &[u8]) {
        let now = self.now;
        self.at(to).handle_datagram(now, from, bytes);
        self.drain(to);
    }

    fn drain(&mut self, from: usize) {
        while let Some(transmit) = self.at(from).poll_transmit() {
            let Destination::Address(to) = transmit.to else { continue };
            let sent = self.sent.entry(from).or_default();
            *sent = (sent.0 + 1, sent.1 + transmit.payload.len() as u64);
            let Some(to) = (0..self.nodes.len()).find(|node| address(*node) == to) else { continue };
            let is_lost = self.draw() % 100 < self.loss_percent;
            if is_lost || !(self.filter)(from, to, &transmit.payload) {
                continue;
            }
            let spread = (self.delay_ms.1 - self.delay_ms.0) * 1_000 + 1;
            let delay = Duration::from_micros(self.delay_ms.0 * 1_000 + self.draw() % spread);
            self.counter += 1;
            self.on_its_way.push(Reverse((self.now + delay, self.counter, from, to, transmit.payload)));
        }
        while self.at(from).poll_event().is_some() {}
    }

    /// Lets time pass.
    pub fn run(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let arrival = self.on_its_way.peek().map(|Reverse((due, ..))| *due);
            let running = self.nodes.iter().enumerate().filter_map(|(n, node)| Some((n, node.as_ref()?)));
            let timer = running.filter_map(|(n, node)| Some((node.poll_timeout()?, n))).min();
            let next = arrival.into_iter().chain(timer.map(|(due, _)| due)).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            if arrival == Some(next) {
                let Some(Reverse((_, _, from, to, payload))) = self.on_its_way.pop() else { break };
                let now = self.now;
                if let Some(node) = &mut self.nodes[to] {
                    node.handle_datagram(now, address(from), &payload);
                    self.drain(to);
                }
            } else if let Some((_, node)) = timer {
                let now = self.now;
                self.at(node).handle_timeout(now);
                assert!(self.at(node).poll_timeout().is_none_or(|due| due > now), "node {node} would never sleep");
                self.drain(node);
            }
        }
        self.now = end;
    }

    /// Lets time pass while somebody appends steadily and all readers read every 10 ms, and notes how late they are.
    pub fn stream(&mut self, owner: usize, bytes_per_second: u64, span: Duration) {
        let step = Duration::from_millis(10);
        for turn in 0..span.as_millis() / step.as_millis() {
            if turn % 200 == 0 && self.is_fed && self.nodes[owner].as_ref().is_some_and(is_growing) {
                self.command(owner, StreamCommand::Append(NAME.to_owned(), Vec::new()));
            }
            if bytes_per_second > 0 && self.nodes[owner].is_some() {
                self.append(owner, bytes_per_second / 100);
            }
            self.run(step);
            self.read_all();
        }
    }

    pub fn read_all(&mut self) {
        let mut readers = std::mem::take(&mut self.readers);
        for reader in &mut readers {
            let now = self.now;
            let Some(node) = &mut self.nodes[reader.node] else { continue };
            while let Some(chunk) = node.read_stream(now, &reader.id, reader.place, 1 << 16) {
                if chunk.offset > reader.place {
                    reader.missing.push((reader.place, chunk.offset));
                    reader.place = chunk.offset;
                }
                reader.state = chunk.state;
                if chunk.bytes.is_empty() {
                    break;
                }
                let is_right = chunk.bytes.iter().zip(reader.place..).all(|(have, place)| *have == byte(place));
                assert!(is_right, "wrong bytes at {}", reader.place);
                // How late the first of these bytes is.
                let appended = self.appended.partition_point(|(end, _)| *end <= reader.place);
                if let Some((_, when)) = self.appended.get(appended)
                    && now.since(*when) > reader.worst
                {
                    (reader.worst, reader.worst_at) = (now.since(*when), reader.place);
                }
                reader.place += chunk.bytes.len() as u64;
                reader.bytes += chunk.bytes.len() as u64;
            }
            self.drain(reader.node);
        }
        self.readers = readers;
    }
}
