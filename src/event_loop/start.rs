//! Putting the parts together: what has to be there before the first wait.
//!
//! What a node can do without, it is started without, and says so: the control socket, and the file for scripts.

use super::awaited::Awaited;
use super::clock::{Clock, entropy, unix_ms};
use super::control_socket::ControlSocket;
use super::inbox::{INBOX_MAX, Inbound};
use super::lan::{Lan, is_own};
use super::news::News;
use super::requests::PINGS_MAX;
use super::socket::{Family, Socket};
use super::spoken::Spoken;
use super::upkeep::UPKEEP_PAUSE;
use super::{
    ALARM, BATCH_MAX, CONTROL, EventLoop, HostName, INBOX, INTERFACES, SIGNALS, UDP, lookup, reachable, signals,
};
use crate::address_book::AddressBook;
use crate::console::{Output, start_input};
use crate::content::DirectoryStore;
use crate::data_dir::{DataDir, control_socket};
use crate::node::{Command, Config, Node};
use crate::peers::address::plain;
use crate::queue::{Sender, queue};
use crate::time::Time;
use crate::worker::Worker;
use mio::{Events, Interest, Poll, Waker};
use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::Arc;

/// What the event loop is started with.
pub struct Settings {
    /// The socket, and what it can reach.
    pub socket: (std::net::UdpSocket, Family),
    /// What the node is told at its birth.
    pub config: Config,
    /// Addresses to make contact with that the user has named.
    pub named: Vec<SocketAddr>,
    /// Hosts that the user has named, to be looked up once it runs.
    pub names: Vec<HostName>,
    /// Where its data is.
    pub data_dir: DataDir,
    /// Where lines are printed.
    pub output: Output,
    /// Whether somebody may type at the standard input.
    pub is_console: bool,
    /// How many bytes of contents are kept that were fetched; `None` for as many as there is room for.
    pub store_limit: Option<u64>,
}

impl EventLoop {
    /// Starts everything but the waiting.
    ///
    /// # Errors
    /// If the system has no more room for a thread or a descriptor, or no entropy.
    pub fn start(settings: Settings) -> io::Result<EventLoop> {
        let Settings { socket: (socket, family), mut config, named, names, data_dir, output, is_console, store_limit } =
            settings;
        let address = plain(socket.local_addr()?);
        let mut socket = Socket::new(socket, family);
        let poll = Poll::new()?;
        poll.registry().register(socket.udp(), UDP, Interest::READABLE)?;
        let mut signals = signals::catch()?;
        poll.registry().register(&mut signals, SIGNALS, Interest::READABLE)?;
        let waker = Arc::new(Waker::new(poll.registry(), INBOX)?);
        let (sender, inbox) = queue(INBOX_MAX);
        let worker = Worker::start(&data_dir, store_limit, {
            let deliver = deliver(sender.clone(), waker.clone());
            move |command| deliver(Inbound::Found(command))
        })?;
        lookup::start(names, lookup::PAUSE, lookup::look_up, {
            let deliver = deliver(sender.clone(), waker.clone());
            move |host, addresses| deliver(Inbound::LookedUp(host, addresses))
        })?;
        let deliver = deliver(sender, waker);
        if is_console {
            start_input(output.screen(), move |line| deliver(Inbound::Typed(line)))?;
        }
        let control = open_control_socket(&data_dir, &poll);
        let clock = Clock::start();
        let store = DirectoryStore::new(data_dir.public(), data_dir.trees(), data_dir.parts());
        let awaited = await_named(named, &mut config, &clock, |peer| is_own(peer, address, family));
        let config = Config { group: data_dir.load_group(), ..config };
        let address_book = data_dir.load_people();
        let node = born(config, clock.now(), store, &address_book)?;
        if let Err(error) = data_dir.write_node_file(reachable(address)) {
            log::warn!("scripts will not find this node, no node.json in {}: {error}", data_dir.path().display());
        }
        // From here on changes are told, so that none is lost between this look and the first news.
        let news = News::open(poll.registry(), INTERFACES, ALARM);
        news.set_alarm(UPKEEP_PAUSE);
        Ok(EventLoop {
            poll,
            events: Events::with_capacity(BATCH_MAX),
            socket,
            is_socket_readable: true,
            address,
            batch: Default::default(),
            signals,
            inbox,
            is_inbox_full: false,
            control,
            node,
            last_upkeep: clock.now(),
            next_upkeep: clock.now() + UPKEEP_PAUSE,
            clock,
            lan: Lan::found(),
            news,
            worker,
            address_book,
            messages: Vec::new(),
            next_message: 1,
            data_dir,
            output,
            spoken: Spoken::default(),
            pings: Vec::with_capacity(PINGS_MAX),
            awaited,
            fetches: Vec::new(),
            named: Default::default(),
            waiter: None,
            is_console,
            has_met_anybody: false,
            is_stopping: false,
        })
    }
}

/// The node, told what the clock on the wall says, and whom the user ignores.
fn born(config: Config, now: Time, store: DirectoryStore, people: &AddressBook) -> io::Result<Node<DirectoryStore>> {
    let mut node = Node::new(config, entropy()?, now, store);
    // It has nothing to object to the truth, and there are no more people in the book than it can ignore.
    let _ = node.handle_command(now, Command::TimeOfDay(unix_ms()));
    for key in people.ignored.iter() {
        let _ = node.handle_command(now, Command::IgnoreAuthor(*key));
    }
    Ok(node)
}

/// Whom the user named at the start is waited for, except us: nobody makes contact with itself.
fn await_named(
    named: Vec<SocketAddr>,
    config: &mut Config,
    clock: &Clock,
    is_own: impl Fn(SocketAddr) -> bool,
) -> Awaited {
    let mut awaited = Awaited::default();
    for peer in named {
        if is_own(peer) {
            log::warn!("--peer {peer}: that is this node");
            config.contacts.retain(|contact| *contact != peer);
        } else {
            awaited.add_named(clock.now(), peer.to_string(), vec![peer]);
        }
    }
    awaited
}

/// Passes things to the event loop and wakes it up.
fn deliver(sender: Sender<Inbound>, waker: Arc<Waker>) -> impl Fn(Inbound) -> ControlFlow<()> {
    move |inbound| match sender.push(inbound).map_err(drop).and_then(|()| waker.wake().map_err(drop)) {
        Ok(()) => ControlFlow::Continue(()),
        Err(()) => ControlFlow::Break(()),
    }
}

/// The control socket; a node without one is still a node.
fn open_control_socket(data_dir: &DataDir, poll: &Poll) -> Option<ControlSocket> {
    let path = control_socket(data_dir.path());
    match ControlSocket::open(&path, poll.registry(), CONTROL.0) {
        Ok(control) => Some(control),
        Err(error) => {
            log::warn!("commands like status and stop will not work, no socket at {}: {error}", path.display());
            None
        }
    }
}
