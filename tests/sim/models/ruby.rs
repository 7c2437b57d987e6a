//! The Ruby node: returns tokens only in its own requests, which it sends every ten seconds, never in answers; one
//! answer datagram per message; asks for no token and serves strangers in full.

use super::{Io, Model, addresses, datagram, messages, peers};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// How often it asks its peers.
const PACE: Duration = Duration::from_secs(10);

/// How many peers it keeps.
const PEERS_MAX: usize = 50;

/// A Ruby node.
pub struct Ruby {
    /// Each peer with what it asked to have returned.
    peers: BTreeMap<SocketAddr, Option<Value>>,
}

impl Ruby {
    pub fn new(contacts: &[SocketAddr]) -> Ruby {
        Ruby { peers: contacts.iter().map(|address| (*address, None)).collect() }
    }

    fn learn(&mut self, address: SocketAddr) {
        if self.peers.len() < PEERS_MAX {
            self.peers.entry(address).or_default();
        }
    }
}

impl Model for Ruby {
    fn on_wake(&mut self, io: &mut Io<'_>) {
        for (address, token) in &self.peers {
            let mut elements = vec![r#"{"PleaseSendPeers":{}}"#.to_owned()];
            elements.extend(token.as_ref().map(|token| format!(r#"{{"AlwaysReturned":{token}}}"#)));
            io.send(*address, datagram(&elements));
        }
        io.wake_in(PACE);
    }

    fn on_datagram(&mut self, io: &mut Io<'_>, from: SocketAddr, _to: SocketAddr, payload: &[u8]) {
        self.learn(from);
        for (name, body) in messages(payload).unwrap_or_default() {
            match &*name {
                "PleaseAlwaysReturnThisMessage" => {
                    if let Some(token) = self.peers.get_mut(&from) {
                        *token = Some(body);
                    }
                }
                "PleaseSendPeers" => {
                    let known: Vec<_> = self.peers.keys().copied().collect();
                    io.send(from, datagram(&[peers(&known)]));
                }
                "PleaseReturnThisMessage" => io.send(from, datagram(&[format!(r#"{{"ReturnedMessage":{body}}}"#)])),
                "Peers" => addresses(&body).into_iter().for_each(|address| self.learn(address)),
                _ => {}
            }
        }
    }
}
