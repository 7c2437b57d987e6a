//! Who has written lines of late, how many, and which: so that nothing is shown twice and nobody talks all others away.
//!
//! Of each author the last [`TIMES_MAX`] times are remembered, as in a window against replays (RFC 4303, section
//! 3.4.3): what is older than all of them counts as seen. So a line that was shown is never shown again as long as its
//! author is remembered. A full table lets go of the newcomer that was heard longest ago, and of somebody who is no
//! newcomer only if there are none.
//!
//! A restart forgets none of this but the marks, which derive from the seed of one run: until a line comes back for a
//! time of an earlier run, whichever it is, that time is known and the line is not.
//!
//! Keys cost nothing. So all who were not here [`NEWCOMER_FOR`] ago share one limit, and whoever makes up a thousand
//! authors takes the floor from other newcomers and from nobody else.

use crate::identity::PublicKey;
use crate::rate::{Limiter, Rate};
use crate::sizes::{Size, no_table};
use crate::sorted::in_order;
use crate::time::Time;
use std::time::Duration;

/// How many authors are remembered.
pub const AUTHORS_MAX: usize = 256;

/// How many times of an author: twice what one may have among the lines that are held.
pub const TIMES_MAX: usize = 2 * super::LINES_OF_AUTHOR_MAX;

/// For how long somebody is a newcomer.
pub const NEWCOMER_FOR: Duration = Duration::from_secs(600);

/// What one author may say: one line a second, as everywhere in chat, and twenty at once, because what was held up by
/// losses arrives together.
const AUTHOR_RATE: Rate = Rate { burst: 20, interval: Duration::from_secs(1) };

/// What all newcomers may say together: half of what fills a terminal at once, then two lines a second.
const NEWCOMERS_RATE: Rate = Rate { burst: 20, interval: Duration::from_millis(500) };

/// Somebody who has written lines.
#[derive(Debug)]
pub struct Author {
    /// Whose key it is.
    pub key: PublicKey,
    /// When it was heard first; `None` if it was no newcomer any more in an earlier run.
    first: Option<Time>,
    last: Time,
    said: Limiter,
    /// The times of its last lines in order, each with a mark of the line; without one if it is of an earlier run.
    times: Vec<(u64, Option<u64>)>,
    /// What is dated no later than this is forgotten, and counts as seen.
    floor: Option<u64>,
}

/// What is remembered of an author from run to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorMemory {
    /// Whose key it is.
    pub key: PublicKey,
    /// Whether it was new when this was written down.
    pub is_newcomer: bool,
    /// What is dated no later than this counts as shown.
    pub floor: Option<u64>,
    /// The times of the lines that were shown after that.
    pub times: Vec<u64>,
}

/// How a line stands to those that were shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is new.
    New,
    /// It was shown.
    Shown,
    /// The author has written another for the same time, or so many later ones that nobody knows.
    Refused,
}

/// Those who have written lines of late.
#[derive(Debug, Default)]
pub struct Authors {
    authors: Vec<Author>,
    newcomers: Limiter,
}

impl Authors {
    /// How a line of this time, with this mark, stands to those that were shown.
    pub fn standing(&self, key: &PublicKey, unix_ms: u64, mark: u64) -> Standing {
        let Some(author) = self.find(key) else { return Standing::New };
        match author.times.iter().find(|(time, _)| *time == unix_ms) {
            Some((_, other)) if other.is_none_or(|other| other == mark) => Standing::Shown,
            Some(_) => Standing::Refused,
            None if author.floor.is_some_and(|floor| unix_ms <= floor) => Standing::Refused,
            None => Standing::New,
        }
    }

    fn find(&self, key: &PublicKey) -> Option<&Author> {
        self.authors.iter().find(|author| author.key == *key)
    }

    /// Whether one more line of an author is within the limits; if so, it is counted.
    pub fn may_say(&mut self, now: Time, key: &PublicKey) -> bool {
        let Authors { authors, newcomers } = self;
        let author = authors.iter_mut().find(|author| author.key == *key);
        let is_newcomer = author.as_ref().is_none_or(|author| author.is_newcomer(now));
        if author.as_ref().is_some_and(|author| !author.said.is_within(now, AUTHOR_RATE)) {
            return false;
        }
        if is_newcomer && !newcomers.allow(now, NEWCOMERS_RATE) {
            return false;
        }
        author.is_none_or(|author| author.said.allow(now, AUTHOR_RATE))
    }

    /// A line of a time that counts as shown: from now on no other does.
    pub fn recognise(&mut self, key: &PublicKey, unix_ms: u64, mark: u64) {
        let author = self.authors.iter_mut().find(|author| author.key == *key);
        let place = author.and_then(|author| author.times.iter_mut().find(|(time, _)| *time == unix_ms));
        place.into_iter().for_each(|(_, known)| *known = Some(mark));
    }

    /// Writes down a line that is shown.
    pub fn note(&mut self, now: Time, key: &PublicKey, unix_ms: u64, mark: u64) {
        if self.find(key).is_none() {
            self.make_room(now);
            let mut said = Limiter::default();
            said.allow(now, AUTHOR_RATE);
            self.authors.push(Author { key: *key, first: Some(now), last: now, said, times: Vec::new(), floor: None });
        }
        let Some(author) = self.authors.iter_mut().find(|author| author.key == *key) else { return };
        author.last = now;
        author.add(unix_ms, Some(mark));
    }

    /// What the next run has to know of them.
    pub fn memory(&self, now: Time) -> Vec<AuthorMemory> {
        let memory = |author: &Author| AuthorMemory {
            key: author.key,
            is_newcomer: author.is_newcomer(now),
            floor: author.floor,
            times: author.times.iter().map(|(time, _)| *time).collect(),
        };
        // Those heard longest ago come first, and make room first in the next run.
        let lately = |one: &&Author, other: &&Author| one.last.cmp(&other.last);
        in_order(self.authors.iter().collect(), lately).into_iter().map(memory).collect()
    }

    /// Those of an earlier run.
    pub fn recall(now: Time, memory: Vec<AuthorMemory>) -> Authors {
        let mut recalled = Authors::default();
        for AuthorMemory { key, is_newcomer, floor, times } in memory.into_iter().take(AUTHORS_MAX) {
            let first = is_newcomer.then_some(now);
            let mut author = Author { key, first, last: now, said: Limiter::default(), times: Vec::new(), floor };
            times.into_iter().for_each(|time| author.add(time, None));
            if recalled.find(&key).is_none() {
                recalled.authors.push(author);
            }
        }
        recalled
    }

    fn make_room(&mut self, now: Time) {
        if self.authors.len() >= AUTHORS_MAX {
            let worth = |author: &Author| (!author.is_newcomer(now), author.last);
            let least = self.authors.iter().enumerate().min_by_key(|(_, author)| worth(author));
            least.map(|(place, _)| place).into_iter().for_each(|place| _ = self.authors.swap_remove(place));
        }
    }

    /// The keys of those who have written.
    pub fn keys(&self) -> impl Iterator<Item = PublicKey> {
        self.authors.iter().map(|author| author.key)
    }

    pub(crate) fn sizes(&self) -> [Size; 2] {
        let Authors { authors, newcomers } = self;
        no_table(newcomers);
        let times = authors.iter().map(|author| author.times.len()).max().unwrap_or(0);
        [
            Size::new("authors of group chat", authors.len(), AUTHORS_MAX),
            Size::new("times of an author of group chat", times, TIMES_MAX),
        ]
    }
}

impl Author {
    fn is_newcomer(&self, now: Time) -> bool {
        self.first.is_some_and(|first| now.since(first) < NEWCOMER_FOR)
    }

    fn add(&mut self, unix_ms: u64, mark: Option<u64>) {
        let place = self.times.partition_point(|(time, _)| *time < unix_ms);
        self.times.insert(place, (unix_ms, mark));
        if self.times.len() > TIMES_MAX {
            let (oldest, _) = self.times.remove(0);
            self.floor = self.floor.max(Some(oldest));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;

    fn key(n: usize) -> PublicKey {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&(n as u64).to_le_bytes());
        Identity::from_seed(&seed).public()
    }

    #[test]
    fn after_a_restart_too_the_one_heard_longest_ago_makes_room() {
        let at = |second: u64| Time::from_micros(second * 1_000_000);
        let mut authors = Authors::default();
        (0..AUTHORS_MAX).for_each(|n| authors.note(at(n as u64), &key(n), 1, 1));
        // The first one has just spoken again.
        authors.note(at(5_000), &key(0), 2, 1);
        let recalled = Authors::recall(at(1), authors.memory(at(5_000)));
        for (mut authors, now) in [(authors, at(5_000)), (recalled, at(1))] {
            authors.note(now, &key(1_000), 1, 1);
            assert_eq!([0, 1].map(|n| authors.find(&key(n)).is_some()), [true, false]);
        }
    }
}
