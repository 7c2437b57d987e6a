//! What a node does by itself as time passes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod play;

use cjp2p_node::node::{Command, Config, Event};
use play::{Play, address, field};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

const PEER: &str = "203.0.113.5:24254";
const HOUR: Duration = Duration::from_secs(3_600);

fn lonely_with(contacts: &[&str]) -> Play {
    Play::with(Config { contacts: contacts.iter().map(|text| address(text)).collect(), ..Config::default() })
}

/// Runs the node for some seconds, in which those who are alive answer its probes; returns what it sent.
fn live(play: &mut Play, span: Duration, is_alive: impl Fn(SocketAddr) -> bool) -> Vec<(SocketAddr, String)> {
    let mut all_sent = Vec::new();
    for _ in 0..span.as_secs() {
        let sent = play.run(Duration::from_secs(1));
        for (to, payload) in sent.iter().filter(|(to, _)| is_alive(*to)) {
            if let Some(probe) = field(payload, "PleaseReturnThisMessage") {
                play.hear(&to.to_string(), &format!(r#"[{{"ReturnedMessage":{probe}}}]"#));
            }
        }
        all_sent.extend(sent);
    }
    all_sent
}

#[test]
fn an_address_that_never_answers_gets_5_datagrams_in_the_first_minute_and_at_most_12_in_an_hour() {
    let mut play = lonely_with(&[PEER]);
    let first_minute = play.run(Duration::from_secs(60)).len();
    assert!((3..=5).contains(&first_minute), "{first_minute}");
    for _ in 0..10 {
        assert!(first_minute + play.run(HOUR - Duration::from_secs(60)).len() <= 12);
        assert!(play.run(HOUR).len() <= 12);
    }
}

#[test]
fn however_many_peers_name_an_address_it_is_not_pestered() {
    let mut play = Play::new();
    let victim = address("8.8.8.8:24254");
    let mut to_victim = 0;
    let is_victim = |sent: Vec<(SocketAddr, String)>| sent.iter().filter(|(to, _)| *to == victim).count();
    for liar in 1..=200 {
        let from = format!("203.0.{liar}.1:24254");
        let token = play.verify(&from);
        for _ in 0..5 {
            let sent = play.hear(
                &from,
                &format!(r#"[{{"Peers":{{"peers":["{victim}"]}}}},{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#),
            );
            to_victim += is_victim(sent) + is_victim(play.run(Duration::from_secs(3)));
        }
    }
    assert!((1..=12).contains(&to_victim), "{to_victim} in 50 minutes");
}

#[test]
fn names_of_narrower_scope_or_with_well_known_ports_are_never_contacted() {
    let mut play = Play::new();
    let token = play.verify(PEER);
    let sent = play.hear(PEER, &format!(
        r#"[{{"Peers":{{"peers":["192.168.1.7:24254","127.0.0.1:24254","10.0.0.1:24254","[fd00::1]:24254","[fe80::1]:24254","224.0.0.1:24254","8.8.8.8:53","255.255.255.255:24254","0.0.0.0:24254"]}}}},{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#
    ));
    assert_eq!(sent, []);
    assert_eq!(play.node.counters().addresses_ignored, 9);
    let to: Vec<_> = play.run(HOUR).into_iter().map(|(to, _)| to).filter(|to| *to != address(PEER)).collect();
    assert_eq!(to, []);
}

#[test]
fn a_silent_neighbour_is_probed_before_a_nat_forgets_then_tried_ever_more_seldom_and_forgotten() {
    let mut play = Play::new();
    play.verify(PEER);
    let mut to_peer = |span| play.run(span).into_iter().filter(|(to, _)| *to == address(PEER)).count();
    let probes = to_peer(Duration::from_secs(120));
    assert!((4..=24).contains(&probes), "{probes}");
    let later = to_peer(HOUR);
    assert!(later <= 60, "{later}");
    to_peer(Duration::from_secs(600));
    assert_eq!(play.node.peer_count(), 0);
}

#[test]
fn a_neighbour_that_answers_stays_and_is_heard_from_every_30_seconds() {
    let mut play = Play::new();
    play.verify(PEER);
    let mut last = play.now;
    for _ in 0..1_000 {
        for (to, payload) in play.run(Duration::from_secs(1)) {
            if let Some(probe) = field(&payload, "PleaseReturnThisMessage").filter(|_| to == address(PEER)) {
                assert!(play.now.since(last) <= Duration::from_secs(30));
                last = play.now;
                play.hear(PEER, &format!(r#"[{{"ReturnedMessage":{probe}}}]"#));
            }
        }
    }
    assert_eq!(play.node.peer_count(), 1);
    assert!(play.now.since(last) <= Duration::from_secs(30));
}

#[test]
fn a_neighbour_that_only_talks_is_still_written_to_every_30_seconds() {
    let mut play = Play::new();
    let peers: Vec<_> = (1..=16).map(|n| format!("{n}.77.1.1:24254")).collect();
    let tokens: Vec<_> = peers.iter().map(|peer| play.verify(peer)).collect();
    let mut written = BTreeMap::new();
    for second in 0..600 {
        for (to, payload) in play.run(Duration::from_secs(1)) {
            written.insert(to, second);
            let probe = field(&payload, "PleaseReturnThisMessage");
            probe.map(|probe| play.hear(&to.to_string(), &format!(r#"[{{"ReturnedMessage":{probe}}}]"#)));
        }
        if second % 10 == 0 {
            for (peer, token) in peers.iter().zip(&tokens) {
                play.hear(peer, &format!(r#"[{{"IAmHere":{{}}}},{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#));
            }
        }
        for neighbour in play.node.peers(play.now, 99).iter().filter(|peer| peer.is_neighbour && second > 60) {
            let last = written.get(&neighbour.address).copied().unwrap_or_default();
            assert!(second - last <= 30, "not written to for {} s: a router has forgotten the way", second - last);
        }
    }
}

#[test]
fn the_table_is_saved_within_2_seconds_of_the_first_peer_and_at_most_every_30() {
    let mut play = Play::new();
    play.verify(PEER);
    play.run(Duration::from_secs(2));
    assert!(play.events().contains(&Event::SavePeers(vec![address(PEER)])));
    let mut saves = 0;
    for n in 0..60 {
        let token = play.token(&format!("203.0.{n}.9:24254"));
        play.hear(&format!("203.0.{n}.9:24254"), &format!(r#"[{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#));
        play.run(Duration::from_secs(1));
        saves += play.events().iter().filter(|event| matches!(event, Event::SavePeers(_))).count();
    }
    assert!((1..=2).contains(&saves), "{saves} in a minute");
}

#[test]
fn a_run_without_a_network_loses_no_remembered_peer() {
    let remembered: Vec<_> = (1..=20).map(|n| address(&format!("203.0.{n}.1:24254"))).collect();
    let mut play = Play::with(Config { remembered: remembered.clone(), ..Config::default() });
    play.run(HOUR);
    play.verify(PEER);
    let mut saved = play.node.saved_peers();
    assert_eq!(saved.remove(0), address(PEER));
    saved.sort();
    let mut expected = remembered;
    expected.sort();
    assert_eq!(saved, expected);
}

#[test]
fn waking_up_probes_every_neighbour_at_once_and_forgets_nobody_unheard() {
    let mut play = Play::new();
    for n in 1..=6 {
        let peer = format!("203.{n}.0.1:24254");
        let token = play.token(&peer);
        let greeting = play.hear(&peer, &format!(r#"[{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#)).remove(0).1;
        let probe = field(&greeting, "PleaseReturnThisMessage").unwrap();
        play.hear(&peer, &format!(r#"[{{"ReturnedMessage":{probe}}}]"#));
    }
    play.run(Duration::from_secs(2));
    let links = play.node.link_count();
    assert_eq!(links, 6);
    play.wait(8 * HOUR);
    play.node.handle_timeout(play.now);
    let probed = play.sent().iter().filter(|(_, payload)| payload.contains("PleaseReturnThisMessage")).count();
    assert!(probed >= links, "{probed} of {links}");
    assert_eq!(play.node.peer_count(), 6);
    play.wait(Duration::from_secs(1));
    play.node.handle_command(play.now, Command::NetworkChanged).unwrap();
    play.node.handle_timeout(play.now);
    assert!(play.sent().len() >= links);
}

#[test]
fn a_node_alone_is_quiet() {
    let mut play = Play::new();
    assert_eq!(play.run(24 * HOUR), []);
}

#[test]
fn what_could_not_be_sent_does_not_count_as_an_attempt() {
    let mut play = lonely_with(&[PEER]);
    for _ in 0..100 {
        while let Some(transmit) = play.next_within(Duration::from_secs(60)) {
            play.node.handle_command(play.now, Command::Unsent(transmit)).unwrap();
        }
    }
    assert!(!play.run(Duration::from_secs(130)).is_empty(), "still trying when the network comes up");
}

#[test]
fn neighbours_alone_do_not_decide_whom_we_hear_of() {
    let mut play = Play::new();
    let peers: Vec<_> = (1..=12).map(|n| format!("{n}.77.1.1:24254")).collect();
    peers.iter().for_each(|peer| _ = play.verify(peer));
    let (mut neighbours_asked, mut others_asked) = (0, 0);
    for second in 0..1_800 {
        let neighbours: Vec<_> = play.node.peers(play.now, 40).into_iter().filter(|peer| peer.is_neighbour).collect();
        for (to, payload) in live(&mut play, Duration::from_secs(1), |_| true) {
            if field(&payload, "PleaseSendPeers").is_some() && second > 120 {
                let is_neighbour = neighbours.iter().any(|peer| peer.address == to);
                *if is_neighbour { &mut neighbours_asked } else { &mut others_asked } += 1;
            }
        }
    }
    assert!(neighbours_asked >= 8 && others_asked >= 8, "{neighbours_asked} neighbours and {others_asked} others");
}

/// A node with seven neighbours, and with all the peers of 203.0.0.0/16 that it has room for. The latter have not been
/// heard for six minutes.
fn with_a_full_network() -> (Play, Vec<SocketAddr>) {
    let mut play = Play::new();
    let neighbours = (1..=7).map(|n| format!("{n}.77.1.1:24254"));
    let crowd: Vec<_> = (1..=8).map(|n| address(&format!("203.0.{n}.1:24254"))).collect();
    for peer in neighbours.chain(crowd.iter().map(ToString::to_string)) {
        let token = play.token(&peer);
        let known = format!(r#"[{{"PleaseSendPeers":{{}}}},{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#);
        for (to, payload) in play.hear(&peer, &known) {
            if let Some(probe) = field(&payload, "PleaseReturnThisMessage") {
                play.hear(&to.to_string(), &format!(r#"[{{"ReturnedMessage":{probe}}}]"#));
            }
        }
    }
    live(&mut play, Duration::from_secs(360), |to| !crowd.contains(&to));
    assert_eq!(play.node.peer_count(), 15);
    (play, crowd)
}

/// A newcomer of the full network that returns its token every second for a while.
fn knock_in_vain(play: &mut Play, seconds: u32, is_alive: impl Fn(SocketAddr) -> bool) -> Vec<(SocketAddr, String)> {
    let newcomer = "203.0.99.1:24254";
    let token = play.token(newcomer);
    let mut sent = Vec::new();
    for _ in 0..seconds {
        sent.extend(play.hear(newcomer, &format!(r#"[{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#)));
        play.sent();
        for (to, payload) in std::mem::take(&mut sent) {
            if let Some(probe) = field(&payload, "PleaseReturnThisMessage").filter(|_| is_alive(to)) {
                play.hear(&to.to_string(), &format!(r#"[{{"ReturnedMessage":{probe}}}]"#));
            }
            sent.push((to, payload));
        }
        sent.extend(live(play, Duration::from_secs(1), &is_alive));
    }
    sent
}

#[test]
fn a_peer_that_fell_silent_gives_way_to_a_newcomer_of_its_full_network_within_seconds() {
    let (mut play, crowd) = with_a_full_network();
    knock_in_vain(&mut play, 20, |to| !crowd.contains(&to));
    let known: Vec<_> = play.node.peers(play.now, 40).into_iter().map(|peer| peer.address).collect();
    assert!(known.contains(&address("203.0.99.1:24254")), "{known:?}");
    assert!(known.iter().filter(|peer| crowd.contains(peer)).count() >= 4, "one gives way to one: {known:?}");
}

#[test]
fn no_newcomer_pushes_out_a_peer_that_answers_and_few_probes_ask_it_to() {
    let (mut play, crowd) = with_a_full_network();
    let sent = knock_in_vain(&mut play, 600, |_| true);
    let known: Vec<_> = play.node.peers(play.now, 40).into_iter().map(|peer| peer.address).collect();
    assert!(crowd.iter().all(|peer| known.contains(peer)), "{known:?}");
    assert!(!known.contains(&address("203.0.99.1:24254")));
    for peer in &crowd {
        let probes = sent.iter().filter(|(to, _)| to == peer).count();
        assert!((1..=6).contains(&probes), "{probes} datagrams in ten minutes");
    }
}
