//! A [`Store`] that lives in memory, for simulations and examples; it can be told to fail.

use super::{ReadError, SharedFile, Stamp, Store};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Files in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    files: BTreeMap<String, Vec<u8>>,
    /// What every read fails with, while set.
    pub fault: Option<ReadError>,
}

impl MemoryStore {
    /// Adds or replaces a file, and returns what a node has to be told to share it.
    pub fn insert(&mut self, name: &str, content: Vec<u8>) -> SharedFile {
        let stamp = Stamp { size: content.len() as u64, ..Stamp::default() };
        let sha256 = Sha256::digest(&content).into();
        self.files.insert(name.to_owned(), content);
        SharedFile { name: name.to_owned(), stamp, sha256 }
    }
}

impl Store for MemoryStore {
    fn read(&mut self, file: &SharedFile, offset: u64, buffer: &mut [u8]) -> Result<(), ReadError> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let start = usize::try_from(offset).map_err(|_| ReadError::Changed)?;
        let content = self.files.get(&file.name).ok_or(ReadError::Changed)?;
        let end = start.checked_add(buffer.len()).ok_or(ReadError::Changed)?;
        buffer.copy_from_slice(content.get(start..end).ok_or(ReadError::Changed)?);
        Ok(())
    }
}
