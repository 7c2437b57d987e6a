//! An asker of the wild: blocks of 4,096 bytes in the common words, which a node has to serve over any link. Unlike the
//! [plain](crate::plain) one it returns the node's token, without which it would get little.

use crate::plain::BLOCK_BYTES;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs::File;
use std::net::UdpSocket;
use std::os::unix::fs::FileExt;
use std::time::Duration;

/// Questions on their way.
const WINDOW: usize = 16;

/// How often in a row it waits in vain before it gives up.
const SILENCES_MAX: u32 = 100;

/// Who is asked for what, and with which token.
struct Asker {
    socket: UdpSocket,
    id: String,
    token: Option<Value>,
}

impl Asker {
    fn ask(&self, offset: u64) {
        let mut request = vec![json!({"PleaseSendContent": {"id": self.id, "offset": offset, "length": BLOCK_BYTES}})];
        request.extend(self.token.iter().map(|token| json!({ "AlwaysReturned": token })));
        let _ = self.socket.send(&serde_json::to_vec(&request).unwrap());
    }
}

/// Fetches the content `id` from the node at `address` into `path`.
pub fn fetch(address: &str, id: &str, path: &str) {
    let socket = UdpSocket::bind(("0.0.0.0", 0)).unwrap();
    socket.connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let mut asker = Asker { socket, id: id.to_owned(), token: None };
    let file = File::options().write(true).create(true).truncate(true).open(path).unwrap();
    let (mut size, mut next, mut waiting, mut silences) = (u64::MAX, BLOCK_BYTES, BTreeSet::from([0]), 0);
    let mut buffer = vec![0; 65_536];
    asker.ask(0);
    while !waiting.is_empty() && silences < SILENCES_MAX {
        let Ok(length) = asker.socket.recv(&mut buffer) else {
            silences += 1;
            waiting.iter().for_each(|offset| asker.ask(*offset));
            continue;
        };
        let messages: Vec<Value> = serde_json::from_slice(&buffer[..length]).unwrap();
        for message in &messages {
            asker.token = message.get("PleaseAlwaysReturnThisMessage").cloned().or(asker.token);
        }
        for content in messages.iter().filter_map(|message| message.get("Content")) {
            let (offset, eof) = (content["offset"].as_u64().unwrap(), content["eof"].as_u64().unwrap());
            let block = BASE64_STANDARD.decode(content["base64"].as_str().unwrap()).unwrap();
            if (block.len() as u64) < BLOCK_BYTES.min(eof - offset) {
                // That is what a stranger gets.
                asker.ask(offset);
            } else if waiting.remove(&offset) {
                file.write_all_at(&block, offset).unwrap();
                (size, silences) = (eof, 0);
            }
        }
        while size < u64::MAX && next < size && waiting.len() < WINDOW {
            asker.ask(next);
            waiting.insert(next);
            next += BLOCK_BYTES;
        }
    }
}
