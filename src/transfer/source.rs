//! One source of one download: what it has, what is expected from it, and what it has been found to be worth.

use super::asking::BLOCK_UNFRAGMENTED;
use super::pieces::Has;
use crate::content::tree::TREE_BLOCK_BYTES;
use crate::content::{Part, Ranges};
use crate::time::Time;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::time::Duration;

/// How often a source is asked whether it has the content. With a fifth of all datagrams lost each way, six questions
/// go unanswered by one live source in 460.
const KNOCKS_MAX: u8 = 6;

/// How long the first question is given; doubled twice, so that several are asked within the patience of a user.
const KNOCK_PAUSE: Duration = Duration::from_millis(700);

/// How often a partial source is asked what it has by now.
const HOLDINGS_PAUSE: Duration = Duration::from_millis(500);

/// Blocks that turned out wrong before a source is left behind. One may be the fault of a bit that flipped on the way,
/// for UDP's checksum misses one error in 65,536.
const BAD_MAX: u8 = 2;

/// How often in a row a source may fall silent and show that it is still there, without delivering anything between.
const SILENCES_MAX: u8 = 3;

/// Some bytes of the content or of its tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) part: Part,
    pub(super) range: Range<u64>,
}

/// An answer that is expected.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    /// How long it should be, in bytes of content.
    pub(super) length: u32,
    /// When it was asked for.
    pub(super) asked: Time,
    /// Whether it was asked for in our words, and has to come in them: the number of the run is known to nobody else.
    pub(super) is_run: bool,
}

/// What a source speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tongue {
    /// `PleaseSendContent`, as everybody does.
    #[default]
    Common,
    /// Our own words too.
    Ours,
}

/// How far we are with a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is being asked whether it has the content: how often it was, and when to ask again.
    Knocking { tries: u8, due: Time },
    /// It said that it has some.
    Active,
    /// It does not answer, has nothing, or delivered what was wrong.
    Left,
}

/// A source.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) standing: Standing,
    pub(super) tongue: Tongue,
    /// The size of the content, as it says.
    pub(super) claim: Option<u64>,
    /// Whether that was proven to be its own word.
    pub(super) is_vouched: bool,
    /// Whether only what is proven to be its own word counts.
    pub(super) is_misquoted: bool,
    /// Which pieces of the content, and of the tree, it has.
    pub(super) has: [Has; 2],
    /// What it was given to deliver and has not delivered.
    pub(super) assigned: [Ranges; 2],
    /// Of that, what it has not been asked for yet.
    pub(super) queue: VecDeque<Span>,
    /// The answers that are expected, by where they begin.
    pub(super) asks: BTreeMap<(Part, u64), Asked>,
    /// What our own words carry to tell these answers from what others make up. One more stands for the tree.
    pub(super) run: u32,
    /// Which of the sources it is, for the record of who delivered what.
    pub(super) number: u32,
    /// Bytes that it delivered and that were kept.
    pub(super) delivered: u64,
    /// When it is to be asked what it has by now.
    pub(super) holdings_due: Option<Time>,
    /// Whether there is more to ask of it than its path carries at present.
    pub(super) waits_for_room: bool,
    /// When to see again whether there is something to ask of it; `None` if it has something to do.
    pub(super) looks_again: Option<Time>,
    /// How much content the longest answer carried that came.
    pub(super) longest: u32,
    /// How many answers in a row did not come.
    pub(super) lost_in_a_row: u32,
    /// Whether only small answers get through from it.
    pub(super) needs_small: bool,
    bad: u8,
    silences: u8,
}

impl Source {
    pub(super) fn new(now: Time, number: u32, run: u32) -> Source {
        Source {
            standing: Standing::Knocking { tries: 0, due: now },
            tongue: Tongue::default(),
            claim: None,
            is_vouched: false,
            is_misquoted: false,
            has: Default::default(),
            assigned: Default::default(),
            queue: VecDeque::new(),
            asks: BTreeMap::new(),
            run,
            number,
            delivered: 0,
            holdings_due: None,
            waits_for_room: false,
            looks_again: None,
            longest: 0,
            lost_in_a_row: 0,
            needs_small: false,
            bad: 0,
            silences: 0,
        }
    }

    pub(super) fn is_active(&self) -> bool {
        self.standing == Standing::Active
    }

    pub(super) fn is_left(&self) -> bool {
        self.standing == Standing::Left
    }

    /// When something is to be asked of it, its requests for content aside.
    pub(super) fn due(&self) -> Option<Time> {
        match self.standing {
            Standing::Knocking { due, .. } => Some(due),
            Standing::Active => self.holdings_due,
            Standing::Left => None,
        }
    }

    /// Whether it is to be asked whether it has the content; counted if so.
    pub(super) fn knocks(&mut self, now: Time) -> bool {
        match self.standing {
            Standing::Knocking { due, .. } if now < due => false,
            Standing::Knocking { tries, .. } if tries >= KNOCKS_MAX => {
                self.standing = Standing::Left;
                false
            }
            Standing::Knocking { tries, .. } => {
                self.standing = Standing::Knocking { tries: tries + 1, due: now + KNOCK_PAUSE * (1 << tries.min(2)) };
                true
            }
            Standing::Active | Standing::Left => false,
        }
    }

    /// Whether it is to be asked what it has by now; counted if so.
    pub(super) fn is_asked_for_holdings(&mut self, now: Time) -> bool {
        let is_due = self.is_active() && self.holdings_due.is_some_and(|due| due <= now);
        if is_due {
            self.holdings_due = Some(now + HOLDINGS_PAUSE);
        }
        is_due
    }

    /// It said which pieces of a part it has.
    pub(super) fn told(&mut self, now: Time, part: Part, has: Has) {
        let is_partial = has != Has::All;
        self.has[part as usize] = has;
        self.tongue = Tongue::Ours;
        let is_any_partial = self.has.iter().any(|has| matches!(has, Has::Some(_)));
        self.holdings_due = (is_partial || is_any_partial).then(|| now + HOLDINGS_PAUSE);
    }

    /// Perhaps fragments do not get through from it: unless something came that needed them, it is asked for what needs
    /// none. A short answer proves nothing, such as the end of a content.
    pub(super) fn doubt_fragments(&mut self) {
        self.needs_small |= self.longest <= BLOCK_UNFRAGMENTED;
    }

    /// It delivered something wrong. Says whether that was once too often.
    pub(super) fn delivered_wrong(&mut self) -> bool {
        self.bad = self.bad.saturating_add(1);
        self.bad >= BAD_MAX
    }

    /// It has answered nothing for long. It is asked once more whether it has the content, if that has not been in vain
    /// too often.
    pub(super) fn fell_silent(&mut self, now: Time) {
        self.silences = self.silences.saturating_add(1);
        let is_over = self.silences >= SILENCES_MAX;
        self.standing = if is_over { Standing::Left } else { Standing::Knocking { tries: 0, due: now + KNOCK_PAUSE } };
    }

    /// Somebody else said in its name that it has the content. It is asked itself.
    pub(super) fn was_misquoted(&mut self, now: Time) {
        (self.claim, self.is_misquoted) = (None, true);
        self.standing = Standing::Knocking { tries: 0, due: now + KNOCK_PAUSE };
    }

    /// It delivered so many bytes that were kept.
    pub(super) fn has_delivered(&mut self, bytes: u64) {
        self.delivered += bytes;
        self.silences = 0;
    }

    /// What is expected from it has to be asked for again.
    pub(super) fn ask_again(&mut self) {
        for ((part, start), Asked { length, .. }) in std::mem::take(&mut self.asks) {
            self.queue.push_front(Span { part, range: start..start + u64::from(length) });
        }
    }

    /// Takes back everything it was to deliver.
    pub(super) fn release(&mut self) -> [Ranges; 2] {
        self.queue.clear();
        self.asks.clear();
        std::mem::take(&mut self.assigned)
    }

    /// It is to deliver this.
    pub(super) fn assign(&mut self, span: Span) {
        // Nobody delivers more fragments than there are pieces.
        let _ = self.assigned[span.part as usize].insert(span.range.clone());
        self.queue.push_back(span);
    }

    /// Gives up the back half of the last span that it has not been asked for.
    pub(super) fn cede_half(&mut self, span: Span) -> Option<Span> {
        let middle = span.range.start.midpoint(span.range.end) / TREE_BLOCK_BYTES * TREE_BLOCK_BYTES;
        // A piece of a tree is checked as a whole, and what begins within a block goes with its beginning.
        let is_cut = span.part == Part::Content && middle > span.range.start;
        let start = match is_cut {
            true => middle,
            false if span.part == Part::Content && !span.range.start.is_multiple_of(TREE_BLOCK_BYTES) => return None,
            false => span.range.start,
        };
        self.queue.pop_back();
        if is_cut {
            self.queue.push_back(Span { part: span.part, range: span.range.start..start });
        }
        let ceded = Span { part: span.part, range: start..span.range.end };
        self.assigned[span.part as usize].remove(ceded.range.clone()).ok()?;
        Some(ceded)
    }
}
