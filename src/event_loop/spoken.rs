//! What was said lately, for those who listen: a chat shows it when it begins, and what is said from then on.
//!
//! The lines are bounded, the oldest goes first, and they are counted, so that a listener who takes them slowly costs
//! nothing: what it has missed it is told the number of. Nothing is written to a disk; a node that starts knows
//! nothing.

use super::EventLoop;
use super::clock::unix_seconds;
use crate::address_book::TYPED_DIGITS_MIN;
use crate::console::{describe, own_line};
use crate::node::Event;
use crate::peers::address::plain;
use crate::request::{Answer, Listening, MAIN_GROUP, Topic, group_name, peer_address};
use crate::terminal::printable;
use std::collections::VecDeque;

/// Lines that are remembered in each room: what a person reads again to know what it was about. At most 3 MB, if all of
/// them are as long as can be; a usual day makes 20 KB.
const LINES_MAX: usize = 128;

/// Rooms of their own have what is in the open, what is between the user and whoever has no name, and what is between
/// the user and whoever has one: strangers talk nothing away that is private, and nothing at all of those with names.
const ROOMS: usize = 3;

/// How much of a name is shown in a prompt, in characters: of a key that has none, as much as elsewhere.
const WHITHER_SHOWN_CHARS: usize = 16;

/// A line, and how many were said before it in all rooms together.
#[derive(Debug)]
struct Said {
    number: u64,
    topic: Topic,
    line: String,
}

/// Lines in their order, of which the oldest goes first.
#[derive(Debug, Default)]
struct Room {
    lines: VecDeque<Said>,
    /// How many have gone.
    gone: u64,
}

/// How many lines of each room somebody has heard, or will never hear.
pub(super) type Heard = [u64; ROOMS];

/// The lines.
#[derive(Debug, Default)]
pub(super) struct Spoken {
    rooms: [Room; ROOMS],
    count: u64,
}

impl Spoken {
    /// Takes note of a line; whether its topic is somebody to whom the user has given a name.
    pub(super) fn push(&mut self, topic: Topic, has_name: bool, line: String) {
        let room = &mut self.rooms[if let Topic::Person(_) = topic { 1 + usize::from(has_name) } else { 0 }];
        if room.lines.len() >= LINES_MAX {
            room.lines.pop_front();
            room.gone += 1;
        }
        room.lines.push_back(Said { number: self.count, topic, line });
        self.count += 1;
    }

    /// The next line for somebody who has heard these. A gap comes as a line that says how many are missing.
    pub(super) fn next(&self, topic: &Topic, heard: &mut Heard) -> Option<Answer> {
        loop {
            let rooms = self.rooms.iter().zip(heard.iter_mut());
            // What has gone from a room was before what is left of it.
            let firsts = rooms.filter_map(|(room, heard)| {
                let said = room.lines.get(heard.saturating_sub(room.gone) as usize)?;
                Some((said, room.gone, heard))
            });
            let (said, gone, heard) = firsts.min_by_key(|(said, ..)| said.number)?;
            let missed = gone.saturating_sub(*heard);
            *heard += missed;
            if missed > 0 {
                return Some(Answer::Line(format!("({missed} lines were missed here)")));
            }
            *heard += 1;
            if topic.takes(&said.topic) {
                return Some(Answer::Line(said.line.clone()));
            }
        }
    }

    /// What somebody has heard who begins to listen, with the oldest lines.
    pub(super) fn oldest(&self) -> Heard {
        self.rooms.each_ref().map(|room| room.gone)
    }

    /// Whether a line is remembered that is about this.
    fn is_about(&self, topic: &Topic) -> bool {
        self.rooms.iter().flat_map(|room| &room.lines).any(|said| said.topic == *topic)
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
            self.remember(topic, line.clone());
        }
        self.output.print(line);
    }

    /// Takes note of what the user has said, if it was said.
    pub(super) fn note_said(&mut self, answer: &Answer, topic: Topic, text: &str) {
        if matches!(answer, Answer::Done(_) | Answer::Message(_)) {
            let line = own_line(&topic, text, unix_seconds(), &|key| self.show_key(key));
            self.remember(topic, line);
        }
    }

    fn remember(&mut self, topic: Topic, line: String) {
        let has_name = matches!(&topic, Topic::Person(key) if self.address_book.of(key).is_some());
        self.spoken.push(topic, has_name, line);
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

    /// Begins to tell somebody what is said: about what, and what of it has gone already.
    pub(super) fn listen(&self, text: &str) -> (Answer, Option<(Topic, Heard)>) {
        if !self.is_console {
            let why =
                "the node here is that of a get, follow or stream, which hears nobody; start one with 'cjp2p-node'";
            return (Answer::Refused(why.to_owned()), None);
        }
        match self.find_topic(text) {
            Ok(topic) => {
                let short = |name: &str| printable(name, WHITHER_SHOWN_CHARS);
                let (about, whither) = match &topic {
                    Topic::Everything => {
                        let about = format!("everything; what you say goes to {}", group_about(MAIN_GROUP));
                        (about, MAIN_GROUP.to_owned())
                    }
                    Topic::Person(key) => {
                        let name = self.show_key(key);
                        let whither = format!("{} (private)", short(&name));
                        (format!("{name}, in private: nobody on the way can read it"), whither)
                    }
                    Topic::Group(group) => (group_about(group), short(group)),
                    Topic::Address(address) => {
                        let about = format!("{address}, in the open: whoever is on the way can read it");
                        (about, format!("{address} (open)"))
                    }
                };
                let is_meant = text == MAIN_GROUP || text.starts_with('#') || self.spoken.is_about(&topic);
                let is_doubtful = matches!(topic, Topic::Group(_)) && !is_meant;
                let listening = Listening { about, command: topic.command(), whither, is_doubtful };
                (Answer::Listening(listening), Some((topic, self.spoken.oldest())))
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
    use crate::identity::Identity;

    fn group(name: &str) -> Topic {
        Topic::Group(name.to_owned())
    }

    fn all(spoken: &Spoken, topic: &Topic, heard: &mut Heard) -> Vec<String> {
        std::iter::from_fn(|| spoken.next(topic, heard)).map(|answer| answer.to_string()).collect()
    }

    fn person(seed: u8) -> Topic {
        Topic::Person(Identity::from_seed(&[seed; 32]).public())
    }

    #[test]
    fn each_hears_what_it_asked_for_once_and_in_order() {
        let mut spoken = Spoken::default();
        let (mut one, mut everything) = (spoken.oldest(), spoken.oldest());
        for n in 0..4 {
            spoken.push(if n % 2 == 0 { group("even") } else { person(1) }, n == 3, n.to_string());
        }
        assert_eq!(all(&spoken, &person(1), &mut one), ["1", "3"]);
        assert_eq!(all(&spoken, &person(1), &mut one), [""; 0]);
        assert_eq!(all(&spoken, &Topic::Everything, &mut everything), ["0", "1", "2", "3"]);
        spoken.push(person(1), true, "5".to_owned());
        assert_eq!(all(&spoken, &person(1), &mut one), ["5"]);
        assert_eq!(all(&spoken, &Topic::Everything, &mut everything), ["5"]);
    }

    #[test]
    fn lines_are_bounded_and_who_was_too_slow_is_told() {
        let mut spoken = Spoken::default();
        let mut heard = spoken.oldest();
        for n in 0..LINES_MAX + 3 {
            spoken.push(group("main"), false, n.to_string());
        }
        let lines = all(&spoken, &group("main"), &mut heard);
        assert_eq!((lines[0].as_str(), lines[1].as_str()), ("(3 lines were missed here)", "3"));
        assert_eq!(lines.len(), 1 + LINES_MAX);
        let mut late = spoken.oldest();
        assert_eq!(all(&spoken, &group("main"), &mut late)[0], "3", "who comes late has missed nothing");
    }

    #[test]
    fn what_strangers_say_pushes_out_nothing_private_and_nothing_of_whom_the_user_has_named() {
        let mut spoken = Spoken::default();
        let mut heard = spoken.oldest();
        spoken.push(group("main"), false, "before".to_owned());
        spoken.push(person(1), true, "of a friend".to_owned());
        spoken.push(person(2), false, "of somebody".to_owned());
        for n in 0..LINES_MAX + 7 {
            spoken.push(group("main"), false, n.to_string());
        }
        let (mut late, mut one) = (spoken.oldest(), spoken.oldest());
        let lines = all(&spoken, &Topic::Everything, &mut late);
        assert_eq!((lines.len(), &lines[0], &lines[1]), (2 + LINES_MAX, &"of a friend".into(), &"of somebody".into()));
        assert_eq!(all(&spoken, &person(1), &mut one), ["of a friend"]);
        // Who has listened since then is told of the gap where it is.
        let lines = all(&spoken, &Topic::Everything, &mut heard);
        assert_eq!(lines[..4], ["of a friend", "of somebody", "(8 lines were missed here)", "7"]);
        for n in 0..LINES_MAX {
            spoken.push(person(3), false, n.to_string());
        }
        for (whom, lines) in [(person(1), &["of a friend"][..]), (person(2), &[])] {
            assert_eq!(all(&spoken, &whom, &mut spoken.oldest()), lines);
        }
    }
}
