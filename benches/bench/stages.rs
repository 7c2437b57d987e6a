//! What each stage of a datagram's way costs, in process and without a socket.

use crate::median;
use crate::process::own_cpu_seconds;
use cjp2p_node::content::MemoryStore;
use cjp2p_node::node::{Command, Config};
use cjp2p_node::wire::encode::Writer;
use cjp2p_node::wire::messages::Peers;
use cjp2p_node::wire::{DATAGRAM_SEND_MAX_BYTES, Message, Text, decode};
use cjp2p_node::{Node, Time};
use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const POKE: &[u8] = br#"[{"PleaseSendPeers":{}}]"#;
/// How many blocks the content has: by the time that it has been asked for once, it may be asked for again.
const BLOCKS: u64 = 4_096;
const SAMPLES: usize = 7;
const SAMPLE: Duration = Duration::from_millis(60);

/// Measures and prints.
pub fn measure() {
    println!("\n== stages, nanoseconds of processor time for each datagram, medians of {SAMPLES}");
    let peers = peers_datagram();
    let mut bench = Bench::with_peers(46);
    let block = bench.answer(r#"{"PleaseSendContent":{"id":"block","offset":0,"length":4096}}"#);
    let verified = bench.verified(r#"{"PleaseSendPeers":{}}"#);
    for (name, bytes) in [
        ("smallest request", POKE),
        ("the same with a token", &verified),
        ("46 peers", &peers),
        ("4 KiB of content", &block),
    ] {
        line("decode", name, bytes.len(), || _ = black_box(decode(black_box(bytes))));
    }
    let names: Vec<String> = (0..46).map(|n| format!("203.0.113.{n}:24254")).collect();
    line("encode", "46 peers", peers.len(), || {
        let mut writer = Writer::default();
        let peers = names.iter().map(|name| Text::from(name.as_str())).collect();
        writer.push(&Message::Peers(Peers { peers }), DATAGRAM_SEND_MAX_BYTES);
        black_box(writer.take());
    });
    for known in [46, 20_000] {
        measure_node(known);
    }
}

/// From bytes to bytes: decode, tokens, dispatch, answer, encode.
fn measure_node(known: usize) {
    let mut bench = Bench::with_peers(known);
    let stranger: SocketAddr = "198.51.100.7:40000".parse().unwrap();
    let of = |what: &str| format!("{what}, {known} peers known");
    line("whole node", &of("smallest request of a stranger"), POKE.len(), || bench.hear(stranger, POKE));
    for (what, element) in [
        ("46 peers to a verified asker", r#"{"PleaseSendPeers":{}}"#),
        ("a probe returned", r#"{"PleaseReturnThisMessage":{"cookie":"12.345"}}"#),
        ("a message it does not know", r#"{"PongMove":{"x":1.5,"y":[1,2,3]}}"#),
    ] {
        let (request, asker) = (bench.verified(element), bench.asker);
        line("whole node", &of(what), request.len(), || bench.hear(asker, &request));
    }
    // Another block each time: who asks for the same one again and again is not answered.
    let element = |n: u64| format!(r#"{{"PleaseSendContent":{{"id":"block","offset":{},"length":4096}}}}"#, n * 4_096);
    let requests: Vec<Vec<u8>> = (0..BLOCKS).map(|n| bench.verified(&element(n))).collect();
    let (mut next, asker) = (requests.iter().cycle(), bench.asker);
    line("whole node", &of("4 KiB of content"), requests[0].len(), || {
        bench.now = bench.now + Duration::from_micros(25);
        next.next().into_iter().for_each(|request| bench.hear(asker, request));
    });
    line("whole node", &of("no JSON at all"), 24, || bench.hear(stranger, b"GET / HTTP/1.1\r\nHost: x\n"));
}

/// Measures what `once` does, and prints it.
pub(crate) fn line(stage: &str, name: &str, bytes: usize, mut once: impl FnMut()) {
    let ns = median((0..SAMPLES).map(|_| {
        let (started, before, mut count) = (Instant::now(), own_cpu_seconds(), 0_u32);
        while started.elapsed() < SAMPLE {
            (0..64).for_each(|_| once());
            count += 64;
        }
        (own_cpu_seconds() - before) * 1e9 / f64::from(count)
    }));
    println!("  {stage:<10}  {name:<52} {bytes:>5} bytes  {ns:>7.0} ns");
}

fn peers_datagram() -> Vec<u8> {
    let names: Vec<String> = (0..46).map(|n| format!("\"203.0.113.{n}:24254\"")).collect();
    format!(r#"[{{"Peers":{{"peers":[{}]}}}}]"#, names.join(",")).into_bytes()
}

struct Bench {
    node: Node<MemoryStore>,
    now: Time,
    asker: SocketAddr,
    token: String,
}

impl Bench {
    fn with_peers(known: usize) -> Bench {
        let now = Time::from_micros(1_000_000);
        let node = Node::new(Config::default(), [7; 32], now, MemoryStore::default());
        let asker = "10.255.0.1:24254".parse().unwrap();
        let mut bench = Bench { node, now, asker, token: String::new() };
        let file = bench.node.store_mut().insert("block", vec![7; 4_096 * BLOCKS as usize]);
        bench.node.handle_command(now, Command::Share(file)).unwrap();
        for number in 0..known {
            let [_, high, middle, low] = (number as u32).to_be_bytes();
            bench.verify(SocketAddr::from(([10, high, middle, low], 24_254)));
        }
        bench.token = bench.verify(asker);
        bench
    }

    /// Makes an address a verified peer, and returns its token.
    fn verify(&mut self, address: SocketAddr) -> String {
        let answer = String::from_utf8(self.say(address, POKE)).unwrap();
        let (_, token) = answer.split_once(r#""PleaseAlwaysReturnThisMessage":{"cookie":""#).unwrap();
        let token = token[..8].to_owned();
        self.say(address, format!(r#"[{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#).as_bytes());
        token
    }

    fn verified(&self, element: &str) -> Vec<u8> {
        format!(r#"[{element},{{"AlwaysReturned":{{"cookie":"{}"}}}}]"#, self.token).into_bytes()
    }

    fn answer(&mut self, element: &str) -> Vec<u8> {
        let request = self.verified(element);
        self.say(self.asker, &request)
    }

    /// The first datagram that comes out when these bytes go in.
    fn say(&mut self, from: SocketAddr, bytes: &[u8]) -> Vec<u8> {
        self.node.handle_datagram(self.now, from, bytes);
        let first = self.node.poll_transmit().map(|transmit| transmit.payload);
        self.drain();
        first.unwrap_or_default()
    }

    fn hear(&mut self, from: SocketAddr, bytes: &[u8]) {
        self.node.handle_datagram(self.now, from, black_box(bytes));
        self.drain();
    }

    fn drain(&mut self) {
        while black_box(self.node.poll_transmit()).is_some() {}
        while black_box(self.node.poll_event()).is_some() {}
    }
}
