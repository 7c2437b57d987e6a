//! Hints about who else might have a content or a stream: whom others may make us ask.
//!
//! The rule stands here once, for both. A hint counts only if it is about something that the user wants here, and comes
//! from where we have asked for just that. Each names a few others at most. An address has to make sense to whoever
//! names it; a verified peer is asked, and anybody else is tried first, within all limits on what others make us send
//! (see [`provoked`](super::provoked)). For a content each source is asked six times at most, whoever names it.
//! Anybody can write in the name of somebody we asked, so what comes without proof shares one small room with all other
//! hearsay and takes nothing from what peers may name; and only with our token is a hint the word of its sender, that
//! it has nothing itself.

use super::Node;
use super::fetch::parse_part;
use super::sender::Sender;
use crate::content::{ContentId, Store};
use crate::peers::address::{makes_sense_to, network, plain};
use crate::peers::heard::Source;
use crate::stream::{PREFIX, StreamId};
use crate::time::Time;
use crate::wire::messages::MaybeTheyHaveSome;

/// How many names of one hint are looked at: as many as this node puts into one.
const NAMES_MAX: usize = 8;

/// What a hint is about.
enum Wanted {
    Content(ContentId),
    Stream(StreamId),
}

impl<S: Store> Node<S> {
    /// Somebody names others that might have something.
    pub(super) fn take_maybe(&mut self, now: Time, sender: &Sender, maybe: &MaybeTheyHaveSome<'_>) {
        let wanted = if maybe.id.starts_with(PREFIX) {
            self.streams.asks_for(&maybe.id, sender.address).map(Wanted::Stream)
        } else {
            let id = parse_part(&maybe.id).map(|(id, _)| id);
            id.filter(|id| self.transfers.is_source(id, sender.address)).map(Wanted::Content)
        };
        let Some(wanted) = wanted else { return };
        if sender.is_verified() {
            match &wanted {
                Wanted::Content(id) => self.transfers.disown(now, id, sender.address),
                Wanted::Stream(id) => self.streams.disown(id, sender.address),
            }
        }
        let source = if sender.is_proven() { Source::Peer(network(sender.address.ip())) } else { Source::Hearsay };
        for name in maybe.peers.0.iter().take(NAMES_MAX) {
            let address = name.parse().ok().map(plain);
            let Some(address) = address.filter(|address| makes_sense_to(*address, sender.address)) else {
                self.counters.addresses_ignored += 1;
                continue;
            };
            if self.peers.get(address).is_some() {
                match &wanted {
                    Wanted::Content(id) => _ = self.offer_source(now, *id, address),
                    Wanted::Stream(id) => self.follow_hint(now, id, address),
                }
                continue;
            }
            if self.heard.insert(now, address, source) {
                self.contact(now, address);
            }
            // For streams everybody is asked who is new.
            if let Wanted::Content(id) = wanted {
                self.fetching.note_candidate(&self.heard, address, id);
            }
        }
    }
}
