//! Chat: who is heard, how often, and by whom.

use crate::models::Mute;
use crate::net::Faults;
use crate::query::told_of;
use crate::world::World;
use cjp2p_node::node::{Command, CommandError, Event};

/// Some nodes that all know each other.
fn friends(seed: u64, count: usize) -> World {
    let mut world = World::new(seed, "play");
    let place = world.public();
    let first = world.add_node(place, told_of(&[]));
    let contact = [world.address(first)];
    for _ in 1..count {
        let place = world.public();
        world.add_node(place, told_of(&contact));
    }
    world.run_for(30);
    world
}

fn lines(world: &World, node: usize) -> Vec<String> {
    world.reported(node, |event| match event {
        Event::Chat { text, .. } | Event::GroupChat { text, .. } => Some(text.clone()),
        _ => None,
    })
}

fn say(world: &mut World, node: usize, text: &str, unix_ms: u64) {
    let command = Command::GroupChat { group: "main".to_owned(), text: text.to_owned(), unix_ms };
    world.command(node, command).expect("there are friends");
}

#[test]
fn a_line_reaches_the_one_it_is_for_and_nobody_else() {
    let mut world = friends(60, 3);
    let to = world.address(1);
    world.command(0, Command::Chat { to, text: "hello".to_owned() }).expect("they know each other");
    world.run_for(5);
    assert_eq!((lines(&world, 1), lines(&world, 2)), (vec!["hello".to_owned()], Vec::new()));
}

#[test]
fn a_group_message_is_reported_once_by_everybody_even_if_the_network_doubles_it() {
    let mut world = friends(61, 4);
    world.faults = Faults { duplicate: 1000, ..Faults::default() };
    say(&mut world, 0, "one", 1_700_000_000_000);
    say(&mut world, 0, "two", 1_700_000_000_001);
    world.run_for(120);
    for node in 1..4 {
        let mut heard = lines(&world, node);
        heard.sort();
        assert_eq!(heard, ["one", "two"], "node {node}");
    }
}

#[test]
fn an_ignored_sender_is_silent_until_heeded_again() {
    let mut world = friends(62, 2);
    let (ip, to) = (world.address(0).ip(), world.address(1));
    world.command(1, Command::Ignore(ip)).expect("the first to be ignored");
    world.command(0, Command::Chat { to, text: "unheard".to_owned() }).expect("they know each other");
    say(&mut world, 0, "unheard", 1);
    world.run_for(60);
    assert!(lines(&world, 1).is_empty(), "{:?}", lines(&world, 1));
    world.command(1, Command::Heed(ip)).expect("it was ignored");
    world.command(0, Command::Chat { to, text: "heard".to_owned() }).expect("they know each other");
    world.run_for(5);
    assert_eq!(lines(&world, 1), ["heard"]);
}

#[test]
fn nobody_can_fill_the_screen() {
    let mut world = friends(63, 2);
    let to = world.address(1);
    for number in 0..600 {
        _ = world.command(0, Command::Chat { to, text: format!("line {number}") });
        world.run_until(world.now + std::time::Duration::from_millis(100));
    }
    let count = lines(&world, 1).len();
    println!("of 600 lines in a minute {count} were said and shown");
    assert!((1..=120).contains(&count), "{count} lines shown");
}

#[test]
fn a_stranger_is_not_heard() {
    let mut world = friends(64, 2);
    let place = world.public();
    let stranger = world.add_model(place, Mute);
    let (from, to) = (world.address(stranger), world.address(1));
    let payload = br#"[{"ChatMessage":{"message":"psst"}},{"GroupChatMessage":{"group_name":"main","text":"psst","timestamp":1}}]"#;
    world.hand_over(1, from, to, payload);
    assert!(lines(&world, 1).is_empty());
    let outcome = world.command(1, Command::Chat { to: from, text: "who".to_owned() });
    assert_eq!(outcome, Err(CommandError::NotVerified(from)));
}

#[test]
fn ping_and_version_are_answered_to_friends() {
    let mut world = friends(65, 2);
    let to = world.address(1);
    for text in ["/ping", "/version"] {
        world.command(0, Command::Chat { to, text: text.to_owned() }).expect("they know each other");
    }
    world.run_for(5);
    let answers = lines(&world, 0);
    assert!(answers.iter().any(|line| line.starts_with("PONG")), "{answers:?}");
    assert!(answers.iter().any(|line| line.contains("sim 1")), "{answers:?}");
}

#[test]
fn a_command_without_friends_or_text_is_refused_and_sends_nothing() {
    let mut world = World::new(66, "play");
    let place = world.public();
    let node = world.add_node(place, told_of(&[]));
    let group = |text: &str| Command::GroupChat { group: "main".to_owned(), text: text.to_owned(), unix_ms: 5 };
    assert_eq!(world.command(node, group("hello")), Err(CommandError::NobodyInReach));
    assert_eq!(world.hosts[node].traffic.sent, 0);
    let mut world = friends(67, 2);
    let before = world.hosts[0].traffic.sent;
    assert_eq!(world.command(0, group("")), Err(CommandError::BadText));
    assert_eq!(world.command(0, group(&"x".repeat(100_000))), Err(CommandError::BadText));
    assert_eq!(world.hosts[0].traffic.sent, before);
}
