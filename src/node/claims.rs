//! Who has moved, and who is said to have: asking at the address that would be left, and answering for our own key.
//!
//! ```text
//!  N                                  K at its home          somebody at a new address, with a proof of K's key
//!   | <-------------------------------------------------------- AlwaysReturned, signed by K
//!   | WhereAreThey K, a new token --------> |                 four times in 2.5 s, until
//!   | <-- AlwaysReturned of that, signed by K                 then K has not moved; or nobody answers, and it has
//! ```
//!
//! Meanwhile K is written to at both addresses, see [`Node::homes_of`].

use super::provoked::Kind;
use super::reply::{Reply, push_owed, push_token};
use super::sender::Sender;
use super::shares::Rates;
use super::{Destination, Node};
use crate::content::Store;
use crate::identity::PublicKey;
use crate::identity::whereabouts::{Decision, Outcome, Proof};
use crate::rate::Rate;
use crate::time::Time;
use crate::wire::encode::Writer;
use crate::wire::messages::WhereAreThey;
use crate::wire::{DATAGRAM_SEND_MAX_BYTES, Message};
use std::net::SocketAddr;
use std::time::Duration;

/// How often we prove our own key to who asks for it. A signature takes 30 µs of a core of 2020, so all of them take a
/// hundredth of it. An honest asker asks four times within 2.5 s, because somebody claims to be us.
const ANSWERS: Rates = Rates {
    strangers: Rate { burst: 16, interval: Duration::from_millis(20) },
    host: Rate { burst: 8, interval: Duration::from_secs(1) },
    hosts: Rate { burst: 64, interval: Duration::from_millis(10) },
    spare: Rate { burst: 16, interval: Duration::from_millis(20) },
};

impl<S: Store> Node<S> {
    /// The addresses to which something for the holder of a key should go: its home, if one was proven, and, while it
    /// is asked there, the address to which it may have moved.
    pub fn homes_of(&self, key: &PublicKey) -> impl Iterator<Item = SocketAddr> {
        self.homes.all_of(key).into_iter().flatten()
    }

    /// Takes note of who lives where a datagram came from. Says whose proof was weaker than what is held.
    pub(super) fn take_proofs(&mut self, now: Time, proofs: &[Proof]) -> Option<PublicKey> {
        let mut weaker = None;
        for proof in proofs {
            match self.homes.prove(now, *proof) {
                Outcome::Found | Outcome::Stayed => {}
                Outcome::Claimed => self.tend_claims(now),
                Outcome::Refuted | Outcome::Refused => self.counters.homes_refused += 1,
                Outcome::Weaker => {
                    self.counters.homes_refused += 1;
                    weaker = Some(proof.key);
                }
            }
        }
        weaker
    }

    /// Somebody returned a token that is no older than the last question to this address.
    pub(super) fn take_sign_of_life(&mut self, now: Time, address: SocketAddr) {
        if self.homes.due().is_some() {
            self.counters.homes_refused += self.homes.answered(now, address) as u64;
        }
    }

    /// Asks where it is to be asked, and believes where nobody answers.
    pub(super) fn tend_claims(&mut self, now: Time) {
        loop {
            let Node { homes, provoked, .. } = self;
            let mut may_ask = |address| provoked.may_provoke(now, Kind::Claim, address);
            match homes.decide(now, &mut may_ask) {
                None => return,
                Some(Decision::Ask(home, key, is_first)) => {
                    if is_first {
                        self.issuer.doubt(now, home);
                    }
                    self.ask_for_proof(now, home, key, !is_first);
                }
                // Whoever has seen how the old address was proven could prove it again.
                Some(Decision::Moved(from)) => {
                    self.counters.homes_moved += 1;
                    self.issuer.void(now, from);
                }
                Some(Decision::Forgotten) => self.counters.homes_refused += 1,
            }
        }
    }

    /// Asks somebody who proved a key for a better proof, if more was proven elsewhere: who has restarted may only have
    /// to be told who we are.
    pub(super) fn ask_for_better(&mut self, now: Time, address: SocketAddr, key: PublicKey) {
        if self.provoked.may_provoke(now, Kind::Claim, address) {
            self.ask_for_proof(now, address, key, true);
        }
    }

    /// Asks whether the holder of a key is at an address. With our own proof, so that the answer can be meant for us.
    fn ask_for_proof(&mut self, now: Time, address: SocketAddr, key: PublicKey, has_proof: bool) {
        let mut writer = Writer::default();
        let owed = self.peers.get(address).and_then(|peer| peer.owed.clone());
        writer.push(&Message::WhereAreThey(WhereAreThey { ed25519h: key.hex() }), DATAGRAM_SEND_MAX_BYTES);
        push_owed(&mut writer, owed.as_ref(), DATAGRAM_SEND_MAX_BYTES);
        push_token(&mut writer, self.issuer.token(address), DATAGRAM_SEND_MAX_BYTES);
        if let Some(owed) = owed.filter(|_| has_proof) {
            self.with_own_proof(&owed, Some(key), |proof| writer.push(proof, DATAGRAM_SEND_MAX_BYTES));
        }
        self.links.spoke(now, address);
        self.send(Destination::Address(address), writer.take());
    }

    /// Proves our own key to somebody who asks where its holder is.
    pub(super) fn tell_where_we_are(&mut self, now: Time, sender: &Sender, reply: &mut Reply) {
        let Some(owed) = reply.owed().cloned() else { return };
        if self.answers.allow(now, sender, &ANSWERS) {
            let asker = self.homes.who_may_be(sender.address);
            self.with_own_proof(&owed, asker, |proof| reply.push(proof));
        }
    }
}
