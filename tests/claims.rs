//! Who claims to have moved: the address that would be left is asked first.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::print_stdout)] // figures are printed for whoever runs the tests

mod play;

use cjp2p_node::content::MemoryStore;
use cjp2p_node::identity::claims::{ASKED_MAX, CLAIMS_MAX};
use cjp2p_node::identity::{Identity, PublicKey};
use cjp2p_node::node::{Command, Config, Node};
use play::keys::*;
use play::village::{Relay, Village};
use play::{Play, address, field};
use serde_json::json;
use std::net::SocketAddr;
use std::time::Duration;

const HOME: &str = "203.0.113.5:24254";
const ELSEWHERE: &str = "198.51.100.7:40000";

/// How many movers in each of three villages: enough to show that it is no luck, where it does not take long.
const MOVERS: u64 = if cfg!(debug_assertions) { 10 } else { 500 };

/// How long the address that is left is asked, at most.
const ASKED_FOR: Duration = Duration::from_millis(2_750);

/// Alice is at home, and somebody proves her key elsewhere. Each in one of three ways.
fn claimed(at_home: usize, elsewhere: usize) -> (Play, Vec<(SocketAddr, String)>) {
    let mut play = play();
    let token = play.token(HOME);
    play.hear(HOME, &format!("[{}]", proofs(&alice(), &token, 1)[at_home]));
    let token = play.token(ELSEWHERE);
    let sent = play.hear(ELSEWHERE, &format!("[{}]", proofs(&alice(), &token, 2)[elsewhere]));
    (play, sent)
}

fn home(play: &Play) -> Option<SocketAddr> {
    play.node.home(&alice().public())
}

fn homes(play: &Play) -> Vec<SocketAddr> {
    play.node.homes_of(&alice().public()).collect()
}

/// The tokens that went to an address with a question where a key's holder is.
fn asked(sent: &[(SocketAddr, String)], at: &str, key: PublicKey) -> Vec<String> {
    let to_there = sent.iter().filter(|(to, _)| *to == address(at)).map(|(_, text)| text);
    let is_question = |text: &&String| field(text, "WhereAreThey") == Some(json!({"ed25519h": key.to_string()}));
    let token =
        |text: &String| field(text, "PleaseAlwaysReturnThisMessage").unwrap()["cookie"].as_str().map(str::to_owned);
    to_there.filter(is_question).filter_map(token).collect()
}

#[test]
fn who_is_still_at_home_keeps_it_whoever_proves_the_key_elsewhere() {
    for (at_home, elsewhere) in [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 1), (2, 2)] {
        let (mut play, sent) = claimed(at_home, elsewhere);
        let tokens = asked(&sent, HOME, alice().public());
        assert_eq!(tokens.len(), 1, "the old address is asked at once, and the new one is not: {sent:?}");
        assert_eq!(homes(&play), [address(HOME), address(ELSEWHERE)], "until then both are written to");
        play.wait(Duration::from_millis(300));
        play.hear(HOME, &format!("[{}]", proofs(&alice(), &tokens[0], 3)[at_home]));
        assert_eq!(homes(&play), [address(HOME)]);
        let later = play.run(Duration::from_secs(10));
        assert_eq!(asked(&later, HOME, alice().public()), [""; 0], "it has answered");
        assert_eq!(home(&play), Some(address(HOME)), "{at_home} {elsewhere}");
        assert_eq!((play.node.counters().homes_refused, play.node.counters().homes_moved), (1, 0));
    }
}

#[test]
fn who_left_an_address_where_nobody_answers_is_found_after_four_questions_with_one_token() {
    let (mut play, sent) = claimed(2, 2);
    let mut tokens = asked(&sent, HOME, alice().public());
    tokens.extend(asked(&play.run(ASKED_FOR), HOME, alice().public()));
    assert_eq!(tokens.len(), usize::from(ASKED_MAX));
    assert!(tokens.iter().all(|token| *token == tokens[0]));
    assert_eq!(homes(&play), [address(ELSEWHERE)]);
    assert_eq!(play.node.counters().homes_moved, 1);
}

#[test]
fn what_was_seen_before_the_question_is_no_answer_to_it() {
    for way in 0..3 {
        let mut play = play();
        let token = play.token(HOME);
        let seen: Vec<String> = (0..4).map(|n| proofs(&alice(), &token, 10 + n)[way].clone()).collect();
        play.hear(HOME, &format!("[{}]", seen[0]));
        let stolen = play.token(ELSEWHERE);
        play.hear(ELSEWHERE, &format!("[{}]", proofs(&alice(), &stolen, 2)[way]));
        // All that was overheard is sent again, as if it came from her home, and what she said beside it.
        for proof in &seen {
            play.run(Duration::from_millis(400));
            play.hear(HOME, &format!("[{proof},{}]", returned(&token)));
            assert_eq!(home(&play), Some(address(HOME)), "it is not decided");
        }
        play.run(ASKED_FOR);
        assert_eq!(home(&play), Some(address(ELSEWHERE)), "{way}");
    }
}

#[test]
fn an_answer_that_is_worse_than_what_is_held_refuses_no_claim() {
    let (mut play, sent) = claimed(2, 2);
    let token = asked(&sent, HOME, alice().public()).remove(0);
    let worse = [wild(&alice(), &token), ours(&thief(), &token), returned(&token)];
    for answer in worse {
        play.hear(HOME, &format!("[{answer}]"));
    }
    play.run(ASKED_FOR);
    assert_eq!(home(&play), Some(address(ELSEWHERE)));
}

#[test]
fn a_node_of_the_wild_keeps_its_home_by_returning_the_new_token_and_signs_nothing() {
    for is_new in [true, false] {
        let mut play = play();
        let before = play.token(HOME);
        play.hear(HOME, &format!("[{}]", wild(&alice(), &before)));
        let stolen = play.token(ELSEWHERE);
        let sent = play.hear(ELSEWHERE, &format!("[{}]", wild(&alice(), &stolen)));
        let token = asked(&sent, HOME, alice().public()).remove(0);
        let token = if is_new { token } else { before };
        play.hear(HOME, &format!(r#"[{{"PleaseAlwaysReturnThisMessage":{{"cookie":"w"}}}},{}]"#, returned(&token)));
        play.run(ASKED_FOR);
        assert_eq!(home(&play) == Some(address(HOME)), is_new);
    }
}

#[test]
fn who_lives_now_where_a_node_of_the_wild_was_holds_nothing_for_it() {
    let mut play = play();
    let token = play.token(HOME);
    play.hear(HOME, &format!("[{}]", wild(&alice(), &token)));
    play.hear(HOME, &format!("[{}]", wild(&thief(), &token)));
    let new = play.token(ELSEWHERE);
    let sent = play.hear(ELSEWHERE, &format!("[{}]", wild(&alice(), &new)));
    let token = asked(&sent, HOME, alice().public()).remove(0);
    play.hear(HOME, &format!("[{}]", returned(&token)));
    play.run(ASKED_FOR);
    assert_eq!(home(&play), Some(address(ELSEWHERE)));
}

#[test]
fn however_many_claim_a_key_its_home_is_asked_once_a_second() {
    let (mut play, sent) = claimed(2, 2);
    let mut questions = asked(&sent, HOME, alice().public());
    let (mut answered, mut claims) = (0, 0);
    for second in 0..20 {
        for thief in 0..5 {
            let thief = format!("198.51.{thief}.{second}:40000");
            let token = play.token(&thief);
            claims += 1;
            let sent = play.hear(&thief, &format!("[{}]", ours(&alice(), &token)));
            questions.extend(asked(&sent, HOME, alice().public()));
            questions.extend(asked(&play.run(Duration::from_millis(200)), HOME, alice().public()));
            // She answers whatever she is asked.
            if let Some(token) = questions.get(answered) {
                play.hear(HOME, &format!("[{}]", ours(&alice(), token)));
                answered = questions.len();
            }
        }
    }
    let most = 20 + usize::from(ASKED_MAX);
    assert!((10..=most).contains(&questions.len()), "{} questions", questions.len());
    assert_eq!(home(&play), Some(address(HOME)));
    assert!(claims == 100 && play.node.sizes().all(|size| size.len <= size.max));
}

#[test]
fn claims_of_many_keys_are_bounded_and_those_of_one_host_few() {
    let mut play = play();
    let person = |n: u8| Identity::from_seed(&[n; 32]);
    for n in 10..110 {
        let (home, elsewhere) = (format!("203.0.{n}.5:24254"), format!("198.51.{n}.7:40000"));
        for (place, ephemeral) in [(home, 1), (elsewhere, 2)] {
            let token = play.wait(Duration::from_millis(3)).token(&place);
            play.hear(&place, &format!("[{}]", sealed(&person(n), &returned(&token), ephemeral)));
        }
        assert!(play.node.sizes().all(|size| size.len <= size.max));
    }
    let open = |play: &Play| (10..110).filter(|n| play.node.homes_of(&person(*n).public()).count() == 2).count();
    assert_eq!(open(&play), CLAIMS_MAX);
}

#[test]
fn who_asks_where_our_key_is_gets_a_proof_that_is_meant_for_it_once_it_has_shown_its_own() {
    let question = format!(r#"{{"WhereAreThey":{{"ed25519h":"{}"}}}}"#, node().public());
    let asks = r#"{"PleaseAlwaysReturnThisMessage":{"cookie":"mine"}}"#;
    for (has_shown, inside) in [
        (false, format!("[{},{}]", returned("mine"), my_key(&node()))),
        (true, format!("[{},{},{}]", returned("mine"), my_key(&node()), meant_for(&alice()))),
    ] {
        let mut play = play();
        let token = play.token(HOME);
        let proof = if has_shown { format!(",{}", ours(&alice(), &token)) } else { String::new() };
        let sent = play.hear(HOME, &format!("[{question},{asks},{}{proof}]", returned(&token)));
        let envelope = field(&sent[0].1, "SignedMessage").unwrap();
        assert_eq!(envelope["payload_json"], json!(inside));
        assert_eq!(
            json!({"SignedMessage": envelope}).to_string().len(),
            signed(&node(), &inside[1..inside.len() - 1]).len()
        );
    }
}

#[test]
fn a_stranger_that_asks_where_our_key_is_gets_no_more_than_it_may_and_a_crowd_of_them_not_much() {
    let mut play = play();
    let question = format!(
        r#"[{{"WhereAreThey":{{"ed25519h":"{}"}}}},{{"PleaseAlwaysReturnThisMessage":{{"cookie":"12345678"}}}}]"#,
        node().public()
    );
    let mut proofs = 0;
    for n in 0..10_000_u32 {
        let [.., a, b] = n.to_be_bytes();
        let answer = play.answer(&format!("192.0.{a}.{b}:24254"), &question);
        assert!(2 * (answer.len() + 28) <= 5 * (question.len() + 28), "{answer}");
        proofs += usize::from(answer.contains("SignedMessage"));
        play.wait(Duration::from_micros(100));
    }
    let longer = format!("{},{}", &question[..question.len() - 1], &returned("87654321")[..]) + "]";
    let answer = play.answer("192.0.99.99:24254", &longer);
    println!("{proofs} proofs in a second; {answer}");
    assert!(proofs <= 16 + 50);
}

#[test]
fn who_has_forgotten_us_and_moved_is_told_who_we_are_and_can_prove_it_as_well_as_before() {
    let mut play = play();
    let token = play.token(HOME);
    play.hear(HOME, &format!("[{}]", ours(&alice(), &token)));
    // She has restarted elsewhere, and does not know that we have a key.
    let token = play.token(ELSEWHERE);
    let asks = r#"{"PleaseAlwaysReturnThisMessage":{"cookie":"hers"}}"#;
    let sent = play.hear(ELSEWHERE, &format!("[{},{asks}]", wild(&alice(), &token)));
    let question = sent.iter().find(|(to, text)| *to == address(ELSEWHERE) && text.contains("WhereAreThey"));
    let shown = field(&question.expect("she is asked for better").1, "SignedMessage").expect("and told who we are");
    let inside = format!("[{},{},{}]", returned("hers"), my_key(&node()), meant_for(&alice()));
    assert_eq!(shown["payload_json"], json!(inside));
    play.hear(ELSEWHERE, &format!("[{}]", ours(&alice(), &token)));
    play.run(ASKED_FOR);
    assert_eq!(home(&play), Some(address(ELSEWHERE)));
}

#[test]
fn what_was_encrypted_for_us_before_a_restart_proves_nothing_after_it() {
    let mut before = play();
    let token = before.verify(HOME);
    let line = r#"{"ChatMessage":{"message":"old"}}"#;
    let envelope = sealed(&alice(), &format!("{},{line}", returned(&token)), 1);
    let hears_it = |play: &mut Play| play.events().iter().any(|event| format!("{event:?}").contains("old"));
    before.hear(HOME, &format!("[{envelope}]"));
    assert_eq!((home(&before), hears_it(&mut before)), (Some(address(HOME)), true));
    before.hear(HOME, &format!("[{envelope}]"));
    assert_eq!((before.node.counters().envelopes_repeated, hears_it(&mut before)), (1, false));
    // The same key, and another life.
    let config = Config { identity: Some(node()), ..Config::default() };
    let mut after = play();
    after.node = Node::new(config, [43; 32], after.now, MemoryStore::default());
    after.hear(HOME, &format!("[{envelope}]"));
    assert_eq!(after.node.counters().envelopes_opened, 1);
    assert_eq!((home(&after), after.node.peer_count(), hears_it(&mut after)), (None, 0, false));
    // Nor does it move anybody who has shown a new token meanwhile.
    let token = after.wait(Duration::from_secs(1)).token(ELSEWHERE);
    after.hear(ELSEWHERE, &format!("[{}]", ours(&alice(), &token)));
    for n in 0..10 {
        let old = sealed(&alice(), &returned("AAAAAAAA"), 10 + n);
        after.wait(Duration::from_secs(1)).hear(HOME, &format!("[{old}]"));
    }
    assert_eq!(homes(&after), [address(ELSEWHERE)]);
}

/// Two nodes that know each other, and a third party that knows both.
fn village(seed: u8) -> Village {
    let mut village = Village::seeded(&["203.0.113.1:24254", "203.0.114.2:24254", "198.51.100.3:24254"], seed);
    village.run(Duration::from_secs(120));
    assert_eq!(village.says(0, 1), Some(address("203.0.114.2:24254")));
    village
}

#[test]
fn who_carries_between_two_others_what_they_say_moves_neither() {
    let mut village = village(0);
    let (one, two) = (village.nodes[0].1, village.nodes[1].1);
    let [left, right] = ["192.0.2.66:24254", "192.0.3.66:24254"].map(address);
    // What one sends to the left comes to two from the right, and the other way round.
    village.relay = Some(Relay { left, right, one, two });
    let now = village.now;
    village.nodes[0].0.handle_command(now, Command::AddPeer(left)).unwrap();
    village.nodes[1].0.handle_command(now, Command::AddPeer(right)).unwrap();
    for _ in 0..600 {
        village.run(Duration::from_secs(1));
        assert_eq!((village.says(0, 1), village.says(1, 0)), (Some(two), Some(one)));
    }
    assert!(village.relayed > 100, "only {} datagrams were carried", village.relayed);
    assert!(village.nodes[0].0.counters().homes_refused > 0, "nobody claimed anything");
}

/// How long it takes until something for a mover goes to where it is, from its first datagram from there to who sends
/// that, whether that datagram arrives or not. One of ten is lost.
fn time_to_reach(village_seed: u8, seed: u64) -> Duration {
    let mut village = village(village_seed);
    village.lose(100, seed);
    let place = address("192.0.2.77:24254");
    village.nodes[1].1 = place;
    let (moved, key) = (village.now, village.nodes[1].0.public_key());
    village.nodes[1].0.handle_command(moved, Command::NetworkChanged).unwrap();
    while !village.nodes[0].0.homes_of(&key).any(|home| home == place) {
        village.run(Duration::from_millis(20));
    }
    // It writes to its neighbours 10 ms later, which is as good as at once.
    let taken = village.now.since(moved);
    village.run(Duration::from_secs(5));
    assert_eq!(village.says(0, 1), Some(place), "seed {seed}");
    taken
}

#[test]
fn all_movers_are_reachable_within_five_seconds_where_a_tenth_is_lost() {
    let mut taken: Vec<Duration> = Vec::new();
    for village_seed in 0..3 {
        taken.extend((0..MOVERS).map(|seed| time_to_reach(village_seed, seed)));
    }
    taken.sort();
    let of = |thousandth: usize| taken[(taken.len() - 1) * thousandth / 1_000];
    println!("{} movers: half {:?}, 99 % {:?}, the slowest {:?}", taken.len(), of(500), of(990), of(1_000));
    assert!(of(1_000) <= Duration::from_secs(5), "the slowest took {:?}", of(1_000));
}
