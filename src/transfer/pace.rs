//! How much may be asked of one source, and how fast: congestion control, BBR turned around for one who asks.
//!
//! A sender's bytes in flight are here the bytes of answers that were asked for and have not come; its acknowledgements
//! are the answers. The bottleneck and its queue lie on the way of the answers. What follows from the difference, and
//! what differs from BBR version 1:
//!
//! - losses: see [`losses`]. Asks are made at the model's rate divided by what unavoidably survives, because on a path
//!   that loses a fifth of large datagrams the gain of 1.25 would not make up for the losses,
//! - a timeout reduces the window to one datagram or [`WINDOW_AFTER_TIMEOUT`] bytes, as RFC 8085 and RFC 5681 demand.
//!   It doubles each round trip up to what the model allows, because the model may still be right,
//! - portions follow the steps of the event loop's timers: see [`credit`].
//!
//! It refuses to know what is asked for; [`super::path`] does.

pub mod credit;
pub mod delivery;
pub mod filter;
pub mod losses;
pub mod model;

use crate::time::Time;
use credit::Credit;
use delivery::{Delivery, Stamp, micros};
use losses::Losses;
use model::{Model, Phase, View};
use std::time::Duration;

/// What may be asked for before the first answer, in bytes (RFC 6928; RFC 9002, 7.2).
pub const WINDOW_FIRST: u64 = 14_720;

/// The least that may be in flight, in datagrams: with fewer, one loss would often leave nothing to notice it by (BBR).
pub const WINDOW_MIN_DATAGRAMS: u64 = 4;

/// What may be in flight after a timeout, in bytes, if that is more than a datagram: two packets (RFC 9002, 7.2).
pub const WINDOW_AFTER_TIMEOUT: u64 = 2_456;

/// What may be in flight on a path whose round trip is shorter than a step of our timers, in bytes: most of it does not
/// stand on the way but in the buffer of our own socket. Linux gives that twice the 212,992 bytes of
/// `net.core.rmem_max` unless somebody has changed it, and deducts the memory that a datagram takes, about a tenth more
/// than its bytes: nine of the largest fit.
const WINDOW_NEAR: u64 = 8 * 43_820;

/// The pace of one path.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    delivery: Delivery,
    model: Model,
    losses: Losses,
    credit: Credit,
    /// Bytes awaited.
    in_flight: u64,
    /// What may be in flight, before the phase's own limit.
    window: u64,
    /// How large an answer is: the largest of those that were asked for lately.
    datagram: u64,
    smoothed: Option<Duration>,
}

impl Pace {
    /// A path of which nothing is known.
    pub fn new(now: Time) -> Pace {
        Pace {
            delivery: Delivery::default(),
            model: Model::default(),
            losses: Losses::default(),
            credit: Credit::new(now),
            in_flight: 0,
            window: WINDOW_FIRST,
            datagram: 0,
            smoothed: None,
        }
    }

    /// Bytes that may be asked for now; one datagram may exceed what is left.
    pub fn may_ask(&self, now: Time) -> u64 {
        self.room().min(self.credit.available(now))
    }

    /// When something may be asked for, if not an answer or a loss has to come first.
    pub fn next_ask(&self) -> Option<Time> {
        (self.room() > 0).then(|| self.credit.next())
    }

    /// Bytes awaited.
    pub fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// The rate at which answers can come, bytes a second; 0 while unknown.
    pub fn rate(&self) -> u64 {
        let bandwidth = self.model.bandwidth();
        self.losses.ceiling().map_or(bandwidth, |ceiling| ceiling.min(bandwidth))
    }

    /// The shortest round trip of late.
    pub fn shortest(&self) -> Option<Duration> {
        self.model.shortest()
    }

    /// Where the model stands.
    pub fn phase(&self) -> Phase {
        self.model.phase()
    }

    /// The share of asks that is lost whatever we do, in thousandths.
    pub fn loss_floor(&self) -> u64 {
        self.losses.floor()
    }

    /// One answer of so many bytes is asked for; the stamp comes back with it.
    pub fn asked(&mut self, now: Time, bytes: u64) -> Stamp {
        self.datagram = bytes.max(self.datagram - self.datagram / 8);
        if self.in_flight == 0 {
            self.model.restart();
            self.settle(now);
        }
        let stamp = self.delivery.asked(now, self.in_flight);
        self.in_flight += bytes;
        self.credit.spend(now, bytes);
        stamp
    }

    /// What was asked for will not be waited for any more, for no fault of the path.
    pub fn withdraw(&mut self, bytes: u64) {
        self.in_flight = self.in_flight.saturating_sub(bytes);
    }

    /// There is nothing more to ask for.
    pub fn limit(&mut self, now: Time) {
        if self.may_ask(now) > 0 {
            self.delivery.limit(self.in_flight);
        }
    }

    /// An answer of so many bytes has come to what was asked with `stamp`. `elapsed` is its round trip if that is
    /// certain, `was_lost` whether it had been given up. Whoever calls has already withdrawn what was awaited.
    pub fn arrived(&mut self, now: Time, stamp: &Stamp, bytes: u64, elapsed: Option<Duration>, was_lost: bool) {
        let shortest = self.model.shortest().or(elapsed).unwrap_or_default();
        let sample = self.delivery.arrived(now, stamp, bytes, shortest);
        self.losses.arrived(stamp.asked, was_lost);
        let delivered = self.delivery.delivered();
        let pipe = self.over_floor(self.model.pipe());
        let view = View { in_flight: self.in_flight, delivered, pipe, window_min: self.window_min() };
        let before = self.model.phase();
        if self.model.arrived(now, &sample, elapsed, view) {
            if matches!(self.model.phase(), Phase::ProbeBw(_)) && matches!(before, Phase::ProbeBw(_)) {
                self.losses.end_round(now, self.model.round(), delivered, self.is_queued());
            } else {
                self.losses.restart(now, self.model.round(), delivered);
            }
        }
        self.grow(bytes);
        self.settle(now);
    }

    /// The smoothed round trip is news.
    pub fn set_smoothed(&mut self, smoothed: Option<Duration>) {
        self.smoothed = smoothed;
    }

    /// What was asked with `stamp` is given up.
    pub fn lost(&mut self, stamp: &Stamp, bytes: u64) {
        self.withdraw(bytes);
        self.losses.lost(stamp.asked);
        self.model.lost();
    }

    /// Nothing has come for as long as one waits.
    pub fn timed_out(&mut self, now: Time) {
        self.window = WINDOW_AFTER_TIMEOUT.max(self.datagram);
        self.settle(now);
    }

    /// By what arrived, up to what the model allows; while the model knows nothing, without a bound (slow start).
    fn grow(&mut self, bytes: u64) {
        let target = self.model.pipe() * self.model.window_gain().max(100) / 100 + self.burst();
        let target = target.max(self.window_min());
        let target = if self.is_near() { target.min(WINDOW_NEAR) } else { target };
        if self.model.is_full() {
            self.window = (self.window + bytes).min(target);
        } else if self.window < target || self.delivery.delivered() < WINDOW_FIRST {
            self.window += bytes;
        }
    }

    /// What may still be asked for without having too much in flight.
    fn room(&self) -> u64 {
        let mut window = self.window;
        if matches!(self.model.phase(), Phase::ProbeRtt(_)) {
            let half = self.over_floor(self.model.pipe()) * self.model.window_gain() / 100;
            window = window.min(half.max(self.window_min()));
        }
        window.saturating_sub(self.in_flight)
    }

    /// Whether answers take clearly longer than the shortest round trip.
    fn is_queued(&self) -> bool {
        let limit = self.model.shortest().map(|shortest| shortest + shortest / 16);
        self.smoothed.zip(limit).is_some_and(|(smoothed, limit)| smoothed > limit)
    }

    /// Whether answers come back within a step of the timers.
    fn is_near(&self) -> bool {
        self.model.shortest().is_some_and(|shortest| shortest < credit::BURST)
    }

    fn window_min(&self) -> u64 {
        WINDOW_MIN_DATAGRAMS * self.datagram
    }

    fn burst(&self) -> u64 {
        credit::burst(self.model.bandwidth(), self.datagram)
    }

    /// What has to be asked for so that so much arrives.
    fn over_floor(&self, amount: u64) -> u64 {
        amount.saturating_mul(1_000) / (1_000 - self.losses.floor())
    }

    /// Takes over the rate that the model has come to.
    fn settle(&mut self, now: Time) {
        let gained = self.model.bandwidth().saturating_mul(self.model.pacing_gain()) / 100;
        let expected = self.losses.ceiling().map_or(gained, |ceiling| ceiling.min(gained));
        let rate = if self.model.bandwidth() > 0 {
            // Never less than a datagram each round trip, or nothing would ever be measured.
            let least = self.smoothed.map_or(0, |smoothed| self.datagram.saturating_mul(1_000_000) / micros(smoothed));
            self.over_floor(expected).max(least)
        } else {
            credit::RATE_MAX
        };
        self.credit.set_rate(now, rate, self.datagram);
    }
}

#[cfg(test)]
mod tests {
    use super::credit::BURST;
    use super::*;
    use std::collections::VecDeque;

    const DATAGRAM: u64 = 43_820;

    /// The most that is ever in flight, and the rate reached, over a pipe of `rate` bytes a second with this round trip
    /// and room for every queue.
    fn fill(rate: u64, round_trip: Duration) -> (u64, u64) {
        let takes = Duration::from_nanos(DATAGRAM * 1_000_000_000 / rate);
        let mut now = Time::from_micros(1);
        let mut pace = Pace::new(now);
        let mut on_the_way: VecDeque<(Time, Stamp)> = VecDeque::new();
        let mut is_free = now;
        let mut most = 0;
        let started = now;
        while now.since(started) < Duration::from_secs(1) {
            while pace.may_ask(now) > 0 {
                let stamp = pace.asked(now, DATAGRAM);
                is_free = is_free.max(now + round_trip) + takes;
                on_the_way.push_back((is_free, stamp));
            }
            most = most.max(pace.in_flight());
            let next = on_the_way.front().map(|(at, _)| *at);
            match (next, pace.next_ask().filter(|at| *at > now)) {
                (Some(at), ask) if ask.is_none_or(|ask| at <= ask) => {
                    let (_, stamp) = on_the_way.pop_front().unwrap();
                    now = now.max(at);
                    pace.withdraw(DATAGRAM);
                    let elapsed = now.since(stamp.asked);
                    pace.set_smoothed(Some(elapsed));
                    pace.arrived(now, &stamp, DATAGRAM, Some(elapsed), false);
                }
                (_, Some(ask)) => now = ask,
                (at, None) => now = at.unwrap_or(now + BURST),
            }
        }
        (most, pace.delivery.delivered() * 1_000_000 / now.since(started).as_micros() as u64)
    }

    #[test]
    fn what_is_in_flight_nearby_fits_the_buffer_of_the_socket_and_still_fills_the_path() {
        for rate in [100_000_000, 400_000_000, 1_000_000_000] {
            let (most, reached) = fill(rate, Duration::from_micros(100));
            assert!(most <= WINDOW_NEAR + DATAGRAM, "{rate}: {most} in flight");
            assert!(reached >= rate / 10 * 9, "{rate}: only {reached}");
        }
    }

    #[test]
    fn what_is_in_flight_far_away_is_as_much_as_the_path_needs() {
        let (most, reached) = fill(200_000_000, Duration::from_millis(20));
        assert!(most >= 4_000_000 && reached >= 160_000_000, "{most} in flight, {reached}");
    }
}
