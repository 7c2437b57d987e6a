//! The words that a fuzzer would take long to guess: everything in the table of messages, and a few tokens of its JSON.
//!
//! The committed dictionary is made by this module alone, never by hand.

use cjp2p_node::wire::messages::{FIELDS, NAMES};
use std::collections::BTreeSet;
use std::fmt::Write;

/// Text that is no name in the table but belongs to its payloads, or steers the body of the `node` target.
const OTHERS: [&str; 14] = [
    "[{\"",
    "\":{}}",
    "},{\"",
    "\"cookie\":\"",
    "{\"cookie\":\"%t\"}",
    "{\"cookie\":\"%p\"}",
    "127.0.0.1:24254",
    "203.0.113.5:24254",
    "[2001:db8::1]:24254",
    "18446744073709551615",
    "/ping",
    "/version",
    "\\u0000",
    "\nd",
];

/// The dictionary, in libFuzzer's format: one quoted string on each line.
pub fn text() -> String {
    let words = NAMES.iter().chain(FIELDS).copied();
    let quoted = words.collect::<BTreeSet<_>>().into_iter().map(|word| format!("\"{word}\""));
    let mut text = String::from("# Made from the table of messages: WRITE_DICTIONARY=1 cargo test --test fuzzing\n");
    for word in quoted.chain(OTHERS.map(str::to_owned)) {
        text.push('"');
        for byte in word.bytes() {
            match byte {
                b'"' | b'\\' => text.extend(['\\', char::from(byte)]),
                b' '..=b'~' => text.push(char::from(byte)),
                _ => write!(text, "\\x{byte:02x}").expect("a string takes everything"),
            }
        }
        text.push_str("\"\n");
    }
    text
}
