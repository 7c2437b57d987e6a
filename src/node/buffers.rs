//! Memory of datagrams that have been sent, kept for those to come: content is served in thousands of them a second.

use crate::sizes::Size;

/// How many are kept: the longest answer to one datagram.
const BUFFERS_MAX: usize = super::reply::REPLY_DATAGRAMS_MAX;

/// How much is kept, in bytes: the longest answer to one datagram. What would exceed it is freed.
const BYTES_MAX: usize = super::reply::REPLY_BYTES_MAX + BUFFERS_MAX;

/// Spare memory.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    spare: Vec<Vec<u8>>,
    bytes: usize,
}

impl Buffers {
    /// An empty buffer with room for `bytes`, made of what was given back last if that suffices.
    pub(super) fn take(&mut self, bytes: usize) -> Vec<u8> {
        match self.spare.pop() {
            Some(spare) => {
                self.bytes -= spare.capacity();
                if spare.capacity() >= bytes { spare } else { Vec::with_capacity(bytes) }
            }
            None => Vec::with_capacity(bytes),
        }
    }

    /// Takes memory back.
    pub(super) fn give(&mut self, mut buffer: Vec<u8>) {
        let bytes = self.bytes + buffer.capacity();
        if bytes <= BYTES_MAX && self.spare.len() < BUFFERS_MAX {
            buffer.clear();
            self.bytes = bytes;
            self.spare.push(buffer);
        }
    }

    /// How much is kept.
    pub(super) fn sizes(&self) -> [Size; 2] {
        let Buffers { spare, bytes } = self;
        [Size::new("spare buffers", spare.len(), BUFFERS_MAX), Size::new("bytes of spare buffers", *bytes, BYTES_MAX)]
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_is_handed_out_again_empty() {
        let mut buffers = Buffers::default();
        let mut buffer = buffers.take(1_000);
        buffer.extend_from_slice(b"before");
        let place = buffer.as_ptr();
        buffers.give(buffer);
        let again = buffers.take(900);
        assert!(again.is_empty() && again.as_ptr() == place);
        assert!(buffers.take(2_000).capacity() >= 2_000);
    }

    #[test]
    fn no_more_is_kept_than_an_answer_needs() {
        for bytes in [10, 60_000, 10_000_000] {
            let mut buffers = Buffers::default();
            for _ in 0..1_000 {
                buffers.give(Vec::with_capacity(bytes));
                assert!(buffers.sizes().iter().all(|size| size.len <= size.max), "{bytes}");
            }
        }
    }
}
