//! Public keys that can be used. What is not the one encoding of a good point never becomes one.

use super::{ExchangeKey, Refused};
use crate::wire::Hex32;
use ed25519_dalek::VerifyingKey;
use std::fmt;

/// An Ed25519 public key: the canonical encoding of a point that is not of small order. So two keys are the same if
/// their bytes are, and no key has signatures that hold for everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// The key with this encoding (RFC 8032, section 5.1.2).
    ///
    /// # Errors
    /// [`Refused::BadKey`] if it is not the encoding of a point, not the canonical one, or the point is of small order.
    pub fn new(bytes: &[u8; 32]) -> Result<PublicKey, Refused> {
        verifying(bytes).map(|_| PublicKey(*bytes))
    }

    /// Reads 64 hex digits, of either case, with `0x` in front or without.
    ///
    /// # Errors
    /// [`Refused::Malformed`] if it is something else, or as [`PublicKey::new`].
    pub fn parse(text: &str) -> Result<PublicKey, Refused> {
        PublicKey::new(&Hex32::parse(text).ok_or(Refused::Malformed)?.0)
    }

    /// The public half of a key that was made from a seed, which has all the properties.
    pub(super) fn of(key: &VerifyingKey) -> PublicKey {
        PublicKey(key.to_bytes())
    }

    /// The encoding.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The form in messages.
    pub fn hex(&self) -> Hex32 {
        Hex32(self.0)
    }

    /// The X25519 form. Takes about 10 µs: the point has to be computed.
    ///
    /// # Errors
    /// None that a key can have; the caller need not know that.
    pub fn exchange(&self) -> Result<ExchangeKey, Refused> {
        verifying(&self.0).map(|key| ExchangeKey::of(&key))
    }
}

/// The point of an encoding.
///
/// # Errors
/// As [`PublicKey::new`].
pub(super) fn verifying(bytes: &[u8; 32]) -> Result<VerifyingKey, Refused> {
    if !is_canonical(bytes) {
        return Err(Refused::BadKey);
    }
    let key = VerifyingKey::from_bytes(bytes).map_err(|_| Refused::BadKey)?;
    // Among these are the two encodings of x = 0 with the sign of a negative number, which are not canonical either.
    if key.is_weak() { Err(Refused::BadKey) } else { Ok(key) }
}

/// Whether the y in an encoding is less than 2^255 - 19, as it has to be.
fn is_canonical(bytes: &[u8; 32]) -> bool {
    let [first, middle @ .., last] = bytes;
    let is_top = last & 0x7f == 0x7f && middle.iter().all(|byte| *byte == 0xff);
    !(is_top && *first >= 0xed)
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.hex().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;

    /// The encodings of the eight points of small order, and of the same with a y that is 2^255 - 19 too large or the
    /// sign of a negative zero, from "Taming the many EdDSAs" (Chalkias, Garillot, Nikolaenko, 2020), table 6.
    const SMALL_ORDER: [&str; 14] = [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ];

    #[test]
    fn points_of_small_order_are_no_keys_however_they_are_written() {
        for text in SMALL_ORDER {
            assert_eq!(PublicKey::parse(text), Err(Refused::BadKey), "{text}");
        }
    }

    #[test]
    fn a_point_that_is_written_in_two_ways_is_a_key_in_one() {
        // For each y that is small enough to be written as y + 2^255 - 19 too.
        let mut points = 0;
        for y in 2..19 {
            let mut canonical = [0; 32];
            canonical[0] = y;
            let mut other = [0xff; 32];
            (other[0], other[31]) = (0xed + y, 0x7f);
            assert_eq!(PublicKey::new(&other), Err(Refused::BadKey), "{y}");
            points += usize::from(PublicKey::new(&canonical).is_ok());
        }
        assert!(points > 3, "some of these are points");
    }

    #[test]
    fn every_key_that_is_made_from_a_seed_can_be_used() {
        for seed in 0..50 {
            let identity = Identity::from_seed(&[seed; 32]);
            let key = identity.public();
            assert_eq!(PublicKey::parse(&key.to_string()), Ok(key));
            assert_eq!(key.exchange(), Ok(identity.exchange()));
        }
    }

    #[test]
    fn what_is_no_point_is_no_key() {
        let refused = (0..100).filter(|n| {
            let mut bytes = [7; 32];
            bytes[1] = *n;
            PublicKey::new(&bytes).is_err()
        });
        assert!((30..70).contains(&refused.count()), "half of all numbers are the y of no point");
    }
}
