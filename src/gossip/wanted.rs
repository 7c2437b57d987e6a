//! Lines that others have and we do not: whom to ask, and when again.
//!
//! A line that is not delivered is asked for again, soon and then after growing pauses, of two others who have it if
//! there are any; after [`TRIES_MAX`] it is forgotten until somebody offers it anew. So who offers what does not exist
//! is asked [`TRIES_MAX`] times in ten seconds, and nobody else is.

use super::LineId;
use crate::sizes::Size;
use crate::time::Time;
use std::net::SocketAddr;
use std::time::Duration;

/// How many lines are wanted at a time: all that four neighbours may offer who know of nothing in common.
pub const WANTED_MAX: usize = 256;

/// How many of them were offered first by the same neighbour: all that it may hold.
const WANTED_OF_ONE_MAX: usize = super::LINES_MAX;

/// How many of those who have one are remembered.
const HOLDERS_MAX: usize = 4;

/// How often one is asked for.
const TRIES_MAX: u32 = 6;

/// How long the first answers may take: twice a long round trip.
const PATIENCE: Duration = Duration::from_millis(600);

/// After so many tries the pause is doubled each time. With a tenth of all datagrams lost a fifth of the tries fails;
/// with three soon, two of which ask two holders, one in four thousand is not answered within two seconds.
const HURRIED_TRIES: u32 = 3;

#[derive(Debug)]
struct Want {
    id: LineId,
    /// Who offered it first.
    first: SocketAddr,
    holders: Vec<SocketAddr>,
    tries: u32,
    due: Time,
}

/// The lines that are wanted.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    wants: Vec<Want>,
}

impl Wanted {
    pub(super) fn size(&self) -> Size {
        Size::new("lines of group chat wanted", self.wants.len(), WANTED_MAX)
    }

    /// Somebody has a line that is wanted. If too many are, it has to be offered again later.
    pub(super) fn add(&mut self, now: Time, id: LineId, from: SocketAddr) {
        if let Some(want) = self.wants.iter_mut().find(|want| want.id == id) {
            if want.holders.len() < HOLDERS_MAX && !want.holders.contains(&from) {
                want.holders.push(from);
            }
            return;
        }
        let alike = self.wants.iter().filter(|want| want.first == from).count();
        if self.wants.len() < WANTED_MAX && alike < WANTED_OF_ONE_MAX {
            self.wants.push(Want { id, first: from, holders: vec![from], tries: 0, due: now });
        }
    }

    /// It has come, or is not wanted any more.
    pub(super) fn remove(&mut self, id: LineId) {
        self.wants.retain(|want| want.id != id);
    }

    pub(super) fn due(&self) -> Option<Time> {
        self.wants.iter().map(|want| want.due).min()
    }

    /// Whom to ask for which now.
    pub(super) fn ask(&mut self, now: Time) -> Vec<(SocketAddr, LineId)> {
        let mut asked = Vec::new();
        self.wants.retain_mut(|want| {
            if want.due > now {
                return true;
            }
            if want.tries >= TRIES_MAX {
                return false;
            }
            // One at first, then two at a time, by turns.
            let count = if want.tries == 0 { 1 } else { want.holders.len().min(2) };
            asked.extend(want.holders.iter().take(count).map(|holder| (*holder, want.id)));
            let turn = count.min(want.holders.len());
            want.holders.rotate_left(turn);
            want.tries += 1;
            want.due = now + PATIENCE * (1 << want.tries.saturating_sub(HURRIED_TRIES));
            true
        });
        asked
    }
}
