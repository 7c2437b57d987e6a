//! Keys and hashes in messages: 32 bytes, written as 64 hex digits.
//!
//! The wild shows keys to its users as `0x…` and writes them without it, so both are read, in either case; what we
//! write is 64 lower-case digits. Whether the bytes are a key that can be used is not asked here.

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};
use std::fmt;

/// How many bytes a key or a hash has.
const BYTES: usize = 32;

/// 32 bytes, as 64 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hex32(pub [u8; 32]);

impl Hex32 {
    /// The bytes that 64 hex digits of either case stand for, with `0x` in front or without.
    pub fn parse(text: &str) -> Option<Hex32> {
        let digits = text.strip_prefix("0x").unwrap_or(text).as_bytes();
        let (pairs, []) = digits.as_chunks::<2>() else { return None };
        let pairs: &[[u8; 2]; BYTES] = pairs.try_into().ok()?;
        let mut bytes = [0; BYTES];
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = nibble(*high)? << 4 | nibble(*low)?;
        }
        Some(Hex32(bytes))
    }

    /// The 64 lower-case digits.
    fn digits(&self) -> [u8; 2 * BYTES] {
        let mut digits = [0; 2 * BYTES];
        for (pair, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(self.0) {
            *pair = [digit(byte >> 4), digit(byte & 0xf)];
        }
        digits
    }
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

fn digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }
}

impl fmt::Display for Hex32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Digits are ASCII.
        f.pad(std::str::from_utf8(&self.digits()).unwrap_or_default())
    }
}

impl Serialize for Hex32 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hex32 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(HexVisitor)
    }
}

struct HexVisitor;

impl Visitor<'_> for HexVisitor {
    type Value = Hex32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("64 hex digits")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Hex32, E> {
        Hex32::parse(text).ok_or_else(|| E::custom("not 64 hex digits"))
    }
}

/// 32 bytes, as 64 hex digits, or `null`. Unlike an `Option`, the field has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NullableHex32(pub Option<Hex32>);

impl Serialize for NullableHex32 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for NullableHex32 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NullableVisitor)
    }
}

struct NullableVisitor;

impl Visitor<'_> for NullableVisitor {
    type Value = NullableHex32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("64 hex digits or null")
    }

    fn visit_unit<E: Error>(self) -> Result<NullableHex32, E> {
        Ok(NullableHex32(None))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<NullableHex32, E> {
        HexVisitor.visit_str(text).map(|hex| NullableHex32(Some(hex)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_either_case_with_and_without_prefix_are_the_same_bytes() {
        let lower = "00ff".repeat(16);
        let expected = Hex32::parse(&lower).unwrap();
        assert_eq!((expected.0[0], expected.0[31]), (0, 255));
        for text in [format!("0x{lower}"), lower.to_uppercase(), format!("0x{}", lower.to_uppercase())] {
            assert_eq!(Hex32::parse(&text), Some(expected), "{text}");
        }
        assert_eq!(expected.to_string(), lower);
    }

    #[test]
    fn whatever_is_not_64_digits_is_refused() {
        let good = "ab".repeat(32);
        for wrong in ["", "0x", &good[1..], &format!("{good}0"), &format!("0x0x{good}"), &good.replace('b', "g"), "ü"]
        {
            assert_eq!(Hex32::parse(wrong), None, "{wrong}");
        }
        assert_eq!(Hex32::parse(&format!("0X{good}")), None);
        assert_eq!(Hex32::parse(&"ü".repeat(32)), None);
    }

    #[test]
    fn null_has_to_be_said() {
        let key = format!("\"{}\"", "ab".repeat(32));
        assert_eq!(serde_json::from_str::<NullableHex32>(&key).unwrap(), NullableHex32(Some(Hex32([0xab; 32]))));
        assert_eq!(serde_json::from_str::<NullableHex32>("null").unwrap(), NullableHex32(None));
        assert_eq!(serde_json::to_string(&NullableHex32(None)).unwrap(), "null");
        for wrong in ["7", "\"\"", "[]", "true"] {
            assert!(serde_json::from_str::<NullableHex32>(wrong).is_err(), "{wrong}");
        }
    }
}
