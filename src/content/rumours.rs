//! Which peers might have which content: hints from what they list, recommend, or ask for.
//!
//! Somebody who asks for a content will soon have it, so a node that lacks it can still bring askers together.
//!
//! Each network has its share of the contents, those that it named first: when it names more, its own oldest is
//! forgotten. So it takes sixteen networks to make us forget what another one told us; then the oldest of all goes.

use crate::peers::address::{self, Network};
use crate::sizes::{Size, no_table};
use crate::sorted::SortedMap;
use crate::wire::ID_MAX_BYTES;
use std::collections::VecDeque;
use std::net::SocketAddr;

/// How many contents are remembered. Under 500 KiB with the longest ids, each of which is kept twice.
pub const RUMOURS_MAX: usize = 512;

/// How many of them one global network may have named first: a sixteenth.
pub const RUMOURS_PER_NETWORK_MAX: usize = RUMOURS_MAX / 16;

/// How many local networks may have named first: a whole swarm may live there, and the world has the other half.
pub const RUMOURS_LOCAL_MAX: usize = RUMOURS_MAX / 2;

/// How many possible holders are remembered for each; the oldest is forgotten first.
pub const HOLDERS_MAX: usize = 8;

/// How many of them may be of one global network; its own oldest is forgotten first.
pub const HOLDERS_PER_NETWORK_MAX: usize = 2;

/// Contents and their possible holders.
#[derive(Debug, Default)]
pub struct Rumours {
    holders: SortedMap<String, VecDeque<SocketAddr>>,
    /// Who named which content first, by the number of the naming.
    named: SortedMap<(Network, u64), String>,
    /// The networks again, oldest naming first.
    order: SortedMap<u64, Network>,
    shares: SortedMap<Network, usize>,
    namings: u64,
}

impl Rumours {
    /// This peer might have that content.
    pub fn note(&mut self, id: &str, holder: SocketAddr) {
        let network = address::network(holder.ip());
        if !self.holders.contains_key(id) {
            self.make_room(network);
            self.holders.insert(id.to_owned(), VecDeque::new());
            self.named.insert((network, self.namings), id.to_owned());
            self.order.insert(self.namings, network);
            *self.shares.get_or_insert_with(network, || 0) += 1;
            self.namings += 1;
        }
        let Some(holders) = self.holders.get_mut(id).filter(|holders| !holders.contains(&holder)) else { return };
        let is_alike = |other: &SocketAddr| address::network(other.ip()) == network;
        let alike = holders.iter().filter(|other| is_alike(other)).count();
        if network != Network::Local && alike >= HOLDERS_PER_NETWORK_MAX {
            let oldest = holders.iter().position(is_alike);
            oldest.and_then(|place| holders.remove(place));
        } else if holders.len() >= HOLDERS_MAX {
            holders.pop_front();
        }
        holders.push_back(holder);
    }

    /// Forgets a content if one more of this network would be too many: its own oldest, or else the oldest of all.
    fn make_room(&mut self, network: Network) {
        let share_max = if network == Network::Local { RUMOURS_LOCAL_MAX } else { RUMOURS_PER_NETWORK_MAX };
        let is_share_full = self.shares.get(&network).is_some_and(|share| *share >= share_max);
        let oldest = if is_share_full {
            self.named.range((network, 0)..).next().map(|(key, _)| *key)
        } else if self.holders.len() >= RUMOURS_MAX {
            self.order.first_key_value().map(|(naming, network)| (*network, *naming))
        } else {
            None
        };
        if let Some((network, naming)) = oldest {
            let id = self.named.remove(&(network, naming));
            id.and_then(|id| self.holders.remove(&id));
            self.order.remove(&naming);
            let share = self.shares.remove(&network).unwrap_or(1);
            if share > 1 {
                self.shares.insert(network, share - 1);
            }
        }
    }

    /// How full the tables are.
    pub fn sizes(&self) -> [Size; 6] {
        let Rumours { holders, named, order, shares, namings } = self;
        no_table(namings);
        let most = holders.values().map(VecDeque::len).max().unwrap_or(0);
        let longest = holders.keys().map(String::len).max().unwrap_or(0);
        [
            Size::new("contents heard of", holders.len(), RUMOURS_MAX),
            Size::new("contents by who named them", named.len(), RUMOURS_MAX),
            Size::new("order of contents heard of", order.len(), RUMOURS_MAX),
            Size::new("networks that named contents", shares.len(), RUMOURS_MAX),
            Size::new("holders of one content", most, HOLDERS_MAX),
            Size::new("bytes of an id", longest, ID_MAX_BYTES),
        ]
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
    fn one_network_forgets_its_own_oldest_and_never_anybody_elses() {
        let mut rumours = Rumours::default();
        let holder = |network, port| SocketAddr::from(([203, network, 2, 1], port));
        rumours.note("cat.jpg", holder(0, 2_000));
        for number in 0..2_000 {
            for port in 2_000..2_020 {
                rumours.note(&format!("content {number}"), holder(1, port));
                rumours.note("cat.jpg", holder(1, port));
            }
        }
        let total = 1 + RUMOURS_PER_NETWORK_MAX;
        assert_eq!((rumours.holders.len(), rumours.named.len(), rumours.order.len()), (total, total, total));
        assert_eq!(rumours.holders("content 0").count(), 0);
        let ports = |id| rumours.holders(id).map(|holder: SocketAddr| holder.port()).collect::<Vec<_>>();
        assert_eq!(ports("content 1999"), [2_019, 2_018]);
        assert_eq!(ports("cat.jpg"), [2_019, 2_018, 2_000]);
    }

    #[test]
    fn many_networks_together_forget_the_oldest_and_the_table_never_grows() {
        let mut rumours = Rumours::default();
        for number in 0..2_000_u16 {
            for network in 0..20 {
                rumours.note(&format!("content {number}"), SocketAddr::from(([20 + network, 0, 2, 1], 2_000 + number)));
            }
            rumours.note(&format!("other {number}"), SocketAddr::from(([(number % 200) as u8 + 1, 9, 2, 1], 2_000)));
            rumours.note(&format!("local {number}"), SocketAddr::from(([10, 0, 0, 1], 2_000)));
        }
        let sizes = [rumours.holders.len(), rumours.named.len(), rumours.order.len(), rumours.shares.values().sum()];
        assert_eq!(sizes, [RUMOURS_MAX; 4]);
        assert_eq!(rumours.holders("content 0").count(), 0);
        assert_eq!(rumours.holders("content 1999").count(), HOLDERS_MAX);
        assert!((1..=RUMOURS_LOCAL_MAX).contains(&rumours.shares[&Network::Local]));
        (0..2_000).for_each(|number| rumours.note(&number.to_string(), SocketAddr::from(([10, 0, 0, 1], 2_000))));
        assert_eq!(rumours.shares[&Network::Local], RUMOURS_LOCAL_MAX);
    }
}
