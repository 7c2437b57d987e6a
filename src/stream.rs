//! Signed streams: bytes that somebody appends to, and that others follow while they grow.
//!
//! A stream is named by the key of its owner and a name. It is cut into blocks of [`BLOCK_BYTES`], and each travels as
//! a `SignedMessage` of that key around one `Content`. So whoever has a block can pass it on, and nobody can change it.
//! The last block grows: whenever something is appended to it, all of it is signed again.
//!
//! - [`block`] makes and checks one block,
//! - [`log`] keeps the blocks of one stream, as many as there is room for,
//! - [`waiting`] remembers who asked for what is not there yet,
//! - [`follow`] gets a stream that somebody else owns.
//!
//! Nothing is kept on a disk. A live stream is for those who follow it now and for those who come a little later; what
//! is to last is a file, which can be shared. So a stream can fill nobody's disk, however long it is.

pub mod block;
pub mod follow;
pub mod log;
pub mod waiting;

use crate::identity::PublicKey;
use crate::titles::is_tidy_name;
use std::fmt;

/// How long a block is, in bytes, as in the wild; only the last one of a stream may be shorter.
pub const BLOCK_BYTES: u64 = 4_096;

/// What ids of streams begin with.
pub const PREFIX: &str = "stream/";

/// The longest stream, in bytes: 64 TiB, which is two years at 1 MB/s. Its length has 14 digits.
pub const LENGTH_MAX: u64 = 1 << 46;

/// The longest name of a stream of our own, in bytes. What stands around the 5,464 characters of a full block and its
/// name are 362 bytes, with the longest offset: 60 more leave the datagram within 5,888 bytes, though without room for
/// most tokens, which go first.
pub const NAME_MAX_BYTES: usize = 60;

/// The longest name that we follow, in bytes: an id has at most 255, and `stream/`, 64 digits and a slash are 72.
pub const NAME_FOLLOWED_MAX_BYTES: usize = crate::wire::ID_MAX_BYTES - 72;

/// Which stream.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamId {
    key: PublicKey,
    /// The id on the wire.
    text: String,
}

/// What is wrong with the name of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadName {
    /// There is none.
    Empty,
    /// It is longer than [`NAME_FOLLOWED_MAX_BYTES`], or [`NAME_MAX_BYTES`] for one of our own.
    TooLong,
    /// A quote, a backslash or a control character is in it, which would travel as several bytes.
    Unfit,
    /// Its parts between slashes are no names of files, or it begins or ends with a space. Only for one of our own.
    Untidy,
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadName::Empty => f.write_str("a stream needs a name"),
            BadName::TooLong => write!(f, "the name of a stream has at most {NAME_MAX_BYTES} bytes"),
            BadName::Untidy => {
                f.write_str("the parts of a stream's name between slashes have to be names of files, like a/b")
            }
            BadName::Unfit => f.write_str("the name of a stream has no quotes, backslashes or control characters"),
        }
    }
}

impl StreamId {
    /// The stream of this owner with this name.
    ///
    /// # Errors
    /// [`BadName`].
    pub fn new(key: PublicKey, name: &str) -> Result<StreamId, BadName> {
        if name.is_empty() {
            return Err(BadName::Empty);
        }
        if name.len() > NAME_FOLLOWED_MAX_BYTES {
            return Err(BadName::TooLong);
        }
        if name.contains(|letter: char| letter.is_control() || matches!(letter, '"' | '\\')) {
            return Err(BadName::Unfit);
        }
        Ok(StreamId { key, text: format!("{PREFIX}{key}/{name}") })
    }

    /// A stream that is to be made.
    ///
    /// # Errors
    /// [`BadName`].
    pub fn own(key: PublicKey, name: &str) -> Result<StreamId, BadName> {
        match StreamId::new(key, name) {
            Ok(_) if name.len() > NAME_MAX_BYTES => Err(BadName::TooLong),
            Ok(_) if !is_tidy_name(name) => Err(BadName::Untidy),
            made => made,
        }
    }

    /// What a person writes: `KEY/NAME`, with `stream/` or `0x` in front or without. `None` if it is something else.
    pub fn from_user(text: &str) -> Option<StreamId> {
        let (key, name) = text.strip_prefix(PREFIX).unwrap_or(text).split_once('/')?;
        StreamId::new(PublicKey::parse(key).ok()?, name).ok()
    }

    /// Whose stream it is.
    pub fn key(&self) -> PublicKey {
        self.key
    }

    /// How it is called.
    pub fn name(&self) -> &str {
        self.text.splitn(3, '/').nth(2).unwrap_or_default()
    }

    /// The id on the wire.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for StreamId {
    /// `KEY/NAME`, which can be typed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text.strip_prefix(PREFIX).unwrap_or_default())
    }
}

/// Which block a byte is in.
pub fn index(offset: u64) -> u64 {
    offset / BLOCK_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;

    #[test]
    fn a_stream_is_named_by_its_owner_and_a_name_with_slashes_if_wanted() {
        let key = Identity::from_seed(&[1; 32]).public();
        let id = StreamId::new(key, "radio/evening news").unwrap();
        assert_eq!(id.as_str(), format!("stream/{key}/radio/evening news"));
        assert_eq!((id.key(), id.name()), (key, "radio/evening news"));
        for text in [format!("{key}/radio/evening news"), format!("0x{key}/radio/evening news"), id.as_str().to_owned()]
        {
            assert_eq!(StreamId::from_user(&text), Some(id.clone()), "{text}");
        }
        for wrong in ["", "radio", "stream/radio", &format!("{key}"), &format!("{key}/"), &format!("{key}/a\"b")] {
            assert_eq!(StreamId::from_user(wrong), None, "{wrong}");
        }
        assert_eq!(StreamId::own(key, &"x".repeat(NAME_MAX_BYTES + 1)), Err(BadName::TooLong));
        for untidy in ["../x", "x/..", ".", "a//b", "/a", "a/", " a", "a "] {
            assert_eq!(StreamId::own(key, untidy), Err(BadName::Untidy), "{untidy}");
            assert!(StreamId::new(key, untidy).is_ok(), "what others call theirs can be followed: {untidy}");
        }
        assert_eq!(StreamId::new(key, &"x".repeat(NAME_FOLLOWED_MAX_BYTES + 1)), Err(BadName::TooLong));
        assert!(StreamId::new(key, &"x".repeat(NAME_FOLLOWED_MAX_BYTES)).is_ok());
        assert_eq!(StreamId::new(key, "a\nb"), Err(BadName::Unfit));
    }
}
