//! Who sent a datagram: what the tokens in it prove, and which token we owe in return.
//!
//! It decides no answer. A token is checked against the address alone; nothing of those that we hand out is stored.

use super::Node;
use super::envelopes::Echo;
use super::private::Envelope;
use crate::content::Store;
use crate::identity::PublicKey;
use crate::time::Time;
use crate::tokens::{CHECKED_MAX, Owed, Proof};
use crate::wire::Message;
use crate::wire::encode::Writer;
use std::net::SocketAddr;

/// Where a datagram came from and what it proved.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) address: SocketAddr,
    /// What the returned token is worth; `None` for an unverified sender.
    pub(super) proof: Option<Proof>,
    /// The token it asks for in this very datagram.
    pub(super) asks_for: Option<Owed>,
    /// Whether it was a peer when its datagram began to be answered; what is looked up once need not be again.
    pub(super) is_known: bool,
    /// Whether it was verified for the first time by this datagram.
    pub(super) is_new: bool,
    /// How many probes this datagram has returned so far.
    pub(super) returned_probes: usize,
    /// What this datagram has said about contents so far.
    pub(super) hearsay: usize,
    /// Whether it returned the token of a neighbour that lives elsewhere.
    pub(super) is_astray: bool,
    /// Whether one of them was sent to this address alone and is on its way no more: as good a proof as our token.
    pub(super) is_reader: bool,
    /// Whether that one was sent with the token that the peer seems to have changed to.
    pub(super) was_followed_up: bool,
    /// Which of the envelopes is around the message that is being handled, if there is one.
    pub(super) place: Option<usize>,
    /// Its key.
    pub(super) key: Option<PublicKey>,
    /// What that says about where it was sent from.
    pub(super) echo: Echo,
    /// The same envelope, if it is private.
    pub(super) private: Option<Envelope>,
    /// What is to be said in private, and to whom.
    pub(super) answers: Vec<(PublicKey, Writer)>,
}

/// Whether a message is a token, or asks for one.
fn is_token(message: &Message<'_>) -> bool {
    matches!(message, Message::AlwaysReturned(_) | Message::PleaseAlwaysReturnThisMessage(_))
}

/// Counts one more token of a kind; whether it is still to be checked.
pub(super) fn within(count: &mut usize) -> bool {
    *count += 1;
    *count <= CHECKED_MAX
}

/// The better of two proofs: a wrong or ageing token beside the right one takes nothing away.
pub(super) fn better(one: Option<Proof>, other: Option<Proof>) -> Option<Proof> {
    one.max(other)
}

impl Sender {
    /// A sender of whose datagram nothing has been read.
    pub(super) fn unproven(address: SocketAddr) -> Sender {
        Sender {
            address,
            proof: None,
            asks_for: None,
            is_known: false,
            is_new: false,
            returned_probes: 0,
            hearsay: 0,
            is_astray: false,
            is_reader: false,
            was_followed_up: false,
            place: None,
            key: None,
            echo: Echo::Absent,
            private: None,
            answers: Vec::new(),
        }
    }

    pub(super) fn is_verified(&self) -> bool {
        self.proof.is_some()
    }

    /// Whether the datagram shows that its sender reads what is sent to its address.
    pub(super) fn is_proven(&self) -> bool {
        self.is_verified() || self.is_reader
    }
}

impl<S: Store> Node<S> {
    /// Reads the tokens among messages. True if the datagram is one of our own that came back to us.
    pub(super) fn read_tokens(&mut self, now: Time, sender: &mut Sender, messages: &[Message<'_>]) -> bool {
        let from = sender.address;
        let (mut returned, mut asked, mut probes) = (0, 0, 0);
        // Tokens alone are never answered with tokens alone: two could go on with that for ever.
        let says_more = !messages.iter().all(is_token);
        for message in messages {
            match message {
                Message::AlwaysReturned(token) => {
                    let proof = within(&mut returned).then(|| self.issuer.check(from, token.0)).flatten();
                    self.counters.tokens_wrong += u64::from(proof.is_none());
                    sender.is_astray |= says_more && returned == 1 && proof.is_none() && self.is_astray(now, token.0);
                    sender.proof = better(sender.proof, proof);
                }
                Message::PleaseAlwaysReturnThisMessage(token) if within(&mut asked) => {
                    if self.issuer.check(from, token.0).is_some() {
                        return true;
                    }
                    sender.asks_for = Owed::new(token.0).or(sender.asks_for.take());
                }
                Message::PleaseReturnThisMessage(probe)
                    if within(&mut probes) && self.issuer.own_probe(probe.0).is_some() =>
                {
                    return true;
                }
                _ => {}
            }
        }
        false
    }

    /// Writes down which token we owe to a peer or to an address we are trying. Says whether it is a new one.
    ///
    /// Anybody can forge a datagram that asks for another token in the name of a peer. So what an unproven one asks for
    /// is a candidate, kept beside the proven token until the peer itself asks for it, or answers the datagram that
    /// returned the candidate and has nothing to ask: a peer to which it is wrong asks for the right one.
    pub(super) fn keep_token(&mut self, sender: &Sender) -> bool {
        let Some(peer) = self.peers.get_mut(sender.address) else {
            let Some(token) = &sender.asks_for else { return false };
            let heard = self.heard.get_mut(sender.address);
            return heard.is_some_and(|heard| heard.owed.replace(token.clone()).as_ref() != Some(token));
        };
        let Some(token) = sender.asks_for.clone() else {
            let is_confirmed = sender.was_followed_up && peer.candidate.is_some();
            if is_confirmed {
                peer.owed = peer.candidate.take();
                // Another token may mean another process, which has seen nothing.
                self.groups.gossip.forget(sender.address);
            }
            return is_confirmed;
        };
        if peer.owed.as_ref() == Some(&token) {
            peer.candidate.take_if(|_| sender.is_proven());
            return false;
        }
        if sender.is_proven() || peer.owed.is_none() {
            // So may one that was asked for first by somebody who had lost ours.
            if !sender.is_verified() || peer.candidate.as_ref() == Some(&token) {
                self.groups.gossip.forget(sender.address);
            }
            peer.candidate = None;
            peer.owed = Some(token);
            return true;
        }
        let is_changed = peer.candidate.as_ref() != Some(&token);
        if is_changed {
            peer.candidate = Some(token);
            // What is on its way returned another one and says nothing about this.
            peer.probe.iter_mut().for_each(|probe| probe.is_follow_up = false);
        }
        is_changed
    }
}
