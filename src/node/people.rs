//! Who is known by key: what a user is shown of people, and what names and short forms are told apart by.

use super::Node;
use crate::content::Store;
use crate::identity::PublicKey;
use std::net::SocketAddr;

impl<S: Store> Node<S> {
    /// The keys that were proven here or that the user has to do with, in no order worth relying on; some of them
    /// twice.
    pub fn known_keys(&self) -> impl Iterator<Item = PublicKey> {
        let proven = self.homes.keys().chain(self.envelopes.known()).chain(self.groups.authors.keys());
        proven.chain(self.followed().map(|title| title.key)).chain([self.public_key()])
    }

    /// Whose address this is, as far as that was proven.
    pub fn who(&self, address: SocketAddr) -> Option<PublicKey> {
        self.homes.who(address)
    }
}
