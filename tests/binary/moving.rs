//! A real node that gets another address is found there, by its key.

use crate::harness::{Node, eventually, scratch};
use serde_json::{Value, json};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Somebody who asks a node where others are.
struct Asker {
    socket: UdpSocket,
    token: Value,
}

impl Asker {
    fn new(node: SocketAddr) -> Asker {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(node).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let mut asker = Asker { socket, token: Value::Null };
        asker.ask(&json!({"PleaseSendPeers": {}}));
        asker
    }

    /// What it says about a question, and its token.
    fn ask(&mut self, question: &Value) -> Vec<Value> {
        let datagram = json!([question, {"AlwaysReturned": self.token}]);
        self.socket.send(datagram.to_string().as_bytes()).unwrap();
        let mut buffer = [0; 65_536];
        let Ok(length) = self.socket.recv(&mut buffer) else { return Vec::new() };
        let answer: Vec<Value> = serde_json::from_slice(&buffer[..length]).unwrap();
        let token = answer.iter().find_map(|element| element.get("PleaseAlwaysReturnThisMessage"));
        self.token = token.cloned().unwrap_or_else(|| self.token.take());
        answer
    }

    fn where_is(&mut self, key: &str) -> Option<SocketAddr> {
        let answer = self.ask(&json!({"WhereAreThey": {"ed25519h": key}}));
        let told = answer.iter().find_map(|element| element.get("Forwarded"))?;
        told["src"].as_str()?.parse().ok()
    }

    /// How long it takes until the node says that somebody is there.
    fn until_at(&mut self, key: &str, address: SocketAddr, patience: Duration) -> Duration {
        let since = Instant::now();
        loop {
            let told = self.where_is(key);
            if told == Some(address) {
                return since.elapsed();
            }
            assert!(since.elapsed() < patience, "after {patience:?} it is still at {told:?}, not at {address}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn a_node_that_is_started_anew_at_another_address_is_found_there_within_five_seconds() {
    let (here, there) = (scratch(), scratch());
    let node = Node::start(here.path(), &[]);
    let mut mover = Node::start(there.path(), &[node.address]);
    let key = mover.ask(["id"]).success().to_owned();
    let mut asker = Asker::new(node.address);
    asker.until_at(&key, mover.address, Duration::from_secs(20));
    // Once it is proven as well as can be, it has to be proven as well again by who has forgotten everything.
    thread::sleep(Duration::from_secs(7));
    for _ in 0..2 {
        let before = mover.address;
        mover.kill();
        // What has the old address now is not an answer to anything.
        let taken = UdpSocket::bind(before);
        mover = Node::start(there.path(), &[node.address]);
        assert_ne!(mover.address, before);
        let took = asker.until_at(&key, mover.address, Duration::from_secs(5));
        println!("found within {took:?}");
        drop(taken);
    }
}

/// A router with one node behind it, which it gives another port whenever it is told to.
struct Router {
    inside: SocketAddr,
    outside: Arc<Mutex<UdpSocket>>,
    is_over: Arc<AtomicBool>,
    /// Whether the node behind it has said something since it got its port.
    has_spoken: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Router {
    fn new(to: SocketAddr) -> Router {
        let inside = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = inside.local_addr().unwrap();
        inside.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let (outside, is_over) = (Arc::new(Mutex::new(Router::port(to))), Arc::new(AtomicBool::new(false)));
        let (client, has_spoken) = (Arc::new(Mutex::new(None)), Arc::new(AtomicBool::new(false)));
        let out = thread::spawn({
            let (inside, outside) = (inside.try_clone().unwrap(), outside.clone());
            let (is_over, client, has_spoken) = (is_over.clone(), client.clone(), has_spoken.clone());
            move || {
                let mut buffer = [0; 65_536];
                while !is_over.load(Ordering::Relaxed) {
                    if let Ok((length, from)) = inside.recv_from(&mut buffer) {
                        *client.lock().unwrap() = Some(from);
                        _ = outside.lock().unwrap().send(&buffer[..length]);
                        has_spoken.store(true, Ordering::Relaxed);
                    }
                }
            }
        });
        let back = thread::spawn({
            let (outside, is_over) = (outside.clone(), is_over.clone());
            move || {
                let mut buffer = [0; 65_536];
                while !is_over.load(Ordering::Relaxed) {
                    let length = outside.lock().unwrap().recv(&mut buffer);
                    match (length, *client.lock().unwrap()) {
                        (Ok(length), Some(to)) => _ = inside.send_to(&buffer[..length], to),
                        _ => thread::sleep(Duration::from_millis(2)),
                    }
                }
            }
        });
        Router { inside: address, outside, is_over, has_spoken, threads: vec![out, back] }
    }

    fn port(to: SocketAddr) -> UdpSocket {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(to).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket
    }

    fn address(&self) -> SocketAddr {
        self.outside.lock().unwrap().local_addr().unwrap()
    }

    fn rebind(&self, to: SocketAddr) {
        *self.outside.lock().unwrap() = Router::port(to);
        self.has_spoken.store(false, Ordering::Relaxed);
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(|thread| _ = thread.join());
    }
}

#[test]
fn a_node_whose_router_gives_it_another_port_is_found_within_five_seconds_of_its_next_datagram() {
    let (here, there) = (scratch(), scratch());
    let node = Node::start(here.path(), &[]);
    let router = Router::new(node.address);
    let mover = Node::start(there.path(), &[router.inside]);
    let key = mover.ask(["id"]).success().to_owned();
    let mut asker = Asker::new(node.address);
    asker.until_at(&key, router.address(), Duration::from_secs(20));
    router.rebind(node.address);
    // It does not know, and says something when it is time for the next probe.
    eventually("the node behind the router speaks", || router.has_spoken.load(Ordering::Relaxed).then_some(()));
    let took = asker.until_at(&key, router.address(), Duration::from_secs(5));
    println!("found within {took:?}");
}
