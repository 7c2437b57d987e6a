//! A TCP to compete with: NewReno (RFC 5681, RFC 6582) with slow start, congestion avoidance, fast recovery and
//! timeout.
//!
//! Segments of 1,448 bytes, every one acknowledged, windows without a limit of their own. It refuses selective
//! acknowledgements, which NewReno does without.

use crate::world::{Flow, Net};
use std::collections::BTreeSet;

/// Bytes of a segment on the link: 1,448 of content.
const WIRE: u64 = 1_500;

/// Windows are counted in thousandths of a segment.
const ONE: u64 = 1_000;

pub struct NewReno {
    window: u64,
    threshold: u64,
    next: u64,
    acknowledged: u64,
    duplicates: u64,
    /// Recovery ends when this is acknowledged.
    recover: Option<u64>,
    highest: u64,
    /// The receiver: all before this have come, and these beyond.
    expected: u64,
    beyond: BTreeSet<u64>,
    smoothed: u64,
    variation: u64,
    backed_off: u32,
    /// The segment whose round trip is measured, and when it was sent.
    timed: Option<(u64, u64)>,
    silent_since: u64,
}

impl NewReno {
    pub fn flow() -> Flow {
        Flow::NewReno(Box::new(NewReno {
            window: 10 * ONE,
            threshold: u64::MAX / 2,
            next: 0,
            acknowledged: 0,
            duplicates: 0,
            recover: None,
            highest: 0,
            expected: 0,
            beyond: BTreeSet::new(),
            smoothed: 0,
            variation: 0,
            backed_off: 0,
            timed: None,
            silent_since: 0,
        }))
    }

    /// The bytes that took on the link what the receiver has, in order or not.
    pub fn wire(&self) -> u64 {
        (self.expected + self.beyond.len() as u64) * WIRE
    }

    /// A segment reaches the receiver.
    pub fn data(&mut self, net: &mut Net, flow: usize, segment: u64) {
        if segment >= self.expected {
            self.beyond.insert(segment);
        }
        while self.beyond.remove(&self.expected) {
            self.expected += 1;
        }
        net.back(flow, self.expected);
    }

    /// All segments before this one are acknowledged.
    pub fn acknowledged(&mut self, net: &mut Net, flow: usize, upto: u64) {
        if upto > self.acknowledged {
            self.measure(net.now, upto);
            let newly = upto - self.acknowledged;
            self.acknowledged = upto;
            self.next = self.next.max(upto);
            self.duplicates = 0;
            self.silent_since = net.now;
            self.backed_off = 0;
            match self.recover {
                Some(recover) if upto < recover => {
                    // A partial acknowledgement: the next one is lost too (RFC 6582, 3.2, step 3).
                    net.data(flow, upto, WIRE);
                    self.window = self.window.saturating_sub(newly * ONE) + ONE;
                }
                Some(_) => {
                    self.recover = None;
                    self.window = self.threshold;
                }
                None if self.window < self.threshold => self.window += newly.min(2) * ONE,
                None => self.window += ONE * ONE / self.window.max(1) * newly,
            }
        } else if self.next > self.acknowledged {
            self.duplicates += 1;
            if self.recover.is_some() {
                self.window += ONE;
            } else if self.duplicates == 3 && upto >= self.highest {
                self.threshold = ((self.next - self.acknowledged) * ONE / 2).max(2 * ONE);
                self.window = self.threshold + 3 * ONE;
                self.recover = Some(self.next);
                self.highest = self.next;
                self.timed = None;
                net.data(flow, self.acknowledged, WIRE);
            }
        }
        self.send(net, flow);
    }

    pub fn wake(&mut self, net: &mut Net, flow: usize) {
        if self.next > self.acknowledged && net.now >= self.silent_since + self.timeout() {
            self.threshold = ((self.next - self.acknowledged) * ONE / 2).max(2 * ONE);
            self.window = ONE;
            self.recover = None;
            self.highest = self.next;
            self.duplicates = 0;
            self.next = self.acknowledged;
            self.backed_off = (self.backed_off + 1).min(6);
            self.silent_since = net.now;
            self.timed = None;
        }
        self.send(net, flow);
        net.wake(self.silent_since.max(net.now.saturating_sub(1_000)) + self.timeout(), flow);
    }

    fn send(&mut self, net: &mut Net, flow: usize) {
        if self.next == self.acknowledged {
            self.silent_since = net.now;
        }
        while (self.next - self.acknowledged + 1) * ONE <= self.window {
            if self.timed.is_none() && self.recover.is_none() {
                self.timed = Some((self.next, net.now));
            }
            net.data(flow, self.next, WIRE);
            self.next += 1;
        }
    }

    fn measure(&mut self, now: u64, upto: u64) {
        let Some((_, since)) = self.timed.filter(|(segment, _)| upto > *segment) else { return };
        let elapsed = now - since;
        self.timed = None;
        if self.smoothed == 0 {
            (self.smoothed, self.variation) = (elapsed, elapsed / 2);
        } else {
            self.variation = (3 * self.variation + self.smoothed.abs_diff(elapsed)) / 4;
            self.smoothed = (7 * self.smoothed + elapsed) / 8;
        }
    }

    fn timeout(&self) -> u64 {
        let timeout = if self.smoothed == 0 { 1_000_000 } else { self.smoothed + (4 * self.variation).max(1_000) };
        timeout.max(200_000) << self.backed_off
    }
}
