//! A socket of our own to speak with any node from the outside, and the clock that goes with it.
//!
//! It speaks with one address and hears no other. It is no node: it keeps nothing and answers nobody.

use super::Failure;
use super::address::resolve;
use super::options::Arguments;
use cjp2p_node::event_loop::{bind, native};
use cjp2p_node::peers::address::plain;
use cjp2p_node::terminal::printable;
use cjp2p_node::wire::{DATAGRAM_MAX_BYTES, Message, decode};
use serde_json::value::RawValue;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// The shortest wait that the system understands.
const WAIT_MIN: Duration = Duration::from_micros(1);

/// A socket and the one address it speaks with.
pub(super) struct Probe {
    socket: UdpSocket,
    native: SocketAddr,
    /// The address, in its plain form.
    pub(super) peer: SocketAddr,
    buffer: Vec<u8>,
}

impl Probe {
    /// Opens a socket for speaking with the node at `address`, which may be a name.
    pub(super) fn open(arguments: &Arguments, address: &str) -> Result<Probe, Failure> {
        let addresses = resolve(address)?;
        if addresses.iter().any(|address| address.port() == 0) {
            return Err(Failure::Mistake("nobody can listen on port 0, so nothing can be sent there".to_owned()));
        }
        let (socket, family) = bind(arguments.bind, arguments.port.unwrap_or(0)).map_err(Failure::impossible)?;
        socket.set_nonblocking(false).map_err(Failure::impossible)?;
        let reachable = addresses.iter().find_map(|peer| Some((*peer, native(*peer, family)?)));
        let (peer, native) = reachable.ok_or_else(|| {
            Failure::Impossible(format!("there is no way to {} from here (see --bind)", printable(address, usize::MAX)))
        })?;
        Ok(Probe { socket, native, peer, buffer: vec![0; DATAGRAM_MAX_BYTES] })
    }

    pub(super) fn send(&self, datagram: &[u8]) -> Result<(), Failure> {
        match self.socket.send_to(datagram, self.native) {
            Ok(_) => Ok(()),
            Err(error) => Err(Failure::Impossible(format!("cannot send to {}: {error}", self.peer))),
        }
    }

    /// The next datagram from the peer; `None` if there is none by `deadline`, or a signal arrived.
    pub(super) fn receive(&mut self, deadline: Instant) -> Result<Option<&[u8]>, Failure> {
        loop {
            let left = deadline.saturating_duration_since(now());
            if left.is_zero() {
                return Ok(None);
            }
            self.socket.set_read_timeout(Some(left.max(WAIT_MIN))).map_err(Failure::impossible)?;
            match self.socket.recv_from(&mut self.buffer) {
                Ok((length, from)) if plain(from) == self.peer => return Ok(Some(&self.buffer[..length])),
                Ok(_) => {}
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted => {
                        return Ok(None);
                    }
                    _ => return Err(Failure::Impossible(format!("cannot receive: {error}"))),
                },
            }
        }
    }
}

/// The token that a datagram asks for, as the JSON text to be returned.
pub(super) fn token(datagram: &[u8]) -> Option<Box<RawValue>> {
    let decoded = decode(datagram).ok()?;
    decoded.messages.iter().find_map(|message| match message {
        Message::PleaseAlwaysReturnThisMessage(token) => Some(token.0.to_owned()),
        _ => None,
    })
}

#[expect(clippy::disallowed_methods, reason = "a command that measures needs a clock of its own")]
pub(super) fn now() -> Instant {
    Instant::now()
}
