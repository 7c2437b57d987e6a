//! Whose word counts in a download that can only be checked as a whole.
//!
//! At first everybody delivers. If the whole is wrong, a [`Jury`] finds out who is most likely right, and the content
//! is fetched from that source alone, then from the next; what one of them delivered before need not come again. Who
//! falls silent in its turn waits until all others have been silent as often: it may be honest, and have bad luck.

use super::SOURCES_MAX;
use super::jury::Jury;
use super::pieces::piece_bytes;
use crate::content::Ranges;
use crate::sorted::SortedSet;
use crate::time::Time;
use std::net::SocketAddr;
use std::ops::Range;

/// The mark of a piece of which something is from somebody that nobody knows any more: from an earlier attempt, or from
/// a source that has left and made room for another. Below it there is a bit for each source.
const FORGOTTEN: u64 = 1 << SOURCES_MAX;

/// Who may deliver.
#[derive(Debug, Default)]
pub(super) enum Stage {
    /// Everybody.
    #[default]
    Everybody,
    /// Nobody: blocks are being compared.
    Jury(Jury),
    /// One after the other.
    Alone(Turns),
}

/// Who may deliver alone, the first before the others. It has no more entries than there are sources.
#[derive(Debug, Default)]
pub(super) struct Turns(SortedSet<Turn>);

/// In this order: who has been silent in the fewest turns, and of those the most credible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    silences: u32,
    place: usize,
    source: SocketAddr,
}

impl Turns {
    /// The jurors in the order of the verdict, each with whether it has answered for everything.
    pub(super) fn new(verdict: impl IntoIterator<Item = (SocketAddr, bool)>) -> Turns {
        let places = verdict.into_iter().enumerate();
        let turn = |(place, (source, has_answered)): (usize, (SocketAddr, bool))| Turn {
            silences: u32::from(!has_answered),
            place,
            source,
        };
        Turns(places.map(turn).collect())
    }

    /// Whose turn it is.
    pub(super) fn first(&self) -> Option<SocketAddr> {
        self.0.first().map(|turn| turn.source)
    }

    /// The first has been silent in its turn.
    pub(super) fn missed(&mut self) {
        let Some(first) = self.0.first().copied() else { return };
        self.0.remove(&first);
        self.0.insert(Turn { silences: first.silences.saturating_add(1), ..first });
    }

    /// A source that was not there before may deliver too, after those who have been silent as often as the first.
    pub(super) fn join(&mut self, source: SocketAddr) {
        if self.0.iter().all(|turn| turn.source != source) {
            let silences = self.0.first().map_or(0, |turn| turn.silences);
            let place = self.0.iter().map(|turn| turn.place + 1).max().unwrap_or(0);
            self.0.insert(Turn { silences, place, source });
        }
    }

    /// A source may deliver no more.
    pub(super) fn leave(&mut self, source: SocketAddr) {
        self.0.retain(|turn| turn.source != source);
    }
}

/// The state of the matter.
#[derive(Debug, Default)]
pub(super) struct Trial {
    pub(super) stage: Stage,
    /// Since when the jury sits, or the same source has its turn.
    pub(super) since: Time,
    piece: u64,
    size: u64,
    /// Who delivered something of each piece: a bit for each source, and one for all that are [`FORGOTTEN`].
    contributors: Vec<u64>,
}

impl Trial {
    /// A content of `size` bytes is going to be fetched, of which `held` is there; nobody knows from whom.
    pub(super) fn begin(&mut self, now: Time, size: u64, held: &Ranges) {
        let piece = piece_bytes(size);
        let contributors = vec![0; usize::try_from(size.div_ceil(piece)).unwrap_or(0)];
        *self = Trial { stage: Stage::Everybody, since: now, piece, size, contributors };
        held.within(0..size).for_each(|range| self.mark(range, FORGOTTEN));
    }

    /// From now on others may deliver.
    pub(super) fn enter(&mut self, now: Time, stage: Stage) {
        (self.stage, self.since) = (stage, now);
    }

    /// Whether what is there is known to be wrong, and it is being found out where.
    pub(super) fn is_out(&self) -> bool {
        matches!(self.stage, Stage::Jury(_))
    }

    /// Whether a source may deliver.
    pub(super) fn admits(&self, source: SocketAddr) -> bool {
        match &self.stage {
            Stage::Everybody => true,
            Stage::Jury(_) => false,
            Stage::Alone(turns) => turns.first() == Some(source),
        }
    }

    /// The source of this number delivered this range.
    pub(super) fn note(&mut self, range: Range<u64>, number: u32) {
        self.mark(range, 1 << number);
    }

    fn mark(&mut self, range: Range<u64>, mark: u64) {
        if self.piece == 0 || range.is_empty() {
            return;
        }
        for piece in range.start / self.piece..=(range.end - 1) / self.piece {
            if let Some(marks) = usize::try_from(piece).ok().and_then(|piece| self.contributors.get_mut(piece)) {
                *marks |= mark;
            }
        }
    }

    /// Whether the source of this number delivered anything.
    pub(super) fn has_contributed(&self, number: u32) -> bool {
        self.contributors.iter().any(|marks| marks & 1 << number != 0)
    }

    /// The source of this number makes room for another, which may have its number.
    pub(super) fn forget(&mut self, number: u32) {
        let of_it = self.contributors.iter_mut().filter(|marks| **marks & 1 << number != 0);
        of_it.for_each(|marks| *marks = *marks & !(1 << number) | FORGOTTEN);
    }

    /// Whether something may be there from somebody who is not known any more.
    pub(super) fn has_forgotten(&self) -> bool {
        self.contributors.iter().any(|marks| marks & FORGOTTEN != 0)
    }

    /// What the source of this number delivered alone, in whole pieces. All else is as if it had not been delivered.
    pub(super) fn alone(&mut self, number: u32) -> Ranges {
        let mut kept = Ranges::default();
        for (place, marks) in self.contributors.iter_mut().enumerate() {
            if *marks != 1 << number {
                *marks = 0;
                continue;
            }
            let start = place as u64 * self.piece;
            // There are no more ranges than pieces.
            let _ = kept.insert(start..start.saturating_add(self.piece).min(self.size));
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::pieces::PIECE_MIN_BYTES as PIECE;

    #[test]
    fn who_was_silent_in_its_turn_has_the_next_one_when_all_others_were_silent_as_often() {
        let source = |n: u8| SocketAddr::from(([192, 0, 2, n], 24_254));
        let mut turns = Turns::new([(source(3), true), (source(2), true), (source(1), false)]);
        let mut order = Vec::new();
        for round in 0..6 {
            order.extend(turns.first());
            turns.missed();
            if round == 1 {
                // It comes after those who have been silent once, the first of all again among them.
                turns.join(source(4));
                turns.join(source(3));
            }
        }
        assert_eq!(order, [3, 2, 3, 2, 1, 4].map(source));
        [1, 2, 4].into_iter().for_each(|n| turns.leave(source(n)));
        assert_eq!(turns.first(), Some(source(3)));
        turns.leave(source(3));
        assert_eq!(turns.first(), None);
        turns.join(source(5));
        assert_eq!(turns.first(), Some(source(5)));
    }

    #[test]
    fn only_pieces_that_one_source_delivered_alone_are_kept_for_it() {
        let mut trial = Trial::default();
        trial.begin(Time::default(), 3 * PIECE + 9, &Ranges::default());
        trial.note(0..2 * PIECE, 0);
        trial.note(PIECE + 5..PIECE + 6, 1);
        trial.note(3 * PIECE..3 * PIECE + 9, 0);
        assert!(trial.has_contributed(0) && trial.has_contributed(1) && !trial.has_contributed(2));
        let kept: Vec<_> = trial.alone(0).iter().collect();
        assert_eq!(kept, [0..PIECE, 3 * PIECE..3 * PIECE + 9]);
        assert!(!trial.has_contributed(1));
    }
}
