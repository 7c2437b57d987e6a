//! Carrying out what the commands `stream` and `follow` ask.

use super::EventLoop;
use crate::node::{APPEND_MAX_BYTES, Command, StreamCommand};
use crate::request::{Answer, STREAM_READ_MAX_BYTES, StreamAnswer, StreamRequest, StreamState};
use crate::stream::StreamId;
use crate::stream::follow::{From, State};
use base64_simd::STANDARD;
use std::time::Duration;

impl EventLoop {
    pub(super) fn carry_out_stream(&mut self, request: StreamRequest) -> Answer {
        let done = match request {
            StreamRequest::Begin(name) => {
                self.command_stream(StreamCommand::Begin(name.clone())).and_then(|()| self.stream_info(&name))
            }
            StreamRequest::Info(name) => self.stream_info(&name),
            StreamRequest::Append(name, length, bytes) => {
                self.append_to_stream(&name, length, &bytes).and_then(|()| self.stream_info(&name))
            }
            StreamRequest::End(name) => {
                self.command_stream(StreamCommand::End(name.clone())).and_then(|()| self.stream_info(&name))
            }
            StreamRequest::Follow(id, is_from_end, patience) => self.follow_stream(&id, is_from_end, patience),
            StreamRequest::Read(id, offset) => self.read_stream(&id, offset),
            StreamRequest::Unfollow(id) => self
                .find_stream(&id)
                .and_then(|id| self.command_stream(StreamCommand::Unfollow(id)))
                .map(|()| Answer::Done("not followed any more".to_owned())),
        };
        done.unwrap_or_else(Answer::Refused)
    }

    fn command_stream(&mut self, command: StreamCommand) -> Result<(), String> {
        let done = self.node.handle_command(self.clock.now(), Command::Stream(command));
        self.drain();
        done.map_err(|why| why.to_string())
    }

    fn stream_info(&mut self, name: &str) -> Result<Answer, String> {
        let info = self.node.stream_info(self.clock.now(), name).ok_or("there is no such stream")?;
        let asked_ago = info.asked_ago.map(|ago| u64::try_from(ago.as_millis()).unwrap_or(u64::MAX));
        Ok(Answer::Stream(StreamAnswer::Own(info.length, asked_ago)))
    }

    fn append_to_stream(&mut self, name: &str, length: u64, bytes: &str) -> Result<(), String> {
        self.node.stream_info(self.clock.now(), name).ok_or("there is no such stream")?;
        let bytes = STANDARD.decode_to_vec(bytes).map_err(|_| "what is to be appended is no base64")?;
        // Who got no answer asks again, though it may have been done.
        let new = self.node.unappended(name, length, &bytes).ok_or("somebody else appends to that stream too")?;
        // Nothing says that whoever feeds it is still there.
        let nothing: &[&[u8]] = if new.is_empty() { &[&[]] } else { &[] };
        for bytes in new.chunks(APPEND_MAX_BYTES).chain(nothing.iter().copied()) {
            self.command_stream(StreamCommand::Append(name.to_owned(), bytes.to_vec()))?;
        }
        Ok(())
    }

    fn follow_stream(&mut self, id: &str, is_from_end: bool, patience: u64) -> Result<Answer, String> {
        let (id, patience) = (self.find_stream(id)?, Duration::from_secs(patience));
        let from = if is_from_end { From::End } else { From::Start };
        self.command_stream(StreamCommand::Follow { id: id.clone(), from, patience })?;
        Ok(Answer::Done(id.to_string()))
    }

    fn read_stream(&mut self, id: &str, offset: u64) -> Result<Answer, String> {
        let id = self.find_stream(id)?;
        let chunk = self.node.read_stream(self.clock.now(), &id, offset, STREAM_READ_MAX_BYTES);
        self.drain();
        let chunk = chunk.ok_or("that stream is not followed")?;
        let state = match chunk.state {
            State::Seeking => StreamState::Seeking,
            State::Following => StreamState::Following,
            State::Ended => StreamState::Ended,
            State::NotFound => StreamState::NotFound,
            State::Stalled => StreamState::Stalled,
        };
        let silent = u64::try_from(chunk.silent.as_millis()).unwrap_or(u64::MAX);
        let bytes = STANDARD.encode_to_string(&chunk.bytes);
        Ok(Answer::Stream(StreamAnswer::Chunk(chunk.offset, bytes, state, silent)))
    }

    /// Which stream the user means.
    fn find_stream(&self, text: &str) -> Result<StreamId, String> {
        if let Some(id) = StreamId::from_user(text) {
            return Ok(id);
        }
        let (whose, name) = text.split_once('/').ok_or("a stream is called by KEY/NAME")?;
        StreamId::new(self.find_key(whose)?, name).map_err(|why| why.to_string())
    }

    /// The node stops, and nobody can go on with its streams. If it runs for a command alone, the user has ended that,
    /// and with it the stream. One that somebody else feeds has not ended: what they have would be missing.
    pub(super) fn end_streams(&mut self) {
        if self.is_console {
            return;
        }
        for name in self.node.growing_streams() {
            // What has no bytes is not signed, so that its name can be used again.
            if self.node.stream_info(self.clock.now(), &name).is_some_and(|info| info.length > 0) {
                // It grows, so it can end.
                let _ = self.command_stream(StreamCommand::End(name));
            }
        }
    }
}
