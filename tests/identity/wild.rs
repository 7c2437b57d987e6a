//! The envelopes of the wild: all that were recorded are opened, and with the same keys we make the same.

use super::{bytes, identity, open, open_with, recorded, refusal, replays};
use base64_simd::STANDARD;
use cjp2p_node::identity::opening::Kind;
use cjp2p_node::identity::{ExchangeKey, Identity, PublicKey, Refused};
use serde_json::json;

#[test]
fn every_recorded_signature_is_what_it_is_said_to_be() {
    let envelopes = recorded("SignedMessage");
    assert_eq!(envelopes.len(), 18);
    let me = identity(1);
    for envelope in &envelopes {
        let message = json!([envelope["message"]]).to_string();
        let signer = PublicKey::new(&bytes(&envelope["sender"])).unwrap();
        if envelope["valid"] == true {
            let opened = open(&me, &message);
            assert_eq!(opened.refused, [], "{}", envelope["id"]);
            assert_eq!((opened.layers[0].key, opened.layers[0].kind), (signer, Kind::Signed));
        } else {
            assert_eq!(refusal(&me, &message), Refused::BadSignature, "{}", envelope["id"]);
        }
    }
    assert_eq!(envelopes.iter().filter(|envelope| envelope["valid"] == false).count(), 2);
}

#[test]
fn with_the_same_key_we_sign_as_the_wild_does() {
    for envelope in recorded("SignedMessage").iter().filter(|envelope| envelope["valid"] == true) {
        let theirs = &envelope["message"]["SignedMessage"];
        let identity = Identity::from_seed(&bytes(&envelope["sender_seed"]));
        let ours = match theirs["payload_json"].as_str() {
            Some(text) => serde_json::to_value(identity.sign(text).unwrap()),
            None => {
                let text = STANDARD.decode_to_vec(theirs["payload"].as_str().unwrap()).unwrap();
                serde_json::to_value(identity.sign_base64(std::str::from_utf8(&text).unwrap()).unwrap())
            }
        };
        assert_eq!(&ours.unwrap(), theirs, "{}", envelope["id"]);
    }
}

#[test]
fn every_recorded_encrypted_message_is_opened_by_its_recipient_and_nobody_else() {
    let envelopes = recorded("EncryptedMessages");
    assert_eq!(envelopes.len(), 30);
    for envelope in &envelopes {
        let message = json!([envelope["message"]]).to_string();
        let recipient = Identity::from_seed(&bytes(&envelope["receiver_seed"]));
        assert_eq!(recipient.public().hex().0, bytes(&envelope["receiver"]));
        let sender = PublicKey::new(&bytes(&envelope["sender"])).unwrap();
        assert_eq!(sender.exchange(), Ok(ExchangeKey(bytes(&envelope["sender_x25519"]))));
        let opened = open_with(&recipient, &mut replays(), &[identity(1).public(), sender], &message);
        assert_eq!((opened.layers[0].key, opened.layers[0].kind), (sender, Kind::Sealed), "{}", envelope["id"]);
        assert_eq!(opened.layers[0].text, envelope["plaintext"].as_str().unwrap().as_bytes(), "{}", envelope["id"]);
        assert_eq!(opened.refused, [], "{}", envelope["id"]);
        assert_eq!(refusal(&identity(1), &message), Refused::Undecipherable);
    }
}

#[test]
fn with_the_same_keys_we_encrypt_as_the_wild_does() {
    let envelopes = recorded("EncryptedMessages");
    let reproducible: Vec<_> = envelopes.iter().filter(|envelope| envelope.get("ephemeral").is_some()).collect();
    assert_eq!(reproducible.len(), 2);
    for envelope in reproducible {
        let sender = Identity::from_seed(&bytes(&envelope["sender_seed"]));
        let to = PublicKey::new(&bytes(&envelope["receiver"])).unwrap();
        let made = sender.seal(&to, envelope["plaintext"].as_str().unwrap(), bytes(&envelope["ephemeral"])).unwrap();
        assert_eq!(serde_json::to_value(made).unwrap(), envelope["message"]["EncryptedMessages"]);
    }
}

#[test]
fn every_recorded_fast_message_is_opened_by_its_recipient_and_nobody_else() {
    let envelopes = recorded("FastEncryptedMessages");
    assert_eq!(envelopes.len(), 2);
    for envelope in &envelopes {
        let message = json!([envelope["message"]]).to_string();
        let recipient = Identity::from_seed(&bytes(&envelope["receiver_seed"]));
        let opened = open(&recipient, &message);
        assert_eq!(opened.layers[0].key.hex().0, bytes(&envelope["sender"]));
        assert_eq!(opened.layers[0].text, envelope["plaintext"].as_str().unwrap().as_bytes());
        assert_eq!(refusal(&identity(1), &message), Refused::Undecipherable);
        // The sender has the same key for it; its own words do not come back to it as somebody's.
        let sender = Identity::from_seed(&bytes(&envelope["sender_seed"]));
        assert_eq!(refusal(&sender, &message), Refused::OwnKey);
    }
}
