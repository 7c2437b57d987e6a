//! The text of `hashes.json`: `{"files":[{"name":…,"size":…,"modified_ns":…,"changed_ns":…,"inode":…,"sha256":…,
//! "blake3":…},…]}`.
//!
//! Pure functions; reading and writing the file is the business of others. Nobody but the node writes this file, so a
//! single entry that makes no sense means that the file is damaged as a whole. Whether an entry still holds is not
//! decided here.

use crate::content::{SHARED_FILES_MAX, SharedFile, Stamp, hash_from_hex, hex};
use crate::json;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The longest file we read: [`SHARED_FILES_MAX`] entries of at most 1,841 bytes (a name of 255 control characters,
/// each escaped with 6, and 311 for the rest). Ordinary names make it a tenth of that.
pub(super) const FILE_MAX_BYTES: u64 = SHARED_FILES_MAX as u64 * 1_841 + 1_024;

#[derive(Deserialize)]
struct HashesFile<'a> {
    #[serde(borrow)]
    files: Vec<Entry<'a>>,
}

#[derive(Serialize, Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    size: u64,
    modified_ns: i128,
    changed_ns: i128,
    inode: u64,
    sha256: Cow<'a, str>,
    blake3: Cow<'a, str>,
}

/// The files in the text, at most [`SHARED_FILES_MAX`] of them; `None` if it is damaged.
pub fn parse_hashes(bytes: &[u8]) -> Option<Vec<SharedFile>> {
    let file: HashesFile<'_> = json::parse(bytes)?;
    file.files.into_iter().take(SHARED_FILES_MAX).map(parse_entry).collect()
}

fn parse_entry(entry: Entry<'_>) -> Option<SharedFile> {
    let Entry { name, size, modified_ns, changed_ns, inode, sha256, blake3 } = entry;
    let stamp = Stamp { size, modified_ns, changed_ns, inode };
    let (sha256, blake3) = (hash_from_hex(&sha256)?, hash_from_hex(&blake3)?);
    Some(SharedFile { name: name.into_owned(), stamp, sha256, blake3 })
}

/// The text of the file for these hashed files, one line for each, at most [`SHARED_FILES_MAX`] of them.
pub fn render_hashes(files: impl IntoIterator<Item = SharedFile>) -> String {
    let lines = files.into_iter().take(SHARED_FILES_MAX).map(|file| {
        let Stamp { size, modified_ns, changed_ns, inode } = file.stamp;
        let (sha256, blake3) = (hex(&file.sha256).into(), hex(&file.blake3).into());
        let entry = Entry { name: file.name.as_str().into(), size, modified_ns, changed_ns, inode, sha256, blake3 };
        // Strings and numbers always have a JSON form.
        format!("\n  {}", serde_json::to_string(&entry).unwrap_or_default())
    });
    format!("{{\"files\":[{}\n]}}\n", lines.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ID_MAX_BYTES;

    fn file(name: &str, stamp: Stamp) -> SharedFile {
        SharedFile { name: name.to_owned(), stamp, sha256: std::array::from_fn(|n| n as u8 * 8), blake3: [9; 32] }
    }

    /// The stamp with the longest text.
    fn longest() -> Stamp {
        let ns = i128::from(i64::MIN) * 1_000_000_000;
        Stamp { size: u64::MAX, modified_ns: ns, changed_ns: ns, inode: u64::MAX }
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let (modified_ns, changed_ns) = (1_700_000_000_123_456_789, 1_700_000_000_987_654_321);
        let now = Stamp { size: 7, modified_ns, changed_ns, inode: 42 };
        let some = vec![file("a \"b\"\n\u{1b}ü.txt", now), file("old", longest())];
        for files in [vec![], some] {
            assert_eq!(parse_hashes(render_hashes(files.clone()).as_bytes()), Some(files));
        }
    }

    #[test]
    fn as_many_files_as_can_be_shared_with_the_longest_names_fit() {
        let name = |n: usize| format!("{n:05}{}", "\u{1}".repeat(ID_MAX_BYTES - 5));
        let files: Vec<_> = (0..=SHARED_FILES_MAX).map(|n| file(&name(n), longest())).collect();
        let text = render_hashes(files.clone());
        assert!((text.len() as u64) < FILE_MAX_BYTES, "{}", text.len());
        assert!(parse_hashes(text.as_bytes()).unwrap() == files[..SHARED_FILES_MAX]);
        let longest = render_hashes([file(&"\u{1}".repeat(ID_MAX_BYTES), longest())]);
        let entry_bytes = longest.len() - render_hashes([]).len() + ",".len();
        assert!((entry_bytes * SHARED_FILES_MAX) as u64 <= FILE_MAX_BYTES, "{entry_bytes}");
    }

    #[test]
    fn anything_else_is_damaged() {
        let good = render_hashes([file("a", Stamp::default())]);
        assert!(parse_hashes(good.as_bytes()).is_some());
        for (part, instead) in [
            ("]}", ""),
            ("files", "file"),
            ("\"size\":0", "\"size\":-1"),
            ("\"inode\":0,", ""),
            ("\"changed_ns\":0,", ""),
            ("00081018", "x0081018"),
            ("00081018", "081018"),
            ("f8\"", "F8\""),
            ("0909\"", "09\""),
            (",\"blake3\"", ",\"blake2\""),
            ("\"a\"", "7"),
        ] {
            let damaged = good.replacen(part, instead, 1);
            assert_ne!(damaged, good, "{part}");
            assert_eq!(parse_hashes(damaged.as_bytes()), None, "{damaged}");
        }
        for text in ["", "[]", "{}", "{\"files\":{}}", "{\"files\":[7]}", "{\"files\":[]}x"] {
            assert_eq!(parse_hashes(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse_hashes(&[0xff, 0xfe]), None);
    }
}
