//! X25519 (RFC 7748) with the keys that sign: the public half in its other form, and secrets that two keys share.

use curve25519_dalek::montgomery::MontgomeryPoint;
use ed25519_dalek::VerifyingKey;

/// An X25519 public key: the Montgomery u of a point.
///
/// The points P and -P have the same one, so an X25519 key belongs to two Ed25519 keys. A seed leads to one of them and
/// nobody can sign for the other; but whoever hears of a key without its signature cannot tell which it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeKey(pub [u8; 32]);

impl ExchangeKey {
    /// The X25519 form of an Ed25519 key (RFC 7748, section 4.1).
    pub(super) fn of(key: &VerifyingKey) -> ExchangeKey {
        ExchangeKey(key.to_montgomery().to_bytes())
    }

    /// The public half of a secret.
    pub(super) fn of_secret(secret: [u8; 32]) -> ExchangeKey {
        ExchangeKey(MontgomeryPoint::mul_base_clamped(secret).to_bytes())
    }
}

/// The secret that `secret` shares with `other`; `None` if it is all zeroes, as with every point of small order (RFC
/// 7748, section 6.1).
pub(super) fn shared_secret(secret: [u8; 32], other: ExchangeKey) -> Option<[u8; 32]> {
    let shared = MontgomeryPoint(other.0).mul_clamped(secret).to_bytes();
    // Every byte is looked at, whatever the others are.
    let is_zero = shared.iter().fold(0, |bits, byte| bits | byte) == 0;
    (!is_zero).then_some(shared)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Hex32;

    fn bytes(text: &str) -> [u8; 32] {
        Hex32::parse(text).unwrap().0
    }

    #[test]
    fn the_example_of_rfc_7748_is_reproduced() {
        let alice = bytes("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
        let bob = bytes("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
        let [a, b] = [alice, bob].map(ExchangeKey::of_secret);
        assert_eq!(a.0, bytes("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"));
        assert_eq!(b.0, bytes("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"));
        let shared = bytes("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
        assert_eq!([shared_secret(alice, b), shared_secret(bob, a)], [Some(shared); 2]);
    }

    #[test]
    fn no_secret_is_shared_with_a_point_of_small_order() {
        // u = 0, 1, p - 1 and the two of order 8, and p, p + 1, which are 0 and 1 too.
        for u in [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0100000000000000000000000000000000000000000000000000000000000000",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
            "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        ] {
            assert_eq!(shared_secret([7; 32], ExchangeKey(bytes(u))), None, "{u}");
        }
        assert!(shared_secret([7; 32], ExchangeKey([9; 32])).is_some());
    }
}
