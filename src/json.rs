//! Reading JSON that lies in memory as bytes.
//!
//! It is read as text, as what comes from the network is: a reader of bytes would be a second copy of all of
//! serde_json's reading in the program.

use serde::Deserialize;

/// What the bytes say; `None` if they are not UTF-8, or say something else.
pub(crate) fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Option<T> {
    std::str::from_utf8(bytes).ok().and_then(|text| serde_json::from_str(text).ok())
}
