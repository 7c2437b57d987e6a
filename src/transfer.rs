//! Fetching content: from many at once, checked, at the pace that each path carries.
//!
//! ```text
//!  Transfers ── Download (one for each content)
//!      │           ├─ length      whose word on the size is taken
//!      │           ├─ work        who is to deliver what
//!      │           ├─ pieces      which part next
//!      │           ├─ source      what each source has, was asked for, and is worth
//!      │           ├─ checking    what arrived, kept if it is right
//!      │           ├─ assembly    blocks that arrive in parts
//!      │           └─ trial, jury, verdict
//!      │                          whose word counts, where only the whole can be checked
//!      ├─ agenda         whose turn it is
//!      ├─ limit          how much the user lets come in a second
//!      └─ Path (one for each source's address)
//!                  └─ pace, rtt   how much may be on its way
//! ```
//!
//! It is told what arrived and says what to ask whom; it knows no tokens, no datagrams, no peers, and starts nothing by
//! itself: only the user does. What is kept goes through
//! [`Store`](crate::content::Store) and is checked before, as far as it can be. Whoever
//! delivers what is wrong is asked no more.

mod agenda;
mod asking;
mod assembly;
mod checking;
mod download;
mod jury;
mod length;
mod limit;
pub mod pace;
pub mod path;
pub mod pieces;
pub mod rtt;
mod source;
mod taking;
mod trial;
mod verdict;
mod work;

pub use asking::{Ask, Question, RUN_BYTES_MAX, RUN_MAX};
pub use download::SOURCES_MAX;
pub use pieces::Has;
pub use taking::NotKept;

use crate::content::{ContentId, Part, Ranges};
use crate::sizes::Size;
use crate::sorted::SortedMap;
use crate::time::Time;
use crate::wire::DATAGRAM_MAX_BYTES;
use agenda::Agenda;
use download::Download;
use limit::Limit;
use path::Path;
use rand::Rng;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

/// How many contents are fetched at once. Each costs up to 5 MiB while its blocks arrive in parts.
pub const DOWNLOADS_MAX: usize = 4;

/// What names one expected answer: which content, which part of it, where it begins.
type Key = (ContentId, Part, u64);

/// What is there of a content from an earlier attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// How long it is, if that is known.
    pub size: Option<u64>,
    /// What is there of the content: checked, if it can be.
    pub content: Ranges,
    /// What is there of the tree, checked.
    pub tree: Ranges,
}

/// How a download ended, or what is to be done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All of it is there: make it last, check it as a whole if only that is possible, and tell
    /// [`Transfers::settled`].
    Settle {
        /// Which content.
        id: ContentId,
        /// Its size in bytes.
        size: u64,
    },
    /// It was given up. What is there is kept, should the user try again.
    Failed {
        /// Which content.
        id: ContentId,
        /// Why.
        why: Failure,
    },
}

/// Why a download was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nobody who was asked has it.
    NotFound,
    /// Those who have some of it delivered nothing for too long.
    Stalled,
    /// All who have it deliver something else than what its id says.
    Wrong,
    /// There is no room for it.
    Full,
    /// It could not be written.
    Disk,
}

/// How far a download is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Which content.
    pub id: ContentId,
    /// Its size in bytes, once known; a source's word until all is there.
    pub size: Option<u64>,
    /// Bytes of the content that are there.
    pub held: u64,
    /// How many of them lie at the front, without a gap. Those are not written again, unless `revision` changes.
    pub front: u64,
    /// How often what was there has been thrown away.
    pub revision: u32,
    /// How many sources are delivering.
    pub sources: usize,
    /// Bytes a second that arrive at present, all sources together.
    pub rate: u64,
    /// Whether all is there and is being checked and made to last.
    pub is_settling: bool,
}

/// All downloads.
#[derive(Debug, Default)]
pub struct Transfers {
    downloads: SortedMap<ContentId, Download>,
    paths: SortedMap<SocketAddr, Path<Key>>,
    agenda: Agenda,
    limit: Limit,
    outcomes: VecDeque<Outcome>,
    /// Where base64 is decoded, and where blocks are put together.
    scratch: Vec<u8>,
}

impl Transfers {
    /// No downloads; all that will be there ask for `rate` bytes a second at most, headers included, if it is named.
    /// Asking whether somebody has a content, and what of it, is not counted.
    pub fn limited(now: Time, rate: Option<u64>) -> Transfers {
        Transfers { limit: Limit::new(now, rate), ..Transfers::default() }
    }

    /// Begins to fetch a content, of which `held` is there already; given up when for `patience` nothing arrives. Says
    /// no if [`DOWNLOADS_MAX`] are being fetched, or this one.
    pub fn start(&mut self, now: Time, id: ContentId, held: Held, patience: Duration) -> bool {
        if self.downloads.len() >= DOWNLOADS_MAX || self.downloads.contains_key(&id) {
            return false;
        }
        let mut download = Download::new(now, id, patience);
        download.held = [held.content, held.tree];
        if let Some(size) = held.size {
            download.adopt(now, size);
        }
        self.downloads.insert(id, download);
        self.settle_if_complete(id);
        true
    }

    /// Stops fetching a content.
    pub fn stop(&mut self, id: &ContentId) -> bool {
        let is_known = self.downloads.remove(id).is_some();
        self.drop_idle_paths();
        is_known
    }

    /// Somebody who can be written to might have this content.
    pub fn offer_source(&mut self, now: Time, id: &ContentId, address: SocketAddr, rng: &mut impl Rng) -> bool {
        let is_new = self.downloads.get_mut(id).is_some_and(|download| download.add_source(now, address, rng));
        if is_new {
            self.agenda.stir(address);
        }
        is_new
    }

    /// Which contents are being fetched, and how many of their sources are delivering.
    pub fn progress(&self) -> impl Iterator<Item = Progress> + '_ {
        self.downloads.values().map(|download| self.progress_of(download))
    }

    fn progress_of(&self, download: &Download) -> Progress {
        let active = || download.sources.iter().filter(|(_, source)| source.is_active());
        let rates = active().filter_map(|(address, _)| self.paths.get(address)).map(Path::rate);
        Progress {
            id: download.id,
            size: download.size(),
            held: download.held[Part::Content as usize].count(),
            front: download.held[Part::Content as usize].first_gap(0..u64::MAX).map_or(0, |gap| gap.start),
            revision: download.revision,
            sources: active().count(),
            rate: rates.sum::<u64>().min(self.limit.rate()),
            is_settling: download.is_settling,
        }
    }

    /// How full the tables are.
    pub fn sizes(&self) -> impl Iterator<Item = Size> {
        let Transfers { downloads, paths, agenda, limit, outcomes, scratch } = self;
        let own = [
            Size::new("downloads", downloads.len(), DOWNLOADS_MAX),
            Size::new("paths to sources", paths.len(), DOWNLOADS_MAX * SOURCES_MAX),
            Size::new("ends of downloads to fetch", outcomes.len(), 2 * DOWNLOADS_MAX),
            Size::new("bytes of a block that arrived", scratch.len(), DATAGRAM_MAX_BYTES),
        ];
        let of_agenda = agenda.sizes(DOWNLOADS_MAX * SOURCES_MAX);
        own.into_iter().chain(of_agenda).chain(limit.sizes()).chain(downloads.values().flat_map(Download::sizes))
    }

    /// Whether [`Transfers::poll_outcome`] has something to say.
    pub fn has_outcome(&self) -> bool {
        !self.outcomes.is_empty()
    }

    /// Whether nothing is being fetched.
    pub fn is_idle(&self) -> bool {
        self.downloads.is_empty()
    }

    /// Whether somebody was asked for a content.
    pub fn is_source(&self, id: &ContentId, address: SocketAddr) -> bool {
        self.downloads.get(id).is_some_and(|download| download.sources.contains_key(&address))
    }

    /// What a source is about to say is its own word. What was said in its name before may have been somebody else's,
    /// and is no contradiction.
    pub fn vouch(&mut self, id: &ContentId, address: SocketAddr) {
        let source = self.downloads.get_mut(id).and_then(|download| download.sources.get_mut(&address));
        if let Some(source) = source.filter(|source| !source.is_vouched) {
            (source.is_vouched, source.claim) = (true, None);
        }
    }

    /// A source says for itself that others might have a content. If it has not said how long that is but somebody did
    /// in its name, it may well not have it, and from now on nothing counts but its own word.
    pub fn disown(&mut self, now: Time, id: &ContentId, address: SocketAddr) {
        let Some(download) = self.downloads.get_mut(id).filter(|download| !download.is_settling) else { return };
        let source = download.sources.get(&address);
        if source.is_some_and(|source| source.is_active() && !source.is_vouched) {
            download.disown(now, address);
            self.agenda.stir(address);
            self.renew_if_silent(address);
        }
    }

    /// Whether it takes a source's own word to change what is known of how long a content is, because it has said so
    /// or somebody else did in its name.
    pub fn has_claimed(&self, id: &ContentId, address: SocketAddr) -> bool {
        let source = self.downloads.get(id).and_then(|download| download.sources.get(&address));
        source.is_some_and(|source| source.claim.is_some() || source.is_misquoted)
    }

    /// The next download that ended or needs something done.
    pub fn poll_outcome(&mut self) -> Option<Outcome> {
        self.outcomes.pop_front()
    }

    /// When [`Transfers::handle_timeout`] and [`Transfers::ask`] may have something new to say.
    pub fn due(&self) -> Option<Time> {
        let fetching = self.downloads.values().filter(|download| !download.is_settling);
        let of_downloads = fetching.map(|download| match download.has_news {
            true => Time::default(),
            false => {
                let end = download.progressed + download.patience + self.limit.patience();
                let sooner = [download.doubts_at(), download.turn_ends(self.limit.patience())];
                sooner.into_iter().flatten().fold(end, Time::min)
            }
        });
        of_downloads.chain(self.agenda.next()).chain(self.limit.due()).min().filter(|_| !self.is_idle())
    }

    /// Gives up what has not arrived in time, answers and downloads.
    pub fn handle_timeout(&mut self, now: Time) {
        self.take_losses(now);
        let longer = self.limit.patience();
        for download in self.downloads.values_mut().filter(|download| !download.is_settling) {
            download.doubt_size(now);
            download.end_turn(now, longer);
        }
        let is_stuck = |download: &&Download| {
            !download.is_settling && now.since(download.progressed) >= download.patience + longer
        };
        let stuck: Vec<ContentId> = self.downloads.values().filter(is_stuck).map(|download| download.id).collect();
        for id in stuck {
            let why = self.downloads.get(&id).map_or(Failure::NotFound, Download::failure);
            self.fail(id, why);
        }
    }

    /// The part of a content that is there and checked, of those that are being fetched; with the size of that part.
    pub fn holds(&self, id: &ContentId, part: Part, range: Range<u64>) -> Option<u64> {
        let download = self.downloads.get(id).filter(|download| download.is_checkable())?;
        let bytes = download.part_bytes(part)?;
        let range = range.start..range.end.min(bytes);
        download.held[part as usize].covers(range).then_some(bytes)
    }

    /// The size of a content that is being fetched, and a bitmap of the pieces of it that are there and checked.
    pub fn holdings(&self, id: &ContentId, part: Part) -> Option<(u64, Vec<u8>)> {
        let download = self.downloads.get(id).filter(|download| download.is_checkable())?;
        let bytes = download.part_bytes(part)?;
        Some((bytes, pieces::bitmap(bytes, &download.held[part as usize])))
    }

    /// What is there of a content, to be written down.
    pub fn held(&self, id: &ContentId) -> Option<Held> {
        let download = self.downloads.get(id)?;
        let [content, tree] = download.held.clone();
        Some(Held { size: download.size(), content, tree })
    }

    /// The content was made to last, or turned out to be wrong as a whole.
    pub fn settled(&mut self, now: Time, id: &ContentId, is_right: bool, rng: &mut impl Rng) {
        let Some(download) = self.downloads.get_mut(id) else { return };
        if is_right {
            self.stop(id);
            return;
        }
        if !download.try_others(now, rng) {
            self.fail(*id, Failure::Wrong);
        }
    }

    /// It could not be made to last.
    pub fn fail(&mut self, id: ContentId, why: Failure) {
        if self.stop(&id) {
            self.outcomes.push_back(Outcome::Failed { id, why });
        }
    }

    /// Hands over what is complete.
    fn settle_if_complete(&mut self, id: ContentId) {
        let Some(download) = self.downloads.get_mut(&id).filter(|download| !download.is_settling) else { return };
        if let Some(size) = download.size().filter(|_| download.is_complete()) {
            download.is_settling = true;
            download.restart();
            self.outcomes.push_back(Outcome::Settle { id, size });
        }
    }

    /// Forgets the paths to those who are no source of anything any more.
    fn drop_idle_paths(&mut self) {
        let downloads = &self.downloads;
        let is_used = |address: &SocketAddr| {
            downloads.values().any(|download| download.sources.get(address).is_some_and(|source| !source.is_left()))
        };
        self.paths.retain(|address, _| is_used(address));
        self.agenda.retain(is_used);
        self.limit.retain(is_used);
    }
}
