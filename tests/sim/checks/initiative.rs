//! How much a node sends of its own accord, or because somebody else made it: invariants 2 and 8, for all addresses
//! together; what each one gets is for `contacts` and `unasked` to say.

use super::contacts::{ADDRESS, HOST, NEIGHBOURHOOD, host, neighbourhood};
use super::unasked::is_line;
use super::{Cause, Checks, MINUTE, within_a_minute};
use crate::eye::{Element, Scope, scope};
use cjp2p_node::Time;
use cjp2p_node::peers::links::{LINKS_MAX, PROBE_AFTER, PROBES_MAX};
use std::net::SocketAddr;
use std::time::Duration;

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

/// How often within a minute somebody can make a node ask a peer something in the name of that peer: one each 5 s.
pub const PROVOKED_PER_MINUTE_MAX: usize = 13;

/// How many questions it may send within a minute because somebody claims to have moved, all together: one for each
/// claim that can be open, and then ten a second.
pub const DOUBTS_PER_MINUTE_MAX: usize = 64 + 600;

impl Checks {
    /// Invariant 8: what the node sends to those who never answered.
    pub(super) fn contact(&mut self, now: Time, to: SocketAddr) -> Result<(), String> {
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
    pub(super) fn initiative(
        &mut self,
        now: Time,
        cause: &Cause,
        to: SocketAddr,
        elements: &[Element<'_>],
    ) -> Result<(), String> {
        let known = self.known.entry(to).or_default();
        // The user may write to a peer as often as he likes, and who chats gets a probe beside each answer.
        let is_chat = elements.iter().any(|element| element.name == "ChatMessage");
        let is_own = matches!(cause, Cause::Datagram(heard) if heard.from == Some(to) && heard.is_verified);
        if matches!(cause, Cause::Command) || is_own && is_chat {
            return Ok(());
        }
        known.unasked.add(now, self.woken, elements).map_err(|why| format!("{to}: {why}"))?;
        if elements.iter().any(|element| element.name == "WhereAreThey") {
            let count = within_a_minute(&mut self.doubts, now);
            if count > DOUBTS_PER_MINUTE_MAX {
                return Err(format!("{count} questions within a minute whether somebody is still there"));
            }
            return Ok(());
        }
        // How far a line spreads is for the tests of group chat to say.
        if elements.iter().any(is_line) {
            return Ok(());
        }
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

    pub(super) fn unprompted(&mut self, now: Time, cause: &Cause) -> Result<(), String> {
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
}
