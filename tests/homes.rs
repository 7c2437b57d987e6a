//! Who lives where: what proves it, what does not, and what those are told who ask.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::print_stdout)] // figures are printed for whoever runs the tests

mod play;

use cjp2p_node::content::MemoryStore;
use cjp2p_node::identity::{Identity, PublicKey};
use cjp2p_node::node::{Command, Config, Node};
use cjp2p_node::wire::Message;
use play::keys::*;
use play::village::Village;
use play::{Play, address, field};
use serde_json::json;
use std::time::Duration;

const HOME: &str = "203.0.113.5:24254";
const OTHER_HOME: &str = "203.0.113.77:30000";
const THIEF: &str = "198.51.100.7:40000";
const ASKER: &str = "192.0.2.200:24254";

/// How long the address that is left is asked.
const ASKED_FOR: Duration = Duration::from_millis(2_750);

/// Where the node says that somebody is, to a third.
fn told(play: &mut Play, key: PublicKey) -> Option<String> {
    let token = play.token(ASKER);
    let question = format!(r#"{{"WhereAreThey":{{"ed25519h":"{key}"}}}}"#);
    let answers = play.hear(ASKER, &format!("[{question},{}]", returned(&token)));
    let forwarded = answers.iter().find_map(|(_, answer)| field(answer, "Forwarded"))?;
    let messages = format!(r#"[{{"MyPublicKey":{{"ed25519h":"{key}"}}}}]"#);
    assert_eq!(forwarded["messages"], json!(messages));
    assert_eq!((&forwarded["from_ed25519"], &forwarded["might_be_ip_spoofing"]), (&json!(null), &json!(false)));
    Some(forwarded["src"].as_str().unwrap().to_owned())
}

#[test]
fn a_key_and_our_token_in_one_envelope_prove_a_home_and_who_asks_is_told() {
    for way in 0..3 {
        let mut play = play();
        let token = play.token(HOME);
        assert_eq!(told(&mut play, alice().public()), None);
        play.hear(HOME, &format!("[{}]", proofs(&alice(), &token, 1)[way]));
        assert_eq!(told(&mut play, alice().public()).as_deref(), Some(HOME));
        assert_eq!(told(&mut play, thief().public()), None);
    }
}

#[test]
fn a_token_beside_an_envelope_proves_no_home() {
    let mut play = play();
    let token = play.token(THIEF);
    for envelope in [signed(&alice(), &my_key(&alice())), sealed(&alice(), &my_key(&alice()), 1)] {
        play.hear(THIEF, &format!("[{envelope},{}]", returned(&token)));
        assert_eq!(told(&mut play, alice().public()), None);
    }
}

#[test]
fn a_claim_proves_no_home_wherever_it_stands() {
    let mut play = play();
    let token = play.token(THIEF);
    let claim = my_key(&alice());
    play.hear(THIEF, &format!("[{claim},{}]", returned(&token)));
    play.hear(THIEF, &format!("[{}]", signed(&thief(), &format!("{},{claim}", returned(&token)))));
    let forwarded = json!([{"Forwarded": {"src": THIEF, "from_ed25519": null, "might_be_ip_spoofing": false,
        "messages": format!("[{claim}]")}}, {"AlwaysReturned": {"cookie": token}}]);
    play.hear(THIEF, &forwarded.to_string());
    assert_eq!(told(&mut play, alice().public()), None);
    assert_eq!(told(&mut play, thief().public()).as_deref(), Some(THIEF), "it has proven its own");
}

#[test]
fn who_moves_is_found_there_with_the_first_proof_that_is_no_weaker_once_nobody_answers_where_it_was() {
    for before in 0..3 {
        for after in 0..3 {
            let mut play = play();
            let token = play.token(HOME);
            play.hear(HOME, &format!("[{}]", proofs(&alice(), &token, 1)[before]));
            let token = play.token(OTHER_HOME);
            play.hear(OTHER_HOME, &format!("[{}]", proofs(&alice(), &token, 2)[after]));
            play.run(ASKED_FOR);
            let expected = if after == 0 && before > 0 { HOME } else { OTHER_HOME };
            assert_eq!(told(&mut play, alice().public()).as_deref(), Some(expected), "{before} {after}");
        }
    }
}

#[test]
fn a_proof_that_is_sent_again_from_the_home_that_was_left_moves_nobody_back() {
    for before in 0..3 {
        for after in before.min(1)..3 {
            let mut play = play();
            let token = play.token(HOME);
            let old: Vec<String> = (0..3).flat_map(|n| proofs(&alice(), &token, 10 + n)).collect();
            play.hear(HOME, &format!("[{}]", old[before]));
            let token = play.token(OTHER_HOME);
            play.hear(OTHER_HOME, &format!("[{}]", proofs(&alice(), &token, 2)[after]));
            play.run(ASKED_FOR);
            // The thief has seen everything that she ever sent from there, opened or not.
            for proof in &old {
                play.run(Duration::from_secs(1));
                play.hear(HOME, &format!("[{proof}]"));
            }
            assert_eq!(told(&mut play, alice().public()).as_deref(), Some(OTHER_HOME), "{before} {after}");
            // And when she does come back she is believed, because she is told the new token.
            let answer = play.answer(HOME, r#"[{"PleaseSendPeers":{}}]"#);
            let token = field(&answer, "PleaseAlwaysReturnThisMessage").unwrap()["cookie"].as_str().unwrap().to_owned();
            play.hear(HOME, &format!("[{}]", proofs(&alice(), &token, 3)[2]));
            play.run(ASKED_FOR);
            assert_eq!(told(&mut play, alice().public()).as_deref(), Some(HOME), "{before} {after}");
        }
    }
}

#[test]
fn a_token_that_was_signed_for_a_thief_takes_no_home_away_that_was_proven_to_us() {
    for way in 1..3 {
        let mut play = play();
        let token = play.token(HOME);
        play.hear(HOME, &format!("[{}]", proofs(&alice(), &token, 1)[way]));
        // She returns the thief's token to him, signed, as everybody does who was asked to; it is ours for his address.
        let stolen = play.token(THIEF);
        let relayed = [
            wild(&alice(), &stolen),
            signed(&alice(), &format!("{},{}", returned(&stolen), meant_for(&thief()))),
            // Sealing it to us himself makes it no better.
            sealed(&thief(), &wild(&alice(), &stolen), 5),
        ];
        for proof in relayed {
            play.hear(THIEF, &format!("[{proof}]"));
            assert_eq!(told(&mut play, alice().public()).as_deref(), Some(HOME), "{way}");
        }
        // One that names somebody else is not even looked into, the other two were weaker.
        let counters = play.node.counters();
        assert_eq!((counters.envelopes_for_others, counters.homes_refused), (1, 2));
    }
}

#[test]
fn what_is_signed_for_somebody_else_is_not_heard() {
    let mut play = play();
    let token = play.verify(HOME);
    let question = r#"{"PleaseReturnThisMessage":{"cookie":"5.25"}}"#;
    let ask = |inside: &str| format!("[{},{}]", signed(&alice(), inside), returned(&token));
    assert!(play.answer(HOME, &ask(&format!("{question},{}", meant_for(&node())))).contains("5.25"));
    assert_eq!(play.answer(HOME, &ask(&format!("{question},{}", meant_for(&thief())))), "");
    assert_eq!(play.answer(HOME, &ask(&format!("{},{question},{}", meant_for(&node()), meant_for(&thief())))), "");
}

#[test]
fn a_stranger_that_asks_is_told_no_more_than_it_may_be_sent() {
    let mut play = play();
    let token = play.token(HOME);
    play.hear(HOME, &format!("[{}]", ours(&alice(), &token)));
    let question = format!(r#"[{{"WhereAreThey":{{"ed25519h":"{}"}}}}]"#, alice().public());
    let answer = play.answer("192.0.2.201:24254", &question);
    assert!(2 * (answer.len() + 28) <= 5 * (question.len() + 28), "{answer}");
    assert!(field(&answer, "PleaseAlwaysReturnThisMessage").is_some(), "so that it can ask again");
}

#[test]
fn a_home_in_a_local_network_is_not_told_to_the_world() {
    let mut play = play();
    let local = "192.168.1.9:24254";
    let token = play.token(local);
    play.hear(local, &format!("[{}]", ours(&alice(), &token)));
    assert_eq!(told(&mut play, alice().public()), None);
}

/// What the node shows a neighbour: the envelope, and the node's token for it.
fn shown(play: &mut Play, to: &str, asks: &str, extra: &str) -> Option<String> {
    let token = play.token(to);
    let mut sent = play.hear(
        to,
        &format!(r#"[{{"PleaseAlwaysReturnThisMessage":{{"cookie":"{asks}"}}}},{},{extra}]"#, returned(&token)),
    );
    let probe = r#"{"PleaseReturnThisMessage":{"cookie":"1"}}"#;
    for _ in 0..20 {
        sent.extend(play.hear(to, &format!("[{probe},{}]", returned(&token))));
        // Its probes are returned, so that the thief is a neighbour.
        for (_, text) in std::mem::take(&mut sent) {
            if text.contains(r#""SignedMessage""#) && text.contains(asks) {
                let signed = json!({"SignedMessage": field(&text, "SignedMessage").unwrap()});
                return Some(signed.to_string());
            }
            if let Some(cookie) = field(&text, "PleaseReturnThisMessage") {
                sent.extend(play.hear(to, &format!("[{},{}]", json!({"ReturnedMessage": cookie}), returned(&token))));
            }
        }
        sent.extend(play.run(Duration::from_secs(6)));
    }
    None
}

#[test]
fn who_passes_on_what_two_nodes_show_it_takes_neither_away_from_a_home_that_was_proven_to_the_other() {
    let other = || Identity::from_seed(&[9; 32]);
    let mut one = play();
    let config = Config { identity: Some(other()), version: "cjp2p-node test".to_owned(), ..Config::default() };
    let mut two = play();
    two.node = Node::new(config, [77; 32], two.now, MemoryStore::default());
    // The second knows well where the first lives: it sealed its token there.
    let token = two.token(HOME);
    let text = format!("[{},{}]", my_key(&node()), returned(&token));
    let envelope = Message::EncryptedMessages(node().seal(&other().public(), &text, [4; 32]).unwrap());
    two.hear(HOME, &format!("[{}]", element(envelope)));
    assert_eq!(two.node.home(&node().public()), Some(address(HOME)));
    // The thief is a neighbour of both. It gives each the token that the other gave it, and passes on what is signed.
    let (token_of_one, token_of_two) = (one.token(THIEF), two.token(THIEF));
    let by_two = shown(&mut two, THIEF, &token_of_one, &my_key(&thief())).expect("shown to a neighbour");
    one.hear(THIEF, &format!("[{by_two}]"));
    let by_one = shown(&mut one, THIEF, &token_of_two, &my_key(&thief())).expect("shown to a neighbour");
    two.hear(THIEF, &format!("[{by_one}]"));
    assert_eq!(two.node.home(&node().public()), Some(address(HOME)), "it was taken away by {by_one}");
}

#[test]
fn neighbours_learn_where_each_other_live_and_say_little_about_it() {
    let homes = ["203.0.113.1:24254", "203.0.114.2:24254", "198.51.100.3:24254"];
    let mut village = Village::new(&homes);
    village.run(Duration::from_secs(120));
    for (one, other) in [(0, 1), (1, 0), (0, 2), (2, 0)] {
        assert_eq!(village.says(one, other), Some(address(homes[other])), "{one} of {other}");
    }
    village.signed.fill(0);
    village.run(Duration::from_secs(3_000));
    assert!(
        village.signed.iter().all(|signed| *signed <= 2 * 2 * 2),
        "a proof or two for each token: {:?}",
        village.signed
    );
}

#[test]
fn who_is_tried_as_a_neighbour_sees_our_key_with_the_first_probe_and_is_written_to_no_more_for_its_sake() {
    let mut play = play();
    let token = play.token(HOME);
    let asks = r#"{"PleaseAlwaysReturnThisMessage":{"cookie":"1"}}"#;
    let mut sent = play.hear(HOME, &format!("[{asks},{}]", returned(&token)));
    sent.extend(play.run(Duration::from_millis(100)));
    let mut probes: Vec<_> = sent.iter().filter(|(_, text)| field(text, "PleaseReturnThisMessage").is_some()).collect();
    let (_, probe) = probes.pop().expect("who knows nobody tries everybody");
    assert!(play::shows_key(probe) && probes.is_empty(), "{sent:?}");
    let cookie = json!({"ReturnedMessage": field(probe, "PleaseReturnThisMessage").unwrap()});
    play.hear(HOME, &format!("[{cookie},{}]", returned(&token)));
    let later = play.run(Duration::from_secs(20));
    assert!(!later.iter().any(|(_, text)| field(text, "PleaseReturnThisMessage").is_some()), "{later:?}");
}

#[test]
fn who_proves_the_path_after_our_first_probe_was_lost_sees_our_key_within_half_a_second() {
    let asks = r#"{"PleaseAlwaysReturnThisMessage":{"cookie":"1"}}"#;
    let probe = r#"{"PleaseReturnThisMessage":{"cookie":"77"}}"#;
    for gap in [300, 700, 1_500] {
        let mut play = play();
        let token = play.token(HOME);
        play.hear(HOME, &format!("[{asks},{}]", returned(&token)));
        play.run(Duration::from_millis(gap));
        let mut sent = play.hear(HOME, &format!("[{probe},{}]", returned(&token)));
        sent.extend(play.run(Duration::from_millis(510)));
        assert!(sent.iter().any(|(_, text)| play::shows_key(text)), "{gap}: {sent:?}");
    }
}

#[test]
fn a_neighbour_that_moves_is_found_within_five_seconds_of_its_first_datagram_from_there() {
    let mut village = Village::new(&["203.0.113.1:24254", "203.0.114.2:24254", "198.51.100.3:24254"]);
    village.run(Duration::from_secs(120));
    for place in ["192.0.2.77:24254", "203.0.114.2:24254", "192.0.2.78:30000"] {
        village.nodes[1].1 = address(place);
        let (now, node) = (village.now, &mut village.nodes[1].0);
        node.handle_command(now, Command::NetworkChanged).unwrap();
        village.run(Duration::from_secs(5));
        assert_eq!(village.says(0, 1), Some(address(place)));
        village.run(Duration::from_secs(100));
        assert_eq!(village.says(0, 1), Some(address(place)));
        assert_eq!(village.says(1, 0), Some(address("203.0.113.1:24254")));
    }
}

#[test]
fn a_neighbour_that_moves_without_knowing_it_is_found_within_five_seconds_of_its_first_datagram_that_arrives() {
    let mut answers = 0;
    for seed in 0..20 {
        let homes = ["203.0.113.1:24254", "203.0.114.2:24254", "198.51.100.3:24254"];
        let mut village = Village::seeded(&homes, seed);
        village.run(Duration::from_secs(120) + Duration::from_millis(770) * u32::from(seed));
        // As behind a NAT that gives out another port.
        let (place, first) = (address("203.0.114.2:30001"), address(homes[0]));
        village.nodes[1].1 = place;
        village.heard.clear();
        let mut said = Vec::new();
        while !village.heard.contains(&(place, first)) {
            let sent = village.on_the_way.iter().filter(|(_, from, to, _)| (*from, *to) == (place, first));
            said =
                sent.map(|(.., payload)| String::from_utf8_lossy(payload).into_owned()).chain(said).take(1).collect();
            village.run(Duration::from_millis(20));
        }
        answers += usize::from(!said.concat().contains("Please"));
        village.run(Duration::from_secs(5));
        assert_eq!(village.says(0, 1), Some(place), "seed {seed}: {said:?}");
    }
    println!("{answers} said nothing that is answered");
    assert!(answers > 0);
}

#[test]
fn who_returns_a_neighbours_token_from_elsewhere_is_told_the_one_for_there_and_nobody_else_is() {
    let mut play = play();
    let token = play.verify(HOME);
    // What is said to nobody in particular needs no answer.
    let says = |token: &str| format!(r#"[{{"Peers":{{"peers":[]}}}},{}]"#, returned(token));
    play.hear(HOME, &says(&token));
    let answer = play.answer(OTHER_HOME, &says(&token));
    assert!(field(&answer, "PleaseAlwaysReturnThisMessage").is_some(), "{answer:?}");
    assert!(answer.len() <= 5 * (says(&token).len() + 28) / 2);
    for other in ["AAAAAAAA", &play.token(THIEF)] {
        assert_eq!(play.answer(OTHER_HOME, &says(other)), "", "nobody's, or that of somebody who is no neighbour");
    }
    // However many are asked for, there is an end to it.
    let told =
        (0..1_000).filter(|n| !play.answer(&format!("192.0.2.9:{}", 2_000 + n), &says(&token)).is_empty()).count();
    assert!((1..=32).contains(&told), "{told} at once");
}
