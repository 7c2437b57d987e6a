//! What the passing of time brings: looking for peers, keeping paths open, calling into the local network, forgetting,
//! and saying when the table is worth saving.
//!
//! Every job has a deadline of its own and puts it into the future when it has run. A node with enough neighbours wakes
//! up about once every three seconds, to exchange one small probe.

use super::notes::Note;
use super::outage::is_beside;
use super::peering::{PEERS_SAVED_MAX, PEERS_SAVED_PER_NETWORK};
use super::seeking::SEEK_MIN;
use super::{Destination, Event, Node};
use crate::content::Store;
use crate::peers::crowd::Crowd;
use crate::peers::links::Link;
use crate::peers::{FORGET_AFTER, Peer};
use crate::sorted::in_order;
use crate::time::Time;
use crate::wire::encode::Writer;
use crate::wire::messages::PleaseSendPeers;
use crate::wire::{DATAGRAM_SEND_MAX_BYTES, Message};
use std::cmp::Reverse;
use std::net::SocketAddr;
use std::time::Duration;

/// How soon we call into the local network again, doubled each time.
const LAN_MIN: Duration = Duration::from_secs(1);

/// How long between calls while we have too few neighbours.
const LAN_MAX: Duration = Duration::from_secs(32);

/// How long between calls once we have enough.
const LAN_SETTLED: Duration = Duration::from_secs(600);

/// How soon after the first verified peer the table is saved.
const SAVE_SOON: Duration = Duration::from_secs(1);

/// How long between savings.
const SAVE_PAUSE: Duration = Duration::from_secs(30);

/// How long between savings once the first [`PEERS_SAVED_MAX`] are not filling up any more; flash memory wears out.
const SAVE_SETTLED: Duration = Duration::from_secs(300);

/// How often silent peers are looked for.
const EXPIRE_PAUSE: Duration = Duration::from_secs(60);

/// Called this much later than it asked for, a node has been asleep: nothing else delays it so.
const ASLEEP_AFTER: Duration = Duration::from_secs(60);

/// After a sleep, peers have this long to be heard again before they are forgotten.
const GRACE: Duration = Duration::from_secs(120);

/// No deadline is nearer than this after a timeout, whatever the jobs say: nothing here needs a finer clock.
const STEP_MIN: Duration = Duration::from_millis(10);

/// While content is being fetched: the steps of the event loop's own clock.
const STEP_FETCHING: Duration = Duration::from_millis(1);

/// When each job is due.
#[derive(Debug)]
pub(super) struct Timers {
    pub(super) seek: Time,
    pub(super) seek_pause: Duration,
    /// When somebody may be asked for names again; looked at when we seek.
    pub(super) ask: Time,
    pub(super) ask_pause: Duration,
    /// Whether the last to be asked was meant to be no neighbour.
    pub(super) asks_outside: bool,
    lan: Option<Time>,
    lan_pause: Duration,
    save: Option<Time>,
    saved: Option<Time>,
    expire: Time,
    /// No timeout before this.
    earliest: Time,
}

impl Timers {
    pub(super) fn new(now: Time, lan: bool) -> Timers {
        Timers {
            seek: now,
            seek_pause: SEEK_MIN,
            ask: now,
            ask_pause: SEEK_MIN,
            asks_outside: false,
            lan: lan.then_some(now),
            lan_pause: LAN_MIN,
            save: None,
            saved: None,
            expire: now + EXPIRE_PAUSE,
            earliest: now,
        }
    }
}

/// Whether a verified peer is not near, when it was heard last, and where it is.
pub(super) type PeerWorth = (bool, Reverse<Time>, SocketAddr);

impl<S: Store> Node<S> {
    /// When [`Node::handle_timeout`] is due; `None` if nothing is.
    pub fn poll_timeout(&self) -> Option<Time> {
        let timers = &self.timers;
        let fetching = [self.fetching.due(), self.transfers.due(), self.streams.due()];
        let optional = [timers.lan, timers.save, self.links.due(), self.homes.due(), self.showings.due()];
        let optional = optional.into_iter().chain(fetching).chain([
            self.finds.due(),
            self.private.due(),
            self.named.searches.due(),
            self.groups.due(),
        ]);
        let due = optional.flatten().fold(timers.seek.min(timers.expire), Time::min);
        Some(due.max(timers.earliest))
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Time) {
        let due = self.poll_timeout().unwrap_or(now);
        if now.since(due) >= ASLEEP_AFTER {
            self.doubt_everything(now);
        }
        self.issuer.rotate(now, &mut self.rng);
        self.tend_links(now);
        self.tend_claims(now);
        self.tend_showings(now);
        if now >= self.timers.expire {
            self.expire_peers(now);
        }
        if now >= self.timers.seek {
            self.seek(now);
        }
        if self.timers.lan.is_some_and(|due| now >= due) {
            self.call_lan(now);
        }
        if self.timers.save.is_some_and(|due| now >= due) {
            self.ask_to_save(now);
        }
        self.tend_groups(now);
        self.tend_finds(now);
        self.tend_private(now);
        self.tend_fetching(now);
        self.tend_names(now);
        self.tend_streams(now);
        let is_idle = self.transfers.is_idle() && self.streams.is_idle();
        self.timers.earliest = now + if is_idle { STEP_MIN } else { STEP_FETCHING };
    }

    /// The machine slept or moved: every neighbour has to prove again that it is there, at once.
    pub(super) fn doubt_everything(&mut self, now: Time) {
        self.links.doubt_all();
        self.heard.hope();
        self.peers.spare(now, FORGET_AFTER.saturating_sub(GRACE));
        self.timers.expire = now + EXPIRE_PAUSE;
        self.note_progress(now);
        if self.config.lan {
            self.timers.lan = Some(now);
            self.timers.lan_pause = LAN_MIN;
        }
    }

    /// The set of verified peers changed: save it, soon if it is the first one, else not too often.
    pub(super) fn note_peers_changed(&mut self, now: Time) {
        let pause = if self.peers.len() > PEERS_SAVED_MAX { SAVE_SETTLED } else { SAVE_PAUSE };
        let due = self.timers.saved.map_or(now + SAVE_SOON, |saved| (saved + pause).max(now));
        self.timers.save = Some(self.timers.save.map_or(due, |save| save.min(due)));
    }

    fn ask_to_save(&mut self, now: Time) {
        self.timers.save = None;
        self.timers.saved = Some(now);
        let peers = self.peers_to_save();
        self.report(Event::SavePeers(peers));
    }

    /// The addresses worth remembering: neighbours, then other peers by how lately they were heard, then those of an
    /// earlier run that have not been given up, so that a run without a network loses nothing. One of each host and a
    /// few of each network come before all others, so that no landlord is all that we remember.
    pub(super) fn peers_to_save(&self) -> Vec<SocketAddr> {
        let verified =
            self.peers_by_worth(|address| self.links.contains(address)).into_iter().map(|(_, _, address)| address);
        let remembered = self.anchors.remembered().filter(|address| self.peers.get(*address).is_none());
        let mut crowd = Crowd::default();
        let (few, rest): (Vec<_>, Vec<_>) = verified
            .chain(remembered)
            .partition(|address| crowd.count < PEERS_SAVED_MAX && crowd.admit(*address, PEERS_SAVED_PER_NETWORK));
        few.into_iter().chain(rest).take(PEERS_SAVED_MAX).collect()
    }

    /// The verified peers, those first for which `is_near` says so, then by how lately they were heard.
    pub(super) fn peers_by_worth(&self, is_near: impl Fn(SocketAddr) -> bool) -> Vec<PeerWorth> {
        let worth = |peer: &Peer| (!is_near(peer.address), Reverse(peer.heard), peer.address);
        in_order(self.peers.iter().map(worth).collect(), Ord::cmp)
    }

    /// Probes the neighbours that have been silent, and forgets those that stay so.
    fn tend_links(&mut self, now: Time) {
        self.links.settle(now);
        self.links.release_one(now);
        let due: Vec<_> = self.links.iter().filter(|link| link.due() <= now).cloned().collect();
        for link in due {
            if link.is_dead() || self.peers.get(link.address).is_none() {
                self.bury(now, &link);
                continue;
            }
            // Some nodes answer no probes, and some have lost our token or moved: later tries say all there is to say.
            let is_retry = link.unanswered > 0;
            // By turns with the token that it may have changed to: until one of the two is proven, either may be right.
            if link.unanswered % 2 == 1 && self.peers.get(link.address).is_some_and(|peer| peer.candidate.is_some()) {
                self.follow_up(now, link.address);
            } else {
                let note = Note { probes: true, asks_for_peers: is_retry, gives_token: is_retry };
                self.write_to(now, link.address, note);
            }
            self.links.probed(now, link.address);
        }
    }

    /// A neighbour is dead, and forgotten; unless nobody at all has been heard since we began to doubt it. Then it is
    /// our own network that is dead, and the neighbour is only left alone.
    fn bury(&mut self, now: Time, link: &Link) {
        self.links.remove(link.address);
        if self.outages.lose(link.address, link.doubted) {
            // Without a network, looking faster would only go through all we know.
            self.timers.seek = self.timers.seek.min(now + self.timers.seek_pause);
            return;
        }
        // Whoever names our peers one by one shall not have those forgotten that do not answer at the moment.
        if !link.is_hearsay && self.peers.remove(link.address).is_some() {
            self.feel_hunger();
            self.note_peers_changed(now);
        }
        self.note_progress(now);
    }

    /// A verified peer was heard. If nobody was for long, the network is back.
    pub(super) fn hear_somebody(&mut self, now: Time, address: SocketAddr) {
        if let Some(silence) = self.outages.hear(now, address) {
            self.peers.excuse(now, silence, |other| is_beside(address, other));
            self.note_progress(now);
        }
    }

    /// Forgets peers that have been silent for long. If nobody was heard meanwhile they are remembered as those of an
    /// earlier run are, and tried again: an outage of our network must cost us nobody.
    fn expire_peers(&mut self, now: Time) {
        self.timers.expire = now + EXPIRE_PAUSE;
        let mut saved = self.peers_to_save();
        saved.retain(|address| self.outages.is_away(now, *address));
        let silent = self.peers.expire(now);
        silent.iter().for_each(|address| self.links.remove(*address));
        if !silent.is_empty() {
            saved.into_iter().for_each(|address| _ = self.anchors.add(address, true));
            self.feel_hunger();
            self.note_progress(now);
            self.note_peers_changed(now);
        }
    }

    /// Calls into the local network. The probe lets us recognise our own call when it comes back.
    fn call_lan(&mut self, now: Time) {
        let mut writer = Writer::default();
        let probe = self.issuer.probe(&mut self.rng);
        writer.push(&Message::PleaseSendPeers(PleaseSendPeers {}), DATAGRAM_SEND_MAX_BYTES);
        writer.push_cookie("PleaseReturnThisMessage", probe.as_bytes(), DATAGRAM_SEND_MAX_BYTES);
        self.send(Destination::Lan, writer.take());
        let pause = if !self.is_lonely() { LAN_SETTLED } else { self.timers.lan_pause };
        self.timers.lan_pause = (self.timers.lan_pause * 2).min(LAN_MAX);
        self.timers.lan = Some(now + pause);
    }
}
