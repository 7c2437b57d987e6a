//! Datagrams that the system is given together: equally long ones to one address, as blocks of a content are.
//!
//! The system cuts them apart as late as it can (UDP segmentation offload on Linux), which makes sending about twice as
//! cheap. It refuses to where a datagram would have to be fragmented: so longer ones are never put together, and what
//! it refuses is sent one by one.

use crate::peers::address::plain;
use std::net::SocketAddr;

/// The longest datagram that is put together with others: what goes over a link of 1,500 bytes in one piece, IPv6 (40)
/// and UDP (8) headers deducted.
const SEGMENT_MAX_BYTES: usize = 1_500 - 40 - 8;

/// The most that is put together: one datagram to the system, which has room for 65,535 bytes with headers.
const BATCH_MAX_BYTES: usize = 65_535 - 40 - 8;

/// Datagrams to one address, one after the other.
#[derive(Debug, Default)]
pub(super) struct Batch {
    to: Option<SocketAddr>,
    bytes: Vec<u8>,
    /// How long each is; the last may be shorter.
    segment: usize,
    count: usize,
}

impl Batch {
    /// Whether a datagram may be put together with others at all.
    pub(super) fn takes(payload: &[u8]) -> bool {
        (1..=SEGMENT_MAX_BYTES).contains(&payload.len())
    }

    /// Adds a datagram if it goes with those that are here, `most` together at most; says whether it did.
    pub(super) fn add(&mut self, to: SocketAddr, payload: &[u8], most: usize) -> bool {
        if self.count == 0 {
            (self.to, self.segment) = (Some(plain(to)), payload.len());
        }
        let is_last_whole = self.bytes.len() == self.count * self.segment;
        let fits = self.count < most && self.bytes.len() + payload.len() <= BATCH_MAX_BYTES;
        if self.to != Some(plain(to)) || payload.len() > self.segment || !is_last_whole || !fits {
            return false;
        }
        self.bytes.extend_from_slice(payload);
        self.count += 1;
        true
    }

    /// Where they go, how long each is, and how many there are; `None` if there are none.
    pub(super) fn address(&self) -> Option<(SocketAddr, usize, usize)> {
        self.to.filter(|_| self.count > 0).map(|to| (to, self.segment, self.count))
    }

    /// All of them, one after the other.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// They have been sent.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.count = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn equal_datagrams_to_one_address_go_together_and_the_last_may_be_shorter() {
        let mut batch = Batch::default();
        assert_eq!(batch.address(), None);
        assert!((0..5).all(|n| batch.add(address(1), &[n; 100], 64)));
        assert!(!batch.add(address(2), &[5; 100], 64) && !batch.add(address(1), &[5; 101], 64));
        assert!(batch.add(address(1), &[5; 99], 64));
        assert!(!batch.add(address(1), &[6; 99], 64), "only the last may be shorter");
        assert_eq!(batch.address(), Some((address(1), 100, 6)));
        let parts: Vec<(u8, usize)> = batch.bytes().chunks(100).map(|part| (part[0], part.len())).collect();
        assert_eq!(parts, [(0, 100), (1, 100), (2, 100), (3, 100), (4, 100), (5, 99)]);
        batch.clear();
        assert_eq!(batch.address(), None);
        assert!(batch.add(address(2), &[7; 101], 64) && batch.bytes() == [7; 101]);
    }

    #[test]
    fn no_more_go_together_than_the_system_takes() {
        let count = |length: usize, most: usize| {
            let mut batch = Batch::default();
            (0..1_000).take_while(|_| batch.add(address(1), &vec![0; length], most)).count()
        };
        assert_eq!((count(100, 64), count(1_452, 64), count(100, 1)), (64, 45, 1));
    }

    #[test]
    fn what_would_be_fragmented_goes_alone() {
        assert!(Batch::takes(&[0; 1_452]) && !Batch::takes(&[0; 1_453]) && !Batch::takes(&[]));
    }
}
