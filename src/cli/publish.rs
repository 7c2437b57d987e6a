//! `publish`: a file under a name of ours, which others can follow; and a name that is published no longer.
//!
//! The number of a version must never be given to another one, so it is on the disk before anybody hears of it, with
//! the signature. One process at a time does this, whether a node runs or not; the node reads what was written.

use super::ask::{show, try_converse};
use super::named::shown;
use super::options::Arguments;
use super::probe::now;
use super::run::{data_path, own_key, own_path};
use super::share::{Place, quoted};
use super::{Failure, say};
use cjp2p_node::content::ContentId;
use cjp2p_node::data_dir::{
    Standing, TitleRecord, create_folder, followed_file, lock_published, published_file, read_published, read_titles,
    render_titles, write_atomically,
};
use cjp2p_node::event_loop::unix_seconds;
use cjp2p_node::identity::{Identity, PublicKey};
use cjp2p_node::request::{Answer, TitleLine};
use cjp2p_node::sorted::in_order;
use cjp2p_node::terminal::{printable, printable_json};
use cjp2p_node::titles::table::PUBLISHED_MAX;
use cjp2p_node::titles::{NAME_MAX_BYTES, Title, Version, is_tidy_name, next_seq};
use serde::Serialize;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// How long another `publish` may take: it writes a small file.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);

/// The pause between two tries.
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// What was published, for scripts.
#[derive(Serialize)]
struct Line {
    key: String,
    name: String,
    seq: u64,
    sha256: String,
    /// Whether it was published before, just like that.
    is_unchanged: bool,
}

/// Does what the options say.
pub(super) fn publish(arguments: &Arguments) -> Result<(), Failure> {
    let path = own_path(arguments)?;
    let done = match (&arguments.remove, arguments.words.first()) {
        (Some(name), None) if arguments.name.is_none() => withdraw(arguments, &path, name),
        (None, Some(file)) => publish_file(arguments, &path, Path::new(file)),
        _ => {
            Err(Failure::Mistake("either FILE, with --as NAME or without, or --remove NAME; one at a time".to_owned()))
        }
    };
    // Without a running node the next one reads it when it starts.
    let _ = try_converse(arguments, "/look");
    done
}

/// Shares a file and gives it a name.
fn publish_file(arguments: &Arguments, path: &Path, file: &Path) -> Result<(), Failure> {
    let name = match &arguments.name {
        Some(name) => name.clone(),
        None => file.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned(),
    };
    if file.is_dir() {
        let file = printable(&file.to_string_lossy(), usize::MAX);
        return Err(Failure::Impossible(format!(
            "cannot publish {file}: it is a folder, and a name stands for one file"
        )));
    }
    if !is_tidy_name(&name) {
        let name = printable(&name, NAME_MAX_BYTES);
        return Err(Failure::Mistake(format!(
            "'{name}' is no name to publish under: 1 to {NAME_MAX_BYTES} bytes of text, with slashes between parts that \
             could be files; choose one with --as"
        )));
    }
    let (sha256, _) = Place::open(arguments)?.add_one(file, arguments.verbosity)?;
    let identity = own_key(arguments, path)?;
    let mut published = Published::open(path)?;
    let (version, is_unchanged) = published.next(&identity, &name, sha256, unix_seconds())?;
    published.write(&version, Standing::Published)?;
    let title = shown(&version.title);
    let (seq, sha256) = (version.seq, ContentId::Sha256(sha256).to_string());
    if arguments.json {
        let line = Line { key: version.title.key.to_string(), name, seq, sha256, is_unchanged };
        return say(&printable_json(&serde_json::to_string(&line).map_err(Failure::impossible)?));
    }
    let unchanged = if is_unchanged { ", as before" } else { "" };
    say(&format!(
        "{title}\n  version {seq}{unchanged}\n  {sha256}\n  cjp2p-node get '{}'",
        title.replace('\'', r"'\''")
    ))
}

/// Publishes a name no longer.
fn withdraw(arguments: &Arguments, path: &Path, name: &str) -> Result<(), Failure> {
    let nothing = || Failure::Impossible(format!("'{}' is not published", printable(name, NAME_MAX_BYTES)));
    // Looking changes nothing, where nothing was published.
    if read_titles(&published_file(path)).is_ok_and(|records| records.is_empty()) {
        return Err(nothing());
    }
    let key = own_key(arguments, path)?.public();
    let mut published = Published::open(path)?;
    // What begins with our own key is the KEY/NAME that is printed everywhere.
    let own = name.split_once('/').filter(|(whose, _)| PublicKey::parse(whose) == Ok(key));
    let title = Title { key, name: own.map_or(name, |(_, name)| name).to_owned() };
    let is_published = |record: &&TitleRecord| record.title == title && record.standing == Standing::Published;
    let version = published.records.iter().find(is_published).and_then(|record| record.version.clone());
    let version = version.ok_or_else(nothing)?;
    published.write(&version, Standing::Withdrawn)?;
    let id = ContentId::Sha256(version.sha256);
    let place = arguments.data_dir.as_ref().map(|place| format!(" --data-dir {}", quoted(&place.to_string_lossy())));
    say(&format!(
        "no longer published: {}\n  others may go on passing it on, and its content is still shared; to end that:\n  \
         cjp2p-node share --remove {id}{}",
        shown(&title),
        place.unwrap_or_default()
    ))
}

/// Lists the names that this data directory has to do with: as the running node knows them, or as they are written
/// down.
pub(super) fn list(arguments: &Arguments) -> Result<(), Failure> {
    // A node that could not read it goes on without, and would say that nothing is published.
    read_published(&data_path(arguments)?).map_err(Failure::Impossible)?;
    match try_converse(arguments, "/published")? {
        Some(reply) if reply.is_refused() => Err(Failure::impossible(reply.text())),
        Some(reply) => show(arguments, reply.text(), reply.json()),
        None => {
            let answer = Answer::Titles(written_down(arguments)?);
            show(arguments, &answer.to_string(), &answer.to_json())
        }
    }
}

/// The same as a node says when it starts.
fn written_down(arguments: &Arguments) -> Result<Vec<TitleLine>, Failure> {
    let path = own_path(arguments)?;
    let published = read_published(&path).map_err(Failure::Impossible)?;
    // The node sets it aside if it is damaged.
    let others = read_titles(&followed_file(&path)).unwrap_or_default();
    if published.is_empty() && others.is_empty() {
        return Ok(Vec::new());
    }
    let own = own_key(arguments, &path)?.public();
    let outdone: Vec<&TitleRecord> = others.iter().filter(|record| record.standing == Standing::Outdone).collect();
    let is_published = |record: &&TitleRecord| record.title.key == own && record.standing == Standing::Published;
    let published = published.iter().filter(is_published);
    let followed = others.iter().filter(|record| record.standing == Standing::Followed && record.title.key != own);
    // In the order in which a node has them.
    let by_title = |one: &&TitleRecord, other: &&TitleRecord| one.title.cmp(&other.title);
    let [published, followed] = [published.collect(), followed.collect()].map(|records| in_order(records, by_title));
    let newer = |record: &TitleRecord| outdone.iter().find(|newer| newer.title == record.title).copied();
    Ok(published.into_iter().chain(followed).map(|record| line(record, newer(record))).collect())
}

/// What is written down of a title, and what others know that is newer.
fn line(record: &TitleRecord, newer: Option<&TitleRecord>) -> TitleLine {
    let version = newer.unwrap_or(record).version.as_ref();
    let trouble = match (version, newer) {
        (None, _) => Some("no version of it has been found yet"),
        (_, Some(_)) => Some("this version was published elsewhere, with the key of this node"),
        _ => None,
    };
    let standing = if record.standing == Standing::Published { "published" } else { "followed" };
    TitleLine {
        key: record.title.key.to_string(),
        name: record.title.name.clone(),
        standing: standing.to_owned(),
        is_sought: false,
        seq: version.map(|version| version.seq),
        sha256: version.map(|version| ContentId::Sha256(version.sha256).to_string()),
        trouble: trouble.map(str::to_owned),
    }
}

/// What is published in a data directory, which nobody else may change meanwhile.
struct Published {
    path: PathBuf,
    records: Vec<TitleRecord>,
    /// What others know of our names.
    outdone: Vec<TitleRecord>,
    _lock: File,
}

impl Published {
    /// Reads it, once it is our turn.
    fn open(path: &Path) -> Result<Published, Failure> {
        let failed = |error: io::Error| {
            Failure::Impossible(format!("cannot use the data directory {}: {error}", path.display()))
        };
        create_folder(path).map_err(failed)?;
        let deadline = now() + LOCK_PATIENCE;
        let lock = loop {
            match lock_published(path) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && now() < deadline => {
                    thread::park_timeout(LOCK_PAUSE);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(Failure::Impossible("another 'publish' is not ready; is it stopped?".to_owned()));
                }
                lock => break lock.map_err(failed)?,
            }
        };
        let file = published_file(path);
        let records = read_published(path).map_err(Failure::Impossible)?;
        // The node sets it aside if it is damaged.
        let outdone = read_titles(&followed_file(path)).unwrap_or_default();
        Ok(Published { path: file, records, outdone, _lock: lock })
    }

    /// The version that makes this content the newest of a name, and whether it is that already.
    fn next(
        &self,
        identity: &Identity,
        name: &str,
        sha256: [u8; 32],
        unix_seconds: u64,
    ) -> Result<(Version, bool), Failure> {
        let title = Title { key: identity.public(), name: name.to_owned() };
        let of_it = |record: &&TitleRecord| record.title == title;
        let last = self.records.iter().find(of_it);
        let known = self.records.iter().chain(&self.outdone).filter(of_it).filter_map(|record| record.version.as_ref());
        let newest = known.reduce(|one, other| if other.is_newer_than(one) { other } else { one });
        if let Some(newest) = newest.filter(|newest| newest.sha256 == sha256) {
            return Ok((newest.clone(), last.is_some_and(|last| last.standing == Standing::Published)));
        }
        let own = self.records.iter().filter(|record| record.title.key == title.key).count();
        if last.is_none() && own >= PUBLISHED_MAX {
            return Err(Failure::Impossible(format!("{PUBLISHED_MAX} names are the most that a node publishes")));
        }
        let seq = next_seq(newest.map(|newest| newest.seq), unix_seconds).ok_or_else(|| {
            Failure::Impossible(format!(
                "{} has had its last version: there is no higher number; choose another name with --as",
                shown(&title)
            ))
        })?;
        let version = Version::sign(identity, name, sha256, seq);
        Ok((version.map_err(|_| Failure::Impossible("that name cannot be signed".to_owned()))?, false))
    }

    /// Writes down what is true of a title from now on.
    fn write(&mut self, version: &Version, standing: Standing) -> Result<(), Failure> {
        let title = version.title.clone();
        let record = TitleRecord { title, standing, version: Some(version.clone()) };
        match self.records.iter_mut().find(|known| known.title == record.title) {
            Some(known) if *known == record => return Ok(()),
            Some(known) => *known = record,
            None => self.records.push(record),
        }
        write_atomically(&self.path, render_titles(&self.records).as_bytes()).map_err(|error| {
            Failure::Impossible(format!("cannot write down what is published, {}: {error}", self.path.display()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_199_216;

    fn identity() -> Identity {
        Identity::from_seed(&[2; 32])
    }

    fn record(seq: u64, standing: Standing) -> TitleRecord {
        let version = Version::sign(&identity(), "page", [seq as u8; 32], seq).unwrap();
        TitleRecord { title: version.title.clone(), standing, version: Some(version) }
    }

    fn published(scratch: &Path) -> Published {
        Published::open(scratch).unwrap()
    }

    fn seq(published: &Published, clock: u64) -> u64 {
        published.next(&identity(), "page", [0xaa; 32], clock).unwrap().0.seq
    }

    #[test]
    fn no_number_is_used_twice_whatever_the_clock_says_and_whoever_has_used_it() {
        let scratch = tempfile::tempdir().unwrap();
        let mut published = published(scratch.path());
        assert_eq!(seq(&published, NOW), NOW);
        for (standing, clock) in [(Standing::Published, NOW), (Standing::Withdrawn, 0), (Standing::Published, NOW - 9)]
        {
            published.records = vec![record(NOW, standing)];
            assert_eq!(seq(&published, clock), NOW + 1);
        }
        assert_eq!(seq(&published, NOW + 50), NOW + 50);
        // The data directory is a copy that was made before; others know more.
        published.outdone = vec![record(NOW + 7, Standing::Outdone)];
        assert_eq!(seq(&published, NOW), NOW + 8);
        published.outdone = vec![record(u64::MAX, Standing::Outdone)];
        let full = published.next(&identity(), "page", [0xaa; 32], NOW);
        assert!(matches!(full, Err(Failure::Impossible(why)) if why.contains("last version")));
        // Another name, or another key, has nothing to do with it.
        assert_eq!(published.next(&identity(), "page2", [0xaa; 32], NOW).unwrap().0.seq, NOW);
        let other = Identity::from_seed(&[3; 32]);
        assert_eq!(published.next(&other, "page", [0xaa; 32], NOW).unwrap().0.seq, NOW);
    }

    #[test]
    fn the_same_content_is_the_same_version_unless_it_was_withdrawn_or_outdone() {
        let scratch = tempfile::tempdir().unwrap();
        let mut published = published(scratch.path());
        let again = |published: &Published| {
            let (version, is_unchanged) = published.next(&identity(), "page", [5; 32], NOW).unwrap();
            (version.seq, is_unchanged)
        };
        published.records = vec![record(5, Standing::Published)];
        assert_eq!(again(&published), (5, true));
        published.records = vec![record(5, Standing::Withdrawn)];
        assert_eq!(again(&published), (5, false));
        published.outdone = vec![record(6, Standing::Outdone)];
        assert_eq!(again(&published), (NOW, false));
    }

    #[test]
    fn what_is_written_is_there_for_the_next_and_only_one_at_a_time_writes() {
        let scratch = tempfile::tempdir().unwrap();
        let mut first = published(scratch.path());
        assert!(lock_published(scratch.path()).is_err());
        let version = record(5, Standing::Published).version.unwrap();
        first.write(&version, Standing::Published).unwrap();
        first.write(&version, Standing::Withdrawn).unwrap();
        drop(first);
        assert_eq!(published(scratch.path()).records, [record(5, Standing::Withdrawn)]);
    }

    #[test]
    fn what_cannot_be_read_is_left_as_it_is() {
        let scratch = tempfile::tempdir().unwrap();
        let file = published_file(scratch.path());
        std::fs::write(&file, "{\"names\":[").unwrap();
        assert!(matches!(Published::open(scratch.path()), Err(Failure::Impossible(why)) if why.contains("damaged")));
        assert_eq!(std::fs::read(&file).unwrap(), b"{\"names\":[");
    }
}
