//! What to ask whom: as much as each path carries, in runs of blocks where the source knows our words.

use super::download::Download;
use super::limit::Limit;
use super::path::Path;
use super::source::{Asked, Source, Span, Tongue};
use super::trial::Stage;
use super::{Key, Transfers};
use crate::content::{ContentId, Part};
use crate::sorted::SortedMap;
use crate::time::Time;
use crate::wire::HEADER_BYTES;
use rand::Rng;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// What everybody asks for and delivers.
pub(super) const BLOCK_COMMON: u32 = 4_096;

/// What fits one datagram on a path that carries 1,500 bytes, which is most of the Internet: 1,368 characters of base64
/// and less than 90 of everything else. A fragment that is lost takes the whole datagram with it; this has none.
pub(super) const BLOCK_UNFRAGMENTED: u32 = 1_024;

/// The same in the common words, in which the id and more stand beside each block: 684 characters of base64, 170 of
/// everything else, and 400 for tokens or a narrower path, such as the least that IPv6 allows (1,280 bytes).
pub(super) const BLOCK_COMMON_UNFRAGMENTED: u32 = 512;

/// What is asked for within one machine, where datagrams may have 64 KiB: the largest power of two that the wild
/// delivers and its base64 fits, because blocks under one node of the tree are checked together.
pub(super) const BLOCK_LOCAL: u32 = 32_768;

/// How many answers one question asks for at most.
pub const RUN_MAX: u32 = 64;

/// How many blocks make a question worth its bytes: asking for each alone would cost a tenth of the content. So a run
/// is begun when there is room for one block and goes on, in debt to the path, as far as this, or as what comes between
/// two timers of the event loop if that is more, and at most as half of what is on its way.
const RUN_WORTH: usize = 8;

/// How much one question asks for at most: five of the largest blocks.
pub const RUN_BYTES_MAX: u64 = 5 * BLOCK_LOCAL as u64;

/// What an answer has besides the content, about: names, numbers, tokens, and the headers of UDP and IP.
const OVERHEAD_BYTES: usize = 100 + HEADER_BYTES;

/// How long a source is given, while its round trip is unknown, before others are asked for the same.
const OVERDUE_FIRST: Duration = Duration::from_millis(500);

/// A source for which there is nothing to do looks after a round trip whether another has fallen behind; of what
/// becomes free it is told. The pause is at least this, lest many sources nearby do nothing else.
const PAUSE_MIN: Duration = Duration::from_millis(5);

/// The pause is at most this.
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// Bytes a second from which on hashing, at some 800 MB/s, would add more than a twentieth to the time of fetching.
const RATE_FAST: u64 = 40_000_000;

/// A datagram to be sent to a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The source.
    pub to: SocketAddr,
    /// Which content.
    pub id: ContentId,
    /// What to ask for.
    pub ask: Ask,
}

/// What to ask a source for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Whether it has the content, in every way that somebody may understand.
    Knock,
    /// What it has by now of a part.
    Holdings(Part),
    /// A block, in the common words.
    Block {
        /// Of the content or of its tree.
        part: Part,
        /// Where it begins, in bytes.
        offset: u64,
        /// How long it is, in bytes.
        length: u32,
    },
    /// Some blocks in a row, in our words.
    Run {
        /// Of the content or of its tree.
        part: Part,
        /// Where the first begins, in bytes.
        offset: u64,
        /// How long they are together, in bytes.
        length: u64,
        /// How long each is, in bytes; the last may be shorter.
        block: u32,
        /// What the answers are to carry.
        run: u32,
    },
}

/// How many bytes an answer of so much content has on the way.
pub(super) fn wire_bytes(length: u32) -> usize {
    (length as usize).div_ceil(3) * 4 + OVERHEAD_BYTES
}

impl Transfers {
    /// Everything there is to ask at present; call it after everything else, until nothing more comes.
    pub fn ask(&mut self, now: Time, rng: &mut impl Rng, questions: &mut Vec<Question>) {
        let Transfers { downloads, paths, agenda, limit, .. } = self;
        let mut turns = agenda.take(now);
        limit.release(now, &mut turns);
        for download in downloads.values_mut().filter(|download| !download.is_settling) {
            if download.takes_news() {
                turns.extend(download.sources.keys().copied());
            }
        }
        let fetching = downloads.values_mut().filter(|download| !download.is_settling);
        let order: SortedMap<_, _> =
            fetching.map(|download| ((limit.start(download.had), download.id), download)).collect();
        for (_, download) in order {
            for address in limit.in_turn(&turns) {
                let Some(source) = download.sources.get_mut(&address).filter(|source| !source.is_left()) else {
                    continue;
                };
                (source.waits_for_room, source.looks_again) = (false, None);
                ask_who_has(now, download, address, questions);
                let path = paths.get_or_insert_with(address, || Path::new(now));
                match &download.trial.stage {
                    Stage::Jury(_) => ask_juror(now, download, (path, limit), address, questions),
                    _ if download.is_useful(address) => {
                        ask_source(now, download, (path, limit), address, rng, questions);
                    }
                    _ => {}
                }
            }
        }
        for address in turns {
            agenda.set(address, due(downloads, paths, address));
        }
    }
}

/// When a source is to be looked at if nothing changes for it before.
fn due(
    downloads: &SortedMap<ContentId, Download>,
    paths: &SortedMap<SocketAddr, Path<Key>>,
    address: SocketAddr,
) -> Option<Time> {
    let path = paths.get(&address);
    let fetching = downloads.values().filter(|download| !download.is_settling);
    // One that was left is not looked at, so what it was waiting for would be due for ever.
    let sources = fetching.filter_map(|download| download.sources.get(&address)).filter(|source| !source.is_left());
    let of_sources = sources.flat_map(|source| {
        let room = path.filter(|_| source.waits_for_room).and_then(Path::next_ask);
        [source.due(), source.looks_again, room]
    });
    of_sources.chain([path.and_then(Path::due)]).flatten().min()
}

/// Asks whether, and what, a source has.
fn ask_who_has(now: Time, download: &mut Download, address: SocketAddr, questions: &mut Vec<Question>) {
    let id = download.id;
    let is_tree_whole = download.part_bytes(Part::Tree).is_some_and(|bytes| download.held[1].covers(0..bytes));
    let Some(source) = download.sources.get_mut(&address) else { return };
    let mut ask = |ask| questions.push(Question { to: address, id, ask });
    if source.knocks(now) {
        ask(Ask::Knock);
    }
    if source.is_asked_for_holdings(now) {
        ask(Ask::Holdings(Part::Content));
        if matches!(id, ContentId::Blake3(_)) && !is_tree_whole {
            ask(Ask::Holdings(Part::Tree));
        }
    }
}

/// Asks a source for as much as the path to it carries, and the limit.
fn ask_source(
    now: Time,
    download: &mut Download,
    (path, limit): (&mut Path<Key>, &mut Limit),
    address: SocketAddr,
    rng: &mut impl Rng,
    questions: &mut Vec<Question>,
) {
    loop {
        let room = path.may_ask(now);
        let has_room_for_parts = download.has_room_for_parts();
        let Some(source) = download.sources.get_mut(&address) else { return };
        source.waits_for_room = room == 0;
        let step = limit.step(step_bytes(source, address));
        if room == 0 {
            return;
        }
        let budget = limit.question(now);
        if budget == 0 {
            limit.hold_back(address);
            path.set_app_limited(now);
            return;
        }
        if step < BLOCK_COMMON && !has_room_for_parts {
            download.is_crowded = true;
            return;
        }
        // What this source would have delivered by now, had it been asked when the other was.
        let patience = path.round_trip().unwrap_or(OVERDUE_FIRST) * 2;
        let overdue = Time::from_micros(now.as_micros().saturating_sub(patience.as_micros() as u64));
        let is_fast = path.rate() >= RATE_FAST;
        if source.queue.is_empty() && !download.refill(address, overdue, (step, is_fast), rng) {
            path.set_app_limited(now);
            if let Some(source) = download.sources.get_mut(&address) {
                source.looks_again = Some(now + path.round_trip().unwrap_or(OVERDUE_FIRST).clamp(PAUSE_MIN, PAUSE_MAX));
            }
            return;
        }
        let (id, held) = (download.id, &download.held);
        let Some(source) = download.sources.get_mut(&address) else { return };
        let Some(mut span) = source.queue.pop_front() else { return };
        // It may have come from somebody else meanwhile.
        let Some(gap) = held[span.part as usize].first_gap(span.range.clone()) else { continue };
        if gap.end < span.range.end {
            source.queue.push_front(Span { part: span.part, range: gap.end..span.range.end });
        }
        span.range = gap;
        let asked = ask_run(now, id, source, path, &span, (step, room, budget));
        limit.asked(now, &mut download.had, address, asked.2);
        questions.push(Question { to: address, id, ask: asked.0 });
        if asked.1 < span.range.end {
            source.queue.push_front(Span { part: span.part, range: asked.1..span.range.end });
        }
    }
}

/// Asks for the beginning of a span, as much as begins within `room` and `budget`. Says how, where the rest begins, and
/// how much that is on the way.
fn ask_run(
    now: Time,
    id: ContentId,
    source: &mut Source,
    path: &mut Path<Key>,
    span: &Span,
    (step, mut room, budget): (u32, usize, usize),
) -> (Ask, u64, usize) {
    let (part, start) = (span.part, span.range.start);
    let most = match source.tongue {
        Tongue::Ours => RUN_MAX.min((RUN_BYTES_MAX / u64::from(step)) as u32),
        Tongue::Common => 1,
    };
    let worth = (RUN_WORTH * wire_bytes(step)).max(path.burst()).min(path.in_flight() / 2);
    let (mut offset, mut count, mut bytes) = (start, 0, 0);
    while offset < span.range.end && count < most && (count == 0 || room > 0 || bytes < worth) && bytes < budget {
        let length = u64::from(step).min(span.range.end - offset) as u32;
        if !path.asked(now, (id, part, offset), wire_bytes(length)) {
            break;
        }
        source.asks.insert((part, offset), Asked { length, asked: now, is_run: source.tongue == Tongue::Ours });
        room = room.saturating_sub(wire_bytes(length));
        bytes += wire_bytes(length);
        offset += u64::from(length);
        count += 1;
    }
    let ask = match source.tongue {
        Tongue::Common => Ask::Block { part, offset: start, length: (offset - start) as u32 },
        Tongue::Ours => {
            let run = source.run + u32::from(part == Part::Tree);
            Ask::Run { part, offset: start, length: offset - start, block: step, run }
        }
    };
    (ask, offset, bytes)
}

/// Asks a source for the blocks that are compared.
fn ask_juror(
    now: Time,
    download: &mut Download,
    (path, limit): (&mut Path<Key>, &mut Limit),
    address: SocketAddr,
    questions: &mut Vec<Question>,
) {
    let (Stage::Jury(jury), Some(size)) = (&download.trial.stage, download.tree.map(|tree| tree.shape().size())) else {
        return;
    };
    let Some(source) = download.sources.get_mut(&address).filter(|source| source.is_active()) else { return };
    let mut after = 0;
    while let Some(offset) = jury.next_for(address, after) {
        after = offset + 1;
        if source.asks.contains_key(&(Part::Content, offset)) {
            continue;
        }
        let length = u64::from(BLOCK_COMMON_UNFRAGMENTED).min(size - offset) as u32;
        source.waits_for_room = path.may_ask(now) == 0;
        if !source.waits_for_room && limit.question(now) == 0 {
            limit.hold_back(address);
            return;
        }
        if source.waits_for_room || !path.asked(now, (download.id, Part::Content, offset), wire_bytes(length)) {
            return;
        }
        source.asks.insert((Part::Content, offset), Asked { length, asked: now, is_run: false });
        limit.asked(now, &mut download.had, address, wire_bytes(length));
        let ask = Ask::Block { part: Part::Content, offset, length };
        questions.push(Question { to: address, id: download.id, ask });
    }
}

/// How much of the content each answer is to carry.
fn step_bytes(source: &Source, address: SocketAddr) -> u32 {
    let is_local = match address.ip() {
        IpAddr::V4(ip) => ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_loopback(),
    };
    match source.tongue {
        Tongue::Common if source.needs_small => BLOCK_COMMON_UNFRAGMENTED,
        Tongue::Common => BLOCK_COMMON,
        Tongue::Ours if source.needs_small => BLOCK_UNFRAGMENTED,
        Tongue::Ours if is_local => BLOCK_LOCAL,
        Tongue::Ours => BLOCK_UNFRAGMENTED,
    }
}
