//! Group chat: lines that are signed, shown once, and passed on by neighbours. How they spread is in [`crate::gossip`].
//!
//! What comes from a neighbour is somebody else's word. So it counts for nothing but a line of its author: it makes no
//! peer, moves nobody, and answers nothing. The sender of a datagram with a line need not be who wrote it, and the
//! limits go by both: a neighbour may make us check so many signatures and look up so many lines, an author may say so
//! much, and all together what a person can read. What is over a limit is neither shown nor passed on, nor remembered,
//! so that there may be room for it when it comes again.
//!
//! What is said to neighbours is in `passing`, and what the user says in `saying`.

use super::saying::{OWN_MAX, Own};
use super::sender::Sender;
use super::{CommandError, Event, GroupMemory, Node};
use crate::content::Store;
use crate::gossip::{Authors, Gossip, Line, LineId, Standing};
use crate::hash::Key;
use crate::identity::PublicKey;
use crate::peers::address::host;
use crate::rate::Rate;
use crate::sizes::{Size, no_table};
use crate::sorted::SortedSet;
use crate::time::Time;
use crate::wire::messages::SignedGroupChat;
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// How far the time of a line may be from ours, in milliseconds, either way: a day, for clocks that are set wrong, and
/// two hours for those that take summer time for the world's. Beyond that a line is an old one that somebody has kept,
/// or its author's clock was never set.
pub const DATED_WITHIN_MS: u64 = 26 * 3_600_000;

/// A clock that says an earlier time than this, the beginning of 2025, was never set and says nothing about others.
const CLOCK_SET_MS: u64 = 1_735_689_600_000;

/// By how much a clock has to jump for lines to be given another chance that it has kept out.
const CLOCK_JUMP_MS: u64 = 60_000;

/// How far ahead the time is saved that our next line will not be dated before: one write a minute while somebody
/// talks.
pub(super) const RESERVED_MS: u64 = 60_000;

/// How long after a line was shown that is written down: a busy room costs six writes of some kilobytes a minute. After
/// a crash the lines of so long may be shown once more, after an orderly stop none.
const SAVE_AFTER: Duration = Duration::from_secs(10);

/// How many of our lines wait for the disk at most: what may be said within the time that one waits, and twice that.
const UNSAID_MAX: usize = 16;

/// How many lines are remembered that are dated too far from our clock: what neighbours hold.
const MISDATED_MAX: usize = 64;

/// How many authors can be ignored: as many people as anybody knows.
pub const IGNORED_KEYS_MAX: usize = 1_024;

/// Signatures that one neighbour may have checked: twice what a lively room says. Forty neighbours who all send
/// forgeries cost 400 checks of 60 µs a second, a fortieth of a core.
const OPEN_RATE: Rate = Rate { burst: 64, interval: Duration::from_millis(100) };

const DOMAIN_MARK: u8 = 7;

/// What is remembered for group chat.
#[derive(Debug)]
pub(super) struct Groups {
    key: Key,
    pub(super) gossip: Gossip,
    pub(super) authors: Authors,
    ignored: SortedSet<PublicKey>,
    misdated: VecDeque<LineId>,
    /// What the clock on the wall said, and when.
    clock: Option<(Time, u64)>,
    /// The time of our latest line, and before which one none will be dated after a restart: as was asked for, and as
    /// is kept.
    pub(super) stamp: u64,
    pub(super) reserved: u64,
    pub(super) saved: u64,
    /// Whether our lines wait for that.
    waits: bool,
    /// Our lines that wait until their times are kept, and when they wait no longer. We say one a second.
    pub(super) unsaid: VecDeque<(Line, Time)>,
    pub(super) own: VecDeque<Own>,
    /// When it is written down which lines were shown, if that has changed.
    save_due: Option<Time>,
}

impl Groups {
    /// Nothing was said yet but what an earlier run remembers; whether our lines wait until it is kept when they are
    /// said. It has a generator of its own, so that what else a node does is the same whether there is
    /// group chat or not.
    pub(super) fn new(seed: [u8; 32], now: Time, waits: bool, memory: GroupMemory) -> Groups {
        let GroupMemory { said_until, authors } = memory;
        let mut rng = StdRng::from_seed(seed);
        Groups {
            key: Key::new(&mut rng),
            gossip: Gossip::new(rng),
            authors: Authors::recall(now, authors),
            ignored: SortedSet::new(),
            misdated: VecDeque::new(),
            clock: None,
            stamp: said_until,
            reserved: said_until,
            saved: said_until,
            waits,
            unsaid: VecDeque::new(),
            own: VecDeque::new(),
            save_due: None,
        }
    }

    pub(super) fn sizes(&self) -> impl Iterator<Item = Size> {
        let Groups {
            key,
            gossip,
            authors,
            ignored,
            misdated,
            clock,
            stamp,
            reserved,
            saved,
            waits,
            unsaid,
            own,
            save_due,
        } = self;
        no_table(key);
        no_table(clock);
        [stamp, reserved, saved].into_iter().for_each(no_table);
        no_table(waits);
        no_table(save_due);
        let sizes = [
            Size::new("ignored authors", ignored.len(), IGNORED_KEYS_MAX),
            Size::new("lines of group chat of another time", misdated.len(), MISDATED_MAX),
            Size::new("own lines of group chat", own.len(), OWN_MAX),
            Size::new("own lines of group chat not yet said", unsaid.len(), UNSAID_MAX),
        ];
        sizes.into_iter().chain(authors.sizes()).chain(gossip.sizes())
    }

    /// The time of day, in milliseconds since 1970, if it is known.
    fn unix_ms(&self, now: Time) -> Option<u64> {
        self.clock.map(|(then, unix_ms)| unix_ms.saturating_add(now.since(then).as_millis() as u64))
    }

    /// Whether a line of this time may be one of today.
    pub(super) fn is_dated_well(&self, now: Time, unix_ms: u64) -> bool {
        self.unix_ms(now).is_none_or(|today| today.abs_diff(unix_ms) <= DATED_WITHIN_MS)
    }

    /// The time for one more line of ours: later than those of all before. Only if these are dated so far ahead that
    /// nobody has taken them, the clock counts more.
    pub(super) fn next_stamp(&mut self, unix_ms: u64) -> u64 {
        let is_absurd = self.stamp > unix_ms.saturating_add(DATED_WITHIN_MS);
        self.stamp = if is_absurd { unix_ms } else { unix_ms.max(self.stamp.saturating_add(1)) };
        if is_absurd {
            self.reserved = 0;
            self.saved = 0;
        }
        self.stamp
    }

    /// Whether one more of our lines may wait for the disk.
    pub(super) fn check_room(&self) -> Result<(), CommandError> {
        if self.unsaid.len() >= UNSAID_MAX { Err(CommandError::TooFast) } else { Ok(()) }
    }

    /// Takes out the first of our lines that waits no longer.
    pub(super) fn take_unsaid(&mut self, now: Time) -> Option<Line> {
        let (line, due) = self.unsaid.front()?;
        let is_kept = !self.waits || line.unix_ms < self.saved || *due <= now;
        if is_kept { self.unsaid.pop_front().map(|(line, _)| line) } else { None }
    }

    /// What tells lines of one author and time apart.
    pub(super) fn mark(&self, group: &str, text: &str) -> u64 {
        self.key.parts(DOMAIN_MARK, &[group.as_bytes(), text.as_bytes()])
    }

    pub(super) fn is_ignored(&self, key: &PublicKey) -> bool {
        self.ignored.contains(key)
    }

    pub(super) fn ignore(&mut self, key: PublicKey) -> Result<(), CommandError> {
        if self.ignored.len() >= IGNORED_KEYS_MAX && !self.ignored.contains(&key) {
            return Err(CommandError::Full);
        }
        self.ignored.insert(key);
        Ok(())
    }

    pub(super) fn heed(&mut self, key: &PublicKey) -> Result<(), CommandError> {
        self.ignored.remove(key);
        Ok(())
    }

    /// The clock on the wall says this. If it has been set meanwhile, what it has kept out gets another chance.
    pub(super) fn set_clock(&mut self, now: Time, unix_ms: u64) {
        let expected = self.unix_ms(now);
        self.clock = (unix_ms >= CLOCK_SET_MS).then_some((now, unix_ms));
        if expected.is_none_or(|expected| expected.abs_diff(unix_ms) > CLOCK_JUMP_MS) {
            self.misdated.clear();
        }
    }

    /// When something is due.
    pub(super) fn due(&self) -> Option<Time> {
        let own = self.own.iter().flat_map(|own| own.report.into_iter().chain([own.due]));
        let saving = self.save_due.into_iter().chain(self.unsaid.front().map(|(_, due)| *due));
        own.chain(self.gossip.due()).chain(saving).min()
    }

    /// Whether a line is held, or will not be.
    pub(super) fn is_known(&self, id: LineId) -> bool {
        self.gossip.is_known(id) || self.misdated.contains(&id)
    }
}

impl<S: Store> Node<S> {
    /// Whether our words are heard from somebody: a peer that is not ignored. Which neighbours there are is looked at
    /// again.
    pub(super) fn passes_on(&mut self, sender: &Sender) -> bool {
        if !sender.is_verified() || self.peers.get(sender.address).is_none() {
            self.counters.messages_unverified += 1;
            return false;
        }
        if self.chat.is_ignored(host(sender.address.ip())) {
            return false;
        }
        self.groups.gossip.neighbours.heard(sender.address);
        true
    }

    /// Takes a signed line from whoever passes it on.
    pub(super) fn take_signed_line(&mut self, now: Time, sender: &Sender, envelope: &SignedGroupChat<'_>) {
        if !self.passes_on(sender) {
            return;
        }
        let id = LineId::of(envelope);
        self.groups.gossip.note_has(sender.address, id);
        if self.groups.is_known(id) {
            return;
        }
        if !self.groups.gossip.neighbours.limits(sender.address).opened.allow(now, OPEN_RATE) {
            self.counters.messages_over_rate += 1;
            return;
        }
        // A wrong signature leaves no trace, so that it cannot keep the right one out.
        match Line::open(envelope) {
            Ok(line) => self.take_line(now, sender.address, line),
            Err(_) => self.counters.group_lines_refused += 1,
        }
    }

    /// Shows a line whose author is proven, and passes it on, as far as it may be.
    fn take_line(&mut self, now: Time, from: SocketAddr, line: Line) {
        let is_own = line.author == self.public_key();
        if !self.groups.is_dated_well(now, line.unix_ms) {
            self.counters.group_lines_misdated += 1;
            if self.groups.misdated.len() >= MISDATED_MAX {
                self.groups.misdated.pop_front();
            }
            self.groups.misdated.push_back(line.id);
            return;
        }
        if self.groups.is_ignored(&line.author) {
            self.groups.gossip.know(line.id);
            return;
        }
        if is_own {
            // Of an earlier run: the next is to be dated later.
            self.groups.stamp = self.groups.stamp.max(line.unix_ms);
        } else {
            match self.show_line(now, from, &line.author, (&line.group, &line.text), line.unix_ms) {
                Some(Standing::New | Standing::Shown) => {}
                Some(Standing::Refused) => {
                    self.counters.group_lines_refused += 1;
                    self.groups.gossip.know(line.id);
                    return;
                }
                None => return,
            }
        }
        self.counters.group_lines_taken += 1;
        self.meet_neighbours(now);
        self.groups.gossip.hold(now, line, Some(from), false);
    }

    /// Shows a line of somebody proven, unless it was shown or nobody looks. `None` if it is over a limit.
    pub(super) fn show_line(
        &mut self,
        now: Time,
        from: SocketAddr,
        author: &PublicKey,
        (group, text): (&str, &str),
        unix_ms: u64,
    ) -> Option<Standing> {
        let mark = self.groups.mark(group, text);
        let standing = self.groups.authors.standing(author, unix_ms, mark);
        if standing == Standing::New {
            if !self.groups.authors.may_say(now, author) {
                self.counters.messages_over_rate += 1;
                return None;
            }
            if self.config.is_deaf {
                return Some(standing);
            }
            if !self.has_room_for_line(now) {
                return None;
            }
            self.groups.authors.note(now, author, unix_ms, mark);
            self.groups.save_due.get_or_insert(now + SAVE_AFTER);
            let (key, group, text) = (Some(*author), group.to_owned(), text.to_owned());
            self.report(Event::GroupChat { from, key, group, text, unix_ms });
        } else if standing == Standing::Shown {
            self.groups.authors.recognise(author, unix_ms, mark);
        }
        Some(standing)
    }

    /// Does what is due.
    pub(super) fn tend_groups(&mut self, now: Time) {
        if self.groups.due().is_none_or(|due| now < due) {
            return;
        }
        if self.groups.save_due.is_some_and(|due| due <= now) {
            self.save_group(now);
        }
        if self.groups.unsaid.front().is_some_and(|(_, due)| *due <= now) {
            // It comes back here with the others.
            return self.say_what_waits(now);
        }
        self.meet_neighbours(now);
        for errand in self.groups.gossip.work(now) {
            self.run_errand(now, &errand);
        }
        self.tend_own_lines(now);
    }

    /// What the next run has to know, if not all of it was given out to be saved.
    pub fn unsaved_group(&self, now: Time) -> Option<GroupMemory> {
        self.groups.save_due.is_some().then(|| self.group_memory(now))
    }

    fn group_memory(&self, now: Time) -> GroupMemory {
        GroupMemory { said_until: self.groups.reserved, authors: self.groups.authors.memory(now) }
    }

    /// Gives out what the next run has to know.
    pub(super) fn save_group(&mut self, now: Time) {
        self.groups.save_due = None;
        self.report(Event::SaveGroup(Box::new(self.group_memory(now))));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::identity::Identity;

    #[test]
    fn no_more_lines_wait_for_the_disk_than_is_stated() {
        let now = Time::from_micros(1);
        let mut groups = Groups::new([1; 32], now, true, GroupMemory::default());
        let line = Line::sign(&Identity::from_seed(&[1; 32]), "room", "hello", 1).unwrap();
        let mut taken = 0;
        while taken < 100 && groups.check_room().is_ok() {
            groups.unsaid.push_back((line.clone(), now));
            taken += 1;
        }
        assert_eq!((taken, groups.check_room()), (UNSAID_MAX, Err(CommandError::TooFast)));
        assert!(groups.sizes().all(|size| size.len <= size.max));
    }
}
