//! The bodies of the fuzz targets, as ordinary functions that panic when a promise of the node is broken.
//!
//! libFuzzer reaches them through `targets/`; an ordinary test of the node compiles this very file and runs the bodies
//! over the committed corpora, so that they cannot rot. They use the public interface alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

pub mod damage;
pub mod decode;
pub mod dictionary;
pub mod envelopes;
pub mod files;
pub mod input;
pub mod node;
pub mod transfer;
pub mod tree;
pub mod truth;
