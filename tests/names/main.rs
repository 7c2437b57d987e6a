//! Files with names: whose word counts, which version is told, and what strangers cannot do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../play/mod.rs"]
mod play;
mod searching;

use cjp2p_node::identity::Identity;
use cjp2p_node::node::{Command, CommandError, Config, Event};
use cjp2p_node::titles::table::{PER_KEY_MAX, PER_NETWORK_MAX};
use cjp2p_node::titles::{Title, Version};
use cjp2p_node::wire::Message;
use play::{Play, field};
use serde_json::{Value, json};
use std::time::Duration;

const PEER: &str = "203.0.113.5:24254";
const OTHER: &str = "198.51.100.9:24254";
const ASKER: &str = "192.0.2.200:24254";
const PATIENCE: Duration = Duration::from_secs(20);

fn node() -> Identity {
    Identity::from_seed(&[1; 32])
}

fn alice() -> Identity {
    Identity::from_seed(&[2; 32])
}

fn thief() -> Identity {
    Identity::from_seed(&[3; 32])
}

fn play() -> Play {
    Play::with(Config { identity: Some(node()), version: "cjp2p-node test".to_owned(), ..Config::default() })
}

fn title(of: &Identity, name: &str) -> Title {
    Title { key: of.public(), name: name.to_owned() }
}

fn version(by: &Identity, name: &str, seq: u64) -> Version {
    Version::sign(by, name, [seq as u8; 32], seq).unwrap()
}

fn envelope(version: &Version) -> String {
    serde_json::to_string(&Message::SignedMessage(version.envelope())).unwrap()
}

fn signed(by: &Identity, elements: &str) -> String {
    let text = format!("[{elements}]");
    serde_json::to_string(&Message::SignedMessage(by.sign(&text).unwrap())).unwrap()
}

/// The element inside of the envelope.
fn latest(version: &Version) -> String {
    let text = serde_json::to_value(version.envelope()).unwrap()["payload_json"].as_str().unwrap().to_owned();
    text.trim_start_matches('[').trim_end_matches(']').to_owned()
}

/// A peer says these elements.
fn say(play: &mut Play, from: &str, elements: &str) -> String {
    play.answer_verified(from, elements)
}

fn question(title: &Title) -> String {
    json!({"GetLatest": {"ed25519": title.key.to_string(), "name": title.name}}).to_string()
}

/// The envelope with which a third is answered who asks for a title.
fn told(play: &mut Play, title: &Title) -> Option<Value> {
    field(&play.answer_verified(ASKER, &question(title)), "SignedMessage")
}

fn told_seq(play: &mut Play, title: &Title) -> Option<u64> {
    let envelope = told(play, title)?;
    let inner: Value = serde_json::from_str(envelope["payload_json"].as_str().unwrap()).unwrap();
    inner[0]["Latest"]["seq"].as_u64()
}

fn command(play: &mut Play, command: Command) -> Result<(), CommandError> {
    play.node.handle_command(play.now, command)
}

/// Publishes a version; says how many neighbours are told.
fn publish(play: &mut Play, version: &Version) -> usize {
    command(play, Command::Publish { version: Box::new(version.clone()), is_withdrawn: false }).unwrap();
    play.sent().iter().filter(|(_, sent)| sent.contains("Latest")).count()
}

/// How the searches ended.
fn sought(play: &mut Play) -> Vec<(Title, bool)> {
    let ended = |event| if let Event::Sought { title, is_found } = event { Some((title, is_found)) } else { None };
    play.events().into_iter().filter_map(ended).collect()
}

fn follow(play: &mut Play, title: &Title) {
    command(play, Command::Follow { title: title.clone(), version: None }).unwrap();
}

fn news(play: &mut Play) -> Vec<Title> {
    let title = |event| if let Event::NewVersion(title) = event { Some(title) } else { None };
    play.events().into_iter().filter_map(title).collect()
}

#[test]
fn what_the_wild_has_signed_is_passed_on_as_it_came_to_whoever_asks_as_the_wild_does() {
    let text = include_str!("../data/envelopes.jsonl");
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut play = play();
    let mut count = 0;
    for line in lines.filter(|line| line["what"].as_str().unwrap().contains("around Latest")) {
        let envelope = &line["message"]["SignedMessage"];
        let inner: Value = serde_json::from_str(envelope["payload_json"].as_str().unwrap()).unwrap();
        let (key, name) = (inner[0]["Latest"]["ed25519"].as_str().unwrap(), &inner[0]["Latest"]["name"]);
        say(&mut play, PEER, &line["message"].to_string());
        for key in [key.to_owned(), format!("0x{key}")] {
            let question = json!({"GetLatest": {"ed25519": key, "name": name}}).to_string();
            assert_eq!(field(&play.answer_verified(ASKER, &question), "SignedMessage").as_ref(), Some(envelope));
        }
        let other = json!({"GetLatest": {"ed25519": key, "name": "absent.html"}}).to_string();
        assert_eq!(field(&play.answer_verified(ASKER, &other), "SignedMessage"), None);
        count += 1;
    }
    assert_eq!(count, 4);
}

#[test]
fn the_highest_number_is_told_and_nothing_else_counts() {
    let mut play = play();
    let page = title(&alice(), "page");
    say(&mut play, PEER, &envelope(&version(&alice(), "page", 5)));
    let newer = version(&alice(), "page", 6);
    let tampered = envelope(&newer).replace("0606", "0707");
    assert_ne!(tampered, envelope(&newer));
    for forged in [
        // As it is, outside of an envelope.
        latest(&newer),
        // With something changed, or under somebody else's signature.
        tampered,
        signed(&thief(), &latest(&newer)),
        envelope(&newer).replace(&alice().public().to_string(), &thief().public().to_string()),
        // Older, and the same once more.
        envelope(&version(&alice(), "page", 4)),
        envelope(&version(&alice(), "page", 5)),
        // With something else, which would be passed on with it.
        signed(&alice(), &format!(r#"{},{{"AlwaysReturned":{{"cookie":"abcdefgh"}}}}"#, latest(&newer))),
        signed(&alice(), &format!(r#"{},{{"MeantFor":{{"ed25519h":"{}"}}}}"#, latest(&newer), node().public())),
        signed(&alice(), &format!(r#"{},{{"MeantFor":{{"ed25519h":"{}"}}}}"#, latest(&newer), thief().public())),
        // Another name, another key.
        envelope(&version(&alice(), "page2", 9)),
        envelope(&version(&thief(), "page", 9)),
    ] {
        say(&mut play, OTHER, &forged);
        assert_eq!(told_seq(&mut play, &page), Some(5), "{forged}");
    }
    say(&mut play, OTHER, &envelope(&newer));
    assert_eq!(told_seq(&mut play, &page), Some(6));
    // A last word is a last word, if the holder of the key wants it so.
    say(&mut play, OTHER, &envelope(&version(&alice(), "page", u64::MAX)));
    say(&mut play, OTHER, &envelope(&version(&alice(), "page", 0)));
    assert_eq!(told_seq(&mut play, &page), Some(u64::MAX));
}

#[test]
fn a_version_in_an_envelope_in_an_envelope_is_the_signers() {
    let mut play = play();
    let inner = envelope(&version(&alice(), "page", 5));
    say(&mut play, PEER, &signed(&thief(), &inner));
    assert_eq!(told_seq(&mut play, &title(&alice(), "page")), Some(5));
    assert_eq!(told(&mut play, &title(&thief(), "page")), None);
}

#[test]
fn what_strangers_say_is_no_wish_of_the_user() {
    let mut play = play();
    let page = title(&alice(), "page");
    // From an address that has not returned our token it is not even kept.
    play.hear(PEER, &format!("[{}]", envelope(&version(&alice(), "page", 1))));
    assert_eq!(told(&mut play, &page), None);
    for seq in 1..4 {
        let token = play.verify(PEER);
        let returned = format!(r#"{{"AlwaysReturned":{{"cookie":"{token}"}}}}"#);
        let sent = play.hear(PEER, &format!("[{},{returned}]", envelope(&version(&alice(), "page", seq))));
        assert!(sent.iter().all(|(_, sent)| !sent.contains("PleaseSend")), "{sent:?}");
        assert_eq!(news(&mut play), []);
    }
    let sent = play.run(Duration::from_secs(3_600));
    assert!(sent.iter().all(|(_, sent)| !sent.contains("GetLatest") && !sent.contains("PleaseSendContent")));
    assert_eq!(play.node.fetching().count() + play.node.followed().count(), 0);
}

#[test]
fn a_flood_of_strangers_versions_takes_nothing_away_from_the_user_and_fills_its_share() {
    let mut play = play();
    publish(&mut play, &version(&node(), "mine", 7));
    follow(&mut play, &title(&alice(), "followed"));
    say(&mut play, OTHER, &envelope(&version(&alice(), "followed", 1)));
    say(&mut play, OTHER, &envelope(&version(&alice(), "quiet", 1)));
    let token = play.verify(PEER);
    for n in 0..3 * PER_NETWORK_MAX {
        let by = Identity::from_seed(&[10 + (n % 30) as u8; 32]);
        play.wait(Duration::from_millis(5));
        let version = envelope(&version(&by, &format!("{n}"), 1));
        play.hear(PEER, &format!(r#"[{version},{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#));
    }
    for (title, seq) in [(title(&node(), "mine"), 7), (title(&alice(), "followed"), 1), (title(&alice(), "quiet"), 1)] {
        assert_eq!(told_seq(&mut play, &title), Some(seq), "{title}");
    }
    for size in play.node.sizes() {
        assert!(size.len <= size.max, "{size:?}");
    }
    let strangers = play.node.sizes().find(|size| size.table == "versions of strangers").unwrap();
    assert_eq!(strangers.len, PER_NETWORK_MAX + 1);
    assert!(PER_KEY_MAX < PER_NETWORK_MAX && play.node.counters().versions_forgotten == 2 * PER_NETWORK_MAX as u64);
}

#[test]
fn a_stranger_that_asks_is_told_no_more_than_it_may_be_sent() {
    let mut play = play();
    publish(&mut play, &version(&node(), "mine", 7));
    let question = format!("[{}]", question(&title(&node(), "mine")));
    let answer = play.answer("192.0.2.201:24254", &question);
    assert!(2 * (answer.len() + 28) <= 5 * (question.len() + 28), "{answer}");
    assert!(field(&answer, "PleaseAlwaysReturnThisMessage").is_some(), "so that it can ask again");
    assert_eq!(told_seq(&mut play, &title(&node(), "mine")), Some(7));
}

#[test]
fn neighbours_are_told_of_a_new_version_once() {
    let mut play = play();
    for peer in [PEER, OTHER] {
        say(&mut play, peer, r#"{"PleaseSendPeers":{}}"#);
    }
    assert_eq!(publish(&mut play, &version(&node(), "mine", 7)), 2);
    for older in [7, 6] {
        assert_eq!(publish(&mut play, &version(&node(), "mine", older)), 0);
    }
    let foreign = Command::Publish { version: Box::new(version(&alice(), "x", 1)), is_withdrawn: false };
    assert_eq!(command(&mut play, foreign), Err(CommandError::OthersKey));
}

#[test]
fn what_is_published_no_longer_is_not_spoken_of() {
    let mut play = play();
    let mine = version(&node(), "mine", 7);
    publish(&mut play, &mine);
    command(&mut play, Command::Publish { version: Box::new(mine.clone()), is_withdrawn: true }).unwrap();
    assert_eq!(told(&mut play, &mine.title), None);
    assert_eq!(play.node.own_versions().next(), Some((&mine, false)), "its number is remembered");
    publish(&mut play, &version(&node(), "mine", 8));
    assert_eq!(told_seq(&mut play, &mine.title), Some(8));
}

#[test]
fn our_own_newer_version_is_learned_from_others_and_theirs_in_our_name_are_not() {
    let mut play = play();
    let mine = title(&node(), "mine");
    publish(&mut play, &version(&node(), "mine", 7));
    for wrong in [
        envelope(&version(&node(), "mine", 8)).replace("0808", "0909"),
        envelope(&version(&thief(), "mine", 8)).replace(&thief().public().to_string(), &node().public().to_string()),
        envelope(&version(&node(), "mine", 6)),
    ] {
        say(&mut play, PEER, &wrong);
        assert_eq!((told_seq(&mut play, &mine), play.node.outdone().count()), (Some(7), 0), "{wrong}");
    }
    assert_eq!(news(&mut play), []);
    // The data directory is a copy that was made before this was published.
    let heard = version(&node(), "mine", 9);
    let token = play.verify(PEER);
    play.hear(PEER, &format!(r#"[{},{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#, envelope(&heard)));
    assert_eq!(news(&mut play), std::slice::from_ref(&mine));
    assert_eq!(play.node.outdone().collect::<Vec<_>>(), [&heard]);
    // What is older is not told any more; what is newer is published as ever.
    publish(&mut play, &version(&node(), "mine", 8));
    assert_eq!((told_seq(&mut play, &mine), play.node.outdone().count()), (Some(9), 1));
    publish(&mut play, &version(&node(), "mine", 10));
    assert_eq!((told_seq(&mut play, &mine), play.node.outdone().count()), (Some(10), 0));
    // Or what others have heard is published here as it is.
    let heard = version(&node(), "mine", 11);
    say(&mut play, PEER, &envelope(&heard));
    assert_eq!(play.node.outdone().count(), 1);
    publish(&mut play, &heard);
    assert_eq!((told_seq(&mut play, &mine), play.node.outdone().count()), (Some(11), 0));
}

#[test]
fn bogus_versions_in_our_own_name_cost_no_more_than_other_envelopes() {
    let mut play = play();
    let good = envelope(&version(&node(), "mine", 200));
    let mut answered = 0;
    for n in 0..1_000_u64 {
        let from = format!("198.51.{}.{}:30000", n / 250, n % 250 + 1);
        let bogus = good.replace("\"signature\":\"", &format!("\"signature\":\"{:04}", n)).replace("==\"", "\"");
        play.hear(&from, &format!("[{bogus}]"));
        answered += play.node.version(&title(&node(), "mine")).map_or(0, |_| 1);
    }
    let counters = play.node.counters();
    assert_eq!(answered, 0);
    assert!(counters.envelopes_over_rate > 900, "{counters:?}");
}
