//! The data directory: what the node keeps between runs, and how another process finds the one that is running.
//!
//! | file | what it is |
//! | --- | --- |
//! | `public/` | files to share, put there by the user; never written by the node |
//! | `peers.json` | the addresses worth trying at the next start |
//! | `hashes.json` | the SHA-256 of shared files, so that a restart need not read them again |
//! | `node.json` | process id and UDP address of the running node |
//! | `control.sock` | where its owner's commands go |
//! | `lock` | held while a node runs; the system releases it, however the node ends |
//!
//! Files are replaced as a whole or not at all, so a kill or a full disk leaves the old or the new one. This module
//! keeps no state besides the lock and decides nothing about peers.

mod hashes_file;
mod peers_file;

pub use hashes_file::{parse_hashes, render_hashes};
pub use peers_file::{PEERS_MAX, parse_peers, render_peers};

use crate::content::SharedFile;
use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The name of the folder that a data directory has by default, below the place where the platform keeps data.
const DEFAULT_NAME: &str = "cjp2p-node";

/// Why a data directory cannot be used. Each reads as one sentence.
#[derive(Debug)]
pub enum DataDirError {
    /// It could not be created, or not be written to.
    Unusable(PathBuf, io::Error),
    /// Another node holds the lock.
    InUse(PathBuf),
}

impl fmt::Display for DataDirError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unusable(path, error) => {
                write!(f, "cannot use the data directory {}: {error} (choose another with --data-dir)", path.display())
            }
            Self::InUse(path) => write!(
                f,
                "the data directory {} is already used by another running node (choose another with --data-dir)",
                path.display()
            ),
        }
    }
}

impl std::error::Error for DataDirError {}

/// A data directory that no other node uses.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Held for as long as this lives; closing the file releases it.
    _lock: File,
}

/// Where the platform's convention puts the data directory; `None` if there is no home.
pub fn default_path() -> Option<PathBuf> {
    dirs::data_dir().map(|path| path.join(DEFAULT_NAME))
}

/// Where the socket for commands lies in the data directory at `path`.
pub fn control_socket(path: &Path) -> PathBuf {
    path.join("control.sock")
}

impl DataDir {
    /// Creates what is missing, for the owner's eyes only, and takes the lock.
    ///
    /// # Errors
    /// [`DataDirError`].
    pub fn open(path: &Path) -> Result<DataDir, DataDirError> {
        let unusable = |error| DataDirError::Unusable(path.to_owned(), error);
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)?;
        let path = std::path::absolute(path).map_err(unusable)?;
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join("lock"))
            .map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(DataDirError::InUse(path)),
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        DirBuilder::new().recursive(true).mode(0o700).create(path.join("public")).map_err(unusable)?;
        Ok(DataDir { path, _lock: lock })
    }

    /// The directory itself, as an absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder whose files are shared.
    pub fn public(&self) -> PathBuf {
        self.path.join("public")
    }

    /// Where the peers are remembered.
    pub fn peers_file(&self) -> PathBuf {
        self.path.join("peers.json")
    }

    /// Where the hashes of shared files are remembered.
    pub fn hashes_file(&self) -> PathBuf {
        self.path.join("hashes.json")
    }

    fn node_file(&self) -> PathBuf {
        self.path.join("node.json")
    }

    /// Tells scripts which process this is and where it can be reached.
    ///
    /// # Errors
    /// Whatever the system says; an older file is then left as it was.
    pub fn write_node_file(&self, udp: SocketAddr) -> io::Result<()> {
        let text = format!("{{\"pid\":{},\"udp\":\"{udp}\"}}\n", std::process::id());
        write_atomically(&self.node_file(), text.as_bytes())
    }

    /// Takes the file for scripts and the socket for commands away again, at an orderly stop.
    pub fn remove_node_file(&self) {
        for path in [self.node_file(), control_socket(&self.path)] {
            if let Err(error) = fs::remove_file(&path)
                && error.kind() != io::ErrorKind::NotFound
            {
                log::warn!("cannot remove {}: {error}", path.display());
            }
        }
    }

    /// The peers of an earlier run, best first. A file that cannot be understood is set aside, never lost.
    pub fn load_peers(&self) -> Vec<SocketAddr> {
        load(&self.peers_file(), peers_file::FILE_MAX_BYTES, parse_peers)
    }
}

/// The files that were hashed in an earlier run, from the file at `path`. One that cannot be understood is set aside.
pub fn load_hashes(path: &Path) -> Vec<SharedFile> {
    load(path, hashes_file::FILE_MAX_BYTES, parse_hashes)
}

/// What `parse` makes of a file of at most `max_bytes`; nothing if there is none, or none that can be understood.
fn load<T>(path: &Path, max_bytes: u64, parse: fn(&[u8]) -> Option<Vec<T>>) -> Vec<T> {
    let found = match read_bounded(path, max_bytes) {
        Ok(bytes) => parse(&bytes).ok_or_else(|| "it is damaged".to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error.to_string()),
    };
    found.unwrap_or_else(|reason| {
        set_aside(path, &reason);
        Vec::new()
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

/// The content of a regular file, if it is no longer than `max_bytes`.
fn read_bounded(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(nonblock).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    file.take(max_bytes + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes {
        return Err(io::Error::other("it is too long"));
    }
    Ok(bytes)
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
        // The error that matters is the first one; a leftover is overwritten next time.
        let _ = fs::remove_file(&temporary);
    }
    written?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

fn write_and_sync(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_new_directory_is_its_owners_alone() {
        let scratch = tempfile::tempdir().unwrap();
        let data_dir = DataDir::open(&scratch.path().join("a/b")).unwrap();
        for path in [data_dir.path().to_owned(), data_dir.public()] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o700);
        }
    }

    #[test]
    fn a_second_node_is_refused_until_the_first_is_gone() {
        let scratch = tempfile::tempdir().unwrap();
        let first = DataDir::open(scratch.path()).unwrap();
        assert!(matches!(DataDir::open(scratch.path()), Err(DataDirError::InUse(_))));
        drop(first);
        assert!(DataDir::open(scratch.path()).is_ok());
    }

    #[test]
    fn a_damaged_peers_file_is_set_aside_and_kept() {
        let scratch = tempfile::tempdir().unwrap();
        let data_dir = DataDir::open(scratch.path()).unwrap();
        for damage in [&b"{\"peers\":[\"1.2.3"[..], b"", b"\0\0\0", &[b' '; 1 << 20]] {
            fs::write(data_dir.peers_file(), damage).unwrap();
            assert_eq!(data_dir.load_peers(), []);
            assert!(!data_dir.peers_file().exists());
            assert_eq!(fs::read(scratch.path().join("peers.json.damaged")).unwrap(), damage);
        }
    }

    #[test]
    fn a_damaged_hashes_file_is_set_aside_and_kept() {
        let scratch = tempfile::tempdir().unwrap();
        let path = DataDir::open(scratch.path()).unwrap().hashes_file();
        assert_eq!(load_hashes(&path), []);
        for damage in [&b"{\"files\":["[..], b"", b"\0\0\0", &vec![b' '; hashes_file::FILE_MAX_BYTES as usize + 1]] {
            fs::write(&path, damage).unwrap();
            assert_eq!(load_hashes(&path), []);
            assert!(!path.exists());
            assert!(fs::read(scratch.path().join("hashes.json.damaged")).unwrap() == damage);
        }
    }

    #[test]
    fn peers_survive_writing_and_reading() {
        let scratch = tempfile::tempdir().unwrap();
        let data_dir = DataDir::open(scratch.path()).unwrap();
        assert_eq!(data_dir.load_peers(), []);
        let peers: Vec<SocketAddr> =
            ["192.0.2.1:24254", "[2001:db8::1]:24254"].map(|peer| peer.parse().unwrap()).into();
        write_atomically(&data_dir.peers_file(), render_peers(&peers).as_bytes()).unwrap();
        assert_eq!(data_dir.load_peers(), peers);
    }

    #[test]
    fn a_write_that_fails_leaves_the_old_file() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("peers.json");
        fs::write(&path, "old").unwrap();
        fs::create_dir(scratch.path().join("peers.json.tmp")).unwrap();
        assert!(write_atomically(&path, b"new").is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }
}
