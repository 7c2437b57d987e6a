//! Requests answered while bogus encrypted messages pour in from a million sources, as a share of what is answered
//! without.

use crate::load::{Sources, connected};
use crate::median;
use crate::process::{Server, pin_self};
use base64_simd::STANDARD;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What is sent a second.
const BOGUS_PER_SECOND: u64 = 20_000;

/// How many addresses of 127.0.0.0/8 it comes from, each datagram from the next.
const SOURCES: u64 = 1_000_000;

const ROUNDS: usize = 7;

/// How long each measurement takes: a million sources are through in 50 s.
const SPAN: Duration = Duration::from_secs(5);

/// A flood on the processor of those who ask.
struct Flood {
    is_over: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    thread: Option<JoinHandle<u64>>,
}

impl Flood {
    /// Begins with the source of this number.
    fn start(to: SocketAddr, first: u64) -> Flood {
        let (is_over, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let thread = std::thread::spawn({
            let (is_over, sent) = (is_over.clone(), sent.clone());
            move || pour(to, first, &is_over, &sent)
        });
        Flood { is_over, sent, thread: Some(thread) }
    }

    /// Ends it; the number of the next source.
    fn end(mut self) -> (u64, u64) {
        self.is_over.store(true, Ordering::Relaxed);
        let next = self.thread.take().unwrap().join().unwrap();
        (next, self.sent.load(Ordering::Relaxed))
    }
}

fn pour(to: SocketAddr, first: u64, is_over: &AtomicBool, sent: &AtomicU64) -> u64 {
    let (started, mut number) = (Instant::now(), first);
    while !is_over.load(Ordering::Relaxed) {
        if number - first > started.elapsed().as_micros() as u64 * BOGUS_PER_SECOND / 1_000_000 {
            std::thread::sleep(Duration::from_micros(500));
            continue;
        }
        let [.., high, middle, low] = ((number % SOURCES) as u32).to_be_bytes();
        let source = UdpSocket::bind((Ipv4Addr::new(127, 128 + high, middle, low), 0)).unwrap();
        let mut bytes = [0x55; 200];
        bytes[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
        let bogus = format!(
            r#"[{{"EncryptedMessages":{{"base64":"{}","noise_params":"Noise_IK_25519_AESGCM_SHA256"}}}}]"#,
            STANDARD.encode_to_string(bytes)
        );
        sent.fetch_add(u64::from(source.send_to(bogus.as_bytes(), to).is_ok()), Ordering::Relaxed);
        number += 1;
    }
    number
}

/// Measures and prints.
pub fn measure() {
    println!("\n== flood: {BOGUS_PER_SECOND} bogus encrypted messages a second from {SOURCES} sources");
    pin_self();
    let server = Server::node(&[]);
    let sources = Sources::verified(server.address, true);
    // A socket that nobody reads: making the flood costs those who ask as much, and the node nothing.
    let nowhere = connected(0, server.address).local_addr().unwrap();
    let mut next = 0;
    let mut rates = [const { Vec::new() }; 3];
    let (mut bogus, mut load) = (Vec::new(), [const { Vec::new() }; 3]);
    for _ in 0..ROUNDS {
        for (kind, to) in [(0, None), (1, Some(nowhere)), (2, Some(server.address))] {
            let flood = to.map(|to| Flood::start(to, next));
            let before = server.cpu_seconds();
            let outcome = sources.run(SPAN);
            load[kind].push((server.cpu_seconds() - before) / outcome.seconds);
            rates[kind].push(outcome.per_second());
            if let Some((after, sent)) = flood.map(Flood::end) {
                next = after;
                if kind == 2 {
                    bogus.push(sent as f64 / outcome.seconds);
                }
            }
        }
    }
    for (kind, name) in ["no flood", "a flood elsewhere", "a flood at the node"].iter().enumerate() {
        let (rate, load) = (median(rates[kind].iter().copied()), median(load[kind].iter().copied()));
        println!("  {name:<20} {rate:>8.0} verified requests a second, node {:>3.0} % busy", load * 100.0);
    }
    let share = |a: usize, b: usize| median(rates[a].iter().zip(&rates[b]).map(|(a, b)| a / b));
    println!(
        "  {:.0} bogus ones a second: {:.2} of the rate without, {:.2} of that with the flood elsewhere",
        median(bogus),
        share(2, 0),
        share(2, 1)
    );
}
