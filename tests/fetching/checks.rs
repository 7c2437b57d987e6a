//! What must be true of everything that a node sends, whoever provokes it: it keeps books of its own and never looks
//! into the node.
//!
//! - No content, and nothing about content, is sent to anybody who did not ask for it: each question is good for what
//!   it asks for, once.
//! - Who never spoke is answered with at most one datagram for each that somebody sent in its name, two and a half
//!   times as long at most, and is written to unasked as seldom as [`ADDRESS`] says.

use crate::contacts::{ADDRESS, Contacts};
use cjp2p_node::Time;
use cjp2p_node::wire::{HEADER_BYTES, Message, decode};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// What somebody asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wish {
    Part(String, u64),
    Block(u64, u64),
    Holdings(String),
    List,
}

/// The books.
#[derive(Default)]
pub struct Checks {
    /// By node and asker.
    wishes: BTreeMap<(usize, SocketAddr), BTreeMap<Wish, u32>>,
    contacts: BTreeMap<(usize, SocketAddr), Contacts>,
    /// Answers about content that came, those that came as they were sent and those that were damaged on the way but
    /// can still be read; by receiver and sender.
    answers: BTreeMap<(usize, SocketAddr), (u32, u32)>,
    /// Datagrams to those who never spoke.
    pub to_silent: u64,
}

impl Checks {
    /// A datagram is about to arrive.
    pub fn hears(&mut self, n: usize, from: SocketAddr, bytes: &[u8], (is_damaged, is_forged): (bool, bool)) {
        let Ok(decoded) = decode(bytes) else { return };
        for message in &decoded.messages {
            let is_answer = matches!(message, Message::Content(_) | Message::Block(_) | Message::Holdings(_));
            if is_answer && !is_forged {
                let answers = self.answers.entry((n, from)).or_default();
                *if is_damaged { &mut answers.1 } else { &mut answers.0 } += 1;
            }
            let mut wish = |wish| *self.wishes.entry((n, from)).or_default().entry(wish).or_default() += 1;
            match message {
                Message::PleaseSendContent(asked) => wish(Wish::Part(asked.id.to_string(), asked.offset)),
                Message::PleaseSendHoldings(asked) => wish(Wish::Holdings(asked.id.to_string())),
                Message::PleaseListContent(_) => wish(Wish::List),
                Message::PleaseSendBlocks(asked) => {
                    let end = asked.offset.saturating_add(asked.length);
                    let starts = (asked.offset..end).step_by(asked.block.max(1) as usize).take(64);
                    starts.for_each(|start| wish(Wish::Block(asked.run, start)));
                }
                _ => {}
            }
        }
    }

    /// How many answers of `from` came to a node as they were sent, and how many damaged.
    pub fn answers(&self, n: usize, from: SocketAddr) -> (u32, u32) {
        self.answers.get(&(n, from)).copied().unwrap_or_default()
    }

    /// A node begins anew.
    pub fn forget(&mut self, n: usize) {
        self.wishes.retain(|(node, _), _| *node != n);
        self.contacts.retain(|(node, _), _| *node != n);
    }

    /// What a node sends after a datagram of so many bytes from `cause`, or for reasons of its own. Of each address it
    /// is known whether it never spoke.
    pub fn says<'a>(
        &mut self,
        now: Time,
        n: usize,
        cause: Option<(SocketAddr, usize)>,
        sent: impl Iterator<Item = (&'a (SocketAddr, Vec<u8>), bool)>,
    ) {
        let mut answers = 0;
        for ((to, bytes), is_silent) in sent {
            let decoded = decode(bytes).expect("what a node says can be read");
            assert_eq!(decoded.malformed, 0, "node {n} says what is malformed");
            for message in &decoded.messages {
                self.spend(n, *to, message);
            }
            if !is_silent {
                continue;
            }
            self.to_silent += 1;
            let asks = |message: &Message<'_>| {
                matches!(message, Message::PleaseSendPeers(_) | Message::PleaseReturnThisMessage(_))
            };
            match cause.filter(|(from, _)| from == to && !decoded.messages.iter().any(asks)) {
                Some((_, heard)) => {
                    answers += 1;
                    let (heard, said) = (heard + HEADER_BYTES, bytes.len() + HEADER_BYTES);
                    assert!(answers == 1, "node {n} answers {to}, who never spoke, more than once");
                    assert!(2 * said <= 5 * heard, "node {n} answers {heard} bytes of {to} with {said}");
                }
                None => {
                    let added = self.contacts.entry((n, *to)).or_default().add(now, ADDRESS);
                    assert_eq!(added, Ok(()), "node {n} to {to}");
                }
            }
        }
    }

    /// What is said of content has to have been asked for.
    fn spend(&mut self, n: usize, to: SocketAddr, message: &Message<'_>) {
        let wish = match message {
            Message::Content(content) => Wish::Part(content.id.to_string(), content.offset),
            Message::Block(block) => Wish::Block(block.run, block.offset),
            Message::Holdings(holdings) => Wish::Holdings(holdings.id.to_string()),
            Message::ContentList(_) => Wish::List,
            _ => return,
        };
        let left = self.wishes.get_mut(&(n, to)).and_then(|wishes| wishes.get_mut(&wish));
        match left {
            Some(left) if *left > 0 => *left -= 1,
            _ => panic!("node {n} sends {to} what it did not ask for: {wish:?}"),
        }
    }
}
