//! The one UDP socket: how it is bound, and the forms that addresses have on it.
//!
//! By default it speaks IPv6 and IPv4 on one port, and IPv4 alone where the machine has no IPv6. On the former, the
//! system writes IPv4 addresses as `::ffff:192.0.2.1`; nobody outside of this file ever sees that form. What cannot be
//! sent is dropped and counted, as the network would drop it.

use super::arrivals::Arrivals;
use quinn_udp::{Transmit, UdpSocketState};
use socket2::{Domain, Protocol, SockAddr, Socket as RawSocket, Type};
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// How much the system may keep for us while we are busy: about 500 of the largest datagrams usually seen, or 20 ms of
/// a flood. The system may give less.
const RECEIVE_BUFFER_BYTES: usize = 1 << 20;

/// What the socket counts: names as in the status, and what they mean.
pub const COUNTERS: [(&str, &str); 2] = [
    ("send_errors", "Datagrams that the system did not take, for lack of a route for instance."),
    ("receive_errors", "Errors that came instead of a datagram."),
];

/// Errors in a row from the socket before we wait for it to say that it is readable again.
const ERRORS_IN_A_ROW_MAX: usize = 8;

/// Which addresses the socket can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv6, and IPv4 in its mapped form.
    Both,
    /// IPv4 alone.
    V4,
    /// IPv6 alone.
    V6,
}

/// Why there is no socket. Each reads as one sentence.
#[derive(Debug)]
pub enum BindError {
    /// Somebody else has the port.
    PortTaken(u16),
    /// The port is reserved for the administrator.
    PortForbidden(u16),
    /// The address is not one of this machine.
    NotOurs(IpAddr),
    /// Anything else, and the address that was asked for.
    Other(Option<IpAddr>, io::Error),
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PortTaken(port) => write!(
                f,
                "UDP port {port} is already in use, perhaps by another node (choose another with --port, or any free \
                 one with --port 0)"
            ),
            Self::PortForbidden(port) => {
                write!(f, "the system does not let us use UDP port {port} (choose one above 1023 with --port)")
            }
            Self::NotOurs(ip) => write!(f, "{ip} is not an address of this machine (choose another with --bind)"),
            Self::Other(Some(ip), error) => write!(f, "cannot open a UDP socket on {ip}: {error}"),
            Self::Other(None, error) => write!(f, "cannot open a UDP socket: {error}"),
        }
    }
}

impl std::error::Error for BindError {}

/// Opens a UDP socket on `port` (0 for any free one) of `ip`, or of all addresses of this machine. It does not block.
///
/// # Errors
/// [`BindError`].
pub fn bind(ip: Option<IpAddr>, port: u16) -> Result<(std::net::UdpSocket, Family), BindError> {
    let bound = match ip {
        None => match open(Ipv6Addr::UNSPECIFIED.into(), port, Family::Both) {
            Err(error) if is_without_ipv6(&error) => open(Ipv4Addr::UNSPECIFIED.into(), port, Family::V4),
            other => other,
        },
        Some(ip) if ip.is_ipv4() => open(ip, port, Family::V4),
        Some(ip) if ip.is_unspecified() => open(ip, port, Family::Both),
        Some(ip) => open(ip, port, Family::V6),
    };
    bound.map_err(|error| match (error.kind(), ip) {
        (io::ErrorKind::AddrInUse, _) => BindError::PortTaken(port),
        (io::ErrorKind::PermissionDenied, _) => BindError::PortForbidden(port),
        (io::ErrorKind::AddrNotAvailable, Some(ip)) => BindError::NotOurs(ip),
        _ => BindError::Other(ip, error),
    })
}

/// A taken or forbidden port is the same on IPv4; everything else may be the lack of IPv6, in one of its many forms.
fn is_without_ipv6(error: &io::Error) -> bool {
    !matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied)
}

fn open(ip: IpAddr, port: u16, family: Family) -> io::Result<(std::net::UdpSocket, Family)> {
    let socket = RawSocket::new(Domain::for_address(SocketAddr::new(ip, port)), Type::DGRAM, Some(Protocol::UDP))?;
    if family != Family::V4 {
        socket.set_only_v6(family == Family::V6)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::from(SocketAddr::new(ip, port)))?;
    // Without it, the node still works, only less well.
    if let Err(error) = socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES) {
        log::debug!("no larger receive buffer on this socket: {error}");
    }
    Ok((socket.into(), family))
}

/// An address in the form that a socket of this family wants; `None` if it cannot reach it.
pub fn native(address: SocketAddr, family: Family) -> Option<SocketAddr> {
    match (address, family) {
        (SocketAddr::V4(v4), Family::Both) => Some(SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port())),
        (SocketAddr::V4(_), Family::V6) | (SocketAddr::V6(_), Family::V4) => None,
        _ => Some(address),
    }
}

/// What the system can do on sockets of this family. Asking forbids fragmentation on the socket that is asked about,
/// and the wild needs fragments, so that is another one.
fn offload(family: Family) -> io::Result<UdpSocketState> {
    let ip: IpAddr = if family == Family::V4 { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let (other, _) = open(ip, 0, family)?;
    UdpSocketState::new((&other).into())
}

/// Asks the system not to take apart what goes together. It is what makes one datagram of those that one question of
/// ours is answered with: 34,000 calls of the system instead of 267,000 for 256 MiB over a link of 1,500 bytes.
#[cfg(target_os = "linux")]
fn keep_together(socket: &std::net::UdpSocket) -> io::Result<()> {
    use nix::sys::socket::{setsockopt, sockopt::UdpGroSegment};
    Ok(setsockopt(socket, UdpGroSegment, &true)?)
}

#[cfg(not(target_os = "linux"))]
fn keep_together(_: &std::net::UdpSocket) -> io::Result<()> {
    Ok(())
}

/// The socket, as the event loop uses it.
#[derive(Debug)]
pub(super) struct Socket {
    udp: mio::net::UdpSocket,
    /// How datagrams are sent and received together, where the system can.
    offload: Option<UdpSocketState>,
    arrivals: Arrivals,
    family: Family,
    /// Datagrams that the system did not take.
    send_errors: u64,
    /// Errors that came instead of a datagram.
    receive_errors: u64,
}

impl Socket {
    pub(super) fn new(socket: std::net::UdpSocket, family: Family) -> Socket {
        let offload = offload(family).ok();
        if offload.is_some()
            && let Err(error) = keep_together(&socket)
        {
            log::debug!("datagrams are received one by one: {error}");
        }
        let (udp, arrivals) = (mio::net::UdpSocket::from_std(socket), Arrivals::default());
        Socket { udp, offload, arrivals, family, send_errors: 0, receive_errors: 0 }
    }

    pub(super) fn family(&self) -> Family {
        self.family
    }

    /// The values of [`COUNTERS`].
    pub(super) fn counters(&self) -> [u64; 2] {
        [self.send_errors, self.receive_errors]
    }

    pub(super) fn udp(&mut self) -> &mut mio::net::UdpSocket {
        &mut self.udp
    }

    /// The next datagram that is there, and its sender.
    pub(super) fn receive(&mut self) -> io::Result<(&[u8], SocketAddr)> {
        if self.arrivals.is_empty()
            && let Err(error) = self.arrivals.fill(&self.udp, self.offload.as_ref())
        {
            if !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) {
                self.receive_errors += 1;
                log::debug!("cannot receive: {error}");
            }
            return Err(error);
        }
        self.arrivals.take().ok_or_else(|| io::ErrorKind::WouldBlock.into())
    }

    /// How many datagrams the system takes at once.
    pub(super) fn batch_max(&self) -> usize {
        self.offload.as_ref().map_or(1, UdpSocketState::max_gso_segments)
    }

    /// Sends `payloads`, datagrams of `segment` bytes each of which the last may be shorter, together; false if the
    /// system did not take them so.
    pub(super) fn send_together(&mut self, to: SocketAddr, segment: usize, payloads: &[u8]) -> bool {
        let (Some(offload), Some(destination)) = (&self.offload, native(to, self.family)) else { return false };
        let transmit =
            Transmit { destination, ecn: None, contents: payloads, segment_size: Some(segment), src_ip: None };
        let sent = offload.try_send((&self.udp).into(), &transmit);
        if let Err(error) = &sent {
            log::debug!("cannot send {} bytes to {to} together: {error}", payloads.len());
        }
        sent.is_ok()
    }

    /// Sends a datagram; false if it did not even leave this machine.
    pub(super) fn send(&mut self, to: SocketAddr, payload: &[u8]) -> bool {
        let sent = match native(to, self.family) {
            Some(native) => self.udp.send_to(payload, native).map(drop),
            None => Err(io::ErrorKind::Unsupported.into()),
        };
        if let Err(error) = &sent {
            self.send_errors += 1;
            log::debug!("cannot send {} bytes to {to}: {error}", payload.len());
        }
        sent.is_ok()
    }
}

/// Whether it is worth asking the socket for the next datagram at once.
#[derive(Debug, Default)]
pub(super) struct Patience {
    errors: usize,
}

impl Patience {
    /// Takes note of what came instead of or as a datagram; false if we should wait for the socket.
    pub(super) fn goes_on<T>(&mut self, received: &io::Result<T>) -> bool {
        match received {
            Ok(_) => self.errors = 0,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            Err(_) => self.errors += 1,
        }
        self.errors < ERRORS_IN_A_ROW_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_errors_in_a_row_make_us_wait_for_the_socket() {
        let error = |kind: io::ErrorKind| Err::<(), _>(kind.into());
        let mut patience = Patience::default();
        for _ in 0..ERRORS_IN_A_ROW_MAX {
            assert!(patience.goes_on(&error(io::ErrorKind::ConnectionRefused)) && patience.goes_on(&Ok(())));
        }
        for _ in 1..ERRORS_IN_A_ROW_MAX {
            assert!(patience.goes_on(&error(io::ErrorKind::ConnectionRefused)));
            assert!(patience.goes_on(&error(io::ErrorKind::Interrupted)));
        }
        assert!(!patience.goes_on(&error(io::ErrorKind::ConnectionRefused)));
        assert!(!Patience::default().goes_on(&error(io::ErrorKind::WouldBlock)));
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn nobody_can_name_a_broadcast_address_and_make_us_call_everybody_there() {
        let (udp, _) = open("127.0.0.1".parse().unwrap(), 0, Family::V4).unwrap();
        let listener = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        assert!(udp.send_to(b"[]", listener.local_addr().unwrap()).is_ok());
        assert!(udp.send_to(b"[]", "127.255.255.255:24254").is_err());
    }

    #[test]
    fn each_family_reaches_its_own() {
        let (v4, v6) = (address("192.0.2.1:5"), address("[2001:db8::1]:5"));
        assert_eq!(native(v4, Family::Both), Some(address("[::ffff:192.0.2.1]:5")));
        assert_eq!(native(v6, Family::Both), Some(v6));
        assert_eq!((native(v4, Family::V4), native(v6, Family::V4)), (Some(v4), None));
        assert_eq!((native(v4, Family::V6), native(v6, Family::V6)), (None, Some(v6)));
    }

    /// What a socket receives that another sends together, and whether it was sent so.
    fn together(ip: IpAddr, to: &str, lengths: &[usize]) -> (bool, Vec<usize>) {
        let (sender, family) = bind(Some(ip), 0).unwrap();
        let mut sender = Socket::new(sender, family);
        let receiver = std::net::UdpSocket::bind(to).unwrap();
        receiver.set_read_timeout(Some(std::time::Duration::from_secs(2))).unwrap();
        let payloads: Vec<u8> = lengths.iter().enumerate().flat_map(|(n, length)| vec![n as u8; *length]).collect();
        let to = receiver.local_addr().unwrap();
        let is_sent = sender.send_together(to, lengths[0], &payloads);
        let mut buffer = [0; 65_536];
        let mut receive = |n: usize| {
            let length = receiver.recv(&mut buffer).unwrap();
            assert!(buffer[..length].iter().all(|byte| usize::from(*byte) == n));
            length
        };
        let received = if is_sent { (0..lengths.len()).map(&mut receive).collect() } else { Vec::new() };
        (is_sent, received)
    }

    #[test]
    fn what_is_sent_together_arrives_one_by_one_on_every_kind_of_socket() {
        let lengths = [&[1_440; 40][..], &[700]].concat();
        for (ip, to) in [("127.0.0.1", "127.0.0.1:0"), ("::", "127.0.0.1:0"), ("::", "[::1]:0"), ("::1", "[::1]:0")] {
            let (sender, family) = bind(Some(ip.parse().unwrap()), 0).unwrap();
            if Socket::new(sender, family).batch_max() > 1 {
                let (is_sent, received) = together(ip.parse().unwrap(), to, &lengths);
                assert!(is_sent && received == lengths, "{ip} {to}: {received:?}");
            }
        }
    }

    /// The datagrams that a socket hands out, `count` or until none comes for two seconds: what each begins with, how
    /// long it is, and whether it is of `from`; and how many the first call of the system brought.
    fn received(socket: &mut Socket, from: SocketAddr, count: usize) -> (Vec<(u8, usize, bool)>, usize) {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let (mut all, mut at_once) = (Vec::new(), 0);
        while all.len() < count {
            let patience = Timespec { tv_sec: 2, tv_nsec: 0 };
            if poll(&mut [PollFd::new(&socket.udp, PollFlags::IN)], Some(&patience)).unwrap() == 0 {
                break;
            }
            while let Ok((datagram, sender)) = socket.receive() {
                assert!(datagram.iter().all(|byte| *byte == datagram[0]), "pieces are not mixed up");
                all.push((datagram[0], datagram.len(), sender == from));
                if at_once == 0 && socket.arrivals.is_empty() {
                    at_once = all.len();
                }
            }
        }
        assert_eq!(socket.receive_errors, 0);
        (all, at_once)
    }

    #[test]
    fn what_arrives_together_is_received_one_by_one_on_every_kind_of_socket() {
        let lengths = [&[1_200; 40][..], &[700]].concat();
        let payloads: Vec<u8> = lengths.iter().enumerate().flat_map(|(n, length)| vec![n as u8; *length]).collect();
        for (ip, at) in [("127.0.0.1", "127.0.0.1"), ("::", "127.0.0.1"), ("::", "::1"), ("::1", "::1")] {
            let (sender, family) = bind(Some(at.parse().unwrap()), 0).unwrap();
            let from = sender.local_addr().unwrap();
            let mut sender = Socket::new(sender, family);
            let (receiver, family) = bind(Some(ip.parse().unwrap()), 0).unwrap();
            let to = SocketAddr::new(at.parse().unwrap(), receiver.local_addr().unwrap().port());
            let can_keep = keep_together(&receiver).is_ok() && cfg!(target_os = "linux");
            let mut receiver = Socket::new(receiver, family);
            if sender.batch_max() == 1 {
                continue;
            }
            assert!(sender.send_together(to, lengths[0], &payloads) && sender.send(to, &[99; 5]));
            let expected = lengths.iter().enumerate().map(|(n, length)| (n as u8, *length, true));
            let expected: Vec<_> = expected.chain([(99, 5, true)]).collect();
            let (all, at_once) = received(&mut receiver, from, expected.len());
            assert_eq!(all, expected, "{ip} {at}");
            // One by one, a call brings a buffer full each.
            assert!(!can_keep || at_once >= lengths.len(), "{ip} {at}: {at_once} kept together");
        }
    }

    #[test]
    fn the_longest_datagram_there_is_is_not_cut_off() {
        // The length of IPv6 does not count its own header: 20 bytes more than IPv4 allows, and than we accept.
        let longest = usize::from(u16::MAX) - 8;
        let sender = std::net::UdpSocket::bind("[::1]:0").unwrap();
        let (receiver, family) = bind(Some("::1".parse().unwrap()), 0).unwrap();
        let to = receiver.local_addr().unwrap();
        let mut receiver = Socket::new(receiver, family);
        sender.send_to(&vec![1; longest], to).unwrap();
        sender.send_to(&[2; 3], to).unwrap();
        let (all, _) = received(&mut receiver, sender.local_addr().unwrap(), 2);
        assert_eq!(all, [(1, longest, true), (2, 3, true)]);
        assert!(longest > crate::wire::DATAGRAM_MAX_BYTES, "so that it is counted as too long");
    }

    #[test]
    fn fragments_are_still_allowed() {
        use nix::sys::socket::{getsockopt, sockopt::Ipv6DontFrag};
        use rustix::net::sockopt::{Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, ip_mtu_discover, ipv6_mtu_discover};
        let (socket, family) = bind(Some(Ipv4Addr::LOCALHOST.into()), 0).unwrap();
        let before = ip_mtu_discover(&socket).unwrap();
        let socket = Socket::new(socket, family);
        assert_eq!(ip_mtu_discover(&socket.udp).unwrap(), before);
        assert!(before != Ipv4PathMtuDiscovery::PROBE && before != Ipv4PathMtuDiscovery::DO);
        let (socket, family) = bind(Some(Ipv6Addr::UNSPECIFIED.into()), 0).unwrap();
        let before = ipv6_mtu_discover(&socket).unwrap();
        let socket = Socket::new(socket, family);
        assert_eq!(ipv6_mtu_discover(&socket.udp).unwrap(), before);
        assert!(before != Ipv6PathMtuDiscovery::PROBE && before != Ipv6PathMtuDiscovery::DO);
        assert!(!getsockopt(&socket.udp, Ipv6DontFrag).unwrap());
    }

    #[test]
    fn a_machine_without_ipv6_is_told_from_a_taken_port() {
        use rustix::io::Errno;
        let error = |errno: Errno| io::Error::from_raw_os_error(errno.raw_os_error());
        assert!(
            [Errno::AFNOSUPPORT, Errno::ADDRNOTAVAIL, Errno::INVAL].into_iter().all(|no| is_without_ipv6(&error(no)))
        );
        assert!([Errno::ADDRINUSE, Errno::ACCESS].into_iter().all(|no| !is_without_ipv6(&error(no))));
    }

    #[test]
    fn a_taken_port_is_named_with_the_way_out() {
        let loopback = Some(Ipv4Addr::LOCALHOST.into());
        let (first, _) = bind(loopback, 0).unwrap();
        let port = first.local_addr().unwrap().port();
        let error = bind(loopback, port).unwrap_err().to_string();
        assert!(error.contains(&port.to_string()) && error.contains("--port"), "{error}");
        let error = bind(None, port).unwrap_err().to_string();
        assert!(error.contains(&port.to_string()) && error.contains("--port"), "{error}");
    }

    #[test]
    fn an_address_of_another_machine_is_named_with_the_way_out() {
        let error = bind(Some(Ipv4Addr::new(192, 0, 2, 1).into()), 0).unwrap_err().to_string();
        assert!(error.contains("192.0.2.1") && error.contains("--bind"), "{error}");
    }
}
