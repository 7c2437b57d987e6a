//! What to ask whom, and when.

use super::super::waiting;
use super::source::{Question, Source};
use super::{AHEAD_MAX_BYTES, Asked, BLOCK_BYTES, Follow, From, STUCK, State, index};
use crate::time::Time;
use std::net::SocketAddr;
use std::time::Duration;

/// Blocks that are asked for one by one at a time: all that may be on its way.
pub(super) const ASKED_MAX: usize = (AHEAD_MAX_BYTES / BLOCK_BYTES) as usize;

/// With more missing than this nothing new is asked for: the path is slower than the stream, or we have just come.
const MISSING_MAX: u64 = 128;

/// How soon the tail question is asked again after something came: what came last may have been lost.
const TAIL_PAUSE_MIN: Duration = Duration::from_millis(250);

/// The pause doubles up to this while nothing comes; a third of what sources remember the question for.
const TAIL_PAUSE_MAX: Duration = Duration::from_secs(2);

/// A tail question that is used up is not renewed sooner than this.
const TAIL_STEP: Duration = Duration::from_millis(20);

/// After so many tail questions without an answer another source is asked.
const TAIL_SILENT_MAX: u32 = 2;

/// So many tail questions in a row may be lost before the pauses between them grow.
const TAIL_LOST_MAX: u32 = 6;

/// After so long without a block another source is asked, though this one answers: it may be behind.
const TAIL_IDLE_MAX: Duration = Duration::from_secs(10);

/// How often another source is asked what it has.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// A source that has so many bytes more than what is there is a better one.
const BETTER_MIN: u64 = 64 * BLOCK_BYTES;

/// Who has heard the owner so much later is a better source, of a stream that has moved lately: two followers may wait
/// for one another.
const FRESHER_MIN: Duration = Duration::from_millis(200);

/// A stream has moved lately if it has within this time. When all is quiet everybody may stay where they are.
const LATELY: Duration = Duration::from_secs(5);

/// What a node that does not remember questions is asked for at once.
const COMMON_AHEAD: u64 = 4;

/// The question for what comes next.
#[derive(Debug)]
pub(super) struct Tail {
    source: Option<SocketAddr>,
    asked: Time,
    until: u64,
    pause: Duration,
    /// When the end moved last.
    advanced: Time,
    /// When something new came last that was not asked for by itself, which shows that the question has arrived.
    pushed: Time,
    /// Since when this source is asked.
    since: Time,
    /// Questions in a row that were not answered.
    silent: u32,
    /// When another source was asked what it has, and which.
    looked: (Time, usize),
}

impl Tail {
    pub(super) fn new(now: Time) -> Tail {
        Tail {
            source: None,
            asked: Time::default(),
            until: 0,
            pause: TAIL_PAUSE_MIN,
            advanced: now,
            pushed: now,
            since: now,
            silent: 0,
            looked: (now, 0),
        }
    }

    /// Somebody was heard.
    pub(super) fn answered(&mut self, address: SocketAddr) {
        if self.source == Some(address) {
            self.silent = 0;
        }
    }

    /// Another source is better: it is to be asked at once.
    pub(super) fn hurry(&mut self) {
        self.source = None;
    }

    /// Something new has come, either by itself or because it was asked for as a single block.
    pub(super) fn advanced(&mut self, now: Time, is_pushed: bool) {
        self.advanced = now;
        self.pause = TAIL_PAUSE_MIN;
        if is_pushed {
            self.pushed = now;
        }
    }

    /// When the question is to be asked (again), while what is there ends at `end`.
    fn due(&self, end: u64) -> Time {
        let is_used_up = end + waiting::AHEAD_MAX_BYTES / 4 * 3 > self.until;
        let is_new = self.advanced > self.asked;
        if self.source.is_none() {
            return Time::default();
        }
        if is_used_up && is_new {
            return self.asked + TAIL_STEP;
        }
        (self.asked.max(self.pushed) + self.pause).min(self.asked + TAIL_PAUSE_MAX)
    }
}

impl Follow {
    /// Puts what is to be asked now at the end of `into`.
    pub fn ask(&mut self, now: Time, into: &mut Vec<Question>) {
        self.note_losses(now);
        if self.is_over() {
            return;
        }
        if now.since(self.heard.unwrap_or(self.since)) >= self.patience {
            self.failed = Some(if self.heard.is_some() { State::Stalled } else { State::NotFound });
            return;
        }
        self.look_around(now, into);
        self.repair(now, into);
        self.leap(now, into);
        self.ask_tail(now, into);
    }

    /// When [`Follow::ask`] may have something to ask if nothing comes before.
    pub fn due(&self) -> Option<Time> {
        if self.is_over() {
            return None;
        }
        let patience = self.heard.unwrap_or(self.since) + self.patience;
        let stuck = self.stuck_since.map(|since| since + STUCK);
        let leap = self.leap.map(|(_, asked)| asked + STUCK);
        let is_short = !self.sources.is_empty() && self.may_ask_tail();
        let tail = is_short.then(|| self.tail.due(self.log.end()));
        let lost = self.sources.iter().filter_map(Source::due).min();
        let again = self.sources.iter().filter_map(Source::again_at).min();
        let noticed = self.noticed.front().map(|(due, _)| *due);
        [Some(patience), self.look_at(), again, stuck, leap, tail, lost, noticed].into_iter().flatten().min()
    }

    fn note_losses(&mut self, now: Time) {
        let mut lost = std::mem::take(&mut self.lost);
        for source in &mut self.sources {
            source.lost(now, &mut lost);
            for at in lost.drain(..) {
                if let Some(asked) = self.asked.get_mut(&at).filter(|asked| asked.of == source.address) {
                    asked.is_lost = true;
                }
            }
        }
        self.lost = lost;
        while self.noticed.front().is_some_and(|(due, _)| *due <= now) {
            let Some((_, before)) = self.noticed.pop_front() else { break };
            self.overtaken = self.overtaken.max(before);
        }
        let silent = self.sources.iter().find(|source| source.is_silent()).map(|source| source.address);
        if let Some(silent) = silent.filter(|_| self.sources.len() > 1) {
            self.drop_source(silent);
        }
    }

    /// The block behind those that are asked for one by one: what was overtaken, or what somebody has.
    fn upper(&self) -> u64 {
        if !self.is_placed && self.from == From::End {
            return 0;
        }
        let hinted = self.sources.iter().map(|source| source.end.div_ceil(BLOCK_BYTES)).max().unwrap_or(0);
        let settled = if self.noticed.is_empty() { hinted } else { 0 };
        // What is being pushed to us is not asked for before it is overtaken, unless much of it is missing.
        let far = if hinted > self.front + MISSING_MAX { hinted } else { settled };
        let most = index(self.read + AHEAD_MAX_BYTES);
        self.overtaken.max(far).min(most)
    }

    /// Asks for single blocks, as many as the paths carry.
    fn repair(&mut self, now: Time, into: &mut Vec<Question>) {
        let upper = self.upper();
        self.missing = 0;
        for at in self.front..upper {
            self.missing += u64::from(!self.log.is_complete(at));
        }
        for at in self.front..upper {
            let before = self.asked.get(&at).copied();
            if self.log.is_complete(at) || before.is_some_and(|asked| !asked.is_lost) {
                continue;
            }
            if before.is_none() && self.asked.len() >= ASKED_MAX {
                return;
            }
            let start = at * BLOCK_BYTES;
            let held = self.log.block(at).map_or(start, |block| start + block.bytes().len() as u64);
            // What grows is a matter of the tail question, as long as nobody has more of it.
            let count = self.sources.len();
            let capable = (0..count).map(|n| (self.turn + n) % count);
            let mut capable: Vec<usize> = capable.filter(|n| self.sources[*n].has(start, held)).collect();
            let of = before.map(|asked| asked.of);
            if let Some(failed) = capable.iter().position(|n| Some(self.sources[*n].address) == of) {
                let failed = capable.remove(failed);
                capable.push(failed);
            }
            let Some(chosen) = capable.iter().copied().find(|n| self.sources[*n].ask(now, at)) else {
                if capable.is_empty() {
                    continue;
                }
                // Somebody has it, and has to be waited for.
                break;
            };
            self.turn = chosen + 1;
            let source = &self.sources[chosen];
            let offset = if source.is_ours { held } else { start };
            self.asked.insert(at, Asked { of: source.address, is_lost: false });
            into.push(Question { to: source.address, offset, length: start + BLOCK_BYTES - offset });
        }
    }

    /// Asks one source after the other what it has, lest we follow one that is behind and never know. Who has not said
    /// yet whether it knows our words is asked again: the first question or its answer may have been lost.
    fn look_around(&mut self, now: Time, into: &mut Vec<Question>) {
        let silent = self.sources.iter_mut().filter(|source| source.again_at().is_some_and(|due| due <= now));
        into.extend(silent.map(|source| source.ask_what(now)));
        if self.look_at().is_none_or(|due| due > now) {
            return;
        }
        let turn = self.tail.looked.1;
        self.tail.looked = (now, turn + 1);
        let count = self.sources.len();
        into.push(self.sources[turn % count].ask_what(now));
    }

    /// When the next source is asked what it has. A single one is asked as well while the stream moves, because nothing
    /// else tells how long the way is.
    fn look_at(&self) -> Option<Time> {
        let due = self.tail.looked.0 + LOOK_PAUSE;
        let is_of_use = match self.sources.len() {
            0 => false,
            1 => due < self.tail.advanced + LATELY,
            _ => true,
        };
        is_of_use.then_some(due)
    }

    /// If nobody has what is needed next, asks for a block behind it, to go on there; or for the one to begin with.
    fn leap(&mut self, now: Time, into: &mut Vec<Question>) {
        let start = self.front * BLOCK_BYTES;
        let is_stuck = (self.is_placed || self.from == From::Start)
            && !self.sources.is_empty()
            && self.sources.iter().all(|source| source.is_ours && source.first > start);
        if is_stuck {
            let since = *self.stuck_since.get_or_insert(now);
            let oldest = self.sources.iter().min_by_key(|source| source.first);
            if let Some(oldest) = oldest.filter(|_| now.since(since) >= STUCK && self.leap.is_none()) {
                // The oldest go first, perhaps while we ask.
                let target = oldest.first + oldest.end.saturating_sub(oldest.first) / 8;
                match self.log.next_held(self.front) {
                    Some(held) if held <= index(target) => return self.go_on_at(held),
                    _ => self.leap = Some((index(target), Time::default())),
                }
            }
        } else {
            self.stuck_since = None;
            if self.is_placed || self.from == From::Start {
                self.leap = None;
            }
        }
        let Some((mut target, asked)) = self.leap.filter(|(_, asked)| now.since(*asked) >= STUCK) else { return };
        let is_first = asked == Time::default();
        let can = |source: &&Source| source.first < (target + 1) * BLOCK_BYTES && source.end >= target * BLOCK_BYTES;
        let mut to = self.sources.iter().find(can).map(|source| source.address);
        if !is_first && !self.is_placed && !self.sources.is_empty() {
            // Where one says that the stream ends there may be nothing: another is asked where it says so.
            self.turn = (self.turn + 1) % self.sources.len();
            let source = &self.sources[self.turn];
            (target, to) = (index(source.end.saturating_sub(1)), Some(source.address));
        }
        let (offset, length) = (target * BLOCK_BYTES, BLOCK_BYTES);
        match to {
            Some(to) if is_first || !self.is_placed => {
                into.push(Question { to, offset, length });
                self.leap = Some((target, now));
            }
            // It was asked for in vain, so it may be gone as well.
            _ => (self.leap, self.stuck_since) = (None, None),
        }
    }

    /// The source that has heard the owner last, as far as they have said.
    fn freshest(&self) -> Option<usize> {
        let ours = (0..self.sources.len()).filter(|place| self.sources[*place].is_ours);
        ours.min_by_key(|place| self.sources[*place].age)
    }

    /// A source that is better than the one that is asked for what comes next, because that one waits itself.
    pub(super) fn fresher(&self, now: Time) -> Option<usize> {
        let freshest = self.freshest().filter(|_| now.since(self.tail.advanced) < LATELY)?;
        let current = self.sources.iter().find(|source| Some(source.address) == self.tail.source)?;
        (self.sources[freshest].age + FRESHER_MIN < current.age).then_some(freshest)
    }

    /// Whether little enough is missing to ask for what comes next.
    fn may_ask_tail(&self) -> bool {
        let is_begun = self.is_placed || self.from == From::Start && self.leap.is_none();
        let has_room = self.log.end() < self.read + AHEAD_MAX_BYTES;
        is_begun && has_room && self.log.eof().is_none() && self.missing < MISSING_MAX
    }

    /// Asks a source for what comes next.
    fn ask_tail(&mut self, now: Time, into: &mut Vec<Question>) {
        let end = self.log.end();
        if self.sources.is_empty() || !self.may_ask_tail() || self.tail.due(end) > now {
            return;
        }
        let is_late = now.since(self.tail.advanced.max(self.tail.since)) >= TAIL_IDLE_MAX;
        let current = self.sources.iter().position(|source| Some(source.address) == self.tail.source);
        let best = (0..self.sources.len()).max_by_key(|place| self.sources[*place].end).unwrap_or(0);
        let is_better = self.sources[best].end >= end + BETTER_MIN;
        let place = match current {
            _ if is_better => best,
            None if now.since(self.tail.advanced) < LATELY => self.freshest().unwrap_or(0),
            Some(current) if self.tail.silent < TAIL_SILENT_MAX && !is_late => current,
            Some(current) => (current + 1) % self.sources.len(),
            // Not all who come later ask the same one.
            None => self.turn % self.sources.len(),
        };
        let source = &self.sources[place];
        if Some(place) != current || is_late {
            (self.tail.source, self.tail.since, self.tail.silent) = (Some(source.address), now, 0);
        }
        // What is not answered was lost, unless that happens again and again; then everything is.
        if self.tail.advanced < self.tail.asked && !(1..TAIL_LOST_MAX).contains(&self.tail.silent) {
            self.tail.pause = (self.tail.pause * 2).min(TAIL_PAUSE_MAX);
        }
        self.tail.silent += 1;
        self.tail.asked = now;
        let (to, is_ours) = (source.address, source.is_ours);
        self.sources[place].note_question(now);
        if is_ours {
            let until = (end + waiting::AHEAD_MAX_BYTES).min(self.read + AHEAD_MAX_BYTES);
            self.tail.until = until;
            into.push(Question { to, offset: end, length: until - end });
            return;
        }
        let next = index(end);
        self.tail.until = (next + 1) * BLOCK_BYTES;
        into.extend((next..next + COMMON_AHEAD).map(|at| Question {
            to,
            offset: at * BLOCK_BYTES,
            length: BLOCK_BYTES,
        }));
    }
}
