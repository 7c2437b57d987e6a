//! A machine in the world, and who runs on it: a node of ours with its checks, or a model of somebody else.
//!
//! It does by hand what the event loop does with a socket: hand over one input, then drain every output.

use crate::checks::{Cause, Checks, Output};
use crate::map::Place;
use crate::models::Model;
use cjp2p_node::content::MemoryStore;
use cjp2p_node::identity::Identity;
use cjp2p_node::node::{Command, CommandError, Config, Event, PeerInfo, Transmit};
use cjp2p_node::{Node, Time};
use std::net::SocketAddr;
use std::time::Duration;

/// Events kept for plays to look at; under a flood all are forgotten when there are more.
const EVENTS_KEPT_MAX: usize = 20_000;

/// A machine.
#[derive(Debug)]
pub struct Host {
    pub place: Place,
    pub inhabitant: Inhabitant,
    /// False while crashed or asleep: nothing is received, nothing is sent, no timer runs.
    pub is_awake: bool,
    /// The island it is on while the network is partitioned.
    pub island: u64,
    /// When it asked to be woken.
    pub wake_at: Option<Time>,
    pub traffic: Traffic,
    /// Everything it received, if somebody wants to look.
    pub log: Option<Vec<Received>>,
}

/// Datagrams and bytes, headers included.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic {
    pub sent: u64,
    pub received: u64,
    pub bytes_sent: u64,
    pub bytes_received: u64,
}

/// A datagram in a log.
#[derive(Clone, Debug)]
pub struct Received {
    pub time: Time,
    pub from: SocketAddr,
    pub payload: Vec<u8>,
}

/// Who runs on a machine.
pub enum Inhabitant {
    Ours(Box<Ours>),
    Model(Box<dyn Model>),
}

impl std::fmt::Debug for Inhabitant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if matches!(self, Inhabitant::Ours(_)) { "Ours" } else { "Model" })
    }
}

/// A node of ours.
pub struct Ours {
    pub node: Node<MemoryStore>,
    pub config: Config,
    pub checks: Checks,
    /// What the event loop would have in its file.
    pub saved: Vec<SocketAddr>,
    /// Everything it reported, since its birth.
    pub events: Vec<(Time, Event)>,
    /// How many of those the world has seen.
    events_seen: usize,
    dropped_before: u64,
    /// How far its clock is behind the world's, because the clock stood still while the machine slept.
    pub clock_lag: Duration,
}

impl Ours {
    /// A node. Its key derives from the seed too, unless it has one already, from before it was restarted.
    pub fn new(mut config: Config, seed: [u8; 32], now: Time) -> Ours {
        let identity = config.identity.get_or_insert_with(|| Identity::from_seed(&seed)).clone();
        Ours {
            node: Node::new(config.clone(), seed, now, MemoryStore::default()),
            checks: Checks::new(&identity, &config, now),
            config,
            saved: Vec::new(),
            events: Vec::new(),
            dropped_before: 0,
            events_seen: 0,
            clock_lag: Duration::ZERO,
        }
    }

    /// What the node's own clock says.
    pub fn clock(&self, now: Time) -> Time {
        Time::from_micros(now.as_micros() - self.clock_lag.as_micros() as u64)
    }

    /// The node's next deadline by the world's clock.
    pub fn deadline(&self) -> Option<Time> {
        self.node.poll_timeout().map(|deadline| deadline + self.clock_lag)
    }

    /// Hands over a datagram.
    pub fn receive(&mut self, now: Time, from: SocketAddr, bytes: &[u8]) -> Result<Vec<Transmit>, String> {
        let clock = self.clock(now);
        let heard = self.checks.hear(now, clock, from, bytes);
        self.node.handle_datagram(clock, from, bytes);
        self.drain(now, &Cause::Datagram(heard))
    }

    /// Lets the node do what is due.
    pub fn wake(&mut self, now: Time) -> Result<Vec<Transmit>, String> {
        let clock = self.clock(now);
        self.node.handle_timeout(clock);
        self.checks.deadline(now, clock, self.node.poll_timeout())?;
        self.drain(now, &Cause::Timeout)
    }

    /// Gives a command.
    pub fn command(
        &mut self,
        now: Time,
        command: Command,
    ) -> (Result<(), CommandError>, Result<Vec<Transmit>, String>) {
        match &command {
            Command::AddPeer(address) => self.checks.allow(*address),
            Command::NetworkChanged => self.checks.woken(now),
            _ => {}
        }
        let outcome = self.node.handle_command(self.clock(now), command);
        (outcome, self.drain(now, &Cause::Command))
    }

    /// Everything that comes out, checked.
    pub fn drain(&mut self, now: Time, cause: &Cause) -> Result<Vec<Transmit>, String> {
        Checks::tables(&self.node)?;
        if self.events.len() > EVENTS_KEPT_MAX {
            self.events.clear();
            self.events_seen = 0;
        }
        let mut sent = Vec::new();
        while let Some(transmit) = self.node.poll_transmit() {
            sent.push(transmit);
            Checks::queue(sent.len())?;
        }
        let mut events = Vec::new();
        while let Some(event) = self.node.poll_event() {
            events.push(event);
        }
        let dropped = self.dropped();
        let is_dropped = std::mem::replace(&mut self.dropped_before, dropped) != dropped;
        let output = Output { sent: &sent, events: &events, is_dropped };
        self.checks.spoke(now, self.clock(now), cause, &output)?;
        for event in events {
            if let Event::SavePeers(peers) = &event {
                self.saved.clone_from(peers);
            }
            self.events.push((now, event));
        }
        Ok(sent)
    }

    /// How many datagrams it has dropped whole, by its own count.
    fn dropped(&self) -> u64 {
        let counters = self.node.counters();
        counters.datagrams_refused + counters.datagrams_reflected + counters.datagrams_from_nowhere
    }

    /// What it reported since this was last asked.
    pub fn new_events(&mut self) -> &[(Time, Event)] {
        let seen = std::mem::replace(&mut self.events_seen, self.events.len());
        &self.events[seen..]
    }

    /// The verified peers.
    pub fn peers(&self, now: Time) -> Vec<PeerInfo> {
        self.node.peers(self.clock(now), usize::MAX)
    }
}
