//! Who asks the same thing again and again: answered as often as losses explain, and no more.
//!
//! One node of the wild never understands the tree of a content of a single block, and asks for it thousands of times a
//! second for as long as it is answered at once. Nobody needs the same bytes so often: whoever lost them asks again
//! after a round trip, and later and later. So a question by itself costs the asker nothing, and its repetition has a
//! rate.

use crate::hash::Key;
use crate::rate::{Limiter, Rate};
use crate::sizes::{Size, no_table};
use crate::time::Time;
use std::net::SocketAddr;

/// How often the same question of the same asker is answered: some losses in a row within one burst of them, then as
/// often as a short path has timeouts (the least is 200 ms in practice, RFC 6298 has 1 s).
const REPEAT: Rate = Rate { burst: 8, interval: std::time::Duration::from_millis(100) };

/// Questions that are remembered: 32 KiB. Each has one place, from which the next one that belongs there puts it out:
/// who asks for many things asks for none of them often. A question that comes back has its burst again; five thousand
/// others a second put out each place twice a second.
const PLACES: usize = 2_048;

/// Keeps these hashes apart from others under the same key.
const DOMAIN: u8 = 0x71;

/// Questions that were asked lately.
#[derive(Debug)]
pub(super) struct Repeats {
    key: Key,
    places: Vec<(u64, Limiter)>,
}

impl Repeats {
    pub(super) fn new(key: Key) -> Repeats {
        Repeats { key, places: vec![(0, Limiter::default()); PLACES] }
    }

    /// True, and counted, if the asker may have this answered (again).
    pub(super) fn allow(&mut self, now: Time, asker: SocketAddr, id: &str, numbers: [u64; 3]) -> bool {
        let address = self.asker(asker).to_le_bytes();
        let [offset, length, block] = numbers.map(u64::to_le_bytes);
        let hash = self.key.parts(DOMAIN, &[&address, id.as_bytes(), &offset, &length, &block]);
        let place = hash as usize % PLACES;
        let Some((owner, limiter)) = self.places.get_mut(place) else { return true };
        if *owner != hash {
            (*owner, *limiter) = (hash, Limiter::default());
        }
        limiter.allow(now, REPEAT)
    }

    /// A number for an asker that nobody else can predict.
    pub(super) fn asker(&self, asker: SocketAddr) -> u64 {
        self.key.address(DOMAIN, asker)
    }

    /// How large the fixed table is.
    pub(super) fn sizes(&self) -> [Size; 1] {
        let Repeats { key, places } = self;
        no_table(key);
        [Size::new("questions that may be repeated", places.len(), PLACES)]
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    fn repeats() -> Repeats {
        Repeats::new(Key::new(&mut StdRng::from_seed([5; 32])))
    }

    fn at(micros: u64) -> Time {
        Time::from_micros(micros)
    }

    #[test]
    fn one_question_thousands_of_times_a_second_is_answered_ten_times_a_second() {
        let (mut repeats, asker) = (repeats(), "198.51.100.7:5000".parse().unwrap());
        let allowed =
            (0..50_000_u64).filter(|n| repeats.allow(at(1_000_000 + n * 200), asker, "id", [0, 4_096, 0])).count();
        assert_eq!(allowed, 8 + 99);
    }

    #[test]
    fn other_questions_and_other_askers_are_answered_meanwhile() {
        let mut repeats = repeats();
        let [one, other] = ["198.51.100.7:5000", "198.51.100.7:5001"].map(|text| text.parse().unwrap());
        let now = at(1_000_000);
        while repeats.allow(now, one, "id", [0, 4_096, 0]) {}
        assert!(repeats.allow(now, one, "id", [4_096, 4_096, 0]) && repeats.allow(now, one, "other", [0, 4_096, 0]));
        assert!(repeats.allow(now, other, "id", [0, 4_096, 0]) && repeats.allow(now, one, "id", [0, 4_096, 256]));
        assert!(!repeats.allow(now, one, "id", [0, 4_096, 0]));
    }

    #[test]
    fn who_asks_for_everything_once_is_never_refused() {
        let (mut repeats, asker) = (repeats(), "198.51.100.7:5000".parse().unwrap());
        assert!((0..100_000_u64).all(|n| repeats.allow(at(1_000_000 + n), asker, "id", [n * 4_096, 4_096, 0])));
    }
}
