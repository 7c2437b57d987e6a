//! What the worker's thread does: carry out orders, look, hash, report, wait, and all over again.
//!
//! It alone reads whole files. It keeps no order back: between any two chunks of a file it does what has been ordered.

use super::Inbox;
use super::folder::Folder;
use super::hash::{confirm, hash};
use super::index::{self, Index};
use crate::content::{SharedFile, Stamp};
use crate::data_dir::{render_peers, write_atomically};
use crate::node::Command;
use crate::terminal::printable;
use log::Level;
use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The pause between two looks at the folder. What looks the same twice in a row is taken as finished; after this pause
/// it is also old enough for its hash to be remembered (see [`index`]).
const PAUSE: Duration = Duration::from_millis(2_100);

/// What each file adds to the pause. Asking for its state takes about 2 µs, so looking costs 0.2 % of a processor.
const PAUSE_PER_FILE: Duration = Duration::from_millis(1);

/// How much of a file's name is logged, in characters.
const NAME_SHOWN_CHARS: usize = 100;

/// The thread's end of the worker.
pub(super) struct Work<R> {
    pub(super) inbox: Arc<Inbox>,
    pub(super) folder: Folder,
    pub(super) index: Index,
    pub(super) peers_file: PathBuf,
    pub(super) report: R,
}

impl<R: FnMut(Command) -> ControlFlow<()>> Work<R> {
    /// Works until told to stop, or until nobody listens any more.
    pub(super) fn run(&mut self) {
        loop {
            if self.obey().is_break() || self.look().is_break() {
                return;
            }
            let files = u32::try_from(self.folder.len()).unwrap_or(u32::MAX);
            self.inbox.wait(PAUSE + PAUSE_PER_FILE * files);
        }
    }

    /// Does what has been ordered; [`ControlFlow::Break`] if that is to stop.
    fn obey(&mut self) -> ControlFlow<()> {
        let orders = self.inbox.take();
        if let Some(peers) = orders.save
            && let Err(error) = write_atomically(&self.peers_file, render_peers(&peers).as_bytes())
        {
            log::warn!("cannot save the peers to {}: {error}", self.peers_file.display());
        }
        for name in orders.look_again {
            self.folder.forget(&name);
            self.index.forget(&name);
        }
        if orders.is_stopping { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Looks through the folder once and reports what is gone and what is new.
    fn look(&mut self) -> ControlFlow<()> {
        let level = if self.folder.is_new() { Level::Debug } else { Level::Info };
        let mut changes = self.folder.look();
        if !self.folder.is_new() {
            self.index.keep(|name, stamp| self.folder.has(name, stamp));
        }
        for name in changes.gone {
            log::info!("no longer sharing {}", printable(&name, NAME_SHOWN_CHARS));
            (self.report)(Command::Unshare(name))?;
        }
        let count = changes.settled.len();
        // What takes long to hash does not keep the rest waiting.
        changes.settled.sort_by_key(|(name, stamp)| (self.index.get(name, *stamp).is_none(), stamp.size));
        for (name, stamp) in changes.settled {
            self.share(name, stamp, level)?;
        }
        // At the start there may be thousands, so they are named to those only who want to know everything.
        if level == Level::Debug && count > 0 {
            log::info!("files shared from {}: {count}", self.folder.path().display());
        }
        self.index.save_sometimes();
        ControlFlow::Continue(())
    }

    fn share(&mut self, name: String, stamp: Stamp, level: Level) -> ControlFlow<()> {
        let mut is_stopping = false;
        match self.sha256(&name, stamp, &mut is_stopping) {
            Ok(Some(sha256)) => {
                log::log!(level, "sharing {} ({} bytes)", printable(&name, NAME_SHOWN_CHARS), stamp.size);
                self.folder.set_shared(&name, stamp);
                (self.report)(Command::Share(SharedFile { name, stamp, sha256 }))?;
            }
            Ok(None) => {}
            Err(error) => {
                log::warn!("cannot share {}: {error}", printable(&name, NAME_SHOWN_CHARS));
                self.folder.set_unreadable(&name, stamp);
            }
        }
        if is_stopping { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// The hash of a file that is in the state `stamp`: remembered, or taken, during which orders are carried out.
    fn sha256(&mut self, name: &str, stamp: Stamp, is_stopping: &mut bool) -> io::Result<Option<[u8; 32]>> {
        let path = self.folder.path().to_owned();
        if let Some(sha256) = self.index.get(name, stamp) {
            return confirm(&path, name, stamp).map(|is_same| is_same.then_some(sha256));
        }
        log::debug!("hashing {} ({} bytes)", printable(name, NAME_SHOWN_CHARS), stamp.size);
        let begun_ns = index::now_ns();
        let hashed = hash(&path, name, stamp, || {
            *is_stopping |= self.obey().is_break();
            self.index.save_sometimes();
            *is_stopping
        })?;
        if let Some(sha256) = hashed {
            self.index.add(SharedFile { name: name.to_owned(), stamp, sha256 }, begun_ns);
        }
        Ok(hashed)
    }
}
