//! Why a datagram, or a part of one, was dropped: a line for the log at its finest level, and no cost at any other.
//!
//! The node counts what it drops and gives no reasons, so we compare its counters before and after each datagram. What
//! each counts is told in [`counters`](crate::counters).

use crate::counters::Counters;
use crate::request::counted;
use crate::wire::{Refused, decode};
use std::fmt::Write;
use std::net::SocketAddr;

/// What is counted and dropped nothing.
const NO_DROPS: &[&str] = &[
    "datagrams_received",
    "bytes_received",
    "datagrams_sent",
    "bytes_sent",
    "messages_unknown",
    "envelopes_opened",
    "people_asked_for",
    "private_sent",
    "private_delivered",
];

/// Whether anybody wants to know.
pub(super) fn are_logged() -> bool {
    log::log_enabled!(log::Level::Trace)
}

/// Says what was dropped of a datagram.
pub(super) fn log(from: SocketAddr, datagram: &[u8], before: &Counters, after: &Counters) {
    if let Some(what) = describe(datagram, before, after) {
        log::trace!("{} from {from}: {what}", counted(datagram.len() as u64, "byte"));
    }
}

/// What was dropped of a datagram, and why; nothing, if nothing was.
fn describe(datagram: &[u8], before: &Counters, after: &Counters) -> Option<String> {
    if after.datagrams_refused > before.datagrams_refused {
        let why = match decode(datagram).err()? {
            Refused::TooLong => "longer than a datagram can be",
            Refused::NotUtf8 => "no UTF-8",
            Refused::TooDeep => "brackets nested too deep",
            Refused::NotAnArray => "no JSON array",
        };
        return Some(format!("dropped, {why}"));
    }
    if after.datagrams_reflected > before.datagrams_reflected {
        return Some("dropped, it is our own and has come back".to_owned());
    }
    if after.datagrams_from_nowhere > before.datagrams_from_nowhere {
        return Some("dropped, its source can be nobody's address".to_owned());
    }
    let mut what = String::new();
    let counts = before.iter().zip(after.iter()).filter(|((name, _), _)| !NO_DROPS.contains(name));
    for ((name, before), (_, after)) in counts.filter(|((_, before), (_, after))| after > before) {
        let comma = if what.is_empty() { "" } else { ", " };
        // Writing to a string cannot fail.
        let _ = write!(what, "{comma}{} {}", after - before, name.replace('_', " "));
    }
    (!what.is_empty()).then_some(what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::MemoryStore;
    use crate::node::{Config, Node};
    use crate::time::Time;

    /// What is said about datagrams that a new node gets in a row.
    fn said(from: &str, datagrams: &[&[u8]]) -> Vec<Option<String>> {
        let mut node = Node::new(Config::default(), [7; 32], Time::default(), MemoryStore::default());
        let said = datagrams.iter().map(|datagram| {
            let before = *node.counters();
            node.handle_datagram(Time::default(), from.parse().unwrap(), datagram);
            describe(datagram, &before, node.counters())
        });
        said.collect()
    }

    #[test]
    fn a_datagram_that_is_dropped_has_its_reason_and_a_good_one_none() {
        let deep = "[".repeat(100);
        let datagrams: [(&[u8], Option<&str>); 8] = [
            (b"hello", Some("dropped, no JSON array")),
            (b"{}", Some("dropped, no JSON array")),
            (b"\xff", Some("dropped, no UTF-8")),
            (deep.as_bytes(), Some("dropped, brackets nested too deep")),
            (b"[7,{\"PleaseSendPeers\":{}},{}]", Some("2 elements malformed")),
            (b"[{\"AlwaysReturned\":{\"cookie\":\"x\"}}]", Some("1 tokens wrong")),
            (b"[{\"PleaseSendPeers\":{}}]", None),
            (b"[{\"SomethingNew\":{}}]", None),
        ];
        let said = said("192.0.2.1:7000", &datagrams.map(|(datagram, _)| datagram));
        assert_eq!(said, datagrams.map(|(_, said)| said.map(str::to_owned)));
    }

    #[test]
    fn a_source_that_is_nobodys_is_named_as_the_reason() {
        let expected = "dropped, its source can be nobody's address".to_owned();
        assert_eq!(said("192.0.2.1:53", &[b"[]"]), [Some(expected)]);
    }
}
