//! Opening what is in a datagram: envelopes, and envelopes in envelopes, until there are only messages.
//!
//! Each that could be opened becomes a [`Layer`], whose text is an array of messages of somebody who is proven. What
//! one cannot open costs the sender this envelope and nothing else. The limits are here; how much may be spent on
//! strangers is the caller's decision, who is asked before each.

use super::replays::Replays;
use super::{ExchangeKey, Identity, PublicKey, Refused};
use crate::wire::messages::{EncryptedMessages, FastEncryptedMessages, SignedMessage};
use crate::wire::{Hex32, Message, decode};

/// How deep envelopes may be nested. The wild puts what is signed into what is encrypted; a signed block of a stream
/// that a page signs once more makes three.
pub const NESTING_MAX: usize = 3;

/// How many envelopes of one datagram are opened. The wild sends one or two, and one more in each; the smallest signed
/// one has 210 bytes, so that a datagram could hold hundreds.
pub const ENVELOPES_MAX: usize = 8;

/// How many claims in a datagram about keys are looked at to find out whose an encrypted envelope is. The wild makes
/// one.
pub const CLAIMS_MAX: usize = 4;

/// What kind of envelope something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `SignedMessage`: by its signer, for everybody.
    Signed,
    /// `EncryptedMessages`: by its sender, for us.
    Sealed,
    /// `FastEncryptedMessages`: by its sender, for us.
    Fast,
}

/// An envelope that was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// What it was.
    pub kind: Kind,
    /// Whose it is, proven.
    pub key: PublicKey,
    /// Which layer it was in; `None` if it was in the datagram itself.
    pub outer: Option<usize>,
    /// The array of messages, which can be decoded like a datagram.
    pub text: Vec<u8>,
    /// The signature of the array, if it was signed: with it the envelope can be passed on.
    pub signature: Option<[u8; 64]>,
    /// How many envelopes it took to get here, itself included.
    depth: usize,
}

/// Whose an envelope is, the array in it, and its signature if it has one.
type Contents = (PublicKey, Vec<u8>, Option<[u8; 64]>);

/// What came out of a datagram.
#[derive(Debug, Default)]
pub struct Opened {
    /// The envelopes that were opened, each behind the one that it was in.
    pub layers: Vec<Layer>,
    /// Those that were not, in the order in which they were met.
    pub refused: Vec<(Kind, Refused)>,
}

/// What is needed for opening.
pub struct Opener<'a> {
    /// Our own key.
    pub identity: &'a Identity,
    /// What was opened before.
    pub replays: &'a mut Replays,
    /// Which proven Ed25519 key has this X25519 form, if one is known.
    pub known: &'a dyn Fn(ExchangeKey) -> Option<PublicKey>,
    /// Whether an envelope of this kind is worth its cost, asked before each that is well-formed enough to be counted.
    pub may_open: &'a mut dyn FnMut(Kind) -> bool,
}

impl Opener<'_> {
    /// Opens the envelopes among the messages of a datagram.
    pub fn open(&mut self, messages: &[Message<'_>]) -> Opened {
        let mut opened = Opened::default();
        self.open_all(messages, None, &mut opened);
        let mut next = 0;
        while let Some(layer) = opened.layers.get_mut(next) {
            let text = std::mem::take(&mut layer.text);
            // What is no array has been refused when it was opened.
            if let Ok(decoded) = decode(&text) {
                self.open_all(&decoded.messages, Some(next), &mut opened);
            }
            if let Some(layer) = opened.layers.get_mut(next) {
                layer.text = text;
            }
            next += 1;
        }
        opened
    }

    /// Opens the envelopes of one layer, or of the datagram.
    fn open_all(&mut self, messages: &[Message<'_>], outer: Option<usize>, opened: &mut Opened) {
        let depth = outer.and_then(|outer| opened.layers.get(outer)).map_or(0, |layer| layer.depth) + 1;
        for message in messages {
            let kind = match message {
                Message::SignedMessage(_) => Kind::Signed,
                Message::EncryptedMessages(_) => Kind::Sealed,
                Message::FastEncryptedMessages(_) => Kind::Fast,
                _ => continue,
            };
            let result = if opened.layers.len() + opened.refused.len() >= ENVELOPES_MAX {
                Err(Refused::TooMany)
            } else if depth > NESTING_MAX {
                Err(Refused::TooDeep)
            } else if !(self.may_open)(kind) {
                Err(Refused::TooCostly)
            } else {
                self.open_one(message, messages)
            };
            match result {
                Ok((key, text, signature)) => {
                    opened.layers.push(Layer { kind, key, outer, text, signature, depth });
                }
                // Of those that are too many one is enough to be told.
                Err(Refused::TooMany) if opened.refused.iter().any(|(_, why)| *why == Refused::TooMany) => {}
                Err(why) => opened.refused.push((kind, why)),
            }
        }
    }

    /// Opens one of `messages`, whose text has to be an array.
    fn open_one(&mut self, message: &Message<'_>, messages: &[Message<'_>]) -> Result<Contents, Refused> {
        let contents = match message {
            Message::SignedMessage(signed) => self.open_signed(signed)?,
            Message::EncryptedMessages(sealed) => self.open_sealed(sealed, messages)?,
            Message::FastEncryptedMessages(fast) => self.open_fast(fast)?,
            _ => return Err(Refused::Malformed),
        };
        decode(&contents.1).map_err(|_| Refused::NoMessages)?;
        Ok(contents)
    }

    fn open_signed(&self, message: &SignedMessage<'_>) -> Result<Contents, Refused> {
        // What we signed, we know; whoever shows it to us proves nothing.
        if message.ed25519 == self.identity.public().hex() {
            return Err(Refused::OwnKey);
        }
        let signed = super::signed::open(message)?;
        Ok((signed.signer, signed.text.into_owned(), Some(signed.signature)))
    }

    fn open_fast(&mut self, message: &FastEncryptedMessages<'_>) -> Result<Contents, Refused> {
        let fast = self.identity.open_fast(message)?;
        if !self.replays.is_new(fast.sender.bytes(), &fast.nonce) {
            return Err(Refused::Repeated);
        }
        Ok((fast.sender, fast.text, None))
    }

    fn open_sealed(&mut self, message: &EncryptedMessages<'_>, beside: &[Message<'_>]) -> Result<Contents, Refused> {
        let sealed = self.identity.open_sealed(message)?;
        // Whether it comes again is asked before whose it is, or finding that out would have to be paid for each time.
        if !self.replays.is_new(&sealed.sender.0, &sealed.ephemeral) {
            return Err(Refused::Repeated);
        }
        let key = (self.known)(sealed.sender).filter(|key| key.exchange() == Ok(sealed.sender));
        // The sender's own word comes first: what stands beside the envelope anybody can have put there.
        let key = key.or_else(|| claimed(&decode(&sealed.text).ok()?.messages, sealed.sender));
        let key = key.or_else(|| claimed(beside, sealed.sender)).ok_or(Refused::UnknownSender)?;
        Ok((key, sealed.text, None))
    }
}

/// The key that somebody claims among these messages and that has this X25519 form.
fn claimed(messages: &[Message<'_>], sender: ExchangeKey) -> Option<PublicKey> {
    let claims = messages.iter().filter_map(|message| match message {
        Message::MyPublicKey(claim) => Some(claim.ed25519h),
        _ => None,
    });
    let usable = |Hex32(bytes): Hex32| PublicKey::new(&bytes).ok();
    claims.take(CLAIMS_MAX).filter_map(usable).find(|key| key.exchange() == Ok(sender))
}
