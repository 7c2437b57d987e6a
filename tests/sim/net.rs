//! What the network does to a datagram: nothing, delay it, lose it, double it, or damage it.
//!
//! Reordering needs no switch of its own: jitter larger than the gap between two datagrams reorders them.

use crate::rng::{Rng, mix};
use std::time::Duration;

/// The faults of all links, in parts of a thousand and in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    /// The least a datagram takes.
    pub latency_min_ms: u64,
    /// The most it takes without jitter; each pair of ends has its own latency between the two.
    pub latency_max_ms: u64,
    /// What is added at random to every datagram, at most.
    pub jitter_ms: u64,
    /// Datagrams that vanish.
    pub loss: u32,
    /// Datagrams that come twice.
    pub duplicate: u32,
    /// Datagrams that come damaged: bits flipped, or cut short.
    pub corrupt: u32,
}

impl Default for Faults {
    /// A good day: between 5 and 200 ms, nothing lost.
    fn default() -> Faults {
        Faults { latency_min_ms: 5, latency_max_ms: 200, jitter_ms: 2, loss: 0, duplicate: 0, corrupt: 0 }
    }
}

/// Within a local network nothing is lost and everything is fast.
pub const LAN_DELAY: Duration = Duration::from_micros(300);

/// One copy that arrives.
#[derive(Debug)]
pub struct Copy {
    /// After this long.
    pub delay: Duration,
    /// Whether it arrives damaged.
    pub is_damaged: bool,
}

impl Faults {
    /// The copies of a datagram that arrive. `ends` identifies the pair of ends.
    pub fn fate(&self, rng: &mut Rng, ends: u64) -> Vec<Copy> {
        let mut copies = Vec::with_capacity(1);
        if !rng.chance(self.loss) {
            copies.push(self.copy(rng, ends));
        }
        if rng.chance(self.duplicate) {
            copies.push(self.copy(rng, ends));
        }
        copies
    }

    fn copy(&self, rng: &mut Rng, ends: u64) -> Copy {
        let span = (self.latency_max_ms - self.latency_min_ms) * 1000 + 1;
        let base = self.latency_min_ms * 1000 + mix(ends) % span;
        let delay = Duration::from_micros(base + rng.below(self.jitter_ms * 1000 + 1));
        Copy { delay, is_damaged: rng.chance(self.corrupt) }
    }
}

/// Flips some bits or cuts the end off.
pub fn damage(rng: &mut Rng, payload: &mut Vec<u8>) {
    if payload.is_empty() || rng.chance(300) {
        payload.truncate(rng.index(payload.len() + 1));
        return;
    }
    for _ in 0..rng.between(1, 4) {
        let at = rng.index(payload.len());
        payload[at] ^= 1 << rng.below(8);
    }
}
