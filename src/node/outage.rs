//! Telling a dead neighbour from a dead network of our own.
//!
//! What is heard from one [`Side`] says nothing about the way to another: the world may be away over IPv6 while IPv4
//! works, and a script on this machine is heard whatever happens outside. On the loopback side there is no network that
//! could be away. This keeps count; what follows from it, `upkeep` decides.

use crate::peers::address::{Scope, scope};
use crate::time::Time;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// If no peer of a side has been heard for this long, it is not the peers: those that are kept in reach answer every
/// 23 s.
pub(super) const OUTAGE_AFTER: Duration = Duration::from_secs(60);

/// So many neighbours must have fallen silent together before the silence is ours: one or two may well have left.
const WITNESSES: u8 = 3;

/// The ways out of this machine.
const SIDES: usize = 4;

/// What we know of each side.
#[derive(Clone, Copy, Debug)]
struct Side {
    /// When a peer was last heard there.
    heard: Time,
    /// How many neighbours there have died since.
    lost: u8,
}

/// The sides of a node.
#[derive(Debug)]
pub(super) struct Outages {
    sides: [Side; SIDES],
}

impl Outages {
    /// Everybody is as good as heard now.
    pub(super) fn new(now: Time) -> Outages {
        Outages { sides: [Side { heard: now, lost: 0 }; SIDES] }
    }

    /// A peer was heard. Returns for how long none was on its side, if our network was away and is back.
    pub(super) fn hear(&mut self, now: Time, address: SocketAddr) -> Option<Duration> {
        let side = &mut self.sides[side(address)];
        let silence = now.since(side.heard);
        let was_away = side.lost >= WITNESSES && silence >= OUTAGE_AFTER;
        *side = Side { heard: now, lost: 0 };
        was_away.then_some(silence)
    }

    /// A neighbour has died that we began to doubt at `doubted`. Says whether our own network may be to blame, since
    /// nobody was heard on its side from then on.
    pub(super) fn lose(&mut self, address: SocketAddr, doubted: Time) -> bool {
        let is_loopback = scope(address.ip()) == Scope::Host;
        let side = &mut self.sides[side(address)];
        let is_suspect = !is_loopback && side.heard <= doubted;
        side.lost = side.lost.saturating_add(u8::from(is_suspect));
        is_suspect
    }

    /// Whether nobody has been heard for long on the side of an address, so that our network may be away.
    pub(super) fn is_away(&self, now: Time, address: SocketAddr) -> bool {
        scope(address.ip()) != Scope::Host && now.since(self.sides[side(address)].heard) >= OUTAGE_AFTER
    }
}

/// Whether two addresses are on the same side.
pub(super) fn is_beside(one: SocketAddr, other: SocketAddr) -> bool {
    side(one) == side(other)
}

fn side(address: SocketAddr) -> usize {
    match (scope(address.ip()), address.ip()) {
        (Scope::Global, IpAddr::V4(_)) => 0,
        (Scope::Global, IpAddr::V6(_)) => 1,
        (Scope::Host, _) => 2,
        _ => 3,
    }
}
