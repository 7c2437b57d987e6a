//! Private messages that arrive: shown once however often they are sent, and answered in the same privacy.
//!
//! What is private is what its author encrypted for us, itself or around what it signed. A line that somebody else put
//! into an envelope of his own is not: he may have had it from anywhere. What such a datagram asks for is answered in
//! an envelope as well, and so proves where we are to whoever wrote. A line that is not shown, because it is one too
//! many, its author is ignored or unproven, or nobody looks, is not confirmed either: then it has not been delivered.
//!
//! An envelope can come from others than its author, who have kept it. With a token in it that is not ours for where it
//! comes from it is not shown; without any, and not from where its author lives, as the line of whoever sends it.

use crate::content::Store;
use crate::hash::Key;
use crate::identity::PublicKey;
use crate::identity::opening::{Kind, Layer};
use crate::node::envelopes::Echo;
use crate::node::reply::Reply;
use crate::node::sender::Sender;
use crate::node::{Event, Node};
use crate::rate::{Limiter, Rate};
use crate::sizes::{Size, no_table};
use crate::time::Time;
use crate::wire::encode::Writer;
use crate::wire::messages::ChatMessage;
use crate::wire::{Decoded, Message};
use rand::Rng;
use std::collections::VecDeque;
use std::time::Duration;

/// How many private messages are remembered as seen; the oldest is forgotten first. All senders together are shown five
/// lines a second, so none that is still sent again is forgotten in the two minutes that ours is.
const SEEN_MAX: usize = 1_024;

/// How many answers are sealed: 200 a second take a fiftieth of a core. All senders together are shown five lines a
/// second; the rest is for what is sent again.
const SEALING: Rate = Rate { burst: 25, interval: Duration::from_millis(5) };

/// How much is answered in one envelope, in bytes: a few probes and a line.
const ANSWER_MAX_BYTES: usize = 1_024;

const DOMAIN_SEEN: u8 = 7;

/// The private envelope around the message that is being handled.
#[derive(Debug)]
pub(in crate::node) struct Envelope {
    /// Whose it is.
    pub(in crate::node) key: PublicKey,
    /// What tells the line in it from others; `None` if nothing in it does.
    cookie: Option<String>,
    /// Whether there is a line in it.
    has_line: bool,
    /// Whether that was not shown, so that it is not to be confirmed.
    is_withheld: bool,
}

impl Envelope {
    /// Whether a cookie in it stands for its line and not for the path to its sender.
    pub(in crate::node) fn carries_line(&self) -> bool {
        self.has_line
    }
}

/// What was seen, and what has yet to be answered.
#[derive(Debug)]
pub(in crate::node) struct Received {
    key: Key,
    seen: VecDeque<u64>,
    sealing: Limiter,
}

impl Received {
    pub(super) fn new(rng: &mut impl Rng) -> Received {
        Received { key: Key::new(rng), seen: VecDeque::new(), sealing: Limiter::default() }
    }

    pub(super) fn size(&self) -> Size {
        let Received { key, seen, sealing } = self;
        no_table(key);
        no_table(sealing);
        Size::new("private messages seen", seen.len(), SEEN_MAX)
    }

    /// What a line is known by: its author, its text, and the cookie beside it, which stays the same when it is sent
    /// again. Without one nothing tells a line that is sent again from one that is said again.
    fn hash(&self, envelope: &Envelope, text: &str) -> Option<u64> {
        let cookie = envelope.cookie.as_ref()?;
        Some(self.key.parts(DOMAIN_SEEN, &[envelope.key.bytes(), cookie.as_bytes(), text.as_bytes()]))
    }

    fn remember(&mut self, hash: u64) {
        if self.seen.len() >= SEEN_MAX {
            self.seen.pop_front();
        }
        self.seen.push_back(hash);
    }
}

/// The private envelope that a layer of a datagram is, or is in, if its author made both.
pub(in crate::node) fn envelope_of(layers: &[Layer], layer: &Layer, decoded: &Decoded<'_>) -> Option<Envelope> {
    let mut around = Some(layer);
    while let Some(outer) = around.filter(|outer| outer.kind == Kind::Signed) {
        around = outer.outer.and_then(|place| layers.get(place));
    }
    around.filter(|outer| outer.key == layer.key)?;
    let cookie = decoded.messages.iter().find_map(|message| match message {
        Message::PleaseReturnThisMessage(probe) => Some(probe.0.get().to_owned()),
        _ => None,
    });
    let has_line = decoded.messages.iter().any(|message| matches!(message, Message::ChatMessage(_)));
    Some(Envelope { key: layer.key, cookie, has_line, is_withheld: false })
}

impl<S: Store> Node<S> {
    /// Takes a private line: shown once, and answered if it is one of the two questions.
    pub(in crate::node) fn take_private(&mut self, now: Time, sender: &mut Sender, text: &str) {
        let Some(envelope) = &sender.private else { return };
        let key = envelope.key;
        let is_authors = self.author(sender) == Some(key);
        let hash = self.private.received.hash(envelope, text).filter(|_| is_authors);
        if hash.is_some_and(|hash| self.private.received.seen.contains(&hash)) {
            return;
        }
        let is_old = sender.echo == Echo::Wrong;
        let is_unheard = is_old || self.config.is_deaf;
        if is_unheard || self.groups.is_ignored(&key) || !self.listens_to(now, sender) || !self.has_room_for_line(now) {
            self.counters.messages_unverified += u64::from(is_old);
            // Should it be sent again, there may be room for it.
            sender.private.iter_mut().for_each(|envelope| envelope.is_withheld = true);
            return;
        }
        hash.into_iter().for_each(|hash| self.private.received.remember(hash));
        if let Some(answer) = self.answer_to(text) {
            sender.answer_privately(&Message::ChatMessage(ChatMessage { message: answer.into() }));
        }
        let (from, text) = (sender.address, super::super::chat::cut(text).to_owned());
        if is_authors {
            self.report(Event::PrivateChat { key, from, text });
        } else {
            // Its author has to hear nothing of it, and what is said again by the author is shown.
            sender.private.iter_mut().for_each(|envelope| envelope.is_withheld = true);
            self.report(Event::Chat { from, key: None, text });
        }
    }

    /// Adds to the answer what was to be said in private, each in an envelope for whom it is meant.
    pub(in crate::node) fn seal_answers(&mut self, now: Time, sender: &mut Sender, reply: &mut Reply) {
        for (key, mut elements) in std::mem::take(&mut sender.answers) {
            if !self.private.received.sealing.allow(now, SEALING) {
                self.counters.messages_over_rate += 1;
                continue;
            }
            let owed = self.peers.get(sender.address).and_then(|peer| peer.owed.clone());
            let owed = sender.asks_for.clone().or(owed);
            if let Some(sealed) = self.seal_elements(&key, &mut elements, owed.as_ref()) {
                reply.push(&self.my_key());
                reply.push(&sealed);
            }
        }
    }
}

impl Sender {
    /// Returns a cookie in private, unless what it stands for was not shown. Says no if there is no privacy to keep.
    pub(in crate::node) fn returns_privately(&mut self, cookie: &str) -> bool {
        if self.private.as_ref().is_some_and(|envelope| envelope.is_withheld) {
            return true;
        }
        // To whoever is unproven there is not enough to say for an envelope.
        if self.private.is_none() || !self.is_verified() {
            return false;
        }
        self.answer_with(|writer| writer.push_raw("ReturnedMessage", cookie, ANSWER_MAX_BYTES));
        true
    }

    fn answer_privately(&mut self, message: &Message<'_>) {
        self.answer_with(|writer| writer.push(message, ANSWER_MAX_BYTES));
    }

    /// Adds to what is said in private to the author of the present envelope.
    fn answer_with(&mut self, push: impl FnOnce(&mut Writer) -> bool) {
        let Some(key) = self.private.as_ref().map(|envelope| envelope.key) else { return };
        let place = self.answers.iter().position(|(other, _)| *other == key).unwrap_or_else(|| {
            self.answers.push((key, Writer::default()));
            self.answers.len() - 1
        });
        if let Some((_, writer)) = self.answers.get_mut(place) {
            push(writer);
        }
    }
}
