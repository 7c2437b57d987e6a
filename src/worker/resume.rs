//! Finding out what is there of a content from an earlier attempt, chunk by chunk.
//!
//! The files of a BLAKE3 content are believed nothing: the tree is checked from the top down, and every block against
//! the tree. What does not check is missing. So whatever a kill or a full disk left there, no wrong byte is kept. Of a
//! SHA-256 content the journal is believed, because the whole will be checked in the end.

use super::journal::Journal;
use crate::content::tree::{TREE_BLOCK_BYTES, Tree};
use crate::content::{ContentId, Part, Ranges, part_path};
use crate::transfer::Held;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Bytes read between two looks at the orders: less than a millisecond of hashing.
const CHUNK_BYTES: u64 = 256 * 1024;

/// How long what is there of a content waits for another attempt.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(14 * 86_400);

/// Files of the folder that are looked at: three for each content, of which a user may have stopped a thousand.
const ENTRIES_MAX: usize = 4_096;

/// A look at what is there.
pub(super) struct Scan {
    pub(super) id: ContentId,
    /// How long the user waits without progress; of no concern here.
    pub(super) patience: Duration,
    held: Held,
    /// What is still to be looked at; `None` if nothing is.
    rest: Option<Rest>,
    is_doubted: bool,
}

struct Rest {
    tree: Tree,
    content: File,
    /// A content of a single block has none.
    nodes: Option<File>,
    /// How far the tree, and then the content, has been looked at.
    tree_at: u64,
    block: u64,
    /// Where their files end. Somebody may have claimed any size, and beyond there is nothing to look at.
    tree_end: u64,
    blocks: u64,
}

/// What is there of a content in the folder of parts, all of it looked at in one go.
pub fn find_held(parts: &Path, id: ContentId) -> Held {
    let mut scan = Scan::begin(parts, id, Duration::ZERO);
    loop {
        if let Some(held) = scan.advance() {
            return held;
        }
    }
}

impl Scan {
    /// Begins to look for a content in the folder of parts.
    pub(super) fn begin(parts: &Path, id: ContentId, patience: Duration) -> Scan {
        let Journal { size, content, is_doubted } = Journal::load(parts, &id);
        let mut held = Held { size, ..Held::default() };
        let opened = File::open(part_path(parts, &id, Part::Content)).ok();
        let rest = match (id, size, opened) {
            (ContentId::Sha256(_), Some(_), Some(file)) => {
                let length = file.metadata().map_or(0, |metadata| metadata.len());
                content.within(0..length).for_each(|range| _ = held.content.insert(range));
                None
            }
            (ContentId::Blake3(root), Some(size), Some(content)) => Tree::new(root, size).map(|tree| {
                let nodes = File::open(part_path(parts, &id, Part::Tree)).ok();
                let length = |file: &File| file.metadata().map_or(0, |metadata| metadata.len());
                let tree_end = nodes.as_ref().map_or(0, length).min(tree.shape().tree_bytes());
                let blocks = length(&content).div_ceil(TREE_BLOCK_BYTES).min(tree.shape().blocks());
                Rest { tree, content, nodes, tree_at: 0, block: 0, tree_end, blocks }
            }),
            _ => None,
        };
        Scan { id, patience, held, rest, is_doubted }
    }

    /// Looks at one chunk; what is there, once all has been looked at.
    pub(super) fn advance(&mut self) -> Option<Held> {
        let Some(rest) = &mut self.rest else {
            self.conclude();
            return Some(std::mem::take(&mut self.held));
        };
        let is_over = match &rest.nodes {
            Some(nodes) if rest.tree_at < rest.tree_end => {
                rest.tree_at = check_tree(&rest.tree, nodes, rest.tree_at, &mut self.held.tree);
                false
            }
            _ => {
                let end = rest.block + CHUNK_BYTES / TREE_BLOCK_BYTES;
                for block in rest.block..end.min(rest.blocks) {
                    check_block(rest, block, &mut self.held);
                }
                rest.block = end;
                end >= rest.blocks
            }
        };
        if is_over {
            self.rest = None;
        }
        None
    }

    /// A size that is not proven, in which an attempt failed, may have been a lie, and with it the form of the tree.
    /// What is there of the content stays: the place of a block that was checked is part of its hash, and a SHA-256
    /// content will be checked as a whole.
    fn conclude(&mut self) {
        let is_last_there = self.held.size.is_some_and(|size| size > 0 && self.held.content.contains(size - 1));
        let is_proven = is_last_there && matches!(self.id, ContentId::Blake3(_));
        if self.is_doubted && !is_proven {
            self.held.size = None;
            self.held.tree = Ranges::default();
        }
    }
}

/// Checks a chunk of the tree from `at` on, and says where the next one begins.
fn check_tree(tree: &Tree, nodes: &File, at: u64, held: &mut Ranges) -> u64 {
    let (mut at, end) = (at, at + CHUNK_BYTES);
    while at < end {
        let Some(piece) = tree.shape().piece(at) else { return tree.shape().tree_bytes() };
        let mut bytes = vec![0; usize::try_from(piece.end - piece.start).unwrap_or(0)];
        if nodes.read_exact_at(&mut bytes, piece.start).is_ok() {
            let above = |from: u64, buffer: &mut [u8]| {
                held.covers(from..from + buffer.len() as u64) && nodes.read_exact_at(buffer, from).is_ok()
            };
            // What is wrong or too scattered is missing.
            if let Ok(verified) = tree.check_nodes(piece.start, &bytes, above) {
                let _ = held.insert(verified);
            }
        }
        at = piece.end;
    }
    at
}

/// Checks a block against the tree.
fn check_block(rest: &Rest, block: u64, held: &mut Held) {
    let shape = rest.tree.shape();
    let Some(range) = shape.block(block) else { return };
    let is_provable = shape.leaves_of(range.clone()).is_none_or(|leaves| held.tree.covers(leaves));
    let mut bytes = vec![0; usize::try_from(range.end - range.start).unwrap_or(0)];
    if !is_provable || rest.content.read_exact_at(&mut bytes, range.start).is_err() {
        return;
    }
    let leaf =
        |at: u64, buffer: &mut [u8]| rest.nodes.as_ref().is_some_and(|nodes| nodes.read_exact_at(buffer, at).is_ok());
    if rest.tree.check_block(block, &bytes, leaf).is_ok() {
        let _ = held.content.insert(range);
    }
}

/// Removes everything that is there of a content in the folder `parts`.
///
/// # Errors
/// Whatever the system says.
pub fn discard(parts: &Path, id: &ContentId) -> io::Result<()> {
    files(parts, id).iter().try_for_each(|path| match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    })
}

/// Whether anything is there of a content in the folder `parts`.
pub(crate) fn is_there(parts: &Path, id: &ContentId) -> bool {
    files(parts, id).iter().any(|path| fs::symlink_metadata(path).is_ok())
}

/// The files of a content.
fn files(parts: &Path, id: &ContentId) -> [PathBuf; 3] {
    [part_path(parts, id, Part::Content), part_path(parts, id, Part::Tree), super::journal::path(parts, id)]
}

/// Removes the files of contents that nobody has gone on with for 14 days by `now`.
///
/// # Errors
/// Whatever the system says; some may be gone then.
pub(super) fn sweep(parts: &Path, now: SystemTime) -> io::Result<()> {
    let entries = match fs::read_dir(parts) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries.take(ENTRIES_MAX) {
        let entry = entry?;
        let modified = entry.metadata()?.modified()?;
        let is_young = now.duration_since(modified).is_ok_and(|age| age < FORGOTTEN_AFTER) || modified > now;
        files.push((entry.path(), is_young));
    }
    // The files of a content are as young as the youngest of them.
    let is_old =
        |path: &Path| !files.iter().any(|(other, is_young)| *is_young && other.file_stem() == path.file_stem());
    files.iter().filter(|(path, _)| is_old(path)).try_for_each(|(path, _)| fs::remove_file(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Builder;

    const SIZE: u64 = 300 * 4_096 + 17;

    /// A content in parts, all of it; its id, its bytes and those of its tree.
    fn parts(folder: &Path, size: u64) -> (ContentId, Vec<u8>, Vec<u8>) {
        let content: Vec<u8> = (0..size).map(|n| (n * 31 + (n >> 8) * 7 + (n >> 16)) as u8).collect();
        let (mut tree, mut builder) =
            (vec![0; Tree::new([0; 32], size).unwrap().shape().tree_bytes() as usize], Builder::new(size).unwrap());
        let mut write = |at: u64, bytes: &[u8]| -> Result<(), ()> {
            tree[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
            Ok(())
        };
        builder.update(&content, &mut write).unwrap();
        let id = ContentId::Blake3(builder.finish(&mut write).unwrap().unwrap().blake3);
        fs::write(part_path(folder, &id, Part::Content), &content).unwrap();
        fs::write(part_path(folder, &id, Part::Tree), &tree).unwrap();
        Journal { size: Some(size), ..Journal::default() }.save(folder, &id).unwrap();
        (id, content, tree)
    }

    fn scan(folder: &Path, id: ContentId) -> Held {
        let mut scan = Scan::begin(folder, id, Duration::ZERO);
        let held = (0..1_000).find_map(|_| scan.advance()).unwrap();
        assert_eq!(find_held(folder, id), held);
        held
    }

    #[test]
    fn a_claimed_size_costs_no_more_time_than_what_is_there() {
        let scratch = tempfile::tempdir().unwrap();
        let (id, ..) = parts(scratch.path(), SIZE);
        let claimed = Some(crate::content::tree::CONTENT_MAX_BYTES);
        Journal { size: claimed, ..Journal::default() }.save(scratch.path(), &id).unwrap();
        let held = scan(scratch.path(), id);
        assert_eq!((held.size, held.content.count()), (claimed, 0));
    }

    #[test]
    fn all_that_is_right_is_found() {
        for size in [1, 4_096, 4_097, SIZE] {
            let scratch = tempfile::tempdir().unwrap();
            let (id, _, tree) = parts(scratch.path(), size);
            let held = scan(scratch.path(), id);
            assert!(held.content.covers(0..size) && held.content.count() == size && held.size == Some(size));
            assert!(size <= 4_096 || held.tree.covers(0..tree.len() as u64));
        }
    }

    #[test]
    fn a_wrong_byte_costs_its_block_and_nothing_else() {
        let scratch = tempfile::tempdir().unwrap();
        let (id, mut content, _) = parts(scratch.path(), SIZE);
        for block in [0_u64, 150, 300] {
            content[block as usize * 4_096 + 9] ^= 1;
        }
        fs::write(part_path(scratch.path(), &id, Part::Content), &content).unwrap();
        let gaps: Vec<_> = scan(scratch.path(), id).content.gaps(0..SIZE).iter().collect();
        assert_eq!(gaps, [0..4_096, 150 * 4_096..151 * 4_096, 300 * 4_096..SIZE]);
        // What was never written is a hole, or beyond the end of the file.
        content.truncate(100 * 4_096 + 5);
        fs::write(part_path(scratch.path(), &id, Part::Content), &content).unwrap();
        let held = scan(scratch.path(), id).content;
        assert!(held.covers(4_096..100 * 4_096) && held.fragments() == 1 && !held.contains(100 * 4_096));
    }

    #[test]
    fn a_wrong_node_costs_what_it_would_prove() {
        let scratch = tempfile::tempdir().unwrap();
        let (id, _, tree) = parts(scratch.path(), SIZE);
        let path = part_path(scratch.path(), &id, Part::Tree);
        for (at, is_all_lost) in [(70, true), (tree.len() - 1, false)] {
            let mut wrong = tree.clone();
            wrong[at] ^= 1;
            fs::write(&path, wrong).unwrap();
            let held = scan(scratch.path(), id);
            assert!(!held.tree.contains(at as u64) && !held.content.contains(SIZE - 1));
            assert_eq!(held.content.is_empty(), is_all_lost);
        }
        fs::remove_file(&path).unwrap();
        assert!(scan(scratch.path(), id).content.is_empty());
    }

    #[test]
    fn a_size_that_may_have_been_a_lie_is_not_believed_again() {
        let scratch = tempfile::tempdir().unwrap();
        let (id, _, _) = parts(scratch.path(), SIZE);
        for (is_whole, size) in [(true, Some(SIZE)), (false, None)] {
            if !is_whole {
                File::options()
                    .write(true)
                    .open(part_path(scratch.path(), &id, Part::Content))
                    .unwrap()
                    .set_len(SIZE - 1)
                    .unwrap();
            }
            Journal { size: Some(SIZE), is_doubted: true, ..Journal::default() }.save(scratch.path(), &id).unwrap();
            let held = scan(scratch.path(), id);
            assert_eq!((held.size, held.tree.is_empty()), (size, !is_whole));
            assert!(held.content.covers(0..300 * 4_096));
        }
    }

    #[test]
    fn of_a_sha256_content_the_journal_tells_as_far_as_the_file_goes() {
        let scratch = tempfile::tempdir().unwrap();
        let id = ContentId::Sha256([7; 32]);
        assert_eq!(scan(scratch.path(), id), Held::default());
        let mut content = Ranges::default();
        content.insert(0..50).unwrap();
        content.insert(60..90).unwrap();
        Journal { size: Some(100), content, is_doubted: false }.save(scratch.path(), &id).unwrap();
        assert!(scan(scratch.path(), id).content.is_empty());
        fs::write(part_path(scratch.path(), &id, Part::Content), [7; 70]).unwrap();
        let held = scan(scratch.path(), id);
        assert_eq!((held.size, held.content.iter().collect::<Vec<_>>()), (Some(100), vec![0..50, 60..70]));
        let doubted = Journal { is_doubted: true, ..Journal::load(scratch.path(), &id) };
        doubted.save(scratch.path(), &id).unwrap();
        assert_eq!(scan(scratch.path(), id), Held { size: None, ..held });
        discard(scratch.path(), &id).unwrap();
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_nobody_goes_on_with_for_two_weeks_is_removed_and_the_rest_stays() {
        let scratch = tempfile::tempdir().unwrap();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        for (name, days) in
            [("old.part", 15), ("old.json", 15), ("mixed.part", 1), ("mixed.json", 20), ("new.part", 13)]
        {
            let file = File::create(scratch.path().join(name)).unwrap();
            file.set_modified(now - Duration::from_secs(days * 86_400)).unwrap();
        }
        sweep(scratch.path(), now).unwrap();
        let entries = fs::read_dir(scratch.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_unstable();
        assert_eq!(names, ["mixed.json", "mixed.part", "new.part"]);
    }
}
