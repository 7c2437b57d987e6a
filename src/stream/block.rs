//! One block of a stream: bytes, and the signature under which they travel.
//!
//! It is passed on exactly as its owner signed it. Nearly always that is the one form in which we would write it, which
//! can be written again from the bytes; where it is not, the text is kept beside them. It refuses blocks that are not
//! where blocks begin, that are too long, or whose words contradict each other.

use super::{BLOCK_BYTES, LENGTH_MAX, StreamId, index};
use crate::identity::{Identity, Refused, signed};
use crate::wire::messages::{Content, SignedMessage};
use crate::wire::{DATAGRAM_SEND_MAX_BYTES, Message, decode};
use base64_simd::STANDARD;

/// A block with its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    pub(super) bytes: Vec<u8>,
    /// Whether the stream ends with it.
    pub(super) is_last: bool,
    /// In base64, as it travels.
    signature: Box<str>,
    /// What was signed, if it is not written as we write it.
    text: Option<Box<str>>,
}

/// What somebody says is a block, before anybody has checked whose it is.
#[derive(Debug)]
pub struct Claim {
    /// Which block it would be.
    pub index: u64,
    block: Block,
}

impl Claim {
    /// Where it would end, and whether the stream would end there.
    pub fn end(&self) -> (u64, bool) {
        (self.index * BLOCK_BYTES + self.block.bytes.len() as u64, self.block.is_last)
    }

    /// The block, if the owner of the stream has signed it.
    ///
    /// # Errors
    /// Why it is none.
    pub fn check(self, message: &SignedMessage<'_>) -> Result<Block, Refused> {
        signed::open(message).map(|_| self.block)
    }
}

impl Block {
    /// Signs a block of our own stream. `None` if that cannot be: there are more bytes than a block has, or it would be
    /// beyond the longest stream.
    pub fn sign(identity: &Identity, id: &StreamId, index: u64, bytes: &[u8], is_last: bool) -> Option<Block> {
        let offset = index.checked_mul(BLOCK_BYTES).filter(|offset| *offset < LENGTH_MAX)?;
        if bytes.len() as u64 > BLOCK_BYTES || id.key() != identity.public() {
            return None;
        }
        let text = payload(id, offset, bytes, is_last);
        let signature = identity.sign(&text).ok()?.signature.to_string().into_boxed_str();
        Some(Block { bytes: bytes.to_vec(), is_last, signature, text: None })
    }

    /// Reads what a message of the owner's key says to be a block of a stream; the signature is not looked at, because
    /// that is what costs. `None` if it says no such thing.
    pub fn claim(id: &StreamId, message: &SignedMessage<'_>) -> Option<Claim> {
        let (Some(text), None) = (&message.payload_json, &message.payload) else { return None };
        if message.ed25519 != id.key().hex() || text.len() > DATAGRAM_SEND_MAX_BYTES {
            return None;
        }
        let decoded = decode(text.as_bytes()).ok()?;
        let [Message::Content(content)] = &decoded.messages[..] else { return None };
        let bytes = STANDARD.decode_to_vec(content.base64.as_bytes()).ok()?;
        let end = content.offset.checked_add(bytes.len() as u64).filter(|end| *end <= LENGTH_MAX)?;
        let is_sound = &*content.id == id.as_str()
            && content.offset % BLOCK_BYTES == 0
            && content.offset < LENGTH_MAX
            && bytes.len() as u64 <= BLOCK_BYTES
            && decoded.malformed == 0;
        // A block that is not the last may speak of the end only if it is not behind it.
        let has_sense = content.eof.is_none_or(|eof| eof >= end && (eof == end || bytes.len() as u64 == BLOCK_BYTES));
        if !is_sound || !has_sense {
            return None;
        }
        let is_last = content.eof == Some(end);
        let is_ours = payload(id, content.offset, &bytes, is_last) == **text;
        let block =
            Block { bytes, is_last, signature: (*message.signature).into(), text: (!is_ours).then(|| (**text).into()) };
        Some(Claim { index: index(content.offset), block })
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether the stream ends with it.
    pub fn is_last(&self) -> bool {
        self.is_last
    }

    /// Whether nothing can be appended to it.
    pub fn is_complete(&self) -> bool {
        self.is_last || self.bytes.len() as u64 == BLOCK_BYTES
    }

    /// The message in which it travels, as its owner made it.
    pub fn message(&self, id: &StreamId, index: u64) -> Message<'_> {
        let text = match &self.text {
            Some(text) => (**text).into(),
            None => payload(id, index * BLOCK_BYTES, &self.bytes, self.is_last).into(),
        };
        Message::SignedMessage(SignedMessage {
            ed25519: id.key().hex(),
            signature: (*self.signature).into(),
            payload_json: Some(text),
            payload: None,
        })
    }

    /// How much memory it takes, in bytes.
    pub(super) fn weight(&self) -> usize {
        size_of::<Option<Block>>()
            + self.bytes.len()
            + self.signature.len()
            + self.text.as_ref().map_or(0, |text| text.len())
    }
}

/// What is signed of a block, as we write it.
fn payload(id: &StreamId, offset: u64, bytes: &[u8], is_last: bool) -> String {
    let content = Content {
        id: id.as_str().into(),
        offset,
        base64: STANDARD.encode_to_string(bytes).into(),
        eof: is_last.then_some(offset + bytes.len() as u64),
    };
    serde_json::to_string(&[Message::Content(content)]).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::NAME_MAX_BYTES;
    use crate::wire::encode::Writer;

    fn owner() -> Identity {
        Identity::from_seed(&[7; 32])
    }

    fn id(name: &str) -> StreamId {
        StreamId::new(owner().public(), name).unwrap()
    }

    fn signed(text: &str) -> SignedMessage<'_> {
        owner().sign(text).unwrap()
    }

    fn unpack<'a>(message: &'a Message<'a>) -> &'a SignedMessage<'a> {
        let Message::SignedMessage(message) = message else { panic!() };
        message
    }

    #[test]
    fn what_is_signed_is_read_and_passed_on_byte_for_byte() {
        let id = id("a/b c");
        for (index, bytes, is_last) in [(0, &b"hello"[..], false), (3, &[7; 4_096], false), (9, &[], true)] {
            let block = Block::sign(&owner(), &id, index, bytes, is_last).unwrap();
            let message = block.message(&id, index);
            let claim = Block::claim(&id, unpack(&message)).unwrap();
            assert_eq!((claim.index, claim.end()), (index, (index * 4_096 + bytes.len() as u64, is_last)));
            assert_eq!(claim.check(unpack(&message)), Ok(block.clone()));
        }
        // Another order of the fields, and one that nobody knows.
        let text = format!(r#"[{{"Content":{{"base64":"aGk=","x":1,"offset":4096,"id":"{}"}}}}]"#, id.as_str());
        let claim = Block::claim(&id, &signed(&text)).unwrap();
        let block = claim.check(&signed(&text)).unwrap();
        assert_eq!(block.bytes(), b"hi");
        assert_eq!(unpack(&block.message(&id, 1)).payload_json.as_deref(), Some(&*text));
    }

    #[test]
    fn a_full_block_with_the_longest_name_fits_a_datagram_wherever_it_lies() {
        let id = StreamId::own(owner().public(), &"ü".repeat(NAME_MAX_BYTES / 2)).unwrap();
        let index = (LENGTH_MAX - 1) / BLOCK_BYTES;
        // A stream that ends with a full block ends with an empty one behind it, so a full one of ours never says so.
        let block = Block::sign(&owner(), &id, index, &[0xff; 4_096], false).unwrap();
        let mut writer = Writer::default();
        assert!(writer.push(&block.message(&id, index), DATAGRAM_SEND_MAX_BYTES));
        let length = writer.take().len();
        assert_eq!(length, 5_464 + 362 + NAME_MAX_BYTES);
    }

    #[test]
    fn what_is_no_block_is_refused() {
        let id = id("x");
        let content = |rest: &str| format!(r#"[{{"Content":{{"id":"{}",{rest}}}}}]"#, id.as_str());
        let full = STANDARD.encode_to_string([0; 4_096]);
        for text in [
            content(r#""offset":1,"base64":"aGk=""#),
            content(r#""offset":0,"base64":"aGk""#),
            content(r#""offset":0,"base64":"aGk=","eof":1"#),
            content(r#""offset":0,"base64":"aGk=","eof":3"#),
            content(&format!(r#""offset":4096,"base64":"{full}","eof":4096"#)),
            content(&format!(r#""offset":0,"base64":"{}""#, STANDARD.encode_to_string([0; 4_097]))),
            content(&format!(r#""offset":{},"base64":"""#, u64::MAX - 4_095)),
            content(&format!(r#""offset":{LENGTH_MAX},"base64":"""#)),
            content(r#""offset":0,"base64":"aGk=""#).replace("/x", "/y"),
            "[]".to_owned(),
            "{}".to_owned(),
            format!("[{},{}]", &content(r#""offset":0,"base64":"""#).trim_matches(['[', ']']), "{}"),
        ] {
            assert!(Block::claim(&id, &signed(&text)).is_none(), "{text}");
        }
        let text = content(&format!(r#""offset":0,"base64":"{full}","eof":9000"#));
        assert!(!Block::claim(&id, &signed(&text)).unwrap().end().1);
        let other = Identity::from_seed(&[8; 32]);
        let text = content(r#""offset":0,"base64":"aGk=""#);
        assert!(Block::claim(&id, &other.sign(&text).unwrap()).is_none());
        let mut forged = signed(&text);
        let changed = text.replace("aGk=", "aGo=");
        forged.payload_json = Some(changed.as_str().into());
        let claim = Block::claim(&id, &forged).unwrap();
        assert_eq!(claim.check(&forged), Err(Refused::BadSignature));
    }
}
