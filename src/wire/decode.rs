//! Reading a datagram: tolerant of every single element, firm about the whole.
//!
//! Well-formed datagrams are read in one pass. If that stumbles over an element that is no message, the datagram is
//! read again element by element, so that one bad neighbour costs time but never a message.

use super::{DATAGRAM_MAX_BYTES, DEPTH_MAX, MESSAGES_MAX, Message};
use memchr::memchr2_iter;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// The messages of one datagram.
#[derive(Debug, Default)]
pub struct Decoded<'a> {
    /// Known and unknown messages, in order.
    pub messages: Vec<Message<'a>>,
    /// Elements that were stepped over: no object, no key, several keys, a field of the wrong type, or too many.
    pub malformed: usize,
}

/// Why a whole datagram was dropped. The receiver's state is unchanged and nobody gets an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refused {
    /// Longer than any UDP datagram; dropped unread.
    TooLong,
    /// Not UTF-8; dropped.
    NotUtf8,
    /// Brackets nest deeper than [`DEPTH_MAX`]; dropped unread.
    TooDeep,
    /// Not one JSON array; dropped.
    NotAnArray,
}

/// Reads a datagram.
///
/// # Errors
/// [`Refused`] if it is not an array of JSON values at all. A bad element is no error, see [`Decoded::malformed`].
pub fn decode(bytes: &[u8]) -> Result<Decoded<'_>, Refused> {
    if bytes.len() > DATAGRAM_MAX_BYTES {
        return Err(Refused::TooLong);
    }
    if let Some(block) = super::block::read(bytes) {
        return Ok(Decoded { messages: vec![block], malformed: 0 });
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Refused::NotUtf8)?;
    if is_too_deep(bytes) {
        return Err(Refused::TooDeep);
    }
    match serde_json::from_str::<Elements<'_>>(text) {
        Ok(Elements(decoded)) => Ok(decoded),
        Err(_) => decode_one_by_one(text),
    }
}

/// The slow road: every element is first taken as any JSON value; those that are objects are then looked at alone.
fn decode_one_by_one(text: &str) -> Result<Decoded<'_>, Refused> {
    let values: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| Refused::NotAnArray)?;
    let mut decoded = Decoded::default();
    for value in values {
        // A parser that fails on every single byte costs a hundred times what looking at the first one does.
        let is_worth_reading = decoded.messages.len() < MESSAGES_MAX && value.get().starts_with('{');
        match is_worth_reading.then(|| serde_json::from_str::<Element<'_>>(value.get())) {
            Some(Ok(element)) => decoded.take(element),
            Some(Err(_)) | None => decoded.malformed += 1,
        }
    }
    Ok(decoded)
}

impl<'a> Decoded<'a> {
    fn take(&mut self, Element(message): Element<'a>) {
        match message {
            Some(message) if self.messages.len() < MESSAGES_MAX => self.messages.push(message),
            _ => self.malformed += 1,
        }
    }
}

/// True if brackets outside of strings nest deeper than [`DEPTH_MAX`].
///
/// A datagram with no more brackets than that cannot, and looking for them is the only cost ordinary traffic pays: in
/// the base64 of a large block there are none.
fn is_too_deep(bytes: &[u8]) -> bool {
    memchr2_iter(b'[', b'{', bytes).nth(DEPTH_MAX).is_some() && depth(bytes) > DEPTH_MAX
}

/// The greatest depth of brackets outside of strings.
fn depth(bytes: &[u8]) -> usize {
    let (mut now, mut greatest) = (0_usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in bytes {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b'[' | b'{') => now += 1,
            (false, b']' | b'}') => now = now.saturating_sub(1),
            _ => {}
        }
        greatest = greatest.max(now);
    }
    greatest
}

struct Elements<'a>(Decoded<'a>);

impl<'de> Deserialize<'de> for Elements<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ElementsVisitor)
    }
}

struct ElementsVisitor;

impl<'de> Visitor<'de> for ElementsVisitor {
    type Value = Elements<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of one-key objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut decoded = Decoded::default();
        while decoded.messages.len() < MESSAGES_MAX {
            let Some(element) = seq.next_element()? else { return Ok(Elements(decoded)) };
            decoded.take(element);
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {
            decoded.malformed += 1;
        }
        Ok(Elements(decoded))
    }
}

/// One element; `None` if it is an object, but not one with one key.
struct Element<'a>(Option<Message<'a>>);

impl<'de> Deserialize<'de> for Element<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ElementVisitor)
    }
}

struct ElementVisitor;

impl<'de> Visitor<'de> for ElementVisitor {
    type Value = Element<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with one key")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Some(super::Text(name)) = map.next_key::<super::Text<'de>>()? else { return Ok(Element(None)) };
        let message = Message::read(name, &mut map)?;
        let mut is_alone = true;
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            is_alone = false;
        }
        Ok(Element(is_alone.then_some(message)))
    }
}
