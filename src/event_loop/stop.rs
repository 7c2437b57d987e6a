//! The end: saving, cleaning up, and what becomes known of it.

use super::EventLoop;
use crate::node::Command;
use crate::request::{Answer, counted};
use crate::worker::Ended;
use std::fmt;

/// What the next start will know.
#[derive(Debug, PartialEq, Eq)]
pub enum Remembered {
    /// Everything, so many peers among it.
    Saved(usize),
    /// All but this, of which it will know what was saved before.
    Unsaved(Vec<&'static str>),
    /// The disk was too slow to say.
    Unknown,
}

/// The line that a user sees last.
impl fmt::Display for Remembered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Remembered::Saved(count) => write!(f, "stopped; {} remembered", counted(*count as u64, "peer")),
            Remembered::Unsaved(what) => write!(f, "stopped, but could not save the {}", what.join(", the ")),
            Remembered::Unknown => f.write_str("stopped; the disk is too slow to say whether everything is saved"),
        }
    }
}

impl EventLoop {
    /// Saves and cleans up. Conversations are closed last, so that whoever asked us to stop learns when the next node
    /// can take our place.
    pub(super) fn stop(mut self) -> Remembered {
        self.note_progress(true);
        match self.messages_waiting() {
            0 => {}
            1 => log::warn!("a private message was not delivered and is lost"),
            waiting => log::warn!("{waiting} private messages were not delivered and are lost"),
        }
        self.end_streams();
        // What still waits for the disk has to be said now; the disk comes next.
        let _ = self.node.handle_command(self.clock.now(), Command::GroupSaved(u64::MAX));
        self.drain();
        if let Some(memory) = self.node.unsaved_group(self.clock.now()) {
            self.worker.save_group(memory);
        }
        let peers = self.node.saved_peers();
        let count = peers.len();
        self.worker.save_peers(peers);
        // The worker may be waiting for us to listen. It does what it was told before.
        drop(self.inbox);
        let remembered = match self.worker.stop(None) {
            Ended::Saved => Remembered::Saved(count),
            Ended::Unsaved(what) => Remembered::Unsaved(what),
            Ended::Stuck => Remembered::Unknown,
        };
        self.data_dir.remove_node_file();
        self.output.flush();
        drop(self.socket);
        if remembered == Remembered::Unknown {
            // A thread may still be writing. The system releases the lock when that has ended with the process.
            std::mem::forget(self.data_dir);
        } else {
            drop(self.data_dir);
        }
        if let (Some(control), true) = (&mut self.control, !matches!(remembered, Remembered::Saved(_))) {
            control.say_last(&Answer::Refused(remembered.to_string()));
        }
        drop(self.control);
        remembered
    }
}
