//! Files with names: what is written down about them, what the user is told, and fetching what is newer.
//!
//! What is published is decided by `cjp2p-node publish`, which writes it down before anybody hears of it; here it is
//! read when the node starts and when the file has changed. What is kept up to date is written down by the worker.

use super::EventLoop;
use crate::content::{ContentId, Stamp, stamp};
use crate::data_dir::{Standing, TitleRecord, published_file, read_published, render_titles};
use crate::node::Command;
use crate::request::{Answer, GET_PATIENCE, TitleLine, TypedTitle};
use crate::sorted::SortedMap;
use crate::terminal::printable;
use crate::time::Time;
use crate::titles::{Title, Version};
use std::fs;
use std::time::Duration;

/// Names listed at most; with the longest ones a list of so many has less than 2 MiB.
const NAMES_SHOWN_MAX: usize = 1_000;

/// How soon the content of a version that nobody had is asked for again: as often as for newer versions.
const RETRY_PAUSE: Duration = Duration::from_secs(600);

/// How many of these are fetched at once; the others have their turn later, and what the user wants comes before.
const RETRIES_AT_ONCE: usize = 2;

/// What is known about names besides what the node knows.
#[derive(Default)]
pub(super) struct Named {
    /// The state of the file about what is published when it was read last.
    published: Option<Stamp>,
    /// When the content of a title was asked for last, without success so far.
    tried: SortedMap<Title, Time>,
}

impl EventLoop {
    /// Tells the node what is written down about names.
    pub(super) fn load_followed(&mut self) {
        for TitleRecord { title, standing, version } in self.data_dir.load_followed() {
            let version = version.map(Box::new);
            let command = match (standing, version) {
                (Standing::Followed, version) => Command::Follow { title, version },
                (Standing::Outdone, Some(version)) => Command::Recall(version),
                _ => continue,
            };
            if let Err(error) = self.node.handle_command(self.clock.now(), command) {
                log::warn!("followed.json: {error}");
            }
        }
        self.look_at_published();
        self.warn_of_outdone();
    }

    /// Tells the node what is published, if that has changed.
    pub(super) fn look_at_published(&mut self) {
        let path = published_file(self.data_dir.path());
        let found = fs::symlink_metadata(&path).ok().map(|found| stamp(&found));
        if found == self.named.published {
            return;
        }
        self.named.published = found;
        let records = match read_published(self.data_dir.path()) {
            Ok(records) => records,
            Err(why) => return log::warn!("{why}; until then nothing new of it is heard of"),
        };
        let own = self.node.public_key();
        for TitleRecord { title, standing, version } in records {
            let Some(version) = version.filter(|_| title.key == own) else { continue };
            let is_withdrawn = standing == Standing::Withdrawn;
            let is_known = self.node.own_versions().any(|known| known == (&version, !is_withdrawn));
            let command = Command::Publish { version: Box::new(version), is_withdrawn };
            if !is_known && let Err(error) = self.node.handle_command(self.clock.now(), command) {
                log::warn!("cannot publish {}: {error}", shown(&title));
            }
        }
        // What others knew newer may have been outdone again.
        self.save_followed();
        self.drain();
    }

    /// Writes down what is kept up to date, and what others know of our own names.
    fn save_followed(&self) {
        let followed = self.node.followed().map(|title| TitleRecord {
            title: title.clone(),
            standing: Standing::Followed,
            version: self.node.version(title).cloned(),
        });
        let outdone = self.node.outdone().map(|version| TitleRecord {
            title: version.title.clone(),
            standing: Standing::Outdone,
            version: Some(version.clone()),
        });
        let records: Vec<TitleRecord> = followed.chain(outdone).collect();
        // A node that has nothing to do with names leaves no file about them.
        if !records.is_empty() || fs::symlink_metadata(self.data_dir.followed_file()).is_ok() {
            self.worker.save_followed(render_titles(&records));
        }
    }

    /// Does what the user wants with a file with a name.
    pub(super) fn of_title(&mut self, typed: TypedTitle, act: impl FnOnce(&mut Self, Title) -> Answer) -> Answer {
        match self.find_title(typed) {
            Ok(title) => act(self, title),
            Err(why) => Answer::Refused(why),
        }
    }

    /// Looks for the newest version of a title.
    pub(super) fn seek_name(&mut self, title: Title, patience: Duration) -> Answer {
        let done = format!("looking for {}", self.show_title(&title));
        match self.node.handle_command(self.clock.now(), Command::Seek { title, patience }) {
            Ok(()) => Answer::Done(done),
            Err(_) => Answer::Refused("too many names are being looked for; wait for one of them".to_owned()),
        }
    }

    /// Keeps a title up to date no longer.
    pub(super) fn unfollow(&mut self, title: Title) -> Answer {
        self.named.tried.remove(&title);
        let done = format!("no longer kept up to date: {}; what is there stays", self.show_title(&title));
        match self.node.handle_command(self.clock.now(), Command::Unfollow(title)) {
            Ok(()) => {
                self.save_followed();
                Answer::Done(done)
            }
            Err(error) => Answer::Refused(error.to_string()),
        }
    }

    /// A search is over.
    pub(super) fn end_search(&mut self, title: Title, is_found: bool) {
        if self.leaves_contents() {
            // Whoever asked looks for the outcome and fetches it.
            self.wake_waiter();
        } else if !is_found {
            self.output.print(self.nobody_knows(&title));
        } else {
            let command = Command::Follow { title: title.clone(), version: None };
            match self.node.handle_command(self.clock.now(), command) {
                Ok(()) => self.save_followed(),
                Err(error) => log::warn!("cannot keep {} up to date: {error}", shown(&title)),
            }
            self.fetch_version(&title);
            self.unconfirmed(&title).into_iter().for_each(|why| self.output.print(why));
        }
    }

    /// Others have told a newer version of what is kept up to date, or of what is ours.
    pub(super) fn take_news(&mut self, title: &Title) {
        self.save_followed();
        if title.key == self.node.public_key() {
            self.warn_of_outdone();
        }
        if !self.leaves_contents() && self.node.followed().any(|followed| followed == title) {
            self.fetch_version(title);
        }
    }

    /// Says what a title stands for now, and fetches that unless it is here.
    fn fetch_version(&mut self, title: &Title) {
        let Some(Version { seq, sha256, .. }) = self.node.version(title) else { return };
        let (seq, id) = (*seq, ContentId::Sha256(*sha256));
        let is_here = self.node.find_shared(&id.to_string()).is_some();
        let here = if is_here { ", which is here" } else { "" };
        self.output.print(format!("{} is now {id}, version {seq}{here}", self.show_title(title)));
        if !is_here {
            self.named.tried.insert(title.clone(), self.clock.now());
            self.get(id, GET_PATIENCE, None);
        }
    }

    /// Tries again to fetch what is missing of what is kept up to date.
    pub(super) fn catch_up(&mut self) {
        if self.leaves_contents() {
            return;
        }
        let now = self.clock.now();
        let node = &self.node;
        self.named.tried.retain(|title, _| node.followed().any(|followed| followed == title));
        let is_missing = |title: &&Title| {
            let tried = self.named.tried.get(*title);
            tried.is_none_or(|tried| now.since(*tried) >= RETRY_PAUSE)
                && self.node.version(title).is_some_and(|version| {
                    self.node.find_shared(&ContentId::Sha256(version.sha256).to_string()).is_none()
                })
        };
        let missing: Vec<Title> = self.node.followed().filter(is_missing).take(RETRIES_AT_ONCE).cloned().collect();
        for title in missing {
            self.named.tried.insert(title.clone(), now);
            if let Some(version) = self.node.version(&title) {
                self.get(ContentId::Sha256(version.sha256), GET_PATIENCE, None);
            }
        }
    }

    /// Says of which of our own names others know a newer version.
    fn warn_of_outdone(&self) {
        for version in self.node.outdone() {
            let title = printable(&version.title.name, usize::MAX);
            log::warn!(
                "others know version {} of {title}, signed with the key of this node and published elsewhere: {}",
                version.seq,
                ContentId::Sha256(version.sha256)
            );
        }
    }

    fn nobody_knows(&self, title: &Title) -> String {
        let title = self.show_title(title);
        if self.node.peer_count() == 0 {
            return format!("nobody answers, so nobody could be asked for {title}");
        }
        format!("nobody in reach knows {title}; whoever published it has to be there, or somebody who fetched it")
    }

    /// What to say behind a version of somebody else's, if nobody has confirmed it since it was looked for.
    fn unconfirmed(&self, title: &Title) -> Option<String> {
        let is_unconfirmed = title.key != self.node.public_key() && self.node.is_unanswered(title);
        is_unconfirmed
            .then(|| "nobody in reach has confirmed that; it is the newest version that is known here".to_owned())
    }

    /// What is known of the names that the user has to do with.
    pub(super) fn title_lines(&self) -> Vec<TitleLine> {
        // Of a name that was taken away the number of the last version is kept, and nobody needs to see it.
        let own = self.node.own_versions().filter(|(_, is_published)| *is_published).map(|(version, _)| &version.title);
        let others = self.node.followed().filter(|title| title.key != self.node.public_key());
        own.chain(others).take(NAMES_SHOWN_MAX).map(|title| self.title_line(title)).collect()
    }

    /// What is known of a name.
    pub(super) fn title_line(&self, title: &Title) -> TitleLine {
        let version = self.node.version(title);
        let own = self.node.own_versions().find(|(own, _)| own.title == *title);
        let is_followed = self.node.followed().any(|followed| followed == title);
        let standing = match own {
            Some((_, true)) => "published",
            Some((_, false)) => "withdrawn",
            None if is_followed => "followed",
            None => "sought",
        };
        let trouble = if version.is_none() {
            Some(self.nobody_knows(title))
        } else if self.node.outdone().any(|version| version.title == *title) {
            Some("this version was published elsewhere, with the key of this node".to_owned())
        } else {
            self.unconfirmed(title)
        };
        TitleLine {
            key: title.key.to_string(),
            name: title.name.clone(),
            standing: standing.to_owned(),
            is_sought: self.node.seeks(title),
            seq: version.map(|version| version.seq),
            sha256: version.map(|version| ContentId::Sha256(version.sha256).to_string()),
            trouble,
        }
    }
}

/// A title, safe for a terminal.
fn shown(title: &Title) -> String {
    printable(&title.to_string(), usize::MAX)
}
