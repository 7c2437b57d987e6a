//! Making contact, believing, and introducing: how a node comes to know others without becoming a weapon.
//!
//! ```text
//!  we                                                         somebody we have heard of
//!   | PleaseSendPeers, PleaseReturnThisMessage, our token ------> |   a contact, booked in `contacts`
//!   | <------ Peers, ReturnedMessage, our token back, their token |   now they are verified to us
//!   | PleaseReturnThisMessage, their token back, our token -----> |   a greeting: now we are verified to them
//! ```
//!
//! An address is believed when it returns our token, or the cookie of a probe we sent to it and to nobody else.

use super::notes::Note;
use super::private::Envelope;
use super::provoked::Kind;
use super::reply::{Reply, push_owed, push_token};
use super::sender::{Sender, within};
use super::{CommandError, Config, Destination, Event, Node, Transmit};
use crate::content::Store;
use crate::peers::address::{Scope, is_possible, network, plain, scope};
use crate::peers::anchors::Anchors;
use crate::peers::heard::Source;
use crate::peers::links::LINKS_LOW;
use crate::rate::Rate;
use crate::time::Time;
use crate::tokens::{Cookie, TOKEN_CHARS};
use crate::wire::encode::Writer;
use crate::wire::messages::{EnoughNeighbours, PleaseSendPeers};
use crate::wire::{DATAGRAM_SEND_MAX_BYTES, Message};
use serde_json::value::RawValue;
use std::net::SocketAddr;
use std::time::Duration;

/// How many verified peers we want to know. Twice the eight that make a random graph of any size connected with room to
/// spare; with this many we stop looking.
pub const PEERS_WANTED: usize = 16;

/// With fewer verified peers than this we look again. Those that are no neighbours are forgotten in an hour, and
/// replacing each at once would cost more than keeping the neighbours.
pub const PEERS_LOW: usize = 10;

/// How many peers we save, and so remember.
pub const PEERS_SAVED_MAX: usize = 256;

/// How many of them one global network may have before all others have had their turn.
pub(super) const PEERS_SAVED_PER_NETWORK: usize = 8;

/// Strangers who asked something and are written down, in case our answer gets lost. Writing down costs no datagram.
const STRANGER_RATE: Rate = Rate { burst: 64, interval: Duration::from_millis(50) };

/// The addresses a node is told of at its birth.
pub(super) fn anchors_of(config: &Config) -> Anchors {
    let mut anchors = Anchors::default();
    config.contacts.iter().for_each(|address| _ = anchors.add(*address, false));
    config.remembered.iter().take(PEERS_SAVED_MAX).for_each(|address| _ = anchors.add(*address, true));
    anchors
}

impl<S: Store> Node<S> {
    /// Whether we are looking for peers: from the moment we know too few until we know enough.
    pub(super) fn is_hungry(&self) -> bool {
        self.is_hungry
    }

    /// Call it when the number of peers has changed.
    pub(super) fn feel_hunger(&mut self) {
        let enough = if self.is_hungry { PEERS_WANTED } else { PEERS_LOW };
        self.is_hungry = self.peers.counted() < enough;
    }

    /// Whether we have fewer neighbours than we want.
    pub(super) fn is_lonely(&self) -> bool {
        self.links.in_reach() < LINKS_LOW
    }

    /// Whether we want more neighbours, if only to let go of some that have enough without us.
    pub(super) fn wants_links(&self) -> bool {
        self.links.welcome() < LINKS_LOW
    }

    /// Adds an address that the user named, and tries it at once.
    pub(super) fn add_anchor(&mut self, now: Time, address: SocketAddr) -> Result<(), CommandError> {
        let address = plain(address);
        if !is_possible(address) {
            return Err(CommandError::NotAnAddress(address));
        }
        if !self.anchors.add(address, false) {
            return Err(CommandError::Full);
        }
        if self.peers.get(address).is_none() {
            self.heard.adopt(now, address);
            self.contact(now, address);
        }
        Ok(())
    }

    /// The sender at this address returned our token: it is a peer. Says whether it was not before.
    pub(super) fn believe(&mut self, now: Time, address: SocketAddr) -> bool {
        self.hear_somebody(now, address);
        if let Some(peer) = self.peers.get_mut(address) {
            peer.heard = now;
            self.links.heard(now, address);
            return false;
        }
        self.provoked.contacts.forgive(address);
        let heard = self.heard.remove(address);
        let counted = self.peers.counted();
        let is_new = self.peers.insert(now, address, &mut self.rng);
        if is_new {
            if let Some(peer) = self.peers.get_mut(address) {
                peer.owed = heard.and_then(|heard| heard.owed);
            }
            self.report(Event::PeerVerified(address));
            self.feel_hunger();
            // A crowd from one network shall not keep us asking.
            if self.peers.counted() > counted {
                self.note_progress(now)
            } else {
                self.note_hint(now)
            }
            self.note_peers_changed(now);
        } else {
            self.doubt_for(now, address);
        }
        is_new
    }

    /// A newcomer found no room: whoever has been silent longest in its way is put on trial, and forgotten if it fails.
    fn doubt_for(&mut self, now: Time, newcomer: SocketAddr) {
        if self.provoked.may_provoke(now, Kind::Doubt, network(newcomer.ip()).first()) {
            let silent = self.peers.longest_silent(now, newcomer, |peer| self.links.contains(peer));
            silent.into_iter().for_each(|address| self.try_link(now, address, false, Note::default()));
        }
    }

    /// Tries an address we have heard of, if it may be written to. The tries are also the handshake's retries.
    pub(super) fn contact(&mut self, now: Time, address: SocketAddr) -> bool {
        let Some(heard) = self.heard.get_mut(address) else { return false };
        let kind = if heard.source == Source::Configuration { Kind::Wish } else { Kind::Contact };
        if !self.provoked.may_provoke(now, kind, address) {
            return false;
        }
        heard.is_unsent = false;
        heard.tries = heard.tries.saturating_add(1);
        heard.touched = now;
        let probe = self.issuer.probe(&mut self.rng);
        heard.probe = Some(probe);
        let owed = heard.owed.clone();
        // Who was introduced to us while we know enough is asked for nothing; to others it is what earns us an answer.
        let asks_for_peers = heard.is_urgent() || self.is_hungry();
        let mut writer = Writer::default();
        let limit = DATAGRAM_SEND_MAX_BYTES;
        if asks_for_peers {
            writer.push(&Message::PleaseSendPeers(PleaseSendPeers {}), limit);
        }
        writer.push_cookie("PleaseReturnThisMessage", probe.as_bytes(), limit);
        push_owed(&mut writer, owed.as_ref(), limit);
        push_token(&mut writer, self.issuer.token(address), limit);
        self.send(Destination::Address(address), writer.take());
        true
    }

    /// A datagram never left: if it was a contact or a probe of a link, known by its cookie, it is taken off the books.
    /// Others are not on them.
    pub(super) fn unbook(&mut self, now: Time, transmit: &Transmit) {
        let Destination::Address(address) = transmit.to else { return };
        let carries = |cookie: Cookie| transmit.payload.windows(TOKEN_CHARS).any(|part| part == cookie.as_bytes());
        if self.heard.get_mut(address).and_then(|heard| heard.probe).is_some_and(carries) {
            self.provoked.contacts.unbook(address);
            self.heard.unsent(address);
        }
        let is_probe = self.peers.get(address).and_then(|peer| peer.probe).is_some_and(|probe| carries(probe.cookie));
        if is_probe && self.links.unsent(now, address) {
            self.note_progress(now);
        }
    }

    /// Completes the handshake with a peer that has just been verified: its token goes back, and ours goes with it,
    /// because it keeps ours only once it believes us. The greeting is repeated until it is answered. Who asked us
    /// something has our answer already and holds our token; a node that knows enough peers leaves it at that.
    pub(super) fn greet(&mut self, now: Time, address: SocketAddr, is_answered: bool) {
        let asks_for_peers = self.is_hungry();
        let is_kept = self.wants_links();
        if asks_for_peers || is_kept || !is_answered {
            let note = Note { asks_for_peers, gives_token: !is_answered, ..Note::default() };
            self.try_link(now, address, is_kept, note);
        }
    }

    /// An unverified sender gave us its token. If we know it, the token goes back at once, so that it can believe us
    /// again: it may have a new one, or have forgotten us, or have lost our answer. If it is a stranger who asked
    /// nothing else, it knocked, and is answered, seldom.
    pub(super) fn return_token(&mut self, now: Time, sender: &Sender, is_changed: bool, is_answered: bool) {
        let address = sender.address;
        if sender.asks_for.is_none() {
            return;
        }
        if self.peers.get(address).is_some() {
            if !is_answered && self.may_follow_up(now, address) {
                self.follow_up(now, address);
            }
        } else if self.heard.contains(address) {
            if is_changed && self.provoked.may_provoke(now, Kind::Token, address) {
                self.contact(now, address);
            }
        } else if !is_answered {
            self.answer_knock(now, sender);
        } else if self.peers.has_room_for(address)
            && self.strangers.allow(now, STRANGER_RATE)
            && self.heard.insert_latest(now, address, Source::Itself)
        {
            // A node, most likely. If it does not return our token soon, our answer was lost, and we try it ourselves.
            self.keep_token(sender);
            self.note_untried(now);
        }
    }

    /// A stranger knocked with nothing but its token. The answer is a contact like any other, only rarer.
    fn answer_knock(&mut self, now: Time, sender: &Sender) {
        let address = sender.address;
        if self.peers.has_room_for(address)
            && self.provoked.may_provoke(now, Kind::Knock, address)
            && self.heard.insert_latest(now, address, Source::Itself)
        {
            self.keep_token(sender);
            self.contact(now, address);
        }
    }

    /// Returns a probe. A peer that probes us keeps the path to us open; if we have enough of those, it is told.
    pub(super) fn return_probe(&mut self, now: Time, sender: &mut Sender, payload: &RawValue, reply: &mut Reply) {
        reply.expects_answer();
        if !sender.returns_privately(payload.get()) {
            reply.push_raw("ReturnedMessage", payload.get());
        }
        if sender.private.as_ref().is_some_and(Envelope::carries_line) {
            return;
        }
        let address = sender.address;
        if self.peers.get(address).is_none() || !sender.is_verified() {
            return;
        }
        let is_watched = self.links.open(now, address, false, &mut self.rng);
        self.links.heard(now, address);
        if !is_watched || self.links.is_crowded(now, address) {
            reply.push(&Message::EnoughNeighbours(EnoughNeighbours {}));
        }
    }

    /// A neighbour has enough others.
    pub(super) fn take_refusal(&mut self, now: Time, sender: &Sender) {
        if let Some(peer) = self.peers.get_mut(sender.address).filter(|_| sender.is_verified()) {
            peer.declined = Some(now);
            self.links.unwelcome(sender.address);
        }
    }

    /// A probe came home, or something that looks like one.
    pub(super) fn take_returned_probe(&mut self, now: Time, sender: &mut Sender, payload: &RawValue) {
        let address = sender.address;
        let is_checked = within(&mut sender.returned_probes);
        let Some(cookie) = is_checked.then(|| self.issuer.own_probe(payload)).flatten() else {
            self.counters.tokens_wrong += 1;
            return;
        };
        if self.confirm_private(now, cookie) {
            return;
        }
        let is_contact = self.heard.get_mut(address).is_some_and(|heard| heard.probe == Some(cookie));
        if is_contact {
            // Only this address was sent this cookie, so it is as good as the token.
            sender.is_reader = true;
            sender.is_new |= self.believe(now, address);
        } else if let Some(peer) = self.peers.get_mut(address) {
            if let Some(probe) = peer.probe_returned(now, cookie) {
                peer.heard = now;
                sender.is_reader = true;
                sender.was_followed_up |= probe.is_follow_up;
                self.links.heard(now, address);
                self.showings.arrived(address, cookie);
                if probe.is_wanted {
                    let round_trip = now.since(probe.sent);
                    self.report(Event::RoundTrip { from: address, round_trip });
                }
                self.hear_somebody(now, address);
            }
        } else if self.config.lan && scope(address.ip()) != Scope::Global {
            // Somebody answered our call to the local network, where everybody hears the same cookie: a knock, no
            // proof.
            self.answer_knock(now, sender);
        }
    }

    /// Measures the round trip to a peer on the user's request.
    pub(super) fn ping(&mut self, now: Time, address: SocketAddr) -> Result<(), CommandError> {
        let address = plain(address);
        if self.peers.get(address).is_none() {
            return Err(CommandError::NotVerified(address));
        }
        self.write_to(now, address, Note { probes: true, ..Note::default() });
        if let Some(probe) = self.peers.get_mut(address).and_then(|peer| peer.probe.as_mut()) {
            probe.is_wanted = true;
        }
        Ok(())
    }
}
