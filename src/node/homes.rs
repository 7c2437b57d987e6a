//! Who lives where, as far as it was proven to us: taking proofs, and telling those who ask.
//!
//! Nothing that somebody says of somebody else moves anybody here, and nobody is told more than one address.

use super::Node;
use super::dispatch::Sender;
use super::envelopes::audience;
use super::reply::Reply;
use crate::content::Store;
use crate::identity::PublicKey;
use crate::identity::opening::{Kind, Layer};
use crate::identity::whereabouts::{Outcome, Proof, Strength};
use crate::peers::address::makes_sense_to;
use crate::time::Time;
use crate::wire::messages::{Forwarded, MyPublicKey};
use crate::wire::{Hex32, Message, NullableHex32};
use std::net::SocketAddr;

/// What it proves that an envelope with these messages came from an address with our token for it. What is sealed is
/// sealed to us, and what is meant for others was put aside before.
pub(super) fn proof(layer: &Layer, messages: &[Message<'_>], address: SocketAddr) -> Proof {
    let is_meant = match layer.kind {
        Kind::Signed => audience(messages).next().is_some(),
        Kind::Sealed | Kind::Fast => true,
    };
    let strength = if is_meant { Strength::Meant } else { Strength::Relayable };
    Proof { key: layer.key, address, strength }
}

impl<S: Store> Node<S> {
    /// Takes note of who lives where a datagram came from.
    pub(super) fn take_proofs(&mut self, now: Time, proofs: &[Proof]) {
        for proof in proofs {
            match self.homes.prove(now, *proof) {
                Outcome::Found | Outcome::Stayed => {}
                // Whoever has seen how the old address was proven could prove it again.
                Outcome::Moved(from) => self.issuer.void(now, from),
                Outcome::Weaker => self.counters.homes_refused += 1,
            }
        }
    }

    /// Tells where the holder of a key is, if that was proven and the asker can make use of it.
    pub(super) fn tell_where(&mut self, sender: &Sender, key: Hex32, reply: &mut Reply) {
        reply.expects_answer();
        let Ok(key) = PublicKey::new(&key.0) else { return };
        let Some((home, _)) = self.homes.find(&key) else { return };
        if home == sender.address || !makes_sense_to(home, sender.address) {
            return;
        }
        let messages = [Message::MyPublicKey(MyPublicKey { ed25519h: key.hex() })];
        let Ok(messages) = serde_json::to_string(&messages) else { return };
        reply.push(&Message::Forwarded(Forwarded {
            src: home.to_string().into(),
            from_ed25519: NullableHex32(None),
            messages: messages.into(),
            might_be_ip_spoofing: !sender.is_verified(),
        }));
    }
}
