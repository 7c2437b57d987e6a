//! `protocol.md` kept true: every message of the table has its heading and an example there, and every example is
//! played to a real node. How the examples are written is told in `protocol.md` itself, under "How to read the
//! examples".
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod play;

use cjp2p_node::content::{HOLDERS_MAX, RUMOURS_MAX};
use cjp2p_node::gossip;
use cjp2p_node::identity::{self, Identity, known, opening, replays};
use cjp2p_node::node::{self, Command, Config};
use cjp2p_node::peers::links::LINKS_MAX;
use cjp2p_node::peers::{address, contacts, heard, links};
use cjp2p_node::wire::Hex32;
use cjp2p_node::wire::messages::{NAMES, SCHEMA};
use cjp2p_node::{tokens, wire};
use play::{Play, field};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

const TEXT: &str = include_str!("../protocol.md");
const YOU: &str = "198.51.100.7:40000";
const B: &str = "203.0.113.5:24254";
const C: &str = "192.0.2.77:24254";
const PROBE: &str = r#"{"PleaseReturnThisMessage":{"cookie":"?"}}"#;

/// What the node's key in the examples derives from: the first in RFC 8032, section 7.1.
const SEED: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";

/// The chapter whose sections are the messages, one each.
const MESSAGES_CHAPTER: &str = "Messages";

/// A part of `protocol.md` under one heading.
#[derive(Default)]
struct Section {
    chapter: String,
    name: String,
    text: String,
    examples: Vec<Example>,
}

/// A fenced block in the language `lcdp`.
struct Example {
    line: usize,
    scene: Scene,
    steps: Vec<Step>,
}

/// How things stand before an example.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scene {
    /// You asked the node one question, a while ago.
    Stranger,
    /// You also returned its token.
    Verified,
    /// The node has as many neighbours as it can watch, besides.
    Crowded,
}

/// One line of an example.
#[derive(Debug)]
struct Step {
    /// `→`, or `←`.
    is_said_to_node: bool,
    other: SocketAddr,
    text: String,
}

/// `protocol.md`, cut at its headings.
fn sections() -> Vec<Section> {
    let mut sections = vec![Section::default()];
    let mut fence = None;
    for (line, text) in (1..).zip(TEXT.lines()) {
        let section = sections.last_mut().unwrap();
        section.text.push_str(text);
        section.text.push('\n');
        match (&fence, text.strip_prefix("```")) {
            (None, Some(info)) => {
                section.examples.extend(begin_example(line, info));
                fence = Some(info);
            }
            (Some(_), Some(_)) => fence = None,
            (Some(info), None) if info.starts_with("lcdp") => {
                section.examples.last_mut().unwrap().steps.push(step(line, text));
            }
            (Some(_), None) => {}
            (None, None) => {
                if let Some(name) = text.strip_prefix("### ") {
                    let (chapter, name) = (section.chapter.clone(), name.trim_matches('`').to_owned());
                    sections.push(Section { chapter, name, ..Section::default() });
                } else if let Some(chapter) = text.strip_prefix("## ") {
                    sections.push(Section { chapter: chapter.to_owned(), ..Section::default() });
                }
            }
        }
    }
    assert!(fence.is_none(), "protocol.md ends inside a fence");
    sections
}

/// The sections of the chapter Messages, by name.
fn messages() -> BTreeMap<String, Section> {
    let sections = sections().into_iter();
    sections
        .filter(|section| section.chapter == MESSAGES_CHAPTER && !section.name.is_empty())
        .map(|section| (section.name.clone(), section))
        .collect()
}

fn begin_example(line: usize, info: &str) -> Option<Example> {
    let scene = match info.strip_prefix("lcdp")? {
        " stranger" => Scene::Stranger,
        " verified" => Scene::Verified,
        " crowded" => Scene::Crowded,
        scene => panic!("protocol.md:{line}: a scene is 'stranger', 'verified' or 'crowded', not '{scene}'"),
    };
    Some(Example { line, scene, steps: Vec::new() })
}

fn step(line: usize, text: &str) -> Step {
    let who = [("B ", B), ("C ", C), ("", YOU)];
    let found = who.into_iter().find_map(|(prefix, other)| Some((other, text.strip_prefix(prefix)?)));
    let (other, said) = found.unwrap();
    let (is_said_to_node, text) = match (said.strip_prefix("→ "), said.strip_prefix("← ")) {
        (Some(text), None) => (true, text),
        (None, Some(text)) => (false, text),
        _ => panic!("protocol.md:{line}: an example has lines like '→ …', '← …', 'B → …' and 'C ← …', not '{text}'"),
    };
    Step { is_said_to_node, other: play::address(other), text: text.to_owned() }
}

/// What the placeholders of an example stand for.
type Values = BTreeMap<String, String>;

/// The scene that every example begins with, and the tokens that were handed out on the way there.
fn set(scene: Scene) -> (Play, Values) {
    let identity = Identity::from_seed(&Hex32::parse(SEED).unwrap().0);
    let mut play =
        Play::with(Config { identity: Some(identity), version: "cjp2p-node test".to_owned(), ..Config::default() });
    let file = play.node.store_mut().insert("hello.txt", b"Hello, swarm!\n".to_vec());
    play.node.handle_command(play.now, Command::Share(file)).unwrap();
    let mut values = Values::new();
    if scene == Scene::Crowded {
        (1..=LINKS_MAX).for_each(|n| _ = play.answer_verified(&format!("{n}.77.1.1:24254"), PROBE));
    }
    let token = if scene == Scene::Stranger { play.token(YOU) } else { play.verify(YOU) };
    values.insert("token".to_owned(), token);
    // Long enough for the first answer to you to be forgotten by the reply budget.
    play.wait(Duration::from_secs(90));
    let token = play.verify(B);
    play.hear(
        B,
        &format!(
            r#"[{{"PleaseAlwaysReturnThisMessage":{{"cookie":"b"}}}},{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#
        ),
    );
    values.insert("B's token".to_owned(), token);
    (play, values)
}

/// Plays an example; says what went otherwise than written. An example about messages must be understood.
fn play_example(example: &Example, is_about_messages: bool) -> Result<(), String> {
    let (mut play, mut values) = set(example.scene);
    let mut steps = example.steps.iter().peekable();
    while let Some(step) = steps.next() {
        if !step.is_said_to_node {
            return Err(format!("nothing was said before '{}'", step.text));
        }
        let before = *play.node.counters();
        let mut sent = play.hear_bytes(step.other, fill(&step.text, &values)?.as_bytes());
        play.wait(Duration::from_millis(20));
        while let Some(expected) = steps.next_if(|step| !step.is_said_to_node) {
            let place = sent.iter().position(|(to, _)| *to == expected.other);
            if expected.text == "nothing" {
                if let Some(place) = place {
                    return Err(format!("nothing was expected, the node said\n  {}", sent[place].1));
                }
                continue;
            }
            let (_, payload) = sent.remove(place.ok_or_else(|| format!("the node did not say\n  {}", expected.text))?);
            if !matches(&expected.text, &payload, &mut values) {
                return Err(format!("expected\n  {}\nand the node said\n  {payload}", expected.text));
            }
        }
        if !sent.is_empty() {
            return Err(format!("the node said more than is written: {sent:#?}"));
        }
        let after = play.node.counters();
        let is_understood =
            (after.elements_malformed, after.messages_unknown) == (before.elements_malformed, before.messages_unknown);
        if !is_understood && is_about_messages {
            return Err(format!("the node did not understand\n  {}", step.text));
        }
    }
    Ok(())
}

/// The text with every placeholder replaced by what it stands for.
fn fill(text: &str, values: &Values) -> Result<String, String> {
    let mut filled = String::new();
    for piece in pieces(text) {
        match piece {
            Piece::Literal(literal) => filled.push_str(literal),
            Piece::Placeholder(name) => {
                filled.push_str(values.get(name).ok_or_else(|| format!("<{name}> stands for nothing yet"))?);
            }
        }
    }
    Ok(filled)
}

/// Whether the payload is the text, for some meaning of the placeholders; what they mean is written down.
fn matches(text: &str, payload: &str, values: &mut Values) -> bool {
    let mut rest = payload;
    let mut pieces = pieces(text).into_iter().peekable();
    while let Some(piece) = pieces.next() {
        let found = match piece {
            Piece::Literal(literal) => literal,
            Piece::Placeholder(name) => match values.get(name) {
                Some(value) => value,
                None => {
                    let end = match pieces.peek() {
                        Some(Piece::Literal(next)) => rest.find(next),
                        _ => Some(rest.len()),
                    };
                    let Some(end) = end else { return false };
                    values.insert(name.to_owned(), rest[..end].to_owned());
                    &rest[..end]
                }
            },
        };
        let Some(remainder) = rest.strip_prefix(found) else { return false };
        rest = remainder;
    }
    rest.is_empty()
}

enum Piece<'a> {
    Literal(&'a str),
    Placeholder(&'a str),
}

/// A text, cut at its placeholders.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    for part in text.split_inclusive('>') {
        match part.strip_suffix('>').and_then(|part| part.split_once('<')) {
            Some((literal, name)) => pieces.extend([Piece::Literal(literal), Piece::Placeholder(name)]),
            None => pieces.push(Piece::Literal(part)),
        }
    }
    pieces
}

#[test]
fn every_message_has_a_heading_and_every_heading_names_a_message() {
    let sections = messages();
    let headings: BTreeSet<&str> = sections.keys().map(String::as_str).collect();
    let names: BTreeSet<&str> = NAMES.iter().copied().collect();
    let missing: Vec<_> = names.difference(&headings).collect();
    let strange: Vec<_> = headings.difference(&names).collect();
    assert!(missing.is_empty(), "add a section '### `Name`' to the chapter Messages of protocol.md for: {missing:?}");
    assert!(strange.is_empty(), "sections of the chapter Messages that name no message of wire::messages: {strange:?}");
}

#[test]
fn every_message_has_an_example_that_contains_it() {
    for (name, section) in messages() {
        let key = format!("{{\"{name}\":");
        let is_shown = section.examples.iter().flat_map(|example| &example.steps).any(|step| step.text.contains(&key));
        assert!(is_shown, "add an example with {name} in it to its section of protocol.md");
    }
}

#[test]
fn every_field_has_a_row_in_the_table_of_its_message_and_every_row_is_a_field() {
    let schema: Value = serde_json::from_str(&SCHEMA).unwrap();
    for (name, section) in messages() {
        let properties = schema["items"]["properties"][&name]["properties"].as_object();
        let fields: BTreeSet<&str> = properties.into_iter().flatten().map(|(field, _)| field.as_str()).collect();
        let rows = section.text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
        assert_eq!(rows.map(|(field, _)| field).collect::<BTreeSet<_>>(), fields, "the table of {name} in protocol.md");
    }
}

#[test]
fn every_example_is_what_the_node_does() {
    let mut failures = Vec::new();
    let mut count = 0;
    for section in sections() {
        for example in &section.examples {
            count += 1;
            if let Err(why) = play_example(example, section.chapter == MESSAGES_CHAPTER) {
                failures.push(format!("protocol.md:{}: {why}", example.line));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    assert!(count >= NAMES.len());
}

#[test]
fn the_supported_messages_are_a_json_schema_that_names_every_message() {
    let answer = Play::new().answer_verified(YOU, r#"{"PleaseListSupportedMessages":{}}"#);
    let schema = field(&answer, "SupportedMessages").unwrap()["schema"].clone();
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
    assert_eq!((&schema["type"], &schema["items"]["type"]), (&Value::from("array"), &Value::from("object")));
    for name in NAMES {
        assert!(schema["items"]["properties"][name].is_object(), "{name}");
    }
    assert_eq!(schema["items"]["properties"].as_object().unwrap().len(), NAMES.len());
}

#[test]
fn a_template_matches_what_it_says_and_nothing_else() {
    let mut values = Values::new();
    assert!(matches(r#"{"a":"<x>","b":"<x>"}"#, r#"{"a":"1","b":"1"}"#, &mut values));
    assert_eq!(values["x"], "1");
    assert!(!matches(r#"{"a":"<x>"}"#, r#"{"a":"2"}"#, &mut values), "a placeholder keeps its meaning");
    assert!(!matches("ab", "abc", &mut values));
    assert!(!matches("abc", "ab", &mut values));
    assert!(fill("<y>", &values).is_err());
}

/// A number as people write it: 40,960.
fn written(number: usize) -> String {
    let digits = number.to_string();
    let (first, rest) = digits.split_at((digits.len() - 1) % 3 + 1);
    let groups = rest.as_bytes().chunks(3).map(|group| std::str::from_utf8(group).unwrap());
    std::iter::once(first).chain(groups).collect::<Vec<_>>().join(",")
}

#[test]
fn the_numbers_on_the_page_are_those_of_the_program() {
    let page = TEXT.split_whitespace().collect::<Vec<_>>().join(" ");
    for (phrase, number) in [
        ("as many messages into a datagram as you like (# are read)", wire::MESSAGES_MAX),
        ("(up to #) are used", wire::LIST_MAX_ENTRIES),
        ("nests brackets deeper than #.", wire::DEPTH_MAX),
        ("within # bytes**", wire::DATAGRAM_SEND_MAX_BYTES),
        ("**Accept up to # bytes**", wire::DATAGRAM_MAX_BYTES),
        ("asks for a block of # bytes", wire::BLOCK_MAX_BYTES),
        ("notes down # more that probe it", links::WATCHED_MAX),
        ("it, # of one network", links::WATCHED_PER_NETWORK_MAX),
        ("until it knows #,", node::PEERS_WANTED),
        ("knows fewer than #.", node::PEERS_LOW),
        ("count # bytes of IP and UDP header", wire::HEADER_BYTES),
        ("a string of at most # bytes", wire::ID_MAX_BYTES),
        ("in bytes; at most # are sent", wire::BLOCK_MAX_BYTES),
        ("This node's are # characters", tokens::TOKEN_CHARS),
        ("if it is no longer than # bytes", tokens::OWED_MAX_BYTES),
        ("at most **# datagrams in the first minute", contacts::BURST.into()),
        ("and then 1 every # seconds", contacts::LONG_GAP_SECONDS as usize),
        ("cannot use up more than # of the first", contacts::KNOCK_BURST.into()),
        ("an address is tried # times", heard::TRIES_MAX.into()),
        ("at most # untried addresses", heard::HEARD_PER_SOURCE_MAX),
        ("an IPv6 /32), # in all", heard::HEARD_NAMED_MAX),
        ("the rest of # places", heard::HEARD_MAX),
        ("no port below #", address::NAMED_PORT_MIN.into()),
        ("keeps paths to # to", links::LINKS_LOW),
        (" to # peers open", links::LINKS_HIGH),
        ("without it: more than # neighbours", links::LINKS_HIGH),
        ("wants # to 8 neighbours", links::LINKS_LOW),
        ("remembers for # contents", RUMOURS_MAX),
        ("which # peers last listed", HOLDERS_MAX),
        ("Envelopes may be in envelopes, # deep", opening::NESTING_MAX),
        ("inner ones included, the first # are looked at", opening::ENVELOPES_MAX),
        ("What is inside has at most # bytes", identity::TEXT_MAX_BYTES),
        ("No more than # messages are read from all of them", wire::MESSAGES_MAX),
        ("it remembers the last # of a group", replays::REMEMBERED_MAX),
        ("of a group of senders, of which there are #,", replays::Replays::MAX / replays::REMEMBERED_MAX),
        ("in an envelope before (the node remembers #)", known::KNOWN_MAX),
        ("sends it to # neighbours, drawn", gossip::FANOUT as usize),
        ("who has no more than # neighbours, sends it to all", gossip::FEW as usize),
        ("The node holds # lines,", gossip::LINES_MAX),
        ("lines, # of one author, for an hour", gossip::LINES_OF_AUTHOR_MAX),
        ("remembers the ids of # lines", gossip::KNOWN_MAX),
        ("the times of the last # lines of 256", gossip::TIMES_MAX),
        ("lines of # authors.", gossip::AUTHORS_MAX),
        ("whole element at most #.", gossip::ELEMENT_MAX_BYTES),
        ("the first # are looked at", gossip::IDS_MAX),
        ("After # seconds it is given up", node::PRIVATE_PATIENCE.as_secs() as usize),
        ("done with. # wait at most,", node::WAITING_MAX),
        ("wait at most, # for one key", node::WAITING_PER_KEY_MAX),
        ("with # bytes together", node::WAITING_MAX_BYTES),
        ("bytes together, for # keys", node::RECIPIENTS_MAX),
        ("Of several tokens of one kind in a datagram the node looks at the first #", tokens::CHECKED_MAX),
    ] {
        let expected = phrase.replace('#', &written(number));
        assert!(page.contains(&expected), "protocol.md has to say '{expected}'");
    }
}
