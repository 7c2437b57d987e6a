//! The SHA-256 of a file that stays the same meanwhile.
//!
//! A hash is worth nothing if it belongs to no state the file was ever in, so the file must look the same before and
//! after; and no more is read than it was long, so that a file that grows without end is not read without end.

use crate::content::{Stamp, open_shared, stamp};
use sha2::{Digest, Sha256};
use std::io::{self, Read};
use std::path::Path;

/// Bytes read between two looks at the orders: less than a millisecond of hashing.
const CHUNK_BYTES: usize = 256 * 1024;

/// The hash of the file `name` in `folder`; `None` if it is not or did not stay in the state `expected`, or if
/// `should_stop`, which is asked before every chunk, said so.
///
/// # Errors
/// Whatever the system says when the file cannot be opened or read.
pub(super) fn hash(
    folder: &Path,
    name: &str,
    expected: Stamp,
    mut should_stop: impl FnMut() -> bool,
) -> io::Result<Option<[u8; 32]>> {
    let (mut file, found) = open_shared(folder, name)?;
    if found != expected {
        return Ok(None);
    }
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut left = expected.size;
    while left > 0 {
        let most = usize::try_from(left).map_or(CHUNK_BYTES, |left| left.min(CHUNK_BYTES));
        let read = file.read(&mut buffer[..most])?;
        if should_stop() || read == 0 {
            return Ok(None);
        }
        hasher.update(&buffer[..read]);
        left -= read as u64;
    }
    let is_same = stamp(&file.metadata()?) == expected;
    Ok(is_same.then(|| hasher.finalize().into()))
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

    fn hash_after(content: &[u8], meanwhile: impl FnMut(&Path)) -> Option<[u8; 32]> {
        let mut meanwhile = meanwhile;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, content).unwrap();
        let stamp = stamp(&fs::metadata(&path).unwrap());
        hash(folder.path(), "a", stamp, || {
            meanwhile(&path);
            false
        })
        .unwrap()
    }

    #[test]
    fn files_of_any_length_get_their_hash() {
        for length in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES] {
            let content = vec![7; length];
            assert_eq!(hash_after(&content, |_| ()), Some(Sha256::digest(&content).into()));
        }
    }

    #[test]
    fn a_file_that_changes_meanwhile_has_no_hash() {
        let longer = vec![1; 2 * CHUNK_BYTES];
        assert_eq!(hash_after(&longer, |path| fs::write(path, b"short").unwrap()), None);
        assert_eq!(hash_after(b"abc", |path| fs::write(path, b"abcd").unwrap()), None);
    }
}
