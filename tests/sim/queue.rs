//! What is going to happen, in the order of (time, sequence): two happenings at one instant keep the order in which
//! they were planned, so the same seed always plays the same way.

use cjp2p_node::Time;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::net::SocketAddr;

/// A datagram on its way.
#[derive(Clone, Debug)]
pub struct Datagram {
    /// The source as the receiver will see it.
    pub from: SocketAddr,
    /// The destination as the sender wrote it.
    pub to: SocketAddr,
    /// The local network it travels in; `None` on the way through the internet.
    pub lan: Option<usize>,
    /// The payload.
    pub payload: Vec<u8>,
}

/// Something that is going to happen.
#[derive(Clone, Debug)]
pub enum Happening {
    /// A datagram arrives where it was sent.
    Arrive(Datagram),
    /// This host asked to be woken.
    Wake(usize),
}

#[derive(Debug)]
struct Planned {
    time: Time,
    sequence: u64,
    happening: Happening,
}

impl PartialEq for Planned {
    fn eq(&self, other: &Planned) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Planned {}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Planned) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Planned {
    fn cmp(&self, other: &Planned) -> Ordering {
        (self.time, self.sequence).cmp(&(other.time, other.sequence))
    }
}

/// The plan.
#[derive(Debug, Default)]
pub struct Queue {
    heap: BinaryHeap<Reverse<Planned>>,
    sequence: u64,
}

impl Queue {
    /// Plans something.
    pub fn push(&mut self, time: Time, happening: Happening) {
        self.sequence += 1;
        self.heap.push(Reverse(Planned { time, sequence: self.sequence, happening }));
    }

    /// The next thing planned, unless it lies after `end`.
    pub fn pop_until(&mut self, end: Time) -> Option<(Time, Happening)> {
        if self.heap.peek()?.0.time > end {
            return None;
        }
        self.heap.pop().map(|Reverse(planned)| (planned.time, planned.happening))
    }
}
