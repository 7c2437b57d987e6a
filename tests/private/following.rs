//! Whoever follows a stream may look for its owner for hours: what was said and who said it must not last as long.

use crate::bench::{Bench, THIRD, WILD};
use crate::play::address;
use crate::play::keys::{alice as bob, my_key, thief};
use cjp2p_node::node::{Command, CommandError, STREAMS_MAX, StreamCommand};
use cjp2p_node::stream::StreamId;
use cjp2p_node::stream::follow::{From, State};
use std::net::SocketAddr;
use std::time::Duration;

/// One of the streams of an owner.
fn radio(n: usize) -> StreamId {
    StreamId::new(bob().public(), &format!("radio{n}")).unwrap()
}

/// How often somebody is asked where the owner is.
fn asked_where(sent: &[(SocketAddr, String)]) -> usize {
    sent.iter().filter(|(_, text)| text.contains("WhereAreThey")).count()
}

/// Somebody who waits for a stream that is not there.
struct Follower {
    bench: Bench,
    id: StreamId,
}

impl Follower {
    fn new() -> Follower {
        let mut bench = Bench::new();
        bench.verify(THIRD);
        let mut follower = Follower { bench, id: radio(0) };
        follower.follow(&radio(0)).unwrap();
        follower
    }

    fn command(&mut self, command: StreamCommand) -> Result<(), CommandError> {
        self.bench.play.node.handle_command(self.bench.play.now, Command::Stream(command))
    }

    /// Follows another one beside it.
    fn follow(&mut self, id: &StreamId) -> Result<(), CommandError> {
        let patience = Duration::from_secs(36_000);
        self.command(StreamCommand::Follow { id: id.clone(), from: From::Start, patience })
    }

    /// How often somebody is asked within `seconds` where the owner is, while nobody reads.
    fn asked_within(&mut self, seconds: u64) -> usize {
        (0..seconds).map(|_| asked_where(&self.bench.play.run(Duration::from_secs(1)))).sum()
    }

    /// How many keys are looked for.
    fn sought(&self) -> usize {
        self.bench.play.node.sizes().find(|size| size.table == "keys that are looked for").unwrap().len
    }

    /// Whether there is anything to be read of a stream.
    fn read(&mut self, id: &StreamId) -> bool {
        self.bench.play.node.read_stream(self.bench.play.now, id, 0, 10).is_some()
    }

    /// Waits for five seconds.
    fn wait(&mut self) -> Vec<(SocketAddr, String)> {
        self.read(&self.id.clone());
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
        asked.push(asked_where(&sent));
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

#[test]
fn who_gives_up_does_not_begin_the_search_anew_that_others_share() {
    let rounds = |other: Option<usize>| -> Vec<usize> {
        let mut follower = Follower::new();
        let mut rounds = Vec::new();
        for step in 0..20 {
            let mut sent = follower.bench.hear(THIRD, r#"{"Peers":{"peers":[]}}"#);
            if let Some(n) = other.filter(|_| step >= 4) {
                follower.follow(&radio(n)).unwrap();
                follower.command(StreamCommand::Unfollow(radio(n))).unwrap();
                sent.extend(follower.bench.play.run(Duration::from_millis(500)));
            }
            sent.extend(follower.wait());
            rounds.push(asked_where(&sent));
        }
        rounds
    };
    let alone = rounds(None);
    assert!(alone[0] >= 3 && alone[4..].iter().sum::<usize>() <= 8, "{alone:?}");
    for other in [0, 1] {
        let beside = rounds(Some(other));
        assert!(beside[4..].iter().sum::<usize>() <= 8, "of the same stream, or another of its owner: {beside:?}");
    }
}

#[test]
fn what_nobody_reads_any_more_ends_and_its_search_with_it() {
    let mut follower = Follower::new();
    follower.wait();
    // Whoever is killed says nothing.
    assert!(follower.asked_within(24) > 0 && follower.sought() == 1, "it may be read again");
    follower.asked_within(2);
    assert_eq!((follower.sought(), follower.asked_within(120)), (0, 0), "30 s after it was read last");

    let mut follower = Follower::new();
    follower.wait();
    follower.command(StreamCommand::Unfollow(radio(0))).unwrap();
    follower.asked_within(3);
    assert_eq!((follower.sought(), follower.asked_within(120)), (0, 0), "somebody has said that it is over");
    assert_eq!(follower.command(StreamCommand::Unfollow(radio(0))), Err(CommandError::NotFollowing));
}

#[test]
fn who_has_gone_makes_room_at_once_and_leaves_no_search_behind() {
    let mut follower = Follower::new();
    let other = |n: usize| StreamId::new(thief().public(), &format!("radio{n}")).unwrap();
    (1..STREAMS_MAX).for_each(|n| follower.follow(&other(n)).unwrap());
    assert_eq!((follower.follow(&other(0)), follower.sought()), (Err(CommandError::Full), 2));
    follower.command(StreamCommand::Unfollow(radio(0))).unwrap();
    follower.follow(&other(0)).unwrap();
    assert_eq!(follower.sought(), 1, "nobody reads what the first one has signed");
}

#[test]
fn who_reads_on_beside_one_that_gives_up_keeps_its_stream_when_a_fifth_is_wanted() {
    for from in [From::Start, From::End] {
        let mut follower = Follower::new();
        let other = |n: usize| StreamId::new(thief().public(), &format!("radio{n}")).unwrap();
        let patience = Duration::from_secs(60);
        // Two follow the first stream; one of them gives up, and the other reads every 20 ms.
        follower.command(StreamCommand::Unfollow(radio(0))).unwrap();
        follower.bench.play.run(Duration::from_secs(3));
        follower.command(StreamCommand::Follow { id: radio(0), from, patience }).unwrap();
        follower.follow(&radio(0)).unwrap();
        (1..STREAMS_MAX).for_each(|n| follower.follow(&other(n)).unwrap());
        assert!(follower.read(&radio(0)));
        follower.command(StreamCommand::Unfollow(radio(0))).unwrap();
        follower.bench.play.run(Duration::from_millis(5));
        assert_eq!(follower.follow(&other(0)), Err(CommandError::Full), "{from:?}: all are read");
        follower.bench.play.run(Duration::from_millis(15));
        assert!(follower.read(&radio(0)), "{from:?}: thrown out while it reads");
        // The last one leaves.
        follower.command(StreamCommand::Unfollow(radio(0))).unwrap();
        assert_eq!(follower.follow(&other(0)), Ok(()));
        assert!(!follower.read(&radio(0)));
    }
}

#[test]
fn the_stream_that_nobody_has_read_the_longest_makes_room_first() {
    let mut follower = Follower::new();
    let other = |n: usize| StreamId::new(thief().public(), &format!("radio{n}")).unwrap();
    (1..STREAMS_MAX).for_each(|n| follower.follow(&other(n)).unwrap());
    // Whoever is killed says nothing. The second one lives for five seconds more than the third.
    follower.wait();
    assert!(follower.read(&other(1)) && follower.read(&other(3)));
    (0..6).for_each(|_| drop(follower.wait()));
    assert!(follower.read(&other(3)));
    // Who has just left may be about to come back.
    follower.command(StreamCommand::Unfollow(radio(0))).unwrap();
    for (new, gone) in [other(2), other(1), radio(0)].iter().enumerate() {
        assert_eq!(follower.follow(&other(10 + new)), Ok(()));
        assert!(!follower.read(gone), "{gone:?}");
    }
    assert_eq!(follower.follow(&other(20)), Err(CommandError::Full));
    assert!((10..13).chain([3]).all(|n| follower.read(&other(n))));
}
