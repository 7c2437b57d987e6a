//! The reply budget: how much a source may be sent that has not proved to read its own address.
//!
//! Anybody can forge a source address, so an answer must never be much larger than the request that provoked it. All
//! sizes here count 28 bytes of IP and UDP header on both sides ([`HEADER_BYTES`]). The draft says at most twice the
//! request, the quick start at most 2.5 times, the README twice on average; this module keeps all three:
//!
//! - one reply is at most 2.5 times its request,
//! - the replies to a source within any minute are at most twice what it sent, plus one overdraft: half of one request.
//!
//! The arithmetic for the smallest request, `[{"PleaseSendPeers":{}}]`: 24 + 28 = 52 bytes. The first answer may have
//! 2.5 × 52 = 130, less the header 102 bytes: that fits one IPv4 address of 20 characters and a token of 8 (101 bytes).
//! An overdraft of 130 − 2 × 52 = 26 bytes is then owed, so the next answer may have 2 × 52 − 28 = 76 bytes, enough for
//! the token alone (57), which pays 19 bytes back, and so on.
//!
//! Why the sum holds: a source's debt is what its replies exceed twice its requests, never less than nothing. Over any
//! window the replies are therefore at most twice the requests plus the debt at its end, and no debt ever exceeds half
//! of one request. A debt is forgotten only when it has not grown for more than a minute, so it lies outside the
//! window.
//!
//! Accounts live in a table of fixed size; sources that collide share one, so a flood of forged sources grows nothing
//! and can only make strangers' answers smaller: twice a request always remains, and that is enough for the token. A
//! shared debt is paid back by nobody, because one source's small answers must not make room for another's large ones.

use crate::hash::Key;
use crate::sizes::{Size, no_table};
use crate::time::Time;
use crate::wire::HEADER_BYTES;
use std::net::SocketAddr;

/// How many accounts there are: 16 bytes each, 256 KiB together. A thousand strangers a minute collide seldom.
pub const ACCOUNTS: usize = 16_384;

/// A debt is forgotten when it is older than this, in seconds.
pub const FORGET_SECONDS: u32 = 60;

const DOMAIN: u8 = 3;

/// The accounts of all unverified sources.
#[derive(Debug)]
pub struct ReplyBudget {
    key: Key,
    /// Packed so that untouched accounts are untouched memory, see [`Account`].
    accounts: Vec<[u64; 2]>,
}

/// What is owed in one place of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Account {
    /// The second in which the debt grew last.
    grown: u32,
    /// The hash of the indebted source, or [`SHARED`]. All of it: among a million forged sources sixteen bits more
    /// than the place are sometimes equal, and then one would pay for another.
    owner: u64,
    /// In bytes.
    debt: u32,
}

/// The owner of a debt that more than one source has made.
const SHARED: u64 = 0;

impl Account {
    fn unpack([owner, rest]: [u64; 2]) -> Account {
        Account { grown: (rest >> 32) as u32, owner, debt: rest as u32 }
    }

    fn pack(self) -> [u64; 2] {
        [self.owner, u64::from(self.grown) << 32 | u64::from(self.debt)]
    }
}

/// What one request may be answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    slot: usize,
    source: u64,
    account: Account,
    /// Twice the request with its header: what incurs no debt.
    free: usize,
    /// The longest payload the reply may have.
    pub payload_max: usize,
}

impl ReplyBudget {
    /// All accounts empty.
    pub fn new(key: Key) -> ReplyBudget {
        ReplyBudget { key, accounts: vec![[0; 2]; ACCOUNTS] }
    }

    /// How large the fixed table is.
    pub fn sizes(&self) -> [Size; 1] {
        let ReplyBudget { key, accounts } = self;
        no_table(key);
        [Size::new("accounts of strangers", accounts.len(), ACCOUNTS)]
    }

    /// What a request of `payload_len` bytes from `source` may be answered with.
    pub fn allowance(&self, now: Time, source: SocketAddr, payload_len: usize) -> Allowance {
        let hash = self.key.address(DOMAIN, source);
        let slot = hash as usize % ACCOUNTS;
        let source = hash.max(SHARED + 1);
        let mut account = Account::unpack(self.accounts[slot]);
        if account.debt == 0 || seconds(now).saturating_sub(account.grown) > FORGET_SECONDS {
            account = Account { grown: seconds(now), owner: source, debt: 0 };
        }
        let request = payload_len + HEADER_BYTES;
        let overdraft = (request / 2).saturating_sub(account.debt as usize);
        let free = 2 * request;
        Allowance { slot, source, account, free, payload_max: (free + overdraft).saturating_sub(HEADER_BYTES) }
    }

    /// Books a reply of `payload_len` bytes under its allowance.
    pub fn book(&mut self, now: Time, allowance: Allowance, payload_len: usize) {
        let Allowance { slot, source, mut account, free, .. } = allowance;
        let reply = payload_len + HEADER_BYTES;
        if reply > free {
            account.grown = seconds(now);
            account.debt = account.debt.saturating_add(u32::try_from(reply - free).unwrap_or(u32::MAX));
            account.owner = if account.owner == source { source } else { SHARED };
        } else if account.owner == source {
            account.debt = account.debt.saturating_sub(u32::try_from(free - reply).unwrap_or(u32::MAX));
        }
        self.accounts[slot] = account.pack();
    }
}

/// Whole seconds, so that a debt of which 60 to 61 s have passed is still remembered.
fn seconds(now: Time) -> u32 {
    u32::try_from(now.as_micros() / 1_000_000).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    const SMALLEST_REQUEST: usize = r#"[{"PleaseSendPeers":{}}]"#.len();
    const TOKEN_ALONE: usize = r#"[{"PleaseAlwaysReturnThisMessage":{"cookie":"12345678"}}]"#.len();

    fn at(second: u64) -> Time {
        Time::from_micros(second * 1_000_000)
    }

    fn budget() -> (ReplyBudget, SocketAddr) {
        (ReplyBudget::new(Key::new(&mut StdRng::from_seed([5; 32]))), "198.51.100.7:5000".parse().unwrap())
    }

    #[test]
    fn the_first_smallest_request_earns_102_bytes_and_every_later_one_the_token() {
        let (mut budget, source) = budget();
        let first = budget.allowance(at(100), source, SMALLEST_REQUEST);
        assert_eq!(first.payload_max, 102);
        budget.book(at(100), first, 102);
        assert_eq!(budget.allowance(at(101), source, SMALLEST_REQUEST).payload_max, 76);
        for _ in 0..1_000 {
            let allowance = budget.allowance(at(101), source, SMALLEST_REQUEST);
            assert!(allowance.payload_max >= TOKEN_ALONE);
            budget.book(at(101), allowance, allowance.payload_max);
        }
    }

    #[test]
    fn a_small_answer_pays_the_overdraft_back() {
        let (mut budget, source) = budget();
        let first = budget.allowance(at(100), source, SMALLEST_REQUEST);
        budget.book(at(100), first, 102);
        let second = budget.allowance(at(100), source, SMALLEST_REQUEST);
        budget.book(at(100), second, TOKEN_ALONE);
        assert_eq!(budget.allowance(at(100), source, SMALLEST_REQUEST).payload_max, 76 + 19);
    }

    #[test]
    fn a_small_answer_to_one_source_pays_nothing_back_for_another_that_shares_the_account() {
        let (mut budget, source) = budget();
        let slot = budget.allowance(at(100), source, SMALLEST_REQUEST).slot;
        let shares = |other: &SocketAddr| budget.allowance(at(100), *other, SMALLEST_REQUEST).slot == slot;
        let other = (1..).map(|n: u32| SocketAddr::from((n.to_be_bytes(), 5000))).find(shares).unwrap();
        let first = budget.allowance(at(100), source, SMALLEST_REQUEST);
        budget.book(at(100), first, 102);
        for _ in 0..10 {
            let between = budget.allowance(at(101), other, SMALLEST_REQUEST);
            budget.book(at(101), between, TOKEN_ALONE);
        }
        assert_eq!(budget.allowance(at(102), source, SMALLEST_REQUEST).payload_max, 76);
        // A larger request of the other makes the debt a common one, which nobody pays back.
        let larger = budget.allowance(at(103), other, 3 * SMALLEST_REQUEST);
        budget.book(at(103), larger, larger.payload_max);
        for source in [source, other, source] {
            let small = budget.allowance(at(104), source, SMALLEST_REQUEST);
            assert_eq!(small.payload_max, 76);
            budget.book(at(104), small, TOKEN_ALONE);
        }
    }

    #[test]
    fn a_debt_is_remembered_for_a_whole_minute_and_then_forgotten() {
        let (mut budget, source) = budget();
        let first = budget.allowance(at(100), source, SMALLEST_REQUEST);
        budget.book(at(100), first, 102);
        assert_eq!(budget.allowance(at(160), source, SMALLEST_REQUEST).payload_max, 76);
        assert_eq!(budget.allowance(at(161), source, SMALLEST_REQUEST).payload_max, 102);
    }

    #[test]
    fn the_table_never_grows() {
        let (mut budget, _) = budget();
        for number in 0..100_000_u32 {
            let source = SocketAddr::from((number.to_be_bytes(), 5000));
            let allowance = budget.allowance(at(1), source, SMALLEST_REQUEST);
            budget.book(at(1), allowance, allowance.payload_max);
        }
        assert_eq!(budget.accounts.len(), ACCOUNTS);
    }
}
