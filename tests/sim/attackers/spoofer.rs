//! Forged sources: the spoofer, who wants a node to bury a victim, and the flooder, who wants to bury a node.

use super::{PHRASES, token_in};
use crate::models::{Io, Model, datagram};
use std::net::SocketAddr;
use std::time::Duration;

/// Claims to be its victims; also with tokens that it was itself given by honest means.
pub struct Spoofer {
    targets: Vec<SocketAddr>,
    victims: Vec<SocketAddr>,
    stolen: Vec<String>,
    pace: Duration,
}

impl Spoofer {
    pub fn new(targets: Vec<SocketAddr>, victims: Vec<SocketAddr>, pace: Duration) -> Spoofer {
        Spoofer { targets, victims, stolen: Vec::new(), pace }
    }
}

/// How many tokens it keeps.
const STOLEN_MAX: usize = 64;

impl Model for Spoofer {
    fn on_wake(&mut self, io: &mut Io<'_>) {
        let to = io.rng.pick(&self.targets);
        if io.rng.chance(100) {
            io.send(to, PHRASES[0]);
        }
        let victim = io.rng.pick(&self.victims);
        if !self.stolen.is_empty() && io.rng.chance(300) {
            let token = self.stolen[io.rng.index(self.stolen.len())].clone();
            let ask = r#"{"PleaseSendPeers":{}},{"PleaseListSupportedMessages":{}}"#.to_owned();
            io.send_as(victim, to, datagram(&[token, ask]));
        } else {
            let phrase = io.rng.pick(PHRASES);
            io.send_as(victim, to, phrase);
        }
        io.wake_in(self.pace);
    }

    fn on_datagram(&mut self, _io: &mut Io<'_>, _from: SocketAddr, _to: SocketAddr, payload: &[u8]) {
        if let Some(token) = token_in(payload).filter(|_| self.stolen.len() < STOLEN_MAX) {
            self.stolen.push(token);
        }
    }
}

/// Sends as fast as its budget allows.
pub struct Flooder {
    targets: Vec<SocketAddr>,
    /// Datagrams in each burst, and the pause between two.
    burst: usize,
    pause: Duration,
    /// How many different sources it claims; 0 for its own address.
    sources: u64,
}

impl Flooder {
    pub fn new(targets: Vec<SocketAddr>, burst: usize, pause: Duration, sources: u64) -> Flooder {
        Flooder { targets, burst, pause, sources }
    }
}

/// The n-th forged source: all over the IPv4 unicast space, on any port from 1024 up.
fn source(n: u64) -> SocketAddr {
    let bits = crate::rng::mix(n);
    let port = 1024 + (bits >> 48) as u16 % 60_000;
    SocketAddr::from(([100 + (bits % 20) as u8 + 1, (bits >> 8) as u8, (bits >> 16) as u8, (bits >> 24) as u8], port))
}

impl Model for Flooder {
    fn on_wake(&mut self, io: &mut Io<'_>) {
        for _ in 0..self.burst {
            let to = io.rng.pick(&self.targets);
            let phrase = io.rng.pick(PHRASES);
            if self.sources == 0 {
                io.send(to, phrase);
            } else {
                let n = io.rng.below(self.sources);
                io.send_as(source(n), to, phrase);
            }
        }
        io.wake_in(self.pause);
    }
}
