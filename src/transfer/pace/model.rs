//! The model of the path and the phases that keep it true: BBR (Cardwell et al., "BBR: Congestion-Based Congestion
//! Control", CACM 2017; draft-cardwell-iccrg-bbr-congestion-control).
//!
//! A path is a rate and a delay, and they cannot be measured at once: the rate shows when the pipe is full, the delay
//! when no queue stands in it. So the phases take turns:
//!
//! - **Startup** doubles the rate each round trip until it no longer grows,
//! - **Drain** empties the queue that this has built,
//! - **ProbeBw** asks at the measured rate, a little more for one round trip of eight and as much less in the next,
//! - **ProbeRtt** lets the queue run empty for a moment when the shortest round trip has not been seen for a while. It
//!   is the gentler and more frequent one of BBR version 2: half a pipe, every five seconds.

use super::delivery::{Sample, micros};
use super::filter::Maximum;
use crate::time::Time;
use crate::transfer::rtt::Minimum;
use std::time::Duration;

/// Startup's gain in percent, 2/ln 2: the least that doubles the rate each round trip.
const STARTUP_GAIN: u64 = 289;

/// Drain's gain: what Startup has built in one round trip leaves in one.
const DRAIN_GAIN: u64 = 35;

/// The gains of ProbeBw, a minimal round trip each.
const CYCLE: [u64; 8] = [125, 75, 100, 100, 100, 100, 100, 100];

/// How many pipes may be in flight, in percent: room for answers that come late or together. In Startup too, as in BBR
/// version 3: more would only be a queue, and would push others aside.
const WINDOW_GAIN: u64 = 200;

/// What may be in flight in ProbeRtt (BBR version 2).
const PROBE_RTT_GAIN: u64 = 50;

/// How many round trips a measured rate is believed.
const BANDWIDTH_ROUNDS: u64 = 10;

/// How many it is believed while answers take more than [`LONG`] shortest ones: rounds are long then, and a rate that
/// has fallen keeps its own queue standing for as long as it is believed.
const BANDWIDTH_ROUNDS_LONG: u64 = 4;

/// Our own window of two pipes makes answers take two round trips; what exceeds that by half is a fallen rate, or
/// others.
const LONG: u32 = 3;

/// The pipe is full when the rate has not grown by a quarter in so many round trips.
const FULL_ROUNDS: u32 = 3;

/// How long ProbeRtt lasts at least.
const PROBE_RTT_TIME: Duration = Duration::from_millis(200);

/// ProbeRtt comes when the shortest round trip of late is so old.
pub const PROBE_RTT_AFTER: Duration = Duration::from_secs(5);

/// How long the shortest round trip is believed: two probes, so that one that failed does not count.
pub const SHORTEST_AFTER: Duration = Duration::from_secs(10);

/// The least duration of a phase of the cycle: the event loop's timers know nothing shorter.
const PHASE_MIN: Duration = Duration::from_millis(1);

/// How many minimal round trips the phase with less than the rate lasts at most. It ends when no more than a pipe is in
/// flight (so does Linux's BBR since its "drain to target"); beside a TCP that fills a deep queue this may take long,
/// and would cost most of our share.
const DRAIN_PHASES_MAX: u32 = 7;

/// Where the model stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Looking for the rate.
    #[default]
    Startup,
    /// Emptying the queue.
    Drain,
    /// At the rate, or a little off it; the number is the place in the cycle.
    ProbeBw(usize),
    /// Looking for the delay. The time and the round after which it ends, once the queue is empty.
    ProbeRtt(Option<(Time, u64)>),
}

/// What the model is told with each answer.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// Bytes awaited.
    pub in_flight: u64,
    /// Bytes that ever arrived.
    pub delivered: u64,
    /// How many bytes fill the pipe once.
    pub pipe: u64,
    /// The least that may be in flight.
    pub window_min: u64,
}

/// The model of one path.
#[derive(Clone, Copy, Debug, Default)]
pub struct Model {
    bandwidth: Maximum,
    shortest: Minimum,
    probe: Minimum,
    phase: Phase,
    since: Time,
    had_loss: bool,
    round: u64,
    round_ends: u64,
    full_rate: u64,
    full_rounds: u32,
    is_idle: bool,
}

impl Model {
    /// The rate at which answers come when the pipe is full, bytes a second; 0 while unknown.
    pub fn bandwidth(&self) -> u64 {
        self.bandwidth.get()
    }

    /// The shortest round trip of late.
    pub fn shortest(&self) -> Option<Duration> {
        self.shortest.get()
    }

    /// Where the model stands.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Round trips so far.
    pub fn round(&self) -> u64 {
        self.round
    }

    /// Whether the rate was found.
    pub fn is_full(&self) -> bool {
        self.full_rounds >= FULL_ROUNDS
    }

    /// How much faster than answers come they are to be asked for, in percent.
    pub fn pacing_gain(&self) -> u64 {
        match self.phase {
            Phase::Startup => STARTUP_GAIN,
            Phase::Drain => DRAIN_GAIN,
            Phase::ProbeBw(place) => CYCLE[place % CYCLE.len()],
            Phase::ProbeRtt(_) => 100,
        }
    }

    /// How many pipes may be in flight, in percent.
    pub fn window_gain(&self) -> u64 {
        match self.phase {
            Phase::Startup | Phase::Drain | Phase::ProbeBw(_) => WINDOW_GAIN,
            Phase::ProbeRtt(_) => PROBE_RTT_GAIN,
        }
    }

    /// The bytes that fill the path once at the known rate, by the shortest round trip.
    pub fn pipe(&self) -> u64 {
        let shortest = self.shortest().map_or(0, micros);
        self.bandwidth().saturating_mul(shortest) / 1_000_000
    }

    /// Asking begins again after a pause: old round trips do not make a ProbeRtt necessary, since no queue stands.
    pub fn restart(&mut self) {
        self.is_idle = true;
    }

    /// Something was given up.
    pub fn lost(&mut self) {
        self.had_loss = true;
    }

    /// An answer has come. True if a round trip has ended with it.
    pub fn arrived(&mut self, now: Time, sample: &Sample, elapsed: Option<Duration>, view: View) -> bool {
        let has_ended = sample.delivered_before >= self.round_ends;
        if has_ended {
            self.round_ends = view.delivered;
            self.round += 1;
        }
        if let Some(rate) = sample.rate
            && (!sample.is_limited || rate >= self.bandwidth())
        {
            let is_long = elapsed.zip(self.shortest()).is_some_and(|(elapsed, shortest)| elapsed > shortest * LONG);
            let window = if is_long { BANDWIDTH_ROUNDS_LONG } else { BANDWIDTH_ROUNDS };
            self.bandwidth.sample(self.round, rate, window);
        }
        if has_ended && !sample.is_limited {
            self.look_whether_full();
        }
        self.go_on(now, view);
        self.look_for_the_delay(now, elapsed, view);
        self.is_idle = false;
        has_ended
    }

    fn look_whether_full(&mut self) {
        if self.is_full() || self.bandwidth() == 0 {
            return;
        }
        if self.bandwidth() >= self.full_rate.saturating_mul(5) / 4 {
            self.full_rate = self.bandwidth();
            self.full_rounds = 0;
        } else {
            self.full_rounds += 1;
        }
    }

    fn go_on(&mut self, now: Time, view: View) {
        match self.phase {
            Phase::Startup if self.is_full() => self.enter(now, Phase::Drain),
            Phase::Drain if view.in_flight <= view.pipe => self.enter_probe_bw(now, view),
            Phase::ProbeBw(place) if self.is_phase_over(now, place, view) => {
                self.enter(now, Phase::ProbeBw((place + 1) % CYCLE.len()));
            }
            _ => {}
        }
    }

    fn is_phase_over(&self, now: Time, place: usize, view: View) -> bool {
        let shortest = self.shortest().unwrap_or_default().max(PHASE_MIN);
        let is_time = now.since(self.since) > shortest;
        match CYCLE[place % CYCLE.len()] {
            gain if gain > 100 => is_time && (self.had_loss || view.in_flight >= view.pipe * gain / 100),
            gain if gain < 100 => view.in_flight <= view.pipe || now.since(self.since) > shortest * DRAIN_PHASES_MAX,
            _ => is_time,
        }
    }

    fn look_for_the_delay(&mut self, now: Time, elapsed: Option<Duration>, view: View) {
        let is_due = self.probe.is_older_than(now, PROBE_RTT_AFTER);
        if let Some(elapsed) = elapsed {
            self.probe.sample(now, elapsed, PROBE_RTT_AFTER);
            if self.probe.get() <= self.shortest()
                || self.shortest.is_older_than(now, SHORTEST_AFTER)
                || self.shortest().is_none()
            {
                self.shortest = self.probe;
            }
        }
        match self.phase {
            Phase::ProbeRtt(None) if view.in_flight <= (view.pipe * PROBE_RTT_GAIN / 100).max(view.window_min) => {
                self.phase = Phase::ProbeRtt(Some((now + PROBE_RTT_TIME, self.round + 1)));
            }
            Phase::ProbeRtt(Some((end, round))) if now >= end && self.round > round => {
                if self.is_full() {
                    self.enter_probe_bw(now, view);
                } else {
                    self.enter(now, Phase::Startup);
                }
            }
            Phase::ProbeRtt(_) => {}
            _ if is_due && !self.is_idle => self.enter(now, Phase::ProbeRtt(None)),
            _ => {}
        }
    }

    fn enter(&mut self, now: Time, phase: Phase) {
        self.phase = phase;
        self.since = now;
        self.had_loss = false;
    }

    /// Begins at a place of the cycle that differs from path to path, so that not all probe at once, and never with the
    /// gain that makes room for nothing.
    fn enter_probe_bw(&mut self, now: Time, view: View) {
        let mixed = (now.as_micros() ^ view.delivered.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let place = (mixed >> 33) as usize % (CYCLE.len() - 1);
        self.enter(now, Phase::ProbeBw(if place == 0 { 0 } else { place + 1 }));
    }
}
