//! The local networks: which interfaces there are, whether that has changed, and how to shout into all of them.
//!
//! The list is read anew now and then, not for every shout. When to shout, and what, is the node's business. Loopback
//! is no network, and interfaces that are down are left out.

use super::socket::{Family, Socket, native};
use crate::sorted::{SortedMap, SortedSet};
use crate::wire::PORT;
use if_addrs::{IfAddr, IfOperStatus, Interface};
use socket2::SockRef;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// Ways that are taken at most: 32 interfaces with three each. A machine with more is no neighbour but a router.
const WAYS_MAX: usize = 96;

/// Every node in an IPv4 network that listens to multicast at all.
const ALL_NODES_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);

/// Every node on an IPv6 link.
const ALL_NODES_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// One way into one network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Broadcast(Ipv4Addr),
    /// Over the interface that has this address.
    MulticastV4(Ipv4Addr),
    /// Over the interface of this index.
    MulticastV6(u32),
}

/// The local networks as of the last look.
#[derive(Debug, Default)]
pub(super) struct Lan {
    ways: SortedSet<Way>,
    addresses: SortedSet<IpAddr>,
}

impl Lan {
    /// The interfaces there are.
    pub(super) fn found() -> Lan {
        let mut lan = Lan::default();
        lan.refresh();
        lan
    }

    /// Looks at the interfaces; true if their addresses are not what they were. If the system does not tell, they are.
    pub(super) fn refresh(&mut self) -> bool {
        let interfaces = match if_addrs::get_if_addrs() {
            Ok(interfaces) => interfaces,
            Err(error) => {
                log::debug!("cannot list the interfaces: {error}");
                return false;
            }
        };
        let up = || interfaces.iter().filter(|interface| is_up(interface));
        self.ways = ways(up());
        // An IPv6 link-local address comes and goes with every container, and says nothing about the way to others.
        let addresses = up().filter(|interface| !interface.is_link_local()).map(Interface::ip).collect();
        std::mem::replace(&mut self.addresses, addresses) != self.addresses
    }

    /// Sends a datagram into every local network that this socket reaches.
    pub(super) fn send(&self, socket: &mut Socket, payload: &[u8]) {
        let family = socket.family();
        for way in self.ways.iter().filter(|way| way.is_open_to(family)) {
            let address = match way {
                Way::Broadcast(ip) => {
                    allow_broadcast(socket, true);
                    SocketAddr::new((*ip).into(), PORT)
                }
                Way::MulticastV4(interface) => {
                    if let Err(error) = SockRef::from(&*socket.udp()).set_multicast_if_v4(interface) {
                        log::debug!("cannot reach the network of {interface}: {error}");
                        continue;
                    }
                    SocketAddr::new(ALL_NODES_V4.into(), PORT)
                }
                Way::MulticastV6(index) => SocketAddrV6::new(ALL_NODES_V6, PORT, 0, *index).into(),
            };
            // A shout that nobody hears is followed by another one.
            socket.send(address, payload);
        }
        allow_broadcast(socket, false);
    }
}

/// Broadcast is allowed for our own calls alone, so that the system refuses it to whoever names such an address as a
/// peer's.
fn allow_broadcast(socket: &mut Socket, is_allowed: bool) {
    if let Err(error) = SockRef::from(&*socket.udp()).set_broadcast(is_allowed) {
        log::debug!("no broadcast on this socket: {error}");
    }
}

impl Way {
    fn is_open_to(self, family: Family) -> bool {
        let without = if let Way::MulticastV6(_) = self { Family::V4 } else { Family::V6 };
        family != without
    }
}

/// Whether what is sent to `address` comes to a socket of this family that is bound to `bound`.
pub(super) fn is_own(address: SocketAddr, bound: SocketAddr, family: Family) -> bool {
    let is_ours = |ip: IpAddr| {
        ip.is_loopback() || if_addrs::get_if_addrs().is_ok_and(|all| all.iter().any(|interface| interface.ip() == ip))
    };
    address.port() == bound.port()
        && if bound.ip().is_unspecified() {
            native(address, family).is_some() && is_ours(address.ip())
        } else {
            address.ip() == bound.ip()
        }
}

/// Some systems do not tell the state of some interfaces; those are taken as working.
fn is_up(interface: &Interface) -> bool {
    let is_down = matches!(
        interface.oper_status,
        IfOperStatus::Down | IfOperStatus::NotPresent | IfOperStatus::LowerLayerDown | IfOperStatus::Dormant
    );
    !interface.is_loopback() && !is_down
}

/// The ways into the networks of these interfaces; an interface is in the list once for each of its addresses.
fn ways<'a>(interfaces: impl Iterator<Item = &'a Interface>) -> SortedSet<Way> {
    let mut ways = SortedSet::new();
    let mut first_v4 = SortedMap::new();
    for interface in interfaces {
        match &interface.addr {
            IfAddr::V4(v4) => {
                ways.extend(v4.broadcast.filter(|_| !interface.is_p2p).map(Way::Broadcast));
                first_v4.get_or_insert_with(&interface.name, || v4.ip);
            }
            IfAddr::V6(_) => ways.extend(interface.index.map(Way::MulticastV6)),
        }
    }
    ways.extend(first_v4.values().copied().map(Way::MulticastV4));
    ways.into_iter().take(WAYS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use if_addrs::{Ifv4Addr, Ifv6Addr};

    fn v4(ip: Ipv4Addr, broadcast: Option<Ipv4Addr>) -> Interface {
        let addr = IfAddr::V4(Ifv4Addr { ip, netmask: Ipv4Addr::new(255, 255, 255, 0), prefixlen: 24, broadcast });
        Interface { name: "a".to_owned(), addr, index: Some(7), oper_status: IfOperStatus::Up, is_p2p: false }
    }

    fn ways_of(interfaces: &[Interface]) -> Vec<Way> {
        ways(interfaces.iter()).into_iter().collect()
    }

    #[test]
    fn an_ipv4_network_is_reached_by_broadcast_and_multicast() {
        let (ip, broadcast) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 255));
        let network = v4(ip, Some(broadcast));
        assert_eq!(ways_of(std::slice::from_ref(&network)), [Way::Broadcast(broadcast), Way::MulticastV4(ip)]);
        assert_eq!(ways_of(&[v4(ip, None)]), [Way::MulticastV4(ip)]);
        assert_eq!(ways_of(&[Interface { is_p2p: true, ..network }]), [Way::MulticastV4(ip)]);
    }

    #[test]
    fn an_interface_with_several_addresses_is_shouted_into_once_for_each_network() {
        let (near, far) = (Ipv4Addr::new(192, 0, 2, 255), Ipv4Addr::new(198, 51, 100, 255));
        let first = v4(Ipv4Addr::new(192, 0, 2, 1), Some(near));
        let same = v4(Ipv4Addr::new(192, 0, 2, 2), Some(near));
        let other = v4(Ipv4Addr::new(198, 51, 100, 1), Some(far));
        let expected = [Way::Broadcast(near), Way::Broadcast(far), Way::MulticastV4(Ipv4Addr::new(192, 0, 2, 1))];
        assert_eq!(ways_of(&[first, same, other]), expected);
        let v6 = |ip: &str| Interface {
            addr: IfAddr::V6(Ifv6Addr {
                ip: ip.parse().unwrap(),
                netmask: Ipv6Addr::UNSPECIFIED,
                prefixlen: 64,
                broadcast: None,
            }),
            ..v4(Ipv4Addr::LOCALHOST, None)
        };
        assert_eq!(ways_of(&[v6("2001:db8::1"), v6("fe80::1")]), [Way::MulticastV6(7)]);
    }

    #[test]
    fn our_own_address_is_told_from_all_others() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        for (bound, family, own, others) in [
            ("127.0.0.1:7000", Family::V4, &["127.0.0.1:7000"][..], &["127.0.0.2:7000", "127.0.0.1:7001"][..]),
            ("[::]:7000", Family::Both, &["127.0.0.1:7000", "[::1]:7000"], &["[::1]:7001", "192.0.2.1:7000"]),
            ("0.0.0.0:7000", Family::V4, &["127.0.0.1:7000"], &["[::1]:7000", "203.0.113.1:7000"]),
        ] {
            assert!(own.iter().all(|text| is_own(address(text), address(bound), family)), "{bound}");
            assert!(!others.iter().any(|text| is_own(address(text), address(bound), family)), "{bound}");
        }
    }

    #[test]
    fn loopback_and_interfaces_that_are_down_are_left_out() {
        let network = v4(Ipv4Addr::new(192, 0, 2, 1), None);
        assert!(is_up(&network));
        assert!(is_up(&Interface { oper_status: IfOperStatus::Unknown, ..network.clone() }));
        assert!(!is_up(&Interface { oper_status: IfOperStatus::Down, ..network }));
        assert!(!is_up(&v4(Ipv4Addr::LOCALHOST, None)));
    }
}
