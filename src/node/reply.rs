//! An answer under construction: the only place where tokens are added, and never alone without a reason.
//!
//! Handlers push messages; what fits is kept. Towards an unverified sender there is one datagram, as long as the reply
//! budget allows, with room kept for our token. Towards a verified one the answer is split over as many datagrams as it
//! needs, within bounds.

use crate::budget::Allowance;
use crate::tokens::{Cookie, Owed};
use crate::wire::encode::{BRACKETS_BYTES, Writer};
use crate::wire::{DATAGRAM_MAX_BYTES, DATAGRAM_SEND_MAX_BYTES, HEADER_BYTES, Message};

/// The longest answer to one datagram, in datagrams.
pub(super) const REPLY_DATAGRAMS_MAX: usize = 64;

/// The longest answer to one datagram, in bytes: four of the largest blocks in base64, each with what stands around it.
/// A larger wish is answered in part: what would exceed this is refused, and so is all that follows.
pub(super) const REPLY_BYTES_MAX: usize = 4 * 56 * 1_024;

/// `{"PleaseAlwaysReturnThisMessage":{"cookie":"12345678"}}`
const TOKEN_BYTES: usize = 55;

/// What stands around the token we owe, comma included.
const OWED_ELEMENT_BYTES: usize = r#",{"AlwaysReturned":}"#.len();

/// The terms on which a sender is answered.
#[derive(Debug)]
pub(super) enum Terms {
    /// The datagram carried our token.
    Verified,
    /// It did not.
    Unverified(Allowance),
}

/// The tokens that ride on the datagrams of an answer.
#[derive(Debug)]
pub(super) struct Tokens {
    /// Ours for the sender, unless what it returned shows that it has it.
    pub(super) ours: Option<Cookie>,
    /// The sender's, if we owe it one.
    pub(super) owed: Option<Owed>,
}

/// An answer under construction.
#[derive(Debug)]
pub(super) struct Reply {
    terms: Terms,
    tokens: Tokens,
    writer: Writer,
    full: Vec<Vec<u8>>,
    full_bytes: usize,
    is_cut: bool,
    is_request: bool,
    is_peers_expected: bool,
    is_list_expected: bool,
    is_schema_expected: bool,
    /// Whether something in it is about contents, and how much of it has been reckoned to the limit on uploads.
    upload: Option<usize>,
    /// Whether something did not fit.
    pub(super) is_trimmed: bool,
}

impl Reply {
    pub(super) fn new(terms: Terms, tokens: Tokens) -> Reply {
        Reply {
            terms,
            tokens,
            writer: Writer::default(),
            full: Vec::new(),
            full_bytes: 0,
            is_cut: false,
            is_request: false,
            is_peers_expected: false,
            is_list_expected: false,
            is_schema_expected: false,
            upload: None,
            is_trimmed: false,
        }
    }

    /// Notes that the sender asked for something: an unverified one gets our token even if nothing else fits.
    pub(super) fn expects_answer(&mut self) {
        self.is_request = true;
    }

    /// Notes that the sender asked for peers.
    pub(super) fn expects_peers(&mut self) {
        self.is_request = true;
        self.is_peers_expected = true;
    }

    /// Notes that the sender asked for the list of files.
    pub(super) fn expects_list(&mut self) {
        self.is_request = true;
        self.is_list_expected = true;
    }

    /// Whether the sender asked for the list of files.
    pub(super) fn is_list_expected(&self) -> bool {
        self.is_list_expected
    }

    /// Notes that the sender asked which messages we know; says whether it is the first time in this datagram.
    pub(super) fn expects_messages(&mut self) -> bool {
        self.is_request = true;
        !std::mem::replace(&mut self.is_schema_expected, true)
    }

    /// Whether the sender asked for peers.
    pub(super) fn is_peers_expected(&self) -> bool {
        self.is_peers_expected
    }

    /// Whether nothing more can be added to an answer that has grown long.
    pub(super) fn is_full(&self) -> bool {
        self.is_cut || self.full.len() >= REPLY_DATAGRAMS_MAX
    }

    /// Notes that something about contents is to be in it: then all of it counts for the limit on uploads.
    pub(super) fn expects_upload(&mut self) {
        self.upload.get_or_insert(0);
    }

    /// How much is there by now that counts for the limit on uploads and has not been reckoned; it is from now on.
    pub(super) fn reckon_upload(&mut self) -> usize {
        let datagrams = self.full.len() + usize::from(!self.writer.is_empty());
        let bytes = self.full_bytes + self.writer.len() + datagrams * HEADER_BYTES;
        self.upload.as_mut().map_or(0, |reckoned| bytes.saturating_sub(std::mem::replace(reckoned, bytes)))
    }

    /// How much of it has been reckoned to the limit on uploads; `None` if nothing in it is about contents.
    pub(super) fn reckoned_upload(&self) -> Option<usize> {
        self.upload
    }

    /// Whether the sender asked for something.
    pub(super) fn is_expected(&self) -> bool {
        self.is_request
    }

    /// Whether the sender returned our token.
    pub(super) fn is_for_verified(&self) -> bool {
        matches!(self.terms, Terms::Verified)
    }

    /// The token that we owe the sender.
    pub(super) fn owed(&self) -> Option<&Owed> {
        self.tokens.owed.as_ref()
    }

    /// How long an element may be so that the token we owe the sender still fits beside it.
    pub(super) fn room_beside_owed(&self) -> usize {
        self.room().saturating_sub(self.owed_bytes())
    }

    /// What the token we owe needs, with all that stands around it.
    fn owed_bytes(&self) -> usize {
        self.tokens.owed.as_ref().map_or(0, |owed| OWED_ELEMENT_BYTES + owed.as_json().len())
    }

    /// How long an element may be that is pushed next. A verified sender's next element may begin a new datagram.
    pub(super) fn room(&self) -> usize {
        match &self.terms {
            Terms::Verified => DATAGRAM_SEND_MAX_BYTES - BRACKETS_BYTES,
            Terms::Unverified(allowance) => self.writer.room(answer_limit(allowance)),
        }
    }

    /// Adds the elements of `writer`, and empties it.
    pub(super) fn append(&mut self, writer: &mut Writer) {
        let elements = writer.take();
        // Without the brackets; an empty array has nothing to add.
        if let Some(elements) = elements.get(1..elements.len() - 1).filter(|elements| !elements.is_empty()) {
            self.push_bytes(elements);
        }
    }

    /// Adds the text of one or more elements.
    pub(super) fn push_bytes(&mut self, elements: &[u8]) {
        // Room for what is still to come, so that a long answer grows once.
        let ours = self.tokens.ours.map_or(0, |_| TOKEN_BYTES + 1);
        let room = elements.len() + self.owed_bytes() + ours + BRACKETS_BYTES;
        self.push_with(|writer, limit| {
            writer.push_with(limit, |bytes| {
                bytes.reserve(room);
                bytes.extend_from_slice(elements);
                true
            })
        });
    }

    /// Adds a message.
    pub(super) fn push(&mut self, message: &Message<'_>) {
        self.push_with(|writer, limit| writer.push(message, limit));
    }

    /// Adds `{"<name>":<payload>}`.
    pub(super) fn push_raw(&mut self, name: &str, payload: &str) {
        self.push_with(|writer, limit| writer.push_raw(name, payload, limit));
    }

    /// Adds whatever `push` pushes within the limit it is given.
    pub(super) fn push_with(&mut self, push: impl FnMut(&mut Writer, usize) -> bool) {
        self.push_within(DATAGRAM_SEND_MAX_BYTES, Vec::new, push);
    }

    /// The same for a block of content: a verified sender that asks for one longer than a datagram should be gets it.
    /// Each datagram that it begins is written into `memory`.
    pub(super) fn push_block(&mut self, memory: impl FnMut() -> Vec<u8>, push: impl FnMut(&mut Writer, usize) -> bool) {
        self.push_within(DATAGRAM_MAX_BYTES, memory, push);
    }

    /// Adds a whole datagram of its own to a verified sender's answer. No token rides on it.
    ///
    /// # Errors
    /// The datagram, if it is too much; nothing can be added to the answer any more.
    pub(super) fn push_datagram(&mut self, datagram: Vec<u8>) -> Result<(), Vec<u8>> {
        let bytes = self.full_bytes + self.writer.len() + datagram.len();
        if self.is_full() || !self.is_for_verified() || bytes > REPLY_BYTES_MAX {
            self.is_trimmed = true;
            self.is_cut = true;
            return Err(datagram);
        }
        self.full_bytes += datagram.len();
        self.full.push(datagram);
        Ok(())
    }

    fn push_within(
        &mut self,
        alone_max: usize,
        mut memory: impl FnMut() -> Vec<u8>,
        mut push: impl FnMut(&mut Writer, usize) -> bool,
    ) {
        match &self.terms {
            Terms::Unverified(allowance) => {
                let limit = answer_limit(allowance);
                self.is_trimmed |= !push(&mut self.writer, limit);
            }
            // A long answer stays cut: nothing may begin anew once it has been too long.
            Terms::Verified if self.is_full() => self.is_trimmed = true,
            Terms::Verified => {
                let left = self.left(DATAGRAM_SEND_MAX_BYTES);
                if self.writer.is_empty() {
                    self.writer = Writer::reusing(memory());
                }
                if push(&mut self.writer, left) {
                    return;
                }
                if let Some(datagram) = self.turn_over() {
                    self.full.push(datagram);
                    self.writer = Writer::reusing(memory());
                }
                let left = self.left(alone_max);
                let is_pushed = !self.is_full() && push(&mut self.writer, left);
                self.is_trimmed |= !is_pushed;
                self.is_cut |= !is_pushed && left < alone_max;
            }
        }
    }

    /// How long a datagram may be for which `most` is allowed, in what is left of the whole answer.
    fn left(&self, most: usize) -> usize {
        most.min(REPLY_BYTES_MAX.saturating_sub(self.full_bytes))
    }

    /// Finishes a datagram to a verified sender, if there is anything in it. The token we owe is the first thing to go
    /// if a block fills the datagram.
    fn turn_over(&mut self) -> Option<Vec<u8>> {
        if self.writer.is_empty() {
            return None;
        }
        let limit = self.left(DATAGRAM_SEND_MAX_BYTES);
        push_owed(&mut self.writer, self.tokens.owed.as_ref(), limit);
        if let Some(ours) = self.tokens.ours {
            push_token(&mut self.writer, ours, limit);
        }
        let datagram = self.writer.take();
        self.full_bytes += datagram.len();
        Some(datagram)
    }

    /// Finishes the one datagram to an unverified sender. Without room for our token it is not sent: the sender could
    /// never become verified by it.
    fn close(&mut self, allowance: &Allowance) -> Option<Vec<u8>> {
        if self.writer.is_empty() && !self.is_request {
            return None;
        }
        push_owed(&mut self.writer, self.tokens.owed.as_ref(), answer_limit(allowance));
        let is_complete =
            self.tokens.ours.is_some_and(|ours| push_token(&mut self.writer, ours, unverified_max(allowance)));
        is_complete.then(|| self.writer.take())
    }

    /// The finished datagrams; none if there is nothing to say.
    pub(super) fn finish(mut self) -> impl Iterator<Item = Vec<u8>> {
        let last = match self.allowance() {
            None => self.turn_over(),
            Some(allowance) => self.close(&allowance),
        };
        self.full.into_iter().chain(last)
    }

    /// The allowance of an unverified sender.
    pub(super) fn allowance(&self) -> Option<Allowance> {
        match self.terms {
            Terms::Verified => None,
            Terms::Unverified(allowance) => Some(allowance),
        }
    }
}

/// How long an unverified answer may be: however long the request, it is one datagram of ordinary size.
fn unverified_max(allowance: &Allowance) -> usize {
    allowance.payload_max.min(DATAGRAM_SEND_MAX_BYTES)
}

/// How long it may be before our token and its comma are added.
fn answer_limit(allowance: &Allowance) -> usize {
    unverified_max(allowance).saturating_sub(TOKEN_BYTES + 1)
}

/// Adds our token.
pub(super) fn push_token(writer: &mut Writer, token: Cookie, limit: usize) -> bool {
    writer.push_cookie("PleaseAlwaysReturnThisMessage", token.as_bytes(), limit)
}

/// Adds the token we owe, if we owe one and it fits: it is the first thing to go.
pub(super) fn push_owed(writer: &mut Writer, owed: Option<&Owed>, limit: usize) {
    if let Some(owed) = owed {
        writer.push_raw("AlwaysReturned", owed.as_json(), limit);
    }
}
