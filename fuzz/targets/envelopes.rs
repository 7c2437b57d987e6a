//! libFuzzer's door to the body of the same name; it adds nothing to it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cjp2p_node_fuzz::envelopes::run(bytes));
