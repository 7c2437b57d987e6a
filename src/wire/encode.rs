//! Writing a datagram: elements appended to one buffer, which is always an array or empty.
//!
//! The writer counts bytes and refuses to outgrow its limit; which element deserves the room is not its decision.

use super::Message;
use serde::Serialize;

/// A datagram under construction.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

/// What a datagram is given room for at its first element: an address and both tokens, so that most never grow.
const FIRST_BYTES: usize = 192;

/// The bytes that an array of one element has besides the element: the brackets.
pub const BRACKETS_BYTES: usize = 2;

impl Writer {
    /// A writer that has nothing written yet and uses the memory of `bytes`.
    pub fn reusing(mut bytes: Vec<u8>) -> Writer {
        bytes.clear();
        Writer { bytes }
    }

    /// True while no element has been written.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// How long the finished datagram would be, in bytes.
    pub fn len(&self) -> usize {
        if self.bytes.is_empty() { BRACKETS_BYTES } else { self.bytes.len() + 1 }
    }

    /// How many bytes an element may still have so that the datagram stays within `limit`.
    pub fn room(&self, limit: usize) -> usize {
        let comma = usize::from(!self.bytes.is_empty());
        limit.saturating_sub(self.len() + comma)
    }

    /// Appends a message if the datagram stays within `limit`; says whether it did, and changes nothing if not.
    pub fn push(&mut self, message: &Message<'_>, limit: usize) -> bool {
        self.push_with(limit, |bytes| message.serialize(&mut serde_json::Serializer::new(bytes)).is_ok())
    }

    /// Appends `{"<name>":{"cookie":"<cookie>"}}` under the same terms. `cookie` must need no escapes.
    pub fn push_cookie(&mut self, name: &str, cookie: &[u8], limit: usize) -> bool {
        self.push_with(limit, |bytes| {
            for part in [b"{\"", name.as_bytes(), b"\":{\"cookie\":\"", cookie, b"\"}}"] {
                bytes.extend_from_slice(part);
            }
            true
        })
    }

    /// Appends `{"<name>":<payload>}` under the same terms. `payload` must be JSON text.
    pub fn push_raw(&mut self, name: &str, payload: &str, limit: usize) -> bool {
        self.push_with(limit, |bytes| {
            for part in ["{\"", name, "\":", payload, "}"] {
                bytes.extend_from_slice(part.as_bytes());
            }
            true
        })
    }

    /// Appends what `write` writes, one whole element, if it says so and if the datagram stays within `limit`.
    pub fn push_with(&mut self, limit: usize, write: impl FnOnce(&mut Vec<u8>) -> bool) -> bool {
        let before = self.bytes.len();
        if self.bytes.capacity() == 0 {
            self.bytes.reserve(FIRST_BYTES);
        }
        self.bytes.push(if before == 0 { b'[' } else { b',' });
        let is_kept = write(&mut self.bytes) && self.len() <= limit;
        if !is_kept {
            self.bytes.truncate(before);
        }
        is_kept
    }

    /// The finished datagram, `[]` if nothing was written; the writer is empty again.
    pub fn take(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.bytes);
        if bytes.is_empty() {
            bytes.push(b'[');
        }
        bytes.push(b']');
        bytes
    }
}
