//! A node of LCDP, the Lowest Common Denominator Protocol, as a state machine without IO.
//!
//! The [`Node`] is told what happened and says what is to be done. It never reads a clock, touches a socket, sleeps,
//! spawns, or asks the operating system for randomness, so it can be driven by an event loop, a test, a fuzzer, or a
//! thousand at once by a simulation. What it says on the wire is described in `protocol.md`, how it is built in
//! `ARCHITECTURE.md`.
//!
//! # The contract
//!
//! **Feed one input, then drain all outputs.**
//!
//! | input | output |
//! | --- | --- |
//! | [`Node::handle_datagram`] | [`Node::poll_transmit`]: datagrams to be sent, until `None` |
//! | [`Node::handle_timeout`] | [`Node::poll_event`]: what local applications may want to know, until `None` |
//! | [`Node::handle_command`] | [`Node::poll_timeout`]: when [`Node::handle_timeout`] is due, if nothing happens before |
//!
//! In return:
//!
//! - Time comes in with every call and never goes backwards. After `handle_timeout(now)` the next deadline is later
//!   than `now`.
//! - Every `handle_*` returns soon, whatever it is fed; every table, queue and answer has a limit. Outputs that nobody
//!   drains are dropped beyond [`node::OUTBOX_MAX`] and [`node::EVENTS_MAX`], not hoarded.
//! - The same seed and the same inputs give the same outputs.
//! - The one service that the node calls is the [`Store`](content::Store) that it is given: small bounded reads of
//!   shared files.
//! - Bad input is no error: it is dropped and [counted](counters::Counters). **A panic means a bug**, in this crate or
//!   in the `Store`, and never something that was received.
//!
//! # The loop
//!
//! 1. Send every datagram that `poll_transmit` gives.
//! 2. Deal with every event that `poll_event` gives.
//! 3. Ask `poll_timeout` for the deadline.
//! 4. Wait until a datagram arrives, a user wants something, or the deadline comes.
//! 5. Read the clock.
//! 6. Feed what happened: one datagram, one command, or the timeout. Begin again.
//!
//! ```
//! use cjp2p_node::content::MemoryStore;
//! use cjp2p_node::node::{Command, Config, Destination, Event, Node};
//! use cjp2p_node::Time;
//! use std::net::UdpSocket;
//! use std::time::{Duration, Instant};
//!
//! # fn main() -> std::io::Result<()> {
//! let socket = UdpSocket::bind("127.0.0.1:0")?;
//! let friend = UdpSocket::bind("127.0.0.1:0")?;
//! # friend.set_read_timeout(Some(Duration::from_secs(10)))?;
//! let start = Instant::now();
//! let seed = [7; 32]; // 32 bytes from the operating system, in a real program
//! let mut node = Node::new(Config::default(), seed, Time::default(), MemoryStore::default());
//! let mut buffer = [0; 65_535];
//!
//! // A user's wish comes before the first round.
//! let wish = Command::AddPeer(friend.local_addr()?);
//! node.handle_command(Time::default(), wish).expect("a possible address");
//!
//! for _round in 0..3 {
//!     while let Some(transmit) = node.poll_transmit() {                                          // 1
//!         match transmit.to {
//!             Destination::Address(to) => drop(socket.send_to(&transmit.payload, to)),
//!             Destination::Lan => {} // the broadcast and multicast addresses of each interface
//!         }
//!     }
//!     while let Some(event) = node.poll_event() {                                                // 2
//!         if let Event::Chat { from, text, .. } = event {
//!             println!("{from}> {}", text.escape_debug()); // never print what strangers write as it is
//!         }
//!     }
//!     let now = Time::default() + start.elapsed();
//!     let deadline = node.poll_timeout().unwrap_or(now + Duration::from_secs(3_600));            // 3
//!     socket.set_read_timeout(Some(deadline.since(now).max(Duration::from_millis(1))))?;
//!     let arrived = socket.recv_from(&mut buffer);                                               // 4
//!     let now = Time::default() + start.elapsed();                                               // 5
//!     match arrived {                                                                            // 6
//!         Ok((length, from)) => node.handle_datagram(now, from, &buffer[..length]),
//!         Err(_) => node.handle_timeout(now),
//!     }
//! }
//! let (length, _) = friend.recv_from(&mut buffer)?;
//! assert!(buffer[..length].starts_with(br#"[{"PleaseSendPeers":{}}"#));
//! # Ok(())
//! # }
//! ```
//!
//! # The modules
//!
//! The core, from the bottom up:
//!
//! - [`wire`]: bytes to messages and back; the table of messages,
//! - [`time`]: a number that the caller calls time; `rate`: limits in one number each; `hash`: keyed hashes,
//! - [`tokens`]: proof that somebody reads an address; [`budget`]: how much a stranger may be told,
//! - [`identity`]: keys, and the envelopes that prove whose a message is,
//! - [`titles`]: which content a name of somebody stands for,
//! - [`peers`]: who is out there; [`content`]: what is shared,
//! - [`gossip`]: lines of group chat, passed on by neighbours,
//! - [`transfer`]: how much may be asked of a source, how fast, and what is given up,
//! - [`stream`]: bytes that grow, signed by whose they are, and following them,
//! - [`counters`]: what happened, counted; [`sizes`]: how full the tables are; [`sorted`]: small tables;
//!   `json`: text that is JSON,
//! - [`node`]: the state machine made of all these.
//!
//! Around it, what the command `cjp2p-node` is made of. These are public for the command's sake and promise nothing:
//!
//! - [`event_loop`]: the loop above, with `mio`; [`worker`]: what may keep a disk busy; [`queue`]: from one
//!   thread to another,
//! - [`console`], [`request`], [`control`]: what a user says to the running node, and how it answers,
//! - [`address_book`]: what people call keys; [`terminal`]: text from strangers, made safe to print,
//! - [`data_dir`]: what is kept between runs.

pub mod address_book;
pub mod budget;
pub mod console;
pub mod content;
pub mod control;
pub mod counters;
pub mod data_dir;
pub mod event_loop;
pub mod gossip;
mod hash;
pub mod identity;
mod json;
pub mod node;
pub mod peers;
pub mod queue;
mod rate;
pub mod request;
pub mod sizes;
pub mod sorted;
pub mod stream;
pub mod terminal;
pub mod time;
pub mod titles;
pub mod tokens;
pub mod transfer;
pub mod wire;
pub mod worker;

pub use node::Node;
pub use time::Time;
