//! The checks' own reading of what a node sends: strict where the node's decoder is tolerant, and not made from it.
//!
//! What a node *receives* is read with the crate's decoder instead, since only that says what the node can have
//! understood.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// One element of a datagram: an object with exactly one key.
#[derive(Debug)]
pub struct Element<'a> {
    pub name: Cow<'a, str>,
    pub payload: &'a str,
}

impl<'de: 'a, 'a> Deserialize<'de> for Element<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OneKey)
    }
}

struct OneKey;

impl<'de> Visitor<'de> for OneKey {
    type Value = Element<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with exactly one key")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Element<'de>, A::Error> {
        let Some((name, payload)) = map.next_entry::<Cow<'de, str>, &'de RawValue>()? else {
            return Err(A::Error::custom("an object without a key"));
        };
        match map.next_key::<Cow<'de, str>>()? {
            Some(second) => Err(A::Error::custom(format!("a second key {second}"))),
            None => Ok(Element { name, payload: payload.get() }),
        }
    }
}

/// Reads a datagram that a node of ours sent.
pub fn read(payload: &[u8]) -> Result<Vec<Element<'_>>, String> {
    let elements: Vec<Element<'_>> = serde_json::from_slice(payload).map_err(|why| why.to_string())?;
    if elements.is_empty() {
        return Err("an empty array".to_owned());
    }
    let is_wrong = |element: &&Element<'_>| {
        !element.payload.starts_with('{') && !matches!(&*element.name, "AlwaysReturned" | "ReturnedMessage")
    };
    match elements.iter().find(is_wrong) {
        Some(element) => Err(format!("the payload of {} is no object", element.name)),
        None => Ok(elements),
    }
}

/// The addresses in a `peers` field; a string that is no address is an error, because one makes wild nodes drop all.
pub fn addresses(payload: &str) -> Result<Vec<SocketAddr>, String> {
    let value: serde_json::Value = serde_json::from_str(payload).map_err(|why| why.to_string())?;
    let list = value["peers"].as_array().ok_or("no array called peers")?;
    list.iter()
        .map(|entry| {
            let text = entry.as_str().ok_or_else(|| format!("{entry} is no string"))?;
            text.parse().map_err(|_| format!("{text:?} is no address"))
        })
        .collect()
}

/// How far an address reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Nobody's: unspecified, multicast, broadcast, reserved.
    None,
    /// This machine.
    Loopback,
    /// This cable.
    Link,
    /// This site.
    Private,
    /// Everybody.
    Global,
}

/// The scope of an IP address.
pub fn scope(ip: IpAddr) -> Scope {
    match ip {
        IpAddr::V4(ip) => match ip.octets() {
            [0 | 224..=255, ..] => Scope::None,
            [127, ..] => Scope::Loopback,
            [169, 254, ..] => Scope::Link,
            [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Scope::Private,
            _ => Scope::Global,
        },
        IpAddr::V6(ip) if ip == Ipv6Addr::LOCALHOST => Scope::Loopback,
        IpAddr::V6(ip) => match ip.segments()[0] {
            0 | 0xff00..=0xffff => Scope::None,
            0xfe80..=0xfebf => Scope::Link,
            0xfc00..=0xfdff => Scope::Private,
            _ => Scope::Global,
        },
    }
}
