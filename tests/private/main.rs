//! Private messages, one node at a time.
//!
//! `sending` is about what it sends and whom it believes, `receiving` about what it shows and what it confirms.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bench;
#[path = "../play/mod.rs"]
mod play;
mod receiving;
mod sending;
