//! Garbage: random bytes, valid datagrams mutated, and the inputs that nodes of this kind have died of.

use super::PHRASES;
use crate::models::{Io, Model};
use crate::rng::Rng;
use std::net::SocketAddr;
use std::time::Duration;

/// Sends garbage to everybody it knows of, and answers with garbage.
pub struct Garbage {
    targets: Vec<SocketAddr>,
    /// Sources it sometimes claims.
    masks: Vec<SocketAddr>,
    pace: Duration,
}

impl Garbage {
    pub fn new(targets: Vec<SocketAddr>, masks: Vec<SocketAddr>, pace: Duration) -> Garbage {
        Garbage { targets, masks, pace }
    }
}

impl Model for Garbage {
    fn on_wake(&mut self, io: &mut Io<'_>) {
        let to = io.rng.pick(&self.targets);
        let payload = garbage(io.rng);
        if !self.masks.is_empty() && io.rng.chance(200) {
            let mask = io.rng.pick(&self.masks);
            io.send_as(mask, to, payload);
        } else {
            io.send(to, payload);
        }
        io.wake_in(self.pace);
    }

    fn on_datagram(&mut self, io: &mut Io<'_>, from: SocketAddr, _to: SocketAddr, payload: &[u8]) {
        if io.rng.chance(500) {
            let mut answer = payload.to_vec();
            mutate(io.rng, &mut answer);
            io.send(from, answer);
        }
    }
}

fn garbage(rng: &mut Rng) -> Vec<u8> {
    match rng.below(4) {
        0 => {
            let length = rng.index(200);
            rng.bytes(length)
        }
        1 => {
            let all = deaths();
            all[rng.index(all.len())].clone()
        }
        _ => {
            let mut payload = rng.pick(PHRASES).as_bytes().to_vec();
            mutate(rng, &mut payload);
            payload
        }
    }
}

/// Changes a few places: bits, characters of the grammar, pieces doubled or cut out.
pub fn mutate(rng: &mut Rng, payload: &mut Vec<u8>) {
    for _ in 0..rng.between(1, 3) {
        let at = rng.index(payload.len() + 1);
        let end = at + rng.index(payload.len() - at + 1);
        match rng.below(5) {
            0 if at < payload.len() => payload[at] ^= 1 << rng.below(8),
            1 if at < payload.len() => payload[at] = rng.pick(b"[]{}\",:\\0-e\xff"),
            2 => _ = payload.drain(at..end),
            3 => {
                let piece = payload[at..end].to_vec();
                payload.splice(at..at, piece);
            }
            _ => payload.insert(at, rng.bits() as u8),
        }
    }
}

/// The inputs that nodes of this kind have died of, as far as plain datagrams can carry them.
pub fn deaths() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    let mut add = |payload: String| all.push(payload.into_bytes());
    let hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let long = "a".repeat(300);
    for id in [&*long, hash, "", "..", "../../etc/passwd", "latest/x", "a/b", "blake3/", "C:\\x", ".hidden", "\\u0000"]
    {
        for (offset, length) in [("18446744073709551615", "4096"), ("18446744073709551615", "18446744073709551615")] {
            add(format!(r#"[{{"PleaseSendContent":{{"id":"{id}","offset":{offset},"length":{length}}}}}]"#));
        }
        add(format!(r#"[{{"PleaseSendContent":{{"id":"{id}","offset":4097,"length":1}}}}]"#));
        add(format!(r#"[{{"PleaseSendContent":{{"id":"{id}","offset":0,"length":0}}}}]"#));
        for eof in ["4611686018427387904", "8796093022208", "0", "-1", "1e300", "null", "\"5\""] {
            add(format!(r#"[{{"Content":{{"id":"{id}","offset":8192,"base64":"AAAA","eof":{eof}}}}}]"#));
        }
        add(format!(r#"[{{"MaybeTheyHaveSome":{{"id":"{id}","peers":["x","1.2.3.4:5","[::]:1",7]}}}}]"#));
        add(format!(r#"[{{"IJustSawThis":{{"id":"{id}","length":4611686018427387904}}}}]"#));
    }
    for name in ["ReturnedMessage", "AlwaysReturned", "PleaseReturnThisMessage", "PleaseAlwaysReturnThisMessage"] {
        for cookie in
            ["-1", "1e308", "\"-5\"", "\"99999999999999999999\"", "\"\"", "null", "[1,[2]]", "{}", "true", "1e999"]
        {
            add(format!(r#"[{{"{name}":{{"cookie":{cookie}}}}},{{"PleaseSendPeers":{{}}}}]"#));
            add(format!(r#"[{{"{name}":{cookie}}},{{"PleaseSendPeers":{{}}}}]"#));
        }
        add(format!(r#"[{{"{name}":{{"cookie":"{}"}}}},{{"PleaseSendPeers":{{}}}}]"#, "c".repeat(50_000)));
        add(format!(r#"[{{"{name}":{}{}}}]"#, "[".repeat(31), "]".repeat(31)));
    }
    shapes(&mut add);
    all.push(vec![0xff; 65_507]);
    all.push(vec![b'['; 65_507]);
    all.push(b"[\"\xff\"]".to_vec());
    all
}

fn shapes(add: &mut impl FnMut(String)) {
    add(format!("{}{}", "[".repeat(10_000), "]".repeat(10_000)));
    add(format!(r#"[{{"Deep":{}{}}}]"#, "[".repeat(40), "]".repeat(40)));
    add(format!("[{}0]", "0,".repeat(20_000)));
    add(format!(r#"[{}{{"PleaseSendPeers":{{}}}}]"#, r#"{"PleaseSendPeers":{}},"#.repeat(2_000)));
    add(format!(r#"[{}{{"X":{{}}}}]"#, r#"{"PleaseReturnThisMessage":{}},"#.repeat(1_000)));
    add(format!(r#"[{}{{"X":{{}}}}]"#, r#"{"PleaseAlwaysReturnThisMessage":{}},"#.repeat(500)));
    let many: Vec<_> = (0..2_500).map(|n| format!("\"44.{}.{}.9:24254\"", n / 256, n % 256)).collect();
    add(format!(r#"[{{"Peers":{{"peers":[{}]}}}}]"#, many.join(",")));
    add(format!(r#"[{{"Peers":{{"peers":[{}1]}}}}]"#, "1,null,{},[],\"x\",".repeat(1_000)));
    add(format!(r#"[{{"ChatMessage":{{"message":"{}"}}}}]"#, "\\u202e\\u0007".repeat(4_000)));
    for text in [
        "",
        "{}",
        "[",
        "null",
        "\"\"",
        "[]]",
        "[{}]",
        "[[]]",
        "[null]",
        r#"[{"":{}}]"#,
        r#"[{"A":{},"B":{}}]"#,
        r#"[{"PleaseSendPeers":{},"PleaseSendPeers":{}}]"#,
        r#"[{"PleaseSend\u0050eers":{}}]"#,
        r#"[{"\ud800":{}},{"PleaseSendPeers":{}}]"#,
        r#"[{"PleaseSendPeers":[]}]"#,
        r#"[{"PleaseSendPeers":null}]"#,
        r#"[{"Peers":{"peers":{}}}]"#,
        r#"[{"Peers":{}}]"#,
        r#"[{"ChatMessage":{"message":"\ud83d"}}]"#,
        r#"[{"ChatMessage":{"message":5}}]"#,
        r#"[{"ContentList":{"results":[["x",-1],["y",1e9],[1,2,3]]}}]"#,
        r#"[{"GroupChatMessage":{"group_name":"","text":"","timestamp":18446744073709551615}}]"#,
        r#"[{"GroupChatMessage":{"group_name":"main","text":"x","timestamp":-1}}]"#,
        r#"[{"SupportedMessages":{"schema":7}}]"#,
    ] {
        add(text.to_owned());
    }
}
