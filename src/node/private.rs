//! Private messages: what the user writes to a key, sent again until it is known to have been read by that key's node.
//!
//! Each travels in an envelope that only the recipient can open, together with a cookie that nobody else has seen.
//! Whoever returns the cookie has opened the envelope, so the message has arrived; works with the wild as it is, which
//! returns what `PleaseReturnThisMessage` says wherever it finds it. Until then the message is sent again with growing
//! pauses, each time in an envelope of its own, to where the key is known to live and to where others say that it does
//! (see [`find`](super::find)), if somebody there has returned our token. After [`PATIENCE`] it is given up, and the
//! user is told so.
//!
//! Of several messages to the same key the next is sent when the one before has arrived or was given up, so that they
//! arrive in order. Nothing is kept across a restart. This module writes to nobody but peers, and only for the user.

mod received;
mod waiting;

pub(super) use received::{Envelope, Received, envelope_of};
pub(super) use waiting::Private;
pub use waiting::{PATIENCE, RECIPIENTS_MAX, WAITING_MAX, WAITING_MAX_BYTES, WAITING_PER_KEY_MAX};

use super::notes::Note;
use super::reply::{push_owed, push_token};
use super::sender::Sender;
use super::{CommandError, Destination, Event, Node};
use crate::content::Store;
use crate::identity::PublicKey;
use crate::identity::whereabouts::Proof;
use crate::time::Time;
use crate::tokens::{Cookie, Owed};
use crate::wire::encode::Writer;
use crate::wire::messages::{ChatMessage, MyPublicKey};
use crate::wire::{DATAGRAM_SEND_MAX_BYTES, Message};
use rand::Rng;
use std::net::SocketAddr;
use waiting::{REPEAT_MAX, REPEAT_MIN, Waiting};

/// To how many addresses a message is sent at a time: where the key lives, or lived before a move that is in doubt, and
/// some that others named.
const COPIES_MAX: usize = 4;

/// After so many times without an answer others are asked where the key lives now: who has moved is to be found within
/// seconds.
const TRIES_BEFORE_FIND: u32 = 1;

/// The longest array that is sealed, in bytes. In base64 with the keys and tags of the envelope it has 5,464 bytes, and
/// 90 with what is around it; our key and the two tokens beside it have 300.
const SEALED_MAX_BYTES: usize = 4_000;

/// Why a message was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undelivered {
    /// Nobody was in reach who could have been asked for the address.
    NobodyToAsk,
    /// None of so many peers said where the key lives.
    NotFound(usize),
    /// Nobody answered at the addresses where it was said to live.
    NoAnswer,
    /// It was sent, and nothing came back: it may have arrived nevertheless.
    Unconfirmed,
}

impl<S: Store> Node<S> {
    /// Where to write to the holder of a key: where it was proven to live, and where it may have moved to.
    fn addresses_of(&self, key: &PublicKey) -> impl Iterator<Item = SocketAddr> + use<S> {
        self.homes.all_of(key).into_iter().flatten()
    }

    /// Whether the address of a key is known.
    pub fn is_found(&self, key: &PublicKey) -> bool {
        self.addresses_of(key).next().is_some()
    }

    /// Takes a message for the holder of a key, and sends it for the first time.
    pub(super) fn send_private(
        &mut self,
        now: Time,
        to: PublicKey,
        text: String,
        number: u64,
    ) -> Result<(), CommandError> {
        if to == self.public_key() {
            return Err(CommandError::ToOneself);
        }
        super::chat::sendable(&text)?;
        self.private.check_room(&to, &text)?;
        let cookie = self.issuer.probe(&mut self.private.rng);
        if self.seal_chat(&to, &text, cookie, Some(&Owed::longest())).is_none() {
            return Err(CommandError::BadText);
        }
        self.chat.may_say(now)?;
        self.private.waiting.push(Waiting {
            number,
            to,
            text,
            cookie,
            said: now,
            due: now,
            pause: REPEAT_MIN,
            sent: None,
            times: 0,
            hurries: 0,
            sent_to: Vec::new(),
        });
        self.tend_private(now);
        Ok(())
    }

    /// The envelope with a line and the cookie that says that it has arrived; `None` if it is too long.
    fn seal_chat(
        &mut self,
        to: &PublicKey,
        text: &str,
        cookie: Cookie,
        owed: Option<&Owed>,
    ) -> Option<Message<'static>> {
        let mut line = Writer::default();
        let limit = SEALED_MAX_BYTES;
        let is_whole = line.push(&Message::ChatMessage(ChatMessage { message: text.into() }), limit)
            && line.push_cookie("PleaseReturnThisMessage", cookie.as_bytes(), limit);
        if is_whole { self.seal_elements(to, &mut line, owed) } else { None }
    }

    /// The envelope with these elements behind the recipient's token and our key: both belong inside, where nobody can
    /// have put them but us. `None` if it is too long.
    fn seal_elements(
        &mut self,
        to: &PublicKey,
        elements: &mut Writer,
        owed: Option<&Owed>,
    ) -> Option<Message<'static>> {
        let mut inner = Writer::default();
        push_owed(&mut inner, owed, SEALED_MAX_BYTES);
        inner.push(&self.my_key(), SEALED_MAX_BYTES);
        let elements = elements.take();
        let elements = elements.get(1..elements.len().saturating_sub(1)).filter(|elements| !elements.is_empty())?;
        let is_whole = inner.push_with(SEALED_MAX_BYTES, |bytes| {
            bytes.extend_from_slice(elements);
            true
        });
        let text = String::from_utf8(inner.take()).ok().filter(|_| is_whole)?;
        let mut ephemeral = [0; 32];
        self.private.rng.fill_bytes(&mut ephemeral);
        let sealed = self.identity.seal(to, &text, ephemeral).ok()?;
        Some(Message::EncryptedMessages(sealed))
    }

    fn my_key(&self) -> Message<'static> {
        Message::MyPublicKey(MyPublicKey { ed25519h: self.public_key().hex() })
    }

    /// Gives up what has waited for too long, and sends what is due.
    pub(super) fn tend_private(&mut self, now: Time) {
        while let Some(place) = self.private.waiting.iter().position(|message| now.since(message.said) >= PATIENCE) {
            let Waiting { number, to, text, times, .. } = self.private.waiting.remove(place);
            let why = match self.finds.outcome(&to) {
                _ if times > 0 => Undelivered::Unconfirmed,
                (_, 1..) => Undelivered::NoAnswer,
                (0, _) => Undelivered::NobodyToAsk,
                (asked, _) => Undelivered::NotFound(asked),
            };
            self.counters.private_given_up += 1;
            self.report(Event::Undelivered { number, to, text, why });
            self.go_on(now, &to);
        }
        for (_, place) in self.private.recipients() {
            self.send_waiting(now, place);
        }
    }

    /// A message to this key waits no longer: the next has its turn, or else it need not be looked for any more, unless
    /// a stream of it is.
    fn go_on(&mut self, now: Time, key: &PublicKey) {
        match self.private.waiting.iter_mut().find(|message| message.to == *key) {
            Some(next) => next.due = now,
            None if self.streams.seeks(key) => {}
            None => self.finds.end(key),
        }
    }

    /// Sends a message, if that is due, to where its recipient may be.
    fn send_waiting(&mut self, now: Time, place: usize) {
        let Some(message) = self.private.waiting.get_mut(place).filter(|message| message.due <= now) else { return };
        message.due = now + message.pause;
        message.pause = (message.pause * 2).min(REPEAT_MAX);
        let (to, times) = (message.to, message.times);
        let homes: Vec<SocketAddr> = self.addresses_of(&to).collect();
        let is_lost = homes.iter().all(|home| self.peers.get(*home).is_none());
        if is_lost || times >= TRIES_BEFORE_FIND {
            self.find(now, to);
            homes.iter().for_each(|home| self.try_former(now, &to, *home));
        }
        let at = self.targets(place, &homes);
        let Some(message) = self.private.waiting.get_mut(place).filter(|_| !at.is_empty()) else { return };
        message.sent = Some(now);
        message.times += 1;
        at.iter().for_each(|address| message.note_sent_to(*address));
        let (text, cookie) = (message.text.clone(), message.cookie);
        at.into_iter().for_each(|address| self.post(now, address, &to, &text, cookie));
    }

    /// Where a message is sent this time: to where its recipient lives, and by turns to where others say so, as far as
    /// somebody there is a peer.
    fn targets(&self, place: usize, homes: &[SocketAddr]) -> Vec<SocketAddr> {
        let Some(message) = self.private.waiting.get(place) else { return Vec::new() };
        let hints: Vec<SocketAddr> = self.finds.hints(&message.to).collect();
        let sent_to = &message.sent_to;
        let new = hints.iter().filter(|address| !sent_to.contains(address));
        let again = sent_to.iter().filter(|address| hints.contains(address));
        let mut at: Vec<SocketAddr> = Vec::new();
        for address in homes.iter().chain(new).chain(again) {
            if at.len() < COPIES_MAX && !at.contains(address) && self.peers.get(*address).is_some() {
                at.push(*address);
            }
        }
        at
    }

    /// Writes a private line to a peer. Our key comes before the envelope, because the wild has to know whose it may
    /// be.
    fn post(&mut self, now: Time, address: SocketAddr, to: &PublicKey, text: &str, cookie: Cookie) {
        let owed = self.peers.get(address).and_then(|peer| peer.owed.clone());
        let Some(sealed) = self.seal_chat(to, text, cookie, owed.as_ref()) else { return };
        let mut writer = self.begin_note(now, address, Note::default());
        push_owed(&mut writer, owed.as_ref(), DATAGRAM_SEND_MAX_BYTES);
        writer.push(&self.my_key(), DATAGRAM_SEND_MAX_BYTES);
        writer.push(&sealed, DATAGRAM_SEND_MAX_BYTES);
        if owed.is_none() || self.needs_token(address) {
            push_token(&mut writer, self.issuer.token(address), DATAGRAM_SEND_MAX_BYTES);
        }
        self.counters.private_sent += 1;
        self.send(Destination::Address(address), writer.take());
    }

    /// A cookie came back. If it is that of a message that waits, the message has arrived; says whether it is.
    pub(super) fn confirm_private(&mut self, now: Time, cookie: Cookie) -> bool {
        let Some(place) = self.private.waiting.iter().position(|message| message.cookie == cookie) else {
            return false;
        };
        let Waiting { number, to, text, .. } = self.private.waiting.remove(place);
        self.counters.private_delivered += 1;
        self.report(Event::Delivered { number, to, text });
        self.go_on(now, &to);
        true
    }

    /// Somebody at this address can be written to now: what waits for those who may be there is sent.
    pub(super) fn note_arrival(&mut self, now: Time, address: SocketAddr) {
        let named = self.finds.arrive(address);
        named.iter().for_each(|key| self.private.hurry(now, key));
        if !named.is_empty() {
            self.knock_for_streams(now, address);
        }
    }

    /// A datagram came from somebody who reads its address. If it shows that somebody is in reach for whom something
    /// waits, that is sent.
    pub(super) fn hurry_private(&mut self, now: Time, sender: &Sender, is_token_new: bool, proofs: &[Proof]) {
        if self.private.waiting.is_empty() {
            return;
        }
        self.note_arrival(now, sender.address);
        if sender.is_new {
            self.finds.hurry(now);
            self.tend_finds(now);
        }
        for (key, place) in self.private.recipients() {
            let is_there = (sender.is_new || is_token_new) && self.is_at(&key, sender.address);
            let was_sent = self.private.waiting.get(place).is_some_and(|it| it.sent_to.contains(&sender.address));
            if is_there || !was_sent && proofs.iter().any(|proof| proof.key == key) {
                self.private.hurry(now, &key);
            }
        }
        if self.private.due().is_some_and(|due| due <= now) {
            self.tend_private(now);
        }
    }

    /// Whether a key lives at an address, or is said to.
    fn is_at(&self, key: &PublicKey, address: SocketAddr) -> bool {
        self.addresses_of(key).chain(self.finds.hints(key)).any(|other| other == address)
    }
}
