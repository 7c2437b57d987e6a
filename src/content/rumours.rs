//! Which peers might have which content: hints from what they list, recommend, or ask for.
//!
//! Somebody who asks for a content will soon have it, so a node that lacks it can still bring askers together.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

/// How many contents are remembered; the one heard of first is forgotten first. Under 400 KiB with the longest ids.
pub const RUMOURS_MAX: usize = 512;

/// How many possible holders are remembered for each; the oldest is forgotten first.
pub const HOLDERS_MAX: usize = 8;

/// Contents and their possible holders.
#[derive(Debug, Default)]
pub struct Rumours {
    holders: BTreeMap<String, VecDeque<SocketAddr>>,
    order: VecDeque<String>,
}

impl Rumours {
    /// This peer might have that content.
    pub fn note(&mut self, id: &str, holder: SocketAddr) {
        if !self.holders.contains_key(id) {
            if self.order.len() >= RUMOURS_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.holders.remove(&oldest);
            }
            self.order.push_back(id.to_owned());
            self.holders.insert(id.to_owned(), VecDeque::new());
        }
        let Some(holders) = self.holders.get_mut(id) else { return };
        if !holders.contains(&holder) {
            if holders.len() >= HOLDERS_MAX {
                holders.pop_front();
            }
            holders.push_back(holder);
        }
    }

    /// The possible holders of a content, the latest first.
    pub fn holders(&self, id: &str) -> impl Iterator<Item = SocketAddr> + '_ {
        self.holders.get(id).into_iter().flatten().rev().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_tables_forget_the_oldest_and_never_grow() {
        let mut rumours = Rumours::default();
        let holder = |port| SocketAddr::from(([192, 0, 2, 1], port));
        for number in 0..2_000 {
            for port in 2_000..2_020 {
                rumours.note(&format!("content {number}"), holder(port));
            }
        }
        assert_eq!((rumours.holders.len(), rumours.order.len()), (RUMOURS_MAX, RUMOURS_MAX));
        assert_eq!(rumours.holders("content 0").count(), 0);
        let latest: Vec<_> = rumours.holders("content 1999").map(|holder| holder.port()).collect();
        assert_eq!(latest, (2_012..2_020).rev().collect::<Vec<_>>());
    }
}
