//! Blocks that come: checked once, kept, and passed on.

use crate::content::Store;
use crate::identity::opening::ENVELOPES_MAX;
use crate::node::Node;
use crate::stream::StreamId;
use crate::stream::block::Block;
use crate::stream::log::Kept;
use crate::time::Time;
use crate::wire::Message;
use std::net::SocketAddr;

impl<S: Store> Node<S> {
    /// Takes the blocks in a datagram that belong to what is followed. True if there are any, of use or not: then
    /// nothing else in it is opened.
    pub(in crate::node) fn take_stream_blocks(
        &mut self,
        now: Time,
        from: SocketAddr,
        messages: &[Message<'_>],
    ) -> bool {
        if self.streams.followed.is_empty() {
            return false;
        }
        let mut is_block = false;
        let mut grown: Vec<StreamId> = Vec::new();
        for message in messages.iter().take(ENVELOPES_MAX) {
            let Message::SignedMessage(signed) = message else { continue };
            for followed in self.streams.followed.iter_mut().filter(|followed| followed.follow.expects(from)) {
                let Some(claim) = Block::claim(followed.follow.id(), signed) else { continue };
                is_block = true;
                if followed.reader.is_none() || !followed.follow.wants(&claim) {
                    followed.follow.heard_from(from);
                    self.counters.stream_blocks_useless += 1;
                    continue;
                }
                let index = claim.index;
                let block = self.streams.forgers.may_check(now, from).then(|| claim.check(signed));
                let Some(Ok(block)) = block else {
                    self.streams.forgers.note(now, from);
                    self.counters.stream_blocks_forged += 1;
                    continue;
                };
                match followed.follow.take_block(now, from, index, block) {
                    Kept::New | Kept::Longer => grown.push(followed.follow.id().clone()),
                    Kept::Conflict => self.counters.stream_blocks_conflicting += 1,
                    Kept::Known | Kept::Outside => self.counters.stream_blocks_useless += 1,
                }
            }
        }
        for id in grown {
            self.push_stream(now, &id);
        }
        if is_block {
            self.drive_streams(now);
        }
        is_block
    }
}
