//! Which losses are our own doing: an experiment instead of a guess.
//!
//! A path may lose at random, and then asking for less helps nobody; or it may be a policer or a short queue that drops
//! what is too much, and then asking on is what fills it. A single loss tells nothing about that. So losses are counted
//! over a **period** of several round trips. When a period has lost clearly more than what is known to be unavoidable
//! (the **floor**), we ask, for one period, for no more than what really arrived (the **trial**):
//!
//! - if the losses go away, they were our doing. The ceiling stays for a while and is then lifted to look again;
//! - if they stay and no queue stands, they are nobody's doing: they are the new floor, which the pace makes up for by
//!   asking for that much more than it expects,
//! - if they stay and a queue stands although we asked for less, others may cause them. Half of them is believed, and
//!   the ceiling stays, so that of several flows that lose together each backs off instead of making up for the others.
//!
//! The floor sinks with every period that loses less.
//!
//! This stands where BBR version 3 has a bound from a loss rate of 2 %, which a path with 5 % of random loss would
//! never leave; version 1 finds policers in the same spirit ("long-term bandwidth sampling"). It refuses to react to
//! single losses at all, and to believe in a floor above [`FLOOR_MAX`].

use crate::time::Time;

/// A period is no shorter than one turn of the gain cycle, in round trips.
const PERIOD_ROUNDS: u64 = 8;

/// What is measured over fewer datagrams says nothing: by chance alone the rate would be off by more than the margin.
const PERIOD_MIN: u64 = 64;

/// By how much the losses must exceed the floor, in thousandths and on top of two standard deviations.
const MARGIN: u64 = 50;

/// For how many round trips a ceiling that helped stays. Linux's BBR keeps its long-term rate for 48; with half of that
/// flows that lose together come to equal shares sooner.
const HELD_ROUNDS: u64 = 24;

/// What the path is asked for during a trial, of what arrived before, in thousandths.
const TRIAL_SHARE: u64 = 900;

/// The largest floor, in thousandths. One datagram of four fragments, and its request, on a path that loses 6 % of
/// everything: 1 − 0.94⁵. Beyond that, making up for losses would more harm others than help us.
pub const FLOOR_MAX: u64 = 270;

/// What the losses of one path tell.
#[derive(Clone, Copy, Debug, Default)]
pub struct Losses {
    state: State,
    floor: u64,
    period: Period,
}

/// What is being found out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Nothing; watching.
    #[default]
    Free,
    /// Whether less is lost when less is asked for.
    Trial { ceiling: u64, before: u64 },
    /// The losses were our doing.
    Held { ceiling: u64, until: u64 },
}

/// What was asked since its start and has an outcome, in datagrams.
#[derive(Clone, Copy, Debug, Default)]
struct Period {
    since: Time,
    round: u64,
    delivered: u64,
    arrived: u64,
    lost: u64,
}

impl Period {
    /// The share that was lost, in thousandths.
    fn share(&self) -> u64 {
        self.lost * 1_000 / (self.arrived + self.lost).max(1)
    }

    /// Two standard deviations of the share, if `share` is its mean, in thousandths.
    fn doubt(&self, share: u64) -> u64 {
        2 * (share * (1_000 - share.min(1_000)) / (self.arrived + self.lost).max(1)).isqrt()
    }

    /// Bytes a second that arrived.
    fn rate(&self, now: Time, delivered: u64) -> u64 {
        let micros = super::delivery::micros(now.since(self.since));
        (delivered.saturating_sub(self.delivered)).saturating_mul(1_000_000) / micros
    }
}

impl Losses {
    /// The share of asks that is lost whatever we do, in thousandths.
    pub fn floor(&self) -> u64 {
        self.floor
    }

    /// The rate in bytes a second at which answers may be expected, if there is reason to bound it.
    pub fn ceiling(&self) -> Option<u64> {
        match self.state {
            State::Free => None,
            State::Trial { ceiling, .. } | State::Held { ceiling, .. } => Some(ceiling),
        }
    }

    /// What was asked at that time has come. `was_lost` if it had been counted as lost.
    pub fn arrived(&mut self, asked: Time, was_lost: bool) {
        if asked >= self.period.since {
            self.period.arrived += 1;
            self.period.lost -= u64::from(was_lost && self.period.lost > 0);
        }
    }

    /// What was asked at that time is given up.
    pub fn lost(&mut self, asked: Time) {
        self.period.lost += u64::from(asked >= self.period.since);
    }

    /// Begins anew, because what was seen until now says nothing about what follows.
    pub fn restart(&mut self, now: Time, round: u64, delivered: u64) {
        self.period = Period { since: now, round, delivered, ..Period::default() };
    }

    /// A round trip has ended: draws conclusions if enough was seen. `is_queued`: answers take longer than they would
    /// without a queue.
    pub fn end_round(&mut self, now: Time, round: u64, delivered: u64, is_queued: bool) {
        let Period { arrived, lost, .. } = self.period;
        if round < self.period.round + PERIOD_ROUNDS || arrived + lost < PERIOD_MIN {
            return;
        }
        let share = self.period.share();
        let rate = self.period.rate(now, delivered);
        let limit = self.floor + MARGIN + self.period.doubt(self.floor.max(MARGIN));
        self.state = match self.state {
            State::Free if share > limit => State::Trial { ceiling: rate * TRIAL_SHARE / 1_000, before: share },
            State::Trial { ceiling, before } if share > self.floor + before.saturating_sub(self.floor) / 2 => {
                let floor = if is_queued { self.floor.midpoint(share) } else { share };
                self.floor = floor.min(FLOOR_MAX);
                if is_queued { State::Held { ceiling, until: round + HELD_ROUNDS } } else { State::Free }
            }
            State::Trial { ceiling, .. } => State::Held { ceiling, until: round + HELD_ROUNDS },
            State::Held { ceiling, until } if round < until => State::Held { ceiling, until },
            State::Free | State::Held { .. } => State::Free,
        };
        self.floor = self.floor.min(share);
        self.restart(now, round, delivered);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A path of 100 datagrams a round trip of 50 ms, that loses so many thousandths of what is asked for above the
    /// ceiling, and so many in any case.
    struct Play {
        losses: Losses,
        round: u64,
        delivered: u64,
        /// Whether a queue stands.
        is_queued: bool,
    }

    impl Play {
        fn new() -> Play {
            Play { losses: Losses::default(), round: 0, delivered: 0, is_queued: false }
        }

        /// One period; what has come of it.
        fn period(&mut self, above: u64, always: u64) -> (u64, bool) {
            let share = if self.losses.ceiling().is_some() { always } else { above.max(always) };
            for _ in 0..PERIOD_ROUNDS {
                let now = Time::from_micros(self.round * 50_000 + 1);
                for number in 0..100 {
                    if number * 10 < share {
                        self.losses.lost(now);
                    } else {
                        self.losses.arrived(now, false);
                        self.delivered += 1_000;
                    }
                }
                self.round += 1;
                let end = Time::from_micros(self.round * 50_000);
                self.losses.end_round(end, self.round, self.delivered, self.is_queued);
            }
            (self.losses.floor(), self.losses.ceiling().is_some())
        }
    }

    #[test]
    fn losses_that_stay_when_less_is_asked_for_become_the_floor() {
        let mut play = Play::new();
        assert_eq!(play.period(0, 200), (0, true), "the trial begins");
        assert_eq!(play.period(0, 200), (200, false));
        assert_eq!(play.period(0, 200), (200, false), "what is known is no reason for another trial");
    }

    #[test]
    fn losses_that_go_away_when_less_is_asked_for_leave_a_ceiling_for_a_while() {
        let mut play = Play::new();
        assert_eq!(play.period(200, 0), (0, true));
        // What arrived in a trial is nine tenths of what arrived before: 80 of 100 datagrams in 50 ms.
        assert_eq!(play.losses.ceiling(), Some(80_000 * 20 * 9 / 10));
        for _ in 0..HELD_ROUNDS / PERIOD_ROUNDS {
            assert_eq!(play.period(200, 0), (0, true));
        }
        assert!(!play.period(200, 0).1, "then it looks again");
        assert!(play.period(200, 0).1);
    }

    #[test]
    fn a_floor_sinks_when_the_losses_do() {
        let mut play = Play::new();
        play.period(0, 200);
        assert_eq!(play.period(0, 200).0, 200);
        assert_eq!(play.period(0, 50).0, 50);
    }

    #[test]
    fn no_floor_is_believed_beyond_the_largest() {
        let mut play = Play::new();
        for _ in 0..100 {
            assert!(play.period(0, 900).0 <= FLOOR_MAX);
        }
    }

    #[test]
    fn beside_a_standing_queue_only_half_is_believed_and_the_ceiling_stays() {
        let mut play = Play::new();
        play.is_queued = true;
        play.period(0, 200);
        assert_eq!(play.period(0, 200), (100, true));
    }

    #[test]
    fn single_losses_change_nothing() {
        let mut play = Play::new();
        for _ in 0..100 {
            assert_eq!(play.period(50, 50), (0, false));
        }
    }
}
