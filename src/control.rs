//! The conversation on the control socket: one line of JSON in, one line of JSON out, then the end. `/quit` has a
//! second answer before the end, the node's last words, if not everything could be saved.
//!
//! `{"command":"/peers"}` asks what `/peers` on the console would, and is answered with
//! `{"refused":false,"text":"...","json":[...]}`: the same for people and for scripts, see [`Answer`]. Bytes in, bytes
//! out: this module owns no socket and carries nothing out. It refuses lines that are longer than a command can be.

use crate::json;
use crate::request::{self, Answer, Reply, Request};
use serde::{Deserialize, Serialize};

/// The longest request: 45,000 bytes for a stream, in base64. A text that fills a datagram, every byte of it escaped
/// once, is shorter.
pub const REQUEST_MAX_BYTES: usize = 64 * 1024;

/// The longest answer that a client reads. The node lists at most 1,000 peers or files; a [`request::FileLine`] whose
/// name consists of control characters has 1,700 bytes in JSON, and not half of that as text.
pub const ANSWER_MAX_BYTES: u64 = 4 * 1024 * 1024;

#[derive(Serialize, Deserialize)]
struct RequestLine {
    command: String,
}

/// The line that asks for what `command` would on the console.
pub fn request_line(command: &str) -> String {
    // A string always has a JSON form.
    let mut line = serde_json::to_string(&RequestLine { command: command.to_owned() }).unwrap_or_default();
    line.push('\n');
    line
}

/// The answer in a line; `None` if it is none.
pub fn parse_answer(line: &str) -> Option<Reply> {
    serde_json::from_str(line).ok()
}

/// The node's end of one conversation.
#[derive(Debug, Default)]
pub struct Session {
    input: Vec<u8>,
    output: Vec<u8>,
    sent: usize,
}

impl Session {
    /// Takes bytes from the client. Once they make a whole line: what it asks for, or one sentence why that is nothing.
    pub fn receive(&mut self, bytes: &[u8]) -> Option<Result<Request, String>> {
        let room = REQUEST_MAX_BYTES.saturating_sub(self.input.len());
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let line = &bytes[..end.unwrap_or(bytes.len())];
        if line.len() > room {
            return Some(Err(format!("a request has at most {REQUEST_MAX_BYTES} bytes")));
        }
        self.input.extend_from_slice(line);
        end.map(|_| parse_request(&std::mem::take(&mut self.input)))
    }

    /// Says this to the client.
    pub fn answer(&mut self, answer: &Answer) {
        self.output = Reply::line(answer).into_bytes();
        self.output.push(b'\n');
        self.sent = 0;
    }

    /// What is still to be sent.
    pub fn unsent(&self) -> &[u8] {
        &self.output[self.sent..]
    }

    /// The first `count` bytes of [`Session::unsent`] are on their way.
    pub fn mark_sent(&mut self, count: usize) {
        self.sent = (self.sent + count).min(self.output.len());
    }

    /// True if there was an answer and all of it is on its way.
    pub fn is_over(&self) -> bool {
        !self.output.is_empty() && self.unsent().is_empty()
    }
}

fn parse_request(line: &[u8]) -> Result<Request, String> {
    let request: RequestLine = json::parse(line).ok_or("a request is one line like {\"command\":\"/status\"}")?;
    request::parse(&request.command)?.ok_or_else(|| "the command is empty".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_may_come_in_pieces() {
        let mut session = Session::default();
        let line = request_line("/peers");
        let (last, first) = line.as_bytes().split_last().unwrap();
        for byte in first {
            assert_eq!(session.receive(&[*byte]), None);
        }
        assert_eq!(session.receive(&[*last]), Some(Ok(Request::Peers)));
    }

    #[test]
    fn an_answer_may_leave_in_pieces() {
        let mut session = Session::default();
        assert!(!session.is_over());
        session.answer(&Answer::Done("yes".to_owned()));
        let mut line = Vec::new();
        while !session.is_over() {
            line.push(session.unsent()[0]);
            session.mark_sent(1);
        }
        assert_eq!(parse_answer(std::str::from_utf8(&line).unwrap()).unwrap().text(), "yes");
    }

    #[test]
    fn nonsense_gets_one_sentence() {
        for line in
            ["\n", "/peers\n", "[]\n", "{\"command\":7}\n", "{\"command\":\"\"}\n", "\u{0}\n", "{\"command\":\"/x\"}\n"]
        {
            let answer = Session::default().receive(line.as_bytes()).unwrap();
            assert!(answer.is_err_and(|why| !why.contains('\n')), "{line:?}");
        }
    }

    #[test]
    fn a_line_without_end_is_refused_and_not_kept() {
        let mut session = Session::default();
        let chunk = [b'x'; 1_000];
        let refused = (0..100).find_map(|_| session.receive(&chunk)).unwrap();
        assert!(refused.is_err());
        assert!(session.input.len() <= REQUEST_MAX_BYTES);
    }
}
