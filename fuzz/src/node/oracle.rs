//! What the promises of a node look like from outside: an observer of everything that arrives and leaves.
//!
//! It keeps its own books (who was given which token, who returned one, who was sent how much) and never looks into the
//! node. It forgets everything at a restart, as the node does.

use cjp2p_node::content::MemoryStore;
use cjp2p_node::node::{Destination, Event, OUTBOX_MAX, Transmit};
use cjp2p_node::peers::address::{is_possible, makes_sense_to};
use cjp2p_node::wire::{DATAGRAM_MAX_BYTES, DATAGRAM_SEND_MAX_BYTES, HEADER_BYTES, Message, decode};
use cjp2p_node::{Node, Time};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

/// The longest text an event may carry, in bytes; a known text is cut, an unknown payload is a part of a datagram.
const CHAT_MAX_BYTES: usize = 2_000;

/// The longest group name an event may carry, in bytes.
const GROUP_MAX_BYTES: usize = 64;

/// `[{"PleaseSendPeers":{}}]`, which must always earn the token.
const SMALLEST_REQUEST_BYTES: usize = 24;

/// Why the node may send something.
pub enum Cause {
    Datagram {
        stimulus: Stimulus,
        /// The node took it for one of its own that came back.
        is_reflected: bool,
    },
    Command,
    Timeout,
}

/// What arrived.
pub struct Stimulus {
    from: SocketAddr,
    bytes: Vec<u8>,
    /// It carried a token that the sender was given.
    has_token: bool,
    /// It carried a probe that the sender, and nobody else, was sent.
    has_probe: bool,
    asks_for_peers: bool,
}

impl Stimulus {
    fn is_unproven(&self) -> bool {
        !self.has_token && !self.has_probe
    }
}

#[derive(Default)]
struct Account {
    /// The tokens it was given, the last one at the end.
    tokens: Vec<String>,
    /// The probes it was sent, the last one at the end.
    probes: Vec<String>,
    /// What it asked to be always returned.
    owed: BTreeSet<String>,
    /// Whether it ever returned a token or a probe.
    has_proved: bool,
    /// When it was sent something unasked.
    contacts: Vec<Time>,
    /// Unverified traffic: when, bytes heard, bytes answered, headers counted.
    traffic: Vec<(Time, usize, usize)>,
}

/// The books.
#[derive(Default)]
pub struct Oracle {
    accounts: BTreeMap<SocketAddr, Account>,
    lan_probe: String,
    /// Answers to the current stimulus that were seen, while it is unproven.
    answers: usize,
    sent: usize,
}

impl Oracle {
    /// A script's text with `%t`, `%p` and `%l` replaced.
    pub fn fill_in(&self, from: SocketAddr, text: &[u8]) -> Vec<u8> {
        let account = self.accounts.get(&from);
        let last = |list: Option<&Vec<String>>| list.and_then(|list| list.last()).cloned().unwrap_or_default();
        let (token, probe) =
            (last(account.map(|account| &account.tokens)), last(account.map(|account| &account.probes)));
        let mut bytes = Vec::new();
        let mut rest = text;
        while let [first, tail @ ..] = rest {
            let (word, tail) = match (first, tail.first()) {
                (b'%', Some(b't')) => (token.as_bytes(), &tail[1..]),
                (b'%', Some(b'p')) => (probe.as_bytes(), &tail[1..]),
                (b'%', Some(b'l')) => (self.lan_probe.as_bytes(), &tail[1..]),
                _ => (&rest[..1], tail),
            };
            bytes.extend_from_slice(word);
            rest = tail;
        }
        bytes
    }

    /// Notes a datagram that is about to be handed to the node.
    pub fn arrives(&mut self, now: Time, from: SocketAddr, bytes: &[u8]) -> Stimulus {
        let account = self.accounts.entry(from).or_default();
        let mut stimulus =
            Stimulus { from, bytes: bytes.to_vec(), has_token: false, has_probe: false, asks_for_peers: false };
        for message in decode(bytes).iter().flat_map(|decoded| &decoded.messages) {
            match message {
                Message::AlwaysReturned(token) => stimulus.has_token |= account.tokens.contains(&cookie(token.0)),
                Message::ReturnedMessage(probe) => stimulus.has_probe |= account.probes.contains(&cookie(probe.0)),
                Message::PleaseAlwaysReturnThisMessage(token) => _ = account.owed.insert(token.0.get().to_owned()),
                Message::PleaseSendPeers(_) => stimulus.asks_for_peers = true,
                _ => {}
            }
        }
        account.has_proved |= !stimulus.is_unproven();
        if stimulus.is_unproven() {
            account.traffic.push((now, bytes.len() + HEADER_BYTES, 0));
        }
        stimulus
    }

    /// Notes and checks a datagram that leaves.
    pub fn leaves(&mut self, now: Time, cause: &Cause, transmit: &Transmit) {
        self.sent += 1;
        let elements = check_shape(&transmit.payload);
        let Destination::Address(to) = transmit.to else {
            self.lan_probe =
                elements.iter().find(|(name, _)| is_probe(name)).map(|(_, payload)| cookie(payload)).unwrap();
            return;
        };
        assert!(is_possible(to), "{to} is nobody's address");
        self.check_named(to, &elements);
        let account = self.accounts.entry(to).or_default();
        for (name, payload) in &elements {
            match name.as_str() {
                "PleaseAlwaysReturnThisMessage" => account.tokens.push(cookie(payload)),
                "PleaseReturnThisMessage" => account.probes.push(cookie(payload)),
                "AlwaysReturned" => assert!(account.owed.contains(payload.get()), "{to} never asked for {payload}"),
                _ => {}
            }
        }
        // What asks for something is no answer: it is a contact of the node's own, or a note to a peer it knows.
        let asks = elements.iter().any(|(name, _)| name == "PleaseSendPeers" || is_probe(name));
        match cause {
            Cause::Datagram { stimulus, is_reflected } if stimulus.from == to && !asks => {
                assert!(!is_reflected, "an answer to ourselves");
                if stimulus.is_unproven() {
                    self.answers += 1;
                    account.check_answer(now, stimulus, &transmit.payload, &elements);
                }
            }
            _ => account.check_contact(now, to),
        }
    }

    /// A datagram that could not be sent. Its tokens are nobody's.
    pub fn unsent(&mut self, transmit: &Transmit) {
        check_shape(&transmit.payload);
        self.sent += 1;
        self.answers += 1;
    }

    /// Everything that one call brought has left.
    pub fn settles(&mut self, cause: &Cause) {
        if let Cause::Datagram { stimulus, is_reflected } = cause
            && stimulus.is_unproven()
        {
            assert!(self.answers <= 1, "one datagram to a stranger, not {}", self.answers);
            let is_due = stimulus.asks_for_peers && !is_reflected && is_possible(stimulus.from);
            if is_due && stimulus.bytes.len() >= SMALLEST_REQUEST_BYTES {
                assert_eq!(self.answers, 1, "a stranger asked and got nothing");
            }
        }
        assert!(self.sent < OUTBOX_MAX, "so many datagrams that some may be lost");
        (self.answers, self.sent) = (0, 0);
    }

    /// Addresses passed on have proved themselves and mean something to whoever is told.
    fn check_named(&self, to: SocketAddr, elements: &[(String, &RawValue)]) {
        for (_, payload) in elements.iter().filter(|(name, _)| name == "Peers" || name == "MaybeTheyHaveSome") {
            let payload: serde_json::Value = serde_json::from_str(payload.get()).unwrap();
            for name in payload["peers"].as_array().unwrap() {
                let named: SocketAddr = name.as_str().unwrap().parse().unwrap();
                assert!(self.accounts.get(&named).is_some_and(|account| account.has_proved), "{named} proved nothing");
                assert!(makes_sense_to(named, to), "{named} means nothing to {to}");
                assert_ne!(named, to);
            }
        }
    }
}

impl Account {
    /// Invariant 1: the reply budget.
    fn check_answer(&mut self, now: Time, stimulus: &Stimulus, payload: &[u8], elements: &[(String, &RawValue)]) {
        let (request, reply) = (stimulus.bytes.len() + HEADER_BYTES, payload.len() + HEADER_BYTES);
        assert!(reply * 2 <= request * 5, "{reply} bytes in answer to {request}");
        assert!(
            elements.iter().any(|(name, _)| name == "PleaseAlwaysReturnThisMessage"),
            "an answer without our token"
        );
        self.traffic.last_mut().unwrap().2 += reply;
        let (mut heard, mut answered, mut largest) = (0, 0, 0);
        for (then, request, reply) in self.traffic.iter().rev() {
            if now.since(*then) > Duration::from_secs(60) {
                break;
            }
            (heard, answered, largest) = (heard + request, answered + reply, largest.max(*request));
            assert!(answered <= 2 * heard + largest / 2, "{answered} bytes for {heard} within a minute");
        }
    }

    /// Invariant 8: an address that never answered is left in peace.
    fn check_contact(&mut self, now: Time, to: SocketAddr) {
        if self.has_proved {
            return;
        }
        self.contacts.push(now);
        let within = |seconds| {
            self.contacts.iter().rev().take_while(|then| now.since(**then) < Duration::from_secs(seconds)).count()
        };
        assert!(within(60) <= 5 && within(3_600) <= 12, "{to} is pestered: {:?}", self.contacts);
    }
}

/// Invariant 3: one array of one-key objects, of bounded size.
fn check_shape(payload: &[u8]) -> Vec<(String, &RawValue)> {
    let text = std::str::from_utf8(payload).expect("what is sent is UTF-8");
    let elements: Vec<BTreeMap<String, &RawValue>> = serde_json::from_str(text).expect("what is sent is an array");
    let elements: Vec<(String, &RawValue)> = elements
        .into_iter()
        .map(|element| {
            assert_eq!(element.len(), 1, "one key each: {text}");
            element.into_iter().next().unwrap()
        })
        .collect();
    assert!(!elements.is_empty(), "an empty datagram");
    for (name, payload) in &elements {
        let is_echo = name == "AlwaysReturned" || name == "ReturnedMessage";
        assert!(is_echo || payload.get().starts_with('{'), "payloads are objects: {text}");
    }
    let is_token = |name: &str| name == "AlwaysReturned" || name == "PleaseAlwaysReturnThisMessage";
    assert!(elements.iter().any(|(name, _)| !is_token(name)) || elements.len() <= 2, "nothing but tokens: {text}");
    if payload.len() > DATAGRAM_SEND_MAX_BYTES {
        let rest: Vec<&str> = elements.iter().map(|(name, _)| name.as_str()).filter(|name| !is_token(name)).collect();
        assert!(matches!(rest[..], ["Content"]), "{} bytes of {rest:?}", payload.len());
        assert!(payload.len() <= DATAGRAM_MAX_BYTES);
    }
    assert_eq!(decode(payload).expect("we can read what we send").malformed, 0);
    elements
}

/// Invariant 7, and the bounds of what is shown.
pub fn check_event(cause: &Cause, event: &Event) {
    match event {
        Event::Chat { text, .. } => assert!(text.len() <= CHAT_MAX_BYTES),
        Event::GroupChat { group, text, .. } => {
            assert!(text.len() <= CHAT_MAX_BYTES && group.len() <= GROUP_MAX_BYTES);
        }
        Event::Unknown { payload, .. } => {
            let Cause::Datagram { stimulus, .. } = cause else { panic!("an unknown message out of nothing") };
            let payload = payload.as_bytes();
            assert!(stimulus.bytes.windows(payload.len()).any(|window| window == payload), "kept byte for byte");
        }
        _ => {}
    }
}

/// Invariant 5: every table stays under its limit.
pub fn check_tables(node: &Node<MemoryStore>) {
    for size in node.sizes() {
        assert!(size.len <= size.max, "{size:?}");
    }
}

fn is_probe(name: &str) -> bool {
    name == "PleaseReturnThisMessage"
}

/// The string in `{"cookie":"…"}`; empty if there is none, which no cookie of the node is.
fn cookie(payload: &RawValue) -> String {
    let object: BTreeMap<String, &RawValue> = serde_json::from_str(payload.get()).unwrap_or_default();
    object.get("cookie").and_then(|text| serde_json::from_str(text.get()).ok()).unwrap_or_default()
}
