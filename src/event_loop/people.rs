//! The address book: what the user calls keys, and how they are shown because of it.

use super::EventLoop;
use crate::identity::PublicKey;
use crate::node::Command;
use crate::request::{Answer, PersonLine, TypedTitle};
use crate::terminal::printable;
use crate::titles::Title;

impl EventLoop {
    /// A key as the user is shown it.
    pub(super) fn show_key(&self, key: &PublicKey) -> String {
        self.address_book.show(key, &mut self.node.known_keys())
    }

    /// The key that the user means.
    ///
    /// # Errors
    /// One sentence for the user.
    pub(super) fn find_key(&self, text: &str) -> Result<PublicKey, String> {
        self.address_book.find(text, &mut self.node.known_keys())
    }

    /// Which file the user means.
    ///
    /// # Errors
    /// One sentence for the user.
    pub(super) fn find_title(&self, typed: TypedTitle) -> Result<Title, String> {
        Ok(Title { key: self.find_key(&typed.whose)?, name: typed.name })
    }

    /// A file with a name as the user is shown it, safe for a terminal.
    pub(super) fn show_title(&self, title: &Title) -> String {
        format!("{}/{}", self.show_key(&title.key), printable(&title.name, usize::MAX))
    }

    /// Calls a key so from now on.
    pub(super) fn name_person(&mut self, text: &str, name: &str) -> Answer {
        let named = self.find_key(text).and_then(|key| {
            if key == self.node.public_key() {
                return Err("that is the key of this node".to_owned());
            }
            self.address_book.give(key, name).map(|before| (key, before))
        });
        match named {
            Ok((key, before)) => {
                self.worker.save_people(self.address_book.render());
                let before = before.map_or_else(String::new, |before| format!(" and no longer {before}"));
                Answer::Done(format!("{key} is called {name} now{before}"))
            }
            Err(why) => Answer::Refused(why),
        }
    }

    /// Takes a name away.
    pub(super) fn unname_person(&mut self, text: &str) -> Answer {
        let key = match self.find_key(text) {
            Ok(key) => key,
            Err(why) => return Answer::Refused(why),
        };
        match self.address_book.take(&key) {
            Some(name) => {
                self.worker.save_people(self.address_book.render());
                Answer::Done(format!("{key} is called {name} no longer"))
            }
            None => Answer::Refused(format!("{} has no name", self.show_key(&key))),
        }
    }

    /// Ignores somebody from now on, or no longer.
    pub(super) fn ignore_person(&mut self, text: &str, is_ignored: bool) -> Answer {
        let key = match self.find_key(text) {
            Ok(key) => key,
            Err(why) => return Answer::Refused(why),
        };
        let shown = self.show_key(&key);
        let (command, done) = match is_ignored {
            true => (Command::IgnoreAuthor(key), format!("ignoring {shown}")),
            false => (Command::HeedAuthor(key), format!("no longer ignoring {shown}")),
        };
        let answer = self.command(command, done);
        let ignored = &mut self.address_book.ignored;
        if matches!(answer, Answer::Done(_)) && if is_ignored { ignored.insert(key) } else { ignored.remove(&key) } {
            self.worker.save_people(self.address_book.render());
        }
        answer
    }

    /// All names, and whoever is ignored.
    pub(super) fn person_lines(&self) -> Vec<PersonLine> {
        let mut lines = Vec::new();
        for (key, name, is_ignored) in self.address_book.iter() {
            lines.push(PersonLine { name: name.to_owned(), key: key.to_string(), is_ignored });
        }
        lines
    }
}
