//! What people call keys: the names that the user gave them, and the shortest honest form of those that have none; and
//! whom the user ignores, by a name or without.
//!
//! A name is the user's own word and nobody else's: nothing that comes from the network ever becomes one. It cannot be
//! taken for a key, the beginning of one, or an address, and it is safe for a terminal. A key without a name is shown
//! by its first digits, as many as tell it from every other key that is known here. This module keeps no file and
//! knows no node; which keys are known comes in with the call.

use crate::identity::PublicKey;
use crate::json;
use crate::node::IGNORED_KEYS_MAX;
use crate::sorted::SortedSet;
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

/// What stands before a slash in ids and is nobody: of contents, and of streams; the group that is always there; and
/// who is meant where our own lines are shown.
const RESERVED: [&str; 5] = ["blake3", "b3", "stream", crate::request::MAIN_GROUP, "me"];

/// The digits of a whole key.
const KEY_DIGITS: usize = 64;

/// How much of a mistake is shown, in characters.
const MISTAKE_SHOWN_CHARS: usize = 60;

/// How many bytes an entry of the file has at most: a name of 4 bytes a character, a key, and what is around them.
const ENTRY_MAX_BYTES: usize = 4 * NAME_MAX_CHARS + KEY_DIGITS + 48;

/// The longest file that is read: four times what is written, for those who edit it.
pub const FILE_MAX_BYTES: u64 = (4 * (NAMES_MAX + IGNORED_KEYS_MAX) * ENTRY_MAX_BYTES) as u64;

/// Keys that are known, to tell one from.
pub type Known<'a> = &'a mut dyn Iterator<Item = PublicKey>;

/// The address book: one name for a key, one key for a name; and whom the user ignores.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressBook {
    /// In the order in which they were given.
    entries: Vec<(PublicKey, String)>,
    /// Whom the user ignores, with a name or without; as many as the node can ignore.
    pub ignored: SortedSet<PublicKey>,
}

impl AddressBook {
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

    /// All names with their keys, in the order in which they were given, and whether these are ignored; and those who
    /// are ignored and have none.
    pub fn iter(&self) -> impl Iterator<Item = (PublicKey, &str, bool)> {
        let named = self.entries.iter().map(|(key, name)| (*key, name.as_str(), self.ignored.contains(key)));
        let others = self.ignored.iter().filter(|key| self.of(key).is_none());
        named.chain(others.map(|key| (*key, "", true)))
    }

    /// All keys in the book, some of them twice.
    fn keys(&self) -> impl Iterator<Item = PublicKey> {
        self.entries.iter().map(|(key, _)| *key).chain(self.ignored.iter().copied())
    }

    /// The key as a person is shown it: its name, or else its beginning.
    pub fn show(&self, key: &PublicKey, known: Known<'_>) -> String {
        self.of(key).map_or_else(|| self.shorten(key, known), str::to_owned)
    }

    /// The beginning of a key and `…`: so much of it as no other key begins with that is known or has a name.
    pub fn shorten(&self, key: &PublicKey, known: Known<'_>) -> String {
        let others = known.chain(self.keys()).filter(|other| other != key);
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
            return Err(format!(
                "nobody is called '{shown}'; 64 hex digits are a key, and /name, typed into the node or its chat, lists the names"
            ));
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
        let mut all = known.chain(self.keys());
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

    /// What the text of a file says; what is no name of a key, or one for the second time, is stepped over, so that a
    /// person may edit it. `None` if it is damaged.
    pub fn parse(bytes: &[u8]) -> Option<AddressBook> {
        #[derive(Deserialize)]
        struct File<'a> {
            #[serde(borrow)]
            people: Vec<&'a RawValue>,
        }
        #[derive(Deserialize)]
        struct Entry {
            name: String,
            key: String,
            #[serde(default)]
            ignored: bool,
        }
        let file: File<'_> = json::parse(bytes)?;
        let mut book = AddressBook::default();
        for Entry { name, key, ignored } in file.people.iter().filter_map(|raw| serde_json::from_str(raw.get()).ok()) {
            let Ok(key) = PublicKey::parse(&key) else { continue };
            if book.of(&key).is_none() {
                let _ = book.give(key, &name);
            }
            if ignored && book.ignored.len() < IGNORED_KEYS_MAX {
                book.ignored.insert(key);
            }
        }
        Some(book)
    }

    /// The text of the file: `{"people":[{"name":"…","key":"…"},…]}`, a line each; of who is ignored with
    /// `"ignored":true`, and an empty name if there is none.
    pub fn render(&self) -> String {
        let mut text = "{\"people\":[".to_owned();
        for (n, (key, name, is_ignored)) in self.iter().enumerate() {
            let ignored = if is_ignored { ",\"ignored\":true" } else { "" };
            // Nothing that may be in a name has to be escaped; writing to a string cannot fail.
            let comma = if n == 0 { "" } else { "," };
            let _ = write!(text, "{comma}\n  {{\"name\":\"{name}\",\"key\":\"{key}\"{ignored}}}");
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
    if RESERVED.contains(&name.to_ascii_lowercase().as_str()) {
        return Err(format!("'{shown}' is no name: it stands for something else"));
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
mod tests {
    use super::*;
    use crate::identity::Identity;
    use std::iter::empty;

    fn key(n: u8) -> PublicKey {
        Identity::from_seed(&[n; 32]).public()
    }

    /// Two keys that begin with the same digits, and with how many.
    fn alike() -> (PublicKey, PublicKey, usize) {
        let keys: Vec<_> = (0..=255).map(key).collect();
        let pairs = keys.iter().enumerate().flat_map(|(n, one)| keys[..n].iter().map(move |other| (*one, *other)));
        let (one, other) = pairs.max_by_key(|(one, other)| common_digits(one, other)).unwrap();
        (one, other, common_digits(&one, &other))
    }

    #[test]
    fn a_name_is_shown_in_place_of_its_key_and_finds_it_in_either_case() {
        let mut book = AddressBook::default();
        assert_eq!(book.give(key(1), "Alice"), Ok(None));
        assert_eq!(book.show(&key(1), &mut empty()), "Alice");
        for text in ["Alice", "alice", "ALICE"] {
            assert_eq!(book.find(text, &mut empty()), Ok(key(1)), "{text}");
        }
        assert_eq!(book.give(key(1), "alice.2"), Ok(Some("Alice".to_owned())));
        assert!(book.find("Alice", &mut empty()).unwrap_err().contains("nobody is called 'Alice'"));
        assert_eq!(book.take(&key(1)), Some("alice.2".to_owned()));
        assert_eq!((book.take(&key(1)), book.iter().count()), (None, 0));
    }

    #[test]
    fn a_name_belongs_to_one_key() {
        let mut book = AddressBook::default();
        book.give(key(1), "alice").unwrap();
        for other in ["alice", "ALICE"] {
            assert!(book.give(key(2), other).unwrap_err().starts_with("alice is what "), "{other}");
        }
        assert_eq!(book.give(key(1), "alice"), Ok(None), "it is no change");
        assert_eq!(book.of(&key(2)), None);
    }

    #[test]
    fn what_could_be_taken_for_something_else_is_no_name() {
        let long = "x".repeat(NAME_MAX_CHARS + 1);
        let whole = key(1).to_string();
        let wrong = [
            "",
            " ",
            "al ice",
            "1alice",
            "0xabc",
            "192.0.2.1",
            "::1",
            "abcd::1",
            "a:1",
            "[a]",
            "a/b",
            "/a",
            "a>",
            "a(b)",
            "a\u{1b}[2J",
            "a\nb",
            "a\u{202e}b",
            "a\u{200b}",
            "\u{3164}a",
            "\u{115f}",
            "deadbeef",
            "b3",
            "Blake3",
            "stream",
            "Main",
            "me",
            "ME",
            "DEADBEEF0",
            &whole,
            &long,
            "-a",
            ".a",
            "a,b",
            "a'b",
            "a\"b",
            "a\\b",
            "…",
        ];
        let mut book = AddressBook::default();
        for name in wrong {
            let why = book.give(key(1), name).unwrap_err();
            assert!(!why.contains(['\n', '\u{1b}', '\u{202e}']), "{name:?}: {why}");
        }
        for name in ["a", "cafe", "Jürgen", "дедушка", "太郎", "alice-2_home.example", &"ü".repeat(NAME_MAX_CHARS)]
        {
            book.give(key(1), name).unwrap();
        }
    }

    #[test]
    fn a_key_without_a_name_is_shown_with_as_many_digits_as_tell_it_from_the_others() {
        let (one, other, common) = alike();
        assert!(common >= 3, "among 256 keys two begin alike");
        let book = AddressBook::default();
        assert_eq!(book.show(&one, &mut [other].into_iter()), format!("{one:.16}…"), "they differ sooner");
        // Two keys that begin with the same twenty digits cannot be made here; that the digits are counted can be seen.
        assert_eq!(common_digits(&one, &one), KEY_DIGITS);
        assert_eq!(&one.to_string()[..common], &other.to_string()[..common]);
        assert_ne!(&one.to_string()[..=common], &other.to_string()[..=common]);
    }

    #[test]
    fn the_beginning_of_one_known_key_is_enough() {
        let book = AddressBook::default();
        let all = || (0..=255).map(key);
        let text = key(7).to_string();
        for typed in
            [&text[..], &text[..8], &text[..63], &format!("0x{text}"), &text.to_uppercase(), &format!("{text:.16}…")]
        {
            assert_eq!(book.find(typed, &mut all()), Ok(key(7)), "{typed}");
        }
        // It is one key, however often it is known.
        assert_eq!(book.find(&text[..8], &mut all().chain(all())), Ok(key(7)));
        assert_eq!(book.find(&text, &mut empty()), Ok(key(7)), "a whole one need not be known");
        for (typed, part) in [
            (&text[..7], "too short for a key: type 8"),
            (&text[..8], "no key that is known here begins with"),
            (&format!("{text}a"), "65 hex digits are too many"),
            ("bob", "nobody is called 'bob'"),
            ("bob", "/name, typed into the node or its chat, lists the names"),
            ("", "too short"),
            (&"0".repeat(64), "cannot be anybody's key"),
        ] {
            let why = book.find(typed, &mut empty()).unwrap_err();
            assert!(why.contains(part), "{typed}: {why}");
        }
    }

    #[test]
    fn two_known_keys_that_begin_so_are_not_guessed_between() {
        let (one, other, common) = alike();
        let book = AddressBook::default();
        let typed = &one.to_string()[..common];
        let why = book.find_beginning(typed, &mut [one, other].into_iter()).unwrap_err();
        assert!(why.contains("more than one key"), "{why}");
        assert_eq!(book.find_beginning(&one.to_string()[..=common], &mut [one, other].into_iter()), Ok(one));
    }

    #[test]
    fn there_is_a_last_name() {
        let mut book = AddressBook::default();
        let many = |n: usize| {
            let mut seed = [9; 32];
            seed[..8].copy_from_slice(&n.to_le_bytes());
            Identity::from_seed(&seed).public()
        };
        for n in 0..NAMES_MAX {
            book.give(many(n), &format!("{}{n:04}", "ü".repeat(NAME_MAX_CHARS - 4))).unwrap();
        }
        book.ignored.extend((0..IGNORED_KEYS_MAX).map(|n| many(n + NAMES_MAX / 2)));
        assert!(book.give(many(NAMES_MAX), "one-too-many").unwrap_err().contains("1024 names already"));
        assert_eq!(book.give(many(0), "another"), Ok(Some(format!("{}0000", "ü".repeat(NAME_MAX_CHARS - 4)))));
        let text = book.render();
        assert!(text.len() as u64 <= FILE_MAX_BYTES / 4);
        assert_eq!(AddressBook::parse(text.as_bytes()).as_ref(), Some(&book));
        // A file that somebody else has written says more.
        book.ignored.extend([many(2 * NAMES_MAX)]);
        let read = AddressBook::parse(book.render().as_bytes()).unwrap();
        assert_eq!(read.ignored.len(), IGNORED_KEYS_MAX);
    }

    #[test]
    fn who_is_ignored_is_kept_with_a_name_or_without_and_found_by_the_beginning_of_the_key() {
        let mut book = AddressBook::default();
        book.give(key(1), "alice").unwrap();
        book.give(key(2), "bob").unwrap();
        book.ignored.extend([key(2), key(3)]);
        let read = AddressBook::parse(book.render().as_bytes()).unwrap();
        assert_eq!(read, book);
        let people = [(key(1), "alice", false), (key(2), "bob", true), (key(3), "", true)];
        assert_eq!(read.iter().collect::<Vec<_>>(), people);
        assert_eq!(read.find(&key(3).to_string()[..8], &mut empty()), Ok(key(3)));
        // The name goes, and who had it is ignored still.
        book.take(&key(2));
        assert_eq!(AddressBook::parse(book.render().as_bytes()), Some(book));
    }

    #[test]
    fn what_is_no_entry_is_stepped_over_and_what_is_no_file_is_damaged() {
        let (one, two) = (key(1), key(2));
        let text = format!(
            r#"{{"people":[7,{{"name":"a b","key":"{one}"}},{{"name":"alice","key":"0x{one}","note":"mine"}},
            {{"name":"again","key":"{one}"}},{{"name":"ALICE","key":"{two}"}},{{"name":"x","key":"y"}}]}}"#
        );
        let book = AddressBook::parse(text.as_bytes()).unwrap();
        assert_eq!(book.iter().collect::<Vec<_>>(), [(one, "alice", false)]);
        assert_eq!(AddressBook::parse(AddressBook::default().render().as_bytes()), Some(AddressBook::default()));
        for damage in ["", "[]", "{}", "{\"people\":{}}", "{\"people\":[", "\u{fffd}"] {
            assert_eq!(AddressBook::parse(damage.as_bytes()), None, "{damage}");
        }
    }
}
