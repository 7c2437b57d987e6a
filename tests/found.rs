//! What fuzzing found: each test is a broken promise that now holds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod play;

use cjp2p_node::node::{Command, Config, Destination, Transmit};
use play::{Play, address};
use std::time::Duration;

const STRANGER: &str = "198.51.100.7:40000";

#[test]
fn an_answer_to_a_stranger_stays_within_the_datagram_limit_however_long_the_request() {
    let mut play = Play::new();
    for n in 1..=60 {
        play.verify(&format!("203.0.{n}.1:24254"));
    }
    let padding = "x".repeat(50_000);
    let questions = r#"{"PleaseSendPeers":{}},"#.repeat(200);
    for request in [
        format!(r#"[{questions}{{"Padding":"{padding}"}}]"#),
        format!(r#"[{{"PleaseReturnThisMessage":"{padding}"}}]"#),
        format!(r#"[{questions}{{"PleaseReturnThisMessage":"{padding}"}}]"#),
    ] {
        let answer = play.answer(STRANGER, &request);
        assert!((57..=5_888).contains(&answer.len()), "{} bytes", answer.len());
    }
}

#[test]
fn a_token_in_any_other_shape_than_ours_proves_nothing() {
    let mut play = Play::new();
    let token = play.token(STRANGER);
    for payload in [format!(r#"["{token}"]"#), format!(r#""{token}""#), format!(r#"{{"token":"{token}"}}"#)] {
        play.hear(STRANGER, &format!(r#"[{{"AlwaysReturned":{payload}}}]"#));
        assert_eq!(play.node.peer_count(), 0, "{payload}");
    }
    play.hear(STRANGER, &format!(r#"[{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#));
    assert_eq!(play.node.peer_count(), 1);
}

#[test]
fn an_answer_that_could_not_be_sent_gives_no_contact_back() {
    let mut play = Play::with(Config { contacts: vec![address(STRANGER)], ..Config::default() });
    let mut contacts = 0;
    for _ in 0..3_600 {
        contacts += play.run(Duration::from_secs(1)).len();
        let answer = play.answer(STRANGER, r#"[{"PleaseSendPeers":{}}]"#);
        let to = Destination::Address(address(STRANGER));
        let unsent = Command::Unsent(Transmit { to, payload: answer.into_bytes() });
        play.node.handle_command(play.now, unsent).unwrap();
    }
    assert!((5..=12).contains(&contacts), "{contacts} contacts in an hour");
}
