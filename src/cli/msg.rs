//! `msg`: a private message through the running node, and what became of it.

use super::ask::{order, seconds};
use super::live::unexpected;
use super::options::Arguments;
use super::probe::now;
use super::{Failure, say};
use cjp2p_node::request::{Answer, MessageLine, MessageState};
use std::time::Duration;

/// The pause between two looks at what has become of it; no person sees the difference.
const PAUSE: Duration = Duration::from_millis(200);

/// Lets the running node write to the holder of a key, and waits until that has been seen or is given up. What goes to
/// an address is sent once, and nobody knows whether it was seen.
pub(super) fn msg(arguments: &Arguments, to: &str, text: &str) -> Result<(), Failure> {
    if to.split_whitespace().count() != 1 {
        return Err(Failure::Mistake(format!("'{to}' is neither a key nor a name")));
    }
    if text.trim().is_empty() {
        return Err(Failure::Mistake("there is nothing to say: TEXT is empty".to_owned()));
    }
    let reply = order(arguments, &format!("/msg {to} {text}"))?;
    let Some(mut line) = reply.read::<MessageLine>() else { return say(reply.text()) };
    let deadline = arguments.wait.map(|wait| now() + wait);
    while matches!(line.state, MessageState::Waiting | MessageState::Searching) {
        if deadline.is_some_and(|deadline| now() >= deadline) {
            let (who, seconds) = (line.shown, seconds(arguments.wait.unwrap_or_default()));
            return Err(Failure::Impossible(format!("not seen by {who} within {seconds} s; the node goes on trying")));
        }
        #[expect(clippy::disallowed_methods, reason = "this process has nothing else to do")]
        std::thread::sleep(PAUSE);
        line = look(arguments, line.number)?;
    }
    match &line.state {
        MessageState::Failed(why) if !arguments.json => Err(Failure::Impossible(why.clone())),
        MessageState::Failed(_) => say(&Answer::Message(line).to_json()).and(Err(Failure::Silent)),
        _ if arguments.json => say(&Answer::Message(line).to_json()),
        _ => say(&line.to_string()),
    }
}

/// What has become of a message.
fn look(arguments: &Arguments, number: u64) -> Result<MessageLine, Failure> {
    let lost = || Failure::impossible("the node does not know any more what became of it");
    let lines: Vec<MessageLine> = order(arguments, "/sent")?.read().ok_or_else(unexpected)?;
    lines.into_iter().find(|line| line.number == number).ok_or_else(lost)
}
