//! How fast answers come: delivery-rate estimation (draft-cheng-iccrg-delivery-rate-estimation), for each answer.
//!
//! Between an ask and its answer so many other bytes have arrived; divided by the longer of the two times, in which
//! those were asked for and in which they arrived, that is a rate that no burst exceeds. It refuses to believe rates
//! measured over less than the shortest round trip, because those are bursts.

use super::credit::RATE_MAX;
use crate::time::Time;
use std::time::Duration;

/// What is remembered with each ask.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// When it was asked.
    pub asked: Time,
    /// What had arrived by then.
    pub delivered: u64,
    delivered_at: Time,
    first_asked: Time,
    is_limited: bool,
}

/// What one answer tells.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// What had arrived when this answer was asked for.
    pub delivered_before: u64,
    /// Bytes a second; `None` if they were measured over too short a time.
    pub rate: Option<u64>,
    /// Whether less was asked for than was allowed, so that the path could have done better.
    pub is_limited: bool,
}

/// The books of one path.
#[derive(Clone, Copy, Debug, Default)]
pub struct Delivery {
    delivered: u64,
    delivered_at: Time,
    first_asked: Time,
    /// What is asked until so much has arrived is limited by who asks, not by the path; 0 if it is not.
    limited_until: u64,
}

impl Delivery {
    /// All bytes that ever arrived.
    pub fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Something is asked for while so many bytes were already awaited.
    pub fn asked(&mut self, now: Time, in_flight: u64) -> Stamp {
        if in_flight == 0 {
            self.first_asked = now;
            self.delivered_at = now;
        }
        Stamp {
            asked: now,
            delivered: self.delivered,
            delivered_at: self.delivered_at,
            first_asked: self.first_asked,
            is_limited: self.limited_until > 0,
        }
    }

    /// The answer has come. `shortest` is the least time that a rate is believed over.
    pub fn arrived(&mut self, now: Time, stamp: &Stamp, bytes: u64, shortest: Duration) -> Sample {
        self.delivered += bytes;
        self.delivered_at = now;
        self.first_asked = self.first_asked.max(stamp.asked);
        if self.delivered > self.limited_until {
            self.limited_until = 0;
        }
        let asking = stamp.asked.since(stamp.first_asked);
        let arriving = now.since(stamp.delivered_at);
        let interval = asking.max(arriving);
        let rate = (interval >= shortest.max(Duration::from_micros(1)))
            .then(|| (self.delivered - stamp.delivered).saturating_mul(1_000_000) / micros(interval))
            .map(|rate| rate.min(RATE_MAX));
        Sample { delivered_before: stamp.delivered, rate, is_limited: stamp.is_limited }
    }

    /// There is nothing more to ask for, though more would be allowed.
    pub fn limit(&mut self, in_flight: u64) {
        self.limited_until = (self.delivered + in_flight).max(1);
    }
}

/// A duration as a number to calculate with, at least 1.
pub(super) fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORTEST: Duration = Duration::from_millis(50);

    fn at(ms: u64) -> Time {
        Time::from_micros(ms * 1_000)
    }

    #[test]
    fn the_rate_is_what_arrives_over_the_longer_of_asking_and_arriving() {
        let mut delivery = Delivery::default();
        // Asked for 1,000 bytes every 10 ms, each answered after 50 ms.
        let stamps: Vec<Stamp> = (0..5).map(|n| delivery.asked(at(n * 10), n * 1_000)).collect();
        let rates: Vec<Option<u64>> =
            (0..5).map(|n| delivery.arrived(at(50 + n * 10), &stamps[n as usize], 1_000, SHORTEST).rate).collect();
        assert_eq!(rates, [20_000, 33_333, 42_857, 50_000, 55_555].map(Some));
        let last = delivery.asked(at(90), 1_000);
        assert_eq!(delivery.arrived(at(140), &last, 1_000, SHORTEST).rate, Some(20_000));
    }

    #[test]
    fn answers_that_come_in_a_burst_make_no_high_rate() {
        let mut delivery = Delivery::default();
        let mut stamps: Vec<Stamp> = (0..10).map(|n| delivery.asked(at(n * 10), n * 1_000)).collect();
        let last = stamps.pop().unwrap_or_else(|| delivery.asked(at(0), 0));
        for stamp in &stamps {
            delivery.arrived(at(140), stamp, 1_000, SHORTEST);
        }
        assert_eq!(delivery.arrived(at(140), &last, 1_000, SHORTEST).rate, Some(10_000 * 1_000 / 140));
    }

    #[test]
    fn a_rate_over_less_than_the_shortest_round_trip_is_none() {
        let mut delivery = Delivery::default();
        let stamp = delivery.asked(at(0), 0);
        assert_eq!(delivery.arrived(at(49), &stamp, 1_000, SHORTEST).rate, None);
    }

    #[test]
    fn what_is_asked_while_there_is_little_to_ask_is_marked_until_it_has_arrived() {
        let mut delivery = Delivery::default();
        let full = delivery.asked(at(0), 0);
        delivery.limit(1_000);
        let limited = delivery.asked(at(1), 1_000);
        assert!(!delivery.arrived(at(50), &full, 1_000, SHORTEST).is_limited);
        assert!(delivery.arrived(at(51), &limited, 1_000, SHORTEST).is_limited);
        let after = delivery.asked(at(52), 0);
        assert!(!delivery.arrived(at(102), &after, 1_000, SHORTEST).is_limited);
    }
}
