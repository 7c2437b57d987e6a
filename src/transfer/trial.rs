//! Whose word counts in a download that can only be checked as a whole.
//!
//! At first everybody delivers. If the whole is wrong, a [`Jury`] finds out who is most likely right, and the content
//! is fetched from that source alone, then from the next; what one of them delivered before need not come again.

use super::jury::Jury;
use super::pieces::piece_bytes;
use crate::content::Ranges;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::Range;

/// Who may deliver.
#[derive(Debug, Default)]
pub(super) enum Stage {
    /// Everybody.
    #[default]
    Everybody,
    /// Nobody: blocks are being compared.
    Jury(Jury),
    /// The first of these. The others come after it.
    Alone(VecDeque<SocketAddr>),
}

/// The state of the matter.
#[derive(Debug, Default)]
pub(super) struct Trial {
    pub(super) stage: Stage,
    /// How often a source that was to deliver alone has been passed over.
    pub(super) passes: u8,
    piece: u64,
    size: u64,
    /// Who delivered something of each piece: a bit for each source.
    contributors: Vec<u32>,
}

impl Trial {
    /// A content of `size` bytes is going to be fetched.
    pub(super) fn begin(&mut self, size: u64) {
        let piece = piece_bytes(size);
        let contributors = vec![0; usize::try_from(size.div_ceil(piece)).unwrap_or(0)];
        *self = Trial { stage: Stage::Everybody, passes: 0, piece, size, contributors };
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
            Stage::Alone(order) => order.front() == Some(&source),
        }
    }

    /// The source of this number delivered this range.
    pub(super) fn note(&mut self, range: Range<u64>, number: u32) {
        if self.piece == 0 || range.is_empty() {
            return;
        }
        for piece in range.start / self.piece..=(range.end - 1) / self.piece {
            if let Some(marks) = usize::try_from(piece).ok().and_then(|piece| self.contributors.get_mut(piece)) {
                *marks |= 1 << number;
            }
        }
    }

    /// Whether the source of this number delivered anything.
    pub(super) fn has_contributed(&self, number: u32) -> bool {
        self.contributors.iter().any(|marks| marks & 1 << number != 0)
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
    fn only_pieces_that_one_source_delivered_alone_are_kept_for_it() {
        let mut trial = Trial::default();
        trial.begin(3 * PIECE + 9);
        trial.note(0..2 * PIECE, 0);
        trial.note(PIECE + 5..PIECE + 6, 1);
        trial.note(3 * PIECE..3 * PIECE + 9, 0);
        assert!(trial.has_contributed(0) && trial.has_contributed(1) && !trial.has_contributed(2));
        let kept: Vec<_> = trial.alone(0).iter().collect();
        assert_eq!(kept, [0..PIECE, 3 * PIECE..3 * PIECE + 9]);
        assert!(!trial.has_contributed(1));
    }
}
