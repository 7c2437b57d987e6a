//! The base64 of a block, and the form in which this node sends one: read without the general parser.
//!
//! Of all bytes that a fetching node receives nearly all are the base64 of a `Block`, alone in its datagram. The
//! general parser looks at each of them three times, for UTF-8, for brackets and for the end of the string; here one
//! look says all of that, and as base64 is plain it is as strict. Whatever has another form, by as much as a space, is
//! left to the general parser, and means the same.

use super::Message;
use super::messages::Block;
use serde::de::{Deserialize, Deserializer};
use serde::ser::{Error, Serialize, Serializer};
use std::borrow::Cow;
use std::ops::Deref;
use std::str;

/// The text of a JSON string that should be base64; as bytes, because who decodes it checks it anyway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base64<'a>(pub Cow<'a, [u8]>);

impl Deref for Base64<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Serialize for Base64<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(str::from_utf8(&self.0).map_err(S::Error::custom)?)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Base64<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        super::Text::deserialize(deserializer).map(|text| {
            Base64(match text.0 {
                Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
                Cow::Owned(text) => Cow::Owned(text.into_bytes()),
            })
        })
    }
}

/// Reads `[{"Block":{"run":N,"offset":N,"base64":"…"}}]`, with spaces before the second number, as
/// `PleaseSendBlocks` is answered. `None` for anything else.
pub(super) fn read(datagram: &[u8]) -> Option<Message<'_>> {
    let rest = datagram.strip_prefix(br#"[{"Block":{"run":"#)?;
    let (run, rest) = number(rest)?;
    let rest = rest.strip_prefix(br#","offset":"#)?;
    // Spaces alone: a form feed is white to Rust and not to JSON.
    let spaces = rest.iter().position(|byte| *byte != b' ')?;
    let (offset, rest) = number(rest.get(spaces..)?)?;
    let base64 = rest.strip_prefix(br#","base64":""#)?.strip_suffix(br#""}}]"#)?;
    base64_simd::STANDARD.check(base64).ok()?;
    Some(Message::Block(Block { run, offset, base64: Base64(base64.into()) }))
}

/// A number as JSON has it, and what follows.
fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let length = text.iter().position(|byte| !byte.is_ascii_digit())?;
    let (digits, rest) = text.split_at(length);
    let is_plain = digits == b"0" || !digits.starts_with(b"0");
    let number = str::from_utf8(digits).ok()?.parse().ok()?;
    is_plain.then_some((number, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::decode;

    /// What the general parser makes of a datagram: it steps over the space.
    fn generally(datagram: &[u8]) -> String {
        let mut spaced = datagram.to_vec();
        spaced.insert(0, b' ');
        format!("{:?}", decode(&spaced))
    }

    #[test]
    fn what_is_read_here_is_what_the_general_parser_reads() {
        let base64 = base64_simd::STANDARD.encode_to_string(vec![7; 4_096]);
        for (run, offset) in [("1", "0"), ("4294967295", "     4096"), ("18446744073709551615", "9007199254740992")] {
            let text = format!(r#"[{{"Block":{{"run":{run},"offset":{offset},"base64":"{base64}"}}}}]"#);
            assert!(read(text.as_bytes()).is_some(), "{run} {offset}");
            assert_eq!(format!("{:?}", decode(text.as_bytes())), generally(text.as_bytes()));
        }
    }

    #[test]
    fn every_change_of_a_byte_means_here_what_it_means_to_the_general_parser() {
        let text = br#"[{"Block":{"run":17,"offset":  4096,"base64":"aGVsbG8gd29ybGQh"}}]"#;
        for at in 0..text.len() {
            for byte in
                [0, 9, 10, 12, b' ', b'"', b'\\', b'0', b'1', b'-', b'.', b'=', b'+', b'[', b'}', 0x7f, 0x80, 0xff]
            {
                for changed in
                    [[&text[..at], &[byte], &text[at + 1..]].concat(), [&text[..at], &[byte], &text[at..]].concat()]
                {
                    let shown = String::from_utf8_lossy(&changed);
                    assert_eq!(format!("{:?}", decode(&changed)), generally(&changed), "{shown}");
                }
            }
            let shorter = [&text[..at], &text[at + 1..]].concat();
            assert_eq!(format!("{:?}", decode(&shorter)), generally(&shorter), "{}", String::from_utf8_lossy(&shorter));
        }
    }
}
