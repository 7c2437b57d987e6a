//! The text of `peers.json`: `{"peers":["ip:port",…]}`, best first.
//!
//! Pure functions; reading and writing the file is the business of others. An entry that is no address is stepped
//! over, so that a person may edit the file; anything that is not this shape is damaged as a whole.

use crate::json;
use crate::node::PEERS_SAVED_MAX;
use crate::sorted::SortedSet;
use crate::wire::Text;
use serde::Deserialize;
use std::net::SocketAddr;

/// The longest file we read: [`PEERS_SAVED_MAX`] addresses of at most 54 bytes (47 characters, quotes, comma, and
/// indentation), 16 times, for those who edit it: a list that is too long is no damage, only its first part counts.
pub(super) const FILE_MAX_BYTES: u64 = PEERS_SAVED_MAX as u64 * 54 * 16;

/// An address list that is as long as the file may be, unlike those of the wire.
#[derive(Deserialize)]
struct PeersFile<'a> {
    #[serde(borrow)]
    peers: Vec<&'a serde_json::value::RawValue>,
}

/// The addresses in the text of the file, without doubles, the first [`PEERS_SAVED_MAX`]; `None` if it is damaged.
pub fn parse_peers(bytes: &[u8]) -> Option<Vec<SocketAddr>> {
    let file: PeersFile<'_> = json::parse(bytes)?;
    let mut seen = SortedSet::new();
    let addresses = file.peers.iter().filter_map(|raw| {
        let text: Text<'_> = serde_json::from_str(raw.get()).ok()?;
        text.parse().ok().filter(|address| seen.insert(*address))
    });
    Some(addresses.take(PEERS_SAVED_MAX).collect())
}

/// The text of the file for these addresses, at most [`PEERS_SAVED_MAX`] of them.
pub fn render_peers(peers: &[SocketAddr]) -> String {
    let lines: Vec<String> = peers.iter().take(PEERS_SAVED_MAX).map(|peer| format!("\n  \"{peer}\"")).collect();
    format!("{{\"peers\":[{}\n]}}\n", lines.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let most: Vec<SocketAddr> = (0..PEERS_SAVED_MAX)
            .map(|n| format!("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:{n:x}]:65535").parse().unwrap())
            .collect();
        for peers in [addresses(&[]), addresses(&["192.0.2.1:24254", "[2001:db8::1]:1"]), most] {
            let text = render_peers(&peers);
            assert!((text.len() as u64) < FILE_MAX_BYTES);
            assert_eq!(parse_peers(text.as_bytes()), Some(peers));
        }
    }

    #[test]
    fn more_than_the_limit_is_cut_on_both_sides() {
        let many: Vec<SocketAddr> =
            (0..8 * PEERS_SAVED_MAX).map(|n| SocketAddr::from(([10, 0, 0, 1], 1_024 + n as u16))).collect();
        let line = |peer: &SocketAddr| format!("\n  \"{peer}\"");
        let edited = format!("{{\"peers\":[{}]}}", many.iter().map(line).collect::<Vec<_>>().join(","));
        assert!((edited.len() as u64) < FILE_MAX_BYTES);
        for text in [edited, render_peers(&many)] {
            assert_eq!(parse_peers(text.as_bytes()).unwrap(), many[..PEERS_SAVED_MAX]);
        }
    }

    #[test]
    fn entries_that_are_no_address_and_doubles_are_stepped_over() {
        let text = r#"{"note":"mine","peers":["192.0.2.1:1",7,null,"nobody","192.0.2.1:1","192.0.2.2:2"]}"#;
        assert_eq!(parse_peers(text.as_bytes()), Some(addresses(&["192.0.2.1:1", "192.0.2.2:2"])));
    }

    #[test]
    fn anything_else_is_damaged() {
        for text in ["", "[]", "{}", "{\"peers\":{}}", "{\"peers\":[\"192.0.2.1:1\"", "{\"peers\":[]}x", "\u{fffd}"] {
            assert_eq!(parse_peers(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse_peers(&[0xff, 0xfe]), None);
    }
}
