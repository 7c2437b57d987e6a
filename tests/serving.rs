//! Serving shared files: exact bytes, exact lengths, and nothing that was not shared.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod play;

use cjp2p_node::content::ReadError;
use cjp2p_node::content::tree::Tree;
use cjp2p_node::node::{Command, Config, Event, Hearsay};
use play::{Play, content, field, sharing};
use serde_json::{Value, json};
use std::time::Duration;

const PEER: &str = "203.0.113.5:24254";
const STRANGER: &str = "198.51.100.7:40000";

fn request(id: &str, offset: u64, length: u64) -> String {
    json!({"PleaseSendContent": {"id": id, "offset": offset, "length": length}}).to_string()
}

fn bytes(content: &Value) -> Vec<u8> {
    base64_simd::STANDARD.decode_to_vec(content["base64"].as_str().unwrap()).unwrap()
}

#[test]
fn a_verified_asker_gets_exactly_the_bytes_it_asked_for() {
    let (mut play, id) = sharing(50_000);
    for id in [id.as_str(), "notes.txt"] {
        for (offset, length, expected) in [
            (0, 4_096, 4_096),
            (4_096, 4_096, 4_096),
            (49_152, 4_096, 848),
            (100, 200, 200),
            (0, 40_960, 40_960),
            (0, 45_056, 40_960),
        ] {
            let answer = play.answer_verified(PEER, &request(id, offset, length));
            let part = field(&answer, "Content").unwrap();
            assert_eq!((&part["id"], &part["offset"], &part["eof"]), (&json!(id), &json!(offset), &json!(50_000)));
            let from = usize::try_from(offset).unwrap();
            assert_eq!(bytes(&part), content(50_000)[from..from + expected], "{offset} {length}");
            assert!(length > 4_096 || answer.len() <= 5_888, "{}", answer.len());
        }
    }
}

#[test]
fn at_and_past_the_end_and_without_length_the_part_is_empty() {
    let (mut play, id) = sharing(50_000);
    for (offset, length) in [(50_000, 4_096), (50_001, 1), (u64::MAX, u64::MAX), (u64::MAX - 4_095, 4_096), (7, 0)] {
        let part = field(&play.answer_verified(PEER, &request(&id, offset, length)), "Content").unwrap();
        assert_eq!((&part["base64"], &part["eof"]), (&json!(""), &json!(50_000)), "{offset} {length}");
    }
}

#[test]
fn a_stranger_gets_as_much_as_fits_beside_the_token() {
    let (mut play, id) = sharing(50_000);
    let text = format!("[{}]", request(&id, 4_096, 4_096));
    let answer = play.answer(STRANGER, &text);
    let part = bytes(&field(&answer, "Content").unwrap());
    assert!(part.len() >= 32, "the wild gives 32");
    assert_eq!(part, content(50_000)[4_096..4_096 + part.len()]);
    assert!((answer.len() + 28) * 2 <= (text.len() + 28) * 5);
    assert!(field(&answer, "PleaseAlwaysReturnThisMessage").is_some());
}

#[test]
fn a_stranger_without_room_for_a_single_byte_is_not_told_that_the_file_ends() {
    let (mut one, mut two) = (0, 0);
    for length in 1..400 {
        let (mut play, _) = sharing(5_000);
        let text = format!("[{},{}]", request("notes.txt", 0, length), request("notes.txt", 0, 4_096));
        let answer = play.answer(STRANGER, &text);
        assert!(field(&answer, "PleaseAlwaysReturnThisMessage").is_some(), "{answer}");
        let elements: Vec<Value> = serde_json::from_str(&answer).unwrap();
        let parts: Vec<_> = elements.iter().filter_map(|element| element.get("Content")).map(bytes).collect();
        assert!(parts.iter().all(|part| !part.is_empty()), "{length}: {answer}");
        one += usize::from(parts.len() == 1);
        two += usize::from(parts.len() == 2);
    }
    assert!(one > 0 && two > 0, "both are tried: {one} {two}");
    // Where the file does end, a stranger may know it.
    let answer = sharing(14).0.answer(STRANGER, &format!("[{}]", request("notes.txt", 14, 4_096)));
    assert_eq!(field(&answer, "Content").unwrap()["base64"], "");
}

#[test]
fn several_parts_asked_in_one_datagram_come_in_as_many_as_they_need() {
    let (mut play, id) = sharing(50_000);
    let token = play.verify(PEER);
    let requests: Vec<_> = (0..12).map(|n| request(&id, n * 4_096, 4_096)).collect();
    let text = format!(r#"[{},{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#, requests.join(","));
    let answers = play.hear(PEER, &text);
    let parts: Vec<u8> = answers.iter().flat_map(|(_, text)| bytes(&field(text, "Content").unwrap())).collect();
    assert_eq!(parts, content(50_000)[..12 * 4_096]);
    assert!(answers.iter().all(|(_, text)| text.len() <= 5_888));
    // However much is asked at once, the answer is bounded.
    let greedy = vec![request(&id, 0, 40_960); 50].join(",");
    let answers = play.hear(PEER, &format!(r#"[{greedy},{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#));
    assert!(answers.iter().map(|(_, text)| text.len()).sum::<usize>() <= 224 * 1_024);
}

#[test]
fn an_answer_keeps_its_bound_whatever_the_blocks_are_and_is_cut_for_good() {
    for (large, small) in [(40_960, 4_096), (40_960, 2_000), (30_000, 100), (4_096, 40_960)] {
        let (mut play, id) = sharing(41_000);
        let token = play.verify(PEER);
        let greedy = [vec![request(&id, 0, large); 5], vec![request(&id, 0, small); 20]].concat().join(",");
        let owed = r#"{"PleaseAlwaysReturnThisMessage":"x"}"#;
        let answers = play.hear(PEER, &format!(r#"[{greedy},{owed},{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#));
        let total = answers.iter().map(|(_, text)| text.len()).sum::<usize>();
        assert!(total <= 224 * 1_024 && answers.len() <= 32, "{large} {small}: {} datagrams, {total}", answers.len());
        // Parts come in the order in which they were asked for, and none is left out between two others.
        let elements = answers.iter().flat_map(|(_, text)| serde_json::from_str::<Vec<Value>>(text).unwrap());
        let parts: Vec<_> =
            elements.filter_map(|element| element.get("Content").map(|part| bytes(part).len() as u64)).collect();
        let asked = [vec![large; 5], vec![small; 20]].concat();
        assert!(parts.len() >= 4 && asked.starts_with(&parts), "{large} {small}: {parts:?}");
    }
}

#[test]
fn ids_that_are_paths_or_monsters_find_nothing_and_break_nothing() {
    let (mut play, _) = sharing(100);
    let long = "x".repeat(300);
    for id in [
        "../notes.txt",
        "/etc/passwd",
        "./notes.txt",
        "notes.txt/",
        "latest/ab/notes.txt",
        "",
        "\0",
        "blake3/",
        ".",
        "..",
        &long,
    ] {
        let answer = play.answer_verified(PEER, &request(id, 0, 4_096));
        assert!(field(&answer, "Content").is_none(), "{id:?}: {answer}");
    }
}

#[test]
fn the_largest_block_is_one_datagram_of_about_54_kb() {
    let (mut play, id) = sharing(50_000);
    let length = play.answer_verified(PEER, &request(&id, 0, 40_960)).len();
    assert!((54_600..55_000).contains(&length), "{length}");
}

#[test]
fn a_stranger_is_never_told_that_nothing_is_shared_when_something_is() {
    let ask = r#"[{"PleaseListContent":{}}]"#;
    let answer = sharing(10).0.answer(STRANGER, ask);
    assert!(field(&answer, "ContentList").is_none() && answer.contains("PleaseAlwaysReturnThisMessage"), "{answer}");
    let answer = Play::new().answer(STRANGER, ask);
    assert_eq!(field(&answer, "ContentList").unwrap()["results"], json!([]));
    let longer = format!(r#"[{{"PleaseListContent":{{}}}},{{"Padding":"{}"}}]"#, "x".repeat(100));
    let (mut play, id) = sharing(10);
    assert_eq!(field(&play.answer(STRANGER, &longer), "ContentList").unwrap()["results"], json!([[id, 10]]));
}

#[test]
fn the_list_names_what_is_shared_and_nothing_else() {
    let (mut play, id) = sharing(50_000);
    let list = field(&play.answer_verified(PEER, r#"{"PleaseListContent":{}}"#), "ContentList").unwrap();
    assert_eq!(list["results"], json!([[id, 50_000]]));
    play.node.handle_command(play.now, Command::Unshare("notes.txt".to_owned())).unwrap();
    let list = field(&play.answer_verified(PEER, r#"{"PleaseListContent":{}}"#), "ContentList").unwrap();
    assert_eq!(list["results"], json!([]));
    for n in 0..500 {
        let file = play.node.store_mut().insert(&format!("{n}"), content(n));
        play.node.handle_command(play.now, Command::Share(file)).unwrap();
    }
    let answer = play.answer_verified(PEER, r#"{"PleaseListContent":{}}"#);
    let list = field(&answer, "ContentList").unwrap();
    assert!((36..=72).contains(&list["results"].as_array().unwrap().len()));
    assert!(answer.len() <= 5_888);
    let answer = play.answer(STRANGER, r#"[{"PleaseListContent":{}}]"#);
    assert!(answer.len() + 28 <= (26 + 28) * 5 / 2, "{answer}");
}

#[test]
fn who_asks_for_the_same_thing_is_brought_together() {
    let mut play = Play::new();
    let id = "ab".repeat(32);
    let first = play.answer_verified(PEER, &request(&id, 0, 4_096));
    assert!(field(&first, "MaybeTheyHaveSome").is_none(), "we know nobody: {first}");
    let second = play.answer_verified("203.0.113.9:24254", &request(&id, 0, 4_096));
    assert_eq!(field(&second, "MaybeTheyHaveSome").unwrap(), json!({"id": id, "peers": [PEER]}));
}

#[test]
fn peers_are_asked_what_they_share_and_what_they_say_is_remembered_for_the_user() {
    let mut play = Play::new();
    let token = play.verify(PEER);
    let said = |play: &Play| -> Vec<(String, u64, Hearsay)> {
        play.node.recommended(99).map(|said| (said.id.clone(), said.length, said.hearsay)).collect()
    };
    let list = r#"[{"ContentList":{"results":[["a",1],["b",2]]}},{"YouShouldSeeThis":{"id":"c","length":3}}"#;
    play.hear(STRANGER, &format!("{list}]"));
    assert_eq!(said(&play), [], "a stranger may be anybody");
    play.hear(PEER, &format!(r#"{list},{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#));
    let expected = [("c", 3, Hearsay::Recommends), ("b", 2, Hearsay::Shares), ("a", 1, Hearsay::Shares)];
    assert_eq!(said(&play), expected.map(|(id, length, hearsay)| (id.to_owned(), length, hearsay)));
    play.node.handle_command(play.now, Command::Ignore("203.0.113.5".parse().unwrap())).unwrap();
    let seen = r#"{"IJustSawThis":{"id":"d","length":4}}"#;
    play.hear(PEER, &format!(r#"[{seen},{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#));
    assert_eq!(said(&play).len(), 3, "the user ignores that peer");
    // However often the user asks, the peers are asked once a second.
    for (wait, is_asked) in [(0, true), (500, false), (500, true)] {
        play.wait(Duration::from_millis(wait));
        play.node.handle_command(play.now, Command::AskForLists).unwrap();
        let sent = play.sent();
        let is_asking = |(to, text): &(_, String)| *to == play::address(PEER) && text.contains("PleaseListContent");
        assert_eq!(sent.iter().any(is_asking), is_asked, "{wait} {sent:?}");
    }
}

#[test]
fn a_file_that_changed_is_served_no_more_and_reported_for_hashing() {
    let (mut play, id) = sharing(50_000);
    play.verify(PEER);
    play.node.store_mut().fault = Some(ReadError::Changed);
    let answer = play.answer_verified(PEER, &request(&id, 0, 4_096));
    assert!(field(&answer, "Content").is_none(), "{answer}");
    assert!(play.events().contains(&Event::FileChanged("notes.txt".to_owned())));
    play.node.store_mut().fault = None;
    assert!(field(&play.answer_verified(PEER, &request(&id, 0, 4_096)), "Content").is_none());
    assert_eq!(play.node.shared_files().count(), 0);
}

#[test]
fn a_read_that_failed_once_may_succeed_later() {
    let (mut play, id) = sharing(50_000);
    play.verify(PEER);
    play.node.store_mut().fault = Some(ReadError::Failed);
    assert!(field(&play.answer_verified(PEER, &request(&id, 0, 4_096)), "Content").is_none());
    play.node.store_mut().fault = None;
    assert!(field(&play.answer_verified(PEER, &request(&id, 0, 4_096)), "Content").is_some());
}

#[test]
fn a_content_and_its_tree_are_served_by_its_blake3() {
    for length in [0, 1, 4_096, 4_097, 50_000] {
        let (mut play, _) = sharing(length);
        let root = blake3::hash(&content(length));
        let whole =
            field(&play.answer_verified(PEER, &request(&format!("blake3/{root}"), 0, 50_000)), "Content").unwrap();
        assert_eq!((&whole["id"], &whole["eof"]), (&json!(format!("blake3/{root}")), &json!(length)));
        assert_eq!(bytes(&whole), content(length)[..length.min(40_960)]);
        let id = format!("blake3_tree_v2/{root}");
        let part = field(&play.answer_verified(PEER, &request(&id, 0, 4_096)), "Content").unwrap();
        let tree = Tree::new(*root.as_bytes(), length as u64).unwrap();
        assert_eq!((&part["id"], &part["eof"]), (&json!(id), &json!(tree.shape().tree_bytes())));
        let nodes = bytes(&part);
        assert_eq!(nodes.len() as u64, tree.shape().tree_bytes());
        assert!(tree.check_nodes(0, &nodes, |_, _| false).is_ok(), "{length}");
        let end = field(&play.answer_verified(PEER, &request(&id, nodes.len() as u64 - 32, 4_096)), "Content").unwrap();
        assert_eq!(bytes(&end), nodes[nodes.len() - 32..]);
        let past = field(&play.answer_verified(PEER, &request(&id, nodes.len() as u64, 4_096)), "Content").unwrap();
        assert!(bytes(&past).is_empty());
    }
}

#[test]
fn a_damaged_tree_is_not_served_and_its_file_is_reported_for_hashing() {
    let (mut play, id) = sharing(50_000);
    play.verify(PEER);
    play.node.store_mut().fault = Some(ReadError::Changed);
    let tree = format!("blake3_tree_v2/{}", blake3::hash(&content(50_000)));
    assert!(field(&play.answer_verified(PEER, &request(&tree, 0, 4_096)), "Content").is_none());
    assert!(play.events().contains(&Event::FileChanged("notes.txt".to_owned())));
    play.node.store_mut().fault = None;
    assert!(field(&play.answer_verified(PEER, &request(&id, 0, 4_096)), "Content").is_none());
}

#[test]
fn who_asks_for_the_same_bytes_thousands_of_times_a_second_is_seldom_answered_and_others_always() {
    let (mut play, id) = sharing(50_000);
    let other = "203.0.113.9:24254";
    let tokens = [PEER, other].map(|peer| (peer, play.verify(peer)));
    let tree = format!("blake3_tree_v2/{}", blake3::hash(&content(50_000)));
    let mut answered = [0, 0];
    for n in 0..10_000_u64 {
        play.wait(Duration::from_micros(500));
        for (index, (peer, token)) in tokens.iter().enumerate() {
            let request =
                if index == 0 { request(&tree, 0, 4_096) } else { request(&id, n % 12 * 4_096, 4_096 - n / 12) };
            let answer = play.hear(peer, &format!(r#"[{request},{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#));
            answered[index] += answer.iter().filter(|(_, text)| field(text, "Content").is_some()).count();
        }
    }
    // Ten a second, and some more because the other's questions put the repeated one out now and then.
    assert!((50..=120).contains(&answered[0]), "in five seconds: {answered:?}");
    assert_eq!(answered[1], 10_000);
    assert_eq!(play.node.counters().questions_repeated as usize, 10_000 - answered[0]);
}

#[test]
fn an_upload_limit_is_kept_and_shared_by_who_asks_much_and_who_asks_little_in_either_words() {
    let mut play = Play::with(Config { upload_limit: Some(200_000), ..Config::default() });
    let file = play.node.store_mut().insert("notes.txt", content(4_100_000));
    let whole = content(4_100_000);
    let id = file.id();
    play.node.handle_command(play.now, Command::Share(file)).unwrap();
    let peers = [PEER, "203.0.113.9:24254"];
    let tokens = peers.map(|peer| play.verify(peer));
    let mut got = [0, 0];
    for step in 0..1_000_u64 {
        let mut sent = play.run(Duration::from_millis(10));
        // The one asks for as much as five times the rate, the other for a little more than half of it.
        let run = json!({"id": id, "offset": step * 3_000, "length": 10_240, "block": 1_024, "run": step});
        let questions = [json!({"PleaseSendBlocks": run}).to_string(), request(&id, step * 4_000, 900)];
        for index in [0, 1] {
            let returned = format!(r#"{{"AlwaysReturned":{{"cookie":"{}"}}}}"#, tokens[index]);
            sent.extend(play.hear(peers[index], &format!("[{},{returned}]", questions[index])));
        }
        for (to, text) in sent.iter().filter(|(_, text)| text.contains("base64")) {
            let index = usize::from(to.to_string() != PEER);
            let name = ["Block", "Content"][index];
            let part = field(text, name).unwrap();
            let offset = part["offset"].as_u64().unwrap() as usize;
            let bytes = bytes(&part);
            assert_eq!(bytes, whole[offset..offset + bytes.len()]);
            got[index] += text.len() + 28;
        }
    }
    let all = got[0] + got[1];
    assert!((1_900_000..2_100_000).contains(&all), "ten seconds: {got:?}");
    assert!(got[0].abs_diff(got[1]) < all / 10, "{got:?}");
    assert!(play.node.counters().questions_dropped > 0);
}

#[test]
fn under_an_upload_limit_the_end_of_a_content_is_answered_too() {
    let mut play = Play::with(Config { upload_limit: Some(200_000), ..Config::default() });
    let file = play.node.store_mut().insert("notes.txt", content(100));
    let id = file.id();
    play.node.handle_command(play.now, Command::Share(file)).unwrap();
    let part = field(&play.answer_verified(PEER, &request(&id, 100, 4_096)), "Content").unwrap();
    assert_eq!((&part["base64"], &part["eof"]), (&json!(""), &json!(100)));
}
