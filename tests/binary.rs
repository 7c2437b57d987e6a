//! The real binary, run as a user runs it: every promise of the command line, kept by real processes on loopback.
//!
//! Nothing here leaves the machine: every node is started with `--no-bootstrap --no-lan` on a loopback address, or in a
//! network of its own. Every wait has an end, and every process ends with the test that started it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]
#![allow(clippy::print_stdout)] // figures are printed for whoever runs the tests

#[path = "binary/harness.rs"]
mod harness;

#[path = "binary/chatting.rs"]
mod chatting;
#[path = "binary/command_line.rs"]
mod command_line;
#[path = "binary/console.rs"]
mod console;
#[path = "binary/control.rs"]
mod control;
#[path = "binary/crashes.rs"]
mod crashes;
#[path = "binary/fetching.rs"]
mod fetching;
#[path = "binary/files.rs"]
mod files;
#[path = "binary/fragments.rs"]
mod fragments;
#[path = "binary/full_disk.rs"]
mod full_disk;
#[path = "binary/group.rs"]
mod group;
#[path = "binary/key.rs"]
mod key;
#[path = "binary/lan.rs"]
mod lan;
#[path = "binary/lifecycle.rs"]
mod lifecycle;
#[path = "binary/limits.rs"]
mod limits;
#[path = "binary/listing.rs"]
mod listing;
#[path = "binary/lying.rs"]
mod lying;
#[path = "binary/moving.rs"]
mod moving;
#[path = "binary/naming.rs"]
mod naming;
#[path = "binary/people.rs"]
mod people;
#[path = "binary/printing.rs"]
mod printing;
#[path = "binary/secret.rs"]
mod secret;
#[path = "binary/sharing.rs"]
mod sharing;
#[path = "binary/streaming.rs"]
mod streaming;
#[path = "binary/swarm.rs"]
mod swarm;
#[path = "binary/talking.rs"]
mod talking;
#[path = "binary/terminal.rs"]
mod terminal;
#[path = "binary/together.rs"]
mod together;
