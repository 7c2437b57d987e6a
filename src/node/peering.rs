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

use super::dispatch::Sender;
use super::reply::{Reply, push_owed, push_token};
use super::{CommandError, Config, Destination, Event, Node};
use crate::content::Store;
use crate::peers::Probe;
use crate::peers::address::{is_possible, makes_sense_to, network, plain};
use crate::peers::heard::Source;
use crate::rate::{Limiter, Rate};
use crate::time::Time;
use crate::wire::encode::Writer;
use crate::wire::messages::PleaseSendPeers;
use crate::wire::{DATAGRAM_SEND_MAX_BYTES, Message, Text};
use serde_json::value::RawValue;
use std::net::SocketAddr;
use std::time::Duration;

/// How many verified peers we want to know. Twice the eight that make a random graph of any size connected with room to
/// spare; with more than this we stop looking.
pub const PEERS_WANTED: usize = 16;

/// The most addresses in one `Peers`: what the wild sends.
pub const PEERS_ANSWER_MAX: usize = 46;

/// The most addresses that are tried forever: built in, given by the user, or remembered.
pub const ANCHORS_MAX: usize = 512;

/// How many peers we save, and so remember.
pub const PEERS_SAVED_MAX: usize = 256;

/// First contacts of our own, whoever named the address.
const CONTACT_RATE: Rate = Rate { burst: 16, interval: Duration::from_millis(100) };

/// Answers to strangers who knock with nothing but their token.
const KNOCK_RATE: Rate = Rate { burst: 16, interval: Duration::from_millis(250) };

/// Contacts that introductions make a settled node undertake.
const INTRODUCED_RATE: Rate = Rate { burst: 8, interval: Duration::from_secs(2) };

/// Introductions that we make.
const INTRODUCE_RATE: Rate = Rate { burst: 32, interval: Duration::from_millis(125) };

/// How many of the peers handed to an asker are told of it: about as many as it will try at once.
const INTRODUCTIONS_PER_ANSWER: usize = 4;

/// A peer is introduced again no sooner than this.
const INTRODUCTION_PAUSE: Duration = Duration::from_secs(10);

/// Answers to a question of ours are expected for this long.
const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// A peer that keeps changing its token is written to no more often than this.
const TOKEN_PAUSE: Duration = Duration::from_secs(5);

/// The limits on what others can make us send, over all addresses.
#[derive(Debug, Default)]
pub(super) struct Limits {
    contact: Limiter,
    knock: Limiter,
    introduced: Limiter,
    introduce: Limiter,
}

/// Addresses we return to whenever we know too few peers.
#[derive(Debug)]
pub(super) struct Anchors {
    entries: Vec<Anchor>,
}

#[derive(Debug)]
struct Anchor {
    address: SocketAddr,
    /// From an earlier run: given up once it has failed while others were in reach.
    is_remembered: bool,
}

impl Anchors {
    pub(super) fn new(config: &Config) -> Anchors {
        let mut anchors = Anchors { entries: Vec::new() };
        config.contacts.iter().for_each(|address| _ = anchors.add(*address, false));
        config.remembered.iter().take(PEERS_SAVED_MAX).for_each(|address| _ = anchors.add(*address, true));
        anchors
    }

    fn add(&mut self, address: SocketAddr, is_remembered: bool) -> bool {
        let address = plain(address);
        let is_known = self.entries.iter().any(|anchor| anchor.address == address);
        let has_room = self.entries.len() < ANCHORS_MAX && is_possible(address);
        if has_room && !is_known {
            self.entries.push(Anchor { address, is_remembered });
        }
        is_known || has_room
    }

    pub(super) fn addresses(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.entries.iter().map(|anchor| anchor.address)
    }

    /// The addresses of an earlier run that have not been given up.
    pub(super) fn remembered(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.entries.iter().filter(|anchor| anchor.is_remembered).map(|anchor| anchor.address)
    }

    /// Gives up an address of an earlier run.
    pub(super) fn give_up(&mut self, address: SocketAddr) {
        self.entries.retain(|anchor| !anchor.is_remembered || anchor.address != address);
    }
}

/// What a datagram to a peer says besides the tokens.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Note {
    /// Ask for peers.
    pub(super) asks_for_peers: bool,
    /// Send a round-trip probe.
    pub(super) probes: bool,
    /// Ask for our token to be returned even if the peer should know it.
    pub(super) gives_token: bool,
}

impl<S: Store> Node<S> {
    /// Whether we know fewer peers than we want.
    pub(super) fn is_hungry(&self) -> bool {
        self.peers.len() < PEERS_WANTED
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
            self.heard.insert(now, address, Source::Configuration);
            self.contact(now, address);
        }
        Ok(())
    }

    /// The sender at this address returned our token: it is a peer. Says whether it was not before.
    pub(super) fn believe(&mut self, now: Time, address: SocketAddr) -> bool {
        if let Some(peer) = self.peers.get_mut(address) {
            peer.heard = now;
            self.links.heard(now, address);
            return false;
        }
        self.contacts.forgive(address);
        let heard = self.heard.remove(address);
        let is_new = self.peers.insert(now, address, &mut self.rng);
        if is_new {
            if let Some(peer) = self.peers.get_mut(address) {
                peer.owed = heard.and_then(|heard| heard.owed);
            }
            self.report(Event::PeerVerified(address));
            self.note_progress(now);
            self.note_peers_changed(now);
        }
        is_new
    }

    /// Tries an address we have heard of, if `contacts` allows it. The tries are also the handshake's retries.
    pub(super) fn contact(&mut self, now: Time, address: SocketAddr) -> bool {
        let may = self.contacts.may_contact(now, address) && self.limits.contact.allow(now, CONTACT_RATE);
        let Some(heard) = self.heard.get_mut(address).filter(|_| may) else { return false };
        heard.tries = heard.tries.saturating_add(1);
        heard.touched = now;
        let owed = heard.owed.clone();
        self.contacts.book(now, address);
        let mut writer = Writer::default();
        let probe = self.issuer.probe(&mut self.rng);
        let limit = DATAGRAM_SEND_MAX_BYTES;
        writer.push(&Message::PleaseSendPeers(PleaseSendPeers {}), limit);
        writer.push_cookie("PleaseReturnThisMessage", probe.as_bytes(), limit);
        push_owed(&mut writer, owed.as_ref(), limit);
        push_token(&mut writer, self.issuer.token(address), limit);
        if let Some(heard) = self.heard.get_mut(address) {
            heard.probe = Some(probe);
        }
        self.send(Destination::Address(address), writer.take());
        true
    }

    /// Writes to a verified peer.
    pub(super) fn write_to(&mut self, now: Time, address: SocketAddr, note: Note) {
        let mut writer = self.begin_note(now, address, note);
        if !writer.is_empty() {
            self.finish_note(address, &mut writer, note.gives_token);
        }
    }

    /// The messages of a note, without the tokens.
    pub(super) fn begin_note(&mut self, now: Time, address: SocketAddr, note: Note) -> Writer {
        let mut writer = Writer::default();
        let Some(peer) = self.peers.get_mut(address) else { return writer };
        if note.asks_for_peers {
            peer.asked = Some(now);
            writer.push(&Message::PleaseSendPeers(PleaseSendPeers {}), DATAGRAM_SEND_MAX_BYTES);
        }
        if note.probes {
            let cookie = self.issuer.probe(&mut self.rng);
            let is_wanted = peer.probe.is_some_and(|probe| probe.is_wanted);
            peer.probe = Some(Probe { cookie, sent: now, is_wanted });
            writer.push_cookie("PleaseReturnThisMessage", cookie.as_bytes(), DATAGRAM_SEND_MAX_BYTES);
        }
        writer
    }

    /// Adds the tokens to a note and sends it. Ours is added if wanted, or if the peer cannot know the current one.
    pub(super) fn finish_note(&mut self, address: SocketAddr, writer: &mut Writer, gives_token: bool) {
        let peer = self.peers.get(address);
        let is_ageing = peer.is_none_or(|peer| peer.heard < self.issuer.rotated());
        push_owed(writer, peer.and_then(|peer| peer.owed.as_ref()), DATAGRAM_SEND_MAX_BYTES);
        if gives_token || is_ageing {
            push_token(writer, self.issuer.token(address), DATAGRAM_SEND_MAX_BYTES);
        }
        self.send(Destination::Address(address), writer.take());
    }

    /// Completes the handshake with a peer that has just been verified: its token goes back, and ours goes with it, because
    /// it keeps ours only once it believes us. Who asked us something has our answer already and holds our token; a node
    /// that knows enough peers leaves it at that.
    pub(super) fn greet(&mut self, now: Time, address: SocketAddr, is_answered: bool) {
        let asks_for_peers = self.is_hungry();
        if asks_for_peers || !is_answered {
            self.write_to(now, address, Note { asks_for_peers, probes: true, gives_token: !is_answered });
        }
    }

    /// An unverified sender gave us its token. If we know it, the token goes back at once when it is a new one, so that
    /// it can believe us again; if it is a stranger who asked nothing else, it knocked, and is answered, seldom.
    pub(super) fn return_token(&mut self, now: Time, sender: &Sender, is_changed: bool, is_answered: bool) {
        let address = sender.address;
        if sender.asks_for.is_none() {
            return;
        }
        if let Some(peer) = self.peers.get_mut(address) {
            let is_rested = peer.followed_up.is_none_or(|last| now.since(last) >= TOKEN_PAUSE);
            if is_changed && is_rested && !is_answered {
                peer.followed_up = Some(now);
                self.write_to(now, address, Note { probes: true, gives_token: true, ..Note::default() });
            }
        } else if self.heard.contains(address) {
            if is_changed {
                self.contact(now, address);
            }
        } else if !is_answered {
            self.answer_knock(now, sender);
        }
    }

    /// A stranger knocked with nothing but its token. The answer is a contact like any other, only rarer.
    fn answer_knock(&mut self, now: Time, sender: &Sender) {
        let address = sender.address;
        let may = self.contacts.may_answer_knock(now, address) && self.limits.knock.allow(now, KNOCK_RATE);
        if may && self.heard.insert(now, address, Source::Itself) {
            self.keep_token(sender);
            self.contact(now, address);
        }
    }

    /// A probe came home, or something that looks like one.
    pub(super) fn take_returned_probe(&mut self, now: Time, sender: &mut Sender, payload: &RawValue) {
        let address = sender.address;
        let Some(cookie) = self.issuer.own_probe(payload) else {
            self.counters.tokens_wrong += 1;
            return;
        };
        let is_contact = self.heard.get_mut(address).is_some_and(|heard| heard.probe == Some(cookie));
        if is_contact {
            // Only this address was sent this cookie, so it is as good as the token.
            sender.is_new |= self.believe(now, address);
        } else if let Some(peer) = self.peers.get_mut(address) {
            if let Some(probe) = peer.probe_returned(now, cookie) {
                peer.heard = now;
                self.links.heard(now, address);
                if probe.is_wanted {
                    let round_trip = now.since(probe.sent);
                    self.report(Event::RoundTrip { from: address, round_trip });
                }
            }
        } else if self.config.lan && self.heard.insert(now, address, Source::Itself) {
            // Somebody answered our call to the local network, where everybody hears the same cookie: a hint, no proof.
            self.contact(now, address);
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

    /// Takes addresses from a peer, or from an address that we have just asked.
    pub(super) fn take_peers(&mut self, now: Time, sender: &Sender, names: &[Text<'_>]) {
        let was_asked = match self.peers.get(sender.address) {
            Some(peer) => peer.asked.is_some_and(|asked| now.since(asked) < ANSWER_WAIT),
            None => self
                .heard
                .get_mut(sender.address)
                .is_some_and(|heard| heard.tries > 0 && now.since(heard.touched) < ANSWER_WAIT),
        };
        if !sender.is_verified() && !was_asked {
            self.counters.messages_unverified += 1;
            return;
        }
        let source = Source::Peer(network(sender.address.ip()));
        // One name that nobody asked for is an introduction: the path through our NAT opens when we write there.
        let is_introduction = !was_asked && names.len() == 1;
        for name in names.iter().take(2 * PEERS_ANSWER_MAX) {
            self.take_name(now, sender, name, source, is_introduction);
        }
    }

    fn take_name(&mut self, now: Time, sender: &Sender, name: &str, source: Source, is_introduction: bool) {
        let address = name.parse().ok().map(plain);
        let Some(address) = address.filter(|address| makes_sense_to(*address, sender.address)) else {
            self.counters.addresses_ignored += 1;
            return;
        };
        if self.peers.get(address).is_some() || self.heard.contains(address) {
            return;
        }
        if !self.contacts.may_contact(now, address) || !self.heard.insert(now, address, source) {
            self.counters.addresses_ignored += 1;
            return;
        }
        if self.is_hungry() {
            self.note_progress(now);
            self.contact(now, address);
        } else if is_introduction && self.limits.introduced.allow(now, INTRODUCED_RATE) {
            self.contact(now, address);
        }
    }

    /// Answers `PleaseSendPeers` with verified peers that make sense to the asker, those in reach first.
    pub(super) fn answer_peers(&mut self, now: Time, sender: &Sender, reply: &mut Reply) {
        const HEAD: &[u8] = br#"{"Peers":{"peers":["#;
        const TAIL: &[u8] = b"]}}";
        reply.expects_answer();
        let asker = sender.address;
        let mut room = reply.room().saturating_sub(HEAD.len() + TAIL.len());
        let mut introduced = Vec::new();
        let mut element = HEAD.to_vec();
        let sample = self.peers.sample(2 * PEERS_ANSWER_MAX, &mut self.rng);
        let fresh = sample.clone().filter(|peer| peer.is_fresh(now));
        let stale = sample.filter(|peer| !peer.is_fresh(now));
        let mut count = 0;
        for peer in fresh.chain(stale).filter(|peer| peer.address != asker && makes_sense_to(peer.address, asker)) {
            let text = peer.text.as_bytes();
            let bytes = text.len() + if count == 0 { 2 } else { 3 };
            if bytes > room {
                reply.is_trimmed = true;
                continue;
            }
            if count > 0 {
                element.push(b',');
            }
            element.push(b'"');
            element.extend_from_slice(text);
            element.push(b'"');
            room -= bytes;
            count += 1;
            if introduced.len() < INTRODUCTIONS_PER_ANSWER && peer.is_fresh(now) {
                introduced.push(peer.address);
            }
            if count == PEERS_ANSWER_MAX {
                break;
            }
        }
        element.extend_from_slice(TAIL);
        reply.push_with(|writer, limit| {
            writer.push_with(limit, |bytes| {
                bytes.extend_from_slice(&element);
                true
            })
        });
        if sender.is_verified() {
            self.introduce(now, asker, &introduced);
        }
    }

    /// Tells peers of an asker that has just been told of them, so that both write and both NATs open.
    fn introduce(&mut self, now: Time, asker: SocketAddr, to: &[SocketAddr]) {
        let Some(peer) = self.peers.get_mut(asker) else { return };
        if peer.introduced.is_some_and(|last| now.since(last) < INTRODUCTION_PAUSE) {
            return;
        }
        peer.introduced = Some(now);
        let text = peer.text;
        for address in to {
            // Without its token it would not believe us.
            let owes = self.peers.get(*address).is_some_and(|peer| peer.owed.is_some());
            if owes && makes_sense_to(asker, *address) && self.limits.introduce.allow(now, INTRODUCE_RATE) {
                let mut writer = Writer::default();
                let payload = [br#"{"peers":[""#, text.as_bytes(), br#""]}"#].concat();
                writer.push_raw("Peers", &String::from_utf8_lossy(&payload), DATAGRAM_SEND_MAX_BYTES);
                self.finish_note(*address, &mut writer, false);
            }
        }
    }
}
