//! A seed played out: a day of fetching among loss, liars, attackers, and nodes that come and go.

use crate::attackers::Attacker;
use crate::content::Content;
use crate::fetch::{End, Fetch};
use crate::options::{Options, Wish};
use crate::rng::Rng;
use crate::store::{Lies, Truth};
use crate::wire::Wire;
use cjp2p_node::Time;
use cjp2p_node::content::ContentId;
use cjp2p_node::node::{Command, Event};
use cjp2p_node::transfer::Held;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

/// How many seeds each of the two tests plays.
pub const SEEDS: u64 = 60;

/// No day is longer than this: the slowest uplink carries the largest contents to everybody several times.
const DAY_MAX: Duration = Duration::from_secs(3_600);

/// How long it takes at most to check a content and to make it last.
const SETTLING_MS_MAX: u64 = 300;

/// Addresses in whose name the attackers speak, and which they name.
const VICTIMS: u8 = 6;

enum Action {
    Fetch(Wish, ContentId, Held),
    Settled(usize, bool),
    Vanish(usize, Option<Duration>),
    Appear(usize),
}

/// How a day went.
#[derive(Debug, Default)]
pub struct Summary {
    pub trace: u64,
    pub fetched: usize,
    pub failed: usize,
    /// Fetches that had to succeed.
    pub promised: usize,
    /// Datagrams to those who never spoke.
    pub to_silent: u64,
}

/// Plays a seed; the fingerprint of the run.
pub fn play(seed: u64) -> u64 {
    day(seed).trace
}

/// Plays a seed.
pub fn day(seed: u64) -> Summary {
    let mut day = Day::new(seed);
    day.run();
    let count = |end: End| day.fetches.iter().filter(|fetch| fetch.end == Some(end)).count();
    let (fetched, failed) = (count(End::Fetched), count(End::Failed));
    let ended = day.fetches.iter().filter(|fetch| fetch.end.is_some_and(|end| end != End::Interrupted));
    let promised = ended.filter(|fetch| fetch.is_promised(&day.wire)).count();
    Summary { trace: day.wire.trace.value(), fetched, failed, promised, to_silent: day.wire.checks.to_silent }
}

struct Day {
    wire: Wire,
    rng: Rng,
    contents: Vec<Rc<Content>>,
    liar: Option<usize>,
    /// Which nodes have all of which content and say nothing else.
    honest: Vec<(usize, usize)>,
    fetches: Vec<Fetch>,
    plan: BTreeMap<(Time, u64), Action>,
    number: u64,
    /// What is to be fetched again when a node is back.
    unfinished: Vec<(Wish, ContentId, Held)>,
}

impl Day {
    fn new(seed: u64) -> Day {
        let options = Options::draw(seed);
        let contents: Vec<Rc<Content>> = options.sizes.iter().map(|size| Content::new(*size)).collect();
        let truth: Truth = Rc::new(contents.iter().map(|content| (content.blake3, content.clone())).collect());
        let mut wire = Wire::new(options.nodes, seed, &truth, options.upload_limit);
        wire.label = format!(
            "{options:#?}\nreplay: SIM_SEED={seed} cargo test --profile sim --test fetching replay -- --nocapture (SIM_LOG=1 shows every datagram)"
        );
        (wire.faults, wire.uplink) = (options.faults, options.uplink);
        let mut day = Day {
            wire,
            rng: Rng::new(seed).fork(),
            contents,
            liar: options.liar.map(|(host, _)| host),
            honest: Vec::new(),
            fetches: Vec::new(),
            plan: BTreeMap::new(),
            number: 0,
            unfinished: Vec::new(),
        };
        day.furnish(&options);
        day
    }

    fn furnish(&mut self, options: &Options) {
        if let Some((host, per_mille)) = options.liar {
            let node = self.wire.hosts[host].node.as_mut().unwrap();
            node.store_mut().lies = Lies { per_mille, salt: self.rng.bits() };
        }
        for (host, content) in &options.sharers {
            self.share(*host, *content);
        }
        let start = self.wire.now;
        for wish in &options.wishes {
            let content = &self.contents[wish.content];
            let id = if wish.is_blake3 { ContentId::Blake3(content.blake3) } else { ContentId::Sha256(content.sha256) };
            self.plan(start + wish.after, Action::Fetch(*wish, id, Held::default()));
        }
        for absence in &options.absences {
            self.plan(start + absence.after, Action::Vanish(absence.host, absence.span));
        }
        let targets: Vec<SocketAddr> = self.wire.hosts.iter().map(|host| host.address).collect();
        let victims: Vec<_> = (0..VICTIMS).map(|n| SocketAddr::from(([140 + n, 1, 1, 1], 24_254))).collect();
        for (n, manners) in (0..).zip(&options.attackers) {
            let place = (SocketAddr::from(([120 + n, 66, 6, 6], 24_254)), start + Duration::from_secs(1));
            let others = [targets.clone(), victims.clone()];
            self.wire.attackers.push(Attacker::new(place, *manners, others, &self.contents, self.rng.fork()));
        }
    }

    fn plan(&mut self, time: Time, action: Action) {
        self.number += 1;
        self.plan.insert((time, self.number), action);
    }

    fn share(&mut self, host: usize, content: usize) {
        let bytes = self.contents[content].bytes.clone();
        self.wire.hosts[host].share(self.wire.now, &format!("content {content}"), bytes);
        if self.liar != Some(host) {
            self.honest.push((host, content));
        }
    }

    /// Until nothing is planned and nothing is being fetched.
    fn run(&mut self) {
        let end = self.wire.now + DAY_MAX;
        while !self.plan.is_empty() || self.fetches.iter().any(|fetch| fetch.end.is_none()) {
            assert!(self.wire.now < end, "the day does not end");
            let planned = self.plan.keys().next().map_or(end, |(time, _)| *time);
            match self.wire.step(planned) {
                Some(Some(n)) => self.observe(n),
                Some(None) => {}
                None => {
                    self.wire.now = self.wire.now.max(planned);
                    self.plan.pop_first().into_iter().for_each(|(_, action)| self.act(action));
                }
            }
        }
    }

    fn number_of(&self, content: &Rc<Content>) -> usize {
        self.contents.iter().position(|other| Rc::ptr_eq(other, content)).unwrap()
    }

    fn is_here(&self, host: usize) -> bool {
        self.wire.hosts[host].node.is_some()
    }

    /// Something happened to a node.
    fn observe(&mut self, n: usize) {
        for (host, event) in std::mem::take(&mut self.wire.events) {
            self.learn(host, event);
        }
        for fetch in self.fetches.iter_mut().filter(|fetch| fetch.host == n && fetch.end.is_none()) {
            fetch.watch(&self.wire);
        }
    }

    fn learn(&mut self, host: usize, event: Event) {
        let (Event::Settle { id, .. } | Event::Fetched(id) | Event::FetchFailed { id, .. }) = event else { return };
        let is_meant = |fetch: &Fetch| (fetch.host, fetch.id) == (host, id) && fetch.end.is_none();
        let place = self.fetches.iter().position(is_meant).expect("what ends has begun");
        let fetch = &mut self.fetches[place];
        match event {
            Event::Settle { size, .. } => {
                let is_right = fetch.is_right(&mut self.wire, size);
                let time = self.wire.now + Duration::from_millis(self.rng.below(SETTLING_MS_MAX));
                self.plan(time, Action::Settled(place, is_right));
            }
            Event::FetchFailed { why, .. } => fetch.fail(&self.wire, why),
            _ => {
                fetch.end = Some(End::Fetched);
                let content = fetch.content.clone();
                assert!(fetch.is_right(&mut self.wire, content.bytes.len() as u64));
                self.share(host, self.number_of(&content));
            }
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Fetch(wish, ..) if !self.is_here(wish.host) => {}
            Action::Fetch(wish, id, held) => {
                let honest =
                    self.honest.iter().filter(|(host, content)| *content == wish.content && *host != wish.host);
                let honest: Vec<usize> = honest.map(|(host, _)| *host).collect();
                let content = self.contents[wish.content].clone();
                let how = (held, wish.patience);
                self.fetches.push(Fetch::begin(&mut self.wire, wish.host, (id, &content), how, &honest));
                self.observe(wish.host);
            }
            Action::Settled(place, is_right) => {
                let fetch = &self.fetches[place];
                if fetch.end.is_none() {
                    let (host, id) = (fetch.host, fetch.id);
                    self.wire.command(host, Command::Settled { id, outcome: Ok(is_right) });
                    self.observe(host);
                }
            }
            Action::Vanish(host, span) => self.vanish(host, span),
            Action::Appear(host) => {
                self.wire.appear(host);
                let is_its = |(wish, ..): &(Wish, ContentId, Held)| wish.host == host;
                let (again, others): (Vec<_>, Vec<_>) =
                    std::mem::take(&mut self.unfinished).into_iter().partition(is_its);
                self.unfinished = others;
                again.into_iter().for_each(|(wish, id, held)| self.act(Action::Fetch(wish, id, held)));
            }
        }
    }

    /// A node vanishes. What it was fetching begins again when it is back, with what was there.
    fn vanish(&mut self, host: usize, span: Option<Duration>) {
        for fetch in &mut self.fetches {
            fetch.lose(host);
            if fetch.host != host || fetch.end.is_some() {
                continue;
            }
            fetch.end = Some(End::Interrupted);
            let held = self.wire.hosts[host].node().held(&fetch.id).unwrap();
            let content = self.contents.iter().position(|other| Rc::ptr_eq(other, &fetch.content)).unwrap();
            let (is_blake3, after) = (matches!(fetch.id, ContentId::Blake3(_)), Duration::ZERO);
            let wish = Wish { host, content, is_blake3, after, patience: fetch.patience };
            self.unfinished.push((wish, fetch.id, held));
        }
        self.wire.vanish(host);
        if let Some(span) = span {
            self.plan(self.wire.now + span, Action::Appear(host));
        }
    }
}
