//! What is known of one verified peer, laid out for those who name it: a large table is slow only because it is far
//! away.
//!
//! It decides nothing; the node does, by what it finds here.

use super::AddressText;
use super::address::{Scope, scope};
use crate::time::Time;
use crate::tokens::{Cookie, Owed};
use std::net::SocketAddr;
use std::time::Duration;

/// A peer heard within this time is named first to those who ask. NAT mappings rarely live longer.
pub const FRESH_FOR: Duration = Duration::from_secs(120);

/// A round-trip probe on its way.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// What it carries.
    pub cookie: Cookie,
    /// When it left.
    pub sent: Time,
    /// Whether somebody waits for the result.
    pub is_wanted: bool,
    /// Whether it travels with the peer's candidate token instead of the proven one.
    pub is_follow_up: bool,
}

/// A verified peer. What an answer to `PleaseSendPeers` reads of each peer comes first and fills one cache line,
/// because in a large table every further line costs as much as writing the name.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub struct Peer {
    /// Its address as text.
    pub text: AddressText,
    /// How far its address reaches.
    pub scope: Scope,
    /// When it was last heard, with our token.
    pub heard: Time,
    /// Its address.
    pub address: SocketAddr,
    /// The token it asked us to return.
    pub owed: Option<Owed>,
    /// Another that somebody asked for in its name, without proof; the latest. Kept until the peer proves one or the
    /// other.
    pub candidate: Option<Owed>,
    /// The smoothed round-trip time, by RFC 6298's weights.
    pub round_trip: Option<Duration>,
    /// The probe that is on its way.
    pub probe: Option<Probe>,
    /// When we last asked it for peers.
    pub asked: Option<Time>,
    /// When we last told others of it.
    pub introduced: Option<Time>,
    /// When it last said that it has enough neighbours.
    pub declined: Option<Time>,
}

impl Peer {
    /// A peer that has just been verified.
    pub(super) fn new(now: Time, address: SocketAddr) -> Peer {
        Peer {
            address,
            text: AddressText::new(address),
            scope: scope(address.ip()),
            heard: now,
            owed: None,
            candidate: None,
            round_trip: None,
            probe: None,
            asked: None,
            introduced: None,
            declined: None,
        }
    }

    /// Whether the peer was heard lately enough to be within reach.
    pub fn is_fresh(&self, now: Time) -> bool {
        now.since(self.heard) < FRESH_FOR
    }

    /// Takes the probe that carries `cookie`, if that is the one on its way, and learns the round trip from it.
    pub fn probe_returned(&mut self, now: Time, cookie: Cookie) -> Option<Probe> {
        let probe = self.probe.take_if(|probe| probe.cookie == cookie)?;
        let sample = now.since(probe.sent);
        self.round_trip = Some(match self.round_trip {
            Some(smoothed) => (smoothed * 7 + sample) / 8,
            None => sample,
        });
        Some(probe)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[test]
    fn a_peer_fills_four_cache_lines_and_no_more() {
        assert_eq!(size_of::<Peer>(), 4 * 64);
    }

    #[test]
    fn only_the_probe_on_its_way_measures_and_only_once() {
        let mut rng = StdRng::from_seed([8; 32]);
        let issuer = crate::tokens::Issuer::new(Time::default(), &mut rng);
        let (mine, other) = (issuer.probe(&mut rng), issuer.probe(&mut rng));
        let mut peer = Peer::new(Time::default(), "192.0.2.1:24254".parse().unwrap());
        peer.probe =
            Some(Probe { cookie: mine, sent: Time::from_micros(1_000), is_wanted: false, is_follow_up: false });
        assert!(peer.probe_returned(Time::from_micros(2_000), other).is_none());
        assert!(peer.probe_returned(Time::from_micros(4_000), mine).is_some());
        assert!(peer.probe_returned(Time::from_micros(9_000), mine).is_none());
        assert_eq!(peer.round_trip, Some(Duration::from_millis(3)));
    }
}
