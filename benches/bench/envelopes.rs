//! What envelopes cost: making them, opening them, and finding out that they are bogus. The limits in
//! `src/node/envelopes.rs` come from these figures.

use crate::stages::line;
use base64_simd::STANDARD;
use cjp2p_node::content::MemoryStore;
use cjp2p_node::identity::opening::Opener;
use cjp2p_node::identity::replays::Replays;
use cjp2p_node::identity::{Identity, PublicKey};
use cjp2p_node::node::Config;
use cjp2p_node::wire::messages::{FastEncryptedMessages, SignedMessage};
use cjp2p_node::wire::{Message, decode};
use cjp2p_node::{Node, Time};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::hint::black_box;

/// A text that fits a line of chat, and one as long as any that is put into an envelope.
const LENGTHS: [usize; 3] = [300, 4_000, 48_000];

/// Measures and prints.
pub fn measure() {
    println!("\n== envelopes, nanoseconds of processor time for each");
    let (us, them) = (Identity::from_seed(&[1; 32]), Identity::from_seed(&[2; 32]));
    for length in LENGTHS {
        measure_kinds(&us, &them, length);
    }
    measure_bogus(&us, &them);
    measure_flood();
}

fn datagram(message: Message<'_>) -> Vec<u8> {
    serde_json::to_vec(&[message]).unwrap()
}

/// Opens what is in a datagram as a node does that knows `known`, and whose memory is new each time.
fn open(us: &Identity, known: Option<PublicKey>, datagram: &[u8]) -> usize {
    let decoded = decode(datagram).unwrap();
    let mut replays = Replays::new(&mut StdRng::seed_from_u64(7));
    let known = |_| known;
    let mut opener = Opener { identity: us, replays: &mut replays, known: &known, may_open: &mut |_| true };
    opener.open(&decoded.messages).layers.len()
}

/// Measures the opening of a datagram, and that it is opened or not.
fn measure_open(us: &Identity, known: Option<PublicKey>, name: &str, datagram: &[u8], is_good: bool) {
    assert_eq!(open(us, known, datagram), usize::from(is_good), "{name}");
    line("open", name, datagram.len(), || _ = black_box(open(us, known, black_box(datagram))));
}

fn measure_kinds(us: &Identity, them: &Identity, length: usize) {
    let text = format!(r#"[{{"ChatMessage":{{"message":"{}"}}}}]"#, "x".repeat(length - 34));
    let of = |what: &str| format!("{what}, {length} bytes inside");
    line("make", &of("signed"), length, || _ = black_box(us.sign(black_box(&text))));
    line("make", &of("encrypted"), length, || _ = black_box(us.seal(&them.public(), black_box(&text), [7; 32])));
    let signed = datagram(Message::SignedMessage(them.sign(&text).unwrap()));
    measure_open(us, None, &of("signed"), &signed, true);
    let sealed = datagram(Message::EncryptedMessages(them.seal(&us.public(), &text, [7; 32]).unwrap()));
    measure_open(us, Some(them.public()), &of("encrypted"), &sealed, true);
}

/// What others may send us to cost us time.
fn measure_bogus(us: &Identity, them: &Identity) {
    for length in LENGTHS {
        let text = format!("[{}]", " ".repeat(length - 2));
        let of = |what: &str| format!("bogus: {what}, {length} bytes inside");
        let mut signed = them.sign(&text).unwrap();
        signed.signature = them.sign("[]").unwrap().signature;
        measure_open(us, None, &of("another signature"), &datagram(Message::SignedMessage(signed)), false);
        let mut sealed = them.seal(&us.public(), &text, [7; 32]).unwrap();
        let unknown = datagram(Message::EncryptedMessages(sealed.clone()));
        measure_open(us, None, &of("encrypted by an unknown key"), &unknown, false);
        sealed.base64 = STANDARD.encode_to_string(vec![0x55; length + 96]).into();
        measure_open(us, None, &of("random bytes"), &datagram(Message::EncryptedMessages(sealed)), false);
        let fast = FastEncryptedMessages {
            nonce: STANDARD.encode_to_string([7; 12]).into(),
            sender: them.public().hex(),
            ciphertext: STANDARD.encode_to_string(vec![0x55; length + 16]).into(),
        };
        measure_open(us, None, &of("random fast bytes"), &datagram(Message::FastEncryptedMessages(fast)), false);
    }
    let signed = SignedMessage { ed25519: cjp2p_node::wire::Hex32([7; 32]), ..them.sign("[]").unwrap() };
    measure_open(us, None, "bogus: no key", &datagram(Message::SignedMessage(signed)), false);
}

/// A datagram with an envelope that is not opened any more, because too many came.
fn measure_flood() {
    let now = Time::from_micros(1_000_000);
    let mut node = Node::new(Config::default(), [7; 32], now, MemoryStore::default());
    let (us, them) = (Identity::from_seed(&[1; 32]), Identity::from_seed(&[2; 32]));
    let bogus = datagram(Message::EncryptedMessages(them.seal(&us.public(), "[]", [7; 32]).unwrap()));
    let from = "198.51.100.7:40000".parse().unwrap();
    line("whole node", "an envelope too many", bogus.len(), || {
        node.handle_datagram(now, from, black_box(&bogus));
        while black_box(node.poll_transmit()).is_some() {}
    });
}
