//! Fuzz body: a whole node, driven by a small script, with an [`oracle`] that watches every datagram it sends.
//!
//! The input is one step a line, so that a dictionary of JSON words helps and a corpus can be read by people. The first
//! byte of a line says what happens; a line that means nothing is skipped.
//!
//! | line | what happens |
//! | --- | --- |
//! | `d<peer><text>` | the datagram `text` arrives from a peer; `%t`, `%p` and `%l` stand for the last token and probe that peer was sent, and for the probe of the last call to the local network |
//! | `c<peer><kind><text>` | a command, see [`Script::command`] |
//! | `w<exponent>` | 2^exponent ms pass, and the node is called whenever it is due |
//! | `s<exponent>` | 2^exponent ms pass in which nobody calls the node, as when a machine sleeps |
//! | `t` | the node is called although nothing may be due |
//! | `n<peer>` | datagrams to a peer cannot be sent from now on, or can be again |
//! | `m<count>` | so many peers prove themselves at once |
//! | `r<flags>` | the node restarts with the peers it saved |

mod oracle;

use cjp2p_node::content::{MemoryStore, ReadError};
use cjp2p_node::node::{Command, Config, Destination, Event};
use cjp2p_node::peers::address::plain;
use cjp2p_node::{Node, Time};
use oracle::{Cause, Oracle};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

/// The addresses that a script can name: every scope, and some that can be nobody's.
const PEERS: [&str; 16] = [
    "203.0.113.5:24254",
    "203.0.113.5:24255",
    "198.51.100.234:65535",
    "198.51.100.7:40000",
    "192.168.1.2:24254",
    "10.1.2.3:24254",
    "127.0.0.1:24254",
    "127.0.0.2:40000",
    "[2001:db8::1]:24254",
    "[fe80::1%3]:24254",
    "[fd00::1]:24254",
    "[::1]:24254",
    "[::ffff:203.0.113.9]:24254",
    "8.8.8.8:53",
    "255.255.255.255:24254",
    "224.0.0.1:24254",
];

/// Steps of one script; later ones are ignored, so that no input runs for long.
const STEPS_MAX: usize = 128;

/// Peers that `m` makes in one script, over all its steps: more than one answer names or one line of group chat
/// reaches.
const MASS_MAX: usize = 100;

/// Timeouts that `w` runs in one script; then a wait ends early, so that no input runs for long.
const CALLS_MAX: u64 = 1_000;

/// More timeouts than this, and one a second, in one wait are a busy loop. A node with every link silent probes 24 of
/// them five times each.
const BUSY_CALLS: u64 = 300;

/// The longest wait in which the node is called whenever it is due: 2^22 ms are 70 minutes.
const WAIT_EXPONENT_MAX: u8 = 22;

/// The longest sleep: 2^31 ms are 25 days.
const SLEEP_EXPONENT_MAX: u8 = 31;

/// Runs a script.
pub fn run(bytes: &[u8]) {
    let mut script = Script::new();
    for line in bytes.split(|byte| *byte == b'\n').take(STEPS_MAX) {
        script.step(line);
    }
}

fn peer(byte: u8) -> SocketAddr {
    PEERS[usize::from(byte) % PEERS.len()].parse().expect("the table holds addresses")
}

struct Script {
    node: Node<MemoryStore>,
    now: Time,
    oracle: Oracle,
    unreachable: BTreeSet<SocketAddr>,
    lives: u8,
    mass: usize,
    calls: u64,
}

impl Script {
    fn new() -> Script {
        let now = Time::from_micros(1_000_000);
        let mut script = Script {
            node: Node::new(config(0xff, Vec::new()), [0; 32], now, MemoryStore::default()),
            now,
            oracle: Oracle::default(),
            unreachable: BTreeSet::new(),
            lives: 0,
            mass: 0,
            calls: 0,
        };
        script.share("notes.txt", (0..10_000_u32).map(|byte| byte as u8).collect());
        script
    }

    fn step(&mut self, line: &[u8]) {
        match line {
            [b'd', from, text @ ..] => self.datagram(peer(*from), text),
            [b'c', about, kind, text @ ..] => self.command(peer(*about), *kind, &String::from_utf8_lossy(text)),
            [b'w', exponent, ..] => self.wait(1 << (exponent % (WAIT_EXPONENT_MAX + 1))),
            [b's', exponent, ..] => {
                self.now = self.now + Duration::from_millis(1 << (exponent % (SLEEP_EXPONENT_MAX + 1)));
                self.timeout();
            }
            [b't', ..] => self.timeout(),
            [b'n', about, ..] => {
                let address = plain(peer(*about));
                if !self.unreachable.remove(&address) {
                    self.unreachable.insert(address);
                }
            }
            [b'm', count, ..] => (0..*count).for_each(|_| self.newcomer()),
            [b'r', flags, ..] => self.restart(*flags),
            _ => {}
        }
    }

    fn datagram(&mut self, from: SocketAddr, text: &[u8]) {
        let bytes = self.oracle.fill_in(plain(from), text);
        let before = *self.node.counters();
        let stimulus = self.oracle.arrives(self.now, plain(from), &bytes);
        self.node.handle_datagram(self.now, from, &bytes);
        let is_reflected = self.node.counters().datagrams_reflected > before.datagrams_reflected;
        self.drain(&Cause::Datagram { stimulus, is_reflected });
    }

    /// Somebody unknown comes and proves itself.
    fn newcomer(&mut self) {
        if self.mass < MASS_MAX {
            self.mass += 1;
            let [high, low] = u16::try_from(self.mass).expect("MASS_MAX is small").to_be_bytes();
            let from = SocketAddr::from(([10, 9, high, low], 24_254));
            self.datagram(from, br#"[{"PleaseSendPeers":{}}]"#);
            self.datagram(from, br#"[{"AlwaysReturned":{"cookie":"%t"}}]"#);
        }
    }

    fn command(&mut self, about: SocketAddr, kind: u8, text: &str) {
        let (group, rest) = text.split_once(' ').unwrap_or(("main", text));
        let command = match kind {
            b'a' => Command::AddPeer(about),
            b'c' => Command::Chat { to: about, text: text.to_owned() },
            b'g' => Command::GroupChat {
                group: group.to_owned(),
                text: rest.to_owned(),
                unix_ms: self.now.as_micros() / 1_000,
            },
            b'p' => Command::Ping(about),
            b'i' => Command::Ignore(about.ip()),
            b'h' => Command::Heed(about.ip()),
            b'n' => Command::NetworkChanged,
            b'u' => Command::Unshare(text.to_owned()),
            b'f' => return self.share(group, rest.as_bytes().to_vec()),
            b'e' => return self.node.store_mut().fault = Some(ReadError::Changed),
            b'E' => return self.node.store_mut().fault = Some(ReadError::Failed),
            b'o' => return self.node.store_mut().fault = None,
            _ => return,
        };
        let sent = self.node.counters().datagrams_sent;
        let is_done = self.node.handle_command(self.now, command).is_ok();
        assert!(is_done || self.node.counters().datagrams_sent == sent, "what was refused sent something");
        self.drain(&Cause::Command);
    }

    fn share(&mut self, name: &str, content: Vec<u8>) {
        let file = self.node.store_mut().insert(name, content);
        assert_eq!(self.node.handle_command(self.now, Command::Share(file)), Ok(()));
    }

    fn wait(&mut self, millis: u64) {
        let end = self.now + Duration::from_millis(millis);
        let before = self.calls;
        while let Some(due) = self.node.poll_timeout().filter(|due| *due <= end) {
            if self.calls >= CALLS_MAX {
                return;
            }
            self.now = self.now.max(due);
            self.timeout();
            self.calls += 1;
            let calls = self.calls - before;
            assert!(calls < BUSY_CALLS + millis / 1_000, "a busy loop: {calls} calls in {millis} ms");
        }
        self.now = end;
    }

    fn timeout(&mut self) {
        self.node.handle_timeout(self.now);
        let due = self.node.poll_timeout().expect("a node always has something to do later");
        assert!(due > self.now, "the next deadline does not lie in the future");
        self.drain(&Cause::Timeout);
    }

    fn restart(&mut self, flags: u8) {
        self.lives = self.lives.wrapping_add(1);
        let remembered = self.node.saved_peers();
        let store = std::mem::take(self.node.store_mut());
        self.node = Node::new(config(flags, remembered), [self.lives; 32], self.now, store);
        self.oracle = Oracle::default();
    }

    /// Takes everything out of the node, as its contract demands, and has it checked.
    fn drain(&mut self, cause: &Cause) {
        oracle::check_tables(&self.node);
        while let Some(transmit) = self.node.poll_transmit() {
            if let Destination::Address(to) = transmit.to
                && self.unreachable.contains(&to)
            {
                self.oracle.unsent(&transmit);
                assert_eq!(self.node.handle_command(self.now, Command::Unsent(transmit)), Ok(()));
            } else {
                self.oracle.leaves(self.now, cause, &transmit);
            }
        }
        self.oracle.settles(cause);
        while let Some(event) = self.node.poll_event() {
            oracle::check_event(cause, &event);
            if let Event::FileChanged(name) = event {
                assert!(self.node.shared_files().all(|file| file.name != name), "a changed file is still shared");
            }
        }
    }
}

fn config(flags: u8, remembered: Vec<SocketAddr>) -> Config {
    let contacts = if flags & 2 == 0 { Vec::new() } else { vec![peer(0), peer(8)] };
    Config { contacts, remembered, lan: flags & 1 == 1, version: "cjp2p-node 0".to_owned(), ..Config::default() }
}
