//! Making a content last that has been fetched: check it as a whole, and give it its place in the store.
//!
//! It is read once more from front to back, whatever was checked before: what counts is what lies on the disk. Only a
//! content that is what its id says gets a name in the store.

use crate::content::tree::TREE_BLOCK_BYTES;
use crate::content::{
    Builder, ContentId, NewTree, Part, SharedFile, StoreFolder, TreeFolder, WriteError, open_part, part_path,
    write_error,
};
use crate::transfer::Failure;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};

/// Bytes read between two looks at the orders: less than a millisecond of hashing.
const CHUNK_BYTES: usize = 256 * 1024;

/// A content being checked.
pub(super) struct Settling {
    pub(super) id: ContentId,
    parts: PathBuf,
    file: File,
    builder: Builder,
    /// A content of a single block keeps none.
    tree: Option<NewTree>,
    buffer: Vec<u8>,
    at: u64,
    size: u64,
}

/// What a chunk has brought.
#[derive(Debug)]
pub(super) enum Settled {
    /// There is more to read.
    More,
    /// It is in the store.
    Kept(SharedFile),
    /// It is not what its id says.
    Wrong,
}

impl Settling {
    /// Begins to check a content of `size` bytes in the folder `parts`.
    ///
    /// # Errors
    /// Whatever the system says.
    pub(super) fn begin(parts: &Path, id: ContentId, size: u64, trees: &TreeFolder) -> io::Result<Settling> {
        // Of the empty content nothing was ever written.
        DirBuilder::new().recursive(true).mode(0o700).create(parts)?;
        let file = open_part(parts, &id, Part::Content)?;
        // A source may have claimed more at first.
        file.set_len(size)?;
        let builder = Builder::new(size).ok_or(io::ErrorKind::FileTooLarge)?;
        let tree = (size > TREE_BLOCK_BYTES).then(|| trees.create()).transpose()?;
        let buffer = vec![0; CHUNK_BYTES];
        Ok(Settling { id, parts: parts.to_owned(), file, builder, tree, buffer, at: 0, size })
    }

    /// Checks one chunk, and keeps the content after the last.
    ///
    /// # Errors
    /// Whatever the system says; the content is then not kept.
    pub(super) fn advance(&mut self, store: &StoreFolder) -> io::Result<Settled> {
        let most = usize::try_from(self.size - self.at).map_or(CHUNK_BYTES, |left| left.min(CHUNK_BYTES));
        self.file.read_exact_at(&mut self.buffer[..most], self.at)?;
        let mut write = |offset: u64, bytes: &[u8]| self.tree.as_ref().map_or(Ok(()), |tree| tree.write(offset, bytes));
        self.builder.update(&self.buffer[..most], &mut write)?;
        self.at += most as u64;
        if self.at < self.size {
            return Ok(Settled::More);
        }
        let ids = self.builder.finish(&mut write)?;
        let is_right = |ids: &crate::content::Ids| match self.id {
            ContentId::Sha256(sha256) => ids.sha256 == sha256,
            ContentId::Blake3(blake3) => ids.blake3 == blake3,
        };
        let Some(ids) = ids.filter(is_right) else { return Ok(Settled::Wrong) };
        if let Some(tree) = self.tree.take() {
            tree.keep(&ids.blake3)?;
        }
        let kept = store.adopt(&part_path(&self.parts, &self.id, Part::Content), &self.file, ids, None)?;
        for path in [part_path(&self.parts, &self.id, Part::Tree), super::journal::path(&self.parts, &self.id)] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => log::warn!("cannot tidy up: {error}"),
                _ => {}
            }
        }
        Ok(Settled::Kept(kept))
    }
}

/// What an error means to whoever wanted the content.
pub(super) fn failure(error: &io::Error) -> Failure {
    match write_error(error) {
        WriteError::Full => Failure::Full,
        WriteError::Failed => Failure::Disk,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    fn settle(scratch: &Path, id: ContentId, size: u64) -> Settled {
        let store = StoreFolder::beside(&scratch.join("public"));
        let trees = TreeFolder::new(scratch.join("trees"));
        let mut settling = Settling::begin(&scratch.join("parts"), id, size, &trees).unwrap();
        loop {
            match settling.advance(&store).unwrap() {
                Settled::More => {}
                settled => return settled,
            }
        }
    }

    fn count(folder: &Path) -> usize {
        fs::read_dir(folder).map_or(0, Iterator::count)
    }

    #[test]
    fn what_is_right_is_in_the_store_under_both_ids_and_nothing_is_left_elsewhere() {
        for length in [0, 1, 4_097, 3 * CHUNK_BYTES] {
            let content = vec![7; length];
            let (sha256, blake3) = (Sha256::digest(&content).into(), blake3::hash(&content).into());
            for id in [ContentId::Sha256(sha256), ContentId::Blake3(blake3)] {
                let scratch = tempfile::tempdir().unwrap();
                let parts = scratch.path().join("parts");
                fs::create_dir(&parts).unwrap();
                if length > 0 {
                    // Somebody had claimed that it was longer.
                    fs::write(part_path(&parts, &id, Part::Content), [&content[..], b"more"].concat()).unwrap();
                    fs::write(part_path(&parts, &id, Part::Tree), "x").unwrap();
                }
                let Settled::Kept(file) = settle(scratch.path(), id, length as u64) else { panic!("{length}") };
                assert_eq!((file.sha256, file.blake3, file.stamp.size), (sha256, blake3, length as u64));
                let store = StoreFolder::beside(&scratch.path().join("public"));
                assert!(fs::read(store.path_of(&sha256)).unwrap() == content);
                assert_eq!(count(&parts), 0);
                assert_eq!(count(&scratch.path().join("trees")), usize::from(length > 4_096));
            }
        }
    }

    #[test]
    fn what_is_wrong_gets_no_name() {
        let scratch = tempfile::tempdir().unwrap();
        let parts = scratch.path().join("parts");
        fs::create_dir(&parts).unwrap();
        for id in [ContentId::Sha256([7; 32]), ContentId::Blake3([7; 32])] {
            fs::write(part_path(&parts, &id, Part::Content), vec![1; 10_000]).unwrap();
            assert!(matches!(settle(scratch.path(), id, 10_000), Settled::Wrong));
        }
        assert_eq!((count(&scratch.path().join("store")), count(&scratch.path().join("trees"))), (0, 0));
    }
}
