//! Whose turn it is: the sources to look at because something changed, and when to look at the others.
//!
//! A datagram changes matters for one source, and most of the others have either all they can carry or nothing to do.
//! Looking at all of them each time would cost more than everything else.

use crate::sizes::Size;
use crate::sorted::{SortedMap, SortedSet};
use crate::time::Time;
use std::net::SocketAddr;

/// Who is to be looked at, and when. No address is in it twice, and none that is no source.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    stirred: SortedSet<SocketAddr>,
    times: SortedMap<SocketAddr, Time>,
    by_time: SortedSet<(Time, SocketAddr)>,
}

impl Agenda {
    /// Something changed for this source.
    pub(super) fn stir(&mut self, address: SocketAddr) {
        self.stirred.insert(address);
    }

    /// The source is to be looked at then, and not before unless something changes.
    pub(super) fn set(&mut self, address: SocketAddr, due: Option<Time>) {
        let before = match due {
            Some(due) => self.times.insert(address, due),
            None => self.times.remove(&address),
        };
        if before == due {
            return;
        }
        before.map(|before| self.by_time.remove(&(before, address)));
        due.map(|due| self.by_time.insert((due, address)));
    }

    /// Those whose time has come.
    pub(super) fn due(&self, now: Time) -> impl Iterator<Item = SocketAddr> {
        self.by_time.iter().take_while(move |(due, _)| *due <= now).map(|(_, address)| *address)
    }

    /// Everybody whose turn it is. Whoever looks at them says when to look again.
    pub(super) fn take(&mut self, now: Time) -> SortedSet<SocketAddr> {
        let mut turns = std::mem::take(&mut self.stirred);
        turns.extend(self.due(now));
        turns
    }

    /// When it is somebody's turn.
    pub(super) fn next(&self) -> Option<Time> {
        // What has changed already waits for no time.
        let at_once = self.stirred.first().map(|_| Time::default());
        at_once.or_else(|| self.by_time.first().map(|(due, _)| *due))
    }

    /// Forgets those who are no sources any more.
    pub(super) fn retain(&mut self, is_source: impl Fn(&SocketAddr) -> bool) {
        self.stirred.retain(&is_source);
        self.times.retain(|address, _| is_source(address));
        self.by_time.retain(|(_, address)| is_source(address));
    }

    /// How full it is.
    pub(super) fn sizes(&self, most: usize) -> [Size; 2] {
        let Agenda { stirred, times, by_time } = self;
        [
            Size::new("sources to look at", stirred.len(), most),
            Size::new("sources to look at later", times.len().max(by_time.len()), most),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(n: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, n], 24_254))
    }

    fn at(micros: u64) -> Time {
        Time::from_micros(micros)
    }

    #[test]
    fn a_turn_comes_when_something_changed_or_the_time_has_come_and_once_only() {
        let mut agenda = Agenda::default();
        agenda.set(source(1), Some(at(50)));
        agenda.set(source(2), Some(at(30)));
        agenda.set(source(2), Some(at(70)));
        assert_eq!(agenda.next(), Some(at(50)));
        agenda.stir(source(3));
        assert_eq!(agenda.next(), Some(at(0)));
        assert_eq!(agenda.take(at(50)).into_iter().collect::<Vec<_>>(), [source(1), source(3)]);
        agenda.set(source(1), None);
        assert_eq!(agenda.next(), Some(at(70)));
        assert!(agenda.take(at(69)).is_empty());
        agenda.retain(|address| *address != source(2));
        assert_eq!(agenda.next(), None);
    }
}
