//! The simulation: swarms of real nodes in a virtual world, with every invariant checked after every event.
//!
//! The nodes are the crate's own, driven through their public interface; clock, network, routers and everybody else are
//! made here. Nothing touches a socket, a clock or a thread, so a seed is a run and a failure is a seed. It refuses to
//! measure real time: figures are virtual seconds, datagrams and bytes.
//!
//! - `world`, `host`, `queue`, `net`, `nat`, `map` are the world; `query` asks it,
//! - `models` and `attackers` are everybody else,
//! - `checks` holds the invariants; `eye` is its own strict reading of the wire,
//! - `options`, `scenario` and `seeds` draw and play scenarios; `plays` are chosen scenes; `figures` are numbers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::print_stdout)] // figures and traces are printed for whoever runs the tests
#![allow(unreachable_pub)] // a test binary has no public interface; `pub` means "used by other modules" here

mod attackers;
mod checks;
mod eye;
mod figures;
mod host;
mod map;
mod models;
mod nat;
mod net;
mod options;
mod plays;
mod query;
mod queue;
mod rng;
mod scenario;
mod seeds;
mod trace;
mod world;
