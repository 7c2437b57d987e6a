//! Who was away catches up, islands that meet again too, and few neighbours are as good as many.

use crate::world::{Rng, World, eight_regular};
use std::collections::BTreeSet;
use std::time::Duration;

const NOW: u64 = 1_700_000_000_000;

/// Nodes that are in reach of one another as these pairs say.
fn pairs(count: usize, pairs: &[(usize, usize)]) -> Vec<BTreeSet<usize>> {
    let mut reach = vec![BTreeSet::new(); count];
    for (one, other) in pairs {
        reach[*one].insert(*other);
        reach[*other].insert(*one);
    }
    reach
}

fn everybody_once(world: &World, but: usize, text: &str) {
    let times: Vec<_> = (0..world.nodes.len()).map(|node| world.times(node, text)).collect();
    let wrong: Vec<_> = (0..times.len()).filter(|node| times[*node] != usize::from(*node != but)).collect();
    assert!(wrong.is_empty(), "'{text}' was shown {times:?} times");
}

#[test]
fn along_a_chain_everybody_sees_a_line_though_a_tenth_is_lost_and_nobody_knows_its_author() {
    for seed in 1..=10 {
        let chain: Vec<_> = (1..8).map(|node| (node - 1, node)).collect();
        let mut world = World::new(seed, pairs(8, &chain));
        world.loss = 100;
        world.say(0, "hello", NOW);
        world.run(Duration::from_secs(20));
        everybody_once(&world, 0, "hello");
    }
}

#[test]
fn who_has_one_neighbour_that_has_many_sees_every_line() {
    for seed in 1..=10 {
        // A hub with nine around it: the hub relies on numbers, and they have none.
        let star: Vec<_> = (1..10).map(|node| (0, node)).collect();
        let mut world = World::new(seed, pairs(10, &star));
        world.loss = 100;
        world.say(3, "hello", NOW);
        world.run(Duration::from_secs(10));
        let soon = (0..10).filter(|node| world.times(*node, "hello") == 1).count();
        println!("seed {seed}: {soon} of 9 within ten seconds");
        world.run(Duration::from_secs(80));
        everybody_once(&world, 3, "hello");
    }
}

#[test]
fn a_node_that_is_away_for_a_minute_sees_what_was_said_meanwhile_once() {
    for seed in 1..=5 {
        let mut world = World::new(seed, eight_regular(40, &mut Rng(seed)));
        world.loss = 100;
        world.say(1, "before", NOW);
        world.run(Duration::from_secs(15));
        world.switch(7, false);
        world.run(Duration::from_secs(5));
        world.say(2, "meanwhile", NOW + 1);
        world.run(Duration::from_secs(30));
        world.say(3, "a little later", NOW + 2);
        world.run(Duration::from_secs(25));
        assert_eq!(world.times(7, "meanwhile"), 0);
        world.switch(7, true);
        world.run(Duration::from_secs(30));
        for (speaker, text) in [(1, "before"), (2, "meanwhile"), (3, "a little later")] {
            everybody_once(&world, speaker, text);
        }
    }
}

#[test]
fn islands_that_meet_again_tell_each_other_what_was_said() {
    for seed in 1..=3 {
        let mut world = World::new(seed, eight_regular(40, &mut Rng(seed)));
        world.loss = 50;
        (0..20).for_each(|node| world.island[node] = 1);
        world.run(Duration::from_secs(10));
        world.say(2, "from one island", NOW);
        world.say(30, "from the other", NOW);
        world.run(Duration::from_secs(120));
        assert_eq!((world.times(30, "from one island"), world.times(2, "from the other")), (0, 0));
        world.island.fill(0);
        // They try each other again ever more seldom.
        world.run(Duration::from_secs(1_200));
        everybody_once(&world, 2, "from one island");
        everybody_once(&world, 30, "from the other");
    }
}

#[test]
fn who_restarts_is_told_what_was_said_lately_and_its_own_line_is_no_news_to_it() {
    let mut world = World::new(4, eight_regular(20, &mut Rng(4)));
    world.say(5, "mine", NOW);
    world.say(6, "theirs", NOW);
    world.run(Duration::from_secs(15));
    world.nodes[5] = world.reborn(5);
    world.restarted(5);
    world.shown[5].clear();
    world.run(Duration::from_secs(60));
    assert_eq!(world.times(5, "theirs"), 1);
    // It has a new key here; what it sees of its earlier self is the line of somebody else.
    assert_eq!(world.times(5, "mine"), 1);
}
