//! The Rust node of the wild, as far as it can hurt: it answers everything that parses, understands tokens in one form
//! only, spreads names it merely heard of, and knocks at each of them ten times a second.

use super::{Io, Model, addresses, datagram, messages, peers};
use crate::rng::mix;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Its upkeep: about ten datagrams a second.
const PACE: Duration = Duration::from_millis(100);

/// How many names it keeps.
const HEARD_MAX: usize = 200;

/// The most answers it gives in one second; the real one is bounded by its processor. Far above what anybody should
/// cause, so that a ping-pong shows, and finite, so that one ends.
const ANSWERS_PER_SECOND_MAX: u32 = 200;

/// A node of the wild.
#[derive(Default)]
pub struct Wild {
    contacts: Vec<SocketAddr>,
    heard: BTreeMap<SocketAddr, Heard>,
    second: u64,
    answers: u32,
}

#[derive(Default)]
struct Heard {
    cookie: Option<String>,
    is_verified: bool,
}

impl Wild {
    pub fn new(contacts: Vec<SocketAddr>) -> Wild {
        Wild { contacts, ..Wild::default() }
    }

    fn learn(&mut self, address: SocketAddr) {
        if self.heard.len() < HEARD_MAX {
            self.heard.entry(address).or_default();
        }
    }

    fn tokens(&self, to: SocketAddr) -> Vec<String> {
        let cookie = self.heard.get(&to).and_then(|heard| heard.cookie.as_ref());
        let returned = cookie.map(|cookie| format!(r#"{{"AlwaysReturned":{{"cookie":{}}}}}"#, Value::from(&**cookie)));
        let own = format!(r#"{{"PleaseAlwaysReturnThisMessage":{{"cookie":"{}"}}}}"#, token(to.ip()));
        [own].into_iter().chain(returned).collect()
    }

    fn answer(&mut self, from: SocketAddr, name: &str, payload: &Value) -> Option<String> {
        match name {
            "PleaseAlwaysReturnThisMessage" => {
                let cookie = payload["cookie"].as_str()?.to_owned();
                self.heard.get_mut(&from)?.cookie = Some(cookie);
                None
            }
            "AlwaysReturned" if payload["cookie"] == token(from.ip()) => {
                self.heard.get_mut(&from)?.is_verified = true;
                None
            }
            "PleaseSendPeers" => {
                let most = if self.heard.get(&from)?.is_verified { 46 } else { 1 };
                Some(peers(&self.heard.keys().copied().take(most).collect::<Vec<_>>()))
            }
            "PleaseReturnThisMessage" => Some(format!(r#"{{"ReturnedMessage":{payload}}}"#)),
            "PleaseSendContent" => {
                let id = &payload["id"];
                Some(format!(r#"{{"MaybeTheyHaveSome":{{"id":{id},"peers":["127.0.0.1:24254"]}}}}"#))
            }
            "Peers" => {
                addresses(payload).into_iter().for_each(|address| self.learn(address));
                None
            }
            _ => None,
        }
    }
}

/// Its token depends on the IP address alone.
fn token(ip: IpAddr) -> String {
    let number = match ip {
        IpAddr::V4(ip) => u64::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.to_bits() as u64,
    };
    format!("{:016x}", mix(number))
}

impl Model for Wild {
    fn on_wake(&mut self, io: &mut Io<'_>) {
        for contact in self.contacts.clone() {
            self.learn(contact);
        }
        let all: Vec<_> = self.heard.keys().copied().collect();
        if !all.is_empty() {
            let to = io.rng.pick(&all);
            let mut elements = self.tokens(to);
            if self.heard[&to].is_verified {
                elements.push(r#"{"PleaseSendPeers":{}}"#.to_owned());
                elements.push(format!(r#"{{"PleaseReturnThisMessage":{{"cookie":"{}"}}}}"#, io.now.as_micros()));
                io.send(to, datagram(&elements));
            } else {
                io.send(to, datagram(&elements[..1]));
            }
        }
        io.wake_in(PACE);
    }

    fn on_datagram(&mut self, io: &mut Io<'_>, from: SocketAddr, _to: SocketAddr, payload: &[u8]) {
        let second = io.now.as_micros() / 1_000_000;
        if second != self.second {
            (self.second, self.answers) = (second, 0);
        }
        let Some(messages) = messages(payload) else { return };
        if self.answers >= ANSWERS_PER_SECOND_MAX {
            return;
        }
        self.answers += 1;
        self.learn(from);
        let answers: Vec<_> = messages.iter().filter_map(|(name, body)| self.answer(from, name, body)).collect();
        let mut elements = self.tokens(from);
        elements.extend(answers);
        io.send(from, datagram(&elements));
    }
}
