//! A [`Store`] that lives in memory, for simulations and examples; it can be told to fail.

use super::{Builder, ContentId, Ids, Part, ReadError, SharedFile, Stamp, Store, WriteError};
use std::collections::BTreeMap;
use std::convert::Infallible;

/// How long a content that is being fetched may be here: whoever wants more needs a disk.
const MEMORY_MAX_BYTES: usize = 1 << 30;

/// Files in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    /// Contents and their trees.
    files: BTreeMap<String, [Vec<u8>; 2]>,
    /// Contents that are being fetched.
    parts: BTreeMap<(ContentId, Part), Vec<u8>>,
    /// What every read fails with, while set.
    pub fault: Option<ReadError>,
    /// What every write fails with, while set.
    pub write_fault: Option<WriteError>,
}

impl MemoryStore {
    /// Adds or replaces a file, and returns what a node has to be told to share it.
    pub fn insert(&mut self, name: &str, content: Vec<u8>) -> SharedFile {
        let stamp = Stamp { size: content.len() as u64, ..Stamp::default() };
        let (Ids { sha256, blake3 }, tree) = build(&content);
        self.files.insert(name.to_owned(), [content, tree]);
        SharedFile { name: name.to_owned(), stamp, sha256, blake3 }
    }
}

/// The ids and the tree of a content.
fn build(content: &[u8]) -> (Ids, Vec<u8>) {
    let mut tree = Vec::new();
    let mut write = |at: u64, bytes: &[u8]| {
        let at = at as usize;
        tree.resize(tree.len().max(at + bytes.len()), 0);
        tree[at..at + bytes.len()].copy_from_slice(bytes);
        Ok::<(), Infallible>(())
    };
    let ids = Builder::new(content.len() as u64).and_then(|mut builder| {
        builder.update(content, &mut write).ok()?;
        builder.finish(&mut write).ok()?
    });
    // No memory holds a content that is too long to have ids.
    (ids.unwrap_or(Ids { sha256: [0; 32], blake3: [0; 32] }), tree)
}

impl MemoryStore {
    /// What was kept of a content that is being fetched.
    pub fn part(&self, id: &ContentId, part: Part) -> &[u8] {
        self.parts.get(&(*id, part)).map_or(&[], Vec::as_slice)
    }
}

impl Store for MemoryStore {
    fn write_part(&mut self, id: &ContentId, part: Part, offset: u64, bytes: &[u8]) -> Result<(), WriteError> {
        if let Some(fault) = self.write_fault {
            return Err(fault);
        }
        let start = usize::try_from(offset).map_err(|_| WriteError::Full)?;
        let end = start.checked_add(bytes.len()).filter(|end| *end <= MEMORY_MAX_BYTES).ok_or(WriteError::Full)?;
        let content = self.parts.entry((*id, part)).or_default();
        content.resize(content.len().max(end), 0);
        content[start..end].copy_from_slice(bytes);
        Ok(())
    }

    fn read_part(&mut self, id: &ContentId, part: Part, offset: u64, buffer: &mut [u8]) -> Result<(), ReadError> {
        let start = usize::try_from(offset).map_err(|_| ReadError::Changed)?;
        let end = start.checked_add(buffer.len()).ok_or(ReadError::Changed)?;
        buffer.copy_from_slice(self.part(id, part).get(start..end).ok_or(ReadError::Changed)?);
        Ok(())
    }

    fn close_part(&mut self, _id: &ContentId) {}

    fn close(&mut self, _name: &str) {}

    fn read(&mut self, file: &SharedFile, part: Part, offset: u64, buffer: &mut [u8]) -> Result<(), ReadError> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let start = usize::try_from(offset).map_err(|_| ReadError::Changed)?;
        let [content, tree] = self.files.get(&file.name).ok_or(ReadError::Changed)?;
        let bytes = match part {
            Part::Content => content,
            Part::Tree => tree,
        };
        let end = start.checked_add(buffer.len()).ok_or(ReadError::Changed)?;
        buffer.copy_from_slice(bytes.get(start..end).ok_or(ReadError::Changed)?);
        Ok(())
    }
}
