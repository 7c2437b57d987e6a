//! The ways to the sources of a stream: how long they are found to be, and which of several is asked.

use crate::village::{Village, address, identity};
use crate::{MEGABYTE, id_of, seconds};
use cjp2p_node::Time;
use cjp2p_node::stream::block::Block;
use cjp2p_node::stream::follow::{Follow, From};
use std::time::Duration;

#[test]
fn a_block_that_one_source_did_not_send_is_asked_of_another_next() {
    let mut now = Time::from_micros(1_000_000);
    let mut follow = Follow::new(now, id_of(0), From::Start, seconds(60));
    for source in [1, 2] {
        assert!(follow.knock(now, address(source), Duration::ZERO));
    }
    now = now + Duration::from_millis(40);
    for source in [1, 2] {
        follow.take_holdings(now, address(source), (0, 40 * 4_096), Duration::ZERO);
    }
    // Both say that they have all of it, and send the 40 blocks but for one.
    let lacking = 7;
    let (mut asked, mut on_its_way, mut of_lacking) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..150 {
        follow.ask(now, &mut asked);
        for question in asked.drain(..).filter(|question| question.length == 4_096) {
            match question.offset / 4_096 {
                at if at == lacking => of_lacking.push(question.to),
                at => on_its_way.push((now + Duration::from_millis(40), at, question.to)),
            }
        }
        now = now + Duration::from_millis(10);
        for (_, at, from) in on_its_way.extract_if(.., |(due, ..)| *due <= now).collect::<Vec<_>>() {
            let block = Block::sign(&identity(0), &id_of(0), at, &[7; 4_096], false).unwrap();
            follow.take_block(now, from, at, block);
        }
        for source in [1, 2] {
            follow.take_holdings(now, address(source), (0, 40 * 4_096), Duration::ZERO);
        }
    }
    assert!(of_lacking.len() >= 8, "{of_lacking:?}");
    assert!(of_lacking.windows(2).all(|pair| pair[0] != pair[1]), "{of_lacking:?}");
}

/// How long one takes to catch up with `bytes` of a stream, and what its owner sends meanwhile.
fn catch_up(village: &mut Village, bytes: u64) -> (Duration, u64) {
    village.sent.clear();
    let begun = village.now;
    while village.readers[0].bytes < bytes {
        village.stream(0, 0, Duration::from_millis(100));
        assert!(village.now.since(begun) < seconds(60), "{} bytes in a minute", village.readers[0].bytes);
    }
    (village.now.since(begun), village.sent[&0].1)
}

#[test]
fn who_comes_late_catches_up_in_little_more_than_the_time_of_the_way_however_long_it_is() {
    for one_way_ms in [10, 50, 100, 120, 130, 140, 150, 200, 300] {
        let mut village = Village::new(2, |node| if node == 0 { vec![] } else { vec![0] });
        village.delay_ms = (one_way_ms, one_way_ms + 5);
        village.run(seconds(60));
        village.begin(0);
        village.append(0, 4 * MEGABYTE);
        village.stream(0, 0, seconds(1));
        village.follow(1, id_of(0), From::Start);
        let (took, sent) = catch_up(&mut village, 4 * MEGABYTE);
        println!("{one_way_ms} ms: {took:?}, {sent} bytes sent");
        // 1,000 blocks, twice as many on their way each time up to 128: fourteen round trips; and six at most until it
        // is known how long one is, if the owner was asked again before its first answer came.
        assert!(took < Duration::from_millis(40 * one_way_ms + 500), "{one_way_ms} ms: {took:?}");
        // In base64 and with what stands around it a block is 5,870 bytes.
        assert!(sent < 4 * MEGABYTE * 3 / 2, "{one_way_ms} ms: {sent} bytes");
    }
}

#[test]
fn a_way_that_becomes_longer_is_measured_again_and_hardly_anything_is_sent_twice() {
    for one_way_ms in [50, 80, 100, 150, 200, 300] {
        let mut village = Village::new(2, |node| if node == 0 { vec![] } else { vec![0] });
        village.delay_ms = (30, 32);
        village.run(seconds(60));
        village.begin(0);
        village.append(0, 8 * MEGABYTE);
        village.stream(0, 0, seconds(1));
        village.follow(1, id_of(0), From::Start);
        village.stream(0, 0, Duration::from_millis(500));
        village.delay_ms = (one_way_ms, one_way_ms + 5);
        let left = 8 * MEGABYTE - village.readers[0].bytes;
        let (took, sent) = catch_up(&mut village, 8 * MEGABYTE);
        println!("from 30 to {one_way_ms} ms: {took:?}, {sent} bytes sent for {left}");
        // For ten seconds it may be a queue, which would only become longer.
        assert!(took < seconds(25), "{one_way_ms} ms: {took:?}");
        assert!(sent < left * 8 / 5, "{one_way_ms} ms: {sent} bytes for {left}");
    }
}
