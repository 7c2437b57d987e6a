//! `ping`: round trips to one node, and what is to be said about all of them in the end.
//!
//! A reply counts if it comes from the address that was asked and brings back a cookie that nobody can guess, once.
//! Time is taken from our own clock alone; nothing in the reply is believed.

use super::options::Arguments;
use super::probe::{Probe, now, token};
use super::{Failure, say};
use cjp2p_node::request::decimal;
use cjp2p_node::wire::{Message, decode};
use rand::TryRng;
#[expect(clippy::disallowed_types, reason = "a command that stands alone has nobody to seed it")]
use rand::rngs::SysRng;
use serde::Deserialize;
use serde_json::value::RawValue;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The pause between two probes.
const PAUSE: Duration = Duration::from_secs(1);

/// How long the reply to the last probe is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Probes whose replies are still welcome; a reply that is older than so many pauses is as good as lost.
const OUTSTANDING_MAX: usize = 64;

struct Outstanding {
    sequence: u64,
    cookie: String,
    sent: Instant,
}

/// One ping command.
struct Pinger<'a> {
    arguments: &'a Arguments,
    probe: Probe,
    /// What the node wants to see from whoever it trusts. Returned only when the last probe was not answered without:
    /// who returns a token is taken for a peer, and remembered.
    token: Option<Box<RawValue>>,
    outstanding: Vec<Outstanding>,
    summary: Summary,
    is_interrupted: Arc<AtomicBool>,
}

/// Measures round trips to the node at `address` until there are enough or the user has seen enough.
pub(super) fn ping(arguments: &Arguments, address: &str) -> Result<(), Failure> {
    let probe = Probe::open(arguments, address)?;
    let peer = probe.peer;
    let is_interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, is_interrupted.clone()).map_err(Failure::impossible)?;
    }
    let summary = Summary::default();
    let mut pinger = Pinger { arguments, probe, token: None, outstanding: Vec::new(), summary, is_interrupted };
    if !arguments.json {
        say(&format!("pinging {peer}"))?;
    }
    pinger.run()?;
    let summary = &pinger.summary;
    if arguments.json {
        say(&summary.to_json())?;
    } else {
        say(&format!("--- {peer}\n{}", summary.to_text()))?;
    }
    if summary.received > 0 { Ok(()) } else { Err(Failure::Silent) }
}

impl Pinger<'_> {
    fn run(&mut self) -> Result<(), Failure> {
        let count = self.arguments.count.unwrap_or(u64::MAX);
        let mut next = now();
        for sequence in 1..=count {
            // A network that is away for a moment is a lost probe, not the end.
            let sent = self.send(sequence);
            if sequence == 1 {
                sent?;
            }
            next += if sequence == count { PATIENCE } else { PAUSE };
            let is_last = sequence == count;
            while now() < next && !self.is_interrupted() && !(is_last && self.outstanding.is_empty()) {
                self.receive(next)?;
            }
            if self.is_interrupted() {
                break;
            }
        }
        Ok(())
    }

    fn is_interrupted(&self) -> bool {
        self.is_interrupted.load(Ordering::Relaxed)
    }

    fn send(&mut self, sequence: u64) -> Result<(), Failure> {
        let cookie = cookie()?;
        let is_needed = self.outstanding.iter().any(|probe| probe.sequence + 1 == sequence);
        let returned = self.token.as_ref().filter(|_| is_needed);
        let returned = returned.map_or_else(String::new, |token| format!("{{\"AlwaysReturned\":{}}},", token.get()));
        let datagram = format!("[{returned}{{\"PleaseReturnThisMessage\":{{\"cookie\":\"{cookie}\"}}}}]");
        if self.outstanding.len() >= OUTSTANDING_MAX {
            self.outstanding.remove(0);
        }
        self.summary.sent += 1;
        self.outstanding.push(Outstanding { sequence, cookie, sent: now() });
        self.probe.send(datagram.as_bytes())
    }

    fn receive(&mut self, deadline: Instant) -> Result<(), Failure> {
        let Some(datagram) = self.probe.receive(deadline)? else { return Ok(()) };
        let received = now();
        self.token = token(datagram).or(self.token.take());
        let found =
            cookies(datagram).find_map(|cookie| self.outstanding.iter().position(|probe| probe.cookie == cookie));
        let Some(place) = found else { return Ok(()) };
        let Outstanding { sequence, sent, .. } = self.outstanding.remove(place);
        let ms = received.saturating_duration_since(sent).as_secs_f64() * 1e3;
        self.summary.add(ms);
        let (peer, ms) = (self.probe.peer, decimal(ms, 3));
        if self.arguments.json {
            return say(&format!("{{\"from\":\"{peer}\",\"seq\":{sequence},\"ms\":{ms}}}"));
        }
        say(&format!("{peer}: seq={sequence} time={ms} ms"))
    }
}

/// The cookies of all returned messages in a datagram, as far as they have the form of ours.
fn cookies(datagram: &[u8]) -> impl Iterator<Item = String> {
    #[derive(Deserialize)]
    struct Returned {
        cookie: String,
    }
    let messages = decode(datagram).map(|decoded| decoded.messages).unwrap_or_default();
    messages.into_iter().filter_map(|message| match message {
        Message::ReturnedMessage(returned) => {
            serde_json::from_str(returned.0.get()).ok().map(|found: Returned| found.cookie)
        }
        _ => None,
    })
}

/// Sixteen digits that nobody can guess.
fn cookie() -> Result<String, Failure> {
    let number = SysRng.try_next_u64().map_err(Failure::impossible)?;
    Ok(format!("{number:016x}"))
}

/// All round trips so far; sums suffice.
#[derive(Debug, Default)]
struct Summary {
    sent: u64,
    received: u64,
    min_ms: f64,
    max_ms: f64,
    sum_ms: f64,
    sum_squares: f64,
}

impl Summary {
    fn add(&mut self, ms: f64) {
        self.min_ms = if self.received == 0 { ms } else { self.min_ms.min(ms) };
        self.max_ms = self.max_ms.max(ms);
        self.sum_ms += ms;
        self.sum_squares += ms * ms;
        self.received += 1;
    }

    fn average_ms(&self) -> f64 {
        self.sum_ms / self.received as f64
    }

    /// The standard deviation, which ping calls mdev.
    fn deviation_ms(&self) -> f64 {
        let average = self.average_ms();
        (self.sum_squares / self.received as f64 - average * average).max(0.0).sqrt()
    }

    fn loss_percent(&self) -> f64 {
        if self.sent == 0 { 0.0 } else { 100.0 * (self.sent - self.received) as f64 / self.sent as f64 }
    }

    /// The least, the average, the most, and the deviation.
    fn round_trips(&self) -> [String; 4] {
        [self.min_ms, self.average_ms(), self.max_ms, self.deviation_ms()].map(|ms| decimal(ms, 3))
    }

    fn to_text(&self) -> String {
        let counts =
            format!("{} sent, {} received, {}% lost", self.sent, self.received, self.loss_percent().round() as u64);
        if self.received == 0 {
            return counts;
        }
        let [min, average, max, deviation] = self.round_trips();
        format!("{counts}\nmin/avg/max/mdev = {min}/{average}/{max}/{deviation} ms")
    }

    fn to_json(&self) -> String {
        let counts = format!(
            "\"sent\":{},\"received\":{},\"loss_percent\":{}",
            self.sent,
            self.received,
            decimal(self.loss_percent(), 1)
        );
        if self.received == 0 {
            return format!("{{{counts}}}");
        }
        let [min, average, max, deviation] = self.round_trips();
        format!("{{{counts},\"min_ms\":{min},\"avg_ms\":{average},\"max_ms\":{max},\"mdev_ms\":{deviation}}}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_says_what_ping_says() {
        let mut summary = Summary { sent: 4, ..Summary::default() };
        assert_eq!(summary.to_text(), "4 sent, 0 received, 100% lost");
        [1.0, 2.0, 3.0].into_iter().for_each(|ms| summary.add(ms));
        assert_eq!(summary.to_text(), "4 sent, 3 received, 25% lost\nmin/avg/max/mdev = 1.000/2.000/3.000/0.816 ms");
        let json: serde_json::Value = serde_json::from_str(&summary.to_json()).unwrap();
        assert_eq!(json["loss_percent"], 25.0);
    }

    #[test]
    fn only_cookies_of_our_form_are_looked_at() {
        let datagram =
            br#"[{"ReturnedMessage":7},{"ReturnedMessage":{"cookie":-1}},{"X":{}},{"ReturnedMessage":{"cookie":"a"}}]"#;
        assert_eq!(cookies(datagram).collect::<Vec<_>>(), ["a"]);
        assert_eq!(cookies(b"\xff").count(), 0);
    }

    #[test]
    fn cookies_differ() {
        assert_ne!(cookie().unwrap(), cookie().unwrap());
    }
}
