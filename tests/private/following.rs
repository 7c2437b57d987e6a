//! Whoever follows a stream may look for its owner for hours: what was said and who said it must not last as long.

use crate::bench::{Bench, THIRD, WILD};
use crate::play::address;
use crate::play::keys::{alice as bob, my_key};
use cjp2p_node::node::{Command, StreamCommand};
use cjp2p_node::stream::StreamId;
use cjp2p_node::stream::follow::{From, State};
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

#[test]
fn the_end_of_a_message_does_not_begin_the_search_anew_that_a_follower_shares() {
    let mut follower = Follower::new();
    let mut asked = Vec::new();
    for step in 0..36 {
        if step == 10 {
            follower.bench.write(bob().public(), "hello", 1).unwrap();
        }
        let mut sent = follower.bench.hear(THIRD, r#"{"Peers":{"peers":[]}}"#);
        sent.extend(follower.wait());
        asked.push(sent.iter().filter(|(_, text)| text.contains("WhereAreThey")).count());
    }
    // The search began anew after two minutes, and its rounds are rare by the time at which the message is given up,
    // after 170 s.
    assert!(asked[24..26].iter().sum::<usize>() >= 3, "{asked:?}");
    assert_eq!(asked[32..36], [0; 4], "{asked:?}");
}

#[test]
fn hints_make_a_node_ask_one_peer_for_a_stream_no_more_often_than_is_stated() {
    let (mut follower, victim) = (Follower::new(), "70.0.1.1:24254");
    let sources: Vec<String> = (1..=3).map(|n| format!("{}.0.{n}.1:24254", 60 + n)).collect();
    follower.bench.verify(victim);
    let id = follower.id.as_str().to_owned();
    let holds = format!(r#"{{"StreamHoldings":{{"id":"{id}","from":0,"to":0,"age":0}}}}"#);
    let maybe = format!(r#"{{"MaybeTheyHaveSome":{{"id":"{id}","peers":["{victim}"]}}}}"#);
    for source in &sources {
        // It is asked as soon as it is known.
        follower.bench.verify(source);
        follower.bench.hear(source, &holds);
    }
    let mut sent = Vec::new();
    for step in 0..600 {
        // Without our token, as anybody can write it in the name of a source.
        sent.extend(follower.bench.play.hear(&sources[step % 3], &format!("[{maybe}]")));
        sources.iter().for_each(|source| sent.extend(follower.bench.hear(source, &holds)));
        // It is there, and has nothing to say about streams.
        sent.extend(follower.bench.hear(victim, r#"{"Peers":{"peers":[]}}"#));
        follower.bench.play.node.read_stream(follower.bench.play.now, &follower.id, 0, 10);
        sent.extend(follower.bench.play.run(Duration::from_millis(100)));
    }
    let chunk = follower.bench.play.node.read_stream(follower.bench.play.now, &follower.id, 0, 10).unwrap();
    assert_eq!(chunk.state, State::Following, "there are enough sources, so nobody is asked but for the hints");
    let asked = sent.iter().filter(|(to, text)| *to == address(victim) && text.contains("PleaseSendHoldings")).count();
    assert!((10..=4 + 12).contains(&asked), "{asked} times in a minute");
}
