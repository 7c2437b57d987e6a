//! What strangers, silence and time must not do to whom a node knows, remembers, tries and asks: each was found by
//! somebody who made it happen.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod crowds;
mod outage;
#[path = "../play/mod.rs"]
mod play;
mod remembered;
mod silence;
mod swarm;
