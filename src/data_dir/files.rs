//! Files of the data directory as wholes: read up to a limit, replaced at once, set aside if they are of no use.
//!
//! What has the name of a file need not be one: somebody may have put a pipe, a device, a folder or a link there. It is
//! never waited for, followed, or written through.

use rustix::fs::OFlags;
use rustix::io::Errno;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// How many files are in the making in one folder at most, by all processes together; more than files are hashed at
/// once.
const NEW_MAX: usize = 64;

/// What the names of files in the making end with, after a number.
const NEW_SUFFIX: &str = ".tmp";

/// What `parse` makes of a file of at most `max_bytes`; nothing if there is none, or none that can be understood.
pub(super) fn load<T: Default>(path: &Path, max_bytes: u64, parse: fn(&[u8]) -> Option<T>) -> T {
    let found = match read_bounded(path, max_bytes) {
        Ok(bytes) => parse(&bytes).ok_or_else(|| "it is damaged".to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(T::default()),
        Err(error) => Err(error.to_string()),
    };
    found.unwrap_or_else(|reason| {
        set_aside(path, &reason);
        T::default()
    })
}

/// Renames a file that is of no use, so that a new one can take its place and somebody can look at the old one.
fn set_aside(path: &Path, reason: &str) {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".damaged");
    let aside = PathBuf::from(aside);
    match fs::rename(path, &aside) {
        Ok(()) => log::warn!("cannot read {}: {reason}; it is now {}", path.display(), aside.display()),
        Err(error) => log::warn!("cannot read {}: {reason}; cannot rename it either: {error}", path.display()),
    }
}

/// Makes a folder for its owner alone, and those above it, unless it is there.
///
/// # Errors
/// Whatever the system says, or that something else has its name.
pub fn create_folder(path: &Path) -> io::Result<()> {
    match DirBuilder::new().recursive(true).mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(io::ErrorKind::NotADirectory.into()),
        created => created,
    }
}

/// The content of a regular file, if it is no longer than `max_bytes`.
pub(crate) fn read_bounded(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    let file = open_regular(path, OpenOptions::new().read(true))?;
    let mut bytes = Vec::new();
    file.take(max_bytes + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes {
        return Err(io::Error::other("it is too long"));
    }
    Ok(bytes)
}

/// Opens what has this name, if it is a regular file. Nothing else is waited for.
///
/// # Errors
/// Whatever the system says, or that it is no regular file.
pub(super) fn open_regular(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let is_something_else = |error: &io::Error| {
        matches!(Errno::from_io_error(error), Some(Errno::LOOP | Errno::ISDIR | Errno::NXIO | Errno::NODEV))
    };
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOCTTY;
    match options.custom_flags(flags.bits().cast_signed()).open(path) {
        Ok(file) if file.metadata()?.is_file() => Ok(file),
        Err(error) if !is_something_else(&error) => Err(error),
        _ => Err(io::Error::other("it is no regular file")),
    }
}

/// Makes an empty file for something that gets its name when it is whole. Whoever has it open holds it, and the system
/// lets go of it when the process is killed: what one has left behind is taken for the next.
///
/// # Errors
/// Whatever the system says, or `AlreadyExists` if 64 are in the making.
pub(crate) fn create_new(folder: &Path) -> io::Result<(PathBuf, File)> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    for number in 0..NEW_MAX {
        let path = folder.join(format!("{number}{NEW_SUFFIX}"));
        let file = match open_regular(&path, &mut options) {
            // Somebody else's file, a link or a folder: the next number.
            Err(_) if fs::symlink_metadata(&path).is_ok() => continue,
            opened => opened?,
        };
        if is_left_behind(&path, &file)? {
            file.set_len(0)?;
            return Ok((path, file));
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Removes what has the name of a file in the making, if nobody holds it. False if it has another name.
///
/// # Errors
/// Whatever the system says.
pub(crate) fn remove_left_behind(path: &Path) -> io::Result<bool> {
    let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(NEW_SUFFIX));
    if name.is_none_or(|number| number.parse::<usize>().is_err()) {
        return Ok(false);
    }
    match open_regular(path, OpenOptions::new().read(true)) {
        Ok(file) if is_left_behind(path, &file)? => remove(path)?,
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    Ok(true)
}

/// Whether nobody holds the open file, and it still has this name. If so, it is held now.
fn is_left_behind(path: &Path, file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(false),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let found = file.metadata()?;
    let is_same = |named: fs::Metadata| (named.dev(), named.ino()) == (found.dev(), found.ino());
    Ok(fs::symlink_metadata(path).is_ok_and(is_same))
}

/// Removes a file, if there is one.
///
/// # Errors
/// Whatever else the system says.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Replaces the file at `path`: afterwards, and after a kill or a power cut at any moment, it is either what it was or
/// what it should be. The new file is on the disk before it takes the name.
///
/// # Errors
/// Whatever the system says; the file is then what it was.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("json.tmp");
    let written = write_and_sync(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The error that matters is the first one; a leftover is removed next time.
        let _ = fs::remove_file(&temporary);
    }
    written?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// Replaces the file at `path` like [`write_atomically`], but lets the system choose when it goes onto the disk: a kill
/// leaves the old file or the new one, a power cut may leave anything. The new one is open for more behind its end.
///
/// # Errors
/// Whatever the system says; the file is then what it was.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let temporary = path.with_extension("json.tmp");
    remove(&temporary)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(bytes)?;
    fs::rename(&temporary, path)?;
    Ok(file)
}

/// Writes into a file that nobody else has made or opened.
fn write_and_sync(path: &Path, bytes: &[u8]) -> io::Result<()> {
    remove(path)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_the_making_is_held_and_what_was_left_behind_is_taken() {
        let scratch = tempfile::tempdir().unwrap();
        for number in 0..NEW_MAX {
            fs::write(scratch.path().join(format!("{number}.tmp")), "left").unwrap();
        }
        let (first, file) = create_new(scratch.path()).unwrap();
        let (second, _other) = create_new(scratch.path()).unwrap();
        assert_ne!(first, second);
        assert_eq!(fs::read(&first).unwrap(), b"");
        assert!(remove_left_behind(&first).unwrap() && first.exists(), "it is held");
        // With its name it is no longer in the making, whoever holds it.
        let whole = scratch.path().join("whole");
        fs::rename(&first, &whole).unwrap();
        assert_eq!(create_new(scratch.path()).unwrap().0, first);
        drop(file);
        assert!(!remove_left_behind(&whole).unwrap() && whole.exists());
        assert!(remove_left_behind(&first).unwrap() && !first.exists());
    }

    #[test]
    fn what_cannot_be_taken_over_costs_its_number_and_a_folder_that_cannot_be_written_is_an_error() {
        let scratch = tempfile::tempdir().unwrap();
        fs::create_dir(scratch.path().join("0.tmp")).unwrap();
        std::os::unix::fs::symlink("elsewhere", scratch.path().join("1.tmp")).unwrap();
        assert_eq!(create_new(scratch.path()).unwrap().0, scratch.path().join("2.tmp"));
        assert_eq!(create_new(&scratch.path().join("missing")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn the_number_of_files_in_the_making_is_limited() {
        let scratch = tempfile::tempdir().unwrap();
        let held: Vec<_> = (0..NEW_MAX).map(|_| create_new(scratch.path()).unwrap()).collect();
        assert_eq!(create_new(scratch.path()).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        drop(held);
        assert!(create_new(scratch.path()).is_ok());
    }
}
