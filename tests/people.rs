//! Writing to a key: finding out where its holder is, and what becomes of a message on a network that loses and lies.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::print_stdout)] // figures are printed for whoever runs the tests

mod play;

use cjp2p_node::Time;
use cjp2p_node::identity::{Identity, PublicKey};
use cjp2p_node::node::{Command, Event, Undelivered};
use play::village::Village;
use play::{Play, address};
use std::net::SocketAddr;
use std::time::Duration;

const HOP: Duration = Duration::from_millis(20);
const THIRD: &str = "203.0.113.1:24254";
const ALICE: &str = "203.0.114.2:24254";
const BOB: &str = "198.51.100.3:24254";

/// A third node and two that make contact with it, where so many datagrams of a hundred are lost and nobody hears of
/// anybody who has not asked for a key.
fn village(loss: u64, seed: u8) -> Village {
    let mut village = Village::seeded(&[THIRD, ALICE, BOB], seed);
    (village.is_discreet, village.records) = (true, true);
    village.lose(loss * 10, u64::from(seed));
    village
}

impl Village {
    fn key(&self, of: usize) -> PublicKey {
        self.nodes[of].0.public_key()
    }

    fn write(&mut self, from: usize, to: usize, text: &str, number: u64) {
        let command = Command::PrivateChat { to: self.key(to), text: text.to_owned(), number };
        let now = self.now;
        self.nodes[from].0.handle_command(now, command).unwrap();
    }

    /// The private lines that somebody was shown, with the time and whose they were.
    fn shown(&self, to: usize) -> Vec<(Time, PublicKey, &str)> {
        let shown = self.events.iter().filter(|(_, n, _)| *n == to).filter_map(|(at, _, event)| match event {
            Event::PrivateChat { key, text, .. } => Some((*at, *key, text.as_str())),
            _ => None,
        });
        shown.collect()
    }

    /// The numbers of what has arrived as far as its author knows, and of what was given up.
    fn outcomes(&self, of: usize) -> (Vec<u64>, Vec<u64>) {
        let (mut delivered, mut given_up) = (Vec::new(), Vec::new());
        for (_, n, event) in &self.events {
            match event {
                Event::Delivered { number, .. } if *n == of => delivered.push(*number),
                Event::Undelivered { number, .. } if *n == of => given_up.push(*number),
                _ => {}
            }
        }
        (delivered, given_up)
    }

    fn are_neighbours(&self, one: usize, other: usize) -> bool {
        let peers = self.nodes[one].0.peers(self.now, usize::MAX);
        peers.iter().any(|peer| peer.address == self.nodes[other].1 && peer.is_neighbour)
    }

    fn moves(&mut self, who: usize, to: &str) {
        let now = self.now;
        self.nodes[who].1 = address(to);
        self.nodes[who].0.handle_command(now, Command::NetworkChanged).unwrap();
    }
}

#[test]
fn a_message_to_a_key_that_only_a_third_node_knows_arrives_within_two_round_trips_of_its_answer() {
    let mut village = village(0, 1);
    village.run(Duration::from_secs(60));
    assert_eq!(village.nodes[1].0.home(&village.key(2)), None);
    assert_eq!(village.nodes[0].0.home(&village.key(2)), Some(address(BOB)));
    let said = village.now;
    village.write(1, 2, "hello", 7);
    village.run(Duration::from_secs(5));
    let is_answer = |(_, _, to, text): &&(Time, SocketAddr, SocketAddr, String)| {
        *to == address(ALICE) && text.contains("\"Forwarded\"")
    };
    let (answered, ..) = village.arrived.iter().find(is_answer).unwrap();
    let [(shown, from, "hello")] = village.shown(2)[..] else { panic!("{:?}", village.shown(2)) };
    assert_eq!(from, village.key(1));
    // A round trip is there and back: two hops.
    assert_eq!(answered.since(said), 2 * HOP, "the question and its answer");
    assert!(shown.since(*answered) <= 2 * 2 * HOP, "{:?} after the answer", shown.since(*answered));
    assert_eq!(shown.since(*answered), 3 * HOP, "a token there, a token back, the message");
    assert_eq!(village.outcomes(1), (vec![7], vec![]));
    assert_eq!(village.nodes[1].0.home(&village.key(2)), Some(address(BOB)), "the confirmation proves it");
    // From now on both know each other.
    let said = village.now;
    village.write(2, 1, "hello to you", 1);
    village.run(Duration::from_secs(5));
    assert_eq!(village.shown(1)[0].0.since(said), HOP);
    assert_eq!(village.outcomes(2), (vec![1], vec![]));
}

#[test]
fn messages_arrive_once_and_in_order_where_a_fifth_of_all_datagrams_is_lost() {
    for seed in 0..4 {
        let mut village = village(20, seed);
        village.run(Duration::from_secs(120));
        for n in 0..10 {
            village.write(1, 2, &format!("line {n}"), n);
            village.run(Duration::from_secs(1));
        }
        village.run(Duration::from_secs(180));
        let texts: Vec<&str> = village.shown(2).iter().map(|(.., text)| *text).collect();
        let expected: Vec<String> = (0..10).map(|n| format!("line {n}")).collect();
        assert_eq!(texts, expected, "seed {seed}");
        assert_eq!(village.outcomes(1), ((0..10).collect(), vec![]), "seed {seed}");
    }
}

#[test]
fn who_moves_while_messages_are_on_their_way_is_found_again() {
    for seed in 0..4 {
        let mut village = village(20, seed);
        village.run(Duration::from_secs(120));
        village.write(1, 2, "before", 1);
        village.run(Duration::from_secs(60));
        village.moves(2, "192.0.2.77:30000");
        village.write(1, 2, "meanwhile", 2);
        village.run(Duration::from_millis(1_100));
        village.write(1, 2, "after", 3);
        village.run(Duration::from_secs(180));
        let texts: Vec<&str> = village.shown(2).iter().map(|(.., text)| *text).collect();
        assert_eq!(texts, ["before", "meanwhile", "after"], "seed {seed}");
        assert_eq!(village.outcomes(1), (vec![1, 2, 3], vec![]), "seed {seed}");
        assert_eq!(village.nodes[1].0.home(&village.key(2)), Some(address("192.0.2.77:30000")), "seed {seed}");
    }
}

/// Two who have talked in private and are no neighbours, in a village where everybody has some.
fn acquaintances(seed: u8) -> (Village, usize, usize) {
    let addresses: Vec<String> = (0..24).map(|n| format!("{}.9.8.7:24254", 20 + n)).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let mut village = Village::seeded(&addresses, seed);
    village.records = true;
    village.run(Duration::from_secs(300));
    let others: Vec<usize> = (6..24).filter(|to| !village.are_neighbours(5, *to)).collect();
    for to in &others {
        village.write(5, *to, "before", 1);
        village.run(Duration::from_secs(5));
    }
    // Some are neighbours for having written to each other.
    village.run(Duration::from_secs(300));
    let mut others = others.into_iter().filter(|to| !village.shown(*to).is_empty());
    let to = others.find(|to| !village.are_neighbours(5, *to) && !village.are_neighbours(*to, 5)).unwrap();
    village.events.clear();
    (village, 5, to)
}

/// How long after the first datagram of somebody who has moved a line arrives that was said so long after that, or so
/// long before. Meanwhile nothing reaches the one who moves.
fn found_after(seed: u8, before: Duration, after: Duration) -> Duration {
    let (mut village, from, to) = acquaintances(seed);
    village.nodes[to].1 = address("192.0.2.99:9");
    if !before.is_zero() {
        village.write(from, to, "after", 2);
        village.run(before);
    }
    let (moved, place) = (village.now, "192.0.2.77:30000");
    village.moves(to, place);
    village.run(after);
    if before.is_zero() {
        village.write(from, to, "after", 2);
    }
    village.run(Duration::from_secs(12));
    let shown: Vec<Time> = village.shown(to).iter().map(|(at, ..)| *at).collect();
    let [shown] = shown[..] else { panic!("seed {seed}: shown {} times", shown.len()) };
    assert_eq!(village.outcomes(from), (vec![2], vec![]));
    assert_eq!(village.nodes[from].0.home(&village.key(to)), Some(address(place)));
    shown.since(moved)
}

#[test]
fn who_moves_is_found_within_five_seconds_by_those_it_has_talked_with_who_are_no_neighbours() {
    for seed in 0..3 {
        let waits = [(0, 0), (0, 100), (0, 700), (0, 2_000), (1_500, 0), (10_000, 0), (40_000, 0), (70_000, 0)];
        for (before, after) in
            waits.map(|(before, after)| (Duration::from_millis(before), Duration::from_millis(after)))
        {
            let taken = found_after(seed, before, after);
            println!("seed {seed}, said {before:?} before or {after:?} after: {taken:?}");
            assert!(taken <= Duration::from_secs(5), "seed {seed}, {before:?} {after:?}: {taken:?}");
        }
    }
}

#[test]
fn a_message_to_nobody_is_given_up_after_two_minutes_and_a_bounded_effort() {
    let mut village = village(0, 3);
    village.run(Duration::from_secs(60));
    let nobody = Identity::from_seed(&[99; 32]).public();
    let before = village.nodes[1].0.counters().datagrams_sent;
    let (now, said) = (village.now, village.now);
    let command = Command::PrivateChat { to: nobody, text: "hello?".to_owned(), number: 5 };
    village.nodes[1].0.handle_command(now, command).unwrap();
    village.run(Duration::from_secs(600));
    let (at, event) = village
        .events
        .iter()
        .find_map(|(at, _, event)| matches!(event, Event::Undelivered { .. }).then_some((*at, event.clone())))
        .unwrap();
    let why = Undelivered::NotFound(1);
    assert_eq!(event, Event::Undelivered { number: 5, to: nobody, text: "hello?".to_owned(), why });
    assert_eq!(at.since(said), Duration::from_secs(120));
    let asked = village.nodes[1].0.counters().people_asked_for;
    assert!((6..=10).contains(&asked), "{asked} questions");
    assert!(village.nodes[1].0.counters().datagrams_sent - before < 400);
}

#[test]
fn who_is_alone_is_told_that_there_is_nobody_to_ask() {
    let mut play = Play::new();
    let to = Identity::from_seed(&[99; 32]).public();
    let command = Command::PrivateChat { to, text: "hello".to_owned(), number: 1 };
    play.node.handle_command(play.now, command).unwrap();
    play.run(Duration::from_secs(121));
    let undelivered = play.events().into_iter().find_map(|event| match event {
        Event::Undelivered { why, .. } => Some(why),
        _ => None,
    });
    assert_eq!(undelivered, Some(Undelivered::NobodyToAsk));
}
