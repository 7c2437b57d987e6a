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
use crate::node::Event;
use crate::request::Topic;
use crate::terminal::printable;

/// How much of a text is shown, in characters; what fits a datagram of the recommended size is shown whole.
const TEXT_SHOWN_CHARS: usize = 6_000;

/// How much of a group's name is shown, in characters.
const GROUP_SHOWN_CHARS: usize = 32;

/// How much of a key is shown, in characters: 64 bits, which nobody makes a second key for.
const KEY_SHOWN_CHARS: usize = 16;

/// The line that tells a person about an event, at a time of day in seconds; `None` if it is nothing for people.
pub fn describe(event: &Event, seconds: u64) -> Option<String> {
    let time = time_of_day(seconds);
    match event {
        Event::Chat { from, key, text } => {
            Some(format!("{time} {from}{}> {}", shortened(*key), printable(text, TEXT_SHOWN_CHARS)))
        }
        Event::GroupChat { from, key, group, text } => {
            let (group, text) = (printable(group, GROUP_SHOWN_CHARS), printable(text, TEXT_SHOWN_CHARS));
            Some(format!("{time} [{group}] {from}{}> {text}", shortened(*key)))
        }
        Event::RoundTrip { from, round_trip } => {
            Some(format!("{time} {from} answered after {:.3} ms", round_trip.as_secs_f64() * 1e3))
        }
        _ => None,
    }
}

/// The line that tells a person what they have said themselves, at a time of day in seconds.
pub fn own_line(topic: &Topic, text: &str, seconds: u64) -> String {
    let (time, text) = (time_of_day(seconds), printable(text, TEXT_SHOWN_CHARS));
    match topic {
        Topic::Group(group) => format!("{time} [{}] me> {text}", printable(group, GROUP_SHOWN_CHARS)),
        Topic::Everything => format!("{time} me> {text}"),
        Topic::Person(key) => format!("{time} me to {key:.KEY_SHOWN_CHARS$}…> {text}"),
        Topic::Address(address) => format!("{time} me to {address}> {text}"),
    }
}

/// The beginning of a key, behind an address; nothing, if there is no key.
fn shortened(key: Option<PublicKey>) -> String {
    key.map_or_else(String::new, |key| format!(" ({key:.KEY_SHOWN_CHARS$}…)"))
}

/// `HH:MM:SS` in UTC, of a time in seconds since 1970.
pub fn time_of_day(seconds: u64) -> String {
    format!("{:02}:{:02}:{:02}", seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;
    use std::time::Duration;

    #[test]
    fn chat_is_shown_with_time_and_sender() {
        let from = "192.0.2.1:24254".parse().unwrap();
        let chat = Event::Chat { from, key: None, text: "hello".to_owned() };
        assert_eq!(describe(&chat, 86_400 + 3_723).unwrap(), "01:02:03 192.0.2.1:24254> hello");
        let key = Some(Identity::from_seed(&[7; 32]).public());
        let group = |key| Event::GroupChat { from, key, group: "main".to_owned(), text: "hello".to_owned() };
        assert_eq!(describe(&group(None), 0).unwrap(), "00:00:00 [main] 192.0.2.1:24254> hello");
        let with_key = "00:00:00 [main] 192.0.2.1:24254 (ea4a6c63e29c520a…)> hello";
        assert_eq!(describe(&group(key), 0).unwrap(), with_key);
        let chat = Event::Chat { from, key, text: "hello".to_owned() };
        assert_eq!(describe(&chat, 0).unwrap(), "00:00:00 192.0.2.1:24254 (ea4a6c63e29c520a…)> hello");
        let pong = Event::RoundTrip { from, round_trip: Duration::from_micros(1_500) };
        assert_eq!(describe(&pong, 59).unwrap(), "00:00:59 192.0.2.1:24254 answered after 1.500 ms");
    }

    #[test]
    fn what_strangers_write_stays_on_one_line_and_does_nothing() {
        let from = "192.0.2.1:24254".parse().unwrap();
        let nasty = "x\n00:00:00 [main] 192.0.2.2:1> I am somebody else\u{1b}[2J\u{202e}";
        for event in [
            Event::Chat { from, key: None, text: nasty.to_owned() },
            Event::GroupChat { from, key: None, group: nasty.to_owned(), text: nasty.to_owned() },
        ] {
            let line = describe(&event, 0).unwrap();
            assert!(!line.contains(['\n', '\u{1b}', '\u{202e}']), "{line:?}");
        }
        let long = Event::Chat { from, key: None, text: "x".repeat(60_000) };
        assert!(describe(&long, 0).unwrap().len() < 6_100);
    }
}
