//! Measures a node against the least that any node could do: a bare loop that sends every datagram back.
//!
//! Run it as `scripts/bench [size] [stages] [envelopes] [flood] [requests] [memory] [idle] [transfer] [mtu]`; without a
//! word it does all nine, in about ten minutes. What it prints are figures and ratios taken within one run; it asserts
//! nothing about them, because machines differ. Only the size of the binary has a limit that holds everywhere. All
//! traffic stays on the loopback interface, or in networks made for it, and everything it starts ends with it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::disallowed_methods)]

mod echo;
mod envelopes;
mod flood;
mod idle;
mod load;
mod memory;
mod mtu;
mod plain;
mod process;
mod requests;
mod size;
mod stages;
mod transfer;
mod wild;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let has = |word: &str| words.iter().any(|other| other == word);
    match words.first().map(String::as_str) {
        Some("--echo") => return echo::run(),
        Some("--flood-core") => return memory::flood_core(),
        Some("--plain-serve") => return plain::serve(&words[1], &words[2]),
        Some("--plain-fetch") => return plain::fetch(&words[1], &words[2], &words[3]),
        Some("--common-node") => return mtu::common_node(&words[1], &words[2]),
        Some("--wild-fetch") => return wild::fetch(&words[1], &words[2], &words[3]),
        // `cargo test --benches` starts this program too; measuring is not its business.
        _ if !has("--bench") => return,
        _ => {}
    }
    let parts: [(&str, fn()); 9] = [
        ("size", size::measure),
        ("stages", stages::measure),
        ("envelopes", envelopes::measure),
        ("flood", flood::measure),
        ("requests", requests::measure),
        ("memory", memory::measure),
        ("idle", idle::measure),
        ("transfer", transfer::measure),
        ("mtu", mtu::measure),
    ];
    let is_selected = parts.iter().any(|(name, _)| has(name));
    for (_, measure) in parts.iter().filter(|(name, _)| has(name) || !is_selected) {
        measure();
    }
}

/// The middle value; the machine is shared, and means follow every hiccup.
fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
