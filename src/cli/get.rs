//! `get`: one content, by its id, into a file.
//!
//! A running node fetches it: the one on the data directory, or, if there is none, one of our own for as long as it
//! takes. Both are asked in the same way, over the control socket, and both keep what has come if we are interrupted.

use super::address::resolve;
use super::ask::{STOP_PATIENCE, is_out_of_reach, order, try_converse};
use super::bar::{self, Bar};
use super::goal::{Goal, is_output};
use super::named::{Found, Wanted, seek, without_content};
use super::options::Arguments;
use super::probe::now;
use super::run::{own_path, start_alone};
use super::target::is_unchanged;
use super::{Failure, KEPT, hint, say, tell};
use cjp2p_node::content::ContentId;
use cjp2p_node::data_dir::{DataDir, DataDirError};
use cjp2p_node::request::{FetchLine, FetchState, GET_PATIENCE, KeptFile, NodeStatus, counted, decimal};
use cjp2p_node::terminal::{printable, printable_json};
use cjp2p_node::worker::discard;
use serde::Serialize;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::raise;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The first pause between two looks at how it goes; no person sees the difference. A look costs the node a tenth of a
/// millisecond or two.
const PAUSE: Duration = Duration::from_millis(10);

/// The pause is at most this: as long as a person who has pressed Ctrl-C may have to wait.
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// The pause is this part of the time that has passed: whoever has waited for long does not notice that much more.
const PAUSE_PART: u32 = 32;

/// How long a node that has the data directory, and cannot be asked, may take to be there for us: it is starting, or it
/// has stopped all but itself.
const START_PATIENCE: Duration = Duration::from_secs(6);

/// What is said to whom a running node cannot obey: its limits are for all that it does.
const NODE_HAS_LIMITS: &str = "a node runs on this data directory and fetches within its own limits; \
    --download-limit and --upload-limit are for the command that starts it";

/// What was fetched, for scripts.
#[derive(Serialize)]
struct Fetched<'a> {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blake3: Option<&'a str>,
    size: u64,
    path: &'a Path,
    seconds: f64,
}

/// The node that does it for us.
pub(super) struct Helper<'a> {
    arguments: &'a Arguments,
    node: HelperNode,
}

enum HelperNode {
    /// One of our own.
    Own(JoinHandle<()>),
    /// That of another process.
    Other {
        pid: u32,
        /// Whether it is that of another `get`, and ends as soon as that has what it wants.
        is_passing: bool,
    },
}

/// Fetches a content, or the newest version of a file with a name.
pub(super) fn get(arguments: &Arguments, text: &str) -> Result<(), Failure> {
    let wanted = Wanted::parse(text)?;
    let path = arguments.output.clone().map_or_else(|| wanted.default_path(), Ok)?;
    if arguments.json && is_output(&path) {
        return Err(Failure::Mistake("-o - and --json both want the standard output; choose one".to_owned()));
    }
    let mut goal = Goal::prepare(&path, arguments.force)?;
    let is_interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, is_interrupted.clone()).map_err(Failure::impossible)?;
    }
    let start = now();
    let mut is_told = false;
    let (kept, found) = loop {
        let helper = Helper::find(arguments)?;
        if !helper.is_own() && !std::mem::replace(&mut is_told, true) {
            helper.pass_on_options();
        }
        let found = match helper.resolve(&wanted, &is_interrupted) {
            Ok(Some(found)) => found,
            Ok(None) => {
                helper.dismiss();
                continue;
            }
            Err(failure) => {
                helper.dismiss();
                return Err(failure);
            }
        };
        let obtained = helper.obtain(goal, found.id, &is_interrupted);
        helper.dismiss();
        let obtained = obtained.map_err(|failure| match &wanted {
            Wanted::Title(title) => without_content(title, &found, failure),
            Wanted::Content(_) => failure,
        });
        match obtained? {
            Some(kept) => break (kept, found),
            // Each turn of this needs another node that has ended meanwhile.
            None => goal = Goal::prepare(&path, arguments.force)?,
        }
    };
    if is_output(&path) {
        return Ok(());
    }
    let seconds = now().saturating_duration_since(start).as_secs_f64();
    if arguments.json {
        let KeptFile { sha256, blake3, size, .. } = &kept;
        let (sha256, blake3) = (sha256.as_deref(), blake3.as_deref());
        let (name, seq) = match &wanted {
            Wanted::Title(title) => (Some(&*title.name), Some(found.seq)),
            Wanted::Content(_) => (None, None),
        };
        let id = found.id.to_string();
        let fetched = Fetched { id, key: found.key, name, seq, sha256, blake3, size: *size, path: &path, seconds };
        return say(&printable_json(&serde_json::to_string(&fetched).map_err(Failure::impossible)?));
    }
    let version = match &wanted {
        Wanted::Title(_) => format!(", version {}", found.seq),
        Wanted::Content(_) => String::new(),
    };
    let path = printable(&path.to_string_lossy(), usize::MAX);
    say(&format!("{path} ({} in {} s{version})", counted(kept.size, "byte"), decimal(seconds, 1)))
}

impl Helper<'_> {
    /// The node that runs, or one of our own.
    pub(super) fn find(arguments: &Arguments) -> Result<Helper<'_>, Failure> {
        let (deadline, stopped) = (now() + START_PATIENCE, now() + STOP_PATIENCE);
        loop {
            let found = match try_converse(arguments, "/status") {
                // It is stopping, most likely.
                Err(_) if now() < stopped && !is_out_of_reach(arguments) => {
                    pause();
                    continue;
                }
                found => found?,
            };
            if let Some(status) = found.and_then(|reply| reply.read::<NodeStatus>()) {
                if arguments.download_limit.or(arguments.upload_limit).is_some() {
                    return Err(Failure::Impossible(NODE_HAS_LIMITS.to_owned()));
                }
                return Ok(Helper {
                    arguments,
                    node: HelperNode::Other { pid: status.pid, is_passing: status.is_passing },
                });
            }
            match start_alone(arguments)? {
                Ok(mut event_loop) => {
                    event_loop.wake_when_fetched(thread::current());
                    let run = move || drop(event_loop.run());
                    let own = thread::Builder::new().name("node".to_owned()).spawn(run).map_err(Failure::impossible)?;
                    return Ok(Helper { arguments, node: HelperNode::Own(own) });
                }
                Err(DataDirError::InUse(_)) if now() < deadline => pause(),
                Err(error) => return Err(Failure::impossible(error)),
            }
        }
    }

    /// What is to be fetched. `None` if another node has to be asked: this one was that of another `get`, which is
    /// done.
    fn resolve(&self, wanted: &Wanted, is_interrupted: &AtomicBool) -> Result<Option<Found>, Failure> {
        let title = match wanted {
            Wanted::Content(id) => return Ok(Some(Found { key: None, seq: 0, id: *id })),
            Wanted::Title(title) => title,
        };
        match seek(self.arguments, title, is_interrupted) {
            Err(_) if !is_interrupted.load(Ordering::Relaxed) && self.has_ended() => {
                if self.is_passing() {
                    Ok(None)
                } else {
                    Err(node_stopped())
                }
            }
            found => found.map(Some),
        }
    }

    pub(super) fn is_own(&self) -> bool {
        matches!(self.node, HelperNode::Own(_))
    }

    /// Whether it ends with a `get` of another process.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self.node, HelperNode::Other { is_passing: true, .. })
    }

    /// Lets a node that runs already make contact with those whom the user names, and says which options are of no use
    /// to it.
    pub(super) fn pass_on_options(&self) {
        for peer in &self.arguments.peers {
            let added = resolve(peer)
                .and_then(|addresses| addresses.iter().try_for_each(|address| self.order(&format!("/add {address}"))));
            if let Err(Failure::Mistake(why) | Failure::Impossible(why)) = added {
                tell(&format!("--peer {peer}: {why}"));
            }
        }
        let Arguments { port, bind, no_bootstrap, no_lan, .. } = self.arguments;
        let options = [
            ("--port", port.is_some()),
            ("--bind", bind.is_some()),
            ("--no-bootstrap", *no_bootstrap),
            ("--no-lan", *no_lan),
        ];
        let ignored: Vec<&str> = options.iter().filter(|(_, is_given)| *is_given).map(|(name, _)| *name).collect();
        if let [others @ .., last] = &ignored[..] {
            let names = if others.is_empty() { "" } else { &format!("{} and ", others.join(", ")) };
            let are = if others.is_empty() { "is" } else { "are" };
            let options = format!(
                "a node runs on this data directory and does it with its own options; {names}{last} {are} ignored"
            );
            hint(self.arguments, &options);
        }
    }

    /// Has something done by the node.
    pub(super) fn order(&self, command: &str) -> Result<(), Failure> {
        order(self.arguments, command).map(drop)
    }

    /// Whether it was the node of another process, and is not there any more.
    fn has_ended(&self) -> bool {
        let HelperNode::Other { pid, is_passing } = &self.node else { return false };
        match try_converse(self.arguments, "/status") {
            Ok(Some(reply)) => reply.read::<NodeStatus>().is_some_and(|status| status.pid != *pid),
            Ok(None) => true,
            // It is stopping, if it was to stop.
            Err(_) => *is_passing,
        }
    }

    /// Brings the content where the user wants it. `None` if that has to be tried with another node: this one was that
    /// of another `get`, which is done. After a node that was to stay nobody takes the data directory: it may be about
    /// to be started again.
    fn obtain(&self, goal: Goal, id: ContentId, is_interrupted: &AtomicBool) -> Result<Option<KeptFile>, Failure> {
        let kept = match self.fetch(id, is_interrupted) {
            Err(_) if !is_interrupted.load(Ordering::Relaxed) && self.has_ended() => {
                return if self.is_passing() { Ok(None) } else { Err(node_stopped()) };
            }
            Ok(kept) => kept,
            Err(failure) => return Err(self.resign(id, failure)),
        };
        let has_moved = || self.is_passing() && !is_unchanged(&kept);
        if has_moved() {
            return Ok(None);
        }
        let may_repeat = matches!(goal, Goal::File(_));
        match self.deliver(goal, id, &kept, is_interrupted) {
            // Nobody reads it any more.
            Err(Failure::Silent) => Err(Failure::Silent),
            // Somebody else who waited for it has moved it away. What was printed is not printed once more.
            Err(_) if may_repeat && has_moved() => Ok(None),
            Err(failure) => Err(self.resign(id, failure)),
            Ok(()) => Ok(Some(kept)),
        }
    }

    /// Lets the node stop fetching, unless others wait for it too.
    fn resign(&self, id: ContentId, failure: Failure) -> Failure {
        if !self.is_own() {
            // If the node has ended, or gave it up itself, there is nothing to stop.
            let _ = self.order(&format!("/unget {id} {}", std::process::id()));
        }
        failure
    }

    /// Lets the content be fetched, and waits for it.
    fn fetch(&self, id: ContentId, is_interrupted: &AtomicBool) -> Result<KeptFile, Failure> {
        let patience = self.arguments.timeout.unwrap_or(GET_PATIENCE).as_secs();
        self.order(&format!("/get {id} {patience} {}", std::process::id()))?;
        let mut bar = Bar::new(self.arguments.verbosity);
        let start = now();
        loop {
            if is_interrupted.load(Ordering::Relaxed) {
                bar.clear();
                return Err(interrupted());
            }
            let lines: Vec<FetchLine> = match order(self.arguments, "/fetching") {
                // A signal may have stopped the node too.
                Err(_) if is_interrupted.load(Ordering::Relaxed) => continue,
                reply => reply?.read().unwrap_or_default(),
            };
            match lines.into_iter().find(|line| line.id == id.to_string()) {
                Some(FetchLine { state: FetchState::Done(kept), .. }) => return Ok(kept),
                Some(FetchLine { state: FetchState::Failed(why), .. }) => return Err(Failure::Impossible(why)),
                Some(line) => bar.draw(|| describe(&line)),
                // Another `get` may have taken the place of our node.
                None if is_interrupted.load(Ordering::Relaxed) => {}
                None => return Err(Failure::Impossible(format!("somebody stopped the node from fetching {id}"))),
            }
            let passed = now().saturating_duration_since(start);
            // A node of our own wakes us up when it is done; another one has to be asked.
            let least = if self.is_own() { PAUSE_MAX } else { PAUSE };
            thread::park_timeout((passed / PAUSE_PART).clamp(least, PAUSE_MAX));
        }
    }

    /// Brings what was fetched where the user wants it.
    fn deliver(&self, goal: Goal, id: ContentId, kept: &KeptFile, is_interrupted: &AtomicBool) -> Result<(), Failure> {
        let delivered = goal.reach(kept, is_interrupted);
        // Who has read enough of it wants no more either.
        let is_done = matches!(delivered, Ok(()) | Err(Failure::Silent));
        if is_done && self.order(&format!("/drop {id} {}", std::process::id())).is_err() && self.is_passing() {
            self.tidy(id);
        }
        delivered
    }

    /// Throws away what a node that has ended meanwhile has left of a content that is here now. What cannot be thrown
    /// away is removed by a later sweep.
    fn tidy(&self, id: ContentId) {
        let Ok(path) = own_path(self.arguments) else { return };
        let deadline = now() + START_PATIENCE;
        while now() < deadline {
            match DataDir::open(&path) {
                Ok(data_dir) => return drop(discard(&data_dir.parts(), &id)),
                // It is still saving, or another `get` has begun.
                Err(DataDirError::InUse(_)) if self.order(&format!("/drop {id} {}", std::process::id())).is_err() => {
                    pause();
                }
                Err(_) => return,
            }
        }
    }

    /// Lets a node of our own save and stop.
    pub(super) fn dismiss(self) {
        if let HelperNode::Own(own) = self.node {
            // Not over the socket: that may be another's already, if ours has ended with the signal that ends us, or be
            // gone with the data directory. The node and we catch this signal, so it ends nothing else.
            let _ = raise(SIGTERM);
            let _ = own.join();
        }
    }
}

fn interrupted() -> Failure {
    Failure::Impossible(format!("interrupted; {KEPT}"))
}

fn node_stopped() -> Failure {
    Failure::Impossible(format!("the node that fetched it has stopped; {KEPT}"))
}

/// How far it is.
fn describe(line: &FetchLine) -> Vec<String> {
    match line.state {
        FetchState::Preparing => vec!["looking at what is there".to_owned()],
        FetchState::Checking => vec!["100%".to_owned(), "checking all of it".to_owned()],
        _ if line.size.is_none() => vec!["looking for somebody who has it".to_owned()],
        _ => {
            let mut parts = bar::parts(line.held, line.size, line.rate);
            parts.push(counted(line.sources as u64, "source"));
            parts
        }
    }
}

fn pause() {
    #[expect(clippy::disallowed_methods, reason = "this thread has nothing else to do")]
    thread::sleep(PAUSE);
}
