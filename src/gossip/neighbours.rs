//! The neighbours that lines are passed on to: at most as many as there are links, each with a place of its own.
//!
//! What is remembered of a line for each neighbour is a bit at its place, so that a line costs three numbers.

use crate::peers::links::LINKS_MAX;
use crate::rate::Limiter;
use crate::sizes::{Size, no_table};
use crate::time::Time;
use rand::{Rng, RngExt};
use std::net::SocketAddr;

/// How many requests to confirm a neighbour may ignore that has never said any of our words: a node of the wild.
pub const MUTE_AFTER: u8 = 6;

/// Neighbours, as bits: their places in the table.
pub(super) type Places = u64;

const _: () = assert!(LINKS_MAX <= Places::BITS as usize);

/// What a neighbour may make us do; those that are none share one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Signatures to be checked.
    pub opened: Limiter,
    /// Ids to be looked up.
    pub offered: Limiter,
    /// Lines to be sent.
    pub asked: Limiter,
}

#[derive(Debug)]
struct Neighbour {
    address: SocketAddr,
    /// Since when it is one.
    since: Time,
    /// Whether it has said any of our words.
    speaks: bool,
    /// How many requests to confirm it has left unanswered since.
    unanswered: u8,
    limits: Limits,
}

impl Neighbour {
    fn is_mute(&self) -> bool {
        !self.speaks && self.unanswered >= MUTE_AFTER
    }
}

/// The neighbours, in their places.
#[derive(Debug, Default)]
pub struct Neighbours {
    places: Vec<Option<Neighbour>>,
    /// The limits of all others.
    others: Limits,
}

impl Neighbours {
    pub(super) fn size(&self) -> Size {
        let Neighbours { places, others } = self;
        no_table(others);
        Size::new("neighbours who pass lines on", places.len(), LINKS_MAX)
    }

    fn get_mut(&mut self, address: SocketAddr) -> Option<&mut Neighbour> {
        self.places.iter_mut().flatten().find(|one| one.address == address)
    }

    /// The bit of a neighbour; none of somebody else.
    pub(super) fn bit(&self, address: SocketAddr) -> Places {
        let place = self.places.iter().position(|one| one.as_ref().is_some_and(|one| one.address == address));
        place.map_or(0, |place| 1 << place)
    }

    /// Those that may understand us.
    pub(super) fn active(&self) -> Places {
        let is_active = |one: &Option<Neighbour>| one.as_ref().is_some_and(|one| !one.is_mute());
        self.places.iter().enumerate().filter(|(_, one)| is_active(one)).fold(0, |all, (place, _)| all | 1 << place)
    }

    /// The address at a place, of somebody who is to be told something, and perhaps to confirm it.
    pub(super) fn address(&mut self, place: usize, confirm: bool) -> Option<SocketAddr> {
        let one = self.places.get_mut(place)?.as_mut()?;
        one.unanswered = one.unanswered.saturating_add(u8::from(confirm));
        Some(one.address)
    }

    /// Takes out those that are none any more; says where they were.
    pub(super) fn part(&mut self, is_neighbour: impl Fn(SocketAddr, Time) -> bool) -> Places {
        let mut gone = 0;
        for (place, one) in self.places.iter_mut().enumerate() {
            if one.take_if(|one| !is_neighbour(one.address, one.since)).is_some() {
                gone |= 1 << place;
            }
        }
        gone
    }

    /// Takes note of who is a neighbour since then; says whether it is a new one.
    pub(super) fn meet(&mut self, address: SocketAddr, since: Time) -> bool {
        let free = self.places.iter().position(Option::is_none).unwrap_or(self.places.len());
        if self.bit(address) != 0 || free >= LINKS_MAX {
            return false;
        }
        self.places.resize_with(self.places.len().max(free + 1), || None);
        self.places[free] = Some(Neighbour { address, since, speaks: false, unanswered: 0, limits: Limits::default() });
        true
    }

    /// Whether somebody is known as a neighbour since then.
    pub fn has_met(&self, address: SocketAddr, since: Time) -> bool {
        self.places.iter().flatten().any(|one| one.address == address && one.since == since)
    }

    /// The limits of a neighbour, or those of all others.
    pub fn limits(&mut self, address: SocketAddr) -> &mut Limits {
        let Neighbours { places, others } = self;
        let neighbour = places.iter_mut().flatten().find(|one| one.address == address);
        neighbour.map_or(others, |one| &mut one.limits)
    }

    /// Somebody said one of our words.
    pub fn heard(&mut self, address: SocketAddr) {
        if let Some(one) = self.get_mut(address) {
            (one.speaks, one.unanswered) = (true, 0);
        }
    }

    /// Whether somebody is a neighbour that has said any of our words.
    pub fn speaks(&self, address: SocketAddr) -> bool {
        self.places.iter().flatten().any(|one| one.address == address && one.speaks)
    }
}

/// The places that a mask has.
pub(super) fn bits(mask: Places) -> impl Iterator<Item = usize> {
    (0..Places::BITS as usize).filter(move |place| mask >> place & 1 == 1)
}

/// Some of the places at random.
pub(super) fn pick(mut from: Places, count: u32, rng: &mut impl Rng) -> Places {
    let mut picked: Places = 0;
    while picked.count_ones() < count && from != 0 {
        let nth = rng.random_range(0..from.count_ones()) as usize;
        let bit = bits(from).nth(nth).map_or(from, |place| 1 << place);
        picked |= bit;
        from &= !bit;
    }
    picked
}
