//! Who delivered what was wrong, if all that is known is that the whole is wrong.
//!
//! A SHA-256 says nothing about parts. When a content fails it, some random blocks are asked of every source again.
//! Where at least two sources agree, they are taken to be right, and whoever says otherwise has a point against it:
//! sources that damage what they send do not damage it alike. Then the content is fetched from the source with the
//! fewest points alone, keeping what it delivered before; if that fails as well, from the next one. So with one honest
//! source a download completes, at the price of at most one content for each source that was trusted in vain. Sources
//! that conspire to damage alike can only make the honest one the last to be believed.

use crate::sorted::{SortedMap, SortedSet};
use rand::{Rng, RngExt};
use std::net::SocketAddr;

/// How many small blocks every source is asked for again: 192 KiB. A source that damages a byte in every tenth block of
/// 4,096 damages every eightieth of these, and so one of 384 in 99 of 100 cases.
pub(super) const SAMPLES_MAX: u64 = 384;

/// Of how many blocks of the content at most one is asked for again, so that a jury costs little beside the content.
const SAMPLED_SHARE: u64 = 64;

/// What a block was, according to a source.
type Digest = [u8; 32];

/// The blocks asked for again, and what each source said.
#[derive(Debug, Default)]
pub(super) struct Jury {
    /// By the place of the block. The digests of all sources that have answered.
    evidence: SortedMap<u64, SortedMap<SocketAddr, Digest>>,
    jurors: Vec<SocketAddr>,
}

impl Jury {
    /// Draws blocks of `block_bytes` from a content of `size` bytes, of which every one of `jurors` is to be asked.
    pub(super) fn draw(size: u64, block_bytes: u64, jurors: Vec<SocketAddr>, rng: &mut impl Rng) -> Jury {
        let blocks = size.div_ceil(block_bytes);
        let wanted = SAMPLES_MAX.min(blocks.div_ceil(SAMPLED_SHARE));
        let mut evidence = SortedMap::new();
        while (evidence.len() as u64) < wanted {
            evidence.insert(rng.random_range(0..blocks) * block_bytes, SortedMap::new());
        }
        Jury { evidence, jurors }
    }

    /// The next block that a juror has not answered for, from `after` on.
    pub(super) fn next_for(&self, juror: SocketAddr, after: u64) -> Option<u64> {
        if !self.jurors.contains(&juror) {
            return None;
        }
        self.evidence.range(after..).find(|(_, said)| !said.contains_key(&juror)).map(|(place, _)| *place)
    }

    /// A juror delivered a block again.
    pub(super) fn hear(&mut self, juror: SocketAddr, place: u64, digest: Digest) {
        if let Some(said) = self.evidence.get_mut(&place)
            && self.jurors.contains(&juror)
        {
            said.insert(juror, digest);
        }
    }

    /// A juror is not heard any more.
    pub(super) fn dismiss(&mut self, juror: SocketAddr) {
        self.jurors.retain(|other| *other != juror);
    }

    /// Whether everybody has answered for everything. Who says that he has the content and then nothing must not hold
    /// up the others: whoever asks waits no longer than a turn for the next answer of anybody.
    pub(super) fn is_done(&self) -> bool {
        self.jurors.iter().all(|juror| self.has_answered(*juror))
    }

    fn has_answered(&self, juror: SocketAddr) -> bool {
        self.evidence.values().all(|said| said.contains_key(&juror))
    }

    /// The jurors, those with the fewest points against them first, and whether they have answered for everything;
    /// those that have not come last.
    pub(super) fn verdict(&self) -> Vec<(SocketAddr, bool)> {
        let worth = |juror: &SocketAddr| (!self.has_answered(*juror), self.points(*juror), *juror);
        let jurors: SortedSet<_> = self.jurors.iter().map(worth).collect();
        jurors.into_iter().map(|(is_silent, _, juror)| (juror, !is_silent)).collect()
    }

    /// For how many blocks a juror says something else than two or more others.
    fn points(&self, juror: SocketAddr) -> usize {
        self.evidence.values().filter(|said| is_outvoted(said, juror)).count()
    }
}

/// Whether most others of a kind, at least two, say something else than this one.
fn is_outvoted(said: &SortedMap<SocketAddr, Digest>, juror: SocketAddr) -> bool {
    let Some(own) = said.get(&juror) else { return true };
    let votes = |digest: &Digest| said.values().filter(|other| *other == digest).count();
    let most = said.values().map(votes).max().unwrap_or(0);
    most >= 2 && votes(own) < most
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    fn juror(n: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, n], 24_254))
    }

    /// A jury over a content of 100,000 blocks, of which juror 1 damages none and the others every `nth`, each in its
    /// own way.
    fn hear(nth: u64) -> Jury {
        let mut rng = StdRng::from_seed([4; 32]);
        let mut jury = Jury::draw(100_000 * 4_096, 4_096, (1..=5).map(juror).collect(), &mut rng);
        let places: Vec<u64> = jury.evidence.keys().copied().collect();
        for place in places {
            for n in 1..=5 {
                let is_damaged = n != 1 && rng.random_range(0..nth) == 0;
                jury.hear(juror(n), place, [if is_damaged { n } else { 0 }; 32]);
            }
        }
        jury
    }

    #[test]
    fn who_damages_nothing_is_believed_first() {
        assert_eq!(hear(10).verdict()[0], (juror(1), true));
        assert_eq!(hear(2).verdict()[0], (juror(1), true));
    }

    #[test]
    fn where_no_two_agree_nobody_has_a_point() {
        let jury = hear(1);
        assert!((1..=5).all(|n| jury.points(juror(n)) == 0));
        assert_eq!(jury.verdict().len(), 5);
    }

    #[test]
    fn it_waits_for_everybody_who_has_not_been_dismissed() {
        let mut jury = Jury::draw(8_192, 4_096, vec![juror(1), juror(2)], &mut StdRng::from_seed([5; 32]));
        let place = jury.next_for(juror(1), 0).unwrap();
        jury.hear(juror(1), place, [0; 32]);
        jury.hear(juror(9), place, [0; 32]);
        assert_eq!((jury.next_for(juror(1), 0), jury.is_done()), (None, false));
        assert_eq!(jury.next_for(juror(2), 0), Some(place));
        jury.dismiss(juror(2));
        assert!(jury.is_done());
    }

    #[test]
    fn who_is_silent_is_believed_last() {
        let jurors = vec![juror(1), juror(2), juror(3)];
        let mut jury = Jury::draw(8_192, 4_096, jurors, &mut StdRng::from_seed([5; 32]));
        let place = jury.next_for(juror(2), 0).unwrap();
        jury.hear(juror(2), place, [2; 32]);
        jury.hear(juror(3), place, [3; 32]);
        assert!(!jury.is_done(), "the first has not answered");
        assert_eq!(jury.verdict(), [(juror(2), true), (juror(3), true), (juror(1), false)]);
    }

    #[test]
    fn a_jury_costs_little_beside_the_content() {
        let mut rng = StdRng::from_seed([6; 32]);
        for (blocks, samples) in [(1, 1), (64, 1), (65, 2), (640, 10), (1_000_000, SAMPLES_MAX as usize)] {
            assert_eq!(Jury::draw(blocks * 4_096, 4_096, Vec::new(), &mut rng).evidence.len(), samples, "{blocks}");
        }
    }
}
