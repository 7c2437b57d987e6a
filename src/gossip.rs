//! Lines of group chat that neighbours pass on, so that whoever speaks need not know everybody who listens.
//!
//! A line is signed by its author and travels unchanged; who passes it on adds nothing and can change nothing. This
//! module knows which lines are there, who has which, and when to say what to whom. It knows no datagrams, decides
//! nothing about what is shown, and shows nothing itself.
//!
//! # How a line spreads
//!
//! A datagram and its acknowledgement on each of the four links that there are per node would be eight datagrams for
//! each node, without any loss. So nobody acknowledges by itself, and not every link is used:
//!
//! 1. After a random pause of up to [`PASS_ON_WITHIN`] a node sends the line to [`FANOUT`] neighbours, drawn among
//!    those that it has not got it from meanwhile: whoever sends it has it.
//! 2. A second or two later it tells those to whom it neither sent it nor of whom it knows that they have it: "I have".
//!    Whoever lacks it asks for it. After this something has been sent over each link, one way or the other, and who
//!    has eight neighbours misses a line only if all eight datagrams were lost.
//! 3. From then on "I have" rides on whatever is sent to a neighbour anyway: probes keep every link busy every 24 s.
//!    Who is still not known to have it after 45 s, then after growing pauses, is told again and asked to confirm.
//!
//! Who has no more than [`FEW`] neighbours, and the author, cannot rely on numbers: they send the line to all, ask for
//! confirmation, and repeat it after 1, 2, 4, 8, and 16 s.
//!
//! A new neighbour is told of all lines that are held, and asks for what it lacks. So who was away catches up.
//!
//! # Limits
//!
//! [`LINES_MAX`] lines are held, for [`HELD_FOR`] at most; the oldest gives way, of an author that has
//! [`LINES_OF_AUTHOR_MAX`] its own oldest. A neighbour that has never spoken our words and leaves [`MUTE_AFTER`]
//! requests to confirm unanswered is left out until it does.

mod authors;
mod line;
mod neighbours;
mod wanted;

pub use authors::{AUTHORS_MAX, Author, AuthorMemory, Authors, Standing, TIMES_MAX};
pub use line::{CHAT_MAX_BYTES, ELEMENT_MAX_BYTES, GROUP_MAX_BYTES, Line, LineId};
pub use neighbours::{Limits, MUTE_AFTER, Neighbours};

use crate::identity::PublicKey;
use crate::sizes::Size;
use crate::time::Time;
use neighbours::{Places, bits, pick};
use rand::rngs::StdRng;
use rand::{Rng, RngExt};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;
use wanted::Wanted;

/// How many lines are held to be passed on: an hour of a quiet room, or what a terminal shows.
pub const LINES_MAX: usize = 64;

/// How many of them one author may have, so that one who talks much does not talk others away.
pub const LINES_OF_AUTHOR_MAX: usize = 16;

/// How long a line is held: whoever comes back later has missed it.
pub const HELD_FOR: Duration = Duration::from_secs(3_600);

/// How many ids are remembered of lines that were held, or are not wanted; the oldest is forgotten first. Sixteen times
/// what neighbours hold.
pub const KNOWN_MAX: usize = 1_024;

/// To how many neighbours a line is sent without being asked for. With two, a fifth of the nodes would have to ask, and
/// more is told than is saved; with four most of what is sent is there already.
pub const FANOUT: u32 = 3;

/// How long a line waits at most before it is sent on: long enough that most of the neighbours who have it say so
/// first, short enough for seven hops in two seconds.
pub const PASS_ON_WITHIN: Duration = Duration::from_millis(300);

/// With so few neighbours we do not rely on some of them hearing it elsewhere.
pub const FEW: u32 = 3;

/// Copies in one go, and those of one line more; what is over waits for the next, 10 ms later.
const COPIES_AT_ONCE: usize = 24;

/// Ids in one datagram: all lines that are held, in 1,300 bytes.
pub const IDS_MAX: usize = LINES_MAX;

/// Ids that ride on another datagram, in 320 bytes.
const RIDING_MAX: usize = 16;

/// The pauses after each round of those who rely on numbers, in seconds: before telling, then before each repetition.
const PAUSES: [u64; 6] = [1, 45, 90, 240, 600, 1_200];

/// The same of those who cannot.
const CERTAIN_PAUSES: [u64; 9] = [1, 2, 4, 8, 16, 30, 90, 270, 810];

/// In so many rounds of the latter the line itself is sent; later it is only told of.
const COPIES_MAX: usize = 6;

/// What is added to each pause at random, at most.
const JITTER: Duration = Duration::from_secs(1);

/// How soon a new neighbour is told again of what it has not confirmed.
const MET_AGAIN_AFTER: Duration = Duration::from_secs(45);

/// A line that is held.
#[derive(Debug)]
struct Held {
    id: LineId,
    author: PublicKey,
    element: Vec<u8>,
    taken: Time,
    is_own: bool,
    /// Who has it.
    has: Places,
    /// To whom it was sent unasked.
    sent: Places,
    /// On whose datagrams it has ridden that we have it, since they told us so.
    rode: Places,
    /// How many rounds are over, and when the next is due.
    round: usize,
    due: Option<Time>,
}

/// What is to be said to a neighbour, in as few datagrams as it takes.
#[derive(Debug, PartialEq, Eq)]
pub struct Errand {
    /// Who it is.
    pub to: SocketAddr,
    /// Lines to send.
    pub lines: Vec<LineId>,
    /// Lines to tell of.
    pub have: Vec<LineId>,
    /// Whether to ask which of these it has.
    pub confirm: bool,
    /// Lines to ask for.
    pub want: Vec<LineId>,
}

/// The lines that are held, who has them, and what is to be done about it.
#[derive(Debug)]
pub struct Gossip {
    rng: StdRng,
    /// Who passes lines on to us, and we to them.
    pub neighbours: Neighbours,
    /// In the order in which they were taken.
    lines: Vec<Held>,
    known: VecDeque<LineId>,
    wanted: Wanted,
}

impl Gossip {
    /// Nothing is there yet.
    pub fn new(rng: StdRng) -> Gossip {
        Gossip {
            rng,
            neighbours: Neighbours::default(),
            lines: Vec::new(),
            known: VecDeque::new(),
            wanted: Wanted::default(),
        }
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// How full the tables are.
    pub fn sizes(&self) -> impl Iterator<Item = Size> {
        let Gossip { rng: _, neighbours, lines, known, wanted } = self;
        [
            neighbours.size(),
            Size::new("lines of group chat held", lines.len(), LINES_MAX),
            Size::new("lines of group chat known", known.len(), KNOWN_MAX),
            wanted.size(),
        ]
        .into_iter()
    }

    /// Random bytes for whoever needs some.
    pub fn random(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }

    /// A neighbour may have begun anew: what it was told, and what it had, counts no more.
    pub fn forget(&mut self, address: SocketAddr) {
        self.part(|other, _| other != address);
    }

    /// Lets go of those that are no neighbours any more, or were none in between.
    pub fn part(&mut self, is_neighbour: impl Fn(SocketAddr, Time) -> bool) {
        let gone = self.neighbours.part(is_neighbour);
        for line in self.lines.iter_mut().filter(|_| gone != 0) {
            line.has &= !gone;
            line.sent &= !gone;
            line.rode &= !gone;
        }
    }

    /// Takes note of who is a neighbour since then. What it is to be told of at once, if it is new.
    pub fn meet(&mut self, now: Time, address: SocketAddr, since: Time) -> Vec<LineId> {
        if !self.neighbours.meet(address, since) {
            return Vec::new();
        }
        for line in &mut self.lines {
            // In case that what it is told now gets lost.
            let again = now + MET_AGAIN_AFTER;
            line.due = Some(line.due.map_or(again, |due| due.min(again)));
            line.round = line.round.min(PAUSES.len() - 1);
        }
        self.lines.iter().map(|line| line.id).collect()
    }

    /// How many neighbours have a line, as far as we know; `None` if it is not held.
    pub fn taken_by(&self, id: LineId) -> Option<u32> {
        self.lines.iter().find(|line| line.id == id).map(|line| line.has.count_ones())
    }

    /// Whether a line was held, or is not wanted.
    pub fn is_known(&self, id: LineId) -> bool {
        self.known.contains(&id)
    }

    /// The element that carries a line, if it is held.
    pub fn element(&self, id: LineId) -> Option<&[u8]> {
        self.lines.iter().find(|line| line.id == id).map(|line| &*line.element)
    }

    /// A line that is held, or is not wanted, needs not be offered or looked at again.
    pub fn know(&mut self, id: LineId) {
        self.wanted.remove(id);
        if !self.known.contains(&id) {
            if self.known.len() >= KNOWN_MAX {
                self.known.pop_front();
            }
            self.known.push_back(id);
        }
    }

    /// Holds a line from now on, and passes it on.
    pub fn hold(&mut self, now: Time, line: Line, from: Option<SocketAddr>, is_own: bool) {
        self.know(line.id);
        self.make_room(&line.author);
        let pause = if is_own { Duration::ZERO } else { self.drawn(PASS_ON_WITHIN) };
        let has = from.map_or(0, |from| self.neighbours.bit(from));
        let Line { id, author, element, .. } = line;
        let due = Some(now + pause);
        self.lines.push(Held { id, author, element, taken: now, is_own, has, sent: 0, rode: 0, round: 0, due });
    }

    fn make_room(&mut self, author: &PublicKey) {
        let of_author = self.lines.iter().filter(|line| line.author == *author).count();
        if of_author >= LINES_OF_AUTHOR_MAX
            && let Some(oldest) = self.lines.iter().position(|line| line.author == *author)
        {
            self.lines.remove(oldest);
        }
        if self.lines.len() >= LINES_MAX {
            self.lines.remove(0);
        }
    }

    /// Somebody has a line. Says whether it is known here.
    pub fn note_has(&mut self, address: SocketAddr, id: LineId) -> bool {
        let bit = self.neighbours.bit(address);
        if let Some(line) = self.lines.iter_mut().find(|line| line.id == id) {
            // Whoever tells us a second time does not know that we have it, so it is told again.
            line.rode &= !(line.has & bit);
            line.has |= bit;
        }
        self.is_known(id)
    }

    /// Somebody has a line that is not known here.
    pub fn want(&mut self, now: Time, id: LineId, from: SocketAddr) {
        self.wanted.add(now, id, from);
    }

    fn drawn(&mut self, most: Duration) -> Duration {
        Duration::from_micros(self.rng.random_range(0..=most.as_micros() as u64))
    }

    /// When [`Gossip::work`] is due.
    pub fn due(&self) -> Option<Time> {
        let rounds = self.lines.iter().filter_map(|line| line.due);
        let oldest = self.lines.first().map(|line| line.taken + HELD_FOR);
        rounds.chain(oldest).chain(self.wanted.due()).min()
    }

    /// Does what is due: whom to tell what.
    pub fn work(&mut self, now: Time) -> Vec<Errand> {
        self.lines.retain(|line| now.since(line.taken) < HELD_FOR);
        let mut errands = Vec::new();
        for index in 0..self.lines.len() {
            let copies: usize = errands.iter().map(|errand: &Errand| errand.lines.len()).sum();
            if copies >= COPIES_AT_ONCE {
                break;
            }
            if self.lines.get(index).and_then(|line| line.due).is_some_and(|due| due <= now) {
                self.advance(now, index, &mut errands);
            }
        }
        for (to, id) in self.wanted.ask(now) {
            errand(&mut errands, to).want.push(id);
        }
        errands
    }

    /// One more round for a line.
    fn advance(&mut self, now: Time, index: usize, errands: &mut Vec<Errand>) {
        let (all, jitter) = (self.neighbours.active(), self.drawn(JITTER));
        let Gossip { rng, neighbours, lines, .. } = self;
        let Some(line) = lines.get_mut(index) else { return };
        let missing = all & !line.has;
        let is_certain = line.is_own || all.count_ones() <= FEW;
        let (to, is_copy) = match line.round {
            round if is_certain => (missing, round < COPIES_MAX),
            0 => (pick(missing, FANOUT, rng), true),
            1 => (missing & !line.sent, false),
            _ => (missing, false),
        };
        let confirm = is_certain || line.round > 1;
        let pauses: &[u64] = if is_certain { &CERTAIN_PAUSES } else { &PAUSES };
        line.due = pauses.get(line.round).map(|pause| now + Duration::from_secs(*pause) + jitter);
        line.round += 1;
        line.sent |= if is_copy { to } else { 0 };
        for place in bits(to) {
            let Some(address) = neighbours.address(place, confirm) else { continue };
            let errand = errand(errands, address);
            if is_copy {
                errand.lines.push(line.id);
            }
            // A request to confirm names what is to be confirmed, in a copy's own datagram too.
            if confirm || !is_copy {
                errand.have.push(line.id);
                errand.confirm |= confirm;
            }
        }
    }

    /// What may ride on a datagram to a neighbour: that we have what it is not known to have, or to know that we have.
    pub fn ride(&mut self, address: SocketAddr) -> Vec<LineId> {
        let bit = self.neighbours.bit(address) & self.neighbours.active();
        // Lines that are still spreading find their way without. Who is not known to have one is told each time.
        let is_news = |line: &Held| line.rode & bit == 0 || line.has & bit == 0;
        let may_ride = |line: &&mut Held| bit != 0 && line.round > 1 && is_news(line);
        let riding = self.lines.iter_mut().filter(may_ride).take(RIDING_MAX);
        riding
            .map(|line| {
                line.rode |= bit;
                line.id
            })
            .collect()
    }
}

/// The errand to somebody, which is made if there is none.
fn errand(errands: &mut Vec<Errand>, to: SocketAddr) -> &mut Errand {
    let place = errands.iter().position(|errand| errand.to == to).unwrap_or_else(|| {
        errands.push(Errand { to, lines: Vec::new(), have: Vec::new(), confirm: false, want: Vec::new() });
        errands.len() - 1
    });
    &mut errands[place]
}
