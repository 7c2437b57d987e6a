//! Which Ed25519 key is behind an X25519 key: an encrypted envelope shows the latter alone.
//!
//! Only keys that were proven are written down, by whoever decides that somebody is worth remembering. A full table
//! lets go of the key that was learned first; its holder is known again as soon as it signs something, or says its key
//! in an envelope, as the wild does in almost each.

use super::{ExchangeKey, PublicKey};
use crate::sizes::Size;
use crate::sorted::SortedMap;
use std::collections::VecDeque;

/// How many keys are remembered: more people than anybody talks with in private, in 200 KB.
pub const KNOWN_MAX: usize = 1_024;

/// Keys by their X25519 form.
#[derive(Debug, Default)]
pub struct KnownKeys {
    keys: SortedMap<ExchangeKey, PublicKey>,
    /// The same, in the order in which they were learned.
    order: VecDeque<ExchangeKey>,
}

impl KnownKeys {
    /// Writes down a key that was proven.
    pub fn note(&mut self, key: PublicKey) {
        let Ok(exchange) = key.exchange() else { return };
        if self.keys.insert(exchange, key).is_some() {
            return;
        }
        self.order.push_back(exchange);
        if self.order.len() > KNOWN_MAX
            && let Some(first) = self.order.pop_front()
        {
            self.keys.remove(&first);
        }
    }

    /// The key with this X25519 form.
    pub fn find(&self, exchange: ExchangeKey) -> Option<PublicKey> {
        self.keys.get(&exchange).copied()
    }

    /// All keys.
    pub fn iter(&self) -> impl Iterator<Item = PublicKey> {
        self.keys.values().copied()
    }

    pub(crate) fn sizes(&self) -> [Size; 2] {
        let KnownKeys { keys, order } = self;
        [Size::new("known keys", keys.len(), KNOWN_MAX), Size::new("known keys in order", order.len(), KNOWN_MAX)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;

    #[test]
    fn a_full_table_lets_go_of_the_key_that_was_learned_first() {
        let identity = |n: u64| {
            let mut seed = [7; 32];
            seed[..8].copy_from_slice(&n.to_le_bytes());
            Identity::from_seed(&seed)
        };
        let (mut known, last) = (KnownKeys::default(), KNOWN_MAX as u64);
        for n in 0..=last {
            known.note(identity(n).public());
            known.note(identity(n).public());
        }
        assert_eq!(known.find(identity(0).exchange()), None);
        for n in [1, last] {
            assert_eq!(known.find(identity(n).exchange()), Some(identity(n).public()));
        }
        assert!(known.sizes().iter().all(|size| size.len == KNOWN_MAX));
    }
}
