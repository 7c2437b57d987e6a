//! Which token a peer is owed, when anybody can forge a datagram that asks for another.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod play;

use cjp2p_node::node::Command;
use play::{Play, address, field};
use serde_json::Value;
use std::time::Duration;

const PEER: &str = "203.0.113.5:24254";

/// A node and a peer that returned our token and asked for its own, `honest`.
fn acquainted() -> (Play, String) {
    let mut play = Play::new();
    let token = play.verify(PEER);
    play.hear(PEER, &proven(r#"{"PleaseAlwaysReturnThisMessage":"honest"}"#, &token));
    (play, token)
}

fn proven(elements: &str, token: &str) -> String {
    format!(r#"[{elements},{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#)
}

/// What somebody says who does not know our token.
fn asking(token: &str) -> String {
    format!(r#"[{{"PleaseAlwaysReturnThisMessage":"{token}"}}]"#)
}

/// The token that the peer finds in what we send it of ourselves.
fn owed(play: &mut Play) -> Value {
    play.node.handle_command(play.now, Command::Ping(address(PEER))).unwrap();
    field(&play.sent()[0].1, "AlwaysReturned").unwrap_or_default()
}

#[test]
fn a_forged_datagram_does_not_change_the_token_that_a_peer_is_owed() {
    let (mut play, token) = acquainted();
    let follow_up = play.answer(PEER, &asking("forged"));
    assert_eq!(field(&follow_up, "AlwaysReturned").unwrap(), "forged", "it may have restarted");
    assert!(field(&follow_up, "PleaseAlwaysReturnThisMessage").is_some());
    let probe = field(&follow_up, "PleaseReturnThisMessage").unwrap();
    assert_eq!(owed(&mut play), "honest");
    play.hear(PEER, &proven(r#"{"NoSuchMessage":{}}"#, &token));
    assert_eq!(owed(&mut play), "honest", "the peer went on as if nothing had happened");
    let answer = format!(r#"{{"ReturnedMessage":{probe}}},{{"PleaseAlwaysReturnThisMessage":"honest"}}"#);
    play.hear(PEER, &proven(&answer, &token));
    assert_eq!(owed(&mut play), "honest", "the peer answered that it knows no such token");
}

#[test]
fn a_question_is_answered_with_the_token_that_came_with_it_and_the_proven_one_is_kept() {
    let (mut play, _) = acquainted();
    let text = r#"[{"PleaseSendPeers":{}},{"PleaseAlwaysReturnThisMessage":"forged"}]"#;
    assert_eq!(field(&play.answer(PEER, text), "AlwaysReturned").unwrap(), "forged");
    // Long enough to earn an answer with room for both tokens.
    let question = format!(r#"[{{"PleaseSendPeers":{{"more":"{}"}}}}]"#, "x".repeat(100));
    assert_eq!(field(&play.answer(PEER, &question), "AlwaysReturned").unwrap(), "honest");
    assert_eq!(owed(&mut play), "honest");
}

#[test]
fn a_peer_that_restarted_is_owed_its_new_token_once_it_has_proved_itself() {
    let returned = |follow_up: &str| {
        let probe = field(follow_up, "PleaseReturnThisMessage").unwrap();
        format!(r#"{{"ReturnedMessage":{probe}}}"#)
    };
    // It accepts the follow-up and has no reason to ask again.
    let (mut play, token) = acquainted();
    let follow_up = play.answer(PEER, &asking("new"));
    play.hear(PEER, &proven(&returned(&follow_up), &token));
    assert_eq!(owed(&mut play), "new");
    // It echoes no token and returns the probe alone.
    let (mut play, _) = acquainted();
    let follow_up = play.answer(PEER, &asking("new"));
    play.hear(PEER, &format!("[{}]", returned(&follow_up)));
    assert_eq!(owed(&mut play), "new");
    // It asks for yet another.
    let (mut play, token) = acquainted();
    play.answer(PEER, &asking("new"));
    play.hear(PEER, &proven(r#"{"PleaseAlwaysReturnThisMessage":"newer"}"#, &token));
    assert_eq!(owed(&mut play), "newer");
    // The follow-up is lost. The next probe carries the old token, and is answered with a request for the new one.
    let (mut play, _) = acquainted();
    play.answer(PEER, &asking("new"));
    play.node.handle_command(play.now, Command::Ping(address(PEER))).unwrap();
    let probe = play.sent().remove(0).1;
    let text = format!(r#"[{},{{"PleaseAlwaysReturnThisMessage":"new"}}]"#, returned(&probe));
    play.hear(PEER, &text);
    assert_eq!(owed(&mut play), "new");
}

#[test]
fn a_token_forged_while_the_follow_up_travels_is_not_the_one_that_it_proves() {
    let (mut play, token) = acquainted();
    let follow_up = play.answer(PEER, &asking("new"));
    play.wait(Duration::from_secs(1));
    assert_eq!(play.hear(PEER, &asking("forged")), [], "not so soon");
    let probe = field(&follow_up, "PleaseReturnThisMessage").unwrap();
    play.hear(PEER, &proven(&format!(r#"{{"ReturnedMessage":{probe}}}"#), &token));
    assert_ne!(owed(&mut play), "forged");
}

#[test]
fn a_forged_change_of_token_makes_us_write_no_more_often_than_every_five_seconds() {
    let (mut play, _) = acquainted();
    let mut sent = 0;
    for tenth in 0..600 {
        sent += play.hear(PEER, &asking(&format!("forged {tenth}"))).len();
        play.wait(Duration::from_millis(100));
    }
    assert!((10..=12).contains(&sent), "{sent} in a minute");
}
