//! The hashes and the tree of a file that stays the same meanwhile, made chunk by chunk.
//!
//! A hash is worth nothing if it belongs to no state the file was ever in, so the file must look the same before and
//! after; and no more is read than it was long, so that a file that grows without end is not read without end. Between
//! two chunks whoever hashes may do something else, or drop the matter.

use crate::content::tree::TREE_BLOCK_BYTES;
use crate::content::{Builder, Ids, NewTree, Stamp, TreeFolder, open_shared, stamp};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Bytes read between two looks at the orders: less than a millisecond of hashing.
const CHUNK_BYTES: usize = 256 * 1024;

/// Hashes that are being taken.
pub(super) struct Hashing {
    file: File,
    expected: Stamp,
    builder: Builder,
    /// A content of a single block keeps none.
    tree: Option<NewTree>,
    buffer: Vec<u8>,
    left: u64,
}

/// What a chunk has brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// There is more to read.
    More,
    /// The hashes; the tree is kept.
    Done(Ids),
    /// The file is no longer in the state that was to be hashed.
    Changed,
}

impl Hashing {
    /// Begins with the file `name` in `folder`, whose tree goes to `trees`; `None` if it is not in the state
    /// `expected`.
    ///
    /// # Errors
    /// Whatever the system says when the file cannot be opened, or no tree be begun.
    pub(super) fn begin(folder: &Path, name: &str, expected: Stamp, trees: &TreeFolder) -> io::Result<Option<Hashing>> {
        let (file, found) = open_shared(folder, name)?;
        if found != expected {
            return Ok(None);
        }
        let builder = Builder::new(expected.size).ok_or(io::ErrorKind::FileTooLarge)?;
        let has_tree = expected.size > TREE_BLOCK_BYTES;
        let tree = has_tree.then(|| trees.create()).transpose().map_err(about_tree)?;
        let (buffer, left) = (vec![0; CHUNK_BYTES], expected.size);
        Ok(Some(Hashing { file, expected, builder, tree, buffer, left }))
    }

    /// Bytes that have not been read yet.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// Reads one chunk.
    ///
    /// # Errors
    /// Whatever the system says when the file cannot be read, or its tree not be written.
    pub(super) fn advance(&mut self) -> io::Result<Progress> {
        let most = usize::try_from(self.left).map_or(CHUNK_BYTES, |left| left.min(CHUNK_BYTES));
        let read = self.file.read(&mut self.buffer[..most])?;
        let mut write = |offset: u64, bytes: &[u8]| match &self.tree {
            Some(tree) => tree.write(offset, bytes).map_err(about_tree),
            None => Ok(()),
        };
        self.builder.update(&self.buffer[..read], &mut write)?;
        self.left -= read as u64;
        if read == 0 && most > 0 {
            return Ok(Progress::Changed);
        }
        if self.left > 0 {
            return Ok(Progress::More);
        }
        let ids = self.builder.finish(&mut write)?;
        let is_same = stamp(&self.file.metadata()?) == self.expected;
        let Some(ids) = ids.filter(|_| is_same) else { return Ok(Progress::Changed) };
        if let Some(tree) = self.tree.take() {
            tree.keep(&ids.blake3).map_err(about_tree)?;
        }
        Ok(Progress::Done(ids))
    }
}

/// An error that is not about the file itself.
fn about_tree(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("its hash tree cannot be kept: {error}"))
}

/// Whether the file `name` in `folder` can be read and is in the state `expected`, in which it had its hashes before.
///
/// # Errors
/// Whatever the system says when the file cannot be opened.
pub(super) fn confirm(folder: &Path, name: &str, expected: Stamp) -> io::Result<bool> {
    open_shared(folder, name).map(|(_, found)| found == expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::tree::Shape;
    use sha2::{Digest, Sha256};
    use std::fs;

    /// What comes of a file with this content to which something happens after the first chunk, and the names and
    /// lengths of the trees that are there then.
    fn hash_after(content: &[u8], meanwhile: impl Fn(&Path)) -> (Progress, Vec<(String, u64)>) {
        let scratch = tempfile::tempdir().unwrap();
        let (path, trees) = (scratch.path().join("a"), scratch.path().join("trees"));
        fs::write(&path, content).unwrap();
        let stamp = stamp(&fs::metadata(&path).unwrap());
        let mut hashing = Hashing::begin(scratch.path(), "a", stamp, &TreeFolder::new(trees.clone())).unwrap().unwrap();
        if content.len() <= CHUNK_BYTES {
            meanwhile(&path);
        }
        let mut progress = hashing.advance().unwrap();
        meanwhile(&path);
        while progress == Progress::More {
            progress = hashing.advance().unwrap();
        }
        drop(hashing);
        let entries = fs::read_dir(trees).into_iter().flatten().map(|entry| entry.unwrap());
        let entries = entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len()));
        (progress, entries.collect())
    }

    #[test]
    fn files_of_any_length_get_their_hashes_and_those_of_several_blocks_their_tree() {
        for length in [0, 1, 4_096, 4_097, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES] {
            let content = vec![7; length];
            let blake3 = blake3::hash(&content);
            let ids = Ids { sha256: Sha256::digest(&content).into(), blake3: blake3.into() };
            let tree = (blake3.to_string(), Shape::new(length as u64).unwrap().tree_bytes());
            let trees = if length > 4_096 { vec![tree] } else { vec![] };
            assert_eq!(hash_after(&content, |_| ()), (Progress::Done(ids), trees), "{length}");
        }
    }

    #[test]
    fn a_file_that_changes_meanwhile_has_no_hash_and_leaves_no_tree() {
        let longer = vec![1; 2 * CHUNK_BYTES];
        assert_eq!(hash_after(&longer, |path| fs::write(path, b"short").unwrap()), (Progress::Changed, vec![]));
        assert_eq!(hash_after(b"abc", |path| fs::write(path, b"abcd").unwrap()), (Progress::Changed, vec![]));
    }

    #[test]
    fn a_file_whose_tree_cannot_be_kept_is_not_shared_and_the_reason_says_so() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("a");
        fs::write(&path, vec![1; 10_000]).unwrap();
        fs::write(scratch.path().join("trees"), "no folder").unwrap();
        let trees = TreeFolder::new(scratch.path().join("trees"));
        let stamp = stamp(&fs::metadata(&path).unwrap());
        let error = Hashing::begin(scratch.path(), "a", stamp, &trees).err().unwrap();
        assert!(error.to_string().starts_with("its hash tree cannot be kept: "), "{error}");
    }

    #[test]
    fn a_file_in_another_state_is_not_begun() {
        let folder = tempfile::tempdir().unwrap();
        let trees = TreeFolder::new(folder.path().join("trees"));
        fs::write(folder.path().join("a"), "a").unwrap();
        assert!(Hashing::begin(folder.path(), "a", Stamp::default(), &trees).unwrap().is_none());
        assert!(Hashing::begin(folder.path(), "b", Stamp::default(), &trees).is_err());
    }
}
