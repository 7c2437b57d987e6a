//! What arrives: taken only if it was asked for, of whom it was asked, and kept only if it is right.

use super::asking::{BLOCK_COMMON_UNFRAGMENTED, wire_bytes};
use super::download::Download;
use super::jury::Jury;
use super::path::Path;
use super::pieces::Has;
use super::source::{Asked, Source, Span};
use super::trial::{Stage, Turns};
use super::{Failure, Key, Transfers};
use crate::content::tree::TREE_BLOCK_BYTES;
use crate::content::{ContentId, Part, Store, WriteError};
use crate::time::Time;
use rand::Rng;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

/// Answers in common blocks that may fail to arrive before smaller ones are tried: perhaps fragments do not get
/// through.
const COMMON_LOST_MAX: u32 = 4;

/// Timeouts in a row after which others deliver what was expected from a source. One may be a burst of losses.
const TIMEOUTS_PATIENT: u32 = 2;

/// Timeouts in a row after which a source is asked for nothing more, unless it shows that it is still there.
const TIMEOUTS_MAX: u32 = 5;

/// How many silent turns fit in the patience of a user, while it matters who delivers: a liar who says nothing more
/// must not use it up.
const TURNS: u32 = 8;

/// A turn is at least this long: an answer that is lost can be asked for again over the widest path.
const TURN_MIN: Duration = Duration::from_secs(1);

/// A turn is at most this long: a burst of losses is over by then, and so is the patience of most users with silence.
const TURN_MAX: Duration = Duration::from_secs(4);

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
        let kept = download.accept(now, from, part, offset, &self.scratch, store);
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
    /// Keeps what arrived, if it is right.
    fn accept(
        &mut self,
        now: Time,
        from: SocketAddr,
        part: Part,
        offset: u64,
        bytes: &[u8],
        store: &mut impl Store,
    ) -> Result<(), NotKept> {
        if let Stage::Jury(jury) = &mut self.trial.stage {
            jury.hear(from, offset, *blake3::hash(bytes).as_bytes());
            self.progressed = now;
            self.end_jury(now);
            return Ok(());
        }
        let range = offset..offset + bytes.len() as u64;
        if !self.is_checkable() {
            // What is there may have been read already, and another source may say otherwise.
            for gap in self.held[part as usize].gaps(range).iter() {
                let (start, end) = ((gap.start - offset) as usize, (gap.end - offset) as usize);
                store.write_part(&self.id, part, gap.start, &bytes[start..end]).map_err(NotKept::NotWritten)?;
                self.keep(now, part, gap, from);
            }
            return Ok(());
        }
        if self.whole_blocks(part, range.clone()) == range {
            return self.check(now, from, part, offset, bytes, store);
        }
        let (mut outcome, mut rest, mut start) = (Ok(()), bytes, offset);
        // Its ends may lie within two blocks, if how much one answer is to carry has changed meanwhile.
        while !rest.is_empty() {
            let block = self.whole_blocks(part, start..start + 1);
            let length = rest.len().min(block.end.saturating_sub(start).max(1) as usize);
            let (these, others) = rest.split_at(length);
            outcome = outcome.and(self.assemble(now, from, (part, block, start), these, store));
            (rest, start) = (others, start + length as u64);
        }
        outcome
    }

    /// Puts a part of a block to the others, and keeps the block if it is whole and right.
    fn assemble(
        &mut self,
        now: Time,
        from: SocketAddr,
        (part, block, start): (Part, Range<u64>, u64),
        bytes: &[u8],
        store: &mut impl Store,
    ) -> Result<(), NotKept> {
        let (length, at) = ((block.end - block.start) as usize, (start - block.start) as usize);
        match self.assemblies.add(from, (part, block.start, length), at, bytes) {
            Some(whole) => self.check(now, from, part, block.start, &whole, store),
            None if !self.assemblies.holds(part, block.start, from) => {
                // There was no place for it after all: it has to come again.
                let range = start..start + bytes.len() as u64;
                let source = self.sources.get_mut(&from);
                source.into_iter().for_each(|source| source.queue.push_back(Span { part, range: range.clone() }));
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Checks whole blocks, or a piece of the tree, and keeps what is right.
    fn check(
        &mut self,
        now: Time,
        from: SocketAddr,
        part: Part,
        offset: u64,
        bytes: &[u8],
        store: &mut impl Store,
    ) -> Result<(), NotKept> {
        let mut outcome = Ok(());
        let whole = offset..offset + bytes.len() as u64;
        if !self.held[part as usize].overlaps(whole.clone()) && self.are_right(part, offset, bytes, store) {
            store.write_part(&self.id, part, offset, bytes).map_err(NotKept::NotWritten)?;
            self.keep(now, part, whole, from);
            return Ok(());
        }
        for (start, block) in self.cut(part, offset, bytes) {
            let range = start..start + block.len() as u64;
            if self.held[part as usize].covers(range.clone()) {
                continue;
            }
            match self.are_right(part, start, block, store) {
                true => {
                    store.write_part(&self.id, part, start, block).map_err(NotKept::NotWritten)?;
                    self.keep(now, part, range, from);
                }
                false => outcome = Err(NotKept::Wrong),
            }
        }
        if outcome.is_err() {
            self.blame(now, from, part, self.whole_blocks(part, offset..offset + bytes.len() as u64));
        }
        outcome
    }

    /// The units in which bytes of a part are checked.
    fn cut<'a>(&self, part: Part, offset: u64, bytes: &'a [u8]) -> impl Iterator<Item = (u64, &'a [u8])> + use<'a> {
        let unit = if part == Part::Tree { bytes.len() } else { TREE_BLOCK_BYTES as usize };
        bytes.chunks(unit.max(1)).enumerate().map(move |(n, block)| (offset + (n * unit) as u64, block))
    }

    /// Whether whole blocks, or a piece of the tree, are what the id says, all of them.
    fn are_right(&self, part: Part, offset: u64, bytes: &[u8], store: &mut impl Store) -> bool {
        let Some(tree) = self.tree else { return false };
        let read = |at: u64, buffer: &mut [u8]| {
            let range = at..at + buffer.len() as u64;
            self.held[Part::Tree as usize].covers(range) && store.read_part(&self.id, Part::Tree, at, buffer).is_ok()
        };
        match part {
            Part::Tree => {
                let whole = offset..offset + bytes.len() as u64;
                tree.check_nodes(offset, bytes, read).is_ok_and(|verified| verified == whole)
            }
            Part::Content => tree.check_blocks(offset / TREE_BLOCK_BYTES, bytes, read).is_ok(),
        }
    }

    /// A source delivered something wrong.
    fn blame(&mut self, now: Time, from: SocketAddr, part: Part, range: Range<u64>) {
        let Some(source) = self.sources.get_mut(&from) else { return };
        if source.delivered_wrong() {
            self.leave(now, from);
        } else {
            // Perhaps a bit flipped on the way: the same again, and then it is enough.
            source.queue.push_back(Span { part, range });
        }
    }

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

    /// The content is wrong as a whole. Says whether somebody is left who may have the right one.
    pub(super) fn try_others(&mut self, now: Time, rng: &mut impl Rng) -> bool {
        self.is_settling = false;
        self.was_wrong = true;
        self.progressed = now;
        let Some(size) = self.size() else { return false };
        let contributors: Vec<SocketAddr> = self
            .sources
            .iter()
            .filter(|(_, source)| self.trial.has_contributed(source.number))
            .map(|(address, _)| *address)
            .collect();
        match &self.trial.stage {
            Stage::Alone(turns) => {
                let liar = turns.first();
                liar.is_some_and(|liar| self.next_alone(now, liar))
            }
            _ if contributors.len() == 1 => {
                self.begin_anew(now, contributors[0]);
                // Perhaps the right one has not even answered yet.
                self.sources.values().any(|source| !source.is_left())
            }
            _ => {
                let jurors = self.sources.iter().filter(|(_, source)| source.is_active() && source.claim == Some(size));
                let jurors: Vec<SocketAddr> = jurors.map(|(address, _)| *address).collect();
                if jurors.is_empty() {
                    // All who had said that it is so long have left or say otherwise by now.
                    self.reconsider_size(now);
                    return self.sources.values().any(Source::is_active);
                }
                self.restart();
                let jury = Jury::draw(size, u64::from(BLOCK_COMMON_UNFRAGMENTED), jurors, rng);
                self.trial.enter(now, Stage::Jury(jury));
                true
            }
        }
    }

    /// Everything came from one source and is wrong: without that source, everything again.
    fn begin_anew(&mut self, now: Time, liar: SocketAddr) {
        self.held = Default::default();
        self.revision = self.revision.wrapping_add(1);
        let size = self.size();
        self.leave(now, liar);
        if self.size() == size
            && let Some(size) = size
        {
            self.restart();
            self.adopt(now, size);
        }
    }

    /// When all jurors have been heard, the most credible source delivers alone.
    fn end_jury(&mut self, now: Time) {
        if let Stage::Jury(jury) = &self.trial.stage
            && jury.is_done()
        {
            self.judge(now);
        }
    }

    /// The jurors have been heard for long enough.
    fn judge(&mut self, now: Time) {
        let Stage::Jury(jury) = &self.trial.stage else { return };
        let turns = Turns::new(jury.verdict());
        self.trial.enter(now, Stage::Alone(turns));
        self.fetch_alone(now);
    }

    /// When nobody is waited for any longer whose word or content is needed alone, if nothing comes before.
    pub(super) fn turn_ends(&self, longer: Duration) -> Option<Time> {
        let turn = (self.patience / TURNS).clamp(TURN_MIN, TURN_MAX) + longer;
        let silence = self.progressed.max(self.trial.since) + turn;
        match &self.trial.stage {
            Stage::Everybody => None,
            Stage::Jury(_) => Some(silence.min(self.trial.since + self.patience / 2 + longer)),
            Stage::Alone(_) => Some(silence),
        }
    }

    /// Who is needed alone has been silent for too long.
    pub(super) fn end_turn(&mut self, now: Time, longer: Duration) {
        if self.turn_ends(longer).is_none_or(|end| end > now) {
            return;
        }
        match &self.trial.stage {
            Stage::Everybody => {}
            Stage::Jury(_) => self.judge(now),
            Stage::Alone(_) => self.pass_over(now),
        }
    }

    /// The source that delivers alone is gone, if that is who it was.
    fn next_alone_if(&mut self, now: Time, address: SocketAddr) {
        if matches!(&self.trial.stage, Stage::Alone(turns) if turns.first() == Some(address)) {
            self.next_alone(now, address);
        }
    }

    /// The source that is to deliver alone is silent: its turn comes again after those of others that were not silent
    /// more often, those who were met since the jury among them.
    fn pass_over(&mut self, now: Time) {
        let size = self.size();
        let Stage::Alone(turns) = &mut self.trial.stage else { return };
        self.trial.since = now;
        let silent = turns.first();
        turns.missed();
        let has_it = |source: &Source| source.is_active() && source.claim == size;
        let others = self.sources.iter().filter(|(_, source)| has_it(source)).map(|(address, _)| *address);
        others.for_each(|other| turns.join(other));
        if turns.first() != silent {
            self.fetch_alone(now);
        }
    }

    /// The source that delivered alone was wrong: the next one. Says whether there is one.
    fn next_alone(&mut self, now: Time, liar: SocketAddr) -> bool {
        self.leave(now, liar);
        let size = self.size();
        let Stage::Alone(turns) = &mut self.trial.stage else { return size.is_some() };
        turns.leave(liar);
        if turns.first().is_none() {
            // Those who were met, or met again, since the jury.
            let has_it = |source: &Source| source.is_active() && source.claim == size;
            let late = self.sources.iter().filter(|(_, source)| has_it(source)).map(|(address, _)| *address);
            late.for_each(|other| turns.join(other));
        }
        if turns.first().is_some() {
            self.fetch_alone(now);
            return true;
        }
        self.held = Default::default();
        self.revision = self.revision.wrapping_add(1);
        self.restart();
        size.into_iter().for_each(|size| self.adopt(now, size));
        self.sources.values().any(|source| !source.is_left())
    }

    /// Keeps what the first in the order delivered, and fetches the rest from it.
    fn fetch_alone(&mut self, now: Time) {
        let Stage::Alone(turns) = &self.trial.stage else { return };
        let number = turns.first().and_then(|first| self.sources.get(&first)).map(|source| source.number);
        let (Some(number), Some(size)) = (number, self.size()) else { return };
        self.trial.since = now;
        let kept = self.trial.alone(number);
        self.restart();
        self.revision = self.revision.wrapping_add(1);
        self.pieces = Some(super::pieces::Pieces::new(size, &kept, true));
        self.held[Part::Content as usize] = kept;
        self.sources.values_mut().for_each(|source| source.lost_in_a_row = 0);
    }
}

/// Why a write failed, for the user.
pub(super) fn failure_of(error: WriteError) -> Failure {
    match error {
        WriteError::Full => Failure::Full,
        WriteError::Failed => Failure::Disk,
    }
}
