//! What others say to the loop: the threads that may wait for a disk, a name or a terminal, and the owner's commands.

use super::{BATCH_MAX, EventLoop, HostName};
use crate::console::{LINE_MAX_BYTES, Line};
use crate::node::Command;
use crate::request::{self, Answer, Request};
use std::net::SocketAddr;

/// Things from other threads that may wait; more make those threads wait.
pub(super) const INBOX_MAX: usize = 64;

/// What comes from other threads.
pub(super) enum Inbound {
    Typed(Line),
    Found(Command),
    LookedUp(HostName, Vec<SocketAddr>),
}

impl EventLoop {
    /// Takes what other threads have to say, or enough of it for one turn.
    pub(super) fn take_inbox(&mut self) {
        for _ in 0..BATCH_MAX {
            match self.inbox.try_pop() {
                Some(Inbound::Typed(line)) => self.obey(line),
                Some(Inbound::Found(Command::Fetch { id, held, patience })) => self.begin_fetch(id, held, patience),
                Some(Inbound::Found(command)) => {
                    self.note_outcome(&command);
                    if let Err(error) = self.node.handle_command(self.clock.now(), command) {
                        log::warn!("cannot share a file: {error}");
                    }
                }
                Some(Inbound::LookedUp(host, addresses)) => self.add_host(&host, addresses),
                None => {
                    self.is_inbox_full = false;
                    return;
                }
            }
            self.drain();
        }
        self.is_inbox_full = true;
    }

    /// Carries out a typed line.
    fn obey(&mut self, line: Line) {
        let request = match line {
            Line::Text(text) => request::parse(&text),
            Line::TooLong => Err(format!("that line is too long: {LINE_MAX_BYTES} bytes are the limit")),
            Line::End => {
                self.note_end_of_input();
                Ok(None)
            }
        };
        let answer = match request {
            Ok(Some(request)) => self.carry_out(request),
            Ok(None) => return,
            Err(why) => Answer::Refused(why),
        };
        self.output.print(answer.to_string());
    }

    /// Lets the owner's commands in and answers them.
    pub(super) fn talk(&mut self) {
        let Some(mut control) = self.control.take() else { return };
        let now = self.clock.now();
        control.serve(now, |request| {
            if let Request::Listen(text) = &request {
                return self.listen(text);
            }
            let answer = self.carry_out(request);
            self.drain();
            (answer, None)
        });
        self.control = Some(control);
    }
}
