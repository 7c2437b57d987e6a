//! What one path does with asks and answers; how fast it becomes is shown in `tests/throughput`.

use super::*;
use crate::transfer::rtt::{RTO_FIRST, RTO_MIN};

/// A datagram that fits everywhere, with its headers.
const BYTES: usize = 1_228;

fn at(ms: u64) -> Time {
    Time::from_micros(ms * 1_000)
}

fn lost(path: &mut Path<u32>, ms: u64) -> Vec<u32> {
    let mut into = Vec::new();
    path.lost(at(ms), &mut into);
    into
}

/// A path on which a first answer took 40 ms.
fn path() -> Path<u32> {
    let mut path = Path::new(at(0));
    assert!(path.asked(at(0), 0, BYTES));
    assert!(path.arrived(at(40), 0, BYTES));
    path
}

#[test]
fn a_new_path_is_asked_for_a_first_window_and_no_more() {
    let mut path = Path::new(at(0));
    let mut key = 0;
    while path.may_ask(at(0)) > 0 {
        assert!(path.asked(at(0), key, BYTES));
        key += 1;
    }
    assert_eq!(key, 12, "14,720 bytes, and what of the last exceeds them");
    assert_eq!(path.in_flight(), 12 * BYTES);
    assert_eq!(path.next_ask(), None, "an answer has to come first");
}

#[test]
fn an_answer_that_nobody_asked_for_is_none() {
    let mut path = path();
    assert!(!path.arrived(at(41), 9, BYTES));
    assert!(!path.arrived(at(41), 0, BYTES), "nor is a second one");
    assert_eq!((path.is_idle(), path.in_flight(), path.due()), (true, 0, None));
}

#[test]
fn what_was_overtaken_is_lost_after_the_reordering_window() {
    let mut path = path();
    path.asked(at(50), 1, BYTES);
    path.asked(at(50), 2, BYTES);
    assert!(path.arrived(at(90), 2, BYTES));
    assert_eq!(path.due(), Some(at(50 + 40 + 10)), "a quarter of the shortest round trip");
    assert!(lost(&mut path, 99).is_empty());
    assert_eq!(lost(&mut path, 100), [1]);
    assert!(path.is_idle());
    assert!(lost(&mut path, 1_000).is_empty(), "and only once");
}

#[test]
fn what_was_not_overtaken_is_waited_for_until_the_timeout_but_for_the_newest_which_goes_after_two_round_trips() {
    let mut path = path();
    path.asked(at(50), 1, BYTES);
    path.asked(at(51), 2, BYTES);
    assert_eq!(path.due(), Some(at(51 + 80)));
    assert!(lost(&mut path, 130).is_empty());
    assert_eq!(lost(&mut path, 131), [2]);
    path.asked(at(131), 2, BYTES);
    assert_eq!(path.due(), Some(at(50) + RTO_MIN), "and only once");
    assert!(lost(&mut path, 249).is_empty() && !path.is_silent());
    assert_eq!(lost(&mut path, 250), [1, 2]);
    assert!(path.is_silent());
}

#[test]
fn the_answer_to_the_newest_ask_made_again_shows_what_else_is_lost_without_a_timeout() {
    let mut path = path();
    for key in 1..=3 {
        path.asked(at(50), key, BYTES);
    }
    assert_eq!(lost(&mut path, 130), [3]);
    path.asked(at(130), 3, BYTES);
    assert!(path.arrived(at(170), 3, BYTES));
    assert_eq!(lost(&mut path, 170), [1, 2]);
    assert!(!path.is_silent() && path.is_idle());
    // A further silence is another one, also with a single ask, and has an end.
    path.asked(at(200), 4, BYTES);
    assert_eq!(lost(&mut path, 280), [4]);
    path.asked(at(280), 4, BYTES);
    assert!(lost(&mut path, 479).is_empty());
    assert_eq!(lost(&mut path, 480), [4]);
    assert!(path.is_silent());
}

#[test]
fn the_answer_to_what_was_asked_twice_ends_a_silence_though_it_measures_nothing() {
    let mut path = path();
    path.asked(at(50), 1, BYTES);
    assert_eq!(lost(&mut path, 1_000), [1]);
    path.asked(at(1_000), 1, BYTES);
    assert!(path.is_silent() && path.timeouts() == 1);
    assert!(path.arrived(at(1_045), 1, BYTES));
    assert!(!path.is_silent() && path.timeouts() == 0);
}

#[test]
fn after_a_timeout_only_one_datagram_or_two_packets_are_asked_for_until_answers_come() {
    let mut path = path();
    for key in 1..20 {
        path.asked(at(50), key, BYTES);
    }
    assert_eq!(lost(&mut path, 1_000).len(), 19);
    let mut key = 100;
    while path.may_ask(at(2_000)) > 0 {
        path.asked(at(2_000), key, BYTES);
        key += 1;
    }
    assert_eq!(key, 102);
    assert!(path.arrived(at(2_040), 100, BYTES));
    assert!(!path.is_silent());
    assert!(path.may_ask(at(2_100)) > BYTES, "each answer makes room for one more");
}

#[test]
fn a_source_that_never_answers_is_waited_for_a_second_then_two_then_four() {
    let mut path = Path::new(at(0));
    let mut now = at(0);
    for round in 0..4 {
        path.asked(now, round, BYTES);
        let due = now + RTO_FIRST * (1 << round);
        assert_eq!(path.due(), Some(due));
        now = due;
        let mut into = Vec::new();
        path.lost(now, &mut into);
        assert_eq!(into, [round]);
    }
}

#[test]
fn an_answer_after_it_was_given_up_counts_and_widens_the_reordering_window() {
    let mut path = path();
    path.asked(at(50), 1, BYTES);
    path.asked(at(50), 2, BYTES);
    path.arrived(at(90), 2, BYTES);
    assert_eq!(lost(&mut path, 100), [1]);
    assert!(path.arrived(at(105), 1, BYTES));
    path.asked(at(200), 3, BYTES);
    path.asked(at(200), 4, BYTES);
    path.arrived(at(240), 4, BYTES);
    assert_eq!(path.due(), Some(at(240 + 20)), "two quarters now");
}

#[test]
fn a_wider_reordering_window_narrows_after_many_losses_without_a_mistake() {
    let mut path = path();
    path.widen_reordering();
    assert_eq!(path.reordering_steps, 2);
    for round in 1..=20_u32 {
        let start = u64::from(round) * 1_000;
        path.asked(at(start), round * 2, BYTES);
        path.asked(at(start), round * 2 + 1, BYTES);
        path.arrived(at(start + 40), round * 2 + 1, BYTES);
        assert_eq!(lost(&mut path, start + 100), [round * 2]);
    }
    assert_eq!(path.reordering_steps, 1);
}

#[test]
fn nobody_knows_which_of_two_equal_asks_an_answer_belongs_to() {
    let mut path = path();
    path.asked(at(50), 1, BYTES);
    assert_eq!(lost(&mut path, 500), [1]);
    path.asked(at(500), 1, BYTES);
    assert!(path.arrived(at(501), 1, BYTES));
    assert_eq!(path.round_trip(), Some(Duration::from_millis(40)), "no measurement");
    assert_eq!(path.shortest_round_trip(), Some(Duration::from_millis(40)));
    assert!(path.is_idle());
}

#[test]
fn asking_again_before_giving_up_does_not_count_twice() {
    let mut path = path();
    path.asked(at(50), 1, BYTES);
    path.asked(at(51), 1, BYTES);
    assert_eq!((path.awaited(), path.in_flight()), (1, BYTES));
    assert!(path.arrived(at(95), 1, BYTES));
    assert!(path.is_idle());
}

#[test]
fn a_pause_saves_up_no_burst() {
    let mut path = Path::new(at(0));
    let mut now = 0;
    for key in 0..3_000_u32 {
        now = u64::from(key) * 5;
        path.asked(at(now), key, BYTES);
        path.arrived(at(now + 4), key, BYTES);
    }
    let mut asked = 0;
    while path.may_ask(at(now + 60_000)) > 0 && asked < 100_000 {
        path.asked(at(now + 60_000), 10_000 + asked, BYTES);
        asked += 1;
    }
    assert!(asked <= 4, "{asked} datagrams at once");
}

#[test]
fn little_to_ask_for_does_not_make_the_path_slow() {
    let mut path = Path::new(at(0));
    let (mut key, mut rate) = (0, 0);
    for round in 0..100_u64 {
        // Thirty rounds with 50 datagrams in each 50 ms, then one.
        let count = if round < 30 { 50 } else { 1 };
        for number in 0..count {
            path.asked(at(round * 50 + number), key + number as u32, BYTES);
        }
        if count == 1 {
            path.set_app_limited(at(round * 50));
        } else {
            rate = path.rate();
        }
        for number in 0..count {
            path.arrived(at(round * 50 + number + 40), key + number as u32, BYTES);
        }
        key += count as u32;
    }
    assert!(path.rate() >= rate / 2, "{} after {rate}", path.rate());
}

#[test]
fn whatever_happens_the_books_balance_and_nothing_grows() {
    let mut numbers = 7_u64;
    let mut draw = |end: u64| {
        numbers = numbers.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (numbers >> 33) % end
    };
    let mut path = Path::new(at(0));
    let mut now = 0;
    for step in 0..200_000_u64 {
        now += draw(3) * draw(3) * draw(if step % 1_000 == 0 { 1_000_000 } else { 3_000 });
        let time = Time::from_micros(now);
        let (key, bytes) = (draw(20_000) as u32, 1 + draw(65_535) as usize);
        match draw(5) {
            0..=2 => _ = path.asked(time, key, bytes),
            3 => _ = path.arrived(time, key, bytes),
            _ if draw(50) == 0 => path.lost(time, &mut Vec::new()),
            _ => path.set_app_limited(time),
        }
        assert!(path.awaited <= ASKS_MAX && path.asks.len() <= REMEMBERED_MAX && path.by_key.len() <= path.asks.len());
        assert_eq!(path.due().is_none(), path.is_idle());
        if step % 500 == 0 {
            let awaited = || path.asks.iter().filter(|ask| ask.state == State::Awaited);
            assert_eq!(awaited().count(), path.awaited);
            assert_eq!(awaited().map(|ask| ask.bytes as usize).sum::<usize>(), path.in_flight());
            assert_eq!(path.is_idle(), path.in_flight() == 0);
        }
    }
    path.lost(Time::from_micros(u64::MAX), &mut Vec::new());
    assert!(path.is_idle());
}

#[test]
fn beyond_the_most_asks_nothing_is_asked_until_some_are_settled() {
    let mut path = Path::new(at(0));
    for key in 0..ASKS_MAX as u32 {
        assert!(path.asked(at(0), key, BYTES));
    }
    assert!(!path.asked(at(0), u32::MAX, BYTES));
    assert_eq!((path.may_ask(at(0)), path.next_ask()), (0, None));
    assert!(path.arrived(at(40), 7, BYTES));
    assert!(path.asked(at(40), u32::MAX, BYTES));
}
