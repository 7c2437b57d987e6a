//! A limit on uploads: everything about contents that is sent counts, to strangers too, and a host has one share.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod play;

use cjp2p_node::node::{Command, Config};
use play::{Play, content, field};
use serde_json::json;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

const RATE: u64 = 200_000;

const STEPS: u64 = 1_000;

/// A node that shares a long content within the limit, and whoever asks it for that.
struct Scene {
    play: Play,
    id: String,
    tokens: BTreeMap<String, String>,
    /// Bytes sent about contents, with headers, to each address.
    sent: BTreeMap<SocketAddr, u64>,
}

impl Scene {
    fn new(askers: &[String]) -> Scene {
        let mut play = Play::with(Config { upload_limit: Some(RATE), ..Config::default() });
        let file = play.node.store_mut().insert("notes.txt", content(9_000_000));
        let id = file.id();
        play.node.handle_command(play.now, Command::Share(file)).unwrap();
        let tokens = askers.iter().map(|asker| (asker.clone(), play.verify(asker))).collect();
        Scene { play, id, tokens, sent: BTreeMap::new() }
    }

    /// For ten seconds, a hundred times a second, everybody says what `says` has them say at that step.
    fn run(&mut self, says: &mut dyn FnMut(u64) -> Vec<(String, String)>) {
        for step in 0..STEPS {
            let sent = self.play.run(Duration::from_micros(10_000_000 / STEPS));
            self.count(sent);
            for (from, elements) in says(step) {
                let text = match self.tokens.get(&from) {
                    Some(token) => format!(r#"[{elements},{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#),
                    None => format!("[{elements}]"),
                };
                let sent = self.play.hear(&from, &text);
                self.count(sent);
            }
            assert!(self.play.node.sizes().all(|size| size.len <= size.max));
        }
    }

    fn count(&mut self, sent: Vec<(SocketAddr, String)>) {
        let names = ["Content", "Block", "Holdings", "ContentList", "MaybeTheyHaveSome"];
        for (to, text) in sent {
            if names.iter().any(|name| field(&text, name).is_some()) {
                *self.sent.entry(to).or_default() += text.len() as u64 + 28;
            }
        }
    }

    fn total(&self) -> u64 {
        self.sent.values().sum()
    }

    /// What addresses that begin like this were sent.
    fn of(&self, beginning: &str) -> u64 {
        self.sent.iter().filter(|(to, _)| to.to_string().starts_with(beginning)).map(|(_, bytes)| bytes).sum()
    }

    /// Ten seconds of the limit, and what may be ahead of it: a second.
    fn assert_limit(&self) {
        assert!(self.total() <= 11 * RATE, "{} in ten seconds", self.total());
    }

    fn block(&self, offset: u64) -> String {
        json!({"PleaseSendContent": {"id": self.id, "offset": offset, "length": 4_096}}).to_string()
    }
}

fn addresses(beginning: &str, ports: std::ops::Range<u32>) -> Vec<String> {
    ports.map(|port| format!("{beginning}:{port}")).collect()
}

#[test]
fn what_strangers_get_counts_and_they_have_one_share_all_together() {
    let peer = "203.0.113.5:24254".to_owned();
    let mut scene = Scene::new(std::slice::from_ref(&peer));
    let blocks: Vec<String> = (0..2_000).map(|n| scene.block(n * 4_096)).collect();
    let padding = json!({"Padding": "x".repeat(2_000)});
    scene.run(&mut |step| {
        let strangers = (0..20).map(|n| {
            let from = format!("198.51.{n}.{}:5000", step % 200);
            (from, format!("{},{padding}", blocks[((step * 20 + n) % 2_000) as usize]))
        });
        let ours = (peer.clone(), blocks[(step * 2 % 2_000) as usize].clone());
        strangers.chain([ours]).collect()
    });
    scene.assert_limit();
    let (all, strangers) = (scene.total(), scene.of("198.51."));
    assert!(all >= 9 * RATE, "{all}: all of the limit is used");
    assert!(strangers * 5 > all * 2 && strangers * 5 < all * 3, "of {all} bytes strangers got {strangers}");
}

#[test]
fn a_stranger_is_answered_while_nobody_else_asks() {
    let mut scene = Scene::new(&[]);
    let block = scene.block(0);
    scene.run(&mut |step| match step % 20 {
        0 => vec![("198.51.100.7:5000".to_owned(), block.clone())],
        _ => Vec::new(),
    });
    let answers = scene.total() / 300;
    assert!((25..=60).contains(&answers), "{answers} answers in ten seconds");
}

#[test]
fn many_ports_of_one_host_get_one_share_and_part_it_evenly() {
    for (host, ports, other) in [
        ("203.0.113.5", addresses("203.0.113.5", 6_000..6_020), "198.51.100.9:24254"),
        ("[2600:db8:1:1:", (1..21).map(|n| format!("[2600:db8:1:1::{n:x}]:6000")).collect(), "[2600:db8:2:1::1]:6000"),
    ] {
        let askers = [ports.clone(), vec![other.to_owned()]].concat();
        let mut scene = Scene::new(&askers);
        let blocks: Vec<String> = (0..2_000).map(|n| scene.block(n * 4_096)).collect();
        scene.run(&mut |step| {
            let question = |n: usize| blocks[(step as usize * 7 + n * 83) % blocks.len()].clone();
            askers.iter().enumerate().map(|(n, asker)| (asker.clone(), question(n))).collect()
        });
        scene.assert_limit();
        let (all, ours) = (scene.total(), scene.of(host));
        assert!(ours.abs_diff(all / 2) < all / 20, "{host} got {ours} of {all}");
        let each: Vec<u64> = ports.iter().map(|port| scene.of(port)).collect();
        let (least, most) = (*each.iter().min().unwrap(), *each.iter().max().unwrap());
        assert!(most < least * 2, "{each:?}");
    }
}

#[test]
fn short_answers_count_too_and_nobody_crowds_others_out_with_them() {
    let (greedy, peer) = ("203.0.113.5:24254".to_owned(), "198.51.100.9:24254".to_owned());
    let mut scene = Scene::new(&[greedy.clone(), peer.clone()]);
    for n in 0..200 {
        let file = scene.play.node.store_mut().insert(&format!("{n}"), content(n));
        scene.play.node.handle_command(scene.play.now, Command::Share(file)).unwrap();
    }
    let blocks: Vec<String> = (0..2_000).map(|n| scene.block(n * 4_096)).collect();
    let holdings = json!({"PleaseSendHoldings": {"id": scene.id}}).to_string();
    let nothing = json!({"PleaseSendContent": {"id": "00".repeat(32), "offset": 0, "length": 1}}).to_string();
    let flood = format!(r#"{{"PleaseListContent":{{}}}},{nothing},{}"#, vec![holdings; 60].join(","));
    scene.run(&mut |step| {
        let question = blocks[(step * 2 % 2_000) as usize].clone();
        [vec![(peer.clone(), question)], vec![(greedy.clone(), flood.clone()); 5]].concat()
    });
    scene.assert_limit();
    let (all, ours) = (scene.total(), scene.of(&peer));
    assert!(ours * 5 > all * 2, "of {all} bytes whoever asks for blocks got {ours}");
}

#[test]
fn whoever_is_served_as_fast_as_the_limit_allows_still_learns_who_has_what() {
    let peer = "203.0.113.5:24254".to_owned();
    let mut scene = Scene::new(std::slice::from_ref(&peer));
    let blocks: Vec<String> = (0..2_000).map(|n| scene.block(n * 4_096)).collect();
    let holdings = json!({"PleaseSendHoldings": {"id": scene.id}}).to_string();
    let mut answers = 0;
    for round in 0..3 {
        scene.run(&mut |step| vec![(peer.clone(), blocks[((round * 1_000 + step) % 2_000) as usize].clone())]);
        let token = &scene.tokens[&peer];
        let said = scene.play.hear(&peer, &format!(r#"[{holdings},{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#));
        answers += said.iter().filter(|(_, text)| field(text, "Holdings").is_some()).count();
    }
    assert_eq!(answers, 3);
}
