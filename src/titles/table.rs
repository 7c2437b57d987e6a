//! The newest version of each title that is known.
//!
//! Some are kept for the user: what this node publishes, and what it keeps up to date. They stay until the user wants
//! them no longer. All others are strangers', heard from peers and kept so that they can be passed on. For these there
//! is so much room in all, so much for one key and so much for those who live in one network; when one more comes, the
//! oldest of the same key goes, or that of the same network, or of all. A newer version takes the place of the older
//! one and needs no room, whoever brings it.

use super::{Title, Version};
use crate::peers::address::Network;
use crate::sizes::Size;
use crate::sorted::SortedMap;

/// How many versions of strangers are remembered: 250 KB as they are usually, 800 KB with the longest names.
pub const STRANGERS_MAX: usize = 512;

/// How many of them may be of one key: the pages of a small site.
pub const PER_KEY_MAX: usize = 32;

/// How many of them those of one global network may have said: it takes eight to make us forget what another said.
pub const PER_NETWORK_MAX: usize = STRANGERS_MAX / 8;

/// How many of them local networks may have said: a whole swarm may live there, and the world has the other half.
pub const LOCAL_MAX: usize = STRANGERS_MAX / 2;

/// How many names a node publishes at most: the pages of a large site.
pub const PUBLISHED_MAX: usize = 1_024;

/// How many titles a node keeps up to date at most; asking for them all takes a datagram every few seconds.
pub const FOLLOWED_MAX: usize = 256;

/// A version that is remembered.
#[derive(Clone, Debug)]
struct Held {
    version: Version,
    /// Who said it, if it is not kept for the user.
    stranger: Option<Network>,
    /// Which of all that were written down; the oldest has the least.
    number: u64,
}

/// Versions by title.
#[derive(Debug, Default)]
pub struct Versions {
    held: SortedMap<Title, Held>,
    count: u64,
    /// How many were forgotten to make room.
    forgotten: u64,
}

impl Versions {
    /// The newest that is known.
    pub fn get(&self, title: &Title) -> Option<&Version> {
        self.held.get(title).map(|held| &held.version)
    }

    /// The same, by what a question says.
    pub fn find(&self, key: &[u8; 32], name: &str) -> Option<&Version> {
        // Going through all costs less than finding out whether these bytes are a key.
        let mut all = self.held.iter();
        all.find(|(title, _)| title.key.bytes() == key && title.name == name).map(|(_, held)| &held.version)
    }

    /// All that are kept for the user, in the order of their titles.
    pub fn kept(&self) -> impl Iterator<Item = &Version> {
        self.held.values().filter(|held| held.stranger.is_none()).map(|held| &held.version)
    }

    /// Whether this would be news.
    pub fn is_news(&self, version: &Version) -> bool {
        self.get(&version.title).is_none_or(|held| version.is_newer_than(held))
    }

    /// Takes a version for the user. True if it is the newest now.
    pub fn keep(&mut self, version: Version) -> bool {
        let is_news = self.is_news(&version);
        let title = version.title.clone();
        if is_news {
            self.write(title, version, None);
        } else if let Some(held) = self.held.get_mut(&title) {
            held.stranger = None;
        }
        is_news
    }

    /// Takes a version that a peer of this network has said. True if it is the newest now.
    pub fn hear(&mut self, version: Version, from: Network) -> bool {
        if !self.is_news(&version) {
            return false;
        }
        let title = version.title.clone();
        let stranger = match self.held.get(&title) {
            Some(held) => held.stranger,
            None => {
                self.make_room(&title, from);
                Some(from)
            }
        };
        self.write(title, version, stranger);
        true
    }

    /// What was kept for the user is a stranger's from now on, as if a peer of this network had just said it.
    pub fn release(&mut self, title: &Title, to: Network) {
        if let Some(Held { version, stranger: None, .. }) = self.held.remove(title) {
            self.hear(version, to);
        }
    }

    fn write(&mut self, title: Title, version: Version, stranger: Option<Network>) {
        let number = self.count;
        self.count += 1;
        self.held.insert(title, Held { version, stranger, number });
    }

    /// Forgets a stranger's version if one more would be too many.
    fn make_room(&mut self, title: &Title, from: Network) {
        let share = if from == Network::Local { LOCAL_MAX } else { PER_NETWORK_MAX };
        let is_full = self.forget_oldest(PER_KEY_MAX, |other, _| other.key == title.key)
            || self.forget_oldest(share, |_, network| network == from)
            || self.forget_oldest(STRANGERS_MAX, |_, _| true);
        self.forgotten += u64::from(is_full);
    }

    /// Forgets the oldest of the strangers' for which `is_one` says so, if there are `max` of them. Says whether.
    fn forget_oldest(&mut self, max: usize, is_one: impl Fn(&Title, Network) -> bool) -> bool {
        let mut oldest: Option<(u64, &Title)> = None;
        let mut count = 0;
        for (title, held) in self.held.iter() {
            if held.stranger.is_some_and(|network| is_one(title, network)) {
                count += 1;
                if oldest.is_none_or(|(number, _)| held.number < number) {
                    oldest = Some((held.number, title));
                }
            }
        }
        let Some((_, oldest)) = oldest.filter(|_| count >= max) else { return false };
        let oldest = oldest.clone();
        self.held.remove(&oldest).is_some()
    }

    /// How many strangers' versions were forgotten to make room, since this was asked last.
    pub fn take_forgotten(&mut self) -> u64 {
        std::mem::take(&mut self.forgotten)
    }

    pub(crate) fn sizes(&self) -> [Size; 2] {
        let strangers = self.held.values().filter(|held| held.stranger.is_some()).count();
        [
            Size::new("versions of strangers", strangers, STRANGERS_MAX),
            Size::new("versions", self.held.len(), STRANGERS_MAX + PUBLISHED_MAX + FOLLOWED_MAX),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Identity, PublicKey};
    use std::sync::LazyLock;

    const WORLD: Network = Network::V4([203, 0]);

    static KEYS: LazyLock<Vec<PublicKey>> =
        LazyLock::new(|| (0..100).map(|n| Identity::from_seed(&[n; 32]).public()).collect());

    /// A version as it is once its signature has been checked.
    fn version(n: usize, name: impl ToString, seq: u64) -> Version {
        let title = Title { key: KEYS[n], name: name.to_string() };
        Version { title, seq, sha256: [seq as u8; 32], text: String::new(), signature: [0; 64] }
    }

    fn strangers(versions: &Versions) -> usize {
        versions.sizes()[0].len
    }

    #[test]
    fn the_highest_number_counts_whoever_brings_it_in_whatever_order() {
        let mut versions = Versions::default();
        let title = version(1, "a", 1).title;
        for (seq, is_news) in [(5, true), (4, false), (5, false), (6, true), (0, false), (u64::MAX, true)] {
            assert_eq!(versions.hear(version(1, "a", seq), WORLD), is_news, "{seq}");
        }
        assert_eq!(versions.get(&title).unwrap().seq, u64::MAX);
        assert!(versions.get(&version(2, "a", 1).title).is_none(), "another key is another title");
    }

    #[test]
    fn a_flood_of_strangers_pushes_out_strangers_and_nothing_of_the_user() {
        let mut versions = Versions::default();
        assert!(versions.keep(version(1, "mine", 1)));
        // What is kept is so even if a peer said it first, and when a peer says something newer.
        versions.hear(version(1, "followed", 1), WORLD);
        versions.keep(version(1, "followed", 1));
        versions.hear(version(1, "followed", 2), WORLD);
        let other = version(99, "quiet", 1);
        versions.hear(other.clone(), Network::V4([198, 51]));
        for n in 0..3 * PER_NETWORK_MAX {
            versions.hear(version(n % 90 + 2, n, 1), WORLD);
        }
        assert_eq!(strangers(&versions), PER_NETWORK_MAX + 1);
        assert!(versions.get(&other.title).is_some(), "one network takes nothing away from another");
        for n in 0..2 * LOCAL_MAX {
            versions.hear(version(n % 90 + 2, format!("l{n}"), 1), Network::Local);
        }
        assert_eq!(strangers(&versions), LOCAL_MAX + PER_NETWORK_MAX + 1);
        for n in 0..2 * STRANGERS_MAX {
            versions.hear(version(n % 90 + 2, format!("w{n}"), 1), Network::V4([20, (n / 8) as u8]));
        }
        assert_eq!(strangers(&versions), STRANGERS_MAX);
        assert!(versions.get(&other.title).is_none(), "of all networks together the oldest goes");
        assert_eq!(versions.kept().map(|kept| kept.seq).collect::<Vec<_>>(), [2, 1]);
        assert!(versions.take_forgotten() > 1_000 && versions.take_forgotten() == 0);
    }

    #[test]
    fn one_key_has_its_share_and_loses_its_own_oldest() {
        let mut versions = Versions::default();
        versions.hear(version(2, "other", 1), WORLD);
        for n in 0..PER_KEY_MAX + 5 {
            versions.hear(version(1, n, 1), WORLD);
        }
        assert_eq!(strangers(&versions), PER_KEY_MAX + 1);
        assert!(versions.get(&version(1, 4, 1).title).is_none());
        assert!(versions.get(&version(1, 5, 1).title).is_some());
    }

    #[test]
    fn what_the_user_lets_go_of_is_a_strangers_again() {
        let mut versions = Versions::default();
        versions.keep(version(1, "a", 3));
        versions.release(&version(1, "a", 3).title, WORLD);
        assert_eq!((strangers(&versions), versions.kept().count()), (1, 0));
        assert!(!versions.hear(version(1, "a", 2), WORLD), "it is not forgotten");
    }
}
