//! What `stream` and `follow` have in common: a node that does it, signals that end it, and patience with that node.
//!
//! A node can stall: it is stopped, its disk is stuck, or the machine sleeps. Every request about streams can be made
//! again, so it is, for as long as the node is there. Only one that is gone ends a command.

use super::ask::{converse, is_out_of_reach, try_converse};
use super::get::Helper;
use super::options::Arguments;
use super::{Failure, tell};
use cjp2p_node::request::{Reply, StreamAnswer, StreamRequest};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// The pause before a node that did not answer is asked again; it was waited for already.
const AGAIN_PAUSE: Duration = Duration::from_millis(100);

/// One end of a live stream.
pub(super) struct Live<'a> {
    pub(super) arguments: &'a Arguments,
    pub(super) helper: Helper<'a>,
    is_interrupted: Arc<AtomicBool>,
}

impl Live<'_> {
    /// Finds a node that does it, or starts one.
    pub(super) fn begin(arguments: &Arguments) -> Result<Live<'_>, Failure> {
        let is_interrupted = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, is_interrupted.clone()).map_err(Failure::impossible)?;
        }
        let helper = Helper::find(arguments)?;
        if !helper.is_own() {
            helper.pass_on_options();
        }
        Ok(Live { arguments, helper, is_interrupted })
    }

    /// Whether a signal has come.
    pub(super) fn is_interrupted(&self) -> bool {
        self.is_interrupted.load(Ordering::Relaxed)
    }

    /// Asks the node, again and again if it does not answer, until it is gone or a signal comes.
    pub(super) fn ask(&self, request: &StreamRequest) -> Result<Reply, Failure> {
        let command = request.command();
        let reply = match converse(self.arguments, &command) {
            Ok((reply, _)) => reply,
            Err(_) => self.insist(&command)?,
        };
        if reply.is_refused() { Err(Failure::impossible(reply.text())) } else { Ok(reply) }
    }

    fn insist(&self, command: &str) -> Result<Reply, Failure> {
        let mut is_told = false;
        while !self.is_interrupted() && !is_out_of_reach(self.arguments) {
            match try_converse(self.arguments, command) {
                Ok(Some(answer)) => return Ok(answer),
                Ok(None) => break,
                Err(_) if !std::mem::replace(&mut is_told, true) => tell("the node does not answer; waiting for it"),
                Err(_) => {}
            }
            pause(AGAIN_PAUSE);
        }
        Err(Failure::impossible("the node has stopped"))
    }

    /// Asks the node about a stream of ours; how long it is then.
    pub(super) fn length(&self, request: &StreamRequest) -> Result<u64, Failure> {
        match self.ask(request)?.read() {
            Some(StreamAnswer::Own(length, _)) => Ok(length),
            _ => Err(unexpected()),
        }
    }
}

/// The node belongs to another version of the program.
pub(super) fn unexpected() -> Failure {
    Failure::Impossible("the node gave another answer than was asked for".to_owned())
}

/// Lets time pass.
pub(super) fn pause(span: Duration) {
    #[expect(clippy::disallowed_methods, reason = "this thread has nothing else to do")]
    thread::sleep(span);
}
