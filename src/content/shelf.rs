//! The index of shared files.
//!
//! An id is looked up, never interpreted: what is not in the index does not exist, whatever it looks like. So an id
//! cannot leave the folder, follow a link, or reach another kind of file.

use super::tree::Hash;
use super::{Part, SharedFile};
use crate::node::CommandError;
use crate::sizes::Size;
use crate::sorted::SortedMap;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// How many files are shared at most: about 6 MB of index.
pub const SHARED_FILES_MAX: usize = 16_384;

/// How many read the list of files without turning one another's pages; a name each, 16 KiB together.
pub const READERS_MAX: usize = 64;

/// What the id of a content by its BLAKE3 begins with, before 64 hex digits.
const BLAKE3_PREFIX: &str = "blake3/";

/// What the id of a content's tree begins with, before the same digits.
const TREE_PREFIX: &str = "blake3_tree_v2/";

/// The shared files, by name and by both hashes.
#[derive(Debug, Default)]
pub struct Shelf {
    by_name: BTreeMap<String, SharedFile>,
    /// Several names may have the same content.
    by_sha256: BTreeSet<(Hash, String)>,
    by_blake3: BTreeSet<(Hash, String)>,
    /// The names that the next page of each reader begins after.
    turned_at: SortedMap<u64, String>,
}

impl Shelf {
    /// Adds a file, or replaces what was shared under its name.
    ///
    /// # Errors
    /// [`CommandError::Full`] if there are too many files already.
    pub fn insert(&mut self, file: SharedFile) -> Result<(), CommandError> {
        if self.by_name.len() >= SHARED_FILES_MAX && !self.by_name.contains_key(&file.name) {
            return Err(CommandError::Full);
        }
        self.remove(&file.name);
        self.by_sha256.insert((file.sha256, file.name.clone()));
        self.by_blake3.insert((file.blake3, file.name.clone()));
        self.by_name.insert(file.name.clone(), file);
        Ok(())
    }

    /// Stops sharing the file of this name, if there is one.
    pub fn remove(&mut self, name: &str) {
        if let Some(file) = self.by_name.remove(name) {
            self.by_sha256.remove(&(file.sha256, file.name.clone()));
            self.by_blake3.remove(&(file.blake3, file.name));
        }
    }

    /// The file, and the part of it, with this id: its SHA-256 in lower-case hex, `blake3/` and its BLAKE3, or its
    /// name; `blake3_tree_v2/` and its BLAKE3 for its tree. 64 hex digits are never a name, and a name has no slash.
    pub fn find(&self, id: &str) -> Option<(&SharedFile, Part)> {
        let file = |file| (file, Part::Content);
        if let Some(digits) = id.strip_prefix(BLAKE3_PREFIX) {
            self.holder(&self.by_blake3, digits).map(file)
        } else if let Some(digits) = id.strip_prefix(TREE_PREFIX) {
            self.holder(&self.by_blake3, digits).map(|file| (file, Part::Tree))
        } else if is_hash_like(id) {
            self.holder(&self.by_sha256, id).map(file)
        } else {
            // A content of the store is found by its hashes alone.
            self.by_name.get(id).filter(|_| !id.contains('/')).map(file)
        }
    }

    /// The first file with the hash that these digits stand for.
    fn holder(&self, names: &BTreeSet<(Hash, String)>, digits: &str) -> Option<&SharedFile> {
        let hash = hash_from_hex(digits)?;
        let (_, name) = names.range((hash, String::new())..).next().filter(|(found, _)| *found == hash)?;
        self.by_name.get(name)
    }

    /// Ids and sizes of at most `most` files: those that follow the last page of this reader, and round again from the
    /// first. There are 64; those with the same remainder turn the pages together.
    pub fn page(&mut self, reader: u64, most: usize) -> Vec<(String, u64)> {
        let turned_at = self.turned_at.get_or_insert_with(reader % READERS_MAX as u64, String::new);
        let after = (Bound::Excluded(turned_at.as_str()), Bound::Unbounded);
        let until = (Bound::Unbounded, Bound::Included(turned_at.as_str()));
        let files = self.by_name.range::<str, _>(after).chain(self.by_name.range::<str, _>(until)).take(most);
        let page: Vec<_> = files.map(|(name, file)| (name.clone(), file.listing())).collect();
        if let Some((name, _)) = page.last() {
            turned_at.clone_from(name);
        }
        page.into_iter().map(|(_, listing)| listing).collect()
    }

    /// How full the index is.
    pub fn sizes(&self) -> [Size; 4] {
        let Shelf { by_name, by_sha256, by_blake3, turned_at } = self;
        [
            Size::new("shared files", by_name.len(), SHARED_FILES_MAX),
            Size::new("SHA-256 of shared files", by_sha256.len(), SHARED_FILES_MAX),
            Size::new("BLAKE3 of shared files", by_blake3.len(), SHARED_FILES_MAX),
            Size::new("readers of the list of files", turned_at.len(), READERS_MAX),
        ]
    }

    /// All files, by name.
    pub fn iter(&self) -> impl Iterator<Item = &SharedFile> {
        self.by_name.values()
    }
}

/// 64 hex digits in any case.
fn is_hash_like(id: &str) -> bool {
    id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A hash as 64 lower-case hex digits.
pub(crate) fn hex(hash: &Hash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The hash that 64 lower-case hex digits stand for. Upper case is not understood on the wire.
pub(crate) fn hash_from_hex(id: &str) -> Option<[u8; 32]> {
    if !is_hash_like(id) {
        return None;
    }
    let mut hash = [0; 32];
    for (byte, digits) in hash.iter_mut().zip(id.as_bytes().chunks_exact(2)) {
        *byte = digit(digits[0])? << 4 | digit(digits[1])?;
    }
    Some(hash)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::Stamp;
    use super::*;

    fn file(name: &str, hash: u8) -> SharedFile {
        SharedFile { name: name.to_owned(), stamp: Stamp::default(), sha256: [hash; 32], blake3: [!hash; 32] }
    }

    #[test]
    fn a_file_is_found_by_its_hash_and_its_name_and_by_nothing_else() {
        let mut shelf = Shelf::default();
        shelf.insert(file("notes.txt", 0xab)).unwrap();
        let blake3 = "54".repeat(32);
        for (id, part) in [
            ("notes.txt".to_owned(), Part::Content),
            ("ab".repeat(32), Part::Content),
            (format!("blake3/{blake3}"), Part::Content),
            (format!("blake3_tree_v2/{blake3}"), Part::Tree),
        ] {
            let (found, found_part) = shelf.find(&id).unwrap();
            assert_eq!((found.name.as_str(), found_part), ("notes.txt", part), "{id}");
        }
        for prefix in ["blake3/", "blake3_tree_v2/"] {
            let sha256 = "ab".repeat(32);
            for rest in
                ["", "notes.txt", "54", &sha256, &format!("{blake3}/x"), &format!("/{blake3}"), &"5A".repeat(32)]
            {
                assert!(shelf.find(&format!("{prefix}{rest}")).is_none(), "{prefix}{rest}");
            }
        }
        for prefix in ["blake3", "blake3_tree_v1/", "Blake3/", "/", "/blake3/", "tree/"] {
            assert!(shelf.find(&format!("{prefix}{blake3}")).is_none(), "{prefix}");
        }
        assert!(shelf.find(&blake3).is_none());
        for id in ["Notes.txt", "./notes.txt", "public/notes.txt", "../notes.txt", "notes.txt\0", "", "ab"] {
            assert!(shelf.find(id).is_none(), "{id:?}");
        }
        for id in ["AB".repeat(32), format!("0x{}", "ab".repeat(32)), "ac".repeat(32), "ab".repeat(31), "ab".repeat(33)]
        {
            assert!(shelf.find(&id).is_none(), "{id:?}");
        }
    }

    #[test]
    fn a_name_of_64_hex_digits_is_never_taken_for_the_name() {
        let mut shelf = Shelf::default();
        let name = "CD".repeat(32);
        shelf.insert(file(&name, 1)).unwrap();
        assert!(shelf.find(&name).is_none());
        assert_eq!(shelf.find(&"01".repeat(32)).unwrap().0.name, name);
    }

    #[test]
    fn one_of_two_equal_files_can_go_and_the_other_is_still_found() {
        let mut shelf = Shelf::default();
        shelf.insert(file("a", 7)).unwrap();
        shelf.insert(file("b", 7)).unwrap();
        shelf.remove("a");
        assert_eq!(shelf.find(&"07".repeat(32)).unwrap().0.name, "b");
        shelf.insert(file("b", 8)).unwrap();
        assert!(shelf.find(&"07".repeat(32)).is_none());
        assert_eq!((shelf.by_sha256.len(), shelf.by_blake3.len()), (1, 1));
    }
}
