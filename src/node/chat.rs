//! Lines of text between people, and the two questions a node answers itself: `/ping` and `/version`.
//!
//! Only verified peers are heard, none more often than [`CHAT_RATE`], all together no more often than [`ROOM_RATE`],
//! and an ignored address not at all. Of an ignored key only what is proven to be by it is not shown: what is unsigned
//! may be by anybody. A sender is all that one customer has, see [`host`]: of IPv6 a whole /64. What we say is held to
//! [`SAY_RATE`], so that a line that is sent is a line that is heard. Texts leave as they came, only cut: making them
//! safe for a terminal is up to whoever prints them.

use super::notes::Note;
use super::reply::Reply;
use super::sender::Sender;
use super::{CommandError, Event, Node};
use crate::content::Store;
pub(super) use crate::gossip::{CHAT_MAX_BYTES, GROUP_MAX_BYTES};
use crate::hash::Key;
use crate::peers::address::{host, plain};
use crate::rate::{Limiter, Rate};
use crate::sizes::{Size, no_table};
use crate::sorted::SortedSet;
use crate::time::Time;
use crate::wire::messages::{ChatMessage, GroupChatMessage};
use crate::wire::{DATAGRAM_SEND_MAX_BYTES, Message};
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How many senders can be ignored.
pub const IGNORED_MAX: usize = 1_024;

/// What one sender may say: five lines at once, then one a second, which is faster than anybody reads.
const CHAT_RATE: Rate = Rate { burst: 5, interval: Duration::from_secs(1) };

/// What all may say together: eight at once with all they have, which fills a terminal of 40 lines, then five lines a
/// second. That is a lively room, and more than anybody follows; beyond it nobody would find a line of a friend.
const ROOM_RATE: Rate = Rate { burst: 40, interval: Duration::from_millis(200) };

/// What we say ourselves. Others count lines as they arrive: with one line less at once than they hear, none is lost
/// even if the network delays one by up to a second more than the next.
const SAY_RATE: Rate = Rate { burst: CHAT_RATE.burst - 1, interval: CHAT_RATE.interval };

/// Limits for senders; senders that collide share one. 8 KiB.
const LIMITERS: usize = 1_024;

/// How many group messages without a key are remembered as seen; the oldest is forgotten first.
const SEEN_MAX: usize = 1_024;

const DOMAIN_SENDER: u8 = 5;
const DOMAIN_SEEN: u8 = 6;

/// Who is ignored, who has said how much, and what was already seen.
#[derive(Debug)]
pub(super) struct ChatRoom {
    key: Key,
    ignored: SortedSet<IpAddr>,
    limiters: Vec<Limiter>,
    room: Limiter,
    /// The limit on what we say ourselves, to whomever.
    said: Limiter,
    seen: VecDeque<u64>,
}

impl ChatRoom {
    pub(super) fn new(key: Key) -> ChatRoom {
        ChatRoom {
            key,
            ignored: SortedSet::new(),
            limiters: vec![Limiter::default(); LIMITERS],
            room: Limiter::default(),
            said: Limiter::default(),
            seen: VecDeque::new(),
        }
    }

    pub(super) fn sizes(&self) -> [Size; 3] {
        let ChatRoom { key, ignored, limiters, seen, room, said } = self;
        no_table(key);
        no_table(room);
        no_table(said);
        [
            Size::new("ignored addresses", ignored.len(), IGNORED_MAX),
            Size::new("limits of chat", limiters.len(), LIMITERS),
            Size::new("group messages seen", seen.len(), SEEN_MAX),
        ]
    }

    pub(super) fn ignore(&mut self, ip: IpAddr) -> Result<(), CommandError> {
        if self.ignored.len() >= IGNORED_MAX {
            return Err(CommandError::Full);
        }
        self.ignored.insert(host(ip.to_canonical()));
        Ok(())
    }

    pub(super) fn heed(&mut self, ip: IpAddr) -> Result<(), CommandError> {
        self.ignored.remove(&host(ip.to_canonical()));
        Ok(())
    }

    /// Whether the user wants to see nothing from there.
    pub(super) fn is_ignored(&self, ip: IpAddr) -> bool {
        self.ignored.contains(&host(ip))
    }

    /// Whether one more line of this sender is heard.
    fn admits(&mut self, now: Time, sender: IpAddr) -> bool {
        let slot = self.key.address(DOMAIN_SENDER, SocketAddr::new(sender, 0)) as usize % LIMITERS;
        self.limiters[slot].allow(now, CHAT_RATE)
    }

    /// Whether one more line of ours would be heard.
    pub(super) fn may_say(&mut self, now: Time) -> Result<(), CommandError> {
        if self.said.allow(now, SAY_RATE) { Ok(()) } else { Err(CommandError::TooFast) }
    }

    /// What a group message is known by. Without a key, the group, the time and the text identify it.
    fn hash(&self, group: &str, text: &str, unix_ms: u64) -> u64 {
        self.key.parts(DOMAIN_SEEN, &[group.as_bytes(), text.as_bytes(), &unix_ms.to_le_bytes()])
    }

    fn remember(&mut self, hash: u64) {
        if self.seen.len() >= SEEN_MAX {
            self.seen.pop_front();
        }
        self.seen.push_back(hash);
    }
}

impl<S: Store> Node<S> {
    /// Whether this sender is listened to; if it says too much, or is no peer, that is counted.
    pub(super) fn listens_to(&mut self, now: Time, sender: &Sender) -> bool {
        // Whoever has a thousand addresses in one network has few places among the peers.
        if !sender.is_verified() || self.peers.get(sender.address).is_none() {
            self.counters.messages_unverified += 1;
            return false;
        }
        let speaker = host(sender.address.ip());
        if self.chat.ignored.contains(&speaker) {
            return false;
        }
        let is_heard = self.chat.admits(now, speaker);
        self.counters.messages_over_rate += u64::from(!is_heard);
        is_heard
    }

    /// Whether one more line may be shown, whoever says it; if not, it is counted.
    pub(super) fn has_room_for_line(&mut self, now: Time) -> bool {
        let has_room = self.chat.room.allow(now, ROOM_RATE);
        self.counters.messages_over_rate += u64::from(!has_room);
        has_room
    }

    /// Takes a line of text, and answers it if it is one of the two questions.
    pub(super) fn take_chat(&mut self, now: Time, sender: &mut Sender, text: &str, reply: &mut Reply) {
        reply.expects_answer();
        if sender.private.is_some() {
            self.take_private(now, sender, text);
            return;
        }
        let is_ignored = sender.key.is_some_and(|key| self.groups.is_ignored(&key));
        if is_ignored || !self.listens_to(now, sender) || !self.has_room_for_line(now) {
            return;
        }
        if let Some(answer) = self.answer_to(text) {
            self.answer_chat(now, sender, &answer, reply);
        }
        self.report(Event::Chat { from: sender.address, key: self.author(sender), text: cut(text).to_owned() });
    }

    /// What a line is answered with by the node itself.
    pub(super) fn answer_to(&self, text: &str) -> Option<String> {
        if text.starts_with("/ping") {
            Some("PONG".to_owned())
        } else if text.starts_with("/version") {
            Some(format!("VERSION {}", self.config.version))
        } else {
            None
        }
    }

    /// The wild sends a probe beside its answer; so do we.
    fn answer_chat(&mut self, now: Time, sender: &Sender, text: &str, reply: &mut Reply) {
        let mut probe = self.begin_note(now, sender.address, Note { probes: true, ..Note::default() });
        reply.append(&mut probe);
        reply.push(&Message::ChatMessage(ChatMessage { message: text.into() }));
    }

    /// Takes a line of group chat that is not signed, or was signed or encrypted for us alone: reported once, however
    /// many peers repeat it, and not passed on.
    pub(super) fn take_group_chat(
        &mut self,
        now: Time,
        sender: &Sender,
        chat: &GroupChatMessage<'_>,
        reply: &mut Reply,
    ) {
        reply.expects_answer();
        if !self.listens_to(now, sender) {
            return;
        }
        let (group, text) = (cut_to(&chat.group_name, GROUP_MAX_BYTES), cut(&chat.text));
        if let Some(key) = sender.key {
            if self.groups.is_ignored(&key) {
                return;
            }
            if self.groups.is_dated_well(now, chat.timestamp) {
                self.show_line(now, sender.address, &key, (group, text), chat.timestamp);
            } else {
                self.counters.group_lines_misdated += 1;
            }
            return;
        }
        let hash = self.chat.hash(&chat.group_name, &chat.text, chat.timestamp);
        // What is not shown is not remembered: when it is repeated there may be room for it.
        if !self.chat.seen.contains(&hash) && self.has_room_for_line(now) {
            self.chat.remember(hash);
            let (from, key, group, text) = (sender.address, None, group.to_owned(), text.to_owned());
            self.report(Event::GroupChat { from, key, group, text, unix_ms: chat.timestamp });
        }
    }

    /// Sends a line to a verified peer.
    pub(super) fn send_chat(&mut self, now: Time, to: SocketAddr, text: &str) -> Result<(), CommandError> {
        let to = plain(to);
        if self.peers.get(to).is_none() {
            return Err(CommandError::NotVerified(to));
        }
        let text = sendable(text)?;
        self.chat.may_say(now)?;
        let message = Message::ChatMessage(ChatMessage { message: text.into() });
        self.send_message(now, to, &message)
    }

    fn send_message(&mut self, now: Time, to: SocketAddr, message: &Message<'_>) -> Result<(), CommandError> {
        let mut writer = self.begin_note(now, to, Note::default());
        if !writer.push(message, DATAGRAM_SEND_MAX_BYTES) {
            return Err(CommandError::BadText);
        }
        self.finish_note(to, &mut writer, false);
        Ok(())
    }
}

/// A text that we may send: not empty, not too long, cut nowhere.
pub(super) fn sendable(text: &str) -> Result<&str, CommandError> {
    if text.is_empty() || text.len() > CHAT_MAX_BYTES { Err(CommandError::BadText) } else { Ok(text) }
}

pub(super) fn cut(text: &str) -> &str {
    cut_to(text, CHAT_MAX_BYTES)
}

/// The beginning of a text, at most `max` bytes, cut between characters.
fn cut_to(text: &str, max: usize) -> &str {
    let end = (0..=max.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    &text[..end]
}
