//! Those who want to spoil it: they become peers like everybody else, and say about content whatever may do harm.
//!
//! None of them reads what is not sent to it: the token, and the number of the run, of others it can only guess.

use crate::content::Content;
use crate::rng::Rng;
use cjp2p_node::Time;
use cjp2p_node::content::ContentId;
use cjp2p_node::wire::{Message, decode};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

/// What an attacker does when it is asked for content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manners {
    /// It says that it has it, and then nothing.
    Promises,
    /// It sends something of the right length.
    Invents,
    /// It invents, and says something else about size and pieces each time.
    Wavers,
}

/// An attacker.
pub struct Attacker {
    pub address: SocketAddr,
    /// When it attacks next.
    pub due: Time,
    manners: Manners,
    pace: Duration,
    targets: Vec<SocketAddr>,
    /// Addresses that never speak, and in whose name it does, as in that of the targets.
    victims: Vec<SocketAddr>,
    /// What there is: an id on the wire, and how long that part is.
    known: Vec<(String, u64)>,
    /// The tokens it was given.
    tokens: BTreeMap<SocketAddr, String>,
    rng: Rng,
}

impl Attacker {
    pub fn new(
        (address, due): (SocketAddr, Time),
        (manners, pace): (Manners, Duration),
        [targets, victims]: [Vec<SocketAddr>; 2],
        contents: &[Rc<Content>],
        rng: Rng,
    ) -> Attacker {
        let ids_of = |content: &Rc<Content>| {
            let (size, blake3) = (content.bytes.len() as u64, ContentId::Blake3(content.blake3));
            let sha256 = (ContentId::Sha256(content.sha256).to_string(), size);
            [sha256, (blake3.to_string(), size), (blake3.tree_id().unwrap(), content.tree.len() as u64)]
        };
        let known = contents.iter().flat_map(ids_of).collect();
        Attacker { address, due, manners, pace, targets, victims, known, tokens: BTreeMap::new(), rng }
    }

    /// What it says to a datagram that it received.
    pub fn hear(&mut self, from: SocketAddr, bytes: &[u8]) -> Vec<(SocketAddr, Vec<u8>)> {
        let Ok(decoded) = decode(bytes) else { return Vec::new() };
        let mut elements = Vec::new();
        for message in &decoded.messages {
            match message {
                Message::PleaseAlwaysReturnThisMessage(token) => {
                    self.tokens.insert(from, token.0.get().to_owned());
                }
                Message::PleaseReturnThisMessage(probe) => {
                    elements.push(format!(r#"{{"ReturnedMessage":{}}}"#, probe.0.get()));
                }
                Message::PleaseSendPeers(_) => elements.push(r#"{"Peers":{"peers":[]}}"#.to_owned()),
                Message::PleaseSendHoldings(asked) => elements.push(self.holdings(&asked.id)),
                Message::PleaseSendContent(asked) if asked.length == 1 || self.manners != Manners::Promises => {
                    elements.push(self.content(&asked.id, asked.offset, asked.length as usize));
                }
                Message::PleaseSendBlocks(asked) if self.manners != Manners::Promises => {
                    return self.blocks(from, asked.run, (asked.offset, asked.length, asked.block));
                }
                _ => {}
            }
        }
        if elements.is_empty() { Vec::new() } else { vec![(from, self.datagram(from, elements))] }
    }

    fn blocks(
        &mut self,
        to: SocketAddr,
        run: u64,
        (offset, length, block): (u64, u64, u64),
    ) -> Vec<(SocketAddr, Vec<u8>)> {
        let starts = (offset..offset + length).step_by(block as usize);
        let block = |start| {
            let bytes = self.rng.bytes(block.min(offset + length - start) as usize);
            (to, format!("[{}]", element_of_block(run, start, &bytes)).into_bytes())
        };
        starts.map(block).collect()
    }

    /// What it does of its own accord: where it says that it comes from, where to, and what.
    pub fn act(&mut self, now: Time) -> Vec<(SocketAddr, SocketAddr, Vec<u8>)> {
        self.due = now + self.pace.mul_f64(0.5) + Duration::from_micros(self.rng.below(self.pace.as_micros() as u64));
        let to = self.rng.pick(&self.targets);
        let from = match self.rng.below(4) {
            0 => self.rng.pick(&self.targets),
            1 => self.rng.pick(&self.victims),
            _ => self.address,
        };
        let count = self.rng.between(1, 3);
        let mut elements: Vec<String> = (0..count).map(|_| self.nonsense()).collect();
        if from != self.address {
            return vec![(from, to, format!("[{}]", elements.join(",")).into_bytes())];
        }
        if self.rng.chance(200) {
            elements.push(r#"{"PleaseSendPeers":{}}"#.to_owned());
        }
        vec![(from, to, self.datagram(to, elements))]
    }

    fn datagram(&self, to: SocketAddr, mut elements: Vec<String>) -> Vec<u8> {
        if let Some(token) = self.tokens.get(&to) {
            elements.push(format!(r#"{{"AlwaysReturned":{token}}}"#));
        }
        elements.push(r#"{"PleaseAlwaysReturnThisMessage":{"cookie":"attacker"}}"#.to_owned());
        format!("[{}]", elements.join(",")).into_bytes()
    }

    /// Something about content that nobody asked for.
    fn nonsense(&mut self) -> String {
        let place = self.rng.index(self.known.len());
        let (id, size) = self.known[place].clone();
        let last = size / 1_024;
        let offset = self.rng.between(0, last) * 1_024;
        let length = self.rng.pick(&[0, 1, 31, 1_024, 1_024]);
        match self.rng.below(7) {
            0 | 1 => self.content(&id, offset, length),
            2 => {
                let (run, bytes) = (self.rng.below(1 << 32), self.rng.bytes(length));
                element_of_block(run, offset, &bytes)
            }
            3 => self.holdings(&id),
            4 => {
                let all: Vec<_> = self.victims.iter().chain(&self.targets).copied().collect();
                let names: Vec<_> = (0..4).map(|_| format!(r#""{}""#, self.rng.pick(&all))).collect();
                format!(r#"{{"MaybeTheyHaveSome":{{"id":"{id}","peers":[{}]}}}}"#, names.join(","))
            }
            5 => format!(r#"{{"ContentList":{{"results":[["{id}",{}]]}}}}"#, self.size(&id)),
            _ => format!(r#"{{"PleaseSendContent":{{"id":"{id}","offset":{offset},"length":4096}}}}"#),
        }
    }

    /// How long the content is, as it says; nothing longer than fits a store in memory.
    fn size(&mut self, id: &str) -> u64 {
        let size = self.known.iter().find(|(known, _)| known == id).map_or(0, |(_, size)| *size);
        match self.manners {
            Manners::Promises | Manners::Invents => size,
            Manners::Wavers => self.rng.pick(&[size, size + 1, size.saturating_sub(1), size + 65_536, 1 << 29, 0]),
        }
    }

    fn content(&mut self, id: &str, offset: u64, length: usize) -> String {
        let bytes = self.rng.bytes(length.min(4_096));
        let (text, eof) = (base64_simd::STANDARD.encode_to_string(&bytes), self.size(id));
        format!(r#"{{"Content":{{"id":"{id}","offset":{offset},"base64":"{text}","eof":{eof}}}}}"#)
    }

    fn holdings(&mut self, id: &str) -> String {
        let have = match self.rng.below(3) {
            0 if self.manners == Manners::Wavers => {
                let length = self.rng.index(5);
                let bits = self.rng.bytes(length);
                format!(r#","have":"{}""#, base64_simd::STANDARD.encode_to_string(&bits))
            }
            _ => String::new(),
        };
        format!(r#"{{"Holdings":{{"id":"{id}","eof":{}{have}}}}}"#, self.size(id))
    }
}

fn element_of_block(run: u64, offset: u64, bytes: &[u8]) -> String {
    let text = base64_simd::STANDARD.encode_to_string(bytes);
    format!(r#"{{"Block":{{"run":{run},"offset":{offset},"base64":"{text}"}}}}"#)
}
