//! What is written down about a content that is being fetched, so that another attempt can go on from there.
//!
//! Of a BLAKE3 content only the size is needed, as every block tells whether it is right. Of a SHA-256 content the
//! ranges are that are there: nothing else tells a byte that came from one that did not.
//!
//! The first line says what was there; each further one, what came then. A line is added by whoever writes the bytes
//! that it speaks of, right after them, as it takes a hundredth of their time; were it the business of another thread,
//! a kill would cost whatever that thread is behind. What has been thrown away makes all of it be replaced. Nothing is
//! forced onto the disk: after a kill it is what was written last, without a line of which only a part is there; after
//! a power cut it may speak of bytes that are not there, and then the whole is found to be wrong and is fetched again.

use crate::content::{ContentId, FRAGMENTS_MAX, Ranges};
use crate::data_dir::{create_folder, read_bounded, replace};
use crate::json;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The longest line: [`FRAGMENTS_MAX`] ranges, each two numbers of 20 digits with brackets and commas.
const LINE_MAX_BYTES: u64 = FRAGMENTS_MAX as u64 * 44 + 1_024;

/// The longest journal. With room for as much again as the longest line takes, it is seldom that it has to be replaced.
const FILE_MAX_BYTES: u64 = 2 * LINE_MAX_BYTES;

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
        self.begin(parts, id).map(drop)
    }

    /// Writes it down, and keeps the file open behind its only line. The length of that.
    fn begin(&self, parts: &Path, id: &ContentId) -> io::Result<(File, u64)> {
        create_folder(parts)?;
        let text = self.render();
        Ok((replace(&path(parts, id), text.as_bytes())?, text.len() as u64))
    }

    /// A text of it, of one line.
    pub fn render(&self) -> String {
        let have = self.content.iter().map(|range| (range.start, range.end)).collect();
        // Numbers always have a JSON form.
        serde_json::to_string(&Text { size: self.size, have, is_doubted: self.is_doubted }).unwrap_or_default() + "\n"
    }

    /// What a text says; `None` if its first line is damaged. Another one, and all behind it, was never finished.
    pub fn parse(bytes: &[u8]) -> Option<Journal> {
        let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
        let mut journal = Journal::parse_line(lines.next()?)?;
        for line in lines.map_while(Journal::parse_line).take_while(|line| line.size == journal.size) {
            // What makes it too scattered is fetched again.
            line.content.iter().for_each(|range| _ = journal.content.insert(range));
        }
        Some(journal)
    }

    fn parse_line(bytes: &[u8]) -> Option<Journal> {
        let text: Text = json::parse(bytes)?;
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

/// The journal of a content that is being fetched, open to be added to.
pub struct OpenJournal {
    parts: PathBuf,
    id: ContentId,
    /// The file, and how long it is; `None` if there is none whose end is known.
    file: Option<(File, u64)>,
    /// What it says.
    said: Journal,
}

impl OpenJournal {
    /// The journal of a content in the folder of parts. What it says will be said anew by the first note.
    pub fn new(parts: PathBuf, id: ContentId) -> OpenJournal {
        OpenJournal { parts, id, file: None, said: Journal::default() }
    }

    /// Writes down what is there.
    ///
    /// # Errors
    /// Whatever the system says; what was written before is then still there.
    pub fn note(&mut self, size: Option<u64>, content: Ranges) -> io::Result<()> {
        let is_more = size == self.said.size && self.said.content.without(&content).count() == 0;
        let more = content.without(&self.said.content);
        let whole = Journal { size, content, is_doubted: false };
        let line = Journal { size, content: more, is_doubted: false }.render();
        // Whatever goes wrong, the end is no longer known.
        self.file = match self.file.take() {
            Some((mut file, length)) if is_more && length + line.len() as u64 <= FILE_MAX_BYTES => {
                file.write_all(line.as_bytes())?;
                Some((file, length + line.len() as u64))
            }
            _ => Some(whole.begin(&self.parts, &self.id)?),
        };
        self.said = whole;
        Ok(())
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
        assert!(text.len() as u64 <= LINE_MAX_BYTES, "{}", text.len());
        assert_eq!(Journal::parse(text.as_bytes()), Some(journal));
    }

    #[test]
    fn what_comes_is_added_and_what_is_thrown_away_replaces_all() {
        let scratch = tempfile::tempdir().unwrap();
        let (parts, id) = (scratch.path().join("parts"), ContentId::Sha256([7; 32]));
        let lines = || std::fs::read_to_string(path(&parts, &id)).unwrap().lines().count();
        let mut open = OpenJournal::new(parts.clone(), id);
        for (said, expected) in [
            (ranges(std::slice::from_ref(&(0..5))), 1),
            (ranges(&[0..7, 9..12]), 2),
            (ranges(std::slice::from_ref(&(0..12))), 3),
            (ranges(std::slice::from_ref(&(1..12))), 1),
            (ranges(std::slice::from_ref(&(1..13))), 2),
        ] {
            open.note(Some(100), said.clone()).unwrap();
            assert_eq!(Journal::load(&parts, &id), Journal { size: Some(100), content: said, is_doubted: false });
            assert_eq!(lines(), expected);
        }
        open.note(Some(50), ranges(std::slice::from_ref(&(1..14)))).unwrap();
        assert_eq!((Journal::load(&parts, &id).size, lines()), (Some(50), 1), "another size makes all of it new");
        OpenJournal::new(parts.clone(), id).note(Some(50), ranges(std::slice::from_ref(&(3..4)))).unwrap();
        assert_eq!(
            (Journal::load(&parts, &id).content, lines()),
            (ranges(std::slice::from_ref(&(3..4))), 1),
            "who comes anew begins anew"
        );
    }

    #[test]
    fn a_journal_that_has_no_room_for_a_line_is_replaced() {
        let scratch = tempfile::tempdir().unwrap();
        let id = ContentId::Sha256([7; 32]);
        let (mut open, mut content) = (OpenJournal::new(scratch.path().to_owned(), id), Ranges::default());
        let length = || std::fs::metadata(path(scratch.path(), &id)).unwrap().len();
        // The longest numbers; first every other place, then those between them.
        let most = FRAGMENTS_MAX as u64;
        let place = |n: u64| u64::MAX - 20 * (most - n % most) + 10 * (n / most);
        for n in 0..2 * most {
            content.insert(place(n)..place(n) + 10).unwrap();
            if (n + 1) % (most / 2) == 0 {
                open.note(Some(u64::MAX), content.clone()).unwrap();
            }
        }
        assert!(length() > 2 * most * 44 - 100 && length() <= FILE_MAX_BYTES, "{}", length());
        (0..500).for_each(|n| content.insert(n * 10..n * 10 + 5).unwrap());
        open.note(Some(u64::MAX), content.clone()).unwrap();
        assert!(length() < 10_000, "{}", length());
        assert_eq!(Journal::load(scratch.path(), &id).content, content);
    }

    #[test]
    fn a_line_that_was_never_finished_costs_itself_alone() {
        let first = Journal { size: Some(9), content: ranges(std::slice::from_ref(&(0..5))), is_doubted: false };
        let more = Journal { content: ranges(std::slice::from_ref(&(5..7))), ..first.clone() };
        let text = first.render() + &more.render();
        for length in first.render().len()..text.trim_end().len() {
            assert_eq!(Journal::parse(&text.as_bytes()[..length]), Some(first.clone()), "{length}");
        }
        let both = Journal { content: ranges(std::slice::from_ref(&(0..7))), ..first.clone() };
        assert_eq!(Journal::parse(text.as_bytes()), Some(both));
        for second in ["\0\0\0\0\n", "\n", "{\"size\":8,\"have\":[[5,7]]}\n", "{\"size\":9,\"have\":[[5,10]]}\n"] {
            assert_eq!(Journal::parse((first.render() + second + &more.render()).as_bytes()), Some(first.clone()));
        }
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
