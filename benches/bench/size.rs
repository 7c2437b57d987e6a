//! How large the program is. People copy it to routers and small boards, so it must not grow unnoticed.

use std::fs;

/// The largest that the release binary may be: half as large again as it is, and a fraction of what a web browser loads
/// for one page.
const SIZE_MAX_BYTES: u64 = 2_000_000;

/// Prints the size of the release binary, and ends the run if it has outgrown its limit.
pub fn measure() {
    let size = fs::metadata(env!("CARGO_BIN_EXE_cjp2p-node")).unwrap().len();
    println!("size: the release binary has {size} bytes; {SIZE_MAX_BYTES} are the limit");
    assert!(size <= SIZE_MAX_BYTES, "the release binary has outgrown its limit");
}
