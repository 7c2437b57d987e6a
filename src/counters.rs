//! What happened, counted: everything that is dropped is counted here, and nothing else remembers it.

macro_rules! counters {
    ($( $(#[doc = $meaning:literal])+ $name:ident, )*) => {
        /// Counts since the start of the node.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counters { $( $(#[doc = $meaning])+ pub $name: u64, )* }

        impl Counters {
            /// The name of every counter and what it counts, in the same order as [`Counters::iter`].
            pub const MEANINGS: &'static [(&'static str, &'static str)] =
                &[ $( (stringify!($name), concat!($($meaning),+)), )* ];

            /// Every counter with its name, in a fixed order.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [ $( (stringify!($name), self.$name), )* ].into_iter()
            }
        }
    };
}

counters! {
    /// Datagrams received.
    datagrams_received,
    /// Their payload bytes.
    bytes_received,
    /// Datagrams handed out for sending.
    datagrams_sent,
    /// Their payload bytes.
    bytes_sent,
    /// Datagrams dropped whole: no JSON array, no UTF-8, too long or too deep.
    datagrams_refused,
    /// Datagrams dropped because they were our own, come back to us.
    datagrams_reflected,
    /// Datagrams dropped because their source can be nobody's address.
    datagrams_from_nowhere,
    /// Elements stepped over: no one-key object, or a payload of the wrong shape.
    elements_malformed,
    /// Messages of a kind that is not ours; passed on to local applications.
    messages_unknown,
    /// Messages ignored because the sender was not verified, or was none of the peers we have room for.
    messages_unverified,
    /// Messages, or entries of lists, ignored because the sender or the node as a whole had too many.
    messages_over_rate,
    /// Questions for the same bytes, or the same holdings, that one asker repeated too often; not answered.
    questions_repeated,
    /// Questions that waited for too long, or in vain, because of the upload limit.
    questions_dropped,
    /// Signed and encrypted envelopes opened.
    envelopes_opened,
    /// Envelopes that stayed closed: not for us, not what was signed, of a sender whose key we do not know, or too many
    /// in one datagram.
    envelopes_refused,
    /// Encrypted envelopes that had been opened before.
    envelopes_repeated,
    /// Signed envelopes that name somebody else as the one they are meant for.
    envelopes_for_others,
    /// Proofs that a key lives at an address, of which a better one for another address was held, or where somebody was
    /// still there.
    homes_refused,
    /// Versions of strangers' files forgotten to make room for others.
    versions_forgotten,
    /// Keys that have moved: where they lived nobody answered any more.
    homes_moved,
    /// Envelopes that stayed closed because opening all that came would cost too much.
    envelopes_over_rate,
    /// Signed lines of group chat that were taken.
    group_lines_taken,
    /// Signed lines that were not: forged, of another form, or another line for the same time.
    group_lines_refused,
    /// Signed lines that were not because they are dated too far from our clock.
    group_lines_misdated,
    /// Questions to peers where the holder of a key is.
    people_asked_for,
    /// Datagrams with a private message of ours, repetitions included.
    private_sent,
    /// Private messages of ours that have arrived.
    private_delivered,
    /// Private messages of ours that were given up.
    private_given_up,
    /// Tokens that came back and were not ours, or too old.
    tokens_wrong,
    /// Addresses named by peers that we did not take: unusable, of narrower scope than their source, or no room.
    addresses_ignored,
    /// Answers cut short or left out by the reply budget.
    answers_trimmed,
    /// Datagrams dropped because nobody fetched earlier ones in time.
    datagrams_dropped,
    /// Events dropped because nobody fetched them in time.
    events_dropped,
    /// Content that arrived and was not kept: nobody asked for it, or it was not what its id says.
    content_refused,
    /// Blocks of streams that we follow, not signed by the owner or not to be checked because too many were not.
    stream_blocks_forged,
    /// Blocks of streams that their owners have signed and that say something else than others that they have signed.
    stream_blocks_conflicting,
    /// Blocks of streams that were there already, or were of no use; their signatures were not looked at.
    stream_blocks_useless,
    /// Reads of shared files that failed.
    reads_failed,
}
