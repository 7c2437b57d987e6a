//! The size of every table of the node, and that no table is left out.

use super::Node;
use super::{EVENTS_MAX, OUTBOX_MAX};
use crate::content::Store;
use crate::sizes::{Size, no_table};
use crate::transfer::RUN_BYTES_MAX;
use crate::wire::DATAGRAM_SEND_MAX_BYTES;

impl<S: Store> Node<S> {
    /// Every table and queue with its limit; no `len` is ever greater than its `max`. It looks at every rumour, so it
    /// is for tests and for people, not for every datagram.
    pub fn sizes(&self) -> impl Iterator<Item = Size> {
        let Node {
            config: _,   // never changes
            identity: _, // the same
            store: _,    // belongs to the caller
            rng: _,      // a generator does not grow
            issuer,
            budget,
            provoked,
            strangers,
            peers,
            heard,
            links,
            outages,
            anchors,
            is_hungry,
            chat,
            shelf,
            rumours,
            recommended,
            timers,
            counters,
            outbox,
            events,
            scratch,
            transfers,
            fetching,
            block,
            buffers,
            repeats,
            envelopes,
            homes,
            showings,
            named,
            answers,
            groups,
            finds,
            private,
            streams,
        } = self;
        no_table(strangers);
        no_table(outages);
        no_table(is_hungry);
        no_table(timers);
        no_table(counters);
        let own = [
            issuer.size(),
            showings.size(),
            answers.size("shares of signatures"),
            Size::new("datagrams to send", outbox.len(), OUTBOX_MAX),
            Size::new("events to fetch", events.len(), EVENTS_MAX),
            Size::new("bytes of a list under construction", scratch.len(), DATAGRAM_SEND_MAX_BYTES),
            Size::new("bytes of blocks to be served", block.len(), RUN_BYTES_MAX as usize),
        ];
        let people = peers.sizes().into_iter().chain(heard.sizes()).chain(links.sizes()).chain(anchors.sizes());
        let accounts = budget.sizes().into_iter().chain(provoked.sizes()).chain(chat.sizes());
        let content = shelf.sizes().into_iter().chain(rumours.sizes()).chain(recommended.sizes());
        let content = content.chain(buffers.sizes()).chain(repeats.sizes());
        let content = content.chain(transfers.sizes()).chain(fetching.sizes());
        let people = people.chain(finds.sizes()).chain(private.sizes());
        let envelopes = envelopes.sizes().chain(homes.sizes());
        let files = named.sizes().chain(streams.sizes());
        own.into_iter().chain(people).chain(accounts).chain(content).chain(envelopes).chain(files).chain(groups.sizes())
    }
}
