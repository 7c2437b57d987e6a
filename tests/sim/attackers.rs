//! Those who mean harm: the spoofer, the sender of garbage, the liar, the meddler, the crowd, the flooder,
//! the impostor, the relay. (The echo is in `models.rs`.)
//!
//! They send from where they like and say what they like, but they cannot read what is sent to others.

mod crowd;
mod garbage;
mod impostor;
mod liar;
mod meddler;
mod relay;
mod spoofer;

pub use crowd::Crowd;
pub use garbage::{Garbage, deaths};
pub use impostor::Impostor;
pub use liar::{Liar, Network};
pub use meddler::Meddler;
pub use relay::Relay;
pub use spoofer::{Flooder, Spoofer};

use crate::models::messages;
use std::net::SocketAddr;

/// What a well-behaved stranger may say, to be forged, mutated and multiplied.
pub const PHRASES: &[&str] = &[
    r#"[{"PleaseSendPeers":{}}]"#,
    r#"[{"PleaseAlwaysReturnThisMessage":{"cookie":"0123456789abcdef"}}]"#,
    r#"[{"PleaseAlwaysReturnThisMessage":{"cookie":"q"}},{"PleaseSendPeers":{}}]"#,
    r#"[{"PleaseReturnThisMessage":{"cookie":"12.25"}}]"#,
    r#"[{"AlwaysReturned":{"cookie":"01234567"}},{"PleaseListContent":{}},{"PleaseSendPeers":{}}]"#,
    r#"[{"ReturnedMessage":{"cookie":"0.5"}}]"#,
    r#"[{"Peers":{"peers":["9.8.7.6:24254","[2a00::1]:24254"]}}]"#,
    r#"[{"PleaseSendContent":{"id":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","offset":0,"length":4096}}]"#,
    r#"[{"MaybeTheyHaveSome":{"id":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","peers":["9.8.7.5:24254"]}}]"#,
    r#"[{"Content":{"id":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","offset":0,"base64":"AAAA","eof":3}}]"#,
    r#"[{"ChatMessage":{"message":"/ping"}},{"ChatMessage":{"message":"/version"}}]"#,
    r#"[{"GroupChatMessage":{"group_name":"main","text":"hello","timestamp":1700000000000}}]"#,
    r#"[{"PleaseListSupportedMessages":{}}]"#,
    r#"[{"PongMove":{"x": 1.50,"y":[1,2 ,3]}},{"WhoIsHere":{}}]"#,
    r#"[]"#,
];

/// What a datagram of one of our nodes asks to have returned.
pub fn token_in(payload: &[u8]) -> Option<String> {
    let wanted = messages(payload)?.into_iter().find(|(name, _)| name == "PleaseAlwaysReturnThisMessage")?;
    Some(format!(r#"{{"AlwaysReturned":{}}}"#, wanted.1))
}

/// Addresses that nobody has a right to name to a public node, or that are nobody's.
pub fn unfit_addresses() -> Vec<SocketAddr> {
    let texts = [
        "127.0.0.1:24254",
        "127.1.2.3:5353",
        "192.168.1.1:24254",
        "10.0.0.1:24254",
        "172.16.0.1:1900",
        "169.254.1.1:24254",
        "224.0.0.1:24254",
        "239.255.255.250:1900",
        "255.255.255.255:24254",
        "0.0.0.0:24254",
        "240.0.0.1:24254",
        "8.8.8.8:53",
        "8.8.4.4:123",
        "9.9.9.9:0",
        "[::]:24254",
        "[::1]:24254",
        "[fe80::1]:24254",
        "[ff02::1]:24254",
        "[fc00::1]:24254",
        "[::ffff:127.0.0.1]:24254",
        "[::ffff:8.8.8.8]:53",
    ];
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}
