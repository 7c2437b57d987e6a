//! One signed line: what it has to look like, and what it is called.
//!
//! What is signed is an array of one `GroupChatMessage` and nothing else, so that nobody can be made to pass on what
//! was signed for another purpose, and nothing in it can be taken for a message of whoever passes it on.

use crate::identity::{Identity, PublicKey, Refused, signed};
use crate::wire::messages::{GroupChatMessage, SignedGroupChat, SignedMessage};
use crate::wire::{Hex32, Message, Text, decode};
use sha2::{Digest, Sha256};
use std::fmt;

/// The longest text of a line, in bytes. About a page.
pub const CHAT_MAX_BYTES: usize = 2_000;

/// The longest name of a group, in bytes.
pub const GROUP_MAX_BYTES: usize = 64;

/// The longest element with a line, in bytes, so that it fits a datagram with both tokens and what rides on it. A text
/// of 2,000 bytes fits if it has no more than a few hundred quotes and control characters.
pub const ELEMENT_MAX_BYTES: usize = 5_000;

/// How many hex digits an id has.
const ID_DIGITS: usize = 16;

/// What a line is called: the first 64 bits of the SHA-256 of its author's key and of what was signed. The signature
/// does not count, so that a wrong one makes no other line of it. Who makes two lines with one id, at the cost of 2^32
/// hashes, makes others miss one of the two; for somebody else's it takes 2^64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineId(u64);

impl LineId {
    /// What 16 hex digits stand for.
    pub fn parse(text: &str) -> Option<LineId> {
        let is_hex = text.len() == ID_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hex.then(|| u64::from_str_radix(text, 16).ok().map(LineId)).flatten()
    }

    /// The id of what an envelope claims to hold, right or wrong.
    pub fn of(envelope: &SignedGroupChat<'_>) -> LineId {
        let Hex32(key) = envelope.ed25519;
        let hash = Sha256::new_with_prefix(key).chain_update(envelope.payload_json.as_bytes()).finalize();
        LineId(hash.iter().take(8).fold(0, |id, byte| id << 8 | u64::from(*byte)))
    }
}

impl fmt::Display for LineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A line whose author is proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What it is called.
    pub id: LineId,
    /// Who wrote it.
    pub author: PublicKey,
    /// The group.
    pub group: String,
    /// The text.
    pub text: String,
    /// Milliseconds since 1970 by the author's clock.
    pub unix_ms: u64,
    /// The element that carries it, as JSON.
    pub element: Vec<u8>,
}

impl Line {
    /// Opens an envelope.
    ///
    /// # Errors
    /// [`Refused::NoMessages`] if there is anything else in it than one line of the right length; [`Refused::TooLong`]
    /// if it does not fit a datagram; or whatever is wrong with the signature.
    pub fn open(envelope: &SignedGroupChat<'_>) -> Result<Line, Refused> {
        let (group, text, unix_ms) = content(&envelope.payload_json).ok_or(Refused::NoMessages)?;
        let element = element(envelope)?;
        let author = signed::open(&SignedMessage {
            ed25519: envelope.ed25519,
            signature: envelope.signature.clone(),
            payload_json: Some(envelope.payload_json.clone()),
            payload: None,
        })?
        .signer;
        Ok(Line { id: LineId::of(envelope), author, group, text, unix_ms, element })
    }

    /// Signs a line.
    ///
    /// # Errors
    /// [`Refused::TooLong`] or [`Refused::NoMessages`], if others would refuse it.
    pub fn sign(identity: &Identity, group: &str, text: &str, unix_ms: u64) -> Result<Line, Refused> {
        let chat = GroupChatMessage { group_name: group.into(), text: text.into(), timestamp: unix_ms };
        let array = serde_json::to_string(&[Message::GroupChatMessage(chat)]).map_err(|_| Refused::Malformed)?;
        let signed = identity.sign(&array)?;
        let envelope = SignedGroupChat {
            ed25519: signed.ed25519,
            signature: signed.signature,
            payload_json: Text::from(array.as_str()),
        };
        let (group, text, unix_ms) = content(&array).ok_or(Refused::NoMessages)?;
        let (id, element) = (LineId::of(&envelope), element(&envelope)?);
        Ok(Line { id, author: identity.public(), group, text, unix_ms, element })
    }
}

/// The group, the text and the time in an array, if there is nothing else.
fn content(array: &str) -> Option<(String, String, u64)> {
    let decoded = decode(array.as_bytes()).ok()?;
    let ([Message::GroupChatMessage(chat)], 0) = (&*decoded.messages, decoded.malformed) else { return None };
    let fits = |text: &str, most: usize| (1..=most).contains(&text.len());
    let is_line = fits(&chat.group_name, GROUP_MAX_BYTES) && fits(&chat.text, CHAT_MAX_BYTES);
    is_line.then(|| (chat.group_name.to_string(), chat.text.to_string(), chat.timestamp))
}

fn element(envelope: &SignedGroupChat<'_>) -> Result<Vec<u8>, Refused> {
    let text = serde_json::to_vec(&Message::SignedGroupChat(envelope.clone())).map_err(|_| Refused::Malformed)?;
    if text.len() > ELEMENT_MAX_BYTES { Err(Refused::TooLong) } else { Ok(text) }
}
