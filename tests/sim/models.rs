//! Models of everybody else: the nodes of the wild as they were recorded, and, in `attackers.rs`, those who mean harm.
//!
//! A model is as simple as its behaviour allows. It refuses to be a second implementation: what ours does not depend
//! on, a model does not do.

mod polite;
mod ruby;
mod wild;

pub use polite::Polite;
pub use ruby::Ruby;
pub use wild::Wild;

use crate::rng::Rng;
use cjp2p_node::Time;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;

/// What a model can do at one moment.
pub struct Io<'a> {
    pub now: Time,
    pub rng: &'a mut Rng,
    /// What it sends.
    pub out: Vec<Outgoing>,
    /// When it wants [`Model::on_wake`].
    pub wake_at: Option<Time>,
}

/// A datagram of a model.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The source it claims; its own if `None`.
    pub forged: Option<SocketAddr>,
    pub to: SocketAddr,
    pub payload: Vec<u8>,
}

impl Io<'_> {
    /// Sends from its own address.
    pub fn send(&mut self, to: SocketAddr, payload: impl Into<Vec<u8>>) {
        self.out.push(Outgoing { forged: None, to, payload: payload.into() });
    }

    /// Sends with a source of its choice.
    pub fn send_as(&mut self, source: SocketAddr, to: SocketAddr, payload: impl Into<Vec<u8>>) {
        self.out.push(Outgoing { forged: Some(source), to, payload: payload.into() });
    }

    /// Asks to be woken.
    pub fn wake_in(&mut self, span: Duration) {
        self.wake_at = Some(self.now + span);
    }
}

/// Somebody else's behaviour.
pub trait Model {
    /// The world begins, or the wish of an earlier `wake_in` comes true.
    fn on_wake(&mut self, _io: &mut Io<'_>) {}

    /// A datagram arrives at `to`, one of its addresses.
    fn on_datagram(&mut self, _io: &mut Io<'_>, _from: SocketAddr, _to: SocketAddr, _payload: &[u8]) {}
}

/// Receives and says nothing: a victim, or a dead address that is watched.
pub struct Mute;

impl Model for Mute {}

/// Returns every datagram to its sender, unchanged, as the echo service of old did.
pub struct Echo;

impl Model for Echo {
    fn on_datagram(&mut self, io: &mut Io<'_>, from: SocketAddr, to: SocketAddr, payload: &[u8]) {
        io.send_as(to, from, payload);
    }
}

/// The messages of a datagram, as (name, payload), as a simple implementation reads them: all or nothing.
pub fn messages(payload: &[u8]) -> Option<Vec<(String, Value)>> {
    let elements: Vec<serde_json::Map<String, Value>> = serde_json::from_slice(payload).ok()?;
    Some(elements.into_iter().flatten().collect())
}

/// A datagram out of elements.
pub fn datagram(elements: &[String]) -> Vec<u8> {
    format!("[{}]", elements.join(",")).into_bytes()
}

/// The addresses in a `peers` field, all or nothing.
pub fn addresses(payload: &Value) -> Vec<SocketAddr> {
    let list = payload["peers"].as_array().map_or(&[][..], Vec::as_slice);
    let parsed: Option<Vec<_>> = list.iter().map(|entry| entry.as_str()?.parse().ok()).collect();
    parsed.unwrap_or_default()
}

/// A `Peers` message.
pub fn peers(addresses: &[SocketAddr]) -> String {
    let list: Vec<_> = addresses.iter().map(|address| format!("\"{address}\"")).collect();
    format!(r#"{{"Peers":{{"peers":[{}]}}}}"#, list.join(","))
}
