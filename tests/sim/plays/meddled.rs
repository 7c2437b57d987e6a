//! What somebody with many addresses can make a node do to its own peers, and to whoever it has not met.

use crate::attackers::Meddler;
use crate::models::Polite;
use crate::query::told_of;
use crate::world::World;
use std::net::SocketAddr;
use std::time::Duration;

/// A node with so many peers of ours, and a peer that never asks for anything after its first words.
fn node_and_bystander(seed: u64, peers: usize) -> (World, usize) {
    let mut world = World::new(seed, "play");
    let place = world.public();
    let node = world.add_node(place, told_of(&[]));
    let contact = [world.address(node)];
    for _ in 0..peers {
        let place = world.public();
        world.add_node(place, told_of(&contact));
    }
    let place = world.public();
    let bystander = world.add_model(place, Polite::new(contact.to_vec()));
    world.run_for(30);
    let there = world.address(bystander);
    assert!(world.ours(node).checks.is_proven(there), "the bystander is no peer, so nothing is shown");
    (world, bystander)
}

/// Somebody who owns so many addresses, each in a network of its own, and meddles with the first node.
fn add_meddler(world: &mut World, addresses: u8, bystander: usize, is_neighbourly: bool) {
    let owned: Vec<_> = (0..addresses).map(|n| SocketAddr::from(([120, n, 1, 1], 24_254))).collect();
    let (place, targets, victims) = (world.public(), vec![world.address(0)], vec![world.address(bystander)]);
    let meddler = Meddler::new(owned.clone(), targets, victims, Duration::from_millis(20));
    let host = world.add_model(place, if is_neighbourly { meddler } else { meddler.aloof() });
    owned.into_iter().for_each(|address| world.map.own(host, address));
}

#[test]
fn whoever_meddles_a_node_pesters_none_of_its_peers() {
    for (peers, addresses, is_neighbourly) in
        [(0, 40, true), (4, 40, true), (12, 40, true), (0, 1, false), (0, 4, false)]
    {
        let (mut world, bystander) = node_and_bystander(70 + peers as u64, peers);
        add_meddler(&mut world, addresses, bystander, is_neighbourly);
        world.run_for(600);
        let most = world.ours(0).checks.unasked(world.address(bystander));
        println!(
            "{peers} peers, {addresses} meddlers: a peer got at most {most} datagrams a minute it never asked for"
        );
        assert!(most > 3, "{most} are no more than its neighbourhood costs, so nothing was shown");
    }
}
