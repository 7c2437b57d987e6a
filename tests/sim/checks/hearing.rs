//! What a node hears, read with the crate's own decoder and opener of envelopes: only those say what the node can have
//! understood. What is in an envelope counts like what is outside, unless it is meant for somebody else.

use super::{Checks, SMALLEST_REQUEST, TOKEN_LIFETIME, is_token};
use crate::eye::{Scope, scope};
use cjp2p_node::Time;
use cjp2p_node::identity::Identity;
use cjp2p_node::identity::known::KnownKeys;
use cjp2p_node::identity::opening::{Layer, Opener};
use cjp2p_node::identity::replays::Replays;
use cjp2p_node::node::Event;
use cjp2p_node::wire::{self, Message};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::net::SocketAddr;

/// A datagram that came in, as far as the checks care.
#[derive(Debug, Default)]
pub struct Heard {
    pub(super) from: Option<SocketAddr>,
    pub(super) bytes: usize,
    pub(super) is_verified: bool,
    pub(super) is_smallest: bool,
    pub(super) is_tokens_only: bool,
    pub(super) asks_large: bool,
    pub(super) unknown: Vec<(String, String)>,
}

/// What it takes to open what a node can open: its key, and what it was sent before.
#[derive(Debug)]
pub struct Envelopes {
    identity: Identity,
    replays: Replays,
    known: KnownKeys,
}

impl Envelopes {
    pub fn new(identity: Identity) -> Envelopes {
        let replays = Replays::new(&mut StdRng::from_seed([7; 32]));
        Envelopes { identity, replays, known: KnownKeys::default() }
    }

    fn open(&mut self, messages: &[Message<'_>]) -> Vec<Layer> {
        let Envelopes { identity, replays, known } = self;
        let known = |key| known.find(key);
        Opener { identity, replays, known: &known, may_open: &mut |_| true }.open(messages).layers
    }

    /// Whether messages name somebody else as the one they are meant for.
    fn are_for_others(&self, messages: &[Message<'_>]) -> bool {
        let own = self.identity.public().hex();
        messages.iter().any(|message| matches!(message, Message::MeantFor(meant) if meant.ed25519h != own))
    }
}

impl Checks {
    /// Reads a datagram that is about to be handed to the node.
    pub fn hear(&mut self, now: Time, clock: Time, from: SocketAddr, bytes: &[u8]) -> Heard {
        let mut heard = Heard { from: Some(from), bytes: bytes.len(), ..Heard::default() };
        heard.is_smallest = bytes == SMALLEST_REQUEST;
        if let Ok(decoded) = wire::decode(bytes) {
            heard.is_tokens_only = !decoded.messages.is_empty();
            for message in &decoded.messages {
                self.read(clock, from, message, &mut heard);
            }
            let layers = self.envelopes.open(&decoded.messages);
            for inner in layers.iter().filter_map(|layer| wire::decode(&layer.text).ok()) {
                if !self.envelopes.are_for_others(&inner.messages) {
                    inner.messages.iter().for_each(|message| self.read(clock, from, message, &mut heard));
                }
            }
            if heard.is_verified {
                layers.iter().for_each(|layer| self.envelopes.known.note(layer.key));
            }
        }
        let known = self.known.entry(from).or_default();
        known.is_legitimate = true;
        known.is_proven |= heard.is_verified;
        known.heard = now;
        if !heard.is_verified {
            self.accounts.entry(from).or_default().hear(now, bytes.len());
        }
        self.sweep(now);
        heard
    }

    fn read(&mut self, clock: Time, from: SocketAddr, message: &Message<'_>, heard: &mut Heard) {
        let known = self.known.entry(from).or_default();
        heard.is_tokens_only &= is_token(message.name());
        match message {
            Message::AlwaysReturned(payload) => {
                let returned: serde_json::Value = serde_json::from_str(payload.0.get()).unwrap_or_default();
                let issued = returned["cookie"].as_str().and_then(|token| known.issued.get(token));
                heard.is_verified |= issued.is_some_and(|issued| clock.since(*issued) <= TOKEN_LIFETIME);
            }
            Message::ReturnedMessage(payload) => known.is_proven |= known.probes.contains(payload.0.get()),
            Message::PleaseAlwaysReturnThisMessage(payload) => _ = known.owed.insert(payload.0.get().to_owned()),
            Message::PleaseSendContent(ask) => heard.asks_large |= ask.length > 4096,
            Message::Peers(peers) => self.names(from, peers.peers.0.iter().map(|text| &**text)),
            Message::MaybeTheyHaveSome(maybe) => self.names(from, maybe.peers.0.iter().map(|text| &**text)),
            Message::Unknown(unknown) => {
                heard.unknown.push((unknown.name.clone().into_owned(), unknown.payload.get().to_owned()));
            }
            _ => {}
        }
    }

    /// Takes note of addresses of narrow scope that somebody of no wider scope named.
    fn names<'a>(&mut self, from: SocketAddr, names: impl Iterator<Item = &'a str>) {
        let from_scope = scope(from.ip());
        if from_scope == Scope::Global {
            return;
        }
        for address in names.filter_map(|name| name.parse::<SocketAddr>().ok()) {
            if scope(address.ip()) >= from_scope {
                self.known.entry(address).or_default().is_legitimate = true;
            }
        }
    }
}

/// Invariant 7: either the whole datagram was dropped, or every unknown message came out byte for byte, in order.
pub(super) fn unknown_came_out(heard: &Heard, events: &[Event], is_dropped: bool) -> Result<(), String> {
    let mut out = Vec::new();
    for event in events {
        if let Event::Unknown { from, is_verified, name, payload } = event {
            if Some(*from) != heard.from || *is_verified && !heard.is_verified {
                return Err(format!("{event:?} came out of a datagram from {:?}", heard.from));
            }
            out.push((name.clone(), payload.clone()));
        }
    }
    let want = if is_dropped { &[][..] } else { &heard.unknown };
    if out != want {
        return Err(format!("unknown messages {:?} came out as {out:?}", heard.unknown));
    }
    Ok(())
}
