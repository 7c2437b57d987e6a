//! A [`Store`] over the public folder and the store beside it: regular files that lie directly in them, and nothing
//! else.
//!
//! What a name can reach is decided here and only here. A name is one path component, symbolic links are not followed,
//! and pipes, devices and folders are opened without waiting and then refused. A file is read only while it is in the
//! state in which it was hashed, so that nothing is ever served under the hash of something else.

mod handles;
mod parts;
mod store;
mod trees;

pub use parts::{PartFolder, open_part, part_path, reason as write_error};
pub use store::{NewContent, Note, StoreFolder, stored_hash, stored_name};
pub use trees::{NewTree, TreeFolder};

use super::tree::{Hash, TREE_BLOCK_BYTES, Tree, header, leaf};
use super::{ContentId, Part, ReadError, SharedFile, Stamp, Store, WriteError};
use crate::wire::ID_MAX_BYTES;
use handles::Handles;
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// After so many questions for the same content it is noted again that somebody asked: some 16 MB of it.
const TOUCH_AFTER: u32 = 4_096;

/// The files of one folder and of the store beside it, their trees in another, and unfinished contents in a third.
#[derive(Debug)]
pub struct DirectoryStore {
    folder: PathBuf,
    trees: TreeFolder,
    parts: PartFolder,
    store: StoreFolder,
    /// What is being served.
    handles: Handles,
    /// The content of the store that was noted last as asked for, and how often it has been since.
    touched: Option<(Hash, u32)>,
}

impl DirectoryStore {
    /// The files in `folder`, the trees in `trees`, and what is being fetched in `parts`, none of which need exist
    /// (yet).
    pub fn new(folder: PathBuf, trees: PathBuf, parts: PathBuf) -> DirectoryStore {
        let store = StoreFolder::beside(&folder);
        let (trees, parts) = (TreeFolder::new(trees), PartFolder::new(parts));
        DirectoryStore { folder, trees, parts, store, handles: Handles::default(), touched: None }
    }

    fn read_content(&mut self, file: &SharedFile, offset: u64, buffer: &mut [u8]) -> Result<(), ReadError> {
        self.handles.read(&self.folder, file, |opened| opened.read_exact_at(buffer, offset))
    }

    /// Notes that a content of the store has been asked for; not every time.
    fn touch(&mut self, file: &SharedFile) {
        if stored_hash(&file.name).is_none() {
            return;
        }
        match &mut self.touched {
            Some((sha256, times)) if *sha256 == file.sha256 && *times < TOUCH_AFTER => *times += 1,
            touched => {
                *touched = Some((file.sha256, 0));
                self.store.touch(&file.sha256);
            }
        }
    }

    /// Reads a part of the tree. That of a single block is made from it.
    fn read_tree(&mut self, file: &SharedFile, offset: u64, buffer: &mut [u8]) -> Result<(), ReadError> {
        let size = file.stamp.size;
        let tree = Tree::new(file.blake3, size).ok_or(ReadError::Failed)?;
        if tree.shape().blocks() > 1 {
            return self.trees.read(&tree, offset, buffer);
        }
        let mut block = vec![0; size.min(TREE_BLOCK_BYTES) as usize];
        self.read_content(file, 0, &mut block)?;
        let bytes: Vec<u8> = header(tree.root()).into_iter().chain(leaf(0, &block).into_iter().flatten()).collect();
        let start = usize::try_from(offset).map_err(|_| ReadError::Changed)?;
        let end = start.checked_add(buffer.len()).ok_or(ReadError::Changed)?;
        buffer.copy_from_slice(bytes.get(start..end).ok_or(ReadError::Changed)?);
        Ok(())
    }
}

impl Store for DirectoryStore {
    fn read(&mut self, file: &SharedFile, part: Part, offset: u64, buffer: &mut [u8]) -> Result<(), ReadError> {
        self.touch(file);
        match part {
            Part::Content => self.read_content(file, offset, buffer),
            Part::Tree => self.read_tree(file, offset, buffer),
        }
    }

    fn write_part(&mut self, id: &ContentId, part: Part, offset: u64, bytes: &[u8]) -> Result<(), WriteError> {
        self.parts.write(id, part, offset, bytes)
    }

    fn read_part(&mut self, id: &ContentId, part: Part, offset: u64, buffer: &mut [u8]) -> Result<(), ReadError> {
        self.parts.read(id, part, offset, buffer)
    }

    fn close_part(&mut self, id: &ContentId) {
        self.parts.close(id);
    }

    fn close(&mut self, name: &str) {
        self.handles.close(name);
    }
}

/// Opens the file called `name` in `folder`, or in the [store](StoreFolder) beside it, for reading, and says in which
/// state it is.
///
/// # Errors
/// Whatever the system says; `NotFound` if the name is not one that may be shared, or names no regular file.
pub fn open_shared(folder: &Path, name: &str) -> io::Result<(File, Stamp)> {
    let path = store::store_path(folder, name).or_else(|| is_shareable(name).then(|| folder.join(name)));
    let path = path.ok_or(io::ErrorKind::NotFound)?;
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let stamp = stamp(&metadata);
    Ok((file, stamp))
}

/// Whether a file may be shared under its own name: one path component, not hidden, no longer than an id may be.
pub fn is_shareable(name: &str) -> bool {
    !name.is_empty() && name.len() <= ID_MAX_BYTES && !name.starts_with('.') && !name.contains(['/', '\0'])
}

/// The state of a file, from what the system knows about it.
pub fn stamp(metadata: &Metadata) -> Stamp {
    let ns = |seconds: i64, ns: i64| i128::from(seconds) * 1_000_000_000 + i128::from(ns);
    Stamp {
        size: metadata.size(),
        modified_ns: ns(metadata.mtime(), metadata.mtime_nsec()),
        changed_ns: ns(metadata.ctime(), metadata.ctime_nsec()),
        inode: metadata.ino(),
    }
}

/// Files that are gone, replaced by something else, or shorter than they were have changed; anything else may pass.
fn reason(error: io::Error) -> ReadError {
    let is_replaced = matches!(Errno::from_io_error(&error), Some(Errno::LOOP | Errno::NOTDIR | Errno::NXIO));
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof => ReadError::Changed,
        _ if is_replaced => ReadError::Changed,
        _ => ReadError::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;
    use tempfile::TempDir;

    fn shared(store: &DirectoryStore, name: &str) -> SharedFile {
        let stamp = stamp(&fs::symlink_metadata(store.folder.join(name)).unwrap());
        SharedFile { name: name.to_owned(), stamp, sha256: [0; 32], blake3: [0; 32] }
    }

    fn folder_with(name: &str, content: &[u8]) -> (TempDir, DirectoryStore) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(name), content).unwrap();
        let store =
            DirectoryStore::new(folder.path().to_owned(), folder.path().join("trees"), folder.path().join("parts"));
        (folder, store)
    }

    #[test]
    fn a_part_of_a_file_is_read_where_it_lies() {
        let (_folder, mut store) = folder_with("a", b"0123456789");
        let file = shared(&store, "a");
        let mut buffer = [0; 4];
        assert_eq!(store.read(&file, Part::Content, 3, &mut buffer), Ok(()));
        assert_eq!(&buffer, b"3456");
        assert_eq!(store.read(&file, Part::Content, 7, &mut buffer), Err(ReadError::Changed));
        assert_eq!(store.read(&file, Part::Content, u64::MAX, &mut buffer), Err(ReadError::Failed));
    }

    #[test]
    fn the_tree_of_a_single_block_is_made_from_it_while_it_is_unchanged() {
        for content in [&b""[..], b"first"] {
            let (folder, mut store) = folder_with("a", content);
            let file = SharedFile { blake3: *blake3::hash(content).as_bytes(), ..shared(&store, "a") };
            let length = if content.is_empty() { 64 } else { 96 };
            assert_eq!(file.len_of(Part::Tree), length);
            let mut tree = vec![0; length as usize];
            assert_eq!(store.read(&file, Part::Tree, 0, &mut tree), Ok(()));
            assert_eq!(tree[..64], header(&file.blake3));
            assert_eq!(tree[64..], leaf(0, content).map_or(Vec::new(), Vec::from));
            let mut end = [0; 8];
            assert_eq!(store.read(&file, Part::Tree, length - 8, &mut end), Ok(()));
            assert_eq!(end, tree[tree.len() - 8..]);
            assert_eq!(store.read(&file, Part::Tree, length - 7, &mut end), Err(ReadError::Changed));
            fs::remove_file(folder.path().join("a")).unwrap();
            assert_eq!(store.read(&file, Part::Tree, 0, &mut end), Err(ReadError::Changed));
        }
    }

    #[test]
    fn a_file_that_changed_is_not_served() {
        let (folder, mut store) = folder_with("a", b"first");
        let file = shared(&store, "a");
        let mut buffer = [0; 5];
        fs::write(folder.path().join("b"), b"other").unwrap();
        fs::rename(folder.path().join("b"), folder.path().join("a")).unwrap();
        assert_eq!(store.read(&file, Part::Content, 0, &mut buffer), Err(ReadError::Changed));
        fs::remove_file(folder.path().join("a")).unwrap();
        assert_eq!(store.read(&file, Part::Content, 0, &mut buffer), Err(ReadError::Changed));
    }

    #[test]
    fn a_file_that_was_rewritten_in_place_and_dated_back_is_not_served() {
        let (folder, mut store) = folder_with("a", b"first");
        let file = shared(&store, "a");
        let path = folder.path().join("a");
        let before = fs::metadata(&path).unwrap();
        // The clock of the file system may have to tick first.
        while fs::metadata(&path).unwrap().ctime_nsec() == before.ctime_nsec() {
            fs::write(&path, b"other").unwrap();
            fs::File::options().write(true).open(&path).unwrap().set_modified(before.modified().unwrap()).unwrap();
        }
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before.modified().unwrap());
        assert_eq!(store.read(&file, Part::Content, 0, &mut [0; 5]), Err(ReadError::Changed));
    }

    #[test]
    fn a_file_that_changes_while_it_is_read_is_not_served() {
        let (folder, store) = folder_with("a", b"first");
        let file = shared(&store, "a");
        let read = |meanwhile: &str| {
            Handles::default().read(folder.path(), &file, |opened| {
                let mut buffer = [0; 5];
                opened.read_exact_at(&mut buffer[..2], 0)?;
                if !meanwhile.is_empty() {
                    fs::write(folder.path().join("a"), meanwhile)?;
                }
                opened.read_exact_at(&mut buffer[2..], 2)
            })
        };
        assert_eq!(read(""), Ok(()));
        assert_eq!(read("first and more"), Err(ReadError::Changed));
    }

    #[test]
    fn links_folders_and_pipes_are_refused_without_waiting() {
        let (folder, mut store) = folder_with("a", b"first");
        let path = folder.path();
        symlink("a", path.join("link")).unwrap();
        fs::create_dir(path.join("sub")).unwrap();
        fs::write(path.join("sub/inner"), b"inner").unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, path.join("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        for name in ["link", "sub", "pipe"] {
            let file = shared(&store, name);
            assert_eq!(store.read(&file, Part::Content, 0, &mut [0; 1]), Err(ReadError::Changed), "{name}");
        }
        for name in ["sub/inner", "../a", "/etc/passwd", ".", "..", "", ".hidden", "a\0b", "a/"] {
            let file = SharedFile {
                name: name.to_owned(),
                stamp: shared(&store, "a").stamp,
                sha256: [0; 32],
                blake3: [0; 32],
            };
            assert_eq!(store.read(&file, Part::Content, 0, &mut [0; 1]), Err(ReadError::Changed), "{name}");
        }
    }

    #[test]
    fn a_name_is_one_visible_component_that_fits_an_id() {
        assert!(is_shareable("notes.txt") && is_shareable("ü b") && is_shareable(&"x".repeat(ID_MAX_BYTES)));
        assert!(!is_shareable(&"x".repeat(ID_MAX_BYTES + 1)) && !is_shareable("a/b") && !is_shareable(".x"));
    }
}
