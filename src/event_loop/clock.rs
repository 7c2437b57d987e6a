//! The clocks and the entropy: where time and chance enter the program.
//!
//! The node's time is monotonic and counts from the start. The wall clock serves for showing the time of day, for
//! dating our own group messages, and for noticing that the machine has slept, since the monotonic clock sleeps with
//! it. A process that was stopped (Ctrl-Z, or a machine that was paused from outside) has slept as well: that time is
//! left out too, or whoever brings it back to the foreground would see everything time out that it could not wait for.

use super::upkeep::UPKEEP_PAUSE;
use crate::time::Time;
use rand::TryRng;
#[expect(clippy::disallowed_types, reason = "the event loop is where chance enters")]
use rand::rngs::SysRng;
use std::cell::Cell;
use std::io;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// By how much the wall clock has to run ahead of ours between two looks before we think that the machine was asleep.
/// Corrections by a time service are far smaller, save for the first one after a start without a clock.
const SLEEP_MIN: Duration = Duration::from_secs(5);

/// The event loop looks at the clock at least every [`UPKEEP_PAUSE`]. If it has not done so for this long, it was not
/// running; what a busy machine may delay it by is far less than the difference.
const GAP_MIN: Duration = UPKEEP_PAUSE.saturating_add(SLEEP_MIN);

/// The clocks, as of the start and of the last look.
#[derive(Debug)]
pub(super) struct Clock {
    start: Instant,
    /// How long the node had been running at the last look.
    looked: Cell<Duration>,
    /// For how much of that the process was stopped.
    stopped: Cell<Duration>,
    wall_ahead: Duration,
    last_unix_ms: u64,
}

impl Clock {
    pub(super) fn start() -> Clock {
        let mut clock = Clock {
            start: instant(),
            looked: Cell::default(),
            stopped: Cell::default(),
            wall_ahead: Duration::ZERO,
            last_unix_ms: 0,
        };
        clock.wall_ahead = clock.measure_wall_ahead();
        clock
    }

    /// The node's time.
    pub(super) fn now(&self) -> Time {
        Time::from_micros(u64::try_from(self.awake().as_micros()).unwrap_or(u64::MAX))
    }

    /// How long the node has been running, without the time for which its process was stopped.
    fn awake(&self) -> Duration {
        let uptime = self.uptime();
        let gap = uptime.saturating_sub(self.looked.replace(uptime));
        if gap >= GAP_MIN {
            self.stopped.set(self.stopped.get().saturating_add(gap));
        }
        uptime.saturating_sub(self.stopped.get())
    }

    /// How long the node has been running.
    pub(super) fn uptime(&self) -> Duration {
        instant().saturating_duration_since(self.start)
    }

    /// Whether the machine seems to have slept, or the process was stopped, since this was asked last.
    pub(super) fn has_slept(&mut self) -> bool {
        let now = self.measure_wall_ahead();
        let before = std::mem::replace(&mut self.wall_ahead, now);
        now > before + SLEEP_MIN
    }

    /// Milliseconds since 1970, later than any that were given out before.
    pub(super) fn next_unix_ms(&mut self) -> u64 {
        self.last_unix_ms = unix_ms().max(self.last_unix_ms.saturating_add(1));
        self.last_unix_ms
    }

    fn measure_wall_ahead(&self) -> Duration {
        wall().saturating_sub(self.awake())
    }
}

/// Milliseconds since 1970.
pub(super) fn unix_ms() -> u64 {
    u64::try_from(wall().as_millis()).unwrap_or(u64::MAX)
}

/// Seconds since 1970.
pub fn unix_seconds() -> u64 {
    wall().as_secs()
}

/// The time since 1970; zero on a machine that believes in earlier times.
#[expect(clippy::disallowed_methods, reason = "the event loop is where the time of day enters")]
fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "the event loop is where time enters")]
fn instant() -> Instant {
    Instant::now()
}

/// 32 random bytes: the seed of all the node's randomness, or that of its key.
///
/// # Errors
/// If the system has no entropy to give.
pub fn entropy() -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    SysRng.try_fill_bytes(&mut seed).map_err(io::Error::other)?;
    Ok(seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_our_messages_only_grow() {
        let mut clock = Clock::start();
        let dates: Vec<u64> = (0..100).map(|_| clock.next_unix_ms()).collect();
        assert!(dates.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn a_machine_that_was_awake_has_not_slept_and_one_that_fell_behind_has() {
        let mut clock = Clock::start();
        assert!(!clock.has_slept());
        clock.wall_ahead = clock.wall_ahead.saturating_sub(SLEEP_MIN * 2);
        assert!(clock.has_slept());
        assert!(!clock.has_slept());
    }

    #[test]
    fn the_time_for_which_the_process_was_stopped_does_not_count() {
        let mut clock = Clock::start();
        let start = clock.now();
        clock.start -= GAP_MIN - Duration::from_secs(1);
        let waited = clock.now();
        assert!(waited.since(start) >= GAP_MIN - Duration::from_secs(1));
        let ahead = clock.measure_wall_ahead();
        clock.start -= GAP_MIN * 4;
        assert!(clock.now().since(waited) < GAP_MIN);
        // The wall clock, which this test cannot move, would be ahead by as much as it went on meanwhile.
        assert!(clock.measure_wall_ahead() + SLEEP_MIN > ahead);
        assert!(clock.uptime() > GAP_MIN * 4);
    }
}
