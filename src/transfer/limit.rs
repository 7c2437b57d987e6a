//! How much is asked for in a second, of everybody and for all contents together, if the user has set a limit.
//!
//! What is asked for is what comes, so the limit is kept where questions are made: every answer, with its headers, is
//! paid for when it is asked for, and again if it has to be asked for again. What nobody asked for costs nothing, so
//! others cannot use it up. A path's own pace stays what it is; whichever allows less decides.
//!
//! The next question is for the content that has had the least (start-time fair queueing, Goyal, Vin and Cheng 1996),
//! however many sources others have, and without a limit too: of two contents that one source has, the one would wait
//! for the other to be there. Under a limit the sources of a content take turns. Over any time T no more is asked for
//! than the limit brings in T and a twenty-fourth of a second, a part of a question, and one block.
//!
//! It refuses to know what is asked for.

use super::asking::{BLOCK_COMMON, BLOCK_COMMON_UNFRAGMENTED, BLOCK_LOCAL, wire_bytes};
use super::pace::credit::Credit;
use super::{DOWNLOADS_MAX, SOURCES_MAX};
use crate::content::tree::TREE_BLOCK_BYTES;
use crate::sizes::{Size, no_table};
use crate::sorted::SortedSet;
use crate::time::Time;
use std::net::SocketAddr;
use std::time::Duration;

/// How much of the limit one question may take beyond what there is, as a part of a second: with less, questions for
/// single blocks would cost a tenth of the content. The same may be saved up, twice, while there is nothing to ask.
const PART: u64 = 50;

/// Blocks as long as they are within one machine are asked for if they take at most this part of a second of the limit.
const LOCAL_PART: u64 = 4;

/// How much is asked of one source before it is the next one's turn, in bytes of answers: four common blocks. What
/// comes in parts is of use when it is whole, so few blocks should be in the making at the same time.
const TURN_BYTES: u64 = 4 * 4_096 * 4 / 3;

/// How many blocks every content must have been able to ask for before it may be said that nothing arrives: one, and
/// the same again if it is lost.
const BLOCKS_PATIENT: u64 = 2;

/// The limit, and who waits for it.
#[derive(Debug, Default)]
pub(super) struct Limit {
    /// Bytes a second and what there is of them; `None` without a limit.
    account: Option<(u64, Credit)>,
    /// What the content that asked last had had.
    had: u64,
    /// Who could deliver, were it not for the limit.
    held_back: SortedSet<SocketAddr>,
    /// Whose turn it is, and how much it has been asked for in it.
    turn: Option<(SocketAddr, u64)>,
}

impl Limit {
    /// So many bytes a second, headers included, or as many as come.
    pub(super) fn new(now: Time, rate: Option<u64>) -> Limit {
        let account = rate.map(|rate| {
            let mut credit = Credit::new(now);
            credit.set_rate(now, rate, rate / PART);
            (rate, credit)
        });
        Limit { account, ..Limit::default() }
    }

    /// Bytes a second.
    pub(super) fn rate(&self) -> u64 {
        self.account.map_or(u64::MAX, |(rate, _)| rate)
    }

    /// For how many bytes of answers one question may ask now; the last answer may exceed that. 0 if none may be asked.
    /// What is asked beyond what there is, at most a part of a second or what makes a block, is a debt.
    pub(super) fn question(&self, now: Time) -> usize {
        let Some((rate, credit)) = &self.account else { return usize::MAX };
        let available = credit.available(now);
        let most = if available == 0 { 0 } else { available.max(rate / PART).max(wire_bytes(BLOCK_COMMON) as u64) };
        usize::try_from(most).unwrap_or(usize::MAX)
    }

    /// How much of a content one answer is to carry, if the path carries `step`.
    pub(super) fn step(&self, step: u32) -> u32 {
        let is_short = wire_bytes(BLOCK_LOCAL) as u64 > self.rate() / LOCAL_PART;
        if is_short { step.min(BLOCK_COMMON) } else { step }
    }

    /// How much longer than without a limit one has to wait before nothing can be said to arrive.
    pub(super) fn patience(&self) -> Duration {
        let parts = TREE_BLOCK_BYTES / u64::from(BLOCK_COMMON_UNFRAGMENTED);
        let block = parts * wire_bytes(BLOCK_COMMON_UNFRAGMENTED) as u64;
        let bytes = BLOCKS_PATIENT * DOWNLOADS_MAX as u64 * block;
        self.account.map_or(Duration::ZERO, |(rate, _)| Duration::from_micros(bytes * 1_000_000 / rate.max(1)))
    }

    /// From where a content's share is counted that has had so much: who had nothing to ask for saves nothing up.
    pub(super) fn start(&self, had: u64) -> u64 {
        had.max(self.had)
    }

    /// So many bytes of answers are asked of a source, for a content that has `had` so much.
    pub(super) fn asked(&mut self, now: Time, had: &mut u64, address: SocketAddr, bytes: usize) {
        self.had = self.had.max(*had);
        *had = self.had.saturating_add(bytes as u64);
        let Some((_, credit)) = &mut self.account else { return };
        credit.spend(now, bytes as u64);
        let before = self.turn.filter(|(whose, _)| *whose == address).map_or(0, |(_, bytes)| bytes);
        self.turn = Some((address, before + bytes as u64));
    }

    /// The sources in the order in which they may ask: whoever's turn it is goes on until that is over.
    pub(super) fn in_turn<'a>(&self, turns: &'a SortedSet<SocketAddr>) -> impl Iterator<Item = SocketAddr> + use<'a> {
        let from = self.turn.map(|(whose, bytes)| (whose, bytes >= TURN_BYTES));
        let is_later = move |address: &SocketAddr| {
            from.is_none_or(|(whose, is_over)| if is_over { *address > whose } else { *address >= whose })
        };
        let later = turns.iter().copied().filter(is_later);
        later.chain(turns.iter().copied().filter(move |address| !is_later(address)))
    }

    /// A source could be asked, were it not for the limit.
    pub(super) fn hold_back(&mut self, address: SocketAddr) {
        self.held_back.insert(address);
    }

    /// Adds those who waited, if something may be asked for now.
    pub(super) fn release(&mut self, now: Time, turns: &mut SortedSet<SocketAddr>) {
        if !self.held_back.is_empty() && self.question(now) > 0 {
            turns.extend(std::mem::take(&mut self.held_back));
        }
    }

    /// When those who wait may be asked.
    pub(super) fn due(&self) -> Option<Time> {
        let (_, credit) = self.account.as_ref().filter(|_| !self.held_back.is_empty())?;
        Some(credit.next())
    }

    /// Forgets those who are no sources any more.
    pub(super) fn retain(&mut self, is_source: impl Fn(&SocketAddr) -> bool) {
        self.held_back.retain(is_source);
    }

    /// How full it is.
    pub(super) fn sizes(&self) -> [Size; 1] {
        let Limit { account, had, held_back, turn } = self;
        no_table(account);
        no_table(had);
        no_table(turn);
        [Size::new("sources that wait for the limit", held_back.len(), DOWNLOADS_MAX * SOURCES_MAX)]
    }
}
