//! The meddler: many addresses with perfect manners, and one aim, that a node should write to somebody else, or ask
//! the same questions again and again.
//!
//! It names peers that are long proven, asks to be introduced, says that it has enough neighbours, changes its token,
//! returns what it was never sent, and does the same in the name of its victims.

use super::token_in;
use crate::models::{Io, Model, datagram, messages, peers};
use crate::rng::Rng;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// A meddler.
pub struct Meddler {
    addresses: Vec<SocketAddr>,
    targets: Vec<SocketAddr>,
    /// Proven peers of the targets.
    victims: Vec<SocketAddr>,
    /// What each target asked each address of ours to have returned.
    tokens: BTreeMap<(SocketAddr, SocketAddr), String>,
    pace: Duration,
    knocked: usize,
    /// Whether it returns probes, and so can be somebody's neighbour.
    is_neighbourly: bool,
}

impl Meddler {
    pub fn new(
        addresses: Vec<SocketAddr>,
        targets: Vec<SocketAddr>,
        victims: Vec<SocketAddr>,
        pace: Duration,
    ) -> Meddler {
        Meddler { addresses, targets, victims, tokens: BTreeMap::new(), pace, knocked: 0, is_neighbourly: true }
    }

    /// The same, returning no probes: nobody keeps a path to it, so whatever a node asks, it asks the victims.
    pub fn aloof(self) -> Meddler {
        Meddler { is_neighbourly: false, ..self }
    }

    /// Names: a victim, and often many that nobody has heard of yet, which keep a node looking.
    fn names(&self, rng: &mut Rng) -> String {
        let mut names = vec![rng.pick(&self.victims)];
        while rng.chance(700) && names.len() < 40 {
            names.push(unheard_of(rng));
        }
        peers(&names)
    }

    /// What an address of its own says beside its token.
    fn wish(&self, rng: &mut Rng) -> String {
        match rng.below(7) {
            0 | 1 => ask(),
            2 => peers(&[rng.pick(&self.victims)]),
            3 => self.names(rng),
            4 if self.is_neighbourly => format!("{},{}", probe(rng), r#"{"EnoughNeighbours":{}}"#),
            5 => format!("{},{}", returned(rng), new_token(rng)),
            _ => r#"{"ChatMessage":{"message":"/ping"}}"#.to_owned(),
        }
    }

    /// What it says in a victim's name.
    fn forgery(&self, rng: &mut Rng) -> String {
        match rng.below(5) {
            0 => new_token(rng),
            1 => format!("{},{}", new_token(rng), ask()),
            2 => format!("{},{}", new_token(rng), returned(rng)),
            3 => format!("{},{}", self.names(rng), new_token(rng)),
            _ => probe(rng),
        }
    }
}

fn ask() -> String {
    r#"{"PleaseSendPeers":{}}"#.to_owned()
}

fn probe(rng: &mut Rng) -> String {
    format!(r#"{{"PleaseReturnThisMessage":{{"cookie":"{}"}}}}"#, rng.below(1000))
}

fn returned(rng: &mut Rng) -> String {
    format!(r#"{{"ReturnedMessage":{{"cookie":"{:08x}"}}}}"#, rng.below(1 << 32))
}

fn new_token(rng: &mut Rng) -> String {
    format!(r#"{{"PleaseAlwaysReturnThisMessage":{{"cookie":"{:x}"}}}}"#, rng.bits())
}

fn unheard_of(rng: &mut Rng) -> SocketAddr {
    let bits = rng.bits();
    SocketAddr::from(([112 + (bits % 8) as u8, (bits >> 8) as u8, (bits >> 16) as u8, 1], 24_254))
}

impl Model for Meddler {
    fn on_wake(&mut self, io: &mut Io<'_>) {
        let to = io.rng.pick(&self.targets);
        if self.knocked < self.addresses.len() * self.targets.len() {
            // Every address makes itself a peer of every target first.
            let (from, to) = (
                self.addresses[self.knocked % self.addresses.len()],
                self.targets[self.knocked / self.addresses.len()],
            );
            self.knocked += 1;
            let knock = datagram(&[new_token(io.rng), ask()]);
            io.send_as(from, to, knock);
        } else if io.rng.chance(300) {
            let victim = io.rng.pick(&self.victims);
            let forgery = self.forgery(io.rng);
            io.send_as(victim, to, datagram(&[forgery]));
        } else {
            let from = io.rng.pick(&self.addresses);
            let wish = self.wish(io.rng);
            let mut elements: Vec<_> = self.tokens.get(&(from, to)).cloned().into_iter().collect();
            elements.push(wish);
            io.send_as(from, to, datagram(&elements));
        }
        io.wake_in(self.pace);
    }

    fn on_datagram(&mut self, io: &mut Io<'_>, from: SocketAddr, to: SocketAddr, payload: &[u8]) {
        if let Some(token) = token_in(payload) {
            self.tokens.insert((to, from), token);
        }
        let mut elements: Vec<_> = self.tokens.get(&(to, from)).cloned().into_iter().collect();
        for (name, body) in messages(payload).unwrap_or_default() {
            match &*name {
                "PleaseReturnThisMessage" if self.is_neighbourly => {
                    elements.push(format!(r#"{{"ReturnedMessage":{body}}}"#))
                }
                "PleaseSendPeers" => elements.push(self.names(io.rng)),
                "PleaseAlwaysReturnThisMessage" => elements.push(r#"{"IAmHere":{"name":"one of many"}}"#.to_owned()),
                _ => {}
            }
        }
        if elements.len() > 1 {
            io.send_as(to, from, datagram(&elements));
        }
    }
}
