//! The second half of invariant 8: how often an address is written to that never answered, by our own initiative.

use cjp2p_node::Time;
use std::time::Duration;

/// What an address that never answered is sent at most within a minute of the first datagram.
pub const FIRST_MINUTE_MAX: usize = 5;

/// What it is sent at most within any hour.
pub const HOUR_MAX: usize = 12;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// The datagrams sent to one address that never answered.
#[derive(Debug, Default)]
pub struct Contacts {
    times: Vec<Time>,
}

impl Contacts {
    /// The last one never left.
    pub fn take_back(&mut self) {
        self.times.pop();
    }

    /// One more was sent.
    pub fn add(&mut self, now: Time) -> Result<(), String> {
        self.times.push(now);
        let Some(first) = self.times.first().copied() else { return Ok(()) };
        let in_minute = self.times.iter().filter(|time| time.since(first) < MINUTE).count();
        if in_minute > FIRST_MINUTE_MAX {
            return Err(format!("{in_minute} datagrams within a minute to an address that never answered"));
        }
        let in_hour = self.times.iter().rev().take_while(|time| now.since(**time) < HOUR).count();
        if in_hour > HOUR_MAX {
            return Err(format!("{in_hour} datagrams within an hour to an address that never answered"));
        }
        Ok(())
    }
}
