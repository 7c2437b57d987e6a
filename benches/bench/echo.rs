//! The bare loop that a node is measured against: mio, the node's own socket with all its options, and nothing else.

use cjp2p_node::event_loop::bind;
use cjp2p_node::wire::DATAGRAM_MAX_BYTES;
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use std::io::{ErrorKind, Write};

/// Binds, prints the port, and sends everything back until killed.
pub fn run() {
    let (socket, _) = bind(None, 0).unwrap();
    let port = socket.local_addr().unwrap().port();
    let mut socket = UdpSocket::from_std(socket);
    let mut poll = Poll::new().unwrap();
    poll.registry().register(&mut socket, Token(0), Interest::READABLE).unwrap();
    println!("{port}");
    std::io::stdout().flush().unwrap();
    let mut events = Events::with_capacity(64);
    let mut buffer = vec![0; DATAGRAM_MAX_BYTES + 1];
    loop {
        poll.poll(&mut events, None).unwrap();
        loop {
            match socket.recv_from(&mut buffer) {
                Ok((length, from)) => _ = socket.send_to(&buffer[..length], from),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => {}
            }
        }
    }
}
