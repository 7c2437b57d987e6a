//! What a node shows of what others write in private, what it confirms, and whose it takes a line to be.

use crate::bench::{Bench, THIRD, WILD, inside, line, line_of_the_wild, opened};
use crate::play::address;
use crate::play::keys::{alice as bob, my_key, node as alice, returned};
use cjp2p_node::identity::{Identity, PublicKey};
use cjp2p_node::node::{Command, Config, Event};
use cjp2p_node::wire::Message;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;

/// The cookies that are returned to bob, in private.
fn confirmed(sent: &[(SocketAddr, String)]) -> Vec<String> {
    assert!(sent.iter().all(|(_, text)| !text.contains("ReturnedMessage")), "not in the open: {sent:?}");
    let all: Vec<Value> = sent.iter().flat_map(|(_, text)| opened(text, &bob())).collect();
    let returned = all.iter().filter_map(|element| element.get("ReturnedMessage"));
    returned.map(|cookie| cookie["cookie"].as_str().unwrap().to_owned()).collect()
}

fn private_lines(bench: &mut Bench) -> Vec<String> {
    let events = bench.play.events().into_iter().filter_map(|event| match event {
        Event::PrivateChat { key, text, .. } if key == bob().public() => Some(text),
        Event::Chat { .. } | Event::PrivateChat { .. } => panic!("{event:?}"),
        _ => None,
    });
    events.collect()
}

#[test]
fn a_line_that_is_sent_again_is_shown_once_and_confirmed_each_time() {
    let mut bench = Bench::new();
    bench.verify(WILD);
    for _ in 0..20 {
        let sent = bench.hear_sealed(WILD, &bob(), &line("hello", "5.25"));
        assert_eq!(confirmed(&sent), ["5.25"]);
    }
    assert_eq!(private_lines(&mut bench), ["hello"]);
    // The same words again are another line.
    bench.hear_sealed(WILD, &bob(), &line("hello", "6.25"));
    assert_eq!(private_lines(&mut bench), ["hello"]);
    assert_eq!(bench.play.node.home(&bob().public()), Some(address(WILD)), "what he sealed proves his home");
}

#[test]
fn a_line_that_is_not_shown_is_not_confirmed_and_shown_when_there_is_room() {
    [line as fn(&str, &str) -> String, line_of_the_wild].into_iter().for_each(what_is_not_shown_is_not_confirmed);
}

fn what_is_not_shown_is_not_confirmed(line: fn(&str, &str) -> String) {
    let mut bench = Bench::new();
    bench.verify(WILD);
    let mut unheard = Vec::new();
    for n in 0..8 {
        let sent = bench.hear_sealed(WILD, &bob(), &line(&n.to_string(), &format!("c{n}")));
        if confirmed(&sent).is_empty() {
            unheard.push(n);
        }
    }
    assert_eq!(private_lines(&mut bench).len() + unheard.len(), 8);
    assert!(!unheard.is_empty());
    bench.play.wait(Duration::from_secs(10));
    for n in unheard {
        let sent = bench.hear_sealed(WILD, &bob(), &line(&n.to_string(), &format!("c{n}")));
        assert_eq!(confirmed(&sent), [format!("c{n}")]);
        assert_eq!(private_lines(&mut bench), [n.to_string()]);
    }
    bench.play.wait(Duration::from_secs(60));
    bench.play.node.handle_command(bench.play.now, Command::Ignore(address(WILD).ip())).unwrap();
    assert!(confirmed(&bench.hear_sealed(WILD, &bob(), &line("ignored", "x"))).is_empty());
    assert!(private_lines(&mut bench).is_empty());
}

#[test]
fn a_node_that_nobody_looks_at_neither_shows_nor_confirms_nor_answers_a_private_line() {
    let mut bench = Bench::with(Config { is_deaf: true, ..Config::default() });
    bench.verify(WILD);
    for (n, line) in [line as fn(&str, &str) -> String, line_of_the_wild].into_iter().enumerate() {
        for text in ["hello", "/ping"] {
            let sent = bench.hear_sealed(WILD, &bob(), &line(text, &format!("{n}.25")));
            assert!(
                confirmed(&sent).is_empty() && sent.iter().all(|(_, text)| opened(text, &bob()).is_empty()),
                "{sent:?}"
            );
        }
    }
    assert!(private_lines(&mut bench).is_empty());
    // A cookie without a line is answered as ever: the path to it is all that this stands for.
    let sent = bench.hear_sealed(WILD, &bob(), r#"{"PleaseReturnThisMessage":{"cookie":"7.5"}}"#);
    assert_eq!(confirmed(&sent), ["7.5"]);
}

#[test]
fn of_whose_key_is_ignored_nothing_signed_is_shown_in_private_nor_in_the_open_nor_confirmed_until_he_is_heeded() {
    let mut bench = Bench::new();
    [WILD, THIRD].iter().for_each(|at| bench.verify(at));
    assert_eq!(confirmed(&bench.hear_sealed(WILD, &bob(), &line("before", "0.5"))), ["0.5"]);
    assert_eq!(chats(&mut bench).len(), 1);
    bench.play.node.handle_command(bench.play.now, Command::IgnoreAuthor(bob().public())).unwrap();
    for (at, cookie) in [(WILD, "1.5"), (THIRD, "2.5")] {
        for line in [line as fn(&str, &str) -> String, line_of_the_wild] {
            assert!(confirmed(&bench.hear_sealed(at, &bob(), &line("hello", cookie))).is_empty());
        }
    }
    let open = format!(r#"[{},{{"ChatMessage":{{"message":"hello"}}}}]"#, returned(bench.token(THIRD)));
    bench.hear(THIRD, &serde_json::to_string(&Message::SignedMessage(bob().sign(&open).unwrap())).unwrap());
    assert_eq!(chats(&mut bench), []);
    // What he does not sign may be by anybody there.
    bench.hear(WILD, r#"{"ChatMessage":{"message":"hello"}}"#);
    assert_eq!(chats(&mut bench).len(), 1);
    // What was shown before is confirmed when it is sent again, and others are heard.
    assert_eq!(confirmed(&bench.hear_sealed(WILD, &bob(), &line("before", "0.5"))), ["0.5"]);
    bench.hear_sealed(WILD, &Identity::from_seed(&[3; 32]), &line("me too", "3.5"));
    assert_eq!(chats(&mut bench).len(), 1);
    bench.play.node.handle_command(bench.play.now, Command::HeedAuthor(bob().public())).unwrap();
    assert_eq!(confirmed(&bench.hear_sealed(WILD, &bob(), &line("hello", "1.5"))), ["1.5"]);
    assert_eq!(private_lines(&mut bench), ["hello"]);
}

#[test]
fn a_question_in_an_envelope_is_answered_in_one() {
    let mut bench = Bench::new();
    bench.verify(WILD);
    for (question, answer) in [("/ping", "PONG"), ("/version", "VERSION cjp2p-node test")] {
        let sent = bench.hear_sealed(WILD, &bob(), &format!(r#"{{"ChatMessage":{{"message":"{question}"}}}}"#));
        assert!(sent.iter().all(|(_, text)| !text.contains("ChatMessage")), "not in the open: {sent:?}");
        let elements: Vec<Value> = sent.iter().flat_map(|(_, text)| opened(text, &bob())).collect();
        assert_eq!(inside(&elements, "ChatMessage").unwrap()["message"], answer);
        assert_eq!(inside(&elements, "AlwaysReturned").unwrap()["cookie"], "theirs");
        assert_eq!(inside(&elements, "MyPublicKey").unwrap()["ed25519h"], alice().public().to_string());
    }
}

#[test]
fn a_signed_line_that_somebody_else_seals_is_not_private() {
    let mut bench = Bench::new();
    bench.verify(WILD);
    let said = format!("[{}]", line("for somebody else", "1.5"));
    let signed = serde_json::to_string(&Message::SignedMessage(bob().sign(&said).unwrap())).unwrap();
    bench.hear_sealed(WILD, &Identity::from_seed(&[3; 32]), &signed);
    let events = bench.play.events();
    assert!(!events.iter().any(|event| matches!(event, Event::PrivateChat { .. })), "{events:?}");
    let signed = format!("[{}]", line("for alice", "2.5"));
    let signed = serde_json::to_string(&Message::SignedMessage(bob().sign(&signed).unwrap())).unwrap();
    bench.hear_sealed(WILD, &bob(), &signed);
    assert_eq!(private_lines(&mut bench), ["for alice"]);
}

/// What bob seals for alice, with this before it.
fn letter(before: &str, elements: &str, ephemeral: u8) -> String {
    let text = format!("[{before}{},{elements}]", my_key(&bob()));
    let sealed = bob().seal(&alice().public(), &text, [ephemeral; 32]).unwrap();
    serde_json::to_string(&Message::EncryptedMessages(sealed)).unwrap()
}

#[test]
fn a_letter_to_our_earlier_self_that_a_thief_brings_is_not_shown_and_keeps_the_true_one_from_nobody() {
    let mut bench = Bench::new();
    bench.verify(THIRD);
    bench.verify(WILD);
    let before = format!("{},", returned("ofbefore"));
    assert!(confirmed(&bench.hear(THIRD, &letter(&before, &line("hello", "1.5"), 77))).is_empty());
    assert!(private_lines(&mut bench).is_empty());
    assert_eq!(confirmed(&bench.hear_sealed(WILD, &bob(), &line("hello", "1.5"))), ["1.5"]);
    assert_eq!(private_lines(&mut bench), ["hello"]);
    // Where he lives nobody else can have sent it from; but what he seals there has the right token in it.
    assert!(confirmed(&bench.hear(WILD, &letter(&before, &line("old", "2.5"), 78))).is_empty());
    assert!(private_lines(&mut bench).is_empty());
}

#[test]
fn a_letter_with_no_token_in_it_is_its_authors_only_where_he_lives() {
    let mut bench = Bench::new();
    bench.verify(THIRD);
    bench.verify(WILD);
    bench.hear_sealed(WILD, &bob(), &line("hello", "1.5"));
    assert_eq!(private_lines(&mut bench), ["hello"]);
    bench.hear(WILD, &letter("", &line("as the wild writes", "2.5"), 77));
    assert_eq!(private_lines(&mut bench), ["as the wild writes"]);
    // The right token in another envelope of his says nothing about this one.
    let relayed = format!("[{},{}]", returned(bench.token(THIRD)), my_key(&bob()));
    let relayed = serde_json::to_string(&Message::SignedMessage(bob().sign(&relayed).unwrap())).unwrap();
    let sent = bench.hear(THIRD, &format!("{relayed},{}", letter("", &line("old", "3.5"), 78)));
    assert!(confirmed(&sent).is_empty());
    assert_eq!(chats(&mut bench), [(address(THIRD), None, "old".to_owned())]);
}

/// The lines that were shown, from where and whose.
fn chats(bench: &mut Bench) -> Vec<(SocketAddr, Option<PublicKey>, String)> {
    let events = bench.play.events().into_iter().filter_map(|event| match event {
        Event::Chat { from, key, text } => Some((from, key, text)),
        Event::PrivateChat { from, key, text } => Some((from, Some(key), text)),
        _ => None,
    });
    events.collect()
}

#[test]
fn a_signed_line_is_its_signers_only_with_our_token_in_it_or_from_where_he_lives() {
    let mut bench = Bench::new();
    bench.verify(THIRD);
    bench.verify(WILD);
    let said = |elements: &str| {
        serde_json::to_string(&Message::SignedMessage(bob().sign(&format!("[{elements}]")).unwrap())).unwrap()
    };
    let chat = r#"{"ChatMessage":{"message":"yes"}}"#;
    bench.hear(THIRD, &said(chat));
    assert_eq!(chats(&mut bench), [(address(THIRD), None, "yes".to_owned())], "anybody can say again what was signed");
    let meant = format!(r#"{{"MeantFor":{{"ed25519h":"{}"}}}}"#, alice().public());
    let token = returned(bench.token(WILD));
    let yes = [(address(WILD), Some(bob().public()), "yes".to_owned())];
    bench.hear(WILD, &said(&format!("{token},{meant},{chat}")));
    assert_eq!(chats(&mut bench), yes);
    bench.hear(WILD, &said(chat));
    assert_eq!(chats(&mut bench), yes);
}
