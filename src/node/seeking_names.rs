//! Asking which version of a named file is the newest: once, because the user wants it now, and again and again, for
//! what is kept up to date.
//!
//! Only verified peers are asked, neighbours first. The first answer need not be the newest, so a search waits a moment
//! for others. It ends with the newest that was seen; that nothing newer exists, nobody can say.

use super::sender::Sender;
use super::{CommandError, Event, Node};
use crate::content::Store;
use crate::sizes::{Size, no_table};
use crate::time::Time;
use crate::titles::table::FOLLOWED_MAX;
use crate::titles::{Title, Version};
use crate::wire::encode::Writer;
use crate::wire::messages::GetLatest;
use crate::wire::{DATAGRAM_SEND_MAX_BYTES, Message};
use std::net::SocketAddr;
use std::time::Duration;

/// Searches that are remembered; the oldest of those that are over is forgotten first.
pub const SEARCHES_MAX: usize = 16;

/// How many peers are asked at once.
const ASKED_AT_ONCE: usize = 8;

/// How many peers a search asks in one go, as many as the wild asks about keys, before it asks all of them again.
const ASKED_MAX: usize = 256;

/// How soon further peers are asked.
const ROUND: Duration = Duration::from_secs(1);

/// The longest pause before everybody is asked again; it is doubled each time.
const REPEAT_MAX: Duration = Duration::from_secs(64);

/// How long others may take after the first answer: a round trip around the world, and once more.
const ANSWER_WAIT: Duration = Duration::from_secs(1);

/// How soon after the first answer everybody is asked once more: of the others some may not have heard the question.
const ASK_AGAIN: Duration = Duration::from_millis(400);

/// So many peers have to have been asked; with fewer, more may be about to come, and [`FEW_WAIT`] is waited for them.
const FEW: usize = 3;

/// How long a search goes on at least if few peers could be asked: a node that was just started makes contact
/// meanwhile.
const FEW_WAIT: Duration = Duration::from_secs(2);

/// How long to wait for anything newer than what is known already, if nobody confirms it.
const KNOWN_WAIT: Duration = Duration::from_secs(3);

/// How often each title that is kept up to date is asked for: seldom enough to cost nothing, and publishers tell their
/// neighbours at once.
const FOLLOW_PAUSE: Duration = Duration::from_secs(600);

/// How soon after the start they are asked for first, and again when nobody could be asked: peers have been found then.
const FIRST_PAUSE: Duration = Duration::from_secs(10);

/// How many titles are asked for in one datagram; 16 names of ordinary length fill half of one.
const TITLES_AT_ONCE: usize = 16;

/// Each so many rounds of what is kept up to date our own names are asked for too: every six hours. Others may know
/// what a copy of the data directory does not.
const OWN_EVERY: u32 = 36;

/// One search.
#[derive(Debug)]
struct Search {
    title: Title,
    begun: Time,
    patience: Duration,
    /// Whom we have asked in this go.
    asked: Vec<SocketAddr>,
    /// Whether these are few, for all goes.
    is_among_few: bool,
    /// When further peers are asked.
    round: Time,
    repeat: Duration,
    /// When a version was first confirmed, see [`Node::confirms`].
    answered: Option<Time>,
    /// Since when there is something to end with, known before or told by who is verified. What others bring ends no
    /// search: they could keep the user from hearing who knows better.
    known: Option<Time>,
    /// The newest so far.
    found: Option<Version>,
    is_over: bool,
}

impl Search {
    /// When it is over if nothing else happens.
    fn end(&self) -> Time {
        let least = self.begun + if self.is_among_few { FEW_WAIT } else { Duration::ZERO };
        let answered = self.answered.map(|answered| (answered + ANSWER_WAIT).max(least));
        let known = self.known.map(|known| known + KNOWN_WAIT);
        [answered, known].into_iter().flatten().fold(self.begun + self.patience, Time::min)
    }
}

/// All searches, and the rounds of what is kept up to date.
#[derive(Debug, Default)]
pub(super) struct Searches {
    searches: Vec<Search>,
    /// When the next titles are asked for; `None` if there are none.
    next: Option<Time>,
    /// The first of these in the list.
    cursor: usize,
    rounds: u32,
}

impl Searches {
    pub(super) fn sizes(&self) -> [Size; 2] {
        let Searches { searches, next, cursor, rounds } = self;
        no_table(next);
        no_table(cursor);
        no_table(rounds);
        let asked = searches.iter().map(|search| search.asked.len()).max().unwrap_or(0);
        [
            Size::new("searches for names", searches.len(), SEARCHES_MAX),
            Size::new("peers that were asked for a name", asked, ASKED_MAX),
        ]
    }

    fn active(&mut self) -> impl Iterator<Item = &mut Search> {
        self.searches.iter_mut().filter(|search| !search.is_over)
    }

    /// When something is due.
    pub(super) fn due(&self) -> Option<Time> {
        let active = self.searches.iter().filter(|search| !search.is_over);
        active.map(|search| search.round.min(search.end())).chain(self.next).min()
    }

    /// There is something to be kept up to date.
    pub(super) fn begin_rounds(&mut self, now: Time) {
        self.next.get_or_insert(now + FIRST_PAUSE);
    }

    /// Somebody new is there to be asked.
    pub(super) fn hurry(&mut self, now: Time) {
        self.active().for_each(|search| search.round = search.round.min(now));
    }

    /// What a search has found so far.
    pub(super) fn found(&self, title: &Title) -> Option<&Version> {
        self.searches.iter().find(|search| search.title == *title)?.found.as_ref()
    }

    /// Whether a title is sought at present.
    pub(super) fn seeks(&self, title: &Title) -> bool {
        self.searches.iter().any(|search| !search.is_over && search.title == *title)
    }

    /// Whether a title was sought and nobody has confirmed its version.
    fn is_unanswered(&self, title: &Title) -> bool {
        self.searches.iter().any(|search| search.is_over && search.answered.is_none() && search.title == *title)
    }

    /// Somebody brings a version, and perhaps confirms it. Says whether it is sought.
    pub(super) fn take(&mut self, now: Time, sender: &Sender, version: &Version, is_confirmed: bool) -> bool {
        let Some(search) = self.searches.iter_mut().find(|search| search.title == version.title) else { return false };
        if is_confirmed && search.answered.is_none() {
            search.answered = Some(now);
            search.asked.clear();
            search.round = now + ASK_AGAIN;
        }
        if search.is_over {
            return false;
        }
        if sender.is_verified() {
            search.known.get_or_insert(now);
        }
        if search.found.as_ref().is_none_or(|found| version.is_newer_than(found)) {
            search.found = Some(version.clone());
        }
        true
    }
}

impl<S: Store> Node<S> {
    /// Looks for the newest version of a title, and says [`Event::Sought`] in the end.
    pub(super) fn seek_version(&mut self, now: Time, title: Title, patience: Duration) -> Result<(), CommandError> {
        let found = self.version(&title).cloned();
        let searches = &mut self.named.searches.searches;
        if let Some(search) = searches.iter_mut().find(|search| !search.is_over && search.title == title) {
            search.patience = search.patience.max(now.since(search.begun) + patience);
            return Ok(());
        }
        searches.retain(|search| search.title != title);
        if searches.len() >= SEARCHES_MAX {
            let oldest = searches.iter().position(|search| search.is_over).ok_or(CommandError::Full)?;
            searches.remove(oldest);
        }
        searches.push(Search {
            title,
            begun: now,
            patience,
            asked: Vec::new(),
            is_among_few: true,
            round: now,
            repeat: ROUND,
            answered: None,
            known: found.is_some().then_some(now),
            found,
            is_over: false,
        });
        self.tend_names(now);
        Ok(())
    }

    /// Whether a title is being looked for.
    pub fn seeks(&self, title: &Title) -> bool {
        self.named.searches.seeks(title)
    }

    /// Whether a search for a title is over and nobody has confirmed its version, then or since.
    pub fn is_unanswered(&self, title: &Title) -> bool {
        self.named.searches.is_unanswered(title)
    }

    /// Whether somebody who is where it says it is brings a version at least as new as what is known. Anybody can send
    /// again what was signed once, which says nothing about what is the newest now.
    pub(super) fn confirms(&self, sender: &Sender, version: &Version) -> bool {
        sender.is_verified() && self.version(&version.title).is_none_or(|known| !known.is_newer_than(version))
    }

    /// Does what is due about names.
    pub(super) fn tend_names(&mut self, now: Time) {
        for place in 0..self.named.searches.searches.len() {
            let Some(search) = self.named.searches.searches.get_mut(place).filter(|search| !search.is_over) else {
                continue;
            };
            if search.end() <= now {
                search.is_over = true;
                search.asked = Vec::new();
                let (title, is_found) = (search.title.clone(), search.found.is_some());
                self.report(Event::Sought { title, is_found });
            } else if search.round <= now {
                self.ask_more(now, place);
            }
        }
        if self.named.searches.next.is_some_and(|next| next <= now) {
            self.ask_for_followed(now);
        }
    }

    /// Asks some peers who have not been asked, or else all again after a pause.
    fn ask_more(&mut self, now: Time, place: usize) {
        let Some(Search { title, .. }) = self.named.searches.searches.get(place) else { return };
        let (title, home) = (title.clone(), self.home(&title.key));
        let peers = self.peers_to_ask(now, home, ASKED_MAX);
        let Some(search) = self.named.searches.searches.get_mut(place) else { return };
        let room = ASKED_AT_ONCE.min(ASKED_MAX - search.asked.len());
        let new: Vec<SocketAddr> = peers.into_iter().filter(|peer| !search.asked.contains(peer)).take(room).collect();
        search.asked.extend(&new);
        search.is_among_few &= search.asked.len() < FEW;
        search.round = now + ROUND;
        if new.is_empty() && !search.asked.is_empty() {
            search.asked.clear();
            search.round = now + search.repeat;
            search.repeat = (2 * search.repeat).min(REPEAT_MAX);
        }
        self.ask_for(&new, &[title]);
    }

    /// Asks for the next of the titles that are kept up to date.
    fn ask_for_followed(&mut self, now: Time) {
        let mut titles: Vec<Title> = self.followed().cloned().collect();
        if self.named.searches.rounds.is_multiple_of(OWN_EVERY) {
            titles.extend(self.own_versions().map(|(version, _)| version.title.clone()));
        }
        let peers = self.peers_to_ask(now, None, ASKED_AT_ONCE);
        let cursor = self.named.searches.cursor;
        let these = titles.get(cursor..).unwrap_or_default();
        let asked = if peers.is_empty() { 0 } else { self.ask_for(&peers, these) };
        let parts = titles.len().div_ceil(TITLES_AT_ONCE).max(1) as u32;
        let is_nobody_there = peers.is_empty() && !these.is_empty();
        let searches = &mut self.named.searches;
        searches.next = Some(now + if is_nobody_there { FIRST_PAUSE } else { FOLLOW_PAUSE / parts });
        searches.cursor += asked;
        if searches.cursor >= titles.len() {
            searches.cursor = 0;
            searches.rounds = searches.rounds.wrapping_add(1);
        }
    }

    /// Verified peers who were heard lately: where the holder of a key is, neighbours, and others by chance.
    fn peers_to_ask(&mut self, now: Time, home: Option<SocketAddr>, most: usize) -> Vec<SocketAddr> {
        let mut peers: Vec<SocketAddr> = Vec::new();
        let near: Vec<SocketAddr> = home.into_iter().chain(self.neighbours()).collect();
        let others = self.peers.sample(8 * most, &mut self.rng).map(|peer| peer.address);
        for address in near.into_iter().chain(others) {
            let is_there = self.peers.get(address).is_some_and(|peer| peer.is_fresh(now));
            if is_there && peers.len() < most && !peers.contains(&address) {
                peers.push(address);
            }
        }
        peers
    }

    /// Asks these peers for these titles, as many as one datagram takes. Says how many that are.
    fn ask_for(&mut self, peers: &[SocketAddr], titles: &[Title]) -> usize {
        let mut asked = 0;
        for address in peers {
            let mut writer = Writer::default();
            // Room for the tokens.
            let limit = DATAGRAM_SEND_MAX_BYTES / 2;
            let is_pushed = |title: &&Title| {
                let question = GetLatest { ed25519: title.key.hex(), name: title.name.as_str().into() };
                writer.push(&Message::GetLatest(question), limit)
            };
            asked = titles.iter().take(TITLES_AT_ONCE).take_while(is_pushed).count();
            self.finish_note(*address, &mut writer, false);
        }
        asked
    }
}

/// One datagram holds at least one title, and each title is asked for in each round.
const _: () = assert!(FOLLOWED_MAX <= 16 * TITLES_AT_ONCE && crate::titles::NAME_MAX_BYTES * 2 < 1_024);
