//! Rate limits, as one number each: the generic cell rate algorithm (ITU-T I.371, "virtual scheduling").
//!
//! A limit remembers when the next event would be due if events came evenly. An event that comes earlier is within the
//! limit as long as it is not earlier than the burst allows.

use crate::time::Time;
use std::time::Duration;

/// How much is allowed: `burst` at once, then one every `interval`.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// How many may come at once after a pause.
    pub burst: u32,
    /// The time that one event is worth.
    pub interval: Duration,
}

/// The state of one limit: when the next event would be due. Zero is a limit that has not been used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limiter {
    due: Time,
}

impl Limiter {
    /// Whether one more event would be within the rate.
    pub fn is_within(&self, now: Time, rate: Rate) -> bool {
        self.due.since(now) <= rate.interval * rate.burst.saturating_sub(1)
    }

    /// Whether nothing is left of what was counted.
    pub fn is_unused(&self, now: Time) -> bool {
        self.due <= now
    }

    /// True, and counted, if one more event is within the rate.
    pub fn allow(&mut self, now: Time, rate: Rate) -> bool {
        let is_within = self.is_within(now, rate);
        if is_within {
            self.due = self.due.max(now) + rate.interval;
        }
        is_within
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_one_event_each_interval() {
        let rate = Rate { burst: 3, interval: Duration::from_secs(2) };
        let mut limiter = Limiter::default();
        let mut allowed_at = Vec::new();
        for second in 10..20 {
            for _ in 0..5 {
                if limiter.allow(Time::from_micros(second * 1_000_000), rate) {
                    allowed_at.push(second);
                }
            }
        }
        assert_eq!(allowed_at, [10, 10, 10, 12, 14, 16, 18]);
    }
}
