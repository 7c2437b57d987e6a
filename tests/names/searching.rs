//! Searching for the newest version of a name, and keeping one up to date.

use super::{ASKER, OTHER, PATIENCE, PEER, alice, command, envelope, follow, news, play, say, sought, title, version};
use crate::play::{Play, address};
use cjp2p_node::node::{Command, CommandError, SEARCHES_MAX};
use cjp2p_node::titles::Title;
use cjp2p_node::titles::table::FOLLOWED_MAX;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

#[test]
fn a_search_takes_the_newest_and_not_the_first_and_asks_each_peer_once_at_first() {
    let mut play = play();
    let page = title(&alice(), "page");
    let tokens = [PEER, OTHER, ASKER].map(|peer| play.verify(peer));
    play.sent();
    command(&mut play, Command::Seek { title: page.clone(), patience: PATIENCE }).unwrap();
    let asked: Vec<_> = play.sent().into_iter().filter(|(_, sent)| sent.contains("GetLatest")).collect();
    assert_eq!(asked.iter().map(|(to, _)| *to).collect::<BTreeSet<_>>(), [PEER, OTHER, ASKER].map(address).into());
    assert!(play.node.seeks(&page));
    for (n, (peer, token)) in [PEER, OTHER].iter().zip(&tokens).enumerate() {
        play.run(Duration::from_millis(300));
        let answer = envelope(&version(&alice(), "page", 5 + n as u64));
        play.hear(peer, &format!(r#"[{answer},{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#));
        assert!(play.node.seeks(&page), "others may know a newer one");
    }
    play.events();
    play.run(Duration::from_millis(800));
    assert_eq!(sought(&mut play), [(page.clone(), true)]);
    assert_eq!(play.node.version(&page).unwrap().seq, 6);
    // What comes after the search counts as much.
    follow(&mut play, &page);
    say(&mut play, PEER, &envelope(&version(&alice(), "page", 7)));
    assert_eq!(play.node.version(&page).unwrap().seq, 7);
}

#[test]
fn a_search_ends_with_nothing_if_nobody_knows_and_at_once_with_what_is_known() {
    let mut play = play();
    let page = title(&alice(), "page");
    play.verify(PEER);
    command(&mut play, Command::Seek { title: page.clone(), patience: PATIENCE }).unwrap();
    let asked = play.run(PATIENCE).iter().filter(|(_, sent)| sent.contains("GetLatest")).count();
    assert!((3..8).contains(&asked), "again and again, ever more seldom: {asked}");
    assert_eq!(sought(&mut play), [(page.clone(), false)]);
    say(&mut play, OTHER, &envelope(&version(&alice(), "page", 5)));
    command(&mut play, Command::Seek { title: page.clone(), patience: PATIENCE }).unwrap();
    play.run(Duration::from_secs(4));
    assert_eq!(sought(&mut play), [(page.clone(), true)]);
    // It is what was known before, until somebody says so, or says it is newer.
    assert!(play.node.is_unanswered(&page) && !play.node.is_unanswered(&title(&alice(), "other")));
    say(&mut play, OTHER, &envelope(&version(&alice(), "page", 5)));
    assert!(!play.node.is_unanswered(&page) && !play.node.seeks(&page));
}

#[test]
fn who_is_not_proven_or_brings_an_older_version_confirms_nothing_during_a_search_or_after_it() {
    let mut play = play();
    let page = title(&alice(), "page");
    let [older, known, newer] = [3, 5, 7].map(|seq| envelope(&version(&alice(), "page", seq)));
    play.verify(PEER);
    say(&mut play, OTHER, &known);
    let confirm_nothing = |play: &mut Play, known: &str| {
        play.hear(ASKER, &format!("[{known}]"));
        say(play, PEER, &older);
    };
    command(&mut play, Command::Seek { title: page.clone(), patience: PATIENCE }).unwrap();
    confirm_nothing(&mut play, &known);
    play.run(Duration::from_secs(4));
    assert_eq!(sought(&mut play), [(page.clone(), true)]);
    assert!(play.node.is_unanswered(&page));
    confirm_nothing(&mut play, &known);
    assert!(play.node.is_unanswered(&page));
    // What somebody unproven brings is taken, since it is signed; then only who knows as much confirms it.
    confirm_nothing(&mut play, &newer);
    assert_eq!(play.node.version(&page).unwrap().seq, 7);
    say(&mut play, PEER, &known);
    assert!(play.node.is_unanswered(&page));
    say(&mut play, PEER, &newer);
    assert!(!play.node.is_unanswered(&page));
}

#[test]
fn who_is_not_proven_ends_no_search_however_much_it_brings() {
    let mut play = play();
    let page = title(&alice(), "page");
    let [older, known, newer] = [3, 5, 9].map(|seq| envelope(&version(&alice(), "page", seq)));
    play.verify(PEER);
    command(&mut play, Command::Seek { title: page.clone(), patience: PATIENCE }).unwrap();
    for late in [&older, &known] {
        play.run(Duration::from_secs(5));
        // Anybody sends again what was signed once.
        play.hear(ASKER, &format!("[{late}]"));
        play.run(Duration::from_secs(4));
        assert!(play.node.seeks(&page), "who knows better may yet come");
    }
    say(&mut play, PEER, &newer);
    play.run(Duration::from_millis(1_100));
    assert_eq!((sought(&mut play), play.node.is_unanswered(&page)), (vec![(page.clone(), true)], false));
    assert_eq!(play.node.version(&page).unwrap().seq, 9);
}

#[test]
fn who_is_not_proven_and_brings_the_newest_first_makes_nobody_wait_for_ever() {
    let mut play = play();
    let page = title(&alice(), "page");
    let [older, newer] = [3, 5].map(|seq| envelope(&version(&alice(), "page", seq)));
    play.verify(PEER);
    command(&mut play, Command::Seek { title: page.clone(), patience: 1_000 * PATIENCE }).unwrap();
    play.hear(ASKER, &format!("[{newer}]"));
    say(&mut play, PEER, &older);
    play.run(Duration::from_secs(4));
    assert_eq!((sought(&mut play), play.node.is_unanswered(&page)), (vec![(page.clone(), true)], true));
    assert_eq!(play.node.version(&page).unwrap().seq, 5);

    // It is the newest that is known, for whoever asks again: nobody could be heard who knows better.
    command(&mut play, Command::Seek { title: page.clone(), patience: PATIENCE }).unwrap();
    play.run(Duration::from_millis(2_900));
    assert!(play.node.seeks(&page));
    play.run(Duration::from_millis(200));
    assert_eq!(sought(&mut play), [(page, true)]);
}

#[test]
fn a_peer_that_comes_during_a_search_is_asked_at_once() {
    let mut play = play();
    let page = title(&alice(), "page");
    command(&mut play, Command::Seek { title: page, patience: PATIENCE }).unwrap();
    play.run(Duration::from_millis(2_500));
    let token = play.token(PEER);
    play.hear(PEER, &format!(r#"[{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#));
    let sent = play.run(Duration::from_millis(50));
    assert!(sent.iter().any(|(to, sent)| *to == address(PEER) && sent.contains("GetLatest")), "{sent:?}");
}

#[test]
fn searches_and_titles_are_limited_and_the_user_is_told() {
    let mut play = play();
    for n in 0..FOLLOWED_MAX {
        follow(&mut play, &title(&alice(), &n.to_string()));
        follow(&mut play, &title(&alice(), "0"));
    }
    let more = Command::Follow { title: title(&alice(), "more"), version: None };
    assert_eq!(command(&mut play, more.clone()), Err(CommandError::Full));
    command(&mut play, Command::Unfollow(title(&alice(), "7"))).unwrap();
    assert_eq!(command(&mut play, Command::Unfollow(title(&alice(), "7"))), Err(CommandError::NotFollowed));
    assert_eq!(command(&mut play, more), Ok(()));
    let seek = |n: usize| Command::Seek { title: title(&alice(), &format!("s{n}")), patience: PATIENCE };
    for n in 0..SEARCHES_MAX {
        assert_eq!(command(&mut play, seek(n)), Ok(()));
    }
    assert_eq!(command(&mut play, seek(99)), Err(CommandError::Full));
    play.run(PATIENCE);
    assert_eq!(command(&mut play, seek(99)), Ok(()));
    for size in play.node.sizes() {
        assert!(size.len <= size.max, "{size:?}");
    }
}

#[test]
fn what_is_kept_up_to_date_is_asked_for_again_and_again_and_not_often() {
    let mut play = play();
    let token = play.verify(PEER);
    let pages: Vec<Title> = (0..40).map(|n| title(&alice(), &format!("page {n}"))).collect();
    pages.iter().for_each(|page| follow(&mut play, page));
    let (mut asked, mut datagrams) = (BTreeSet::new(), 0);
    // The peer answers whatever keeps it a peer.
    for _ in 0..60 {
        for (_, sent) in play.run(Duration::from_secs(30)) {
            let elements: Vec<Value> = serde_json::from_str(&sent).unwrap();
            let names = elements.iter().filter_map(|element| element["GetLatest"]["name"].as_str().map(str::to_owned));
            let before = asked.len();
            asked.extend(names);
            datagrams += usize::from(sent.contains("GetLatest"));
            assert!(asked.len() <= before + 16);
        }
        play.hear(PEER, &format!(r#"[{{"PleaseSendPeers":{{}}}},{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#));
        play.sent();
    }
    assert_eq!(asked.len(), pages.len());
    assert!((6..=12).contains(&datagrams), "three for each round of ten minutes: {datagrams}");
    say(&mut play, OTHER, &envelope(&version(&alice(), "page 3", 5)));
    play.events();
    let newer = envelope(&version(&alice(), "page 3", 6));
    let token = play.token(OTHER);
    play.hear(OTHER, &format!(r#"[{newer},{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#));
    assert_eq!(news(&mut play), [pages[3].clone()]);
}
