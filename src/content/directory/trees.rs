//! The trees of shared files, each in a file of its own called by the BLAKE3 of its content.
//!
//! A tree can be made again from its file at any time, so it is not forced onto the disk when it is written; instead
//! every part of it that is given away is checked against the nodes above it, and one that is damaged or missing counts
//! as a change of the file, which is then hashed anew. A content of a single block keeps no tree: it is made from the
//! block when somebody asks.

use crate::content::tree::{Hash, Refused, Tree};
use crate::content::{ReadError, hash_from_hex, hex};
use crate::data_dir::{create_folder, create_new, remove_left_behind};
use rustix::fs::OFlags;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Where trees are kept.
#[derive(Clone, Debug)]
pub struct TreeFolder {
    path: PathBuf,
}

/// A tree being written. Unless it is kept, it is gone in the end.
#[derive(Debug)]
pub struct NewTree {
    folder: PathBuf,
    new: PathBuf,
    file: File,
    is_kept: bool,
}

impl TreeFolder {
    /// The trees in the folder at `path`.
    pub fn new(path: PathBuf) -> TreeFolder {
        TreeFolder { path }
    }

    /// Begins a tree. Makes the folder, for the owner's eyes only.
    ///
    /// # Errors
    /// Whatever the system says, or `AlreadyExists` if 64 are being made.
    pub fn create(&self) -> io::Result<NewTree> {
        create_folder(&self.path)?;
        let (new, file) = create_new(&self.path)?;
        Ok(NewTree { file, new, folder: self.path.clone(), is_kept: false })
    }

    /// Whether there is a tree of this content, as far as its length tells. One of a single block need not be there.
    pub fn has(&self, blake3: &Hash, size: u64) -> bool {
        let Some(tree) = Tree::new(*blake3, size) else { return false };
        let found = || fs::symlink_metadata(self.path.join(hex(blake3))).ok().filter(fs::Metadata::is_file);
        tree.shape().blocks() <= 1 || found().is_some_and(|found| found.len() == tree.shape().tree_bytes())
    }

    /// Fills `buffer` with the bytes of a tree of more than one block from `offset` on, and checks them.
    ///
    /// # Errors
    /// [`ReadError::Changed`] if the tree is damaged or gone.
    pub(super) fn read(&self, tree: &Tree, offset: u64, buffer: &mut [u8]) -> Result<(), ReadError> {
        let path = self.path.join(hex(tree.root()));
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(super::reason)?;
        let end = offset.checked_add(buffer.len() as u64).ok_or(ReadError::Changed)?;
        let (start, bytes) = read_checked(&file, tree, offset..end)?;
        let found = usize::try_from(offset - start).ok().and_then(|skipped| bytes.get(skipped..skipped + buffer.len()));
        buffer.copy_from_slice(found.ok_or(ReadError::Changed)?);
        // A node without a partner is a copy of the one above it, and what is damaged may be equal: that of which it is
        // a copy has to be proven too.
        for (copy, original) in tree.shape().copies_within(offset..end) {
            let (start, bytes) = read_checked(&file, tree, original.clone())?;
            let mut node = Hash::default();
            file.read_exact_at(&mut node, copy.start).map_err(super::reason)?;
            let skipped = usize::try_from(original.start - start).map_err(|_| ReadError::Failed)?;
            if bytes.get(skipped..skipped + node.len()) != Some(&node[..]) {
                return Err(ReadError::Changed);
            }
        }
        Ok(())
    }

    /// Removes one tree, if it is there.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn remove(&self, blake3: &Hash) -> io::Result<()> {
        remove_if_there(&self.path.join(hex(blake3)))
    }

    /// Removes every tree but those for which `is_needed` says so, and what was begun and is not being made any more.
    ///
    /// # Errors
    /// Whatever the system says; some may be gone then.
    pub fn keep_only(&self, is_needed: impl Fn(&Hash) -> bool) -> io::Result<()> {
        let entries = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let name = entry?.file_name();
            let name = name.to_string_lossy();
            let is_spare = hash_from_hex(&name).is_some_and(|hash| !is_needed(&hash));
            let path = self.path.join(&*name);
            if is_spare {
                remove_if_there(&path)?;
            } else {
                remove_left_behind(&path)?;
            }
        }
        Ok(())
    }
}

impl NewTree {
    /// Writes bytes of the tree.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    /// Keeps the tree as that of this content.
    ///
    /// # Errors
    /// Whatever the system says; the tree is then not kept.
    pub fn keep(mut self, blake3: &Hash) -> io::Result<()> {
        fs::rename(&self.new, self.folder.join(hex(blake3)))?;
        self.is_kept = true;
        Ok(())
    }
}

impl Drop for NewTree {
    fn drop(&mut self) {
        if !self.is_kept
            && let Err(error) = remove_if_there(&self.new)
        {
            log::warn!("cannot remove {}: {error}", self.new.display());
        }
    }
}

/// The bytes of a tree around a range, where they begin; checked against the nodes above them.
fn read_checked(file: &File, tree: &Tree, range: Range<u64>) -> Result<(u64, Vec<u8>), ReadError> {
    let whole = tree.shape().around(range.clone());
    let mut bytes = vec![0; usize::try_from(whole.end - whole.start).map_err(|_| ReadError::Failed)?];
    file.read_exact_at(&mut bytes, whole.start).map_err(super::reason)?;
    let mut is_readable = Ok(());
    let above = |at: u64, nodes: &mut [u8]| {
        is_readable = file.read_exact_at(nodes, at).map_err(super::reason);
        is_readable.is_ok()
    };
    let checked = tree.check_nodes(whole.start, &bytes, above);
    is_readable?;
    match checked {
        Ok(verified) if verified.start <= range.start && range.end <= verified.end => Ok((whole.start, bytes)),
        Ok(_) | Err(Refused::Wrong | Refused::Misplaced | Refused::TooEarly) => Err(ReadError::Changed),
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Builder;

    /// A folder with the tree of a content of `size` bytes, and that tree.
    fn folder(size: usize) -> (tempfile::TempDir, TreeFolder, Tree, Vec<u8>) {
        let scratch = tempfile::tempdir().unwrap();
        let folder = TreeFolder::new(scratch.path().to_owned());
        let content: Vec<u8> = (0..size).map(|n| (n >> 8) as u8 ^ n as u8).collect();
        let new = folder.create().unwrap();
        let mut write = |at: u64, bytes: &[u8]| new.write(at, bytes);
        let mut builder = Builder::new(size as u64).unwrap();
        builder.update(&content, &mut write).unwrap();
        let blake3 = builder.finish(&mut write).unwrap().unwrap().blake3;
        new.keep(&blake3).unwrap();
        let bytes = fs::read(scratch.path().join(hex(&blake3))).unwrap();
        (scratch, folder, Tree::new(blake3, size as u64).unwrap(), bytes)
    }

    #[test]
    fn any_part_of_a_tree_is_read_as_it_was_written() {
        for blocks in [2, 3, 5, 9, 300] {
            let (_scratch, folder, tree, bytes) = folder(blocks * 4_096);
            assert!(folder.has(tree.root(), tree.shape().size()) && !folder.has(&[0; 32], tree.shape().size()));
            let step = bytes.len() / 20 + 7;
            for start in (0..bytes.len()).step_by(step) {
                for end in (start + 1..=bytes.len()).step_by(step) {
                    let mut buffer = vec![0; end - start];
                    assert_eq!(folder.read(&tree, start as u64, &mut buffer), Ok(()), "{blocks} {start}..{end}");
                    assert!(buffer == bytes[start..end], "{blocks} {start}..{end}");
                }
            }
            assert_eq!(folder.read(&tree, bytes.len() as u64 - 1, &mut [0; 2]), Err(ReadError::Changed));
            assert_eq!(folder.read(&tree, u64::MAX, &mut [0; 2]), Err(ReadError::Changed));
        }
    }

    #[test]
    fn what_is_damaged_is_not_given_away() {
        let (scratch, folder, tree, bytes) = folder(9 * 4_096);
        let path = scratch.path().join(hex(tree.root()));
        for at in 0..bytes.len() {
            let mut wrong = bytes.clone();
            wrong[at] ^= 1;
            fs::write(&path, &wrong).unwrap();
            assert_eq!(folder.read(&tree, at as u64, &mut [0; 1]), Err(ReadError::Changed), "{at}");
        }
        fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert_eq!(folder.read(&tree, bytes.len() as u64 - 1, &mut [0; 1]), Err(ReadError::Changed));
        assert!(!folder.has(tree.root(), tree.shape().size()));
        fs::remove_file(&path).unwrap();
        assert_eq!(folder.read(&tree, 0, &mut [0; 1]), Err(ReadError::Changed));
        assert!(!folder.has(tree.root(), tree.shape().size()));
    }

    #[test]
    fn damage_is_noticed_in_nodes_without_a_partner_too() {
        // Of 5 blocks the last leaf is a copy of the node above it, and that of the one above it.
        for blocks in [3, 5, 11] {
            let (scratch, folder, tree, bytes) = folder(blocks * 4_096);
            let damaged = [&bytes[..64], &vec![0; bytes.len() - 64]].concat();
            fs::write(scratch.path().join(hex(tree.root())), damaged).unwrap();
            for at in 64..bytes.len() as u64 {
                assert_eq!(folder.read(&tree, at, &mut [0; 1]), Err(ReadError::Changed), "{blocks} {at}");
            }
        }
    }

    #[test]
    fn trees_that_nobody_needs_and_unfinished_ones_go_and_nothing_else() {
        let (scratch, folder, tree, _) = folder(3 * 4_096);
        let other = [7; 32];
        fs::write(scratch.path().join(hex(&other)), "x").unwrap();
        for name in ["0.tmp", "7.tmp"] {
            fs::write(scratch.path().join(name), "x").unwrap();
        }
        fs::write(scratch.path().join("mine"), "x").unwrap();
        let new = folder.create().unwrap();
        folder.keep_only(|hash| hash == tree.root()).unwrap();
        let entries = fs::read_dir(scratch.path()).unwrap();
        let names: std::collections::BTreeSet<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(names, [hex(tree.root()), "mine".to_owned(), "0.tmp".to_owned()].into());
        drop(new);
        folder.remove(tree.root()).unwrap();
        folder.remove(tree.root()).unwrap();
        drop(folder.create().unwrap());
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 1);
    }
}
