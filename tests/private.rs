//! Private messages, one node at a time: what it sends, whom it believes, what it shows and what it confirms.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod play;

use cjp2p_node::identity::{Identity, PublicKey};
use cjp2p_node::node::{Command, CommandError, Config, Event, Undelivered};
use cjp2p_node::wire::Message;
use play::keys::{alice as bob, my_key, node as alice, returned};
use play::{Play, address, field};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;

const THIRD: &str = "203.0.113.1:24254";
const BOB: &str = "198.51.100.3:24254";
const WILD: &str = "192.0.2.200:24254";

/// A bench with the node on it that this file calls alice, and peers that a test speaks for.
struct Bench {
    play: Play,
    /// Our token for each.
    tokens: Vec<(String, String)>,
    ephemeral: u8,
}

impl Bench {
    fn new() -> Bench {
        let config = Config { identity: Some(alice()), version: "cjp2p-node test".to_owned(), ..Config::default() };
        Bench { play: Play::with(config), tokens: Vec::new(), ephemeral: 0 }
    }

    /// Makes a peer of an address, which asks for a token of its own.
    fn verify(&mut self, at: &str) {
        let token = self.play.token(at);
        let asks = r#"{"PleaseAlwaysReturnThisMessage":{"cookie":"theirs"}}"#;
        self.play.hear(at, &format!("[{},{asks}]", returned(&token)));
        self.play.events();
        self.tokens.push((at.to_owned(), token));
    }

    fn token(&self, at: &str) -> &str {
        &self.tokens.iter().find(|(other, _)| other == at).unwrap().1
    }

    fn hear(&mut self, at: &str, elements: &str) -> Vec<(SocketAddr, String)> {
        let text = format!("[{},{elements}]", returned(self.token(at)));
        self.play.hear(at, &text)
    }

    /// What alice sends when somebody seals these elements for her.
    fn hear_sealed(&mut self, at: &str, by: &Identity, elements: &str) -> Vec<(SocketAddr, String)> {
        self.ephemeral += 1;
        let text = format!("[{},{},{elements}]", returned(self.token(at)), my_key(by));
        let sealed = by.seal(&alice().public(), &text, [self.ephemeral; 32]).unwrap();
        let sealed = serde_json::to_string(&Message::EncryptedMessages(sealed)).unwrap();
        self.hear(at, &sealed)
    }

    fn write(&mut self, to: PublicKey, text: &str, number: u64) -> Result<(), CommandError> {
        let command = Command::PrivateChat { to, text: text.to_owned(), number };
        self.play.node.handle_command(self.play.now, command)
    }

    /// Says where somebody is.
    fn tell(&mut self, at: &str, key: &str, home: &str) -> Vec<(SocketAddr, String)> {
        let forwarded = json!({"Forwarded": {"src": home, "from_ed25519": null, "might_be_ip_spoofing": false,
            "messages": format!("[{key}]")}});
        self.hear(at, &forwarded.to_string())
    }
}

/// What somebody finds in the envelope of a datagram.
fn opened(datagram: &str, by: &Identity) -> Vec<Value> {
    let Some(sealed) = field(datagram, "EncryptedMessages") else { return Vec::new() };
    let envelope = json!([{ "EncryptedMessages": sealed }]).to_string();
    let decoded = cjp2p_node::wire::decode(envelope.as_bytes()).unwrap();
    let [Message::EncryptedMessages(message)] = &decoded.messages[..] else { panic!("{datagram}") };
    serde_json::from_slice(&by.open_sealed(message).unwrap().text).unwrap()
}

fn inside<'a>(elements: &'a [Value], name: &str) -> Option<&'a Value> {
    elements.iter().find_map(|element| element.get(name))
}

#[test]
fn a_node_of_the_wild_confirms_a_message_by_returning_what_it_finds_in_the_envelope() {
    let mut bench = Bench::new();
    bench.verify(WILD);
    bench.verify(THIRD);
    bench.write(bob().public(), "hello", 3).unwrap();
    let asked: Vec<SocketAddr> = bench.play.sent().into_iter().map(|(to, _)| to).collect();
    assert!(asked.contains(&address(THIRD)), "{asked:?}");
    let sent = bench.tell(THIRD, &my_key(&bob()), WILD);
    let (_, datagram) = sent.iter().find(|(to, text)| *to == address(WILD) && text.contains("Encrypted")).unwrap();
    // It has to know whose envelope it may be before it comes to it, and takes nothing from who does not show its
    // token.
    let names: Vec<String> = serde_json::from_str::<Vec<Value>>(datagram).unwrap().iter().map(name_of).collect();
    assert_eq!(names[..3], ["AlwaysReturned", "MyPublicKey", "EncryptedMessages"], "{datagram}");
    assert!(!datagram.contains("hello"));
    let elements = opened(datagram, &bob());
    assert_eq!(inside(&elements, "ChatMessage").unwrap()["message"], "hello");
    assert_eq!(inside(&elements, "AlwaysReturned").unwrap()["cookie"], "theirs");
    let cookie = inside(&elements, "PleaseReturnThisMessage").unwrap();
    assert!(outcomes(&mut bench).is_empty(), "nobody has confirmed it");
    bench.hear(WILD, &format!(r#"{{"ReturnedMessage":{cookie}}}"#));
    let delivered = Event::Delivered { number: 3, to: bob().public(), text: "hello".to_owned() };
    assert_eq!(outcomes(&mut bench), [delivered]);
    bench.hear(WILD, &format!(r#"{{"ReturnedMessage":{cookie}}}"#));
    let sent = bench.play.run(Duration::from_secs(300));
    assert!(outcomes(&mut bench).is_empty() && !sent.iter().any(|(_, text)| text.contains("Encrypted")));
    assert_eq!(bench.play.node.home(&bob().public()), None, "what was returned in the open proves no home");
}

/// What became of messages.
fn outcomes(bench: &mut Bench) -> Vec<Event> {
    let mut events = bench.play.events();
    events.retain(|event| matches!(event, Event::Delivered { .. } | Event::Undelivered { .. }));
    events
}

fn name_of(element: &Value) -> String {
    element.as_object().unwrap().keys().next().unwrap().clone()
}

#[test]
fn liars_get_small_datagrams_sent_to_few_addresses_and_never_the_message() {
    let mut bench = Bench::new();
    let liars: Vec<String> = (1..=8).map(|n| format!("203.0.{n}.1:24254")).collect();
    liars.iter().for_each(|liar| bench.verify(liar));
    bench.write(bob().public(), "a secret", 1).unwrap();
    bench.play.sent();
    let (mut sent, bob) = (Vec::new(), my_key(&bob()));
    for round in 0..26 {
        for (n, liar) in liars.iter().enumerate() {
            for m in 0..5 {
                sent.extend(bench.tell(liar, &bob, &format!("8.{n}.{round}.{}:{}", m + 1, 24_254 + m)));
                sent.extend(bench.tell(liar, &bob, &format!("9.9.9.9:{}", 1_024 + 20 * n + m)));
            }
        }
        sent.extend(bench.play.run(Duration::from_secs(5)));
    }
    sent.retain(|(to, _)| !liars.contains(&to.to_string()));
    let mut victims: Vec<SocketAddr> = sent.iter().map(|(to, _)| *to).collect();
    let count = |of: &SocketAddr| victims.iter().filter(|victim| *victim == of).count();
    assert!(victims.iter().all(|victim| count(victim) <= 5), "{victims:?}");
    assert!(victims.iter().filter(|victim| victim.ip().to_string() == "9.9.9.9").count() <= 10);
    victims.sort();
    victims.dedup();
    assert!((2..=8).contains(&victims.len()), "{victims:?}");
    assert!(sent.iter().all(|(_, text)| !text.contains("Encrypted") && text.len() < 200));
    let why = bench.play.events().into_iter().find_map(|event| match event {
        Event::Undelivered { why, .. } => Some(why),
        _ => None,
    });
    assert_eq!(why, Some(Undelivered::NoAnswer));
}

#[test]
fn one_liar_takes_no_place_from_those_who_know() {
    let mut bench = Bench::new();
    let liars: Vec<String> = (1..=3).map(|n| format!("203.0.{n}.1:24254")).collect();
    liars.iter().for_each(|liar| bench.verify(liar));
    bench.verify(THIRD);
    bench.verify(WILD);
    bench.write(bob().public(), "hello", 1).unwrap();
    bench.play.sent();
    for (n, liar) in liars.iter().enumerate() {
        (0..20).for_each(|m| _ = bench.tell(liar, &my_key(&bob()), &format!("8.{n}.{m}.1:24254")));
    }
    let sent = bench.tell(THIRD, &my_key(&bob()), WILD);
    assert!(sent.iter().any(|(to, text)| *to == address(WILD) && text.contains("Encrypted")), "{sent:?}");
}

#[test]
fn liars_who_answer_where_they_say_keep_the_message_from_nobody() {
    let mut bench = Bench::new();
    let liars: Vec<String> = (1..=3).map(|n| format!("203.0.{n}.1:24254")).collect();
    for liar in liars.iter().flat_map(|liar| [liar.clone(), liar.replace(":24254", ":24255")]) {
        bench.verify(&liar);
    }
    bench.verify(THIRD);
    bench.verify(WILD);
    bench.write(bob().public(), "hello", 1).unwrap();
    bench.play.sent();
    let bob = my_key(&bob());
    for liar in &liars {
        bench.tell(liar, &bob, liar);
        bench.tell(liar, &bob, &liar.replace(":24254", ":24255"));
    }
    bench.tell(THIRD, &bob, WILD);
    let sent = bench.play.run(Duration::from_secs(119));
    let is_letter = |(_, text): &&(SocketAddr, String)| text.contains("Encrypted");
    let here = sent.iter().filter(is_letter).filter(|(to, _)| *to == address(WILD)).count();
    assert!(here >= 3, "{here} times among {}", sent.iter().filter(is_letter).count());
}

#[test]
fn who_has_news_all_the_time_is_not_written_to_all_the_time() {
    let mut bench = Bench::new();
    bench.verify(WILD);
    bench.hear_sealed(WILD, &bob(), &line("hello", "1"));
    bench.write(bob().public(), "hello to you", 1).unwrap();
    let mut sent = Vec::new();
    for n in 0..200 {
        let asks = format!(r#"{{"PleaseAlwaysReturnThisMessage":{{"cookie":"{n}"}}}}"#);
        sent.extend(bench.hear(WILD, &asks));
        sent.extend(bench.play.run(Duration::from_millis(500)));
    }
    let written = sent.iter().filter(|(_, text)| text.contains("Encrypted")).count();
    assert!((10..=50).contains(&written), "{written} times in 100 seconds");
}

#[test]
fn nobody_can_make_a_node_look_for_somebody() {
    let mut bench = Bench::new();
    bench.verify(THIRD);
    // Where there are few, whoever comes is asked at once.
    (1..=7).for_each(|n| bench.verify(&format!("203.0.{n}.1:24254")));
    let before = bench.play.node.counters().datagrams_sent;
    assert_eq!(bench.tell(THIRD, &my_key(&bob()), BOB), []);
    bench.hear(THIRD, &format!(r#"{{"WhereAreThey":{{"ed25519h":"{}"}}}}"#, bob().public()));
    assert_eq!(bench.play.node.counters().people_asked_for, 0);
    // While somebody is looked for, only the answers about him and of those who were asked count.
    bench.write(bob().public(), "hello", 1).unwrap();
    bench.verify(WILD);
    assert_eq!(bench.play.node.counters().people_asked_for, 8);
    assert!(bench.tell(WILD, &my_key(&bob()), BOB).iter().all(|(to, _)| *to != address(BOB)), "it was not asked");
    let other = Identity::from_seed(&[3; 32]);
    assert!(
        bench.tell(THIRD, &my_key(&other), BOB).iter().all(|(to, _)| *to != address(BOB)),
        "nobody looks for that one"
    );
    for home in ["127.0.0.1:24254", "192.168.1.1:24254", "8.8.8.8:53", "224.0.0.1:24254", "nonsense", ""] {
        assert_eq!(bench.tell(THIRD, &my_key(&bob()), home), [], "{home}");
    }
    assert!(bench.tell(THIRD, &my_key(&bob()), BOB).iter().any(|(to, _)| *to == address(BOB)));
    assert!(bench.play.node.counters().datagrams_sent - before < 40);
}

/// A line with a cookie, as it is sent.
fn line(text: &str, cookie: &str) -> String {
    format!(r#"{{"ChatMessage":{{"message":"{text}"}}}},{{"PleaseReturnThisMessage":{{"cookie":"{cookie}"}}}}"#)
}

/// The cookies that are returned to bob, in private.
fn confirmed(sent: &[(SocketAddr, String)]) -> Vec<String> {
    assert!(sent.iter().all(|(_, text)| !text.contains("ReturnedMessage")), "not in the open: {sent:?}");
    let all: Vec<Value> = sent.iter().flat_map(|(_, text)| opened(text, &bob())).collect();
    let returned = all.iter().filter_map(|element| element.get("ReturnedMessage"));
    returned.map(|cookie| cookie["cookie"].as_str().unwrap().to_owned()).collect()
}

fn private_lines(bench: &mut Bench) -> Vec<String> {
    let events = bench.play.events().into_iter().filter_map(|event| match event {
        Event::PrivateChat { key, text, .. } if key == bob().public() => Some(text),
        Event::Chat { .. } | Event::PrivateChat { .. } => panic!("{event:?}"),
        _ => None,
    });
    events.collect()
}

#[test]
fn a_line_that_is_sent_again_is_shown_once_and_confirmed_each_time() {
    let mut bench = Bench::new();
    bench.verify(WILD);
    for _ in 0..20 {
        let sent = bench.hear_sealed(WILD, &bob(), &line("hello", "5.25"));
        assert_eq!(confirmed(&sent), ["5.25"]);
    }
    assert_eq!(private_lines(&mut bench), ["hello"]);
    // The same words again are another line.
    bench.hear_sealed(WILD, &bob(), &line("hello", "6.25"));
    assert_eq!(private_lines(&mut bench), ["hello"]);
    assert_eq!(bench.play.node.home(&bob().public()), Some(address(WILD)), "what he sealed proves his home");
}

#[test]
fn a_line_that_is_not_shown_is_not_confirmed_and_shown_when_there_is_room() {
    let mut bench = Bench::new();
    bench.verify(WILD);
    let mut unheard = Vec::new();
    for n in 0..8 {
        let sent = bench.hear_sealed(WILD, &bob(), &line(&n.to_string(), &format!("c{n}")));
        if confirmed(&sent).is_empty() {
            unheard.push(n);
        }
    }
    assert_eq!(private_lines(&mut bench).len() + unheard.len(), 8);
    assert!(!unheard.is_empty());
    bench.play.wait(Duration::from_secs(10));
    for n in unheard {
        let sent = bench.hear_sealed(WILD, &bob(), &line(&n.to_string(), &format!("c{n}")));
        assert_eq!(confirmed(&sent), [format!("c{n}")]);
        assert_eq!(private_lines(&mut bench), [n.to_string()]);
    }
    bench.play.wait(Duration::from_secs(60));
    bench.play.node.handle_command(bench.play.now, Command::Ignore(address(WILD).ip())).unwrap();
    assert!(confirmed(&bench.hear_sealed(WILD, &bob(), &line("ignored", "x"))).is_empty());
    assert!(private_lines(&mut bench).is_empty());
}

#[test]
fn a_question_in_an_envelope_is_answered_in_one() {
    let mut bench = Bench::new();
    bench.verify(WILD);
    for (question, answer) in [("/ping", "PONG"), ("/version", "VERSION cjp2p-node test")] {
        let sent = bench.hear_sealed(WILD, &bob(), &format!(r#"{{"ChatMessage":{{"message":"{question}"}}}}"#));
        assert!(sent.iter().all(|(_, text)| !text.contains("ChatMessage")), "not in the open: {sent:?}");
        let elements: Vec<Value> = sent.iter().flat_map(|(_, text)| opened(text, &bob())).collect();
        assert_eq!(inside(&elements, "ChatMessage").unwrap()["message"], answer);
        assert_eq!(inside(&elements, "AlwaysReturned").unwrap()["cookie"], "theirs");
        assert_eq!(inside(&elements, "MyPublicKey").unwrap()["ed25519h"], alice().public().to_string());
    }
}

#[test]
fn a_signed_line_that_somebody_else_seals_is_not_private() {
    let mut bench = Bench::new();
    bench.verify(WILD);
    let said = format!("[{}]", line("for somebody else", "1.5"));
    let signed = serde_json::to_string(&Message::SignedMessage(bob().sign(&said).unwrap())).unwrap();
    bench.hear_sealed(WILD, &Identity::from_seed(&[3; 32]), &signed);
    let events = bench.play.events();
    assert!(!events.iter().any(|event| matches!(event, Event::PrivateChat { .. })), "{events:?}");
    let signed = format!("[{}]", line("for alice", "2.5"));
    let signed = serde_json::to_string(&Message::SignedMessage(bob().sign(&signed).unwrap())).unwrap();
    bench.hear_sealed(WILD, &bob(), &signed);
    assert_eq!(private_lines(&mut bench), ["for alice"]);
}

/// What bob seals for alice, with this before it.
fn letter(before: &str, elements: &str, ephemeral: u8) -> String {
    let text = format!("[{before}{},{elements}]", my_key(&bob()));
    let sealed = bob().seal(&alice().public(), &text, [ephemeral; 32]).unwrap();
    serde_json::to_string(&Message::EncryptedMessages(sealed)).unwrap()
}

#[test]
fn a_letter_to_our_earlier_self_that_a_thief_brings_is_not_shown_and_keeps_the_true_one_from_nobody() {
    let mut bench = Bench::new();
    bench.verify(THIRD);
    bench.verify(WILD);
    let before = format!("{},", returned("ofbefore"));
    assert!(confirmed(&bench.hear(THIRD, &letter(&before, &line("hello", "1.5"), 77))).is_empty());
    assert!(private_lines(&mut bench).is_empty());
    assert_eq!(confirmed(&bench.hear_sealed(WILD, &bob(), &line("hello", "1.5"))), ["1.5"]);
    assert_eq!(private_lines(&mut bench), ["hello"]);
    // Where he lives nobody else can have sent it from; but what he seals there has the right token in it.
    assert!(confirmed(&bench.hear(WILD, &letter(&before, &line("old", "2.5"), 78))).is_empty());
    assert!(private_lines(&mut bench).is_empty());
}

#[test]
fn a_letter_with_no_token_in_it_is_its_authors_only_where_he_lives() {
    let mut bench = Bench::new();
    bench.verify(THIRD);
    bench.verify(WILD);
    bench.hear_sealed(WILD, &bob(), &line("hello", "1.5"));
    assert_eq!(private_lines(&mut bench), ["hello"]);
    bench.hear(WILD, &letter("", &line("as the wild writes", "2.5"), 77));
    assert_eq!(private_lines(&mut bench), ["as the wild writes"]);
    // The right token in another envelope of his says nothing about this one.
    let relayed = format!("[{},{}]", returned(bench.token(THIRD)), my_key(&bob()));
    let relayed = serde_json::to_string(&Message::SignedMessage(bob().sign(&relayed).unwrap())).unwrap();
    let sent = bench.hear(THIRD, &format!("{relayed},{}", letter("", &line("old", "3.5"), 78)));
    assert!(confirmed(&sent).is_empty());
    assert_eq!(chats(&mut bench), [(address(THIRD), None, "old".to_owned())]);
}

/// The lines that were shown, from where and whose.
fn chats(bench: &mut Bench) -> Vec<(SocketAddr, Option<PublicKey>, String)> {
    let events = bench.play.events().into_iter().filter_map(|event| match event {
        Event::Chat { from, key, text } => Some((from, key, text)),
        Event::PrivateChat { from, key, text } => Some((from, Some(key), text)),
        _ => None,
    });
    events.collect()
}

#[test]
fn a_signed_line_is_its_signers_only_with_our_token_in_it_or_from_where_he_lives() {
    let mut bench = Bench::new();
    bench.verify(THIRD);
    bench.verify(WILD);
    let said = |elements: &str| {
        serde_json::to_string(&Message::SignedMessage(bob().sign(&format!("[{elements}]")).unwrap())).unwrap()
    };
    let chat = r#"{"ChatMessage":{"message":"yes"}}"#;
    bench.hear(THIRD, &said(chat));
    assert_eq!(chats(&mut bench), [(address(THIRD), None, "yes".to_owned())], "anybody can say again what was signed");
    let meant = format!(r#"{{"MeantFor":{{"ed25519h":"{}"}}}}"#, alice().public());
    let token = returned(bench.token(WILD));
    let yes = [(address(WILD), Some(bob().public()), "yes".to_owned())];
    bench.hear(WILD, &said(&format!("{token},{meant},{chat}")));
    assert_eq!(chats(&mut bench), yes);
    bench.hear(WILD, &said(chat));
    assert_eq!(chats(&mut bench), yes);
}

#[test]
fn what_waits_is_bounded_and_what_cannot_be_sent_is_refused() {
    let mut bench = Bench::new();
    let key = |n: u8| Identity::from_seed(&[n; 32]).public();
    assert_eq!(bench.write(alice().public(), "hello", 0), Err(CommandError::ToOneself));
    assert_eq!(bench.write(key(2), "", 0), Err(CommandError::BadText));
    assert_eq!(bench.write(key(2), &"x".repeat(2_001), 0), Err(CommandError::BadText));
    assert_eq!(bench.write(key(2), &"\u{1}".repeat(1_000), 0), Err(CommandError::BadText), "it is six times as long");
    let write = |bench: &mut Bench, to: u8, text: &str| {
        bench.play.wait(Duration::from_millis(1_001));
        let written = bench.write(key(to), text, 0);
        bench.play.sent();
        assert!(bench.play.node.sizes().all(|size| size.len <= size.max));
        written
    };
    for _ in 0..16 {
        assert_eq!(write(&mut bench, 2, "hello"), Ok(()));
    }
    assert_eq!(write(&mut bench, 2, "hello"), Err(CommandError::TooMuchWaiting));
    for n in 3..18 {
        assert_eq!(write(&mut bench, n, "hello"), Ok(()), "{n}");
    }
    assert_eq!(write(&mut bench, 18, "hello"), Err(CommandError::TooMuchWaiting), "another key");
    bench.play.run(Duration::from_secs(300));
    bench.play.events();
    let long = "x".repeat(2_000);
    let taken = (0..64).filter(|n| write(&mut bench, 2 + n / 8, &long).is_ok()).count();
    assert_eq!(taken, 32);
}

#[test]
fn the_longest_message_fits_a_datagram_beside_everything_else() {
    let mut bench = Bench::new();
    let token = bench.play.token(WILD);
    let theirs = "t".repeat(113);
    let asks = format!(r#"{{"PleaseAlwaysReturnThisMessage":{{"cookie":"{theirs}"}}}}"#);
    bench.play.hear(WILD, &format!("[{},{asks}]", returned(&token)));
    bench.tokens.push((WILD.to_owned(), token));
    bench.hear_sealed(WILD, &bob(), &line("hello", "1"));
    assert_eq!(bench.play.node.home(&bob().public()), Some(address(WILD)));
    for (text, number) in [("x".repeat(2_000), 1), ("\"".repeat(1_800), 2)] {
        bench.write(bob().public(), &text, number).unwrap();
        let sent = bench.play.sent();
        let (_, datagram) = sent.iter().find(|(_, text)| text.contains("Encrypted")).unwrap();
        assert!(datagram.len() <= 5_888, "{}", datagram.len());
        let elements = opened(datagram, &bob());
        assert_eq!(inside(&elements, "ChatMessage").unwrap()["message"], text);
        let cookie = inside(&elements, "PleaseReturnThisMessage").unwrap();
        bench.hear(WILD, &format!(r#"{{"ReturnedMessage":{cookie}}}"#));
    }
}
