//! A store in memory that knows the truth: it refuses to keep a byte that is not what the id says, and lies if told to.

use crate::content::Content;
use crate::rng::mix;
use cjp2p_node::content::{ContentId, MemoryStore, Part, ReadError, SharedFile, Store, WriteError};
use std::collections::BTreeMap;
use std::rc::Rc;

/// What is true of all contents there are, by their BLAKE3.
pub type Truth = Rc<BTreeMap<[u8; 32], Rc<Content>>>;

/// How a liar damages what it serves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lies {
    /// How many of a thousand blocks.
    pub per_mille: u64,
    /// Which of them, and how.
    pub salt: u64,
}

/// The store of a node.
#[derive(Clone, Default)]
pub struct Watched {
    pub memory: MemoryStore,
    pub truth: Truth,
    pub lies: Lies,
    /// How often something was written of each content.
    pub writes: BTreeMap<ContentId, u64>,
}

impl Watched {
    /// Blocks of 1,024 bytes, because that is what most answers carry; always the same ones, and always alike.
    fn lie(&self, offset: u64, buffer: &mut [u8]) {
        for (place, block) in (offset..).step_by(1_024).zip(buffer.chunks_mut(1_024)) {
            let chance = mix(self.lies.salt ^ place);
            if chance % 1_000 < self.lies.per_mille {
                let at = (chance >> 20) as usize % block.len();
                block[at] ^= 1 + (chance >> 50) as u8 % 255;
            }
        }
    }
}

impl Store for Watched {
    fn write_part(&mut self, id: &ContentId, part: Part, offset: u64, bytes: &[u8]) -> Result<(), WriteError> {
        if let ContentId::Blake3(hash) = id
            && let Some(content) = self.truth.get(hash)
        {
            let range = offset as usize..offset as usize + bytes.len();
            assert!(content.part(part).get(range) == Some(bytes), "kept what is wrong: {part:?} {offset}");
        }
        *self.writes.entry(*id).or_default() += 1;
        self.memory.write_part(id, part, offset, bytes)
    }

    fn read_part(&mut self, id: &ContentId, part: Part, offset: u64, buffer: &mut [u8]) -> Result<(), ReadError> {
        self.memory.read_part(id, part, offset, buffer)
    }

    fn close_part(&mut self, id: &ContentId) {
        self.memory.close_part(id);
    }

    fn close(&mut self, name: &str) {
        self.memory.close(name);
    }

    fn read(&mut self, file: &SharedFile, part: Part, offset: u64, buffer: &mut [u8]) -> Result<(), ReadError> {
        self.memory.read(file, part, offset, buffer)?;
        self.lie(offset, buffer);
        Ok(())
    }
}
