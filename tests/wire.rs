//! Reading and writing datagrams: tolerant of elements, firm about the whole.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use cjp2p_node::wire::encode::Writer;
use cjp2p_node::wire::{
    DATAGRAM_MAX_BYTES, DEPTH_MAX, LIST_MAX_ENTRIES, MESSAGES_MAX, Message, Refused, decode, messages,
};

fn names(text: &str) -> Vec<String> {
    decode(text.as_bytes()).unwrap().messages.iter().map(|message| message.name().to_owned()).collect()
}

#[test]
fn what_is_no_array_is_refused_whole() {
    for text in
        ["", " ", "null", "{}", r#"{"PleaseSendPeers":{}}"#, "[", "[}", r#"[{"a":}]"#, "[1]x", "[]]", "nonsense"]
    {
        assert_eq!(decode(text.as_bytes()).unwrap_err(), Refused::NotAnArray, "{text}");
    }
    assert_eq!(decode(b"[\"\xff\"]").unwrap_err(), Refused::NotUtf8);
    assert_eq!(decode(&vec![b' '; DATAGRAM_MAX_BYTES + 1]).unwrap_err(), Refused::TooLong);
}

#[test]
fn every_kind_of_bad_element_leaves_its_neighbours_alone() {
    for bad in [
        "17",
        "-1e999",
        "null",
        "true",
        r#""x""#,
        "[]",
        "[[{}]]",
        "{}",
        r#"{"PleaseSendPeers":{},"PleaseListContent":{}}"#,
        r#"{"PleaseSendPeers":{},"PleaseSendPeers":{}}"#,
        r#"{"PleaseSendPeers":[]}"#,
        r#"{"PleaseSendPeers":null}"#,
        r#"{"Peers":{"peers":5}}"#,
        r#"{"Peers":{}}"#,
        r#"{"Peers":[["1.2.3.4:5678"]]}"#,
        r#"{"PleaseSendContent":{"id":"x","offset":-1,"length":1}}"#,
        r#"{"PleaseSendContent":{"id":"x","offset":1.5,"length":1}}"#,
        r#"{"PleaseSendContent":{"id":"x","offset":18446744073709551616,"length":1}}"#,
        r#"{"PleaseSendContent":{"id":"x","id":"y","offset":0,"length":1}}"#,
        r#"{"PleaseSendContent":["x",0,1]}"#,
        r#"{"ChatMessage":{"message":7}}"#,
        r#"{"ChatMessage":{"message":"\ud800"}}"#,
        r#"{"\ud800":{}}"#,
    ] {
        let text = format!(r#"[{{"PleaseSendPeers":{{}}}},{bad},{{"PleaseListContent":{{}}}}]"#);
        let decoded = decode(text.as_bytes()).unwrap();
        assert_eq!(names(&text), ["PleaseSendPeers", "PleaseListContent"], "{bad}");
        assert_eq!(decoded.malformed, 1, "{bad}");
    }
}

#[test]
fn unknown_fields_are_ignored_and_unknown_messages_kept_byte_for_byte() {
    let text = r#"[{"PleaseSendPeers":{"more":[1e999]}}, {"New\u004done" : {"a": 1.0e2 , "b":"\u00e4ä"}}, {"Odd":7}]"#;
    let decoded = decode(text.as_bytes()).unwrap();
    assert_eq!(decoded.malformed, 0);
    let Message::Unknown(unknown) = &decoded.messages[1] else { panic!("{decoded:?}") };
    assert_eq!(unknown.name, "NewMone");
    assert_eq!(unknown.payload.get(), r#"{"a": 1.0e2 , "b":"\u00e4ä"}"#);
    assert_eq!(decoded.messages[2].name(), "Odd");
}

#[test]
fn nesting_is_bounded_and_brackets_in_strings_do_not_count() {
    let nested = |depth: usize| format!(r#"[{{"X":{}{}}}]"#, "[".repeat(depth - 2), "]".repeat(depth - 2));
    assert!(decode(nested(DEPTH_MAX).as_bytes()).is_ok());
    assert_eq!(decode(nested(DEPTH_MAX + 1).as_bytes()).unwrap_err(), Refused::TooDeep);
    assert_eq!(decode(&vec![b'['; DATAGRAM_MAX_BYTES]).unwrap_err(), Refused::TooDeep);
    let brackets = format!(r#"[{{"ChatMessage":{{"message":"\"{}\\"}}}}]"#, "[{".repeat(1_000));
    assert_eq!(names(&brackets), ["ChatMessage"]);
    let many = format!("[{}]", [r#"{"PleaseSendPeers":{}}"#; 100].join(","));
    assert_eq!(names(&many).len(), 100);
}

#[test]
fn counts_are_bounded_and_the_rest_is_counted_or_skipped() {
    let many = format!("[{}]", vec![r#"{"PleaseSendPeers":{}}"#; MESSAGES_MAX + 7].join(","));
    let decoded = decode(many.as_bytes()).unwrap();
    assert_eq!((decoded.messages.len(), decoded.malformed), (MESSAGES_MAX, 7));
    // Behind the last message that is read, nothing is looked at any more, on either road.
    for bad in ["17", r#"{"\ud800":{}}"#, "{}"] {
        let text = format!("[{bad},{},{bad},{bad}]", vec![r#"{"PleaseSendPeers":{}}"#; MESSAGES_MAX + 7].join(","));
        let decoded = decode(text.as_bytes()).unwrap();
        assert_eq!((decoded.messages.len(), decoded.malformed), (MESSAGES_MAX, 10), "{bad}");
    }
    let ones = format!("[{}{{\"PleaseSendPeers\":{{}}}}]", "1,".repeat(30_000));
    let decoded = decode(ones.as_bytes()).unwrap();
    assert_eq!((decoded.messages.len(), decoded.malformed), (1, 30_000));
    let peers = vec![r#""1.2.3.4:5678""#; 3_000].join(",");
    let text = format!(r#"[{{"Peers":{{"peers":[{peers}]}}}}]"#);
    let decoded = decode(text.as_bytes()).unwrap();
    let Message::Peers(peers) = &decoded.messages[0] else { panic!("{decoded:?}") };
    assert_eq!(peers.peers.0.len(), LIST_MAX_ENTRIES);
}

#[test]
fn a_content_list_keeps_the_entries_it_can_read() {
    let text = r#"[{"ContentList":{"results":[["a",1],["b"],7,["c",-1],["d",2],["e",3,4]]}}]"#;
    let decoded = decode(text.as_bytes()).unwrap();
    let Message::ContentList(list) = &decoded.messages[0] else { panic!("{decoded:?}") };
    let read: Vec<_> = list.results.0.iter().map(|(id, size)| (&**id, *size)).collect();
    assert_eq!(read, [("a", 1), ("d", 2)]);
}

#[test]
fn known_messages_are_written_as_they_were_read() {
    for element in [
        r#"{"PleaseSendPeers":{}}"#,
        r#"{"Peers":{"peers":["1.2.3.4:5678","[2001:db8::1]:24254"]}}"#,
        r#"{"ChatMessage":{"message":"a \"quoted\" line\n"}}"#,
        r#"{"GroupChatMessage":{"group_name":"main","text":"ä","timestamp":1700000000000}}"#,
        r#"{"PleaseSendContent":{"id":"x","offset":18446744073709551615,"length":4096}}"#,
        r#"{"Content":{"id":"x","offset":0,"base64":"AAAA"}}"#,
        r#"{"Content":{"id":"x","offset":0,"base64":"","eof":7}}"#,
        r#"{"MaybeTheyHaveSome":{"id":"x","peers":[]}}"#,
        r#"{"ContentList":{"results":[["x",1]]}}"#,
        r#"{"SupportedMessages":{"schema":{"any": [1]}}}"#,
        r#"{"AlwaysReturned":[ 1, 2.50 ]}"#,
    ] {
        let text = format!("[{element}]");
        let decoded = decode(text.as_bytes()).unwrap();
        let mut writer = Writer::default();
        assert!(writer.push(&decoded.messages[0], text.len()));
        assert_eq!(String::from_utf8(writer.take()).unwrap(), text);
    }
}

#[test]
fn a_writer_never_outgrows_its_limit_and_is_always_an_array() {
    let mut writer = Writer::default();
    assert_eq!((writer.len(), writer.take()), (2, b"[]".to_vec()));
    let element = r#"{"AB":{"cookie":"12345678"}}"#;
    let one = element.len() + 2;
    assert_eq!(writer.room(one), element.len());
    assert!(!writer.push_cookie("AB", b"12345678", one - 1));
    assert!(writer.is_empty());
    assert!(writer.push_cookie("AB", b"12345678", one));
    assert_eq!(writer.len(), one);
    assert!(!writer.push_raw("C", "1", one + 5));
    assert!(writer.push_raw("C", "1", one + 8));
    assert_eq!(writer.room(one + 10), 1);
    assert_eq!(String::from_utf8(writer.take()).unwrap(), format!(r#"[{element},{{"C":1}}]"#));
    assert!(writer.is_empty());
}

#[test]
fn the_schema_names_every_message_and_fits_into_a_datagram() {
    let schema: serde_json::Value = serde_json::from_str(&messages::SCHEMA).unwrap();
    for name in messages::NAMES {
        assert!(schema["items"]["properties"][name].is_object(), "{name}");
    }
    assert_eq!(schema["items"]["properties"]["Content"]["required"], serde_json::json!(["id", "offset", "base64"]));
    assert!(messages::SCHEMA.len() < 5_000, "{}", messages::SCHEMA.len());
}
