//! The fingerprint of a run: a running hash of everything that arrived, was sent, or was reported.
//!
//! Two runs of a seed must agree in it, in debug and release, twice in a process. It keeps no history: whoever needs
//! to see what happened replays the seed with `SIM_LOG=1`.

use cjp2p_node::Time;

/// FNV-1a over the bytes of all happenings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace(u64);

impl Default for Trace {
    fn default() -> Trace {
        Trace(0xcbf2_9ce4_8422_2325)
    }
}

impl Trace {
    /// Takes note of what happened to a host.
    pub fn note(&mut self, now: Time, host: usize, what: &str, bytes: &[u8]) {
        self.add(&now.as_micros().to_le_bytes());
        self.add(&(host as u64).to_le_bytes());
        self.add(what.as_bytes());
        self.add(bytes);
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// The fingerprint so far.
    pub fn value(self) -> u64 {
        self.0
    }
}
