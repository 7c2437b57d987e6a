//! Who is out there: verified peers, addresses merely heard of, and the few paths we keep open.
//!
//! - This file holds the table of **verified** peers: addresses that returned our token. Only they are passed on.
//! - `peer` is what is known of one of them.
//! - [`heard`] holds addresses that somebody named. They are hints, tried a few times and dropped.
//! - [`contacts`] limits how often an address that never answered is written to, whoever names it.
//! - [`anchors`] holds the addresses we return to when we know too few.
//! - [`links`] holds the handful of neighbours whose path through NATs is kept open.
//! - `sample` draws from the peers of several scopes as if they were in one shuffled table.
//!
//! Nothing here sends or decides to send.
//!
//! **Who goes.** A peer goes after an hour of silence, or when it leaves probes unanswered: as a neighbour seven, on
//! trial three, while others are heard. A newcomer never displaces a peer that answers: a full table, or a full network
//! within it, turns newcomers away. But each that is turned away makes us doubt the peer that has been silent longest
//! among those in its way, if that is no neighbour and has been silent for [`SILENT_AFTER`]: it is put on trial, and if
//! it fails the next newcomer finds room. A peer behind a NAT that has closed fails too; nobody could reach it through
//! us. Long-lived peers are the ones most likely to live on (Maymounkov and Mazières, Kademlia, 2002), and nobody can
//! push them out by arriving in numbers.

pub mod address;
pub mod anchors;
pub mod contacts;
pub(crate) mod crowd;
pub mod heard;
pub mod links;
mod peer;
mod sample;
mod text;

pub use peer::{FRESH_FOR, Peer, Probe};
pub use text::AddressText;

use crate::hash::Key;
use crate::sizes::{Size, no_table};
use crate::time::Time;
use address::{Network, SCOPES, Scope, network, reaches, scope};
use rand::{Rng, RngExt};
use sample::Sample;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

/// How many verified peers are known at most: 20,480 local and 4,096 more, so that a full local network never keeps the
/// world out. Under 12 MB when full with every peer owed the longest token, and 4 MB more if somebody forges a change
/// of every one of them.
pub const VERIFIED_MAX: usize = 24_576;

/// How many of them may be in loopback, link and private networks: a whole swarm on one machine or in one building.
pub const VERIFIED_LOCAL_MAX: usize = 20_480;

/// How many of them may share one global network (IPv4 /16 or IPv6 /32): a fiftieth of the table.
pub const VERIFIED_PER_NETWORK_MAX: usize = 512;

/// How many may share one while few peers are known; half of the peers we want to know, so that one network alone never
/// satisfies us.
pub const VERIFIED_PER_NETWORK_MIN: usize = 8;

/// Between the two, one network may hold this part of the known peers. Without it the first network to come, in numbers
/// that one landlord can rent, would be nearly all that a small swarm hears of.
const VERIFIED_PER_NETWORK_PART: usize = 4;

/// How many peers of one network count when we ask ourselves whether we know enough.
const COUNTED_PER_NETWORK_MAX: usize = 4;

/// A peer that was not heard for this long is forgotten.
pub const FORGET_AFTER: Duration = Duration::from_secs(3_600);

/// A peer that was not heard for this long may have to give way to a newcomer: a dozen rounds of probes, and twice as
/// long as a patient NAT remembers.
pub const SILENT_AFTER: Duration = Duration::from_secs(300);

/// The verified peers, those of each scope always in random order, so that any run of entries is a random sample.
/// Scopes are kept apart so that whoever may be told of only one of them never waits for a search among the others.
#[derive(Debug)]
pub struct PeerTable {
    /// By [`Scope`].
    entries: [Vec<Peer>; SCOPES],
    /// Where in the entries of its scope each address is.
    places: HashMap<SocketAddr, usize, Key>,
    shares: HashMap<Network, usize, Key>,
    /// How many peers there are if every global network counts [`COUNTED_PER_NETWORK_MAX`] times at most.
    counted: usize,
}

impl PeerTable {
    /// An empty table.
    pub fn new(key: Key) -> PeerTable {
        let (places, shares) = (HashMap::with_hasher(key), HashMap::with_hasher(key));
        PeerTable { entries: Default::default(), places, shares, counted: 0 }
    }

    /// How many peers are verified.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// How many peers are verified, those of a crowded network counted as few: a crowd is no substitute for a swarm.
    pub fn counted(&self) -> usize {
        self.counted
    }

    /// How full the table is.
    pub fn sizes(&self) -> [Size; 3] {
        let PeerTable { entries, places, shares, counted } = self;
        no_table(counted);
        [
            Size::new("peers", entries.iter().map(Vec::len).sum(), VERIFIED_MAX),
            Size::new("places of peers", places.len(), VERIFIED_MAX),
            Size::new("networks of peers", shares.len(), VERIFIED_MAX),
        ]
    }

    /// True if nobody is verified.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The peer at an address.
    pub fn get(&self, address: SocketAddr) -> Option<&Peer> {
        self.places.get(&address).and_then(|place| self.entries[scope_of(address)].get(*place))
    }

    /// The peer at an address.
    pub fn get_mut(&mut self, address: SocketAddr) -> Option<&mut Peer> {
        self.places.get(&address).and_then(|place| self.entries[scope_of(address)].get_mut(*place))
    }

    /// Whether there is room for a newcomer at this address: in the table, and in its network's share of it.
    pub fn has_room_for(&self, address: SocketAddr) -> bool {
        self.len() < VERIFIED_MAX && !self.is_share_full(network(address.ip()))
    }

    /// Whether a network has as many peers as it may have.
    fn is_share_full(&self, network: Network) -> bool {
        let share_max = match network {
            Network::Local => VERIFIED_LOCAL_MAX,
            _ => (self.len() / VERIFIED_PER_NETWORK_PART).clamp(VERIFIED_PER_NETWORK_MIN, VERIFIED_PER_NETWORK_MAX),
        };
        self.shares.get(&network).is_some_and(|share| *share >= share_max)
    }

    /// Whom to doubt for the sake of a newcomer that finds no room: the one silent longest among those in its way, if
    /// it has been silent for [`SILENT_AFTER`]. Looks at the whole table.
    pub fn longest_silent(
        &self,
        now: Time,
        newcomer: SocketAddr,
        is_spared: impl Fn(SocketAddr) -> bool,
    ) -> Option<SocketAddr> {
        let its_network = network(newcomer.ip());
        let is_crowded = self.is_share_full(its_network);
        self.iter()
            .filter(|peer| now.since(peer.heard) >= SILENT_AFTER)
            .filter(|peer| !is_crowded || network(peer.address.ip()) == its_network)
            .filter(|peer| !is_spared(peer.address))
            .min_by_key(|peer| peer.heard)
            .map(|peer| peer.address)
    }

    /// Adds a peer that has just been verified. Says no if the table or its network's share of it is full; nobody goes
    /// for its sake.
    pub fn insert(&mut self, now: Time, address: SocketAddr, rng: &mut impl Rng) -> bool {
        if !self.has_room_for(address) || self.places.contains_key(&address) {
            return false;
        }
        // A newcomer trades places with a random peer (an inside-out Fisher-Yates shuffle): the order stays random.
        let entries = &mut self.entries[scope_of(address)];
        let last = entries.len();
        let place = rng.random_range(0..=last);
        entries.push(Peer::new(now, address));
        entries.swap(place, last);
        self.places.insert(entries[last].address, last);
        self.places.insert(address, place);
        let network = network(address.ip());
        let share = self.shares.entry(network).or_insert(0);
        *share += 1;
        self.counted += usize::from(counts(network, *share));
        true
    }

    /// Forgets a peer.
    pub fn remove(&mut self, address: SocketAddr) -> Option<Peer> {
        let place = self.places.remove(&address)?;
        let entries = &mut self.entries[scope_of(address)];
        let peer = entries.swap_remove(place);
        if let Some(moved) = entries.get(place) {
            self.places.insert(moved.address, place);
        }
        let network = network(address.ip());
        if let Some(share) = self.shares.get_mut(&network) {
            self.counted -= usize::from(counts(network, *share));
            *share -= 1;
            if *share == 0 {
                self.shares.remove(&network);
            }
        }
        Some(peer)
    }

    /// Forgets the peers that fell silent, and returns their addresses.
    pub fn expire(&mut self, now: Time) -> Vec<SocketAddr> {
        let is_silent = |peer: &&Peer| now.since(peer.heard) >= FORGET_AFTER;
        let silent: Vec<SocketAddr> = self.iter().filter(is_silent).map(|peer| peer.address).collect();
        for address in &silent {
            self.remove(*address);
        }
        silent
    }

    /// Leaves a span out of account in which those of whom `is_meant` is true could not be heard.
    pub fn excuse(&mut self, now: Time, span: Duration, is_meant: impl Fn(SocketAddr) -> bool) {
        for peer in self.entries.iter_mut().flatten().filter(|peer| is_meant(peer.address)) {
            peer.heard = (peer.heard + span).min(now);
        }
    }

    /// Counts every peer as heard at most `silence` ago: after a sleep nobody could be heard.
    pub fn spare(&mut self, now: Time, silence: Duration) {
        for peer in self.entries.iter_mut().flatten() {
            let excess = now.since(peer.heard).saturating_sub(silence);
            peer.heard = peer.heard + excess;
        }
    }

    /// All peers, in random order but always from the same start.
    pub fn iter(&self) -> impl Iterator<Item = &Peer> + Clone {
        Sample::whole(self.entries.each_ref().map(Vec::as_slice))
    }

    /// At most `most` random peers, each once.
    pub fn sample(&self, most: usize, rng: &mut impl Rng) -> impl Iterator<Item = &Peer> + Clone {
        Sample::random(self.entries.each_ref().map(Vec::as_slice), rng).take(most)
    }

    /// The same among those whose addresses mean something to who lives in the scope of `asker`.
    pub fn sample_for(&self, asker: Scope, most: usize, rng: &mut impl Rng) -> impl Iterator<Item = &Peer> + Clone {
        let told = |entries: &'_ Vec<Peer>| entries.first().is_some_and(|peer| reaches(peer.scope, asker));
        let parts = self.entries.each_ref().map(|entries| if told(entries) { entries.as_slice() } else { &[] });
        Sample::random(parts, rng).take(most)
    }
}

/// The place of an address's scope among the entries.
fn scope_of(address: SocketAddr) -> usize {
    scope(address.ip()) as usize
}

/// Whether the n-th peer of a network counts.
fn counts(network: Network, n: usize) -> bool {
    network == Network::Local || n <= COUNTED_PER_NETWORK_MAX
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    fn table() -> (PeerTable, StdRng) {
        let mut rng = StdRng::from_seed([7; 32]);
        (PeerTable::new(Key::new(&mut rng)), rng)
    }

    #[test]
    fn no_network_can_fill_the_table_and_local_ones_have_room_for_a_swarm() {
        let (mut table, mut rng) = table();
        let mut insert = |ip: [u8; 4], port| table.insert(Time::default(), SocketAddr::from((ip, port)), &mut rng);
        let from_one_network = (0..=u16::MAX).filter(|n| insert([203, 0, (n >> 8) as u8, *n as u8], 24_254)).count();
        let from_loopback = (0..40_000_u16).filter(|n| insert([127, 0, 0, 1], 20_000 + n)).count();
        assert_eq!((from_one_network, from_loopback), (VERIFIED_PER_NETWORK_MIN, VERIFIED_LOCAL_MAX));
        assert!(insert([198, 51, 100, 1], 24_254));
        let more = (0..=u16::MAX).filter(|n| insert([(n >> 8) as u8 | 1, *n as u8, 1, 1], 24_254)).count();
        assert_eq!(table.len(), VERIFIED_MAX, "{more} more");
    }

    #[test]
    fn a_crowd_from_one_network_counts_as_few_and_leaves_no_trace() {
        let (mut table, mut rng) = table();
        let crowd = |n: u8| SocketAddr::from(([203, 0, 113, n], 24_254));
        for n in 0..VERIFIED_PER_NETWORK_MIN as u8 {
            assert!(table.insert(Time::default(), crowd(n), &mut rng));
        }
        assert_eq!((table.len(), table.counted()), (VERIFIED_PER_NETWORK_MIN, COUNTED_PER_NETWORK_MAX));
        for n in 0..VERIFIED_PER_NETWORK_MIN as u8 {
            table.remove(crowd(n));
        }
        assert_eq!(table.counted(), 0);
    }

    #[test]
    fn places_stay_true_through_insertions_and_removals() {
        let (mut table, mut rng) = table();
        let address = |n: u16| SocketAddr::from(([10, 0, 0, 1], 2_000 + n));
        for n in 0..500 {
            assert!(table.insert(Time::default(), address(n), &mut rng));
            assert!(!table.insert(Time::default(), address(n), &mut rng));
        }
        for n in (0..500).step_by(3) {
            assert_eq!(table.remove(address(n)).unwrap().address, address(n));
        }
        for n in 0..500 {
            assert_eq!(table.get(address(n)).map(|peer| peer.address), (n % 3 != 0).then(|| address(n)));
        }
        assert_eq!((table.shares.get(&Network::Local), table.counted()), (Some(&table.len()), table.len()));
        assert_eq!(table.sample(1_000, &mut rng).count(), table.len());
    }

    #[test]
    fn every_peer_is_equally_likely_to_be_in_a_sample() {
        let (mut table, mut rng) = table();
        for n in 0..20 {
            table.insert(Time::default(), SocketAddr::from(([10, 0, 0, 1], 2_000 + n)), &mut rng);
        }
        let mut seen = [0; 20];
        for _ in 0..10_000 {
            table.sample(5, &mut rng).for_each(|peer| seen[usize::from(peer.address.port()) - 2_000] += 1);
        }
        assert!(seen.iter().all(|count| (2_300..2_700).contains(count)), "{seen:?}");
    }

    #[test]
    fn peers_of_a_small_scope_are_as_likely_in_a_sample_as_those_of_a_large_one() {
        let (mut table, mut rng) = table();
        for n in 0..95 {
            table.insert(Time::default(), SocketAddr::from(([127, 0, 0, 1], 2_000 + n)), &mut rng);
        }
        for n in 95..100 {
            table.insert(Time::default(), SocketAddr::from(([10, 0, 0, 1], 2_000 + n)), &mut rng);
        }
        let mut seen = [0; 100];
        for _ in 0..10_000 {
            table.sample(10, &mut rng).for_each(|peer| seen[usize::from(peer.address.port()) - 2_000] += 1);
        }
        assert!(seen.iter().all(|count| (850..1_150).contains(count)), "{seen:?}");
        let all: std::collections::BTreeSet<_> = table.sample(100, &mut rng).map(|peer| peer.address).collect();
        assert_eq!(all.len(), 100);
    }

    #[test]
    fn whoever_may_hear_of_few_hears_of_them_however_many_others_there_are() {
        let (mut table, mut rng) = table();
        for n in 0..2_000 {
            table.insert(Time::default(), SocketAddr::from(([127, 0, 0, 1], 2_000 + n)), &mut rng);
        }
        for n in 1..=20 {
            table.insert(Time::default(), SocketAddr::from(([77, n, 1, 1], 24_254)), &mut rng);
            table.insert(Time::default(), SocketAddr::from(([10, 0, 0, n], 24_254)), &mut rng);
        }
        for (asker, told) in [(Scope::Global, 20), (Scope::Site, 40), (Scope::Link, 40), (Scope::Host, 92)] {
            let sample: Vec<_> = table.sample_for(asker, 92, &mut rng).map(|peer| (peer.scope, peer.address)).collect();
            assert!(sample.iter().all(|(scope, _)| reaches(*scope, asker)), "{asker:?} {sample:?}");
            assert_eq!(sample.len(), told, "{asker:?}");
        }
    }

    #[test]
    fn the_longest_silent_of_the_full_network_is_doubted_and_only_if_it_is_silent() {
        let (mut table, mut rng) = table();
        let at = |seconds: u64| Time::default() + Duration::from_secs(seconds);
        let peer = |n: u8| SocketAddr::from(([203, 0, 113, n], 24_254));
        table.insert(at(0), SocketAddr::from(([198, 51, 100, 1], 24_254)), &mut rng);
        for n in 0..VERIFIED_PER_NETWORK_MIN as u8 {
            table.insert(at(100 - u64::from(n)), peer(n), &mut rng);
        }
        let doubted =
            |table: &PeerTable, seconds| table.longest_silent(at(seconds), peer(99), |spared| spared == peer(7));
        assert_eq!(doubted(&table, 350), None);
        assert_eq!(doubted(&table, 395), Some(peer(6)));
        table.get_mut(peer(6)).unwrap().heard = at(390);
        assert_eq!(doubted(&table, 395), Some(peer(5)));
    }
}
