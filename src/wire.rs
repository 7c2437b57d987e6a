//! The wire: one UDP datagram is one UTF-8 JSON array of one-key objects.
//!
//! This module turns bytes into messages and messages into bytes, and knows nobody else: no addresses are trusted
//! here, no answer is decided here, nothing is remembered here. It refuses to be strict: what it does not understand
//! is kept byte for byte for whoever does, and what is broken is counted and stepped over.
//!
//! - [`messages`] is the one table of what we speak,
//! - [`mod@decode`] reads a datagram and never fails because of a single bad element,
//! - [`encode`] appends elements to a datagram under construction,
//! - [`list`] and [`Text`] are the tolerant building blocks of payloads, and [`Hex32`] is a key or a hash.

mod block;
pub mod decode;
pub mod encode;
mod hex;
pub mod list;
pub mod messages;
mod object;
mod schema;
mod text;

pub use block::Base64;
pub use decode::{Decoded, Refused, decode};
pub use hex::{Hex32, NullableHex32};
pub use list::List;
pub use messages::Message;
pub use text::Text;

/// The conventional UDP port of LCDP.
pub const PORT: u16 = 24254;

/// The largest payload a UDP datagram over IPv4 can carry: 65,535 − 20 (IP header) − 8 (UDP header).
pub const DATAGRAM_MAX_BYTES: usize = 65_507;

/// What we send stays within this unless the asker asked for a larger block: the draft's SHOULD. One block of 4,096
/// bytes is 5,464 characters of base64, which leaves 424 for its id, its numbers and a token.
pub const DATAGRAM_SEND_MAX_BYTES: usize = 5_888;

/// IPv4 and UDP headers, counted on both sides of the reply budget, as the quick start does.
pub const HEADER_BYTES: usize = 28;

/// How deep brackets may nest. Known messages need five levels (`[{"Peers":{"peers":[…]}}]` has four); the rest is room
/// for what others invent. The parser itself skips raw values without recursion, so this protects whoever reads them
/// next.
pub const DEPTH_MAX: usize = 32;

/// Messages read from one datagram; later elements are stepped over unread and counted as malformed. 256 covers the
/// smallest requests that fill 5,888 bytes (22 characters and a comma each).
pub const MESSAGES_MAX: usize = 256;

/// Entries read from one list inside a payload; later ones are skipped. The wild sends up to 72.
pub const LIST_MAX_ENTRIES: usize = 128;

/// The longest content id we look at, in bytes. `blake3_tree_v2/` and 64 hex digits are 79; a file name on common
/// file systems has at most 255.
pub const ID_MAX_BYTES: usize = 255;

/// The largest block one `PleaseSendContent` is answered with, in bytes: what the wild serves at most.
pub const BLOCK_MAX_BYTES: usize = 40_960;
