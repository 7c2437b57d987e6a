//! Datagrams that other implementations really sent: we read them, we answer them, and we say nothing they would not
//! understand. Where the data comes from is written in `tests/data/README.md`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod play;

use cjp2p_node::node::{Command, Config, Event};
use cjp2p_node::wire::{Message, decode};
use play::{Play, address, field, shows_key};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const THEY: &str = "203.0.113.5:24254";
const POKE: &str = r#"[{"PleaseSendPeers":{}}]"#;

/// One line of the recording.
struct Recorded {
    id: String,
    request: Option<String>,
    datagram: String,
}

fn recorded() -> Vec<Recorded> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/recorded.jsonl")).unwrap();
    let read = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| line[key].as_str().map(str::to_owned);
        Recorded { id: text("id").unwrap(), request: text("request"), datagram: text("datagram").unwrap() }
    };
    text.lines().map(read).collect()
}

fn datagram(id: &str) -> String {
    recorded().into_iter().find(|recorded| recorded.id == id).unwrap_or_else(|| panic!("{id} is recorded")).datagram
}

/// A datagram with one text in it replaced, which must be there.
fn spliced(id: &str, theirs: &str, ours: &str) -> String {
    let text = datagram(id);
    assert!(text.contains(theirs), "{id} contains {theirs}");
    text.replace(theirs, ours)
}

/// A node that is about to make contact with them, and the datagram with which it does.
fn contact() -> (Play, String) {
    let mut play = Play::with(Config { contacts: vec![address(THEY)], ..Config::default() });
    let mut sent = play.run(Duration::from_millis(1));
    assert_eq!(sent.len(), 1);
    (play, sent.remove(0).1)
}

/// The cookie in one of our own cookie messages.
fn cookie(datagram: &str, name: &str) -> String {
    field(datagram, name).unwrap()["cookie"].as_str().unwrap().to_owned()
}

/// `datagram` with `AlwaysReturned` of our token added, as a verified sender would send it.
fn verified(datagram: &str, token: &str) -> String {
    format!(r#"{},{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#, datagram.trim_end().strip_suffix(']').unwrap())
}

#[test]
fn every_recorded_datagram_is_read_without_a_malformed_element() {
    for Recorded { id, datagram, .. } in recorded() {
        let decoded = decode(datagram.as_bytes()).unwrap_or_else(|refused| panic!("{id}: {refused:?}"));
        assert_eq!(decoded.malformed, 0, "{id}");
        let elements: Vec<BTreeMap<String, &RawValue>> = serde_json::from_str(&datagram).unwrap();
        let theirs: Vec<&str> = elements.iter().flat_map(BTreeMap::keys).map(String::as_str).collect();
        let ours: Vec<&str> = decoded.messages.iter().map(Message::name).collect();
        assert_eq!(ours, theirs, "{id}");
    }
}

#[test]
fn what_they_invented_is_kept_byte_for_byte() {
    let mut seen = BTreeSet::new();
    for Recorded { id, datagram, .. } in recorded() {
        let elements: Vec<BTreeMap<String, &RawValue>> = serde_json::from_str(&datagram).unwrap();
        let decoded = decode(datagram.as_bytes()).unwrap();
        for (message, element) in decoded.messages.iter().zip(&elements) {
            if let Message::Unknown(unknown) = message {
                assert_eq!(unknown.payload.get(), element[&*unknown.name].get(), "{id}");
                seen.insert(unknown.name.to_string());
            }
        }
    }
    for name in ["HereIsWho", "IAmHere"] {
        assert!(seen.contains(name), "{name} is recorded");
    }
}

#[test]
fn no_recorded_datagram_harms_a_node_whoever_sends_it() {
    let mut play = Play::new();
    let token = play.verify(THEY);
    for Recorded { id, request, datagram } in recorded() {
        for text in [Some(datagram), request].into_iter().flatten() {
            for (to, answer) in play.hear("198.51.100.7:40000", &text) {
                let is_contact = answer.contains("PleaseSendPeers");
                assert!(is_contact || 2 * (answer.len() + 28) <= 5 * (text.len() + 28), "{id}: {to} {answer}");
            }
            play.hear(THEY, &text);
            if text.ends_with(']') {
                play.hear(THEY, &verified(&text, &token));
            }
            play.run(Duration::from_secs(1));
        }
        play.events();
    }
    assert_eq!(
        play.answer("198.51.100.8:40000", POKE).len(),
        r#"[{"Peers":{"peers":["203.0.113.5:24254"]}},{"PleaseAlwaysReturnThisMessage":{"cookie":"12345678"}}]"#.len()
    );
}

#[test]
fn the_first_words_of_every_implementation_are_answered_with_a_peer_and_a_token() {
    for id in [
        "rust-startup-1-a",
        "ruby-startup-1-a",
        "presence-py-startup-1-a",
        "presence-js-startup-1-a",
        "presence-go-startup-1-a",
    ] {
        let mut play = Play::new();
        play.verify("198.51.100.1:24254");
        let first = datagram(id);
        let answer = play.answer(THEY, &first);
        assert_eq!(field(&answer, "Peers"), Some(json!({"peers": ["198.51.100.1:24254"]})), "{id}");
        assert_eq!(cookie(&answer, "PleaseAlwaysReturnThisMessage").len(), 8, "{id}");
        let theirs = field(&first, "PleaseAlwaysReturnThisMessage");
        assert_eq!(field(&answer, "AlwaysReturned"), theirs, "{id}: their token comes back if they gave one");
    }
}

#[test]
fn the_reference_and_the_boards_are_verified_by_how_they_answer_our_contact() {
    for (id, theirs) in [
        ("rust-peers-unverified-with-token-a", "tok-a-1"),
        ("rust-part-object-unverified-a", "our-a"),
        ("presence-py-part-object-a", "c-1a"),
        ("presence-js-part-object-a", "c-1a"),
        ("presence-go-part-object-a", "c-1a"),
    ] {
        let (mut play, contact) = contact();
        let answer = spliced(id, theirs, &cookie(&contact, "PleaseAlwaysReturnThisMessage"));
        let greeting = play.answer(THEY, &answer);
        assert_eq!(play.events(), [Event::PeerVerified(address(THEY))], "{id}");
        let their_token = field(&answer, "PleaseAlwaysReturnThisMessage");
        assert_eq!(field(&greeting, "AlwaysReturned"), their_token, "{id}: so that they believe us too");
    }
}

#[test]
fn ruby_is_verified_by_its_next_request_or_by_returning_our_probe() {
    let (mut play, contact) = contact();
    let token = format!(r#"{{"cookie":"{}"}}"#, cookie(&contact, "PleaseAlwaysReturnThisMessage"));
    play.hear(THEY, &spliced("ruby-periodic-a", r#"{"cookie":"for-ruby","n":[1]}"#, &token));
    assert_eq!(play.node.peer_count(), 1);

    let (mut play, contact) = self::contact();
    let probe = format!(r#""{}""#, cookie(&contact, "PleaseReturnThisMessage"));
    play.hear(THEY, &spliced("ruby-prtm-object-a", r#""c-1a""#, &probe));
    assert_eq!(play.node.peer_count(), 1);
}

#[test]
fn a_lone_token_request_of_the_reference_is_answered_with_its_token_ours_and_a_question() {
    let mut play = Play::new();
    let answer = play.answer(THEY, &datagram("rust-peers-unverified-trimmed-a"));
    assert_eq!(field(&answer, "AlwaysReturned"), Some(json!({"cookie": "03e55ec0"})));
    assert_eq!(field(&answer, "PleaseSendPeers"), Some(json!({})));
    assert!(field(&answer, "PleaseAlwaysReturnThisMessage").is_some());
}

#[test]
fn the_upkeep_of_the_reference_gets_all_it_asks_for() {
    let mut play = Play::new();
    play.verify("198.51.100.1:24254");
    let token = play.verify(THEY);
    let upkeep = datagram("rust-probe-to-verified-a");
    let answer = play.answer(THEY, &verified(&upkeep, &token));
    assert_eq!(field(&answer, "Peers"), Some(json!({"peers": ["198.51.100.1:24254"]})));
    assert_eq!(field(&answer, "ReturnedMessage"), Some(json!({"cookie": "20.307044008"})));
    assert_eq!(field(&answer, "AlwaysReturned"), Some(json!({"cookie": "bea5da92"})));
}

#[test]
fn content_is_served_exactly_as_the_reference_serves_it() {
    let content: Vec<u8> = (0..50_000_u32).map(|i| (i * 31 + (i >> 8) * 7 + 3) as u8).collect();
    for id in [
        "rust-content-4096-a",
        "rust-content-last-a",
        "rust-content-unaligned-a",
        "rust-content-at-eof-a",
        "rust-content-past-eof-a",
        "rust-content-length-0-a",
    ] {
        let mut play = Play::new();
        let file = play.node.store_mut().insert("pattern.bin", content.clone());
        play.node.handle_command(play.now, Command::Share(file)).unwrap();
        let token = play.verify(THEY);
        let recorded = recorded().into_iter().find(|recorded| recorded.id == id).unwrap();
        let answer = play.answer(THEY, &verified(&recorded.request.unwrap(), &token));
        assert_eq!(field(&answer, "Content").unwrap(), field(&recorded.datagram, "Content").unwrap(), "{id}");
    }
}

#[test]
fn a_list_is_given_to_who_asks_as_the_reference_does() {
    let mut play = Play::new();
    let file = play.node.store_mut().insert("hello.txt", b"hello\n".to_vec());
    let id = file.id();
    play.node.handle_command(play.now, Command::Share(file)).unwrap();
    let token = play.verify(THEY);
    let answer = play.answer(THEY, &verified(&datagram("rust-cmd-list-a"), &token));
    assert_eq!(field(&answer, "ContentList"), Some(json!({"results": [[id, 6]]})));
    assert_eq!(field(&answer, "ReturnedMessage"), Some(json!({"cookie": "31.289668309"})));
}

#[test]
fn whoever_asks_for_content_we_lack_is_named_to_the_next_who_does() {
    let request = datagram("rust-get-unknown-a");
    let mut play = Play::new();
    for asker in ["198.51.100.1:24254", THEY] {
        let token = play.verify(asker);
        let answer = play.answer(asker, &verified(&request, &token));
        let named = field(&answer, "MaybeTheyHaveSome").map(|maybe| maybe["peers"].clone());
        assert_eq!(named, (asker == THEY).then(|| json!(["198.51.100.1:24254"])));
    }
}

#[test]
fn the_answer_to_our_ping_line_is_shown_and_its_probe_returned() {
    let mut play = Play::new();
    let token = play.verify(THEY);
    let answer = play.answer(THEY, &verified(&datagram("rust-chat-ping-plain-a"), &token));
    assert_eq!(field(&answer, "ReturnedMessage"), Some(json!({"cookie": "28.3554836"})));
    let events = play.events();
    assert!(events.contains(&Event::Chat { from: address(THEY), key: None, text: "PONG".to_owned() }), "{events:?}");
}

#[test]
fn announcements_of_the_boards_reach_applications_and_nobody_else() {
    for id in ["presence-py-iamhere-a", "presence-js-iamhere-a", "presence-go-iamhere-a"] {
        let mut play = Play::new();
        let token = play.verify(THEY);
        let mut sent = play.hear(THEY, &verified(&datagram(id), &token));
        sent.retain(|(to, payload)| *to != address(THEY) || !shows_key(payload));
        assert_eq!(sent, [], "{id}");
        let is_here =
            |event: &Event| matches!(event, Event::Unknown { name, is_verified: true, .. } if name == "IAmHere");
        assert_eq!(play.events().iter().filter(|event| is_here(event)).count(), 1, "{id}");
    }
}

/// The only forms that the strictest of them, the reference, understands: it drops what has any other.
fn assert_understood(text: &str) {
    let elements: Vec<BTreeMap<String, Value>> = serde_json::from_str(text).unwrap();
    for (name, payload) in elements.iter().inspect(|element| assert_eq!(element.len(), 1, "{text}")).flatten() {
        let fields: Vec<&String> = payload.as_object().unwrap().keys().collect();
        match name.as_str() {
            // The second is ours alone; they ignore it, and what stands beside it is still read.
            "PleaseSendPeers" | "EnoughNeighbours" => assert_eq!(payload, &json!({})),
            "PleaseAlwaysReturnThisMessage" | "PleaseReturnThisMessage" => {
                assert_eq!(fields, ["cookie"], "{text}");
                assert_eq!(payload["cookie"].as_str().unwrap().len(), 8, "{text}");
            }
            "Peers" => {
                assert_eq!(fields, ["peers"], "{text}");
                for peer in payload["peers"].as_array().unwrap() {
                    let peer = peer.as_str().unwrap();
                    assert_eq!(address(peer).to_string(), peer, "plain ip:port, or the reference drops them all");
                }
            }
            "AlwaysReturned" | "ReturnedMessage" => assert_eq!(fields, ["cookie"], "as it was asked for"),
            "ChatMessage" => assert_eq!(fields, ["message"]),
            // They send the same to a new peer, and what is inside is read as if it stood outside.
            "SignedMessage" => {
                assert_eq!(fields, ["ed25519", "payload_json", "signature"], "{text}");
                assert_understood(payload["payload_json"].as_str().unwrap());
            }
            "MyPublicKey" => assert_eq!(fields, ["ed25519h"], "{text}"),
            other => panic!("{other} is not expected here: {text}"),
        }
    }
}

#[test]
fn everything_we_say_has_a_form_that_the_strictest_of_them_understands() {
    let (mut play, contact) = contact();
    let mut said = vec![contact];
    for n in 1..=20 {
        let peer = format!("198.{n}.100.1:24254");
        said.push(play.answer(&peer, &datagram("presence-go-startup-1-a")));
        play.verify(&peer);
        play.verify(&format!("[2001:{n}::1]:24254"));
    }
    let token = play.verify(THEY);
    for message in ["rust-probe-to-verified-a", "rust-chat-ping-plain-a", "rust-startup-1-a", "rust-peers-verified-a"] {
        said.extend(play.hear(THEY, &verified(&datagram(message), &token)).into_iter().map(|(_, text)| text));
    }
    let ping = format!(r#"[{{"ChatMessage":{{"message":"/ping"}}}},{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#);
    said.push(play.answer(THEY, &ping));
    said.extend(play.run(Duration::from_secs(600)).into_iter().map(|(_, text)| text));
    let kinds: BTreeSet<String> = said
        .iter()
        .flat_map(|text| serde_json::from_str::<Vec<BTreeMap<String, Value>>>(text).unwrap())
        .flat_map(BTreeMap::into_keys)
        .collect();
    let expected = [
        "AlwaysReturned",
        "ChatMessage",
        "EnoughNeighbours",
        "Peers",
        "PleaseAlwaysReturnThisMessage",
        "PleaseReturnThisMessage",
        "PleaseSendPeers",
        "ReturnedMessage",
        "SignedMessage",
    ];
    assert_eq!(kinds.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    said.iter().for_each(|text| assert_understood(text));
}
