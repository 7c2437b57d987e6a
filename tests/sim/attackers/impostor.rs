//! The impostor: says that others' keys are its own, shows around what they signed, moves about with keys of its own, and
//! sends envelopes that nobody can open.

use super::token_in;
use crate::models::{Io, Model, datagram, messages};
use crate::rng::Rng;
use cjp2p_node::identity::{Identity, PublicKey};
use cjp2p_node::wire::Message;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// How many envelopes of others it keeps, each with the address from which it came.
const STOLEN_MAX: usize = 256;

/// How many keys of its own it has.
const KEYS: u64 = 20;

/// An impostor.
pub struct Impostor {
    addresses: Vec<SocketAddr>,
    /// Whom it deceives, and whose keys it claims.
    targets: Vec<(SocketAddr, PublicKey)>,
    tokens: BTreeMap<(SocketAddr, SocketAddr), String>,
    stolen: Vec<(SocketAddr, String)>,
    pace: Duration,
}

impl Impostor {
    pub fn new(addresses: Vec<SocketAddr>, targets: Vec<(SocketAddr, PublicKey)>, pace: Duration) -> Impostor {
        Impostor { addresses, targets, tokens: BTreeMap::new(), stolen: Vec::new(), pace }
    }

    /// What has been overheard besides, and from where.
    pub fn overhear(&mut self, from: SocketAddr, payload: &[u8]) {
        for (name, body) in messages(payload).unwrap_or_default() {
            if matches!(&*name, "SignedMessage" | "EncryptedMessages") {
                if self.stolen.len() >= STOLEN_MAX {
                    self.stolen.remove(0);
                }
                self.stolen.push((from, format!(r#"{{"{name}":{body}}}"#)));
            }
        }
    }

    /// An envelope of its own, or one that pretends to be somebody's.
    fn envelope(&self, rng: &mut Rng, token: &str) -> String {
        let own = Identity::from_seed(&[rng.below(KEYS) as u8 + 100; 32]);
        let (_, victim) = rng.pick(&self.targets);
        let (_, other) = rng.pick(&self.targets);
        let key = |key: PublicKey| format!(r#"{{"MyPublicKey":{{"ed25519h":"{key}"}}}}"#);
        let meant = |key: PublicKey| format!(r#"{{"MeantFor":{{"ed25519h":"{key}"}}}}"#);
        let text = match rng.below(4) {
            // It lives at each of its addresses in turn.
            0 => format!("[{token},{}]", key(own.public())),
            1 => format!("[{token},{},{}]", key(own.public()), meant(other)),
            2 => format!("[{token},{}]", key(victim)),
            _ => format!(r#"[{token},{},{{"PleaseSendPeers":{{}}}}]"#, key(victim)),
        };
        if rng.chance(300) {
            let mut ephemeral = [0; 32];
            ephemeral[..8].copy_from_slice(&rng.bits().to_le_bytes());
            let sealed = own.seal(&other, &text, ephemeral).unwrap();
            return serde_json::to_string(&Message::EncryptedMessages(sealed)).unwrap();
        }
        let signed = serde_json::to_string(&Message::SignedMessage(own.sign(&text).unwrap())).unwrap();
        if rng.chance(300) { signed.replace(&own.public().to_string(), &victim.to_string()) } else { signed }
    }
}

impl Model for Impostor {
    fn on_wake(&mut self, io: &mut Io<'_>) {
        let (from, (to, _)) = (io.rng.pick(&self.addresses), io.rng.pick(&self.targets));
        let ask = r#"{"PleaseSendPeers":{}},{"PleaseAlwaysReturnThisMessage":{"cookie":"i"}}"#.to_owned();
        let Some(token) = self.tokens.get(&(from, to)).cloned() else {
            io.send_as(from, to, datagram(&[ask]));
            return io.wake_in(self.pace);
        };
        let (_, victim) = io.rng.pick(&self.targets);
        let question = format!(r#"{{"WhereAreThey":{{"ed25519h":"{victim}"}}}}"#);
        match io.rng.below(5) {
            0 if !self.stolen.is_empty() => {
                let (home, stolen) = self.stolen[io.rng.index(self.stolen.len())].clone();
                let source = if io.rng.chance(500) { home } else { from };
                io.send_as(source, to, datagram(&[stolen, token]));
            }
            1 => {
                let nowhere = SocketAddr::from(([122, io.rng.below(256) as u8, io.rng.below(256) as u8, 1], 24_254));
                let envelope = self.envelope(io.rng, &token);
                io.send_as(nowhere, to, datagram(&[envelope]));
            }
            2 => io.send_as(from, to, datagram(&[token, question, ask])),
            _ => {
                let envelope = self.envelope(io.rng, &token);
                io.send_as(from, to, datagram(&[envelope, token]));
            }
        }
        io.wake_in(self.pace);
    }

    fn on_datagram(&mut self, io: &mut Io<'_>, from: SocketAddr, to: SocketAddr, payload: &[u8]) {
        self.overhear(from, payload);
        if let Some(token) = token_in(payload) {
            self.tokens.insert((to, from), token);
        }
        let probe =
            messages(payload).unwrap_or_default().into_iter().find(|(name, _)| name == "PleaseReturnThisMessage");
        if let (Some((_, body)), Some(token)) = (probe, self.tokens.get(&(to, from))) {
            io.send_as(to, from, datagram(&[format!(r#"{{"ReturnedMessage":{body}}}"#), token.clone()]));
        }
    }
}
