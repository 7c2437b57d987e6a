//! Whole nodes that fetch from one another, over a wire in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::print_stdout)] // figures are printed for whoever runs the tests

use cjp2p_node::Time;
use cjp2p_node::content::{ContentId, MemoryStore, Part};
use cjp2p_node::node::{Command, Config, Destination, Event, Node};
use cjp2p_node::transfer::{Failure, Held};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// Nodes, and what is on its way between them.
struct Wire {
    now: Time,
    nodes: Vec<Node<MemoryStore>>,
    queue: BTreeMap<(Time, u64), (SocketAddr, SocketAddr, Vec<u8>)>,
    number: u64,
    events: Vec<(usize, Event)>,
    /// Datagrams and bytes sent by each node.
    sent: Vec<(u64, u64)>,
    /// How many bytes a second each node can send, and when it will have sent what it has been given so far.
    uplink: u64,
    free_at: Vec<Time>,
}

fn address(n: usize) -> SocketAddr {
    // Each in a network of its own, because of one network few peers are kept.
    SocketAddr::from(([20 + n as u8, 77, 1, 1], 24_254))
}

impl Wire {
    /// So many nodes, each told of the first. Everything that they leave to chance follows from `seed`.
    fn new(count: usize, seed: u8) -> Wire {
        let now = Time::from_micros(1_000_000);
        let node = |n: usize| {
            let contacts = if n == 0 { Vec::new() } else { vec![address(0)] };
            let config = Config { contacts, version: "cjp2p-node test".to_owned(), ..Config::default() };
            let mut seeds = [n as u8; 32];
            seeds[0] = seed;
            Node::new(config, seeds, now, MemoryStore::default())
        };
        let nodes = (0..count).map(node).collect();
        Wire {
            now,
            nodes,
            queue: BTreeMap::new(),
            number: 0,
            events: Vec::new(),
            sent: vec![(0, 0); count],
            uplink: 2_500_000,
            free_at: vec![now; count],
        }
    }

    fn drain(&mut self, n: usize) {
        while let Some(transmit) = self.nodes[n].poll_transmit() {
            let Destination::Address(to) = transmit.to else { continue };
            self.number += 1;
            self.sent[n].0 += 1;
            self.sent[n].1 += transmit.payload.len() as u64;
            let span = Duration::from_micros((transmit.payload.len() as u64 + 28) * 1_000_000 / self.uplink);
            self.free_at[n] = self.free_at[n].max(self.now) + span;
            let arrival = self.free_at[n] + Duration::from_millis(10);
            self.queue.insert((arrival, self.number), (address(n), to, transmit.payload));
        }
        while let Some(event) = self.nodes[n].poll_event() {
            self.events.push((n, event));
        }
    }

    fn command(&mut self, n: usize, command: Command) {
        self.nodes[n].handle_command(self.now, command).unwrap();
        self.drain(n);
    }

    fn run(&mut self, span: Duration) {
        let end = self.now + span;
        self.run_until(end, |_| false);
    }

    /// Runs until something happens, or until `end`.
    fn run_until(&mut self, end: Time, is_over: impl Fn(&[(usize, Event)]) -> bool) {
        while !is_over(&self.events) {
            let arrival = self.queue.keys().next().map(|(time, _)| *time);
            let timers = self.nodes.iter().filter_map(|node| node.poll_timeout());
            let Some(next) = timers.chain(arrival).min().filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            if arrival.is_some_and(|arrival| arrival <= self.now) {
                let (_, (from, to, payload)) = self.queue.pop_first().unwrap();
                if let Some(n) = (0..self.nodes.len()).find(|n| address(*n) == to) {
                    self.nodes[n].handle_datagram(self.now, from, &payload);
                    self.drain(n);
                }
                continue;
            }
            for n in 0..self.nodes.len() {
                if self.nodes[n].poll_timeout().is_some_and(|due| due <= self.now) {
                    self.nodes[n].handle_timeout(self.now);
                    assert!(self.nodes[n].poll_timeout().is_none_or(|due| due > self.now));
                    self.drain(n);
                }
            }
        }
        if self.events.is_empty() || !is_over(&self.events) {
            self.now = self.now.max(end);
        }
    }

    fn fetch(&mut self, n: usize, id: ContentId) {
        self.command(n, Command::Fetch { id, held: Held::default(), patience: Duration::from_secs(20) });
    }

    /// Runs until node `n` reports the end of a download, settling what is to be settled.
    fn outcome(&mut self, n: usize) -> Event {
        let end = self.now + Duration::from_secs(600);
        let is_end =
            |event: &Event| matches!(event, Event::Fetched(_) | Event::FetchFailed { .. } | Event::Settle { .. });
        loop {
            self.run_until(end, |events| events.iter().any(|(by, event)| *by == n && is_end(event)));
            let place = self.events.iter().position(|(by, event)| *by == n && is_end(event));
            let Some(place) = place else { panic!("no end: {:?}", self.nodes[n].fetching().next()) };
            match self.events.remove(place).1 {
                Event::Settle { id, .. } => self.command(n, Command::Settled { id, outcome: Ok(true) }),
                event => return event,
            }
        }
    }

    fn kept(&mut self, n: usize, id: ContentId) -> Vec<u8> {
        self.nodes[n].store_mut().part(&id, Part::Content).to_vec()
    }

    /// Lets node `n` share `size` bytes, and returns them with their ids.
    fn share(&mut self, n: usize, size: usize) -> (Vec<u8>, [ContentId; 2]) {
        let content: Vec<u8> = (0..size).map(|i| (i * 31 + (i >> 8) * 7 + (i >> 16) * 3) as u8).collect();
        let file = self.nodes[n].store_mut().insert("file", content.clone());
        let ids = [ContentId::Sha256(file.sha256), ContentId::Blake3(file.blake3)];
        self.command(n, Command::Share(file));
        (content, ids)
    }
}

#[test]
fn a_node_fetches_what_another_shares_by_either_id() {
    let mut wire = Wire::new(2, 0);
    let (content, ids) = wire.share(0, 300_001);
    wire.run(Duration::from_secs(5));
    for id in ids {
        wire.fetch(1, id);
        assert_eq!(wire.outcome(1), Event::Fetched(id));
        assert!(wire.kept(1, id) == content);
    }
}

#[test]
fn who_is_met_while_something_is_fetched_is_asked_at_once() {
    let mut wire = Wire::new(2, 0);
    let (_, [_, id]) = wire.share(0, 300_001);
    let start = wire.now;
    wire.fetch(1, id);
    assert_eq!(wire.outcome(1), Event::Fetched(id));
    // 0.16 s for the bytes, and ten round trips of 20 ms.
    assert!(wire.now.since(start) <= Duration::from_millis(360), "{:?}", wire.now.since(start));
}

#[test]
fn what_nobody_has_is_not_found() {
    let mut wire = Wire::new(2, 0);
    wire.run(Duration::from_secs(5));
    let id = ContentId::Blake3([7; 32]);
    let start = wire.now;
    wire.fetch(1, id);
    assert_eq!(wire.outcome(1), Event::FetchFailed { id, why: Failure::NotFound });
    assert!(wire.now.since(start) <= Duration::from_secs(21));
}

/// How long so many fetchers of one content need, each with the same uplink as the one that has it; and which part of
/// everything that one sent.
fn swarm(fetchers: usize, size: usize, seed: u8) -> (Duration, f64) {
    let mut wire = Wire::new(fetchers + 1, seed);
    let (content, [_, id]) = wire.share(0, size);
    wire.run(Duration::from_secs(30));
    let (before, start) = (wire.sent[0].1, wire.now);
    for n in 1..=fetchers {
        wire.fetch(n, id);
    }
    for n in 1..=fetchers {
        assert_eq!(wire.outcome(n), Event::Fetched(id));
        assert!(wire.kept(n, id) == content, "{n}");
    }
    let share = (wire.sent[0].1 - before) as f64 / (fetchers as f64 * content.len() as f64 * 1.4);
    (wire.now.since(start), share)
}

#[test]
fn fetchers_of_one_source_feed_each_other() {
    // Who asks whom for what is left to chance, so one swarm may take a tenth longer than the next.
    const SWARMS: u8 = 4;
    let (mut alone, mut together) = (Duration::ZERO, Duration::ZERO);
    for seed in 0..SWARMS {
        let (one, (all, share)) = (swarm(1, 8 << 20, seed).0, swarm(8, 8 << 20, seed));
        println!("1: {one:?}, 8: {all:?}, of which the source sent {share:.2}");
        assert!(share < 0.4, "the source sent {share:.2} of everything");
        (alone, together) = (alone + one, together + all);
    }
    assert!(together < alone.mul_f64(1.8), "{together:?} against {alone:?}");
}

#[test]
#[ignore = "takes a minute optimised; the figure of the issue"]
fn twenty_fetchers_need_little_longer_than_one() {
    let (alone, _) = swarm(1, 64 << 20, 0);
    let (together, share) = swarm(20, 64 << 20, 0);
    println!("1: {alone:?}, 20: {together:?}, of which the source sent {share:.2}");
    assert!(together < alone.mul_f64(1.5), "{together:?} against {alone:?}");
}
