//! Private messages, one node at a time.
//!
//! `sending` is about what it sends and whom it believes, `receiving` about what it shows and what it confirms,
//! `following` about how long it looks for somebody.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bench;
mod following;
#[path = "../play/mod.rs"]
mod play;
mod receiving;
mod sending;
