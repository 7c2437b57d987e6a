//! Fetching content for the user: who is asked, and what becomes of the answers.
//!
//! The work is done in [`transfer`](crate::transfer); here it meets peers and datagrams. Only verified peers are asked,
//! because everybody else would answer with little. Only the user's commands start anything: whatever others say about
//! content that nobody wants here is a rumour at most.

use super::sender::Sender;
use super::uploads::Uploads;
use super::{CommandError, Event, Node};
use crate::content::{ContentId, Part, Store, TREE_PREFIX};
use crate::peers::heard::HeardTable;
use crate::sizes::{Size, no_table};
use crate::sorted::SortedMap;
use crate::time::Time;
use crate::transfer::{Ask, Failure, Has, Held, Outcome, Progress, Question};
use crate::wire::encode::Writer;
use crate::wire::messages::{Block, Content, Holdings, PleaseSendBlocks, PleaseSendContent, PleaseSendHoldings};
use crate::wire::{DATAGRAM_SEND_MAX_BYTES, Message};
use std::net::SocketAddr;
use std::time::Duration;

/// How soon further peers are asked whether they have a content.
const SPREAD_PAUSE: Duration = Duration::from_secs(1);

/// How many further peers are asked each time.
const SPREAD: usize = 8;

/// With so many sources delivering nobody else is asked. Fetchers that feed each other need about so many for every
/// uplink to be in use.
const SOURCES_ENOUGH: usize = 24;

/// Addresses that somebody said might have what we fetch, and that have to be verified first. Names beyond these are
/// not written down until the tries of others are over.
pub const CANDIDATES_MAX: usize = 64;

/// The common questions that are put into one datagram: more are lost together.
const QUESTIONS_PER_DATAGRAM: usize = 4;

/// What the node keeps about contents on their way, in and out, besides the transfers themselves.
#[derive(Debug)]
pub(super) struct Fetching {
    /// What others wait for.
    pub(super) uploads: Uploads,
    /// Who might have a content once they are verified.
    candidates: SortedMap<SocketAddr, ContentId>,
    /// When further peers are to be asked.
    spread: Option<Time>,
    questions: Vec<Question>,
}

impl Fetching {
    /// Nothing is on its way; what others ask for may be sent at `upload_limit` bytes a second.
    pub(super) fn new(now: Time, upload_limit: Option<u64>) -> Fetching {
        let uploads = Uploads::new(now, upload_limit);
        Fetching { uploads, candidates: SortedMap::new(), spread: None, questions: Vec::new() }
    }

    /// Somebody at an address that is not verified yet might have a content.
    pub(super) fn note_candidate(&mut self, heard: &HeardTable, address: SocketAddr, id: ContentId) {
        if self.candidates.len() >= CANDIDATES_MAX {
            // Whose tries are over makes room.
            self.candidates.retain(|candidate, _| heard.contains(*candidate));
        }
        if self.candidates.len() < CANDIDATES_MAX {
            self.candidates.insert(address, id);
        }
    }

    /// Nothing is being fetched (any more), so nobody is looked for.
    fn rest(&mut self) {
        self.candidates = SortedMap::new();
        self.spread = None;
    }

    pub(super) fn due(&self) -> Option<Time> {
        [self.spread, self.uploads.due()].into_iter().flatten().min()
    }

    /// How full the tables are. Questions are put as soon as they are there.
    pub(super) fn sizes(&self) -> [Size; 4] {
        let Fetching { uploads, candidates, spread, questions } = self;
        no_table(spread);
        let [askers, waiting] = uploads.sizes();
        [
            askers,
            waiting,
            Size::new("possible sources to be verified", candidates.len(), CANDIDATES_MAX),
            Size::new("questions to put", questions.len(), 0),
        ]
    }
}

impl<S: Store> Node<S> {
    /// Begins to fetch a content.
    pub(super) fn fetch(
        &mut self,
        now: Time,
        id: ContentId,
        held: Held,
        patience: Duration,
    ) -> Result<(), CommandError> {
        if !self.transfers.start(now, id, held, patience) {
            return Err(CommandError::Full);
        }
        let holders: Vec<SocketAddr> = self.rumours.holders(&id.to_string()).collect();
        for holder in holders {
            self.offer_source(now, id, holder);
        }
        self.spread(now);
        self.drive(now);
        Ok(())
    }

    /// Stops fetching a content. What is there is kept.
    pub(super) fn stop_fetching(&mut self, now: Time, id: ContentId) -> Result<(), CommandError> {
        if !self.transfers.stop(&id) {
            return Err(CommandError::NotFetching);
        }
        self.store.close_part(&id);
        self.drive(now);
        Ok(())
    }

    /// A content was made to last, was found to be wrong as a whole, or could not be made to last.
    pub(super) fn settle(&mut self, now: Time, id: ContentId, outcome: Result<bool, Failure>) {
        match outcome {
            Ok(is_right) => {
                self.transfers.settled(now, &id, is_right, &mut self.rng);
                if is_right {
                    self.store.close_part(&id);
                    self.report(Event::Fetched(id));
                }
            }
            Err(why) => self.transfers.fail(id, why),
        }
        self.drive(now);
    }

    /// Asks what there is to ask, and reports what has ended.
    pub(super) fn drive(&mut self, now: Time) {
        if self.transfers.is_idle() && !self.transfers.has_outcome() {
            // Most nodes fetch nothing most of the time, and this is asked at every datagram.
            self.fetching.rest();
            return;
        }
        let mut questions = std::mem::take(&mut self.fetching.questions);
        self.transfers.ask(now, &mut self.rng, &mut questions);
        self.put(&questions);
        questions.clear();
        self.fetching.questions = questions;
        while let Some(outcome) = self.transfers.poll_outcome() {
            match outcome {
                Outcome::Settle { id, size } => self.report(Event::Settle { id, size }),
                Outcome::Failed { id, why } => {
                    self.store.close_part(&id);
                    self.report(Event::FetchFailed { id, why });
                }
            }
        }
        if self.transfers.is_idle() {
            self.fetching.rest();
        }
    }

    /// Does what is due.
    pub(super) fn tend_fetching(&mut self, now: Time) {
        self.serve_waiting(now);
        if self.transfers.is_idle() {
            return;
        }
        self.transfers.handle_timeout(now);
        if self.fetching.spread.is_some_and(|due| due <= now) {
            self.spread(now);
        }
        self.drive(now);
    }

    /// Asks further peers whether they have what we lack: any that were heard lately, lest everybody ask the same.
    fn spread(&mut self, now: Time) {
        self.fetching.spread = Some(now + SPREAD_PAUSE);
        let ids = self.short_of_sources();
        if ids.is_empty() {
            return;
        }
        let peers: Vec<SocketAddr> = self
            .peers
            .sample(8 * SPREAD, &mut self.rng)
            .filter(|peer| peer.is_fresh(now))
            .map(|peer| peer.address)
            .collect();
        for id in ids {
            let mut asked = 0;
            for address in &peers {
                asked += usize::from(self.offer_source(now, id, *address));
                if asked == SPREAD {
                    break;
                }
            }
        }
    }

    /// A verified peer might have a content that we fetch. Says whether it is asked.
    pub(super) fn offer_source(&mut self, now: Time, id: ContentId, address: SocketAddr) -> bool {
        self.peers.get(address).is_some() && self.transfers.offer_source(now, &id, address, &mut self.rng)
    }

    /// The contents for which further sources are looked for.
    fn short_of_sources(&self) -> Vec<ContentId> {
        let is_short = |progress: &Progress| !progress.is_settling && progress.sources < SOURCES_ENOUGH;
        self.transfers.progress().filter(is_short).map(|progress| progress.id).collect()
    }

    /// Somebody has been verified, and is asked at once for what was said to be there, or for whatever is short of
    /// sources: a node that was just started knows nobody to ask before.
    pub(super) fn welcome_source(&mut self, now: Time, address: SocketAddr) {
        let ids = match self.fetching.candidates.remove(&address) {
            Some(id) => vec![id],
            None => self.short_of_sources(),
        };
        for id in ids {
            self.offer_source(now, id, address);
        }
        self.drive(now);
    }

    /// A part of a content, in the common words.
    pub(super) fn take_content(&mut self, now: Time, sender: &Sender, content: &Content<'_>) {
        let Some((id, part)) = parse_part(&content.id) else { return };
        // Anybody can write in the name of a source. Some never return our token, so their first word on the size has
        // to do; it is not changed by what may be somebody else's.
        if sender.is_verified() && part == Part::Content && content.eof.is_some() {
            self.transfers.vouch(&id, sender.address);
        }
        let is_believed = sender.is_verified() || !self.transfers.has_claimed(&id, sender.address);
        let (key, answer) = ((id, part, content.offset), (&*content.base64, content.eof.filter(|_| is_believed)));
        let kept = self.transfers.take_content(now, sender.address, key, answer, &mut self.store);
        self.counters.content_refused += u64::from(kept.is_err());
    }

    /// A part of a content, in our words.
    pub(super) fn take_block(&mut self, now: Time, sender: &Sender, block: &Block<'_>) {
        let place = (block.run, block.offset);
        let kept = self.transfers.take_block(now, sender.address, place, &*block.base64, &mut self.store);
        self.counters.content_refused += u64::from(kept.is_err());
    }

    /// Which pieces somebody has. Who knows this word returns our token with it.
    pub(super) fn take_holdings(&mut self, now: Time, sender: &Sender, holdings: &Holdings<'_>) {
        let Some((id, part)) = parse_part(&holdings.id).filter(|_| sender.is_verified()) else { return };
        let has = match &holdings.have {
            None => Has::All,
            Some(have) => match base64_simd::STANDARD.decode_to_vec(have.as_bytes()) {
                Ok(bits) => Has::Some(bits),
                Err(_) => return,
            },
        };
        if part == Part::Content && holdings.eof.is_some() {
            self.transfers.vouch(&id, sender.address);
        }
        self.transfers.take_holdings(now, sender.address, &id, part, holdings.eof, has);
    }

    /// Sends questions, several common ones to one source in one datagram.
    fn put(&mut self, questions: &[Question]) {
        let is_common = |ask: &Ask| matches!(ask, Ask::Block { .. });
        let mut rest = questions;
        while let Some(first) = rest.first() {
            let alike = |other: &&Question| other.to == first.to && is_common(&other.ask) && is_common(&first.ask);
            let count = rest.iter().take(QUESTIONS_PER_DATAGRAM).take_while(alike).count().max(1);
            let (these, others) = rest.split_at(count);
            let mut writer = Writer::default();
            these.iter().for_each(|question| write_question(question, &mut writer));
            let is_knock = first.ask == Ask::Knock;
            self.finish_note(first.to, &mut writer, is_knock);
            rest = others;
        }
    }
}

/// The content that an id on the wire names, and which part of it.
pub(super) fn parse_part(id: &str) -> Option<(ContentId, Part)> {
    match id.strip_prefix(TREE_PREFIX) {
        Some(hash) => crate::content::hash_from_hex(hash).map(|hash| (ContentId::Blake3(hash), Part::Tree)),
        None => ContentId::parse(id).map(|id| (id, Part::Content)),
    }
}

/// The id on the wire of a part of a content.
fn part_id(id: &ContentId, part: Part) -> String {
    match part {
        Part::Content => id.to_string(),
        // Only contents with a tree are asked for one.
        Part::Tree => id.tree_id().unwrap_or_default(),
    }
}

/// Writes a question.
fn write_question(question: &Question, writer: &mut Writer) {
    let text = |part| part_id(&question.id, part);
    let holdings = |part| Message::PleaseSendHoldings(PleaseSendHoldings { id: text(part).into() });
    let mut push = |message: &Message<'_>| _ = writer.push(message, DATAGRAM_SEND_MAX_BYTES);
    match question.ask {
        Ask::Knock => {
            push(&holdings(Part::Content));
            if question.id.tree_id().is_some() {
                push(&holdings(Part::Tree));
            }
            let id = text(Part::Content).into();
            push(&Message::PleaseSendContent(PleaseSendContent { id, offset: 0, length: 1 }));
        }
        Ask::Holdings(part) => push(&holdings(part)),
        Ask::Block { part, offset, length } => {
            let (id, length) = (text(part).into(), u64::from(length));
            push(&Message::PleaseSendContent(PleaseSendContent { id, offset, length }));
        }
        Ask::Run { part, offset, length, block, run } => {
            let (id, block, run) = (text(part).into(), u64::from(block), u64::from(run));
            push(&Message::PleaseSendBlocks(PleaseSendBlocks { id, offset, length, block, run }));
        }
    }
}
