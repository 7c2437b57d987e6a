//! What is in the public folder and the store, and what has become of it since the last look.
//!
//! Two looks that find a file in the same state say that nobody is writing it; only the first look of all takes what it
//! finds for finished, and should it be wrong, the next one sees it. A folder that cannot be read makes nothing
//! forgotten: the files may be back in a moment, and until then reading them fails anyway. A folder that is gone is
//! empty. What is in the store was finished when it got there.

use crate::content::{SHARED_FILES_MAX, SharedFile, Stamp, StoreFolder, is_shareable, stamp, stored_hash, stored_name};
use crate::data_dir::is_key;
use crate::sorted::{SortedMap, in_order};
use std::path::{Path, PathBuf};
use std::{fs, io, mem};

/// Entries of the folder that are looked at; what is no file to share costs time too.
const ENTRIES_MAX: usize = 100_000;

/// Looks before a file that could not be read is tried again: not every reason shows in its state (a disk that is slow
/// to wake up, a limit on open files), and a reason that stays is worth one try a minute.
const LOOKS_BEFORE_RETRY: u32 = 30;

/// What became of a file.
#[derive(Clone, Copy, Debug)]
enum State {
    /// Seen once in this state; perhaps still being written.
    Settling,
    /// Handed out to be hashed.
    Queued,
    /// Hashed and reported.
    Shared,
    /// Could not be read; counts the looks until the next try.
    Unreadable(u32),
    /// Read, and nobody's business.
    Refused,
}

/// What a look found.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Files that were shared and are gone or being changed.
    pub(super) gone: Vec<String>,
    /// Files that want to be hashed; each is handed out once, until it is said what came of it.
    pub(super) settled: Vec<(String, Stamp)>,
}

/// The folder as of the last look.
pub(super) struct Folder {
    path: PathBuf,
    store: StoreFolder,
    known: SortedMap<String, (Stamp, State)>,
    is_first_look: bool,
    /// Whether the user has been told about the present trouble.
    has_warned: bool,
}

impl Folder {
    pub(super) fn new(path: PathBuf) -> Folder {
        let store = StoreFolder::beside(&path);
        Folder { path, store, known: SortedMap::new(), is_first_look: true, has_warned: false }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The store beside the folder.
    pub(super) fn store(&self) -> &StoreFolder {
        &self.store
    }

    /// The files that were there when the folder was last looked through, and their states.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, Stamp)> {
        self.known.iter().map(|(name, (stamp, _))| (name.as_str(), *stamp))
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether a file was in this state when the folder was last looked through.
    pub(super) fn has(&self, name: &str, stamp: Stamp) -> bool {
        self.known.get(name).is_some_and(|(known, _)| *known == stamp)
    }

    /// The node has nothing under this name any more: whatever the next look finds there is new. What is going to be
    /// hashed is so anyway.
    pub(super) fn forget(&mut self, name: &str) {
        if let Some((_, state)) = self.known.get_mut(name)
            && !matches!(state, State::Queued)
        {
            *state = State::Settling;
        }
    }

    /// A file that was handed out was shared.
    pub(super) fn set_shared(&mut self, name: &str, stamp: Stamp) {
        // If it has been replaced since, the next look finds it different from what the node was told.
        self.known.insert(name.to_owned(), (stamp, State::Shared));
    }

    /// A file that was handed out could not be read.
    pub(super) fn set_unreadable(&mut self, name: &str, stamp: Stamp) {
        self.settle(name, stamp, State::Unreadable(LOOKS_BEFORE_RETRY));
    }

    /// A file is never to be shared in the state in which it is.
    pub(super) fn set_refused(&mut self, name: &str, stamp: Stamp) {
        self.settle(name, stamp, State::Refused);
    }

    /// Whether a file is the secret key, which lies beside the folder.
    pub(super) fn is_key(&self, file: &SharedFile) -> bool {
        self.path.parent().is_some_and(|data| is_key(data, file.stamp.size, &file.sha256))
    }

    /// A file that was handed out was not as it had been.
    pub(super) fn set_settling(&mut self, name: &str, stamp: Stamp) {
        self.settle(name, stamp, State::Settling);
    }

    /// What came of a file that was handed out, unless another one has taken its place.
    fn settle(&mut self, name: &str, stamp: Stamp, new: State) {
        if let Some((known, state)) = self.known.get_mut(name)
            && *known == stamp
        {
            *state = new;
        }
    }

    /// True until the folder has been looked through once.
    pub(super) fn is_new(&self) -> bool {
        self.is_first_look
    }

    /// Looks through the folder.
    pub(super) fn look(&mut self) -> Changes {
        match list(&self.path, &self.store) {
            Ok(found) => {
                self.warn_if(found.len() >= SHARED_FILES_MAX, || {
                    format!("there is too much to share; {SHARED_FILES_MAX} files are")
                });
                self.compare(found)
            }
            Err((folder, error)) => {
                self.warn_if(true, || format!("the folder {} cannot be read: {error}", folder.display()));
                Changes::default()
            }
        }
    }

    /// Tells the user about trouble once, until it is over.
    fn warn_if(&mut self, is_trouble: bool, what: impl FnOnce() -> String) {
        if is_trouble && !self.has_warned {
            log::warn!("{}", what());
        }
        self.has_warned = is_trouble;
    }

    fn compare(&mut self, found: Vec<(String, Stamp)>) -> Changes {
        let mut changes = Changes::default();
        let is_first_look = mem::replace(&mut self.is_first_look, false);
        let before = mem::take(&mut self.known);
        for (name, stamp) in found {
            let state = match before.get(&name) {
                Some((old_stamp, state)) if *old_stamp == stamp => again(*state),
                Some((_, State::Shared)) => {
                    changes.gone.push(name.clone());
                    Next::Keep(State::Settling)
                }
                _ if is_first_look || stored_hash(&name).is_some() => Next::Hash,
                _ => Next::Keep(State::Settling),
            };
            if let Next::Hash = state {
                changes.settled.push((name.clone(), stamp));
            }
            self.known.insert(name, (stamp, if let Next::Keep(state) = state { state } else { State::Queued }));
        }
        let was_shared = before.into_iter().filter(|(_, (_, state))| matches!(state, State::Shared));
        changes.gone.extend(was_shared.map(|(name, _)| name).filter(|name| !self.known.contains_key(name)));
        changes
    }
}

/// What to do about a file.
enum Next {
    Keep(State),
    Hash,
}

/// A file was found as it was before.
fn again(state: State) -> Next {
    match state {
        State::Settling | State::Unreadable(0) => Next::Hash,
        State::Unreadable(looks) => Next::Keep(State::Unreadable(looks - 1)),
        State::Queued | State::Shared | State::Refused => Next::Keep(state),
    }
}

/// The files in `folder` and `store` that may be shared, at most [`SHARED_FILES_MAX`], and their states, in the order
/// of the names; or which of the two cannot be read.
fn list(folder: &Path, store: &StoreFolder) -> Result<Vec<(String, Stamp)>, (PathBuf, io::Error)> {
    let stored = store.list(SHARED_FILES_MAX).map_err(|error| (store.path().to_owned(), error))?;
    let mut found: Vec<_> = stored.into_iter().map(|(sha256, stamp)| (stored_name(&sha256), stamp)).collect();
    list_folder(folder, &mut found).map_err(|error| (folder.to_owned(), error))?;
    Ok(in_order(found, |(one, _), (other, _)| one.cmp(other)))
}

/// Adds those in `folder`.
fn list_folder(folder: &Path, found: &mut Vec<(String, Stamp)>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries.take(ENTRIES_MAX) {
        if found.len() >= SHARED_FILES_MAX {
            break;
        }
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if !is_shareable(&name) {
            continue;
        }
        match entry.metadata() {
            Ok(metadata) if metadata.is_file() => found.push((name, stamp(&metadata))),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    fn names(changes: &Changes) -> (Vec<&str>, Vec<&str>) {
        let gone = changes.gone.iter().map(String::as_str).collect();
        (gone, changes.settled.iter().map(|(name, _)| name.as_str()).collect())
    }

    fn share(folder: &mut Folder, changes: Changes) {
        for (name, stamp) in changes.settled {
            folder.set_shared(&name, stamp);
        }
    }

    #[test]
    fn what_lies_there_at_first_is_hashed_at_once_and_what_comes_later_when_it_has_settled() {
        let scratch = tempfile::tempdir().unwrap();
        fs::write(scratch.path().join("a"), "a").unwrap();
        let mut folder = Folder::new(scratch.path().to_owned());
        let changes = folder.look();
        assert_eq!(names(&changes), (vec![], vec!["a"]));
        share(&mut folder, changes);
        fs::write(scratch.path().join("b"), "b").unwrap();
        assert_eq!(names(&folder.look()), (vec![], vec![]));
        fs::write(scratch.path().join("b"), "longer").unwrap();
        assert_eq!(names(&folder.look()), (vec![], vec![]));
        let changes = folder.look();
        assert_eq!(names(&changes), (vec![], vec!["b"]));
        share(&mut folder, changes);
        assert_eq!(names(&folder.look()), (vec![], vec![]));
    }

    #[test]
    fn what_is_changed_or_removed_is_gone() {
        let scratch = tempfile::tempdir().unwrap();
        for name in ["a", "b"] {
            fs::write(scratch.path().join(name), name).unwrap();
        }
        let mut folder = Folder::new(scratch.path().to_owned());
        let changes = folder.look();
        share(&mut folder, changes);
        fs::remove_file(scratch.path().join("a")).unwrap();
        fs::write(scratch.path().join("b"), "changed").unwrap();
        let changes = folder.look();
        assert_eq!(changes.gone.len(), 2);
        assert_eq!(names(&folder.look()), (vec![], vec!["b"]));
        assert_eq!(folder.len(), 1);
    }

    #[test]
    fn only_visible_regular_files_with_proper_names_are_found() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path();
        for name in ["good", ".hidden"] {
            fs::write(path.join(name), "x").unwrap();
        }
        fs::write(path.join(OsStr::from_bytes(b"\xff")), "x").unwrap();
        fs::create_dir(path.join("sub")).unwrap();
        symlink("good", path.join("link")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, path.join("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let store = StoreFolder::beside(path);
        assert_eq!(list(path, &store).unwrap().iter().map(|(name, _)| name).collect::<Vec<_>>(), ["good"]);
    }

    #[test]
    fn a_folder_that_is_gone_is_empty_and_one_that_cannot_be_read_changes_nothing() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("public");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("a"), "a").unwrap();
        let mut folder = Folder::new(path.clone());
        let changes = folder.look();
        share(&mut folder, changes);
        fs::rename(&path, scratch.path().join("aside")).unwrap();
        fs::write(&path, "no folder").unwrap();
        assert_eq!(names(&folder.look()), (vec![], vec![]));
        assert_eq!(folder.len(), 1);
        fs::remove_file(&path).unwrap();
        assert_eq!(names(&folder.look()), (vec!["a"], vec![]));
        fs::rename(scratch.path().join("aside"), &path).unwrap();
        folder.look();
        assert_eq!(names(&folder.look()), (vec![], vec!["a"]));
    }

    #[test]
    fn the_folder_that_cannot_be_read_is_the_one_that_is_named() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("public");
        let store = StoreFolder::beside(&path);
        fs::write(&path, "no folder").unwrap();
        assert_eq!(list(&path, &store).unwrap_err().0, path);
        fs::remove_file(&path).unwrap();
        fs::write(store.path(), "no folder").unwrap();
        assert_eq!(list(&path, &store).unwrap_err().0, store.path());
    }

    #[test]
    fn what_cannot_be_read_is_tried_again_seldom() {
        let scratch = tempfile::tempdir().unwrap();
        fs::write(scratch.path().join("a"), "a").unwrap();
        let mut folder = Folder::new(scratch.path().to_owned());
        let (name, stamp) = folder.look().settled.remove(0);
        folder.set_unreadable(&name, stamp);
        let quiet = (0..LOOKS_BEFORE_RETRY).filter(|_| !folder.look().settled.is_empty()).count();
        assert_eq!(quiet, 0);
        assert_eq!(folder.look().settled.len(), 1);
    }
}
