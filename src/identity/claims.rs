//! Claims: proofs that somebody has moved, while the address that would be left is asked.
//!
//! A signed token can be passed on. Who is in touch with two others can have each sign the token of the other, and show
//! it as if it were its own proof: then the newest proof is no better than the oldest. What tells a thief from somebody
//! who has moved is who is still there. So the old address is asked, a few times, because datagrams get lost; and only
//! if nobody there proves the key with a token that went with the question, the claim is believed.
//!
//! The table is bounded. A key has one claim, the newest of the strongest. Where there are too many the oldest goes, of
//! the host that makes most: who wants to keep somebody else's from being heard needs as many hosts as there are
//! places.

use super::PublicKey;
use super::whereabouts::{Proof, Strength};
use crate::peers::address::host;
use crate::sizes::Size;
use crate::time::Time;
use std::net::SocketAddr;
use std::time::Duration;

/// How many claims are open at a time: ten times as many neighbours as anybody has may get new addresses at once.
pub const CLAIMS_MAX: usize = 64;

/// How many of them one host may have made.
pub const CLAIMS_OF_HOST_MAX: usize = 4;

/// How often an old address is asked. Where a tenth of all datagrams is lost, an answer does not arrive in one of five
/// attempts, and in one of 800 times four do not.
pub const ASKED_MAX: u8 = 4;

/// The pause between two questions.
const ASK_PAUSE: Duration = Duration::from_millis(500);

/// The time for the answer to the last one: longer than all round trips on Earth but those of congested lines.
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// Deadlines lie at multiples of this, so that many claims do not wake a node more than four times a second.
const STEP: Duration = Duration::from_millis(250);

/// A deadline that is met this late, because the machine slept or was busy, says nothing: an answer may be waiting.
const LATE: Duration = Duration::from_millis(500);

/// How long a claim waits at most for its questions, of which there may be too many.
const GIVE_UP: Duration = Duration::from_secs(10);

/// Somebody proved a key at another address than the one that is held.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// Whose address it is about.
    pub key: PublicKey,
    /// The new address, and what its proof is worth.
    pub address: SocketAddr,
    /// What the proof is worth.
    pub strength: Strength,
    made: Time,
    asked: u8,
    due: Time,
}

/// What is to be done about a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The old address may be asked, if there are not too many questions. Whoever does says so.
    Ask,
    /// It has not answered: the claim is believed.
    Believe,
    /// It could not be asked: the claim is forgotten.
    Forget,
}

/// The claims that are open.
#[derive(Debug, Default)]
pub struct Claims {
    /// The oldest first.
    open: Vec<Claim>,
}

impl Claims {
    /// Takes note of a claim, whose first question is due at once. One that is weaker than that which is open changes
    /// nothing.
    pub(super) fn make(&mut self, now: Time, proof: Proof) {
        let Proof { key, address, strength, .. } = proof;
        if let Some(open) = self.open.iter_mut().find(|claim| claim.key == key) {
            if strength >= open.strength {
                (open.address, open.strength) = (address, strength);
            }
            return;
        }
        self.make_room(address);
        self.open.push(Claim { key, address, strength, made: now, asked: 0, due: now });
    }

    /// How many open claims there are of the host of an address.
    fn of_host(&self, address: SocketAddr) -> usize {
        self.open.iter().filter(|claim| host(claim.address.ip()) == host(address.ip())).count()
    }

    /// Lets go of one claim if there are too many, of that host or of all.
    fn make_room(&mut self, newcomer: SocketAddr) {
        let is_crowded = self.of_host(newcomer) >= CLAIMS_OF_HOST_MAX;
        if !is_crowded && self.open.len() < CLAIMS_MAX {
            return;
        }
        let most = self.open.iter().map(|claim| self.of_host(claim.address)).max();
        let goes = |claim: &Claim| {
            if is_crowded {
                host(claim.address.ip()) == host(newcomer.ip())
            } else {
                Some(self.of_host(claim.address)) == most
            }
        };
        if let Some(place) = self.open.iter().position(goes) {
            self.open.remove(place);
        }
    }

    /// The open claim about a key.
    pub fn find(&self, key: &PublicKey) -> Option<&Claim> {
        self.open.iter().find(|claim| claim.key == *key)
    }

    /// The open claims.
    pub fn iter(&self) -> impl Iterator<Item = &Claim> {
        self.open.iter()
    }

    /// The claim about a key is decided.
    pub(super) fn close(&mut self, key: &PublicKey) -> Option<Claim> {
        let place = self.open.iter().position(|claim| claim.key == *key)?;
        Some(self.open.remove(place))
    }

    /// What is due about which claim.
    pub(super) fn due_step(&mut self, now: Time) -> Option<(PublicKey, Step)> {
        // There may be too many questions. Who makes one claim comes before those who make several.
        let due = self.open.iter().enumerate().filter(|(_, claim)| claim.due <= now);
        let (place, _) = due.min_by_key(|(_, claim)| self.of_host(claim.address))?;
        let claim = &mut self.open[place];
        if claim.asked >= ASKED_MAX && now.since(claim.due) >= LATE {
            claim.asked = ASKED_MAX - 1;
        }
        let step = if claim.asked >= ASKED_MAX {
            Step::Believe
        } else if now.since(claim.made) >= GIVE_UP {
            Step::Forget
        } else {
            claim.due = after(now, ASK_PAUSE);
            Step::Ask
        };
        Some((claim.key, step))
    }

    /// The old address of this key's holder was asked. Says whether for the first time.
    pub(super) fn asked(&mut self, now: Time, key: &PublicKey) -> bool {
        let Some(claim) = self.open.iter_mut().find(|claim| claim.key == *key) else { return false };
        claim.asked += 1;
        claim.due = after(now, if claim.asked >= ASKED_MAX { LAST_PAUSE } else { ASK_PAUSE });
        claim.asked == 1
    }

    /// When something is due.
    pub(super) fn due(&self) -> Option<Time> {
        self.open.iter().map(|claim| claim.due).min()
    }

    pub(super) fn size(&self) -> Size {
        Size::new("claims of addresses", self.open.len(), CLAIMS_MAX)
    }
}

/// The first deadline after a pause.
fn after(now: Time, pause: Duration) -> Time {
    let step = STEP.as_micros() as u64;
    Time::from_micros((now + pause).as_micros().div_ceil(step).saturating_mul(step))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;

    fn key(n: u64) -> PublicKey {
        let mut seed = [4; 32];
        seed[..8].copy_from_slice(&n.to_le_bytes());
        Identity::from_seed(&seed).public()
    }

    fn address(host: u32, port: u16) -> SocketAddr {
        SocketAddr::from((std::net::Ipv4Addr::from_bits(0x0b00_0000 + host), port))
    }

    fn proof(n: u64, address: SocketAddr, strength: Strength) -> Proof {
        Proof { key: key(n), address, strength, is_fresh: true }
    }

    fn at(millis: u64) -> Time {
        Time::from_micros(millis * 1_000)
    }

    /// Plays a claim out; when each step was due.
    fn played(claims: &mut Claims, may_ask: impl Fn(Time) -> bool) -> Vec<(u64, Step)> {
        let mut steps = Vec::new();
        while let Some(due) = claims.due() {
            let Some((key, step)) = claims.due_step(due) else { panic!("it said that something is due") };
            match step {
                Step::Ask if may_ask(due) => _ = claims.asked(due, &key),
                Step::Ask => continue,
                Step::Believe | Step::Forget => _ = claims.close(&key),
            }
            steps.push((due.as_micros() / 1_000, step));
        }
        steps
    }

    #[test]
    fn the_old_address_is_asked_four_times_and_has_two_and_a_half_seconds() {
        let mut claims = Claims::default();
        claims.make(at(10_100), proof(1, address(1, 1), Strength::Meant));
        let ask = |due| (due, Step::Ask);
        let expected = [ask(10_100), ask(10_750), ask(11_250), ask(11_750), (12_750, Step::Believe)];
        assert_eq!(played(&mut claims, |_| true), expected);
    }

    #[test]
    fn a_claim_that_cannot_be_asked_about_waits_and_is_forgotten_in_the_end() {
        let mut claims = Claims::default();
        claims.make(at(10_000), proof(1, address(1, 1), Strength::Meant));
        assert_eq!(played(&mut claims, |_| false), [(20_000, Step::Forget)]);
        claims.make(at(10_000), proof(1, address(1, 1), Strength::Meant));
        let late = played(&mut claims, |now| now >= at(15_000));
        assert_eq!((late.len(), late[0], late[4]), (5, (15_000, Step::Ask), (17_500, Step::Believe)));
    }

    #[test]
    fn a_deadline_that_was_slept_through_decides_nothing() {
        let mut claims = Claims::default();
        claims.make(at(10_000), proof(1, address(1, 1), Strength::Meant));
        for _ in 0..ASKED_MAX {
            let due = claims.due().unwrap_or_default();
            assert_eq!(claims.due_step(due), Some((key(1), Step::Ask)));
            claims.asked(due, &key(1));
        }
        assert_eq!(claims.due_step(at(60_000)), Some((key(1), Step::Forget)), "too old to be asked about again");
        claims.close(&key(1));
        claims.make(at(10_000), proof(1, address(1, 1), Strength::Meant));
        (0..ASKED_MAX).for_each(|_| _ = claims.asked(at(11_000), &key(1)));
        assert_eq!(claims.due_step(at(13_000)), Some((key(1), Step::Ask)));
    }

    #[test]
    fn a_key_has_one_claim_the_newest_of_the_strongest() {
        let mut claims = Claims::default();
        let found = |claims: &Claims| claims.find(&key(1)).map(|claim| claim.address);
        claims.make(at(1), proof(1, address(1, 1), Strength::Relayable));
        claims.make(at(2), proof(1, address(2, 2), Strength::Meant));
        assert_eq!(found(&claims), Some(address(2, 2)));
        claims.make(at(3), proof(1, address(3, 3), Strength::Relayable));
        assert_eq!(found(&claims), Some(address(2, 2)));
        claims.make(at(4), proof(1, address(4, 4), Strength::Meant));
        assert_eq!(found(&claims), Some(address(4, 4)));
        assert_eq!(claims.open.len(), 1);
    }

    #[test]
    fn a_host_that_claims_much_pushes_out_its_own_claims_alone() {
        let mut claims = Claims::default();
        claims.make(at(1), proof(0, address(1, 1), Strength::Relayable));
        for n in 1..100 {
            claims.make(at(2), proof(n, address(2, n as u16), Strength::Meant));
        }
        assert_eq!(claims.open.len(), 1 + CLAIMS_OF_HOST_MAX);
        assert!(claims.find(&key(0)).is_some() && claims.find(&key(99)).is_some());
        for n in 100..300 {
            claims.make(at(3), proof(n, address(n as u32, 1), Strength::Meant));
        }
        assert_eq!(claims.size().len, CLAIMS_MAX);
    }
}
