//! One node, looked at closely: what it says to whom, and what it keeps to itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod play;

use cjp2p_node::identity::Identity;
use cjp2p_node::node::{Command, CommandError, Config, Event};
use play::{Play, address, field, shows_key};
use std::time::Duration;

const STRANGER: &str = "198.51.100.7:40000";
const PEER: &str = "203.0.113.5:24254";
const POKE: &str = r#"[{"PleaseSendPeers":{}}]"#;
/// The address with the longest IPv4 text below 21 characters: the budget promises it a place beside the token.
const FAR: &str = "198.51.100.234:65535";

#[test]
fn the_first_poke_earns_an_address_and_a_token_in_102_bytes() {
    let mut play = Play::new();
    play.verify(FAR);
    let answer = play.answer(STRANGER, POKE);
    assert!(answer.len() <= 102, "{answer}");
    assert_eq!(field(&answer, "Peers").unwrap()["peers"][0], FAR);
    assert_eq!(field(&answer, "PleaseAlwaysReturnThisMessage").unwrap()["cookie"].as_str().unwrap().len(), 8);
}

#[test]
fn an_overdrawn_stranger_still_gets_its_token() {
    let mut play = Play::new();
    play.verify(FAR);
    let lengths: Vec<usize> = (0..20).map(|_| play.answer(STRANGER, POKE).len()).collect();
    assert!(lengths.iter().all(|length| *length >= 57), "{lengths:?}");
    assert!(lengths.iter().sum::<usize>() + 20 * 28 <= 20 * 2 * 52 + 26, "{lengths:?}");
}

#[test]
fn a_verified_asker_gets_46_peers_and_none_of_them_is_itself() {
    let mut play = Play::new();
    for n in 1..=60 {
        play.verify(&format!("203.{n}.0.1:24254"));
    }
    let answer = play.answer_verified(PEER, r#"{"PleaseSendPeers":{}}"#);
    let peers = field(&answer, "Peers").unwrap()["peers"].as_array().unwrap().clone();
    assert_eq!(peers.len(), 46);
    assert!(!peers.iter().any(|peer| peer == PEER));
    assert!(field(&answer, "PleaseAlwaysReturnThisMessage").is_none(), "it has our token already");
}

#[test]
fn a_token_comes_back_as_the_same_json_value_whatever_its_type() {
    for token in
        [r#"{"cookie":"s"}"#, r#"{ "cookie" : "s", "x":[1, 2.50] }"#, "42", r#""text""#, r#"["a",0]"#, "null", "1e999"]
    {
        let mut play = Play::new();
        let answer = play
            .answer(STRANGER, &format!(r#"[{{"PleaseSendPeers":{{}}}},{{"PleaseAlwaysReturnThisMessage":{token}}}]"#));
        assert!(answer.contains(&format!(r#"{{"AlwaysReturned":{token}}}"#)), "{token}: {answer}");
    }
}

#[test]
fn a_probe_is_returned_as_the_same_json_value_whatever_its_type() {
    for probe in [r#"{"cookie":"1.25"}"#, "5.250", r#"["a"]"#, "null", r#"{"t":{}}"#] {
        let answer = Play::new().answer(STRANGER, &format!(r#"[{{"PleaseReturnThisMessage":{probe}}}]"#));
        assert!(answer.contains(&format!(r#"{{"ReturnedMessage":{probe}}}"#)), "{probe}: {answer}");
    }
}

#[test]
fn tokens_alone_are_never_the_whole_of_an_answer_to_tokens() {
    let mut play = Play::new();
    let token = play.verify(PEER);
    for text in [
        format!(r#"[{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#),
        format!(
            r#"[{{"AlwaysReturned":{{"cookie":"{token}"}}}},{{"PleaseAlwaysReturnThisMessage":{{"cookie":"x"}}}}]"#
        ),
        r#"[{"AlwaysReturned":{"cookie":"wrong"}}]"#.to_owned(),
        "[]".to_owned(),
        r#"[{"NoSuchMessage":{}}]"#.to_owned(),
    ] {
        let mut sent = play.hear(PEER, &text);
        // A neighbour is shown the node's key once for each token that it wants to have returned, which is no answer.
        sent.retain(|(to, payload)| *to != address(PEER) || !shows_key(payload));
        assert_eq!(sent, [], "{text}");
    }
}

#[test]
fn a_stranger_who_knocks_with_its_token_alone_is_answered_and_seldom() {
    let mut play = Play::new();
    let knock = r#"[{"PleaseAlwaysReturnThisMessage":{"cookie":"03e55ec0"}}]"#;
    let answer = play.answer(STRANGER, knock);
    assert_eq!(field(&answer, "AlwaysReturned").unwrap()["cookie"], "03e55ec0");
    assert!(field(&answer, "PleaseSendPeers").is_some());
    assert!(field(&answer, "PleaseAlwaysReturnThisMessage").is_some());
    let mut answers = 1;
    for _ in 0..3_600 {
        play.wait(Duration::from_secs(1));
        answers += play.hear(STRANGER, knock).len();
    }
    assert!(answers <= 12, "{answers} answers in an hour");
}

#[test]
fn what_we_sent_ourselves_and_comes_back_is_dropped() {
    let mut play = Play::with(Config { contacts: vec![address(PEER)], ..Config::default() });
    let contact = play.run(Duration::from_millis(1));
    assert_eq!(contact.len(), 1);
    assert_eq!(play.hear(PEER, &contact[0].1), []);
    let token_request = format!(r#"[{{"PleaseAlwaysReturnThisMessage":{{"cookie":"{}"}}}}]"#, play.token(STRANGER));
    assert_eq!(play.hear(STRANGER, &token_request), []);
    assert_eq!(play.node.counters().datagrams_reflected, 2);
    assert_eq!(play.node.peer_count(), 0);
}

#[test]
fn a_peer_that_echoes_no_token_is_believed_for_returning_our_probe() {
    let mut play = Play::with(Config { contacts: vec![address(PEER)], ..Config::default() });
    let contact = play.run(Duration::from_millis(1)).remove(0).1;
    let probe = field(&contact, "PleaseReturnThisMessage").unwrap();
    play.hear("203.0.113.6:24254", &format!(r#"[{{"ReturnedMessage":{probe}}}]"#));
    assert_eq!(play.node.peer_count(), 0, "another address proves nothing with it");
    play.hear(PEER, &format!(r#"[{{"ReturnedMessage":{probe}}}]"#));
    assert_eq!(play.node.peer_count(), 1);
}

#[test]
fn only_addresses_that_returned_our_token_are_passed_on() {
    let mut play = Play::new();
    let token = play.verify(PEER);
    play.hear(
        PEER,
        &format!(r#"[{{"Peers":{{"peers":["8.8.8.8:24254"]}}}},{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#),
    );
    let answer = play.answer_verified("203.0.113.9:24254", r#"{"PleaseSendPeers":{}}"#);
    assert_eq!(field(&answer, "Peers").unwrap()["peers"], serde_json::json!([PEER]));
}

#[test]
fn bad_entries_and_bad_elements_do_not_spoil_their_neighbours() {
    let mut play = Play::new();
    let token = play.verify(PEER);
    let sent = play.hear(PEER, &format!(
        r#"[17,"x",null,1e999,{{}},{{"a":1,"b":2}},{{"Peers":{{"peers":[7,"no address","8.8.8.8:24254",{{}},"\u0039.9.9.9:24254"]}}}},{{"PleaseReturnThisMessage":{{"cookie":"n"}}}},{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#
    ));
    let to: Vec<String> = sent.iter().map(|(to, _)| to.to_string()).collect();
    assert_eq!(to, ["8.8.8.8:24254", "9.9.9.9:24254", PEER], "two contacts and one answer");
    assert_eq!(play.node.counters().elements_malformed, 6);
}

#[test]
fn messages_we_do_not_know_reach_applications_byte_for_byte() {
    let mut play = Play::new();
    play.hear(STRANGER, r#"[{"PongMove":{ "x": 1.50 ,"y":"ä"}}]"#);
    let expected = Event::Unknown {
        from: address(STRANGER),
        is_verified: false,
        name: "PongMove".to_owned(),
        payload: r#"{ "x": 1.50 ,"y":"ä"}"#.to_owned(),
    };
    assert_eq!(play.events(), [expected]);
}

#[test]
fn chat_is_heard_from_verified_senders_and_not_from_ignored_ones() {
    let mut play = Play::new();
    play.hear(STRANGER, r#"[{"ChatMessage":{"message":"hello"}}]"#);
    assert_eq!(play.events(), []);
    let token = play.verify(PEER);
    let hello = format!(r#"[{{"ChatMessage":{{"message":"hello"}}}},{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#);
    play.hear(PEER, &hello);
    assert_eq!(play.events(), [Event::Chat { from: address(PEER), key: None, text: "hello".to_owned() }]);
    play.node.handle_command(play.now, Command::Ignore(address(PEER).ip())).unwrap();
    play.hear(PEER, &hello);
    assert_eq!(play.events(), []);
    play.node.handle_command(play.now, Command::Heed(address(PEER).ip())).unwrap();
    play.hear(PEER, &hello);
    assert_eq!(play.events().len(), 1);
}

#[test]
fn nobody_can_say_more_than_a_person_can_read() {
    let mut play = Play::new();
    let token = play.verify(PEER);
    for n in 0..1_000 {
        play.hear(
            PEER,
            &format!(r#"[{{"ChatMessage":{{"message":"{n}"}}}},{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#),
        );
    }
    assert_eq!(play.events().len(), 5);
    assert_eq!(play.node.counters().messages_over_rate, 995);
}

#[test]
fn ping_and_version_are_answered_as_the_wild_does() {
    let answer = Play::new().answer_verified(PEER, r#"{"ChatMessage":{"message":"/ping"}}"#);
    assert_eq!(field(&answer, "ChatMessage").unwrap()["message"], "PONG");
    assert!(field(&answer, "PleaseReturnThisMessage").is_some());
    let answer = Play::new().answer_verified(PEER, r#"{"ChatMessage":{"message":"/version"}}"#);
    assert_eq!(field(&answer, "ChatMessage").unwrap()["message"], "VERSION cjp2p-node test");
}

#[test]
fn a_group_message_is_reported_once_whoever_repeats_it() {
    let mut play = Play::new();
    let mut all_reports = Vec::new();
    for peer in [PEER, "203.0.113.6:24254", PEER] {
        let token = play.verify(peer);
        play.hear(peer, &format!(
            r#"[{{"GroupChatMessage":{{"group_name":"main","text":"hi","timestamp":1700000000000}}}},{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#
        ));
        let reports = play.events().len();
        all_reports.push(reports);
    }
    assert_eq!(all_reports, [1, 0, 0]);
}

#[test]
fn a_command_that_cannot_be_carried_out_says_why_and_sends_nothing() {
    let mut play = Play::new();
    let to = address(PEER);
    let chat = |text: &str| Command::Chat { to, text: text.to_owned() };
    let group = Command::GroupChat { group: "main".to_owned(), text: "hi".to_owned(), unix_ms: 1 };
    assert_eq!(play.node.handle_command(play.now, chat("hi")), Err(CommandError::NotVerified(to)));
    assert_eq!(play.node.handle_command(play.now, Command::Ping(to)), Err(CommandError::NotVerified(to)));
    assert_eq!(play.node.handle_command(play.now, group), Err(CommandError::NobodyInReach));
    let nobody = address("255.255.255.255:24254");
    assert_eq!(play.node.handle_command(play.now, Command::AddPeer(nobody)), Err(CommandError::NotAnAddress(nobody)));
    assert_eq!(play.sent(), []);
    play.verify(PEER);
    assert_eq!(play.node.handle_command(play.now, chat("")), Err(CommandError::BadText));
    assert_eq!(play.node.handle_command(play.now, chat(&"x".repeat(2_001))), Err(CommandError::BadText));
    assert_eq!(play.sent(), []);
    assert_eq!(play.node.handle_command(play.now, chat("hi")), Ok(()));
    assert_eq!(play.sent().len(), 1);
}

#[test]
fn every_line_that_is_sent_is_heard_although_the_network_is_uneven() {
    let (mut author, mut reader) =
        (Play::new(), Play::with(Config { identity: Some(Identity::from_seed(&[2; 32])), ..Config::default() }));
    let token = author.verify(PEER);
    // So that they are neighbours.
    author.hear(PEER, &format!(r#"[{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#));
    let token = reader.verify(STRANGER);
    let (mut sent, mut heard) = (0, 0);
    for n in 0..400_u64 {
        let text = format!("line {n}");
        let outcome = if n % 2 == 0 {
            author.node.handle_command(author.now, Command::Chat { to: address(PEER), text })
        } else {
            author.node.handle_command(author.now, Command::GroupChat { group: "main".to_owned(), text, unix_ms: n })
        };
        assert!(matches!(outcome, Ok(()) | Err(CommandError::TooFast)), "{outcome:?}");
        sent += u32::from(outcome.is_ok());
        // Earlier ones are repeated, because nobody here confirms them.
        let is_new =
            |payload: &str| [format!("line {n}\""), format!("line {n}\\\"")].iter().any(|new| payload.contains(new));
        let lines: Vec<_> = author.sent().into_iter().filter(|(_, payload)| is_new(payload)).collect();
        assert_eq!(lines.len(), usize::from(outcome.is_ok()));
        // The first line of a burst is late by most of a second, and those after it are not.
        let delay = Duration::from_millis(if n < 50 { 900 } else { 10 });
        for (_, payload) in lines {
            reader.now = reader.now.max(author.now + delay);
            let open = payload.strip_suffix(']').unwrap();
            reader.hear(STRANGER, &format!(r#"{open},{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#));
            heard += reader.events().iter().filter(|e| !matches!(e, Event::PeerVerified(_))).count();
        }
        author.wait(Duration::from_millis(if n < 50 { 0 } else { 100 }));
    }
    assert_eq!(usize::try_from(sent).unwrap(), heard, "of the lines that were sent");
    assert!((35..=45).contains(&sent), "{sent} in 35 seconds");
}

#[test]
fn a_wished_for_ping_is_reported_with_its_round_trip() {
    let mut play = Play::new();
    play.verify(PEER);
    play.node.handle_command(play.now, Command::Ping(address(PEER))).unwrap();
    let probe = field(&play.sent()[0].1, "PleaseReturnThisMessage").unwrap();
    play.wait(Duration::from_millis(30));
    play.hear(PEER, &format!(r#"[{{"ReturnedMessage":{probe}}},{{"ReturnedMessage":{probe}}}]"#));
    let round_trip = Duration::from_millis(30);
    assert_eq!(play.events(), [Event::RoundTrip { from: address(PEER), round_trip }]);
}

#[test]
fn garbage_that_pretends_to_be_a_returned_probe_changes_nothing() {
    let mut play = Play::new();
    play.verify(PEER);
    for payload in ["-1", "1e308", r#"{"cookie":"-99999999999999999999"}"#, r#"{"cookie":""}"#, "null", "[]"] {
        assert_eq!(play.hear(PEER, &format!(r#"[{{"ReturnedMessage":{payload}}}]"#)), []);
    }
    assert_eq!(play.node.peers(play.now, 1)[0].round_trip, None);
}

#[test]
fn a_stranger_who_asks_for_everything_gets_its_token_and_probe_back_before_more_addresses() {
    let mut play = Play::new();
    for n in 1..=60 {
        play.verify(&format!("203.{n}.0.1:24254"));
    }
    let answer = play.answer(
        STRANGER,
        r#"[{"PleaseSendPeers":{}},{"PleaseReturnThisMessage":{"cookie":"p"}},{"PleaseAlwaysReturnThisMessage":{"cookie":"t"}}]"#,
    );
    assert_eq!(field(&answer, "ReturnedMessage").unwrap()["cookie"], "p");
    assert_eq!(field(&answer, "AlwaysReturned").unwrap()["cookie"], "t");
    assert!(field(&answer, "Peers").unwrap()["peers"].as_array().unwrap().len() >= 5, "{answer}");
}

#[test]
fn a_crowd_on_this_machine_hides_nobody_from_the_world() {
    let mut play = Play::new();
    for n in 0..2_000 {
        play.verify(&format!("127.0.0.1:{}", 20_000 + n));
    }
    for n in 1..=20 {
        play.verify(&format!("77.{n}.1.1:24254"));
    }
    for n in 1..=100 {
        // By now whoever the asker happens to share an account with has paid its debt.
        play.wait(Duration::from_secs(60));
        let answer = play.answer(&format!("{}.9.9.9:5000", n + 50), POKE);
        let peers = field(&answer, "Peers").unwrap();
        assert_eq!(peers["peers"].as_array().unwrap().len(), 1, "asker {n}: {answer}");
    }
}

#[test]
fn a_stranger_is_never_told_that_nobody_is_there_only_because_no_name_fits() {
    let mut play = Play::new();
    (1..=20).for_each(|n| _ = play.verify(&format!("203.{n}.113.200:24254")));
    for padding in 0..80 {
        let stranger = format!("198.51.100.7:{}", 40_000 + padding);
        let question = format!(r#"[{{"PleaseSendPeers":{{}}}}{}]"#, " ".repeat(padding));
        for _ in 0..2 {
            let answer = play.answer(&stranger, &question);
            assert!(!answer.contains(r#""peers":[]"#) && answer.contains("PleaseAlwaysReturnThisMessage"), "{answer}");
        }
    }
}
