//! `chat`: talking beside the node that runs on the data directory, in a terminal of one's own.
//!
//! What is said comes from the node over its control socket, line by line; what is typed goes to it as a command each.
//! Both meet at the terminal by way of the console, so that neither ever lands inside the other. The chat keeps nothing
//! and knows no network; when it ends, the node goes on.

use super::ask::{Reader, converse};
use super::options::Arguments;
use super::{Failure, hint, tell};
use cjp2p_node::console::{LINE_MAX_BYTES, Line, Output, start_input};
use cjp2p_node::control::{ANSWER_MAX_BYTES, parse_answer};
use cjp2p_node::event_loop::catch_signals;
use cjp2p_node::node::CommandError;
use cjp2p_node::queue::{Receiver, queue};
use cjp2p_node::request::{LISTEN, Listening};
use cjp2p_node::terminal::printable;
use mio::net::UnixStream;
use mio::{Events, Interest, Poll, Token, Waker};
use signal_hook::consts::SIGWINCH;
use signal_hook_mio::v1_0::Signals;
use std::io::{self, IsTerminal, Read};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

const NODE: Token = Token(0);
const TYPED: Token = Token(1);
const SIGNALS: Token = Token(2);

/// Typed lines that may wait while the node answers; more wait where they come from.
const TYPED_MAX: usize = 16;

/// Bytes read at once.
const CHUNK_BYTES: usize = 4_096;

/// How long a line from a pipe waits that came sooner than others hear: they hear one a second.
const AGAIN_PAUSE: Duration = Duration::from_secs(1);

/// What leaves the chat, and not the node.
const LEAVE: &[&str] = &["/quit", "/leave"];

/// A conversation, with everybody or somebody.
struct Chat<'a> {
    arguments: &'a Arguments,
    output: Output,
    /// What stands before a text for the node.
    command: String,
    node: UnixStream,
    /// What the node has said of a line that is not complete.
    begun: Vec<u8>,
    typed: Receiver<Line>,
    /// What was typed in a pipe sooner than the node says it; it is said before anything else.
    early: Option<String>,
    is_pipe: bool,
    /// Whether a line was refused. At a terminal somebody has seen it.
    has_refused: bool,
    /// Gone with the last who holds it, and what it has said unheard with it.
    _waker: Arc<Waker>,
    signals: Signals,
}

/// What goes on after something has happened.
type Next = ControlFlow<Result<(), Failure>>;

/// Talks until the user leaves or the node stops.
pub(super) fn chat(arguments: &Arguments, whom: &str) -> Result<(), Failure> {
    let (reply, reader) = converse(arguments, format!("{LISTEN} {whom}").trim_end())?;
    if reply.is_refused() {
        return Err(Failure::impossible(reply.text()));
    }
    let too_old = || Failure::impossible("the running node is older than this program; start it anew");
    let Listening { about, command, whither, is_doubtful } = reply.read().ok_or_else(too_old)?;
    let is_pipe = !io::stdin().is_terminal();
    if is_pipe && is_doubtful {
        let whom = printable(whom, LINE_MAX_BYTES);
        return Err(Failure::Impossible(format!(
            "nobody is called {whom}, and nothing was said lately in a group of that name; '#{whom}' is the group, \
             which everybody can read"
        )));
    }
    let output = Output::start(false, &whither).map_err(Failure::impossible)?;
    if is_pipe {
        // Whoever mistook a name shall see that everybody can read it, and what is printed stays what is said.
        hint(arguments, &about);
    } else if arguments.verbosity >= 0 {
        output.print(format!("{about}; type and press Enter. /help lists what else can be typed, Ctrl-D leaves"));
    }
    let ended = Chat::start(arguments, output.clone(), command, reader).and_then(|(chat, poll)| chat.run(poll));
    // In this order: the line that is being typed is taken away, and not drawn again.
    output.close();
    output.flush();
    ended
}

impl<'a> Chat<'a> {
    fn start(
        arguments: &'a Arguments,
        output: Output,
        command: String,
        reader: Reader,
    ) -> Result<(Chat<'a>, Poll), Failure> {
        let open = || -> io::Result<_> {
            // What came together with the first answer.
            let begun = reader.buffer().to_vec();
            let stream = reader.into_inner().into_inner();
            stream.set_nonblocking(true)?;
            let mut node = UnixStream::from_std(stream);
            let poll = Poll::new()?;
            poll.registry().register(&mut node, NODE, Interest::READABLE)?;
            let mut signals = catch_signals()?;
            poll.registry().register(&mut signals, SIGNALS, Interest::READABLE)?;
            let waker = Arc::new(Waker::new(poll.registry(), TYPED)?);
            let (sender, typed) = queue(TYPED_MAX);
            start_input(output.screen(), {
                let waker = waker.clone();
                move |line| match sender.push(line).map_err(drop).and_then(|()| waker.wake().map_err(drop)) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(()) => ControlFlow::Break(()),
                }
            })?;
            Ok((
                Chat {
                    arguments,
                    output: output.clone(),
                    command,
                    node,
                    begun,
                    typed,
                    early: None,
                    is_pipe: !io::stdin().is_terminal(),
                    has_refused: false,
                    _waker: waker,
                    signals,
                },
                poll,
            ))
        };
        open().map_err(|error| Failure::Impossible(format!("the system has no room for a chat: {error}")))
    }

    fn run(mut self, mut poll: Poll) -> Result<(), Failure> {
        let mut events = Events::with_capacity(8);
        self.show();
        loop {
            match poll.poll(&mut events, self.early.as_ref().map(|_| AGAIN_PAUSE)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(Failure::impossible(error)),
                _ => {}
            }
            for event in &events {
                let next = match event.token() {
                    NODE => self.hear(),
                    TYPED => ControlFlow::Continue(()),
                    _ => self.take_signals(),
                };
                if let ControlFlow::Break(ended) = next {
                    return ended;
                }
            }
            if let ControlFlow::Break(ended) = self.take_typed() {
                return ended;
            }
        }
    }

    fn take_signals(&mut self) -> Next {
        for signal in self.signals.pending() {
            match signal {
                SIGWINCH => self.output.redraw(),
                _ => return ControlFlow::Break(Ok(())),
            }
        }
        ControlFlow::Continue(())
    }

    /// Takes what the node says, until there is nothing more.
    fn hear(&mut self) -> Next {
        let mut buffer = [0; CHUNK_BYTES];
        loop {
            match self.node.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => self.begun.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return ControlFlow::Continue(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
            self.show();
            // A node says no such thing.
            if self.begun.len() as u64 > ANSWER_MAX_BYTES {
                break;
            }
        }
        ControlFlow::Break(Err(Failure::Impossible("the node has stopped".to_owned())))
    }

    /// Shows the lines that are complete.
    fn show(&mut self) {
        let Some(last) = self.begun.iter().rposition(|byte| *byte == b'\n') else { return };
        let rest = self.begun.split_off(last + 1);
        let complete = std::mem::replace(&mut self.begun, rest);
        for line in String::from_utf8_lossy(&complete).lines() {
            if let Some(answer) = parse_answer(line) {
                self.output.print(answer.text().to_owned());
            }
        }
    }

    /// Takes what was typed: first what came too soon.
    fn take_typed(&mut self) -> Next {
        while let Some(line) = self.early.take().map(Line::Text).or_else(|| self.typed.try_pop()) {
            match line {
                Line::Text(text) => self.obey(text)?,
                Line::TooLong => self.complain("that line is too long for a message".to_owned()),
                // What was said last may still be on its way to others: that is the node's business.
                Line::End if self.has_refused && self.is_pipe => return ControlFlow::Break(Err(Failure::Silent)),
                Line::End => return ControlFlow::Break(Ok(())),
            }
            if self.early.is_some() {
                break;
            }
        }
        ControlFlow::Continue(())
    }

    /// Says a line, or carries it out if it is a command.
    fn obey(&mut self, typed: String) -> Next {
        let line = typed.trim();
        if line.is_empty() {
            return ControlFlow::Continue(());
        }
        // A second slash takes the meaning from the first, as on the node's own console. In a pipe so does white space
        // before it: whoever has put a second before each line that begins with one shall be sure.
        let begins = if self.is_pipe { &*typed } else { line };
        let is_command = begins.starts_with('/') && !begins.starts_with("//");
        let said = line.strip_prefix('/').filter(|_| begins.starts_with("//")).unwrap_or(line);
        if is_command && LEAVE.contains(&line) {
            return ControlFlow::Break(Ok(()));
        }
        let request = if is_command { line.to_owned() } else { format!("{}{said}", self.command) };
        let why = match converse(self.arguments, &request) {
            Ok((reply, _)) if !reply.is_refused() => {
                // What was said comes back as a line among the others.
                if is_command {
                    self.output.print(reply.text().to_owned());
                }
                return ControlFlow::Continue(());
            }
            Ok((reply, _)) if self.is_pipe && reply.text() == CommandError::TooFast.to_string() => {
                self.early = Some(typed);
                return ControlFlow::Continue(());
            }
            Ok((reply, _)) => reply.text().to_owned(),
            Err(Failure::Impossible(why) | Failure::Mistake(why)) => why,
            Err(Failure::Silent) => return ControlFlow::Continue(()),
        };
        let line = printable(line, LINE_MAX_BYTES);
        self.complain(match (is_command, self.is_pipe) {
            (true, _) => why,
            (false, true) => format!("{why}: {line}"),
            (false, false) => format!("> {line}\n{why}"),
        });
        ControlFlow::Continue(())
    }

    /// Says that a line was refused, beside what is said.
    fn complain(&mut self, why: String) {
        self.has_refused = true;
        if self.is_pipe { tell(&why) } else { self.output.print(why) }
    }
}
