//! Addresses of which the tokens handed out before are worth nothing any more, or less.
//!
//! Somebody who is known by a key has moved. An envelope that proved the old address may have been seen by others, who
//! can send it again with a forged source: with a token that still counts it would move its owner back. So the tokens
//! of an address that was left are made with a number, and each time another one. Whoever lives there by now, or again,
//! is given the new token with the next answer.
//!
//! As long as it is only asked whether somebody still lives there, the tokens before this one count as ever, but it can
//! be told who has seen the question: whoever returns the new one.
//!
//! The table is bounded. Where it is full the oldest entry goes, of the host that has most: moving takes an address
//! that answers, and who has many of them at one host pushes out their own.

use super::ROTATION;
use crate::peers::address::host;
use crate::sizes::Size;
use crate::time::Time;
use std::net::SocketAddr;

/// How many addresses are remembered: as many as keys have a home (see [`crate::identity::whereabouts::HOMES_MAX`]), so
/// that everybody could move once while tokens live.
pub const VOIDED_MAX: usize = 1_024;

/// An address, with the number that its tokens are made with.
#[derive(Clone, Copy, Debug)]
struct Entry {
    address: SocketAddr,
    since: Time,
    number: u32,
    /// The number before, if tokens that were made with it count too; `Some(None)` if those had none.
    earlier: Option<Option<u32>>,
}

/// The addresses.
#[derive(Debug, Default)]
pub(super) struct Voided {
    /// In the order of the addresses: every token that is made or checked looks here.
    entries: Vec<Entry>,
    last: u32,
}

impl Voided {
    /// From now on other tokens count; those before them too, if they are to.
    pub(super) fn add(&mut self, now: Time, address: SocketAddr, are_earlier_kept: bool) {
        let earlier = are_earlier_kept.then(|| self.number(address));
        self.entries.retain(|entry| now.since(entry.since) < 2 * ROTATION && entry.address != address);
        if self.entries.len() >= VOIDED_MAX {
            self.forget_one();
        }
        self.last = self.last.wrapping_add(1);
        let place = self.entries.partition_point(|entry| entry.address < address);
        self.entries.insert(place, Entry { address, since: now, number: self.last, earlier });
    }

    /// The number that tokens for this address are made with; `None` for the usual ones.
    pub(super) fn number(&self, address: SocketAddr) -> Option<u32> {
        self.find(address).map(|entry| entry.number)
    }

    /// The number of the tokens that count besides; `None` if none do.
    pub(super) fn earlier(&self, address: SocketAddr) -> Option<Option<u32>> {
        self.find(address)?.earlier
    }

    fn find(&self, address: SocketAddr) -> Option<&Entry> {
        let place = self.entries.binary_search_by_key(&address, |entry| entry.address).ok()?;
        self.entries.get(place)
    }

    /// Secrets that no token was made with make the numbers unnecessary.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    /// Of the host with most addresses, which stand together, the one that was added first.
    fn forget_one(&mut self) {
        let is_same_host = |one: &Entry, other: &Entry| host(one.address.ip()) == host(other.address.ip());
        let fullest = self.entries.chunk_by(is_same_host).max_by_key(|entries| entries.len());
        let oldest = fullest.and_then(|entries| entries.iter().min_by_key(|entry| entry.since));
        if let Some(address) = oldest.map(|entry| entry.address) {
            self.entries.retain(|entry| entry.address != address);
        }
    }

    pub(super) fn size(&self) -> Size {
        Size::new("addresses with void tokens", self.entries.len(), VOIDED_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn address(host: u32, port: u16) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::from_bits(0x0b00_0000 + host), port))
    }

    fn at(seconds: u64) -> Time {
        Time::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn one_host_pushes_out_its_own_alone() {
        let mut voided = Voided::default();
        voided.add(at(0), address(1, 1), false);
        for n in 0..3 * VOIDED_MAX {
            voided.add(at(1), address(2, n as u16), false);
        }
        assert_eq!(voided.entries.len(), VOIDED_MAX);
        assert!(voided.number(address(1, 1)).is_some() && voided.number(address(2, 0)).is_none());
    }

    #[test]
    fn an_address_is_remembered_for_as_long_as_tokens_live_and_has_another_number_each_time() {
        let mut voided = Voided::default();
        voided.add(at(0), address(1, 1), false);
        let first = voided.number(address(1, 1));
        voided.add(at(7_199), address(2, 2), false);
        assert_eq!(voided.number(address(1, 1)), first);
        voided.add(at(7_200), address(3, 3), false);
        assert_eq!(voided.number(address(1, 1)), None);
        voided.add(at(7_201), address(1, 1), false);
        assert_ne!(voided.number(address(1, 1)), first);
    }
}
