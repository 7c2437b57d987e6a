//! Which names streams of ours have had: each name is used once.
//!
//! Whoever follows a stream keeps what its owner has signed, and believes nobody who signs something else at the same
//! place, the owner included. After a crash nobody knows how far a stream had come. So its name is written down, to
//! last, before its first byte is signed, or that it has ended without any, and is never used again. It refuses nothing
//! else, and forgets nothing.

use super::create_folder;
use crate::stream::StreamId;
use crate::wire::Hex32;
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Where it is written down that a stream has had its name.
fn place(data: &Path, id: &StreamId) -> PathBuf {
    data.join("streams").join(Hex32(Sha256::digest(id.as_str()).into()).to_string())
}

/// Whether a stream of ours has had this name. `data` is the data directory.
pub fn is_used_name(data: &Path, id: &StreamId) -> bool {
    place(data, id).exists()
}

/// Writes down that a stream of ours has this name; false if it is written down already.
///
/// # Errors
/// Whatever the system says: then nobody knows whether the name could be used.
pub fn use_name(data: &Path, id: &StreamId) -> io::Result<bool> {
    let folder = data.join("streams");
    create_folder(&folder)?;
    // One who makes a file that must not be there makes it alone, however many try.
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(place(data, id));
    let mut file = match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
        made => made?,
    };
    // For people: the file's being there is what counts.
    writeln!(file, "{id}")?;
    file.sync_all()?;
    File::open(&folder)?.sync_all()?;
    File::open(data)?.sync_all()?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;

    #[test]
    fn a_name_is_used_once_by_each_key() {
        let folder = tempfile::tempdir().unwrap();
        let id = |seed, name| StreamId::new(Identity::from_seed(&[seed; 32]).public(), name).unwrap();
        assert!(!is_used_name(folder.path(), &id(1, "a")));
        assert!(use_name(folder.path(), &id(1, "a")).unwrap());
        assert!(is_used_name(folder.path(), &id(1, "a")) && !is_used_name(folder.path(), &id(2, "a")));
        assert!(!use_name(folder.path(), &id(1, "a")).unwrap());
        assert!(use_name(folder.path(), &id(1, "../../a/")).unwrap());
        assert!(use_name(folder.path(), &id(2, "a")).unwrap());
        assert_eq!(std::fs::read_dir(folder.path().join("streams")).unwrap().count(), 3);
        std::fs::write(folder.path().join("file"), b"").unwrap();
        assert!(use_name(&folder.path().join("file"), &id(1, "b")).is_err());
    }
}
