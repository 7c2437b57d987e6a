//! The invariants of the design as checks on one node's life, from birth to restart, after every event.
//!
//! The checks see only what crosses the node's border, as an outsider would: datagrams, events, deadlines. They refuse
//! to look into its tables, except for how long those are, so the node cannot satisfy them by believing in itself. They
//! change nothing and draw nothing, so a run with them is the run without.

mod budget;
mod contacts;
mod form;
mod hearing;
mod initiative;
mod tables;
mod unasked;

pub use hearing::{Envelopes, Heard};

use crate::eye::{Element, Scope, scope};
use crate::rng::Spread;
use budget::Account;
use cjp2p_node::node::{Destination, Event, Transmit};
use cjp2p_node::{Time, identity::Identity, node::Config};
use contacts::{Contacts, host, neighbourhood};
use hearing::unknown_came_out;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use unasked::Unasked;

/// The smallest request there is; it must always earn a token.
pub const SMALLEST_REQUEST: &[u8] = br#"[{"PleaseSendPeers":{}}]"#;

/// How often a node may ask to be woken within a minute: one timer of a second, and as often again for deadlines.
pub const WAKES_PER_MINUTE_MAX: usize = 400;

/// How long a token is accepted at most, by the node's own clock: two rotations of an hour.
const TOKEN_LIFETIME: Duration = Duration::from_secs(7_200);

const MINUTE: Duration = Duration::from_secs(60);

/// Why a node had the chance to speak.
#[derive(Debug)]
pub enum Cause {
    /// A datagram came in.
    Datagram(Heard),
    /// A deadline passed, or the node was born.
    Timeout,
    /// A command.
    Command,
}

/// What came out.
pub struct Output<'a> {
    pub sent: &'a [Transmit],
    pub events: &'a [Event],
    /// Whether the node counts the datagram among those it dropped whole.
    pub is_dropped: bool,
}

/// What we know of one address, all by watching.
#[derive(Debug, Default)]
struct Acquaintance {
    /// The tokens the node gave it, and when it did last, by the node's clock.
    issued: BTreeMap<String, Time>,
    /// The payloads it asked to have returned.
    owed: BTreeSet<String>,
    /// The probes the node sent it before it was proven.
    probes: BTreeSet<String>,
    /// Whether it returned a token or a probe.
    is_proven: bool,
    /// Whether it was heard, configured, or named by somebody of no wider scope.
    is_legitimate: bool,
    /// When it was last heard, token or not.
    heard: Time,
    /// Whether the user named it.
    is_given: bool,
    contacts: Contacts,
    /// What it was sent after it was proven and did not ask for.
    unasked: Unasked,
    /// That part of it which datagrams without token in its name provoked.
    provoked: Vec<Time>,
}

/// The checks of one node between birth and restart.
#[derive(Debug)]
pub struct Checks {
    envelopes: Envelopes,
    known: HashMap<SocketAddr, Acquaintance, Spread>,
    accounts: HashMap<SocketAddr, Account, Spread>,
    accounts_swept: Time,
    hosts: HashMap<IpAddr, Contacts, Spread>,
    neighbourhoods: HashMap<IpAddr, Contacts, Spread>,
    woken: Time,
    /// When it was last born, woken, or cut off from some.
    disturbed: Time,
    unprompted: Vec<Time>,
    meddled: Vec<Time>,
    doubts: Vec<Time>,
    tries: Vec<Time>,
    wakes: Vec<Time>,
}

impl Checks {
    pub fn new(identity: &Identity, config: &Config, now: Time) -> Checks {
        let mut checks = Checks {
            envelopes: Envelopes::new(identity.clone()),
            known: HashMap::default(),
            accounts: HashMap::default(),
            accounts_swept: now,
            hosts: HashMap::default(),
            neighbourhoods: HashMap::default(),
            woken: now,
            disturbed: now,
            unprompted: Vec::new(),
            meddled: Vec::new(),
            doubts: Vec::new(),
            tries: Vec::new(),
            wakes: Vec::new(),
        };
        for address in config.contacts.iter().chain(&config.remembered) {
            checks.allow(*address);
        }
        checks
    }

    /// The user named this address.
    pub fn allow(&mut self, address: SocketAddr) {
        let known = self.known.entry(address).or_default();
        (known.is_legitimate, known.is_given) = (true, true);
    }

    /// The node is told to verify its neighbours at once: what it sent before was asked for by an earlier wake.
    pub fn woken(&mut self, now: Time) {
        self.unprompted.clear();
        self.woken = now;
        self.disturbed = now;
    }

    /// The network is partitioned, or whole again.
    pub fn disturbed(&mut self, now: Time) {
        self.disturbed = now;
    }

    /// The last datagram to this address never left.
    pub fn unsent(&mut self, address: SocketAddr) {
        if let Some(known) = self.known.get_mut(&address) {
            known.contacts.take_back();
        }
        if let Some(host) = self.hosts.get_mut(&host(address.ip())) {
            host.take_back();
        }
        if let Some(neighbourhood) = self.neighbourhoods.get_mut(&neighbourhood(address.ip())) {
            neighbourhood.take_back();
        }
    }

    /// Whether this address returned a token or a probe.
    pub fn is_proven(&self, address: SocketAddr) -> bool {
        self.known.get(&address).is_some_and(|known| known.is_proven)
    }

    /// The most that this peer was sent within any minute without asking for it.
    pub fn unasked(&self, address: SocketAddr) -> usize {
        self.known.get(&address).map_or(0, |known| known.unasked.most)
    }

    /// Checks what the node did in answer to a cause.
    pub fn spoke(&mut self, now: Time, clock: Time, cause: &Cause, output: &Output<'_>) -> Result<(), String> {
        let Output { sent, events, is_dropped } = *output;
        let mut replies = Vec::new();
        let mut has_token = false;
        for transmit in sent {
            let elements = self.well_formed(cause, transmit)?;
            let Destination::Address(to) = transmit.to else {
                self.unprompted(now, cause)?;
                continue;
            };
            self.reachable(to)?;
            for element in &elements {
                self.element(clock, to, element)?;
            }
            match cause {
                // A datagram that asks for something is our own initiative, whatever provoked it: invariant 8.
                Cause::Datagram(heard) if heard.from == Some(to) && !elements.iter().any(is_question) => {
                    has_token |= elements.iter().any(|element| element.name == "PleaseAlwaysReturnThisMessage");
                    if heard.is_tokens_only && elements.iter().all(|element| is_token(&element.name)) {
                        return Err(format!("tokens alone were answered with tokens alone, to {to}"));
                    }
                    replies.push(transmit.payload.len());
                }
                _ if self.is_proven(to) => self.initiative(now, cause, to, &elements)?,
                _ => self.contact(now, to)?,
            }
        }
        if let Cause::Datagram(heard) = cause {
            self.replied(now, heard, &replies, has_token)?;
            unknown_came_out(heard, events, is_dropped)?;
        }
        Ok(())
    }

    /// Invariant 1, and that the smallest request always earns a token.
    fn replied(&mut self, now: Time, heard: &Heard, replies: &[usize], has_token: bool) -> Result<(), String> {
        let Some(from) = heard.from else { return Ok(()) };
        if heard.is_verified {
            // The tokens of an address that its owner has left are void. From outside that shows in nothing but a new
            // token in a small answer, which pays a debt back as it does to a stranger.
            if has_token && let Some(account) = self.accounts.get_mut(&from) {
                account.pay_back(now, heard.bytes, replies);
            }
            return Ok(());
        }
        if !replies.is_empty() {
            let account = self.accounts.entry(from).or_default();
            account.reply(now, heard.bytes, replies).map_err(|why| format!("{from}: {why}"))?;
        }
        let deserves_token = heard.is_smallest && from.port() >= 1024 && scope(from.ip()) != Scope::None;
        if deserves_token && !has_token {
            return Err(format!("the smallest request, from {from}, earned no token"));
        }
        Ok(())
    }

    /// Invariant 6, after a timeout: the next deadline lies ahead, and they do not come too thick.
    pub fn deadline(&mut self, now: Time, clock: Time, next: Option<Time>) -> Result<(), String> {
        if next.is_some_and(|next| next <= clock) {
            return Err(format!("after the timeout of {clock:?} the next deadline is {next:?}"));
        }
        let count = within_a_minute(&mut self.wakes, now);
        if count > WAKES_PER_MINUTE_MAX {
            return Err(format!("{count} timeouts within a minute: a busy loop"));
        }
        Ok(())
    }

    /// Forgets accounts that no window can contain, now and then, so that floods do not fill the memory of the test.
    fn sweep(&mut self, now: Time) {
        if now.since(self.accounts_swept) >= MINUTE {
            self.accounts_swept = now;
            self.accounts.retain(|_, account| !account.is_over(now));
        }
    }
}

/// Adds an instant and says how many lie within the last minute.
fn within_a_minute(times: &mut Vec<Time>, now: Time) -> usize {
    times.retain(|time| now.since(*time) < MINUTE);
    times.push(now);
    times.len()
}

/// Whether this asks for an answer; tokens ride along with everything.
fn is_question(element: &Element<'_>) -> bool {
    matches!(&*element.name, "PleaseSendPeers" | "PleaseReturnThisMessage" | "WhereAreThey")
}

fn is_token(name: &str) -> bool {
    matches!(name, "PleaseAlwaysReturnThisMessage" | "AlwaysReturned")
}
