//! Whose turn it is to be served, when the user has set a limit: what was asked for waits here until there is room.
//!
//! Without a limit nothing waits: whoever asks is answered at once, and the askers' own congestion control shares the
//! path. With one, we are the bottleneck, and it is shared here: the next block goes to the asker who has had the least
//! (start-time fair queueing, Goyal, Vin and Cheng 1996), however much others have asked for.

use crate::peers::address::{Scope, host, scope};
use crate::sizes::{Size, no_table};
use crate::time::Time;
use crate::transfer::pace::credit::Credit;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

/// Askers that wait at the same time; others ask again later. With more, each would get less than a block a second of a
/// usual limit.
const ASKERS_MAX: usize = 64;

/// How many of them may be of one host, see [`host`]: whoever has a thousand ports has no more turns than a household.
/// In local networks, where a whole swarm may live at one address, any number.
const ASKERS_PER_HOST_MAX: usize = 4;

/// Questions that wait, of all askers together: about 200 bytes each. When there are more, the asker with the most
/// loses the newest.
const WAITING_MAX: usize = 1_024;

/// How long a question waits: whoever asked has asked somebody else by then, or again.
const PATIENCE: Duration = Duration::from_secs(1);

/// Blocks that are sent at once: a quarter of what may wait to be sent.
pub(super) const TURNS_MAX: usize = super::OUTBOX_MAX / 4;

/// How much of the rate may be saved up while nobody asks, as a part of a second: two steps of the timers on either
/// side of a burst.
const SAVED_PART: u64 = 50;

/// What was asked for, and has not been sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) id: String,
    pub(super) offset: u64,
    /// How many bytes are left to be sent.
    pub(super) length: u64,
    /// How long each block of it is to be.
    pub(super) block: u64,
    /// The number of the run, if it was asked for in our words.
    pub(super) run: Option<u64>,
    /// When it was asked for.
    pub(super) asked: Time,
}

#[derive(Debug)]
struct Asker {
    /// How much it has been sent, counted from when everybody else had had as much.
    had: u64,
    waiting: VecDeque<Wanted>,
}

/// The queues, and the rate.
#[derive(Debug)]
pub(super) struct Uploads {
    credit: Credit,
    is_limited: bool,
    askers: BTreeMap<SocketAddr, Asker>,
    /// What the asker who was served last had had.
    had: u64,
}

impl Uploads {
    /// Serves `rate` bytes a second, headers included, or as fast as it goes.
    pub(super) fn new(now: Time, rate: Option<u64>) -> Uploads {
        let mut credit = Credit::new(now);
        rate.into_iter().for_each(|rate| credit.set_rate(now, rate, rate / SAVED_PART));
        Uploads { credit, is_limited: rate.is_some(), askers: BTreeMap::new(), had: 0 }
    }

    pub(super) fn is_limited(&self) -> bool {
        self.is_limited
    }

    /// Lets something wait. Says how many questions were dropped for it, itself perhaps.
    pub(super) fn add(&mut self, address: SocketAddr, wanted: Wanted) -> u64 {
        let had = self.had;
        if !self.askers.contains_key(&address) && !self.has_room_for(address) {
            return 1;
        }
        let asker = self.askers.entry(address).or_insert_with(|| Asker { had, waiting: VecDeque::new() });
        asker.waiting.push_back(wanted);
        if self.waiting() <= WAITING_MAX {
            return 0;
        }
        if let Some(longest) = self.askers.values_mut().max_by_key(|asker| asker.waiting.len()) {
            longest.waiting.pop_back();
        }
        1
    }

    /// Whether one more may wait.
    fn has_room_for(&self, address: SocketAddr) -> bool {
        let is_local = scope(address.ip()) != Scope::Global;
        let alike = self.askers.keys().filter(|other| host(other.ip()) == host(address.ip())).count();
        self.askers.len() < ASKERS_MAX && (is_local || alike < ASKERS_PER_HOST_MAX)
    }

    /// The next block to be sent and to whom, if there is room for one; counts in `dropped` what waited for too long.
    pub(super) fn next(&mut self, now: Time, dropped: &mut u64) -> Option<(SocketAddr, Wanted)> {
        let is_late = |wanted: &Wanted| now.since(wanted.asked) > PATIENCE;
        for asker in self.askers.values_mut() {
            while asker.waiting.front().is_some_and(is_late) {
                asker.waiting.pop_front();
                *dropped += 1;
            }
        }
        self.forget_idle();
        if self.credit.available(now) == 0 {
            return None;
        }
        let waiting = self.askers.iter_mut().filter(|(_, asker)| !asker.waiting.is_empty());
        let (address, asker) = waiting.min_by_key(|(_, asker)| asker.had)?;
        self.had = asker.had;
        let first = asker.waiting.front_mut()?;
        let next = Wanted { length: first.block.min(first.length), ..first.clone() };
        first.offset += next.length;
        first.length -= next.length;
        if first.length == 0 {
            asker.waiting.pop_front();
        }
        Some((*address, next))
    }

    /// Forgets who waits for nothing and is not ahead of the others: whoever is ahead would else be served first as
    /// soon as it asks again.
    fn forget_idle(&mut self) {
        if self.waiting() == 0 {
            self.had = self.askers.values().map(|asker| asker.had).fold(self.had, u64::max);
        }
        let had = self.had;
        self.askers.retain(|_, asker| !asker.waiting.is_empty() || asker.had > had);
    }

    /// So many bytes were sent to an asker.
    pub(super) fn sent(&mut self, now: Time, address: SocketAddr, bytes: usize) {
        self.credit.spend(now, bytes as u64);
        if let Some(asker) = self.askers.get_mut(&address) {
            asker.had += bytes as u64;
        }
    }

    /// When somebody's turn comes.
    pub(super) fn due(&self) -> Option<Time> {
        (self.waiting() > 0).then(|| self.credit.next())
    }

    fn waiting(&self) -> usize {
        self.askers.values().map(|asker| asker.waiting.len()).sum()
    }

    /// How full the queues are.
    pub(super) fn sizes(&self) -> [Size; 2] {
        let Uploads { credit, is_limited, askers, had } = self;
        no_table(credit);
        no_table(is_limited);
        no_table(had);
        [
            Size::new("askers who wait for their turn", askers.len(), ASKERS_MAX),
            Size::new("questions that wait for their turn", self.waiting(), WAITING_MAX),
        ]
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const RATE: u64 = 1_000_000;

    fn at(micros: u64) -> Time {
        Time::from_micros(1_000_000 + micros)
    }

    fn asker(number: usize) -> SocketAddr {
        SocketAddr::from(([198, 51, 100, number as u8], 5_000))
    }

    fn wanted(now: Time, length: u64, block: u64) -> Wanted {
        Wanted { id: "id".to_owned(), offset: 0, length, block, run: Some(1), asked: now }
    }

    /// Bytes sent to each of two askers in ten seconds, of whom the first asks for `greed` times as much.
    fn share(greed: usize, blocks: [u64; 2]) -> [u64; 2] {
        let (mut uploads, mut dropped, mut got) = (Uploads::new(at(0), Some(RATE)), 0, [0, 0]);
        for step in 0..10_000 {
            let now = at(step * 1_000);
            for (number, times) in [(0, greed), (1, 1)] {
                (0..times).for_each(|_| _ = uploads.add(asker(number), wanted(now, 4_096, blocks[number])));
            }
            while let Some((to, next)) = uploads.next(now, &mut dropped) {
                uploads.sent(now, to, next.length as usize);
                got[usize::from(to == asker(1))] += next.length;
            }
            assert!(uploads.sizes().iter().all(|size| size.len <= size.max));
        }
        got
    }

    #[test]
    fn the_rate_is_kept_and_shared_evenly_however_much_one_asks_for() {
        for (greed, blocks) in [(1, [1_024, 1_024]), (50, [1_024, 1_024]), (50, [4_096, 256])] {
            let got = share(greed, blocks);
            let all = got[0] + got[1];
            assert!(all.abs_diff(10 * RATE) < RATE / 10, "{greed} {blocks:?}: {got:?}");
            assert!(got[0].abs_diff(got[1]) < all / 50, "{greed} {blocks:?}: {got:?}");
        }
    }

    #[test]
    fn who_never_has_two_questions_waiting_gets_no_more_than_its_share() {
        let (mut uploads, mut dropped, mut got) = (Uploads::new(at(0), Some(RATE)), 0, [0, 0]);
        for step in 0..10_000 {
            let now = at(step * 1_000);
            uploads.add(asker(0), wanted(now, 4_096, 1_024));
            if uploads.askers.get(&asker(1)).is_none_or(|asker| asker.waiting.is_empty()) {
                uploads.add(asker(1), wanted(now, 900, 900));
            }
            while let Some((to, next)) = uploads.next(now, &mut dropped) {
                uploads.sent(now, to, next.length as usize);
                got[usize::from(to == asker(1))] += next.length;
            }
        }
        assert!(got[0].abs_diff(got[1]) < RATE / 2, "{got:?}");
    }

    #[test]
    fn a_run_comes_in_its_order_and_whole() {
        let (mut uploads, mut dropped) = (Uploads::new(at(0), Some(RATE)), 0);
        uploads.add(asker(0), wanted(at(0), 10_000, 4_096));
        let blocks: Vec<(u64, u64)> = std::iter::from_fn(|| uploads.next(at(0), &mut dropped))
            .map(|(_, next)| (next.offset, next.length))
            .collect();
        assert_eq!(blocks, [(0, 4_096), (4_096, 4_096), (8_192, 1_808)]);
        assert_eq!((uploads.due(), dropped), (None, 0));
    }

    #[test]
    fn what_has_waited_too_long_is_not_sent() {
        let (mut uploads, mut dropped) = (Uploads::new(at(0), Some(RATE)), 0);
        uploads.add(asker(0), wanted(at(0), 4_096, 4_096));
        uploads.add(asker(0), wanted(at(900_000), 8_192, 8_192));
        let (_, next) = uploads.next(at(1_000_001), &mut dropped).unwrap();
        assert_eq!((next.length, dropped), (8_192, 1));
    }

    #[test]
    fn waiting_until_the_named_time_suffices() {
        let (mut uploads, mut dropped) = (Uploads::new(at(0), Some(RATE)), 0);
        uploads.add(asker(0), wanted(at(0), 500_000, 50_000));
        let mut now = at(0);
        for _ in 0..9 {
            now = uploads.due().unwrap().max(now);
            let (to, next) = uploads.next(now, &mut dropped).unwrap();
            uploads.sent(now, to, next.length as usize);
        }
        assert!(now > at(350_000) && now < at(450_000), "{now:?}");
    }

    #[test]
    fn full_queues_turn_newcomers_away_and_the_greediest_loses() {
        let mut uploads = Uploads::new(at(0), Some(RATE));
        for number in 1..ASKERS_MAX {
            assert_eq!(uploads.add(asker(number), wanted(at(0), 1, 1)), 0);
        }
        let dropped: u64 = (0..2_000).map(|_| uploads.add(asker(0), wanted(at(0), 1, 1))).sum();
        assert_eq!(dropped as usize, 2_000 + ASKERS_MAX - 1 - WAITING_MAX);
        assert_eq!(uploads.add(asker(1), wanted(at(0), 1, 1)), 1, "for which the greediest loses one");
        assert_eq!(uploads.askers[&asker(1)].waiting.len(), 2);
        assert_eq!(uploads.add(asker(ASKERS_MAX), wanted(at(0), 1, 1)), 1);
        assert!(uploads.sizes().iter().all(|size| size.len <= size.max));
    }
}
