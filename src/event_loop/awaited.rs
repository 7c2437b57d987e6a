//! Whom the user named and who has not answered, and when the user is to be told so.
//!
//! The node tries an address 5 times, 2, 4, 8 and 16 seconds apart, gives the last try 16 seconds, and says nothing
//! until somebody answers. Who typed an address waits for the outcome, so we say soon that there is none yet, and
//! later that it looks bad. What was named at the start is worth one line. Nothing here tries anybody.

use crate::peers::anchors::ANCHORS_MAX;
use crate::time::Time;
use std::net::SocketAddr;
use std::time::Duration;

/// Names and addresses that are waited for; the oldest is forgotten first. As many as the node returns to.
const AWAITED_MAX: usize = ANCHORS_MAX;

/// How long who typed an address is told nothing: two tries have failed by then, and a person begins to wonder.
const TYPED_PATIENCE: Duration = Duration::from_secs(5);

/// When the node has given all its tries their time.
const TRIES_PATIENCE: Duration = Duration::from_secs(46);

/// How long we wait for what was named at the start: four tries have been made by then, and not all of them were lost.
const NAMED_PATIENCE: Duration = Duration::from_secs(15);

/// How many of those who are silent are named in one line.
const NAMES_SHOWN_MAX: usize = 5;

/// Somebody who is waited for.
#[derive(Debug)]
struct Guest {
    /// What the user called them.
    name: String,
    /// One of these is enough.
    addresses: Vec<SocketAddr>,
    /// When the user is told next.
    due: Time,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Named when the node was started.
    Named,
    /// Typed while it ran.
    Typed,
    /// The same, and the user knows that there was no answer at first.
    Doubted,
}

/// What the user is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    /// To whoever typed it.
    Answer(String),
    /// To whoever started the node.
    Warning(String),
}

/// All who are waited for.
#[derive(Debug, Default)]
pub(super) struct Awaited {
    guests: Vec<Guest>,
}

impl Awaited {
    /// The user has typed an address.
    pub(super) fn add_typed(&mut self, now: Time, address: SocketAddr) {
        self.guests.retain(|guest| guest.stage == Stage::Named || guest.addresses != [address]);
        let due = now + TYPED_PATIENCE;
        self.add(Guest { name: address.to_string(), addresses: vec![address], due, stage: Stage::Typed });
    }

    /// The user has named somebody at the start, who may have several addresses.
    pub(super) fn add_named(&mut self, now: Time, name: String, addresses: Vec<SocketAddr>) {
        self.guests.retain(|guest| guest.stage != Stage::Named || guest.name != name);
        self.add(Guest { name, addresses, due: now + NAMED_PATIENCE, stage: Stage::Named });
    }

    fn add(&mut self, guest: Guest) {
        if self.guests.len() >= AWAITED_MAX {
            self.guests.remove(0);
        }
        self.guests.push(guest);
    }

    /// Somebody has answered. Says whether a user who typed the address waits for that.
    pub(super) fn meet(&mut self, address: SocketAddr) -> bool {
        let is_met = |guest: &Guest| guest.addresses.contains(&address);
        let is_typed = self.guests.iter().any(|guest| is_met(guest) && guest.stage != Stage::Named);
        self.guests.retain(|guest| !is_met(guest));
        is_typed
    }

    /// When the user is to be told something.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.guests.iter().map(|guest| guest.due).min()
    }

    /// What the user is to be told now.
    pub(super) fn notices(&mut self, now: Time) -> Vec<Notice> {
        let mut notices = Vec::new();
        let mut silent = Vec::new();
        self.guests.retain_mut(|guest| {
            let name = &guest.name;
            match guest.stage {
                _ if now < guest.due => return true,
                Stage::Named => silent.push(name.clone()),
                Stage::Typed => {
                    notices.push(Notice::Answer(format!("no answer yet from {name}; still trying")));
                    guest.stage = Stage::Doubted;
                    guest.due = guest.due + (TRIES_PATIENCE - TYPED_PATIENCE);
                    return true;
                }
                Stage::Doubted => {
                    let notice = format!("no answer from {name}; it will be tried again now and then");
                    notices.push(Notice::Answer(notice));
                }
            }
            false
        });
        if !silent.is_empty() {
            let others = silent.len().saturating_sub(NAMES_SHOWN_MAX);
            silent.truncate(NAMES_SHOWN_MAX);
            let others = if others > 0 { format!(" and {others} more") } else { String::new() };
            let names = silent.join(", ");
            notices.push(Notice::Warning(format!("no answer from --peer {names}{others}; tried again now and then")));
        }
        notices
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::from_micros(seconds * 1_000_000)
    }

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    #[test]
    fn who_typed_an_address_is_told_soon_and_once_more_when_all_tries_have_failed() {
        let mut awaited = Awaited::default();
        awaited.add_typed(at(100), address(7_000));
        awaited.add_typed(at(100), address(7_000));
        let mut told = Vec::new();
        for second in 100..300 {
            told.extend(awaited.notices(at(second)).into_iter().map(|notice| (second, notice)));
        }
        let answer = |text: &str| Notice::Answer(text.to_owned());
        assert_eq!(
            told,
            [
                (105, answer("no answer yet from 192.0.2.1:7000; still trying")),
                (146, answer("no answer from 192.0.2.1:7000; it will be tried again now and then")),
            ]
        );
        assert_eq!(awaited.deadline(), None);
    }

    #[test]
    fn whoever_answers_is_waited_for_no_longer() {
        let mut awaited = Awaited::default();
        awaited.add_typed(at(0), address(7_000));
        awaited.add_named(at(0), "example.org".to_owned(), vec![address(7_001), address(7_002)]);
        assert!(awaited.meet(address(7_000)) && !awaited.meet(address(7_000)));
        assert!(!awaited.meet(address(7_002)));
        assert_eq!((awaited.deadline(), awaited.notices(at(100))), (None, vec![]));
    }

    #[test]
    fn those_named_at_the_start_who_are_silent_share_one_line() {
        let mut awaited = Awaited::default();
        // Who is named twice is one.
        let names = (1..=7).chain(1..=7);
        names.for_each(|n| awaited.add_named(at(0), n.to_string(), vec![address(7_000 + n)]));
        assert!(!awaited.meet(address(7_002)));
        assert_eq!(awaited.notices(at(14)), []);
        let line = "no answer from --peer 1, 3, 4, 5, 6 and 1 more; tried again now and then";
        assert_eq!(awaited.notices(at(15)), [Notice::Warning(line.to_owned())]);
        assert_eq!((awaited.deadline(), awaited.notices(at(100))), (None, vec![]));
    }

    #[test]
    fn the_list_is_bounded() {
        let mut awaited = Awaited::default();
        (1..=600).for_each(|port| awaited.add_typed(at(0), address(port)));
        assert_eq!(awaited.guests.len(), AWAITED_MAX);
        assert!(awaited.meet(address(600)) && !awaited.meet(address(1)));
    }
}
