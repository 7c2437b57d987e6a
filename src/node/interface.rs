//! What goes into the [`Node`](super::Node) and what comes out, besides datagrams.

use super::Undelivered;
use super::chat::CHAT_MAX_BYTES;
use crate::content::{ContentId, SharedFile};
use crate::gossip::AuthorMemory;
use crate::identity::{Identity, PublicKey};
use crate::peers::address::NAMED_PORT_MIN;
use crate::stream::follow::From;
use crate::stream::{BadName, StreamId};
use crate::titles::{Title, Version};
use crate::transfer::{Failure, Held};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// What a node is told once, at its birth.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Addresses named by the user or built in; tried again, ever more seldom, for as long as the node runs.
    pub contacts: Vec<SocketAddr>,
    /// Addresses that an earlier run verified; tried like `contacts`, and kept for the next run until they have failed.
    pub remembered: Vec<SocketAddr>,
    /// Whether to look for neighbours on the local network.
    pub lan: bool,
    /// How many bytes are sent a second at most in answer to questions about contents, headers included, whoever asks;
    /// `None` for as many as are asked for. Each host has the same share, and all strangers together have one.
    pub upload_limit: Option<u64>,
    /// How many bytes of contents are asked for a second at most, headers included, of all sources and for all contents
    /// together; `None` for as many as come. Asking who has a content is not counted.
    pub download_limit: Option<u64>,
    /// Whether questions in our own words about contents are ignored, as nodes ignore them that do not know these
    /// words: then contents leave in blocks of 4,096 bytes, each in a datagram that is sent alone. For measurements and
    /// tests.
    pub is_common: bool,
    /// Whether nobody sees what the node is told, because it runs for a moment only and for something else. Then no
    /// private line is confirmed, so that it is sent again to the node that comes after this one, and no line of a
    /// group counts as shown; these are passed on as ever.
    pub is_deaf: bool,
    /// The key by which others know the node; `None` for one that derives from the seed of its randomness.
    pub identity: Option<Identity>,
    /// What an earlier run remembered of group chat, as [`Event::SaveGroup`] said.
    pub group: GroupMemory,
    /// Whether the caller says [`Command::GroupSaved`] when what [`Event::SaveGroup`] asks for is kept. Then no line of
    /// ours leaves before the time that it is dated by is, so that no crash and no clock makes us use one twice.
    pub saves_group: bool,
    /// What `/version` is answered with, for instance `cjp2p-node 0.1.0`.
    pub version: String,
}

/// What is remembered of group chat from run to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupMemory {
    /// No line of ours was dated later, in milliseconds since 1970; zero if there was none.
    pub said_until: u64,
    /// Who has written lines, and which of them were shown.
    pub authors: Vec<AuthorMemory>,
}

/// Where a datagram goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Destination {
    /// One address.
    Address(SocketAddr),
    /// Whoever listens on the conventional port in the local networks: the broadcast address of each IPv4 interface,
    /// 224.0.0.1, and ff02::1 on each IPv6 interface.
    Lan,
}

/// A datagram that wants to be sent, from the socket that also receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Where to.
    pub to: Destination,
    /// The whole payload.
    pub payload: Vec<u8>,
}

/// What local applications and the event loop ask of the node.
#[derive(Clone, Debug)]
pub enum Command {
    /// Make contact with this address, as with [`Config::contacts`].
    AddPeer(SocketAddr),
    /// Send a line of text to a verified peer.
    Chat {
        /// The peer.
        to: SocketAddr,
        /// The line.
        text: String,
    },
    /// Send a line of text to the holder of a key, encrypted, and again until it has arrived or is given up: answered
    /// by [`Event::Delivered`] or [`Event::Undelivered`].
    PrivateChat {
        /// The key.
        to: PublicKey,
        /// The line.
        text: String,
        /// By which the answer names it.
        number: u64,
    },
    /// Sign a line of text and send it to all neighbours, who pass it on.
    GroupChat {
        /// The group, `main` by default.
        group: String,
        /// The line.
        text: String,
        /// Milliseconds since 1970. The line is dated so, or later if an earlier one was.
        unix_ms: u64,
    },
    /// Measure the round trip to a verified peer; answered by [`Event::RoundTrip`].
    Ping(SocketAddr),
    /// Show no more chat from this IP address, or from the whole /64 of a global IPv6 address, because that is
    /// what one customer has.
    Ignore(IpAddr),
    /// Show chat from there again.
    Heed(IpAddr),
    /// Show no more lines that are proven to be by this author, and pass on none of group chat.
    IgnoreAuthor(PublicKey),
    /// Do so again.
    HeedAuthor(PublicKey),
    /// What [`Event::SaveGroup`] said is kept, up to this [`GroupMemory::said_until`].
    GroupSaved(u64),
    /// What the clock on the wall says, in milliseconds since 1970: at the start, and now and then. By it old lines of
    /// group chat are told from new ones; without it none is too old.
    TimeOfDay(u64),
    /// The machine woke up or its addresses changed: verify the neighbours at once.
    NetworkChanged,
    /// This datagram could not be sent at all (no route, no network): if it was an attempt to make contact, it does not
    /// count.
    Unsent(Transmit),
    /// A file in the public folder has been hashed (again): serve it.
    Share(SharedFile),
    /// The file of this name is gone: serve it no more.
    Unshare(String),
    /// Fetch a content.
    Fetch {
        /// Which.
        id: ContentId,
        /// What is there of it from an earlier attempt.
        held: Held,
        /// For how long nothing may arrive before it is given up.
        patience: Duration,
    },
    /// Something about streams.
    Stream(StreamCommand),
    /// Ask some peers what they share; see [`Node::recommended`](super::Node::recommended).
    AskForLists,
    /// Stop fetching a content; what is there is kept.
    StopFetching(ContentId),
    /// Publish this version of ours; or stop speaking of it, and remember its number.
    Publish {
        /// The version.
        version: Box<Version>,
        /// Whether its name is published no longer.
        is_withdrawn: bool,
    },
    /// Others have told us this version of our own in an earlier run.
    Recall(Box<Version>),
    /// Keep a title up to date: ask for it again and again, and say [`Event::NewVersion`].
    Follow {
        /// Which.
        title: Title,
        /// The newest version of it in an earlier run.
        version: Option<Box<Version>>,
    },
    /// Keep it up to date no longer.
    Unfollow(Title),
    /// Look for the newest version of a title; answered by [`Event::Sought`].
    Seek {
        /// Which.
        title: Title,
        /// For how long to wait for a first answer.
        patience: Duration,
    },
    /// What [`Event::Settle`] asked for has been done.
    Settled {
        /// Which content.
        id: ContentId,
        /// Whether it is what its id says, or why it could not be made to last.
        outcome: Result<bool, Failure>,
    },
}

/// What the node can do about signed streams.
#[derive(Clone, Debug)]
pub enum StreamCommand {
    /// Begin a stream of our own with this name. Whoever says so sees to it that the name is used once: the node does
    /// not know what it has signed in an earlier life.
    Begin(String),
    /// Append bytes to it, at most [`APPEND_MAX_BYTES`](super::APPEND_MAX_BYTES) of them.
    Append(String, Vec<u8>),
    /// It has ended.
    End(String),
    /// Follow a stream; it is read with [`Node::read_stream`](super::Node::read_stream).
    Follow {
        /// Which.
        id: StreamId,
        /// Where to begin.
        from: From,
        /// How long nobody may be heard who has it before it is given up.
        patience: Duration,
    },
    /// Somebody follows it no longer; nor does the node if nobody reads on. What is there is passed on for a while.
    Unfollow(StreamId),
}

/// What the node tells local applications and the event loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// This address returned our token for the first time since it was last forgotten.
    PeerVerified(SocketAddr),
    /// Somebody wrote to us. The text is as it came, cut to a bounded length: not safe for a terminal.
    Chat {
        /// A verified address.
        from: SocketAddr,
        /// The key of whoever signed or encrypted the line, if anybody did.
        key: Option<PublicKey>,
        /// The line.
        text: String,
    },
    /// Somebody wrote to us in private: encrypted, by the holder of this key. Reported once, and as unsafe for a
    /// terminal as `Chat`.
    PrivateChat {
        /// Whose it is.
        key: PublicKey,
        /// The verified address it came from.
        from: SocketAddr,
        /// The line.
        text: String,
    },
    /// A [`Command::PrivateChat`] has arrived: the recipient's node has opened it.
    Delivered {
        /// Its number.
        number: u64,
        /// The recipient.
        to: PublicKey,
        /// The line.
        text: String,
    },
    /// A [`Command::PrivateChat`] was given up.
    Undelivered {
        /// Its number.
        number: u64,
        /// The recipient.
        to: PublicKey,
        /// The line.
        text: String,
        /// Why.
        why: Undelivered,
    },
    /// Somebody wrote to a group; reported once. As unsafe for a terminal as `Chat`.
    GroupChat {
        /// The verified address it came from: of whoever passed it on, if it is signed.
        from: SocketAddr,
        /// The key of its author, if it was signed or encrypted. Without it anybody may have made it up.
        key: Option<PublicKey>,
        /// The group.
        group: String,
        /// The line.
        text: String,
        /// Milliseconds since 1970, by the author's clock.
        unix_ms: u64,
    },
    /// How many neighbours have confirmed a line of ours a few seconds after it was said, of how many.
    GroupChatTaken {
        /// Those who have.
        taken_by: usize,
        /// All.
        of: usize,
    },
    /// Save this, to be given to the next run as [`Config::group`]; then say [`Command::GroupSaved`].
    SaveGroup(Box<GroupMemory>),
    /// A probe came home.
    RoundTrip {
        /// The peer.
        from: SocketAddr,
        /// The time between the probe and its return.
        round_trip: Duration,
    },
    /// A message that the node does not know; its payload byte for byte.
    Unknown {
        /// Where it came from.
        from: SocketAddr,
        /// Whether the datagram carried our token for that address.
        is_verified: bool,
        /// The key.
        name: String,
        /// The JSON text of the payload.
        payload: String,
    },
    /// The table is worth saving: these addresses, best first.
    SavePeers(Vec<SocketAddr>),
    /// A shared file is not what it was when it was hashed: hash it again.
    FileChanged(String),
    /// All of a content is there: check it as a whole if its id is a SHA-256, make it last, and say
    /// [`Command::Settled`].
    Settle {
        /// Which content.
        id: ContentId,
        /// Its size in bytes.
        size: u64,
    },
    /// Of a title that is kept up to date, or of one of ours, others have told us a newer version.
    NewVersion(Title),
    /// A search is over; [`Node::version`](super::Node::version) says what it found.
    Sought {
        /// For what.
        title: Title,
        /// Whether a version is known.
        is_found: bool,
    },
    /// A content has been fetched and made to last.
    Fetched(ContentId),
    /// A content will not come; what is there is kept.
    FetchFailed {
        /// Which content.
        id: ContentId,
        /// Why.
        why: Failure,
    },
}

/// Why a command could not be carried out. Nothing was sent and nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// The address has not returned our token, so what we send it could be an attack on somebody.
    NotVerified(SocketAddr),
    /// The address can be nobody's: unspecified, multicast, broadcast, or a port below 1024.
    NotAnAddress(SocketAddr),
    /// There is no verified peer to send to.
    NobodyInReach,
    /// A line of text or a group name is empty or too long for one datagram.
    BadText,
    /// Others would not hear this line: they listen to so many lines of one author and no more.
    TooFast,
    /// A private message to our own key.
    ToOneself,
    /// So much waits to be delivered that nothing more can.
    TooMuchWaiting,
    /// A table is full.
    Full,
    /// This content is not being fetched.
    NotFetching,
    /// This title is not kept up to date.
    NotFollowed,
    /// What we publish is signed with our own key.
    OthersKey,
    /// A stream cannot be called that.
    BadStreamName(BadName),
    /// There is a stream of ours with this name already.
    StreamExists,
    /// There is no such stream of ours, or it has ended.
    NoStream,
    /// More is to be appended than is appended at once.
    TooMuch,
    /// The stream is not followed.
    NotFollowing,
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotVerified(address) => write!(f, "{address} is not a verified peer (yet); /add it first"),
            Self::NotAnAddress(address) => write!(
                f,
                "{address} cannot be the address of a peer: one host, and a port from {NAMED_PORT_MIN} on, are needed"
            ),
            Self::NobodyInReach => f.write_str("no verified peer is in reach yet"),
            Self::BadText => write!(f, "not sent: a text has 1 to {CHAT_MAX_BYTES} bytes, and fits one datagram"),
            Self::TooFast => f.write_str("not sent: four lines at once, then one a second, is what others hear"),
            Self::ToOneself => f.write_str("not sent: that is the key of this node"),
            Self::TooMuchWaiting => {
                f.write_str("not sent: too much waits already to be delivered; try again when some of it has been")
            }
            Self::Full => f.write_str("the table for that is full"),
            Self::NotFollowed => f.write_str("that is not kept up to date"),
            Self::OthersKey => f.write_str("that is signed with another key than that of this node"),
            Self::NotFetching => f.write_str("that is not being fetched"),
            Self::BadStreamName(why) => why.fmt(f),
            Self::StreamExists => f.write_str("there is a stream of that name already"),
            Self::NoStream => f.write_str("there is no such stream, or it has ended"),
            Self::TooMuch => f.write_str("that is more than is appended at once"),
            Self::NotFollowing => f.write_str("that stream is not followed"),
        }
    }
}

impl std::error::Error for CommandError {}

/// One verified peer, as shown to the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerInfo {
    /// Its address.
    pub address: SocketAddr,
    /// How long ago it was last heard.
    pub heard_ago: Duration,
    /// The smoothed round-trip time, once measured.
    pub round_trip: Option<Duration>,
    /// Whether we keep the path to it open.
    pub is_neighbour: bool,
}
