//! What a day is like: drawn from a seed, and printed when the day fails.

use crate::attackers::Manners;
use crate::net::Faults;
use crate::rng::Rng;
use std::time::Duration;

/// A wish to fetch.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    pub host: usize,
    pub content: usize,
    pub is_blake3: bool,
    pub after: Duration,
    pub patience: Duration,
}

/// A node that vanishes, and perhaps comes back.
#[derive(Clone, Copy, Debug)]
pub struct Absence {
    pub host: usize,
    pub after: Duration,
    pub span: Option<Duration>,
}

/// A day.
#[derive(Debug)]
pub struct Options {
    pub nodes: usize,
    /// The sizes of the contents.
    pub sizes: Vec<usize>,
    /// Which node shares which content from the beginning.
    pub sharers: Vec<(usize, usize)>,
    /// A node that damages so many of a thousand blocks of what it shares.
    pub liar: Option<(usize, u64)>,
    pub wishes: Vec<Wish>,
    pub absences: Vec<Absence>,
    pub attackers: Vec<(Manners, Duration)>,
    pub faults: Faults,
    /// Bytes a second.
    pub uplink: u64,
    pub upload_limit: Option<u64>,
}

/// How many contents one node fetches in a day: as many as it can at once.
const WISHES_OF_ONE: usize = 4;

impl Options {
    pub fn draw(seed: u64) -> Options {
        let rng = &mut Rng::new(seed);
        let nodes = rng.between(3, 12) as usize;
        let mut sizes: Vec<usize> = (0..rng.between(1, 3)).map(|_| size(rng)).collect();
        // Contents of one size are one content.
        sizes.sort_unstable();
        sizes.dedup();
        let liar = rng.chance(350).then(|| (rng.index(nodes), rng.pick(&[50, 1_000])));
        let mut sharers = Vec::new();
        for content in 0..sizes.len() {
            sharers.extend((0..rng.between(1, 3)).map(|_| (rng.index(nodes), content)));
            sharers.extend(liar.map(|(host, _)| (host, content)));
        }
        sharers.sort_unstable();
        sharers.dedup();
        let latency_min_ms = rng.between(1, 40);
        let faults = Faults {
            latency_min_ms,
            latency_max_ms: latency_min_ms + rng.below(150),
            jitter_ms: rng.pick(&[0, 2, 20, 100]),
            loss: rng.pick(&[0, 10, 50, 100, 200]),
            duplicate: rng.pick(&[0, 0, 20, 100]),
            corrupt: rng.pick(&[0, 0, 0, 1, 10]),
        };
        let wishes = wishes(rng, nodes, sizes.len(), &sharers);
        Options {
            nodes,
            liar,
            wishes,
            absences: absences(rng, nodes),
            attackers: attackers(rng),
            faults,
            uplink: rng.pick(&[250_000, 1_000_000, 2_500_000, 12_500_000]),
            upload_limit: rng.pick(&[None, None, None, Some(200_000)]),
            sizes,
            sharers,
        }
    }
}

/// 0 bytes to 2 MiB: small ones often, and those where blocks and pieces end.
fn size(rng: &mut Rng) -> usize {
    let near = |rng: &mut Rng, block: u64| (block * rng.between(1, 3)).saturating_add_signed(rng.below(3) as i64 - 1);
    let size = match rng.below(8) {
        0 => rng.below(2),
        1 => rng.below(4_000),
        2 => near(rng, 4_096),
        3 => near(rng, 65_536),
        4..=6 => rng.below(400_000),
        _ => rng.between(400_000, 2 << 20),
    };
    size as usize
}

fn wishes(rng: &mut Rng, nodes: usize, contents: usize, sharers: &[(usize, usize)]) -> Vec<Wish> {
    let mut wishes: Vec<Wish> = Vec::new();
    for _ in 0..rng.between(2, 2 * nodes as u64) {
        let wish = Wish {
            host: rng.index(nodes),
            content: rng.index(contents),
            is_blake3: rng.chance(600),
            after: Duration::from_millis(rng.below(40_000)),
            patience: Duration::from_secs(rng.pick(&[10, 20, 20, 40])),
        };
        let is_same = |other: &Wish| (other.host, other.content) == (wish.host, wish.content);
        let of_one = wishes.iter().filter(|other| other.host == wish.host).count();
        if of_one < WISHES_OF_ONE && !wishes.iter().any(is_same) && !sharers.contains(&(wish.host, wish.content)) {
            wishes.push(wish);
        }
    }
    wishes
}

/// Each node vanishes once at most.
fn absences(rng: &mut Rng, nodes: usize) -> Vec<Absence> {
    let mut absences: Vec<Absence> = Vec::new();
    for _ in 0..rng.below(4) {
        let (host, after) = (rng.index(nodes), Duration::from_millis(rng.between(5_000, 60_000)));
        let span = rng.chance(700).then(|| Duration::from_millis(rng.between(1, 30_000)));
        if !absences.iter().any(|other| other.host == host) {
            absences.push(Absence { host, after, span });
        }
    }
    absences
}

fn attackers(rng: &mut Rng) -> Vec<(Manners, Duration)> {
    let count = rng.pick(&[0, 0, 1, 2, 3]);
    let mut one = |_| {
        let manners = rng.pick(&[Manners::Promises, Manners::Invents, Manners::Wavers]);
        (manners, Duration::from_millis(rng.pick(&[20, 100, 500])))
    };
    (0..count).map(&mut one).collect()
}
