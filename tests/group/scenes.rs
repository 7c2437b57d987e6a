//! One node: which lines it shows, which it passes on, and what it says of its own.

use crate::play::{Play, address, field};
use cjp2p_node::gossip::{Line, LineId};
use cjp2p_node::identity::{Identity, PublicKey};
use cjp2p_node::node::{Command, Config, Event};
use cjp2p_node::wire::messages::SignedGroupChat;
use cjp2p_node::wire::{Message, decode};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;

pub const ONE: &str = "203.0.113.5:24254";
pub const OTHER: &str = "198.51.100.7:40000";
const THIRD: &str = "192.0.2.77:24254";
/// 2025-06-01.
pub const TODAY: u64 = 1_748_736_000_000;
pub const DAY: u64 = 86_400_000;

/// A node and some neighbours of it, each with our token.
pub struct Scene {
    pub play: Play,
    pub tokens: Vec<(String, String)>,
}

pub fn identity(n: u8) -> Identity {
    Identity::from_seed(&[n; 32])
}

pub fn alice() -> Identity {
    identity(2)
}

pub fn scene(neighbours: &[&str]) -> Scene {
    let config = Config { identity: Some(identity(1)), version: "test".to_owned(), ..Config::default() };
    scene_of(Play::with(config), neighbours)
}

pub fn scene_of(mut play: Play, neighbours: &[&str]) -> Scene {
    let tokens = neighbours.iter().map(|one| ((*one).to_owned(), play.verify(one))).collect();
    let mut scene = Scene { play, tokens };
    neighbours.iter().for_each(|one| _ = scene.hear(one, r#"{"PleaseReturnThisMessage":{"cookie":"x"}}"#));
    assert_eq!(scene.play.node.link_count(), neighbours.len());
    scene.play.sent();
    scene
}

pub fn element(by: &Identity, text: &str, unix_ms: u64) -> String {
    String::from_utf8(Line::sign(by, "main", text, unix_ms).unwrap().element).unwrap()
}

fn id(element: &str) -> LineId {
    let array = format!("[{element}]");
    let decoded = decode(array.as_bytes()).unwrap();
    let Message::SignedGroupChat(envelope) = &decoded.messages[0] else { panic!("{element}") };
    LineId::of(envelope)
}

/// Any array, signed, in the form in which lines travel.
fn signed(by: &Identity, array: &str) -> String {
    let signed = by.sign(array).unwrap();
    let (ed25519, signature) = (signed.ed25519, signed.signature);
    let envelope = SignedGroupChat { ed25519, signature, payload_json: array.into() };
    serde_json::to_string(&Message::SignedGroupChat(envelope)).unwrap()
}

impl Scene {
    /// A neighbour says something, with our token.
    pub fn hear(&mut self, from: &str, elements: &str) -> Vec<(SocketAddr, String)> {
        let (_, token) = self.tokens.iter().find(|(one, _)| one == from).unwrap();
        self.play.hear(from, &format!(r#"[{elements},{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#))
    }

    /// The lines shown since the last look: whose, and what.
    pub fn shown(&mut self) -> Vec<(Option<PublicKey>, String)> {
        let events = self.play.events().into_iter();
        let lines = events.filter_map(|event| match event {
            Event::GroupChat { key, text, .. } => Some((key, text)),
            _ => None,
        });
        lines.collect()
    }

    pub fn run(&mut self, seconds: u64) -> Vec<(SocketAddr, String)> {
        self.play.run(Duration::from_secs(seconds))
    }

    pub fn command(&mut self, command: Command) {
        self.play.node.handle_command(self.play.now, command).unwrap();
    }

    pub fn say(&mut self, text: &str, unix_ms: u64) -> Vec<(SocketAddr, String)> {
        self.command(Command::GroupChat { group: "main".to_owned(), text: text.to_owned(), unix_ms });
        self.play.sent()
    }

    fn counter(&self, name: &str) -> u64 {
        self.play.node.counters().iter().find(|(other, _)| *other == name).unwrap().1
    }
}

/// To whom a message was sent, once for each time.
pub fn sent_to(sent: &[(SocketAddr, String)], name: &str) -> Vec<SocketAddr> {
    sent.iter().filter(|(_, text)| field(text, name).is_some()).map(|(to, _)| *to).collect()
}

#[test]
fn a_signed_line_is_shown_once_with_the_key_of_its_author_whoever_brings_it() {
    let mut scene = scene(&[ONE, OTHER]);
    let line = element(&alice(), "hello", TODAY);
    scene.hear(ONE, &line);
    assert_eq!(scene.shown(), [(Some(alice().public()), "hello".to_owned())]);
    scene.hear(OTHER, &line);
    scene.run(100);
    scene.hear(OTHER, &line);
    assert_eq!(scene.shown(), []);
}

#[test]
fn a_line_is_passed_on_unchanged_and_to_nobody_who_has_it() {
    let mut scene = scene(&[ONE, OTHER, THIRD]);
    let line = element(&alice(), "hello", TODAY);
    scene.hear(ONE, &line);
    scene.hear(THIRD, &line);
    let sent = scene.run(3);
    let to = sent_to(&sent, "SignedGroupChat");
    assert!(!to.is_empty() && to.iter().all(|to| *to == address(OTHER)), "{to:?}");
    let (_, text) = sent.iter().find(|(_, text)| text.contains("SignedGroupChat")).unwrap();
    assert!(text.contains(&line), "{text}");
}

#[test]
fn a_forgery_is_not_shown_and_does_not_keep_the_true_line_out() {
    let mut scene = scene(&[ONE, OTHER]);
    let line = element(&alice(), "hello", TODAY);
    let other = element(&alice(), "hellu", TODAY);
    let signature = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap();
        value["SignedGroupChat"]["signature"].as_str().unwrap().to_owned()
    };
    // The same line with the signature of another, another text for the same time, and another's name under it.
    let forged = [
        line.replace(&signature(&line), &signature(&other)),
        line.replace("hello", "hellu"),
        line.replace(&alice().public().to_string(), &identity(9).public().to_string()),
    ];
    for forged in forged {
        assert_ne!(forged, line);
        scene.hear(OTHER, &forged);
    }
    assert_eq!((scene.shown(), scene.counter("group_lines_refused")), (Vec::new(), 3));
    scene.hear(ONE, &line);
    assert_eq!(scene.shown(), [(Some(alice().public()), "hello".to_owned())]);
}

#[test]
fn what_holds_anything_but_one_line_is_neither_shown_nor_passed_on_nor_acted_upon() {
    let mut scene = scene(&[ONE, OTHER]);
    let chat = |text: &str, group: &str| {
        json!({"GroupChatMessage": {"group_name": group, "text": text, "timestamp": TODAY}}).to_string()
    };
    let (line, token) = (chat("hello", "main"), scene.play.token(THIRD));
    let returned = format!(r#"{{"AlwaysReturned":{{"cookie":"{token}"}}}}"#);
    let question = r#"{"PleaseSendPeers":{}}"#;
    let arrays = [
        format!("[{line},{question}]"),
        format!("[{returned},{line}]"),
        format!("[{line},{line}]"),
        format!("[{line},1]"),
        format!("[{question}]"),
        "[]".to_owned(),
        "{}".to_owned(),
        format!("[{}]", chat("", "main")),
        format!("[{}]", chat("hello", "")),
        format!("[{}]", chat(&"x".repeat(2_001), "main")),
        format!("[{}]", chat("hello", &"x".repeat(65))),
        format!("[{}]", chat(&"\u{1}".repeat(2_000), "main")),
        format!("[{}]", signed(&alice(), &format!("[{line}]"))),
    ];
    for array in &arrays {
        let answer = scene.hear(ONE, &signed(&alice(), array));
        assert!(answer.is_empty(), "{array}: {answer:?}");
    }
    // The token in one of them would have made a peer of the third.
    scene.play.hear(THIRD, &format!("[{}]", signed(&alice(), &arrays[1])));
    assert_eq!(scene.play.node.peer_count(), 2);
    assert_eq!((scene.shown(), scene.counter("group_lines_refused")), (Vec::new(), arrays.len() as u64));
    assert_eq!(sent_to(&scene.run(60), "SignedGroupChat"), []);
}

#[test]
fn of_two_lines_that_an_author_signs_for_one_time_the_first_counts() {
    let mut scene = scene(&[ONE, OTHER]);
    scene.hear(ONE, &element(&alice(), "yes", TODAY));
    scene.hear(ONE, &element(&alice(), "no", TODAY));
    assert_eq!(scene.shown(), [(Some(alice().public()), "yes".to_owned())]);
    assert_eq!(scene.counter("group_lines_refused"), 1);
    assert!(scene.run(60).iter().all(|(_, text)| !text.contains(r#"\"no\""#)));
}

#[test]
fn a_stranger_is_not_heard_and_asks_in_vain() {
    let mut scene = scene(&[ONE]);
    let line = element(&alice(), "hello", TODAY);
    scene.play.hear(THIRD, &format!("[{line}]"));
    assert_eq!(scene.shown(), []);
    scene.hear(ONE, &line);
    let id = id(&line);
    let answer = scene.play.answer(THIRD, &format!(r#"[{{"PleaseSendGroupChats":{{"ids":["{id}"]}}}}]"#));
    assert!(!answer.contains("SignedGroupChat"), "{answer}");
}

#[test]
fn a_line_that_is_not_signed_is_shown_without_a_key_and_not_passed_on() {
    let mut scene = scene(&[ONE, OTHER]);
    let chat = json!({"GroupChatMessage": {"group_name": "main", "text": "hi", "timestamp": TODAY}}).to_string();
    scene.hear(ONE, &chat);
    scene.hear(OTHER, &chat);
    assert_eq!(scene.shown(), [(None, "hi".to_owned())]);
    assert!(scene.run(100).iter().all(|(_, text)| !text.contains("\"hi\"")));
}

#[test]
fn what_an_author_says_too_fast_waits_until_it_is_repeated() {
    let mut scene = scene(&[ONE, OTHER]);
    let lines: Vec<_> = (0..30).map(|n| element(&alice(), &format!("line {n}"), TODAY + n)).collect();
    lines.iter().for_each(|line| _ = scene.hear(ONE, line));
    let shown = scene.shown().len();
    assert!((20..=21).contains(&shown), "{shown}");
    let passed_on = scene.run(12);
    let late = format!("{}", id(&lines[29]));
    assert!(passed_on.iter().all(|(_, text)| !text.contains(&late) && !text.contains("line 29")));
    lines.iter().for_each(|line| _ = scene.hear(OTHER, line));
    assert_eq!(shown + scene.shown().len(), 30);
}

#[test]
fn whoever_makes_up_authors_takes_the_floor_from_no_one_who_was_there_before() {
    let mut scene = scene(&[ONE, OTHER]);
    scene.hear(OTHER, &element(&alice(), "good morning", TODAY));
    scene.run(700);
    scene.shown();
    let mut made_up = 0;
    for second in 0..60_u64 {
        for n in 0..4 {
            let author = Identity::from_seed(&[n as u8 + 100; 32].map(|byte| byte ^ second as u8));
            scene.hear(ONE, &element(&author, "buy this", TODAY + second));
        }
        scene.hear(OTHER, &element(&alice(), &format!("line {second}"), TODAY + 1_000 * second + 5));
        scene.run(1);
        let shown = scene.shown();
        assert!(shown.contains(&(Some(alice().public()), format!("line {second}"))), "{second}: {shown:?}");
        made_up += shown.len() - 1;
    }
    assert!((20..=20 + 2 * 61).contains(&made_up), "{made_up}");
}

#[test]
fn a_line_dated_more_than_a_day_off_is_not_shown_until_the_clock_is_set() {
    let mut scene = scene(&[ONE, OTHER]);
    scene.command(Command::TimeOfDay(TODAY));
    for (text, unix_ms) in [("yesterday", TODAY - DAY), ("tomorrow", TODAY + DAY), ("now", TODAY)] {
        scene.hear(ONE, &element(&alice(), text, unix_ms));
        assert_eq!(scene.shown().len(), 1, "{text}");
    }
    let lines = [TODAY - 2 * DAY, TODAY + 2 * DAY, 0, u64::MAX].map(|unix_ms| element(&alice(), "old", unix_ms));
    lines.iter().for_each(|line| _ = scene.hear(ONE, line));
    assert_eq!((scene.shown().len(), scene.counter("group_lines_misdated")), (0, 4));
    let plain = json!({"GroupChatMessage": {"group_name": "main", "text": "old", "timestamp": TODAY - 2 * DAY}});
    let array = format!("[{plain}]");
    let envelope = Message::SignedMessage(alice().sign(&array).unwrap());
    scene.hear(ONE, &serde_json::to_string(&envelope).unwrap());
    assert_eq!(scene.shown(), [], "nor in an envelope of the wild");
    assert!(scene.run(5).iter().all(|(_, text)| !text.contains("old")));
    scene.command(Command::TimeOfDay(TODAY + 3 * DAY));
    scene.hear(ONE, &lines[1]);
    assert_eq!(scene.shown().len(), 1, "now it is of today");
}

#[test]
fn a_clock_that_was_never_set_keeps_nothing_out() {
    let mut scene = scene(&[ONE]);
    scene.command(Command::TimeOfDay(5_000));
    scene.hear(ONE, &element(&alice(), "hello", TODAY));
    assert_eq!(scene.shown().len(), 1);
}

#[test]
fn an_ignored_author_is_neither_shown_nor_passed_on_and_not_asked_for_again() {
    let mut scene = scene(&[ONE, OTHER]);
    scene.command(Command::IgnoreAuthor(alice().public()));
    let line = element(&alice(), "hello", TODAY);
    scene.hear(ONE, &line);
    let ask = format!(r#"{{"HaveGroupChats":{{"ids":["{}"],"confirm":true}}}}"#, id(&line));
    let answer = scene.hear(OTHER, &ask);
    assert_eq!(sent_to(&answer, "HaveGroupChats"), [address(OTHER)], "so that it is offered no more");
    assert!(scene.run(60).iter().all(|(_, text)| !text.contains("GroupChat")));
    assert_eq!(scene.shown(), []);
    scene.command(Command::HeedAuthor(alice().public()));
    scene.hear(ONE, &element(&alice(), "hello again", TODAY + 1));
    assert_eq!(scene.shown().len(), 1);
}

#[test]
fn an_ignored_address_brings_nothing() {
    let mut scene = scene(&[ONE, OTHER]);
    scene.command(Command::Ignore(address(ONE).ip()));
    let line = element(&alice(), "hello", TODAY);
    scene.hear(ONE, &line);
    assert_eq!(scene.shown(), []);
    scene.hear(OTHER, &line);
    assert_eq!(scene.shown().len(), 1);
}

#[test]
fn what_the_wild_sends_is_shown_once_with_its_key_and_the_signed_line_is_still_passed_on() {
    let mut scene = scene(&[ONE, OTHER]);
    let chat = json!({"GroupChatMessage": {"group_name": "main", "text": "hello", "timestamp": TODAY}});
    let claim = json!({"MyPublicKey": {"ed25519h": alice().public().to_string()}});
    for ephemeral in 1..=3 {
        let sealed = alice().seal(&identity(1).public(), &format!("[{chat}]"), [ephemeral; 32]).unwrap();
        let sealed = serde_json::to_string(&Message::EncryptedMessages(sealed)).unwrap();
        scene.hear(ONE, &format!("{claim},{sealed}"));
        scene.run(3);
    }
    assert_eq!(scene.shown(), [(Some(alice().public()), "hello".to_owned())]);
    scene.hear(ONE, &element(&alice(), "hello", TODAY));
    assert_eq!(scene.shown(), []);
    assert!(sent_to(&scene.run(2), "SignedGroupChat").contains(&address(OTHER)));
}

#[test]
fn who_tells_of_a_line_is_asked_for_it_and_who_asks_gets_it() {
    let mut scene = scene(&[ONE, OTHER]);
    let line = element(&alice(), "hello", TODAY);
    let id = id(&line);
    scene.hear(ONE, &format!(r#"{{"HaveGroupChats":{{"ids":["{id}","nonsense"]}}}}"#));
    let asked = scene.run(1);
    let question = asked.iter().find_map(|(to, text)| Some((*to, field(text, "PleaseSendGroupChats")?)));
    assert_eq!(question, Some((address(ONE), json!({"ids": [id.to_string()]}))));
    scene.hear(ONE, &line);
    let answer = scene.hear(OTHER, &format!(r#"{{"PleaseSendGroupChats":{{"ids":["{id}"]}}}}"#));
    assert!(answer.iter().any(|(to, text)| *to == address(OTHER) && text.contains(&line)), "{answer:?}");
}

#[test]
fn who_tells_of_lines_that_do_not_exist_is_asked_six_times_and_nobody_else_is() {
    let mut scene = scene(&[ONE, OTHER]);
    scene.hear(ONE, r#"{"HaveGroupChats":{"ids":["0123456789abcdef"]}}"#);
    assert_eq!(sent_to(&scene.run(600), "PleaseSendGroupChats"), [address(ONE); 6]);
}

#[test]
fn however_much_is_said_offered_and_asked_every_table_stays_within_its_limit() {
    let mut scene = scene(&[ONE, OTHER, THIRD]);
    for round in 0..400_u64 {
        let mut seed = [7; 32];
        seed[..8].copy_from_slice(&round.to_le_bytes());
        scene.hear(ONE, &element(&Identity::from_seed(&seed), "hello", TODAY + round));
        let ids: Vec<_> = (0..64).map(|n| format!("{:016x}", round * 64 + n)).collect();
        scene.hear(OTHER, &json!({"HaveGroupChats": {"ids": ids, "confirm": true}}).to_string());
        scene.hear(THIRD, &json!({"PleaseSendGroupChats": {"ids": ids}}).to_string());
        scene.run(1);
        scene.play.events();
    }
    for size in scene.play.node.sizes() {
        assert!(size.len <= size.max, "{size:?}");
    }
    let full = |table: &str| scene.play.node.sizes().any(|size| size.table == table && size.len == size.max);
    assert!(full("lines of group chat held") && full("authors of group chat"));
}
