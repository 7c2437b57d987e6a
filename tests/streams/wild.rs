//! Blocks that another implementation signed: we follow its stream, and pass on what it wrote.

use crate::seconds;
use crate::village::{Village, address};
use cjp2p_node::stream::StreamId;
use cjp2p_node::stream::block::Block;
use cjp2p_node::stream::follow::{From, State};
use cjp2p_node::wire::{Message, decode};
use serde_json::Value;

/// The blocks of streams among the recorded envelopes: stream, bytes, and the element exactly as it was on the wire.
fn recorded() -> Vec<(StreamId, Vec<u8>, String)> {
    let text = include_str!("../data/envelopes.jsonl");
    let of_line = |line: &str| {
        let known: Value = serde_json::from_str(line).unwrap();
        if !known["what"].as_str().unwrap().contains("stream Content block") {
            return None;
        }
        let rest = line.split_once(r#""message":"#).unwrap().1;
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
        let element = values.next().unwrap().unwrap();
        let signed = element["SignedMessage"]["payload_json"].as_str().unwrap();
        let signed: Value = serde_json::from_str(signed).unwrap();
        let content = &signed[0]["Content"];
        let bytes = base64_simd::STANDARD.decode_to_vec(content["base64"].as_str().unwrap()).unwrap();
        let id = StreamId::from_user(content["id"].as_str().unwrap()).unwrap();
        Some((id, bytes, rest[..values.byte_offset()].to_owned()))
    };
    text.lines().filter_map(of_line).collect()
}

#[test]
fn blocks_that_the_reference_node_signed_are_read_and_passed_on_byte_for_byte() {
    let recorded = recorded();
    assert_eq!(recorded.len(), 2);
    for ((id, bytes, element), letter) in recorded.into_iter().zip(["a", "b"]) {
        assert_eq!(bytes, format!("line one {letter}\nline two\n").as_bytes());
        let datagram = format!("[{element}]");
        let decoded = decode(datagram.as_bytes()).unwrap();
        let [Message::SignedMessage(signed)] = &decoded.messages[..] else { panic!("{datagram}") };
        let block = Block::claim(&id, signed).unwrap().check(signed).unwrap();
        assert_eq!(serde_json::to_string(&block.message(&id, 0)).unwrap(), element);

        let mut village = Village::new(3, |node| (0..node).collect());
        village.follow(1, id.clone(), From::Start);
        // One changed byte of what was signed, first.
        let forged = datagram.replace("bGluZSBvbmUg", "bGluZSBvbmVg");
        assert_ne!(forged, datagram);
        village.inject(address(0), 1, forged.as_bytes());
        let now = village.now;
        assert!(village.at(1).read_stream(now, &id, 0, 4_096).unwrap().bytes.is_empty());
        village.inject(address(0), 1, datagram.as_bytes());
        let chunk = village.at(1).read_stream(now, &id, 0, 4_096).unwrap();
        assert_eq!((chunk.offset, chunk.bytes, chunk.state), (0, bytes.clone(), State::Following));
        let counters = *village.at(1).counters();
        assert_eq!((counters.stream_blocks_forged, counters.stream_blocks_conflicting), (1, 0));

        // Whoever finds it with the follower checks the same signature of the same text.
        village.follow(2, id.clone(), From::Start);
        village.run(seconds(2));
        let now = village.now;
        assert_eq!(village.at(2).read_stream(now, &id, 0, 4_096).unwrap().bytes, bytes);
    }
}
