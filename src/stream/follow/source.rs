//! One source of a stream: what it says to have, what was asked of it, and how much more may be.
//!
//! How many blocks are on their way is limited by a window, which grows with each that comes until they queue up or
//! more is lost than links lose by themselves. That is simpler than what fetches whole contents, because it does not
//! have to: a stream has a rate of its own, and what is repaired is a small part of it most of the time.

use crate::time::Time;
use crate::transfer::rtt::{Minimum, RoundTrip};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// How many sources a stream has at most.
pub const SOURCES_MAX: usize = 16;

/// After so many timeouts in a row a source is given up if there are others.
const TIMEOUTS_MAX: u32 = 4;

/// Blocks that may be on their way before anything is known: with what stands around them 12 kB, as RFC 6928 has it.
const WINDOW_FIRST: u32 = 2;

/// The fewest, so that a loss is noticed by what comes after it.
const WINDOW_MIN: u32 = 4;

/// The most: 128 blocks over a round trip of 100 ms are 5 MB/s.
const WINDOW_MAX: u32 = 128;

/// What is remembered of questions to one source.
pub(super) const REMEMBERED_MAX: usize = WINDOW_MAX as usize + GIVEN_UP_MAX;

/// How the window fares is looked at after at least so many blocks: four are asked for in one datagram, and lost with
/// it.
const ROUND_MIN: u32 = 32;

/// From this loss on, in percent, the window shrinks. Radio links lose a tenth of large datagrams, each of which
/// travels in four fragments, however slowly they come.
const LOSS_MAX_PERCENT: u32 = 30;

/// Blocks queue up if they take twice the shortest round trip and this.
const QUEUE_MIN: Duration = Duration::from_millis(30);

/// For how long the shortest round trip is remembered.
const SHORTEST_KEPT: Duration = Duration::from_secs(10);

/// What may be overtaken by at least, before it counts as lost.
const REORDERING_MIN: Duration = Duration::from_millis(5);

/// How much later than twice the round trip a block may be: timers fire late.
const LATE_MIN: Duration = Duration::from_millis(20);

/// How soon a source that has sent a block and not said what it has is asked that again; twice as late each time. Until
/// it says so it is taken for a node that knows the common words alone, and asked for a few blocks at a time.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// The longest of these pauses: others will never say it.
const AGAIN_MAX: Duration = Duration::from_secs(60);

/// The longest that a block is waited for however often others were waited for in vain: satellites take a third of it.
const LATE_MAX: Duration = Duration::from_secs(2);

/// After so many questions in a row that were not answered in time the wait for a block doubles. It is for a way that
/// has become longer, where none ever is; where a tenth is lost it hardly ever happens, and would cost what is lost
/// then.
const LATE_IN_A_ROW: u32 = 8;

/// After so many it does while the round trip is a guess.
const LATE_AFTER_GUESS: u32 = 3;

/// The wait for a block doubles at most so often; then it is the longest, on the quickest path.
const LATE_DOUBLED_MAX: u32 = 7;

/// Blocks that were given up and may come after all, which is remembered; the oldest are forgotten.
const GIVEN_UP_MAX: usize = 2 * WINDOW_MAX as usize;

/// After so many answers in a row that were too quick to be true the path has become quicker.
const QUICK_MAX: u32 = 8;

/// What is to be asked of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// Whom.
    pub to: SocketAddr,
    /// From which byte on.
    pub offset: u64,
    /// How many bytes; 0 to ask only what it has.
    pub length: u64,
}

/// A block that was asked for.
#[derive(Clone, Copy, Debug)]
struct Ask {
    at: u64,
    asked: Time,
    /// Whether it was before, of this source: which of the questions it answers cannot be told (Karn's algorithm, RFC
    /// 6298, 3).
    is_again: bool,
}

/// One source.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) address: SocketAddr,
    /// What it has begins here, as far as it has said.
    pub(super) first: u64,
    /// What it has ends here, as far as is known.
    pub(super) end: u64,
    /// How long ago it had heard the owner, when it said so last.
    pub(super) age: Duration,
    /// Whether it knows our words, and so remembers questions for what is not there yet.
    pub(super) is_ours: bool,
    /// Whether it has sent a block that was news.
    pub(super) has_sent: bool,
    /// When it is asked again what it has, as long as it has not said so; and the pause after that.
    again: (Time, Duration),
    /// When it was asked last what it has, until it says so, if its answer can be told from others.
    asked_what: Option<Time>,
    /// When it was asked anything last: it may answer that with what it has.
    questioned: Time,
    /// Which blocks were asked of it, in that order.
    asked: VecDeque<Ask>,
    /// Which of them were given up. They may come late because the source had to wait for them itself, which tells
    /// nothing about the way.
    given_up: VecDeque<u64>,
    /// How often the wait for a block has doubled since the last answer that tells how long the way is; and when it did
    /// last. A way that has become longer would else never be measured: each answer would be one too late.
    doubled: (u32, Time),
    /// How many in a row came too late or not at all, and when the last of them was asked for.
    late: (u32, Time),
    /// Whether the round trip is a guess, and may be longer: it is not known which question was answered.
    is_guess: bool,
    /// When that was asked which was answered last, and how long it took.
    answered: Option<(Time, Duration)>,
    silent_since: Time,
    timeouts: u32,
    round_trip: RoundTrip,
    shortest: Minimum,
    /// Answers in a row that came sooner than any can.
    quick: u32,
    window: u32,
    /// Whether the window doubles with each round trip, or grows by an eighth.
    is_starting: bool,
    /// Blocks that came, and that were lost, in this round; and whether they queued up.
    came: u32,
    lost: u32,
    has_queued: bool,
}

impl Source {
    /// A source that has answered so long after the last question; a guess if there was one before.
    pub(super) fn new(now: Time, address: SocketAddr, elapsed: Duration, is_guess: bool) -> Source {
        let (mut round_trip, mut shortest) = (RoundTrip::default(), Minimum::default());
        round_trip.sample(elapsed);
        shortest.sample(now, elapsed, SHORTEST_KEPT);
        Source {
            address,
            first: 0,
            end: 0,
            age: Duration::ZERO,
            is_ours: false,
            has_sent: false,
            again: (now + AGAIN_AFTER, AGAIN_AFTER * 2),
            asked_what: None,
            questioned: now,
            asked: VecDeque::new(),
            given_up: VecDeque::new(),
            doubled: (0, now),
            late: (0, now),
            is_guess,
            answered: None,
            silent_since: now,
            timeouts: 0,
            round_trip,
            shortest,
            quick: 0,
            window: WINDOW_FIRST,
            is_starting: true,
            came: 0,
            lost: 0,
            has_queued: false,
        }
    }

    /// Whether it seems to have more of a block than what ends at `held`.
    pub(super) fn has(&self, start: u64, held: u64) -> bool {
        self.first <= start && self.end > held
    }

    /// When it is asked again what it has; `None` if it has said so.
    pub(super) fn again_at(&self) -> Option<Time> {
        (!self.is_ours).then_some(self.again.0)
    }

    /// The question what it has; notes that it is asked.
    pub(super) fn ask_what(&mut self, now: Time) -> Question {
        let pause = self.again.1;
        self.again = (now + pause, (pause * 2).min(AGAIN_MAX));
        // What it says to an earlier question may be on its way. Taken for the answer to this one, it would make the
        // way seem shorter than it is, and for ten seconds every block late.
        let is_clear = now.since(self.questioned) >= self.round_trip.timeout();
        self.asked_what = is_clear.then_some(now);
        self.questioned = now;
        Question { to: self.address, offset: 0, length: 0 }
    }

    /// It says what it has: perhaps because it was asked, and then that tells how long the way is.
    pub(super) fn has_said(&mut self, now: Time) {
        self.is_ours = true;
        // An answer as late as this is one to another question.
        let elapsed = self.asked_what.take().map(|asked| now.since(asked));
        if let Some(elapsed) = elapsed.filter(|elapsed| *elapsed < self.round_trip.timeout()) {
            self.sample(now, elapsed);
        }
    }

    /// Notes that it is asked for something that it may answer with what it has.
    pub(super) fn note_question(&mut self, now: Time) {
        self.questioned = now;
    }

    /// Takes note of how long an answer took.
    fn sample(&mut self, now: Time, elapsed: Duration) {
        // What was waited for only because nothing else came says that the way has become longer, for good.
        let is_longer = self.doubled.0 > 0 && self.patience().is_some_and(|patience| elapsed > patience);
        if self.is_guess || is_longer {
            self.round_trip = RoundTrip::default();
        }
        if std::mem::take(&mut self.is_guess) {
            self.shortest = Minimum::default();
        }
        (self.doubled.0, self.late.0) = (0, 0);
        self.round_trip.sample(elapsed);
        let before = self.shortest.get();
        self.shortest.sample(now, elapsed, SHORTEST_KEPT);
        // What was taken for a queue was the way.
        if before.is_some_and(|before| self.shortest.get() > Some(before * 2 + QUEUE_MIN)) {
            (self.is_starting, self.has_queued) = (true, false);
        }
    }

    /// Notes that it is asked for a block, if one more may be on its way.
    pub(super) fn ask(&mut self, now: Time, at: u64) -> bool {
        let may = self.asked.len() < self.window as usize;
        if may {
            if self.asked.is_empty() {
                self.silent_since = now;
            }
            let is_again = self.given_up.contains(&at);
            self.asked.push_back(Ask { at, asked: now, is_again });
            self.note_question(now);
        }
        may
    }

    /// A block has come from it. True if it was asked for and cannot be the answer yet: it was on its way already.
    pub(super) fn arrived(&mut self, now: Time, at: u64) -> bool {
        self.silent_since = now;
        self.timeouts = 0;
        self.given_up.retain(|given_up| *given_up != at);
        let place = self.asked.iter().position(|ask| ask.at == at);
        let Some(Ask { asked, is_again, .. }) = place.and_then(|place| self.asked.remove(place)) else { return false };
        if is_again {
            self.came += 1;
            self.end_round();
            return false;
        }
        let elapsed = now.since(asked);
        let shortest = self.shortest.get().unwrap_or_default();
        // Who knows our words sends what is new unasked, and some of it was asked for meanwhile. Taken for answers,
        // that would make the way seem ever shorter, and every real answer late.
        self.quick += u32::from(!self.is_ours);
        if elapsed < shortest * 3 / 4 && self.quick <= QUICK_MAX {
            return true;
        }
        self.quick = 0;
        if elapsed >= shortest || !self.is_ours {
            self.sample(now, elapsed);
        }
        if self.answered.is_none_or(|(newest, _)| asked >= newest) {
            self.answered = Some((asked, elapsed));
        }
        self.has_queued |= self.shortest.get().is_some_and(|shortest| elapsed > shortest * 2 + QUEUE_MIN);
        self.came += 1;
        if self.is_starting {
            self.window = (self.window + 1).min(WINDOW_MAX);
        }
        self.end_round();
        false
    }

    /// Takes note of how a window full of blocks has fared.
    fn end_round(&mut self) {
        let all = self.came + self.lost;
        if all < self.window.max(ROUND_MIN) {
            return;
        }
        if self.has_queued || self.lost * 100 > all * LOSS_MAX_PERCENT {
            self.window = (self.window * 7 / 10).max(WINDOW_MIN);
            self.is_starting = false;
        } else if !self.is_starting {
            self.window = (self.window + (self.window / 8).max(1)).min(WINDOW_MAX);
        }
        (self.came, self.lost, self.has_queued) = (0, 0, false);
    }

    /// Puts the blocks at the end of `into` that will not come: overtaken by what was asked later (RFC 8985), later
    /// than twice the round trip, or given up after a silence (RFC 6298).
    pub(super) fn lost(&mut self, now: Time, into: &mut Vec<u64>) {
        let before = into.len();
        while self.single_at().is_some_and(|due| due <= now) {
            let is_late = self.overtaken_at().is_none_or(|due| due > now);
            let Some(ask) = self.asked.pop_front() else { break };
            self.give_up(ask, into);
            // What one datagram asked for is lost with it, and what was asked for before it doubled last is late by the
            // same cause.
            if is_late && ask.asked >= self.doubled.1 && ask.asked != self.late.1 {
                self.late = (self.late.0 + 1, ask.asked);
            }
            if self.late.0 >= if self.is_guess { LATE_AFTER_GUESS } else { LATE_IN_A_ROW } {
                self.doubled = ((self.doubled.0 + 1).min(LATE_DOUBLED_MAX), now);
                self.late.0 = 0;
            }
        }
        self.lost += (into.len() - before) as u32;
        if self.timeout_at().is_some_and(|due| due <= now) {
            while let Some(ask) = self.asked.pop_front() {
                self.give_up(ask, into);
            }
            self.timeouts = self.timeouts.saturating_add(1);
            self.round_trip.back_off();
            (self.window, self.is_starting) = (WINDOW_MIN, true);
            (self.came, self.lost, self.has_queued) = (0, 0, false);
        }
        self.end_round();
    }

    fn give_up(&mut self, ask: Ask, into: &mut Vec<u64>) {
        into.push(ask.at);
        self.given_up.retain(|given_up| *given_up != ask.at);
        if self.given_up.len() >= GIVEN_UP_MAX {
            self.given_up.pop_front();
        }
        self.given_up.push_back(ask.at);
    }

    /// How long a block that was asked for alone is waited for, but for doubling.
    fn patience(&self) -> Option<Duration> {
        Some((self.round_trip.smoothed()? * 2 + LATE_MIN).min(self.round_trip.timeout()))
    }

    /// When the oldest block that was asked for counts as lost, because a later one has come.
    fn overtaken_at(&self) -> Option<Time> {
        let (newest, elapsed) = self.answered?;
        let oldest = self.asked.front().map(|ask| ask.asked).filter(|asked| *asked < newest)?;
        let shortest = self.shortest.get().unwrap_or_default();
        Some(oldest + elapsed.max(self.round_trip.smoothed()?) + (shortest / 2).max(REORDERING_MIN))
    }

    /// When the oldest block that was asked for counts as lost. What comes unasked for is no silence, so for a block
    /// that was asked for alone there is nothing else to tell by than the time.
    fn single_at(&self) -> Option<Time> {
        let patience = self.patience()? * (1 << self.doubled.0);
        let late = self.asked.front()?.asked + patience.min(LATE_MAX.max(self.patience()?));
        Some(self.overtaken_at().map_or(late, |overtaken| overtaken.min(late)))
    }

    fn timeout_at(&self) -> Option<Time> {
        (!self.asked.is_empty()).then(|| self.silent_since + self.round_trip.timeout())
    }

    /// When something may be lost.
    pub(super) fn due(&self) -> Option<Time> {
        [self.single_at(), self.timeout_at()].into_iter().flatten().min()
    }

    /// Blocks that were asked for, or given up.
    pub(super) fn remembered(&self) -> usize {
        self.asked.len() + self.given_up.len()
    }

    /// Whether others should be asked instead.
    pub(super) fn is_silent(&self) -> bool {
        self.timeouts >= TIMEOUTS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::from_micros(ms * 1_000)
    }

    #[test]
    fn what_may_answer_an_earlier_question_does_not_tell_how_long_the_way_is() {
        let (address, trip) = (SocketAddr::from(([198, 51, 100, 1], 5_000)), Duration::from_millis(60));
        let mut source = Source::new(at(0), address, trip, false);
        source.has_said(at(0));
        source.note_question(at(1_000));
        source.ask_what(at(1_057));
        source.has_said(at(1_060));
        assert_eq!((source.shortest.get(), source.round_trip.smoothed()), (Some(trip), Some(trip)));
        assert!(source.ask(at(2_000), 7));
        source.ask_what(at(2_059));
        source.has_said(at(2_060));
        assert_eq!(source.shortest.get(), Some(trip));
        // With nothing else on its way it does.
        source.ask_what(at(3_000));
        source.has_said(at(3_040));
        assert_eq!(source.shortest.get(), Some(Duration::from_millis(40)));
    }
}
