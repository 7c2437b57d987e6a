//! What follows when a content turns out to be wrong as a whole: a jury, its end, and who then delivers alone.
//!
//! With one honest source among any number of others the content has to come. So nobody is waited for longer than a
//! turn, whoever is silent in its turn has another, and only who delivered all of something wrong is asked no more. It
//! refuses to guess who is right: that is what the [`jury`](super::jury) and the next check of the whole are for.

use super::asking::BLOCK_COMMON_UNFRAGMENTED;
use super::download::Download;
use super::jury::Jury;
use super::pieces::Pieces;
use super::source::Source;
use super::trial::{Stage, Turns};
use crate::content::Part;
use crate::time::Time;
use rand::Rng;
use std::net::SocketAddr;
use std::time::Duration;

/// How many silent turns fit in the patience of a user, while it matters who delivers: a liar who says nothing more
/// must not use it up.
const TURNS: u32 = 8;

/// A turn is at least this long: an answer that is lost can be asked for again over the widest path.
const TURN_MIN: Duration = Duration::from_secs(1);

/// A turn is at most this long: a burst of losses is over by then, and so is the patience of most users with silence.
const TURN_MAX: Duration = Duration::from_secs(4);

impl Download {
    /// The content is wrong as a whole. Says whether somebody is left who may have the right one.
    pub(super) fn try_others(&mut self, now: Time, rng: &mut impl Rng) -> bool {
        self.is_settling = false;
        self.was_wrong = true;
        self.progressed = now;
        let Some(size) = self.size() else { return false };
        let contributors: Vec<SocketAddr> = self
            .sources
            .iter()
            .filter(|(_, source)| self.trial.has_contributed(source.number))
            .map(|(address, _)| *address)
            .collect();
        match &self.trial.stage {
            Stage::Alone(turns) => {
                let liar = turns.first();
                liar.is_some_and(|liar| self.next_alone(now, liar))
            }
            _ if contributors.len() == 1 && !self.trial.has_forgotten() => {
                self.begin_anew(now, Some(contributors[0]));
                // Perhaps the right one has not even answered yet.
                self.sources.values().any(|source| !source.is_left())
            }
            _ => {
                let jurors = self.sources.iter().filter(|(_, source)| source.is_active() && source.claim == Some(size));
                let jurors: Vec<SocketAddr> = jurors.map(|(address, _)| *address).collect();
                if jurors.is_empty() && self.trial.has_forgotten() {
                    // It was there from an earlier attempt, and nobody has said anything yet.
                    self.begin_anew(now, None);
                    return true;
                }
                if jurors.is_empty() {
                    // All who had said that it is so long have left or say otherwise by now.
                    self.reconsider_size(now);
                    return self.sources.values().any(Source::is_active);
                }
                self.restart();
                let jury = Jury::draw(size, u64::from(BLOCK_COMMON_UNFRAGMENTED), jurors, rng);
                self.trial.enter(now, Stage::Jury(jury));
                true
            }
        }
    }

    /// Everything came from one source, or from nobody who is known, and is wrong: without that source, everything
    /// again.
    fn begin_anew(&mut self, now: Time, liar: Option<SocketAddr>) {
        self.held = Default::default();
        self.revision = self.revision.wrapping_add(1);
        let size = self.size();
        liar.into_iter().for_each(|liar| self.leave(now, liar));
        if self.size() == size
            && let Some(size) = size
        {
            self.restart();
            self.adopt(now, size);
        }
    }

    /// When all jurors have been heard, the most credible source delivers alone.
    pub(super) fn end_jury(&mut self, now: Time) {
        if let Stage::Jury(jury) = &self.trial.stage
            && jury.is_done()
        {
            self.judge(now);
        }
    }

    /// The jurors have been heard for long enough.
    fn judge(&mut self, now: Time) {
        let Stage::Jury(jury) = &self.trial.stage else { return };
        let turns = Turns::new(jury.verdict());
        self.trial.enter(now, Stage::Alone(turns));
        self.fetch_alone(now);
    }

    /// When nobody is waited for any longer whose word or content is needed alone, if nothing comes before.
    pub(super) fn turn_ends(&self, longer: Duration) -> Option<Time> {
        let turn = (self.patience / TURNS).clamp(TURN_MIN, TURN_MAX) + longer;
        let silence = self.progressed.max(self.trial.since) + turn;
        match &self.trial.stage {
            Stage::Everybody => None,
            Stage::Jury(_) => Some(silence.min(self.trial.since + self.patience / 2 + longer)),
            Stage::Alone(_) => Some(silence),
        }
    }

    /// Who is needed alone has been silent for too long.
    pub(super) fn end_turn(&mut self, now: Time, longer: Duration) {
        if self.turn_ends(longer).is_none_or(|end| end > now) {
            return;
        }
        match &self.trial.stage {
            Stage::Everybody => {}
            Stage::Jury(_) => self.judge(now),
            Stage::Alone(_) => self.pass_over(now),
        }
    }

    /// The source that delivers alone is gone, if that is who it was.
    pub(super) fn next_alone_if(&mut self, now: Time, address: SocketAddr) {
        if matches!(&self.trial.stage, Stage::Alone(turns) if turns.first() == Some(address)) {
            self.next_alone(now, address);
        }
    }

    /// The source that is to deliver alone is silent: its turn comes again after those of others that were not silent
    /// more often, those who were met since the jury among them.
    fn pass_over(&mut self, now: Time) {
        let size = self.size();
        let Stage::Alone(turns) = &mut self.trial.stage else { return };
        self.trial.since = now;
        let silent = turns.first();
        turns.missed();
        let has_it = |source: &Source| source.is_active() && source.claim == size;
        let others = self.sources.iter().filter(|(_, source)| has_it(source)).map(|(address, _)| *address);
        others.for_each(|other| turns.join(other));
        if turns.first() != silent {
            self.fetch_alone(now);
        }
    }

    /// The source that delivered alone was wrong: the next one. Says whether there is one.
    fn next_alone(&mut self, now: Time, liar: SocketAddr) -> bool {
        self.leave(now, liar);
        let size = self.size();
        let Stage::Alone(turns) = &mut self.trial.stage else { return size.is_some() };
        turns.leave(liar);
        if turns.first().is_none() {
            // Those who were met, or met again, since the jury.
            let has_it = |source: &Source| source.is_active() && source.claim == size;
            let late = self.sources.iter().filter(|(_, source)| has_it(source)).map(|(address, _)| *address);
            late.for_each(|other| turns.join(other));
        }
        if turns.first().is_some() {
            self.fetch_alone(now);
            return true;
        }
        self.held = Default::default();
        self.revision = self.revision.wrapping_add(1);
        self.restart();
        size.into_iter().for_each(|size| self.adopt(now, size));
        self.sources.values().any(|source| !source.is_left())
    }

    /// Keeps what the first in the order delivered, and fetches the rest from it.
    fn fetch_alone(&mut self, now: Time) {
        let Stage::Alone(turns) = &self.trial.stage else { return };
        let number = turns.first().and_then(|first| self.sources.get(&first)).map(|source| source.number);
        let (Some(number), Some(size)) = (number, self.size()) else { return };
        self.trial.since = now;
        let kept = self.trial.alone(number);
        self.restart();
        self.revision = self.revision.wrapping_add(1);
        self.pieces = Some(Pieces::new(size, &kept, true));
        self.held[Part::Content as usize] = kept;
        self.sources.values_mut().for_each(|source| source.lost_in_a_row = 0);
    }
}
