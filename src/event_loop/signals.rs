//! The signals that stop the node in order, and the one that says that the terminal has another size.
//!
//! Ctrl-C, a supervisor, and a terminal that is closed all get the same orderly stop. Who starts the node with `nohup`
//! wants it to outlive the terminal, and is heard: a hang-up that the system is told to ignore stays ignored. Nothing
//! else is caught; what cannot be survived should look like it.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGWINCH};
use signal_hook_mio::v1_0::Signals;
use std::{fs, io};

/// Catches the signals, as something to wait for.
///
/// # Errors
/// If the system has no descriptors left.
pub fn catch() -> io::Result<Signals> {
    let signals = Signals::new([SIGINT, SIGTERM, SIGWINCH])?;
    if !is_hangup_ignored() {
        signals.add_signal(SIGHUP)?;
    }
    Ok(signals)
}

/// Whether whoever started us had hang-ups ignored. Where the system does not say (there is no `/proc`), they count.
fn is_hangup_ignored() -> bool {
    fs::read_to_string("/proc/self/status").is_ok_and(|status| is_ignored(&status, SIGHUP))
}

/// Whether a text like that of `/proc/self/status` has a signal among the ignored ones: bit 0 is signal 1.
fn is_ignored(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok()).unwrap_or(0);
    mask & (1 << (signal - 1)) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_of_ignored_signals_is_read_and_not_the_others() {
        let status = "Name:\tx\nSigBlk:\tffffffffffffffff\nSigIgn:\t0000000000001001\nSigCgt:\tffffffffffffffff\n";
        assert!(is_ignored(status, SIGHUP));
        assert!(!is_ignored(status, SIGINT) && !is_ignored(status, SIGTERM));
        for odd in ["", "SigIgn:", "SigIgn:\tx", "SigIgn:\t11111111111111111"] {
            assert!(!is_ignored(odd, SIGHUP), "{odd}");
        }
    }
}
