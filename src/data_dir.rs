//! The data directory: what the node keeps between runs, and how another process finds the one that is running.
//!
//! | file | what it is |
//! | --- | --- |
//! | `key` | the secret from which the node's key derives; for the owner's eyes alone, and never written again |
//! | `public/` | files to share, put there by the user; never written by the node |
//! | `peers.json` | the addresses worth trying at the next start |
//! | `people.json` | what the user calls the keys of others, and which are ignored |
//! | `group.json` | before which time no further line of ours to a group is dated, and which lines of others were shown |
//! | `hashes.json` | the SHA-256 and BLAKE3 of shared files, so that a restart need not read them again |
//! | `published.json` | which names are published, each with its newest version |
//! | `published.lock` | held by whoever writes that file |
//! | `followed.json` | which names of others are kept up to date, and what others know of ours |
//! | `store/` | contents that were fetched, or shared with `cjp2p-node share`, each called by its SHA-256, with a note |
//! | `parts/` | what is there of contents that are being fetched |
//! | `trees/` | the BLAKE3 trees of shared files, each called by its root |
//! | `streams/` | the names that streams of this key have had, each in a file of its own |
//! | `node.json` | process id and UDP address of the running node |
//! | `control.sock` | where its owner's commands go |
//! | `lock` | held while a node runs; the system releases it, however the node ends |
//!
//! Files are replaced as a whole or not at all, so a kill or a full disk leaves the old or the new one; those in the
//! making have numbers for names until they are whole, and are held by whoever makes them. Whether a node
//! runs is what the lock says: `node.json` may have been left by one that was killed, and is removed by the next. This
//! module keeps no state besides the lock and decides nothing about peers.

mod files;
mod group_file;
mod hashes_file;
mod key_file;
mod peers_file;
mod titles_file;
mod used_names;

pub use files::{create_folder, write_atomically};
pub(crate) use files::{create_new, read_bounded, remove_left_behind, replace};
pub use group_file::{parse_group, render_group};
pub use hashes_file::{parse_hashes, render_hashes};
pub use key_file::{KeyError, is_key, key_file, load_or_make_key, parse_key, render_key};
pub use peers_file::{parse_peers, render_peers};
pub use titles_file::{Standing, TitleRecord, parse_titles, render_titles};
pub use used_names::{is_used_name, use_name};

use crate::address_book::AddressBook;
use crate::content::SharedFile;
use crate::json;
use crate::node::GroupMemory;
use files::{load, open_regular};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The name of the folder that a data directory has by default, below the place where the platform keeps data.
const DEFAULT_NAME: &str = "cjp2p-node";

/// The longest `node.json` we read. What we write has at most 100 bytes.
const NODE_FILE_MAX_BYTES: u64 = 1_024;

/// What `node.json` says.
#[derive(Serialize, Deserialize)]
struct NodeFile {
    pid: u32,
    udp: SocketAddr,
}

/// Why a data directory cannot be used. Each reads as one sentence.
#[derive(Debug)]
pub enum DataDirError {
    /// It could not be created, or not be written to.
    Unusable(PathBuf, io::Error),
    /// The folder in it whose files are shared could not be created: something else is there.
    NoPublic(PathBuf, io::Error),
    /// The file with the lock cannot be opened, or is no file.
    NoLock(PathBuf, io::Error),
    /// Another node holds the lock.
    InUse(PathBuf),
}

impl fmt::Display for DataDirError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unusable(path, error) => {
                write!(f, "cannot use the data directory {}: {error} (choose another with --data-dir)", path.display())
            }
            Self::NoPublic(path, error) => {
                write!(f, "cannot use the folder for what is shared, {}: {error}", path.display())
            }
            Self::NoLock(path, error) => write!(
                f,
                "cannot lock the data directory with {}: {error} (choose another with --data-dir)",
                path.display()
            ),
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

/// Where the data directory at `path` says what is published.
pub fn published_file(path: &Path) -> PathBuf {
    path.join("published.json")
}

/// Where the data directory at `path` says what is kept up to date.
pub fn followed_file(path: &Path) -> PathBuf {
    path.join("followed.json")
}

/// What a file about names says; nothing if there is none. It is left as it is, whatever it is: one with the numbers of
/// what was published is not lightly lost.
///
/// # Errors
/// Whatever the system says, or that it is damaged.
pub fn read_titles(path: &Path) -> io::Result<Vec<TitleRecord>> {
    match read_bounded(path, titles_file::TITLES_FILE_MAX_BYTES) {
        Ok(bytes) => parse_titles(&bytes).ok_or_else(|| io::Error::other("it is damaged")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// What is published, as it is written down in the data directory at `path`.
///
/// # Errors
/// One sentence with what to do about it.
pub fn read_published(path: &Path) -> Result<Vec<TitleRecord>, String> {
    let file = published_file(path);
    read_titles(&file).map_err(|error| {
        format!(
            "cannot read what was published, {}: {error} (put a copy in its place, or move it away; then the time of \
             day alone says that the next version is newer)",
            file.display()
        )
    })
}

/// Takes the right to write what is published in the data directory at `path`, for as long as the file lives.
///
/// # Errors
/// Whatever the system says, or `WouldBlock` if another process has it.
pub fn lock_published(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let lock = open_regular(&path.join("published.lock"), &mut options)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// The process that says in the data directory at `path` that it is the running node. It may have been killed since.
pub fn said_pid(path: &Path) -> Option<u32> {
    let text = files::read_bounded(&path.join("node.json"), NODE_FILE_MAX_BYTES).ok()?;
    let file: NodeFile = json::parse(&text)?;
    Some(file.pid)
}

impl DataDir {
    /// Creates what is missing, for the owner's eyes only, takes the lock, and takes away what an earlier node that was
    /// killed said of itself.
    ///
    /// # Errors
    /// [`DataDirError`].
    pub fn open(path: &Path) -> Result<DataDir, DataDirError> {
        let unusable = |error| DataDirError::Unusable(path.to_owned(), error);
        create_folder(path).map_err(unusable)?;
        let path = std::path::absolute(path).map_err(unusable)?;
        let lock_file = path.join("lock");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let lock = match open_regular(&lock_file, &mut options) {
            Ok(lock) => lock,
            Err(error) => return Err(DataDirError::NoLock(lock_file, error)),
        };
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(DataDirError::InUse(path)),
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        let data_dir = DataDir { path, _lock: lock };
        let public = data_dir.public();
        if let Err(error) = create_folder(&public) {
            return Err(DataDirError::NoPublic(public, error));
        }
        data_dir.remove_node_file();
        Ok(data_dir)
    }

    /// The directory itself, as an absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder whose files are shared.
    pub fn public(&self) -> PathBuf {
        self.path.join("public")
    }

    /// The folder of contents that are being fetched. It need not exist.
    pub fn parts(&self) -> PathBuf {
        self.path.join("parts")
    }

    /// The folder with the trees of shared files. It need not exist.
    pub fn trees(&self) -> PathBuf {
        self.path.join("trees")
    }

    /// Where the peers are remembered.
    pub fn peers_file(&self) -> PathBuf {
        self.path.join("peers.json")
    }

    /// Where the names are kept that the user gave to keys.
    pub fn people_file(&self) -> PathBuf {
        self.path.join("people.json")
    }

    /// Where the times of lines to groups are kept.
    pub fn group_file(&self) -> PathBuf {
        self.path.join("group.json")
    }

    /// Where the hashes of shared files are remembered.
    pub fn hashes_file(&self) -> PathBuf {
        self.path.join("hashes.json")
    }

    /// Where it is written down which names are kept up to date.
    pub fn followed_file(&self) -> PathBuf {
        followed_file(&self.path)
    }

    /// What the file about names says. One that cannot be understood is set aside.
    pub fn load_followed(&self) -> Vec<TitleRecord> {
        load(&self.followed_file(), titles_file::TITLES_FILE_MAX_BYTES, parse_titles)
    }

    fn node_file(&self) -> PathBuf {
        self.path.join("node.json")
    }

    /// Tells scripts which process this is and where it can be reached.
    ///
    /// # Errors
    /// Whatever the system says; an older file is then left as it was.
    pub fn write_node_file(&self, udp: SocketAddr) -> io::Result<()> {
        let mut text = serde_json::to_string(&NodeFile { pid: std::process::id(), udp })?;
        text.push('\n');
        write_atomically(&self.node_file(), text.as_bytes())
    }

    /// Takes the file for scripts and the socket for commands away again, at an orderly stop or after another end.
    pub fn remove_node_file(&self) {
        for path in [self.node_file(), control_socket(&self.path)] {
            if let Err(error) = files::remove(&path) {
                log::warn!("cannot remove {}: {error}", path.display());
            }
        }
    }

    /// The peers of an earlier run, best first. A file that cannot be understood is set aside, never lost.
    pub fn load_peers(&self) -> Vec<SocketAddr> {
        load(&self.peers_file(), peers_file::FILE_MAX_BYTES, parse_peers)
    }

    /// The names that the user gave to keys, and who is ignored. A file that cannot be understood is set aside, never
    /// lost.
    pub fn load_people(&self) -> AddressBook {
        load(&self.people_file(), crate::address_book::FILE_MAX_BYTES, AddressBook::parse)
    }

    /// What is remembered of group chat. A file that cannot be understood is set aside.
    pub fn load_group(&self) -> GroupMemory {
        load(&self.group_file(), group_file::FILE_MAX_BYTES, parse_group)
    }
}

/// The files that were hashed in an earlier run, from the file at `path`. One that cannot be understood is set aside.
pub fn load_hashes(path: &Path) -> Vec<SharedFile> {
    load(path, hashes_file::FILE_MAX_BYTES, parse_hashes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
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

    /// Everything that can stand where a file should, each called `name` in a directory of its own.
    fn impostors(name: &str) -> Vec<tempfile::TempDir> {
        use rustix::fs::{CWD, FileType, mknodat};
        let make: [fn(&Path); 4] = [
            |path| mknodat(CWD, path, FileType::Fifo, 0o600.into(), 0).unwrap(),
            |path| mknodat(CWD, path, FileType::Socket, 0o600.into(), 0).unwrap(),
            |path| fs::create_dir(path).unwrap(),
            |path| std::os::unix::fs::symlink("victim", path).unwrap(),
        ];
        let places = make.map(|make| {
            let scratch = tempfile::tempdir().unwrap();
            fs::write(scratch.path().join("victim"), "{}").unwrap();
            make(&scratch.path().join(name));
            scratch
        });
        places.into()
    }

    #[test]
    fn a_lock_that_is_no_regular_file_is_refused_in_one_sentence_without_waiting() {
        for scratch in impostors("lock") {
            let why = DataDir::open(scratch.path()).unwrap_err().to_string();
            assert!(why.contains("/lock: it is no regular file"), "{why}");
        }
    }

    #[test]
    fn whatever_is_in_the_way_of_the_shared_folder_is_named_and_not_the_directory_around_it() {
        // A link that leads nowhere, and a pipe.
        for scratch in [impostors("public").remove(3), impostors("public").remove(0)] {
            fs::remove_file(scratch.path().join("victim")).unwrap();
            let why = DataDir::open(scratch.path()).unwrap_err().to_string();
            assert!(why.contains(&format!("{}/public: ", scratch.path().display())), "{why}");
        }
    }

    #[test]
    fn a_pipe_that_somebody_reads_is_no_lock_either() {
        let scratch = impostors("lock").remove(0);
        let nonblock = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
        let _reader = OpenOptions::new().read(true).custom_flags(nonblock).open(scratch.path().join("lock")).unwrap();
        assert!(DataDir::open(scratch.path()).is_err());
    }

    #[test]
    fn what_stands_in_the_place_of_a_file_is_set_aside_unread() {
        for scratch in impostors("peers.json") {
            let data_dir = DataDir::open(scratch.path()).unwrap();
            assert_eq!(data_dir.load_peers(), []);
            assert!(fs::symlink_metadata(scratch.path().join("peers.json.damaged")).is_ok());
            assert!(fs::symlink_metadata(data_dir.peers_file()).is_err());
        }
    }

    #[test]
    fn a_file_is_written_into_a_new_one_of_its_own_whatever_has_its_name() {
        for name in ["peers.json", "peers.json.tmp"] {
            for scratch in impostors(name) {
                let path = scratch.path().join("peers.json");
                let is_in_the_way = scratch.path().join(name).is_dir();
                assert_eq!(write_atomically(&path, b"new").is_err(), is_in_the_way);
                assert_eq!(fs::read(scratch.path().join("victim")).unwrap(), b"{}");
                if !is_in_the_way {
                    let written = fs::symlink_metadata(&path).unwrap();
                    assert!(written.is_file() && fs::read(&path).unwrap() == b"new");
                }
            }
        }
    }

    #[test]
    fn a_leftover_of_a_write_gives_nobody_the_right_to_read_the_next() {
        let scratch = tempfile::tempdir().unwrap();
        let (path, leftover) = (scratch.path().join("peers.json"), scratch.path().join("peers.json.tmp"));
        fs::write(&leftover, "left").unwrap();
        fs::set_permissions(&leftover, fs::Permissions::from_mode(0o666)).unwrap();
        write_atomically(&path, b"new").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_a_killed_node_said_of_itself_is_gone_when_the_lock_is_ours() {
        let scratch = tempfile::tempdir().unwrap();
        let killed = DataDir::open(scratch.path()).unwrap();
        killed.write_node_file("127.0.0.1:1".parse().unwrap()).unwrap();
        assert!(DataDir::open(scratch.path()).is_err() && killed.node_file().exists());
        drop(killed);
        let next = DataDir::open(scratch.path()).unwrap();
        assert!(!next.node_file().exists());
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
