//! The values that options take: each is understood whole or refused in one sentence.

use crate::cli::address;
use cjp2p_node::peers::address::NAMED_PORT_MIN;
use cjp2p_node::request::GET_PATIENCE_MAX_SECONDS;
use cjp2p_node::terminal::printable;
use std::ffi::OsStr;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// How much of a mistake is shown, in characters.
const MISTAKE_SHOWN_CHARS: usize = 60;

/// The longest `--wait`, in seconds: a day, far from where arithmetic with times becomes interesting.
const WAIT_MAX_SECONDS: u64 = 86_400;

/// The lowest rate, in bytes a second: a datagram of ours takes a second and a half of it.
const RATE_MIN: u64 = 1_000;

/// A value that may be shown to the user.
pub(super) fn shown(text: &OsStr) -> String {
    printable(&text.to_string_lossy(), MISTAKE_SHOWN_CHARS)
}

pub(super) fn parse<T: FromStr>(text: &OsStr, what: &str) -> Result<T, String> {
    text.to_str().and_then(|text| text.parse().ok()).ok_or_else(|| format!("'{}' is not {what}", shown(text)))
}

/// A port from which others listen to us: none that belongs to a well-known service.
pub(super) fn port(text: &OsStr) -> Result<u16, String> {
    match parse(text, "a port number")? {
        port @ 1..NAMED_PORT_MIN => Err(format!(
            "other nodes ignore who speaks from port {port}; choose one from {NAMED_PORT_MIN} on, or 0 for any free one"
        )),
        port => Ok(port),
    }
}

pub(super) fn bind(text: &OsStr) -> Result<IpAddr, String> {
    if let Ok(address) = parse::<SocketAddr>(text, "") {
        return Err(format!("'{address}' has a port; say --bind {} --port {}", address.ip(), address.port()));
    }
    parse(text, "an IP address like 192.0.2.1 or 2001:db8::1")
}

pub(super) fn peer(text: &OsStr) -> Result<String, String> {
    let text = text_of(text)?;
    address::check(&text).map(|()| text)
}

pub(super) fn text_of(text: &OsStr) -> Result<String, String> {
    text.to_str().map(str::to_owned).ok_or_else(|| format!("'{}' is not valid UTF-8", shown(text)))
}

pub(super) fn path(text: &OsStr) -> Result<PathBuf, String> {
    if text.is_empty() { Err("the name is empty".to_owned()) } else { Ok(PathBuf::from(text)) }
}

pub(super) fn wait(text: &OsStr) -> Result<Duration, String> {
    let span = text.to_str().and_then(span).ok_or_else(|| format!("'{}' is not a number of seconds", shown(text)))?;
    if span.is_zero() || span > Duration::from_secs(WAIT_MAX_SECONDS) {
        return Err(format!("'{}' is not more than 0 and at most {WAIT_MAX_SECONDS} seconds", shown(text)));
    }
    Ok(span)
}

/// A number of seconds, with a fraction or without. What the standard library reads floating-point numbers with would
/// add seventeen kilobytes to the program, for this alone.
fn span(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = [whole, fraction].concat();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // The fraction in nanoseconds: filled up to nine digits, and cut off behind them.
    let nanoseconds = format!("{fraction:0<9.9}").parse().ok()?;
    Some(Duration::new(format!("0{whole}").parse().ok()?, nanoseconds))
}

/// Whether a stream is followed from its end on.
pub(super) fn place(text: &OsStr) -> Result<bool, String> {
    match text.to_str() {
        Some("start") => Ok(false),
        Some("end") => Ok(true),
        _ => Err(format!("'{}' is neither start nor end", shown(text))),
    }
}

pub(super) fn timeout(text: &OsStr) -> Result<Duration, String> {
    let seconds: u64 = parse(text, "a whole number of seconds")?;
    if !(1..=GET_PATIENCE_MAX_SECONDS).contains(&seconds) {
        return Err(format!("'{}' is not from 1 to {GET_PATIENCE_MAX_SECONDS} seconds", shown(text)));
    }
    Ok(Duration::from_secs(seconds))
}

/// Bytes, or with K, M, G or T thousands, millions and so on of them.
pub(super) fn size(text: &OsStr) -> Result<u64, String> {
    let digits = text.to_str().unwrap_or_default();
    let (digits, power) = match digits.char_indices().last() {
        Some((place, unit @ ('K' | 'M' | 'G' | 'T'))) => {
            (&digits[..place], "KMGT".find(unit).map_or(0, |n| n as u32 + 1))
        }
        _ => (digits, 0),
    };
    let size = digits.parse().ok().and_then(|number: u64| number.checked_mul(1_000_u64.checked_pow(power)?));
    size.ok_or_else(|| format!("'{}' is not a size like 500M or 20G", shown(text)))
}

/// Bytes a second, with `k` or `K`, M, G or T as for sizes.
pub(super) fn rate(text: &OsStr) -> Result<u64, String> {
    let upper = text.to_str().unwrap_or_default().replace('k', "K");
    match size(OsStr::new(&upper)) {
        Ok(rate) if rate >= RATE_MIN => Ok(rate),
        Ok(_) => Err(format!("'{}' is less than 1k bytes a second", shown(text))),
        Err(_) => Err(format!("'{}' is not a rate like 500k or 2M, in bytes a second", shown(text))),
    }
}

pub(super) fn count(text: &OsStr) -> Result<u64, String> {
    match parse(text, "a number")? {
        0 => Err("at least one probe must be sent".to_owned()),
        count => Ok(count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_read_with_a_fraction_or_without_and_nothing_else_is() {
        for (text, nanoseconds) in [
            ("5", 5_000_000_000),
            ("0.5", 500_000_000),
            (".25", 250_000_000),
            ("2.", 2_000_000_000),
            ("007.010", 7_010_000_000),
            ("0.0000000019", 1),
            ("86400", 86_400_000_000_000),
        ] {
            assert_eq!(wait(OsStr::new(text)), Ok(Duration::from_nanos(nanoseconds)), "{text}");
        }
        for text in ["", ".", "+1", "-1", "1.-5", "1.2.3", "0x1", "1 ", "1,5", "inf", "1.0000000000x", "\u{662}"] {
            assert!(wait(OsStr::new(text)).unwrap_err().contains("is not a number of seconds"), "{text}");
        }
        for text in ["0", "0.0", "0.0000000001", "86400.1", "18446744073709551615"] {
            assert!(wait(OsStr::new(text)).unwrap_err().contains("more than 0 and at most 86400 seconds"), "{text}");
        }
    }
}
