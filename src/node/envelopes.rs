//! Envelopes in datagrams: what may be spent on opening them, and whose keys are known.
//!
//! Anybody can send what looks like an envelope and costs us a thousand times what it costs the sender. So how many are
//! opened in a second is limited, for all strangers together and for each host that returned our token; what is too
//! much stays closed, and the rest of its datagram is handled as ever. A flood of bogus ones takes the strangers'
//! share away from other strangers, who need only return our token, beside the envelope, to be out of its reach.
//!
//! A restart forgets which envelopes were opened. Who sends an encrypted one again has our earlier self's token in it,
//! which is wrong by then: it proves no address, and what it brings is heard like a stranger's word, with no token
//! beside it, or like that of who sends it, and as nobody's line (see [`Node::author`]). What must not happen twice has
//! to have a number or a time of its own.

use super::Node;
use super::sender::Sender;
use super::shares::{Rates, Shares};
use crate::content::Store;
use crate::identity::known::KnownKeys;
use crate::identity::opening::{Kind, Layer, Opener};
use crate::identity::replays::Replays;
use crate::identity::whereabouts::Strength;
use crate::identity::{PublicKey, Refused};
use crate::rate::Rate;
use crate::sizes::Size;
use crate::time::Time;
use crate::wire::{Decoded, Hex32, Message, decode};
use rand::Rng;
use std::time::Duration;

/// How many envelopes are opened. One costs at most 125 µs of a core of 2020, whatever it is, in a datagram that is no
/// longer than we would send (280 µs in the longest there is): one of a key that we do not know, which takes two
/// secrets to find out. `scripts/bench envelopes` measures that. So the 400 a second of strangers take a twentieth of a
/// core (a ninth, of whoever sends 26 MB a second), and a burst delays others by 3 ms.
///
/// Those who returned our token have four times as much, a fifth of a core. Half of it is for hosts that want no more
/// than sixteen a second, which is more than chat allows anybody, so that fifty of them have enough whatever others do.
/// The other half is for whoever comes first: a stream of 1 MB/s takes 250 signed blocks a second.
const RATES: Rates = Rates {
    strangers: Rate { burst: 25, interval: Duration::from_micros(2_500) },
    host: Rate { burst: 32, interval: Duration::from_micros(62_500) },
    hosts: Rate { burst: 100, interval: Duration::from_micros(1_250) },
    spare: Rate { burst: 100, interval: Duration::from_micros(1_250) },
};

/// What an envelope says about where it was sent from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Echo {
    /// Nothing, or nothing that others could not have got its author to say.
    #[default]
    Absent,
    /// It has a token in it, and none that is ours for this address: it was written for another time or place.
    Wrong,
    /// It has our token for this address in it, and is meant for us: its author has sent it, and of late.
    Right,
}

impl Echo {
    /// What these messages say, of which the tokens are worth `strength`.
    pub(super) fn of(messages: &[Message<'_>], strength: Option<Strength>) -> Echo {
        match strength {
            Some(Strength::Meant) => Echo::Right,
            Some(Strength::Relayable) => Echo::Absent,
            None if messages.iter().any(|message| matches!(message, Message::AlwaysReturned(_))) => Echo::Wrong,
            None => Echo::Absent,
        }
    }

    /// What a layer says with those of the same author around it; `echoes` has what each says by itself.
    pub(super) fn around(layers: &[Layer], layer: &Layer, echoes: &[(&Layer, Echo)]) -> Echo {
        let mut all = Vec::new();
        let mut around = Some(layer);
        while let Some(this) = around.filter(|this| this.key == layer.key) {
            all.extend(echoes.iter().filter(|(other, _)| std::ptr::eq(*other, this)).map(|(_, echo)| *echo));
            around = this.outer.and_then(|place| layers.get(place));
        }
        [Echo::Right, Echo::Wrong].into_iter().find(|echo| all.contains(echo)).unwrap_or_default()
    }
}

/// What is remembered about envelopes.
#[derive(Debug)]
pub(super) struct Envelopes {
    replays: Replays,
    known: KnownKeys,
    shares: Shares,
}

impl Envelopes {
    pub(super) fn new(rng: &mut impl Rng) -> Envelopes {
        Envelopes { replays: Replays::new(rng), known: KnownKeys::default(), shares: Shares::new(rng) }
    }

    pub(super) fn sizes(&self) -> impl Iterator<Item = Size> {
        let Envelopes { replays, known, shares } = self;
        let replays = Size::new("envelopes opened lately", replays.len(), Replays::MAX);
        known.sizes().into_iter().chain([replays, shares.size("shares of envelopes")])
    }

    /// The keys that were proven.
    pub(super) fn known(&self) -> impl Iterator<Item = PublicKey> {
        self.known.iter()
    }

    /// Writes down whose keys were proven, by somebody who reads its address: others could fill the table.
    pub(super) fn note(&mut self, layers: &[Layer]) {
        layers.iter().for_each(|layer| self.known.note(layer.key));
    }
}

impl<S: Store> Node<S> {
    /// Whose line it is that is being handled: that of the envelope around it, if its author has sent it from here.
    /// Whoever has seen an envelope can send it again, and a restart forgets which were opened. The wild puts no token
    /// beside what it says; then it has to come from where the author was proven to live.
    pub(super) fn author(&self, sender: &Sender) -> Option<PublicKey> {
        sender.key.filter(|key| match sender.echo {
            Echo::Right => true,
            Echo::Wrong => false,
            Echo::Absent => self.home(key) == Some(sender.address),
        })
    }

    /// Opens the envelopes of a datagram, as many as may be paid for.
    pub(super) fn open_envelopes(&mut self, now: Time, sender: &Sender, messages: &[Message<'_>]) -> Vec<Layer> {
        if !messages.iter().any(is_envelope) {
            return Vec::new();
        }
        let Envelopes { replays, known, shares } = &mut self.envelopes;
        let mut may_open = |_: Kind| shares.allow(now, sender, &RATES);
        let known = |key| known.find(key);
        let opened =
            Opener { identity: &self.identity, replays, known: &known, may_open: &mut may_open }.open(messages);
        self.counters.envelopes_opened += opened.layers.len() as u64;
        for (_, why) in opened.refused {
            match why {
                Refused::TooCostly => self.counters.envelopes_over_rate += 1,
                Refused::Repeated => self.counters.envelopes_repeated += 1,
                _ => self.counters.envelopes_refused += 1,
            }
        }
        opened.layers
    }
}

/// Whether one more envelope of this sender may be paid for; it counts.
pub(super) fn may_open_more(envelopes: &mut Envelopes, now: Time, sender: &Sender) -> bool {
    envelopes.shares.allow(now, sender, &RATES)
}

/// Whether there may be messages inside.
fn is_envelope(message: &Message<'_>) -> bool {
    matches!(message, Message::SignedMessage(_) | Message::EncryptedMessages(_) | Message::FastEncryptedMessages(_))
}

/// The layers with their messages, in order, without those that name somebody else than `own` as the one they are meant
/// for. What was opened is an array.
pub(super) fn decode_layers(layers: &[Layer], own: PublicKey) -> Vec<(&Layer, Decoded<'_>)> {
    let decoded = layers.iter().filter_map(|layer| Some((layer, decode(&layer.text).ok()?)));
    decoded.filter(|(_, decoded)| audience(&decoded.messages).all(|key| key == own.hex())).collect()
}

/// Whom the messages of an envelope are meant for, if they say so.
pub(super) fn audience(messages: &[Message<'_>]) -> impl Iterator<Item = Hex32> {
    messages.iter().filter_map(|message| match message {
        Message::MeantFor(meant) => Some(meant.ed25519h),
        _ => None,
    })
}
