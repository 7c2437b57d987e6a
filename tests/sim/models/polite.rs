//! Somebody who speaks when spoken to: a peer with perfect manners and no wishes, so that all it receives after the
//! handshake was sent for the sender's own reasons, or for those of somebody else.

use super::{Io, Model, datagram, messages, peers};
use crate::attackers::token_in;
use std::collections::BTreeSet;
use std::net::SocketAddr;

/// A peer that answers.
pub struct Polite {
    contacts: Vec<SocketAddr>,
    /// Those whose token it has returned unasked, which it does once.
    greeted: BTreeSet<SocketAddr>,
}

impl Polite {
    pub fn new(contacts: Vec<SocketAddr>) -> Polite {
        Polite { contacts, greeted: BTreeSet::new() }
    }
}

impl Model for Polite {
    fn on_wake(&mut self, io: &mut Io<'_>) {
        for contact in &self.contacts {
            io.send(*contact, r#"[{"PleaseAlwaysReturnThisMessage":{"cookie":"polite"}},{"PleaseSendPeers":{}}]"#);
        }
    }

    fn on_datagram(&mut self, io: &mut Io<'_>, from: SocketAddr, _to: SocketAddr, payload: &[u8]) {
        let token = token_in(payload);
        let mut elements: Vec<_> = token.iter().cloned().collect();
        for (name, body) in messages(payload).unwrap_or_default() {
            match &*name {
                "PleaseReturnThisMessage" => elements.push(format!(r#"{{"ReturnedMessage":{body}}}"#)),
                "PleaseSendPeers" => elements.push(peers(&[])),
                _ => {}
            }
        }
        let is_asked = elements.len() > usize::from(token.is_some());
        if !is_asked && token.is_some() && self.greeted.insert(from) {
            elements.push(r#"{"IAmHere":{"name":"polite"}}"#.to_owned());
        }
        if elements.len() > usize::from(token.is_some()) {
            io.send(from, datagram(&elements));
        }
    }
}
