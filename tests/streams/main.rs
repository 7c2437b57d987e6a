//! Signed streams between whole nodes: loss, latecomers, relays, forgeries and lies, on a virtual clock.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod village;

use cjp2p_node::stream::follow::{From, State};
use std::time::Duration;
use village::{Village, identity, stream_of};

const MEGABYTE: u64 = 1_000_000;

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn id_of(owner: usize) -> cjp2p_node::stream::StreamId {
    stream_of(identity(owner).public())
}

#[test]
fn ten_followers_of_a_megabyte_a_second_through_five_percent_loss_are_within_a_second_and_miss_nothing() {
    let mut village = Village::new(11, |node| if node == 0 { vec![] } else { vec![0] });
    village.loss_percent = 5;
    village.begin(0);
    for node in 1..11 {
        village.follow(node, id_of(0), From::Start);
    }
    village.stream(0, MEGABYTE, seconds(10));
    let length = village.length();
    village.end(0);
    village.stream(0, 0, seconds(3));
    let worst = village.readers.iter().map(|reader| reader.worst).max().unwrap();
    for (node, (datagrams, bytes)) in &village.sent {
        println!("node {node} sent {datagrams} datagrams, {bytes} bytes");
    }
    println!("{:?}", village.readers.iter().map(|r| (r.node, r.worst)).collect::<Vec<_>>());
    println!("{length} bytes, 10 followers, 5 % loss: at most {worst:?} behind");
    for n in 1..11 {
        let d = village.at(n).dbg();
        let c = *village.at(n).counters();
        println!("{:?}", c.iter().filter(|(_, v)| *v > 0).collect::<Vec<_>>());
        println!("{n} {}", d);
    }
    for reader in &village.readers {
        assert_eq!(
            (reader.bytes, &reader.missing[..], reader.state),
            (length, &[][..], State::Ended),
            "{}",
            reader.node
        );
    }
    assert!(worst < seconds(1), "{worst:?}");
}

#[test]
fn a_latecomer_gets_all_from_the_start_and_catches_up_though_much_is_lost() {
    let mut village = Village::new(3, |node| if node == 0 { vec![] } else { vec![0] });
    village.loss_percent = 5;
    village.begin(0);
    village.follow(1, id_of(0), From::Start);
    village.stream(0, MEGABYTE, seconds(10));
    village.follow(2, id_of(0), From::Start);
    village.stream(0, MEGABYTE, seconds(10));
    let behind = village.length() - village.readers[1].place;
    println!("{behind} bytes behind");
    village.stream(0, MEGABYTE, seconds(1));
    village.end(0);
    village.stream(0, 0, seconds(3));
    for n in 1..3 {
        let d = village.at(n).dbg();
        println!("{n} {}", d);
        let c = *village.at(n).counters();
        println!("{:?}", c.iter().filter(|(_, v)| *v > 0).collect::<Vec<_>>());
    }
    for reader in &village.readers {
        assert_eq!((reader.bytes, &reader.missing[..], reader.state), (village.length(), &[][..], State::Ended));
    }
    assert!(behind < MEGABYTE, "{behind}");
    assert!(village.readers[0].worst < seconds(1));
}
