//! A flow of ours: it always wants more, asks as its `Path` allows, and its source answers each ask at once.

use crate::world::{Flow, HEADERS, Net, packets};
use cjp2p_node::transfer::path::Path;
use std::collections::{BTreeMap, BTreeSet};

/// How many answers one request asks for at most.
const RUN: usize = 8;

/// The datagrams that a flow uses.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Bytes of content in each.
    pub content: u64,
    /// Bytes of UDP payload.
    pub payload: u64,
}

/// The wild's blocks: 4,096 bytes as base64 in JSON.
pub const BLOCKS: Shape = Shape { content: 4_096, payload: 5_600 };

/// What fits everywhere: 1,200 bytes, of which three quarters of what the JSON leaves.
pub const SMALL: Shape = Shape { content: 798, payload: 1_200 };

impl Shape {
    /// Bytes on the link for one datagram that is not lost, fragments' headers included.
    pub fn wire(self) -> u64 {
        packets(self.payload + HEADERS).sum()
    }
}

/// The flow.
pub struct Ours {
    pub path: Path<u64>,
    pub shape: Shape,
    pub content: u64,
    /// How many answers were asked for.
    pub asks: u64,
    next: u64,
    again: Vec<u64>,
    missing: BTreeSet<u64>,
    runs: BTreeMap<u64, Vec<u64>>,
    run: u64,
    woken_at: u64,
}

impl Ours {
    pub fn flow(shape: Shape) -> Flow {
        Flow::Ours(Box::new(Ours {
            path: Path::new(Default::default()),
            shape,
            content: 0,
            asks: 0,
            next: 0,
            again: Vec::new(),
            missing: BTreeSet::new(),
            runs: BTreeMap::new(),
            run: 0,
            woken_at: u64::MAX,
        }))
    }

    /// The request with this number has reached the source.
    pub fn requested(&mut self, net: &mut Net, flow: usize, run: u64) {
        for key in self.runs.remove(&run).unwrap_or_default() {
            net.data(flow, key, self.shape.payload + HEADERS);
        }
    }

    /// An answer has come.
    pub fn data(&mut self, net: &mut Net, flow: usize, key: u64, bytes: u64) {
        self.path.arrived(net.time(), key, bytes as usize);
        if self.missing.remove(&key) {
            self.content += self.shape.content;
        }
        self.ask(net, flow);
    }

    pub fn wake(&mut self, net: &mut Net, flow: usize) {
        if self.woken_at <= net.now {
            self.woken_at = u64::MAX;
        }
        self.ask(net, flow);
    }

    fn ask(&mut self, net: &mut Net, flow: usize) {
        let now = net.time();
        let before = self.again.len();
        self.path.lost(now, &mut self.again);
        self.again[before..].reverse();
        let mut run = Vec::new();
        while self.path.may_ask(now) > 0 {
            let key = self.next_key();
            assert!(self.path.asked(now, key, (self.shape.payload + HEADERS) as usize));
            run.push(key);
            if run.len() == RUN {
                self.request(net, flow, std::mem::take(&mut run));
            }
        }
        self.request(net, flow, run);
        // The event loop wakes at whole milliseconds from now.
        let due = [self.path.due(), self.path.next_ask()].into_iter().flatten().min();
        if let Some(due) = due {
            let at = net.now + due.as_micros().saturating_sub(net.now).max(1).div_ceil(1_000) * 1_000;
            if at < self.woken_at {
                self.woken_at = at;
                net.wake(at, flow);
            }
        }
    }

    fn next_key(&mut self) -> u64 {
        while let Some(key) = self.again.pop() {
            if self.missing.contains(&key) {
                return key;
            }
        }
        self.next += 1;
        self.missing.insert(self.next);
        self.next
    }

    fn request(&mut self, net: &mut Net, flow: usize, run: Vec<u64>) {
        if run.is_empty() {
            return;
        }
        self.run += 1;
        self.asks += run.len() as u64;
        self.runs.insert(self.run, run);
        net.back(flow, self.run);
    }
}
