//! Answering for streams, our own and those that are followed.

use super::Own;
use crate::content::Store;
use crate::node::Node;
use crate::node::reply::Reply;
use crate::node::sender::Sender;
use crate::node::uploads::Share;
use crate::stream::log::Log;
use crate::stream::waiting::{AHEAD_MAX_BYTES, Waiter};
use crate::stream::{BLOCK_BYTES, StreamId, index};
use crate::time::Time;
use crate::wire::encode::Writer;
use crate::wire::messages::{PleaseSendContent, StreamHoldings};
use crate::wire::{DATAGRAM_SEND_MAX_BYTES, HEADER_BYTES, Message};

/// How many blocks one question is answered with at once. Who asks for more, and is told that there is more, asks at
/// the pace of the path.
const ANSWER_BLOCKS_MAX: usize = 8;

impl<S: Store> Node<S> {
    /// Answers `PleaseSendContent` for a part of a stream: with the blocks that are there, from the one on that ends
    /// behind `offset`, and with those that are not, when they come.
    pub(in crate::node) fn serve_stream(
        &mut self,
        now: Time,
        sender: &Sender,
        request: &PleaseSendContent<'_>,
        reply: &mut Reply,
    ) {
        let Some((end, eof)) = self.streams.log(&request.id).map(|log| (log.end(), log.eof())) else {
            self.send_rumours(now, sender, &request.id, reply);
            return self.note_holder(sender, &request.id);
        };
        // What has grown is another question.
        let numbers = [request.offset, request.length, end + u64::from(eof.is_some())];
        if !self.repeats.allow(now, sender.address, &request.id, numbers) {
            self.counters.questions_repeated += 1;
            return;
        }
        if !self.may_upload(now, sender, reply) {
            return;
        }
        self.note_stream_asker(now, &request.id);
        let Some(log) = self.streams.log(&request.id) else { return };
        let until = request.offset.saturating_add(request.length.min(AHEAD_MAX_BYTES));
        let mut from = eof.map_or(request.offset, |eof| request.offset.min(eof));
        if request.length > BLOCK_BYTES {
            // It is the renewal of a question for what comes next, perhaps.
            from = self.streams.waiting.from(now, sender.address, log.id(), from);
        }
        // Also whoever wants nothing, or what is behind the end, hears that the stream has ended.
        let limit = until.max(from.saturating_add(1));
        let mut sent = 0;
        while let Some((at, block_end)) = next_block(log, from, limit) {
            if sent == ANSWER_BLOCKS_MAX {
                break;
            }
            let Some(block) = log.block(at) else { break };
            let was_trimmed = std::mem::replace(&mut reply.is_trimmed, false);
            reply.push(&block.message(log.id(), at));
            let is_pushed = !std::mem::replace(&mut reply.is_trimmed, was_trimmed);
            if !is_pushed {
                reply.is_trimmed = true;
                break;
            }
            (sent, from) = (sent + 1, block_end);
            if block.is_last() {
                break;
            }
        }
        let id = log.id().clone();
        // Who asked for what comes next has to know that there is more; who asked for one block has it.
        let is_behind = from < end && request.length > BLOCK_BYTES || sent == 0 && from <= request.offset;
        let is_at_end = from >= end;
        // What there is now and does not fit is asked for block by block, while what comes next is sent as it comes:
        // who had to ask for that again would hear nothing for as long as it takes to notice.
        let from = from.max(end);
        let is_to_come = sender.is_verified() && eof.is_none() && from < until;
        // A question for one block that we lack does not replace the one for all that comes next.
        let is_tail = request.length > BLOCK_BYTES || is_at_end && !self.streams.waiting.has(now, sender.address, &id);
        if is_to_come && is_tail && self.is_growing(&id) {
            self.streams.waiting.add(now, sender.address, &id, (from, until));
        }
        if is_behind {
            self.push_stream_holdings(now, &request.id, reply);
        }
        self.note_holder(sender, &request.id);
    }

    /// Says what is there of a stream.
    pub(in crate::node) fn push_stream_holdings(&self, now: Time, id: &str, reply: &mut Reply) {
        let Some(log) = self.streams.log(id) else { return };
        let heard = match self.streams.followed.iter().find(|followed| followed.follow.id() == log.id()) {
            Some(followed) => followed.follow.heard(),
            None => self.streams.own.iter().find(|own| own.log.log().id() == log.id()).map(|own| own.heard(now)),
        };
        // Who has nothing and has heard nobody has nothing to say.
        let Some(heard) = heard else { return };
        let from = log.next_held(log.first()).unwrap_or(log.first()) * BLOCK_BYTES;
        let age = now.since(heard).as_micros().div_ceil(1_000) as u64;
        let (id, to, eof) = (id.into(), log.end(), log.eof());
        reply.push(&Message::StreamHoldings(StreamHoldings { id, from, to, age, eof }));
    }

    /// Whether more may come of a stream.
    fn is_growing(&self, id: &StreamId) -> bool {
        let followed = self.streams.followed.iter().find(|followed| followed.follow.id() == id);
        followed.is_none_or(|followed| followed.reader.is_some() && !followed.follow.is_over())
    }

    /// Somebody asks for a stream.
    fn note_stream_asker(&mut self, now: Time, id: &str) {
        let is_meant = |own: &&mut Own| own.log.log().id().as_str() == id;
        self.streams.own.iter_mut().filter(is_meant).for_each(|own| own.asked = Some(now));
        let followed = self.streams.followed.iter_mut().filter(|followed| followed.follow.id().as_str() == id);
        followed.for_each(|followed| followed.asked = now);
    }

    /// Sends what is new of a stream to those who wait for it.
    pub(super) fn push_stream(&mut self, now: Time, id: &StreamId) {
        if !self.streams.waiting.is_awaited(now, id) {
            return;
        }
        let mut waiting = std::mem::take(&mut self.streams.waiting);
        // Most wait for the same block, which is written once.
        let mut written: Option<((u64, u64), Vec<u8>)> = None;
        for Waiter { to, from, until, sent, .. } in waiting.of(now, id) {
            while let Some(log) = self.streams.log(id.as_str()) {
                let Some((at, end)) = next_block(log, *from, *until) else { break };
                let Some(block) = log.block(at) else { break };
                let is_last = block.is_last();
                if written.as_ref().is_none_or(|(place, _)| *place != (at, end) || is_last) {
                    let text = serde_json::to_vec(&block.message(id, at)).unwrap_or_default();
                    written = Some(((at, end), text));
                }
                let Some((_, text)) = &written else { break };
                let share = Share::of(*to);
                if !self.fetching.uploads.may_answer(now, share) {
                    // It is asked for again.
                    self.counters.questions_dropped += 1;
                    *from = *until;
                    break;
                }
                let mut writer = Writer::default();
                let is_written = writer.push_with(DATAGRAM_SEND_MAX_BYTES, |bytes| {
                    bytes.extend_from_slice(text);
                    true
                });
                if is_written {
                    self.fetching.uploads.sent(now, share, writer.len() + HEADER_BYTES);
                    self.finish_note(*to, &mut writer, false);
                }
                (*from, *sent) = (if is_last { *until } else { end }, Some(now));
            }
        }
        waiting.settle();
        self.streams.waiting = waiting;
    }
}

/// The block to send next to who has all before `from` and wants what is before `until`; and where it ends.
fn next_block(log: &Log, from: u64, until: u64) -> Option<(u64, u64)> {
    let at = index(from);
    let block = log.block(at).filter(|_| from < until)?;
    let end = at * BLOCK_BYTES + block.bytes().len() as u64;
    (end > from || block.is_last()).then_some((at, end))
}
