//! The text of `group.json`: `{"said_until":…,"shown":["KEY NEW FLOOR TIME…",…]}`, times in milliseconds since 1970.
//!
//! No line of ours to a group is dated after `said_until`. An entry of `shown` is about one author: the key, 1 for a
//! newcomer or else 0, before which time everything counts as shown (0 for none), and the times of the lines after that
//! which were shown. Pure functions; reading and writing the file is the business of others. An entry that makes no
//! sense is stepped over, anything that is not this shape is damaged as a whole.

use crate::gossip::{AUTHORS_MAX, AuthorMemory, TIMES_MAX};
use crate::identity::PublicKey;
use crate::json;
use crate::node::GroupMemory;
use serde::Deserialize;
use std::fmt::Write;

/// The longest file we read: of each author a key, and times of at most 20 digits, with what is around them; and as
/// much again, for those who edit it.
pub(super) const FILE_MAX_BYTES: u64 = 2 * (64 + AUTHORS_MAX * (64 + 2 + (TIMES_MAX + 1) * 21 + 8)) as u64;

#[derive(Deserialize)]
struct GroupFile {
    said_until: u64,
    /// An earlier version wrote none.
    #[serde(default)]
    shown: Vec<String>,
}

/// The text of the file.
pub fn render_group(memory: &GroupMemory) -> String {
    let mut text = format!("{{\"said_until\":{},\"shown\":[", memory.said_until);
    for (n, author) in memory.authors.iter().take(AUTHORS_MAX).enumerate() {
        let AuthorMemory { key, is_newcomer, floor, times } = author;
        // Writing to a string cannot fail.
        let _ = write!(text, "{}\n  \"{key} {}", if n == 0 { "" } else { "," }, u8::from(*is_newcomer));
        for time in [floor.unwrap_or(0)].iter().chain(times.iter().take(TIMES_MAX)) {
            let _ = write!(text, " {time}");
        }
        text.push('"');
    }
    text.push_str("\n]}\n");
    text
}

/// What the text says; `None` if it is damaged.
pub fn parse_group(bytes: &[u8]) -> Option<GroupMemory> {
    let file: GroupFile = json::parse(bytes)?;
    let authors = file.shown.iter().filter_map(|entry| parse_author(entry)).take(AUTHORS_MAX).collect();
    Some(GroupMemory { said_until: file.said_until, authors })
}

fn parse_author(entry: &str) -> Option<AuthorMemory> {
    let mut words = entry.split(' ');
    let key = PublicKey::parse(words.next()?).ok()?;
    let is_newcomer = words.next()? != "0";
    let floor = words.next()?.parse().ok().filter(|floor| *floor > 0);
    let times = words.filter_map(|word| word.parse().ok()).take(TIMES_MAX).collect();
    Some(AuthorMemory { key, is_newcomer, floor, times })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;

    fn author(n: usize) -> AuthorMemory {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&(n as u64).to_le_bytes());
        let times = (0..TIMES_MAX as u64).map(|time| u64::MAX - 99 + time).collect();
        AuthorMemory {
            key: Identity::from_seed(&seed).public(),
            is_newcomer: n.is_multiple_of(2),
            floor: Some(u64::MAX),
            times,
        }
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let one = AuthorMemory { floor: None, times: Vec::new(), ..author(1) };
        for authors in [Vec::new(), vec![one, author(2)], (0..AUTHORS_MAX).map(author).collect()] {
            let memory = GroupMemory { said_until: u64::MAX, authors };
            let text = render_group(&memory);
            assert!((text.len() as u64) < FILE_MAX_BYTES / 2, "{}", text.len());
            assert_eq!(parse_group(text.as_bytes()), Some(memory));
        }
    }

    #[test]
    fn what_an_earlier_version_wrote_is_understood_and_nonsense_is_stepped_over() {
        let earlier = parse_group(b"{\"said_until\":7}\n");
        assert_eq!(earlier, Some(GroupMemory { said_until: 7, authors: Vec::new() }));
        let memory = GroupMemory { said_until: 7, authors: vec![author(1)] };
        let text = render_group(&memory).replace("[", "[\"\", \"abc 0 0\", \"x\",");
        assert_eq!(parse_group(text.as_bytes()), Some(memory));
        for damaged in [&b""[..], b"{}", b"[]", b"{\"said_until\":-1}", b"{\"said_until\":1,\"shown\":[7]}"] {
            assert_eq!(parse_group(damaged), None);
        }
    }
}
