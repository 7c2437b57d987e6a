//! The options of a scenario: all drawn from one seed, all printed when it fails.

use crate::net::Faults;
use crate::rng::Rng;

/// Who else is in the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stranger {
    Spoofer,
    Garbage,
    Liar,
    Flooder,
    FloodOfSources,
    Echo,
    Mute,
    Wild,
    Ruby,
    Network,
    Meddler,
    Impostor,
}

const STRANGERS: &[Stranger] = &[
    Stranger::Spoofer,
    Stranger::Garbage,
    Stranger::Liar,
    Stranger::Flooder,
    Stranger::FloodOfSources,
    Stranger::Echo,
    Stranger::Mute,
    Stranger::Wild,
    Stranger::Ruby,
    Stranger::Network,
    Stranger::Meddler,
    Stranger::Impostor,
];

/// How the nodes first hear of each other.
#[derive(Clone, Copy, Debug)]
pub enum Contacts {
    /// Everybody is told of one node that started earlier, drawn at random.
    Tree,
    /// Everybody is told of the one before.
    Chain,
    /// Everybody is told of the first two.
    Bootstrap,
}

/// Everything that is drawn before the world begins.
#[derive(Clone, Debug)]
pub struct Options {
    pub nodes: usize,
    pub contacts: Contacts,
    /// Nodes alone behind a router, in parts of a thousand.
    pub behind_nat: u32,
    /// Nodes in a shared local network behind a router.
    pub in_lan: usize,
    /// Nodes with both IPv4 and IPv6, and with IPv6 alone, in parts of a thousand of those with public addresses.
    pub dual: u32,
    pub v6_only: u32,
    pub faults: Faults,
    pub strangers: Vec<Stranger>,
    /// Seconds of trouble before the network heals.
    pub trouble: u64,
    /// Troubles in a minute: restarts, moves, crashes, sleeps, partitions.
    pub troubles_per_minute: u64,
    /// Whether a sleeping machine's clock stands still.
    pub clocks_stop: bool,
}

impl Options {
    /// Draws everything.
    pub fn draw(seed: u64) -> Options {
        let mut rng = Rng::new(seed);
        let nodes = rng.between(3, 30) as usize;
        let strangers = (0..rng.below(4)).map(|_| rng.pick(STRANGERS)).collect();
        Options {
            nodes,
            contacts: rng.pick(&[Contacts::Tree, Contacts::Chain, Contacts::Bootstrap]),
            behind_nat: rng.pick(&[0, 0, 300, 700]),
            in_lan: rng.pick(&[0, 0, 2, 5]),
            dual: rng.pick(&[0, 200, 500]),
            v6_only: rng.pick(&[0, 0, 200]),
            faults: draw_faults(&mut rng),
            strangers,
            trouble: rng.between(30, 300),
            troubles_per_minute: rng.pick(&[0, 1, 3, 10]),
            clocks_stop: rng.chance(500),
        }
    }
}

fn draw_faults(rng: &mut Rng) -> Faults {
    let latency_min_ms = rng.between(5, 50);
    Faults {
        latency_min_ms,
        latency_max_ms: rng.between(latency_min_ms, 200),
        jitter_ms: rng.pick(&[0, 5, 100]),
        loss: rng.pick(&[0, 10, 100, 300]),
        duplicate: rng.pick(&[0, 10, 200]),
        corrupt: rng.pick(&[0, 0, 5, 50]),
    }
}
