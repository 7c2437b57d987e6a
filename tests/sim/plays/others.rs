//! Living with the nodes of the wild as they are.

use crate::checks::SMALLEST_REQUEST;
use crate::models::{Echo, Mute, Ruby, Wild, messages};
use crate::query::told_of;
use crate::world::World;
use cjp2p_node::node::{Command, Event};
use std::net::SocketAddr;

/// Datagrams of a whole world so far.
fn sent(world: &World) -> u64 {
    world.hosts.iter().map(|host| host.traffic.sent).sum()
}

/// A node that knows one other, and a watched host that says nothing.
fn node_and_stranger(seed: u64) -> (World, usize, usize) {
    let mut world = World::new(seed, "play");
    let [one, two, three] = std::array::from_fn(|_| world.public());
    let node = world.add_node(one, told_of(&[]));
    world.add_node(two, told_of(&[world.address(node)]));
    let stranger = world.add_model(three, Mute);
    world.run_for(10);
    world.watch(stranger);
    (world, node, stranger)
}

/// Lets the stranger say something, and returns the answers that arrive within a second.
fn say(world: &mut World, stranger: usize, node: usize, payload: &[u8]) -> Vec<Vec<u8>> {
    let before = world.received(stranger).len();
    let (from, to) = (world.address(stranger), world.address(node));
    world.hand_over(node, from, to, payload);
    world.run_for(1);
    world.received(stranger)[before..].iter().map(|received| received.payload.clone()).collect()
}

fn names(payload: &[u8]) -> Vec<String> {
    messages(payload).expect("an answer is an array of objects").into_iter().map(|(name, _)| name).collect()
}

#[test]
fn the_smallest_request_earns_an_address_and_a_token_in_102_bytes() {
    let (mut world, node, stranger) = node_and_stranger(20);
    let answers = say(&mut world, stranger, node, SMALLEST_REQUEST);
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert!(answers[0].len() <= 102, "{} bytes", answers[0].len());
    let mut names = names(&answers[0]);
    names.sort();
    assert_eq!(names, ["Peers", "PleaseAlwaysReturnThisMessage"]);
    let text = String::from_utf8_lossy(&answers[0]).into_owned();
    assert!(text.contains(":24254\""), "no address in {text}");
}

#[test]
fn a_lone_token_request_is_answered_with_both_tokens_and_a_question_but_seldom() {
    let (mut world, node, stranger) = node_and_stranger(21);
    let knock = br#"[{"PleaseAlwaysReturnThisMessage":{"cookie":"0123456789abcdef"}}]"#;
    let answers = say(&mut world, stranger, node, knock);
    let mut names = names(&answers[0]);
    names.sort();
    names.retain(|name| name != "PleaseReturnThisMessage"); // a probe may ride along
    assert_eq!(names, ["AlwaysReturned", "PleaseAlwaysReturnThisMessage", "PleaseSendPeers"]);
    let more: usize = (0..60).map(|_| say(&mut world, stranger, node, knock).len()).sum();
    assert!(more <= 6, "{more} more datagrams for a minute of knocking");
}

#[test]
fn nothing_and_tokens_alone_get_no_token_back() {
    let (mut world, node, stranger) = node_and_stranger(22);
    for payload in [&b"[]"[..], br#"[{"AlwaysReturned":{"cookie":"01234567"}}]"#, br#"[{"ReturnedMessage":{}}]"#] {
        let answers = say(&mut world, stranger, node, payload);
        assert!(answers.is_empty(), "{} was answered", String::from_utf8_lossy(payload));
    }
}

#[test]
fn what_nobody_knows_reaches_applications_byte_for_byte() {
    let (mut world, node, stranger) = node_and_stranger(23);
    let payloads = [r#"{"x": 1.50,  "y":[1,2 ,3],"x":2}"#, "[ null ]", r#""\u00e9\/""#, "-0.0e-0", "{}", "true"];
    let text: Vec<_> = payloads.iter().map(|payload| format!(r#"{{ "Pong\u004dove" : {payload} }}"#)).collect();
    say(&mut world, stranger, node, format!("[{}]", text.join(" , ")).as_bytes());
    let unknown = world.reported(node, |event| match event {
        Event::Unknown { name, payload, .. } => Some((name.clone(), payload.clone())),
        _ => None,
    });
    let want: Vec<_> = payloads.iter().map(|payload| ("PongMove".to_owned(), (*payload).to_owned())).collect();
    assert_eq!(unknown, want);
}

#[test]
fn an_echo_causes_no_storm_and_becomes_no_peer() {
    let mut world = World::new(24, "play");
    let [one, two] = std::array::from_fn(|_| world.public());
    let node = world.add_node(one, told_of(&[]));
    let echo = world.add_model(two, Echo);
    let there = world.address(echo);
    world.command(node, Command::AddPeer(there)).expect("it is an ordinary address");
    world.run_for(3600);
    assert!(sent(&world) > 0, "nobody spoke, so nothing was shown");
    assert!(sent(&world) <= 2 * 12, "{} datagrams in an hour", sent(&world));
    assert_eq!(world.ours(node).node.peer_count(), 0);
}

#[test]
fn two_nodes_and_a_wild_one_never_play_ping_pong() {
    let mut world = World::new(25, "play");
    let [one, two, three] = std::array::from_fn(|_| world.public());
    let first = world.add_node(one, told_of(&[]));
    let second = world.add_node(two, told_of(&[world.address(first)]));
    let contacts = vec![world.address(first)];
    let wild = world.add_model(three, Wild::new(contacts));
    world.run_for(120);
    let there = world.address(wild);
    assert!(world.ours(first).checks.is_proven(there), "the wild node was never verified");
    assert!(world.ours(second).checks.is_proven(there), "the second node never met the wild one");
    let before = sent(&world);
    world.run_for(600);
    // Its own ten a second, our answers to them, and its answers to our answers; what remains is our upkeep.
    let beyond = (sent(&world) - before).saturating_sub(3 * 10 * 600);
    assert!(beyond <= 2 * 600, "{beyond} datagrams in ten minutes beyond the wild node's own pace and what follows it");
}

#[test]
fn a_ruby_node_is_verified_and_passed_on() {
    let mut world = World::new(26, "play");
    let [one, two, three] = std::array::from_fn(|_| world.public());
    let first = world.add_node(one, told_of(&[]));
    let contacts = [world.address(first)];
    let ruby = world.add_model(two, Ruby::new(&contacts));
    world.run_for(60);
    let there = world.address(ruby);
    assert!(world.ours(first).peers(world.now).iter().any(|peer| peer.address == there), "it was never verified");
    let second = world.add_node(three, told_of(&contacts));
    world.run_for(60);
    assert!(world.ours(second).peers(world.now).iter().any(|peer| peer.address == there), "it was never passed on");
    world.run_for(7200);
    assert!(world.ours(first).peers(world.now).iter().any(|peer| peer.address == there), "it was forgotten");
}

#[test]
fn tokens_of_every_json_type_come_back_as_they_were() {
    for token in [r#"{"cookie":"abc"}"#, r#""plain""#, "42", "[1, 2]", "null", r#"{ "a" :1}"#, "1.50"] {
        let (mut world, node, stranger) = node_and_stranger(27);
        let payload = format!(
            r#"[{{"PleaseAlwaysReturnThisMessage":{token}}},{{"PleaseSendPeers":{{}}}},{{"PleaseReturnThisMessage":{{"cookie":"{}"}}}}]"#,
            "x".repeat(100)
        );
        let answers = say(&mut world, stranger, node, payload.as_bytes());
        let want = format!(r#"{{"AlwaysReturned":{token}}}"#);
        let found = answers.iter().any(|answer| String::from_utf8_lossy(answer).contains(&want));
        assert!(
            found,
            "{token} did not come back in {:?}",
            answers.iter().map(|a| String::from_utf8_lossy(a)).collect::<Vec<_>>()
        );
    }
}

#[test]
fn a_token_is_worthless_from_another_address() {
    let (mut world, node, stranger) = node_and_stranger(28);
    let answers = say(&mut world, stranger, node, SMALLEST_REQUEST);
    let token = crate::attackers::token_in(&answers[0]).expect("a token came");
    let thief_place = world.public();
    let thief = world.add_model(thief_place, Mute);
    world.watch(thief);
    let payload = format!(r#"[{token},{{"Thing":{{}}}},{{"PleaseListSupportedMessages":{{}}}}]"#);
    say(&mut world, thief, node, payload.as_bytes());
    let verified = |world: &World, who: SocketAddr| {
        world.reported(node, |event| match event {
            Event::Unknown { from, is_verified, .. } if *from == who => Some(*is_verified),
            _ => None,
        })
    };
    let (thief, stranger) = (world.address(thief), (stranger, world.address(stranger)));
    assert_eq!(verified(&world, thief), [false]);
    say(&mut world, stranger.0, node, payload.as_bytes());
    assert_eq!(verified(&world, stranger.1), [true]);
}
