//! Which encrypted envelopes have been opened, so that none is heard twice.
//!
//! Whoever has seen an envelope can send it again. What makes each one recognisable (its ephemeral key, or its nonce)
//! is remembered, in groups by sender: the oldest of a group gives way to the newest. So who writes much pushes out its
//! own and those of the few that share its group, which nobody can choose, and not everybody's. Nothing is remembered
//! of what could not be opened.
//!
//! This is a memory of so many envelopes and not of so much time, and a restart forgets all. What must not happen
//! twice, ever, needs a number or a token of its own inside the envelope.

use crate::hash::Key;
use rand::Rng;
use std::collections::VecDeque;

/// How many groups of senders there are: enough that two who talk at the same time rarely share one. Together they take
/// 64 KiB at most.
const GROUPS: usize = 64;

/// How many envelopes of a group are remembered: at one a second, which is what chat allows, the last two minutes of a
/// single sender.
pub const REMEMBERED_MAX: usize = 128;

/// What was opened lately.
#[derive(Debug)]
pub struct Replays {
    key: Key,
    groups: [VecDeque<u64>; GROUPS],
}

impl Replays {
    /// Nothing was opened yet. The generator makes the groups unpredictable.
    pub fn new(rng: &mut impl Rng) -> Replays {
        Replays { key: Key::new(rng), groups: [const { VecDeque::new() }; GROUPS] }
    }

    /// Writes down an envelope of `sender` that was opened, recognised by `once`. False if it was known.
    pub fn is_new(&mut self, sender: &[u8; 32], once: &[u8]) -> bool {
        let place = self.key.parts(0, &[sender]) as usize % GROUPS;
        // Two envelopes with the same 64 bits would have to come together, under a key that nobody knows.
        let mark = self.key.parts(1, &[sender, once]);
        let Some(group) = self.groups.get_mut(place) else { return false };
        if group.contains(&mark) {
            return false;
        }
        if group.len() >= REMEMBERED_MAX {
            group.pop_front();
        }
        group.push_back(mark);
        true
    }

    /// How many envelopes are remembered.
    pub fn len(&self) -> usize {
        self.groups.iter().map(VecDeque::len).sum()
    }

    /// Whether nothing was opened yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many envelopes can be remembered.
    pub const MAX: usize = GROUPS * REMEMBERED_MAX;
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    fn replays() -> Replays {
        Replays::new(&mut StdRng::seed_from_u64(7))
    }

    #[test]
    fn what_was_opened_is_known_to_be_of_this_sender() {
        let mut replays = replays();
        assert!(replays.is_empty());
        assert!(replays.is_new(&[1; 32], b"a") && replays.is_new(&[1; 32], b"b") && replays.is_new(&[2; 32], b"a"));
        assert!(!replays.is_new(&[1; 32], b"a") && !replays.is_new(&[2; 32], b"a"));
        assert_eq!(replays.len(), 3);
    }

    #[test]
    fn who_writes_much_pushes_out_the_oldest_of_its_own() {
        let mut replays = replays();
        assert!(replays.is_new(&[2; 32], b"other"));
        for n in 0..=REMEMBERED_MAX {
            assert!(replays.is_new(&[1; 32], &n.to_be_bytes()));
        }
        assert!(!replays.is_new(&[1; 32], &1_usize.to_be_bytes()), "all but the first are known");
        assert!(replays.is_new(&[1; 32], &0_usize.to_be_bytes()));
        assert!(!replays.is_new(&[2; 32], b"other"), "these two share no group");
    }

    #[test]
    fn however_many_senders_there_are_the_memory_is_bounded() {
        let mut replays = replays();
        for n in 0..3 * Replays::MAX as u64 {
            let mut sender = [0; 32];
            sender[..8].copy_from_slice(&n.to_be_bytes());
            assert!(replays.is_new(&sender, b"x"));
        }
        assert_eq!(replays.len(), Replays::MAX);
        assert!(replays.groups.iter().all(|group| group.capacity() <= REMEMBERED_MAX.next_power_of_two()));
    }
}
