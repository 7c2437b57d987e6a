//! Envelopes: those of the wild are opened, those that lie are not, and what we make is what others make.
//!
//! Where the recorded ones come from is written in `tests/data/README.md`. That others can open ours is shown by
//! `tests/independent.rs`, and what a node makes of them by `tests/envelopes.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod wild;

use base64_simd::STANDARD;
use cjp2p_node::identity::opening::{ENVELOPES_MAX, Kind, NESTING_MAX, Opened, Opener};
use cjp2p_node::identity::replays::Replays;
use cjp2p_node::identity::{ExchangeKey, Identity, PublicKey, Refused, TEXT_MAX_BYTES, signed};
use cjp2p_node::wire::messages::{EncryptedMessages, FastEncryptedMessages, SignedMessage};
use cjp2p_node::wire::{Hex32, Message, decode};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

const HELLO: &str = r#"[{"ChatMessage":{"message":"hello"}}]"#;

/// The recorded envelopes of one kind.
fn recorded(kind: &str) -> Vec<Value> {
    let text = include_str!("../data/envelopes.jsonl");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    lines.into_iter().filter(|line| line["message"].get(kind).is_some()).collect()
}

fn bytes(hex: &Value) -> [u8; 32] {
    Hex32::parse(hex.as_str().unwrap()).unwrap().0
}

fn identity(seed: u8) -> Identity {
    Identity::from_seed(&[seed; 32])
}

fn replays() -> Replays {
    Replays::new(&mut StdRng::seed_from_u64(7))
}

/// What a node with this key makes of a datagram, when it knows these keys.
fn open_with(identity: &Identity, replays: &mut Replays, known: &[PublicKey], datagram: &str) -> Opened {
    let known = |wanted| known.iter().copied().find(|key| key.exchange() == Ok(wanted));
    let decoded = decode(datagram.as_bytes()).unwrap();
    assert_eq!(decoded.malformed, 0, "{datagram}");
    Opener { identity, replays, known: &known, may_open: &mut |_| true }.open(&decoded.messages)
}

fn open(identity: &Identity, datagram: &str) -> Opened {
    open_with(identity, &mut replays(), &[], datagram)
}

/// The reason why the only envelope in a datagram stays closed.
fn refusal(identity: &Identity, datagram: &str) -> Refused {
    let opened = open(identity, datagram);
    assert_eq!((opened.layers.len(), opened.refused.len()), (0, 1), "{opened:?}");
    opened.refused[0].1
}

fn datagram(message: Message<'_>) -> String {
    serde_json::to_string(&[message]).unwrap()
}

fn sign(identity: &Identity, text: &str) -> String {
    datagram(Message::SignedMessage(identity.sign(text).unwrap()))
}

fn seal(from: &Identity, to: &Identity, text: &str, ephemeral: u8) -> String {
    datagram(Message::EncryptedMessages(from.seal(&to.public(), text, [ephemeral; 32]).unwrap()))
}

/// A datagram in which the sender says whose the envelope is.
fn seal_named(from: &Identity, to: &Identity, ephemeral: u8) -> String {
    let text = format!(r#"[{{"MyPublicKey":{{"ed25519h":"{}"}}}}]"#, from.public());
    seal(from, to, &text, ephemeral)
}

#[test]
fn whoever_says_its_key_inside_or_beside_the_envelope_is_known_and_nobody_else() {
    let (me, you, other) = (identity(1), identity(2), identity(3));
    let nameless = seal(&you, &me, HELLO, 9);
    assert_eq!(refusal(&me, &nameless), Refused::UnknownSender);
    assert_eq!(open(&me, &seal_named(&you, &me, 9)).layers[0].key, you.public());
    let claim = |whose: &Identity| format!(r#"[{{"MyPublicKey":{{"ed25519h":"{}"}}}},"#, whose.public());
    let beside = |whose: &Identity| claim(whose) + &nameless[1..];
    assert_eq!(open(&me, &beside(&you)).layers[0].key, you.public());
    assert_eq!(refusal(&me, &beside(&other)), Refused::UnknownSender);
    // Somebody else's key inside does not make it somebody else's.
    let liar = format!(r#"[{{"MyPublicKey":{{"ed25519h":"{}"}}}}]"#, other.public());
    assert_eq!(refusal(&me, &seal(&you, &me, &liar, 9)), Refused::UnknownSender);
}

#[test]
fn of_the_two_keys_with_one_x25519_form_the_senders_own_word_counts_before_that_of_others() {
    let (me, you) = (identity(1), identity(2));
    // The other point with the same y: it has the same X25519 form, and nobody can sign for it.
    let mut twin = *you.public().bytes();
    twin[31] ^= 0x80;
    let twin = PublicKey::new(&twin).unwrap();
    assert_eq!(twin.exchange(), you.public().exchange());
    let claim = format!(r#"[{{"MyPublicKey":{{"ed25519h":"{twin}"}}}},"#);
    let opened = open(&me, &(claim + &seal_named(&you, &me, 9)[1..]));
    assert_eq!(opened.layers[0].key, you.public());
}

#[test]
fn a_lookup_that_answers_with_the_wrong_key_is_not_believed() {
    let (me, you, other) = (identity(1), identity(2), identity(3).public());
    let sealed = seal(&you, &me, HELLO, 9);
    let decoded = decode(sealed.as_bytes()).unwrap();
    let known = |_: ExchangeKey| Some(other);
    let mut replays = replays();
    let mut opener = Opener { identity: &me, replays: &mut replays, known: &known, may_open: &mut |_| true };
    assert_eq!(opener.open(&decoded.messages).refused, [(Kind::Sealed, Refused::UnknownSender)]);
}

#[test]
fn our_own_envelopes_are_not_opened_when_they_come_back() {
    let me = identity(1);
    assert_eq!(refusal(&me, &sign(&me, HELLO)), Refused::OwnKey);
    assert_eq!(refusal(&me, &seal_named(&me, &me, 9)), Refused::OwnKey);
    // Nor if somebody names the other key with our X25519 form.
    let fast = recorded("FastEncryptedMessages").remove(0);
    let sender = Identity::from_seed(&bytes(&fast["sender_seed"]));
    let mut twin = sender.public().hex();
    twin.0[31] ^= 0x80;
    let mut message = fast["message"].clone();
    message["FastEncryptedMessages"]["sender"] = json!(twin);
    assert_eq!(refusal(&sender, &json!([message]).to_string()), Refused::OwnKey);
}

#[test]
fn an_encrypted_envelope_is_opened_once_and_a_signed_one_as_often_as_it_comes() {
    let fast = recorded("FastEncryptedMessages").remove(0);
    let recipient = Identity::from_seed(&bytes(&fast["receiver_seed"]));
    let you = identity(2);
    let mut replays = replays();
    let (signed, sealed) = (sign(&you, HELLO), seal_named(&you, &recipient, 9));
    let fast = json!([fast["message"]]).to_string();
    let mut kinds = |datagram: &str| {
        let opened = open_with(&recipient, &mut replays, &[], datagram);
        (opened.layers.len(), opened.refused.first().map(|refused| refused.1))
    };
    for datagram in [&sealed, &fast] {
        assert_eq!(kinds(datagram), (1, None));
        assert_eq!(kinds(datagram), (0, Some(Refused::Repeated)));
    }
    assert_eq!([kinds(&signed), kinds(&signed)], [(1, None); 2]);
    // Another envelope of the same sender is another one.
    assert_eq!(kinds(&seal_named(&you, &recipient, 10)), (1, None));
}

#[test]
fn a_nonce_that_was_used_before_is_refused_whatever_it_is_used_for() {
    let fast = recorded("FastEncryptedMessages").remove(0);
    let recipient = Identity::from_seed(&bytes(&fast["receiver_seed"]));
    let message: FastEncryptedMessages<'_> = FastEncryptedMessages {
        nonce: fast["message"]["FastEncryptedMessages"]["nonce"].as_str().unwrap().into(),
        sender: Hex32(bytes(&fast["sender"])),
        ciphertext: fast["message"]["FastEncryptedMessages"]["ciphertext"].as_str().unwrap().into(),
    };
    let opened = recipient.open_fast(&message).unwrap();
    let mut replays = replays();
    assert!(replays.is_new(opened.sender.bytes(), &opened.nonce));
    let again = open_with(&recipient, &mut replays, &[], &datagram(Message::FastEncryptedMessages(message)));
    assert_eq!(again.refused, [(Kind::Fast, Refused::Repeated)]);
}

/// An envelope with one text of it replaced.
fn forged(kind: &str, line: &Value, field: &str, text: impl Into<Value>) -> String {
    let mut message = line["message"].clone();
    message[kind][field] = text.into();
    json!([message]).to_string()
}

#[test]
fn a_change_anywhere_in_what_is_encrypted_keeps_it_closed() {
    for (kind, field) in [("EncryptedMessages", "base64"), ("FastEncryptedMessages", "ciphertext")] {
        let line = recorded(kind).remove(0);
        let recipient = Identity::from_seed(&bytes(&line["receiver_seed"]));
        let good = STANDARD.decode_to_vec(line["message"][kind][field].as_str().unwrap()).unwrap();
        for at in 0..good.len() {
            // The topmost bit of an X25519 key is not part of it (RFC 7748, section 5), but of what is signed for.
            for bit in [0x01, 0x80] {
                let mut bad = good.clone();
                bad[at] ^= bit;
                let why = refusal(&recipient, &forged(kind, &line, field, STANDARD.encode_to_string(&bad)));
                assert_eq!(why, Refused::Undecipherable, "{kind}: byte {at}");
            }
        }
        for length in 0..good.len() {
            let short = STANDARD.encode_to_string(&good[..length]);
            let why = refusal(&recipient, &forged(kind, &line, field, short));
            assert!(matches!(why, Refused::Malformed | Refused::Undecipherable), "{kind}: {length} bytes: {why:?}");
        }
    }
}

#[test]
fn a_change_anywhere_in_what_is_signed_or_in_the_signature_is_noticed() {
    let you = identity(2);
    let SignedMessage { signature, .. } = you.sign(HELLO).unwrap();
    let line = json!({"message": {"SignedMessage": you.sign(HELLO).unwrap()}});
    let good = STANDARD.decode_to_vec(signature.as_bytes()).unwrap();
    let me = identity(1);
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        let changed = forged("SignedMessage", &line, "signature", STANDARD.encode_to_string(&bad));
        assert_eq!(refusal(&me, &changed), Refused::BadSignature, "byte {at}");
    }
    let text = forged("SignedMessage", &line, "payload_json", HELLO.replace("hello", "Hello"));
    assert_eq!(refusal(&me, &text), Refused::BadSignature);
    let other = forged("SignedMessage", &line, "ed25519", identity(3).public().to_string());
    assert_eq!(refusal(&me, &other), Refused::BadSignature);
}

#[test]
fn a_second_signature_that_is_made_out_of_the_first_is_refused() {
    let you = identity(2);
    let message = you.sign(HELLO).unwrap();
    let mut signature = STANDARD.decode_to_vec(message.signature.as_bytes()).unwrap();
    // S + L holds in the same equation, if nobody looks whether S < L (RFC 8032, section 5.1.7).
    let order = *b"\xed\xd3\xf5\x5c\x1a\x63\x12\x58\xd6\x9c\xf7\xa2\xde\xf9\xde\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x10";
    let mut carry = 0;
    for (byte, add) in signature[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    assert_eq!(carry, 0);
    let line = json!({"message": {"SignedMessage": message}});
    let forged = forged("SignedMessage", &line, "signature", STANDARD.encode_to_string(&signature));
    assert_eq!(refusal(&identity(1), &forged), Refused::BadSignature);
}

#[test]
fn a_key_whose_signatures_hold_for_everything_is_no_key() {
    // A is the neutral element, so that R = S * B is a signature of anything; with S = 0, R is the neutral element too.
    let neutral =
        Hex32([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let mut signature = [0; 64];
    signature[0] = 1;
    let message = SignedMessage {
        ed25519: neutral,
        signature: STANDARD.encode_to_string(signature).into(),
        payload_json: Some(HELLO.into()),
        payload: None,
    };
    assert_eq!(signed::open(&message), Err(Refused::BadKey));
    let fast = FastEncryptedMessages {
        nonce: STANDARD.encode_to_string([7; 12]).into(),
        sender: neutral,
        ciphertext: STANDARD.encode_to_string([7; 40]).into(),
    };
    assert_eq!(refusal(&identity(1), &datagram(Message::FastEncryptedMessages(fast))), Refused::BadKey);
}

#[test]
fn an_ephemeral_key_of_small_order_shares_no_secret_with_us() {
    let mut bytes = [7; 120];
    bytes[..32].fill(0);
    for first in [0, 1] {
        bytes[0] = first;
        let message = EncryptedMessages {
            base64: STANDARD.encode_to_string(bytes).into(),
            noise_params: "Noise_IK_25519_AESGCM_SHA256".into(),
        };
        assert_eq!(refusal(&identity(1), &datagram(Message::EncryptedMessages(message))), Refused::BadKey);
    }
}

#[test]
fn parts_that_are_missing_or_doubled_or_no_base64_are_malformed() {
    let me = identity(1);
    let you = identity(2);
    let signed = serde_json::to_value(you.sign(HELLO).unwrap()).unwrap();
    let old = serde_json::to_value(you.sign_base64(HELLO).unwrap()).unwrap();
    let mut neither = signed.clone();
    neither.as_object_mut().unwrap().remove("payload_json");
    let mut both = signed.clone();
    both["payload"] = old["payload"].clone();
    let mut short = signed.clone();
    short["signature"] = json!(STANDARD.encode_to_string([7; 63]));
    let mut no_base64 = old.clone();
    no_base64["payload"] = json!("*");
    for wrong in [neither, both, short, no_base64] {
        assert_eq!(refusal(&me, &json!([{"SignedMessage": wrong}]).to_string()), Refused::Malformed, "{wrong}");
    }
    let sealed = json!({"EncryptedMessages": {"base64": "AAAA", "noise_params": "Noise_IK_25519_AESGCM_SHA256"}});
    assert_eq!(refusal(&me, &json!([sealed]).to_string()), Refused::Malformed);
    let other = json!({"EncryptedMessages": {"base64": "AAAA", "noise_params": "Noise_XX_25519_AESGCM_SHA256"}});
    assert_eq!(refusal(&me, &json!([other]).to_string()), Refused::OtherProtocol);
}

#[test]
fn what_is_no_array_of_messages_is_refused_whoever_proves_it() {
    let (me, you) = (identity(1), identity(2));
    for text in ["", "{}", "hello", "[", &"[".repeat(100)] {
        assert_eq!(refusal(&me, &sign(&you, text)), Refused::NoMessages, "{text}");
    }
}

#[test]
fn envelopes_in_envelopes_are_opened_as_deep_as_is_allowed_and_no_deeper() {
    let (me, you, other) = (identity(1), identity(2), identity(3));
    let signed = sign(&other, HELLO);
    let both = format!(r#"[{{"MyPublicKey":{{"ed25519h":"{}"}}}},{}"#, you.public(), &signed[1..]);
    let opened = open(&me, &seal(&you, &me, &both, 9));
    let seen: Vec<_> = opened.layers.iter().map(|layer| (layer.kind, layer.key, layer.outer)).collect();
    assert_eq!(seen, [(Kind::Sealed, you.public(), None), (Kind::Signed, other.public(), Some(0))]);
    assert_eq!(opened.layers[1].text, HELLO.as_bytes());
    let mut text = HELLO.to_owned();
    for depth in 1..=NESTING_MAX + 1 {
        text = sign(&you, &text);
        let opened = open(&me, &text);
        assert_eq!(opened.layers.len(), depth.min(NESTING_MAX));
        let too_deep = (depth > NESTING_MAX).then_some((Kind::Signed, Refused::TooDeep));
        assert_eq!(opened.refused, Vec::from_iter(too_deep));
    }
}

#[test]
fn of_many_envelopes_in_a_datagram_the_first_are_opened() {
    let (me, you) = (identity(1), identity(2));
    let one = sign(&you, HELLO);
    let many = format!("[{}]", [&one[1..one.len() - 1]; 3 * ENVELOPES_MAX].join(","));
    let opened = open(&me, &many);
    assert_eq!((opened.layers.len(), opened.refused), (ENVELOPES_MAX, vec![(Kind::Signed, Refused::TooMany)]));
    // They count together, whatever they are in.
    let opened = open(&me, &sign(&you, &many));
    assert_eq!((opened.layers.len(), opened.refused), (ENVELOPES_MAX, vec![(Kind::Signed, Refused::TooMany)]));
}

#[test]
fn nothing_is_opened_that_the_caller_does_not_want_to_pay_for() {
    let (me, you) = (identity(1), identity(2));
    let text = sign(&you, &sign(&you, HELLO));
    let decoded = decode(text.as_bytes()).unwrap();
    let mut left = 1;
    let mut may_open = |kind| {
        assert_eq!(kind, Kind::Signed);
        left -= 1;
        left >= 0
    };
    let mut replays = replays();
    let mut opener = Opener { identity: &me, replays: &mut replays, known: &|_| None, may_open: &mut may_open };
    let opened = opener.open(&decoded.messages);
    assert_eq!((opened.layers.len(), opened.refused), (1, vec![(Kind::Signed, Refused::TooCostly)]));
}

#[test]
fn what_is_longer_than_the_limit_is_neither_made_nor_opened() {
    let (me, you) = (identity(1), identity(2));
    let text = |length: usize| format!("[{}]", " ".repeat(length - 2));
    assert_eq!(open(&me, &sign(&you, &text(TEXT_MAX_BYTES))).layers.len(), 1);
    let long = text(TEXT_MAX_BYTES + 1);
    assert_eq!(you.sign(&long).unwrap_err(), Refused::TooLong);
    assert_eq!(you.sign_base64(&long).unwrap_err(), Refused::TooLong);
    assert_eq!(you.seal(&me.public(), &long, [9; 32]).unwrap_err(), Refused::TooLong);
    let line = json!({"message": {"SignedMessage": you.sign(HELLO).unwrap()}});
    assert_eq!(refusal(&me, &forged("SignedMessage", &line, "payload_json", &*long)), Refused::TooLong);
    let mut sealed = you.seal(&me.public(), HELLO, [9; 32]).unwrap();
    sealed.base64 = STANDARD.encode_to_string(vec![7; TEXT_MAX_BYTES + 97]).into();
    assert_eq!(me.open_sealed(&sealed), Err(Refused::TooLong));
    let fast = FastEncryptedMessages {
        nonce: STANDARD.encode_to_string([7; 12]).into(),
        sender: you.public().hex(),
        ciphertext: STANDARD.encode_to_string(vec![7; TEXT_MAX_BYTES + 17]).into(),
    };
    assert_eq!(me.open_fast(&fast), Err(Refused::TooLong));
    // The longest that can be sealed can be opened.
    let sealed = you.seal(&me.public(), &text(TEXT_MAX_BYTES), [9; 32]).unwrap();
    assert_eq!(me.open_sealed(&sealed).unwrap().text.len(), TEXT_MAX_BYTES);
}

#[test]
fn an_identity_never_shows_its_secret_half() {
    let shown = format!("{:?}", identity(7));
    assert_eq!(shown, format!("Identity({})", identity(7).public()));
}
