//! How often an address that has not answered may be written to by us, whoever names it and however often.
//!
//! Anybody can name anybody's address. If each mention made each node send something, a handful of liars could turn the
//! swarm on a victim. So every first contact is booked here, by address and whatever the reason: [`BURST`] in quick
//! succession, then one each [`LONG_GAP_SECONDS`], which makes at most 5 in the first minute and at most 12 in any hour
//! (5, and 3,600 / 520 < 7 more). An account whose address has been left alone for an hour starts anew.
//!
//! The accounts are a table of fixed size that nothing evicts. An address whose place is taken by another shares that
//! account, so a collision makes us more reserved, never less.

use super::address::{Scope, host, neighbourhood, scope};
use crate::hash::Key;
use crate::rate::{Limiter, Rate};
use crate::sizes::{Size, no_table};
use crate::time::Time;
use std::net::SocketAddr;
use std::time::Duration;

/// How many accounts there are: 16 bytes each, 256 KiB together, touched only as addresses are tried. A node that tries
/// 300 dead addresses in an hour shares an account with one of them in 2 of 100 cases.
pub const ACCOUNTS: usize = 16_384;

/// How many contacts may follow one another quickly; their pace is set by who makes them.
pub const BURST: u8 = 5;

/// How many of those a mere knock may provoke: the rest is kept for addresses we want to reach ourselves, so that
/// forged knocks cannot use all of them up.
pub const KNOCK_BURST: u8 = 3;

/// The pause before each further contact, in seconds.
pub const LONG_GAP_SECONDS: u32 = 520;

/// After this much silence from us an account starts anew, in seconds.
pub const FORGET_SECONDS: u32 = 3_600;

/// The mark of an account that another address has used too: an answer from the one says nothing about the other.
const SHARED: u64 = 1 << 8;

/// How many hosts have a limit of their own; hosts that collide share one. 64 KiB.
pub const HOSTS: usize = 8_192;

/// First contacts to all ports of one host: room for a dozen nodes behind one NAT, and 76 datagrams in an hour for a
/// victim whose ports somebody names one by one.
const HOST_RATE: Rate = Rate { burst: 16, interval: Duration::from_secs(60) };

/// How many neighbourhoods have a limit of their own; those that collide share one. 64 KiB.
pub const NEIGHBOURHOODS: usize = 8_192;

/// First contacts to all hosts of one neighbourhood: room for five tries with each of a dozen nodes that live next door
/// to each other, and 12 datagrams a minute for a network whose hosts somebody names one by one.
const NEIGHBOURHOOD_RATE: Rate = Rate { burst: 64, interval: Duration::from_secs(5) };

const DOMAIN: u8 = 4;
const DOMAIN_HOST: u8 = 7;
const DOMAIN_NEIGHBOURHOOD: u8 = 8;

/// The accounts of all addresses that have not answered.
#[derive(Debug)]
pub struct Contacts {
    key: Key,
    /// The full hash of the address that opened the account, then the packed rest: second of the last contact in the
    /// high half, [`SHARED`] and the number of contacts in the low. Zeroes are an account never used.
    accounts: Vec<[u64; 2]>,
    /// What each host may still be sent, whatever its ports.
    hosts: Vec<Limiter>,
    /// What each neighbourhood may still be sent, whatever its hosts.
    neighbourhoods: Vec<Limiter>,
}

impl Contacts {
    /// All accounts empty.
    pub fn new(key: Key) -> Contacts {
        let limiters = |count| vec![Limiter::default(); count];
        Contacts {
            key,
            accounts: vec![[0; 2]; ACCOUNTS],
            hosts: limiters(HOSTS),
            neighbourhoods: limiters(NEIGHBOURHOODS),
        }
    }

    /// How large the fixed tables are.
    pub fn sizes(&self) -> [Size; 3] {
        let Contacts { key, accounts, hosts, neighbourhoods } = self;
        no_table(key);
        [
            Size::new("accounts of first contacts", accounts.len(), ACCOUNTS),
            Size::new("limits of hosts", hosts.len(), HOSTS),
            Size::new("limits of neighbourhoods", neighbourhoods.len(), NEIGHBOURHOODS),
        ]
    }

    /// Whether `address` may be sent a first contact now.
    pub fn may_contact(&self, now: Time, address: SocketAddr) -> bool {
        self.is_within(now, address, BURST)
    }

    /// Whether a knock from `address` may be answered now.
    pub fn may_answer_knock(&self, now: Time, address: SocketAddr) -> bool {
        self.is_within(now, address, KNOCK_BURST)
    }

    /// Whether the host at `address`, and its neighbourhood, may be sent one more first contact, and counted with both
    /// if so; one that either refuses counts with neither. All ports of a [`host`] are one here, and all hosts of a
    /// [`neighbourhood`]; in local networks a whole swarm may live at one address.
    pub fn may_visit(&mut self, now: Time, address: SocketAddr) -> bool {
        if scope(address.ip()) != Scope::Global {
            return true;
        }
        let hash = |domain, ip| self.key.address(domain, SocketAddr::new(ip, 0)) as usize;
        let home = hash(DOMAIN_HOST, host(address.ip())) % HOSTS;
        let around = hash(DOMAIN_NEIGHBOURHOOD, neighbourhood(address.ip())) % NEIGHBOURHOODS;
        let is_within = self.hosts[home].is_within(now, HOST_RATE)
            && self.neighbourhoods[around].is_within(now, NEIGHBOURHOOD_RATE);
        is_within
            && self.hosts[home].allow(now, HOST_RATE)
            && self.neighbourhoods[around].allow(now, NEIGHBOURHOOD_RATE)
    }

    /// Books a contact.
    pub fn book(&mut self, now: Time, address: SocketAddr) {
        let tag = self.tag(address);
        let count = self.count(now, tag);
        let account = &mut self.accounts[slot(tag)];
        let shared = if count == 0 {
            account[0] = tag;
            0
        } else if account[0] == tag {
            account[1] & SHARED
        } else {
            SHARED
        };
        account[1] = u64::from(seconds(now)) << 32 | shared | u64::from(count.saturating_add(1));
    }

    /// Takes the last contact back: the datagram never left.
    pub fn unbook(&mut self, address: SocketAddr) {
        let tag = self.tag(address);
        let account = &mut self.accounts[slot(tag)];
        if account[0] == tag && account[1] as u8 > 0 {
            account[1] -= 1;
        }
    }

    /// Closes the account of an address that answered, unless another address has used it too.
    pub fn forgive(&mut self, address: SocketAddr) {
        let tag = self.tag(address);
        let account = &mut self.accounts[slot(tag)];
        if account[0] == tag && account[1] & SHARED == 0 {
            *account = [0; 2];
        }
    }

    fn is_within(&self, now: Time, address: SocketAddr, burst: u8) -> bool {
        let tag = self.tag(address);
        self.count(now, tag) < burst || self.pause(now, tag) >= LONG_GAP_SECONDS
    }

    /// How many contacts the account has on it.
    fn count(&self, now: Time, tag: u64) -> u8 {
        let is_forgotten = self.pause(now, tag) >= FORGET_SECONDS;
        if is_forgotten { 0 } else { self.accounts[slot(tag)][1] as u8 }
    }

    /// Whole seconds since the last contact on the account.
    fn pause(&self, now: Time, tag: u64) -> u32 {
        let last = (self.accounts[slot(tag)][1] >> 32) as u32;
        // One second less than the clock says, because both readings were rounded down.
        seconds(now).saturating_sub(last).saturating_sub(1)
    }

    fn tag(&self, address: SocketAddr) -> u64 {
        self.key.address(DOMAIN, address)
    }
}

fn slot(tag: u64) -> usize {
    tag as usize % ACCOUNTS
}

fn seconds(now: Time) -> u32 {
    u32::try_from(now.as_micros() / 1_000_000).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    fn contacts() -> Contacts {
        Contacts::new(Key::new(&mut StdRng::from_seed([6; 32])))
    }

    /// Tries once a second for `seconds`, and returns the seconds at which a contact was allowed.
    fn eager(contacts: &mut Contacts, address: SocketAddr, seconds: u64) -> Vec<u64> {
        let allowed = |second: &u64| {
            let now = Time::from_micros(second * 1_000_000);
            let may = contacts.may_contact(now, address);
            if may {
                contacts.book(now, address);
            }
            may
        };
        (1..=seconds).filter(allowed).collect()
    }

    #[test]
    fn a_silent_address_gets_5_in_the_first_minute_and_at_most_12_in_any_hour() {
        let mut contacts = contacts();
        let times = eager(&mut contacts, "203.0.113.9:24254".parse().unwrap(), 20_000);
        assert_eq!(times.iter().filter(|second| **second <= 60).count(), 5);
        for start in &times {
            let in_the_hour = times.iter().filter(|second| (*start..start + 3_600).contains(second)).count();
            assert!(in_the_hour <= 12, "{in_the_hour} from second {start}");
        }
    }

    #[test]
    fn an_address_that_answered_starts_anew_and_a_stranger_cannot_clear_it() {
        let mut contacts = contacts();
        let victim = "203.0.113.9:24254".parse().unwrap();
        eager(&mut contacts, victim, 10);
        for port in 1_024..u16::MAX {
            contacts.forgive(SocketAddr::from(([198, 51, 100, 1], port)));
        }
        let now = Time::from_micros(11_000_000);
        assert!(!contacts.may_contact(now, victim));
        contacts.forgive(victim);
        assert!(contacts.may_contact(now, victim));
    }

    #[test]
    fn what_a_full_neighbourhood_refuses_uses_up_nothing_of_its_hosts() {
        let mut contacts = contacts();
        let at = |second: u64| Time::from_micros(second * 1_000_000);
        let address = |host| SocketAddr::from(([203, 0, 113, host], 24_254));
        let visits =
            |contacts: &mut Contacts, now, host| (0..16).filter(|_| contacts.may_visit(now, address(host))).count();
        let first: Vec<_> = (1..=5).map(|host| visits(&mut contacts, at(1_000), host)).collect();
        assert_eq!(first, [16, 16, 16, 16, 0]);
        assert_eq!(visits(&mut contacts, at(1_080), 5), 16);
    }

    #[test]
    fn an_answer_from_one_address_clears_nothing_for_another_that_shares_its_account() {
        let mut contacts = contacts();
        let victim = "203.0.113.9:24254".parse().unwrap();
        let place = slot(contacts.tag(victim));
        let shares = |other: &SocketAddr| slot(contacts.tag(*other)) == place;
        let other = (1..).map(|n: u32| SocketAddr::from((n.to_be_bytes(), 5000))).find(shares).unwrap();
        contacts.book(Time::from_micros(1_000_000), other);
        eager(&mut contacts, victim, 10);
        contacts.forgive(other);
        assert!(!contacts.may_contact(Time::from_micros(11_000_000), victim));
    }
}
