//! The files that want a hash, and whose turn it is.
//!
//! Small ones come first, so that nothing small waits for something large, whichever was there before: a file that is
//! begun rests while one of less than half the size is hashed. Before all others comes what may be a content that
//! somebody looks for: a process that was killed may have left it in the store without its note, or the store was moved
//! here from another disk. What is no longer in the folder in the state that was to
//! be hashed is dropped, begun or not. How many wait is limited by the folder, which holds each once.

use super::hash::Hashing;
use crate::content::tree::Hash;
use crate::content::{ContentId, Ids, SharedFile, Stamp, stored_hash};
use log::Level;
use std::collections::BTreeMap;

/// Files that are begun at most, each of which costs a descriptor and a chunk of memory (256 KiB). Each is less than
/// half of what is left of the one before, so with a terabyte at first the last one has at most 32 MB: a moment.
const BEGUN_MAX: usize = 16;

/// Bytes that are read for a content that somebody looks for, if each of these files could be it: a second or three.
/// What is longer would better be fetched. A kill leaves nothing of the kind: see `StoreFolder::adopt`.
const SOUGHT_MAX_BYTES: u64 = 1 << 30;

/// A file that wants a hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) name: String,
    pub(super) stamp: Stamp,
    /// Of a content of the store, its BLAKE3 by a note that may be about another state.
    pub(super) blake3: Option<Hash>,
    /// How loudly it is said when it is shared.
    pub(super) level: Level,
}

impl Job {
    /// The file, with the hashes that it wanted.
    pub(super) fn file(&self, Ids { sha256, blake3 }: Ids) -> SharedFile {
        SharedFile { name: self.name.clone(), stamp: self.stamp, sha256, blake3 }
    }
}

/// A file whose hash is being taken.
pub(super) struct Begun {
    pub(super) job: Job,
    /// When that began, as [`now_ns`](super::index::now_ns) gave it.
    pub(super) since_ns: i128,
    pub(super) hashing: Hashing,
}

/// Whose turn it is.
pub(super) enum Turn<'a> {
    /// Somebody's who has not begun; it is no longer in the queue.
    Begin(Job),
    /// The next chunk of this one.
    Advance(&'a mut Begun),
}

/// The files, each once.
#[derive(Default)]
pub(super) struct Queue {
    /// Whether the hash has to be taken, the size or 0 for what is looked for, and the name decide about the order.
    waiting: BTreeMap<(bool, u64, String), Job>,
    /// The later, the smaller is what is left of it.
    begun: Vec<Begun>,
}

impl Queue {
    /// Adds a file. One whose hash `is_remembered` costs next to nothing and comes before all others.
    pub(super) fn add(&mut self, job: Job, is_remembered: bool) {
        self.waiting.insert((!is_remembered, job.stamp.size, job.name.clone()), job);
    }

    /// Goes on with this file until it is [finished](Queue::finish) or a smaller one comes.
    pub(super) fn begin(&mut self, begun: Begun) {
        self.begun.push(begun);
    }

    /// Takes out the file whose turn it was.
    pub(super) fn finish(&mut self) -> Option<Begun> {
        self.begun.pop()
    }

    /// Drops all files but those for which `is_wanted` says that they are in this state.
    pub(super) fn keep(&mut self, is_wanted: impl Fn(&str, Stamp) -> bool) {
        self.waiting.retain(|_, job| is_wanted(&job.name, job.stamp));
        self.begun.retain(|begun| is_wanted(&begun.job.name, begun.job.stamp));
    }

    /// Whether there is a file whose hash is remembered.
    pub(super) fn has_remembered(&self) -> bool {
        self.waiting.first_key_value().is_some_and(|((is_new, ..), _)| !is_new)
    }

    /// Whether a content that somebody looks for may be one of the files of the store that have to be read. If so,
    /// these come first.
    pub(super) fn seek(&mut self, sought: &ContentId) -> bool {
        let may_be = |job: &Job, is_unknown_meant: bool| match (stored_hash(&job.name), sought) {
            (None, _) => false,
            (Some(sha256), ContentId::Sha256(sought)) => sha256 == *sought,
            (Some(_), ContentId::Blake3(sought)) => job.blake3.map_or(is_unknown_meant, |blake3| blake3 == *sought),
        };
        let jobs = || self.waiting.values().chain(self.begun.iter().map(|begun| &begun.job));
        let is_unknown = |job: &&Job| may_be(job, true) && !may_be(job, false);
        let unknown_bytes = jobs().filter(is_unknown).fold(0, |sum: u64, job| sum.saturating_add(job.stamp.size));
        let is_meant = |job: &Job| may_be(job, unknown_bytes <= SOUGHT_MAX_BYTES);
        let is_there = jobs().any(is_meant);
        let is_late = |((_, size, _), job): &(&(bool, u64, String), &Job)| *size > 0 && is_meant(job);
        let late: Vec<_> = self.waiting.iter().filter(is_late).map(|(key, _)| key.clone()).collect();
        for key in late {
            if let Some(job) = self.waiting.remove(&key) {
                self.waiting.insert((key.0, 0, key.2), job);
            }
        }
        is_there
    }

    /// Whose turn it is; `None` if there is nothing to do.
    pub(super) fn next(&mut self) -> Option<Turn<'_>> {
        let has_room = self.begun.len() < BEGUN_MAX;
        let left = self.begun.last().map_or(u64::MAX, |begun| begun.hashing.left());
        let first = self.waiting.first_entry();
        match first.filter(|first| !first.key().0 || self.begun.is_empty() || has_room && first.key().1 < left / 2) {
            Some(first) => Some(Turn::Begin(first.remove())),
            None => self.begun.last_mut().map(Turn::Advance),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::{TreeFolder, stamp};
    use std::fs;
    use std::path::Path;

    /// Puts a file of this size into the queue.
    fn add(folder: &Path, queue: &mut Queue, size: u64, is_remembered: bool) {
        let (name, file) = (size.to_string(), fs::File::create(folder.join(size.to_string())).unwrap());
        file.set_len(size).unwrap();
        let job = Job { name, stamp: stamp(&file.metadata().unwrap()), blake3: None, level: Level::Info };
        queue.add(job, is_remembered);
    }

    /// The name of the file whose turn it is, and whether it was begun before; afterwards it is begun.
    fn turn(folder: &Path, queue: &mut Queue) -> Option<(String, bool)> {
        let job = match queue.next()? {
            Turn::Advance(begun) => return Some((begun.job.name.clone(), true)),
            Turn::Begin(job) => job,
        };
        let hashing =
            Hashing::begin(folder, &job.name, job.stamp, &TreeFolder::new(folder.join("trees"))).unwrap().unwrap();
        let name = job.name.clone();
        queue.begin(Begun { job, since_ns: 0, hashing });
        Some((name, false))
    }

    #[test]
    fn a_smaller_file_comes_first_even_if_a_larger_one_is_begun() {
        let (folder, mut queue) = (tempfile::tempdir().unwrap(), Queue::default());
        let folder = folder.path();
        for size in [5_000, 7_000] {
            add(folder, &mut queue, size, false);
        }
        let expect = |queue: &mut Queue, size: u64, was_begun| {
            assert_eq!(turn(folder, queue), Some((size.to_string(), was_begun)));
        };
        expect(&mut queue, 5_000, false);
        expect(&mut queue, 5_000, true);
        add(folder, &mut queue, 10, false);
        expect(&mut queue, 10, false);
        expect(&mut queue, 10, true);
        for size in [10, 5_000] {
            assert_eq!(queue.finish().unwrap().job.name, size.to_string());
        }
        expect(&mut queue, 7_000, false);
        assert_eq!(queue.finish().unwrap().job.name, "7000");
        assert!(queue.next().is_none());
    }

    #[test]
    fn a_remembered_file_comes_before_all_others() {
        let (folder, mut queue) = (tempfile::tempdir().unwrap(), Queue::default());
        add(folder.path(), &mut queue, 10, false);
        add(folder.path(), &mut queue, 1 << 40, true);
        assert_eq!(turn(folder.path(), &mut queue), Some(((1_u64 << 40).to_string(), false)));
    }

    #[test]
    fn only_so_many_files_are_begun_at_once() {
        let (folder, mut queue) = (tempfile::tempdir().unwrap(), Queue::default());
        for size in (0..BEGUN_MAX as u32 + 4).map(|n| 1 << (40 - 2 * n)) {
            add(folder.path(), &mut queue, size, false);
            turn(folder.path(), &mut queue);
        }
        assert_eq!((queue.begun.len(), queue.waiting.len()), (BEGUN_MAX, 4));
    }

    #[test]
    fn what_is_not_wanted_any_more_is_dropped_begun_or_not() {
        let (folder, mut queue) = (tempfile::tempdir().unwrap(), Queue::default());
        add(folder.path(), &mut queue, 10, false);
        turn(folder.path(), &mut queue);
        add(folder.path(), &mut queue, 20, false);
        queue.keep(|_, _| true);
        assert_eq!((queue.begun.len(), queue.waiting.len()), (1, 1));
        queue.keep(|_, _| false);
        assert!(queue.next().is_none());
    }
}
