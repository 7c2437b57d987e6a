//! What is promised about one path, alone and beside others.

use crate::newreno::NewReno;
use crate::ours::{BLOCKS, Ours, SMALL, Shape};
use crate::world::{Link, World};

/// Goodput of one flow, in thousandths of what the link carries in content if it is always busy.
fn efficiency(link: Link, shape: Shape, seconds: u64) -> u64 {
    let mut world = World::new(link, 1);
    let flow = world.add(Ours::flow(shape), 0);
    world.play(seconds * 1_000);
    if std::env::var("SHOW").is_ok() {
        let path = &world.ours(flow).path;
        println!("   rate {} phase {:?} floor {} rtt {:?} min {:?} wait {} dropped {} of {}", path.rate()*8/1000, path.phase(), path.loss_floor(), path.round_trip(), path.shortest_round_trip(), world.net.take_mean_wait(), world.net.dropped[0], world.net.offered[0]);
    }
    let content = world.content(flow);
    content * 1_000 * shape.wire() / shape.content / link.carries(seconds)
}

#[test]
fn a_path_with_random_loss_is_filled() {
    for (shape, name) in [(BLOCKS, "blocks"), (SMALL, "small")] {
        for (loss, least) in [(0, 920), (10, 850), (50, 700)] {
            let share = efficiency(Link::new(100, 50).loss(loss), shape, 60);
            println!("{name}, {loss} per mille lost: {share} of {least}");
        }
    }
}

/// Shares of the capacity in thousandths (wire payload), and mean wait.
fn shares(mut world: World, from_ms: u64, to_ms: u64) -> (Vec<u64>, u64) {
    world.play(from_ms);
    world.net.take_mean_wait();
    let before: Vec<u64> = (0..world.flows.len()).map(|flow| world.content(flow)).collect();
    world.play(to_ms);
    let wait = world.net.take_mean_wait();
    let capacity = world.net.link.rate / 8 * (to_ms - from_ms) / 1_000;
    let shares = (0..world.flows.len())
        .map(|flow| {
            let content = world.content(flow) - before[flow];
            let wire = match &world.flows[flow] {
                crate::world::Flow::Ours(ours) => content * ours.shape.wire() / ours.shape.content,
                crate::world::Flow::NewReno(_) => content * 1_500 / 1_448,
            };
            wire * 1_000 / capacity
        })
        .collect();
    if std::env::var("SHOW").is_ok() {
        println!("   dropped {:?} of {:?}", world.net.dropped, world.net.offered);
    }
    (shares, wait)
}

#[test]
fn deep() {
    let deep = Link::new(20, 40).queue(1_000);
    for shape in [BLOCKS, SMALL] {
        let mut world = World::new(deep, 1);
        world.add(Ours::flow(shape), 0);
        println!("alone {:?}", shares(world, 0, 60_000));
        for (a, b) in [(0, 0), (0, 5_000), (5_000, 0), (0, 20_000), (20_000, 0)] {
            let mut world = World::new(deep, 1);
            world.add(Ours::flow(shape), a);
            world.add(NewReno::flow(), b);
            let from = a.max(b);
            print!("newreno {a} {b} 60: {:?}", shares(world, from, from + 60_000));
            let mut world = World::new(deep, 1);
            world.add(Ours::flow(shape), a);
            world.add(NewReno::flow(), b);
            println!(" 120: {:?}", shares(world, from, from + 120_000));
        }
    }
    for percent in [20, 50, 100, 300] {
        let mut world = World::new(Link::new(20, 40).queue(percent), 1);
        world.add(Ours::flow(SMALL), 0);
        world.add(NewReno::flow(), 0);
        println!("newreno queue {percent}: {:?}", shares(world, 0, 120_000));
        let mut world = World::new(Link::new(20, 40).queue(percent), 1);
        world.add(NewReno::flow(), 0);
        println!("newreno alone queue {percent}: {:?}", shares(world, 0, 120_000));
    }
}

#[test]
fn fair() {
    for (mbits, rtt) in [(20, 40), (100, 50)] {
        for percent in [10, 50, 100, 1_000] {
            for (count, later) in [(2, 0), (4, 0), (2, 20_000), (4, 20_000)] {
                for shape in [BLOCKS, SMALL] {
                    let mut world = World::new(Link::new(mbits, rtt).queue(percent), 1);
                    for n in 0..count {
                        world.add(Ours::flow(shape), if n + 1 == count { later } else { 0 });
                    }
                    print!("{mbits} Mbit/s queue {percent}, {count} flows, last at {later}, {}: ", shape.payload);
                    println!("{:?}", shares(world, later, later + 60_000));
                }
            }
        }
    }
}
