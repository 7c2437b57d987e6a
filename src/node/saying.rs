//! What the user says to a group: signed, for the neighbours, and encrypted, for the wild.
//!
//! Nodes of the wild know a line only as a `GroupChatMessage` that was encrypted for them. So ours go out in that form
//! too, to all whose home is proven and who do not speak our words; nothing confirms it, so it is repeated.

use super::chat::{GROUP_MAX_BYTES, sendable};
use super::group::RESERVED_MS;
use super::notes::Note;
use super::{CommandError, Event, Node};
use crate::content::Store;
use crate::gossip::{Line, LineId};
use crate::time::Time;
use crate::wire::messages::{GroupChatMessage, MyPublicKey};
use crate::wire::{DATAGRAM_SEND_MAX_BYTES, Message};
use std::net::SocketAddr;
use std::time::Duration;

/// How long after a line of ours it is told how many neighbours have it.
const TAKEN_AFTER: Duration = Duration::from_secs(5);

/// How many lines of ours are on their way to the wild, or waited for; the oldest is given up first. We say one a
/// second.
pub(super) const OWN_MAX: usize = 64;

/// How many nodes of the wild a line of ours is sent to. The wild sends each of its lines to every key it knows.
const WILD_MAX: usize = 64;

/// The pauses before each sending to the wild, in seconds. At the first it is known which neighbours speak our words.
const WILD_PAUSES: [u64; 4] = [2, 10, 60, 300];

/// How long a line of ours waits for the disk. One that is full or stuck keeps nobody silent; the worst that follows is
/// that after a crash, and with a clock that was set back, a line has the time of another and is not shown.
const SAVE_PATIENCE: Duration = Duration::from_secs(3);

/// A line of ours that is still looked after.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) id: LineId,
    group: String,
    text: String,
    unix_ms: u64,
    /// How often it was sent to the wild, and when it will be next.
    pub(super) sent: usize,
    pub(super) due: Time,
    /// When it is told how many have taken it.
    pub(super) report: Option<Time>,
}

impl<S: Store> Node<S> {
    /// Says a line to a group, if there is anybody to hear it: to all neighbours, who pass it on. If the time that it
    /// is dated by has to be kept first, it waits for that.
    pub(super) fn say(&mut self, now: Time, group: &str, text: &str, unix_ms: u64) -> Result<(), CommandError> {
        let text = sendable(text)?;
        if group.is_empty() || group.len() > GROUP_MAX_BYTES {
            return Err(CommandError::BadText);
        }
        if self.group_reach() == 0 && !self.peers.iter().any(|peer| peer.is_fresh(now)) {
            return Err(CommandError::NobodyInReach);
        }
        self.groups.check_room()?;
        self.chat.may_say(now)?;
        let before = self.groups.stamp;
        let stamp = self.groups.next_stamp(unix_ms);
        let Ok(line) = Line::sign(&self.identity, group, text, stamp) else {
            self.groups.stamp = before;
            return Err(CommandError::BadText);
        };
        if stamp >= self.groups.reserved {
            self.groups.reserved = stamp.saturating_add(RESERVED_MS);
            self.save_group(now);
        }
        self.groups.unsaid.push_back((line, now + SAVE_PATIENCE));
        self.say_what_waits(now);
        Ok(())
    }

    /// Says our lines that wait no longer.
    pub(super) fn say_what_waits(&mut self, now: Time) {
        self.meet_neighbours(now);
        while let Some(line) = self.groups.take_unsaid(now) {
            if self.groups.own.len() >= OWN_MAX {
                self.groups.own.pop_front();
            }
            self.groups.own.push_back(Own {
                id: line.id,
                group: line.group.clone(),
                text: line.text.clone(),
                unix_ms: line.unix_ms,
                sent: 0,
                due: now + Duration::from_secs(WILD_PAUSES[0]),
                report: Some(now + TAKEN_AFTER),
            });
            self.groups.gossip.hold(now, line, None, true);
        }
        self.tend_groups(now);
    }

    /// How many neighbours a line would be said to.
    pub fn group_reach(&self) -> usize {
        self.links.iter().filter(|link| link.is_proven && !link.is_unsent).count()
    }

    /// Sends lines of ours to the wild, and tells how many neighbours have taken them.
    pub(super) fn tend_own_lines(&mut self, now: Time) {
        let mut own = std::mem::take(&mut self.groups.own);
        let mut is_busy = false;
        for line in &mut own {
            if line.report.take_if(|due| *due <= now).is_some() {
                let taken_by = self.groups.gossip.taken_by(line.id).unwrap_or(0) as usize;
                self.report(Event::GroupChatTaken { taken_by, of: self.group_reach() });
            }
            // One after the other, so that they do not all go out at once.
            if line.due <= now && !std::mem::replace(&mut is_busy, true) {
                self.send_to_wild(now, line);
                line.sent += 1;
                let pause = WILD_PAUSES.get(line.sent).copied().unwrap_or_default();
                line.due = now + Duration::from_secs(pause);
            }
        }
        own.retain(|line| line.sent < WILD_PAUSES.len());
        self.groups.own = own;
    }

    /// Sends a line to those who do not speak our words, encrypted for each, in the one form that the wild knows.
    fn send_to_wild(&mut self, now: Time, line: &Own) {
        let chat = GroupChatMessage {
            group_name: line.group.as_str().into(),
            text: line.text.as_str().into(),
            timestamp: line.unix_ms,
        };
        let Ok(text) = serde_json::to_string(&[Message::GroupChatMessage(chat)]) else { return };
        let Node { homes, groups, peers, .. } = self;
        let is_wild = |address: SocketAddr| {
            peers.get(address).is_some_and(|peer| peer.is_fresh(now)) && !groups.gossip.neighbours.speaks(address)
        };
        let wild: Vec<_> = homes.iter().filter(|(_, address)| is_wild(*address)).take(WILD_MAX).collect();
        for (key, address) in wild {
            let ephemeral = self.groups.gossip.random();
            let Ok(sealed) = self.identity.seal(&key, &text, ephemeral) else { continue };
            let mut writer = self.begin_note(now, address, Note::default());
            // The wild opens only what is of a key that it has heard of.
            let own = MyPublicKey { ed25519h: self.public_key().hex() };
            writer.push(&Message::MyPublicKey(own), DATAGRAM_SEND_MAX_BYTES);
            if writer.push(&Message::EncryptedMessages(sealed), DATAGRAM_SEND_MAX_BYTES) {
                self.finish_note(address, &mut writer, false);
            }
        }
    }
}
