//! The wire: nodes, attackers, and what is on its way between them, as late, as often and as damaged as it is told.

use crate::attackers::Attacker;
use crate::checks::Checks;
use crate::host::Host;
use crate::net::{Faults, damage};
use crate::rng::{Rng, mix};
use crate::store::{Truth, Watched};
use crate::trace::Trace;
use cjp2p_node::Time;
use cjp2p_node::node::{Command, Config, Destination, Event, OUTBOX_MAX};
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How many of the last happenings are printed when something fails.
const RECENT_MAX: usize = 40;

/// How much of a datagram is printed then, in bytes.
const RECENT_BYTES: usize = 150;

/// A datagram on its way.
struct Datagram {
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
    is_damaged: bool,
    /// Whether it was sent by somebody else than it says.
    is_forged: bool,
}

/// Nodes, and what is on its way between them.
pub struct Wire {
    pub now: Time,
    pub hosts: Vec<Host>,
    pub attackers: Vec<Attacker>,
    pub faults: Faults,
    /// How many bytes a second each node can send.
    pub uplink: u64,
    /// What the nodes reported and nobody has looked at yet.
    pub events: Vec<(usize, Event)>,
    pub checks: Checks,
    pub trace: Trace,
    /// What is printed when something fails.
    pub label: String,
    rng: Rng,
    queue: BTreeMap<(Time, u64), Datagram>,
    number: u64,
    recent: VecDeque<String>,
    is_logged: bool,
}

/// The address of a node: each in a network of its own, because of one network few peers are kept.
pub fn address(n: usize) -> SocketAddr {
    SocketAddr::from(([20 + n as u8, 77, 1, 1], 24_254))
}

impl Wire {
    /// So many nodes, each told of the first, on a day without faults. All that is left to chance follows from `seed`.
    pub fn new(count: usize, seed: u64, truth: &Truth, upload_limit: Option<u64>) -> Wire {
        let now = Time::from_micros(1_000_000);
        let host = |n: usize| {
            let contacts = if n == 0 { Vec::new() } else { vec![address(0)] };
            let version = "cjp2p-node test".to_owned();
            let config = Config { contacts, version, upload_limit, ..Config::default() };
            let store = Watched { truth: truth.clone(), ..Watched::default() };
            Host::new(now, address(n), config, mix(seed) ^ n as u64, store)
        };
        Wire {
            now,
            hosts: (0..count).map(host).collect(),
            attackers: Vec::new(),
            faults: Faults { latency_min_ms: 10, latency_max_ms: 10, jitter_ms: 0, ..Faults::default() },
            uplink: 2_500_000,
            events: Vec::new(),
            checks: Checks::default(),
            trace: Trace::default(),
            label: String::new(),
            rng: Rng::new(seed),
            queue: BTreeMap::new(),
            number: 0,
            recent: VecDeque::new(),
            is_logged: std::env::var_os("SIM_LOG").is_some(),
        }
    }

    /// When something happens next.
    pub fn next(&self) -> Option<Time> {
        let arrival = self.queue.keys().next().map(|(time, _)| *time);
        let attacks = self.attackers.iter().map(|attacker| attacker.due);
        self.hosts.iter().filter_map(|host| host.due).chain(attacks).chain(arrival).min()
    }

    /// Lets the next thing happen, unless it lies after `end`; says to which node it did, if to any.
    pub fn step(&mut self, end: Time) -> Option<Option<usize>> {
        let next = self.next().filter(|next| *next <= end)?;
        self.now = self.now.max(next);
        if self.queue.keys().next().is_some_and(|(time, _)| *time <= self.now) {
            let (_, datagram) = self.queue.pop_first()?;
            return Some(self.deliver(&datagram));
        }
        if let Some(attacker) = self.attackers.iter_mut().find(|attacker| attacker.due <= self.now) {
            for (from, to, bytes) in attacker.act(self.now) {
                let is_forged = from != attacker.address;
                self.number += 1;
                let arrival = (self.now + Duration::from_millis(self.faults.latency_min_ms), self.number);
                self.queue.insert(arrival, Datagram { from, to, bytes, is_damaged: false, is_forged });
            }
            return Some(None);
        }
        let n = self.hosts.iter().position(|host| host.due.is_some_and(|due| due <= self.now))?;
        let node = self.hosts[n].node.as_mut()?;
        node.handle_timeout(self.now);
        let due = node.poll_timeout();
        assert!(due.is_none_or(|due| due > self.now), "node {n} is due again at once");
        self.drain(n, None);
        Some(Some(n))
    }

    fn deliver(&mut self, Datagram { from, to, bytes, is_damaged, is_forged }: &Datagram) -> Option<usize> {
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(RECENT_BYTES)]);
        let fate = ["", ", damaged"][usize::from(*is_damaged)];
        let truth = ["", ", forged"][usize::from(*is_forged)];
        self.note(format!("{from} → {to}{fate}{truth}: {text}"));
        if let Some(attacker) = self.attackers.iter_mut().find(|attacker| attacker.address == *to) {
            for (to, bytes) in attacker.hear(*from, bytes) {
                let from = attacker.address;
                self.number += 1;
                let arrival = (self.now + Duration::from_millis(self.faults.latency_min_ms), self.number);
                self.queue.insert(arrival, Datagram { from, to, bytes, is_damaged: false, is_forged: false });
            }
            return None;
        }
        let n = self.hosts.iter().position(|host| host.address == *to && host.node.is_some())?;
        self.trace.note(self.now, n, "hears", bytes);
        self.checks.hears(n, *from, bytes, (*is_damaged, *is_forged));
        self.hosts[n].node.as_mut()?.handle_datagram(self.now, *from, bytes);
        self.drain(n, Some((*from, bytes.len())));
        Some(n)
    }

    /// Takes and checks all that a node says after it was told something, a datagram from `cause` perhaps.
    fn drain(&mut self, n: usize, cause: Option<(SocketAddr, usize)>) {
        let Some(node) = self.hosts[n].node.as_mut() else { return };
        for size in node.sizes() {
            assert!(size.len <= size.max, "node {n}: {size:?}");
        }
        let due = node.poll_timeout();
        let (mut sent, mut happened) = (Vec::new(), Vec::new());
        while let Some(transmit) = node.poll_transmit() {
            let Destination::Address(to) = transmit.to else { continue };
            sent.push((to, transmit.payload));
        }
        assert!(sent.len() < OUTBOX_MAX, "node {n} says more at once than can wait");
        while let Some(event) = node.poll_event() {
            happened.push(format!("node {n}: {event:?}"));
            self.trace.note(self.now, n, "reports", format!("{event:?}").as_bytes());
            self.events.push((n, event));
        }
        self.hosts[n].due = due;
        happened.into_iter().for_each(|what| self.note(what));
        let is_known = |to: &SocketAddr| {
            self.hosts.iter().any(|host| host.address == *to) || self.attackers.iter().any(|other| other.address == *to)
        };
        let silent: Vec<bool> = sent.iter().map(|(to, _)| !is_known(to)).collect();
        self.checks.says(self.now, n, cause, sent.iter().zip(silent));
        for (to, bytes) in sent {
            self.trace.note(self.now, n, "says", &bytes);
            self.send(n, to, bytes);
        }
    }

    fn send(&mut self, n: usize, to: SocketAddr, bytes: Vec<u8>) {
        let host = &mut self.hosts[n];
        host.sent = (host.sent.0 + 1, host.sent.1 + bytes.len() as u64);
        let span = Duration::from_micros((bytes.len() as u64 + 28) * 1_000_000 / self.uplink);
        host.free_at = host.free_at.max(self.now) + span;
        let (from, leaves) = (host.address, host.free_at);
        let copies = self.faults.fate(&mut self.rng, number_of(from).wrapping_add(number_of(to)));
        for copy in copies {
            let mut bytes = bytes.clone();
            if copy.is_damaged {
                damage(&mut self.rng, &mut bytes);
            }
            self.number += 1;
            let datagram = Datagram { from, to, bytes, is_damaged: copy.is_damaged, is_forged: false };
            self.queue.insert((leaves + copy.delay, self.number), datagram);
        }
    }

    /// Tells a node something.
    pub fn command(&mut self, n: usize, command: Command) {
        self.note(format!("node {n} is told: {command:?}"));
        self.hosts[n].node.as_mut().unwrap().handle_command(self.now, command).unwrap();
        self.drain(n, None);
    }

    /// A node is gone at once.
    pub fn vanish(&mut self, n: usize) {
        self.note(format!("node {n} vanishes"));
        self.hosts[n].vanish();
        self.checks.forget(n);
    }

    /// It is back, with its store and nothing else.
    pub fn appear(&mut self, n: usize) {
        self.note(format!("node {n} is back"));
        self.hosts[n].appear(self.now);
    }

    fn note(&mut self, what: String) {
        if self.recent.len() >= RECENT_MAX {
            self.recent.pop_front();
        }
        let line = format!("{} {what}", self.now.as_micros());
        if self.is_logged {
            println!("{line}");
        }
        self.recent.push_back(line);
    }
}

/// Whoever fails, fails within the life of a wire; what had happened is printed then, the latest at the end.
impl Drop for Wire {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for line in &self.recent {
                println!("{line}");
            }
            println!("{}", self.label);
        }
    }
}

/// A number for an end of a path.
fn number_of(address: SocketAddr) -> u64 {
    match address.ip() {
        IpAddr::V4(ip) => mix(u64::from(u32::from(ip)) << 16 | u64::from(address.port())),
        IpAddr::V6(_) => 0,
    }
}
