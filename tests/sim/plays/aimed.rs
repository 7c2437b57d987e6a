//! What a swarm sends to whom somebody aims it at: many ports of one host, many hosts of one network.

use crate::attackers::Liar;
use crate::models::Mute;
use crate::query::told_of;
use crate::world::World;
use cjp2p_node::Time;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// Some nodes that still look for others, so many liars in networks of their own who name the victims ten times a
/// second each, and somebody who owns all that they name. What he was sent in ten minutes, by node: in the worst
/// minute, and altogether.
fn aim(seed: u64, nodes: usize, liars: usize, victims: &[SocketAddr]) -> Vec<(usize, usize)> {
    let mut world = World::new(seed, "play");
    let place = world.public();
    let first = world.add_node(place, told_of(&[]));
    let contact = [world.address(first)];
    for _ in 1..nodes {
        let place = world.public();
        world.add_node(place, told_of(&contact));
    }
    world.run_for(30);
    let place = world.public();
    let victim = world.add_model(place, Mute);
    victims.iter().for_each(|address| world.map.own(victim, *address));
    world.watch(victim);
    let targets: Vec<_> = (0..nodes).map(|node| world.address(node)).collect();
    for _ in 0..liars {
        let place = world.public();
        world.add_model(place, Liar::new(targets.clone(), victims, Duration::from_millis(100)));
    }
    world.run_for(600);
    let mut times: BTreeMap<_, Vec<Time>> = BTreeMap::new();
    for received in world.received(victim) {
        times.entry(received.from).or_default().push(received.time);
    }
    times.values().map(|times| (most_in_a_minute(times), times.len())).collect()
}

fn most_in_a_minute(times: &[Time]) -> usize {
    let is_within = |start: &Time, time: &Time| time >= start && time.since(*start) < Duration::from_secs(60);
    times.iter().map(|start| times.iter().filter(|time| is_within(start, time)).count()).max().unwrap_or(0)
}

#[test]
fn naming_many_ports_of_a_host_earns_it_a_dozen_datagrams_and_one_a_minute_from_each_node() {
    let ports: Vec<_> = (0..2_000).map(|n| SocketAddr::from(([101, 1, 1, 1], 2_000 + n))).collect();
    for liars in [1, 20] {
        let sent = aim(80, 4, liars, &ports);
        println!("{liars} liars: each node sent the host, in its worst minute and in ten: {sent:?}");
        assert!(!sent.is_empty(), "nobody believed the liars, so nothing was shown");
        assert!(sent.iter().all(|(minute, all)| *minute <= 17 && *all <= 16 + 10), "{sent:?}");
    }
}

#[test]
fn naming_all_hosts_of_a_neighbourhood_earns_it_64_datagrams_and_twelve_a_minute_from_each_node() {
    let hosts: Vec<_> = (0..=255).map(|n| SocketAddr::from(([101, 1, 1, n], 24_254))).collect();
    for liars in [1, 20] {
        let sent = aim(81, 4, liars, &hosts);
        println!("{liars} liars: each node sent the network, in its worst minute and in ten: {sent:?}");
        assert!(!sent.is_empty(), "nobody believed the liars, so nothing was shown");
        assert!(sent.iter().all(|(minute, all)| *minute <= 64 + 13 && *all <= 64 + 121), "{sent:?}");
    }
}
