//! Fuzz body: whatever arrives, reading it neither fails nor lies.
//!
//! What is read is written and read again, and must be the same; a message must not depend on its neighbours; what we
//! do not know must be kept byte for byte. This body looks at the wire alone and knows no node.

use cjp2p_node::wire::encode::Writer;
use cjp2p_node::wire::{DATAGRAM_MAX_BYTES, Decoded, MESSAGES_MAX, Message, Refused, decode};
use serde_json::value::RawValue;

/// Reads `bytes` as a datagram and checks what came of it.
pub fn run(bytes: &[u8]) {
    match decode(bytes) {
        Ok(decoded) => check_accepted(bytes, &decoded),
        Err(refused) => check_refused(bytes, refused),
    }
}

/// A refusal is the verdict of an independent reader too, as far as that goes.
fn check_refused(bytes: &[u8], refused: Refused) {
    let is_array = serde_json::from_slice::<Vec<&RawValue>>(bytes).is_ok();
    match refused {
        Refused::TooLong => assert!(bytes.len() > DATAGRAM_MAX_BYTES),
        Refused::NotUtf8 => assert!(std::str::from_utf8(bytes).is_err()),
        Refused::NotAnArray => assert!(!is_array, "an array was refused"),
        Refused::TooDeep => {}
    }
}

fn check_accepted(bytes: &[u8], decoded: &Decoded<'_>) {
    assert!(decoded.messages.len() <= MESSAGES_MAX);
    let elements: Vec<&RawValue> = serde_json::from_slice(bytes).expect("what was accepted is an array");
    assert_eq!(decoded.messages.len() + decoded.malformed, elements.len(), "no element is lost");
    check_neighbours(decoded, &elements);
    for message in &decoded.messages {
        check_again(bytes, message);
    }
}

/// Every element read alone gives the same message as among its neighbours.
fn check_neighbours(decoded: &Decoded<'_>, elements: &[&RawValue]) {
    let mut alone = Vec::new();
    for element in elements {
        let datagram = format!("[{}]", element.get());
        let one = decode(datagram.as_bytes()).expect("an element alone is an array too");
        assert_eq!(one.messages.len() + one.malformed, 1);
        alone.extend(one.messages.iter().map(|message| format!("{message:?}")));
    }
    alone.truncate(MESSAGES_MAX);
    let together: Vec<String> = decoded.messages.iter().map(|message| format!("{message:?}")).collect();
    assert_eq!(together, alone, "a message depends on its neighbours");
}

/// A message written and read again is the same message, and written again the same bytes.
fn check_again(bytes: &[u8], message: &Message<'_>) {
    let once = write(message);
    assert!(once.len() <= bytes.len().max(2), "writing what was read never makes it longer");
    let read = decode(&once).expect("what we write can be read");
    assert_eq!((read.messages.len(), read.malformed), (1, 0));
    assert_eq!(format!("{:?}", read.messages[0]), format!("{message:?}"));
    assert_eq!(write(&read.messages[0]), once);
    if let Message::Unknown(unknown) = message {
        let kept = unknown.payload.get().as_bytes();
        assert!(bytes.windows(kept.len()).any(|window| window == kept), "kept byte for byte");
    }
}

fn write(message: &Message<'_>) -> Vec<u8> {
    let mut writer = Writer::default();
    let is_written = match message {
        Message::Unknown(unknown) => {
            let name = serde_json::to_string(&unknown.name).expect("a string is JSON");
            writer.push_raw(&name[1..name.len() - 1], unknown.payload.get(), DATAGRAM_MAX_BYTES)
        }
        known => writer.push(known, DATAGRAM_MAX_BYTES),
    };
    assert!(is_written);
    writer.take()
}
