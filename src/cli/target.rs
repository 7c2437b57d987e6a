//! The file that a fetched content becomes: nothing has its name until all of it is there.

use super::{Failure, KEPT};
use cjp2p_node::content::stamp;
use cjp2p_node::request::KeptFile;
use cjp2p_node::terminal::printable;
use rustix::fs::{
    AtFlags, CWD, OFlags, RenameFlags, XattrFlags, fgetxattr, fremovexattr, fsetxattr, ioctl_ficlone, linkat,
    renameat_with,
};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

/// Where open files have names of their own, which a file without a name needs to get one.
const OPEN_FILES: &str = "/proc/self/fd";

/// What the system calls the list of those who may use a file besides its owner and its group.
const ACCESS_LIST: &str = "system.posix_acl_access";

/// The longest of these: no attribute of a file is longer (`XATTR_SIZE_MAX` in `linux/limits.h`).
const ACCESS_LIST_MAX_BYTES: usize = 65_536;

/// A file in the making. Where the system can do that it has no name at all before it is whole, so that not even a kill
/// leaves something behind; otherwise it has another one, and is gone in the end unless it is kept.
#[derive(Debug)]
pub(super) struct Target {
    path: PathBuf,
    /// The other name.
    temporary: PathBuf,
    is_nameless: bool,
    file: File,
    may_replace: bool,
}

impl Target {
    /// Makes sure that a file can be made at `path`, before anything is fetched for it.
    pub(super) fn prepare(path: &Path, may_replace: bool) -> Result<Target, Failure> {
        let sentence = |what: &str| Failure::Impossible(format!("{} {what}", shown(path)));
        // A link counts for what it leads to: somebody who names /dev/null or /dev/stdout does not want a file there.
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => return Err(sentence("is a folder; name a file in it with -o")),
            Ok(found) if !found.is_file() => return Err(sentence("is no regular file; name another with -o")),
            _ => {}
        }
        if !may_replace && fs::symlink_metadata(path).is_ok() {
            return Err(exists(path));
        }
        if path.file_name().is_none() {
            return Err(sentence("is no name for a file; name one with -o"));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let temporary = folder.join(format!(".cjp2p-node-{}.tmp", std::process::id()));
        let nameless = Path::new(OPEN_FILES).is_dir().then(|| {
            let flags = OFlags::TMPFILE.bits().cast_signed();
            OpenOptions::new().write(true).custom_flags(flags).open(folder)
        });
        let (file, is_nameless) = match nameless {
            Some(Ok(file)) => (Ok(file), true),
            _ => {
                // Left by a process that was killed, and had the same number.
                let _ = fs::remove_file(&temporary);
                (OpenOptions::new().write(true).create_new(true).open(&temporary), false)
            }
        };
        let file = file.map_err(|error| unwritable(path, &error))?;
        Ok(Target { path: path.to_owned(), temporary, is_nameless, file, may_replace })
    }

    /// Fills the file with a content and gives it its name.
    pub(super) fn fill(self, kept: &KeptFile) -> Result<(), Failure> {
        let source = open_unchanged(kept)?;
        self.copy(&source, kept.size).map_err(|error| unwritable(&self.path, &error))?;
        check_unchanged(&source, kept)?;
        match self.give_name() {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(exists(&self.path)),
            given => given.map_err(|error| unwritable(&self.path, &error)),
        }
    }

    /// Makes the file of a content that nobody else needs, which is moved if that can be done in one step.
    pub(super) fn take(self, kept: &KeptFile) -> Result<(), Failure> {
        let source = open_unchanged(kept)?;
        let flags = if self.may_replace { RenameFlags::empty() } else { RenameFlags::NOREPLACE };
        let own = source.metadata().map_err(Failure::impossible)?.permissions();
        let moved = self.dress(&source).and_then(|()| Ok(renameat_with(CWD, &kept.path, CWD, &self.path, flags)?));
        let Err(error) = moved else { return Ok(()) };
        // It stays where nobody else may read it.
        source.set_permissions(own).map_err(Failure::impossible)?;
        match error.kind() {
            io::ErrorKind::AlreadyExists => Err(exists(&self.path)),
            // Another file system, most likely.
            _ => {
                let now = source.metadata().map(|metadata| stamp(&metadata)).map_err(Failure::impossible)?;
                self.fill(&KeptFile { changed_ns: now.changed_ns, ..kept.clone() })
            }
        }
    }

    /// Makes a file that is to be moved here like a new one: its owner, its group, and who may read it.
    fn dress(&self, source: &File) -> io::Result<()> {
        let (new, old) = (self.file.metadata()?, source.metadata()?);
        if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
            fchown(source, Some(new.uid()), Some(new.gid()))?;
        }
        let mut list = vec![0; ACCESS_LIST_MAX_BYTES];
        match fgetxattr(&self.file, ACCESS_LIST, &mut list) {
            Ok(length) => fsetxattr(source, ACCESS_LIST, &list[..length], XattrFlags::empty())?,
            // It has none, and a file of the data directory need not have one either.
            Err(_) => drop(fremovexattr(source, ACCESS_LIST)),
        }
        source.set_permissions(new.permissions())
    }

    /// Gives the file its name, in one step.
    fn give_name(&self) -> io::Result<()> {
        let link = |to: &Path| {
            let open = Path::new(OPEN_FILES).join(self.file.as_raw_fd().to_string());
            linkat(CWD, open, CWD, to, AtFlags::SYMLINK_FOLLOW).map_err(io::Error::from)
        };
        match (self.is_nameless, self.may_replace) {
            (true, false) => link(&self.path),
            (true, true) => {
                let _ = fs::remove_file(&self.temporary);
                link(&self.temporary)?;
                fs::rename(&self.temporary, &self.path)
            }
            (false, true) => fs::rename(&self.temporary, &self.path),
            // A second name, unlike a new one, is refused if there is such a file already.
            (false, false) => fs::hard_link(&self.temporary, &self.path),
        }
    }

    /// Shares the blocks of the source where the file system can, and copies them where not.
    fn copy(&self, mut source: &File, size: u64) -> io::Result<()> {
        if ioctl_ficlone(&self.file, source).is_err() {
            let copied = io::copy(&mut source, &mut &self.file)?;
            if copied != size {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        self.file.sync_all()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // It has its name by now, or is of no use.
        let _ = fs::remove_file(&self.temporary);
    }
}

/// Opens a content, if it is in the state in which it was checked.
pub(super) fn open_unchanged(kept: &KeptFile) -> Result<File, Failure> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let opened = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(&kept.path);
    let file = opened.map_err(|error| Failure::Impossible(format!("cannot read {}: {error}", shown(&kept.path))))?;
    check_unchanged(&file, kept)?;
    Ok(file)
}

/// Whether a content is still there, in the state in which it was checked.
pub(super) fn is_unchanged(kept: &KeptFile) -> bool {
    open_unchanged(kept).is_ok()
}

/// Makes sure that what was read is what was checked.
pub(super) fn check_unchanged(file: &File, kept: &KeptFile) -> Result<(), Failure> {
    let found = file.metadata().map(|metadata| stamp(&metadata)).map_err(Failure::impossible)?;
    let is_same = found.size == kept.size
        && found.modified_ns == kept.modified_ns
        && found.changed_ns == kept.changed_ns
        && found.inode == kept.inode;
    let changed = || Failure::Impossible(format!("{} has been changed meanwhile; try again", shown(&kept.path)));
    is_same.then_some(()).ok_or_else(changed)
}

fn exists(path: &Path) -> Failure {
    Failure::Impossible(format!("{} exists already; --force replaces it", shown(path)))
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::Impossible(match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            let path = shown(path);
            format!("the disk is full: there is no room for {path}; {KEPT}")
        }
        _ => format!("cannot write {}: {error}", shown(path)),
    })
}

fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy(), usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn kept(path: &Path) -> KeptFile {
        let found = stamp(&fs::metadata(path).unwrap());
        let (size, modified_ns) = (found.size, found.modified_ns);
        let (changed_ns, inode) = (found.changed_ns, found.inode);
        let (is_loose, sha256, blake3) = Default::default();
        KeptFile { path: path.to_owned(), is_loose, sha256, blake3, size, modified_ns, changed_ns, inode }
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_unstable();
        names
    }

    /// The same, as where a file has to have a name.
    fn with_name(target: Target) -> Target {
        let file = OpenOptions::new().write(true).create_new(true).open(&target.temporary).unwrap();
        let (path, temporary, may_replace) = (target.path.clone(), target.temporary.clone(), target.may_replace);
        // It would take away what is to take its place.
        std::mem::forget(target);
        Target { path, temporary, is_nameless: false, file, may_replace }
    }

    #[test]
    fn where_a_file_has_to_have_a_name_it_is_another_one_until_the_end() {
        let scratch = tempfile::tempdir().unwrap();
        let (source, path) = (scratch.path().join("source"), scratch.path().join("out"));
        fs::write(&source, "new").unwrap();
        let content = kept(&source);
        with_name(Target::prepare(&path, false).unwrap()).fill(&content).unwrap();
        assert_eq!((fs::read_to_string(&path).unwrap(), names(scratch.path()).len()), ("new".to_owned(), 2));
        fs::write(&path, "old").unwrap();
        assert!(with_name(Target::prepare(&path, true).unwrap()).fill(&content).is_ok());
        assert_eq!((fs::read_to_string(&path).unwrap(), names(scratch.path()).len()), ("new".to_owned(), 2));
        fs::remove_file(&path).unwrap();
        let target = with_name(Target::prepare(&path, false).unwrap());
        fs::write(&path, "old").unwrap();
        assert!(matches!(target.fill(&content), Err(Failure::Impossible(why)) if why.contains("--force")));
        assert_eq!((fs::read_to_string(&path).unwrap(), names(scratch.path()).len()), ("old".to_owned(), 2));
    }

    #[test]
    fn the_name_appears_with_the_whole_content_or_not_at_all() {
        let scratch = tempfile::tempdir().unwrap();
        let (source, path) = (scratch.path().join("source"), scratch.path().join("out"));
        fs::write(&source, vec![7; 100_000]).unwrap();
        let content = kept(&source);
        let target = Target::prepare(&path, false).unwrap();
        assert!(!path.exists());
        drop(target);
        assert_eq!(names(scratch.path()), ["source"]);
        Target::prepare(&path, false).unwrap().fill(&content).unwrap();
        assert!(fs::read(&path).unwrap() == vec![7; 100_000]);
        assert_eq!(names(scratch.path()), ["out", "source"]);
    }

    #[test]
    fn what_is_there_is_replaced_only_if_the_user_says_so_even_if_it_came_meanwhile() {
        let scratch = tempfile::tempdir().unwrap();
        let (source, path) = (scratch.path().join("source"), scratch.path().join("out"));
        fs::write(&source, "new").unwrap();
        let content = kept(&source);
        let target = Target::prepare(&path, false).unwrap();
        fs::write(&path, "old").unwrap();
        assert!(matches!(target.fill(&content), Err(Failure::Impossible(why)) if why.contains("--force")));
        assert!(matches!(Target::prepare(&path, false), Err(Failure::Impossible(why)) if why.contains("--force")));
        assert_eq!((fs::read_to_string(&path).unwrap(), names(scratch.path()).len()), ("old".to_owned(), 2));
        Target::prepare(&path, true).unwrap().fill(&content).unwrap();
        assert_eq!((fs::read_to_string(&path).unwrap(), names(scratch.path()).len()), ("new".to_owned(), 2));
    }

    #[test]
    fn what_nobody_else_needs_is_moved_unless_it_would_replace_something_or_cannot_be() {
        let scratch = tempfile::tempdir().unwrap();
        let (source, path) = (scratch.path().join("source"), scratch.path().join("out"));
        fs::write(&source, "new").unwrap();
        let inode = stamp(&fs::metadata(&source).unwrap()).inode;
        let target = Target::prepare(&path, false).unwrap();
        fs::write(&path, "old").unwrap();
        assert!(matches!(target.take(&kept(&source)), Err(Failure::Impossible(why)) if why.contains("--force")));
        assert_eq!((fs::read_to_string(&path).unwrap(), names(scratch.path()).len()), ("old".to_owned(), 2));
        assert!(Target::prepare(&path, true).unwrap().take(&kept(&source)).is_ok());
        assert_eq!(
            (fs::read_to_string(&path).unwrap(), names(scratch.path())),
            ("new".to_owned(), vec!["out".to_owned()])
        );
        assert_eq!(stamp(&fs::metadata(&path).unwrap()).inode, inode);
        // Memory is another file system than the disk, where there is one.
        let Ok(elsewhere) = tempfile::tempdir_in("/dev/shm") else { return };
        let other = elsewhere.path().join("other");
        assert!(Target::prepare(&other, false).unwrap().take(&kept(&path)).is_ok());
        assert_eq!((fs::read_to_string(&other).unwrap(), names(elsewhere.path()).len()), ("new".to_owned(), 1));
    }

    #[test]
    fn what_is_moved_is_like_a_file_that_was_made_there() {
        let scratch = tempfile::tempdir().unwrap();
        let (source, folder) = (scratch.path().join("source"), scratch.path().join("folder"));
        fs::create_dir(&folder).unwrap();
        // Its files belong to the folder's group, if there is another than ours that we may give them.
        let _ = std::os::unix::fs::chown(&folder, None, Some(12_345));
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o2770)).unwrap();
        // And may be read by user 12345, if the file system has such lists: version 2, then a tag, what is allowed,
        // who.
        let entries: [(u16, u16, u32); 5] =
            [(1, 7, u32::MAX), (2, 5, 12_345), (4, 5, u32::MAX), (16, 7, u32::MAX), (32, 0, u32::MAX)];
        let list = entries.iter().flat_map(|(tag, allowed, who)| {
            [&tag.to_le_bytes()[..], &allowed.to_le_bytes(), &who.to_le_bytes()].concat()
        });
        let list: Vec<u8> = 2_u32.to_le_bytes().into_iter().chain(list).collect();
        let has_list = rustix::fs::setxattr(&folder, "system.posix_acl_default", &list, XattrFlags::empty()).is_ok();
        let like = |path: &Path| {
            let found = fs::metadata(path).unwrap();
            let mut list = [0; 1_024];
            let length = rustix::fs::getxattr(path, ACCESS_LIST, &mut list).unwrap_or(0);
            (found.mode(), found.uid(), found.gid(), list[..length].to_vec())
        };
        fs::write(folder.join("any"), "").unwrap();
        let any = like(&folder.join("any"));
        assert_eq!(!any.3.is_empty(), has_list);
        for round in 0..2 {
            fs::write(&source, "new").unwrap();
            fs::set_permissions(&source, fs::Permissions::from_mode(0o600)).unwrap();
            let inode = fs::metadata(&source).unwrap().ino();
            let out = folder.join(round.to_string());
            Target::prepare(&out, false).unwrap().take(&kept(&source)).unwrap();
            assert_eq!((like(&out), fs::metadata(&out).unwrap().ino()), (any.clone(), inode));
        }
    }

    #[test]
    fn what_cannot_be_moved_is_for_its_owner_alone_as_before() {
        let scratch = tempfile::tempdir().unwrap();
        let (source, path) = (scratch.path().join("source"), scratch.path().join("out"));
        fs::write(&source, "new").unwrap();
        fs::set_permissions(&source, fs::Permissions::from_mode(0o600)).unwrap();
        let target = Target::prepare(&path, false).unwrap();
        fs::write(&path, "old").unwrap();
        target.take(&kept(&source)).unwrap_err();
        assert_eq!(fs::metadata(&source).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_source_in_another_state_is_not_copied() {
        let scratch = tempfile::tempdir().unwrap();
        let (source, path) = (scratch.path().join("source"), scratch.path().join("out"));
        fs::write(&source, "old").unwrap();
        let content = KeptFile { changed_ns: 0, ..kept(&source) };
        assert!(Target::prepare(&path, false).unwrap().fill(&content).is_err());
        assert_eq!(names(scratch.path()), ["source"]);
    }

    #[test]
    fn what_is_no_file_is_never_replaced() {
        let scratch = tempfile::tempdir().unwrap();
        let [device, folder, pipe] = ["device", "folder", "pipe"].map(|name| scratch.path().join(name));
        symlink("/dev/null", &device).unwrap();
        symlink(scratch.path(), &folder).unwrap();
        rustix::fs::mknodat(CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        for (path, part) in [(device, "is no regular file"), (folder, "is a folder"), (pipe, "is no regular file")] {
            for may_replace in [false, true] {
                let refused = Target::prepare(&path, may_replace).unwrap_err();
                assert!(matches!(&refused, Failure::Impossible(why) if why.contains(part)), "{refused:?}");
            }
        }
        // A link to nothing, or to a file, is replaced itself.
        let (link, source) = (scratch.path().join("link"), scratch.path().join("source"));
        fs::write(&source, "new").unwrap();
        for place in ["nowhere", "source"] {
            symlink(place, &link).unwrap();
            Target::prepare(&link, true).unwrap().fill(&kept(&source)).unwrap();
            assert!(fs::symlink_metadata(&link).unwrap().is_file());
            fs::remove_file(&link).unwrap();
        }
    }

    #[test]
    fn a_place_where_nothing_can_be_made_is_named_at_once() {
        let scratch = tempfile::tempdir().unwrap();
        for (place, part) in [("", "is a folder"), ("missing/out", "cannot write")] {
            let path = scratch.path().join(place);
            assert!(
                matches!(Target::prepare(&path, false), Err(Failure::Impossible(why)) if why.contains(part)),
                "{place}"
            );
        }
    }
}
