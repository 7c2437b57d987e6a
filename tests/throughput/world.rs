//! One bottleneck: a link with a rate, a queue that drops what does not fit, a delay, and random losses.
//!
//! Data flows through it towards the receivers; what goes the other way is small and only delayed and lost at random. A
//! datagram longer than [`MTU`] travels in fragments, each of which is queued, dropped and lost alone; it arrives when
//! all of them have.

use crate::newreno::NewReno;
use crate::ours::Ours;
use crate::rng::Rng;
use cjp2p_node::Time;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// The longest packet on the link, IP header included.
pub const MTU: u64 = 1_500;

/// Bytes of the header that each fragment has.
const IP_HEADER: u64 = 20;

/// Bytes of IP and UDP header.
pub const HEADERS: u64 = 28;

/// What the path is like.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// Bits a second.
    pub rate: u64,
    /// Round trip without queue, in microseconds.
    pub round_trip: u64,
    /// What fits into the queue, in bytes.
    pub queue: u64,
    /// Random losses of packets each way, in thousandths.
    pub loss: u32,
}

impl Link {
    pub fn new(mbits: u64, round_trip_ms: u64) -> Link {
        let link = Link { rate: mbits * 1_000_000, round_trip: round_trip_ms * 1_000, queue: 0, loss: 0 };
        link.queue(100)
    }

    /// A queue of so many hundredths of a bandwidth-delay product.
    pub fn queue(self, percent: u64) -> Link {
        Link { queue: self.pipe() * percent / 100, ..self }
    }

    pub fn loss(self, per_mille: u32) -> Link {
        Link { loss: per_mille, ..self }
    }

    /// The bandwidth-delay product in bytes.
    pub fn pipe(self) -> u64 {
        self.rate / 8 * self.round_trip / 1_000_000
    }

    /// What the link carries in so many milliseconds, in bytes.
    pub fn carries(self, ms: u64) -> u64 {
        self.rate / 8 * ms / 1_000
    }
}

/// Drops what exceeds a rate, without a queue: a token bucket in front of the link.
#[derive(Clone, Copy, Debug)]
pub struct Policer {
    /// Bits a second.
    rate: u64,
    /// Bytes.
    bucket: u64,
    /// Millionths of a bit.
    tokens: u64,
    since: u64,
}

impl Policer {
    pub fn new(rate: u64, bucket: u64) -> Policer {
        Policer { rate, bucket, tokens: bucket * 8 * 1_000_000, since: 0 }
    }

    fn lets_pass(&mut self, now: u64, bytes: u64) -> bool {
        self.tokens = (self.tokens + (now - self.since) * self.rate).min(self.bucket * 8 * 1_000_000);
        self.since = now;
        let rest = self.tokens.checked_sub(bytes * 8 * 1_000_000);
        self.tokens = rest.unwrap_or(self.tokens);
        rest.is_some()
    }
}

/// What is going to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// The link has sent what was at the head of the queue.
    Sent,
    /// A datagram arrives at the receiver of the flow.
    Data { flow: usize, tag: u64, bytes: u64 },
    /// A small packet arrives at the sender of the flow.
    Back { flow: usize, tag: u64 },
    /// The flow asked to be woken.
    Wake { flow: usize },
    /// The path changes; see [`World::change`].
    Change { index: usize },
}

/// The packets of one datagram, in the queue.
#[derive(Debug)]
struct Packets {
    flow: usize,
    tag: u64,
    bytes: u64,
    wire: u64,
    count: u64,
    is_whole: bool,
    since: u64,
}

/// What runs through the bottleneck.
pub enum Flow {
    Ours(Box<Ours>),
    NewReno(Box<NewReno>),
}

/// What the world lets a flow do.
pub struct Net {
    pub now: u64,
    pub link: Link,
    /// Nothing gets through, either way.
    pub is_dark: bool,
    pub policer: Option<Policer>,
    rng: Rng,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    sequence: u64,
    queue: VecDeque<Packets>,
    queued: u64,
    /// Time that packets stood in the queue, in microseconds, weighted by bytes; and the bytes.
    waited: u128,
    pub passed: u64,
    /// Bytes that did not fit into the queue, by flow.
    pub dropped: Vec<u64>,
    pub offered: Vec<u64>,
}

impl Net {
    pub fn time(&self) -> Time {
        Time::from_micros(self.now)
    }

    fn plan(&mut self, at: u64, event: Event) {
        self.sequence += 1;
        self.events.push(Reverse((at, self.sequence, event)));
    }

    pub fn wake(&mut self, at: u64, flow: usize) {
        self.plan(at.max(self.now), Event::Wake { flow });
    }

    /// The receiver's side sends a small packet to the sender's.
    pub fn back(&mut self, flow: usize, tag: u64) {
        if !self.rng.chance(self.link.loss) && !self.is_dark {
            self.plan(self.now + self.link.round_trip / 2, Event::Back { flow, tag });
        }
    }

    /// The sender's side sends a datagram of so many bytes, headers included, into the queue.
    pub fn data(&mut self, flow: usize, tag: u64, bytes: u64) {
        let (mut wire, mut count, mut is_whole) = (0, 0, true);
        for packet in packets(bytes) {
            self.offered[flow] += packet;
            let is_policed = self.policer.as_mut().is_some_and(|policer| !policer.lets_pass(self.now, packet));
            if is_policed || self.queued + wire + packet > self.link.queue {
                self.dropped[flow] += packet;
                is_whole = false;
            } else {
                wire += packet;
                count += 1;
            }
        }
        if wire > 0 {
            self.queued += wire;
            self.queue.push_back(Packets { flow, tag, bytes, wire, count, is_whole, since: self.now });
            if self.queue.len() == 1 {
                self.begin_sending();
            }
        }
    }

    fn begin_sending(&mut self) {
        if let Some(head) = self.queue.front() {
            // Rounded up to a microsecond: 2 % for the smallest packets at a gigabit, nothing at the rates used here.
            let micros = (head.wire * 8 * 1_000_000).div_ceil(self.link.rate);
            self.plan(self.now + micros, Event::Sent);
        }
    }

    fn sent(&mut self) {
        let Some(packets) = self.queue.pop_front() else { return };
        self.queued -= packets.wire;
        let service = (packets.wire * 8 * 1_000_000).div_ceil(self.link.rate);
        self.waited += u128::from((self.now - packets.since).saturating_sub(service)) * u128::from(packets.wire);
        self.passed += packets.wire;
        let mut is_whole = packets.is_whole;
        for _ in 0..packets.count {
            is_whole &= !self.rng.chance(self.link.loss);
        }
        if is_whole && !self.is_dark {
            let (flow, tag, bytes) = (packets.flow, packets.tag, packets.bytes);
            self.plan(self.now + self.link.round_trip / 2, Event::Data { flow, tag, bytes });
        }
        self.begin_sending();
    }

    /// How long packets stood in the queue on average since the last call, in microseconds.
    pub fn take_mean_wait(&mut self) -> u64 {
        let mean = self.waited / u128::from(self.passed.max(1));
        (self.waited, self.passed) = (0, 0);
        mean as u64
    }
}

/// The packets that a datagram of so many bytes, headers included, travels in. All but the first have an IP header
/// more.
pub fn packets(bytes: u64) -> impl Iterator<Item = u64> {
    let mut rest = bytes;
    let mut header = 0;
    std::iter::from_fn(move || {
        let packet = (rest > 0).then(|| (rest + header).min(MTU))?;
        rest -= packet - header;
        header = IP_HEADER;
        Some(packet)
    })
}

/// The world: the net and its flows.
pub struct World {
    pub net: Net,
    pub flows: Vec<Flow>,
    changes: Vec<fn(&mut Net)>,
}

impl World {
    pub fn new(link: Link, seed: u64) -> World {
        let net = Net {
            now: 0,
            link,
            is_dark: false,
            policer: None,
            rng: Rng::new(seed),
            events: BinaryHeap::new(),
            sequence: 0,
            queue: VecDeque::new(),
            queued: 0,
            waited: 0,
            passed: 0,
            dropped: Vec::new(),
            offered: Vec::new(),
        };
        World { net, flows: Vec::new(), changes: Vec::new() }
    }

    /// A flow that begins at that millisecond; its index.
    pub fn add(&mut self, flow: Flow, at_ms: u64) -> usize {
        let index = self.flows.len();
        self.flows.push(flow);
        self.net.dropped.push(0);
        self.net.offered.push(0);
        self.net.plan(at_ms * 1_000, Event::Wake { flow: index });
        index
    }

    /// Something about the path changes at that millisecond.
    pub fn change(&mut self, at_ms: u64, change: fn(&mut Net)) {
        let index = self.changes.len();
        self.changes.push(change);
        self.net.plan(at_ms * 1_000, Event::Change { index });
    }

    /// Plays until that millisecond.
    pub fn play(&mut self, until_ms: u64) {
        while let Some(Reverse((at, _, event))) = self.net.events.peek().copied() {
            if at > until_ms * 1_000 {
                break;
            }
            self.net.events.pop();
            self.net.now = at;
            match event {
                Event::Sent => self.net.sent(),
                Event::Change { index } => self.changes[index](&mut self.net),
                Event::Data { flow, tag, bytes } => match &mut self.flows[flow] {
                    Flow::Ours(ours) => ours.data(&mut self.net, flow, tag, bytes),
                    Flow::NewReno(tcp) => tcp.data(&mut self.net, flow, tag),
                },
                Event::Back { flow, tag } => match &mut self.flows[flow] {
                    Flow::Ours(ours) => ours.requested(&mut self.net, flow, tag),
                    Flow::NewReno(tcp) => tcp.acknowledged(&mut self.net, flow, tag),
                },
                Event::Wake { flow } => match &mut self.flows[flow] {
                    Flow::Ours(ours) => ours.wake(&mut self.net, flow),
                    Flow::NewReno(tcp) => tcp.wake(&mut self.net, flow),
                },
            }
        }
        self.net.now = until_ms * 1_000;
    }

    /// Content bytes that a flow of ours has received, each counted once.
    pub fn content(&self, flow: usize) -> u64 {
        self.ours(flow).content
    }

    /// The bytes that what a flow has received took on the link, each counted once.
    pub fn wire(&self, flow: usize) -> u64 {
        match &self.flows[flow] {
            Flow::Ours(ours) => ours.content / ours.shape.content * ours.shape.wire(),
            Flow::NewReno(tcp) => tcp.wire(),
        }
    }

    pub fn ours(&self, flow: usize) -> &Ours {
        match &self.flows[flow] {
            Flow::Ours(ours) => ours,
            Flow::NewReno(_) => panic!("flow {flow} is a TCP"),
        }
    }
}
