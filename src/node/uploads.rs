//! Whose turn it is to be served, when the user has set a limit: what was asked for waits here until there is room.
//!
//! Without a limit nothing waits: whoever asks is answered at once, and the askers' own congestion control shares the
//! path. With one, we are the bottleneck, and it is shared here: the next block goes to the host that has had the least
//! (start-time fair queueing, Goyal, Vin and Cheng 1996), however much others have asked for, from however many ports.
//! Those who ask from one host take turns, for they may be several behind one router. Strangers, who could be anybody
//! and cost nothing, have one share all together.
//!
//! Everything about contents counts. What is short, and what strangers get, does not wait: it is said at once if the
//! turn of whoever asked would come soon, and else not at all.

use crate::peers::address::host;
use crate::sizes::{Size, no_table};
use crate::sorted::SortedMap;
use crate::time::Time;
use crate::transfer::pace::credit::Credit;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::ops::Bound;
use std::time::Duration;

/// Hosts that wait at the same time; others ask again later. With more, each would get less than a block a second of a
/// usual limit.
const SHARES_MAX: usize = 64;

/// Questions that wait, of all askers together: about 200 bytes each. When there are more, the host with the most
/// loses the newest.
const WAITING_MAX: usize = 1_024;

/// How long a question waits: whoever asked has asked somebody else by then, or again. As much as is sent in that time
/// may be said ahead of the limit by those who do not wait.
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

/// Who has a share of the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Share {
    /// Whoever has not proved to read its address.
    Strangers,
    /// All that one customer of a network has.
    Host(IpAddr),
}

impl Share {
    /// The share of a verified address.
    pub(super) fn of(address: SocketAddr) -> Share {
        Share::Host(host(address.ip()))
    }
}

/// What is known of a share.
#[derive(Debug, Default)]
struct Account {
    /// How much it has been sent, counted from when everybody else had had as much.
    had: u64,
    /// What waits, by who asked for it; nobody is here for whom nothing waits.
    waiting: SortedMap<SocketAddr, VecDeque<Wanted>>,
    /// Who was served last.
    last: Option<SocketAddr>,
}

impl Account {
    fn waiting(&self) -> usize {
        self.waiting.values().map(VecDeque::len).sum()
    }

    /// The next block for whoever comes after the one who was served last.
    fn next(&mut self) -> Option<(SocketAddr, Wanted)> {
        let after = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let later = self.waiting.range((after, Bound::Unbounded)).next();
        let address = *later.or_else(|| self.waiting.iter().next())?.0;
        self.last = Some(address);
        let queue = self.waiting.get_mut(&address)?;
        let first = queue.front_mut()?;
        let next = Wanted { length: first.block.min(first.length), ..first.clone() };
        first.offset += next.length;
        first.length -= next.length;
        if first.length == 0 {
            queue.pop_front();
        }
        self.forget_served();
        Some((address, next))
    }

    /// Drops what has waited for too long, and says how many questions that were.
    fn drop_late(&mut self, now: Time) -> u64 {
        let mut dropped = 0;
        for queue in self.waiting.values_mut() {
            while queue.front().is_some_and(|wanted| now.since(wanted.asked) > PATIENCE) {
                queue.pop_front();
                dropped += 1;
            }
        }
        self.forget_served();
        dropped
    }

    /// Whoever waits for the most loses the newest.
    fn drop_newest(&mut self) {
        if let Some(longest) = self.waiting.values_mut().max_by_key(|queue| queue.len()) {
            longest.pop_back();
        }
        self.forget_served();
    }

    fn forget_served(&mut self) {
        self.waiting.retain(|_, queue| !queue.is_empty());
    }
}

/// The queues, and the rate.
#[derive(Debug)]
pub(super) struct Uploads {
    credit: Credit,
    is_limited: bool,
    shares: SortedMap<Share, Account>,
    /// What the share that was served last had had.
    had: u64,
}

impl Uploads {
    /// Serves `rate` bytes a second, headers included, or as fast as it goes.
    pub(super) fn new(now: Time, rate: Option<u64>) -> Uploads {
        let mut credit = Credit::new(now);
        rate.into_iter().for_each(|rate| credit.set_rate(now, rate, rate / SAVED_PART));
        Uploads { credit, is_limited: rate.is_some(), shares: SortedMap::new(), had: 0 }
    }

    pub(super) fn is_limited(&self) -> bool {
        self.is_limited
    }

    /// Lets something wait. Says how many questions were dropped for it, itself perhaps.
    pub(super) fn add(&mut self, address: SocketAddr, wanted: Wanted) -> u64 {
        let Some(account) = self.account(Share::of(address)) else { return 1 };
        account.waiting.get_or_insert_with(address, VecDeque::new).push_back(wanted);
        if self.waiting() <= WAITING_MAX {
            return 0;
        }
        if let Some(longest) = self.shares.values_mut().max_by_key(|account| account.waiting()) {
            longest.drop_newest();
        }
        1
    }

    /// The next block to be sent and to whom, if there is room for one; counts in `dropped` what waited for too long.
    pub(super) fn next(&mut self, now: Time, dropped: &mut u64) -> Option<(SocketAddr, Wanted)> {
        *dropped += self.shares.values_mut().map(|account| account.drop_late(now)).sum::<u64>();
        self.forget_idle();
        if self.credit.available(now) == 0 {
            return None;
        }
        let waiting = self.shares.values_mut().filter(|account| !account.waiting.is_empty());
        let account = waiting.min_by_key(|account| account.had)?;
        self.had = account.had;
        account.next()
    }

    /// Whether something may be said at once to who has this share: it is its turn, and there will be room soon.
    pub(super) fn may_answer(&mut self, now: Time, share: Share) -> bool {
        if !self.is_limited {
            return true;
        }
        self.forget_idle();
        let had = self.account(share).map(|account| account.had);
        let waiting = self.shares.values().filter(|account| !account.waiting.is_empty());
        let least = waiting.map(|account| account.had).min().unwrap_or(u64::MAX);
        had.is_some_and(|had| had <= least) && self.credit.next().since(now) <= PATIENCE
    }

    /// So many bytes were sent to who has this share.
    pub(super) fn sent(&mut self, now: Time, share: Share, bytes: usize) {
        if !self.is_limited {
            return;
        }
        self.credit.spend(now, bytes as u64);
        if let Some(account) = self.account(share) {
            account.had += bytes as u64;
        }
    }

    /// When somebody's turn comes.
    pub(super) fn due(&self) -> Option<Time> {
        (self.waiting() > 0).then(|| self.credit.next())
    }

    /// The account of a share, a new one if there is room.
    fn account(&mut self, share: Share) -> Option<&mut Account> {
        if self.shares.len() >= SHARES_MAX && !self.shares.contains_key(&share) {
            return None;
        }
        let had = self.had;
        Some(self.shares.get_or_insert_with(share, || Account { had, ..Account::default() }))
    }

    /// Forgets who waits for nothing and is not ahead of the others: whoever is ahead would else be served first as
    /// soon as it asks again.
    fn forget_idle(&mut self) {
        if self.waiting() == 0 {
            self.had = self.shares.values().map(|account| account.had).fold(self.had, u64::max);
        }
        let had = self.had;
        self.shares.retain(|_, account| !account.waiting.is_empty() || account.had > had);
    }

    fn waiting(&self) -> usize {
        self.shares.values().map(Account::waiting).sum()
    }

    /// How full the queues are.
    pub(super) fn sizes(&self) -> [Size; 2] {
        let Uploads { credit, is_limited, shares, had } = self;
        no_table(credit);
        no_table(is_limited);
        no_table(had);
        [
            Size::new("hosts that wait for their turn", shares.len(), SHARES_MAX),
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
                uploads.sent(now, Share::of(to), next.length as usize);
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
            if uploads.shares.get(&Share::of(asker(1))).is_none_or(|account| account.waiting.is_empty()) {
                uploads.add(asker(1), wanted(now, 900, 900));
            }
            while let Some((to, next)) = uploads.next(now, &mut dropped) {
                uploads.sent(now, Share::of(to), next.length as usize);
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
            uploads.sent(now, Share::of(to), next.length as usize);
        }
        assert!(now > at(350_000) && now < at(450_000), "{now:?}");
    }

    #[test]
    fn full_queues_turn_newcomers_away_and_the_greediest_loses() {
        let mut uploads = Uploads::new(at(0), Some(RATE));
        for number in 1..SHARES_MAX {
            assert_eq!(uploads.add(asker(number), wanted(at(0), 1, 1)), 0);
        }
        let dropped: u64 = (0..2_000).map(|_| uploads.add(asker(0), wanted(at(0), 1, 1))).sum();
        assert_eq!(dropped as usize, 2_000 + SHARES_MAX - 1 - WAITING_MAX);
        assert_eq!(uploads.add(asker(1), wanted(at(0), 1, 1)), 1, "for which the greediest loses one");
        assert_eq!(uploads.shares[&Share::of(asker(1))].waiting(), 2);
        assert_eq!(uploads.add(asker(SHARES_MAX), wanted(at(0), 1, 1)), 1);
        assert!(uploads.sizes().iter().all(|size| size.len <= size.max));
    }
}
