//! How many blocks are opened that turn out to be forged.
//!
//! Each look at a signature costs. Who sends real blocks costs nothing here; of who sends forged ones, each host has a
//! share of its own, and what is beyond comes out of one that all such hosts have together. So one that floods takes
//! nothing from a source that has forged nothing. Anybody can write in the name of a source, and then that one is heard
//! less while it lasts; another one is asked then.

use crate::peers::address::host;
use crate::rate::{Limiter, Rate};
use crate::sizes::Size;
use crate::time::Time;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Hosts that are remembered, as many as there can be sources of all streams that are followed. When there are more,
/// the others have the common share alone until one has been quiet for four seconds.
const HOSTS_MAX: usize = super::STREAMS_MAX * crate::stream::follow::SOURCES_MAX;

/// The share of one host: a burst that reordering and a restarted owner may explain, and together as much as
/// [`COMMON`].
const ONE: Rate = Rate { burst: 25, interval: Duration::from_millis(160) };

/// What all of them have together beyond that: as much time as strangers get, a twentieth of a core. To spend it, an
/// attacker has to know whom we ask for which block.
const COMMON: Rate = Rate { burst: 25, interval: Duration::from_micros(2_500) };

/// Who forged lately.
#[derive(Debug, Default)]
pub(super) struct Forgers {
    hosts: Vec<(IpAddr, Limiter)>,
    common: Limiter,
}

impl Forgers {
    /// Whether a block may be looked at that comes from here.
    pub(super) fn may_check(&self, now: Time, from: SocketAddr) -> bool {
        self.is_within_own(now, host(from.ip())) || self.common.is_within(now, COMMON)
    }

    /// A block from here was forged, or not looked at.
    pub(super) fn note(&mut self, now: Time, from: SocketAddr) {
        let host = host(from.ip());
        if !self.is_within_own(now, host) {
            self.common.allow(now, COMMON);
            return;
        }
        let place = self.hosts.iter().position(|(other, _)| *other == host).unwrap_or_else(|| {
            // There is room: it is within its own share.
            self.hosts.retain(|(_, limiter)| !limiter.is_unused(now));
            self.hosts.push((host, Limiter::default()));
            self.hosts.len() - 1
        });
        self.hosts.get_mut(place).map(|(_, limiter)| limiter.allow(now, ONE));
    }

    fn is_within_own(&self, now: Time, host: IpAddr) -> bool {
        match self.hosts.iter().find(|(other, _)| *other == host) {
            Some((_, limiter)) => limiter.is_within(now, ONE),
            None => self.hosts.len() < HOSTS_MAX || self.hosts.iter().any(|(_, limiter)| limiter.is_unused(now)),
        }
    }

    pub(super) fn size(&self) -> Size {
        Size::new("hosts that forged blocks", self.hosts.len(), HOSTS_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(n: u8) -> SocketAddr {
        SocketAddr::from(([198, 51, 100, n], 5_000))
    }

    /// How many forged blocks of these hosts are looked at in a second of 2,000 from each.
    fn checked(forgers: &mut Forgers, start: Time, hosts: std::ops::Range<u8>) -> usize {
        let mut count = 0;
        for step in 0..2_000 {
            let now = start + Duration::from_micros(step * 500);
            for host in hosts.clone() {
                count += usize::from(forgers.may_check(now, from(host)));
                forgers.note(now, from(host));
            }
        }
        count
    }

    #[test]
    fn hosts_that_flood_cost_a_stated_share_and_leave_one_that_forges_nothing_its_own() {
        let mut forgers = Forgers::default();
        let start = Time::from_micros(1_000_000);
        let one = checked(&mut forgers, start, 0..1);
        assert!((400..=460).contains(&one), "{one}");
        let many = checked(&mut forgers, start + Duration::from_secs(10), 0..50);
        assert!((50 * 30..=50 * 32 + 430).contains(&many), "{many}");
        let now = start + Duration::from_micros(10_000_000 + 1_999 * 500);
        assert!(!forgers.may_check(now, from(3)) && forgers.may_check(now, from(99)));
        let crowd = checked(&mut forgers, start + Duration::from_secs(30), 0..200);
        assert!(crowd <= 64 * 32 + 430 && forgers.hosts.len() == HOSTS_MAX, "{crowd}");
        forgers.note(start + Duration::from_secs(60), from(250));
        assert_eq!(forgers.hosts.len(), 1, "who has been quiet is forgotten");
    }
}
