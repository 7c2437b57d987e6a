//! What is looked at now and then, because nobody may tell us of it.

use super::EventLoop;
use super::awaited::Notice;
use super::clock::unix_ms;
use crate::node::Command;
use crate::time::Time;
use std::time::Duration;

/// The pause between two looks at what nobody may tell us about: interfaces, and whether the machine has slept. Where
/// the system does not tell (see [`news`](super::news)), a new address is noticed up to this much later: no longer than
/// a person needs to see that the network is back, and seldom enough to cost an idle node nothing that could be
/// measured. Where it does, the end of a sleep of at least this length is noticed at once.
pub(super) const UPKEEP_PAUSE: Duration = Duration::from_secs(10);

/// How long after news of the interfaces we look at them: news seldom comes alone (interface, address, route).
pub(super) const NEWS_PAUSE: Duration = Duration::from_millis(300);

/// The least time between two looks: an interface that flaps makes us doubt our neighbours once a second at most.
pub(super) const LOOKS_PAUSE: Duration = Duration::from_secs(1);

impl EventLoop {
    /// Tells the user about those who have been named and do not answer.
    pub(super) fn note_silence(&mut self, now: Time) {
        if self.awaited.deadline().is_none_or(|due| now < due) {
            return;
        }
        for notice in self.awaited.notices(now) {
            match notice {
                Notice::Answer(line) => self.output.print(line),
                Notice::Warning(line) => log::warn!("{line}"),
            }
        }
    }

    /// Looks at what nobody may have told us about.
    pub(super) fn look_around(&mut self) {
        self.last_upkeep = self.clock.now();
        self.next_upkeep = self.last_upkeep + UPKEEP_PAUSE;
        self.news.set_alarm(UPKEEP_PAUSE);
        // Should anything have gone unnoticed, it is noticed now.
        self.is_socket_readable = true;
        self.talk();
        self.look_at_published();
        self.catch_up();
        // The node has nothing to object to the truth.
        let _ = self.node.handle_command(self.clock.now(), Command::TimeOfDay(unix_ms()));
        let has_moved = self.lan.refresh();
        if self.clock.has_slept() || has_moved {
            log::debug!("the network has changed, or the machine was asleep");
            let _ = self.node.handle_command(self.clock.now(), Command::NetworkChanged);
            self.drain();
        }
    }
}
