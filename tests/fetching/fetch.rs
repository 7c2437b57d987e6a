//! One content that one node fetches: who has promised to deliver it, how far it is, and how it must end.

use crate::content::Content;
use crate::wire::Wire;
use cjp2p_node::Time;
use cjp2p_node::content::{ContentId, Part};
use cjp2p_node::node::Command;
use cjp2p_node::transfer::{Failure, Held};
use std::rc::Rc;
use std::time::Duration;

/// How much later than its patience says a fetch may be given up: time jumps to the very moment.
const SLACK: Duration = Duration::from_millis(1);

/// How many damaged blocks of one source may come before it may be taken for a liar. Of a content that can only be
/// checked as a whole, one is too many.
const DAMAGED_MAX: u32 = 1;

/// Where so many of a thousand datagrams are lost, all answers of a source may be among them: of six questions to
/// one source in a million at a twentieth, and in 20,000 at a tenth.
const LOSS_EXCUSES: u32 = 50;

/// Where more of a thousand datagrams are lost, each way, one in three questions goes unanswered, and while no round
/// trip has been measured each is waited for twice as long as the one before: three or four in a row outlast the
/// patience.
const LOSS_BORNE: u32 = 100;

/// So many answers of a source have to arrive then before its path can be said to work. What it says to a few knocks is
/// half of that, and none of it measures a round trip.
const ANSWERS_LEAST: u32 = 16;

/// What is known of it by looking: the revision and the size, whether it settles, how often something was written.
type Look = (u32, Option<u64>, bool, u64);

/// How a fetch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Fetched,
    Failed,
    /// The fetcher vanished. If it comes back, it begins again with what is there.
    Interrupted,
}

/// A fetch.
pub struct Fetch {
    pub host: usize,
    pub id: ContentId,
    pub content: Rc<Content>,
    pub patience: Duration,
    /// How it ended, and `None` before.
    pub end: Option<End>,
    /// Honest nodes that the fetcher knew, that had all of it when it began, and that were there all the time; with how
    /// many of their answers had come by then, and had come damaged.
    helpers: Vec<(usize, (u32, u32))>,
    /// When something was seen to change, and when something was written.
    changed: Time,
    written: Time,
    look: Look,
}

impl Fetch {
    /// Begins.
    pub fn begin(
        wire: &mut Wire,
        host: usize,
        (id, content): (ContentId, &Rc<Content>),
        (held, patience): (Held, Duration),
        honest: &[usize],
    ) -> Fetch {
        let peers = wire.hosts[host].node().peers(wire.now, usize::MAX);
        let is_known = |helper: &usize| peers.iter().any(|peer| peer.address == wire.hosts[*helper].address);
        let helpers = honest.iter().copied().filter(|helper| wire.hosts[*helper].node.is_some() && is_known(helper));
        let helpers = helpers.map(|helper| (helper, wire.checks.answers(host, wire.hosts[helper].address))).collect();
        wire.command(host, Command::Fetch { id, held, patience });
        let mut fetch = Fetch {
            host,
            id,
            content: content.clone(),
            patience,
            end: None,
            helpers,
            changed: wire.now,
            written: wire.now,
            look: Look::default(),
        };
        fetch.look = fetch.look_at(wire).unwrap_or_default();
        fetch
    }

    /// What the node says of it and the store knows; `None` if the node has ended it.
    fn look_at(&self, wire: &Wire) -> Option<Look> {
        let node = wire.hosts[self.host].node();
        let progress = node.fetching().find(|progress| progress.id == self.id)?;
        let writes = node.store().writes.get(&self.id).copied().unwrap_or(0);
        Some((progress.revision, progress.size, progress.is_settling, writes))
    }

    /// Something happened to the node: it has to give up in time.
    pub fn watch(&mut self, wire: &Wire) {
        let Some(look) = self.look_at(wire) else { return };
        if look != self.look {
            self.changed = wire.now;
        }
        if look.3 != self.look.3 {
            self.written = wire.now;
        }
        self.look = look;
        let idle = wire.now.since(self.changed);
        assert!(look.2 || idle <= self.patience + SLACK, "node {} waits for {} since {idle:?}", self.host, self.id);
    }

    /// A node is not there any more.
    pub fn lose(&mut self, host: usize) {
        self.helpers.retain(|(helper, _)| *helper != host);
    }

    /// Whether it must succeed: somebody honest was there from beginning to end, all that he sent was what he sent, and
    /// where much is lost some answers of his arrived.
    pub fn is_promised(&self, wire: &Wire) -> bool {
        let most = if matches!(self.id, ContentId::Blake3(_)) { DAMAGED_MAX } else { 0 };
        let least = match wire.faults.loss {
            ..LOSS_EXCUSES => 0,
            LOSS_EXCUSES..=LOSS_BORNE => 1,
            _ => ANSWERS_LEAST,
        };
        self.helpers.iter().any(|(helper, (came_before, damaged_before))| {
            let (came, damaged) = wire.checks.answers(self.host, wire.hosts[*helper].address);
            damaged - damaged_before <= most && came - came_before >= least
        })
    }

    /// Whether what is there is what the id says.
    pub fn is_right(&self, wire: &mut Wire, size: u64) -> bool {
        let store = wire.hosts[self.host].node.as_mut().unwrap().store_mut();
        let kept = store.memory.part(&self.id, Part::Content);
        assert!(kept.len() as u64 >= size, "node {} settles what is not there", self.host);
        let is_right = kept[..size as usize] == self.content.bytes;
        assert!(is_right || matches!(self.id, ContentId::Sha256(_)), "node {} settles what is wrong", self.host);
        is_right
    }

    /// It was given up.
    pub fn fail(&mut self, wire: &Wire, why: Failure) {
        self.end = Some(End::Failed);
        if self.is_promised(wire) {
            panic!("node {} gives up {}: {why:?}, helped by {:?}", self.host, self.id, self.helpers);
        }
        let idle = wire.now.since(self.written);
        let is_patient = idle + SLACK >= self.patience || why == Failure::Wrong;
        assert!(is_patient, "node {} gives up {} after {idle:?}: {why:?}", self.host, self.id);
    }
}
