//! Answering for what is shared: parts of files, the list of files, and who else might have something.
//!
//! Runs of blocks, in words of our own, are in `runs`; fetching is in `fetch`.

use super::reply::{Reply, push_owed};
use super::runs::{digits, write_block};
use super::sender::Sender;
use super::uploads::{Share, TURNS_MAX, Wanted};
use super::{Destination, Node};
use crate::content::{ContentId, Part, ReadError, SharedFile, Store};
use crate::node::Event;
use crate::peers::address::makes_sense_to;
use crate::stream::PREFIX;
use crate::time::Time;
use crate::wire::encode::Writer;
use crate::wire::messages::{ContentList, MaybeTheyHaveSome, PleaseSendContent};
use crate::wire::{
    BLOCK_MAX_BYTES, DATAGRAM_MAX_BYTES, DATAGRAM_SEND_MAX_BYTES, HEADER_BYTES, ID_MAX_BYTES, List, Message, Text,
    messages,
};
use std::io::Write;
use std::net::SocketAddr;

/// How many files one `ContentList` names: what the wild sends.
pub const LIST_ANSWER_MAX: usize = 72;

/// How many possible holders one `MaybeTheyHaveSome` names.
pub const MAYBE_ANSWER_MAX: usize = 8;

/// What stands around a block of content under its hash: 79 characters of id, two numbers, names and brackets. An id
/// that is longer costs an allocation.
const HEAD_BYTES: usize = 192;

/// Where bytes that are served come from.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    /// A shared file, or its tree.
    Shared(SharedFile, Part),
    /// What is there and checked of a content that is still being fetched.
    Fetched(ContentId, Part),
}

impl<S: Store> Node<S> {
    /// Answers `PleaseSendContent`: the part asked for, as much of it as an unverified asker may have; or who might
    /// help.
    pub(super) fn serve_content(
        &mut self,
        now: Time,
        sender: &Sender,
        request: &PleaseSendContent<'_>,
        reply: &mut Reply,
    ) {
        reply.expects_answer();
        if request.id.len() > ID_MAX_BYTES {
            self.counters.elements_malformed += 1;
            return;
        }
        if reply.is_full() {
            reply.is_trimmed = true;
            return;
        }
        if request.id.starts_with(PREFIX) {
            return self.serve_stream(now, sender, request, reply);
        }
        if !self.repeats.allow(now, sender.address, &request.id, [request.offset, request.length, 0]) {
            self.counters.questions_repeated += 1;
            return;
        }
        let wished = request.offset..request.offset.saturating_add(request.length.min(BLOCK_MAX_BYTES as u64));
        match self.origin(&request.id, wished) {
            Some((_, eof)) if self.fetching.uploads.is_limited() && reply.is_for_verified() => {
                // At the end of the content, too, there is an answer: an empty one.
                let left = eof.saturating_sub(request.offset);
                let length = request.length.min(left).min(BLOCK_MAX_BYTES as u64);
                self.let_wait(now, sender, &request.id, (request.offset, length, length.max(1)), None);
            }
            Some((origin, eof)) if self.may_upload(now, sender, reply) => self.send_part(&origin, eof, request, reply),
            Some(_) => {}
            None => self.send_rumours(now, sender, &request.id, reply),
        }
        // Who asks for something will soon have it.
        self.note_holder(sender, &request.id);
    }

    /// Sends a block of a file or of its tree. At or past the end the block is empty, as the wild has it.
    fn send_part(&mut self, origin: &Origin, eof: u64, request: &PleaseSendContent<'_>, reply: &mut Reply) {
        let head = ContentHead { id: &request.id, offset: request.offset, eof };
        let left = eof.saturating_sub(request.offset);
        let wished = request.length.min(left).min(BLOCK_MAX_BYTES as u64) as usize;
        let length = if reply.is_for_verified() { wished } else { wished.min(head.fits(reply.room())) };
        // An empty part would say that the file ends here.
        if length == 0 && wished > 0 {
            reply.is_trimmed = true;
            return;
        }
        let mut block = std::mem::take(&mut self.block);
        block.resize(length, 0);
        // An offset past the end is no place in the file; there is nothing to read there either.
        if length == 0 || self.read_origin(origin, request.offset, &mut block) {
            let bytes = DATAGRAM_SEND_MAX_BYTES.max(HEAD_BYTES + length.div_ceil(3) * 4);
            let memory = || self.buffers.take(bytes);
            reply.push_block(memory, |writer, limit| writer.push_with(limit, |bytes| head.write(&block, bytes)));
        }
        self.block = block;
    }

    /// Whether something about contents may be said at once, within the limit that there may be.
    pub(super) fn may_upload(&mut self, now: Time, sender: &Sender, reply: &mut Reply) -> bool {
        let uploads = &mut self.fetching.uploads;
        if !uploads.is_limited() {
            return true;
        }
        let share = share_of(sender);
        // One datagram may ask for many things, so each is reckoned before the next.
        uploads.sent(now, share, reply.reckon_upload());
        let may = uploads.may_answer(now, share);
        if may {
            reply.expects_upload();
        } else {
            self.counters.questions_dropped += 1;
        }
        may
    }

    /// An answer of so many bytes, headers included, has been sent, of which `reckoned` were before.
    pub(super) fn note_upload(&mut self, now: Time, sender: &Sender, (bytes, reckoned): (usize, Option<usize>)) {
        if let Some(reckoned) = reckoned {
            self.fetching.uploads.sent(now, share_of(sender), bytes.saturating_sub(reckoned));
        }
    }

    /// Lets something wait for its turn.
    pub(super) fn let_wait(
        &mut self,
        now: Time,
        sender: &Sender,
        id: &str,
        (offset, length, block): (u64, u64, u64),
        run: Option<u64>,
    ) {
        let wanted = Wanted { id: id.to_owned(), offset, length, block, run, asked: now };
        self.counters.questions_dropped += self.fetching.uploads.add(sender.address, wanted);
        self.serve_waiting(now);
    }

    /// Sends what has waited for its turn, as much as the limit allows now.
    pub(super) fn serve_waiting(&mut self, now: Time) {
        for _ in 0..TURNS_MAX {
            let next = self.fetching.uploads.next(now, &mut self.counters.questions_dropped);
            let Some((to, wanted)) = next else { return };
            let end = wanted.offset.saturating_add(wanted.length);
            // It may be shared no longer.
            let Some((origin, eof)) = self.origin(&wanted.id, wanted.offset..end) else { continue };
            let mut block = std::mem::take(&mut self.block);
            block.resize(wanted.length as usize, 0);
            if block.is_empty() || self.read_origin(&origin, wanted.offset, &mut block) {
                let room = HEAD_BYTES + block.len().div_ceil(3) * 4;
                let mut datagram = self.buffers.take(room);
                match wanted.run {
                    Some(run) => write_block((run, wanted.offset), digits(eof), &block, &mut datagram),
                    None => {
                        let head = ContentHead { id: &wanted.id, offset: wanted.offset, eof };
                        let mut writer = Writer::reusing(datagram);
                        writer.push_with(DATAGRAM_MAX_BYTES, |bytes| head.write(&block, bytes));
                        self.push_note_tokens(to, &mut writer);
                        datagram = writer.take();
                    }
                }
                self.fetching.uploads.sent(now, Share::of(to), datagram.len() + HEADER_BYTES);
                self.send(Destination::Address(to), datagram);
            }
            self.block = block;
        }
    }

    /// Adds the token we owe to a block, if there is room.
    fn push_note_tokens(&self, to: SocketAddr, writer: &mut Writer) {
        let owed = self.peers.get(to).and_then(|peer| peer.owed.as_ref());
        push_owed(writer, owed, DATAGRAM_SEND_MAX_BYTES);
    }

    /// Reads bytes that are to be served. Says whether it could.
    pub(super) fn read_origin(&mut self, origin: &Origin, offset: u64, block: &mut [u8]) -> bool {
        match origin {
            Origin::Shared(file, part) => match self.store.read(file, *part, offset, block) {
                Ok(()) => true,
                Err(error) => {
                    self.note_failed_read(file, error);
                    false
                }
            },
            Origin::Fetched(id, part) => self.store.read_part(id, *part, offset, block).is_ok(),
        }
    }

    /// A file that is not what it was is served no more until it has been hashed again.
    fn note_failed_read(&mut self, file: &SharedFile, error: ReadError) {
        self.counters.reads_failed += 1;
        if error == ReadError::Changed {
            self.shelf.remove(&file.name);
            self.report(Event::FileChanged(file.name.clone()));
        }
    }

    /// Names peers that might have a content we lack. Only verified ones, and only such as make sense to the asker.
    pub(super) fn send_rumours(&mut self, now: Time, sender: &Sender, id: &str, reply: &mut Reply) {
        let asker = sender.address;
        let holders = self.rumours.holders(id).filter(|holder| *holder != asker && makes_sense_to(*holder, asker));
        let texts = holders.filter_map(|holder| self.peers.get(holder)).map(|peer| peer.text);
        let peers: List<Text<'_>> = texts
            .take(MAYBE_ANSWER_MAX)
            .map(|text| Text::from(String::from_utf8_lossy(text.as_bytes()).into_owned()))
            .collect();
        if !peers.0.is_empty() && self.may_upload(now, sender, reply) {
            reply.push(&Message::MaybeTheyHaveSome(MaybeTheyHaveSome { id: id.into(), peers }));
        }
    }

    /// Answers `PleaseListContent` with what is shared and nothing else, as much of it as fits. Each answer goes on
    /// where the one before to the same asker ended, so that whoever asks often enough hears of every file. When not
    /// one file fits there is no list at all, because an empty one would say that nothing is shared.
    pub(super) fn list_content(&mut self, now: Time, sender: &Sender, reply: &mut Reply) {
        /// `["<64 digits>",<up to 20 digits>],`
        const ENTRY_MAX_BYTES: usize = 64 + 20 + 6;
        const EMPTY: usize = r#"{"ContentList":{"results":[]}}"#.len();
        if !self.may_upload(now, sender, reply) {
            return;
        }
        let fitting = reply.room().saturating_sub(EMPTY) / ENTRY_MAX_BYTES;
        let files = self.shelf.page(self.repeats.asker(sender.address), fitting.min(LIST_ANSWER_MAX));
        if files.is_empty() && self.shelf.iter().next().is_some() {
            reply.is_trimmed = true;
            return;
        }
        let results = files.into_iter().map(|(id, size)| (Text::from(id), size)).collect();
        reply.push(&Message::ContentList(ContentList { results }));
    }

    /// Answers `PleaseListSupportedMessages`, for verified askers only: the answer is long.
    pub(super) fn list_messages(&mut self, sender: &Sender, reply: &mut Reply) {
        if reply.expects_messages() && sender.is_verified() {
            reply.push_raw("SupportedMessages", &format!(r#"{{"schema":{}}}"#, *messages::SCHEMA));
        }
    }

    /// A verified peer has this, or soon will.
    pub(super) fn note_holder(&mut self, sender: &Sender, id: &str) {
        if sender.is_verified() && id.len() <= ID_MAX_BYTES {
            self.rumours.note(id, sender.address);
        }
    }
}

/// Whose share of the limit on uploads an answer to this sender counts for.
fn share_of(sender: &Sender) -> Share {
    if sender.is_verified() { Share::of(sender.address) } else { Share::Strangers }
}

/// A `Content` message around a block.
struct ContentHead<'a> {
    id: &'a str,
    offset: u64,
    eof: u64,
}

impl ContentHead<'_> {
    /// How many bytes of content a message of at most `room` bytes can carry.
    fn fits(&self, room: usize) -> usize {
        let mut empty = Vec::with_capacity(HEAD_BYTES);
        self.write(&[], &mut empty);
        room.saturating_sub(empty.len()) / 4 * 3
    }

    /// Writes the message. The block goes straight from the file into the datagram, as base64.
    fn write(&self, block: &[u8], bytes: &mut Vec<u8>) -> bool {
        // So that it grows once.
        bytes.reserve(HEAD_BYTES + block.len().div_ceil(3) * 4);
        bytes.extend_from_slice(br#"{"Content":{"id":"#);
        let is_written = serde_json::to_writer(&mut *bytes, self.id).is_ok()
            && write!(bytes, r#","offset":{},"base64":""#, self.offset).is_ok();
        base64_simd::STANDARD.encode_append(block, bytes);
        is_written && write!(bytes, r#"","eof":{}}}}}"#, self.eof).is_ok()
    }
}
