//! Naming peers to one another: answering `PleaseSendPeers`, taking what others name, and introducing.
//!
//! Only peers that returned our token are named. What others name is a hint, and nothing at all if it could not be
//! meant for us: of narrower scope than who says it, or no address of a peer.

use super::Node;
use super::notes::Note;
use super::provoked::Kind;
use super::reply::Reply;
use super::sender::Sender;
use crate::content::Store;
use crate::peers::address::{makes_sense_to, network, plain, scope};
use crate::peers::heard::Source;
use crate::peers::{AddressText, Peer};
use crate::time::Time;
use crate::wire::encode::Writer;
use crate::wire::{DATAGRAM_SEND_MAX_BYTES, Text};
use std::net::SocketAddr;
use std::time::Duration;

/// The most addresses in one `Peers`: what the wild sends.
pub const PEERS_ANSWER_MAX: usize = 46;

/// How many of the peers handed to an asker are told of it: about as many as it will try at once.
const INTRODUCTIONS_PER_ANSWER: usize = 4;

/// A peer is introduced again no sooner than this.
const INTRODUCTION_PAUSE: Duration = Duration::from_secs(10);

/// How many of the names in one answer are tried at once.
const CONTACTS_PER_ANSWER: usize = 6;

/// A peer that had enough neighbours is not asked to be one again for this long.
pub(super) const DECLINED_FOR: Duration = Duration::from_secs(1_800);

/// Answers to a question of ours are expected for this long.
const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// How an address was named.
#[derive(Clone, Copy, Debug)]
struct Called {
    /// Among the first. Those in reach are named first, and have been told of us; the others can wait until we need
    /// them.
    is_prompt: bool,
    /// Alone. That is, or might be, an introduction: the path through our NAT opens when we write there.
    is_introduction: bool,
}

impl<S: Store> Node<S> {
    /// Takes addresses from a peer, or from an address that we have just asked.
    pub(super) fn take_peers(&mut self, now: Time, sender: &Sender, names: &[Text<'_>]) {
        let was_asked = match self.peers.get(sender.address) {
            Some(peer) => peer.asked.is_some_and(|asked| now.since(asked) < ANSWER_WAIT),
            None => self
                .heard
                .get_mut(sender.address)
                .is_some_and(|heard| heard.tries > 0 && now.since(heard.touched) < ANSWER_WAIT),
        };
        if !sender.is_proven() && !was_asked {
            self.counters.messages_unverified += 1;
            return;
        }
        // Anybody can answer in the name of an address that all nodes ask first.
        let source = if sender.is_proven() { Source::Peer(network(sender.address.ip())) } else { Source::Hearsay };
        let is_introduction = names.len() == 1;
        for (place, name) in names.iter().take(2 * PEERS_ANSWER_MAX).enumerate() {
            let address = name.parse().ok().map(plain);
            let Some(address) = address.filter(|address| makes_sense_to(*address, sender.address)) else {
                self.counters.addresses_ignored += 1;
                continue;
            };
            let called = Called { is_prompt: place < CONTACTS_PER_ANSWER, is_introduction };
            match self.peers.get(address).map(|peer| peer.declined) {
                Some(declined) => self.try_named(now, address, declined, called),
                None => self.take_name(now, address, source, called),
            }
        }
    }

    /// Somebody named a peer of ours. It has been told of us by whoever named it, so now is the moment at which a path
    /// through its NAT can open.
    fn try_named(&mut self, now: Time, address: SocketAddr, declined: Option<Time>, called: Called) {
        let is_refused = declined.is_some_and(|last| now.since(last) < DECLINED_FOR);
        if is_refused || self.links.contains(address) {
            return;
        }
        let is_wanted = called.is_prompt && self.wants_links();
        // What the recipient may not be sent uses up nothing of what others may be followed.
        let may = (is_wanted || called.is_introduction) && self.provoked.may_provoke(now, Kind::Trial, address);
        if may && (is_wanted || self.may_follow(now, address)) {
            self.try_link(now, address, self.wants_links(), Note::default());
            self.links.on_hearsay(address);
        }
    }

    /// Somebody named an address that is no peer of ours.
    fn take_name(&mut self, now: Time, address: SocketAddr, source: Source, called: Called) {
        if self.heard.contains(address) {
            return;
        }
        // Who could not be kept is not worth a datagram, least of all again and again.
        let is_worth_it = self.peers.has_room_for(address) && self.provoked.contacts.may_contact(now, address);
        if !is_worth_it || !self.heard.insert(now, address, source) {
            self.counters.addresses_ignored += 1;
            return;
        }
        self.note_hint(now);
        let is_useful = called.is_prompt && (self.is_hungry() || self.wants_links());
        if is_useful || called.is_introduction && self.may_follow(now, address) {
            self.contact(now, address);
        }
    }

    /// Whether a node that needs nobody may follow up on somebody it did not look for.
    pub(super) fn may_follow(&mut self, now: Time, address: SocketAddr) -> bool {
        self.provoked.may_provoke(now, Kind::Follow, address)
    }

    /// Answers `PleaseSendPeers` with verified peers that make sense to the asker, those in reach first.
    pub(super) fn answer_peers(&mut self, now: Time, sender: &Sender, reply: &mut Reply) {
        let asker = sender.address;
        // One address less is a small loss; without its token the asker would not believe us.
        let mut names = Names::new(reply.room_beside_owed(), std::mem::take(&mut self.scratch));
        let mut in_reach = Vec::new();
        let most = if names.is_full() { 0 } else { 2 * PEERS_ANSWER_MAX };
        let asker_scope = scope(asker.ip());
        let may_be_known = sender.is_known || sender.is_reader;
        let itself = if may_be_known { self.peers.get(asker) } else { None };
        let introduces = sender.is_verified() && itself.is_some_and(|itself| may_introduce(itself, now));
        let sample = self.peers.sample_for(asker_scope, most, &mut self.rng);
        let fresh = sample.clone().filter(|peer| peer.is_fresh(now));
        let stale = sample.filter(|peer| !peer.is_fresh(now));
        let is_itself = |peer: &Peer| itself.is_some_and(|itself| std::ptr::eq(itself, peer));
        for peer in fresh.chain(stale).filter(|peer| !is_itself(peer)) {
            if !names.push(&peer.text) {
                reply.is_trimmed = true;
            } else if introduces && in_reach.len() < INTRODUCTIONS_PER_ANSWER && peer.is_fresh(now) {
                in_reach.push(peer.address);
            }
            if names.is_full() {
                break;
            }
        }
        // An empty list would say that we know nobody, where it is only that no name fits a stranger's answer.
        let is_cut = names.count == 0 && !sender.is_verified() && self.peers.len() > usize::from(itself.is_some());
        self.scratch = names.finish();
        if !is_cut {
            reply.push_bytes(&self.scratch);
        }
        if introduces {
            self.introduce(now, asker, &in_reach);
        }
    }

    /// Tells a peer of an asker that has just been told where it is.
    pub(super) fn introduce_to(&mut self, now: Time, asker: SocketAddr, to: &[SocketAddr]) {
        if self.peers.get(asker).is_some_and(|asker| may_introduce(asker, now)) {
            self.introduce(now, asker, to);
        }
    }

    /// Tells peers of an asker that has just been told of them, so that both write and both NATs open.
    fn introduce(&mut self, now: Time, asker: SocketAddr, to: &[SocketAddr]) {
        let Some(peer) = self.peers.get_mut(asker) else { return };
        peer.introduced = Some(now);
        let text = peer.text;
        for address in to {
            // Without its token it would not believe us.
            let owes = self.peers.get(*address).is_some_and(|peer| peer.owed.is_some());
            let is_welcome = owes && makes_sense_to(asker, *address);
            if is_welcome && self.provoked.may_provoke(now, Kind::Introduction, *address) {
                let mut writer = Writer::default();
                let payload = [br#"{"peers":[""#, text.as_bytes(), br#""]}"#].concat();
                writer.push_raw("Peers", &String::from_utf8_lossy(&payload), DATAGRAM_SEND_MAX_BYTES);
                self.finish_note(*address, &mut writer, false);
            }
        }
    }
}

/// Whether a peer may be introduced to others again.
fn may_introduce(peer: &Peer, now: Time) -> bool {
    peer.introduced.is_none_or(|last| now.since(last) >= INTRODUCTION_PAUSE)
}

/// A `Peers` element under construction.
struct Names {
    element: Vec<u8>,
    room: usize,
    count: usize,
}

impl Names {
    const HEAD: &[u8] = br#"{"Peers":{"peers":["#;
    const TAIL: &[u8] = b"]}}";

    /// An element of at most `room` bytes without names, in a buffer that is used again and again.
    fn new(room: usize, mut element: Vec<u8>) -> Names {
        element.clear();
        element.extend_from_slice(Self::HEAD);
        // Every name brings a comma, and the last one loses it again.
        let room = (room + 1).saturating_sub(Self::HEAD.len() + Self::TAIL.len());
        Names { element, room, count: 0 }
    }

    /// Adds a name if it fits.
    fn push(&mut self, text: &AddressText) -> bool {
        let fits = text.entry_len() <= self.room;
        if fits {
            text.append_entry(&mut self.element);
            self.room -= text.entry_len();
            self.count += 1;
        }
        fits
    }

    /// Whether no further name can be added, not even the shortest.
    fn is_full(&self) -> bool {
        const SHORTEST: usize = r#""1.1.1.1:1024","#.len();
        self.count == PEERS_ANSWER_MAX || self.room < SHORTEST
    }

    fn finish(mut self) -> Vec<u8> {
        if self.count > 0 {
            self.element.pop();
        }
        self.element.extend_from_slice(Self::TAIL);
        self.element
    }
}
