//! What the user names, what is remembered, and what nobody answers for.

use crate::play::{Play, address, field};
use crate::swarm::{run, run_long, secs, settled_with, with_token};
use cjp2p_node::node::{Command, Config, Destination};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

/// A node that was off for a month.
#[test]
fn what_the_user_adds_is_tried_at_once_also_with_many_stale_remembered() {
    let remembered = (1..=200).map(|n| address(&format!("{n}.77.1.1:24254"))).collect();
    let mut play = Play::with(Config { remembered, ..Config::default() });
    run(&mut play, secs(1), |_| false);
    let wish = address("9.9.9.9:24254");
    play.node.handle_command(play.now, Command::AddPeer(wish)).unwrap();
    let start = play.now;
    let sent = run(&mut play, secs(1_800), |_| false);
    let first = sent.iter().find(|(_, to, _)| *to == wish).map(|(at, _, _)| *at - start.as_micros() / 1_000_000);
    assert!(first.is_some_and(|at| at <= 2), "first tried after {first:?} s");
}

/// The user names an address that is remembered, too.
#[test]
fn an_address_that_the_user_adds_is_his_also_if_it_was_remembered() {
    let wish = address("9.9.9.9:24254");
    let mut tries = BTreeMap::new();
    for is_remembered in [false, true] {
        let remembered = if is_remembered { vec![wish] } else { vec![] };
        let mut play = settled_with(Config { remembered, ..Config::default() });
        play.node.handle_command(play.now, Command::AddPeer(wish)).unwrap();
        run(&mut play, secs(600), |to| to != wish);
        let later = run_long(&mut play, secs(6 * 3_600), |to| to != wish);
        tries.insert(is_remembered, later.iter().filter(|(_, to, _)| *to == wish).count());
    }
    assert!(tries[&true] >= tries[&false] / 2, "tries in six hours, by whether it was remembered: {tries:?}");
}

/// Anchors full of remembered ones.
#[test]
fn there_is_always_room_for_what_the_user_adds() {
    let remembered: Vec<_> = (0..256).map(|n| address(&format!("{}.88.{}.1:24254", 1 + n % 200, n / 200))).collect();
    let mut play = Play::with(Config { remembered, ..Config::default() });
    for n in 0..256 {
        play.verify(&format!("{}.77.{}.1:24254", 1 + n % 200, n / 200));
    }
    run(&mut play, secs(20), |to| to.to_string().contains(".77."));
    // An outage of two hours.
    run(&mut play, secs(2 * 3_600), |_| false);
    let added = play.node.handle_command(play.now, Command::AddPeer(address("9.9.9.9:24254")));
    assert!(added.is_ok(), "{added:?}");
}

/// How often a user's contact is tried again.
#[test]
fn a_contact_of_the_user_is_tried_every_eleven_minutes_at_least() {
    let wish = address("9.9.9.9:24254");
    let mut play = settled_with(Config { contacts: vec![wish], ..Config::default() });
    run(&mut play, secs(600), |to| to != wish);
    let sent = run_long(&mut play, secs(12 * 3_600), |to| to != wish);
    let times: Vec<_> = sent.iter().filter(|(_, to, _)| *to == wish).map(|(at, _, _)| *at).collect();
    let gaps: Vec<_> = times.windows(2).map(|w| w[1] - w[0]).collect();
    let late = gaps.iter().filter(|gap| **gap > 640).count();
    assert!(late == 0, "{late} of {} pauses are too long: {gaps:?}", gaps.len());
}

/// Three questions an hour.
#[test]
fn a_settled_node_with_one_dead_contact_asks_about_three_times_an_hour() {
    let mut counts = Vec::new();
    for contacts in [vec![], vec![address("9.9.9.9:24254")]] {
        let mut play = settled_with(Config { contacts, ..Config::default() });
        run(&mut play, secs(600), |to| !to.to_string().starts_with("9.9.9.9"));
        let sent = run_long(&mut play, secs(6 * 3_600), |to| !to.to_string().starts_with("9.9.9.9"));
        counts.push(
            sent.iter()
                .filter(|(_, to, text)| !to.to_string().starts_with("9.9.9.9") && text.contains("SendPeers"))
                .count(),
        );
    }
    assert!(counts[1] <= 24, "questions in six hours, without and with a dead contact: {counts:?}");
}

/// A host without IPv6, and a peer that names addresses of IPv6.
#[test]
fn names_to_which_there_is_no_way_do_not_block_those_to_which_there_is_one() {
    let mut play = Play::new();
    let friend = "198.51.100.1:24254";
    let mut token = play.verify(friend);
    let names: Vec<_> = (1..=92).map(|n| format!("\"[2a0{}:{n}::1]:24254\"", n % 8)).collect();
    let first = format!(r#"{{"Peers":{{"peers":[{}]}}}}"#, names.join(","));
    play.node.handle_datagram(play.now, address(friend), with_token(&first, &token).as_bytes());
    let mut tried = Vec::new();
    for minute in 0..120_u32 {
        let end = play.now + secs(60);
        while let Some(transmit) = play.next_within(end.since(play.now)) {
            let Destination::Address(to) = transmit.to else { continue };
            if to.is_ipv6() {
                play.node.handle_command(play.now, Command::Unsent(transmit)).unwrap();
            } else if to != address(friend) {
                tried.push((minute, to));
            } else {
                let text = String::from_utf8(transmit.payload).unwrap();
                if let Some(probe) = field(&text, "PleaseReturnThisMessage") {
                    play.node.handle_datagram(play.now, to, format!(r#"[{{"ReturnedMessage":{probe}}}]"#).as_bytes());
                }
            }
        }
        if minute % 30 == 15 {
            token = play.token(friend);
            let text = format!(r#"{{"Peers":{{"peers":["8.{minute}.1.1:24254","9.{minute}.1.1:24254"]}}}}"#);
            play.node.handle_datagram(play.now, address(friend), with_token(&text, &token).as_bytes());
        }
        play.events();
    }
    assert!(
        tried.len() >= 8,
        "of eight IPv4 addresses named within two hours were tried: {tried:?}; {} wait",
        play.node.heard_count()
    );
}

/// Lets time pass on a host without IPv6 where those of IPv4 return probes of whom `answers` is true; returns whom of
/// IPv4 it tried, and in which second.
fn run_without_ipv6(play: &mut Play, span: Duration, answers: impl Fn(SocketAddr) -> bool) -> Vec<(u64, SocketAddr)> {
    let (start, end) = (play.now, play.now + span);
    let mut tried = Vec::new();
    while let Some(transmit) = play.next_within(end.since(play.now)) {
        let Destination::Address(to) = transmit.to else { continue };
        if to.is_ipv6() {
            play.node.handle_command(play.now, Command::Unsent(transmit)).unwrap();
            continue;
        }
        tried.push((play.now.since(start).as_secs(), to));
        let probe = field(&String::from_utf8(transmit.payload).unwrap(), "PleaseReturnThisMessage");
        if let Some(probe) = probe.filter(|_| answers(to)) {
            play.node.handle_datagram(play.now, to, format!(r#"[{{"ReturnedMessage":{probe}}}]"#).as_bytes());
        }
    }
    tried
}

/// A laptop that remembers a hundred addresses of IPv6 where there is none.
#[test]
fn remembered_addresses_without_a_way_do_not_keep_the_users_own_from_being_tried() {
    let remembered = (1..=100).map(|n| address(&format!("[2a0{}:{n}::1]:24254", n % 8))).collect();
    let bootstrap = address("9.8.7.6:24254");
    let mut play = Play::with(Config { contacts: vec![bootstrap], remembered, ..Config::default() });
    let first = run_without_ipv6(&mut play, secs(600), |_| false);
    let wish = address("9.9.9.9:24254");
    play.node.handle_command(play.now, Command::AddPeer(wish)).unwrap();
    let later = run_without_ipv6(&mut play, secs(4 * 3_600), |_| false);
    let tries = |to| later.iter().filter(|(_, tried)| *tried == to).count();
    assert!(
        tries(wish) >= 5 && tries(bootstrap) >= 5,
        "tries in four hours: {} of what the user added, {} of the bootstrap node ({} in the first ten minutes)",
        tries(wish),
        tries(bootstrap),
        first.len()
    );
}

/// The same without IPv6: a bootstrap node that was away at the start, and 256 stale addresses.
#[test]
fn a_bootstrap_node_is_tried_again_every_eleven_minutes_however_many_stale_ones_are_remembered() {
    let remembered = (0..200).map(|n| address(&format!("{}.77.1.1:24254", 1 + n))).collect();
    let bootstrap = address("9.8.7.6:24254");
    let mut play = Play::with(Config { contacts: vec![bootstrap], remembered, ..Config::default() });
    let tried = run_without_ipv6(&mut play, secs(4 * 3_600), |_| false);
    let times: Vec<_> = tried.iter().filter(|(_, to)| *to == bootstrap).map(|(at, _)| *at).collect();
    let worst = times.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(u64::MAX);
    assert!(worst <= 700, "a pause of {worst} s; {times:?}");
}

/// A node comes back, its bootstrap nodes are away, and somebody forges strangers.
#[test]
fn forged_strangers_do_not_keep_a_node_from_those_it_remembers() {
    let mut counts = Vec::new();
    for forged in [0, 20] {
        let remembered: Vec<_> = (1..=100).map(|n| address(&format!("{n}.77.1.1:24254"))).collect();
        let mut play = Play::with(Config { remembered, ..Config::default() });
        let mut tried = BTreeSet::new();
        for second in 0..120_u32 {
            for k in 0..forged {
                let from = format!("{}.{}.{}.9:24254", 101 + second, second, k);
                play.hear(&from, r#"[{"PleaseSendPeers":{}},{"PleaseAlwaysReturnThisMessage":{"cookie":"x"}}]"#);
            }
            tried.extend(run(&mut play, secs(1), |_| false).into_iter().map(|(_, to, _)| to));
        }
        counts.push(tried.iter().filter(|to| to.to_string().contains(".77.")).count());
    }
    assert!(
        counts[1] >= counts[0] / 2,
        "remembered addresses tried in two minutes, without and with forgery: {counts:?}"
    );
}

/// A laptop that goes back and forth between networks with IPv4 and with IPv6.
#[test]
fn remembered_addresses_to_which_there_is_no_way_are_remembered_still() {
    let remembered: Vec<_> = (1..=20).map(|n| address(&format!("[2a0{}:{n}::1]:24254", n % 8))).collect();
    let mut play = Play::with(Config { remembered: remembered.clone(), ..Config::default() });
    run_without_ipv6(&mut play, secs(10), |_| true);
    (1..=20).for_each(|n| _ = play.verify(&format!("{n}.77.1.1:24254")));
    run_without_ipv6(&mut play, secs(1_800), |_| true);
    let saved = play.node.saved_peers();
    let kept = remembered.iter().filter(|address| saved.contains(address)).count();
    assert_eq!(kept, 20, "of 20 that could not be tried");
}
