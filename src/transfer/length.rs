//! How long a content is: whose word on it is taken, when that is doubted, and what is left of what is there then.
//!
//! Nobody knows the size but by the word of a source, and it decides how everything is cut. So a wrong one must cost
//! time and nothing else: while sources disagree and nothing comes, one size after the other is tried. It refuses to
//! keep a size that nobody stands by, and to take the word of a source for more than a plan.

use super::SOURCES_MAX;
use super::download::Download;
use super::pieces::Pieces;
use super::source::Standing;
use super::trial::Stage;
use crate::content::tree::{TREE_BLOCK_BYTES, Tree};
use crate::content::{ContentId, Part, Ranges};
use crate::time::Time;
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use std::time::Duration;

/// How long nothing may come, while sources disagree on the size, before another size is tried: longer than a burst of
/// losses, and so short that several fit in the patience of a user.
const DOUBT_AFTER: Duration = Duration::from_secs(4);

/// How often another size is tried for that reason: as often as there can be sizes, twice.
const DOUBTS_MAX: u8 = 2 * SOURCES_MAX as u8;

impl Download {
    /// A source says how large the content is. Says whether it had not said so before, and it is its own word.
    pub(super) fn take_claim(&mut self, now: Time, address: SocketAddr, size: u64) -> bool {
        let is_possible = self.tree_of(size).is_some_and(|tree| size > 0 || self.is_of_nothing(&tree));
        let is_first = self.size().is_none();
        let Some(source) = self.sources.get_mut(&address).filter(|source| !source.is_left()) else { return false };
        if !is_possible {
            // Unless the source itself has said so, it may be somebody else's word.
            if source.is_vouched {
                self.exclude(now, address);
            }
            return false;
        }
        self.is_disputed = true;
        let contradicts = source.claim.replace(size).is_some_and(|before| before != size);
        let is_new = matches!(source.standing, Standing::Knocking { .. });
        if is_new {
            source.standing = Standing::Active;
        }
        let is_welcome = is_new && source.is_vouched;
        if is_first {
            self.doubt_last_block(size);
            self.adopt(now, size);
        } else if contradicts && (source.delivered_wrong() || !matches!(self.trial.stage, Stage::Everybody)) {
            // While one source after the other is believed, there is no time for those who do not know what to say.
            self.exclude(now, address);
        } else if contradicts || self.is_checkable() || self.held[Part::Content as usize].is_empty() {
            // It may have been misled itself; but nobody else may believe in the old size, or nobody any more. What
            // cannot be checked and is there is not thrown away for the first who says otherwise.
            self.reconsider_size(now);
        }
        is_welcome
    }

    /// What was said in the name of a source, that it has the content and how long that is, was not its own word.
    pub(super) fn disown(&mut self, now: Time, address: SocketAddr) {
        self.exclude(now, address);
        self.sources.get_mut(&address).into_iter().for_each(|source| source.was_misquoted(now));
    }

    /// What is known of the tree of this content if it has this size; `None` if no content can have it.
    fn tree_of(&self, size: u64) -> Option<Tree> {
        let (ContentId::Sha256(root) | ContentId::Blake3(root)) = self.id;
        Tree::new(root, size)
    }

    /// Whether the content is empty: there will be no block that could be checked.
    fn is_of_nothing(&self, tree: &Tree) -> bool {
        match self.id {
            ContentId::Sha256(hash) => Sha256::digest(b"").as_slice() == hash,
            ContentId::Blake3(_) => tree.check_block(0, b"", |_, _| false).is_ok(),
        }
    }

    /// Plans for a content of this size. What is held already is kept.
    pub(super) fn adopt(&mut self, now: Time, size: u64) {
        let Some(tree) = self.tree_of(size) else { return };
        self.has_news = true;
        self.tree = Some(tree);
        self.pieces = Some(Pieces::new(size, &self.held[0], !self.is_checkable()));
        self.trial.begin(now, size, &self.held[Part::Content as usize]);
        self.progressed = now;
    }

    /// The size in which nobody believes any more is given up for that of somebody else.
    pub(super) fn reconsider_size(&mut self, now: Time) {
        let claims = |size: Option<u64>| self.sources.values().any(|source| source.is_active() && source.claim == size);
        if self.size().is_some() && !claims(self.size()) {
            self.try_size_after(now, 0);
        }
    }

    /// When another size is to be tried, because nothing comes and somebody says that there is one.
    pub(super) fn doubts_at(&self) -> Option<Time> {
        let may_doubt = self.is_disputed && self.size().is_some() && self.doubts < DOUBTS_MAX;
        may_doubt.then(|| self.progressed + DOUBT_AFTER.min(self.patience / 2))
    }

    /// Nothing comes from those who agree on the size: perhaps others are right.
    pub(super) fn doubt_size(&mut self, now: Time) {
        let Some(size) = self.size().filter(|_| self.doubts_at().is_some_and(|due| due <= now)) else { return };
        self.is_disputed = self.sources.values().any(|source| source.is_active() && source.claim != Some(size));
        if self.is_disputed {
            self.doubts += 1;
            self.try_size_after(now, size.saturating_add(1));
        }
    }

    /// A checked block says nothing about where the content ends: the last one has to be checked anew, as such.
    fn doubt_last_block(&mut self, size: u64) {
        let last = size.saturating_sub(1) / TREE_BLOCK_BYTES * TREE_BLOCK_BYTES;
        if self.is_checkable() && self.held[Part::Content as usize].overlaps(last..u64::MAX) {
            self.revision = self.revision.wrapping_add(1);
            // Taking away the end makes no further fragments.
            let _ = self.held[Part::Content as usize].remove(last..u64::MAX);
        }
    }

    /// Plans for the smallest size from `least` on that somebody claims, or for the smallest of all. Blocks that were
    /// checked stay: their place is part of their hash.
    fn try_size_after(&mut self, now: Time, least: u64) {
        let claims = || self.sources.values().filter(|source| source.is_active()).filter_map(|source| source.claim);
        let Some(other) = claims().filter(|size| *size >= least).min().or_else(|| claims().min()) else { return };
        self.revision = self.revision.wrapping_add(1);
        self.held[Part::Tree as usize] = Ranges::default();
        if !self.is_checkable() {
            self.held[Part::Content as usize] = Ranges::default();
        }
        self.doubt_last_block(self.size().map_or(other, |size| size.min(other)));
        self.restart();
        self.adopt(now, other);
    }
}
