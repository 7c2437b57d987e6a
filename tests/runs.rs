//! Serving in our own words: runs of blocks, each in a datagram of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod play;

use cjp2p_node::content::ReadError;
use cjp2p_node::node::{Command, Config, Event};
use play::{Play, content, field, sharing};
use serde_json::{Value, json};

const PEER: &str = "203.0.113.5:24254";
const STRANGER: &str = "198.51.100.7:40000";

/// The longest answer to one datagram.
const ANSWER_MAX_BYTES: usize = 224 * 1_024;

fn run(id: &str, offset: u64, length: u64, block: u64) -> String {
    json!({"PleaseSendBlocks": {"id": id, "offset": offset, "length": length, "block": block, "run": 7}}).to_string()
}

/// What a verified peer is answered.
fn answers(play: &mut Play, requests: &[String]) -> Vec<String> {
    let token = play.verify(PEER);
    let text = format!(r#"[{},{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#, requests.join(","));
    play.hear(PEER, &text).into_iter().map(|(_, text)| text).collect()
}

/// The blocks in them: offsets and bytes.
fn blocks(answers: &[String]) -> Vec<(u64, Vec<u8>)> {
    let block = |text: &String| -> Option<(u64, Vec<u8>)> {
        let block: Value = field(text, "Block")?;
        assert_eq!(block["run"], 7);
        let bytes = base64_simd::STANDARD.decode_to_vec(block["base64"].as_str()?).ok()?;
        Some((block["offset"].as_u64()?, bytes))
    };
    answers.iter().filter_map(block).collect()
}

#[test]
fn a_run_is_the_bytes_in_equal_datagrams_up_to_its_end_or_that_of_the_content() {
    for (offset, length, block) in
        [(0, 60_000, 1_024), (1_000, 5_000, 256), (0, 50_000, 40_960), (49_999, 9_000, 1_024), (7, 1, 4_096)]
    {
        let (mut play, id) = sharing(50_000);
        let whole = content(50_000);
        let answers = answers(&mut play, &[run(&id, offset, length, block)]);
        let blocks = blocks(&answers);
        let end = (offset + length).min(50_000) as usize;
        let mut at = offset;
        for (n, (start, bytes)) in blocks.iter().enumerate() {
            assert_eq!(*start, at);
            assert!(bytes.len() as u64 == block || n + 1 == blocks.len());
            assert_eq!(bytes[..], whole[at as usize..at as usize + bytes.len()]);
            at += bytes.len() as u64;
        }
        assert_eq!(at as usize, end, "{offset} {length} {block}");
        let equal = &answers[..answers.len() - 1];
        assert!(equal.iter().all(|text| text.len() == answers[0].len()), "all but the last are equally long");
    }
}

#[test]
fn at_and_past_the_end_a_run_is_empty() {
    let (mut play, id) = sharing(50_000);
    for offset in [50_000, 50_001, u64::MAX] {
        assert_eq!(blocks(&answers(&mut play, &[run(&id, offset, 4_096, 1_024)])), []);
    }
}

#[test]
fn however_many_runs_are_asked_for_at_once_the_answer_keeps_its_bound() {
    for block in [1_024, 40_960] {
        let (mut play, id) = sharing(400_000);
        let requests: Vec<String> = (0..20).map(|n| run(&id, n % 2 * 163_840, 163_840, block)).collect();
        let answers = answers(&mut play, &requests);
        let total: usize = answers.iter().map(String::len).sum();
        assert!(total <= ANSWER_MAX_BYTES && answers.len() <= 64, "{block}: {} datagrams, {total}", answers.len());
        let blocks = blocks(&answers);
        assert!(blocks.len() >= 4);
        // It is cut for good: nothing is left out between two others.
        let starts: Vec<u64> = blocks.iter().map(|(start, _)| *start).collect();
        let expected: Vec<u64> = (0..).map(|n| n * block).take(starts.len()).collect();
        assert_eq!(starts, expected, "{block}");
    }
}

#[test]
fn a_run_is_not_for_strangers() {
    let (mut play, id) = sharing(50_000);
    let answer = play.answer(STRANGER, &format!("[{}]", run(&id, 0, 50_000, 1_024)));
    assert!(field(&answer, "Block").is_none() && field(&answer, "PleaseAlwaysReturnThisMessage").is_some(), "{answer}");
}

#[test]
fn a_file_that_changed_gives_no_run_and_is_reported_for_hashing() {
    let (mut play, id) = sharing(50_000);
    play.verify(PEER);
    play.node.store_mut().fault = Some(ReadError::Changed);
    assert_eq!(blocks(&answers(&mut play, &[run(&id, 0, 50_000, 1_024)])), []);
    assert!(play.events().contains(&Event::FileChanged("notes.txt".to_owned())));
}

#[test]
fn memory_that_is_given_back_is_used_again_and_never_grows_beyond_its_bound() {
    let (mut play, id) = sharing(400_000);
    let whole = content(400_000);
    let token = play.verify(PEER);
    for (round, block) in [1_024, 40_960, 256].into_iter().cycle().take(60).enumerate() {
        let text = run(&id, round as u64 * 1_000, 163_840, block);
        let text = format!(r#"[{text},{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#);
        play.node.handle_datagram(play.now, PEER.parse().unwrap(), text.as_bytes());
        let mut at = round as u64 * 1_000;
        while let Some(transmit) = play.node.poll_transmit() {
            let text = String::from_utf8(transmit.payload.clone()).unwrap();
            let [(start, bytes)] = &blocks(&[text])[..] else { panic!("one block in each datagram") };
            assert_eq!((*start, &bytes[..]), (at, &whole[at as usize..at as usize + bytes.len()]));
            at += bytes.len() as u64;
            play.node.recycle(transmit.payload);
        }
        for size in play.node.sizes() {
            assert!(size.len <= size.max, "{size:?}");
        }
    }
}

#[test]
fn a_node_that_is_told_to_ignore_our_words_serves_in_the_common_ones_only() {
    for is_common in [true, false] {
        let mut play = Play::with(Config { is_common, ..Config::default() });
        let file = play.node.store_mut().insert("notes.txt", content(50_000));
        let id = file.id();
        play.node.handle_command(play.now, Command::Share(file)).unwrap();
        let holdings = json!({"PleaseSendHoldings": {"id": id}}).to_string();
        let common = json!({"PleaseSendContent": {"id": id, "offset": 0, "length": 4_096}}).to_string();
        let answers = answers(&mut play, &[run(&id, 0, 8_192, 1_024), holdings, common]);
        let counts = ["Block", "Holdings", "Content"]
            .map(|name| answers.iter().filter(|answer| field(answer, name).is_some()).count());
        assert_eq!(counts, if is_common { [0, 0, 1] } else { [8, 1, 1] });
    }
}
