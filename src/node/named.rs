//! Files with names: taking versions and telling those who ask, and what the user publishes.
//!
//! Whatever says which version is the newest was signed by the key whose file it is, so it does not matter who brings
//! it, nor does it matter how often. Strangers' versions are kept to be passed on, within the limits of
//! [`Versions`]; they are no wish of the user, so nothing is fetched or written down because of them. Asking is
//! the part of `seeking_names`.

use super::envelopes::may_open_more;
use super::reply::Reply;
use super::seeking_names::Searches;
use super::sender::Sender;
use super::{CommandError, Event, Node};
use crate::content::{ContentId, Store};
use crate::identity::opening::Layer;
use crate::peers::address::{Network, network};
use crate::sizes::Size;
use crate::sorted::SortedSet;
use crate::time::Time;
use crate::titles::table::{FOLLOWED_MAX, PUBLISHED_MAX, Versions};
use crate::titles::{Title, Version, latest_in};
use crate::wire::encode::Writer;
use crate::wire::messages::{GetLatest, SignedMessage};
use crate::wire::{DATAGRAM_SEND_MAX_BYTES, Decoded, Message};
use std::net::SocketAddr;

/// What is known of files with names.
#[derive(Debug, Default)]
pub(super) struct Named {
    pub(super) versions: Versions,
    /// What is kept up to date for the user.
    pub(super) followed: SortedSet<Title>,
    /// What the user publishes no longer: we do not speak of it.
    withdrawn: SortedSet<Title>,
    /// Our own titles of which others know a newer version than the user has published here.
    outdone: SortedSet<Title>,
    pub(super) searches: Searches,
}

impl Named {
    pub(super) fn sizes(&self) -> impl Iterator<Item = Size> {
        let Named { versions, followed, withdrawn, outdone, searches } = self;
        let own = [
            Size::new("titles kept up to date", followed.len(), FOLLOWED_MAX),
            Size::new("names published no longer", withdrawn.len(), PUBLISHED_MAX),
            Size::new("own names that others know newer", outdone.len(), PUBLISHED_MAX),
        ];
        versions.sizes().into_iter().chain(own).chain(searches.sizes())
    }
}

impl<S: Store> Node<S> {
    /// The newest version that is known of a title.
    pub fn version(&self, title: &Title) -> Option<&Version> {
        // A flood may have pushed out what a search has found, and a search that is over finds nothing more.
        let (found, held) = (self.named.searches.found(title), self.named.versions.get(title));
        found.filter(|found| held.is_none_or(|held| found.is_newer_than(held))).or(held)
    }

    /// The titles that are kept up to date.
    pub fn followed(&self) -> impl Iterator<Item = &Title> {
        self.named.followed.iter()
    }

    /// The newest versions of our own, with whether the user publishes them.
    pub fn own_versions(&self) -> impl Iterator<Item = (&Version, bool)> {
        let own = self.public_key();
        let kept = self.named.versions.kept().filter(move |version| version.title.key == own);
        kept.map(|version| (version, !self.named.withdrawn.contains(&version.title)))
    }

    /// Versions of our own that others have told us and that the user has not published here: somebody uses the key
    /// elsewhere, or what is known here comes from a copy that was made before.
    pub fn outdone(&self) -> impl Iterator<Item = &Version> {
        self.named.outdone.iter().filter_map(|title| self.named.versions.get(title))
    }

    /// Publishes a version, or stops doing so. Neighbours are told what is new.
    pub(super) fn publish(&mut self, now: Time, version: Version, is_withdrawn: bool) -> Result<(), CommandError> {
        self.check_own(&version)?;
        let title = version.title.clone();
        if is_withdrawn {
            self.named.withdrawn.insert(title.clone());
        } else {
            self.named.withdrawn.remove(&title);
        }
        if !self.named.versions.get(&title).is_some_and(|held| held.is_newer_than(&version)) {
            self.named.outdone.remove(&title);
        }
        let is_news = self.named.versions.keep(version);
        self.named.searches.begin_rounds(now);
        if is_news && !is_withdrawn {
            self.tell_neighbours(&title);
        }
        Ok(())
    }

    /// Takes a version of our own that others told us in an earlier run.
    pub(super) fn recall(&mut self, version: Version) -> Result<(), CommandError> {
        self.check_own(&version)?;
        let title = version.title.clone();
        if self.named.versions.keep(version) {
            self.named.outdone.insert(title);
        }
        Ok(())
    }

    /// Whether a version is our own, and there is room for it.
    fn check_own(&self, version: &Version) -> Result<(), CommandError> {
        if version.title.key != self.public_key() {
            return Err(CommandError::OthersKey);
        }
        let has_room = self.own_versions().count() < PUBLISHED_MAX;
        let is_known = || self.own_versions().any(|(known, _)| known.title == version.title);
        if has_room || is_known() { Ok(()) } else { Err(CommandError::Full) }
    }

    /// Keeps a title up to date from now on.
    pub(super) fn follow(&mut self, now: Time, title: Title, version: Option<Version>) -> Result<(), CommandError> {
        if self.named.followed.len() >= FOLLOWED_MAX && !self.named.followed.contains(&title) {
            return Err(CommandError::Full);
        }
        // What the search has found may be forgotten by now.
        for version in [version, self.version(&title).cloned()].into_iter().flatten() {
            self.named.versions.keep(version);
        }
        self.named.followed.insert(title);
        self.named.searches.begin_rounds(now);
        Ok(())
    }

    /// Keeps it up to date no longer.
    pub(super) fn unfollow(&mut self, title: &Title) -> Result<(), CommandError> {
        if !self.named.followed.remove(title) {
            return Err(CommandError::NotFollowed);
        }
        if title.key != self.public_key() {
            self.named.versions.release(title, Network::Local);
        }
        Ok(())
    }

    /// Tells the newest version of a title, in the envelope in which it came.
    pub(super) fn tell_latest(&self, question: &GetLatest<'_>, reply: &mut Reply) {
        reply.expects_answer();
        let version = self.named.versions.find(&question.ed25519.0, &question.name);
        if let Some(version) = version.filter(|version| !self.named.withdrawn.contains(&version.title)) {
            reply.push(&Message::SignedMessage(version.envelope()));
        }
    }

    /// Takes the versions among the envelopes of a datagram.
    pub(super) fn take_versions(&mut self, now: Time, sender: &Sender, inner: &[(&Layer, Decoded<'_>)]) {
        if sender.is_new {
            self.named.searches.hurry(now);
        }
        for (layer, decoded) in inner {
            if decoded.messages.iter().any(|message| matches!(message, Message::Latest(_)))
                && let Some(version) = Version::of_layer(layer)
            {
                self.take_version(now, sender, version);
            }
        }
    }

    fn take_version(&mut self, now: Time, sender: &Sender, version: Version) {
        let title = version.title.clone();
        let is_confirmed = self.confirms(sender, &version);
        let is_sought = self.named.searches.take(now, sender, &version, is_confirmed);
        let is_followed = self.named.followed.contains(&title);
        if is_sought || is_followed {
            // Whoever speaks of it may well have it.
            self.note_holder(sender, &ContentId::Sha256(version.sha256).to_string());
        }
        let is_news = if is_followed {
            self.named.versions.keep(version)
        } else if is_sought || sender.is_verified() || self.named.versions.get(&title).is_some() {
            self.named.versions.hear(version, network(sender.address.ip()))
        } else {
            self.counters.messages_unverified += 1;
            false
        };
        self.counters.versions_forgotten += self.named.versions.take_forgotten();
        if is_news && is_followed {
            self.report(Event::NewVersion(title));
        }
    }

    /// Takes a version of our own that somebody brings, if it is newer than what is known here. Envelopes with our own
    /// key are not opened otherwise; this one is checked as everybody's.
    pub(super) fn take_own_version(&mut self, now: Time, sender: &Sender, envelope: &SignedMessage<'_>) {
        let own = self.public_key();
        let Some(text) = envelope.payload_json.as_ref().filter(|_| envelope.ed25519 == own.hex()) else { return };
        let Some(latest) = latest_in(text.as_bytes()) else { return };
        let title = Title { key: own, name: latest.name.to_string() };
        let known = self.named.versions.get(&title).map(|known| (known.seq, known.sha256));
        let is_sought = self.named.searches.seeks(&title);
        if known.is_some_and(|known| (latest.seq, latest.sha256.0) <= known) && !is_sought {
            return;
        }
        if !may_open_more(&mut self.envelopes, now, sender) {
            self.counters.envelopes_over_rate += 1;
            return;
        }
        let Ok(version) = Version::open(envelope) else {
            self.counters.envelopes_refused += 1;
            return;
        };
        let is_confirmed = self.confirms(sender, &version);
        self.named.searches.take(now, sender, &version, is_confirmed);
        if self.named.versions.is_news(&version) && self.check_own(&version).is_ok() {
            self.named.versions.keep(version);
            self.named.outdone.insert(title.clone());
            self.report(Event::NewVersion(title));
        }
    }

    /// Tells the neighbours of a new version, once: whoever else wants to know asks.
    fn tell_neighbours(&mut self, title: &Title) {
        let neighbours: Vec<SocketAddr> = self.neighbours().collect();
        for address in neighbours {
            let Some(version) = self.named.versions.get(title) else { return };
            let mut writer = Writer::default();
            if writer.push(&Message::SignedMessage(version.envelope()), DATAGRAM_SEND_MAX_BYTES) {
                self.finish_note(address, &mut writer, false);
            }
        }
    }

    /// Verified peers with whom a path is kept open.
    pub(super) fn neighbours(&self) -> impl Iterator<Item = SocketAddr> {
        let links = self.links.iter().map(|link| link.address);
        links.filter(|address| self.links.holds(*address) && self.peers.get(*address).is_some())
    }
}
