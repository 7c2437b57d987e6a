//! Carrying out what the user asks, whichever way it came.
//!
//! Every request has an answer at once; what takes longer shows on the console when it happens.

use super::lan::is_own;
use super::{COUNTERS, EventLoop, HostName};
use crate::node::{Command, Event, Hearsay, PeerInfo};
use crate::peers::address::plain;
use crate::request::{self, Answer, FileLine, ListedLine, PeerLine, Request, Status, Topic};
use std::io::{self, IsTerminal};
use std::net::SocketAddr;

/// Peers listed at most; who wants to know more looks at the file.
const PEERS_SHOWN_MAX: usize = 1_000;

/// Files listed at most; who wants to know more looks into the folder.
const FILES_SHOWN_MAX: usize = 1_000;

/// What others said, listed at most: an id of 255 control characters makes a line of 1,700 bytes.
const LISTED_SHOWN_MAX: usize = 1_000;

/// Pings whose answers the user is waiting for; the oldest is forgotten first. Nobody types faster.
pub(super) const PINGS_MAX: usize = 16;

impl EventLoop {
    /// Carries out a request.
    pub(super) fn carry_out(&mut self, request: Request) -> Answer {
        match request {
            Request::Help => Answer::Done(request::help()),
            Request::Peers => Answer::Peers(self.peer_lines()),
            Request::Files => {
                Answer::Files { folder: self.data_dir.path().to_string_lossy().into_owned(), files: self.file_lines() }
            }
            Request::Listed => {
                // The answers come while the user reads what is known already.
                let _ = self.node.handle_command(self.clock.now(), Command::AskForLists);
                Answer::Listed(self.listed_lines())
            }
            Request::Get { id, patience, waiter } => self.get(id, patience, waiter),
            Request::Unget { id, waiter } => self.unget(id, waiter),
            Request::Drop { id, waiter } => self.drop_fetched(id, waiter),
            Request::Seek { title, patience } => self.of_title(title, |it, title| it.seek_name(title, patience)),
            Request::Unfollow(title) => self.of_title(title, EventLoop::unfollow),
            Request::Titles(None) => Answer::Titles(self.title_lines()),
            Request::Titles(Some(title)) => {
                self.of_title(title, |it, title| Answer::Titles(vec![it.title_line(&title)]))
            }
            Request::Fetching => Answer::Fetching(self.fetch_lines()),
            Request::Look => {
                self.worker.look();
                self.look_at_published();
                Answer::Done("looking for new files".to_owned())
            }
            Request::Status => Answer::Status(Box::new(self.status())),
            Request::Add(address) => self.add(plain(address)),
            Request::Message(to, text) => {
                let answer =
                    self.command(Command::Chat { to, text: text.clone() }, format!("sent in the open to {to}"));
                self.note_said(&answer, Topic::Address(plain(to)), &text);
                answer
            }
            Request::Write { to, text } => self.write(&to, text),
            Request::Sent => Answer::Messages(self.message_lines()),
            Request::People => Answer::People(self.person_lines()),
            Request::NamePerson { key, name } => self.name_person(&key, &name),
            Request::UnnamePerson(key) => self.unname_person(&key),
            Request::Ping(address) => self.ping(address),
            Request::Ignore(ip) => self.command(Command::Ignore(ip), format!("ignoring {ip}")),
            Request::IgnoreAuthor(text) => self.ignore_person(&text, true),
            Request::HeedAuthor(text) => self.ignore_person(&text, false),
            Request::Heed(ip) => self.command(Command::Heed(ip), format!("no longer ignoring {ip}")),
            Request::Say { group, text } => self.say(group, text),
            // Who types it here hears everything anyway; others were let in before.
            Request::Listen(_) => Answer::Refused("'cjp2p-node chat' listens; here everything is shown".to_owned()),
            Request::Stream(request) => self.carry_out_stream(request),
            Request::Quit => {
                self.is_stopping = true;
                Answer::Done("stopping".to_owned())
            }
        }
    }

    pub(super) fn command(&mut self, command: Command, done: String) -> Answer {
        match self.node.handle_command(self.clock.now(), command) {
            Ok(()) => Answer::Done(done),
            Err(error) => Answer::Refused(error.to_string()),
        }
    }

    fn say(&mut self, group: String, text: String) -> Answer {
        let unix_ms = self.clock.next_unix_ms();
        let done = match self.node.group_reach() {
            0 => "no neighbour is there yet; said to the first ones within an hour".to_owned(),
            1 => "said to 1 neighbour".to_owned(),
            count => format!("said to {count} neighbours, who pass it on"),
        };
        let command = Command::GroupChat { group: group.clone(), text: text.clone(), unix_ms };
        let answer = self.command(command, done);
        self.note_said(&answer, Topic::Group(group), &text);
        answer
    }

    fn add(&mut self, address: SocketAddr) -> Answer {
        if is_own(address, self.address, self.socket.family()) {
            return Answer::Refused(format!("{address}: that is this node"));
        }
        let now = self.clock.now();
        let is_peer = self.node.peers(now, usize::MAX).iter().any(|peer| peer.address == address);
        let done = if is_peer { format!("{address} is a peer already") } else { format!("trying {address}") };
        let answer = self.command(Command::AddPeer(address), done);
        if matches!(answer, Answer::Done(_)) && !is_peer {
            self.awaited.add_typed(now, address);
        }
        answer
    }

    /// A host that was named at the start has been looked up: makes contact with its addresses.
    pub(super) fn add_host(&mut self, (name, port): &HostName, mut addresses: Vec<SocketAddr>) {
        log::debug!("looked up {name}: {addresses:?}");
        let (bound, family) = (self.address, self.socket.family());
        let count = addresses.len();
        addresses.retain(|address| !is_own(*address, bound, family));
        if addresses.len() < count {
            log::warn!("--peer {name}:{port}: that is this node");
        }
        for address in &addresses {
            if let Err(error) = self.node.handle_command(self.clock.now(), Command::AddPeer(*address)) {
                log::warn!("cannot make contact with {address}: {error}");
            }
        }
        if !addresses.is_empty() {
            self.awaited.add_named(self.clock.now(), format!("{name}:{port}"), addresses);
        }
    }

    fn ping(&mut self, address: SocketAddr) -> Answer {
        let answer = self.command(Command::Ping(address), format!("asking {address}"));
        if let Answer::Done(_) = answer {
            if self.pings.len() >= PINGS_MAX {
                self.pings.remove(0);
            }
            self.pings.push(address);
        }
        answer
    }

    /// Tells the user about an event, if it is one for the user.
    pub(super) fn show(&mut self, event: &Event) {
        if let Event::RoundTrip { from, .. } = event {
            // The node measures all the time; only what was asked for is shown.
            let Some(asked) = self.pings.iter().position(|address| address == from) else { return };
            self.pings.remove(asked);
        }
        self.show_to_people(event);
    }

    /// Nothing more will be typed. A person is told what that means; a script that closes its end knows.
    pub(super) fn note_end_of_input(&self) {
        if io::stdin().is_terminal() {
            self.output.print("no more commands from here; the node goes on. Stop it with Ctrl-C".to_owned());
        } else {
            log::debug!("no more input; the node goes on");
        }
    }

    /// Somebody is there. The user is told about the first one, and about those that were waited for; the others can be
    /// counted.
    pub(super) fn meet(&mut self, address: SocketAddr) {
        if self.awaited.meet(address) {
            self.output.print(format!("{address} is a peer now"));
        }
        log::debug!("verified {address}");
        if !std::mem::replace(&mut self.has_met_anybody, true) {
            log::info!("found a first peer: {address}");
        }
    }

    fn peer_lines(&self) -> Vec<PeerLine> {
        let peers = self.node.peers(self.clock.now(), PEERS_SHOWN_MAX).into_iter();
        let line = |peer: PeerInfo| {
            let key = self.node.who(peer.address);
            PeerLine {
                address: peer.address,
                round_trip_ms: peer.round_trip.map(|span| span.as_secs_f64() * 1e3),
                heard_ago_s: peer.heard_ago.as_secs_f64(),
                is_neighbour: peer.is_neighbour,
                name: key.as_ref().and_then(|key| self.address_book.of(key)).map(str::to_owned),
                shown: key.as_ref().map(|key| self.show_key(key)),
                key: key.map(|key| key.to_string()),
            }
        };
        peers.map(line).collect()
    }

    fn file_lines(&self) -> Vec<FileLine> {
        let files = self.node.shared_files().take(FILES_SHOWN_MAX);
        files.map(|file| FileLine { name: file.name.clone(), size: file.stamp.size, sha256: file.id() }).collect()
    }

    fn listed_lines(&self) -> Vec<ListedLine> {
        let now = self.clock.now();
        let line = |said: &crate::node::Recommendation| ListedLine {
            id: said.id.clone(),
            size: said.length,
            says: match said.hearsay {
                Hearsay::Shares => "shares",
                Hearsay::Saw => "saw",
                Hearsay::Recommends => "recommends",
            }
            .to_owned(),
            from: said.from,
            heard_ago_s: now.since(said.heard).as_secs_f64(),
        };
        self.node.recommended(LISTED_SHOWN_MAX).map(line).collect()
    }

    fn status(&self) -> Status {
        let ours = COUNTERS.iter().zip(self.socket.counters()).map(|((name, _), count)| (*name, count));
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            is_passing: !self.is_console,
            public_key: self.node.public_key().to_string(),
            udp: self.address,
            data_dir: self.data_dir.path().to_string_lossy().into_owned(),
            uptime_s: self.clock.uptime().as_secs(),
            peers: self.node.peer_count(),
            neighbours: self.node.link_count(),
            files: self.node.shared_files().count(),
            counters: self.node.counters().iter().chain(ours).map(|(name, n)| (name.to_owned(), n)).collect(),
        }
    }
}
