//! What those who mean harm achieve: nothing that matters. The invariants are checked all the while; here are the sums.

use crate::attackers::{Flooder, Liar, Spoofer, deaths, token_in, unfit_addresses};
use crate::checks::SMALLEST_REQUEST;
use crate::models::{Mute, datagram};
use crate::query::told_of;
use crate::scenario::add_network;
use crate::world::World;
use cjp2p_node::node::Command;
use std::net::SocketAddr;
use std::time::Duration;

/// Sources that flood: a million where it is bearable.
const SOURCES: u64 = if cfg!(debug_assertions) { 20_000 } else { 1_000_000 };

/// A small settled swarm, and a watched mute.
fn swarm_and_victim(seed: u64, nodes: usize) -> (World, usize) {
    let mut world = World::new(seed, "play");
    let place = world.public();
    let first = world.add_node(place, told_of(&[]));
    let contact = [world.address(first)];
    for _ in 1..nodes {
        let place = world.public();
        world.add_node(place, told_of(&contact));
    }
    let place = world.public();
    let victim = world.add_model(place, Mute);
    world.watch(victim);
    world.run_for(30);
    (world, victim)
}

fn targets(world: &World) -> Vec<SocketAddr> {
    world.nodes().into_iter().map(|node| world.address(node)).collect()
}

#[test]
fn a_spoofed_victim_gets_at_most_twice_what_was_forged_in_its_name() {
    let (mut world, victim) = swarm_and_victim(40, 5);
    let (all, there) = (targets(&world), world.address(victim));
    let place = world.public();
    let spoofer = world.add_model(place, Spoofer::new(all, vec![there], Duration::from_millis(50)));
    world.run_for(600);
    let forged = world.hosts[spoofer].traffic.bytes_sent;
    let got = world.hosts[victim].traffic.bytes_received;
    println!("the victim got {got} bytes for {forged} forged ones");
    // An overdraft a minute and a few first contacts, for each of five nodes.
    assert!(got > 0 && got <= 2 * forged + 5 * 10 * 100 + 5 * 12 * 200, "{got} bytes for {forged}");
}

#[test]
fn fifty_liars_cannot_make_a_node_pester_a_victim() {
    let (mut world, victim) = swarm_and_victim(41, 2);
    let (all, there) = (targets(&world), world.address(victim));
    let node = world.address(0);
    for _ in 0..50 {
        let place = world.public();
        world.add_model(place, Liar::new(vec![node], &[there], Duration::from_secs(2)));
    }
    world.run_for(7200);
    let from_node: Vec<_> = world.received(victim).iter().filter(|received| received.from == node).collect();
    let first = from_node.first().expect("nobody believed the liars, so nothing was shown").time;
    let in_first_minute =
        from_node.iter().filter(|received| received.time.since(first) < Duration::from_secs(60)).count();
    println!("the victim got {in_first_minute} datagrams in its first minute, {} in two hours", from_node.len());
    assert!(in_first_minute <= 5 && from_node.len() <= 24, "{in_first_minute}, {}", from_node.len());
    assert!(all.len() == 2 && world.knows(0) == [1].into(), "the liars drove the honest peer out");
}

#[test]
fn a_million_forged_sources_leave_the_tables_bounded_and_the_friends_known() {
    let (mut world, _) = swarm_and_victim(42, 10);
    let node = world.address(0);
    let friends = world.knows(0);
    let seconds = SOURCES / 5_000;
    let place = world.public();
    world.add_model(place, Flooder::new(vec![node], 50, Duration::from_millis(10), SOURCES));
    world.run_for(seconds);
    assert!(world.knows(0).is_superset(&friends), "knows {:?} of {friends:?}", world.knows(0));
    assert!(world.ours(0).node.peer_count() <= 16, "{} peers", world.ours(0).node.peer_count());
    assert!(world.ours(0).node.saved_peers().len() <= 1000);
    let (stranger, there) = (SocketAddr::from(([102, 3, 4, 5], 5000)), world.address(0));
    world.hand_over(0, stranger, there, SMALLEST_REQUEST);
}

#[test]
fn nobody_fills_the_table_from_one_network() {
    let (mut world, _) = swarm_and_victim(43, 3);
    let node = world.address(0);
    let place = world.public();
    add_network(&mut world, place, node);
    world.run_for(120);
    let count = world.ours(0).node.peer_count();
    println!("4,000 willing addresses of one network became {count} peers");
    assert!((5..=20).contains(&count), "{count} peers");
    let place = world.public();
    let newcomer = world.add_node(place, told_of(&[node]));
    world.run_for(30);
    assert!(world.knows(0).contains(&newcomer), "there was no room left for a newcomer");
    assert!(world.knows(newcomer).len() >= 3, "the newcomer met only {:?}", world.knows(newcomer));
}

#[test]
fn every_deadly_input_leaves_the_node_alive_and_its_peers_as_they_were() {
    let (mut world, victim) = swarm_and_victim(44, 3);
    let (stranger, there) = (world.address(victim), world.address(0));
    let (friend, before) = (world.address(1), world.knows(0));
    for payload in deaths() {
        for from in [stranger, friend] {
            let received = world.ours(0).node.counters().datagrams_received;
            world.hand_over(0, from, there, &payload);
            assert_eq!(world.ours(0).node.counters().datagrams_received, received + 1, "a datagram was not counted");
            assert_eq!(world.knows(0), before);
        }
    }
    world.run_for(120);
    assert_eq!(world.knows(0), before);
}

#[test]
fn a_peer_that_recommends_two_thousand_contents_is_remembered_with_a_few() {
    let (mut world, victim) = swarm_and_victim(47, 2);
    let (peer, there) = (world.address(victim), world.address(0));
    world.hand_over(0, peer, there, SMALLEST_REQUEST);
    world.run_for(1);
    let token = world.received(victim).iter().find_map(|received| token_in(&received.payload)).expect("a token came");
    for batch in 0..20 {
        let seen = (0..100).map(|n| format!(r#"{{"IJustSawThis":{{"id":"content {batch} {n}","length":1}}}}"#));
        let elements: Vec<_> = std::iter::once(token.clone()).chain(seen).collect();
        world.hand_over(0, peer, there, &datagram(&elements));
    }
    let size =
        world.ours(0).node.sizes().find(|size| size.table == "contents heard of").expect("there is such a table");
    assert!((1..=size.max / 2).contains(&size.len), "{size:?}");
}

#[test]
fn a_flood_from_a_peer_does_not_drive_the_others_away() {
    let (mut world, _) = swarm_and_victim(45, 12);
    let node = world.address(0);
    let place = world.public();
    world.add_model(place, Flooder::new(vec![node], 20, Duration::from_millis(10), 0));
    world.run_for(60);
    let place = world.public();
    let newcomer = world.add_node(place, told_of(&[node]));
    world.run_for(30);
    assert!(world.knows(newcomer).len() >= 8, "a newcomer met only {:?}", world.knows(newcomer));
}

#[test]
fn a_user_cannot_make_a_node_write_where_nobody_can_be() {
    let (mut world, _) = swarm_and_victim(46, 1);
    for address in unfit_addresses() {
        let _refused_or_not = world.command(0, Command::AddPeer(address));
        world.run_for(30);
    }
    let nowhere = SocketAddr::from(([224, 0, 0, 1], 24_254));
    assert!(world.command(0, Command::AddPeer(nowhere)).is_err());
}
