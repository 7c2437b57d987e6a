//! The neighbours whose path we keep open, and when each has to hear from us.
//!
//! A NAT forgets a path that is silent for 30 s (RFC 4787 asks for two minutes, many devices do less). A link is a peer
//! with whom a small probe and its answer are exchanged every 20 s; whoever is the first to find it silent sends the
//! probe, and for the other side it then is not silent any more. So a link costs the same whether one side wants it or both.
//!
//! We want between [`LINKS_LOW`] and [`LINKS_HIGH`] of them. A node that has enough lets go of one that it keeps open
//! itself, no more often than once a minute, and the other side takes over if it needs to.

use crate::time::Time;
use rand::{Rng, RngExt};
use std::net::SocketAddr;
use std::time::Duration;

/// With fewer links than this we open more. One more than the five that a settled node should always have.
pub const LINKS_LOW: usize = 6;

/// With more links than this we let go of some. 7 links cost about 7 MB a day.
pub const LINKS_HIGH: usize = 8;

/// How many links are watched at most; further peers that probe us are answered like anybody.
pub const LINKS_MAX: usize = 24;

/// A link that was silent for this long, and up to [`PATIENCE_MAX`] more, is probed. Three probes then fit before a NAT
/// forgets after 30 s.
pub const PROBE_AFTER: Duration = Duration::from_secs(19);

/// Each side of a link draws its own patience, so that they do not both probe at the same moment every time.
pub const PATIENCE_MAX: Duration = Duration::from_secs(2);

/// The pause between probes of a link that does not answer.
pub const PROBE_AGAIN_AFTER: Duration = Duration::from_secs(3);

/// A peer that leaves this many probes in a row unanswered is dead.
pub const PROBES_MAX: u8 = 5;

/// A link that the other side kept open and that was silent for this long has been let go of: the other side would have
/// probed three times. We keep it open from then on if we have too few, before a NAT forgets it.
pub const LET_GO_AFTER: Duration = Duration::from_secs(27);

/// The pause between two links we let go of, so that a node and its neighbours do not all let go at once.
pub const RELEASE_PAUSE: Duration = Duration::from_secs(60);

/// A path to a neighbour.
#[derive(Clone, Debug)]
pub struct Link {
    /// The neighbour.
    pub address: SocketAddr,
    /// Whether we probe it when it is silent.
    pub is_kept: bool,
    /// When it was last heard.
    pub heard: Time,
    /// When it was last probed without an answer since.
    pub probed: Option<Time>,
    /// How many probes in a row it left unanswered.
    pub unanswered: u8,
    /// How much longer than [`PROBE_AFTER`] we leave it silent.
    patience: Duration,
}

impl Link {
    /// When something has to be done about the link.
    pub fn due(&self) -> Time {
        match (self.is_kept, self.probed) {
            (true, Some(probed)) => probed + PROBE_AGAIN_AFTER,
            (true, None) => self.heard + PROBE_AFTER + self.patience,
            (false, _) => self.heard + LET_GO_AFTER,
        }
    }
}

/// The links of a node.
#[derive(Debug, Default)]
pub struct Links {
    links: Vec<Link>,
    released: Time,
}

impl Links {
    /// How many links there are.
    pub fn len(&self) -> usize {
        self.links.len()
    }

    /// True if there is no link.
    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// All links.
    pub fn iter(&self) -> impl Iterator<Item = &Link> {
        self.links.iter()
    }

    /// Whether there is a link to `address`.
    pub fn contains(&self, address: SocketAddr) -> bool {
        self.links.iter().any(|link| link.address == address)
    }

    /// The neighbour was heard.
    pub fn heard(&mut self, now: Time, address: SocketAddr) {
        if let Some(link) = self.get_mut(address) {
            link.heard = now;
            link.probed = None;
            link.unanswered = 0;
        }
    }

    /// A peer keeps the path to us open, or we begin to (`is_kept`). Says whether there is a link now.
    pub fn open(&mut self, now: Time, address: SocketAddr, is_kept: bool, rng: &mut impl Rng) -> bool {
        if let Some(link) = self.get_mut(address) {
            link.is_kept |= is_kept;
            return true;
        }
        let has_room = self.links.len() < LINKS_MAX;
        if has_room {
            let patience = Duration::from_millis(rng.random_range(0..PATIENCE_MAX.as_millis() as u64));
            self.links.push(Link { address, is_kept, heard: now, probed: None, unanswered: 0, patience });
        }
        has_room
    }

    /// The link was probed.
    pub fn probed(&mut self, now: Time, address: SocketAddr) {
        if let Some(link) = self.get_mut(address) {
            link.probed = Some(now);
            link.unanswered = link.unanswered.saturating_add(1);
        }
    }

    /// Makes every link due at once, with all its probes before it.
    pub fn doubt_all(&mut self) {
        for link in &mut self.links {
            link.is_kept = true;
            link.probed = Some(Time::default());
            link.unanswered = 0;
        }
    }

    /// Takes a link out.
    pub fn remove(&mut self, address: SocketAddr) {
        self.links.retain(|link| link.address != address);
    }

    /// Lets go of one link that we keep open if there are too many, not too often.
    pub fn release_one(&mut self, now: Time) {
        if self.links.len() <= LINKS_HIGH || now.since(self.released) < RELEASE_PAUSE {
            return;
        }
        if let Some(link) = self.links.iter_mut().rev().find(|link| link.is_kept && link.probed.is_none()) {
            link.is_kept = false;
            self.released = now;
        }
    }

    /// Settles the links that the other side has let go of: kept open by us if there are too few, else given up.
    pub fn settle(&mut self, now: Time) {
        let mut needed =
            LINKS_LOW.saturating_sub(self.links.iter().filter(|link| link.is_kept || link.due() > now).count());
        self.links.retain_mut(|link| {
            if !link.is_kept && link.due() <= now && needed > 0 {
                link.is_kept = true;
                needed -= 1;
            }
            link.is_kept || link.due() > now
        });
    }

    /// When the next link is due.
    pub fn due(&self) -> Option<Time> {
        self.links.iter().map(Link::due).min()
    }

    fn get_mut(&mut self, address: SocketAddr) -> Option<&mut Link> {
        self.links.iter_mut().find(|link| link.address == address)
    }
}
