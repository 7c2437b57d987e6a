//! A home router: network address translation as most of the internet meets it.
//!
//! Mapping is endpoint-independent: one outer port per inner address, whoever it talks to, for as long as anything is
//! open. Filtering is address-and-port-dependent: only those may send in whom the inner host has written to within
//! [`OPEN_FOR`]. When everything has expired the next outbound datagram gets a new outer port, which is the unkind
//! case. It refuses hairpins: two hosts behind one router cannot meet through its outside.

use cjp2p_node::Time;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// How long a path stays open after the last outbound datagram: the shortest that is common in home routers.
pub const OPEN_FOR: Duration = Duration::from_secs(30);

/// The first outer port.
const FIRST_PORT: u16 = 20_000;

/// One router.
#[derive(Debug)]
pub struct Nat {
    outer: Ipv4Addr,
    next_port: u16,
    mappings: BTreeMap<SocketAddr, Mapping>,
}

#[derive(Debug)]
struct Mapping {
    outer_port: u16,
    /// When each remote address was last written to.
    written: BTreeMap<SocketAddr, Time>,
}

impl Mapping {
    fn is_open(&self, now: Time) -> bool {
        self.written.values().any(|last| now.since(*last) < OPEN_FOR)
    }

    fn lets_in(&self, now: Time, remote: SocketAddr) -> bool {
        self.written.get(&remote).is_some_and(|last| now.since(*last) < OPEN_FOR)
    }
}

impl Nat {
    pub fn new(outer: Ipv4Addr) -> Nat {
        Nat { outer, next_port: FIRST_PORT, mappings: BTreeMap::new() }
    }

    /// A datagram goes out: the source it has outside.
    pub fn outbound(&mut self, now: Time, inner: SocketAddr, remote: SocketAddr) -> SocketAddr {
        if !self.mappings.get(&inner).is_some_and(|mapping| mapping.is_open(now)) {
            let outer_port = self.take_port();
            self.mappings.insert(inner, Mapping { outer_port, written: BTreeMap::new() });
        }
        let Some(mapping) = self.mappings.get_mut(&inner) else {
            return inner;
        };
        if !mapping.written.contains_key(&remote) {
            mapping.written.retain(|_, last| now.since(*last) < OPEN_FOR);
        }
        mapping.written.insert(remote, now);
        (self.outer, mapping.outer_port).into()
    }

    /// A datagram comes in: the inner host it is for, if it is let in.
    pub fn inbound(&self, now: Time, outer_port: u16, remote: SocketAddr) -> Option<SocketAddr> {
        self.mappings
            .iter()
            .find(|(_, mapping)| mapping.outer_port == outer_port && mapping.lets_in(now, remote))
            .map(|(inner, _)| *inner)
    }

    /// The outer address of an inner host, while anything is open.
    pub fn outer_of(&self, now: Time, inner: SocketAddr) -> Option<SocketAddr> {
        let mapping = self.mappings.get(&inner).filter(|mapping| mapping.is_open(now))?;
        Some((self.outer, mapping.outer_port).into())
    }

    fn take_port(&mut self) -> u16 {
        let port = self.next_port;
        self.next_port = port.checked_add(1).unwrap_or(FIRST_PORT);
        port
    }
}
