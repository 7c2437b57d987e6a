//! `FastEncryptedMessages`: an array of messages that one of two has written, and only those two can read.
//!
//! Its key is the same in both directions and for every message, so the sender that it names is the sender only if we
//! did not write it ourselves. Therefore we never make any: nothing that was encrypted with our key can come back as
//! somebody else's word. A nonce must not be used twice, and who uses one twice is not heard the second time, see
//! [`replays`](super::replays). Whoever steals either key can read everything that was ever sent.

use super::key::verifying;
use super::noise::{self, TAG_BYTES};
use super::{ExchangeKey, Identity, PublicKey, Refused, TEXT_MAX_BYTES};
use crate::wire::messages::FastEncryptedMessages;
use base64_simd::STANDARD;
use sha2::{Digest, Sha256};

/// An array of messages that was encrypted for us, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fast {
    /// The other who can have written it.
    pub sender: PublicKey,
    /// What the sender has to use once only, and by which a message is recognised when it comes again.
    pub nonce: [u8; 12],
    /// The array.
    pub text: Vec<u8>,
}

impl Identity {
    /// Opens a message that was encrypted for us. It may have been opened before.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn open_fast(&self, message: &FastEncryptedMessages<'_>) -> Result<Fast, Refused> {
        let decode = |text: &str| STANDARD.decode_to_vec(text.as_bytes()).map_err(|_| Refused::Malformed);
        let nonce = decode(&message.nonce)?.as_slice().try_into().map_err(|_| Refused::Malformed)?;
        if message.sender == self.public.hex() {
            return Err(Refused::OwnKey);
        }
        let ciphertext = decode(&message.ciphertext)?;
        let length = ciphertext.len().checked_sub(TAG_BYTES).ok_or(Refused::Malformed)?;
        if length > TEXT_MAX_BYTES {
            return Err(Refused::TooLong);
        }
        let key = verifying(&message.sender.0)?;
        let (sender, exchange) = (PublicKey::of(&key), ExchangeKey::of(&key));
        // The other key with the same X25519 form would share a secret with us that is ours alone.
        if exchange == self.exchange {
            return Err(Refused::OwnKey);
        }
        let key: [u8; 32] = Sha256::digest(self.shared_secret(exchange)?).into();
        let mut text = vec![0; length];
        noise::open(&key, &nonce, &[], &ciphertext, &mut text).ok_or(Refused::Undecipherable)?;
        Ok(Fast { sender, nonce, text })
    }
}
