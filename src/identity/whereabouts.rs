//! Who lives where: addresses that were proven to be those of keys.
//!
//! A proof is made of two things in one datagram: the key's own signature or encryption, and our token for the address
//! from which it came. What it is worth depends on how the two hang together:
//!
//! - [`Strength::Meant`]: the token was in an envelope sealed to us, or in one that is signed and names us as the one
//!   it is meant for. Nobody else was ever given such an envelope.
//! - [`Strength::Relayable`]: the token was signed, and nothing says for whom. That is all that the wild does. A thief
//!   who gets our token for his own address can have somebody sign it for him, because whoever speaks the protocol
//!   returns tokens to those who ask. So this never takes the place of something better that is held.
//!
//! The newest of the strongest proofs wins at once, so that somebody who moves is found again. A proof can be sent
//! again by whoever has seen it, from the address that it is about, since source addresses can be forged. That moves
//! nobody back only if the tokens of an address are worthless from the moment when its owner is known to have moved:
//! whoever learns of [`Outcome::Moved`] has to see to that (see [`crate::tokens::Issuer::void`]).
//!
//! This module refuses to believe what anybody says of somebody else, and to look at envelopes and tokens itself.

use super::PublicKey;
use crate::peers::address::host;
use crate::sizes::Size;
use crate::time::Time;
use std::net::SocketAddr;
use std::time::Duration;

/// How many keys have an address here: as many as are known at all (see [`super::known::KNOWN_MAX`]).
pub const HOMES_MAX: usize = 1_024;

/// How many keys one host can have an address for. Keys cost nothing; so many users behind one address are a large
/// household.
pub const HOMES_OF_HOST_MAX: usize = 32;

/// How long something better is held against something weaker. As long as our tokens live at most: whoever has shown
/// nothing for that long may have lost the ability.
pub const HELD: Duration = Duration::from_secs(2 * 3_600);

/// What a proof is worth; the greater wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// A signed token that may have been meant for somebody else.
    Relayable,
    /// A token in an envelope that was meant for us.
    Meant,
}

/// What somebody has proven about a key.
#[derive(Clone, Copy, Debug)]
pub struct Proof {
    /// Whose it is.
    pub key: PublicKey,
    /// From where it came, with our token for that address.
    pub address: SocketAddr,
    /// What it is worth.
    pub strength: Strength,
}

/// What became of a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The key had no address, and has one now.
    Found,
    /// It is where it was.
    Stayed,
    /// It was here before. Our tokens for that address must not count any more.
    Moved(SocketAddr),
    /// A stronger proof is held.
    Weaker,
}

#[derive(Clone, Copy, Debug)]
struct Home {
    address: SocketAddr,
    strength: Strength,
    /// When the address was proven last, and when with this strength.
    proven: Time,
    strong: Time,
}

/// Where the holders of keys are.
#[derive(Debug, Default)]
pub struct Whereabouts {
    /// In the order of the keys.
    homes: Vec<(PublicKey, Home)>,
}

impl Whereabouts {
    /// Takes note of a proof.
    pub fn prove(&mut self, now: Time, proof: Proof) -> Outcome {
        let Proof { key, address, strength } = proof;
        let Some((_, held)) = self.place(&key).ok().and_then(|place| self.homes.get_mut(place)) else {
            self.insert(key, Home { address, strength, proven: now, strong: now });
            return Outcome::Found;
        };
        let is_weaker = strength < held.strength && now.since(held.strong) < HELD;
        if is_weaker && address != held.address {
            return Outcome::Weaker;
        }
        held.proven = now;
        if !is_weaker {
            (held.strength, held.strong) = (strength, now);
        }
        if address == held.address {
            return Outcome::Stayed;
        }
        let (from, home) = (held.address, Home { address, ..*held });
        self.homes.retain(|(other, _)| *other != key);
        self.insert(key, home);
        Outcome::Moved(from)
    }

    /// Where the holder of a key was last, and when.
    pub fn find(&self, key: &PublicKey) -> Option<(SocketAddr, Time)> {
        let (_, home) = self.homes.get(self.place(key).ok()?)?;
        Some((home.address, home.proven))
    }

    /// All keys that have an address.
    pub fn keys(&self) -> impl Iterator<Item = PublicKey> {
        self.homes.iter().map(|(key, _)| *key)
    }

    /// Whose address this is; of several the one that proved it last.
    pub fn who(&self, address: SocketAddr) -> Option<PublicKey> {
        let there = self.homes.iter().filter(|(_, home)| home.address == address);
        there.max_by_key(|(_, home)| home.proven).map(|(key, _)| *key)
    }

    /// All keys with their addresses, in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (PublicKey, SocketAddr)> {
        self.homes.iter().map(|(key, home)| (*key, home.address))
    }

    /// Where a key is, or where it would have to be inserted.
    fn place(&self, key: &PublicKey) -> Result<usize, usize> {
        self.homes.binary_search_by_key(key, |(key, _)| *key)
    }

    fn insert(&mut self, key: PublicKey, home: Home) {
        self.make_room(home.address);
        if let Err(place) = self.place(&key) {
            self.homes.insert(place, (key, home));
        }
    }

    /// Lets go of one home if this is one too many: of those with the weakest proof the one proven longest ago, among
    /// those of the same host if that has its share.
    fn make_room(&mut self, address: SocketAddr) {
        let crowd = host(address.ip());
        let is_there = |home: &Home| host(home.address.ip()) == crowd;
        let is_crowded = self.homes.iter().filter(|(_, home)| is_there(home)).count() >= HOMES_OF_HOST_MAX;
        if !is_crowded && self.homes.len() < HOMES_MAX {
            return;
        }
        let candidates = self.homes.iter().enumerate().filter(|(_, (_, home))| !is_crowded || is_there(home));
        let oldest = candidates.min_by_key(|(_, (_, home))| (home.strength, home.proven)).map(|(place, _)| place);
        if let Some(place) = oldest {
            self.homes.remove(place);
        }
    }

    pub(crate) fn size(&self) -> Size {
        Size::new("homes", self.homes.len(), HOMES_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;

    fn key(n: u64) -> PublicKey {
        let mut seed = [3; 32];
        seed[..8].copy_from_slice(&n.to_le_bytes());
        Identity::from_seed(&seed).public()
    }

    fn address(host: u32, port: u16) -> SocketAddr {
        SocketAddr::from((std::net::Ipv4Addr::from_bits(0x0b00_0000 + host), port))
    }

    fn at(seconds: u64) -> Time {
        Time::from_micros(seconds * 1_000_000)
    }

    fn proof(n: u64, address: SocketAddr, strength: Strength) -> Proof {
        Proof { key: key(n), address, strength }
    }

    #[test]
    fn the_newest_of_the_strongest_proofs_wins_at_once() {
        let (mut known, here, there) = (Whereabouts::default(), address(1, 1), address(2, 2));
        assert_eq!(known.prove(at(0), proof(1, here, Strength::Relayable)), Outcome::Found);
        assert_eq!(known.prove(at(1), proof(1, there, Strength::Relayable)), Outcome::Moved(here));
        assert_eq!(known.prove(at(2), proof(1, here, Strength::Meant)), Outcome::Moved(there));
        assert_eq!(known.prove(at(3), proof(1, there, Strength::Relayable)), Outcome::Weaker);
        assert_eq!(known.prove(at(4), proof(1, here, Strength::Relayable)), Outcome::Stayed);
        assert_eq!(
            known.prove(at(5), proof(1, there, Strength::Relayable)),
            Outcome::Weaker,
            "what is weak renews nothing"
        );
        assert_eq!(known.prove(at(6), proof(1, there, Strength::Meant)), Outcome::Moved(here));
        assert_eq!(known.find(&key(1)), Some((there, at(6))));
        assert_eq!((known.who(there), known.who(here)), (Some(key(1)), None));
    }

    #[test]
    fn something_better_is_held_for_as_long_as_tokens_live_and_no_longer() {
        let (mut known, here, there) = (Whereabouts::default(), address(1, 1), address(2, 2));
        known.prove(at(0), proof(1, here, Strength::Meant));
        assert_eq!(known.prove(at(7_199), proof(1, here, Strength::Relayable)), Outcome::Stayed);
        assert_eq!(known.prove(at(7_199), proof(1, there, Strength::Relayable)), Outcome::Weaker);
        assert_eq!(known.prove(at(7_200), proof(1, there, Strength::Relayable)), Outcome::Moved(here));
    }

    #[test]
    fn one_host_has_its_share_and_the_table_is_bounded() {
        let mut known = Whereabouts::default();
        known.prove(at(0), proof(0, address(0, 1), Strength::Relayable));
        for n in 1..=3 * HOMES_OF_HOST_MAX as u64 {
            known.prove(at(n), proof(n, address(1, n as u16), Strength::Meant));
        }
        assert_eq!(known.homes.len(), HOMES_OF_HOST_MAX + 1);
        assert_eq!(known.find(&key(1)), None, "the oldest of that host is forgotten");
        assert!(known.find(&key(0)).is_some(), "nobody else's is");
        for n in 1_000..1_000 + 2 * HOMES_MAX as u64 {
            known.prove(at(n), proof(n, address(n as u32, 1), Strength::Relayable));
        }
        assert_eq!(known.homes.len(), HOMES_MAX);
        assert!(known.find(&key(3 * HOMES_OF_HOST_MAX as u64)).is_some(), "what is proven better stays");
    }
}
