//! The state machine: datagrams, commands and time come in; datagrams, events and a deadline go out.
//!
//! This file holds the state and the doors; what happens behind them is in
//!
//! - `interface`: what goes in and out besides datagrams,
//! - `dispatch`: who sent this, and one match over all messages,
//! - `reply`: an answer under construction, and the only place that adds tokens; `buffers`: memory for it,
//! - `peering`: making contact and believing,
//! - `naming`: telling peers of one another,
//! - `notes`: writing to a peer unasked,
//! - `provoked`: how much of that others can make us do,
//! - `outage`: telling a dead neighbour from a dead network of our own,
//! - `upkeep`: what the passing of time brings,
//! - `seeking`: looking for peers and neighbours,
//! - `people`: who is known by key; `find`: where they are; `private`: what the user writes to them,
//! - `sizes`: how full every table is,
//! - `named`: files with names, and `seeking_names`: asking for their newest versions,
//! - `streams`: signed streams, our own and those that are followed,
//! - `chat`, `group` (with `passing` and `saying`) and `serve`: the services built on top;
//!   `repeats`: who asks the same thing again and again;
//!   `uploads`: whose turn it is when there is a limit.
//!
//! The node never reads a clock, touches a socket, sleeps, or asks the operating system for randomness.

mod buffers;
mod chat;
mod claims;
mod dispatch;
mod envelopes;
mod fetch;
mod find;
mod group;
mod hints;
mod homes;
mod interface;
mod named;
mod naming;
mod notes;
mod outage;
mod passing;
mod peering;
mod people;
mod private;
mod provoked;
mod recommended;
mod repeats;
mod reply;
mod runs;
mod saying;
mod seeking;
mod seeking_names;
mod sender;
mod serve;
mod shares;
mod sizes;
mod streams;
mod upkeep;
mod uploads;

pub use crate::gossip::GROUP_MAX_BYTES;
pub use group::IGNORED_KEYS_MAX;
pub use interface::{
    Command, CommandError, Config, Destination, Event, GroupMemory, PeerInfo, StreamCommand, Transmit,
};
pub use peering::{PEERS_LOW, PEERS_SAVED_MAX, PEERS_WANTED};
pub use private::{
    PATIENCE as PRIVATE_PATIENCE, RECIPIENTS_MAX, Undelivered, WAITING_MAX, WAITING_MAX_BYTES, WAITING_PER_KEY_MAX,
};
pub use recommended::{Hearsay, RECOMMENDED_PER_SENDER_MAX, Recommendation};
pub use seeking_names::SEARCHES_MAX;
pub use streams::{APPEND_MAX_BYTES, FED_PATIENCE, STREAMS_MAX, StreamInfo};

use crate::budget::ReplyBudget;
use crate::content::{Rumours, SharedFile, Shelf, Store};
use crate::counters::Counters;
use crate::hash::Key;
use crate::identity::whereabouts::Whereabouts;
use crate::identity::{Identity, PublicKey};
use crate::peers::PeerTable;
use crate::peers::anchors::Anchors;
use crate::peers::contacts::Contacts;
use crate::peers::heard::HeardTable;
use crate::peers::links::Links;
use crate::rate::Limiter;
use crate::time::Time;
use crate::tokens::Issuer;
use crate::transfer::Transfers;
use buffers::Buffers;
use chat::ChatRoom;
use envelopes::Envelopes;
use find::Finds;
use homes::Showings;
use outage::Outages;
use private::Private;
use provoked::Provoked;
use rand::SeedableRng;
use rand::rngs::StdRng;
use repeats::Repeats;
use sha2::{Digest, Sha256};
use shares::Shares;
use std::cmp::Reverse;
use std::collections::VecDeque;
use std::net::SocketAddr;
use upkeep::{PeerWorth, Timers};

/// Datagrams that may wait to be fetched; newer ones are dropped and counted. More than three times the largest burst
/// of one call, so whoever drains after every call never sees one dropped. The bursts are at most:
///
/// - a datagram: 32 of an answer, 4 introductions, 16 contacts and 8 trials of those it names, one greeting or
///   follow-up, and one doubt about a peer in its way: 62; and a question for each claim that is due: 64,
/// - a timeout: 40 links, 8 contacts, 3 trials, a question and a call into the local network, 32 questions after a key
///   and 8 addresses tried for it: 93; and of group chat 63 copies of lines, 40 lists of what there is, and 64 to the
///   wild: 260 together; a question for each claim that is due: 64; and, after a sleep, a private message for each of
///   16 keys to 4 addresses: 64.
pub const OUTBOX_MAX: usize = 1_024;

/// Events that may wait to be fetched; newer ones are dropped and counted.
pub const EVENTS_MAX: usize = 1_024;

/// A node: datagrams, commands and time in; datagrams, events and a deadline out.
#[derive(Debug)]
pub struct Node<S> {
    config: Config,
    identity: Identity,
    rng: StdRng,
    issuer: Issuer,
    budget: ReplyBudget,
    provoked: Provoked,
    /// Strangers that are written down to be tried later.
    strangers: Limiter,
    peers: PeerTable,
    heard: HeardTable,
    links: Links,
    outages: Outages,
    anchors: Anchors,
    is_hungry: bool,
    chat: ChatRoom,
    shelf: Shelf,
    rumours: Rumours,
    recommended: recommended::Recommended,
    transfers: Transfers,
    fetching: fetch::Fetching,
    store: S,
    timers: Timers,
    counters: Counters,
    outbox: VecDeque<Transmit>,
    events: VecDeque<Event>,
    /// Where lists of addresses are put together; never longer than one datagram.
    scratch: Vec<u8>,
    /// Where blocks of content are read to.
    block: Vec<u8>,
    /// Memory for datagrams.
    buffers: Buffers,
    /// What was asked for lately.
    repeats: Repeats,
    envelopes: Envelopes,
    homes: Whereabouts,
    showings: Showings,
    named: named::Named,
    /// What was signed lately for those who ask where we are.
    answers: Shares,
    groups: group::Groups,
    finds: Finds,
    private: Private,
    streams: streams::Streams,
}

/// A seed for one purpose, which tells nothing of the seed that it derives from, nor of those for others.
fn derived(seed: &[u8; 32], purpose: &str) -> [u8; 32] {
    Sha256::new_with_prefix("cjp2p-node ").chain_update(purpose).chain_update(seed).finalize().into()
}

impl<S: Store> Node<S> {
    /// A node born at `now`. All its randomness comes from `seed`; it is due at once.
    pub fn new(mut config: Config, seed: [u8; 32], now: Time, store: S) -> Node<S> {
        let mut rng = StdRng::from_seed(seed);
        let identity = config.identity.take().unwrap_or_else(|| Identity::from_seed(&derived(&seed, "identity")));
        Node {
            identity,
            issuer: Issuer::new(now, &mut rng),
            budget: ReplyBudget::new(Key::new(&mut rng)),
            provoked: Provoked::new(Key::new(&mut rng), Contacts::new(Key::new(&mut rng))),
            strangers: Limiter::default(),
            peers: PeerTable::new(Key::new(&mut rng)),
            heard: HeardTable::new(Key::new(&mut rng)),
            links: Links::default(),
            outages: Outages::new(now),
            anchors: peering::anchors_of(&config),
            is_hungry: true,
            chat: ChatRoom::new(Key::new(&mut rng)),
            shelf: Shelf::default(),
            rumours: Rumours::default(),
            recommended: recommended::Recommended::default(),
            transfers: Transfers::limited(now, config.download_limit),
            fetching: fetch::Fetching::new(now, config.upload_limit),
            store,
            timers: Timers::new(now, config.lan),
            counters: Counters::default(),
            outbox: VecDeque::new(),
            events: VecDeque::new(),
            scratch: Vec::new(),
            block: Vec::new(),
            buffers: Buffers::default(),
            repeats: Repeats::new(Key::new(&mut rng)),
            // A generator of its own: what else a node does is the same whether there are envelopes or not.
            envelopes: Envelopes::new(&mut StdRng::from_seed(derived(&seed, "envelopes"))),
            homes: Whereabouts::default(),
            showings: Showings::new(&mut StdRng::from_seed(derived(&seed, "showings"))),
            named: named::Named::default(),
            answers: Shares::new(&mut StdRng::from_seed(derived(&seed, "answers"))),
            groups: group::Groups::new(
                derived(&seed, "groups"),
                now,
                config.saves_group,
                std::mem::take(&mut config.group),
            ),
            finds: Finds::new(StdRng::from_seed(derived(&seed, "finds"))),
            private: Private::new(StdRng::from_seed(derived(&seed, "private messages"))),
            streams: streams::Streams::default(),
            config,
            rng,
        }
    }

    /// The key by which others know the node.
    pub fn public_key(&self) -> PublicKey {
        self.identity.public()
    }

    /// Carries out a command.
    ///
    /// # Errors
    /// [`CommandError`]; nothing was sent and nothing changed.
    pub fn handle_command(&mut self, now: Time, command: Command) -> Result<(), CommandError> {
        match command {
            Command::AddPeer(address) => self.add_anchor(now, address),
            Command::Chat { to, text } => self.send_chat(now, to, &text),
            Command::GroupChat { group, text, unix_ms } => self.say(now, &group, &text, unix_ms),
            Command::PrivateChat { to, text, number } => self.send_private(now, to, text, number),
            Command::Ping(address) => self.ping(now, address),
            Command::Ignore(ip) => self.chat.ignore(ip),
            Command::Heed(ip) => self.chat.heed(ip),
            Command::IgnoreAuthor(key) => self.groups.ignore(key),
            Command::HeedAuthor(key) => self.groups.heed(&key),
            Command::GroupSaved(said_until) => {
                self.groups.saved = said_until;
                self.say_what_waits(now);
                Ok(())
            }
            Command::TimeOfDay(unix_ms) => {
                self.groups.set_clock(now, unix_ms);
                Ok(())
            }
            Command::Share(file) => {
                self.store.close(&file.name);
                self.shelf.insert(file)
            }
            Command::NetworkChanged => {
                self.doubt_everything(now);
                Ok(())
            }
            Command::Unsent(transmit) => {
                self.unbook(now, &transmit);
                Ok(())
            }
            Command::Fetch { id, held, patience } => self.fetch(now, id, held, patience),
            Command::Stream(command) => self.command_stream(now, command),
            Command::AskForLists => {
                self.ask_for_lists(now);
                Ok(())
            }
            Command::StopFetching(id) => self.stop_fetching(now, id),
            Command::Settled { id, outcome } => {
                self.settle(now, id, outcome);
                Ok(())
            }
            Command::Publish { version, is_withdrawn } => self.publish(now, *version, is_withdrawn),
            Command::Recall(version) => self.recall(*version),
            Command::Follow { title, version } => self.follow(now, title, version.map(|version| *version)),
            Command::Unfollow(title) => self.unfollow(&title),
            Command::Seek { title, patience } => self.seek_version(now, title, patience),
            Command::Unshare(name) => {
                self.store.close(&name);
                self.shelf.remove(&name);
                Ok(())
            }
        }
    }

    /// Whether another datagram is waiting to be sent.
    pub fn has_transmit(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.outbox.pop_front()
    }

    /// Takes back the memory of a datagram that has been sent, for others. Nobody has to give any back.
    pub fn recycle(&mut self, payload: Vec<u8>) {
        self.buffers.give(payload);
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// What happened so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The verified peers, neighbours first, then by how lately they were heard; at most `most`.
    pub fn peers(&self, now: Time, most: usize) -> Vec<PeerInfo> {
        let nearest = self.peers_by_worth(|address| self.links.holds(address)).into_iter().take(most);
        let info = |(is_other, Reverse(heard), address): PeerWorth| PeerInfo {
            address,
            heard_ago: now.since(heard),
            round_trip: self.peers.get(address).and_then(|peer| peer.round_trip),
            is_neighbour: !is_other,
        };
        nearest.map(info).collect()
    }

    /// How many peers are verified.
    pub fn peer_count(&self) -> usize {
        self.peers.len()
    }

    /// How many neighbours there are: peers with whom a path is kept open.
    pub fn link_count(&self) -> usize {
        self.links.held()
    }

    /// How many addresses wait to be tried.
    pub fn heard_count(&self) -> usize {
        self.heard.iter().len()
    }

    /// The files that are shared, by name.
    pub fn shared_files(&self) -> impl Iterator<Item = &SharedFile> {
        self.shelf.iter()
    }

    /// The shared file with this id: see [`Shelf::find`].
    pub fn find_shared(&self, id: &str) -> Option<&SharedFile> {
        self.shelf.find(id).map(|(file, _)| file)
    }

    /// What is being fetched.
    pub fn fetching(&self) -> impl Iterator<Item = crate::transfer::Progress> + '_ {
        self.transfers.progress()
    }

    /// What is there of a content that is being fetched.
    pub fn held(&self, id: &crate::content::ContentId) -> Option<crate::transfer::Held> {
        self.transfers.held(id)
    }

    /// The store, to look at.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// The store.
    pub fn store_mut(&mut self) -> &mut S {
        &mut self.store
    }

    /// Hands a datagram out for sending.
    fn send(&mut self, to: Destination, payload: Vec<u8>) {
        if self.outbox.len() < OUTBOX_MAX {
            self.counters.datagrams_sent += 1;
            self.counters.bytes_sent += payload.len() as u64;
            self.outbox.push_back(Transmit { to, payload });
        } else {
            self.counters.datagrams_dropped += 1;
        }
    }

    /// Hands an event out.
    fn report(&mut self, event: Event) {
        if self.events.len() < EVENTS_MAX {
            self.events.push_back(event);
        } else {
            self.counters.events_dropped += 1;
        }
    }

    /// The addresses worth remembering across a restart, best first.
    pub fn saved_peers(&self) -> Vec<SocketAddr> {
        self.peers_to_save()
    }
}
