//! One node and a restart: what was shown is not shown again, and no time of ours is used twice.

use crate::play::{Play, address, field};
use crate::saying::stamp;
use crate::scenes::{ONE, OTHER, Scene, TODAY, alice, element, identity, scene_of, sent_to};
use cjp2p_node::node::{Command, Config, Event, GroupMemory};
use cjp2p_node::wire::Message;
use serde_json::json;

/// A node that has this from an earlier run, and what it saves is kept when the scene says so.
fn run(group: GroupMemory) -> Scene {
    let config = Config { identity: Some(identity(1)), group, saves_group: true, ..Config::default() };
    let mut scene = scene_of(Play::with(config), &[ONE, OTHER]);
    scene.command(Command::TimeOfDay(TODAY));
    scene
}

/// What the node wants to be saved, the newest of it.
fn saved(scene: &mut Scene) -> Option<GroupMemory> {
    let mut saved = scene.play.events().into_iter().filter_map(|event| match event {
        Event::SaveGroup(memory) => Some(*memory),
        _ => None,
    });
    saved.next_back()
}

/// A line in the form of the wild, encrypted for our node.
fn sealed(text: &str, unix_ms: u64) -> String {
    let line = json!([{"GroupChatMessage": {"group_name": "main", "text": text, "timestamp": unix_ms}}]);
    let sealed = alice().seal(&identity(1).public(), &line.to_string(), [(unix_ms % 251) as u8; 32]).unwrap();
    let key = json!({"MyPublicKey": {"ed25519h": alice().public().to_string()}});
    format!("{key},{}", serde_json::to_string(&Message::EncryptedMessages(sealed)).unwrap())
}

fn texts(scene: &mut Scene) -> Vec<String> {
    scene.shown().into_iter().map(|(_, text)| text).collect()
}

#[test]
fn what_was_shown_before_a_restart_is_not_shown_again_and_what_was_not_is() {
    let mut scene = run(GroupMemory::default());
    let (encrypted, signed) = (sealed("for you", TODAY), element(&alice(), "for all", TODAY + 1));
    scene.hear(ONE, &encrypted);
    scene.hear(ONE, &signed);
    assert_eq!(texts(&mut scene), ["for you", "for all"]);
    // An orderly stop saves at once, and otherwise it is saved soon.
    let at_once = scene.play.node.unsaved_group(scene.play.now).expect("something to be saved");
    scene.run(11);
    let memory = saved(&mut scene).expect("it is saved by itself");
    assert_eq!((&memory, scene.play.node.unsaved_group(scene.play.now)), (&at_once, None));
    scene.run(60);
    assert_eq!(saved(&mut scene), None, "nothing has changed");

    let mut again = run(memory);
    for from in [ONE, OTHER] {
        again.hear(from, &encrypted);
        again.hear(from, &signed);
    }
    assert_eq!(texts(&mut again), [""; 0]);
    // It is passed on to those who have missed it, as any.
    let asked = again.hear(OTHER, &format!(r#"{{"PleaseSendGroupChats":{{"ids":[{}]}}}}"#, id(&signed)));
    assert_eq!(sent_to(&asked, "SignedGroupChat").len(), 1, "{asked:?}");
    // What is new is shown, also what was written before it and came late.
    again.hear(ONE, &element(&alice(), "late", TODAY - 5));
    again.hear(ONE, &sealed("new", TODAY + 2));
    assert_eq!(texts(&mut again), ["late", "new"]);
}

#[test]
fn a_node_that_nobody_looks_at_passes_lines_on_and_leaves_them_to_the_next_run() {
    let config = Config { identity: Some(identity(1)), saves_group: true, is_deaf: true, ..Config::default() };
    let mut scene = scene_of(Play::with(config), &[ONE, OTHER]);
    scene.command(Command::TimeOfDay(TODAY));
    let line = element(&alice(), "for all", TODAY);
    scene.hear(ONE, &line);
    scene.hear(ONE, &sealed("for you", TODAY + 1));
    let passed_on = sent_to(&scene.run(2), "SignedGroupChat");
    assert!(passed_on.iter().all(|to| *to == address(OTHER)) && !passed_on.is_empty(), "{passed_on:?}");
    scene.run(60);
    assert_eq!(scene.play.node.unsaved_group(scene.play.now), None);
    let events = scene.play.events();
    assert!(events.iter().all(|event| matches!(event, Event::SavePeers(_))), "{events:?}");
    // Who says something needs the time of it to be kept, and nothing else.
    scene.say("mine", TODAY + 60_000);
    let memory = saved(&mut scene).expect("the time of a line of ours");
    assert!(memory.said_until > TODAY && memory.authors.is_empty(), "{memory:?}");
    let mut again = run(memory);
    again.hear(ONE, &line);
    again.hear(ONE, &sealed("for you", TODAY + 1));
    assert_eq!(texts(&mut again), ["for all", "for you"]);
}

fn id(element: &str) -> String {
    let array = format!("[{element}]");
    let decoded = cjp2p_node::wire::decode(array.as_bytes()).unwrap();
    let Message::SignedGroupChat(envelope) = &decoded.messages[0] else { panic!("{element}") };
    format!("\"{}\"", cjp2p_node::gossip::LineId::of(envelope))
}

#[test]
fn for_a_time_of_an_earlier_run_one_line_is_passed_on_and_no_second() {
    let mut scene = run(GroupMemory::default());
    scene.hear(ONE, &element(&alice(), "yes", TODAY));
    scene.run(11);
    let mut again = run(saved(&mut scene).unwrap());
    for text in ["no", "perhaps", "yes"] {
        again.hear(ONE, &element(&alice(), text, TODAY));
    }
    assert_eq!(texts(&mut again), [""; 0]);
    let sent = again.run(60);
    let passed =
        ["no", "perhaps", "yes"].map(|text| sent.iter().any(|(_, sent)| sent.contains(&format!("\\\"{text}\\\""))));
    assert_eq!(passed, [true, false, false]);
}

#[test]
fn no_line_of_ours_leaves_before_the_time_that_it_is_dated_by_is_kept() {
    let mut scene = run(GroupMemory::default());
    // The machine may lose its power here, and its clock.
    assert_eq!(scene.say("one", TODAY), []);
    let asked = saved(&mut scene).expect("it has to be kept first");
    assert!(asked.said_until > TODAY);
    assert_eq!(scene.say("two", TODAY), [], "in order");
    scene.command(Command::GroupSaved(asked.said_until));
    let sent = scene.play.sent();
    let dates: Vec<u64> = sent
        .iter()
        .filter(|(_, text)| field(text, "SignedGroupChat").is_some())
        .map(|one| stamp(std::slice::from_ref(one)))
        .collect();
    assert!(!dates.is_empty() && dates.iter().all(|date| *date < asked.said_until), "{dates:?}");
    for text in ["one", "two"] {
        assert!(sent.iter().any(|(_, sent)| sent.contains(&format!("\\\"{text}\\\""))), "{sent:?}");
    }
    // For a minute no line waits again.
    scene.run(5);
    for neighbour in [ONE, OTHER] {
        scene.hear(neighbour, r#"{"HaveGroupChats":{"ids":["0123456789abcdef"]}}"#);
    }
    assert!(!sent_to(&scene.say("three", TODAY + 5_000), "SignedGroupChat").is_empty());
    assert_eq!(saved(&mut scene), None);
    scene.run(100);
    assert_eq!(sent_to(&scene.say("four", TODAY + 105_000), "SignedGroupChat"), []);
    // Whatever has happened to the clock: the next run begins after all that could have been said.
    let mut again = run(asked.clone());
    again.say("after a restart", TODAY - 3_600_000);
    let next = saved(&mut again).unwrap();
    again.command(Command::GroupSaved(next.said_until));
    assert!(stamp(&again.play.sent()) > *dates.iter().max().unwrap());
}

#[test]
fn a_disk_that_is_full_or_stuck_keeps_nobody_silent() {
    let mut scene = run(GroupMemory::default());
    assert_eq!(scene.say("hello", TODAY), []);
    assert_eq!(sent_to(&scene.run(2), "SignedGroupChat"), []);
    assert_eq!(sent_to(&scene.run(2), "SignedGroupChat").len(), 2);
}
