//! The plays.

use crate::content::Content;
use crate::net::{Net, address};
use crate::source::Source;
use cjp2p_node::content::{ContentId, Part, Ranges, WriteError};
use cjp2p_node::transfer::{Ask, Failure, Has, Held, Outcome};
use rand::SeedableRng;
use rand::rngs::StdRng;
use sha2::{Digest, Sha256};
use std::rc::Rc;
use std::time::Duration;

pub const MIB: usize = 1 << 20;

pub fn blake3(content: &Rc<Content>, sources: Vec<Source>) -> Net {
    Net::new(ContentId::Blake3(content.blake3), sources)
}

pub fn sha256(content: &Rc<Content>, sources: Vec<Source>) -> Net {
    Net::new(ContentId::Sha256(content.sha256), sources)
}

pub fn settle(net: &Net, content: &Rc<Content>) -> Outcome {
    Outcome::Settle { id: net.id, size: content.bytes.len() as u64 }
}

pub fn is_right(content: &Rc<Content>) -> impl Fn(&[u8]) -> bool + use<> {
    let sha256 = content.sha256;
    move |bytes| Sha256::digest(bytes).as_slice() == sha256
}

/// What the sources sent beside the size of the content.
pub fn cost(net: &Net, content: &Rc<Content>) -> f64 {
    net.sent as f64 / (content.bytes.len() as f64)
}

#[test]
fn contents_of_every_awkward_size_arrive_by_either_id_from_either_kind_of_source() {
    for size in [0, 1, 4_095, 4_096, 4_097, 8_192, 65_535, 65_536, 65_537, 300_001, MIB] {
        let content = Content::new(size);
        for is_ours in [true, false] {
            let source = || Source { is_ours, ..Source::honest(&content) };
            let mut net = blake3(&content, vec![source()]);
            assert_eq!(net.fetch(Held::default()), settle(&net, &content), "{size} {is_ours}");
            assert!(net.kept() == content.bytes, "{size} {is_ours}");
            if size > 4_096 {
                assert!(net.store.part(&net.id, Part::Tree) == content.tree, "{size} {is_ours}");
            }
            let mut net = sha256(&content, vec![source()]);
            assert_eq!(net.fetch(Held::default()), settle(&net, &content), "{size} {is_ours}");
            assert!(net.kept() == content.bytes, "{size} {is_ours}");
        }
    }
}

#[test]
fn the_last_answers_of_a_short_content_are_asked_for_again_before_any_timeout() {
    let content = Content::new(20_000);
    for is_ours in [true, false] {
        let span = |swallowed: Vec<u64>| {
            let mut net = blake3(&content, vec![Source { is_ours, ..Source::honest(&content) }]);
            net.swallowed = swallowed;
            let start = net.now;
            assert_eq!(net.fetch(Held::default()), settle(&net, &content));
            assert!(net.kept() == content.bytes && net.swallowed.is_empty());
            (net.now.since(start), net)
        };
        let (undisturbed, net) = span(Vec::new());
        // Two round trips of silence, and one for the answer; or one more for what that answer overtakes.
        let round_trip = 2 * net.latency;
        let last = if is_ours { [18_432, 19_456] } else { [12_288, 16_384] };
        for (swallowed, round_trips) in [(&last[1..], 3), (&last[..], 4)] {
            let (disturbed, _) = span(swallowed.to_vec());
            let extra = disturbed - undisturbed;
            assert!(extra >= round_trip && extra <= round_trip * round_trips + round_trip / 2, "{is_ours} {extra:?}");
        }
    }
}

#[test]
fn a_tenth_of_all_datagrams_lost_costs_time_and_not_the_content() {
    let content = Content::new(4 * MIB);
    for is_ours in [true, false] {
        let source = || Source { is_ours, ..Source::honest(&content) };
        let mut net = blake3(&content, vec![source(), source(), source()]);
        net.lost = 100;
        assert_eq!(net.fetch(Held::default()), settle(&net, &content));
        assert!(net.kept() == content.bytes);
        assert!(cost(&net, &content) < 1.4, "{}", cost(&net, &content));
    }
}

#[test]
fn where_fragments_do_not_get_through_a_content_of_any_size_comes_in_smaller_blocks_before_long() {
    for size in [2_000, 4_096, 5_000, 8_192, 300_001, 2 * MIB] {
        let content = Content::new(size);
        let source = |is_ours| Source { is_ours, is_without_fragments: true, ..Source::honest(&content) };
        for is_ours in [false, true] {
            for mut net in [blake3(&content, vec![source(is_ours)]), sha256(&content, vec![source(is_ours)])] {
                assert_eq!(net.fetch(Held::default()), settle(&net, &content), "{size} {is_ours}");
                assert!(net.kept() == content.bytes);
                assert!(net.now.as_micros() < 10_000_000, "{size} {is_ours}: {:?}", net.now);
            }
        }
    }
}

#[test]
fn a_source_that_turns_out_to_know_our_words_is_asked_for_other_blocks_and_nothing_is_missing() {
    for size in [20_000, 300_001, 2 * MIB] {
        let content = Content::new(size);
        for after in 1..40 {
            let source = Source { is_ours: false, is_without_fragments: true, ..Source::honest(&content) };
            let mut net = blake3(&content, vec![Source { tells_after: Some(after), ..source }]).seed(after);
            assert_eq!(net.fetch(Held::default()), settle(&net, &content), "{size} {after}");
            assert!(net.kept() == content.bytes);
        }
    }
}

#[test]
fn several_sources_share_the_work() {
    let content = Content::new(4 * MIB);
    let mut net = blake3(&content, (0..4).map(|_| Source::honest(&content)).collect());
    net.uplink = 1_250_000;
    assert_eq!(net.fetch(Held::default()), settle(&net, &content));
    assert!(cost(&net, &content) < 1.06, "{}", cost(&net, &content));
    let alone = {
        let mut net = blake3(&content, vec![Source::honest(&content)]);
        net.uplink = 1_250_000;
        net.fetch(Held::default());
        net.now
    };
    let (one, four) = (alone.as_micros() - 1_000_000, net.now.as_micros() - 1_000_000);
    assert!(four * 2 < one, "{four} against {one} microseconds");
}

#[test]
fn nothing_wrong_is_ever_kept_of_a_content_that_can_be_checked_by_blocks() {
    let content = Content::new(8 * MIB);
    for (damaged, most) in [(100, 1.2), (1_000, 1.5)] {
        for seed in 0..5 {
            let mut sources = vec![Source::honest(&content)];
            sources.extend((0..4).map(|_| Source::liar(&content, damaged)));
            let mut net = blake3(&content, sources).seed(seed);
            assert_eq!(net.fetch(Held::default()), settle(&net, &content));
            assert!(net.kept() == content.bytes);
            assert!(cost(&net, &content) <= most, "{damaged}: {}", cost(&net, &content));
        }
    }
}

#[test]
fn one_honest_source_among_five_is_enough_where_only_the_whole_can_be_checked() {
    let content = Content::new(8 * MIB);
    for (damaged, most) in [(100, 2.0), (1_000, 5.0)] {
        for seed in 0..5 {
            let mut sources = vec![Source::honest(&content)];
            sources.extend((0..4).map(|_| Source::liar(&content, damaged)));
            let mut net = sha256(&content, sources).seed(seed);
            assert_eq!(net.fetch_checked(is_right(&content)), settle(&net, &content));
            assert!(net.kept() == content.bytes, "{damaged} {seed}");
            assert!(cost(&net, &content) <= most, "{damaged}: {}", cost(&net, &content));
        }
    }
}

#[test]
fn where_everybody_lies_it_fails_and_says_so() {
    let content = Content::new(MIB);
    let liars = || (0..3).map(|_| Source::liar(&content, 1_000)).collect();
    let mut net = sha256(&content, liars());
    let failed = Outcome::Failed { id: net.id, why: Failure::Wrong };
    assert_eq!(net.fetch_checked(is_right(&content)), failed);
    let mut net = blake3(&content, liars());
    assert!(matches!(net.fetch(Held::default()), Outcome::Failed { .. }));
    assert_eq!(net.kept(), b"");
}

#[test]
fn a_source_that_vanishes_or_swallows_answers_holds_nobody_up() {
    let content = Content::new(2 * MIB);
    let sources = vec![
        Source { answers_left: 50, ..Source::honest(&content) },
        Source { swallows: 900, ..Source::honest(&content) },
        Source::honest(&content),
    ];
    let mut net = blake3(&content, sources);
    assert_eq!(net.fetch(Held::default()), settle(&net, &content));
    assert!(net.kept() == content.bytes);
    assert!(net.now.as_micros() < 60_000_000, "{:?}", net.now);
}

#[test]
fn a_wrong_word_on_the_size_is_outlived() {
    let content = Content::new(300_001);
    for exaggerates in [1, -1, 4_096, -4_096, 1 << 40, -300_000, -300_001] {
        for first in [true, false] {
            let liar = Source { exaggerates, ..Source::honest(&content) };
            let honest = Source::honest(&content);
            let sources = if first { vec![liar, honest] } else { vec![honest, liar] };
            let mut net = blake3(&content, sources);
            assert_eq!(net.fetch(Held::default()), settle(&net, &content), "{exaggerates} {first}");
            assert!(net.kept() == content.bytes);
        }
    }
}

#[test]
fn when_nobody_stands_by_a_size_any_more_the_next_word_on_it_is_taken_at_once() {
    let content = Content::new(300_001);
    for mut net in [blake3(&content, vec![]), sha256(&content, vec![])] {
        net.begin(Held::default());
        let (id, now, size) = (net.id, net.now, content.bytes.len() as u64);
        for (source, claims) in [(0, &[5_000, u64::MAX][..]), (1, &[size])] {
            net.transfers.offer_source(now, &id, address(source), &mut StdRng::from_seed([1; 32]));
            net.transfers.vouch(&id, address(source));
            for claim in claims {
                net.transfers.take_holdings(now, address(source), &id, Part::Content, Some(*claim), Has::All);
            }
        }
        assert_eq!(net.transfers.progress().next().unwrap().size, Some(size));
    }
}

#[test]
fn who_says_that_it_has_a_content_is_asked_at_once_though_it_did_not_answer_for_another() {
    let (one, other) = (Content::new(300_001), Content::new(8_192));
    let mut net = sha256(&one, vec![]);
    let (id, forged, source) = (net.id, ContentId::Sha256(other.sha256), address(0));
    let (mut rng, mut questions) = (StdRng::from_seed([1; 32]), Vec::new());
    for id in [id, forged] {
        net.transfers.start(net.now, id, Held::default(), Duration::from_secs(20));
        net.transfers.offer_source(net.now, &id, source, &mut rng);
    }
    // Anybody can say so in its name.
    let claim = ("AA==", Some(8_192));
    assert!(net.transfers.take_content(net.now, source, (forged, Part::Content, 0), claim, &mut net.store).is_err());
    for _ in 0..4 {
        questions.clear();
        net.transfers.ask(net.now, &mut rng, &mut questions);
        net.now = net.now + Duration::from_secs(1);
        net.transfers.handle_timeout(net.now);
    }
    net.transfers.vouch(&id, source);
    net.transfers.take_holdings(net.now, source, &id, Part::Content, Some(300_001), Has::All);
    questions.clear();
    net.transfers.ask(net.now, &mut rng, &mut questions);
    let is_asked = |id| questions.iter().any(|question| question.id == id && matches!(question.ask, Ask::Run { .. }));
    assert!(is_asked(id), "{questions:?}");
}

#[test]
fn nobody_has_it_and_nobody_delivers_are_told_apart() {
    let content = Content::new(MIB);
    let mut net = blake3(&content, vec![Source { answers_left: 0, ..Source::honest(&content) }]);
    let failed = |why| Outcome::Failed { id: ContentId::Blake3(content.blake3), why };
    assert_eq!(net.fetch(Held::default()), failed(Failure::NotFound));
    assert!(net.now.as_micros() <= 21_000_000);
    let mut net = blake3(&content, vec![Source { answers_left: 20, ..Source::honest(&content) }]);
    assert_eq!(net.fetch(Held::default()), failed(Failure::Stalled));
}

#[test]
fn a_full_disk_ends_it_with_a_reason() {
    let content = Content::new(MIB);
    let mut net = blake3(&content, vec![Source::honest(&content)]);
    net.store.write_fault = Some(WriteError::Full);
    assert_eq!(net.fetch(Held::default()), Outcome::Failed { id: net.id, why: Failure::Full });
}

#[test]
fn what_is_there_already_is_not_fetched_again() {
    let content = Content::new(4 * MIB);
    let mut net = blake3(&content, vec![Source::honest(&content)]);
    net.fetch(Held::default());
    let (id, mut store) = (net.id, std::mem::take(&mut net.store));
    let mut net = Net::new(id, vec![Source::honest(&content)]);
    std::mem::swap(&mut net.store, &mut store);
    let mut held = Ranges::default();
    held.insert(0..3 * MIB as u64).unwrap();
    let mut tree = Ranges::default();
    tree.insert(0..content.tree.len() as u64).unwrap();
    let held = Held { size: Some(content.bytes.len() as u64), content: held, tree };
    assert_eq!(net.fetch(held), settle(&net, &content));
    assert_eq!(net.sent, MIB as u64);
}

#[test]
fn those_who_promise_and_deliver_nothing_cost_little_time_where_only_the_whole_can_be_checked() {
    let content = Content::new(300_001);
    for seed in 0..60 {
        let mut sources = vec![Source::liar(&content, 1_000), Source::honest(&content)];
        sources.extend((0..3).map(|_| Source { swallows: 1_000, ..Source::honest(&content) }));
        let mut net = sha256(&content, sources).seed(seed);
        net.lost = 100;
        assert_eq!(net.fetch_checked(is_right(&content)), settle(&net, &content), "{seed}");
        // A jury, which waits for those who say nothing, and a turn or two of theirs, of two and a half seconds each.
        assert!(net.kept() == content.bytes && net.now.as_micros() < 10_000_000, "{seed}: {:?}", net.now);
    }
}
