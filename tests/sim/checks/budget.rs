//! Invariant 1, exactly: what an unverified source may be sent in reply, over every window of a minute.
//!
//! The node under test keeps a coarse account in a fixed table; this one keeps every byte, so it may grow with the
//! number of sources and forgets only what no window can contain any more.

use cjp2p_node::Time;
use cjp2p_node::wire::HEADER_BYTES;
use std::collections::VecDeque;
use std::time::Duration;

/// The length of the windows.
pub const WINDOW: Duration = Duration::from_secs(60);

/// What was heard from one source without a token, and what it was answered.
#[derive(Debug, Default)]
pub struct Account {
    /// Replied bytes minus twice the heard bytes, since the beginning.
    balance: i64,
    /// The balance before each request of the last minute that starts a worst window: ever greater towards the back.
    before: VecDeque<(Time, i64)>,
    /// The sizes of requests in the last minute that could be the largest: ever smaller towards the back.
    largest: VecDeque<(Time, i64)>,
}

fn with_header(bytes: usize) -> i64 {
    (bytes + HEADER_BYTES) as i64
}

impl Account {
    /// A request came in.
    pub fn hear(&mut self, now: Time, bytes: usize) {
        self.forget(now);
        while self.before.back().is_some_and(|(_, balance)| *balance >= self.balance) {
            self.before.pop_back();
        }
        self.before.push_back((now, self.balance));
        let size = with_header(bytes);
        while self.largest.back().is_some_and(|(_, other)| *other <= size) {
            self.largest.pop_back();
        }
        self.largest.push_back((now, size));
        self.balance -= 2 * size;
    }

    /// A reply of these datagrams went out to the request just heard, which had so many bytes.
    pub fn reply(&mut self, now: Time, request: usize, datagrams: &[usize]) -> Result<(), String> {
        self.forget(now);
        let size: i64 = datagrams.iter().map(|bytes| with_header(*bytes)).sum();
        self.balance += size;
        if 2 * size > 5 * with_header(request) {
            return Err(format!("a request of {request} bytes without token was answered with {datagrams:?} bytes"));
        }
        let least = self.before.front().map_or(self.balance, |(_, balance)| *balance);
        let overdraft = self.largest.front().map_or(0, |(_, size)| *size);
        let excess = self.balance - least;
        if 2 * excess > overdraft {
            return Err(format!(
                "within a minute, {excess} bytes beyond twice the heard; the overdraft is {overdraft}/2"
            ));
        }
        Ok(())
    }

    /// A request whose token may have been void was answered with these datagrams. If that was less than twice as much,
    /// the rest counts like that of any small answer to a stranger.
    pub fn pay_back(&mut self, now: Time, request: usize, datagrams: &[usize]) {
        let size: i64 = datagrams.iter().map(|bytes| with_header(*bytes)).sum();
        if size <= 2 * with_header(request) {
            self.hear(now, request);
            self.balance += size;
        }
    }

    /// True once nothing in here can matter any more.
    pub fn is_over(&self, now: Time) -> bool {
        self.before.back().is_none_or(|(time, _)| now.since(*time) >= WINDOW)
    }

    fn forget(&mut self, now: Time) {
        for list in [&mut self.before, &mut self.largest] {
            while list.front().is_some_and(|(time, _)| now.since(*time) >= WINDOW) {
                list.pop_front();
            }
        }
    }
}
