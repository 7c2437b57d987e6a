//! A node whose own network goes away for a while, and its only contact for good.

use crate::query::told_of;
use crate::world::World;
use cjp2p_node::node::Event;
use cjp2p_node::peers::links::LINKS_LOW;
use std::time::Duration;

/// How many others there are besides the contact.
const OTHERS: usize = 12;

/// How soon after the outage it has its neighbours again: a minute at most until the next try, and a minute for the
/// rest.
const RECOVERY: u64 = 120;

#[test]
fn a_node_cut_off_for_ten_minutes_keeps_its_peers_and_finds_them_again_without_its_contact() {
    let mut world = World::new(91, "play");
    let place = world.public();
    let contact = world.add_node(place, told_of(&[]));
    let told = [world.address(contact)];
    for _ in 0..OTHERS {
        let place = world.public();
        world.add_node(place, told_of(&told));
    }
    let place = world.behind_nat();
    let node = world.add_node(place, told_of(&told));
    world.run_for(600);
    assert!(world.knows(node).len() >= 8, "knew only {:?} before", world.knows(node));
    let cut = world.now;
    world.hosts[node].island = 1;
    world.is_partitioned = true;
    world.suspend(contact);
    world.run_for(600);
    assert_eq!(world.ours(node).node.link_count(), 0, "it was not cut off, so nothing is shown");
    world.is_partitioned = false;
    let healed = world.now;
    world.run_for(RECOVERY);
    let heard = world.ours(node).peers(world.now);
    let heard = heard.iter().filter(|peer| peer.heard_ago <= world.now.since(healed)).count();
    println!("{heard} peers heard {RECOVERY} s after ten minutes without a network");
    assert!(heard >= LINKS_LOW, "only {heard} peers heard again within {RECOVERY} s");
    assert!(world.knows(node).len() >= 8, "knows only {:?}", world.knows(node));
    let events = &world.ours(node).events;
    let saves = events.iter().filter_map(|(time, event)| match event {
        Event::SavePeers(peers) if time.since(cut) > Duration::ZERO => Some(peers.len()),
        _ => None,
    });
    let fewest = saves.min().unwrap_or(OTHERS);
    assert!(fewest >= 8, "a save during the outage held only {fewest} peers");
}
