//! Which part of a content is fetched from whom next.
//!
//! A content is cut into pieces, few enough to tell each other about in one small bitmap. A source is given one piece,
//! or what is left of it, at a time. With a content of which every block can be checked the rarest piece goes first and
//! chance decides between equals, so that fetchers of one source soon have something to give one another (Legout et
//! al., "Rarest First and Choke Algorithms Are Enough", IMC 2006). A content that can only be checked as a whole is
//! fetched from front to back, because then it can be hashed while it arrives; so is one that comes so fast that
//! hashing it afterwards would take long beside fetching it, unless others are heard of who have only a part of it.

use crate::content::Ranges;
use rand::{Rng, RngExt};
use std::ops::Range;

/// How many pieces a content has at most: their bitmap is 512 bytes, 684 in base64, and fits any datagram.
pub const PIECES_MAX: u64 = 4_096;

/// The smallest piece. Sixteen blocks of 4,096 bytes: large enough that what is said about pieces weighs nothing beside
/// them, small enough that a fetcher soon has one to pass on.
pub const PIECE_MIN_BYTES: u64 = 65_536;

/// How long the pieces of a content of `size` bytes are: a power of two, and the same for everybody.
pub fn piece_bytes(size: u64) -> u64 {
    size.div_ceil(PIECES_MAX).max(PIECE_MIN_BYTES).checked_next_power_of_two().unwrap_or(1 << 63)
}

/// Which pieces somebody has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Has {
    /// Nobody has told; it is worth asking.
    #[default]
    Unknown,
    /// All of them.
    All,
    /// Those whose bit is set, the first in the highest bit of the first byte.
    Some(Vec<u8>),
}

impl Has {
    /// Whether it makes sense to ask for the piece.
    pub fn may_have(&self, piece: u64) -> bool {
        match self {
            Has::Unknown | Has::All => true,
            Has::Some(bits) => bit(bits, piece),
        }
    }
}

/// The bit of a piece.
fn bit(bits: &[u8], piece: u64) -> bool {
    let byte = usize::try_from(piece / 8).ok().and_then(|place| bits.get(place)).copied().unwrap_or(0);
    byte & 0x80 >> (piece % 8) != 0
}

/// The bitmap of the pieces that lie wholly within `held`.
pub fn bitmap(size: u64, held: &Ranges) -> Vec<u8> {
    let piece = piece_bytes(size);
    let count = size.div_ceil(piece);
    let mut bits = vec![0; usize::try_from(count.div_ceil(8)).unwrap_or(0)];
    // Anybody may ask for this, so it takes a step for each range and piece that is there, and no search.
    for range in held.within(0..size) {
        let end = if range.end == size { count } else { range.end / piece };
        for number in range.start.div_ceil(piece)..end {
            if let Some(byte) = bits.get_mut((number / 8) as usize) {
                *byte |= 0x80 >> (number % 8);
            }
        }
    }
    bits
}

/// How many places are looked at to find a rare piece. The rarest of 24 random ones is among the rarest tenth of all in
/// 92 of 100 cases, and that is as good.
const SAMPLES: usize = 24;

/// How many pieces in a row a source is given at once if they are fetched in order because it is fast: twice what one
/// question asks for at most. With one piece at a time, two of the largest blocks, fetching within one machine took a
/// tenth more processor time, most of it for waking up the source once for each question.
const PIECES_TOGETHER_MAX: usize = 5;

/// What nobody is fetching yet.
#[derive(Debug)]
pub struct Pieces {
    size: u64,
    piece: u64,
    /// Bytes that are neither there nor asked of anybody.
    free: Ranges,
    /// Of how many partial sources we know that they have the piece; complete ones make no difference.
    holders: Vec<u16>,
    is_in_order: bool,
}

impl Pieces {
    /// All pieces of a content but what is `held`.
    pub fn new(size: u64, held: &Ranges, is_in_order: bool) -> Pieces {
        let piece = piece_bytes(size);
        let holders = vec![0; usize::try_from(size.div_ceil(piece)).unwrap_or(0)];
        Pieces { size, piece, free: held.gaps(0..size), holders, is_in_order }
    }

    /// Whether everything is there or asked of somebody.
    pub fn is_taken(&self) -> bool {
        self.free.is_empty()
    }

    /// A partial source turned from having `before` into having `after`.
    pub fn recount(&mut self, before: &Has, after: &Has) {
        for (number, count) in self.holders.iter_mut().enumerate() {
            let has = |has: &Has| matches!(has, Has::Some(bits) if bit(bits, number as u64));
            match (has(before), has(after)) {
                (false, true) => *count = count.saturating_add(1),
                (true, false) => *count = count.saturating_sub(1),
                _ => {}
            }
        }
    }

    /// Gives a range back: it is not coming from whom it was asked.
    pub fn give_back(&mut self, range: Range<u64>) {
        // Pieces are few, so what is free between them is never too scattered.
        let _ = self.free.insert(range);
    }

    /// Takes the next range for a source that has `has`, within one piece or, if the source `is_fast`, a few in a row,
    /// if it `is_ready` to be fetched.
    pub fn take(
        &mut self,
        has: &Has,
        is_ready: impl Fn(&Range<u64>) -> bool,
        is_fast: bool,
        rng: &mut impl Rng,
    ) -> Option<Range<u64>> {
        let is_fit = |range: &Range<u64>| has.may_have(range.start / self.piece) && is_ready(range);
        let is_in_order = self.is_in_order || is_fast && self.is_all_alike();
        let range = match is_in_order {
            true => None,
            false => self.rare(&is_fit, rng),
        };
        let mut range = range.or_else(|| self.pieces_from(0).find(is_fit))?;
        if is_in_order && is_fast {
            range.end = self.end_of_row(range.clone(), is_fit);
        }
        self.free.remove(range.clone()).ok()?;
        Some(range)
    }

    /// Where the free pieces end that follow one another from the first one on, as many as are handed out together.
    fn end_of_row(&self, first: Range<u64>, is_fit: impl Fn(&Range<u64>) -> bool) -> u64 {
        let following = self.pieces_from(first.end).take(PIECES_TOGETHER_MAX - 1).take_while(is_fit);
        following.fold(first.end, |end, next| if next.start == end { next.end } else { end })
    }

    /// Whether nobody is known who has only a part.
    fn is_all_alike(&self) -> bool {
        self.holders.iter().all(|count| *count == 0)
    }

    /// The rarest of some random pieces.
    fn rare(&self, is_fit: &impl Fn(&Range<u64>) -> bool, rng: &mut impl Rng) -> Option<Range<u64>> {
        if self.free.is_empty() {
            return None;
        }
        let is_all_alike = self.is_all_alike();
        let mut best: Option<(u16, Range<u64>)> = None;
        for _ in 0..SAMPLES {
            let place = rng.random_range(0..self.size);
            let Some(range) = self.pieces_from(place).next().or_else(|| self.pieces_from(0).next()) else { break };
            if !is_fit(&range) {
                continue;
            }
            let rarity = self.holders.get((range.start / self.piece) as usize).copied().unwrap_or(0);
            if best.as_ref().is_none_or(|(least, _)| rarity < *least) {
                best = Some((rarity, range));
            }
            if is_all_alike {
                break;
            }
        }
        best.map(|(_, range)| range)
    }

    /// The free ranges from a place on, cut at the borders of pieces; the first one begins where its piece becomes
    /// free.
    fn pieces_from(&self, place: u64) -> impl Iterator<Item = Range<u64>> + '_ {
        let (piece, start) = (self.piece, place / self.piece * self.piece);
        self.free.within(start..self.size).flat_map(move |range| {
            (range.start / piece..=(range.end - 1) / piece)
                .map(move |number| range.start.max(number * piece)..range.end.min((number + 1).saturating_mul(piece)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    const SIZE: u64 = 40 * PIECE_MIN_BYTES + 5;

    #[test]
    fn a_bitmap_names_the_pieces_that_are_there_whole() {
        let mut rng = StdRng::from_seed([5; 32]);
        for size in [1, PIECE_MIN_BYTES - 1, PIECE_MIN_BYTES, SIZE, 5_000 * PIECE_MIN_BYTES + 1] {
            let piece = piece_bytes(size);
            for fragments in 0..20 {
                let mut held = Ranges::default();
                for _ in 0..fragments {
                    let start = rng.random_range(0..size);
                    held.insert(start..rng.random_range(start..size) + 1).unwrap();
                }
                let bits = bitmap(size, &held);
                assert_eq!(bits.len() as u64, size.div_ceil(piece).div_ceil(8));
                for number in 0..8 * bits.len() as u64 {
                    let place = number * piece..((number + 1) * piece).min(size);
                    assert_eq!(bit(&bits, number), !place.is_empty() && held.covers(place), "{size} {number}");
                }
            }
        }
    }

    #[test]
    fn everything_is_handed_out_once_whatever_the_order() {
        for is_in_order in [true, false] {
            let mut pieces = Pieces::new(SIZE, &Ranges::default(), is_in_order);
            let mut rng = StdRng::from_seed([1; 32]);
            let mut taken = Ranges::default();
            while let Some(range) = pieces.take(&Has::All, |_| true, false, &mut rng) {
                assert!(!taken.overlaps(range.clone()) && range.end - range.start <= PIECE_MIN_BYTES);
                taken.insert(range).unwrap();
            }
            assert!(pieces.is_taken() && taken.covers(0..SIZE));
        }
    }

    #[test]
    fn a_source_is_only_given_what_it_has_and_the_rarest_of_that() {
        let mut pieces = Pieces::new(SIZE, &Ranges::default(), false);
        let mut rng = StdRng::from_seed([2; 32]);
        // Everybody has the first 8 pieces, one has the ninth too.
        let (many, one) = (Has::Some(vec![0xff, 0, 0, 0, 0, 0]), Has::Some(vec![0xff, 0x80, 0, 0, 0, 0]));
        for _ in 0..3 {
            pieces.recount(&Has::Unknown, &many);
        }
        pieces.recount(&Has::Unknown, &one);
        let first = pieces.take(&one, |_| true, false, &mut rng).unwrap();
        assert!(first.end <= 9 * PIECE_MIN_BYTES);
        let mut rest: Vec<u64> = Vec::new();
        while let Some(range) = pieces.take(&one, |_| true, false, &mut rng) {
            rest.push(range.start / PIECE_MIN_BYTES);
        }
        rest.push(first.start / PIECE_MIN_BYTES);
        rest.sort_unstable();
        assert_eq!(rest, (0..9).collect::<Vec<_>>());
    }

    #[test]
    fn what_comes_fast_comes_in_order_and_in_rows_until_somebody_has_only_a_part() {
        let mut pieces = Pieces::new(SIZE, &Ranges::default(), false);
        let mut rng = StdRng::from_seed([4; 32]);
        let mut take = |pieces: &mut Pieces| pieces.take(&Has::All, |_| true, true, &mut rng).unwrap();
        let row = PIECES_TOGETHER_MAX as u64 * PIECE_MIN_BYTES;
        assert!((0..5).all(|number| take(&mut pieces) == (number * row..(number + 1) * row)));
        pieces.recount(&Has::Unknown, &Has::Some(vec![0xff; 4]));
        let rare = take(&mut pieces);
        assert!(rare.start >= 32 * PIECE_MIN_BYTES, "nobody else has the last nine");
        assert!(rare.end - rare.start <= PIECE_MIN_BYTES);
    }

    #[test]
    fn a_row_ends_where_something_is_held_or_cannot_be_fetched_and_with_the_content() {
        let mut rng = StdRng::from_seed([6; 32]);
        let piece = PIECE_MIN_BYTES;
        let mut held = Ranges::default();
        held.insert(2 * piece + 10..2 * piece + 20).unwrap();
        let mut pieces = Pieces::new(6 * piece + 7, &held, true);
        let has = Has::Some(vec![0b1111_1011]);
        let is_ready = |range: &Range<u64>| range.start != 3 * piece;
        let mut take = |has: &Has| pieces.take(has, is_ready, true, &mut rng);
        assert_eq!(take(&has), Some(0..2 * piece + 10), "up to what is there");
        assert_eq!(take(&has), Some(2 * piece + 20..3 * piece), "up to what is not ready");
        assert_eq!(take(&has), Some(4 * piece..5 * piece), "up to what it does not have");
        assert_eq!(take(&has), Some(6 * piece..6 * piece + 7), "up to the end");
        assert_eq!(take(&has), None);
        assert_eq!(take(&Has::All), Some(5 * piece..6 * piece));
    }

    #[test]
    fn what_is_not_ready_waits_and_what_comes_back_is_handed_out_again() {
        let mut pieces = Pieces::new(SIZE, &Ranges::default(), false);
        let mut rng = StdRng::from_seed([3; 32]);
        let is_ready = |range: &Range<u64>| range.start < 2 * PIECE_MIN_BYTES;
        let mut taken: Vec<_> =
            (0..2).map(|_| pieces.take(&Has::Unknown, is_ready, false, &mut rng).unwrap()).collect();
        taken.sort_unstable_by_key(|range| range.start);
        assert_eq!(taken, [0..PIECE_MIN_BYTES, PIECE_MIN_BYTES..2 * PIECE_MIN_BYTES]);
        assert_eq!(pieces.take(&Has::Unknown, is_ready, false, &mut rng), None);
        pieces.give_back(100..200);
        assert_eq!(pieces.take(&Has::Unknown, is_ready, false, &mut rng), Some(100..200));
    }

    #[test]
    fn a_bitmap_tells_whole_pieces_and_is_never_long() {
        let mut held = Ranges::default();
        held.insert(0..PIECE_MIN_BYTES).unwrap();
        held.insert(2 * PIECE_MIN_BYTES + 1..4 * PIECE_MIN_BYTES).unwrap();
        held.insert(40 * PIECE_MIN_BYTES..SIZE).unwrap();
        let has = Has::Some(bitmap(SIZE, &held));
        let pieces: Vec<u64> = (0..60).filter(|piece| has.may_have(*piece)).collect();
        assert_eq!(pieces, [0, 3, 40]);
        for size in [1, PIECE_MIN_BYTES, 1 << 32, (1 << 32) + 1, 1 << 50] {
            assert!(bitmap(size, &Ranges::default()).len() as u64 <= PIECES_MAX / 8, "{size}");
        }
    }
}
