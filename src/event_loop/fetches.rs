//! What the user fetches: from the wish to the file, and how far it is meanwhile.
//!
//! The node fetches, the worker knows what is there already and makes it last; here they are told of one another. What
//! ended is remembered for a while, so that whoever asks now and then learns how.

use super::wishes::Wishes;
use super::{Duration, EventLoop};
use crate::content::{ContentId, Part, Ranges, SharedFile, Stamp, part_path, stamp, stored_hash};
use crate::node::Command;
use crate::request::{Answer, FetchLine, FetchState, KeptFile};
use crate::time::Time;
use crate::transfer::{Failure, Held, Progress};
use crate::worker::{Front, OpenJournal, is_there};
use std::path::PathBuf;
use std::{fs, io};

/// Contents of which we know how they are doing; of those that have ended the one that was begun first is forgotten
/// first. The node fetches 4 at once.
pub(super) const FETCHES_MAX: usize = 64;

/// How much may have come since it was last written down that it came. A kill costs as much, and as much again of what
/// a turn of the event loop brings. A line about it takes a few microseconds; that many bytes, some hundred.
pub(super) const UNNOTED_MAX_BYTES: u64 = 128 * 1024;

/// How long something may have been there without being written down.
const UNNOTED_MAX: Duration = Duration::from_secs(1);

/// How much has to have come at the front before the worker is told to read on: some milliseconds of hashing.
const UNREAD_BYTES: u64 = 4 * 1024 * 1024;

/// A content that the user wants.
pub(super) struct Fetch {
    id: ContentId,
    stage: Stage,
    wishes: Wishes,
    /// What was written down last: the size and how much is there, and when.
    noted: (Option<u64>, u64, Time),
    /// Where it is written down; `None` if there is nothing yet that could be added to.
    journal: Option<OpenJournal>,
    /// How far the worker was told to read.
    followed: Option<Front>,
}

enum Stage {
    /// The worker looks at what is there.
    Preparing,
    /// The node fetches it.
    Fetching,
    /// It is shared.
    Done,
    /// It lies where it came, for whoever wanted it.
    Left(KeptFile),
    /// It will not come; a sentence.
    Failed(String),
}

impl Fetch {
    fn is_busy(&self) -> bool {
        matches!(self.stage, Stage::Preparing | Stage::Fetching)
    }

    /// Whether it has come and lies where it came.
    fn is_left(&self) -> bool {
        let Stage::Left(file) = &self.stage else { return false };
        fs::symlink_metadata(&file.path).is_ok_and(|found| {
            let found = stamp(&found);
            (found.size, found.modified_ns, found.changed_ns, found.inode)
                == (file.size, file.modified_ns, file.changed_ns, file.inode)
        })
    }
}

impl EventLoop {
    /// Whether what is fetched is left to those who wait for it, instead of being kept and shared: a node that ends
    /// with the `get` whose it is serves nobody.
    pub(super) fn leaves_contents(&self) -> bool {
        !self.is_console
    }

    /// Begins to fetch a content, unless it is being fetched. What is shared already is done as soon as the worker
    /// knows.
    pub(super) fn get(&mut self, id: ContentId, patience: Duration, waiter: Option<u32>) -> Answer {
        let known = self.fetches.iter().position(|fetch| fetch.id == id);
        let mut wishes = Wishes::default();
        if let Some(place) = known {
            let fetch = &mut self.fetches[place];
            if !fetch.wishes.add(waiter) {
                return Answer::Refused(format!("too many wait for {id}"));
            }
            if fetch.is_busy() || fetch.is_left() {
                return Answer::Done(format!("fetching {id} already"));
            }
            let known = self.fetches.remove(place);
            if matches!(known.stage, Stage::Left(_)) {
                // It has just been moved away, and what is left of it is about that.
                self.worker.discard(id);
            }
            wishes = known.wishes;
        }
        wishes.add(waiter);
        if self.fetches.len() >= FETCHES_MAX {
            match self.fetches.iter().position(|fetch| !fetch.is_busy()) {
                Some(oldest) => drop(self.fetches.remove(oldest)),
                None => return Answer::Refused("too much is being fetched; wait for some of it".to_owned()),
            }
        }
        let noted = (None, 0, self.clock.now());
        self.fetches.push(Fetch { id, stage: Stage::Preparing, wishes, noted, journal: None, followed: None });
        self.worker.prepare(id, patience);
        Answer::Done(format!("fetching {id}"))
    }

    /// Stops fetching a content: for all, or for one `waiter`, which stops nobody else.
    pub(super) fn unget(&mut self, id: ContentId, waiter: Option<u32>) -> Answer {
        let Some(place) = self.fetches.iter().position(|fetch| fetch.id == id) else {
            return Answer::Refused(format!("{id} is not being fetched"));
        };
        if let Some(waiter) = waiter {
            self.fetches[place].wishes.remove(waiter);
            if !self.fetches[place].wishes.is_empty() {
                return Answer::Done(format!("others wait for {id}; it goes on"));
            }
        }
        match self.fetches[place].stage {
            Stage::Preparing => {}
            Stage::Fetching => {
                self.note_progress(true);
                if let Err(error) = self.node.handle_command(self.clock.now(), Command::StopFetching(id)) {
                    return Answer::Refused(error.to_string());
                }
            }
            Stage::Done | Stage::Left(_) | Stage::Failed(_) => {
                return Answer::Refused(format!("{id} is not being fetched"));
            }
        }
        self.fetches.remove(place);
        self.worker.follow(id, None);
        Answer::Done(format!("stopped; what is there of {id} is kept for the next time"))
    }

    /// Throws away what is there of a content. Once a `waiter` has it, that is what nobody else waits for.
    pub(super) fn drop_fetched(&mut self, id: ContentId, waiter: Option<u32>) -> Answer {
        if let Some(place) = self.fetches.iter().position(|fetch| fetch.id == id) {
            let fetch = &mut self.fetches[place];
            if let Some(waiter) = waiter {
                fetch.wishes.remove(waiter);
                if !matches!(fetch.stage, Stage::Left(_)) || !fetch.wishes.is_empty() {
                    return Answer::Done(format!("{id} stays"));
                }
            }
            if fetch.is_busy() {
                return Answer::Refused(format!("{id} is being fetched; /unget it first"));
            }
            self.fetches.remove(place);
        }
        if waiter.is_none() && !is_there(&self.data_dir.parts(), &id) {
            let but = self.node.find_shared(&id.to_string()).map_or("", |_| " but what is shared");
            return Answer::Refused(format!("nothing is there of {id}{but}"));
        }
        self.worker.discard(id);
        Answer::Done(format!("what was there of {id} is forgotten; whatever is shared stays"))
    }

    /// The worker has looked at what is there of a content.
    pub(super) fn begin_fetch(&mut self, id: ContentId, held: Held, patience: Duration) {
        // Who stopped it and began anew may be told twice.
        let is_meant = |fetch: &Fetch| fetch.id == id && matches!(fetch.stage, Stage::Preparing);
        let Some(place) = self.fetches.iter().position(is_meant) else { return };
        if self.node.find_shared(&id.to_string()).is_some() {
            self.fetches[place].stage = Stage::Done;
            self.wake_waiter();
            return;
        }
        let now = self.clock.now();
        self.fetches[place].noted = (held.size, held.content.count(), now);
        let begun = self.node.handle_command(now, Command::Fetch { id, held, patience });
        self.fetches[place].stage = match begun {
            Ok(()) => Stage::Fetching,
            Err(_) => {
                self.wake_waiter();
                Stage::Failed("four others are being fetched; wait for one of them".to_owned())
            }
        };
    }

    /// All of a content is there: it is to be checked as a whole and made to last.
    pub(super) fn settle_fetch(&mut self, id: ContentId, size: u64) {
        if let ContentId::Sha256(_) = id {
            let mut content = Ranges::default();
            // A single range always has room.
            let _ = content.insert(0..size);
            self.write_journal(id, Some(size), content);
        }
        let revision = self.node.fetching().find(|progress| progress.id == id).map_or(0, |progress| progress.revision);
        self.worker.settle(id, Front { size, bytes: size, revision }, self.leaves_contents());
    }

    /// Lets the worker read what has come at the front.
    fn follow(&mut self, id: ContentId, front: Front) {
        if self.leaves_contents() && matches!(id, ContentId::Blake3(_)) {
            // Nobody needs another hash of it, and every block was checked when it came.
            return;
        }
        let Some(fetch) = self.fetches.iter_mut().find(|fetch| fetch.id == id) else { return };
        let is_same = |told: &Front| (told.size, told.revision) == (front.size, front.revision);
        let told = fetch.followed.filter(is_same).map_or(0, |told| told.bytes);
        if front.bytes >= told + UNREAD_BYTES {
            fetch.followed = Some(front);
            self.worker.follow(id, Some(front));
        }
    }

    /// What is written down about a content that turned out to be wrong is worth nothing.
    pub(super) fn note_outcome(&mut self, command: &Command) {
        if let Command::Settled { id, outcome: Ok(false) } = command
            && let Some(fetch) = self.fetches.iter_mut().find(|fetch| fetch.id == *id)
        {
            fetch.noted = (None, 0, self.clock.now());
            fetch.journal = None;
        }
    }

    /// Writes down what is there of a content.
    fn write_journal(&mut self, id: ContentId, size: Option<u64>, content: Ranges) {
        let Some(fetch) = self.fetches.iter_mut().find(|fetch| fetch.id == id) else { return };
        let parts = || OpenJournal::new(self.data_dir.parts(), id);
        if let Err(error) = fetch.journal.get_or_insert_with(parts).note(size, content) {
            log::warn!("cannot write down what is there of {id}: {error}");
        }
    }

    /// A content has come, or will not come.
    pub(super) fn end_fetch(&mut self, id: ContentId, why: Option<Failure>) {
        let Some(place) = self.fetches.iter().position(|fetch| fetch.id == id) else { return };
        let (_, held, _) = self.fetches[place].noted;
        match why {
            Some(Failure::Wrong) => self.worker.discard(id),
            // Perhaps a source lied about the size.
            Some(Failure::Stalled | Failure::NotFound) => self.worker.doubt(id),
            _ => {}
        }
        self.worker.follow(id, None);
        self.fetches[place].journal = None;
        self.fetches[place].stage = match why {
            None if self.leaves_contents() => match self.left(id) {
                Ok(file) => Stage::Left(file),
                Err(error) => Stage::Failed(format!("cannot look at what was fetched: {error}")),
            },
            None => Stage::Done,
            Some(why) => Stage::Failed(self.sentence(why, id, held > 0)),
        };
        self.wake_waiter();
        let line = self.fetch_line(&self.fetches[place], &[]);
        if self.is_console {
            self.output.print(line.to_string());
        }
    }

    pub(super) fn wake_waiter(&self) {
        if let Some(waiter) = &self.waiter {
            waiter.unpark();
        }
    }

    /// Writes down what has come, if it is `is_urgent` or has not for a while.
    pub(super) fn note_progress(&mut self, is_urgent: bool) {
        if self.fetches.is_empty() {
            return;
        }
        let now = self.clock.now();
        let progress: Vec<Progress> = self.node.fetching().filter(|progress| !progress.is_settling).collect();
        for Progress { id, size, held, front, revision, .. } in progress {
            if let Some(size) = size {
                self.follow(id, Front { size, bytes: front, revision });
            }
            let Some(fetch) = self.fetches.iter_mut().find(|fetch| fetch.id == id) else { continue };
            let (noted_size, noted, since) = fetch.noted;
            let is_new = match id {
                ContentId::Blake3(_) => noted_size != size,
                ContentId::Sha256(_) => {
                    let is_late = is_urgent || now.since(since) >= UNNOTED_MAX || noted_size != size;
                    held.abs_diff(noted) >= UNNOTED_MAX_BYTES || held != noted && is_late
                }
            };
            fetch.noted.1 = if is_new || matches!(id, ContentId::Blake3(_)) { held } else { noted };
            if !is_new {
                continue;
            }
            fetch.noted = (size, held, now);
            let content = match id {
                ContentId::Blake3(_) => Default::default(),
                ContentId::Sha256(_) => self.node.held(&id).map(|held| held.content).unwrap_or_default(),
            };
            self.write_journal(id, size, content);
        }
    }

    /// How everything is doing that the user wants.
    pub(super) fn fetch_lines(&self) -> Vec<FetchLine> {
        let progress: Vec<Progress> = self.node.fetching().collect();
        self.fetches.iter().map(|fetch| self.fetch_line(fetch, &progress)).collect()
    }

    fn fetch_line(&self, fetch: &Fetch, progress: &[Progress]) -> FetchLine {
        let id = fetch.id.to_string();
        let progress = progress.iter().find(|progress| progress.id == fetch.id);
        let shared = || self.node.find_shared(&id);
        let waiting = fetch.wishes.waiting();
        let state = match &fetch.stage {
            Stage::Preparing => FetchState::Preparing,
            Stage::Fetching if progress.is_some_and(|progress| progress.is_settling) => FetchState::Checking,
            Stage::Fetching => FetchState::Fetching,
            Stage::Done => match shared() {
                Some(file) => FetchState::Done(self.kept(file)),
                None => FetchState::Failed("it was here, and is not any more".to_owned()),
            },
            Stage::Left(file) => FetchState::Done(KeptFile { is_loose: waiting <= 1, ..file.clone() }),
            Stage::Failed(why) => FetchState::Failed(why.clone()),
        };
        let (size, held) = progress.map_or((fetch.noted.0, fetch.noted.1), |progress| (progress.size, progress.held));
        let (rate, sources) = progress.map_or((0, 0), |progress| (progress.rate, progress.sources));
        FetchLine { id, state, size, held, rate, sources, waiting }
    }

    fn kept(&self, file: &SharedFile) -> KeptFile {
        let public = self.data_dir.public();
        let is_stored = stored_hash(&file.name).is_some();
        let path: PathBuf = if is_stored { self.data_dir.path().join(&file.name) } else { public.join(&file.name) };
        let blake3 = ContentId::Blake3(file.blake3).to_string();
        KeptFile { sha256: Some(file.id()), blake3: Some(blake3), ..kept_file(path, file.stamp) }
    }

    /// A content that nobody shares, where it came.
    fn left(&self, id: ContentId) -> io::Result<KeptFile> {
        let path = part_path(&self.data_dir.parts(), &id, Part::Content);
        let kept = kept_file(path.clone(), stamp(&fs::symlink_metadata(path)?));
        Ok(match id {
            ContentId::Sha256(_) => KeptFile { sha256: Some(id.to_string()), ..kept },
            ContentId::Blake3(_) => KeptFile { blake3: Some(id.to_string()), ..kept },
        })
    }

    /// Why a content did not come.
    fn sentence(&self, why: Failure, id: ContentId, is_some_there: bool) -> String {
        let path = self.data_dir.path().display();
        let kept = if is_some_there { "; what is there is kept for the next time" } else { "" };
        match why {
            Failure::NotFound if self.node.peer_count() == 0 => {
                format!("nobody answers, so nobody could be asked for {id}")
            }
            Failure::NotFound => format!("nobody in reach has {id}"),
            Failure::Stalled => format!("those who have {id} no longer deliver{kept}"),
            Failure::Wrong => format!("all who have {id} deliver something else than what it names; nothing is kept"),
            Failure::Full => format!("the disk is full: there is no room for {id} in the data directory {path}{kept}"),
            Failure::Disk => format!("cannot write to the data directory {path}{kept}"),
        }
    }
}

/// A file whose ids nobody knows.
fn kept_file(path: PathBuf, stamp: Stamp) -> KeptFile {
    let Stamp { size, modified_ns, changed_ns, inode } = stamp;
    KeptFile { path, is_loose: false, sha256: None, blake3: None, size, modified_ns, changed_ns, inode }
}
