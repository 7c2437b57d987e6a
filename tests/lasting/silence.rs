//! What silence, scripts and lost datagrams must not do to whom a node knows.

use crate::play::{Play, address, field};
use crate::swarm::{PROBE, run, secs, settled, with_token};
use cjp2p_node::node::Event;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Scripts (`ping`, `send`, cron) on this machine that come and go.
#[test]
fn scripts_that_came_and_went_are_forgotten_after_an_hour() {
    let mut play = settled();
    for n in 0..72_u16 {
        play.verify(&format!("127.0.0.1:{}", 40_000 + n));
        run(&mut play, secs(300), |to| !to.ip().is_loopback());
    }
    let local: Vec<_> = play.node.peers(play.now, 999).into_iter().filter(|p| p.address.ip().is_loopback()).collect();
    let fresh = local.iter().filter(|p| p.heard_ago < secs(120)).count();
    let saved = play.node.saved_peers();
    let in_saved = saved.iter().filter(|a| a.ip().is_loopback()).count();
    assert!(
        local.len() <= 13,
        "{} dead local peers are known after 6 hours, saved {in_saved}, fresh {fresh}",
        local.len()
    );
}

/// The same right after a script spoke: how fresh do the dead seem.
#[test]
fn a_script_that_speaks_makes_no_dead_one_fresh() {
    let mut play = settled();
    for n in 0..12_u16 {
        play.verify(&format!("127.0.0.1:{}", 40_000 + n));
        run(&mut play, secs(300), |to| !to.ip().is_loopback());
    }
    play.verify("127.0.0.1:50000");
    let fresh = play
        .node
        .peers(play.now, 999)
        .into_iter()
        .filter(|p| p.address.ip().is_loopback() && p.heard_ago < secs(120))
        .count();
    assert!(fresh <= 1, "{fresh} local peers count as heard in the last two minutes, one was");
}

/// The local network is unplugged while a script on this machine goes on.
#[test]
fn a_script_on_this_machine_does_not_hide_that_the_local_network_is_out_of_reach() {
    let mut play = Play::new();
    (1..=20).for_each(|n| _ = play.verify(&format!("192.168.1.{n}:24254")));
    run(&mut play, secs(300), |_| true);
    let before = play.node.peer_count();
    let script = "127.0.0.1:40000";
    let token = play.verify(script);
    for _ in 0..60 {
        run(&mut play, secs(10), |to| to.ip().is_loopback());
        play.hear(script, &with_token(PROBE, &token));
    }
    assert!(play.node.peer_count() >= before, "{} of {before}", play.node.peer_count());
}

/// A neighbour that only chats.
#[test]
fn a_neighbour_that_only_chats_is_still_written_to_every_30_seconds() {
    let mut play = Play::new();
    let peers: Vec<_> = (1..=16).map(|n| format!("{n}.77.1.1:24254")).collect();
    let tokens: Vec<_> = peers.iter().map(|peer| play.verify(peer)).collect();
    let mut written: BTreeMap<SocketAddr, u64> = BTreeMap::new();
    let mut worst = 0;
    for second in 0..600 {
        for (to, payload) in play.run(secs(1)) {
            written.insert(to, second);
            let probe = field(&payload, "PleaseReturnThisMessage");
            for (to, _) in probe
                .map(|p| play.hear(&to.to_string(), &format!(r#"[{{"ReturnedMessage":{p}}}]"#)))
                .unwrap_or_default()
            {
                written.insert(to, second);
            }
        }
        if second % 10 == 0 {
            for (peer, token) in peers.iter().zip(&tokens) {
                let text =
                    format!(r#"{{"GroupChatMessage":{{"group_name":"main","text":"{second}","timestamp":{second}}}}}"#);
                for (to, _) in play.hear(peer, &with_token(&text, token)) {
                    written.insert(to, second);
                }
            }
        }
        play.events();
        for neighbour in play.node.peers(play.now, 99).iter().filter(|peer| peer.is_neighbour && second > 60) {
            let last = written.get(&neighbour.address).copied().unwrap_or_default();
            worst = worst.max(second - last);
        }
    }
    assert!(worst <= 30, "not written to for {worst} s: a router has forgotten the way");
}

/// Events of a peer that comes and goes.
#[test]
fn saved_peers_prefer_the_world_to_dead_scripts() {
    let mut play = settled();
    let mut last = Vec::new();
    for n in 0..300_u16 {
        play.verify(&format!("127.0.0.1:{}", 30_000 + n));
        run(&mut play, secs(120), |to| !to.ip().is_loopback());
        for event in play.events() {
            if let Event::SavePeers(peers) = event {
                last = peers;
            }
        }
    }
    let local = last.iter().filter(|a| a.ip().is_loopback()).count();
    assert!(local <= 40, "{local} of {} saved addresses are scripts that ended up to ten hours ago", last.len());
}

/// Neighbours that ask for a content we lack.
#[test]
fn a_neighbour_that_asks_for_what_we_lack_is_still_written_to() {
    let mut play = Play::new();
    let peers: Vec<_> = (1..=16).map(|n| format!("{n}.77.1.1:24254")).collect();
    let tokens: Vec<_> = peers.iter().map(|peer| play.verify(peer)).collect();
    let (mut written, mut worst) = (BTreeMap::<SocketAddr, u64>::new(), 0);
    for second in 0..600 {
        for (_, to, _) in run(&mut play, secs(1), |_| true) {
            written.insert(to, second);
        }
        if second % 10 == 0 {
            for (n, (peer, token)) in peers.iter().zip(&tokens).enumerate() {
                let text = format!(r#"{{"PleaseSendContent":{{"id":"file{n}","offset":0,"length":4096}}}}"#);
                for (to, _) in play.hear(peer, &with_token(&text, token)) {
                    written.insert(to, second);
                }
            }
        }
        for neighbour in play.node.peers(play.now, 99).iter().filter(|peer| peer.is_neighbour && second > 60) {
            worst = worst.max(second - written.get(&neighbour.address).copied().unwrap_or_default());
        }
    }
    assert!(worst <= 30, "not written to for {worst} s");
}

/// A known peer that has forgotten us knocks, and the answer to its first knock was lost.
#[test]
fn a_known_peer_that_knocks_again_because_our_answer_was_lost_is_answered() {
    let mut answers = BTreeMap::new();
    for (name, later) in [("with a new token", "new"), ("with the old token", "old")] {
        let mut play = settled();
        let wild = "200.99.1.1:24254";
        let token = play.verify(wild);
        play.hear(wild, &with_token(r#"{"PleaseAlwaysReturnThisMessage":{"cookie":"old"}}"#, &token));
        run(&mut play, secs(120), |to| to.to_string().contains(".77."));
        let knock = format!(r#"[{{"PleaseAlwaysReturnThisMessage":{{"cookie":"{later}"}}}}]"#);
        // What the first knock brings is lost.
        play.hear(wild, &knock);
        let mut count = 0;
        for _ in 0..120 {
            count += run(&mut play, secs(10), |to| to.to_string().contains(".77."))
                .iter()
                .filter(|(_, to, _)| *to == address(wild))
                .count();
            count += play.hear(wild, &knock).len();
        }
        answers.insert(name, count);
    }
    assert!(
        answers.values().all(|count| *count > 0),
        "datagrams in twenty minutes of a knock each ten seconds: {answers:?}"
    );
}

/// IPv6 breaks while IPv4 goes on.
#[test]
fn an_outage_of_ipv6_alone_costs_no_ipv6_peers() {
    let mut play = Play::new();
    (1..=20).for_each(|n| _ = play.verify(&format!("{n}.77.1.1:24254")));
    (1..=20).for_each(|n| _ = play.verify(&format!("[2a0{}:{n}::1]:24254", n % 8)));
    run(&mut play, secs(300), |_| true);
    let count = |play: &Play| play.node.peers(play.now, 99).iter().filter(|p| p.address.is_ipv6()).count();
    let before = count(&play);
    run(&mut play, secs(900), |to| to.is_ipv4());
    assert!(count(&play) + 2 >= before, "{} of {before}", count(&play));
}

/// Without loss: who has forgotten us and knocks with the token that we know.
#[test]
fn a_known_peer_that_has_forgotten_us_gets_its_token_back_when_it_knocks() {
    let mut play = settled();
    let wild = "200.99.1.1:24254";
    let token = play.verify(wild);
    play.hear(wild, &with_token(r#"{"PleaseAlwaysReturnThisMessage":{"cookie":"old"}}"#, &token));
    run(&mut play, secs(120), |to| to.to_string().contains(".77."));
    let new = play.hear(wild, r#"[{"PleaseAlwaysReturnThisMessage":{"cookie":"new"}}]"#).len();
    run(&mut play, secs(120), |to| to.to_string().contains(".77."));
    let old = play.hear(wild, r#"[{"PleaseAlwaysReturnThisMessage":{"cookie":"old"}}]"#).len();
    assert_eq!((new, old), (1, 1), "datagrams for a knock with a new token, and with the known one");
}
