//! Serving content in our own words: runs of blocks, and which pieces are here.
//!
//! Each block of a run has a datagram of its own, all of one length, so that none needs to be fragmented and the kernel
//! can be given many at once. Only verified askers are served: a question of 150 bytes is answered with many times as
//! much.

use super::Node;
use super::dispatch::Sender;
use super::fetch::parse_part;
use super::reply::Reply;
use super::serve::Origin;
use crate::content::{Part, Store};
use crate::transfer::{RUN_BYTES_MAX, RUN_MAX};
use crate::wire::messages::{Holdings, PleaseSendBlocks, PleaseSendHoldings};
use crate::wire::{BLOCK_MAX_BYTES, ID_MAX_BYTES, Message};

/// The shortest block of a run: with less the words around it would weigh more than the content.
pub const RUN_BLOCK_MIN_BYTES: u64 = 256;

impl<S: Store> Node<S> {
    /// Answers `PleaseSendBlocks`: block after block, as many as are here.
    pub(super) fn serve_blocks(&mut self, sender: &Sender, request: &PleaseSendBlocks<'_>, reply: &mut Reply) {
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
        self.note_holder(sender, &request.id);
        let wished = request.offset..request.offset.saturating_add(request.length.min(RUN_BYTES_MAX));
        let Some((origin, bytes)) = self.origin(&request.id, wished.clone()) else {
            self.send_rumours(sender, &request.id, reply);
            return;
        };
        let end = wished.end.min(bytes);
        let mut offset = request.offset;
        for _ in 0..RUN_MAX {
            let length = request.block.min(end.saturating_sub(offset)) as usize;
            if length == 0 || reply.is_full() || !self.send_block(&origin, request, (offset, length), end, reply) {
                break;
            }
            offset += length as u64;
        }
    }

    /// Sends one block of a run. Says whether it could be read.
    fn send_block(
        &mut self,
        origin: &Origin,
        request: &PleaseSendBlocks<'_>,
        (offset, length): (u64, usize),
        end: u64,
        reply: &mut Reply,
    ) -> bool {
        self.block.resize(length, 0);
        let mut block = std::mem::take(&mut self.block);
        let is_read = self.read_origin(origin, offset, &mut block);
        if is_read {
            // Spaces keep all datagrams of a run equally long: numbers have no leading zeroes in JSON.
            let width = end.to_string().len();
            let mut datagram = Vec::with_capacity(length.div_ceil(3) * 4 + 96);
            datagram.extend_from_slice(
                format!(r#"[{{"Block":{{"run":{},"offset":{offset:>width$},"base64":""#, request.run).as_bytes(),
            );
            base64_simd::STANDARD.encode_append(&block, &mut datagram);
            datagram.extend_from_slice(br#""}}]"#);
            reply.push_datagram(datagram);
        }
        self.block = block;
        is_read
    }

    /// Answers `PleaseSendHoldings`: all of it, some pieces, or nothing at all.
    pub(super) fn serve_holdings(&mut self, sender: &Sender, request: &PleaseSendHoldings<'_>, reply: &mut Reply) {
        reply.expects_answer();
        if request.id.len() > ID_MAX_BYTES {
            self.counters.elements_malformed += 1;
            return;
        }
        let whole = self.shelf.find(&request.id).map(|(file, part)| (file.len_of(part), None));
        let some = || {
            let (id, part) = parse_part(&request.id)?;
            let (bytes, bits) = self.transfers.holdings(&id, part)?;
            Some((bytes, Some(base64_simd::STANDARD.encode_to_string(&bits).into())))
        };
        if let Some((bytes, have)) = whole.or_else(some) {
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
