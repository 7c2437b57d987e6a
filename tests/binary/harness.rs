//! Starting nodes, running commands, waiting with an end.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long anything may take that should take a moment. Generous, since a busy machine is no bug.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

const PAUSE: Duration = Duration::from_millis(20);

/// Waits until `is_so` finds something.
pub(crate) fn eventually<T>(what: &str, mut is_so: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = is_so() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "in vain: {what}");
        sleep(PAUSE);
    }
}

/// What a command said, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Said {
    /// The one line that a mistake gets.
    pub(crate) fn complaint(&self) -> &str {
        assert!(!self.status.success() && self.stdout.is_empty(), "{self:?}");
        let line = self.after_new_key();
        assert_eq!(line.lines().count(), 1, "{self:?}");
        line.trim_end()
    }

    /// What the standard error has, after the line that says that a new key was made, if one was.
    pub(crate) fn after_new_key(&self) -> &str {
        let rest = self.stderr.strip_prefix("cjp2p-node: made a new key in ").and_then(|rest| rest.split_once('\n'));
        rest.map_or(&self.stderr, |(_, rest)| rest)
    }

    pub(crate) fn success(&self) -> &str {
        assert!(self.status.success(), "{self:?}");
        self.stdout.trim_end()
    }

    /// Every line of output as JSON.
    pub(crate) fn json(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

pub(crate) fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cjp2p-node"));
    command.env_remove("RUST_LOG").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs a command that ends by itself.
pub(crate) fn run(arguments: &[&str]) -> Said {
    finish(binary().args(arguments).spawn().unwrap())
}

/// Waits for the end of a process and takes what it said. Its output must fit a pipe.
pub(crate) fn finish(mut child: Child) -> Said {
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("it does not end: {:?}", child.wait_with_output());
        }
        sleep(PAUSE);
    }
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// A directory for the data of one node.
pub(crate) fn scratch() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// A running node. It is killed when this is dropped.
pub(crate) struct Node {
    child: Option<Child>,
    data_dir: PathBuf,
    pub(crate) address: SocketAddr,
}

impl Node {
    /// A node on a free port of 127.0.0.1 that knows only these peers.
    pub(crate) fn start(data_dir: &Path, peers: &[SocketAddr]) -> Node {
        Node::start_with(data_dir, peers, |_| ())
    }

    /// The same, with something changed about the command.
    pub(crate) fn start_with(data_dir: &Path, peers: &[SocketAddr], change: impl FnOnce(&mut Command)) -> Node {
        Node::start_at("127.0.0.1", data_dir, peers, change)
    }

    /// The same at another address.
    pub(crate) fn start_at(
        bind: &str,
        data_dir: &Path,
        peers: &[SocketAddr],
        change: impl FnOnce(&mut Command),
    ) -> Node {
        let mut command = binary();
        command.args(["--no-bootstrap", "--no-lan", "--port", "0", "--bind", bind]);
        command.arg("--data-dir").arg(data_dir);
        command.args(peers.iter().flat_map(|peer| ["--peer".to_owned(), peer.to_string()]));
        change(&mut command);
        let mut child = command.spawn().unwrap();
        let address = eventually("a node that says where it is", || {
            if child.try_wait().unwrap().is_some() {
                panic!("the node has ended: {:?}", finish(command.spawn().unwrap()));
            }
            let file: Value = serde_json::from_slice(&fs::read(data_dir.join("node.json")).ok()?).unwrap();
            (file["pid"] == child.id()).then(|| file["udp"].as_str().unwrap().parse().unwrap())
        });
        Node { child: Some(child), data_dir: data_dir.to_owned(), address }
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        self.child.as_mut().unwrap()
    }

    pub(crate) fn signal(&mut self, signal: Signal) {
        kill_process(Pid::from_child(self.child()), signal).unwrap();
    }

    /// Waits until it has ended by itself.
    pub(crate) fn finish(mut self) -> Said {
        finish(self.child.take().unwrap())
    }

    pub(crate) fn terminate(mut self) -> Said {
        self.signal(Signal::TERM);
        self.finish()
    }

    pub(crate) fn kill(mut self) {
        self.child().kill().unwrap();
        self.child().wait().unwrap();
    }

    /// A command to this node.
    pub(crate) fn ask<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Said {
        finish(binary().args(arguments).arg("--data-dir").arg(&self.data_dir).spawn().unwrap())
    }

    /// The addresses of its verified peers.
    pub(crate) fn peers(&self) -> Vec<SocketAddr> {
        let said = self.ask(["peers", "--json"]);
        said.success();
        said.json().iter().map(|peer| peer["address"].as_str().unwrap().parse().unwrap()).collect()
    }

    pub(crate) fn wait_for_peer(&self, peer: SocketAddr) {
        eventually("a verified peer", || self.peers().contains(&peer).then_some(()));
    }

    /// All that comes back for an array of messages, tokens returned.
    pub(crate) fn send(&self, array: &str) -> Vec<Value> {
        let said = run(&["send", &self.address.to_string(), array, "--json", "--wait", "0.3"]);
        said.json().into_iter().flat_map(|line| line["messages"].as_array().unwrap().clone()).collect()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended already; either way it is gone.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// One datagram to a node and the first answer, as a stranger.
pub(crate) fn poke(node: SocketAddr, datagram: &[u8]) -> Vec<u8> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.send_to(datagram, node).unwrap();
    let mut buffer = vec![0; 65_536];
    let (length, from) = socket.recv_from(&mut buffer).unwrap();
    assert_eq!(from, node);
    buffer.truncate(length);
    buffer
}
