//! Writing a small file that somebody else keeps up to date, again and again until it works: the peers, or the names.
//!
//! Whoever has changed something says what to save, and not again. A disk may be full for an hour, so what could not be
//! written is kept, the newest text alone, and tried again now and then. The user is told once, until it works, and
//! once more in the end.

use super::index::now;
use crate::data_dir::write_atomically;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The least time until what could not be saved is tried again: as often as the node saves a changing set.
const PAUSE: Duration = Duration::from_secs(30);

/// A file, and what is still to be written to it.
pub(super) struct Saver {
    path: PathBuf,
    /// What is in it, in a word for the user.
    pub(super) what: &'static str,
    unsaved: Option<String>,
    last_try: Option<Instant>,
    /// Whether the user has been told about the present trouble.
    has_warned: bool,
}

impl Saver {
    /// Saves to the file at `path`; the user calls what is in it so.
    pub(super) fn new(path: PathBuf, what: &'static str) -> Saver {
        Saver { path, what, unsaved: None, last_try: None, has_warned: false }
    }

    /// Saves this text in place of all that was to be saved before; or else tries again what could not be saved.
    pub(super) fn take(&mut self, order: Option<String>) {
        match order {
            Some(text) => self.save(text),
            None => self.retry(),
        }
    }

    fn save(&mut self, text: String) {
        self.unsaved = Some(text);
        self.flush();
    }

    /// Tries again what could not be saved, but not too often.
    fn retry(&mut self) {
        if self.unsaved.is_some() && self.last_try.is_none_or(|last| now().saturating_duration_since(last) >= PAUSE) {
            self.flush();
        }
    }

    /// Whether nothing is left to be saved.
    pub(super) fn is_saved(&self) -> bool {
        self.unsaved.is_none()
    }

    /// There will be no other time, so the user is told once more what cannot be saved.
    pub(super) fn expect_end(&mut self) {
        self.has_warned = false;
    }

    /// Tries again what could not be saved; true if nothing is left.
    pub(super) fn flush(&mut self) -> bool {
        let Some(text) = &self.unsaved else { return true };
        let what = self.what;
        self.last_try = Some(now());
        match write_atomically(&self.path, text.as_bytes()) {
            Ok(()) => {
                if self.has_warned {
                    log::info!("the {what} are saved again");
                }
                self.unsaved = None;
            }
            Err(error) if !self.has_warned => {
                log::warn!("cannot save the {what} to {}: {error}; it is as it was", self.path.display());
            }
            Err(error) => log::debug!("cannot save the {what} to {}: {error}", self.path.display()),
        }
        self.has_warned = self.unsaved.is_some();
        !self.has_warned
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_dir::render_peers;
    use std::fs;
    use std::net::SocketAddr;

    fn peers(port: u16) -> String {
        render_peers(&[SocketAddr::from(([192, 0, 2, 1], port))])
    }

    #[test]
    fn what_could_not_be_saved_is_saved_later_the_newest_set_alone_and_said_once() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("peers.json");
        let obstacle = scratch.path().join("peers.json.tmp");
        fs::create_dir(&obstacle).unwrap();
        let mut saver = Saver::new(path.clone(), "peers");
        for port in [1_001, 1_002] {
            saver.save(peers(port));
            assert!(!path.exists() && saver.has_warned);
        }
        fs::remove_dir(&obstacle).unwrap();
        saver.retry();
        assert!(!path.exists(), "it has only just been tried");
        saver.last_try = saver.last_try.and_then(|last| last.checked_sub(PAUSE));
        saver.retry();
        assert_eq!(fs::read_to_string(&path).unwrap(), peers(1_002));
        assert!(!saver.has_warned);
    }

    #[test]
    fn what_is_saved_is_not_written_again() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("peers.json");
        let mut saver = Saver::new(path.clone(), "peers");
        saver.save(peers(1_001));
        fs::remove_file(&path).unwrap();
        saver.last_try = None;
        saver.retry();
        assert!(saver.flush() && !path.exists());
    }
}
