//! `key`: the secret from which the node's key derives, as 64 hex digits and a line feed, so that it can be copied,
//! printed and typed. It is made once and never written again.
//!
//! Whoever has it is this node to everybody. So it is for its owner's eyes alone, and one that others can read is not
//! used before somebody has looked at it; and since nobody could tell a new key from a stranger's, one that is damaged
//! is left as it is.

use super::files::{open_regular, read_bounded, remove};
use crate::identity::Identity;
use crate::wire::Hex32;
use sha2::{Digest, Sha256};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The file's name.
const NAME: &str = "key";

/// What the names of keys in the making begin and end with; between them are digits that nobody has chosen twice.
const NEW: (&str, &str) = ("key.", ".tmp");

/// The longest file that is looked at. What we write has 65 bytes; editors and shells may add a few.
const FILE_MAX_BYTES: u64 = 128;

/// The permissions of everybody but the owner.
const OTHERS: u32 = 0o077;

/// Why there is no key. Each reads as one sentence, which says what to do.
#[derive(Debug)]
pub enum KeyError {
    /// It could not be read.
    Unreadable(PathBuf, io::Error),
    /// Others can read it, or write it.
    Exposed(PathBuf),
    /// It is something else than a key.
    Damaged(PathBuf),
    /// There was none and none could be made.
    NotMade(PathBuf, io::Error),
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(path, error) => write!(f, "cannot read the key of this node, {}: {error}", path.display()),
            Self::Exposed(path) => write!(
                f,
                "others than its owner have a right to the key of this node; take it away: chmod 600 '{}'",
                path.display().to_string().replace('\'', r"'\''")
            ),
            Self::Damaged(path) => write!(
                f,
                "the key of this node, {}, is damaged: it has to be 64 hex digits (put a copy in its place, or move it \
                 away for a new key, by which nobody knows this node)",
                path.display()
            ),
            Self::NotMade(path, error) => {
                write!(f, "cannot make a key for this node, {}: {error}", path.display())
            }
        }
    }
}

impl std::error::Error for KeyError {}

/// Where the key of the data directory at `folder` is.
pub fn key_file(folder: &Path) -> PathBuf {
    folder.join(NAME)
}

/// The key in the data directory at `folder`. If there is none yet, it is made from 32 random bytes, with the folder if
/// need be. No lock is needed: of several who make one at the same time one succeeds, and all take that.
///
/// # Errors
/// [`KeyError`]. A file that is there is never changed.
pub fn load_or_make_key(folder: &Path, random: impl Fn() -> io::Result<[u8; 32]>) -> Result<Identity, KeyError> {
    let path = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let path = key_file(&path);
    let identity = match load(&path)? {
        Some(identity) => identity,
        None => {
            let made = make(&path, &random);
            match (load(&path)?, made) {
                (Some(identity), _) => identity,
                (None, Err(error)) => return Err(KeyError::NotMade(path, error)),
                (None, Ok(())) => return Err(KeyError::NotMade(path, io::ErrorKind::NotFound.into())),
            }
        }
    };
    remove_left_behind(&path);
    Ok(identity)
}

/// Reads the key; nothing if there is none.
fn load(path: &Path) -> Result<Option<Identity>, KeyError> {
    let unreadable = |error| KeyError::Unreadable(path.to_owned(), error);
    let file = match open_regular(path, OpenOptions::new().read(true)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    if file.metadata().map_err(unreadable)?.permissions().mode() & OTHERS != 0 {
        return Err(KeyError::Exposed(path.to_owned()));
    }
    let mut bytes = Vec::new();
    file.take(FILE_MAX_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    match parse_key(&bytes) {
        Some(seed) => Ok(Some(Identity::from_seed(&seed))),
        None => Err(KeyError::Damaged(path.to_owned())),
    }
}

/// The seed that a key file says; nothing if it is not exactly 64 hex digits, with white space behind them or none.
pub fn parse_key(bytes: &[u8]) -> Option<[u8; 32]> {
    let text = std::str::from_utf8(bytes.trim_ascii_end()).ok()?;
    // The prefix that keys may have elsewhere would make a file of which the end is missing look whole.
    if bytes.len() as u64 > FILE_MAX_BYTES || text.starts_with("0x") {
        None
    } else {
        Hex32::parse(text).map(|hex| hex.0)
    }
}

/// Whether a content with so many bytes and this SHA-256 is the key of the data directory at `folder`, or would be in
/// its place: some editors and clipboards end a text in a way of their own.
pub fn is_key(folder: &Path, size: u64, sha256: &[u8; 32]) -> bool {
    // Few contents are so short, and for those alone the file is read.
    let read = || read_bounded(&key_file(folder), FILE_MAX_BYTES);
    size <= FILE_MAX_BYTES
        && read().is_ok_and(|bytes| {
            let digits = bytes.trim_ascii_end();
            let is_so = |end: &[u8]| Sha256::new_with_prefix(digits).chain_update(end).finalize()[..] == sha256[..];
            [&bytes[digits.len()..], b"", b"\n", b"\r\n"].into_iter().any(is_so)
        })
}

/// The text of a key file.
pub fn render_key(seed: &[u8; 32]) -> String {
    format!("{}\n", Hex32(*seed))
}

/// Makes a key, whole and on the disk before it has its name, unless something has that name already.
fn make(path: &Path, random: &impl Fn() -> io::Result<[u8; 32]>) -> io::Result<()> {
    let Some(folder) = path.parent() else { return Err(io::ErrorKind::InvalidInput.into()) };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let seed = random()?;
    // A name of its own, and never a file that is there already: that might be the key itself under its first name.
    let digits: String = random()?.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let new = folder.join(format!("{}{digits}{}", NEW.0, NEW.1));
    let made = write_new(&new, render_key(&seed).as_bytes())
        // Unlike renaming, this replaces nothing.
        .and_then(|()| fs::hard_link(&new, path))
        .and_then(|()| File::open(folder)?.sync_all());
    remove(&new)?;
    made
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Removes what somebody has left behind who was killed while making a key; now that there is one, nobody needs it.
fn remove_left_behind(path: &Path) {
    let entries = path.parent().map(fs::read_dir);
    for entry in entries.into_iter().flatten().flatten().flatten() {
        let name = entry.file_name();
        let digits = name.to_str().and_then(|name| name.strip_prefix(NEW.0)).and_then(|rest| rest.strip_suffix(NEW.1));
        let is_ours =
            digits.is_some_and(|digits| digits.len() == 16 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        if is_ours && let Err(error) = remove(&entry.path()) {
            log::warn!("cannot remove {}: {error}", entry.path().display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::os::unix::fs::MetadataExt;

    /// Different bytes each time.
    fn random(start: u8) -> impl Fn() -> io::Result<[u8; 32]> {
        let next = Cell::new(start);
        move || {
            next.set(next.get().wrapping_add(1));
            Ok([next.get(); 32])
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect()
    }

    #[test]
    fn a_key_is_made_once_for_its_owner_alone_and_found_again() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("a/b");
        let made = load_or_make_key(&folder, random(6)).unwrap();
        assert_eq!(made.public(), Identity::from_seed(&[7; 32]).public());
        assert_eq!(names(&folder), ["key"]);
        let found = fs::metadata(folder.join("key")).unwrap();
        assert_eq!((found.mode() & 0o777, found.nlink(), found.len()), (0o600, 1, 65));
        assert_eq!(fs::read_to_string(folder.join("key")).unwrap(), "07".repeat(32) + "\n");
        assert_eq!(load_or_make_key(&folder, random(60)).unwrap().public(), made.public());
    }

    #[test]
    fn of_several_who_make_one_at_the_same_time_all_get_the_same() {
        let scratch = tempfile::tempdir().unwrap();
        for round in 0..20 {
            let folder = scratch.path().join(round.to_string());
            let keys = std::thread::scope(|scope| {
                let make = |n: u8| {
                    scope.spawn({
                        let folder = &folder;
                        move || load_or_make_key(folder, random(n * 10)).unwrap().public()
                    })
                };
                let made: Vec<_> = (0..8).map(make).collect();
                made.into_iter().map(|made| made.join().unwrap()).collect::<Vec<_>>()
            });
            assert!(keys.windows(2).all(|pair| pair[0] == pair[1]), "{keys:?}");
            assert_eq!(names(&folder), ["key"]);
        }
    }

    #[test]
    fn whatever_has_the_name_is_never_replaced() {
        let scratch = tempfile::tempdir().unwrap();
        let key = scratch.path().join("key");
        fs::write(&key, "something else").unwrap();
        assert_eq!(make(&key, &random(1)).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&key).unwrap(), b"something else");
        assert_eq!(names(scratch.path()), ["key"]);
    }

    #[test]
    fn what_was_left_behind_is_removed_and_what_only_looks_like_it_is_not() {
        let scratch = tempfile::tempdir().unwrap();
        for name in ["key.0123456789abcdef.tmp", "key.backup.tmp", "key.old", "0.tmp"] {
            fs::write(scratch.path().join(name), "left").unwrap();
        }
        load_or_make_key(scratch.path(), random(1)).unwrap();
        let mut names = names(scratch.path());
        names.sort();
        assert_eq!(names, ["0.tmp", "key", "key.backup.tmp", "key.old"]);
    }

    #[test]
    fn only_64_digits_are_a_key() {
        let digits = "ab".repeat(32);
        for good in [digits.clone(), format!("{digits}\n"), format!("{digits}\r\n"), digits.to_uppercase()] {
            assert_eq!(parse_key(good.as_bytes()), Some([0xab; 32]), "{good}");
        }
        let long = digits.clone() + &" ".repeat(100);
        let prefixed = format!("0x{}", &digits[2..]);
        for bad in ["", "\n", &digits[..63], &format!("{digits}0"), &format!(" {digits}"), &prefixed, &long, "\0\0"] {
            assert_eq!(parse_key(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(parse_key(&[0xff; 64]), None);
        assert_eq!(parse_key(render_key(&[9; 32]).as_bytes()), Some([9; 32]));
    }

    #[test]
    fn what_others_may_read_or_write_is_not_used() {
        let scratch = tempfile::tempdir().unwrap();
        load_or_make_key(scratch.path(), random(1)).unwrap();
        let key = scratch.path().join("key");
        for mode in [0o640, 0o604, 0o620, 0o602, 0o644] {
            fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
            let why = load_or_make_key(scratch.path(), random(1)).unwrap_err().to_string();
            assert!(why.ends_with(&format!("chmod 600 '{}'", key.display())), "{why}");
        }
        fs::set_permissions(&key, fs::Permissions::from_mode(0o400)).unwrap();
        assert!(load_or_make_key(scratch.path(), random(1)).is_ok());
    }
}
