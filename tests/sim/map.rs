//! Who lives where: which host owns which address, which local networks there are, and who would receive a datagram.
//!
//! It knows nothing of time but what the routers need, and loses nothing: fates are drawn in `net.rs`.

use crate::nat::Nat;
use crate::rng::Spread;
use cjp2p_node::Time;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The addresses of one host. A host in a local network has a private IPv4 address there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    /// Its IPv4 address: public, or private if it lives in a local network.
    pub v4: Option<SocketAddr>,
    /// Its IPv6 address, always global; routers let it through.
    pub v6: Option<SocketAddr>,
    /// Its local network.
    pub lan: Option<usize>,
}

impl Place {
    /// The address it would send from to such a destination.
    pub fn source_for(&self, to: SocketAddr) -> Option<SocketAddr> {
        if to.is_ipv4() { self.v4 } else { self.v6 }
    }
}

/// All addresses.
#[derive(Debug, Default)]
pub struct Map {
    public: HashMap<SocketAddr, usize, Spread>,
    private: BTreeMap<(usize, SocketAddr), usize>,
    nats: Vec<Option<Nat>>,
    outer: HashMap<IpAddr, usize, Spread>,
    places_given: u64,
}

impl Map {
    /// A new local network, behind a router if so wished (else without a way out over IPv4).
    pub fn add_lan(&mut self, has_router: bool) -> usize {
        let lan = self.nats.len();
        let nat = has_router.then(|| self.next_ipv4());
        if let Some(outer) = nat {
            self.outer.insert(outer.into(), lan);
        }
        self.nats.push(nat.map(Nat::new));
        lan
    }

    /// An unused public IPv4 address; neighbours in number lie in different networks.
    pub fn next_ipv4(&mut self) -> Ipv4Addr {
        let n = self.places_given;
        self.places_given += 1;
        // 20.x to 99.x are ordinary unicast networks; 80 × 256 of them are enough for every scenario.
        Ipv4Addr::new(20 + (n % 80) as u8, (n / 80) as u8, (n * 37 % 256) as u8, 1 + (n * 11 % 250) as u8)
    }

    /// An unused global IPv6 address, each in a network of its own.
    pub fn next_ipv6(&mut self) -> Ipv6Addr {
        let n = self.places_given as u16;
        self.places_given += 1;
        Ipv6Addr::new(0x2a00 + n % 64, n, 1, 0, 0, 0, 0, 1 + n)
    }

    /// Puts a host where it says it lives.
    pub fn settle(&mut self, host: usize, place: Place) {
        match (place.v4, place.lan) {
            (Some(address), Some(lan)) => _ = self.private.insert((lan, address), host),
            (Some(address), None) => _ = self.public.insert(address, host),
            (None, _) => {}
        }
        if let Some(address) = place.v6 {
            self.public.insert(address, host);
        }
    }

    /// Takes a host away from where it lived.
    pub fn leave(&mut self, place: Place) {
        if let (Some(address), Some(lan)) = (place.v4, place.lan) {
            self.private.remove(&(lan, address));
        }
        for address in [place.v4, place.v6].into_iter().flatten() {
            self.public.remove(&address);
        }
    }

    /// Gives a host one more public address.
    pub fn own(&mut self, host: usize, address: SocketAddr) {
        self.public.insert(address, host);
    }

    /// The members of a local network with their private addresses.
    pub fn members(&self, lan: usize) -> Vec<(SocketAddr, usize)> {
        let all = self.private.range((lan, SocketAddr::from(([0; 4], 0)))..);
        all.take_while(|((network, _), _)| *network == lan).map(|((_, address), host)| (*address, *host)).collect()
    }

    /// Sends a datagram from a place: the source it will be seen with, and the local network it stays in. `None` if
    /// there is no way.
    pub fn depart(&mut self, now: Time, place: Place, to: SocketAddr) -> Option<(SocketAddr, Option<usize>)> {
        let inner = place.source_for(to)?;
        let Some(lan) = place.lan.filter(|_| to.is_ipv4()) else {
            return Some((inner, None));
        };
        if self.private.contains_key(&(lan, to)) {
            return Some((inner, Some(lan)));
        }
        if self.outer.get(&to.ip()) == Some(&lan) {
            return None;
        }
        let nat = self.nats[lan].as_mut()?;
        Some((nat.outbound(now, inner, to), None))
    }

    /// The host that a datagram reaches.
    pub fn receiver(&self, now: Time, from: SocketAddr, to: SocketAddr, lan: Option<usize>) -> Option<usize> {
        if let Some(lan) = lan {
            return self.private.get(&(lan, to)).copied();
        }
        match self.outer.get(&to.ip()) {
            Some(lan) => {
                let inner = self.nats[*lan].as_ref()?.inbound(now, to.port(), from)?;
                self.private.get(&(*lan, inner)).copied()
            }
            None => self.public.get(&to).copied(),
        }
    }

    /// The address under which a host is known outside, if it is at the moment.
    pub fn outer_of(&self, now: Time, place: Place) -> Option<SocketAddr> {
        match (place.v4, place.lan) {
            (Some(inner), Some(lan)) => self.nats[lan].as_ref().and_then(|nat| nat.outer_of(now, inner)),
            (v4, _) => v4,
        }
        .or(place.v6)
    }

    /// The host behind an address as seen from a place, whether or not a router would let a datagram in just now.
    pub fn owner(&self, now: Time, seen_from: Place, address: SocketAddr) -> Option<usize> {
        let local = seen_from.lan.and_then(|lan| self.private.get(&(lan, address)));
        if let Some(host) = local.or_else(|| self.public.get(&address)) {
            return Some(*host);
        }
        let lan = *self.outer.get(&address.ip())?;
        let nat = self.nats[lan].as_ref()?;
        let is_it = |inner: SocketAddr| nat.outer_of(now, inner) == Some(address);
        self.members(lan).into_iter().find(|(inner, _)| is_it(*inner)).map(|(_, host)| host)
    }
}
