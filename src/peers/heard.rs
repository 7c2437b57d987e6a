//! Addresses we have heard of: hints, not peers. Each is tried a few times and then forgotten, or proves itself.
//!
//! Who names addresses decides how much room they get: each source network has its own share, so a liar can only crowd
//! out itself, and ten networks of liars other names, but neither the user's nor those who write to us. Newcomers are
//! turned away while there is no room, except that the user's latest, and the latest to write to us, take the place of
//! the one of their kind that has waited longest. Nothing in this table is ever passed on.

use super::address::Network;
use crate::hash::Key;
use crate::sizes::Size;
use crate::time::Time;
use crate::tokens::{Cookie, Owed};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

/// How many addresses may wait here: a few full `Peers` answers from each of many sources; about 100 KiB.
pub const HEARD_MAX: usize = 1_024;

/// How many of them one source network may have named: two `Peers` answers of 46. Further names are ignored until
/// earlier ones were tried.
pub const HEARD_PER_SOURCE_MAX: usize = 92;

/// How many of them peers may have named, from however many networks: the rest is kept for the user, for those who
/// write to us themselves, and for what is remembered.
pub const HEARD_NAMED_MAX: usize = HEARD_MAX - 3 * HEARD_PER_SOURCE_MAX;

/// How often an address is tried before it is dropped. With a tenth of all datagrams lost each way, five tries fail for
/// one live address in 4,000. All five fit into the first minute, and no more are allowed there.
pub const TRIES_MAX: u8 = 5;

/// An address to which nothing can be sent (no network, no IPv6) is tried again no sooner than this.
pub const UNSENT_PAUSE: Duration = Duration::from_secs(60);

/// An address that was not tried for this long is stale news: we did not need it.
pub const WAIT_MAX: Duration = Duration::from_secs(600);

/// Who named an address, the most trusted first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The user, or the built-in list.
    Configuration,
    /// The address itself, by knocking or by answering a call to the local network.
    Itself,
    /// An earlier run: most such addresses are stale after a while.
    Remembered,
    /// A peer in this network.
    Peer(Network),
    /// Somebody in the name of an address that we have asked, without proof of reading what is sent there.
    Hearsay,
}

/// An address that we have heard of.
#[derive(Clone, Debug)]
pub struct Heard {
    /// The address.
    pub address: SocketAddr,
    /// Who named it.
    pub source: Source,
    /// How often it was tried.
    pub tries: u8,
    /// When it was heard of.
    since: Time,
    /// When it was tried last, or else when it was heard of.
    pub touched: Time,
    /// Whether the last try could not be sent at all: there is no way there at present.
    pub is_unsent: bool,
    /// The token it asked us to return.
    pub owed: Option<Owed>,
    /// The probe of the last try; whoever returns it from this address has proved to read what is sent there.
    pub probe: Option<Cookie>,
}

impl Heard {
    /// Whether we mean to try it even if we need nobody: the user named it, it wrote to us, or we remember it.
    pub fn is_urgent(&self) -> bool {
        !self.is_named()
    }

    /// Whether others named it.
    pub fn is_named(&self) -> bool {
        is_named(self.source)
    }

    /// Whether the next try is due: at once, then 2, 4, 8 and 16 s after the one before. Who wrote to us is given a
    /// second to come back by itself.
    pub fn is_due(&self, now: Time) -> bool {
        if self.is_unsent {
            return now.since(self.touched) >= UNSENT_PAUSE;
        }
        let is_first = self.tries == 0 && self.source != Source::Itself;
        is_first || now.since(self.touched) >= Duration::from_secs(1 << self.tries.min(4))
    }

    /// Whether it has had its chances. A name to which there is no way at present keeps no place from others: it will
    /// be named again.
    fn is_spent(&self, now: Time) -> bool {
        let is_stuck = self.is_unsent && (self.is_named() || now.since(self.since) >= WAIT_MAX);
        is_stuck || now.since(self.touched) >= WAIT_MAX || self.tries >= TRIES_MAX && self.is_due(now)
    }
}

/// Whether addresses of this source were named by others.
fn is_named(source: Source) -> bool {
    matches!(source, Source::Peer(_) | Source::Hearsay)
}

/// The addresses we have heard of.
#[derive(Debug)]
pub struct HeardTable {
    entries: Vec<Heard>,
    places: HashMap<SocketAddr, usize, Key>,
    shares: HashMap<Source, usize, Key>,
}

impl HeardTable {
    /// An empty table.
    pub fn new(key: Key) -> HeardTable {
        HeardTable { entries: Vec::new(), places: HashMap::with_hasher(key), shares: HashMap::with_hasher(key) }
    }

    /// Adds an address that is not in the table yet. Says no if the share of its source is full, or the room for names
    /// from peers; nothing makes room but time.
    pub fn insert(&mut self, now: Time, address: SocketAddr, source: Source) -> bool {
        let share = self.share(source);
        let others = [Source::Configuration, Source::Itself, Source::Remembered].map(|source| self.share(source));
        let named = self.entries.len() - others.iter().sum::<usize>();
        let is_crowded = is_named(source) && named >= HEARD_NAMED_MAX;
        let is_full = is_crowded || self.entries.len() >= HEARD_MAX || share >= HEARD_PER_SOURCE_MAX;
        if is_full || self.places.contains_key(&address) {
            return false;
        }
        self.places.insert(address, self.entries.len());
        let (since, touched) = (now, now);
        self.entries.push(Heard {
            address,
            source,
            tries: 0,
            since,
            touched,
            is_unsent: false,
            owed: None,
            probe: None,
        });
        self.shares.insert(source, share + 1);
        true
    }

    /// How many addresses a source has named that are still here.
    fn share(&self, source: Source) -> usize {
        self.shares.get(&source).copied().unwrap_or(0)
    }

    /// Adds an address that must have a place: one that wrote to us, or that the user named just now. If its source has
    /// used up its share, the one that has waited longest goes: whoever can forge a hundred sources must not keep
    /// everybody else from being answered, nor a hundred dead addresses the user from being obeyed.
    pub fn insert_latest(&mut self, now: Time, address: SocketAddr, source: Source) -> bool {
        if self.share(source) >= HEARD_PER_SOURCE_MAX {
            let alike = self.entries.iter().filter(|heard| heard.source == source);
            if let Some(oldest) = alike.min_by_key(|heard| heard.touched).map(|heard| heard.address) {
                self.remove(oldest);
            }
        }
        self.insert(now, address, source)
    }

    /// Makes an address the user's, whoever named it before; what it told us of itself is kept.
    pub fn adopt(&mut self, now: Time, address: SocketAddr) {
        let earlier = self.remove(address);
        self.insert_latest(now, address, Source::Configuration);
        if let (Some(heard), Some(earlier)) = (self.get_mut(address), earlier) {
            (heard.owed, heard.probe) = (earlier.owed, earlier.probe);
        }
    }

    /// The last try could not be sent. It does not count, and the next one waits for [`UNSENT_PAUSE`].
    pub fn unsent(&mut self, address: SocketAddr) {
        if let Some(heard) = self.get_mut(address) {
            heard.tries = heard.tries.saturating_sub(1);
            heard.is_unsent = true;
        }
    }

    /// There may be a way now where there was none.
    pub fn hope(&mut self) {
        self.entries.iter_mut().for_each(|heard| heard.is_unsent = false);
    }

    /// The entry of an address.
    pub fn get_mut(&mut self, address: SocketAddr) -> Option<&mut Heard> {
        self.places.get(&address).and_then(|place| self.entries.get_mut(*place))
    }

    /// Whether an address is in the table.
    pub fn contains(&self, address: SocketAddr) -> bool {
        self.places.contains_key(&address)
    }

    /// Takes an address out.
    pub fn remove(&mut self, address: SocketAddr) -> Option<Heard> {
        let place = self.places.remove(&address)?;
        let heard = self.entries.swap_remove(place);
        if let Some(moved) = self.entries.get(place) {
            self.places.insert(moved.address, place);
        }
        if let Some(share) = self.shares.get_mut(&heard.source) {
            *share -= 1;
            if *share == 0 {
                self.shares.remove(&heard.source);
            }
        }
        Some(heard)
    }

    /// Takes out what has had its chances, or has kept its place for long enough, and returns the addresses of the
    /// former. One to which there is no way has had none.
    pub fn expire(&mut self, now: Time) -> Vec<SocketAddr> {
        let spent: Vec<SocketAddr> =
            self.entries.iter().filter(|heard| heard.is_spent(now)).map(|heard| heard.address).collect();
        let spent = spent.into_iter().filter_map(|address| self.remove(address));
        spent.filter(|heard| !heard.is_unsent).map(|heard| heard.address).collect()
    }

    /// How full the table is.
    pub fn sizes(&self) -> [Size; 3] {
        let HeardTable { entries, places, shares } = self;
        [
            Size::new("addresses heard of", entries.len(), HEARD_MAX),
            Size::new("places of addresses heard of", places.len(), HEARD_MAX),
            Size::new("sources of addresses heard of", shares.len(), HEARD_MAX),
        ]
    }

    /// All entries.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Heard> {
        self.entries.iter()
    }
}
