//! What is written down about a content that is being fetched, so that another attempt can go on from there.
//!
//! Of a BLAKE3 content only the size is needed, as every block tells whether it is right. Of a SHA-256 content the
//! ranges are that are there: nothing else tells a byte that came from one that did not. The text is replaced as a
//! whole, but not forced onto the disk: after a kill it is what was written last; after a power cut it may speak of
//! bytes that are not there, and then the whole is found to be wrong and is fetched again.

use crate::content::{ContentId, FRAGMENTS_MAX, Ranges};
use crate::data_dir::{read_bounded, replace};
use serde::{Deserialize, Serialize};
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The longest journal we read: [`FRAGMENTS_MAX`] ranges, each two numbers of 20 digits with brackets and commas.
const FILE_MAX_BYTES: u64 = FRAGMENTS_MAX as u64 * 44 + 1_024;

/// What is written down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journal {
    /// How long the content is, if its sources are right.
    pub size: Option<u64>,
    /// What is there of it, if nothing else can tell.
    pub content: Ranges,
    /// Whether the attempt failed, so that perhaps the size was a lie.
    pub is_doubted: bool,
}

#[derive(Default, Serialize, Deserialize)]
struct Text {
    size: Option<u64>,
    #[serde(default)]
    have: Vec<(u64, u64)>,
    #[serde(default)]
    is_doubted: bool,
}

/// Where the journal of a content lies.
pub(super) fn path(parts: &Path, id: &ContentId) -> PathBuf {
    parts.join(format!("{}.json", id.file_stem()))
}

impl Journal {
    /// What was written down about a content; nothing, if there is none or it cannot be understood.
    pub(super) fn load(parts: &Path, id: &ContentId) -> Journal {
        read_bounded(&path(parts, id), FILE_MAX_BYTES).ok().and_then(|bytes| Journal::parse(&bytes)).unwrap_or_default()
    }

    /// Writes down that the attempt failed, if there is a journal.
    ///
    /// # Errors
    /// Whatever the system says; what was written before is then still there.
    pub(super) fn doubt(parts: &Path, id: &ContentId) -> io::Result<()> {
        let journal = Journal::load(parts, id);
        if journal.size.is_some() { Journal { is_doubted: true, ..journal }.save(parts, id) } else { Ok(()) }
    }

    /// Writes it down.
    ///
    /// # Errors
    /// Whatever the system says; what was written before is then still there.
    pub(super) fn save(&self, parts: &Path, id: &ContentId) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(parts)?;
        replace(&path(parts, id), self.render().as_bytes())
    }

    /// The text of it.
    pub fn render(&self) -> String {
        let have = self.content.iter().map(|range| (range.start, range.end)).collect();
        // Numbers always have a JSON form.
        serde_json::to_string(&Text { size: self.size, have, is_doubted: self.is_doubted }).unwrap_or_default() + "\n"
    }

    /// What a text says; `None` if it is damaged.
    pub fn parse(bytes: &[u8]) -> Option<Journal> {
        let text: Text = serde_json::from_slice(bytes).ok()?;
        let mut content = Ranges::default();
        for (start, end) in text.have {
            if start >= end || text.size.is_none_or(|size| end > size) {
                return None;
            }
            content.insert(start..end).ok()?;
        }
        Some(Journal { size: text.size, content, is_doubted: text.is_doubted })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(list: &[std::ops::Range<u64>]) -> Ranges {
        let mut ranges = Ranges::default();
        list.iter().for_each(|range| ranges.insert(range.clone()).unwrap());
        ranges
    }

    #[test]
    fn what_is_written_down_is_read_again() {
        let scratch = tempfile::tempdir().unwrap();
        let parts = scratch.path().join("parts");
        let (one, other) = (ContentId::Sha256([7; 32]), ContentId::Blake3([7; 32]));
        assert_eq!(Journal::load(&parts, &one), Journal::default());
        let journal = Journal { size: Some(100), content: ranges(&[0..5, 7..100]), is_doubted: true };
        journal.save(&parts, &one).unwrap();
        assert_eq!((Journal::load(&parts, &one), Journal::load(&parts, &other)), (journal, Journal::default()));
    }

    #[test]
    fn the_most_scattered_content_fits() {
        let mut content = Ranges::default();
        let first = u64::MAX - 10 * FRAGMENTS_MAX as u64;
        (0..FRAGMENTS_MAX as u64).for_each(|n| content.insert(first + 10 * n..first + 10 * n + 5).unwrap());
        let journal = Journal { size: Some(u64::MAX), content, is_doubted: false };
        let text = journal.render();
        assert!(text.len() as u64 <= FILE_MAX_BYTES, "{}", text.len());
        assert_eq!(Journal::parse(text.as_bytes()), Some(journal));
    }

    #[test]
    fn a_damaged_journal_says_nothing() {
        let good =
            Journal { size: Some(9), content: ranges(std::slice::from_ref(&(0..5))), is_doubted: false }.render();
        assert!(Journal::parse(good.as_bytes()).is_some());
        for (part, instead) in
            [("}", ""), ("[0,5]", "[5,5]"), ("[0,5]", "[5,0]"), ("5]", "10]"), ("9", "null"), ("9", "-1")]
        {
            let damaged = good.replacen(part, instead, 1);
            assert_ne!(damaged, good, "{part}");
            assert_eq!(Journal::parse(damaged.as_bytes()), None, "{damaged}");
        }
        for length in 0..good.trim_end().len() {
            assert_eq!(Journal::parse(&good.as_bytes()[..length]), None, "{length}");
        }
    }
}
