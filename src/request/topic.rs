//! What a chat is about: a person, a group, an address, or everything that is said.

use super::mistake;
use crate::identity::PublicKey;
use crate::node::GROUP_MAX_BYTES;
use std::net::SocketAddr;

/// The group of those who name none.
pub const MAIN_GROUP: &str = "main";

/// What is said to whom, and what somebody wants to hear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topic {
    /// All that is said; what is said to nobody in particular is said in [`MAIN_GROUP`].
    Everything,
    /// What the holder of a key and the user say to each other.
    Person(PublicKey),
    /// What is said in a group.
    Group(String),
    /// What is said by somebody who shows no key.
    Address(SocketAddr),
}

impl Topic {
    /// Whether who wants to hear this also hears what is said about `other`.
    pub fn takes(&self, other: &Topic) -> bool {
        *self == Topic::Everything || self == other
    }

    /// What has to stand before a text so that it is said there, as a typed command.
    pub fn command(&self) -> String {
        match self {
            Topic::Everything => format!("/say {MAIN_GROUP} "),
            Topic::Person(key) => format!("/msg {key} "),
            Topic::Group(group) => format!("/say {group} "),
            Topic::Address(address) => format!("/msg {address} "),
        }
    }
}

/// The name of a group as a person may write it: one word, `#` before it where it could be taken for something else.
///
/// # Errors
/// One sentence for the user.
pub fn group_name(text: &str) -> Result<String, String> {
    let name = text.strip_prefix('#').unwrap_or(text);
    let is_word = !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c.is_control());
    if !is_word || name.len() > GROUP_MAX_BYTES {
        return Err(format!("'{}' is no name of a group: one word of {GROUP_MAX_BYTES} bytes at most", mistake(text)));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_one_word_that_fits() {
        assert_eq!(group_name("main").unwrap(), "main");
        assert_eq!(group_name("#7").unwrap(), "7");
        assert_eq!(group_name("##7").unwrap(), "#7");
        for wrong in ["", "#", "a b", "a\u{7}", &"x".repeat(GROUP_MAX_BYTES + 1)] {
            assert!(group_name(wrong).unwrap_err().contains("no name of a group"), "{wrong:?}");
        }
    }

    #[test]
    fn who_hears_everything_hears_each_and_others_hear_their_own() {
        let main = Topic::Group(MAIN_GROUP.to_owned());
        let other = Topic::Group("other".to_owned());
        assert!(Topic::Everything.takes(&main) && main.takes(&main));
        assert!(!main.takes(&other) && !main.takes(&Topic::Everything));
    }
}
