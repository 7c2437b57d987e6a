//! What a node sends to the holder of a key, whom it believes, and when it gives up.

use crate::bench::{BOB, Bench, THIRD, WILD, inside, line, opened};
use crate::play::address;
use crate::play::keys::{alice as bob, my_key, node as alice, returned};
use cjp2p_node::identity::Identity;
use cjp2p_node::node::{CommandError, Event, Undelivered};
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;

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
fn many_liars_share_the_turns_of_those_who_say_something_and_do_not_take_them_all() {
    for liars in [8, 16] {
        let mut bench = Bench::new();
        bench.verify(THIRD);
        let liars: Vec<String> = (1..=liars).map(|n| format!("{}.0.{n}.1:24254", 60 + n)).collect();
        liars.iter().for_each(|liar| bench.verify(liar));
        bench.write(bob().public(), "hello", 1).unwrap();
        bench.play.run(Duration::from_secs(10));
        let bob = my_key(&bob());
        liars.iter().for_each(|liar| _ = bench.tell(liar, &bob, "8.8.1.1:24254"));
        bench.tell(THIRD, &bob, "9.9.1.1:24254");
        let (mut asked, mut last, mut longest) = (0, bench.play.now, Duration::ZERO);
        for _ in 0..60 {
            let sent = bench.play.run(Duration::from_secs(1));
            asked += sent.iter().filter(|(_, text)| text.contains("WhereAreThey")).count();
            if sent.iter().any(|(to, text)| *to == address(THIRD) && text.contains("WhereAreThey")) {
                longest = longest.max(bench.play.now.since(last));
                last = bench.play.now;
            }
        }
        longest = longest.max(bench.play.now.since(last));
        // Eight of them are asked every three seconds.
        let turn = (liars.len() as u64 + 1).div_ceil(8) * 3 + 1;
        assert!(longest <= Duration::from_secs(turn), "{longest:?} with {} liars", liars.len());
        assert!(asked <= 20 * 8 + 2 * 32, "{asked}");
    }
}

#[test]
fn nobody_is_asked_for_more_often_than_is_stated() {
    let mut bench = Bench::new();
    let tellers: Vec<String> = (1..=9).map(|n| format!("{}.0.{n}.1:24254", 60 + n)).collect();
    tellers.iter().for_each(|teller| bench.verify(teller));
    bench.write(bob().public(), "hello", 1).unwrap();
    let mut sent = bench.play.sent();
    for second in 0..119 {
        let bob = my_key(&bob());
        tellers[..8].iter().for_each(|teller| sent.extend(bench.tell(teller, &bob, &format!("8.8.1.{second}:24254"))));
        sent.extend(bench.play.run(Duration::from_secs(1)));
    }
    let asked = sent.iter().filter(|(_, text)| text.contains("WhereAreThey"));
    let told = asked.filter(|(to, _)| *to != address(&tellers[8])).count();
    assert!((300..=384).contains(&told), "{told} questions to eight who always say something");
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
