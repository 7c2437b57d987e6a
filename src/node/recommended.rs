//! What other peers share, have seen, or think worth a look: for a person to read, and nothing else.
//!
//! It is all hearsay. Nothing is fetched because of it, and nothing of it is passed on; who might have what is kept in
//! [`Rumours`](crate::content::rumours::Rumours). Only verified peers are listened to, and none whom the user ignores.
//!
//! Each sender has room for one list, and each global network for two: when more comes, its own oldest goes. So it
//! takes eight networks to make us forget what another one said; then the oldest of all goes.

use super::Node;
use super::dispatch::Sender;
use super::serve::LIST_ANSWER_MAX;
use crate::content::Store;
use crate::peers::address::{Network, network};
use crate::sizes::{Size, no_table};
use crate::time::Time;
use crate::wire::encode::Writer;
use crate::wire::messages::PleaseListContent;
use crate::wire::{DATAGRAM_SEND_MAX_BYTES, ID_MAX_BYTES, Message, Text};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

/// How much of what one sender says is remembered: a whole list.
pub const RECOMMENDED_PER_SENDER_MAX: usize = LIST_ANSWER_MAX;

/// How much of what one global network says is remembered.
pub const RECOMMENDED_PER_NETWORK_MAX: usize = 2 * RECOMMENDED_PER_SENDER_MAX;

/// How much is remembered altogether. Under 1 MiB with the longest ids, each of which is kept twice.
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

/// What peers said, in the order in which they said it last.
#[derive(Debug, Default)]
pub(super) struct Recommended {
    said: BTreeMap<u64, Recommendation>,
    numbers: BTreeMap<(SocketAddr, String), u64>,
    by_sender: BTreeSet<(SocketAddr, u64)>,
    by_network: BTreeSet<(Network, u64)>,
    shares: BTreeMap<Network, usize>,
    count: u64,
    /// When peers were asked last what they share.
    asked: Option<Time>,
}

impl Recommended {
    /// A verified peer said this about a content.
    pub(super) fn note(&mut self, now: Time, from: SocketAddr, id: &str, length: u64, hearsay: Hearsay) {
        if id.is_empty() || id.len() > ID_MAX_BYTES {
            return;
        }
        let known = self.numbers.get(&(from, id.to_owned())).copied();
        let before = known.and_then(|number| self.forget(number));
        if before.is_none() {
            self.make_room(from);
        }
        let hearsay = before.map_or(hearsay, |before| before.hearsay.max(hearsay));
        let (number, network) = (self.count, network(from.ip()));
        self.count += 1;
        self.numbers.insert((from, id.to_owned()), number);
        self.by_sender.insert((from, number));
        self.by_network.insert((network, number));
        *self.shares.entry(network).or_insert(0) += 1;
        self.said.insert(number, Recommendation { id: id.to_owned(), length, hearsay, from, heard: now });
    }

    /// Forgets something if one more of this sender would be too many: its own oldest, that of its network, or else
    /// the oldest of all.
    fn make_room(&mut self, from: SocketAddr) {
        let network = network(from.ip());
        let share_max = if network == Network::Local { RECOMMENDED_LOCAL_MAX } else { RECOMMENDED_PER_NETWORK_MAX };
        let of_sender = self.by_sender.range((from, 0)..=(from, u64::MAX));
        let oldest = if of_sender.clone().count() >= RECOMMENDED_PER_SENDER_MAX {
            of_sender.map(|(_, number)| *number).next()
        } else if self.shares.get(&network).is_some_and(|share| *share >= share_max) {
            self.by_network.range((network, 0)..).next().map(|(_, number)| *number)
        } else if self.said.len() >= RECOMMENDED_MAX {
            self.said.first_key_value().map(|(number, _)| *number)
        } else {
            None
        };
        oldest.and_then(|number| self.forget(number));
    }

    fn forget(&mut self, number: u64) -> Option<Recommendation> {
        let said = self.said.remove(&number)?;
        let network = network(said.from.ip());
        self.numbers.remove(&(said.from, said.id.clone()));
        self.by_sender.remove(&(said.from, number));
        self.by_network.remove(&(network, number));
        let share = self.shares.remove(&network).unwrap_or(1);
        if share > 1 {
            self.shares.insert(network, share - 1);
        }
        Some(said)
    }

    /// How full the tables are.
    pub(super) fn sizes(&self) -> [Size; 7] {
        let Recommended { said, numbers, by_sender, by_network, shares, count, asked } = self;
        no_table(count);
        no_table(asked);
        let longest = said.values().map(|said| said.id.len()).max().unwrap_or(0);
        let most = shares.iter().filter(|(network, _)| **network != Network::Local).map(|(_, share)| *share).max();
        [
            Size::new("recommendations", said.len(), RECOMMENDED_MAX),
            Size::new("recommendations by id", numbers.len(), RECOMMENDED_MAX),
            Size::new("recommendations by sender", by_sender.len(), RECOMMENDED_MAX),
            Size::new("recommendations by network", by_network.len(), RECOMMENDED_MAX),
            Size::new("networks that recommended", shares.len(), RECOMMENDED_MAX),
            Size::new("recommendations of one network", most.unwrap_or(0), RECOMMENDED_PER_NETWORK_MAX),
            Size::new("bytes of a recommended id", longest, ID_MAX_BYTES),
        ]
    }
}

impl<S: Store> Node<S> {
    /// What peers said about contents, the latest first; at most `most`.
    pub fn recommended(&self, most: usize) -> impl Iterator<Item = &Recommendation> {
        self.recommended.said.values().rev().take(most)
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
        let said: Vec<_> = table.said.values().map(|said| (said.from, said.length, said.hearsay, said.heard)).collect();
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
            let own = table.said.values().filter(|said| said.from == peer(20, 1, sender)).count();
            assert_eq!(own, RECOMMENDED_PER_SENDER_MAX);
        }
        assert_eq!(table.said.len(), RECOMMENDED_PER_NETWORK_MAX + 1);
        assert!(table.said.values().any(|said| said.from == quiet));
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
        assert_eq!(table.said.first_key_value().map(|(number, _)| *number), Some(2 * RECOMMENDED_MAX as u64));
        assert_sizes(&table);
    }
}
