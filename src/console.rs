//! The console: typed lines in, printed lines out, each on a thread of its own.
//!
//! A terminal can be stopped with a key and a pipe can be full, so neither is touched by the event loop: it passes
//! lines and never waits. Nobody at the other end is no reason to stop. What the network sent is made safe here, the
//! only place where it is printed.

mod editor;
mod input;
mod output;
mod screen;

pub use input::{LINE_MAX_BYTES, Line, start_input};
pub use output::Output;
pub use screen::Screen;

use crate::identity::PublicKey;
use crate::node::{Event, PRIVATE_PATIENCE, Undelivered};
use crate::request::{Topic, decimal};
use crate::terminal::printable;

/// How much of a text is shown, in characters; what fits a datagram of the recommended size is shown whole.
const TEXT_SHOWN_CHARS: usize = 6_000;

/// How much of a group's name is shown, in characters.
const GROUP_SHOWN_CHARS: usize = 32;

/// Of a line that was written so long ago it is also said when it came, in seconds: longer than lines are held up on
/// their way, and than clocks differ that somebody looks after.
const LATE_AFTER_SECONDS: u64 = 600;

/// How far ahead of ours a line may be dated without a word about it, in seconds: the minute by which lines after a
/// restart may be dated ahead, and a minute by which clocks differ.
const AHEAD_MAX_SECONDS: u64 = 120;

/// Without leap seconds, as the system counts.
const DAY_SECONDS: u64 = 86_400;

/// How a key is shown to a person: see [`AddressBook::show`](crate::address_book::AddressBook::show).
pub type ShowKey<'a> = &'a dyn Fn(&PublicKey) -> String;

/// The line that tells a person about an event, at a time of day in seconds; `None` if it is nothing for people.
pub fn describe(event: &Event, seconds: u64, show: ShowKey<'_>) -> Option<String> {
    let time = time_of_day(seconds);
    match event {
        Event::Chat { from, key, text } => {
            Some(format!("{time} {from}{}> {}", beside(key.as_ref(), show), printable(text, TEXT_SHOWN_CHARS)))
        }
        Event::GroupChat { from, key, group, text, unix_ms } => {
            let (group, text) = (printable(group, GROUP_SHOWN_CHARS), printable(text, TEXT_SHOWN_CHARS));
            let Some(key) = key else { return Some(format!("{time} [{group}] {from} (not signed)> {text}")) };
            let (time, remark) = written(unix_ms / 1_000, seconds);
            Some(format!("{time} [{group}] {}{remark}> {text}", show(key)))
        }
        Event::GroupChatTaken { taken_by: 0, of } if *of > 0 => Some(format!(
            "{time} none of {of} neighbours has confirmed your line yet; it is offered to them for an hour. Is the clock right?"
        )),
        Event::PrivateChat { key, text, .. } => {
            Some(format!("{time} {} (private)> {}", show(key), printable(text, TEXT_SHOWN_CHARS)))
        }
        Event::Delivered { to, text, .. } => {
            Some(format!("{time} {} has seen: {}", show(to), printable(text, TEXT_SHOWN_CHARS)))
        }
        Event::Undelivered { to, text, why, .. } => {
            Some(format!("{time} {}: {}", undelivered(&show(to), *why), printable(text, TEXT_SHOWN_CHARS)))
        }
        Event::RoundTrip { from, round_trip } => {
            Some(format!("{time} {from} answered after {} ms", decimal(round_trip.as_secs_f64() * 1e3, 3)))
        }
        _ => None,
    }
}

/// The line that tells a person what they have said themselves, at a time of day in seconds.
pub fn own_line(topic: &Topic, text: &str, seconds: u64, show: ShowKey<'_>) -> String {
    let (time, text) = (time_of_day(seconds), printable(text, TEXT_SHOWN_CHARS));
    match topic {
        Topic::Group(group) => format!("{time} [{}] me> {text}", printable(group, GROUP_SHOWN_CHARS)),
        Topic::Everything => format!("{time} me> {text}"),
        Topic::Person(key) => format!("{time} me to {}> {text}", show(key)),
        Topic::Address(address) => format!("{time} me to {address}> {text}"),
    }
}

/// What is said about a private message that was given up.
pub fn undelivered(who: &str, why: Undelivered) -> String {
    let minutes = PRIVATE_PATIENCE.as_secs() / 60;
    let why = match why {
        Undelivered::NobodyToAsk => "nobody is in reach who could be asked for the address".to_owned(),
        Undelivered::NotFound(1) => "the one peer that was asked does not know the address".to_owned(),
        Undelivered::NotFound(asked) => format!("none of {asked} peers that were asked knows the address"),
        Undelivered::NoAnswer => "nobody answered at the addresses that others named".to_owned(),
        Undelivered::Unconfirmed => "it was sent and nothing came back, so it may have been seen or not".to_owned(),
    };
    format!("not delivered to {who} within {minutes} minutes, {why}")
}

/// Whose key it is, behind an address; nothing, if there is no key.
fn beside(key: Option<&PublicKey>, show: ShowKey<'_>) -> String {
    key.map_or_else(String::new, |key| format!(" ({})", show(key)))
}

/// The time with which a line is shown that its author has dated, and a remark if that is not now by our clock. It is
/// the author's, so that what is heard late stands for when it was said; but nobody writes in the future.
fn written(dated: u64, now: u64) -> (String, String) {
    if dated > now.saturating_add(AHEAD_MAX_SECONDS) {
        return (time_of_day(now), format!(" (dated {}, which is yet to come)", moment(dated, now)));
    }
    let is_late = now.saturating_sub(dated) >= LATE_AFTER_SECONDS;
    let came = if is_late { format!(" (came at {})", &time_of_day(now)[..5]) } else { String::new() };
    (moment(dated, now), came)
}

/// The time of day, with the day if that is not today.
fn moment(seconds: u64, now: u64) -> String {
    if seconds / DAY_SECONDS == now / DAY_SECONDS { time_of_day(seconds) } else { day_and_time(seconds) }
}

/// `YYYY-MM-DD HH:MM:SS` in UTC, of a time in seconds since 1970.
pub fn day_and_time(seconds: u64) -> String {
    format!("{} {}", date(seconds), time_of_day(seconds))
}

/// `YYYY-MM-DD` in UTC, of a time in seconds since 1970 (civil_from_days of Howard Hinnant's date algorithms).
fn date(seconds: u64) -> String {
    // Days since the first of March of the year 0, which is where eras of 400 years begin.
    let days = seconds / DAY_SECONDS + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{day:02}", era * 400 + year_of_era + next)
}

/// `HH:MM:SS` in UTC, of a time in seconds since 1970.
pub fn time_of_day(seconds: u64) -> String {
    format!("{:02}:{:02}:{:02}", seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address_book::AddressBook;
    use crate::identity::Identity;
    use std::iter::empty;
    use std::time::Duration;

    /// The line about an event, of somebody who calls one key alice.
    fn line(event: &Event, seconds: u64) -> String {
        let mut names = AddressBook::default();
        names.give(Identity::from_seed(&[8; 32]).public(), "alice").unwrap();
        describe(event, seconds, &|key| names.show(key, &mut empty())).unwrap()
    }

    #[test]
    fn chat_is_shown_with_time_and_sender() {
        let from = "192.0.2.1:24254".parse().unwrap();
        let chat = Event::Chat { from, key: None, text: "hello".to_owned() };
        assert_eq!(line(&chat, 86_400 + 3_723), "01:02:03 192.0.2.1:24254> hello");
        let key = Some(Identity::from_seed(&[7; 32]).public());
        let (group, text) = ("main".to_owned(), "hello".to_owned());
        let group = |key, unix_ms| Event::GroupChat { from, key, group: group.clone(), text: text.clone(), unix_ms };
        assert_eq!(line(&group(None, 0), 0), "00:00:00 [main] 192.0.2.1:24254 (not signed)> hello");
        assert_eq!(line(&group(key, 0), 0), "00:00:00 [main] ea4a6c63e29c520a…> hello");
        // Who was away sees when it was written, and, if that is some time ago, when it came.
        assert_eq!(line(&group(key, 86_399_999), 86_700), "1970-01-01 23:59:59 [main] ea4a6c63e29c520a…> hello");
        assert_eq!(line(&group(key, 3_723_000), 4_000), "01:02:03 [main] ea4a6c63e29c520a…> hello");
        let late = "01:02:03 [main] ea4a6c63e29c520a… (came at 02:00)> hello";
        assert_eq!(line(&group(key, 3_723_000), 7_200), late);
        let leap_day = "2024-02-29 23:59:59 [main] ea4a6c63e29c520a… (came at 00:00)> hello";
        assert_eq!(line(&group(key, 1_709_251_199_999), 1_709_337_600), leap_day);
        // Nobody has written what is yet to come.
        assert_eq!(line(&group(key, 3_843_000), 3_723), "01:04:03 [main] ea4a6c63e29c520a…> hello");
        let early = "01:02:03 [main] ea4a6c63e29c520a… (dated 01:04:04, which is yet to come)> hello";
        assert_eq!(line(&group(key, 3_844_000), 3_723), early);
        let early = "01:02:03 [main] ea4a6c63e29c520a… (dated 1970-01-02 00:00:00, which is yet to come)> hello";
        assert_eq!(line(&group(key, 86_400_000), 3_723), early);
        assert!(line(&group(key, u64::MAX), 3_723).starts_with("01:02:03 "));
        let chat = Event::Chat { from, key, text: "hello".to_owned() };
        assert_eq!(line(&chat, 0), "00:00:00 192.0.2.1:24254 (ea4a6c63e29c520a…)> hello");
        let chat = Event::Chat { from, key: Some(Identity::from_seed(&[8; 32]).public()), text: "hello".to_owned() };
        assert_eq!(line(&chat, 0), "00:00:00 192.0.2.1:24254 (alice)> hello");
        let (key, text) = (Identity::from_seed(&[8; 32]).public(), "hello".to_owned());
        let private = Event::PrivateChat { key, from, text: text.clone() };
        assert_eq!(line(&private, 0), "00:00:00 alice (private)> hello");
        let seen = Event::Delivered { number: 1, to: key, text: text.clone() };
        assert_eq!(line(&seen, 0), "00:00:00 alice has seen: hello");
        let unseen = Event::Undelivered { number: 1, to: key, text, why: Undelivered::NotFound(9) };
        let expected = "00:00:00 not delivered to alice within 2 minutes, \
                        none of 9 peers that were asked knows the address: hello";
        assert_eq!(line(&unseen, 0), expected);
        let pong = Event::RoundTrip { from, round_trip: Duration::from_micros(1_500) };
        assert_eq!(line(&pong, 59), "00:00:59 192.0.2.1:24254 answered after 1.500 ms");
    }

    #[test]
    fn what_strangers_write_stays_on_one_line_and_does_nothing() {
        let from = "192.0.2.1:24254".parse().unwrap();
        let nasty = "x\n00:00:00 [main] 192.0.2.2:1> I am somebody else\u{1b}[2J\u{202e}";
        for event in [
            Event::Chat { from, key: None, text: nasty.to_owned() },
            Event::GroupChat { from, key: None, group: nasty.to_owned(), text: nasty.to_owned(), unix_ms: 0 },
            Event::PrivateChat { key: Identity::from_seed(&[7; 32]).public(), from, text: nasty.to_owned() },
        ] {
            let line = line(&event, 0);
            assert!(!line.contains(['\n', '\u{1b}', '\u{202e}']), "{line:?}");
        }
        let long = Event::Chat { from, key: None, text: "x".repeat(60_000) };
        assert!(line(&long, 0).len() < 6_100);
    }
}
