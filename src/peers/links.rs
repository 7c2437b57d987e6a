//! The neighbours whose path we keep open, and when each has to hear from us.
//!
//! A NAT forgets a path that is silent for 30 s (RFC 4787 asks for two minutes, many devices do less). A link is a peer
//! with whom a small probe and its answer are exchanged every 23 s; whoever is the first to find it silent sends the
//! probe, and for the other side it then is not silent any more. So a link costs the same whether one side wants it or
//! both.
//!
//! We want between [`LINKS_LOW`] and [`LINKS_HIGH`] of them. A node that has more lets go of one that it keeps open
//! itself, no more often than once a minute, and the other side takes over if it needs to. A node that others keep more
//! links to than it wants says so (`EnoughNeighbours`), and they let go as soon as they have found others. So the load
//! of a swarm spreads over all of its nodes, even though those behind NATs find the others first.

use super::address::{Network, network};
use super::crowd::Crowd;
use crate::sizes::{Size, no_table};
use crate::time::Time;
use rand::{Rng, RngExt};
use std::net::SocketAddr;
use std::time::Duration;

/// With fewer links than this we look for more. One more than the five that a settled node should always have.
pub const LINKS_LOW: usize = 6;

/// With more links than this we let go of some. 7 links cost about 7 MB a day.
pub const LINKS_HIGH: usize = 8;

/// How many links are watched at most.
pub const LINKS_MAX: usize = WATCHED_MAX + LINKS_HIGH;

/// How many of them others may keep to us; further peers that probe us are answered like anybody. However many come,
/// there is room left for all links that we want to keep ourselves.
pub const WATCHED_MAX: usize = 32;

/// A link that was silent for this long in either direction, and up to [`PATIENCE_MAX`] more, is probed. Three probes
/// at least then fit before a NAT forgets after 30 s.
pub const PROBE_AFTER: Duration = Duration::from_secs(22);

/// Each side of a link draws its own patience, so that they do not both probe at the same moment every time.
pub const PATIENCE_MAX: Duration = Duration::from_secs(2);

/// The pause between probes of a link that does not answer.
pub const PROBE_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// How many probes follow the first one quickly when all neighbours are doubted, because we may have moved: each has to
/// hear of that within five seconds. Where a tenth of all datagrams is lost, one of four attempts at a handshake of
/// three fails.
const HURRIED_MAX: u8 = 3;

/// The pause between those: longer than most round trips.
const HURRY_PAUSE: Duration = Duration::from_millis(500);

/// The pause between the others then, so that there are no more of them than for any other silence, nor a shorter one.
const HURRIED_PAUSE: Duration = Duration::from_millis(
    (PROBES_MAX as u64 * PROBE_AGAIN_AFTER.as_millis() as u64 - HURRIED_MAX as u64 * HURRY_PAUSE.as_millis() as u64)
        / (PROBES_MAX - HURRIED_MAX) as u64,
);

/// The pause before a probe is repeated that could not be sent: there is no way there at present. When there is one
/// again, the system says so, and all are probed at once.
pub const UNSENT_PAUSE: Duration = Duration::from_secs(30);

/// A neighbour that leaves this many probes in a row unanswered is dead: 14 s without a sign of life.
pub const PROBES_MAX: u8 = 7;

/// A peer that was never heard on this path is given up after this many probes: most likely a NAT is in the way.
pub const TRIAL_PROBES_MAX: u8 = 3;

/// A link that the other side kept open and that was silent for this long has been let go of: the other side would have
/// probed twice. We keep it open from then on if we have too few, with time for two probes before a NAT forgets it.
pub const LET_GO_AFTER: Duration = Duration::from_secs(26);

/// How many links that others keep to us count per global network.
const COUNTED_PER_NETWORK_MAX: usize = 2;

/// How many links we keep open ourselves per global network. With those that count it is one less than we want, so that
/// one network alone never satisfies us.
const KEPT_PER_NETWORK_MAX: usize = 3;

/// How many of the links that we keep we never let go of for the sake of those that others keep to us: half of what we
/// want, so that nobody who chooses us in numbers chooses all our neighbours.
const LINKS_CHOSEN_MIN: usize = LINKS_LOW / 2;

/// How many links that others keep to us are watched per global network, so that four networks at least are needed to
/// leave no room for others that choose us.
pub const WATCHED_PER_NETWORK_MAX: usize = 8;

/// The pause between two links we let go of, so that a node and its neighbours do not all let go at once.
pub const RELEASE_PAUSE: Duration = Duration::from_secs(60);

/// Links younger than this do not make us crowded: most of them are greetings that will not be kept open.
pub const YOUNG_FOR: Duration = Duration::from_secs(60);

/// A path to a neighbour.
#[derive(Clone, Debug)]
pub struct Link {
    /// The neighbour.
    pub address: SocketAddr,
    /// Whether we probe it when it is silent.
    pub is_kept: bool,
    /// Whether it was heard since the link was opened. Until then the link is a trial.
    pub is_proven: bool,
    /// Whether the neighbour has said that it has enough others.
    pub is_unwelcome: bool,
    /// Whether it is only on trial because somebody named it: its failure says nothing about it.
    pub is_hearsay: bool,
    /// Whether there was no way to it at the last probe, and it has not been heard since.
    pub is_unsent: bool,
    /// When the link was opened.
    pub opened: Time,
    /// When it was last heard.
    pub heard: Time,
    /// When we last wrote to it. A NAT lets in only what answers; hearing from outside keeps no path open (RFC 4787,
    /// section 4.3).
    spoken: Time,
    /// When it was last probed without an answer since.
    pub probed: Option<Time>,
    /// When the first of the probes was sent that it left unanswered.
    pub doubted: Time,
    /// How many probes in a row it left unanswered.
    pub unanswered: u8,
    /// Whether the first of them are to follow one another quickly.
    is_hurried: bool,
    /// How much longer than [`PROBE_AFTER`] we leave it silent.
    patience: Duration,
}

impl Link {
    /// When something has to be done about the link.
    pub fn due(&self) -> Time {
        match (self.probed, self.is_kept) {
            (Some(probed), _) if !self.is_hurried => probed + PROBE_AGAIN_AFTER,
            (Some(probed), _) if self.unanswered <= HURRIED_MAX => probed + HURRY_PAUSE,
            (Some(probed), _) => probed + HURRIED_PAUSE,
            (None, true) => self.heard.min(self.spoken) + PROBE_AFTER + self.patience,
            (None, false) => self.heard.min(self.spoken) + LET_GO_AFTER,
        }
    }

    /// Whether it is a neighbour to whom there is a way, as far as we know.
    fn is_in_reach(&self) -> bool {
        self.is_proven && !self.is_unsent
    }

    /// Whether it has left too many probes unanswered.
    pub fn is_dead(&self) -> bool {
        self.unanswered >= if self.is_proven { PROBES_MAX } else { TRIAL_PROBES_MAX }
    }

    /// Whether the other side seems to have let go of it.
    fn is_let_go(&self, now: Time) -> bool {
        !self.is_kept && self.probed.is_none() && self.due() <= now
    }
}

/// The links of a node.
#[derive(Debug, Default)]
pub struct Links {
    links: Vec<Link>,
    released: Time,
}

impl Links {
    /// How many neighbours there are, trials left out.
    pub fn held(&self) -> usize {
        self.count(|link| link.is_proven)
    }

    /// How many of them something can be sent to. The others are kept, because the way may come back; but nobody lives
    /// on neighbours in a network that was left.
    pub fn in_reach(&self) -> usize {
        self.count(Link::is_in_reach)
    }

    /// How many of those do not mind.
    pub fn welcome(&self) -> usize {
        self.count(|link| link.is_in_reach() && !link.is_unwelcome)
    }

    /// How many links of a kind there are. Of those that others keep to us from one global network only
    /// [`COUNTED_PER_NETWORK_MAX`] count, and of one host only one: however many come, they neither satisfy nor crowd
    /// us.
    fn count(&self, is_meant: impl Fn(&Link) -> bool) -> usize {
        let (mut kept, mut others) = (Crowd::default(), Crowd::default());
        for link in self.links.iter().filter(|link| is_meant(link)) {
            let crowd = if link.is_kept { &mut kept } else { &mut others };
            crowd.admit(link.address, if link.is_kept { KEPT_PER_NETWORK_MAX } else { COUNTED_PER_NETWORK_MAX });
        }
        kept.count + others.count
    }

    /// Those that we keep open ourselves.
    fn kept(&self) -> Crowd {
        let mut kept = Crowd::default();
        for link in self.links.iter().filter(|link| link.is_kept) {
            kept.admit(link.address, KEPT_PER_NETWORK_MAX);
        }
        kept
    }

    /// Whether one more path that somebody else keeps open to us may be watched.
    fn has_room_for(&self, address: SocketAddr) -> bool {
        let network = network(address.ip());
        let watched = || self.links.iter().filter(|link| !link.is_kept);
        let alike = watched().filter(|link| super::address::network(link.address.ip()) == network).count();
        watched().count() < WATCHED_MAX && (network == Network::Local || alike < WATCHED_PER_NETWORK_MAX)
    }

    /// How many links are watched, trials included.
    pub fn watched(&self) -> usize {
        self.links.len()
    }

    /// How full the list is.
    pub fn sizes(&self) -> [Size; 1] {
        let Links { links, released } = self;
        no_table(released);
        [Size::new("links", links.len(), LINKS_MAX)]
    }

    /// All links.
    pub fn iter(&self) -> impl Iterator<Item = &Link> {
        self.links.iter()
    }

    /// Whether there is a link to `address`.
    pub fn contains(&self, address: SocketAddr) -> bool {
        self.links.iter().any(|link| link.address == address)
    }

    /// Whether the path to the peer at `address` is still on trial.
    pub fn is_on_trial(&self, address: SocketAddr) -> bool {
        self.links.iter().any(|link| link.address == address && !link.is_proven)
    }

    /// Whether the peer at `address` is a neighbour, not merely on trial.
    pub fn holds(&self, address: SocketAddr) -> bool {
        self.links.iter().any(|link| link.address == address && link.is_proven)
    }

    /// The neighbour was heard.
    pub fn heard(&mut self, now: Time, address: SocketAddr) {
        if let Some(link) = self.get_mut(address) {
            link.heard = now;
            link.is_proven = true;
            link.is_hearsay = false;
            link.is_unsent = false;
            link.probed = None;
            link.unanswered = 0;
            link.is_hurried = false;
        }
    }

    /// Something is sent to the neighbour.
    pub fn spoke(&mut self, now: Time, address: SocketAddr) {
        if let Some(link) = self.get_mut(address) {
            link.spoken = now;
        }
    }

    /// Watches the path to a peer from now on; we keep it open if `is_kept`. It is a trial until the peer is heard.
    /// Says no if too many are watched; one that we want to keep takes the place of one that is unwelcome, or to which
    /// there is no way.
    pub fn open(&mut self, now: Time, address: SocketAddr, is_kept: bool, rng: &mut impl Rng) -> bool {
        let is_kept = is_kept && self.kept().admit(address, KEPT_PER_NETWORK_MAX);
        if let Some(link) = self.get_mut(address) {
            link.is_kept |= is_kept;
            return true;
        }
        if is_kept && self.links.len() >= LINKS_MAX {
            // Who has enough without us asked to be let go of; somebody else shall not be kept out for its sake.
            let useless = self.links.iter().position(|link| link.is_unwelcome || link.is_unsent);
            useless.map(|place| self.links.remove(place));
        }
        let has_room = self.links.len() < LINKS_MAX && (is_kept || self.has_room_for(address));
        if has_room {
            self.links.push(Link {
                address,
                is_kept,
                is_proven: false,
                is_unwelcome: false,
                is_hearsay: false,
                is_unsent: false,
                opened: now,
                heard: now,
                spoken: now,
                probed: None,
                doubted: now,
                unanswered: 0,
                is_hurried: false,
                patience: Duration::from_millis(rng.random_range(0..PATIENCE_MAX.as_millis() as u64)),
            });
        }
        has_room
    }

    /// The link was opened because somebody named the peer.
    pub fn on_hearsay(&mut self, address: SocketAddr) {
        if let Some(link) = self.get_mut(address) {
            link.is_hearsay = !link.is_proven;
        }
    }

    /// The neighbour has said that it has enough others.
    pub fn unwelcome(&mut self, address: SocketAddr) {
        if let Some(link) = self.get_mut(address) {
            link.is_unwelcome = true;
        }
    }

    /// Whether we have enough neighbours without this one, which we do not keep open ourselves.
    pub fn is_crowded(&self, now: Time, address: SocketAddr) -> bool {
        let is_ours = self.links.iter().any(|link| link.address == address && link.is_kept);
        !is_ours && self.count(|link| link.is_in_reach() && now.since(link.opened) >= YOUNG_FOR) > LINKS_HIGH
    }

    /// The last probe could not be sent at all: it does not count, and the next one waits for [`UNSENT_PAUSE`]. A trial
    /// ends there. Says whether a neighbour was in reach until now.
    pub fn unsent(&mut self, now: Time, address: SocketAddr) -> bool {
        self.links.retain(|link| link.is_proven || link.address != address);
        let Some(link) = self.get_mut(address) else { return false };
        link.unanswered = link.unanswered.saturating_sub(1);
        link.is_hurried = false;
        link.probed = Some(now + UNSENT_PAUSE.saturating_sub(PROBE_AGAIN_AFTER));
        !std::mem::replace(&mut link.is_unsent, true)
    }

    /// The link was probed.
    pub fn probed(&mut self, now: Time, address: SocketAddr) {
        if let Some(link) = self.get_mut(address) {
            link.probed = Some(now);
            link.doubted = if link.unanswered == 0 { now } else { link.doubted };
            link.unanswered = link.unanswered.saturating_add(1);
        }
    }

    /// Makes every link due at once, with all its probes before it, the first ones quickly. Who keeps it open stays as
    /// it was.
    pub fn doubt_all(&mut self) {
        for link in &mut self.links {
            link.probed = Some(Time::default());
            link.unanswered = 0;
            link.is_hurried = link.is_proven;
        }
    }

    /// Takes a link out.
    pub fn remove(&mut self, address: SocketAddr) {
        self.links.retain(|link| link.address != address);
    }

    /// Lets go of one link that we keep open if there are too many, or if it is unwelcome and there are enough others;
    /// not too often.
    pub fn release_one(&mut self, now: Time) {
        let held = self.in_reach();
        if held <= LINKS_LOW || now.since(self.released) < RELEASE_PAUSE {
            return;
        }
        // Links that others keep to us can crowd us, but not out of the choice of our neighbours.
        if self.links.iter().filter(|link| link.is_kept).count() <= LINKS_CHOSEN_MIN {
            return;
        }
        let is_free = |link: &Link| link.is_kept && link.probed.is_none();
        let unwelcome = self.links.iter().position(|link| is_free(link) && link.is_unwelcome);
        let any = || self.links.iter().rposition(is_free).filter(|_| held > LINKS_HIGH);
        if let Some(place) = unwelcome.or_else(any) {
            self.links[place].is_kept = false;
            self.released = now;
        }
    }

    /// Settles the links that the other side has let go of: kept open by us if there are too few, else given up.
    pub fn settle(&mut self, now: Time) {
        let held = self.count(|link| link.is_in_reach() && !link.is_let_go(now));
        let mut needed = LINKS_LOW.saturating_sub(held);
        let mut kept = self.kept();
        self.links.retain_mut(|link| {
            if !link.is_let_go(now) {
                return true;
            }
            link.is_kept = link.is_proven && needed > 0 && kept.admit(link.address, KEPT_PER_NETWORK_MAX);
            needed = needed.saturating_sub(usize::from(link.is_kept));
            link.is_kept
        });
    }

    /// When the next link is due.
    pub fn due(&self) -> Option<Time> {
        self.links.iter().map(Link::due).min()
    }

    fn get_mut(&mut self, address: SocketAddr) -> Option<&mut Link> {
        self.links.iter_mut().find(|link| link.address == address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[test]
    fn however_many_choose_us_there_is_room_for_all_whom_we_choose() {
        let mut rng = StdRng::from_seed([3; 32]);
        let mut links = Links::default();
        let address = |network, host| SocketAddr::from(([9, network, 1, host], 24_254));
        for (network, host) in (0..100).flat_map(|network| (0..10).map(move |host| (network, host))) {
            links.open(Time::default(), address(network, host), false, &mut rng);
        }
        assert_eq!(links.watched(), WATCHED_MAX);
        for network in 0..LINKS_HIGH as u8 {
            assert!(links.open(Time::default(), address(100 + network, 1), true, &mut rng), "{network}");
        }
        assert!(!links.open(Time::default(), address(200, 1), true, &mut rng));
        links.unwelcome(address(100, 1));
        assert!(links.open(Time::default(), address(200, 1), true, &mut rng));
        assert!(!links.contains(address(100, 1)));
        assert_eq!(links.watched(), LINKS_MAX);
    }

    #[test]
    fn a_neighbour_that_is_doubted_gets_no_more_probes_than_a_silent_one_and_no_less_time() {
        let probes = |is_doubted: bool| {
            let (mut links, address) = (Links::default(), SocketAddr::from(([9, 9, 9, 9], 24_254)));
            let mut now = Time::from_micros(1_000_000_000);
            links.open(now, address, true, &mut StdRng::from_seed([4; 32]));
            links.heard(now, address);
            if is_doubted {
                links.doubt_all();
            }
            let mut sent = Vec::new();
            loop {
                now = links.due().map_or(now, |due| due.max(now));
                if links.iter().any(Link::is_dead) {
                    return (sent.len(), now.since(sent[0]));
                }
                sent.push(now);
                links.probed(now, address);
            }
        };
        assert_eq!(probes(true), probes(false));
        assert_eq!(probes(true).0, usize::from(PROBES_MAX));
    }

    #[test]
    fn a_doubted_neighbour_to_whom_there_is_no_way_is_left_alone_for_as_long_as_any_other() {
        let (mut links, address) = (Links::default(), SocketAddr::from(([9, 9, 9, 9], 24_254)));
        let now = Time::from_micros(1_000_000_000);
        links.open(now, address, true, &mut StdRng::from_seed([4; 32]));
        links.heard(now, address);
        links.doubt_all();
        links.probed(now, address);
        assert!(links.unsent(now, address));
        assert_eq!(links.due(), Some(now + UNSENT_PAUSE));
    }
}
