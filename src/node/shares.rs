//! Shares of something that costs us time: opening envelopes, and signing.
//!
//! Strangers have one share together, because a source can be forged. Of who returned our token each host has its own,
//! see [`host`], for which there is enough even if many ask at once; who wants more takes it from what nobody has a
//! right to, as long as there is any. So one that floods takes nothing from those who ask for little.
//!
//! The limits of hosts are in a table of fixed size, in places that nobody can choose; those that collide share one.

use super::sender::Sender;
use crate::hash::Key;
use crate::peers::address::host;
use crate::rate::{Limiter, Rate};
use crate::sizes::{Size, no_table};
use crate::time::Time;
use rand::Rng;
use std::net::SocketAddr;

/// How many limits of hosts there are: 8 KiB.
const HOSTS: usize = 1_024;

/// How much there is of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rates {
    /// For all strangers together.
    pub(super) strangers: Rate,
    /// For each host that returned our token.
    pub(super) host: Rate,
    /// For all hosts together that keep within their share.
    pub(super) hosts: Rate,
    /// For all that want more.
    pub(super) spare: Rate,
}

/// What was used lately.
#[derive(Debug)]
pub(super) struct Shares {
    key: Key,
    strangers: Limiter,
    each: Vec<Limiter>,
    hosts: Limiter,
    spare: Limiter,
}

impl Shares {
    pub(super) fn new(rng: &mut impl Rng) -> Shares {
        let (strangers, hosts, spare) = <(Limiter, Limiter, Limiter)>::default();
        Shares { key: Key::new(rng), strangers, each: vec![Limiter::default(); HOSTS], hosts, spare }
    }

    /// Whether it may be done once more for this sender.
    pub(super) fn allow(&mut self, now: Time, sender: &Sender, rates: &Rates) -> bool {
        if !sender.is_verified() {
            return self.strangers.allow(now, rates.strangers);
        }
        let place = self.key.address(0, SocketAddr::new(host(sender.address.ip()), 0)) as usize % HOSTS;
        let is_within = self.hosts.is_within(now, rates.hosts) && self.each[place].allow(now, rates.host);
        if is_within { self.hosts.allow(now, rates.hosts) } else { self.spare.allow(now, rates.spare) }
    }

    pub(super) fn size(&self, table: &'static str) -> Size {
        let Shares { key, strangers, each, hosts, spare } = self;
        no_table(key);
        [strangers, hosts, spare].into_iter().for_each(no_table);
        Size::new(table, each.len(), HOSTS)
    }
}
