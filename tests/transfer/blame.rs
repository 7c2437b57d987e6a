//! Who is blamed for what is wrong, and who is asked for what: never somebody honest, nor for what he does not have.

use crate::content::Content;
use crate::net::{Net, address};
use crate::plays::{MIB, is_right, settle, sha256};
use crate::source::Source;
use cjp2p_node::content::{Part, Ranges, Store};
use cjp2p_node::transfer::pieces::PIECE_MIN_BYTES;
use cjp2p_node::transfer::{Ask, Has, Held, Outcome, Question, SOURCES_MAX};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::time::Duration;

/// Says whether the content is right as a whole until nothing more is to be said.
fn check(net: &mut Net, content: &Rc<Content>, mut outcome: Outcome) {
    assert_eq!(outcome, settle(net, content));
    assert!(!is_right(content)(net.kept()), "otherwise this test shows nothing");
    while !is_right(content)(net.kept()) {
        net.transfers.settled(net.now, &net.id, false, &mut StdRng::from_seed([1; 32]));
        outcome = net.go_on();
        assert_eq!(outcome, settle(net, content));
    }
}

#[test]
fn nobody_is_blamed_for_what_was_there_from_an_earlier_attempt() {
    let content = Content::new(MIB);
    for (sources, wrong) in [(1, 200_000..300_000), (2, 200_000..300_000), (1, 0..MIB)] {
        let mut net = sha256(&content, (0..sources).map(|_| Source::honest(&content)).collect());
        let mut held = Ranges::default();
        held.insert(wrong.start as u64..wrong.end as u64).unwrap();
        net.store.write_part(&net.id, Part::Content, wrong.start as u64, &vec![0; wrong.len()]).unwrap();
        let held = Held { size: Some(MIB as u64), content: held, tree: Ranges::default() };
        let outcome = net.fetch(held);
        check(&mut net, &content, outcome);
    }
}

#[test]
fn nobody_is_blamed_for_what_one_delivered_who_is_forgotten() {
    let content = Content::new(MIB);
    // The liar is forgotten for the last of those who have nothing, or for the honest one.
    for (liar, honest) in [(1, 2), (0, SOURCES_MAX)] {
        let silent = |_| Source { answers_left: 0, ..Source::honest(&content) };
        let mut sources: Vec<Source> = (0..=SOURCES_MAX).map(silent).collect();
        sources[honest] = Source::honest(&content);
        let mut net = sha256(&content, sources);
        let (id, now, size) = (net.id, net.now, content.bytes.len() as u64);
        let (mut rng, mut questions) = (StdRng::from_seed([1; 32]), Vec::new());
        assert!(net.transfers.start(now, id, Held::default(), Duration::from_secs(20)));
        let mut offer = |net: &mut Net, numbers: RangeInclusive<usize>| {
            for number in numbers {
                assert!(net.transfers.offer_source(now, &id, address(number), &mut rng), "{number}");
            }
        };
        let claim = |net: &mut Net, number, size| {
            net.transfers.vouch(&id, address(number));
            net.transfers.take_holdings(now, address(number), &id, Part::Content, Some(size), Has::All);
        };
        offer(&mut net, 0..=liar);
        claim(&mut net, liar, size);
        net.transfers.ask(now, &mut StdRng::from_seed([1; 32]), &mut questions);
        let (offset, block, run) = questions.iter().find_map(run).unwrap();
        let wrong = base64_simd::STANDARD.encode_to_string(vec![0; block as usize]);
        net.transfers.take_block(now, address(liar), (u64::from(run), offset), &wrong, &mut net.store).unwrap();
        // It contradicts itself, and is left behind; another stands by the size.
        offer(&mut net, liar + 1..=liar + 1);
        claim(&mut net, liar + 1, size);
        [1, 2].into_iter().for_each(|more| claim(&mut net, liar, size + more));
        offer(&mut net, liar + 2..=SOURCES_MAX);
        assert!(!net.transfers.is_source(&id, address(liar)));
        let outcome = net.go_on();
        check(&mut net, &content, outcome);
    }
}

/// Which blocks a question asks for in our words: where they begin, how long they are, and the number of the run.
fn run(question: &Question) -> Option<(u64, u32, u32)> {
    match question.ask {
        Ask::Run { offset, block, run, .. } => Some((offset, block, run)),
        _ => None,
    }
}

#[test]
fn nobody_takes_over_from_another_what_it_has_said_that_it_does_not_have() {
    let content = Content::new(8 * MIB);
    let mut asked = 0;
    for part in 1..16 {
        let mut net = sha256(&content, vec![]);
        let (id, size) = (net.id, content.bytes.len() as u64);
        let [fast, partial] = [1, 2].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let mut rng = StdRng::from_seed([1; 32]);
        net.transfers.start(net.now, id, Held::default(), Duration::from_secs(20));
        let meet = |net: &mut Net, source, has| {
            net.transfers.offer_source(net.now, &id, source, &mut StdRng::from_seed([2; 32]));
            net.transfers.vouch(&id, source);
            net.transfers.take_holdings(net.now, source, &id, Part::Content, Some(size), has);
        };
        meet(&mut net, fast, Has::All);
        let mut questions = Vec::new();
        for _round in 0..2_000 {
            let held = net.transfers.progress().next().unwrap().held;
            if held > size * part / 16 && !net.transfers.is_source(&id, partial) {
                // Two of four pieces, the first two; and the other one falls silent.
                meet(&mut net, partial, Has::Some(vec![0b1100_1100; 16]));
            }
            let is_met = net.transfers.is_source(&id, partial);
            questions.clear();
            net.transfers.ask(net.now, &mut rng, &mut questions);
            net.now = net.now + Duration::from_micros(50);
            net.transfers.handle_timeout(net.now);
            for question in &questions {
                let Ask::Run { offset, length, block, run, .. } = question.ask else { continue };
                if question.to == partial {
                    asked += 1;
                    let mut pieces = offset / PIECE_MIN_BYTES..(offset + length).div_ceil(PIECE_MIN_BYTES);
                    assert!(pieces.all(|piece| piece % 4 < 2), "{offset} {length}");
                } else if is_met {
                    continue;
                }
                for start in (offset..offset + length).step_by(block as usize) {
                    let end = (start + u64::from(block)).min(offset + length);
                    let text = base64_simd::STANDARD.encode_to_string(&content.bytes[start as usize..end as usize]);
                    let place = (u64::from(run), start);
                    let _ = net.transfers.take_block(net.now, question.to, place, &text, &mut net.store);
                }
            }
        }
    }
    assert!(asked > 0, "otherwise this test shows nothing");
}
