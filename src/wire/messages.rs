//! The one table of messages we speak.
//!
//! Everything that has to know the list of messages is made from this table: the types, decoding, encoding, the JSON
//! Schema that answers `PleaseListSupportedMessages`, the dictionary of the fuzzers, and the test that `protocol.md`
//! has a section and an example for each. To add a message, add it here and let the compiler lead.
//!
//! Type names are the names on the wire. Units are in the field docs; the source is the public draft
//! (draft-pearson-lcdp-04) unless a message says otherwise.

use super::object::Object;
use super::schema::{Described, Field, SchemaWriter, Shape};
use super::{Base64, Hex32, List, NullableHex32, Text};
use serde::de::MapAccess;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::sync::LazyLock;

macro_rules! messages {
    (
        objects {
            $( $(#[$attr:meta])* $name:ident $(<$life:lifetime>)? {
                $( $(#[$field_attr:meta])* $field:ident : $kind:ty ),* $(,)?
            } )*
        }
        opaque {
            $( $(#[$opaque_attr:meta])* $opaque:ident )*
        }
    ) => {
        $(
            $(#[$attr])*
            #[derive(Clone, Debug, Serialize, Deserialize)]
            pub struct $name $(<$life>)? { $( $(#[$field_attr])* pub $field: $kind ),* }

            impl $(<$life>)? Described for $name $(<$life>)? {
                const FIELDS: &'static [Field] = &[
                    $( (stringify!($field), <$kind as Shape>::SCHEMA, <$kind as Shape>::REQUIRED), )*
                ];
            }
        )*
        $(
            $(#[$opaque_attr])*
            #[derive(Clone, Copy, Debug, Serialize)]
            pub struct $opaque<'a>(
                /// Any JSON value, byte for byte as it came.
                pub &'a RawValue,
            );
        )*

        /// One element of a datagram.
        #[derive(Clone, Debug, Serialize)]
        #[non_exhaustive]
        pub enum Message<'a> {
            $( $(#[$attr])* $name($name $(<$life>)?), )*
            $( $(#[$opaque_attr])* $opaque($opaque<'a>), )*
            /// A message this node does not know: kept for local applications, otherwise none of its business.
            #[serde(skip_serializing)]
            Unknown(Unknown<'a>),
        }

        impl<'a> Message<'a> {
            /// Reads the payload of the message called `name`, which comes next in `map`.
            pub(super) fn read<A: MapAccess<'a>>(name: Cow<'a, str>, map: &mut A) -> Result<Message<'a>, A::Error> {
                Ok(match &*name {
                    $( stringify!($name) => Message::$name(map.next_value::<Object<_>>()?.0), )*
                    $( stringify!($opaque) => Message::$opaque($opaque(map.next_value()?)), )*
                    _ => Message::Unknown(Unknown { name, payload: map.next_value()? }),
                })
            }

            /// The key under which the message travels.
            pub fn name(&self) -> &str {
                match self {
                    $( Message::$name(_) => stringify!($name), )*
                    $( Message::$opaque(_) => stringify!($opaque), )*
                    Message::Unknown(unknown) => &unknown.name,
                }
            }
        }

        /// The names of all messages in the table, in its order.
        pub const NAMES: &[&str] = &[ $( stringify!($name), )* $( stringify!($opaque), )* ];

        /// The names of all payload fields in the table; some appear twice.
        pub const FIELDS: &[&str] = &[ $( $( stringify!($field), )* )* ];

        /// The JSON Schema (draft 7) of a datagram, as sent in `SupportedMessages`. About 4 KB.
        pub static SCHEMA: LazyLock<String> = LazyLock::new(|| {
            let mut writer = SchemaWriter::default();
            $( writer.message(stringify!($name), <$name as Described>::FIELDS); )*
            $( writer.opaque(stringify!($opaque)); )*
            writer.finish()
        });
    };
}

messages! {
    objects {
        /// Asks for addresses of other nodes.
        PleaseSendPeers {}

        /// Addresses of other nodes: hints, until each has answered for itself.
        Peers<'a> {
            /// Each `ip:port`, IPv6 in brackets.
            #[serde(borrow)]
            peers: List<Text<'a>>,
        }

        /// The sender keeps more paths open than it needs: let go of this one once you have others. A word of this
        /// project; nodes that do not know it lose nothing.
        EnoughNeighbours {}

        /// A line of text for the person at the other end. Ignored from unverified senders.
        ChatMessage<'a> {
            /// The text, of any length; show it with care.
            #[serde(borrow)]
            message: Text<'a>,
        }

        /// A line of text for everybody in a group.
        GroupChatMessage<'a> {
            /// Which group; `main` by default.
            #[serde(borrow)]
            group_name: Text<'a>,
            /// The text, of any length.
            #[serde(borrow)]
            text: Text<'a>,
            /// Milliseconds since 1970, by the author's clock. With the author it identifies the message.
            timestamp: u64,
        }

        /// A line of group chat as its author signed it, from whoever passes it on. A word of this node.
        SignedGroupChat<'a> {
            /// The Ed25519 public key of the author.
            ed25519: Hex32,
            /// The signature, 64 bytes in standard base64 with padding.
            #[serde(borrow)]
            signature: Text<'a>,
            /// What is signed: an array, as a string, of one `GroupChatMessage` and nothing else.
            #[serde(borrow)]
            payload_json: Text<'a>,
        }

        /// Which signed lines of group chat the sender has. A word of this node.
        HaveGroupChats<'a> {
            /// Each 16 hex digits: the first 8 bytes of the SHA-256 of the author's key and of what was
            /// signed.
            #[serde(borrow)]
            ids: List<Text<'a>>,
            /// Whether to say at once which of them the recipient has as well.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            confirm: Option<bool>,
        }

        /// Asks for signed lines of group chat. A word of this node.
        PleaseSendGroupChats<'a> {
            /// Which, as in `HaveGroupChats`.
            #[serde(borrow)]
            ids: List<Text<'a>>,
        }

        /// Asks for a part of a content.
        PleaseSendContent<'a> {
            /// 64 lower-case hex digits (SHA-256 of the content), or a name.
            #[serde(borrow)]
            id: Text<'a>,
            /// Where the part begins, in bytes.
            offset: u64,
            /// How long it is, in bytes. The wild asks for 4,096 at multiples of 4,096.
            length: u64,
        }

        /// A part of a content.
        Content<'a> {
            /// Which content.
            #[serde(borrow)]
            id: Text<'a>,
            /// Where the part begins, in bytes.
            offset: u64,
            /// The bytes, in standard base64 with padding.
            #[serde(borrow)]
            base64: Text<'a>,
            /// The size of the whole content in bytes, absent while unknown.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            eof: Option<u64>,
        }

        /// Asks for blocks of a content that lie in a row, each in a datagram of its own. A word of this node.
        PleaseSendBlocks<'a> {
            /// Which content, as in `PleaseSendContent`.
            #[serde(borrow)]
            id: Text<'a>,
            /// Where the first block begins, in bytes.
            offset: u64,
            /// How long the blocks are together, in bytes.
            length: u64,
            /// How long each block is, in bytes; the last may be shorter.
            block: u64,
            /// What each answer is to carry: any number below 2^32.
            run: u64,
        }

        /// One block out of those that were asked for. A word of this node.
        Block<'a> {
            /// The number in the question.
            run: u64,
            /// Where the block begins, in bytes.
            offset: u64,
            /// The bytes, in standard base64 with padding.
            #[serde(borrow)]
            base64: Base64<'a>,
        }

        /// Asks which pieces of a content somebody has. A word of this node.
        PleaseSendHoldings<'a> {
            /// Which content, as in `PleaseSendContent`.
            #[serde(borrow)]
            id: Text<'a>,
        }

        /// Which pieces of a content the sender has, and can vouch for. A word of this node.
        Holdings<'a> {
            /// Which content.
            #[serde(borrow)]
            id: Text<'a>,
            /// The size of the whole content in bytes, absent while unknown.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            eof: Option<u64>,
            /// A bit for each piece, in standard base64 with padding; absent if it is all of them.
            #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
            have: Option<Text<'a>>,
        }

        /// Which part of a signed stream the sender has. A word of this node.
        StreamHoldings<'a> {
            /// Which stream: `stream/`, the key of its owner, a slash, and its name.
            #[serde(borrow)]
            id: Text<'a>,
            /// Where it begins, in bytes: what was before is not kept any more.
            from: u64,
            /// Where it ends, in bytes, by now.
            to: u64,
            /// How long ago the sender heard the owner, in milliseconds; 0 if it is the owner.
            age: u64,
            /// The size of the whole stream in bytes, if it has ended.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            eof: Option<u64>,
        }

        /// Who else might have a content; sent by nodes that lack it, and now and then by those that do not.
        MaybeTheyHaveSome<'a> {
            /// Which content.
            #[serde(borrow)]
            id: Text<'a>,
            /// Each `ip:port`: hints.
            #[serde(borrow)]
            peers: List<Text<'a>>,
        }

        /// Asks what the node shares.
        PleaseListContent {}

        /// What the node shares.
        ContentList<'a> {
            /// Pairs of id and size in bytes.
            #[serde(borrow)]
            results: List<(Text<'a>, u64)>,
        }

        /// The sender has just seen this content.
        IJustSawThis<'a> {
            /// Which content.
            #[serde(borrow)]
            id: Text<'a>,
            /// Its size in bytes.
            length: u64,
        }

        /// The sender thinks that this content is worth a look.
        YouShouldSeeThis<'a> {
            /// Which content.
            #[serde(borrow)]
            id: Text<'a>,
            /// Its size in bytes.
            length: u64,
        }

        /// The sender says that this key is its own. By itself it proves nothing.
        MyPublicKey {
            /// An Ed25519 public key.
            ed25519h: Hex32,
        }

        /// Inside of a `SignedMessage`: it is meant for the holder of this key alone, and nobody else takes anything
        /// from it.
        MeantFor {
            /// An Ed25519 public key.
            ed25519h: Hex32,
        }

        /// An array of messages with the signature of whoever wrote it. It has one of the two payloads.
        SignedMessage<'a> {
            /// The Ed25519 public key of the signer.
            ed25519: Hex32,
            /// The signature, 64 bytes in standard base64 with padding.
            #[serde(borrow)]
            signature: Text<'a>,
            /// The array as a string, whose UTF-8 is what is signed.
            #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
            payload_json: Option<Text<'a>>,
            /// An older form: the array in standard base64 with padding; what is signed are the decoded bytes.
            #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
            payload: Option<Text<'a>>,
        }

        /// An array of messages that only the recipient can read, and that tells it who the sender is.
        EncryptedMessages<'a> {
            /// The first message of a Noise IK handshake, whose payload is the array, in standard base64 with padding.
            #[serde(borrow)]
            base64: Text<'a>,
            /// The protocol: `Noise_IK_25519_AESGCM_SHA256`.
            #[serde(borrow)]
            noise_params: Text<'a>,
        }

        /// An array of messages that only the sender and the recipient can read, or have written.
        FastEncryptedMessages<'a> {
            /// The nonce, 12 bytes in standard base64 with padding.
            #[serde(borrow)]
            nonce: Text<'a>,
            /// The Ed25519 public key of the sender.
            sender: Hex32,
            /// The array, encrypted with AES-256-GCM, and the tag of 16 bytes, in standard base64 with padding.
            #[serde(borrow)]
            ciphertext: Text<'a>,
        }

        /// Asks at which address the holder of a key is.
        WhereAreThey {
            /// An Ed25519 public key.
            ed25519h: Hex32,
        }

        /// Messages that came from somewhere else. As the answer to `WhereAreThey`, `messages` is a `MyPublicKey`.
        Forwarded<'a> {
            /// Where they came from, `ip:port`.
            #[serde(borrow)]
            src: Text<'a>,
            /// The Ed25519 public key that was proven by the envelope around them; `null` if there was none.
            from_ed25519: NullableHex32,
            /// The array of messages, as a string.
            #[serde(borrow)]
            messages: Text<'a>,
            /// Whether the datagram that brought them carried no token. In an answer it speaks of the asker.
            might_be_ip_spoofing: bool,
        }

        /// Asks for the newest version of a file of somebody.
        GetLatest<'a> {
            /// The Ed25519 public key of its owner.
            ed25519: Hex32,
            /// Its name, `index.html` for instance.
            #[serde(borrow)]
            name: Text<'a>,
        }

        /// Which content a name of somebody stands for. It counts only inside a `SignedMessage` of that key.
        Latest<'a> {
            /// The Ed25519 public key of its owner.
            ed25519: Hex32,
            /// Its name.
            #[serde(borrow)]
            name: Text<'a>,
            /// The SHA-256 of the content.
            sha256: Hex32,
            /// Which version; the highest counts.
            seq: u64,
        }

        /// Asks which messages the node understands.
        PleaseListSupportedMessages {}

        /// Which messages the node understands.
        SupportedMessages<'a> {
            /// A JSON Schema of its datagrams.
            #[serde(borrow)]
            schema: &'a RawValue,
        }
    }

    opaque {
        /// "Put this into whatever you send me from now on." What we send is `{"cookie":"<8 characters>"}`.
        PleaseAlwaysReturnThisMessage

        /// The payload of the peer's `PleaseAlwaysReturnThisMessage`: proof that the sender reads what is sent to its
        /// address.
        AlwaysReturned

        /// A round-trip probe: "send me this back, once, now."
        PleaseReturnThisMessage

        /// The payload of a `PleaseReturnThisMessage`, on its way home.
        ReturnedMessage
    }
}

/// A message that is not in the table.
#[derive(Clone, Debug)]
pub struct Unknown<'a> {
    /// Its key.
    pub name: Cow<'a, str>,
    /// Its payload, byte for byte.
    pub payload: &'a RawValue,
}
