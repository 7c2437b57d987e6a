//! A downloader and its sources: a queue of what is on its way, and time that jumps from one thing to the next.

use crate::rng::Rng;
use crate::source::{Answer, Source};
use cjp2p_node::Time;
use cjp2p_node::content::{ContentId, MemoryStore, Part};
use cjp2p_node::transfer::{Ask, Held, Outcome, Transfers};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

#[derive(Clone)]
enum Arrival {
    Question(usize, Ask),
    Answer(SocketAddr, Answer),
}

pub struct Net {
    pub now: Time,
    pub id: ContentId,
    pub transfers: Transfers,
    pub store: MemoryStore,
    pub sources: Vec<Source>,
    /// Of a thousand datagrams, how many are lost, each way.
    pub lost: u32,
    /// Of a thousand datagrams, how many are overtaken by others, each way; and by how much they come later at most.
    pub overtaken: u32,
    pub overtaken_by: Duration,
    /// Of a thousand datagrams, how many come twice, each way; the second copy as late as one that is overtaken.
    pub doubled: u32,
    pub latency: Duration,
    /// The answers that are lost, by where they begin in the content, each once.
    pub swallowed: Vec<u64>,
    /// Content that the sources sent, in bytes; and how often they were asked.
    pub sent: u64,
    pub asked: u64,
    /// How many bytes a second each source can send, and when it will have sent what it has said so far.
    pub uplink: u64,
    free_at: Vec<Time>,
    rng: Rng,
    node_rng: StdRng,
    queue: BTreeMap<(Time, u64), Arrival>,
    number: u64,
    /// What was read of the content as it came, and for which revision and size that is true.
    pub read: ((u32, Option<u64>), Vec<u8>),
}

pub fn address(number: usize) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, 1 + number as u8], 24_254))
}

impl Net {
    pub fn new(id: ContentId, sources: Vec<Source>) -> Net {
        let now = Time::from_micros(1_000_000);
        Net {
            now,
            uplink: 12_500_000,
            free_at: vec![now; sources.len()],
            id,
            transfers: Transfers::default(),
            store: MemoryStore::default(),
            sources,
            lost: 0,
            overtaken: 0,
            overtaken_by: Duration::from_millis(40),
            doubled: 0,
            latency: Duration::from_millis(20),
            swallowed: Vec::new(),
            sent: 0,
            asked: 0,
            rng: Rng::new(7),
            node_rng: StdRng::from_seed([7; 32]),
            queue: BTreeMap::new(),
            number: 0,
            read: Default::default(),
        }
    }

    pub fn seed(mut self, seed: u64) -> Net {
        self.rng = Rng::new(seed);
        self.node_rng = StdRng::seed_from_u64(seed);
        self
    }

    /// Fetches the content from all sources, and returns how that ended, as soon as it did.
    pub fn fetch(&mut self, held: Held) -> Outcome {
        self.begin(held);
        self.go_on()
    }

    /// Begins to fetch the content from all sources.
    pub fn begin(&mut self, held: Held) {
        assert!(self.transfers.start(self.now, self.id, held, Duration::from_secs(20)));
        for number in 0..self.sources.len() {
            self.transfers.offer_source(self.now, &self.id, address(number), &mut self.node_rng);
        }
    }

    /// Goes on until something ends.
    pub fn go_on(&mut self) -> Outcome {
        let end = self.now + Duration::from_secs(3_600);
        loop {
            self.ask();
            self.read();
            if let Some(outcome) = self.transfers.poll_outcome() {
                return outcome;
            }
            let arrival = self.queue.keys().next().map(|(time, _)| *time);
            let next = [arrival, self.transfers.due()].into_iter().flatten().min().expect("something is due");
            assert!(next < end, "it never ends: {:?}", self.transfers.progress().next());
            self.now = self.now.max(next);
            if arrival.is_some_and(|arrival| arrival <= self.now) {
                self.arrive();
            } else {
                let before = self.transfers.due();
                self.transfers.handle_timeout(self.now);
                self.ask();
                let after = self.transfers.due();
                let is_over = self.transfers.progress().next().is_none();
                assert!(
                    is_over || after.is_none_or(|after| after > self.now),
                    "due at {before:?} and again at {after:?}"
                );
            }
        }
    }

    /// Reads what has come at the front, as the worker does to hash it. What was read has to stay as it is.
    fn read(&mut self) {
        let Some(progress) = self.transfers.progress().next() else { return };
        let (now, front) = ((progress.revision, progress.size), progress.front as usize);
        if self.read.0 != now {
            self.read = (now, Vec::new());
        }
        let (kept, read) = (self.store.part(&self.id, Part::Content), &mut self.read.1);
        assert!(read.len() <= front, "less is there than was read");
        read.extend_from_slice(&kept[read.len()..front]);
        if progress.is_settling {
            assert!(*read == kept[..front] && Some(front as u64) == progress.size, "what was read has changed");
        }
    }

    fn ask(&mut self) {
        let mut questions = Vec::new();
        self.transfers.ask(self.now, &mut self.node_rng, &mut questions);
        for question in questions {
            self.asked += 1;
            let number = (0..self.sources.len()).find(|number| address(*number) == question.to).expect("a source");
            self.post(self.now, Arrival::Question(number, question.ask));
        }
    }

    /// Sends a datagram at `time`, or a part of one: it may be lost, overtaken, or come twice.
    fn post(&mut self, time: Time, arrival: Arrival) {
        if self.rng.chance(self.lost) {
            return;
        }
        if self.doubled > 0 && self.rng.chance(self.doubled) {
            let late = self.late();
            self.put(time + late, arrival.clone());
        }
        let is_overtaken = self.overtaken > 0 && self.rng.chance(self.overtaken);
        let late = if is_overtaken { self.late() } else { Duration::ZERO };
        self.put(time + late, arrival);
    }

    fn late(&mut self) -> Duration {
        Duration::from_micros(self.rng.between(1, self.overtaken_by.as_micros() as u64))
    }

    fn put(&mut self, time: Time, arrival: Arrival) {
        self.number += 1;
        self.queue.insert((time + self.latency, self.number), arrival);
    }

    fn arrive(&mut self) {
        let Some((_, arrival)) = self.queue.pop_first() else { return };
        match arrival {
            Arrival::Question(number, ask) => {
                let answers = self.sources[number].answer(ask, &mut self.rng);
                for answer in answers {
                    self.sent += answer.payload() as u64;
                    let span = Duration::from_micros((answer.payload() as u64 * 4 / 3 + 100) * 1_000_000 / self.uplink);
                    self.free_at[number] = self.free_at[number].max(self.now) + span;
                    let swallowed = self.swallowed.iter().position(|start| answer.begins_at(*start));
                    swallowed.map(|place| self.swallowed.remove(place));
                    if swallowed.is_none() {
                        let time = self.free_at[number] + self.sources[number].hesitates();
                        self.post(time, Arrival::Answer(address(number), answer));
                    }
                }
            }
            Arrival::Answer(from, answer) => {
                answer.arrive(self.now, (from, self.id), &mut self.transfers, &mut self.store);
            }
        }
    }

    /// Says that the content is right as a whole, or not, until nothing more is to be said.
    pub fn fetch_checked(&mut self, is_right: impl Fn(&[u8]) -> bool) -> Outcome {
        let mut outcome = self.fetch(Held::default());
        while let Outcome::Settle { id, size } = outcome {
            // More is there if somebody claimed more at first.
            let is_right = is_right(&self.kept()[..size as usize]);
            self.transfers.settled(self.now, &id, is_right, &mut self.node_rng);
            if is_right {
                break;
            }
            outcome = self.go_on();
        }
        outcome
    }

    pub fn kept(&self) -> &[u8] {
        self.store.part(&self.id, Part::Content)
    }
}
