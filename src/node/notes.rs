//! Writing to a verified peer: what a datagram says, and the tokens that ride on it.

use super::reply::{push_owed, push_token};
use super::{Destination, Node};
use crate::content::Store;
use crate::peers::Probe;
use crate::time::Time;
use crate::wire::encode::Writer;
use crate::wire::messages::PleaseSendPeers;
use crate::wire::{DATAGRAM_SEND_MAX_BYTES, Message};
use std::net::SocketAddr;

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
    /// Writes to a verified peer.
    pub(super) fn write_to(&mut self, now: Time, address: SocketAddr, note: Note) {
        let mut writer = self.begin_note(now, address, note);
        if note.probes {
            let owed = self.peers.get(address).and_then(|peer| peer.owed.clone());
            self.push_own_proof(now, address, owed.as_ref(), &mut writer);
        }
        if !writer.is_empty() {
            self.finish_note(address, &mut writer, note.gives_token);
        }
    }

    /// Tries a path to a verified peer: probes it, and again if it does not answer. We go on keeping it open if
    /// `is_kept`.
    pub(super) fn try_link(&mut self, now: Time, address: SocketAddr, is_kept: bool, note: Note) {
        if !self.links.open(now, address, is_kept, &mut self.rng) {
            // Without a place to note it down, every further mention would make us write again.
            return;
        }
        self.links.probed(now, address);
        self.write_to(now, address, Note { probes: true, ..note });
    }

    /// The messages of a note, without the tokens.
    pub(super) fn begin_note(&mut self, now: Time, address: SocketAddr, note: Note) -> Writer {
        let mut writer = Writer::default();
        let Some(peer) = self.peers.get_mut(address) else { return writer };
        self.links.spoke(now, address);
        if note.asks_for_peers {
            peer.asked = Some(now);
            writer.push(&Message::PleaseSendPeers(PleaseSendPeers {}), DATAGRAM_SEND_MAX_BYTES);
        }
        if note.probes {
            let cookie = self.issuer.probe(&mut self.rng);
            let is_wanted = peer.probe.is_some_and(|probe| probe.is_wanted);
            peer.probe = Some(Probe { cookie, sent: now, is_wanted, is_follow_up: false });
            writer.push_cookie("PleaseReturnThisMessage", cookie.as_bytes(), DATAGRAM_SEND_MAX_BYTES);
        }
        writer
    }

    /// Writes to a peer that seems to have changed its token, with the one it seems to have now. If it answers and asks
    /// for no other, that is the one.
    pub(super) fn follow_up(&mut self, now: Time, address: SocketAddr) {
        let mut writer = self.begin_note(now, address, Note { probes: true, ..Note::default() });
        let Some(peer) = self.peers.get_mut(address) else { return };
        peer.probe.iter_mut().for_each(|probe| probe.is_follow_up = true);
        let owed = peer.candidate.clone().or_else(|| peer.owed.clone());
        push_owed(&mut writer, owed.as_ref(), DATAGRAM_SEND_MAX_BYTES);
        self.push_own_proof(now, address, owed.as_ref(), &mut writer);
        push_token(&mut writer, self.issuer.token(address), DATAGRAM_SEND_MAX_BYTES);
        self.send(Destination::Address(address), writer.take());
    }

    /// Whether a peer cannot know our current token.
    pub(super) fn needs_token(&self, address: SocketAddr) -> bool {
        self.peers.get(address).is_none_or(|peer| peer.heard < self.issuer.rotated())
    }

    /// Adds the tokens to a note and sends it. Ours is added if wanted, or if the peer cannot know the current one.
    pub(super) fn finish_note(&mut self, address: SocketAddr, writer: &mut Writer, gives_token: bool) {
        self.ride_along(address, writer);
        let owed = self.peers.get(address).and_then(|peer| peer.owed.as_ref());
        push_owed(writer, owed, DATAGRAM_SEND_MAX_BYTES);
        if gives_token || self.needs_token(address) {
            push_token(writer, self.issuer.token(address), DATAGRAM_SEND_MAX_BYTES);
        }
        self.send(Destination::Address(address), writer.take());
    }
}
