//! The figures that a swarm of a thousand has to show, printed and asserted. In an unoptimised build the swarm is a
//! tenth of that, to keep the wait bearable; the claims stay the same.

use crate::net::Faults;
use crate::query::told_of;
use crate::rng::Rng;
use crate::scenario::OTHERS_WANTED;
use crate::world::World;
use std::collections::BTreeMap;
use std::net::SocketAddr;

const SWARM: usize = if cfg!(debug_assertions) { 100 } else { 1000 };

/// What a settled node may send and receive in a day, headers included.
const IDLE_BYTES_PER_DAY_MAX: u64 = 10_000_000;

/// How many neighbours it must be able to reach at any moment.
const REACHABLE_MIN: usize = 5;

/// Neighbours behind routers, in parts of a thousand.
const BEHIND_NAT: u32 = 800;

/// Small trees played in each size: one straggler in a thousand nodes shows only in many of them.
const TREES: u64 = if cfg!(debug_assertions) { 4 } else { 40 };

#[test]
fn a_thousand_nodes_in_a_random_tree_know_eight_others_within_a_minute() {
    let second = grow_tree(7, SWARM);
    println!("{SWARM} nodes, 10 % loss: every node knows {OTHERS_WANTED} verified others after {second} s");
}

#[test]
fn no_small_tree_leaves_anybody_behind() {
    for nodes in [10, 30, 100] {
        let slowest = (0..TREES).map(|seed| grow_tree(seed, nodes)).max();
        println!("{TREES} trees of {nodes} nodes, 10 % loss: the slowest took {slowest:?} s");
    }
}

/// Starts a random connected tree under 10 % loss; the second at which everybody knows enough others.
fn grow_tree(seed: u64, nodes: usize) -> u64 {
    let mut world = World::new(seed, &format!("figure: tree of {nodes} with seed {seed}"));
    world.faults = Faults { loss: 100, ..Faults::default() };
    let mut rng = world.rng.fork();
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for n in 0..nodes {
        let contact: Vec<_> = (n > 0).then(|| rng.pick(&addresses)).into_iter().collect();
        let place = world.public();
        world.add_node(place, told_of(&contact));
        addresses.extend(place.v4);
    }
    let second = world.until_all_know(OTHERS_WANTED, 60);
    let poor = world.nodes().into_iter().find(|node| world.knows(*node).len() < OTHERS_WANTED);
    match (second, poor) {
        (Some(second), _) => second,
        (None, poor) => world.fail(poor.unwrap_or(0), "knows too few others after 60 s"),
    }
}

#[test]
fn a_settled_node_behind_a_router_spends_under_ten_megabytes_a_day() {
    let mut world = settled_swarm();
    world.census = Some(BTreeMap::new());
    let before: Vec<_> = world.hosts.iter().map(|host| host.traffic).collect();
    let mut fewest = usize::MAX;
    let mut poor = 0;
    for _ in 0..30 {
        // 121 seconds are no multiple of any pace, so the samples fall into every phase of the keep-alives.
        world.run_for(121);
        let counts: Vec<_> = world.nodes().iter().map(|node| reachable(&world, *node)).collect();
        fewest = fewest.min(counts.iter().copied().min().unwrap_or(0));
        poor += counts.iter().filter(|count| **count < REACHABLE_MIN).count();
    }
    let seconds = 30 * 121;
    let per_day: Vec<u64> = world
        .hosts
        .iter()
        .zip(&before)
        .map(|(host, before)| {
            host.traffic.bytes_sent + host.traffic.bytes_received - before.bytes_sent - before.bytes_received
        })
        .map(|bytes| bytes * 86_400 / seconds)
        .collect();
    let mean = per_day.iter().sum::<u64>() / per_day.len() as u64;
    let most = per_day.iter().copied().max().unwrap_or(0);
    println!(
        "{SWARM} nodes, {} % behind routers, settled: {mean} bytes a day on average, {most} at most",
        BEHIND_NAT / 10
    );
    println!(
        "fewest neighbours reachable at any of 30 moments: {fewest}; below {REACHABLE_MIN}: {poor} of {}",
        30 * SWARM
    );
    print_census(&world, seconds);
    assert!(mean <= IDLE_BYTES_PER_DAY_MAX, "{mean} bytes a day");
    assert!(most <= 2 * IDLE_BYTES_PER_DAY_MAX, "one node spends {most} bytes a day");
    assert_eq!(poor, 0, "some nodes reached only {fewest} neighbours");
}

/// What the traffic consists of, largest part first.
fn print_census(world: &World, seconds: u64) {
    let mut parts: Vec<_> = world.census.iter().flatten().collect();
    parts.sort_by_key(|(_, (_, bytes))| std::cmp::Reverse(*bytes));
    for (names, (datagrams, bytes)) in parts.into_iter().take(8) {
        let scale = |number: u64| number * 86_400 / seconds / SWARM as u64;
        println!("{:>9} bytes in {:>6} datagrams sent a day: {names}", scale(*bytes), scale(*datagrams));
    }
}

/// A swarm that has lived for an hour: each node was told of two public ones.
fn settled_swarm() -> World {
    let mut world = World::new(8, "figure: settled swarm");
    world.faults = Faults { loss: 10, ..Faults::default() };
    let mut rng = Rng::new(9);
    let mut public: Vec<SocketAddr> = Vec::new();
    for n in 0..SWARM {
        let is_inside = n >= 10 && rng.chance(BEHIND_NAT);
        let place = if is_inside { world.behind_nat() } else { world.public() };
        let contacts: Vec<_> = if public.is_empty() { Vec::new() } else { (0..2).map(|_| rng.pick(&public)).collect() };
        world.add_node(place, told_of(&contacts));
        public.extend(place.v4.filter(|_| !is_inside));
        world.run_until(world.now + std::time::Duration::from_millis(rng.below(200)));
    }
    world.run_for(3600);
    world
}

/// How many verified peers could be reached at this moment and answer, with no router opening anything.
fn reachable(world: &World, node: usize) -> usize {
    world.ours(node).peers(world.now).iter().filter(|peer| world.is_open(node, peer.address).is_some()).count()
}
