//! Which trees are needed: those of the files in the folder that are shared, whatever they are called, and no other.
//!
//! A tree is gone as soon as the last file with that content is. What else lies there at the start, from a run that was
//! killed or files that were removed meanwhile, goes when the folder has been looked at for the first time.

use crate::content::tree::Hash;
use crate::content::{Stamp, TreeFolder};
use crate::sorted::SortedMap;
use std::collections::BTreeSet;

/// The trees, and the files that need them: at most as many as are shared.
pub(super) struct Trees {
    folder: TreeFolder,
    by_name: SortedMap<String, (Stamp, Hash)>,
    by_hash: BTreeSet<(Hash, String)>,
    is_swept: bool,
}

impl Trees {
    pub(super) fn new(folder: TreeFolder) -> Trees {
        Trees { folder, by_name: SortedMap::new(), by_hash: BTreeSet::new(), is_swept: false }
    }

    pub(super) fn folder(&self) -> &TreeFolder {
        &self.folder
    }

    /// This file, in this state, needs this tree, and no longer another one.
    pub(super) fn need(&mut self, name: &str, stamp: Stamp, blake3: Hash) {
        self.by_hash.insert((blake3, name.to_owned()));
        let before = self.by_name.insert(name.to_owned(), (stamp, blake3));
        if let Some((_, other)) = before.filter(|(_, other)| *other != blake3) {
            self.let_go(other, name);
        }
    }

    /// Whatever tree this file needed, it does so no more.
    pub(super) fn release(&mut self, name: &str) {
        if let Some((_, blake3)) = self.by_name.remove(name) {
            self.let_go(blake3, name);
        }
    }

    /// Releases all but the files for which `is_there` says that they are in this state.
    pub(super) fn keep(&mut self, is_there: impl Fn(&str, Stamp) -> bool) {
        let mut gone = Vec::new();
        // In one go: each removal by itself would move all that come later.
        self.by_name.retain(|name, (stamp, blake3)| {
            let stays = is_there(name, *stamp);
            if !stays {
                gone.push((*blake3, name.clone()));
            }
            stays
        });
        gone.into_iter().for_each(|(blake3, name)| self.let_go(blake3, &name));
    }

    /// The first time that it is called, removes all trees but those of these files, which are about to be shared. No
    /// tree is being made then.
    pub(super) fn sweep_once<'a>(&mut self, remembered: impl Iterator<Item = (&'a str, Stamp, Hash)>) {
        if self.is_swept {
            return;
        }
        self.is_swept = true;
        remembered.for_each(|(name, stamp, blake3)| self.need(name, stamp, blake3));
        if let Err(error) = self.folder.keep_only(|blake3| self.is_needed(blake3)) {
            log::warn!("cannot remove the hash trees that nobody needs any more: {error}");
        }
    }

    fn is_needed(&self, blake3: &Hash) -> bool {
        self.by_hash.range((*blake3, String::new())..).next().is_some_and(|(hash, _)| hash == blake3)
    }

    /// Removes a tree that this file needed, if no other does.
    fn let_go(&mut self, blake3: Hash, name: &str) {
        self.by_hash.remove(&(blake3, name.to_owned()));
        if !self.is_needed(&blake3)
            && let Err(error) = self.folder.remove(&blake3)
        {
            log::warn!("cannot remove a hash tree that nobody needs any more: {error}");
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_is_released_and_a_tree_is_kept_as_long_as_anybody_needs_it() {
        let scratch = tempfile::tempdir().unwrap();
        let mut trees = Trees::new(TreeFolder::new(scratch.path().join("trees")));
        let stamp = Stamp { size: 1, modified_ns: 0, changed_ns: 0, inode: 0 };
        (0..1_000).for_each(|n| trees.need(&format!("{n:06}"), stamp, [n as u8 % 2; 32]));
        trees.keep(|name, _| name == "000999");
        assert!(trees.is_needed(&[1; 32]) && !trees.is_needed(&[0; 32]));
        assert_eq!((trees.by_name.len(), trees.by_hash.len()), (1, 1));
        trees.keep(|_, _| false);
        assert!(!trees.is_needed(&[1; 32]) && trees.by_name.is_empty() && trees.by_hash.is_empty());
    }
}
