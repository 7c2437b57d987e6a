//! `share`: files, and those in folders, into the store; what is shared; and what is to be shared no longer.
//!
//! A file is copied, or cloned where the file system can, so that what its owner does to it later spoils nothing. It is
//! read once for both ids and the tree. A running node is told and need not read it; without one, the next serves it.

use super::ask::try_converse;
use super::bar::{self, Bar};
use super::named;
use super::options::Arguments;
use super::probe::now;
use super::run::own_path;
use super::{Failure, hint, say, tell};
use cjp2p_node::content::tree::TREE_BLOCK_BYTES;
use cjp2p_node::content::{
    Builder, ContentId, Ids, NewContent, NewTree, Note, SHARED_FILES_MAX, Stamp, StoreFolder, TreeFolder, WriteError,
    stamp, write_error,
};
use cjp2p_node::data_dir::{DataDirError, Standing, create_folder, is_key, load_hashes, published_file, read_titles};
use cjp2p_node::request::{content_id, counted};
use cjp2p_node::sorted::in_order;
use cjp2p_node::terminal::printable;
use cjp2p_node::titles::Version;
use rustix::fs::{OFlags, ioctl_ficlone};
use serde::Serialize;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Bytes read at once.
const CHUNK_BYTES: usize = 1 << 20;

/// Why a file or folder of the data directory is not shared.
const OURS: &str = "it is in the data directory, of which only the files in public are shared";

/// A shared content, for people and for scripts.
#[derive(Serialize)]
struct Line {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    size: u64,
    sha256: String,
    blake3: String,
    /// The names under which it is published.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    published_as: Vec<String>,
    /// How it came here: `shared` by the user, `fetched`, or `public` for a file of the public folder.
    origin: &'static str,
    command: String,
    #[serde(skip)]
    ids: Ids,
}

/// Does what the options say.
pub(super) fn share(arguments: &Arguments) -> Result<(), Failure> {
    let place = Place::open(arguments)?;
    let done = match (&arguments.remove, arguments.list, arguments.words.is_empty()) {
        (None, true, true) => place.list(arguments),
        (Some(id), false, true) => place.remove(id),
        (None, false, false) => place.add(arguments),
        (None, false, true) => {
            Err(Failure::Mistake("name files or folders to share, or say --list or --remove ID".to_owned()))
        }
        _ => Err(Failure::Mistake("either PATH..., or --list, or --remove ID; one at a time".to_owned())),
    };
    if !arguments.list {
        // Without a running node the next one sees it when it starts.
        let _ = try_converse(arguments, "/look");
    }
    done
}

/// Lists what is shared.
pub(super) fn list(arguments: &Arguments) -> Result<(), Failure> {
    Place::open(arguments)?.list(arguments)
}

/// The folders of a data directory that matter here.
pub(super) struct Place {
    data: PathBuf,
    store: StoreFolder,
    trees: TreeFolder,
}

/// Why a file is not shared.
enum Trouble {
    /// It cannot be read.
    File(io::Error),
    /// It was written to meanwhile.
    Changed,
    /// Whoever has it is this node to everybody.
    Key,
    /// The data directory does not take it.
    Data(io::Error),
}

impl Place {
    pub(super) fn open(arguments: &Arguments) -> Result<Place, Failure> {
        let data = own_path(arguments)?;
        let store = StoreFolder::beside(&data.join("public"));
        Ok(Place { store, trees: TreeFolder::new(data.join("trees")), data })
    }

    /// Shares all files that were named. One that cannot be read does not keep the others from being shared.
    fn add(&self, arguments: &Arguments) -> Result<(), Failure> {
        let mut files = Files { arguments, place: self, found: Vec::new(), has_failed: false };
        let _is_all = arguments.words.iter().all(|word| files.take(Path::new(word)));
        if files.found.is_empty() && !files.has_failed {
            return Err(Failure::Impossible("there is nothing to share in what was named".to_owned()));
        }
        create_folder(&self.data)
            .map_err(|error| Failure::impossible(DataDirError::Unusable(self.data.clone(), error)))?;
        let mut bar = Bar::new(arguments.verbosity);
        for path in std::mem::take(&mut files.found) {
            match self.add_file(&path, &mut bar) {
                Ok(line) => {
                    bar.clear();
                    say(&if arguments.json { line.to_json() } else { line.to_text() })?;
                }
                Err(trouble) => {
                    bar.clear();
                    files.complain(&path, &self.reason(&trouble)?);
                }
            }
        }
        if files.has_failed { Err(Failure::Silent) } else { Ok(()) }
    }

    /// What to say about a file that is not shared.
    ///
    /// # Errors
    /// If no other can be shared either.
    fn reason(&self, trouble: &Trouble) -> Result<String, Failure> {
        let data = shown(&self.data);
        match trouble {
            Trouble::File(error) => Ok(error.to_string()),
            Trouble::Changed => Ok("it was changed while it was read; share it again when it is finished".to_owned()),
            Trouble::Key => Ok("it is the secret key of this node, which is for nobody else".to_owned()),
            // There may be room for a smaller one.
            Trouble::Data(error) if write_error(error) == WriteError::Full => {
                Ok(format!("the disk is full: there is no room in the data directory {data}"))
            }
            Trouble::Data(error) => {
                Err(Failure::Impossible(format!("cannot write to the data directory {data}: {error}")))
            }
        }
    }

    /// Shares one file, for `publish`; says its SHA-256 and its size.
    pub(super) fn add_one(&self, path: &Path, verbosity: i32) -> Result<([u8; 32], u64), Failure> {
        let refused = |why: &str| Failure::Impossible(format!("cannot publish {}: {why}", shown(path)));
        let found = fs::metadata(path).map_err(|error| refused(&error.to_string()))?;
        if !found.is_file() {
            return Err(refused("it is no file"));
        }
        if self.is_ours(path) {
            return Err(refused(OURS));
        }
        create_folder(&self.data)
            .map_err(|error| Failure::impossible(DataDirError::Unusable(self.data.clone(), error)))?;
        let mut bar = Bar::new(verbosity);
        let added = self.add_file(path, &mut bar);
        bar.clear();
        match added {
            Ok(line) => Ok((line.ids.sha256, line.size)),
            Err(trouble) => Err(refused(&self.reason(&trouble)?)),
        }
    }

    /// Whether something lies in the data directory, and not in its public folder.
    fn is_ours(&self, path: &Path) -> bool {
        match (fs::canonicalize(path), fs::canonicalize(&self.data)) {
            (Ok(path), Ok(data)) => path.starts_with(&data) && !path.starts_with(data.join("public")),
            _ => false,
        }
    }

    /// Shares one file.
    fn add_file(&self, path: &Path, bar: &mut Bar) -> Result<Line, Trouble> {
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
        let source = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(Trouble::File)?;
        let before = stamp(&source.metadata().map_err(Trouble::File)?);
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let new = self.store.create().map_err(Trouble::Data)?;
        let tree = (before.size > TREE_BLOCK_BYTES).then(|| self.trees.create()).transpose().map_err(Trouble::Data)?;
        let ids = copy(&source, &new, tree.as_ref(), before, bar)?;
        let is_same = source.metadata().is_ok_and(|found| stamp(&found) == before);
        let ids = ids.filter(|_| is_same).ok_or(Trouble::Changed)?;
        if is_key(&self.data, before.size, &ids.sha256) {
            return Err(Trouble::Key);
        }
        self.keep(new, tree, ids, name.clone()).map_err(Trouble::Data)?;
        Ok(Line::new(name, before.size, ids, "shared"))
    }

    /// Gives a content its place in the store.
    fn keep(&self, new: NewContent, tree: Option<NewTree>, ids: Ids, name: Option<String>) -> io::Result<()> {
        if let Some(tree) = tree {
            tree.keep(&ids.blake3)?;
        }
        let there = fs::symlink_metadata(self.store.path_of(&ids.sha256)).ok().map(|found| stamp(&found));
        match there.filter(|there| self.store.ids_of(&ids.sha256, *there).is_some()) {
            Some(stamp) => self.store.write_note(&Note { name, stamp, ids }),
            None => new.keep(&self.store, ids, name).map(drop),
        }
    }

    /// What is in the store.
    fn stored(&self) -> Result<Vec<([u8; 32], Stamp)>, Failure> {
        let failed =
            |error| Failure::Impossible(format!("cannot read the data directory {}: {error}", shown(&self.data)));
        self.store.list(SHARED_FILES_MAX).map_err(failed)
    }

    /// Prints what is shared.
    fn list(&self, arguments: &Arguments) -> Result<(), Failure> {
        let stored = self.stored()?;
        let mut lines: Vec<Line> = stored
            .into_iter()
            .filter_map(|(sha256, stamp)| {
                let Note { name, ids, .. } = self.store.note(&sha256)?;
                let origin = if name.is_some() { "shared" } else { "fetched" };
                Some(Line::new(name, stamp.size, ids, origin))
            })
            .collect();
        let public = self.data.join("public");
        let remembered = load_hashes(&self.data.join("hashes.json")).into_iter();
        lines.extend(remembered.filter(|file| public.join(&file.name).is_file()).map(|file| {
            let ids = Ids { sha256: file.sha256, blake3: file.blake3 };
            Line::new(Some(file.name), file.stamp.size, ids, "public")
        }));
        self.name(&mut lines);
        let lines = in_order(lines, |one, other| (&one.name, &one.sha256).cmp(&(&other.name, &other.sha256)));
        if lines.is_empty() && !arguments.json {
            hint(arguments, "nothing is shared");
        }
        lines.iter().try_for_each(|line| say(&if arguments.json { line.to_json() } else { line.to_row() }))
    }

    /// Adds under which names these contents are published.
    fn name(&self, lines: &mut [Line]) {
        for Version { title, sha256, .. } in self.published() {
            for line in lines.iter_mut().filter(|line| line.ids.sha256 == sha256) {
                line.published_as.push(title.to_string());
            }
        }
    }

    /// The versions for which names stand. A list that cannot be read is a matter of `publish`.
    fn published(&self) -> impl Iterator<Item = Version> {
        let records = read_titles(&published_file(&self.data)).unwrap_or_default().into_iter();
        records.filter(|record| record.standing == Standing::Published).filter_map(|record| record.version)
    }

    /// Shares a content no longer.
    fn remove(&self, text: &str) -> Result<(), Failure> {
        let id = content_id(text).map_err(Failure::Mistake)?;
        let stored = self.stored()?;
        let names = |sha256: &[u8; 32]| match id {
            ContentId::Sha256(wanted) => *sha256 == wanted,
            ContentId::Blake3(wanted) => self.store.note(sha256).is_some_and(|note| note.ids.blake3 == wanted),
        };
        let Some((sha256, _)) = stored.into_iter().find(|(sha256, _)| names(sha256)) else {
            return Err(Failure::Impossible(format!(
                "{id} is not in the store; a file of the public folder is shared until you take it away"
            )));
        };
        self.store.remove(&sha256).map_err(|error| Failure::Impossible(format!("cannot remove {id}: {error}")))?;
        for Version { title, .. } in self.published().filter(|version| version.sha256 == sha256) {
            tell(&format!(
                "{} still stands for it; 'cjp2p-node publish --remove NAME' ends that",
                named::shown(&title)
            ));
        }
        say(&format!("no longer shared: {id}"))
    }
}

/// Copies a content and takes its hashes; `None` if it is not as long as it was.
fn copy(
    mut source: &File,
    new: &NewContent,
    tree: Option<&NewTree>,
    before: Stamp,
    bar: &mut Bar,
) -> Result<Option<Ids>, Trouble> {
    let mut builder = Builder::new(before.size).ok_or_else(|| Trouble::File(io::ErrorKind::FileTooLarge.into()))?;
    let mut write = |offset: u64, bytes: &[u8]| tree.map_or(Ok(()), |tree| tree.write(offset, bytes));
    // A clone is a copy that nobody can change any more, so that is what is read.
    let is_cloned = ioctl_ficlone(&new.file, source).is_ok();
    let (mut buffer, mut done, start) = (vec![0; CHUNK_BYTES], 0, now());
    loop {
        let read = match is_cloned {
            true => (&new.file).read(&mut buffer).map_err(Trouble::Data)?,
            false => source.read(&mut buffer).map_err(Trouble::File)?,
        };
        if read == 0 {
            return builder.finish(&mut write).map_err(Trouble::Data);
        }
        if !is_cloned {
            (&new.file).write_all(&buffer[..read]).map_err(Trouble::Data)?;
        }
        builder.update(&buffer[..read], &mut write).map_err(Trouble::Data)?;
        done += read as u64;
        if done > before.size {
            return Ok(None);
        }
        let seconds = now().saturating_duration_since(start).as_secs_f64();
        bar.draw(|| bar::parts(done, Some(before.size), (done as f64 / seconds.max(1e-3)) as u64));
    }
}

/// The files that are to be shared.
struct Files<'a> {
    arguments: &'a Arguments,
    place: &'a Place,
    found: Vec<PathBuf>,
    has_failed: bool,
}

impl Files<'_> {
    /// Takes what the user named: a file, a link to one, or a folder. False if nothing more can be taken.
    fn take(&mut self, path: &Path) -> bool {
        match fs::metadata(path) {
            Ok(_) if self.place.is_ours(path) => self.complain(path, OURS),
            Ok(found) if found.is_dir() => return self.take_folder(path),
            Ok(found) if found.is_file() => return self.push(path.to_owned()),
            Ok(_) => self.complain(path, "it is neither a file nor a folder"),
            Err(_) if path.as_os_str().is_empty() => self.complain(Path::new("''"), "the name is empty"),
            Err(error) => self.complain(path, &error.to_string()),
        }
        true
    }

    /// Takes what is in a folder, in the order of the names: folders too, but no links, which may lead anywhere.
    fn take_folder(&mut self, folder: &Path) -> bool {
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            let entries = fs::read_dir(&folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
            let entries = match entries {
                Ok(entries) => entries,
                Err(error) => {
                    self.complain(&folder, &error.to_string());
                    continue;
                }
            };
            for entry in in_order(entries, |one, other| one.file_name().cmp(&other.file_name())) {
                let path = entry.path();
                let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
                match entry.file_type() {
                    _ if is_hidden => self.leave_out(&path, "it is hidden"),
                    Ok(kind) if kind.is_symlink() => self.leave_out(&path, "it is a link"),
                    Ok(kind) if kind.is_dir() && self.place.is_ours(&path) => self.leave_out(&path, OURS),
                    Ok(kind) if kind.is_dir() => folders.push(path),
                    Ok(kind) if kind.is_file() => {
                        if !self.push(path) {
                            return false;
                        }
                    }
                    Ok(_) => self.leave_out(&path, "it is no file"),
                    Err(error) => self.complain(&path, &error.to_string()),
                }
            }
        }
        true
    }

    /// Takes a file, if there is room for it.
    fn push(&mut self, path: PathBuf) -> bool {
        let has_room = self.found.len() < SHARED_FILES_MAX;
        if has_room {
            self.found.push(path);
        } else {
            self.complain(
                &path,
                &format!("{SHARED_FILES_MAX} files are the most that a node shares; the search ends here"),
            );
        }
        has_room
    }

    fn leave_out(&self, path: &Path, why: &str) {
        hint(self.arguments, &format!("left out {}: {why}", shown(path)));
    }

    fn complain(&mut self, path: &Path, why: &str) {
        self.has_failed = true;
        tell(&format!("cannot share {}: {why}", shown(path)));
    }
}

impl Line {
    fn new(name: Option<String>, size: u64, ids: Ids, origin: &'static str) -> Line {
        let (sha256, blake3) = (ContentId::Sha256(ids.sha256).to_string(), ContentId::Blake3(ids.blake3).to_string());
        let output = name.as_deref().map_or(String::new(), |name| format!(" -o {}", quoted(name)));
        let command = format!("cjp2p-node get {blake3}{output}");
        Line { name, size, sha256, blake3, published_as: Vec::new(), origin, command, ids }
    }

    fn to_json(&self) -> String {
        // Strings and numbers always have a JSON form.
        cjp2p_node::terminal::printable_json(&serde_json::to_string(self).unwrap_or_default())
    }

    fn to_text(&self) -> String {
        let Line { size, sha256, blake3, command, .. } = self;
        let size = counted(*size, "byte");
        format!("{} ({size})\n  {sha256}\n  {blake3}\n  {}", self.title(), printable(command, usize::MAX))
    }

    fn to_row(&self) -> String {
        let published = match &self.published_as[..] {
            [] => String::new(),
            titles => format!("  published as {}", printable(&titles.join(", "), usize::MAX)),
        };
        format!("{}  {}  {:>12}  {:7}  {}{published}", self.sha256, self.blake3, self.size, self.origin, self.title())
    }

    fn title(&self) -> String {
        printable(self.name.as_deref().unwrap_or("-"), usize::MAX)
    }
}

/// A name as a shell takes it for one word.
pub(super) fn quoted(name: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+/".contains(&byte);
    let place = if name.starts_with('-') { "./" } else { "" };
    if name.bytes().all(is_plain) {
        format!("{place}{name}")
    } else {
        format!("'{place}{}'", name.replace('\'', r"'\''"))
    }
}

fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy(), usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_any_name_for_one_word() {
        for (name, word) in [
            ("a.txt", "a.txt"),
            ("-rf", "./-rf"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("$(x)", "'$(x)'"),
            ("-a b", "'./-a b'"),
        ] {
            assert_eq!(quoted(name), word);
        }
    }
}
