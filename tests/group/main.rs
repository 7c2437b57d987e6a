//! Group chat: lines that are signed, passed on by neighbours, and shown once.
//!
//! `scenes`, `saying` and `memory` are about one node; `spread`, `outages` and `attacks` about many, in a world of
//! virtual time where a seed draws all that happens.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod attacks;
mod memory;
mod outages;
#[path = "../play/mod.rs"]
mod play;
mod saying;
mod scenes;
mod spread;
mod world;
