//! What arrives, or does not: taken only if it was asked for, of whom it was asked.

use super::asking::wire_bytes;
use super::download::Download;
use super::path::Path;
use super::pieces::Has;
use super::source::{Asked, Source, Span};
use super::trial::Stage;
use super::{Failure, Key, Transfers};
use crate::content::{ContentId, Part, Store, WriteError};
use crate::time::Time;
use std::net::SocketAddr;

/// Answers in common blocks that may fail to arrive before smaller ones are tried: perhaps fragments do not get
/// through.
const COMMON_LOST_MAX: u32 = 4;

/// Timeouts in a row after which others deliver what was expected from a source. One may be a burst of losses.
const TIMEOUTS_PATIENT: u32 = 2;

/// Timeouts in a row after which a source is asked for nothing more, unless it shows that it is still there.
const TIMEOUTS_MAX: u32 = 5;

/// Why something that arrived was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotKept {
    /// Nobody asked for it, or not for this.
    Unasked,
    /// It is no base64.
    Malformed,
    /// It is not what the id says.
    Wrong,
    /// It could not be written.
    NotWritten(WriteError),
}

impl Transfers {
    /// A source answered in the common words.
    ///
    /// # Errors
    /// [`NotKept`]; nothing has changed but what is thought of the source.
    pub fn take_content(
        &mut self,
        now: Time,
        from: SocketAddr,
        (id, part, offset): (ContentId, Part, u64),
        (base64, eof): (&str, Option<u64>),
        store: &mut impl Store,
    ) -> Result<(), NotKept> {
        let download = self.downloads.get_mut(&id).ok_or(NotKept::Unasked)?;
        let is_source = download.sources.contains_key(&from);
        if let Some(size) = eof.filter(|_| is_source && part == Part::Content) {
            self.agenda.stir(from);
            let is_welcome = download.take_claim(now, from, size);
            self.settle_if_complete(id);
            if is_welcome {
                self.renew_if_silent(from);
            }
        }
        self.take(now, from, (id, part, offset), (base64.as_bytes(), false), store)
    }

    /// A source answered in our words.
    ///
    /// # Errors
    /// [`NotKept`]; nothing has changed but what is thought of the source.
    pub fn take_block(
        &mut self,
        now: Time,
        from: SocketAddr,
        (run, offset): (u64, u64),
        base64: &(impl AsRef<[u8]> + ?Sized),
        store: &mut impl Store,
    ) -> Result<(), NotKept> {
        let is_meant = |download: &&Download| {
            let source = download.sources.get(&from);
            source.is_some_and(|source| run == u64::from(source.run) || run == u64::from(source.run) + 1)
        };
        let download = self.downloads.values().find(is_meant).ok_or(NotKept::Unasked)?;
        let is_tree = download.sources.get(&from).is_some_and(|source| run != u64::from(source.run));
        let part = if is_tree { Part::Tree } else { Part::Content };
        self.take(now, from, (download.id, part, offset), (base64.as_ref(), true), store)
    }

    /// A source said how long a content is and which pieces of a part it has.
    pub fn take_holdings(
        &mut self,
        now: Time,
        from: SocketAddr,
        id: &ContentId,
        part: Part,
        eof: Option<u64>,
        has: Has,
    ) {
        let Some(download) = self.downloads.get_mut(id).filter(|download| download.sources.contains_key(&from)) else {
            return;
        };
        if has == Has::Some(Vec::new()) && part == Part::Content {
            // It may get some later, from us for instance; until then it is no source.
            return;
        }
        let eof = eof.filter(|_| part == Part::Content);
        let is_welcome = eof.is_some_and(|size| download.take_claim(now, from, size));
        self.agenda.stir(from);
        download.told(now, from, part, has);
        self.settle_if_complete(*id);
        if is_welcome {
            self.renew_if_silent(from);
        }
    }

    /// A source has shown that it is there. If it was silent, it may have been asked for what it does not have, because
    /// somebody said so in its name, and nothing else has to wait for that.
    pub(super) fn renew_if_silent(&mut self, address: SocketAddr) {
        if self.paths.get(&address).is_some_and(Path::is_silent) {
            self.paths.remove(&address);
            let sources = self.downloads.values_mut().filter_map(|download| download.sources.get_mut(&address));
            sources.for_each(Source::ask_again);
        }
    }

    fn take(
        &mut self,
        now: Time,
        from: SocketAddr,
        (id, part, offset): Key,
        (base64, is_run): (&[u8], bool),
        store: &mut impl Store,
    ) -> Result<(), NotKept> {
        let download = self.downloads.get_mut(&id).ok_or(NotKept::Unasked)?;
        let source = download.sources.get_mut(&from).ok_or(NotKept::Unasked)?;
        self.agenda.stir(from);
        let asked = source.asks.get(&(part, offset)).filter(|asked| asked.is_run == is_run);
        let length = asked.ok_or(NotKept::Unasked)?.length;
        self.scratch.clear();
        base64_simd::STANDARD.decode_append(base64, &mut self.scratch).map_err(|_| NotKept::Malformed)?;
        if self.scratch.len() != length as usize {
            // Cut short for a stranger, most likely; it will be asked for again.
            return Err(NotKept::Malformed);
        }
        source.asks.remove(&(part, offset));
        source.lost_in_a_row = 0;
        source.longest = source.longest.max(length);
        if let Some(path) = self.paths.get_mut(&from) {
            path.arrived(now, (id, part, offset), wire_bytes(length));
        }
        let kept = download.accept(now, from, (part, offset), &self.scratch, store);
        match kept {
            Err(NotKept::Wrong) => self.drop_idle_paths(),
            Err(NotKept::NotWritten(error)) => self.fail(id, failure_of(error)),
            _ => {}
        }
        self.settle_if_complete(id);
        kept
    }

    /// What is lost is asked for again, of the same source or, if that has fallen silent, of others.
    pub(super) fn take_losses(&mut self, now: Time) {
        let mut lost = Vec::new();
        let due: Vec<SocketAddr> = self.agenda.due(now).collect();
        for address in &due {
            let Some(path) = self.paths.get_mut(address) else { continue };
            lost.clear();
            let before = path.timeouts();
            path.lost(now, &mut lost);
            let timeouts = path.timeouts();
            for (id, part, offset) in lost.drain(..) {
                if let Some(download) = self.downloads.get_mut(&id) {
                    download.lose(*address, part, offset);
                }
            }
            if timeouts > before {
                self.downloads.values_mut().for_each(|download| download.fall_silent(now, *address, timeouts));
                if timeouts >= TIMEOUTS_MAX {
                    self.paths.remove(address);
                }
            }
        }
        self.drop_idle_paths();
    }
}

impl Download {
    /// An answer did not come.
    fn lose(&mut self, from: SocketAddr, part: Part, offset: u64) {
        let Some(source) = self.sources.get_mut(&from) else { return };
        let Some(Asked { length, .. }) = source.asks.remove(&(part, offset)) else { return };
        source.lost_in_a_row += 1;
        if source.lost_in_a_row >= COMMON_LOST_MAX {
            source.doubt_fragments();
        }
        if !matches!(self.trial.stage, Stage::Jury(_)) {
            source.queue.push_front(Span { part, range: offset..offset + u64::from(length) });
        }
    }

    /// A path fell silent: others may deliver what was expected from it.
    fn fall_silent(&mut self, now: Time, address: SocketAddr, timeouts: u32) {
        if !self.sources.get(&address).is_some_and(Source::is_active) {
            return;
        }
        if timeouts >= TIMEOUTS_MAX {
            self.exclude(now, address);
            // Perhaps it was cut off, or nothing but bad luck: it is asked whether it is still there.
            self.sources.get_mut(&address).into_iter().for_each(|source| source.fell_silent(now));
        } else if timeouts >= TIMEOUTS_PATIENT {
            self.sources.get_mut(&address).into_iter().for_each(Source::doubt_fragments);
            self.unburden(address);
        }
    }

    /// A source is left behind, and its word counts no more, whatever it was needed for.
    pub(super) fn exclude(&mut self, now: Time, address: SocketAddr) {
        if let Stage::Jury(jury) = &mut self.trial.stage {
            jury.dismiss(address);
        }
        self.leave(now, address);
        self.end_jury(now);
        self.next_alone_if(now, address);
    }

    /// What the whole failure of a download comes down to.
    pub(super) fn failure(&self) -> Failure {
        let has_any = self.sources.values().any(|source| source.claim.is_some());
        match has_any {
            true if self.was_wrong => Failure::Wrong,
            true => Failure::Stalled,
            false => Failure::NotFound,
        }
    }
}

/// Why a write failed, for the user.
pub(super) fn failure_of(error: WriteError) -> Failure {
    match error {
        WriteError::Full => Failure::Full,
        WriteError::Failed => Failure::Disk,
    }
}
