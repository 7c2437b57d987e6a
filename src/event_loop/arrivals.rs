//! Datagrams that the system hands over many at a time, and how they are told apart.
//!
//! One call fills several buffers, and each may hold more than one datagram: equally long ones of one sender, which the
//! system keeps together where the sender sent them together on this machine, or a network card brought them at once
//! (UDP receive offload on Linux). Nobody behind this file can tell: each is one datagram, and is handed out alone.

use crate::peers::address::plain;
use quinn_udp::{RecvMeta, UdpSocketState};
use std::array;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;

/// How many buffers one call may fill. It costs 0.95 µs with one datagram, where `recv_from` costs 0.65, and with eight
/// of them 0.54 for each; twice as many would save a twentieth more.
const BUFFERS: usize = 8;

/// What one buffer holds. What is kept together has one UDP header, whose length has 16 bits, so nothing is ever cut
/// off. The system gives us memory only for what was written to: half a mebibyte at most, and hardly any before long
/// datagrams have come in numbers.
const BUFFER_BYTES: usize = 1 << 16;

/// What came and was not handed out yet.
#[derive(Debug)]
pub(super) struct Arrivals {
    /// The buffers, one after the other.
    bytes: Vec<u8>,
    /// What is in each: how many bytes, of whom, and how long each datagram is; the last may be shorter.
    metas: [RecvMeta; BUFFERS],
    /// Which buffers hold something that was not handed out yet, and where in the first of them it begins.
    first: usize,
    end: usize,
    start: usize,
}

impl Default for Arrivals {
    fn default() -> Arrivals {
        let metas = [RecvMeta::default(); BUFFERS];
        Arrivals { bytes: vec![0; BUFFERS * BUFFER_BYTES], metas, first: 0, end: 0, start: 0 }
    }
}

impl Arrivals {
    /// Whether everything was handed out.
    pub(super) fn is_empty(&self) -> bool {
        self.first == self.end
    }

    /// Takes what has come to a socket, in place of what is here.
    ///
    /// # Errors
    /// What the system says instead, `WouldBlock` if nothing has come.
    pub(super) fn fill(&mut self, udp: &mio::net::UdpSocket, offload: Option<&UdpSocketState>) -> io::Result<()> {
        (self.first, self.end, self.start) = (0, 0, 0);
        self.end = match offload {
            Some(offload) => {
                let mut buffers = self.bytes.chunks_exact_mut(BUFFER_BYTES);
                let mut slices: [IoSliceMut; BUFFERS] =
                    array::from_fn(|_| IoSliceMut::new(buffers.next().unwrap_or_default()));
                offload.recv(udp.into(), &mut slices, &mut self.metas)?
            }
            None => {
                let (length, from) = udp.recv_from(&mut self.bytes[..BUFFER_BYTES])?;
                (self.metas[0].len, self.metas[0].stride, self.metas[0].addr) = (length, length, from);
                1
            }
        };
        Ok(())
    }

    /// The next datagram and its sender; an empty one if an empty one came.
    pub(super) fn take(&mut self) -> Option<(&[u8], SocketAddr)> {
        let meta = self.metas[..self.end].get(self.first)?;
        let (end, from) = (meta.len.min(BUFFER_BYTES), plain(meta.addr));
        // Steps of nothing would lead nowhere.
        let until = if meta.stride == 0 { end } else { end.min(self.start.saturating_add(meta.stride)) };
        let base = self.first * BUFFER_BYTES;
        let datagram = base + self.start..base + until;
        (self.first, self.start) = if until == end { (self.first + 1, 0) } else { (self.first, until) };
        Some((&self.bytes[datagram], from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Buffers with so many bytes, datagrams so long, and a sender with such a port; each buffer is full of its number.
    fn arrived(buffers: &[(usize, usize, u16)]) -> Arrivals {
        let mut arrivals = Arrivals { end: buffers.len(), ..Arrivals::default() };
        for (number, (length, stride, port)) in buffers.iter().enumerate() {
            let meta = &mut arrivals.metas[number];
            (meta.len, meta.stride, meta.addr) = (*length, *stride, SocketAddr::from(([127, 0, 0, 1], *port)));
            arrivals.bytes[number * BUFFER_BYTES..][..*length].fill(number as u8);
        }
        arrivals
    }

    /// Everything that is handed out: in which buffer it was, how long it is, and the port it came from.
    fn handed_out(arrivals: &mut Arrivals) -> Vec<(Option<u8>, usize, u16)> {
        let mut all = Vec::new();
        while let Some((datagram, from)) = arrivals.take() {
            assert!(datagram.iter().all(|byte| *byte == datagram[0]) && all.len() < 1_000);
            all.push((datagram.first().copied(), datagram.len(), from.port()));
        }
        assert!(arrivals.is_empty());
        all
    }

    #[test]
    fn what_came_together_is_handed_out_one_by_one_and_the_last_may_be_shorter() {
        let mut arrivals = arrived(&[(250, 100, 1), (300, 100, 2), (7, 7, 3)]);
        assert!(!arrivals.is_empty());
        let first = [(Some(0), 100, 1), (Some(0), 100, 1), (Some(0), 50, 1)];
        let others = [(Some(1), 100, 2), (Some(1), 100, 2), (Some(1), 100, 2), (Some(2), 7, 3)];
        assert_eq!(handed_out(&mut arrivals), [&first[..], &others].concat());
        assert_eq!(handed_out(&mut arrivals), []);
    }

    #[test]
    fn an_empty_datagram_is_one_and_steps_of_nothing_end() {
        let mut arrivals = arrived(&[(0, 0, 1), (9, 0, 2), (0, 5, 3), (5, 9, 4)]);
        assert_eq!(handed_out(&mut arrivals), [(None, 0, 1), (Some(1), 9, 2), (None, 0, 3), (Some(3), 5, 4)]);
    }

    #[test]
    fn every_buffer_can_be_full() {
        let mut arrivals = arrived(&[(BUFFER_BYTES, BUFFER_BYTES - 1, 9); BUFFERS]);
        let both = |number| [(Some(number as u8), BUFFER_BYTES - 1, 9), (Some(number as u8), 1, 9)];
        assert_eq!(handed_out(&mut arrivals), (0..BUFFERS).flat_map(both).collect::<Vec<_>>());
    }
}
