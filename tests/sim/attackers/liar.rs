//! The liar: a peer with perfect manners, tokens and all, who names whom it likes. And the network: one owner of
//! thousands of addresses, each of which behaves.

use super::{token_in, unfit_addresses};
use crate::models::{Io, Model, datagram, messages, peers};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// Names in one `Peers`: what the wild sends at most.
const NAMES_AT_ONCE: usize = 46;

/// A liar.
pub struct Liar {
    targets: Vec<SocketAddr>,
    /// Whom it names first.
    victim: Option<SocketAddr>,
    /// Whom it names besides: victims, and what is unfit to be named.
    names: Vec<SocketAddr>,
    tokens: BTreeMap<SocketAddr, String>,
    pace: Duration,
}

impl Liar {
    pub fn new(targets: Vec<SocketAddr>, victims: &[SocketAddr], pace: Duration) -> Liar {
        let names = victims.iter().copied().chain(unfit_addresses()).collect();
        Liar { targets, victim: victims.first().copied(), names, tokens: BTreeMap::new(), pace }
    }

    /// A message that names the victims, now and then drowned in addresses that nobody has.
    fn lie(&self, io: &mut Io<'_>) -> String {
        // The first names of an answer are the ones that a node tries at once.
        let mut names: Vec<_> = self.victim.into_iter().collect();
        names.extend((1..NAMES_AT_ONCE / 2).map(|_| io.rng.pick(&self.names)));
        while io.rng.chance(900) && names.len() < NAMES_AT_ONCE {
            let bits = io.rng.bits();
            names.push(SocketAddr::from(([110, bits as u8, (bits >> 8) as u8, 1], 24_254)));
        }
        if io.rng.chance(300) {
            let id = "0".repeat(64);
            let list: Vec<_> = names.iter().map(|address| format!("\"{address}\"")).collect();
            return format!(r#"{{"MaybeTheyHaveSome":{{"id":"{id}","peers":[{}]}}}}"#, list.join(","));
        }
        peers(&names)
    }
}

impl Model for Liar {
    fn on_wake(&mut self, io: &mut Io<'_>) {
        let to = io.rng.pick(&self.targets);
        let mut elements: Vec<_> = self.tokens.get(&to).cloned().into_iter().collect();
        elements.push(self.lie(io));
        elements.push(r#"{"PleaseSendPeers":{}}"#.to_owned());
        io.send(to, datagram(&elements));
        io.wake_in(self.pace);
    }

    fn on_datagram(&mut self, io: &mut Io<'_>, from: SocketAddr, _to: SocketAddr, payload: &[u8]) {
        if let Some(token) = token_in(payload) {
            self.tokens.insert(from, token);
        }
        let mut elements: Vec<_> = self.tokens.get(&from).cloned().into_iter().collect();
        let mut has_answer = false;
        for (name, body) in messages(payload).unwrap_or_default() {
            match &*name {
                "PleaseSendPeers" => elements.push(self.lie(io)),
                "PleaseReturnThisMessage" => elements.push(format!(r#"{{"ReturnedMessage":{body}}}"#)),
                _ => continue,
            }
            has_answer = true;
        }
        if has_answer {
            io.send(from, datagram(&elements));
        }
    }
}

/// One owner of many addresses: each knocks at the target, returns its token and its probes, and asks for nothing else.
pub struct Network {
    addresses: Vec<SocketAddr>,
    target: SocketAddr,
    next: usize,
}

impl Network {
    pub fn new(addresses: Vec<SocketAddr>, target: SocketAddr) -> Network {
        Network { addresses, target, next: 0 }
    }
}

/// How often the next address knocks.
const KNOCK_PACE: Duration = Duration::from_millis(10);

impl Model for Network {
    fn on_wake(&mut self, io: &mut Io<'_>) {
        let source = self.addresses[self.next % self.addresses.len()];
        self.next += 1;
        io.send_as(source, self.target, r#"[{"PleaseSendPeers":{}}]"#);
        io.wake_in(KNOCK_PACE);
    }

    fn on_datagram(&mut self, io: &mut Io<'_>, from: SocketAddr, to: SocketAddr, payload: &[u8]) {
        let Some(token) = token_in(payload) else { return };
        let mut elements = vec![token];
        for (name, body) in messages(payload).unwrap_or_default() {
            match &*name {
                "PleaseReturnThisMessage" => elements.push(format!(r#"{{"ReturnedMessage":{body}}}"#)),
                "PleaseSendPeers" => elements.push(peers(&[])),
                _ => {}
            }
        }
        if elements.len() == 1 {
            elements.push(r#"{"IAmHere":{"name":"one of many"}}"#.to_owned());
        }
        io.send_as(to, from, datagram(&elements));
    }
}
