//! Plays in which datagrams come late or twice, and sources that tire or contradict themselves.
//!
//! Each copy of a question is answered, so where a fifth comes twice the sources send a fifth more; the bounds leave
//! room for what is asked again too early besides.

use crate::content::Content;
use crate::net::{Net, address};
use crate::plays::{MIB, blake3, cost, is_right, settle, sha256};
use crate::source::Source;
use cjp2p_node::content::Part;
use cjp2p_node::transfer::Held;
use std::rc::Rc;
use std::time::Duration;

/// What the network does, and how much more than the content the sources may have to send for it.
struct Weather {
    overtaken: u32,
    doubled: u32,
    lost: u32,
    most: f64,
}

/// Fetches from three sources in this weather, by either id and from either kind.
fn endure(Weather { overtaken, doubled, lost, most }: Weather) {
    let content = Content::new(4 * MIB);
    for is_ours in [true, false] {
        for build in [blake3, sha256] {
            for seed in 0..3 {
                let source = || Source { is_ours, ..Source::honest(&content) };
                let mut net: Net = build(&content, vec![source(), source(), source()]).seed(seed);
                (net.overtaken, net.doubled, net.lost) = (overtaken, doubled, lost);
                assert_eq!(net.fetch_checked(is_right(&content)), settle(&net, &content));
                assert!(net.kept() == content.bytes, "{is_ours} {seed}");
                assert!(cost(&net, &content) <= most, "{is_ours} {seed}: {:.2}", cost(&net, &content));
            }
        }
    }
}

#[test]
fn datagrams_that_overtake_one_another_change_nothing_that_arrives() {
    endure(Weather { overtaken: 200, doubled: 0, lost: 0, most: 1.3 });
}

#[test]
fn datagrams_that_come_twice_change_nothing_that_arrives() {
    endure(Weather { overtaken: 0, doubled: 200, lost: 0, most: 1.3 });
}

#[test]
fn disorder_and_a_tenth_lost_change_nothing_that_arrives() {
    endure(Weather { overtaken: 200, doubled: 200, lost: 100, most: 1.6 });
}

/// Fetches from one honest source and some others, whichever comes first.
fn outlive(content: &Rc<Content>, others: impl Fn() -> Vec<Source>, most: Duration) {
    for build in [blake3, sha256] {
        for first in [true, false] {
            for seed in 0..5 {
                let mut sources = others();
                sources.insert(if first { 0 } else { sources.len() }, Source::honest(content));
                let mut net: Net = build(content, sources).seed(seed);
                let start = net.now;
                assert_eq!(net.fetch_checked(is_right(content)), settle(&net, content), "{first} {seed}");
                assert!(net.kept()[..content.bytes.len()] == content.bytes, "{first} {seed}");
                assert!(net.now.since(start) <= most, "{first} {seed}: {:?}", net.now.since(start));
            }
        }
    }
}

#[test]
fn sources_that_answer_slower_and_slower_are_left_behind() {
    let content = Content::new(4 * MIB);
    for tires in [Duration::from_millis(1), Duration::from_millis(20), Duration::from_millis(500)] {
        let tired = || Source { tires: Some((100, tires)), ..Source::honest(&content) };
        outlive(&content, || vec![tired(), tired()], Duration::from_secs(20));
    }
}

#[test]
fn sources_that_contradict_themselves_on_the_size_keep_nobody_from_the_content() {
    let content = Content::new(300_001);
    for exaggerates in [1, -1, 65_536, 1 << 40, -300_000, -300_001] {
        let unsure = || Source { exaggerates, wavers: true, ..Source::honest(&content) };
        outlive(&content, || vec![unsure(), Source { is_ours: false, ..unsure() }], Duration::from_secs(60));
    }
}

#[test]
fn sources_that_contradict_themselves_on_what_they_have_keep_nobody_from_the_content() {
    let content = Content::new(MIB);
    let fickle = || Source { is_fickle: true, swallows: 500, ..Source::honest(&content) };
    outlive(&content, || vec![fickle(), fickle()], Duration::from_secs(60));
}

#[test]
fn what_is_there_of_a_content_proves_no_wrong_word_on_its_size() {
    for (size, exaggerates) in [(300_001, -1), (300_001, -295_905), (8_192, -4_096), (8_192, -1), (4_096, -1)] {
        let content = Content::new(size);
        let mut net = blake3(&content, vec![Source::honest(&content)]);
        net.fetch(Held::default());
        let store = std::mem::take(&mut net.store);
        let liar = Source { exaggerates, ..Source::honest(&content) };
        let mut net = blake3(&content, vec![liar, Source::honest(&content)]);
        net.store = store;
        let mut held = Held::default();
        held.content.insert(0..size as u64).unwrap();
        assert_eq!(net.fetch(held), settle(&net, &content), "{size} {exaggerates}");
    }
}

#[test]
fn an_impossible_size_that_is_said_in_the_name_of_a_source_takes_it_away_from_nobody() {
    let content = Content::new(MIB);
    for build in [blake3, sha256] {
        for size in [0, u64::MAX] {
            let mut net: Net = build(&content, vec![Source::honest(&content)]);
            net.begin(Held::default());
            let _ = net.transfers.take_content(
                net.now,
                address(0),
                (net.id, Part::Content, 0),
                ("", Some(size)),
                &mut net.store,
            );
            assert_eq!(net.go_on(), settle(&net, &content), "{size}");
        }
    }
}
