//! The seeds: some that never change, as many that change with every commit, and any one to be played again.
//!
//! The fresh ones derive from `SIM_SEED_BASE`, which the test script sets from the commit, so that running the tests of
//! a commit again plays the same seeds again. What a seed means is the business of `scenario`, of which there are two:
//! `tests/sim` and `tests/fetching` both play by these rules.

use crate::rng::mix;
use crate::scenario::{SEEDS, play};

/// How many seeds each of the two tests plays; a handful where nothing is optimised, to compare the traces.
fn count() -> u64 {
    let default = if cfg!(debug_assertions) { SEEDS / 20 } else { SEEDS };
    number("SIM_SEEDS").unwrap_or(default)
}

/// A number out of the environment: decimal, or any text, of which the hash is taken.
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| text.bytes().fold(0, |hash, byte| mix(hash ^ u64::from(byte)))))
}

#[test]
fn every_fixed_seed_keeps_the_invariants() {
    for seed in 1..=count() {
        play(seed);
    }
}

#[test]
fn every_fresh_seed_keeps_the_invariants() {
    let base = number("SIM_SEED_BASE").unwrap_or(0x6c63_6470);
    for n in 0..count() {
        play(mix(base.wrapping_add(n)) >> 16);
    }
}

/// Plays `SIM_SEED`, or the first fixed seed.
#[test]
fn replay() {
    let seed = number("SIM_SEED").unwrap_or(1);
    println!("seed {seed} trace {:016x}", play(seed));
}

/// Invariant 11; the printed traces are for a script that compares two builds.
#[test]
fn a_seed_played_twice_leaves_the_same_trace() {
    for seed in 1..=5 {
        let trace = play(seed);
        println!("seed {seed} trace {trace:016x}");
        assert_eq!(trace, play(seed), "seed {seed} differs from itself");
    }
}
