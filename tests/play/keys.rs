//! Keys of a few people, and what they can put into envelopes.

use super::Play;
use cjp2p_node::identity::Identity;
use cjp2p_node::node::Config;
use cjp2p_node::wire::Message;

pub fn node() -> Identity {
    Identity::from_seed(&[1; 32])
}

pub fn alice() -> Identity {
    Identity::from_seed(&[2; 32])
}

pub fn thief() -> Identity {
    Identity::from_seed(&[3; 32])
}

pub fn play() -> Play {
    Play::with(Config { identity: Some(node()), version: "cjp2p-node test".to_owned(), ..Config::default() })
}

pub fn element(message: Message<'_>) -> String {
    serde_json::to_string(&message).unwrap()
}

pub fn signed(by: &Identity, elements: &str) -> String {
    element(Message::SignedMessage(by.sign(&format!("[{elements}]")).unwrap()))
}

pub fn sealed(by: &Identity, elements: &str, ephemeral: u8) -> String {
    let text = format!(r#"[{},{elements}]"#, my_key(by));
    element(Message::EncryptedMessages(by.seal(&node().public(), &text, [ephemeral; 32]).unwrap()))
}

pub fn my_key(identity: &Identity) -> String {
    format!(r#"{{"MyPublicKey":{{"ed25519h":"{}"}}}}"#, identity.public())
}

pub fn meant_for(identity: &Identity) -> String {
    format!(r#"{{"MeantFor":{{"ed25519h":"{}"}}}}"#, identity.public())
}

/// What the wild sends: its token, and its key.
pub fn wild(by: &Identity, token: &str) -> String {
    signed(by, &format!("{},{}", returned(token), my_key(by)))
}

/// What we send: the same, and whom it is meant for.
pub fn ours(by: &Identity, token: &str) -> String {
    signed(by, &format!("{},{},{}", returned(token), my_key(by), meant_for(&node())))
}

pub fn returned(token: &str) -> String {
    format!(r#"{{"AlwaysReturned":{{"cookie":"{token}"}}}}"#)
}

/// Each way to prove that somebody lives somewhere, the weakest first.
pub fn proofs(by: &Identity, token: &str, ephemeral: u8) -> [String; 3] {
    [wild(by, token), ours(by, token), sealed(by, &returned(token), ephemeral)]
}
