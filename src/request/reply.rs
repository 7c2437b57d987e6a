//! An answer as it comes to another process: rendered by the node, for people and for scripts.
//!
//! Most processes pass on what the node says and understand nothing of it. Who needs more reads from the JSON what it
//! needs, and leaves the rest alone: a newer node may say more.

use super::Answer;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// An answer of a node that runs in another process, or in another thread of this one.
#[derive(Clone, Debug, Deserialize)]
pub struct Reply {
    refused: bool,
    text: String,
    json: Box<RawValue>,
}

impl Reply {
    /// The line on the socket that brings an answer, without its end.
    pub(crate) fn line(answer: &Answer) -> String {
        let refused = matches!(answer, Answer::Refused(_));
        // A string always has a JSON form.
        let text = serde_json::to_string(&answer.to_string()).unwrap_or_default();
        format!(r#"{{"refused":{refused},"text":{text},"json":{}}}"#, answer.to_json())
    }

    /// Whether the node did nothing, see [`Answer::Refused`].
    pub fn is_refused(&self) -> bool {
        self.refused
    }

    /// What it says to people.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it says to scripts: one line, see [`Answer::to_json`].
    pub fn json(&self) -> &str {
        self.json.get()
    }

    /// What it is about, as far as the caller wants to know; `None` if it is about something else.
    pub fn read<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.json()).ok()
    }
}

/// What a client needs of [`Status`](super::Status).
#[derive(Clone, Debug, Deserialize)]
pub struct NodeStatus {
    /// The node's process.
    pub pid: u32,
    /// Whether it ends with the `get` whose node it is.
    pub is_passing: bool,
    /// The key by which others know it, in hex.
    pub public_key: String,
}

/// What a client needs of [`PeerLine`](super::PeerLine).
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct PeerHeard {
    /// Its address.
    pub address: std::net::SocketAddr,
    /// Seconds since it was last heard.
    pub heard_ago_s: f64,
}

#[cfg(test)]
mod tests {
    use super::super::{FileLine, Listening, PeerLine};
    use super::*;

    #[test]
    fn an_answer_survives_the_socket() {
        let peer = PeerLine {
            address: "[2001:db8::1]:24254".parse().unwrap(),
            round_trip_ms: Some(0.25),
            heard_ago_s: 2.5,
            is_neighbour: true,
            key: Some("00".to_owned()),
            name: Some("alice".to_owned()),
            shown: Some("alice".to_owned()),
        };
        let heard = PeerHeard { address: peer.address, heard_ago_s: 2.5 };
        let file = FileLine { name: "a\nb\"{}\u{2028}".to_owned(), size: 7, sha256: "00".to_owned() };
        let [about, command, whither] = ["é \"x\"", "/say x ", "x"].map(str::to_owned);
        let listening = Listening { about, command, whither, is_doubtful: true };
        let answers = [
            Answer::Done("a\nb \u{1b}\"".to_owned()),
            Answer::Refused("no".to_owned()),
            Answer::Line("{}".to_owned()),
            Answer::Peers(vec![peer]),
            Answer::Files { folder: "/x".to_owned(), files: vec![file] },
            Answer::Listening(listening.clone()),
        ];
        for answer in &answers {
            let line = Reply::line(answer);
            assert!(!line.contains('\n'));
            let reply: Reply = serde_json::from_str(&line).unwrap();
            assert_eq!((reply.text(), reply.json()), (answer.to_string().as_str(), answer.to_json().as_str()));
            assert_eq!(reply.is_refused(), matches!(answer, Answer::Refused(_)));
            let is_peers = matches!(answer, Answer::Peers(_));
            assert_eq!(reply.read::<Vec<PeerHeard>>(), is_peers.then(|| vec![heard.clone()]));
            let is_listening = matches!(answer, Answer::Listening(_));
            assert_eq!(reply.read::<Listening>(), is_listening.then(|| listening.clone()));
        }
    }
}
