//! Fuzz body: a download among sources that say anything at any time.
//!
//! What is checked: nothing panics or outgrows its table, no deadline stands still, of a BLAKE3 content nothing is held
//! but the truth, and of any content what has come at the front stays as it is until it is thrown away.

use super::input::Input;
use super::truth::Truth;
use cjp2p_node::Time;
use cjp2p_node::content::{ContentId, MemoryStore, Part};
use cjp2p_node::transfer::{Ask, Has, Held, Outcome, Question, Transfers};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::net::SocketAddr;
use std::time::Duration;

/// The longest content: a piece and some, so that there are several, and a tree of five levels.
const CONTENT_BYTES: u64 = 70_000;

/// How many sources there are.
const SOURCES: u64 = 4;

/// How many questions wait to be answered; the oldest is lost first.
const QUESTIONS_MAX: usize = 64;

/// Steps of one play: each may look at everything.
const STEPS_MAX: usize = 400;

struct Play {
    now: Time,
    id: ContentId,
    content: Vec<u8>,
    tree: Vec<u8>,
    transfers: Transfers,
    store: MemoryStore,
    rng: StdRng,
    questions: Vec<Question>,
    /// What has come at the front, for this revision and size.
    front: ((u32, Option<u64>), Vec<u8>),
}

/// Lets sources speak as `bytes` have it.
pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut play = Play::new(input.take(3) % (CONTENT_BYTES + 1), input.take(1).is_multiple_of(2));
    for _ in 0..STEPS_MAX {
        if input.is_empty() {
            return;
        }
        play.step(&mut input);
        play.check();
    }
}

impl Play {
    fn new(size: u64, is_blake3: bool) -> Play {
        let Truth { sha256, blake3, content, tree } = Truth::new(size);
        let id = if is_blake3 { ContentId::Blake3(blake3) } else { ContentId::Sha256(sha256) };
        let mut play = Play {
            now: Time::from_micros(1_000_000),
            id,
            content,
            tree,
            transfers: Transfers::default(),
            store: MemoryStore::default(),
            rng: StdRng::from_seed([7; 32]),
            questions: Vec::new(),
            front: Default::default(),
        };
        assert!(play.transfers.start(play.now, id, Held::default(), Duration::from_secs(20)));
        for source in 0..SOURCES {
            play.transfers.offer_source(play.now, &id, address(source), &mut play.rng);
        }
        play
    }

    fn step(&mut self, input: &mut Input<'_>) {
        match input.take(1) % 8 {
            0 => self.wait(input.take(2)),
            // Most of the time somebody answers, and mostly the truth.
            1..=3 => self.answer(input.take(1) as usize, None),
            4 => {
                let (which, lie) = (input.take(1) as usize, (input.take(2) as usize, input.take(1) as u8));
                self.answer(which, Some(lie));
            }
            5 => self.say_anything(input),
            6 => {
                let (from, part, has) = (address(input.take(1) % 8), part(input.take(1)), input.take(1) as usize % 16);
                let has = if has == 15 { Has::All } else { Has::Some((0..has).map(|_| input.take(1) as u8).collect()) };
                let eof = Some(self.claim(input)).filter(|_| from.port() % 5 != 0);
                self.transfers.take_holdings(self.now, from, &self.id, part, eof, has);
            }
            _ => _ = self.transfers.offer_source(self.now, &self.id, address(input.take(1)), &mut self.rng),
        }
        self.ask();
        while let Some(outcome) = self.transfers.poll_outcome() {
            if let Outcome::Settle { id, size } = outcome {
                let is_right = self.store.part(&id, Part::Content).get(..size as usize) == Some(&self.content);
                assert!(is_right || matches!(id, ContentId::Sha256(_)), "a lie was believed");
                self.transfers.settled(self.now, &id, is_right, &mut self.rng);
                self.ask();
            }
        }
    }

    /// A size that somebody claims; now and then the right one.
    fn claim(&self, input: &mut Input<'_>) -> u64 {
        match input.take(1) % 4 {
            0 => input.take(8),
            1 => input.take(3),
            _ => self.content.len() as u64,
        }
    }

    fn ask(&mut self) {
        self.transfers.ask(self.now, &mut self.rng, &mut self.questions);
        let excess = self.questions.len().saturating_sub(QUESTIONS_MAX);
        self.questions.drain(..excess);
    }

    fn wait(&mut self, ms: u64) {
        self.now = self.now + Duration::from_millis(ms);
        self.transfers.handle_timeout(self.now);
        self.ask();
        assert!(self.transfers.due().is_none_or(|due| due > self.now), "a deadline stands still");
    }

    /// Answers a question, with a byte changed or not.
    fn answer(&mut self, which: usize, lie: Option<(usize, u8)>) {
        if self.questions.is_empty() {
            return;
        }
        let Question { to, ask, .. } = self.questions.remove(which % self.questions.len());
        let (part, offset, length, block) = match ask {
            Ask::Knock => (Part::Content, 0, 1, 1),
            Ask::Holdings(part) => {
                let eof = Some(self.content.len() as u64);
                return self.transfers.take_holdings(self.now, to, &self.id, part, eof, Has::All);
            }
            Ask::Block { part, offset, length } => (part, offset, u64::from(length), u64::from(length).max(1)),
            Ask::Run { part, offset, length, block, .. } => (part, offset, length, u64::from(block)),
        };
        for start in (offset..offset + length).step_by(block as usize) {
            let mut bytes = self.read(part, start, block.min(offset + length - start));
            if let Some((at, change)) = lie.filter(|_| !bytes.is_empty()) {
                let at = at % bytes.len();
                bytes[at] ^= change;
            }
            let base64 = base64_simd::STANDARD.encode_to_string(&bytes);
            let _ = match ask {
                Ask::Run { run, .. } => {
                    let place = (u64::from(run), start);
                    self.transfers.take_block(self.now, to, place, &base64, &mut self.store)
                }
                _ => {
                    let eof = Some(self.content.len() as u64);
                    self.transfers.take_content(self.now, to, (self.id, part, start), (&base64, eof), &mut self.store)
                }
            };
        }
    }

    /// Somebody says what nobody asked for, or answers what was asked with anything.
    fn say_anything(&mut self, input: &mut Input<'_>) {
        let (from, part, offset) = (address(input.take(1) % 8), part(input.take(1)), input.take(3));
        let bytes = vec![input.take(1) as u8; (input.take(2) % 5_000) as usize];
        let mut base64 = base64_simd::STANDARD.encode_to_string(bytes);
        if input.take(1).is_multiple_of(4) {
            base64.push('=');
        }
        let eof = Some(self.claim(input));
        let _ = if input.take(1).is_multiple_of(2) {
            self.transfers.take_block(self.now, from, (input.take(4), offset), &base64, &mut self.store)
        } else {
            self.transfers.take_content(self.now, from, (self.id, part, offset), (&base64, eof), &mut self.store)
        };
    }

    fn read(&self, part: Part, offset: u64, length: u64) -> Vec<u8> {
        let all = if part == Part::Tree { &self.tree } else { &self.content };
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(all.len());
        all[place(offset)..place(offset.saturating_add(length))].to_vec()
    }

    fn check(&mut self) {
        for size in self.transfers.sizes() {
            assert!(size.len <= size.max, "{size:?}");
        }
        let Some(held) = self.transfers.held(&self.id) else { return };
        if matches!(self.id, ContentId::Blake3(_)) {
            for range in held.content.iter() {
                let range = range.start as usize..range.end as usize;
                let kept = self.store.part(&self.id, Part::Content).get(range.clone());
                assert_eq!(kept, self.content.get(range), "a lie was kept");
            }
        }
        let Some(progress) = self.transfers.progress().next() else { return };
        let now = (progress.revision, progress.size);
        if self.front.0 != now {
            self.front = (now, Vec::new());
        }
        let (kept, front) = (self.store.part(&self.id, Part::Content), progress.front as usize);
        let before = self.front.1.len();
        assert!(before <= front && kept[..before] == self.front.1, "what had come has changed");
        self.front.1.extend_from_slice(&kept[before..front]);
    }
}

fn part(number: u64) -> Part {
    if number.is_multiple_of(2) { Part::Content } else { Part::Tree }
}

fn address(number: u64) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, number as u8], 24_000 + number as u16))
}
