//! A node and its place in the world: its address, its store, its uplink, and whether it is there at all.

use crate::rng::mix;
use crate::store::Watched;
use cjp2p_node::content::SharedFile;
use cjp2p_node::node::{Command, Config};
use cjp2p_node::{Node, Time};
use std::net::SocketAddr;

/// A node, or what is left of one while it is away.
pub struct Host {
    pub address: SocketAddr,
    /// `None` while it is away.
    pub node: Option<Node<Watched>>,
    /// What the node is due to do next, as it said last.
    pub due: Option<Time>,
    /// When it will have sent what it has been given so far.
    pub free_at: Time,
    /// Datagrams and bytes sent.
    pub sent: (u64, u64),
    pub config: Config,
    seed: u64,
    lives: u64,
    /// What it shares, to be told to its next life.
    shared: Vec<SharedFile>,
    /// Its store while it is away.
    store: Watched,
}

impl Host {
    pub fn new(now: Time, address: SocketAddr, config: Config, seed: u64, store: Watched) -> Host {
        let mut host = Host {
            address,
            node: None,
            due: None,
            free_at: now,
            sent: (0, 0),
            config,
            seed,
            lives: 0,
            shared: Vec::new(),
            store,
        };
        host.appear(now);
        host
    }

    /// Begins a life, with the store and the peers of the last.
    pub fn appear(&mut self, now: Time) {
        self.lives += 1;
        let mut seed = [0; 32];
        for (place, part) in (self.lives << 8..).zip(seed.chunks_mut(8)) {
            part.copy_from_slice(&mix(self.seed ^ mix(place)).to_le_bytes());
        }
        let mut node = Node::new(self.config.clone(), seed, now, std::mem::take(&mut self.store));
        for file in &self.shared {
            node.handle_command(now, Command::Share(file.clone())).unwrap();
        }
        self.due = node.poll_timeout();
        self.free_at = now;
        self.node = Some(node);
    }

    /// Is gone at once, as if killed.
    pub fn vanish(&mut self) {
        let mut node = self.node.take().unwrap();
        self.config.remembered = node.saved_peers();
        self.store = std::mem::take(node.store_mut());
        self.due = None;
    }

    /// Keeps a content under a name and shares it.
    pub fn share(&mut self, now: Time, name: &str, content: Vec<u8>) -> SharedFile {
        let node = self.node.as_mut().unwrap();
        let file = node.store_mut().memory.insert(name, content);
        node.handle_command(now, Command::Share(file.clone())).unwrap();
        self.shared.push(file.clone());
        file
    }

    pub fn node(&self) -> &Node<Watched> {
        self.node.as_ref().unwrap()
    }
}
