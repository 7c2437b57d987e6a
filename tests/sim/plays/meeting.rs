//! How nodes find each other, lose each other, and find each other again.

use crate::net::Faults;
use crate::query::told_of;
use crate::world::World;
use cjp2p_node::node::{Config, Event};
use std::time::Duration;

#[test]
fn who_is_told_of_one_node_learns_and_verifies_whom_that_one_knows() {
    let mut world = World::new(1, "play");
    let [a_place, b_place, c_place] = std::array::from_fn(|_| world.public());
    let a = world.add_node(a_place, told_of(&[]));
    let b = world.add_node(b_place, told_of(&[world.address(a)]));
    world.run_for(10);
    let c = world.add_node(c_place, told_of(&[world.address(a)]));
    world.run_for(10);
    assert_eq!(world.knows(c), [a, b].into());
    assert_eq!(world.knows(b), [a, c].into());
}

#[test]
fn two_peers_behind_routers_reach_each_other_through_an_introduction() {
    for seed in 0..20 {
        let mut world = World::new(seed, "play: introduction");
        world.faults = Faults { loss: 50, ..Faults::default() };
        let places = [world.public(), world.behind_nat(), world.behind_nat()];
        let public = world.add_node(places[0], told_of(&[]));
        let contact = [world.address(public)];
        let one = world.add_node(places[1], told_of(&contact));
        world.run_for(seed);
        let other = world.add_node(places[2], told_of(&contact));
        world.run_for(90);
        assert!(world.knows(one).contains(&other), "seed {seed}: the first never reached the second");
        assert!(world.knows(other).contains(&one), "seed {seed}: the second never reached the first");
        world.suspend(public);
        world.run_for(600);
        let there = world.map.outer_of(world.now, world.hosts[other].place).expect("its router forgot it");
        assert_eq!(
            world.is_open(one, there),
            Some(other),
            "seed {seed}: the path did not stay open without the public node"
        );
    }
}

#[test]
fn a_node_with_only_ipv6_meets_the_others_over_it() {
    let mut world = World::new(2, "play");
    let places = [world.dual(), world.v6_only(), world.v6_only(), world.public()];
    let dual = world.add_node(places[0], told_of(&[]));
    let v6 = places[0].v6.into_iter().collect::<Vec<_>>();
    let one = world.add_node(places[1], told_of(&v6));
    let other = world.add_node(places[2], told_of(&v6));
    let old = world.add_node(places[3], told_of(&[world.address(dual)]));
    world.run_for(60);
    assert_eq!(world.knows(one), [dual, other].into());
    assert_eq!(world.knows(old), [dual].into());
}

#[test]
fn neighbours_in_a_local_network_need_no_contact() {
    let mut world = World::new(3, "play");
    let lan = world.map.add_lan(false);
    let nodes: Vec<_> = (0..4)
        .map(|_| {
            let place = world.in_lan(lan);
            world.add_node(place, Config { lan: true, ..told_of(&[]) })
        })
        .collect();
    world.run_for(30);
    for node in &nodes {
        assert_eq!(world.knows(*node).len(), 3, "node {node} knows {:?}", world.knows(*node));
    }
    let sent_before: u64 = world.hosts.iter().map(|host| host.traffic.sent).sum();
    world.run_for(3600);
    let sent: u64 = world.hosts.iter().map(|host| host.traffic.sent).sum::<u64>() - sent_before;
    assert!(sent < 4 * 60 * 60, "{sent} datagrams in an hour among four nodes: discovery does not back off");
}

#[test]
fn a_lone_node_in_a_local_network_hears_its_own_call_and_makes_no_friend_of_itself() {
    let mut world = World::new(4, "play");
    let lan = world.map.add_lan(false);
    let place = world.in_lan(lan);
    let node = world.add_node(place, Config { lan: true, ..told_of(&[]) });
    world.run_for(600);
    assert_eq!(world.ours(node).node.peer_count(), 0);
    assert!(world.hosts[node].traffic.received > 0, "its calls were never sent, so nothing was shown");
}

#[test]
fn a_node_told_of_itself_does_not_become_its_own_peer() {
    let mut world = World::new(5, "play");
    let place = world.public();
    let here = place.v4.expect("a public place has an address");
    let node = world.add_node(place, told_of(&[here]));
    world.run_for(600);
    assert_eq!(world.ours(node).node.peer_count(), 0);
    assert!(world.hosts[node].traffic.sent > 0, "it never tried, so nothing was shown");
}

#[test]
fn a_restart_keeps_the_peers() {
    let mut world = World::new(6, "play");
    let first_place = world.public();
    let first = world.add_node(first_place, told_of(&[]));
    let contact = [world.address(first)];
    let nodes: Vec<_> = (0..5)
        .map(|_| {
            let place = world.public();
            world.add_node(place, told_of(&contact))
        })
        .collect();
    world.run_for(60);
    world.suspend(first);
    let (node, place) = (nodes[0], world.hosts[nodes[0]].place);
    world.restart(node, place);
    world.run_for(10);
    let others = nodes.iter().skip(1).copied().collect();
    assert!(world.knows(node).is_superset(&others), "knows {:?} without its only contact", world.knows(node));
}

#[test]
fn the_first_verified_peer_is_saved_within_two_seconds_and_others_not_more_often_than_every_thirty() {
    let mut world = World::new(7, "play");
    let place = world.public();
    let first = world.add_node(place, told_of(&[]));
    let contact = [world.address(first)];
    for _ in 0..20 {
        let place = world.public();
        world.add_node(place, told_of(&contact));
        world.run_for(7);
    }
    world.run_for(300);
    for node in world.nodes() {
        let events = &world.ours(node).events;
        let times = |wanted: fn(&Event) -> bool| -> Vec<_> {
            events.iter().filter(|(_, event)| wanted(event)).map(|(time, _)| *time).collect()
        };
        let verified = times(|event| matches!(event, Event::PeerVerified(_)));
        let saved = times(|event| matches!(event, Event::SavePeers(peers) if !peers.is_empty()));
        assert!(saved[0].since(verified[0]) <= Duration::from_secs(2), "node {node} saved too late");
        for pair in saved[1..].windows(2) {
            assert!(pair[1].since(pair[0]) >= Duration::from_secs(30), "node {node} saved too often: {saved:?}");
        }
        let missing = verified.last().expect("it knows somebody").since(*saved.last().expect("it saved"));
        assert!(missing <= Duration::from_secs(31), "node {node} saved last {missing:?} before its last new peer");
    }
}

#[test]
fn waking_from_sleep_verifies_the_neighbours_at_once() {
    for clock_stood_still in [false, true] {
        let mut world = World::new(8, "play");
        let place = world.public();
        let first = world.add_node(place, told_of(&[]));
        let contact = [world.address(first)];
        for _ in 0..7 {
            let place = world.public();
            world.add_node(place, told_of(&contact));
        }
        let place = world.behind_nat();
        let sleeper = world.add_node(place, told_of(&contact));
        world.run_for(300);
        let neighbours = world.ours(sleeper).peers(world.now).iter().filter(|peer| peer.is_neighbour).count();
        assert!(neighbours >= 5, "only {neighbours} neighbours before the sleep");
        world.suspend(sleeper);
        world.run_for(1200);
        world.resume(sleeper, Duration::from_secs(1200), clock_stood_still);
        world.run_for(2);
        let fresh = world.ours(sleeper).peers(world.now);
        let fresh = fresh.iter().filter(|peer| peer.heard_ago < Duration::from_secs(2)).count();
        assert!(fresh >= neighbours, "{fresh} of {neighbours} neighbours answered within 2 s of waking");
    }
}

#[test]
fn two_halves_that_were_cut_apart_for_an_hour_are_one_swarm_again() {
    let mut world = World::new(9, "play");
    let place = world.public();
    let first = world.add_node(place, told_of(&[]));
    let contact = [world.address(first)];
    for _ in 0..11 {
        let place = world.public();
        world.add_node(place, told_of(&contact));
    }
    world.run_for(60);
    for node in world.nodes() {
        world.hosts[node].island = (node % 2) as u64;
    }
    world.is_partitioned = true;
    world.run_for(3600);
    world.is_partitioned = false;
    world.run_for(crate::scenario::PEACE);
    for node in world.nodes() {
        assert!(world.knows(node).len() >= 8, "node {node} knows {:?}", world.knows(node));
    }
}

/// How soon a router's new port is believed although its old ones fill its network's share of the table: 5 minutes
/// until silence makes a peer doubtful, and one for the trial and the next attempt.
const GIVE_WAY: Duration = Duration::from_secs(360);

#[test]
fn new_ports_of_a_router_are_believed_although_its_old_ones_fill_its_share() {
    let mut world = World::new(10, "play");
    let place = world.public();
    let first = world.add_node(place, told_of(&[]));
    let contact = [world.address(first)];
    for _ in 0..5 {
        let place = world.public();
        world.add_node(place, told_of(&contact));
    }
    let outside = world.nodes();
    let lan = world.map.add_lan(true);
    let inside: Vec<_> = (0..3)
        .map(|_| {
            let place = world.in_lan(lan);
            world.add_node(place, told_of(&contact))
        })
        .collect();
    for _ in 0..8 {
        world.run_for(60);
        inside.iter().for_each(|node| world.suspend(*node));
        // Longer than the router remembers: each wakes behind a new port.
        world.run_for(40);
        inside.iter().for_each(|node| world.resume(*node, Duration::from_secs(40), false));
    }
    let woken = world.now;
    while world.now.since(woken) < GIVE_WAY && !all_know(&world, &outside, &inside) {
        world.run_for(1);
    }
    println!("24 ports of one router came and went; the last 3 were known after {:?}", world.now.since(woken));
    assert!(all_know(&world, &outside, &inside), "new ports are not believed after {GIVE_WAY:?}");
}

fn all_know(world: &World, these: &[usize], those: &[usize]) -> bool {
    these.iter().all(|node| those.iter().all(|other| world.knows(*node).contains(other)))
}

#[test]
fn a_contact_that_was_away_for_the_first_minutes_joins_two_swarms_within_a_quarter_of_an_hour() {
    let mut world = World::new(92, "play");
    let place = world.public();
    let away = world.add_node(place, told_of(&[]));
    let place = world.public();
    let first = world.add_node(place, told_of(&[world.address(away)]));
    for _ in 0..20 {
        let place = world.public();
        world.add_node(place, told_of(&[world.address(first)]));
    }
    world.suspend(away);
    world.run_for(180);
    assert!(world.knows(first).len() >= 16 && !world.knows(first).contains(&away), "{:?}", world.knows(first));
    world.resume(away, Duration::from_secs(180), false);
    world.run_for(900);
    assert!(world.knows(first).contains(&away), "the contact was not tried again: {:?}", world.knows(first));
    assert!(world.knows(away).len() >= 8, "it met only {:?}", world.knows(away));
}
