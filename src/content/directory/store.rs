//! The store: contents that were fetched, or that the user gave us, each in a file of its own called by its SHA-256.
//!
//! A content takes its name when it is whole, checked and on the disk, and nobody writes into it afterwards. Beside it
//! lies a note: both ids, the state the file was in when it got them, what the user calls it and where it came from. So
//! nothing is read again after a restart, and a process that adds a content tells a running node all about it. A note
//! that is missing, damaged or about another state of the file costs a reading of the file, nothing more.

use super::stamp;
use crate::content::tree::Hash;
use crate::content::{Ids, SharedFile, Stamp, hash_from_hex, hex};
use crate::data_dir::{create_folder, create_new, read_bounded, remove_left_behind, replace, write_atomically};
use crate::json;
use rustix::fs::{AtFlags, CWD, OFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, utimensat};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The name of the store's folder, beside the public one; with a slash, what the names of its files begin with where
/// those of the public folder are meant too.
const FOLDER: &str = "store";

/// The longest note we read: a name of 255 control characters, each escaped with 6 bytes, and 400 for the rest.
const NOTE_MAX_BYTES: u64 = 2_048;

/// The longest name of a content, as file systems have it.
const NAME_MAX_BYTES: usize = 255;

/// Entries of the folder that are looked at: each content has two, and what does not belong there costs time too.
const ENTRIES_MAX: usize = 200_000;

/// What the names of notes that are being written end with.
const NEW_SUFFIX: &str = ".tmp";

/// After this long a note that is being written has been left behind by a process that was killed, in seconds: a day.
const NEW_FORGOTTEN_SECONDS: u64 = 86_400;

/// What is known about a content of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What the user calls it, if it was the user who gave it.
    pub name: Option<String>,
    /// Its file in the state in which it was checked.
    pub stamp: Stamp,
    /// Both its ids.
    pub ids: Ids,
}

/// The text of a note.
#[derive(Serialize, Deserialize)]
struct NoteText {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    sha256: String,
    blake3: String,
    size: u64,
    modified_ns: i128,
    changed_ns: i128,
    inode: u64,
}

/// The folder of whole contents.
#[derive(Clone, Debug)]
pub struct StoreFolder {
    path: PathBuf,
}

/// A content being copied into the store. Unless it is kept, it is gone in the end.
#[derive(Debug)]
pub struct NewContent {
    path: PathBuf,
    /// Where its bytes go.
    pub file: File,
    is_kept: bool,
}

/// Where the file with this name lies, if the public folder is at `public`; `None` if no file of the store is meant.
pub(super) fn store_path(public: &Path, name: &str) -> Option<PathBuf> {
    stored_hash(name).map(|_| public.with_file_name(FOLDER).join(&name[FOLDER.len() + 1..]))
}

/// The name under which a content of the store is shared. No file of the public folder has such a name, because of the
/// slash, and nobody can ask for it by its name.
pub fn stored_name(sha256: &Hash) -> String {
    format!("{FOLDER}/{}", hex(sha256))
}

/// The SHA-256 in the name of a content of the store; `None` if the file is one of the public folder.
pub fn stored_hash(name: &str) -> Option<Hash> {
    hash_from_hex(name.strip_prefix(FOLDER)?.strip_prefix('/')?)
}

impl StoreFolder {
    /// The store that belongs to the public folder at `public`. It need not exist yet.
    pub fn beside(public: &Path) -> StoreFolder {
        StoreFolder { path: public.with_file_name(FOLDER) }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a content lies.
    pub fn path_of(&self, sha256: &Hash) -> PathBuf {
        self.path.join(hex(sha256))
    }

    fn note_path(&self, sha256: &Hash) -> PathBuf {
        self.path.join(format!("{}.json", hex(sha256)))
    }

    fn create_folder(&self) -> io::Result<()> {
        create_folder(&self.path)
    }

    /// The contents that are there, by their names, with the states of their files; at most `most`.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn list(&self, most: usize) -> io::Result<Vec<(Hash, Stamp)>> {
        let mut found = Vec::new();
        let entries = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
            entries => entries?,
        };
        for entry in entries.take(ENTRIES_MAX) {
            if found.len() >= most {
                break;
            }
            let entry = entry?;
            let Some(sha256) = entry.file_name().to_str().and_then(hash_from_hex) else { continue };
            match entry.metadata() {
                Ok(metadata) if metadata.is_file() => found.push((sha256, stamp(&metadata))),
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(found)
    }

    /// What is known about a content that is there, in whichever state its file is.
    pub fn note(&self, sha256: &Hash) -> Option<Note> {
        let bytes = read_bounded(&self.note_path(sha256), NOTE_MAX_BYTES).ok()?;
        Note::parse(&bytes).filter(|note| note.ids.sha256 == *sha256)
    }

    /// Both ids of a content, if its file is in the state in which it was checked.
    pub fn ids_of(&self, sha256: &Hash, stamp: Stamp) -> Option<Ids> {
        self.note(sha256).filter(|note| note.stamp == stamp).map(|note| note.ids)
    }

    /// Writes down what is known about a content.
    ///
    /// # Errors
    /// Whatever the system says; what was known before is then still there.
    pub fn write_note(&self, note: &Note) -> io::Result<()> {
        write_atomically(&self.note_path(&note.ids.sha256), note.render().as_bytes())
    }

    /// What is known about a content is not believed any more: it will be read again.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn distrust(&self, sha256: &Hash) -> io::Result<()> {
        match self.note(sha256) {
            Some(note) => self.write_note(&Note { stamp: Stamp::default(), ..note }),
            None => Ok(()),
        }
    }

    /// Begins to copy a content into the store.
    ///
    /// # Errors
    /// Whatever the system says, or `AlreadyExists` if 64 are being copied.
    pub fn create(&self) -> io::Result<NewContent> {
        self.create_folder()?;
        let (path, file) = create_new(&self.path)?;
        Ok(NewContent { path, file, is_kept: false })
    }

    /// Gives the file at `path`, which is open as `file` and has been checked, its place in the store: on the disk
    /// before it has its name, and read-only from then on. What the user called the content before is kept if `name`
    /// says nothing else.
    ///
    /// # Errors
    /// Whatever the system says; then nothing has that name that had not before, or a power cut may take it away again.
    pub fn adopt(&self, path: &Path, file: &File, ids: Ids, name: Option<String>) -> io::Result<SharedFile> {
        self.create_folder()?;
        file.sync_all()?;
        let known = self.note(&ids.sha256);
        let is_noted = known.is_some();
        let note = Note { name: name.or_else(|| known?.name), stamp: Stamp::default(), ids };
        if !is_noted {
            // Of a content that a killed process leaves before the real note, the ids are known. Without them it is
            // read once more, no worse.
            let _ = replace(&self.note_path(&ids.sha256), note.render().as_bytes());
        }
        fs::rename(path, self.path_of(&ids.sha256))?;
        // Not before: what is left where it was has to be written to again. From here on it is kept, whatever fails;
        // and the note comes at once, as without it a killed process leaves a content that has to be read once more.
        let protected = file.set_permissions(Permissions::from_mode(0o400));
        let stamp = stamp(&file.metadata()?);
        let noted = replace(&self.note_path(&ids.sha256), Note { stamp, ..note }.render().as_bytes());
        if let Err(error) = protected.and(noted).and_then(|note| note.sync_all()) {
            log::warn!("cannot write down what is known about {}: {error}", hex(&ids.sha256));
        }
        File::open(&self.path)?.sync_all()?;
        let Ids { sha256, blake3 } = ids;
        Ok(SharedFile { name: stored_name(&sha256), stamp, sha256, blake3 })
    }

    /// Removes a content, if it is there. Says whether it was.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn remove(&self, sha256: &Hash) -> io::Result<bool> {
        let was_there = match fs::remove_file(self.path_of(sha256)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            removed => removed.is_ok(),
        };
        match fs::remove_file(self.note_path(sha256)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(was_there),
        }
    }

    /// Notes that a content has been asked for just now.
    pub fn touch(&self, sha256: &Hash) {
        let [now, omit] = [UTIME_NOW, UTIME_OMIT].map(|tv_nsec| Timespec { tv_sec: 0, tv_nsec });
        let times = Timestamps { last_access: omit, last_modification: now };
        // At worst it is taken for older than it is.
        let _ = utimensat(CWD, self.note_path(sha256), &times, AtFlags::SYMLINK_NOFOLLOW);
    }

    /// When somebody asked for a content last, or it came.
    pub fn touched(&self, sha256: &Hash) -> Option<SystemTime> {
        fs::symlink_metadata(self.note_path(sha256)).ok()?.modified().ok()
    }

    /// Removes what was left behind: copies that nobody makes any more, notes that were begun a day before `now`, and
    /// notes about contents that somebody has taken away.
    ///
    /// # Errors
    /// Whatever the system says; some may be gone then.
    pub fn sweep(&self, now: SystemTime) -> io::Result<()> {
        let entries = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries.take(ENTRIES_MAX) {
            let entry = entry?;
            let path = entry.path();
            let note_of = path
                .extension()
                .filter(|ending| *ending == "json")
                .and_then(|_| hash_from_hex(path.file_stem()?.to_str()?));
            if note_of.is_some_and(|sha256| {
                fs::symlink_metadata(self.path_of(&sha256)).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
            }) {
                fs::remove_file(path)?;
                continue;
            }
            if remove_left_behind(&path)? {
                continue;
            }
            let is_new = entry.file_name().to_string_lossy().ends_with(NEW_SUFFIX);
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            let age = modified.ok().and_then(|modified| now.duration_since(modified).ok());
            if is_new && age.is_some_and(|age| age.as_secs() >= NEW_FORGOTTEN_SECONDS) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

impl NewContent {
    /// Keeps the content, which has been checked, in its store.
    ///
    /// # Errors
    /// Whatever the system says; the content is then not kept.
    pub fn keep(mut self, store: &StoreFolder, ids: Ids, name: Option<String>) -> io::Result<SharedFile> {
        let kept = store.adopt(&self.path, &self.file, ids, name)?;
        self.is_kept = true;
        Ok(kept)
    }
}

impl Drop for NewContent {
    fn drop(&mut self) {
        if !self.is_kept {
            // What cannot be removed is found by the next sweep.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Opens a file of ours for reading and writing, or makes it, for its owner's eyes only. What is no regular file is
/// refused, unopened.
pub(super) fn open_own(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = options.custom_flags(flags.bits().cast_signed()).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    Ok(file)
}

impl Note {
    /// The text of a note. A name that is too long for a file system is cut.
    pub fn render(&self) -> String {
        let Note { name, stamp: Stamp { size, modified_ns, changed_ns, inode }, ids } = self.clone();
        let name = name.map(|name| {
            let ends = name.char_indices().map(|(start, letter)| start + letter.len_utf8());
            name[..ends.take_while(|end| *end <= NAME_MAX_BYTES).last().unwrap_or(0)].to_owned()
        });
        let (sha256, blake3) = (hex(&ids.sha256), hex(&ids.blake3));
        let text = NoteText { name, sha256, blake3, size, modified_ns, changed_ns, inode };
        // Strings and numbers always have a JSON form.
        serde_json::to_string(&text).unwrap_or_default() + "\n"
    }

    /// What a text says; `None` if it is damaged.
    pub fn parse(bytes: &[u8]) -> Option<Note> {
        let NoteText { name, sha256, blake3, size, modified_ns, changed_ns, inode } = json::parse(bytes)?;
        let ids = Ids { sha256: hash_from_hex(&sha256)?, blake3: hash_from_hex(&blake3)? };
        Some(Note { name, stamp: Stamp { size, modified_ns, changed_ns, inode }, ids })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::fs::MetadataExt;

    fn add(store: &StoreFolder, bytes: &[u8], name: Option<&str>) -> SharedFile {
        let mut new = store.create().unwrap();
        new.file.write_all(bytes).unwrap();
        let ids = Ids { sha256: [7; 32], blake3: blake3::hash(bytes).into() };
        new.keep(store, ids, name.map(str::to_owned)).unwrap()
    }

    #[test]
    fn both_ids_of_a_content_are_known_before_it_has_its_place() {
        let scratch = tempfile::tempdir().unwrap();
        let store = StoreFolder::beside(&scratch.path().join("public"));
        let (new, ids) = (store.create().unwrap(), Ids { sha256: [7; 32], blake3: [8; 32] });
        store.adopt(&scratch.path().join("missing"), &new.file, ids, Some("name".to_owned())).unwrap_err();
        let note = Note { name: Some("name".to_owned()), stamp: Stamp::default(), ids };
        assert_eq!(store.note(&[7; 32]), Some(note));
        store.sweep(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(store.note(&[7; 32]), None);
    }

    #[test]
    fn a_content_is_read_only_and_known_again_in_the_state_in_which_it_was_kept() {
        let scratch = tempfile::tempdir().unwrap();
        let store = StoreFolder::beside(&scratch.path().join("public"));
        assert!(store.list(9).unwrap().is_empty());
        let file = add(&store, b"hello", Some("greeting"));
        assert_eq!(file.name, format!("store/{}", "07".repeat(32)));
        assert_eq!(store_path(&scratch.path().join("public"), &file.name), Some(store.path_of(&[7; 32])));
        assert_eq!(fs::metadata(store.path_of(&[7; 32])).unwrap().mode() & 0o777, 0o400);
        assert_eq!(store.list(9).unwrap(), [([7; 32], file.stamp)]);
        assert!(store.ids_of(&[7; 32], file.stamp).is_some());
        assert!(store.ids_of(&[7; 32], Stamp { changed_ns: 0, ..file.stamp }).is_none());
        // The same content once more, from elsewhere, keeps its name.
        add(&store, b"hello", None);
        assert_eq!(store.note(&[7; 32]).unwrap().name.as_deref(), Some("greeting"));
        assert!(store.remove(&[7; 32]).unwrap() && !store.remove(&[7; 32]).unwrap());
        assert_eq!(fs::read_dir(scratch.path().join("store")).unwrap().count(), 0);
    }

    #[test]
    fn only_64_lower_case_digits_in_the_store_are_its_names() {
        let digits = "0a".repeat(32);
        assert_eq!(stored_hash(&format!("store/{digits}")), Some([10; 32]));
        for name in [&*digits, "store/", "store/x", &format!("store//{digits}"), &format!("store/{digits}/..")] {
            assert_eq!(stored_hash(name), None, "{name}");
            assert_eq!(store_path(Path::new("/data/public"), name), None, "{name}");
        }
        assert_eq!(stored_hash(&format!("store/{}", digits.to_uppercase())), None);
    }

    #[test]
    fn a_note_survives_writing_and_a_damaged_one_is_none() {
        let stamp =
            Stamp { size: u64::MAX, modified_ns: i128::from(i64::MIN) * 1_000_000_000, changed_ns: 1, inode: 2 };
        let ids = Ids { sha256: [1; 32], blake3: [2; 32] };
        for name in [None, Some("\u{1}".repeat(NAME_MAX_BYTES))] {
            let note = Note { name, stamp, ids };
            let text = note.render();
            assert!(text.len() as u64 <= NOTE_MAX_BYTES, "{}", text.len());
            assert_eq!(Note::parse(text.as_bytes()), Some(note));
            assert_eq!(Note::parse(&text.as_bytes()[..text.len() / 2]), None);
            assert_eq!(Note::parse(text.replace("0101", "01").as_bytes()), None);
        }
    }

    #[test]
    fn the_note_about_a_content_that_somebody_took_away_goes_too() {
        let scratch = tempfile::tempdir().unwrap();
        let store = StoreFolder::beside(&scratch.path().join("public"));
        add(&store, b"hello", None);
        for is_there in [true, false] {
            store.sweep(SystemTime::UNIX_EPOCH).unwrap();
            assert_eq!(store.note(&[7; 32]).is_some(), is_there);
            let _ = fs::remove_file(store.path_of(&[7; 32]));
        }
    }

    #[test]
    fn what_a_killed_process_left_goes_and_what_is_being_made_stays() {
        let scratch = tempfile::tempdir().unwrap();
        let store = StoreFolder::beside(&scratch.path().join("public"));
        let new = store.create().unwrap();
        for name in ["7.tmp", "note.json.tmp"] {
            fs::write(scratch.path().join("store").join(name), "x").unwrap();
        }
        let modified = new.file.metadata().unwrap().modified().unwrap();
        for (hours, count) in [(23, 2), (25, 1)] {
            store.sweep(modified + std::time::Duration::from_secs(hours * 3_600)).unwrap();
            assert_eq!(fs::read_dir(scratch.path().join("store")).unwrap().count(), count);
        }
        assert!(new.path.exists());
    }

    #[test]
    fn what_does_not_get_its_name_can_be_written_to_again() {
        let scratch = tempfile::tempdir().unwrap();
        let store = StoreFolder::beside(&scratch.path().join("public"));
        let new = store.create().unwrap();
        let ids = Ids { sha256: [7; 32], blake3: [7; 32] };
        fs::create_dir(store.path_of(&ids.sha256)).unwrap();
        assert!(store.adopt(&new.path, &new.file, ids, None).is_err());
        assert_eq!(new.file.metadata().unwrap().mode() & 0o777, 0o600);
    }
}
