//! Keys, and the envelopes that messages travel in when it matters whose they are, or who reads them.
//!
//! Addresses change, keys stay. A node has one Ed25519 key ([RFC 8032](https://www.rfc-editor.org/rfc/rfc8032)); its
//! X25519 form ([RFC 7748](https://www.rfc-editor.org/rfc/rfc7748)) serves for what is encrypted.
//!
//! - [`PublicKey`] is a key that can be used; [`ExchangeKey`] is its X25519 form,
//! - [`signed`] makes and opens `SignedMessage`,
//! - [`sealed`] makes and opens `EncryptedMessages`,
//! - [`fast`] opens `FastEncryptedMessages`, which nobody should make,
//! - [`opening`] opens whatever there is in a datagram, one envelope in another too, within limits,
//! - [`known`] remembers which keys were proven, and [`replays`] which encrypted envelopes
//!   have been opened,
//! - [`whereabouts`] remembers which addresses were proven to be those of keys, and [`claims`] who claims to have
//!   moved.
//!
//! This module decides nothing about peers and addresses, and stores nothing: who is known under which X25519 key is
//! asked of the caller, and randomness comes in with the call.

pub mod claims;
mod exchange;
pub mod fast;
mod key;
pub mod known;
mod noise;
pub mod opening;
pub mod replays;
pub mod sealed;
pub mod signed;
pub mod whereabouts;

pub use exchange::ExchangeKey;
pub use key::PublicKey;

use ed25519_dalek::SigningKey;
use std::fmt;

/// The longest array of messages that is taken out of an envelope or put into one, in bytes: 48 KiB, what the wild
/// delivers at most. Base64 in the longest datagram holds 22 bytes less.
pub const TEXT_MAX_BYTES: usize = 49_152;

/// Why an envelope stays closed. Whatever the reason, its sender gets no answer because of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refused {
    /// It lacks a part, or a part is no base64 or has the wrong length.
    Malformed,
    /// What is inside is longer than [`TEXT_MAX_BYTES`].
    TooLong,
    /// It names a protocol other than [`sealed::NOISE_PARAMS`].
    OtherProtocol,
    /// A key in it is not the encoding of a point, not the canonical one, or of small order.
    BadKey,
    /// The signature is not that of this key and these bytes.
    BadSignature,
    /// It was not encrypted for us, or changed on the way.
    Undecipherable,
    /// It was encrypted with our own key: it is ours, come back.
    OwnKey,
    /// It was encrypted by somebody whose Ed25519 key nobody has told us.
    UnknownSender,
    /// It has been opened before.
    Repeated,
    /// What is inside is no array of messages.
    NoMessages,
    /// It is inside of [`opening::NESTING_MAX`] others already.
    TooDeep,
    /// It and the others in its datagram are more than [`opening::ENVELOPES_MAX`].
    TooMany,
    /// The caller did not want to spend the time.
    TooCostly,
}

/// A node's key, secret half included. It shows only its public half.
#[derive(Clone)]
pub struct Identity {
    signing: SigningKey,
    public: PublicKey,
    exchange: ExchangeKey,
}

impl Identity {
    /// The key that derives from a seed of 32 random bytes (RFC 8032, section 5.1.5).
    pub fn from_seed(seed: &[u8; 32]) -> Identity {
        let signing = SigningKey::from_bytes(seed);
        let public = PublicKey::of(&signing.verifying_key());
        let exchange = ExchangeKey::of(&signing.verifying_key());
        Identity { signing, public, exchange }
    }

    /// The public half, by which others know the node.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// The X25519 form of the public half.
    pub fn exchange(&self) -> ExchangeKey {
        self.exchange
    }

    /// The secret shared with another key (RFC 7748, section 5).
    ///
    /// # Errors
    /// [`Refused::BadKey`] if the secret is all zeroes: the other key is of small order, and everybody knows it.
    fn shared_secret(&self, other: ExchangeKey) -> Result<[u8; 32], Refused> {
        exchange::shared_secret(self.signing.to_scalar_bytes(), other).ok_or(Refused::BadKey)
    }

    /// # Errors
    /// [`Refused::TooLong`] if there is more in a text than an envelope takes.
    fn check_length(&self, text: &str) -> Result<(), Refused> {
        if text.len() > TEXT_MAX_BYTES { Err(Refused::TooLong) } else { Ok(()) }
    }

    /// The secret half for X25519: the first half of the SHA-512 of the seed, which is clamped where it is used.
    fn exchange_secret(&self) -> [u8; 32] {
        self.signing.to_scalar_bytes()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.public)
    }
}
