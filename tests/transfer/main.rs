//! Downloads among honest, broken and lying sources, without sockets: what is asked for, what is kept, and what it
//! costs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../sim/rng.rs"]
#[allow(dead_code)]
mod rng;

mod blame;
mod content;
mod disorder;
mod limit;
mod net;
mod plays;
mod source;
