//! The state machine (skeleton).

mod interface;

pub use interface::{Command, CommandError, Config, Destination, Event, PeerInfo, Transmit};

use crate::content::{SharedFile, Store};
use crate::counters::Counters;
use crate::time::Time;
use std::net::SocketAddr;

/// A node: datagrams, commands and time in; datagrams, events and a deadline out.
pub struct Node<S> {
    store: S,
    counters: Counters,
}

impl<S: Store> Node<S> {
    /// A node born at `now`. All its randomness comes from `seed`.
    pub fn new(_config: Config, _seed: [u8; 32], _now: Time, store: S) -> Node<S> {
        Node { store, counters: Counters::default() }
    }

    /// Takes a datagram that arrived from `from`.
    pub fn handle_datagram(&mut self, _now: Time, _from: SocketAddr, _bytes: &[u8]) {}

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, _now: Time) {}

    /// Carries out a command.
    ///
    /// # Errors
    /// [`CommandError`]; nothing was sent and nothing changed.
    pub fn handle_command(&mut self, _now: Time, _command: Command) -> Result<(), CommandError> {
        Ok(())
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        None
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        None
    }

    /// When [`Node::handle_timeout`] is due; `None` if nothing is.
    pub fn poll_timeout(&self) -> Option<Time> {
        None
    }

    /// What happened so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The verified peers, neighbours first, then by how lately they were heard; at most `most`.
    pub fn peers(&self, _now: Time, _most: usize) -> Vec<PeerInfo> {
        Vec::new()
    }

    /// How many peers are verified.
    pub fn peer_count(&self) -> usize {
        0
    }

    /// The addresses worth remembering across a restart, best first.
    pub fn saved_peers(&self) -> Vec<SocketAddr> {
        Vec::new()
    }

    /// The files that are shared, in no particular order.
    pub fn shared_files(&self) -> impl Iterator<Item = &SharedFile> {
        std::iter::empty()
    }

    /// The store.
    pub fn store_mut(&mut self) -> &mut S {
        &mut self.store
    }
}
