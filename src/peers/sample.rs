//! Drawing from peers of several scopes as if they were in one shuffled table.
//!
//! Each scope's peers are in random order already, so a walk through each of them from a random place is random too.
//! What is left to do is to mix these walks, in proportion, so that a few local peers among many global ones come up as
//! seldom as they would in one table, and all of them do if nobody stops. Nothing is looked at before its turn comes.

use super::Peer;
use super::address::SCOPES;
use rand::{Rng, RngExt};
use std::iter::Chain;
use std::slice::Iter;

/// The way through every part, however many peers are in it. A power of two far above the number of peers, so that the
/// steps of all parts divide it almost evenly.
const WAY: u64 = 1 << 40;

/// A walk through all peers, each once.
#[derive(Clone, Debug)]
pub(super) struct Sample<'a> {
    parts: [Part<'a>; SCOPES],
}

/// A walk through the peers of one scope.
#[derive(Clone, Debug)]
struct Part<'a> {
    peers: Chain<Iter<'a, Peer>, Iter<'a, Peer>>,
    left: usize,
    /// Where on the way the next peer stands.
    next: u64,
    /// How far the peers stand apart.
    step: u64,
}

impl<'a> Sample<'a> {
    /// Always the same walk.
    pub(super) fn whole(parts: [&'a [Peer]; SCOPES]) -> Sample<'a> {
        Sample { parts: parts.map(|peers| Part::new(peers, 0, |_| 0)) }
    }

    /// A random walk: in each part it begins with a random peer, somewhere in the first step. So the few of a small
    /// part come early no more often than they should. Where there is one part only, that makes no difference.
    pub(super) fn random(parts: [&'a [Peer]; SCOPES], rng: &mut impl Rng) -> Sample<'a> {
        let is_alone = parts.iter().filter(|peers| !peers.is_empty()).count() == 1;
        let mut begin = |peers: &'a [Peer]| match peers.len() {
            0 => Part::new(peers, 0, |_| 0),
            length if is_alone => Part::new(peers, rng.random_range(0..length), |_| 0),
            length => Part::new(peers, rng.random_range(0..length), |step| rng.random_range(0..step)),
        };
        Sample { parts: parts.map(&mut begin) }
    }
}

impl<'a> Part<'a> {
    fn new(peers: &'a [Peer], start: usize, first: impl FnOnce(u64) -> u64) -> Part<'a> {
        let (before, after) = peers.split_at(start);
        let step = WAY / peers.len().max(1) as u64;
        Part { peers: after.iter().chain(before), left: peers.len(), next: first(step), step }
    }
}

impl<'a> Iterator for Sample<'a> {
    type Item = &'a Peer;

    fn next(&mut self) -> Option<&'a Peer> {
        let part = self.parts.iter_mut().filter(|part| part.left > 0).min_by_key(|part| part.next)?;
        part.left -= 1;
        part.next += part.step;
        part.peers.next()
    }
}
