//! A source that lies beside an honest one: what is fetched is right, whatever one of them delivers.

use crate::fetching::{bytes, ids, seed};
use crate::harness::{Node, scratch};
use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Stands between one node and another, and damages every block that comes from the latter.
struct Liar {
    address: SocketAddr,
    lies: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Liar {
    fn start(honest: SocketAddr) -> Liar {
        let socket = || {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
            Arc::new(socket)
        };
        let (front, back) = (socket(), socket());
        let (lies, is_over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let asker = Arc::new(std::sync::Mutex::new(None));
        let address = front.local_addr().unwrap();
        let there = {
            let (front, back, asker, is_over) = (front.clone(), back.clone(), asker.clone(), is_over.clone());
            move || {
                pump(&front, &is_over, |datagram, from| {
                    // Others that hear of this address get no answer, because there is one way back.
                    if *asker.lock().unwrap().get_or_insert(from) == from {
                        let _ = back.send_to(datagram, honest);
                    }
                });
            }
        };
        let here = {
            let (lies, is_over) = (lies.clone(), is_over.clone());
            move || {
                pump(&back, &is_over, |datagram, _| {
                    lies.fetch_add(damage(datagram), Ordering::Relaxed);
                    if let Some(asker) = *asker.lock().unwrap() {
                        let _ = front.send_to(datagram, asker);
                    }
                });
            }
        };
        Liar { address, lies, is_over, threads: vec![std::thread::spawn(there), std::thread::spawn(here)] }
    }

    fn lies(&self) -> u64 {
        self.lies.load(Ordering::Relaxed)
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(|thread| thread.join().unwrap());
    }
}

/// Hands over every datagram until it is over.
fn pump(socket: &UdpSocket, is_over: &AtomicBool, mut take: impl FnMut(&mut [u8], SocketAddr)) {
    let mut buffer = vec![0; 65_536];
    while !is_over.load(Ordering::Relaxed) {
        match socket.recv_from(&mut buffer) {
            Ok((length, from)) => take(&mut buffer[..length], from),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            // Whoever was written to has ended.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Changes one letter in the base64 of every block; says of how many.
fn damage(datagram: &mut [u8]) -> u64 {
    const START: &[u8] = br#""base64":""#;
    let mut count = 0;
    let mut at = 0;
    while let Some(place) = datagram[at..].windows(START.len()).position(|window| window == START) {
        at += place + START.len();
        let length = datagram[at..].iter().position(|byte| *byte == b'"').unwrap_or(0);
        // The single byte that shows that it is there stays what it is.
        if length > 100 {
            datagram[at + 50] = if datagram[at + 50] == b'A' { b'B' } else { b'A' };
            count += 1;
        }
    }
    count
}

#[test]
fn an_honest_source_beside_a_lying_one_is_enough_by_either_id() {
    let content = bytes(16 << 20);
    for id in ids(&content) {
        let scratch = scratch();
        let seed = seed(scratch.path(), &content);
        let liar = Liar::start(seed.address);
        let node = Node::start(&scratch.path().join("data"), &[liar.address, seed.address]);
        node.wait_for_peer(liar.address);
        node.wait_for_peer(seed.address);
        let out = scratch.path().join("out");
        node.ask(["get", &id, "-o", out.to_str().unwrap()]).success();
        assert!(liar.lies() > 0, "nobody asked the liar");
        assert!(fs::read(&out).unwrap() == content);
    }
}

#[test]
fn a_liar_alone_delivers_nothing_that_gets_a_name() {
    let content = bytes(100_000);
    for id in ids(&content) {
        let scratch = scratch();
        let seed = seed(scratch.path(), &content);
        let liar = Liar::start(seed.address);
        let data = scratch.path().join("data");
        let node = Node::start(&data, &[liar.address]);
        node.wait_for_peer(liar.address);
        let out = scratch.path().join("out");
        let said = node.ask(["get", &id, "--timeout", "3", "-o", out.to_str().unwrap()]);
        assert!(said.complaint().contains(&id) && liar.lies() > 0, "{said:?}");
        assert!(!out.exists() && crate::fetching::names(&data.join("store")).is_empty());
    }
}
