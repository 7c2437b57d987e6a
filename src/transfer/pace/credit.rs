//! Asking in small portions: credit grows with time and is spent by asking.
//!
//! The event loop's timers fire in steps of a millisecond, so a portion is what a millisecond brings. Credit beyond
//! that is forgotten; a portion that exceeds the credit is a debt, which time pays.

use crate::time::Time;
use std::time::Duration;

/// How much of the rate may be asked for at once: the time between two timers of the event loop.
pub const BURST: Duration = Duration::from_millis(1);

/// How many datagrams may be asked for at once on top, so that a late timer costs nothing.
pub const BURST_DATAGRAMS: u64 = 2;

/// Credit is counted in millionths of a byte: what a rate of one byte a second brings in a microsecond.
const SCALE: i64 = 1_000_000;

/// The rate that is as good as no limit, 64 GB/s; it keeps the arithmetic in range.
pub const RATE_MAX: u64 = 64_000_000_000;

/// The account of one path.
#[derive(Clone, Copy, Debug)]
pub struct Credit {
    balance: i64,
    since: Time,
    rate: u64,
    burst: u64,
}

impl Credit {
    /// No limit, until a rate is known.
    pub fn new(now: Time) -> Credit {
        let burst = burst(RATE_MAX, 0);
        Credit { balance: scaled(burst), since: now, rate: RATE_MAX, burst }
    }

    /// Settles what the old rate has brought, and goes on with a new one.
    pub fn set_rate(&mut self, now: Time, rate: u64, datagram: u64) {
        self.balance = self.balance(now);
        self.since = now;
        self.rate = rate.clamp(1, RATE_MAX);
        self.burst = burst(self.rate, datagram);
        self.balance = self.balance.min(scaled(self.burst));
    }

    /// What may be asked for at this time, in bytes; 0 means none.
    pub fn available(&self, now: Time) -> u64 {
        // A started byte counts, so that waiting until `next` always suffices.
        (self.balance(now).max(0) as u64).div_ceil(SCALE as u64)
    }

    /// So many bytes are asked for.
    pub fn spend(&mut self, now: Time, bytes: u64) {
        self.balance = self.balance(now).saturating_sub(scaled(bytes));
        self.since = now;
    }

    /// When something may be asked for.
    pub fn next(&self) -> Time {
        let missing = 1_i64.saturating_sub(self.balance).max(0) as u64;
        self.since + Duration::from_micros(missing.div_ceil(self.rate.max(1)))
    }

    fn balance(&self, now: Time) -> i64 {
        let elapsed = u64::try_from(now.since(self.since).as_micros()).unwrap_or(u64::MAX);
        let earned = i64::try_from(elapsed.saturating_mul(self.rate)).unwrap_or(i64::MAX);
        self.balance.saturating_add(earned).min(scaled(self.burst))
    }
}

/// How many bytes may be asked for at once at this rate.
pub fn burst(rate: u64, datagram: u64) -> u64 {
    rate.min(RATE_MAX) * BURST.as_micros() as u64 / 1_000_000 + BURST_DATAGRAMS * datagram
}

fn scaled(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX).saturating_mul(SCALE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Time {
        Time::from_micros(micros)
    }

    #[test]
    fn asking_whenever_it_is_allowed_gives_the_rate() {
        for rate in [10_000_u64, 1_250_000, 125_000_000] {
            let mut credit = Credit::new(at(0));
            credit.set_rate(at(0), rate, 1_228);
            let (mut now, mut asked) = (at(0), 0_u64);
            while now < at(10_000_000) {
                while credit.available(now) > 0 {
                    credit.spend(now, 1_228);
                    asked += 1_228;
                }
                // The next whole millisecond, as the event loop wakes.
                now = at(credit.next().as_micros().div_ceil(1_000) * 1_000);
            }
            let expected = rate * 10;
            assert!(asked.abs_diff(expected) <= 4 * 1_228 + rate / 1_000, "{asked} of {expected}");
        }
    }

    #[test]
    fn a_long_rest_saves_no_more_than_a_burst() {
        let mut credit = Credit::new(at(0));
        credit.set_rate(at(0), 10_000_000, 1_000);
        assert_eq!(credit.available(at(3_600_000_000)), 10_000 + 2_000);
    }

    #[test]
    fn waiting_until_the_named_time_suffices() {
        let mut credit = Credit::new(at(0));
        credit.set_rate(at(0), 3, 100);
        credit.spend(at(0), 1_000);
        let next = credit.next();
        assert!(credit.available(next) > 0);
        assert_eq!(credit.available(at(next.as_micros() - 1)), 0);
    }
}
