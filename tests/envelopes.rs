//! What a node makes of envelopes: what is inside is heard like what is outside, once, and a flood of bogus ones is
//! neither answered nor worked through.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod play;

use base64_simd::STANDARD;
use cjp2p_node::identity::{Identity, PublicKey};
use cjp2p_node::node::{Command, Config, Event};
use cjp2p_node::wire::{MESSAGES_MAX, Message};
use play::{Play, address, field};
use serde_json::json;
use std::time::Duration;

const PEER: &str = "203.0.113.5:24254";
const STRANGER: &str = "198.51.100.7:40000";

/// The node's key, and somebody else's.
fn keys() -> (Identity, Identity) {
    (Identity::from_seed(&[1; 32]), Identity::from_seed(&[2; 32]))
}

fn play() -> Play {
    Play::with(Config { identity: Some(keys().0), version: "cjp2p-node test".to_owned(), ..Config::default() })
}

fn element(message: Message<'_>) -> String {
    serde_json::to_string(&message).unwrap()
}

fn signed(text: &str) -> String {
    element(Message::SignedMessage(keys().1.sign(text).unwrap()))
}

/// What the other encrypts for the node, and says its key in.
fn sealed(elements: &str, ephemeral: u8) -> String {
    let (node, other) = keys();
    let text = format!(r#"[{{"MyPublicKey":{{"ed25519h":"{}"}}}},{elements}]"#, other.public());
    element(Message::EncryptedMessages(other.seal(&node.public(), &text, [ephemeral; 32]).unwrap()))
}

/// An encrypted envelope that nobody can open, another one each time.
fn bogus(n: u64) -> String {
    let mut bytes = [0x55; 200];
    bytes[..8].copy_from_slice(&n.to_le_bytes());
    let base64 = STANDARD.encode_to_string(bytes);
    json!({"EncryptedMessages": {"base64": base64, "noise_params": "Noise_IK_25519_AESGCM_SHA256"}}).to_string()
}

fn returned(token: &str) -> String {
    format!(r#"{{"AlwaysReturned":{{"cookie":"{token}"}}}}"#)
}

/// What the other finds in the envelope that it was answered with; nothing else was said but whose it is.
fn unsealed(answer: &str) -> String {
    let decoded = cjp2p_node::wire::decode(answer.as_bytes()).unwrap();
    let [Message::MyPublicKey(key), Message::EncryptedMessages(sealed)] = &decoded.messages[..] else {
        panic!("{answer}");
    };
    assert_eq!(key.ed25519h, keys().0.public().hex());
    String::from_utf8(keys().1.open_sealed(sealed).unwrap().text).unwrap()
}

/// The lines that were heard, with their keys.
fn lines(play: &mut Play) -> Vec<(Option<PublicKey>, String)> {
    let line = |event| match event {
        Event::Chat { key, text, .. } | Event::GroupChat { key, text, .. } => Some((key, text)),
        Event::PrivateChat { key, text, .. } => Some((Some(key), text)),
        _ => None,
    };
    play.events().into_iter().filter_map(line).collect()
}

const CHAT: &str = r#"{"ChatMessage":{"message":"hello"}}"#;

#[test]
fn a_question_in_an_envelope_is_answered_like_one_outside_and_in_private_if_it_was() {
    let question = r#"{"PleaseReturnThisMessage":{"cookie":"5.25"}}"#;
    for (inside, is_private) in [
        (signed(&format!("[{question}]")), false),
        (sealed(question, 9), true),
        (signed(&format!("[{}]", sealed(question, 9))), true),
    ] {
        let mut play = play();
        let token = play.verify(PEER);
        let answer = play.answer(PEER, &format!("[{inside},{}]", returned(&token)));
        let answer = if is_private { unsealed(&answer) } else { answer };
        assert_eq!(field(&answer, "ReturnedMessage"), Some(json!({"cookie": "5.25"})), "{answer}");
        assert_eq!(field(&answer, "MyPublicKey").is_some(), is_private, "{answer}");
        // A stranger gets the same, and our token.
        let answer = play.answer(STRANGER, &format!("[{}]", signed(&format!("[{question}]"))));
        assert_eq!(field(&answer, "ReturnedMessage"), Some(json!({"cookie": "5.25"})));
        assert!(field(&answer, "PleaseAlwaysReturnThisMessage").is_some());
    }
}

#[test]
fn a_token_in_an_envelope_counts_as_one_beside_it() {
    for is_signed in [true, false] {
        let mut play = play();
        let token = returned(&play.token(PEER));
        let inside = if is_signed { signed(&format!("[{token}]")) } else { sealed(&token, 9) };
        play.hear(PEER, &format!("[{inside}]"));
        assert_eq!(play.node.peer_count(), 1);
        // From anywhere else it proves nothing.
        let mut play = self::play();
        let token = returned(&play.token(PEER));
        let inside = if is_signed { signed(&format!("[{token}]")) } else { sealed(&token, 9) };
        play.hear(STRANGER, &format!("[{inside}]"));
        assert_eq!(play.node.peer_count(), 0);
    }
}

#[test]
fn a_line_in_an_envelope_is_heard_with_its_key_and_one_outside_without() {
    let mut play = play();
    let token = returned(&play.verify(PEER));
    let key = Some(keys().1.public());
    let meant = format!(r#"{{"MeantFor":{{"ed25519h":"{}"}}}}"#, keys().0.public());
    let signed = signed(&format!("[{token},{meant},{CHAT}]"));
    for (element, key) in [(CHAT.to_owned(), None), (signed, key), (sealed(&format!("{token},{CHAT}"), 9), key)] {
        play.hear(PEER, &format!("[{element},{token}]"));
        assert_eq!(lines(&mut play), [(key, "hello".to_owned())]);
    }
    // What stands beside an envelope is nobody's, before it and behind it.
    let mixed = format!(r#"[{{"ChatMessage":{{"message":"a"}}}},{},{CHAT},{token}]"#, sealed(CHAT, 10));
    play.wait(Duration::from_secs(10));
    play.hear(PEER, &mixed);
    let heard = lines(&mut play);
    assert_eq!(heard.iter().filter(|(key, _)| key.is_none()).count(), 2);
    assert_eq!(heard.iter().filter(|(key, _)| key.is_some()).count(), 1);
}

#[test]
fn an_encrypted_line_is_heard_once_wherever_it_comes_from_again() {
    let mut play = play();
    let token = returned(&play.verify(PEER));
    let line = sealed(CHAT, 9);
    play.hear(PEER, &format!("[{line},{token}]"));
    assert_eq!(lines(&mut play).len(), 1);
    play.wait(Duration::from_secs(10));
    let thief = returned(&play.verify(STRANGER));
    for (from, token) in [(PEER, token), (STRANGER, thief)] {
        play.hear(from, &format!("[{line},{token}]"));
    }
    assert_eq!(lines(&mut play), []);
    assert_eq!(play.node.counters().envelopes_repeated, 2);
}

#[test]
fn whose_key_was_proven_need_not_say_it_again_and_who_never_did_is_not_understood() {
    let (node, other) = keys();
    let nameless = |ephemeral: u8| {
        let sealed = other.seal(&node.public(), &format!("[{CHAT}]"), [ephemeral; 32]).unwrap();
        element(Message::EncryptedMessages(sealed))
    };
    let mut play = play();
    let token = returned(&play.verify(PEER));
    // Anybody can say anybody's key; said in an earlier datagram and outside of any envelope it counts for nothing.
    play.hear(PEER, &format!(r#"[{{"MyPublicKey":{{"ed25519h":"{}"}}}},{token}]"#, other.public()));
    play.hear(PEER, &format!("[{},{token}]", nameless(9)));
    assert_eq!((lines(&mut play).len(), play.node.counters().envelopes_refused), (0, 1));
    play.hear(PEER, &format!("[{},{token}]", signed(&format!("[{token}]"))));
    play.hear(PEER, &format!("[{},{token}]", nameless(10)));
    assert_eq!(lines(&mut play), [(Some(other.public()), "hello".to_owned())]);
}

#[test]
fn a_stranger_proves_a_key_for_the_moment_and_fills_no_table_with_it() {
    let mut play = play();
    play.hear(STRANGER, &format!("[{}]", signed("[]")));
    assert_eq!(play.node.counters().envelopes_opened, 1);
    let known = play.node.sizes().find(|size| size.table == "known keys").unwrap();
    assert_eq!(known.len, 0);
}

#[test]
fn our_own_datagram_in_somebodys_envelope_is_recognised() {
    let mut play = play();
    let token = play.token(PEER);
    let echo = format!(r#"[{{"PleaseAlwaysReturnThisMessage":{{"cookie":"{token}"}}}}]"#);
    assert_eq!(play.hear(PEER, &format!("[{}]", signed(&echo))), []);
    assert_eq!(play.node.counters().datagrams_reflected, 1);
}

#[test]
fn no_more_messages_are_read_from_all_envelopes_together_than_from_one_datagram() {
    let mut play = play();
    let token = returned(&play.verify(PEER));
    let many = vec![r#"{"X":{}}"#; 200].join(",");
    let before = play.node.counters().messages_unknown;
    play.hear(PEER, &format!("[{token},{many},{},{}]", signed(&format!("[{many}]")), signed(&format!("[{many},1]"))));
    let counters = play.node.counters();
    // The token and the two envelopes are messages too.
    assert_eq!(counters.messages_unknown - before, MESSAGES_MAX as u64 - 3);
    assert_eq!(counters.elements_malformed, 3 * 200 + 3 - MESSAGES_MAX as u64 + 1);
}

/// How many envelopes the node has worked on.
fn worked(play: &Play) -> u64 {
    play.node.counters().envelopes_refused + play.node.counters().envelopes_opened
}

#[test]
fn a_flood_of_bogus_envelopes_costs_what_is_allowed_and_keeps_nobody_from_being_heard() {
    let mut play = play();
    let token = returned(&play.verify(PEER));
    let file = play.node.store_mut().insert("hello.txt", b"Hello, swarm!\n".to_vec());
    play.node.handle_command(play.now, Command::Share(file)).unwrap();
    let request = format!(r#"[{{"PleaseListContent":{{}}}},{token}]"#);
    let before = worked(&play);
    let mut answered = 0;
    // Twenty thousand a second from as many sources, for two seconds.
    for n in 0..40_000_u64 {
        let from = format!("{}.{}.{}.7:24254", 11 + n % 50, n / 50 % 250, n % 250);
        for (to, answer) in play.hear(&from, &format!("[{}]", bogus(n))) {
            assert_eq!(to, address(&from));
            assert!(!answer.contains("Encrypted"), "nobody is told: {answer}");
        }
        if n % 2_000 == 0 {
            answered += usize::from(play.answer(PEER, &request).contains("ContentList"));
            // Who returned our token is heard in an envelope too.
            let line = sealed(CHAT, (n / 2_000) as u8 + 1);
            play.hear(PEER, &format!("[{line},{token}]"));
        }
        play.wait(Duration::from_micros(50));
    }
    let spent = worked(&play) - before;
    assert!((800..=800 + 25 + 20).contains(&spent), "400 a second of strangers, and 20 of a peer: {spent}");
    assert_eq!(play.node.counters().envelopes_over_rate + spent, 40_000 + 20);
    assert_eq!((answered, play.node.counters().envelopes_opened), (20, 20));
}

#[test]
fn one_who_returned_our_token_and_floods_takes_nothing_from_forty_others() {
    let mut play = play();
    let token = returned(&play.verify(PEER));
    let others: Vec<_> = (0..40).map(|n| format!("192.0.{n}.9:24254")).collect();
    let tokens: Vec<_> = others.iter().map(|other| returned(&play.verify(other))).collect();
    let before = play.node.counters().envelopes_opened;
    for n in 0..20_000_usize {
        play.hear(PEER, &format!("[{},{token}]", bogus(n as u64)));
        // Each of them ten times a second.
        if n % 50 == 0 {
            let other = n / 50 % others.len();
            play.hear(&others[other], &format!("[{},{}]", signed("[]"), tokens[other]));
        }
        play.wait(Duration::from_micros(50));
    }
    assert_eq!(play.node.counters().envelopes_opened - before, 400);
}

#[test]
fn a_flood_by_those_who_returned_our_token_is_bounded_too() {
    let mut play = play();
    let token = returned(&play.verify(PEER));
    let before = worked(&play);
    for n in 0..20_000 {
        play.hear(PEER, &format!("[{},{token}]", bogus(n)));
        play.wait(Duration::from_micros(50));
    }
    assert!((800..=800 + 100 + 16 + 32).contains(&(worked(&play) - before)), "{}", worked(&play) - before);
    // A stranger has its own share.
    play.hear(STRANGER, &format!("[{}]", signed("[]")));
    assert_eq!(play.node.counters().envelopes_opened, 1);
}
