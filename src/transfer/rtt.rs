//! How long answers take, and how long to wait for one: the round-trip estimator and the timeout of RFC 6298.
//!
//! It refuses to guess which of two equal asks an answer belongs to (Karn's algorithm): whoever feeds it leaves such
//! answers out.

use crate::time::Time;
use std::time::Duration;

/// The timeout while no round trip has been measured (RFC 6298, 2.1; RFC 8085, 3.1.1).
pub const RTO_FIRST: Duration = Duration::from_secs(1);

/// The shortest timeout once there are measurements. RFC 6298 says one second, which its successor in these matters,
/// RFC 8961, no longer asks for; kernels have used 200 ms for decades, twice what a path may be silent while a wireless
/// link retries.
pub const RTO_MIN: Duration = Duration::from_millis(200);

/// The longest timeout, however often it was doubled (RFC 6298, 2.5): two asks a minute keep looking for a source that
/// fell silent.
pub const RTO_MAX: Duration = Duration::from_secs(60);

/// No round trip counts as longer: timeouts end at a minute anyway, and the arithmetic stays in range.
const ELAPSED_MAX: Duration = Duration::from_secs(3_600);

/// The least that the variance adds to the timeout: the steps in which the event loop's timers fire.
const GRANULARITY: Duration = Duration::from_millis(1);

/// Where the doubling pauses on a path that has worked. So a path that was dark for some seconds is found again half a
/// second later. Linux does the same for connections (`tcp_syn_linear_timeouts`): two asks a second for five seconds
/// are no burden, and a path that stays dark sees the whole of the back-off.
const PAUSE: Duration = Duration::from_millis(500);
/// The number of the timeout after which the doubling goes on: five seconds of pause.
const PAUSE_ENDS_AFTER: u32 = 12;

/// After so many timeouts every one is the longest, whatever the first was.
const BACK_OFF_MAX: u32 = PAUSE_ENDS_AFTER + 7;

/// The estimator of one path.
#[derive(Clone, Copy, Debug, Default)]
pub struct RoundTrip {
    smoothed: Option<Duration>,
    variation: Duration,
    back_off: u32,
}

impl RoundTrip {
    /// An answer came after this time; undoes all doubling (RFC 6298, 5.7).
    pub fn sample(&mut self, elapsed: Duration) {
        self.back_off = 0;
        let elapsed = elapsed.min(ELAPSED_MAX);
        let Some(smoothed) = self.smoothed else {
            self.smoothed = Some(elapsed);
            self.variation = elapsed / 2;
            return;
        };
        self.variation = (self.variation * 3 + smoothed.abs_diff(elapsed)) / 4;
        self.smoothed = Some((smoothed * 7 + elapsed) / 8);
    }

    /// The smoothed round trip, if any was measured.
    pub fn smoothed(&self) -> Option<Duration> {
        self.smoothed
    }

    /// How long to wait for a sign of life before everything that is awaited counts as lost.
    pub fn timeout(&self) -> Duration {
        let timeout = match self.smoothed {
            Some(smoothed) => (smoothed + (self.variation * 4).max(GRANULARITY)).max(RTO_MIN),
            None => RTO_FIRST,
        };
        if self.smoothed.is_none() || timeout >= PAUSE {
            return (timeout * (1 << self.back_off)).min(RTO_MAX);
        }
        let paused = (timeout * (1 << self.back_off)).min(PAUSE);
        (paused * (1 << self.back_off.saturating_sub(PAUSE_ENDS_AFTER - 1))).min(RTO_MAX)
    }

    /// Doubles the timeout, because it has passed (RFC 6298, 5.5).
    pub fn back_off(&mut self) {
        self.back_off = (self.back_off + 1).min(BACK_OFF_MAX);
    }

    /// Whether the timeout is doubled, because nothing has been measured since one passed.
    pub fn is_backed_off(&self) -> bool {
        self.back_off > 0
    }
}

/// The smallest of the round trips of late, with its date.
#[derive(Clone, Copy, Debug, Default)]
pub struct Minimum(Option<(Duration, Time)>);

impl Minimum {
    /// Takes a sample if it is no larger than the smallest, or that one is older than `window`. True if it did.
    pub fn sample(&mut self, now: Time, elapsed: Duration, window: Duration) -> bool {
        let is_taken = self.0.is_none_or(|(smallest, _)| elapsed <= smallest) || self.is_older_than(now, window);
        if is_taken {
            self.0 = Some((elapsed, now));
        }
        is_taken
    }

    /// The smallest round trip, if there is one.
    pub fn get(&self) -> Option<Duration> {
        self.0.map(|(smallest, _)| smallest)
    }

    /// Whether the smallest one was measured longer than `age` ago.
    pub fn is_older_than(&self, now: Time, age: Duration) -> bool {
        self.0.is_some_and(|(_, since)| now.since(since) > age)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn a_first_measurement_is_believed_and_later_ones_are_weighed_in() {
        let mut trip = RoundTrip::default();
        assert_eq!(trip.timeout(), RTO_FIRST);
        trip.sample(ms(400));
        assert_eq!((trip.smoothed(), trip.timeout()), (Some(ms(400)), ms(400 + 4 * 200)));
        trip.sample(ms(800));
        assert_eq!(trip.smoothed(), Some(ms(450)));
        assert_eq!(trip.timeout(), ms(450 + 4 * 250));
    }

    #[test]
    fn a_steady_path_is_waited_for_no_less_than_the_minimum() {
        let mut trip = RoundTrip::default();
        for _ in 0..100 {
            trip.sample(ms(20));
        }
        assert_eq!(trip.timeout(), RTO_MIN);
    }

    #[test]
    fn timeouts_double_up_to_a_minute_with_a_pause_at_half_a_second_until_an_answer_comes() {
        let mut trip = RoundTrip::default();
        for _ in 0..100 {
            trip.sample(ms(20));
        }
        let mut waits = Vec::new();
        for _ in 0..21 {
            waits.push(trip.timeout().as_millis());
            trip.back_off();
        }
        assert_eq!(waits[..2], [200, 400]);
        assert_eq!(waits[2..12], [500; 10]);
        assert_eq!(waits[12..], [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
        trip.sample(ms(20));
        assert_eq!(trip.timeout(), RTO_MIN);
    }

    #[test]
    fn on_a_path_that_never_answered_every_timeout_doubles_the_next() {
        let mut trip = RoundTrip::default();
        let waits: Vec<u64> = (0..30)
            .map(|_| {
                let wait = trip.timeout().as_secs();
                trip.back_off();
                wait
            })
            .collect();
        assert_eq!(waits[..8], [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(waits[29], 60);
    }

    #[test]
    fn an_old_minimum_gives_way_to_whatever_comes_next() {
        let at = |second: u64| Time::from_micros(second * 1_000_000);
        let mut least = Minimum::default();
        let window = Duration::from_secs(10);
        assert!(least.sample(at(0), ms(30), window));
        assert!(!least.sample(at(5), ms(40), window));
        assert!(least.sample(at(6), ms(30), window), "an equal one keeps it young");
        assert!(!least.sample(at(16), ms(40), window));
        assert!(least.sample(at(17), ms(40), window));
        assert_eq!(least.get(), Some(ms(40)));
    }
}
