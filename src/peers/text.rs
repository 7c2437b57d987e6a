//! The text of an address, kept where the address is kept.
//!
//! An answer with 46 addresses is written by copying 46 texts; formatting them anew each time would cost more than all
//! the rest of the answer.

use std::io::{Cursor, Write};
use std::net::SocketAddr;

/// `[` and 39 characters of IPv6 and `]:` and 5 digits are 47; an interface number is never written.
const TEXT_MAX_BYTES: usize = 47;

/// An address as it stands on the wire: `192.0.2.1:24254` or `[2001:db8::1]:24254`.
#[derive(Clone, Copy, Debug)]
pub struct AddressText {
    bytes: [u8; TEXT_MAX_BYTES],
    len: u8,
}

impl AddressText {
    /// The text of an address, without an interface number.
    pub fn new(address: SocketAddr) -> AddressText {
        let mut cursor = Cursor::new([0; TEXT_MAX_BYTES]);
        // The longest text fits, so writing cannot fail; if it did, the text would be cut and parse nowhere.
        let _ = match address {
            SocketAddr::V4(v4) => write!(cursor, "{v4}"),
            SocketAddr::V6(v6) => write!(cursor, "[{}]:{}", v6.ip(), v6.port()),
        };
        let len = cursor.position() as u8;
        AddressText { bytes: cursor.into_inner(), len }
    }

    /// Appends the text in quotes. All the places are copied and those that are not text dropped again: a copy of fixed
    /// length is a few instructions, where one of any length is a call.
    pub fn quote_into(&self, bytes: &mut Vec<u8>) {
        bytes.push(b'"');
        let end = bytes.len() + usize::from(self.len);
        bytes.extend_from_slice(&self.bytes);
        bytes.truncate(end);
        bytes.push(b'"');
    }

    /// How long the text is.
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// False: every address has a text.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_addresses_fit() {
        for text in ["255.255.255.255:65535", "[1111:2222:3333:4444:5555:6666:7777:8888]:65535", "[::1]:1"] {
            assert_eq!(AddressText::new(text.parse().unwrap()).as_bytes(), text.as_bytes());
        }
    }
}
