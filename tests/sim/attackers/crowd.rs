//! The crowd: one owner of many addresses in one network, each of which does its best to be a neighbour.
//!
//! Each knocks, returns tokens and probes, probes the target as a neighbour does, and names others of the crowd.

use super::token_in;
use crate::models::{Io, Model, datagram, messages, peers};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// How often the next address writes. A thousand of them then probe each 20 s, sooner than the target would.
const PACE: Duration = Duration::from_millis(20);

/// Now and then the whole crowd merely answers, so that the target takes over whom it wants to keep: for so long, ...
const SILENT_FOR: Duration = Duration::from_secs(30);

/// ... once in so long.
const SILENT_EVERY: Duration = Duration::from_secs(300);

/// How many of its own each names.
const NAMES: usize = 20;

/// A crowd.
pub struct Crowd {
    addresses: Vec<SocketAddr>,
    target: SocketAddr,
    /// What the target asked each address to have returned.
    tokens: BTreeMap<SocketAddr, String>,
    next: usize,
}

impl Crowd {
    pub fn new(addresses: Vec<SocketAddr>, target: SocketAddr) -> Crowd {
        Crowd { addresses, target, tokens: BTreeMap::new(), next: 0 }
    }

    fn names(&self, io: &mut Io<'_>) -> String {
        let names: Vec<_> = (0..NAMES).map(|_| io.rng.pick(&self.addresses)).collect();
        peers(&names)
    }
}

impl Model for Crowd {
    fn on_wake(&mut self, io: &mut Io<'_>) {
        if io.now.as_micros() % SILENT_EVERY.as_micros() as u64 > (SILENT_EVERY - SILENT_FOR).as_micros() as u64 {
            return io.wake_in(PACE);
        }
        let source = self.addresses[self.next % self.addresses.len()];
        self.next += 1;
        let own = r#"{"PleaseAlwaysReturnThisMessage":{"cookie":"crowd"}}"#.to_owned();
        let elements = match self.tokens.get(&source) {
            Some(token) => vec![token.clone(), r#"{"PleaseReturnThisMessage":{"cookie":"1"}}"#.to_owned()],
            None => vec![own, r#"{"PleaseSendPeers":{}}"#.to_owned()],
        };
        io.send_as(source, self.target, datagram(&elements));
        io.wake_in(PACE);
    }

    fn on_datagram(&mut self, io: &mut Io<'_>, from: SocketAddr, to: SocketAddr, payload: &[u8]) {
        if let Some(token) = token_in(payload) {
            self.tokens.insert(to, token);
        }
        let mut elements: Vec<_> = self.tokens.get(&to).cloned().into_iter().collect();
        for (name, body) in messages(payload).unwrap_or_default() {
            match &*name {
                "PleaseReturnThisMessage" => elements.push(format!(r#"{{"ReturnedMessage":{body}}}"#)),
                "PleaseSendPeers" => elements.push(self.names(io)),
                _ => {}
            }
        }
        if elements.len() > 1 {
            io.send_as(to, from, datagram(&elements));
        }
    }
}
