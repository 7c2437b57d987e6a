//! Counting addresses so that nobody counts by numbers: one network or one host fills a list only so far.

use super::address::{Network, host, network};
use std::net::{IpAddr, SocketAddr};

/// Addresses that have been counted: so many per global network, and one per host.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    /// How many were admitted.
    pub(crate) count: usize,
    networks: Vec<(Network, usize)>,
    hosts: Vec<IpAddr>,
}

impl Crowd {
    /// Counts one more, unless there are `most` of its network, or its host is counted. In local networks every address
    /// counts.
    pub(crate) fn admit(&mut self, address: SocketAddr, most: usize) -> bool {
        let (network, host) = (network(address.ip()), host(address.ip()));
        if network != Network::Local {
            if self.hosts.contains(&host) {
                return false;
            }
            match self.networks.iter_mut().find(|(known, _)| *known == network) {
                Some((_, n)) if *n >= most => return false,
                Some((_, n)) => *n += 1,
                None => self.networks.push((network, 1)),
            }
            self.hosts.push(host);
        }
        self.count += 1;
        true
    }
}
