//! Names of files with names, as a person writes them, and what there is to say of one.

use super::mistake;
use crate::terminal::printable;
use crate::titles::{NAME_MAX_BYTES, is_name};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The name that is meant by a key and a slash alone, as in the wild.
const DEFAULT_NAME: &str = "index.html";

/// What stands before a slash in an id and is no key.
const ID_PREFIXES: [&str; 2] = ["blake3", "b3"];

/// Whether a name of a file is meant, and not an id.
pub fn is_title(text: &str) -> bool {
    text.split_once('/').is_some_and(|(before, _)| !ID_PREFIXES.contains(&before.to_ascii_lowercase().as_str()))
}

/// What somebody has given a name, as a person writes it: `KEY/NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypedTitle {
    /// All digits of a key, enough of them, or what the user calls it: the address book knows whose it is.
    pub whose: String,
    /// The name.
    pub name: String,
}

impl fmt::Display for TypedTitle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.whose, self.name)
    }
}

/// What `KEY/NAME` means; a key and a slash alone mean its `index.html`.
///
/// # Errors
/// One sentence for the user.
pub fn typed_title(text: &str) -> Result<TypedTitle, String> {
    let (whose, name) = text.split_once('/').unwrap_or((text, ""));
    let name = if name.is_empty() { DEFAULT_NAME } else { name };
    if is_name(name) {
        return Ok(TypedTitle { whose: whose.to_owned(), name: name.to_owned() });
    }
    Err(format!("'{}' is no name: 1 to {NAME_MAX_BYTES} bytes of text without control characters", mistake(name)))
}

/// What is known of a file with a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TitleLine {
    /// Whose it is, in hex.
    pub key: String,
    /// Its name, as it came.
    pub name: String,
    /// What it is to the user: `published`, `withdrawn`, `followed`, or `sought`.
    pub standing: String,
    /// Whether its newest version is being looked for.
    pub is_sought: bool,
    /// The number of the newest version that is known.
    pub seq: Option<u64>,
    /// The SHA-256 of the content of that version, in hex.
    pub sha256: Option<String>,
    /// What is wrong, if something is; a sentence.
    pub trouble: Option<String>,
}

impl fmt::Display for TitleLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sha256 = self.sha256.as_deref().unwrap_or("-");
        let seq = self.seq.map_or_else(|| "-".to_owned(), |seq| seq.to_string());
        write!(f, "{:9}  {seq:>10}  {sha256:64}  {}/{}", self.standing, self.key, printable(&self.name, usize::MAX))?;
        self.trouble.as_ref().map_or(Ok(()), |trouble| write!(f, "\n  {}", printable(trouble, usize::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";

    #[test]
    fn a_key_and_a_name_are_understood_with_and_without_prefix_and_whatever_is_in_the_name() {
        for (text, name) in [
            (format!("{KEY}/page.html"), "page.html"),
            (format!("0x{}/sub/page two.html", KEY.to_uppercase()), "sub/page two.html"),
            (format!("{KEY}/"), "index.html"),
            (format!("{KEY}/blake3/x"), "blake3/x"),
            (format!("0x{KEY}/"), "index.html"),
        ] {
            assert!(is_title(&text));
            let typed = typed_title(&text).unwrap();
            assert_eq!((typed.name.as_str(), typed.to_string()), (name, format!("{}/{name}", typed.whose)));
            assert!(typed.whose.to_lowercase().ends_with(KEY), "{text}");
        }
        for id in [KEY.to_owned(), format!("blake3/{KEY}"), format!("B3/{KEY}")] {
            assert!(!is_title(&id), "{id}");
        }
    }

    #[test]
    fn a_mistake_is_named() {
        let long = format!("{KEY}/{}", "x".repeat(NAME_MAX_BYTES + 1));
        for (text, part) in [(&*format!("{KEY}/a\u{7}b"), "is no name"), (&long, "1 to 255 bytes")] {
            let why = typed_title(text).unwrap_err();
            assert!(why.contains(part) && !why.contains(char::is_control), "{why}");
        }
    }

    #[test]
    fn a_name_cannot_reach_the_terminal() {
        let nasty = "\u{1b}[2J\nx".to_owned();
        let line = TitleLine {
            key: KEY.to_owned(),
            name: nasty.clone(),
            standing: "followed".to_owned(),
            is_sought: false,
            seq: Some(5),
            sha256: None,
            trouble: Some(nasty),
        };
        let text = line.to_string();
        assert!(!text.contains('\u{1b}') && text.lines().count() == 2, "{text}");
    }
}
