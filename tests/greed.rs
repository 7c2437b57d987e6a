//! What one asker, one source or one forger must not take away from all others: each was found by somebody who tried.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod play;

use cjp2p_node::content::{ContentId, SharedFile};
use cjp2p_node::node::{Command, Config, RECOMMENDED_PER_SENDER_MAX, StreamCommand};
use cjp2p_node::stream::StreamId;
use cjp2p_node::stream::follow::From;
use cjp2p_node::transfer::Held;
use play::{Play, address, field};
use std::collections::BTreeSet;
use std::time::Duration;

const FRIEND: &str = "198.51.100.1:24254";

const STREAM: &str = "stream/3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c/radio";

fn with_token(elements: &str, token: &str) -> String {
    format!(r#"[{elements},{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#)
}

/// One host with as many ports as may wait for their turn.
#[test]
fn no_host_keeps_others_from_their_turn_with_many_ports() {
    let mut play = Play::with(Config { upload_limit: Some(200_000), ..Config::default() });
    let file = play.node.store_mut().insert("f", vec![7; 1 << 20]);
    let id = file.id();
    play.node.handle_command(play.now, Command::Share(file)).unwrap();
    let ports: Vec<_> = (0..100).map(|n| format!("203.0.113.5:{}", 20_000 + n)).collect();
    let tokens: Vec<_> = ports.iter().map(|port| play.token(port)).collect();
    let honest = "9.9.9.9:24254";
    let token = play.verify(honest);
    let ask = |n: u64, token: &str| {
        let offset = n * 4_096 % (1 << 20);
        with_token(&format!(r#"{{"PleaseSendContent":{{"id":"{id}","offset":{offset},"length":4096}}}}"#), token)
    };
    let (mut got, mut all) = (0, 0);
    for step in 0..100 {
        let mut sent = Vec::new();
        for (port, token) in ports.iter().zip(&tokens) {
            sent.extend(play.hear(port, &ask(step, token)));
        }
        sent.extend(play.hear(honest, &ask(step, &token)));
        sent.extend(play.run(Duration::from_millis(100)));
        let parts = sent.iter().filter(|(_, text)| text.contains("base64"));
        for (to, text) in parts {
            all += text.len();
            got += if *to == address(honest) { text.len() } else { 0 };
        }
    }
    assert!(got >= all / 10, "of {all} bytes in ten seconds one asker got {got}, the ports of one host the rest");
}

/// What others say about a content that is being fetched, or a stream that is followed, in the name of somebody who is
/// asked for it.
#[test]
fn forged_names_of_holders_use_up_nothing_of_what_a_peer_may_name() {
    for id in ["ab".repeat(32), STREAM.to_owned()] {
        let mut play = Play::new();
        let token = play.verify(FRIEND);
        fetch(&mut play, &id, Held::default());
        play.run(Duration::from_secs(2));
        for third in 0..40 {
            let names: Vec<_> = (1..=8).map(|n| format!("\"8.8.{third}.{n}:24254\"")).collect();
            play.hear(FRIEND, &format!(r#"[{{"MaybeTheyHaveSome":{{"id":"{id}","peers":[{}]}}}}]"#, names.join(",")));
        }
        let before = play.node.heard_count();
        let names: Vec<_> = (1..=8).map(|n| format!("\"{n}.77.1.1:24254\"")).collect();
        play.hear(FRIEND, &with_token(&format!(r#"{{"Peers":{{"peers":[{}]}}}}"#, names.join(",")), &token));
        assert_eq!(
            play.node.heard_count() - before,
            8,
            "of eight names from the peer itself, after {before} forged ones"
        );
    }
}

/// A hint makes us try others only if it is about something wanted, from somebody asked for it, and names addresses
/// that make sense; and eight at most.
#[test]
fn hints_about_contents_and_streams_are_followed_under_the_same_rule() {
    for id in ["ab".repeat(32), STREAM.to_owned()] {
        let mut play = Play::new();
        let (token, other) = (play.verify(FRIEND), play.verify("9.9.9.9:24254"));
        let maybe = |peers: &str, token: &str| {
            with_token(&format!(r#"{{"MaybeTheyHaveSome":{{"id":"{id}","peers":[{peers}]}}}}"#), token)
        };
        let tried = |play: &mut Play, from: &str, text: &str| {
            let sent = play.hear(from, text);
            sent.into_iter().filter(|(to, _)| to.ip().to_string().starts_with("8.8.")).count()
        };
        assert_eq!(tried(&mut play, FRIEND, &maybe(r#""8.8.1.1:24254""#, &token)), 0, "{id} is not wanted yet");
        fetch(&mut play, &id, Held::default());
        let bad = r#""8.8.2.1:80","8.8.2.2:0","8.8.2.3","127.0.0.1:24254","10.0.0.1:24254","x""#;
        let ignored = play.node.counters().addresses_ignored;
        assert_eq!(tried(&mut play, FRIEND, &maybe(bad, &token)), 0, "{id}");
        assert_eq!(play.node.counters().addresses_ignored - ignored, 6, "{id}");
        // It has said that it has nothing, and is asked for a stream again later.
        play.run(Duration::from_secs(3));
        assert_eq!(tried(&mut play, "9.9.9.8:24254", &maybe(r#""8.8.3.1:24254""#, &other)), 0, "{id}: nobody asked");
        let names: Vec<_> = (1..=12).map(|n| format!("\"8.8.4.{n}:24254\"")).collect();
        assert_eq!(tried(&mut play, FRIEND, &maybe(&names.join(","), &token)), 8, "{id}");
    }
}

fn fetch(play: &mut Play, id: &str, held: Held) {
    let patience = Duration::from_secs(600);
    if let Some(id) = StreamId::from_user(id) {
        let follow = StreamCommand::Follow { id, from: From::Start, patience };
        play.node.handle_command(play.now, Command::Stream(follow)).unwrap();
        play.sent();
        return;
    }
    let id = ContentId::parse(id).unwrap();
    let fetch = Command::Fetch { id, held, patience };
    play.node.handle_command(play.now, fetch).unwrap();
    play.sent();
}

/// Somebody says in the name of a peer that it has the content. It does not, and answers accordingly.
#[test]
fn who_is_said_to_have_a_content_and_names_others_instead_is_asked_for_it_no_more() {
    let mut play = Play::new();
    let token = play.verify(FRIEND);
    let id = "ab".repeat(32);
    fetch(&mut play, &id, Held::default());
    let sources = |play: &Play| play.node.fetching().next().unwrap().sources;
    let content = format!(r#"{{"Content":{{"id":"{id}","offset":0,"base64":"AA==","eof":9000}}}}"#);
    let maybe = with_token(&format!(r#"{{"MaybeTheyHaveSome":{{"id":"{id}","peers":["8.8.8.8:24254"]}}}}"#), &token);
    let unproven = format!("[{content}]");
    play.hear(FRIEND, &unproven);
    assert_eq!(sources(&play), 1);
    let forged = format!(r#"[{{"MaybeTheyHaveSome":{{"id":"{id}","peers":["8.8.8.8:24254"]}}}}]"#);
    play.hear(FRIEND, &forged);
    assert_eq!(sources(&play), 1, "that may be forged as well");
    play.hear(FRIEND, &maybe);
    assert_eq!(sources(&play), 0);
    play.hear(FRIEND, &unproven);
    assert_eq!(sources(&play), 0, "nobody else is believed again");
    play.hear(FRIEND, &with_token(&content, &token));
    assert_eq!(sources(&play), 1);
    play.hear(FRIEND, &maybe);
    assert_eq!(sources(&play), 1, "who has it may name others too");
}

/// Names that lead nowhere, as many as are written down, and later one that does.
#[test]
fn holders_that_are_not_there_make_room_for_one_that_is() {
    let mut play = Play::new();
    let token = play.verify(FRIEND);
    let id = "ab".repeat(32);
    fetch(&mut play, &id, Held::default());
    let maybe = |names: &[String]| {
        let names: Vec<_> = names.iter().map(|name| format!("\"{name}\"")).collect();
        let text = format!(r#"{{"MaybeTheyHaveSome":{{"id":"{id}","peers":[{}]}}}}"#, names.join(","));
        with_token(&text, &token)
    };
    for third in 0..8 {
        let names: Vec<_> = (1..=8).map(|n| format!("8.{n}.{third}.9:24254")).collect();
        play.hear(FRIEND, &maybe(&names));
    }
    // Their tries are over.
    for _ in 0..150 {
        play.hear(FRIEND, &with_token(r#"{"IAmHere":{}}"#, &token));
        play.run(Duration::from_secs(1));
    }
    let holder = "9.77.1.1:24254";
    play.hear(FRIEND, &maybe(&[holder.to_owned()]));
    let token = play.token(holder);
    let sent = play.hear(holder, &with_token(r#"{"IAmHere":{}}"#, &token));
    assert!(sent.iter().any(|(to, text)| *to == address(holder) && text.contains(&id)), "{sent:?}");
}

#[test]
fn a_question_for_holdings_that_is_put_again_and_again_is_answered_eight_times_at_once() {
    let mut play = Play::new();
    let id = format!("blake3/{}", "ab".repeat(32));
    let mut held = Held { size: Some(1 << 20), ..Held::default() };
    held.content.insert(0..1 << 19).unwrap();
    fetch(&mut play, &id, held);
    let token = play.verify(FRIEND);
    let question = format!(r#"{{"PleaseSendHoldings":{{"id":"{id}"}}}}"#);
    let answered = play.hear(FRIEND, &with_token(&vec![question; 100].join(","), &token));
    let count: usize = answered.iter().map(|(_, text)| text.matches(r#"{"Holdings""#).count()).sum();
    assert_eq!((count, play.node.counters().questions_repeated), (8, 92));
}

#[test]
fn one_datagram_tells_us_no_more_about_contents_than_is_remembered_of_its_sender() {
    let mut play = Play::new();
    let token = play.verify(FRIEND);
    let list = |list: usize| {
        let entries: Vec<_> = (0..72).map(|n| format!(r#"["{list}/{n}",1]"#)).collect();
        format!(r#"{{"ContentList":{{"results":[{}]}}}}"#, entries.join(","))
    };
    let lists: Vec<_> = (0..60).map(list).collect();
    play.hear(FRIEND, &with_token(&lists.join(","), &token));
    let kept: Vec<_> = play.node.recommended(1_000).map(|said| said.id.clone()).collect();
    assert!(kept.len() == RECOMMENDED_PER_SENDER_MAX && kept.iter().all(|id| id.starts_with("0/")), "{kept:?}");
    assert_eq!(play.node.counters().messages_over_rate, 59 * 72);
    play.hear(FRIEND, &with_token(&list(99), &token));
    assert!(play.node.recommended(1_000).all(|said| said.id.starts_with("99/")));
}

/// Two who ask by turns, and as many files as two lists name.
#[test]
fn whoever_asks_often_enough_hears_of_every_file_also_if_others_ask() {
    let mut play = Play::new();
    for n in 0..130_u8 {
        let file = SharedFile { name: format!("{n:03}"), stamp: Default::default(), sha256: [n; 32], blake3: [n; 32] };
        play.node.handle_command(play.now, Command::Share(file)).unwrap();
    }
    let askers = [FRIEND, "9.9.9.9:24254"];
    let tokens = askers.map(|asker| play.verify(asker));
    let mut heard = [BTreeSet::new(), BTreeSet::new()];
    for turn in 0..20 {
        let text = with_token(r#"{"PleaseListContent":{}}"#, &tokens[turn % 2]);
        let answer = play.answer(askers[turn % 2], &text);
        let list = field(&answer, "ContentList").unwrap()["results"].as_array().unwrap().clone();
        heard[turn % 2].extend(list.iter().map(|entry| entry[0].to_string()));
    }
    assert_eq!(heard.map(|heard| heard.len()), [130, 130]);
}
