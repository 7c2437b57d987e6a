//! Making a content last that has been fetched: check it as a whole, and give it its place in the store, or leave it to
//! whoever wanted it and takes it away.
//!
//! For the store it is read from front to back, whatever was checked before, because both its ids are needed there.
//! Only a content that is what its id says gets a name in the store. One that comes in order is read as it comes, while
//! its bytes are still in memory, so that little is left to be read when the last are there.

use super::Front;
use crate::content::tree::TREE_BLOCK_BYTES;
use crate::content::{
    Builder, ContentId, NewTree, Part, SharedFile, StoreFolder, TreeFolder, WriteError, open_part, part_path,
    write_error,
};
use crate::data_dir::create_folder;
use crate::transfer::Failure;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
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
    front: Front,
}

/// What a chunk has brought.
#[derive(Debug)]
pub(super) enum Settled {
    /// There is more to read.
    More,
    /// It is in the store.
    Kept(SharedFile),
    /// It is what its id says, and stays where it is.
    Left,
    /// It is not what its id says.
    Wrong,
}

impl Settling {
    /// Begins to check a content in the folder `parts`, of which perhaps not all is there yet.
    ///
    /// # Errors
    /// Whatever the system says.
    pub(super) fn begin(parts: &Path, id: ContentId, front: Front, trees: &TreeFolder) -> io::Result<Settling> {
        // Of the empty content nothing was ever written.
        create_folder(parts)?;
        let file = open_part(parts, &id, Part::Content)?;
        let builder = Builder::new(front.size).ok_or(io::ErrorKind::FileTooLarge)?;
        let tree = (front.size > TREE_BLOCK_BYTES).then(|| trees.create()).transpose()?;
        let buffer = vec![0; CHUNK_BYTES];
        Ok(Settling { id, parts: parts.to_owned(), file, builder, tree, buffer, at: 0, front })
    }

    /// More of it is there. False if something else is there than what has been read.
    pub(super) fn go_on(&mut self, front: Front) -> bool {
        let is_same = (front.size, front.revision) == (self.front.size, self.front.revision);
        if is_same {
            self.front.bytes = self.front.bytes.max(front.bytes);
        }
        is_same
    }

    /// Whether there is something to read.
    pub(super) fn has_work(&self) -> bool {
        self.at < self.front.bytes
    }

    /// Reads one chunk of what is there.
    ///
    /// # Errors
    /// Whatever the system says; it has to be begun anew then.
    pub(super) fn read(&mut self) -> io::Result<()> {
        let left = self.front.bytes.min(self.front.size).saturating_sub(self.at);
        let most = usize::try_from(left).map_or(CHUNK_BYTES, |left| left.min(CHUNK_BYTES));
        self.file.read_exact_at(&mut self.buffer[..most], self.at)?;
        let mut write = |offset: u64, bytes: &[u8]| self.tree.as_ref().map_or(Ok(()), |tree| tree.write(offset, bytes));
        self.builder.update(&self.buffer[..most], &mut write)?;
        self.at += most as u64;
        Ok(())
    }

    /// Checks one chunk of a content all of which is there, and after the last gives it to the store, if there is one.
    ///
    /// # Errors
    /// Whatever the system says; the content is then not kept.
    pub(super) fn advance(&mut self, store: Option<&StoreFolder>) -> io::Result<Settled> {
        self.read()?;
        if self.at < self.front.size {
            return Ok(Settled::More);
        }
        // A source may have claimed more at first.
        self.file.set_len(self.front.size)?;
        let mut write = |offset: u64, bytes: &[u8]| self.tree.as_ref().map_or(Ok(()), |tree| tree.write(offset, bytes));
        let ids = self.builder.finish(&mut write)?;
        let is_right = |ids: &crate::content::Ids| match self.id {
            ContentId::Sha256(sha256) => ids.sha256 == sha256,
            ContentId::Blake3(blake3) => ids.blake3 == blake3,
        };
        let Some(ids) = ids.filter(is_right) else { return Ok(Settled::Wrong) };
        let Some(store) = store else {
            self.file.sync_all()?;
            return Ok(Settled::Left);
        };
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

/// Makes a content last where it came: whoever wanted it takes it away.
///
/// # Errors
/// Whatever the system says.
pub(super) fn leave(parts: &Path, id: &ContentId, size: u64) -> io::Result<()> {
    // Of the empty content nothing was ever written.
    create_folder(parts)?;
    let file = open_part(parts, id, Part::Content)?;
    // A source may have claimed more at first.
    file.set_len(size)?;
    file.sync_all()
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
        let mut settling = Settling::begin(&scratch.join("parts"), id, whole(size), &trees).unwrap();
        loop {
            match settling.advance(Some(&store)).unwrap() {
                Settled::More => {}
                settled => return settled,
            }
        }
    }

    fn whole(size: u64) -> Front {
        Front { size, bytes: size, revision: 0 }
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
    fn what_comes_in_order_is_read_as_it_comes_and_never_twice() {
        let scratch = tempfile::tempdir().unwrap();
        let (parts, trees) = (scratch.path().join("parts"), TreeFolder::new(scratch.path().join("trees")));
        let content: Vec<u8> = (0..3 * CHUNK_BYTES as u64 + 5).map(|n| (n * 31 + (n >> 9)) as u8).collect();
        let id = ContentId::Sha256(Sha256::digest(&content).into());
        let whole = whole(content.len() as u64);
        let mut settling = Settling::begin(&parts, id, Front { bytes: 0, ..whole }, &trees).unwrap();
        for bytes in [1, 5_000, 2 * CHUNK_BYTES, content.len() - 1] {
            fs::write(part_path(&parts, &id, Part::Content), &content[..bytes]).unwrap();
            assert!(settling.go_on(Front { bytes: bytes as u64, ..whole }));
            while settling.has_work() {
                settling.read().unwrap();
            }
            assert_eq!(settling.at, bytes as u64);
        }
        assert!(!settling.go_on(Front { revision: 1, ..whole }), "this is another content");
        assert!(!settling.go_on(Front { size: 1, ..whole }), "this is another content");
        // What has been read is not read again, though somebody damages it now.
        let end = [&[0; 4_096], &content[4_096..]].concat();
        fs::write(part_path(&parts, &id, Part::Content), end).unwrap();
        assert!(settling.go_on(whole));
        let settled = settling.advance(Some(&StoreFolder::beside(&scratch.path().join("public")))).unwrap();
        let Settled::Kept(file) = settled else { panic!("{settled:?}") };
        assert_eq!((ContentId::Sha256(file.sha256), file.blake3), (id, blake3::hash(&content).into()));
    }

    #[test]
    fn what_is_taken_away_stays_where_it_came_without_what_came_too_much() {
        let scratch = tempfile::tempdir().unwrap();
        let (parts, trees) = (scratch.path().join("parts"), TreeFolder::new(scratch.path().join("trees")));
        fs::create_dir(&parts).unwrap();
        let content = vec![7; 10_000];
        let ids =
            [ContentId::Sha256(Sha256::digest(&content).into()), ContentId::Blake3(blake3::hash(&content).into())];
        for id in ids {
            fs::write(part_path(&parts, &id, Part::Content), [&content[..], b"more"].concat()).unwrap();
        }
        let mut settling = Settling::begin(&parts, ids[0], whole(10_000), &trees).unwrap();
        assert!(matches!(settling.advance(None).unwrap(), Settled::Left));
        drop(settling);
        leave(&parts, &ids[1], 10_000).unwrap();
        assert!(ids.iter().all(|id| fs::read(part_path(&parts, id, Part::Content)).unwrap() == content));
        assert_eq!(count(&scratch.path().join("trees")) + count(&scratch.path().join("store")), 0);
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
