//! The one worker thread: everything that may keep a disk busy for long.
//!
//! It looks through the public folder and the store, hashes what is new and makes its trees, and writes the peers file,
//! the file about names and the index of hashes. Of contents that are fetched it finds out what is there already, and
//! makes them last when all has come. What it finds out comes back to the node as commands; it never touches the node,
//! a socket, or the files it reads. Orders wait in one place in which a newer one replaces an older, so nothing can
//! pile up, and they are looked at between any two chunks of a file, so neither saving nor stopping nor a small file
//! waits for a large one.

mod folder;
mod hash;
mod index;
mod journal;
mod limit;
mod orders;
mod queue;
mod resume;
mod saver;
mod settle;
mod tasks;
mod tests;
mod trees;
mod work;

pub use journal::{Journal, OpenJournal};
pub use orders::Front;
pub(crate) use resume::is_there;
pub use resume::{discard, find_held};

use crate::content::{ContentId, SHARED_FILES_MAX, TreeFolder};
use crate::data_dir::DataDir;
use crate::node::{Command, GroupMemory};
use crate::queue::{Nothing, Receiver, queue};
use folder::Folder;
use index::Index;
use orders::{ContentOrders, Inbox};
use saver::Saver;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;
use std::{io, thread};
use tasks::Tasks;
use trees::Trees;
use work::{Savers, Work};

/// How long an orderly stop waits for the last write. A disk that is slower than this is stuck.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// The owner's end of the worker.
pub struct Worker {
    inbox: Arc<Inbox>,
    /// Says what is not saved when the thread ends in order, and hangs up without a word otherwise.
    done: Receiver<Vec<&'static str>>,
}

/// How the worker ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// Everything is saved.
    Saved,
    /// The thread has ended, but this is not saved, and the log says why.
    Unsaved(Vec<&'static str>),
    /// The thread is still busy and may yet write.
    Stuck,
}

impl Worker {
    /// Starts the thread. It looks through the public folder of `data_dir` and keeps the files beside it; of contents
    /// that were fetched, `store_limit` bytes at most. What it finds goes to `report`, which may wait and says
    /// [`ControlFlow::Break`] when nobody listens any more.
    ///
    /// # Errors
    /// If the system cannot start a thread.
    pub fn start(
        data_dir: &DataDir,
        store_limit: Option<u64>,
        report: impl FnMut(Command) -> ControlFlow<()> + Send + 'static,
    ) -> io::Result<Worker> {
        let inbox = Arc::new(Inbox::default());
        let (end, done) = queue(1);
        let (folder, index) = (Folder::new(data_dir.public()), Index::new(data_dir.hashes_file()));
        let trees = Trees::new(TreeFolder::new(data_dir.trees()));
        let savers = Savers {
            peers: Saver::new(data_dir.peers_file(), "peers"),
            people: Saver::new(data_dir.people_file(), "names of people"),
            followed: Saver::new(data_dir.followed_file(), "titles"),
            group: Saver::new(data_dir.group_file(), "times of lines to groups"),
        };
        let tasks = Tasks::new(data_dir.parts());
        let mut work = Work::new(inbox.clone(), folder, index, trees, savers, tasks, report);
        work.limit_store(store_limit);
        // Whoever does not listen to the end does not care how it was.
        thread::Builder::new().name("worker".to_owned()).spawn(move || end.push(work.run()))?;
        Ok(Worker { inbox, done })
    }

    /// Writes these peers to the peers file, soon.
    pub fn save_peers(&self, peers: Vec<SocketAddr>) {
        self.inbox.change(|orders| orders.save = Some(peers));
    }

    /// Writes this text to the file about what is kept up to date, soon.
    pub fn save_followed(&self, text: String) {
        self.inbox.change(|orders| orders.save_followed = Some(text));
    }

    /// Writes this text to the file with the names of keys, soon.
    pub fn save_people(&self, text: String) {
        self.inbox.change(|orders| orders.save_people = Some(text));
    }

    /// Writes what is remembered of group chat, soon; what was written is reported as [`Command::GroupSaved`].
    pub fn save_group(&self, memory: GroupMemory) {
        self.inbox.change(|orders| orders.save_group = Some(memory));
    }

    /// Hashes the file of this name again, even if it looks as it did.
    pub fn look_again(&self, name: String) {
        self.inbox.change(|orders| {
            if orders.look_again.len() < SHARED_FILES_MAX {
                orders.look_again.insert(name);
            }
        });
    }

    /// Looks through the folders, at once.
    pub fn look(&self) {
        self.inbox.change(|orders| orders.look = true);
    }

    /// Finds out what is there of a content, and reports [`Command::Fetch`] with it.
    pub fn prepare(&self, id: ContentId, patience: Duration) {
        self.change_content(id, |orders| orders.prepare = Some(patience));
    }

    /// An attempt to fetch a content failed: perhaps what is written down about its size is a lie.
    pub fn doubt(&self, id: ContentId) {
        self.change_content(id, |orders| orders.doubt = true);
    }

    /// Forgets what is there of a content.
    pub fn discard(&self, id: ContentId) {
        self.change_content(id, |orders| *orders = ContentOrders { discard: true, ..ContentOrders::default() });
    }

    /// Hashes a content that is being fetched as far as it has come, so that little is left to do in the end; or no
    /// longer.
    pub fn follow(&self, id: ContentId, front: Option<Front>) {
        self.change_content(id, |orders| orders.follow = Some(front));
    }

    /// Checks a content all of which is there, as far as that has not been done, makes it last, and reports
    /// [`Command::Settled`]. One that `is_taken` stays where it came and is not shared.
    pub fn settle(&self, id: ContentId, whole: Front, is_taken: bool) {
        self.change_content(id, |orders| orders.settle = Some((whole, is_taken)));
    }

    fn change_content(&self, id: ContentId, change: impl FnOnce(&mut ContentOrders)) {
        self.inbox.change(|orders| change(orders.contents.get_or_insert_with(id, ContentOrders::default)));
    }

    /// Writes these peers, and waits until the thread has ended; not for ever.
    pub fn stop(self, peers: Option<Vec<SocketAddr>>) -> Ended {
        self.inbox.change(|orders| {
            orders.save = peers.or(orders.save.take());
            orders.is_stopping = true;
        });
        match self.done.pop_within(STOP_PATIENCE) {
            Ok(unsaved) if unsaved.is_empty() => Ended::Saved,
            Ok(unsaved) => Ended::Unsaved(unsaved),
            Err(Nothing::Ever) => Ended::Unsaved(vec!["newest changes"]),
            Err(Nothing::Yet) => Ended::Stuck,
        }
    }
}
