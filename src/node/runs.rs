//! Serving content in our own words: runs of blocks, and which pieces are here.
//!
//! Each block of a run has a datagram of its own, all of one length, so that none needs to be fragmented and the kernel
//! can be given many at once. Only verified askers are served: a question of 150 bytes is answered with many times as
//! much.

use super::Node;
use super::fetch::parse_part;
use super::reply::Reply;
use super::sender::Sender;
use super::serve::Origin;
use crate::content::{Part, Store};
use crate::stream::PREFIX;
use crate::time::Time;
use crate::transfer::{RUN_BYTES_MAX, RUN_MAX};
use crate::wire::messages::{Holdings, PleaseSendBlocks, PleaseSendHoldings};
use crate::wire::{BLOCK_MAX_BYTES, ID_MAX_BYTES, Message};
use std::io::Write;

/// The shortest block of a run: with less the words around it would weigh more than the content.
pub const RUN_BLOCK_MIN_BYTES: u64 = 256;

/// Where no bytes are, so that a question for holdings is told from all questions for blocks when it is put again.
const HOLDINGS: [u64; 3] = [u64::MAX; 3];

/// What stands around a block at most: `[{"Block":{"run":,"offset":,"base64":""}}]` and two numbers of 20 digits.
const HEAD_MAX_BYTES: usize = 44 + 2 * 20;

impl<S: Store> Node<S> {
    /// Answers `PleaseSendBlocks`: block after block, as many as are here.
    pub(super) fn serve_blocks(
        &mut self,
        now: Time,
        sender: &Sender,
        request: &PleaseSendBlocks<'_>,
        reply: &mut Reply,
    ) {
        reply.expects_answer();
        let is_possible = request.id.len() <= ID_MAX_BYTES
            && (RUN_BLOCK_MIN_BYTES..=BLOCK_MAX_BYTES as u64).contains(&request.block)
            && request.run <= u64::from(u32::MAX);
        if !is_possible {
            self.counters.elements_malformed += 1;
            return;
        }
        if !sender.is_verified() {
            return;
        }
        if !self.repeats.allow(now, sender.address, &request.id, [request.offset, request.length, request.block]) {
            self.counters.questions_repeated += 1;
            return;
        }
        self.note_holder(sender, &request.id);
        let wished = request.offset..request.offset.saturating_add(request.length.min(RUN_BYTES_MAX));
        let Some((origin, bytes)) = self.origin(&request.id, wished.clone()) else {
            self.send_rumours(now, sender, &request.id, reply);
            return;
        };
        let end = wished.end.min(bytes);
        let most = request.block * u64::from(RUN_MAX);
        let length = end.saturating_sub(request.offset).min(most);
        if length == 0 || reply.is_full() {
            return;
        }
        if self.fetching.uploads.is_limited() {
            self.let_wait(now, sender, &request.id, (request.offset, length, request.block), Some(request.run));
            return;
        }
        // All of it in one read: a look at the state of the file costs as much as reading a block.
        let mut blocks = std::mem::take(&mut self.block);
        blocks.resize(length as usize, 0);
        if self.read_origin(&origin, request.offset, &mut blocks) {
            self.send_blocks(request, end, &blocks, reply);
        }
        self.block = blocks;
    }

    /// Sends the blocks of a run that ends at `end`, as many as the answer has room for.
    fn send_blocks(&mut self, request: &PleaseSendBlocks<'_>, end: u64, blocks: &[u8], reply: &mut Reply) {
        let width = digits(end);
        let mut offset = request.offset;
        for block in blocks.chunks(request.block as usize) {
            let mut datagram = self.buffers.take(block.len().div_ceil(3) * 4 + HEAD_MAX_BYTES);
            write_block((request.run, offset), width, block, &mut datagram);
            if let Err(datagram) = reply.push_datagram(datagram) {
                self.buffers.give(datagram);
                return;
            }
            offset += block.len() as u64;
        }
    }

    /// Answers `PleaseSendHoldings`: all of it, some pieces, or nothing at all.
    pub(super) fn serve_holdings(
        &mut self,
        now: Time,
        sender: &Sender,
        request: &PleaseSendHoldings<'_>,
        reply: &mut Reply,
    ) {
        reply.expects_answer();
        if request.id.len() > ID_MAX_BYTES {
            self.counters.elements_malformed += 1;
            return;
        }
        if !self.repeats.allow(now, sender.address, &request.id, HOLDINGS) {
            self.counters.questions_repeated += 1;
            return;
        }
        if request.id.starts_with(PREFIX) {
            self.push_stream_holdings(now, &request.id, reply);
            return self.note_holder(sender, &request.id);
        }
        let whole = self.shelf.find(&request.id).map(|(file, part)| (file.len_of(part), None));
        let found = match whole {
            None => parse_part(&request.id)
                .and_then(|(id, part)| self.transfers.holdings(&id, part))
                .map(|(bytes, bits)| (bytes, Some(base64_simd::STANDARD.encode_to_string(&bits).into()))),
            whole => whole,
        };
        if let Some((bytes, have)) = found
            && self.may_upload(now, sender, reply)
        {
            let id = (&*request.id).into();
            reply.push(&Message::Holdings(Holdings { id, eof: Some(bytes), have }));
        }
        self.note_holder(sender, &request.id);
    }

    /// Who can give bytes of a part of a content, and how long that part is.
    pub(super) fn origin(&self, id: &str, range: std::ops::Range<u64>) -> Option<(Origin, u64)> {
        if let Some((file, part)) = self.shelf.find(id) {
            return Some((Origin::Shared(file.clone(), part), file.len_of(part)));
        }
        let (id, part): (_, Part) = parse_part(id)?;
        let bytes = self.transfers.holds(&id, part, range)?;
        Some((Origin::Fetched(id, part), bytes))
    }
}

/// Writes a datagram with one block of a run. All of a run are equally long: spaces make up for the digits that an
/// offset has less than `width`, because numbers have no leading zeroes in JSON.
pub(super) fn write_block((run, offset): (u64, u64), width: usize, block: &[u8], datagram: &mut Vec<u8>) {
    // Writing to memory does not fail.
    let _ = write!(datagram, r#"[{{"Block":{{"run":{run},"offset":{offset:>width$},"base64":""#);
    base64_simd::STANDARD.encode_append(block, datagram);
    datagram.extend_from_slice(br#""}}]"#);
}

/// How many digits a number has.
pub(super) fn digits(number: u64) -> usize {
    number.checked_ilog10().map_or(1, |power| power as usize + 1)
}
