//! What plays and scenarios ask the world, and the usual ways to furnish it. It changes nothing in what it asks about.

use crate::host::{Inhabitant, Received};
use crate::map::Place;
use crate::world::World;
use cjp2p_node::node::{Config, Event};
use cjp2p_node::wire::PORT;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};

/// A configuration that knows only these.
pub fn told_of(contacts: &[SocketAddr]) -> Config {
    Config { contacts: contacts.to_vec(), version: "sim 1".to_owned(), ..Config::default() }
}

impl World {
    /// A place with one public IPv4 address.
    pub fn public(&mut self) -> Place {
        Place { v4: Some((self.map.next_ipv4(), PORT).into()), ..Place::default() }
    }

    /// A place with one IPv6 address and no other.
    pub fn v6_only(&mut self) -> Place {
        Place { v6: Some((self.map.next_ipv6(), PORT).into()), ..Place::default() }
    }

    /// A place with both.
    pub fn dual(&mut self) -> Place {
        Place { v6: self.v6_only().v6, ..self.public() }
    }

    /// A place of its own behind a router.
    pub fn behind_nat(&mut self) -> Place {
        let lan = self.map.add_lan(true);
        self.in_lan(lan)
    }

    /// The next free place in a local network: 192.168.<lan>.<2 + members>.
    pub fn in_lan(&mut self, lan: usize) -> Place {
        let last = 2 + self.map.members(lan).len();
        let ip = Ipv4Addr::new(192, 168, (lan % 256) as u8, last as u8);
        Place { v4: Some((ip, PORT).into()), v6: None, lan: Some(lan) }
    }

    /// The address of a public host.
    pub fn address(&self, host: usize) -> SocketAddr {
        let place = self.hosts[host].place;
        place.v4.or(place.v6).unwrap_or_else(|| self.fail(host, "has no address"))
    }

    /// The other nodes of ours that a node has verified and not yet forgotten, by who has the address now.
    pub fn knows(&self, host: usize) -> BTreeSet<usize> {
        let place = self.hosts[host].place;
        let peers = self.ours(host).peers(self.now);
        let owners = peers.iter().filter_map(|peer| self.map.owner(self.now, place, peer.address));
        owners.filter(|owner| *owner != host && self.is_ours(*owner)).collect()
    }

    /// How many verified peers still have their address: nodes of ours, and strangers by each address of theirs. A node
    /// cannot tell the two apart.
    pub fn acquaintances(&self, host: usize) -> usize {
        let place = self.hosts[host].place;
        let peers = self.ours(host).peers(self.now);
        let owners = peers.iter().filter_map(|peer| self.map.owner(self.now, place, peer.address));
        self.knows(host).len() + owners.filter(|owner| !self.is_ours(*owner)).count()
    }

    pub fn is_ours(&self, host: usize) -> bool {
        matches!(self.hosts[host].inhabitant, Inhabitant::Ours(_))
    }

    /// All nodes of ours.
    pub fn nodes(&self) -> Vec<usize> {
        (0..self.hosts.len()).filter(|host| self.is_ours(*host)).collect()
    }

    /// The node of ours that would receive a datagram from `host` to `to` at this moment and whose answer would come
    /// back, with no router opening anything new.
    pub fn is_open(&self, host: usize, to: SocketAddr) -> Option<usize> {
        let place = self.hosts[host].place;
        let from = if to.is_ipv4() { self.map.outer_of(self.now, place)? } else { place.v6? };
        let other = self.map.receiver(self.now, from, to, None)?;
        let is_back_open = self.map.receiver(self.now, to, from, None) == Some(host);
        (is_back_open && other != host && self.is_ours(other)).then_some(other)
    }

    /// Keeps a log of what this host receives from now on.
    pub fn watch(&mut self, host: usize) {
        self.hosts[host].log = Some(Vec::new());
    }

    /// What a watched host has received since [`World::watch`].
    pub fn received(&self, host: usize) -> &[Received] {
        self.hosts[host].log.as_deref().unwrap_or_default()
    }

    /// What a node reported since its birth, as far as this says so.
    pub fn reported<T>(&self, host: usize, wanted: impl Fn(&Event) -> Option<T>) -> Vec<T> {
        self.ours(host).events.iter().filter_map(|(_, event)| wanted(event)).collect()
    }

    /// The virtual second at which every node knows so many others, looked at every second; `None` if not within
    /// `limit` seconds.
    pub fn until_all_know(&mut self, want: usize, limit: u64) -> Option<u64> {
        let nodes = self.nodes();
        for second in 1..=limit {
            self.run_for(1);
            if nodes.iter().all(|node| self.knows(*node).len() >= want) {
                return Some(second);
            }
        }
        None
    }
}
