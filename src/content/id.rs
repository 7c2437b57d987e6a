//! What content is called on the wire: by the hash of all its bytes.
//!
//! An id is understood in exactly one form each; what a person writes may take more (see [`ContentId::from_user`]).
//! Names of files are no ids of this kind: they promise nothing, so nothing can be fetched by them.

use super::{hash_from_hex, hex};
use std::fmt;

/// The hash that names a content, and by which it can be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContentId {
    /// SHA-256: 64 lower-case hex digits. Only the whole content can be checked.
    Sha256([u8; 32]),
    /// BLAKE3: `blake3/` and 64 lower-case hex digits. Every block can be checked, with the tree.
    Blake3([u8; 32]),
}

/// What stands before a BLAKE3 hash on the wire.
pub const BLAKE3_PREFIX: &str = "blake3/";

/// What stands before the same hash in the id of its tree.
pub const TREE_PREFIX: &str = "blake3_tree_v2/";

impl ContentId {
    /// The id in its wire form; `None` if it is something else, a file name for instance.
    pub fn parse(text: &str) -> Option<ContentId> {
        match text.strip_prefix(BLAKE3_PREFIX) {
            Some(hash) => hash_from_hex(hash).map(ContentId::Blake3),
            None => hash_from_hex(text).map(ContentId::Sha256),
        }
    }

    /// The id as a person may write it: with `0x`, in upper case, with `b3/` for `blake3/`.
    pub fn from_user(text: &str) -> Option<ContentId> {
        let text = text.trim().to_ascii_lowercase();
        let (is_blake3, hash) = match text.strip_prefix(BLAKE3_PREFIX).or_else(|| text.strip_prefix("b3/")) {
            Some(hash) => (true, hash),
            None => (false, text.as_str()),
        };
        let hash = hash_from_hex(hash.strip_prefix("0x").unwrap_or(hash))?;
        Some(if is_blake3 { ContentId::Blake3(hash) } else { ContentId::Sha256(hash) })
    }

    /// The id under which its tree is asked for; `None` for SHA-256, which has none.
    pub fn tree_id(&self) -> Option<String> {
        match self {
            ContentId::Sha256(_) => None,
            ContentId::Blake3(hash) => Some(format!("{TREE_PREFIX}{}", hex(hash))),
        }
    }

    /// A name for files about this content: letters, digits and a hyphen.
    pub fn file_stem(&self) -> String {
        match self {
            ContentId::Sha256(hash) => format!("sha256-{}", hex(hash)),
            ContentId::Blake3(hash) => format!("blake3-{}", hex(hash)),
        }
    }
}

impl fmt::Display for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ContentId::Sha256(hash) => f.write_str(&hex(hash)),
            ContentId::Blake3(hash) => write!(f, "{BLAKE3_PREFIX}{}", hex(hash)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_has_one_form_and_people_have_several() {
        let digits = "ab".repeat(32);
        let (sha256, blake3) = (ContentId::Sha256([0xab; 32]), ContentId::Blake3([0xab; 32]));
        assert_eq!(ContentId::parse(&digits), Some(sha256));
        assert_eq!(ContentId::parse(&format!("blake3/{digits}")), Some(blake3));
        for id in [sha256, blake3] {
            assert_eq!(ContentId::parse(&id.to_string()), Some(id));
        }
        for text in [digits.to_uppercase(), format!("0x{digits}"), format!("b3/{digits}"), format!("blake3/0x{digits}")]
        {
            assert_eq!(ContentId::parse(&text), None, "{text}");
            assert!(ContentId::from_user(&text).is_some(), "{text}");
        }
        for text in ["", "notes.txt", "blake3/", "../x", &digits[1..], &format!("blake3_tree_v2/{digits}")] {
            assert_eq!((ContentId::parse(text), ContentId::from_user(text)), (None, None), "{text}");
        }
    }
}
