//! Somebody who repeats, forges and floods, and is a neighbour of many.

use crate::world::{Rng, World, eight_regular};
use cjp2p_node::gossip::Line;
use cjp2p_node::identity::Identity;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;

const NOW: u64 = 1_700_000_000_000;

/// Makes the attacker a peer of a node; returns the node's token.
fn enter(world: &mut World, node: usize, attacker: SocketAddr) -> String {
    world.inject(node, attacker, r#"[{"PleaseSendPeers":{}}]"#);
    let said = world.strangers[&attacker].last().unwrap().clone();
    let said: Vec<Value> = serde_json::from_str(&said).unwrap();
    let token = said.iter().find_map(|message| message.get("PleaseAlwaysReturnThisMessage")).unwrap();
    let token = token["cookie"].as_str().unwrap().to_owned();
    say(world, node, attacker, &token, r#"{"PleaseReturnThisMessage":{"cookie":"x"}}"#);
    token
}

fn say(world: &mut World, node: usize, attacker: SocketAddr, token: &str, elements: &str) {
    world.inject(node, attacker, &format!(r#"[{elements},{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#));
}

#[test]
fn whoever_repeats_forges_and_floods_everywhere_neither_stops_nor_doubles_what_honest_nodes_say() {
    for seed in 1..=2 {
        let count = 40;
        let mut world = World::new(seed, eight_regular(count, &mut Rng(seed)));
        world.loss = 100;
        let attacker = SocketAddr::from(([9, 9, 9, 9], 24_254));
        world.strangers.insert(attacker, Vec::new());
        let tokens: Vec<_> = (0..count).map(|node| enter(&mut world, node, attacker)).collect();
        // Somebody who has been there for a while.
        world.say(0, "good morning", NOW);
        world.run(Duration::from_secs(700));
        let author = world.nodes[0].public_key();
        let mut rng = Rng(seed + 77);
        let mut caught: Vec<String> = Vec::new();
        let mut said = Vec::new();
        for second in 0..60_u64 {
            if second % 10 == 5 {
                let text = format!("line {second}");
                world.say(0, &text, NOW + 1_000_000 + second);
                said.push(text);
            }
            for (node, token) in tokens.iter().enumerate() {
                let id = format!("{:016x}", rng.next());
                let have = format!(r#"{{"HaveGroupChats":{{"ids":["{id}"],"confirm":true}}}}"#);
                say(&mut world, node, attacker, token, &have);
                // What it has caught, again; and the same with another text, or in another's name.
                if let Some(line) = caught.get(rng.below(caught.len().max(1) as u64) as usize).cloned() {
                    say(&mut world, node, attacker, token, &line);
                    for forged in [line.replace("line", "lie"), line.replace(&author.to_string(), &"ab".repeat(32))] {
                        say(&mut world, node, attacker, token, &forged);
                    }
                }
                // Lines of authors that it has made up.
                let mut secret = [0; 32];
                secret[..8].copy_from_slice(&rng.next().to_le_bytes());
                let line = Line::sign(&Identity::from_seed(&secret), "main", "buy this", NOW + second).unwrap();
                say(&mut world, node, attacker, token, &String::from_utf8(line.element).unwrap());
            }
            world.run(Duration::from_secs(1));
            let heard = std::mem::take(world.strangers.get_mut(&attacker).unwrap());
            for text in heard.iter().filter(|text| text.contains("good morning") || text.contains("line ")) {
                let elements: Vec<Value> = serde_json::from_str(text).unwrap();
                caught.extend(elements.iter().filter(|one| one.get("SignedGroupChat").is_some()).map(Value::to_string));
            }
            caught.dedup();
            caught.truncate(50);
        }
        world.run(Duration::from_secs(60));
        assert!(!caught.is_empty(), "it was a neighbour of somebody");
        for node in 1..count {
            for text in said.iter().map(String::as_str).chain(["good morning"]) {
                assert_eq!(world.times(node, text), 1, "seed {seed}: node {node}: {text}");
            }
            let lies = world.shown[node].iter().filter(|shown| shown.text.contains("lie ")).count();
            assert_eq!(lies, 0);
            let of_author = |shown: &&crate::world::Shown| shown.key == Some(author.to_string());
            assert_eq!(world.shown[node].iter().filter(of_author).count(), said.len() + 1);
            let spam = world.shown[node].len() - said.len() - 1;
            assert!(spam <= 20 + 2 * 125, "seed {seed}: node {node} was shown {spam} lines of made-up authors");
        }
        for size in world.nodes.iter().flat_map(|node| node.sizes()) {
            assert!(size.len <= size.max, "{size:?}");
        }
    }
}
