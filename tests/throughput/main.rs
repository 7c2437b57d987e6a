//! How fast a path is filled, and at whose cost: the congestion control of `transfer` in a small model of a path.
//!
//! - `world` is one bottleneck with its queue, its losses and its flows, and the order of events,
//! - `ours` is a flow that always wants more, driven by a `Path`; `newreno` is the TCP that it has to get along with,
//! - `claims` is what is promised; `table` is a table of throughputs, compared with `tests/data/throughput.txt`.
//!
//! Everything is computed in whole numbers from a seed, so every figure is the same on every machine and in every
//! build. It refuses to model what makes no difference here: routers beyond the bottleneck, and cross traffic without
//! a cause. `cargo test --profile sim --test throughput -- --nocapture` prints the figures.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::print_stdout)] // figures are printed for whoever runs the tests
#![allow(unreachable_pub)] // a test binary has no public interface; `pub` means "used by other modules" here

mod claims;
mod newreno;
mod ours;
#[path = "../sim/rng.rs"]
#[allow(dead_code)] // the simulation draws more kinds of numbers
mod rng;
mod table;
mod world;
