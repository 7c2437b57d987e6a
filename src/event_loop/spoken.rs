//! What was said lately, for those who listen: a chat shows it when it begins, and what is said from then on.
//!
//! The lines are bounded, the oldest goes first, and each has a number, so that a listener who takes them slowly costs
//! nothing: what it has missed it is told the number of. Nothing is written to a disk; a node that starts knows
//! nothing.

use super::EventLoop;
use super::clock::unix_seconds;
use crate::address_book::TYPED_DIGITS_MIN;
use crate::console::{describe, own_line};
use crate::node::Event;
use crate::peers::address::plain;
use crate::request::{Answer, Listening, MAIN_GROUP, Topic, group_name, peer_address};
use std::collections::VecDeque;

/// Lines that are remembered: what a person reads again to know what it was about. At most 3 MB, if all of them are as
/// long as can be; a usual day makes 20 KB.
const LINES_MAX: usize = 128;

/// The lines.
#[derive(Debug, Default)]
pub(super) struct Spoken {
    lines: VecDeque<(Topic, String)>,
    /// The number of the oldest that is still there.
    first: u64,
}

impl Spoken {
    /// Takes note of a line.
    pub(super) fn push(&mut self, topic: Topic, line: String) {
        if self.lines.len() >= LINES_MAX {
            self.lines.pop_front();
            self.first += 1;
        }
        self.lines.push_back((topic, line));
    }

    /// The next line for somebody who has heard those before number `next`, which is set to that of the line after. A
    /// gap comes as a line that says how many are missing.
    pub(super) fn next(&self, topic: &Topic, next: &mut u64) -> Option<Answer> {
        if *next < self.first {
            let missed = self.first - *next;
            *next = self.first;
            return Some(Answer::Line(format!("({missed} lines were missed here)")));
        }
        let skipped = usize::try_from(*next - self.first).unwrap_or(usize::MAX);
        let mut rest = self.lines.iter().skip(skipped);
        let line = rest.find(|(about, _)| {
            *next += 1;
            topic.takes(about)
        });
        line.map(|(_, line)| Answer::Line(line.clone()))
    }

    /// The number of the oldest line: with it begins who listens from now on.
    pub(super) fn oldest(&self) -> u64 {
        self.first
    }
}

/// What an event is about; `None` if nobody has said anything.
fn topic(event: &Event) -> Option<Topic> {
    match event {
        Event::Chat { from, key, .. } => Some(key.map_or(Topic::Address(*from), Topic::Person)),
        Event::PrivateChat { key, .. } => Some(Topic::Person(*key)),
        Event::Delivered { to, .. } | Event::Undelivered { to, .. } => Some(Topic::Person(*to)),
        Event::GroupChat { group, .. } => Some(Topic::Group(group.clone())),
        _ => None,
    }
}

/// Whether this seems to be meant for a key, or the beginning of one.
fn is_like_key(text: &str) -> bool {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    digits.len() >= TYPED_DIGITS_MIN && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl EventLoop {
    /// Shows an event to people, wherever they listen; nothing, if it is none for them.
    pub(super) fn show_to_people(&mut self, event: &Event) {
        let Some(line) = describe(event, unix_seconds(), &|key| self.show_key(key)) else { return };
        if let Some(topic) = topic(event) {
            self.spoken.push(topic, line.clone());
        }
        self.output.print(line);
    }

    /// Takes note of what the user has said, if it was said.
    pub(super) fn note_said(&mut self, answer: &Answer, topic: Topic, text: &str) {
        if matches!(answer, Answer::Done(_) | Answer::Message(_)) {
            let line = own_line(&topic, text, unix_seconds(), &|key| self.show_key(key));
            self.spoken.push(topic, line);
        }
    }

    /// What somebody wants to hear about who names it like this: nothing, a key, an address, or a group.
    pub(super) fn find_topic(&self, text: &str) -> Result<Topic, String> {
        if text.is_empty() {
            return Ok(Topic::Everything);
        }
        let address = || peer_address(text).map(|address| Topic::Address(plain(address)));
        match self.find_key(text).map(Topic::Person).or_else(|why| address().map_err(|_| why)) {
            // What looks like a key and is none is a mistake; nobody calls a group so.
            Err(why) if is_like_key(text) => Err(why),
            Err(_) => group_name(text).map(Topic::Group),
            topic => topic,
        }
    }

    /// Begins to tell somebody what is said: about what, and with which line to begin.
    pub(super) fn listen(&self, text: &str) -> (Answer, Option<(Topic, u64)>) {
        if !self.is_console {
            let why =
                "the node here is that of a get, follow or stream, which hears nobody; start one with 'cjp2p-node'";
            return (Answer::Refused(why.to_owned()), None);
        }
        match self.find_topic(text) {
            Ok(topic) => {
                let about = match &topic {
                    Topic::Everything => format!("everything; what you say goes to {}", group_about(MAIN_GROUP)),
                    Topic::Person(key) => {
                        format!("{}, in private: nobody on the way can read it", self.show_key(key))
                    }
                    Topic::Group(group) => group_about(group),
                    Topic::Address(address) => format!("{address}, in the open: whoever is on the way can read it"),
                };
                (Answer::Listening(Listening { about, command: topic.command() }), Some((topic, self.spoken.oldest())))
            }
            Err(why) => (Answer::Refused(why), None),
        }
    }

    /// Tells those who listen what has been said meanwhile.
    pub(super) fn pass_on_what_was_said(&mut self) {
        if let Some(control) = &mut self.control {
            control.pass_on(&self.spoken);
        }
    }
}

fn group_about(group: &str) -> String {
    format!("the group {group}, which everybody can read")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(name: &str) -> Topic {
        Topic::Group(name.to_owned())
    }

    fn all(spoken: &Spoken, topic: &Topic, next: &mut u64) -> Vec<String> {
        std::iter::from_fn(|| spoken.next(topic, next)).map(|answer| answer.to_string()).collect()
    }

    #[test]
    fn each_hears_what_it_asked_for_once_and_in_order() {
        let mut spoken = Spoken::default();
        let (mut one, mut everything) = (0, 0);
        for n in 0..4 {
            spoken.push(group(if n % 2 == 0 { "even" } else { "odd" }), n.to_string());
        }
        assert_eq!(all(&spoken, &group("odd"), &mut one), ["1", "3"]);
        assert_eq!(all(&spoken, &group("odd"), &mut one), [""; 0]);
        assert_eq!(all(&spoken, &Topic::Everything, &mut everything), ["0", "1", "2", "3"]);
        spoken.push(group("odd"), "5".to_owned());
        assert_eq!(all(&spoken, &group("odd"), &mut one), ["5"]);
        assert_eq!(all(&spoken, &Topic::Everything, &mut everything), ["5"]);
    }

    #[test]
    fn lines_are_bounded_and_who_was_too_slow_is_told() {
        let mut spoken = Spoken::default();
        let mut next = spoken.oldest();
        for n in 0..LINES_MAX + 3 {
            spoken.push(group("main"), n.to_string());
        }
        let heard = all(&spoken, &group("main"), &mut next);
        assert_eq!((heard[0].as_str(), heard[1].as_str()), ("(3 lines were missed here)", "3"));
        assert_eq!(heard.len(), 1 + LINES_MAX);
        let mut late = spoken.oldest();
        assert_eq!(all(&spoken, &group("main"), &mut late)[0], "3", "who comes late has missed nothing");
    }
}
