//! Writing to a key: finding out where its holder is, and what becomes of a message on a network that loses and lies.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod play;

use cjp2p_node::Time;
use cjp2p_node::content::MemoryStore;
use cjp2p_node::identity::{Identity, PublicKey};
use cjp2p_node::node::{Command, CommandError, Config, Destination, Event, Node, Transmit, Undelivered};
use cjp2p_node::wire::Message;
use play::{Play, address, field};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;

const HOP: Duration = Duration::from_millis(20);
const THIRD: &str = "203.0.113.1:24254";
const ALICE: &str = "203.0.114.2:24254";
const BOB: &str = "198.51.100.3:24254";
const WILD: &str = "192.0.2.200:24254";

/// Nodes that hear one another one hop later, or not at all.
struct Village {
    now: Time,
    nodes: Vec<(Node<MemoryStore>, SocketAddr)>,
    on_the_way: Vec<(Time, SocketAddr, SocketAddr, Vec<u8>)>,
    /// How many datagrams of a hundred are lost.
    loss: u64,
    chance: u64,
    /// Whether nobody tells anybody of others, except who asks for a key.
    is_discreet: bool,
    /// What arrived, and when.
    arrived: Vec<(Time, SocketAddr, SocketAddr, String)>,
    events: Vec<(Time, usize, Event)>,
}

impl Village {
    /// A third node, and others that make contact with it.
    fn new(addresses: &[&str], loss: u64, seed: u8) -> Village {
        let now = Time::from_micros(1_000_000);
        let node = |(n, text): (usize, &&str)| {
            let contacts = if n == 0 { Vec::new() } else { vec![address(addresses[0])] };
            let identity = Some(Identity::from_seed(&[n as u8 + 50; 32]));
            let config = Config { contacts, identity, ..Config::default() };
            (Node::new(config, [n as u8 + 10 * seed; 32], now, MemoryStore::default()), address(text))
        };
        Village {
            now,
            nodes: addresses.iter().enumerate().map(node).collect(),
            on_the_way: Vec::new(),
            loss,
            chance: u64::from(seed) + 1,
            is_discreet: true,
            arrived: Vec::new(),
            events: Vec::new(),
        }
    }

    fn run(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            self.send();
            let arrival = self.on_the_way.iter().map(|(at, ..)| *at).min();
            let timer = self.nodes.iter().filter_map(|(node, _)| node.poll_timeout()).min();
            let Some(next) = arrival.into_iter().chain(timer).min().filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            let (due, later): (Vec<_>, Vec<_>) = self.on_the_way.drain(..).partition(|(at, ..)| *at <= self.now);
            self.on_the_way = later;
            for (_, from, to, payload) in due {
                if let Some((node, _)) = self.nodes.iter_mut().find(|(_, here)| *here == to) {
                    node.handle_datagram(self.now, from, &payload);
                    assert!(node.sizes().all(|size| size.len <= size.max));
                    self.arrived.push((self.now, from, to, String::from_utf8(payload).unwrap()));
                }
            }
            for (node, _) in &mut self.nodes {
                if node.poll_timeout().is_some_and(|due| due <= self.now) {
                    node.handle_timeout(self.now);
                    assert!(node.poll_timeout().unwrap() > self.now);
                }
            }
        }
        self.now = end;
    }

    fn send(&mut self) {
        // The third is known to all.
        let others: Vec<SocketAddr> = self.nodes.iter().skip(1).map(|(_, address)| *address).collect();
        for (n, (node, from)) in self.nodes.iter_mut().enumerate() {
            while let Some(Transmit { to, payload }) = node.poll_transmit() {
                let Destination::Address(to) = to else { continue };
                let text = String::from_utf8_lossy(&payload);
                let is_gossip =
                    text.contains("\"Peers\"") && others.iter().any(|other| text.contains(&other.to_string()));
                // A linear congruential generator (Knuth, MMIX).
                self.chance =
                    self.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let is_lost = (self.chance >> 33) % 100 < self.loss || self.is_discreet && is_gossip;
                if !is_lost {
                    self.on_the_way.push((self.now + HOP, *from, to, payload));
                }
            }
            while let Some(event) = node.poll_event() {
                self.events.push((self.now, n, event));
            }
        }
    }

    fn key(&self, of: usize) -> PublicKey {
        self.nodes[of].0.public_key()
    }

    fn write(&mut self, from: usize, to: usize, text: &str, number: u64) {
        let command = Command::PrivateChat { to: self.key(to), text: text.to_owned(), number };
        let now = self.now;
        self.nodes[from].0.handle_command(now, command).unwrap();
    }

    /// The private lines that somebody was shown, with the time and whose they were.
    fn shown(&self, to: usize) -> Vec<(Time, PublicKey, &str)> {
        let shown = self.events.iter().filter(|(_, n, _)| *n == to).filter_map(|(at, _, event)| match event {
            Event::PrivateChat { key, text, .. } => Some((*at, *key, text.as_str())),
            _ => None,
        });
        shown.collect()
    }

    /// The numbers of what has arrived as far as its author knows, and of what was given up.
    fn outcomes(&self, of: usize) -> (Vec<u64>, Vec<u64>) {
        let (mut delivered, mut given_up) = (Vec::new(), Vec::new());
        for (_, n, event) in &self.events {
            match event {
                Event::Delivered { number, .. } if *n == of => delivered.push(*number),
                Event::Undelivered { number, .. } if *n == of => given_up.push(*number),
                _ => {}
            }
        }
        (delivered, given_up)
    }

    fn moves(&mut self, who: usize, to: &str) {
        let now = self.now;
        self.nodes[who].1 = address(to);
        self.nodes[who].0.handle_command(now, Command::NetworkChanged).unwrap();
    }
}

#[test]
fn a_message_to_a_key_that_only_a_third_node_knows_arrives_within_two_round_trips_of_its_answer() {
    let mut village = Village::new(&[THIRD, ALICE, BOB], 0, 1);
    village.run(Duration::from_secs(60));
    assert_eq!(village.nodes[1].0.home(&village.key(2)), None);
    assert_eq!(village.nodes[0].0.home(&village.key(2)), Some(address(BOB)));
    let said = village.now;
    village.write(1, 2, "hello", 7);
    village.run(Duration::from_secs(5));
    let is_answer = |(_, _, to, text): &&(Time, SocketAddr, SocketAddr, String)| {
        *to == address(ALICE) && text.contains("\"Forwarded\"")
    };
    let (answered, ..) = village.arrived.iter().find(is_answer).unwrap();
    let [(shown, from, "hello")] = village.shown(2)[..] else { panic!("{:?}", village.shown(2)) };
    assert_eq!(from, village.key(1));
    // A round trip is there and back: two hops.
    assert_eq!(answered.since(said), 2 * HOP, "the question and its answer");
    assert!(shown.since(*answered) <= 2 * 2 * HOP, "{:?} after the answer", shown.since(*answered));
    assert_eq!(shown.since(*answered), 3 * HOP, "a token there, a token back, the message");
    assert_eq!(village.outcomes(1), (vec![7], vec![]));
    assert_eq!(village.nodes[1].0.home(&village.key(2)), Some(address(BOB)), "the confirmation proves it");
    // From now on both know each other.
    let said = village.now;
    village.write(2, 1, "hello to you", 1);
    village.run(Duration::from_secs(5));
    assert_eq!(village.shown(1)[0].0.since(said), HOP);
    assert_eq!(village.outcomes(2), (vec![1], vec![]));
}

#[test]
fn messages_arrive_once_and_in_order_where_a_fifth_of_all_datagrams_is_lost() {
    for seed in 0..4 {
        let mut village = Village::new(&[THIRD, ALICE, BOB], 20, seed);
        village.run(Duration::from_secs(120));
        for n in 0..10 {
            village.write(1, 2, &format!("line {n}"), n);
            village.run(Duration::from_secs(1));
        }
        village.run(Duration::from_secs(180));
        let texts: Vec<&str> = village.shown(2).iter().map(|(.., text)| *text).collect();
        let expected: Vec<String> = (0..10).map(|n| format!("line {n}")).collect();
        assert_eq!(texts, expected, "seed {seed}");
        assert_eq!(village.outcomes(1), ((0..10).collect(), vec![]), "seed {seed}");
    }
}

#[test]
fn who_moves_while_messages_are_on_their_way_is_found_again() {
    for seed in 0..4 {
        let mut village = Village::new(&[THIRD, ALICE, BOB], 20, seed);
        village.run(Duration::from_secs(120));
        village.write(1, 2, "before", 1);
        village.run(Duration::from_secs(60));
        village.moves(2, "192.0.2.77:30000");
        village.write(1, 2, "meanwhile", 2);
        village.run(Duration::from_millis(1_100));
        village.write(1, 2, "after", 3);
        village.run(Duration::from_secs(180));
        let texts: Vec<&str> = village.shown(2).iter().map(|(.., text)| *text).collect();
        assert_eq!(texts, ["before", "meanwhile", "after"], "seed {seed}");
        assert_eq!(village.outcomes(1), (vec![1, 2, 3], vec![]), "seed {seed}");
        assert_eq!(village.nodes[1].0.home(&village.key(2)), Some(address("192.0.2.77:30000")), "seed {seed}");
    }
}

#[test]
fn a_message_to_nobody_is_given_up_after_two_minutes_and_a_bounded_effort() {
    let mut village = Village::new(&[THIRD, ALICE, BOB], 0, 3);
    village.run(Duration::from_secs(60));
    let nobody = Identity::from_seed(&[99; 32]).public();
    let before = village.nodes[1].0.counters().datagrams_sent;
    let (now, said) = (village.now, village.now);
    let command = Command::PrivateChat { to: nobody, text: "hello?".to_owned(), number: 5 };
    village.nodes[1].0.handle_command(now, command).unwrap();
    village.run(Duration::from_secs(600));
    let (at, event) = village
        .events
        .iter()
        .find_map(|(at, _, event)| matches!(event, Event::Undelivered { .. }).then_some((*at, event.clone())))
        .unwrap();
    let why = Undelivered::NotFound(1);
    assert_eq!(event, Event::Undelivered { number: 5, to: nobody, text: "hello?".to_owned(), why });
    assert_eq!(at.since(said), Duration::from_secs(120));
    let asked = village.nodes[1].0.counters().people_asked_for;
    assert!((6..=10).contains(&asked), "{asked} questions");
    assert!(village.nodes[1].0.counters().datagrams_sent - before < 400);
}

#[test]
fn who_is_alone_is_told_that_there_is_nobody_to_ask() {
    let mut play = Play::new();
    let to = Identity::from_seed(&[99; 32]).public();
    let command = Command::PrivateChat { to, text: "hello".to_owned(), number: 1 };
    play.node.handle_command(play.now, command).unwrap();
    play.run(Duration::from_secs(121));
    let undelivered = play.events().into_iter().find_map(|event| match event {
        Event::Undelivered { why, .. } => Some(why),
        _ => None,
    });
    assert_eq!(undelivered, Some(Undelivered::NobodyToAsk));
}

/// A bench with the node on it that this file calls alice, and peers that a test speaks for.
struct Bench {
    play: Play,
    /// Our token for each.
    tokens: Vec<(String, String)>,
    ephemeral: u8,
}

fn bob() -> Identity {
    Identity::from_seed(&[2; 32])
}

fn alice() -> Identity {
    Identity::from_seed(&[1; 32])
}

fn my_key(identity: &Identity) -> String {
    format!(r#"{{"MyPublicKey":{{"ed25519h":"{}"}}}}"#, identity.public())
}

fn returned(token: &str) -> String {
    format!(r#"{{"AlwaysReturned":{{"cookie":"{token}"}}}}"#)
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
    // It has to know whose envelope it may be before it comes to it, and takes nothing from who does not show its token.
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
fn nobody_can_make_a_node_look_for_somebody() {
    let mut bench = Bench::new();
    bench.verify(THIRD);
    let before = bench.play.node.counters().datagrams_sent;
    assert_eq!(bench.tell(THIRD, &my_key(&bob()), BOB), []);
    bench.hear(THIRD, &format!(r#"{{"WhereAreThey":{{"ed25519h":"{}"}}}}"#, bob().public()));
    assert_eq!(bench.play.node.counters().people_asked_for, 0);
    // While somebody is looked for, only the answers about him and of those who were asked count.
    bench.write(bob().public(), "hello", 1).unwrap();
    bench.verify(WILD);
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
    assert!(bench.play.node.counters().datagrams_sent - before < 20);
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
