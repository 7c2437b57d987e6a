//! Addresses and names of hosts, as a person types them. Names are told from addresses here and looked up elsewhere.

use super::mistake;
use crate::wire::PORT;
use std::net::{IpAddr, SocketAddr};

/// The longest part of a host's name between dots (RFC 1035, section 2.3.4).
const LABEL_MAX_BYTES: usize = 63;

/// The longest name of a host: 255 bytes in the form that travels, two of which are no text (RFC 1035, section 2.3.4).
const NAME_MAX_BYTES: usize = 253;

/// An address that was typed into the running node, which looks up no names: it would have to wait for them.
pub(super) fn typed_address(text: &str) -> Result<SocketAddr, String> {
    peer_address(text).map_err(|why| match host_name(text) {
        Some(_) => format!("{why}; names of hosts are understood by 'cjp2p-node add', and not here"),
        None => why,
    })
}

/// The address of a peer: `ip:port`, `[ipv6]:port`, or an IP address alone, with the conventional port.
///
/// # Errors
/// One sentence for the user.
pub fn peer_address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let ip = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    ip.parse()
        .map(|ip: IpAddr| SocketAddr::new(ip, PORT))
        .map_err(|_| format!("'{}' is not an address like 192.0.2.1:{PORT} or [2001:db8::1]:{PORT}", mistake(text)))
}

/// The name of a host and its port, in `name` or `name:port`; nothing, if it is no name (RFC 1123, section 2.1): labels
/// of letters, digits and hyphens, of which the last is no number.
pub fn host_name(text: &str) -> Option<(&str, u16)> {
    let (name, port) = match text.split_once(':') {
        Some((name, port)) => (name, port.parse().ok()?),
        None => (text, PORT),
    };
    let is_label = |label: &str| {
        (1..=LABEL_MAX_BYTES).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    let is_name = name.len() <= NAME_MAX_BYTES
        && name.split('.').all(is_label)
        && name.rsplit('.').next().is_some_and(|last| !is_number(last));
    is_name.then_some((name, port))
}

pub(super) fn ip_address(text: &str) -> Result<IpAddr, String> {
    let alone = || text.parse().ok();
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    alone().or_else(with_port).ok_or_else(|| format!("'{}' is not an IP address like 192.0.2.1", mistake(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_port_of_an_address_may_be_left_out() {
        assert_eq!(peer_address("192.0.2.1"), Ok(address("192.0.2.1:24254")));
        assert_eq!(peer_address("2001:db8::1"), Ok(address("[2001:db8::1]:24254")));
        assert_eq!(peer_address("[2001:db8::1]"), Ok(address("[2001:db8::1]:24254")));
        assert_eq!(peer_address("[2001:db8::1]:5"), Ok(address("[2001:db8::1]:5")));
        for wrong in ["", "1.2.3.4:", "1.2.3.4:65536", "1.2.3", "[::1", ":1"] {
            assert!(peer_address(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_of_hosts_are_told_from_addresses_and_from_nonsense() {
        for (text, found) in [
            ("localhost", Some(("localhost", PORT))),
            ("node-1.example.org:7000", Some(("node-1.example.org", 7_000))),
            ("3com.example", Some(("3com.example", PORT))),
        ] {
            assert_eq!(host_name(text), found, "{text}");
        }
        let (label, name) = ("x".repeat(64), "x.".repeat(126) + "xx");
        for wrong in
            ["", ".", "a..b", "1.2.3", "1.2.3.4:5", "7", "a b", "a:b", "a:", "a:65536", "::1", "ü", &label, &name]
        {
            assert_eq!(host_name(wrong), None, "{wrong}");
        }
    }
}
