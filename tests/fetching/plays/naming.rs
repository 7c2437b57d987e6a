//! A file with a name: the newest version reaches who has never met its publisher, checked, over a bad network.

use super::*;
use crate::net::Faults;
use cjp2p_node::identity::Identity;
use cjp2p_node::titles::{Title, Version};

const PUBLISHER: usize = 1;
const READER: usize = 2;
const BEHIND: usize = 3;

/// The one whom all know, and who keeps the name up to date.
const KEEPER: usize = 0;

/// Of a hundred datagrams ten are lost and a few come twice, or late.
const BAD: Faults =
    Faults { loss: 100, duplicate: 20, corrupt: 0, latency_min_ms: 10, latency_max_ms: 40, jitter_ms: 20 };

impl Wire {
    /// Publishes a version of `page` with a content of so many bytes.
    fn publish(&mut self, seq: u64, size: usize) -> (Title, Vec<u8>) {
        let content: Vec<u8> = (0..size).map(|i| (i * 31 + (i >> 8) * 7 + seq as usize) as u8).collect();
        let now = self.now;
        let file = self.hosts[PUBLISHER].share(now, &format!("version {seq}"), content.clone());
        let version = Version::sign(&publisher(), "page", file.sha256, seq).unwrap();
        let title = version.title.clone();
        self.command(PUBLISHER, Command::Publish { version: Box::new(version), is_withdrawn: false });
        (title, content)
    }

    /// Lets a node look for the newest version and fetch it; says which it is.
    fn get_name(&mut self, n: usize, title: &Title) -> Option<(u64, Vec<u8>)> {
        self.seek(n, title);
        self.get_found(n, title)
    }

    /// Lets a node look for the newest version.
    fn seek(&mut self, n: usize, title: &Title) {
        self.command(n, Command::Seek { title: title.clone(), patience: Duration::from_secs(60) });
        let end = self.now + Duration::from_secs(61);
        let is_end = |event: &Event| matches!(event, Event::Sought { title: sought, .. } if sought == title);
        self.run_until(end, |events| events.iter().any(|(by, event)| *by == n && is_end(event)));
        let place = self.events.iter().position(|(by, event)| *by == n && is_end(event));
        self.events.remove(place.expect("an end of the search"));
    }

    /// Lets a node fetch the newest version that it knows; what it keeps is checked against what was signed.
    fn get_found(&mut self, n: usize, title: &Title) -> Option<(u64, Vec<u8>)> {
        let version = self.hosts[n].node().version(title)?.clone();
        let id = ContentId::Sha256(version.sha256);
        self.fetch(n, id);
        assert_eq!(self.outcome(n), Event::Fetched(id));
        let content = self.kept(n, id);
        let now = self.now;
        let shared = self.hosts[n].share(now, &format!("fetched {}", version.seq), content.clone());
        assert_eq!(shared.sha256, version.sha256, "what is served is what was signed");
        Some((version.seq, content))
    }

    /// Waits until a node is told of a newer version.
    fn await_news(&mut self, n: usize, title: &Title) {
        let end = self.now + Duration::from_secs(1_300);
        let is_news = |event: &Event| matches!(event, Event::NewVersion(newer) if newer == title);
        self.run_until(end, |events| events.iter().any(|(by, event)| *by == n && is_news(event)));
        let place = self.events.iter().position(|(by, event)| *by == n && is_news(event));
        self.events.remove(place.expect("a newer version"));
    }
}

fn publisher() -> Identity {
    Identity::from_seed(&[7; 32])
}

#[test]
fn a_republished_name_reaches_a_reader_through_a_third_node_while_the_publisher_is_away() {
    let (mut waited, mut at_once) = (Vec::new(), 0);
    for seed in 0..20 {
        let mut wire = Wire::named(4, seed, (PUBLISHER, publisher()));
        wire.vanish(READER);
        wire.run(Duration::from_secs(30));
        wire.faults = BAD;
        let (title, first) = wire.publish(100, 40_000);
        wire.run(Duration::from_secs(5));
        for n in [KEEPER, BEHIND] {
            assert_eq!(wire.get_name(n, &title), Some((100, first.clone())), "seed {seed}");
        }
        wire.command(KEEPER, Command::Follow { title: title.clone(), version: None });
        // One of them hears nothing of the next version.
        wire.vanish(BEHIND);
        let (_, second) = wire.publish(101, 70_000);
        wire.await_news(KEEPER, &title);
        assert_eq!(wire.get_found(KEEPER, &title), Some((101, second.clone())), "seed {seed}");
        wire.vanish(PUBLISHER);
        wire.appear(BEHIND);
        let now = wire.now;
        let old = Version::sign(&publisher(), "page", [0; 32], 100).unwrap();
        wire.command(BEHIND, Command::Follow { title: title.clone(), version: Some(Box::new(old)) });
        wire.appear(READER);
        wire.command(READER, Command::Follow { title: title.clone(), version: None });
        wire.seek(READER, &title);
        let knows = |wire: &Wire| wire.hosts[READER].node().version(&title).is_some_and(|version| version.seq == 101);
        at_once += usize::from(knows(&wire));
        // If the keeper was not heard in time, it is with one of the next questions of the one who follows.
        let end = wire.now + Duration::from_secs(1_300);
        while !knows(&wire) && wire.now < end {
            wire.run(Duration::from_secs(10));
        }
        assert_eq!(wire.get_found(READER, &title), Some((101, second)), "seed {seed}");
        waited.push(wire.now.since(now));
    }
    // Of a question and its answer one is lost in a fifth of all cases, and each is put twice within the wait.
    assert!(at_once >= 16 && waited.iter().all(|span| *span < Duration::from_secs(30)), "{at_once}: {waited:?}");
    waited.sort();
    println!("the newest version at the first question: {at_once} of 20; {:?}, at most {:?}", waited[10], waited[19]);
}
