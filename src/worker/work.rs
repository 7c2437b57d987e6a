//! What the worker's thread does: carry out orders, look, hash a chunk, report, and all over again.
//!
//! It alone reads whole files. Nothing waits for a large file: between any two chunks it does what has been ordered,
//! and looks at the folder when that is due.

use super::Inbox;
use super::folder::Folder;
use super::hash::{Hashing, Progress, confirm};
use super::index::{self, Index};
use super::limit;
use super::queue::{Begun, Job, Queue, Turn};
use super::saver::Saver;
use super::tasks::Tasks;
use super::trees::Trees;
use crate::content::tree::Hash;
use crate::content::{ContentId, Ids, Note, SharedFile, Stamp, stored_hash};
use crate::data_dir::{render_group, render_peers};
use crate::node::{Command, GroupMemory};
use crate::request::counted;
use crate::terminal::printable;
use log::Level;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The pause between two looks at the folder. What looks the same twice in a row is taken as finished; after this pause
/// it is also old enough for its hash to be remembered (see [`index`]).
const PAUSE: Duration = Duration::from_millis(2_100);

/// What each file adds to the pause. Asking for its state takes about 2 µs, so looking costs 0.2 % of a processor.
const PAUSE_PER_FILE: Duration = Duration::from_millis(1);

/// How much of a file's name is logged, in characters.
const NAME_SHOWN_CHARS: usize = 100;

/// The small files that are written when somebody says so.
pub(super) struct Savers {
    pub(super) peers: Saver,
    pub(super) people: Saver,
    pub(super) followed: Saver,
    pub(super) group: Saver,
}

impl Savers {
    fn all(&mut self) -> [&mut Saver; 4] {
        [&mut self.peers, &mut self.people, &mut self.followed, &mut self.group]
    }
}

/// The thread's end of the worker.
pub(super) struct Work<R> {
    inbox: Arc<Inbox>,
    folder: Folder,
    index: Index,
    trees: Trees,
    savers: Savers,
    queue: Queue,
    tasks: Tasks,
    /// How far our lines to groups may be dated by what is still to be saved.
    group_unsaved: Option<u64>,
    /// How many bytes of contents are kept that were fetched.
    store_limit: Option<u64>,
    /// When the folder is to be looked at.
    next_look: Instant,
    report: R,
}

impl<R: FnMut(Command) -> ControlFlow<()>> Work<R> {
    /// The work on this folder, of which nothing is done yet.
    pub(super) fn new(
        inbox: Arc<Inbox>,
        folder: Folder,
        index: Index,
        trees: Trees,
        savers: Savers,
        tasks: Tasks,
        report: R,
    ) -> Work<R> {
        Work {
            inbox,
            folder,
            index,
            trees,
            savers,
            queue: Queue::default(),
            tasks,
            group_unsaved: None,
            store_limit: None,
            next_look: index::now(),
            report,
        }
    }

    /// Keeps no more than so many bytes of contents that were fetched.
    pub(super) fn limit_store(&mut self, limit: Option<u64>) {
        self.store_limit = limit;
    }

    /// Works until told to stop, or until nobody listens any more, and saves. Returns what could not be saved.
    pub(super) fn run(&mut self) -> Vec<&'static str> {
        self.index.load();
        self.tasks.sweep(self.folder.store());
        while self.round().is_continue() {}
        for saver in self.savers.all() {
            saver.expect_end();
        }
        // What was ordered before everybody left is still to be done.
        self.obey();
        self.index.save();
        // Each is tried, whatever becomes of the others.
        let mut unsaved = Vec::new();
        for saver in self.savers.all() {
            if !saver.flush() {
                unsaved.push(saver.what);
            }
        }
        unsaved
    }

    /// One round; [`ControlFlow::Break`] if it was the last.
    fn round(&mut self) -> ControlFlow<()> {
        if self.inbox.lock().is_stopping {
            return ControlFlow::Break(());
        }
        self.obey();
        if self.next_look <= index::now() {
            self.look()?;
        }
        let is_idle = !self.advance_tasks()? && self.step()?;
        self.index.save_sometimes();
        if is_idle {
            self.inbox.wait(self.next_look.saturating_duration_since(index::now()));
        }
        ControlFlow::Continue(())
    }

    /// Saves what is remembered of group chat, or what of it could not be saved, and reports when that is done.
    fn save_group(&mut self, order: Option<GroupMemory>) {
        self.group_unsaved = order.as_ref().map(|memory| memory.said_until).or(self.group_unsaved);
        self.savers.group.take(order.map(|memory| render_group(&memory)));
        if let Some(said_until) = self.group_unsaved.take_if(|_| self.savers.group.is_saved()) {
            // Nobody listens any more at an orderly stop, which has to do what comes after this all the same.
            let _ = (self.report)(Command::GroupSaved(said_until));
        }
    }

    /// Does what has been ordered.
    fn obey(&mut self) {
        let orders = self.inbox.take();
        self.savers.peers.take(orders.save.map(|peers| render_peers(&peers)));
        self.savers.people.take(orders.save_people);
        self.savers.followed.take(orders.save_followed);
        self.save_group(orders.save_group);
        for name in orders.look_again {
            self.folder.forget(&name);
            self.index.forget(&name);
            let distrusted = stored_hash(&name).map_or(Ok(()), |sha256| self.folder.store().distrust(&sha256));
            if let Err(error) = distrusted {
                log::warn!("cannot forget what is known about {name}: {error}");
            }
            self.trees.release(&name);
            self.next_look = index::now();
        }
        if orders.look {
            self.next_look = index::now();
        }
        self.tasks.take(orders.contents, self.trees.folder());
    }

    /// Looks through the folder once, reports what is gone, and notes what is to be hashed.
    fn look(&mut self) -> ControlFlow<()> {
        // At the start there may be thousands, so they are named to those only who want to know everything.
        let level = if self.folder.is_new() { Level::Debug } else { Level::Info };
        let changes = self.folder.look();
        if !self.folder.is_new() {
            self.index.keep(|name, stamp| self.folder.has(name, stamp));
            self.queue.keep(|name, stamp| self.folder.has(name, stamp));
            self.trees.keep(|name, stamp| self.folder.has(name, stamp));
            let store = self.folder.store();
            let stored = self.folder.files().filter_map(|(name, stamp)| {
                let ids = store.ids_of(&stored_hash(name)?, stamp)?;
                Some((name, stamp, ids.blake3))
            });
            self.trees.sweep_once(self.index.trees().chain(stored));
        }
        let has_new = changes.settled.iter().any(|(name, _)| stored_hash(name).is_some());
        for name in changes.gone {
            log::info!("no longer sharing {}", printable(&name, NAME_SHOWN_CHARS));
            (self.report)(Command::Unshare(name))?;
        }
        if level == Level::Debug && !changes.settled.is_empty() {
            let is_stored = |(name, _): &&(String, Stamp)| stored_hash(name).is_some();
            let stored = changes.settled.iter().filter(is_stored).count();
            log::info!("files to share: {} in public/, {stored} in the store", changes.settled.len() - stored);
        }
        for (name, stamp) in changes.settled {
            let is_remembered = self.remembered(&name, stamp).is_some();
            let note = stored_hash(&name).and_then(|sha256| self.folder.store().note(&sha256));
            let blake3 = note.map(|note| note.ids.blake3);
            self.queue.add(Job { name, stamp, blake3, level }, is_remembered);
        }
        let files = u32::try_from(self.folder.len()).unwrap_or(u32::MAX);
        self.next_look = index::now() + PAUSE + PAUSE_PER_FILE * files;
        if has_new {
            self.evict();
        }
        ControlFlow::Continue(())
    }

    /// Goes one step further with a content that is being fetched, once those are shared that are known already: it may
    /// be one of them. False if there is nothing to do.
    fn advance_tasks(&mut self) -> ControlFlow<(), bool> {
        if self.queue.has_remembered() {
            return ControlFlow::Continue(false);
        }
        // What may be in the store waits until that is known.
        let held_up: Vec<ContentId> = self.tasks.sought().filter(|id| self.queue.seek(id)).collect();
        let Some(done) = self.tasks.advance(&held_up, self.trees.folder(), self.folder.store()) else {
            return ControlFlow::Continue(self.tasks.has_work(&held_up));
        };
        if let Some(file) = done.shared {
            log::info!("fetched {} ({})", file.id(), counted(file.stamp.size, "byte"));
            self.share(file, Level::Trace)?;
            self.evict();
        }
        (self.report)(done.command)?;
        ControlFlow::Continue(true)
    }

    /// Makes room in the store, if it holds more than it should.
    fn evict(&mut self) {
        let Some(limit) = self.store_limit else { return };
        let stored = self.folder.files().filter_map(|(name, stamp)| Some((stored_hash(name)?, stamp.size)));
        if limit::evict(self.folder.store(), stored, limit) {
            self.next_look = index::now();
        }
    }

    /// Goes one step further with the file whose turn it is; true if there is none.
    fn step(&mut self) -> ControlFlow<(), bool> {
        let progress = match self.queue.next() {
            None => return ControlFlow::Continue(true),
            Some(Turn::Begin(job)) => {
                self.begin(job)?;
                return ControlFlow::Continue(false);
            }
            Some(Turn::Advance(begun)) => begun.hashing.advance(),
        };
        if !matches!(progress, Ok(Progress::More))
            && let Some(Begun { job, since_ns, .. }) = self.queue.finish()
        {
            self.conclude(job, since_ns, progress)?;
        }
        ControlFlow::Continue(false)
    }

    /// The hashes of a file in this state that are remembered, if its tree is still there.
    fn remembered(&self, name: &str, stamp: Stamp) -> Option<Ids> {
        let known = match stored_hash(name) {
            Some(sha256) => self.folder.store().ids_of(&sha256, stamp),
            None => self.index.get(name, stamp),
        };
        known.filter(|ids| self.trees.folder().has(&ids.blake3, stamp.size))
    }

    /// Begins with a file: shares it under the hashes that are remembered, or begins to take them.
    fn begin(&mut self, job: Job) -> ControlFlow<()> {
        let since_ns = index::now_ns();
        if let Some(ids) = self.remembered(&job.name, job.stamp) {
            let confirmed = confirm(self.folder.path(), &job.name, job.stamp);
            return match confirmed {
                Ok(true) => self.share(job.file(ids), job.level),
                Ok(false) => self.conclude(job, since_ns, Ok(Progress::Changed)),
                Err(error) => self.conclude(job, since_ns, Err(error)),
            };
        }
        log::debug!("hashing {} ({})", printable(&job.name, NAME_SHOWN_CHARS), counted(job.stamp.size, "byte"));
        match Hashing::begin(self.folder.path(), &job.name, job.stamp, self.trees.folder()) {
            Ok(Some(hashing)) => self.queue.begin(Begun { job, since_ns, hashing }),
            Ok(None) => self.conclude(job, since_ns, Ok(Progress::Changed))?,
            Err(error) => self.conclude(job, since_ns, Err(error))?,
        }
        ControlFlow::Continue(())
    }

    /// Shares a file that has got its hashes, and sees to it that another one is tried again.
    fn conclude(&mut self, job: Job, since_ns: i128, progress: io::Result<Progress>) -> ControlFlow<()> {
        match progress {
            Ok(Progress::Done(ids)) => {
                if let Some(name) = stored_hash(&job.name) {
                    return self.conclude_stored(job, name, ids);
                }
                let (level, file) = (job.level, job.file(ids));
                self.index.add(file.clone(), since_ns);
                return self.share(file, level);
            }
            Ok(_) => self.folder.set_settling(&job.name, job.stamp),
            Err(error) => {
                log::warn!("cannot share {}: {error}", printable(&job.name, NAME_SHOWN_CHARS));
                self.folder.set_unreadable(&job.name, job.stamp);
            }
        }
        ControlFlow::Continue(())
    }

    /// Shares a content of the store that has been read again, if it still is what its name says.
    fn conclude_stored(&mut self, job: Job, name: Hash, ids: Ids) -> ControlFlow<()> {
        let store = self.folder.store();
        if ids.sha256 != name {
            let path = store.path_of(&name);
            let aside = path.with_extension("damaged");
            log::warn!("{} is damaged and no longer shared; it is now {}", path.display(), aside.display());
            if let Err(error) = std::fs::rename(&path, aside) {
                log::warn!("cannot rename it: {error}");
            }
            self.folder.set_unreadable(&job.name, job.stamp);
            return ControlFlow::Continue(());
        }
        let note = Note { name: store.note(&name).and_then(|note| note.name), stamp: job.stamp, ids };
        if let Err(error) = store.write_note(&note) {
            log::warn!("cannot write down what is known about {}: {error}", job.name);
        }
        self.share(job.file(ids), job.level)
    }

    /// Shares a file whose hashes are known, unless it is the secret key: whoever has that is this node to everybody.
    fn share(&mut self, file: SharedFile, level: Level) -> ControlFlow<()> {
        let SharedFile { ref name, stamp, blake3, .. } = file;
        let shown = printable(name, NAME_SHOWN_CHARS);
        if self.folder.is_key(&file) {
            log::warn!("cannot share {shown}: it is the secret key of this node, which is for nobody else");
            self.index.forget(name);
            self.folder.set_refused(name, stamp);
            return ControlFlow::Continue(());
        }
        log::log!(level, "sharing {shown} ({})", counted(stamp.size, "byte"));
        self.folder.set_shared(name, stamp);
        self.trees.need(name, stamp, blake3);
        (self.report)(Command::Share(file))
    }
}
