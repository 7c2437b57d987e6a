//! The keyed hash behind tokens, account tables and lookups.
//!
//! SipHash with a key nobody else knows: an outsider can neither predict a token nor aim for a slot of a table. Keys
//! come from the node's injected generator, never from the operating system, so that a run can be repeated.

use rand::Rng;
use siphasher::sip::{SipHasher13, SipHasher24};
use std::hash::{BuildHasher, Hasher};
use std::net::{IpAddr, SocketAddr};

/// A secret key and the hashes made with it.
#[derive(Clone, Copy, Debug)]
pub struct Key(u64, u64);

impl Key {
    /// A fresh key.
    pub fn new(rng: &mut impl Rng) -> Key {
        Key(rng.next_u64(), rng.next_u64())
    }

    /// SipHash-2-4 of an address and a domain, which keeps different uses of one key apart.
    pub fn address(self, domain: u8, address: SocketAddr) -> u64 {
        let mut hasher = SipHasher24::new_with_keys(self.0, self.1);
        hasher.write_u8(domain);
        match address.ip() {
            IpAddr::V4(ip) => hasher.write(&ip.octets()),
            IpAddr::V6(ip) => hasher.write(&ip.octets()),
        }
        hasher.write_u16(address.port());
        hasher.finish()
    }

    /// SipHash-2-4 of some parts and a domain. Each part's length counts, so that parts cannot run into one another.
    pub fn parts(self, domain: u8, parts: &[&[u8]]) -> u64 {
        let mut hasher = SipHasher24::new_with_keys(self.0, self.1);
        hasher.write_u8(domain);
        for part in parts {
            hasher.write_usize(part.len());
            hasher.write(part);
        }
        hasher.finish()
    }
}

/// Lookup tables use the faster SipHash-1-3: it has to keep slots unpredictable, not to prove anything.
impl BuildHasher for Key {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.0, self.1)
    }
}
