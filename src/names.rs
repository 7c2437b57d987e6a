//! What people call keys: the names that the user gave them, and the shortest honest form of those that have none.
//!
//! A name is the user's own word and nobody else's: nothing that comes from the network ever becomes one. It cannot be
//! taken for a key, the beginning of one, or an address, and it is safe for a terminal. A key without a name is shown
//! by its first digits, as many as tell it from every other key that is known here. This module keeps no file and
//! knows no node; which keys are known comes in with the call.

use crate::identity::PublicKey;
use crate::terminal::printable;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::fmt::Write;

/// How many keys can have a name: as many people as anybody knows; a file of 110 KB with the longest names.
pub const NAMES_MAX: usize = 1_024;

/// The longest name, in characters: what leaves room for a line of text beside it.
pub const NAME_MAX_CHARS: usize = 32;

/// With how many digits a key is shown at least. They are 64 bits: nobody makes a second key that begins with them, not
/// even with all the computers of a large company for a year. Half as many are imitated in minutes.
pub const SHOWN_DIGITS: usize = 16;

/// How many digits the user has to type at least. They are looked for among the keys that are known, and refused if
/// there are two: a key that was made to begin like another can be in the way of it, but not take its place.
pub const TYPED_DIGITS_MIN: usize = 8;

/// The digits of a whole key.
const KEY_DIGITS: usize = 64;

/// How much of a mistake is shown, in characters.
const MISTAKE_SHOWN_CHARS: usize = 60;

/// How many bytes an entry of the file has at most: a name of 4 bytes a character, a key, and what is around them.
const ENTRY_MAX_BYTES: usize = 4 * NAME_MAX_CHARS + KEY_DIGITS + 16;

/// The longest file that is read: four times what is written, for those who edit it.
pub const FILE_MAX_BYTES: u64 = (4 * NAMES_MAX * ENTRY_MAX_BYTES) as u64;

/// Keys that are known, to tell one from.
pub type Known<'a> = &'a mut dyn Iterator<Item = PublicKey>;

/// The address book: one name for a key, one key for a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// In the order in which they were given.
    entries: Vec<(PublicKey, String)>,
}

impl Names {
    /// Calls a key so from now on. Says what it was called before, if that was something else.
    ///
    /// # Errors
    /// One sentence for the user, if it is no name, somebody else's, or one too many.
    pub fn give(&mut self, key: PublicKey, name: &str) -> Result<Option<String>, String> {
        check(name)?;
        if let Some(other) = self.called(name).filter(|other| *other != key) {
            return Err(format!("{} is what {other:.SHOWN_DIGITS$}… is called; /unname it first", self.spelt(name)));
        }
        if let Some((_, before)) = self.entries.iter_mut().find(|(of, _)| *of == key) {
            let before = std::mem::replace(before, name.to_owned());
            return Ok(Some(before).filter(|before| before != name));
        }
        if self.entries.len() >= NAMES_MAX {
            return Err(format!("there are {NAMES_MAX} names already; /unname one first"));
        }
        self.entries.push((key, name.to_owned()));
        Ok(None)
    }

    /// Takes the name of a key away; says what it was.
    pub fn take(&mut self, key: &PublicKey) -> Option<String> {
        let place = self.entries.iter().position(|(of, _)| of == key)?;
        Some(self.entries.remove(place).1)
    }

    /// What a key is called, if the user has given it a name.
    pub fn of(&self, key: &PublicKey) -> Option<&str> {
        self.entries.iter().find(|(of, _)| of == key).map(|(_, name)| name.as_str())
    }

    /// Who is called so, in letters of either case.
    pub fn called(&self, name: &str) -> Option<PublicKey> {
        let name = name.to_lowercase();
        self.entries.iter().find(|(_, other)| other.to_lowercase() == name).map(|(key, _)| *key)
    }

    /// All names with their keys, in the order in which they were given.
    pub fn iter(&self) -> impl Iterator<Item = (PublicKey, &str)> {
        self.entries.iter().map(|(key, name)| (*key, name.as_str()))
    }

    /// The key as a person is shown it: its name, or else its beginning.
    pub fn show(&self, key: &PublicKey, known: Known<'_>) -> String {
        self.of(key).map_or_else(|| self.shorten(key, known), str::to_owned)
    }

    /// The beginning of a key and `…`: so much of it as no other key begins with that is known or has a name.
    pub fn shorten(&self, key: &PublicKey, known: Known<'_>) -> String {
        let others = known.chain(self.entries.iter().map(|(key, _)| *key)).filter(|other| other != key);
        let digits = others.map(|other| common_digits(key, &other) + 1).fold(SHOWN_DIGITS, usize::max);
        if digits >= KEY_DIGITS { key.to_string() } else { format!("{key:.digits$}…") }
    }

    /// The key that the user means: all its digits, its name, or the beginning of one that is known or has a name.
    ///
    /// # Errors
    /// One sentence for the user.
    pub fn find(&self, text: &str, known: Known<'_>) -> Result<PublicKey, String> {
        if let Some(key) = self.called(text) {
            return Ok(key);
        }
        let shown = printable(text, MISTAKE_SHOWN_CHARS);
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let digits = digits.strip_suffix('…').unwrap_or(digits).to_ascii_lowercase();
        let count = digits.len();
        if !is_hex(&digits) {
            return Err(format!("nobody is called '{shown}'; /name lists the names, and 64 hex digits are a key"));
        }
        match count {
            KEY_DIGITS => PublicKey::parse(&digits).map_err(|_| format!("'{shown}' cannot be anybody's key")),
            0..TYPED_DIGITS_MIN => Err(format!(
                "nobody is called '{shown}', and it is too short for a key: type {TYPED_DIGITS_MIN} of its digits or more"
            )),
            TYPED_DIGITS_MIN..KEY_DIGITS => self.find_beginning(&digits, known),
            _ => Err(format!("{count} hex digits are too many, {KEY_DIGITS} make a key")),
        }
    }

    /// The one key that begins so.
    fn find_beginning(&self, digits: &str, known: Known<'_>) -> Result<PublicKey, String> {
        let mut all = known.chain(self.entries.iter().map(|(key, _)| *key));
        let mut found = None;
        while let Some(key) = all.find(|key| key.to_string().starts_with(digits)) {
            if found.is_some_and(|found| found != key) {
                return Err(format!("more than one key that is known here begins with {digits}; type more of it"));
            }
            found = Some(key);
        }
        found.ok_or_else(|| format!("no key that is known here begins with {digits}; type all {KEY_DIGITS} digits"))
    }

    /// A name as it was given.
    fn spelt<'a>(&'a self, name: &'a str) -> &'a str {
        self.called(name).and_then(|key| self.of(&key)).unwrap_or(name)
    }

    /// The names in the text of a file; what is no name of a key, or one for the second time, is stepped over, so that
    /// a person may edit it. `None` if it is damaged.
    pub fn parse(bytes: &[u8]) -> Option<Names> {
        #[derive(Deserialize)]
        struct File<'a> {
            #[serde(borrow)]
            names: Vec<&'a RawValue>,
        }
        #[derive(Deserialize)]
        struct Entry {
            name: String,
            key: String,
        }
        let file: File<'_> = serde_json::from_slice(bytes).ok()?;
        let mut names = Names::default();
        for Entry { name, key } in file.names.iter().filter_map(|raw| serde_json::from_str(raw.get()).ok()) {
            let Ok(key) = PublicKey::parse(&key) else { continue };
            if names.of(&key).is_none() {
                let _ = names.give(key, &name);
            }
        }
        Some(names)
    }

    /// The text of the file: `{"names":[{"name":"…","key":"…"},…]}`, a line each.
    pub fn render(&self) -> String {
        let mut text = "{\"names\":[".to_owned();
        for (n, (key, name)) in self.entries.iter().enumerate() {
            // Nothing that may be in a name has to be escaped; writing to a string cannot fail.
            let _ = write!(text, "{}\n  {{\"name\":\"{name}\",\"key\":\"{key}\"}}", if n == 0 { "" } else { "," });
        }
        text.push_str("\n]}\n");
        text
    }
}

/// Whether this may be somebody's name.
///
/// # Errors
/// One sentence for the user.
fn check(name: &str) -> Result<(), String> {
    let shown = printable(name, MISTAKE_SHOWN_CHARS);
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.chars().count() > NAME_MAX_CHARS {
        return Err(format!("'{shown}' is too long for a name; {NAME_MAX_CHARS} characters are the limit"));
    }
    if !name.starts_with(char::is_alphabetic) || !name.chars().all(is_plain) || shown != name {
        return Err(format!("'{shown}' is no name: a letter, then letters, digits, hyphens, dots and underscores"));
    }
    if is_hex(name) && name.len() >= TYPED_DIGITS_MIN {
        return Err(format!("'{shown}' is no name: it looks like the beginning of a key"));
    }
    Ok(())
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// How many hex digits two keys have in common at their beginning.
fn common_digits(one: &PublicKey, other: &PublicKey) -> usize {
    let Some(place) = one.bytes().iter().zip(other.bytes()).position(|(a, b)| a != b) else { return KEY_DIGITS };
    let is_half = one.bytes()[place] >> 4 == other.bytes()[place] >> 4;
    2 * place + usize::from(is_half)
}

#[cfg(test)]
mod tests;
