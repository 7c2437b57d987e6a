//! Files that stay open while they are served, because opening one costs more than reading a block of it.
//!
//! What is open is still what was checked when it was opened: a regular file, reached over no link. Its state is looked
//! at after every read, and a read counts only if that is the state in which the file was hashed: whatever had been
//! done to it before or meanwhile would have moved the time of its last change. That holds for removing, renaming and
//! replacing it too. A new look at the path is taken now and then, should the folder be another.

use super::{open_shared, reason, stamp};
use crate::content::{ReadError, SharedFile};
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::Path;

/// How many files stay open: as many contents as are in demand at the same moment on a busy node, and few of the 1,024
/// descriptors that a process usually has. The one that was read longest ago is closed for another.
pub(super) const HANDLES_MAX: usize = 16;

/// How often a file is read before it is opened anew: opening costs a few reads, so this makes it a hundredth of them.
const READS_MAX: u32 = 256;

/// Open files, the one that was read last at the end.
#[derive(Debug, Default)]
pub(super) struct Handles(VecDeque<Handle>);

#[derive(Debug)]
struct Handle {
    name: String,
    file: File,
    reads: u32,
}

impl Handles {
    /// Lets `read` read a file; what it finds belongs to the state in which the file was hashed.
    pub(super) fn read(
        &mut self,
        folder: &Path,
        file: &SharedFile,
        read: impl FnOnce(&File) -> io::Result<()>,
    ) -> Result<(), ReadError> {
        let mut handle = match self.take(&file.name) {
            Some(handle) => handle,
            None => {
                Handle { name: file.name.clone(), file: open_shared(folder, &file.name).map_err(reason)?.0, reads: 0 }
            }
        };
        let outcome = read(&handle.file);
        // A file that has changed is more to be said than that the read failed for it.
        if stamp(&handle.file.metadata().map_err(reason)?) != file.stamp {
            return Err(ReadError::Changed);
        }
        outcome.map_err(reason)?;
        handle.reads += 1;
        if handle.reads < READS_MAX {
            if self.0.len() >= HANDLES_MAX {
                self.0.pop_front();
            }
            self.0.push_back(handle);
        }
        Ok(())
    }

    /// Closes the file of this name, so that it takes up no room once it has been removed.
    pub(super) fn close(&mut self, name: &str) {
        drop(self.take(name));
    }

    fn take(&mut self, name: &str) -> Option<Handle> {
        let place = self.0.iter().rposition(|handle| handle.name == name)?;
        self.0.remove(place)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{FileExt, MetadataExt};
    use tempfile::TempDir;

    fn folder_with(names: &[String]) -> (TempDir, Vec<SharedFile>) {
        let folder = tempfile::tempdir().unwrap();
        let share = |name: &String| {
            fs::write(folder.path().join(name), name).unwrap();
            shared(folder.path(), name)
        };
        let files = names.iter().map(share).collect();
        (folder, files)
    }

    fn shared(folder: &Path, name: &str) -> SharedFile {
        let stamp = stamp(&fs::symlink_metadata(folder.join(name)).unwrap());
        SharedFile { name: name.to_owned(), stamp, sha256: [0; 32], blake3: [0; 32] }
    }

    fn first_byte(handles: &mut Handles, folder: &Path, file: &SharedFile) -> Result<u8, ReadError> {
        let mut byte = [0];
        handles.read(folder, file, |opened| opened.read_exact_at(&mut byte, 0)).map(|()| byte[0])
    }

    /// The clock of the file system may have to tick before a change can be seen.
    fn tick(folder: &Path) {
        let ticks = || {
            fs::write(folder.join(".clock"), "x").unwrap();
            fs::metadata(folder.join(".clock")).unwrap().ctime_nsec()
        };
        let before = ticks();
        while ticks() == before {}
    }

    #[test]
    fn a_file_is_opened_once_for_many_reads_and_anew_after_enough_of_them() {
        let (folder, files) = folder_with(&["a".to_owned()]);
        let mut handles = Handles::default();
        let descriptor = |handles: &Handles| handles.0.front().map(|handle| handle.reads);
        for read in 1..=2 * READS_MAX {
            assert_eq!(first_byte(&mut handles, folder.path(), &files[0]), Ok(b'a'));
            let expected = Some(read % READS_MAX).filter(|reads| *reads > 0);
            assert_eq!(descriptor(&handles), expected);
        }
    }

    #[test]
    fn an_open_file_that_is_written_to_replaced_removed_or_renamed_is_not_served() {
        let change: [fn(&Path); 4] = [
            |folder| fs::write(folder.join("a"), "b").unwrap(),
            |folder| {
                fs::write(folder.join("new"), "a").unwrap();
                fs::rename(folder.join("new"), folder.join("a")).unwrap();
            },
            |folder| fs::remove_file(folder.join("a")).unwrap(),
            |folder| fs::rename(folder.join("a"), folder.join("b")).unwrap(),
        ];
        for change in change {
            let (folder, files) = folder_with(&["a".to_owned()]);
            let mut handles = Handles::default();
            assert_eq!(first_byte(&mut handles, folder.path(), &files[0]), Ok(b'a'));
            tick(folder.path());
            change(folder.path());
            assert_eq!(first_byte(&mut handles, folder.path(), &files[0]), Err(ReadError::Changed));
            assert!(handles.0.is_empty());
        }
    }

    #[test]
    fn a_file_that_was_hashed_again_is_read_in_its_new_state() {
        let (folder, files) = folder_with(&["a".to_owned()]);
        let mut handles = Handles::default();
        assert_eq!(first_byte(&mut handles, folder.path(), &files[0]), Ok(b'a'));
        tick(folder.path());
        fs::write(folder.path().join("new"), "z").unwrap();
        fs::rename(folder.path().join("new"), folder.path().join("a")).unwrap();
        let anew = shared(folder.path(), "a");
        handles.close("a");
        assert_eq!(first_byte(&mut handles, folder.path(), &anew), Ok(b'z'));
    }

    #[test]
    fn a_link_in_the_place_of_a_file_is_not_followed_when_it_is_opened_anew() {
        let (folder, files) = folder_with(&["a".to_owned(), "other".to_owned()]);
        let mut handles = Handles::default();
        assert_eq!(first_byte(&mut handles, folder.path(), &files[0]), Ok(b'a'));
        fs::remove_file(folder.path().join("a")).unwrap();
        std::os::unix::fs::symlink("other", folder.path().join("a")).unwrap();
        handles.close("a");
        assert_eq!(first_byte(&mut handles, folder.path(), &files[0]), Err(ReadError::Changed));
    }

    #[test]
    fn the_file_that_was_read_longest_ago_is_closed_for_another() {
        let names: Vec<String> = (0..=HANDLES_MAX).map(|number| format!("{number}")).collect();
        let (folder, files) = folder_with(&names);
        let mut handles = Handles::default();
        for file in &files[..HANDLES_MAX] {
            first_byte(&mut handles, folder.path(), file).unwrap();
        }
        first_byte(&mut handles, folder.path(), &files[0]).unwrap();
        first_byte(&mut handles, folder.path(), &files[HANDLES_MAX]).unwrap();
        let open: Vec<&str> = handles.0.iter().map(|handle| &*handle.name).collect();
        assert_eq!(open.len(), HANDLES_MAX);
        assert!(open.contains(&"0") && !open.contains(&"1"));
    }
}
