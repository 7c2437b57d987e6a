//! Addresses that a node returns to whenever it knows too few peers: given by the user, built in, or remembered.

use super::address::{is_possible, plain};
use crate::sizes::Size;
use std::net::SocketAddr;

/// The most addresses that are tried forever: built in, given by the user, or remembered.
pub const ANCHORS_MAX: usize = 512;

/// Addresses we return to whenever we know too few peers.
#[derive(Debug, Default)]
pub struct Anchors {
    entries: Vec<Anchor>,
}

#[derive(Debug)]
struct Anchor {
    address: SocketAddr,
    /// From an earlier run: given up once it has failed while others were in reach.
    is_remembered: bool,
}

impl Anchors {
    /// Adds an address, unless it can be nobody's or there are too many; one of the user's takes the place of the
    /// latest that is merely remembered, and is his also if it was remembered before. Says whether it is an anchor now.
    pub fn add(&mut self, address: SocketAddr, is_remembered: bool) -> bool {
        let address = plain(address);
        if let Some(known) = self.entries.iter_mut().find(|anchor| anchor.address == address) {
            known.is_remembered &= is_remembered;
            return true;
        }
        if self.entries.len() >= ANCHORS_MAX && !is_remembered {
            let last = self.entries.iter().rposition(|anchor| anchor.is_remembered);
            last.map(|place| self.entries.remove(place));
        }
        let has_room = self.entries.len() < ANCHORS_MAX && is_possible(address);
        if has_room {
            self.entries.push(Anchor { address, is_remembered });
        }
        has_room
    }

    /// How full the list is.
    pub fn sizes(&self) -> [Size; 1] {
        let Anchors { entries } = self;
        [Size::new("anchors", entries.len(), ANCHORS_MAX)]
    }

    /// All of them, each with whether it is from an earlier run.
    pub fn iter(&self) -> impl Iterator<Item = (SocketAddr, bool)> + '_ {
        self.entries.iter().map(|anchor| (anchor.address, anchor.is_remembered))
    }

    /// The same, beginning with the one at `first`, and going round.
    pub fn iter_from(&self, first: usize) -> impl Iterator<Item = (SocketAddr, bool)> + '_ {
        self.iter().skip(first).chain(self.iter().take(first))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The addresses of an earlier run that have not been given up.
    pub fn remembered(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.entries.iter().filter(|anchor| anchor.is_remembered).map(|anchor| anchor.address)
    }

    /// Gives up an address of an earlier run.
    pub fn give_up(&mut self, address: SocketAddr) {
        self.entries.retain(|anchor| !anchor.is_remembered || anchor.address != address);
    }
}
