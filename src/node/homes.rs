//! Who lives where: taking proofs, telling those who ask, and showing our neighbours our own.
//!
//! Nothing that somebody says of somebody else moves anybody here. We show our key to neighbours alone and to peers
//! that are tried as such, and only as long as they have not seen it with the token that they want from us now: a new
//! one may mean that we have moved. It rides on probes that are sent anyway as far as it can. Whose key we do not know
//! yet is shown what the wild shows; once we do, what we sign says whom it is meant for.

use super::Node;
use super::envelopes::audience;
use super::notes::Note;
use super::provoked::{Kind as Provoking, TOKEN_ONE};
use super::reply::Reply;
use super::sender::Sender;
use crate::content::Store;
use crate::hash::Key;
use crate::identity::opening::{Kind, Layer};
use crate::identity::whereabouts::{Proof, Strength};
use crate::identity::{PublicKey, TEXT_MAX_BYTES};
use crate::peers::address::makes_sense_to;
use crate::peers::links::LINKS_MAX;
use crate::rate::{Limiter, Rate};
use crate::sizes::Size;
use crate::time::Time;
use crate::tokens::{self, Cookie, Owed};
use crate::wire::encode::Writer;
use crate::wire::messages::{Forwarded, MeantFor, MyPublicKey};
use crate::wire::{DATAGRAM_SEND_MAX_BYTES, Hex32, Message, NullableHex32};
use rand::Rng;
use serde_json::value::RawValue;
use std::net::SocketAddr;
use std::time::Duration;

/// What it proves that an envelope with these messages came from an address with our token for it. What is sealed is
/// sealed to us, and what is meant for others was put aside before.
pub(super) fn proof(layer: &Layer, messages: &[Message<'_>], address: SocketAddr, token: tokens::Proof) -> Proof {
    let is_meant = match layer.kind {
        Kind::Signed => audience(messages).next().is_some(),
        Kind::Sealed | Kind::Fast => true,
    };
    let strength = if is_meant { Strength::Meant } else { Strength::Relayable };
    Proof { key: layer.key, address, strength, is_fresh: token != tokens::Proof::Doubted }
}

/// The pause between two looks at what a neighbour was shown, if it was not us who wrote first.
const LOOK_PAUSE: Duration = Duration::from_secs(5);

/// The pause before what a neighbour was shown is shown again if no answer says that it has arrived: longer than most
/// round trips. After the second time it is twice as long.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// How often it is shown again. Who has moved is to be found within five seconds, even if this is lost; where a tenth
/// of all datagrams is, all four fail, and the first, once in 100,000 times. Some nodes answer no probes; and later
/// ones carry it too.
const AGAIN_MAX: u32 = 4;

/// How often a neighbour is written to for the sake of our key: as often as it takes if it has moved, or we have, and
/// then eight times a minute. Some give out another token in each datagram, and some answer every other probe.
const SHOWN: Rate = Rate { burst: 1 + AGAIN_MAX, interval: Duration::from_millis(7_500) };

/// How often a token from elsewhere is compared with those of all neighbours, which takes some microseconds: a flood of
/// wrong ones costs a thousandth of a core.
const STRAYS: Rate = Rate { burst: 32, interval: Duration::from_millis(10) };

/// What a neighbour was shown last.
#[derive(Clone, Copy, Debug)]
struct Shown {
    neighbour: SocketAddr,
    /// A mark of its token and of its key.
    what: u64,
    /// The probe that went with it; `None` once that was answered, so that it has arrived.
    probe: Option<Cookie>,
    /// When we looked last whether there is something to show.
    looked: Time,
    /// How often the neighbour was written to for this.
    written: Limiter,
    /// How often, because it seemed to have changed its token.
    followed_up: Limiter,
    /// When it is to be shown again, and how often it was.
    again: Option<Time>,
    repeats: u32,
}

/// What our neighbours were shown, trials included; of those that are none any more nothing is remembered.
#[derive(Debug)]
pub(super) struct Showings {
    key: Key,
    shown: Vec<Shown>,
    /// How often we look whose token somebody returns from elsewhere.
    strays: Limiter,
}

impl Showings {
    pub(super) fn new(rng: &mut impl Rng) -> Showings {
        Showings { key: Key::new(rng), shown: Vec::new(), strays: Limiter::default() }
    }

    pub(super) fn size(&self) -> Size {
        Size::new("neighbours that were shown our key", self.shown.len(), LINKS_MAX)
    }

    /// A probe has come home: what went with it has arrived.
    pub(super) fn arrived(&mut self, neighbour: SocketAddr, cookie: Cookie) {
        let shown = self.shown.iter_mut().find(|shown| shown.neighbour == neighbour);
        if let Some(shown) = shown.filter(|shown| shown.probe == Some(cookie)) {
            (shown.probe, shown.again) = (None, None);
        }
    }

    /// When something is to be shown again.
    pub(super) fn due(&self) -> Option<Time> {
        self.shown.iter().filter_map(|shown| shown.again).min()
    }

    /// Whether it is time for a look at what a neighbour was shown.
    fn looks(&mut self, now: Time, neighbour: SocketAddr) -> bool {
        match self.shown.iter_mut().find(|shown| shown.neighbour == neighbour) {
            Some(shown) if now.since(shown.looked) < LOOK_PAUSE => false,
            Some(shown) => {
                shown.looked = now;
                true
            }
            None => true,
        }
    }

    /// Whether a neighbour may be written to in order to show it something.
    fn may_show(&mut self, now: Time, neighbour: SocketAddr) -> bool {
        let shown = self.shown.iter_mut().find(|shown| shown.neighbour == neighbour);
        shown.is_none_or(|shown| shown.written.allow(now, SHOWN))
    }

    /// Whether a neighbour has yet to see this.
    fn is_due(&self, neighbour: SocketAddr, what: u64) -> bool {
        let shown = self.shown.iter().find(|shown| shown.neighbour == neighbour);
        shown.is_none_or(|shown| shown.what != what || shown.probe.is_some())
    }

    /// This is shown to a neighbour, with a probe.
    fn note(&mut self, now: Time, neighbour: SocketAddr, what: u64, probe: Cookie) {
        let before = self.shown.iter().position(|shown| shown.neighbour == neighbour);
        // Who never answers shall not be shown more for changing what it wants to see.
        let before = before.map(|place| self.shown.swap_remove(place));
        let [written, followed_up] = before.map_or_else(Default::default, |shown| [shown.written, shown.followed_up]);
        let repeats = before.filter(|shown| shown.probe.is_some()).map_or(0, |shown| shown.repeats + 1);
        let again = (repeats < AGAIN_MAX).then(|| now + AGAIN_AFTER * if repeats < 2 { 1 } else { 2 });
        self.shown.push(Shown {
            neighbour,
            what,
            probe: Some(probe),
            looked: now,
            written,
            followed_up,
            again,
            repeats,
        });
    }
}

impl<S: Store> Node<S> {
    /// Shows our key to a neighbour that has just written, unless it has seen it. The other side may be the one that
    /// always writes first, and then no probe of ours would ever carry it.
    pub(super) fn show_key(&mut self, now: Time, neighbour: SocketAddr) {
        if !self.links.holds(neighbour) || !self.showings.looks(now, neighbour) {
            return;
        }
        let Some(peer) = self.peers.get(neighbour) else { return };
        // With a token that is about to be replaced it would prove nothing, and seem to have arrived. Whether it is
        // replaced may still be open, because an answer was lost.
        let is_open = peer.candidate.is_some();
        let is_due = |owed| self.showings.is_due(neighbour, self.showing(neighbour, owed));
        if (is_open || peer.owed.as_ref().is_some_and(is_due)) && self.showings.may_show(now, neighbour) {
            self.show(now, neighbour);
        }
    }

    /// Whether a peer that seems to have changed its token may be written to for that. A neighbour that was shown our
    /// key has an account of its own: where we have moved, each is to hear of it, and not wait for another with which
    /// it happens to share one.
    pub(super) fn may_follow_up(&mut self, now: Time, address: SocketAddr) -> bool {
        let shown = self.showings.shown.iter_mut().find(|shown| shown.neighbour == address);
        match shown.filter(|_| self.links.holds(address)) {
            Some(shown) => shown.followed_up.allow(now, TOKEN_ONE),
            None => self.provoked.may_provoke(now, Provoking::Token, address),
        }
    }

    /// Probes a peer, with the token that it may have changed to if there is one.
    fn show(&mut self, now: Time, neighbour: SocketAddr) {
        match self.peers.get(neighbour) {
            Some(peer) if peer.candidate.is_some() => self.follow_up(now, neighbour),
            Some(_) => self.write_to(now, neighbour, Note { probes: true, ..Note::default() }),
            None => {}
        }
    }

    /// Shows our key to a neighbour that has just changed its token, and so perhaps forgotten where we are; not too
    /// often, because some give out another one in each datagram.
    pub(super) fn show_key_again(&mut self, now: Time, neighbour: SocketAddr) {
        if self.links.holds(neighbour) && self.showings.may_show(now, neighbour) {
            self.write_to(now, neighbour, Note { probes: true, ..Note::default() });
        }
    }

    /// Whether somebody returns the token of a neighbour, and not from there. It may be that neighbour, which does not
    /// know that its address is another one now; so it is to be told the token for this one.
    pub(super) fn is_astray(&mut self, now: Time, token: &RawValue) -> bool {
        let mut neighbours = self.links.iter().filter(|link| link.is_proven);
        self.showings.strays.allow(now, STRAYS)
            && neighbours.any(|link| self.issuer.check(link.address, token).is_some())
    }

    /// Shows again what has not arrived, as far as we know.
    pub(super) fn tend_showings(&mut self, now: Time) {
        while let Some(shown) = self.showings.shown.iter_mut().find(|shown| shown.again.is_some_and(|due| due <= now)) {
            let neighbour = shown.neighbour;
            // A trial has tries of its own; if the other side proves the path between two of them, this is next.
            shown.again = Some(now + AGAIN_AFTER).filter(|_| self.links.is_on_trial(neighbour));
            if self.links.holds(neighbour) && self.showings.may_show(now, neighbour) {
                self.show(now, neighbour);
            }
        }
    }

    /// A mark of what a neighbour is to be shown.
    fn showing(&self, neighbour: SocketAddr, owed: &Owed) -> u64 {
        let key = self.homes.who(neighbour);
        self.showings.key.parts(0, &[owed.as_json().as_bytes(), key.as_ref().map_or(&[], |key| key.bytes())])
    }

    /// Adds to a probe of a neighbour what proves our key to it, unless it has seen that: its token, signed.
    pub(super) fn push_own_proof(
        &mut self,
        now: Time,
        neighbour: SocketAddr,
        owed: Option<&Owed>,
        writer: &mut Writer,
    ) {
        let Some(probe) = self.peers.get(neighbour).and_then(|peer| peer.probe) else { return };
        let Some(owed) = owed.filter(|_| self.links.contains(neighbour)) else { return };
        let links = &self.links;
        self.showings.shown.retain(|shown| links.contains(shown.neighbour));
        let what = self.showing(neighbour, owed);
        if !self.showings.is_due(neighbour, what) {
            return;
        }
        self.showings.note(now, neighbour, what, probe.cookie);
        let reader = self.homes.who(neighbour);
        self.with_own_proof(owed, reader, |proof| writer.push(proof, DATAGRAM_SEND_MAX_BYTES));
    }

    /// Makes what proves our key to whoever gave us a token: that, signed, and meant for the reader if we know its key.
    pub(super) fn with_own_proof<T>(
        &self,
        owed: &Owed,
        reader: Option<PublicKey>,
        push: impl FnOnce(&Message<'_>) -> T,
    ) {
        let mut inner = Writer::default();
        inner.push_raw("AlwaysReturned", owed.as_json(), TEXT_MAX_BYTES);
        inner.push(&Message::MyPublicKey(MyPublicKey { ed25519h: self.public_key().hex() }), TEXT_MAX_BYTES);
        if let Some(key) = reader {
            inner.push(&Message::MeantFor(MeantFor { ed25519h: key.hex() }), TEXT_MAX_BYTES);
        }
        let text = String::from_utf8(inner.take()).unwrap_or_default();
        // It is far shorter than an envelope may be.
        if let Ok(signed) = self.identity.sign(&text) {
            push(&Message::SignedMessage(signed));
        }
    }

    /// Where the holder of a key was last proven to be.
    pub fn home(&self, key: &PublicKey) -> Option<SocketAddr> {
        self.homes.find(key).map(|(home, _)| home)
    }

    /// Tells where the holder of a key is, if that was proven and the asker can make use of it.
    pub(super) fn tell_where(&mut self, now: Time, sender: &Sender, key: Hex32, reply: &mut Reply) {
        reply.expects_answer();
        let Ok(key) = PublicKey::new(&key.0) else { return };
        if key == self.public_key() {
            return self.tell_where_we_are(now, sender, reply);
        }
        // Where it may have moved to as well: who asks finds out whose address it is.
        let is_of_use = |home: &SocketAddr| *home != sender.address && makes_sense_to(*home, sender.address);
        let homes: Vec<SocketAddr> = self.homes_of(&key).filter(is_of_use).collect();
        let messages = [Message::MyPublicKey(MyPublicKey { ed25519h: key.hex() })];
        let Ok(messages) = serde_json::to_string(&messages) else { return };
        for home in &homes {
            reply.push(&Message::Forwarded(Forwarded {
                src: home.to_string().into(),
                from_ed25519: NullableHex32(None),
                messages: messages.as_str().into(),
                might_be_ip_spoofing: !sender.is_verified(),
            }));
        }
        if sender.is_verified() {
            // Whoever asks will write there, where only what was written to gets in.
            self.introduce_to(now, sender.address, &homes);
        }
    }
}
