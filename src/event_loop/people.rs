//! The address book: what the user calls keys, and how they are shown because of it.

use super::EventLoop;
use crate::identity::PublicKey;
use crate::request::{Answer, NameLine};

impl EventLoop {
    /// A key as the user is shown it.
    pub(super) fn show_key(&self, key: &PublicKey) -> String {
        self.names.show(key, &mut self.node.known_keys())
    }

    /// The key that the user means.
    ///
    /// # Errors
    /// One sentence for the user.
    pub(super) fn find_key(&self, text: &str) -> Result<PublicKey, String> {
        self.names.find(text, &mut self.node.known_keys())
    }

    /// Calls a key so from now on.
    pub(super) fn name(&mut self, text: &str, name: &str) -> Answer {
        let named = self.find_key(text).and_then(|key| {
            if key == self.node.public_key() {
                return Err("that is the key of this node".to_owned());
            }
            self.names.give(key, name).map(|before| (key, before))
        });
        match named {
            Ok((key, before)) => {
                self.worker.save_names(self.names.render());
                let before = before.map_or_else(String::new, |before| format!(" and no longer {before}"));
                Answer::Done(format!("{key} is called {name} now{before}"))
            }
            Err(why) => Answer::Refused(why),
        }
    }

    /// Takes a name away.
    pub(super) fn unname(&mut self, text: &str) -> Answer {
        let key = match self.find_key(text) {
            Ok(key) => key,
            Err(why) => return Answer::Refused(why),
        };
        match self.names.take(&key) {
            Some(name) => {
                self.worker.save_names(self.names.render());
                Answer::Done(format!("{key} is called {name} no longer"))
            }
            None => Answer::Refused(format!("{} has no name", self.show_key(&key))),
        }
    }

    /// All names.
    pub(super) fn name_lines(&self) -> Vec<NameLine> {
        self.names.iter().map(|(key, name)| NameLine { name: name.to_owned(), key: key.to_string() }).collect()
    }
}
