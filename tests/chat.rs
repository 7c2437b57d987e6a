//! Who is heard, how often, and who no longer: lines from others on somebody's console.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod play;

use cjp2p_node::node::{Command, Event};
use play::{Play, address};
use std::time::Duration;

fn line(text: &str, token: &str) -> String {
    format!(r#"[{{"ChatMessage":{{"message":"{text}"}}}},{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#)
}

fn lines(play: &mut Play) -> usize {
    play.events().iter().filter(|event| matches!(event, Event::Chat { .. } | Event::GroupChat { .. })).count()
}

#[test]
fn all_addresses_of_an_ipv6_network_of_one_customer_are_one_speaker() {
    let mut play = Play::new();
    let speakers: Vec<_> = (1..=7).map(|n| format!("[2001:db8:0:7::{n}]:24254")).collect();
    let tokens: Vec<_> = speakers.iter().map(|speaker| play.verify(speaker)).collect();
    for (speaker, token) in speakers.iter().zip(&tokens) {
        (0..5).for_each(|n| _ = play.hear(speaker, &line(&n.to_string(), token)));
    }
    assert_eq!(lines(&mut play), 5);
    play.wait(Duration::from_secs(60));
    play.node.handle_command(play.now, Command::Ignore(address(&speakers[0]).ip())).unwrap();
    play.hear(&speakers[1], &line("me again", &tokens[1]));
    assert_eq!(lines(&mut play), 0, "its neighbour is ignored with it");
    let other = "[2001:db8:0:8::1]:24254";
    let token = play.verify(other);
    play.hear(other, &line("hello", &token));
    assert_eq!(lines(&mut play), 1, "another customer is not");
    play.node.handle_command(play.now, Command::Heed(address(&speakers[2]).ip())).unwrap();
    play.hear(&speakers[1], &line("and again", &tokens[1]));
    assert_eq!(lines(&mut play), 1);
}

#[test]
fn neighbours_on_one_link_are_speakers_of_their_own() {
    let mut play = Play::new();
    let speakers: Vec<_> = (1..=4).map(|n| format!("[fe80::{n}]:24254")).collect();
    let tokens: Vec<_> = speakers.iter().map(|speaker| play.verify(speaker)).collect();
    for (speaker, token) in speakers.iter().zip(&tokens) {
        (0..5).for_each(|n| _ = play.hear(speaker, &line(&n.to_string(), token)));
    }
    assert_eq!(lines(&mut play), 20);
}

#[test]
fn a_sender_for_whom_there_was_no_room_among_the_peers_is_not_heard() {
    let mut play = Play::new();
    let tokens: Vec<_> = (1..=9).map(|n| play.verify(&format!("203.0.{n}.1:24254"))).collect();
    assert_eq!(play.node.peer_count(), 8);
    play.hear("203.0.9.1:24254", &line("hello", &tokens[8]));
    assert_eq!(lines(&mut play), 0);
    assert_eq!(play.node.counters().messages_unverified, 1);
    play.hear("203.0.8.1:24254", &line("hello", &tokens[7]));
    assert_eq!(lines(&mut play), 1);
}

#[test]
fn many_speakers_together_cannot_flood_the_console() {
    let mut play = Play::new();
    let speakers: Vec<_> = (1..=200).map(|n| format!("{n}.77.1.1:24254")).collect();
    let tokens: Vec<_> = speakers.iter().map(|speaker| play.verify(speaker)).collect();
    let mut shown = 0;
    for second in 0..60 {
        for (speaker, token) in speakers.iter().zip(&tokens) {
            play.hear(speaker, &line(&second.to_string(), token));
        }
        shown += lines(&mut play);
        play.wait(Duration::from_secs(1));
    }
    assert!((200..=40 + 5 * 60).contains(&shown), "{shown} lines in a minute");
    assert_eq!(play.node.counters().messages_over_rate, 200 * 60 - shown as u64);
}

#[test]
fn a_line_that_everybody_repeats_costs_the_others_nothing() {
    let mut play = Play::new();
    let speakers: Vec<_> = (1..=200).map(|n| format!("{n}.77.1.1:24254")).collect();
    let tokens: Vec<_> = speakers.iter().map(|speaker| play.verify(speaker)).collect();
    for (speaker, token) in speakers.iter().zip(&tokens) {
        play.hear(speaker, &format!(
            r#"[{{"GroupChatMessage":{{"group_name":"main","text":"hi","timestamp":1}}}},{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#
        ));
    }
    assert_eq!(lines(&mut play), 1);
    play.hear(&speakers[7], &line("hello", &tokens[7]));
    assert_eq!(lines(&mut play), 1);
}
