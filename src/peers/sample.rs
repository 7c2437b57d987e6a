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
pub(super) enum Sample<'a> {
    /// All are of one scope, as on most nodes; nothing has to be mixed, which would take half of the time of an answer.
    One(Walk<'a>),
    /// Each scope's.
    Mixed([Part<'a>; SCOPES]),
}

type Walk<'a> = Chain<Iter<'a, Peer>, Iter<'a, Peer>>;

/// A walk through the peers of one scope.
#[derive(Clone, Debug)]
pub(super) struct Part<'a> {
    peers: Walk<'a>,
    left: usize,
    /// Where on the way the next peer stands.
    next: u64,
    /// How far the peers stand apart.
    step: u64,
}

impl<'a> Sample<'a> {
    /// Always the same walk.
    pub(super) fn whole(parts: [&'a [Peer]; SCOPES]) -> Sample<'a> {
        match alone(&parts) {
            Some(peers) => Sample::One(walk(peers, 0)),
            None => Sample::Mixed(parts.map(|peers| Part::new(peers, 0, |_| 0))),
        }
    }

    /// A random walk: in each part it begins with a random peer, somewhere in the first step. So the few of a small
    /// part come early no more often than they should. Where there is one part only, that makes no difference.
    pub(super) fn random(parts: [&'a [Peer]; SCOPES], rng: &mut impl Rng) -> Sample<'a> {
        if let Some(peers) = alone(&parts) {
            return Sample::One(walk(peers, rng.random_range(0..peers.len())));
        }
        let mut begin = |peers: &'a [Peer]| match peers.len() {
            0 => Part::new(peers, 0, |_| 0),
            length => Part::new(peers, rng.random_range(0..length), |step| rng.random_range(0..step)),
        };
        Sample::Mixed(parts.map(&mut begin))
    }
}

/// The only part with somebody in it.
fn alone<'a>(parts: &[&'a [Peer]; SCOPES]) -> Option<&'a [Peer]> {
    let mut inhabited = parts.iter().filter(|peers| !peers.is_empty());
    inhabited.next().filter(|_| inhabited.next().is_none()).copied()
}

/// Once around, from a start that is within.
fn walk(peers: &[Peer], start: usize) -> Walk<'_> {
    let (before, after) = peers.split_at(start);
    after.iter().chain(before)
}

impl<'a> Part<'a> {
    fn new(peers: &'a [Peer], start: usize, first: impl FnOnce(u64) -> u64) -> Part<'a> {
        let step = WAY / peers.len().max(1) as u64;
        Part { peers: walk(peers, start), left: peers.len(), next: first(step), step }
    }
}

impl<'a> Iterator for Sample<'a> {
    type Item = &'a Peer;

    fn next(&mut self) -> Option<&'a Peer> {
        let parts = match self {
            Sample::One(walk) => return walk.next(),
            Sample::Mixed(parts) => parts,
        };
        let part = parts.iter_mut().filter(|part| part.left > 0).min_by_key(|part| part.next)?;
        part.left -= 1;
        part.next += part.step;
        part.peers.next()
    }
}
