//! Killed at any moment: no wrong byte has a name, what was finished stays, and little is fetched twice.
//!
//! The moments are drawn from a number, between the start and the time that the whole takes, so that they fall into
//! every stage: starting, fetching, checking, giving names, and ending. The ordinary run has a few; those that are
//! ignored have a hundred of each kind and print what they found: `cargo test --test binary hundred -- --ignored`.

use crate::fetching::{alone, bytes, counter, ids, names, seed};
use crate::harness::{Node, binary, finish, run, scratch};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How often each command is killed in the ordinary run, and in the long one.
const FEW: usize = 20;
const HUNDRED: usize = 100;

/// How long a content is in the ordinary run, and in the long one, where more of it is on the way at any moment.
const SMALL: usize = 6 << 20;
const LARGE: usize = 64 << 20;

/// How much of a content may be sent again because of one kill.
const REPEATED_MAX_BYTES: i64 = 1 << 20;

/// Runs of which the one that sends least tells how many bytes a content takes on the wire.
const CALIBRATIONS: usize = 3;

/// Kills a process after a while unless it has ended. Says whether it had.
fn kill_after(child: &mut Child, pause: Duration) -> bool {
    sleep(pause);
    let has_ended = child.try_wait().unwrap().is_some();
    let _ = child.kill();
    child.wait().unwrap();
    has_ended
}

fn moment(rng: &mut StdRng, span: Duration) -> Duration {
    span.mul_f64(rng.random())
}

/// Everything that has a name in the store is what its name says. Their names.
fn check_store(data: &Path) -> Vec<String> {
    let mut stored = names(&data.join("store"));
    stored.retain(|name| name.len() == 64);
    for name in &stored {
        assert_eq!(ids(&fs::read(data.join("store").join(name)).unwrap())[0], *name);
    }
    stored
}

/// A data directory in which something is finished already: one content in the store, one in the public folder.
struct Place {
    scratch: TempDir,
    data: PathBuf,
    finished: Vec<u8>,
}

impl Place {
    fn new() -> Place {
        let scratch = scratch();
        let (data, finished) = (scratch.path().join("data"), bytes(100_001));
        fs::create_dir_all(data.join("public")).unwrap();
        fs::write(data.join("public/mine"), &finished).unwrap();
        let file = scratch.path().join("finished");
        fs::write(&file, &finished).unwrap();
        run(&["share", file.to_str().unwrap(), "--data-dir", data.to_str().unwrap()]).success();
        Place { scratch, data, finished }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// What was finished is still there, and nothing wrong has a name. How many contents there are besides.
    fn check(&self) -> usize {
        assert!(fs::read(self.data.join("public/mine")).unwrap() == self.finished);
        let stored = check_store(&self.data);
        assert!(stored.contains(&ids(&self.finished)[0]), "what was finished is lost");
        stored.len() - 1
    }

    /// How much room unfinished contents take.
    fn unfinished(&self) -> u64 {
        let parts = self.data.join("parts");
        let files = names(&parts).into_iter().filter(|name| name.ends_with(".part"));
        files.map(|name| fs::metadata(parts.join(name)).unwrap().blocks() * 512).sum()
    }

    fn remove(&self, content: &[u8]) {
        run(&["share", "--remove", &ids(content)[0], "--data-dir", self.data.to_str().unwrap()]).success();
    }
}

fn share_is_killed(kills: usize, size: usize) {
    let (place, mut rng) = (Place::new(), StdRng::seed_from_u64(1));
    let folder = place.path("folder");
    fs::create_dir(&folder).unwrap();
    let contents: Vec<_> = (0..3).map(|n| [bytes(size / 3), vec![n]].concat()).collect();
    contents.iter().enumerate().for_each(|(n, content)| fs::write(folder.join(n.to_string()), content).unwrap());
    let share = |data: &Path| {
        let mut command = binary();
        command.arg("share").arg(&folder).arg("--data-dir").arg(data);
        command.spawn().unwrap()
    };
    let start = Instant::now();
    finish(share(&place.path("other"))).success();
    let (span, mut most, mut finished) = (start.elapsed(), 0, 0);
    for _ in 0..kills {
        let has_ended = kill_after(&mut share(&place.data), moment(&mut rng, span));
        let count = place.check();
        assert!(count >= most, "{count} of {most} finished contents are left");
        assert!(!has_ended || count == contents.len());
        most = count;
        if count == contents.len() {
            contents.iter().for_each(|content| place.remove(content));
            (most, finished) = (0, finished + 1);
        }
    }
    finish(share(&place.data)).success();
    assert_eq!(place.check(), contents.len());
    let listed = run(&["share", "--list", "--json", "--data-dir", place.data.to_str().unwrap()]).json();
    let roots: Vec<_> = contents.iter().chain([&place.finished]).map(|content| ids(content)[1].clone()).collect();
    assert_eq!(listed.iter().map(|line| line["blake3"].as_str().unwrap()).collect::<Vec<_>>(), roots);
    let left: usize = ["store", "trees"]
        .iter()
        .flat_map(|folder| names(&place.data.join(folder)))
        .filter(|name| name.ends_with(".tmp"))
        .count();
    assert!(left <= 2, "{left} unfinished copies are left behind");
    println!(
        "share: {kills} kills within {span:?}, all were shared {finished} times, {left} unfinished copies are left"
    );
}

/// What kills have cost.
struct Cost {
    /// How many bytes the seed sends for each of the content.
    ratio: f64,
    size: usize,
    /// How much was sent again.
    again: Vec<i64>,
    /// How much of that was on the way at the kill, and had not come.
    lost: Vec<i64>,
}

impl Cost {
    /// `sent` bytes were sent, where one kill was on the way, `first` of them before it, of which `there` bytes of the
    /// content were kept.
    fn add(&mut self, sent: u64, first: u64, there: u64) {
        let content = |bytes: u64| (bytes as f64 / self.ratio) as i64;
        self.again.push(content(sent) - self.size as i64);
        self.lost.push((content(first) - there as i64).max(0));
    }

    fn check(&mut self) {
        let mut work: Vec<i64> = self.again.iter().zip(&self.lost).map(|(again, lost)| again - lost).collect();
        for (what, sizes) in
            [("sent again", &mut self.again), ("of it on the way", &mut self.lost), ("work repeated", &mut work)]
        {
            sizes.sort_unstable();
            let (mean, middle) = (sizes.iter().sum::<i64>() / sizes.len().max(1) as i64, sizes[sizes.len() / 2]);
            println!("  {what}: mean {mean}, median {middle}, most {} bytes", sizes[sizes.len() - 1]);
        }
        assert!(work.iter().all(|bytes| *bytes <= REPEATED_MAX_BYTES), "{work:?}");
        assert!(self.again.iter().all(|bytes| *bytes <= REPEATED_MAX_BYTES), "{:?}", self.again);
    }
}

/// What runs while a content is fetched.
enum Fetching {
    Alone(Child),
    Beside(Node, Child),
}

/// Fetches a content again and again, is killed once each time, and goes on from there.
fn get_is_killed(kills: usize, size: usize, is_beside: bool) {
    let (place, content) = (Place::new(), bytes(size));
    let seed = seed(place.scratch.path(), &content);
    for (number, id) in ids(&content).iter().enumerate() {
        let (out, mut rng) = (place.path("out"), StdRng::seed_from_u64(2 + number as u64));
        let arguments = [id, "-o", out.to_str().unwrap()];
        let begin = || {
            if is_beside {
                let node = Node::start(&place.data, &[seed.address]);
                node.wait_for_peer(seed.address);
                let get = binary().arg("get").args(arguments).arg("--data-dir").arg(&place.data).spawn().unwrap();
                Fetching::Beside(node, get)
            } else {
                Fetching::Alone(alone(&place.data, Some(seed.address), &arguments).spawn().unwrap())
            }
        };
        // To the end; what the seed has sent for it.
        let complete = || {
            let fetching = begin();
            let start = Instant::now();
            let (Fetching::Alone(get) | Fetching::Beside(_, get)) = fetching;
            finish(get).success();
            let span = start.elapsed();
            assert!(fs::read(&out).unwrap() == content && place.check() == 1);
            fs::remove_file(&out).unwrap();
            place.remove(&content);
            span
        };
        let sent = |work: &mut dyn FnMut() -> Duration| {
            let before = counter(&seed, "bytes_sent");
            let span = work();
            (counter(&seed, "bytes_sent") - before, span)
        };
        let least = (0..CALIBRATIONS).map(|_| sent(&mut || complete())).min().unwrap();
        let mut cost = Cost { ratio: least.0 as f64 / size as f64, size, again: Vec::new(), lost: Vec::new() };
        for _ in 0..kills {
            let mut is_early = false;
            let before = counter(&seed, "bytes_sent");
            let (mut there, mut first) = (0, 0);
            let (sent, _) = sent(&mut || {
                let moment = moment(&mut rng, least.1);
                match begin() {
                    Fetching::Alone(mut get) => is_early = !kill_after(&mut get, moment),
                    Fetching::Beside(mut node, get) => {
                        kill_after(node.child(), moment);
                        let said = finish(get);
                        is_early = !said.status.success();
                        assert!(!is_early || said.complaint().len() < 200, "{said:?}");
                    }
                }
                assert!(out.exists() || is_early);
                if out.exists() {
                    assert!(fs::read(&out).unwrap() == content);
                    fs::remove_file(&out).unwrap();
                }
                there = place.unfinished() + place.check() as u64 * size as u64;
                first = counter(&seed, "bytes_sent") - before;
                complete()
            });
            if is_early {
                cost.add(sent, first, there);
            }
        }
        println!("get {id} of {size} bytes, killed {kills} times, {} before the end", cost.again.len());
        cost.check();
    }
}

#[test]
fn share_leaves_whole_contents_or_none() {
    share_is_killed(FEW, SMALL);
}

#[test]
fn a_killed_get_leaves_the_whole_content_or_none_and_repeats_a_megabyte_at_most() {
    get_is_killed(FEW / 2, SMALL, false);
}

#[test]
fn a_killed_node_leaves_the_whole_content_or_none_and_repeats_a_megabyte_at_most() {
    get_is_killed(FEW / 4, SMALL, true);
}

#[test]
#[ignore = "takes minutes"]
fn a_hundred_kills_of_share() {
    share_is_killed(HUNDRED, LARGE);
}

#[test]
#[ignore = "takes minutes"]
fn a_hundred_kills_of_get() {
    get_is_killed(HUNDRED / 2, LARGE, false);
}

#[test]
#[ignore = "takes minutes"]
fn a_hundred_kills_of_a_node_that_fetches() {
    get_is_killed(HUNDRED / 2, LARGE, true);
}
