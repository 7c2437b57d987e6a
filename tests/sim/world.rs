//! The world: a virtual clock, hosts at addresses, and the datagrams between them. One thread, no real time.
//!
//! Every choice comes from one generator and every happening passes through one queue, so a seed is a run. A violated
//! invariant stops the run at once and says how to play it again.

mod sending;

use crate::checks::Cause;
use crate::host::{Host, Inhabitant, Ours, Received, Traffic};
use crate::map::{Map, Place};
use crate::models::{Io, Model, Outgoing};
use crate::net::Faults;
use crate::queue::{Datagram, Happening, Queue};
use crate::rng::Rng;
use crate::trace::Trace;
use cjp2p_node::node::{Command, CommandError, Config, Destination, Event, Transmit};
use cjp2p_node::{Time, wire::HEADER_BYTES};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// Everything there is.
pub struct World {
    pub now: Time,
    pub rng: Rng,
    pub faults: Faults,
    pub hosts: Vec<Host>,
    pub map: Map,
    pub trace: Trace,
    /// While true, hosts of different islands cannot reach each other.
    pub is_partitioned: bool,
    was_partitioned: bool,
    /// What is sent from now on, by the names of the messages: datagrams and bytes. Only if somebody wants to know.
    pub census: Option<BTreeMap<String, (u64, u64)>>,
    queue: Queue,
    label: String,
    is_loud: bool,
}

impl World {
    /// An empty world. `label` says how to play it again.
    pub fn new(seed: u64, label: &str) -> World {
        World {
            now: Time::from_micros(1_000_000),
            rng: Rng::new(seed),
            faults: Faults::default(),
            hosts: Vec::new(),
            map: Map::default(),
            trace: Trace::default(),
            is_partitioned: false,
            was_partitioned: false,
            census: None,
            queue: Queue::default(),
            label: label.to_owned(),
            is_loud: std::env::var_os("SIM_LOG").is_some(),
        }
    }

    /// Stops the run: something happened that must not.
    pub fn fail(&self, host: usize, why: &str) -> ! {
        let seconds = self.now.as_micros() as f64 / 1e6;
        panic!("at {seconds:.6} s, host {host} ({:?}): {why}\n{}", self.hosts[host].place, self.label)
    }

    /// A node of ours.
    pub fn add_node(&mut self, place: Place, config: Config) -> usize {
        let seed = self.rng.node_seed();
        let ours = Ours::new(config, seed, self.now);
        let host = self.add(place, Inhabitant::Ours(Box::new(ours)));
        self.born(host);
        host
    }

    /// Somebody else.
    pub fn add_model(&mut self, place: Place, model: impl Model + 'static) -> usize {
        let host = self.add(place, Inhabitant::Model(Box::new(model)));
        self.plan_wake(host, Some(self.now));
        host
    }

    fn add(&mut self, place: Place, inhabitant: Inhabitant) -> usize {
        let host = self.hosts.len();
        self.map.settle(host, place);
        self.hosts.push(Host {
            place,
            inhabitant,
            is_awake: true,
            island: 0,
            wake_at: None,
            traffic: Traffic::default(),
            log: None,
        });
        host
    }

    /// Drains a new node.
    fn born(&mut self, host: usize) {
        let now = self.now;
        let output = self.ours_mut(host).drain(now, &Cause::Timeout);
        self.carry_out(host, output);
    }

    /// Plays on until `end`.
    pub fn run_until(&mut self, end: Time) {
        if self.is_partitioned || self.was_partitioned {
            self.was_partitioned = self.is_partitioned;
            let now = self.now;
            self.nodes().into_iter().for_each(|node| self.ours_mut(node).checks.disturbed(now));
        }
        while let Some((time, happening)) = self.queue.pop_until(end) {
            self.now = self.now.max(time);
            match happening {
                Happening::Arrive(datagram) => self.arrive(datagram),
                Happening::Wake(host) => self.wake(host, time),
            }
        }
        self.now = end;
    }

    /// Plays on for so many seconds.
    pub fn run_for(&mut self, seconds: u64) {
        self.run_until(self.now + Duration::from_secs(seconds));
    }

    fn arrive(&mut self, datagram: Datagram) {
        let Datagram { from, to, lan, payload } = datagram;
        let Some(host) = self.map.receiver(self.now, from, to, lan) else { return };
        self.hand_over(host, from, to, &payload);
    }

    /// A datagram reaches a host.
    pub fn hand_over(&mut self, host: usize, from: SocketAddr, to: SocketAddr, payload: &[u8]) {
        let now = self.now;
        let receiver = &mut self.hosts[host];
        if !receiver.is_awake {
            return;
        }
        receiver.traffic.received += 1;
        receiver.traffic.bytes_received += (payload.len() + HEADER_BYTES) as u64;
        if let Some(log) = &mut receiver.log {
            log.push(Received { time: now, from, payload: payload.to_vec() });
        }
        self.note(host, "<-", from, payload);
        match &mut self.hosts[host].inhabitant {
            Inhabitant::Ours(ours) => {
                let output = ours.receive(now, from, payload);
                self.carry_out(host, output);
            }
            Inhabitant::Model(_) => self.with_model(host, |model, io| model.on_datagram(io, from, to, payload)),
        }
    }

    fn wake(&mut self, host: usize, time: Time) {
        if self.hosts[host].wake_at != Some(time) || !self.hosts[host].is_awake {
            return;
        }
        self.hosts[host].wake_at = None;
        let now = self.now;
        match &mut self.hosts[host].inhabitant {
            Inhabitant::Ours(ours) => {
                let output = ours.wake(now);
                self.carry_out(host, output);
            }
            Inhabitant::Model(_) => self.with_model(host, |model, io| model.on_wake(io)),
        }
    }

    fn with_model(&mut self, host: usize, act: impl FnOnce(&mut dyn Model, &mut Io<'_>)) {
        let mut io = Io { now: self.now, rng: &mut self.rng, out: Vec::new(), wake_at: None };
        if let Inhabitant::Model(model) = &mut self.hosts[host].inhabitant {
            act(&mut **model, &mut io);
        }
        let (out, wake_at) = (io.out, io.wake_at);
        for outgoing in out {
            self.send(host, outgoing);
        }
        if wake_at.is_some() {
            self.plan_wake(host, wake_at);
        }
    }

    /// Sends what a node wants sent, and plans its next deadline.
    fn carry_out(&mut self, host: usize, output: Result<Vec<Transmit>, String>) {
        let transmits = output.unwrap_or_else(|why| self.fail(host, &why));
        for Transmit { to, payload } in transmits {
            match to {
                Destination::Address(to) => self.send(host, Outgoing { forged: None, to, payload }),
                Destination::Lan => self.send_to_lan(host, &payload),
            }
        }
        let reported = self.ours_mut(host).new_events().to_vec();
        for (_, event) in reported {
            self.note_event(host, &event);
        }
        let deadline = self.ours(host).deadline();
        self.plan_wake(host, deadline.map(|deadline| deadline.max(self.now)));
    }

    fn note_event(&mut self, host: usize, event: &Event) {
        match event {
            Event::Unknown { name, payload, .. } => {
                self.trace.note(self.now, host, name, payload.as_bytes());
            }
            other => self.trace.note(self.now, host, "reports", format!("{other:?}").as_bytes()),
        }
        if self.is_loud {
            println!("{:>12} {host} reports {event:?}", self.now.as_micros());
        }
    }

    fn plan_wake(&mut self, host: usize, at: Option<Time>) {
        if self.hosts[host].wake_at != at {
            self.hosts[host].wake_at = at;
            if let Some(at) = at {
                self.queue.push(at, Happening::Wake(host));
            }
        }
    }

    fn note(&mut self, host: usize, what: &str, address: SocketAddr, payload: &[u8]) {
        self.trace.note(self.now, host, what, payload);
        if self.is_loud {
            let text = String::from_utf8_lossy(&payload[..payload.len().min(300)]);
            println!("{:>12} {host} {what} {address} {text}", self.now.as_micros());
        }
    }

    /// The node on a host.
    pub fn ours(&self, host: usize) -> &Ours {
        match &self.hosts[host].inhabitant {
            Inhabitant::Ours(ours) => ours,
            Inhabitant::Model(_) => self.fail(host, "is no node of ours"),
        }
    }

    pub fn ours_mut(&mut self, host: usize) -> &mut Ours {
        match &mut self.hosts[host].inhabitant {
            Inhabitant::Ours(ours) => ours,
            Inhabitant::Model(_) => panic!("host {host} is no node of ours"),
        }
    }

    /// Gives a node a command.
    pub fn command(&mut self, host: usize, command: Command) -> Result<(), CommandError> {
        let now = self.now;
        let (outcome, output) = self.ours_mut(host).command(now, command);
        self.carry_out(host, output);
        outcome
    }

    /// The machine falls asleep or crashes: nothing runs on it until [`World::resume`] or [`World::restart`].
    pub fn suspend(&mut self, host: usize) {
        self.hosts[host].is_awake = false;
        self.hosts[host].wake_at = None;
    }

    /// The machine wakes after `slept`; its clock went on, or stood still.
    pub fn resume(&mut self, host: usize, slept: Duration, clock_stood_still: bool) {
        self.hosts[host].is_awake = true;
        if clock_stood_still {
            self.ours_mut(host).clock_lag += slept;
        }
        _ = self.command(host, Command::NetworkChanged);
    }

    /// A new process with what the old one saved, at the same address or a new one.
    pub fn restart(&mut self, host: usize, place: Place) {
        let old = self.ours(host);
        let config = Config { remembered: old.saved.clone(), ..old.config.clone() };
        let saved = old.saved.clone();
        let mut ours = Ours::new(config, self.rng.node_seed(), self.now);
        ours.saved = saved;
        self.map.leave(self.hosts[host].place);
        self.map.settle(host, place);
        let machine = &mut self.hosts[host];
        machine.place = place;
        machine.is_awake = true;
        machine.wake_at = None;
        machine.inhabitant = Inhabitant::Ours(Box::new(ours));
        self.born(host);
    }
}
