//! Passing lines on: which neighbours there are, and what is said to each, in as few datagrams as it takes.
//!
//! Whatever a neighbour says here makes us write to nobody but itself; only a line that is shown goes to others.

use super::Node;
use super::notes::Note;
use super::reply::Reply;
use super::sender::Sender;
use crate::content::Store;
use crate::gossip::{ELEMENT_MAX_BYTES, Errand, IDS_MAX, LineId};
use crate::rate::Rate;
use crate::time::Time;
use crate::wire::encode::Writer;
use crate::wire::messages::{HaveGroupChats, PleaseSendGroupChats};
use crate::wire::{List, Message, Text};
use std::net::SocketAddr;
use std::time::Duration;

/// Ids that one neighbour may have looked up: all that it may hold four times over, then as many as a lively room has
/// lines, eight times over.
const OFFER_RATE: Rate = Rate { burst: 256, interval: Duration::from_millis(25) };

/// Lines that one neighbour may ask for: all that we may hold, twice, then what a lively room says, twice.
const ASK_RATE: Rate = Rate { burst: 128, interval: Duration::from_millis(100) };

/// How long a datagram may be before the tokens are added.
const NOTE_MAX_BYTES: usize = ELEMENT_MAX_BYTES + 2;

/// How long it may be with several lines, so that with the tokens it travels whole where 1,500 bytes do.
const WHOLE_MAX_BYTES: usize = 1_300;

impl<S: Store> Node<S> {
    /// Takes note of who is a neighbour now; new ones are told of the lines that are held.
    pub(super) fn meet_neighbours(&mut self, now: Time) {
        let links = &self.links;
        let neighbours: Vec<_> =
            links.iter().filter(|link| link.is_proven).map(|link| (link.address, link.opened)).collect();
        self.groups.gossip.part(|address, since| neighbours.contains(&(address, since)));
        for (address, since) in neighbours {
            let have = self.groups.gossip.meet(now, address, since);
            if !have.is_empty() {
                let errand = Errand { to: address, lines: Vec::new(), have, confirm: false, want: Vec::new() };
                self.run_errand(now, &errand);
            }
        }
    }

    /// Somebody verified was heard: if it is a new neighbour, it is told of what is held.
    pub(super) fn meet_neighbour(&mut self, now: Time, address: SocketAddr) {
        if self.groups.gossip.is_empty() {
            return;
        }
        let link = self.links.iter().find(|link| link.address == address && link.is_proven);
        if link.is_some_and(|link| !self.groups.gossip.neighbours.has_met(address, link.opened)) {
            self.meet_neighbours(now);
        }
    }

    /// Somebody says which lines it has: it need not be sent these, and may be asked for what we lack.
    pub(super) fn take_haves(&mut self, now: Time, sender: &Sender, have: &HaveGroupChats<'_>, reply: &mut Reply) {
        if !self.passes_on(sender) {
            return;
        }
        let mut confirmed = Vec::new();
        for id in have.ids.0.iter().filter_map(|id| LineId::parse(id)).take(IDS_MAX) {
            if !self.groups.gossip.neighbours.limits(sender.address).offered.allow(now, OFFER_RATE) {
                self.counters.messages_over_rate += 1;
                break;
            }
            self.groups.gossip.note_has(sender.address, id);
            if self.groups.is_known(id) {
                confirmed.push(id);
            } else {
                self.groups.gossip.want(now, id, sender.address);
            }
        }
        if have.confirm == Some(true) && !confirmed.is_empty() {
            reply.expects_answer();
            reply.push(&haves(&confirmed));
        }
    }

    /// Sends lines to whoever asks for them.
    pub(super) fn send_lines(
        &mut self,
        now: Time,
        sender: &Sender,
        wanted: &PleaseSendGroupChats<'_>,
        reply: &mut Reply,
    ) {
        if !self.passes_on(sender) {
            return;
        }
        for id in wanted.ids.0.iter().filter_map(|id| LineId::parse(id)).take(IDS_MAX) {
            if !self.groups.gossip.neighbours.limits(sender.address).asked.allow(now, ASK_RATE) {
                self.counters.messages_over_rate += 1;
                return;
            }
            if let Some(element) = self.groups.gossip.element(id) {
                reply.expects_answer();
                reply.push_with(|writer, limit| {
                    let limit = if writer.is_empty() { limit } else { limit.min(WHOLE_MAX_BYTES) };
                    writer.push_with(limit, |bytes| {
                        bytes.extend_from_slice(element);
                        true
                    })
                });
            }
        }
    }

    /// Says to a neighbour what is to be said.
    pub(super) fn run_errand(&mut self, now: Time, errand: &Errand) {
        if self.peers.get(errand.to).is_none() {
            return;
        }
        let mut writer = self.begin_note(now, errand.to, Note::default());
        for id in &errand.lines {
            while self.groups.gossip.element(*id).is_some_and(|element| !push_element(&mut writer, element)) {
                self.finish_note(errand.to, &mut writer, false);
            }
        }
        let (have, want) = (texts(&errand.have), texts(&errand.want));
        let confirm = errand.confirm.then_some(true);
        let have = (!have.0.is_empty()).then_some(Message::HaveGroupChats(HaveGroupChats { ids: have, confirm }));
        let want = (!want.0.is_empty()).then_some(Message::PleaseSendGroupChats(PleaseSendGroupChats { ids: want }));
        for message in have.into_iter().chain(want) {
            if !writer.push(&message, NOTE_MAX_BYTES) {
                self.finish_note(errand.to, &mut writer, false);
                writer.push(&message, NOTE_MAX_BYTES);
            }
        }
        if !writer.is_empty() {
            self.finish_note(errand.to, &mut writer, false);
        }
    }

    /// Adds to a datagram to a neighbour which lines we have, if it is not known to know.
    pub(super) fn ride_along(&mut self, address: SocketAddr, writer: &mut Writer) {
        let ids = self.groups.gossip.ride(address);
        if !ids.is_empty() {
            writer.push(&haves(&ids), NOTE_MAX_BYTES);
        }
    }

    /// The same with an answer.
    pub(super) fn ride_on(&mut self, address: SocketAddr, reply: &mut Reply) {
        let ids = self.groups.gossip.ride(address);
        if !ids.is_empty() {
            reply.push(&haves(&ids));
        }
    }
}

/// Adds a line to a datagram: the first however long it is, further ones as long as it needs no fragments.
fn push_element(writer: &mut Writer, element: &[u8]) -> bool {
    let limit = if writer.is_empty() { NOTE_MAX_BYTES } else { WHOLE_MAX_BYTES };
    writer.push_with(limit, |bytes| {
        bytes.extend_from_slice(element);
        true
    })
}

fn texts(ids: &[LineId]) -> List<Text<'static>> {
    ids.iter().map(|id| Text::from(id.to_string())).collect()
}

/// "I have these."
fn haves(ids: &[LineId]) -> Message<'static> {
    Message::HaveGroupChats(HaveGroupChats { ids: texts(ids), confirm: None })
}
