//! What stands in each datagram that a node sends, and where that may go: invariants 3 and 4, and from invariant 8 that
//! names are proven and that some addresses are not written to at all.

use super::{Cause, Checks};
use crate::eye::{self, Element, Scope, scope};
use cjp2p_node::Time;
use cjp2p_node::node::Transmit;
use cjp2p_node::wire::DATAGRAM_SEND_MAX_BYTES;
use std::net::SocketAddr;

impl Checks {
    /// Invariant 3.
    pub(super) fn well_formed<'a>(&self, cause: &Cause, transmit: &'a Transmit) -> Result<Vec<Element<'a>>, String> {
        let asks_large = matches!(cause, Cause::Datagram(heard) if heard.asks_large);
        if transmit.payload.len() > DATAGRAM_SEND_MAX_BYTES && !asks_large {
            return Err(format!("a datagram of {} bytes to {:?}", transmit.payload.len(), transmit.to));
        }
        eye::read(&transmit.payload).map_err(|why| {
            format!("sent what no node understands ({why}): {}", String::from_utf8_lossy(&transmit.payload))
        })
    }

    /// The last part of invariant 8: some addresses are not written to at all.
    pub(super) fn reachable(&self, to: SocketAddr) -> Result<(), String> {
        if to.port() < 1024 {
            return Err(format!("wrote to {to}, a port below 1024"));
        }
        let is_legitimate = self.known.get(&to).is_some_and(|known| known.is_legitimate);
        match scope(to.ip()) {
            Scope::None => Err(format!("wrote to {to}, which is nobody's address")),
            Scope::Global => Ok(()),
            _ if is_legitimate => Ok(()),
            narrow => Err(format!("wrote to {to} ({narrow:?}), which only somebody of wider scope had named")),
        }
    }

    /// Invariants 4 and 8: tokens go home, and names are proven.
    pub(super) fn element(&mut self, clock: Time, to: SocketAddr, element: &Element<'_>) -> Result<(), String> {
        let payload = element.payload;
        match &*element.name {
            "PleaseAlwaysReturnThisMessage" => {
                let cookie =
                    cookie(payload).ok_or_else(|| format!("sent the token {payload}, which the wild ignores"))?;
                self.known.entry(to).or_default().issued.insert(cookie, clock);
            }
            "AlwaysReturned" if !self.known.get(&to).is_some_and(|known| known.owed.contains(payload)) => {
                return Err(format!("returned {payload} to {to}, which never issued it"));
            }
            "PleaseReturnThisMessage" => {
                let known = self.known.entry(to).or_default();
                if !known.is_proven {
                    known.probes.insert(payload.to_owned());
                }
            }
            "Peers" | "MaybeTheyHaveSome" => return self.named(to, payload),
            _ => {}
        }
        Ok(())
    }

    fn named(&self, to: SocketAddr, payload: &str) -> Result<(), String> {
        for address in eye::addresses(payload)? {
            if !self.is_proven(address) {
                return Err(format!("named {address} to {to}, though it never returned a token or a probe"));
            }
            if scope(address.ip()) == Scope::Link {
                return Err(format!("named the link-local address {address}"));
            }
            if scope(address.ip()) < scope(to.ip()) {
                return Err(format!("named {address} to {to}, which cannot reach it"));
            }
        }
        Ok(())
    }
}

/// The eight characters in `{"cookie":"…"}`, which is the only form the wild understands.
fn cookie(payload: &str) -> Option<String> {
    let cookie = payload.strip_prefix(r#"{"cookie":""#)?.strip_suffix(r#""}"#)?;
    let is_plain =
        cookie.len() == 8 && cookie.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    is_plain.then(|| cookie.to_owned())
}
