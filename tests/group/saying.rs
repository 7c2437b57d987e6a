//! One node: what it says itself, how that is dated, and what the wild gets of it.

use crate::play::{Play, address, field};
use crate::scenes::{DAY, ONE, OTHER, Scene, TODAY, alice, element, identity, scene, scene_of, sent_to};
use cjp2p_node::node::{Command, Config, Event, GroupMemory};
use cjp2p_node::wire::Message;
use serde_json::{Value, json};
use std::net::SocketAddr;

/// The time that is signed in the first line of what was sent.
pub fn stamp(sent: &[(SocketAddr, String)]) -> u64 {
    let line = sent.iter().find_map(|(_, text)| field(text, "SignedGroupChat")).expect("a line");
    let inner: Value = serde_json::from_str(line["payload_json"].as_str().unwrap()).unwrap();
    inner[0]["GroupChatMessage"]["timestamp"].as_u64().unwrap()
}

fn said_until(said_until: u64) -> GroupMemory {
    GroupMemory { said_until, ..GroupMemory::default() }
}

#[test]
fn our_lines_are_dated_one_after_the_other_whatever_the_clock_does_and_across_restarts() {
    let mut scene = scene(&[ONE]);
    let mut stamps = vec![stamp(&scene.say("one", TODAY)), stamp(&scene.say("two", TODAY))];
    stamps.push(stamp(&scene.say("after the clock was set back", TODAY - 3_600_000)));
    let saved = |scene: &mut Scene| {
        let saved = scene.play.events().into_iter().rev().find_map(|event| match event {
            Event::SaveGroup(memory) => Some(memory.said_until),
            _ => None,
        });
        saved.expect("something is saved")
    };
    let reserved = saved(&mut scene);
    let config = Config { identity: Some(identity(1)), group: said_until(reserved), ..Config::default() };
    let mut again = scene_of(Play::with(config), &[ONE]);
    stamps.push(stamp(&again.say("after a restart", TODAY - 3_600_000)));
    stamps.push(stamp(&again.say("later", TODAY + 3_600_000)));
    assert!(stamps.windows(2).all(|pair| pair[0] < pair[1]), "{stamps:?}");
    assert!(reserved > stamps[2] && saved(&mut again) > stamps[4]);
}

#[test]
fn lines_that_a_wrong_clock_has_dated_so_far_ahead_that_nobody_took_them_do_not_silence_us_for_years() {
    let config = Config { identity: Some(identity(1)), group: said_until(TODAY + 365 * DAY), ..Config::default() };
    let mut scene = scene_of(Play::with(config), &[ONE]);
    assert_eq!(stamp(&scene.say("back again", TODAY)), TODAY);
    assert!(scene.play.events().contains(&Event::SaveGroup(Box::new(said_until(TODAY + 60_000)))));
    assert_eq!(stamp(&scene.say("and again", TODAY)), TODAY + 1);
}

#[test]
fn the_wild_gets_our_line_encrypted_for_each_with_growing_pauses_and_who_speaks_our_words_does_not() {
    let mut scene = scene(&[ONE, OTHER]);
    let wild = identity(7);
    for (address, identity) in [(ONE, &wild), (OTHER, &alice())] {
        let (_, token) = scene.tokens.iter().find(|(one, _)| one == address).unwrap();
        let array = format!(r#"[{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#);
        let proof = serde_json::to_string(&Message::SignedMessage(identity.sign(&array).unwrap())).unwrap();
        scene.hear(address, &proof);
    }
    scene.say("hello", TODAY);
    scene.hear(OTHER, r#"{"HaveGroupChats":{"ids":["0123456789abcdef"]}}"#);
    let mut times = Vec::new();
    for second in 0..600 {
        for (to, text) in scene.run(1) {
            let Some(sealed) = field(&text, "EncryptedMessages") else { continue };
            assert_eq!(to, address(ONE));
            assert_eq!(field(&text, "MyPublicKey").unwrap()["ed25519h"], identity(1).public().to_string());
            let sealed = sealed.to_string();
            let opened = wild.open_sealed(&serde_json::from_str(&sealed).unwrap()).unwrap();
            let inner: Value = serde_json::from_slice(&opened.text).unwrap();
            let line = json!({"group_name": "main", "text": "hello", "timestamp": TODAY});
            assert_eq!(inner, json!([{"GroupChatMessage": line}]));
            times.push(second);
        }
        // It stays a peer in reach, and speaks no words of ours.
        scene.hear(ONE, r#"{"PleaseReturnThisMessage":{"cookie":"x"}}"#);
        scene.hear(OTHER, r#"{"PleaseReturnThisMessage":{"cookie":"x"}}"#);
    }
    let pauses: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(times.len() == 4 && pauses.is_sorted(), "{times:?}");
}

#[test]
fn our_own_line_that_comes_back_is_not_shown_and_those_of_an_earlier_run_date_the_next() {
    let mut scene = scene(&[ONE, OTHER]);
    scene.hear(ONE, &element(&identity(1), "before the restart", TODAY));
    assert_eq!(scene.shown(), []);
    let sent = scene.say("after it", TODAY - 1_000);
    assert!(sent.iter().any(|(_, text)| text.contains(&(TODAY + 1).to_string())), "{sent:?}");
    let (_, own) = sent.iter().find(|(_, text)| text.contains("after it")).unwrap();
    let line = field(own, "SignedGroupChat").unwrap();
    scene.hear(OTHER, &json!({"SignedGroupChat": line}).to_string());
    assert_eq!(scene.shown(), []);
}

#[test]
fn it_is_told_how_many_neighbours_have_taken_our_line() {
    let mut scene = scene(&[ONE, OTHER]);
    let sent = scene.say("hello", TODAY);
    assert_eq!(sent_to(&sent, "SignedGroupChat").len(), 2);
    let ids = field(&sent[0].1, "HaveGroupChats").unwrap()["ids"].to_string();
    scene.hear(OTHER, &format!(r#"{{"HaveGroupChats":{{"ids":{ids}}}}}"#));
    let repeated = scene.run(6);
    let to = sent_to(&repeated, "SignedGroupChat");
    assert!(!to.is_empty() && to.iter().all(|to| *to == address(ONE)), "{to:?}");
    assert!(scene.play.events().contains(&Event::GroupChatTaken { taken_by: 1, of: 2 }));
}

#[test]
fn a_line_that_would_not_fit_a_datagram_is_not_said() {
    let mut scene = scene(&[ONE]);
    let say = |text: &str| Command::GroupChat { group: "main".to_owned(), text: text.to_owned(), unix_ms: TODAY };
    let now = scene.play.now;
    assert!(scene.play.node.handle_command(now, say(&"\u{1}".repeat(2_000))).is_err());
    assert!(scene.play.node.handle_command(now, say(&"x".repeat(2_001))).is_err());
    assert!(scene.play.sent().is_empty());
    assert!(scene.play.node.handle_command(now, say(&"\"".repeat(700))).is_ok());
    assert!(scene.play.sent().iter().all(|(_, text)| text.len() <= 5_888));
}
