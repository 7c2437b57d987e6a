//! The primitives of `Noise_IK_25519_AESGCM_SHA256`, as the Noise framework wants them.
//!
//! `snow` brings the protocol and is given the rest, for three reasons: the randomness of a message comes in with the
//! call; a secret that is all zeroes is an error and not a key; and nothing is linked a second time that the signatures
//! and content ids use already.

use super::ExchangeKey;
use super::exchange::shared_secret;
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit};
use sha2::{Digest, Sha256};
use snow::Error;
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::CryptoResolver;
use snow::types::{Cipher, Dh, Hash, Random};

/// How long keys, secrets and hashes are, in bytes.
const KEY_BYTES: usize = 32;

/// How long the tag of AES-GCM is, in bytes (NIST SP 800-38D; Noise, section 12.4).
pub(super) const TAG_BYTES: usize = 16;

/// The block of SHA-256, in bytes (FIPS 180-4; Noise, section 12.6).
const BLOCK_BYTES: usize = 64;

/// The primitives, for a single message.
pub(super) struct Primitives {
    /// Our key, whose public half is known already.
    pub(super) own: ([u8; KEY_BYTES], ExchangeKey),
    /// The secret half of the ephemeral key, if one is needed: 32 random bytes.
    pub(super) ephemeral: Option<[u8; KEY_BYTES]>,
}

impl CryptoResolver for Primitives {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(Given(self.ephemeral)))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        let dh = X25519 { own: self.own, secret: [0; KEY_BYTES], public: ExchangeKey([0; KEY_BYTES]) };
        matches!(choice, DHChoice::Curve25519).then(|| Box::new(dh) as Box<dyn Dh>)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        matches!(choice, HashChoice::SHA256).then(|| Box::new(Sha::default()) as Box<dyn Hash>)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        matches!(choice, CipherChoice::AESGCM).then(|| Box::new(AesGcm([0; KEY_BYTES])) as Box<dyn Cipher>)
    }
}

/// Randomness that was drawn elsewhere; it is given out once.
struct Given(Option<[u8; KEY_BYTES]>);

impl Random for Given {
    fn try_fill_bytes(&mut self, wanted: &mut [u8]) -> Result<(), Error> {
        match self.0.take() {
            Some(given) if given.len() == wanted.len() => {
                wanted.copy_from_slice(&given);
                Ok(())
            }
            _ => Err(Error::Rng),
        }
    }
}

struct X25519 {
    own: ([u8; KEY_BYTES], ExchangeKey),
    secret: [u8; KEY_BYTES],
    public: ExchangeKey,
}

impl X25519 {
    fn take(&mut self, secret: [u8; KEY_BYTES]) {
        // Our public half is part of every message to us; making it anew would be a third of the cost of a bogus one.
        self.public = if secret == self.own.0 { self.own.1 } else { ExchangeKey::of_secret(secret) };
        self.secret = secret;
    }
}

impl Dh for X25519 {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        KEY_BYTES
    }

    fn priv_len(&self) -> usize {
        KEY_BYTES
    }

    fn set(&mut self, secret: &[u8]) {
        // The framework hands over what it was given, and that has this length.
        if let Ok(secret) = secret.try_into() {
            self.take(secret);
        }
    }

    fn generate(&mut self, rng: &mut dyn Random) -> Result<(), Error> {
        let mut secret = [0; KEY_BYTES];
        rng.try_fill_bytes(&mut secret)?;
        self.take(secret);
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        &self.public.0
    }

    fn privkey(&self) -> &[u8] {
        &self.secret
    }

    fn dh(&self, other: &[u8], out: &mut [u8]) -> Result<(), Error> {
        // The framework keeps keys in buffers that are longer than ours.
        let other = other.first_chunk().ok_or(Error::Dh)?;
        let shared = shared_secret(self.secret, ExchangeKey(*other)).ok_or(Error::Dh)?;
        out.first_chunk_mut().map(|out| *out = shared).ok_or(Error::Dh)
    }
}

#[derive(Default)]
struct Sha(Sha256);

impl Hash for Sha {
    fn name(&self) -> &'static str {
        "SHA256"
    }

    fn block_len(&self) -> usize {
        BLOCK_BYTES
    }

    fn hash_len(&self) -> usize {
        KEY_BYTES
    }

    fn reset(&mut self) {
        self.0.reset();
    }

    fn input(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn result(&mut self, out: &mut [u8]) {
        let hash = self.0.finalize_reset();
        if let Some(out) = out.first_chunk_mut() {
            *out = hash.into();
        }
    }
}

/// AES-256-GCM under a key.
struct AesGcm([u8; KEY_BYTES]);

impl Cipher for AesGcm {
    fn name(&self) -> &'static str {
        "AESGCM"
    }

    fn set(&mut self, key: &[u8; KEY_BYTES]) {
        self.0 = *key;
    }

    fn encrypt(&self, nonce: u64, data: &[u8], text: &[u8], out: &mut [u8]) -> usize {
        seal(&self.0, &nonce_of(nonce), data, text, out).unwrap_or_default()
    }

    fn decrypt(&self, nonce: u64, data: &[u8], ciphertext: &[u8], out: &mut [u8]) -> Result<usize, Error> {
        open(&self.0, &nonce_of(nonce), data, ciphertext, out).ok_or(Error::Decrypt)
    }
}

/// A nonce as Noise has it for this cipher: four zero bytes and the number, big-endian (Noise, section 12.4).
fn nonce_of(number: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&number.to_be_bytes());
    nonce
}

/// Encrypts `text` into `out`, the tag behind it, and says how long that is. Nothing if there is no room for it.
fn seal(key: &[u8; KEY_BYTES], nonce: &[u8; 12], data: &[u8], text: &[u8], out: &mut [u8]) -> Option<usize> {
    let (body, tag) = out.get_mut(..text.len() + TAG_BYTES)?.split_at_mut(text.len());
    let buffer = InOutBuf::new(text, body).ok()?;
    let made = Aes256Gcm::new(key.into()).encrypt_inout_detached(nonce.into(), data, buffer).ok()?;
    tag.copy_from_slice(&made);
    Some(text.len() + TAG_BYTES)
}

/// Decrypts `ciphertext`, which ends with its tag, into `out`, and says how long the text is. Nothing if it is not what
/// was encrypted with this key, nonce and data, or if there is no room for it.
pub(super) fn open(
    key: &[u8; KEY_BYTES],
    nonce: &[u8; 12],
    data: &[u8],
    ciphertext: &[u8],
    out: &mut [u8],
) -> Option<usize> {
    let (body, tag) = ciphertext.split_last_chunk::<TAG_BYTES>()?;
    let buffer = InOutBuf::new(body, out.get_mut(..body.len())?).ok()?;
    let opened = Aes256Gcm::new(key.into()).decrypt_inout_detached(nonce.into(), data, buffer, tag.into());
    opened.ok().map(|()| body.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Hex32;
    use snow::Builder;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    /// Of NIST's CAVS vectors for AES-GCM, file `gcmEncryptExtIV256.rsp`, the first of several lengths: key, nonce,
    /// text, additional data, ciphertext, tag.
    const NIST: [[&str; 6]; 5] = [
        [
            "b52c505a37d78eda5dd34f20c22540ea1b58963cf8e5bf8ffa85f9f2492505b4",
            "516c33929df5a3284ff463d7",
            "",
            "",
            "",
            "bdc1ac884d332457a1d2664f168c76f0",
        ],
        [
            "82c4f12eeec3b2d3d157b0f992d292b237478d2cecc1d5f161389b97f999057a",
            "7b40b20f5f397177990ef2d1",
            "982a296ee1cd7086afad976945",
            "",
            "ec8e05a0471d6b43a59ca5335f",
            "113ddeafc62373cac2f5951bb9165249",
        ],
        [
            "83688deb4af8007f9b713b47cfa6c73e35ea7a3aa4ecdb414dded03bf7a0fd3a",
            "0b459724904e010a46901cf3",
            "33d893a2114ce06fc15d55e454cf90c3",
            "794a14ccd178c8ebfd1379dc704c5e208f9d8424",
            "cc66bee423e3fcd4c0865715e9586696",
            "0fb291bd3dba94a1dfd8b286cfb97ac5",
        ],
        [
            "268ed1b5d7c9c7304f9cae5fc437b4cd3aebe2ec65f0d85c3918d3d3b5bba89b",
            "9ed9d8180564e0e945f5e5d4",
            "fe29a40d8ebf57262bdb87191d01843f4ca4b2de97d88273154a0b7d9e2fdb80",
            "",
            "791a4a026f16f3a5ea06274bf02baab469860abde5e645f3dd473a5acddeecfc",
            "05b2b74db0662550435ef1900e136b15",
        ],
        [
            "463b412911767d57a0b33969e674ffe7845d313b88c6fe312f3d724be68e1fca",
            "611ce6f9a6880750de7da6cb",
            "e7d1dcf668e2876861940e012fe52a98dacbd78ab63c08842cc9801ea581682ad54af0c34d0d7f6f59e8ee0bf4900e0fd85042",
            "0a682fbc6192e1b47a5e0868787ffdafe5a50cead3575849990cdd2ea9b3597749403efb4a56684f0c6bde352d4aeec5",
            "8886e196010cb3849d9c1a182abe1eeab0a5f3ca423c3669a4a8703c0f146e8e956fb122e0d721b869d2b6fcd4216d7d4d3758",
            "2469cecd70fd98fec9264f71df1aee9a",
        ],
    ];

    #[test]
    fn the_vectors_of_nist_are_made_and_opened() {
        for [key, nonce, text, data, ciphertext, tag] in NIST {
            let key = Hex32::parse(key).unwrap().0;
            let (nonce, text, data) = (bytes(nonce).try_into().unwrap(), bytes(text), bytes(data));
            let whole = [bytes(ciphertext), bytes(tag)].concat();
            let mut sealed = vec![0; text.len() + TAG_BYTES];
            assert_eq!(seal(&key, &nonce, &data, &text, &mut sealed), Some(whole.len()));
            assert_eq!(sealed, whole);
            let mut opened = vec![0; text.len()];
            assert_eq!(open(&key, &nonce, &data, &whole, &mut opened), Some(text.len()));
            assert_eq!(opened, text);
            let changed = [&data[..], &[0]].concat();
            assert_eq!(open(&key, &nonce, &changed, &whole, &mut opened), None);
            assert_eq!(open(&key, &nonce, &data, &whole[1..], &mut opened), None);
        }
    }

    #[test]
    fn what_has_no_room_is_neither_made_nor_opened() {
        assert_eq!(seal(&[7; 32], &[7; 12], &[], &[7; 4], &mut [0; 19]), None);
        assert_eq!(open(&[7; 32], &[7; 12], &[], &[7; 20], &mut [0; 3]), None);
        assert_eq!(open(&[7; 32], &[7; 12], &[], &[7; 15], &mut []), None);
    }

    /// The vector of this protocol in the collection that cacophony published: payload and ciphertext, by turns of the
    /// initiator and the responder; the first two are the handshake.
    const CACOPHONY: [[&str; 2]; 6] = [
        [
            "4c756477696720766f6e204d69736573",
            "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c79444e417bc55c7a8166c993356c1be41ef67818a292426f301556c7f26b21d25ddb097153891a9a956cff47b83e63ad8d701c1342c209cff1ca5ecd43402762ac249e3bd3a4c0a145fe07cb5dae28ea13a3",
        ],
        [
            "4d757272617920526f746862617264",
            "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843af2ccf9972e22afc67aeafcd25162f7f98c363b7762e3e4cb7d272e39f27a5",
        ],
        ["462e20412e20486179656b", "66acfc92e3197de166809e6d4d5d003dcc819a84bc3522ca53c9d9"],
        ["4361726c204d656e676572", "71f89aa6533a6de70b0826864dd75f60806ee40170c16290189eb3"],
        ["4a65616e2d426170746973746520536179", "4795a3423550c8bf00386bd496a3e2c76c10669d2a75ab8f79b5094c5412a25705"],
        [
            "457567656e2042f6686d20766f6e2042617765726b",
            "aa0bb39097555c918e40be82abc2b909eb79d9eb87adb07e268fc37323a6cf904fd01fb391",
        ],
    ];

    #[test]
    fn the_published_vector_of_the_protocol_is_made_and_opened() {
        let key = |hex: &str| Hex32::parse(hex).unwrap().0;
        let prologue = bytes("4a6f686e2047616c74");
        let build = |secret: &str, ephemeral: &str, remote: Option<[u8; 32]>| {
            let own = (key(secret), ExchangeKey::of_secret(key(secret)));
            let primitives = Primitives { own, ephemeral: Some(key(ephemeral)) };
            let params = "Noise_IK_25519_AESGCM_SHA256".parse().unwrap();
            let builder = Builder::with_resolver(params, Box::new(primitives)).prologue(&prologue).unwrap();
            let builder = builder.local_private_key(&own.0).unwrap();
            match remote {
                Some(remote) => builder.remote_public_key(&remote).unwrap().build_initiator().unwrap(),
                None => builder.build_responder().unwrap(),
            }
        };
        let remote = key("31e0303fd6418d2f8c0e78b91f22e8caed0fbe48656dcf4767e4834f701b8f62");
        let mut initiator = build(
            "e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1",
            "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a",
            Some(remote),
        );
        let mut responder = build(
            "4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893",
            "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b",
            None,
        );
        let (mut made, mut opened) = ([0; 200], [0; 200]);
        let [first, second, transport @ ..] = CACOPHONY;
        for ([payload, ciphertext], is_first) in [(first, true), (second, false)] {
            let (from, to) = if is_first { (&mut initiator, &mut responder) } else { (&mut responder, &mut initiator) };
            let length = from.write_message(&bytes(payload), &mut made).unwrap();
            assert_eq!(made[..length], bytes(ciphertext));
            let length = to.read_message(&bytes(ciphertext), &mut opened).unwrap();
            assert_eq!(opened[..length], bytes(payload));
        }
        assert_eq!(
            initiator.get_handshake_hash(),
            bytes("669c8640d9e42a3cda2f232f78597ceefb01daa6e3df81181ccce6fc6b5026bf")
        );
        let (mut initiator, mut responder) =
            (initiator.into_transport_mode().unwrap(), responder.into_transport_mode().unwrap());
        for ([payload, ciphertext], is_first) in transport.into_iter().zip([true, false].into_iter().cycle()) {
            let (from, to) = if is_first { (&mut initiator, &mut responder) } else { (&mut responder, &mut initiator) };
            let length = from.write_message(&bytes(payload), &mut made).unwrap();
            assert_eq!(made[..length], bytes(ciphertext));
            let length = to.read_message(&bytes(ciphertext), &mut opened).unwrap();
            assert_eq!(opened[..length], bytes(payload));
        }
    }

    #[test]
    fn randomness_is_given_out_once() {
        let mut given = Given(Some([7; 32]));
        let mut buffer = [0; 32];
        assert!(given.try_fill_bytes(&mut buffer).is_ok() && buffer == [7; 32]);
        assert!(given.try_fill_bytes(&mut buffer).is_err());
    }
}
