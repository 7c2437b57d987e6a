//! Whoever follows a stream may look for its owner for hours: what was said and who said it must not last as long.

use crate::bench::{Bench, THIRD, WILD};
use crate::play::address;
use crate::play::keys::{alice as bob, my_key};
use cjp2p_node::node::{Command, StreamCommand};
use cjp2p_node::stream::StreamId;
use cjp2p_node::stream::follow::From;
use std::net::SocketAddr;
use std::time::Duration;

/// Somebody who waits for a stream that is not there.
struct Follower {
    bench: Bench,
    id: StreamId,
}

impl Follower {
    fn new() -> Follower {
        let mut bench = Bench::new();
        bench.verify(THIRD);
        let id = StreamId::new(bob().public(), "radio").unwrap();
        let patience = Duration::from_secs(36_000);
        let follow = StreamCommand::Follow { id: id.clone(), from: From::Start, patience };
        bench.play.node.handle_command(bench.play.now, Command::Stream(follow)).unwrap();
        Follower { bench, id }
    }

    /// Waits for five seconds.
    fn wait(&mut self) -> Vec<(SocketAddr, String)> {
        self.bench.play.node.read_stream(self.bench.play.now, &self.id, 0, 10);
        self.bench.play.run(Duration::from_secs(5))
    }

    /// Somebody says where the owner is.
    fn tell(&mut self, teller: &str, home: &str) -> Vec<(SocketAddr, String)> {
        self.bench.tell(teller, &my_key(&bob()), home)
    }
}

#[test]
fn who_has_said_something_and_is_gone_is_not_asked_for_ever() {
    let mut follower = Follower::new();
    follower.tell(THIRD, WILD);
    let minutes: Vec<usize> = (0..90)
        .map(|_| {
            let sent: Vec<_> = (0..12).flat_map(|_| follower.wait()).collect();
            sent.iter().filter(|(to, text)| *to == address(THIRD) && text.contains("WhereAreThey")).count()
        })
        .collect();
    assert!(minutes[0] > 0 && *minutes.last().unwrap() == 0, "{minutes:?}");
}

#[test]
fn an_owner_that_moves_while_a_follower_waits_is_tried_at_each_new_home() {
    let mut follower = Follower::new();
    for n in 1..=4 {
        let home = format!("8.{n}.1.1:24254");
        let mut sent = follower.tell(THIRD, &home);
        for _ in 0..60 {
            sent.extend(follower.bench.hear(THIRD, r#"{"Peers":{"peers":[]}}"#));
            sent.extend(follower.wait());
        }
        assert!(sent.iter().any(|(to, _)| *to == address(&home)), "{home}");
    }
}

#[test]
fn four_liars_do_not_keep_an_owner_from_a_follower_who_waits() {
    let mut follower = Follower::new();
    for n in 1..=4 {
        let liar = format!("203.0.{}.1:24254", 10 + n);
        follower.bench.verify(&liar);
        (1..=2).for_each(|m| drop(follower.tell(&liar, &format!("9.{m}.{n}.1:24254"))));
    }
    let is_tried = (0..720).any(|_| {
        let mut sent = follower.tell(THIRD, WILD);
        sent.extend(follower.wait());
        sent.iter().any(|(to, _)| *to == address(WILD))
    });
    assert!(is_tried, "an hour was not enough");
}

#[test]
fn an_owner_that_comes_back_to_the_same_address_is_tried_again() {
    let mut follower = Follower::new();
    let hours: Vec<usize> = (0..3)
        .map(|_| {
            let tries = (0..720).map(|_| {
                let mut sent = follower.tell(THIRD, WILD);
                sent.extend(follower.wait());
                sent.iter().filter(|(to, _)| *to == address(WILD)).count()
            });
            tries.sum()
        })
        .collect();
    assert!(hours.iter().all(|count| *count > 0), "{hours:?}");
}
