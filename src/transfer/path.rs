//! One source: what was asked of it and has not come, what has to be given up, and how much more may be asked.
//!
//! An ask is given up when something asked later has come and the answer is overdue by more than a reordering window
//! (RACK, RFC 8985), or when nothing at all has come for a retransmission timeout (RFC 6298). Nothing overtakes the
//! last answer of all: after two round trips of silence the newest ask is given up, once, so that the answer to its
//! successor overtakes all others that are lost (tail loss probe, RFC 8985, section 7). Whoever uses a path then asks
//! again, here or elsewhere; nothing is asked by itself. A late answer to something given up still tells how fast the
//! path is and how much it reorders.
//!
//! It refuses to judge answers, and to wait for more than [`ASKS_MAX`] of them.

use super::pace::delivery::Stamp;
use super::pace::model::Phase;
use super::pace::{Pace, credit};
use super::rtt::RoundTrip;
use crate::time::Time;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// How many answers may be awaited at once. With blocks of 4,096 bytes that is 16 MB in flight: 1 Gbit/s over 130 ms.
pub const ASKS_MAX: usize = 4_096;

/// How many asks are remembered, awaited or not, so that a late answer is known for what it is. The oldest ones that
/// are not awaited are forgotten first; if there is none, nothing more is asked.
pub const REMEMBERED_MAX: usize = 2 * ASKS_MAX;

/// The reordering window is at least this: the event loop's timers fire in such steps.
const REORDERING_MIN: Duration = Duration::from_millis(1);

/// The reordering window is so many quarters of the shortest round trip at most (it is also at most one smoothed one).
const REORDERING_STEPS_MAX: u32 = 16;

/// The newest ask is not given up for the silence of two round trips if that is shorter than this: a source may be busy
/// for as long, and timers fire late.
const PROBE_MIN: Duration = Duration::from_millis(10);

/// A wider reordering window is kept for so many round trips with losses (RFC 8985, 6.2, step 4).
const REORDERING_KEPT: u32 = 16;

/// One source's outstanding asks and its pace. `K` names an expected answer.
#[derive(Debug)]
pub struct Path<K> {
    /// In the order of asking; the first one has the number `first`.
    asks: VecDeque<Ask<K>>,
    first: u64,
    by_key: BTreeMap<K, u64>,
    /// All asks before this number are settled or given up.
    oldest_awaited: u64,
    awaited: usize,
    /// The ask made last of all that were answered, and how long its answer took.
    newest_answered: Option<(u64, Duration)>,
    reordering_steps: u32,
    reordering_kept: u32,
    /// The last number asked when the reordering window was changed: it changes once in a round trip.
    reordering_since: u64,
    /// Since when nothing has come.
    silent_since: Time,
    /// Whether the newest ask has been given up in this silence.
    has_probed: bool,
    /// Timeouts in this silence. An answer ends it also if it measures nothing, which leaves the timeout doubled.
    timeouts: u32,
    round_trip: RoundTrip,
    pace: Pace,
}

#[derive(Debug)]
struct Ask<K> {
    key: K,
    bytes: u64,
    stamp: Stamp,
    state: State,
    /// The same was asked before, so nobody knows which of the two an answer belongs to.
    is_repeated: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Awaited,
    /// It is not waited for any more, because the same is asked for again.
    Probed,
    GivenUp,
    Settled,
}

impl<K: Ord + Copy> Path<K> {
    /// A source of which nothing is known.
    pub fn new(now: Time) -> Path<K> {
        Path {
            asks: VecDeque::new(),
            first: 0,
            by_key: BTreeMap::new(),
            oldest_awaited: 0,
            awaited: 0,
            newest_answered: None,
            reordering_steps: 1,
            reordering_kept: 0,
            reordering_since: 0,
            silent_since: now,
            has_probed: false,
            timeouts: 0,
            round_trip: RoundTrip::default(),
            pace: Pace::new(now),
        }
    }

    /// Bytes of answers, with headers, that may be asked for now. While it is not 0 one datagram more may be asked for,
    /// whatever its size: what exceeds the allowance is a debt.
    pub fn may_ask(&self, now: Time) -> usize {
        if self.awaited >= ASKS_MAX || self.is_full_of_awaited() {
            return 0;
        }
        usize::try_from(self.pace.may_ask(now)).unwrap_or(usize::MAX)
    }

    /// One answer datagram of so many bytes, headers included, is expected. False if there is no room to remember it,
    /// which [`Path::may_ask`] announces by 0: then it must not be asked for.
    pub fn asked(&mut self, now: Time, key: K, bytes: usize) -> bool {
        self.forget();
        if self.awaited >= ASKS_MAX || self.is_full_of_awaited() {
            return false;
        }
        let number = self.first + self.asks.len() as u64;
        let earlier = self.by_key.insert(key, number);
        let is_repeated = earlier.is_some();
        if let Some(earlier) = earlier {
            self.settle(earlier);
        }
        if self.awaited == 0 {
            self.oldest_awaited = number;
            // What is asked for again in a silence does not end it.
            self.has_probed &= now < self.silent_since + self.round_trip.timeout();
            self.silent_since = now;
        }
        self.awaited += 1;
        let bytes = bytes as u64;
        let stamp = self.pace.asked(now, bytes);
        self.asks.push_back(Ask { key, bytes, stamp, state: State::Awaited, is_repeated });
        true
    }

    /// An answer of so many bytes, headers included, has come. False if nobody asked for it, or so long ago that it is
    /// forgotten.
    pub fn arrived(&mut self, now: Time, key: K, bytes: usize) -> bool {
        let Some(number) = self.by_key.get(&key).copied() else { return false };
        let Some(ask) = self.ask(number) else { return false };
        let (stamp, was_lost, is_repeated) = (ask.stamp, ask.state == State::GivenUp, ask.is_repeated);
        let elapsed = now.since(stamp.asked);
        // An answer quicker than any before is the answer to an earlier ask for the same.
        let is_answer_to_earlier = is_repeated && self.pace.shortest().is_some_and(|shortest| elapsed < shortest);
        self.by_key.remove(&key);
        self.settle(number);
        self.silent_since = now;
        self.has_probed = false;
        self.timeouts = 0;
        if was_lost || is_answer_to_earlier {
            self.widen_reordering();
        }
        let certain = (!is_repeated).then_some(elapsed);
        if let Some(elapsed) = certain {
            self.round_trip.sample(elapsed);
            self.pace.set_smoothed(self.round_trip.smoothed());
        }
        if !is_answer_to_earlier && self.newest_answered.is_none_or(|(newest, _)| number > newest) {
            self.newest_answered = Some((number, elapsed));
        }
        self.pace.arrived(now, &stamp, bytes as u64, certain, was_lost);
        self.forget();
        true
    }

    /// Puts what is given up by now at the end of `into`, in the order in which it was asked for.
    pub fn lost(&mut self, now: Time, into: &mut Vec<K>) {
        while let Some(due) = self.overdue_at()
            && due <= now
        {
            self.give_up_oldest(into);
            self.narrow_reordering();
        }
        if self.timeout_at().is_some_and(|due| due <= now) {
            self.time_out(now, into);
        } else if self.probe_at().is_some_and(|due| due <= now) {
            self.probe(into);
        }
        self.forget();
    }

    /// When [`Path::lost`] may have something to say if nothing comes before; `None` if nothing is awaited.
    pub fn due(&self) -> Option<Time> {
        let timeout = self.timeout_at()?;
        [self.overdue_at(), self.probe_at()].into_iter().flatten().chain([timeout]).min()
    }

    /// When [`Path::may_ask`] will allow something; it may be in the past. `None` if an answer or a loss has to come
    /// first.
    pub fn next_ask(&self) -> Option<Time> {
        if self.awaited >= ASKS_MAX || self.is_full_of_awaited() {
            return None;
        }
        self.pace.next_ask()
    }

    /// There is nothing more to ask this source for, though it would be allowed: what is measured from here on says
    /// little about the path.
    pub fn set_app_limited(&mut self, now: Time) {
        self.pace.limit(now);
    }

    /// Whether nothing is awaited.
    pub fn is_idle(&self) -> bool {
        self.awaited == 0
    }

    /// How many answers are awaited.
    pub fn awaited(&self) -> usize {
        self.awaited
    }

    /// Bytes of answers that are awaited, headers included.
    pub fn in_flight(&self) -> usize {
        usize::try_from(self.pace.in_flight()).unwrap_or(usize::MAX)
    }

    /// Bytes a second that answers can bring, headers included; 0 while unknown.
    pub fn rate(&self) -> u64 {
        self.pace.rate()
    }

    /// Bytes of answers that may come between two timers of the event loop; 0 while unknown.
    pub fn burst(&self) -> usize {
        usize::try_from(credit::burst(self.rate(), 0)).unwrap_or(usize::MAX)
    }

    /// The smoothed round trip, once there is one.
    pub fn round_trip(&self) -> Option<Duration> {
        self.round_trip.smoothed()
    }

    /// The shortest round trip of the last seconds.
    pub fn shortest_round_trip(&self) -> Option<Duration> {
        self.pace.shortest()
    }

    /// Whether a timeout has passed and nothing has come since.
    pub fn is_silent(&self) -> bool {
        self.timeouts > 0
    }

    /// How many timeouts in a row have passed without anything coming.
    pub fn timeouts(&self) -> u32 {
        self.timeouts
    }

    /// Where the congestion control stands, for display and tests.
    pub fn phase(&self) -> Phase {
        self.pace.phase()
    }

    /// The share of asks that is lost whatever we do, in thousandths.
    pub fn loss_floor(&self) -> u64 {
        self.pace.loss_floor()
    }

    fn ask(&self, number: u64) -> Option<&Ask<K>> {
        self.asks.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// Nothing more is expected from this ask.
    fn settle(&mut self, number: u64) {
        let Some(index) = number.checked_sub(self.first).and_then(|index| usize::try_from(index).ok()) else { return };
        let Some(ask) = self.asks.get_mut(index) else { return };
        if ask.state == State::Awaited {
            self.awaited -= 1;
            self.pace.withdraw(ask.bytes);
        }
        ask.state = State::Settled;
        self.find_oldest();
    }

    /// Moves on to the oldest ask that is still awaited.
    fn find_oldest(&mut self) {
        while self.ask(self.oldest_awaited).is_some_and(|ask| ask.state != State::Awaited) {
            self.oldest_awaited += 1;
        }
    }

    /// A wide reordering window narrows again when losses have been found in many round trips, none of them by mistake.
    fn narrow_reordering(&mut self) {
        let newest = self.newest_answered.map_or(0, |(newest, _)| newest);
        if self.reordering_kept == 0 || newest < self.reordering_since {
            return;
        }
        self.reordering_since = self.first + self.asks.len() as u64;
        self.reordering_kept -= 1;
        if self.reordering_kept == 0 {
            self.reordering_steps = 1;
        }
    }

    fn give_up_oldest(&mut self, into: &mut Vec<K>) {
        let Some(index) = self.oldest_awaited.checked_sub(self.first).and_then(|index| usize::try_from(index).ok())
        else {
            return;
        };
        let Some(ask) = self.asks.get_mut(index) else { return };
        ask.state = State::GivenUp;
        self.awaited -= 1;
        into.push(ask.key);
        let (stamp, bytes) = (ask.stamp, ask.bytes);
        self.pace.lost(&stamp, bytes);
        self.find_oldest();
    }

    /// When the oldest ask is overdue, if something asked after it has been answered.
    fn overdue_at(&self) -> Option<Time> {
        let (newest, elapsed) = self.newest_answered?;
        let oldest = self.ask(self.oldest_awaited).filter(|_| self.oldest_awaited < newest)?;
        Some(oldest.stamp.asked + elapsed + self.reordering_window())
    }

    /// When waiting ends if nothing at all comes.
    fn timeout_at(&self) -> Option<Time> {
        (self.awaited > 0).then(|| self.silent_since + self.round_trip.timeout())
    }

    /// When the newest ask is to be given up if nothing at all comes. Not while the path is silent anyway, or unknown.
    fn probe_at(&self) -> Option<Time> {
        let is_probing = self.awaited > 0 && !self.has_probed && !self.round_trip.is_backed_off();
        let smoothed = self.round_trip.smoothed().filter(|_| is_probing)?;
        let asked = self.asks.back()?.stamp.asked;
        let due = self.silent_since.max(asked) + (smoothed * 2).max(PROBE_MIN);
        // Its answer has to come before the timeout, which is not put off for it: the path may really be silent.
        self.timeout_at().is_some_and(|timeout| due + smoothed <= timeout).then_some(due)
    }

    /// Gives up the newest ask.
    fn probe(&mut self, into: &mut Vec<K>) {
        let newest = self.asks.iter_mut().rev().find(|ask| ask.state == State::Awaited);
        if let Some(ask) = newest {
            // It may well come, so this is no loss as long as nothing says so.
            ask.state = State::Probed;
            into.push(ask.key);
            let bytes = ask.bytes;
            self.awaited -= 1;
            self.pace.withdraw(bytes);
            self.find_oldest();
        }
        self.has_probed = true;
    }

    /// Gives up the oldest ask and all that are as old as a round trip and a reordering window (RFC 8985, 6.3).
    fn time_out(&mut self, now: Time, into: &mut Vec<K>) {
        let patience = self.round_trip.smoothed().unwrap_or_default() + self.reordering_window();
        self.give_up_oldest(into);
        while self.ask(self.oldest_awaited).is_some_and(|oldest| oldest.stamp.asked + patience <= now) {
            self.give_up_oldest(into);
        }
        self.timeouts = self.timeouts.saturating_add(1);
        self.round_trip.back_off();
        self.silent_since = now;
        self.pace.timed_out(now);
    }

    fn reordering_window(&self) -> Duration {
        let quarter = self.pace.shortest().unwrap_or_default() / 4;
        let most = self.round_trip.smoothed().unwrap_or_default();
        (quarter * self.reordering_steps).min(most).max(REORDERING_MIN)
    }

    /// What was given up has come after all.
    fn widen_reordering(&mut self) {
        let last = self.first + self.asks.len() as u64;
        if self.newest_answered.is_none_or(|(newest, _)| newest >= self.reordering_since) {
            self.reordering_steps = (self.reordering_steps + 1).min(REORDERING_STEPS_MAX);
            self.reordering_since = last;
        }
        self.reordering_kept = REORDERING_KEPT;
    }

    /// Whether the oldest remembered ask is awaited and there is no room behind the youngest.
    fn is_full_of_awaited(&self) -> bool {
        self.asks.len() >= REMEMBERED_MAX && self.asks.front().is_some_and(|ask| ask.state == State::Awaited)
    }

    /// Forgets asks that are settled, and the oldest that were given up if there are too many.
    fn forget(&mut self) {
        while let Some(ask) = self.asks.front() {
            let is_over = match ask.state {
                State::Awaited => false,
                State::Probed | State::GivenUp => self.asks.len() >= REMEMBERED_MAX,
                State::Settled => true,
            };
            if !is_over {
                return;
            }
            if self.by_key.get(&ask.key) == Some(&self.first) {
                self.by_key.remove(&ask.key);
            }
            self.asks.pop_front();
            self.first += 1;
            self.oldest_awaited = self.oldest_awaited.max(self.first);
        }
    }
}

#[cfg(test)]
mod tests;
