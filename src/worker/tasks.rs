//! What is to be done about contents that are being fetched: look at what is there, read what comes, make last what is
//! whole. Each a chunk at a time, as with the files of the public folder, and before those: somebody is
//! waiting.

use super::journal::Journal;
use super::resume::{self, Scan};
use super::settle::{self, Settled, Settling, failure};
use super::{ContentOrders, Front};
use crate::content::{ContentId, SharedFile, StoreFolder, TreeFolder};
use crate::node::Command;
use crate::sorted::SortedMap;
use crate::transfer::Failure;
use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// What comes next, by turns.
enum Task {
    Prepare(ContentId, Duration),
    Scan(Scan),
    /// The last says whether it is left where it came.
    Settle(ContentId, Front, bool),
    Settling(Box<Settling>, bool),
}

impl Task {
    /// Whether it finds out what is there of this content.
    fn looks_for(&self, sought: &ContentId) -> bool {
        match self {
            Task::Prepare(id, _) | Task::Scan(Scan { id, .. }) => id == sought,
            Task::Settle(..) | Task::Settling(..) => false,
        }
    }
}

/// What has come of a task.
pub(super) struct Done {
    /// A content that is in the store now.
    pub(super) shared: Option<SharedFile>,
    /// What the node is to be told afterwards.
    pub(super) command: Command,
}

/// The tasks. Each content has one at a time, and the event loop knows a few contents.
pub(super) struct Tasks {
    parts: PathBuf,
    waiting: VecDeque<Task>,
    /// Contents that are read while they come: those that are being fetched.
    followed: SortedMap<ContentId, Settling>,
}

impl Tasks {
    /// No tasks; parts of contents lie in this folder.
    pub(super) fn new(parts: PathBuf) -> Tasks {
        Tasks { parts, waiting: VecDeque::new(), followed: SortedMap::new() }
    }

    /// Removes what was left behind long ago.
    pub(super) fn sweep(&self, store: &StoreFolder) {
        let now = time_of_day();
        for (what, swept) in
            [("parts of contents", resume::sweep(&self.parts, now)), ("unfinished copies", store.sweep(now))]
        {
            if let Err(error) = swept {
                log::warn!("cannot remove old {what}: {error}");
            }
        }
    }

    /// Takes orders. What is short is done at once.
    pub(super) fn take(&mut self, orders: SortedMap<ContentId, ContentOrders>, trees: &TreeFolder) {
        for (id, ContentOrders { doubt, discard, follow, settle, prepare }) in orders {
            let is_doubted = if doubt { Journal::doubt(&self.parts, &id) } else { Ok(()) };
            if let Err(error) =
                is_doubted.and_then(|()| if discard { resume::discard(&self.parts, &id) } else { Ok(()) })
            {
                log::warn!("cannot keep account of what is there of {id}: {error}");
            }
            if discard || prepare.is_some() {
                // Whoever asked before has gone, and what was seen may not be there any more.
                self.waiting.retain(|task| !task.looks_for(&id));
            }
            if let Some(front) = follow {
                self.follow(id, front, trees);
            }
            self.waiting.extend(settle.map(|(whole, is_taken)| Task::Settle(id, whole, is_taken)));
            self.waiting.extend(prepare.map(|patience| Task::Prepare(id, patience)));
        }
    }

    /// Reads a content as far as it has come, from now on; or no longer.
    fn follow(&mut self, id: ContentId, front: Option<Front>, trees: &TreeFolder) {
        let Some(front) = front else {
            self.followed.remove(&id);
            return;
        };
        if self.followed.get_mut(&id).is_some_and(|settling| settling.go_on(front)) {
            return;
        }
        self.followed.remove(&id);
        match Settling::begin(&self.parts, id, front, trees) {
            Ok(settling) => _ = self.followed.insert(id, settling),
            // It is read in the end, and then whatever is wrong shows.
            Err(error) => log::debug!("cannot read {id} while it comes: {error}"),
        }
    }

    /// What has been read of a content so far, if that is what it now is; or the beginning of reading it.
    fn settling(&mut self, id: ContentId, whole: Front, trees: &TreeFolder) -> io::Result<Settling> {
        let known = self.followed.remove(&id).and_then(|mut settling| settling.go_on(whole).then_some(settling));
        match known {
            Some(settling) => Ok(settling),
            None => Settling::begin(&self.parts, id, whole, trees),
        }
    }

    /// The contents that are to be looked for.
    pub(super) fn sought(&self) -> impl Iterator<Item = ContentId> {
        self.waiting.iter().filter_map(|task| match task {
            Task::Prepare(id, _) => Some(*id),
            _ => None,
        })
    }

    /// The task that comes next, but for looking for those that are `held_up`.
    fn next(&self, held_up: &[ContentId]) -> Option<usize> {
        self.waiting.iter().position(|task| !matches!(task, Task::Prepare(id, _) if held_up.contains(id)))
    }

    /// Whether there is something to do, but for looking for those that are `held_up`.
    pub(super) fn has_work(&self, held_up: &[ContentId]) -> bool {
        self.next(held_up).is_some() || self.followed.values().any(Settling::has_work)
    }

    /// Reads a chunk of a content that is coming.
    fn read_followed(&mut self) {
        let Some((id, settling)) = self.followed.iter_mut().find(|(_, settling)| settling.has_work()) else { return };
        let id = *id;
        if let Err(error) = settling.read() {
            log::debug!("cannot read {id} while it comes: {error}");
            self.followed.remove(&id);
        }
    }

    /// Goes one step further with one task, but for looking for those that are `held_up`.
    pub(super) fn advance(&mut self, held_up: &[ContentId], trees: &TreeFolder, store: &StoreFolder) -> Option<Done> {
        let Some(task) = self.next(held_up).and_then(|place| self.waiting.remove(place)) else {
            self.read_followed();
            return None;
        };
        match task {
            Task::Prepare(id, patience) => {
                self.waiting.push_front(Task::Scan(Scan::begin(&self.parts, id, patience)));
                None
            }
            Task::Scan(mut scan) => match scan.advance() {
                Some(held) => {
                    let command = Command::Fetch { id: scan.id, held, patience: scan.patience };
                    Some(Done { shared: None, command })
                }
                None => {
                    self.waiting.push_back(Task::Scan(scan));
                    None
                }
            },
            // Each block of it was checked when it came, or when it was found.
            Task::Settle(id @ ContentId::Blake3(_), whole, true) => match settle::leave(&self.parts, &id, whole.size) {
                Ok(()) => Some(Done { shared: None, command: Command::Settled { id, outcome: Ok(true) } }),
                Err(error) => Some(failed(id, &error)),
            },
            Task::Settle(id, whole, is_taken) => match self.settling(id, whole, trees) {
                Ok(settling) => {
                    self.waiting.push_front(Task::Settling(Box::new(settling), is_taken));
                    None
                }
                Err(error) => Some(failed(id, &error)),
            },
            Task::Settling(mut settling, is_taken) => {
                let (shared, outcome) = match settling.advance((!is_taken).then_some(store)) {
                    Ok(Settled::More) => {
                        self.waiting.push_back(Task::Settling(settling, is_taken));
                        return None;
                    }
                    Ok(Settled::Left) => (None, Ok(true)),
                    Ok(Settled::Kept(file)) => (Some(file), Ok(true)),
                    Ok(Settled::Wrong) => {
                        // Nobody is to go on from there.
                        let _ = std::fs::remove_file(super::journal::path(&self.parts, &settling.id));
                        (None, Ok(false))
                    }
                    Err(error) => return Some(failed(settling.id, &error)),
                };
                Some(Done { shared, command: Command::Settled { id: settling.id, outcome } })
            }
        }
    }
}

/// A content could not be made to last.
fn failed(id: ContentId, error: &io::Error) -> Done {
    let why: Failure = failure(error);
    log::warn!("cannot keep {id}: {error}");
    Done { shared: None, command: Command::Settled { id, outcome: Err(why) } }
}

/// The time of day, with which the ages of files are compared.
#[expect(clippy::disallowed_methods, reason = "this is compared with what the file system says of a file")]
fn time_of_day() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::{Part, Ranges, part_path};

    #[test]
    fn who_asks_anew_is_told_once_and_of_nothing_that_was_thrown_away_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let parts = folder.path().to_owned();
        let (trees, store) = (TreeFolder::new(parts.join("trees")), StoreFolder::beside(&parts.join("public")));
        let id = ContentId::Sha256([1; 32]);
        std::fs::write(part_path(&parts, &id, Part::Content), [7; 100]).unwrap();
        let mut content = Ranges::default();
        content.insert(0..100).unwrap();
        Journal { size: Some(200), content, ..Journal::default() }.save(&parts, &id).unwrap();
        let prepare = |discard| {
            let prepare = Some(Duration::from_secs(1));
            SortedMap::from_iter([(id, ContentOrders { discard, prepare, ..ContentOrders::default() })])
        };
        let mut tasks = Tasks::new(parts);
        tasks.take(prepare(false), &trees);
        // It has begun to look.
        assert!(tasks.advance(&[], &trees, &store).is_none());
        tasks.take(prepare(true), &trees);
        let mut told = Vec::new();
        while tasks.has_work(&[]) {
            told.extend(tasks.advance(&[], &trees, &store).map(|done| done.command));
        }
        assert!(matches!(&told[..], [Command::Fetch { held, .. }] if held.content.is_empty()), "{told:?}");
    }
}
