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
//! The first proof is believed at once. One from elsewhere that is not weaker is a claim: whoever lives at the address
//! that is held is asked first, and only if nobody answers there the claim is believed (see [`super::claims`]). Until
//! then, [`Whereabouts::all_of`] names both addresses.
//!
//! A proof can be sent again by whoever has seen it, from the address that it is about, since source addresses can be
//! forged. So an answer counts only with a token that went with the question (see [`crate::tokens::Issuer::doubt`]);
//! and the tokens of an address have to be worthless from the moment when its owner is known to have moved: whoever
//! learns of [`Decision::Moved`] has to see to that (see [`crate::tokens::Issuer::void`]).
//!
//! This module refuses to believe what anybody says of somebody else, and to look at envelopes and tokens itself.

use super::PublicKey;
use super::claims::{Claims, Step};
use crate::peers::address::host;
use crate::sizes::Size;
use crate::time::Time;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How many keys have an address here: as many as are known at all (see [`super::known::KNOWN_MAX`]).
pub const HOMES_MAX: usize = 1_024;

/// How many keys one host can have an address for. Keys cost nothing; so many users behind one address are a large
/// household.
pub const HOMES_OF_HOST_MAX: usize = 32;

/// How long something better is held against something weaker. As long as our tokens live at most: whoever has shown
/// nothing for that long may have lost the ability.
pub const HELD: Duration = Duration::from_secs(2 * 3_600);

/// How long the host of a claim that was refused cannot claim the same key again: each attempt is a chance that the
/// answers of the old address get lost.
pub const REFUSED_FOR: Duration = Duration::from_secs(10);

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
    /// Whether the token is one that was handed out since the address was asked last, if ever it was.
    pub is_fresh: bool,
}

/// What became of a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The key had no address, and has one now.
    Found,
    /// It is where it was.
    Stayed,
    /// It is where it was, and a claim that it is elsewhere is refused.
    Refuted,
    /// It may have moved: [`Whereabouts::decide`] is to be called now, and whenever it is due.
    Claimed,
    /// A stronger proof is held.
    Weaker,
    /// The same host claimed this lately, and was refused.
    Refused,
}

/// What is to be done about claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// An address has to be asked for a proof of this key, with a new token if it is the first time.
    Ask(SocketAddr, PublicKey, IsFirst),
    /// Nobody answered here: the holder of a key has moved. Our tokens for this address must not count any more.
    Moved(SocketAddr),
    /// A claim came to nothing, because there were too many questions.
    Forgotten,
}

/// Whether it is the first time.
pub type IsFirst = bool;

#[derive(Clone, Copy, Debug)]
struct Home {
    address: SocketAddr,
    strength: Strength,
    /// When the address was proven last, and when with this strength.
    proven: Time,
    strong: Time,
    /// Whose claim was refused last, and when.
    refused: Option<(IpAddr, Time)>,
}

/// Where the holders of keys are.
#[derive(Debug, Default)]
pub struct Whereabouts {
    /// In the order of the keys.
    homes: Vec<(PublicKey, Home)>,
    claims: Claims,
}

impl Whereabouts {
    /// Takes note of a proof.
    pub fn prove(&mut self, now: Time, proof: Proof) -> Outcome {
        let Proof { key, address, strength, is_fresh } = proof;
        let Some((_, held)) = self.place(&key).ok().and_then(|place| self.homes.get_mut(place)) else {
            self.insert(key, Home { address, strength, proven: now, strong: now, refused: None });
            return Outcome::Found;
        };
        let is_weaker = strength < held.strength && now.since(held.strong) < HELD;
        if address != held.address {
            let is_refused = |(claimant, when)| claimant == host(address.ip()) && now.since(when) < REFUSED_FOR;
            if is_weaker || held.refused.is_some_and(is_refused) {
                return if is_weaker { Outcome::Weaker } else { Outcome::Refused };
            }
            self.claims.make(now, proof);
            return Outcome::Claimed;
        }
        if self.claims.find(&key).is_some() && (is_weaker || !is_fresh) {
            return Outcome::Stayed;
        }
        held.proven = now;
        if !is_weaker {
            (held.strength, held.strong) = (strength, now);
        }
        if self.refuse(now, &key) { Outcome::Refuted } else { Outcome::Stayed }
    }

    /// Refuses the claim about a key, if there is one.
    fn refuse(&mut self, now: Time, key: &PublicKey) -> bool {
        let Some(claim) = self.claims.close(key) else { return false };
        if let Some((_, held)) = self.place(key).ok().and_then(|place| self.homes.get_mut(place)) {
            held.refused = Some((host(claim.address.ip()), now));
        }
        true
    }

    /// Somebody at this address returned a token that went with the last question, and signed nothing. Nodes of the
    /// wild can do no more when they are asked. So it refuses claims about the key that was proven there last, if that
    /// has never shown that it can do better. Says how many.
    pub fn answered(&mut self, now: Time, address: SocketAddr) -> usize {
        let Some(key) = self.who(address) else { return 0 };
        let is_plain = |(held, home): &(PublicKey, Home)| *held == key && home.strength == Strength::Relayable;
        usize::from(self.homes.iter().any(is_plain) && self.refuse(now, &key))
    }

    /// What is to be done about the next claim that is due, if one is. `may_ask` says whether one more question may go
    /// to an address.
    pub fn decide(&mut self, now: Time, may_ask: &mut dyn FnMut(SocketAddr) -> bool) -> Option<Decision> {
        while let Some((key, step)) = self.claims.due_step(now) {
            let home = self.place(&key).ok().and_then(|place| self.homes.get(place)).map(|(_, home)| *home);
            match (step, home) {
                (Step::Ask, Some(home)) if may_ask(home.address) => {
                    let is_first = self.claims.asked(now, &key);
                    return Some(Decision::Ask(home.address, key, is_first));
                }
                (Step::Ask, Some(_)) => {}
                (Step::Forget, _) => {
                    self.claims.close(&key);
                    return Some(Decision::Forgotten);
                }
                // Who had to make room for others has no home to be asked at.
                (Step::Believe | Step::Ask, home) => {
                    let Some(claim) = self.claims.close(&key) else { continue };
                    self.homes.retain(|(other, _)| *other != key);
                    let (address, strength) = (claim.address, claim.strength);
                    self.insert(key, Home { address, strength, proven: now, strong: now, refused: None });
                    if let Some(home) = home {
                        return Some(Decision::Moved(home.address));
                    }
                }
            }
        }
        None
    }

    /// When [`Whereabouts::decide`] is due.
    pub fn due(&self) -> Option<Time> {
        self.claims.due()
    }

    /// Where the holder of a key may be: its home, and while a claim is open the address that is claimed.
    pub fn all_of(&self, key: &PublicKey) -> [Option<SocketAddr>; 2] {
        [self.find(key).map(|(home, _)| home), self.claims.find(key).map(|claim| claim.address)]
    }

    /// Whose address this is, or may be if a claim of the last seconds is true.
    pub fn who_may_be(&self, address: SocketAddr) -> Option<PublicKey> {
        let claimed = self.claims.iter().filter(|claim| claim.address == address).last();
        claimed.map(|claim| claim.key).or_else(|| self.who(address))
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

    pub(crate) fn sizes(&self) -> [Size; 2] {
        let Whereabouts { homes, claims } = self;
        [Size::new("homes", homes.len(), HOMES_MAX), claims.size()]
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
        Proof { key: key(n), address, strength, is_fresh: false }
    }

    /// Lets all deadlines pass; what was decided about who has moved.
    fn pass(known: &mut Whereabouts) -> Vec<Decision> {
        let mut moved = Vec::new();
        while let Some(due) = known.due() {
            let decision = known.decide(due, &mut |_| true);
            moved.extend(decision.filter(|decision| !matches!(decision, Decision::Ask(..))));
        }
        moved
    }

    #[test]
    fn the_newest_of_the_strongest_proofs_wins_where_nobody_answers() {
        let (mut known, here, there) = (Whereabouts::default(), address(1, 1), address(2, 2));
        assert_eq!(known.prove(at(0), proof(1, here, Strength::Relayable)), Outcome::Found);
        assert_eq!(known.prove(at(10), proof(1, there, Strength::Relayable)), Outcome::Claimed);
        assert_eq!(known.all_of(&key(1)), [Some(here), Some(there)]);
        assert_eq!(pass(&mut known), [Decision::Moved(here)]);
        assert_eq!(known.prove(at(20), proof(1, here, Strength::Meant)), Outcome::Claimed);
        assert_eq!(pass(&mut known), [Decision::Moved(there)]);
        assert_eq!(known.prove(at(30), proof(1, there, Strength::Relayable)), Outcome::Weaker);
        assert_eq!(known.prove(at(40), proof(1, here, Strength::Relayable)), Outcome::Stayed);
        assert_eq!(
            known.prove(at(50), proof(1, there, Strength::Relayable)),
            Outcome::Weaker,
            "what is weak renews nothing"
        );
        assert_eq!(known.prove(at(60), proof(1, there, Strength::Meant)), Outcome::Claimed);
        assert_eq!(pass(&mut known), [Decision::Moved(here)]);
        assert_eq!(known.all_of(&key(1)), [Some(there), None]);
        assert_eq!((known.who(there), known.who(here)), (Some(key(1)), None));
    }

    #[test]
    fn a_fresh_proof_that_is_no_weaker_refuses_a_claim_and_its_host_cannot_repeat_it_at_once() {
        let (mut known, here, there) = (Whereabouts::default(), address(1, 1), address(2, 2));
        let fresh = |strength| Proof { is_fresh: true, ..proof(1, here, strength) };
        known.prove(at(0), proof(1, here, Strength::Meant));
        assert_eq!(known.prove(at(10), proof(1, there, Strength::Meant)), Outcome::Claimed);
        assert_eq!(known.prove(at(10), proof(1, here, Strength::Meant)), Outcome::Stayed);
        assert_eq!(known.prove(at(10), fresh(Strength::Relayable)), Outcome::Stayed);
        assert_eq!(known.all_of(&key(1)), [Some(here), Some(there)], "that was no answer");
        assert_eq!(known.prove(at(10), fresh(Strength::Meant)), Outcome::Refuted);
        assert_eq!(known.all_of(&key(1)), [Some(here), None]);
        assert_eq!(known.prove(at(19), proof(1, address(2, 3), Strength::Meant)), Outcome::Refused);
        assert_eq!(known.prove(at(19), proof(1, address(3, 3), Strength::Meant)), Outcome::Claimed);
        assert_eq!(known.prove(at(20), proof(1, there, Strength::Meant)), Outcome::Claimed);
    }

    #[test]
    fn something_better_is_held_for_as_long_as_tokens_live_and_no_longer() {
        let (mut known, here, there) = (Whereabouts::default(), address(1, 1), address(2, 2));
        known.prove(at(0), proof(1, here, Strength::Meant));
        assert_eq!(known.prove(at(7_199), proof(1, here, Strength::Relayable)), Outcome::Stayed);
        assert_eq!(known.prove(at(7_199), proof(1, there, Strength::Relayable)), Outcome::Weaker);
        assert_eq!(known.prove(at(7_200), proof(1, there, Strength::Relayable)), Outcome::Claimed);
        assert_eq!(pass(&mut known), [Decision::Moved(here)]);
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
