//! From bytes to an answer: who sent this, one match over all messages, and what is due besides the answer.

use super::envelopes::{Echo, decode_layers};
use super::homes::proof;
use super::private::envelope_of;
use super::reply::{Reply, Terms, Tokens};
use super::sender::{Sender, better};
use super::{Destination, Event, Hearsay, Node};
use crate::content::Store;
use crate::identity::opening::Layer;
use crate::identity::whereabouts;
use crate::peers::address::{is_possible, plain};
use crate::time::Time;
use crate::tokens::Proof;
use crate::wire::messages::Unknown;
use crate::wire::{Decoded, HEADER_BYTES, MESSAGES_MAX, Message, decode};
use std::net::SocketAddr;

/// How many messages there are beyond those that are looked at.
fn too_many(decoded: &Decoded<'_>, inner: &[(&Layer, Decoded<'_>)]) -> usize {
    let inside: usize = inner.iter().map(|(_, inner)| inner.messages.len()).sum();
    (decoded.messages.len() + inside).saturating_sub(MESSAGES_MAX)
}

/// The messages in the order in which they are handled, each with which of `inner` it is in, if any. A line in an
/// envelope comes before the cookie that is returned only if it is shown; names are taken last, when all that may prove
/// the sender has been seen.
fn in_turn<'a>(
    decoded: &'a Decoded<'a>,
    inner: &'a [(&Layer, Decoded<'a>)],
) -> impl Iterator<Item = (Option<usize>, &'a Message<'a>)> {
    let outer = decoded.messages.iter().map(|message| (None, message));
    let inside = |(place, (_, decoded)): (usize, &'a (&Layer, Decoded<'a>))| {
        let is_line = |message: &&Message<'_>| matches!(message, Message::ChatMessage(_));
        let lines = decoded.messages.iter().filter(is_line);
        let others = decoded.messages.iter().filter(move |message| !is_line(message));
        lines.chain(others).map(move |message| (Some(place), message))
    };
    let all = outer.chain(inner.iter().enumerate().flat_map(inside)).take(MESSAGES_MAX);
    let is_names = |(_, message): &(_, &Message<'_>)| matches!(message, Message::Peers(_));
    all.clone().filter(move |item| !is_names(item)).chain(all.filter(is_names))
}

/// What the envelopes of a datagram show about where they come from.
#[derive(Default)]
struct Shown<'a> {
    /// Whether one of them is our own.
    is_ours: bool,
    proofs: Vec<whereabouts::Proof>,
    /// What each says by itself.
    echoes: Vec<(&'a Layer, Echo)>,
}

impl<S: Store> Node<S> {
    /// Takes a datagram that arrived from `from`. Bad input is dropped and counted.
    pub fn handle_datagram(&mut self, now: Time, from: SocketAddr, bytes: &[u8]) {
        self.counters.datagrams_received += 1;
        self.counters.bytes_received += bytes.len() as u64;
        let from = plain(from);
        if !is_possible(from) {
            self.counters.datagrams_from_nowhere += 1;
            return;
        }
        let Ok(decoded) = decode(bytes) else {
            self.counters.datagrams_refused += 1;
            return;
        };
        self.counters.elements_malformed += decoded.malformed as u64;
        self.issuer.rotate(now, &mut self.rng);
        let mut sender = Sender::unproven(from);
        let is_ours = self.read_tokens(now, &mut sender, &decoded.messages);
        // What a stream brings that we follow is looked at there, once, on its own account.
        let is_block = !is_ours && self.take_stream_blocks(now, from, &decoded.messages);
        // How much may be spent on envelopes depends on the tokens beside them; those inside count as much afterwards.
        let messages = if is_ours || is_block { &[][..] } else { &decoded.messages };
        let layers = self.open_envelopes(now, &sender, messages);
        let inner = decode_layers(&layers, self.identity.public());
        self.counters.envelopes_for_others += (layers.len() - inner.len()) as u64;
        let shown = self.read_inside(now, &mut sender, &inner);
        if is_ours || shown.is_ours {
            self.counters.datagrams_reflected += 1;
            return;
        }
        if sender.is_verified() {
            sender.is_new = self.believe(now, from);
            self.envelopes.note(&layers);
        }
        let weaker = self.take_proofs(now, &shown.proofs);
        if sender.proof.is_some_and(|proof| proof != Proof::Doubted) {
            self.take_sign_of_life(now, from);
        }
        self.take_versions(now, &sender, &inner);
        let mut reply = self.reply_to(now, &mut sender, bytes.len());
        self.counters.elements_malformed += too_many(&decoded, &inner) as u64;
        for (place, message) in in_turn(&decoded, &inner) {
            if sender.place != place {
                let layer = place.and_then(|place| inner.get(place));
                sender.place = place;
                sender.key = layer.map(|(layer, _)| layer.key);
                sender.echo = layer.map_or(Echo::Absent, |(layer, _)| Echo::around(&layers, layer, &shown.echoes));
                sender.private = layer.and_then(|(layer, decoded)| envelope_of(&layers, layer, decoded));
            }
            self.dispatch(now, &mut sender, message, &mut reply);
        }
        self.seal_answers(now, &mut sender, &mut reply);
        self.conclude(now, &sender, reply, &shown.proofs);
        weaker.into_iter().for_each(|key| self.ask_for_better(now, from, key));
    }

    /// Reads the tokens inside envelopes, which count for the sender as much as those beside them.
    fn read_inside<'a>(&mut self, now: Time, sender: &mut Sender, inner: &[(&'a Layer, Decoded<'_>)]) -> Shown<'a> {
        let mut shown = Shown::default();
        for (layer, decoded) in inner {
            self.counters.elements_malformed += decoded.malformed as u64;
            let before = sender.proof.take();
            shown.is_ours |= self.read_tokens(now, sender, &decoded.messages);
            let proven = sender.proof.map(|token| proof(layer, &decoded.messages, sender.address, token));
            shown.echoes.push((*layer, Echo::of(&decoded.messages, proven.map(|proof| proof.strength))));
            shown.proofs.extend(proven);
            sender.proof = better(before, sender.proof);
        }
        shown
    }

    /// An empty answer on the terms that the sender has earned.
    fn reply_to(&mut self, now: Time, sender: &mut Sender, request_len: usize) -> Reply {
        let address = sender.address;
        let terms = match sender.proof {
            Some(_) => Terms::Verified,
            None => Terms::Unverified(self.budget.allowance(now, address, request_len)),
        };
        let known = self.peers.get(address);
        sender.is_known = known.is_some();
        let owed = sender.asks_for.clone().or_else(|| known.and_then(|peer| peer.owed.clone()));
        let ours = (sender.proof != Some(Proof::Current)).then(|| self.issuer.token(address));
        Reply::new(terms, Tokens { ours, owed })
    }

    /// Handles one message. Requests call `expects_answer`, so that a stranger gets at least our token.
    fn dispatch(&mut self, now: Time, sender: &mut Sender, message: &Message<'_>, reply: &mut Reply) {
        match message {
            Message::PleaseSendPeers(_) => reply.expects_peers(),
            Message::Peers(peers) => self.take_peers(now, sender, &peers.peers.0),
            Message::PleaseReturnThisMessage(probe) => self.return_probe(now, sender, probe.0, reply),
            Message::ReturnedMessage(probe) => self.take_returned_probe(now, sender, probe.0),
            Message::EnoughNeighbours(_) => self.take_refusal(now, sender),
            Message::ChatMessage(chat) => self.take_chat(now, sender, &chat.message, reply),
            Message::GroupChatMessage(chat) => self.take_group_chat(now, sender, chat, reply),
            Message::SignedGroupChat(envelope) => self.take_signed_line(now, sender, envelope),
            Message::HaveGroupChats(have) => self.take_haves(now, sender, have, reply),
            Message::PleaseSendGroupChats(wanted) => self.send_lines(now, sender, wanted, reply),
            Message::PleaseSendContent(request) => self.serve_content(now, sender, request, reply),
            Message::PleaseListContent(_) => reply.expects_list(),
            Message::PleaseListSupportedMessages(_) => self.list_messages(sender, reply),
            Message::ContentList(list) => self.note_list(now, sender, &list.results.0),
            Message::IJustSawThis(seen) => self.note_hearsay(now, sender, (&seen.id, seen.length), Hearsay::Saw),
            Message::YouShouldSeeThis(seen) => {
                self.note_hearsay(now, sender, (&seen.id, seen.length), Hearsay::Recommends);
            }
            Message::PleaseSendBlocks(_) | Message::PleaseSendHoldings(_) if self.config.is_common => {}
            Message::PleaseSendBlocks(request) => self.serve_blocks(now, sender, request, reply),
            Message::PleaseSendHoldings(request) => self.serve_holdings(now, sender, request, reply),
            Message::Content(content) => self.take_content(now, sender, content),
            Message::Block(block) => self.take_block(now, sender, block),
            Message::Holdings(holdings) => self.take_holdings(now, sender, holdings),
            Message::StreamHoldings(holdings) => self.take_stream_holdings(now, sender, holdings),
            Message::MaybeTheyHaveSome(maybe) => self.take_maybe(now, sender, maybe),
            // Tokens were read before, and nobody was asked which messages it supports.
            Message::PleaseAlwaysReturnThisMessage(_) | Message::AlwaysReturned(_) => {}
            Message::SupportedMessages(_) => {}
            // Envelopes were opened before, and with them it was read whose keys they say.
            Message::EncryptedMessages(_) | Message::FastEncryptedMessages(_) => {}
            // But for our own.
            Message::SignedMessage(envelope) => self.take_own_version(now, sender, envelope),
            // So was whom they are meant for.
            Message::MyPublicKey(_) | Message::MeantFor(_) => {}
            Message::WhereAreThey(question) => self.tell_where(now, sender, question.ed25519h, reply),
            Message::Forwarded(answer) => self.take_whereabouts(now, sender, answer),
            Message::GetLatest(question) => self.tell_latest(question, reply),
            // Versions were taken out of their envelopes before.
            Message::Latest(_) => {}
            Message::Unknown(unknown) => self.pass_on(sender, unknown),
        }
    }

    /// Gives a message that is not ours to local applications.
    fn pass_on(&mut self, sender: &Sender, unknown: &Unknown<'_>) {
        self.counters.messages_unknown += 1;
        self.report(Event::Unknown {
            from: sender.address,
            is_verified: sender.is_verified(),
            name: unknown.name.to_string(),
            payload: unknown.payload.get().to_owned(),
        });
    }

    /// Sends the answer, and sees to the tokens that travelled in the datagram.
    fn conclude(&mut self, now: Time, sender: &Sender, mut reply: Reply, proofs: &[whereabouts::Proof]) {
        if sender.is_astray && !sender.is_verified() {
            reply.expects_answer();
        }
        // However often it was asked for, the list is made once.
        if reply.is_list_expected() {
            self.list_content(now, sender, &mut reply);
        }
        // Addresses come last, because they can make do with the room that is left.
        if reply.is_peers_expected() {
            self.answer_peers(now, sender, &mut reply);
        }
        let is_answered = reply.is_expected();
        if is_answered && sender.is_verified() {
            self.ride_on(sender.address, &mut reply);
        }
        self.counters.answers_trimmed += u64::from(reply.is_trimmed);
        let (allowance, reckoned) = (reply.allowance(), reply.reckoned_upload());
        let mut bytes = 0;
        for payload in reply.finish() {
            bytes += payload.len() + HEADER_BYTES;
            if sender.is_verified() {
                self.links.spoke(now, sender.address);
            }
            if let Some(allowance) = allowance {
                self.budget.book(now, allowance, payload.len());
            }
            self.send(Destination::Address(sender.address), payload);
        }
        self.note_upload(now, sender, (bytes, reckoned));
        let is_changed = self.keep_token(sender);
        if sender.is_new {
            self.greet(now, sender.address, is_answered);
        } else if !sender.is_verified() {
            self.return_token(now, sender, is_changed, is_answered);
        } else if is_changed {
            self.show_key_again(now, sender.address);
        } else if is_answered {
            self.show_key(now, sender.address);
        }
        if sender.is_verified() {
            self.meet_neighbour(now, sender.address);
        }
        if sender.is_proven() {
            self.hurry_private(now, sender, is_changed, proofs);
        }
        if sender.is_new && !self.transfers.is_idle() {
            self.welcome_source(now, sender.address);
        }
        if sender.is_new {
            self.knock_for_streams(now, sender.address);
        }
        // Also if nothing is fetched any more: this may have ended it.
        self.drive(now);
    }
}
