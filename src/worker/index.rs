//! The index of hashes: what files were hashed, and in which state, so that a restart need not read them again.
//!
//! An entry holds for exactly one state of a file. Two states can look the same only if the second came so soon after
//! the first that the clock of the file system did not tick in between; so a hash is remembered only if the file had
//! been left alone for a while when it was taken, and a younger one is taken again at the next start. What the folder
//! does not hold any more is dropped, so the index is never larger than the folder may be. Without its file nothing is
//! lost but time.

use crate::content::tree::Hash;
use crate::content::{Ids, SharedFile, Stamp};
use crate::data_dir::{load_hashes, render_hashes, write_atomically};
use crate::sorted::SortedMap;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The least time between two writes: with files coming all the time, 2,880 a day.
const PAUSE: Duration = Duration::from_secs(30);

/// How far the times of a file's last change must be from the time of hashing, in nanoseconds. The coarsest clock of a
/// file system (FAT) ticks every 2 seconds. A time far in the future was set by somebody and does as well.
const TICK_MAX_NS: u128 = 2_000_000_000;

/// The index, and its file.
pub(super) struct Index {
    path: PathBuf,
    known: SortedMap<String, (Stamp, Ids)>,
    is_changed: bool,
    /// When writing was last tried.
    last_write: Option<Instant>,
    /// Whether the user has been told about the present trouble.
    has_warned: bool,
}

impl Index {
    /// An empty index that is kept at `path`.
    pub(super) fn new(path: PathBuf) -> Index {
        Index { path, known: SortedMap::new(), is_changed: false, last_write: None, has_warned: false }
    }

    /// Reads the file.
    pub(super) fn load(&mut self) {
        let files = load_hashes(&self.path).into_iter();
        self.known
            .extend(files.map(|SharedFile { name, stamp, sha256, blake3 }| (name, (stamp, Ids { sha256, blake3 }))));
    }

    /// The hashes of a file that is still in the state in which they were taken.
    pub(super) fn get(&self, name: &str, stamp: Stamp) -> Option<Ids> {
        self.known.get(name).filter(|(known, _)| *known == stamp).map(|(_, ids)| *ids)
    }

    /// All remembered files, their states, and the roots of their trees.
    pub(super) fn trees(&self) -> impl Iterator<Item = (&str, Stamp, Hash)> {
        self.known.iter().map(|(name, (stamp, ids))| (name.as_str(), *stamp, ids.blake3))
    }

    /// Remembers hashes that were begun to be taken at `begun_ns`, unless the file may have changed since without
    /// showing it.
    pub(super) fn add(&mut self, file: SharedFile, begun_ns: i128) {
        let Stamp { modified_ns, changed_ns, .. } = file.stamp;
        if [modified_ns, changed_ns].into_iter().all(|ns| begun_ns.abs_diff(ns) >= TICK_MAX_NS) {
            self.known.insert(file.name, (file.stamp, Ids { sha256: file.sha256, blake3: file.blake3 }));
            self.is_changed = true;
        }
    }

    /// Forgets the hash of one file.
    pub(super) fn forget(&mut self, name: &str) {
        self.is_changed |= self.known.remove(name).is_some();
    }

    /// Forgets all hashes but those of the files for which `is_there` says that they are in this state.
    pub(super) fn keep(&mut self, is_there: impl Fn(&str, Stamp) -> bool) {
        let before = self.known.len();
        self.known.retain(|name, (stamp, _)| is_there(name, *stamp));
        self.is_changed |= self.known.len() != before;
    }

    /// Writes what has changed, but not too often.
    pub(super) fn save_sometimes(&mut self) {
        if self.is_changed && self.last_write.is_none_or(|last| now().saturating_duration_since(last) >= PAUSE) {
            self.save();
        }
    }

    /// Writes what has changed.
    pub(super) fn save(&mut self) {
        if !self.is_changed {
            return;
        }
        self.last_write = Some(now());
        let files = self.known.iter();
        let text = render_hashes(files.map(|(name, (stamp, ids))| SharedFile {
            name: name.clone(),
            stamp: *stamp,
            sha256: ids.sha256,
            blake3: ids.blake3,
        }));
        let written = write_atomically(&self.path, text.as_bytes());
        self.is_changed = written.is_err();
        if let (Err(error), false) = (&written, self.has_warned) {
            log::warn!("cannot save the hashes of shared files to {}: {error}", self.path.display());
        }
        self.has_warned = written.is_err();
    }
}

/// The time by which pauses are measured.
#[expect(clippy::disallowed_methods, reason = "the worker spares the disk, and has nobody to tell it the time")]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// The time of day as file systems give it, in nanoseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "this is compared with what the file system says of a file")]
pub(super) fn now_ns() -> i128 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i128::try_from(since.as_nanos()).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const SECOND: i128 = 1_000_000_000;

    fn file(name: &str, modified_ns: i128) -> SharedFile {
        let stamp = Stamp { size: 1, modified_ns, changed_ns: 0, inode: 2 };
        SharedFile { name: name.to_owned(), stamp, sha256: [7; 32], blake3: [8; 32] }
    }

    /// An index with some files in it, and the directory where it is kept.
    fn index(names: &[&str]) -> (tempfile::TempDir, Index) {
        let scratch = tempfile::tempdir().unwrap();
        let mut index = Index::new(scratch.path().join("hashes.json"));
        for name in names {
            index.add(file(name, 0), now_ns());
        }
        (scratch, index)
    }

    fn reloaded(index: &Index) -> Index {
        let mut other = Index::new(index.path.clone());
        other.load();
        other
    }

    #[test]
    fn what_was_saved_is_known_after_a_restart_for_the_same_state_only() {
        let (_scratch, mut index) = index(&["a"]);
        index.save();
        let index = reloaded(&index);
        assert_eq!(index.get("a", file("a", 0).stamp), Some(Ids { sha256: [7; 32], blake3: [8; 32] }));
        assert_eq!(index.get("a", file("a", 1).stamp), None);
        assert_eq!(index.get("b", file("a", 0).stamp), None);
    }

    #[test]
    fn the_hash_of_a_file_that_had_just_changed_is_not_remembered() {
        for (age, is_remembered) in [
            (0, false),
            (2 * SECOND - 1, false),
            (2 * SECOND, true),
            (1 - 2 * SECOND, false),
            (-2 * SECOND, true),
            (i128::from(i64::MAX), true),
        ] {
            for (modified_ns, changed_ns) in [(1_000 * SECOND, 0), (0, 1_000 * SECOND)] {
                let (_scratch, mut index) = index(&[]);
                let stamp = Stamp { size: 1, modified_ns, changed_ns, inode: 2 };
                let file = SharedFile { name: "a".to_owned(), stamp, sha256: [7; 32], blake3: [8; 32] };
                index.add(file, 1_000 * SECOND + age);
                assert_eq!(index.get("a", stamp).is_some(), is_remembered, "{age}");
            }
        }
    }

    #[test]
    fn what_is_gone_or_forgotten_is_dropped_from_the_file_too() {
        let (_scratch, mut index) = index(&["a", "b", "c"]);
        index.save();
        index.keep(|name, _| name != "a");
        index.forget("b");
        index.save();
        let index = reloaded(&index);
        assert_eq!(index.known.keys().collect::<Vec<_>>(), ["c"]);
    }

    #[test]
    fn nothing_is_written_without_a_change_or_soon_after_the_last_time() {
        let (_scratch, mut index) = index(&[]);
        index.save();
        assert!(!index.path.exists());
        index.add(file("a", 0), now_ns());
        index.save_sometimes();
        assert_eq!(reloaded(&index).known.len(), 1);
        index.add(file("b", 0), now_ns());
        index.save_sometimes();
        assert_eq!(reloaded(&index).known.len(), 1);
        index.last_write = index.last_write.and_then(|last| last.checked_sub(PAUSE));
        index.save_sometimes();
        assert_eq!(reloaded(&index).known.len(), 2);
        fs::remove_file(&index.path).unwrap();
        index.keep(|_, _| true);
        index.save();
        assert!(!index.path.exists());
    }

    #[test]
    fn what_could_not_be_written_is_written_later() {
        let (scratch, mut index) = index(&["a"]);
        fs::create_dir(scratch.path().join("hashes.json.tmp")).unwrap();
        index.save();
        assert!(!index.path.exists());
        fs::remove_dir(scratch.path().join("hashes.json.tmp")).unwrap();
        index.save();
        assert_eq!(reloaded(&index).known.len(), 1);
    }
}
