//! Signed streams between whole nodes: loss, latecomers, relays, forgeries and lies, on a virtual clock.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::print_stdout)] // figures are printed for whoever runs the tests

mod village;
mod ways;
mod wild;

use cjp2p_node::Time;
use cjp2p_node::node::{Command, CommandError, StreamCommand};
use cjp2p_node::stream::block::Block;
use cjp2p_node::stream::follow::{Follow, From, State};
use std::time::Duration;
use village::{Village, address, identity, stream_of};

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
    village.stream(0, 0, seconds(5));
    village.stream(0, MEGABYTE, seconds(10));
    let length = village.length();
    village.end(0);
    village.stream(0, 0, seconds(3));
    let worst = village.readers.iter().map(|reader| reader.worst).max().unwrap();
    for (node, (datagrams, bytes)) in &village.sent {
        println!("node {node} sent {datagrams} datagrams, {bytes} bytes");
    }
    println!(
        "{:?}",
        village.readers.iter().map(|reader| (reader.node, reader.worst, reader.worst_at)).collect::<Vec<_>>()
    );
    println!("{length} bytes, 10 followers, 5 % loss: at most {worst:?} behind");
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
fn followers_are_within_a_second_whichever_datagrams_are_lost() {
    for seed in 1..=5 {
        let mut village = Village::new(11, |node| if node == 0 { vec![] } else { vec![0] });
        (village.loss_percent, village.chance) = (5, seed * 1_000);
        village.begin(0);
        for node in 1..11 {
            village.follow(node, id_of(0), From::Start);
        }
        village.stream(0, 0, seconds(5));
        village.stream(0, MEGABYTE, seconds(5));
        village.end(0);
        village.stream(0, 0, seconds(3));
        let worst = village.readers.iter().max_by_key(|reader| reader.worst).unwrap();
        println!("seed {seed}: at most {:?} behind, at {}", worst.worst, worst.worst_at);
        assert!(worst.worst < seconds(1), "{:?}", worst.worst);
        for reader in &village.readers {
            assert_eq!((reader.bytes, &reader.missing[..], reader.state), (village.length(), &[][..], State::Ended));
        }
    }
}

#[test]
fn who_joins_in_the_moment_in_which_the_bytes_begin_is_within_a_second_too() {
    let mut worst = Duration::ZERO;
    // More seeds take minutes; `STREAM_SEEDS=20` runs them.
    let seeds = std::env::var("STREAM_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    let seeds: Vec<u64> = seeds.map_or((1..=4).collect(), |seeds| (1..=seeds).collect());
    for (seed, joined_ms) in seeds.iter().flat_map(|seed| [0, 100, 500].map(|joined_ms| (*seed, joined_ms))) {
        let mut village = Village::new(11, |node| if node == 0 { vec![] } else { vec![0] });
        (village.loss_percent, village.chance) = (5, seed);
        village.begin(0);
        village.stream(0, MEGABYTE, Duration::from_millis(joined_ms));
        for node in 1..11 {
            village.follow(node, id_of(0), From::Start);
        }
        village.stream(0, MEGABYTE, seconds(2));
        if joined_ms > 0 {
            // They were late when they came, and had to catch up.
            village.readers.iter_mut().for_each(|reader| reader.worst = Duration::ZERO);
        }
        village.stream(0, MEGABYTE, seconds(3));
        village.end(0);
        village.stream(0, 0, seconds(3));
        for reader in &village.readers {
            let what = format!("seed {seed}, {joined_ms} ms, node {}: {:?}", reader.node, reader.worst);
            assert!(reader.worst < seconds(1), "{what} at {}", reader.worst_at);
            assert_eq!((reader.bytes, &reader.missing[..], reader.state), (village.length(), &[][..], State::Ended));
            worst = worst.max(reader.worst);
        }
    }
    println!("{} seeds, who joins when the bytes begin: at most {worst:?} behind", seeds.len());
}

#[test]
fn what_comes_next_is_asked_for_again_though_single_blocks_come() {
    let owner = address(0);
    let mut now = Time::from_micros(1_000_000);
    let mut follow = Follow::new(now, id_of(0), From::Start, seconds(60));
    let mut asked = Vec::new();
    assert!(follow.knock(now, owner, Duration::ZERO));
    now = now + Duration::from_millis(60);
    // It has 40 blocks, of which one comes each 60 ms. The question for what comes after them is lost.
    follow.take_holdings(now, owner, (0, 40 * 4_096), Duration::ZERO);
    let mut tails = Vec::new();
    for at in 0..10 {
        follow.ask(now, &mut asked);
        tails.extend(asked.drain(..).filter(|question| question.length > 4_096).map(|_| now));
        now = now + Duration::from_millis(60);
        let block = Block::sign(&identity(0), &id_of(0), at, &[7; 4_096], false).unwrap();
        follow.take_block(now, owner, at, block);
    }
    let [first, second, ..] = tails[..] else { panic!("{tails:?}") };
    assert!(second.since(first) <= Duration::from_millis(310), "{:?}", second.since(first));
}

#[test]
fn a_latecomer_gets_all_from_the_start_and_catches_up_though_much_is_lost() {
    let mut village = Village::new(3, |node| if node == 0 { vec![] } else { vec![0] });
    village.loss_percent = 5;
    village.begin(0);
    village.follow(1, id_of(0), From::Start);
    village.stream(0, MEGABYTE, seconds(10));
    village.follow(2, id_of(0), From::Start);
    village.stream(0, MEGABYTE, seconds(12));
    let behind = village.length() - village.readers[1].place;
    println!("who came 10 s late is {behind} bytes behind 12 s later");
    village.end(0);
    village.stream(0, 0, seconds(3));
    for reader in &village.readers {
        assert_eq!((reader.bytes, &reader.missing[..], reader.state), (village.length(), &[][..], State::Ended));
    }
    assert!(behind < MEGABYTE, "{behind}");
    assert!(village.readers[0].worst < seconds(1), "{:?}", village.readers[0].worst);
}

#[test]
fn who_comes_when_the_start_is_kept_no_longer_begins_with_the_oldest_and_from_the_end_with_the_newest() {
    let mut village = Village::new(3, |node| if node == 0 { vec![] } else { vec![0] });
    village.begin(0);
    village.stream(0, 4 * MEGABYTE, seconds(10));
    village.follow(1, id_of(0), From::Start);
    village.follow(2, id_of(0), From::End);
    village.stream(0, MEGABYTE / 2, seconds(10));
    let length = village.length();
    let [oldest, newest] = &village.readers[..] else { panic!() };
    let [(0, begun)] = oldest.missing[..] else { panic!("{:?}", oldest.missing) };
    assert!(begun > length - 40 * MEGABYTE && begun < 20 * MEGABYTE, "{begun} of {length}");
    assert!(oldest.bytes > 20 * MEGABYTE && length - oldest.place < MEGABYTE, "{} {length}", oldest.place);
    let [(0, begun)] = newest.missing[..] else { panic!("{:?}", newest.missing) };
    assert!((40 * MEGABYTE - 4_096..=41 * MEGABYTE).contains(&begun), "{begun}");
    assert!(length - newest.place < MEGABYTE / 2);
}

#[test]
fn a_follower_feeds_another_whom_the_owner_does_not_know_also_when_the_owner_is_gone() {
    // Each knows the one before.
    let mut village = Village::new(3, |node| if node == 0 { vec![] } else { vec![node - 1] });
    village.filter = |from, to, _| from.abs_diff(to) == 1;
    village.loss_percent = 5;
    village.begin(0);
    village.follow(1, id_of(0), From::Start);
    village.follow(2, id_of(0), From::Start);
    village.stream(0, MEGABYTE / 4, seconds(5));
    village.stream(0, 0, seconds(2));
    let length = village.length();
    assert_eq!(village.readers.iter().map(|reader| reader.bytes).collect::<Vec<_>>(), [length; 2]);
    assert!(village.readers[1].worst < seconds(2), "{:?}", village.readers[1].worst);
    // The owner dies; somebody new comes and finds what is there with the last follower.
    village.nodes[0] = None;
    let newcomer = village.node(3, vec![2]);
    village.nodes.push(Some(newcomer));
    village.follow(3, id_of(0), From::Start);
    village.stream(0, 0, seconds(10));
    assert_eq!((village.readers[2].bytes, village.readers[2].state), (length, State::Following));
    village.stream(0, 0, seconds(60));
    for reader in &village.readers {
        assert_eq!(reader.state, State::Stalled, "followers are no sign of life to each other");
    }
}

#[test]
fn a_quiet_stream_costs_little_and_each_line_comes_at_once() {
    let mut village = Village::new(2, |node| if node == 0 { vec![] } else { vec![0] });
    village.begin(0);
    village.follow(1, id_of(0), From::Start);
    village.stream(0, 0, seconds(60));
    let before: u64 = village.sent.values().map(|(datagrams, _)| datagrams).sum();
    village.stream(0, 0, seconds(60));
    let datagrams = village.sent.values().map(|(datagrams, _)| datagrams).sum::<u64>() - before;
    println!("a minute in which nothing comes costs {datagrams} datagrams");
    assert!(datagrams < 120, "{datagrams}");
    for _ in 0..10 {
        village.append(0, 20);
        village.stream(0, 0, seconds(3));
    }
    assert_eq!((village.readers[0].bytes, &village.readers[0].missing[..]), (200, &[][..]));
    assert!(village.readers[0].worst <= Duration::from_millis(60), "{:?}", village.readers[0].worst);
    assert_eq!(village.readers[0].state, State::Following);
}

#[test]
fn the_owner_is_asked_for_where_it_is_not_known_and_no_longer_once_it_is_found() {
    // The reader and the owner know one in the middle, and have not heard of each other.
    let mut village = Village::new(2, |node| if node == 0 { vec![1] } else { vec![] });
    village.filter = |from, to, _| from.abs_diff(to) < 2;
    let owner = village.node(2, vec![1]);
    village.nodes.push(Some(owner));
    village.run(seconds(5));
    village.begin(2);
    village.append(2, 5_000);
    assert_eq!(village.at(0).counters().people_asked_for, 0);
    village.filter = |_, _, _| true;
    village.follow(0, id_of(2), From::Start);
    // It has tried to reach the owner in vain a moment ago, and waits for up to 16 s before it does so again.
    village.stream(2, 0, seconds(19));
    assert_eq!((village.readers[0].bytes, village.readers[0].state), (5_000, State::Following));
    let asked = village.at(0).counters().people_asked_for;
    assert!(asked > 0);
    village.stream(2, 0, seconds(60));
    assert_eq!(village.at(0).counters().people_asked_for, asked);
}

#[test]
fn one_who_floods_with_forged_blocks_delays_nobody_else() {
    // The reader follows the owner and another follower, who is no friend.
    let mut village = Village::new(3, |node| if node == 0 { vec![] } else { vec![0] });
    village.begin(0);
    village.append(0, 100);
    village.follow(1, id_of(0), From::Start);
    village.follow(2, id_of(0), From::Start);
    village.stream(0, MEGABYTE / 10, seconds(3));
    let forged = |at: u64| {
        let signer = identity(2);
        let stream = stream_of(signer.public());
        let block = Block::sign(&signer, &stream, at, &[0xee; 4_096], false).unwrap();
        let text = serde_json::to_string(&[block.message(&stream, at)]).unwrap();
        text.replace(&signer.public().to_string(), &identity(0).public().to_string())
    };
    village.readers.iter_mut().for_each(|reader| reader.worst = Duration::ZERO);
    let before = village.at(1).counters().stream_blocks_forged;
    for _ in 0..300 {
        let next = village.readers[0].place / 4_096;
        let forged = [forged(next), forged(next + 1)];
        for _ in 0..10 {
            for forged in &forged {
                village.inject(address(2), 1, forged.as_bytes());
            }
            village.run(Duration::from_millis(1));
        }
        village.append(0, 1_000);
        village.read_all();
    }
    let flooded = village.at(1).counters().stream_blocks_forged - before;
    println!("{flooded} forged blocks in three seconds: {:?} behind", village.readers[0].worst);
    assert!(flooded > 4_000, "{flooded}");
    assert!(village.readers[0].worst < Duration::from_millis(200), "{:?}", village.readers[0].worst);
}

#[test]
fn an_owner_that_is_fed_no_longer_is_given_up_and_has_not_ended() {
    let mut village = Village::new(2, |node| if node == 0 { vec![] } else { vec![0] });
    village.begin(0);
    village.append(0, 5_000);
    village.follow(1, id_of(0), From::Start);
    // Nothing new, and word of it.
    village.stream(0, 0, seconds(40));
    assert_eq!((village.readers[0].bytes, village.readers[0].state), (5_000, State::Following));
    village.follow(0, id_of(0), From::Start);
    village.is_fed = false;
    village.stream(0, 0, seconds(15));
    assert_eq!(village.readers[0].state, State::Following, "it may go on");
    village.stream(0, 0, seconds(20));
    for reader in &village.readers {
        assert_eq!((reader.bytes, reader.state), (5_000, State::Stalled), "{}", reader.node);
    }
    // Four of these keep nobody from beginning others.
    for n in 0..4 {
        village.command(0, StreamCommand::Begin(format!("other/{n}")));
    }
}

#[test]
fn a_stream_of_which_nothing_was_signed_can_be_begun_again_and_no_other() {
    let mut village = Village::new(1, |_| vec![]);
    for name in ["fed", "ended"] {
        village.command(0, StreamCommand::Begin(name.to_owned()));
    }
    // Whoever was to feed them is gone before anything came.
    village.run(seconds(60));
    for name in ["fed", "ended"] {
        village.command(0, StreamCommand::Begin(name.to_owned()));
    }
    village.command(0, StreamCommand::Append("fed".to_owned(), vec![7]));
    village.command(0, StreamCommand::End("ended".to_owned()));
    let now = village.now;
    for name in ["fed", "ended"] {
        let begun = village.at(0).handle_command(now, Command::Stream(StreamCommand::Begin(name.to_owned())));
        assert_eq!(begun, Err(CommandError::StreamExists), "{name}");
    }
}

#[test]
fn an_owner_whose_node_is_gone_is_given_up_after_the_patience_and_hardly_later_whoever_still_has_the_stream() {
    let mut village = Village::new(6, |node| if node == 0 { vec![] } else { vec![0] });
    village.begin(0);
    village.append(0, 5_000);
    (1..6).for_each(|node| village.follow(node, id_of(0), From::Start));
    village.stream(0, 0, seconds(20));
    village.nodes[0] = None;
    // Each waits for 20 s since the last word, which may be some seconds old in a quiet stream.
    village.stream(0, 0, seconds(12));
    assert!(village.readers.iter().all(|reader| reader.state == State::Following));
    village.stream(0, 0, seconds(9));
    for reader in &village.readers {
        assert_eq!((reader.bytes, reader.state), (5_000, State::Stalled), "{}", reader.node);
    }
}

#[test]
fn forged_and_conflicting_blocks_change_nothing_and_are_counted() {
    let mut village = Village::new(2, |node| if node == 0 { vec![] } else { vec![0] });
    village.begin(0);
    village.append(0, 100);
    village.follow(1, id_of(0), From::Start);
    village.stream(0, 0, seconds(1));
    assert_eq!(village.readers[0].bytes, 100);
    let id = id_of(0);
    let signed = |seed: usize, at: u64, bytes: &[u8]| {
        let signer = identity(seed);
        let stream = stream_of(signer.public());
        let block = Block::sign(&signer, &stream, at, bytes, false).unwrap();
        serde_json::to_string(&[block.message(&stream, at)]).unwrap()
    };
    // Another block of the owner at the same place: signed, and not the same.
    let conflicting = signed(0, 0, &[0xee; 200]);
    village.inject(address(0), 1, conflicting.as_bytes());
    // A block that somebody else signed, with the owner's name on it.
    let forged =
        signed(1, 0, &[0xee; 300]).replace(&identity(1).public().to_string(), &identity(0).public().to_string());
    for _ in 0..1_000 {
        village.inject(address(0), 1, forged.as_bytes());
    }
    // From somebody whom nobody asked.
    village.inject("203.0.113.9:5000".parse().unwrap(), 1, signed(0, 1, b"x").as_bytes());
    let counters = *village.at(1).counters();
    assert_eq!((counters.stream_blocks_conflicting, counters.stream_blocks_forged), (1, 1_000));
    village.append(0, 5_000);
    village.stream(0, 0, seconds(2));
    assert_eq!(village.readers[0].bytes, 5_100);
    assert_eq!(village.readers[0].id, id);
    assert!(counters.envelopes_over_rate == 0, "what we asked for is no burden on other envelopes");
}

#[test]
fn strangers_get_a_token_and_no_block_and_nobody_is_sent_what_they_did_not_ask_for() {
    let mut village = Village::new(1, |_| vec![]);
    village.begin(0);
    village.append(0, 10_000);
    let before = village.sent.get(&0).copied().unwrap_or_default();
    let stranger = "203.0.113.9:5000".parse().unwrap();
    let question = format!(r#"[{{"PleaseSendContent":{{"id":"{}","offset":0,"length":1000000}}}}]"#, id_of(0).as_str());
    for _ in 0..100 {
        village.inject(stranger, 0, question.as_bytes());
        village.append(0, 10_000);
        village.run(Duration::from_millis(100));
    }
    let after = village.sent.get(&0).copied().unwrap_or_default();
    let asked = 100 * (question.len() as u64 + 28);
    let told = after.1 - before.1 + 28 * (after.0 - before.0);
    assert!(told > 0 && told <= asked * 5 / 2, "{told} bytes for {asked}");
}

#[test]
fn who_says_that_a_stream_ends_where_it_does_not_keeps_nobody_from_following_it_from_its_end() {
    for lie in [u64::MAX, u64::MAX - 4_096, 1 << 45] {
        let (liar, honest) = (address(1), address(2));
        let mut now = Time::from_micros(1_000_000);
        let mut follow = Follow::new(now, id_of(0), From::End, seconds(60));
        assert!(follow.knock(now, liar, Duration::ZERO) && follow.knock(now, honest, Duration::ZERO));
        follow.take_holdings(now, liar, (0, lie), Duration::ZERO);
        follow.take_holdings(now, honest, (0, 5 * 4_096), Duration::ZERO);
        let mut asked = Vec::new();
        for _ in 0..50 {
            follow.ask(now, &mut asked);
            now = now + Duration::from_millis(100);
            follow.take_holdings(now, liar, (0, lie), Duration::ZERO);
        }
        assert!(asked.iter().any(|it| it.to == honest && it.offset == 4 * 4_096 && it.length > 0), "{lie}: {asked:?}");
        let block = Block::sign(&identity(0), &id_of(0), 4, &[7; 4_096], false).unwrap();
        follow.take_block(now, honest, 4, block);
        assert_eq!(follow.read(now, 0, 10).bytes, [7; 10]);
    }
}
