//! Memory: of a node that has nothing to do, and after a flood from a million source addresses.

use crate::load::connected;
use crate::process::{Server, memory_kib};
use cjp2p_node::content::MemoryStore;
use cjp2p_node::node::Config;
use cjp2p_node::{Node, Time};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

const FLOOD: u32 = 1_000_000;

/// What forged sources say, in turn: everything that makes a node remember something about strangers, and garbage.
const SAYINGS: [&str; 8] = [
    r#"[{"PleaseSendPeers":{}}]"#,
    r#"[{"PleaseAlwaysReturnThisMessage":{"cookie":"0123456789abcdef0123456789abcdef"}}]"#,
    r#"[{"Peers":{"peers":["198.51.100.1:24254","198.51.100.2:24254"]}}]"#,
    r#"[{"PleaseSendContent":{"id":"9fb04fd4ea15214d36034c86b04ae74aadf8bda98cd1b9857f4aaa50933632bf","offset":0,"length":4096}}]"#,
    r#"[{"PongMove":{"x":1}},{"PleaseReturnThisMessage":{"cookie":"1.5"}},{"ReturnedMessage":{"cookie":"AAAAAAAA"}}]"#,
    r#"[{"AlwaysReturned":{"cookie":"AAAAAAAA"}},{"ChatMessage":{"message":"hello"}}]"#,
    r#"[{"ContentList":{"results":[["a",1],["b",2]]}},{"IJustSawThis":{"id":"c","length":3}}]"#,
    "no JSON at all",
];

/// Measures and prints.
pub fn measure() {
    println!("\n== memory, MiB of RSS (and the part of it that is not the program file)");
    let node = Server::node(&[]);
    std::thread::sleep(Duration::from_secs(3));
    print("a real node, idle", node.memory_kib());
    let started = Instant::now();
    flood(node.address);
    println!(
        "  ({FLOOD} source addresses in {:.0} s, {} datagrams dropped)",
        started.elapsed().as_secs_f64(),
        node.drops()
    );
    print("a real node after the flood", node.memory_kib());
    let core = Command::new(std::env::current_exe().unwrap()).arg("--flood-core").output().unwrap();
    print!("{}", String::from_utf8_lossy(&core.stdout));
}

fn print(what: &str, (all, own): (u64, u64)) {
    println!("  {what:<46} {:>6.2} ({:.2})", all as f64 / 1_024.0, own as f64 / 1_024.0);
}

/// One datagram from each of a million addresses of 127.0.0.0/8. Every 64, a source that waits for an answer keeps the
/// flood from merely filling the receive buffer.
fn flood(server: SocketAddr) {
    let pace = connected(0, server);
    for number in 0..FLOOD {
        let source = source(number);
        let Ok(socket) = UdpSocket::bind(source) else { continue };
        let _ = socket.send_to(SAYINGS[number as usize % SAYINGS.len()].as_bytes(), server);
        if number % 64 == 63 {
            wait_for_answer(&pace, number);
        }
    }
}

/// Waits until the node has worked off what came before.
fn wait_for_answer(pace: &UdpSocket, number: u32) {
    let probe = format!(r#"[{{"PleaseReturnThisMessage":{{"cookie":"number {number}"}}}}]"#);
    let mut buffer = [0; 2_048];
    for _ in 0..5 {
        pace.send(probe.as_bytes()).unwrap();
        while let Ok(length) = pace.recv(&mut buffer) {
            if String::from_utf8_lossy(&buffer[..length]).contains(&format!("number {number}\"")) {
                return;
            }
        }
    }
    panic!("the node does not answer any more");
}

/// A different address and port for every number.
fn source(number: u32) -> SocketAddr {
    let [_, high, middle, low] = number.to_be_bytes();
    SocketAddr::from((Ipv4Addr::new(127, 128 + high, middle, low), 2_048 + (number % 60_000) as u16))
}

/// The same flood through the core alone, from forged addresses all over the world; this process is measured itself.
pub fn flood_core() {
    let now = |number: u32| Time::from_micros(1_000_000 + u64::from(number) * 20);
    let mut node = Node::new(Config::default(), [9; 32], now(0), MemoryStore::default());
    print("this program with a core in it", memory_kib(std::process::id()));
    for number in 0..FLOOD {
        // A multiplicative hash spreads the numbers over all of IPv4.
        let from =
            SocketAddr::from((number.wrapping_mul(2_654_435_761).to_be_bytes(), 2_048 + (number % 60_000) as u16));
        node.handle_datagram(now(number), from, SAYINGS[number as usize % SAYINGS.len()].as_bytes());
        if node.poll_timeout().is_some_and(|due| due <= now(number)) {
            node.handle_timeout(now(number));
        }
        while node.poll_transmit().is_some() {}
        while node.poll_event().is_some() {}
    }
    print("the same after a flood through the core", memory_kib(std::process::id()));
    let counters = node.counters();
    let (received, sent) = (counters.datagrams_received, counters.datagrams_sent);
    println!("  ({received} datagrams in, {sent} out, {} addresses heard of)", node.heard_count());
}
