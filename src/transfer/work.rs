//! What a source is to deliver next: pieces of the tree, then of the content, then what others were to deliver.
//!
//! Everything is expected from one source at first, because whatever comes twice is bytes wasted. It refuses to judge
//! how much a path carries: a source is given more when it has been asked for all it was given.

use super::download::Download;
use super::pieces::piece_bytes;
use super::source::{Asked, Source, Span};
use crate::content::{Part, Ranges};
use crate::sorted::SortedSet;
use crate::time::Time;
use rand::{Rng, RngExt};
use std::net::SocketAddr;
use std::ops::Range;

/// How many pieces of a tree are looked at to find one that nobody delivers yet: as many as are on their way at once on
/// a fast path.
const TREE_LOOKS_MAX: usize = 64;

impl Download {
    /// Whether a source can be given work.
    pub(super) fn is_useful(&self, address: SocketAddr) -> bool {
        let means_the_same = |source: &Source| source.is_active() && source.claim == self.size();
        self.sources.get(&address).is_some_and(means_the_same) && self.trial.admits(address)
    }

    /// Gives a source something to deliver, if need be what others were asked for before `overdue`; each answer is to
    /// carry `step` bytes. Says whether there was anything.
    pub(super) fn refill(
        &mut self,
        address: SocketAddr,
        overdue: Time,
        (step, is_fast): (u32, bool),
        rng: &mut impl Rng,
    ) -> bool {
        let span = self.next_of_tree(address, step, rng).or_else(|| self.next_of_content(address, is_fast, rng));
        let Some(span) = span.or_else(|| self.stolen(address, overdue)) else { return false };
        if let Some(source) = self.sources.get_mut(&address) {
            source.assign(span);
        }
        true
    }

    /// A piece of the tree that can be checked as soon as it is there and that nobody delivers yet, and as many after
    /// it as fit one answer. Where to begin to look is left to chance, so that fetchers of one source soon have
    /// something to give one another.
    fn next_of_tree(&self, address: SocketAddr, step: u32, rng: &mut impl Rng) -> Option<Span> {
        let bytes = self.part_bytes(Part::Tree).filter(|bytes| *bytes > 0)?;
        let (shape, held) = (self.tree?.shape(), &self.held[Part::Tree as usize]);
        if held.covers(0..bytes) {
            return None;
        }
        let has = &self.sources.get(&address)?.has[Part::Tree as usize];
        let is_free = |range: &Range<u64>| {
            let is_taken = |source: &Source| source.assigned[Part::Tree as usize].overlaps(range.clone());
            has.may_have(range.start / piece_bytes(bytes)) && !self.sources.values().any(is_taken)
        };
        let mut from = rng.random_range(0..bytes);
        let mut has_turned = false;
        for _ in 0..TREE_LOOKS_MAX {
            match shape.next_checkable(held, from) {
                Some(mut range) if is_free(&range) => {
                    let most = range.start + u64::from(step);
                    // Only whole pieces may follow one another, or what is asked for would be cut elsewhere.
                    while shape.piece(range.start).is_some_and(|first| first.start == range.start)
                        && let Some(next) = shape.piece(range.end).filter(|next| next.start == range.end)
                        && shape.next_checkable(held, next.start) == Some(next.clone())
                        && next.end <= most
                        && is_free(&next)
                    {
                        range.end = next.end;
                    }
                    return Some(Span { part: Part::Tree, range });
                }
                Some(range) => from = range.end,
                None if has_turned => return None,
                None => (from, has_turned) = (0, true),
            }
        }
        None
    }

    /// Some of the content that can be checked as soon as it is there and that nobody delivers yet.
    fn next_of_content(&mut self, address: SocketAddr, is_fast: bool, rng: &mut impl Rng) -> Option<Span> {
        let (is_checkable, shape) = (self.is_checkable(), self.tree?.shape());
        let has = &self.sources.get(&address)?.has[Part::Content as usize];
        let tree_held = &self.held[Part::Tree as usize];
        let is_ready = |range: &Range<u64>| {
            !is_checkable || shape.leaves_of(range.clone()).is_none_or(|leaves| tree_held.covers(leaves))
        };
        let range = self.pieces.as_mut()?.take(has, is_ready, is_fast, rng)?;
        Some(Span { part: Part::Content, range })
    }

    /// Towards the end everything is expected from somebody: a source with nothing to do takes over what another has
    /// not been asked for, or asks once more for what another was asked for long ago; whoever is first wins.
    fn stolen(&mut self, address: SocketAddr, overdue: Time) -> Option<Span> {
        let expected = |source: &Source| source.assigned.iter().map(Ranges::count).sum::<u64>();
        let others = self.sources.iter().filter(|(other, source)| **other != address && source.is_active());
        let others: SortedSet<_> = others.map(|(other, source)| (expected(source), *other)).collect();
        let mut busy = others.into_iter().rev().take_while(|(expected, _)| *expected > 0);
        busy.find_map(|(_, victim)| self.stolen_from(victim, address, overdue))
    }

    /// The same from one of the others.
    fn stolen_from(&mut self, victim: SocketAddr, thief: SocketAddr, overdue: Time) -> Option<Span> {
        let rest = self.sources.get(&victim)?.queue.back().filter(|span| self.suits(thief, span)).cloned();
        // What a source has begun to deliver it also finishes: blocks from two hands are put together by nobody.
        let is_begun = |span: &Span| {
            let whole = self.whole_blocks(span.part, span.range.clone());
            whole.end != span.range.end || span.part == Part::Tree && whole.start != span.range.start
        };
        if let Some(span) = rest.filter(|span| !is_begun(span))
            && let Some(ceded) = self.sources.get_mut(&victim)?.cede_half(span)
        {
            return Some(ceded);
        }
        let late = self.sources.get(&victim)?.asks.iter().filter(|(_, ask)| ask.asked < overdue);
        let mut spans = late.map(|((part, start), Asked { length, .. })| {
            let range = *start..start.saturating_add(u64::from(*length));
            Span { part: *part, range: self.whole_blocks(*part, range) }
        });
        spans.find(|span| self.suits(thief, span))
    }

    /// Whether a source may have all of a span and does not deliver any of it already.
    fn suits(&self, address: SocketAddr, span: &Span) -> bool {
        let piece = piece_bytes(self.part_bytes(span.part).unwrap_or(1));
        let may_deliver = |source: &Source| {
            let is_new = !source.assigned[span.part as usize].overlaps(span.range.clone());
            let mut pieces = span.range.start / piece..span.range.end.div_ceil(piece);
            is_new && pieces.all(|number| source.has[span.part as usize].may_have(number))
        };
        self.sources.get(&address).is_some_and(may_deliver)
    }
}
