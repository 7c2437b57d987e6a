//! Requests answered per second, as a share of what the bare echo loop answers in the same run.

use crate::load::{LivePeers, Outcome, Sources, populate};
use crate::median;
use crate::process::{Server, pin_self};
use std::time::Duration;

/// Each round measures every server once, one after the other, so that all suffer alike from whatever else is running.
const ROUNDS: usize = 7;

/// How long each measurement takes.
const SPAN: Duration = Duration::from_millis(700);

const FEW: usize = 46;
const MANY: usize = 20_000;

/// One server, asked in one way.
struct Contestant {
    server: Server,
    strangers: Sources,
    verified: Sources,
    _peers: Option<LivePeers>,
}

impl Contestant {
    fn echo() -> Contestant {
        let server = Server::echo();
        let (strangers, verified) = (Sources::strangers(server.address), Sources::verified(server.address, false));
        Contestant { server, strangers, verified, _peers: None }
    }

    fn node(known: usize) -> Contestant {
        let server = Server::node(&[]);
        let peers = populate(server.address, known, FEW);
        let (strangers, verified) = (Sources::strangers(server.address), Sources::verified(server.address, true));
        let named = verified.ask_once().matches("127.").count();
        println!("a node that knows {known} peers names {named} of them to a verified asker");
        Contestant { server, strangers, verified, _peers: Some(peers) }
    }

    fn run(&self, is_verified: bool) -> Sample {
        let sources = if is_verified { &self.verified } else { &self.strangers };
        let before = self.server.cpu_seconds();
        let Outcome { answered, lost, seconds } = sources.run(SPAN);
        let cpu = self.server.cpu_seconds() - before;
        let rate = Outcome { answered, lost, seconds }.per_second();
        Sample { rate, lost, cpu_per_request: cpu / answered as f64, load: cpu / seconds }
    }
}

#[derive(Clone, Copy)]
struct Sample {
    rate: f64,
    lost: u64,
    cpu_per_request: f64,
    load: f64,
}

/// Measures and prints.
pub fn measure() {
    println!("\n== requests, 64 source ports, closed loop, {ROUNDS} rounds of {} ms, medians", SPAN.as_millis());
    pin_self();
    let contestants = [Contestant::echo(), Contestant::node(FEW), Contestant::node(MANY)];
    for is_verified in [false, true] {
        let rounds: Vec<[Sample; 3]> =
            (0..ROUNDS).map(|_| [0, 1, 2].map(|index| contestants[index].run(is_verified))).collect();
        report(is_verified, &rounds);
    }
}

fn report(is_verified: bool, rounds: &[[Sample; 3]]) {
    let of = |index: usize, value: fn(Sample) -> f64| median(rounds.iter().map(|round| value(round[index])));
    let ratio = |a: usize, b: usize, value: fn(Sample) -> f64| {
        median(rounds.iter().map(|round| value(round[a]) / value(round[b])))
    };
    let lost = |index: usize| rounds.iter().map(|round| round[index].lost).sum::<u64>();
    println!("{}", if is_verified { "verified askers, 46 peers in each answer:" } else { "unverified askers:" });
    for (index, name) in ["echo loop", "node, 46 peers", "node, 20,000 peers"].iter().enumerate() {
        println!(
            "  {name:<19} {:>8.0} a second  {:>5.2} us of processor each  {:>3.0} % busy  {} lost",
            of(index, |sample| sample.rate),
            of(index, |sample| sample.cpu_per_request) * 1e6,
            of(index, |sample| sample.load) * 100.0,
            lost(index),
        );
    }
    let rate: fn(Sample) -> f64 = |sample| sample.rate;
    let cost: fn(Sample) -> f64 = |sample| 1.0 / sample.cpu_per_request;
    for (name, value) in [("requests a second", rate), ("requests a processor second", cost)] {
        println!(
            "  {name}: 46 peers {:.2} of echo, 20,000 peers {:.2} of echo, 20,000 against 46 {:.2}",
            ratio(1, 0, value),
            ratio(2, 0, value),
            ratio(2, 1, value),
        );
    }
}
