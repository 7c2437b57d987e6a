//! What is there of contents that are being fetched: two files for each, its own bytes and those of its tree, each byte
//! at its place. What has not come yet takes up no room.
//!
//! Nothing here knows which bytes are there, or whether they are right.

use super::store::open_own;
use crate::content::{ContentId, Part, ReadError, WriteError};
use crate::data_dir::create_folder;
use crate::sorted::SortedMap;
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The folder of unfinished contents.
#[derive(Debug)]
pub struct PartFolder {
    path: PathBuf,
    /// The files in use: two for each download.
    open: SortedMap<(ContentId, Part), File>,
}

impl PartFolder {
    /// The unfinished contents in the folder at `path`, which need not exist yet.
    pub fn new(path: PathBuf) -> PartFolder {
        PartFolder { path, open: SortedMap::new() }
    }

    /// Keeps some bytes.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn write(&mut self, id: &ContentId, part: Part, offset: u64, bytes: &[u8]) -> Result<(), WriteError> {
        let file = self.file(id, part).map_err(|error| reason(&error))?;
        file.write_all_at(bytes, offset).map_err(|error| reason(&error))
    }

    /// Reads bytes that were kept before.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn read(&mut self, id: &ContentId, part: Part, offset: u64, buffer: &mut [u8]) -> Result<(), ReadError> {
        let file = self.file(id, part).map_err(|_| ReadError::Failed)?;
        file.read_exact_at(buffer, offset).map_err(|_| ReadError::Failed)
    }

    /// Closes the files of a content: it is finished, or will not be fetched any more.
    pub fn close(&mut self, id: &ContentId) {
        self.open.retain(|(open, _), _| open != id);
    }

    fn file(&mut self, id: &ContentId, part: Part) -> io::Result<&File> {
        let key = (*id, part);
        if !self.open.contains_key(&key) {
            create_folder(&self.path)?;
            self.open.insert(key, open_part(&self.path, id, part)?);
        }
        self.open.get(&key).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// Where the bytes of a part lie while it is being fetched.
pub fn part_path(folder: &Path, id: &ContentId, part: Part) -> PathBuf {
    let ending = match part {
        Part::Content => "part",
        Part::Tree => "tree",
    };
    folder.join(format!("{}.{ending}", id.file_stem()))
}

/// Opens the file in which the bytes of a part lie while it is being fetched.
///
/// # Errors
/// Whatever the system says; what is no regular file is refused, unopened.
pub fn open_part(folder: &Path, id: &ContentId, part: Part) -> io::Result<File> {
    open_own(&part_path(folder, id, part))
}

/// Why bytes were not written.
pub fn reason(error: &io::Error) -> WriteError {
    match Errno::from_io_error(error) {
        Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => WriteError::Full,
        _ => WriteError::Failed,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn bytes_lie_at_their_places_and_survive_the_folder_being_closed() {
        let scratch = tempfile::tempdir().unwrap();
        let id = ContentId::Blake3([7; 32]);
        let mut folder = PartFolder::new(scratch.path().join("parts"));
        folder.write(&id, Part::Content, 1 << 40, b"far").unwrap();
        folder.write(&id, Part::Content, 2, b"near").unwrap();
        folder.write(&id, Part::Tree, 0, b"tree").unwrap();
        folder.close(&id);
        let mut folder = PartFolder::new(scratch.path().join("parts"));
        let mut bytes = [0; 4];
        folder.read(&id, Part::Content, 2, &mut bytes).unwrap();
        assert_eq!(&bytes, b"near");
        assert_eq!(folder.read(&id, Part::Tree, 1, &mut bytes), Err(ReadError::Failed));
        assert_eq!(folder.read(&ContentId::Sha256([7; 32]), Part::Content, 2, &mut bytes), Err(ReadError::Failed));
    }

    #[test]
    fn nothing_but_a_regular_file_is_written_to() {
        let scratch = tempfile::tempdir().unwrap();
        let id = ContentId::Sha256([8; 32]);
        let path = part_path(scratch.path(), &id, Part::Content);
        fs::create_dir(&path).unwrap();
        let mut folder = PartFolder::new(scratch.path().to_owned());
        assert_eq!(folder.write(&id, Part::Content, 0, b"x"), Err(WriteError::Failed));
        fs::remove_dir(&path).unwrap();
        let other = scratch.path().join("other");
        fs::write(&other, "mine").unwrap();
        std::os::unix::fs::symlink(&other, &path).unwrap();
        assert_eq!(folder.write(&id, Part::Content, 0, b"x"), Err(WriteError::Failed));
        assert_eq!(fs::read(&other).unwrap(), b"mine");
    }
}
