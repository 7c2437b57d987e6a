//! What an address tells about itself: its scope, its network, and whether it can be anybody's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// Ports below this belong to well-known services that must never be pestered on somebody's word.
pub const NAMED_PORT_MIN: u16 = 1_024;

/// How many scopes there are.
pub const SCOPES: usize = 4;

/// How far an address reaches. An address means nothing to who is farther away than its scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// The same machine: 127.0.0.0/8, `::1`.
    Host,
    /// The same link: 169.254.0.0/16, `fe80::/10`. Means different things on different interfaces; never passed on.
    Link,
    /// The same site: RFC 1918, RFC 6598 (100.64.0.0/10), RFC 4193 (`fc00::/7`).
    Site,
    /// Everywhere.
    Global,
}

/// The network an address belongs to, for sharing out room in tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Network {
    /// Loopback, link and private networks: one group, with room for a whole local swarm.
    Local,
    /// The first 16 bits of a global IPv4 address, about what one provider's customers share.
    V4([u8; 2]),
    /// The first 32 bits of a global IPv6 address, the smallest block a provider gets.
    V6([u8; 4]),
}

impl Network {
    /// An address that stands for the whole network.
    pub fn first(self) -> SocketAddr {
        let ip = match self {
            Network::Local => Ipv4Addr::LOCALHOST.into(),
            Network::V4([a, b]) => Ipv4Addr::new(a, b, 0, 0).into(),
            Network::V6(bytes) => Ipv6Addr::from_bits(u128::from(u32::from_be_bytes(bytes)) << 96).into(),
        };
        SocketAddr::new(ip, 0)
    }
}

/// An IPv4 address that arrived in IPv6 clothes (`::ffff:1.2.3.4`) as the plain IPv4 address; flow labels removed.
pub fn plain(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V6(v6) => match v6.ip().to_ipv4_mapped() {
            Some(ip) => SocketAddr::from((ip, v6.port())),
            None => SocketAddr::V6(SocketAddrV6::new(*v6.ip(), v6.port(), 0, link_scope(v6))),
        },
        v4 => v4,
    }
}

/// The interface number matters only for link-local addresses.
fn link_scope(address: SocketAddrV6) -> u32 {
    if address.ip().is_unicast_link_local() { address.scope_id() } else { 0 }
}

/// How far an address reaches.
pub fn scope(ip: IpAddr) -> Scope {
    match ip {
        IpAddr::V4(ip) if ip.is_loopback() => Scope::Host,
        IpAddr::V4(ip) if ip.is_link_local() => Scope::Link,
        IpAddr::V4(ip) if ip.is_private() || is_shared(ip) => Scope::Site,
        IpAddr::V6(ip) if ip.is_loopback() => Scope::Host,
        IpAddr::V6(ip) if ip.is_unicast_link_local() => Scope::Link,
        IpAddr::V6(ip) if ip.is_unique_local() => Scope::Site,
        _ => Scope::Global,
    }
}

/// The network an address belongs to.
pub fn network(ip: IpAddr) -> Network {
    match (scope(ip), ip) {
        (Scope::Global, IpAddr::V4(ip)) => Network::V4([ip.octets()[0], ip.octets()[1]]),
        (Scope::Global, IpAddr::V6(ip)) => {
            let octets = ip.octets();
            Network::V6([octets[0], octets[1], octets[2], octets[3]])
        }
        _ => Network::Local,
    }
}

/// All that one customer of a global network has: an IPv4 address, or an IPv6 /64, named by its first address. In
/// narrower scopes, where a whole local network is one /64, every address is its own.
pub fn host(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(v6) if scope(ip) == Scope::Global => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        other => other,
    }
}

/// The addresses that usually belong to one subscriber line, firm or rack, named by the first: an IPv4 /24, or an IPv6
/// /48 (RFC 6177).
pub fn neighbourhood(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits() >> 8 << 8).into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 80 << 80).into(),
    }
}

/// Whether a peer can live at this address: one host, not a reserved or well-known place.
pub fn is_possible(address: SocketAddr) -> bool {
    address.port() >= NAMED_PORT_MIN
        && match address.ip() {
            IpAddr::V4(ip) => is_possible_v4(ip),
            IpAddr::V6(ip) => is_possible_v6(ip),
        }
}

/// Whether `name` may be believed to be a peer when somebody at `source` says so, or be told to `source`: the two rules
/// are one. Narrower scopes mean something else there than here, and link scopes differ on every interface.
pub fn makes_sense_to(name: SocketAddr, source: SocketAddr) -> bool {
    is_possible(name) && reaches(scope(name.ip()), scope(source.ip()))
}

/// Whether an address of one scope means anything to who lives in another.
pub fn reaches(name: Scope, source: Scope) -> bool {
    name != Scope::Link && name >= source
}

/// RFC 6598, addresses between a provider and its customers.
fn is_shared(ip: Ipv4Addr) -> bool {
    let octets = ip.octets();
    octets[0] == 100 && octets[1] & 0xc0 == 64
}

fn is_possible_v4(ip: Ipv4Addr) -> bool {
    let first = ip.octets()[0];
    // 0/8 is "this network", 224/4 multicast, 240/4 reserved with the broadcast address at its end.
    first != 0 && first < 224
}

fn is_possible_v6(ip: Ipv6Addr) -> bool {
    // 0::/16 is reserved (RFC 4291, section 4), but for loopback: nobody's address, or a second name for an IPv4 one.
    (ip.segments()[0] != 0 || ip.is_loopback()) && !ip.is_multicast()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn mapped_addresses_become_plain_and_scopes_stay_only_on_link_local_ones() {
        assert_eq!(plain(address("[::ffff:192.0.2.1]:24254")), address("192.0.2.1:24254"));
        assert_eq!(plain(address("[2001:db8::1%3]:24254")), address("[2001:db8::1]:24254"));
        assert_eq!(plain(address("[fe80::1%3]:24254")), address("[fe80::1%3]:24254"));
    }

    #[test]
    fn the_address_that_stands_for_a_network_is_in_it() {
        for ip in ["203.0.113.1", "2001:db8:7::1", "10.0.0.1", "fe80::1"] {
            let network = network(ip.parse().unwrap());
            assert_eq!(super::network(network.first().ip()), network, "{ip}");
        }
    }

    #[test]
    fn an_ipv6_customer_has_a_whole_64_and_a_local_neighbour_one_address() {
        let same = |a: &str, b: &str| host(a.parse().unwrap()) == host(b.parse().unwrap());
        assert!(same("2001:db8:0:7::1", "2001:db8:0:7:ffff::2"));
        assert!(!same("2001:db8:0:7::1", "2001:db8:0:8::1"));
        assert!(!same("fe80::1", "fe80::2") && !same("fd00::1", "fd00::2"));
        assert!(!same("203.0.113.1", "203.0.113.2"));
    }

    #[test]
    fn only_what_reaches_the_listener_makes_sense_to_it() {
        let world = address("203.0.113.1:24254");
        let site = address("192.168.1.2:24254");
        let host = address("127.0.0.1:24254");
        for (name, to_world, to_site, to_host) in [
            ("8.8.8.8:24254", true, true, true),
            ("10.1.2.3:24254", false, true, true),
            ("100.64.0.1:24254", false, true, true),
            ("[fd00::1]:24254", false, true, true),
            ("127.0.0.2:24254", false, false, true),
            ("[fe80::1]:24254", false, false, false),
            ("169.254.1.1:24254", false, false, false),
            ("8.8.8.8:53", false, false, false),
            ("224.0.0.1:24254", false, false, false),
            ("255.255.255.255:24254", false, false, false),
            ("0.0.0.0:24254", false, false, false),
            ("[ff02::1]:24254", false, false, false),
            ("[::]:24254", false, false, false),
            ("[::ffff:8.8.8.8]:24254", false, false, false),
            ("[::8.8.8.8]:24254", false, false, false),
            ("[::bfff:7f00:1]:24254", false, false, false),
            ("[64:ff9b::808:808]:24254", true, true, true),
        ] {
            let verdicts = [world, site, host].map(|source| makes_sense_to(address(name), source));
            assert_eq!(verdicts, [to_world, to_site, to_host], "{name}");
        }
    }
}
