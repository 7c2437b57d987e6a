//! Looking for peers and neighbours: whom to try, whom to ask, and how soon again.
//!
//! Looking is eager while it helps and patient when it does not; a node that has what it needs asks three times an
//! hour. It refuses to let anybody else set the pace: what others can make it do is bounded in `provoked`.

use super::Node;
use super::naming::DECLINED_FOR;
use super::notes::Note;
use super::provoked::Kind;
use crate::content::Store;
use crate::peers::Peer;
use crate::peers::contacts::LONG_GAP_SECONDS;
use crate::peers::crowd::Crowd;
use crate::peers::heard::{Heard, Source};
use crate::peers::links::LINKS_LOW;
use crate::sorted::in_order;
use crate::time::Time;
use rand::RngExt;
use std::net::SocketAddr;
use std::time::Duration;

/// How soon we look for peers again while every look brings something new.
pub(super) const SEEK_MIN: Duration = Duration::from_secs(1);

/// How long we wait at most between looks while we know too few; doubled from [`SEEK_MIN`] while nothing new turns up.
const SEEK_MAX: Duration = Duration::from_secs(60);

/// How long we wait at most while addresses that we mean to try are left.
const SEEK_TRYING: Duration = Duration::from_secs(4);

/// How long we wait at most while we know fewer than [`PEERS_FEW`]. What they know may have grown since we last asked,
/// and one question in five is lost with its answer where a tenth of all datagrams is: several fit in a minute.
const SEEK_FEW: Duration = Duration::from_secs(10);

/// Fewer peers than this may be a piece that is hardly connected with the rest.
const PEERS_FEW: usize = 8;

/// How often a node that has enough neighbours, but unwelcome ones among them, looks for others.
const SEEK_POLITE: Duration = Duration::from_secs(180);

/// How often a node that knows enough peers asks for others, so that news of newcomers spreads.
const SEEK_SETTLED: Duration = Duration::from_secs(1_200);

/// How often a node that needs nothing tries an address again that the user gave it and that never answered, because it
/// may lead to another swarm: as soon as its account allows, even if chance makes the pause a tenth shorter.
const SEEK_MISSING: Duration = Duration::from_secs((LONG_GAP_SECONDS as u64 + 2) * 10 / 9);

/// How many addresses are tried in one look.
const CONTACTS_PER_SEEK: usize = 8;

/// How many peers are tried as neighbours in one look.
const TRIALS_PER_SEEK: usize = 3;

/// Among how many random peers somebody is chosen to be asked who is no neighbour: so many that some were heard lately
/// even where most were not.
const OUTSIDERS_LOOKED_AT: usize = 64;

/// So many networks must have a peer that was heard lately before only such are asked.
const FRESH_NETWORKS_MIN: usize = 4;

/// A known peer that has fallen silent is tried, or asked, again no sooner than this, and than a quarter of its
/// silence.
const RETRY_PAUSE: Duration = Duration::from_secs(60);

impl<S: Store> Node<S> {
    /// A peer that counts came or went, or the way to it did, or the network is back: if we are looking for something,
    /// look and ask again soon.
    pub(super) fn note_progress(&mut self, now: Time) {
        if !self.is_looking() {
            return;
        }
        self.timers.ask_pause = SEEK_MIN;
        self.timers.ask = self.timers.ask.min(now + SEEK_MIN);
        self.note_hint(now);
    }

    /// A new name turned up: if we are looking for something, try it soon. Names are cheap, so they hurry no question.
    pub(super) fn note_hint(&mut self, now: Time) {
        if self.is_looking() {
            self.timers.seek_pause = SEEK_MIN;
            self.timers.seek = self.timers.seek.min(now + SEEK_MIN);
        }
    }

    /// Whether we have too few peers or neighbours.
    fn is_looking(&self) -> bool {
        self.is_hungry() || self.is_lonely()
    }

    /// Looks for peers and neighbours: eagerly while there are too few and looking helps, else seldom.
    pub(super) fn seek(&mut self, now: Time) {
        self.drop_spent(now);
        self.recall_anchors(now);
        self.try_heard(now, CONTACTS_PER_SEEK);
        self.try_known(now);
        if now >= self.timers.ask {
            self.ask_somebody(now);
        }
        let pause = if self.has_untried(now) {
            self.timers.seek_pause.min(SEEK_TRYING)
        } else if self.peers.counted() < PEERS_FEW {
            self.timers.seek_pause.min(SEEK_FEW)
        } else if self.is_looking() {
            self.timers.seek_pause
        } else if self.wants_links() {
            SEEK_POLITE
        } else if self.misses_somebody() {
            SEEK_MISSING
        } else {
            SEEK_SETTLED
        };
        self.timers.seek_pause = (self.timers.seek_pause * 2).min(SEEK_MAX);
        // A tenth of chance keeps nodes that started together from acting together forever.
        self.timers.seek = now + pause.mul_f64(self.rng.random_range(0.9..1.1));
    }

    /// Drops addresses that had their chances. Those of an earlier run are given up only if the network works.
    fn drop_spent(&mut self, now: Time) {
        let spent = self.heard.expire(now);
        if !self.is_hungry() {
            spent.iter().for_each(|address| self.anchors.give_up(*address));
        }
    }

    /// Puts the addresses we were given back on the list, those that may be tried: remembered ones while we know too
    /// few, those of the user always, because only he knows that they lead somewhere else.
    fn recall_anchors(&mut self, now: Time) {
        let is_hungry = self.is_hungry();
        // From a random place, so that no hundred without a way are always the first.
        let first = self.rng.random_range(0..self.anchors.len().max(1));
        for (address, is_remembered) in self.anchors.iter_from(first) {
            // Who finds no room would answer, be forgotten, and be tried again at every look.
            let is_wanted = !is_remembered || is_hungry && self.peers.has_room_for(address);
            if is_wanted && self.peers.get(address).is_none() && self.provoked.contacts.may_contact(now, address) {
                let source = if is_remembered { Source::Remembered } else { Source::Configuration };
                self.heard.insert(now, address, source);
            }
        }
    }

    /// Whether an address that the user gave us is no peer, though there would be room for it.
    fn misses_somebody(&self) -> bool {
        let is_missing = |address| self.peers.get(address).is_none() && self.peers.has_room_for(address);
        self.anchors.iter().any(|(address, is_remembered)| !is_remembered && is_missing(address))
    }

    /// Somebody who may turn out to be a node is to be tried, if it does not come back by itself.
    pub(super) fn note_untried(&mut self, now: Time) {
        self.timers.seek = self.timers.seek.min(now + SEEK_TRYING);
    }

    /// Whether an address that we were given, or that wrote to us, still has tries before it.
    fn has_untried(&self, now: Time) -> bool {
        let is_untried = |heard: &Heard| {
            heard.is_urgent() && !heard.is_unsent && self.provoked.contacts.may_contact(now, heard.address)
        };
        self.heard.iter().any(is_untried)
    }

    /// Tries some of the addresses we have heard of, those we were given first; names from peers only while we need
    /// them.
    fn try_heard(&mut self, now: Time, most: usize) {
        let is_needed = self.is_hungry() || self.is_lonely();
        let mut due: Vec<_> = self
            .heard
            .iter()
            .filter(|heard| heard.is_urgent() || is_needed && self.peers.has_room_for(heard.address))
            .filter(|heard| heard.is_due(now) && self.provoked.contacts.may_contact(now, heard.address))
            .map(|heard| (heard.source, 0_u32, heard.address))
            .collect();
        for entry in &mut due {
            entry.1 = self.rng.random_range(0..u32::MAX);
        }
        let mut due = in_order(due, Ord::cmp);
        // Strangers can be forged without end. What is more than half of a look of them waits behind all others.
        let first = due.partition_point(|(source, ..)| *source < Source::Itself);
        let end = due.partition_point(|(source, ..)| *source <= Source::Itself);
        let waiting = (first + most / 2).min(end);
        due[waiting..].rotate_left(end - waiting);
        for (source, _, address) in due.into_iter().take(most) {
            // Anybody can forge a source; those that want something from us get no more than a trickle.
            if is_needed || source != Source::Itself || self.may_follow(now, address) {
                self.contact(now, address);
            }
        }
    }

    /// Tries a few known peers as neighbours: such as were heard lately, for others are mostly behind closed NATs; any
    /// at all if there is no neighbour left to ask.
    fn try_known(&mut self, now: Time) {
        let wanted = LINKS_LOW.saturating_sub(self.links.welcome()).min(TRIALS_PER_SEEK);
        let is_alone = self.links.in_reach() == 0;
        let candidates: Vec<_> = self
            .peers
            .sample(8 * TRIALS_PER_SEEK, &mut self.rng)
            .filter(|peer| is_alone || peer.is_fresh(now))
            .filter(|peer| may_retry(peer, now))
            .filter(|peer| peer.declined.is_none_or(|last| now.since(last) >= DECLINED_FOR))
            .map(|peer| peer.address)
            .filter(|address| !self.links.contains(*address))
            .take(wanted)
            .collect();
        for address in candidates {
            self.try_link(now, address, true, Note::default());
        }
    }

    /// Asks for others: by turns a neighbour, who answers most likely, and somebody who is none. Whoever fills
    /// all places of neighbours must not decide alone whom we hear of. Who is asked tells those it names of us, too.
    fn ask_somebody(&mut self, now: Time) {
        self.timers.asks_outside = !self.timers.asks_outside;
        let outsider = if self.timers.asks_outside { self.outsider(now) } else { None };
        let somebody = outsider.or_else(|| self.neighbour()).or_else(|| self.outsider(now));
        if let Some(address) = somebody.filter(|address| self.provoked.may_provoke(now, Kind::Question, *address)) {
            let pause = if !self.is_looking() {
                if self.wants_links() { SEEK_POLITE } else { SEEK_SETTLED }
            } else if self.peers.counted() >= PEERS_FEW {
                self.timers.ask_pause
            } else if self.has_untried(now) {
                self.timers.ask_pause.min(SEEK_TRYING)
            } else {
                self.timers.ask_pause.min(SEEK_FEW)
            };
            self.timers.ask_pause = (self.timers.ask_pause * 2).min(SEEK_MAX);
            // Less than the pause of the look that will ask, which chance may shorten.
            self.timers.ask = now + pause.mul_f64(0.8);
            self.write_to(now, address, Note { asks_for_peers: true, ..Note::default() });
        }
    }

    /// The neighbour that was not asked for longest: by chance one of a few may not be asked for minutes, and it may be
    /// the only one with news.
    fn neighbour(&mut self) -> Option<SocketAddr> {
        let neighbours: Vec<_> = self.links.iter().filter(|link| link.is_proven).map(|link| link.address).collect();
        let first = self.rng.random_range(0..neighbours.len().max(1));
        let (before, after) = neighbours.split_at_checked(first)?;
        let asked = |address: &&SocketAddr| self.peers.get(**address).and_then(|peer| peer.asked);
        after.iter().chain(before).min_by_key(asked).copied()
    }

    /// A random peer that is no neighbour, one of each network considered. One that was heard lately, if several
    /// networks have such; else a landlord whose addresses all speak up would get every question.
    fn outsider(&mut self, now: Time) -> Option<SocketAddr> {
        let links = &self.links;
        let mut crowd = Crowd::default();
        let others = self.peers.sample(OUTSIDERS_LOOKED_AT, &mut self.rng);
        let others = others.filter(|peer| !links.holds(peer.address) && may_ask_again(peer, now));
        let others: Vec<_> = others.filter(|peer| crowd.admit(peer.address, 1)).collect();
        let mut fresh = others.iter().filter(|peer| peer.is_fresh(now));
        let is_varied = fresh.clone().count() >= FRESH_NETWORKS_MIN;
        let somebody = fresh.next().filter(|_| is_varied).or(others.first());
        somebody.map(|peer| peer.address)
    }
}

/// How long a silent peer is left alone.
fn retry_pause(peer: &Peer, now: Time) -> Duration {
    RETRY_PAUSE.max(now.since(peer.heard) / 4)
}

/// Whether a peer may be tried as a neighbour again.
fn may_retry(peer: &Peer, now: Time) -> bool {
    peer.probe.is_none_or(|probe| now.since(probe.sent) >= retry_pause(peer, now))
}

/// Whether a peer may be asked for others again.
fn may_ask_again(peer: &Peer, now: Time) -> bool {
    peer.is_fresh(now) || peer.asked.is_none_or(|asked| now.since(asked) >= retry_pause(peer, now))
}
