//! What a landlord with a whole network of well-behaved addresses can occupy: never all of a node's neighbours.

use crate::attackers::Crowd;
use crate::query::told_of;
use crate::world::World;
use cjp2p_node::node::Command;
use std::net::{IpAddr, SocketAddr};

/// A node keeps open 3 links into one network and counts 2 more that others keep open to it, while it wants 6 and looks
/// on until it has them: at least one neighbour is somebody else's.
const OTHERS_MIN: usize = 1;

/// It keeps open 3 links into one network, and watches 8 more that others keep open to it.
const LANDLORDS_MAX: usize = 3 + 8;

/// How often the node is told that its network changed, in tens of seconds.
const WAKE_EVERY: usize = 47;

/// How many addresses the landlord has: a /22.
const ADDRESSES: u16 = 1_000;

fn is_landlords(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V4(ip) if ip.octets()[..2] == [111, 5])
}

/// Adds the landlord, all of whose addresses want to be the node's neighbours.
fn add_crowd(world: &mut World, node: usize) {
    let addresses: Vec<_> =
        (0..ADDRESSES).map(|n| SocketAddr::from(([111, 5, (n / 250) as u8, (n % 250) as u8 + 1], 24_254))).collect();
    let (place, target) = (world.public(), world.address(node));
    let host = world.add_model(place, Crowd::new(addresses.clone(), target));
    addresses.into_iter().for_each(|address| world.map.own(host, address));
}

/// The neighbours of a node: the landlord's, and others.
fn neighbours(world: &World, node: usize) -> (usize, usize) {
    let peers = world.ours(node).peers(world.now);
    let (his, others): (Vec<_>, Vec<_>) =
        peers.iter().filter(|peer| peer.is_neighbour).partition(|peer| is_landlords(peer.address.ip()));
    (his.len(), others.len())
}

#[test]
fn a_network_full_of_willing_neighbours_leaves_a_node_its_others() {
    for comes_first in [false, true] {
        let mut world = World::new(90, "play");
        let place = world.public();
        let node = world.add_node(place, told_of(&[]));
        let contact = [world.address(node)];
        if comes_first {
            add_crowd(&mut world, node);
            world.run_for(300);
        }
        for _ in 0..12 {
            let place = world.public();
            world.add_node(place, told_of(&contact));
        }
        world.run_for(300);
        if !comes_first {
            add_crowd(&mut world, node);
        }
        let (mut most, mut fewest) = (0, usize::MAX);
        for tens in 0..360 {
            if tens % WAKE_EVERY == 0 {
                // Its neighbours have to prove themselves anew, and those that let go of it are settled.
                _ = world.command(node, Command::NetworkChanged);
            }
            world.run_for(10);
            let (his, others) = neighbours(&world, node);
            (most, fewest) = (most.max(his), fewest.min(others));
        }
        println!("comes first: {comes_first}; the landlord had up to {most} links, others at least {fewest}");
        assert!((2..=LANDLORDS_MAX).contains(&most), "the landlord got {most} links");
        assert!(fewest >= OTHERS_MIN, "at some moment only {fewest} neighbours were not the landlord's");
    }
}
