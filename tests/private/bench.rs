//! A node that is called alice here, and peers that a test speaks for.

use crate::play::keys::{my_key, node as alice, returned};
use crate::play::{Play, field};
use cjp2p_node::identity::{Identity, PublicKey};
use cjp2p_node::node::{Command, CommandError, Config};
use cjp2p_node::wire::Message;
use serde_json::{Value, json};
use std::net::SocketAddr;

pub const THIRD: &str = "203.0.113.1:24254";
pub const BOB: &str = "198.51.100.3:24254";
pub const WILD: &str = "192.0.2.200:24254";

/// A bench with the node on it that this file calls alice, and peers that a test speaks for.
pub struct Bench {
    pub play: Play,
    /// Our token for each.
    pub tokens: Vec<(String, String)>,
    ephemeral: u8,
}

impl Bench {
    pub fn new() -> Bench {
        Bench::with(Config::default())
    }

    pub fn with(config: Config) -> Bench {
        let config = Config { identity: Some(alice()), version: "cjp2p-node test".to_owned(), ..config };
        Bench { play: Play::with(config), tokens: Vec::new(), ephemeral: 0 }
    }

    /// Makes a peer of an address, which asks for a token of its own.
    pub fn verify(&mut self, at: &str) {
        let token = self.play.token(at);
        let asks = r#"{"PleaseAlwaysReturnThisMessage":{"cookie":"theirs"}}"#;
        self.play.hear(at, &format!("[{},{asks}]", returned(&token)));
        self.play.events();
        self.tokens.push((at.to_owned(), token));
    }

    pub fn token(&self, at: &str) -> &str {
        &self.tokens.iter().find(|(other, _)| other == at).unwrap().1
    }

    pub fn hear(&mut self, at: &str, elements: &str) -> Vec<(SocketAddr, String)> {
        let text = format!("[{},{elements}]", returned(self.token(at)));
        self.play.hear(at, &text)
    }

    /// What alice sends when somebody seals these elements for her.
    pub fn hear_sealed(&mut self, at: &str, by: &Identity, elements: &str) -> Vec<(SocketAddr, String)> {
        self.ephemeral += 1;
        let text = format!("[{},{},{elements}]", returned(self.token(at)), my_key(by));
        let sealed = by.seal(&alice().public(), &text, [self.ephemeral; 32]).unwrap();
        let sealed = serde_json::to_string(&Message::EncryptedMessages(sealed)).unwrap();
        self.hear(at, &sealed)
    }

    pub fn write(&mut self, to: PublicKey, text: &str, number: u64) -> Result<(), CommandError> {
        let command = Command::PrivateChat { to, text: text.to_owned(), number };
        self.play.node.handle_command(self.play.now, command)
    }

    /// Says where somebody is.
    pub fn tell(&mut self, at: &str, key: &str, home: &str) -> Vec<(SocketAddr, String)> {
        let forwarded = json!({"Forwarded": {"src": home, "from_ed25519": null, "might_be_ip_spoofing": false,
            "messages": format!("[{key}]")}});
        self.hear(at, &forwarded.to_string())
    }
}

/// What somebody finds in the envelope of a datagram.
pub fn opened(datagram: &str, by: &Identity) -> Vec<Value> {
    let Some(sealed) = field(datagram, "EncryptedMessages") else { return Vec::new() };
    let envelope = json!([{ "EncryptedMessages": sealed }]).to_string();
    let decoded = cjp2p_node::wire::decode(envelope.as_bytes()).unwrap();
    let [Message::EncryptedMessages(message)] = &decoded.messages[..] else { panic!("{datagram}") };
    serde_json::from_slice(&by.open_sealed(message).unwrap().text).unwrap()
}

pub fn inside<'a>(elements: &'a [Value], name: &str) -> Option<&'a Value> {
    elements.iter().find_map(|element| element.get(name))
}

/// A line with a cookie, as it is sent.
pub fn line(text: &str, cookie: &str) -> String {
    format!(r#"{{"ChatMessage":{{"message":"{text}"}}}},{{"PleaseReturnThisMessage":{{"cookie":"{cookie}"}}}}"#)
}

/// The same in the order in which nodes of the wild write it.
pub fn line_of_the_wild(text: &str, cookie: &str) -> String {
    format!(r#"{{"PleaseReturnThisMessage":{{"cookie":"{cookie}"}}}},{{"ChatMessage":{{"message":"{text}"}}}}"#)
}
