//! Who talks to the servers: sources that ask as fast as they are answered, and peers that make a node know somebody.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The smallest request there is.
pub const POKE: &str = r#"[{"PleaseSendPeers":{}}]"#;

/// How many ports ask.
const SOURCES: usize = 64;

/// Requests on their way per source. 64 × 4 small datagrams fit any receive buffer, so none is lost by the load alone.
const WINDOW: usize = 4;

/// A source without an answer for this long has lost what was on its way.
const LOST_AFTER: Duration = Duration::from_millis(200);

/// What a run of requests came to.
pub struct Outcome {
    /// Requests that were answered.
    pub answered: u64,
    /// Requests that were not.
    pub lost: u64,
    /// How long it took.
    pub seconds: f64,
}

impl Outcome {
    pub fn per_second(&self) -> f64 {
        self.answered as f64 / self.seconds
    }
}

/// One port that asks one server the same thing over and over.
struct Source {
    socket: UdpSocket,
    request: Vec<u8>,
}

/// All the ports that ask one server.
pub struct Sources(Vec<Source>);

impl Sources {
    /// Ports that send the smallest request, as strangers.
    pub fn strangers(server: SocketAddr) -> Sources {
        Sources((0..SOURCES).map(|_| Source { socket: connected(0, server), request: POKE.into() }).collect())
    }

    /// Ports that return their token with the request. An echo loop gets something of the same length.
    pub fn verified(server: SocketAddr, is_node: bool) -> Sources {
        let source = |_| {
            let socket = connected(0, server);
            let token = if is_node { verify(&socket) } else { "12345678".to_owned() };
            Source { socket, request: with_token(r#"{"PleaseSendPeers":{}}"#, &token).into_bytes() }
        };
        Sources((0..SOURCES).map(source).collect())
    }

    /// Asks once and returns the answer.
    pub fn ask_once(&self) -> String {
        let Source { socket, request } = &self.0[0];
        ask(socket, request)
    }

    /// Asks for a while, a bounded number of requests being on their way, and waits for what is left.
    pub fn run(&self, span: Duration) -> Outcome {
        let mut buffer = vec![0; 65_536];
        let started = Instant::now();
        let mut outcome = Outcome { answered: 0, lost: 0, seconds: 0.0 };
        for source in &self.0 {
            source.socket.set_nonblocking(true).unwrap();
            (0..WINDOW).for_each(|_| source.send());
        }
        while started.elapsed() < span {
            for source in &self.0 {
                if source.receive(&mut buffer) {
                    outcome.answered += 1;
                    source.send();
                } else {
                    outcome.lost += WINDOW as u64;
                    (0..WINDOW).for_each(|_| source.send());
                }
            }
        }
        outcome.seconds = started.elapsed().as_secs_f64();
        for source in &self.0 {
            let _ = (0..WINDOW).take_while(|_| source.receive(&mut buffer)).count();
            source.socket.set_nonblocking(false).unwrap();
        }
        outcome
    }
}

impl Source {
    fn send(&self) {
        // A full send buffer is a lost request like any other.
        let _ = self.socket.send(&self.request);
    }

    /// Waits for an answer without sleeping: being woken up would be at the server's cost.
    fn receive(&self, buffer: &mut [u8]) -> bool {
        let mut waiting_since = None;
        loop {
            match self.socket.recv(buffer) {
                Ok(length) => return buffer[..length].starts_with(b"[{\"P"),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let since = *waiting_since.get_or_insert_with(Instant::now);
                    if since.elapsed() > LOST_AFTER {
                        return false;
                    }
                }
                Err(_) => return false,
            }
        }
    }
}

/// Peers of a node that answer its probes, in a thread of their own, until dropped.
pub struct LivePeers {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Makes `count` addresses known to a node; the first `live` of them stay and answer it.
pub fn populate(server: SocketAddr, count: usize, live: usize) -> LivePeers {
    let mut sockets = Vec::new();
    for number in 0..count {
        let socket = connected(number, server);
        let token = verify(&socket);
        if number < live {
            socket.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
            sockets.push((socket, token));
        }
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let thread = std::thread::spawn({
        let is_over = is_over.clone();
        move || answer_probes(&sockets, &is_over)
    });
    LivePeers { is_over, thread: Some(thread) }
}

impl Drop for LivePeers {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Looks at every socket twice a second: far sooner than a node gives a neighbour up, and next to no work.
fn answer_probes(sockets: &[(UdpSocket, String)], is_over: &AtomicBool) {
    let mut buffer = [0; 8_192];
    sockets.iter().for_each(|(socket, _)| socket.set_nonblocking(true).unwrap());
    while !is_over.load(Ordering::Relaxed) {
        for (socket, token) in sockets {
            while let Ok(length) = socket.recv(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..length]);
                if let Some(cookie) = cookie(&text, "PleaseReturnThisMessage") {
                    let returned = format!(r#"{{"ReturnedMessage":{{"cookie":"{cookie}"}}}}"#);
                    let _ = socket.send(with_token(&returned, token).as_bytes());
                }
            }
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// A socket at one of 127.0.0.0/8's addresses, by number, that talks to one server.
pub fn connected(number: usize, server: SocketAddr) -> UdpSocket {
    let [_, high, middle, low] = (number as u32 + 1).to_be_bytes();
    let socket = UdpSocket::bind((Ipv4Addr::new(127, 64 + high, middle, low), 0)).unwrap();
    socket.connect(server).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    socket
}

/// Becomes a verified peer, and returns the token.
pub fn verify(socket: &UdpSocket) -> String {
    let answer = ask(socket, POKE.as_bytes());
    let token =
        cookie(&answer, "PleaseAlwaysReturnThisMessage").expect("a node gives its token to who asks").to_owned();
    ask(socket, with_token(r#"{"PleaseSendPeers":{}}"#, &token).as_bytes());
    token
}

/// Asks until there is an answer.
fn ask(socket: &UdpSocket, request: &[u8]) -> String {
    let mut buffer = vec![0; 65_536];
    for _ in 0..5 {
        socket.send(request).unwrap();
        while let Ok(length) = socket.recv(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if text.contains("\"Peers\"")
                || text.contains("PleaseAlwaysReturnThisMessage")
                || text.as_bytes() == request
            {
                return text;
            }
        }
    }
    panic!("no answer from {:?}", socket.peer_addr());
}

/// A datagram of these elements and our token.
fn with_token(elements: &str, token: &str) -> String {
    format!(r#"[{elements},{{"AlwaysReturned":{{"cookie":"{token}"}}}}]"#)
}

/// The cookie in one of a node's own cookie messages.
fn cookie<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!(r#"{{"{name}":{{"cookie":""#))?;
    rest.split('"').next()
}
