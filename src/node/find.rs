//! Finding out where the holder of a key is: asking others, and trying what they say.
//!
//! Somebody here wants to write to a key, or to follow its stream, and its address is not known or does not answer. So
//! peers are asked
//! `WhereAreThey`, neighbours first, a few at once and after growing pauses. What they answer is a hint: an address
//! that makes sense is sent one small datagram that asks for its token, under the limits of everything that others
//! name (see [`provoked`](super::provoked)), and nothing more before it has returned ours. That somebody is there is no
//! proof of whose address it is; only the key's own envelope is, and only that makes it a home.
//!
//! Answers may be lies. So each host has a say about two addresses and no more, a host is tried at two of them at most,
//! and what one says takes no place from the others. This module refuses to look for anybody whom the network names:
//! only what the user wants to send begins a search, and its end ends it.

use super::Node;
use super::notes::Note;
use super::private::PATIENCE;
use super::sender::Sender;
use crate::content::Store;
use crate::identity::PublicKey;
use crate::peers::address::{host, makes_sense_to, network, plain};
use crate::peers::heard::Source;
use crate::sizes::Size;
use crate::time::Time;
use crate::wire::messages::{Forwarded, WhereAreThey};
use crate::wire::{DATAGRAM_SEND_MAX_BYTES, Message, decode};
use rand::rngs::StdRng;
use std::net::SocketAddr;
use std::time::Duration;

/// How many keys are looked for at once, for streams too: as many people as messages wait for, see
/// [`RECIPIENTS_MAX`](super::private::RECIPIENTS_MAX).
const FINDS_MAX: usize = super::private::RECIPIENTS_MAX;

/// How many peers are asked at first: all neighbours of most nodes. Each round asks twice as many as the one before.
const ASKED_AT_FIRST: usize = 8;

/// How many are asked in one round at most: 5 KB together.
const ASKED_AT_ONCE_MAX: usize = 32;

/// How many are asked about one key before those are asked again who were asked first: as many as the wild asks at
/// once. In the two minutes that a message waits there are eight rounds, of 8, 16 and six times 32.
const ASKED_MAX: usize = 256;

/// The pause after the first round, doubled each time. An answer from the other side of the world takes half of it.
const ROUND_MIN: Duration = Duration::from_secs(1);

/// The longest pause between rounds: news of somebody who has moved is asked for so often.
const ROUND_MAX: Duration = Duration::from_secs(30);

/// The pause between rounds in which only those are asked who have said something: they hear first of it when somebody
/// has moved, and whoever waits is to be found within five seconds of that.
const TELLERS_PAUSE: Duration = Duration::from_secs(3);

/// How many of them are asked in any round, by turns and one of each host: as many as are asked at first, so that those
/// who lie take turns from those who know, and no more. In two minutes there are 40 such rounds at most and the eight
/// others: 384 questions at most, and 343 if all of them answer at once.
const TELLERS_AT_ONCE: usize = ASKED_AT_FIRST;

/// How many addresses are tried for one key: those of four hosts that may say two each.
const HINTS_MAX: usize = 8;

/// How many addresses one host may name for a key, and at how many addresses one host is tried.
const HINTS_PER_HOST_MAX: usize = 2;

/// An address that somebody named for a key.
#[derive(Clone, Copy, Debug)]
struct Hint {
    address: SocketAddr,
    /// Who said so; `None` for our own memory.
    teller: Option<SocketAddr>,
    /// Whether somebody there has returned our token, and what waits was written.
    is_there: bool,
}

/// Somebody who was asked.
#[derive(Clone, Copy, Debug)]
struct Asked {
    address: SocketAddr,
    /// Whether it has said something, true or not, and nobody else of its host has.
    has_told: bool,
}

/// A key that is looked for.
#[derive(Debug)]
struct Find {
    key: PublicKey,
    /// Who looks for longer than a message waits begins anew: what was said is old by then.
    begun: Time,
    due: Time,
    /// When others are asked than those who have said something, and the pause after that.
    round: Time,
    pause: Duration,
    /// How many are asked in the next round.
    asks: usize,
    /// Who was asked; those who were asked longest ago first.
    asked: Vec<Asked>,
    hints: Vec<Hint>,
}

impl Find {
    /// Takes note of a hint. Says no if it is one too many, or known.
    fn add(&mut self, hint: Hint) -> bool {
        let host_of = |address: SocketAddr| host(address.ip());
        let teller = hint.teller.map(host_of);
        let said = self.hints.iter().filter(|other| teller.is_some() && other.teller.map(host_of) == teller).count();
        let tried = self.hints.iter().filter(|other| host_of(other.address) == host_of(hint.address)).count();
        let is_known = self.hints.iter().any(|other| other.address == hint.address);
        let is_full = self.hints.len() >= HINTS_MAX || said.max(tried) >= HINTS_PER_HOST_MAX;
        if !is_known && !is_full {
            self.hints.push(hint);
        }
        !is_known && !is_full
    }

    /// Takes note of who has said something, and asks again soon.
    fn heed(&mut self, now: Time, teller: SocketAddr) {
        self.due = self.due.min(now + TELLERS_PAUSE);
        let is_known = self.tellers().any(|other| host(other.ip()) == host(teller.ip()));
        let asked = self.asked.iter_mut().filter(|asked| asked.address == teller && !is_known);
        asked.for_each(|asked| asked.has_told = true);
    }

    /// Who has said something, one of each host; those who were asked longest ago first.
    fn tellers(&self) -> impl Iterator<Item = SocketAddr> {
        self.asked.iter().filter(|asked| asked.has_told).map(|asked| asked.address)
    }

    /// Somebody is being asked, perhaps again.
    fn note_asked(&mut self, address: SocketAddr) {
        let before = self.asked.iter().position(|asked| asked.address == address);
        let before = before.map(|place| self.asked.remove(place));
        if self.asked.len() >= ASKED_MAX {
            self.asked.remove(0);
        }
        self.asked.push(before.unwrap_or(Asked { address, has_told: false }));
    }
}

/// All that is looked for.
#[derive(Debug)]
pub(super) struct Finds {
    finds: Vec<Find>,
    /// A generator of its own: whom a node asks for peers is the same whether it looks for people or not.
    rng: StdRng,
}

impl Finds {
    pub(super) fn new(rng: StdRng) -> Finds {
        Finds { finds: Vec::new(), rng }
    }

    /// When the next round is due.
    pub(super) fn due(&self) -> Option<Time> {
        self.finds.iter().map(|find| find.due).min()
    }

    pub(super) fn sizes(&self) -> [Size; 3] {
        // A generator does not grow.
        let Finds { finds, rng: _ } = self;
        let most = |count: fn(&Find) -> usize| finds.iter().map(count).max().unwrap_or(0);
        [
            Size::new("keys that are looked for", finds.len(), FINDS_MAX),
            Size::new("peers asked for one key", most(|find| find.asked.len()), ASKED_MAX),
            Size::new("addresses named for one key", most(|find| find.hints.len()), HINTS_MAX),
        ]
    }

    fn get_mut(&mut self, key: &PublicKey) -> Option<&mut Find> {
        self.finds.iter_mut().find(|find| find.key == *key)
    }

    /// Looks for a key no longer.
    pub(super) fn end(&mut self, key: &PublicKey) {
        self.finds.retain(|find| find.key != *key);
    }

    /// There is a new peer: where hardly anybody could be asked, it is asked at once.
    pub(super) fn hurry(&mut self, now: Time) {
        let few = self.finds.iter_mut().filter(|find| find.asked.len() < ASKED_AT_FIRST);
        few.for_each(|find| (find.due, find.round) = (find.due.min(now), find.round.min(now)));
    }

    /// What came of it so far: how many were asked, and how many addresses were named.
    pub(super) fn outcome(&self, key: &PublicKey) -> (usize, usize) {
        self.finds.iter().find(|find| find.key == *key).map_or((0, 0), |find| (find.asked.len(), find.hints.len()))
    }

    /// The addresses that were named for a key.
    pub(super) fn hints(&self, key: &PublicKey) -> impl Iterator<Item = SocketAddr> {
        let find = self.finds.iter().filter(move |find| find.key == *key);
        find.flat_map(|find| find.hints.iter().map(|hint| hint.address))
    }

    /// Somebody at this address returned our token: which keys it was named for, each told once.
    pub(super) fn arrive(&mut self, address: SocketAddr) -> Vec<PublicKey> {
        let mut keys = Vec::new();
        for find in &mut self.finds {
            let hints = find.hints.iter_mut().filter(|hint| hint.address == address && !hint.is_there);
            for hint in hints {
                hint.is_there = true;
                keys.push(find.key);
            }
        }
        keys
    }
}

impl<S: Store> Node<S> {
    /// Begins to look for the holder of a key, unless that is done already.
    pub(super) fn find(&mut self, now: Time, key: PublicKey) {
        // Whoever wants to know for longer says so again.
        self.finds.finds.retain(|find| find.key != key || now.since(find.begun) < PATIENCE);
        if self.finds.get_mut(&key).is_some() || self.finds.finds.len() >= FINDS_MAX {
            return;
        }
        self.finds.finds.push(Find {
            key,
            begun: now,
            due: now,
            round: now,
            pause: ROUND_MIN,
            asks: ASKED_AT_FIRST,
            asked: Vec::new(),
            hints: Vec::new(),
        });
        self.tend_finds(now);
    }

    /// One round of one key whose time has come. The others have theirs a moment later, so that no call sends them all.
    pub(super) fn tend_finds(&mut self, now: Time) {
        let Some(place) = self.finds.finds.iter().position(|find| find.due <= now) else { return };
        // The one that has just been tended waits behind the others.
        let mut find = self.finds.finds.remove(place);
        let tellers = find.tellers().count().min(TELLERS_AT_ONCE);
        if find.round > now {
            self.ask_where(now, &mut find, tellers);
        } else {
            find.round = now + find.pause;
            find.pause = (find.pause * 2).min(ROUND_MAX);
            let asks = find.asks;
            if self.ask_where(now, &mut find, asks) > 0 {
                find.asks = (find.asks * 2).min(ASKED_AT_ONCE_MAX);
            }
        }
        find.due = if tellers > 0 { find.round.min(now + TELLERS_PAUSE) } else { find.round };
        let hints: Vec<SocketAddr> = find.hints.iter().map(|hint| hint.address).collect();
        self.finds.finds.push(find);
        hints.into_iter().for_each(|address| self.try_hint(now, address));
    }

    /// Asks some peers where somebody is: those who have said so before, neighbours, others that were heard lately, and
    /// then those again who were asked longest ago. Says how many.
    fn ask_where(&mut self, now: Time, find: &mut Find, most: usize) -> usize {
        let links = &self.links;
        let neighbours = links.iter().filter(|link| link.is_proven).map(|link| link.address);
        let others = self.peers.sample(ASKED_MAX, &mut self.finds.rng).filter(|peer| peer.is_fresh(now));
        let others = others.map(|peer| peer.address).filter(|address| !links.holds(*address));
        let reachable: Vec<SocketAddr> = neighbours.chain(others).collect();
        let asked = |has_told| find.asked.iter().filter(move |asked| asked.has_told == has_told);
        let known = asked(true).map(|asked| asked.address).filter(|address| reachable.contains(address));
        let new = reachable.iter().filter(|address| find.asked.iter().all(|asked| asked.address != **address)).copied();
        let again = asked(false).map(|asked| asked.address).filter(|address| reachable.contains(address));
        let to: Vec<SocketAddr> = known.take(TELLERS_AT_ONCE).chain(new).chain(again).take(most).collect();
        for address in &to {
            find.note_asked(*address);
            let mut writer = self.begin_note(now, *address, Note::default());
            let question = Message::WhereAreThey(WhereAreThey { ed25519h: find.key.hex() });
            writer.push(&question, DATAGRAM_SEND_MAX_BYTES);
            self.finish_note(*address, &mut writer, false);
        }
        self.counters.people_asked_for += to.len() as u64;
        to.len()
    }

    /// Somebody says where somebody is. It counts only if it was asked, and as a hint.
    pub(super) fn take_whereabouts(&mut self, now: Time, sender: &Sender, answer: &Forwarded<'_>) {
        if self.finds.finds.is_empty() || !sender.is_verified() {
            return;
        }
        let Ok(decoded) = decode(answer.messages.as_bytes()) else { return };
        let claim = decoded.messages.iter().find_map(|message| match message {
            Message::MyPublicKey(claim) => Some(claim.ed25519h),
            _ => None,
        });
        let address = answer.src.parse().ok().map(plain);
        // Whose key it is, is compared as it came: finding out whether others are keys at all would cost more.
        let finds = self.finds.finds.iter_mut();
        let mut asked = finds.filter(|find| {
            Some(find.key.hex()) == claim && find.asked.iter().any(|asked| asked.address == sender.address)
        });
        let Some(find) = asked.next() else { return };
        let Some(address) = address.filter(|address| makes_sense_to(*address, sender.address)) else {
            self.counters.addresses_ignored += 1;
            return;
        };
        let teller = Some(sender.address);
        find.heed(now, sender.address);
        if find.add(Hint { address, teller, is_there: false }) {
            self.heard.insert(now, address, Source::Peer(network(sender.address.ip())));
            self.try_hint(now, address);
        }
    }

    /// Tries an address that was named for somebody, unless it is a peer, which needs no trying. Who could not be kept
    /// could not be written to either.
    fn try_hint(&mut self, now: Time, address: SocketAddr) {
        if self.peers.get(address).is_some() {
            self.note_arrival(now, address);
        } else if self.peers.has_room_for(address) && self.heard.get_mut(address).is_some_and(|it| it.is_due(now)) {
            self.contact(now, address);
        }
    }

    /// Tries an address of our own memory at which somebody was proven to be, and is no peer any more.
    pub(super) fn try_former(&mut self, now: Time, key: &PublicKey, address: SocketAddr) {
        let Some(find) = self.finds.get_mut(key) else { return };
        if find.add(Hint { address, teller: None, is_there: false }) {
            self.heard.insert(now, address, Source::Remembered);
            self.try_hint(now, address);
        }
    }
}
