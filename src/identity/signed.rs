//! `SignedMessage`: an array of messages that anybody can read, pass on and check, and only one can have written.
//!
//! A signature says who wrote something. It does not say to whom, or when, or for which address: whoever has it can
//! show it to everybody, as often as they like.
//!
//! Signatures are checked strictly (`verify_strict` of ed25519-dalek): the key and the point R of the signature are the
//! canonical encodings of points that are not of small order, and S is less than the order. Every signature that was
//! made as in RFC 8032 passes, those of the wild included. What is refused is what only a forger makes: a key whose
//! signatures hold for every message, and a second signature for the same message made out of the first.

use super::key::verifying;
use super::{Identity, PublicKey, Refused, TEXT_MAX_BYTES};
use crate::wire::messages::SignedMessage;
use base64_simd::STANDARD;
use ed25519_dalek::{Signature, Signer};
use std::borrow::Cow;

/// An array of messages, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed<'a> {
    /// Whose signature it has.
    pub signer: PublicKey,
    /// The array, byte for byte as it was signed.
    pub text: Cow<'a, [u8]>,
    /// The signature of these bytes.
    pub signature: [u8; 64],
}

/// Checks the signature, over the one payload that there is.
///
/// # Errors
/// [`Refused`].
pub fn open<'a>(message: &'a SignedMessage<'_>) -> Result<Signed<'a>, Refused> {
    let text: Cow<'a, [u8]> = match (&message.payload_json, &message.payload) {
        (Some(json), None) => Cow::Borrowed(json.as_bytes()),
        (None, Some(base64)) => Cow::Owned(STANDARD.decode_to_vec(base64.as_bytes()).map_err(|_| Refused::Malformed)?),
        // With both nobody could say which of them was meant to be signed.
        _ => return Err(Refused::Malformed),
    };
    if text.len() > TEXT_MAX_BYTES {
        return Err(Refused::TooLong);
    }
    let signature = STANDARD.decode_to_vec(message.signature.as_bytes()).map_err(|_| Refused::Malformed)?;
    let signature = Signature::from_slice(&signature).map_err(|_| Refused::Malformed)?;
    let key = verifying(&message.ed25519.0)?;
    key.verify_strict(&text, &signature).map_err(|_| Refused::BadSignature)?;
    Ok(Signed { signer: PublicKey::of(&key), text, signature: signature.to_bytes() })
}

impl Identity {
    /// Signs an array of messages.
    ///
    /// # Errors
    /// [`Refused::TooLong`] if it is longer than [`TEXT_MAX_BYTES`].
    pub fn sign<'a>(&self, text: &'a str) -> Result<SignedMessage<'a>, Refused> {
        self.check_length(text)?;
        let signature = self.signature(text.as_bytes());
        Ok(SignedMessage { ed25519: self.public.hex(), signature, payload_json: Some(text.into()), payload: None })
    }

    /// Signs an array of messages, in the older form, for whoever understands no other.
    ///
    /// # Errors
    /// [`Refused::TooLong`] if it is longer than [`TEXT_MAX_BYTES`].
    pub fn sign_base64(&self, text: &str) -> Result<SignedMessage<'static>, Refused> {
        self.check_length(text)?;
        let signature = self.signature(text.as_bytes());
        let payload = Some(STANDARD.encode_to_string(text).into());
        Ok(SignedMessage { ed25519: self.public.hex(), signature, payload_json: None, payload })
    }

    /// The signature of these bytes, in base64.
    fn signature(&self, bytes: &[u8]) -> crate::wire::Text<'static> {
        STANDARD.encode_to_string(self.signature_of(bytes)).into()
    }

    /// The signature of these bytes.
    pub(crate) fn signature_of(&self, bytes: &[u8]) -> [u8; 64] {
        self.signing.sign(bytes).to_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Hex32, Text};

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    /// RFC 8032, section 7.1: TEST 1, 2, 3 and SHA(abc); seed, public key, message, signature.
    const RFC_8032: [[&str; 4]; 4] = [
        [
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ],
        [
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ],
        [
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ],
        [
            "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
            "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
        ],
    ];

    #[test]
    fn the_examples_of_rfc_8032_are_made_and_opened() {
        for [seed, public, message, signature] in RFC_8032 {
            let identity = Identity::from_seed(&Hex32::parse(seed).unwrap().0);
            assert_eq!(identity.public().to_string(), public);
            let (message, signature) = (bytes(message), STANDARD.encode_to_string(bytes(signature)));
            assert_eq!(*identity.signature(&message), *signature);
            let envelope = SignedMessage {
                ed25519: identity.public().hex(),
                signature: Text::from(signature),
                payload_json: None,
                payload: Some(STANDARD.encode_to_string(&message).into()),
            };
            let signed = open(&envelope).unwrap();
            assert_eq!((signed.signer, &*signed.text), (identity.public(), &*message));
        }
    }
}
