//! The Unix socket over which its owner's commands reach the node.
//!
//! It lies in the data directory, which nobody else can enter, and is nobody else's to open either. A fixed number of
//! conversations at a time, each short: who says nothing is cut off, at once if somebody else wants to come in. Who
//! comes when all places are taken by guests who wait for an answer is sent away. What was asked by somebody who has
//! hung up since, perhaps because we were stopped for a while, is not done any more: they think that it failed. A few
//! guests may stay for as long as they like, to listen; they are told what is said as fast as they take it. What is
//! said is [`control`](crate::control)'s business; nothing here is carried out.

use super::spoken::{Heard, Spoken};
use crate::control::Session;
use crate::request::{Answer, Request, Topic};
use crate::time::Time;
use mio::net::{UnixListener, UnixStream};
use mio::{Interest, Registry, Token};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;

/// Conversations at a time. Commands are typed by one person or a script of theirs.
const CONVERSATIONS_MAX: usize = 8;

/// How many guests may listen. The other places are for commands, however long these stay.
const LISTENERS_MAX: usize = CONVERSATIONS_MAX / 2;

/// How long a conversation may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bytes read at once.
const CHUNK_BYTES: usize = 4_096;

struct Conversation {
    stream: UnixStream,
    session: Session,
    /// When its patience ends; never for those who listen.
    deadline: Option<Time>,
    /// A request has been heard; the answer is on its way, and nothing more is read.
    has_asked: bool,
    /// The request was to stop: what ends this conversation is the end of the node.
    waits_for_end: bool,
    /// What it listens to, and what of it was heard.
    listens: Option<(Topic, Heard)>,
}

/// The socket and who is talking.
pub(super) struct ControlSocket {
    listener: UnixListener,
    registry: Registry,
    token: usize,
    places: [Option<Conversation>; CONVERSATIONS_MAX],
}

impl ControlSocket {
    /// Opens the socket at `path`, in place of one that an earlier node left there. It and its conversations use the
    /// tokens from `token` on.
    ///
    /// # Errors
    /// Whatever the system says, for instance that the path is too long.
    pub(super) fn open(path: &Path, registry: &Registry, token: usize) -> io::Result<ControlSocket> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // The socket is created with these permissions, so there is no moment at which it has others.
        let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
        let listener = UnixListener::bind(path);
        rustix::process::umask(before);
        let mut listener = listener?;
        registry.register(&mut listener, Token(token), Interest::READABLE)?;
        Ok(ControlSocket { listener, registry: registry.try_clone()?, token, places: Default::default() })
    }

    /// Lets in who is waiting, reads and writes what can be read and written, and puts every request that is complete
    /// through `carry_out`, which says what whoever may stay and listen listens to.
    pub(super) fn serve(&mut self, now: Time, mut carry_out: impl FnMut(Request) -> (Answer, Option<(Topic, Heard)>)) {
        // Whoever cannot be let in is sent away by dropping the stream; errors end it until the next try.
        while let Ok((mut stream, _)) = self.listener.accept() {
            if self.places.iter().all(Option::is_some) {
                // Those who have said what they want are no silent guests, and many are done afterwards.
                self.talk(now, &mut carry_out);
            }
            let Some(place) = self.make_room() else { continue };
            let token = Token(self.token + 1 + place);
            if self.registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE).is_ok() {
                self.places[place] = Some(Conversation {
                    stream,
                    session: Session::default(),
                    deadline: Some(now + PATIENCE),
                    has_asked: false,
                    waits_for_end: false,
                    listens: None,
                });
            }
        }
        self.talk(now, &mut carry_out);
    }

    /// A free place; if there is none, that of the guest who has been silent for longest.
    fn make_room(&mut self) -> Option<usize> {
        if let Some(free) = self.places.iter().position(Option::is_none) {
            return Some(free);
        }
        let silent = self.places.iter().enumerate().filter_map(|(place, guest)| Some((place, guest.as_ref()?)));
        let silent = silent.filter(|(_, guest)| !guest.has_asked).min_by_key(|(_, guest)| guest.deadline);
        let place = silent.map(|(place, _)| place)?;
        self.places[place] = None;
        Some(place)
    }

    /// Reads and writes what can be read and written.
    fn talk(&mut self, now: Time, carry_out: &mut impl FnMut(Request) -> (Answer, Option<(Topic, Heard)>)) {
        let mut listeners = self.places.iter().flatten().filter(|guest| guest.listens.is_some()).count();
        for place in &mut self.places {
            let Some(guest) = place else { continue };
            let was_listening = guest.listens.is_some();
            let mut carry_out = |request| match carry_out(request) {
                (_, Some(_)) if listeners >= LISTENERS_MAX => {
                    (Answer::Refused(format!("{LISTENERS_MAX} listen already, which is the limit")), None)
                }
                outcome => outcome,
            };
            let is_late = guest.deadline.is_some_and(|deadline| deadline <= now);
            let is_over = is_late || guest.talk(&mut carry_out).is_err();
            listeners += usize::from(!was_listening && guest.listens.is_some());
            if is_over {
                *place = None;
            }
        }
    }

    /// Tells those who listen what they have not heard, as much as they take.
    pub(super) fn pass_on(&mut self, spoken: &Spoken) {
        for place in &mut self.places {
            if place.as_mut().is_some_and(|guest| guest.pass_on(spoken).is_err()) {
                *place = None;
            }
        }
    }

    /// Says one line more to those who wait for our end, if they can hear it at once.
    pub(super) fn say_last(&mut self, answer: &Answer) {
        let waiting = self.places.iter_mut().flatten().filter(|conversation| conversation.waits_for_end);
        for conversation in waiting.filter(|conversation| conversation.session.is_over()) {
            conversation.session.answer(answer);
            // Who has hung up hears nothing.
            let _ = conversation.stream.write(conversation.session.unsent());
        }
    }

    /// When somebody's patience ends.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.places.iter().flatten().filter_map(|conversation| conversation.deadline).min()
    }
}

impl Conversation {
    /// One round; an error if the conversation is over.
    fn talk(&mut self, carry_out: &mut impl FnMut(Request) -> (Answer, Option<(Topic, Heard)>)) -> io::Result<()> {
        if !self.has_asked {
            self.listen(carry_out)?;
        }
        self.write()?;
        if self.listens.is_some() {
            return self.note_end();
        }
        if self.session.is_over() && !self.waits_for_end {
            Err(io::ErrorKind::ConnectionAborted.into())
        } else {
            Ok(())
        }
    }

    /// Writes what can be written.
    fn write(&mut self) -> io::Result<()> {
        while !self.session.unsent().is_empty() {
            match self.stream.write(self.session.unsent()) {
                Ok(count) => self.session.mark_sent(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Tells what was said, line by line, as long as each is taken.
    fn pass_on(&mut self, spoken: &Spoken) -> io::Result<()> {
        while self.session.unsent().is_empty() {
            let Some((topic, heard)) = &mut self.listens else { return Ok(()) };
            let Some(line) = spoken.next(topic, heard) else { return Ok(()) };
            self.session.answer(&line);
            self.write()?;
        }
        Ok(())
    }

    /// An error once whoever listens has hung up. What it says meanwhile is not heard.
    fn note_end(&mut self) -> io::Result<()> {
        match self.stream.read(&mut [0; CHUNK_BYTES]) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether nobody is there to hear an answer. Who only has nothing more to say is there.
    fn has_hung_up(&self) -> bool {
        let mut ends = [PollFd::new(&self.stream, PollFlags::empty())];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        // Should the system not say, writing the answer will.
        poll(&mut ends, Some(&at_once)).is_ok() && ends[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
    }

    fn listen(&mut self, carry_out: &mut impl FnMut(Request) -> (Answer, Option<(Topic, Heard)>)) -> io::Result<()> {
        let mut buffer = [0; CHUNK_BYTES];
        loop {
            let count = match self.stream.read(&mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if let Some(request) = self.session.receive(&buffer[..count]) {
                if self.has_hung_up() {
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
                let is_quit = request == Ok(Request::Quit);
                let (answer, listens) = request.map_or_else(|why| (Answer::Refused(why), None), &mut *carry_out);
                self.session.answer(&answer);
                if listens.is_some() {
                    (self.listens, self.deadline) = (listens, None);
                }
                self.has_asked = true;
                self.waits_for_end = is_quit;
                return Ok(());
            }
        }
    }
}
