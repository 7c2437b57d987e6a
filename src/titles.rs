//! Files with names: which content a name of somebody stands for at present, signed by that somebody.
//!
//! A content is called by its hash, so what changes is called something else. A [`Title`] stays: it is a key and a
//! name, and the holder of the key says in a `Latest`, inside of a `SignedMessage`, which content it stands for. Each
//! saying has a number, and the highest counts. Anybody may keep and pass on what was signed, so that a name is known
//! while its holder is away.
//!
//! - [`Version`] is one such saying, checked, with its signature,
//! - [`table`] remembers the newest of each title, within limits.
//!
//! A signature says that the holder of the key wrote this once. It does not say that nothing newer was written: who
//! knows only an old version cannot tell. This module fetches nothing, and a name is never a path.

pub mod table;

use crate::identity::opening::{Kind, Layer};
use crate::identity::{Identity, PublicKey, Refused, signed};
use crate::wire::messages::{Latest, SignedMessage};
use crate::wire::{Hex32, Message, decode};
use base64_simd::STANDARD;
use std::fmt;

/// The longest name, in bytes: as long as that of a file may be on common file systems.
pub const NAME_MAX_BYTES: usize = 255;

/// The longest array that is kept as a version, in bytes: the longest name with each of its bytes escaped, which takes
/// two, and 220 for the rest of it.
const TEXT_MAX_BYTES: usize = 2 * NAME_MAX_BYTES + 256;

/// Bytes of a signature (RFC 8032, section 5.1.6).
const SIGNATURE_BYTES: usize = 64;

/// Whether this can be a name: not empty, not too long, and nothing in it that controls a terminal.
pub fn is_name(text: &str) -> bool {
    (1..=NAME_MAX_BYTES).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// Whether this is a name that makes a file anywhere and can be typed: its parts between slashes are all names of
/// files, and no space is at its ends.
pub fn is_tidy_name(text: &str) -> bool {
    is_name(text) && text.trim() == text && text.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// The number of the next version after `last`: the time, as in the wild, in seconds since 1970, so that a copy of the
/// key without a memory goes on above what it has forgotten; and one more than the last where the clock says less.
/// `None` if the last number there is has been used.
pub fn next_seq(last: Option<u64>, unix_seconds: u64) -> Option<u64> {
    match last {
        Some(last) => last.checked_add(1).map(|next| next.max(unix_seconds)),
        None => Some(unix_seconds),
    }
}

/// What a file is called for good: whose it is, and its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Title {
    /// Whose it is.
    pub key: PublicKey,
    /// Its name among those of that key; may have slashes.
    pub name: String,
}

impl fmt::Display for Title {
    /// As it is: a name that came from others is not safe for a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.key, self.name)
    }
}

/// One version of a file with a name. Its signature has been checked, and there is nothing else in its envelope: what
/// is passed on says nothing of anybody else, proves nobody's address and is meant for nobody in particular.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Of which file.
    pub title: Title,
    /// Which one; the highest counts.
    pub seq: u64,
    /// The SHA-256 of its content.
    pub sha256: [u8; 32],
    /// The array, byte for byte as it was signed.
    text: String,
    signature: [u8; SIGNATURE_BYTES],
}

impl Version {
    /// What an opened envelope says, if it is a version and nothing else.
    pub(crate) fn of_layer(layer: &Layer) -> Option<Version> {
        let signature = layer.signature.filter(|_| layer.kind == Kind::Signed)?;
        Version::of_text(layer.key, &layer.text, signature)
    }

    /// The version in a text that was signed by `key`.
    fn of_text(key: PublicKey, text: &[u8], signature: [u8; SIGNATURE_BYTES]) -> Option<Version> {
        if text.len() > TEXT_MAX_BYTES {
            return None;
        }
        let text = std::str::from_utf8(text).ok()?;
        let Latest { ed25519, name, sha256, seq } = latest_in(text.as_bytes())?;
        let is_own = ed25519 == key.hex();
        let title = Title { key, name: name.to_string() };
        is_own.then(|| Version { title, seq, sha256: sha256.0, text: text.to_owned(), signature })
    }

    /// Checks an envelope and takes the version out of it.
    ///
    /// # Errors
    /// As [`signed::open`], or [`Refused::NoMessages`] if it holds something else.
    pub fn open(envelope: &SignedMessage<'_>) -> Result<Version, Refused> {
        let opened = signed::open(envelope)?;
        Version::of_text(opened.signer, &opened.text, opened.signature).ok_or(Refused::NoMessages)
    }

    /// Signs a version of our own.
    ///
    /// # Errors
    /// [`Refused::Malformed`] if the name is none, or too long when it is escaped.
    pub fn sign(identity: &Identity, name: &str, sha256: [u8; 32], seq: u64) -> Result<Version, Refused> {
        let key = identity.public();
        let latest = Latest { ed25519: key.hex(), name: name.into(), sha256: Hex32(sha256), seq };
        let text = serde_json::to_string(&[Message::Latest(latest)]).map_err(|_| Refused::Malformed)?;
        let signature = identity.signature_of(text.as_bytes());
        Version::of_text(key, text.as_bytes(), signature).ok_or(Refused::Malformed)
    }

    /// The envelope, to be passed on. Its text and its signature are those that came; of the two forms of an envelope
    /// it has the one that everybody reads.
    pub fn envelope(&self) -> SignedMessage<'_> {
        SignedMessage {
            ed25519: self.title.key.hex(),
            signature: STANDARD.encode_to_string(self.signature).into(),
            payload_json: Some(self.text.as_str().into()),
            payload: None,
        }
    }

    /// Whether this one counts and the other does not. Of two with the same number, which only a holder of the key can
    /// have made, the one with the greater hash counts, so that all who know both agree.
    pub fn is_newer_than(&self, other: &Version) -> bool {
        (self.seq, self.sha256) > (other.seq, other.sha256)
    }
}

/// The `Latest` in an array that has nothing else in it, and a name that is one.
pub(crate) fn latest_in(text: &[u8]) -> Option<Latest<'_>> {
    let decoded = decode(text).ok()?;
    let [Message::Latest(latest)] = &decoded.messages[..] else { return None };
    (decoded.malformed == 0 && is_name(&latest.name)).then(|| latest.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alice() -> Identity {
        Identity::from_seed(&[2; 32])
    }

    #[test]
    fn numbers_only_grow_whatever_the_clock_says() {
        assert_eq!(next_seq(None, 1_795_199_216), Some(1_795_199_216));
        assert_eq!(next_seq(Some(5), 1_795_199_216), Some(1_795_199_216));
        assert_eq!(next_seq(Some(1_795_199_216), 1_795_199_216), Some(1_795_199_217));
        assert_eq!(next_seq(Some(1_795_199_216), 0), Some(1_795_199_217));
        assert_eq!(next_seq(Some(u64::MAX - 1), 9), Some(u64::MAX));
        assert_eq!(next_seq(Some(u64::MAX), 9), None);
    }

    #[test]
    fn what_is_signed_is_opened_and_passed_on_as_it_was() {
        let longest = "\"".repeat(NAME_MAX_BYTES);
        for name in ["index.html", "sub/page two.html", "ü", "..", &longest] {
            let version = Version::sign(&alice(), name, [7; 32], 9).unwrap();
            assert_eq!((&*version.title.name, version.sha256, version.seq), (name, [7; 32], 9));
            assert_eq!(Version::open(&version.envelope()), Ok(version));
        }
        for name in ["", "a\nb", "\u{1b}[2J", &"x".repeat(NAME_MAX_BYTES + 1)] {
            assert_eq!(Version::sign(&alice(), name, [7; 32], 9), Err(Refused::Malformed), "{name:?}");
        }
    }

    #[test]
    fn what_the_wild_signs_in_either_form_is_the_same_version() {
        let version = Version::sign(&alice(), "index.html", [7; 32], 9).unwrap();
        let older = alice().sign_base64(&version.text).unwrap();
        assert_eq!(Version::open(&older), Ok(version));
    }

    #[test]
    fn nothing_else_may_be_in_the_envelope_and_it_has_to_be_the_signers_own() {
        let own = format!(r#""ed25519":"{}","name":"a","sha256":"{}""#, alice().public(), "ab".repeat(32));
        let good = format!(r#"{{"Latest":{{{own},"seq":1}}}}"#);
        assert!(Version::open(&alice().sign(&format!("[{good}]")).unwrap()).is_ok());
        let other = good.replace(&alice().public().to_string(), &Identity::from_seed(&[3; 32]).public().to_string());
        for text in [
            other,
            format!("{good},{good}"),
            format!(r#"{good},{{"MyPublicKey":{{"ed25519h":"{}"}}}}"#, alice().public()),
            format!(r#"{{"AlwaysReturned":{{"cookie":"x"}}}},{good}"#),
            format!(r#"{good},{{"Tomorrow":{{}}}}"#),
            format!("{good},7"),
            good.replace(":1}", ":-1}"),
            good.replace(":1}", ":1.5}"),
            good.replace(":1}", ":18446744073709551616}"),
            good.replace("\"a\"", "\"\""),
            format!("{good}{}", " ".repeat(TEXT_MAX_BYTES)),
        ] {
            let envelope = format!("[{text}]");
            assert_eq!(Version::open(&alice().sign(&envelope).unwrap()), Err(Refused::NoMessages), "{text}");
        }
    }

    #[test]
    fn of_equal_numbers_all_choose_the_same() {
        let [one, other] = [[1; 32], [2; 32]].map(|hash| Version::sign(&alice(), "a", hash, 5).unwrap());
        assert!(other.is_newer_than(&one) && !one.is_newer_than(&other) && !one.is_newer_than(&one));
        let later = Version::sign(&alice(), "a", [0; 32], 6).unwrap();
        assert!(later.is_newer_than(&other) && !other.is_newer_than(&later));
    }

    #[test]
    fn names_that_make_files_are_told_from_those_that_do_not() {
        assert!(["a", "a/b.html", "...", "a b"].into_iter().all(is_tidy_name));
        assert!(["", " a", "a ", "/a", "a/", "a//b", "..", "a/../b", "./a"].iter().all(|name| !is_tidy_name(name)));
    }
}
