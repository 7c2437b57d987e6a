//! Private messages of the user: what was written to whom, and what became of it.
//!
//! The node sends them again until they have arrived and says so once. Who typed a message is told on the console; a
//! command that waits for one asks for the list. Nothing is kept across a restart.

use super::EventLoop;
use super::clock::unix_seconds;
use crate::console::{day_and_time, undelivered};
use crate::identity::PublicKey;
use crate::node::{Command, Event};
use crate::request::{Answer, MessageLine, MessageState, Topic};
use crate::terminal::printable;
use crate::time::Time;

/// How many messages are remembered, with what became of them; the oldest is forgotten first. The node lets 64 wait.
const MESSAGES_MAX: usize = 128;

/// A private message of the user.
#[derive(Debug)]
pub(super) struct Message {
    number: u64,
    to: PublicKey,
    /// Its text, safe for a terminal; see [`CHAT_MAX_BYTES`](crate::node::CHAT_MAX_BYTES).
    text: String,
    said: Time,
    /// The same by the clock on the wall, in seconds since 1970.
    said_at: u64,
    state: MessageState,
}

impl EventLoop {
    /// Writes to whoever holds a key.
    pub(super) fn write(&mut self, to: &str, text: String) -> Answer {
        let to = match self.find_key(to) {
            Ok(to) => to,
            Err(why) => return Answer::Refused(why),
        };
        let (topic, said) = (Topic::Person(to), text.clone());
        let (now, number) = (self.clock.now(), self.next_message);
        let is_found = self.node.is_found(&to);
        if let Err(error) = self.node.handle_command(now, Command::PrivateChat { to, text, number }) {
            return Answer::Refused(error.to_string());
        }
        self.next_message += 1;
        if self.messages.len() >= MESSAGES_MAX {
            self.messages.remove(0);
        }
        let state = if is_found { MessageState::Waiting } else { MessageState::Searching };
        let text = printable(&said, usize::MAX);
        let message = Message { number, to, text, said: now, said_at: unix_seconds(), state };
        let line = self.message_line(&message);
        self.messages.push(message);
        let answer = Answer::Message(line);
        self.note_said(&answer, topic, &said);
        answer
    }

    /// What became of all of them.
    pub(super) fn message_lines(&self) -> Vec<MessageLine> {
        self.messages.iter().map(|message| self.message_line(message)).collect()
    }

    fn message_line(&self, message: &Message) -> MessageLine {
        MessageLine {
            number: message.number,
            key: message.to.to_string(),
            name: self.address_book.of(&message.to).map(str::to_owned),
            shown: self.show_key(&message.to),
            text: message.text.clone(),
            state: message.state.clone(),
            said: day_and_time(message.said_at),
            said_ago_s: self.clock.now().since(message.said).as_secs_f64(),
        }
    }

    /// How many have not arrived, as far as is known.
    pub(super) fn messages_waiting(&self) -> usize {
        let is_waiting = |message: &&Message| matches!(message.state, MessageState::Waiting | MessageState::Searching);
        self.messages.iter().filter(is_waiting).count()
    }

    /// Takes note of what became of one.
    pub(super) fn note_message(&mut self, event: &Event) {
        let (number, state) = match event {
            Event::Delivered { number, .. } => (*number, MessageState::Delivered),
            Event::Undelivered { number, to, why, .. } => {
                (*number, MessageState::Failed(undelivered(&self.show_key(to), *why)))
            }
            _ => return,
        };
        if let Some(message) = self.messages.iter_mut().find(|message| message.number == number) {
            message.state = state;
        }
    }
}
