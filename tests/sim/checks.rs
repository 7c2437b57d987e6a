//! The invariants of the design as checks on one node's life, from birth to restart, after every event.
//!
//! The checks see only what crosses the node's border, as an outsider would: datagrams, events, deadlines. They refuse
//! to look into its tables, except for how long those are, so the node cannot satisfy them by believing in itself. They
//! change nothing and draw nothing, so a run with them is the run without.

mod budget;
mod contacts;
mod hearing;
mod tables;
mod unasked;

pub use hearing::Heard;

use crate::eye::{self, Element, Scope, scope};
use crate::rng::Spread;
use budget::Account;
use cjp2p_node::node::{Destination, Event, Transmit};
use cjp2p_node::peers::links::{LINKS_MAX, PROBE_AFTER, PROBES_MAX};
use cjp2p_node::wire::DATAGRAM_SEND_MAX_BYTES;
use cjp2p_node::{Time, node::Config};
use contacts::{ADDRESS, Contacts, HOST, NEIGHBOURHOOD, host, neighbourhood};
use hearing::unknown_came_out;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use unasked::Unasked;

/// The smallest request there is; it must always earn a token.
pub const SMALLEST_REQUEST: &[u8] = br#"[{"PleaseSendPeers":{}}]"#;

/// What a node may send within a minute to those it knows without being asked, in the first [`UNSETTLED_FOR`] after its
/// birth, a wake or a partition: four a second, which is what it takes to find 16 peers and to try them.
pub const UNPROMPTED_PER_MINUTE_MAX: usize = 240;

/// The same for a settled node: a probe for each link there can be, as often as one may fall silent, and for what is
/// lost and found as much as two neighbours take to die. What all that costs on average is for `figures` to say.
pub const SETTLED_PER_MINUTE_MAX: usize = LINKS_MAX * 60 / PROBE_AFTER.as_secs() as usize + 2 * PROBES_MAX as usize;

/// How long it takes a node to settle.
const UNSETTLED_FOR: Duration = Duration::from_secs(600);

/// What it may send within a minute to addresses that never answered, or not for a minute, all together, however many
/// are named: ten a second, and a first burst.
pub const TRIES_PER_MINUTE_MAX: usize = 616;

/// What it may send within a minute to peers because other peers wanted it, all together: no more than to those who
/// never answered.
pub const MEDDLED_PER_MINUTE_MAX: usize = TRIES_PER_MINUTE_MAX;

/// How often a node may ask to be woken within a minute: one timer of a second, and as often again for deadlines.
pub const WAKES_PER_MINUTE_MAX: usize = 400;

/// How often within a minute somebody can make a node ask a peer something in the name of that peer: one each 5 s.
pub const PROVOKED_PER_MINUTE_MAX: usize = 13;

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
    tries: Vec<Time>,
    wakes: Vec<Time>,
}

impl Checks {
    pub fn new(config: &Config, now: Time) -> Checks {
        let mut checks = Checks {
            known: HashMap::default(),
            accounts: HashMap::default(),
            accounts_swept: now,
            hosts: HashMap::default(),
            neighbourhoods: HashMap::default(),
            woken: now,
            disturbed: now,
            unprompted: Vec::new(),
            meddled: Vec::new(),
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

    /// Invariant 3.
    fn well_formed<'a>(&self, cause: &Cause, transmit: &'a Transmit) -> Result<Vec<Element<'a>>, String> {
        let asks_large = matches!(cause, Cause::Datagram(heard) if heard.asks_large);
        if transmit.payload.len() > DATAGRAM_SEND_MAX_BYTES && !asks_large {
            return Err(format!("a datagram of {} bytes to {:?}", transmit.payload.len(), transmit.to));
        }
        eye::read(&transmit.payload).map_err(|why| {
            format!("sent what no node understands ({why}): {}", String::from_utf8_lossy(&transmit.payload))
        })
    }

    /// The last part of invariant 8: some addresses are not written to at all.
    fn reachable(&self, to: SocketAddr) -> Result<(), String> {
        if to.port() < 1024 {
            return Err(format!("wrote to {to}, a port below 1024"));
        }
        let is_legitimate = self.known.get(&to).is_some_and(|known| known.is_legitimate);
        match scope(to.ip()) {
            Scope::None => Err(format!("wrote to {to}, which is nobody's address")),
            Scope::Global => Ok(()),
            _ if is_legitimate => Ok(()),
            narrow => Err(format!("wrote to {to} ({narrow:?}), which only somebody of wider scope had named")),
        }
    }

    /// Invariants 4 and 8: tokens go home, and names are proven.
    fn element(&mut self, clock: Time, to: SocketAddr, element: &Element<'_>) -> Result<(), String> {
        let payload = element.payload;
        match &*element.name {
            "PleaseAlwaysReturnThisMessage" => {
                let cookie =
                    cookie(payload).ok_or_else(|| format!("sent the token {payload}, which the wild ignores"))?;
                self.known.entry(to).or_default().issued.insert(cookie, clock);
            }
            "AlwaysReturned" if !self.known.get(&to).is_some_and(|known| known.owed.contains(payload)) => {
                return Err(format!("returned {payload} to {to}, which never issued it"));
            }
            "PleaseReturnThisMessage" => {
                let known = self.known.entry(to).or_default();
                if !known.is_proven {
                    known.probes.insert(payload.to_owned());
                }
            }
            "Peers" | "MaybeTheyHaveSome" => return self.named(to, payload),
            _ => {}
        }
        Ok(())
    }

    fn named(&self, to: SocketAddr, payload: &str) -> Result<(), String> {
        for address in eye::addresses(payload)? {
            if !self.is_proven(address) {
                return Err(format!("named {address} to {to}, though it never returned a token or a probe"));
            }
            if scope(address.ip()) == Scope::Link {
                return Err(format!("named the link-local address {address}"));
            }
            if scope(address.ip()) < scope(to.ip()) {
                return Err(format!("named {address} to {to}, which cannot reach it"));
            }
        }
        Ok(())
    }

    /// Invariant 8: what the node sends to those who never answered.
    fn contact(&mut self, now: Time, to: SocketAddr) -> Result<(), String> {
        let known = self.known.entry(to).or_default();
        known.contacts.add(now, ADDRESS).map_err(|why| format!("{to}: {why}"))?;
        if !known.is_given && scope(to.ip()) == Scope::Global {
            let host = self.hosts.entry(host(to.ip())).or_default();
            host.add(now, HOST).map_err(|why| format!("the host of {to}: {why}"))?;
            let around = self.neighbourhoods.entry(neighbourhood(to.ip())).or_default();
            around.add(now, NEIGHBOURHOOD).map_err(|why| format!("the neighbourhood of {to}: {why}"))?;
        }
        self.tried(now)
    }

    fn tried(&mut self, now: Time) -> Result<(), String> {
        let count = within_a_minute(&mut self.tries, now);
        if count > TRIES_PER_MINUTE_MAX {
            return Err(format!("{count} datagrams within a minute to addresses that do not answer"));
        }
        Ok(())
    }

    /// Invariant 2, and no less for peers: what the node sends to those who answered once, whoever makes it do so.
    fn initiative(&mut self, now: Time, cause: &Cause, to: SocketAddr, elements: &[Element<'_>]) -> Result<(), String> {
        let known = self.known.entry(to).or_default();
        // The user may write to a peer as often as he likes, and who chats gets a probe beside each answer.
        let is_chat = elements.iter().any(|element| element.name == "ChatMessage");
        let is_own = matches!(cause, Cause::Datagram(heard) if heard.from == Some(to) && heard.is_verified);
        if matches!(cause, Cause::Command) || is_own && is_chat {
            return Ok(());
        }
        known.unasked.add(now, self.woken, elements).map_err(|why| format!("{to}: {why}"))?;
        match cause {
            Cause::Datagram(heard) if heard.from == Some(to) && heard.is_verified => Ok(()),
            Cause::Datagram(heard) if heard.from == Some(to) => {
                let count = within_a_minute(&mut known.provoked, now);
                if count > PROVOKED_PER_MINUTE_MAX {
                    return Err(format!("{count} questions within a minute to {to}, provoked without a token"));
                }
                Ok(())
            }
            Cause::Datagram(_) => self.third_party(now),
            // Whoever fell silent is looked for like an address that never answered.
            _ if now.since(known.heard) >= MINUTE => self.tried(now),
            _ => self.unprompted(now, cause),
        }
    }

    /// What datagrams of some make the node send to others, all of them together.
    fn third_party(&mut self, now: Time) -> Result<(), String> {
        let count = within_a_minute(&mut self.meddled, now);
        if count > MEDDLED_PER_MINUTE_MAX {
            return Err(format!("{count} datagrams within a minute to peers because others wanted it"));
        }
        Ok(())
    }

    fn unprompted(&mut self, now: Time, cause: &Cause) -> Result<(), String> {
        if !matches!(cause, Cause::Timeout) {
            return Ok(());
        }
        let count = within_a_minute(&mut self.unprompted, now);
        let is_settled = now.since(self.disturbed) >= UNSETTLED_FOR;
        if count > if is_settled { SETTLED_PER_MINUTE_MAX } else { UNPROMPTED_PER_MINUTE_MAX } {
            return Err(format!("{count} datagrams within a minute that nobody asked for"));
        }
        Ok(())
    }

    /// Invariant 1, and that the smallest request always earns a token.
    fn replied(&mut self, now: Time, heard: &Heard, replies: &[usize], has_token: bool) -> Result<(), String> {
        let (Some(from), false) = (heard.from, heard.is_verified) else {
            return Ok(());
        };
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
    matches!(&*element.name, "PleaseSendPeers" | "PleaseReturnThisMessage")
}

fn is_token(name: &str) -> bool {
    matches!(name, "PleaseAlwaysReturnThisMessage" | "AlwaysReturned")
}

/// The eight characters in `{"cookie":"…"}`, which is the only form the wild understands.
fn cookie(payload: &str) -> Option<String> {
    let cookie = payload.strip_prefix(r#"{"cookie":""#)?.strip_suffix(r#""}"#)?;
    let is_plain =
        cookie.len() == 8 && cookie.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    is_plain.then(|| cookie.to_owned())
}
