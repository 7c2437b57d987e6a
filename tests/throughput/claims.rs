//! What is promised about one path, alone and beside others.
//!
//! They take a minute or two of the processor without optimisation and seconds with it, so a plain `cargo test` leaves
//! them out: `cargo test --profile sim --test throughput -- --nocapture`.

use crate::newreno::NewReno;
use crate::ours::{BLOCKS, Ours, SMALL, Shape};
use crate::world::{Link, Policer, World};

/// Goodput of one flow, in thousandths of what the link could carry in such datagrams.
pub fn efficiency(link: Link, shape: Shape, seconds: u64) -> u64 {
    let mut world = World::new(link, 1);
    let flow = world.add(Ours::flow(shape), 0);
    world.play(seconds * 1_000);
    world.content(flow) * shape.wire() / shape.content * 1_000 / link.carries(seconds * 1_000)
}

/// What was seen between two times.
#[derive(Debug)]
struct Seen {
    /// What each flow got of the link, in thousandths.
    shares: Vec<u64>,
    /// What did not fit into the queue, of all that was sent, in thousandths.
    dropped: u64,
    /// Mean time in the queue, in milliseconds.
    wait: u64,
}

impl Seen {
    /// Jain's index of fairness, in thousandths.
    fn fairness(&self) -> u64 {
        let sum: u64 = self.shares.iter().sum();
        let squares: u64 = self.shares.iter().map(|share| share * share).sum();
        sum * sum * 1_000 / squares.max(1) / self.shares.len() as u64
    }
}

fn watch(world: &mut World, from_ms: u64, to_ms: u64) -> Seen {
    world.play(from_ms);
    world.net.take_mean_wait();
    let sums = |world: &World| -> (u64, u64) { (world.net.dropped.iter().sum(), world.net.offered.iter().sum()) };
    let wires = |world: &World| -> Vec<u64> { (0..world.flows.len()).map(|flow| world.wire(flow)).collect() };
    let (dropped, offered) = sums(world);
    let before = wires(world);
    world.play(to_ms);
    let (dropped, offered) = (sums(world).0 - dropped, sums(world).1 - offered);
    let carries = world.net.link.carries(to_ms - from_ms);
    let shares = wires(world).iter().zip(before).map(|(after, before)| (after - before) * 1_000 / carries).collect();
    Seen { shares, dropped: dropped * 1_000 / offered.max(1), wait: world.net.take_mean_wait() / 1_000 }
}

/// Claims about minutes of virtual time are left out without optimisation.
macro_rules! claims {
    ($($(#[$doc:meta])* fn $name:ident() $body:block)*) => {
        $(#[test]
        #[cfg_attr(debug_assertions, ignore = "slow without optimisation: cargo test --profile sim --test throughput")]
        $(#[$doc])*
        fn $name() $body)*
    };
}

claims! {
    fn a_path_with_random_loss_is_filled() {
        for shape in [BLOCKS, SMALL] {
            for (loss, least) in [(0, 920), (10, 850), (50, 700)] {
                let share = efficiency(Link::new(100, 50).loss(loss), shape, 60);
                println!("datagrams of {} bytes, {loss}/1000 lost: {share}/1000 of the link", shape.payload);
                assert!(share >= least, "{share} is less than {least}");
            }
        }
    }

    fn alone_at_a_deep_queue_it_stands_almost_empty() {
        for shape in [BLOCKS, SMALL] {
            let mut world = World::new(DEEP, 1);
            world.add(Ours::flow(shape), 0);
            let seen = watch(&mut world, 0, 60_000);
            println!("datagrams of {} bytes: {seen:?}", shape.payload);
            assert!(seen.wait < 30 && seen.shares[0] >= 920);
        }
    }

    fn beside_a_newreno_flow_at_a_deep_queue_the_link_is_shared() {
        for shape in [BLOCKS, SMALL] {
            for (ours_at, tcp_at) in [(0, 0), (0, 5), (5, 0), (0, 20), (20, 0)] {
                for seconds in [60, 120] {
                    let mut world = World::new(DEEP, 1);
                    world.add(Ours::flow(shape), ours_at * 1_000);
                    world.add(NewReno::flow(), tcp_at * 1_000);
                    let from = ours_at.max(tcp_at) * 1_000;
                    let seen = watch(&mut world, from, from + seconds * 1_000);
                    println!("{} bytes from {ours_at} s, TCP from {tcp_at} s, {seconds} s: {seen:?}", shape.payload);
                    // 0.4 and 1.5 of a fair share, which is half of the link.
                    assert!((200..=750).contains(&seen.shares[0]));
                }
            }
        }
    }

    fn flows_of_ours_share_fairly() {
        for link in [Link::new(100, 50), DEEP, Link::new(20, 40).queue(200)] {
            for (count, last_at) in [(2, 0), (4, 0), (2, 20_000), (4, 20_000)] {
                let mut world = World::new(link, 1);
                for number in 1..=count {
                    world.add(Ours::flow(BLOCKS), if number == count { last_at } else { 0 });
                }
                let seen = watch(&mut world, last_at, last_at + 60_000);
                println!("{count} flows, the last from {last_at} ms: {} {seen:?}", seen.fairness());
                assert!(seen.fairness() > 900);
                assert!(seen.shares.iter().sum::<u64>() >= 920);
            }
        }
    }

    fn a_short_queue_is_not_flooded() {
        for percent in [10, 30] {
            for count in [1, 2, 4] {
                let mut world = World::new(Link::new(100, 50).queue(percent), 1);
                for _ in 0..count {
                    world.add(Ours::flow(BLOCKS), 0);
                }
                let seen = watch(&mut world, 5_000, 65_000);
                println!("a queue of {percent} % of the pipe, {count} flows: {seen:?}");
                assert!(seen.dropped < 200 && seen.shares.iter().sum::<u64>() >= 850);
            }
        }
    }

    fn a_policer_is_noticed() {
        let mut world = World::new(Link::new(100, 50), 1);
        world.net.policer = Some(Policer::new(20_000_000, 100_000));
        world.add(Ours::flow(BLOCKS), 0);
        let seen = watch(&mut world, 5_000, 65_000);
        println!("100 Mbit/s policed to 20: {seen:?}");
        assert!(seen.dropped < 100 && (130..=200).contains(&seen.shares[0]));
    }

    fn after_a_blackout_of_two_seconds_it_is_as_fast_as_before_within_a_second_or_so() {
        for shape in [BLOCKS, SMALL] {
            let mut world = World::new(Link::new(100, 50), 1);
            let flow = world.add(Ours::flow(shape), 0);
            world.change(10_000, |net| net.is_dark = true);
            world.change(12_000, |net| net.is_dark = false);
            world.play(12_000);
            let recovered = (1..100).find(|tenth| {
                let from = 12_000 + (tenth - 1) * 100;
                watch(&mut world, from, from + 100).shares[flow] >= 800
            });
            println!("datagrams of {} bytes: fast again after {recovered:?} tenths of a second", shape.payload);
            assert!(recovered.is_some_and(|tenths| tenths <= 15));
        }
    }

    fn a_path_that_loses_nine_tenths_of_its_rate_is_not_queued_at_for_long_and_a_rise_is_found() {
        for queue in [100, 1_000] {
            let mut world = World::new(Link::new(100, 50).queue(queue), 1);
            let flow = world.add(Ours::flow(BLOCKS), 0);
            world.change(20_000, |net| net.link.rate /= 10);
            world.change(40_000, |net| net.link.rate *= 10);
            world.play(20_000);
            let short = (1..20).find(|second| {
                watch(&mut world, 19_000 + second * 1_000, 20_000 + second * 1_000).wait < 100
            });
            let seen = watch(&mut world, 30_000, 39_000);
            println!("queue of {queue} %: short again in second {short:?}, later {seen:?}");
            let found = (1..20).find(|second| {
                watch(&mut world, 39_000 + second * 1_000, 40_000 + second * 1_000).shares[flow] >= 800
            });
            println!("the rise is used in second {found:?}");
            assert!(short.is_some_and(|second| second <= 5) && seen.shares[flow] >= 850);
            assert!(found.is_some_and(|second| second <= 8));
        }
    }
}

/// What a path into silence is asked.
#[test]
fn a_source_that_fell_silent_is_asked_a_few_times_a_minute() {
    let mut world = World::new(Link::new(10, 50), 1);
    let flow = world.add(Ours::flow(BLOCKS), 0);
    world.change(5_000, |net| net.is_dark = true);
    let mut before = 0;
    let asks: Vec<u64> = (1..=10)
        .map(|minute| {
            world.play(5_000 + minute * 60_000);
            let asked = world.ours(flow).asks - before;
            before += asked;
            asked
        })
        .collect();
    println!("asks a minute: {asks:?}");
    assert!(asks[1..].iter().all(|asks| (1..=4).contains(asks)));
}

#[test]
fn a_source_that_never_answered_is_asked_a_few_times_a_minute() {
    let mut world = World::new(Link::new(10, 50), 1);
    let flow = world.add(Ours::flow(BLOCKS), 0);
    world.net.is_dark = true;
    world.play(60_000);
    let first = world.ours(flow).asks;
    world.play(600_000);
    let rest = world.ours(flow).asks - first;
    println!("asks in the first minute: {first}, in nine more: {rest}");
    assert!(first <= 14 && (9..=18).contains(&rest));
}

/// 20 Mbit/s, 40 ms, with a queue of ten bandwidth-delay products.
const DEEP: Link = Link { rate: 20_000_000, round_trip: 40_000, queue: 1_000_000, loss: 0 };
