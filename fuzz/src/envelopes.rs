//! Fuzz body: whatever becomes of an envelope on its way, what comes out is what was put into it, or nothing.
//!
//! The first byte chooses: the rest is a datagram as it is, or what somebody puts into an envelope of one of the three
//! kinds. The envelopes are made here, so that the fuzzer need not guess a signature; the three bytes after the first
//! damage one byte of the finished datagram, or none.

use base64_simd::STANDARD;
use cjp2p_node::identity::opening::{ENVELOPES_MAX, Kind, NESTING_MAX, Opened, Opener};
use cjp2p_node::identity::replays::Replays;
use cjp2p_node::identity::{Identity, Refused, TEXT_MAX_BYTES};
use cjp2p_node::wire::messages::FastEncryptedMessages;
use cjp2p_node::wire::{Message, decode};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::sync::LazyLock;

/// The node's key, and that of whoever writes to it.
static KEYS: LazyLock<(Identity, Identity)> =
    LazyLock::new(|| (Identity::from_seed(&[1; 32]), Identity::from_seed(&[2; 32])));

/// Opens an envelope, or what the input says is one.
pub fn run(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let (kind, is_old) = match kind % 5 {
        0 => {
            open(&mut replays(), rest);
            return;
        }
        1 => (Kind::Signed, false),
        2 => (Kind::Signed, true),
        3 => (Kind::Sealed, false),
        _ => (Kind::Fast, false),
    };
    let Some((damage, inside)) = rest.split_first_chunk::<3>() else { return };
    let Ok(text) = std::str::from_utf8(inside) else { return };
    if text.len() <= TEXT_MAX_BYTES {
        check(kind, is_old, text, *damage);
    }
}

/// Encloses a text, damages the envelope, and looks at what comes out.
fn check(kind: Kind, is_old: bool, text: &str, [high, low, change]: [u8; 3]) {
    let mut datagram = serde_json::to_vec(&[enclose(kind, is_old, text)]).unwrap();
    let place = usize::from(u16::from_be_bytes([high, low])) % datagram.len();
    datagram[place] ^= change;
    let mut replays = replays();
    let opened = open(&mut replays, &datagram);
    if change == 0 {
        let is_array = decode(text.as_bytes()).is_ok();
        assert_eq!(!opened.layers.is_empty(), is_array, "{:?}", opened.refused);
        assert!(is_array || opened.refused == [(kind, Refused::NoMessages)]);
    }
    if let Some(first) = opened.layers.first() {
        assert_eq!((first.kind, first.key, first.outer), (kind, KEYS.1.public(), None));
        assert_eq!(first.text, text.as_bytes(), "what comes out is what was put in");
        let again = open(&mut replays, &datagram);
        assert_eq!(again.layers.is_empty(), kind != Kind::Signed, "what is encrypted is opened once");
    }
}

fn replays() -> Replays {
    Replays::new(&mut StdRng::seed_from_u64(7))
}

/// Opens the envelopes in a datagram; what holds for all is checked here.
fn open(replays: &mut Replays, datagram: &[u8]) -> Opened {
    let Ok(decoded) = decode(datagram) else { return Opened::default() };
    let (us, them) = &*KEYS;
    let known = |key| (them.exchange() == key).then(|| them.public());
    let opened = Opener { identity: us, replays, known: &known, may_open: &mut |_| true }.open(&decoded.messages);
    assert!(opened.layers.len() + opened.refused.len() <= ENVELOPES_MAX + 1);
    for (place, layer) in opened.layers.iter().enumerate() {
        assert!(decode(&layer.text).is_ok() && layer.text.len() <= TEXT_MAX_BYTES);
        assert_ne!(layer.key, us.public(), "our own words are nobody's");
        let mut depth = 1;
        let mut outer = layer.outer;
        while let Some(next) = outer {
            assert!(next < place, "an envelope is behind the one that it was in");
            outer = opened.layers[next].outer;
            depth += 1;
        }
        assert!(depth <= NESTING_MAX);
    }
    opened
}

fn enclose(kind: Kind, is_old: bool, text: &str) -> Message<'_> {
    let (us, them) = &*KEYS;
    match kind {
        Kind::Signed if is_old => Message::SignedMessage(them.sign_base64(text).unwrap()),
        Kind::Signed => Message::SignedMessage(them.sign(text).unwrap()),
        Kind::Sealed => Message::EncryptedMessages(them.seal(&us.public(), text, [7; 32]).unwrap()),
        Kind::Fast => Message::FastEncryptedMessages(fast(text)),
    }
}

/// What the node itself never makes: the key of the two, SHA-256 of the secret that they share.
fn fast(text: &str) -> FastEncryptedMessages<'static> {
    use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit};
    use curve25519_dalek::montgomery::MontgomeryPoint;
    use sha2::{Digest, Sha256, Sha512};
    let (us, them) = &*KEYS;
    let secret: [u8; 32] = *Sha512::digest([2; 32]).first_chunk().unwrap();
    let shared = MontgomeryPoint(us.exchange().0).mul_clamped(secret);
    let key: [u8; 32] = Sha256::digest(shared.0).into();
    let mut ciphertext = text.as_bytes().to_vec();
    let body = ciphertext.as_mut_slice().into();
    let tag = Aes256Gcm::new(&key.into()).encrypt_inout_detached(&[7; 12].into(), &[], body).unwrap();
    ciphertext.extend_from_slice(&tag);
    FastEncryptedMessages {
        nonce: STANDARD.encode_to_string([7; 12]).into(),
        sender: them.public().hex(),
        ciphertext: STANDARD.encode_to_string(&ciphertext).into(),
    }
}
