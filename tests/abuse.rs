//! What others could make a node do to third parties or to itself, each found by somebody who tried.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod play;

use cjp2p_node::content::SharedFile;
use cjp2p_node::node::{Command, Config, OUTBOX_MAX};
use cjp2p_node::peers::heard::HEARD_NAMED_MAX;
use cjp2p_node::peers::links::{LINKS_MAX, WATCHED_MAX};
use play::{Play, address, field};
use std::time::Duration;

const LIAR: &str = "203.0.113.5:24254";
const STRANGER: &str = "198.51.100.7:40000";

fn with_token(elements: &str, token: &str) -> String {
    format!(r#"[{elements},{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#)
}

#[test]
fn naming_a_known_peer_again_and_again_makes_us_write_to_it_seldom() {
    let mut play = Play::new();
    let victims: Vec<String> = (1..=6).map(|n| format!("9.{n}.1.1:24254")).collect();
    victims.iter().for_each(|victim| _ = play.verify(victim));
    // So that we look for others.
    crowd(&mut play);
    let token = play.verify(LIAR);
    let names = victims.iter().map(|victim| format!("\"{victim}\"")).collect::<Vec<_>>().join(",");
    let text = with_token(&format!(r#"{{"Peers":{{"peers":[{names}]}}}}"#), &token);
    let to_victims: usize = (0..1_000)
        .map(|_| play.hear(LIAR, &text).iter().filter(|(to, _)| victims.contains(&to.to_string())).count())
        .sum();
    assert!(to_victims <= 8, "{to_victims} datagrams to peers that were only named");
}

#[test]
fn naming_all_ports_of_a_host_does_not_multiply_what_it_is_sent() {
    let mut play = Play::new();
    let token = play.verify(LIAR);
    let mut to_victim = 0;
    for second in 0..3_600_u16 {
        let names: Vec<_> = (0..40).map(|n| format!("\"8.8.8.8:{}\"", 2_000 + second * 10 + n)).collect();
        let text = with_token(&format!(r#"{{"Peers":{{"peers":[{}]}}}}"#, names.join(",")), &token);
        let mut sent = play.hear(LIAR, &text);
        sent.extend(play.run(Duration::from_secs(1)));
        to_victim += sent.iter().filter(|(to, _)| to.ip() == address("8.8.8.8:1").ip()).count();
    }
    assert!((1..=76).contains(&to_victim), "{to_victim} datagrams in an hour");
}

#[test]
fn asking_for_the_same_list_many_times_at_once_is_answered_once() {
    let mut play = Play::new();
    for n in 0..200_u8 {
        let file = SharedFile { name: format!("{n:03}"), stamp: Default::default(), sha256: [n; 32], blake3: [n; 32] };
        play.node.handle_command(play.now, Command::Share(file)).unwrap();
    }
    let token = play.verify(LIAR);
    for message in ["PleaseListContent", "PleaseListSupportedMessages"] {
        let many = vec![format!(r#"{{"{message}":{{}}}}"#); 250].join(",");
        let answers = play.hear(LIAR, &with_token(&many, &token));
        assert_eq!(answers.len(), 1, "{message}");
    }
}

#[test]
fn whoever_asks_often_enough_hears_of_every_file() {
    let mut play = Play::new();
    for n in 0..200_u8 {
        let file = SharedFile { name: format!("{n:03}"), stamp: Default::default(), sha256: [n; 32], blake3: [n; 32] };
        play.node.handle_command(play.now, Command::Share(file)).unwrap();
    }
    let mut ids = std::collections::BTreeSet::new();
    for _ in 0..4 {
        let answer = play.answer_verified(LIAR, r#"{"PleaseListContent":{}}"#);
        let list = field(&answer, "ContentList").unwrap()["results"].as_array().unwrap().clone();
        ids.extend(list.iter().map(|entry| entry[0].to_string()));
    }
    assert_eq!(ids.len(), 200);
}

#[test]
fn an_answer_that_has_grown_too_long_does_not_begin_anew() {
    let mut play = Play::new();
    let token = play.verify(LIAR);
    let file = play.node.store_mut().insert("f", vec![7; 41_000]);
    let id = file.id();
    play.node.handle_command(play.now, Command::Share(file)).unwrap();
    let request = format!(r#"{{"PleaseSendContent":{{"id":"{id}","offset":0,"length":40960}}}}"#);
    let answers = play.hear(LIAR, &with_token(&vec![request; 255].join(","), &token));
    let bytes: usize = answers.iter().map(|(_, text)| text.len()).sum();
    assert!(answers.len() <= 32 && bytes <= 224 * 1_024, "{} datagrams, {bytes} bytes", answers.len());
}

#[test]
fn a_flood_of_forged_askers_does_not_keep_an_honest_knock_from_being_answered() {
    let mut play = Play::new();
    let text = r#"[{"PleaseSendPeers":{}},{"PleaseAlwaysReturnThisMessage":{"cookie":"x"}}]"#;
    for second in 0..200_u16 {
        for n in 0..10_u16 {
            play.hear(&format!("{}.{}.1.1:24254", 20 + second, 1 + n), text);
        }
        play.run(Duration::from_secs(1));
    }
    let answer = play.answer(STRANGER, r#"[{"PleaseAlwaysReturnThisMessage":{"cookie":"03e55ec0"}}]"#);
    assert_eq!(field(&answer, "AlwaysReturned").unwrap()["cookie"], "03e55ec0");
}

#[test]
fn forged_tokens_in_the_name_of_one_that_is_tried_hurry_nothing() {
    let mut play = Play::new();
    let mut provoked = 0;
    for n in 0..50 {
        play.wait(Duration::from_millis(100));
        let forged = format!(r#"[{{"PleaseAlwaysReturnThisMessage":{{"cookie":"{n:08x}"}}}}]"#);
        provoked += play.hear(STRANGER, &forged).len();
    }
    assert_eq!(provoked, 1, "datagrams to one address within five seconds, for as many forged ones");
}

#[test]
fn names_that_lead_nowhere_do_not_make_a_node_ask_its_peers_again_and_again() {
    let mut play = Play::new();
    for friend in ["7.7.7.7:24254", "8.8.8.8:24254"] {
        play.verify(friend);
    }
    let token = play.verify(LIAR);
    let mut asked = 0;
    for second in 0..600 {
        let name = format!("9.{}.{}.9:24254", second / 256, second % 256);
        play.hear(LIAR, &with_token(&format!(r#"{{"Peers":{{"peers":["{name}"]}}}}"#), &token));
        let questions = play.run(Duration::from_secs(1));
        asked += questions
            .iter()
            .filter(|(to, text)| !to.to_string().starts_with("9.") && text.contains("SendPeers"))
            .count();
    }
    assert!(asked <= 90, "{asked} questions in ten minutes to three peers, because one keeps naming strangers");
}

#[test]
fn neighbours_from_one_network_do_not_crowd_out_our_own() {
    let mut play = Play::new();
    let crowd: Vec<String> = (1..=8).map(|n| format!("203.0.113.{n}:24254")).collect();
    let tokens: Vec<_> = crowd.iter().map(|one| play.verify(one)).collect();
    let probe = r#"{"PleaseReturnThisMessage":{"cookie":"x"}}"#;
    for _ in 0..60 {
        for (one, token) in crowd.iter().zip(&tokens) {
            play.hear(one, &with_token(probe, token));
        }
        play.wait(Duration::from_secs(2));
    }
    assert!(play.node.link_count() <= 5, "{} count as neighbours", play.node.link_count());
    let honest = play.answer_verified("9.9.9.9:24254", probe);
    assert!(field(&honest, "EnoughNeighbours").is_none(), "a newcomer is welcome: {honest}");
}

#[test]
fn an_address_without_a_way_to_it_is_no_reason_to_hurry() {
    let unreachable = address("[2001:db8::1]:24254");
    let mut play = Play::with(Config { contacts: vec![unreachable], ..Config::default() });
    let mut tries = 0;
    for _ in 0..600 {
        while let Some(transmit) = play.next_within(Duration::from_secs(6)) {
            tries += 1;
            play.node.handle_command(play.now, Command::Unsent(transmit)).unwrap();
        }
    }
    assert!((10..=80).contains(&tries), "{tries} tries in an hour");
}

#[test]
fn one_datagram_is_good_for_four_guesses_of_a_token_and_four_of_a_probe() {
    let wrong = |name: &str, n: usize| vec![format!(r#"{{"{name}":{{"cookie":"AAAAAAAA"}}}}"#); n].join(",");
    for (guesses, is_believed) in [(3, true), (4, false)] {
        let mut play = Play::new();
        let token = play.token(LIAR);
        play.hear(LIAR, &with_token(&wrong("AlwaysReturned", guesses), &token));
        assert_eq!(play.node.peer_count() == 1, is_believed, "after {guesses} wrong tokens");

        let mut play = Play::with(Config { contacts: vec![address(LIAR)], ..Config::default() });
        let probe = field(&play.run(Duration::from_millis(1))[0].1, "PleaseReturnThisMessage").unwrap();
        let text = format!(r#"[{},{{"ReturnedMessage":{probe}}}]"#, wrong("ReturnedMessage", guesses));
        play.hear(LIAR, &text);
        assert_eq!(play.node.peer_count() == 1, is_believed, "after {guesses} wrong probes");
    }
    let mut play = Play::new();
    play.hear(LIAR, &format!("[{}]", wrong("AlwaysReturned", 255)));
    assert_eq!(play.node.counters().tokens_wrong, 255, "those that were not looked at are counted too");
}

#[test]
fn a_peer_that_all_others_are_told_of_is_introduced_to_few_of_them() {
    let mut play = Play::new();
    let victim = "9.9.9.9:24254";
    let asks = |text: &str, token: &str| with_token(&format!(r#"{text},{{"PleaseAlwaysReturnThisMessage":7}}"#), token);
    let of_victim = play.verify(victim);
    let askers: Vec<_> = (1..=30).map(|n| format!("{n}.77.1.1:24254")).collect();
    let tokens: Vec<_> = askers.iter().map(|asker| play.verify(asker)).collect();
    let mut to_victim = Vec::new();
    for second in 0..600_u64 {
        if second % 60 == 0 {
            play.hear(victim, &asks(r#"{"NoSuchMessage":{}}"#, &of_victim));
        }
        for (asker, token) in askers.iter().zip(&tokens).skip(second as usize % 10).step_by(10) {
            let sent = play.hear(asker, &with_token(r#"{"PleaseSendPeers":{}}"#, token));
            to_victim.extend(sent.iter().filter(|(to, _)| *to == address(victim)).map(|_| second));
        }
        play.wait(Duration::from_secs(1));
    }
    assert!((10..=68).contains(&to_victim.len()), "{} introductions in ten minutes", to_victim.len());
    let first_minute = to_victim.iter().filter(|second| **second < 60).count();
    assert!(first_minute <= 14, "{first_minute} in the first minute");
}

#[test]
fn forging_the_tokens_of_all_our_peers_makes_us_write_to_few_of_them() {
    let mut play = Play::new();
    let peers: Vec<_> = (1..=200).map(|n| format!("{n}.77.1.1:24254")).collect();
    peers.iter().for_each(|peer| _ = play.verify(peer));
    let mut sent = 0;
    for second in 0..60 {
        for peer in &peers {
            sent += play.hear(peer, &format!(r#"[{{"PleaseAlwaysReturnThisMessage":{second}}}]"#)).len();
        }
        play.wait(Duration::from_secs(1));
    }
    assert!((100..=16 + 4 * 60).contains(&sent), "{sent} datagrams in a minute");
}

/// Forty peers of as many networks that probe us and say that they have enough neighbours.
fn crowd(play: &mut Play) {
    for n in 1..=40 {
        let one = format!("{n}.77.1.1:24254");
        let token = play.verify(&one);
        let text = r#"{"PleaseReturnThisMessage":{"cookie":"x"}},{"EnoughNeighbours":{}}"#;
        play.hear(&one, &with_token(text, &token));
    }
}

#[test]
fn neighbours_that_chose_us_leave_room_for_those_we_choose() {
    let mut play = Play::new();
    crowd(&mut play);
    let token = play.token("99.9.9.9:24254");
    let greeting = play.answer("99.9.9.9:24254", &with_token(r#"{"NoSuchMessage":{}}"#, &token));
    assert!(field(&greeting, "PleaseReturnThisMessage").is_some(), "nobody else is welcome: {greeting}");
}

#[test]
fn names_from_many_networks_leave_room_for_the_user_and_for_whoever_knocks() {
    let mut play = Play::new();
    for n in 1..=20 {
        let liar = format!("{n}.77.1.1:24254");
        let token = play.verify(&liar);
        for third in [1, 2] {
            let names: Vec<_> = (1..=92).map(|fourth| format!("\"8.{n}.{third}.{fourth}:24254\"")).collect();
            play.hear(&liar, &with_token(&format!(r#"{{"Peers":{{"peers":[{}]}}}}"#, names.join(",")), &token));
        }
    }
    assert!(play.node.heard_count() > HEARD_NAMED_MAX * 9 / 10, "{}", play.node.heard_count());
    play.wait(Duration::from_secs(10));
    let answer = play.answer(STRANGER, r#"[{"PleaseAlwaysReturnThisMessage":{"cookie":"03e55ec0"}}]"#);
    assert_eq!(field(&answer, "AlwaysReturned").unwrap()["cookie"], "03e55ec0");
    play.node.handle_command(play.now, Command::AddPeer(address("9.9.9.9:24254"))).unwrap();
    assert_eq!(play.sent().len(), 1);
}

#[test]
fn the_largest_bursts_are_a_small_part_of_what_may_wait_and_what_is_too_much_is_counted() {
    let mut play = Play::new();
    let peers: Vec<_> = (1..=100).map(|n| format!("{n}.77.1.1:24254")).collect();
    for peer in &peers {
        let token = play.verify(peer);
        play.hear(peer, &with_token(r#"{"PleaseAlwaysReturnThisMessage":7}"#, &token));
    }
    let line = |unix_ms| Command::GroupChat { group: "main".to_owned(), text: "hi".to_owned(), unix_ms };
    play.node.handle_command(play.now, line(1)).unwrap();
    let to_all = play.sent().len();
    assert_eq!((to_all, OUTBOX_MAX), (play.node.link_count(), 1_024), "each neighbour is sent the line");
    assert!((WATCHED_MAX..=LINKS_MAX).contains(&to_all), "{to_all}");

    let file = play.node.store_mut().insert("f", vec![7; 41 * 4_096]);
    let id = file.id();
    // Another block each time: the same one would not be answered as often.
    let request = |n| format!(r#"{{"PleaseSendContent":{{"id":"{id}","offset":{},"length":4096}}}}"#, n * 4_096);
    play.node.handle_command(play.now, Command::Share(file)).unwrap();
    let mut elements = vec![r#"{"PleaseSendPeers":{}}"#.to_owned()];
    elements.extend((1..=100).map(|n| format!(r#"{{"Peers":{{"peers":["200.{n}.1.1:24254"]}}}}"#)));
    elements.extend((0..40).map(request));
    let token = play.token(LIAR);
    play.wait(Duration::from_secs(60));
    let sent = play.hear(LIAR, &with_token(&elements.join(","), &token));
    assert!((40..=62).contains(&sent.len()), "{} datagrams for one", sent.len());

    for peer in peers.iter().cycle().take(OUTBOX_MAX + 76) {
        play.node.handle_command(play.now, Command::Ping(address(peer))).unwrap();
    }
    assert_eq!(play.sent().len(), OUTBOX_MAX);
    assert_eq!(play.node.counters().datagrams_dropped, 76);
}
