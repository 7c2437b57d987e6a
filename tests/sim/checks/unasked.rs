//! What a peer is sent that it did not ask for: whoever wants it so, no node may pester one of its peers.
//!
//! Invariant 8 speaks of addresses that never answered. A peer that did answer can be named, introduced to, and spoken
//! for just as well, and is asked questions besides. What it receives in answer to its own datagrams falls under
//! invariant 1, or is as much as a verified peer asks for; all the rest is counted here, for each peer alone.

use super::{MINUTE, within_a_minute};
use crate::eye::Element;
use cjp2p_node::Time;

/// Probes: what keeps a path open is 7 probes 2 s apart after a silence of 22 s, the last one answered, and the same
/// once more; those who speak in its name provoke one each 5 s, and one more at the edge of the minute; and who names
/// it provokes three tries of a path, of two probes each beyond the first if it answers late.
pub const PROBES_MAX: usize = 14 + 13 + 6;

/// Questions for peers alone: one each 5 s, and eight at once while a swarm grows.
pub const QUESTIONS_MAX: usize = 8 + 12;

/// Others that it is told of: eight at once, and as often as a newcomer is introduced, which is each 10 s.
pub const INTRODUCTIONS_MAX: usize = 8 + 6;

/// Questions whether it is still there, or can prove its key better: the first few, and one a second, whoever claims
/// that it has moved.
pub const DOUBTS_MAX: usize = 4 + 60;

/// Lines of group chat, lists of them, and questions for them: all that may be shown in a minute, 40 at once and then
/// five a second, each once, and once more because something was lost.
pub const LINES_MAX: usize = 2 * (40 + 5 * 60);

/// Whether this passes lines of group chat on.
pub fn is_line(element: &Element<'_>) -> bool {
    matches!(&*element.name, "SignedGroupChat" | "HaveGroupChats" | "PleaseSendGroupChats")
}

/// What one peer was sent within the last minute that it did not ask for.
#[derive(Debug, Default)]
pub struct Unasked {
    probes: Vec<Time>,
    questions: Vec<Time>,
    introductions: Vec<Time>,
    doubts: Vec<Time>,
    lines: Vec<Time>,
    /// The most of all together within any minute so far.
    pub most: usize,
}

impl Unasked {
    /// One more datagram. What came before the last wake was for the sake of another life.
    pub fn add(&mut self, now: Time, woken: Time, elements: &[Element<'_>]) -> Result<(), String> {
        let has = |name: &str| elements.iter().any(|element| element.name == name);
        let (times, most, what) = if has("WhereAreThey") {
            (&mut self.doubts, DOUBTS_MAX, "doubts")
        } else if has("PleaseReturnThisMessage") {
            (&mut self.probes, PROBES_MAX, "probes")
        } else if has("PleaseSendPeers") {
            (&mut self.questions, QUESTIONS_MAX, "questions")
        } else if has("Peers") {
            (&mut self.introductions, INTRODUCTIONS_MAX, "introductions")
        } else if elements.iter().any(is_line) {
            (&mut self.lines, LINES_MAX, "lines")
        } else {
            return Err(
                "sent a peer something that is no answer, probe, question, doubt, introduction or line".to_owned()
            );
        };
        times.retain(|time| *time >= woken);
        let count = within_a_minute(times, now);
        if count > most {
            return Err(format!("{count} {what} within a minute to a peer that asked for none of them"));
        }
        let all = [&self.probes, &self.questions, &self.introductions, &self.doubts, &self.lines].into_iter().flatten();
        self.most = self.most.max(all.filter(|time| now.since(**time) < MINUTE).count());
        Ok(())
    }
}
