//! Envelopes between us and code that shares nothing with ours: Python's `cryptography` and `noiseprotocol` open what
//! we make, and we open what they make. `scripts/test` installs them; where they are missing, nothing is looked at, and
//! that is said.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::disallowed_methods)] // another program is run

use cjp2p_node::identity::opening::{Kind, Opener};
use cjp2p_node::identity::replays::Replays;
use cjp2p_node::identity::{Identity, PublicKey};
use cjp2p_node::wire::decode;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use std::env;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The program in `tests/independent.py`, waiting for orders.
struct Others {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Others {
    /// `None` if its packages are not installed.
    fn start() -> Option<Others> {
        let python = env::var_os("PYTHON").unwrap_or_else(|| OsString::from("python3"));
        let mut look = Command::new(&python);
        look.args(["-c", "import cryptography, noise.connection"]).stderr(Stdio::null());
        if !look.status().expect("this test needs python3").success() {
            skip("the Python packages in tests/requirements.txt are not installed");
            return None;
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/independent.py");
        let mut child = Command::new(python).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (orders, answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Some(Others { child, orders, answers })
    }

    fn ask(&mut self, order: &Value) -> Value {
        writeln!(self.orders, "{order}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("they could not do it: {order}"))
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        // It may have ended already; either way it is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Says that nothing was looked at.
fn skip(why: &str) {
    let line = format!("{}: {why}\n", std::thread::current().name().unwrap_or("a test"));
    eprint!("skipped {line}");
    if let Some(path) = env::var_os("SKIPPED") {
        OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(line.as_bytes()).unwrap();
    }
}

/// A seed, and its text.
fn seed(n: u8) -> ([u8; 32], String) {
    let seed: [u8; 32] = std::array::from_fn(|at| (usize::from(n) * 37 + at * 11) as u8);
    (seed, seed.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Arrays of messages of several lengths, the longest as long as any that is made.
fn texts() -> Vec<String> {
    let long = |length: usize| format!(r#"[{{"ChatMessage":{{"message":"{}"}}}}]"#, "ü".repeat(length / 2));
    vec!["[]".to_owned(), long(4), long(1_000), long(4_096), long(40_000)]
}

#[test]
fn they_derive_the_same_keys_from_a_seed() {
    let Some(mut others) = Others::start() else { return };
    for n in 0..50 {
        let (bytes, text) = seed(n);
        let theirs = others.ask(&json!({"do": "public", "seed": text}));
        assert_eq!(theirs, Identity::from_seed(&bytes).public().to_string());
    }
}

#[test]
fn they_open_what_we_sign_and_encrypt() {
    let Some(mut others) = Others::start() else { return };
    for (n, text) in (0..).zip(texts()) {
        let ((ours, _), (theirs, their_seed)) = (seed(n), seed(n + 100));
        let (us, them) = (Identity::from_seed(&ours), Identity::from_seed(&theirs));
        for message in [us.sign(&text).unwrap(), us.sign_base64(&text).unwrap()] {
            assert_eq!(others.ask(&json!({"do": "open signed", "message": message})), text);
        }
        let message = us.seal(&them.public(), &text, [n + 1; 32]).unwrap();
        let order =
            json!({"do": "open sealed", "message": message, "seed": their_seed, "sender": us.public().to_string()});
        assert_eq!(others.ask(&order), text);
    }
}

#[test]
fn we_open_what_they_sign_and_encrypt() {
    let Some(mut others) = Others::start() else { return };
    let mut replays = Replays::new(&mut StdRng::seed_from_u64(7));
    for (n, text) in (0..).zip(texts()) {
        let ((ours, _), (theirs, their_seed)) = (seed(n), seed(n + 100));
        let (us, them) = (Identity::from_seed(&ours), Identity::from_seed(&theirs));
        let to = us.public().to_string();
        let nonce = format!("{n:024x}");
        for (order, kind) in [
            (json!({"do": "make signed", "seed": their_seed, "text": text, "is_old": false}), Kind::Signed),
            (json!({"do": "make signed", "seed": their_seed, "text": text, "is_old": true}), Kind::Signed),
            (json!({"do": "make sealed", "seed": their_seed, "text": text, "to": to}), Kind::Sealed),
            (json!({"do": "make fast", "seed": their_seed, "text": text, "to": to, "nonce": nonce}), Kind::Fast),
        ] {
            let datagram = json!([others.ask(&order)]).to_string();
            let decoded = decode(datagram.as_bytes()).unwrap();
            let known = |key| Some(them.public()).filter(|known: &PublicKey| known.exchange() == Ok(key));
            let mut opener = Opener { identity: &us, replays: &mut replays, known: &known, may_open: &mut |_| true };
            let opened = opener.open(&decoded.messages);
            assert_eq!(opened.refused, [], "{order}");
            let layer = &opened.layers[0];
            assert_eq!((layer.kind, layer.key, &*layer.text), (kind, them.public(), text.as_bytes()));
        }
    }
}
