//! What is shared, who else might have something, and how the core reads files.
//!
//! - [`Shelf`] is the index of shared files: an id either is in it or names nothing, so no id can ever be a path.
//! - [`Rumours`] remembers which peers might have which content.
//! - [`Ranges`] says which parts of a content are there.
//! - [`tree`] checks a block of a content alone.
//! - [`Store`] is the one service the core calls directly: small bounded reads. [`MemoryStore`] is for simulations; the
//!   one that reads a directory belongs to the IO side.
//!
//! Fetching content lives in [`transfer`](crate::transfer); sharing knows nothing about it.

mod builder;
mod directory;
mod id;
mod memory;
mod ranges;
mod rumours;
mod shelf;
pub mod tree;

pub use builder::{Builder, Ids};
pub use directory::{
    DirectoryStore, NewContent, NewTree, Note, PartFolder, StoreFolder, TreeFolder, is_shareable, open_part,
    open_shared, part_path, stamp, stored_hash, stored_name, write_error,
};
pub use id::{BLAKE3_PREFIX, ContentId, TREE_PREFIX};
pub use memory::MemoryStore;
pub use ranges::{FRAGMENTS_MAX, Ranges, TooScattered};
pub use rumours::{HOLDERS_MAX, RUMOURS_MAX, Rumours};
pub use shelf::{SHARED_FILES_MAX, Shelf};
pub(crate) use shelf::{hash_from_hex, hex};

use tree::{Hash, Shape};

/// What tells one state of a file from another without reading it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Size in bytes.
    pub size: u64,
    /// Modification time, in nanoseconds since 1970 (negative before).
    pub modified_ns: i128,
    /// When the system last saw it change, in the same unit. Whoever writes into a file can set the time above back to
    /// what it was, but not this one; it also moves with permissions and links, and then the file is hashed again.
    pub changed_ns: i128,
    /// Inode number, 0 where there is none.
    pub inode: u64,
}

/// A file of the public folder or the store whose hashes are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedFile {
    /// Its name in the folder: one path component; in the store, what [`stored_name`] says, which has a slash.
    pub name: String,
    /// The state it was in when it was hashed.
    pub stamp: Stamp,
    /// SHA-256 of its content.
    pub sha256: Hash,
    /// BLAKE3 of its content, the root of its tree.
    pub blake3: Hash,
}

/// Which bytes of a content are meant: its own, or those of its tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The content itself.
    Content,
    /// The BLAKE3 [tree], by which single blocks of the content are checked.
    Tree,
}

impl SharedFile {
    /// The id everybody understands, 64 lower-case hex digits.
    pub fn id(&self) -> String {
        hex(&self.sha256)
    }

    /// How many bytes a part has.
    pub fn len_of(&self, part: Part) -> u64 {
        match part {
            Part::Content => self.stamp.size,
            Part::Tree => Shape::new(self.stamp.size).map_or(0, |shape| shape.tree_bytes()),
        }
    }

    /// Id and size, as listed.
    pub(crate) fn listing(&self) -> (String, u64) {
        (self.id(), self.stamp.size)
    }
}

/// Why a write did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// There is no room left for it.
    Full,
    /// It failed for another reason.
    Failed,
}

/// Why a read gave nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// The file is not in the state it was hashed in, or is gone; nothing of it may be served.
    Changed,
    /// The read failed for another reason and may succeed later.
    Failed,
}

/// Small bounded reads of shared files: the one service the core calls directly.
pub trait Store {
    /// Fills `buffer` with the bytes of a part of `file` from `offset` on. The range lies within the part.
    ///
    /// # Errors
    /// [`ReadError`]; the contents of `buffer` are then meaningless.
    fn read(&mut self, file: &SharedFile, part: Part, offset: u64, buffer: &mut [u8]) -> Result<(), ReadError>;

    /// Keeps bytes of a content that is being fetched. Where nothing was written nothing takes up room.
    ///
    /// # Errors
    /// [`WriteError`]; what is kept in that place is then unknown.
    fn write_part(&mut self, id: &ContentId, part: Part, offset: u64, bytes: &[u8]) -> Result<(), WriteError>;

    /// Fills `buffer` with bytes of a content that is being fetched, which were written before.
    ///
    /// # Errors
    /// [`ReadError`]; the contents of `buffer` are then meaningless.
    fn read_part(&mut self, id: &ContentId, part: Part, offset: u64, buffer: &mut [u8]) -> Result<(), ReadError>;

    /// A content is not being fetched any more. What was kept of it stays.
    fn close_part(&mut self, id: &ContentId);

    /// The file of this name is shared no longer, or in another state: nothing of it need be kept at hand.
    fn close(&mut self, name: &str);
}
