//! The SHA-256 of a file that stays the same meanwhile, taken chunk by chunk.
//!
//! A hash is worth nothing if it belongs to no state the file was ever in, so the file must look the same before and
//! after; and no more is read than it was long, so that a file that grows without end is not read without end. Between
//! two chunks whoever hashes may do something else, or drop the matter.

use crate::content::{Stamp, open_shared, stamp};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Bytes read between two looks at the orders: less than a millisecond of hashing.
const CHUNK_BYTES: usize = 256 * 1024;

/// A hash that is being taken.
pub(super) struct Hashing {
    file: File,
    expected: Stamp,
    hasher: Sha256,
    buffer: Vec<u8>,
    left: u64,
}

/// What a chunk has brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// There is more to read.
    More,
    /// The hash.
    Done([u8; 32]),
    /// The file is no longer in the state that was to be hashed.
    Changed,
}

impl Hashing {
    /// Begins with the file `name` in `folder`; `None` if it is not in the state `expected`.
    ///
    /// # Errors
    /// Whatever the system says when the file cannot be opened.
    pub(super) fn begin(folder: &Path, name: &str, expected: Stamp) -> io::Result<Option<Hashing>> {
        let (file, found) = open_shared(folder, name)?;
        let (hasher, buffer, left) = (Sha256::new(), vec![0; CHUNK_BYTES], expected.size);
        Ok((found == expected).then_some(Hashing { file, expected, hasher, buffer, left }))
    }

    /// Bytes that have not been read yet.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// Reads one chunk.
    ///
    /// # Errors
    /// Whatever the system says when the file cannot be read.
    pub(super) fn advance(&mut self) -> io::Result<Progress> {
        let most = usize::try_from(self.left).map_or(CHUNK_BYTES, |left| left.min(CHUNK_BYTES));
        let read = self.file.read(&mut self.buffer[..most])?;
        self.hasher.update(&self.buffer[..read]);
        self.left -= read as u64;
        if read == 0 && most > 0 {
            return Ok(Progress::Changed);
        }
        if self.left > 0 {
            return Ok(Progress::More);
        }
        let is_same = stamp(&self.file.metadata()?) == self.expected;
        Ok(if is_same { Progress::Done(self.hasher.finalize_reset().into()) } else { Progress::Changed })
    }
}

/// Whether the file `name` in `folder` can be read and is in the state `expected`, in which it had its hash before.
///
/// # Errors
/// Whatever the system says when the file cannot be opened.
pub(super) fn confirm(folder: &Path, name: &str, expected: Stamp) -> io::Result<bool> {
    open_shared(folder, name).map(|(_, found)| found == expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// What comes of a file with this content to which something happens after the first chunk.
    fn hash_after(content: &[u8], meanwhile: impl Fn(&Path)) -> Progress {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, content).unwrap();
        let stamp = stamp(&fs::metadata(&path).unwrap());
        let mut hashing = Hashing::begin(folder.path(), "a", stamp).unwrap().unwrap();
        if content.len() <= CHUNK_BYTES {
            meanwhile(&path);
        }
        let mut progress = hashing.advance().unwrap();
        meanwhile(&path);
        while progress == Progress::More {
            progress = hashing.advance().unwrap();
        }
        progress
    }

    #[test]
    fn files_of_any_length_get_their_hash() {
        for length in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES] {
            let content = vec![7; length];
            assert_eq!(hash_after(&content, |_| ()), Progress::Done(Sha256::digest(&content).into()));
        }
    }

    #[test]
    fn a_file_that_changes_meanwhile_has_no_hash() {
        let longer = vec![1; 2 * CHUNK_BYTES];
        assert_eq!(hash_after(&longer, |path| fs::write(path, b"short").unwrap()), Progress::Changed);
        assert_eq!(hash_after(b"abc", |path| fs::write(path, b"abcd").unwrap()), Progress::Changed);
    }

    #[test]
    fn a_file_in_another_state_is_not_begun() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "a").unwrap();
        assert!(Hashing::begin(folder.path(), "a", Stamp::default()).unwrap().is_none());
        assert!(Hashing::begin(folder.path(), "b", Stamp::default()).is_err());
    }
}
