//! `EncryptedMessages`: an array of messages that only one can read, who knows afterwards whose it is.
//!
//! It is the first message of a Noise IK handshake ([Noise](https://noiseprotocol.org/noise.html), section 7.5) to
//! which nobody answers. So the recipient knows that the sender wrote it, and so could the recipient itself have done:
//! it proves nothing to third parties. Whoever steals the recipient's key can read everything that was ever sent to it.
//! And whoever has seen it can send it again, from anywhere: see [`replays`](super::replays).

use super::noise::{Primitives, TAG_BYTES};
use super::{ExchangeKey, Identity, PublicKey, Refused, TEXT_MAX_BYTES};
use crate::wire::messages::EncryptedMessages;
use base64_simd::STANDARD;
use snow::params::NoiseParams;
use snow::{Builder, HandshakeState};
use std::sync::LazyLock;

/// The one protocol that is spoken.
pub const NOISE_PARAMS: &str = "Noise_IK_25519_AESGCM_SHA256";

/// What there is in a message besides its text, in bytes: the ephemeral key, the encrypted static key with its tag, and
/// the tag of the text.
const OVERHEAD_BYTES: usize = 32 + 32 + TAG_BYTES + TAG_BYTES;

/// The same, as the framework has it; `None` if it did not know its own protocol.
static PARAMS: LazyLock<Option<NoiseParams>> = LazyLock::new(|| NOISE_PARAMS.parse().ok());

/// An array of messages that was encrypted for us, and with which key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The key that it was encrypted with. Which Ed25519 key that is, others have to know.
    pub sender: ExchangeKey,
    /// The key that was made for this message alone, by which it is recognised when it comes again.
    pub ephemeral: [u8; 32],
    /// The array.
    pub text: Vec<u8>,
}

impl Identity {
    /// Opens a message that was encrypted for us. It may have been opened before.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn open_sealed(&self, message: &EncryptedMessages<'_>) -> Result<Sealed, Refused> {
        if &*message.noise_params != NOISE_PARAMS {
            return Err(Refused::OtherProtocol);
        }
        let bytes = STANDARD.decode_to_vec(message.base64.as_bytes()).map_err(|_| Refused::Malformed)?;
        let length = bytes.len().checked_sub(OVERHEAD_BYTES).ok_or(Refused::Malformed)?;
        if length > TEXT_MAX_BYTES {
            return Err(Refused::TooLong);
        }
        let ephemeral = *bytes.first_chunk().ok_or(Refused::Malformed)?;
        let mut noise = self.handshake(None)?;
        let mut text = vec![0; length];
        noise.read_message(&bytes, &mut text).map_err(why)?;
        let sender = noise.get_remote_static().and_then(|key| key.try_into().ok()).ok_or(Refused::BadKey)?;
        if sender == self.exchange.0 {
            return Err(Refused::OwnKey);
        }
        Ok(Sealed { sender: ExchangeKey(sender), ephemeral, text })
    }

    /// Encrypts an array of messages for the holder of a key. `ephemeral` are 32 bytes that were drawn for this message
    /// and are used for nothing else: with the same ones twice, both messages could be read by others.
    ///
    /// # Errors
    /// [`Refused::TooLong`] if it is longer than [`TEXT_MAX_BYTES`].
    pub fn seal(&self, to: &PublicKey, text: &str, ephemeral: [u8; 32]) -> Result<EncryptedMessages<'static>, Refused> {
        self.check_length(text)?;
        let mut noise = self.handshake(Some((to.exchange()?, ephemeral)))?;
        let mut bytes = vec![0; text.len() + OVERHEAD_BYTES];
        let length = noise.write_message(text.as_bytes(), &mut bytes).map_err(why)?;
        bytes.truncate(length);
        Ok(EncryptedMessages { base64: STANDARD.encode_to_string(&bytes).into(), noise_params: NOISE_PARAMS.into() })
    }

    /// The state of one message: to somebody, with an ephemeral secret, or from somebody.
    fn handshake(&self, to: Option<(ExchangeKey, [u8; 32])>) -> Result<HandshakeState, Refused> {
        let params = PARAMS.clone().ok_or(Refused::OtherProtocol)?;
        let secret = self.exchange_secret();
        let primitives = Primitives { own: (secret, self.exchange), ephemeral: to.map(|(_, ephemeral)| ephemeral) };
        let builder = Builder::with_resolver(params, Box::new(primitives)).local_private_key(&secret).map_err(why)?;
        match to {
            Some((to, _)) => builder.remote_public_key(&to.0).map_err(why)?.build_initiator(),
            None => builder.build_responder(),
        }
        .map_err(why)
    }
}

/// What the framework complains about, in our words.
fn why(error: snow::Error) -> Refused {
    match error {
        snow::Error::Dh => Refused::BadKey,
        snow::Error::Decrypt => Refused::Undecipherable,
        _ => Refused::Malformed,
    }
}
