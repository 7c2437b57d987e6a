//! Lines of text between people, and the two questions a node answers itself: `/ping` and `/version`.
//!
//! Only verified senders are heard, no sender more often than [`CHAT_RATE`], and whoever is ignored not at all. Texts
//! leave as they came, only cut: making them safe for a terminal is up to whoever prints them.

use super::dispatch::Sender;
use super::notes::Note;
use super::reply::Reply;
use super::{CommandError, Event, Node};
use crate::content::Store;
use crate::hash::Key;
use crate::peers::address::plain;
use crate::rate::{Limiter, Rate};
use crate::time::Time;
use crate::wire::messages::{ChatMessage, GroupChatMessage};
use crate::wire::{DATAGRAM_SEND_MAX_BYTES, Message};
use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The longest text that is reported or sent, in bytes; the rest is cut off. About a page.
pub const CHAT_MAX_BYTES: usize = 2_000;

/// The longest name of a group, in bytes.
pub const GROUP_MAX_BYTES: usize = 64;

/// How many addresses can be ignored.
pub const IGNORED_MAX: usize = 1_024;

/// How many peers a line of group chat is sent to.
pub const GROUP_PEERS_MAX: usize = 64;

/// What one IP address may say: five lines at once, then one a second, which is faster than anybody reads.
const CHAT_RATE: Rate = Rate { burst: 5, interval: Duration::from_secs(1) };

/// Limits for senders; senders that collide share one. 8 KiB.
const LIMITERS: usize = 1_024;

/// How many group messages are remembered as seen; the oldest is forgotten first. The wild repeats for some minutes.
const SEEN_MAX: usize = 1_024;

const DOMAIN_SENDER: u8 = 5;
const DOMAIN_SEEN: u8 = 6;

/// Who is ignored, who has said how much, and what was already seen.
#[derive(Debug)]
pub(super) struct ChatRoom {
    key: Key,
    ignored: BTreeSet<IpAddr>,
    limiters: Vec<Limiter>,
    seen: VecDeque<u64>,
}

impl ChatRoom {
    pub(super) fn new(key: Key) -> ChatRoom {
        ChatRoom { key, ignored: BTreeSet::new(), limiters: vec![Limiter::default(); LIMITERS], seen: VecDeque::new() }
    }

    pub(super) fn ignore(&mut self, ip: IpAddr) -> Result<(), CommandError> {
        if self.ignored.len() >= IGNORED_MAX {
            return Err(CommandError::Full);
        }
        self.ignored.insert(ip.to_canonical());
        Ok(())
    }

    pub(super) fn heed(&mut self, ip: IpAddr) -> Result<(), CommandError> {
        self.ignored.remove(&ip.to_canonical());
        Ok(())
    }

    /// Whether one more line of this sender is heard.
    fn admits(&mut self, now: Time, ip: IpAddr) -> bool {
        let slot = self.key.address(DOMAIN_SENDER, SocketAddr::new(ip, 0)) as usize % LIMITERS;
        self.limiters[slot].allow(now, CHAT_RATE)
    }

    /// True the first time a group message is seen. Without a key, the group, the time and the text identify it.
    fn is_news(&mut self, group: &str, text: &str, unix_ms: u64) -> bool {
        let hash = self.key.parts(DOMAIN_SEEN, &[group.as_bytes(), text.as_bytes(), &unix_ms.to_le_bytes()]);
        if self.seen.contains(&hash) {
            return false;
        }
        if self.seen.len() >= SEEN_MAX {
            self.seen.pop_front();
        }
        self.seen.push_back(hash);
        true
    }
}

impl<S: Store> Node<S> {
    /// Whether a line from this sender is heard; if not, it is counted.
    fn hears(&mut self, now: Time, sender: &Sender) -> bool {
        let ip = sender.address.ip();
        if !sender.is_verified() {
            self.counters.messages_unverified += 1;
            return false;
        }
        if self.chat.ignored.contains(&ip) {
            return false;
        }
        let is_heard = self.chat.admits(now, ip);
        self.counters.messages_over_rate += u64::from(!is_heard);
        is_heard
    }

    /// Takes a line of text, and answers it if it is one of the two questions.
    pub(super) fn take_chat(&mut self, now: Time, sender: &Sender, text: &str, reply: &mut Reply) {
        reply.expects_answer();
        if !self.hears(now, sender) {
            return;
        }
        if text.starts_with("/ping") {
            self.answer_chat(now, sender, "PONG", reply);
        } else if text.starts_with("/version") {
            let version = format!("VERSION {}", self.config.version);
            self.answer_chat(now, sender, &version, reply);
        }
        self.report(Event::Chat { from: sender.address, text: cut(text).to_owned() });
    }

    /// The wild sends a probe beside its answer; so do we.
    fn answer_chat(&mut self, now: Time, sender: &Sender, text: &str, reply: &mut Reply) {
        let mut probe = self.begin_note(now, sender.address, Note { probes: true, ..Note::default() });
        reply.append(&mut probe);
        reply.push(&Message::ChatMessage(ChatMessage { message: text.into() }));
    }

    /// Takes a line of group chat: reported once, however many peers repeat it.
    pub(super) fn take_group_chat(
        &mut self,
        now: Time,
        sender: &Sender,
        chat: &GroupChatMessage<'_>,
        reply: &mut Reply,
    ) {
        reply.expects_answer();
        if self.hears(now, sender) && self.chat.is_news(&chat.group_name, &chat.text, chat.timestamp) {
            let group = cut_to(&chat.group_name, GROUP_MAX_BYTES).to_owned();
            self.report(Event::GroupChat { from: sender.address, group, text: cut(&chat.text).to_owned() });
        }
    }

    /// Sends a line to a verified peer.
    pub(super) fn send_chat(&mut self, now: Time, to: SocketAddr, text: &str) -> Result<(), CommandError> {
        let to = plain(to);
        if self.peers.get(to).is_none() {
            return Err(CommandError::NotVerified(to));
        }
        let text = sendable(text)?;
        let message = Message::ChatMessage(ChatMessage { message: text.into() });
        self.send_message(now, to, &message)
    }

    /// Sends a line to every verified peer in reach, neighbours first.
    pub(super) fn send_group_chat(
        &mut self,
        now: Time,
        group: &str,
        text: &str,
        unix_ms: u64,
    ) -> Result<(), CommandError> {
        let text = sendable(text)?;
        if group.is_empty() || group.len() > GROUP_MAX_BYTES {
            return Err(CommandError::BadText);
        }
        let neighbours = self.links.iter().map(|link| link.address);
        let others = self.peers.iter().filter(|peer| peer.is_fresh(now) && !self.links.contains(peer.address));
        let to: Vec<_> = neighbours.chain(others.map(|peer| peer.address)).take(GROUP_PEERS_MAX).collect();
        if to.is_empty() {
            return Err(CommandError::NobodyInReach);
        }
        // Seen by us, so that it is not reported when somebody sends it back.
        self.chat.is_news(group, text, unix_ms);
        let message = Message::GroupChatMessage(GroupChatMessage {
            group_name: group.into(),
            text: text.into(),
            timestamp: unix_ms,
        });
        to.into_iter().try_for_each(|address| self.send_message(now, address, &message))
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
fn sendable(text: &str) -> Result<&str, CommandError> {
    if text.is_empty() || text.len() > CHAT_MAX_BYTES { Err(CommandError::BadText) } else { Ok(text) }
}

fn cut(text: &str) -> &str {
    cut_to(text, CHAT_MAX_BYTES)
}

/// The beginning of a text, at most `max` bytes, cut between characters.
fn cut_to(text: &str, max: usize) -> &str {
    let end = (0..=max.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    &text[..end]
}
