//! Whole nodes that fetch from one another, over a wire in memory.
//!
//! - `wire` carries the datagrams, as badly as it is told to; `host` is a node with its place in the world; `store`
//!   lets nothing pass that is not what its id says; `checks` watches everything that is sent,
//! - `plays` are chosen scenes on a good day,
//! - `options`, `scenario`, `fetch` and `seeds` draw and play days of another kind; `attackers` are a part of them.
//!
//! Nothing touches a socket, a clock or a thread, so a seed is a run and a failure is a seed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::print_stdout)] // figures and traces are printed for whoever runs the tests

#[path = "../sim/checks/contacts.rs"]
#[allow(dead_code)]
mod contacts;
#[path = "../transfer/content.rs"]
mod content;
#[path = "../sim/net.rs"]
#[allow(dead_code)]
mod net;
#[path = "../sim/rng.rs"]
#[allow(dead_code)]
mod rng;
#[path = "../sim/seeds.rs"]
mod seeds;
#[path = "../sim/trace.rs"]
mod trace;

mod attackers;
mod checks;
mod fetch;
mod host;
mod options;
mod plays;
mod scenario;
mod store;
mod wire;
