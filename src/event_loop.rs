//! The event loop: the only place that names sockets and clocks for the running node.
//!
//! It moves bytes and time into the [`Node`] and carries out what comes out. One thread waits in one place, for the UDP
//! socket, the owner's commands, signals, and the threads that may wait for a disk or a terminal; it wakes up when one
//! of them has something to say or something is due, and never otherwise. Nothing here may block, and nothing that the
//! network or a user does is an error that ends it.

mod arrivals;
mod awaited;
mod batch;
mod clock;
mod control_socket;
mod drops;
mod fetches;
mod inbox;
mod lan;
mod lookup;
mod messages;
mod named;
mod news;
mod people;
mod requests;
mod signals;
mod socket;
mod spoken;
mod start;
mod stop;
mod streams;
mod upkeep;
mod wishes;

pub use clock::{entropy, unix_seconds};
pub use lookup::{HostName, look_up};
pub use signals::catch as catch_signals;
pub use socket::{BindError, COUNTERS, Family, bind, native};
pub use start::Settings;
pub use stop::Remembered;

use crate::address_book::AddressBook;
use crate::console::Output;
use crate::content::DirectoryStore;
use crate::data_dir::DataDir;
use crate::node::{Command, Destination, Event, Node, Transmit};
use crate::queue::Receiver;
use crate::time::Time;
use crate::worker::Worker;
use awaited::Awaited;
use batch::Batch;
use clock::Clock;
use control_socket::ControlSocket;
use inbox::Inbound;
use lan::Lan;
use mio::{Events, Poll, Token};
use news::News;
use signal_hook::consts::SIGWINCH;
use signal_hook_mio::v1_0::Signals;
use socket::{Patience, Socket};
use spoken::Spoken;
use std::io;
use std::net::SocketAddr;
use std::thread::Thread;
use std::time::Duration;
use upkeep::{LOOKS_PAUSE, NEWS_PAUSE};

const UDP: Token = Token(0);
const SIGNALS: Token = Token(1);
const INBOX: Token = Token(2);
const INTERFACES: Token = Token(3);
const ALARM: Token = Token(4);
/// The conversations of the control socket have the tokens after this one.
const CONTROL: Token = Token(5);

/// Datagrams, or things from other threads, taken in a row before everything else gets its turn.
const BATCH_MAX: usize = 64;

/// Everything that runs.
pub struct EventLoop {
    poll: Poll,
    events: Events,
    socket: Socket,
    /// True until the socket says that there is nothing more.
    is_socket_readable: bool,
    /// Where the socket is bound to.
    address: SocketAddr,
    /// What is to be sent together.
    batch: Batch,
    signals: Signals,
    inbox: Receiver<Inbound>,
    is_inbox_full: bool,
    control: Option<ControlSocket>,
    node: Node<DirectoryStore>,
    clock: Clock,
    lan: Lan,
    news: News,
    last_upkeep: Time,
    next_upkeep: Time,
    worker: Worker,
    data_dir: DataDir,
    output: Output,
    /// What was said lately, for those who listen.
    spoken: Spoken,
    /// What the user calls the keys of others.
    address_book: AddressBook,
    /// What the user wrote to keys, and what became of it.
    messages: Vec<messages::Message>,
    /// The number of the next of them.
    next_message: u64,
    /// Pings that the user typed and that have not been answered.
    pings: Vec<SocketAddr>,
    /// Whom the user named and who is no peer yet.
    awaited: Awaited,
    /// What the user fetches, and what became of it.
    fetches: Vec<fetches::Fetch>,
    /// What is written down about files with names.
    named: named::Named,
    /// Who is woken up when one of them has ended.
    waiter: Option<Thread>,
    /// Whether somebody may type at the standard input.
    is_console: bool,
    /// Whether the user knows that we are not alone.
    has_met_anybody: bool,
    is_stopping: bool,
}

impl EventLoop {
    /// Where the socket is bound to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Wakes this thread up whenever a fetch has ended, so that it need not look all the time.
    pub fn wake_when_fetched(&mut self, waiter: Thread) {
        self.waiter = Some(waiter);
    }

    /// Whether commands like `stop` reach it.
    pub fn is_commanded(&self) -> bool {
        self.control.is_some()
    }

    /// Runs until a signal or a command ends it, saves, and cleans up. Returns which peers are remembered.
    ///
    /// # Errors
    /// If the system can no longer wait for events.
    pub fn run(mut self) -> io::Result<Remembered> {
        self.load_followed();
        let waited = loop {
            if self.is_stopping {
                break Ok(());
            }
            if let Err(error) = self.wait() {
                break Err(error);
            }
            self.turn();
        };
        let remembered = self.stop();
        waited.map(|()| remembered)
    }

    /// Waits until something happens or is due.
    fn wait(&mut self) -> io::Result<()> {
        let is_busy = self.is_socket_readable || self.is_inbox_full;
        let control = self.control.as_ref().and_then(ControlSocket::deadline);
        let deadlines = [self.node.poll_timeout(), control, self.awaited.deadline(), Some(self.next_upkeep)];
        let next = deadlines.into_iter().flatten().min().unwrap_or(self.next_upkeep);
        let timeout = if is_busy { Duration::ZERO } else { next.since(self.clock.now()) };
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }

    /// Does everything that can be done now, each for a bounded time. The node is told the time of each call, not that
    /// of the turn: for the node, too, time never goes backwards.
    fn turn(&mut self) {
        let now = self.clock.now();
        let (mut is_signalled, mut is_inbox_ready, mut is_control_ready) = (false, self.is_inbox_full, false);
        let mut is_alarmed = false;
        for event in &self.events {
            match event.token() {
                UDP => self.is_socket_readable = true,
                SIGNALS => is_signalled = true,
                INBOX => is_inbox_ready = true,
                INTERFACES => {
                    self.news.take();
                    let due = (now + NEWS_PAUSE).max(self.last_upkeep + LOOKS_PAUSE);
                    self.next_upkeep = self.next_upkeep.min(due);
                }
                ALARM => is_alarmed = true,
                _ => is_control_ready = true,
            }
        }
        if self.node.poll_timeout().is_some_and(|due| due <= now) {
            self.node.handle_timeout(now);
            self.drain();
        }
        if self.is_socket_readable {
            self.receive();
        }
        if is_inbox_ready {
            self.take_inbox();
        }
        let is_control_due = self.control.as_ref().and_then(ControlSocket::deadline).is_some_and(|due| due <= now);
        if is_control_ready || is_control_due {
            self.talk();
        }
        if is_signalled {
            for signal in self.signals.pending() {
                match signal {
                    SIGWINCH => self.output.redraw(),
                    _ => self.is_stopping = true,
                }
            }
        }
        self.pass_on_what_was_said();
        self.note_progress(false);
        self.note_silence(now);
        if is_alarmed || self.next_upkeep <= now {
            self.look_around();
        }
    }

    /// Takes datagrams until there are none, or enough for one turn.
    fn receive(&mut self) {
        let mut patience = Patience::default();
        let mut unnoted = 0;
        for _ in 0..BATCH_MAX {
            let received = self.socket.receive();
            if !patience.goes_on(&received) {
                self.is_socket_readable = false;
                break;
            }
            if let Ok((datagram, from)) = received {
                // Each has its own time: an answer may come while others are being handled.
                let before = drops::are_logged().then(|| *self.node.counters());
                self.node.handle_datagram(self.clock.now(), from, datagram);
                if let Some(before) = before {
                    drops::log(from, datagram, &before, self.node.counters());
                }
                // A turn may bring megabytes, which a kill would cost.
                unnoted += datagram.len() as u64;
                self.drain();
                if unnoted >= fetches::UNNOTED_MAX_BYTES {
                    self.note_progress(false);
                    unnoted = 0;
                }
            }
        }
    }

    /// Carries out everything the node wants done.
    fn drain(&mut self) {
        while let Some(Transmit { to, payload }) = self.node.poll_transmit() {
            match to {
                Destination::Address(address) => self.send(address, payload),
                Destination::Lan => self.lan.send(&mut self.socket, &payload),
            }
        }
        self.send_batch();
        while let Some(event) = self.node.poll_event() {
            match event {
                Event::SavePeers(peers) => self.worker.save_peers(peers),
                Event::SaveGroup(memory) => self.worker.save_group(*memory),
                Event::FileChanged(name) => self.worker.look_again(name),
                Event::PeerVerified(address) => self.meet(address),
                Event::Settle { id, size } => self.settle_fetch(id, size),
                Event::Fetched(id) => self.end_fetch(id, None),
                Event::FetchFailed { id, why } => self.end_fetch(id, Some(why)),
                Event::NewVersion(title) => self.take_news(&title),
                Event::Sought { title, is_found } => self.end_search(title, is_found),
                event => {
                    self.note_message(&event);
                    self.show(&event);
                }
            }
        }
    }

    /// Sends a datagram, or puts it together with those that may follow it.
    fn send(&mut self, to: SocketAddr, payload: Vec<u8>) {
        let most = self.socket.batch_max();
        // A datagram alone, as most answers are, has nothing to go with.
        let is_alone = !self.node.has_transmit() && self.batch.address().is_none();
        let is_batched = most > 1 && !is_alone && Batch::takes(&payload);
        if is_batched && self.batch.add(to, &payload, most) {
            self.node.recycle(payload);
            return;
        }
        // What came first goes first.
        self.send_batch();
        if is_batched && self.batch.add(to, &payload, most) || self.socket.send(to, &payload) {
            self.node.recycle(payload);
        } else {
            self.note_unsent(to, payload);
        }
    }

    /// Sends what was put together.
    fn send_batch(&mut self) {
        let Some((to, segment, count)) = self.batch.address() else { return };
        let batch = std::mem::take(&mut self.batch);
        if count == 1 || !self.socket.send_together(to, segment, batch.bytes()) {
            for payload in batch.bytes().chunks(segment) {
                if !self.socket.send(to, payload) {
                    self.note_unsent(to, payload.to_vec());
                }
            }
        }
        self.batch = batch;
        self.batch.clear();
    }

    /// The node takes note of what could not be sent, and has nothing to say to it.
    fn note_unsent(&mut self, to: SocketAddr, payload: Vec<u8>) {
        let transmit = Transmit { to: Destination::Address(to), payload };
        let _ = self.node.handle_command(self.clock.now(), Command::Unsent(transmit));
    }
}

/// An address at which a process on this machine reaches a socket that is bound to `address`.
pub fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        return SocketAddr::from(([127, 0, 0, 1], address.port()));
    }
    address
}
