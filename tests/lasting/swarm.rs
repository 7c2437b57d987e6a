//! A node with a swarm around it, of which the test decides who answers.

use crate::play::{Play, field};
use cjp2p_node::node::{Config, Destination};
use std::net::SocketAddr;
use std::time::Duration;

pub const PROBE: &str = r#"{"PleaseReturnThisMessage":{"cookie":"x"}}"#;

pub fn with_token(elements: &str, token: &str) -> String {
    format!(r#"[{elements},{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#)
}

/// Lets time pass while those return probes of whom `answers` is true; returns (second, to, text).
pub fn run(play: &mut Play, span: Duration, answers: impl Fn(SocketAddr) -> bool) -> Vec<(u64, SocketAddr, String)> {
    let end = play.now + span;
    let mut all = Vec::new();
    while let Some(transmit) = play.next_within(end.since(play.now)) {
        let Destination::Address(to) = transmit.to else { continue };
        let text = String::from_utf8(transmit.payload).unwrap();
        if let Some(probe) = field(&text, "PleaseReturnThisMessage").filter(|_| answers(to)) {
            let answer = format!(r#"[{{"ReturnedMessage":{probe}}}]"#);
            play.node.handle_datagram(play.now, to, answer.as_bytes());
        }
        all.push((play.now.as_micros() / 1_000_000, to, text));
    }
    all
}

pub fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub fn settled_with(config: Config) -> Play {
    let mut play = Play::with(config);
    (1..=100).for_each(|n| _ = play.verify(&format!("{n}.77.1.1:24254")));
    run(&mut play, secs(300), |_| true);
    assert!(play.node.link_count() >= 6);
    play.events();
    play
}

/// The same for long, in which all hundred look in every half hour, so that they stay known.
pub fn run_long(
    play: &mut Play,
    span: Duration,
    answers: impl Fn(SocketAddr) -> bool,
) -> Vec<(u64, SocketAddr, String)> {
    let mut all = Vec::new();
    for _ in 0..span.as_secs() / 1_800 {
        (1..=100).for_each(|n| _ = play.verify(&format!("{n}.77.1.1:24254")));
        all.extend(run(play, secs(1_800), &answers));
        play.events();
    }
    all
}

pub fn settled() -> Play {
    settled_with(Config::default())
}
