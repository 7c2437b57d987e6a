//! The text of an address, kept where the address is kept.
//!
//! An answer with 46 addresses is written by copying 46 texts; formatting them anew each time would cost more than all
//! the rest of the answer.

use std::io::{Cursor, Write};
use std::net::SocketAddr;

/// `[` and 39 characters of IPv6 and `]:` and 5 digits are 47; an interface number is never written. With the two
/// quotes and the comma that follows in a list they are 50.
const ENTRY_MAX_BYTES: usize = 50;

/// An address as it stands in a list on the wire: `"192.0.2.1:24254",` or `"[2001:db8::1]:24254",`.
#[derive(Clone, Copy, Debug)]
pub struct AddressText {
    entry: [u8; ENTRY_MAX_BYTES],
    len: u8,
}

impl AddressText {
    /// The text of an address, without an interface number.
    pub fn new(address: SocketAddr) -> AddressText {
        let mut cursor = Cursor::new([0; ENTRY_MAX_BYTES]);
        // The longest text fits, so writing cannot fail; if it did, the text would be cut and parse nowhere.
        let _ = match address {
            SocketAddr::V4(v4) => write!(cursor, "\"{v4}\","),
            SocketAddr::V6(v6) => write!(cursor, "\"[{}]:{}\",", v6.ip(), v6.port()),
        };
        let len = cursor.position() as u8;
        AddressText { entry: cursor.into_inner(), len }
    }

    /// Appends the text in quotes and a comma. All places are copied and those that hold no text dropped again: a copy
    /// of fixed length is a few instructions, where one of any length is a call.
    pub fn append_entry(&self, bytes: &mut Vec<u8>) {
        let end = bytes.len() + self.entry_len();
        bytes.extend_from_slice(&self.entry);
        bytes.truncate(end);
    }

    /// How many bytes [`AddressText::append_entry`] appends.
    pub fn entry_len(&self) -> usize {
        usize::from(self.len)
    }

    /// The text alone.
    pub fn as_bytes(&self) -> &[u8] {
        &self.entry[1..self.entry_len().saturating_sub(2)]
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_addresses_fit() {
        for text in ["255.255.255.255:65535", "[1111:2222:3333:4444:5555:6666:7777:8888]:65535", "[::1]:1"] {
            let kept = AddressText::new(text.parse().unwrap());
            let mut list = b"[".to_vec();
            kept.append_entry(&mut list);
            kept.append_entry(&mut list);
            assert_eq!(kept.as_bytes(), text.as_bytes());
            assert_eq!(list, format!("[\"{text}\",\"{text}\",").as_bytes());
        }
    }
}
