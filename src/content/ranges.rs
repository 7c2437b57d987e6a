//! A set of positions in a content, kept as ranges: what is there, what was asked for, what is verified.
//!
//! Neighbours melt into one, so a content that arrives in order is one range however long it is. One that arrives in
//! the worst order is many, so their number is limited, and what would exceed it is refused, never half done.

use std::collections::BTreeMap;
use std::ops::Range;

/// How many separate ranges a set holds: 512 KiB or less. It takes half as many blocks, each arriving apart from all
/// others, to get there; at 4,096 bytes each that is a file of 128 MiB of which exactly every other block is there.
pub const FRAGMENTS_MAX: usize = 16_384;

/// The change would have split the set into more than [`FRAGMENTS_MAX`] ranges; it was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooScattered;

/// A set of `u64`, as half-open ranges that neither overlap nor touch. `u64::MAX` itself is never in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges {
    /// Ends by starts.
    ends: BTreeMap<u64, u64>,
    /// The sum of all lengths.
    count: u64,
}

impl Ranges {
    /// Adds every position of `range`; an empty or reversed one has none.
    ///
    /// # Errors
    /// [`TooScattered`]; the set is then what it was.
    pub fn insert(&mut self, range: Range<u64>) -> Result<(), TooScattered> {
        if range.is_empty() {
            return Ok(());
        }
        let (mut start, mut end) = (range.start, range.end);
        // What begins before and reaches into the range, or touches it, and what begins in it or where it ends.
        if let Some((&before, &before_end)) = self.ends.range(..start).next_back()
            && before_end >= start
        {
            (start, end) = (before, end.max(before_end));
        }
        let is_new = self.ends.range(start..=end).next().is_none();
        if is_new && self.ends.len() >= FRAGMENTS_MAX {
            return Err(TooScattered);
        }
        while let Some((&inner, &inner_end)) = self.ends.range(start..=end).next() {
            end = end.max(inner_end);
            self.take(inner);
        }
        self.put(start, end);
        Ok(())
    }

    /// Takes every position of `range` out.
    ///
    /// # Errors
    /// [`TooScattered`], as taking the middle out of a range leaves two; the set is then what it was.
    pub fn remove(&mut self, range: Range<u64>) -> Result<(), TooScattered> {
        if range.is_empty() {
            return Ok(());
        }
        if let Some((&start, &end)) = self.ends.range(..range.start).next_back()
            && end > range.start
        {
            if end > range.end {
                if self.ends.len() >= FRAGMENTS_MAX {
                    return Err(TooScattered);
                }
                self.ends.insert(range.end, end);
            }
            self.count -= end.min(range.end) - range.start;
            self.ends.insert(start, range.start);
        }
        while let Some((&start, &end)) = self.ends.range(range.clone()).next() {
            self.take(start);
            if end > range.end {
                self.put(range.end, end);
            }
        }
        Ok(())
    }

    /// Whether the position is in the set.
    pub fn contains(&self, position: u64) -> bool {
        self.ends.range(..=position).next_back().is_some_and(|(_, end)| *end > position)
    }

    /// Whether every position of `range` is in the set.
    pub fn covers(&self, range: Range<u64>) -> bool {
        self.first_gap(range).is_none()
    }

    /// The first positions of `range` that are not in the set, as many as stand together.
    pub fn first_gap(&self, range: Range<u64>) -> Option<Range<u64>> {
        let around = self.ends.range(..=range.start).next_back();
        let start = around.map_or(range.start, |(_, end)| range.start.max(*end));
        if start >= range.end {
            return None;
        }
        let next = self.ends.range(start..range.end).next();
        Some(start..next.map_or(range.end, |(next, _)| *next))
    }

    /// The ranges, in order.
    pub fn iter(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.ends.iter().map(|(start, end)| *start..*end)
    }

    /// What the set and `range` have in common, in order.
    pub fn within(&self, range: Range<u64>) -> impl Iterator<Item = Range<u64>> + '_ {
        let around = self.ends.range(..range.start).next_back();
        let inside = self.ends.range(range.start..range.end.max(range.start));
        let both = around.into_iter().chain(inside);
        both.map(move |(start, end)| range.start.max(*start)..range.end.min(*end)).filter(|part| !part.is_empty())
    }

    /// Whether the set and `range` have something in common.
    pub fn overlaps(&self, range: Range<u64>) -> bool {
        self.within(range).next().is_some()
    }

    /// What of `range` is not in the set.
    pub fn gaps(&self, range: Range<u64>) -> Ranges {
        let mut gaps = Ranges::default();
        let mut from = range.start;
        while let Some(gap) = self.first_gap(from..range.end) {
            from = gap.end;
            gaps.put(gap.start, gap.end);
        }
        gaps
    }

    /// What is in the set and not in `other`.
    pub fn without(&self, other: &Ranges) -> Ranges {
        let mut rest = Ranges::default();
        for range in self.iter() {
            other.gaps(range).iter().for_each(|gap| rest.put(gap.start, gap.end));
        }
        rest
    }

    /// How many positions are in the set: bytes, where positions are bytes.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How many separate ranges the set has.
    pub fn fragments(&self) -> usize {
        self.ends.len()
    }

    /// Whether nothing is in the set.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Adds a range that touches no other.
    fn put(&mut self, start: u64, end: u64) {
        self.ends.insert(start, end);
        self.count += end - start;
    }

    /// Takes the range that begins at `start` out.
    fn take(&mut self, start: u64) {
        if let Some(end) = self.ends.remove(&start) {
            self.count -= end - start;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};
    use std::collections::BTreeSet;

    fn set(ranges: &[Range<u64>]) -> Ranges {
        let mut set = Ranges::default();
        ranges.iter().for_each(|range| set.insert(range.clone()).unwrap());
        set
    }

    /// The ranges that a plain set of numbers consists of.
    fn runs(model: &BTreeSet<u64>) -> Vec<Range<u64>> {
        let mut runs: Vec<Range<u64>> = Vec::new();
        for &n in model {
            match runs.last_mut() {
                Some(run) if run.end == n => run.end += 1,
                _ => runs.push(n..n + 1),
            }
        }
        runs
    }

    #[test]
    fn it_is_the_set_that_a_set_of_numbers_would_be() {
        let mut rng = StdRng::seed_from_u64(7);
        for _ in 0..50 {
            let (mut ranges, mut model) = (Ranges::default(), BTreeSet::new());
            for _ in 0..100 {
                let start = rng.random_range(0..60);
                let range = start..rng.random_range(0..64_u64).min(start + 12);
                if rng.random_bool(0.6) {
                    ranges.insert(range.clone()).unwrap();
                    model.extend(range);
                } else {
                    ranges.remove(range.clone()).unwrap();
                    model.retain(|n| !range.contains(n));
                }
                assert_eq!(ranges.iter().collect::<Vec<_>>(), runs(&model));
                assert_eq!(ranges.count(), model.len() as u64);
                assert_eq!((ranges.fragments(), ranges.is_empty()), (runs(&model).len(), model.is_empty()));
                assert!((0..70).all(|n| ranges.contains(n) == model.contains(&n)));
                let window = rng.random_range(0..64)..rng.random_range(0..64_u64);
                let inside: BTreeSet<u64> = window.clone().filter(|n| model.contains(n)).collect();
                assert_eq!(ranges.within(window.clone()).collect::<Vec<_>>(), runs(&inside));
                let missing: BTreeSet<u64> = window.clone().filter(|n| !model.contains(n)).collect();
                assert_eq!(ranges.first_gap(window.clone()), runs(&missing).first().cloned());
                assert_eq!(ranges.covers(window), missing.is_empty());
            }
        }
    }

    #[test]
    fn the_ends_of_the_number_line_are_ordinary_places() {
        let mut ranges = set(&[0..1, u64::MAX - 1..u64::MAX]);
        assert!(ranges.contains(u64::MAX - 1) && !ranges.contains(u64::MAX));
        assert_eq!(ranges.first_gap(0..u64::MAX), Some(1..u64::MAX - 1));
        ranges.insert(0..u64::MAX).unwrap();
        assert_eq!((ranges.fragments(), ranges.count()), (1, u64::MAX));
        ranges.remove(0..u64::MAX).unwrap();
        assert!(ranges.is_empty() && ranges.count() == 0);
    }

    #[test]
    fn a_set_that_is_full_refuses_to_be_scattered_further_and_is_what_it_was() {
        let mut ranges = Ranges::default();
        for n in 0..FRAGMENTS_MAX as u64 {
            ranges.insert(n * 10..n * 10 + 5).unwrap();
        }
        let before = ranges.clone();
        assert_eq!(ranges.insert(7..8), Err(TooScattered));
        assert_eq!(ranges.remove(2..3), Err(TooScattered));
        assert_eq!(ranges, before);
        // What joins or shortens needs no room, and makes some.
        ranges.insert(5..6).unwrap();
        ranges.remove(3..6).unwrap();
        ranges.insert(3..10).unwrap();
        ranges.insert(17..18).unwrap();
        assert_eq!(ranges.fragments(), FRAGMENTS_MAX);
    }
}
