//! What other peers share, have seen, or think worth a look: for a person to read, and nothing else.
//!
//! It is all hearsay. Nothing is fetched because of it, and nothing of it is passed on; who might have what is kept in
//! [`Rumours`](crate::content::rumours::Rumours). Only verified peers are listened to, and none whom the user ignores.
//!
//! Each sender has room for one list, and each global network for two: when more comes, its own oldest goes. So it
//! takes eight networks to make us forget what another one said; then the oldest of all goes.

use super::Node;
use super::sender::Sender;
use super::serve::LIST_ANSWER_MAX;
use crate::content::Store;
use crate::peers::address::{Network, network};
use crate::sizes::{Size, no_table};
use crate::time::Time;
use crate::wire::encode::Writer;
use crate::wire::messages::PleaseListContent;
use crate::wire::{DATAGRAM_SEND_MAX_BYTES, ID_MAX_BYTES, Message, Text};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// How much of what one sender says is remembered: a whole list.
pub const RECOMMENDED_PER_SENDER_MAX: usize = LIST_ANSWER_MAX;

/// How much of what one global network says is remembered.
pub const RECOMMENDED_PER_NETWORK_MAX: usize = 2 * RECOMMENDED_PER_SENDER_MAX;

/// How much is remembered altogether. Under 1 MiB with the longest ids, and looked through in microseconds.
pub const RECOMMENDED_MAX: usize = 8 * RECOMMENDED_PER_NETWORK_MAX;

/// How much of it local networks may have said: a whole swarm may live there, and the world has the other half.
pub const RECOMMENDED_LOCAL_MAX: usize = RECOMMENDED_MAX / 2;

/// How many peers are asked at once what they share.
pub const LISTS_ASKED_MAX: usize = 16;

/// How soon they are asked again, however often the user wants to know.
const LISTS_PAUSE: Duration = Duration::from_secs(1);

/// What a peer said about a content, the least telling first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hearsay {
    /// It shares it (`ContentList`).
    Shares,
    /// It has just seen it (`IJustSawThis`).
    Saw,
    /// It thinks that it is worth a look (`YouShouldSeeThis`).
    Recommends,
}

/// What a peer said about a content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recommendation {
    /// The id, as it came: not safe for a terminal.
    pub id: String,
    /// The size in bytes, if the peer is right.
    pub length: u64,
    /// What it said; the most telling, if it said several things.
    pub hearsay: Hearsay,
    /// The peer.
    pub from: SocketAddr,
    /// When it said so last.
    pub heard: Time,
}

/// What peers said. All of it is looked through for each word, once: it is short.
#[derive(Debug, Default)]
pub(super) struct Recommended {
    /// In the order in which they said it last, each with the network of the peer.
    said: VecDeque<(Network, Recommendation)>,
    /// When peers were asked last what they share.
    asked: Option<Time>,
}

impl Recommended {
    /// A verified peer said this about a content.
    pub(super) fn note(&mut self, now: Time, from: SocketAddr, id: &str, length: u64, hearsay: Hearsay) {
        if id.is_empty() || id.len() > ID_MAX_BYTES {
            return;
        }
        let network = network(from.ip());
        let (known, too_many) = self.look_up(network, from, id);
        let before = known.or(too_many).and_then(|place| self.said.remove(place));
        let before = before.filter(|_| known.is_some()).map_or(hearsay, |(_, before)| before.hearsay);
        let hearsay = hearsay.max(before);
        self.said.push_back((network, Recommendation { id: id.to_owned(), length, hearsay, from, heard: now }));
    }

    /// Where this sender has said something about this content, and what has to go if it has not and one more of its
    /// words would be too many: its own oldest, that of its network, or else the oldest of all.
    fn look_up(&self, network: Network, from: SocketAddr, id: &str) -> (Option<usize>, Option<usize>) {
        let (mut known, mut of_sender, mut of_network) = (None, Share::default(), Share::default());
        for (place, (_, said)) in self.said.iter().enumerate().filter(|(_, (other, _))| *other == network) {
            of_network.add(place);
            if said.from == from {
                of_sender.add(place);
                known = known.or((said.id == id).then_some(place));
            }
        }
        let share_max = if network == Network::Local { RECOMMENDED_LOCAL_MAX } else { RECOMMENDED_PER_NETWORK_MAX };
        let too_many = if of_sender.count >= RECOMMENDED_PER_SENDER_MAX {
            of_sender.oldest
        } else if of_network.count >= share_max {
            of_network.oldest
        } else {
            (self.said.len() >= RECOMMENDED_MAX).then_some(0)
        };
        (known, too_many)
    }

    /// How full the tables are.
    pub(super) fn sizes(&self) -> [Size; 2] {
        let Recommended { said, asked } = self;
        no_table(asked);
        let longest = said.iter().map(|(_, said)| said.id.len()).max().unwrap_or(0);
        [
            Size::new("recommendations", said.len(), RECOMMENDED_MAX),
            Size::new("bytes of a recommended id", longest, ID_MAX_BYTES),
        ]
    }
}

/// How much a sender, or a network, has said.
#[derive(Default)]
struct Share {
    count: usize,
    /// Where the oldest of it is.
    oldest: Option<usize>,
}

impl Share {
    fn add(&mut self, place: usize) {
        self.count += 1;
        self.oldest = self.oldest.or(Some(place));
    }
}

impl<S: Store> Node<S> {
    /// What peers said about contents, the latest first; at most `most`.
    pub fn recommended(&self, most: usize) -> impl Iterator<Item = &Recommendation> {
        self.recommended.said.iter().rev().map(|(_, said)| said).take(most)
    }

    /// A peer says something about a content.
    pub(super) fn note_hearsay(
        &mut self,
        now: Time,
        sender: &mut Sender,
        (id, length): (&Text<'_>, u64),
        hearsay: Hearsay,
    ) {
        if !sender.is_verified() || id.len() > ID_MAX_BYTES {
            return;
        }
        // More would only push out what came before it in the same datagram, at a hundred times the cost of reading it.
        sender.hearsay += 1;
        if sender.hearsay > RECOMMENDED_PER_SENDER_MAX {
            self.counters.messages_over_rate += 1;
            return;
        }
        self.note_holder(sender, id);
        if !self.chat.is_ignored(sender.address.ip()) {
            self.recommended.note(now, sender.address, id, length, hearsay);
        }
    }

    /// A peer says what it shares.
    pub(super) fn note_list(&mut self, now: Time, sender: &mut Sender, entries: &[(Text<'_>, u64)]) {
        for (id, length) in entries.iter().take(LIST_ANSWER_MAX) {
            self.note_hearsay(now, sender, (id, *length), Hearsay::Shares);
        }
    }

    /// Asks some peers what they share, for the user.
    pub(super) fn ask_for_lists(&mut self, now: Time) {
        if self.recommended.asked.is_some_and(|asked| now.since(asked) < LISTS_PAUSE) {
            return;
        }
        self.recommended.asked = Some(now);
        let fresh = self.peers.sample(4 * LISTS_ASKED_MAX, &mut self.rng).filter(|peer| peer.is_fresh(now));
        let addresses: Vec<SocketAddr> = fresh.map(|peer| peer.address).take(LISTS_ASKED_MAX).collect();
        for address in addresses {
            let mut writer = Writer::default();
            writer.push(&Message::PleaseListContent(PleaseListContent {}), DATAGRAM_SEND_MAX_BYTES);
            self.finish_note(address, &mut writer, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Time {
        Time::from_micros(second * 1_000_000)
    }

    fn peer(a: u8, b: u8, c: u16) -> SocketAddr {
        let [high, low] = c.to_be_bytes();
        SocketAddr::from(([a, b, high, low], 24_254))
    }

    fn assert_sizes(table: &Recommended) {
        for size in table.sizes() {
            assert!(size.len <= size.max, "{size:?}");
        }
        let of = |share| table.said.iter().filter(|(_, said)| network(said.from.ip()) == share).count();
        for share in table.said.iter().map(|(_, said)| network(said.from.ip())).filter(|share| *share != Network::Local)
        {
            assert!(of(share) <= RECOMMENDED_PER_NETWORK_MAX);
        }
    }

    #[test]
    fn the_most_telling_word_and_the_latest_size_of_each_sender_are_kept() {
        let mut table = Recommended::default();
        let [one, other] = [peer(20, 1, 1), peer(20, 1, 2)];
        table.note(at(1), one, "cat", 5, Hearsay::Recommends);
        table.note(at(2), other, "cat", 6, Hearsay::Saw);
        table.note(at(3), one, "cat", 7, Hearsay::Shares);
        table.note(at(4), one, "", 7, Hearsay::Shares);
        table.note(at(4), one, &"x".repeat(ID_MAX_BYTES + 1), 7, Hearsay::Shares);
        let said: Vec<_> =
            table.said.iter().map(|(_, said)| (said.from, said.length, said.hearsay, said.heard)).collect();
        assert_eq!(said, [(other, 6, Hearsay::Saw, at(2)), (one, 7, Hearsay::Recommends, at(3))]);
    }

    #[test]
    fn a_sender_and_its_network_only_push_out_what_they_said_themselves() {
        let mut table = Recommended::default();
        let quiet = peer(21, 1, 1);
        table.note(at(0), quiet, "quiet", 1, Hearsay::Recommends);
        for sender in 0..40 {
            for id in 0..2 * RECOMMENDED_PER_SENDER_MAX {
                table.note(at(1), peer(20, 1, sender), &id.to_string(), 1, Hearsay::Shares);
                assert_sizes(&table);
            }
            let own = table.said.iter().filter(|(_, said)| said.from == peer(20, 1, sender)).count();
            assert_eq!(own, RECOMMENDED_PER_SENDER_MAX);
        }
        assert_eq!(table.said.len(), RECOMMENDED_PER_NETWORK_MAX + 1);
        assert!(table.said.iter().any(|(_, said)| said.from == quiet));
        // A local swarm has half of everything, and no more.
        for sender in 0..40 {
            for id in 0..RECOMMENDED_PER_SENDER_MAX {
                table.note(at(2), peer(10, 0, sender), &id.to_string(), 1, Hearsay::Shares);
            }
        }
        assert_eq!(table.said.len(), RECOMMENDED_LOCAL_MAX + RECOMMENDED_PER_NETWORK_MAX + 1);
        assert_sizes(&table);
    }

    #[test]
    fn of_many_networks_the_oldest_word_of_all_goes() {
        let mut table = Recommended::default();
        for number in 0..3 * RECOMMENDED_MAX {
            let from = peer(30 + (number / 250) as u8, (number % 250) as u8, 1);
            table.note(at(number as u64), from, &number.to_string(), 1, Hearsay::Shares);
        }
        assert_eq!(table.said.len(), RECOMMENDED_MAX);
        assert_eq!(table.said[0].1.heard, at(2 * RECOMMENDED_MAX as u64));
        assert_sizes(&table);
    }
}
