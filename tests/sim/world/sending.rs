//! How a datagram leaves a host: counted, through routers, across islands, and into the hands of fate.

use super::World;
use crate::host::Inhabitant;
use crate::models::{Outgoing, messages};
use crate::net::{LAN_DELAY, damage};
use crate::queue::{Datagram, Happening};
use crate::rng::mix;
use cjp2p_node::node::{Command, Destination, Transmit};
use cjp2p_node::wire::{HEADER_BYTES, PORT};
use std::net::SocketAddr;

impl World {
    /// Puts a datagram on its way, unless it is lost.
    pub(super) fn send(&mut self, host: usize, outgoing: Outgoing) {
        let Outgoing { forged, to, payload } = outgoing;
        self.count_sent(host, &payload);
        self.note(host, "->", to, &payload);
        let place = self.hosts[host].place;
        let way = match forged {
            Some(source) => Some((source, None)),
            None => self.map.depart(self.now, place, to),
        };
        let Some((from, lan)) = way else {
            return self.unsent(host, to, payload);
        };
        if self.is_cut_off(host, to) {
            return;
        }
        if lan.is_some() {
            let datagram = Datagram { from, to, lan, payload };
            return self.queue.push(self.now + LAN_DELAY, Happening::Arrive(datagram));
        }
        let ends = mix(host as u64 + 1) ^ mix(u64::from(to.port()) + address_bits(to));
        for copy in self.faults.fate(&mut self.rng, ends) {
            let mut payload = payload.clone();
            if copy.is_damaged {
                damage(&mut self.rng, &mut payload);
            }
            self.queue.push(self.now + copy.delay, Happening::Arrive(Datagram { from, to, lan: None, payload }));
        }
    }

    /// There is no way to this address: the socket says so, and the event loop tells the node.
    fn unsent(&mut self, host: usize, to: SocketAddr, payload: Vec<u8>) {
        let now = self.now;
        if let Inhabitant::Ours(ours) = &mut self.hosts[host].inhabitant {
            ours.checks.unsent(to);
            let (_, output) = ours.command(now, Command::Unsent(Transmit { to: Destination::Address(to), payload }));
            self.carry_out(host, output);
        }
    }

    /// Broadcast and multicast reach everybody who listens on the conventional port, the sender's own socket included.
    pub(super) fn send_to_lan(&mut self, host: usize, payload: &[u8]) {
        let place = self.hosts[host].place;
        let (Some(from), Some(lan)) = (place.v4, place.lan) else { return };
        self.count_sent(host, payload);
        for (to, _) in self.map.members(lan) {
            if to.port() == PORT {
                let datagram = Datagram { from, to, lan: Some(lan), payload: payload.to_vec() };
                self.queue.push(self.now + LAN_DELAY, Happening::Arrive(datagram));
            }
        }
    }

    fn count_sent(&mut self, host: usize, payload: &[u8]) {
        let bytes = (payload.len() + HEADER_BYTES) as u64;
        let traffic = &mut self.hosts[host].traffic;
        traffic.sent += 1;
        traffic.bytes_sent += bytes;
        if let Some(census) = &mut self.census {
            let names = messages(payload).unwrap_or_default().into_iter().map(|(name, _)| name);
            let entry = census.entry(names.collect::<Vec<_>>().join(" ")).or_default();
            *entry = (entry.0 + 1, entry.1 + bytes);
        }
    }

    fn is_cut_off(&self, host: usize, to: SocketAddr) -> bool {
        let owner = || self.map.owner(self.now, self.hosts[host].place, to);
        self.is_partitioned && owner().is_some_and(|other| self.hosts[other].island != self.hosts[host].island)
    }
}

fn address_bits(address: SocketAddr) -> u64 {
    match address {
        SocketAddr::V4(v4) => u64::from(v4.ip().to_bits()) << 16,
        SocketAddr::V6(v6) => mix(v6.ip().to_bits() as u64),
    }
}
