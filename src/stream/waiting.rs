//! Who asked for a part of a stream that is not there yet, and is told when it comes.
//!
//! Without this, followers would have to ask again and again, or be behind. A place is bought with a question that
//! returned our token, and holds for a few seconds; who goes on following asks again before. When all places are taken
//! newcomers are turned away: others have the stream too, and can be asked.

use super::StreamId;
use crate::sizes::Size;
use crate::time::Time;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How many may wait at a time, for all streams together: each costs as much upload as the stream brings. Those who
/// find no place are fed by those who have one.
pub const WAITING_MAX: usize = 64;

/// How many of them at one IP address: the programs of one household.
pub const WAITING_PER_HOST_MAX: usize = 16;

/// How long a question is remembered: three times as long as a follower waits before it asks again at most.
pub const REMEMBERED: Duration = Duration::from_secs(6);

/// What was sent within this time is taken to be on its way when somebody asks again who does not have it yet. Who has
/// lost it waits a little longer before asking.
const ON_ITS_WAY: Duration = Duration::from_millis(200);

/// How far ahead a question may reach, in bytes: a second of a stream of 1 MB/s.
pub const AHEAD_MAX_BYTES: u64 = 1 << 20;

/// Somebody who waits.
#[derive(Clone, Debug)]
pub struct Waiter {
    /// Who.
    pub to: SocketAddr,
    /// Where what they have ends, in bytes.
    pub from: u64,
    /// Where what they want ends.
    pub until: u64,
    /// When something was sent last.
    pub sent: Option<Time>,
    id: StreamId,
    expires: Time,
}

/// Those who wait.
#[derive(Debug, Default)]
pub struct Waiting {
    waiters: Vec<Waiter>,
}

impl Waiting {
    /// Where what somebody has ends who says that it ends at `from`, when what is on its way has arrived.
    pub fn from(&self, now: Time, to: SocketAddr, id: &StreamId, from: u64) -> u64 {
        let waiter = self.waiters.iter().find(|waiter| waiter.to == to && waiter.id == *id);
        let sent = waiter.filter(|waiter| waiter.sent.is_some_and(|sent| now.since(sent) < ON_ITS_WAY));
        sent.map_or(from, |waiter| waiter.from.max(from))
    }

    /// Lets somebody wait for a part of a stream, instead of what they waited for before. False if there is no place.
    pub fn add(&mut self, now: Time, to: SocketAddr, id: &StreamId, (from, until): (u64, u64)) -> bool {
        let sent = self.waiters.iter().find(|waiter| waiter.to == to && waiter.id == *id).and_then(|it| it.sent);
        self.waiters.retain(|waiter| waiter.expires > now && !(waiter.to == to && waiter.id == *id));
        let of_host = |ip: IpAddr| self.waiters.iter().filter(|waiter| waiter.to.ip() == ip).count();
        if self.waiters.len() >= WAITING_MAX || of_host(to.ip()) >= WAITING_PER_HOST_MAX {
            return false;
        }
        let until = until.min(from.saturating_add(AHEAD_MAX_BYTES));
        self.waiters.push(Waiter { to, from, until, sent, id: id.clone(), expires: now + REMEMBERED });
        true
    }

    /// Those who wait for a stream, to be told more. Who wants no more is let go with [`Waiting::settle`].
    pub fn of(&mut self, now: Time, id: &StreamId) -> impl Iterator<Item = &mut Waiter> {
        self.waiters.iter_mut().filter(move |waiter| waiter.id == *id && waiter.expires > now)
    }

    /// Forgets those who have got all that they asked for.
    pub fn settle(&mut self) {
        self.waiters.retain(|waiter| waiter.from < waiter.until);
    }

    /// Whether somebody waits for a stream.
    pub fn has(&self, now: Time, to: SocketAddr, id: &StreamId) -> bool {
        self.waiters.iter().any(|waiter| waiter.to == to && waiter.id == *id && waiter.expires > now)
    }

    /// Whether anybody waits for a stream.
    pub fn is_awaited(&self, now: Time, id: &StreamId) -> bool {
        self.waiters.iter().any(|waiter| waiter.id == *id && waiter.expires > now)
    }

    /// How many wait.
    pub fn size(&self) -> Size {
        Size::new("askers for what a stream will bring", self.waiters.len(), WAITING_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;

    #[test]
    fn places_are_few_for_one_host_and_for_all_and_do_not_last() {
        let id = StreamId::new(Identity::from_seed(&[1; 32]).public(), "x").unwrap();
        let mut waiting = Waiting::default();
        let host = |n: u8| SocketAddr::from(([198, 51, 100, n], 5_000));
        let port = |n: u16| SocketAddr::from(([198, 51, 100, 1], 5_000 + n));
        let now = Time::from_micros(1);
        let of_one = (0..100).filter(|n| waiting.add(now, port(*n), &id, (0, 10))).count();
        assert_eq!(of_one, WAITING_PER_HOST_MAX);
        assert!(waiting.add(now, port(0), &id, (5, 10)), "who asks again has its place again");
        let of_all = (2..200).filter(|n| waiting.add(now, host(*n), &id, (0, 10))).count();
        assert_eq!(of_all, WAITING_MAX - WAITING_PER_HOST_MAX);
        assert_eq!(waiting.of(now, &id).count(), WAITING_MAX);
        assert_eq!(waiting.of(now + REMEMBERED, &id).count(), 0);
        assert!(waiting.add(now + REMEMBERED, host(250), &id, (0, 10)));
        assert_eq!(waiting.size().len, 1);
    }
}
