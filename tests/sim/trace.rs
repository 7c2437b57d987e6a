//! The fingerprint of a run: a running hash of everything that arrived, was sent, or was reported.
//!
//! Two runs of a seed must agree in it, in debug and release, twice in a process. It keeps no history: whoever needs
//! to see what happened replays the seed with `SIM_LOG=1`.

use crate::rng::mix;
use cjp2p_node::Time;

/// A hash over the bytes of all happenings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trace(u64);

impl Trace {
    /// Takes note of what happened to a host.
    pub fn note(&mut self, now: Time, host: usize, what: &str, bytes: &[u8]) {
        self.add(now.as_micros());
        self.add(host as u64);
        self.add_bytes(what.as_bytes());
        self.add_bytes(bytes);
    }

    fn add_bytes(&mut self, bytes: &[u8]) {
        self.add(bytes.len() as u64);
        for part in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            self.add(u64::from_le_bytes(word));
        }
    }

    fn add(&mut self, word: u64) {
        self.0 = mix(self.0.rotate_left(5) ^ word);
    }

    /// The fingerprint so far.
    pub fn value(self) -> u64 {
        self.0
    }
}
