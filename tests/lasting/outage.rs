//! Days without a network, and neighbours who are all one: what a node must not forget, and whom it must not rely on.

use crate::play::{Play, field};
use crate::swarm::{PROBE, run, secs, settled, with_token};
use cjp2p_node::node::{Command, Destination, Event};
use std::time::Duration;

const LANDLORD: &str = "203.0.113.5";

fn saves(play: &mut Play) -> Vec<usize> {
    let peers = |event| if let Event::SavePeers(peers) = event { Some(peers.len()) } else { None };
    play.events().into_iter().filter_map(peers).collect()
}

#[test]
fn ten_minutes_without_a_network_cost_nobody_and_a_minute_later_everything_is_as_before() {
    let mut play = settled();
    let before = play.node.peer_count();
    run(&mut play, Duration::from_secs(600), |_| false);
    assert_eq!(play.node.peer_count(), before);
    assert!(saves(&mut play).iter().all(|count| *count >= before));
    run(&mut play, Duration::from_secs(90), |_| true);
    assert!(play.node.link_count() >= 5, "{}", play.node.link_count());
}

#[test]
fn a_script_on_this_machine_does_not_hide_that_the_world_is_out_of_reach() {
    let mut play = settled();
    let before = play.node.peer_count();
    let script = "127.0.0.1:40000";
    let token = play.verify(script);
    for _ in 0..60 {
        run(&mut play, Duration::from_secs(10), |to| to.ip().is_loopback());
        play.hear(script, &with_token(PROBE, &token));
    }
    // One of the hundred may have been on trial when the world fell silent.
    assert!(play.node.peer_count() >= before, "{} of {before}", play.node.peer_count());
}

#[test]
fn hours_without_a_network_leave_something_to_come_back_to() {
    let mut play = settled();
    run(&mut play, Duration::from_secs(3 * 3_600), |_| false);
    assert!(saves(&mut play).iter().all(|count| *count >= 99));
    assert!(play.node.saved_peers().len() >= 99, "{}", play.node.saved_peers().len());
    run(&mut play, Duration::from_secs(1_200), |_| true);
    assert!(play.node.link_count() >= 5, "{}", play.node.link_count());
}

#[test]
fn without_a_network_few_datagrams_are_wasted_on_it() {
    let mut play = settled();
    run(&mut play, Duration::from_secs(120), |_| false);
    let before = play.node.counters().datagrams_sent;
    run(&mut play, Duration::from_secs(600), |_| false);
    let a_minute = (play.node.counters().datagrams_sent - before) / 10;
    assert!(a_minute <= 20, "{a_minute} datagrams a minute");
}

#[test]
fn what_cannot_even_be_sent_kills_nobody() {
    let mut play = settled();
    let before = play.node.peer_count();
    play.node.handle_command(play.now, Command::NetworkChanged).unwrap();
    let end = play.now + Duration::from_secs(600);
    let mut tried = 0;
    while let Some(transmit) = play.next_within(end.since(play.now)) {
        play.node.handle_command(play.now, Command::Unsent(transmit)).unwrap();
        tried += 1;
    }
    assert_eq!(play.node.peer_count(), before);
    assert!(play.node.link_count() >= 6, "{}", play.node.link_count());
    assert!(tried < 1_000, "{tried} datagrams in ten minutes");
    play.node.handle_command(play.now, Command::NetworkChanged).unwrap();
    run(&mut play, Duration::from_secs(15), |_| true);
    assert!(play.node.peers(play.now, 100).iter().filter(|peer| peer.heard_ago.as_secs() < 15).count() >= 6);
}

#[test]
fn a_neighbour_that_dies_alone_is_still_forgotten() {
    let mut play = settled();
    let neighbours: Vec<_> = play.node.peers(play.now, 100).into_iter().filter(|peer| peer.is_neighbour).collect();
    let dead = neighbours[0].address;
    run(&mut play, Duration::from_secs(60), |to| to != dead);
    assert!(play.node.peers(play.now, 200).iter().all(|peer| peer.address != dead));
}

/// Eight ports of one host that probe the node as neighbours do, and forty honest peers in networks of their own.
fn landlord_and_others(landlord_probes_for: u64) -> Play {
    let mut play = Play::new();
    let ports: Vec<_> = (1..=8).map(|n| format!("{LANDLORD}:{}", 24_250 + n)).collect();
    let tokens: Vec<_> = ports.iter().map(|port| play.verify(port)).collect();
    for _ in 0..landlord_probes_for / 2 {
        for (port, token) in ports.iter().zip(&tokens) {
            play.hear(port, &with_token(PROBE, token));
        }
        play.wait(Duration::from_secs(2));
    }
    (1..=40).for_each(|n| _ = play.verify(&format!("{n}.77.1.1:24254")));
    play
}

/// How many neighbours belong to the landlord, and how many do not.
fn neighbours(play: &Play) -> (usize, usize) {
    let all = play.node.peers(play.now, 200).into_iter().filter(|peer| peer.is_neighbour);
    let (his, others): (Vec<_>, Vec<_>) = all.partition(|peer| peer.address.ip().to_string() == LANDLORD);
    (his.len(), others.len())
}

#[test]
fn one_host_is_one_neighbour_also_after_a_wake() {
    let mut play = landlord_and_others(20);
    play.node.handle_command(play.now, Command::NetworkChanged).unwrap();
    run(&mut play, Duration::from_secs(600), |_| true);
    let (his, others) = neighbours(&play);
    assert!(his <= 2 && others >= 5, "the landlord has {his}, others {others}");
}

#[test]
fn one_host_is_one_neighbour_also_when_it_lets_go() {
    let mut play = landlord_and_others(2);
    run(&mut play, Duration::from_secs(1_800), |_| true);
    let (his, others) = neighbours(&play);
    assert!(his <= 2 && others >= 5, "the landlord has {his}, others {others}");
}

/// IPv6 goes away for good: the laptop is carried into a network without it.
#[test]
fn neighbours_to_whom_nothing_can_be_sent_are_replaced_by_others() {
    let mut play = Play::new();
    (1..=8).for_each(|n| _ = play.verify(&format!("[2a0{}:{n}::1]:24254", n % 8)));
    run(&mut play, secs(120), |_| true);
    (1..=20).for_each(|n| _ = play.verify(&format!("{n}.77.1.1:24254")));
    run(&mut play, secs(120), |_| true);
    let of = |play: &Play, is_v6: bool| {
        play.node.peers(play.now, 99).into_iter().filter(|p| p.is_neighbour && p.address.is_ipv6() == is_v6).count()
    };
    assert!(of(&play, true) >= 6 && of(&play, false) == 0);
    play.node.handle_command(play.now, Command::NetworkChanged).unwrap();
    let end = play.now + secs(300);
    while let Some(transmit) = play.next_within(end.since(play.now)) {
        let Destination::Address(to) = transmit.to else { continue };
        if to.is_ipv6() {
            play.node.handle_command(play.now, Command::Unsent(transmit)).unwrap();
            continue;
        }
        let text = String::from_utf8(transmit.payload).unwrap();
        if let Some(probe) = field(&text, "PleaseReturnThisMessage") {
            play.node.handle_datagram(play.now, to, format!(r#"[{{"ReturnedMessage":{probe}}}]"#).as_bytes());
        }
        play.events();
    }
    assert!(of(&play, false) >= 5, "{} neighbours in reach after five minutes", of(&play, false));
}
