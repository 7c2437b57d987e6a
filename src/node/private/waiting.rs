//! Private messages that wait for their recipients: how many there may be, whose turn it is, and when.
//!
//! Only a table: what is sent, and where to, is up to [`private`](super).

use super::Received;
use crate::gossip::CHAT_MAX_BYTES;
use crate::identity::PublicKey;
use crate::node::CommandError;
use crate::sizes::Size;
use crate::time::Time;
use crate::tokens::Cookie;
use rand::rngs::StdRng;
use std::net::SocketAddr;
use std::time::Duration;

/// How long a message is sent again before it is given up: as long as a person waits who looks at the screen. Who has
/// moved, or comes back from an outage of a minute, is found in that time.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// How many messages may wait, to everybody together.
pub const WAITING_MAX: usize = 64;

/// How many may wait for one key; the next is refused, so that nobody types into nothing for long.
pub const WAITING_PER_KEY_MAX: usize = 16;

/// How many bytes of text may wait: half of what [`WAITING_MAX`] of the longest would be, 64 KB.
pub const WAITING_MAX_BYTES: usize = WAITING_MAX * CHAT_MAX_BYTES / 2;

/// How many keys messages may wait for.
pub const RECIPIENTS_MAX: usize = 16;

/// The pause before a message is sent again for the first time, doubled each time: what RFC 6298 has where nothing is
/// known about the path.
pub(super) const REPEAT_MIN: Duration = Duration::from_secs(1);

/// The longest pause. So there are eleven tries: where a fifth of all datagrams is lost each way, all fail once in
/// 70,000 times.
pub(super) const REPEAT_MAX: Duration = Duration::from_secs(15);

/// News of where somebody is hurries what waits, but no more often than this.
const HURRY_PAUSE: Duration = Duration::from_millis(200);

/// How often that is: whoever has news all the time, of new tokens say, shall not make us send all the time.
const HURRIES_MAX: u32 = 8;

/// How many addresses are remembered that a message was sent to: two homes, and those that others named.
const SENT_TO_MAX: usize = 10;

/// A message that waits for its recipient.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) number: u64,
    pub(super) to: PublicKey,
    pub(super) text: String,
    /// What only the recipient can send back.
    pub(super) cookie: Cookie,
    pub(super) said: Time,
    pub(super) due: Time,
    pub(super) pause: Duration,
    /// When it was sent last, and how often.
    pub(super) sent: Option<Time>,
    pub(super) times: u32,
    /// How often it was hurried.
    pub(super) hurries: u32,
    /// Where it was sent to, longest ago first; at most [`SENT_TO_MAX`] addresses.
    pub(super) sent_to: Vec<SocketAddr>,
}

impl Waiting {
    /// It is sent again soon, because the recipient may be in reach now.
    fn hurry(&mut self, now: Time) {
        if self.hurries < HURRIES_MAX {
            self.hurries += 1;
            let soon = self.sent.map_or(now, |sent| (sent + HURRY_PAUSE).max(now));
            self.due = self.due.min(soon);
            self.pause = REPEAT_MIN;
        }
    }

    /// It is sent to this address now.
    pub(super) fn note_sent_to(&mut self, address: SocketAddr) {
        self.sent_to.retain(|other| *other != address);
        if self.sent_to.len() >= SENT_TO_MAX {
            self.sent_to.remove(0);
        }
        self.sent_to.push(address);
    }
}

/// What waits.
#[derive(Debug)]
pub(in crate::node) struct Private {
    /// In the order in which it was said.
    pub(super) waiting: Vec<Waiting>,
    /// A generator of its own: what else a node does is the same whether anybody writes or not.
    pub(super) rng: StdRng,
    pub(in crate::node) received: Received,
}

impl Private {
    pub(in crate::node) fn new(mut rng: StdRng) -> Private {
        let received = Received::new(&mut rng);
        Private { waiting: Vec::new(), rng, received }
    }

    pub(in crate::node) fn sizes(&self) -> [Size; 6] {
        // A generator does not grow.
        let Private { waiting, rng: _, received } = self;
        let most = waiting.iter().map(|message| self.waiting_for(&message.to).count()).max();
        let sent_to = waiting.iter().map(|message| message.sent_to.len()).max();
        [
            Size::new("private messages waiting", waiting.len(), WAITING_MAX),
            Size::new("private messages waiting for one key", most.unwrap_or(0), WAITING_PER_KEY_MAX),
            Size::new("bytes of private messages waiting", self.bytes(), WAITING_MAX_BYTES),
            Size::new("keys that private messages wait for", self.recipients().len(), RECIPIENTS_MAX),
            Size::new("addresses a private message was sent to", sent_to.unwrap_or(0), SENT_TO_MAX),
            received.size(),
        ]
    }

    fn waiting_for(&self, key: &PublicKey) -> impl Iterator<Item = &Waiting> {
        self.waiting.iter().filter(move |message| message.to == *key)
    }

    fn bytes(&self) -> usize {
        self.waiting.iter().map(|message| message.text.len()).sum()
    }

    /// Whether a message waits for this key.
    pub(in crate::node) fn awaits(&self, key: &PublicKey) -> bool {
        self.waiting.iter().any(|message| message.to == *key)
    }

    /// The keys that messages wait for, each once, with the place of the message whose turn it is.
    pub(super) fn recipients(&self) -> Vec<(PublicKey, usize)> {
        let mut recipients: Vec<(PublicKey, usize)> = Vec::new();
        for (place, message) in self.waiting.iter().enumerate() {
            if recipients.iter().all(|(key, _)| *key != message.to) {
                recipients.push((message.to, place));
            }
        }
        recipients
    }

    /// When something is to be sent again or given up.
    pub(in crate::node) fn due(&self) -> Option<Time> {
        let turns = self.recipients().into_iter().filter_map(|(_, place)| self.waiting.get(place));
        let ends = self.waiting.iter().map(|message| message.said + PATIENCE);
        turns.map(|message| message.due).chain(ends).min()
    }

    /// What waits for a key is sent again soon.
    pub(super) fn hurry(&mut self, now: Time, key: &PublicKey) {
        let waiting = self.waiting.iter_mut().filter(|message| message.to == *key);
        waiting.for_each(|message| message.hurry(now));
    }

    /// Whether one more message to a key may wait.
    pub(super) fn check_room(&self, to: &PublicKey, text: &str) -> Result<(), CommandError> {
        let recipients = self.recipients();
        let is_new = recipients.iter().all(|(key, _)| key != to);
        let is_full = self.waiting.len() >= WAITING_MAX
            || self.waiting_for(to).count() >= WAITING_PER_KEY_MAX
            || self.bytes() + text.len() > WAITING_MAX_BYTES
            || is_new && recipients.len() >= RECIPIENTS_MAX;
        if is_full { Err(CommandError::TooMuchWaiting) } else { Ok(()) }
    }
}
