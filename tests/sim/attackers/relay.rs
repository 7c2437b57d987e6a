//! The relay: an address for each of its victims towards each other one, and whatever comes to it is carried on.
//!
//! To each victim it seems to be all the others, and it changes nothing. So what two of them sign for each other, or for
//! it, it holds in its hands, with tokens that are right for its own addresses.

use super::PHRASES;
use crate::models::{Io, Model};
use std::net::SocketAddr;
use std::time::Duration;

/// A relay.
pub struct Relay {
    victims: Vec<SocketAddr>,
    /// Whom it greets next.
    next: usize,
}

impl Relay {
    pub fn new(victims: Vec<SocketAddr>) -> Relay {
        Relay { victims, next: 0 }
    }

    /// The address at which one victim meets another, both by number.
    pub fn address(one: usize, other: usize) -> SocketAddr {
        SocketAddr::from(([121, one as u8, other as u8, 1], 24_254))
    }

    /// All its addresses.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let count = self.victims.len();
        (0..count).flat_map(|one| (0..count).map(move |other| Relay::address(one, other))).collect()
    }
}

impl Model for Relay {
    /// Knocks at each of its victims as if it were each other one.
    fn on_wake(&mut self, io: &mut Io<'_>) {
        let count = self.victims.len();
        let (one, other) = (self.next / count % count, self.next % count);
        self.next += 1;
        if one != other {
            io.send_as(Relay::address(one, other), self.victims[one], PHRASES[2]);
        }
        io.wake_in(Duration::from_millis(100));
    }

    fn on_datagram(&mut self, io: &mut Io<'_>, from: SocketAddr, to: SocketAddr, payload: &[u8]) {
        let Some(one) = self.victims.iter().position(|victim| *victim == from) else { return };
        let Some(other) = (0..self.victims.len()).find(|other| Relay::address(one, *other) == to) else { return };
        io.send_as(Relay::address(other, one), self.victims[other], payload);
    }
}
