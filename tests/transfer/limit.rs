//! Several contents at once under a limit: what is asked for, counted by somebody else than who keeps the limit.

use crate::content::Content;
use crate::net::{Net, address};
use crate::rng::Rng;
use crate::source::{Answer, Source};
use cjp2p_node::Time;
use cjp2p_node::content::{ContentId, MemoryStore, Part};
use cjp2p_node::transfer::{Ask, Held, Outcome, Transfers};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

const LATENCY: Duration = Duration::from_millis(20);

/// What an answer with so much content weighs on the way, with all that stands around it; a little less than it does.
fn weight(length: u64) -> u64 {
    length * 4 / 3 + 28
}

/// A node that fetches contents, and the sources of each.
struct World {
    now: Time,
    transfers: Transfers,
    store: MemoryStore,
    /// Each content with those who have it; the addresses of all sources differ.
    sources: Vec<(ContentId, Vec<Source>)>,
    queue: BTreeMap<(Time, u64), (SocketAddr, ContentId, Answer)>,
    number: u64,
    /// When how much was asked for, and for which content.
    asked: Vec<(Time, u64, ContentId)>,
    ended: Vec<(Time, Outcome)>,
    /// Whether something arrives all the time that nobody asked for.
    unasked: bool,
    rng: Rng,
    node_rng: StdRng,
}

fn address_of(content: usize, source: usize) -> SocketAddr {
    address(content * 40 + source)
}

impl World {
    fn new(rate: Option<u64>, sources: Vec<(ContentId, Vec<Source>)>) -> World {
        let now = Time::from_micros(1_000_000);
        World {
            now,
            transfers: Transfers::limited(now, rate),
            store: MemoryStore::default(),
            sources,
            queue: BTreeMap::new(),
            number: 0,
            asked: Vec::new(),
            ended: Vec::new(),
            unasked: false,
            rng: Rng::new(7),
            node_rng: StdRng::from_seed([7; 32]),
        }
    }

    /// Fetches everything from everybody who has it, for so long or until there is nothing more to do.
    fn run(&mut self, span: Duration) {
        for content in 0..self.sources.len() {
            let (id, sources) = (self.sources[content].0, self.sources[content].1.len());
            assert!(self.transfers.start(self.now, id, Held::default(), Duration::from_secs(20)));
            for source in 0..sources {
                self.transfers.offer_source(self.now, &id, address_of(content, source), &mut self.node_rng);
            }
        }
        self.go_on(span);
    }

    /// The same with what is being fetched already.
    fn go_on(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            if self.unasked {
                self.disturb();
            }
            self.ask();
            let outcomes = std::iter::from_fn(|| self.transfers.poll_outcome()).map(|outcome| (self.now, outcome));
            self.ended.extend(outcomes);
            let arrival = self.queue.keys().next().map(|(time, _)| *time);
            let next = [arrival, self.transfers.due()].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next < end) else { return };
            self.now = self.now.max(next);
            if arrival.is_some_and(|arrival| arrival <= self.now) {
                let ((_, _), (from, id, answer)) = self.queue.pop_first().unwrap();
                self.take(from, id, answer);
            } else {
                self.transfers.handle_timeout(self.now);
                self.ask();
                let after = self.transfers.due();
                assert!(after.is_none_or(|after| after > self.now), "due again at {after:?}");
            }
            assert!(self.transfers.sizes().all(|size| size.len <= size.max));
        }
    }

    fn ask(&mut self) {
        let mut questions = Vec::new();
        self.transfers.ask(self.now, &mut self.node_rng, &mut questions);
        for question in questions {
            let bytes = match question.ask {
                Ask::Knock | Ask::Holdings(_) => 0,
                Ask::Block { length, .. } => weight(u64::from(length)),
                Ask::Run { length, block, .. } => weight(length) + 28 * (length.div_ceil(u64::from(block)) - 1),
            };
            self.asked.extend((bytes > 0).then_some((self.now, bytes, question.id)));
            let place = (0..self.sources.len()).flat_map(|content| (0..40).map(move |source| (content, source)));
            let (content, source) =
                place.into_iter().find(|(content, source)| address_of(*content, *source) == question.to).unwrap();
            let answers = self.sources[content].1[source].answer(question.ask, &mut self.rng);
            for answer in answers {
                self.number += 1;
                self.queue.insert((self.now + 2 * LATENCY, self.number), (question.to, question.id, answer));
            }
        }
    }

    /// What nobody asked for, by a source and by a stranger.
    fn disturb(&mut self) {
        let (id, eof) = (self.sources[0].0, self.sources[0].1[0].content.bytes.len() as u64);
        let (part, offset) = (Part::Content, 77_777);
        for from in [address_of(0, 0), SocketAddr::from(([203, 0, 113, 9], 5_000))] {
            self.take(from, id, Answer::Content { part, offset, bytes: vec![7; 4_096], eof });
            self.take(from, id, Answer::Block { run: 5, offset, bytes: vec![7; 4_096] });
        }
    }

    fn take(&mut self, from: SocketAddr, id: ContentId, answer: Answer) {
        answer.arrive(self.now, (from, id), &mut self.transfers, &mut self.store);
    }

    /// How much was asked for, of one content or of all.
    fn asked_for(&self, id: Option<ContentId>) -> u64 {
        self.asked.iter().filter(|(_, _, of)| id.is_none_or(|id| *of == id)).map(|(_, bytes, _)| bytes).sum()
    }

    /// By how much more than the rate was ever asked for, from any moment to any later one.
    fn burst(&self, rate: u64) -> u64 {
        let (mut ahead, mut worst, mut before) = (0_i64, 0, Time::default());
        for (time, bytes, _) in &self.asked {
            let earned = time.since(before).as_micros() as i64 * rate as i64 / 1_000_000;
            ahead = (ahead - earned).max(0) + *bytes as i64;
            (worst, before) = (worst.max(ahead), *time);
        }
        worst as u64
    }

    /// When everything had come.
    fn seconds(&self) -> f64 {
        let last = self.ended.iter().map(|(time, _)| *time).max().unwrap();
        last.since(Time::from_micros(1_000_000)).as_secs_f64()
    }

    fn assert_complete(&self, contents: &[Rc<Content>]) {
        assert_eq!(self.ended.len(), contents.len(), "{:?}", self.ended);
        for ((_, outcome), _) in self.ended.iter().zip(contents) {
            assert!(matches!(outcome, Outcome::Settle { .. }), "{outcome:?}");
        }
        for (content, (id, _)) in contents.iter().zip(&self.sources) {
            assert!(self.store.part(id, Part::Content) == content.bytes);
        }
    }
}

/// Contents of these sizes, each with so many sources.
fn contents(sizes: &[usize]) -> Vec<Rc<Content>> {
    sizes.iter().map(|size| Content::new(*size)).collect()
}

fn world(rate: Option<u64>, contents: &[Rc<Content>], sources: usize, is_ours: bool) -> World {
    let sources_of = |content: &Rc<Content>| {
        (0..sources).map(|_| Source { is_ours, ..Source::honest(content) }).collect::<Vec<Source>>()
    };
    let all = contents.iter().map(|content| (ContentId::Blake3(content.blake3), sources_of(content)));
    World::new(rate, all.collect())
}

#[test]
fn over_no_span_of_time_is_more_asked_for_than_the_limit_brings_and_a_stated_burst_and_all_of_it_is_used() {
    for (rate, size) in [(20_000, 60_000), (300_000, 1_000_000), (4_000_000, 4_000_000)] {
        for (count, sources, is_ours) in [(1, 1, true), (1, 1, false), (1, 5, true), (3, 2, true), (3, 2, false)] {
            let contents = contents(&(0..count).map(|n| size / count + n).collect::<Vec<usize>>());
            let mut world = world(Some(rate), &contents, sources, is_ours);
            world.run(Duration::from_secs(600));
            world.assert_complete(&contents);
            let case = format!("{rate} {count} {sources} {is_ours}");
            // What is saved up, a part of a question, and a block.
            let most = rate / 24 + (rate / 50).max(5_600) + 5_600;
            assert!(world.burst(rate) <= most, "{case}: {} of {most}", world.burst(rate));
            let used = world.asked_for(None) as f64 / world.seconds() / rate as f64;
            assert!((0.8..=1.05).contains(&used), "{case}: {used}");
        }
    }
}

#[test]
fn each_content_gets_the_same_however_many_sources_it_has() {
    for rate in [50_000, 300_000] {
        let contents = contents(&[2_500_000, 2_500_001, 2_500_002]);
        let mut world = world(Some(rate), &contents, 1, true);
        for _ in 0..9 {
            world.sources[1].1.push(Source::honest(&contents[1]));
        }
        world.sources[2].1[0].is_ours = false;
        world.run(Duration::from_secs(20));
        let shares: Vec<u64> = world.sources.iter().map(|(id, _)| world.asked_for(Some(*id))).collect();
        let third = world.asked_for(None) / 3;
        assert!(shares.iter().all(|share| share.abs_diff(third) < third / 10), "{rate}: {shares:?}");
    }
}

#[test]
fn whoever_had_nothing_to_ask_for_saves_nothing_up() {
    let contents = contents(&[3_000_000, 3_000_001]);
    let mut world = world(Some(200_000), &contents, 1, true);
    let late = world.sources.pop().unwrap();
    world.run(Duration::from_secs(10));
    let before = world.asked_for(None);
    let early = world.sources.pop().unwrap();
    assert!(world.transfers.progress().any(|progress| progress.held > 1_000_000));
    // The sources have to be where they were.
    world.sources = vec![early, late];
    let id = world.sources[1].0;
    assert!(world.transfers.start(world.now, id, Held::default(), Duration::from_secs(20)));
    world.transfers.offer_source(world.now, &id, address_of(1, 0), &mut world.node_rng);
    world.go_on(Duration::from_secs(4));
    let shares = [world.asked_for(Some(world.sources[0].0)) - before, world.asked_for(Some(id))];
    assert!(shares[0].abs_diff(shares[1]) < shares[1] / 5, "{shares:?}");
}

#[test]
fn the_least_limit_is_slow_and_gives_nothing_up() {
    for (sources, is_ours) in [(1, true), (4, true), (30, true), (3, false)] {
        let contents = contents(&[20_000, 20_001, 20_002, 20_003]);
        let mut world = world(Some(1_000), &contents, sources, is_ours);
        world.run(Duration::from_secs(1_000));
        world.assert_complete(&contents);
        assert!((80.0..200.0).contains(&world.seconds()), "{sources} {is_ours}: {}", world.seconds());
    }
}

#[test]
fn liars_are_found_out_under_the_least_limit_too() {
    let content = Content::new(60_000);
    let sources = vec![Source::honest(&content), Source::liar(&content, 1_000), Source::liar(&content, 1_000)];
    let mut world = World::new(Some(1_000), vec![(ContentId::Blake3(content.blake3), sources)]);
    world.run(Duration::from_secs(1_000));
    world.assert_complete(&[content]);
    // Where only the whole can be checked, what is compared takes longer than anybody would wait without a limit.
    let content = Content::new(1_300_000);
    let sources = vec![Source::honest(&content), Source::liar(&content, 1_000), Source::liar(&content, 1_000)];
    let mut net = Net::new(ContentId::Sha256(content.sha256), sources);
    net.transfers = Transfers::limited(net.now, Some(1_000));
    let outcome = net.fetch_checked(|bytes| bytes == content.bytes);
    assert_eq!(outcome, Outcome::Settle { id: net.id, size: 1_300_000 });
    assert!(net.kept() == content.bytes);
}

#[test]
fn under_a_limit_too_an_end_comes_where_nobody_delivers() {
    let content = Content::new(1 << 20);
    let source = Source { answers_left: 20, ..Source::honest(&content) };
    let mut world = World::new(Some(1_000), vec![(ContentId::Blake3(content.blake3), vec![source])]);
    world.run(Duration::from_secs(1_000));
    assert!(matches!(world.ended[..], [(_, Outcome::Failed { .. })]), "{:?}", world.ended);
    // As long as the limit takes for what has come, the patience, and what the limit adds to that.
    assert!(world.seconds() < 30.0 + 20.0 + 52.0, "{}", world.seconds());
}

#[test]
fn what_nobody_asked_for_does_not_use_the_limit_up() {
    let contents = contents(&[1_000_000]);
    let seconds = |unasked: bool| {
        let mut world = world(Some(200_000), &contents, 2, true);
        world.unasked = unasked;
        world.run(Duration::from_secs(100));
        world.assert_complete(&contents);
        assert!(world.burst(200_000) < 20_000, "{}", world.burst(200_000));
        world.seconds()
    };
    let (disturbed, undisturbed) = (seconds(true), seconds(false));
    assert!(disturbed < undisturbed + 0.1, "{disturbed} {undisturbed}");
}
