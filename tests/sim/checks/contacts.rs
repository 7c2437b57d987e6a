//! The second half of invariant 8: how often an address is written to that never answered, by our own initiative; and
//! the same for a host, however many of its ports are named, and for a neighbourhood, however many of its hosts.

use cjp2p_node::Time;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// So many datagrams within any minute and within any hour.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    pub minute: usize,
    pub hour: usize,
}

/// For an address that never answered.
pub const ADDRESS: Bound = Bound { minute: 5, hour: 12 };

/// For all addresses of a host in the global internet that never answered and that no user named: a dozen nodes behind
/// one router may be met at once, and then one each minute.
pub const HOST: Bound = Bound { minute: 17, hour: 76 };

/// For all such addresses of a neighbourhood: 64 at once, and then one each 5 s.
pub const NEIGHBOURHOOD: Bound = Bound { minute: 64 + 13, hour: 64 + 721 };

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// The datagrams of the last hour to one address or host.
#[derive(Debug, Default)]
pub struct Contacts {
    times: Vec<Time>,
}

impl Contacts {
    /// The last one never left.
    pub fn take_back(&mut self) {
        self.times.pop();
    }

    /// One more was sent.
    pub fn add(&mut self, now: Time, bound: Bound) -> Result<(), String> {
        self.times.retain(|time| now.since(*time) < HOUR);
        self.times.push(now);
        let in_minute = self.times.iter().filter(|time| now.since(**time) < MINUTE).count();
        if in_minute > bound.minute {
            return Err(format!("{in_minute} datagrams within a minute to somebody who never answered"));
        }
        if self.times.len() > bound.hour {
            return Err(format!("{} datagrams within an hour to somebody who never answered", self.times.len()));
        }
        Ok(())
    }
}

/// What one machine or one home can have: an IPv4 address, an IPv6 /64.
pub fn host(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
    }
}

/// What one subscriber line, firm or rack can have: an IPv4 /24, an IPv6 /48.
pub fn neighbourhood(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => Ipv4Addr::from_bits(ip.to_bits() >> 8 << 8).into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 80 << 80).into(),
    }
}
