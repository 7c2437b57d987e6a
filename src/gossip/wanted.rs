//! Lines that others have and we do not: whom to ask, and when again.
//!
//! A line that is not delivered is asked for again after growing pauses, of another who has it if there is one; after
//! [`TRIES_MAX`] it is forgotten until somebody offers it anew. So who offers what does not exist is asked
//! [`TRIES_MAX`] times in half a minute, and nobody else is.

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

/// How long the first answer may take, doubled each time: twice a long round trip.
const PATIENCE: Duration = Duration::from_millis(600);

#[derive(Debug)]
struct Want {
    id: LineId,
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
        let alike = self.wants.iter().filter(|want| want.holders.first() == Some(&from)).count();
        if self.wants.len() < WANTED_MAX && alike < WANTED_OF_ONE_MAX {
            self.wants.push(Want { id, holders: vec![from], tries: 0, due: now });
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
            let holder = want.holders.get(want.tries as usize % want.holders.len().max(1));
            asked.extend(holder.map(|holder| (*holder, want.id)));
            want.due = now + PATIENCE * (1 << want.tries);
            want.tries += 1;
            true
        });
        asked
    }
}
